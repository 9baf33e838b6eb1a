//! 128-bit vectors from the crate `wide`, for targets without a file of their own.

use super::{Feature, Isa, Lanes, gather, scatter};
use bytemuck::must_cast;
use core::ops::Range;
use wide::f32x4;

/// Needs no proof: `wide` uses what the target is compiled for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Portable;

impl Isa for Portable {
    const NAME: &'static str = "portable";
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

impl Lanes<f32> for Portable {
    type Vector = f32x4;
    type Seen = f32x4;
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
        f32x4::new(unsafe { gather(src, 0..n, [0.0; 4]) })
    }

    #[inline(always)]
    unsafe fn store_first(self, v: f32x4, dst: *mut f32, n: usize) {
        // SAFETY: as the caller promises.
        unsafe { scatter(v.to_array(), dst, n) }
    }

    #[inline(always)]
    unsafe fn load_between(self, src: *const f32, lanes: Range<usize>, rest: f32x4) -> f32x4 {
        // SAFETY: as the caller promises.
        f32x4::new(unsafe { gather(src, lanes, rest.to_array()) })
    }

    #[inline(always)]
    fn keep(self, v: f32x4, lanes: Range<usize>, rest: f32x4) -> f32x4 {
        let (v, rest) = (v.to_array(), rest.to_array());
        f32x4::new(core::array::from_fn(|i| if lanes.contains(&i) { v[i] } else { rest[i] }))
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
        // Not `f32x4::max`: it ignores NaN on either side. See also `Neon::max`.
        let a = if cfg!(target_arch = "aarch64") { a + f32x4::ZERO } else { a };
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
    fn unseen(self) -> f32x4 {
        f32x4::ZERO
    }

    #[inline(always)]
    fn look(self, seen: f32x4, a: f32x4, b: f32x4) -> f32x4 {
        seen | a.is_nan() | b.is_nan()
    }

    #[inline(always)]
    fn has_seen(self, seen: f32x4) -> bool {
        seen.any()
    }

    #[inline(always)]
    fn slide<const J: usize>(self, before: f32x4, v: f32x4) -> f32x4 {
        let ([a, b, c, d], [e, f, g, _]) = (before.to_array(), v.to_array());
        f32x4::new(match J {
            1 => [d, e, f, g],
            2 => [c, d, e, f],
            3 => [b, c, d, e],
            _ => [a, b, c, d],
        })
    }

    #[inline(always)]
    fn deinterleave3(self, a: f32x4, b: f32x4, c: f32x4) -> [f32x4; 3] {
        let linear: [f32; 12] = must_cast([a, b, c]);
        [0, 1, 2].map(|i| f32x4::new([linear[i], linear[i + 3], linear[i + 6], linear[i + 9]]))
    }

    #[inline(always)]
    fn deinterleave(self, lo: f32x4, hi: f32x4) -> (f32x4, f32x4) {
        let ([a, b, c, d], [e, f, g, h]): ([f32; 4], [f32; 4]) = (must_cast(lo), must_cast(hi));
        (f32x4::new([a, c, e, g]), f32x4::new([b, d, f, h]))
    }
}
