//! Windows over single elements of a row: `out[x] = reduce(row[x * stride + j * dilation])`.
//!
//! A piece of a row is first merged down its columns, whole vectors at a time, into a scratch buffer
//! that holds every `stride`-th column together (a *phase*). There a tap of neighbouring windows is
//! a run of neighbours, as in [`down`](crate::down). Columns outside the input are the identity, so
//! that windows at the edges are like all others.

use crate::fold::fold;
use crate::order::{Step, Taps, merges_after};
use crate::reduction::{Again, Divide, Element, Reduction};
use crate::simd::{Lanes, load, load_first, store, store_first};
use crate::{Axis, Divisor, Geometry};
use core::ops::Range;

/// Elements of the scratch buffer: with f32, half of a first-level cache of 32 KiB.
const SCRATCH: usize = 4096;

/// Lanes of the widest vector there is: 64 bytes of bytes.
const WIDEST: usize = 64;

/// Windows that a piece of a row has at most.
const PIECE: usize = 512;

/// Taps whose places are computed once and not at every use.
const LISTED: usize = 64;

/// Buffers, made outside of vector code, where filling them would be a call.
pub(crate) struct Scratch<T> {
    columns: [T; SCRATCH],
    counts: [T; PIECE],
}

impl<T: Element> Scratch<T> {
    pub(crate) fn new() -> Self {
        Self { columns: [T::zeroed(); SCRATCH], counts: [T::zeroed(); PIECE] }
    }
}

/// Whether windows along `width` fit the scratch buffer.
pub(crate) fn fits(width: &Axis) -> bool {
    let phase = (width.span() / width.stride).saturating_add(2 * WIDEST);
    phase.checked_mul(width.stride).is_some_and(|len| len <= SCRATCH)
}

/// Reduces the windows of output rows `rows`.
#[inline(always)]
pub(crate) fn across<R: Reduction<T>, T: Element, S: Lanes<T>>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
    Scratch { columns: scratch, counts }: &mut Scratch<T>,
) {
    let [depth, height, width] = *geometry.axes();
    let strides = geometry.tap_strides();
    let phase = SCRATCH / width.stride;
    // A last vector may begin at the last window.
    let piece = PIECE.min(phase - width.span() / width.stride - WIDEST);
    let place = |j: usize| {
        let column = j * width.dilation;
        let offset = column % width.stride * phase + column / width.stride;
        Step { offset, merges: merges_after(j, &(0..width.kernel)) }
    };
    let mut list = [Step::default(); LISTED];
    for (j, step) in list.iter_mut().enumerate().take(width.kernel) {
        *step = place(j);
    }
    for x in (0..width.output).step_by(piece) {
        let windows = piece.min(width.output - x);
        for (i, count) in counts[..windows].iter_mut().enumerate() {
            *count = T::nearest(width.count(x + i, geometry.divisor()).max(1) as i64);
        }
        for (row, output) in rows.clone().zip(output.chunks_exact_mut(width.output)) {
            let (plane, z, y) = geometry.position(row);
            let taps = Taps::new([0..1, depth.taps(z), height.taps(y)], strides);
            let origin = geometry.origin(plane, z, y);
            let columns =
                Columns { first: width.start(x), len: (windows - 1) * width.stride + width.span() };
            columns.merge::<R, T, S>(simd, &width, taps, input, origin, scratch, phase);

            let rows = depth.count(z, geometry.divisor()) * height.count(y, geometry.divisor());
            let divide = match geometry.divisor() {
                Divisor::Constant(n) => Divide::by::<T, S>(simd, n),
                _ => Divide::By(simd.splat(T::nearest(rows.max(1) as i64))),
            };
            let by_columns = !matches!(geometry.divisor(), Divisor::Constant(_));
            let counts = by_columns.then_some(&*counts);
            let finish = Finish { divide, counts };
            let output = &mut output[x..][..windows];
            if width.kernel <= LISTED {
                let taps = list[..width.kernel].iter().copied();
                reduce_row::<R, T, S>(simd, taps, scratch, &finish, output);
            } else {
                reduce_row::<R, T, S>(simd, (0..width.kernel).map(place), scratch, &finish, output);
            }
        }
    }
}

/// The columns that a piece of a row needs.
struct Columns {
    /// The first one; before the input, the value wraps.
    first: usize,
    len: usize,
}

