//! Means under windows of three by three, one apart: all planes are walked as if they were one line.
//!
//! Vectors go on from a row to the next, and from a plane to the next, so that none is mostly empty, nor holds what
//! others do as well. What a sum has from a row or a plane before or after is multiplied by 0, as tables say, which takes
//! no more than adding it. A product of 0 and infinity is NaN, which is seen in the result, as all that a quick division
//! misses.

use crate::number::{Element, Number};
use crate::reduction::{Divide, Reduction, finish_all};
use crate::simd::{Memory, filled, load, load_lanes, store, store_first};
use crate::strips;
use crate::walk::{FastWalk, LARGE_PART};
use crate::{Axis, Divisor, Geometry, Rounding};
use core::mem::MaybeUninit;
use core::ops::Range;

/// Wider planes would want larger tables.
const MAX_WIDTH: usize = 512;

/// Vectors of a row of windows that are divided by other numbers at edges, at most, if those are not mostly empty: rows
/// of more have few edges.
const COUNTED: usize = 6;

/// Elements of an output that are worth the tables.
const FEWEST: usize = 2048;

/// Vectors that are made side by side.
const GROUP: usize = 4;

/// The most elements of them.
const MAX_GROUP: usize = GROUP * 16;

/// Entries of the tables of columns: of so many rows as have a group of elements, of a group more, and a vector.
const COLUMNS: usize = MAX_WIDTH + 3 * MAX_GROUP;

/// Entries of the table of rows: a row and a group before the start of a plane, and two rows, a group and a vector after
/// it.
const ROWS: usize = 3 * MAX_WIDTH + 3 * MAX_GROUP;

/// Whether this walk takes these windows, but for those of a few rows, by vectors of so many lanes.
pub(crate) fn fits(geometry: &Geometry, lanes: usize) -> bool {
    let [depth, height, width] = geometry.axes();
    let same = |axis: &Axis| {
        (axis.kernel, axis.stride, axis.dilation, axis.pad_begin) == (3, 1, 1, 1)
            && axis.output == axis.input
    };
    GROUP * lanes <= MAX_GROUP
        && same(height)
        && same(width)
        && width.input <= MAX_WIDTH
        && depth.is_flat()
        && depth.output == depth.input
        && geometry.is_single()
        && geometry.strides().height == width.input
        && geometry.follow_after(height.input)
        && geometry.output_len() >= FEWEST
        && match geometry.divisor() {
            Divisor::Present => counts_pay(width.input, lanes),
            _ => geometry.divides_by_odd(),
        }
}

/// Whether windows that are divided by other numbers at edges, which takes longer, are walked so: not those that strips
/// of vectors that are mostly full are for, nor those of rows with few edges.
fn counts_pay(width: usize, lanes: usize) -> bool {
    if width <= strips::NARROW {
        5 * width.next_multiple_of(lanes) >= 6 * width
    } else {
        width.div_ceil(lanes) <= COUNTED
    }
}

/// Which of output rows `rows` this walk takes, of windows that it [`fits`]: none where a vector may be read before the
/// input or after it.
#[inline(never)]
pub(crate) fn taken(geometry: &Geometry, rows: &Range<usize>, lanes: usize) -> Range<usize> {
    let width = geometry.row_len();
    let margin = 1 + (lanes + 1).div_ceil(width);
    let start = rows.start.max(margin).min(rows.end);
    let end = rows.end.min(geometry.rows().saturating_sub(margin)).max(start);
    if (end - start) * width < FEWEST { rows.end..rows.end } else { start..end }
}

/// Planes as one line; `COUNTED` says that windows at edges are divided by the taps that they have.
pub(crate) struct Level<const COUNTED: bool>;

