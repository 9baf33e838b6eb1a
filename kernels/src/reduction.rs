//! What pooling does to the elements of a window.

use crate::Rounding;
use crate::number::{FEW_SUMMED, Number};
use crate::simd::Lanes;
use core::marker::PhantomData;

/// How a sum becomes an average.
#[derive(Clone, Copy)]
pub(crate) enum Divide<V> {
    /// Divide by this, and round integers so. Where there are [`parts`](Lanes::PARTS), nothing is divided so.
    By(V, Rounding),
    /// The same, by what [`Lanes::parts`] makes of this.
    ByParts([V; 4], Rounding),
    /// Divide by the first, of which the second is the reciprocal, as [`Lanes::quotient`] does.
    ByInverse(V, V),
    /// Multiply by this, which is exact.
    ByReciprocal(V),
    /// Multiply by this, which is a [`fraction`].
    ByFraction(V),
    /// Multiply the magnitude by this, which is a [`fraction`].
    ByFractionOfMagnitude(V),
}

impl<V: Copy> Divide<V> {
    /// By the same divisor in all lanes.
    #[inline(always)]
    pub(crate) fn by<A: Number, S: Lanes<A, Vector = V>>(
        simd: S,
        divisor: i64,
        rounding: Rounding,
    ) -> Self {
        let by = A::nearest(divisor);
        if let Some(reciprocal) = by.exact_reciprocal() {
            return Self::ByReciprocal(simd.splat(reciprocal));
        }
        if !S::PARTS {
            return Self::By(simd.splat(by), rounding);
        }
        match fraction(divisor, rounding) {
            Some(factor) if divisor % 2 != 0 => Self::ByFraction(simd.splat(A::nearest(factor))),
            Some(factor) => Self::ByFractionOfMagnitude(simd.splat(A::nearest(factor))),
            None => {
                let mut vectors = [simd.splat(A::ZERO); 4];
                let parts = parts(divisor);
                for i in 0..4 {
                    vectors[i] = simd.splat(A::nearest(parts[i]));
                }
                Self::ByParts(vectors, rounding)
            }
        }
    }

    /// By a divisor for each lane, for several vectors.
    #[inline(always)]
    pub(crate) fn by_lanes<A: Number, S: Lanes<A, Vector = V>>(
        simd: S,
        divisors: V,
        rounding: Rounding,
    ) -> Self {
        if S::PARTS {
            Self::ByParts(simd.parts(divisors), rounding)
        } else {
            Self::By(divisors, rounding)
        }
    }
}

/// What [`Lanes::parts`] makes of a divisor of 16 bits: a factor, by what to divide the product, in how many
/// units it is, and the divisor, for its sign.
#[inline(always)]
fn parts(divisor: i64) -> [i64; 4] {
    let magnitude = divisor.unsigned_abs() as u32 & 0xffff;
    // Twice the greatest power of two that is less.
    let power = magnitude.max(2).next_power_of_two();
    let factor = (power << 15).div_ceil(magnitude.max(2));
    [factor.into(), (16384 / power).into(), (2 * power).into(), divisor]
}

/// 2¹⁵ / d rounded up, if a sum of [`SummedShort`](crate::number::SummedShort) times that, over 2¹⁵, rounds as
/// the quotient does: halves up, and if the divisor is odd, there are none.
///
/// The product is off by the sum, which is 255 d at most, times what d times the factor exceeds 2¹⁵ by, over
/// 2¹⁵ d. That is less than 1 / 2d, which is how far from the next half a quotient is that is none.
#[inline(always)]
pub(crate) fn fraction(divisor: i64, rounding: Rounding) -> Option<i64> {
    let exact = match rounding {
        Rounding::HalfAwayFromZero => true,
        Rounding::HalfEven | Rounding::HalfUp => divisor % 2 != 0,
        Rounding::Truncate => false,
    };
    if !exact || !(2..=FEW_SUMMED as i64).contains(&divisor) {
        return None;
    }
    let factor = ((1 << 15) as u64).div_ceil(divisor.unsigned_abs()) as i64;
    let excess = factor * divisor - (1 << 15);
    (255 * divisor * excess < 1 << 14).then_some(factor)
}

