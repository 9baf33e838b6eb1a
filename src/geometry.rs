//! From a description and a shape to sizes that are known to be in order.

use crate::pool::Mode;
use crate::{Divisor, Error, Layout, Op, Padding, Pool};
use core::fmt;
use lanepool_kernels as kernels;
use lanepool_kernels::Geometry;

/// A spatial axis, as errors name it.
///
/// ```
/// use lanepool::{Axis, Error, Pool2d};
///
/// let error = Pool2d::max([2, 2]).stride([1, 0]).output_size([8, 8]).unwrap_err();
/// assert_eq!(error, Error::Zero { axis: Axis::Width, field: "stride" });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Axis {
    /// The first of three.
    Depth,
    /// The last but one.
    Height,
    /// The last, and the only one of one.
    Width,
}

impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Depth => "depth",
            Self::Height => "height",
            Self::Width => "width",
        })
    }
}

/// The sizes of a tensor in elements, whatever its layout.
///
/// ```
/// use lanepool::{Layout, Plan, Pool3d, Shape};
///
/// // Two clips of 3 channels: 16 frames of 112 rows of 112 pixels.
/// let clips = Shape::new(2, 3, [16, 112, 112]);
/// let plan: Plan<f32> = Pool3d::max([2, 2, 2]).plan(Layout::ChannelsFirst, clips)?;
/// assert_eq!(plan.input_len(), 2 * 3 * 16 * 112 * 112);
/// # Ok::<(), lanepool::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape<const D: usize> {
    /// Tensors that are pooled alike; may be 0.
    pub batch: usize,
    /// Channels, which are pooled independently; may be 0.
    pub channels: usize,
    /// Depth, height and width, the last `D` of them.
    pub spatial: [usize; D],
}

impl<const D: usize> Shape<D> {
    /// A shape of these sizes.
    ///
    /// ```
    /// use lanepool::Shape;
    ///
    /// let shape = Shape::new(8, 3, [480, 640]);
    /// assert_eq!((shape.batch, shape.channels, shape.spatial), (8, 3, [480, 640]));
    /// ```
    pub const fn new(batch: usize, channels: usize, spatial: [usize; D]) -> Self {
        Self { batch, channels, spatial }
    }
}

/// Where the elements of an input are: how many from one to the next along each side of the tensor.
///
/// A view of a larger tensor has that one's strides, and a smaller [`Shape`]: see
/// [`Pool::plan_view`]. Strides may be of any order, and 0, which repeats elements; where there is but
/// one element along a side its stride has no effect.
///
/// ```
/// use lanepool::{Layout, Shape, Strides};
///
/// let strides = Strides::of(Layout::ChannelsLast, Shape::new(2, 3, [480, 640]));
/// assert_eq!(strides, Strides { batch: 480 * 640 * 3, channels: 1, spatial: [640 * 3, 3] });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strides<const D: usize> {
    /// From one tensor of the batch to the next.
    pub batch: usize,
    /// From one channel to the next, 1 in [`Layout::ChannelsLast`]; in [`Layout::Blocked`] from one
    /// block to the next.
    pub channels: usize,
    /// From one slice, line and pixel to the next, the last `D` of them. Pooling is fast if in
    /// [`Layout::ChannelsFirst`] the last one is 1.
    pub spatial: [usize; D],
}

impl<const D: usize> Strides<D> {
    /// Those of a tensor without gaps; `usize::MAX` where they overflow.
    ///
    /// ```
    /// use lanepool::{Layout, Shape, Strides};
    ///
    /// let strides = Strides::of(Layout::ChannelsFirst, Shape::new(2, 3, [480, 640]));
    /// assert_eq!(strides, Strides { batch: 3 * 480 * 640, channels: 480 * 640, spatial: [640, 1] });
    /// ```
    pub fn of(layout: Layout, shape: Shape<D>) -> Self {
        Self { batch: 0, channels: 0, spatial: [0; D] }.filled(layout, shape)
    }

