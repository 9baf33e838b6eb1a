//! Large windows that overlap, along height and width: what they share is merged once.
//!
//! The [order](crate::order) of a window is a tree whose full subtrees have 2ⁿ leaves, and the subtree of
//! 2ⁿ⁺¹ leaves from some tap on is that of 2ⁿ leaves merged with the one 2ⁿ taps further on. So all
//! windows are made of a few subtrees, each of which is one merge: a window of `k` taps costs ⌊log₂ k⌋
//! merges and one for each other bit of `k`; where the order does not show, one for all bits.
//!
//! A line of the input is merged into rings of lines, one ring for each size of subtrees, that hold as
//! many as the larger subtrees need. What ends with it, a row of merged columns, joins a few others
//! in a buffer, all of which are then merged across as if they were one row. Between them are
//! as many identities as windows reach over the edges: a row's right edge is the left one of the next.
//!
//! Channels are neighbours that are shifted together: a column is then a strip of them.

use crate::number::{Element, Number};
use crate::reduction::{Divide, Reduction};
use crate::simd::{
    Lanes, Memory, WIDEST, load, load_between, load_lanes, store_first, store_lanes,
};
use crate::walk::FastWalk;
use crate::{Axis, Divisor, Geometry};
use core::mem::MaybeUninit;
use core::ops::Range;

/// Elements of the rings.
const RINGS: usize = 40 << 10;

/// Elements of the buffers for merging across.
const BUFFERS: usize = 24 << 10;

/// Elements that are merged across at a time, unless a single row has more.
const BATCH: usize = 1024;

/// Rows of a batch at most.
const ROWS: usize = 64;

/// Channels of a strip are a multiple of this, which is one of the lanes of all vectors of `f32`.
const STRIP: usize = 16;

/// Sizes of subtrees: the buffers hold no larger ones.
const LEVELS: usize = RINGS.ilog2() as usize + 1;

/// Elements after the last one of a buffer that may be read.
const SLACK: usize = 2 * WIDEST;

/// Whether this walk takes these windows.
pub(crate) fn fits(geometry: &Geometry) -> bool {
    Cut::of(geometry).is_some()
}

/// Whether windows are large enough, and have enough in common.
pub(crate) fn pays(geometry: &Geometry) -> bool {
    let [_, height, width] = geometry.axes();
    let (kernel, stride) = (height.kernel.max(width.kernel), height.stride.max(width.stride));
    kernel >= 9 && kernel > 2 * stride && (stride != 2 || geometry.inner() > 1)
}

/// How a tensor is cut so that the scratch memory holds what is being merged.
struct Cut {
    /// Channels side by side.
    strip: usize,
    /// Windows of a row.
    windows: usize,
}

impl Cut {
    fn of(geometry: &Geometry) -> Option<Self> {
        let [depth, height, width] = geometry.axes();
        let flat = (depth.kernel, depth.pad_begin, depth.pad_end) == (1, 0, 0);
        if !flat || [height, width].iter().any(|axis| axis.spread || axis.span() > BUFFERS) {
            return None;
        }
        let lines = if height.kernel > 1 { ring_lines(height) } else { 1 };
        let span = width.span();
        // Of each buffer, a window may be read after the last column.
        let room = BUFFERS / (Subtrees::top(width.kernel) + 3);
        let columns = |strip: usize| {
            ((RINGS / lines / strip), (room.saturating_sub(SLACK) / strip).saturating_sub(span))
        };
        let windows = |strip: usize| {
            let (rings, buffers) = columns(strip);
            let inside = if width.input <= rings { buffers } else { rings.min(buffers) };
            inside.checked_sub(span).map_or(0, |rest| rest / width.stride + 1).min(width.output)
        };
        // A piece of a row has some columns in common with the next.
        let least = span.div_ceil(width.stride).max(STRIP).min(width.output);
        let inner = geometry.inner();
        let mut strip = inner;
        while windows(strip) < least {
            if strip <= STRIP {
                return None;
            }
            strip = (strip / 2).next_multiple_of(STRIP);
        }
        Some(Self { strip, windows: windows(strip) })
    }
}

