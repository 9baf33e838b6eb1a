//! 128-bit vectors of AArch64.

use super::{Feature, Isa, Lanes, Memory, as_it_is, has, intrinsics, no_nan};
use crate::Rounding;
use crate::backend::AllLanes;
use crate::number::{Summed, SummedLong};
use bytemuck::must_cast;
use core::arch::aarch64::*;
use core::ops::Range;
use half::{bf16, f16};

/// Proof that the CPU has NEON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neon(());

impl Isa for Neon {
    const NAME: &'static str = "neon";
    const FEATURES: &'static [Feature] = &[Feature { name: "neon", is_there: || has!("neon") }];

    #[inline(always)]
    fn detect() -> Option<Self> {
        has!("neon").then_some(Self(()))
    }

    #[inline(always)]
    fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "neon")]
        fn with_neon<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { with_neon(f) }
    }
}

impl Lanes<f32> for Neon {
    type Vector = float32x4_t;
    type Array = [f32; 4];
    type Seen = uint32x4_t;
    const NAN_IS_FREE: bool = true;

    intrinsics!(float32x4_t: add = vaddq_f32, mul = vmulq_f32, max_nan = vmaxq_f32, min_nan = vminq_f32);

    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t, _: Rounding) -> float32x4_t {
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, v: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vsqrtq_f32(v) }
    }

    #[inline(always)]
    fn keep(self, v: float32x4_t, lanes: Range<usize>, rest: float32x4_t) -> float32x4_t {
        let mask: [u32; 4] =
            core::array::from_fn(|i| if lanes.contains(&i) { u32::MAX } else { 0 });
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vbslq_f32(must_cast(mask), v, rest) }
    }

    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        #[target_feature(enable = "neon")]
        #[inline]
        fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t {
            // LLVM makes `fmaxnm` of this where it knows that `b` is a number. That instruction
            // lets a signalling NaN win, so make it a quiet one first.
            let a = vaddq_f32(a, vdupq_n_f32(0.0));
            vbslq_f32(vcgtq_f32(a, b), a, b)
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { max(a, b) }
    }

    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        #[target_feature(enable = "neon")]
        #[inline]
        fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t {
            // As in `max`.
            let a = vaddq_f32(a, vdupq_n_f32(0.0));
            vbslq_f32(vcltq_f32(a, b), a, b)
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { min(a, b) }
    }

    #[inline(always)]
    fn canonical(self, v: float32x4_t) -> float32x4_t {
        #[target_feature(enable = "neon")]
        #[inline]
        fn canonical(v: float32x4_t) -> float32x4_t {
            let is_number = vceqq_f32(v, v);
            let no_minus_zero = vaddq_f32(v, vdupq_n_f32(0.0));
            vbslq_f32(is_number, no_minus_zero, vdupq_n_f32(f32::NAN))
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { canonical(v) }
    }

    #[inline(always)]
    fn unseen(self) -> uint32x4_t {
        must_cast([0u32; 4])
    }

    #[inline(always)]
    fn look(self, seen: uint32x4_t, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
        #[target_feature(enable = "neon")]
        #[inline]
        fn look(seen: uint32x4_t, a: float32x4_t, b: float32x4_t) -> uint32x4_t {
            // A lane of the minimum is NaN if either is.
            let either = vminq_f32(a, b);
            vornq_u32(seen, vceqq_f32(either, either))
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { look(seen, a, b) }
    }

    #[inline(always)]
    fn has_seen(self, seen: uint32x4_t) -> bool {
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vmaxvq_u32(seen) != 0 }
    }

    #[inline(always)]
    fn slide<const J: usize>(self, before: float32x4_t, v: float32x4_t) -> float32x4_t {
        #[target_feature(enable = "neon")]
        #[inline]
        fn slide<const J: usize>(before: float32x4_t, v: float32x4_t) -> float32x4_t {
            match J {
                1 => vextq_f32::<3>(before, v),
                2 => vextq_f32::<2>(before, v),
                3 => vextq_f32::<1>(before, v),
                _ => v,
            }
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { slide::<J>(before, v) }
    }

    #[inline(always)]
    fn deinterleave3(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> [float32x4_t; 3] {
        let linear: [f32; 12] = must_cast([a, b, c]);
        // SAFETY: the token proves that the CPU has NEON, and the array has three vectors.
        let float32x4x3_t(a, b, c) = unsafe { vld3q_f32(linear.as_ptr()) };
        [a, b, c]
    }

    #[inline(always)]
    fn deinterleave(self, lo: float32x4_t, hi: float32x4_t) -> (float32x4_t, float32x4_t) {
        #[target_feature(enable = "neon")]
        #[inline]
        fn deinterleave(lo: float32x4_t, hi: float32x4_t) -> (float32x4_t, float32x4_t) {
            (vuzp1q_f32(lo, hi), vuzp2q_f32(lo, hi))
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { deinterleave(lo, hi) }
    }
}

impl Lanes<f64> for Neon {
    type Vector = float64x2_t;
    type Array = [f64; 2];
    type Seen = uint64x2_t;
    const NAN_IS_FREE: bool = true;

    intrinsics!(float64x2_t: add = vaddq_f64, mul = vmulq_f64, max_nan = vmaxq_f64, min_nan = vminq_f64);

    #[inline(always)]
    fn div(self, a: float64x2_t, b: float64x2_t, _: Rounding) -> float64x2_t {
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vdivq_f64(a, b) }
    }

    #[inline(always)]
    fn sqrt(self, v: float64x2_t) -> float64x2_t {
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vsqrtq_f64(v) }
    }

    #[inline(always)]
    fn keep(self, v: float64x2_t, lanes: Range<usize>, rest: float64x2_t) -> float64x2_t {
        let mask: [u64; 2] =
            core::array::from_fn(|i| if lanes.contains(&i) { u64::MAX } else { 0 });
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vbslq_f64(must_cast(mask), v, rest) }
    }

    #[inline(always)]
    fn max(self, a: float64x2_t, b: float64x2_t) -> float64x2_t {
        #[target_feature(enable = "neon")]
        #[inline]
        fn max(a: float64x2_t, b: float64x2_t) -> float64x2_t {
            // LLVM makes `fmaxnm` of this where it knows that `b` is a number. That instruction
            // lets a signalling NaN win, so make it a quiet one first.
            let a = vaddq_f64(a, vdupq_n_f64(0.0));
            vbslq_f64(vcgtq_f64(a, b), a, b)
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { max(a, b) }
    }

    #[inline(always)]
    fn min(self, a: float64x2_t, b: float64x2_t) -> float64x2_t {
        #[target_feature(enable = "neon")]
        #[inline]
        fn min(a: float64x2_t, b: float64x2_t) -> float64x2_t {
            // As in `max`.
            let a = vaddq_f64(a, vdupq_n_f64(0.0));
            vbslq_f64(vcltq_f64(a, b), a, b)
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { min(a, b) }
    }

    #[inline(always)]
    fn canonical(self, v: float64x2_t) -> float64x2_t {
        #[target_feature(enable = "neon")]
        #[inline]
        fn canonical(v: float64x2_t) -> float64x2_t {
            let is_number = vceqq_f64(v, v);
            let no_minus_zero = vaddq_f64(v, vdupq_n_f64(0.0));
            vbslq_f64(is_number, no_minus_zero, vdupq_n_f64(f64::NAN))
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { canonical(v) }
    }

    #[inline(always)]
    fn unseen(self) -> uint64x2_t {
        must_cast([0u64; 2])
    }

    #[inline(always)]
    fn look(self, seen: uint64x2_t, a: float64x2_t, b: float64x2_t) -> uint64x2_t {
        #[target_feature(enable = "neon")]
        #[inline]
        fn look(seen: uint64x2_t, a: float64x2_t, b: float64x2_t) -> uint64x2_t {
            // A lane of the minimum is NaN if either is.
            let either = vminq_f64(a, b);
            vornq_u64(seen, vceqq_f64(either, either))
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { look(seen, a, b) }
    }

    #[inline(always)]
    fn has_seen(self, seen: uint64x2_t) -> bool {
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vmaxvq_u32(must_cast(seen)) != 0 }
    }

    #[inline(always)]
    fn deinterleave(self, lo: float64x2_t, hi: float64x2_t) -> (float64x2_t, float64x2_t) {
        #[target_feature(enable = "neon")]
        #[inline]
        fn deinterleave(lo: float64x2_t, hi: float64x2_t) -> (float64x2_t, float64x2_t) {
            (vuzp1q_f64(lo, hi), vuzp2q_f64(lo, hi))
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { deinterleave(lo, hi) }
    }
}

macro_rules! integers {
    ($($integer:ident: $vector:ident[$n:literal], $add:ident, $max:ident, $min:ident, $even:ident, $odd:ident);* $(;)?) => { $(
        impl Lanes<$integer> for Neon {
            type Vector = $vector;
            type Array = [$integer; $n];
            type Seen = ();

            no_nan!($integer, $vector);
            intrinsics!($vector: add = $add, max = $max, min = $min);

            #[inline(always)]
            fn deinterleave(self, lo: $vector, hi: $vector) -> ($vector, $vector) {
                #[target_feature(enable = "neon")]
                #[inline]
                fn deinterleave(lo: $vector, hi: $vector) -> ($vector, $vector) {
                    ($even(lo, hi), $odd(lo, hi))
                }
                // SAFETY: the token proves that the CPU has NEON.
                unsafe { deinterleave(lo, hi) }
            }
        }

        impl Memory<$integer> for Neon {
            as_it_is!($integer, $vector);
        }
    )* };
}

#[target_feature(enable = "neon")]
#[inline]
fn max_i64(a: int64x2_t, b: int64x2_t) -> int64x2_t {
    vbslq_s64(vcgtq_s64(a, b), a, b)
}

#[target_feature(enable = "neon")]
#[inline]
fn min_i64(a: int64x2_t, b: int64x2_t) -> int64x2_t {
    vbslq_s64(vcgtq_s64(a, b), b, a)
}

integers! {
    i8: int8x16_t[16], vaddq_s8, vmaxq_s8, vminq_s8, vuzp1q_s8, vuzp2q_s8;
    u8: uint8x16_t[16], vaddq_u8, vmaxq_u8, vminq_u8, vuzp1q_u8, vuzp2q_u8;
    i16: int16x8_t[8], vaddq_s16, vmaxq_s16, vminq_s16, vuzp1q_s16, vuzp2q_s16;
    u16: uint16x8_t[8], vaddq_u16, vmaxq_u16, vminq_u16, vuzp1q_u16, vuzp2q_u16;
    i32: int32x4_t[4], vaddq_s32, vmaxq_s32, vminq_s32, vuzp1q_s32, vuzp2q_s32;
    u32: uint32x4_t[4], vaddq_u32, vmaxq_u32, vminq_u32, vuzp1q_u32, vuzp2q_u32;
    i64: int64x2_t[2], vaddq_s64, max_i64, min_i64, vuzp1q_s64, vuzp2q_s64;
}

impl Memory<f32> for Neon {
    as_it_is!(f32, float32x4_t);
}

impl Memory<f64> for Neon {
    as_it_is!(f64, float64x2_t);
}

impl Memory<f16> for Neon {}
impl Memory<bf16> for Neon {}
impl Memory<Summed<i8>> for Neon {}
impl Memory<Summed<u8>> for Neon {}
impl Memory<Summed<i16>> for Neon {}
impl Memory<Summed<u16>> for Neon {}
impl Memory<SummedLong<i8>> for Neon {}
impl Memory<SummedLong<u8>> for Neon {}
impl Memory<SummedLong<i16>> for Neon {}
impl Memory<SummedLong<u16>> for Neon {}
impl Memory<SummedLong<i32>> for Neon {}

impl AllLanes for Neon {}