/// A way to reduce a window to one value, in every lane at once.
///
/// Merging is associative up to rounding, and [`IDENTITY`](Self::IDENTITY) merged with anything
/// changes nothing but the sign of a zero, which [`finish`](Self::finish) erases.
pub(crate) trait Reduction<A: Number> {
    /// The partial result of no elements.
    const IDENTITY: A;

    /// Whether the order of merging shows in the result.
    const ORDERED: bool;

    /// Whether [`finish`](Self::finish) divides.
    const DIVIDES: bool = false;

    /// Whether merging may lose something.
    const LOSES: bool = false;

    /// The reduction that gives the result where this one has [`missed`](Self::missed) something;
    /// itself if it never does.
    type Exact: Reduction<A>;

    /// Turns elements into partial results.
    #[inline(always)]
    fn lift<S: Lanes<A>>(_: S, elements: S::Vector) -> S::Vector {
        elements
    }

    /// Merges elements into a partial result.
    #[inline(always)]
    fn push<S: Lanes<A>>(simd: S, merged: S::Vector, elements: S::Vector) -> S::Vector {
        Self::merge(simd, merged, Self::lift(simd, elements))
    }

    /// Merges two partial results.
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector;

    /// Turns the merged elements of a window into its result.
    fn finish<S: Lanes<A>>(simd: S, merged: S::Vector, divide: Divide<S::Vector>) -> S::Vector;

    /// Whether [`quick`](Self::quick) misses NaNs, which its results show.
    const SHOWS: bool = false;

    /// Whether it does, and, but for the walk that says what divides each window, is for divisors alone by which
    /// [`Lanes::quotient`] divides.
    const QUICK: bool = false;

    /// How sums of windows that are divided alike become averages.
    #[inline(always)]
    fn divide<S: Lanes<A>>(simd: S, divisor: i64, rounding: Rounding) -> Divide<S::Vector> {
        Divide::by::<A, S>(simd, divisor, rounding)
    }

    /// Does what [`finish`](Self::finish) does, unless it gives NaN; `BESIDE` says that another vector is divided at the
    /// same time.
    #[inline(always)]
    fn quick<S: Lanes<A>, const BESIDE: bool>(
        simd: S,
        merged: S::Vector,
        divide: Divide<S::Vector>,
    ) -> S::Vector {
        Self::finish(simd, merged, divide)
    }

    /// Looks at operands that merging may lose.
    #[inline(always)]
    fn look<S: Lanes<A>>(_: S, seen: S::Seen, _a: S::Vector, _b: S::Vector) -> S::Seen {
        seen
    }

    /// Whether merging may have lost something that was looked at.
    #[inline(always)]
    fn missed<S: Lanes<A>>(simd: S, seen: S::Seen) -> bool {
        Self::LOSES && simd.has_seen(seen)
    }
}

/// Looks at operands that merging may lose, two at a time.
#[inline(always)]
pub(crate) fn look_at<R: Reduction<A>, A: Number, S: Lanes<A>, const B: usize>(
    simd: S,
    mut seen: S::Seen,
    operands: &[S::Vector; B],
) -> S::Seen {
    let mut i = 0;
    while i < B {
        seen = R::look(simd, seen, operands[i], operands[(i + 1).min(B - 1)]);
        i += 2;
    }
    seen
}

/// Turns merged elements into results, and looks at those that may be wrong.
#[inline(always)]
pub(crate) fn finish_all<R: Reduction<A>, A: Number, S: Lanes<A>, const B: usize>(
    simd: S,
    merged: [S::Vector; B],
    divides: [Divide<S::Vector>; B],
    seen: &mut S::Seen,
) -> [S::Vector; B] {
    let mut results = merged;
    for b in 0..B {
        results[b] = if b % 2 == 1 {
            R::quick::<S, true>(simd, results[b], divides[b])
        } else {
            R::quick::<S, false>(simd, results[b], divides[b])
        };
    }
    if R::SHOWS {
        let mut i = 0;
        while i < B {
            *seen = simd.look(*seen, results[i], results[(i + 1).min(B - 1)]);
            i += 2;
        }
    }
    results
}

