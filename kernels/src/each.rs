//! Any windows over single elements: one after the other, each merged down its columns into a small
//! buffer, and then along it.

use crate::Geometry;
use crate::fold::{Tree, fold};
use crate::number::Element;
use crate::order::{List, Steps, Taps, merges_after};
use crate::reduction::{Divide, Reduction};
use crate::simd::{Memory, WIDEST, load_first, scalar::Scalar, store_lanes};
use core::ops::Range;

/// Reduces the windows of output rows `rows`.
#[inline(always)]
pub(crate) fn each<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    Scalar: Memory<T, Vector = T::Acc>,
{
    let [depth, height, width] = *geometry.axes();
    let strides = geometry.tap_strides();
    // Dilated columns are not neighbours: one at a time.
    let step = if width.dilation == 1 { S::N } else { 1 };
    let mut columns = [R::IDENTITY; WIDEST];
    let mut list = List::new();
    let interior = width.interior();
    for (row, output) in rows.zip(output.chunks_exact_mut(width.output)) {
        let (plane, z, y) = geometry.position(row);
        let rows = Taps::new([0..1, depth.taps(z), height.taps(y)], strides);
        let mut rows = Steps::new(rows, &mut list);
        let origin = geometry.origin(plane, z, y);
        for (x, out) in output.iter_mut().enumerate() {
            let taps = if interior.contains(&x) { 0..width.kernel } else { width.taps(x) };
            let origin = origin.wrapping_add(width.start(x));
            let mut tree = Tree::new();
            for first in taps.clone().step_by(step) {
                let n = step.min(taps.end - first);
                let [merged] = fold::<R, T::Acc, S, 1>(simd, rows.again(), |offset, _| {
                    let at = origin.wrapping_add(offset).wrapping_add(first * width.dilation);
                    // SAFETY: `taps` are inside the input, which has the length the geometry says.
                    unsafe { load_first(simd, input, at, n) }
                });
                // SAFETY: `columns` holds the widest vector.
                unsafe { store_lanes(simd, merged, &mut columns, 0) }
                for (j, &column) in (first..).zip(&columns[..n]) {
                    tree.push::<R, T::Acc, _>(Scalar, column, merges_after(j, &taps));
                }
            }
            let divisor = geometry.divide_by([z, y, x]);
            let merged = tree.root().unwrap_or(R::IDENTITY);
            let divide = Divide::by::<T::Acc, _>(Scalar, divisor, geometry.rounding());
            *out = T::narrow(R::finish(Scalar, merged, divide));
        }
    }
}
