//! Which walk takes which windows.

use crate::across::{self, Across};
use crate::activate::Scaling;
use crate::doubled::{self, Doubled};
use crate::down::{self, Down, WIDE, down};
use crate::flat::{self, flat};
use crate::global::{self, Global};
use crate::halved::{self, Halved};
use crate::level::{self, Level};
use crate::number::{Byte, Element, SummedShort};
use crate::paired::{self, paired};
use crate::phased::{self, phased};
use crate::picked::{self, Picked};
use crate::pixels::{self, Pixels};
use crate::planes::{self, Planes};
use crate::reduction::{Reduction, RequantizedMean};
use crate::rows::{self, Rows};
use crate::scans::{self, Scans};
use crate::shared::{self, Shared};
use crate::simd::{Memory, TURNED, quantizing::Quantizing, scalar::Scalar};
use crate::strips::{self, Strips};
use crate::turned::{self, Turned};
use crate::whole::{self, Whole};
use crate::{Axis, Divisor, Geometry};
use core::ops::Range;

/// A way over the windows of a tensor.
///
/// ```
/// use lanepool_kernels::{Axis, Divisor, Geometry, Walk};
///
/// let axis = Axis { input: 28, output: 14, kernel: 2, stride: 2, ..Axis::UNIT };
/// let axes = [Axis::UNIT, axis, axis];
/// let [first, last] =
///     [(64, 1), (1, 64)].map(|(planes, inner)| Geometry::new(planes, axes, inner, Divisor::Present));
/// assert_eq!(Walk::of(&first.unwrap()), Walk::Rows);
/// assert_eq!(Walk::of(&last.unwrap()), Walk::Down);
/// println!("{}", Walk::Rows.reason());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Walk {
    /// Runs of neighbours pooled alike, each tap a run.
    Down,
    /// Pixels along a row, under small windows that overlap.
    Pixels,
    /// Strips of planes of single elements, under windows of three by three, one apart.
    Strips,
    /// The same strips of bytes, averaged, pairs of which are added at once.
    Paired,
    /// Planes as if they were one line, averaged under windows of three by three, one apart.
    Flat,
    /// Narrow planes of single elements, under windows of three by three, two apart.
    Halved,
    /// Rows of single elements under small windows, in registers.
    Rows,
    /// Rows of single elements or of pixels of a few, merged down the columns and then across.
    Across,
    /// Windows of some elements of a line, one or two apart: neighbours are merged in registers.
    Doubled,
    /// Large windows that overlap, from subtrees that they share.
    Shared,
    /// The largest or smallest of windows like that, of pixels, from scans forwards and backwards.
    Scans,
    /// The same on small planes, one in each lane.
    Planes,
    /// Windows far apart over single elements, several at a time.
    Whole,
    /// A single window over all of a plane.
    Global,
    /// Uneven windows over single elements, or small ones far apart, a row in each lane.
    Turned,
    /// Windows of a few columns over narrow planes of single elements, wherever they start.
    Picked,
    /// Rows of single elements, merged down the columns and then across, any distance apart.
    Phased,
    /// Elements turned into `f32`, or into the negative numbers, and pooled as such, a part after the other.
    Widened,
    /// One window after the other.
    Each,
}

/// The most taps for which the product of two counts is exact in an `f32`.
pub(crate) const EXACT: usize = 1 << 24;

impl Walk {
    /// The walk that suits a geometry, where a kernel has all of them: a maximum or an average of `f32`.
    /// [`Kernel::walk`](crate::Kernel::walk) is the one that a kernel takes.
    pub fn of(geometry: &Geometry) -> Self {
        geometry.walk()
    }

    /// Whether [`Doubled`](Self::Doubled) suits a geometry better than a walk.
    pub(crate) fn doubles(walk: Self, geometry: &Geometry) -> bool {
        matches!(walk, Self::Down | Self::Shared | Self::Across) && doubled::suits(geometry)
    }

