//! Three by three windows, one apart, over single elements, as many as there are elements.
//!
//! A plane is walked in strips, a vector wide, from top to bottom, and what the next window shares
//! is carried down in registers. Three overlapping loads of a line cost less than shifting lanes.
//!
//! Maxima merge a line across at once. The centre of a window is merged last: it is what no merge
//! can lose, and every element is a centre. Sums have their order, down before across, and carry two
//! lines of each of the three columns.

use crate::reduction::{Divide, Element, Reduction};
use crate::simd::{Lanes, load, store_first};
use crate::walk::FastWalk;
use crate::{Axis, Divisor, Geometry};
use core::ops::Range;

/// Whether this walk takes these windows.
pub(crate) fn fits(axes: &[Axis; 3]) -> bool {
    let [depth, height, width] = axes;
    let same = |axis: &Axis| {
        (axis.kernel, axis.stride, axis.dilation, axis.pad_begin) == (3, 1, 1, 1)
            && axis.output == axis.input
    };
    depth.kernel == 1
        && depth.pad_begin == 0
        && depth.output.saturating_sub(1) * depth.stride < depth.input
        && same(height)
        && same(width)
}

/// Three by three windows, one apart.
pub(crate) struct Strips;

impl FastWalk for Strips {
    #[inline(always)]
    fn reduce<R: Reduction<T>, T: Element, S: Lanes<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let [depth, height, width] = geometry.axes();
        let by = geometry.divisor();
        let counted = |axis: &Axis, o: usize| T::nearest(axis.count(o, by) as i64);
        let (top, left) = (counted(height, 0), counted(width, 0));
        let (bottom, right) =
            (counted(height, height.output - 1), counted(width, width.output - 1));
        let mut seen = simd.unseen();
        let mut row = rows.start;
        while row < rows.end {
            let (plane, z, y) = geometry.position(row);
            let count = (height.output - y).min(rows.end - row);
            let lines = Lines {
                input,
                slice: (plane * depth.input + depth.start(z)) * height.input * width.input,
                height: height.input,
                width: width.input,
                by,
                lines: [top, T::nearest(3), bottom],
                columns: [left, T::nearest(3), right],
            };
            let output = &mut output[(row - rows.start) * width.output..][..count * width.output];
            // Where there is something before and after a plane, no load needs a mask.
            let end = lines.slice + height.input * width.input;
            let amid = lines.slice > 0 && end + S::N <= input.len();
            seen = if amid {
                lines.reduce::<R, S, true>(simd, y..y + count, output, seen)
            } else {
                lines.reduce::<R, S, false>(simd, y..y + count, output, seen)
            };
            row += count;
        }
        seen
    }
}

/// The lines of a plane.
struct Lines<'a, T> {
    input: &'a [T],
    /// Where the plane starts.
    slice: usize,
    height: usize,
    width: usize,
    by: Divisor,
    /// Counted lines of the windows of the first row, of those between, and of the last.
    lines: [T; 3],
    /// Counted columns of the leftmost window, of those between, and of the rightmost.
    columns: [T; 3],
}

