//! Windows over single elements of a row, or over pixels of a few: `out[x] = reduce(row[x * stride + j * dilation])`.
//!
//! Pieces of some rows are first merged down their columns, whole vectors at a time, into a scratch buffer.
//! Columns outside the input are the identity, so that windows at the edges are like all others. Of a single
//! row, a vector that starts between two that have just been stored would have to wait for them.
//!
//! For windows one or two apart, the buffer holds every `stride`-th column together (a *phase*). There a tap
//! of neighbouring windows is a run of neighbours, as in [`down`](crate::down). For windows further apart, it
//! holds them as they are: there four columns of a window are loaded at once, and those of as many windows as
//! a vector has lanes are turned. Of a single line, they are loaded from where they are.
//!
//! Pixels of a few elements are held as they are, too. Where windows are one apart, a tap of neighbouring ones is a
//! run of neighbours. Others are loaded one by one, with what comes after their elements, and stored so: the next one
//! is stored over what was too much.

use crate::fold::fold;
use crate::lines::{OCTET, Octets, Runs, keep_first, merge_columns, octet};
use crate::number::{Element, Number};
use crate::order::{List, Step, merges_after};
use crate::reduction::{Again, Divide, Reduction};
use crate::simd::{
    Aligned, Lanes, Memory, TURNED, WIDEST, filled, load, load_groups, load_groups_of_lanes,
    load_lanes, store, store_first, store_lanes,
};
use crate::walk::{EXACT, FastWalk, is_usual};
use crate::{Axis, Divisor, Geometry, Rounding, pixels, shared};
use core::mem::MaybeUninit;
use core::ops::Range;

/// Elements of the scratch buffer: with f32, half of a first-level cache of 32 KiB.
const SCRATCH: usize = 4096;

/// Elements of a piece of an output row, at most.
const PIECE: usize = 1024;

/// Elements that windows of a row are merged to.
const MERGED: usize = PIECE + PAIR * WIDEST;

/// Bytes that are merged down before any is merged across.
const BATCH: usize = 4096;

/// Rows that are merged down before any is merged across, at most.
const ROWS: usize = 32;

/// Columns of a window that are loaded at once: a subtree of the order.
const FOUR: usize = 4;

/// Columns of windows that are further apart than there are phases, and how far that is, at most.
const COLUMNS: usize = 2 * FOUR;
const APART: usize = 64;

/// So few windows of a row leave most lanes of a vector empty; and where edges are pieces of their own, those take
/// longer than so many.
const FEWEST: usize = 7;
const FEWEST_AND_EDGES: usize = 64;

/// Bytes of a pixel at most, if it is not a single element: of windows that share little, and of those that share much.
const FEW: usize = 96;
const FEW_SHARED: usize = 192;

/// The same where other walks go from pixel to pixel: of short elements, whose pixels are no whole vector, and of long
/// ones under windows one and two apart.
const FEW_SHORT: usize = 28;
const FEW_LONG: [usize; 2] = [20, 12];

/// Vectors of columns, or of windows, that are merged together.
const PAIR: usize = 2;

/// Windows of pixels that are merged together.
const PIXELS: usize = 4;

/// Windows that a vector has room for at least where all that start at some pixel are merged.
const PICKED: usize = 2;

/// Whether windows along `width` are further apart than there are phases.
fn are_apart(width: &Axis) -> bool {
    width.stride > 2
}

/// Whether this walk takes windows that are, and a few columns wide.
pub(crate) fn fits_apart([depth, height, width]: &[Axis; 3]) -> bool {
    let edges = is_single(depth, height) && width.interior() != (0..width.output);
    are_apart(width)
        && !width.spread
        && width.dilation == 1
        && width.kernel <= COLUMNS
        && width.stride <= APART
        && width.output >= if edges { FEWEST_AND_EDGES } else { FEWEST }
}

/// Whether windows have a single line.
fn is_single(depth: &Axis, height: &Axis) -> bool {
    (depth.kernel, height.kernel) == (1, 1)
}

/// Whether this walk takes windows along `width`.
pub(crate) fn fits(width: &Axis) -> bool {
    let phase = (width.span() / width.stride).saturating_add(3 * WIDEST);
    width.stride <= 2
        && !width.spread
        && phase.checked_mul(width.stride).is_some_and(|len| len <= SCRATCH)
}

/// Whether this walk suits pixels of a few elements of so many bytes, which follow each other; and whether there are all
/// walks for these.
pub(crate) fn suits_few(geometry: &Geometry, size: usize, all: bool) -> bool {
    let inner = geometry.inner();
    let axes @ [depth, height, width] = geometry.axes();
    let fits = inner > 1
        && geometry.strides().width == inner
        && !width.spread
        && room_for(width, inner, SCRATCH)
        && geometry.taps() <= EXACT;
    if !fits {
        return false;
    }
    let large = all && height.kernel.max(width.kernel) > OCTET && shared::fits(geometry);
    let most = if large || size >= 4 && depth.kernel * height.kernel > OCTET {
        0
    } else if is_single(depth, height) {
        // Of windows one apart, all are a run anyway.
        if width.stride == 1 { 0 } else { FEW_SHORT }
    } else if pixels::fits(axes) || pixels::fits_apart(axes) {
        if size < 4 { FEW_SHORT } else { FEW_LONG[width.stride - 1] }
    } else if axes.iter().any(|axis| axis.kernel > axis.stride) {
        FEW_SHARED
    } else {
        FEW
    };
    inner * size <= most
}

