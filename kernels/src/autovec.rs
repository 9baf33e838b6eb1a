//! Plain loops, which the compiler vectorises for each instruction set: the fair opponent of the
//! kernels by hand, and proof that they are worth it.
#![forbid(unsafe_code)]

use crate::Geometry;
use crate::order::{DEPTH, Taps};
use core::ops::Range;
use multiversion::multiversion;

/// See [`Kernels::max`](crate::Kernels::max).
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl",
    "x86_64+avx2",
    "aarch64+neon"
))]
pub(crate) fn max(geometry: &Geometry, rows: Range<usize>, input: &[f32], output: &mut [f32]) {
    let max = |a: f32, b: f32| if a > b || a.is_nan() { a } else { b };
    let ops = Ops { identity: f32::NEG_INFINITY, lift: |x| x, merge: max, divide: |x, _| x };
    pool(geometry, rows, input, output, ops);
}

/// See [`Kernels::max_number`](crate::Kernels::max_number).
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl",
    "x86_64+avx2",
    "aarch64+neon"
))]
pub(crate) fn max_number(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[f32],
    output: &mut [f32],
) {
    let max = |a: f32, b: f32| if b > a { b } else { a };
    let lift = |x: f32| {
        // See `Neon::max`.
        let x = if cfg!(target_arch = "aarch64") { x + 0.0 } else { x };
        max(f32::NEG_INFINITY, x)
    };
    let ops = Ops { identity: f32::NEG_INFINITY, lift, merge: max, divide: |x, _| x };
    pool(geometry, rows, input, output, ops);
}

/// See [`Kernels::mean`](crate::Kernels::mean).
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl",
    "x86_64+avx2",
    "aarch64+neon"
))]
pub(crate) fn mean(geometry: &Geometry, rows: Range<usize>, input: &[f32], output: &mut [f32]) {
    let ops = Ops { identity: 0.0, lift: |x| x, merge: |a, b| a + b, divide: |x, n| x / n };
    pool(geometry, rows, input, output, ops);
}

/// See [`Backend::floor`](crate::Backend::floor).
#[multiversion(targets(
    "x86_64+avx512f+avx512bw+avx512dq+avx512vl",
    "x86_64+avx2",
    "aarch64+neon"
))]
pub(crate) fn floor(input: &[f32], output: &mut [f32]) {
    let seen = input.iter().fold(0, |seen, x| seen | x.to_bits());
    output.fill(f32::from_bits(seen));
}

/// Elements of the output that are computed together, tap by tap.
const BLOCK: usize = 64;

/// A reduction, as plain functions.
#[derive(Clone, Copy)]
struct Ops<L, M, D> {
    identity: f32,
    lift: L,
    merge: M,
    divide: D,
}

