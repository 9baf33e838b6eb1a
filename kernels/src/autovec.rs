//! Plain loops, which the compiler vectorises for each instruction set: the fair opponent of the
//! kernels by hand, and proof that they are worth it.
#![forbid(unsafe_code)]

use crate::Geometry;
use crate::activate::{self, Activated, Requantized, Scaling};
use crate::backend::taps_and_divisor;
use crate::number::{Element, Number, Quantized, SummedLong};
use crate::order::{DEPTH, List, Step, Steps, Taps};
use crate::simd::{Memory, portable::Portable};
use bytemuck::{Pod, TransparentWrapper};
use core::ops::Range;
use multiversion::multiversion;

/// See [`Kernels::max`](crate::Kernels::max).
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn max<T: Element>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let merge = |a: T::Acc, b: T::Acc| if a > b || a.is_nan() { a } else { b };
    let ops = Ops { identity: T::Acc::LOWEST, lift: |x| x, merge, divide: |x, _| x };
    pool::<T, true>(geometry, rows, input, output, ops);
}

/// See [`Kernels::max_number`](crate::Kernels::max_number).
pub(crate) fn max_number<T: Element>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let merge = |a: T::Acc, b: T::Acc| if b > a { b } else { a };
    let lift = |x: T::Acc| {
        // See `Neon::max`.
        let x = if cfg!(target_arch = "aarch64") { x.plus(T::Acc::ZERO) } else { x };
        merge(T::Acc::LOWEST, x)
    };
    let ops = Ops { identity: T::Acc::LOWEST, lift, merge, divide: |x, _| x };
    pool::<T, false>(geometry, rows, input, output, ops);
}

/// See [`Kernels::min`](crate::Kernels::min).
pub(crate) fn min<T: Element>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let merge = |a: T::Acc, b: T::Acc| if a < b || a.is_nan() { a } else { b };
    let ops = Ops { identity: T::Acc::HIGHEST, lift: |x| x, merge, divide: |x, _| x };
    pool::<T, false>(geometry, rows, input, output, ops);
}

/// See [`Kernels::min_number`](crate::Kernels::min_number).
pub(crate) fn min_number<T: Element>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let merge = |a: T::Acc, b: T::Acc| if b < a { b } else { a };
    let lift = |x: T::Acc| {
        // See `Neon::max`.
        let x = if cfg!(target_arch = "aarch64") { x.plus(T::Acc::ZERO) } else { x };
        merge(T::Acc::HIGHEST, x)
    };
    let ops = Ops { identity: T::Acc::HIGHEST, lift, merge, divide: |x, _| x };
    pool::<T, false>(geometry, rows, input, output, ops);
}

/// See [`Kernels::mean`](crate::Kernels::mean).
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn mean<T: Element>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let rounding = geometry.rounding();
    let divide = |x: T::Acc, n: T::Acc| x.over(n, rounding);
    let ops = Ops { identity: T::Acc::ZERO, lift: |x| x, merge: T::Acc::plus, divide };
    pool::<T, true>(geometry, rows, input, output, ops);
}

/// See [`Kernels::mean`](crate::Kernels::mean).
pub(crate) fn mean_of_integers<T: Pod>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    SummedLong<T>: Element,
{
    let (input, output) = (SummedLong::wrap_slice(input), SummedLong::wrap_slice_mut(output));
    mean(geometry, rows, input, output);
}

/// See [`Kernels::quantized_mean`](crate::Kernels::quantized_mean). These serve all backends, but for small windows of
/// bytes.
pub(crate) fn quantized_mean<T: Quantized>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let (taps, divisor) = taps_and_divisor(geometry);
    if taps <= T::FEW[0] && divisor <= T::FEW[1] {
        let (input, output) = (T::Few::wrap_slice(input), T::Few::wrap_slice_mut(output));
        requantized_mean(geometry, rows, input, output);
    } else {
        let (input, output) = (T::Many::wrap_slice(input), T::Many::wrap_slice_mut(output));
        requantized_mean(geometry, rows, input, output);
    }
}