/// Whether columns of a window of pixels, and of the next one, have room in so many elements of the scratch buffer.
fn room_for(width: &Axis, inner: usize, room: usize) -> bool {
    let columns = width.span().saturating_add(width.stride);
    columns.saturating_mul(inner) <= room - 3 * WIDEST
}

/// Whether there is code for each number of lines and of columns, up to eight of each: not for what does again what
/// another reduction has missed, nor for what is rare.
const fn has_code<R: Reduction<T::Acc>, T: Element, S: Memory<T>>() -> bool {
    let again = is_usual::<T>() && !R::LOSES && !R::DIVIDES && !S::NAN_IS_FREE;
    let rare = R::DIVIDES && !R::ORDERED && !S::PARTS;
    !again && !rare
}

/// Windows of a row that has been merged down.
pub(crate) struct Across;

impl FastWalk for Across {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let [depth, height, width] = geometry.axes();
        let (by, rounding, inner) = (geometry.divisor(), geometry.rounding(), geometry.inner());
        let mut seen = simd.unseen();
        let mut scratch = Aligned([const { MaybeUninit::uninit() }; SCRATCH + MERGED]);
        let mut counts = [const { MaybeUninit::uninit() }; PIECE + WIDEST];
        let apart = const { is_usual::<T>() } && are_apart(width) && inner == 1;
        let single = apart && is_single(depth, height);
        // Elements from a window of pixels to the next, if that is not the next pixel.
        let step = if inner > 1 && width.stride > 1 { width.stride * inner } else { 0 };
        let picks = step > 0 && PICKED * step <= S::N && room_for(width, inner, SCRATCH / 4);
        let room = if picks { SCRATCH / 4 } else { SCRATCH };
        let mut list = List::new();
        let mut x = 0;
        while x < width.output {
            let windows = windows_from(width, [inner, room], x, single);
            let columns = Piece::of(width, inner, x, windows, S::N);
            if !apart {
                list_places(width, columns.phases, &mut list);
            }
            let places = Places::new(width, columns.phases, &list);
            let pitch = columns.phases.pitch();
            let whole = columns.is_whole();
            let lies = single && whole;
            let batch = if picks { room } else { BATCH / size_of::<T::Acc>() };
            let most = (batch / pitch).clamp(1, if lies { 1 } else { ROWS });
            let used = most.min(rows.len()) * pitch;
            // If windows are picked, all that start at any pixel of a row; and what those of a row are merged to.
            let all = if picks { pitch } else { 0 };
            let merged = if apart { 0 } else { windows * inner + PAIR * S::N };
            let (scratch, rest) =
                filled(&mut scratch.0, used + all + merged, R::IDENTITY).split_at_mut(used);
            let (all, merged) = rest.split_at_mut(all);
            // Windows that lack no column count as many: without others, that is part of the divisor.
            let counted = R::DIVIDES && !matches!(by, Divisor::Constant(_));
            let counts = filled(
                &mut counts,
                if counted && !whole { windows * inner + WIDEST } else { 0 },
                T::Acc::ZERO,
            );
            for (x, counts) in (x..).zip(counts.chunks_exact_mut(inner)).take(windows) {
                counts.fill(T::Acc::nearest(width.count(x, by).max(1) as i64));
            }
            let interior = width.interior();
            let interior =
                [interior.start, interior.end].map(|end| (end.clamp(x, x + windows) - x) * inner);
            let mut piece = Row {
                divide: Divide::by::<T::Acc, S>(simd, 1, rounding),
                lines: simd.splat(T::Acc::ZERO),
                counted: 0,
                edges: [None; 2],
                columns: if counted { width.kernel as i64 } else { 1 },
                rounding,
                counts,
                interior,
                from: 0,
                at: 0,
                len: windows * inner,
                alone: windows == width.output,
            };
            // Rows merged down, by their divisors and where they go.
            let mut made = [(1, 0); ROWS];
            let (mut waiting, mut left) = (0, rows.len());
            let mut looked = Looked::default();
            let mut runs = Runs::new(geometry, rows.clone(), false);
            while let Some(run) = runs.next() {
                let lines = run.octets(geometry, R::ORDERED);
                let divisor = run.divisor(by, 1);
                let mut start = columns.first;
                let mut at = run.at + x * inner;
                let mut i = 0;
                while i < run.rows {
                    let from = start.wrapping_add(lines.ends[0]);
                    // The line may be one that there is not.
                    if lies && lines.few == 1 && from + pitch <= input.len() {
                        (piece.from, piece.at) = (from, at);
                        piece.count::<S>(simd, divisor);
                        piece.reduce_apart::<R, T, S>(
                            simd,
                            width,
                            output,
                            &mut seen,
                            #[inline(always)]
                            |at, apart| {
                                // SAFETY: the input has as many elements from the row on as the buffer of a row.
                                unsafe { load_groups(simd, input, at, apart) }
                            },
                        );
                        start = start.wrapping_add(run.advance);
                        at += geometry.row_len();
                        (i, left) = (i + 1, left - 1);
                        continue;
                    }
                    let count = (run.rows - i).min(most - waiting);
                    let to = Place { start, advance: run.advance, count, to: waiting * pitch };
                    columns.merge::<R, T, S>(
                        simd,
                        &lines,
                        to,
                        input,
                        scratch,
                        &mut looked,
                        &mut seen,
                    );
                    for made in &mut made[waiting..waiting + count] {
                        *made = (divisor, at);
                        at += geometry.row_len();
                    }
                    start = start.wrapping_add(run.advance.wrapping_mul(count));
                    (i, waiting, left) = (i + count, waiting + count, left - count);
                    if waiting < most && left > 0 {
                        continue;
                    }
                    let made = &made[..waiting];
                    waiting = 0;
                    if !apart {
                        let rows = Rows { made, pitch, inner, step, row: piece };
                        rows.reduce::<R, T, S>(simd, &places, scratch, [all, merged], output);
                        continue;
                    }
                    for (i, &(divisor, at)) in made.iter().enumerate() {
                        (piece.from, piece.at) = (i * pitch, at);
                        piece.count::<S>(simd, divisor);
                        piece.reduce_apart::<Again<R>, T, S>(
                            simd,
                            width,
                            output,
                            &mut simd.unseen(),
                            #[inline(always)]
                            |at, apart| {
                                // SAFETY: the buffer has room for a vector of windows more than there are.
                                unsafe { load_groups_of_lanes(simd, scratch, at, apart) }
                            },
                        );
                    }
                }
            }
            x += windows;
        }
        seen
    }
}