impl<const COUNTED: bool> FastWalk for Level<COUNTED> {
    const PART: usize = LARGE_PART;

    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let [_, Axis { input: height, .. }, Axis { input: width, .. }] = *geometry.axes();
        let (plane, group) = (height * width, GROUP * S::N);
        let zero = width + group;
        let period = group.next_multiple_of(width);
        let (mut before, mut above, mut counts) = (
            [const { MaybeUninit::uninit() }; COLUMNS],
            [const { MaybeUninit::uninit() }; ROWS],
            [const { MaybeUninit::uninit() }; COLUMNS],
        );
        let columns = period + group + 1;
        let line = Line::<T, COUNTED> {
            input,
            width,
            plane,
            period,
            zero,
            before: columns_before(&mut before, columns, width),
            above: rows_above(&mut above, zero + 2 * width + group + S::N, [width, plane], zero),
            counts: taps(&mut counts, if COUNTED { columns } else { 0 }, width),
        };
        // Where all are divided alike.
        let divide = R::divide(simd, geometry.divide_by([0; 3]), geometry.rounding());
        let len = rows.len() * width;
        let mut at = At { input: rows.start * width, plane: rows.start % height * width, row: 0 };
        let mut last = line.last::<R, S>(simd, at);
        let mut seen = simd.unseen();
        let mut i = 0;
        while i + group <= len {
            let (sums, divides) = line.sums::<R, S, GROUP>(simd, at, divide, &mut last);
            let results = finish_all::<R, T::Acc, S, GROUP>(simd, sums, divides, &mut seen);
            for (j, &result) in results.iter().enumerate() {
                // SAFETY: there are so many windows.
                unsafe { store(simd, result, output, i + j * S::N) }
            }
            at = line.after(at, group);
            i += group;
        }
        while i < len {
            let (sum, divide) = line.sums::<R, S, 1>(simd, at, divide, &mut last);
            let [v] = finish_all::<R, T::Acc, S, 1>(simd, sum, divide, &mut seen);
            // SAFETY: the output has so many elements left.
            unsafe { store_first(simd, v, output, i, S::N.min(len - i)) }
            at = line.after(at, S::N);
            i += S::N;
        }
        seen
    }
}

/// 0 for the first element of each row, and 1 for others.
#[inline(never)]
fn columns_before<A: Number>(
    scratch: &mut [MaybeUninit<A>; COLUMNS],
    len: usize,
    width: usize,
) -> &[A] {
    let before = filled(scratch, len, A::nearest(1));
    for first in (0..len).step_by(width) {
        before[first] = A::ZERO;
    }
    before
}

/// 0 for the elements of the first row of each plane, of which one starts at `zero`, and 1 for others.
#[inline(never)]
fn rows_above<A: Number>(
    scratch: &mut [MaybeUninit<A>; ROWS],
    len: usize,
    [width, plane]: [usize; 2],
    zero: usize,
) -> &[A] {
    let above = filled(scratch, len, A::nearest(1));
    for end in ((zero + width) % plane..len + width).step_by(plane) {
        above[end.saturating_sub(width)..end.min(len)].fill(A::ZERO);
    }
    above
}

/// The taps of the window of each element of rows between others.
#[inline(never)]
fn taps<A: Number>(scratch: &mut [MaybeUninit<A>; COLUMNS], len: usize, width: usize) -> &[A] {
    let taps = filled(scratch, len, A::nearest(9));
    let at_edge = A::nearest(if width == 1 { 3 } else { 6 });
    for first in (0..len).step_by(width) {
        taps[first] = at_edge;
        if let Some(last) = taps.get_mut(first + width - 1) {
            *last = at_edge;
        }
    }
    taps
}

/// Where an element is.
#[derive(Clone, Copy)]
struct At {
    input: usize,
    /// From the start of its plane.
    plane: usize,
    /// From the start of a row, not always its own.
    row: usize,
}

struct Line<'a, T: Element, const COUNTED: bool> {
    input: &'a [T],
    width: usize,
    /// Elements of a plane.
    plane: usize,
    /// After so many elements, places in a row start anew.
    period: usize,
    /// Where a plane starts in the table of rows.
    zero: usize,
    /// Whether there is a column before each element of rows.
    before: &'a [T::Acc],
    /// Whether there is a row above each element around the start of a plane.
    above: &'a [T::Acc],
    /// The taps of the window of each element of rows between others.
    counts: &'a [T::Acc],
}

