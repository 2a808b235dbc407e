//! AArch64, where every processor has NEON.

use std::arch::aarch64::*;

use super::{Simd, check};

/// NEON: four values.
#[derive(Clone, Copy)]
pub struct Neon;

// Every block below: every AArch64 processor has the instruction, and by the trait's contract the slice has four values at `at`.
impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn load(from: &[f32], at: usize) -> Self::V {
        check(from.len(), at, 4);
        unsafe { vld1q_f32(from.as_ptr().wrapping_add(at)) }
    }
    #[inline(always)]
    unsafe fn store(to: &mut [f32], at: usize, v: Self::V) {
        check(to.len(), at, 4);
        unsafe { vst1q_f32(to.as_mut_ptr().wrapping_add(at), v) }
    }
    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::V {
        unsafe { vdupq_n_f32(value) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        unsafe { vaddq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        unsafe { vsubq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        unsafe { vfmaq_f32(c, a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        unsafe { vmulq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        unsafe { vmaxq_f32(a, b) }
    }
    #[inline(always)]
    unsafe fn broadcast(from: &[f32], at: usize) -> Self::V {
        check(from.len(), at, 1);
        unsafe { vdupq_n_f32(*from.as_ptr().wrapping_add(at)) }
    }
}
