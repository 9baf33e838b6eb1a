//! Means of bytes under windows of three by three, one apart, over single elements.
//!
//! An instruction multiplies bytes by weights and adds each two that are neighbours, so that neither widening them nor
//! masking what is beyond an edge takes any other. Windows at even and at odd places are vectors of their own: a line gives
//! both the sum of a pair, and one element more, before it or after it.
//!
//! A plane is walked in strips, two vectors wide, from top to bottom, and what lines give is carried down in registers.
//! Two rows at a time share the sum of the two lines between them.

use crate::number::{Element, Number};
use crate::reduction::{Divide, Reduction, fraction};
use crate::simd::{Memory, WIDEST, load_lanes, load_pairs, store_twos};
use crate::{Axis, Geometry};
use core::ops::Range;

/// Smaller tensors are not worth the tables.
const FEWEST: usize = 4096;

/// Rows of a plane of several strips that are walked down at a time, so that their lines stay in the first-level cache.
const ROWS: usize = 32;

/// The most lanes of 16 bits.
const LANES: usize = WIDEST / 2;

/// Whether vectors are of pairs of bytes.
pub(crate) const fn takes<T: Element, S: Memory<T>>() -> bool {
    S::PAIRS
}

/// Whether this walk takes these windows: if averages are products with a [`fraction`], whatever is counted.
pub(crate) fn fits(geometry: &Geometry) -> bool {
    let [depth, height, width] = geometry.axes();
    // No window reaches more than one element over an edge.
    let near = |axis: &Axis| {
        (axis.kernel, axis.stride, axis.dilation) == (3, 1, 1)
            && axis.pad_begin <= 1
            && axis.output < axis.input + axis.pad_begin
    };
    depth.is_flat()
        && near(height)
        && near(width)
        && geometry.is_single()
        && geometry.follow_after(height.input)
        && geometry.output_len() >= FEWEST
        && are_fractions(geometry)
}

/// Whether all averages are products with a [`fraction`].
#[inline(always)]
pub(crate) fn are_fractions(geometry: &Geometry) -> bool {
    let is_one = |&divisor: &i64| fraction(divisor, geometry.rounding()).is_some();
    geometry.divisors().as_flattened().iter().all(is_one)
}

/// Which of three a row or a window is of so many: the first, one between, or the last.
#[inline(always)]
pub(crate) fn place(at: usize, len: usize) -> usize {
    if at == 0 { 0 } else { 1 + usize::from(at + 1 == len) }
}

/// The rows of `rows` from which nothing is read or written that is beyond a buffer: none that has the first line, and as
/// many left out at the end as hold what a vector has too much.
pub(crate) fn amid<T: Element, S: Memory<T>>(
    geometry: &Geometry,
    rows: &Range<usize>,
) -> Range<usize> {
    let start = rows.start.max(2).min(rows.end);
    let margin = 2 + (2 * S::N).div_ceil(geometry.row_len());
    start..rows.end.saturating_sub(margin).max(start)
}

/// The fractions of the [divisors](Geometry::divisors), and whether any of these is even.
#[inline(never)]
pub(crate) fn factors<A: Number>(geometry: &Geometry) -> ([[A; 3]; 3], bool) {
    let divisors = geometry.divisors();
    let factor = |by| A::nearest(fraction(by, geometry.rounding()).unwrap_or(0));
    let is_even = divisors.as_flattened().iter().any(|by| by % 2 == 0);
    (divisors.map(|row| row.map(factor)), is_even)
}

/// What a strip's lanes are multiplied by.
struct Strip<A> {
    /// Weights of two bytes, 1 or 0 where there is no such column: of the pair that windows at even and at odd places both
    /// have, of the one before it and itself, and of itself and the one after it.
    pair: [A; LANES],
    before: [A; LANES],
    after: [A; LANES],
    /// The fractions of windows in the first row of a plane, in others, and in the last, at even and at odd places.
    factors: [[[A; LANES]; 2]; 3],
}

