//! 512-bit vectors, for x86-64 since Skylake-X and Zen 4.

use super::avx2::{both_narrowed, in_pairs, taken_apart};
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

    #[inline(always)]
    fn outline<R>(self, f: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        #[inline(never)]
        fn with_avx512<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl")]
        fn call<R>(f: impl FnOnce() -> R) -> R {
            with_avx512(f)
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { call(f) }
    }

    const FETCHES: bool = true;

    #[inline(always)]
    fn prefetch<T>(self, src: *const T) {
        // SAFETY: the token proves that the CPU has it, and no address makes it fail.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(src.cast()) }
    }
}

/// A mask of some of 64 lanes.
#[inline(always)]
fn mask_of_64(lanes: Range<usize>) -> __mmask64 {
    // 64 lanes would be shifted out by an ordinary shift.
    let before = |lane: usize| if lane == 64 { u64::MAX } else { (1 << lane) - 1 };
    before(lanes.end) & !before(lanes.start)
}

#[inline(always)]
fn mask_of_32(lanes: Range<usize>) -> __mmask32 {
    ((1u64 << lanes.end) - (1 << lanes.start)) as __mmask32
}

#[inline(always)]
fn mask_of_16(lanes: Range<usize>) -> __mmask16 {
    ((1u32 << lanes.end) - (1 << lanes.start)) as __mmask16
}

#[inline(always)]
fn mask_of_8(lanes: Range<usize>) -> __mmask8 {
    ((1u32 << lanes.end) - (1 << lanes.start)) as __mmask8
}

/// Methods of elements that lie in memory as they are in lanes: all of a vector, or those of a mask.
macro_rules! as_they_are {
    ($element:ty, $vector:ty, $mask:path, $load:ident, $store:ident) => {
        const MASKS: bool = true;

        as_it_is!($element, $vector);

        #[inline(always)]
        unsafe fn load_first(self, src: *const $element, n: usize) -> $vector {
            // SAFETY: as the caller promises.
            unsafe { self.load_between(src, 0..n, must_cast([0u64; 8])) }
        }

        #[inline(always)]
        unsafe fn store_first(self, v: $vector, dst: *mut $element, n: usize) {
            // SAFETY: the token proves that the CPU has AVX-512, the caller promises the rest;
            // lanes whose mask is clear are not touched.
            unsafe { $store(dst.cast(), $mask(0..n), v) }
        }

        #[inline(always)]
        unsafe fn load_between(
            self,
            src: *const $element,
            lanes: Range<usize>,
            rest: $vector,
        ) -> $vector {
            // SAFETY: the token proves that the CPU has AVX-512, the caller promises the rest;
            // lanes whose mask is clear are not touched.
            unsafe { $load(rest, $mask(lanes), src.cast()) }
        }
    };
}

/// Methods of elements whose bits are converted: all of a vector, or those of a mask.
macro_rules! converted {
    ($element:ty: $vector:ty, $bits:ty, $mask:path, $load:ident, $store:ident, $widen:path, $narrow:path) => {
        const MASKS: bool = true;

        #[inline(always)]
        unsafe fn load(self, src: *const $element) -> $vector {
            // SAFETY: as the caller promises.
            let bits = unsafe { src.cast::<$bits>().read_unaligned() };
            // SAFETY: the token proves that the CPU has AVX-512.
            unsafe { $widen(bits) }
        }

        #[inline(always)]
        unsafe fn store(self, v: $vector, dst: *mut $element) {
            // SAFETY: the token proves that the CPU has AVX-512.
            let bits = unsafe { $narrow(v) };
            // SAFETY: as the caller promises.
            unsafe { dst.cast::<$bits>().write_unaligned(bits) }
        }

        #[inline(always)]
        unsafe fn load_first(self, src: *const $element, n: usize) -> $vector {
            // SAFETY: the token proves that the CPU has AVX-512, the caller promises the rest;
            // lanes whose mask is clear are not touched.
            let bits = unsafe { $load($mask(0..n), src.cast()) };
            // SAFETY: the token proves that the CPU has AVX-512.
            unsafe { $widen(bits) }
        }

        #[inline(always)]
        unsafe fn store_first(self, v: $vector, dst: *mut $element, n: usize) {
            // SAFETY: the token proves that the CPU has AVX-512.
            let bits = unsafe { $narrow(v) };
            // SAFETY: the token proves that the CPU has AVX-512, the caller promises the rest;
            // lanes whose mask is clear are not touched.
            unsafe { $store(dst.cast(), $mask(0..n), bits) }
        }

        #[inline(always)]
        unsafe fn load_between(
            self,
            src: *const $element,
            lanes: Range<usize>,
            rest: $vector,
        ) -> $vector {
            // SAFETY: the token proves that the CPU has AVX-512, the caller promises the rest;
            // lanes whose mask is clear are not touched.
            let bits = unsafe { $load($mask(lanes.clone()), src.cast()) };
            // SAFETY: the token proves that the CPU has AVX-512.
            let v = unsafe { $widen(bits) };
            Lanes::<<$element as Element>::Acc>::keep(self, v, lanes, rest)
        }
    };
}

