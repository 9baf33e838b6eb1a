//! Small planes under windows that overlap: a plane, or a channel, in each lane of a vector.
//!
//! As many planes as a vector has lanes are turned, so that an element of a plane is a vector; of channels last,
//! vectors are that as they lie in memory. Windows are then merged along one axis after the other, whole vectors
//! at a time: no lane is shifted, and no line is longer or shorter than what is in it.
//!
//! Extrema under windows one apart are merged by [`Blocks`]. Others, along an axis, are merged from subtrees that
//! windows share, as in [`shared`](crate::shared). A list of merges says which rows of vectors give which other; it is
//! found once, and done for each plane. What is outside the input is in no list: a subtree of which a half is outside
//! is the other half.

use crate::blocks::{Blocks, PITCH};
use crate::number::{Element, Number};
use crate::reduction::{Divide, Reduction};
use crate::simd::{
    Aligned, Isa, Lanes, Memory, TURNED, filled, load, load_between, load_first, load_lanes,
    store_first, store_lanes,
};
use crate::turned::load_turned;
use crate::walk::{FastWalk, LARGE_PART};
use crate::{Axis, Geometry};
use bytemuck::must_cast_slice_mut;
use core::mem::MaybeUninit;
use core::ops::Range;

/// Elements along an axis at most, taps of a window, and windows.
const LONGEST: usize = 42;

/// Positions that a subtree may start at.
const POSITIONS: usize = 128;

/// Sizes of subtrees.
const LEVELS: usize = LONGEST.ilog2() as usize + 1;

/// Merges of an axis at most.
const MERGES: usize = (LEVELS + 3) * LONGEST;

/// Rows that are merged at a time, at most.
const PARTS: usize = 4;

/// Bytes of a pixel of the scratch memory at most: a line of the caches.
const LINE: usize = 64;

/// Pixels of the scratch memory, and words of it, for elements of any type.
const VECTORS: usize = 9216;
const WORDS: usize = VECTORS * LINE / size_of::<u64>();

/// Pixels that are enough for most planes, and words of those.
const FEW: usize = 2560;
const FEW_WORDS: usize = FEW * LINE / size_of::<u64>();

/// Pixels of several channels at most, beyond which walks that need not turn single ones are as fast; more of them
/// where windows have more than so many taps.
const PIXELS: usize = 4096;
const TAPS: usize = 64;
const PIXELS_OF_LARGE: usize = 6400;

/// Planes that are worth finding the merges for, channels of all planes, and lanes that are not to be empty.
const WORTH: usize = 8;
const CHANNELS: usize = 32;
const FEWEST: usize = 4;

/// Whether this walk takes these windows, and they have much in common.
pub(crate) fn fits(geometry: &Geometry) -> bool {
    if !has_room(geometry) {
        return false;
    }
    let [depth, height, width] = geometry.axes();
    let planes = geometry.planes().saturating_mul(depth.output);
    let many = if geometry.is_single() {
        planes >= WORTH
    } else {
        geometry.inner() >= FEWEST && planes.saturating_mul(geometry.inner()) >= CHANNELS
    };
    let apart = height.stride.saturating_mul(width.stride);
    let pays = if height.spread || width.spread {
        // Other walks turn them, too, and merge each by itself.
        geometry.is_single() && apart > 1
    } else {
        // Of channels, other walks merge many at a time.
        let fewest = if geometry.is_single() { 3 } else { 5 };
        height.kernel * width.kernel > apart.saturating_mul(fewest)
    };
    many && pays
}

/// Whether there is room for all that planes are merged into, and more than one window each way: nothing is shared by
/// those that are the only ones.
fn has_room(geometry: &Geometry) -> bool {
    let [depth, height, width] = geometry.axes();
    let small = [height, width].iter().all(|axis| {
        axis.input.max(axis.output).max(axis.kernel) <= LONGEST
            && axis.span() + axis.input <= POSITIONS
    });
    let several = height.output.min(width.output) > 1;
    let room = match height.kernel * width.kernel {
        _ if geometry.is_single() => VECTORS,
        0..=TAPS => PIXELS,
        _ => PIXELS_OF_LARGE,
    };
    depth.is_flat() && small && several && vectors(height, width) <= room
}

