//! Elements that are numbers of `f32`, pooled as such: a few planes at a time, or bands of a plane, are widened into scratch
//! memory, pooled there, and narrowed.
//!
//! Rows of small planes are a few elements, and a vector holds 16 or 32 short ones, so that most of it is empty, whatever
//! walks along a row; `f32` has walks of its own for such planes. It has them for large windows as well, which elsewhere cost
//! as much as they have taps. And types and operations that are not worth the code of many walks have all of these so:
//! the smallest element is the largest of the negative numbers.
//!
//! Averages of integers are rounded as told, after `f32` has rounded them to nearest: that changes no result, if it holds
//! their sums. A quotient by `d` that is no half of an odd number is `1 / 2d` away from all that are, at least, and `f32`
//! rounds it by less.

use crate::geometry::Strides;
use crate::number::Element;
use crate::simd::{Isa, Lanes, Memory, load, load_first, store, store_first, zeroed};
use crate::walk::Walk;
use crate::{Axis, Divisor, Geometry, Rounding};
use core::mem::MaybeUninit;
use core::ops::Range;
use half::{bf16, f16};

/// Elements that are widened at a time.
const ELEMENTS: usize = 16384;

/// The same of walks that do not take long to begin: what is widened and what is pooled are in the first-level cache.
const NEAR: usize = 4096;

/// Windows of a row and columns of a plane up to which it pays, and so few windows that it does for any columns: longer
/// rows fill vectors of short elements. And planes from which on it does.
const SHORT: usize = 16;
const NARROW: usize = 24;
const FEW: usize = 10;
const WORTH: usize = 8;

/// Columns of planes under dilated windows of three by three up to which it pays, and elements of a plane up to which it
/// does for averages.
const DILATED: usize = 40;
const FEW_DILATED: usize = 4096;

/// Taps of windows that have so much in common that it pays for longer rows, and for those of wider planes.
const SMALL: usize = 25;
const LARGE: usize = 81;
const WIDE: usize = 36;

/// Taps along an axis from which on it pays for large windows, of which walks over short elements merge each tap of a line:
/// of extrema, and of averages along a single axis, of bytes and of longer ones.
const LONG: [[usize; 2]; 2] = [[80, 24], [48, 12]];

/// Elements from a window of a line to the next at most, unless that is one: windows further apart share less.
const OFTEN: usize = 8;

/// Windows of a row of 2×2 ones: other rows are in registers.
const ROWS: usize = 4;

/// Taps of windows of pixels of several channels that are worth it instead of the plainest walks.
const TAPS: usize = 9;

/// Channels that are widened at a time at least, if not all of a pixel.
const CHANNELS: usize = 32;

/// What pools elements that are not widened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Otherwise {
    /// All walks that there are for short elements.
    All,
    /// Those for large windows, and those that take any.
    Plain,
    /// The two that take any window.
    Plainest,
}

/// Whether it pays, where short elements have walks of their own.
fn fits_single<T>(geometry: &Geometry, divides: bool) -> bool {
    let [_, height, width] = geometry.axes();
    let narrow = geometry.planes() >= WORTH
        && (width.output <= FEW || width.output <= SHORT && width.input <= NARROW);
    match geometry.undoubled_walk() {
        Walk::Halved | Walk::Global | Walk::Whole => false,
        // There are no strips of short elements that are dilated.
        Walk::Strips if width.dilation > 1 => {
            width.input <= DILATED || divides && height.input * width.input <= FEW_DILATED
        }
        Walk::Strips => false,
        // Where rows go on from a plane to the next, they are long.
        Walk::Rows if (width.kernel, width.stride) == (2, 2) => {
            narrow && width.output <= ROWS && !geometry.rows_alike().seamless
        }
        // Lanes that are three or four apart are one after the other.
        Walk::Rows => !matches!((width.kernel, width.stride), (3, 1 | 2)),
        Walk::Planes if !narrow && width.stride == 1 => match geometry.taps() {
            LARGE.. => width.input <= WIDE,
            SMALL.. => width.input <= NARROW,
            _ => false,
        },
        Walk::Shared if height.kernel > 1 && (divides || width.stride > 1) => true,
        Walk::Shared if width.stride > 1 => width.stride <= OFTEN,
        Walk::Shared => {
            let long = LONG[usize::from(divides)][usize::from(size_of::<T>() > 1)];
            width.kernel.max(height.kernel) >= long
        }
        _ => narrow,
    }
}

