//! 256-bit vectors, for x86-64 since Haswell and Zen.

use super::{
    Feature, Isa, Lanes, Memory, TURNED, as_it_is, div_lanes, has, intrinsics, mul_lanes, no_nan,
};
use crate::Rounding;
use crate::backend::AllLanes;
use crate::number::{Element, Half, Ordered, Summed, SummedLong, SummedShort};
use bytemuck::{Pod, must_cast};
use core::arch::asm;
use core::arch::x86_64::*;
use core::ops::Range;
use half::{bf16, f16};

/// Proof that the CPU has AVX2, F16C, which came before it, and FMA, which came with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Avx2(());

impl Isa for Avx2 {
    const NAME: &'static str = "avx2";
    const FEATURES: &'static [Feature] = &[
        Feature { name: "avx2", is_there: || has!("avx2") },
        Feature { name: "fma", is_there: || has!("fma") },
        Feature { name: "f16c", is_there: || has!("f16c") },
    ];

    #[inline(always)]
    fn detect() -> Option<Self> {
        (has!("avx2") && has!("fma") && has!("f16c")).then_some(Self(()))
    }

    #[inline(always)]
    fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { with_avx2(f) }
    }

    #[inline(always)]
    fn outline<R>(self, f: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "avx2,fma,f16c")]
        #[inline(never)]
        fn with_avx2<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        #[target_feature(enable = "avx2,fma,f16c")]
        fn call<R>(f: impl FnOnce() -> R) -> R {
            with_avx2(f)
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { call(f) }
    }

    const FETCHES: bool = true;

    #[inline(always)]
    fn prefetch<T>(self, src: *const T) {
        // SAFETY: the token proves that the CPU has it, and no address makes it fail.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(src.cast()) }
    }
}

/// Loads and stores of two vectors of elements at even and at odd places, given how bits are taken apart and put
/// together.
macro_rules! taken_apart {
    ($element:ty: $vector:ty, $bits:ty, $apart:ident, $together:ident) => {
        const APART: bool = true;

        #[inline(always)]
        unsafe fn load_two(self, src: *const $element) -> [$vector; 2] {
            // SAFETY: as the caller promises.
            let bits = unsafe { src.cast::<$bits>().read_unaligned() };
            // SAFETY: the token proves that the CPU has the instructions.
            unsafe { $apart(bits) }
        }

        #[inline(always)]
        unsafe fn store_two(self, v: [$vector; 2], dst: *mut $element) {
            // SAFETY: the token proves that the CPU has the instructions.
            let bits = unsafe { $together(v) };
            // SAFETY: as the caller promises.
            unsafe { dst.cast::<$bits>().write_unaligned(bits) }
        }
    };
}

/// Stores of two vectors, one after the other, given how both are narrowed.
macro_rules! both_narrowed {
    ($element:ty: $vector:ty, $bits:ty, $narrow_both:ident) => {
        #[inline(always)]
        unsafe fn store_both(self, v: [$vector; 2], dst: *mut $element) {
            // SAFETY: the token proves that the CPU has the instructions.
            let bits = unsafe { $narrow_both(v) };
            // SAFETY: as the caller promises.
            unsafe { dst.cast::<$bits>().write_unaligned(bits) }
        }
    };
}

/// Loads of the sums of pairs of bytes.
macro_rules! in_pairs {
    ($element:ty: $vector:ty, $pairs:ident) => {
        const PAIRS: bool = true;

        #[inline(always)]
        unsafe fn load_pairs(self, src: *const $element, weights: $vector) -> $vector {
            // SAFETY: as the caller promises.
            let bytes = unsafe { src.cast::<$vector>().read_unaligned() };
            // SAFETY: the token proves that the CPU has the instruction.
            unsafe { $pairs(bytes, weights) }
        }
    };
}

pub(super) use {both_narrowed, in_pairs, taken_apart};

