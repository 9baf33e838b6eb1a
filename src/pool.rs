//! What a pooling does, apart from the tensor it is done to.

use crate::plan::Origin;
use crate::{Axis, Clamp, Error, Plan, Quantization, Shape, Strides, activation, geometry};
use core::fmt;
use lanepool_kernels::{Backend, Rounding};

/// A pooling along `D` spatial axes, 1 to 3: [`Pool1d`], [`Pool2d`], [`Pool3d`].
///
/// Sizes along the axes are in the order of the tensor: depth, height, width. What is not said is a
/// stride and a dilation of 1, no padding, floor mode, [`Divisor::ExcludePad`] and
/// [`NanPolicy::Propagate`]. Nothing is checked before [`plan`](Self::plan).
///
/// ```
/// use lanepool::{Layout, Plan, Pool2d, Shape};
///
/// let pool = Pool2d::max([3, 3]).stride([2, 2]).padding([1, 1]);
/// let plan: Plan<f32> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 64, [112, 112]))?;
/// assert_eq!(plan.output_size(), [56, 56]);
/// # Ok::<(), lanepool::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub struct Pool<const D: usize> {
    pub(crate) op: Op,
    pub(crate) kernel: [usize; D],
    pub(crate) stride: [usize; D],
    pub(crate) dilation: [usize; D],
    pub(crate) padding: Padding<D>,
    pub(crate) ceil_mode: bool,
    pub(crate) divisor: Divisor,
    pub(crate) nan_policy: NanPolicy,
    pub(crate) rounding: Rounding,
    pub(crate) mode: Mode,
    /// Of input and output.
    pub(crate) quantization: Option<[Quantization; 2]>,
    pub(crate) clamp: Option<Clamp>,
}

/// A pooling along the width.
///
/// ```
/// use lanepool::Pool1d;
///
/// assert_eq!(Pool1d::max([4]).stride([4]).output_size([16_000])?, [4000]);
/// # Ok::<(), lanepool::Error>(())
/// ```
pub type Pool1d = Pool<1>;

/// A pooling along height and width.
///
/// ```
/// use lanepool::Pool2d;
///
/// assert_eq!(Pool2d::max([2, 2]).stride([2, 2]).output_size([480, 640])?, [240, 320]);
/// # Ok::<(), lanepool::Error>(())
/// ```
pub type Pool2d = Pool<2>;

/// A pooling along depth, height and width.
///
/// ```
/// use lanepool::Pool3d;
///
/// let pool = Pool3d::average([1, 2, 2]).stride([1, 2, 2]);
/// assert_eq!(pool.output_size([16, 112, 112])?, [16, 56, 56]);
/// # Ok::<(), lanepool::Error>(())
/// ```
pub type Pool3d = Pool<3>;

/// How a window becomes one element.
///
/// ```
/// use lanepool::{Layout, Op, Plan, Pool1d, Shape};
///
/// let pool = Pool1d::new(Op::Sum, [2]);
/// let plan: Plan<i32> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
/// let mut output = [0; 2];
/// plan.run(&[1, 2, 3], &mut output)?;
/// assert_eq!(output, [3, 5]);
/// # Ok::<(), lanepool::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Op {
    /// The largest element. A window with a NaN gives a NaN (but see [`NanPolicy`]), and a window
    /// without an element −∞. A zero is +0, a NaN is [`f32::NAN`]'s bits.
    Max,
    /// The sum of the elements over a [`Divisor`]. A window without an element gives 0.
    Average,
    /// The smallest element. A window with a NaN gives a NaN (but see [`NanPolicy`]), and a window
    /// without an element ∞.
    Min,
    /// The sum of the elements: an average whose divisor is 1.
    Sum,
    /// The root of the sum of powers, `(Σ|x|^p)^(1/p)`, of floating-point numbers
    /// ([ONNX LpPool](https://onnx.ai/onnx/operators/onnx__LpPool.html)); with an exponent of ∞ the
    /// largest magnitude. A window with a NaN gives a NaN, one without an element 0.
    Lp(Exponent),
}

