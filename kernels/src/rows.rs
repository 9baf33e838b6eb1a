//! Small windows over single elements, in registers: two to four columns as far apart as they are
//! wide, or three columns one or two apart.
//!
//! A row is walked a vector of windows at a time. The columns that these need are merged down, whole
//! vectors of them, and split into those that are a stride apart; what belongs to a window's left
//! columns is shifted in from the vector before. There is no scalar tail and there are no masks but
//! at the right edge: the last vector of a row reads on into the next row, where that is not outside
//! the input, and writes on into the next row, which is written after it.

use crate::ahead::{LARGE, fetch, is_far};
use crate::lines::{self, Columns, RowWalk, Run, keep_first, merge_columns, reduce};
use crate::number::{Element, Number};
use crate::reduction::{Divide, MostBits, Reduction, finish_all};
use crate::simd::{
    Memory, WIDEST, load, load_between, load_lanes, load_of_two, store, store_both, store_first,
};
use crate::walk::FastWalk;
use crate::{Axis, Divisor, Geometry};
use core::array::from_fn;
use core::cell::Cell;
use core::ops::Range;

/// So few rows that asking before each whether there is room for a vector takes no longer than asking
/// at once.
const FEW: usize = 2;

/// Bytes of a line from which on the next ones are fetched, from which on the CPU sees soon enough where they go on, and at
/// most: longer ones would be fetched long before they are needed.
const FAR: usize = 128;
const WIDE: usize = 512;
const WIDEST_LINE: usize = 8192;

/// How many bytes before they are needed lines are fetched, if they are not so wide: memory takes as long as some KiB
/// from it.
const AHEAD: usize = 7168;

/// How far wrong guesses may outnumber right ones, if each counts for [`WRONG`] of those, before there are no more:
/// of numbers of either sign, one window of nine in five hundred is negative, which is one row in eight.
const DOUBTS: usize = 12;
const WRONG: usize = 3;

/// Whether this walk takes these windows.
pub(crate) fn fits([depth, height, width]: &[Axis; 3]) -> bool {
    let Axis { input, output, kernel, stride, dilation, pad_begin, .. } = *width;
    // Of the windows that reach over the right edge there is one, so that it is in the last vector.
    let last_but_one = output.saturating_sub(2) * stride + kernel;
    matches!((kernel, stride), (2, 2) | (3, 1..=3) | (4, 4))
        && lines::fits(depth, height)
        && dilation == 1
        // One window a row is better taken whole.
        && output > 1
        && pad_begin <= kernel - stride
        // What is shifted in before the first vector are columns of the input.
        && kernel - stride <= input + pad_begin
        && last_but_one <= input + pad_begin
        && (output - 1) * stride < input + pad_begin
}

/// Windows of `K` columns, `STRIDE` apart.
pub(crate) struct Rows<const K: usize, const STRIDE: usize>;

impl<const K: usize, const STRIDE: usize> FastWalk for Rows<K, STRIDE> {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let (width, by) = (&geometry.axes()[2], geometry.divisor());
        let last = (width.output - 1) / S::N * S::N;
        let mut counts = [[T::Acc::ZERO; WIDEST]; 2];
        if R::DIVIDES {
            for (counts, x) in counts.iter_mut().zip([0, last]) {
                for (i, count) in counts[..S::N].iter_mut().enumerate() {
                    let counted = width.count((x + i).min(width.output - 1), by);
                    *count = T::Acc::nearest(counted.max(1) as i64);
                }
            }
        }
        let spare = 1 + S::N.div_ceil(width.output);
        let row = Row::<T, K, STRIDE> { width, by, input, counts: &counts, spare };
        reduce::<R, T, S, _>(simd, geometry, rows, input, output, &row)
    }
}

/// Rows of windows of `K` columns, `STRIDE` apart.
struct Row<'a, T: Element, const K: usize, const STRIDE: usize> {
    width: &'a Axis,
    by: Divisor,
    input: &'a [T],
    /// Counted columns of the windows of the first vector, and of the last.
    counts: &'a [[T::Acc; WIDEST]; 2],
    /// Rows that have more windows than a vector has.
    spare: usize,
}