    /// The walk that suits a geometry, but for [`Doubled`](Self::Doubled), of elements of type `T`, which has all walks.
    pub(crate) fn suited_to<T: Element>(geometry: &Geometry) -> Self {
        let taps = geometry.taps();
        if global::fits(geometry) {
            Self::Global
        } else if geometry.axes().iter().any(|axis| axis.spread) {
            match planes::fits(geometry) {
                true => Self::Planes,
                false => Self::general::<T>(geometry),
            }
        } else if suits_few::<T>(geometry)
            || geometry.is_single()
                && across::fits_apart(geometry.axes())
                && !rows::fits(geometry.axes())
                && taps <= EXACT
        {
            Self::Across
        } else if turned::suits(geometry) && !rows::fits(geometry.axes()) && taps <= EXACT {
            Self::Turned
        } else if !rows::fits(geometry.axes()) && down::fits_line(geometry.axes()) {
            Self::Down
        } else if halved::fits(geometry) {
            Self::Halved
        } else if planes::fits(geometry)
            && match geometry.is_single() {
                true => !strips::fits(geometry.axes()) && !rows::fits(geometry.axes()),
                false => !pixels::fits(geometry.axes()) && taps > 16,
            }
        {
            Self::Planes
        } else if shared::fits(geometry) && taps <= EXACT {
            Self::Shared
        } else if !geometry.is_single()
            && (pixels::fits(geometry.axes()) || pixels::fits_few(geometry))
        {
            Self::Pixels
        } else if !geometry.is_single() {
            Self::Down
        } else if strips::fits(geometry.axes()) {
            Self::Strips
        } else if rows::fits(geometry.axes()) && taps <= EXACT {
            Self::Rows
        } else {
            Self::general::<T>(geometry)
        }
    }

    /// The walk that suits a geometry, of those that there are for `T`.
    fn of_type<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(geometry: &Geometry) -> Self {
        let Axis { kernel, stride, .. } = geometry.axes()[2];
        if T::ALL_WALKS
            && Self::of(geometry) == Self::Doubled
            && doubled::fits::<T, S>(geometry, R::ORDERED)
        {
            return Self::Doubled;
        }
        let walk = match geometry.undoubled_walk() {
            // How many channels are few, and lanes enough for windows far apart, depends on how long they are.
            Self::Across if const { T::ALL_WALKS && !is_usual::<T>() } => {
                match geometry.is_single() {
                    true => Self::general::<T>(geometry),
                    false => Self::suited_to::<T>(geometry),
                }
            }
            walk => walk,
        };
        match walk {
            Self::Pixels if pixels::is_dilated(geometry.axes()) && geometry.inner() < S::N => {
                Self::Down
            }
            Self::Halved if halved::takes::<T, S>(geometry) => Self::Halved,
            Self::Halved => Self::Rows,
            Self::Planes | Self::Turned if picked::fits::<T, S>(geometry) => Self::Picked,
            Self::Across
                if const { !R::ORDERED && T::ALL_WALKS }
                    && shared::fits_extrema::<T::Acc>(geometry) =>
            {
                Self::Shared
            }
            Self::Shared if !R::ORDERED && T::ALL_WALKS && scans::fits::<T, S>(geometry) => {
                Self::Scans
            }
            Self::Shared
                if const { size_of::<T::Acc>() != size_of::<f32>() }
                    && !shared::has_room::<T::Acc>(geometry) =>
            {
                Self::general::<T>(geometry)
            }
            Self::Strips
                if const { S::N < strips::DILATION } && geometry.axes()[2].dilation > 1 =>
            {
                Self::general::<T>(geometry)
            }
            Self::Strips
                if T::ALL_WALKS
                    && strips::is_wide(geometry.axes())
                    && (R::ORDERED || strips::is_long::<T>(geometry.axes())) =>
            {
                Self::Rows
            }
            any if T::ALL_WALKS => any,
            Self::Planes
                if planes::takes_channels::<T, S>() && planes::fits_channels(geometry, S::N) =>
            {
                Self::Planes
            }
            _ if suits_few::<T>(geometry) => Self::Across,
            // Pixels that are few elements of four bytes, but not of eight.
            Self::Across
                if pixels::fits(geometry.axes()) && kernel == 3 && !geometry.is_single() =>
            {
                Self::Pixels
            }
            Self::Strips if flat::takes::<T, S>() && flat::fits(geometry) => Self::Flat,
            Self::Rows | Self::Strips if paired::takes::<T, S>() && paired::fits(geometry) => {
                Self::Paired
            }
            Self::Rows if matches!((kernel, stride), (2, 2) | (3, 1 | 2)) => Self::Rows,
            Self::Pixels if kernel == 3 || stride == 2 && takes_apart::<T>() => Self::Pixels,
            Self::Strips if geometry.axes()[2].dilation == 1 => Self::Strips,
            Self::Rows
            | Self::Strips
            | Self::Pixels
            | Self::Shared
            | Self::Planes
            | Self::Across => Self::general::<T>(geometry),
            Self::Down if geometry.is_single() => Self::general::<T>(geometry),
            Self::Down if takes_apart::<T>() && pixels::fits_apart(geometry.axes()) => Self::Pixels,
            general => general,
        }
    }