/// The exponent of a norm.
///
/// ```
/// use lanepool::{Exponent, Op, Pool2d};
///
/// assert_eq!(Pool2d::lp(3.0, [2, 2]), Pool2d::new(Op::Lp(Exponent::new(3.0)), [2, 2]));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Exponent(u64);

impl Exponent {
    /// An exponent of `p`, which has to be greater than 0; planning fails otherwise.
    ///
    /// ```
    /// use lanepool::{Error, Exponent, Layout, Plan, Pool1d, Shape};
    ///
    /// assert_eq!(Exponent::new(0.5).get(), 0.5);
    /// let plan: Result<Plan<f32>, _> =
    ///     Pool1d::lp(0.0, [2]).plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]));
    /// assert_eq!(plan.unwrap_err(), Error::Exponent(Exponent::new(0.0)));
    /// ```
    pub const fn new(p: f64) -> Self {
        Self(p.to_bits())
    }

    /// Its value.
    ///
    /// ```
    /// use lanepool::Exponent;
    ///
    /// assert_eq!(Exponent::new(f64::INFINITY).get(), f64::INFINITY);
    /// ```
    pub const fn get(self) -> f64 {
        f64::from_bits(self.0)
    }
}

impl fmt::Debug for Exponent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.get())
    }
}

/// Which windows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    /// Those of the kernel, a stride apart.
    Window,
    /// One, all of the input.
    Global,
    /// As many as the kernel says, spread evenly.
    Adaptive,
}

/// What an average is divided by.
///
/// Divisors are converted to the nearest `f32` if they are not one.
///
/// ```
/// use lanepool::{Divisor, Layout, Plan, Pool1d, Shape};
///
/// let pool = Pool1d::average([3]).padding([1]).divisor(Divisor::FullWindow);
/// let plan: Plan<f32> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [2]))?;
/// let mut output = [0.0; 2];
/// plan.run(&[6.0, 9.0], &mut output)?;
/// assert_eq!(output, [5.0, 5.0]);
/// # Ok::<(), lanepool::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Divisor {
    /// The number of taps inside the input: TensorFlow; ONNX and PyTorch with
    /// `count_include_pad=0`.
    #[default]
    ExcludePad,
    /// The number of taps inside the padded input: ONNX and PyTorch with `count_include_pad=1`.
    /// Only windows that ceil mode lets reach beyond the padding have fewer than the kernel has.
    IncludePad,
    /// The taps of the kernel: oneDNN's `avg_include_padding` and OpenVINO.
    FullWindow,
    /// A number, not 0: PyTorch's `divisor_override`. 1 gives sums.
    Fixed(i64),
}

/// What a NaN does to a maximum or a minimum.
///
/// ```
/// use lanepool::{Layout, NanPolicy, Plan, Pool1d, Shape};
///
/// let pool = Pool1d::max([2]).nan_policy(NanPolicy::Ignore);
/// let plan: Plan<f32> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
/// let mut output = [0.0; 2];
/// plan.run(&[1.0, f32::NAN, 2.0], &mut output)?;
/// assert_eq!(output, [1.0, 2.0]);
/// # Ok::<(), lanepool::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NanPolicy {
    /// A window with a NaN gives NaN, as in PyTorch.
    #[default]
    Propagate,
    /// NaNs count as absent. The faster one for maxima of `f32`, not for other types.
    Ignore,
}

/// Absent elements around the input; they take no part in any result.
///
/// ```
/// use lanepool::{Padding, Pool1d};
///
/// let pool = Pool1d::max([3]).stride([2]);
/// assert_eq!(pool.pad(Padding::Explicit { begin: [0], end: [1] }).output_size([6])?, [3]);
/// assert_eq!(pool.pad(Padding::SameUpper).output_size([6])?, [3]);
/// assert_eq!(pool.pad(Padding::Valid).output_size([6])?, [2]);
/// # Ok::<(), lanepool::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Padding<const D: usize> {
    /// So many before and after each axis.
    Explicit {
        /// Before.
        begin: [usize; D],
        /// After.
        end: [usize; D],
    },
    /// As many as give ⌈input / stride⌉ windows, an odd one at the end
    /// ([ONNX](https://onnx.ai/onnx/operators/onnx__MaxPool.html) `auto_pad`, TensorFlow's `SAME`).
    SameUpper,
    /// The same, with an odd one at the beginning.
    SameLower,
    /// None, with the output rounded down.
    Valid,
}

