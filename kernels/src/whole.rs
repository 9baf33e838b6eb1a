//! Windows far apart, or few: as many at a time as a vector has lanes, each by itself.
//!
//! A window is merged down its columns into a vector. Then neighbouring lanes are merged across as
//! many windows as there are lanes: what one window leaves of a vector after each step is half as
//! long, and another window's fits beside it. In the end there is one vector with a lane for each
//! window. A window wider than a vector is a list of such pieces; lanes outside the window are the
//! identity.

use crate::fold::{Stack, Tree};
use crate::lines::{Columns, Octets, Run, Runs, octet};
use crate::number::{Element, Number};
use crate::order::merges_after;
use crate::reduction::{Divide, Reduction};
use crate::simd::{Memory, WIDEST, load, load_between, load_lanes, store, store_first};
use crate::walk::FastWalk;
use crate::{Axis, Geometry};
use core::ops::Range;

/// Windows that are merged down at a time.
const B: usize = 4;

/// The fewest lanes that a vector has to have.
pub(crate) const FEWEST: usize = B;

/// So few windows in a row take longer together, where some lack columns, than one after the other.
const FEW: usize = 3;

/// Whether this walk takes windows along `width`.
pub(crate) fn fits(width: &Axis) -> bool {
    // Rows of few windows at an edge of a plane are alike in no other row, and leave most lanes idle.
    let few = (2..=FEW).contains(&width.output) && width.interior() != (0..width.output);
    let apart = width.stride > 2 || width.output == 1;
    width.dilation == 1 && !width.spread && apart && !few
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
        let width = &geometry.axes()[2];
        let interior = width.interior();
        let alone = width.output == 1 && interior == (0..1);
        let mut seen = simd.unseen();
        let mut runs = Runs::new(geometry, rows, false);
        while let Some(run) = runs.next() {
            let lines = run.octets(geometry, R::ORDERED);
            let divisor = run.divisor(geometry.divisor(), width.kernel);
            let mut group = Group {
                geometry,
                input,
                run,
                divide: Divide::by::<T::Acc, S>(simd, divisor, run.rounding),
                starts: [0; WIDEST],
                highest: 0,
            };
            let (mut start, mut x) = (width.start(0), 0);
            let count = run.rows * width.output;
            let done = match lines.few {
                4 if alone => group.alone::<R, S, 4>(simd, &lines, output, &mut seen),
                7 if alone => group.alone::<R, S, 7>(simd, &lines, output, &mut seen),
                8 if alone => group.alone::<R, S, 8>(simd, &lines, output, &mut seen),
                _ => 0,
            };
            start = start.wrapping_add(done.wrapping_mul(run.advance));
            for first in (done..count).step_by(S::N) {
                let len = S::N.min(count - first);
                let mut whole = true;
                if alone && len == S::N {
                    for (i, to) in group.starts[..S::N].iter_mut().enumerate() {
                        *to = start.wrapping_add(i.wrapping_mul(run.advance));
                    }
                    group.highest = group.starts[S::N - 1];
                    start = start.wrapping_add(S::N.wrapping_mul(run.advance));
                } else {
                    group.highest = 0;
                    for i in 0..S::N {
                        group.starts[i] = start.wrapping_add(x * width.stride);
                        group.highest = group.starts[i].max(group.highest);
                        whole &= interior.contains(&x);
                        // Lanes that have no window repeat the last one.
                        if first + i + 1 < count {
                            x += 1;
                        }
                        if x == width.output {
                            x = 0;
                            start = start.wrapping_add(run.advance);
                        }
                    }
                }
                let (merged, divide) = if whole && group.has_room::<S>(&lines) {
                    (group.merge::<R, S>(simd, &lines, len, &mut seen), group.divide)
                } else {
                    let window = |i: usize| (first + i).min(count - 1) % width.output;
                    group.merge_clipped::<R, S>(simd, &lines, len, window, &mut seen)
                };
                let v = R::finish(simd, merged, divide);
                let at = run.at + first;
                let room = if at + S::N <= output.len() { S::N } else { len };
                // SAFETY: the output has room for the windows there are, or for all lanes: what is
                // written too much is overwritten by those that come after.
                unsafe { store_first(simd, v, output, at, room) }
            }
        }
        seen
    }
}

/// Windows that are reduced together: under the same lines, wherever they start.
struct Group<'a, T, V> {
    geometry: &'a Geometry,
    input: &'a [T],
    run: &'a Run,
    /// How sums of windows that lack no column become averages.
    divide: Divide<V>,
    /// Where each starts; before the input, it wraps.
    starts: [usize; WIDEST],
    /// The last of these places: lines may lie anywhere.
    highest: usize,
}