/// How many windows from `x` on are a piece, given how many elements there is room for, if pixels are several. Where
/// `single`, edges are pieces of their own. A call, too.
#[inline(never)]
fn windows_from(width: &Axis, [inner, room]: [usize; 2], x: usize, single: bool) -> usize {
    let most = if inner > 1 {
        (room - 3 * WIDEST - width.span() * inner) / (width.stride * inner) + 1
    } else if are_apart(width) {
        (SCRATCH - COLUMNS - 8 * TURNED) / width.stride - TURNED
    } else {
        // A last pair of vectors may begin at the last window.
        SCRATCH / width.stride - width.span() / width.stride - 2 * WIDEST
    };
    let interior = width.interior();
    let end = match single {
        true if x < interior.start => interior.start,
        true if x < interior.end => interior.end,
        _ => width.output,
    };
    (PIECE / inner).min(most).min(end - x)
}

/// How the columns of a row lie in a scratch buffer.
#[derive(Clone, Copy)]
pub(crate) struct Phases {
    /// Every so many are together.
    pub(crate) count: usize,
    /// Elements from those to the next ones.
    pub(crate) len: usize,
    /// Elements of a column.
    pub(crate) inner: usize,
}

impl Phases {
    /// Elements of the scratch buffer from one row to the next.
    #[inline(always)]
    fn pitch(&self) -> usize {
        self.len * self.count
    }

    /// Stores two vectors of columns from the `i`-th one of a row on.
    #[inline(always)]
    fn store<T: Element, S: Memory<T>>(
        &self,
        simd: S,
        columns: [S::Vector; PAIR],
        i: usize,
        scratch: &mut [T::Acc],
        to: usize,
    ) {
        let phase = self.len;
        let ([first, second], [i, j]) = if self.count == 1 {
            (columns, [i, i + S::N])
        } else {
            let (even, odd) = simd.deinterleave(columns[0], columns[1]);
            ([even, odd], [i % 2 * phase + i / 2, (i + 1) % 2 * phase + i.div_ceil(2)])
        };
        // SAFETY: a phase has room for two vectors behind its last column.
        unsafe { store_lanes(simd, first, scratch, to + i) }
        // SAFETY: the same.
        unsafe { store_lanes(simd, second, scratch, to + j) }
    }
}

/// Where the columns of tap `j` are in the scratch buffer. A call, like that which makes
/// [`Taps`](crate::order::Taps).
#[inline(never)]
fn place(width: &Axis, phases: Phases, j: usize) -> Step {
    let column = j * width.dilation;
    let offset = column % phases.count * phases.len + column / phases.count * phases.inner;
    Step { offset, merges: merges_after(j, &(0..width.kernel)) }
}

/// Lists where the columns of the first taps are. A call, too.
#[inline(never)]
pub(crate) fn list_places(width: &Axis, phases: Phases, list: &mut List) {
    list.fill((0..width.kernel).map(|j| place(width, phases, j)));
}

