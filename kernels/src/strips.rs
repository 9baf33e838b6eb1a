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
use crate::{Axis, Divisor, Geometry};
use core::ops::Range;

/// The widest plane; its columns are counted once.
const WIDTH: usize = 512;

/// Lanes of the widest vector there is: 64 bytes of bytes.
const WIDEST: usize = 64;

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
        && width.input <= WIDTH
}

/// Reduces the windows of output rows `rows`.
#[inline(always)]
pub(crate) fn strips<R: Reduction<T>, T: Element, S: Lanes<T>>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let [depth, height, width] = geometry.axes();
    let mut counts = [T::zeroed(); WIDTH + WIDEST];
    let by = geometry.divisor();
    for (x, count) in counts[..width.output].iter_mut().enumerate() {
        *count = T::nearest(width.count(x, by) as i64);
    }
    let mut row = rows.start;
    while row < rows.end {
        let (plane, z, y) = geometry.position(row);
        let count = (height.output - y).min(rows.end - row);
        let lines = Lines {
            input,
            slice: (plane * depth.input + depth.start(z)) * height.input * width.input,
            height,
            width: width.input,
            by,
            counts: &counts,
        };
        let output = &mut output[(row - rows.start) * width.output..][..count * width.output];
        if R::missed(simd, lines.reduce::<R, S>(simd, y, output)) {
            lines.reduce::<R::Exact, S>(simd, y, output);
        }
        row += count;
    }
}

/// The lines of a plane.
struct Lines<'a, T> {
    input: &'a [T],
    /// Where the plane starts.
    slice: usize,
    height: &'a Axis,
    width: usize,
    by: Divisor,
    counts: &'a [T; WIDTH + WIDEST],
}

impl<T: Element> Lines<'_, T> {
    /// Reduces output rows from `y` on.
    #[inline(always)]
    fn reduce<R: Reduction<T>, S: Lanes<T>>(&self, simd: S, y: usize, output: &mut [T]) -> S::Seen {
        let mut seen = simd.unseen();
        if self.width <= S::N {
            return self.strip::<R, S, true, true>(simd, 0, y, output, seen);
        }
        seen = self.strip::<R, S, true, false>(simd, 0, y, output, seen);
        for x in (S::N..self.width - S::N).step_by(S::N) {
            seen = self.strip::<R, S, false, false>(simd, x, y, output, seen);
        }
        // The last strip is flush with the right edge.
        self.strip::<R, S, false, true>(simd, self.width - S::N, y, output, seen)
    }

    /// Reduces the windows from `x` on, as many as fit a vector; `LEFT` and `RIGHT` say which edges
    /// of the plane they are at.
    #[inline(always)]
    fn strip<R: Reduction<T>, S: Lanes<T>, const LEFT: bool, const RIGHT: bool>(
        &self,
        simd: S,
        x: usize,
        y: usize,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let n = S::N.min(self.width - x);
        // SAFETY: there are counts for a vector from the last column on.
        let columns = unsafe { load(simd, self.counts, x) };
        let inner = self.divide(simd, 1, columns);

        let mut above = self.line::<R, S, LEFT, RIGHT>(simd, y.wrapping_sub(1), x);
        let mut here = self.line::<R, S, LEFT, RIGHT>(simd, y, x);
        let mut above_across = across::<R, T, S>(simd, above);
        let mut here_across = across::<R, T, S>(simd, here);
        // No centre of these rows.
        seen = R::look(simd, seen, above_across, above_across);
        let mut at = x;
        for y in y..y + output.len() / self.width {
            let edge = y == 0 || y + 1 == self.height.input;
            let below = self.line::<R, S, LEFT, RIGHT>(simd, y + 1, x);
            let merged = if R::ORDERED {
                let [left, centre, right] =
                    [0, 1, 2].map(|j| R::merge(simd, R::merge(simd, above[j], here[j]), below[j]));
                R::merge(simd, R::merge(simd, left, centre), right)
            } else {
                let below_across = across::<R, T, S>(simd, below);
                let merged =
                    R::merge(simd, R::merge(simd, above_across, below_across), here_across);
                (above_across, here_across) = (here_across, below_across);
                merged
            };
            seen = R::look(simd, seen, merged, merged);
            let v =
                R::finish(simd, merged, if edge { self.divide(simd, y, columns) } else { inner });
            // What a strip that is the only one writes too much is the next row, which comes after
            // it.
            let room = if LEFT && RIGHT && at + S::N > output.len() { n } else { S::N };
            // SAFETY: the row has `n` elements from `x` on, and the output has `room`.
            unsafe { store_first(simd, v, output, at, room) }
            (above, here) = (here, below);
            at += self.width;
        }
        // Neither is the last line.
        R::look(simd, seen, here_across, here_across)
    }

    /// How the sums of row `y` become averages, for windows with so many counted columns.
    #[inline(always)]
    fn divide<S: Lanes<T>>(&self, simd: S, y: usize, columns: S::Vector) -> Divide<S::Vector> {
        match self.by {
            Divisor::Constant(n) => Divide::by::<T, S>(simd, n),
            by => {
                let lines = T::nearest(self.height.count(y, by) as i64);
                Divide::By(simd.mul(simd.splat(lines), columns))
            }
        }
    }

    /// The left, central and right columns of the windows from `x` on, of a line that may be
    /// outside the plane.
    #[inline(always)]
    fn line<R: Reduction<T>, S: Lanes<T>, const LEFT: bool, const RIGHT: bool>(
        &self,
        simd: S,
        y: usize,
        x: usize,
    ) -> [S::Vector; 3] {
        let identity = simd.splat(R::IDENTITY);
        if y >= self.height.input {
            return [identity; 3];
        }
        let n = S::N.min(self.width - x);
        let at = self.slice + y * self.width + x;
        // SAFETY: columns of the line: one vector, or all there are.
        let centre = unsafe { self.lanes::<S>(simd, at, LEFT && RIGHT, 0..n) };
        // SAFETY: those before them, but for the one before the line.
        let left = unsafe { self.lanes::<S>(simd, at.wrapping_sub(1), LEFT, usize::from(LEFT)..n) };
        // SAFETY: those after them, but for the one after the line.
        let right = unsafe { self.lanes::<S>(simd, at + 1, RIGHT, 0..n - usize::from(RIGHT)) };
        // No column is before or after the line.
        let left = if LEFT { simd.keep(left, 1..S::N, identity) } else { left };
        let right = if RIGHT { simd.keep(right, 0..n - 1, identity) } else { right };
        [left, centre, right].map(|v| R::lift(simd, v))
    }

    /// Loads the vector at `at`, which may begin before the input, or only some lanes of it.
    ///
    /// # Safety
    ///
    /// The lanes are inside the input, if it is not `some`, all of them.
    #[inline(always)]
    unsafe fn lanes<S: Lanes<T>>(
        &self,
        simd: S,
        at: usize,
        some: bool,
        lanes: Range<usize>,
    ) -> S::Vector {
        // Masks cost more than looking whether there is room.
        let end = at.wrapping_add(S::N);
        if !some || at < end && end <= self.input.len() {
            // SAFETY: as the caller promises, or as seen.
            unsafe { load(simd, self.input, at) }
        } else {
            let rest = simd.splat(T::zeroed());
            // SAFETY: as the caller promises.
            unsafe { simd.load_between(self.input.as_ptr().wrapping_add(at), lanes, rest) }
        }
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