impl Lanes<f32> for Avx512 {
    type Vector = __m512;
    type Array = [f32; 16];
    type Seen = __mmask16;

    intrinsics!(__m512: add = _mm512_add_ps, mul = _mm512_mul_ps, max = _mm512_max_ps, min = _mm512_min_ps);

    #[inline(always)]
    fn div(self, a: __m512, b: __m512, _: Rounding) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_div_ps(a, b) }
    }

    const PICKS: bool = true;

    #[inline(always)]
    fn pick(self, v: __m512, places: &[u32; TURNED]) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_permutexvar_ps(must_cast(*places), v) }
    }

    #[inline(always)]
    fn pick_or(self, v: __m512, places: &[u32; TURNED], rest: __m512) -> __m512 {
        let places: __m512i = must_cast(*places);
        // SAFETY: the token proves that the CPU has AVX-512.
        let is_absent = unsafe { _mm512_movepi32_mask(places) };
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_mask_permutexvar_ps(rest, !is_absent, places, v) }
    }

    const INVERTS: bool = true;

    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn quotient(self, a: __m512, b: __m512, reciprocal: __m512) -> __m512 {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn quotient(a: __m512, b: __m512, reciprocal: __m512) -> __m512 {
            let near = _mm512_mul_ps(a, reciprocal);
            // Of integers `b`, this is exact, however small `a` is. What it adds is between two halves of
            // the last place, unless `b` is even and `a` subnormal.
            let rest = _mm512_fnmadd_ps(near, b, a);
            _mm512_fmadd_ps(rest, reciprocal, near)
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { quotient(a, b, reciprocal) }
    }

    #[inline(always)]
    fn sqrt(self, v: __m512) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_sqrt_ps(v) }
    }

    #[inline(always)]
    fn keep(self, v: __m512, lanes: Range<usize>, rest: __m512) -> __m512 {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_mask_blend_ps(mask_of_16(lanes), rest, v) }
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
    fn min_nan(self, a: __m512, b: __m512) -> __m512 {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn min_nan(a: __m512, b: __m512) -> __m512 {
            let a_is_number = _mm512_cmp_ps_mask::<_CMP_ORD_Q>(a, a);
            _mm512_mask_min_ps(a, a_is_number, a, b)
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { min_nan(a, b) }
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
    fn both(self, a: __mmask16, b: __mmask16) -> __mmask16 {
        a | b
    }

    #[inline(always)]
    fn has_seen(self, seen: __mmask16) -> bool {
        seen != 0
    }

    #[inline(always)]
    fn between(self, left: __m512, right: __m512) -> __m512 {
        // Within 128-bit quarters: the second and third of each.
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_shuffle_ps::<0x99>(left, right) }
    }

    #[inline(always)]
    fn slide<const J: usize>(self, before: __m512, v: __m512) -> __m512 {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn slide<const J: usize>(before: __m512, v: __m512) -> __m512 {
            let (before, v) = (must_cast(before), must_cast(v));
            must_cast(match J {
                1 => aligned::<15>(v, before),
                2 => aligned::<14>(v, before),
                4 => aligned::<12>(v, before),
                _ => aligned::<8>(v, before),
            })
        }
        const { assert!(matches!(J, 1 | 2 | 4 | 8)) };
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { slide::<J>(before, v) }
    }

    const SLIDES: bool = true;

    #[inline(always)]
    fn slide_back(self, v: __m512, after: __m512) -> __m512 {
        let (v, after) = (must_cast(v), must_cast(after));
        // SAFETY: the token proves that the CPU has AVX-512.
        must_cast(unsafe { aligned::<1>(after, v) })
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

    #[inline(always)]
    fn quads(self, windows: [__m512; 4]) -> [__m512; 4] {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn quads([a, b, c, d]: [__m512; 4]) -> [__m512; 4] {
            // All of it within 128-bit quarters.
            let (ab, cd) = (_mm512_unpacklo_ps(a, b), _mm512_unpacklo_ps(c, d));
            let (first, second) =
                (_mm512_shuffle_ps::<0x44>(ab, cd), _mm512_shuffle_ps::<0xee>(ab, cd));
            let (ab, cd) = (_mm512_unpackhi_ps(a, b), _mm512_unpackhi_ps(c, d));
            [first, second, _mm512_shuffle_ps::<0x44>(ab, cd), _mm512_shuffle_ps::<0xee>(ab, cd)]
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { quads(windows) }
    }

    #[inline(always)]
    unsafe fn load_groups_of_lanes(self, src: *const f32, apart: usize) -> __m512 {
        // SAFETY: as the caller promises.
        let group =
            |i: usize| unsafe { src.wrapping_add(i * apart).cast::<__m128>().read_unaligned() };
        must_cast([group(0), group(1), group(2), group(3)])
    }

    #[inline(always)]
    fn groups(self, lo: __m512, hi: __m512) -> (__m512, __m512) {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn groups(lo: __m512, hi: __m512) -> (__m512, __m512) {
            (_mm512_shuffle_f32x4::<0x88>(lo, hi), _mm512_shuffle_f32x4::<0xdd>(lo, hi))
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { groups(lo, hi) }
    }
}

impl Memory<f32> for Avx512 {
    as_they_are!(f32, __m512, mask_of_16, _mm512_mask_loadu_ps, _mm512_mask_storeu_ps);
}

impl Lanes<f64> for Avx512 {
    type Vector = __m512d;
    type Array = [f64; 8];
    type Seen = __mmask8;

    intrinsics!(__m512d: add = _mm512_add_pd, mul = _mm512_mul_pd, max = _mm512_max_pd, min = _mm512_min_pd);

    #[inline(always)]
    fn keep(self, v: __m512d, lanes: Range<usize>, rest: __m512d) -> __m512d {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_mask_blend_pd(mask_of_8(lanes), rest, v) }
    }

    #[inline(always)]
    fn div(self, a: __m512d, b: __m512d, _: Rounding) -> __m512d {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_div_pd(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, v: __m512d) -> __m512d {
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_sqrt_pd(v) }
    }

    #[inline(always)]
    fn max_nan(self, a: __m512d, b: __m512d) -> __m512d {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn max_nan(a: __m512d, b: __m512d) -> __m512d {
            let a_is_number = _mm512_cmp_pd_mask::<_CMP_ORD_Q>(a, a);
            _mm512_mask_max_pd(a, a_is_number, a, b)
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { max_nan(a, b) }
    }

    #[inline(always)]
    fn min_nan(self, a: __m512d, b: __m512d) -> __m512d {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn min_nan(a: __m512d, b: __m512d) -> __m512d {
            let a_is_number = _mm512_cmp_pd_mask::<_CMP_ORD_Q>(a, a);
            _mm512_mask_min_pd(a, a_is_number, a, b)
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { min_nan(a, b) }
    }

    #[inline(always)]
    fn canonical(self, v: __m512d) -> __m512d {
        #[target_feature(enable = "avx512f")]
        #[inline]
        fn canonical(v: __m512d) -> __m512d {
            // Adding 0 makes −0 a +0.
            let is_number = _mm512_cmp_pd_mask::<_CMP_ORD_Q>(v, v);
            _mm512_mask_add_pd(_mm512_set1_pd(f64::NAN), is_number, v, _mm512_setzero_pd())
        }
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { canonical(v) }
    }

    #[inline(always)]
    fn unseen(self) -> __mmask8 {
        0
    }

    #[inline(always)]
    fn look(self, seen: __mmask8, a: __m512d, b: __m512d) -> __mmask8 {
        // SAFETY: the token proves that the CPU has AVX-512.
        seen | unsafe { _mm512_cmp_pd_mask::<_CMP_UNORD_Q>(a, b) }
    }

    #[inline(always)]
    fn both(self, a: __mmask8, b: __mmask8) -> __mmask8 {
        a | b
    }

    #[inline(always)]
    fn has_seen(self, seen: __mmask8) -> bool {
        seen != 0
    }

    const PICKS: bool = true;

    #[inline(always)]
    fn pick(self, v: __m512d, places: &[u32; TURNED]) -> __m512d {
        let places = places_of_8(self, places);
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_permutexvar_pd(places, v) }
    }

    #[inline(always)]
    fn pick_or(self, v: __m512d, places: &[u32; TURNED], rest: __m512d) -> __m512d {
        let places = places_of_8(self, places);
        // SAFETY: the token proves that the CPU has AVX-512.
        let is_absent = unsafe { _mm512_movepi64_mask(places) };
        // SAFETY: the token proves that the CPU has AVX-512.
        unsafe { _mm512_mask_permutexvar_pd(rest, !is_absent, places, v) }
    }

    #[inline(always)]
    fn slide<const J: usize>(self, before: __m512d, v: __m512d) -> __m512d {
        must_cast(slide_bytes(self, must_cast(before), must_cast(v), J * 8))
    }

    const SLIDES: bool = true;

    #[inline(always)]
    fn slide_back(self, v: __m512d, after: __m512d) -> __m512d {
        let (v, after) = (must_cast(v), must_cast(after));
        // SAFETY: the token proves that the CPU has AVX-512.
        must_cast(unsafe { aligned::<2>(after, v) })
    }

    #[inline(always)]
    fn deinterleave(self, lo: __m512d, hi: __m512d) -> (__m512d, __m512d) {
        deinterleave_64(self, lo, hi)
    }
}

impl Memory<f64> for Avx512 {
    as_they_are!(f64, __m512d, mask_of_8, _mm512_mask_loadu_pd, _mm512_mask_storeu_pd);
}

/// The lanes of 32 bits from the `FROM`-th on of the 32 of `low` and `high`.
#[target_feature(enable = "avx512f")]
#[inline]
fn aligned<const FROM: i32>(high: __m512i, low: __m512i) -> __m512i {
    let lanes;
    // Not the intrinsic, of which LLVM makes an expansion where zeros are shifted in. Its mask is made for each, in half a
    // register of which the other half is what another instruction wrote, so that it waits for that one.
    // SAFETY: an instruction of AVX-512, which changes its result only.
    unsafe {
        asm!(
            "valignd {}, {}, {}, {}",
            lateout(zmm_reg) lanes,
            in(zmm_reg) high,
            in(zmm_reg) low,
            const FROM,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    lanes
}

/// Shifts the last bytes of `before` into `v`: a power of two of them.
#[inline(always)]
fn slide_bytes(_: Avx512, before: __m512i, v: __m512i, bytes: usize) -> __m512i {
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn slide(before: __m512i, v: __m512i, bytes: usize) -> __m512i {
        // `alignr` of bytes works within 128-bit quarters: give each of `v` the one before it.
        let quarter_before = aligned::<12>(v, before);
        match bytes {
            1 => _mm512_alignr_epi8::<15>(v, quarter_before),
            2 => _mm512_alignr_epi8::<14>(v, quarter_before),
            4 => _mm512_alignr_epi8::<12>(v, quarter_before),
            8 => aligned::<14>(v, before),
            16 => quarter_before,
            32 => aligned::<8>(v, before),
            _ => before,
        }
    }
    // SAFETY: the token proves that the CPU has AVX-512.
    unsafe { slide(before, v, bytes) }
}

/// The first eight places, with what makes them absent where it is the sign.
#[inline(always)]
fn places_of_8(_: Avx512, places: &[u32; TURNED]) -> __m512i {
    let [places, _]: [__m256i; 2] = must_cast(*places);
    // SAFETY: the token proves that the CPU has AVX-512.
    unsafe { _mm512_cvtepi32_epi64(places) }
}

/// Splits 16 elements of 64 bits into those at even and odd positions.
#[inline(always)]
fn deinterleave_64<V: Pod>(_: Avx512, lo: V, hi: V) -> (V, V) {
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn deinterleave(lo: __m512i, hi: __m512i) -> (__m512i, __m512i) {
        let even = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
        let odd = _mm512_add_epi64(even, _mm512_set1_epi64(1));
        (_mm512_permutex2var_epi64(lo, even, hi), _mm512_permutex2var_epi64(lo, odd, hi))
    }
    // SAFETY: the token proves that the CPU has AVX-512.
    let (even, odd) = unsafe { deinterleave(must_cast(lo), must_cast(hi)) };
    (must_cast(even), must_cast(odd))
}

/// Splits 64 elements of 16 bits into those at even and odd positions.
#[inline(always)]
fn deinterleave_16(_: Avx512, lo: __m512i, hi: __m512i) -> (__m512i, __m512i) {
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn deinterleave(lo: __m512i, hi: __m512i) -> (__m512i, __m512i) {
        const EVEN: [u16; 32] = {
            let mut even = [0; 32];
            let mut i = 0;
            while i < 32 {
                even[i] = 2 * i as u16;
                i += 1;
            }
            even
        };
        let even = must_cast(EVEN);
        let odd = _mm512_or_si512(even, _mm512_set1_epi16(1));
        (_mm512_permutex2var_epi16(lo, even, hi), _mm512_permutex2var_epi16(lo, odd, hi))
    }
    // SAFETY: the token proves that the CPU has AVX-512.
    unsafe { deinterleave(lo, hi) }
}

/// Splits 128 bytes into those at even and odd positions.
#[inline(always)]
fn deinterleave_8(_: Avx512, lo: __m512i, hi: __m512i) -> (__m512i, __m512i) {
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn deinterleave(lo: __m512i, hi: __m512i) -> (__m512i, __m512i) {
        // Each 128-bit quarter by itself, which is put right in the end.
        let apart = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
        let apart = _mm512_broadcast_i32x4(apart);
        let (lo, hi) = (_mm512_shuffle_epi8(lo, apart), _mm512_shuffle_epi8(hi, apart));
        let (even, odd) = (_mm512_unpacklo_epi64(lo, hi), _mm512_unpackhi_epi64(lo, hi));
        let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
        (_mm512_permutexvar_epi64(order, even), _mm512_permutexvar_epi64(order, odd))
    }
    // SAFETY: the token proves that the CPU has AVX-512.
    unsafe { deinterleave(lo, hi) }
}

/// Splits 32 elements of 32 bits into those at even and odd positions.
#[inline(always)]
fn deinterleave_32(simd: Avx512, lo: __m512i, hi: __m512i) -> (__m512i, __m512i) {
    let (even, odd) = Lanes::<f32>::deinterleave(simd, must_cast(lo), must_cast(hi));
    (must_cast(even), must_cast(odd))
}

#[inline(always)]
fn mul_16(_: Avx512, a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: the token proves that the CPU has AVX-512.
    unsafe { _mm512_mullo_epi16(a, b) }
}

#[inline(always)]
fn mul_32(_: Avx512, a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: the token proves that the CPU has AVX-512.
    unsafe { _mm512_mullo_epi32(a, b) }
}

/// Quotients of 16 bits, as `Avx2` has them.
#[inline(always)]
fn div_16(simd: Avx512, a: __m512i, b: __m512i, rounding: Rounding) -> __m512i {
    div_parts_16(simd, a, parts_16(simd, b), rounding)
}

#[inline(always)]
fn parts_16(simd: Avx512, b: __m512i) -> [__m512i; 4] {
    #[target_feature(enable = "avx512f,avx512bw,avx512dq")]
    #[inline]
    fn factor(divisor: __m256i) -> [__m256i; 3] {
        let divisor = _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(divisor));
        let exponent = _mm512_set1_ps(f32::from_bits(0x7f80_0000));
        let power = _mm512_and_ps(_mm512_sub_ps(divisor, _mm512_set1_ps(0.5)), exponent);
        let factor = _mm512_div_ps(_mm512_mul_ps(power, _mm512_set1_ps(65536.0)), divisor);
        let units = _mm512_mul_ps(power, _mm512_set1_ps(4.0));
        let inverse = _mm512_div_ps(_mm512_set1_ps(32768.0), units);
        [
            _mm512_cvtepi32_epi16(_mm512_cvttps_epi32(_mm512_roundscale_ps::<
                { _MM_FROUND_TO_POS_INF },
            >(factor))),
            _mm512_cvtepi32_epi16(_mm512_cvttps_epi32(units)),
            _mm512_cvtepi32_epi16(_mm512_cvttps_epi32(inverse)),
        ]
    }
    #[target_feature(enable = "avx512f,avx512bw,avx512dq")]
    #[inline]
    fn parts(b: __m512i) -> [__m512i; 4] {
        let [low, high]: [__m256i; 2] = must_cast(_mm512_abs_epi16(b));
        let [low_factor, low_units, low_inverse] = factor(low);
        let [high_factor, high_units, high_inverse] = factor(high);
        [
            must_cast([low_factor, high_factor]),
            must_cast([low_inverse, high_inverse]),
            must_cast([low_units, high_units]),
            b,
        ]
    }
    simd.outline(
        #[inline(always)]
        || {
            // SAFETY: the token proves that the CPU has AVX-512.
            unsafe { parts(b) }
        },
    )
}

#[inline(always)]
fn div_parts_16(_: Avx512, a: __m512i, parts: [__m512i; 4], rounding: Rounding) -> __m512i {
    #[target_feature(enable = "avx512f,avx512bw")]
    #[inline]
    fn div(a: __m512i, [factor, inverse, units, b]: [__m512i; 4], rounding: Rounding) -> __m512i {
        let (half, one) = (_mm512_srli_epi16::<1>(units), _mm512_set1_epi16(1));
        let negative = _mm512_movepi16_mask(_mm512_xor_si512(a, b));
        let n = _mm512_slli_epi16::<2>(_mm512_abs_epi16(a));
        let exact = _mm512_mulhi_epu16(n, factor);
        let rounded = if rounding == Rounding::HalfAwayFromZero {
            _mm512_mulhrs_epi16(exact, inverse)
        } else {
            let only = |mode| if rounding == mode { !0 } else { 0 };
            let up = negative & only(Rounding::HalfUp);
            let down = _mm512_maskz_mov_epi16(only(Rounding::Truncate), half);
            let exact = _mm512_mask_sub_epi16(exact, up, exact, one);
            let exact = _mm512_sub_epi16(exact, down);
            let rounded = _mm512_mulhrs_epi16(exact, inverse);
            let halved = _mm512_add_epi16(exact, half);
            let is_half = _mm512_cmpeq_epi16_mask(_mm512_mullo_epi16(rounded, units), halved);
            let even = is_half & only(Rounding::HalfEven);
            _mm512_mask_sub_epi16(rounded, even, rounded, _mm512_and_si512(rounded, one))
        };
        _mm512_mask_sub_epi16(rounded, negative, _mm512_setzero_si512(), rounded)
    }
    // SAFETY: the token proves that the CPU has AVX-512.
    unsafe { div(a, parts, rounding) }
}

/// Quotients of 32 bits, by way of `f64`, as `Avx2` has them.
#[inline(always)]
fn div_32(simd: Avx512, a: __m512i, b: __m512i, rounding: Rounding) -> __m512i {
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    fn div(a: __m256i, b: __m256i, rounding: Rounding) -> __m256i {
        let quotient = _mm512_div_pd(_mm512_cvtepi32_pd(a), _mm512_cvtepi32_pd(b));
        let half = _mm512_set1_pd(0.5);
        match rounding {
            Rounding::HalfAwayFromZero => {
                let sign = _mm512_and_pd(quotient, _mm512_set1_pd(-0.0));
                _mm512_cvttpd_epi32(_mm512_add_pd(quotient, _mm512_or_pd(half, sign)))
            }
            Rounding::HalfEven => _mm512_cvtpd_epi32(quotient),
            Rounding::HalfUp => {
                let sum = _mm512_add_pd(quotient, half);
                _mm512_cvttpd_epi32(_mm512_roundscale_pd::<{ _MM_FROUND_TO_NEG_INF }>(sum))
            }
            Rounding::Truncate => _mm512_cvttpd_epi32(quotient),
        }
    }
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    fn both(a: __m512i, b: __m512i, rounding: Rounding) -> __m512i {
        let ([a_low, a_high], [b_low, b_high]): ([__m256i; 2], [__m256i; 2]) =
            (must_cast(a), must_cast(b));
        must_cast([div(a_low, b_low, rounding), div(a_high, b_high, rounding)])
    }
    simd.outline(
        #[inline(always)]
        || {
            // SAFETY: the token proves that the CPU has AVX-512.
            unsafe { both(a, b, rounding) }
        },
    )
}

/// Quotients of 64 bits, where all numbers have 51 bits, as `Avx2` has them.
#[inline(always)]
fn div_64(simd: Avx512, a: __m512i, b: __m512i, rounding: Rounding) -> __m512i {
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    fn beyond(v: __m512i) -> __m512i {
        _mm512_srli_epi64::<51>(_mm512_add_epi64(v, _mm512_set1_epi64(1 << 50)))
    }
    #[target_feature(enable = "avx512f,avx512dq")]
    #[inline]
    fn div(a: __m512i, b: __m512i, rounding: Rounding) -> Option<__m512i> {
        let any = _mm512_or_si512(beyond(a), beyond(b));
        if _mm512_test_epi64_mask(any, any) != 0 {
            return None;
        }
        let quotient = _mm512_div_pd(_mm512_cvtepi64_pd(a), _mm512_cvtepi64_pd(b));
        let half = _mm512_set1_pd(0.5);
        Some(match rounding {
            Rounding::HalfAwayFromZero => {
                let sign = _mm512_and_pd(quotient, _mm512_set1_pd(-0.0));
                _mm512_cvttpd_epi64(_mm512_add_pd(quotient, _mm512_or_pd(half, sign)))
            }
            Rounding::HalfEven => _mm512_cvtpd_epi64(quotient),
            Rounding::HalfUp => {
                let sum = _mm512_add_pd(quotient, half);
                _mm512_cvttpd_epi64(_mm512_roundscale_pd::<{ _MM_FROUND_TO_NEG_INF }>(sum))
            }
            Rounding::Truncate => _mm512_cvttpd_epi64(quotient),
        })
    }
    let quotients = simd.outline(
        #[inline(always)]
        || {
            // SAFETY: the token proves that the CPU has AVX-512.
            unsafe { div(a, b, rounding) }
        },
    );
    quotients.unwrap_or_else(
        #[inline(always)]
        || div_lanes::<i64, _>(simd, a, b, rounding),
    )
}

macro_rules! integers {
    ($($integer:ident[$n:literal]: $add:ident, $max:ident, $min:ident, $deinterleave:ident, $mul:path, $div:path, $mask:path, $blend:ident, $load:ident, $store:ident $(, $parts:ident, $div_parts:ident, $mul_fraction:ident)?);* $(;)?) => { $(
        impl Lanes<$integer> for Avx512 {
            type Vector = __m512i;
            type Array = [$integer; $n];
            type Seen = ();

            no_nan!($integer, __m512i);
            intrinsics!(__m512i: add = $add, and = _mm512_and_si512, max = $max, min = $min);

            #[inline(always)]
            fn mul(self, a: __m512i, b: __m512i) -> __m512i {
                $mul(self, a, b)
            }

            #[inline(always)]
            fn div(self, a: __m512i, b: __m512i, rounding: Rounding) -> __m512i {
                $div(self, a, b, rounding)
            }

            $(
                const PARTS: bool = true;

                intrinsics!(__m512i: mul_fraction = $mul_fraction);

                #[inline(always)]
                fn mul_fraction_of_magnitude(self, a: __m512i, b: __m512i) -> __m512i {
                    #[target_feature(enable = "avx512f,avx512bw")]
                    #[inline]
                    fn mul(a: __m512i, b: __m512i) -> __m512i {
                        let product = _mm512_mulhrs_epi16(_mm512_abs_epi16(a), b);
                        let negative = _mm512_movepi16_mask(a);
                        _mm512_mask_sub_epi16(product, negative, _mm512_setzero_si512(), product)
                    }
                    // SAFETY: the token proves that the CPU has AVX-512.
                    unsafe { mul(a, b) }
                }

                #[inline(always)]
                fn parts(self, divisors: __m512i) -> [__m512i; 4] {
                    $parts(self, divisors)
                }

                #[inline(always)]
                fn div_parts(self, a: __m512i, parts: [__m512i; 4], rounding: Rounding) -> __m512i {
                    $div_parts(self, a, parts, rounding)
                }
            )?

            #[inline(always)]
            fn keep(self, v: __m512i, lanes: Range<usize>, rest: __m512i) -> __m512i {
                // SAFETY: the token proves that the CPU has AVX-512.
                unsafe { $blend($mask(lanes), rest, v) }
            }

            #[inline(always)]
            fn slide<const J: usize>(self, before: __m512i, v: __m512i) -> __m512i {
                slide_bytes(self, before, v, J * size_of::<$integer>())
            }

            #[inline(always)]
            fn deinterleave(self, lo: __m512i, hi: __m512i) -> (__m512i, __m512i) {
                $deinterleave(self, lo, hi)
            }
        }

        impl Memory<$integer> for Avx512 {
            as_they_are!($integer, __m512i, $mask, $load, $store);
        }
    )* };
}

integers! {
    i8[64]: _mm512_add_epi8, _mm512_max_epi8, _mm512_min_epi8, deinterleave_8, mul_lanes::<i8, _>, div_lanes::<i8, _>, mask_of_64, _mm512_mask_blend_epi8, _mm512_mask_loadu_epi8, _mm512_mask_storeu_epi8;
    u8[64]: _mm512_add_epi8, _mm512_max_epu8, _mm512_min_epu8, deinterleave_8, mul_lanes::<u8, _>, div_lanes::<u8, _>, mask_of_64, _mm512_mask_blend_epi8, _mm512_mask_loadu_epi8, _mm512_mask_storeu_epi8;
    i16[32]: _mm512_add_epi16, _mm512_max_epi16, _mm512_min_epi16, deinterleave_16, mul_16, div_16, mask_of_32, _mm512_mask_blend_epi16, _mm512_mask_loadu_epi16, _mm512_mask_storeu_epi16, parts_16, div_parts_16, _mm512_mulhrs_epi16;
    u16[32]: _mm512_add_epi16, _mm512_max_epu16, _mm512_min_epu16, deinterleave_16, mul_16, div_lanes::<u16, _>, mask_of_32, _mm512_mask_blend_epi16, _mm512_mask_loadu_epi16, _mm512_mask_storeu_epi16;
    i32[16]: _mm512_add_epi32, _mm512_max_epi32, _mm512_min_epi32, deinterleave_32, mul_32, div_32, mask_of_16, _mm512_mask_blend_epi32, _mm512_mask_loadu_epi32, _mm512_mask_storeu_epi32;
    u32[16]: _mm512_add_epi32, _mm512_max_epu32, _mm512_min_epu32, deinterleave_32, mul_32, div_lanes::<u32, _>, mask_of_16, _mm512_mask_blend_epi32, _mm512_mask_loadu_epi32, _mm512_mask_storeu_epi32;
    i64[8]: _mm512_add_epi64, _mm512_max_epi64, _mm512_min_epi64, deinterleave_64, mul_lanes::<i64, _>, div_64, mask_of_8, _mm512_mask_blend_epi64, _mm512_mask_loadu_epi64, _mm512_mask_storeu_epi64;
}

impl Memory<f16> for Avx512 {
    converted!(
        f16: __m512, __m256i, mask_of_16, _mm256_maskz_loadu_epi16, _mm256_mask_storeu_epi16,
        _mm512_cvtph_ps, narrowed_f16
    );
    both_narrowed!(f16: __m512, __m512i, both_narrowed_f16);
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn narrowed_f16(v: __m512) -> __m256i {
    positive_zero_of_16(_mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn both_narrowed_f16([first, second]: [__m512; 2]) -> __m512i {
    let first = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(first);
    let second = _mm512_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(second);
    positive_zero(must_cast([first, second]))
}

#[target_feature(enable = "avx512f")]
#[inline]
fn widened_bf16(bits: __m256i) -> __m512 {
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
}

/// Numbers whose upper 16 bits are those to the nearest, halves to even. A canonical NaN stays what it is.
#[target_feature(enable = "avx512f")]
#[inline]
fn rounded_bf16(v: __m512) -> __m512i {
    let bits = _mm512_castps_si512(v);
    let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
    _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)))
}

#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn narrowed_bf16(v: __m512) -> __m256i {
    positive_zero_of_16(_mm512_cvtepi32_epi16(_mm512_srli_epi32::<16>(rounded_bf16(v))))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn both_narrowed_bf16([first, second]: [__m512; 2]) -> __m512i {
    let first = _mm512_srli_epi32::<16>(rounded_bf16(first));
    let second = _mm512_srli_epi32::<16>(rounded_bf16(second));
    // Packed within 128-bit quarters.
    let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
    positive_zero(_mm512_permutexvar_epi64(order, _mm512_packus_epi32(first, second)))
}

impl Memory<bf16> for Avx512 {
    converted!(
        bf16: __m512, __m256i, mask_of_16, _mm256_maskz_loadu_epi16, _mm256_mask_storeu_epi16,
        widened_bf16, narrowed_bf16
    );
    both_narrowed!(bf16: __m512, __m512i, both_narrowed_bf16);
    taken_apart!(bf16: __m512, __m512i, apart_bf16, together_bf16);
}

/// Numbers at even and at odd positions.
#[target_feature(enable = "avx512f")]
#[inline]
fn apart_bf16(bits: __m512i) -> [__m512; 2] {
    let high = _mm512_set1_epi32(0xffff_0000_u32.cast_signed());
    must_cast([_mm512_slli_epi32::<16>(bits), _mm512_and_si512(bits, high)])
}

/// Numbers at even and at odd positions, rounded.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn together_bf16([even, odd]: [__m512; 2]) -> __m512i {
    let even = _mm512_srli_epi32::<16>(rounded_bf16(even));
    positive_zero(_mm512_mask_blend_epi16(0xaaaa_aaaa, even, rounded_bf16(odd)))
}

/// Replaces the bits of −0, to which a small number may have been rounded.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn positive_zero(bits: __m512i) -> __m512i {
    let is_other = _mm512_cmpneq_epi16_mask(bits, _mm512_set1_epi16(i16::MIN));
    _mm512_maskz_mov_epi16(is_other, bits)
}

/// The same of half a vector.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[inline]
fn positive_zero_of_16(bits: __m256i) -> __m256i {
    let is_other = _mm256_cmpneq_epi16_mask(bits, _mm256_set1_epi16(i16::MIN));
    _mm256_maskz_mov_epi16(is_other, bits)
}

/// Bits in the order of the numbers.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn ordered<T: Half>(bits: __m512i) -> __m512i {
    let magnitude = _mm512_and_si512(bits, _mm512_set1_epi16(i16::MAX));
    let infinity = _mm512_set1_epi16(T::INFINITY.cast_signed());
    let positive = _mm512_add_epi16(infinity, magnitude);
    _mm512_mask_sub_epi16(positive, _mm512_movepi16_mask(bits), infinity, magnitude)
}

/// What [`ordered`] makes of bits, turned back.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn unordered<T: Half>(v: __m512i) -> __m512i {
    let number = _mm512_sub_epi16(v, _mm512_set1_epi16(T::INFINITY.cast_signed()));
    let sign = _mm512_and_si512(number, _mm512_set1_epi16(i16::MIN));
    let bits = _mm512_or_si512(_mm512_abs_epi16(number), sign);
    let last = _mm512_set1_epi16((2 * T::INFINITY).cast_signed());
    let is_nan = _mm512_cmpgt_epu16_mask(v, last);
    _mm512_mask_mov_epi16(bits, is_nan, _mm512_set1_epi16(T::NAN.cast_signed()))
}