    /// What makes a geometry suit this walk, in half a sentence.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Down => "neighbours are pooled alike: a tap is a run of them, merged as it is",
            Self::Pixels => {
                "few columns a window: each is merged down once, then with its neighbours"
            }
            Self::Strips => "3×3 windows one apart: lines stay in registers from a row to the next",
            Self::Flat => {
                "averages of 3×3 windows one apart: planes are walked as if they were one line"
            }
            Self::Paired => {
                "averages of bytes under 3×3 windows one apart: pairs are added at once"
            }
            Self::Halved => "3×3 windows two apart: the line that rows share stays in registers",
            Self::Rows => "few columns a window: a vector of windows is made in registers",
            Self::Across => {
                "windows one or two apart, or few columns or channels: merged down, then across"
            }
            Self::Doubled => "some elements of a line a window: neighbours are merged in registers",
            Self::Shared => "large windows that overlap: what they share is merged once",
            Self::Scans => {
                "large windows of pixels: maxima of a few, from either end, are all of each"
            }
            Self::Planes => {
                "overlapping windows on small planes: one plane in each lane of a vector"
            }
            Self::Whole => "windows far apart, or one in a row: several of them at a time",
            Self::Global => "a window is all of a plane, which is read as it lies in memory",
            Self::Turned => {
                "uneven windows, or small ones far apart: a row in each lane of a vector"
            }
            Self::Picked => "few columns a window, of rows of two vectors at most: each is picked",
            Self::Phased => "windows any distance apart: columns merged first, then across them",
            Self::Widened => {
                "turned into `f32`, which has more walks, pooled by those, and turned back"
            }
            Self::Each => "no other walk of this kernel takes these windows: one after the other",
        }
    }

    /// The walk that [`pool`] takes.
    pub(crate) fn of_pool<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        geometry: &Geometry,
    ) -> Self {
        match Self::of_type::<R, T, S>(geometry) {
            _ if !S::BY_HAND => Self::of_plainest::<T, S>(geometry),
            _ if R::QUICK && level::fits(geometry, S::N) => Self::Flat,
            Self::Whole | Self::Turned | Self::Global => Self::of_general::<T, S>(geometry),
            special => special,
        }
    }

    /// Whether the vectors of `H`, which has half as many lanes as `S`, take less time: of the others most lanes would be
    /// outside of what is walked, or it takes longer to put them in order than they gain. Measured on Zen 5, whose vectors
    /// of 64 bytes take as long as two of 32 where they are not aligned.
    pub(crate) fn is_narrow<R: Reduction<T::Acc>, T: Element, S: Memory<T>, H: Memory<T>>(
        geometry: &Geometry,
    ) -> bool {
        if const { S::N == H::N } {
            return false;
        }
        let Axis { kernel, stride, output, .. } = geometry.axes()[2];
        // A small tensor is spared what follows.
        if T::ALL_WALKS && output <= H::N && Self::of(geometry) == Self::Rows {
            return true;
        }
        let elements = || geometry.axes().iter().map(|axis| axis.input).product::<usize>();
        let (single, bytes) = (geometry.is_single(), const { size_of::<T>() == 1 });
        match Self::of_pool::<R, T, H>(geometry) {
            Self::Rows if bytes && kernel == 2 => !R::DIVIDES || output <= 2 * H::N,
            Self::Rows if T::ALL_WALKS && output > S::N => output <= S::N + H::N,
            Self::Strips if bytes => false,
            Self::Rows | Self::Strips | Self::Halved => output <= H::N,
            Self::Across if !single => geometry.inner() < H::N && (stride > 1 || output == 1),
            Self::Across if T::ALL_WALKS => stride > 2 && output <= H::N,
            Self::Across => output <= S::N,
            Self::Paired => output <= 2 * H::N,
            Self::Doubled => (S::N + 1..=S::N + H::N).contains(&output),
            Self::Whole => kernel <= H::N || is_usual::<T>() && kernel > S::N,
            Self::Pixels if pixels::is_dilated(geometry.axes()) => {
                geometry.inner() <= S::N + H::N && geometry.inner() != S::N
            }
            Self::Pixels => geometry.inner() <= H::N,
            // What is filled and merged has to stay in the first-level cache.
            Self::Planes if single => !R::DIVIDES && elements() > PLANE,
            same @ (Self::Planes | Self::Scans) => Self::of_pool::<R, T, S>(geometry) != same,
            Self::Picked => true,
            _ => false,
        }
    }

    /// The walk that [`plain`] takes.
    pub(crate) fn of_plain<T: Element, S: Memory<T>>(geometry: &Geometry) -> Self {
        match geometry.undoubled_walk() {
            _ if !S::BY_HAND => Self::of_plainest::<T, S>(geometry),
            large @ (Self::Shared | Self::Planes) if T::ALL_WALKS => large,
            _ => Self::of_general::<T, S>(geometry),
        }
    }

    /// The walk that [`plainest`] takes.
    pub(crate) fn of_plainest<T: Element, S: Memory<T>>(geometry: &Geometry) -> Self {
        // A run of one element is as good as any for a vector of one.
        if S::N == 1 || !geometry.is_single() {
            Self::Down
        } else {
            Self::rest(&geometry.axes()[2])
        }
    }

    /// The walk that [`general`] takes.
    fn of_general<T: Element, S: Memory<T>>(geometry: &Geometry) -> Self {
        match Self::general::<T>(geometry) {
            Self::Across if T::ALL_WALKS && down::fits_line(geometry.axes()) => Self::Down,
            Self::Turned if picked::fits::<T, S>(geometry) => Self::Picked,
            Self::Global | Self::Turned if !takes_turned::<T, S>() => {
                if !geometry.is_single() {
                    Self::Down
                } else if takes_whole::<T, S>() && whole::fits(&geometry.axes()[2]) {
                    Self::Whole
                } else {
                    Self::rest(&geometry.axes()[2])
                }
            }
            Self::Whole if !takes_whole::<T, S>() => Self::rest(&geometry.axes()[2]),
            walk => walk,
        }
    }

    /// The walk that [`requantized`] takes; [`Each`](Self::Each) if it takes none.
    pub(crate) fn of_requantized<T: Byte, S: Memory<SummedShort<T>>>(geometry: &Geometry) -> Self
    where
        SummedShort<T>: Element<Acc = i16>,
    {
        match Self::of_general::<SummedShort<T>, S>(geometry) {
            walk @ (Self::Down | Self::Whole | Self::Across) => walk,
            _ => Self::Each,
        }
    }

    /// The walk that would take a geometry if it were not special.
    fn general<T: Element>(geometry: &Geometry) -> Self {
        let taps = geometry.taps();
        let width = &geometry.axes()[2];
        if global::fits(geometry) {
            Self::Global
        } else if suits_few::<T>(geometry) {
            Self::Across
        } else if !geometry.is_single() {
            Self::Down
        } else if is_usual::<T>() && across::fits_apart(geometry.axes()) && taps <= EXACT {
            Self::Across
        } else if turned::suits(geometry) && taps <= EXACT {
            Self::Turned
        } else if whole::fits(width) {
            Self::Whole
        } else if across::fits(width) && taps <= EXACT {
            Self::Across
        } else if turned::fits(width) && taps <= EXACT {
            Self::Turned
        } else {
            Self::rest(width)
        }
    }

    /// The walk of single elements that no other takes.
    fn rest(width: &Axis) -> Self {
        if phased::fits(width) {
            Self::Phased
        } else if width.stride == 1 && !width.spread {
            // All windows but those at the edges are one run.
            Self::Down
        } else {
            Self::Each
        }
    }
}

