//! What happens to the results of a pooling: they are requantised, and clamped.
//!
//! A pass over what a walk has just written, in any walk's stead: that it is still in the cache is seen to by
//! [`Kernel::pool`](crate::Kernel::pool).

use crate::number::{Element, Number};
use crate::simd::{Isa, Memory, load, load_first, store, store_first};
use crate::{Geometry, Requantization, Rounding};
use half::{bf16, f16};

/// An element that results are written as.
pub(crate) trait Activated: Element {
    /// The nearest value to a bound, of integers halves away from zero.
    fn nearest_to(bound: f64) -> Self;

    /// Requantises some; floating-point numbers are not quantised.
    fn requantize<S: Isa>(simd: S, some: &mut [Self], scaling: &Scaling);
}

macro_rules! floats {
    ($($float:ident: $nearest:expr),*) => { $(
        impl Activated for $float {
            #[inline(always)]
            fn nearest_to(bound: f64) -> Self {
                $nearest(bound)
            }

            #[inline(always)]
            fn requantize<S: Isa>(_: S, _: &mut [Self], _: &Scaling) {}
        }
    )* };
}

floats!(f32: |x| x as f32, f64: |x| x, f16: f16::from_f64, bf16: bf16::from_f64);

/// Bytes that are requantised together.
const AT_A_TIME: usize = 32;

/// Requantises some bytes, and returns those that are left.
macro_rules! requantize_short {
    ($simd:expr, $some:expr, $scaling:expr, $short:ident) => {{
        let short = if $scaling.is_short { $some.len() } else { 0 };
        let (some, rest) = $some.split_at_mut(short / AT_A_TIME * AT_A_TIME);
        for some in some.as_chunks_mut::<AT_A_TIME>().0 {
            let zero_point = $scaling.zero_points[0] as $short;
            let mut distances = [0; AT_A_TIME];
            for (distance, &q) in distances.iter_mut().zip(&*some) {
                *distance = $short::from(q) - zero_point;
            }
            let results = $scaling.requantize($simd, distances, [1; AT_A_TIME]);
            for (q, result) in some.iter_mut().zip(results) {
                *q = result.clamp(Self::MIN.into(), Self::MAX.into()) as Self;
            }
        }
        rest
    }};
}

macro_rules! integers {
    ($($integer:ident $(in $wide:ident)? $(as $short:ident)?),*) => { $(
        impl Activated for $integer {
            #[inline(always)]
            fn nearest_to(bound: f64) -> Self {
                libm::round(bound) as Self
            }

            #[inline(always)]
            fn requantize<S: Isa>(_simd: S, _some: &mut [Self], _scaling: &Scaling) {
                $(let _some = requantize_short!(_simd, _some, _scaling, $short);)?
                $(for q in _some {
                    let distance = f64::from(*q) - _scaling.zero_points[0];
                    let scaled = $wide::from(_scaling.scaled(distance, 1.0));
                    *q = scaled.clamp(Self::MIN.into(), Self::MAX.into()) as Self;
                })?
            }
        }
    )* };
}

integers!(i8 in i32 as i16, u8 in i32 as i16, i16 in i32, u16 in i32, i32 in i32, u32, i64);

/// What sums of distances from the zero point are in.
pub(crate) trait Requantized: Number {
    /// A sum over a divisor, in the output's integers.
    fn requantized(self, divisor: Self, scaling: &Scaling) -> Self;
}

impl Requantized for i32 {
    #[inline(always)]
    fn requantized(self, divisor: Self, scaling: &Scaling) -> Self {
        scaling.scaled(self.into(), divisor.into())
    }
}

impl Requantized for i64 {
    #[inline(always)]
    fn requantized(self, divisor: Self, scaling: &Scaling) -> Self {
        if scaling.alike {
            scaling.exact(self, divisor)
        } else {
            scaling.scaled(self as f64, divisor as f64).into()
        }
    }
}

