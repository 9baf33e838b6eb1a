//! Large windows that overlap, along height and width: what they share is merged once.
//!
//! The [order](crate::order) of a window is a tree whose full subtrees have 2ⁿ leaves, and the subtree of
//! 2ⁿ⁺¹ leaves from some tap on is that of 2ⁿ leaves merged with the one 2ⁿ taps further on. So all
//! windows are made of a few subtrees, each of which is one merge: a window of `k` taps costs ⌊log₂ k⌋
//! merges and one for each other bit of `k`; where the order does not show, one for all bits.
//!
//! A line of the input is merged into rings of lines, one ring for each size of subtrees, that hold as
//! many as the larger subtrees need; of extrema, whose order does not show, lines are [scanned](Scan). What ends
//! with it, a row of merged columns, joins a few others in a buffer, all of which are then merged across as if they
//! were one row. Between them are as many identities as windows reach over the edges: a row's right edge is the
//! left one of the next.
//!
//! Channels are neighbours that are shifted together: a column is then a strip of them.

use crate::doubled::double;
use crate::lines::OCTET;
use crate::number::{Element, Number};
use crate::order::merges_after;
use crate::reduction::{Divide, Reduction};
use crate::scans::{Newest, Scan};
use crate::simd::{
    Aligned, Lanes, Memory, WIDEST, load, load_between, load_lanes, store, store_first, store_lanes,
};
use crate::walk::{FastWalk, LARGE_PART};
use crate::{Axis, Divisor, Geometry, Rounding};
use core::mem::MaybeUninit;
use core::ops::Range;

/// Bytes of the scratch memory, and of what stays in most second-level caches.
pub(crate) const SCRATCH: usize = 512 << 10;
const NEAR: usize = 256 << 10;

/// Elements that are merged across at a time, unless a single row has more.
const BATCH: usize = 1024;

/// Elements of planes that are merged down as a whole, at most.
const FLAT: usize = 2048;

/// Elements of a small plane, so that what it is merged to stays in the first-level cache.
const SMALL: usize = 1024;

/// Rows of a batch at most.
const ROWS: usize = 256;

/// Channels of a strip are a multiple of this, which is one of the lanes of all vectors of `f32`.
const STRIP: usize = 16;

/// Slices of a window at most, each of which has rings of its own.
const DEEPEST: usize = 32;

/// Lines of a window of several slices that are worth it, of single elements.
const DEEP: usize = 24;

/// Sizes of subtrees: of windows that are longer, there is no room for as many lines or columns.
const LEVELS: usize = (NEAR / size_of::<f32>()).ilog2() as usize;

/// Elements of the windows that are merged from neighbours at once, at most.
const MOST_AT_ONCE: usize = 16;

/// Vectors that are merged side by side.
const SIDE: usize = 4;

/// Elements after the last one of a buffer that may be read, and written.
const SLACK: usize = 2 * WIDEST;

/// Whether this walk takes these windows, which have to be large and to have much in common.
pub(crate) fn fits(geometry: &Geometry) -> bool {
    let [_, height, width] = geometry.axes();
    let (high, wide) = (height.kernel, width.kernel);
    let [down, across] = [height, width].map(apart);
    let deep = !geometry.axes()[0].is_flat();
    let pays = if !geometry.is_single() {
        // Other walks load each tap of each window.
        (wide > 3 || high >= 8)
            && high.saturating_mul(wide) > down.saturating_mul(across).saturating_mul(9)
    } else if deep && high < DEEP {
        // Other walks merge slices and lines at once.
        false
    } else {
        // Other walks merge columns, and what is merged across them has one tap for each.
        let taps = high.saturating_add(wide);
        match across {
            1 if high == 1 => wide > 3,
            // Others have code of their own for so few taps.
            1 if high.max(wide) <= OCTET => false,
            1 if height.input * width.input <= SMALL => wide > 3 && taps >= down.saturating_mul(10),
            1 => taps >= down.saturating_mul(16),
            2 if high == 1 => wide >= 16,
            2 => taps >= 64 && high >= down.saturating_mul(4),
            3 | 4 => wide > across && high >= down,
            _ => wide / 2 >= across && high >= down,
        }
    };
    pays && has_room::<f32>(geometry)
}

/// Whether this walk takes extrema of these windows all the same: to scan lines takes less than to merge what averages share.
pub(crate) fn fits_extrema<A>(geometry: &Geometry) -> bool {
    let [depth, height, width] = geometry.axes();
    geometry.is_single()
        && depth.is_flat()
        && apart(width) == 2
        && height.kernel.saturating_add(width.kernel) >= 40
        && height.kernel >= apart(height).saturating_mul(4)
        && has_room::<A>(geometry)
}

/// Whether there is room for what windows of such elements share.
pub(crate) fn has_room<A>(geometry: &Geometry) -> bool {
    Cut::of(geometry, size_of::<A>()).is_some()
}

/// Taps from one window to the next; from a single one, to where it has nothing in common with another.
fn apart(axis: &Axis) -> usize {
    if axis.output > 1 { axis.stride } else { axis.stride.max(axis.kernel) }
}

