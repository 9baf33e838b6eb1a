//! 256-bit vectors, for x86-64 since Haswell and Zen.

use super::{Feature, Isa, Lanes, has};
use bytemuck::must_cast;
use core::arch::x86_64::*;
use core::ops::Range;

/// Proof that the CPU has AVX2.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Isa for Avx2 {
    const NAME: &'static str = "avx2";
    const FEATURES: &'static [Feature] = &[Feature { name: "avx2", is_there: || has!("avx2") }];

    #[inline(always)]
    fn detect() -> Option<Self> {
        has!("avx2").then_some(Self(()))
    }

    #[inline(always)]
    fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "avx2")]
        fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { with_avx2(f) }
    }
}

/// A mask of some of eight lanes.
#[target_feature(enable = "avx2")]
#[inline]
fn mask(lanes: Range<usize>) -> __m256i {
    let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let before = _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes.start as i32), lane);
    let before_end = _mm256_cmpgt_epi32(_mm256_set1_epi32(lanes.end as i32), lane);
    _mm256_andnot_si256(before, before_end)
}

impl Lanes<f32> for Avx2 {
    type Vector = __m256;
    type Seen = __m256;
    const N: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        must_cast([x; 8])
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2, the caller promises the rest.
        unsafe { _mm256_loadu_ps(src) }
    }

    #[inline(always)]
    unsafe fn store(self, v: __m256, dst: *mut f32) {
        // SAFETY: the token proves that the CPU has AVX2, the caller promises the rest.
        unsafe { _mm256_storeu_ps(dst, v) }
    }

    #[inline(always)]
    unsafe fn load_first(self, src: *const f32, n: usize) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2.
        let mask = unsafe { mask(0..n) };
        // SAFETY: the token proves that the CPU has AVX2, the caller promises the rest;
        // `maskload` does not touch lanes whose mask is clear.
        unsafe { _mm256_maskload_ps(src, mask) }
    }

    #[inline(always)]
    unsafe fn store_first(self, v: __m256, dst: *mut f32, n: usize) {
        // SAFETY: the token proves that the CPU has AVX2.
        let mask = unsafe { mask(0..n) };
        // SAFETY: the token proves that the CPU has AVX2, the caller promises the rest;
        // `maskstore` does not touch lanes whose mask is clear.
        unsafe { _mm256_maskstore_ps(dst, mask, v) }
    }

    #[inline(always)]
    unsafe fn load_between(self, src: *const f32, lanes: Range<usize>, rest: __m256) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2.
        let mask = unsafe { mask(lanes) };
        // SAFETY: the token proves that the CPU has AVX2, the caller promises the rest;
        // `maskload` does not touch lanes whose mask is clear.
        let v = unsafe { _mm256_maskload_ps(src, mask) };
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_blendv_ps(rest, v, must_cast(mask)) }
    }

    #[inline(always)]
    fn keep(self, v: __m256, lanes: Range<usize>, rest: __m256) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2.
        let mask = must_cast(unsafe { mask(lanes) });
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_blendv_ps(rest, v, mask) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn max_nan(self, a: __m256, b: __m256) -> __m256 {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn max_nan(a: __m256, b: __m256) -> __m256 {
            // `maxps` yields `b` when either is NaN, which loses a NaN in `a`.
            let a_is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a);
            _mm256_blendv_ps(_mm256_max_ps(a, b), a, a_is_nan)
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { max_nan(a, b) }
    }

    #[inline(always)]
    fn canonical(self, v: __m256) -> __m256 {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn canonical(v: __m256) -> __m256 {
            let is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(v, v);
            let no_minus_zero = _mm256_add_ps(v, _mm256_setzero_ps());
            _mm256_blendv_ps(no_minus_zero, _mm256_set1_ps(f32::NAN), is_nan)
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { canonical(v) }
    }

    #[inline(always)]
    fn unseen(self) -> __m256 {
        must_cast([0u32; 8])
    }

    #[inline(always)]
    fn look(self, seen: __m256, a: __m256, b: __m256) -> __m256 {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn look(seen: __m256, a: __m256, b: __m256) -> __m256 {
            _mm256_or_ps(seen, _mm256_cmp_ps::<_CMP_UNORD_Q>(a, b))
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { look(seen, a, b) }
    }

    #[inline(always)]
    fn has_seen(self, seen: __m256) -> bool {
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_movemask_ps(seen) != 0 }
    }

    #[inline(always)]
    fn slide<const J: usize>(self, before: __m256, v: __m256) -> __m256 {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn slide<const J: usize>(before: __m256, v: __m256) -> __m256 {
            // `alignr` works within 128-bit halves: give each half of `v` the one before it.
            let half_before = must_cast(_mm256_permute2f128_ps::<0x21>(before, v));
            let v = must_cast(v);
            must_cast(match J {
                0 => v,
                1 => _mm256_alignr_epi8::<12>(v, half_before),
                2 => _mm256_alignr_epi8::<8>(v, half_before),
                3 => _mm256_alignr_epi8::<4>(v, half_before),
                _ => half_before,
            })
        }
        const { assert!(J <= 4) };
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { slide::<J>(before, v) }
    }

    #[inline(always)]
    fn deinterleave3(self, a: __m256, b: __m256, c: __m256) -> [__m256; 3] {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn deinterleave3(a: __m256, b: __m256, c: __m256) -> [__m256; 3] {
            // Every third lane of the three vectors is in a place of its own, but out of order:
            // position 3i is lane 3i mod 8.
            let [x, y, z] = [
                _mm256_blend_ps::<0b0010_0100>(_mm256_blend_ps::<0b1001_0010>(a, b), c),
                _mm256_blend_ps::<0b0100_1001>(_mm256_blend_ps::<0b0010_0100>(a, b), c),
                _mm256_blend_ps::<0b1001_0010>(_mm256_blend_ps::<0b0100_1001>(a, b), c),
            ];
            [
                _mm256_permutevar8x32_ps(x, _mm256_setr_epi32(0, 3, 6, 1, 4, 7, 2, 5)),
                _mm256_permutevar8x32_ps(y, _mm256_setr_epi32(1, 4, 7, 2, 5, 0, 3, 6)),
                _mm256_permutevar8x32_ps(z, _mm256_setr_epi32(2, 5, 0, 3, 6, 1, 4, 7)),
            ]
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { deinterleave3(a, b, c) }
    }

    #[inline(always)]
    fn deinterleave(self, lo: __m256, hi: __m256) -> (__m256, __m256) {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn deinterleave(lo: __m256, hi: __m256) -> (__m256, __m256) {
            // `shuffle` works within 128-bit halves, so pair the halves up first:
            // [l0 h0] [l1 h1] -> even, odd.
            let a = _mm256_permute2f128_ps::<0x20>(lo, hi);
            let b = _mm256_permute2f128_ps::<0x31>(lo, hi);
            (_mm256_shuffle_ps::<0x88>(a, b), _mm256_shuffle_ps::<0xdd>(a, b))
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { deinterleave(lo, hi) }
    }
}
