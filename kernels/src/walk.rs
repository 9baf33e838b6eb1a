//! Which walk takes which windows.

use crate::across::across;
use crate::down::down;
use crate::each::each;
use crate::reduction::{Element, Reduction};
use crate::rows::{self, rows};
use crate::simd::{Lanes, scalar::Scalar};
use crate::strips::{self, strips};
use crate::{Geometry, across};
use core::ops::Range;

/// A way over the windows of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Walk {
    /// Runs of neighbours pooled alike, each tap a run.
    Down,
    /// Strips of planes of single elements, under windows of three by three, one apart.
    Strips,
    /// Rows of single elements under small windows, in registers.
    Rows,
    /// Rows of single elements, merged down the columns and then across.
    Across,
    /// One window after the other.
    Each,
}

/// The most taps for which the product of two counts is exact in an `f32`.
const EXACT: usize = 1 << 24;

impl Walk {
    /// The walk that suits a geometry.
    pub fn of(geometry: &Geometry) -> Self {
        let window = geometry.axes().iter().map(|axis| axis.kernel).product::<usize>();
        if geometry.inner() > 1 {
            Self::Down
        } else if strips::fits(geometry.axes()) {
            Self::Strips
        } else if rows::fits(&geometry.axes()[2]) && window <= EXACT {
            Self::Rows
        } else if across::fits(&geometry.axes()[2]) && window <= EXACT {
            Self::Across
        } else {
            Self::Each
        }
    }
}

/// Reduces the windows of output rows `rows`, entering `S` once.
pub(crate) fn pool<R: Reduction<T>, T: Element, S: Lanes<T>>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    Scalar: Lanes<T, Vector = T>,
{
    let simd = S::detect().expect("a backend is only run where it is supported");
    geometry.assert_fits(&rows, input, output);
    if output.is_empty() {
        return;
    }
    let walk = match Walk::of(geometry) {
        // Lanes that are shifted in come from the vector before, and from no other.
        Walk::Strips | Walk::Rows if S::N < 4 => Walk::Across,
        walk => walk,
    };
    match walk {
        Walk::Down => simd.vectorize(
            #[inline(always)]
            || {
                down::<R::Exact, T, S>(simd, geometry, rows, input, output);
            },
        ),
        Walk::Strips => simd.vectorize(
            #[inline(always)]
            || {
                strips::<R, T, S>(simd, geometry, rows, input, output);
            },
        ),
        Walk::Rows => simd.vectorize(
            #[inline(always)]
            || {
                self::rows::<R, T, S>(simd, geometry, rows, input, output);
            },
        ),
        Walk::Across => {
            let mut scratch = across::Scratch::new();
            simd.vectorize(
                #[inline(always)]
                || {
                    across::<R::Exact, T, S>(simd, geometry, rows, input, output, &mut scratch);
                },
            );
        }
        Walk::Each => simd.vectorize(
            #[inline(always)]
            || {
                each::<R::Exact, T, S>(simd, geometry, rows, input, output);
            },
        ),
    }
}
