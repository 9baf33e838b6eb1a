//! Small windows over pixels of several elements each: two columns one or two apart, or three columns
//! one or two apart.
//!
//! A row is walked pixel by pixel for a few vectors of channels at a time. Each column is merged down
//! once and carried in registers to the windows that share it.

use crate::lines::{self, Columns, RowWalk, Run, reduce};
use crate::number::Element;
use crate::reduction::{Divide, Reduction, look_at};
use crate::simd::{Memory, load_first, load_of_two, store_first, store_twos};
use crate::walk::FastWalk;
use crate::{Axis, Geometry};
use core::ops::Range;

/// Vectors of channels that are walked along a row together.
const B: usize = 4;

/// The same, of vectors so long that few tensors have channels for four.
const FEW: usize = 2;

/// Whether vectors are so long, or elements so short that so many would not fit the registers.
const fn few<T: Element, S: Memory<T>>() -> bool {
    S::N >= 32 || S::APART && size_of::<T>() == 1
}

/// Whether this walk takes these windows: those that share enough columns of several lines.
pub(crate) fn fits(axes: &[Axis; 3]) -> bool {
    let [depth, height, width] = axes;
    matches!((width.kernel, width.stride), (2, 1) | (3, 1 | 2))
        && width.dilation == 1
        && width.output > 5
        && depth.kernel.saturating_mul(height.kernel) > 1
        && lines::fits(depth, height)
}

/// Whether this walk takes windows that share nothing: two by two, of so few taps that going through a
/// list of them takes as long as merging them.
pub(crate) fn fits_apart(axes: &[Axis; 3]) -> bool {
    let [depth, height, width] = axes;
    (depth.kernel, height.kernel) == (1, 2)
        && (width.kernel, width.stride, width.dilation) == (2, 2, 1)
        && width.output > 5
        && axes.iter().all(|axis| !axis.spread)
}

/// Windows of `K` columns, `STRIDE` apart.
pub(crate) struct Pixels<const K: usize, const STRIDE: usize>;

impl<const K: usize, const STRIDE: usize> FastWalk for Pixels<K, STRIDE> {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let row = Row::<T, K, STRIDE> { geometry, input };
        reduce::<R, T, S, _>(simd, geometry, rows, output, &row)
    }
}

/// Rows of windows of `K` columns, `STRIDE` apart.
struct Row<'a, T, const K: usize, const STRIDE: usize> {
    geometry: &'a Geometry,
    input: &'a [T],
}

impl<T: Element, const K: usize, const STRIDE: usize> RowWalk<T> for Row<'_, T, K, STRIDE> {
    const LINES: &'static [usize] = if K == 2 && STRIDE == 1 { &[2, 4] } else { &[K] };

    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        run: &Run,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let inner = self.geometry.inner();
        let mut part = Part { run, shift: 0, at: run.at, channels: 0..0 };
        for _ in 0..run.rows {
            let mut c = 0;
            while const { !few::<T, S>() } && c + B * S::N <= inner {
                part.channels = c..c + S::N;
                seen = self.along::<R, S, B>(simd, lines, &part, output, seen);
                c += B * S::N;
            }
            while const { few::<T, S>() } && c + FEW * S::N <= inner {
                part.channels = c..c + S::N;
                seen = self.along::<R, S, FEW>(simd, lines, &part, output, seen);
                c += FEW * S::N;
            }
            while c < inner {
                // The last vector is flush with the last channel, where there is room.
                let start = c.min(inner.saturating_sub(S::N));
                part.channels = start..inner.min(start + S::N);
                seen = self.along::<R, S, 1>(simd, lines, &part, output, seen);
                c += S::N;
            }
            part.shift = part.shift.wrapping_add(run.advance);
            part.at += self.geometry.row_len();
        }
        seen
    }
}

/// What of a row is reduced at a time.
struct Part<'a> {
    run: &'a Run,
    /// Elements of the input from the lines of the first row of a run to those of this one.
    shift: usize,
    /// Where the row starts in the output.
    at: usize,
    /// The channels in the first vector.
    channels: Range<usize>,
}

