//! A single window over all of a plane, however large.
//!
//! A plane is read as it lies in memory, eight lines at a time, which are merged down. What they give is
//! a row that waits until its sibling in the tree of lines is there, and is merged with it on the way.
//! The row of columns that is left is halved until it is a vector; as many of those as they have lanes
//! are turned, merged, and give a vector of results. Merging the identity changes nothing, so that rows
//! are filled up to a power of two.
//!
//! Of channels, some pixels side by side are such a row, which is halved until it is one pixel; that waits
//! for its sibling, too.

use crate::Geometry;
use crate::lines::{OCTET, octet};
use crate::number::Element;
use crate::order::merges_after;
use crate::reduction::{Divide, Reduction};
use crate::simd::{
    Aligned, Memory, TURNED, load, load_between, load_lanes, store_first, store_lanes, zeroed,
};
use crate::walk::FastWalk;
use core::mem::MaybeUninit;
use core::ops::Range;

/// Columns of a row at most; of longer lines, one piece after the other.
const COLUMNS: usize = 512;

/// Rows that may wait.
const WAITING: usize = 24;

/// Vectors of a row that are merged down at a time.
const B: usize = 4;

/// Elements of a plane that are worth it, and planes that leave too many lanes of other walks empty.
const WORTH: usize = 2048;
const FEW: usize = 4;

/// Pixels that are worth it.
const PIXELS: usize = 32;

/// Whether each plane is a single window, and large, unless there are few.
pub(crate) fn fits(geometry: &Geometry) -> bool {
    let axes = geometry.axes();
    let whole = axes.iter().all(|axis| {
        (axis.output, axis.kernel, axis.pad_begin, axis.dilation) == (1, axis.input, 0, 1)
    });
    let elements = axes.iter().map(|axis| axis.input).product::<usize>();
    // Of each piece of a line, a vector is left.
    let longest = COLUMNS * (COLUMNS / TURNED);
    let pays = if geometry.is_single() {
        (elements >= WORTH || geometry.planes() < FEW) && axes[2].input <= longest
    } else {
        elements >= PIXELS && geometry.inner() > 0
    };
    whole && pays && waiting_rows(geometry) <= WAITING
}

/// One window a plane.
pub(crate) struct Global;

impl FastWalk for Global {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let mut seen = simd.unseen();
        let width = geometry.axes()[2].input;
        let mut scratch = Aligned([const { MaybeUninit::uninit() }; COLUMNS * WAITING]);
        let waiting = zeroed::<T::Acc>(&mut scratch.0, COLUMNS * waiting_rows(geometry));
        let mut ends = [R::IDENTITY; COLUMNS];
        let divisor = geometry.divide_by([0; 3]);
        let divide = Divide::by::<T::Acc, S>(simd, divisor, geometry.rounding());
        if !geometry.is_single() {
            for (plane, output) in rows.zip(output.chunks_exact_mut(geometry.inner())) {
                let start = geometry.plane_start(plane);
                for (i, output) in output.chunks_mut(COLUMNS).enumerate() {
                    let lines = Lines { geometry, input, start: start + i * COLUMNS };
                    seen = lines.pixels::<R, S>(simd, divide, waiting, output, seen);
                }
            }
            return seen;
        }
        for first in (0..rows.len()).step_by(S::N) {
            let count = S::N.min(rows.len() - first);
            let mut square = [simd.splat(R::IDENTITY); TURNED];
            for (i, v) in square.iter_mut().enumerate().take(count) {
                let start = geometry.plane_start(rows.start + first + i);
                let mut at = 0;
                for x in (0..width).step_by(COLUMNS) {
                    let lines = Lines { geometry, input, start: start + x };
                    let len = COLUMNS.min(width - x);
                    seen = lines.merge::<R, S>(simd, len, waiting, (0, 0), seen);
                    if width <= COLUMNS {
                        *v = halved::<R, T, S>(simd, waiting, len);
                        continue;
                    }
                    // Of the last piece as many are left as of the others.
                    fill::<R, T, S>(simd, waiting, len, COLUMNS);
                    let end = halved::<R, T, S>(simd, waiting, COLUMNS);
                    // SAFETY: there is room for a vector of each piece.
                    unsafe { store_lanes(simd, end, &mut ends, at) }
                    at += S::N;
                }
                if width > COLUMNS {
                    *v = halved::<R, T, S>(simd, &mut ends, at);
                }
            }
            simd.turn(&mut square);
            let mut lanes = S::N;
            while lanes > 1 {
                lanes /= 2;
                for i in 0..lanes {
                    square[i] = R::merge(simd, square[2 * i], square[2 * i + 1]);
                }
            }
            let v = R::finish(simd, square[0], divide);
            // SAFETY: no more elements than there are planes.
            unsafe { store_first(simd, v, output, first, count) }
        }
        seen
    }
}