impl<A: Number> Strip<A> {
    /// The strip whose first window is the `x`-th of a row, by vectors of so many lanes. A call, so that there is one for all
    /// kernels.
    #[inline(never)]
    fn new(width: &Axis, x: usize, lanes: usize, factors: &[[A; 3]; 3]) -> Self {
        let mut strip = Self {
            pair: [A::ZERO; LANES],
            before: [A::ZERO; LANES],
            after: [A::ZERO; LANES],
            factors: [[[A::ZERO; LANES]; 2]; 3],
        };
        for i in 0..lanes {
            // The column before the pair; before the first one, it wraps.
            let before = (x + 2 * i).wrapping_sub(width.pad_begin);
            let weight = |column: usize, weight: i64| {
                if before.wrapping_add(column) < width.input { weight } else { 0 }
            };
            let [first, second] = [1, 0x100];
            strip.before[i] = A::nearest(weight(0, first));
            strip.pair[i] = A::nearest(weight(1, first) + weight(2, second));
            strip.after[i] = A::nearest(weight(3, second));
            for (strip, factors) in strip.factors.iter_mut().zip(factors) {
                for (odd, strip) in strip.iter_mut().enumerate() {
                    let window = (x + 2 * i + odd).min(width.output - 1);
                    strip[i] = factors[place(window, width.output)];
                }
            }
        }
        strip
    }

    /// The fractions of a row, given its [`place`].
    #[inline(always)]
    fn factors<T: Element<Acc = A>, S: Memory<T>>(&self, simd: S, place: usize) -> [S::Vector; 2] {
        let [even, odd] = &self.factors[place];
        // SAFETY: a strip has as many lanes as the widest vector.
        let even = unsafe { load_lanes(simd, even, 0) };
        // SAFETY: the same.
        [even, unsafe { load_lanes(simd, odd, 0) }]
    }
}

/// Averages the windows of output rows that are [`amid`] others to `output`, which goes on after them.
#[inline(always)]
pub(crate) fn paired<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let [_, height, width] = geometry.axes();
    let two = 2 * S::N;
    // The last strip is flush with the last window of a row, unless it is the only one.
    let last = width.output.saturating_sub(two);
    let (factors, is_even) = factors(geometry);
    let strips = &[
        Strip::<T::Acc>::new(width, 0, S::N, &factors),
        Strip::new(width, two.min(last), S::N, &factors),
        Strip::new(width, last, S::N, &factors),
    ];
    let (plane, z, mut y) = geometry.position(rows.start);
    let (mut slice, mut row) = ((plane, z), rows.start);
    while row < rows.end {
        let end = height.output.min(y + rows.end - row);
        let step = if last == 0 { height.output } else { ROWS };
        let start = geometry.slice_start(slice);
        for first in (y..end).step_by(step) {
            let part = first..end.min(first + step);
            let mut x = 0;
            loop {
                let strip = &strips[if x == 0 { 0 } else { 1 + usize::from(x == last) }];
                let to = (row - rows.start + first - y) * width.output + x;
                let (at, output) = (start + x, &mut output[to..]);
                let rows = part.clone();
                if is_even {
                    down::<R, T, S, true>(simd, geometry, strip, rows, input, at, output);
                } else {
                    down::<R, T, S, false>(simd, geometry, strip, rows, input, at, output);
                }
                if x == last {
                    break;
                }
                x = last.min(x + two);
            }
        }
        row += end - y;
        (slice, y) = (geometry.slice_after(slice), 0);
    }
}

/// The lines of a plane below a strip.
#[derive(Clone, Copy)]
struct Lines<'a, T, V> {
    input: &'a [T],
    height: usize,
    /// Where the central column of the first window is in the first line, and from a line to the next.
    centre: usize,
    stride: usize,
    weights: [V; 3],
}

impl<T: Element, V: Copy> Lines<'_, T, V> {
    /// The sums of three neighbours of a line, at even and at odd places.
    #[inline(always)]
    fn across<R: Reduction<T::Acc>, S: Memory<T, Vector = V>>(&self, simd: S, y: usize) -> [V; 2] {
        let at = self.centre + y * self.stride;
        let [before, pair, after] = self.weights;
        // SAFETY: rows amid others have as much before and after them as is read too much.
        let pair = unsafe { load_pairs(simd, self.input, at, pair) };
        // SAFETY: the same.
        let before = unsafe { load_pairs(simd, self.input, at - 1, before) };
        // SAFETY: the same.
        let after = unsafe { load_pairs(simd, self.input, at + 1, after) };
        [R::merge(simd, before, pair), R::merge(simd, pair, after)]
    }

    /// The same, if there is such a line.
    #[inline(always)]
    fn across_any<R: Reduction<T::Acc>, S: Memory<T, Vector = V>>(
        &self,
        simd: S,
        y: usize,
    ) -> [V; 2] {
        if y < self.height { self.across::<R, S>(simd, y) } else { [simd.splat(R::IDENTITY); 2] }
    }
}