/// Elements of a plane of which one in each lane of 64 bytes is in the first-level cache.
const PLANE: usize = 256;

/// Elements of an output that are still in the nearest cache but one when they are looked at again.
pub(crate) const PART: usize = 16384;

/// The same where windows share what they merge with many others, which is lost where the output is cut.
pub(crate) const LARGE_PART: usize = 1 << 20;

/// A walk that is not for every geometry, and may miss something.
pub(crate) trait FastWalk {
    /// Output elements after which the walk is asked whether it missed something: few enough that doing
    /// them again does not matter much, many enough that asking does not.
    const PART: usize = PART;

    /// Whether this walk does again what it missed, and not a general one.
    const EXACT: bool = false;

    /// Whether rows are lanes, of which none is to be empty.
    const ROWS_ARE_LANES: bool = false;

    /// Reduces the windows of output rows `rows`, and says what was seen that may have been missed.
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen;
}

/// The kernels' door: the token, unless there is nothing to do, once the buffers are known to fit.
#[inline(always)]
fn enter<T: Element, S: Memory<T>>(
    geometry: &Geometry,
    rows: &Range<usize>,
    input: &[T],
    output: &[T],
) -> Option<S> {
    let simd = S::detect().expect("a backend is only run where it is supported");
    geometry.assert_fits(rows, input, output);
    (!output.is_empty()).then_some(simd)
}

