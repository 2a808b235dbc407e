//! Where the tensors live.

use std::fmt;
use std::str::FromStr;

use burn::tensor::Device;

use crate::Result;
use crate::cpu::Isa;

/// What the user asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// A real GPU if there is one, else the CPU. Never a software adapter.
    #[default]
    Auto,
    /// Burn's flex.
    Cpu,
    /// Burn's wgpu, on whatever adapter there is, software included.
    Gpu,
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "gpu" => Ok(DeviceChoice::Gpu),
            _ => Err(format!("`{text}` is not a device: expected auto, cpu or gpu")),
        }
    }
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DeviceChoice::Auto => "auto",
            DeviceChoice::Cpu => "cpu",
            DeviceChoice::Gpu => "gpu",
        })
    }
}

/// A device, and how to call it in a report.
#[derive(Clone, Debug)]
pub struct Compute {
    device: Device,
    description: String,
}

impl Compute {
    /// Take the device that was asked for.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when a GPU was asked for and there is no adapter, or the build has no GPU support.
    pub fn choose(choice: DeviceChoice) -> Result<Compute> {
        match choice {
            DeviceChoice::Cpu => Ok(Compute::cpu()),
            DeviceChoice::Auto => Ok(gpu::real().unwrap_or_else(Compute::cpu)),
            DeviceChoice::Gpu => gpu::any(),
        }
    }

    /// The trunk by [`cpu`](crate::cpu), the rest by Burn's flex, on all cores.
    pub fn cpu() -> Compute {
        Compute {
            device: Device::flex(),
            description: format!("cpu ({}, {} threads)", Isa::best(), rayon::current_num_threads()),
        }
    }

    /// For people: "gpu (NVIDIA H100, Burn wgpu)".
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// Burn's device, without automatic differentiation.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Whether it is a GPU, with memory of its own.
    pub fn is_gpu(&self) -> bool {
        self.device != Device::flex()
    }

    /// Which code does the trunk's sums, such as `cpu-avx512` or `wgpu-winograd`: their last bits differ.
    pub fn backend(&self) -> String {
        if self.is_gpu() { "wgpu-winograd".into() } else { format!("cpu-{}", Isa::best()) }
    }
}

#[cfg(feature = "gpu")]
mod gpu {
    use burn::tensor::{Device, DeviceKind, DeviceType};

    use super::Compute;
    use crate::{Error, Result};

    /// The first card. wgpu reports no card behind a software rasteriser.
    pub fn real() -> Option<Compute> {
        if !may_have_card() {
            return None;
        }
        let gpu = Device::enumerate_physical().into_iter().next()?;
        let device = gpu.devices.into_vec().into_iter().next()?;
        Some(Compute { device, description: format!("gpu ({}, Burn wgpu)", gpu.name) })
    }

    /// Opening Vulkan takes a while, and Mesa's software driver writes warnings of its own to stderr: where Linux has no
    /// node for a card there is nothing to find.
    fn may_have_card() -> bool {
        let is_card = |name: &str| name.starts_with("nvidia") || name == "kfd" || name == "dxg" || name == "dri";
        !cfg!(target_os = "linux")
            || std::fs::read_dir("/dev")
                .is_ok_and(|entries| entries.flatten().any(|e| e.file_name().to_str().is_some_and(is_card)))
    }

    pub fn any() -> Result<Compute> {
        if let Some(card) = real() {
            return Ok(card);
        }
        if Device::enumerate(DeviceType::Wgpu).is_empty() {
            return Err(Error::Unavailable(
                "--device gpu: no adapter answers to Vulkan; install a driver (`mesa-vulkan-drivers` has one in software), \
                 or use --device cpu"
                    .into(),
            ));
        }
        let device = Device::wgpu(DeviceKind::DefaultDevice);
        let name = device.identity().map(|i| i.name).unwrap_or_else(|| "unnamed adapter".into());
        Ok(Compute { device, description: format!("gpu ({name}, in software, Burn wgpu)") })
    }
}

#[cfg(not(feature = "gpu"))]
mod gpu {
    use super::Compute;
    use crate::{Error, Result};

    pub fn real() -> Option<Compute> {
        None
    }

    pub fn any() -> Result<Compute> {
        Err(Error::Unavailable("--device gpu: this goodtwin was built without the cargo feature `gpu`".into()))
    }
}

/// For tests: a GPU, software included. Where `scripts/test` says that there is a driver for one, a test does without none.
#[cfg(all(test, feature = "gpu"))]
pub(crate) fn any_gpu() -> Option<Compute> {
    let gpu = Compute::choose(DeviceChoice::Gpu).inspect_err(|e| eprintln!("skipped: {e}")).ok();
    assert!(
        gpu.is_some() || std::env::var_os("GOODTWIN_TESTS_HAVE_GPU").is_none(),
        "there is a driver, but no adapter"
    );
    gpu
}
