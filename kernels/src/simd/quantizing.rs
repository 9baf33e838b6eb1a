//! Vectors of another instruction set over bytes that stand for real numbers: loads are of distances from the
//! zero point, and a division requantises.

use super::{Feature, Isa, Lanes, Memory, no_nan};
use crate::Rounding;
use crate::activate::Scaling;
use crate::number::{Byte, Element, SummedShort};
use bytemuck::must_cast;
use core::ops::Range;

/// The token of an instruction set, with what integers stand for.
#[derive(Clone, Copy)]
pub(crate) struct Quantizing<'a, S> {
    pub(crate) simd: S,
    pub(crate) scaling: &'a Scaling,
}

impl<S: Lanes<i16>> Quantizing<'_, S> {
    /// The distances of some integers from the zero point.
    #[inline(always)]
    fn distances(self, v: S::Vector) -> S::Vector {
        self.simd.add(v, self.simd.splat(self.scaling.zero_point().wrapping_neg() as i16))
    }
}

impl<S: Isa> Isa for Quantizing<'_, S> {
    const NAME: &'static str = S::NAME;
    const FEATURES: &'static [Feature] = S::FEATURES;

    /// Only made from the token.
    #[inline(always)]
    fn detect() -> Option<Self> {
        None
    }

    #[inline(always)]
    fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
        self.simd.vectorize(f)
    }

    #[inline(always)]
    fn outline<R>(self, f: impl FnOnce() -> R) -> R {
        self.simd.outline(f)
    }
}

impl<S: Lanes<i16>> Lanes<i16> for Quantizing<'_, S> {
    type Vector = S::Vector;
    type Array = S::Array;
    type Seen = ();

    no_nan!(i16, S::Vector);

    #[inline(always)]
    fn splat(self, x: i16) -> S::Vector {
        self.simd.splat(x)
    }

    #[inline(always)]
    fn keep(self, v: S::Vector, lanes: Range<usize>, rest: S::Vector) -> S::Vector {
        self.simd.keep(v, lanes, rest)
    }

    #[inline(always)]
    fn add(self, a: S::Vector, b: S::Vector) -> S::Vector {
        self.simd.add(a, b)
    }

    #[inline(always)]
    fn mul(self, a: S::Vector, b: S::Vector) -> S::Vector {
        self.simd.mul(a, b)
    }

    /// Requantises sums, rounded as the scaling says.
    #[inline(always)]
    fn div(self, sums: S::Vector, divisors: S::Vector, _: Rounding) -> S::Vector {
        let [sums, divisors]: [S::Array; 2] = [must_cast(sums), must_cast(divisors)];
        must_cast(self.scaling.requantize(self.simd, sums, divisors))
    }

    #[inline(always)]
    fn max(self, a: S::Vector, b: S::Vector) -> S::Vector {
        self.simd.max(a, b)
    }

    #[inline(always)]
    fn min(self, a: S::Vector, b: S::Vector) -> S::Vector {
        self.simd.min(a, b)
    }

    #[inline(always)]
    fn deinterleave(self, lo: S::Vector, hi: S::Vector) -> (S::Vector, S::Vector) {
        self.simd.deinterleave(lo, hi)
    }

    #[inline(always)]
    fn deinterleave4(self, vectors: [S::Vector; 4]) -> [S::Vector; 4] {
        self.simd.deinterleave4(vectors)
    }

    #[inline(always)]
    fn quads(self, windows: [S::Vector; 4]) -> [S::Vector; 4] {
        self.simd.quads(windows)
    }

    #[inline(always)]
    fn groups(self, lo: S::Vector, hi: S::Vector) -> (S::Vector, S::Vector) {
        self.simd.groups(lo, hi)
    }
}

impl<T: Byte, S: Memory<SummedShort<T>>> Memory<SummedShort<T>> for Quantizing<'_, S>
where
    SummedShort<T>: Element<Acc = i16>,
{
    const MASKS: bool = S::MASKS;

    #[inline(always)]
    unsafe fn load(self, src: *const SummedShort<T>) -> S::Vector {
        // SAFETY: as the caller promises.
        self.distances(unsafe { self.simd.load(src) })
    }

    #[inline(always)]
    unsafe fn store(self, v: S::Vector, dst: *mut SummedShort<T>) {
        // SAFETY: as the caller promises.
        unsafe { self.simd.store(v, dst) }
    }

    const APART: bool = S::APART;

    #[inline(always)]
    unsafe fn load_two(self, src: *const SummedShort<T>) -> [S::Vector; 2] {
        // SAFETY: as the caller promises.
        let [a, b] = unsafe { self.simd.load_two(src) };
        [self.distances(a), self.distances(b)]
    }

    #[inline(always)]
    unsafe fn store_two(self, vectors: [S::Vector; 2], dst: *mut SummedShort<T>) {
        // SAFETY: as the caller promises.
        unsafe { self.simd.store_two(vectors, dst) }
    }

    #[inline(always)]
    unsafe fn load_first(self, src: *const SummedShort<T>, n: usize) -> S::Vector {
        // SAFETY: as the caller promises.
        self.distances(unsafe { self.simd.load_first(src, n) })
    }

    #[inline(always)]
    unsafe fn store_first(self, v: S::Vector, dst: *mut SummedShort<T>, n: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.simd.store_first(v, dst, n) }
    }

    #[inline(always)]
    unsafe fn load_between(
        self,
        src: *const SummedShort<T>,
        lanes: Range<usize>,
        rest: S::Vector,
    ) -> S::Vector {
        // SAFETY: as the caller promises.
        let v = unsafe { self.simd.load_between(src, lanes.clone(), rest) };
        self.keep(self.distances(v), lanes, rest)
    }
}
