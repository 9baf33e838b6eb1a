//! Three by three windows, one apart, over single elements, as many as there are elements; dilated or not.
//!
//! A plane is walked in strips, a vector wide, from top to bottom, and what the next window shares
//! is carried down in registers. Three overlapping loads of a line cost less than shifting lanes.
//!
//! Maxima merge a line across at once. The centre of a window is merged last: it is what no merge
//! can lose, and every element is a centre. Sums have their order, down before across, and carry two
//! lines of the left and of the right columns, which have the central ones among them.
//!
//! Of dilated windows, every so many lines are a plane of its own.

use crate::Rounding;
use crate::number::{Element, Number};
use crate::reduction::{Divide, Reduction};
use crate::simd::{Memory, load, load_between, store_first};
use crate::walk::FastWalk;
use crate::{Axis, Divisor, Geometry, Strides};
use core::ops::Range;

/// The widest planes that are walked in strips: on wider ones, the lines of a strip crowd each other out
/// of the first-level cache.
const MAX_WIDTH: usize = 48;

/// The most lanes that a dilated window may reach to its sides.
const DILATION: usize = 4;

/// The narrowest planes under dilated windows, but for the dilation: no window at an edge is in a strip that is not
/// at that edge.
const MIN_WIDTH: usize = 16;

/// Whether this walk takes these windows.
pub(crate) fn fits(axes: &[Axis; 3]) -> bool {
    let [depth, height, width] = axes;
    let dilation = width.dilation;
    let same = |axis: &Axis| {
        (axis.kernel, axis.stride, axis.dilation, axis.pad_begin) == (3, 1, dilation, dilation)
            && axis.output == axis.input
    };
    let dilated =
        dilation <= DILATION && height.input >= 2 * dilation && width.input >= MIN_WIDTH + dilation;
    depth.kernel == 1
        && depth.pad_begin == 0
        && depth.output.saturating_sub(1) * depth.stride < depth.input
        && same(height)
        && same(width)
        && width.input <= MAX_WIDTH
        && (dilation == 1 || dilated)
}

/// Three by three windows, one apart.
pub(crate) struct Strips<const DILATED: bool>;

impl<const DILATED: bool> FastWalk for Strips<DILATED> {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let [depth, height, width] = geometry.axes();
        let by = geometry.divisor();
        let counted = |axis: &Axis, o: usize| T::Acc::nearest(axis.count(o, by) as i64);
        let (top, left) = (counted(height, 0), counted(width, 0));
        let (bottom, right) =
            (counted(height, height.output - 1), counted(width, width.output - 1));
        let Strides { depth: slice, height: line, .. } = geometry.strides();
        let mut seen = simd.unseen();
        let mut row = rows.start;
        while row < rows.end {
            let (plane, z, y) = geometry.position(row);
            let count = (height.output - y).min(rows.end - row);
            let plane = geometry.plane_start(plane) + depth.start(z) * slice;
            let dilation = if DILATED { width.dilation } else { 1 };
            let lines = Lines::<T, DILATED> {
                input,
                slice: plane,
                height: height.input,
                width: width.input,
                stride: line * dilation,
                dilation,
                by,
                rounding: geometry.rounding(),
                lines: [top, T::Acc::nearest(3), bottom],
                columns: [left, T::Acc::nearest(3), right],
            };
            let output = &mut output[(row - rows.start) * width.output..][..count * width.output];
            // Where there is something before and after a plane, no load needs a mask.
            let end = plane + (height.input - 1) * line + width.input;
            let amid = plane >= dilation && end + S::N <= input.len();
            for first in y..y + count.min(dilation) {
                // Which plane of those of every so many lines, and which of its rows.
                let (i, start) = (first % dilation, first / dilation);
                let lines = Lines {
                    slice: plane + i * line,
                    height: (height.input - i).div_ceil(dilation),
                    ..lines
                };
                let rows = start..start + (y + count - first).div_ceil(dilation);
                let output = &mut output[(first - y) * width.output..];
                seen = if amid {
                    lines.reduce::<R, S, true>(simd, rows, output, seen)
                } else {
                    lines.reduce::<R, S, false>(simd, rows, output, seen)
                };
            }
            row += count;
        }
        seen
    }
}

/// The lines of a plane.
#[derive(Clone, Copy)]
struct Lines<'a, T: Element, const DILATED: bool> {
    input: &'a [T],
    /// Where the plane starts.
    slice: usize,
    height: usize,
    width: usize,
    /// From a line to the next.
    stride: usize,
    /// Columns from a tap to the next.
    dilation: usize,
    by: Divisor,
    rounding: Rounding,
    /// Counted lines of the windows of the first row, of those between, and of the last.
    lines: [T::Acc; 3],
    /// Counted columns of the leftmost window, of those between, and of the rightmost.
    columns: [T::Acc; 3],
}

