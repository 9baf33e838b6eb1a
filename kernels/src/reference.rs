//! Pooling by its definition: the oracle for every other kernel.
//!
//! Nothing here may use `simd`, `order`, `number`, a helper of [`Geometry`], unsafe code, or cleverness.
#![forbid(unsafe_code)]

use crate::{Axis, Divisor, Geometry, Requantization, Rounding};
use core::ops::Range;
use half::{bf16, f16};

/// An element that is compared.
pub(crate) trait Ordered: Copy + PartialOrd {
    const LEAST: Self;
    const GREATEST: Self;
    /// Whether it may stand for a real number.
    const QUANTIZED: bool = false;
    /// The same value, of which there is one NaN and one zero.
    fn canonical(self) -> Self;
    /// The nearest value to a bound, of integers halves away from zero.
    fn nearest_to(bound: f64) -> Self;
    /// What stands in the output for what this stands for in the input.
    fn requantized(self, requantization: &Requantization, rounding: Rounding) -> Self;
}

/// An element that is averaged in `Sum`.
pub(crate) trait Float: Ordered {
    type Sum: Sum;
    fn to_sum(self) -> Self::Sum;
    fn round(sum: Self::Sum) -> Self;
}

/// What floating-point numbers are summed in.
pub(crate) trait Sum: Copy + PartialOrd {
    const ZERO: Self;
    fn of(n: i64) -> Self;
    fn plus(self, other: Self) -> Self;
    fn times(self, other: Self) -> Self;
    fn over(self, other: Self) -> Self;
    fn magnitude(self) -> Self;
    fn power(self, exponent: f64) -> Self;
    fn root(self) -> Self;
}

/// An element that is averaged exactly.
pub(crate) trait Integer: Ordered + Into<i128> + TryFrom<i128> {}

macro_rules! sums {
    ($($float:ident: $root:path, $power:path);*) => { $(
        impl Sum for $float {
            const ZERO: Self = 0.0;
            fn of(n: i64) -> Self {
                n as Self
            }
            fn plus(self, other: Self) -> Self {
                self + other
            }
            fn times(self, other: Self) -> Self {
                self * other
            }
            fn over(self, other: Self) -> Self {
                self / other
            }
            fn magnitude(self) -> Self {
                self.abs()
            }
            fn power(self, exponent: f64) -> Self {
                $power(self, exponent as Self)
            }
            fn root(self) -> Self {
                $root(self)
            }
        }
    )* };
}

sums!(f32: libm::sqrtf, libm::powf; f64: libm::sqrt, libm::pow);

macro_rules! floats {
    ($($float:ident in $sum:ident: $zero:expr, $to_sum:expr, $round:expr, $nearest:expr);* $(;)?) => { $(
        impl Ordered for $float {
            const LEAST: Self = Self::NEG_INFINITY;
            const GREATEST: Self = Self::INFINITY;
            fn canonical(self) -> Self {
                match self {
                    _ if self.is_nan() => Self::NAN,
                    _ if self == $zero => $zero,
                    _ => self,
                }
            }
            fn nearest_to(bound: f64) -> Self {
                $nearest(bound)
            }
            fn requantized(self, _: &Requantization, _: Rounding) -> Self {
                self
            }
        }

        impl Float for $float {
            type Sum = $sum;
            fn to_sum(self) -> $sum {
                $to_sum(self)
            }
            fn round(sum: $sum) -> Self {
                $round(sum)
            }
        }
    )* };
}

floats! {
    f32 in f32: 0.0, |x| x, |x| x, |x| x as f32;
    f64 in f64: 0.0, |x| x, |x| x, |x| x;
    f16 in f32: f16::ZERO, f16::to_f32, f16::from_f32, f16::from_f64;
    bf16 in f32: bf16::ZERO, bf16::to_f32, bf16::from_f32, bf16::from_f64;
}