impl<T: Half> Memory<Ordered<T>> for Avx512
where
    Ordered<T>: Element<Acc = u16>,
{
    converted!(
        Ordered<T>: __m512i, __m512i, mask_of_32, _mm512_maskz_loadu_epi16, _mm512_mask_storeu_epi16,
        ordered::<T>, unordered::<T>
    );
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn narrowed_u8(v: __m512i) -> __m256i {
    // Saturates as if lanes had no sign.
    _mm512_cvtusepi16_epi8(_mm512_max_epi16(v, _mm512_setzero_si512()))
}

/// Signed bytes at even and at odd positions.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn apart_i8(bytes: __m512i) -> [__m512i; 2] {
    [_mm512_maddubs_epi16(_mm512_set1_epi16(1), bytes), _mm512_srai_epi16::<8>(bytes)]
}

/// Unsigned bytes at even and at odd positions.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn apart_u8(bytes: __m512i) -> [__m512i; 2] {
    [_mm512_and_si512(bytes, _mm512_set1_epi16(0xff)), _mm512_srli_epi16::<8>(bytes)]
}

/// Adds pairs of signed bytes, multiplied by weights.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn pairs_i8(bytes: __m512i, weights: __m512i) -> __m512i {
    _mm512_maddubs_epi16(weights, bytes)
}