/// How a tensor is cut so that the scratch memory holds what is being merged.
struct Cut {
    /// Channels side by side.
    strip: usize,
    /// Windows of a row.
    windows: usize,
}

impl Cut {
    /// The cut for elements of so many bytes.
    #[inline(never)]
    fn of(geometry: &Geometry, bytes: usize) -> Option<Self> {
        let [depth, height, width] = geometry.axes();
        let [scratch, near] = [SCRATCH / bytes, NEAR / bytes];
        if geometry.inner() == 0
            || depth.kernel > DEEPEST
            || geometry.axes().iter().any(|axis| axis.spread || axis.span() > scratch)
        {
            return None;
        }
        let lines = match (depth.is_flat(), height.kernel) {
            (true, 1) => 0,
            (true, _) => ring_lines(height),
            (false, _) => depth.kernel * (ring_lines(height) + 1),
        };
        let levels = Merges::top(width.kernel) + 3;
        let span = width.span();
        // As many windows as there is room for.
        let windows = |strip: usize, room: usize| {
            // Of each buffer, a window may be read after the last column.
            let slack = lines * (3 * STRIP + WIDEST) + levels * SLACK;
            let room = room.saturating_sub(slack) / strip;
            let room = room.saturating_sub(levels * span);
            // The rings have no more columns than the input.
            let inside = room.saturating_sub(lines * width.input) / levels;
            let columns = inside.max(room / (lines + levels));
            let most = columns.checked_sub(span).map_or(0, |rest| rest / width.stride + 1);
            // Without rings, all that is merged across stays in the first-level cache.
            let near = if lines == 0 { (2 * span).max(BATCH / strip) } else { most };
            most.min(near).min(width.output)
        };
        // A piece of a row has some columns in common with the next.
        let least = span.div_ceil(width.stride).max(STRIP).min(width.output);
        let inner = geometry.inner();
        let mut strip = if lines == 0 { inner.min(STRIP) } else { inner };
        while windows(strip, near) < least {
            if strip <= STRIP && windows(strip, scratch) >= least.div_ceil(2) {
                return Some(Self { strip, windows: windows(strip, scratch) });
            }
            if strip == 1 {
                // Little in common is still more than nothing.
                let windows = windows(1, scratch);
                return (windows * 8 >= least).then_some(Self { strip, windows });
            }
            let half = strip.div_ceil(2);
            strip = if half > STRIP { half.next_multiple_of(STRIP) } else { half };
        }
        Some(Self { strip, windows: windows(strip, near) })
    }
}

/// Lines that the rings of all sizes hold, or that are scanned.
fn ring_lines(height: &Axis) -> usize {
    Scan::room(height).max(height.span() + Merges::top(height.kernel))
}

/// How windows along an axis are merged from shorter ones, and those from still shorter ones: the
/// windows of a level are as wide as those of the level below are, several times.
struct Merges {
    /// Taps of a window of each level.
    widths: [usize; LEVELS],
    /// The highest level.
    top: usize,
    /// Level and first tap of what a whole window is merged from, from left to right.
    parts: [(usize, usize); LEVELS],
    len: usize,
    kernel: usize,
    /// Levels above the lowest that are merged at once, each of windows twice as wide as those below.
    doubled: usize,
}

impl Merges {
    /// The highest level, at most.
    fn top(kernel: usize) -> usize {
        (kernel - 1).checked_ilog2().unwrap_or(0) as usize
    }

    /// The merges of which the first levels are [doubled](Self::doubled), at most so many.
    #[inline(never)]
    fn of(kernel: usize, ordered: bool, doubled: usize) -> Self {
        let doubled = doubled.min(Self::top(kernel));
        let mut merges = Self {
            widths: [1; LEVELS],
            top: doubled,
            parts: [(0, 0); LEVELS],
            len: 0,
            kernel,
            doubled,
        };
        let most = if ordered { 2 } else { 5 };
        let mut width = 1;
        for level in &mut merges.widths[1..=doubled] {
            width *= 2;
            *level = width;
        }
        while kernel > most * width {
            width *= match kernel / width {
                _ if ordered => 2,
                16.. => 4,
                _ => 3,
            };
            merges.top += 1;
            merges.widths[merges.top] = width;
        }
        let mut first = 0;
        while first < kernel {
            // Where the order does not show, the last one overlaps the one before it.
            let level = match kernel - first {
                rest if ordered => merges.top.min(rest.ilog2() as usize),
                _ => merges.top,
            };
            let at = if ordered { first } else { first.min(kernel - width) };
            merges.parts[merges.len] = (level, at);
            merges.len += 1;
            first += merges.widths[level];
        }
        merges
    }

    /// How many windows of a level make one of the next.
    #[inline(always)]
    fn radix(&self, level: usize) -> usize {
        self.widths[level + 1] / self.widths[level]
    }