/// A type whose numbers are numbers of an `f32`, by an instruction set that turns one into the other.
pub(crate) trait Short<S>: Copy {
    /// The most taps of averages, and the greatest divisor.
    const MOST: usize;

    /// Widens elements, or their negative numbers, as many as there are of both.
    fn widen<const NEGATED: bool>(simd: S, from: &[Self], to: &mut [f32]);

    /// Narrows results, as many as there are of both; integers are rounded.
    fn narrow<const NEGATED: bool>(simd: S, from: &[f32], to: &mut [Self], rounding: Rounding);
}

/// How much is widened at a time.
pub(crate) struct Cut {
    /// Whole planes; 0 if one is too large.
    planes: usize,
    /// Rows of a plane, and windows of each.
    rows: usize,
    windows: usize,
    /// Neighbours of each window that are pooled alike.
    inner: usize,
    /// Elements of a plane, or of a part of one, at most.
    len: usize,
}

impl Cut {
    /// The cut of a geometry, if this walk takes its windows of elements of type `T`, of which averages may have so many
    /// taps.
    pub(crate) fn fitting<T>(
        geometry: &Geometry,
        averages: Option<usize>,
        otherwise: Otherwise,
    ) -> Option<Self> {
        let (walk, single) = (geometry.undoubled_walk(), geometry.is_single());
        let divides = averages.is_some();
        let pays = match otherwise {
            Otherwise::All if single => fits_single::<T>(geometry, divides),
            Otherwise::All => divides && walk == Walk::Shared,
            Otherwise::Plain if divides => {
                !matches!(walk, Walk::Whole | Walk::Global | Walk::Turned)
            }
            Otherwise::Plain => {
                let few = matches!(walk, Walk::Rows | Walk::Strips | Walk::Halved);
                single && (few || Walk::of(geometry) == Walk::Doubled)
            }
            Otherwise::Plainest if !single => geometry.taps() > TAPS,
            // A few taps of a line are runs, of bytes short ones.
            Otherwise::Plainest => walk != Walk::Down || size_of::<T>() > 1,
        };
        let most = averages.unwrap_or(usize::MAX);
        let few = match geometry.divisor() {
            Divisor::Constant(n) if divides => n.unsigned_abs() <= most as u64,
            _ => true,
        };
        (pays && few && geometry.taps() <= most).then(|| Self::of(geometry))?
    }

    /// As much as there is room for; of planes that are too large, if most lines are widened once or twice.
    #[inline(never)]
    fn of(geometry: &Geometry) -> Option<Self> {
        let ([depth, height, width], inner) = (geometry.axes(), geometry.inner());
        let pixels = |of: fn(&Axis) -> usize| geometry.axes().iter().map(of).product::<usize>();
        let plane = pixels(|axis| axis.input).max(pixels(|axis| axis.output));
        let [rows, windows] = [depth.output * height.output, width.output];
        let whole = |most: usize, inner: usize| {
            // No neighbours are no elements.
            let len = plane * inner.max(1);
            Self { planes: (most / len).max(1), rows, windows, inner, len }
        };
        if plane * inner <= ELEMENTS {
            return Some(match Walk::of(geometry) {
                // To begin takes these longer than some planes.
                Walk::Planes | Walk::Shared => whole(ELEMENTS, inner),
                _ => whole(NEAR, inner),
            });
        }
        if plane <= ELEMENTS / CHANNELS {
            return Some(whole(ELEMENTS, ELEMENTS / plane / CHANNELS * CHANNELS));
        }
        // Windows that are spread are those of their plane, and what is all outside is no part of one.
        let outside = |axis: &Axis| {
            let last = (axis.output - 1) * axis.stride;
            axis.pad_begin >= axis.span() || last >= axis.input + axis.pad_begin
        };
        let uneven = [height, width].iter().any(|axis| axis.spread || outside(axis));
        if uneven || !geometry.rows_alike().shallow {
            return None;
        }
        // As many as have so many elements, if that is more than what the next ones need again.
        let most = |axis: &Axis, elements: usize| {
            let rest = elements.checked_sub(axis.span())?;
            let overlap = axis.span().saturating_sub(axis.stride);
            (rest >= overlap).then_some((rest / axis.stride + 1).min(elements))
        };
        let line = (height.input, height.output) == (1, 1);
        [CHANNELS, CHANNELS / 2, CHANNELS / 4].into_iter().find_map(|channels| {
            let (inner, elements) = (inner.min(channels), ELEMENTS / inner.min(channels));
            let (rows, windows) = match line {
                true => (1, most(width, elements)?),
                false => (most(height, elements / width.input.max(width.output))?, windows),
            };
            Some(Self { planes: 0, rows, windows, inner, len: ELEMENTS })
        })
    }
}