/// A requantisation and its rounding.
pub(crate) struct Scaling {
    ratio: f64,
    /// Of input and output.
    zero_points: [f64; 2],
    rounding: Rounding,
    alike: bool,
    is_short: bool,
    /// The sign bit, where numbers are rounded by their magnitude; no bit where they are not.
    sign: u64,
    /// What makes of the nearest integer, halves to even, that of another rounding: one more if the rest is at
    /// least so much, one less if it is at most so much. Compared with numbers, since a branch for each
    /// rounding would keep the compiler from making vectors of the loops.
    more: f64,
    less: f64,
}

/// Added to a number and subtracted again, it rounds to an integer, halves to even; the lower half of the
/// bits of the sum are that integer.
const ROUNDS: f64 = (3u64 << 51) as f64;

impl Scaling {
    pub(crate) fn of(geometry: &Geometry) -> Self {
        let same = Requantization::new(1.0, [0, 0]);
        let requantization = geometry.requantization().unwrap_or(&same);
        let rounding = geometry.rounding();
        let by_magnitude = 1 << 63;
        let (sign, more, less) = match rounding {
            Rounding::HalfAwayFromZero => (by_magnitude, 0.5, f64::NEG_INFINITY),
            Rounding::HalfEven => (by_magnitude, f64::INFINITY, f64::NEG_INFINITY),
            Rounding::HalfUp => (0, 0.5, f64::NEG_INFINITY),
            // Anything below.
            Rounding::Truncate => (by_magnitude, f64::INFINITY, -f64::from_bits(1)),
        };
        Self {
            ratio: requantization.ratio(),
            zero_points: requantization.zero_points().map(f64::from),
            rounding,
            alike: requantization.is_identity(),
            is_short: Self::is_short(geometry),
            sign,
            more,
            less,
        }
    }

    /// What stands for 0 in the input.
    pub(crate) fn zero_point(&self) -> i64 {
        self.zero_points[0] as i64
    }

    /// A distance from the input's zero point over a divisor, in the output's integers, of which there are
    /// 32 bits. That is exact for alike quantisations if distance and divisor are of 32 bits: a quotient that
    /// is not a half is further from one than it is rounded by.
    #[inline(always)]
    fn scaled(&self, distance: f64, divisor: f64) -> i32 {
        let number = distance * self.ratio / divisor + self.zero_points[1];
        let number = number.clamp(i32::MIN.into(), i32::MAX.into());
        let sign = number.to_bits() & self.sign;
        let number = f64::from_bits(number.to_bits() ^ sign);
        let nearest = number + ROUNDS - ROUNDS;
        let rest = number - nearest;
        let more = if rest >= self.more { 1.0 } else { 0.0 };
        let less = if rest <= self.less { 1.0 } else { 0.0 };
        let integer = f64::from_bits((nearest + more - less).to_bits() ^ sign);
        (integer + ROUNDS).to_bits() as i32
    }

    /// Whether [`requantize`](Self::requantize) takes these zero points and this rounding: integers are as close to
    /// what truncating makes another one of as can be, and often.
    pub(crate) fn is_short(geometry: &Geometry) -> bool {
        let short = |point: i32| (-128..=255).contains(&point);
        geometry.requantization().is_some_and(|by| by.zero_points().into_iter().all(short))
            && geometry.rounding() != Rounding::Truncate
    }