/// Which of two numbers a reduction keeps.
pub(crate) trait Extreme<A: Number> {
    /// What loses against any number.
    const WORST: A;

    /// Returns the better of each pair of lanes, and `b` where either is NaN.
    fn pick<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector;

    /// Returns the better of each pair of lanes, and a NaN where either is NaN.
    fn pick_nan<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector;
}

/// The larger one.
pub(crate) struct Largest;

impl<A: Number> Extreme<A> for Largest {
    const WORST: A = A::LOWEST;

    #[inline(always)]
    fn pick<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.max(a, b)
    }

    #[inline(always)]
    fn pick_nan<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.max_nan(a, b)
    }
}

/// The smaller one.
pub(crate) struct Smallest;

impl<A: Number> Extreme<A> for Smallest {
    const WORST: A = A::HIGHEST;

    #[inline(always)]
    fn pick<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.min(a, b)
    }

    #[inline(always)]
    fn pick_nan<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.min_nan(a, b)
    }
}

/// The largest or smallest element, or NaN if there is one.
pub(crate) struct Most<E>(PhantomData<E>);

impl<A: Number, E: Extreme<A>> Reduction<A> for Most<E> {
    const IDENTITY: A = E::WORST;
    const ORDERED: bool = false;
    type Exact = Self;

    #[inline(always)]
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        E::pick_nan(simd, a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<A>>(simd: S, merged: S::Vector, _: Divide<S::Vector>) -> S::Vector {
        simd.canonical(merged)
    }
}

/// The largest of bits: see [`Memory::GUESSES`](crate::simd::Memory::GUESSES).
pub(crate) struct MostBits;

impl<A: Number> Reduction<A> for MostBits {
    const IDENTITY: A = A::SIGN;
    const ORDERED: bool = false;
    type Exact = Self;

    #[inline(always)]
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.max_signed(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<A>>(_: S, merged: S::Vector, _: Divide<S::Vector>) -> S::Vector {
        merged
    }
}

/// The largest or smallest element, if all are numbers.
///
/// A NaN that is the second operand of a merge survives it, and one that is the first is lost.
/// So a walk has to [`look`](Reduction::look) at first operands only, and at those only once: an
/// element that windows share may be the last in one of them. Where there was a NaN, [`Most`] does
/// the work again.
pub(crate) struct MostOfNumbers<E>(PhantomData<E>);

impl<A: Number, E: Extreme<A>> Reduction<A> for MostOfNumbers<E> {
    const IDENTITY: A = E::WORST;
    const ORDERED: bool = false;
    const LOSES: bool = true;
    type Exact = Most<E>;

    #[inline(always)]
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        E::pick(simd, a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<A>>(simd: S, merged: S::Vector, _: Divide<S::Vector>) -> S::Vector {
        simd.add(merged, simd.splat(A::ZERO))
    }

    #[inline(always)]
    fn look<S: Lanes<A>>(simd: S, seen: S::Seen, a: S::Vector, b: S::Vector) -> S::Seen {
        simd.look(seen, a, b)
    }
}

/// The largest or smallest element that is a number.
pub(crate) struct MostNumber<E>(PhantomData<E>);

impl<A: Number, E: Extreme<A>> Reduction<A> for MostNumber<E> {
    const IDENTITY: A = E::WORST;
    const ORDERED: bool = false;
    type Exact = Self;

    #[inline(always)]
    fn lift<S: Lanes<A>>(simd: S, elements: S::Vector) -> S::Vector {
        E::pick(simd, elements, simd.splat(E::WORST))
    }