#[multiversion(targets("x86_64+avx2"))]
fn requantized_mean<T: Element<Acc: Requantized>>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let scaling = Scaling::of(geometry);
    let zero = T::Acc::nearest(-scaling.zero_point());
    let lift = |x: T::Acc| x.plus(zero);
    let divide = |sum: T::Acc, n: T::Acc| sum.requantized(n, &scaling);
    let ops = Ops { identity: T::Acc::ZERO, lift, merge: T::Acc::plus, divide };
    pool::<T, true>(geometry, rows, input, output, ops);
}

/// See [`Kernel::activate`](crate::Kernel::activate).
pub(crate) fn activate<T: Activated>(geometry: &Geometry, output: &mut [T])
where
    Portable: Memory<T>,
{
    activate::activate::<T, Portable>(geometry, output);
}

/// The part of [`activate`] that means are in need of which are requantised already.
pub(crate) fn clamp<T: Activated>(geometry: &Geometry, output: &mut [T])
where
    Portable: Memory<T>,
{
    activate::clamp::<T, Portable>(geometry, output);
}

pub(crate) use crate::power::norm_p;

/// See [`Norms::norm_1`](crate::Norms::norm_1).
pub(crate) fn norm_1<T: Element>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let (lift, divide) = (T::Acc::magnitude, |x, _| x);
    let ops = Ops { identity: T::Acc::ZERO, lift, merge: T::Acc::plus, divide };
    pool::<T, false>(geometry, rows, input, output, ops);
}

/// See [`Norms::norm_2`](crate::Norms::norm_2).
pub(crate) fn norm_2<T: Element>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let lift = |x: T::Acc| x.times(x);
    let divide = |x: T::Acc, _| x.root();
    let ops = Ops { identity: T::Acc::ZERO, lift, merge: T::Acc::plus, divide };
    pool::<T, false>(geometry, rows, input, output, ops);
}

/// See [`Norms::norm_max`](crate::Norms::norm_max).
pub(crate) fn norm_max<T: Element>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let merge = |a: T::Acc, b: T::Acc| if a > b || a.is_nan() { a } else { b };
    let lift = T::Acc::magnitude;
    let ops = Ops { identity: T::Acc::ZERO, lift, merge, divide: |x, _| x };
    pool::<T, false>(geometry, rows, input, output, ops);
}

/// See [`Backend::floor`](crate::Backend::floor).
#[multiversion(targets("x86_64+avx2"))]
pub(crate) fn floor(input: &[f32], output: &mut [f32]) {
    let seen = input.iter().fold(0, |seen, x| seen | x.to_bits());
    output.fill(f32::from_bits(seen));
}

/// Elements of the output that are computed together, tap by tap.
const BLOCK: usize = 64;

/// A reduction, as plain functions.
#[derive(Clone, Copy)]
struct Ops<A, L, M, D> {
    identity: A,
    lift: L,
    merge: M,
    divide: D,
}

/// Pools any windows; if `COMMON`, small ones by loops of their own, which for what is rare are not worth the code.
#[inline(always)]
fn pool<T: Element, const COMMON: bool>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
    ops: Ops<
        T::Acc,
        impl Fn(T::Acc) -> T::Acc,
        impl Fn(T::Acc, T::Acc) -> T::Acc,
        impl Fn(T::Acc, T::Acc) -> T::Acc,
    >,
) {
    geometry.assert_fits(&rows, input, output);
    if output.is_empty() {
        return;
    }
    let [depth, height, width] = *geometry.axes();
    let (inner, pixel) = (geometry.inner(), geometry.strides().width);
    let strides = geometry.tap_strides();
    let interior = width.interior();
    let mut stack = [[T::Acc::ZERO; BLOCK]; DEPTH];
    let mut list = List::new();
    for (row, output) in rows.zip(output.chunks_exact_mut(geometry.row_len())) {
        let (plane, z, y) = geometry.position(row);
        let (ds, hs) = (depth.taps(z), height.taps(y));
        let whole =
            depth.kernel == 1 && ds.len() == 1 && hs.len() == height.kernel && width.dilation == 1;
        let mut x = 0;
        while x < width.output {
            // Single elements are pooled many windows at a time where all have the same taps.
            let many = geometry.is_single() && interior.contains(&x);
            let small = COMMON && many && whole;
            let windows = if many { (interior.end - x).min(BLOCK) } else { 1 };
            let start =
                geometry.origin(plane, z, y).wrapping_add(width.start(x).wrapping_mul(pixel));
            let divisor = T::Acc::nearest(geometry.divide_by([z, y, x]));
            let out = &mut output[x * inner..][..windows * inner];
            let row = |j: usize| &input[start + j * strides[2]..];
            match [height.kernel, width.kernel, width.stride] {
                [2, 2, 2] if small => few::<T, 2, 2, 2>([row(0), row(1)], out, divisor, &ops),
                [3, 3, 1] if small => {
                    few::<T, 3, 3, 1>([row(0), row(1), row(2)], out, divisor, &ops)
                }
                [3, 3, 2] if small => {
                    few::<T, 3, 3, 2>([row(0), row(1), row(2)], out, divisor, &ops)
                }
                _ => {
                    let taps = Taps::new([width.taps(x), ds.clone(), hs.clone()], strides);
                    let mut taps = Steps::new(taps, &mut list);
                    let stride = if many { width.stride } else { 1 };
                    for (i, out) in out.chunks_mut(BLOCK).enumerate() {
                        let start = start.wrapping_add(i * BLOCK);
                        any(taps.again(), input, (start, stride), out, divisor, &mut stack, &ops);
                    }
                }
            }
            x += windows;
        }
    }
}