impl<T: Element, const DILATED: bool> Lines<'_, T, DILATED> {
    /// Reduces output rows `rows`; `AMID` says that there is something before and after the plane.
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, S: Memory<T>, const AMID: bool>(
        &self,
        simd: S,
        rows: Range<usize>,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        if self.width <= S::N {
            return self.strip::<R, S, AMID, true, true>(simd, 0, rows, output, seen);
        }
        seen = self.strip::<R, S, AMID, true, false>(simd, 0, rows.clone(), output, seen);
        let mut x = S::N;
        let last = self.width - S::N;
        while x < last {
            // No window of these reaches over the edge.
            x = if DILATED { x.min(last - self.dilation) } else { x };
            seen = self.strip::<R, S, true, false, false>(simd, x, rows.clone(), output, seen);
            x += S::N;
        }
        // The last strip is flush with the right edge.
        self.strip::<R, S, AMID, false, true>(simd, last, rows, output, seen)
    }

    /// Columns from a tap to the next, as the compiler best knows it.
    #[inline(always)]
    fn dilation(&self) -> usize {
        if DILATED { self.dilation } else { 1 }
    }

    /// Reduces the windows from `x` on, as many as fit a vector; `LEFT` and `RIGHT` say which edges
    /// of the plane they are at.
    #[inline(always)]
    fn strip<
        R: Reduction<T::Acc>,
        S: Memory<T>,
        const AMID: bool,
        const LEFT: bool,
        const RIGHT: bool,
    >(
        &self,
        simd: S,
        x: usize,
        rows: Range<usize>,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let (n, dilation) = (S::N.min(self.width - x), self.dilation());
        let [left, inner, right] = self.columns;
        let [left, inner, right] = [simd.splat(left), simd.splat(inner), simd.splat(right)];
        let columns = if LEFT { simd.keep(inner, dilation..S::N, left) } else { inner };
        let columns = if RIGHT { simd.keep(columns, 0..n - dilation, right) } else { columns };
        let [first, inner, last] = self.lines;

        let (start, end) = (rows.start, rows.end);
        let at = self.slice + start * self.stride + x;
        let above = match start {
            0 => [simd.splat(R::IDENTITY); 3],
            _ => self.line::<R, S, AMID, LEFT, RIGHT>(simd, at - self.stride, n),
        };
        let here = self.line::<R, S, AMID, LEFT, RIGHT>(simd, at, n);
        let mut strip = Strip {
            carried: Carried::new::<R, T, S>(simd, above, here),
            below: at + self.stride,
            n,
            to: x,
        };
        // Neither the line above nor, at the end, the one below is a centre of these rows.
        let above = strip.carried.above_across;
        seen = R::look(simd, seen, above, above);
        let bottom = self.height - 1;
        // Only divisors tell the first row from those after it.
        let top = if R::DIVIDES { bottom.min(1) } else { 0 };
        let rows = start..top.min(end);
        let by = self.divisor(simd, first, columns);
        seen = self.down::<R, S, AMID, LEFT, RIGHT, true>(simd, &mut strip, rows, by, output, seen);
        let rows = start.max(top)..bottom.min(end);
        let by = self.divisor(simd, inner, columns);
        seen = self.down::<R, S, AMID, LEFT, RIGHT, true>(simd, &mut strip, rows, by, output, seen);
        let rows = start.max(bottom)..end;
        let by = self.divisor(simd, last, columns);
        seen =
            self.down::<R, S, AMID, LEFT, RIGHT, false>(simd, &mut strip, rows, by, output, seen);
        let here = strip.carried.here_across;
        R::look(simd, seen, here, here)
    }

    /// Reduces the windows of some rows of a strip; `BELOW` says whether there are lines below.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "all of them differ from call to call")]
    fn down<
        R: Reduction<T::Acc>,
        S: Memory<T>,
        const AMID: bool,
        const LEFT: bool,
        const RIGHT: bool,
        const BELOW: bool,
    >(
        &self,
        simd: S,
        strip: &mut Strip<S::Vector>,
        rows: Range<usize>,
        divisor: S::Vector,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let divide = Divide::by_lanes::<T::Acc, S>(simd, divisor, self.rounding);
        for _ in rows {
            let below = if BELOW {
                self.line::<R, S, AMID, LEFT, RIGHT>(simd, strip.below, strip.n)
            } else {
                [simd.splat(R::IDENTITY); 3]
            };
            let merged = strip.carried.merge::<R, T, S, DILATED>(simd, below);
            seen = R::look(simd, seen, merged, merged);
            let v = R::finish(simd, merged, divide);
            // What a strip that is the only one writes too much is the next row, which comes after
            // it.
            let room = if LEFT && RIGHT && strip.to + S::N > output.len() { strip.n } else { S::N };
            // SAFETY: the row has `n` elements from there on, and the output has `room`.
            unsafe { store_first(simd, v, output, strip.to, room) }
            strip.to += self.width * self.dilation();
            strip.below += self.stride;
        }
        seen
    }

    /// By what the sums of windows with so many counted lines and columns are divided.
    #[inline(always)]
    fn divisor<S: Memory<T>>(&self, simd: S, lines: T::Acc, columns: S::Vector) -> S::Vector {
        match self.by {
            Divisor::Constant(n) => simd.splat(T::Acc::nearest(n)),
            _ => simd.mul(simd.splat(lines), columns),
        }
    }

    /// The left, central and right columns of the `n` windows of a line whose first is at `at`.
    #[inline(always)]
    fn line<
        R: Reduction<T::Acc>,
        S: Memory<T>,
        const AMID: bool,
        const LEFT: bool,
        const RIGHT: bool,
    >(
        &self,
        simd: S,
        at: usize,
        n: usize,
    ) -> [S::Vector; 3] {
        let identity = simd.splat(R::IDENTITY);
        let lanes = |at: usize, masked: bool, lanes: Range<usize>| {
            if masked && !AMID {
                // SAFETY: the lanes are columns of the line.
                unsafe { load_between(simd, self.input, at, lanes, identity) }
            } else {
                // SAFETY: columns of the line, or around a plane that has something around it.
                unsafe { load(simd, self.input, at) }
            }
        };
        let centre = lanes(at, LEFT && RIGHT, 0..n);
        let dilation = self.dilation();
        let (before, after) =
            (if LEFT { dilation } else { 0 }, n - if RIGHT { dilation } else { 0 });
        // With the last column of the line among the left ones, which the central ones are made from.
        let left = lanes(at.wrapping_sub(dilation), LEFT, before..S::N.min(n + dilation));
        let right = lanes(at + dilation, RIGHT, 0..after);
        // No column is before or after the line.
        let left = if LEFT { simd.keep(left, before..S::N, identity) } else { left };
        let right = if RIGHT { simd.keep(right, 0..after, identity) } else { right };
        [R::lift(simd, left), R::lift(simd, centre), R::lift(simd, right)]
    }
}