    #[inline(always)]
    fn push<S: Lanes<A>>(simd: S, merged: S::Vector, elements: S::Vector) -> S::Vector {
        // The second operand is kept where the first is NaN.
        E::pick(simd, elements, merged)
    }

    #[inline(always)]
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        E::pick(simd, a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<A>>(simd: S, merged: S::Vector, _: Divide<S::Vector>) -> S::Vector {
        simd.add(merged, simd.splat(A::ZERO))
    }
}

/// The sum divided by a count.
pub(crate) struct Mean;

impl<A: Number> Reduction<A> for Mean {
    const IDENTITY: A = A::ZERO;
    const ORDERED: bool = A::ROUNDS;
    const DIVIDES: bool = true;
    type Exact = Self;

    #[inline(always)]
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.add(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<A>>(simd: S, merged: S::Vector, divide: Divide<S::Vector>) -> S::Vector {
        simd.canonical(divided(simd, merged, divide))
    }
}

/// Sums divided, as they come.
#[inline(always)]
fn divided<A: Number, S: Lanes<A>>(
    simd: S,
    sums: S::Vector,
    divide: Divide<S::Vector>,
) -> S::Vector {
    match divide {
        Divide::By(divisor, rounding) if !S::PARTS => simd.div(sums, divisor, rounding),
        Divide::ByReciprocal(factor) => simd.mul(sums, factor),
        Divide::ByParts(parts, rounding) if S::PARTS => simd.div_parts(sums, parts, rounding),
        Divide::ByFraction(factor) if S::PARTS => simd.mul_fraction(sums, factor),
        Divide::ByFractionOfMagnitude(factor) if S::PARTS => {
            simd.mul_fraction_of_magnitude(sums, factor)
        }
        Divide::By(..)
        | Divide::ByParts(..)
        | Divide::ByFraction(_)
        | Divide::ByFractionOfMagnitude(_)
        | Divide::ByInverse(..) => sums,
    }
}

/// The sum divided by a count, of elements that are shorter than sums: a store that rounds makes a −0 a +0, to which it may
/// have rounded a small number.
///
/// Where a result is NaN, [`Mean`] does the work again.
pub(crate) struct MeanUnlessNan;

impl<A: Number> Reduction<A> for MeanUnlessNan {
    const IDENTITY: A = A::ZERO;
    const ORDERED: bool = A::ROUNDS;
    const DIVIDES: bool = true;
    const LOSES: bool = true;
    const SHOWS: bool = true;
    type Exact = Mean;

    #[inline(always)]
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.add(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<A>>(simd: S, merged: S::Vector, divide: Divide<S::Vector>) -> S::Vector {
        Mean::finish(simd, merged, divide)
    }

    #[inline(always)]
    fn quick<S: Lanes<A>, const BESIDE: bool>(
        simd: S,
        merged: S::Vector,
        divide: Divide<S::Vector>,
    ) -> S::Vector {
        divided(simd, merged, divide)
    }
}

/// The sum of numbers divided by a count.
///
/// Where a result is NaN, as that of a quick division of an infinity is, [`Mean`] does the work again.
pub(crate) struct MeanOfNumbers;

impl<A: Number> Reduction<A> for MeanOfNumbers {
    const IDENTITY: A = A::ZERO;
    const ORDERED: bool = A::ROUNDS;
    const DIVIDES: bool = true;
    const LOSES: bool = true;
    const SHOWS: bool = true;
    const QUICK: bool = true;
    type Exact = Mean;

    #[inline(always)]
    fn divide<S: Lanes<A>>(simd: S, divisor: i64, _: Rounding) -> Divide<S::Vector> {
        let by = A::nearest(divisor);
        Divide::ByInverse(simd.splat(by), simd.splat(by.reciprocal()))
    }