/// Whether this walk takes short elements, if not single ones: to turn as many planes as a vector of them has lanes
/// takes longer than is gained. Sums of bytes are divided anew for each window, which is not fast.
pub(crate) const fn takes_channels<T: Element, S: Memory<T>>() -> bool {
    size_of::<T>() <= 2 && !S::PARTS
}

/// Whether channels of short elements are worth it, of windows that this walk [`fits`]: of those, other walks merge many
/// at a time.
pub(crate) fn fits_channels(geometry: &Geometry, lanes: usize) -> bool {
    let [_, height, width] = geometry.axes();
    let apart = height.stride.saturating_mul(width.stride);
    !geometry.is_single()
        && geometry.inner() >= lanes
        && height.kernel * width.kernel > apart.saturating_mul(8)
}

/// Pixels of the scratch memory at most.
fn vectors(height: &Axis, width: &Axis) -> usize {
    // A merge of each size at each position at most; more than four parts are merged two by two.
    let most = |axis: &Axis| {
        let rest = if axis.kernel < 31 { 0 } else { axis.output };
        axis.kernel.ilog2() as usize * axis.input + rest
    };
    let windows = height.output * width.output;
    let down = (height.input + most(height)) * width.input;
    let across = most(width) * height.output + windows;
    // And the divisors.
    down.max(across) + width.input * height.output + windows + 2 * TURNED
}

/// Some rows that are merged into another.
#[derive(Clone, Copy, Default)]
struct Merge {
    /// Which they are, from left to right, or where they start.
    from: [u32; PARTS],
    len: u32,
    /// Where the result starts, and elements from a pixel of it to the next.
    to: u32,
    step: u32,
    /// Whether it is that of windows.
    whole: bool,
}

/// What is merged along an axis.
struct Merges<'a> {
    /// Not an array: moving it would be a call.
    list: &'a mut [Merge],
    len: usize,
    axis: Axis,
    /// Elements of a pixel, and of a row.
    pixel: usize,
    row: usize,
    /// Rows: those of the input, and after them those of subtrees.
    rows: usize,
}

/// Which row the subtree of each level from each position on is, after [`OUTSIDE`](Self::OUTSIDE): from the first
/// tap of a window before the input on.
struct Found([[u16; POSITIONS]; LEVELS]);

impl Found {
    const NOT: u16 = 0;
    const OUTSIDE: u16 = 1;
}

impl<'a> Merges<'a> {
    /// Nothing yet, of rows of so many pixels.
    #[inline(always)]
    fn new(list: &'a mut [Merge], axis: &Axis, pixels: usize, pixel: usize) -> Self {
        Self { list, len: 0, axis: *axis, pixel, row: pixels * pixel, rows: axis.input }
    }

    /// Merges of an axis at most: one of each size at each position, and three for a window.
    fn most(axis: &Axis) -> usize {
        (axis.kernel.checked_ilog2().unwrap_or(0) as usize + 1) * axis.input + 3 * axis.output
    }

    /// Lists what makes all windows.
    #[inline(never)]
    fn fill(&mut self, ordered: bool) {
        let mut found = Found([[Found::NOT; POSITIONS]; LEVELS]);
        for o in 0..self.axis.output {
            self.window(o, ordered, &mut found);
        }
        self.recycle();
    }