/// Where the columns of all taps are.
#[derive(Clone)]
pub(crate) struct Places<'a> {
    width: &'a Axis,
    phases: Phases,
    /// Those of the first taps.
    list: &'a List,
    next: usize,
}

impl<'a> Places<'a> {
    /// All of them, of which `list` has the first.
    #[inline(always)]
    pub(crate) fn new(width: &'a Axis, phases: Phases, list: &'a List) -> Self {
        Self { width, phases, list, next: 0 }
    }

    /// That of tap `j`.
    #[inline(always)]
    fn step(&self, j: usize) -> Step {
        match self.list.get(j) {
            Some(step) => step,
            None => place(self.width, self.phases, j),
        }
    }

    /// Those of the first `K` taps, of which there are as many.
    #[inline(always)]
    fn first<const K: usize>(&self) -> [usize; K] {
        let mut offsets = [0; K];
        for (j, offset) in offsets.iter_mut().enumerate() {
            *offset = self.step(j).offset;
        }
        offsets
    }
}

impl Iterator for Places<'_> {
    type Item = Step;

    #[inline(always)]
    fn next(&mut self) -> Option<Step> {
        let j = self.next;
        if j == self.width.kernel {
            return None;
        }
        self.next += 1;
        Some(self.step(j))
    }
}

/// The columns that a piece of a row needs. All of them are elements, also of pixels.
struct Piece {
    /// The first one; before the input, the value wraps.
    first: usize,
    /// Of those from the first on, the ones inside the input.
    inside: Range<usize>,
    /// How many there are.
    len: usize,
    phases: Phases,
}

/// Where rows that are made alike lie.
struct Place {
    /// Elements from where a line of the first one starts to its columns.
    start: usize,
    /// Elements from the lines of one to those of the next.
    advance: usize,
    count: usize,
    /// Where the first one is in the scratch buffer.
    to: usize,
}

/// The lines of a window that have been looked at last, as far apart as those of the next.
#[derive(Default)]
struct Looked {
    /// Where the first one starts, and where one after the last one would.
    start: usize,
    end: usize,
    /// Elements from one to the next.
    apart: usize,
}

impl Looked {
    /// How many of some lines, of which the first is so far on, have been looked at; then all of them have. A call: it has
    /// no use for vectors.
    #[inline(never)]
    fn of(&mut self, starts: &[usize], shift: usize) -> usize {
        let line = |i: usize| starts[i].wrapping_add(shift);
        let apart = starts.get(1).map_or(0, |second| second.wrapping_sub(starts[0]));
        if apart == 0 || starts.windows(2).any(|two| two[1].wrapping_sub(two[0]) != apart) {
            *self = Self::default();
            return 0;
        }
        let follows = apart == self.apart && self.start <= line(0);
        let known = (1..starts.len()).find(|&i| follows && line(i) == self.end);
        *self = Self { start: line(0), end: line(starts.len() - 1).wrapping_add(apart), apart };
        known.unwrap_or(0)
    }

    /// Those of the next window, as far on.
    #[inline(always)]
    fn follow(&mut self, advance: usize) {
        self.start = self.start.wrapping_add(advance);
        self.end = self.end.wrapping_add(advance);
    }
}

impl Piece {
    /// The columns of so many windows from `x` on.
    #[inline(always)]
    fn of(width: &Axis, inner: usize, x: usize, windows: usize, lanes: usize) -> Self {
        let first = width.start(x);
        let len = (windows - 1) * width.stride + width.span();
        let (count, phase) = if inner > 1 {
            (1, len * inner + 2 * lanes + 2)
        } else if are_apart(width) {
            (1, len + lanes * width.stride + FOUR + 4 * lanes)
        } else {
            (width.stride, len.div_ceil(width.stride) + 2 * lanes + 2)
        };
        let phase = phase.next_multiple_of(lanes).min(SCRATCH / count);
        let Range { start, end } = width.inside(first, len);
        Self {
            first: first.wrapping_mul(inner),
            inside: start * inner..end * inner,
            len: len * inner,
            phases: Phases { count, len: phase, inner },
        }
    }

    /// Whether no column is outside the input.
    #[inline(always)]
    fn is_whole(&self) -> bool {
        self.inside == (0..self.len)
    }