macro_rules! integers {
    ($($integer:ident: $quantized:literal),*) => { $(
        impl Ordered for $integer {
            const QUANTIZED: bool = $quantized;
            const LEAST: Self = Self::MIN;
            const GREATEST: Self = Self::MAX;
            fn canonical(self) -> Self {
                self
            }
            fn nearest_to(bound: f64) -> Self {
                libm::round(bound) as Self
            }
            fn requantized(self, by: &Requantization, rounding: Rounding) -> Self {
                let distance = i128::from(self) - i128::from(by.zero_points()[0]);
                let q = requantized(distance, 1, by, rounding);
                q.clamp(Self::MIN.into(), Self::MAX.into()) as Self
            }
        }

        impl Integer for $integer {}
    )* };
}

integers!(i8: true, u8: true, i16: true, u16: true, i32: true, u32: false, i64: false);

/// A value that is not equal to itself.
fn is_nan<T: PartialOrd>(value: T) -> bool {
    value.partial_cmp(&value).is_none()
}

/// The value that is better than all others, and than `worst`; a NaN if there is one.
fn best<T: Copy + PartialOrd>(
    values: impl Iterator<Item = T>,
    worst: T,
    better: fn(&T, &T) -> bool,
) -> T {
    values.fold(worst, |best, value| {
        let wins = is_nan(value) || better(&value, &best);
        if wins && !is_nan(best) { value } else { best }
    })
}

/// The number that is better than all others, and than `worst`.
fn best_number<T: Copy + PartialOrd>(
    values: impl Iterator<Item = T>,
    worst: T,
    better: fn(&T, &T) -> bool,
) -> T {
    best(values.filter(|&value| !is_nan(value)), worst, better)
}

/// The largest element; a NaN if there is one; the least value if there is no element.
pub(crate) fn max<T: Ordered>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    pool(geometry, rows, input, output, |window| best(window.elements(), T::LEAST, T::gt));
}

/// The largest element that is a number; the least value if there is none.
pub(crate) fn max_number<T: Ordered>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    pool(geometry, rows, input, output, |window| best_number(window.elements(), T::LEAST, T::gt));
}

/// The smallest element; a NaN if there is one; the greatest value if there is no element.
pub(crate) fn min<T: Ordered>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    pool(geometry, rows, input, output, |window| best(window.elements(), T::GREATEST, T::lt));
}

/// The smallest element that is a number; the greatest value if there is none.
pub(crate) fn min_number<T: Ordered>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    pool(geometry, rows, input, output, |window| {
        best_number(window.elements(), T::GREATEST, T::lt)
    });
}

/// The sum, in the order of [`tree`], over the divisor; 0 if there is no element.
pub(crate) fn mean<T: Float>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    pool(geometry, rows, input, output, |window| {
        let sum = window.sum(|x| x);
        T::round(sum.over(T::Sum::of(window.divisor() as i64)))
    });
}

/// The exact sum over the divisor, rounded as told; 0 if there is no element. What is outside the
/// range of the type becomes its end.
pub(crate) fn mean_of_integers<T: Integer>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    pool(geometry, rows, input, output, |window| {
        let sum: i128 = window.elements().map(Into::<i128>::into).sum();
        let mean = divide(sum, window.divisor(), geometry.rounding());
        mean.clamp(T::LEAST.into(), T::GREATEST.into()).try_into().unwrap_or(T::LEAST)
    });
}

/// The mean of the numbers that integers stand for: the sum of their distances from the zero point over
/// the divisor, requantised.
pub(crate) fn quantized_mean<T: Integer>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let same = Requantization::new(1.0, [0, 0]);
    let by = geometry.requantization().unwrap_or(&same);
    let zero_point = i128::from(by.zero_points()[0]);
    pool(geometry, rows, input, output, |window| {
        let sum: i128 = window.elements().map(|q| Into::<i128>::into(q) - zero_point).sum();
        let mean = requantized(sum, window.divisor(), by, geometry.rounding());
        mean.clamp(T::LEAST.into(), T::GREATEST.into()).try_into().unwrap_or(T::LEAST)
    });
}