    #[inline(always)]
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.add(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<A>>(simd: S, merged: S::Vector, divide: Divide<S::Vector>) -> S::Vector {
        Mean::finish(simd, merged, divide)
    }

    #[inline(always)]
    fn quick<S: Lanes<A>, const BESIDE: bool>(
        simd: S,
        merged: S::Vector,
        divide: Divide<S::Vector>,
    ) -> S::Vector {
        let quotient = match divide {
            Divide::ByInverse(divisor, _) if BESIDE && S::DIVIDES_BESIDE => {
                simd.div(merged, divisor, Rounding::default())
            }
            Divide::ByInverse(divisor, reciprocal) => simd.quotient(merged, divisor, reciprocal),
            other => divided(simd, merged, other),
        };
        simd.add(quotient, simd.splat(A::ZERO))
    }
}

/// The same, of vectors whose division requantises: always by dividing.
pub(crate) struct RequantizedMean;

impl<A: Number> Reduction<A> for RequantizedMean {
    const IDENTITY: A = A::ZERO;
    const ORDERED: bool = A::ROUNDS;
    const DIVIDES: bool = true;
    type Exact = Self;

    #[inline(always)]
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.add(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<A>>(simd: S, merged: S::Vector, divide: Divide<S::Vector>) -> S::Vector {
        // One division, since it is the code of many instructions.
        let divisor = match divide {
            Divide::By(divisor, _) => divisor,
            // By 1, which is the only reciprocal of integers.
            _ => simd.splat(A::nearest(1)),
        };
        simd.div(merged, divisor, Rounding::HalfEven)
    }
}

/// The sum of the magnitudes, `L¹`: its divisor is 1.
pub(crate) struct Magnitudes;

impl<A: Number> Reduction<A> for Magnitudes {
    const IDENTITY: A = A::ZERO;
    const ORDERED: bool = true;
    type Exact = Self;

    #[inline(always)]
    fn lift<S: Lanes<A>>(simd: S, elements: S::Vector) -> S::Vector {
        simd.magnitude(elements)
    }

    #[inline(always)]
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.add(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<A>>(simd: S, merged: S::Vector, _: Divide<S::Vector>) -> S::Vector {
        simd.canonical(merged)
    }
}

/// The root of the sum of the squares, `L²`.
pub(crate) struct RootOfSquares;

impl<A: Number> Reduction<A> for RootOfSquares {
    const IDENTITY: A = A::ZERO;
    const ORDERED: bool = true;
    type Exact = Self;

    #[inline(always)]
    fn lift<S: Lanes<A>>(simd: S, elements: S::Vector) -> S::Vector {
        simd.mul(elements, elements)
    }

    #[inline(always)]
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.add(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<A>>(simd: S, merged: S::Vector, _: Divide<S::Vector>) -> S::Vector {
        simd.canonical(simd.sqrt(merged))
    }
}

/// The largest magnitude, `L^∞`, or NaN if there is one.
pub(crate) struct LargestMagnitude;

impl<A: Number> Reduction<A> for LargestMagnitude {
    const IDENTITY: A = A::ZERO;
    const ORDERED: bool = false;
    type Exact = Self;

    #[inline(always)]
    fn lift<S: Lanes<A>>(simd: S, elements: S::Vector) -> S::Vector {
        simd.magnitude(elements)
    }

    #[inline(always)]
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        simd.max_nan(a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<A>>(simd: S, merged: S::Vector, _: Divide<S::Vector>) -> S::Vector {
        simd.canonical(merged)
    }
}

/// `R` over what it has already merged.
pub(crate) struct Again<R>(PhantomData<R>);

impl<A: Number, R: Reduction<A>> Reduction<A> for Again<R> {
    const IDENTITY: A = R::IDENTITY;
    const ORDERED: bool = R::ORDERED;
    const DIVIDES: bool = R::DIVIDES;
    type Exact = Again<R::Exact>;

    #[inline(always)]
    fn merge<S: Lanes<A>>(simd: S, a: S::Vector, b: S::Vector) -> S::Vector {
        R::merge(simd, a, b)
    }

    #[inline(always)]
    fn finish<S: Lanes<A>>(simd: S, merged: S::Vector, divide: Divide<S::Vector>) -> S::Vector {
        R::finish(simd, merged, divide)
    }
}
