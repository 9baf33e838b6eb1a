//! Which elements belong to which window.

use crate::{Rounding, Walk};
use core::ops::Range;

/// One spatial axis: its extent and the windows along it.
///
/// Window `o` has the taps `o * stride + j * dilation - pad_begin` for `j` in `0..kernel`; those
/// outside `0..input` are absent.
///
/// ```
/// use lanepool_kernels::Axis;
///
/// // Two windows of three taps on four elements, with one of padding before them.
/// let axis = Axis { input: 4, output: 2, kernel: 3, stride: 2, pad_begin: 1, ..Axis::UNIT };
/// assert!(axis.is_sound());
/// assert_eq!([axis.taps(0), axis.taps(1)], [1..3, 0..3]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axis {
    /// Elements of the input.
    pub input: usize,
    /// Windows, which is elements of the output.
    pub output: usize,
    /// Taps of a window.
    pub kernel: usize,
    /// Elements from one window to the next.
    pub stride: usize,
    /// Elements from one tap to the next.
    pub dilation: usize,
    /// Absent elements before the input.
    pub pad_begin: usize,
    /// Absent elements after the input.
    pub pad_end: usize,
    /// Whether windows are spread evenly, instead of by the stride: window `o` has the elements from
    /// `⌊o · input / output⌋` to before `⌈(o + 1) · input / output⌉`. The kernel and the stride are at
    /// most one more than `⌈input / output⌉`; there is no dilation and no padding.
    pub spread: bool,
}

impl Axis {
    /// An axis of one element under a window of one tap, for the axes a tensor lacks.
    pub const UNIT: Self = Self {
        input: 1,
        output: 1,
        kernel: 1,
        stride: 1,
        dilation: 1,
        pad_begin: 0,
        pad_end: 0,
        spread: false,
    };

    /// The taps of window `o`, of those that there are, that lie inside the input.
    ///
    /// A call, like some others here: they have no use for the instruction set of a kernel, and would
    /// be much of its code.
    #[inline(never)]
    pub fn taps(&self, o: usize) -> Range<usize> {
        if self.spread {
            return 0..((o + 1) * self.input).div_ceil(self.output) - self.start(o);
        }
        let start = o * self.stride;
        let first = self.taps_within(self.pad_begin.saturating_sub(start));
        let end = self.taps_within((self.input + self.pad_begin).saturating_sub(start));
        first.min(end)..end
    }

    /// The taps of a window that lie before its element `len`.
    #[inline(always)]
    fn taps_within(&self, len: usize) -> usize {
        // Divisions take longer than some rows.
        match self.dilation {
            1 => len.min(self.kernel),
            _ if len == 0 => 0,
            _ if len > (self.kernel - 1) * self.dilation => self.kernel,
            dilation => len.div_ceil(dilation),
        }
    }

    /// Where window `o` starts in the input; before it, the value wraps.
    #[inline(always)]
    pub(crate) fn start(&self, o: usize) -> usize {
        if self.spread {
            return o * self.input / self.output;
        }
        (o * self.stride).wrapping_sub(self.pad_begin)
    }

    /// The windows all of whose taps lie inside the input, as far apart as the stride says.
    #[inline(never)]
    pub(crate) fn interior(&self) -> Range<usize> {
        if self.spread {
            return 0..0;
        }
        // A small tensor is spared the divisions.
        if self.pad_begin == 0 && self.start(self.output - 1) + self.span() <= self.input {
            return 0..self.output;
        }
        let first = self.pad_begin.div_ceil(self.stride);
        let end = match (self.input + self.pad_begin).checked_sub(self.span()) {
            Some(last) => last / self.stride + 1,
            None => 0,
        };
        let end = end.min(self.output);
        first.min(end)..end
    }

