//! What pooling does to the elements of a window.

use crate::simd::Lanes;
use bytemuck::Pod;
use core::marker::PhantomData;

/// An element type that can be pooled.
pub(crate) trait Element: Pod {
    /// The nearest value to a divisor.
    fn nearest(divisor: i64) -> Self;

    /// The number by which to multiply instead of dividing by this one, if there is one that gives
    /// the same bits whatever is divided: that of a power of two.
    fn exact_reciprocal(self) -> Option<Self>;
}

impl Element for f32 {
    #[inline(always)]
    fn nearest(divisor: i64) -> Self {
        divisor as f32
    }

    #[inline(always)]
    fn exact_reciprocal(self) -> Option<Self> {
        let power_of_two = self.to_bits().trailing_zeros() >= f32::MANTISSA_DIGITS - 1;
        (power_of_two && self.recip().is_normal()).then_some(self.recip())
    }
}

/// How a sum becomes an average.
#[derive(Clone, Copy)]
pub(crate) enum Divide<V> {
    /// Divide by this.
    By(V),
    /// Multiply by this, which is exact.
    ByReciprocal(V),
}

impl<V: Copy> Divide<V> {
    /// By the same divisor in all lanes.
    #[inline(always)]
    pub(crate) fn by<T: Element, S: Lanes<T, Vector = V>>(simd: S, divisor: i64) -> Self {
        let divisor = T::nearest(divisor);
        match divisor.exact_reciprocal() {
            Some(reciprocal) => Self::ByReciprocal(simd.splat(reciprocal)),
            None => Self::By(simd.splat(divisor)),
        }
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

    /// Whether [`finish`](Self::finish) divides.
    const DIVIDES: bool = false;

    /// The reduction that gives the result where this one has [`missed`](Self::missed) something;
    /// itself if it never does.
    type Exact: Reduction<T>;

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
    fn finish<S: Lanes<T>>(simd: S, merged: S::Vector, divide: Divide<S::Vector>) -> S::Vector;

    /// Looks at operands that merging may lose.
    #[inline(always)]
    fn look<S: Lanes<T>>(_: S, seen: S::Seen, _a: S::Vector, _b: S::Vector) -> S::Seen {
        seen
    }

    /// Whether merging may have lost something that was looked at.
    #[inline(always)]
    fn missed<S: Lanes<T>>(_: S, _seen: S::Seen) -> bool {
        false
    }
}

/// Looks at operands that merging may lose, two at a time.
#[inline(always)]
pub(crate) fn look_at<R: Reduction<T>, T: Element, S: Lanes<T>, const B: usize>(
    simd: S,
    mut seen: S::Seen,
    operands: &[S::Vector; B],
) -> S::Seen {
    for i in (0..B).step_by(2) {
        seen = R::look(simd, seen, operands[i], operands[(i + 1).min(B - 1)]);
    }
    seen
}

/// The largest element, or NaN if there is one.
pub(crate) struct Max;

impl Reduction<f32> for Max {
    const IDENTITY: f32 = f32::NEG_INFINITY;
    const ORDERED: bool = false;
    type Exact = Self;

    #[inline(always)]
    fn merge<S: Lanes<f32>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.max_nan(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<f32>>(simd: S, merged: S::Vector, _: Divide<S::Vector>) -> S::Vector {
        simd.canonical(merged)
    }
}

/// The largest element, if all are numbers.
///
/// A NaN that is the second operand of a merge survives it, and one that is the first is lost.
/// So a walk has to [`look`](Reduction::look) at first operands only, and at those only once: an
/// element that windows share may be the last in one of them. Where there was a NaN, [`Max`] does
/// the work again.
pub(crate) struct MaxOfNumbers;

impl Reduction<f32> for MaxOfNumbers {
    const IDENTITY: f32 = f32::NEG_INFINITY;
    const ORDERED: bool = false;
    type Exact = Max;

    #[inline(always)]
    fn merge<S: Lanes<f32>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.max(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<f32>>(simd: S, merged: S::Vector, _: Divide<S::Vector>) -> S::Vector {
        simd.add(merged, simd.splat(0.0))
    }

    #[inline(always)]
    fn look<S: Lanes<f32>>(simd: S, seen: S::Seen, a: S::Vector, b: S::Vector) -> S::Seen {
        simd.look(seen, a, b)
    }

    #[inline(always)]
    fn missed<S: Lanes<f32>>(simd: S, seen: S::Seen) -> bool {
        simd.has_seen(seen)
    }
}

/// The largest element that is a number.
pub(crate) struct MaxNumber;

impl Reduction<f32> for MaxNumber {
    const IDENTITY: f32 = f32::NEG_INFINITY;
    const ORDERED: bool = false;
    type Exact = Self;

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
    fn finish<S: Lanes<f32>>(simd: S, merged: S::Vector, _: Divide<S::Vector>) -> S::Vector {
        simd.add(merged, simd.splat(0.0))
    }
}

/// The sum divided by a count.
pub(crate) struct Mean;

impl Reduction<f32> for Mean {
    const IDENTITY: f32 = 0.0;
    const ORDERED: bool = true;
    const DIVIDES: bool = true;
    type Exact = Self;

    #[inline(always)]
    fn merge<S: Lanes<f32>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.add(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<f32>>(simd: S, merged: S::Vector, divide: Divide<S::Vector>) -> S::Vector {
        simd.canonical(match divide {
            Divide::By(divisor) => simd.div(merged, divisor),
            Divide::ByReciprocal(factor) => simd.mul(merged, factor),
        })
    }
}

/// `R` over what it has already merged.
pub(crate) struct Again<R>(PhantomData<R>);

impl<T: Element, R: Reduction<T>> Reduction<T> for Again<R> {
    const IDENTITY: T = R::IDENTITY;
    const ORDERED: bool = R::ORDERED;
    const DIVIDES: bool = R::DIVIDES;
    type Exact = Again<R::Exact>;

    #[inline(always)]
    fn merge<S: Lanes<T>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        R::merge(simd, a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<T>>(simd: S, merged: S::Vector, divide: Divide<S::Vector>) -> S::Vector {
        R::finish(simd, merged, divide)
    }
}