    /// Merges `D` levels of neighbours from the lowest one, of so many elements, in registers: each element is loaded once.
    ///
    /// A lane has the window that ends with it. What is stored before the first window is what nothing is read from.
    #[inline(always)]
    fn double<R: Reduction<A>, A: Number, S: Lanes<A>, const D: usize>(
        &self,
        simd: S,
        scratch: &mut [A],
        level: impl Fn(usize) -> usize,
        len: usize,
    ) {
        let (from, mut kept, mut to) = (level(0), [false; D], [0; D]);
        for d in 0..D {
            to[d] = level(d + 1) + 1 - (2 << d);
            kept[d] = d + 1 == D;
        }
        // Only where the order shows, windows are made of those of several levels.
        for (level, _) in self.parts.iter().take(if R::ORDERED { self.len } else { 0 }) {
            if (1..=D).contains(level) {
                kept[level - 1] = true;
            }
        }
        let mut before = [simd.splat(R::IDENTITY); D];
        for i in (0..len).step_by(S::N) {
            // SAFETY: a buffer has slack for a vector.
            let mut v = unsafe { load_lanes(simd, scratch, from + i) };
            for d in 0..D {
                let doubled = double::<R, A, S>(simd, d, before[d], v);
                before[d] = v;
                v = doubled;
                if kept[d] {
                    // SAFETY: the same, and before the buffer is the slack of another.
                    unsafe { store_lanes(simd, v, scratch, to[d] + i) }
                }
            }
        }
    }
}

/// Large windows that overlap.
pub(crate) struct Shared;

impl FastWalk for Shared {
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
        let mut seen = simd.unseen();
        let mut scratch = Aligned([const { MaybeUninit::uninit() }; SCRATCH]);
        let scratch = elements(&mut scratch.0);
        let (mut known, mut ready) = (0, None);
        let Some(cut) = Cut::of(geometry, size_of::<T::Acc>()) else { return seen };
        let (width, inner) = (&geometry.axes()[2], geometry.inner());
        // The strips of some columns one after the other: they are in the same pages.
        for x in (0..width.output).step_by(cut.windows) {
            for c in (0..inner).step_by(cut.strip) {
                let piece = Piece {
                    geometry,
                    input,
                    // The last strip is flush with the last channel.
                    channel: c.min(inner - cut.strip),
                    strip: cut.strip,
                    x,
                    windows: cut.windows.min(width.output - x),
                };
                let (rows, scratch) = (rows.clone(), (&mut *scratch, &mut known, &mut ready));
                seen = piece.reduce::<R, S>(simd, rows, scratch, output, seen);
            }
        }
        seen
    }
}

/// Whether each line is merged by itself.
fn is_alone(geometry: &Geometry) -> bool {
    let [depth, height, _] = geometry.axes();
    depth.is_flat() && height.kernel == 1
}

/// What is found out for a piece.
struct Ready<A> {
    /// Columns inside the input, and windows.
    size: [usize; 2],
    rings: Rings,
    batch: Batch<A>,
}

impl<A: Number> Ready<A> {
    /// Finds it out, given the rows, the lines of a plane that they need, and the lanes of a vector. A call, like all that has
    /// no vectors, and which writes where it is to be: it is too large to be copied.
    #[inline(never)]
    fn renew<T: Element<Acc = A>>(
        ready: &mut Option<Self>,
        piece: &Piece<'_, T>,
        ordered: bool,
        columns: &Columns,
        [rows, lines, lanes]: [usize; 3],
    ) {
        let [depth, height, _] = piece.geometry.axes();
        let slices = if depth.is_flat() { 0 } else { depth.kernel };
        let len = (columns.inside.len() * piece.strip).next_multiple_of(lanes);
        let mut rings = Rings::new(height, ordered, len, slices);
        let batch = Batch::new(piece, ordered, columns, [rows, lines, lanes], &mut rings);
        let size = [columns.inside.len(), piece.windows];
        *ready = Some(Self { size, rings, batch });
    }
}

/// Scratch memory, how much of it has been written, and what the piece before found out.
type Scratch<'a, A> = (&'a mut [MaybeUninit<A>], &'a mut usize, &'a mut Option<Ready<A>>);

