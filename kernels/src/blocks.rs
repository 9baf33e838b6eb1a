//! Extrema of windows one apart over small planes in scratch memory: of a few windows side by side, what all of them
//! have in common is merged once, and from there on what is before it, to the left, and what is after it, to the right
//! (van Herk, 1992; Gil and Werman, 1993).
//!
//! That is two taps a window or three, of which only results are stored. Around the input are identities, so that there
//! is nothing to be found out about edges, and rows of whatever length are as far apart: where a tap is from the first one
//! is in the instruction. Were it in registers, there would be too few of them.

use crate::number::Number;
use crate::reduction::Reduction;
use crate::simd::{Lanes, TURNED, load_lanes, store_lanes};
use crate::{Axis, Geometry};

/// Pixels from a row to the next: no power of two, which would have all rows in few sets of the first-level cache.
pub(crate) const PITCH: usize = 46;

/// Where planes are in the scratch memory, and what they are merged to, in pixels.
pub(crate) struct Blocks {
    height: Axis,
    width: Axis,
    /// The first pixel of the input.
    pub(crate) input: usize,
    /// Where the rows start whose columns have been merged.
    between: usize,
    /// The first result, after which come the others.
    pub(crate) results: usize,
    /// Where the divisors are, if there are any.
    pub(crate) divisors: usize,
    /// Pixels of all, the divisors included.
    pub(crate) end: usize,
}

impl Blocks {
    /// Blocks of these windows, if they are one apart, as their taps are, and there is room for so many pixels.
    pub(crate) fn of(geometry: &Geometry, room: usize) -> Option<Self> {
        let [_, height, width] = *geometry.axes();
        let suits = |axis: &Axis| axis.stride == 1 && axis.dilation == 1 && !axis.spread;
        // Padding may be so much that its pixels overflow.
        let [high, wide] = [&height, &width].map(reach);
        if !suits(&height) || !suits(&width) || wide > PITCH || high > room / PITCH {
            return None;
        }
        let between = high * PITCH;
        let after = between + height.output * PITCH;
        let input = height.pad_begin * PITCH;
        let windows = height.output * width.output;
        // Over the input, which is no longer needed then; what is around it is, for the next planes.
        let inside = windows <= height.input * PITCH;
        let (results, divisors) = if inside { (input, after) } else { (after, after + windows) };
        let end = divisors + windows + 2 * TURNED;
        (end <= room).then_some(Self { height, width, input, between, results, divisors, end })
    }

    /// Merges windows down, and then across, of pixels of `V` vectors.
    #[inline(always)]
    pub(crate) fn merge<R: Reduction<A>, A: Number, S: Lanes<A>, const V: usize>(
        &self,
        simd: S,
        scratch: &mut [A],
    ) {
        let Self { height, width, between, results, .. } = self;
        let columns = Lines {
            axis: height,
            count: width.input,
            taps: [0, 1],
            windows: [between + width.pad_begin, 1],
        };
        columns.merge::<R, A, S, V, PITCH>(simd, scratch);
        let rows = Lines {
            axis: width,
            count: height.output,
            taps: [*between, PITCH],
            windows: [*results, width.output],
        };
        rows.merge::<R, A, S, V, 1>(simd, scratch);
    }
}

/// Lines of which windows are merged.
struct Lines<'a> {
    axis: &'a Axis,
    count: usize,
    /// Where the first tap of the first line is, in pixels, and how far it is to that of the next.
    taps: [usize; 2],
    /// Where the first result goes, and how far it is to that of the next line.
    windows: [usize; 2],
}

impl Lines<'_> {
    /// Merges windows of taps that are `STEP` pixels apart, as the results are.
    #[inline(always)]
    fn merge<R: Reduction<A>, A: Number, S: Lanes<A>, const V: usize, const STEP: usize>(
        &self,
        simd: S,
        scratch: &mut [A],
    ) {
        // What windows have in common is at least a tap.
        match self.axis.kernel.min(self.axis.output) {
            1 => self.merge_blocks::<R, A, S, V, STEP, 1>(simd, scratch),
            2..4 => self.merge_blocks::<R, A, S, V, STEP, 2>(simd, scratch),
            4..8 => self.merge_blocks::<R, A, S, V, STEP, 4>(simd, scratch),
            _ => self.merge_blocks::<R, A, S, V, STEP, 8>(simd, scratch),
        }
    }

    #[inline(always)]
    fn merge_blocks<
        R: Reduction<A>,
        A: Number,
        S: Lanes<A>,
        const V: usize,
        const STEP: usize,
        const B: usize,
    >(
        &self,
        simd: S,
        scratch: &mut [A],
    ) {
        let pixel = const { V * S::N };
        let (axis, [taps, next], [windows, next_window]) = (self.axis, self.taps, self.windows);
        for o in (0..axis.output).step_by(B) {
            // The last ones are flush with the end.
            let o = o.min(axis.output - B);
            for line in 0..self.count {
                let from = (taps + line * next + o * STEP) * pixel;
                let to = (windows + line * next_window + o * STEP) * pixel;
                for i in 0..V {
                    let at = [from + i * S::N, to + i * S::N];
                    block::<R, A, S, V, STEP, B>(simd, scratch, at, axis.kernel);
                }
            }
        }
    }
}

/// Merges `B` windows of `kernel` taps.
#[inline(always)]
fn block<
    R: Reduction<A>,
    A: Number,
    S: Lanes<A>,
    const V: usize,
    const STEP: usize,
    const B: usize,
>(
    simd: S,
    scratch: &mut [A],
    [from, to]: [usize; 2],
    kernel: usize,
) {
    let step = const { STEP * V * S::N };
    let last = from + (kernel - 1) * step;
    // SAFETY: the scratch memory has room for all taps of all windows.
    let mut left = [unsafe { load_lanes(simd, scratch, last) }; B];
    let mut at = from + (B - 1) * step;
    while at < last {
        // SAFETY: the same.
        let v = unsafe { load_lanes(simd, scratch, at) };
        left[B - 1] = R::merge(simd, v, left[B - 1]);
        at += step;
    }
    for j in (0..B - 1).rev() {
        // SAFETY: the same.
        let v = unsafe { load_lanes(simd, scratch, from + j * step) };
        left[j] = R::merge(simd, v, left[j + 1]);
    }
    // SAFETY: and for all results.
    unsafe { store_lanes(simd, left[0], scratch, to) }
    let mut right = left[B - 1];
    for j in 1..B {
        // SAFETY: a tap of the last windows.
        let v = unsafe { load_lanes(simd, scratch, last + j * step) };
        right = if j == 1 { v } else { R::merge(simd, right, v) };
        // SAFETY: a result.
        unsafe { store_lanes(simd, R::merge(simd, left[j], right), scratch, to + j * step) }
    }
}

/// Elements along an axis of which windows have any, those outside the input included.
fn reach(axis: &Axis) -> usize {
    (axis.pad_begin + axis.input).max(axis.output + axis.kernel - 1)
}