    /// Merges each column inside the input down the lines of some rows, into its place in the scratch buffer.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "a part of a loop")]
    fn merge<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        &self,
        simd: S,
        lines: &Octets,
        rows: Place,
        input: &[T],
        scratch: &mut [T::Acc],
        looked: &mut Looked,
        seen: &mut S::Seen,
    ) {
        if const { has_code::<R, T, S>() } {
            let (starts, few) = self.few::<R, T, S>(lines, &rows, input);
            if few > 0 && const { R::LOSES } {
                self.look::<R, T, S>(simd, &starts[..few], &rows, input, looked, seen);
            }
            match few {
                0 => {}
                1 => return self.down::<R, T, S, 1>(simd, &starts, &rows, input, scratch),
                2 => return self.down::<R, T, S, 2>(simd, &starts, &rows, input, scratch),
                3 => return self.down::<R, T, S, 3>(simd, &starts, &rows, input, scratch),
                4 => return self.down::<R, T, S, 4>(simd, &starts, &rows, input, scratch),
                5 => return self.down::<R, T, S, 5>(simd, &starts, &rows, input, scratch),
                6 => return self.down::<R, T, S, 6>(simd, &starts, &rows, input, scratch),
                7 => return self.down::<R, T, S, 7>(simd, &starts, &rows, input, scratch),
                _ => return self.down::<R, T, S, OCTET>(simd, &starts, &rows, input, scratch),
            }
        }
        let (mut start, mut to) = (rows.start, rows.to);
        for _ in 0..rows.count {
            let Range { start: mut i, end } = self.inside.clone();
            while i < end {
                let (at, len) = (start.wrapping_add(i), end - i);
                if const { T::ALL_WALKS } && len >= 2 * PAIR * S::N {
                    let [a, b, c, d] =
                        merge_columns::<R, T, S, { 2 * PAIR }>(simd, lines, input, at, len, seen);
                    self.phases.store::<T, S>(simd, [a, b], i, scratch, to);
                    self.phases.store::<T, S>(simd, [c, d], i + PAIR * S::N, scratch, to);
                    i += 2 * PAIR * S::N;
                    continue;
                }
                let mut merged = merge_columns::<R, T, S, PAIR>(simd, lines, input, at, len, seen);
                // What has no column is the identity, as it was.
                if len < PAIR * S::N {
                    keep_first::<R, T, S, PAIR>(simd, &mut merged, len);
                }
                self.phases.store::<T, S>(simd, merged, i, scratch, to);
                i += PAIR * S::N;
            }
            start = start.wrapping_add(rows.advance);
            to += self.phases.pitch();
        }
    }

    /// Where the columns of the lines of the first of some rows start, and how many lines there are, if there is code for so
    /// many, and whole vectors are inside the input, be it columns or what comes after them; or else 0.
    #[inline(always)]
    fn few<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        &self,
        lines: &Octets,
        rows: &Place,
        input: &[T],
    ) -> ([usize; OCTET], usize) {
        let (mut starts, few) = lines.starts(R::ORDERED);
        if few == 0 || self.inside.is_empty() {
            return (starts, 0);
        }
        for start in &mut starts {
            *start = start.wrapping_add(rows.start).wrapping_add(self.inside.start);
        }
        let last = starts[few - 1];
        let last = last.max(last.wrapping_add(rows.advance.wrapping_mul(rows.count - 1)));
        let columns = self.inside.len().max(PAIR * S::N);
        (starts, if last + columns <= input.len() { few } else { 0 })
    }

    /// Looks at the columns of the lines of some rows, given where they start in the first one, but for those that the
    /// rows before have, too.
    #[inline(always)]
    fn look<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        &self,
        simd: S,
        starts: &[usize],
        rows: &Place,
        input: &[T],
        looked: &mut Looked,
        seen: &mut S::Seen,
    ) {
        let len = self.inside.len();
        let mut saw = *seen;
        let mut known = 0;
        for row in 0..rows.count {
            let shift = row.wrapping_mul(rows.advance);
            // All rows but the first have as many lines of the row before.
            match row {
                0 | 1 => known = looked.of(starts, shift),
                _ => looked.follow(rows.advance),
            }
            for start in &starts[known..] {
                let mut i = 0;
                while i < len {
                    // The last ones are flush with the last column.
                    let at = i.min(len.saturating_sub(PAIR * S::N));
                    let at = start.wrapping_add(shift).wrapping_add(at);
                    // SAFETY: columns of a line, or what comes after them, which was seen to be inside.
                    let v = unsafe { load(simd, input, at) };
                    // SAFETY: the same.
                    let next = unsafe { load(simd, input, at.wrapping_add(S::N)) };
                    saw = R::look(simd, saw, v, next);
                    i += PAIR * S::N;
                }
            }
        }
        *seen = saw;
    }

    /// Merges each column inside the input down `L` lines, given where they start.
    #[inline(always)]
    fn down<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const L: usize>(
        &self,
        simd: S,
        starts: &[usize; OCTET],
        rows: &Place,
        input: &[T],
        scratch: &mut [T::Acc],
    ) {
        let (start, len) = (self.inside.start, self.inside.len());
        let &Place { advance, count, to, .. } = rows;
        let phases = self.phases;
        simd.outline(
            #[inline(always)]
            || {
                // Copies: what is behind a reference is loaded again after each store.
                let (mut to, phases, mut lines) = (to, phases, *starts);
                let (start, len) = (start, len);
                for _ in 0..count {
                    let mut i = 0;
                    while i < len {
                        // The last ones are flush with the last column.
                        let at = i.min(len.saturating_sub(PAIR * S::N));
                        let mut merged = octet::<R, T::Acc, S, PAIR>(
                            simd,
                            &mut simd.unseen(),
                            [0, 1, L],
                            #[inline(always)]
                            |line, b| {
                                let at = lines[line].wrapping_add(at).wrapping_add(b * S::N);
                                // SAFETY: columns of a line, or what comes after them, which was seen to be inside.
                                unsafe { load(simd, input, at) }
                            },
                        );
                        // What has no column is the identity, as it was.
                        if len < PAIR * S::N {
                            keep_first::<R, T, S, PAIR>(simd, &mut merged, len);
                        }
                        phases.store::<T, S>(simd, merged, start + at, scratch, to);
                        i += PAIR * S::N;
                    }
                    for line in &mut lines[..L] {
                        *line = line.wrapping_add(advance);
                    }
                    to += phases.pitch();
                }
            },
        );
    }
}