    /// Some of the windows as an axis of their own, and the first of the elements that it has, which are those that the
    /// windows need. Not of windows that are spread, nor of any that is all outside.
    pub(crate) fn part(&self, windows: Range<usize>) -> (usize, Self) {
        let (start, last) = (windows.start * self.stride, (windows.end - 1) * self.stride);
        let first = start.saturating_sub(self.pad_begin);
        let end = (last + self.span()).saturating_sub(self.pad_begin).min(self.input);
        let (input, pad_begin) = (end - first, self.pad_begin.saturating_sub(start));
        // What counts goes on for as long as it did.
        let pad_end = self.input + self.pad_begin + self.pad_end - start - pad_begin - input;
        (first, Self { input, output: windows.len(), pad_begin, pad_end, ..*self })
    }

    /// Of `len` elements from `first` on, those inside the input; before it, `first` wraps.
    #[inline(never)]
    pub(crate) fn inside(&self, first: usize, len: usize) -> Range<usize> {
        let before = if first > self.input { first.wrapping_neg().min(len) } else { 0 };
        let inside = self.input.saturating_sub(first.wrapping_add(before));
        before..if before == len { before } else { (before + inside).min(len) }
    }

    /// Whether each window is a single element, which is inside the input.
    pub(crate) fn is_flat(&self) -> bool {
        (self.kernel, self.pad_begin) == (1, 0) && (self.output - 1) * self.stride < self.input
    }

    /// Elements from the first tap of a window to its last, both included.
    #[inline(always)]
    pub(crate) fn span(&self) -> usize {
        (self.kernel - 1) * self.dilation + 1
    }

    /// How many taps of window `o` count towards an average.
    #[inline(always)]
    pub(crate) fn count(&self, o: usize, divisor: Divisor) -> usize {
        match divisor {
            Divisor::Present => self.taps(o).len(),
            Divisor::Padded if self.spread => self.taps(o).len(),
            Divisor::Padded => {
                let room = self.input + self.pad_begin + self.pad_end;
                self.taps_within(room.saturating_sub(o * self.stride))
            }
            Divisor::Constant(_) => self.kernel,
        }
    }

    /// Whether nothing but the paddings is 0, and no position overflows.
    pub fn is_sound(&self) -> bool {
        let positive = [self.input, self.output, self.kernel, self.stride, self.dilation];
        let last_tap = || {
            let start = (self.output - 1).checked_mul(self.stride)?;
            let reach = (self.kernel - 1).checked_mul(self.dilation)?;
            let padded = self.input.checked_add(self.pad_begin)?.checked_add(self.pad_end)?;
            start.checked_add(reach)?.checked_add(padded)
        };
        let spread = || {
            let plain = (self.dilation, self.pad_begin, self.pad_end) == (1, 0, 0);
            let longest = self.input.div_ceil(self.output) + 1;
            let end = self.input.checked_mul(self.output)?;
            (plain && self.stride == self.kernel && self.kernel <= longest).then_some(end)
        };
        let fits = |end: Option<usize>| end.is_some_and(|end| end <= isize::MAX as usize);
        positive.iter().all(|&x| x > 0) && fits(if self.spread { spread() } else { last_tap() })
    }
}

/// What the sum of a window is divided by.
///
/// ```
/// use lanepool_kernels::{Axis, Divisor, Geometry, REFERENCE};
///
/// let pooled = |divisor| {
///     let axis = Axis { input: 2, kernel: 3, pad_begin: 1, ..Axis::UNIT };
///     let geometry = Geometry::new(1, [Axis::UNIT, Axis::UNIT, axis], 1, divisor).unwrap();
///     let mut output = [0.0];
///     (REFERENCE.kernels().f32.mean.unwrap().run)(&geometry, 0..1, &[3.0, 9.0], &mut output);
///     output[0]
/// };
/// assert_eq!(pooled(Divisor::Present), 6.0);
/// assert_eq!(pooled(Divisor::Padded), 4.0);
/// assert_eq!(pooled(Divisor::Constant(2)), 6.0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Divisor {
    /// The number of taps inside the input.
    Present,
    /// The number of taps inside the padded input.
    Padded,
    /// Always the same, not 0.
    Constant(i64),
}

