//! Vectors of f32, one type an instruction set, so that each step of the trunk is written once.
//!
//! [`Portable`] is plain Rust with every access checked. The others read and write unchecked, through the same calls at the
//! same places, so an offset that is wrong for one is wrong for all, and [`Portable`] panics on it; in this crate's unit
//! tests the others check as well.

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod x86;

#[cfg(target_arch = "aarch64")]
pub use neon::Neon;
#[cfg(target_arch = "x86_64")]
pub use x86::{Avx2, Avx512};

/// A vector of f32 and what the trunk does with it.
///
/// # Safety
/// Every function demands that the processor has the instruction set of the type, and [`Simd::load`] and [`Simd::store`] that
/// `at + LANES` is within the slice, [`Simd::broadcast`] that `at` is.
pub trait Simd: Copy {
    /// The vector.
    type V: Copy;
    /// How many values it holds; divides 16.
    const LANES: usize;

    unsafe fn load(from: &[f32], at: usize) -> Self::V;
    unsafe fn store(to: &mut [f32], at: usize, v: Self::V);
    unsafe fn splat(value: f32) -> Self::V;
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the processor can.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;

    /// `from[at]` in every lane.
    unsafe fn broadcast(from: &[f32], at: usize) -> Self::V;
}

/// Eight values, by what every processor has.
#[derive(Clone, Copy)]
pub struct Portable;

const WIDE: usize = 8;

#[inline(always)]
fn each(a: [f32; WIDE], b: [f32; WIDE], f: impl Fn(f32, f32) -> f32) -> [f32; WIDE] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Simd for Portable {
    type V = [f32; WIDE];
    const LANES: usize = WIDE;

    #[inline(always)]
    unsafe fn load(from: &[f32], at: usize) -> Self::V {
        from[at..at + WIDE].try_into().expect("a slice of that length")
    }
    #[inline(always)]
    unsafe fn store(to: &mut [f32], at: usize, v: Self::V) {
        to[at..at + WIDE].copy_from_slice(&v);
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        [value; WIDE]
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Not `mul_add`, which is a call into the C library where the processor has no such instruction.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        each(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn broadcast(from: &[f32], at: usize) -> Self::V {
        [from[at]; WIDE]
    }
}

/// In unit tests every access is checked.
#[inline(always)]
pub(super) fn check(len: usize, at: usize, lanes: usize) {
    if cfg!(test) {
        assert!(at + lanes <= len, "{lanes} values at {at} of {len}");
    }
}
