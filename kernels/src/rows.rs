//! Small windows over single elements, in registers: two columns two apart, three columns one or two
//! apart.
//!
//! A row is walked a vector of windows at a time. The columns that these need are merged down, whole
//! vectors of them, and split by parity if windows are two apart; what belongs to a window's left
//! columns is shifted in from the vector before. There is no scalar tail and there are no masks but
//! at the right edge: the last vector of a row reads on into the next row, where that is not outside
//! the input, and writes on into the next row, which is written after it.

use crate::fold::fold;
use crate::order::Taps;
use crate::reduction::{Divide, Element, Reduction};
use crate::simd::{Lanes, load, store_first};
use crate::{Axis, Divisor, Geometry};
use core::array::from_fn;
use core::ops::Range;

/// Lanes of the widest vector there is: 64 bytes of bytes.
const WIDEST: usize = 64;

/// Whether this walk takes windows along `width`.
pub(crate) fn fits(width: &Axis) -> bool {
    let Axis { input, output, kernel, stride, dilation, pad_begin, .. } = *width;
    // Of the windows that reach over the right edge there is one, so that it is in the last vector.
    let last_but_one = output.saturating_sub(2) * stride + kernel;
    matches!((kernel, stride), (2, 2) | (3, 1 | 2))
        && dilation == 1
        && pad_begin <= kernel - stride
        // What is shifted in before the first vector are columns of the input.
        && kernel - stride <= input + pad_begin
        && (output == 1 || last_but_one <= input + pad_begin)
        && (output - 1) * stride < input + pad_begin
}

/// Reduces the windows of output rows `rows`.
#[inline(always)]
pub(crate) fn rows<R: Reduction<T>, T: Element, S: Lanes<T>>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let width = &geometry.axes()[2];
    match (width.kernel, width.stride) {
        (2, _) => planes::<R, T, S, 2, 2>(simd, geometry, rows, input, output),
        (_, 1) => planes::<R, T, S, 3, 1>(simd, geometry, rows, input, output),
        _ => planes::<R, T, S, 3, 2>(simd, geometry, rows, input, output),
    }
}

/// Reduces one plane at a time, and those with something to miss again.
#[inline(always)]
fn planes<R: Reduction<T>, T: Element, S: Lanes<T>, const K: usize, const STRIDE: usize>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let (plane, row_len) = (geometry.rows() / geometry.planes(), geometry.row_len());
    let counts = Counts::new(simd, geometry);
    let mut row = rows.start;
    while row < rows.end {
        let end = rows.end.min((row / plane + 1) * plane);
        let output = &mut output[(row - rows.start) * row_len..(end - rows.start) * row_len];
        let seen = reduce::<R, T, S, K, STRIDE>(simd, geometry, &counts, row..end, input, output);
        if R::missed(simd, seen) {
            reduce::<R::Exact, T, S, K, STRIDE>(simd, geometry, &counts, row..end, input, output);
        }
        row = end;
    }
}

/// The counted columns of the windows of a vector.
struct Counts<V> {
    /// Of the first vector of a row.
    first: V,
    /// Of the last one.
    last: V,
}

impl<V: Copy> Counts<V> {
    #[inline(always)]
    fn new<T: Element, S: Lanes<T, Vector = V>>(simd: S, geometry: &Geometry) -> Self {
        let last = (geometry.axes()[2].output - 1) / S::N * S::N;
        Self { first: Self::of(simd, geometry, 0), last: Self::of(simd, geometry, last) }
    }

    /// Of the windows from `x` on.
    #[inline(always)]
    fn of<T: Element, S: Lanes<T, Vector = V>>(simd: S, geometry: &Geometry, x: usize) -> V {
        let width = &geometry.axes()[2];
        let mut counts = [T::zeroed(); WIDEST];
        for (i, count) in counts[..S::N].iter_mut().enumerate() {
            let window = (x + i).min(width.output - 1);
            *count = T::nearest(width.count(window, geometry.divisor()).max(1) as i64);
        }
        // SAFETY: there are as many counts as the widest vector has lanes.
        unsafe { load(simd, &counts, 0) }
    }
}

