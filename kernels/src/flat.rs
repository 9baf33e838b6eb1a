//! Means of bytes under windows of three by three, one apart: planes are walked as if each were one line.
//!
//! Vectors go on from a row to the next, so that none is at an edge, which of bytes takes longer than what is
//! between, and none is mostly empty, as those of narrow planes are. What a sum has from the row before or after is
//! masked, as tables say, and they say what it is divided by. Bytes at even and at odd places are vectors
//! of their own, since to take them apart is what widening them costs anyway.
//!
//! Of small planes, vectors go on from a plane to the next, too: tables say which columns have a line above and below.

use crate::number::{Element, Number};
use crate::reduction::{Divide, Reduction, fraction};
use crate::simd::{Lanes, Memory, WIDEST, load_lanes, load_of_two, store_twos};
use crate::{Axis, Geometry};
use core::array::from_fn;
use core::ops::Range;

/// Wider planes have few edges.
const MAX_WIDTH: usize = 512;

/// Smaller tensors are not worth the tables.
const FEWEST: usize = 8192;

/// Elements of a plane that is small. Those of larger ones have vectors enough between the first and the last row,
/// which have no masks for lines.
const SMALL: usize = 400;

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
        && are_fractions(geometry)
}

/// Whether all averages are products with a [`fraction`].
#[inline(always)]
pub(crate) fn are_fractions(geometry: &Geometry) -> bool {
    let is_one = |&divisor: &i64| fraction(divisor, geometry.rounding()).is_some();
    geometry.divisors().as_flattened().iter().all(is_one)
}

/// Rows at the start and at the end of a tensor or of its output that hold as much as is read or written too much.
pub(crate) fn margin<T: Element, S: Memory<T>>(geometry: &Geometry) -> usize {
    1 + (2 * S::N).div_ceil(geometry.row_len())
}

/// Something of each column of a row, or of each element of a small plane: of those at even places, and then of those at odd
/// ones. More than there are, for vectors that go on in the next.
type Table<A> = [A; 2 * ENTRIES];

/// Which entry of a table is that of a place; that of the place two after it is the next one.
#[inline(always)]
fn entry(place: usize) -> usize {
    place % 2 * ENTRIES + place / 2
}

/// The fractions of the [divisors](Geometry::divisors).
#[inline(always)]
fn factors_of<A: Number>(geometry: &Geometry) -> [[A; 3]; 3] {
    geometry
        .divisors()
        .map(|row| row.map(|by| A::nearest(fraction(by, geometry.rounding()).unwrap_or(0))))
}

/// Which of three a row or a window is of so many: the first, one between, or the last.
#[inline(always)]
pub(crate) fn place(at: usize, len: usize) -> usize {
    if at == 0 { 0 } else { 1 + usize::from(at + 1 == len) }
}

/// Masks of where there is a column before, and the fractions to multiply by in the first row of a plane, in others and in
/// the last. A call, so that there is one for all kernels.
#[inline(never)]
fn tables<A: Number>(geometry: &Geometry, lanes: usize) -> (Table<A>, [Table<A>; 3]) {
    let width = geometry.row_len();
    let mut inside = [A::nearest(-1); 2 * ENTRIES];
    let mut factors = [inside; 3];
    let factors_of = factors_of::<A>(geometry);
    let mut x = 0;
    for at in 0..width + 4 + 2 * lanes {
        if x == 0 {
            inside[entry(at)] = A::ZERO;
        }
        for row in 0..3 {
            factors[row][entry(at)] = factors_of[row][place(x, width)];
        }
        x = if x + 1 == width { 0 } else { x + 1 };
    }
    (inside, factors)
}

/// The same of each element of a small plane: masks of where there is a column before, a line above and one below, and the
/// fractions.
#[inline(never)]
fn plane_tables<A: Number>(geometry: &Geometry, lanes: usize) -> [Table<A>; 4] {
    let [_, Axis { input: height, .. }, Axis { input: width, .. }] = *geometry.axes();
    let factors_of = factors_of::<A>(geometry);
    let mut tables = [[A::ZERO; 2 * ENTRIES]; 4];
    let (mut x, mut y) = (0, 0);
    for at in 0..height * width + 4 + 2 * lanes {
        let factor = factors_of[place(y, height)][place(x, width)];
        let there = [x > 0, y > 0, y + 1 < height].map(|there| A::nearest(-i64::from(there)));
        for (table, value) in tables.iter_mut().zip(there.into_iter().chain([factor])) {
            table[entry(at)] = value;
        }
        x += 1;
        if x == width {
            (x, y) = (0, if y + 1 == height { 0 } else { y + 1 });
        }
    }
    tables
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
    let (mut row, mut y) = (rows.start, rows.start % height);
    if height * width <= SMALL {
        // Borrowed where they are: parts of them would be copied, by a call.
        let [inside, above, below, factors] = &plane_tables::<T::Acc>(geometry, S::N);
        let walk = Flat::<T> { period: height * width, inside, factors };
        let start = [row * width, y * width];
        return walk.run::<R, S>(
            simd,
            start,
            rows.len() * width,
            #[inline(always)]
            |at, entry, i| {
                let (first, third) =
                    (line(simd, input, at - width, i), line(simd, input, at + width, i));
                let first = simd.and(first, lookup(simd, above, entry));
                let third = simd.and(third, lookup(simd, below, entry));
                R::merge(simd, R::merge(simd, first, line(simd, input, at, i)), third)
            },
            output,
        );
    }
    let (inside, factors) = &tables::<T::Acc>(geometry, S::N);
    let mut to = 0;
    while row < rows.end {
        // The first or the last row of a plane, or those between, as far as they are wanted.
        let inner = 0 < y && y < height - 1;
        let count = if inner { (height - 1 - y).min(rows.end - row) } else { 1 };
        let factors = &factors[place(y, height)];
        let walk = Flat::<T> { period: width, inside, factors };
        let (start, len, output) = (row * width, count * width, &mut output[to..]);
        // The first line, and where the windows' centres are.
        let above = if y == 0 { start } else { start - width };
        if inner {
            walk.rows::<R, S, 3>(simd, input, [above, start], len, output);
        } else {
            walk.rows::<R, S, 2>(simd, input, [above, start], len, output);
        }
        to += len;
        row += count;
        y = if y + count == height { 0 } else { y + count };
    }
}