/// Rows that have been merged down.
#[derive(Clone, Copy)]
struct Rows<'a, A, V> {
    /// Their divisors, and where they go.
    made: &'a [(i64, usize)],
    /// Elements of the scratch buffer from one to the next.
    pitch: usize,
    /// Elements of a pixel.
    inner: usize,
    /// Elements from a window to the next, or 0 if a tap of neighbouring windows is a run of neighbours.
    step: usize,
    /// What all of them have.
    row: Row<'a, A, V>,
}

impl<A: Number, V: Copy> Rows<'_, A, V> {
    /// Reduces columns already merged. Windows that are no run are merged to the last of some scratch memory; if they are
    /// picked, all that start at any pixel to the first of it.
    #[inline(always)]
    fn reduce<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T, Vector = V>>(
        &self,
        simd: S,
        places: &Places<'_>,
        columns: &[A],
        to: [&mut [A]; 2],
        output: &mut [T],
    ) {
        if const { !has_code::<R, T, S>() } {
            return self.taps::<R, T, S, 0>(simd, places, columns, to, output);
        }
        match places.width.kernel {
            2 => self.taps::<R, T, S, 2>(simd, places, columns, to, output),
            3 => self.taps::<R, T, S, 3>(simd, places, columns, to, output),
            4 => self.taps::<R, T, S, 4>(simd, places, columns, to, output),
            5 => self.taps::<R, T, S, 5>(simd, places, columns, to, output),
            6 => self.taps::<R, T, S, 6>(simd, places, columns, to, output),
            7 => self.taps::<R, T, S, 7>(simd, places, columns, to, output),
            8 => self.taps::<R, T, S, OCTET>(simd, places, columns, to, output),
            _ => self.taps::<R, T, S, 0>(simd, places, columns, to, output),
        }
    }

    /// Reduces windows of `K` columns, or of any number if that is 0.
    #[inline(always)]
    fn taps<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T, Vector = V>, const K: usize>(
        &self,
        simd: S,
        places: &Places<'_>,
        columns: &[A],
        [all, merged]: [&mut [A]; 2],
        output: &mut [T],
    ) {
        let rows = *self;
        let plain = if rows.step == 0 { rows.row.plain(PAIR * S::N) } else { 0..0 };
        let (start, end) = (plain.start, plain.end);
        simd.outline(
            #[inline(always)]
            || {
                let taps = Taps::<K> { all: places, first: places.first() };
                // Copies: what is behind a reference is loaded again after each store.
                let (rows, start, end) = (rows, start, end);
                let (all, merged, output) = (&mut *all, &mut *merged, &mut *output);
                let mut row = rows.row;
                for (i, &(divisor, at)) in rows.made.iter().enumerate() {
                    let from = i * rows.pitch;
                    row.at = at;
                    row.count::<S>(simd, divisor);
                    let (to, len) = match rows.step {
                        0 => (&mut *merged, row.len),
                        _ if all.is_empty() => (&mut *all, 0),
                        step => (&mut *all, (row.len / rows.inner - 1) * step + rows.inner),
                    };
                    for x in (0..len).step_by(PAIR * S::N) {
                        let [first, second] =
                            taps.merge::<R, T, S, PAIR>(simd, columns, from + x, S::N);
                        if start <= x && x < end {
                            let first = R::finish(simd, first, row.divide);
                            let second = R::finish(simd, second, row.divide);
                            // SAFETY: elements of the row, which has these two vectors.
                            unsafe { store(simd, first, output, at + x) }
                            // SAFETY: the same.
                            unsafe { store(simd, second, output, at + x + S::N) }
                            continue;
                        }
                        // SAFETY: there is room for as many elements, and two vectors more.
                        unsafe { store_lanes(simd, first, to, x) }
                        // SAFETY: the same.
                        unsafe { store_lanes(simd, second, to, x + S::N) }
                    }
                    if !all.is_empty() {
                        rows.pick::<T, S>(simd, all, merged);
                    } else if rows.step > 0 {
                        rows.pixels::<R, T, S, K>(simd, &taps, columns, from, merged);
                    }
                    // What is stored too much is the next row, which comes after it.
                    let mut x = if start == 0 { end } else { 0 };
                    while x < row.len {
                        // SAFETY: the elements of all windows, and two vectors more.
                        let v = unsafe { load_lanes(simd, merged, x) };
                        row.finish::<R, T, S>(simd, v, x, output);
                        x += S::N;
                        if x == start {
                            x = end;
                        }
                    }
                }
            },
        );
    }

    /// Merges windows of pixels further apart, so many at a time.
    #[inline(always)]
    fn pixels<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T, Vector = V>, const K: usize>(
        &self,
        simd: S,
        taps: &Taps<'_, K>,
        columns: &[A],
        mut from: usize,
        merged: &mut [A],
    ) {
        let (&Self { inner, step, .. }, len) = (self, self.row.len);
        let mut x = 0;
        while x < len {
            let mut c = 0;
            loop {
                if x + PIXELS * inner <= len {
                    let windows = taps.merge::<R, T, S, PIXELS>(simd, columns, from + c, step);
                    for b in 0..PIXELS {
                        // SAFETY: the elements of all windows, and two vectors more.
                        unsafe { store_lanes(simd, windows[b], merged, x + b * inner + c) }
                    }
                } else {
                    for b in 0..(len - x) / inner {
                        let [v] = taps.merge::<R, T, S, 1>(simd, columns, from + b * step + c, 0);
                        // SAFETY: the same.
                        unsafe { store_lanes(simd, v, merged, x + b * inner + c) }
                    }
                }
                c += S::N;
                if c >= inner {
                    break;
                }
                // The last vector is flush with the last element: it must not be stored over the next pixel.
                c = c.min(inner - S::N);
            }
            (x, from) = (x + PIXELS * inner, from + PIXELS * step);
        }
    }

    /// Puts the windows that there are together, of all that start at any pixel.
    #[inline(always)]
    fn pick<T: Element<Acc = A>, S: Memory<T, Vector = V>>(
        &self,
        simd: S,
        all: &[A],
        merged: &mut [A],
    ) {
        for x in 0..self.row.len / self.inner {
            // SAFETY: as many elements as there are columns, and two vectors more.
            let v = unsafe { load_lanes(simd, all, x * self.step) };
            // SAFETY: the elements of all windows, and two vectors more.
            unsafe { store_lanes(simd, v, merged, x * self.inner) }
        }
    }
}

