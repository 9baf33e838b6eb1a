//! What pooling does to the elements of a window.

use crate::simd::Lanes;
use bytemuck::Pod;
use core::marker::PhantomData;

/// An element type that can be pooled.
pub(crate) trait Element: Pod {
    /// The nearest value to a divisor.
    fn nearest(divisor: i64) -> Self;
}

impl Element for f32 {
    #[inline(always)]
    fn nearest(divisor: i64) -> Self {
        divisor as f32
    }
}

/// A way to reduce a window to one value, in every lane at once.
///
/// Merging is associative up to rounding, and [`IDENTITY`](Self::IDENTITY) merged with anything
/// changes nothing but the sign of a zero, which [`finish`](Self::finish) erases.
pub(crate) trait Reduction<T: Element> {
    /// The partial result of no elements.
    const IDENTITY: T;

    /// Whether the order of merging shows in the result.
    const ORDERED: bool;

    /// Turns elements into partial results.
    #[inline(always)]
    fn lift<S: Lanes<T>>(_: S, elements: S::Vector) -> S::Vector {
        elements
    }

    /// Merges elements into a partial result.
    #[inline(always)]
    fn push<S: Lanes<T>>(simd: S, merged: S::Vector, elements: S::Vector) -> S::Vector {
        Self::merge(simd, merged, Self::lift(simd, elements))
    }

    /// Merges two partial results.
    fn merge<S: Lanes<T>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector;

    /// Turns the merged elements of a window into its result.
    fn finish<S: Lanes<T>>(simd: S, merged: S::Vector, divisor: S::Vector) -> S::Vector;
}

/// The largest element, or NaN if there is one.
pub(crate) struct Max;

impl Reduction<f32> for Max {
    const IDENTITY: f32 = f32::NEG_INFINITY;
    const ORDERED: bool = false;

    #[inline(always)]
    fn merge<S: Lanes<f32>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.max_nan(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<f32>>(simd: S, merged: S::Vector, _: S::Vector) -> S::Vector {
        simd.canonical(merged)
    }
}

/// The largest element that is a number.
pub(crate) struct MaxNumber;

impl Reduction<f32> for MaxNumber {
    const IDENTITY: f32 = f32::NEG_INFINITY;
    const ORDERED: bool = false;

    #[inline(always)]
    fn lift<S: Lanes<f32>>(simd: S, elements: S::Vector) -> S::Vector {
        simd.max(elements, simd.splat(Self::IDENTITY))
    }

    #[inline(always)]
    fn push<S: Lanes<f32>>(simd: S, merged: S::Vector, elements: S::Vector) -> S::Vector {
        // `max` yields its second operand where the first is NaN.
        simd.max(elements, merged)
    }

    #[inline(always)]
    fn merge<S: Lanes<f32>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.max(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<f32>>(simd: S, merged: S::Vector, _: S::Vector) -> S::Vector {
        simd.canonical(merged)
    }
}

/// The sum divided by a count.
pub(crate) struct Mean;

impl Reduction<f32> for Mean {
    const IDENTITY: f32 = 0.0;
    const ORDERED: bool = true;

    #[inline(always)]
    fn merge<S: Lanes<f32>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.add(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<f32>>(simd: S, merged: S::Vector, divisor: S::Vector) -> S::Vector {
        simd.canonical(simd.div(merged, divisor))
    }
}

/// `R` over what it has already merged.
pub(crate) struct Again<R>(PhantomData<R>);

impl<T: Element, R: Reduction<T>> Reduction<T> for Again<R> {
    const IDENTITY: T = R::IDENTITY;
    const ORDERED: bool = R::ORDERED;

    #[inline(always)]
    fn merge<S: Lanes<T>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        R::merge(simd, a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<T>>(simd: S, merged: S::Vector, divisor: S::Vector) -> S::Vector {
        R::finish(simd, merged, divisor)
    }
}
