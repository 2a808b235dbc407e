//! In which numbers a GPU's convolutions compute.

use std::fmt;
use std::str::FromStr;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{FloatDType, Tensor};

use crate::{Compute, Error, Result};

/// The numbers in which a GPU multiplies: of weights and tiles where its own kernels do, of weights and maps where Burn's do. What is
/// worked out of a block's maps is always in f32.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// 24 bits, 8 of range.
    #[default]
    F32,
    /// 11 bits, 5 of range: up to 65,504. VGG16's maps reach 22,544.
    F16,
    /// 8 bits, 8 of range.
    Bf16,
}

impl Precision {
    /// Whether a device computes in it.
    ///
    /// # Errors
    /// [`Error::Unavailable`]: on the CPU all is f32, and not every GPU has the others.
    pub fn check(self, compute: &Compute) -> Result<()> {
        let device = compute.device();
        let there = self == Precision::F32 || compute.is_gpu() && device.supports_dtype(self.dtype());
        there.then_some(()).ok_or_else(|| {
            Error::Unavailable(format!(
                "--precision {self}: {} does not compute in it; f32 it does",
                compute.describe()
            ))
        })
    }

    /// A module with its parameters in these numbers.
    pub(crate) fn cast<M: Module>(self, module: M) -> M {
        struct Cast(FloatDType);
        impl ModuleMapper for Cast {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|values| values.cast(self.0))
            }
        }
        module.map(&mut Cast(self.dtype()))
    }

    pub(crate) fn dtype(self) -> FloatDType {
        match self {
            Precision::F32 => FloatDType::F32,
            Precision::F16 => FloatDType::F16,
            Precision::Bf16 => FloatDType::BF16,
        }
    }
}

impl FromStr for Precision {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "f32" => Ok(Precision::F32),
            "f16" => Ok(Precision::F16),
            "bf16" => Ok(Precision::Bf16),
            _ => Err(format!("`{text}` is not a precision: expected f32, f16 or bf16")),
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Precision::F32 => "f32",
            Precision::F16 => "f16",
            Precision::Bf16 => "bf16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpu_computes_in_f32() {
        let cpu = Compute::cpu();
        assert!(Precision::F32.check(&cpu).is_ok());
        for precision in [Precision::F16, Precision::Bf16] {
            let error = precision.check(&cpu).unwrap_err();
            assert_eq!(error.exit_code(), 69);
            assert!(error.to_string().contains(&format!("--precision {precision}: cpu")), "{error}");
            assert_eq!(precision.to_string().parse::<Precision>().unwrap(), precision);
        }
        assert!("fp8".parse::<Precision>().unwrap_err().contains("f32, f16 or bf16"));
    }
}