/// Bytes as memory for elements, as many as there is room for.
pub(crate) fn elements<A: Number>(bytes: &mut [MaybeUninit<u8>]) -> &mut [MaybeUninit<A>] {
    // SAFETY: what need not be initialised may be anything.
    unsafe { bytes.align_to_mut() }.1
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
        (scratch, known, ready): Scratch<'_, T::Acc>,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let geometry = self.geometry;
        let [depth, height, width] = geometry.axes();
        let columns = Columns::of(width, self.x, self.windows);
        let len = columns.inside.len() * self.strip;
        let deep = !depth.is_flat();
        // Where no column is outside, all is as the piece before left it, if that was as large.
        let size = [columns.inside.len(), self.windows];
        let same = is_alone(geometry) && columns.outside == [0; 2];
        let anew = !ready.as_ref().is_some_and(|ready| same && ready.size == size);
        let plane_lines = (height.output.min(rows.len()) - 1)
            .saturating_mul(height.stride)
            .saturating_add(height.span());
        if anew {
            Ready::renew(ready, self, R::ORDERED, &columns, [rows.len(), plane_lines, S::N]);
        }
        let Some(Ready { rings, batch, .. }) = ready else { return seen };
        batch.done = 0;
        // What another piece left is of no use where there are no columns.
        let level = if anew { batch.start..batch.start + batch.level } else { 0..0 };
        let scratch = initialised::<R, T>(scratch, known, batch.end, level);
        if R::DIVIDES && anew {
            self.count(&mut scratch[batch.counts..batch.end]);
        }
        let strides = geometry.strides();
        let seamless = self.strip == strides.width || columns.inside.len() == 1;
        let lines = Lines {
            input: self.input,
            start: columns.inside.start * strides.width + self.channel,
            runs: if seamless { 1 } else { columns.inside.len() },
            len: if seamless { len } else { self.strip },
            pixel: strides.width,
            padded: len.next_multiple_of(S::N),
        };
        let mut row = rows.start;
        while row < rows.end {
            let (plane, z, y) = geometry.position(row);
            let count = (height.output - y).min(rows.end - row);
            let slices = depth.taps(z);
            let slice = |tap: usize| {
                let slice = depth.start(z).wrapping_add(tap * depth.dilation);
                geometry.plane_start(plane) + slice * strides.depth
            };
            // Lines before the input or after it have negative or large numbers.
            let line = |tap: usize, t: isize| {
                let inside = t >= 0 && t < height.input as isize;
                inside.then(|| slice(tap) + t as usize * strides.height)
            };
            let start = height.start(y) as isize;
            let mut complete = start + height.span() as isize - 1;
            let first = batch.rows;
            if batch.down.is_some() {
                let end = complete + ((count - 1) * height.stride) as isize;
                for t in start..=end {
                    let to = batch.place();
                    seen = lines.copy::<R, S>(simd, line(0, t), scratch, to, seen);
                    batch.rows += 1;
                }
                batch.rows = first + plane_lines;
            } else if !is_alone(geometry) && (start < 0 || !R::ORDERED) {
                rings.clear::<R, T::Acc, S>(simd, scratch);
            }
            let mut t = start.max(complete.min(0));
            for i in 0..count {
                let counted = if R::DIVIDES {
                    let by = geometry.divisor();
                    depth.count(z, by) * height.count(y + i, by)
                } else {
                    1
                };
                let counted = T::Acc::nearest(counted.max(1) as i64);
                if batch.down.is_some() {
                    batch.push(first + i * height.stride, counted);
                    continue;
                }
                if is_alone(geometry) {
                    let to = batch.place();
                    seen = lines.copy::<R, S>(simd, line(0, complete), scratch, to, seen);
                } else {
                    while t <= complete {
                        for tap in if deep { slices.clone() } else { 0..1 } {
                            let to = rings.first::<R, T::Acc>(tap);
                            seen = lines.copy::<R, S>(simd, line(tap, t), scratch, to, seen);
                            let whole = if deep { rings.whole(tap) } else { batch.place() };
                            let whole = (t == complete).then_some(whole);
                            rings.merge::<R, T::Acc, S>(simd, scratch, tap, whole);
                        }
                        rings.advance::<R, T::Acc, S>(simd, scratch);
                        t += 1;
                    }
                    if deep {
                        rings.join::<R, T::Acc, S>(simd, scratch, &slices, batch.place());
                    }
                }
                complete += height.stride as isize;
                batch.push(batch.rows, counted);
                batch.rows += 1;
                if batch.rows == batch.most {
                    batch.flush::<R, T, S>(simd, self, scratch, output);
                }
            }
            if batch.rows == batch.most {
                batch.flush::<R, T, S>(simd, self, scratch, output);
            }
            row += count;
        }
        batch.flush::<R, T, S>(simd, self, scratch, output);
        seen
    }

    /// Writes the counted columns of each window, once for each channel of the strip.
    #[inline(never)]
    fn count(&self, counts: &mut [T::Acc]) {
        let (width, by) = (&self.geometry.axes()[2], self.geometry.divisor());
        let count = |i: usize| T::Acc::nearest(width.count(self.x + i, by).max(1) as i64);
        let interior = width.interior();
        let [start, end] =
            [interior.start, interior.end].map(|x| x.saturating_sub(self.x).min(self.windows));
        // To ask for each takes longer than to pool it.
        if start < end {
            counts[start * self.strip..end * self.strip].fill(count(start));
        }
        for i in (0..start).chain(end..self.windows) {
            counts[i * self.strip..][..self.strip].fill(count(i));
        }
    }
}

/// The first elements of some memory, of which the first `known` have been written; those after them, and those
/// to clear, are now. A call, like all that has no vectors, so that there is one for all instruction sets.
#[inline(never)]
fn initialised<'a, R: Reduction<T::Acc>, T: Element>(
    scratch: &'a mut [MaybeUninit<T::Acc>],
    known: &mut usize,
    end: usize,
    clear: Range<usize>,
) -> &'a mut [T::Acc] {
    for element in &mut scratch[end.min(*known)..end] {
        element.write(R::IDENTITY);
    }
    *known = end.max(*known);
    for element in &mut scratch[clear] {
        element.write(R::IDENTITY);
    }
    let scratch = &mut scratch[..end];
    // SAFETY: every element has been written.
    unsafe { &mut *(core::ptr::from_mut(scratch) as *mut [T::Acc]) }
}