/// How many rows wait at a time, at most.
#[inline(never)]
fn waiting_rows(geometry: &Geometry) -> usize {
    let [depth, height, width] = geometry.axes();
    let pixels = if geometry.is_single() { 0 } else { width.input.ilog2() + 1 };
    (pixels + height.input.div_ceil(OCTET).ilog2() + depth.input.ilog2() + 2) as usize
}

/// Makes the columns from `len` to before `end` the identity.
#[inline(always)]
fn fill<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    row: &mut [T::Acc],
    len: usize,
    end: usize,
) {
    for i in (len.next_multiple_of(S::N)..end).step_by(S::N) {
        // SAFETY: a row has so many columns.
        unsafe { store_lanes(simd, simd.splat(R::IDENTITY), row, i) }
    }
}

/// Merges neighbours of a row until there is one vector; what makes the last of `len` columns a vector
/// is the identity.
#[inline(always)]
fn halved<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    row: &mut [T::Acc],
    len: usize,
) -> S::Vector {
    let mut columns = len.max(S::N).next_power_of_two();
    fill::<R, T, S>(simd, row, len, columns);
    while columns > S::N {
        for i in (0..columns).step_by(2 * S::N) {
            // SAFETY: a row has so many columns.
            let low = unsafe { load_lanes(simd, row, i) };
            // SAFETY: the same.
            let high = unsafe { load_lanes(simd, row, i + S::N) };
            let (even, odd) = simd.deinterleave(low, high);
            // SAFETY: the same.
            unsafe { store_lanes(simd, R::merge(simd, even, odd), row, i / 2) }
        }
        columns /= 2;
    }
    // SAFETY: the same.
    unsafe { load_lanes(simd, row, 0) }
}

/// The lines of a plane, or pieces of them.
struct Lines<'a, T> {
    geometry: &'a Geometry,
    input: &'a [T],
    start: usize,
}

