//! Windows far apart, or few: as many at a time as a vector has lanes, each by itself.
//!
//! A window is merged down its columns into a vector. Then neighbouring lanes are merged across as
//! many windows as there are lanes: what one window leaves of a vector after each step is half as
//! long, and another window's fits beside it. In the end there is one vector with a lane for each
//! window. A window wider than a vector is a list of such pieces; lanes outside the window are the
//! identity.

use crate::fold::{Stack, Tree};
use crate::lines::{self, Columns, Runs};
use crate::number::{Element, Number};
use crate::order::{Step, merges_after};
use crate::reduction::{Divide, Reduction};
use crate::simd::{Memory, WIDEST, load, load_between, load_lanes, store_first};
use crate::walk::FastWalk;
use crate::{Axis, Geometry, Rounding};
use core::ops::Range;

/// Windows that are merged down at a time.
const B: usize = 4;

/// The fewest lanes that a vector has to have.
pub(crate) const FEWEST: usize = B;

/// The most lanes: of a vector of bytes, most would be outside the window, and the more windows would
/// have to be in registers.
pub(crate) const MOST: usize = 16;

/// Whether this walk takes windows along `width`.
pub(crate) fn fits(width: &Axis) -> bool {
    width.dilation == 1 && (width.stride > 2 || width.output <= 2)
}

/// Windows each by itself.
pub(crate) struct Whole;

impl FastWalk for Whole {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let (width, by) = (&geometry.axes()[2], geometry.divisor());
        let interior = width.interior();
        let mut seen = simd.unseen();
        let mut group = Group {
            width,
            input,
            starts: [0; WIDEST],
            columns: [(0, 0); WIDEST],
            divisors: [T::Acc::ZERO; WIDEST],
            rounding: geometry.rounding(),
            len: 0,
            clipped: false,
        };
        let mut lines = [Step::default(); lines::LISTED];
        for run in Runs::new(geometry, rows, false) {
            let lines = run.lines(geometry, &mut lines);
            let divisor = run.divisor(by, width.kernel);
            let (divide, whole) =
                (Divide::by::<T::Acc, S>(simd, divisor, run.rounding), T::Acc::nearest(divisor));
            let (mut start, mut at) = (width.start(0), run.at);
            for _ in 0..run.rows {
                for x in 0..width.output {
                    let start = start.wrapping_add(x * width.stride);
                    if interior.contains(&x) {
                        group.push(start, 0..width.kernel, whole);
                    } else {
                        let divisor = run.divisor(by, width.count(x, by));
                        group.clipped = true;
                        group.push(start, width.taps(x), T::Acc::nearest(divisor));
                    }
                    if group.len == S::N {
                        group.reduce::<R, S>(simd, &lines, divide, &mut output[at..], &mut seen);
                        at += S::N;
                    }
                }
                start = start.wrapping_add(run.advance);
            }
            if group.len > 0 {
                group.reduce::<R, S>(simd, &lines, divide, &mut output[at..], &mut seen);
            }
        }
        seen
    }
}

/// Windows that are reduced together: under the same lines, wherever they start.
struct Group<'a, T: Element> {
    width: &'a Axis,
    input: &'a [T],
    starts: [usize; WIDEST],
    /// The first tap along the width that is inside the input, and the one after the last.
    columns: [(usize, usize); WIDEST],
    divisors: [T::Acc; WIDEST],
    rounding: Rounding,
    len: usize,
    /// Whether one of them lacks columns.
    clipped: bool,
}