/// The columns that some windows have, those outside the input included.
pub(crate) struct Columns {
    /// The ones inside the input.
    pub(crate) inside: Range<usize>,
    /// How many are to the left of these, and to the right.
    pub(crate) outside: [usize; 2],
}

impl Columns {
    #[inline(never)]
    pub(crate) fn of(width: &Axis, x: usize, windows: usize) -> Self {
        let len = (windows - 1) * width.stride + width.span();
        // Before the input, it is negative.
        let first = width.start(x) as isize;
        let within = |column: isize| column.clamp(0, width.input as isize) as usize;
        let inside = within(first)..within(first + len as isize);
        let left = first.saturating_neg().clamp(0, len as isize) as usize;
        let right = len - left - inside.len();
        Self { inside, outside: [left, right] }
    }

    pub(crate) fn len(&self) -> usize {
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
    /// Elements from a pixel to the next.
    pixel: usize,
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
            from += self.pixel;
            to += self.len;
        }
        seen
    }
}

/// What the last few lines are merged to, a ring for each level; where the order does not show, lines are scanned.
struct Rings {
    list: [Ring; LEVELS],
    merges: Merges,
    scan: Scan,
    dilation: usize,
    /// Elements of a line, and from one to the next.
    len: usize,
    pitch: usize,
    /// Elements of what a slice has, of that of all slices, and of all that there is.
    set: usize,
    sets: usize,
    end: usize,
}

/// The windows of a level.
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
    /// Rings of lines of so many elements, for so many slices of a window, or for none.
    fn new(height: &Axis, ordered: bool, len: usize, slices: usize) -> Self {
        let merges = Merges::of(height.kernel, ordered, 0);
        let mut list = [Ring::default(); LEVELS];
        // Lines a power of two apart would crowd each other out of the first-level cache.
        let pitch = len.next_multiple_of(2 * STRIP) + STRIP;
        let mut end = 0;
        for (level, ring) in list.iter_mut().enumerate().take(merges.top + 1) {
            let width = if level < merges.top { merges.widths[level + 1] } else { height.kernel };
            let lines = (width - merges.widths[level]) * height.dilation + 1;
            *ring = Ring { start: end, len: lines * pitch, newest: 0 };
            end += lines * pitch;
        }
        let scan = Scan::new(height, 0, pitch);
        if !ordered {
            end = scan.end();
        }
        // And windows of each slice, which are merged in the end.
        let (set, sets) = (end, end * slices.max(1));
        let end = sets + slices * pitch;
        Self { list, merges, scan, dilation: height.dilation, len, pitch, set, sets, end }
    }

    /// Forgets all lines.
    #[inline(always)]
    fn clear<R: Reduction<A>, A: Number, S: Lanes<A>>(&mut self, simd: S, scratch: &mut [A]) {
        if const { !R::ORDERED } {
            for set in (0..self.sets).step_by(self.set) {
                self.scan = self.scan.at(set);
                self.scan.begin(scratch, R::IDENTITY);
            }
            return;
        }
        for i in (0..self.end).step_by(S::N) {
            // SAFETY: the rings are whole vectors.
            unsafe { store_lanes(simd, simd.splat(R::IDENTITY), scratch, i) }
        }
    }

    /// Where the next line of a slice goes.
    #[inline(always)]
    fn first<R: Reduction<A>, A: Number>(&self, slice: usize) -> usize {
        if const { R::ORDERED } {
            slice * self.set + self.list[0].older(0)
        } else {
            self.scan_of(slice).newest().line
        }
    }

    /// The scan of a slice.
    #[inline(always)]
    fn scan_of(&self, slice: usize) -> Scan {
        self.scan.at(slice * self.set)
    }

    /// Where a window of a slice goes, if there are others.
    #[inline(always)]
    fn whole(&self, slice: usize) -> usize {
        self.sets + slice * self.pitch
    }

    /// Merges the windows of some slices to a place.
    #[inline(always)]
    fn join<R: Reduction<A>, A: Number, S: Lanes<A>>(
        &self,
        simd: S,
        scratch: &mut [A],
        slices: &Range<usize>,
        to: usize,
    ) {
        let (mut waiting, mut len) = ([0; LEVELS], 0);
        for slice in slices.clone() {
            waiting[len] = self.whole(slice);
            len += 1;
            for _ in 0..merges_after(slice, slices) {
                len -= 1;
                let places = [waiting[len - 1], waiting[len]];
                merge_few::<R, A, S>(simd, scratch, places, places[0], self.len);
            }
        }
        merge_few::<R, A, S>(simd, scratch, &waiting[..len], to, self.len);
    }

    /// Merges all that ends with the newest line of a slice, and whole windows to a place.
    #[inline(always)]
    fn merge<R: Reduction<A>, A: Number, S: Lanes<A>>(
        &self,
        simd: S,
        scratch: &mut [A],
        slice: usize,
        whole: Option<usize>,
    ) {
        if const { !R::ORDERED } {
            let Newest { line, forward, back } = self.scan_of(slice).newest();
            merge_few::<R, A, S>(simd, scratch, [forward, line], forward, self.len);
            if let Some(whole) = whole {
                merge_few::<R, A, S>(simd, scratch, [back, forward], whole, self.len);
            }
            return;
        }
        let (merges, set) = (&self.merges, slice * self.set);
        let line = self.dilation * self.pitch;
        let mut places = [0; LEVELS];
        for level in 0..=merges.top {
            let (to, len) = if level < merges.top {
                let radix = merges.radix(level);
                let width = merges.widths[level];
                for (j, place) in places[..radix].iter_mut().enumerate() {
                    *place = set + self.list[level].older((radix - 1 - j) * width * line);
                }
                (set + self.list[level + 1].older(0), radix)
            } else {
                let Some(whole) = whole else { break };
                for (place, (level, first)) in places.iter_mut().zip(merges.parts).take(merges.len)
                {
                    let after = merges.kernel - first - merges.widths[level];
                    *place = set + self.list[level].older(after * line);
                }
                (whole, merges.len)
            };
            merge_all::<R, A, S>(simd, scratch, &places[..len], to, self.len);
        }
    }

    #[inline(always)]
    fn advance<R: Reduction<A>, A: Number, S: Lanes<A>>(&mut self, simd: S, scratch: &mut [A]) {
        if const { !R::ORDERED } {
            let mut scan = self.scan;
            for set in (0..self.sets).step_by(self.set) {
                scan = self.scan.at(set);
                scan.advance::<R, A, S>(simd, scratch, self.len);
            }
            self.scan = scan;
            return;
        }
        for ring in &mut self.list[..=self.merges.top] {
            ring.newest += self.pitch;
            if ring.newest == ring.len {
                ring.newest = 0;
            }
        }
    }
}