/// Lines that the rings of all sizes hold.
fn ring_lines(height: &Axis) -> usize {
    height.span() + Subtrees::top(height.kernel)
}

/// The full subtrees that a window along an axis is merged from.
struct Subtrees {
    /// Level and first tap of each, from left to right. Those of level `n` have 2ⁿ leaves.
    list: [(usize, usize); LEVELS],
    len: usize,
}

impl Subtrees {
    /// The level of the first one, which is the highest.
    fn top(kernel: usize) -> usize {
        (kernel - 1).checked_ilog2().unwrap_or(0) as usize
    }

    fn of(kernel: usize, ordered: bool) -> Self {
        let top = Self::top(kernel);
        let mut subtrees = Self { list: [(top, 0); LEVELS], len: 1 };
        let mut next = if kernel > 1 { 1 << top } else { 1 };
        while next < kernel {
            // If the order does not show, the last one is as large as the first, and they overlap.
            let level = if ordered { (kernel - next).ilog2() as usize } else { top };
            next = if ordered { next } else { kernel - (1 << top) };
            subtrees.list[subtrees.len] = (level, next);
            subtrees.len += 1;
            next += 1 << level;
        }
        subtrees
    }
}

/// Large windows that overlap.
pub(crate) struct Shared;

impl FastWalk for Shared {
    const PART: usize = 1 << 20;
    const EXACT: bool = true;

    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let mut seen = simd.unseen();
        let mut scratch = [const { MaybeUninit::uninit() }; RINGS + BUFFERS];
        let Some(cut) = Cut::of(geometry) else { return seen };
        let (width, inner) = (&geometry.axes()[2], geometry.inner());
        for c in (0..inner).step_by(cut.strip) {
            for x in (0..width.output).step_by(cut.windows) {
                let piece = Piece {
                    geometry,
                    input,
                    // The last strip is flush with the last channel.
                    channel: c.min(inner - cut.strip),
                    strip: cut.strip,
                    x,
                    windows: cut.windows.min(width.output - x),
                };
                seen = piece.reduce::<R, S>(simd, rows.clone(), &mut scratch, output, seen);
            }
        }
        seen
    }
}

/// Windows side by side of each row, and of them some channels.
struct Piece<'a, T> {
    geometry: &'a Geometry,
    input: &'a [T],
    channel: usize,
    strip: usize,
    x: usize,
    windows: usize,
}

impl<T: Element> Piece<'_, T> {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        rows: Range<usize>,
        scratch: &mut [MaybeUninit<T::Acc>; RINGS + BUFFERS],
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let geometry = self.geometry;
        let [depth, height, width] = geometry.axes();
        let columns = Columns::of(width, self.x, self.windows);
        let len = columns.inside.len() * self.strip;
        let mut rings = Rings::new(height, R::ORDERED, len.next_multiple_of(S::N));
        let mut batch = Batch::new(self, R::ORDERED, &columns, rows.len(), rings.end);
        let scratch = initialised::<R, T>(&mut scratch[..batch.end]);
        if R::DIVIDES {
            for (i, count) in scratch[batch.counts..batch.end].iter_mut().enumerate() {
                let x = (self.x + i / self.strip).min(width.output - 1);
                *count = T::Acc::nearest(width.count(x, geometry.divisor()).max(1) as i64);
            }
        }
        let lines = Lines {
            input: self.input,
            start: columns.inside.start * geometry.inner() + self.channel,
            runs: if self.strip == geometry.inner() { 1 } else { columns.inside.len() },
            len: if self.strip == geometry.inner() { len } else { self.strip },
            inner: geometry.inner(),
            padded: len.next_multiple_of(S::N),
        };
        let mut row = rows.start;
        while row < rows.end {
            let (plane, z, y) = geometry.position(row);
            let count = (height.output - y).min(rows.end - row);
            let slice = (plane * depth.input + depth.start(z)) * height.input;
            // Lines before the input or after it have negative or large numbers.
            let line = |t: isize| {
                let inside = t >= 0 && t < height.input as isize;
                inside.then(|| (slice + t as usize) * geometry.line_len())
            };
            let start = height.start(y) as isize;
            let mut complete = start + height.span() as isize - 1;
            let mut t = if height.kernel > 1 { start.max(complete.min(0)) } else { start };
            if start < 0 {
                rings.clear::<R, T::Acc, S>(simd, scratch);
            }
            for y in y..y + count {
                if height.kernel == 1 {
                    let to = batch.place();
                    seen = lines.copy::<R, S>(simd, line(complete), scratch, to, seen);
                } else {
                    loop {
                        let to = rings.first();
                        seen = lines.copy::<R, S>(simd, line(t), scratch, to, seen);
                        rings.merge::<R, T::Acc, S>(simd, scratch);
                        t += 1;
                        if t > complete {
                            break;
                        }
                        rings.advance();
                    }
                    rings.finish::<R, T::Acc, S>(simd, scratch, batch.place());
                    rings.advance();
                }
                complete += height.stride as isize;
                let counted = height.count(y, geometry.divisor()).max(1);
                batch.push(T::Acc::nearest(counted as i64));
                if batch.is_full() {
                    batch.flush::<R, T, S>(simd, self, scratch, output);
                }
            }
            row += count;
        }
        batch.flush::<R, T, S>(simd, self, scratch, output);
        seen
    }
}