/// A piece of an output row.
#[derive(Clone, Copy)]
struct Row<'a, A, V> {
    /// How the sums of windows that lack no column become averages, if there is a vector of them.
    divide: Divide<V>,
    /// By what those of others are divided, but for their columns.
    lines: V,
    /// The columns of a window that are counted, or 1 if they are not.
    columns: i64,
    rounding: Rounding,
    /// The lines that are counted.
    counted: i64,
    /// How the sums of the first vector of windows and of the last one become averages, once that has been asked for.
    edges: [Option<Divide<V>>; 2],
    /// The columns of each window that are counted, if some lack one.
    counts: &'a [A],
    /// Windows that lack none.
    interior: [usize; 2],
    /// Where it starts in the scratch buffer.
    from: usize,
    /// Where it starts in the output.
    at: usize,
    /// Elements of it.
    len: usize,
    /// Whether there are no other pieces: then what comes after it is written after it.
    alone: bool,
}

impl<A: Number, V: Copy> Row<'_, A, V> {
    /// Divides sums by so many lines, or by what all are divided by.
    #[inline(always)]
    fn count<S: Lanes<A, Vector = V>>(&mut self, simd: S, lines: i64) {
        if lines == self.counted {
            return;
        }
        self.counted = lines;
        let [start, end] = self.interior;
        if self.counts.is_empty() || start + S::N <= end {
            self.divide = Divide::by::<A, S>(simd, lines * self.columns, self.rounding);
        }
        self.lines = simd.splat(A::nearest(lines));
        self.edges = [None; 2];
    }

    /// How the sums of a vector of windows from `x` on become averages.
    #[inline(always)]
    fn divide<S: Lanes<A, Vector = V>>(&mut self, simd: S, x: usize) -> Divide<V> {
        let [start, end] = self.interior;
        if self.counts.is_empty() || start <= x && x + S::N <= end {
            return self.divide;
        }
        // What a division by parts takes is computed once for rows that are divided alike.
        let last = x + S::N >= self.len;
        let kept = const { S::PARTS } && (x == 0 || last);
        if let (true, Some(divide)) = (kept, self.edges[usize::from(last)]) {
            return divide;
        }
        // SAFETY: there are as many counts as elements, and a vector more.
        let columns = unsafe { load_lanes(simd, self.counts, x) };
        let by = simd.mul(self.lines, columns);
        let divide = Divide::by_lanes::<A, S>(simd, by, self.rounding);
        if kept {
            self.edges[usize::from(last)] = Some(divide);
        }
        divide
    }

    /// Makes results of a vector of windows merged, from `x` on.
    #[inline(always)]
    fn finish<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T, Vector = V>>(
        &mut self,
        simd: S,
        merged: V,
        x: usize,
        output: &mut [T],
    ) {
        let divide = if R::DIVIDES { self.divide::<S>(simd, x) } else { self.divide };
        let v = R::finish(simd, merged, divide);
        let end = if self.alone { output.len() - self.at } else { self.len };
        // SAFETY: no more elements than the row or the output has left.
        unsafe { store_first(simd, v, output, self.at + x, S::N.min(end - x)) }
    }

    /// Windows that are all divided alike, if as many at a time are inside the row.
    #[inline(always)]
    fn plain(&self, at_a_time: usize) -> Range<usize> {
        let [start, end] = if self.counts.is_empty() { [0, self.len] } else { self.interior };
        let start = start.next_multiple_of(at_a_time);
        start..start + end.saturating_sub(start) / at_a_time * at_a_time
    }

    /// Reduces windows further apart than there are phases, of which `load` loads groups of four columns, from
    /// some place on and so far apart.
    #[inline(always)]
    fn reduce_apart<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T, Vector = V>>(
        &mut self,
        simd: S,
        width: &Axis,
        output: &mut [T],
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> V,
    ) {
        if width.kernel <= FOUR {
            self.reduce_fours::<R, T, S, 1>(simd, width, output, seen, load);
        } else {
            self.reduce_fours::<R, T, S, 2>(simd, width, output, seen, load);
        }
    }

    /// Reduces those that are so many times four columns wide: where that is not known, it takes twice as long.
    #[inline(always)]
    fn reduce_fours<
        R: Reduction<A>,
        T: Element<Acc = A>,
        S: Memory<T, Vector = V>,
        const FOURS: usize,
    >(
        &mut self,
        simd: S,
        width: &Axis,
        output: &mut [T],
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> V,
    ) {
        let Axis { kernel, stride, .. } = *width;
        let last = kernel - (FOURS - 1) * FOUR;
        let mut at = self.from;
        // Apart from what it is part of, it stays in a register.
        let mut saw = *seen;
        for x in (0..self.len).step_by(S::N) {
            let merged = if const { FOURS == 1 } {
                four::<R, A, S>(simd, &load, [at, stride, last], &mut saw)
            } else {
                let left = four::<R, A, S>(simd, &load, [at, stride, FOUR], &mut saw);
                let right = four::<R, A, S>(simd, &load, [at + FOUR, stride, last], &mut saw);
                R::merge(simd, left, right)
            };
            self.finish::<R, T, S>(simd, merged, x, output);
            at += S::N * stride;
        }
        *seen = saw;
    }
}