    /// Lists what makes a window.
    fn window(&mut self, o: usize, ordered: bool, found: &mut Found) {
        let axis = self.axis;
        let start = axis.start(o) as isize;
        let tap = |tap: usize| start + (tap * axis.dilation) as isize;
        let (mut parts, mut len) = ([0; LEVELS], 0);
        let mut add = |part: Option<usize>| {
            if let Some(part) = part {
                parts[len] = part;
                len += 1;
            }
        };
        let taps = axis.taps(o);
        if ordered {
            let kernel = if axis.spread { taps.end } else { axis.kernel };
            let mut first = 0;
            for level in (0..LEVELS).rev() {
                if kernel & 1 << level != 0 {
                    add(self.subtree(level, tap(first), found));
                    first += 1 << level;
                }
            }
        } else {
            // The smallest of which few make a window; the last one overlaps the one before it.
            let width = taps.len().div_ceil(PARTS).next_power_of_two();
            for first in taps.clone().step_by(width) {
                let first = first.min(taps.end.saturating_sub(width));
                add(self.subtree(width.ilog2() as usize, tap(first), found));
            }
        }
        // The last ones first.
        while len > PARTS {
            parts[len - 2] = self.merge(parts[len - 2], parts[len - 1]);
            len -= 1;
        }
        let [a, b, c, d, ..] = parts;
        let (to, step) = (o * self.pixel, axis.output * self.pixel);
        self.push([a, b, c, d], len, to, step, true);
    }

    /// Which row the subtree of a level is that starts at a position, if any of it is inside the input.
    fn subtree(&mut self, level: usize, start: isize, found: &mut Found) -> Option<usize> {
        let axis = self.axis;
        let reach = (axis.dilation << level) - axis.dilation;
        if start >= axis.input as isize || start + (reach as isize) < 0 {
            return None;
        }
        if level == 0 {
            return Some(start as usize);
        }
        let position = (start + (axis.span() - 1) as isize) as usize;
        match found.0[level][position] {
            Found::NOT => {}
            row => return row.checked_sub(Found::OUTSIDE + 1).map(usize::from),
        }
        let half = (axis.dilation << (level - 1)) as isize;
        let left = self.subtree(level - 1, start, found);
        let right = self.subtree(level - 1, start + half, found);
        let row = match (left, right) {
            (Some(left), Some(right)) => Some(self.merge(left, right)),
            _ => left.or(right),
        };
        found.0[level][position] = row.map_or(Found::OUTSIDE, |row| row as u16 + 2);
        row
    }

    /// Merges two rows into a new one.
    fn merge(&mut self, left: usize, right: usize) -> usize {
        let (to, step) = (self.rows, self.pixel);
        self.rows += 1;
        self.push([left, right, 0, 0], 2, to, step, false);
        to
    }

    fn push(&mut self, from: [usize; PARTS], len: usize, to: usize, step: usize, whole: bool) {
        // All of the scratch memory is less than 2³² elements.
        let [len, to, step] = [len, to, step].map(|n| n as u32);
        self.list[self.len] = Merge { from: from.map(|row| row as u32), len, to, step, whole };
        self.len += 1;
    }

    /// Puts new rows where others are that are not read again, so that all stay in the first-level cache.
    fn recycle(&mut self) {
        let list = &mut self.list[..self.len];
        let mut last = [0; MERGES + LONGEST];
        for (i, merge) in list.iter().enumerate() {
            for &row in &merge.from[..merge.len as usize] {
                last[row as usize] = i;
            }
        }
        let mut places = [0; MERGES + LONGEST];
        for (place, row) in places.iter_mut().zip(0..self.axis.input as u32) {
            *place = row;
        }
        let (mut free, mut count) = ([0; MERGES + LONGEST], 0);
        self.rows = self.axis.input;
        for (i, merge) in list.iter_mut().enumerate() {
            for row in &mut merge.from[..merge.len as usize] {
                let place = places[*row as usize];
                if last[*row as usize] == i {
                    free[count] = place;
                    count += 1;
                }
                *row = place;
            }
            if !merge.whole {
                let place = if count > 0 {
                    count -= 1;
                    free[count]
                } else {
                    self.rows += 1;
                    self.rows as u32 - 1
                };
                places[merge.to as usize] = place;
                merge.to = place;
            }
        }
    }

    /// Says where the rows of the input are, new ones, and the results.
    #[inline(never)]
    fn place(&mut self, [input, new, results]: [usize; 3]) {
        let (rows, len) = (self.axis.input, self.row);
        let place = |row: u32| match (row as usize).checked_sub(rows) {
            Some(row) => (new + row * len) as u32,
            None => (input + row as usize * len) as u32,
        };
        for merge in &mut self.list[..self.len] {
            for row in &mut merge.from[..merge.len as usize] {
                *row = place(*row);
            }
            merge.to = if merge.whole { results as u32 + merge.to } else { place(merge.to) };
        }
    }