/// Reduces the windows of output rows `rows`.
pub(crate) fn pool<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    Scalar: Memory<T, Vector = T::Acc>,
{
    if const { !S::BY_HAND } {
        return plainest::<R::Exact, T, S>(geometry, rows, input, output);
    }
    if const { R::QUICK } {
        return quick::<R, T, S>(geometry, rows, input, output);
    }
    let Some(simd) = enter::<T, S>(geometry, &rows, input, output) else { return };
    let width = &geometry.axes()[2];
    let job = Job { simd, geometry, rows: rows.clone(), input };
    match (Walk::of_type::<R, T, S>(geometry), width.kernel, width.stride) {
        (Walk::Pixels, 3, 1) => return job.run::<R, Pixels<3, 1>>(output),
        (Walk::Pixels, 3, _) => return job.run::<R, Pixels<3, 2>>(output),
        (Walk::Pixels, 2, 2) if const { T::ALL_WALKS || takes_apart::<T>() } => {
            return job.run::<R, Pixels<2, 2>>(output);
        }
        (Walk::Rows, 2, _) => return job.run::<R, Rows<2, 2>>(output),
        (Walk::Rows, 3, 1) => return job.run::<R, Rows<3, 1>>(output),
        (Walk::Rows, 3, 2) => return job.run::<R, Rows<3, 2>>(output),
        (Walk::Strips, _, _) if width.dilation == 1 => {
            return job.run::<R, Strips<2>>(output);
        }
        (walk @ (Walk::Flat | Walk::Paired), _, _)
            if const { flat::takes::<T, S>() && paired::takes::<T, S>() } =>
        {
            // What a vector reads or writes too much is in rows that are left to others.
            let Range { start, end } = match walk {
                Walk::Flat => flat::amid::<T, S>(geometry, &rows),
                _ => paired::amid::<T, S>(geometry, &rows),
            };
            let [first, last] = [start, end].map(|row| (row - rows.start) * geometry.row_len());
            let rest = |rows: Range<usize>, output: &mut [T]| {
                let job = Job { simd, geometry, rows, input };
                match Walk::of(geometry) {
                    _ if output.is_empty() => {}
                    Walk::Strips => job.run::<R, Strips<2>>(output),
                    _ => job.run::<R, Rows<3, 1>>(output),
                }
            };
            rest(rows.start..start, &mut output[..first]);
            let output_amid = &mut output[first..];
            simd.vectorize(
                #[inline(always)]
                || match walk {
                    Walk::Flat => flat::<R, T, S>(simd, geometry, start..end, input, output_amid),
                    _ => paired::<R, T, S>(simd, geometry, start..end, input, output_amid),
                },
            );
            return rest(end..rows.end, &mut output[last..]);
        }
        (Walk::Planes, _, _) if const { planes::takes_channels::<T, S>() } => {
            return job.run::<R, Planes<true>>(output);
        }
        (Walk::Halved, _, _) => {
            let taken = halved::taken(geometry, &rows, S::N);
            let (rest, at) = (taken.end..rows.end, taken.len() * geometry.row_len());
            if !taken.is_empty() {
                Job { rows: taken, ..job }.run::<R, Halved>(&mut output[..at]);
            }
            if !rest.is_empty() {
                let job = Job { simd, geometry, rows: rest, input };
                job.run::<R, Rows<3, 2>>(&mut output[at..]);
            }
            return;
        }
        _ if const { !T::ALL_WALKS } => {}
        (Walk::Strips, _, _) => return job.run::<R, Strips<3>>(output),
        // The same code as that of the general ones.
        (Walk::Across | Walk::Whole | Walk::Global | Walk::Turned | Walk::Picked, _, _)
            if const { !R::LOSES || !is_usual::<T>() } => {}
        (Walk::Pixels, _, _) => return job.run::<R, Pixels<2, 1>>(output),
        (Walk::Rows, 4, _) => return job.run::<R, Rows<4, 4>>(output),
        (Walk::Rows, _, _) => return job.run::<R, Rows<3, 3>>(output),
        (Walk::Across, _, _) => return job.run::<R, Across>(output),
        (Walk::Doubled, _, _) if const { S::PICKS } => return job.run::<R, Doubled>(output),
        (Walk::Shared, _, _) => return job.run::<R, Shared>(output),
        (Walk::Scans, _, _) if const { !R::ORDERED } => return job.run::<R, Scans>(output),
        (Walk::Planes, _, _) => return job.run::<R, Planes<false>>(output),
        (Walk::Whole, _, _) => return job.run::<R, Whole>(output),
        (Walk::Global, _, _) => return job.run::<R, Global>(output),
        (Walk::Turned, _, _) => return job.run::<R, Turned>(output),
        (Walk::Picked, _, _) if const { S::PICKS } => return job.run::<R, Picked>(output),
        (Walk::Down, _, _) if const { R::LOSES && is_usual::<T>() } => {
            return job.run::<R, Down>(output);
        }
        (
            Walk::Down
            | Walk::Flat
            | Walk::Paired
            | Walk::Doubled
            | Walk::Picked
            | Walk::Phased
            | Walk::Scans
            | Walk::Widened
            | Walk::Each,
            _,
            _,
        ) => {}
    }
    general::<R::Exact, T, S>(simd, geometry, rows, input, output);
}

