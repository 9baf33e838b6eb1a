//! Any windows of a few columns over single elements, where a row is two vectors at most: no matter where a window
//! starts, and whether it is as wide as the next, each of its columns is picked out of one of the two.
//!
//! Lines are merged down into the first columns of a row, a vector of them, and the last ones. The first columns of all
//! windows are then a permutation of these, the second ones another: for windows that begin a row of the first columns,
//! for the others of the last ones.

use crate::geometry::{Axis, Divisor, Geometry};
use crate::lines::{self, Columns, RowWalk, Run, octet};
use crate::number::{Element, Number};
use crate::reduction::{Again, Divide, Reduction};
use crate::simd::{ABSENT, Memory, TURNED, WIDEST, load, load_lanes, store_first};
use crate::walk::FastWalk;
use core::ops::Range;

/// Lanes of a vector at least: of fewer, most windows are in two.
const LEAST: usize = 8;

/// Whether this walk takes these windows.
pub(crate) fn fits<T: Element, S: Memory<T>>(geometry: &Geometry) -> bool {
    let [depth, height, width] = geometry.axes();
    S::PICKS
        && (LEAST..=TURNED).contains(&S::N)
        && size_of::<T::Acc>() == size_of::<f32>()
        && geometry.is_single()
        && (width.spread || width.stride > 2 && width.interior() == (0..width.output))
        && lines::fits(depth, height)
        && (2..=S::N).contains(&width.output)
        && (S::N..=2 * S::N).contains(&width.input)
        && matches!(longest(width), 3 | 4)
        && (begins(width, S::N)..width.output).all(|x| width.start(x) >= width.input - S::N)
}

/// The most taps of a window. Of windows that are spread, the others have as many or one less. A call: it has no use for vectors.
#[inline(never)]
fn longest(width: &Axis) -> usize {
    match width.spread {
        true => (0..width.output).map(|x| width.taps(x).end).max().unwrap_or(0),
        false => width.kernel,
    }
}

/// How many windows have none but the first `lanes` columns.
fn begins(width: &Axis, lanes: usize) -> usize {
    let last = |x: usize| width.start(x) + (width.taps(x).end - 1) * width.dilation;
    (0..width.output).take_while(|&x| last(x) < lanes).count()
}

/// Windows over narrow planes.
pub(crate) struct Picked;

impl FastWalk for Picked {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        match longest(&geometry.axes()[2]) {
            3 => reduce::<R, T, S, 3>(simd, geometry, rows, input, output),
            _ => reduce::<R, T, S, 4>(simd, geometry, rows, input, output),
        }
    }
}

/// Reduces windows of `TAPS` columns at most.
#[inline(always)]
fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const TAPS: usize>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) -> S::Seen {
    let row = Row::<T, TAPS>::new(geometry, input, S::N);
    lines::reduce::<R, T, S, _>(simd, geometry, rows, input, output, &row)
}

/// Rows of windows.
struct Row<'a, T: Element, const TAPS: usize> {
    width: &'a Axis,
    by: Divisor,
    input: &'a [T],
    /// How many windows have none but the first columns.
    begins: usize,
    /// Where each tap of a window is among the first columns or the last ones. Some windows lack the last tap: that is
    /// where the one before is, and absent.
    places: [[u32; TURNED]; TAPS],
    /// How many columns of each window count.
    counts: [T::Acc; WIDEST],
}

impl<'a, T: Element, const TAPS: usize> Row<'a, T, TAPS> {
    /// Lists the columns of all windows, for vectors of so many lanes. A call, too.
    #[inline(never)]
    fn new(geometry: &'a Geometry, input: &'a [T], lanes: usize) -> Self {
        let (width, by) = (&geometry.axes()[2], geometry.divisor());
        let begins = begins(width, lanes);
        let mut places = [[ABSENT; TURNED]; TAPS];
        let mut counts = [T::Acc::ZERO; WIDEST];
        for x in 0..width.output {
            let from = if x < begins { 0 } else { width.input - lanes };
            let (start, taps) = (width.start(x) - from, width.taps(x).end);
            for (tap, places) in places.iter_mut().enumerate() {
                let column = start + tap.min(taps - 1) * width.dilation;
                places[x] = column as u32 | if tap < taps { 0 } else { ABSENT };
            }
            counts[x] = T::Acc::nearest(width.count(x, by).max(1) as i64);
        }
        Self { width, by, input, begins, places, counts }
    }
}

impl<T: Element, const TAPS: usize> RowWalk<T> for Row<'_, T, TAPS> {
    const COLUMNS: [usize; 2] = [1, 1];

    const BATCHES: bool = true;

    const LINES: &'static [usize] = &[2, 3];

    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, S: Memory<T>, L: Columns<T>>(
        &self,
        simd: S,
        lines: &L,
        run: &Run,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let Axis { input, output: windows, .. } = *self.width;
        let identity = simd.splat(R::IDENTITY);
        let divide = match self.by {
            Divisor::Constant(n) => Divide::by::<T::Acc, S>(simd, n, run.rounding),
            _ => {
                // SAFETY: as many counts as the widest vector has lanes.
                let counts = unsafe { load_lanes(simd, &self.counts, 0) };
                let lines = simd.splat(T::Acc::nearest(run.counted.max(1) as i64));
                Divide::by_lanes::<T::Acc, S>(simd, simd.mul(lines, counts), run.rounding)
            }
        };
        // What a row writes too much is written later.
        let last = run.at + (run.rows - 1) * run.step;
        let room = S::N - windows <= run.after && last + S::N <= output.len();
        let room = if room { S::N } else { windows };
        let (mut shift, mut at) = (0usize, run.at);
        for _ in 0..run.rows {
            let columns = lines.merge::<R, S, 2>(
                simd,
                &mut seen,
                #[inline(always)]
                |line, i| {
                    let at = line.wrapping_add(shift).wrapping_add(i * (input - S::N));
                    // SAFETY: the first columns of a line, or the last ones.
                    unsafe { load(simd, self.input, at) }
                },
            );
            seen = R::look(simd, seen, columns[0], columns[1]);
            let mut picked = columns;
            for (picked, columns) in picked.iter_mut().zip(columns) {
                [*picked] = octet::<Again<R>, T::Acc, S, 1>(
                    simd,
                    &mut simd.unseen(),
                    [0, 1, TAPS],
                    #[inline(always)]
                    // Which tap comes twice does not matter where the order does not.
                    |tap, _| match R::ORDERED && tap + 1 == TAPS {
                        true => simd.pick_or(columns, &self.places[tap], identity),
                        false => simd.pick(columns, &self.places[tap]),
                    },
                );
            }
            let merged = simd.keep(picked[0], 0..self.begins, picked[1]);
            let v = R::finish(simd, merged, divide);
            // SAFETY: no more elements than the row has, or the output has left.
            unsafe { store_first(simd, v, output, at, room) }
            shift = shift.wrapping_add(run.advance);
            at += run.step;
        }
        seen
    }
}