impl<T: Element> Lines<'_, T> {
    /// Reduces some channels.
    #[inline(always)]
    fn pixels<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        divide: Divide<S::Vector>,
        waiting: &mut [T::Acc],
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let (width, pixel) = (self.geometry.axes()[2].input, self.geometry.strides().width);
        let channels = output.len();
        // Pixels of a row, if they have no gaps; a vector may be read after the last.
        let most = if channels == pixel { (COLUMNS - TURNED) / channels } else { 1 };
        let most = 1 << most.checked_ilog2().unwrap_or(0);
        let (mut row, rows) = (0, 0..width.div_ceil(most));
        for i in rows.clone() {
            let count = most.min(width - i * most);
            let lines = Self { start: self.start + i * most * pixel, ..*self };
            let merges = merges_after(i, &rows) as usize;
            if most == 1 {
                seen = lines.merge::<R, S>(simd, channels, waiting, (row, merges), seen);
                row = row - merges + 1;
                continue;
            }
            seen = lines.merge::<R, S>(simd, count * channels, waiting, (row, 0), seen);
            let first = row * COLUMNS;
            let mut left = most;
            if count < most {
                fill::<R, T, S>(simd, waiting, first + count * channels, first + most * channels);
            }
            while left > 1 {
                left /= 2;
                for pair in 0..left {
                    let (to, from) = (first + pair * channels, first + 2 * pair * channels);
                    for c in (0..channels).step_by(S::N) {
                        // SAFETY: a row has so many columns.
                        let even = unsafe { load_lanes(simd, waiting, from + c) };
                        // SAFETY: the same.
                        let odd = unsafe { load_lanes(simd, waiting, from + channels + c) };
                        let mut merged = R::merge(simd, even, odd);
                        if channels < S::N {
                            // SAFETY: the same.
                            let rest = unsafe { load_lanes(simd, waiting, to) };
                            merged = simd.keep(merged, 0..channels, rest);
                        }
                        // SAFETY: the same. What is after the channels has been read.
                        unsafe { store_lanes(simd, merged, waiting, to + c) }
                    }
                }
            }
            row -= merges;
            for c in (0..channels).step_by(S::N) {
                // SAFETY: the same.
                let v = unsafe { load_lanes(simd, waiting, first + c) };
                join::<R, T, S, 1>(simd, [v], waiting, &(row..row + merges), c);
            }
            row += 1;
        }
        for c in (0..channels).step_by(S::N) {
            // SAFETY: the same.
            let v = R::finish(simd, unsafe { load_lanes(simd, waiting, c) }, divide);
            // SAFETY: no more elements than there are channels.
            unsafe { store_first(simd, v, output, c, S::N.min(channels - c)) }
        }
        seen
    }

    /// Merges all lines, and so many rows that wait before it, into a row.
    #[inline(always)]
    fn merge<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        len: usize,
        waiting: &mut [T::Acc],
        (mut row, before): (usize, usize),
        mut seen: S::Seen,
    ) -> S::Seen {
        let [depth, height, _] = self.geometry.axes();
        let [_, deep, high] = self.geometry.tap_strides();
        let (depths, octets) = (0..depth.input, 0..height.input.div_ceil(OCTET));
        for z in depths.clone() {
            for i in octets.clone() {
                let mut merges = merges_after(i, &octets) as usize;
                if i + 1 == octets.end {
                    merges += merges_after(z, &depths) as usize;
                    if z + 1 == depths.end {
                        merges += before;
                    }
                }
                row -= merges;
                let start = self.start + z * deep + i * OCTET * high;
                let lines = [start, high, OCTET.min(height.input - i * OCTET)];
                seen = self.octet::<R, S>(simd, lines, len, waiting, row..row + merges, seen);
                row += 1;
            }
        }
        seen
    }

    /// Merges some lines, and what waits for them, into the first of the rows that wait.
    #[inline(always)]
    fn octet<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        lines @ [start, high, count]: [usize; 3],
        len: usize,
        waiting: &mut [T::Acc],
        rows: Range<usize>,
        mut seen: S::Seen,
    ) -> S::Seen {
        let mut x = 0;
        while x + B * S::N <= len {
            let merged = octet::<R, T::Acc, S, B>(
                simd,
                &mut seen,
                lines,
                #[inline(always)]
                |line, b| {
                    // SAFETY: columns of the line.
                    unsafe { load(simd, self.input, line + x + b * S::N) }
                },
            );
            join::<R, T, S, B>(simd, merged, waiting, &rows, x);
            x += B * S::N;
        }
        while x < len {
            let identity = simd.splat(R::IDENTITY);
            let lanes = 0..S::N.min(len - x);
            let inside = start + (count - 1) * high + x + S::N <= self.input.len();
            let mut merged = octet::<R, T::Acc, S, 1>(
                simd,
                &mut seen,
                lines,
                #[inline(always)]
                |line, _| {
                    if inside {
                        // SAFETY: columns of the line and what comes after it.
                        unsafe { load(simd, self.input, line + x) }
                    } else {
                        // SAFETY: columns of the line.
                        unsafe { load_between(simd, self.input, line + x, lanes.clone(), identity) }
                    }
                },
            );
            if lanes.end < S::N {
                merged[0] = simd.keep(merged[0], lanes, identity);
            }
            join::<R, T, S, 1>(simd, merged, waiting, &rows, x);
            x += S::N;
        }
        seen
    }
}

/// Merges what waits in some rows, the last one first, and puts the result into the first one.
#[inline(always)]
fn join<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const N: usize>(
    simd: S,
    mut merged: [S::Vector; N],
    waiting: &mut [T::Acc],
    rows: &Range<usize>,
    x: usize,
) {
    for row in rows.clone().rev() {
        for (b, v) in merged.iter_mut().enumerate() {
            // SAFETY: a row has so many columns.
            let left = unsafe { load_lanes(simd, waiting, row * COLUMNS + x + b * S::N) };
            *v = R::merge(simd, left, *v);
        }
    }
    for (b, v) in merged.into_iter().enumerate() {
        // SAFETY: the same.
        unsafe { store_lanes(simd, v, waiting, rows.start * COLUMNS + x + b * S::N) }
    }
}