    /// Merges what is in the scratch memory.
    #[inline(always)]
    fn merge_all<R: Reduction<A>, A: Number, S: Lanes<A>>(&self, simd: S, scratch: &mut [A]) {
        for merge in &self.list[..self.len] {
            let Merge { from, len, to, step, .. } = *merge;
            let ([a, b, c, d], [to, step]) =
                (from.map(|at| at as usize), [to, step].map(|n| n as usize));
            // Of two vectors, and of the next two.
            let steps = if self.pixel > S::N { [S::N, step] } else { [step, 2 * step] };
            let to = (to, steps, self.row);
            match len {
                0 => merge_rows::<R, A, S, 0>(simd, scratch, [], to),
                1 => merge_rows::<R, A, S, 1>(simd, scratch, [a], to),
                2 => merge_rows::<R, A, S, 2>(simd, scratch, [a, b], to),
                3 => merge_rows::<R, A, S, 3>(simd, scratch, [a, b, c], to),
                _ => merge_rows::<R, A, S, 4>(simd, scratch, [a, b, c, d], to),
            }
        }
    }
}

/// Merges rows of `len` elements into vectors from `to` on, two at a time.
#[inline(always)]
fn merge_rows<R: Reduction<A>, A: Number, S: Lanes<A>, const L: usize>(
    simd: S,
    scratch: &mut [A],
    from: [usize; L],
    (mut to, [step, steps], len): (usize, [usize; 2], usize),
) {
    let mut i = 0;
    while i + 2 * S::N <= len {
        let v = merged::<R, A, S, L>(simd, scratch, from, i);
        let w = merged::<R, A, S, L>(simd, scratch, from, i + S::N);
        // SAFETY: the scratch memory has room for all rows.
        unsafe { store_lanes(simd, v, scratch, to) }
        // SAFETY: the same.
        unsafe { store_lanes(simd, w, scratch, to + step) }
        to += steps;
        i += 2 * S::N;
    }
    if i < len {
        let v = merged::<R, A, S, L>(simd, scratch, from, i);
        // SAFETY: the same.
        unsafe { store_lanes(simd, v, scratch, to) }
    }
}

/// Merges a vector of each of some rows, the last ones first.
#[inline(always)]
fn merged<R: Reduction<A>, A: Number, S: Lanes<A>, const L: usize>(
    simd: S,
    scratch: &[A],
    from: [usize; L],
    i: usize,
) -> S::Vector {
    let mut merged = simd.splat(R::IDENTITY);
    for (j, from) in from.iter().enumerate().rev() {
        // SAFETY: the rows are inside the scratch memory.
        let v = unsafe { load_lanes(simd, scratch, from + i) };
        merged = if j + 1 == L { v } else { R::merge(simd, v, merged) };
    }
    merged
}

/// Small planes; if `CHANNELS`, of several channels a pixel only.
pub(crate) struct Planes<const CHANNELS: bool>;

impl<const CHANNELS: bool> FastWalk for Planes<CHANNELS> {
    const PART: usize = LARGE_PART;
    const EXACT: bool = true;

    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let (blocks, pixels) = needs(geometry, R::ORDERED);
        let task = Task { geometry, rows, input, output, blocks };
        if pixels <= FEW {
            with_scratch::<S, S::Seen, FEW_WORDS>(
                simd,
                #[inline(always)]
                |scratch| task.reduce::<R, S, CHANNELS>(simd, scratch),
            )
        } else {
            with_scratch::<S, S::Seen, WORDS>(
                simd,
                #[inline(always)]
                |scratch| task.reduce::<R, S, CHANNELS>(simd, scratch),
            )
        }
    }
}

/// Which blocks there are, if any, and pixels of the scratch memory at most.
#[inline(never)]
fn needs(geometry: &Geometry, ordered: bool) -> (Option<Blocks>, usize) {
    if !ordered && let Some(blocks) = Blocks::of(geometry, VECTORS) {
        let pixels = blocks.end;
        return (Some(blocks), pixels);
    }
    let [_, height, width] = geometry.axes();
    (None, vectors(height, width))
}