/// Merges lines of elements at some places into one, which may be the first of them.
#[inline(always)]
fn merge_all<R: Reduction<A>, A: Number, S: Lanes<A>>(
    simd: S,
    scratch: &mut [A],
    places: &[usize],
    to: usize,
    len: usize,
) {
    // Loops over so many places that the compiler knows take a third of the time.
    match *places {
        [a, b] => merge_few::<R, A, S>(simd, scratch, [a, b], to, len),
        [a, b, c] => merge_few::<R, A, S>(simd, scratch, [a, b, c], to, len),
        [a, b, c, d] => merge_few::<R, A, S>(simd, scratch, [a, b, c, d], to, len),
        [a, b, c, d, e] => merge_few::<R, A, S>(simd, scratch, [a, b, c, d, e], to, len),
        _ => merge_few::<R, A, S>(simd, scratch, places, to, len),
    }
}

#[inline(always)]
fn merge_few<R: Reduction<A>, A: Number, S: Lanes<A>>(
    simd: S,
    scratch: &mut [A],
    places: impl AsRef<[usize]>,
    to: usize,
    len: usize,
) {
    let places = places.as_ref();
    let mut i = 0;
    while i + SIDE * S::N <= len {
        let merged = combine::<R, A, S, SIDE>(simd, scratch, places, i);
        for (b, v) in merged.into_iter().enumerate() {
            // SAFETY: the line has so many elements.
            unsafe { store_lanes(simd, v, scratch, to + i + b * S::N) }
        }
        i += SIDE * S::N;
    }
    while i < len {
        let [v] = combine::<R, A, S, 1>(simd, scratch, places, i);
        // SAFETY: lines have room for whole vectors.
        unsafe { store_lanes(simd, v, scratch, to + i) }
        i += S::N;
    }
}

/// Merges what is at some places, the last ones first.
#[inline(always)]
fn combine<R: Reduction<A>, A: Number, S: Lanes<A>, const B: usize>(
    simd: S,
    scratch: &[A],
    places: &[usize],
    at: usize,
) -> [S::Vector; B] {
    let mut merged = [simd.splat(R::IDENTITY); B];
    let Some((last, others)) = places.split_last() else { return merged };
    for (b, merged) in merged.iter_mut().enumerate() {
        // SAFETY: lines have room for whole vectors, or slack for `B` of them.
        *merged = unsafe { load_lanes(simd, scratch, last + at + b * S::N) };
    }
    for place in others.iter().rev() {
        for (b, merged) in merged.iter_mut().enumerate() {
            // SAFETY: the same.
            let left = unsafe { load_lanes(simd, scratch, place + at + b * S::N) };
            *merged = R::merge(simd, left, *merged);
        }
    }
    merged
}

