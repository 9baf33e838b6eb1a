//! Windows over runs of neighbours that are pooled alike: `out[i] = reduce(row_t[i] for taps t)`.
//!
//! A run is the channels of a pixel (channels last), or all of a row where windows are one apart.

use crate::Geometry;
use crate::fold::fold;
use crate::order::{Step, Taps};
use crate::reduction::{Divide, Element, Reduction};
use crate::simd::{Lanes, load_first, store_first};
use core::ops::Range;

/// Windows with up to so many taps have them listed; for larger ones, computing the taps costs
/// nothing beside loading them.
const LISTED: usize = 64;

/// Reduces the windows of output rows `rows`.
#[inline(always)]
pub(crate) fn down<R: Reduction<T>, T: Element, S: Lanes<T>>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let [depth, height, width] = *geometry.axes();
    let inner = geometry.inner();
    let strides = geometry.tap_strides();
    let interior = width.interior();
    for (row, output) in rows.zip(output.chunks_exact_mut(geometry.row_len())) {
        let (plane, z, y) = geometry.position(row);
        let (ds, hs) = (depth.taps(z), height.taps(y));
        let origin = geometry.origin(plane, z, y);
        let mut x = 0;
        while x < width.output {
            // All windows of the interior have the same taps, so they are one run.
            let count = if interior.contains(&x) { interior.end - x } else { 1 };
            let taps = Taps::new([width.taps(x), ds.clone(), hs.clone()], strides);
            let divisor = geometry.divide_by([(depth, z), (height, y), (width, x)]);
            let windows = Windows {
                origin: origin.wrapping_add(width.start(x).wrapping_mul(inner)),
                stride: width.stride.wrapping_mul(inner),
                inner,
                divide: Divide::by::<T, S>(simd, divisor),
            };
            let output = &mut output[x * inner..][..count * inner];
            if taps.len() <= LISTED {
                let mut list = [Step::default(); LISTED];
                let mut len = 0;
                for step in taps {
                    list[len] = step;
                    len += 1;
                }
                windows.reduce::<R, T>(simd, list[..len].iter().copied(), input, output);
            } else {
                windows.reduce::<R, T>(simd, taps, input, output);
            }
            x += count;
        }
    }
}

/// Neighbouring windows with the same taps.
struct Windows<V> {
    /// Where the first one starts.
    origin: usize,
    /// Elements from one to the next.
    stride: usize,
    inner: usize,
    divide: Divide<V>,
}

impl<V: Copy> Windows<V> {
    #[inline(always)]
    fn reduce<R: Reduction<T>, T: Element>(
        &self,
        simd: impl Lanes<T, Vector = V>,
        taps: impl Iterator<Item = Step> + Clone,
        input: &[T],
        output: &mut [T],
    ) {
        let len = if self.stride == self.inner { output.len() } else { self.inner };
        for (i, output) in output.chunks_exact_mut(len).enumerate() {
            let origin = self.origin.wrapping_add(i.wrapping_mul(self.stride));
            self.reduce_run::<R, T, _>(simd, taps.clone(), input, origin, output);
        }
    }

    /// Reduces one run, a few vectors at a time.
    #[inline(always)]
    fn reduce_run<R: Reduction<T>, T: Element, S: Lanes<T, Vector = V>>(
        &self,
        simd: S,
        taps: impl Iterator<Item = Step> + Clone,
        input: &[T],
        origin: usize,
        output: &mut [T],
    ) {
        const B: usize = 4;
        let len = output.len();
        let mut i = 0;
        while i + B * S::N <= len {
            self.reduce_vectors::<R, T, S, B>(simd, taps.clone(), input, origin, output, i, S::N);
            i += B * S::N;
        }
        while i + S::N <= len {
            self.reduce_vectors::<R, T, S, 1>(simd, taps.clone(), input, origin, output, i, S::N);
            i += S::N;
        }
        if i < len {
            // The last vector is flush with the end, where there is room: reducing a window twice
            // is cheaper than masks.
            let i = len.saturating_sub(S::N);
            self.reduce_vectors::<R, T, S, 1>(simd, taps, input, origin, output, i, len.min(S::N));
        }
    }

    /// Reduces `B` vectors from element `i` of a run on; `n` elements of each are there.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "all of them differ from call to call")]
    fn reduce_vectors<R: Reduction<T>, T: Element, S: Lanes<T, Vector = V>, const B: usize>(
        &self,
        simd: S,
        taps: impl Iterator<Item = Step>,
        input: &[T],
        origin: usize,
        output: &mut [T],
        i: usize,
        n: usize,
    ) {
        let merged = fold::<R, T, S, B>(simd, taps, |offset, b| {
            let at = origin.wrapping_add(offset).wrapping_add(i + b * S::N);
            // SAFETY: `Taps` are inside the input, which has the length the geometry says.
            unsafe { load_first(simd, input, at, n) }
        });
        for (b, v) in merged.into_iter().enumerate() {
            let v = R::finish(simd, v, self.divide);
            // SAFETY: the caller saw that `B` vectors from `i` on are inside `output`.
            unsafe { store_first(simd, v, output, i + b * S::N, n) }
        }
    }
}
