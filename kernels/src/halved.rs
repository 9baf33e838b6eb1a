//! Three by three windows, two apart, over narrow planes of single elements.
//!
//! A plane is walked from top to bottom, all vectors of a row at once, and the line that the windows of a row share with
//! those below is carried down in registers. [`Rows`](crate::rows::Rows), which takes any lines, has much to ask before
//! each run of rows that are made alike: on narrow planes, that takes longer than the rows do.

use crate::number::{Element, Number};
use crate::paired::{are_fractions, place};
use crate::reduction::{Divide, Reduction, finish_all, fraction, look_at};
use crate::simd::{Memory, WIDEST, load, load_lanes, load_of_two, store, store_first};
use crate::walk::FastWalk;
use crate::{Axis, Geometry, Rounding};
use bytemuck::{Zeroable, must_cast};
use core::ops::Range;

/// The most windows of a row.
const MOST: usize = 32;

/// The most vectors of a row.
const VECTORS: usize = 4;

/// Whether this walk takes these windows.
pub(crate) fn fits(geometry: &Geometry) -> bool {
    let [depth, height, width] = geometry.axes();
    let halves = |axis: &Axis| {
        (axis.kernel, axis.stride, axis.dilation) == (3, 2, 1)
            && !axis.spread
            && axis.pad_begin <= 1
            // The last window alone may reach over the end, by one element.
            && axis.output * 2 <= axis.input + axis.pad_begin
    };
    geometry.is_single()
        && depth.is_flat()
        && (depth.input, depth.output) == (1, 1)
        && geometry.image_planes() == geometry.planes()
        && halves(height)
        && halves(width)
        && (2..=MOST).contains(&width.output)
}

/// Whether rows are few enough vectors, and averages of bytes are products.
#[inline(always)]
pub(crate) fn takes<T: Element, S: Memory<T>>(geometry: &Geometry) -> bool {
    geometry.axes()[2].output <= VECTORS * S::N && (!S::PARTS || are_fractions(geometry))
}

/// The rows of some that this walk takes: those of planes after which the input goes on for what their vectors have too
/// much.
pub(crate) fn taken(geometry: &Geometry, rows: &Range<usize>, lanes: usize) -> Range<usize> {
    let [_, height, width] = geometry.axes();
    let vectors = width.output.div_ceil(lanes);
    let last_line = (height.input - 1) * geometry.strides().height;
    let reach = last_line + 1 - width.pad_begin + 2 * vectors * lanes;
    let mut planes = geometry.planes();
    // Mostly the last one only.
    while planes > 0 && geometry.plane_start(planes - 1) + reach > geometry.input_len() {
        planes -= 1;
    }
    rows.start..rows.end.min(planes * height.output).max(rows.start)
}

/// Three by three windows, two apart.
pub(crate) struct Halved;

impl FastWalk for Halved {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let width = &geometry.axes()[2];
        if width.pad_begin == 0 {
            reduce::<R, T, S, false>(simd, geometry, rows, input, output)
        } else {
            reduce::<R, T, S, true>(simd, geometry, rows, input, output)
        }
    }
}

/// Reduces windows, the first of which of each row lack a column if `PADDED`.
#[inline(always)]
fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const PADDED: bool>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) -> S::Seen {
    // What is for wider planes than there are is not compiled.
    match geometry.axes()[2].output.div_ceil(S::N) {
        4.. if const { MOST > 3 * S::N } => {
            planes::<R, T, S, PADDED, 4>(simd, geometry, rows, input, output)
        }
        3 if const { MOST > 2 * S::N } => {
            planes::<R, T, S, PADDED, 3>(simd, geometry, rows, input, output)
        }
        2 if const { MOST > S::N } => {
            planes::<R, T, S, PADDED, 2>(simd, geometry, rows, input, output)
        }
        _ => planes::<R, T, S, PADDED, 1>(simd, geometry, rows, input, output),
    }
}