impl<T: Element> Group<'_, T> {
    #[inline(always)]
    fn push(&mut self, start: usize, columns: Range<usize>, divisor: T::Acc) {
        self.starts[self.len] = start;
        self.columns[self.len] = (columns.start, columns.end);
        self.divisors[self.len] = divisor;
        self.len += 1;
    }

    /// Reduces the windows there are, and forgets them.
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, S: Memory<T>>(
        &mut self,
        simd: S,
        lines: &impl Columns<T>,
        whole: Divide<S::Vector>,
        output: &mut [T],
        seen: &mut S::Seen,
    ) {
        // Lanes that have no window repeat the last one.
        for i in self.len..S::N {
            self.starts[i] = self.starts[self.len - 1];
            self.columns[i] = self.columns[self.len - 1];
            self.divisors[i] = self.divisors[self.len - 1];
        }
        // A window may have many more columns than the input: only those inside it count.
        let mut columns = 0..self.width.kernel;
        if self.clipped {
            columns = self.width.kernel..0;
            for &(start, end) in &self.columns[..S::N] {
                if start < end {
                    columns = columns.start.min(start)..columns.end.max(end);
                }
            }
        }
        let pieces = columns.start / S::N..columns.end.div_ceil(S::N);
        // A window that starts before the input has a huge start; one that starts after the end of its
        // line may start after those of the next.
        let mut highest = 0;
        for &start in &self.starts[..S::N] {
            highest = start.max(highest);
        }
        let mut tree = Tree::new();
        for piece in pieces.clone() {
            let v = self.piece::<R, S>(simd, lines, piece * S::N, highest, seen);
            tree.push::<R, T::Acc, S>(simd, v, merges_after(piece, &pieces));
        }
        let merged = tree.root().unwrap_or(simd.splat(R::IDENTITY));
        let divide = if self.clipped {
            // SAFETY: there are as many divisors as the widest vector has lanes.
            Divide::By(unsafe { load_lanes(simd, &self.divisors, 0) }, self.rounding)
        } else {
            whole
        };
        let v = R::finish(simd, merged, divide);
        let room = if output.len() >= S::N { S::N } else { self.len };
        // SAFETY: the output has room for the windows there are, or for all lanes: what is written too
        // much is overwritten by those that come after.
        unsafe { store_first(simd, v, output, 0, room) }
        (self.len, self.clipped) = (0, false);
    }

    /// Reduces the columns of all windows from `first` on, as many as a vector has lanes; `highest` is
    /// the last place where one of them starts.
    #[inline(always)]
    fn piece<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        first: usize,
        highest: usize,
        seen: &mut S::Seen,
    ) -> S::Vector {
        let identity = simd.splat(R::IDENTITY);
        let mut waiting = Stack::new();
        let lanes = |i: usize| {
            let (start, end) = self.columns[i];
            let end = end.saturating_sub(first).min(S::N);
            start.saturating_sub(first).min(end)..end
        };
        let all = 0..(self.width.kernel - first).min(S::N);
        // Whether whole vectors are inside the input for all windows and all lines.
        let end = lines.last().wrapping_add(highest).wrapping_add(first + S::N);
        let amid = highest < self.input.len() && end <= self.input.len();
        for i in (0..S::N).step_by(B) {
            let mut merged = if amid {
                lines.merge::<R, S, B>(simd, seen, |line, b| {
                    let at = line.wrapping_add(self.starts[i + b]).wrapping_add(first);
                    // SAFETY: seen above.
                    unsafe { load(simd, self.input, at) }
                })
            } else {
                lines.merge::<R, S, B>(simd, seen, |line, b| {
                    let at = line.wrapping_add(self.starts[i + b]).wrapping_add(first);
                    // SAFETY: these lanes are columns of a line.
                    unsafe { load_between(simd, self.input, at, lanes(i + b), identity) }
                })
            };
            for (b, v) in merged.iter_mut().enumerate() {
                let lanes = if self.clipped { lanes(i + b) } else { all.clone() };
                *v = simd.keep(*v, lanes, identity);
            }
            let [a, b, c, d] = merged;
            let mut quarter = beside::<R, T, S>(
                simd,
                beside::<R, T, S>(simd, a, b),
                beside::<R, T, S>(simd, c, d),
            );
            for _ in 0..(i / B).trailing_ones() {
                quarter = beside::<R, T, S>(simd, waiting.pop(), quarter);
            }
            waiting.push(quarter);
        }
        waiting.pop()
    }
}

/// Merges neighbouring lanes of two vectors, and puts what becomes of the second after what becomes of
/// the first.
#[inline(always)]
fn beside<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    a: S::Vector,
    b: S::Vector,
) -> S::Vector {
    let (even, odd) = simd.deinterleave(a, b);
    R::merge(simd, even, odd)
}