/// How far a strip has come.
struct Strip<V> {
    carried: Carried<V>,
    /// Where the line below is in the input.
    below: usize,
    /// Windows of a row.
    n: usize,
    /// Where the next row goes in the output.
    to: usize,
}

/// What the windows of the next row share with those above.
struct Carried<V> {
    above: [V; 3],
    here: [V; 3],
    above_across: V,
    here_across: V,
}

impl<V: Copy> Carried<V> {
    #[inline(always)]
    fn new<R: Reduction<T::Acc>, T: Element, S: Memory<T, Vector = V>>(
        simd: S,
        above: [V; 3],
        here: [V; 3],
    ) -> Self {
        let above_across = across::<R, T, S>(simd, above);
        Self { above, here, above_across, here_across: across::<R, T, S>(simd, here) }
    }

    /// Merges the windows that end with the line below.
    #[inline(always)]
    fn merge<R: Reduction<T::Acc>, T: Element, S: Memory<T, Vector = V>, const DILATED: bool>(
        &mut self,
        simd: S,
        below: [V; 3],
    ) -> V {
        let merged = if R::ORDERED {
            let column =
                |j: usize| R::merge(simd, R::merge(simd, self.above[j], self.here[j]), below[j]);
            let (left, right) = (column(0), column(2));
            // The central columns are those of the windows to the left and to the right.
            let centre = if DILATED { column(1) } else { simd.between(left, right) };
            R::merge(simd, R::merge(simd, left, centre), right)
        } else {
            let below_across = across::<R, T, S>(simd, below);
            let sides = R::merge(simd, self.above_across, below_across);
            let merged = R::merge(simd, sides, self.here_across);
            (self.above_across, self.here_across) = (self.here_across, below_across);
            merged
        };
        (self.above, self.here) = (self.here, below);
        merged
    }
}

/// Merges three columns, the central one last.
#[inline(always)]
fn across<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    [left, centre, right]: [S::Vector; 3],
) -> S::Vector {
    R::merge(simd, R::merge(simd, left, right), centre)
}