/// Averages the windows of output rows `rows` by quick divisions, where there are walks for them.
fn quick<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    Scalar: Memory<T, Vector = T::Acc>,
{
    let Some(simd) = enter::<T, S>(geometry, &rows, input, output) else { return };
    let level = if level::fits(geometry, S::N) {
        level::taken(geometry, &rows, S::N)
    } else {
        rows.end..rows.end
    };
    let [first, last] = [level.start, level.end].map(|row| (row - rows.start) * geometry.row_len());
    let around = |rows: Range<usize>, output: &mut [T]| {
        let width = &geometry.axes()[2];
        if output.is_empty() {
            return;
        }
        // Where each window is merged anew, more than a division is to be done.
        if width.stride > 1 || !geometry.divides_by_odd() {
            return pool::<R::Exact, T, S>(geometry, rows, input, output);
        }
        let job = Job { simd, geometry, rows: rows.clone(), input };
        match (Walk::of_type::<R, T, S>(geometry), width.kernel) {
            (Walk::Pixels, 3) => job.run::<R, Pixels<3, 1>>(output),
            (Walk::Rows, 3) => job.run::<R, Rows<3, 1>>(output),
            (Walk::Doubled, _) if const { S::PICKS } => job.run::<R, Doubled>(output),
            (Walk::Strips, _) if width.dilation == 1 => job.run::<R, Strips<2>>(output),
            _ => pool::<R::Exact, T, S>(geometry, rows, input, output),
        }
    };
    around(rows.start..level.start, &mut output[..first]);
    if !level.is_empty() {
        let job = Job { simd, geometry, rows: level.clone(), input };
        let output = &mut output[first..last];
        match geometry.divisor() {
            Divisor::Present => job.run::<R, Level<true>>(output),
            _ => job.run::<R, Level<false>>(output),
        }
    }
    around(level.end..rows.end, &mut output[last..]);
}