/// Merges what is at some places to `B` vectors of results: where those start, and the counted columns of their windows; and
/// counted lines, or how all are divided.
#[inline(always)]
fn results<R: Reduction<A>, A: Number, S: Lanes<A>, const B: usize>(
    simd: S,
    scratch: &[A],
    places: &[usize],
    [at, counts]: [usize; 2],
    by: Result<(S::Vector, Rounding), Divide<S::Vector>>,
) -> [S::Vector; B] {
    let mut results = combine::<R, A, S, B>(simd, scratch, places, at);
    for (b, v) in results.iter_mut().enumerate() {
        let divide = match by {
            Ok((lines, rounding)) => {
                // SAFETY: there are as many counts as results, and slack.
                let columns = unsafe { load_lanes(simd, scratch, counts + b * S::N) };
                Divide::by_lanes::<A, S>(simd, simd.mul(lines, columns), rounding)
            }
            Err(divide) => divide,
        };
        *v = R::finish(simd, *v, divide);
    }
    results
}

/// Rows that are merged across as if they were one: of columns, or of what is first to be merged down.
struct Batch<A> {
    /// Where the rows start, and how far it is to the next.
    start: usize,
    pitch: usize,
    /// Where the first column inside the input is, after the start of a row.
    inside: usize,
    /// Elements of a row.
    len: usize,
    /// Rows that there are, and that there may be.
    rows: usize,
    most: usize,
    /// For each row of the output that is ready, where it starts, and its counted lines.
    made: [(usize, A); ROWS],
    ready: usize,
    /// Rows of the output that have been written.
    done: usize,
    /// How to merge the rows down, unless they are columns.
    down: Option<Merges>,
    across: Merges,
    /// Elements from one level to the next.
    level: usize,
    /// Whether all levels but the lowest are in the same place.
    in_place: bool,
    /// Counted columns of each window, and the end of all that is used.
    counts: usize,
    end: usize,
}

