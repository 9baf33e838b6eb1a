//! 128-bit vectors of AArch64.

use super::{
    Feature, Isa, Lanes, Memory, TURNED, as_it_is, div_lanes, has, intrinsics, mul_lanes, no_nan,
    sees_none,
};
use crate::Rounding;
use crate::backend::AllLanes;
use crate::number::{Element, Half, Ordered, Summed, SummedLong, SummedShort};
use bytemuck::{Pod, must_cast};
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

    #[inline(always)]
    fn outline<R>(self, f: impl FnOnce() -> R) -> R {
        #[target_feature(enable = "neon")]
        #[inline(never)]
        fn with_neon<R>(f: impl FnOnce() -> R) -> R {
            f()
        }
        #[target_feature(enable = "neon")]
        fn call<R>(f: impl FnOnce() -> R) -> R {
            with_neon(f)
        }
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { call(f) }
    }
}

impl Lanes<f32> for Neon {
    type Vector = float32x4_t;
    type Array = [f32; 4];
    type Seen = ();
    const NAN_IS_FREE: bool = true;

    sees_none!(float32x4_t);
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
    fn between(self, left: float32x4_t, right: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the CPU has NEON.
        let last = unsafe { vextq_f32::<2>(right, right) };
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vextq_f32::<1>(left, last) }
    }

    const PICKS: bool = true;

    #[inline(always)]
    fn pick(self, v: float32x4_t, places: &[u32; TURNED]) -> float32x4_t {
        must_cast(pick_lanes::<_, 4>(self, v, places)[0])
    }

    #[inline(always)]
    fn pick_or(self, v: float32x4_t, places: &[u32; TURNED], rest: float32x4_t) -> float32x4_t {
        let [picked, is_absent] = pick_lanes::<_, 4>(self, v, places);
        // SAFETY: the token proves that the CPU has NEON.
        must_cast(unsafe { vbslq_u8(is_absent, must_cast(rest), picked) })
    }

    #[inline(always)]
    fn slide<const J: usize>(self, before: float32x4_t, v: float32x4_t) -> float32x4_t {
        #[target_feature(enable = "neon")]
        #[inline]
        fn slide<const J: usize>(before: float32x4_t, v: float32x4_t) -> float32x4_t {
            match J {
                1 => vextq_f32::<3>(before, v),
                2 => vextq_f32::<2>(before, v),
                _ => before,
            }
        }
        const { assert!(matches!(J, 1 | 2 | 4 | 8)) };
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

    #[inline(always)]
    unsafe fn load_groups_of_lanes(self, src: *const f32, _: usize) -> float32x4_t {
        // SAFETY: as the caller promises.
        unsafe { src.cast::<float32x4_t>().read_unaligned() }
    }
}

impl Lanes<f64> for Neon {
    type Vector = float64x2_t;
    type Array = [f64; 2];
    type Seen = ();
    const NAN_IS_FREE: bool = true;

    sees_none!(float64x2_t);
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

    const PICKS: bool = true;

    #[inline(always)]
    fn pick(self, v: float64x2_t, places: &[u32; TURNED]) -> float64x2_t {
        must_cast(pick_lanes::<_, 8>(self, v, places)[0])
    }

    #[inline(always)]
    fn pick_or(self, v: float64x2_t, places: &[u32; TURNED], rest: float64x2_t) -> float64x2_t {
        let [picked, is_absent] = pick_lanes::<_, 8>(self, v, places);
        // SAFETY: the token proves that the CPU has NEON.
        must_cast(unsafe { vbslq_u8(is_absent, must_cast(rest), picked) })
    }