/// Elements of the input from one place to the next along each side of a tensor.
///
/// They may leave gaps, overlap, or be 0, which repeats what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Strides {
    /// From an image to the next.
    pub image: usize,
    /// From a plane to the next of the same image.
    pub plane: usize,
    /// From a slice of a plane to the next.
    pub depth: usize,
    /// From a line to the next.
    pub height: usize,
    /// From a pixel, which is `inner` neighbours, to the next.
    pub width: usize,
}

/// A pooling of whole tensors, with every size checked.
///
/// A tensor is `planes` × depth × height × width × `inner` elements, row-major. Channels first has
/// a plane for each image and channel and an `inner` of 1; channels last has a plane for each image
/// and its channels inside. There are no gaps, unless the input has [strides](Self::strided).
///
/// ```
/// use lanepool_kernels::{Axis, Divisor, Geometry};
///
/// // Five images of three channels of 4 × 6 elements, pooled two by two.
/// let [height, width] =
///     [4, 6].map(|input| Axis { input, output: input / 2, kernel: 2, stride: 2, ..Axis::UNIT });
/// let axes = [Axis::UNIT, height, width];
/// let first = Geometry::new(5 * 3, axes, 1, Divisor::Present).unwrap();
/// assert_eq!((first.rows(), first.row_len()), (5 * 3 * 2, 3));
/// let last = Geometry::new(5, axes, 3, Divisor::Present).unwrap();
/// assert_eq!((last.rows(), last.row_len()), (5 * 2, 3 * 3));
/// assert_eq!([first, last].map(|geometry| geometry.elements()), [5 * 3 * 4 * 6; 2]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Geometry {
    planes: usize,
    axes: [Axis; 3],
    inner: usize,
    /// Where there is but one of something, its stride is that of a tensor without a gap there.
    strides: Strides,
    /// Planes that are as far apart; all of them if images follow each other like their planes.
    image_planes: usize,
    input_len: usize,
    divisor: Divisor,
    rounding: Rounding,
    /// Its bits: an exponent is compared like the rest, it is never NaN.
    exponent: u64,
    requantization: Option<Requantization>,
    /// The bits of both bounds.
    clamp: Option<[u64; 2]>,
    walk: Walk,
    /// Whether another one suits it where vectors can be doubled.
    doubles: bool,
    rows_alike: RowsAlike,
}

/// Which output rows are made alike, found once: for a small tensor, it takes as long as the pooling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct RowsAlike {
    /// The first row of a plane that has all lines, and the one after the last.
    interior: [usize; 2],
    /// Whether there is no depth.
    pub(crate) shallow: bool,
    /// Whether each plane has one row only.
    pub(crate) single: bool,
    /// Whether the first row of a plane has all lines, and is as far from the row before it as all others.
    pub(crate) seamless: bool,
}

impl RowsAlike {
    /// The rows of a plane that have all lines.
    #[inline(always)]
    pub(crate) fn interior(&self) -> Range<usize> {
        self.interior[0]..self.interior[1]
    }
}

/// From the integers that stand for the real numbers of one tensor to those of another.
///
/// An integer `q` stands for the distance from its tensor's zero point, in steps of its scale.
///
/// ```
/// use lanepool_kernels::{Axis, Divisor, Geometry, REFERENCE, Requantization};
///
/// // Steps of 0.5 from 10 on become steps of 0.25 from 20 on.
/// let finer = Requantization::new(0.5 / 0.25, [10, 20]);
/// let geometry = Geometry::new(1, [Axis::UNIT; 3], 1, Divisor::Present).unwrap();
/// let mut output = [0];
/// REFERENCE.kernels().u8.max.pool(&geometry.requantized(finer), 0..1, &[13], &mut output);
/// assert_eq!(output, [26]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Requantization {
    /// The bits of the ratio.
    ratio: u64,
    zero_points: [i32; 2],
}