/// Reduces the windows of output rows `rows` by the walks that are for all geometries, and those for large windows:
/// for types and reductions that are not worth the code of the fast ones.
pub(crate) fn plain<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    Scalar: Memory<T, Vector = T::Acc>,
{
    if const { !S::BY_HAND } {
        return plainest::<R, T, S>(geometry, rows, input, output);
    }
    let Some(simd) = enter::<T, S>(geometry, &rows, input, output) else { return };
    // Of large windows, others merge each tap.
    match geometry.undoubled_walk() {
        Walk::Shared if const { T::ALL_WALKS } => {
            simd.vectorize(
                #[inline(always)]
                || Shared::reduce::<R, T, S>(simd, geometry, rows, input, output),
            );
        }
        Walk::Planes if const { T::ALL_WALKS } => {
            simd.vectorize(
                #[inline(always)]
                || Planes::<false>::reduce::<R, T, S>(simd, geometry, rows, input, output),
            );
        }
        _ => general::<R, T, S>(simd, geometry, rows, input, output),
    }
}

/// Means of bytes that stand for real numbers, by the walks that [`of_requantized`](Walk::of_requantized) names.
pub(crate) fn requantized<T: Byte, S: Memory<SummedShort<T>>>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[SummedShort<T>],
    output: &mut [SummedShort<T>],
) where
    SummedShort<T>: Element<Acc = i16>,
{
    let Some(token) = enter::<SummedShort<T>, S>(geometry, &rows, input, output) else { return };
    let scaling = &Scaling::of(geometry);
    let simd = Quantizing { simd: token, scaling };
    match Walk::of_requantized::<T, S>(geometry) {
        Walk::Down => token.vectorize(
            #[inline(always)]
            || down::<RequantizedMean, _, _, 4>(simd, geometry, rows, input, output),
        ),
        Walk::Whole => token.vectorize(
            #[inline(always)]
            || Whole::reduce::<RequantizedMean, _, _>(simd, geometry, rows, input, output),
        ),
        _ => token.vectorize(
            #[inline(always)]
            || Across::reduce::<RequantizedMean, _, _>(simd, geometry, rows, input, output),
        ),
    }
}

/// Reduces the windows of output rows `rows` by the two walks that take any window: for what is rare.
pub(crate) fn plainest<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    Scalar: Memory<T, Vector = T::Acc>,
{
    let Some(simd) = enter::<T, S>(geometry, &rows, input, output) else { return };
    match Walk::of_plainest::<T, S>(geometry) {
        Walk::Phased if const { S::N > 1 } => simd.vectorize(
            #[inline(always)]
            || phased::<R, T, S>(simd, geometry, rows, input, output),
        ),
        Walk::Each if const { S::N > 1 } => plainest::<R, T, Scalar>(geometry, rows, input, output),
        _ => simd.vectorize(
            #[inline(always)]
            || {
                down::<R, T, S, 1>(simd, geometry, rows, input, output);
            },
        ),
    }
}

/// What a fast walk is to do.
struct Job<'a, T, S> {
    simd: S,
    geometry: &'a Geometry,
    rows: Range<usize>,
    input: &'a [T],
}

