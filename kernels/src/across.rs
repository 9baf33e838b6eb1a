//! Windows over single elements of a row: `out[x] = reduce(row[x * stride + j * dilation])`, one or two
//! elements apart.
//!
//! Pieces of some rows are first merged down their columns, whole vectors at a time, into a scratch buffer
//! that holds every `stride`-th column together (a *phase*). There a tap of neighbouring windows is
//! a run of neighbours, as in [`down`](crate::down). Columns outside the input are the identity, so
//! that windows at the edges are like all others. Of a single row, a vector that starts between two
//! that have just been stored would have to wait for them.

use crate::fold::fold;
use crate::lines::{Columns, Runs, keep_first, merge_columns};
use crate::number::{Element, Number};
use crate::order::{List, Step, merges_after};
use crate::reduction::{Again, Divide, Reduction};
use crate::simd::{Memory, WIDEST, load_lanes, store_first, store_lanes};
use crate::walk::FastWalk;
use crate::{Axis, Divisor, Geometry};
use core::ops::Range;

/// Elements of the scratch buffer: with f32, half of a first-level cache of 32 KiB.
const SCRATCH: usize = 4096;

/// Windows that a piece of a row has at most.
const PIECE: usize = 512;

/// Rows that are merged down before any is merged across, at most.
const ROWS: usize = 32;

/// Whether this walk takes windows along `width`.
pub(crate) fn fits(width: &Axis) -> bool {
    let phase = (width.span() / width.stride).saturating_add(3 * WIDEST);
    width.stride <= 2
        && !width.spread
        && phase.checked_mul(width.stride).is_some_and(|len| len <= SCRATCH)
}

/// Windows one or two elements apart.
pub(crate) struct Across;

impl FastWalk for Across {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let width = &geometry.axes()[2];
        let (by, rounding) = (geometry.divisor(), geometry.rounding());
        let mut seen = simd.unseen();
        let mut scratch = [T::Acc::ZERO; SCRATCH];
        let mut counts = [T::Acc::ZERO; PIECE];
        let phase = SCRATCH / width.stride;
        // A last pair of vectors may begin at the last window.
        let piece = PIECE.min(phase - width.span() / width.stride - 2 * WIDEST);
        let mut list = List::new();
        for x in (0..width.output).step_by(piece) {
            let windows = piece.min(width.output - x);
            let columns = Piece::of(width, x, windows, S::N);
            list_places(width, columns.phase, &mut list);
            let places = Places::new(width, columns.phase, &list);
            let pitch = columns.phase * width.stride;
            let most = (SCRATCH / pitch).clamp(1, ROWS);
            columns.clear::<R, T, S>(simd, most.min(rows.len()) * pitch, &mut scratch);
            if R::DIVIDES {
                for (i, count) in counts[..windows].iter_mut().enumerate() {
                    *count = T::Acc::nearest(width.count(x + i, by).max(1) as i64);
                }
            }
            let counts = (!matches!(by, Divisor::Constant(_))).then_some(&counts);
            // Rows merged down, by their divisors and where they go.
            let mut made = [(simd.splat(T::Acc::ZERO), 0); ROWS];
            let mut waiting = 0;
            let alone = windows == width.output;
            let mut runs = Runs::new(geometry, rows.clone(), false);
            let mut left = rows.len();
            while let Some(run) = runs.next() {
                let lines = run.octets(geometry);
                let divisor = simd.splat(T::Acc::nearest(run.divisor(by, 1)));
                let mut shift = 0usize;
                for i in 0..run.rows {
                    let to = waiting * pitch;
                    columns.merge::<R, T, S>(
                        simd,
                        &lines,
                        shift,
                        input,
                        (&mut scratch, to),
                        &mut seen,
                    );
                    made[waiting] = (divisor, run.at + x + i * width.output);
                    shift = shift.wrapping_add(run.advance);
                    (waiting, left) = (waiting + 1, left - 1);
                    if waiting < most && left > 0 {
                        continue;
                    }
                    for (row, &(divisor, at)) in made[..waiting].iter().enumerate() {
                        let divide = match by {
                            Divisor::Constant(n) => Divide::by::<T::Acc, S>(simd, n, rounding),
                            _ => Divide::By(divisor, rounding),
                        };
                        let row = Row { divide, counts, from: row * pitch, at, windows, alone };
                        row.reduce::<R, T, S>(simd, &places, &scratch, output);
                    }
                    waiting = 0;
                }
            }
        }
        seen
    }
}