impl<A: Number> Batch<A> {
    fn new<T: Element<Acc = A>>(
        piece: &Piece<'_, T>,
        ordered: bool,
        columns: &Columns,
        [rows, lines, lanes]: [usize; 3],
        rings: &mut Rings,
    ) -> Self {
        let strip = piece.strip;
        let [_, height, width] = piece.geometry.axes();
        let down = Merges::of(height.kernel, ordered, 0);
        let neighbours = strip == 1 && width.dilation == 1;
        let most = if neighbours { (2 * lanes).min(MOST_AT_ONCE) } else { 1 };
        let doubled = most.checked_ilog2().unwrap_or(0) as usize;
        let across = Merges::of(width.kernel, ordered, doubled);
        let gap = columns.outside[0].max(columns.outside[1]);
        let pitch = (columns.inside.len() + gap) * strip;
        let len = columns.len() * strip;
        // What the last row may read, and what is then left of a buffer.
        let last = len + width.span() * strip + SLACK;
        let near = NEAR / size_of::<A>();
        let left = near.saturating_sub(rings.end);
        let room = (left / (across.top + 3)).saturating_sub(last);
        let flat_room = FLAT.min((near / (down.top + across.top + 4)).saturating_sub(last));
        let [depth, ..] = piece.geometry.axes();
        let flat = depth.is_flat()
            && height.kernel > 1
            && height.output <= ROWS
            && lines.saturating_mul(pitch) <= flat_room;
        let most = if flat {
            rings.end = 0;
            let planes = flat_room / (lines * pitch);
            lines * planes.min(ROWS / height.output).min(rows.div_ceil(height.output) + 1)
        } else {
            (room / pitch + 1).min(BATCH / pitch).min(rows).clamp(1, ROWS)
        };
        let level = (most - 1) * pitch + last;
        let start = if height.kernel > 1 || !depth.is_flat() { rings.end } else { 0 };
        let levels = match (ordered, flat) {
            (false, _) => 2,
            (true, false) => across.top + 2,
            (true, true) => down.top + across.top + 3,
        };
        let counts = start + levels * level;
        Self {
            start,
            pitch,
            inside: columns.outside[0] * strip,
            len,
            rows: 0,
            most,
            made: [(0, A::ZERO); ROWS],
            ready: 0,
            done: 0,
            down: flat.then_some(down),
            across,
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

    /// A row of the output is ready, made from a row and those after it.
    #[inline(always)]
    fn push(&mut self, row: usize, counted: A) {
        self.made[self.ready] = (row * self.pitch, counted);
        self.ready += 1;
    }

    /// Where a level above one that starts at `start` is.
    #[inline(always)]
    fn level(&self, start: usize, level: usize) -> usize {
        match level {
            0 => start,
            _ if self.in_place => self.start + self.level,
            _ => start + level * self.level,
        }
    }

    /// Merges the rows, and writes the results.
    #[inline(always)]
    fn flush<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T>>(
        &mut self,
        simd: S,
        piece: &Piece<'_, T>,
        scratch: &mut [A],
        output: &mut [T],
    ) {
        if self.ready == 0 {
            return;
        }
        let (geometry, strip) = (piece.geometry, piece.strip);
        let ([_, height, width], inner) = (geometry.axes(), geometry.inner());
        let mut len = (self.rows - 1) * self.pitch + self.len;
        let mut start = self.start;
        let mut places = [0; LEVELS];
        let mut count = 0;
        let steps = [height.dilation * self.pitch, width.dilation * strip];
        let stages = [self.down.as_ref(), Some(&self.across)];
        let side_by_side = strip == inner && width.stride == 1;
        let single = (strip, inner) == (1, 1) && width.stride > 1;
        for (merges, step) in stages.into_iter().zip(steps) {
            let Some(merges) = merges else { continue };
            let to = |level| self.level(start, level);
            match merges.doubled {
                0 => {}
                1 => merges.double::<R, A, S, 1>(simd, scratch, to, len),
                2 => merges.double::<R, A, S, 2>(simd, scratch, to, len),
                3 => merges.double::<R, A, S, 3>(simd, scratch, to, len),
                _ => merges.double::<R, A, S, 4>(simd, scratch, to, len),
            }
            for level in merges.doubled..merges.top {
                let from = self.level(start, level);
                let radix = merges.radix(level);
                for (j, place) in places[..radix].iter_mut().enumerate() {
                    *place = from + j * merges.widths[level] * step;
                }
                let len = len - (merges.widths[level + 1] - 1) * step;
                let to = self.level(start, level + 1);
                merge_all::<R, A, S>(simd, scratch, &places[..radix], to, len);
            }
            for (place, (level, first)) in places.iter_mut().zip(merges.parts) {
                *place = self.level(start, level) + first * step;
            }
            count = merges.len;
            len -= (merges.kernel - 1) * step;
            start = self.level(start, merges.top + 1);
            // What windows are merged from across is merged as they are written, if they are side by side.
            if core::ptr::eq(merges, &self.across) && side_by_side {
                if count == 3 && !R::ORDERED {
                    // To merge a part twice takes no longer than another loop would to compile.
                    (places[3], count) = (places[2], 4);
                }
                if matches!(count, 2 | 4) {
                    break;
                }
            }
            merge_all::<R, A, S>(simd, scratch, &places[..count], start, len);
            (places[0], count) = (start, 1);
        }
        if single {
            // Every `stride`-th element of what windows one apart give.
            for &(at, _) in &self.made[..self.ready] {
                let start = start + at;
                for x in 1..piece.windows {
                    scratch[start + x] = scratch[start + x * width.stride];
                }
            }
        }
        let places = &places;
        match count {
            1 if !(side_by_side || single) => {
                self.write::<R, T, S, 1, 1>(simd, piece, scratch, places, output);
            }
            1 => self.write::<R, T, S, 1, SIDE>(simd, piece, scratch, places, output),
            2 => self.write::<R, T, S, 2, SIDE>(simd, piece, scratch, places, output),
            _ => self.write::<R, T, S, 4, SIDE>(simd, piece, scratch, places, output),
        }
        self.done += self.ready;
        (self.ready, self.rows) = (0, 0);
    }

    /// Merges what is at the first `P` of some places to windows, and writes these: `B` vectors side by side, or, if that is 1,
    /// the strip of each window by itself.
    #[inline(always)]
    fn write<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T>, const P: usize, const B: usize>(
        &self,
        simd: S,
        piece: &Piece<'_, T>,
        scratch: &[A],
        places: &[usize; LEVELS],
        output: &mut [T],
    ) {
        let (geometry, strip) = (piece.geometry, piece.strip);
        let (width, inner) = (&geometry.axes()[2], geometry.inner());
        let (runs, len, advance) = if const { B > 1 } {
            (1, piece.windows * strip, 0)
        } else {
            (piece.windows, strip, width.stride * strip)
        };
        // Then what comes after a run is written after it.
        let alone = strip == inner && piece.windows == width.output;
        for (row, &(at, counted)) in self.made[..self.ready].iter().enumerate() {
            let mut from = at;
            let mut to = (self.done + row) * geometry.row_len() + piece.x * inner + piece.channel;
            let mut counts = self.counts;
            let by = match geometry.divisor() {
                Divisor::Constant(n) => Err(Divide::by::<A, S>(simd, n, geometry.rounding())),
                _ => Ok((simd.splat(counted), geometry.rounding())),
            };
            for _ in 0..runs {
                let mut i = 0;
                while const { B > 1 } && i + B * S::N <= len {
                    let at = [from + i, counts + i];
                    let results = results::<R, A, S, B>(simd, scratch, &places[..P], at, by);
                    for (b, v) in results.into_iter().enumerate() {
                        // SAFETY: elements of the run.
                        unsafe { store(simd, v, output, to + i + b * S::N) }
                    }
                    i += B * S::N;
                }
                while i < len {
                    let at = [from + i, counts + i];
                    let [v] = results::<R, A, S, 1>(simd, scratch, &places[..P], at, by);
                    let room = alone && to + i + S::N <= output.len();
                    let room = if room { S::N } else { S::N.min(len - i) };
                    // SAFETY: no more elements than the run or the output has left.
                    unsafe { store_first(simd, v, output, to + i, room) }
                    i += S::N;
                }
                from += advance;
                to += inner;
                counts += len;
            }
        }
    }
}
