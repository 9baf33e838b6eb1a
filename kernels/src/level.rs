//! Means under windows of three by three, one apart, of narrow planes: each is walked as if it were one line.
//!
//! Vectors go on from a row to the next, so that none is mostly empty, nor holds what others do as well. What a sum
//! has from the row before or after is multiplied by 0, as a table says, which takes no more than adding it. A product
//! of 0 and infinity is NaN, which is seen in the result, as all that a quick division misses.

use crate::number::{Element, Number};
use crate::reduction::{Divide, Reduction, finish_all};
use crate::simd::{Memory, TURNED, load, load_lanes, store, store_first};
use crate::walk::FastWalk;
use crate::{Axis, Geometry};
use core::ops::Range;

/// So many windows after whole vectors are few: the last strip of a plane holds what the one before it does, too.
const FEW: usize = 2;

/// Elements of an output that are worth the table.
const FEWEST: usize = 2048;

/// Rows at the start and at the end of the input that hold as much as is read too much.
const MARGIN: usize = 3;

/// Entries of the table: of so many rows that the next one starts with a vector again, and some more.
const ENTRIES: usize = (2 * TURNED + FEW + 1) * TURNED + 1;

/// Which of output rows `rows` this walk takes, of windows that strips take and that are all divided alike: none
/// of those where a vector may be read before the input or after it.
#[inline(never)]
pub(crate) fn taken(geometry: &Geometry, rows: &Range<usize>, lanes: usize) -> Range<usize> {
    let [depth, Axis { input: height, .. }, Axis { input: width, .. }] = *geometry.axes();
    // Strips of wider planes share more than these lose.
    let fits = (1..=2).contains(&(width / lanes))
        && (1..=FEW).contains(&(width % lanes))
        && height > 1
        && depth.output == depth.input
        && rows.len() * width >= FEWEST
        && geometry.strides().height == width
        && geometry.follow_after(height);
    if !fits {
        return rows.end..rows.end;
    }
    let count = geometry.planes() * depth.input * height;
    let start = rows.start.max(MARGIN).min(rows.end);
    start..rows.end.min(count.saturating_sub(MARGIN)).max(start)
}

/// Planes as one line.
pub(crate) struct Level;

impl FastWalk for Level {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let [_, Axis { input: height, .. }, Axis { input: width, .. }] = *geometry.axes();
        // Whether there is a column before each.
        let mut inside = [T::Acc::nearest(1); ENTRIES];
        for x in (0..=(width + 1) * S::N).step_by(width) {
            inside[x] = T::Acc::ZERO;
        }
        let divide = R::divide(simd, geometry.divide_by([0; 3]), geometry.rounding());
        let mut seen = simd.unseen();
        let (mut row, mut y, mut to) = (rows.start, rows.start % height, 0);
        while row < rows.end {
            // The first or the last row of a plane, or those between, as far as they are wanted and the table goes.
            let inner = 0 < y && y + 1 < height;
            let count = if inner { (height - 1 - y).min(rows.end - row).min(S::N) } else { 1 };
            let (above, len) = (if y > 0 { row - 1 } else { row } * width, count * width);
            let line = [above, width, len];
            let output = &mut output[to..];
            seen = if inner {
                windows::<R, T, S, 3>(simd, input, line, &inside, divide, output, seen)
            } else {
                windows::<R, T, S, 2>(simd, input, line, &inside, divide, output, seen)
            };
            to += len;
            row += count;
            y = if y + count == height { 0 } else { y + count };
        }
        seen
    }
}

/// Windows under `LINES` lines, the first of which starts at `above`: `len` of them from the first of a row on.
#[inline(always)]
fn windows<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const LINES: usize>(
    simd: S,
    input: &[T],
    [above, width, len]: [usize; 3],
    inside: &[T::Acc; ENTRIES],
    divide: Divide<S::Vector>,
    output: &mut [T],
    mut seen: S::Seen,
) -> S::Seen {
    // Of the columns one after the windows, those of the vector before.
    let mut before = columns::<R, T, S, LINES>(simd, input, above + 1 - S::N, width);
    let mut i = 0;
    while i + 2 * S::N <= len {
        let first = sums::<R, T, S, LINES>(simd, input, [above, width, i], inside, &mut before);
        let second =
            sums::<R, T, S, LINES>(simd, input, [above, width, i + S::N], inside, &mut before);
        let [first, second] =
            finish_all::<R, T::Acc, S, 2>(simd, [first, second], [divide; 2], &mut seen);
        // SAFETY: there are so many windows.
        unsafe { store(simd, first, output, i) }
        // SAFETY: the same.
        unsafe { store(simd, second, output, i + S::N) }
        i += 2 * S::N;
    }
    while i < len {
        let sum = sums::<R, T, S, LINES>(simd, input, [above, width, i], inside, &mut before);
        let [v] = finish_all::<R, T::Acc, S, 1>(simd, [sum], [divide], &mut seen);
        // SAFETY: the output has so many elements left; what is too much for the rows is written anew.
        unsafe { store_first(simd, v, output, i, S::N.min(output.len() - i)) }
        i += S::N;
    }
    seen
}

/// The sums of a vector of windows from the `i`-th on, of whose columns some are in the vector before.
#[inline(always)]
fn sums<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const LINES: usize>(
    simd: S,
    input: &[T],
    [above, width, i]: [usize; 3],
    inside: &[T::Acc; ENTRIES],
    before: &mut S::Vector,
) -> S::Vector {
    let right = columns::<R, T, S, LINES>(simd, input, above + 1 + i, width);
    let left = simd.slide::<2>(*before, right);
    *before = right;
    // SAFETY: the table has as many entries as there are windows, and as a vector has lanes, and one more.
    let first = unsafe { load_lanes(simd, inside, i) };
    // SAFETY: the same.
    let third = unsafe { load_lanes(simd, inside, i + 1) };
    let sum = simd.mul_add(left, first, simd.between(left, right));
    simd.mul_add(right, third, sum)
}

/// A vector of columns under `LINES` lines, from one of the first line on.
#[inline(always)]
fn columns<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const LINES: usize>(
    simd: S,
    input: &[T],
    at: usize,
    width: usize,
) -> S::Vector {
    let mut sum = simd.splat(R::IDENTITY);
    for j in 0..LINES {
        // SAFETY: lines of a plane, and what comes before and after it, which there is.
        let v = unsafe { load(simd, input, at + j * width) };
        sum = if j == 0 { v } else { R::merge(simd, sum, v) };
    }
    sum
}
