//! Windows over single elements of a row: `out[x] = reduce(row[x * stride + j * dilation])`.
//!
//! Pieces of some rows are first merged down their columns, whole vectors at a time, into a scratch buffer.
//! Columns outside the input are the identity, so that windows at the edges are like all others. Of a single
//! row, a vector that starts between two that have just been stored would have to wait for them.
//!
//! For windows one or two apart, the buffer holds every `stride`-th column together (a *phase*). There a tap
//! of neighbouring windows is a run of neighbours, as in [`down`](crate::down). For windows further apart, it
//! holds them as they are: there four columns of a window are loaded at once, and those of as many windows as
//! a vector has lanes are turned. Of a single line, they are loaded from where they are.

use crate::fold::fold;
use crate::lines::{Columns, Runs, keep_first, merge_columns};
use crate::number::{Element, Number};
use crate::order::{List, Step, merges_after};
use crate::reduction::{Again, Divide, Reduction};
use crate::simd::{
    Lanes, Memory, TURNED, WIDEST, load_groups, load_groups_of_lanes, load_lanes, store_first,
    store_lanes,
};
use crate::walk::FastWalk;
use crate::{Axis, Divisor, Geometry};
use core::ops::Range;

/// Elements of the scratch buffer: with f32, half of a first-level cache of 32 KiB.
const SCRATCH: usize = 4096;

/// Windows that a piece of a row has at most.
const PIECE: usize = 512;

/// Rows that are merged down before any is merged across, at most.
const ROWS: usize = 32;

/// Columns of a window that are loaded at once: a subtree of the order.
const FOUR: usize = 4;

/// Columns of windows that are further apart than there are phases, and how far that is, at most.
const COLUMNS: usize = 2 * FOUR;
const APART: usize = 64;

/// So few windows of a row leave most lanes of a vector empty; and where edges are pieces of their own, those take
/// longer than so many.
const FEWEST: usize = 7;
const FEWEST_AND_EDGES: usize = 64;

/// Whether windows along `width` are further apart than there are phases.
fn are_apart(width: &Axis) -> bool {
    width.stride > 2
}

/// Whether this walk takes windows that are, and a few columns wide.
pub(crate) fn fits_apart([depth, height, width]: &[Axis; 3]) -> bool {
    let edges = is_single(depth, height) && width.interior() != (0..width.output);
    are_apart(width)
        && !width.spread
        && width.dilation == 1
        && width.kernel <= COLUMNS
        && width.stride <= APART
        && width.output >= if edges { FEWEST_AND_EDGES } else { FEWEST }
}

/// Whether windows have a single line.
fn is_single(depth: &Axis, height: &Axis) -> bool {
    (depth.kernel, height.kernel) == (1, 1)
}

/// Whether this walk takes windows along `width`.
pub(crate) fn fits(width: &Axis) -> bool {
    let phase = (width.span() / width.stride).saturating_add(3 * WIDEST);
    width.stride <= 2
        && !width.spread
        && phase.checked_mul(width.stride).is_some_and(|len| len <= SCRATCH)
}

