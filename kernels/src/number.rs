//! Elements, and the numbers in which windows of them are reduced.

use crate::activate::Requantized;
use crate::half_bits::{narrowed, widened};
use bytemuck::{Pod, TransparentWrapper, Zeroable, must_cast};
use half::{bf16, f16};

/// How the quotient of two integers becomes an integer.
///
/// ```
/// use lanepool_kernels::{Axis, Divisor, Geometry, REFERENCE, Rounding};
///
/// let axis = Axis { input: 2, kernel: 2, ..Axis::UNIT };
/// let geometry = Geometry::new(1, [Axis::UNIT, Axis::UNIT, axis], 1, Divisor::Present).unwrap();
/// let pooled = |rounding| {
///     let mut output = [0];
///     let mean = REFERENCE.kernels().i8.mean.unwrap();
///     (mean.run)(&geometry.rounded(rounding), 0..1, &[-2, -3], &mut output);
///     output[0]
/// };
/// assert_eq!(pooled(Rounding::HalfAwayFromZero), -3);
/// assert_eq!(pooled(Rounding::HalfEven), -2);
/// assert_eq!(pooled(Rounding::HalfUp), -2);
/// assert_eq!(pooled(Rounding::Truncate), -2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Rounding {
    /// To the nearest, halves away from zero: TensorFlow Lite, CMSIS-NN.
    #[default]
    HalfAwayFromZero,
    /// To the nearest, halves to the even one: oneDNN, ONNX Runtime.
    HalfEven,
    /// To the nearest, halves up: ⌊x + ½⌋.
    HalfUp,
    /// Toward zero.
    Truncate,
}

/// An element type, as it is in memory.
pub(crate) trait Element: Pod {
    /// What windows of it are reduced in.
    type Acc: Number;

    /// Whether it is worth the code of all walks, and not only of those for the windows that networks
    /// are full of.
    const ALL_WALKS: bool = false;

    /// The same value.
    fn widen(self) -> Self::Acc;

    /// The nearest value to a result.
    fn narrow(result: Self::Acc) -> Self;
}

/// A type that can be reduced without becoming another one.
pub(crate) trait Number: Element<Acc = Self> + PartialOrd {
    /// What a sum of nothing is.
    const ZERO: Self;

    /// Whether the order of a sum shows in it.
    const ROUNDS: bool;

    /// Not greater than any other number.
    const LOWEST: Self;

    /// Not less than any other number.
    const HIGHEST: Self;

    /// Where the sign of a number is, or would be.
    const SIGN: Self;

    /// The nearest value to a divisor.
    fn nearest(divisor: i64) -> Self;

    /// The number by which to multiply instead of dividing by this one, if there is one that gives
    /// the same bits whatever is divided: that of a power of two.
    fn exact_reciprocal(self) -> Option<Self>;

    /// The reciprocal, rounded; of an integer, itself.
    fn reciprocal(self) -> Self;

    /// The canonical NaN; of integers, 0.
    const NAN: Self;

    /// Whether it is no number.
    fn is_nan(self) -> bool;

    /// The sum; of integers, it wraps.
    fn plus(self, other: Self) -> Self;

    /// The square root; of an integer, itself: integers have no norms.
    fn root(self) -> Self;

    /// The magnitude.
    fn magnitude(self) -> Self;

    /// This to the power of an exponent.
    fn power(self, exponent: f64) -> Self;

    /// The product; of integers, it wraps.
    fn times(self, other: Self) -> Self;

    /// The quotient, rounded as told if it has to be an integer.
    fn over(self, divisor: Self, rounding: Rounding) -> Self;

    /// Divides some, each by its own divisor. Of integers it is a call: divisions take that long.
    fn divide(some: &mut [Self], divisors: &[Self], rounding: Rounding);
}

macro_rules! reduced_as_they_are {
    ($($number:ident $(: $all:literal)?),*) => { $(
        impl Element for $number {
            type Acc = Self;
            $(const ALL_WALKS: bool = $all;)?

            #[inline(always)]
            fn widen(self) -> Self {
                self
            }

            #[inline(always)]
            fn narrow(result: Self) -> Self {
                result
            }
        }
    )* };
}

reduced_as_they_are!(f32: true, f64: true, i8, u8, i16, u16, i32, u32, i64);