impl Columns {
    /// Merges each column down its `taps` into its place in the scratch buffer.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "nothing of it belongs together")]
    fn merge<R: Reduction<T>, T: Element, S: Lanes<T>>(
        &self,
        simd: S,
        width: &Axis,
        taps: impl Iterator<Item = Step> + Clone,
        input: &[T],
        origin: usize,
        scratch: &mut [T; SCRATCH],
        phase: usize,
    ) {
        let stride = width.stride;
        // Columns before and after the input, in columns of this piece.
        let before =
            if self.first > width.input { self.first.wrapping_neg().min(self.len) } else { 0 };
        let inside = width.input.saturating_sub(self.first.wrapping_add(before));
        let end = if before == self.len { before } else { (before + inside).min(self.len) };
        let origin = origin.wrapping_add(self.first);
        let merge = |i: usize, n: usize| {
            let [v] = fold::<R, T, S, 1>(simd, taps.clone(), |offset, _| {
                let at = origin.wrapping_add(offset).wrapping_add(i);
                // SAFETY: `n` columns from `i` on are inside the input, which has the length the
                // geometry says.
                unsafe { load_first(simd, input, at, n) }
            });
            v
        };
        let mut i = before;
        match stride {
            1 => {
                while i + S::N <= end {
                    let v = merge(i, S::N);
                    // SAFETY: a piece is chosen such that its columns fit the buffer.
                    unsafe { store(simd, v, scratch, i) }
                    i += S::N;
                }
                if i < end {
                    let v = merge(i, end - i);
                    // SAFETY: as above.
                    unsafe { store_first(simd, v, scratch, i, end - i) }
                }
            }
            2 => {
                while i < end {
                    let left = end - i;
                    let lo = merge(i, left.min(S::N));
                    let hi =
                        if left > S::N { merge(i + S::N, (left - S::N).min(S::N)) } else { lo };
                    let (even, odd) = simd.deinterleave(lo, hi);
                    // Of a last vector that is not full, what has no column lands behind the
                    // last one of its phase, where nothing is read that counts.
                    let (first, second) =
                        (i % 2 * phase + i / 2, (i + 1) % 2 * phase + i.div_ceil(2));
                    // SAFETY: a phase has room for a vector behind its last column.
                    unsafe { store(simd, even, scratch, first) }
                    // SAFETY: as above.
                    unsafe { store(simd, odd, scratch, second) }
                    i += 2 * S::N;
                }
            }
            _ => {
                let mut lanes = [R::IDENTITY; WIDEST];
                let (mut residue, mut quotient) = (i % stride, i / stride);
                while i < end {
                    let n = S::N.min(end - i);
                    let v = merge(i, n);
                    // SAFETY: `lanes` holds the widest vector.
                    unsafe { store(simd, v, &mut lanes, 0) }
                    for &lane in &lanes[..n] {
                        scratch[residue * phase + quotient] = lane;
                        residue += 1;
                        if residue == stride {
                            (residue, quotient) = (0, quotient + 1);
                        }
                    }
                    i += n;
                }
            }
        }
        // Last, since what lies behind the last full vector may have been overwritten.
        for i in (0..before).chain(end..self.len) {
            scratch[i % stride * phase + i / stride] = R::IDENTITY;
        }
    }
}

/// How the results of a row become averages.
struct Finish<'a, T, V> {
    divide: Divide<V>,
    /// The counts of each column, by which the divisor is to be multiplied.
    counts: Option<&'a [T; PIECE]>,
}

/// Reduces columns already merged to a piece of an output row.
#[inline(always)]
fn reduce_row<R: Reduction<T>, T: Element, S: Lanes<T>>(
    simd: S,
    taps: impl Iterator<Item = Step> + Clone,
    scratch: &[T; SCRATCH],
    finish: &Finish<'_, T, S::Vector>,
    output: &mut [T],
) {
    let len = output.len();
    for x in (0..len).step_by(S::N) {
        let [merged] = fold::<Again<R>, T, S, 1>(simd, taps.clone(), |offset, _| {
            // SAFETY: a phase has room for a vector from the last window on.
            unsafe { load(simd, scratch, offset + x) }
        });
        let divide = match (finish.divide, finish.counts) {
            (Divide::By(rows), Some(counts)) => {
                // SAFETY: a piece has no more windows than counts, and those have a multiple of
                // the widest vector.
                let columns = unsafe { load(simd, counts, x) };
                Divide::By(simd.mul(rows, columns))
            }
            (divide, _) => divide,
        };
        let v = R::finish(simd, merged, divide);
        // SAFETY: no more elements than the row has left.
        unsafe { store_first(simd, v, output, x, S::N.min(len - x)) }
    }
}
