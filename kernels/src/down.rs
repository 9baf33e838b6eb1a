//! Windows over runs of neighbours that are pooled alike: `out[i] = reduce(row_t[i] for taps t)`.
//!
//! A run is the channels of a pixel (channels last), or all of a row where windows are one apart.

use crate::ahead::{HUGE, fetch, is_far};
use crate::fold::fold;
use crate::number::Element;
use crate::order::{List, Steps, Taps};
use crate::reduction::{Divide, Reduction};
use crate::simd::{Memory, load_first, load_of_two, store_first, store_twos};
use crate::walk::FastWalk;
use crate::{Axis, Geometry};
use core::ops::Range;

/// Vectors that are reduced at a time where there are fewer than [`WIDE`], and where there are fewer than those: to go
/// through the taps takes longer than to merge a vector of each.
const HALF: usize = 4;
const PAIR: usize = 2;

/// Vectors that are reduced at a time: more do not fit the registers, and fewer take less of each line of
/// the caches than is fetched, where taps are a page or more apart.
pub(crate) const WIDE: usize = 8;

/// How many bytes before they are needed lines are fetched, of which several are read side by side.
const AHEAD: usize = 4096;

/// Taps of a line of single elements at most.
const TAPS: usize = 8;

/// Runs of neighbours, by reductions that may miss something.
pub(crate) struct Down;

impl FastWalk for Down {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        down::<R, T, S, WIDE>(simd, geometry, rows, input, output)
    }
}

/// Whether single elements are such runs: under few taps of a line, since each is loaded for each window.
pub(crate) fn fits_line([depth, height, width]: &[Axis; 3]) -> bool {
    (depth.kernel, height.kernel, width.stride) == (1, 1, 1) && width.kernel <= TAPS
}

/// Reduces the windows of output rows `rows`, `B` vectors at a time.
#[inline(always)]
pub(crate) fn down<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const B: usize>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) -> S::Seen {
    let mut seen = simd.unseen();
    let [depth, height, width] = *geometry.axes();
    let (inner, pixel) = (geometry.inner(), geometry.strides().width);
    let strides = geometry.tap_strides();
    let interior = width.interior();
    // What windows share is there when the next one asks for it.
    let far = height.kernel > 1
        && is_far(simd, input, HUGE)
        && [depth, height, width].iter().all(|axis| axis.stride >= axis.kernel);
    for (i, row) in rows.enumerate() {
        let (plane, z, y) = geometry.position(row);
        let (ds, hs) = (depth.taps(z), height.taps(y));
        let origin = geometry.origin(plane, z, y);
        let mut x = 0;
        while x < width.output {
            // All windows of the interior have the same taps, so they are one run.
            let count = if interior.contains(&x) { interior.end - x } else { 1 };
            let ([wide, deep, high], ws) = (strides, width.taps(x));
            let taps = if R::ORDERED {
                Taps::new([ws, ds.clone(), hs.clone()], strides)
            } else {
                // As they lie in memory.
                Taps::unordered([ds.clone(), hs.clone(), ws], [deep, high, wide])
            };
            let divisor = geometry.divide_by([z, y, x]);
            let stride = width.stride.wrapping_mul(pixel);
            let seamless = stride == inner;
            let windows = Windows {
                origin: origin.wrapping_add(width.start(x).wrapping_mul(pixel)),
                stride,
                reach: taps.last_offset().unwrap_or(0),
                to: i * geometry.row_len() + x * inner,
                runs: if seamless { 1 } else { count },
                len: if seamless { count * inner } else { inner },
                divide: Divide::by::<T::Acc, S>(simd, divisor, geometry.rounding()),
                far,
            };
            let mut list = List::new();
            let mut taps = Steps::new(taps, &mut list);
            seen = windows.reduce::<R, T, S, B>(simd, &mut taps, input, output, seen);
            x += count;
        }
    }
    seen
}

/// Neighbouring windows with the same taps, in runs that are as far apart.
struct Windows<V> {
    /// Where the first one starts.
    origin: usize,
    /// Elements from a run to the next.
    stride: usize,
    /// Elements from the start of a window to its last tap.
    reach: usize,
    /// Where the first one goes.
    to: usize,
    runs: usize,
    /// Elements of a run.
    len: usize,
    divide: Divide<V>,
    /// Whether it pays to fetch taps before they are needed.
    far: bool,
}

