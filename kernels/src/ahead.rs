//! Input that is fetched before it is needed, where the CPU does not see in time where reading goes on: rows of many
//! planes are short, and lines side by side are several places at a time.

use crate::simd::Isa;

/// Bytes of a tensor that no cache near by holds, and of one that none holds: others are fetched sooner than could be asked
/// for.
pub(crate) const LARGE: usize = 1 << 20;
pub(crate) const HUGE: usize = 1 << 24;

/// Bytes of a line of the caches.
const LINE: usize = 64;

/// Whether it pays to fetch this input, from so many bytes on.
#[inline(always)]
pub(crate) fn is_far<T, S: Isa>(_: S, input: &[T], large: usize) -> bool {
    S::FETCHES && size_of_val(input) >= large
}

/// Says that the `i`-th vector of `lanes` elements from `at` on will be loaded, which may be outside the input.
#[inline(always)]
pub(crate) fn fetch<T, S: Isa>(simd: S, input: &[T], at: usize, [i, lanes]: [usize; 2]) {
    // One vector of each line.
    if (i * lanes * size_of::<T>()).is_multiple_of(LINE) {
        simd.prefetch(input.as_ptr().wrapping_add(at).wrapping_add(i * lanes));
    }
}
