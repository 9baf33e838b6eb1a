//! Any windows over single elements of a row, with less code than [`across`](crate::across): for types and
//! reductions that are rare, and for what no other walk takes.
//!
//! A piece of one row is merged down its columns, a vector at a time. Every `stride`-th column is then put beside the
//! next (a *phase*), one by one but for a stride of 2, since others are no shuffle that there is. There a tap of
//! neighbouring windows is a run of neighbours. Columns outside the input are the identity. Windows that are not
//! alike, or so far apart that there would be few in a piece, are merged across one after the other.

use crate::Geometry;
use crate::across::{Phases, Places, list_places};
use crate::fold::{Tree, fold};
use crate::geometry::{Axis, Divisor};
use crate::number::{Element, Number};
use crate::order::{List, Steps, Taps, merges_after};
use crate::reduction::{Again, Divide, Reduction};
use crate::simd::scalar::Scalar;
use crate::simd::{
    Aligned, Memory, WIDEST, load_first, load_lanes, store_first, store_lanes, zeroed,
};
use crate::walk::EXACT;
use core::mem::MaybeUninit;
use core::ops::Range;

/// Columns of a piece of a row, and a vector more; as many elements have its phases.
const SCRATCH: usize = 2048;

/// Windows that a piece of a row has at most.
const PIECE: usize = 512;

/// Whether the columns of each window along `width` fit the scratch buffer.
pub(crate) fn fits(width: &Axis) -> bool {
    let longest = if width.spread { width.input / width.output + 2 } else { width.span() };
    longest <= SCRATCH - WIDEST
}

/// Neighbouring windows, and the columns that they need.
struct Piece {
    windows: usize,
    /// How many columns, and those of them that are inside the input.
    len: usize,
    inside: Range<usize>,
}

impl Piece {
    /// As many windows from `x` on as are worth it, and fit. A call, like all here that has no vectors.
    #[inline(never)]
    fn of(width: &Axis, x: usize, most: usize) -> Self {
        let first = width.start(x);
        let end = |x| if width.spread { width.taps(x).end } else { width.span() };
        let last = |windows: usize| {
            let x = x + windows - 1;
            width.start(x).wrapping_sub(first).wrapping_add(end(x))
        };
        let mut windows = 1;
        while windows < most.min(width.output - x) && last(windows + 1) <= SCRATCH - WIDEST {
            windows += 1;
        }
        let len = last(windows);
        Self { windows, len, inside: width.inside(first, len) }
    }
}

/// How many elements a phase has, if there are phases, and how many windows a piece at most. A call, too.
#[inline(never)]
fn phases_of(geometry: &Geometry) -> (usize, usize) {
    let width = &geometry.axes()[2];
    // The last vector may begin at the last window.
    let more = width.span() / width.stride + WIDEST;
    match (SCRATCH / width.stride).checked_sub(more) {
        Some(room @ 1..) if geometry.taps() <= EXACT && !width.spread => {
            let most = room.min(PIECE).min(width.output);
            (most + more, most)
        }
        _ => (0, PIECE),
    }
}