impl<V: Copy> Windows<V> {
    /// Reduces all of them, a few vectors at a time.
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T, Vector = V>, const B: usize>(
        &self,
        simd: S,
        taps: &mut Steps<'_>,
        input: &[T],
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let (mut from, mut to, len) = (self.origin, self.to, self.len);
        for _ in 0..self.runs {
            let mut i = 0;
            while const { B > 1 } && i + B * S::N <= len {
                let at = (from.wrapping_add(i), to + i, S::N);
                self.reduce_vectors::<R, T, S, B>(simd, taps, input, output, at, &mut seen);
                i += B * S::N;
            }
            while const { B > HALF } && i + HALF * S::N <= len {
                let at = (from.wrapping_add(i), to + i, S::N);
                self.reduce_vectors::<R, T, S, HALF>(simd, taps, input, output, at, &mut seen);
                i += HALF * S::N;
            }
            while const { B > PAIR } && i + PAIR * S::N <= len {
                let at = (from.wrapping_add(i), to + i, S::N);
                self.reduce_vectors::<R, T, S, PAIR>(simd, taps, input, output, at, &mut seen);
                i += PAIR * S::N;
            }
            while const { B > 1 } && i + S::N <= len {
                let at = (from.wrapping_add(i), to + i, S::N);
                self.reduce_vectors::<R, T, S, 1>(simd, taps, input, output, at, &mut seen);
                i += S::N;
            }
            while i < len {
                // The last vector is flush with the end, where there is room: reducing a window
                // twice is cheaper than masks. So is, of a run shorter than a vector, to read what
                // comes after it, and to write what is written after it.
                let start = i.min(len.saturating_sub(S::N));
                let (from, to) = (from.wrapping_add(start), to + start);
                let end = from.wrapping_add(self.reach).wrapping_add(S::N);
                let room = end <= input.len() && to + S::N <= output.len();
                let at = (from, to, if room { S::N } else { len.min(S::N) });
                self.reduce_vectors::<R, T, S, 1>(simd, taps, input, output, at, &mut seen);
                i += S::N;
            }
            from = from.wrapping_add(self.stride);
            to += len;
        }
        seen
    }

    /// Reduces `B` vectors, given where they start in the input and in the output, and how many
    /// elements of each are there.
    #[inline(always)]
    fn reduce_vectors<
        R: Reduction<T::Acc>,
        T: Element,
        S: Memory<T, Vector = V>,
        const B: usize,
    >(
        &self,
        simd: S,
        taps: &mut Steps<'_>,
        input: &[T],
        output: &mut [T],
        (from, to, n): (usize, usize, usize),
        seen: &mut S::Seen,
    ) {
        let apart = const { S::APART && B.is_multiple_of(2) };
        let mut before = simd.splat(R::IDENTITY);
        let merged = fold::<R, T::Acc, S, B>(
            simd,
            taps.again(),
            #[inline(always)]
            |offset, b| {
                if const { S::FETCHES && B > 1 } && self.far {
                    let later = from.wrapping_add(offset).wrapping_add(AHEAD / size_of::<T>());
                    fetch(simd, input, later, [b, S::N]);
                }
                if apart {
                    // SAFETY: `Taps` are inside the input, and so are `B` vectors.
                    return unsafe { load_of_two(simd, input, from.wrapping_add(offset), b) };
                }
                let at = from.wrapping_add(offset).wrapping_add(b * S::N);
                // SAFETY: `Taps` are inside the input, which has the length the geometry says.
                let v = unsafe { load_first(simd, input, at, n) };
                // Two at a time.
                if b % 2 == 1 || B == 1 {
                    *seen = R::look(simd, *seen, if B == 1 { v } else { before }, v);
                }
                before = v;
                v
            },
        );
        if apart {
            let mut finished = merged;
            for b in 0..B {
                finished[b] = R::finish(simd, finished[b], self.divide);
            }
            // SAFETY: the caller saw that `B` vectors are inside `output`.
            unsafe { store_twos(simd, &finished, output, to) }
            return;
        }
        for b in 0..B {
            let v = R::finish(simd, merged[b], self.divide);
            // SAFETY: the caller saw that `B` vectors are inside `output`.
            unsafe { store_first(simd, v, output, to + b * S::N, n) }
        }
    }
}
