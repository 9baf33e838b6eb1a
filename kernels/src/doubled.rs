//! Windows of some elements of a line, one or two apart: neighbours are merged in registers.
//!
//! A vector merged with the same a lane earlier is one of windows of two elements; merged with those two lanes earlier, of
//! four. Two of these, or a few of several sizes where the [order](crate::order) shows, are a window of any other number. It
//! ends with its lane, so that all that is earlier is in the vector or in the one before, and is shifted in as far as a
//! permutation says. Of windows two apart, every other one is dropped, which takes less than to do without it.

use crate::lines::{Run, Runs};
use crate::number::{Element, Number};
use crate::reduction::{Divide, Reduction, finish_all};
use crate::simd::{
    ABSENT, Lanes, Memory, TURNED, load, load_between, load_lanes, store, store_first,
};
use crate::walk::FastWalk;
use crate::{Axis, Divisor, Geometry};
use core::ops::Range;

/// How often sizes are doubled at most: to 16 columns.
const MOST_DOUBLED: usize = 4;

/// Vectors at either end of a row that windows with fewer elements are in, at most.
const EDGE: usize = 4;

/// Vectors of windows one apart that are made side by side.
const SIDE: usize = 2;

/// Merges windows that end with the lanes of `v`, of 2ᵈ neighbours each, to those of twice as many; `before` has those that end
/// before.
#[inline(always)]
pub(crate) fn double<R: Reduction<A>, A: Number, S: Lanes<A>>(
    simd: S,
    d: usize,
    before: S::Vector,
    v: S::Vector,
) -> S::Vector {
    let left = match d {
        0 => back::<A, S, 1>(simd, before, v),
        1 => back::<A, S, 2>(simd, before, v),
        2 => back::<A, S, 4>(simd, before, v),
        _ => back::<A, S, 8>(simd, before, v),
    };
    R::merge(simd, left, v)
}

/// The lanes that are `J` elements before those of `v`; not for vectors of fewer.
#[inline(always)]
fn back<A: Number, S: Lanes<A>, const J: usize>(
    simd: S,
    before: S::Vector,
    v: S::Vector,
) -> S::Vector {
    if const { J <= S::N } { simd.slide::<J>(before, v) } else { v }
}

/// Whether these windows suit this walk.
pub(crate) fn suits(geometry: &Geometry) -> bool {
    let [depth, height, width] = geometry.axes();
    geometry.is_single()
        && geometry.axes().iter().all(|axis| !axis.spread)
        && matches!(width.stride, 1 | 2)
        && width.dilation == 1
        && (2..2 << MOST_DOUBLED).contains(&width.kernel)
        && width.pad_begin < width.kernel
        && (width.output - 1) * width.stride < width.input + width.pad_begin
        // Others share what is merged down.
        && (depth.kernel, height.kernel) == (1, 1)
        && [depth, height].iter().all(|axis| axis.interior() == (0..axis.output))
}

/// How often a size is doubled to be that of most of a window.
#[inline(always)]
fn doubled(kernel: usize) -> usize {
    kernel.checked_ilog2().unwrap_or(0) as usize
}

/// Whether it takes windows that [suit](suits) it: if all that is shifted in is in the vector before, and if it is not of
/// several sizes for windows every other one of which is dropped.
pub(crate) fn fits<T: Element, S: Memory<T>>(geometry: &Geometry, ordered: bool) -> bool {
    let Axis { kernel, stride, .. } = geometry.axes()[2];
    S::PICKS
        && kernel < 4 * S::N
        && kernel - (1 << doubled(kernel)) <= S::N
        && (stride == 1 || !ordered || kernel.is_power_of_two())
}

/// Windows of some elements of a line, one or two apart.
pub(crate) struct Doubled;

impl FastWalk for Doubled {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let row = Row::<T>::new(geometry, input, S::N, R::DIVIDES);
        let mut seen = simd.unseen();
        let mut runs = Runs::new(geometry, rows, false);
        while let Some(run) = runs.next() {
            let seen_in_run = match (doubled(row.width.kernel), row.width.stride) {
                (1, 1) => row.rows::<R, S, 1, 1>(simd, run, output),
                (2, 1) => row.rows::<R, S, 2, 1>(simd, run, output),
                (3, 1) => row.rows::<R, S, 3, 1>(simd, run, output),
                (_, 1) => row.rows::<R, S, MOST_DOUBLED, 1>(simd, run, output),
                (1, _) => row.rows::<R, S, 1, 2>(simd, run, output),
                (2, _) => row.rows::<R, S, 2, 2>(simd, run, output),
                (3, _) => row.rows::<R, S, 3, 2>(simd, run, output),
                _ => row.rows::<R, S, MOST_DOUBLED, 2>(simd, run, output),
            };
            seen = simd.both(seen, seen_in_run);
        }
        seen
    }
}