impl<T: Element, const K: usize, const STRIDE: usize> Row<'_, T, K, STRIDE> {
    /// Reduces all windows of a row for the channels of `part`, and for as many in each of `V - 1`
    /// vectors after them.
    #[inline(always)]
    fn along<R: Reduction<T::Acc>, S: Memory<T>, const V: usize>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        part: &Part<'_>,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let (width, by) = (&self.geometry.axes()[2], self.geometry.divisor());
        let inner = self.geometry.inner();
        // Only one that is alone may have fewer channels than lanes.
        let n = if V > 1 { S::N } else { part.channels.len() };
        let whole = Divide::by::<T::Acc, S>(simd, part.run.divisor(by, K), part.run.rounding);
        // Columns of a window that the one before it has as well.
        let mut carried = [[simd.splat(R::IDENTITY); V]; 2];
        for (j, carried) in carried.iter_mut().enumerate().take(K - STRIDE) {
            let column = j.wrapping_sub(width.pad_begin);
            *carried = self.column::<R, S, V>(simd, lines, part, column, &mut seen);
            seen = look_at::<R, T::Acc, S, V>(simd, seen, carried);
        }
        let mut to = part.at + part.channels.start;
        // The column after those carried; before the input, it wraps.
        let mut column = (K - STRIDE).wrapping_sub(width.pad_begin);
        let interior = width.interior();
        let mut x = 0;
        while x < width.output {
            let inside = interior.contains(&x);
            let mut divide = whole;
            if R::DIVIDES && !inside {
                divide = Divide::by::<T::Acc, S>(
                    simd,
                    part.run.divisor(by, width.count(x, by)),
                    part.run.rounding,
                );
            }
            // The others are divided alike.
            let end = if inside { interior.end } else { x + 1 };
            while x < end {
                let mut new = [[simd.splat(R::IDENTITY); V]; 2];
                for (j, new) in new.iter_mut().enumerate().take(STRIDE) {
                    let column = column.wrapping_add(j);
                    *new = self.column::<R, S, V>(simd, lines, part, column, &mut seen);
                }
                let merged = across::<R, T, S, K, STRIDE, V>(simd, &mut carried, new, &mut seen);
                let mut finished = merged;
                for v in &mut finished {
                    *v = R::finish(simd, *v, divide);
                }
                if const { S::APART && V.is_multiple_of(2) } {
                    // SAFETY: `V` vectors of channels.
                    unsafe { store_twos(simd, &finished, output, to) }
                } else {
                    for (i, v) in finished.into_iter().enumerate() {
                        let at = to + i * S::N;
                        // What a vector of few channels writes too much is the next pixel, which
                        // comes after it.
                        let all = n == S::N || at + S::N <= output.len() && inner == n;
                        let n = if all { S::N } else { n };
                        // SAFETY: `n` channels of a pixel, or as many as the output has.
                        unsafe { store_first(simd, v, output, at, n) }
                    }
                }
                to += inner;
                column = column.wrapping_add(STRIDE);
                x += 1;
            }
        }
        seen
    }

    /// Merges a column of the input down the lines; if there is no such column, the identity.
    #[inline(always)]
    fn column<R: Reduction<T::Acc>, S: Memory<T>, const V: usize>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        part: &Part<'_>,
        column: usize,
        seen: &mut S::Seen,
    ) -> [S::Vector; V] {
        // Asked of each, since a second loop for those that are there would be as much code again.
        if column >= self.geometry.axes()[2].input {
            return [simd.splat(R::IDENTITY); V];
        }
        let pixel = column * self.geometry.strides().width;
        let offset = part.shift.wrapping_add(pixel + part.channels.start);
        let n = if V > 1 { S::N } else { part.channels.len() };
        let all = n == S::N || lines.last().wrapping_add(offset) + S::N <= self.input.len();
        let n = if all { S::N } else { n };
        lines.merge::<R, S, V>(
            simd,
            seen,
            #[inline(always)]
            |line, i| {
                if const { S::APART && V.is_multiple_of(2) } {
                    // SAFETY: channels of a pixel, as many as `V` vectors have.
                    return unsafe { load_of_two(simd, self.input, line.wrapping_add(offset), i) };
                }
                let at = line.wrapping_add(offset).wrapping_add(i * S::N);
                // SAFETY: channels of a pixel, or as many elements as the input has after its last line.
                unsafe { load_first(simd, self.input, at, n) }
            },
        )
    }
}

/// Merges the columns carried and the new ones, and carries on those that the next window has as well.
#[inline(always)]
fn across<
    R: Reduction<T::Acc>,
    T: Element,
    S: Memory<T>,
    const K: usize,
    const STRIDE: usize,
    const V: usize,
>(
    simd: S,
    carried: &mut [[S::Vector; V]; 2],
    [a, b]: [[S::Vector; V]; 2],
    seen: &mut S::Seen,
) -> [S::Vector; V] {
    let merged = match (K, STRIDE) {
        (2, 2) => {
            *seen = look_at::<R, T::Acc, S, V>(simd, *seen, &a);
            merge::<R, T, S, V>(simd, a, b)
        }
        (2, _) => {
            let merged = merge::<R, T, S, V>(simd, carried[0], a);
            carried[0] = a;
            merged
        }
        (_, 1) => {
            let left = merge::<R, T, S, V>(simd, carried[0], carried[1]);
            *carried = [carried[1], a];
            merge::<R, T, S, V>(simd, left, a)
        }
        _ => {
            *seen = look_at::<R, T::Acc, S, V>(simd, *seen, &a);
            let left = merge::<R, T, S, V>(simd, carried[0], a);
            carried[0] = b;
            merge::<R, T, S, V>(simd, left, b)
        }
    };
    *seen = look_at::<R, T::Acc, S, V>(simd, *seen, &merged);
    merged
}

/// Merges vectors of two columns.
#[inline(always)]
fn merge<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const V: usize>(
    simd: S,
    a: [S::Vector; V],
    b: [S::Vector; V],
) -> [S::Vector; V] {
    let mut merged = a;
    for (merged, b) in merged.iter_mut().zip(b) {
        *merged = R::merge(simd, *merged, b);
    }
    merged
}