/// Runs `f` on scratch memory that is only there for it: where a function is entered that has much on the stack, each
/// page of it is touched.
#[inline(always)]
fn with_scratch<S: Isa, Seen, const N: usize>(
    simd: S,
    f: impl FnOnce(&mut [MaybeUninit<u64>]) -> Seen,
) -> Seen {
    simd.outline(
        #[inline(always)]
        || f(&mut Aligned([const { MaybeUninit::uninit() }; N]).0),
    )
}

/// What is to be done, and how if by blocks.
struct Task<'a, T> {
    geometry: &'a Geometry,
    rows: Range<usize>,
    input: &'a [T],
    output: &'a mut [T],
    blocks: Option<Blocks>,
}

impl<T: Element> Task<'_, T> {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, S: Memory<T>, const CHANNELS: bool>(
        self,
        simd: S,
        scratch: &mut [MaybeUninit<u64>],
    ) -> S::Seen {
        simd.outline(
            #[inline(always)]
            || self.reduce_in::<R, S, CHANNELS>(simd, scratch),
        )
    }

    #[inline(always)]
    fn reduce_in<R: Reduction<T::Acc>, S: Memory<T>, const CHANNELS: bool>(
        self,
        simd: S,
        scratch: &mut [MaybeUninit<u64>],
    ) -> S::Seen {
        let Self { geometry, rows, input, output, blocks } = self;
        let mut seen = simd.unseen();
        let [_, height, width] = geometry.axes();
        let windows = height.output * width.output;
        let (single, inner) = (const { !CHANNELS } && geometry.is_single(), geometry.inner());
        // Of channels, a line of the caches at a time.
        let wide = const { size_of::<S::Vector>() < LINE } && !single && inner >= 2 * S::N;
        let pixel = if wide { 2 * S::N } else { S::N };
        let mut lists;
        let (how, places) = if let Some(blocks) = blocks {
            let places = [blocks.input, PITCH, blocks.results, blocks.divisors];
            (How::Blocks(blocks), places.map(|at| at * pixel))
        } else {
            // Down into a plane that is turned, so that neighbours are again a row; then across.
            lists = [const { MaybeUninit::uninit() }; 2 * MERGES];
            let len = Merges::most(height) + Merges::most(width);
            let lists = filled(&mut lists, len, Merge::default());
            let (first, second) = lists.split_at_mut(Merges::most(height));
            let mut down = Merges::new(first, height, width.input, pixel);
            let mut across = Merges::new(second, width, height.output, pixel);
            down.fill(R::ORDERED);
            across.fill(R::ORDERED);
            let end = place(&mut down, &mut across);
            (How::Lists([down, across]), [0, width.input * pixel, 0, end])
        };
        // Where the input goes, how far it is to its next row, and where the results and the divisors are.
        let [start, pitch, results, divisors] = places;
        let bytes = (divisors + windows + TURNED) * size_of::<T::Acc>();
        let mut word = [0u64];
        must_cast_slice_mut(&mut word).fill(R::IDENTITY);
        let words = filled(scratch, bytes.div_ceil(size_of::<u64>()), word[0]);
        let scratch = must_cast_slice_mut(words);
        if R::DIVIDES {
            for (i, divisor) in scratch[divisors..][..windows].iter_mut().enumerate() {
                let window = [0, i / width.output, i % width.output];
                *divisor = T::Acc::nearest(geometry.divide_by(window));
            }
        }
        let (mut row, mut at) = (rows.start, 0);
        while row < rows.end {
            let (plane, z, y) = geometry.position(row);
            let left = rows.end - row;
            // Of a plane of which there are only some rows, the others are of no use.
            let whole = y == 0 && left >= height.output;
            let count = match whole {
                true if single => S::N.min(left / height.output),
                _ => 1,
            };
            let rows = y..height.output.min(y + left);
            let mut group = Group {
                geometry,
                input,
                starts: [0; TURNED],
                count,
                part: rows.start * width.output..rows.end * width.output,
                at,
            };
            let mut slice = (plane, z);
            for i in 0..if single { S::N } else { 1 } {
                group.starts[i] = geometry.slice_start(slice);
                if i + 1 < count {
                    slice = geometry.slice_after(slice);
                }
            }
            for c in (0..inner).step_by(pixel) {
                // The last ones are flush with the last channel.
                let channels = c.min(inner.saturating_sub(pixel))..inner.min(c + pixel);
                seen = if const { !CHANNELS } && single {
                    group.turn::<R, S>(simd, scratch, [start, pitch], seen)
                } else {
                    group.copy::<R, S>(simd, channels.clone(), scratch, [start, pitch], seen)
                };
                how.merge::<R, T::Acc, S>(simd, scratch, wide);
                if const { !CHANNELS } && single {
                    group.turn_back::<R, S>(
                        simd,
                        scratch,
                        results,
                        #[inline(always)]
                        |window| {
                            // SAFETY: there are as many divisors as windows, and some more.
                            let by = unsafe { load_lanes(simd, scratch, divisors + window) };
                            Divide::by_lanes::<T::Acc, S>(simd, by, geometry.rounding())
                        },
                        output,
                    );
                    continue;
                }
                let n = channels.len().min(S::N);
                for (j, i) in group.part.clone().enumerate() {
                    let by = simd.splat(scratch[divisors + i]);
                    let divide = Divide::by_lanes::<T::Acc, S>(simd, by, geometry.rounding());
                    let to = at + j * inner + channels.start;
                    // SAFETY: results of a window.
                    let v = unsafe { load_lanes(simd, scratch, results + i * pixel) };
                    // SAFETY: no more elements than there are channels.
                    unsafe { store_first(simd, R::finish(simd, v, divide), output, to, n) }
                    if wide {
                        // SAFETY: results of a window.
                        let v = unsafe { load_lanes(simd, scratch, results + i * pixel + S::N) };
                        let to = to + S::N;
                        // SAFETY: no more elements than there are channels.
                        unsafe { store_first(simd, R::finish(simd, v, divide), output, to, n) }
                    }
                }
            }
            row += count * rows.len();
            at += count * rows.len() * geometry.row_len();
        }
        seen
    }
}