/// Adds pairs of unsigned bytes, multiplied by weights.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn pairs_u8(bytes: __m512i, weights: __m512i) -> __m512i {
    _mm512_maddubs_epi16(bytes, weights)
}

/// Takes by turns the bytes of each first and each second half of 128 bits.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn by_turns(bytes: __m512i) -> __m512i {
    let order = _mm_setr_epi8(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
    _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(order))
}

/// Signed bytes at even and at odd positions, saturated.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn together_i8([even, odd]: [__m512i; 2]) -> __m512i {
    by_turns(_mm512_packs_epi16(even, odd))
}

/// Unsigned bytes at even and at odd positions, saturated.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn together_u8([even, odd]: [__m512i; 2]) -> __m512i {
    by_turns(_mm512_packus_epi16(even, odd))
}

macro_rules! summed_short {
    ($($integer:ident: $widen:ident, $narrow:ident, $apart:ident, $together:ident, $pairs:ident);*) => { $(
        impl Memory<SummedShort<$integer>> for Avx512 {
            converted!(
                SummedShort<$integer>: __m512i, __m256i, mask_of_32, _mm256_maskz_loadu_epi8,
                _mm256_mask_storeu_epi8, $widen, $narrow
            );

            taken_apart!(SummedShort<$integer>: __m512i, __m512i, $apart, $together);
            in_pairs!(SummedShort<$integer>: __m512i, $pairs);
        }
    )* };
}

summed_short! {
    i8: _mm512_cvtepi8_epi16, _mm512_cvtsepi16_epi8, apart_i8, together_i8, pairs_i8;
    u8: _mm512_cvtepu8_epi16, narrowed_u8, apart_u8, together_u8, pairs_u8
}

impl Memory<Summed<i8>> for Avx512 {}
impl Memory<Summed<u8>> for Avx512 {}
impl Memory<Summed<i16>> for Avx512 {}
impl Memory<Summed<u16>> for Avx512 {}
impl Memory<SummedLong<i8>> for Avx512 {}
impl Memory<SummedLong<u8>> for Avx512 {}
impl Memory<SummedLong<i16>> for Avx512 {}
impl Memory<SummedLong<u16>> for Avx512 {}
impl Memory<SummedLong<i32>> for Avx512 {}

impl AllLanes for Avx512 {
    type Narrow = super::avx2::Avx2;
}