macro_rules! floats {
    ($($float:ident: $root:path, $power:path);*) => { $(
        impl Number for $float {
            const ZERO: Self = 0.0;
            const ROUNDS: bool = true;
            const NAN: Self = Self::NAN;
            const LOWEST: Self = Self::NEG_INFINITY;
            const HIGHEST: Self = Self::INFINITY;
            const SIGN: Self = -0.0;

            #[inline(always)]
            fn nearest(divisor: i64) -> Self {
                divisor as Self
            }

            #[inline(always)]
            fn exact_reciprocal(self) -> Option<Self> {
                let power_of_two = self.to_bits().trailing_zeros() >= Self::MANTISSA_DIGITS - 1;
                (power_of_two && self.recip().is_normal()).then_some(self.recip())
            }

            #[inline(always)]
            fn reciprocal(self) -> Self {
                self.recip()
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                self.is_nan()
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self + other
            }

            #[inline(always)]
            fn root(self) -> Self {
                $root(self)
            }

            #[inline(always)]
            fn magnitude(self) -> Self {
                self.abs()
            }

            #[inline(always)]
            fn power(self, exponent: f64) -> Self {
                $power(self, exponent as Self)
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self * other
            }

            #[inline(always)]
            fn over(self, divisor: Self, _: Rounding) -> Self {
                self / divisor
            }

            #[inline(always)]
            fn divide(some: &mut [Self], divisors: &[Self], _: Rounding) {
                for (some, divisor) in some.iter_mut().zip(divisors) {
                    *some /= divisor;
                }
            }
        }
    )* };
}

floats!(f32: libm::sqrtf, libm::powf; f64: libm::sqrt, libm::pow);

macro_rules! integers {
    ($($integer:ident),*) => { $(
        impl Number for $integer {
            const ZERO: Self = 0;
            const ROUNDS: bool = false;
            const NAN: Self = 0;
            const LOWEST: Self = Self::MIN;
            const HIGHEST: Self = Self::MAX;
            const SIGN: Self = 1 << (Self::BITS - 1);

            #[inline(always)]
            fn nearest(divisor: i64) -> Self {
                divisor as Self
            }

            #[inline(always)]
            fn exact_reciprocal(self) -> Option<Self> {
                (self == 1).then_some(1)
            }

            #[inline(always)]
            fn reciprocal(self) -> Self {
                self
            }

            #[inline(always)]
            fn is_nan(self) -> bool {
                false
            }

            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }

            #[inline(always)]
            fn root(self) -> Self {
                self
            }

            #[inline(always)]
            fn magnitude(self) -> Self {
                self
            }

            #[inline(always)]
            fn power(self, _: f64) -> Self {
                self
            }

            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }

            #[inline(always)]
            fn over(self, divisor: Self, rounding: Rounding) -> Self {
                quotient(self as i64, divisor as i64, rounding) as Self
            }

            #[inline(never)]
            fn divide(some: &mut [Self], divisors: &[Self], rounding: Rounding) {
                for (some, divisor) in some.iter_mut().zip(divisors) {
                    *some = some.over(*divisor, rounding);
                }
            }
        }
    )* };
}

integers!(i8, u8, i16, u16, i32, u32, i64);

/// The quotient of two integers, rounded as told.
#[inline(always)]
fn quotient(n: i64, divisor: i64, rounding: Rounding) -> i64 {
    // Lanes that have no window may have a divisor of 0.
    let (Some(quotient), Some(rest)) = (n.checked_div(divisor), n.checked_rem(divisor)) else {
        return 0;
    };
    let rest = rest.unsigned_abs();
    let missing = divisor.unsigned_abs() - rest;
    let negative = (n < 0) != (divisor < 0);
    let away = match rounding {
        Rounding::HalfAwayFromZero => rest >= missing,
        Rounding::HalfEven => rest > missing || rest == missing && quotient & 1 != 0,
        Rounding::HalfUp => rest > missing || rest == missing && !negative,
        Rounding::Truncate => false,
    };
    match (away, negative) {
        (false, _) => quotient,
        (true, false) => quotient + 1,
        (true, true) => quotient - 1,
    }
}

impl Element for f16 {
    type Acc = f32;

    #[inline(always)]
    fn widen(self) -> f32 {
        widened(self.to_bits())
    }

    #[inline(always)]
    fn narrow(result: f32) -> Self {
        positive_zero(narrowed(result), Self::from_bits)
    }
}

impl Element for bf16 {
    type Acc = f32;

