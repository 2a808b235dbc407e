//! Winograd's minimal filtering (Lavin and Gray 2015): an m x m piece of a 3x3 convolution by (m + 2)² multiplications a
//! channel instead of 9 m².
//!
//! F(4x4, 3x3) has its points at 0, ±1, ±2 and infinity, F(6x6, 3x3) at ±1/2 as well. Both are one-dimensional transforms,
//! applied to columns and then to rows.

use super::simd::Simd;

/// F(M x M, 3x3) on tiles of A = M + 2 values a side.
pub trait Winograd<const A: usize, const M: usize> {
    /// The filter's transform G: three taps to A values.
    const FILTER: [[f64; 3]; A];

    /// The input's transform, B transposed.
    ///
    /// # Safety
    /// The processor has the instruction set of `S`.
    unsafe fn input<S: Simd>(d: [S::V; A]) -> [S::V; A];

    /// The output's transform, A transposed.
    ///
    /// # Safety
    /// The processor has the instruction set of `S`.
    unsafe fn output<S: Simd>(m: [S::V; A]) -> [S::V; M];
}

/// The transform of a filter of 3x3 taps: G g G transposed.
pub fn filter<W: Winograd<A, M>, const A: usize, const M: usize>(taps: &[f32]) -> [[f64; A]; A] {
    let mut half = [[0.0f64; 3]; A];
    for (row, filter) in half.iter_mut().zip(W::FILTER) {
        for (x, value) in row.iter_mut().enumerate() {
            *value = (0..3).map(|y| filter[y] * f64::from(taps[y * 3 + x])).sum();
        }
    }
    half.map(|row| W::FILTER.map(|filter| (0..3).map(|t| row[t] * filter[t]).sum()))
}

/// F(4x4, 3x3): 36 multiplications for 16 outputs.
pub struct F4;

impl Winograd<6, 4> for F4 {
    const FILTER: [[f64; 3]; 6] = [
        [1.0 / 4.0, 0.0, 0.0],
        [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
        [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
        [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
        [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    unsafe fn input<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
        unsafe {
            let (four, minus_four, minus_five) = (S::splat(4.0), S::splat(-4.0), S::splat(-5.0));
            let even = S::fma(minus_four, d[2], d[4]);
            let odd = S::fma(minus_four, d[1], d[3]);
            let near = S::sub(d[4], d[2]);
            let far = S::sub(d[3], d[1]);
            let far = S::add(far, far);
            [
                S::fma(four, d[0], S::fma(minus_five, d[2], d[4])),
                S::add(even, odd),
                S::sub(even, odd),
                S::add(near, far),
                S::sub(near, far),
                S::fma(four, d[1], S::fma(minus_five, d[3], d[5])),
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
        unsafe {
            let (two, four, eight) = (S::splat(2.0), S::splat(4.0), S::splat(8.0));
            let (sum1, diff1) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
            let (sum2, diff2) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
            [
                S::add(S::add(m[0], sum1), sum2),
                S::fma(two, diff2, diff1),
                S::fma(four, sum2, sum1),
                S::add(S::fma(eight, diff2, diff1), m[5]),
            ]
        }
    }
}

/// F(6x6, 3x3): 64 multiplications for 36 outputs.
pub struct F6;

impl Winograd<8, 6> for F6 {
    const FILTER: [[f64; 3]; 8] = [
        [1.0, 0.0, 0.0],
        [-2.0 / 9.0, -2.0 / 9.0, -2.0 / 9.0],
        [-2.0 / 9.0, 2.0 / 9.0, -2.0 / 9.0],
        [1.0 / 90.0, 1.0 / 45.0, 2.0 / 45.0],
        [1.0 / 90.0, -1.0 / 45.0, 2.0 / 45.0],
        [32.0 / 45.0, 16.0 / 45.0, 8.0 / 45.0],
        [32.0 / 45.0, -16.0 / 45.0, 8.0 / 45.0],
        [0.0, 0.0, 1.0],
    ];

    #[inline(always)]
    unsafe fn input<S: Simd>(d: [S::V; 8]) -> [S::V; 8] {
        unsafe {
            let s = |v: f32| S::splat(v);
            let (c21_4, m17_4, m5_4, m5_2) = (s(5.25), s(-4.25), s(-1.25), s(-2.5));
            let (quarter, half, two, four, m5) = (s(0.25), s(0.5), s(2.0), s(4.0), s(-5.0));
            let even1 = S::fma(m17_4, d[4], S::add(d[2], d[6]));
            let odd1 = S::fma(m17_4, d[3], S::add(d[1], d[5]));
            let even2 = S::fma(quarter, d[2], S::fma(m5_4, d[4], d[6]));
            let odd2 = S::fma(half, d[1], S::fma(m5_2, d[3], S::mul(two, d[5])));
            let even3 = S::fma(four, d[2], S::fma(m5, d[4], d[6]));
            let odd3 = S::fma(two, d[1], S::fma(m5_2, d[3], S::mul(half, d[5])));
            [
                S::fma(c21_4, S::sub(d[4], d[2]), S::sub(d[0], d[6])),
                S::add(even1, odd1),
                S::sub(even1, odd1),
                S::add(even2, odd2),
                S::sub(even2, odd2),
                S::add(even3, odd3),
                S::sub(even3, odd3),
                S::fma(c21_4, S::sub(d[3], d[5]), S::sub(d[7], d[1])),
            ]
        }
    }

    #[inline(always)]
    unsafe fn output<S: Simd>(m: [S::V; 8]) -> [S::V; 6] {
        unsafe {
            let s = |v: f32| S::splat(v);
            let (sum1, diff1) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
            let (sum2, diff2) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
            let (sum3, diff3) = (S::add(m[5], m[6]), S::sub(m[5], m[6]));
            [
                S::add(S::add(m[0], sum1), S::add(sum2, sum3)),
                S::fma(s(2.0), diff2, S::fma(s(0.5), diff3, diff1)),
                S::fma(s(4.0), sum2, S::fma(s(0.25), sum3, sum1)),
                S::fma(s(8.0), diff2, S::fma(s(0.125), diff3, diff1)),
                S::fma(s(16.0), sum2, S::fma(s(0.0625), sum3, sum1)),
                S::add(S::fma(s(32.0), diff2, S::fma(s(0.03125), diff3, diff1)), m[7]),
            ]
        }
    }
}