/// Reduces rows of one plane.
#[inline(always)]
fn reduce<R: Reduction<T>, T: Element, S: Lanes<T>, const K: usize, const STRIDE: usize>(
    simd: S,
    geometry: &Geometry,
    counts: &Counts<S::Vector>,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) -> S::Seen {
    let [depth, height, width] = geometry.axes();
    let strides = geometry.tap_strides();
    let mut seen = simd.unseen();
    let (plane, mut z, mut y) = geometry.position(rows.start);
    let mut fresh = true;
    for (i, _) in rows.enumerate() {
        let (ds, hs) = (depth.taps(z), height.taps(y));
        let origin = geometry.origin(plane, z, y);
        let counted = depth.count(z, geometry.divisor()) * height.count(y, geometry.divisor());
        let whole = Divide::by::<T, S>(
            simd,
            match geometry.divisor() {
                Divisor::Constant(n) => n,
                _ => (counted * width.kernel).max(1) as i64,
            },
        );
        let by_columns = |counts: S::Vector| match geometry.divisor() {
            Divisor::Constant(_) => whole,
            _ => Divide::By(simd.mul(simd.splat(T::nearest(counted.max(1) as i64)), counts)),
        };
        let row = Row {
            width,
            input,
            at: i * width.output,
            divide: [by_columns(counts.first), whole, by_columns(counts.last)],
        };
        let start = origin
            .wrapping_add(hs.start.wrapping_mul(strides[2]))
            .wrapping_add(ds.start.wrapping_mul(strides[1]));
        // A row of the input that the output row before had as its last was looked at there.
        let unseen = if fresh || ds.len() > 1 { 0 } else { hs.len().saturating_sub(height.stride) };
        let lines: [usize; 3] = from_fn(|j| start.wrapping_add(j.wrapping_mul(strides[2])));
        // Of three lines that do not start at an even tap, the last two belong together.
        let in_order = !R::ORDERED || hs.start % 2 == 0;
        match (ds.len(), hs.len()) {
            (1, 1) => {
                let lines = Lines { starts: [lines[0]], unseen };
                seen = row.reduce::<R, S, K, STRIDE>(simd, lines, output, seen);
            }
            (1, 2) => {
                let lines = Lines { starts: [lines[0], lines[1]], unseen };
                seen = row.reduce::<R, S, K, STRIDE>(simd, lines, output, seen);
            }
            (1, 3) if in_order => {
                let lines = Lines { starts: lines, unseen };
                seen = row.reduce::<R, S, K, STRIDE>(simd, lines, output, seen);
            }
            _ => {
                let lines = ManyLines { origin, taps: Taps::new([0..1, ds, hs], strides) };
                row.reduce::<R::Exact, S, K, STRIDE>(simd, lines, output, simd.unseen());
            }
        }
        fresh = false;
        y += 1;
        if y == height.output {
            (y, z, fresh) = (0, z + 1, true);
        }
    }
    seen
}

/// The lines of the input that an output row is made from.
trait Columns<T: Element> {
    /// Merges `STRIDE` vectors of columns down the lines, each vector of each line loaded by `load`
    /// from its offset.
    fn merge<R: Reduction<T>, S: Lanes<T>, const STRIDE: usize>(
        &self,
        simd: S,
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> S::Vector,
    ) -> [S::Vector; STRIDE];

    /// The offset of the last line.
    fn last(&self) -> usize;
}

/// A few lines; those from `unseen` on have not been looked at, but for the last.
#[derive(Clone, Copy)]
struct Lines<const N: usize> {
    starts: [usize; N],
    unseen: usize,
}

impl<T: Element, const N: usize> Columns<T> for Lines<N> {
    #[inline(always)]
    fn merge<R: Reduction<T>, S: Lanes<T>, const STRIDE: usize>(
        &self,
        simd: S,
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> S::Vector,
    ) -> [S::Vector; STRIDE] {
        let mut merged = [simd.splat(R::IDENTITY); STRIDE];
        for (j, &start) in self.starts.iter().enumerate() {
            let line: [_; STRIDE] = from_fn(|i| load(start, i));
            if j + 1 < N && j >= self.unseen {
                *seen = R::look(simd, *seen, line[0], line[STRIDE - 1]);
            }
            merged = if j == 0 {
                line.map(|v| R::lift(simd, v))
            } else {
                from_fn(|i| R::push(simd, merged[i], line[i]))
            };
        }
        merged
    }

    #[inline(always)]
    fn last(&self) -> usize {
        self.starts[N - 1]
    }
}

/// Any number of lines.
struct ManyLines {
    origin: usize,
    taps: Taps,
}

impl<T: Element> Columns<T> for ManyLines {
    #[inline(always)]
    fn merge<R: Reduction<T>, S: Lanes<T>, const STRIDE: usize>(
        &self,
        simd: S,
        _: &mut S::Seen,
        load: impl Fn(usize, usize) -> S::Vector,
    ) -> [S::Vector; STRIDE] {
        fold::<R, T, S, STRIDE>(simd, self.taps.clone(), |offset, i| {
            load(self.origin.wrapping_add(offset), i)
        })
    }

    #[inline(always)]
    fn last(&self) -> usize {
        self.taps.clone().last().map_or(0, |step| self.origin.wrapping_add(step.offset))
    }
}