impl<T: Element, const K: usize, const STRIDE: usize> RowWalk<T> for Row<'_, T, K, STRIDE> {
    const COLUMNS: [usize; 2] = [K, STRIDE];

    const BATCHES: bool = true;

    const LINES: &'static [usize] = match K {
        _ if !T::ALL_WALKS => &[K],
        2 => &[1, 2, 4],
        3 => &[1, 2, 3],
        _ => &[1, K],
    };

    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, S: Memory<T>, L: Columns<T>>(
        &self,
        simd: S,
        lines: &L,
        run: &Run,
        output: &mut [T],
        seen_before: S::Seen,
    ) -> S::Seen {
        let width = self.width;
        let [divide_first, divide, divide_last] = self.divides::<R, S>(simd, run);
        let identity = simd.splat(R::IDENTITY);
        // The last column of window 0 is the last of a group of `STRIDE`.
        let first = K - STRIDE - width.pad_begin;
        let absent = (width.output - 1) * STRIDE + K > width.input + width.pad_begin;
        let last = (width.output - 1) / S::N * S::N;
        let windows = width.output - last;
        // Rows after which both input and output go on for as long as a vector may be too long: all of
        // them, or all but the last ones of the tensor.
        let column = last * STRIDE + first;
        // What a row writes too much is written later.
        let spills = last + S::N - width.output <= run.after;
        // Of few rows, asking each takes no longer.
        let mut roomy = 0;
        for rows in [run.rows.saturating_sub(self.spare), run.rows - 1, run.rows] {
            if rows <= FEW || !spills {
                continue;
            }
            let from = lines.last().wrapping_add(column).wrapping_add(STRIDE * S::N);
            let from = from.wrapping_add((rows - 1).wrapping_mul(run.advance));
            let to = run.at + (rows - 1) * run.step + last + S::N;
            if from <= self.input.len() && to <= output.len() {
                roomy = rows;
            }
        }
        let (mut shift, mut at) = (0usize, run.at);
        let mut rows = 0..run.rows;
        let mut seen = simd.unseen();
        // Rows of one vector each, or of short elements, with nothing around them that takes as long as they do.
        let several = const { size_of::<T>() < 4 && !R::DIVIDES };
        if const { K == 2 || size_of::<T>() < 4 } && first == 0 && !absent && (several || last == 0)
        {
            rows.start = roomy;
            let mut doubts = 0;
            for _ in 0..roomy {
                // Where guesses are wrong, the next ones will be.
                if const { S::GUESSES && K == 3 && STRIDE == 2 } && doubts < DOUBTS {
                    if self.guess::<S>(simd, lines, shift, output, at..at + last) {
                        doubts = doubts.max(1) - 1;
                        shift = shift.wrapping_add(run.advance);
                        at += run.step;
                        continue;
                    }
                    doubts += WRONG;
                }
                let mut before = [identity; STRIDE];
                let mut x = 0;
                loop {
                    // SAFETY: columns of a line and what comes after it, which was seen to be inside.
                    let merged = unsafe {
                        self.windows::<R, S, L>(
                            simd,
                            lines,
                            shift.wrapping_add(x * STRIDE),
                            None,
                            &mut before,
                            &mut seen,
                        )
                    };
                    let [v] =
                        finish_all::<R, T::Acc, S, 1>(simd, [merged], [divide_last], &mut seen);
                    // SAFETY: the output goes on for a vector after the last one, as was seen.
                    unsafe { store(simd, v, output, at + x) }
                    if !several || x == last {
                        break;
                    }
                    x += S::N;
                }
                shift = shift.wrapping_add(run.advance);
                at += run.step;
            }
        }
        // Where there is room, the last vector of a row is like the others.
        let alike = !absent && (!R::DIVIDES || R::QUICK);
        // How far it is to the lines of a later row.
        let line = width.input * size_of::<T>();
        let later = match line {
            WIDE.. => 2,
            _ => AHEAD.div_ceil(run.advance.saturating_mul(size_of::<T>()).max(1)).max(2),
        };
        let later = run.advance.wrapping_mul(later);
        let far = (if STRIDE > 1 { FAR } else { WIDE }..=WIDEST_LINE).contains(&line)
            && is_far(simd, self.input, LARGE);
        known(
            far,
            #[inline(always)]
            |far| {
                for row in rows {
                    let end = if alike && row < roomy { last + S::N } else { last };
                    // Columns before `first`, in the last lanes of what comes before the first vector: the
                    // last of `STRIDE` vectors has all that are looked at.
                    let mut before = [identity; STRIDE];
                    if const { one_before::<T, K, STRIDE>() } && first > 0 {
                        let [columns] = lines.merge::<R, S, 1>(
                            simd,
                            &mut seen,
                            #[inline(always)]
                            |line, _| {
                                let at = line.wrapping_add(shift);
                                // SAFETY: column 0 of a line.
                                simd.splat(unsafe { *self.input.get_unchecked(at) }.widen())
                            },
                        );
                        seen = R::look(simd, seen, columns, columns);
                        before[STRIDE - 1] = columns;
                    } else if K > STRIDE && first > 0 {
                        let [columns] = lines.merge::<R, S, 1>(
                            simd,
                            &mut seen,
                            #[inline(always)]
                            |line, _| {
                                let lane_0 =
                                    line.wrapping_add(shift).wrapping_add(first).wrapping_sub(S::N);
                                // SAFETY: the lanes are columns 0 to `first` of a line.
                                unsafe {
                                    load_between(
                                        simd,
                                        self.input,
                                        lane_0,
                                        S::N - first..S::N,
                                        identity,
                                    )
                                }
                            },
                        );
                        seen = R::look(simd, seen, columns, columns);
                        before[STRIDE - 1] = columns;
                    }
                    let ahead = far.then_some(later);
                    let mut x = 0;
                    while x < end {
                        let column = shift.wrapping_add(x * STRIDE + first);
                        // SAFETY: columns of a line, or what comes after it, which was seen to be inside.
                        let merged = unsafe {
                            self.windows::<R, S, L>(
                                simd,
                                lines,
                                column,
                                ahead,
                                &mut before,
                                &mut seen,
                            )
                        };
                        let by = if x > 0 { divide } else { divide_first };
                        if const { in_twos::<T>() } && x + S::N < end {
                            let column = column.wrapping_add(STRIDE * S::N);
                            // SAFETY: the same.
                            let next = unsafe {
                                self.windows::<R, S, L>(
                                    simd,
                                    lines,
                                    column,
                                    ahead,
                                    &mut before,
                                    &mut seen,
                                )
                            };
                            let (merged, by) = ([merged, next], [by, divide]);
                            let results =
                                finish_all::<R, T::Acc, S, 2>(simd, merged, by, &mut seen);
                            // SAFETY: the row has more windows, or the output goes on for a vector.
                            unsafe { store_both(simd, results, output, at + x) }
                            x += 2 * S::N;
                            continue;
                        }
                        let [v] = finish_all::<R, T::Acc, S, 1>(simd, [merged], [by], &mut seen);
                        // SAFETY: the same.
                        unsafe { store(simd, v, output, at + x) }
                        x += S::N;
                    }
                    if end > last {
                        shift = shift.wrapping_add(run.advance);
                        at += run.step;
                        continue;
                    }
                    let (at_column, len) =
                        (column.wrapping_add(shift), width.input.saturating_sub(column));
                    let room = row < roomy
                        || const { apart::<T, S, STRIDE>() }
                            && lines.last().wrapping_add(at_column).wrapping_add(STRIDE * S::N)
                                <= self.input.len();
                    let mut columns = if room {
                        lines.merge::<R, S, STRIDE>(
                            simd,
                            &mut seen,
                            #[inline(always)]
                            |line, i| {
                                let at = line.wrapping_add(at_column);
                                if far {
                                    fetch(simd, self.input, at.wrapping_add(later), [i, S::N]);
                                }
                                // SAFETY: columns of a line and what comes after it, which was seen to be inside.
                                unsafe { self.load::<S>(simd, at, i) }
                            },
                        )
                    } else {
                        merge_columns::<R, T, S, STRIDE>(
                            simd, lines, self.input, at_column, len, &mut seen,
                        )
                    };
                    if room && const { apart::<T, S, STRIDE>() } {
                        if absent {
                            for i in 0..STRIDE {
                                let present = 0..(len + 1 - i).div_euclid(2).min(S::N);
                                columns[i] = simd.keep(columns[i], present, identity);
                            }
                        }
                    } else {
                        if absent {
                            keep_first::<R, T, S, STRIDE>(simd, &mut columns, len);
                        }
                        columns = split::<T, S, STRIDE>(simd, columns);
                    }
                    let merged = self.across::<R, S>(simd, before, columns, &mut seen);
                    let [v] =
                        finish_all::<R, T::Acc, S, 1>(simd, [merged], [divide_last], &mut seen);
                    let all = row < roomy || spills && at + last + S::N <= output.len();
                    // SAFETY: the row has `windows` more elements, or the output has as many as a vector.
                    unsafe {
                        store_first(simd, v, output, at + last, if all { S::N } else { windows })
                    }
                    shift = shift.wrapping_add(run.advance);
                    at += run.step;
                }
            },
        );
        simd.both(seen_before, seen)
    }
}