/// Where the columns of tap `j` are in the scratch buffer. A call, like that which makes
/// [`Taps`](crate::order::Taps).
#[inline(never)]
fn place(width: &Axis, phase: usize, j: usize) -> Step {
    let column = j * width.dilation;
    let offset = column % width.stride * phase + column / width.stride;
    Step { offset, merges: merges_after(j, &(0..width.kernel)) }
}

/// Lists where the columns of the first taps are. A call, too.
#[inline(never)]
pub(crate) fn list_places(width: &Axis, phase: usize, list: &mut List) {
    list.fill((0..width.kernel).map(|j| place(width, phase, j)));
}

/// Where the columns of all taps are.
#[derive(Clone)]
pub(crate) struct Places<'a> {
    width: &'a Axis,
    phase: usize,
    /// Those of the first taps.
    list: &'a List,
    next: usize,
}

impl<'a> Places<'a> {
    /// All of them, of which `list` has the first.
    #[inline(always)]
    pub(crate) fn new(width: &'a Axis, phase: usize, list: &'a List) -> Self {
        Self { width, phase, list, next: 0 }
    }
}

impl Iterator for Places<'_> {
    type Item = Step;

    #[inline(always)]
    fn next(&mut self) -> Option<Step> {
        let j = self.next;
        if j == self.width.kernel {
            return None;
        }
        self.next += 1;
        Some(match self.list.get(j) {
            Some(step) => step,
            None => place(self.width, self.phase, j),
        })
    }
}

/// The columns that a piece of a row needs.
struct Piece {
    /// The first one; before the input, the value wraps.
    first: usize,
    /// Of those from the first on, the ones inside the input.
    inside: Range<usize>,
    stride: usize,
    /// Elements of the scratch buffer from one phase of a row to the next.
    phase: usize,
}

impl Piece {
    /// The columns of so many windows from `x` on.
    #[inline(always)]
    fn of(width: &Axis, x: usize, windows: usize, lanes: usize) -> Self {
        let first = width.start(x);
        let len = (windows - 1) * width.stride + width.span();
        let phase = len.div_ceil(width.stride) + 2 * lanes + 2;
        let phase = phase.next_multiple_of(lanes).min(SCRATCH / width.stride);
        Self { first, inside: width.inside(first, len), stride: width.stride, phase }
    }