/// An output row.
struct Row<'a, T, V> {
    width: &'a Axis,
    input: &'a [T],
    /// Where it starts in the output.
    at: usize,
    /// How sums become averages in the first vector, in those between, and in the last.
    divide: [Divide<V>; 3],
}

impl<T: Element, V: Copy> Row<'_, T, V> {
    #[inline(always)]
    fn reduce<R: Reduction<T>, S: Lanes<T, Vector = V>, const K: usize, const STRIDE: usize>(
        &self,
        simd: S,
        lines: impl Columns<T>,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let width = self.width;
        let identity = simd.splat(R::IDENTITY);
        // The last column of window 0 is the last of a group of `STRIDE`.
        let first = K - STRIDE - width.pad_begin;
        // Columns before `first`, in the last lanes of vectors before.
        let mut before = [identity; STRIDE];
        if first > 0 {
            let columns = STRIDE * S::N;
            let linear = lines.merge::<R, S, STRIDE>(simd, &mut seen, |line, i| {
                let lane_0 = (i * S::N).wrapping_add(first).wrapping_sub(columns);
                let lanes = (columns - first).saturating_sub(i * S::N).min(S::N)..S::N;
                // SAFETY: the lanes are columns 0 to `first` of a line.
                unsafe { self.load_between(simd, line.wrapping_add(lane_0), lanes, identity) }
            });
            seen = R::look(simd, seen, linear[0], linear[STRIDE - 1]);
            before = split::<T, S, STRIDE>(simd, linear);
        }
        let absent = (width.output - 1) * STRIDE + K > width.input + width.pad_begin;
        let mut x = 0;
        while x < width.output {
            let column = x * STRIDE + first;
            let windows = (width.output - x).min(S::N);
            let last = windows + x == width.output;
            let end = lines.last() + column + STRIDE * S::N;
            let linear = if last && (absent || end > self.input.len()) {
                lines.merge::<R, S, STRIDE>(simd, &mut seen, |line, i| {
                    let column = column + i * S::N;
                    let lanes = 0..width.input.saturating_sub(column).min(S::N);
                    // SAFETY: the lanes are columns of a line.
                    unsafe { self.load_between(simd, line.wrapping_add(column), lanes, identity) }
                })
            } else {
                lines.merge::<R, S, STRIDE>(simd, &mut seen, |line, i| {
                    // SAFETY: columns of a line, or at the end of one what comes after it, which
                    // was seen to be inside the input.
                    unsafe { load(simd, self.input, line + column + i * S::N) }
                })
            };
            let groups = split::<T, S, STRIDE>(simd, linear);
            let [a, b] = [groups[0], groups[STRIDE - 1]];
            let merged = match K {
                2 => R::merge(simd, a, b),
                _ => {
                    let left = if STRIDE == 1 {
                        let left = simd.slide::<2>(before[0], a);
                        R::merge(simd, left, simd.slide::<1>(before[0], a))
                    } else {
                        R::merge(simd, simd.slide::<1>(before[STRIDE - 1], b), a)
                    };
                    R::merge(simd, left, b)
                }
            };
            seen = R::look(simd, seen, if STRIDE == 1 { merged } else { a }, merged);
            before = groups;
            let divide = if last { 2 } else { usize::from(x > 0) };
            let v = R::finish(simd, merged, self.divide[divide]);
            let at = self.at + x;
            let room = if at + S::N <= output.len() { S::N } else { windows };
            // SAFETY: the row has `windows` more elements, and the output has `room`.
            unsafe { store_first(simd, v, output, at, room) }
            x += S::N;
        }
        seen
    }

    /// Loads `lanes` of the vector at `at`, which may begin before the input.
    ///
    /// # Safety
    ///
    /// These lanes are inside the input.
    #[inline(always)]
    unsafe fn load_between<S: Lanes<T, Vector = V>>(
        &self,
        simd: S,
        at: usize,
        lanes: Range<usize>,
        rest: S::Vector,
    ) -> S::Vector {
        debug_assert!(
            lanes.is_empty()
                || at.wrapping_add(lanes.start) < self.input.len()
                    && at.wrapping_add(lanes.end) <= self.input.len(),
            "a load out of bounds"
        );
        // SAFETY: as the caller promises.
        unsafe { simd.load_between(self.input.as_ptr().wrapping_add(at), lanes, rest) }
    }
}

/// Splits consecutive columns into those that are `STRIDE` apart.
#[inline(always)]
fn split<T: Element, S: Lanes<T>, const STRIDE: usize>(
    simd: S,
    linear: [S::Vector; STRIDE],
) -> [S::Vector; STRIDE] {
    match STRIDE {
        1 => linear,
        _ => {
            let (even, odd) = simd.deinterleave(linear[0], linear[STRIDE - 1]);
            from_fn(|i| if i == 0 { even } else { odd })
        }
    }
}