/// Averages windows of some rows of a plane, given where the first of them would be in its first line; `EVEN` says that
/// there are divisors of which some quotients are halves.
#[inline(always)]
fn down<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const EVEN: bool>(
    simd: S,
    geometry: &Geometry,
    strip: &Strip<T::Acc>,
    rows: Range<usize>,
    input: &[T],
    at: usize,
    output: &mut [T],
) {
    let [_, height, width] = geometry.axes();
    // SAFETY: a strip has as many lanes as the widest vector.
    let before = unsafe { load_lanes(simd, &strip.before, 0) };
    // SAFETY: the same.
    let pair = unsafe { load_lanes(simd, &strip.pair, 0) };
    // SAFETY: the same.
    let after = unsafe { load_lanes(simd, &strip.after, 0) };
    let lines = Lines {
        input,
        height: height.input,
        centre: at + 1 - width.pad_begin,
        stride: geometry.strides().height,
        weights: [before, pair, after],
    };
    // Before the first line, it wraps.
    let mut top = rows.start.wrapping_sub(height.pad_begin);
    let mut above = lines.across_any::<R, S>(simd, top);
    let mut here = lines.across_any::<R, S>(simd, top.wrapping_add(1));
    // Copies: what is behind a reference is loaded again after each store.
    let (row_len, inner) = (width.output, rows.end.min(height.output - 1));
    let factors = strip.factors::<T, S>(simd, 1);
    let (mut y, mut to) = (rows.start, 0);
    while y < rows.end {
        while y > 0 && y + 2 <= inner {
            let below = lines.across::<R, S>(simd, top + 2);
            let last = lines.across::<R, S>(simd, top + 3);
            let between = add::<R, T, S>(simd, here, below);
            let first = add::<R, T, S>(simd, above, between);
            let second = add::<R, T, S>(simd, between, last);
            for (sums, to) in [(first, to), (second, to + row_len)] {
                let results = finish::<R, T, S, EVEN>(simd, sums, factors);
                // SAFETY: rows from there on, which are amid others.
                unsafe { store_twos(simd, &results, output, to) }
            }
            (above, here) = (below, last);
            (y, top) = (y + 2, top + 2);
            to += 2 * row_len;
        }
        if y < rows.end {
            let below = lines.across_any::<R, S>(simd, top.wrapping_add(2));
            let sums = add::<R, T, S>(simd, add::<R, T, S>(simd, above, here), below);
            let factors = strip.factors::<T, S>(simd, place(y, height.output));
            let results = finish::<R, T, S, EVEN>(simd, sums, factors);
            // SAFETY: the same.
            unsafe { store_twos(simd, &results, output, to) }
            (above, here) = (here, below);
            (y, top) = (y + 1, top.wrapping_add(1));
            to += row_len;
        }
    }
}

/// Adds vectors at even and at odd places.
#[inline(always)]
fn add<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    a: [S::Vector; 2],
    b: [S::Vector; 2],
) -> [S::Vector; 2] {
    [R::merge(simd, a[0], b[0]), R::merge(simd, a[1], b[1])]
}

/// Turns sums into averages.
#[inline(always)]
pub(crate) fn finish<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const EVEN: bool>(
    simd: S,
    sums: [S::Vector; 2],
    factors: [S::Vector; 2],
) -> [S::Vector; 2] {
    let mut results = sums;
    for i in 0..2 {
        let divide = match EVEN {
            true => Divide::ByFractionOfMagnitude(factors[i]),
            false => Divide::ByFraction(factors[i]),
        };
        results[i] = R::finish(simd, sums[i], divide);
    }
    results
}
