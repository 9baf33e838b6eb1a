//! 128-bit vectors of AArch64.

use super::{Feature, Isa, Lanes, gather_first, has};
use bytemuck::must_cast;
use core::arch::aarch64::*;

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
    const N: usize = 4;

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
        must_cast(unsafe { gather_first::<f32, 4>(src, n) })
    }

    #[inline(always)]
    unsafe fn store_first(self, v: float32x4_t, dst: *mut f32, n: usize) {
        let lanes: [f32; 4] = must_cast(v);
        // SAFETY: as the caller promises.
        unsafe { dst.copy_from_nonoverlapping(lanes.as_ptr(), n) }
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
            // Not `fmaxnm`: it lets a signalling NaN win.
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