/// Makes all of some memory the identity.
#[inline(always)]
fn initialised<R: Reduction<T::Acc>, T: Element>(
    scratch: &mut [MaybeUninit<T::Acc>],
) -> &mut [T::Acc] {
    for element in scratch.iter_mut() {
        element.write(R::IDENTITY);
    }
    // SAFETY: every element has just been written.
    unsafe { &mut *(core::ptr::from_mut(scratch) as *mut [T::Acc]) }
}

/// The columns that some windows have, those outside the input included.
struct Columns {
    /// The ones inside the input.
    inside: Range<usize>,
    /// How many are to the left of these, and to the right.
    outside: [usize; 2],
}

impl Columns {
    fn of(width: &Axis, x: usize, windows: usize) -> Self {
        let len = (windows - 1) * width.stride + width.span();
        // Before the input, it is negative.
        let first = width.start(x) as isize;
        let within = |column: isize| column.clamp(0, width.input as isize) as usize;
        let inside = within(first)..within(first + len as isize);
        let left = first.saturating_neg().clamp(0, len as isize) as usize;
        let right = len - left - inside.len();
        Self { inside, outside: [left, right] }
    }

    fn len(&self) -> usize {
        self.inside.len() + self.outside[0] + self.outside[1]
    }
}

/// Parts of the lines of the input.
struct Lines<'a, T> {
    input: &'a [T],
    /// Elements of a line before the part.
    start: usize,
    /// Runs of neighbours that it consists of, a pixel apart.
    runs: usize,
    /// Elements of a run.
    len: usize,
    /// Elements of a pixel.
    inner: usize,
    /// Elements of all runs and of what makes them whole vectors.
    padded: usize,
}

impl<T: Element> Lines<'_, T> {
    /// Copies the part of a line, and looks at it; of a line outside the input, the identity.
    #[inline(always)]
    fn copy<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        line: Option<usize>,
        scratch: &mut [T::Acc],
        mut to: usize,
        mut seen: S::Seen,
    ) -> S::Seen {
        let identity = simd.splat(R::IDENTITY);
        let Some(line) = line else {
            for i in (0..self.padded).step_by(S::N) {
                // SAFETY: the part has room for so many elements.
                unsafe { store_lanes(simd, identity, scratch, to + i) }
            }
            return seen;
        };
        let mut from = line + self.start;
        for _ in 0..self.runs {
            let mut i = 0;
            while i + S::N <= self.len {
                // SAFETY: elements of the run.
                let v = unsafe { load(simd, self.input, from + i) };
                seen = R::look(simd, seen, v, v);
                // SAFETY: the part has room for so many elements.
                unsafe { store_lanes(simd, R::lift(simd, v), scratch, to + i) }
                i += S::N;
            }
            if i < self.len {
                let (at, lanes) = (from + i, 0..self.len - i);
                let v = if at + S::N <= self.input.len() {
                    // SAFETY: that was just seen.
                    unsafe { load(simd, self.input, at) }
                } else {
                    // SAFETY: the last elements of the run.
                    unsafe { load_between(simd, self.input, at, lanes.clone(), identity) }
                };
                seen = R::look(simd, seen, v, v);
                let v = simd.keep(R::lift(simd, v), lanes, identity);
                // SAFETY: the part has room for whole vectors.
                unsafe { store_lanes(simd, v, scratch, to + i) }
            }
            from += self.inner;
            to += self.len;
        }
        seen
    }
}