impl Requantization {
    /// By the ratio of the input's scale to the output's, and the zero points of both.
    pub fn new(ratio: f64, zero_points: [i32; 2]) -> Self {
        Self { ratio: ratio.to_bits(), zero_points }
    }

    /// How many steps of the output are one of the input.
    pub fn ratio(&self) -> f64 {
        f64::from_bits(self.ratio)
    }

    /// What stands for 0 in the input, and in the output.
    pub fn zero_points(&self) -> [i32; 2] {
        self.zero_points
    }

    /// Whether an integer stands for the same number in both.
    ///
    /// ```
    /// use lanepool_kernels::Requantization;
    ///
    /// assert!(Requantization::new(1.0, [7, 7]).is_identity());
    /// assert!(!Requantization::new(1.0, [7, 8]).is_identity());
    /// ```
    pub fn is_identity(&self) -> bool {
        let [input, output] = self.zero_points;
        self.ratio() == 1.0 && input == output
    }
}

impl Geometry {
    /// Describes a pooling along `axes` (depth, height, width).
    ///
    /// Returns `None` if an extent of an axis is 0 (paddings aside), if the divisor is 0, or if
    /// a size or a position overflows.
    ///
    /// ```
    /// use lanepool_kernels::{Axis, Divisor, Geometry};
    ///
    /// let axis = Axis { input: 4, output: 2, kernel: 2, stride: 2, ..Axis::UNIT };
    /// let geometry = Geometry::new(3, [Axis::UNIT, axis, axis], 1, Divisor::Present).unwrap();
    /// assert_eq!(geometry.input_len(), 3 * 4 * 4);
    /// assert_eq!(geometry.output_len(), 3 * 2 * 2);
    /// ```
    pub fn new(planes: usize, axes: [Axis; 3], inner: usize, divisor: Divisor) -> Option<Self> {
        let bytes = |sizes: [usize; 3]| {
            let elements = [planes.max(1), inner.max(1), size_of::<f64>()];
            let all = sizes.into_iter().chain(elements);
            all.into_iter()
                .try_fold(1usize, usize::checked_mul)
                .filter(|&n| n <= isize::MAX as usize)
        };
        bytes(axes.map(|axis| axis.input))?;
        bytes(axes.map(|axis| axis.output))?;
        axes.iter().try_fold(1usize, |n, axis| n.checked_mul(axis.kernel))?;
        if !axes.iter().all(Axis::is_sound) || divisor == Divisor::Constant(0) {
            return None;
        }
        let geometry = Self {
            planes: 0,
            axes,
            inner,
            strides: Strides { image: 0, plane: 0, depth: 0, height: 0, width: 0 },
            image_planes: 0,
            input_len: 0,
            divisor,
            rounding: Rounding::default(),
            exponent: 0,
            requantization: None,
            clamp: None,
            walk: Walk::Down,
            doubles: false,
            rows_alike: RowsAlike::default(),
        };
        Some(geometry.of_part(planes, axes, inner))
    }

    /// The same pooling, having found the walk that suits it: to find it takes longer than a small plane.
    fn walked(self) -> Self {
        let walk = Walk::suited_to::<f32>(&self);
        let doubles = Walk::doubles(walk, &self);
        Self { walk, doubles, rows_alike: self.find_rows_alike(), ..self }
    }

    fn find_rows_alike(&self) -> RowsAlike {
        let [depth, height, _] = &self.axes;
        let interior = height.interior();
        RowsAlike {
            shallow: (depth.input, depth.output, depth.kernel, depth.pad_begin) == (1, 1, 1, 0),
            single: (depth.output, height.output) == (1, 1),
            seamless: interior == (0..height.output)
                && self.follow_after(height.output.wrapping_mul(height.stride))
                && (depth.kernel, depth.stride, depth.pad_begin) == (1, 1, 0)
                && depth.input == depth.output,
            interior: [interior.start, interior.end],
        }
    }