/// Where the taps of windows are, of `K` columns or of any number.
struct Taps<'a, const K: usize> {
    all: &'a Places<'a>,
    first: [usize; K],
}

impl<const K: usize> Taps<'_, K> {
    /// Merges `B` vectors of columns merged down, `step` elements from one to the next.
    #[inline(always)]
    fn merge<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const B: usize>(
        &self,
        simd: S,
        scratch: &[T::Acc],
        from: usize,
        step: usize,
    ) -> [S::Vector; B] {
        if const { K == 0 } {
            return fold::<Again<R>, T::Acc, S, B>(
                simd,
                self.all.clone(),
                #[inline(always)]
                |offset, b| {
                    // SAFETY: a phase has room for two vectors from the last window on.
                    unsafe { load_lanes(simd, scratch, from + offset + b * step) }
                },
            );
        }
        octet::<Again<R>, T::Acc, S, B>(
            simd,
            &mut simd.unseen(),
            [0, 1, K],
            #[inline(always)]
            |j, b| {
                // SAFETY: the same.
                unsafe { load_lanes(simd, scratch, from + self.first[j] + b * step) }
            },
        )
    }
}

/// Merges four columns of as many windows as a vector has lanes, or the first `len` of them: from `at` on, `stride`
/// from a window to the next.
#[inline(always)]
fn four<R: Reduction<A>, A: Number, S: Lanes<A>>(
    simd: S,
    load: &impl Fn(usize, usize) -> S::Vector,
    [at, stride, len]: [usize; 3],
    seen: &mut S::Seen,
) -> S::Vector {
    let mut windows = [simd.splat(R::IDENTITY); FOUR];
    for i in 0..FOUR {
        windows[i] = load(at + i * stride, FOUR * stride);
    }
    let [a, b, c, d] = simd.quads(windows);
    let mut left = R::lift(simd, a);
    if len == 1 {
        *seen = R::look(simd, *seen, a, a);
        return left;
    }
    *seen = R::look(simd, *seen, a, b);
    left = R::push(simd, left, b);
    if len == 2 {
        return left;
    }
    let mut right = R::lift(simd, c);
    if len == 3 {
        *seen = R::look(simd, *seen, c, c);
    } else {
        *seen = R::look(simd, *seen, c, d);
        right = R::push(simd, right, d);
    }
    R::merge(simd, left, right)
}
