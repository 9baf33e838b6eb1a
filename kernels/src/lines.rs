//! Output rows made from a few lines of the input: what walks that keep columns in registers share.

use crate::fold::fold;
use crate::order::Taps;
use crate::reduction::{Element, Reduction};
use crate::simd::Lanes;
use crate::{Divisor, Geometry};
use core::ops::Range;

/// How one output row is made.
pub(crate) trait RowWalk<T: Element> {
    /// The fewest lines for which there is a variant of its own, so that there are not too many.
    const FEWEST: usize;

    /// Reduces the windows of the output row that starts at `at`, whose columns are merged down
    /// `lines`, of which `counted` count towards an average.
    fn reduce<R: Reduction<T>, S: Lanes<T>>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        counted: usize,
        at: usize,
        output: &mut [T],
        seen: S::Seen,
    ) -> S::Seen;
}

/// Reduces output rows, and says what was seen that may have been missed.
#[inline(always)]
pub(crate) fn reduce<R: Reduction<T>, T: Element, S: Lanes<T>, W: RowWalk<T>>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    output: &mut [T],
    walk: &W,
) -> S::Seen {
    let [depth, height, _] = geometry.axes();
    let strides = geometry.tap_strides();
    let mut seen = simd.unseen();
    let (mut plane, mut z, mut y) = geometry.position(rows.start);
    let (mut fresh, mut at) = (true, 0);
    for _ in rows {
        let (ds, hs) = (depth.taps(z), height.taps(y));
        let origin = geometry.origin(plane, z, y);
        let counted = match geometry.divisor() {
            Divisor::Constant(_) => 1,
            Divisor::Present => ds.len() * hs.len(),
            by => depth.count(z, by) * height.count(y, by),
        };
        let start = origin
            .wrapping_add(hs.start.wrapping_mul(strides[2]))
            .wrapping_add(ds.start.wrapping_mul(strides[1]));
        // A line that the output row before had as its last was looked at there.
        let shared = !fresh && ds.len() == 1 && height.dilation == 1;
        let unseen = if shared { hs.len().saturating_sub(height.stride) } else { 0 };
        let second = start.wrapping_add(strides[2]);
        let third = second.wrapping_add(strides[2]);
        // Of three lines that do not start at an even tap, the last two belong together.
        let in_order = !R::ORDERED || hs.start % 2 == 0;
        match (ds.len(), hs.len()) {
            (1, 1) if W::FEWEST <= 1 => {
                let lines = Lines { starts: [start], unseen };
                seen = walk.reduce::<R, S>(simd, &lines, counted, at, output, seen);
            }
            (1, 2) if W::FEWEST <= 2 => {
                let lines = Lines { starts: [start, second], unseen };
                seen = walk.reduce::<R, S>(simd, &lines, counted, at, output, seen);
            }
            (1, 3) if in_order => {
                let lines = Lines { starts: [start, second, third], unseen };
                seen = walk.reduce::<R, S>(simd, &lines, counted, at, output, seen);
            }
            _ => {
                let lines = ManyLines { origin, taps: Taps::new([0..1, ds, hs], strides) };
                seen = walk.reduce::<R, S>(simd, &lines, counted, at, output, seen);
            }
        }
        fresh = false;
        at += geometry.row_len();
        y += 1;
        if y == height.output {
            (y, z, fresh) = (0, z + 1, true);
            if z == depth.output {
                (z, plane) = (0, plane + 1);
            }
        }
    }
    seen
}

/// The lines of the input that an output row is made from.
pub(crate) trait Columns<T: Element> {
    /// Merges `B` vectors of columns down the lines, each vector of each line loaded by `load` from
    /// where the line starts.
    fn merge<R: Reduction<T>, S: Lanes<T>, const B: usize>(
        &self,
        simd: S,
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> S::Vector,
    ) -> [S::Vector; B];

    /// Where the last line starts.
    fn last(&self) -> usize;
}

/// A few lines; those from `unseen` on have not been looked at, but for the last.
struct Lines<const N: usize> {
    starts: [usize; N],
    unseen: usize,
}

impl<T: Element, const N: usize> Columns<T> for Lines<N> {
    #[inline(always)]
    fn merge<R: Reduction<T>, S: Lanes<T>, const B: usize>(
        &self,
        simd: S,
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> S::Vector,
    ) -> [S::Vector; B] {
        let mut merged = [simd.splat(R::IDENTITY); B];
        let mut line = merged;
        for (j, &start) in self.starts.iter().enumerate() {
            for (i, v) in line.iter_mut().enumerate() {
                *v = load(start, i);
            }
            if j + 1 < N && j >= self.unseen {
                for i in (0..B).step_by(2) {
                    *seen = R::look(simd, *seen, line[i], line[(i + 1).min(B - 1)]);
                }
            }
            for (merged, v) in merged.iter_mut().zip(line) {
                *merged = if j == 0 { R::lift(simd, v) } else { R::push(simd, *merged, v) };
            }
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
    fn merge<R: Reduction<T>, S: Lanes<T>, const B: usize>(
        &self,
        simd: S,
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> S::Vector,
    ) -> [S::Vector; B] {
        if R::ORDERED {
            return fold::<R, T, S, B>(simd, self.taps.clone(), |offset, i| {
                load(self.origin.wrapping_add(offset), i)
            });
        }
        let mut merged = [simd.splat(R::IDENTITY); B];
        for step in self.taps.clone() {
            for (i, merged) in merged.iter_mut().enumerate() {
                let v = load(self.origin.wrapping_add(step.offset), i);
                *seen = R::look(simd, *seen, v, v);
                *merged = R::push(simd, *merged, v);
            }
        }
        merged
    }

    #[inline(always)]
    fn last(&self) -> usize {
        match self.taps.last_offset() {
            Some(offset) => self.origin.wrapping_add(offset),
            None => 0,
        }
    }
}