    /// See [`RowsAlike`].
    #[inline(always)]
    pub(crate) fn rows_alike(&self) -> &RowsAlike {
        &self.rows_alike
    }

    /// The same pooling, of an input with these strides, whose images have so many planes each.
    ///
    /// Returns `None` if the planes are not those of whole images, or if the last element is beyond
    /// what a slice can have.
    ///
    /// ```
    /// use lanepool_kernels::{Axis, Divisor, Geometry, Strides};
    ///
    /// // The left half of an image of 4 lines of 6 elements.
    /// let [height, width] = [4, 3].map(|input| Axis { input, output: input, ..Axis::UNIT });
    /// let half = Geometry::new(1, [Axis::UNIT, height, width], 1, Divisor::Present).unwrap();
    /// let strides = Strides { image: 24, plane: 24, depth: 24, height: 6, width: 1 };
    /// assert_eq!(half.strided(1, strides).unwrap().input_len(), 3 * 6 + 3);
    /// ```
    #[must_use]
    pub fn strided(self, image_planes: usize, strides: Strides) -> Option<Self> {
        let images = self.planes.checked_div(image_planes).unwrap_or(0);
        if images * image_planes != self.planes {
            return None;
        }
        let [depth, height, width] = self.axes.map(|axis| axis.input);
        let Strides { image, plane, depth: slice, height: line, width: pixel } = strides;
        let sides = [
            (width, pixel),
            (height, line),
            (depth, slice),
            (image_planes, plane),
            (images, image),
        ];
        let (mut len, mut inside, mut steps) = (self.inner, self.inner, [0; 5]);
        for (step, (extent, stride)) in steps.iter_mut().zip(sides) {
            *step = if extent > 1 { stride } else { inside };
            let reach = extent.saturating_sub(1).checked_mul(*step)?;
            len =
                len.checked_add(reach).filter(|&n| n <= isize::MAX as usize / size_of::<f64>())?;
            inside = extent * *step;
        }
        let [width, height, depth, plane, image] = steps;
        let (image_planes, image) = if image == image_planes * plane {
            (self.planes, self.planes * plane)
        } else {
            (image_planes, image)
        };
        let strides = Strides { image, plane, depth, height, width };
        let input_len = if self.planes * self.inner == 0 { 0 } else { len };
        Some(Self { strides, image_planes, input_len, ..self }.walked())
    }

    /// Some windows of a row, where each plane has but one: as a geometry of their own, and where the first of the elements that
    /// they need is in the input. None if windows are uneven, or wholly in padding.
    ///
    /// ```
    /// use lanepool_kernels::{Axis, Divisor, Geometry};
    ///
    /// // Two of the lines of stereo sound, channels last, under windows of 4, 4 apart.
    /// let width = Axis { input: 400, output: 100, kernel: 4, stride: 4, ..Axis::UNIT };
    /// let sound = Geometry::new(2, [Axis::UNIT, Axis::UNIT, width], 2, Divisor::Present).unwrap();
    /// let (start, part) = sound.part_of_row(1, 25..50).unwrap();
    /// assert_eq!((start, part.input_len(), part.output_len()), (800 + 200, 200, 50));
    /// ```
    pub fn part_of_row(&self, row: usize, windows: Range<usize>) -> Option<(usize, Self)> {
        let [depth, height, width] = self.axes;
        let last = (width.output - 1) * width.stride;
        let inside = width.pad_begin < width.span() && last < width.input + width.pad_begin;
        if depth.output * height.output > 1 || width.spread || !inside || windows.is_empty() {
            return None;
        }
        let (column, width) = width.part(windows);
        let start = self.plane_start(row) + column * self.strides.width;
        let part = Self { planes: 1, axes: [depth, height, width], ..*self };
        Some((start, part.strided(1, self.strides)?))
    }

