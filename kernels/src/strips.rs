//! Three by three windows, one apart, over single elements, as many as there are elements: maxima.
//!
//! A plane is walked in strips, a vector wide, from top to bottom. Each line of the input is merged
//! across at once, from three overlapping loads, and carried down in a register for the two windows
//! below it. Merging across first is not the order of sums, so this walk is for reductions without
//! an order. The centre of a window is merged last: it is what no merge can miss, and every element
//! is a centre.

use crate::reduction::{Divide, Element, Reduction};
use crate::simd::{Lanes, load, store_first};
use crate::{Axis, Geometry};
use core::ops::Range;

/// Whether this walk takes these windows.
pub(crate) fn fits(axes: &[Axis; 3]) -> bool {
    let [depth, height, width] = axes;
    let same = |axis: &Axis| {
        (axis.kernel, axis.stride, axis.dilation, axis.pad_begin) == (3, 1, 1, 1)
            && axis.output == axis.input
    };
    depth.kernel == 1 && depth.pad_begin == 0 && same(height) && same(width)
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
    let mut row = rows.start;
    while row < rows.end {
        let y = row % height.output;
        let count = (height.output - y).min(rows.end - row);
        let (plane, z, _) = geometry.position(row);
        let slice = (plane * depth.input + depth.start(z)) * height.input;
        let lines =
            Lines { input, slice: slice * width.input, height: height.input, width: width.input };
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
    height: usize,
    width: usize,
}

impl<T: Element> Lines<'_, T> {
    /// Reduces output rows from `y` on.
    #[inline(always)]
    fn reduce<R: Reduction<T>, S: Lanes<T>>(&self, simd: S, y: usize, output: &mut [T]) -> S::Seen {
        let mut seen = simd.unseen();
        let (width, identity) = (self.width, simd.splat(R::IDENTITY));
        let mut x = 0;
        loop {
            // The last strip is flush with the right edge, unless it is the only one.
            x = x.min(width.saturating_sub(S::N));
            let n = S::N.min(width - x);
            let strip = x..x + n;
            let mut above =
                if y == 0 { identity } else { self.across::<R, S>(simd, y - 1, strip.clone()) };
            let mut centre = self.across::<R, S>(simd, y, strip.clone());
            let mut at = x;
            for line in y..y + output.len() / width {
                let below = if line + 1 < self.height {
                    self.across::<R, S>(simd, line + 1, strip.clone())
                } else {
                    identity
                };
                let merged = R::merge(simd, R::merge(simd, above, below), centre);
                seen = R::look(simd, seen, merged, merged);
                let v = R::finish(simd, merged, Divide::By(identity));
                // What a strip that is the only one writes too much is the next row, which comes
                // after it.
                let room = if at + S::N <= output.len() { S::N } else { n };
                // SAFETY: the row has `n` elements from `x` on, and the output has `room`.
                unsafe { store_first(simd, v, output, at, room) }
                (above, centre) = (centre, below);
                at += width;
            }
            x += S::N;
            if x >= width {
                return seen;
            }
        }
    }

    /// Merges the columns of a line for the windows of a strip.
    #[inline(always)]
    fn across<R: Reduction<T>, S: Lanes<T>>(
        &self,
        simd: S,
        line: usize,
        strip: Range<usize>,
    ) -> S::Vector {
        let identity = simd.splat(R::IDENTITY);
        let at = self.slice + line * self.width + strip.start;
        let n = strip.len();
        let first = usize::from(strip.start == 0);
        let end = n - usize::from(strip.end == self.width);
        // SAFETY: the columns of the strip.
        let centre = unsafe { self.between(simd, at, 0..n, identity) };
        // SAFETY: those before them, but for the one before the line.
        let left = unsafe { self.between(simd, at.wrapping_sub(1), first..n, identity) };
        // SAFETY: those after them, but for the one after the line.
        let right = unsafe { self.between(simd, at + 1, 0..end, identity) };
        let sides = R::merge(simd, R::lift(simd, left), R::lift(simd, right));
        R::push(simd, sides, centre)
    }

    /// Loads `lanes` of the vector at `at`, which may begin before the input.
    ///
    /// # Safety
    ///
    /// These lanes are inside the input.
    #[inline(always)]
    unsafe fn between<S: Lanes<T>>(
        &self,
        simd: S,
        at: usize,
        lanes: Range<usize>,
        rest: S::Vector,
    ) -> S::Vector {
        if lanes == (0..S::N) {
            // SAFETY: as the caller promises.
            unsafe { load(simd, self.input, at) }
        } else {
            // SAFETY: as the caller promises.
            unsafe { simd.load_between(self.input.as_ptr().wrapping_add(at), lanes, rest) }
        }
    }
}
