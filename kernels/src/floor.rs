//! The yardstick: what no pooling can be faster than, but for luck with caches.

use crate::number::{Element, Number};
use crate::simd::{Memory, load, load_first, store_first};

/// Elements of the input that are read before the output is written to.
const PIECE: usize = 4096;

/// Reads all of the input and writes all of the output, once, with vectors of `S` and in turns, as
/// a pooling does. The values written are of no use.
pub(crate) fn floor<T: Element, S: Memory<T>>(input: &[T], output: &mut [T]) {
    let simd = S::detect().expect("a backend is only run where it is supported");
    simd.vectorize(
        #[inline(always)]
        || {
            let pieces = input.len().div_ceil(PIECE).max(1);
            let mut inputs = input.chunks(PIECE);
            let mut seen = [simd.splat(T::Acc::ZERO); 4];
            for output in output.chunks_mut(output.len().div_ceil(pieces).max(1)) {
                read(simd, inputs.next().unwrap_or_default(), &mut seen);
                let [a, b, c, d] = seen;
                let v = simd.max(simd.max(a, b), simd.max(c, d));
                for i in (0..output.len()).step_by(S::N) {
                    let n = S::N.min(output.len() - i);
                    // SAFETY: no more elements than the piece has left.
                    unsafe { store_first(simd, v, output, i, n) }
                }
            }
            for input in inputs {
                read(simd, input, &mut seen);
            }
            core::hint::black_box(seen);
        },
    );
}

#[inline(always)]
fn read<T: Element, S: Memory<T>>(simd: S, input: &[T], seen: &mut [S::Vector; 4]) {
    let mut i = 0;
    while i + 4 * S::N <= input.len() {
        for (j, seen) in seen.iter_mut().enumerate() {
            // SAFETY: the loop's condition.
            *seen = simd.max(*seen, unsafe { load(simd, input, i + j * S::N) });
        }
        i += 4 * S::N;
    }
    for i in (i..input.len()).step_by(S::N) {
        // SAFETY: no more elements than the input has left.
        let v = unsafe { load_first(simd, input, i, S::N.min(input.len() - i)) };
        seen[0] = simd.max(seen[0], v);
    }
}