/// How planes are merged.
enum How<'a> {
    /// Some windows side by side together.
    Blocks(Blocks),
    /// Down and across, as lists say.
    Lists([Merges<'a>; 2]),
}

impl How<'_> {
    /// Merges what is in the scratch memory, pixels of one vector, or of two if they are `wide`.
    #[inline(always)]
    fn merge<R: Reduction<A>, A: Number, S: Lanes<A>>(
        &self,
        simd: S,
        scratch: &mut [A],
        wide: bool,
    ) {
        match self {
            Self::Blocks(blocks) if const { !R::ORDERED } => match wide {
                true => blocks.merge::<R, A, S, 2>(simd, scratch),
                false => blocks.merge::<R, A, S, 1>(simd, scratch),
            },
            // There are none where the order shows.
            Self::Blocks(_) => {}
            Self::Lists(lists) => {
                for list in lists {
                    list.merge_all::<R, A, S>(simd, scratch);
                }
            }
        }
    }
}

/// Says where all rows are, those down and those across, and how much of the scratch memory they take.
#[inline(never)]
fn place(down: &mut Merges<'_>, across: &mut Merges<'_>) -> usize {
    // What was merged down is no longer needed when the results are written.
    let results = across.axis.output * across.row;
    let new = results + (across.rows - across.axis.input) * across.row;
    // What is turned may be followed by as many pixels as a vector has lanes.
    let between = new.max(down.rows * down.row) + TURNED * down.pixel;
    down.place([0, down.axis.input * down.row, between]);
    across.place([between, results, 0]);
    between + across.axis.input * across.row
}

