use crate::{Axis, Clamp, Exponent, Op, Quantization};
use lanepool_kernels::NoSuchBackend;

/// Why a pooling could not be planned or run. Nothing has been written when one is returned.
///
/// ```
/// use lanepool::{Axis, Error, Layout, Plan, Pool2d, Shape};
///
/// let shape = Shape::new(1, 8, [32, 2]);
/// let plan: Result<Plan<f32>, Error> = Pool2d::max([3, 3]).plan(Layout::ChannelsFirst, shape);
/// let error = plan.unwrap_err();
/// assert!(matches!(error, Error::KernelTooLarge { axis: Axis::Width, kernel: 3, input: 2, .. }));
/// assert_eq!(
///     error.to_string(),
///     "width: a kernel of 3 with dilation 1 spans 3 elements, but the padded input has 2 (0 + 2 + 0)"
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A kernel, stride or dilation of 0.
    #[error("{axis}: a {field} of 0")]
    Zero {
        /// The axis.
        axis: Axis,
        /// What is 0: `"kernel"`, `"stride"`, `"dilation"`, or `"output"` of an adaptive pooling.
        field: &'static str,
    },
    /// A spatial axis without elements.
    #[error("{axis}: an input of 0 elements")]
    EmptyAxis {
        /// The axis.
        axis: Axis,
    },
    /// A window that does not fit the padded input.
    #[error(
        "{axis}: a kernel of {kernel} with dilation {dilation} spans {span} elements, \
         but the padded input has {} ({pad_begin} + {input} + {pad_end})",
        pad_begin + input + pad_end
    )]
    KernelTooLarge {
        /// The axis.
        axis: Axis,
        /// Taps.
        kernel: usize,
        /// Elements from one tap to the next.
        dilation: usize,
        /// Elements from the first tap to the last, both included.
        span: usize,
        /// Elements of the input.
        input: usize,
        /// Padding before them.
        pad_begin: usize,
        /// Padding after them.
        pad_end: usize,
    },
    /// Positions along an axis that do not fit a `usize`.
    #[error(
        "{axis}: an input of {input}, a kernel of {kernel}, a stride of {stride}, a dilation of \
         {dilation} and a padding of {pad_begin} and {pad_end} overflow"
    )]
    Overflow {
        /// The axis.
        axis: Axis,
        /// Elements of the input.
        input: usize,
        /// Taps.
        kernel: usize,
        /// Elements from one window to the next.
        stride: usize,
        /// Elements from one tap to the next.
        dilation: usize,
        /// Padding before the input.
        pad_begin: usize,
        /// Padding after it.
        pad_end: usize,
    },
    /// A product of sizes that does not fit the address space.
    #[error("{what} of {} elements is too large", sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(" × "))]
    TooLarge {
        /// What is too large: `"an input"`, `"an output"` or `"a window"`.
        what: &'static str,
        /// Its sizes: for tensors batch, channels and the spatial axes; if channels are in blocks, their
        /// number, and last the channels of a block.
        sizes: Vec<usize>,
    },
    /// Elements of a view that are further apart than memory is long.
    #[error("{side}: {size} with a stride of {stride} reach further than memory can")]
    TooFar {
        /// The side of the tensor along which they are: `"batch"`, `"channels"`, `"depth"`, `"height"` or
        /// `"width"`.
        side: &'static str,
        /// How many there are; of blocks of channels, the number of blocks.
        size: usize,
        /// Elements from one to the next.
        stride: usize,
    },
    /// Channels that are not neighbours, where the layout has them last.
    #[error("channels: a stride of {stride}, but in channels last they are neighbours")]
    ChannelStride {
        /// Elements from one to the next.
        stride: usize,
    },
    /// [`Layout::Blocked(0)`](crate::Layout::Blocked).
    #[error("blocks of 0 channels")]
    EmptyBlock,
    /// [`Divisor::Fixed(0)`](crate::Divisor::Fixed).
    #[error("a fixed divisor of 0")]
    ZeroDivisor,
    /// An exponent of a norm that is not greater than 0.
    #[error("a norm with an exponent of {}, which is not greater than 0", .0.get())]
    Exponent(Exponent),
    /// A scale that is not a finite number greater than 0.
    #[error("{tensor}: a scale of {}, which is not a finite number greater than 0", quantization.scale())]
    Scale {
        /// `"input"` or `"output"`.
        tensor: &'static str,
        /// The scale and its zero point.
        quantization: Quantization,
    },
    /// A zero point that is no value of the element type.
    #[error("{tensor}: a zero point of {zero_point}, which no {element} is")]
    ZeroPoint {
        /// `"input"` or `"output"`.
        tensor: &'static str,
        /// The zero point.
        zero_point: i32,
        /// The name of the type.
        element: &'static str,
    },
    /// A type that cannot be quantised.
    #[error("quantised {element}: i8, u8, i16, u16 and i32 may be quantised")]
    NotQuantized {
        /// The name of the type.
        element: &'static str,
    },
    /// Bounds one of which is NaN, or the first of which is greater than the second.
    #[error("a clamp from {} to {}, which nothing is between", .0.min(), .0.max())]
    Clamp(Clamp),
    /// An operation that there is not for an element type.
    #[error(
        "{op:?} of {element}: averages and sums are not for u32 and i64, norms are for floating-point numbers"
    )]
    Unsupported {
        /// The operation.
        op: Op,
        /// The name of the type.
        element: &'static str,
    },
    /// A buffer whose length is not that of the plan.
    #[error("the {buffer} has {actual} elements, but the plan needs {expected}")]
    Length {
        /// `"input"` or `"output"`.
        buffer: &'static str,
        /// Elements that the plan needs.
        expected: usize,
        /// Elements that there are.
        actual: usize,
    },
    /// A buffer of bytes whose length is not that of the plan.
    #[error("the {buffer} has {actual} bytes, but the plan needs {expected}")]
    ByteLength {
        /// `"input"` or `"output"`.
        buffer: &'static str,
        /// Bytes that the plan needs.
        expected: usize,
        /// Bytes that there are.
        actual: usize,
    },
    /// A buffer of bytes that does not start where an element can.
    #[error("the {buffer} starts at {address:#x}, which is not a multiple of {align}")]
    Misaligned {
        /// `"input"` or `"output"`.
        buffer: &'static str,
        /// Its address.
        address: usize,
        /// What the addresses of elements are multiples of.
        align: usize,
    },
    /// Rows that the output does not have.
    #[error("rows {start} to {end} of an output of {rows} rows")]
    Rows {
        /// The first row asked for.
        start: usize,
        /// The row after the last one asked for.
        end: usize,
        /// How many there are.
        rows: usize,
    },
    /// An array of another number of axes than batch, channels and the spatial ones.
    #[cfg(feature = "ndarray")]
    #[error("an array of {actual} axes, where batch, channels and the spatial ones are {expected}")]
    Axes {
        /// Axes that the pooling needs.
        expected: usize,
        /// Axes that there are.
        actual: usize,
    },
    /// An array with gaps inside of its images, or whose elements lie backwards.
    #[cfg(feature = "ndarray")]
    #[error(
        "an array of shape {shape:?} with strides {strides:?}, where the elements of an image do not lie one \
         after the other"
    )]
    Strides {
        /// Its sizes.
        shape: Vec<usize>,
        /// Elements from one to the next along each axis.
        strides: Vec<isize>,
    },
    /// A backend that does not exist or is not supported by this CPU.
    #[error(transparent)]
    Backend(#[from] NoSuchBackend),
}
