//! Means of bytes under windows of three by three, one apart: planes are walked as if each were one line.
//!
//! Vectors go on from a row to the next, so that none is at an edge, which of bytes takes longer than what is
//! between, and none is mostly empty, as those of narrow planes are. What a sum has from the row before or after is
//! multiplied by 0, as tables say, and they say what it is divided by. Bytes at even and at odd places are vectors
//! of their own, since to take them apart is what widening them costs anyway.

use crate::number::{Element, Number};
use crate::reduction::{Divide, Reduction, fraction};
use crate::simd::{Memory, WIDEST, load_lanes, load_of_two, store_twos};
use crate::{Axis, Geometry};
use core::array::from_fn;
use core::ops::Range;

/// Wider planes have few edges.
const MAX_WIDTH: usize = 512;

/// Smaller tensors are not worth the tables.
const FEWEST: usize = 8192;

/// Entries of a table.
const ENTRIES: usize = MAX_WIDTH / 2 + WIDEST;

/// Whether vectors are of bytes taken apart.
pub(crate) const fn takes<T: Element, S: Memory<T>>() -> bool {
    S::APART && S::PARTS && size_of::<T>() == 1
}

/// Whether this walk takes these windows: if averages are products with a [`fraction`], whatever is counted.
pub(crate) fn fits(geometry: &Geometry) -> bool {
    let [_, height, width] = geometry.axes();
    let same = |axis: &Axis| {
        (axis.kernel, axis.stride, axis.dilation, axis.pad_begin) == (3, 1, 1, 1)
            && axis.output == axis.input
            && axis.input > 2
    };
    geometry.rows_alike().shallow
        && same(height)
        && same(width)
        && geometry.is_single()
        && geometry.strides().height == width.input
        && geometry.follow_after(height.input)
        && width.input <= MAX_WIDTH
        && geometry.output_len() >= FEWEST
        && divisors(geometry)
            .into_iter()
            .flatten()
            .all(|divisor| fraction(divisor, geometry.rounding()).is_some())
}

/// Divisors in the first row of a plane, in those between and in the last, of the first, of others, and of the last
/// window.
fn divisors(geometry: &Geometry) -> [[i64; 3]; 3] {
    let places = |axis: usize| [0, 1, geometry.axes()[axis].output - 1];
    places(1).map(|y| places(2).map(|x| geometry.divide_by([0, y, x])))
}

/// Rows at the start and at the end of a tensor or of its output that hold as much as is read or written too much.
pub(crate) fn margin<T: Element, S: Memory<T>>(geometry: &Geometry) -> usize {
    1 + (2 * S::N).div_ceil(geometry.row_len())
}

/// What there is of each column, from the first at even and from the second at odd places; more than a row has,
/// for vectors that go on in the next.
type Table<A> = [[A; ENTRIES]; 2];

/// Where there is a column before, and the fractions to multiply by in the first row of a plane, in others and in the
/// last. A call, so that there is one for all kernels.
#[inline(never)]
fn tables<A: Number>(geometry: &Geometry, lanes: usize) -> (Table<A>, [Table<A>; 3]) {
    let width = geometry.row_len();
    let mut inside = [[A::nearest(1); ENTRIES]; 2];
    let mut factors = [inside; 3];
    let factors_of = divisors(geometry)
        .map(|row| row.map(|by| A::nearest(fraction(by, geometry.rounding()).unwrap_or(0))));
    for parity in 0..2 {
        let mut x = parity;
        for i in 0..width / 2 + 2 + lanes {
            while x >= width {
                x -= width;
            }
            let place = if x == 0 { 0 } else { 1 + usize::from(x + 1 == width) };
            if x == 0 {
                inside[parity][i] = A::ZERO;
            }
            for row in 0..3 {
                factors[row][parity][i] = factors_of[row][place];
            }
            x += 2;
        }
    }
    (inside, factors)
}

/// Averages the windows of output rows `rows`, of which none is as near to the start or the end as the
/// [`margin`] says, to `output`, which goes on after them.
#[inline(always)]
pub(crate) fn flat<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) {
    let [_, Axis { input: height, .. }, Axis { input: width, .. }] = *geometry.axes();
    // Borrowed where they are: parts of them would be copied, by a call.
    let (inside, factors) = &tables::<T::Acc>(geometry, S::N);
    let walk = Flat { input, width, inside };
    let (mut row, mut y) = (rows.start, rows.start % height);
    let mut to = 0;
    while row < rows.end {
        // The first or the last row of a plane, or those between, as far as they are wanted.
        let inner = 0 < y && y < height - 1;
        let count = if inner { (height - 1 - y).min(rows.end - row) } else { 1 };
        let (above, len) = ((row - 1) * width, count * width);
        if inner {
            walk.run::<R, S, 3>(simd, above, len, &factors[1], output, to);
        } else if y == 0 {
            walk.run::<R, S, 2>(simd, above + width, len, &factors[0], output, to);
        } else {
            walk.run::<R, S, 2>(simd, above, len, &factors[2], output, to);
        }
        to += len;
        row += count;
        y = if y + count == height { 0 } else { y + count };
    }
}

struct Flat<'a, T: Element> {
    input: &'a [T],
    width: usize,
    /// 0 in the first column: it is not to the right of the one before it, nor is that to its left.
    inside: &'a Table<T::Acc>,
}

impl<T: Element> Flat<'_, T> {
    /// Averages `len` windows from the first of a row on, under `LINES` lines, of which the first starts at `line`.
    #[inline(always)]
    fn run<R: Reduction<T::Acc>, S: Memory<T>, const LINES: usize>(
        &self,
        simd: S,
        line: usize,
        len: usize,
        factors: &Table<T::Acc>,
        output: &mut [T],
        to: usize,
    ) {
        let column = |at: usize| -> [S::Vector; 2] {
            from_fn(
                #[inline(always)]
                |i| {
                    let mut sum = simd.splat(R::IDENTITY);
                    for j in 0..LINES {
                        // SAFETY: the margin has as many lines and as long vectors before and after.
                        let v = unsafe { load_of_two(simd, self.input, at + j * self.width, i) };
                        sum = if j == 0 { v } else { R::merge(simd, sum, v) };
                    }
                    sum
                },
            )
        };
        let lookup = |table: &Table<T::Acc>, x: usize| {
            // SAFETY: as many entries as a vector has lanes come after each column of a row and two more.
            unsafe { load_lanes(simd, &table[x % 2], x / 2) }
        };
        // Sums of columns one after the windows at even places, and two after.
        let mut before = column(line + 1 - 2 * S::N);
        let (mut x, mut i) = (0, 0);
        while i < len {
            let new = column(line + 1 + i);
            let [left, centre] =
                [simd.slide::<1>(before[0], new[0]), simd.slide::<1>(before[1], new[1])];
            before = new;
            let [first, second, third] = [x, x + 1, x + 2].map(|x| lookup(self.inside, x));
            let even = R::merge(simd, simd.mul(left, first), simd.mul(new[0], second));
            let odd = R::merge(simd, simd.mul(centre, second), simd.mul(new[1], third));
            let sums = [R::merge(simd, even, centre), R::merge(simd, odd, new[0])];
            let results = from_fn::<_, 2, _>(
                #[inline(always)]
                |i| {
                    let factor = lookup(factors, x + i);
                    R::finish(simd, sums[i], Divide::ByFractionOfMagnitude(factor))
                },
            );
            // SAFETY: the output goes on, as the caller promises.
            unsafe { store_twos(simd, &results, output, to + i) }
            i += 2 * S::N;
            x += 2 * S::N;
            while x >= self.width {
                x -= self.width;
            }
        }
    }
}