/// Loads and stores of elements that are half as long as their lanes, given how they are widened and narrowed.
macro_rules! widened {
    ($element:ty: $vector:ty, $widen:ident, $narrow:ident) => {
        #[inline(always)]
        unsafe fn load(self, src: *const $element) -> $vector {
            // SAFETY: as the caller promises.
            let bits = unsafe { src.cast::<__m128i>().read_unaligned() };
            // SAFETY: the token proves that the CPU has AVX2 and F16C.
            unsafe { $widen(bits) }
        }

        #[inline(always)]
        unsafe fn store(self, v: $vector, dst: *mut $element) {
            // SAFETY: the token proves that the CPU has AVX2 and F16C.
            let bits = unsafe { $narrow(v) };
            // SAFETY: as the caller promises.
            unsafe { dst.cast::<__m128i>().write_unaligned(bits) }
        }
    };
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
    type Array = [f32; 8];
    type Seen = __m256;

    intrinsics!(__m256: add = _mm256_add_ps, mul = _mm256_mul_ps, max = _mm256_max_ps, min = _mm256_min_ps);

    #[inline(always)]
    fn div(self, a: __m256, b: __m256, _: Rounding) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_div_ps(a, b) }
    }

    const INVERTS: bool = true;
    const DIVIDES_BESIDE: bool = true;

    #[inline(always)]
    fn mul_add(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2 and FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn quotient(self, a: __m256, b: __m256, reciprocal: __m256) -> __m256 {
        #[target_feature(enable = "avx2,fma")]
        #[inline]
        fn quotient(a: __m256, b: __m256, reciprocal: __m256) -> __m256 {
            let near = _mm256_mul_ps(a, reciprocal);
            // Of integers `b`, this is exact, however small `a` is. What it adds is between two halves of
            // the last place, unless `b` is even and `a` subnormal.
            let rest = _mm256_fnmadd_ps(near, b, a);
            _mm256_fmadd_ps(rest, reciprocal, near)
        }
        // SAFETY: the token proves that the CPU has AVX2 and FMA.
        unsafe { quotient(a, b, reciprocal) }
    }

    #[inline(always)]
    fn sqrt(self, v: __m256) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_sqrt_ps(v) }
    }

    #[inline(always)]
    fn keep(self, v: __m256, lanes: Range<usize>, rest: __m256) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2.
        let mask = must_cast(unsafe { mask(lanes) });
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_blendv_ps(rest, v, mask) }
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
    fn min_nan(self, a: __m256, b: __m256) -> __m256 {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn min_nan(a: __m256, b: __m256) -> __m256 {
            let a_is_nan = _mm256_cmp_ps::<_CMP_UNORD_Q>(a, a);
            _mm256_blendv_ps(_mm256_min_ps(a, b), a, a_is_nan)
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { min_nan(a, b) }
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
    fn both(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_or_ps(a, b) }
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
            let half_before = _mm256_permute2f128_ps::<0x21>(before, v);
            match J {
                4 => return half_before,
                8 => return before,
                _ => {}
            }
            let slid;
            // Not the intrinsic, of which LLVM makes two shuffles of floating-point numbers.
            // SAFETY: an instruction of AVX2, which changes its result only.
            unsafe {
                asm!(
                    "vpalignr {}, {}, {}, {}",
                    lateout(ymm_reg) slid,
                    in(ymm_reg) v,
                    in(ymm_reg) half_before,
                    const 16 - 4 * (J % 4),
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
            slid
        }
        const { assert!(matches!(J, 1 | 2 | 4 | 8)) };
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { slide::<J>(before, v) }
    }

    #[inline(always)]
    fn between(self, left: __m256, right: __m256) -> __m256 {
        // Within 128-bit halves: the second and third of each.
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_shuffle_ps::<0x99>(left, right) }
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

    #[inline(always)]
    fn unzip(self, lo: __m256, hi: __m256) -> (__m256, __m256) {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn unzip(lo: __m256, hi: __m256) -> (__m256, __m256) {
            // Within 128-bit halves, two of each: lanes are of positions 0 1 4 5 2 3 6 7.
            (_mm256_shuffle_ps::<0x88>(lo, hi), _mm256_shuffle_ps::<0xdd>(lo, hi))
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { unzip(lo, hi) }
    }

    #[inline(always)]
    fn in_order(self, unzipped: __m256) -> __m256 {
        // SAFETY: the token proves that the CPU has AVX2.
        must_cast(unsafe { _mm256_permute4x64_pd::<0xd8>(must_cast(unzipped)) })
    }

    #[inline(always)]
    fn slide_unzipped(self, before: __m256, v: __m256) -> __m256 {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn slide(before: __m256, v: __m256) -> __m256 {
            let slid = _mm256_blend_ps::<0x80>(v, before);
            _mm256_permutevar8x32_ps(slid, _mm256_setr_epi32(7, 0, 5, 2, 1, 4, 3, 6))
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { slide(before, v) }
    }

    #[inline(always)]
    fn deinterleave4(self, [a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
        // What is in a half of each stays in it.
        let ((a, b), (c, d)) = (Lanes::<f32>::groups(self, a, c), Lanes::<f32>::groups(self, b, d));
        Lanes::<f32>::quads(self, [a, b, c, d])
    }

    #[inline(always)]
    fn quads(self, windows: [__m256; 4]) -> [__m256; 4] {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn quads([a, b, c, d]: [__m256; 4]) -> [__m256; 4] {
            // All of it within 128-bit halves.
            let (ab, cd) = (_mm256_unpacklo_ps(a, b), _mm256_unpacklo_ps(c, d));
            let (first, second) =
                (_mm256_shuffle_ps::<0x44>(ab, cd), _mm256_shuffle_ps::<0xee>(ab, cd));
            let (ab, cd) = (_mm256_unpackhi_ps(a, b), _mm256_unpackhi_ps(c, d));
            [first, second, _mm256_shuffle_ps::<0x44>(ab, cd), _mm256_shuffle_ps::<0xee>(ab, cd)]
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { quads(windows) }
    }

    #[inline(always)]
    fn turn(self, square: &mut [__m256; TURNED]) {
        let [a, b, c, d, e, f, g, h, ..] = *square;
        // Each half by itself, and then the halves.
        let left = Lanes::<f32>::quads(self, [a, b, c, d]);
        let right = Lanes::<f32>::quads(self, [e, f, g, h]);
        for i in 0..4 {
            (square[i], square[i + 4]) = Lanes::<f32>::groups(self, left[i], right[i]);
        }
    }

    const PICKS: bool = true;

    #[inline(always)]
    fn pick(self, v: __m256, places: &[u32; TURNED]) -> __m256 {
        let [places, _]: [__m256i; 2] = must_cast(*places);
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_permutevar8x32_ps(v, places) }
    }

    #[inline(always)]
    fn pick_or(self, v: __m256, places: &[u32; TURNED], rest: __m256) -> __m256 {
        let [is_absent, _]: [__m256; 2] = must_cast(*places);
        let v = Lanes::<f32>::pick(self, v, places);
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_blendv_ps(v, rest, is_absent) }
    }

    #[inline(always)]
    unsafe fn load_groups_of_lanes(self, src: *const f32, apart: usize) -> __m256 {
        // SAFETY: as the caller promises.
        let low = unsafe { src.cast::<__m128>().read_unaligned() };
        // SAFETY: the same.
        let high = unsafe { src.wrapping_add(apart).cast::<__m128>().read_unaligned() };
        must_cast([low, high])
    }

    #[inline(always)]
    fn groups(self, lo: __m256, hi: __m256) -> (__m256, __m256) {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn groups(lo: __m256, hi: __m256) -> (__m256, __m256) {
            (_mm256_permute2f128_ps::<0x20>(lo, hi), _mm256_permute2f128_ps::<0x31>(lo, hi))
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { groups(lo, hi) }
    }
}

impl Memory<f32> for Avx2 {
    const MASKS: bool = true;

    as_it_is!(f32, __m256);

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
}

impl Lanes<f64> for Avx2 {
    type Vector = __m256d;
    type Array = [f64; 4];
    type Seen = __m256d;

    intrinsics!(__m256d: add = _mm256_add_pd, mul = _mm256_mul_pd, max = _mm256_max_pd, min = _mm256_min_pd);

    #[inline(always)]
    fn keep(self, v: __m256d, lanes: Range<usize>, rest: __m256d) -> __m256d {
        must_cast(keep_bytes(self, must_cast(v), lanes.start * 8..lanes.end * 8, must_cast(rest)))
    }

    #[inline(always)]
    fn div(self, a: __m256d, b: __m256d, _: Rounding) -> __m256d {
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_div_pd(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, v: __m256d) -> __m256d {
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_sqrt_pd(v) }
    }

    #[inline(always)]
    fn max_nan(self, a: __m256d, b: __m256d) -> __m256d {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn max_nan(a: __m256d, b: __m256d) -> __m256d {
            let a_is_nan = _mm256_cmp_pd::<_CMP_UNORD_Q>(a, a);
            _mm256_blendv_pd(_mm256_max_pd(a, b), a, a_is_nan)
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { max_nan(a, b) }
    }

    #[inline(always)]
    fn min_nan(self, a: __m256d, b: __m256d) -> __m256d {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn min_nan(a: __m256d, b: __m256d) -> __m256d {
            let a_is_nan = _mm256_cmp_pd::<_CMP_UNORD_Q>(a, a);
            _mm256_blendv_pd(_mm256_min_pd(a, b), a, a_is_nan)
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { min_nan(a, b) }
    }

    #[inline(always)]
    fn canonical(self, v: __m256d) -> __m256d {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn canonical(v: __m256d) -> __m256d {
            let is_nan = _mm256_cmp_pd::<_CMP_UNORD_Q>(v, v);
            let no_minus_zero = _mm256_add_pd(v, _mm256_setzero_pd());
            _mm256_blendv_pd(no_minus_zero, _mm256_set1_pd(f64::NAN), is_nan)
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { canonical(v) }
    }

    #[inline(always)]
    fn unseen(self) -> __m256d {
        must_cast([0u64; 4])
    }

    #[inline(always)]
    fn look(self, seen: __m256d, a: __m256d, b: __m256d) -> __m256d {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn look(seen: __m256d, a: __m256d, b: __m256d) -> __m256d {
            _mm256_or_pd(seen, _mm256_cmp_pd::<_CMP_UNORD_Q>(a, b))
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { look(seen, a, b) }
    }

    #[inline(always)]
    fn both(self, a: __m256d, b: __m256d) -> __m256d {
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_or_pd(a, b) }
    }

    #[inline(always)]
    fn has_seen(self, seen: __m256d) -> bool {
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { _mm256_movemask_pd(seen) != 0 }
    }

    const PICKS: bool = true;

    #[inline(always)]
    fn pick(self, v: __m256d, places: &[u32; TURNED]) -> __m256d {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn pick(v: __m256d, places: __m128i) -> __m256d {
            // There is no permutation of 64 bits by places that are not known: each is two of 32.
            let first = _mm256_slli_epi64::<1>(_mm256_cvtepu32_epi64(places));
            let both = _mm256_shuffle_epi32::<0b10_10_00_00>(first);
            let both = _mm256_add_epi32(both, _mm256_set1_epi64x(1 << 32));
            must_cast(_mm256_permutevar8x32_ps(must_cast(v), both))
        }
        let [places, ..]: [__m128i; 4] = must_cast(*places);
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { pick(v, places) }
    }

    #[inline(always)]
    fn pick_or(self, v: __m256d, places: &[u32; TURNED], rest: __m256d) -> __m256d {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn pick_or(picked: __m256d, places: __m128i, rest: __m256d) -> __m256d {
            _mm256_blendv_pd(picked, rest, must_cast(_mm256_cvtepi32_epi64(places)))
        }
        let picked = Lanes::<f64>::pick(self, v, places);
        let [places, ..]: [__m128i; 4] = must_cast(*places);
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { pick_or(picked, places, rest) }
    }

    #[inline(always)]
    fn slide<const J: usize>(self, before: __m256d, v: __m256d) -> __m256d {
        must_cast(slide_bytes(self, must_cast(before), must_cast(v), J * 8))
    }

    #[inline(always)]
    fn deinterleave(self, lo: __m256d, hi: __m256d) -> (__m256d, __m256d) {
        deinterleave_64(self, lo, hi)
    }
}

impl Memory<f64> for Avx2 {
    as_it_is!(f64, __m256d);
}

/// Shifts the last bytes of `before` into `v`: a power of two of them.
#[inline(always)]
fn slide_bytes(_: Avx2, before: __m256i, v: __m256i, bytes: usize) -> __m256i {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn slide(before: __m256i, v: __m256i, bytes: usize) -> __m256i {
        // `alignr` works within 128-bit halves: give each half of `v` the one before it.
        let half_before = _mm256_permute2x128_si256::<0x21>(before, v);
        match bytes {
            1 => _mm256_alignr_epi8::<15>(v, half_before),
            2 => _mm256_alignr_epi8::<14>(v, half_before),
            4 => _mm256_alignr_epi8::<12>(v, half_before),
            8 => _mm256_alignr_epi8::<8>(v, half_before),
            16 => half_before,
            _ => before,
        }
    }
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { slide(before, v, bytes) }
}

/// Splits eight elements of 64 bits into those at even and odd positions.
#[inline(always)]
fn deinterleave_64<V: Pod>(_: Avx2, lo: V, hi: V) -> (V, V) {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn deinterleave(lo: __m256d, hi: __m256d) -> (__m256d, __m256d) {
        let a = _mm256_permute2f128_pd::<0x20>(lo, hi);
        let b = _mm256_permute2f128_pd::<0x31>(lo, hi);
        (_mm256_unpacklo_pd(a, b), _mm256_unpackhi_pd(a, b))
    }
    // SAFETY: the token proves that the CPU has AVX2.
    let (even, odd) = unsafe { deinterleave(must_cast(lo), must_cast(hi)) };
    (must_cast(even), must_cast(odd))
}

/// Splits quarters of two vectors into those at even and odd positions.
#[target_feature(enable = "avx2")]
#[inline]
fn halves(lo: __m256i, hi: __m256i) -> (__m256i, __m256i) {
    let (even, odd): (__m256i, __m256i);
    // Of two shuffles and two of the intrinsics the compiler would make four shuffles and two blends.
    // SAFETY: the instruction is one of AVX2, and does nothing else.
    unsafe {
        asm!(
            "vpunpcklqdq {}, {}, {}",
            lateout(ymm_reg) even,
            in(ymm_reg) lo,
            in(ymm_reg) hi,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    // SAFETY: the same.
    unsafe {
        asm!(
            "vpunpckhqdq {}, {}, {}",
            lateout(ymm_reg) odd,
            in(ymm_reg) lo,
            in(ymm_reg) hi,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    (_mm256_permute4x64_epi64::<0xd8>(even), _mm256_permute4x64_epi64::<0xd8>(odd))
}

/// Splits 32 elements of 16 bits into those at even and odd positions.
#[inline(always)]
fn deinterleave_16(_: Avx2, lo: __m256i, hi: __m256i) -> (__m256i, __m256i) {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn deinterleave(lo: __m256i, hi: __m256i) -> (__m256i, __m256i) {
        // Each 128-bit half by itself, which is put right in the end.
        let order = _mm256_setr_epi8(
            0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, 0, 1, 4, 5, 8, 9, 12, 13, 2, 3,
            6, 7, 10, 11, 14, 15,
        );
        halves(_mm256_shuffle_epi8(lo, order), _mm256_shuffle_epi8(hi, order))
    }
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { deinterleave(lo, hi) }
}

/// Splits 64 bytes into those at even and odd positions.
#[inline(always)]
fn deinterleave_8(_: Avx2, lo: __m256i, hi: __m256i) -> (__m256i, __m256i) {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn deinterleave(lo: __m256i, hi: __m256i) -> (__m256i, __m256i) {
        let order = _mm256_setr_epi8(
            0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12, 14, 1, 3,
            5, 7, 9, 11, 13, 15,
        );
        halves(_mm256_shuffle_epi8(lo, order), _mm256_shuffle_epi8(hi, order))
    }
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { deinterleave(lo, hi) }
}

#[inline(always)]
fn mul_16(_: Avx2, a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { _mm256_mullo_epi16(a, b) }
}

#[inline(always)]
fn mul_32(_: Avx2, a: __m256i, b: __m256i) -> __m256i {
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { _mm256_mullo_epi32(a, b) }
}

/// Quotients of 16 bits: [`SummedShort`] says of what.
///
/// With p the greatest power of two below the divisor d, 2¹⁶p / d is rounded up to a factor of 16 bits. A
/// number n times that, over 2¹⁶p, exceeds n / d by less than n / 2¹⁶p; that is less than 1 / 2d, which is
/// how far a quotient is from the next half of an integer, if n < 2¹⁴. The product is cut to units of
/// 1 / 4p, which do not tell apart less than that, and keep halves exact.
#[inline(always)]
fn div_16(simd: Avx2, a: __m256i, b: __m256i, rounding: Rounding) -> __m256i {
    div_parts_16(simd, a, parts_16(simd, b), rounding)
}

/// The factor, by what the product is divided, in how many units it is, and the divisor, for its sign.
///
/// It is a call, and so are the divisions below: all places where a kernel divides would be most of its code.
#[inline(always)]
fn parts_16(simd: Avx2, b: __m256i) -> [__m256i; 4] {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn factor(divisor: __m128i) -> (__m256i, __m256i) {
        let divisor = _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(divisor));
        let exponent = _mm256_set1_ps(f32::from_bits(0x7f80_0000));
        let power = _mm256_and_ps(_mm256_sub_ps(divisor, _mm256_set1_ps(0.5)), exponent);
        let factor = _mm256_div_ps(_mm256_mul_ps(power, _mm256_set1_ps(65536.0)), divisor);
        let unit = _mm256_mul_ps(power, _mm256_set1_ps(4.0));
        (_mm256_cvttps_epi32(_mm256_ceil_ps(factor)), _mm256_cvttps_epi32(unit))
    }
    #[target_feature(enable = "avx2")]
    #[inline]
    fn inverse(units: __m256i) -> __m256i {
        _mm256_cvttps_epi32(_mm256_div_ps(_mm256_set1_ps(32768.0), _mm256_cvtepi32_ps(units)))
    }
    #[target_feature(enable = "avx2")]
    #[inline]
    fn pack(low: __m256i, high: __m256i) -> __m256i {
        _mm256_permute4x64_epi64::<0xd8>(_mm256_packus_epi32(low, high))
    }
    #[target_feature(enable = "avx2")]
    #[inline]
    fn parts(b: __m256i) -> [__m256i; 4] {
        let divisor = _mm256_abs_epi16(b);
        let (low, low_units) = factor(_mm256_castsi256_si128(divisor));
        let (high, high_units) = factor(_mm256_extracti128_si256::<1>(divisor));
        let (factor, units) = (pack(low, high), pack(low_units, high_units));
        [factor, pack(inverse(low_units), inverse(high_units)), units, b]
    }
    simd.outline(
        #[inline(always)]
        || {
            // SAFETY: the token proves that the CPU has AVX2.
            unsafe { parts(b) }
        },
    )
}

/// Of the roundings, only the usual one has code of its own: a loop is made anew for each branch in it.
#[inline(always)]
fn div_parts_16(_: Avx2, a: __m256i, parts: [__m256i; 4], rounding: Rounding) -> __m256i {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn div(a: __m256i, [factor, inverse, units, b]: [__m256i; 4], rounding: Rounding) -> __m256i {
        let half = _mm256_srli_epi16::<1>(units);
        let magnitude = _mm256_abs_epi16(a);
        // The factor is the same but where it does not matter. Were it the same in a loop, the compiler would
        // widen it before that, and multiply in 32 bits.
        let factor = _mm256_sign_epi16(factor, magnitude);
        let exact = _mm256_mulhi_epu16(_mm256_slli_epi16::<2>(magnitude), factor);
        let rounded = if rounding == Rounding::HalfAwayFromZero {
            _mm256_mulhrs_epi16(exact, inverse)
        } else {
            let only = |mode| _mm256_set1_epi16(-i16::from(rounding == mode));
            let negative = _mm256_srai_epi16::<15>(_mm256_xor_si256(a, b));
            let up = _mm256_and_si256(negative, only(Rounding::HalfUp));
            let down = _mm256_and_si256(half, only(Rounding::Truncate));
            let exact = _mm256_sub_epi16(_mm256_add_epi16(exact, up), down);
            let rounded = _mm256_mulhrs_epi16(exact, inverse);
            let halved = _mm256_add_epi16(exact, half);
            let is_half = _mm256_cmpeq_epi16(_mm256_mullo_epi16(rounded, units), halved);
            let odd = _mm256_and_si256(rounded, _mm256_set1_epi16(1));
            let even = _mm256_and_si256(is_half, only(Rounding::HalfEven));
            _mm256_sub_epi16(rounded, _mm256_and_si256(even, odd))
        };
        _mm256_sign_epi16(_mm256_sign_epi16(rounded, a), b)
    }
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { div(a, parts, rounding) }
}

/// Quotients of 32 bits, by way of `f64`. One that is no half of an integer is 1 / 2d away from the next,
/// which is more than the quotient and the sum are rounded by; so neither gets past it.
#[inline(always)]
fn div_32(simd: Avx2, a: __m256i, b: __m256i, rounding: Rounding) -> __m256i {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn div(a: __m128i, b: __m128i, rounding: Rounding) -> __m128i {
        let quotient = _mm256_div_pd(_mm256_cvtepi32_pd(a), _mm256_cvtepi32_pd(b));
        let half = _mm256_set1_pd(0.5);
        match rounding {
            Rounding::HalfAwayFromZero => {
                let sign = _mm256_and_pd(quotient, _mm256_set1_pd(-0.0));
                _mm256_cvttpd_epi32(_mm256_add_pd(quotient, _mm256_or_pd(half, sign)))
            }
            Rounding::HalfEven => _mm256_cvtpd_epi32(quotient),
            Rounding::HalfUp => _mm256_cvttpd_epi32(_mm256_floor_pd(_mm256_add_pd(quotient, half))),
            Rounding::Truncate => _mm256_cvttpd_epi32(quotient),
        }
    }
    #[target_feature(enable = "avx2")]
    #[inline]
    fn both(a: __m256i, b: __m256i, rounding: Rounding) -> __m256i {
        let low = div(_mm256_castsi256_si128(a), _mm256_castsi256_si128(b), rounding);
        let (a, b) = (_mm256_extracti128_si256::<1>(a), _mm256_extracti128_si256::<1>(b));
        _mm256_set_m128i(div(a, b, rounding), low)
    }
    simd.outline(
        #[inline(always)]
        || {
            // SAFETY: the token proves that the CPU has AVX2.
            unsafe { both(a, b, rounding) }
        },
    )
}

/// Quotients of 64 bits, in the same way if all are of numbers of 51 bits: products of a quotient and its divisor
/// are exact in `f64`.
#[inline(always)]
fn div_64(simd: Avx2, a: __m256i, b: __m256i, rounding: Rounding) -> __m256i {
    /// The numbers as `f64`, and whether that is what they are.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn number(v: __m256i) -> (__m256d, __m256i) {
        // 3 · 2⁵¹, of whose bits those of a number of 51 bits and a sign are the last ones.
        let magic = _mm256_set1_pd(6_755_399_441_055_744.0);
        let shifted = _mm256_add_epi64(v, _mm256_castpd_si256(magic));
        let number = _mm256_sub_pd(_mm256_castsi256_pd(shifted), magic);
        // Bits that are beyond: the sign is all of them, or none.
        let half = _mm256_set1_epi64x(1 << 50);
        (number, _mm256_srli_epi64::<51>(_mm256_add_epi64(v, half)))
    }
    #[target_feature(enable = "avx2")]
    #[inline]
    fn integer(number: __m256d) -> __m256i {
        let magic = _mm256_set1_pd(6_755_399_441_055_744.0);
        let shifted = _mm256_castpd_si256(_mm256_add_pd(number, magic));
        _mm256_sub_epi64(shifted, _mm256_castpd_si256(magic))
    }
    #[target_feature(enable = "avx2")]
    #[inline]
    fn div(a: __m256i, b: __m256i, rounding: Rounding) -> Option<__m256i> {
        const TRUNCATED: i32 = _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC;
        let ((a, beyond), (b, also_beyond)) = (number(a), number(b));
        let beyond = _mm256_or_si256(beyond, also_beyond);
        if _mm256_testz_si256(beyond, beyond) == 0 {
            return None;
        }
        let quotient = _mm256_div_pd(a, b);
        let half = _mm256_set1_pd(0.5);
        Some(integer(match rounding {
            Rounding::HalfAwayFromZero => {
                let sign = _mm256_and_pd(quotient, _mm256_set1_pd(-0.0));
                _mm256_round_pd::<TRUNCATED>(_mm256_add_pd(quotient, _mm256_or_pd(half, sign)))
            }
            Rounding::HalfEven => quotient,
            Rounding::HalfUp => _mm256_floor_pd(_mm256_add_pd(quotient, half)),
            Rounding::Truncate => _mm256_round_pd::<TRUNCATED>(quotient),
        }))
    }
    let quotients = simd.outline(
        #[inline(always)]
        || {
            // SAFETY: the token proves that the CPU has AVX2.
            unsafe { div(a, b, rounding) }
        },
    );
    quotients.unwrap_or_else(
        #[inline(always)]
        || div_lanes::<i64, _>(simd, a, b, rounding),
    )
}

/// Splits 16 elements of 32 bits into those at even and odd positions.
#[inline(always)]
fn deinterleave_32(simd: Avx2, lo: __m256i, hi: __m256i) -> (__m256i, __m256i) {
    let (even, odd) = Lanes::<f32>::deinterleave(simd, must_cast(lo), must_cast(hi));
    (must_cast(even), must_cast(odd))
}

#[target_feature(enable = "avx2")]
#[inline]
fn max_i64(a: __m256i, b: __m256i) -> __m256i {
    _mm256_blendv_epi8(b, a, _mm256_cmpgt_epi64(a, b))
}

#[target_feature(enable = "avx2")]
#[inline]
fn min_i64(a: __m256i, b: __m256i) -> __m256i {
    _mm256_blendv_epi8(a, b, _mm256_cmpgt_epi64(a, b))
}

/// A mask of some bytes.
#[target_feature(enable = "avx2")]
#[inline]
fn byte_mask(bytes: Range<usize>) -> __m256i {
    let byte = _mm256_setr_epi8(
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24,
        25, 26, 27, 28, 29, 30, 31,
    );
    let before = _mm256_cmpgt_epi8(_mm256_set1_epi8(bytes.start as i8), byte);
    let before_end = _mm256_cmpgt_epi8(_mm256_set1_epi8(bytes.end as i8), byte);
    _mm256_andnot_si256(before, before_end)
}

/// Replaces all but some bytes by those of `rest`.
#[inline(always)]
fn keep_bytes(_: Avx2, v: __m256i, bytes: Range<usize>, rest: __m256i) -> __m256i {
    // SAFETY: the token proves that the CPU has AVX2.
    let mask = unsafe { byte_mask(bytes) };
    // SAFETY: the token proves that the CPU has AVX2.
    unsafe { _mm256_blendv_epi8(rest, v, mask) }
}

macro_rules! integers {
    ($($integer:ident[$n:literal]: $add:ident, $max:ident $(or $max_signed:ident)?, $min:ident, $deinterleave:ident, $mul:path, $div:path $(, $parts:ident, $div_parts:ident, $mul_fraction:ident)?);* $(;)?) => { $(
        impl Lanes<$integer> for Avx2 {
            type Vector = __m256i;
            type Array = [$integer; $n];
            type Seen = ();

            no_nan!($integer, __m256i);
            intrinsics!(__m256i: add = $add, and = _mm256_and_si256, max = $max, min = $min $(, max_signed = $max_signed)?);

            #[inline(always)]
            fn mul(self, a: __m256i, b: __m256i) -> __m256i {
                $mul(self, a, b)
            }

            #[inline(always)]
            fn div(self, a: __m256i, b: __m256i, rounding: Rounding) -> __m256i {
                $div(self, a, b, rounding)
            }

            $(
                const PARTS: bool = true;

                intrinsics!(__m256i: mul_fraction = $mul_fraction);

                #[inline(always)]
                fn mul_fraction_of_magnitude(self, a: __m256i, b: __m256i) -> __m256i {
                    #[target_feature(enable = "avx2")]
                    #[inline]
                    fn mul(a: __m256i, b: __m256i) -> __m256i {
                        _mm256_sign_epi16(_mm256_mulhrs_epi16(_mm256_abs_epi16(a), b), a)
                    }
                    // SAFETY: the token proves that the CPU has AVX2.
                    unsafe { mul(a, b) }
                }

                #[inline(always)]
                fn parts(self, divisors: __m256i) -> [__m256i; 4] {
                    $parts(self, divisors)
                }

                #[inline(always)]
                fn div_parts(self, a: __m256i, parts: [__m256i; 4], rounding: Rounding) -> __m256i {
                    $div_parts(self, a, parts, rounding)
                }
            )?

            #[inline(always)]
            fn keep(self, v: __m256i, lanes: Range<usize>, rest: __m256i) -> __m256i {
                let size = size_of::<$integer>();
                keep_bytes(self, v, lanes.start * size..lanes.end * size, rest)
            }

            #[inline(always)]
            fn slide<const J: usize>(self, before: __m256i, v: __m256i) -> __m256i {
                slide_bytes(self, before, v, J * size_of::<$integer>())
            }

            #[inline(always)]
            fn deinterleave(self, lo: __m256i, hi: __m256i) -> (__m256i, __m256i) {
                $deinterleave(self, lo, hi)
            }
        }

        impl Memory<$integer> for Avx2 {
            as_it_is!($integer, __m256i);
        }
    )* };
}

integers! {
    i8[32]: _mm256_add_epi8, _mm256_max_epi8, _mm256_min_epi8, deinterleave_8, mul_lanes::<i8, _>, div_lanes::<i8, _>;
    u8[32]: _mm256_add_epi8, _mm256_max_epu8, _mm256_min_epu8, deinterleave_8, mul_lanes::<u8, _>, div_lanes::<u8, _>;
    i16[16]: _mm256_add_epi16, _mm256_max_epi16, _mm256_min_epi16, deinterleave_16, mul_16, div_16, parts_16, div_parts_16, _mm256_mulhrs_epi16;
    u16[16]: _mm256_add_epi16, _mm256_max_epu16 or _mm256_max_epi16, _mm256_min_epu16, deinterleave_16, mul_16, div_lanes::<u16, _>;
    i32[8]: _mm256_add_epi32, _mm256_max_epi32, _mm256_min_epi32, deinterleave_32, mul_32, div_32;
    u32[8]: _mm256_add_epi32, _mm256_max_epu32, _mm256_min_epu32, deinterleave_32, mul_32, div_lanes::<u32, _>;
    i64[4]: _mm256_add_epi64, max_i64, min_i64, deinterleave_64, mul_lanes::<i64, _>, div_64;
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
fn narrowed_f16(v: __m256) -> __m128i {
    positive_zero_of_8(_mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v))
}

#[target_feature(enable = "avx2,f16c")]
#[inline]
fn both_narrowed_f16([first, second]: [__m256; 2]) -> __m256i {
    let first = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(first);
    let second = _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(second);
    positive_zero(_mm256_set_m128i(second, first))
}

impl Memory<f16> for Avx2 {
    widened!(f16: __m256, _mm256_cvtph_ps, narrowed_f16);
    both_narrowed!(f16: __m256, __m256i, both_narrowed_f16);
}

#[target_feature(enable = "avx2")]
#[inline]
fn widened_bf16(bits: __m128i) -> __m256 {
    must_cast(_mm256_slli_epi32::<16>(_mm256_cvtepu16_epi32(bits)))
}

/// Numbers whose upper 16 bits are those to the nearest, halves to even. A canonical NaN stays what it is.
#[target_feature(enable = "avx2")]
#[inline]
fn rounded_bf16(v: __m256) -> __m256i {
    let bits = must_cast(v);
    let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
    _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)))
}

#[target_feature(enable = "avx2")]
#[inline]
fn narrowed_bf16(v: __m256) -> __m128i {
    let long = _mm256_srli_epi32::<16>(rounded_bf16(v));
    let halves = (_mm256_castsi256_si128(long), _mm256_extracti128_si256::<1>(long));
    positive_zero_of_8(_mm_packus_epi32(halves.0, halves.1))
}

#[target_feature(enable = "avx2")]
#[inline]
fn both_narrowed_bf16([first, second]: [__m256; 2]) -> __m256i {
    let first = _mm256_srli_epi32::<16>(rounded_bf16(first));
    let second = _mm256_srli_epi32::<16>(rounded_bf16(second));
    // Packed within 128-bit halves.
    let bits = _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_packus_epi32(first, second));
    positive_zero(bits)
}

impl Memory<bf16> for Avx2 {
    widened!(bf16: __m256, widened_bf16, narrowed_bf16);
    both_narrowed!(bf16: __m256, __m256i, both_narrowed_bf16);
    taken_apart!(bf16: __m256, __m256i, apart_bf16, together_bf16);
}

/// Numbers at even and at odd positions.
#[target_feature(enable = "avx2")]
#[inline]
fn apart_bf16(bits: __m256i) -> [__m256; 2] {
    let high = _mm256_set1_epi32(0xffff_0000_u32.cast_signed());
    must_cast([_mm256_slli_epi32::<16>(bits), _mm256_and_si256(bits, high)])
}

/// Numbers at even and at odd positions, rounded.
#[target_feature(enable = "avx2")]
#[inline]
fn together_bf16([even, odd]: [__m256; 2]) -> __m256i {
    let even = _mm256_srli_epi32::<16>(rounded_bf16(even));
    positive_zero(_mm256_blend_epi16::<0b1010_1010>(even, rounded_bf16(odd)))
}

/// Replaces the bits of −0, to which a small number may have been rounded.
#[target_feature(enable = "avx2")]
#[inline]
fn positive_zero(bits: __m256i) -> __m256i {
    _mm256_andnot_si256(_mm256_cmpeq_epi16(bits, _mm256_set1_epi16(i16::MIN)), bits)
}

/// The same of half a vector.
#[target_feature(enable = "avx2")]
#[inline]
fn positive_zero_of_8(bits: __m128i) -> __m128i {
    _mm_andnot_si128(_mm_cmpeq_epi16(bits, _mm_set1_epi16(i16::MIN)), bits)
}

impl<T: Half> Memory<Ordered<T>> for Avx2
where
    Ordered<T>: Element<Acc = u16>,
{
    #[inline(always)]
    unsafe fn load(self, src: *const Ordered<T>) -> __m256i {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn order(bits: __m256i, infinity: u16) -> __m256i {
            let magnitude = _mm256_and_si256(bits, _mm256_set1_epi16(i16::MAX));
            let number = _mm256_sign_epi16(magnitude, bits);
            _mm256_add_epi16(number, _mm256_set1_epi16(infinity.cast_signed()))
        }
        // SAFETY: as the caller promises.
        let bits = unsafe { src.cast::<__m256i>().read_unaligned() };
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { order(bits, T::INFINITY) }
    }

    #[inline(always)]
    unsafe fn store(self, v: __m256i, dst: *mut Ordered<T>) {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn bits(v: __m256i, infinity: u16, nan: u16) -> __m256i {
            let number = _mm256_sub_epi16(v, _mm256_set1_epi16(infinity.cast_signed()));
            let sign = _mm256_and_si256(number, _mm256_set1_epi16(i16::MIN));
            let bits = _mm256_or_si256(_mm256_abs_epi16(number), sign);
            let first_nan = _mm256_set1_epi16((2 * infinity + 1).cast_signed());
            let is_nan = _mm256_cmpeq_epi16(_mm256_max_epu16(v, first_nan), v);
            _mm256_blendv_epi8(bits, _mm256_set1_epi16(nan.cast_signed()), is_nan)
        }
        // SAFETY: the token proves that the CPU has AVX2.
        let bits = unsafe { bits(v, T::INFINITY, T::NAN) };
        // SAFETY: as the caller promises.
        unsafe { dst.cast::<__m256i>().write_unaligned(bits) }
    }

    const GUESSES: bool = true;

    #[inline(always)]
    unsafe fn load_bits(self, src: *const Ordered<T>) -> __m256i {
        // SAFETY: as the caller promises.
        unsafe { src.cast::<__m256i>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store_bits(self, bits: __m256i, dst: *mut Ordered<T>) {
        // SAFETY: as the caller promises.
        unsafe { dst.cast::<__m256i>().write_unaligned(bits) }
    }

    #[inline(always)]
    fn is_sure(self, all: __m256i, results: __m256i) -> bool {
        #[target_feature(enable = "avx2")]
        #[inline]
        fn is_sure(all: __m256i, results: __m256i, infinity: u16) -> bool {
            // Of negative NaNs the positive result tells nothing, of positive ones the result is one.
            let most = _mm256_set1_epi16((infinity | 0x8000).cast_signed());
            let numbers = _mm256_cmpeq_epi16(_mm256_min_epu16(all, most), all);
            let most = _mm256_set1_epi16(infinity.cast_signed());
            let positive = _mm256_cmpeq_epi16(_mm256_min_epu16(results, most), results);
            _mm256_movemask_epi8(_mm256_and_si256(numbers, positive)) == -1
        }
        // SAFETY: the token proves that the CPU has AVX2.
        unsafe { is_sure(all, results, T::INFINITY) }
    }
}

/// Signed bytes at even and at odd positions.
#[target_feature(enable = "avx2")]
#[inline]
fn apart_i8(bytes: __m256i) -> [__m256i; 2] {
    let even = _mm256_set1_epi16(1);
    [_mm256_maddubs_epi16(even, bytes), _mm256_srai_epi16::<8>(bytes)]
}

/// Unsigned bytes at even and at odd positions.
#[target_feature(enable = "avx2")]
#[inline]
fn apart_u8(bytes: __m256i) -> [__m256i; 2] {
    let even = _mm256_set1_epi16(0xff);
    [_mm256_and_si256(bytes, even), _mm256_srli_epi16::<8>(bytes)]
}

/// Adds pairs of signed bytes, multiplied by weights.
#[target_feature(enable = "avx2")]
#[inline]
fn pairs_i8(bytes: __m256i, weights: __m256i) -> __m256i {
    _mm256_maddubs_epi16(weights, bytes)
}

/// Adds pairs of unsigned bytes, multiplied by weights.
#[target_feature(enable = "avx2")]
#[inline]
fn pairs_u8(bytes: __m256i, weights: __m256i) -> __m256i {
    _mm256_maddubs_epi16(bytes, weights)
}

/// Takes by turns the bytes of each first and each second half of 128 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn by_turns(bytes: __m256i) -> __m256i {
    let order = _mm256_setr_epi8(
        0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15, 0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5,
        13, 6, 14, 7, 15,
    );
    _mm256_shuffle_epi8(bytes, order)
}

/// Signed bytes, saturated.
#[target_feature(enable = "avx2")]
#[inline]
fn narrowed_i8(v: __m256i) -> __m128i {
    let [low, high]: [__m128i; 2] = must_cast(v);
    _mm_packs_epi16(low, high)
}

/// Unsigned bytes, saturated.
#[target_feature(enable = "avx2")]
#[inline]
fn narrowed_u8(v: __m256i) -> __m128i {
    let [low, high]: [__m128i; 2] = must_cast(v);
    _mm_packus_epi16(low, high)
}

/// Signed bytes at even and at odd positions, saturated.
#[target_feature(enable = "avx2")]
#[inline]
fn together_i8([even, odd]: [__m256i; 2]) -> __m256i {
    by_turns(_mm256_packs_epi16(even, odd))
}

/// Unsigned bytes at even and at odd positions, saturated.
#[target_feature(enable = "avx2")]
#[inline]
fn together_u8([even, odd]: [__m256i; 2]) -> __m256i {
    by_turns(_mm256_packus_epi16(even, odd))
}

macro_rules! summed_short {
    ($($integer:ident: $widen:ident, $narrow:ident, $apart:ident, $together:ident, $pairs:ident);*) => { $(
        impl Memory<SummedShort<$integer>> for Avx2 {
            widened!(SummedShort<$integer>: __m256i, $widen, $narrow);
            taken_apart!(SummedShort<$integer>: __m256i, __m256i, $apart, $together);
            in_pairs!(SummedShort<$integer>: __m256i, $pairs);
        }
    )* };
}

summed_short! {
    i8: _mm256_cvtepi8_epi16, narrowed_i8, apart_i8, together_i8, pairs_i8;
    u8: _mm256_cvtepu8_epi16, narrowed_u8, apart_u8, together_u8, pairs_u8
}

impl Memory<Summed<i8>> for Avx2 {}
impl Memory<Summed<u8>> for Avx2 {}
impl Memory<Summed<i16>> for Avx2 {}
impl Memory<Summed<u16>> for Avx2 {}
impl Memory<SummedLong<i8>> for Avx2 {}
impl Memory<SummedLong<u8>> for Avx2 {}
impl Memory<SummedLong<i16>> for Avx2 {}
impl Memory<SummedLong<u16>> for Avx2 {}
impl Memory<SummedLong<i32>> for Avx2 {}

impl AllLanes for Avx2 {
    type Narrow = Self;
}
