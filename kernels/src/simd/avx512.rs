//! 512-bit vectors, for x86-64 since Skylake-X and Zen 4.

use super::{Feature, Isa, Lanes, has};
use bytemuck::must_cast;
use core::arch::x86_64::*;
use core::ops::Range;

/// Proof that the CPU has AVX-512 F, BW, DQ and VL, which every CPU since Skylake-X has together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx512(());

impl Isa for Avx512 {
    const NAME: &'static str = "avx512";
    const FEATURES: &'static [Feature] = &[
        Feature { name: "avx512f", is_there: || has!("avx512f") },
        Feature { name: "avx512bw", is_there: || has!("avx512bw") },
        Feature { name: "avx512dq", is_there: || has!("avx512dq") },
        Feature { name: "avx512vl", is_there: || has!("avx512vl") },
    ];

    #[inline(always)]
    fn detect() -> Option<Self> {
        let all = has!("avx512f") && has!("avx512bw") && has!("avx512dq") && has!("avx512vl");
        all.then_some(Self(()))
    }

    #[inline(always)]
    fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        fn with_avx512<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { with_avx512(f) }
    }
}

/// A mask of some of 16 lanes.
#[inline(always)]
fn mask(lanes: Range<usize>) -> __mmask16 {
    ((1u32 << lanes.end) - (1 << lanes.start)) as __mmask16
}

impl Lanes<f32> for Avx512 {
    type Vector = __m512;
    type Seen = __mmask16;
    const N: usize = 16;

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        must_cast([x; 16])
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512, the caller promises the rest.
        unsafe { _mm512_loadu_ps(src) }
    }

    #[inline(always)]
    unsafe fn store(self, v: __m512, dst: *mut f32) {
        // SAFETY: the token proves that the CPU has AVX-512, the caller promises the rest.
        unsafe { _mm512_storeu_ps(dst, v) }
    }

    #[inline(always)]
    unsafe fn load_first(self, src: *const f32, n: usize) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512, the caller promises the rest;
        // lanes whose mask is clear are not touched.
        unsafe { _mm512_maskz_loadu_ps(mask(0..n), src) }
    }

    #[inline(always)]
    unsafe fn store_first(self, v: __m512, dst: *mut f32, n: usize) {
        // SAFETY: the token proves that the CPU has AVX-512, the caller promises the rest;
        // lanes whose mask is clear are not touched.
        unsafe { _mm512_mask_storeu_ps(dst, mask(0..n), v) }
    }

    #[inline(always)]
    unsafe fn load_between(self, src: *const f32, lanes: Range<usize>, rest: __m512) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512, the caller promises the rest;
        // lanes whose mask is clear are not touched.
        unsafe { _mm512_mask_loadu_ps(rest, mask(lanes), src) }
    }

    #[inline(always)]
    fn keep(self, v: __m512, lanes: Range<usize>, rest: __m512) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_mask_blend_ps(mask(lanes), rest, v) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn max_nan(self, a: __m512, b: __m512) -> __m512 {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn max_nan(a: __m512, b: __m512) -> __m512 {
            // `maxps` yields `b` when either is NaN, which loses a NaN in `a`: compute the
            // maximum only where `a` is a number.
            let a_is_number = _mm512_cmp_ps_mask::<_CMP_ORD_Q>(a, a);
            _mm512_mask_max_ps(a, a_is_number, a, b)
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { max_nan(a, b) }
    }

    #[inline(always)]
    fn canonical(self, v: __m512) -> __m512 {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn canonical(v: __m512) -> __m512 {
            // Adding 0 makes −0 a +0.
            let is_number = _mm512_cmp_ps_mask::<_CMP_ORD_Q>(v, v);
            _mm512_mask_add_ps(_mm512_set1_ps(f32::NAN), is_number, v, _mm512_setzero_ps())
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { canonical(v) }
    }

    #[inline(always)]
    fn unseen(self) -> __mmask16 {
        0
    }

    #[inline(always)]
    fn look(self, seen: __mmask16, a: __m512, b: __m512) -> __mmask16 {
        // SAFETY: the token proves that the CPU has AVX-512.
        seen | unsafe { _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, b) }
    }

    #[inline(always)]
    fn has_seen(self, seen: __mmask16) -> bool {
        seen != 0
    }

    #[inline(always)]
    fn slide<const J: usize>(self, before: __m512, v: __m512) -> __m512 {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn slide<const J: usize>(before: __m512, v: __m512) -> __m512 {
            let (before, v) = (must_cast(before), must_cast(v));
            must_cast(match J {
                0 => v,
                1 => _mm512_alignr_epi32::<15>(v, before),
                2 => _mm512_alignr_epi32::<14>(v, before),
                3 => _mm512_alignr_epi32::<13>(v, before),
                _ => _mm512_alignr_epi32::<12>(v, before),
            })
        }
        const { assert!(J <= 4) };
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { slide::<J>(before, v) }
    }

    #[inline(always)]
    fn deinterleave3(self, a: __m512, b: __m512, c: __m512) -> [__m512; 3] {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn deinterleave3(a: __m512, b: __m512, c: __m512) -> [__m512; 3] {
            // Indices 0 to 15 are lanes of the first vector, 16 to 31 of the second. First what
            // `a` and `b` have, then what `c` has.
            let ab = _mm512_setr_epi32(0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 0, 0, 0, 0, 0);
            let c_0 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 17, 20, 23, 26, 29);
            let c_1 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 18, 21, 24, 27, 30);
            let c_2 = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 19, 22, 25, 28, 31);
            let one = _mm512_set1_epi32(1);
            let (ab_1, ab_2) =
                (_mm512_add_epi32(ab, one), _mm512_add_epi32(ab, _mm512_add_epi32(one, one)));
            [
                _mm512_permutex2var_ps(_mm512_permutex2var_ps(a, ab, b), c_0, c),
                _mm512_permutex2var_ps(_mm512_permutex2var_ps(a, ab_1, b), c_1, c),
                _mm512_permutex2var_ps(_mm512_permutex2var_ps(a, ab_2, b), c_2, c),
            ]
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { deinterleave3(a, b, c) }
    }

    #[inline(always)]
    fn deinterleave(self, lo: __m512, hi: __m512) -> (__m512, __m512) {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn deinterleave(lo: __m512, hi: __m512) -> (__m512, __m512) {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
            (_mm512_permutex2var_ps(lo, even, hi), _mm512_permutex2var_ps(lo, odd, hi))
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { deinterleave(lo, hi) }
    }
}