    /// The same, but where they are 0 there is no gap after what is inside: for rows that are padded,
    /// it is enough to say how far apart they are.
    ///
    /// ```
    /// use lanepool::{Layout, Shape, Strides};
    ///
    /// let (layout, shape) = (Layout::ChannelsFirst, Shape::new(1, 3, [480, 638]));
    /// let strides = Strides { batch: 0, channels: 0, spatial: [640, 0] }.filled(layout, shape);
    /// assert_eq!(strides, Strides::of(layout, Shape::new(1, 3, [480, 640])));
    /// ```
    #[must_use]
    pub fn filled(self, layout: Layout, shape: Shape<D>) -> Self {
        let (planes, inner) = layout.split(shape.channels);
        let mut inside = inner;
        let mut fill = |stride, size: usize| {
            let stride = if stride == 0 { inside } else { stride };
            inside = stride.saturating_mul(size);
            stride
        };
        let mut spatial = self.spatial;
        for (stride, size) in spatial.iter_mut().zip(shape.spatial).rev() {
            *stride = fill(*stride, size);
        }
        let channels = match layout {
            Layout::ChannelsLast => self.channels.max(1),
            _ => fill(self.channels, planes),
        };
        Self { batch: fill(self.batch, shape.batch), channels, spatial }
    }
}

/// Axis `i` of the pooling of a tensor that has `input` elements along it.
pub(crate) fn axis<const D: usize>(
    pool: &Pool<D>,
    i: usize,
    input: usize,
) -> Result<kernels::Axis, Error> {
    let axis = Pool::<D>::axis(i);
    if pool.mode != Mode::Window {
        return even_axis(axis, input, if pool.mode == Mode::Global { 1 } else { pool.kernel[i] });
    }
    let (kernel, stride, dilation) = (pool.kernel[i], pool.stride[i], pool.dilation[i]);
    for (field, value) in [("kernel", kernel), ("stride", stride), ("dilation", dilation)] {
        if value == 0 {
            return Err(Error::Zero { axis, field });
        }
    }
    if input == 0 {
        return Err(Error::EmptyAxis { axis });
    }
    let (pad_begin, pad_end) = match pool.padding {
        Padding::Explicit { begin, end } => (begin[i], end[i]),
        _ => (0, 0),
    };
    let overflow = Error::Overflow { axis, input, kernel, stride, dilation, pad_begin, pad_end };
    let span = (kernel - 1).checked_mul(dilation).and_then(|n| n.checked_add(1));
    let span = span.ok_or_else(|| overflow.clone())?;
    let sized = |output, pad_begin, pad_end| {
        let axis = kernels::Axis {
            input,
            output,
            kernel,
            stride,
            dilation,
            pad_begin,
            pad_end,
            spread: false,
        };
        if axis.is_sound() { Ok(axis) } else { Err(overflow.clone()) }
    };
    if matches!(pool.padding, Padding::SameUpper | Padding::SameLower) {
        let output = input.div_ceil(stride);
        // The last window starts inside the input, so only its span can overflow.
        let needed = ((output - 1) * stride).checked_add(span).ok_or_else(|| overflow.clone())?;
        let total = needed.saturating_sub(input);
        let (small, large) = (total / 2, total.div_ceil(2));
        return match pool.padding {
            Padding::SameUpper => sized(output, small, large),
            _ => sized(output, large, small),
        };
    }
    let padded = input.checked_add(pad_begin).and_then(|n| n.checked_add(pad_end));
    let padded = padded.ok_or_else(|| overflow.clone())?;
    let Some(spare) = padded.checked_sub(span) else {
        return Err(Error::KernelTooLarge {
            axis,
            kernel,
            dilation,
            span,
            input,
            pad_begin,
            pad_end,
        });
    };
    let floor = spare / stride + 1;
    let explicit = matches!(pool.padding, Padding::Explicit { .. });
    let one_more = explicit
        && pool.ceil_mode
        && spare % stride != 0
        && floor.checked_mul(stride).is_some_and(|start| start < input + pad_begin);
    sized(floor + usize::from(one_more), pad_begin, pad_end)
}

/// An axis of `input` elements with `output` windows spread evenly.
fn even_axis(axis: Axis, input: usize, output: usize) -> Result<kernels::Axis, Error> {
    if output == 0 {
        return Err(Error::Zero { axis, field: "output" });
    }
    if input == 0 {
        return Err(Error::EmptyAxis { axis });
    }
    let twice = output.saturating_mul(2);
    // Windows that a stride tells are taken by more walks.
    let (kernel, stride, pad_begin, spread) = match input / output {
        whole if input.is_multiple_of(output) => (whole, whole, 0, false),
        2 if input == twice + 1 => (3, 2, 0, false),
        1 if input + 1 == twice => (3, 2, 1, false),
        whole => (whole + 2, whole + 2, 0, true),
    };
    let even =
        kernels::Axis { input, output, kernel, stride, pad_begin, spread, ..kernels::Axis::UNIT };
    let overflow =
        Error::Overflow { axis, input, kernel, stride, dilation: 1, pad_begin, pad_end: 0 };
    if even.is_sound() { Ok(even) } else { Err(overflow) }
}