    /// Makes the first `len` elements of the scratch buffer the identity.
    #[inline(always)]
    fn clear<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        &self,
        simd: S,
        len: usize,
        scratch: &mut [T::Acc; SCRATCH],
    ) {
        for i in (0..len).step_by(S::N) {
            // SAFETY: phases are multiples of a vector, and so is the buffer.
            unsafe { store_lanes(simd, simd.splat(R::IDENTITY), scratch, i) }
        }
    }

    /// Merges each column inside the input down the lines, `shift` after where they start, into its
    /// place in the scratch buffer.
    #[inline(always)]
    fn merge<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        shift: usize,
        input: &[T],
        (scratch, to): (&mut [T::Acc; SCRATCH], usize),
        seen: &mut S::Seen,
    ) {
        let Range { start: mut i, end } = self.inside.clone();
        while i < end {
            if const { T::ALL_WALKS } && end - i > 2 * S::N {
                self.merge_from::<R, T, S, 4>(simd, lines, shift, i, input, (scratch, to), seen);
                i += 4 * S::N;
            } else {
                self.merge_from::<R, T, S, 2>(simd, lines, shift, i, input, (scratch, to), seen);
                i += 2 * S::N;
            }
        }
    }

    /// Merges `B` vectors of columns from the `i`-th one on.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "a part of a loop")]
    fn merge_from<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const B: usize>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        shift: usize,
        i: usize,
        input: &[T],
        (scratch, to): (&mut [T::Acc; SCRATCH], usize),
        seen: &mut S::Seen,
    ) {
        let (at, len) = (self.first.wrapping_add(shift).wrapping_add(i), self.inside.end - i);
        let mut merged = merge_columns::<R, T, S, B>(simd, lines, input, at, len, seen);
        // What has no column is the identity, as it was.
        if len < B * S::N {
            keep_first::<R, T, S, B>(simd, &mut merged, len);
        }
        for b in (0..B).step_by(2) {
            let (i, vectors) = (i + b * S::N, [merged[b], merged[b + 1]]);
            let (places, vectors) = if self.stride == 1 {
                ([i, i + S::N], vectors)
            } else {
                let (even, odd) = simd.deinterleave(vectors[0], vectors[1]);
                let (j, k) = (i % 2 * self.phase + i / 2, (i + 1) % 2 * self.phase + i.div_ceil(2));
                ([j, k], [even, odd])
            };
            for (place, v) in places.into_iter().zip(vectors) {
                // SAFETY: a phase has room for two vectors behind its last column.
                unsafe { store_lanes(simd, v, scratch, to + place) }
            }
        }
    }
}

/// A piece of an output row.
struct Row<'a, A, V> {
    divide: Divide<V>,
    /// The counts of each column, by which the divisor is to be multiplied.
    counts: Option<&'a [A; PIECE]>,
    /// Where it starts in the scratch buffer.
    from: usize,
    /// Where it starts in the output.
    at: usize,
    windows: usize,
    /// Whether there are no other pieces: then what comes after it is written after it.
    alone: bool,
}

impl<A: Number, V: Copy> Row<'_, A, V> {
    /// Reduces columns already merged.
    #[inline(always)]
    fn reduce<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T, Vector = V>>(
        &self,
        simd: S,
        places: &Places<'_>,
        scratch: &[A; SCRATCH],
        output: &mut [T],
    ) {
        let mut x = 0;
        while x < self.windows {
            if const { T::ALL_WALKS } && self.windows - x > 2 * S::N {
                self.reduce_from::<R, T, S, 4>(simd, places, scratch, output, x);
                x += 4 * S::N;
            } else {
                self.reduce_from::<R, T, S, 2>(simd, places, scratch, output, x);
                x += 2 * S::N;
            }
        }
    }

    /// Reduces `B` vectors of windows from `x` on.
    #[inline(always)]
    fn reduce_from<
        R: Reduction<A>,
        T: Element<Acc = A>,
        S: Memory<T, Vector = V>,
        const B: usize,
    >(
        &self,
        simd: S,
        places: &Places<'_>,
        scratch: &[A; SCRATCH],
        output: &mut [T],
        x: usize,
    ) {
        let merged = fold::<Again<R>, T::Acc, S, B>(simd, places.clone(), |offset, b| {
            // SAFETY: a phase has room for two vectors from the last window on.
            unsafe { load_lanes(simd, scratch, self.from + offset + x + b * S::N) }
        });
        for (b, v) in merged.into_iter().enumerate() {
            let x = x + b * S::N;
            if x >= self.windows {
                break;
            }
            let divide = match (self.divide, self.counts) {
                (Divide::By(rows, rounding), Some(counts)) if R::DIVIDES => {
                    // SAFETY: a piece has no more windows than counts, and those have a multiple of
                    // the widest vector.
                    let columns = unsafe { load_lanes(simd, counts, x) };
                    Divide::By(simd.mul(rows, columns), rounding)
                }
                (divide, _) => divide,
            };
            let v = R::finish(simd, v, divide);
            let at = self.at + x;
            let room = if self.alone && at + S::N <= output.len() {
                S::N
            } else {
                S::N.min(self.windows - x)
            };
            // SAFETY: no more elements than the row or the output has left.
            unsafe { store_first(simd, v, output, at, room) }
        }
    }
}