/// Reduces windows of which a row has `V` vectors.
#[inline(always)]
fn planes<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const PADDED: bool, const V: usize>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) -> S::Seen {
    let [_, height, width] = geometry.axes();
    let mut divisors = [[simd.splat(T::Acc::ZERO); V]; 3];
    if R::DIVIDES {
        let mut by = [T::Acc::ZERO; VECTORS * WIDEST];
        for (divisors, of_row) in divisors.iter_mut().zip(geometry.divisors()) {
            for (x, by) in by[..V * S::N].iter_mut().enumerate() {
                let divisor = of_row[place(x.min(width.output - 1), width.output)];
                *by = T::Acc::nearest(match const { S::PARTS } {
                    true => fraction(divisor, geometry.rounding()).unwrap_or(0),
                    false => divisor,
                });
            }
            for v in 0..V {
                // SAFETY: as many as there are lanes.
                divisors[v] = unsafe { load_lanes(simd, &by, v * S::N) };
            }
        }
    }
    let pads = height.pad_begin;
    let end = lane::<T, S>(simd, width.output - 1 - (V - 1) * S::N);
    let planes = Planes {
        input,
        line: geometry.strides().height,
        pads,
        whole: (height.input + pads - 1) / 2,
        windows: width.output,
        absent: end..end + usize::from(width.output * 2 + 1 > width.input + width.pad_begin),
        divisors: &divisors,
        rounding: geometry.rounding(),
    };
    let mut seen = simd.unseen();
    let mut row = rows.start;
    let (mut plane, _, mut y) = geometry.position(row);
    while row < rows.end {
        let end = height.output.min(y + rows.end - row);
        let (at, to) = (geometry.plane_start(plane), (row - rows.start) * width.output);
        seen = planes.down::<R, PADDED>(simd, at, y..end, to, output, seen);
        row += end - y;
        (plane, y) = (plane + 1, 0);
    }
    seen
}

/// Where [`unzip`](crate::simd::Lanes::unzip) puts lane `i`.
#[inline(always)]
fn lane<T: Element, S: Memory<T>>(simd: S, i: usize) -> usize {
    if const { S::APART } {
        return i;
    }
    let mut lanes = [S::Array::zeroed(); 2];
    for (half, lanes) in lanes.iter_mut().enumerate() {
        for (lane, x) in lanes.as_mut().iter_mut().zip(half * S::N..) {
            *lane = T::Acc::nearest(x as i64);
        }
    }
    let [low, high] = lanes;
    let (even, _) = simd.unzip(must_cast(low), must_cast(high));
    let even: S::Array = must_cast(even);
    let first = T::Acc::nearest(2 * i as i64);
    even.as_ref().iter().position(|&x| x == first).unwrap_or(i)
}

/// Planes whose rows are `V` vectors of windows.
struct Planes<'a, T: Element, S: Memory<T>, const V: usize> {
    input: &'a [T],
    /// From a line to the next.
    line: usize,
    /// Lines of padding above a plane: one, or none.
    pads: usize,
    /// Rows of a plane whose windows have a line below the middle one: all, or all but one.
    whole: usize,
    /// Windows of a row.
    windows: usize,
    /// The lane of the last window of a row, as [`unzip`](crate::simd::Lanes::unzip) leaves them, if it lacks a column.
    absent: Range<usize>,
    /// What sums are divided by, or multiplied with, in the first row, in those between, and in the last.
    divisors: &'a [[S::Vector; V]; 3],
    rounding: Rounding,
}

/// How far rows have come.
struct Next<W, const V: usize> {
    /// Of the line that windows share with those above, the column before the first one.
    before: W,
    /// The other columns of it.
    pairs: [[W; 2]; V],
    /// Where the middle line of windows starts in the input.
    at: usize,
    /// Where the next row goes in the output.
    to: usize,
}