/// The pooling of a whole tensor.
pub(crate) fn geometry<const D: usize>(
    pool: &Pool<D>,
    layout: Layout,
    shape: Shape<D>,
    strides: Option<Strides<D>>,
) -> Result<Geometry, Error> {
    let Shape { batch, channels, spatial } = shape;
    let (image_planes, inner) = layout.split(channels);
    let (channels, block) = match layout {
        Layout::Blocked(0) => return Err(Error::EmptyBlock),
        Layout::Blocked(block) => (image_planes, Some(block)),
        _ => (channels, None),
    };
    let sized = |what, spatial: [usize; D]| {
        let sizes = [batch, channels].into_iter().chain(spatial).chain(block);
        let sizes: Vec<usize> = sizes.collect();
        let product = sizes.iter().try_fold(1usize, |n, &size| n.checked_mul(size.max(1)));
        // As many bytes as a slice can have, of the widest element there is.
        match product.filter(|&n| n <= isize::MAX as usize / size_of::<f64>()) {
            Some(_) => Ok(()),
            None => Err(Error::TooLarge { what, sizes }),
        }
    };
    sized("an input", spatial)?;
    let mut axes = [kernels::Axis::UNIT; 3];
    for (i, &input) in spatial.iter().enumerate() {
        axes[3 - D + i] = axis(pool, i, input)?;
    }
    sized("an output", core::array::from_fn(|i| axes[3 - D + i].output))?;
    let window = || Error::TooLarge { what: "a window", sizes: pool.kernel.to_vec() };
    let taps = pool.kernel.iter().try_fold(1usize, |n, &k| n.checked_mul(k));
    let taps = taps.and_then(|n| i64::try_from(n).ok()).ok_or_else(window)?;
    let divisor = match pool.divisor {
        _ if pool.op == Op::Sum => kernels::Divisor::Constant(1),
        Divisor::IncludePad | Divisor::FullWindow if pool.mode != Mode::Window => {
            kernels::Divisor::Present
        }
        Divisor::ExcludePad => kernels::Divisor::Present,
        Divisor::IncludePad => kernels::Divisor::Padded,
        Divisor::FullWindow => kernels::Divisor::Constant(taps),
        Divisor::Fixed(0) => return Err(Error::ZeroDivisor),
        Divisor::Fixed(n) => kernels::Divisor::Constant(n),
    };
    let planes = batch * image_planes;
    let mut geometry = Geometry::new(planes, axes, inner, divisor).ok_or_else(window)?;
    if let Some(strides) = strides {
        geometry = view(geometry, layout, shape, strides)?;
    }
    if let Op::Lp(p) = pool.op {
        if p.get().is_nan() || p.get() <= 0.0 {
            return Err(Error::Exponent(p));
        }
        geometry = geometry.raised(p.get());
    }
    Ok(geometry.rounded(pool.rounding))
}

/// The same pooling, of an input with these strides.
fn view<const D: usize>(
    geometry: Geometry,
    layout: Layout,
    shape: Shape<D>,
    strides: Strides<D>,
) -> Result<Geometry, Error> {
    let Shape { batch, channels, spatial } = shape;
    let last = layout == Layout::ChannelsLast;
    if last && channels > 1 && strides.channels != 1 {
        return Err(Error::ChannelStride { stride: strides.channels });
    }
    let (image_planes, _) = layout.split(channels);
    let mut sides = [("depth", 1, 0), ("height", 1, 0), ("width", 1, 0)];
    for ((side, size), stride) in sides[3 - D..].iter_mut().zip(spatial).zip(strides.spatial) {
        (side.1, side.2) = (size, stride);
    }
    let [(.., depth), (.., height), (.., width)] = sides;
    let plane = if last { 0 } else { strides.channels };
    let strides = kernels::Strides { image: strides.batch, plane, depth, height, width };
    geometry.strided(image_planes, strides).ok_or_else(|| {
        let outer = [("batch", batch, strides.image), ("channels", image_planes, plane)];
        let reach =
            |&(_, size, stride): &(_, usize, usize)| size.saturating_sub(1).saturating_mul(stride);
        let furthest = outer.into_iter().chain(sides).max_by_key(reach);
        let (side, size, stride) = furthest.unwrap_or_default();
        Error::TooFar { side, size, stride }
    })
}
