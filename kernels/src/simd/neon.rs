//! 128-bit vectors of AArch64.

use super::{Feature, Isa, Lanes, gather, has, scatter};
use bytemuck::must_cast;
use core::arch::aarch64::*;
use core::ops::Range;

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
    type Seen = uint32x4_t;
    const N: usize = 4;
    const NAN_IS_FREE: bool = true;

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        must_cast([x; 4])
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> float32x4_t {
        // SAFETY: the token proves that the CPU has NEON, the caller promises the rest.
        unsafe { vld1q_f32(src) }
    }

    #[inline(always)]
    unsafe fn store(self, v: float32x4_t, dst: *mut f32) {
        // SAFETY: the token proves that the CPU has NEON, the caller promises the rest.
        unsafe { vst1q_f32(dst, v) }
    }

    #[inline(always)]
    unsafe fn load_first(self, src: *const f32, n: usize) -> float32x4_t {
        // SAFETY: as the caller promises.
        must_cast(unsafe { gather(src, 0..n, [0.0; 4]) })
    }

    #[inline(always)]
    unsafe fn store_first(self, v: float32x4_t, dst: *mut f32, n: usize) {
        // SAFETY: as the caller promises.
        unsafe { scatter::<f32, 4>(must_cast(v), dst, n) }
    }

    #[inline(always)]
    unsafe fn load_between(
        self,
        src: *const f32,
        lanes: Range<usize>,
        rest: float32x4_t,
    ) -> float32x4_t {
        // SAFETY: as the caller promises.
        must_cast(unsafe { gather::<f32, 4>(src, lanes, must_cast(rest)) })
    }

    #[inline(always)]
    fn keep(self, v: float32x4_t, lanes: Range<usize>, rest: float32x4_t) -> float32x4_t {
        let mask: [u32; 4] =
            core::array::from_fn(|i| if lanes.contains(&i) { u32::MAX } else { 0 });
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vbslq_f32(must_cast(mask), v, rest) }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vdivq_f32(a, b) }
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
    fn max_nan(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves that the CPU has NEON.
        unsafe { vmaxq_f32(a, b) }
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
