//! Short elements of small planes, pooled as `f32`.
//!
//! Rows of small planes are a few elements, and a vector holds 16 or 32 short ones, so that most of it is empty, whatever
//! walks along a row. `f32` has walks of its own for such planes, and holds these elements and, of windows that are not
//! large, their sums. So some planes at a time are widened into scratch memory, pooled there, and narrowed.
//!
//! Averages of integers are rounded as told, after `f32` has rounded them to nearest: that changes no result. A quotient by
//! `d` that is no half of an odd number is `1 / 2d` away from all that are, at least, and `f32` rounds it by less.

use crate::geometry::Strides;
use crate::number::Element;
use crate::simd::{Isa, Lanes, Memory, load_first, store_first, zeroed};
use crate::walk::Walk;
use crate::{Axis, Divisor, Geometry, Rounding};
use core::mem::MaybeUninit;
use core::ops::Range;
use half::{bf16, f16};

/// Elements of the planes that are widened at a time.
const ELEMENTS: usize = 16384;

/// Windows of a row and columns of a plane up to which it pays, and so few windows that it does for any columns: longer
/// rows fill vectors of short elements.
const SHORT: usize = 16;
const NARROW: usize = 24;
const FEW: usize = 10;

/// The same of windows of 2×2, of which other rows are in registers.
const ROWS: usize = 4;

/// Planes from which on walks over `f32` make up for turning elements into these.
const WORTH: usize = 8;

/// The most taps, and the greatest divisor. Quotients of up to 255, all others being cut, are rounded by 2⁻¹⁷ at most.
const MOST_TAPS: usize = 4096;

/// Whether this walk takes these windows.
pub(crate) fn fits(geometry: &Geometry) -> bool {
    let Axis { input, output, kernel, stride, dilation, .. } = geometry.axes()[2];
    let plane = |of: fn(&Axis) -> usize| geometry.axes().iter().map(of).product::<usize>();
    geometry.is_single()
        && geometry.planes() >= WORTH
        && (output <= FEW || output <= SHORT && input <= NARROW)
        && plane(|axis| axis.input) <= ELEMENTS
        && plane(|axis| axis.output) <= ELEMENTS
        && geometry.taps() <= MOST_TAPS
        && match geometry.divisor() {
            Divisor::Constant(n) => n.unsigned_abs() <= MOST_TAPS as u64,
            _ => true,
        }
        && match Walk::of(geometry) {
            Walk::Halved | Walk::Global | Walk::Whole => false,
            Walk::Strips => dilation > 1,
            // Where rows go on from a plane to the next, they are long.
            Walk::Rows if (kernel, stride) == (2, 2) => {
                output <= ROWS && !geometry.rows_alike().seamless
            }
            Walk::Rows => !matches!((kernel, stride), (3, 1 | 2)),
            _ => true,
        }
}

/// A type whose numbers are numbers of an `f32`, by an instruction set that turns one into the other.
pub(crate) trait Short<S>: Copy {
    /// Widens elements, as many as there are of both.
    fn widen(simd: S, from: &[Self], to: &mut [f32]);

    /// Narrows results, as many as there are of both; integers are rounded.
    fn narrow(simd: S, from: &[f32], to: &mut [Self], rounding: Rounding);
}

/// A way to pool short elements by a kernel for `f32`.
pub(crate) struct Widened<T> {
    /// Widens planes from one on, as many as there is room for.
    widen: fn(&Geometry, usize, &[T], &mut [f32]),
    narrow: fn(&[f32], &mut [T], Rounding),
    kernel: fn(&Geometry, Range<usize>, &[f32], &mut [f32]),
}

impl<T> Widened<T> {
    /// By the vectors of `S`.
    pub(crate) const fn by<S: Isa>(kernel: fn(&Geometry, Range<usize>, &[f32], &mut [f32])) -> Self
    where
        T: Short<S>,
    {
        Self { widen: widen::<T, S>, narrow: narrow::<T, S>, kernel }
    }
}

/// Pools short elements by a kernel for `f32`. A function for all instruction sets: what has vectors are calls.
pub(crate) fn pool<T>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
    by: &Widened<T>,
) {
    geometry.assert_fits(&rows, input, output);
    if output.is_empty() {
        return;
    }
    let [depth, height, _] = geometry.axes();
    let row_len = geometry.row_len();
    let per_plane = depth.output * height.output;
    let plane_len = geometry.axes().map(|axis| axis.input).iter().product::<usize>();
    let most = (ELEMENTS / plane_len.max(per_plane * row_len)).max(1);
    let mut wide = [const { MaybeUninit::uninit() }; ELEMENTS];
    let mut pooled = [const { MaybeUninit::uninit() }; ELEMENTS];
    let planes = most.min(rows.len().div_ceil(per_plane));
    let wide = zeroed(&mut wide, planes * plane_len);
    let pooled = zeroed(&mut pooled, planes * per_plane * row_len);
    let mut part = geometry.of_planes(planes);
    let mut row = rows.start;
    while row < rows.end {
        // Whole planes, or a part of one.
        let (plane, first) = (row / per_plane, row % per_plane);
        let left = rows.end - row;
        let (planes, count) = match left / per_plane {
            whole @ 1.. if first == 0 => (whole.min(most), whole.min(most) * per_plane),
            _ => (1, left.min(per_plane - first)),
        };
        if part.planes() != planes {
            part = geometry.of_planes(planes);
        }
        let wide = &mut wide[..planes * plane_len];
        let pooled = &mut pooled[..count * row_len];
        (by.widen)(geometry, plane, input, wide);
        (by.kernel)(&part, first..first + count, wide, pooled);
        let at = (row - rows.start) * row_len;
        let output = &mut output[at..][..count * row_len];
        (by.narrow)(pooled, output, geometry.rounding());
        row += count;
    }
}