/// Reduces the windows of output rows `rows`.
#[inline(always)]
pub(crate) fn phased<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    Scalar: Memory<T, Vector = T::Acc>,
{
    let [depth, height, width] = geometry.axes();
    let (by, rounding) = (geometry.divisor(), geometry.rounding());
    let (phase, most) = phases_of(geometry);
    let used = if phase > 0 { phase * width.stride } else { SCRATCH };
    let mut scratch = Aligned([const { MaybeUninit::uninit() }; 2 * SCRATCH]);
    // Windows one apart have one phase, which is the columns themselves.
    let split_up = phase > 0 && width.stride > 1;
    let buffers = if split_up { 2 } else { 1 };
    let (columns, phases) = zeroed(&mut scratch.0, buffers * used).split_at_mut(used);
    let mut counts = [T::Acc::ZERO; PIECE];
    let (mut lines, mut places) = (List::new(), List::new());
    let layout = Phases { count: width.stride, len: phase, inner: 1 };
    list_places(width, layout, &mut places);
    let places = Places::new(width, layout, &places);
    let mut x = 0;
    while x < width.output {
        let Piece { windows, len, inside } = Piece::of(width, x, most);
        let start = width.start(x);
        if inside.len() < len {
            columns[..len].fill(R::IDENTITY);
        }
        if R::DIVIDES && phase > 0 {
            for (i, count) in counts[..windows].iter_mut().enumerate() {
                *count = T::Acc::nearest(width.count(x + i, by).max(1) as i64);
            }
        }
        for (i, row) in rows.clone().enumerate() {
            let (plane, z, y) = geometry.position(row);
            let taps = Taps::new([0..1, depth.taps(z), height.taps(y)], geometry.tap_strides());
            let mut lines = Steps::new(taps, &mut lines);
            let origin = geometry.origin(plane, z, y).wrapping_add(start);
            for c in inside.clone().step_by(S::N) {
                let n = S::N.min(inside.end - c);
                let [merged] = fold::<R, T::Acc, S, 1>(simd, lines.again(), |offset, _| {
                    let at = origin.wrapping_add(offset).wrapping_add(c);
                    // SAFETY: the taps are inside the input, and so are these columns.
                    unsafe { load_first(simd, input, at, n) }
                });
                let merged = simd.keep(merged, 0..n, simd.splat(R::IDENTITY));
                // SAFETY: a vector more fits behind the last column.
                unsafe { store_lanes(simd, merged, columns, c) }
            }
            let to = i * geometry.row_len() + x;
            if phase == 0 {
                for (x, out) in (x..).zip(&mut output[to..to + windows]) {
                    let divisor = geometry.divide_by([z, y, x]);
                    let divide = Divide::by::<T::Acc, _>(Scalar, divisor, rounding);
                    let columns = &columns[width.start(x).wrapping_sub(start)..];
                    let merged = one::<R, T>(columns, width.taps(x), width.dilation);
                    *out = T::narrow(R::finish(Scalar, merged, divide));
                }
                continue;
            }
            let phases = if split_up {
                split(simd, columns, len, width, phase, phases);
                &*phases
            } else {
                &*columns
            };
            let counted = depth.count(z, by) * height.count(y, by);
            let counted = simd.splat(T::Acc::nearest(counted.max(1) as i64));
            for x in (0..windows).step_by(S::N) {
                let [merged] = fold::<Again<R>, T::Acc, S, 1>(simd, places.clone(), |at, _| {
                    // SAFETY: a phase has room for a vector from the last window on.
                    unsafe { load_lanes(simd, phases, at + x) }
                });
                let divide = match by {
                    Divisor::Constant(n) => Divide::by::<T::Acc, S>(simd, n, rounding),
                    _ => {
                        // SAFETY: as many counts as windows, and a multiple of the widest vector.
                        let counts = unsafe { load_lanes(simd, &counts, x) };
                        Divide::by_lanes::<T::Acc, S>(simd, simd.mul(counted, counts), rounding)
                    }
                };
                let v = R::finish(simd, merged, divide);
                // SAFETY: no more elements than the row has left.
                unsafe { store_first(simd, v, output, to + x, S::N.min(windows - x)) }
            }
        }
        x += windows;
    }
}

/// Merges the columns of one window.
#[inline(always)]
fn one<R: Reduction<T::Acc>, T: Element>(
    columns: &[T::Acc],
    taps: Range<usize>,
    dilation: usize,
) -> T::Acc
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    let mut tree = Tree::new();
    for j in taps.clone() {
        let column = columns[j * dilation];
        tree.push::<R, T::Acc, _>(Scalar, column, merges_after(j, &taps));
    }
    tree.root().unwrap_or(R::IDENTITY)
}

/// Puts columns into their phases.
#[inline(always)]
fn split<T: Element, S: Memory<T>>(
    simd: S,
    columns: &[T::Acc],
    len: usize,
    width: &Axis,
    phase: usize,
    phases: &mut [T::Acc],
) {
    if width.stride == 2 {
        for i in (0..len).step_by(2 * S::N) {
            // SAFETY: two vectors more fit behind the last column.
            let low = unsafe { load_lanes(simd, columns, i) };
            // SAFETY: the same.
            let high = unsafe { load_lanes(simd, columns, i + S::N) };
            let (even, odd) = simd.deinterleave(low, high);
            // SAFETY: a vector more fits behind the last of a phase.
            unsafe { store_lanes(simd, even, phases, i / 2) }
            // SAFETY: the same.
            unsafe { store_lanes(simd, odd, phases, phase + i / 2) }
        }
        return;
    }
    let used = width.stride.min(width.span());
    for (i, columns) in columns[..len].chunks(width.stride).enumerate() {
        for (place, &column) in columns.iter().enumerate().take(used) {
            phases[place * phase + i] = column;
        }
    }
}