/// Calls `f` with what it is to know when it is compiled, so that of a loop in it there are two.
#[inline(always)]
fn known(flag: bool, f: impl FnOnce(bool)) {
    if flag { f(true) } else { f(false) }
}

/// Whether no more than one column is before the first vector, and makes a vector of itself at once.
const fn one_before<T, const K: usize, const STRIDE: usize>() -> bool {
    K == STRIDE + 1 && size_of::<T>() >= 4
}

/// Whether two vectors are stored at a time: they are narrowed together.
const fn in_twos<T: Element>() -> bool {
    size_of::<T>() == 2 && size_of::<T::Acc>() == 4
}

/// Whether columns are apart once they are loaded.
const fn apart<T: Element, S: Memory<T>, const STRIDE: usize>() -> bool {
    STRIDE == 2 && S::APART
}

impl<T: Element, const K: usize, const STRIDE: usize> Row<'_, T, K, STRIDE> {
    /// Loads the `i`-th vector of columns from `at` on, or of the first two, if they come apart, those at
    /// even or odd positions.
    ///
    /// # Safety
    ///
    /// All `STRIDE` of them are inside the input.
    #[inline(always)]
    unsafe fn load<S: Memory<T>>(&self, simd: S, at: usize, i: usize) -> S::Vector {
        if const { apart::<T, S, STRIDE>() } {
            // SAFETY: as the caller promises.
            return unsafe { load_of_two(simd, self.input, at, i) };
        }
        // SAFETY: as the caller promises.
        unsafe { load(simd, self.input, at.wrapping_add(i * S::N)) }
    }

    /// Merges a vector of windows of which the last columns start at `at` in each line, and says in `before` what the next ones
    /// share with them; what is so many elements `ahead` is fetched.
    ///
    /// # Safety
    ///
    /// All `STRIDE` vectors of columns are inside the input.
    #[inline(always)]
    unsafe fn windows<R: Reduction<T::Acc>, S: Memory<T>, L: Columns<T>>(
        &self,
        simd: S,
        lines: &L,
        at: usize,
        ahead: Option<usize>,
        before: &mut [S::Vector; STRIDE],
        seen: &mut S::Seen,
    ) -> S::Vector {
        let loaded = lines.merge::<R, S, STRIDE>(
            simd,
            seen,
            #[inline(always)]
            |line, i| {
                let at = line.wrapping_add(at);
                if let Some(ahead) = ahead {
                    fetch(simd, self.input, at.wrapping_add(ahead), [i, S::N]);
                }
                // SAFETY: as the caller promises.
                unsafe { self.load::<S>(simd, at, i) }
            },
        );
        let columns = match const { apart::<T, S, STRIDE>() } {
            true => loaded,
            false => split::<T, S, STRIDE>(simd, loaded),
        };
        let merged = self.across::<R, S>(simd, *before, columns, seen);
        *before = columns;
        merged
    }

    /// Reduces the windows of a row as if the largest bits were those of the largest elements, and says whether
    /// they are for sure. Its vectors start from the start to the end of `at`; there is no column before.
    #[inline(always)]
    fn guess<S: Memory<T>>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        shift: usize,
        output: &mut [T],
        at: Range<usize>,
    ) -> bool {
        let nothing = simd.splat(T::Acc::ZERO);
        let all = Cell::new(nothing);
        let mut results = nothing;
        let mut before = [simd.splat(T::Acc::SIGN); STRIDE];
        let mut x = 0;
        loop {
            let linear = lines.merge::<MostBits, S, STRIDE>(
                simd,
                &mut simd.unseen(),
                #[inline(always)]
                |line, i| {
                    let from = line.wrapping_add(shift).wrapping_add(x * STRIDE + i * S::N);
                    debug_assert!(from + S::N <= self.input.len(), "a load out of bounds");
                    // SAFETY: columns of a line and what comes after it, which the caller saw to be inside.
                    let bits = unsafe { simd.load_bits(self.input.as_ptr().wrapping_add(from)) };
                    all.set(simd.max(all.get(), bits));
                    bits
                },
            );
            let columns = split::<T, S, STRIDE>(simd, linear);
            let v = self.across::<MostBits, S>(simd, before, columns, &mut simd.unseen());
            before = columns;
            results = simd.max(results, v);
            debug_assert!(at.start + x + S::N <= output.len(), "a store out of bounds");
            // SAFETY: the output goes on for a vector after the last one, as the caller saw.
            unsafe { simd.store_bits(v, output.as_mut_ptr().wrapping_add(at.start + x)) }
            if at.start + x == at.end {
                break;
            }
            x += S::N;
        }
        simd.is_sure(all.get(), results)
    }

    /// Merges the columns of a vector of windows, and looks at what that may lose. A column that
    /// was the last of a window has been seen in its result.
    #[inline(always)]
    fn across<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        before: [S::Vector; STRIDE],
        columns: [S::Vector; STRIDE],
        seen: &mut S::Seen,
    ) -> S::Vector {
        let column = |j: usize| columns[j % STRIDE];
        let unzipped = const { !apart::<T, S, STRIDE>() };
        match (K, STRIDE) {
            (2, _) => {
                let merged = R::merge(simd, column(0), column(1));
                *seen = R::look(simd, *seen, column(0), merged);
                if unzipped { simd.in_order(merged) } else { merged }
            }
            (4, _) => {
                let left = R::merge(simd, column(0), column(1));
                let merged = R::merge(simd, left, R::merge(simd, column(2), column(3)));
                *seen = R::look(simd, *seen, column(0), column(2));
                *seen = R::look(simd, *seen, left, merged);
                merged
            }
            (_, 1) => {
                let [left, middle] =
                    [simd.slide::<2>(before[0], column(0)), simd.slide::<1>(before[0], column(0))];
                let merged = R::merge(simd, R::merge(simd, left, middle), column(0));
                *seen = R::look(simd, *seen, merged, merged);
                merged
            }
            (_, 2) => {
                let left = if unzipped {
                    simd.slide_unzipped(before[STRIDE - 1], column(1))
                } else {
                    simd.slide::<1>(before[STRIDE - 1], column(1))
                };
                let merged = R::merge(simd, R::merge(simd, left, column(0)), column(1));
                *seen = R::look(simd, *seen, column(0), merged);
                if unzipped { simd.in_order(merged) } else { merged }
            }
            _ => {
                let left = R::merge(simd, column(0), column(1));
                let merged = R::merge(simd, left, column(2));
                *seen = R::look(simd, *seen, column(0), left);
                *seen = R::look(simd, *seen, merged, merged);
                merged
            }
        }
    }

    /// How sums become averages in the first vector, in those between, and in the last.
    #[inline(always)]
    fn divides<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        run: &Run,
    ) -> [Divide<S::Vector>; 3] {
        if !R::DIVIDES {
            return [Divide::by::<T::Acc, S>(simd, 1, run.rounding); 3];
        }
        let counted = run.counted.max(1);
        if R::QUICK {
            return [R::divide(simd, run.divisor(self.by, K), run.rounding); 3];
        }
        if let Divisor::Constant(n) = self.by {
            return [Divide::by::<T::Acc, S>(simd, n, run.rounding); 3];
        }
        let lines = simd.splat(T::Acc::nearest(counted as i64));
        let mut divides = [Divide::by::<T::Acc, S>(simd, (counted * K) as i64, run.rounding); 3];
        let (end, by) = (self.width.output - 1, self.by);
        for (i, x) in [(0, 0), (2, end / S::N * S::N)] {
            // Of all windows, only the first and the last ones may lack columns.
            if self.width.count(x, by) < K || self.width.count((x + S::N).min(end), by) < K {
                // SAFETY: there are as many counts as the widest vector has lanes.
                let counts = unsafe { load_lanes(simd, &self.counts[i / 2], 0) };
                let by = simd.mul(lines, counts);
                divides[i] = Divide::by_lanes::<T::Acc, S>(simd, by, run.rounding);
            }
        }
        divides
    }
}

/// Splits consecutive columns into those that are `STRIDE` apart; of two, as `unzip` does, unless others come
/// apart as they are loaded.
#[inline(always)]
fn split<T: Element, S: Memory<T>, const STRIDE: usize>(
    simd: S,
    linear: [S::Vector; STRIDE],
) -> [S::Vector; STRIDE] {
    let v = |i: usize| linear[i % STRIDE];
    let split = match STRIDE {
        1 => [v(0); 4],
        2 => {
            let (even, odd) = if const { apart::<T, S, STRIDE>() } {
                simd.deinterleave(v(0), v(1))
            } else {
                simd.unzip(v(0), v(1))
            };
            [even, odd, even, odd]
        }
        3 => {
            let [a, b, c] = simd.deinterleave3(v(0), v(1), v(2));
            [a, b, c, a]
        }
        _ => simd.deinterleave4([v(0), v(1), v(2), v(3)]),
    };
    from_fn(|i| split[i])
}