/// The subtrees of the last few lines, a ring for each level.
struct Rings {
    list: [Ring; LEVELS],
    subtrees: Subtrees,
    kernel: usize,
    dilation: usize,
    /// Elements of a line.
    len: usize,
    /// Elements of all rings.
    end: usize,
}

/// The subtrees of a level.
#[derive(Clone, Copy, Default)]
struct Ring {
    start: usize,
    len: usize,
    /// Where the newest one is, after the start.
    newest: usize,
}

impl Ring {
    /// Where the one is that is so many elements older than the newest.
    #[inline(always)]
    fn older(&self, by: usize) -> usize {
        let wrap = if by > self.newest { self.len } else { 0 };
        self.start + self.newest + wrap - by
    }
}

impl Rings {
    #[inline(always)]
    fn new(height: &Axis, ordered: bool, len: usize) -> Self {
        let mut rings = Self {
            list: [Ring::default(); LEVELS],
            subtrees: Subtrees::of(height.kernel, ordered),
            kernel: height.kernel,
            dilation: height.dilation,
            len,
            end: 0,
        };
        if height.kernel > 1 {
            let top = Subtrees::top(height.kernel);
            for (level, ring) in rings.list[..=top].iter_mut().enumerate() {
                let taps = if level < top { 1 << level } else { height.kernel - (1 << top) };
                *ring =
                    Ring { start: rings.end, len: (taps * height.dilation + 1) * len, newest: 0 };
                rings.end += ring.len;
            }
        }
        rings
    }

    /// Forgets all lines.
    #[inline(always)]
    fn clear<R: Reduction<A>, A: Number, S: Lanes<A>>(&self, simd: S, scratch: &mut [A]) {
        for i in (0..self.end).step_by(S::N) {
            // SAFETY: the rings are whole vectors.
            unsafe { store_lanes(simd, simd.splat(R::IDENTITY), scratch, i) }
        }
    }

    /// Where the next line goes.
    #[inline(always)]
    fn first(&self) -> usize {
        self.list[0].older(0)
    }

    /// Merges the subtrees that end with the newest line.
    #[inline(always)]
    fn merge<R: Reduction<A>, A: Number, S: Lanes<A>>(&self, simd: S, scratch: &mut [A]) {
        let (top, _) = self.subtrees.list[0];
        for (level, pair) in self.list[..=top].windows(2).enumerate() {
            let older = pair[0].older((self.dilation << level) * self.len);
            let newest = pair[0].older(0);
            double::<R, A, S>(simd, scratch, [older, newest], pair[1].older(0), self.len);
        }
    }

    /// Merges the columns that end with the newest line.
    #[inline(always)]
    fn finish<R: Reduction<A>, A: Number, S: Lanes<A>>(
        &self,
        simd: S,
        scratch: &mut [A],
        to: usize,
    ) {
        let mut places = [0; LEVELS];
        let places = &mut places[..self.subtrees.len];
        for (place, (level, first)) in places.iter_mut().zip(self.subtrees.list) {
            let taps = self.kernel - first - (1 << level);
            *place = self.list[level].older(taps * self.dilation * self.len);
        }
        for i in (0..self.len).step_by(S::N) {
            let [v] = combine::<R, A, S, 1>(simd, scratch, places, i);
            // SAFETY: a place of a batch has room for so many vectors.
            unsafe { store_lanes(simd, v, scratch, to + i) }
        }
    }