/// Windows of a row that has been merged down.
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
        let [depth, height, width] = geometry.axes();
        let (by, rounding) = (geometry.divisor(), geometry.rounding());
        let mut seen = simd.unseen();
        let mut scratch = [T::Acc::ZERO; SCRATCH];
        let mut counts = [T::Acc::ZERO; PIECE];
        let apart = const { T::ALL_WALKS } && are_apart(width);
        let single = apart && is_single(depth, height);
        let mut list = List::new();
        let mut x = 0;
        while x < width.output {
            let windows = windows_from(width, x, single);
            let columns = Piece::of(width, x, windows, S::N);
            if !apart {
                list_places(width, columns.phase, &mut list);
            }
            let places = Places::new(width, columns.phase, &list);
            let pitch = columns.pitch();
            let most = (SCRATCH / pitch).clamp(1, ROWS);
            // All windows that lack no column count as many.
            let whole = columns.is_whole();
            let alike = whole || matches!(by, Divisor::Constant(_)) || !R::DIVIDES;
            if !alike {
                for (i, count) in counts[..windows].iter_mut().enumerate() {
                    *count = T::Acc::nearest(width.count(x + i, by).max(1) as i64);
                }
            }
            let counts = (!alike).then_some(&counts);
            let counted = if whole { width.kernel } else { 1 };
            let lies = single && whole;
            let cleared = if lies { 1 } else { most.min(rows.len()) };
            columns.clear::<R, T, S>(simd, cleared * pitch, &mut scratch);
            // Rows merged down, by their divisors and where they go.
            let mut made = [(1, 0); ROWS];
            let mut waiting = 0;
            let mut row = Row {
                divide: Divide::by::<T::Acc, S>(simd, 1, rounding),
                counts,
                from: 0,
                at: 0,
                windows,
                alone: windows == width.output,
            };
            let mut runs = Runs::new(geometry, rows.clone(), false);
            let mut left = rows.len();
            while let Some(run) = runs.next() {
                let lines = run.octets(geometry);
                let divisor = run.divisor(by, counted);
                let mut shift = 0usize;
                for i in 0..run.rows {
                    let at = run.at + x + i * width.output;
                    left -= 1;
                    let start = columns.first.wrapping_add(shift).wrapping_add(lines.ends[0]);
                    // The line may be one that there is not.
                    if lies && lines.few == 1 && start + pitch <= input.len() {
                        (row.from, row.at) = (start, at);
                        row.divide = Divide::by::<T::Acc, S>(simd, divisor, rounding);
                        row.reduce_apart::<R, T, S>(
                            simd,
                            width,
                            output,
                            &mut seen,
                            #[inline(always)]
                            |at, apart| {
                                // SAFETY: the input has as many elements from the row on as the buffer of a row.
                                unsafe { load_groups(simd, input, at, apart) }
                            },
                        );
                        shift = shift.wrapping_add(run.advance);
                        continue;
                    }
                    let to = (&mut scratch, waiting * pitch);
                    columns.merge::<R, T, S>(simd, &lines, shift, input, to, &mut seen);
                    made[waiting] = (divisor, at);
                    shift = shift.wrapping_add(run.advance);
                    waiting += 1;
                    if waiting < most && left > 0 && !lies {
                        continue;
                    }
                    for (i, &(divisor, at)) in made[..waiting].iter().enumerate() {
                        (row.from, row.at) = (i * pitch, at);
                        row.divide = match counts {
                            None => Divide::by::<T::Acc, S>(simd, divisor, rounding),
                            _ => Divide::By(simd.splat(T::Acc::nearest(divisor)), rounding),
                        };
                        if !apart {
                            row.reduce::<R, T, S>(simd, &places, &scratch, output);
                            continue;
                        }
                        row.reduce_apart::<Again<R>, T, S>(
                            simd,
                            width,
                            output,
                            &mut simd.unseen(),
                            #[inline(always)]
                            |at, apart| {
                                // SAFETY: the buffer has room for a vector of windows more than there are.
                                unsafe { load_groups_of_lanes(simd, &scratch, at, apart) }
                            },
                        );
                    }
                    waiting = 0;
                }
            }
            x += windows;
        }
        seen
    }
}

/// How many windows from `x` on are a piece. Where `single`, edges are pieces of their own. A call, too.
#[inline(never)]
fn windows_from(width: &Axis, x: usize, single: bool) -> usize {
    let most = if are_apart(width) {
        (SCRATCH - COLUMNS - 8 * TURNED) / width.stride - TURNED
    } else {
        // A last pair of vectors may begin at the last window.
        SCRATCH / width.stride - width.span() / width.stride - 2 * WIDEST
    };
    let interior = width.interior();
    let end = match single {
        true if x < interior.start => interior.start,
        true if x < interior.end => interior.end,
        _ => width.output,
    };
    PIECE.min(most).min(end - x)
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
    /// How many there are.
    len: usize,
    phases: usize,
    /// Elements of the scratch buffer from one phase of a row to the next.
    phase: usize,
}

impl Piece {
    /// The columns of so many windows from `x` on.
    #[inline(always)]
    fn of(width: &Axis, x: usize, windows: usize, lanes: usize) -> Self {
        let first = width.start(x);
        let len = (windows - 1) * width.stride + width.span();
        let (phases, phase) = if are_apart(width) {
            (1, len + lanes * width.stride + FOUR + 4 * lanes)
        } else {
            (width.stride, len.div_ceil(width.stride) + 2 * lanes + 2)
        };
        let phase = phase.next_multiple_of(lanes).min(SCRATCH / phases);
        Self { first, inside: width.inside(first, len), len, phases, phase }
    }