/// Narrows results.
fn narrow<T: Short<S>, S: Isa>(pooled: &[f32], output: &mut [T], rounding: Rounding) {
    let simd = S::detect().expect("a backend is only run where it is supported");
    simd.vectorize(
        #[inline(always)]
        || T::narrow(simd, pooled, output, rounding),
    );
}

/// Widens planes from `plane` on, as many as `wide` has room for.
fn widen<T: Short<S>, S: Isa>(geometry: &Geometry, plane: usize, input: &[T], wide: &mut [f32]) {
    let simd = S::detect().expect("a backend is only run where it is supported");
    simd.vectorize(
        #[inline(always)]
        || widen_planes(simd, geometry, plane, input, wide),
    );
}

/// The same, with vectors.
#[inline(always)]
fn widen_planes<T: Short<S>, S: Copy>(
    simd: S,
    geometry: &Geometry,
    plane: usize,
    input: &[T],
    wide: &mut [f32],
) {
    let [depth, height, width] = geometry.axes().map(|axis| axis.input);
    let Strides { depth: slice, height: line, .. } = geometry.strides();
    let start = geometry.plane_start(plane);
    if line == width && geometry.follow_after(height) {
        return T::widen(simd, &input[start..][..wide.len()], wide);
    }
    for (plane, wide) in (plane..).zip(wide.chunks_exact_mut(depth * height * width)) {
        let start = geometry.plane_start(plane);
        for (i, wide) in wide.chunks_exact_mut(width).enumerate() {
            let at = start + i / height * slice + i % height * line;
            T::widen(simd, &input[at..][..width], wide);
        }
    }
}

/// What is added to a number of a few bits, so that the last ones of the sum are those of the nearest integer, halves to
/// even.
const ONES: f32 = 12_582_912.0;

/// Less than quotients that are no half are away from one, and more than `f32` rounds them.
const TINY: f32 = 1.0 / 16384.0;

/// What is added to a quotient, and what away from zero, so that its nearest integer, halves to even, is what it is to be
/// rounded to.
#[inline(always)]
fn biases(rounding: Rounding) -> [f32; 2] {
    match rounding {
        Rounding::HalfAwayFromZero => [0.0, TINY],
        Rounding::HalfEven => [0.0, 0.0],
        Rounding::HalfUp => [TINY, 0.0],
        Rounding::Truncate => [0.0, TINY - 0.5],
    }
}

macro_rules! bytes {
    ($($byte:ident),*) => { $(
        impl<S: Copy> Short<S> for $byte {
            #[inline(always)]
            fn widen(_: S, from: &[Self], to: &mut [f32]) {
                for (to, &from) in to.iter_mut().zip(from) {
                    *to = f32::from(from);
                }
            }

            #[inline(always)]
            fn narrow(_: S, from: &[f32], to: &mut [Self], rounding: Rounding) {
                let [least, most] = [Self::MIN, Self::MAX].map(f32::from);
                let [up, away] = biases(rounding);
                for (to, &from) in to.iter_mut().zip(from) {
                    let within = from.max(least).min(most);
                    let biased = within + up + away * 1.0f32.copysign(within);
                    *to = (biased + ONES).to_bits() as Self;
                }
            }
        }
    )* };
}

bytes!(i8, u8);

/// Turns elements into those of another type, by vectors of what both are reduced in.
#[inline(always)]
fn convert<A: Element<Acc = f32>, B: Element<Acc = f32>, S: Memory<A> + Memory<B>>(
    simd: S,
    from: &[A],
    to: &mut [B],
) {
    let (n, len) = (<S as Lanes<f32>>::N, from.len().min(to.len()));
    for at in (0..len).step_by(n) {
        let lanes = n.min(len - at);
        // SAFETY: both have so many elements from there on.
        let v = unsafe { load_first::<A, S>(simd, from, at, lanes) };
        // SAFETY: the same.
        unsafe { store_first::<B, S>(simd, v, to, at, lanes) }
    }
}

macro_rules! halves {
    ($($half:ident),*) => { $(
        impl<S: Memory<f32> + Memory<$half>> Short<S> for $half {
            #[inline(always)]
            fn widen(simd: S, from: &[Self], to: &mut [f32]) {
                convert(simd, from, to);
            }

            #[inline(always)]
            fn narrow(simd: S, from: &[f32], to: &mut [Self], _: Rounding) {
                convert(simd, from, to);
            }
        }
    )* };
}

halves!(f16, bf16);