/// Rows of windows.
struct Row<'a, T: Element> {
    width: &'a Axis,
    by: Divisor,
    input: &'a [T],
    /// Vectors of a row.
    vectors: usize,
    /// Those of them that are full, of windows that have all elements.
    inside: Range<usize>,
    /// Where what ends as many elements earlier as the lower bits of the kernel's width say is in a vector, for each bit; absent
    /// if it is in the one before.
    places: [[u32; TURNED]; MOST_DOUBLED + 1],
    /// How many elements of each window of the first vectors count, and of the last ones.
    counts: [[T::Acc; EDGE * TURNED]; 2],
}

impl<'a, T: Element> Row<'a, T> {
    /// What is alike in all rows, for vectors of so many lanes. A call: it has no use for vectors.
    #[inline(never)]
    fn new(geometry: &'a Geometry, input: &'a [T], lanes: usize, divides: bool) -> Self {
        let (width, by) = (&geometry.axes()[2], geometry.divisor());
        let vectors = width.output.div_ceil(lanes);
        let interior = width.interior();
        // Of windows two apart, the one after the last is made as well.
        let ends = width.input.saturating_sub(width.kernel - 1 - width.pad_begin);
        let most = (interior.end / lanes).min(ends / (width.stride * lanes));
        let mut row = Self {
            width,
            by,
            input,
            vectors,
            inside: interior.start.div_ceil(lanes)..most,
            places: [[0; TURNED]; MOST_DOUBLED + 1],
            counts: [[T::Acc::nearest(width.kernel as i64); EDGE * TURNED]; 2],
        };
        for (bit, places) in row.places.iter_mut().enumerate() {
            let lag = width.kernel & ((1 << bit) - 1);
            for (lane, place) in places.iter_mut().enumerate() {
                // Lanes are a power of two.
                let turned = lane.wrapping_sub(lag) & (lanes - 1);
                *place = turned as u32 | if lane < lag { ABSENT } else { 0 };
            }
        }
        if divides {
            let (most, ends) = (EDGE * lanes, [0, row.first_at_end(lanes)]);
            for (counts, first) in row.counts.iter_mut().zip(ends) {
                for (x, count) in (first..width.output).zip(&mut counts[..most]) {
                    // To ask for each takes longer than to pool it.
                    if !interior.contains(&x) {
                        *count = T::Acc::nearest(width.count(x, by).max(1) as i64);
                    }
                }
            }
        }
        row
    }

    /// The first window of the last vectors.
    #[inline(always)]
    fn first_at_end(&self, lanes: usize) -> usize {
        self.vectors.saturating_sub(EDGE) * lanes
    }

    /// Reduces the rows of a run, of windows that are made of those of 2ᴰ elements, `STRIDE` apart.
    #[inline(always)]
    fn rows<R: Reduction<T::Acc>, S: Memory<T>, const D: usize, const STRIDE: usize>(
        &self,
        simd: S,
        run: &Run,
        output: &mut [T],
    ) -> S::Seen {
        let identity = simd.splat(R::IDENTITY);
        let mut seen = simd.unseen();
        let divide = R::divide(simd, run.divisor(self.by, self.width.kernel), run.rounding);
        let varies = R::DIVIDES && !R::QUICK && !matches!(self.by, Divisor::Constant(_));
        // The element with which the first window ends.
        let end = self.width.kernel - 1 - self.width.pad_begin;
        let (mut line, mut at) = (run.origin, run.at);
        for _ in 0..run.rows {
            let mut before =
                Before { sizes: [identity; MOST_DOUBLED], turned: [identity; MOST_DOUBLED + 1] };
            for i in (1..=(self.width.kernel - 1).div_ceil(S::N)).rev() {
                let from = end.wrapping_sub(i * S::N);
                let elements = self.at_edge::<R, S>(simd, line, from, &mut seen);
                self.windows::<R, S, D>(simd, elements, &mut before);
            }
            let mut i = 0;
            while i < self.vectors {
                let (x, from) = (i * S::N, end + i * STRIDE * S::N);
                let full = const { SIDE / STRIDE };
                if self.inside.start <= i && i + full <= self.inside.end {
                    let mut merged = [identity; SIDE];
                    for b in 0..SIDE {
                        // SAFETY: elements of the line, since the windows that end with them, or with the next ones, have all.
                        merged[b] = unsafe { load(simd, self.input, line + from + b * S::N) };
                    }
                    seen = R::look(simd, seen, merged[0], merged[1]);
                    for b in 0..SIDE {
                        let elements = R::lift(simd, merged[b]);
                        merged[b] = self.windows::<R, S, D>(simd, elements, &mut before);
                    }
                    if const { STRIDE == 2 } {
                        (merged[0], _) = simd.deinterleave(merged[0], merged[1]);
                        let results = [merged[0]];
                        let [v] = finish_all::<R, T::Acc, S, 1>(simd, results, [divide], &mut seen);
                        // SAFETY: the row has as many windows.
                        unsafe { store(simd, v, output, at + x) }
                    } else {
                        let by = [divide; SIDE];
                        let results = finish_all::<R, T::Acc, S, SIDE>(simd, merged, by, &mut seen);
                        for b in 0..SIDE {
                            // SAFETY: the row has as many windows.
                            unsafe { store(simd, results[b], output, at + x + b * S::N) }
                        }
                    }
                    i += full;
                    continue;
                }
                let elements = self.at_edge::<R, S>(simd, line, from, &mut seen);
                let mut merged = self.windows::<R, S, D>(simd, elements, &mut before);
                if const { STRIDE == 2 } {
                    let elements = self.at_edge::<R, S>(simd, line, from + S::N, &mut seen);
                    let next = self.windows::<R, S, D>(simd, elements, &mut before);
                    (merged, _) = simd.deinterleave(merged, next);
                }
                let mut by = divide;
                if varies && !self.inside.contains(&i) {
                    by = self.divide_at_edge::<R, S>(simd, run, i);
                }
                let [v] = finish_all::<R, T::Acc, S, 1>(simd, [merged], [by], &mut seen);
                let more = (x + S::N).saturating_sub(self.width.output);
                let room = more <= run.after && at + x + S::N <= output.len();
                let room = if room { S::N } else { S::N - more };
                // SAFETY: windows of the row, or of what is written after it.
                unsafe { store_first(simd, v, output, at + x, room) }
                i += 1;
            }
            line = line.wrapping_add(run.advance);
            at += run.step;
        }
        seen
    }