    /// Elements of the scratch buffer from one row to the next.
    #[inline(always)]
    fn pitch(&self) -> usize {
        self.phase * self.phases
    }

    /// Whether no column is outside the input.
    #[inline(always)]
    fn is_whole(&self) -> bool {
        self.inside == (0..self.len)
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
            let (places, vectors) = if self.phases == 1 {
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
            self.finish::<R, T, S>(simd, v, x, output);
        }
    }

    /// Makes results of a vector of windows merged, from `x` on.
    #[inline(always)]
    fn finish<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T, Vector = V>>(
        &self,
        simd: S,
        merged: V,
        x: usize,
        output: &mut [T],
    ) {
        let divide = match (self.divide, self.counts) {
            (Divide::By(rows, rounding), Some(counts)) if R::DIVIDES => {
                // SAFETY: a piece has no more windows than counts, and those have a multiple of
                // the widest vector.
                let columns = unsafe { load_lanes(simd, counts, x) };
                Divide::by_lanes::<A, S>(simd, simd.mul(rows, columns), rounding)
            }
            (divide, _) => divide,
        };
        let v = R::finish(simd, merged, divide);
        let at = self.at + x;
        let room =
            if self.alone && at + S::N <= output.len() { S::N } else { S::N.min(self.windows - x) };
        // SAFETY: no more elements than the row or the output has left.
        unsafe { store_first(simd, v, output, at, room) }
    }

    /// Reduces windows further apart than there are phases, of which `load` loads groups of four columns, from
    /// some place on and so far apart.
    #[inline(always)]
    fn reduce_apart<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T, Vector = V>>(
        &self,
        simd: S,
        width: &Axis,
        output: &mut [T],
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> V,
    ) {
        if width.kernel <= FOUR {
            self.reduce_fours::<R, T, S, 1>(simd, width, output, seen, load);
        } else {
            self.reduce_fours::<R, T, S, 2>(simd, width, output, seen, load);
        }
    }

    /// Reduces those that are so many times four columns wide: where that is not known, it takes twice as long.
    #[inline(always)]
    fn reduce_fours<
        R: Reduction<A>,
        T: Element<Acc = A>,
        S: Memory<T, Vector = V>,
        const FOURS: usize,
    >(
        &self,
        simd: S,
        width: &Axis,
        output: &mut [T],
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> V,
    ) {
        let Axis { kernel, stride, .. } = *width;
        let last = kernel - (FOURS - 1) * FOUR;
        let mut at = self.from;
        // Apart from what it is part of, it stays in a register.
        let mut saw = *seen;
        for x in (0..self.windows).step_by(S::N) {
            let merged = if const { FOURS == 1 } {
                four::<R, A, S>(simd, &load, [at, stride, last], &mut saw)
            } else {
                let left = four::<R, A, S>(simd, &load, [at, stride, FOUR], &mut saw);
                let right = four::<R, A, S>(simd, &load, [at + FOUR, stride, last], &mut saw);
                R::merge(simd, left, right)
            };
            self.finish::<R, T, S>(simd, merged, x, output);
            at += S::N * stride;
        }
        *seen = saw;
    }
}

/// Merges four columns of as many windows as a vector has lanes, or the first `len` of them: from `at` on, `stride`
/// from a window to the next.
#[inline(always)]
fn four<R: Reduction<A>, A: Number, S: Lanes<A>>(
    simd: S,
    load: &impl Fn(usize, usize) -> S::Vector,
    [at, stride, len]: [usize; 3],
    seen: &mut S::Seen,
) -> S::Vector {
    let mut windows = [simd.splat(R::IDENTITY); FOUR];
    for i in 0..FOUR {
        windows[i] = load(at + i * stride, FOUR * stride);
    }
    let [a, b, c, d] = simd.quads(windows);
    let mut left = R::lift(simd, a);
    if len == 1 {
        *seen = R::look(simd, *seen, a, a);
        return left;
    }
    *seen = R::look(simd, *seen, a, b);
    left = R::push(simd, left, b);
    if len == 2 {
        return left;
    }
    let mut right = R::lift(simd, c);
    if len == 3 {
        *seen = R::look(simd, *seen, c, c);
    } else {
        *seen = R::look(simd, *seen, c, d);
        right = R::push(simd, right, d);
    }
    R::merge(simd, left, right)
}