/// What is widened at a time: some rows of a few planes, or of a part of one.
struct Part {
    /// The pooling that they are, if all that is widened were all that there is.
    geometry: Geometry,
    /// The rows of that.
    rows: Range<usize>,
    /// The line, the column, and the neighbour that are its first.
    at: [usize; 3],
}

impl Part {
    /// Rows of whole planes, of some neighbours.
    fn of_planes(
        geometry: &Geometry,
        planes: usize,
        rows: Range<usize>,
        inner: Range<usize>,
    ) -> Self {
        let axes = *geometry.axes();
        let geometry = geometry.of_part(planes, axes, inner.len());
        Self { geometry, rows, at: [0, 0, inner.start] }
    }

    /// Some windows of some rows of a plane.
    fn of_windows(
        geometry: &Geometry,
        rows: Range<usize>,
        windows: Range<usize>,
        inner: Range<usize>,
    ) -> Self {
        let [depth, height, width] = *geometry.axes();
        let ((line, height), (column, width)) = (height.part(rows.clone()), width.part(windows));
        let geometry = geometry.of_part(1, [depth, height, width], inner.len());
        Self { geometry, rows: 0..rows.len(), at: [line, column, inner.start] }
    }
}

/// A way to pool elements by a kernel for `f32`.
pub(crate) struct Widened<T> {
    /// Widens what a part has of a plane, or of that plane and those after it.
    widen: fn(&Geometry, &Part, usize, &[T], &mut [f32]),
    /// Narrows runs of so many results, given how far it is from one to the next.
    narrow: fn(&[f32], &mut [T], [usize; 2], Rounding),
    kernel: fn(&Geometry, Range<usize>, &[f32], &mut [f32]),
    /// Whether results are to be rounded.
    divides: bool,
}

impl<T> Widened<T> {
    /// By the vectors of `S`, averages or not; if `negated`, what is pooled are the negative numbers.
    pub(crate) const fn by<S: Isa>(
        kernel: fn(&Geometry, Range<usize>, &[f32], &mut [f32]),
        divides: bool,
        negated: bool,
    ) -> Self
    where
        T: Short<S>,
    {
        let (widen, narrow) = match negated {
            true => (widen::<T, S, true> as _, narrow::<T, S, true> as _),
            false => (widen::<T, S, false> as _, narrow::<T, S, false> as _),
        };
        Self { widen, narrow, kernel, divides }
    }
}

