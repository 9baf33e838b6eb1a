//! Norms of any exponent: `(Σ|x|^p)^(1/p)`, one window after the other.
//!
//! Powers come from `libm`, which computes the same bits everywhere, and take so long that nothing else
//! does: one kernel serves all backends.

use crate::Geometry;
use crate::fold::Tree;
use crate::number::{Element, Number};
use crate::order::{List, Steps, Taps};
use crate::reduction::Magnitudes;
use crate::simd::{Lanes, scalar::Scalar};
use core::ops::Range;

/// See [`Norms::norm_p`](crate::Norms::norm_p).
pub(crate) fn norm_p<T: Element>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    Scalar: Lanes<T::Acc, Vector = T::Acc>,
{
    geometry.assert_fits(&rows, input, output);
    let [depth, height, width] = *geometry.axes();
    let (inner, pixel) = (geometry.inner(), geometry.strides().width);
    let p = geometry.exponent();
    if output.is_empty() {
        return;
    }
    let mut list = List::new();
    for (row, output) in rows.zip(output.chunks_exact_mut(geometry.row_len())) {
        let (plane, z, y) = geometry.position(row);
        let origin = geometry.origin(plane, z, y);
        for (x, output) in output.chunks_exact_mut(inner).enumerate() {
            let start = origin.wrapping_add(width.start(x).wrapping_mul(pixel));
            let ranges = [width.taps(x), depth.taps(z), height.taps(y)];
            let taps = Taps::new(ranges, geometry.tap_strides());
            let mut taps = Steps::new(taps, &mut list);
            for (channel, out) in output.iter_mut().enumerate() {
                let mut tree = Tree::new();
                for step in taps.again() {
                    let at = start.wrapping_add(step.offset).wrapping_add(channel);
                    let power = input[at].widen().magnitude().power(p);
                    tree.push::<Magnitudes, T::Acc, _>(Scalar, power, step.merges);
                }
                let norm = tree.root().unwrap_or(T::Acc::ZERO).power(1.0 / p);
                *out = T::narrow(Scalar.canonical(norm));
            }
        }
    }
}