impl<T: Element, V: Copy> Group<'_, T, V> {
    /// Reduces windows of a vector at most, each of them all of its row, under so many lines, and says how many
    /// there were room for. What depends on the number of lines takes longer than what is done to them.
    #[inline(always)]
    fn alone<R: Reduction<T::Acc>, S: Memory<T, Vector = V>, const LINES: usize>(
        &self,
        simd: S,
        lines: &Octets,
        output: &mut [T],
        seen: &mut S::Seen,
    ) -> usize {
        // Operands are looked at in pairs. What is not looked at is sooner done one after the other.
        match const { R::LOSES } {
            true => self.alone_by::<R, S, LINES, 2>(simd, lines, output, seen),
            false => self.alone_by::<R, S, LINES, 1>(simd, lines, output, seen),
        }
    }

    /// Does so, so many windows at a time.
    #[inline(always)]
    fn alone_by<
        R: Reduction<T::Acc>,
        S: Memory<T, Vector = V>,
        const LINES: usize,
        const AT_A_TIME: usize,
    >(
        &self,
        simd: S,
        lines: &Octets,
        output: &mut [T],
        seen: &mut S::Seen,
    ) -> usize {
        let width = &self.geometry.axes()[2];
        let (kernel, advance) = (width.kernel, self.run.advance);
        if kernel > S::N {
            return 0;
        }
        let [first, last] = lines.ends.map(|line| line.wrapping_add(width.start(0)));
        let [_, _, high] = self.geometry.tap_strides();
        let mut done = 0;
        while done + S::N <= self.run.rows {
            let start = done.wrapping_mul(advance);
            let end = start.wrapping_add((S::N - 1).wrapping_mul(advance)).wrapping_add(last);
            if end.wrapping_add(S::N) > self.input.len() {
                break;
            }
            let merged = piece_of::<R, T, S, AT_A_TIME>(
                simd,
                S::N,
                #[inline(always)]
                |i| {
                    let start = first.wrapping_add((done + i).wrapping_mul(advance));
                    let mut merged = octet::<R, T::Acc, S, AT_A_TIME>(
                        simd,
                        seen,
                        [start, high, LINES],
                        #[inline(always)]
                        |at, b| {
                            let at = at.wrapping_add(b.wrapping_mul(advance));
                            // SAFETY: the last vector of the last window is inside the input.
                            unsafe { load(simd, self.input, at) }
                        },
                    );
                    for merged in &mut merged {
                        *merged = simd.keep(*merged, 0..kernel, simd.splat(R::IDENTITY));
                    }
                    merged
                },
            );
            // SAFETY: there are so many windows.
            unsafe { store(simd, R::finish(simd, merged, self.divide), output, self.run.at + done) }
            done += S::N;
        }
        done
    }

    /// Whether whole vectors of all pieces of the windows are inside the input.
    #[inline(always)]
    fn has_room<S: Memory<T, Vector = V>>(&self, lines: &impl Columns<T>) -> bool {
        let columns = self.geometry.axes()[2].kernel.next_multiple_of(S::N);
        lines.last().wrapping_add(self.highest).wrapping_add(columns) <= self.input.len()
    }

    /// Merges so many windows that lack no column, and whose pieces have room.
    #[inline(always)]
    fn merge<R: Reduction<T::Acc>, S: Memory<T, Vector = V>>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        count: usize,
        seen: &mut S::Seen,
    ) -> V {
        let identity = simd.splat(R::IDENTITY);
        let kernel = self.geometry.axes()[2].kernel;
        let pieces = 0..kernel.div_ceil(S::N);
        let mut waiting = Stack::new();
        let mut merged = identity;
        for piece in pieces.clone() {
            let first = piece * S::N;
            let lanes = 0..(kernel - first).min(S::N);
            merged = piece_of::<R, T, S, B>(
                simd,
                count,
                #[inline(always)]
                |i| {
                    let mut sources = [self.input.as_ptr(); B];
                    for b in 0..B {
                        sources[b] =
                            sources[b].wrapping_add(self.starts[i + b].wrapping_add(first));
                    }
                    let mut merged = lines.merge::<R, S, B>(
                        simd,
                        seen,
                        #[inline(always)]
                        |line, b| {
                            // SAFETY: the last vector of the last window is inside the input.
                            unsafe { simd.load(sources[b].wrapping_add(line)) }
                        },
                    );
                    if lanes.end < S::N {
                        for b in 0..B {
                            merged[b] = simd.keep(merged[b], lanes.clone(), identity);
                        }
                    }
                    merged
                },
            );
            // Most are alone.
            if pieces.end > 1 {
                for _ in 0..merges_after(piece, &pieces) {
                    merged = R::merge(simd, waiting.pop(), merged);
                }
                waiting.push(merged);
            }
        }
        merged
    }

    /// Merges so many windows of which some lack columns or room, and says how to divide them; `window` says which of
    /// its row each is.
    #[inline(always)]
    fn merge_clipped<R: Reduction<T::Acc>, S: Memory<T, Vector = V>>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        count: usize,
        window: impl Fn(usize) -> usize,
        seen: &mut S::Seen,
    ) -> (V, Divide<V>) {
        let (width, by) = (&self.geometry.axes()[2], self.geometry.divisor());
        // A window may have many more columns than the input: only those inside it count.
        let (mut start, mut end) = (width.kernel, 0);
        let mut columns = [(0, 0); WIDEST];
        let mut divisors = [T::Acc::ZERO; WIDEST];
        for i in 0..S::N {
            let taps = width.taps(window(i));
            if !taps.is_empty() {
                (start, end) = (start.min(taps.start), end.max(taps.end));
            }
            columns[i] = (taps.start, taps.end);
            let counted = width.count(window(i), by);
            divisors[i] = T::Acc::nearest(self.run.divisor(by, counted));
        }
        let pieces = start / S::N..end.div_ceil(S::N);
        let mut tree = Tree::new();
        for piece in pieces.clone() {
            let first = piece * S::N;
            let v = self.piece::<R, S>(simd, lines, count, first, &columns, seen);
            tree.push::<R, T::Acc, S>(simd, v, merges_after(piece, &pieces));
        }
        let merged = tree.root().unwrap_or(simd.splat(R::IDENTITY));
        // SAFETY: there are as many divisors as the widest vector has lanes.
        let divisors = unsafe { load_lanes(simd, &divisors, 0) };
        (merged, Divide::by_lanes::<T::Acc, S>(simd, divisors, self.run.rounding))
    }

    /// Reduces a vector of columns of so many windows, from `first` on, of those that are inside the input:
    /// the first of each window, and the one after the last.
    #[inline(always)]
    fn piece<R: Reduction<T::Acc>, S: Memory<T, Vector = V>>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        count: usize,
        first: usize,
        columns: &[(usize, usize); WIDEST],
        seen: &mut S::Seen,
    ) -> V {
        let identity = simd.splat(R::IDENTITY);
        piece_of::<R, T, S, 1>(
            simd,
            count,
            #[inline(always)]
            |i| {
                let (start, end) = columns[i];
                let end = end.saturating_sub(first).min(S::N);
                let lanes = start.saturating_sub(first).min(end)..end;
                lines.merge::<R, S, 1>(
                    simd,
                    seen,
                    #[inline(always)]
                    |line, _| {
                        let at = self.starts[i].wrapping_add(first).wrapping_add(line);
                        // SAFETY: these lanes are columns of a line.
                        unsafe { load_between(simd, self.input, at, lanes.clone(), identity) }
                    },
                )
            },
        )
    }
}