    /// A vector of elements of a line, from one on that may be before the first, and looks at them; where there is none, it is
    /// the identity.
    #[inline(always)]
    fn at_edge<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        line: usize,
        from: usize,
        seen: &mut S::Seen,
    ) -> S::Vector {
        let identity = simd.splat(R::IDENTITY);
        let within = |to: usize| (to.wrapping_sub(from) as isize).clamp(0, S::N as isize) as usize;
        let (at, lanes) = (line.wrapping_add(from), within(0)..within(self.width.input));
        // SAFETY: elements of the line.
        let elements = unsafe { load_between(simd, self.input, at, lanes, identity) };
        *seen = R::look(simd, *seen, elements, elements);
        R::lift(simd, elements)
    }

    /// How sums become averages in a vector of windows some of which have fewer elements, or are not there.
    #[inline(always)]
    fn divide_at_edge<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        run: &Run,
        i: usize,
    ) -> Divide<S::Vector> {
        let (counts, first) = if i < EDGE {
            (&self.counts[0], 0)
        } else {
            (&self.counts[1], self.first_at_end(S::N))
        };
        // SAFETY: windows that have fewer elements are in so many vectors at either end.
        let elements = unsafe { load_lanes(simd, counts, i * S::N - first) };
        let lines = simd.splat(T::Acc::nearest(run.counted.max(1) as i64));
        Divide::by_lanes::<T::Acc, S>(simd, simd.mul(lines, elements), run.rounding)
    }

    /// Merges a vector of elements with those before it to the windows that end with them.
    #[inline(always)]
    fn windows<R: Reduction<T::Acc>, S: Memory<T>, const D: usize>(
        &self,
        simd: S,
        elements: S::Vector,
        before: &mut Before<S::Vector>,
    ) -> S::Vector {
        let mut v = elements;
        // What ends a window, of smaller ones.
        let mut right = None;
        for d in 0..D {
            if R::ORDERED && self.width.kernel >> d & 1 != 0 {
                right = Some(self.joined::<R, S>(simd, d, v, right, before));
            }
            let doubled = double::<R, T::Acc, S>(simd, d, before.sizes[d], v);
            before.sizes[d] = v;
            v = doubled;
        }
        if !R::ORDERED && self.width.kernel > 1 << D {
            right = Some(v);
        }
        self.joined::<R, S>(simd, D, v, right, before)
    }

    /// Merges windows of 2ᵈ elements, from where they end as many earlier as `right` has, with that.
    #[inline(always)]
    fn joined<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        d: usize,
        v: S::Vector,
        right: Option<S::Vector>,
        before: &mut Before<S::Vector>,
    ) -> S::Vector {
        let Some(right) = right else { return v };
        let left = simd.pick_or(v, &self.places[d], before.turned[d]);
        before.turned[d] = simd.pick(v, &self.places[d]);
        R::merge(simd, left, right)
    }
}

/// What of the vector before may be shifted into the next one.
struct Before<V> {
    /// Windows of each size that is doubled.
    sizes: [V; MOST_DOUBLED],
    /// Those of each size that a window is made of, turned as far as they will be shifted.
    turned: [V; MOST_DOUBLED + 1],
}