    /// The same pooling of some planes, which follow each other without a gap, and of nothing but numbers; of other axes, as
    /// those of [parts](Axis::part) are, and so many neighbours.
    #[inline(never)]
    pub(crate) fn of_part(&self, planes: usize, axes: [Axis; 3], inner: usize) -> Self {
        let [depth, height, width] = axes.map(|axis| axis.input);
        let line = width * inner;
        let plane = depth * height * line;
        let strides = Strides {
            image: planes * plane,
            plane,
            depth: height * line,
            height: line,
            width: inner,
        };
        let (input_len, image_planes) = (planes * plane, planes);
        Self {
            planes,
            axes,
            inner,
            strides,
            image_planes,
            input_len,
            requantization: None,
            clamp: None,
            ..*self
        }
        .walked()
    }

    /// Independent tensors one after the other.
    pub fn planes(&self) -> usize {
        self.planes
    }

    /// Depth, height and width.
    pub fn axes(&self) -> &[Axis; 3] {
        &self.axes
    }

    /// Neighbouring elements that are pooled alike, independently.
    pub fn inner(&self) -> usize {
        self.inner
    }

    /// Elements of the input from one place to the next.
    pub fn strides(&self) -> Strides {
        self.strides
    }

    /// Planes of an image; those of all images if these follow each other like their planes.
    pub fn image_planes(&self) -> usize {
        self.image_planes
    }

    /// Whether the input has no gaps, and no element twice.
    pub fn is_plain(&self) -> bool {
        let plain = Self::new(self.planes, self.axes, self.inner, self.divisor);
        plain.is_some_and(|plain| plain.strides == self.strides)
    }

    /// What sums are divided by.
    pub fn divisor(&self) -> Divisor {
        self.divisor
    }

    /// How averages of integers are rounded.
    pub fn rounding(&self) -> Rounding {
        self.rounding
    }

    /// The walk that suits the windows where a kernel has all of them.
    pub(crate) fn walk(&self) -> Walk {
        if self.doubles { Walk::Doubled } else { self.walk }
    }

    /// The same where vectors can not be [doubled](Walk::Doubled).
    pub(crate) fn undoubled_walk(&self) -> Walk {
        self.walk
    }

    /// The exponent `p` of [`norm_p`](crate::Norms::norm_p).
    pub fn exponent(&self) -> f64 {
        f64::from_bits(self.exponent)
    }

    /// How the input's integers become those of the output, if they stand for other numbers there.
    pub fn requantization(&self) -> Option<&Requantization> {
        self.requantization.as_ref()
    }

    /// The same pooling, with an output of other scale or zero point than the input: of `i8`, `u8`, `i16`, `u16`
    /// and `i32`, others stay what they are.
    #[must_use]
    pub fn requantized(self, requantization: Requantization) -> Self {
        Self { requantization: Some(requantization), ..self }
    }

    /// The bounds of the results, if there are any.
    pub fn clamp(&self) -> Option<[f64; 2]> {
        Some(self.clamp?.map(f64::from_bits))
    }

    /// The same pooling, with results that lie between two bounds: the values of the element type that are
    /// nearest to these, of integers halves away from zero.
    ///
    /// ```
    /// use lanepool_kernels::{Axis, Divisor, Geometry, REFERENCE};
    ///
    /// let geometry = Geometry::new(1, [Axis::UNIT; 3], 1, Divisor::Present).unwrap();
    /// let mut output = [0];
    /// REFERENCE.kernels().i8.max.pool(&geometry.clamped(0.0, 6.0), 0..1, &[-3], &mut output);
    /// assert_eq!(output, [0]);
    /// ```
    #[must_use]
    pub fn clamped(self, min: f64, max: f64) -> Self {
        Self { clamp: Some([min, max].map(f64::to_bits)), ..self }
    }

    /// Whether [`Kernel::activate`](crate::Kernel::activate) has anything to do.
    #[inline(always)]
    pub(crate) fn is_activated(&self) -> bool {
        self.requantization.is_some() || self.clamp.is_some()
    }