/// The order of a tensor's elements in memory. There are no gaps, but for those of an input's
/// [strides](crate::Strides).
///
/// ```
/// use lanepool::{Layout, Op, Plan, Pool1d, Shape};
///
/// let input = [1, 2, 3, 10, 20, 30];
/// let sums = |layout, channels, width| -> Result<Vec<i32>, lanepool::Error> {
///     let plan: Plan<i32> =
///         Pool1d::global(Op::Sum).plan(layout, Shape::new(1, channels, [width]))?;
///     let mut output = vec![0; plan.output_len()];
///     plan.run(&input, &mut output)?;
///     Ok(output)
/// };
/// assert_eq!(sums(Layout::ChannelsFirst, 2, 3)?, [6, 60]);
/// assert_eq!(sums(Layout::ChannelsLast, 3, 2)?, [11, 22, 33]);
/// # Ok::<(), lanepool::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Batch, channels, then the spatial axes: NCW, NCHW, NCDHW.
    ChannelsFirst,
    /// Batch, the spatial axes, then channels: NWC, NHWC, NDHWC.
    ChannelsLast,
    /// Batch, blocks of so many channels, the spatial axes, then the channels of a block: NCHWc, such as
    /// oneDNN's `nChw8c` and `nChw16c`. The last block has all of its channels in memory, also if the
    /// shape has fewer; the others are pooled like these.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Shape};
    ///
    /// // Three channels in blocks of two: the last one has one to spare.
    /// let plan: Plan<f32> = Pool1d::max([2]).plan(Layout::Blocked(2), Shape::new(1, 3, [2]))?;
    /// let mut output = [0.0; 4];
    /// plan.run(&[1.0, 10.0, 2.0, 20.0, 4.0, 0.0, 3.0, 0.0], &mut output)?;
    /// assert_eq!(output, [2.0, 20.0, 4.0, 0.0]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    Blocked(usize),
}

impl Layout {
    /// Planes of an image, and channels that are neighbours in each.
    pub(crate) fn split(self, channels: usize) -> (usize, usize) {
        match self {
            Self::ChannelsFirst => (channels, 1),
            Self::ChannelsLast => (1, channels),
            Self::Blocked(block) => (channels.div_ceil(block.max(1)), block),
        }
    }
}