impl<T: Element, S: Memory<T>> Job<'_, T, S>
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    /// Runs a walk, and one that misses nothing again over the parts where it missed something.
    #[inline(always)]
    fn run<R: Reduction<T::Acc>, W: FastWalk>(self, output: &mut [T]) {
        let Self { simd, geometry, rows, input } = self;
        let row_len = geometry.row_len();
        // Whole planes if they are small. A small output is spared the divisions.
        let part = if output.len() <= W::PART { rows.len() } else { geometry.rows_of(W::PART) };
        let part = if const { W::ROWS_ARE_LANES } { part.next_multiple_of(S::N) } else { part };
        let mut row = rows.start;
        for output in output.chunks_mut(part * row_len) {
            let end = rows.end.min(row + part);
            let missed = simd.vectorize(
                #[inline(always)]
                || {
                    let seen = W::reduce::<R, T, S>(simd, geometry, row..end, input, output);
                    R::missed(simd, seen)
                },
            );
            if const { R::LOSES } && missed {
                if const { W::EXACT } {
                    simd.vectorize(
                        #[inline(always)]
                        || W::reduce::<R::Exact, T, S>(simd, geometry, row..end, input, output),
                    );
                } else {
                    general::<R::Exact, T, S>(simd, geometry, row..end, input, output);
                }
            }
            row = end;
        }
    }
}

/// Whether rows are turned to lanes, and global windows taken as they lie in memory. Of short elements a vector
/// has more than such windows have columns, and what widens them costs more than is gained.
const fn takes_turned<T: Element, S: Memory<T>>() -> bool {
    size_of::<T>() >= 4 && takes_whole::<T, S>() && S::N <= TURNED
}

/// Whether windows far apart are taken several at a time: not by vectors that are too short.
const fn takes_whole<T: Element, S: Memory<T>>() -> bool {
    whole::FEWEST <= S::N
}

/// Whether elements are what most are, `f32`: what is long has all walks as well, but those for any window once, by what looks
/// for no NaN, and none for windows three and more apart that merges as many columns at a time as a vector has lanes.
pub(crate) const fn is_usual<T: Element>() -> bool {
    T::ALL_WALKS && size_of::<T>() == size_of::<f32>()
}

/// Whether windows of pixels that share nothing are walked along a row, of any number of channels. Of long elements, the
/// vectors that are walked together hold only some channels of a pixel, so that a row is gone through several times.
const fn takes_apart<T: Element>() -> bool {
    size_of::<T>() < 4
}

/// Whether [`Across`] suits pixels of few elements. Bytes that are summed as 16 bits count as if they were so wide.
#[inline(always)]
fn suits_few<T: Element>(geometry: &Geometry) -> bool {
    let summed = size_of::<T::Acc>() == 2;
    let size = if summed { size_of::<T::Acc>() } else { size_of::<T>() };
    across::suits_few(geometry, size, T::ALL_WALKS)
}

/// Reduces any windows.
fn general<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    Scalar: Memory<T, Vector = T::Acc>,
{
    match Walk::of_general::<T, S>(geometry) {
        Walk::Down => simd.vectorize(
            #[inline(always)]
            || {
                down::<R, T, S, WIDE>(simd, geometry, rows, input, output);
            },
        ),
        Walk::Across => {
            simd.vectorize(
                #[inline(always)]
                || Across::reduce::<R, T, S>(simd, geometry, rows, input, output),
            );
        }
        Walk::Global if const { takes_turned::<T, S>() } => {
            simd.vectorize(
                #[inline(always)]
                || Global::reduce::<R, T, S>(simd, geometry, rows, input, output),
            );
        }
        Walk::Turned if const { takes_turned::<T, S>() } => {
            simd.vectorize(
                #[inline(always)]
                || Turned::reduce::<R, T, S>(simd, geometry, rows, input, output),
            );
        }
        Walk::Picked if const { S::PICKS } => simd.vectorize(
            #[inline(always)]
            || {
                Picked::reduce::<R, T, S>(simd, geometry, rows, input, output);
            },
        ),
        Walk::Whole if const { takes_whole::<T, S>() } => {
            simd.vectorize(
                #[inline(always)]
                || Whole::reduce::<R, T, S>(simd, geometry, rows, input, output),
            );
        }
        Walk::Phased => simd.vectorize(
            #[inline(always)]
            || phased::<R, T, S>(simd, geometry, rows, input, output),
        ),
        _ => plainest::<R, T, Scalar>(geometry, rows, input, output),
    }
}
