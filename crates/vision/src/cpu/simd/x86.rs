//! x86-64: vectors that differ in their names only.

use std::arch::x86_64::*;

use super::{Simd, check};

macro_rules! simd {
    ($doc:literal, $name:ident, $vector:ty, $lanes:literal, $load:ident, $store:ident, $set:ident, $add:ident, $sub:ident,
     $fma:ident, $mul:ident, $max:ident) => {
        #[doc = $doc]
        #[derive(Clone, Copy)]
        pub struct $name;

        // Every block below: the trait's contract says that the processor has the instruction, and that the slice has
        // `LANES` values at `at`. `wrapping_add` since `add` is checked where debug assertions are on, in the innermost loop.
        impl Simd for $name {
            type V = $vector;
            const LANES: usize = $lanes;

            #[inline(always)]
            unsafe fn load(from: &[f32], at: usize) -> Self::V {
                check(from.len(), at, $lanes);
                unsafe { $load(from.as_ptr().wrapping_add(at)) }
            }
            #[inline(always)]
            unsafe fn store(to: &mut [f32], at: usize, v: Self::V) {
                check(to.len(), at, $lanes);
                unsafe { $store(to.as_mut_ptr().wrapping_add(at), v) }
            }
            #[inline(always)]
            unsafe fn splat(value: f32) -> Self::V {
                unsafe { $set(value) }
            }
            #[inline(always)]
            unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
                unsafe { $sub(a, b) }
            }
            #[inline(always)]
            unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
                unsafe { $fma(a, b, c) }
            }
            #[inline(always)]
            unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
                unsafe { $mul(a, b) }
            }
            #[inline(always)]
            unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
                unsafe { $max(a, b) }
            }
            #[inline(always)]
            unsafe fn broadcast(from: &[f32], at: usize) -> Self::V {
                check(from.len(), at, 1);
                unsafe { $set(*from.as_ptr().wrapping_add(at)) }
            }
        }
    };
}

simd!(
    "AVX-512F.",
    Avx512,
    __m512,
    16,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_fmadd_ps,
    _mm512_mul_ps,
    _mm512_max_ps
);
simd!(
    "AVX2 and FMA.",
    Avx2,
    __m256,
    8,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_fmadd_ps,
    _mm256_mul_ps,
    _mm256_max_ps
);