    /// The same pooling, with this exponent of norms.
    ///
    /// ```
    /// use lanepool_kernels::{Axis, Divisor, Geometry};
    ///
    /// let geometry = Geometry::new(1, [Axis::UNIT; 3], 1, Divisor::Constant(1)).unwrap();
    /// assert_eq!(geometry.raised(3.0).exponent(), 3.0);
    /// ```
    #[must_use]
    pub fn raised(self, exponent: f64) -> Self {
        Self { exponent: exponent.to_bits(), ..self }
    }

    /// The same pooling, with averages of integers rounded so.
    ///
    /// ```
    /// use lanepool_kernels::{Axis, Divisor, Geometry, Rounding};
    ///
    /// let geometry = Geometry::new(1, [Axis::UNIT; 3], 1, Divisor::Present).unwrap();
    /// assert_eq!(geometry.rounding(), Rounding::HalfAwayFromZero);
    /// assert_eq!(geometry.rounded(Rounding::HalfEven).rounding(), Rounding::HalfEven);
    /// ```
    #[must_use]
    pub fn rounded(self, rounding: Rounding) -> Self {
        Self { rounding, ..self }
    }

    /// Elements of the input, from the first to the last that there is.
    pub fn input_len(&self) -> usize {
        self.input_len
    }

    /// Elements of the input that there are, without those in gaps.
    pub fn elements(&self) -> usize {
        let [depth, height, width] = self.axes.map(|axis| axis.input);
        (self.planes * depth * height * width * self.inner).min(self.input_len)
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        self.rows() * self.row_len()
    }

    /// Rows of the output, the unit in which work is split: one for each plane, depth and height.
    pub fn rows(&self) -> usize {
        self.planes * self.axes[0].output * self.axes[1].output
    }

    /// Output rows of about so many elements, of an output that has some: of small planes, those of whole ones.
    pub(crate) fn rows_of(&self, elements: usize) -> usize {
        let (plane, row_len) = (self.rows() / self.planes, self.row_len());
        match elements / (plane * row_len) {
            0 => elements.div_ceil(row_len),
            planes => planes * plane,
        }
    }

    /// Elements of an output row.
    pub fn row_len(&self) -> usize {
        self.axes[2].output * self.inner
    }

    /// The taps of a window.
    pub(crate) fn taps(&self) -> usize {
        self.axes.iter().map(|axis| axis.kernel).product()
    }

    /// Whether the elements of a line are neighbours, each pooled by itself.
    pub(crate) fn is_single(&self) -> bool {
        (self.inner, self.strides.width) == (1, 1)
    }

    /// Whether all slices of all planes follow each other, as if each had so many lines.
    pub(crate) fn follow_after(&self, lines: usize) -> bool {
        let Strides { plane, depth, height, .. } = self.strides;
        depth == height.wrapping_mul(lines)
            && plane == depth.wrapping_mul(self.axes[0].input)
            && self.image_planes == self.planes
    }

    /// Where a plane starts in the input.
    #[inline(always)]
    pub(crate) fn plane_start(&self, plane: usize) -> usize {
        // Divisions take longer than some rows, and mostly all planes are as far apart.
        if plane < self.image_planes {
            return plane * self.strides.plane;
        }
        plane / self.image_planes * self.strides.image
            + plane % self.image_planes * self.strides.plane
    }

    /// Where in the input the slice is that the windows of a plane at some depth start with.
    #[inline(always)]
    pub(crate) fn slice_start(&self, (plane, z): (usize, usize)) -> usize {
        self.plane_start(plane) + self.axes[0].start(z) * self.strides.depth
    }

    /// The plane and the depth of the windows after those.
    #[inline(always)]
    pub(crate) fn slice_after(&self, (plane, z): (usize, usize)) -> (usize, usize) {
        if z + 1 == self.axes[0].output { (plane + 1, 0) } else { (plane, z + 1) }
    }