#[inline(always)]
fn pool(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[f32],
    output: &mut [f32],
    ops: Ops<impl Fn(f32) -> f32, impl Fn(f32, f32) -> f32, impl Fn(f32, f32) -> f32>,
) {
    geometry.assert_fits(&rows, input, output);
    if output.is_empty() {
        return;
    }
    let [depth, height, width] = *geometry.axes();
    let inner = geometry.inner();
    let strides = geometry.tap_strides();
    let interior = width.interior();
    let mut stack = [[0.0; BLOCK]; DEPTH];
    for (row, output) in rows.zip(output.chunks_exact_mut(geometry.row_len())) {
        let (plane, z, y) = geometry.position(row);
        let (ds, hs) = (depth.taps(z), height.taps(y));
        let whole =
            depth.kernel == 1 && ds.len() == 1 && hs.len() == height.kernel && width.dilation == 1;
        let mut x = 0;
        while x < width.output {
            // Single elements are pooled many windows at a time where all have the same taps.
            let many = inner == 1 && interior.contains(&x);
            let windows = if many { (interior.end - x).min(BLOCK) } else { 1 };
            let start =
                geometry.origin(plane, z, y).wrapping_add(width.start(x).wrapping_mul(inner));
            let divisor = geometry.divide_by([(depth, z), (height, y), (width, x)]) as f32;
            let out = &mut output[x * inner..][..windows * inner];
            let row = |j: usize| &input[start + j * strides[2]..];
            match [height.kernel, width.kernel, width.stride] {
                [2, 2, 2] if many && whole => few::<2, 2, 2>([0, 1].map(row), out, &ops),
                [3, 3, 1] if many && whole => few::<3, 3, 1>([0, 1, 2].map(row), out, &ops),
                [3, 3, 2] if many && whole => few::<3, 3, 2>([0, 1, 2].map(row), out, &ops),
                _ => {
                    let taps = Taps::new([width.taps(x), ds.clone(), hs.clone()], strides);
                    let stride = if many { width.stride } else { 1 };
                    for (i, out) in out.chunks_mut(BLOCK).enumerate() {
                        let start = start.wrapping_add(i * BLOCK);
                        any(taps.clone(), input, start, stride, out, &mut stack, &ops);
                    }
                }
            }
            for out in out {
                let v = (ops.divide)(*out, divisor);
                *out = if v.is_nan() { f32::NAN } else { v + 0.0 };
            }
            x += windows;
        }
    }
}

/// Small windows inside the input, as one would write them by hand.
#[inline(always)]
fn few<const HEIGHT: usize, const WIDTH: usize, const STRIDE: usize>(
    rows: [&[f32]; HEIGHT],
    output: &mut [f32],
    ops: &Ops<impl Fn(f32) -> f32, impl Fn(f32, f32) -> f32, impl Fn(f32, f32) -> f32>,
) {
    let rows = rows.map(|row| &row[..(output.len() - 1) * STRIDE + WIDTH]);
    for (x, out) in output.iter_mut().enumerate() {
        let column = |j: usize| {
            let column = rows.map(|row| (ops.lift)(row[x * STRIDE + j]));
            column.into_iter().reduce(&ops.merge)
        };
        let merged = (0..WIDTH).filter_map(column).reduce(&ops.merge);
        *out = merged.unwrap_or(ops.identity);
    }
}

/// Any windows with the same taps, `stride` elements apart, a block of them tap by tap. On the stack
/// are subtrees that wait for their right sibling: see [`order`](crate::order).
#[inline(always)]
fn any(
    taps: Taps,
    input: &[f32],
    start: usize,
    stride: usize,
    output: &mut [f32],
    stack: &mut [[f32; BLOCK]; DEPTH],
    ops: &Ops<impl Fn(f32) -> f32, impl Fn(f32, f32) -> f32, impl Fn(f32, f32) -> f32>,
) {
    let n = output.len();
    let mut top = 0;
    stack[0].fill(ops.identity);
    for (i, step) in taps.enumerate() {
        let leaf = &input[start.wrapping_add(step.offset)..][..(n - 1) * stride + 1];
        top += usize::from(i > 0 && step.merges == 0);
        let merged = &mut stack[top][..n];
        match (step.merges, stride) {
            (0, _) => merged
                .iter_mut()
                .zip(leaf.iter().step_by(stride))
                .for_each(|(merged, &x)| *merged = (ops.lift)(x)),
            (_, 1) => merged
                .iter_mut()
                .zip(leaf)
                .for_each(|(merged, &x)| *merged = (ops.merge)(*merged, (ops.lift)(x))),
            _ => merged
                .iter_mut()
                .zip(leaf.iter().step_by(stride))
                .for_each(|(merged, &x)| *merged = (ops.merge)(*merged, (ops.lift)(x))),
        }
        for _ in 1..step.merges {
            let (left, right) = stack.split_at_mut(top);
            let left = &mut left[top - 1][..n];
            left.iter_mut().zip(&right[0]).for_each(|(l, &r)| *l = (ops.merge)(*l, r));
            top -= 1;
        }
    }
    output.copy_from_slice(&stack[0][..n]);
}