impl<T: Element> Lines<'_, T> {
    /// Reduces output rows `rows`; `AMID` says that there is something before and after the plane.
    #[inline(always)]
    fn reduce<R: Reduction<T>, S: Lanes<T>, const AMID: bool>(
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
        while x + S::N < self.width {
            seen = self.strip::<R, S, true, false, false>(simd, x, rows.clone(), output, seen);
            x += S::N;
        }
        // The last strip is flush with the right edge.
        let x = self.width - S::N;
        self.strip::<R, S, AMID, false, true>(simd, x, rows, output, seen)
    }

    /// Reduces the windows from `x` on, as many as fit a vector; `LEFT` and `RIGHT` say which edges
    /// of the plane they are at.
    #[inline(always)]
    fn strip<
        R: Reduction<T>,
        S: Lanes<T>,
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
        let n = S::N.min(self.width - x);
        let [left, inner, right] = self.columns.map(|count| simd.splat(count));
        let columns = if LEFT { simd.keep(inner, 1..S::N, left) } else { inner };
        let columns = if RIGHT { simd.keep(columns, 0..n - 1, right) } else { columns };
        let [first, inner, last] = self.lines;
        let divides = [
            self.divide(simd, first, columns),
            self.divide(simd, inner, columns),
            self.divide(simd, last, columns),
        ];

        let outside = [simd.splat(R::IDENTITY); 3];
        let above = match rows.start {
            0 => outside,
            y => self.line::<R, S, AMID, LEFT, RIGHT>(simd, y - 1, x),
        };
        let mut carried = Carried::new::<R, T, S>(
            simd,
            above,
            self.line::<R, S, AMID, LEFT, RIGHT>(simd, rows.start, x),
        );
        // Neither the line above nor, at the end, the one below is a centre of these rows.
        seen = R::look(simd, seen, carried.above_across, carried.above_across);
        let mut at = x;
        for y in rows.clone() {
            let below = if y + 1 < self.height {
                self.line::<R, S, AMID, LEFT, RIGHT>(simd, y + 1, x)
            } else {
                outside
            };
            let merged = carried.merge::<R, T, S>(simd, below);
            seen = R::look(simd, seen, merged, merged);
            let place = if y + 1 == self.height { 2 } else { usize::from(y > 0) };
            let v = R::finish(simd, merged, divides[place]);
            // What a strip that is the only one writes too much is the next row, which comes after
            // it.
            let room = if LEFT && RIGHT && at + S::N > output.len() { n } else { S::N };
            // SAFETY: the row has `n` elements from `x` on, and the output has `room`.
            unsafe { store_first(simd, v, output, at, room) }
            at += self.width;
        }
        R::look(simd, seen, carried.here_across, carried.here_across)
    }

    /// How sums become averages, for windows with so many counted lines and columns.
    #[inline(always)]
    fn divide<S: Lanes<T>>(&self, simd: S, lines: T, columns: S::Vector) -> Divide<S::Vector> {
        match self.by {
            Divisor::Constant(n) => Divide::by::<T, S>(simd, n),
            _ => Divide::By(simd.mul(simd.splat(lines), columns)),
        }
    }

    /// The left, central and right columns of the windows from `x` on, of a line.
    #[inline(always)]
    fn line<R: Reduction<T>, S: Lanes<T>, const AMID: bool, const LEFT: bool, const RIGHT: bool>(
        &self,
        simd: S,
        y: usize,
        x: usize,
    ) -> [S::Vector; 3] {
        let n = S::N.min(self.width - x);
        let at = self.slice + y * self.width + x;
        let identity = simd.splat(R::IDENTITY);
        let lanes = |at: usize, masked: bool, lanes: Range<usize>| {
            if masked && !AMID {
                // SAFETY: the lanes are columns of the line.
                unsafe { simd.load_between(self.input.as_ptr().wrapping_add(at), lanes, identity) }
            } else {
                // SAFETY: columns of the line, or around a plane that has something around it.
                unsafe { load(simd, self.input, at) }
            }
        };
        let centre = lanes(at, LEFT && RIGHT, 0..n);
        let left = lanes(at.wrapping_sub(1), LEFT, usize::from(LEFT)..n);
        let right = lanes(at + 1, RIGHT, 0..n - usize::from(RIGHT));
        // No column is before or after the line.
        let left = if LEFT { simd.keep(left, 1..S::N, identity) } else { left };
        let right = if RIGHT { simd.keep(right, 0..n - 1, identity) } else { right };
        [R::lift(simd, left), R::lift(simd, centre), R::lift(simd, right)]
    }
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
    fn new<R: Reduction<T>, T: Element, S: Lanes<T, Vector = V>>(
        simd: S,
        above: [V; 3],
        here: [V; 3],
    ) -> Self {
        let above_across = across::<R, T, S>(simd, above);
        Self { above, here, above_across, here_across: across::<R, T, S>(simd, here) }
    }

    /// Merges the windows that end with the line below.
    #[inline(always)]
    fn merge<R: Reduction<T>, T: Element, S: Lanes<T, Vector = V>>(
        &mut self,
        simd: S,
        below: [V; 3],
    ) -> V {
        let merged = if R::ORDERED {
            let column =
                |j: usize| R::merge(simd, R::merge(simd, self.above[j], self.here[j]), below[j]);
            R::merge(simd, R::merge(simd, column(0), column(1)), column(2))
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
fn across<R: Reduction<T>, T: Element, S: Lanes<T>>(
    simd: S,
    [left, centre, right]: [S::Vector; 3],
) -> S::Vector {
    R::merge(simd, R::merge(simd, left, right), centre)
}
