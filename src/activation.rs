//! What is done to results: quantisation and clamp, and which kernels they take.

use crate::pool::Mode;
use crate::{Divisor, Element, Error, Op, Pool};
use core::fmt;
use lanepool_kernels::{Geometry, Requantization};

/// How integers stand for real numbers, by [`Pool::quantized`]: `q` for `(q − zero_point) · scale`.
///
/// ```
/// use lanepool::Quantization;
///
/// // Numbers from −1 on, in steps of 1/128.
/// let quantization = Quantization::new(1.0 / 128.0, -128);
/// assert_eq!((quantization.scale(), quantization.zero_point()), (0.0078125, -128));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Quantization {
    /// Its bits.
    scale: u32,
    zero_point: i32,
}

impl Quantization {
    /// A scale, which has to be finite and greater than 0, and a zero point, which the element type has to
    /// hold; planning fails otherwise.
    ///
    /// ```
    /// use lanepool::{Error, Layout, Plan, Pool1d, Quantization, Shape};
    ///
    /// let (input, output) = (Quantization::new(0.5, 0), Quantization::new(0.5, 200));
    /// let plan: Result<Plan<i8>, _> =
    ///     Pool1d::max([2]).quantized(input, output).plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]));
    /// let error = plan.unwrap_err();
    /// assert_eq!(error, Error::ZeroPoint { tensor: "output", zero_point: 200, element: "i8" });
    /// ```
    pub const fn new(scale: f32, zero_point: i32) -> Self {
        Self { scale: scale.to_bits(), zero_point }
    }

    /// The step from one integer to the next.
    pub const fn scale(self) -> f32 {
        f32::from_bits(self.scale)
    }

    /// The integer that stands for 0.
    pub const fn zero_point(self) -> i32 {
        self.zero_point
    }

    /// The integer that stands for the number nearest to a bound.
    fn nearest_to(self, bound: f64) -> f64 {
        f64::from((bound as f32 / self.scale()).round()) + f64::from(self.zero_point)
    }
}

impl fmt::Debug for Quantization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} from {}", self.scale(), self.zero_point)
    }
}

/// Bounds of results, by [`Pool::clamp`].
///
/// ```
/// use lanepool::Clamp;
///
/// let relu6 = Clamp::new(0.0, 6.0);
/// assert_eq!((relu6.min(), relu6.max()), (0.0, 6.0));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Clamp {
    /// The bits of both.
    bounds: [u64; 2],
}

impl Clamp {
    /// Bounds, neither of which may be NaN, nor the first greater than the second; planning fails otherwise.
    ///
    /// ```
    /// use lanepool::{Clamp, Error, Layout, Plan, Pool1d, Shape};
    ///
    /// let plan: Result<Plan<f32>, _> =
    ///     Pool1d::max([2]).clamp(6.0, 0.0).plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]));
    /// let error = plan.unwrap_err();
    /// assert_eq!(error, Error::Clamp(Clamp::new(6.0, 0.0)));
    /// assert_eq!(error.to_string(), "a clamp from 6 to 0, which nothing is between");
    /// ```
    pub const fn new(min: f64, max: f64) -> Self {
        Self { bounds: [min.to_bits(), max.to_bits()] }
    }

    /// The least that a result may be.
    pub const fn min(self) -> f64 {
        f64::from_bits(self.bounds[0])
    }

    /// The most that a result may be.
    pub const fn max(self) -> f64 {
        f64::from_bits(self.bounds[1])
    }
}

impl fmt::Debug for Clamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} to {:?}", self.min(), self.max())
    }
}

/// The pooling with what is done to its results.
pub(crate) fn activated<T: Element, const D: usize>(
    pool: &Pool<D>,
    mut geometry: Geometry,
) -> Result<Geometry, Error> {
    if let Some([input, output]) = pool.quantization {
        let (least, greatest) = T::QUANTIZED.ok_or(Error::NotQuantized { element: T::NAME })?;
        for (tensor, quantization) in [("input", input), ("output", output)] {
            let scale = quantization.scale();
            if scale.is_nan() || scale <= 0.0 || scale.is_infinite() {
                return Err(Error::Scale { tensor, quantization });
            }
            let zero_point = quantization.zero_point;
            if !(least..=greatest).contains(&zero_point) {
                return Err(Error::ZeroPoint { tensor, zero_point, element: T::NAME });
            }
        }
        let ratio = f64::from(input.scale()) / f64::from(output.scale());
        let by = Requantization::new(ratio, [input.zero_point, output.zero_point]);
        if !cancels(pool, &geometry, &by) {
            geometry = geometry.requantized(by);
        }
    }
    if let Some(clamp) = pool.clamp {
        let (min, max) = (clamp.min(), clamp.max());
        if min.is_nan() || max.is_nan() || min > max {
            return Err(Error::Clamp(clamp));
        }
        let [min, max] = match pool.quantization {
            Some([_, output]) => [min, max].map(|bound| output.nearest_to(bound)),
            None => [min, max],
        };
        if (min, max) != (f64::NEG_INFINITY, f64::INFINITY) {
            geometry = geometry.clamped(min, max);
        }
    }
    Ok(geometry)
}

/// Whether integers pooled as they are give the same: scale and zero point are those of the output, and of
/// an average the zero point is counted as often as it is divided by.
fn cancels<const D: usize>(pool: &Pool<D>, geometry: &Geometry, by: &Requantization) -> bool {
    let zero_point = by.zero_points()[0];
    if !by.is_identity() || zero_point == 0 || matches!(pool.op, Op::Max | Op::Min) {
        return by.is_identity();
    }
    let windows = || geometry.axes().iter();
    // A window without an element is 0, of whatever zero point.
    let filled = windows().all(|axis| {
        let last = (axis.output - 1) * axis.stride;
        let span = (axis.kernel - 1) * axis.dilation + 1;
        axis.spread
            || axis.dilation <= axis.input
                && axis.pad_begin < span
                && last < axis.pad_begin + axis.input
    });
    let whole = windows().all(|axis| {
        let end = (axis.output - 1) * axis.stride + (axis.kernel - 1) * axis.dilation;
        axis.spread || axis.pad_begin == 0 && end < axis.input
    });
    let taps = || windows().map(|axis| axis.kernel as i64).product::<i64>();
    let counts = match pool.divisor {
        _ if pool.op == Op::Sum => false,
        Divisor::ExcludePad => true,
        Divisor::IncludePad | Divisor::FullWindow => whole || pool.mode != Mode::Window,
        Divisor::Fixed(n) => whole && pool.mode == Mode::Window && n == taps(),
    };
    filled && counts
}