    #[inline(always)]
    fn advance(&mut self) {
        let (top, _) = self.subtrees.list[0];
        for ring in &mut self.list[..=top] {
            ring.newest += self.len;
            if ring.newest == ring.len {
                ring.newest = 0;
            }
        }
    }
}

/// Merges two lines of subtrees into one, which may be the first.
#[inline(always)]
fn double<R: Reduction<A>, A: Number, S: Lanes<A>>(
    simd: S,
    scratch: &mut [A],
    [a, b]: [usize; 2],
    to: usize,
    len: usize,
) {
    for i in (0..len).step_by(S::N) {
        // SAFETY: the line has so many elements.
        let left = unsafe { load_lanes(simd, scratch, a + i) };
        // SAFETY: the same.
        let right = unsafe { load_lanes(simd, scratch, b + i) };
        // SAFETY: the same.
        unsafe { store_lanes(simd, R::merge(simd, left, right), scratch, to + i) }
    }
}

/// Merges the subtrees of windows, the ones on the right first.
#[inline(always)]
fn combine<R: Reduction<A>, A: Number, S: Lanes<A>, const B: usize>(
    simd: S,
    scratch: &[A],
    subtrees: &[usize],
    at: usize,
) -> [S::Vector; B] {
    let mut merged = [simd.splat(R::IDENTITY); B];
    let Some((last, others)) = subtrees.split_last() else { return merged };
    for (b, merged) in merged.iter_mut().enumerate() {
        // SAFETY: lines of subtrees have slack for `B` vectors.
        *merged = unsafe { load_lanes(simd, scratch, last + at + b * S::N) };
    }
    for subtree in others.iter().rev() {
        for (b, merged) in merged.iter_mut().enumerate() {
            // SAFETY: the same.
            let left = unsafe { load_lanes(simd, scratch, subtree + at + b * S::N) };
            *merged = R::merge(simd, left, *merged);
        }
    }
    merged
}

/// Rows of columns, to be merged across.
struct Batch<A> {
    /// Where the rows start, and how far it is to the next.
    start: usize,
    pitch: usize,
    /// Where the first column inside the input is, after the start of a row.
    inside: usize,
    /// Columns of a row.
    len: usize,
    /// Rows that there are, and that there may be.
    rows: usize,
    most: usize,
    /// Counted lines of each.
    counted: [A; ROWS],
    /// Rows that have been.
    done: usize,
    subtrees: Subtrees,
    /// Elements from the subtrees of a level to those of the next.
    level: usize,
    /// Whether all levels but the lowest are in the same place.
    in_place: bool,
    /// Counted columns of each window, and the end of all that is used.
    counts: usize,
    end: usize,
}

impl<A: Number> Batch<A> {
    #[inline(always)]
    fn new<T: Element<Acc = A>>(
        piece: &Piece<'_, T>,
        ordered: bool,
        columns: &Columns,
        rows: usize,
        start: usize,
    ) -> Self {
        let (strip, width) = (piece.strip, &piece.geometry.axes()[2]);
        let top = Subtrees::top(width.kernel);
        let gap = columns.outside[0].max(columns.outside[1]);
        let pitch = (columns.inside.len() + gap) * strip;
        let len = columns.len() * strip;
        // What the last row may read, and what is then left of a buffer.
        let last = len + width.span() * strip + SLACK;
        let left = (BUFFERS / (top + 3)).saturating_sub(last);
        let most = (left / pitch + 1).min(BATCH / pitch).min(rows).clamp(1, ROWS);
        let level = (most - 1) * pitch + last;
        let counts = start + if ordered { top + 2 } else { 2 } * level;
        Self {
            start,
            pitch,
            inside: columns.outside[0] * strip,
            len,
            rows: 0,
            most,
            counted: [A::ZERO; ROWS],
            done: 0,
            subtrees: Subtrees::of(width.kernel, ordered),
            level,
            in_place: !ordered,
            counts,
            end: counts + piece.windows * strip + SLACK,
        }
    }