    /// How many planes there are from this one on that are as far apart.
    pub(crate) fn planes_alike(&self, plane: usize) -> usize {
        self.image_planes
            - if plane < self.image_planes { plane } else { plane % self.image_planes }
    }

    /// Elements from one tap to the next, along width, depth and height. A tap that is the only one
    /// may be an absurd step away from the next: that wraps.
    #[inline(always)]
    pub(crate) fn tap_strides(&self) -> [usize; 3] {
        let [depth, height, width] = &self.axes;
        [
            width.dilation.wrapping_mul(self.strides.width),
            depth.dilation.wrapping_mul(self.strides.depth),
            height.dilation.wrapping_mul(self.strides.height),
        ]
    }

    /// Where the windows of an output row start, along depth and height; before the input, it
    /// wraps.
    #[inline(always)]
    pub(crate) fn origin(&self, plane: usize, z: usize, y: usize) -> usize {
        let [depth, height, _] = &self.axes;
        self.plane_start(plane)
            .wrapping_add(depth.start(z).wrapping_mul(self.strides.depth))
            .wrapping_add(height.start(y).wrapping_mul(self.strides.height))
    }

    /// The plane, depth and height of an output row.
    #[inline(never)]
    pub(crate) fn position(&self, row: usize) -> (usize, usize, usize) {
        let [depth, height, _] = &self.axes;
        // A small tensor is spared the divisions.
        if row == 0 {
            return (0, 0, 0);
        }
        (
            row / height.output / depth.output,
            row / height.output % depth.output,
            row % height.output,
        )
    }

    /// What the sum of a window is divided by, given its place along each axis; an empty window,
    /// whose sum is 0, is divided by 1.
    #[inline(always)]
    pub(crate) fn divide_by(&self, window: [usize; 3]) -> i64 {
        match self.divisor {
            Divisor::Constant(n) => n,
            _ => self.counted(window),
        }
    }

    /// Divisors in the first row of a plane, in those between and in the last, of the first, of others, and of the last
    /// window.
    #[inline(never)]
    pub(crate) fn divisors(&self) -> [[i64; 3]; 3] {
        let places = |axis: usize| [0, 1, self.axes[axis].output - 1];
        places(1).map(|y| places(2).map(|x| self.divide_by([0, y, x])))
    }

    /// Whether all sums are divided by the same odd number, which is not so large that it is rounded.
    #[inline(never)]
    pub(crate) fn divides_by_odd(&self) -> bool {
        let ends = |axis: &Axis| [0, axis.output - 1].map(|o| axis.count(o, self.divisor));
        let divisor = match self.divisor {
            Divisor::Constant(n) => n.unsigned_abs() as usize,
            // Of all windows, the first and the last ones have the fewest taps.
            _ if self.axes.iter().any(|axis| axis.spread || ends(axis) != [axis.kernel; 2]) => 0,
            _ => self.taps(),
        };
        divisor % 2 != 0 && divisor < 1 << 16
    }

    /// How many taps of a window count, or 1.
    #[inline(never)]
    fn counted(&self, window: [usize; 3]) -> i64 {
        let counts = self.axes.iter().zip(window).map(|(axis, o)| axis.count(o, self.divisor));
        counts.product::<usize>().max(1) as i64
    }

    /// Fails loudly unless the buffers are as long as the geometry says.
    ///
    /// Every raw load and store of a kernel relies on this, and on nothing else.
    ///
    /// # Panics
    ///
    /// If a length does not match, or `rows` is not inside the output.
    #[inline(always)]
    pub(crate) fn assert_fits<T>(&self, rows: &Range<usize>, input: &[T], output: &[T]) {
        assert!(rows.start <= rows.end && rows.end <= self.rows(), "rows inside the output");
        assert_eq!(input.len(), self.input_len(), "length of the input");
        assert_eq!(output.len(), rows.len() * self.row_len(), "length of the output");
    }
}