/// Small windows inside the input, as one would write them by hand.
#[inline(always)]
fn few<T: Element, const HEIGHT: usize, const WIDTH: usize, const STRIDE: usize>(
    mut rows: [&[T]; HEIGHT],
    output: &mut [T],
    divisor: T::Acc,
    ops: &Ops<
        T::Acc,
        impl Fn(T::Acc) -> T::Acc,
        impl Fn(T::Acc, T::Acc) -> T::Acc,
        impl Fn(T::Acc, T::Acc) -> T::Acc,
    >,
) {
    for row in &mut rows {
        *row = &row[..(output.len() - 1) * STRIDE + WIDTH];
    }
    for (x, out) in output.iter_mut().enumerate() {
        let mut merged = ops.identity;
        for j in 0..WIDTH {
            let mut column = ops.identity;
            for (i, row) in rows.iter().enumerate() {
                let x = (ops.lift)(row[x * STRIDE + j].widen());
                column = if i == 0 { x } else { (ops.merge)(column, x) };
            }
            merged = if j == 0 { column } else { (ops.merge)(merged, column) };
        }
        *out = finish((ops.divide)(merged, divisor));
    }
}

/// Any windows with the same taps, `stride` elements apart, a block of them tap by tap. On the stack
/// are subtrees that wait for their right sibling: see [`order`](crate::order).
#[inline(always)]
fn any<T: Element>(
    taps: impl Iterator<Item = Step>,
    input: &[T],
    (start, stride): (usize, usize),
    output: &mut [T],
    divisor: T::Acc,
    stack: &mut [[T::Acc; BLOCK]; DEPTH],
    ops: &Ops<
        T::Acc,
        impl Fn(T::Acc) -> T::Acc,
        impl Fn(T::Acc, T::Acc) -> T::Acc,
        impl Fn(T::Acc, T::Acc) -> T::Acc,
    >,
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
                .for_each(|(merged, &x)| *merged = (ops.lift)(x.widen())),
            (_, 1) => merged
                .iter_mut()
                .zip(leaf)
                .for_each(|(merged, &x)| *merged = (ops.merge)(*merged, (ops.lift)(x.widen()))),
            _ => merged
                .iter_mut()
                .zip(leaf.iter().step_by(stride))
                .for_each(|(merged, &x)| *merged = (ops.merge)(*merged, (ops.lift)(x.widen()))),
        }
        for _ in 1..step.merges {
            let (left, right) = stack.split_at_mut(top);
            let left = &mut left[top - 1][..n];
            left.iter_mut().zip(&right[0]).for_each(|(l, &r)| *l = (ops.merge)(*l, r));
            top -= 1;
        }
    }
    for (out, &merged) in output.iter_mut().zip(&stack[0]) {
        *out = finish((ops.divide)(merged, divisor));
    }
}

/// A result, with one NaN and one zero.
#[inline(always)]
fn finish<T: Element>(result: T::Acc) -> T {
    T::narrow(if result.is_nan() { T::Acc::NAN } else { result.plus(T::Acc::ZERO) })
}
