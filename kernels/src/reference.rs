//! Pooling by its definition: the oracle for every other kernel.
//!
//! Nothing here may use `simd`, `order`, a helper of [`Geometry`], unsafe code, or cleverness.
#![forbid(unsafe_code)]

use crate::{Axis, Divisor, Geometry};
use core::ops::Range;

/// The largest element; a NaN if there is one; −∞ if there is no element.
pub(crate) fn max(geometry: &Geometry, rows: Range<usize>, input: &[f32], output: &mut [f32]) {
    pool(geometry, rows, input, output, |window| {
        let mut max = f32::NEG_INFINITY;
        for value in window.elements() {
            if value.is_nan() || value > max {
                max = value;
            }
            if max.is_nan() {
                return max;
            }
        }
        max
    });
}

/// The largest element that is a number; −∞ if there is none.
pub(crate) fn max_number(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[f32],
    output: &mut [f32],
) {
    pool(geometry, rows, input, output, |window| {
        let mut max = f32::NEG_INFINITY;
        for value in window.elements() {
            if value > max {
                max = value;
            }
        }
        max
    });
}

/// The sum, in the order of [`tree`], over the divisor; 0 if there is no element.
pub(crate) fn mean(geometry: &Geometry, rows: Range<usize>, input: &[f32], output: &mut [f32]) {
    pool(geometry, rows, input, output, |window| {
        let [depth, height, width] = window.geometry.axes().map(|axis| axis.kernel);
        let sum = tree(width, &|k| tree(depth, &|i| tree(height, &|j| window.element([i, j, k]))));
        match sum {
            Some(sum) => sum / window.divisor(),
            None => 0.0,
        }
    });
}

/// Sums the leaves that are present by the binary tree whose left part is as large a power of two
/// as leaves something for the right one.
fn tree(leaves: usize, leaf: &dyn Fn(usize) -> Option<f32>) -> Option<f32> {
    if leaves == 1 {
        return leaf(0);
    }
    let half = leaves.next_power_of_two() / 2;
    match (tree(half, leaf), tree(leaves - half, &|i| leaf(half + i))) {
        (Some(left), Some(right)) => Some(left + right),
        (left, right) => left.or(right),
    }
}

/// Sets every element of the output to the result of its window, with one NaN and one zero.
fn pool(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[f32],
    output: &mut [f32],
    reduce: impl Fn(&Window<'_>) -> f32,
) {
    let [depth, height, width] = geometry.axes().map(|axis| axis.output);
    let row_len = width * geometry.inner();
    assert_eq!(output.len(), rows.len() * row_len, "length of the output");
    for (i, out) in output.iter_mut().enumerate() {
        let (row, column) = (rows.start + i / row_len, i % row_len);
        let window = Window {
            geometry,
            input,
            plane: row / height / depth,
            at: [row / height % depth, row % height, column / geometry.inner()],
            channel: column % geometry.inner(),
        };
        let value = reduce(&window);
        *out = match value {
            _ if value.is_nan() => f32::NAN,
            0.0 => 0.0,
            _ => value,
        };
    }
}

/// One window of the input.
struct Window<'a> {
    geometry: &'a Geometry,
    input: &'a [f32],
    plane: usize,
    /// Its place in the output: depth, height, width.
    at: [usize; 3],
    channel: usize,
}

impl Window<'_> {
    /// The element under a tap, unless it is outside the input.
    fn element(&self, tap: [usize; 3]) -> Option<f32> {
        let mut index = self.plane;
        for ((axis, at), tap) in self.geometry.axes().iter().zip(self.at).zip(tap) {
            let padded = at * axis.stride + tap * axis.dilation;
            let position = padded.checked_sub(axis.pad_begin).filter(|&i| i < axis.input)?;
            index = index * axis.input + position;
        }
        Some(self.input[index * self.geometry.inner() + self.channel])
    }

    /// The elements that are present, in row-major order.
    fn elements(&self) -> impl Iterator<Item = f32> {
        let [depth, height, width] = self.geometry.axes().map(|axis| axis.kernel);
        (0..depth).flat_map(move |i| {
            (0..height).flat_map(move |j| (0..width).filter_map(move |k| self.element([i, j, k])))
        })
    }

    /// What the sum is divided by.
    fn divisor(&self) -> f32 {
        let counted = |limit: fn(&Axis) -> Range<usize>| -> usize {
            let along = self.geometry.axes().iter().zip(self.at).map(|(axis, at)| {
                let taps = (0..axis.kernel).map(|tap| at * axis.stride + tap * axis.dilation);
                taps.filter(|padded| limit(axis).contains(padded)).count()
            });
            along.product()
        };
        match self.geometry.divisor() {
            Divisor::Constant(n) => n as f32,
            Divisor::Present => counted(|axis| axis.pad_begin..axis.pad_begin + axis.input) as f32,
            Divisor::Padded => counted(|axis| 0..axis.pad_begin + axis.input + axis.pad_end) as f32,
        }
    }
}