/// What stands for a distance from the input's zero point over a divisor: that many steps of the output from
/// its zero point, rounded as told. If the quantisations are alike, the quotient is exact.
fn requantized(distance: i128, divisor: i128, by: &Requantization, rounding: Rounding) -> i128 {
    let zero_point = by.zero_points()[1];
    if by.is_identity() {
        return divide(distance + i128::from(zero_point) * divisor, divisor, rounding);
    }
    let number = distance as f64 * by.ratio() / divisor as f64 + f64::from(zero_point);
    let below = libm::floor(number);
    let rounded = match rounding {
        Rounding::HalfAwayFromZero => libm::round(number),
        Rounding::HalfEven => libm::rint(number),
        Rounding::HalfUp => below + if number - below >= 0.5 { 1.0 } else { 0.0 },
        Rounding::Truncate => libm::trunc(number),
    };
    rounded as i128
}

/// Requantises and clamps results.
pub(crate) fn activate<T: Ordered>(geometry: &Geometry, output: &mut [T]) {
    if let Some(by) = geometry.requantization().filter(|_| T::QUANTIZED) {
        for out in &mut *output {
            *out = out.requantized(by, geometry.rounding());
        }
    }
    clamp(geometry, output);
}

/// Clamps results; NaN stays what it is.
pub(crate) fn clamp<T: Ordered>(geometry: &Geometry, output: &mut [T]) {
    let Some(bounds) = geometry.clamp() else { return };
    let [min, max] = bounds.map(|bound| T::nearest_to(bound).canonical());
    for out in output {
        if *out < min {
            *out = min;
        } else if *out > max {
            *out = max;
        }
    }
}

/// The quotient, rounded as told.
fn divide(n: i128, divisor: i128, rounding: Rounding) -> i128 {
    let (n, divisor) = if divisor < 0 { (-n, -divisor) } else { (n, divisor) };
    let below = n.div_euclid(divisor);
    let twice_the_rest = 2 * (n - below * divisor);
    let (nearer, tie) = (twice_the_rest > divisor, twice_the_rest == divisor);
    let up = match rounding {
        Rounding::HalfAwayFromZero => nearer || tie && n > 0,
        Rounding::HalfEven => nearer || tie && below % 2 != 0,
        Rounding::HalfUp => nearer || tie,
        Rounding::Truncate => n < 0 && twice_the_rest > 0,
    };
    if up { below + 1 } else { below }
}

/// The sum of the magnitudes.
pub(crate) fn norm_1<T: Float>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    pool(geometry, rows, input, output, |window| T::round(window.sum(Sum::magnitude)));
}

/// The square root of the sum of the squares.
pub(crate) fn norm_2<T: Float>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    pool(geometry, rows, input, output, |window| T::round(window.sum(|x| x.times(x)).root()));
}

/// The largest magnitude; a NaN if there is one; 0 if there is no element.
pub(crate) fn norm_max<T: Float>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    pool(geometry, rows, input, output, |window| {
        let magnitudes = window.elements().map(|x| x.to_sum().magnitude());
        T::round(best(magnitudes, T::Sum::ZERO, T::Sum::gt))
    });
}

/// (Σ|x|^p)^(1/p), by `libm`, which computes the same everywhere.
pub(crate) fn norm_p<T: Float>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let p = geometry.exponent();
    pool(geometry, rows, input, output, |window| {
        T::round(window.sum(|x| x.magnitude().power(p)).power(1.0 / p))
    });
}

/// Sums the leaves that are present by the binary tree whose left part is as large a power of two
/// as leaves something for the right one.
fn tree<T: Sum>(leaves: Range<usize>, leaf: &impl Fn(usize) -> Option<T>) -> Option<T> {
    if leaves.len() == 1 {
        return leaf(leaves.start);
    }
    let half = leaves.start + leaves.len().next_power_of_two() / 2;
    match (tree(leaves.start..half, leaf), tree(half..leaves.end, leaf)) {
        (Some(left), Some(right)) => Some(left.plus(right)),
        (left, right) => left.or(right),
    }
}

