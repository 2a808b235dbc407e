//! The steps, compiled once for each instruction set, and the choice among them when the program runs.

use std::fmt;
use std::ops::Range;

use super::shape::{SLAB, Shape};
#[cfg(target_arch = "aarch64")]
use super::simd::Neon;
#[cfg(target_arch = "x86_64")]
use super::simd::{Avx2, Avx512};
use super::simd::{Portable, Simd};
use super::steps::{COLUMN, Kernel, first, input, kernel, multiply, output};
use super::winograd::{F4, F6};

/// The steps, compiled for one instruction set.
pub struct Steps {
    /// The width of a panel of weights.
    pub panel: usize,
    pub input: [Input; 2],
    pub multiply: Multiply,
    pub output: [Output; 2],
    pub first: First,
}

type Input = unsafe fn(&Shape, &[f32], Range<usize>, &mut [f32], &mut [f32]);
type Multiply = unsafe fn(&Shape, &[f32], &[f32], usize, &mut [f32]);
type Output = unsafe fn(&Shape, &[f32], Range<usize>, &[f32], &mut [f32]);
type First = unsafe fn(usize, &[f32], &[f32], &[f32], &mut [f32]);

/// Compile the steps for one instruction set.
macro_rules! compile {
    ($module:ident, $simd:ty, $rows:literal, $wide:literal, [$($row:literal)*] $(, $feature:literal)?) => {
        mod $module {
            use super::*;

            // SAFETY: of every function in this module: the table is handed out by `Isa::steps`, after the processor was asked.
            $(#[target_feature(enable = $feature)])?
            unsafe fn kernel_of<const ROWS: usize, const STRIDE: usize, const DEPTH: usize>(
                slabs: usize, a: &[f32], a_slab: usize, b: &[f32], c: &mut [f32],
            ) {
                unsafe { kernel::<$simd, ROWS, $wide, STRIDE, DEPTH>(slabs, a, a_slab, b, c) }
            }
            const KERNELS: [Kernel; $rows + 1] = [kernel_of::<1, SLAB, SLAB>, $(kernel_of::<$row, SLAB, SLAB>),*];
            const FIRST: [Kernel; $rows + 1] =
                [kernel_of::<1, COLUMN, { 3 * COLUMN }>, $(kernel_of::<$row, COLUMN, { 3 * COLUMN }>),*];

            $(#[target_feature(enable = $feature)])?
            unsafe fn input4(shape: &Shape, maps: &[f32], rows: Range<usize>, v: &mut [f32], patch: &mut [f32]) {
                unsafe { input::<$simd, F4, 6, 4>(shape, maps, rows, v, patch) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn input6(shape: &Shape, maps: &[f32], rows: Range<usize>, v: &mut [f32], patch: &mut [f32]) {
                unsafe { input::<$simd, F6, 8, 6>(shape, maps, rows, v, patch) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn output4(shape: &Shape, m: &[f32], rows: Range<usize>, bias: &[f32], out: &mut [f32]) {
                unsafe { output::<$simd, F4, 6, 4>(shape, m, rows, bias, out) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn output6(shape: &Shape, m: &[f32], rows: Range<usize>, bias: &[f32], out: &mut [f32]) {
                unsafe { output::<$simd, F6, 8, 6>(shape, m, rows, bias, out) }
            }
            unsafe fn multiply_all(shape: &Shape, v: &[f32], u: &[f32], tiles: usize, m: &mut [f32]) {
                unsafe { multiply::<$simd, $rows, $wide>(&KERNELS, shape, v, u, tiles, m) }
            }
            $(#[target_feature(enable = $feature)])?
            unsafe fn first_line(width: usize, columns: &[f32], u: &[f32], bias: &[f32], out: &mut [f32]) {
                unsafe { first::<$simd, $rows, $wide>(&FIRST, width, columns, u, bias, out) }
            }

            pub static STEPS: Steps = Steps {
                panel: <$simd as Simd>::LANES * $wide,
                input: [input4, input6],
                multiply: multiply_all,
                output: [output4, output6],
                first: first_line,
            };
        }
    };
}

compile!(portable, Portable, 4, 2, [1 2 3 4]);
#[cfg(target_arch = "aarch64")]
compile!(neon, Neon, 6, 4, [1 2 3 4 5 6]);
#[cfg(target_arch = "x86_64")]
compile!(avx2, Avx2, 6, 2, [1 2 3 4 5 6], "avx2,fma");
#[cfg(target_arch = "x86_64")]
compile!(avx512, Avx512, 14, 2, [1 2 3 4 5 6 7 8 9 10 11 12 13 14], "avx512f");

/// An instruction set that the steps are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isa {
    /// Plain Rust, for any processor.
    Portable,
    /// AArch64's vectors of four.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// AVX2 with FMA: vectors of eight.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// AVX-512F: vectors of sixteen.
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Isa {
    /// Those that this processor has, best first.
    pub fn available() -> Vec<Isa> {
        let mut all = vec![];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                all.push(Isa::Avx512);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                all.push(Isa::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        all.push(Isa::Neon);
        all.push(Isa::Portable);
        all
    }

    /// The best that this processor has.
    pub fn best() -> Isa {
        Isa::available()[0]
    }

    /// The steps.
    ///
    /// # Panics
    /// On a processor that lacks the instruction set.
    pub(super) fn steps(self) -> &'static Steps {
        assert!(Isa::available().contains(&self), "this processor has no {self}");
        match self {
            Isa::Portable => &portable::STEPS,
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => &neon::STEPS,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => &avx2::STEPS,
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => &avx512::STEPS,
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Isa::Portable => "portable",
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => "neon",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => "avx2",
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => "avx512",
        })
    }
}