/// Pools elements by a kernel for `f32`. A function for all instruction sets: what has vectors are calls.
pub(crate) fn pool<T>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
    cut: &Cut,
    by: &Widened<T>,
) {
    geometry.assert_fits(&rows, input, output);
    if output.is_empty() {
        return;
    }
    let mut wide = [const { MaybeUninit::uninit() }; ELEMENTS];
    let mut pooled = [const { MaybeUninit::uninit() }; ELEMENTS];
    // What is rounded already is rounded by the least that there is to do.
    let rounding = if by.divides { geometry.rounding() } else { Rounding::HalfEven };
    let (inner, width) = (geometry.inner(), geometry.axes()[2].output);
    let (row_len, per_plane) = (geometry.row_len(), geometry.rows() / geometry.planes());
    let most = cut.planes.min(rows.len().div_ceil(per_plane));
    let room = most.max(1) * cut.len;
    let (wide, pooled) = (zeroed(&mut wide, room), zeroed(&mut pooled, room));
    let usual = Part::of_planes(geometry, most, 0..most * per_plane, 0..cut.inner);
    let mut row = rows.start;
    while row < rows.end {
        let (plane, first, left) = (row / per_plane, row % per_plane, rows.end - row);
        let planes = if first == 0 { (left / per_plane).min(most) } else { 0 };
        let count = match planes {
            0 => left.min(per_plane - first).min(cut.rows),
            _ => planes * per_plane,
        };
        for windows in pieces(width, cut.windows) {
            for channels in pieces(inner, cut.inner) {
                let rows_of_plane = first..first + count;
                let run = windows.len() * channels.len();
                let to = (row - rows.start) * row_len + windows.start * inner + channels.start;
                let runs = match channels.len() == inner {
                    true => [run, row_len],
                    false => [channels.len(), inner],
                };
                let is_usual = planes > 0 && planes == most && channels.len() == inner;
                let unusual = (!is_usual).then(|| match cut.planes {
                    0 => Part::of_windows(geometry, rows_of_plane, windows.clone(), channels),
                    _ => Part::of_planes(geometry, planes.max(1), rows_of_plane, channels),
                });
                let part = unusual.as_ref().unwrap_or(&usual);
                let wide = &mut wide[..part.geometry.input_len()];
                let pooled = &mut pooled[..count * run];
                (by.widen)(geometry, part, plane, input, wide);
                (by.kernel)(&part.geometry, part.rows.clone(), wide, pooled);
                (by.narrow)(pooled, &mut output[to..], runs, rounding);
            }
        }
        row += count;
    }
}

/// Pieces of so many at most.
fn pieces(len: usize, most: usize) -> impl Iterator<Item = Range<usize>> {
    (0..len).step_by(most).map(move |start| start..len.min(start + most))
}

/// Narrows runs of results.
fn narrow<T: Short<S>, S: Isa, const NEGATED: bool>(
    pooled: &[f32],
    output: &mut [T],
    [len, step]: [usize; 2],
    rounding: Rounding,
) {
    let simd = S::detect().expect("a backend is only run where it is supported");
    simd.vectorize(
        #[inline(always)]
        || {
            if len == step {
                return T::narrow::<NEGATED>(simd, pooled, output, rounding);
            }
            for (from, to) in pooled.chunks_exact(len).zip(output.chunks_mut(step)) {
                T::narrow::<NEGATED>(simd, from, to, rounding);
            }
        },
    );
}

/// Widens what a part has of a plane, and of those after it.
fn widen<T: Short<S>, S: Isa, const NEGATED: bool>(
    geometry: &Geometry,
    part: &Part,
    plane: usize,
    input: &[T],
    wide: &mut [f32],
) {
    let simd = S::detect().expect("a backend is only run where it is supported");
    simd.vectorize(
        #[inline(always)]
        || widen_planes::<T, S, NEGATED>(simd, geometry, part, plane, input, wide),
    );
}

/// The same, with vectors.
#[inline(always)]
fn widen_planes<T: Short<S>, S: Copy, const NEGATED: bool>(
    simd: S,
    geometry: &Geometry,
    part: &Part,
    plane: usize,
    input: &[T],
    wide: &mut [f32],
) {
    let [depth, height, width] = part.geometry.axes().map(|axis| axis.input);
    let inner = part.geometry.inner();
    let Strides { depth: slice, height: line, width: pixel, .. } = geometry.strides();
    let before = part.at[0] * line + part.at[1] * pixel + part.at[2];
    // How much follows each other.
    let alone = part.geometry.planes() * depth == 1;
    let run = if pixel != inner {
        inner
    } else if height == 1 && alone
        || line == width * pixel && (alone || geometry.follow_after(height))
    {
        wide.len()
    } else {
        width * inner
    };
    let mut start = geometry.plane_start(plane) + before;
    if run == wide.len() {
        return T::widen::<NEGATED>(simd, &input[start..], wide);
    }
    for (plane, wide) in (plane..).zip(wide.chunks_exact_mut(depth * height * width * inner)) {
        start = geometry.plane_start(plane) + before;
        for (i, wide) in wide.chunks_exact_mut(width * inner).enumerate() {
            let mut at = start + i / height * slice + i % height * line;
            for wide in wide.chunks_exact_mut(run) {
                T::widen::<NEGATED>(simd, &input[at..], wide);
                at += pixel;
            }
        }
    }
}

/// What is added to a number of a few bits, so that the last ones of the sum are those of the nearest integer, halves to
/// even.
const ONES: f32 = 12_582_912.0;