/// Sets every element of the output to the result of its window, with one NaN and one zero.
fn pool<T: Ordered>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
    reduce: impl Fn(&Window<'_, T>) -> T,
) {
    let [depth, height, width] = geometry.axes().map(|axis| axis.output);
    let (planes, strides) = (geometry.image_planes(), geometry.strides());
    let row_len = width * geometry.inner();
    assert_eq!(output.len(), rows.len() * row_len, "length of the output");
    let mut out = output.iter_mut();
    for row in rows {
        let plane = row / height / depth;
        let start = plane / planes * strides.image + plane % planes * strides.plane;
        for x in 0..width {
            let at = [row / height % depth, row % height, x];
            for (channel, out) in (&mut out).take(geometry.inner()).enumerate() {
                let window = Window { geometry, input, start: start + channel, at };
                *out = reduce(&window).canonical();
            }
        }
    }
}

/// One window of the input.
struct Window<'a, T> {
    geometry: &'a Geometry,
    input: &'a [T],
    /// Where the first element of its plane and channel is.
    start: usize,
    /// Its place in the output: depth, height, width.
    at: [usize; 3],
}

impl<T: Copy> Window<'_, T> {
    /// Where along an axis a tap is, in elements, unless it is outside the input.
    fn offset(&self, i: usize, tap: usize) -> Option<usize> {
        let strides = self.geometry.strides();
        let (axis, at) = (&self.geometry.axes()[i], self.at[i]);
        let position = if axis.spread {
            let end = ((at + 1) * axis.input).div_ceil(axis.output);
            Some(at * axis.input / axis.output + tap).filter(|&i| i < end)?
        } else {
            let padded = at * axis.stride + tap * axis.dilation;
            padded.checked_sub(axis.pad_begin).filter(|&i| i < axis.input)?
        };
        Some(position * [strides.depth, strides.height, strides.width][i])
    }

    /// Where the taps along an axis are that are inside the input.
    fn offsets(&self, i: usize) -> impl Iterator<Item = usize> {
        (0..self.geometry.axes()[i].kernel).filter_map(move |tap| self.offset(i, tap))
    }

    /// The elements that are present, in row-major order.
    fn elements(&self) -> impl Iterator<Item = T> {
        self.offsets(0).flat_map(move |z| {
            self.offsets(1)
                .flat_map(move |y| self.offsets(2).map(move |x| self.input[self.start + z + y + x]))
        })
    }

    /// What the sum is divided by.
    fn divisor(&self) -> i128 {
        let counted = |limit: fn(&Axis) -> Range<usize>| -> usize {
            let along = self.geometry.axes().iter().zip(self.at).map(|(axis, at)| {
                if axis.spread {
                    let (start, end) = (at * axis.input, (at + 1) * axis.input);
                    return end.div_ceil(axis.output) - start / axis.output;
                }
                let taps = (0..axis.kernel).map(|tap| at * axis.stride + tap * axis.dilation);
                taps.filter(|padded| limit(axis).contains(padded)).count()
            });
            along.product::<usize>().max(1)
        };
        match self.geometry.divisor() {
            Divisor::Constant(n) => n.into(),
            Divisor::Present => counted(|axis| axis.pad_begin..axis.pad_begin + axis.input) as i128,
            Divisor::Padded => {
                counted(|axis| 0..axis.pad_begin + axis.input + axis.pad_end) as i128
            }
        }
    }
}

impl<T: Float> Window<'_, T> {
    /// The sum of what `lift` makes of the elements, in the order of [`tree`].
    fn sum(&self, lift: impl Fn(T::Sum) -> T::Sum) -> T::Sum {
        let [depth, height, width] = self.geometry.axes().map(|axis| axis.kernel);
        let sum = tree(0..width, &|k| {
            let x = self.offset(2, k)?;
            tree(0..depth, &|i| {
                let z = self.offset(0, i)?;
                tree(0..height, &|j| {
                    let y = self.offset(1, j)?;
                    Some(lift(self.input[self.start + z + y + x].to_sum()))
                })
            })
        });
        sum.unwrap_or(T::Sum::ZERO)
    }
}