/// Reduces a vector of columns of each of `count` windows, which `merge` merges down, `AT_A_TIME` windows from
/// the one it is given on. There may be fewer windows than lanes, four of which go together.
#[inline(always)]
fn piece_of<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const AT_A_TIME: usize>(
    simd: S,
    count: usize,
    mut merge: impl FnMut(usize) -> [S::Vector; AT_A_TIME],
) -> S::Vector {
    let identity = simd.splat(R::IDENTITY);
    let mut quads = [identity; WIDEST / 4];
    let mut last = identity;
    for i in 0..S::N / 4 {
        if 4 * i >= count {
            break;
        }
        let mut windows = [identity; 4];
        for j in (0..4).step_by(AT_A_TIME) {
            for (window, v) in windows[j..].iter_mut().zip(merge(4 * i + j)) {
                *window = v;
            }
        }
        let [a, b, c, d] = simd.quads(windows);
        let quad = R::merge(simd, R::merge(simd, a, b), R::merge(simd, c, d));
        // Of two, none has to be in memory.
        if const { S::N == 8 } {
            if i == 1 {
                return beside::<R, T, S>(simd, last, quad);
            }
            last = quad;
        } else {
            quads[i] = quad;
        }
    }
    if const { S::N == 8 } {
        return beside::<R, T, S>(simd, last, identity);
    }
    let mut len = S::N / 4;
    while len > 1 {
        len /= 2;
        for i in 0..len {
            quads[i] = beside::<R, T, S>(simd, quads[2 * i], quads[2 * i + 1]);
        }
    }
    quads[0]
}

/// Merges neighbouring groups of lanes of two vectors.
#[inline(always)]
fn beside<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    a: S::Vector,
    b: S::Vector,
) -> S::Vector {
    let (even, odd) = simd.groups(a, b);
    R::merge(simd, even, odd)
}