/// What is added to a quotient, and what away from zero, so that its nearest integer, halves to even, is what it is to be
/// rounded to; `tiny` is less than quotients that are no half are away from one, and more than `f32` rounds them.
#[inline(always)]
fn biases(rounding: Rounding, tiny: f32) -> [f32; 2] {
    match rounding {
        Rounding::HalfAwayFromZero => [0.0, tiny],
        Rounding::HalfEven => [0.0; 2],
        Rounding::HalfUp => [tiny, 0.0],
        Rounding::Truncate => [0.0, tiny - 0.5],
    }
}

macro_rules! integers {
    ($($integer:ident: $tiny:literal, $most:literal);*) => { $(
        impl<S: Copy> Short<S> for $integer {
            const MOST: usize = $most;

            #[inline(always)]
            fn widen<const NEGATED: bool>(_: S, from: &[Self], to: &mut [f32]) {
                for (to, &from) in to.iter_mut().zip(from) {
                    *to = if NEGATED { -f32::from(from) } else { from.into() };
                }
            }

            #[inline(always)]
            fn narrow<const NEGATED: bool>(
                _: S,
                from: &[f32],
                to: &mut [Self],
                rounding: Rounding,
            ) {
                let within = |from: f32| {
                    let from = if NEGATED { -from } else { from };
                    from.max(Self::MIN.into()).min(Self::MAX.into())
                };
                if rounding == Rounding::HalfEven {
                    for (to, &from) in to.iter_mut().zip(from) {
                        *to = (within(from) + ONES).to_bits() as Self;
                    }
                    return;
                }
                let [up, away] = biases(rounding, 1.0 / $tiny);
                for (to, &from) in to.iter_mut().zip(from) {
                    let within = within(from);
                    let biased = within + up + away * 1.0f32.copysign(within);
                    *to = (biased + ONES).to_bits() as Self;
                }
            }
        }
    )* };
}

// Quotients, all others being cut, are rounded by 2⁻¹⁷, 2⁻¹⁰ and 2⁻⁹ at most. That and the bias are less than half of the
// quotient of 1 by the most taps.
integers!(i8: 16384.0, 4096; u8: 16384.0, 4096; i16: 256.0, 64; u16: 256.0, 64);

/// The numbers or the negative ones: neither a negative zero, nor a NaN with a sign.
#[inline(always)]
fn sign<S: Lanes<f32>, const NEGATED: bool>(simd: S, v: S::Vector) -> S::Vector {
    if NEGATED { simd.canonical(simd.mul(v, simd.splat(-1.0))) } else { v }
}

/// Turns elements into those of another type, by vectors of what both are reduced in.
#[inline(always)]
fn convert<A, B, S, const NEGATED: bool>(simd: S, from: &[A], to: &mut [B])
where
    A: Element<Acc = f32>,
    B: Element<Acc = f32>,
    S: Memory<A> + Memory<B>,
{
    let (n, len) = (<S as Lanes<f32>>::N, from.len().min(to.len()));
    let mut at = 0;
    while at + n <= len {
        // SAFETY: both have so many elements from there on.
        let v = unsafe { load::<A, S>(simd, from, at) };
        // SAFETY: the same.
        unsafe { store::<B, S>(simd, sign::<S, NEGATED>(simd, v), to, at) }
        at += n;
    }
    if at < len {
        // SAFETY: the same.
        let v = unsafe { load_first::<A, S>(simd, from, at, len - at) };
        // SAFETY: the same.
        unsafe { store_first::<B, S>(simd, sign::<S, NEGATED>(simd, v), to, at, len - at) }
    }
}

macro_rules! floats {
    ($($float:ident),*) => { $(
        impl<S: Memory<f32> + Memory<$float>> Short<S> for $float {
            const MOST: usize = usize::MAX;

            #[inline(always)]
            fn widen<const NEGATED: bool>(simd: S, from: &[Self], to: &mut [f32]) {
                convert::<_, _, _, NEGATED>(simd, from, to);
            }

            #[inline(always)]
            fn narrow<const NEGATED: bool>(simd: S, from: &[f32], to: &mut [Self], _: Rounding) {
                convert::<_, _, _, NEGATED>(simd, from, to);
            }
        }
    )* };
}

floats!(f16, bf16, f32);