impl<T: Element, S: Memory<T>, const V: usize> Planes<'_, T, S, V> {
    /// Reduces some rows of the plane that starts at `start`.
    #[inline(always)]
    fn down<R: Reduction<T::Acc>, const PADDED: bool>(
        &self,
        simd: S,
        start: usize,
        rows: Range<usize>,
        to: usize,
        output: &mut [T],
        seen_before: S::Seen,
    ) -> S::Seen {
        let identity = simd.splat(R::IDENTITY);
        let mut seen = simd.unseen();
        let middle = rows.start * 2 + 1 - self.pads;
        let mut next = Next {
            before: identity,
            pairs: [[identity; 2]; V],
            at: start + middle * self.line,
            to,
        };
        if middle > 0 {
            let above = next.at - self.line;
            if const { !PADDED } {
                next.before = self.column_0(simd, above);
                seen = R::look(simd, seen, next.before, next.before);
            }
            for v in 0..V {
                next.pairs[v] = self.load::<PADDED>(simd, above, v);
                seen = look_at::<R, T::Acc, S, 2>(simd, seen, &next.pairs[v]);
            }
        }
        let [first, inner, last] = self.divisors;
        let mut divisors = if rows.start == 0 { first } else { inner };
        // Rows after which the output goes on for a vector; what is written too much is the next row, which comes after it.
        let room = output.len().saturating_sub(to + V * S::N - self.windows) / self.windows;
        let whole = self.whole.min(rows.end);
        let inside = whole.min(rows.start + room);
        for _ in rows.start..inside {
            seen = self.row::<R, PADDED, true>(simd, &mut next, divisors, true, output, seen);
            divisors = inner;
        }
        for y in inside.max(rows.start)..rows.end {
            let below = y < whole;
            let divisors = match y {
                0 => first,
                _ if below => inner,
                _ => last,
            };
            seen = self.row::<R, PADDED, false>(simd, &mut next, divisors, below, output, seen);
        }
        simd.both(seen_before, seen)
    }

    /// Reduces a row. `below` says whether there is a line below the middle one of its windows; if `INSIDE`, there is, and
    /// the output goes on for a vector.
    #[inline(always)]
    fn row<R: Reduction<T::Acc>, const PADDED: bool, const INSIDE: bool>(
        &self,
        simd: S,
        next: &mut Next<S::Vector, V>,
        divisors: &[S::Vector; V],
        below: bool,
        output: &mut [T],
        seen_before: S::Seen,
    ) -> S::Seen {
        let mut seen = simd.unseen();
        let last_line = next.at + self.line;
        let mut before = next.before;
        if const { !PADDED } {
            let middle = self.column_0(simd, next.at);
            before = R::push(simd, R::lift(simd, before), middle);
            if INSIDE || below {
                next.before = self.column_0(simd, last_line);
                before = R::push(simd, before, next.before);
            }
            seen = R::look(simd, seen, middle, before);
        }
        for v in 0..V {
            let middle = self.load::<PADDED>(simd, next.at, v);
            seen = look_at::<R, T::Acc, S, 2>(simd, seen, &middle);
            let mut pair = next.pairs[v];
            for i in 0..2 {
                pair[i] = R::push(simd, R::lift(simd, pair[i]), middle[i]);
            }
            if INSIDE || below {
                next.pairs[v] = self.load::<PADDED>(simd, last_line, v);
                for i in 0..2 {
                    pair[i] = R::push(simd, pair[i], next.pairs[v][i]);
                }
            }
            let (even, mut odd) = match const { S::APART } {
                true => (pair[0], pair[1]),
                false => simd.unzip(pair[0], pair[1]),
            };
            if v + 1 == V {
                odd = simd.keep(simd.splat(R::IDENTITY), self.absent.clone(), odd);
            }
            let left = match const { S::APART } {
                true => simd.slide::<1>(before, odd),
                false => simd.slide_unzipped(before, odd),
            };
            before = odd;
            let mut merged = R::merge(simd, R::merge(simd, left, even), odd);
            seen = R::look(simd, seen, even, merged);
            if const { !S::APART } {
                merged = simd.in_order(merged);
            }
            let divide = match const { S::PARTS } {
                true => Divide::ByFractionOfMagnitude(divisors[v]),
                false => Divide::By(divisors[v], self.rounding),
            };
            let [result] = finish_all::<R, T::Acc, S, 1>(simd, [merged], [divide], &mut seen);
            let to = next.to + v * S::N;
            if INSIDE || v + 1 < V || to + S::N <= output.len() {
                // SAFETY: the row has more windows, or the output goes on for a vector.
                unsafe { store(simd, result, output, to) }
            } else {
                // SAFETY: the row has so many windows.
                unsafe { store_first(simd, result, output, to, self.windows - v * S::N) }
            }
        }
        next.at = last_line + self.line;
        next.to += self.windows;
        simd.both(seen_before, seen)
    }

    /// Loads column 0 of the line that starts at `at`.
    #[inline(always)]
    fn column_0(&self, simd: S, at: usize) -> S::Vector {
        debug_assert!(at < self.input.len(), "a load out of bounds");
        // SAFETY: the line has a column.
        simd.splat(unsafe { *self.input.get_unchecked(at) }.widen())
    }

    /// Loads the columns of the `v`-th vector of windows of the line that starts at `at`.
    #[inline(always)]
    fn load<const PADDED: bool>(&self, simd: S, at: usize, v: usize) -> [S::Vector; 2] {
        let at = at + usize::from(!PADDED) + 2 * v * S::N;
        if const { S::APART } {
            // SAFETY: columns of the line and what comes after it, which is inside the input.
            return [0, 1].map(|i| unsafe { load_of_two(simd, self.input, at, i) });
        }
        // SAFETY: columns of the line and what comes after it, which is inside the input.
        let low = unsafe { load(simd, self.input, at) };
        // SAFETY: the same.
        let high = unsafe { load(simd, self.input, at + S::N) };
        [low, high]
    }
}