impl<T: Element, const COUNTED: bool> Line<'_, T, COUNTED> {
    /// The place so many elements further, at most a group.
    #[inline(always)]
    fn after(&self, at: At, count: usize) -> At {
        let mut at = At { input: at.input + count, plane: at.plane + count, row: at.row + count };
        while at.plane >= self.plane {
            at.plane -= self.plane;
        }
        if at.row >= self.period {
            at.row -= self.period;
        }
        at
    }

    /// Where the table of rows has a place of a plane, if any of so many elements from there on is in a first or a last row.
    #[inline(always)]
    fn edge(&self, place: usize, count: usize) -> Option<usize> {
        if place < self.width {
            Some(self.zero + place)
        } else if place + count + self.width > self.plane {
            Some(self.zero + place - self.plane)
        } else {
            None
        }
    }

    /// Of the columns one after the windows from a place on, those of the vector before.
    #[inline(always)]
    fn last<R: Reduction<T::Acc>, S: Memory<T>>(&self, simd: S, at: At) -> S::Vector {
        let place = (at.plane + 1 + S::N * self.plane - S::N) % self.plane;
        let at = at.input + 1 - S::N;
        match self.edge(place, S::N) {
            Some(edge) => self.columns::<R, S, true>(simd, at, edge),
            None => self.columns::<R, S, false>(simd, at, 0),
        }
    }

    /// The sums of `V` vectors of windows from a place on, of whose columns some are in the vector before, and how they
    /// become averages, where it is not as `divide` says.
    #[inline(always)]
    fn sums<R: Reduction<T::Acc>, S: Memory<T>, const V: usize>(
        &self,
        simd: S,
        at: At,
        divide: Divide<S::Vector>,
        last: &mut S::Vector,
    ) -> ([S::Vector; V], [Divide<S::Vector>; V]) {
        let mut columns = [*last; V];
        let mut divides = [divide; V];
        match self.edge(at.plane, V * S::N + 1) {
            Some(edge) => {
                for j in 0..V {
                    let (at, edge) = (at.input + 1 + j * S::N, edge + 1 + j * S::N);
                    columns[j] = self.columns::<R, S, true>(simd, at, edge);
                }
                if COUNTED {
                    for j in 0..V {
                        let (place, row) = (edge + j * S::N, at.row + j * S::N);
                        let [above, below] = self.lines(simd, place);
                        let [before, after] = self.sides(simd, row);
                        let one = simd.splat(T::Acc::nearest(1));
                        let lines = simd.add(simd.add(above, below), one);
                        let columns = simd.add(simd.add(before, after), one);
                        divides[j] = Divide::By(simd.mul(lines, columns), Rounding::default());
                    }
                }
            }
            None => {
                for j in 0..V {
                    let (at, row) = (at.input + 1 + j * S::N, at.row + j * S::N);
                    columns[j] = self.columns::<R, S, false>(simd, at, 0);
                    if COUNTED {
                        // SAFETY: as for those before and after.
                        let counts = unsafe { load_lanes(simd, self.counts, row) };
                        divides[j] = Divide::By(counts, Rounding::default());
                    }
                }
            }
        }
        let mut sums = columns;
        for j in 0..V {
            let right = columns[j];
            let left = simd.slide::<2>(*last, right);
            *last = right;
            let [before, after] = self.sides(simd, at.row + j * S::N);
            let sum = simd.mul_add(left, before, simd.between(left, right));
            sums[j] = simd.mul_add(right, after, sum);
        }
        (sums, divides)
    }

    /// A vector of columns of three lines, from an element of the middle one on, and given its place in the table of rows if
    /// there are `EDGES`.
    #[inline(always)]
    fn columns<R: Reduction<T::Acc>, S: Memory<T>, const EDGES: bool>(
        &self,
        simd: S,
        at: usize,
        place: usize,
    ) -> S::Vector {
        // SAFETY: there are rows before it.
        let first = unsafe { load(simd, self.input, at - self.width) };
        // SAFETY: more than a vector comes after it.
        let second = unsafe { load(simd, self.input, at) };
        // SAFETY: there are rows after it.
        let third = unsafe { load(simd, self.input, at + self.width) };
        if !EDGES {
            return R::merge(simd, R::merge(simd, first, second), third);
        }
        let [above, below] = self.lines(simd, place);
        simd.mul_add(third, below, simd.mul_add(first, above, second))
    }

    /// Whether there are lines above and below a vector of elements.
    #[inline(always)]
    fn lines<S: Memory<T>>(&self, simd: S, place: usize) -> [S::Vector; 2] {
        // SAFETY: the table has a row and a group before the start of a plane, and more after it.
        let above = unsafe { load_lanes(simd, self.above, place) };
        // SAFETY: the same.
        let below = unsafe { load_lanes(simd, self.above, place + self.width) };
        [above, below]
    }

    /// Whether there are columns before and after a vector of elements.
    #[inline(always)]
    fn sides<S: Memory<T>>(&self, simd: S, row: usize) -> [S::Vector; 2] {
        // SAFETY: the table has rows of a group of elements, and a group and more after them.
        let before = unsafe { load_lanes(simd, self.before, row) };
        // SAFETY: the same.
        let after = unsafe { load_lanes(simd, self.before, row + 1) };
        [before, after]
    }
}
