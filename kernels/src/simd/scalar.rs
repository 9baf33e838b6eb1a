//! Vectors of one element: what kernels are where there is nothing better, and for leftovers.

use super::{Feature, Isa, Lanes};
use core::ops::Range;

/// Needs no proof: every CPU has scalars.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

impl Isa for Scalar {
    const NAME: &'static str = "scalar";
    const FEATURES: &'static [Feature] = &[];
    const BY_HAND: bool = false;

    #[inline(always)]
    fn detect() -> Option<Self> {
        Some(Self)
    }

    #[inline(always)]
    fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
        f()
    }
}

impl Lanes<f32> for Scalar {
    type Vector = f32;
    type Seen = bool;
    const N: usize = 1;

    #[inline(always)]
    fn splat(self, x: f32) -> f32 {
        x
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> f32 {
        // SAFETY: as the caller promises.
        unsafe { src.read() }
    }

    #[inline(always)]
    unsafe fn store(self, v: f32, dst: *mut f32) {
        // SAFETY: as the caller promises.
        unsafe { dst.write(v) }
    }

    #[inline(always)]
    unsafe fn load_first(self, _: *const f32, _: usize) -> f32 {
        0.0
    }

    #[inline(always)]
    unsafe fn store_first(self, _: f32, _: *mut f32, _: usize) {}

    #[inline(always)]
    unsafe fn load_between(self, src: *const f32, lanes: Range<usize>, rest: f32) -> f32 {
        // SAFETY: as the caller promises.
        if lanes.is_empty() { rest } else { unsafe { src.read() } }
    }

    #[inline(always)]
    fn keep(self, v: f32, lanes: Range<usize>, rest: f32) -> f32 {
        if lanes.is_empty() { rest } else { v }
    }

    #[inline(always)]
    fn add(self, a: f32, b: f32) -> f32 {
        a + b
    }

    #[inline(always)]
    fn mul(self, a: f32, b: f32) -> f32 {
        a * b
    }

    #[inline(always)]
    fn div(self, a: f32, b: f32) -> f32 {
        a / b
    }

    #[inline(always)]
    fn max(self, a: f32, b: f32) -> f32 {
        // See `Neon::max`.
        let a = if cfg!(target_arch = "aarch64") { a + 0.0 } else { a };
        if a > b { a } else { b }
    }

    #[inline(always)]
    fn max_nan(self, a: f32, b: f32) -> f32 {
        if a > b || a.is_nan() { a } else { b }
    }

    #[inline(always)]
    fn canonical(self, v: f32) -> f32 {
        if v.is_nan() { f32::NAN } else { v + 0.0 }
    }

    #[inline(always)]
    fn unseen(self) -> bool {
        false
    }

    #[inline(always)]
    fn look(self, seen: bool, a: f32, b: f32) -> bool {
        seen | a.is_nan() | b.is_nan()
    }

    #[inline(always)]
    fn has_seen(self, seen: bool) -> bool {
        seen
    }

    #[inline(always)]
    fn slide<const J: usize>(self, before: f32, v: f32) -> f32 {
        if J == 0 { v } else { before }
    }

    #[inline(always)]
    fn deinterleave3(self, a: f32, b: f32, c: f32) -> [f32; 3] {
        [a, b, c]
    }

    #[inline(always)]
    fn deinterleave(self, lo: f32, hi: f32) -> (f32, f32) {
        (lo, hi)
    }
}