/// A vector of a line, from `at` on: of the elements at even places, if `i` is 0, or at odd ones.
#[inline(always)]
fn line<T: Element, S: Memory<T>>(simd: S, input: &[T], at: usize, i: usize) -> S::Vector {
    // SAFETY: the margin has as many lines and as long vectors before and after.
    unsafe { load_of_two(simd, input, at, i) }
}

/// What a table says of a vector of places, two apart, from the one of an entry on.
#[inline(always)]
fn lookup<A: Number, S: Lanes<A>>(simd: S, table: &Table<A>, entry: usize) -> S::Vector {
    // SAFETY: as many entries as a vector has lanes come after that of each place of a period and two more.
    unsafe { load_lanes(simd, table, entry) }
}

struct Flat<'a, T: Element> {
    /// Elements after which the tables start anew.
    period: usize,
    /// Nothing in the first column: it is not to the right of the one before it, nor is that to its left.
    inside: &'a Table<T::Acc>,
    factors: &'a Table<T::Acc>,
}

impl<T: Element> Flat<'_, T> {
    /// Averages `len` windows from the first of a row on, under `LINES` lines, given where the first of these starts, and
    /// where the row of the windows does.
    #[inline(always)]
    fn rows<R: Reduction<T::Acc>, S: Memory<T>, const LINES: usize>(
        &self,
        simd: S,
        input: &[T],
        [above, start]: [usize; 2],
        len: usize,
        output: &mut [T],
    ) {
        let (width, before) = (self.period, start - above);
        self.run::<R, S>(
            simd,
            [start, 0],
            len,
            #[inline(always)]
            |at, _, i| {
                let mut sum = line(simd, input, at - before, i);
                for j in 1..LINES {
                    sum = R::merge(simd, sum, line(simd, input, at - before + j * width, i));
                }
                sum
            },
            output,
        );
    }

    /// Averages `len` windows, given where the first one's centre is in the input and in a period, and what sums a vector of
    /// columns from a place of the input on, at even or at odd places, of which the first has that entry of tables.
    #[inline(always)]
    fn run<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        [start, mut x]: [usize; 2],
        len: usize,
        column: impl Fn(usize, usize, usize) -> S::Vector,
        output: &mut [T],
    ) {
        let two = 2 * S::N;
        // Sums of columns one after the windows at even places, and two after.
        let ago = (x + 1 + two.next_multiple_of(self.period) - two) % self.period;
        let columns = |at, [even, odd]: [usize; 2]| [column(at, even, 0), column(at, odd, 1)];
        let mut before = columns(start + 1 - two, [entry(ago), entry(ago + 1)]);
        let mut i = 0;
        while i < len {
            // All that is looked up is at two places in the tables, since to compute each takes longer than to add.
            let [this, next] = [entry(x), entry(x + 1)];
            let new = columns(start + 1 + i, [next, this + 1]);
            let [left, centre] =
                [simd.slide::<1>(before[0], new[0]), simd.slide::<1>(before[1], new[1])];
            before = new;
            let [first, second, third] =
                [this, next, this + 1].map(|entry| lookup(simd, self.inside, entry));
            let even = R::merge(simd, simd.and(left, first), simd.and(new[0], second));
            let odd = R::merge(simd, simd.and(centre, second), simd.and(new[1], third));
            let sums = [R::merge(simd, even, centre), R::merge(simd, odd, new[0])];
            let results = from_fn::<_, 2, _>(
                #[inline(always)]
                |i| {
                    let factor = lookup(simd, self.factors, [this, next][i]);
                    R::finish(simd, sums[i], Divide::ByFractionOfMagnitude(factor))
                },
            );
            // SAFETY: the output goes on, as the caller promises.
            unsafe { store_twos(simd, &results, output, i) }
            i += two;
            x += two;
            while x >= self.period {
                x -= self.period;
            }
        }
    }
}
