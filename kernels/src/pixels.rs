//! Small overlapping windows over pixels of several elements each: two columns one apart, or three
//! columns one or two apart.
//!
//! A row is walked pixel by pixel for a few vectors of channels at a time. Each column is merged down
//! once and carried in registers to the windows that share it.

use crate::lines::{Columns, RowWalk, reduce};
use crate::reduction::{Divide, Element, Reduction};
use crate::simd::{Lanes, load_first, store_first};
use crate::walk::FastWalk;
use crate::{Axis, Divisor, Geometry};
use core::array::from_fn;
use core::ops::Range;

/// Vectors of channels that are walked along a row together.
const B: usize = 2;

/// Whether this walk takes windows along `width`.
pub(crate) fn fits(width: &Axis) -> bool {
    matches!((width.kernel, width.stride), (2, 1) | (3, 1 | 2)) && width.dilation == 1
}

/// Windows of `K` columns, `STRIDE` apart.
pub(crate) struct Pixels<const K: usize, const STRIDE: usize>;

impl<const K: usize, const STRIDE: usize> FastWalk for Pixels<K, STRIDE> {
    #[inline(always)]
    fn reduce<R: Reduction<T>, T: Element, S: Lanes<T>>(
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
    const FEWEST: usize = K;

    #[inline(always)]
    fn reduce<R: Reduction<T>, S: Lanes<T>>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        counted: usize,
        at: usize,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let inner = self.geometry.inner();
        let mut c = 0;
        while c + B * S::N <= inner {
            let channels = c..c + S::N;
            seen = self.along::<R, S, B>(simd, lines, counted, channels, at, output, seen);
            c += B * S::N;
        }
        while c < inner {
            // The last vector is flush with the last channel, where there is room.
            let start = c.min(inner.saturating_sub(S::N));
            let channels = start..inner.min(start + S::N);
            seen = self.along::<R, S, 1>(simd, lines, counted, channels, at, output, seen);
            c += S::N;
        }
        seen
    }
}

impl<T: Element, const K: usize, const STRIDE: usize> Row<'_, T, K, STRIDE> {
    /// Reduces all windows of a row for `channels`, and for as many in each of `V - 1` vectors
    /// after them.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "all of them differ from call to call")]
    fn along<R: Reduction<T>, S: Lanes<T>, const V: usize>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        counted: usize,
        channels: Range<usize>,
        at: usize,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let (width, by) = (&self.geometry.axes()[2], self.geometry.divisor());
        let (inner, n) = (self.geometry.inner(), channels.len());
        let whole = match by {
            Divisor::Constant(n) => Divide::by::<T, S>(simd, n),
            _ => Divide::by::<T, S>(simd, (counted * K).max(1) as i64),
        };
        let interior = width.interior();
        // Columns of a window that the one before it has as well.
        let mut carried = [[simd.splat(R::IDENTITY); V]; 2];
        for (j, carried) in carried.iter_mut().enumerate().take(K - STRIDE) {
            *carried = self.column::<R, S, V>(simd, lines, j, &channels, &mut seen);
            for v in *carried {
                seen = R::look(simd, seen, v, v);
            }
        }
        for x in 0..width.output {
            let first = x * STRIDE + K - STRIDE;
            let a = self.column::<R, S, V>(simd, lines, first, &channels, &mut seen);
            let merged = match (K, STRIDE) {
                (2, _) => {
                    let merged = merge::<R, T, S, V>(simd, carried[0], a);
                    carried[0] = a;
                    merged
                }
                (_, 1) => {
                    let left = merge::<R, T, S, V>(simd, carried[0], carried[1]);
                    carried = [carried[1], a];
                    merge::<R, T, S, V>(simd, left, a)
                }
                _ => {
                    let b = self.column::<R, S, V>(simd, lines, first + 1, &channels, &mut seen);
                    seen = R::look(simd, seen, a[0], a[V - 1]);
                    let left = merge::<R, T, S, V>(simd, carried[0], a);
                    carried[0] = b;
                    merge::<R, T, S, V>(simd, left, b)
                }
            };
            seen = R::look(simd, seen, merged[0], merged[V - 1]);
            let divide = match by {
                Divisor::Present | Divisor::Padded if !interior.contains(&x) => {
                    Divide::by::<T, S>(simd, (counted * width.count(x, by)).max(1) as i64)
                }
                _ => whole,
            };
            for (i, v) in merged.into_iter().enumerate() {
                let v = R::finish(simd, v, divide);
                let at = at + x * inner + channels.start + i * S::N;
                // What a vector of few channels writes too much is the next pixel, which comes
                // after it.
                let room = if at + S::N <= output.len() && inner == n { S::N } else { n };
                // SAFETY: `n` channels of a pixel, or as many as the output has.
                unsafe { store_first(simd, v, output, at, room) }
            }
        }
        seen
    }

    /// Merges a column, counted from the first one of the first window, down the lines.
    #[inline(always)]
    fn column<R: Reduction<T>, S: Lanes<T>, const V: usize>(
        &self,
        simd: S,
        lines: &impl Columns<T>,
        column: usize,
        channels: &Range<usize>,
        seen: &mut S::Seen,
    ) -> [S::Vector; V] {
        let width = &self.geometry.axes()[2];
        let column = column.wrapping_sub(width.pad_begin);
        if column >= width.input {
            return [simd.splat(R::IDENTITY); V];
        }
        let offset = column * self.geometry.inner() + channels.start;
        let all = lines.last() + offset + S::N <= self.input.len();
        let n = if all { S::N } else { channels.len() };
        lines.merge::<R, S, V>(simd, seen, |line, i| {
            // SAFETY: channels of a pixel, or as many elements as the input has after its last line.
            unsafe { load_first(simd, self.input, line + offset + i * S::N, n) }
        })
    }
}

/// Merges vectors of two columns.
#[inline(always)]
fn merge<R: Reduction<T>, T: Element, S: Lanes<T>, const V: usize>(
    simd: S,
    a: [S::Vector; V],
    b: [S::Vector; V],
) -> [S::Vector; V] {
    from_fn(|i| R::merge(simd, a[i], b[i]))
}