    /// Where the columns inside the input of the next row go.
    #[inline(always)]
    fn place(&self) -> usize {
        self.start + self.rows * self.pitch + self.inside
    }

    #[inline(always)]
    fn push(&mut self, counted: A) {
        self.counted[self.rows] = counted;
        self.rows += 1;
    }

    #[inline(always)]
    fn is_full(&self) -> bool {
        self.rows == self.most
    }

    /// Where the subtrees of a level are.
    #[inline(always)]
    fn level(&self, level: usize) -> usize {
        self.start + if self.in_place { level.min(1) } else { level } * self.level
    }

    /// Merges the rows across, and writes the results.
    #[inline(always)]
    fn flush<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T>>(
        &mut self,
        simd: S,
        piece: &Piece<'_, T>,
        scratch: &mut [A],
        output: &mut [T],
    ) {
        if self.rows == 0 {
            return;
        }
        let (geometry, strip) = (piece.geometry, piece.strip);
        let (width, inner) = (&geometry.axes()[2], geometry.inner());
        let len = (self.rows - 1) * self.pitch + self.len;
        let (top, _) = self.subtrees.list[0];
        let step = width.dilation * strip;
        for level in 0..top {
            let from = self.level(level);
            let pair = [from, from + (step << level)];
            double::<R, A, S>(simd, scratch, pair, self.level(level + 1), len);
        }
        let mut places = [0; LEVELS];
        let mut places = &mut places[..self.subtrees.len];
        for (place, (level, first)) in places.iter_mut().zip(self.subtrees.list) {
            *place = self.level(level) + first * step;
        }
        let single = strip == 1 && width.stride > 1;
        if single {
            // Every `stride`-th element of what windows one apart give.
            let merged = self.level(top + 1);
            for i in (0..len).step_by(2 * S::N) {
                for (b, v) in
                    combine::<R, A, S, 2>(simd, scratch, places, i).into_iter().enumerate()
                {
                    // SAFETY: a level has slack for two vectors.
                    unsafe { store_lanes(simd, v, scratch, merged + i + b * S::N) }
                }
            }
            for row in 0..self.rows {
                let start = merged + row * self.pitch;
                for x in 1..piece.windows {
                    scratch[start + x] = scratch[start + x * width.stride];
                }
            }
            places = &mut places[..1];
            places[0] = merged;
        }
        let seamless = strip == inner && (single || width.stride == 1);
        let (runs, len, advance) = if seamless {
            (1, piece.windows * strip, 0)
        } else {
            (piece.windows, strip, width.stride * strip)
        };
        // Then what comes after a run is written after it.
        let alone = strip == inner && piece.windows == width.output;
        for row in 0..self.rows {
            let mut from = row * self.pitch;
            let mut to = (self.done + row) * geometry.row_len() + piece.x * inner + piece.channel;
            let mut counts = self.counts;
            let rows = simd.splat(self.counted[row]);
            let constant = match geometry.divisor() {
                Divisor::Constant(n) => Some(Divide::by::<A, S>(simd, n, geometry.rounding())),
                _ => None,
            };
            for _ in 0..runs {
                for i in (0..len).step_by(2 * S::N) {
                    let merged = combine::<R, A, S, 2>(simd, scratch, places, from + i);
                    for (b, v) in merged.into_iter().enumerate() {
                        let i = i + b * S::N;
                        if i >= len {
                            break;
                        }
                        let divide = constant.unwrap_or_else(
                            #[inline(always)]
                            || {
                                // SAFETY: there are as many counts as results, and slack.
                                let columns = unsafe { load_lanes(simd, scratch, counts + i) };
                                Divide::By(simd.mul(rows, columns), geometry.rounding())
                            },
                        );
                        let v = R::finish(simd, v, divide);
                        let room = alone && to + i + S::N <= output.len();
                        let room = if room { S::N } else { S::N.min(len - i) };
                        // SAFETY: no more elements than the run or the output has left.
                        unsafe { store_first(simd, v, output, to + i, room) }
                    }
                }
                from += advance;
                to += inner;
                counts += len;
            }
        }
        self.done += self.rows;
        self.rows = 0;
    }
}
