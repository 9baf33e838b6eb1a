//! Means of bytes under windows of three by three, one apart, on small planes, which are walked as if all were one line.
//!
//! Vectors go on from a row to the next, and from a plane to the next, so that none is at an edge, which of bytes takes
//! longer than what is between, and none is mostly empty, as those of narrow planes are. What a sum has from the rows and
//! the columns around it is masked, as tables say, and they say what it is divided by. Bytes at even and at odd places are
//! vectors of their own, since to take them apart is what widening them costs anyway.

use crate::number::{Element, Number};
use crate::paired::{self, factors, place};
use crate::reduction::Reduction;
use crate::simd::{Lanes, Memory, WIDEST, load_lanes, load_of_two, store_twos};
use crate::{Axis, Geometry};
use core::ops::Range;

/// Wider planes fill vectors of their own.
const MAX_WIDTH: usize = 17;

/// Elements of a plane that is small.
const SMALL: usize = 400;

/// Smaller tensors are not worth the tables.
const FEWEST: usize = 8192;

/// Entries of a table.
const ENTRIES: usize = SMALL / 2 + WIDEST;

/// Whether vectors are of bytes taken apart.
pub(crate) const fn takes<T: Element, S: Memory<T>>() -> bool {
    S::APART && S::PARTS && size_of::<T>() == 1
}

/// Whether this walk takes these windows: if averages are products with a [`fraction`](crate::reduction::fraction), whatever
/// is counted.
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
        && height.input * width.input <= SMALL
        && geometry.output_len() >= FEWEST
        && paired::are_fractions(geometry)
}

/// The rows of `rows` from which nothing is read or written that is beyond a buffer: as many are left out at both ends as
/// hold what a vector has too much.
pub(crate) fn amid<T: Element, S: Memory<T>>(
    geometry: &Geometry,
    rows: &Range<usize>,
) -> Range<usize> {
    let margin = 1 + (2 * S::N).div_ceil(geometry.row_len());
    let start = rows.start.max(margin.min(rows.end));
    start..rows.end.saturating_sub(margin).max(start)
}

/// Something of each element of a plane: of those at even places, and then of those at odd ones. More than there are, for
/// vectors that go on in the next.
type Table<A> = [A; 2 * ENTRIES];

/// Which entry of a table is that of a place; that of the place two after it is the next one.
#[inline(always)]
fn entry(place: usize) -> usize {
    place % 2 * ENTRIES + place / 2
}

/// Of each element of a plane, masks of where there is a column before, a line above and one below, and the fraction to
/// multiply by. A call, so that there is one for all kernels.
#[inline(never)]
fn tables<A: Number>(geometry: &Geometry, lanes: usize) -> [Table<A>; 4] {
    let [_, Axis { input: height, .. }, Axis { input: width, .. }] = *geometry.axes();
    let (factors, _) = factors::<A>(geometry);
    let mut tables = [[A::ZERO; 2 * ENTRIES]; 4];
    let (mut x, mut y) = (0, 0);
    for at in 0..height * width + 4 + 2 * lanes {
        let factor = factors[place(y, height)][place(x, width)];
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

/// What a table says of a vector of places, two apart, from the one of an entry on.
#[inline(always)]
fn lookup<A: Number, S: Lanes<A>>(simd: S, table: &Table<A>, entry: usize) -> S::Vector {
    // SAFETY: as many entries as a vector has lanes come after that of each place of a plane and two more.
    unsafe { load_lanes(simd, table, entry) }
}

/// Planes as one line.
struct Flat<'a, T: Element> {
    input: &'a [T],
    /// From a line to the next.
    width: usize,
    above: &'a Table<T::Acc>,
    below: &'a Table<T::Acc>,
}

impl<T: Element> Flat<'_, T> {
    /// The sums of a vector of columns from a place of the input on, at even places or, if `odd` is 1, at odd ones, of which
    /// the first has that entry of tables.
    #[inline(always)]
    fn column<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        at: usize,
        entry: usize,
        odd: usize,
    ) -> S::Vector {
        // SAFETY: rows amid others have as many lines and as long vectors before and after them.
        let first = unsafe { load_of_two(simd, self.input, at - self.width, odd) };
        // SAFETY: the same.
        let second = unsafe { load_of_two(simd, self.input, at, odd) };
        // SAFETY: the same.
        let third = unsafe { load_of_two(simd, self.input, at + self.width, odd) };
        let first = simd.and(first, lookup(simd, self.above, entry));
        let third = simd.and(third, lookup(simd, self.below, entry));
        R::merge(simd, R::merge(simd, first, second), third)
    }

    /// The same at even places and at odd ones, given both entries.
    #[inline(always)]
    fn columns<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        at: usize,
        [even, odd]: [usize; 2],
    ) -> [S::Vector; 2] {
        [self.column::<R, S>(simd, at, even, 0), self.column::<R, S>(simd, at, odd, 1)]
    }
}

/// Averages the windows of output rows that are [`amid`] others to `output`, which goes on after them.
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
    let [inside, above, below, factors] = &tables::<T::Acc>(geometry, S::N);
    let walk = Flat { input, width, above, below };
    let (start, len, period) = (rows.start * width, rows.len() * width, height * width);
    let two = 2 * S::N;
    // Where the first window is in its plane, and one vector before the place after it.
    let mut x = rows.start % height * width;
    let ago = (x + 1 + two.next_multiple_of(period) - two) % period;
    // Sums of columns one after the windows at even places, and two after.
    let mut before = walk.columns::<R, S>(simd, start + 1 - two, [entry(ago), entry(ago + 1)]);
    let mut i = 0;
    while i < len {
        // All that is looked up is at two places in the tables, since to compute each takes longer than to add.
        let [this, next] = [entry(x), entry(x + 1)];
        let new = walk.columns::<R, S>(simd, start + 1 + i, [next, this + 1]);
        let [left, centre] =
            [simd.slide::<1>(before[0], new[0]), simd.slide::<1>(before[1], new[1])];
        before = new;
        let [first, second, third] =
            [this, next, this + 1].map(|entry| lookup(simd, inside, entry));
        let even = R::merge(simd, simd.and(left, first), simd.and(new[0], second));
        let odd = R::merge(simd, simd.and(centre, second), simd.and(new[1], third));
        let sums = [R::merge(simd, even, centre), R::merge(simd, odd, new[0])];
        let factors = [lookup(simd, factors, this), lookup(simd, factors, next)];
        let results = paired::finish::<R, T, S, true>(simd, sums, factors);
        // SAFETY: the output goes on, as the caller promises.
        unsafe { store_twos(simd, &results, output, i) }
        i += two;
        x += two;
        while x >= period {
            x -= period;
        }
    }
}