    #[inline(always)]
    fn slide<const J: usize>(self, before: float64x2_t, v: float64x2_t) -> float64x2_t {
        slide_bytes(self, before, v, J * 8)
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

/// The lanes of `SIZE` bytes at the first of some places, and which of these are absent.
#[inline(always)]
fn pick_lanes<V: Pod, const SIZE: usize>(_: Neon, v: V, places: &[u32; TURNED]) -> [uint8x16_t; 2] {
    #[target_feature(enable = "neon")]
    #[inline]
    fn pick<const SIZE: usize>(v: uint8x16_t, places: uint8x16_t) -> [uint8x16_t; 2] {
        // For each byte of a vector, the one that a place starts with, and which of its lane it is.
        let [first, within]: [[u8; 16]; 2] = const {
            let mut bytes = [[0; 16]; 2];
            let mut i = 0;
            while i < 16 {
                bytes[0][i] = (i / SIZE * size_of::<u32>()) as u8;
                bytes[1][i] = (i % SIZE) as u8;
                i += 1;
            }
            bytes
        };
        let (first, within) = (must_cast(first), must_cast(within));
        let lanes = vmulq_u8(vqtbl1q_u8(places, first), vdupq_n_u8(SIZE as u8));
        let signs = vshrq_n_s32::<31>(vreinterpretq_s32_u8(places));
        let is_absent = vqtbl1q_u8(vreinterpretq_u8_s32(signs), first);
        [vqtbl1q_u8(v, vaddq_u8(lanes, within)), is_absent]
    }
    let [places, ..]: [uint8x16_t; 4] = must_cast(*places);
    // SAFETY: the token proves that the CPU has NEON.
    unsafe { pick::<SIZE>(must_cast(v), places) }
}

/// Shifts the last bytes of `before` into `v`: a power of two of them.
#[inline(always)]
fn slide_bytes<V: Pod>(_: Neon, before: V, v: V, bytes: usize) -> V {
    #[target_feature(enable = "neon")]
    #[inline]
    fn slide(before: uint8x16_t, v: uint8x16_t, bytes: usize) -> uint8x16_t {
        match bytes {
            1 => vextq_u8::<15>(before, v),
            2 => vextq_u8::<14>(before, v),
            4 => vextq_u8::<12>(before, v),
            8 => vextq_u8::<8>(before, v),
            _ => before,
        }
    }
    // SAFETY: the token proves that the CPU has NEON.
    must_cast(unsafe { slide(must_cast(before), must_cast(v), bytes) })
}

#[inline(always)]
fn mul_16(_: Neon, a: int16x8_t, b: int16x8_t) -> int16x8_t {
    // SAFETY: the token proves that the CPU has NEON.
    unsafe { vmulq_s16(a, b) }
}

#[inline(always)]
fn mul_32(_: Neon, a: int32x4_t, b: int32x4_t) -> int32x4_t {
    // SAFETY: the token proves that the CPU has NEON.
    unsafe { vmulq_s32(a, b) }
}

/// Quotients of 16 bits, as `Avx2` has them.
#[inline(always)]
fn div_16(simd: Neon, a: int16x8_t, b: int16x8_t, rounding: Rounding) -> int16x8_t {
    div_parts_16(simd, a, parts_16(simd, b), rounding)
}

#[inline(always)]
fn parts_16(simd: Neon, b: int16x8_t) -> [int16x8_t; 4] {
    #[target_feature(enable = "neon")]
    #[inline]
    fn factor(divisor: uint16x4_t) -> [uint16x4_t; 3] {
        let divisor = vcvtq_f32_u32(vmovl_u16(divisor));
        let below = vreinterpretq_u32_f32(vsubq_f32(divisor, vdupq_n_f32(0.5)));
        let power = vreinterpretq_f32_u32(vandq_u32(below, vdupq_n_u32(0x7f80_0000)));
        let factor = vdivq_f32(vmulq_f32(power, vdupq_n_f32(65536.0)), divisor);
        let units = vmulq_f32(power, vdupq_n_f32(4.0));
        let inverse = vdivq_f32(vdupq_n_f32(32768.0), units);
        [
            vmovn_u32(vcvtpq_u32_f32(factor)),
            vmovn_u32(vcvtq_u32_f32(units)),
            vmovn_u32(vcvtq_u32_f32(inverse)),
        ]
    }
    #[target_feature(enable = "neon")]
    #[inline]
    fn parts(b: int16x8_t) -> [int16x8_t; 4] {
        let divisor = vreinterpretq_u16_s16(vabsq_s16(b));
        let [low_factor, low_units, low_inverse] = factor(vget_low_u16(divisor));
        let [high_factor, high_units, high_inverse] = factor(vget_high_u16(divisor));
        [
            vreinterpretq_s16_u16(vcombine_u16(low_factor, high_factor)),
            vreinterpretq_s16_u16(vcombine_u16(low_inverse, high_inverse)),
            vreinterpretq_s16_u16(vcombine_u16(low_units, high_units)),
            b,
        ]
    }
    simd.outline(
        #[inline(always)]
        || {
            // SAFETY: the token proves that the CPU has NEON.
            unsafe { parts(b) }
        },
    )
}

#[inline(always)]
fn div_parts_16(_: Neon, a: int16x8_t, parts: [int16x8_t; 4], rounding: Rounding) -> int16x8_t {
    /// The high halves of the products.
    #[target_feature(enable = "neon")]
    #[inline]
    fn high(a: uint16x8_t, b: uint16x8_t) -> uint16x8_t {
        let low = vmull_u16(vget_low_u16(a), vget_low_u16(b));
        vuzp2q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(vmull_high_u16(a, b)))
    }
    #[target_feature(enable = "neon")]
    #[inline]
    fn div(
        a: int16x8_t,
        [factor, inverse, units, b]: [int16x8_t; 4],
        rounding: Rounding,
    ) -> int16x8_t {
        let half = vshrq_n_s16::<1>(units);
        let negative = vshrq_n_s16::<15>(veorq_s16(a, b));
        let n = vshlq_n_u16::<2>(vreinterpretq_u16_s16(vabsq_s16(a)));
        let exact = vreinterpretq_s16_u16(high(n, vreinterpretq_u16_s16(factor)));
        let rounded = if rounding == Rounding::HalfAwayFromZero {
            vqrdmulhq_s16(exact, inverse)
        } else {
            let only = |mode| vdupq_n_s16(-i16::from(rounding == mode));
            let up = vandq_s16(negative, only(Rounding::HalfUp));
            let down = vandq_s16(half, only(Rounding::Truncate));
            let exact = vsubq_s16(vaddq_s16(exact, up), down);
            let rounded = vqrdmulhq_s16(exact, inverse);
            let is_half = vceqq_s16(vmulq_s16(rounded, units), vaddq_s16(exact, half));
            let odd = vandq_s16(rounded, vdupq_n_s16(1));
            let even = vandq_s16(vreinterpretq_s16_u16(is_half), only(Rounding::HalfEven));
            vsubq_s16(rounded, vandq_s16(even, odd))
        };
        vsubq_s16(veorq_s16(rounded, negative), negative)
    }
    // SAFETY: the token proves that the CPU has NEON.
    unsafe { div(a, parts, rounding) }
}

/// Quotients of 32 bits, by way of `f64`, as `Avx2` has them.
#[inline(always)]
fn div_32(simd: Neon, a: int32x4_t, b: int32x4_t, rounding: Rounding) -> int32x4_t {
    #[target_feature(enable = "neon")]
    #[inline]
    fn div(a: int32x2_t, b: int32x2_t, rounding: Rounding) -> int32x2_t {
        let quotient = vdivq_f64(vcvtq_f64_s64(vmovl_s32(a)), vcvtq_f64_s64(vmovl_s32(b)));
        vmovn_s64(match rounding {
            Rounding::HalfAwayFromZero => vcvtaq_s64_f64(quotient),
            Rounding::HalfEven => vcvtnq_s64_f64(quotient),
            Rounding::HalfUp => vcvtmq_s64_f64(vaddq_f64(quotient, vdupq_n_f64(0.5))),
            Rounding::Truncate => vcvtq_s64_f64(quotient),
        })
    }
    #[target_feature(enable = "neon")]
    #[inline]
    fn both(a: int32x4_t, b: int32x4_t, rounding: Rounding) -> int32x4_t {
        let low = div(vget_low_s32(a), vget_low_s32(b), rounding);
        vcombine_s32(low, div(vget_high_s32(a), vget_high_s32(b), rounding))
    }
    simd.outline(
        #[inline(always)]
        || {
            // SAFETY: the token proves that the CPU has NEON.
            unsafe { both(a, b, rounding) }
        },
    )
}

macro_rules! integers {
    ($($integer:ident: $vector:ident[$n:literal], $add:ident, $max:ident, $min:ident, $even:ident, $odd:ident, $mul:path, $div:path $(, $parts:ident, $div_parts:ident, $mul_fraction:ident)?);* $(;)?) => { $(
        impl Lanes<$integer> for Neon {
            type Vector = $vector;
            type Array = [$integer; $n];
            type Seen = ();

            no_nan!($integer, $vector);
            intrinsics!($vector: add = $add, max = $max, min = $min);

            #[inline(always)]
            fn mul(self, a: $vector, b: $vector) -> $vector {
                $mul(self, a, b)
            }

            #[inline(always)]
            fn div(self, a: $vector, b: $vector, rounding: Rounding) -> $vector {
                $div(self, a, b, rounding)
            }

            $(
                const PARTS: bool = true;

                intrinsics!($vector: mul_fraction = $mul_fraction);

                #[inline(always)]
                fn mul_fraction_of_magnitude(self, a: $vector, b: $vector) -> $vector {
                    #[target_feature(enable = "neon")]
                    #[inline]
                    fn mul(a: int16x8_t, b: int16x8_t) -> int16x8_t {
                        let negative = vshrq_n_s16::<15>(a);
                        let product = vqrdmulhq_s16(vabsq_s16(a), b);
                        vsubq_s16(veorq_s16(product, negative), negative)
                    }
                    // SAFETY: the token proves that the CPU has NEON.
                    unsafe { mul(a, b) }
                }

                #[inline(always)]
                fn parts(self, divisors: $vector) -> [$vector; 4] {
                    $parts(self, divisors)
                }

                #[inline(always)]
                fn div_parts(self, a: $vector, parts: [$vector; 4], rounding: Rounding) -> $vector {
                    $div_parts(self, a, parts, rounding)
                }
            )?

            #[inline(always)]
            fn slide<const J: usize>(self, before: $vector, v: $vector) -> $vector {
                slide_bytes(self, before, v, J * size_of::<$integer>())
            }

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
    i8: int8x16_t[16], vaddq_s8, vmaxq_s8, vminq_s8, vuzp1q_s8, vuzp2q_s8, mul_lanes::<i8, _>, div_lanes::<i8, _>;
    u8: uint8x16_t[16], vaddq_u8, vmaxq_u8, vminq_u8, vuzp1q_u8, vuzp2q_u8, mul_lanes::<u8, _>, div_lanes::<u8, _>;
    i16: int16x8_t[8], vaddq_s16, vmaxq_s16, vminq_s16, vuzp1q_s16, vuzp2q_s16, mul_16, div_16, parts_16, div_parts_16, vqrdmulhq_s16;
    u16: uint16x8_t[8], vaddq_u16, vmaxq_u16, vminq_u16, vuzp1q_u16, vuzp2q_u16, mul_lanes::<u16, _>, div_lanes::<u16, _>;
    i32: int32x4_t[4], vaddq_s32, vmaxq_s32, vminq_s32, vuzp1q_s32, vuzp2q_s32, mul_32, div_32;
    u32: uint32x4_t[4], vaddq_u32, vmaxq_u32, vminq_u32, vuzp1q_u32, vuzp2q_u32, mul_lanes::<u32, _>, div_lanes::<u32, _>;
    i64: int64x2_t[2], vaddq_s64, max_i64, min_i64, vuzp1q_s64, vuzp2q_s64, mul_lanes::<i64, _>, div_lanes::<i64, _>;
}

impl Memory<f32> for Neon {
    as_it_is!(f32, float32x4_t);
}

impl Memory<f64> for Neon {
    as_it_is!(f64, float64x2_t);
}

impl Memory<f16> for Neon {}

impl Memory<bf16> for Neon {
    #[inline(always)]
    unsafe fn load(self, src: *const bf16) -> float32x4_t {
        // SAFETY: as the caller promises.
        let bits = unsafe { src.cast::<uint16x4_t>().read_unaligned() };
        // SAFETY: the token proves that the CPU has NEON.
        must_cast(unsafe { vshll_n_u16::<16>(bits) })
    }

    #[inline(always)]
    unsafe fn store(self, v: float32x4_t, dst: *mut bf16) {
        #[target_feature(enable = "neon")]
        #[inline]
        fn narrow(bits: uint32x4_t) -> uint16x4_t {
            // To the nearest, halves to even. A canonical NaN stays what it is.
            let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
            let half = vaddq_u32(odd, vdupq_n_u32(0x7fff));
            let bits = vshrn_n_u32::<16>(vaddq_u32(bits, half));
            // A small number may have been rounded to −0.
            vbic_u16(bits, vceq_u16(bits, vdup_n_u16(0x8000)))
        }
        // SAFETY: the token proves that the CPU has NEON.
        let bits = unsafe { narrow(must_cast(v)) };
        // SAFETY: as the caller promises.
        unsafe { dst.cast::<uint16x4_t>().write_unaligned(bits) }
    }
}

impl<T: Half> Memory<Ordered<T>> for Neon
where
    Ordered<T>: Element<Acc = u16>,
{
    #[inline(always)]
    unsafe fn load(self, src: *const Ordered<T>) -> uint16x8_t {
        #[target_feature(enable = "neon")]
        #[inline]
        fn order(bits: uint16x8_t, infinity: u16) -> uint16x8_t {
            let magnitude = vbicq_u16(bits, vdupq_n_u16(0x8000));
            let negative = vreinterpretq_u16_s16(vshrq_n_s16::<15>(vreinterpretq_s16_u16(bits)));
            let number = vsubq_u16(veorq_u16(magnitude, negative), negative);
            vaddq_u16(number, vdupq_n_u16(infinity))
        }
        // SAFETY: as the caller promises.
        let bits = unsafe { src.cast::<uint16x8_t>().read_unaligned() };
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { order(bits, T::INFINITY) }
    }

    #[inline(always)]
    unsafe fn store(self, v: uint16x8_t, dst: *mut Ordered<T>) {
        #[target_feature(enable = "neon")]
        #[inline]
        fn bits(v: uint16x8_t, infinity: u16, nan: u16) -> uint16x8_t {
            let number = vsubq_u16(v, vdupq_n_u16(infinity));
            let sign = vandq_u16(number, vdupq_n_u16(0x8000));
            let magnitude = vreinterpretq_u16_s16(vabsq_s16(vreinterpretq_s16_u16(number)));
            let is_nan = vcgtq_u16(v, vdupq_n_u16(2 * infinity));
            vbslq_u16(is_nan, vdupq_n_u16(nan), vorrq_u16(magnitude, sign))
        }
        // SAFETY: the token proves that the CPU has NEON.
        let bits = unsafe { bits(v, T::INFINITY, T::NAN) };
        // SAFETY: as the caller promises.
        unsafe { dst.cast::<uint16x8_t>().write_unaligned(bits) }
    }
}

macro_rules! summed_short {
    ($($integer:ident: $bytes:ident, $widen:ident, $narrow:ident);*) => { $(
        impl Memory<SummedShort<$integer>> for Neon {
            #[inline(always)]
            unsafe fn load(self, src: *const SummedShort<$integer>) -> int16x8_t {
                // SAFETY: as the caller promises.
                let bytes = unsafe { src.cast::<$bytes>().read_unaligned() };
                // SAFETY: the token proves that the CPU has NEON.
                must_cast(unsafe { $widen(bytes) })
            }

            #[inline(always)]
            unsafe fn store(self, v: int16x8_t, dst: *mut SummedShort<$integer>) {
                // SAFETY: the token proves that the CPU has NEON.
                let bytes = unsafe { $narrow(v) };
                // SAFETY: as the caller promises.
                unsafe { dst.cast::<$bytes>().write_unaligned(bytes) }
            }
        }
    )* };
}

summed_short!(i8: int8x8_t, vmovl_s8, vqmovn_s16; u8: uint8x8_t, vmovl_u8, vqmovun_s16);

impl Memory<Summed<i8>> for Neon {}
impl Memory<Summed<u8>> for Neon {}
impl Memory<Summed<i16>> for Neon {}
impl Memory<Summed<u16>> for Neon {}
impl Memory<SummedLong<i8>> for Neon {}
impl Memory<SummedLong<u8>> for Neon {}
impl Memory<SummedLong<i16>> for Neon {}
impl Memory<SummedLong<u16>> for Neon {}
impl Memory<SummedLong<i32>> for Neon {}

impl AllLanes for Neon {
    type Narrow = Self;
}