    /// The same of some sums, each over its own divisor, if the results are to be of 8 bits: one that is far outside
    /// of those may be another one that is.
    ///
    /// In `f32`, a result is off by less than 2⁻¹¹, as far as it matters: ratio, factor and product by 2⁻²⁴ of 1279
    /// each, and the sum by 2⁻²⁴ of 1024. So it rounds to the same integer unless it is as close to a half. Then all
    /// are computed as they are defined.
    #[inline(always)]
    pub(crate) fn requantize<S: Isa, A: Copy + AsRef<[i16]> + AsMut<[i16]>>(
        &self,
        simd: S,
        sums: A,
        divisors: A,
    ) -> A {
        const FAR: f32 = 1024.0;
        const ROUNDS: f32 = (3 << 22) as f32;
        const CLEAR: f32 = 0.5 - 1.0 / 2048.0;
        let [ratio, zero_point] = [self.ratio as f32, self.zero_points[1] as f32];
        let mut results = sums;
        // Negative as long as all are clear.
        let mut clear = -1;
        for (result, &divisor) in results.as_mut().iter_mut().zip(divisors.as_ref()) {
            let number = f32::from(*result) * (ratio / f32::from(divisor)) + zero_point;
            let number = if number > FAR { FAR } else { number };
            let number = if number < -FAR { -FAR } else { number };
            let shifted = number + ROUNDS;
            // Of what is no number, the bits are great.
            let rest = (number - (shifted - ROUNDS)).abs().to_bits();
            clear &= rest.wrapping_sub(CLEAR.to_bits()).cast_signed();
            *result = shifted.to_bits() as i16;
        }
        if clear < 0 {
            return results;
        }
        results = sums;
        simd.vectorize(
            #[inline(always)]
            || {
                for (sum, &divisor) in results.as_mut().iter_mut().zip(divisors.as_ref()) {
                    let result = self.scaled(f64::from(*sum), f64::from(divisor));
                    *sum = result.clamp(i16::MIN.into(), i16::MAX.into()) as i16;
                }
            },
        );
        results
    }

    /// The same where the quantisations are alike.
    fn exact(&self, distance: i64, divisor: i64) -> i64 {
        let [sign, divisor] = [i128::from(divisor.signum()), i128::from(divisor.unsigned_abs())];
        let n = i128::from(distance) * sign + i128::from(self.zero_point()) * divisor;
        let (below, rest) = (n.div_euclid(divisor), n.rem_euclid(divisor));
        let missing = divisor - rest;
        let up = match self.rounding {
            Rounding::HalfAwayFromZero => rest > missing || rest == missing && n > 0,
            Rounding::HalfEven => rest > missing || rest == missing && below & 1 != 0,
            Rounding::HalfUp => rest >= missing,
            Rounding::Truncate => n < 0 && rest > 0,
        };
        (below + i128::from(up)) as i64
    }
}

/// See [`Kernel::activate`](crate::Kernel::activate).
pub(crate) fn activate<T: Activated, S: Memory<T>>(geometry: &Geometry, output: &mut [T]) {
    let simd = S::detect().expect("a backend is only run where it is supported");
    if geometry.requantization().is_some() {
        let scaling = Scaling::of(geometry);
        simd.vectorize(
            #[inline(always)]
            || T::requantize(simd, output, &scaling),
        );
    }
    clamp::<T, S>(geometry, output);
}

/// Clamps all elements.
pub(crate) fn clamp<T: Activated, S: Memory<T>>(geometry: &Geometry, output: &mut [T]) {
    let simd = S::detect().expect("a backend is only run where it is supported");
    let Some(bounds) = geometry.clamp() else { return };
    let [min, max] = bounds.map(T::nearest_to);
    simd.vectorize(
        #[inline(always)]
        || {
            // No bound is −0.
            let min = simd.canonical(simd.splat(min.widen()));
            let max = simd.canonical(simd.splat(max.widen()));
            // The second operand is kept where it is NaN.
            let whole = output.len() / S::N * S::N;
            for i in (0..whole).step_by(S::N) {
                // SAFETY: a whole vector inside the output.
                let v = unsafe { load::<T, S>(simd, output, i) };
                // SAFETY: the same.
                unsafe { store::<T, S>(simd, simd.min(max, simd.max(min, v)), output, i) }
            }
            let rest = output.len() - whole;
            // SAFETY: no more elements than the output has left.
            let v = unsafe { load_first::<T, S>(simd, output, whole, rest) };
            // SAFETY: the same.
            unsafe { store_first(simd, simd.min(max, simd.max(min, v)), output, whole, rest) }
        },
    );
}