/// As many planes as a vector has lanes, or some channels of one.
struct Group<'a, T> {
    geometry: &'a Geometry,
    input: &'a [T],
    /// Where each starts in the input; lanes that have none repeat the last.
    starts: [usize; TURNED],
    count: usize,
    /// The windows that are asked for.
    part: Range<usize>,
    /// Where those of the first plane go in the output.
    at: usize,
}

impl<T: Element> Group<'_, T> {
    /// Copies some channels of a plane.
    #[inline(always)]
    fn copy<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        channels: Range<usize>,
        scratch: &mut [T::Acc],
        [start, pitch]: [usize; 2],
        mut seen: S::Seen,
    ) -> S::Seen {
        let [_, height, width] = self.geometry.axes();
        let strides = self.geometry.strides();
        for y in 0..height.input {
            let mut to = start + y * pitch;
            let mut at = self.starts[0] + y * strides.height + channels.start;
            for _ in 0..width.input {
                let mut i = 0;
                while i < channels.len() {
                    let room = channels.len() >= S::N || at + S::N <= self.input.len();
                    let n = if room { S::N } else { channels.len() };
                    // SAFETY: channels of a pixel, and what comes after them where there is something.
                    let v = unsafe { load_first(simd, self.input, at + i, n) };
                    seen = R::look(simd, seen, v, v);
                    // SAFETY: the scratch memory has room for a plane.
                    unsafe { store_lanes(simd, R::lift(simd, v), scratch, to) }
                    to += S::N;
                    i += S::N;
                }
                at += strides.width;
            }
        }
        seen
    }

    /// Turns planes, so that each is a lane.
    #[inline(always)]
    fn turn<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        scratch: &mut [T::Acc],
        [start, pitch]: [usize; 2],
        mut seen: S::Seen,
    ) -> S::Seen {
        let [_, height, width] = self.geometry.axes();
        let line = self.geometry.strides().height;
        let (runs, len) = match line == width.input && pitch == line * S::N {
            true => (1, height.input * line),
            false => (height.input, width.input),
        };
        for run in 0..runs {
            for i in (0..len).step_by(S::N) {
                // The last ones are flush with the end of the run.
                let first = i.min(len.saturating_sub(S::N));
                let (at, lanes) = (run * line + first, 0..S::N.min(len));
                let to = start + run * pitch + first * S::N;
                seen = if lanes.end == S::N {
                    load_turned::<R, T, S>(
                        simd,
                        scratch,
                        to,
                        seen,
                        #[inline(always)]
                        |lane| {
                            // SAFETY: elements of the run.
                            unsafe { load(simd, self.input, self.starts[lane] + at) }
                        },
                    )
                } else {
                    load_turned::<R, T, S>(
                        simd,
                        scratch,
                        to,
                        seen,
                        #[inline(always)]
                        |lane| {
                            let (at, rest) = (self.starts[lane] + at, simd.splat(R::IDENTITY));
                            // SAFETY: elements of the run.
                            unsafe { load_between(simd, self.input, at, lanes.clone(), rest) }
                        },
                    )
                };
            }
        }
        seen
    }

    /// Finishes the results of the windows of the part, turns them, and writes them.
    #[inline(always)]
    fn turn_back<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        scratch: &[T::Acc],
        results: usize,
        divide: impl Fn(usize) -> Divide<S::Vector>,
        output: &mut [T],
    ) {
        let len = self.part.len();
        for i in (0..len).step_by(S::N) {
            // The last ones are flush with the end.
            let first = i.min(len.saturating_sub(S::N));
            let n = S::N.min(len);
            let window = self.part.start + first;
            let mut square = [simd.splat(T::Acc::ZERO); TURNED];
            for (j, v) in square[..S::N].iter_mut().enumerate() {
                // SAFETY: results, and what is after them.
                *v = unsafe { load_lanes(simd, scratch, results + (window + j) * S::N) };
            }
            simd.turn(&mut square);
            let divide = divide(window);
            for (lane, &v) in square[..S::N].iter().enumerate().take(self.count) {
                let to = self.at + lane * len + first;
                // SAFETY: results of the plane.
                unsafe { store_first(simd, R::finish(simd, v, divide), output, to, n) }
            }
        }
    }
}
