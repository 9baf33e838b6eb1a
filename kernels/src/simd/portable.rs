//! 128-bit vectors from the crate `wide`, for targets without a file of their own.

use super::{Feature, Isa, Lanes, gather_first};
use bytemuck::must_cast;
use wide::f32x4;

/// Needs no proof: `wide` uses what the target is compiled for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Isa for Portable {
    const NAME: &'static str = "portable";
    const FEATURES: &'static [Feature] = &[];

    #[inline(always)]
    fn detect() -> Option<Self> {
        Some(Self)
    }

    #[inline(always)]
    fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
        f()
    }
}

impl Lanes<f32> for Portable {
    type Vector = f32x4;
    const N: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> f32x4 {
        f32x4::new([x; 4])
    }

    #[inline(always)]
    unsafe fn load(self, src: *const f32) -> f32x4 {
        // SAFETY: as the caller promises; an array of floats is aligned like a float.
        f32x4::new(unsafe { src.cast::<[f32; 4]>().read() })
    }

    #[inline(always)]
    unsafe fn store(self, v: f32x4, dst: *mut f32) {
        // SAFETY: as the caller promises; an array of floats is aligned like a float.
        unsafe { dst.cast::<[f32; 4]>().write(v.to_array()) }
    }

    #[inline(always)]
    unsafe fn load_first(self, src: *const f32, n: usize) -> f32x4 {
        // SAFETY: as the caller promises.
        f32x4::new(unsafe { gather_first::<f32, 4>(src, n) })
    }

    #[inline(always)]
    unsafe fn store_first(self, v: f32x4, dst: *mut f32, n: usize) {
        // SAFETY: as the caller promises.
        unsafe { dst.copy_from_nonoverlapping(v.as_array().as_ptr(), n) }
    }

    #[inline(always)]
    fn add(self, a: f32x4, b: f32x4) -> f32x4 {
        a + b
    }

    #[inline(always)]
    fn mul(self, a: f32x4, b: f32x4) -> f32x4 {
        a * b
    }

    #[inline(always)]
    fn div(self, a: f32x4, b: f32x4) -> f32x4 {
        a / b
    }

    #[inline(always)]
    fn max(self, a: f32x4, b: f32x4) -> f32x4 {
        // Not `f32x4::max`: it ignores NaN on either side.
        a.simd_gt(b).select(a, b)
    }

    #[inline(always)]
    fn max_nan(self, a: f32x4, b: f32x4) -> f32x4 {
        a.is_nan().select(a, self.max(a, b))
    }

    #[inline(always)]
    fn canonical(self, v: f32x4) -> f32x4 {
        v.simd_eq(v).select(v + f32x4::ZERO, f32x4::new([f32::NAN; 4]))
    }

    #[inline(always)]
    fn deinterleave(self, lo: f32x4, hi: f32x4) -> (f32x4, f32x4) {
        let ([a, b, c, d], [e, f, g, h]): ([f32; 4], [f32; 4]) = (must_cast(lo), must_cast(hi));
        (f32x4::new([a, c, e, g]), f32x4::new([b, d, f, h]))
    }
}