    #[inline(always)]
    fn widen(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn narrow(result: f32) -> Self {
        // To the nearest, halves to even. A canonical NaN stays what it is, which is the only one.
        let bits = result.to_bits();
        let bits = (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16;
        positive_zero(bits, Self::from_bits)
    }
}

/// The number of 16 bits, or +0 if they are those of −0: a small one may have been rounded to it.
#[inline(always)]
fn positive_zero<T>(bits: u16, from_bits: impl Fn(u16) -> T) -> T {
    from_bits(if bits == 0x8000 { 0 } else { bits })
}

/// A floating-point number of 16 bits.
pub(crate) trait Half: Pod {
    /// The bits of +∞; those of NaNs are greater, sign aside.
    const INFINITY: u16;
    /// The bits of the canonical NaN.
    const NAN: u16;
}

impl Half for f16 {
    const INFINITY: u16 = Self::INFINITY.to_bits();
    const NAN: u16 = Self::NAN.to_bits();
}

impl Half for bf16 {
    const INFINITY: u16 = Self::INFINITY.to_bits();
    const NAN: u16 = Self::NAN.to_bits();
}

/// A number of 16 bits that is compared as an integer: its distance from −∞, counted in numbers. Both
/// zeros are the same, and NaNs of either sign are greater than +∞, those of negative ones as it wraps.
#[derive(Clone, Copy, TransparentWrapper)]
#[repr(transparent)]
pub(crate) struct Ordered<T>(T);

// SAFETY: a transparent wrapper of a number.
unsafe impl<T: Half> Zeroable for Ordered<T> {}

// SAFETY: a transparent wrapper of a number.
unsafe impl<T: Half> Pod for Ordered<T> {}

impl<T: Half> Ordered<T> {
    /// How far +∞ is.
    pub(crate) const INFINITY: u16 = 2 * T::INFINITY;
}

impl<T: Half> Element for Ordered<T> {
    type Acc = u16;

    #[inline(always)]
    fn widen(self) -> u16 {
        let bits: u16 = must_cast(self.0);
        let magnitude = bits & 0x7fff;
        let number = if bits == magnitude { magnitude } else { magnitude.wrapping_neg() };
        number.wrapping_add(T::INFINITY)
    }

    #[inline(always)]
    fn narrow(result: u16) -> Self {
        let number = result.wrapping_sub(T::INFINITY) as i16;
        let sign = if number < 0 { 0x8000 } else { 0 };
        let is_nan = result > Self::INFINITY;
        Self(must_cast(if is_nan { T::NAN } else { number.unsigned_abs() | sign }))
    }
}

/// An integer of which many can be summed in an `i32`.
pub(crate) trait Small: Pod {
    /// So many never leave its range.
    const MOST_SUMMED: u64;
}

macro_rules! small {
    ($($integer:ident),*) => { $(
        impl Small for $integer {
            const MOST_SUMMED: u64 = i32::MAX as u64 >> Self::BITS;
        }
    )* };
}

small!(i8, u8, i16, u16);

/// An integer that may stand for a real number.
pub(crate) trait Quantized: Pod {
    /// What windows of few taps are summed in.
    type Few: Element<Acc: Requantized> + TransparentWrapper<Self>;

    /// What all others are summed in.
    type Many: Element<Acc: Requantized> + TransparentWrapper<Self>;

    /// What few taps are, and small divisors: sums of distances from the zero point do not overflow.
    const FEW: [u64; 2];
}

macro_rules! quantized {
    ($($integer:ident),*) => { $(
        impl Quantized for $integer {
            type Few = Summed<Self>;
            type Many = SummedLong<Self>;
            const FEW: [u64; 2] = [Self::MOST_SUMMED, i32::MAX as u64];
        }
    )* };
}

quantized!(i8, u8, i16, u16);

impl Quantized for i32 {
    type Few = SummedLong<Self>;
    type Many = SummedLong<Self>;
    const FEW: [u64; 2] = [u64::MAX; 2];
}

/// An integer of which some can be summed in an `i16`.
pub(crate) trait Byte: Small {}

impl Byte for i8 {}
impl Byte for u8 {}

/// The most taps of a window that is summed in an `i16`, and the greatest divisor: magnitudes of sums are
/// less than 2¹⁴.
pub(crate) const FEW_SUMMED: u64 = 63;

/// So many distances of bytes from a zero point, which is of their range or of that with a sign, are summed in an `i16`.
pub(crate) const MOST_DISTANCES: u64 = 85;

/// An integer whose windows are summed in an `i16`: of [`FEW_SUMMED`] taps at most, which are not more than
/// the divisor unless that is 1.
#[derive(Clone, Copy, TransparentWrapper)]
#[repr(transparent)]
pub(crate) struct SummedShort<T>(T);

/// An integer whose windows are summed in an `i32`.
#[derive(Clone, Copy, TransparentWrapper)]
#[repr(transparent)]
pub(crate) struct Summed<T>(T);

/// An integer whose windows are summed in an `i64`.
#[derive(Clone, Copy, TransparentWrapper)]
#[repr(transparent)]
pub(crate) struct SummedLong<T>(T);

macro_rules! summed {
    ($($wrapper:ident<$integer:ident> = $acc:ident),*) => { $(
        // SAFETY: a transparent wrapper of an integer.
        unsafe impl Zeroable for $wrapper<$integer> {}

        // SAFETY: a transparent wrapper of an integer.
        unsafe impl Pod for $wrapper<$integer> {}

        impl Element for $wrapper<$integer> {
            type Acc = $acc;

            #[inline(always)]
            fn widen(self) -> $acc {
                $acc::from(self.0)
            }

            #[inline(always)]
            fn narrow(result: $acc) -> Self {
                Self(result.clamp($integer::MIN.into(), $integer::MAX.into()) as $integer)
            }
        }
    )* };
}

summed!(
    SummedShort<i8> = i16, SummedShort<u8> = i16,
    Summed<i8> = i32, Summed<u8> = i32, Summed<i16> = i32, Summed<u16> = i32,
    SummedLong<i8> = i64, SummedLong<u8> = i64, SummedLong<i16> = i64, SummedLong<u16> = i64,
    SummedLong<i32> = i64
);