impl<const D: usize> Pool<D> {
    /// Max pooling over windows of `kernel` taps.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Shape};
    ///
    /// let pool = Pool1d::max([2]);
    /// let plan: Plan<u8> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0; 2];
    /// plan.run(&[3, 1, 2], &mut output)?;
    /// assert_eq!(output, [3, 2]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn max(kernel: [usize; D]) -> Self {
        Self::new(Op::Max, kernel)
    }

    /// Average pooling over windows of `kernel` taps.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Shape};
    ///
    /// let pool = Pool1d::average([2]);
    /// let plan: Plan<f32> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0.0; 2];
    /// plan.run(&[3.0, 1.0, 2.0], &mut output)?;
    /// assert_eq!(output, [2.0, 1.5]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn average(kernel: [usize; D]) -> Self {
        Self::new(Op::Average, kernel)
    }

    /// A pooling by `op` over windows of `kernel` taps.
    ///
    /// ```
    /// use lanepool::{Op, Pool2d};
    ///
    /// assert_eq!(Pool2d::new(Op::Min, [3, 3]), Pool2d::min([3, 3]));
    /// ```
    pub const fn new(op: Op, kernel: [usize; D]) -> Self {
        const { assert!(1 <= D && D <= 3, "poolings have 1 to 3 spatial axes") };
        Self {
            op,
            kernel,
            stride: [1; D],
            dilation: [1; D],
            padding: Padding::Explicit { begin: [0; D], end: [0; D] },
            ceil_mode: false,
            divisor: Divisor::ExcludePad,
            nan_policy: NanPolicy::Propagate,
            rounding: Rounding::HalfAwayFromZero,
            mode: Mode::Window,
            quantization: None,
            clamp: None,
        }
    }

    /// A pooling by `op` over all of the input: one window, whatever its size.
    ///
    /// ```
    /// use lanepool::{Layout, Op, Plan, Pool2d, Shape};
    ///
    /// let pool = Pool2d::global(Op::Average);
    /// let plan: Plan<f32> = pool.plan(Layout::ChannelsLast, Shape::new(1, 2, [1, 3]))?;
    /// let mut output = [0.0; 2];
    /// plan.run(&[1.0, 10.0, 2.0, 20.0, 6.0, 60.0], &mut output)?;
    /// assert_eq!(output, [3.0, 30.0]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn global(op: Op) -> Self {
        Self { mode: Mode::Global, ..Self::new(op, [1; D]) }
    }

    /// A pooling by `op` to an output of a given size: window `i` of `n` along an axis of `len` elements
    /// has those from `⌊i · len / n⌋` to before `⌈(i + 1) · len / n⌉`, as
    /// [in PyTorch](https://docs.pytorch.org/docs/stable/generated/torch.nn.AdaptiveAvgPool2d.html).
    /// Strides, dilations and paddings have no effect.
    ///
    /// ```
    /// use lanepool::{Layout, Op, Plan, Pool1d, Shape};
    ///
    /// let pool = Pool1d::adaptive(Op::Max, [2]);
    /// let plan: Plan<i8> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [5]))?;
    /// let mut output = [0; 2];
    /// plan.run(&[1, 2, 9, 3, 4], &mut output)?;
    /// assert_eq!(output, [9, 9]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn adaptive(op: Op, output: [usize; D]) -> Self {
        Self { mode: Mode::Adaptive, ..Self::new(op, output) }
    }

    /// Min pooling over windows of `kernel` taps.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Shape};
    ///
    /// let pool = Pool1d::min([2]);
    /// let plan: Plan<i64> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0; 2];
    /// plan.run(&[3, 1, 2], &mut output)?;
    /// assert_eq!(output, [1, 1]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn min(kernel: [usize; D]) -> Self {
        Self::new(Op::Min, kernel)
    }

    /// Sum pooling over windows of `kernel` taps; what an integer type does not hold is its least or greatest
    /// value.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Shape};
    ///
    /// let pool = Pool1d::sum([2]);
    /// let plan: Plan<i8> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0; 2];
    /// plan.run(&[100, 50, 30], &mut output)?;
    /// assert_eq!(output, [127, 80]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn sum(kernel: [usize; D]) -> Self {
        Self::new(Op::Sum, kernel)
    }

    /// Pooling by the norm of exponent `p` over windows of `kernel` taps.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Shape};
    ///
    /// let plan: Plan<f32> =
    ///     Pool1d::lp(2.0, [2]).plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0.0; 2];
    /// plan.run(&[-3.0, 4.0, 3.0], &mut output)?;
    /// assert_eq!(output, [5.0, 5.0]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn lp(p: f64, kernel: [usize; D]) -> Self {
        Self::new(Op::Lp(Exponent::new(p)), kernel)
    }

    /// Elements from one window to the next.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Shape};
    ///
    /// let pool = Pool1d::max([2]).stride([2]);
    /// let plan: Plan<u8> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [4]))?;
    /// let mut output = [0; 2];
    /// plan.run(&[3, 1, 2, 4], &mut output)?;
    /// assert_eq!(output, [3, 4]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn stride(mut self, stride: [usize; D]) -> Self {
        self.stride = stride;
        self
    }

    /// Elements from one tap to the next.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Shape};
    ///
    /// let pool = Pool1d::max([2]).dilation([2]);
    /// let plan: Plan<u8> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [4]))?;
    /// let mut output = [0; 2];
    /// plan.run(&[1, 4, 3, 2], &mut output)?;
    /// assert_eq!(output, [3, 4]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn dilation(mut self, dilation: [usize; D]) -> Self {
        self.dilation = dilation;
        self
    }

    /// So many absent elements before and after each axis.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Shape};
    ///
    /// let pool = Pool1d::max([3]).padding([1]);
    /// let plan: Plan<i8> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0; 3];
    /// plan.run(&[-1, -2, -3], &mut output)?;
    /// assert_eq!(output, [-1, -1, -2]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn padding(self, both: [usize; D]) -> Self {
        self.pad(Padding::Explicit { begin: both, end: both })
    }

    /// Absent elements around the input.
    ///
    /// ```
    /// use lanepool::{Padding, Pool1d};
    ///
    /// let pool = Pool1d::max([3]).stride([2]);
    /// assert_eq!(pool.output_size([6])?, [2]);
    /// assert_eq!(pool.pad(Padding::SameUpper).output_size([6])?, [3]);
    /// let before = Padding::Explicit { begin: [2], end: [0] };
    /// assert_eq!(pool.pad(before).output_size([6])?, [3]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn pad(mut self, padding: Padding<D>) -> Self {
        self.padding = padding;
        self
    }

    /// Whether a last window counts that reaches beyond the padded input, provided that it starts
    /// inside the input or the padding before it (PyTorch's rule, and ONNX's). It has no effect on
    /// padding that is not explicit.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Shape};
    ///
    /// let pool = Pool1d::max([2]).stride([2]).ceil_mode(true);
    /// let plan: Plan<u8> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0; 2];
    /// plan.run(&[3, 1, 2], &mut output)?;
    /// assert_eq!(output, [3, 2]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn ceil_mode(mut self, ceil_mode: bool) -> Self {
        self.ceil_mode = ceil_mode;
        self
    }

    /// What averages are divided by.
    ///
    /// ```
    /// use lanepool::{Divisor, Layout, Plan, Pool1d, Shape};
    ///
    /// let pool = Pool1d::average([3]).padding([1]).divisor(Divisor::FullWindow);
    /// let plan: Plan<f32> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0.0; 3];
    /// plan.run(&[3.0, 6.0, 9.0], &mut output)?;
    /// assert_eq!(output, [3.0, 6.0, 5.0]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn divisor(mut self, divisor: Divisor) -> Self {
        self.divisor = divisor;
        self
    }

    /// How averages of integers are rounded.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Rounding, Shape};
    ///
    /// let pool = Pool1d::average([2]).rounding(Rounding::HalfEven);
    /// let plan: Plan<u8> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0; 2];
    /// plan.run(&[1, 2, 3], &mut output)?;
    /// assert_eq!(output, [2, 2]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn rounding(mut self, rounding: Rounding) -> Self {
        self.rounding = rounding;
        self
    }

    /// What a NaN does to a maximum or a minimum.
    ///
    /// ```
    /// use lanepool::{Layout, NanPolicy, Plan, Pool1d, Shape};
    ///
    /// let pool = Pool1d::max([2]).nan_policy(NanPolicy::Ignore);
    /// let plan: Plan<f32> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0.0; 2];
    /// plan.run(&[1.0, f32::NAN, 2.0], &mut output)?;
    /// assert_eq!(output, [1.0, 2.0]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn nan_policy(mut self, nan_policy: NanPolicy) -> Self {
        self.nan_policy = nan_policy;
        self
    }

    /// What the integers of input and output stand for: those of the output are for the real numbers that the
    /// pooling gives, [rounded](Self::rounding) once to its scale; what is beyond the type is its least or
    /// greatest value. For `i8`, `u8`, `i16`, `u16` and `i32`.
    ///
    /// Padding that a [`Divisor`] counts is the real number 0. Input and output that are quantised alike take
    /// no more time than integers that stand for themselves, where no padding is counted. See
    /// [Semantics](crate::guide::semantics) for where halves go.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Quantization, Shape};
    ///
    /// // From steps of 0.5 around 128 to steps of 0.25 around 0.
    /// let (input, output) = (Quantization::new(0.5, 128), Quantization::new(0.25, 0));
    /// let pool = Pool1d::average([2]).quantized(input, output);
    /// let plan: Plan<u8> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0; 2];
    /// plan.run(&[130, 131, 255], &mut output)?; // 1.0, 1.5, 63.5
    /// assert_eq!(output, [5, 130]); // 1.25, 32.5
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn quantized(mut self, input: Quantization, output: Quantization) -> Self {
        self.quantization = Some([input, output]);
        self
    }

    /// Bounds of the results, for any operation and element type: `clamp(0.0, f64::INFINITY)` is ReLU,
    /// `clamp(0.0, 6.0)` ReLU6. NaN stays NaN.
    ///
    /// Bounds become the nearest values of the type, of integers halves away from zero. If the output is
    /// [quantised](Self::quantized) they are the numbers that its integers stand for, and the integers are
    /// those that TensorFlow Lite finds: the quotient with the scale in `f32`, rounded likewise.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool1d, Quantization, Shape};
    ///
    /// let relu6 = Pool1d::max([1]).clamp(0.0, 6.0);
    /// let plan: Plan<f32> = relu6.plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0.0; 3];
    /// plan.run(&[-1.0, 2.0, 7.0], &mut output)?;
    /// assert_eq!(output, [0.0, 2.0, 6.0]);
    ///
    /// let steps = Quantization::new(0.5, 10);
    /// let plan: Plan<u8> =
    ///     relu6.quantized(steps, steps).plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0; 3];
    /// plan.run(&[8, 14, 24], &mut output)?; // -1.0, 2.0, 7.0
    /// assert_eq!(output, [10, 14, 22]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub const fn clamp(mut self, min: f64, max: f64) -> Self {
        self.clamp = Some(Clamp::new(min, max));
        self
    }

    /// Checks the pooling of a tensor of this layout and shape, and chooses the kernel, from the
    /// best backend ([`Backend::best`]).
    ///
    /// # Errors
    ///
    /// If the description contradicts itself or the shape, if a size overflows, or if
    /// `LANEPOOL_BACKEND` names no backend of this CPU.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool2d, Shape};
    ///
    /// // 16 images of 64 channels of 112 lines of 112 pixels.
    /// let shape = Shape::new(16, 64, [112, 112]);
    /// let plan: Plan<f32> = Pool2d::max([2, 2]).stride([2, 2]).plan(Layout::ChannelsLast, shape)?;
    /// assert_eq!((plan.rows(), plan.row_len()), (16 * 56, 56 * 64));
    ///
    /// let huge = Shape::new(1, usize::MAX, [112, 112]);
    /// let plan: Result<Plan<f32>, _> = Pool2d::max([2, 2]).plan(Layout::ChannelsLast, huge);
    /// assert!(plan.unwrap_err().to_string().starts_with("an input of 1 × "));
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn plan<T: crate::Element>(
        &self,
        layout: Layout,
        shape: Shape<D>,
    ) -> Result<Plan<T>, Error> {
        self.plan_as(Backend::best()?, layout, shape, None, false)
    }

    /// As [`plan`](Self::plan), of an input whose elements lie as far apart as `strides` says: a crop, a
    /// slice of the channels, rows with something after them. The output has no gaps.
    ///
    /// The input of a run starts with the first element of the view and ends with its last:
    /// [`Plan::input_len`] says how long that is. Where the elements of a line are neighbours, or the
    /// channels of a pixel are many, a view is as fast as a tensor without gaps.
    ///
    /// # Errors
    ///
    /// As [`plan`](Self::plan), or if the view reaches further than memory can, or if channels that the
    /// layout has as neighbours are none.
    ///
    /// ```
    /// use lanepool::{Layout, Plan, Pool2d, Shape, Strides};
    ///
    /// // Two by two pixels of an image of three by four, from the second of the second line on.
    /// let image: Vec<u8> = (0..12).collect();
    /// let strides = Strides::of(Layout::ChannelsFirst, Shape::new(1, 1, [3, 4]));
    /// let crop = Shape::new(1, 1, [2, 2]);
    /// let plan: Plan<u8> = Pool2d::max([2, 2]).plan_view(Layout::ChannelsFirst, crop, strides)?;
    /// let mut output = [0];
    /// plan.run(&image[4 + 1..][..plan.input_len()], &mut output)?;
    /// assert_eq!(output, [10]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn plan_view<T: crate::Element>(
        &self,
        layout: Layout,
        shape: Shape<D>,
        strides: Strides<D>,
    ) -> Result<Plan<T>, Error> {
        self.plan_as(Backend::best()?, layout, shape, Some(strides), false)
    }

    /// As [`plan_view`](Self::plan_view), with the kernel from `backend`.
    ///
    /// # Errors
    ///
    /// As [`plan_view`](Self::plan_view), or if this CPU does not support the backend.
    ///
    /// ```
    /// use lanepool::{Backend, Layout, Plan, Pool1d, Shape, Strides};
    ///
    /// // Every other channel of four.
    /// let (layout, all) = (Layout::ChannelsFirst, Shape::new(1, 4, [2]));
    /// let strides = Strides { channels: 4, ..Strides::of(layout, all) };
    /// let plan: Plan<u8> = Pool1d::max([2]).plan_view_on(
    ///     Backend::named("scalar")?,
    ///     layout,
    ///     Shape::new(1, 2, [2]),
    ///     strides,
    /// )?;
    /// let mut output = [0; 2];
    /// plan.run(&[1, 2, 3, 4, 5, 6, 7, 8][..plan.input_len()], &mut output)?;
    /// assert_eq!(output, [2, 6]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn plan_view_on<T: crate::Element>(
        &self,
        backend: &'static Backend,
        layout: Layout,
        shape: Shape<D>,
        strides: Strides<D>,
    ) -> Result<Plan<T>, Error> {
        let backend = Backend::named(backend.name())?;
        self.plan_as(backend, layout, shape, Some(strides), true)
    }

    /// As [`plan`](Self::plan), with the kernel from `backend`.
    ///
    /// # Errors
    ///
    /// As [`plan`](Self::plan), or if this CPU does not support the backend.
    ///
    /// ```
    /// use lanepool::{Backend, Layout, Plan, Pool1d, Shape};
    ///
    /// let backend = Backend::named("scalar")?;
    /// let plan: Plan<f32> =
    ///     Pool1d::average([2]).plan_on(backend, Layout::ChannelsLast, Shape::new(1, 1, [3]))?;
    /// let mut output = [0.0; 2];
    /// plan.run(&[1.0, 2.0, 4.0], &mut output)?;
    /// assert_eq!(output, [1.5, 3.0]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn plan_on<T: crate::Element>(
        &self,
        backend: &'static Backend,
        layout: Layout,
        shape: Shape<D>,
    ) -> Result<Plan<T>, Error> {
        // A backend that is not supported here must not get as far as its kernels.
        let backend = Backend::named(backend.name())?;
        self.plan_as(backend, layout, shape, None, true)
    }

    /// A plan whose backend is supported, and was `named` by the caller or not.
    fn plan_as<T: crate::Element>(
        &self,
        backend: &'static Backend,
        layout: Layout,
        shape: Shape<D>,
        strides: Option<Strides<D>>,
        named: bool,
    ) -> Result<Plan<T>, Error> {
        let geometry = geometry::geometry(self, layout, shape, strides)?;
        let geometry = activation::activated::<T, D>(self, geometry)?;
        let origin = Origin { layout, named };
        Plan::new(geometry, self.op, self.nan_policy, backend, D, origin)
    }

    /// The spatial size of the output for an input of this spatial size.
    ///
    /// # Errors
    ///
    /// As [`plan`](Self::plan).
    ///
    /// ```
    /// use lanepool::Pool2d;
    ///
    /// let pool = Pool2d::max([2, 2]).stride([2, 2]);
    /// assert_eq!(pool.output_size([7, 8])?, [3, 4]);
    /// assert_eq!(pool.ceil_mode(true).output_size([7, 8])?, [4, 4]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn output_size(&self, input: [usize; D]) -> Result<[usize; D], Error> {
        let mut size = [0; D];
        for (i, output) in size.iter_mut().enumerate() {
            *output = geometry::axis(self, i, input[i])?.output;
        }
        Ok(size)
    }

    /// The axis that index `i` of a size stands for.
    pub(crate) fn axis(i: usize) -> Axis {
        [Axis::Depth, Axis::Height, Axis::Width][3 - D + i]
    }
}
