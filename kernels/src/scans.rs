//! Extrema of large windows that overlap, of pixels that are a vector of channels or more.
//!
//! Of some taps, so many that each of a few windows begins in them and goes on after them, two scans have all that these
//! windows are made of: one backwards, from the last tap, whose results are kept, and one forwards, from the tap after it.
//! A window is what the first scan has at its first tap, merged with what the second has at its last (van Herk, 1992; Gil
//! and Werman, 1993): three merges a window, however large it is.
//!
//! The columns of a line are scanned first, for as few windows at a time as there are taps; what windows have in common is
//! then no more than merged. The rows of windows that this makes are scanned as they come: the forward scan is one row, which
//! is merged with each, and when as many rows as a window has are there, they are scanned backwards where they are. So all
//! that is kept are these rows, and where there are too many columns for as many to stay near, the columns are cut: what
//! windows of two pieces have in common takes only a merge for each tap and line.

use crate::number::{Element, Number};
use crate::reduction::{Divide, Reduction};
use crate::shared::{Columns, SCRATCH, elements};
use crate::simd::{Aligned, Lanes, Memory, filled, load, load_lanes, store, store_lanes};
use crate::walk::{FastWalk, LARGE_PART};
use crate::{Axis, Geometry, Rounding};
use core::mem::MaybeUninit;
use core::ops::Range;

/// Elements of what is scanned along a line, where nothing is kept of other lines: what stays in the first-level cache.
const NEAR: usize = 4096;

/// Windows of a piece of a line that are worth what the next piece does again, at least.
const FEWEST: usize = 16;

/// Vectors of a pixel that are scanned side by side, at most.
const SIDE: usize = 2;

/// Whether this walk takes windows that are large and have much in common, in vectors of so many lanes.
pub(crate) fn fits<T: Element, S: Memory<T>>(geometry: &Geometry) -> bool {
    let [depth, _, width] = geometry.axes();
    geometry.inner() >= S::N
        && depth.is_flat()
        && geometry.axes().iter().all(|axis| !axis.spread)
        && width.kernel > 1
        && windows(geometry, S::N, room::<T>()) >= FEWEST.min(width.output)
}

/// Elements that there is room for.
const fn room<T: Element>() -> usize {
    SCRATCH / size_of::<T::Acc>()
}

/// Windows of a line that there is room for, of pixels of so many elements.
fn windows(geometry: &Geometry, pixel: usize, room: usize) -> usize {
    let [_, height, width] = geometry.axes();
    if height.span() > room || width.span() > room {
        return 0;
    }
    let fixed = width.span() + width.kernel;
    let (room, lines) = match height.kernel {
        1 => (room.min(NEAR.max(3 * fixed * pixel)), 0),
        _ => (room, Scan::room(height)),
    };
    let pixels = (room / pixel).saturating_sub(fixed);
    (pixels / (lines + stride(width))).min(width.output)
}

/// Elements from one window to the next; of a single one, anything would do, and so it may be too much to count with.
fn stride(axis: &Axis) -> usize {
    if axis.output > 1 { axis.stride } else { 1 }
}

/// Extrema of large windows that overlap.
pub(crate) struct Scans;

impl FastWalk for Scans {
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
        let mut scratch = Aligned([const { MaybeUninit::uninit() }; SCRATCH]);
        let scratch = elements(&mut scratch.0);
        let enough = windows(geometry, SIDE * S::N, room::<T>()) >= FEWEST;
        if geometry.inner() >= SIDE * S::N && enough {
            all::<R, T, S, SIDE>(simd, geometry, rows, input, (scratch, output))
        } else {
            all::<R, T, S, 1>(simd, geometry, rows, input, (scratch, output))
        }
    }
}

/// Reduces windows of pixels of `V` vectors at a time.
#[inline(always)]
fn all<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const V: usize>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    (scratch, output): (&mut [MaybeUninit<T::Acc>], &mut [T]),
) -> S::Seen {
    let mut seen = simd.unseen();
    let ([_, height, width], inner) = (geometry.axes(), geometry.inner());
    let pixel = const { V * S::N };
    let most = windows(geometry, pixel, room::<T>());
    // Pieces alike, since each does some of the last one's work again.
    let windows = width.output.div_ceil(width.output.div_ceil(most));
    let back = ((windows - 1) * stride(width) + width.span()) * pixel;
    let scan = Scan::new(height, back + width.kernel * pixel, windows * pixel);
    let end = if height.kernel == 1 { scan.start } else { scan.end() };
    let scratch = filled(scratch, end, R::IDENTITY);
    // The channels of some columns one after the other: they are in the same pages.
    for x in (0..width.output).step_by(windows) {
        for c in (0..inner).step_by(pixel) {
            let windows = windows.min(width.output - x);
            let piece = Piece {
                geometry,
                input,
                // The last ones are flush with the last channel.
                channel: c.min(inner - pixel),
                x,
                windows,
                columns: Columns::of(width, x, windows),
                back,
                scan,
            };
            let seen_in_piece = if height.kernel == 1 {
                piece.lines::<R, S, V>(simd, rows.clone(), scratch, output)
            } else {
                piece.planes::<R, S, V>(simd, rows.clone(), scratch, output)
            };
            seen = simd.both(seen, seen_in_piece);
        }
    }
    seen
}

/// The last lines under windows of several, as many as a window has, and what they are merged to: with each, all that came
/// since the last block of so many lines was complete, which has then been scanned backwards. Of dilated windows, each phase
/// has lines and blocks of its own.
#[derive(Clone, Copy)]
pub(crate) struct Scan {
    /// Where a line of identities is, after which come the forward scans of all phases, and the lines.
    start: usize,
    /// Elements from a line to the next.
    pitch: usize,
    /// Lines of all blocks.
    lines: usize,
    phases: usize,
    /// Where the newest line goes, among the others.
    place: usize,
    /// Whether no block is complete.
    first: bool,
}

/// Where the newest line is, and what it is merged with.
#[derive(Clone, Copy)]
pub(crate) struct Newest {
    pub(crate) line: usize,
    /// The lines of this block, scanned forwards.
    pub(crate) forward: usize,
    /// The block before, scanned backwards from the line that windows which end here start in.
    pub(crate) back: usize,
}

impl Scan {
    /// Scans of lines so many elements apart.
    pub(crate) fn new(height: &Axis, start: usize, pitch: usize) -> Self {
        let phases = Self::phases(height);
        Self { start, pitch, lines: height.kernel * phases, phases, place: 0, first: true }
    }

    /// The same of other lines, which start somewhere else.
    #[inline(always)]
    pub(crate) fn at(self, start: usize) -> Self {
        Self { start, ..self }
    }

    /// Lines that there is to be room for.
    pub(crate) fn room(height: &Axis) -> usize {
        (height.kernel + 1) * Self::phases(height) + 1
    }

    /// Of a single line, any dilation would do, and so it may be too much to count with.
    fn phases(height: &Axis) -> usize {
        if height.kernel > 1 { height.dilation } else { 1 }
    }

    pub(crate) fn end(&self) -> usize {
        self.start + (1 + self.phases + self.lines) * self.pitch
    }

    /// Forgets all lines.
    pub(crate) fn begin<A: Number>(&mut self, scratch: &mut [A], identity: A) {
        scratch[self.start..][..(1 + self.phases) * self.pitch].fill(identity);
        (self.place, self.first) = (0, true);
    }

    pub(crate) fn newest(&self) -> Newest {
        let &Self { start, pitch, lines, phases, place, first } = self;
        let forward = start + pitch;
        let line = forward + (phases + place) * pitch;
        let last = first || place + phases >= lines;
        Newest {
            line,
            forward: forward + place % phases * pitch,
            back: if last { start } else { line + phases * pitch },
        }
    }

    /// Goes on to the next line, after the newest one has been merged; scans a block that it completes, of so many elements.
    #[inline(always)]
    pub(crate) fn advance<R: Reduction<A>, A: Number, S: Lanes<A>>(
        &mut self,
        simd: S,
        scratch: &mut [A],
        len: usize,
    ) {
        if self.place + self.phases >= self.lines {
            let Newest { mut line, forward, .. } = self.newest();
            let next = self.phases * self.pitch;
            for _ in 1..self.lines / self.phases {
                line -= next;
                for i in (line..line + len).step_by(S::N) {
                    // SAFETY: lines are whole vectors.
                    let a = unsafe { load_lanes(simd, scratch, i) };
                    // SAFETY: the same.
                    let b = unsafe { load_lanes(simd, scratch, i + next) };
                    // SAFETY: the same.
                    unsafe { store_lanes(simd, R::merge(simd, a, b), scratch, i) }
                }
            }
            scratch[forward..][..self.pitch].fill(R::IDENTITY);
        }
        self.place += 1;
        if self.place == self.lines {
            (self.place, self.first) = (0, false);
        }
    }
}

/// Some channels of windows side by side of each row.
struct Piece<'a, T> {
    geometry: &'a Geometry,
    input: &'a [T],
    channel: usize,
    x: usize,
    windows: usize,
    columns: Columns,
    /// Where what the columns of a line give is, scanned backwards; the columns come before it, and the scan after.
    back: usize,
    scan: Scan,
}

/// Where what a row of windows is merged with is, and where it goes.
#[derive(Clone, Copy)]
struct Row {
    newest: Newest,
    /// Where the windows go in the output.
    to: usize,
    /// Whether they end here.
    ends: bool,
}

impl Row {
    /// The rest of it, so many elements further on, and in the output.
    #[inline(always)]
    fn on(self, by: usize, by_output: usize) -> Self {
        let Self { newest: Newest { line, forward, back }, to, ends } = self;
        let newest = Newest { line: line + by, forward: forward + by, back: back + by };
        Self { newest, to: to + by_output, ends }
    }

    /// Puts the window of a line where it goes.
    #[inline(always)]
    fn put<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const V: usize, const DOWN: bool>(
        self,
        simd: S,
        window: [S::Vector; V],
        scratch: &mut [T::Acc],
        output: &mut [T],
    ) {
        for i in 0..V {
            let mut v = window[i];
            let lanes = i * S::N;
            if const { DOWN } {
                // SAFETY: there is room for all windows of a row.
                unsafe { store_lanes(simd, v, scratch, self.newest.line + lanes) }
                // SAFETY: the same.
                let forward = unsafe { load_lanes(simd, scratch, self.newest.forward + lanes) };
                v = R::merge(simd, forward, v);
                // SAFETY: the same.
                unsafe { store_lanes(simd, v, scratch, self.newest.forward + lanes) }
            }
            if !self.ends {
                continue;
            }
            if const { DOWN } {
                // SAFETY: the same.
                let back = unsafe { load_lanes(simd, scratch, self.newest.back + lanes) };
                v = R::merge(simd, back, v);
            }
            // Nothing is divided.
            let divide = Divide::By(v, Rounding::HalfEven);
            // SAFETY: channels of a pixel of the output.
            unsafe { store(simd, R::finish(simd, v, divide), output, self.to + lanes) }
        }
    }
}

impl<T: Element> Piece<'_, T> {
    /// Reduces windows of a single line.
    #[inline(always)]
    fn lines<R: Reduction<T::Acc>, S: Memory<T>, const V: usize>(
        &self,
        simd: S,
        rows: Range<usize>,
        scratch: &mut [T::Acc],
        output: &mut [T],
    ) -> S::Seen {
        let mut seen = simd.unseen();
        self.clear::<R>(scratch, const { V * S::N });
        let mut to = self.at(0);
        for row in rows {
            let (plane, z, y) = self.geometry.position(row);
            let row = Row { newest: Newest { line: 0, forward: 0, back: 0 }, to, ends: true };
            match self.line(plane, z, self.geometry.axes()[1].start(y) as isize) {
                Some(line) => {
                    seen = self.copy::<R, S, V>(simd, line, scratch, seen);
                    self.across::<R, S, V, false>(simd, row, scratch, output);
                }
                None => self.outside::<R, S, V, false>(simd, row, scratch, output),
            }
            to += self.geometry.row_len();
        }
        seen
    }

    /// Reduces windows of several lines.
    #[inline(always)]
    fn planes<R: Reduction<T::Acc>, S: Memory<T>, const V: usize>(
        &self,
        simd: S,
        rows: Range<usize>,
        scratch: &mut [T::Acc],
        output: &mut [T],
    ) -> S::Seen {
        let mut seen = simd.unseen();
        self.clear::<R>(scratch, const { V * S::N });
        let (geometry, mut scan) = (self.geometry, self.scan);
        let height = &geometry.axes()[1];
        let len = self.windows * const { V * S::N };
        let mut row = rows.start;
        while row < rows.end {
            let (plane, z, y) = geometry.position(row);
            let count = (height.output - y).min(rows.end - row);
            let start = height.start(y) as isize;
            let mut complete = start + height.span() as isize - 1;
            // What is before the input has no lines, but that a window may be all of.
            let mut t = start.max(complete.min(0));
            scan.begin(scratch, R::IDENTITY);
            for i in 0..count {
                let to = self.at((row - rows.start + i) * geometry.row_len());
                while t <= complete {
                    let merged = Row { newest: scan.newest(), to, ends: t == complete };
                    match self.line(plane, z, t) {
                        Some(line) => {
                            seen = self.copy::<R, S, V>(simd, line, scratch, seen);
                            self.across::<R, S, V, true>(simd, merged, scratch, output);
                        }
                        None => self.outside::<R, S, V, true>(simd, merged, scratch, output),
                    }
                    scan.advance::<R, T::Acc, S>(simd, scratch, len);
                    t += 1;
                }
                complete += stride(height) as isize;
            }
            row += count;
        }
        seen
    }

    /// Where the windows of a row that starts there are in the output.
    fn at(&self, row: usize) -> usize {
        row + self.x * self.geometry.inner() + self.channel
    }

    /// Where the pixels of a line inside the input start.
    #[inline(always)]
    fn line(&self, plane: usize, z: usize, t: isize) -> Option<usize> {
        let (geometry, strides) = (self.geometry, self.geometry.strides());
        let [depth, height, _] = geometry.axes();
        let inside = t >= 0 && t < height.input as isize && !self.columns.inside.is_empty();
        inside.then(|| {
            geometry.plane_start(plane)
                + depth.start(z) * strides.depth
                + t as usize * strides.height
                + self.columns.inside.start * strides.width
                + self.channel
        })
    }

    /// Makes identities of the columns outside the input.
    fn clear<R: Reduction<T::Acc>>(&self, scratch: &mut [T::Acc], pixel: usize) {
        let [before, after] = self.columns.outside;
        let line = &mut scratch[..self.columns.len() * pixel];
        line[..before * pixel].fill(R::IDENTITY);
        let end = line.len();
        line[end - after * pixel..].fill(R::IDENTITY);
    }

    /// Copies the columns of a line, and looks at them.
    #[inline(always)]
    fn copy<R: Reduction<T::Acc>, S: Memory<T>, const V: usize>(
        &self,
        simd: S,
        mut from: usize,
        scratch: &mut [T::Acc],
        mut seen: S::Seen,
    ) -> S::Seen {
        let pixel = const { V * S::N };
        let apart = self.geometry.strides().width;
        let mut to = self.columns.outside[0] * pixel;
        for _ in self.columns.inside.clone() {
            for i in 0..V {
                // SAFETY: channels of a pixel inside the input.
                let v = unsafe { load(simd, self.input, from + i * S::N) };
                seen = R::look(simd, seen, v, v);
                // SAFETY: there is room for all columns.
                unsafe { store_lanes(simd, R::lift(simd, v), scratch, to + i * S::N) }
            }
            from += apart;
            to += pixel;
        }
        seen
    }

    /// Merges the columns of a line to a row of windows.
    #[inline(always)]
    fn across<R: Reduction<T::Acc>, S: Memory<T>, const V: usize, const DOWN: bool>(
        &self,
        simd: S,
        row: Row,
        scratch: &mut [T::Acc],
        output: &mut [T],
    ) {
        let pixel = const { V * S::N };
        let &Self { windows, .. } = self;
        let (width, inner) = (&self.geometry.axes()[2], self.geometry.inner());
        let (&Axis { kernel, dilation, .. }, stride) = (width, stride(width));
        let back = self.back;
        // Windows whose taps are the same columns, or none of the same.
        let phases = dilation / common(dilation, stride);
        // Of them, taps from one to the next, and those that begin in the taps of the first.
        let apart = stride * phases / dilation;
        let most = (kernel - 1) / apart + 1;
        let step = dilation * pixel;
        let (next, next_to) = (phases * pixel, phases * inner);
        for phase in 0..phases.min(windows) {
            for x in (phase..windows).step_by(phases * most) {
                let count = most.min((windows - x).div_ceil(phases));
                let from = x * stride * pixel;
                let begins = (count - 1) * apart + 1;
                let end = from + kernel * step;
                let mut merged = [simd.splat(R::IDENTITY); V];
                let mut tap = from + begins * step;
                while tap < end {
                    merge::<R, T, S, V>(simd, scratch, tap, &mut merged);
                    tap += step;
                }
                let mut tap = from + begins * step;
                let mut kept = back + begins * pixel;
                while tap > from {
                    tap -= step;
                    kept -= pixel;
                    merge::<R, T, S, V>(simd, scratch, tap, &mut merged);
                    for i in 0..V {
                        // SAFETY: there is room for as many columns as a window has.
                        unsafe { store_lanes(simd, merged[i], scratch, kept + i * S::N) }
                    }
                }
                let mut row = row.on(x * pixel, x * inner);
                row.put::<R, T, S, V, DOWN>(simd, merged, scratch, output);
                let mut forward = [simd.splat(R::IDENTITY); V];
                let mut tap = end;
                for _ in 1..count {
                    for _ in 0..apart {
                        merge::<R, T, S, V>(simd, scratch, tap, &mut forward);
                        tap += step;
                    }
                    let mut window = forward;
                    kept += apart * pixel;
                    merge::<R, T, S, V>(simd, scratch, kept, &mut window);
                    row = row.on(next, next_to);
                    row.put::<R, T, S, V, DOWN>(simd, window, scratch, output);
                }
            }
        }
    }

    /// Merges a line outside the input.
    #[inline(always)]
    fn outside<R: Reduction<T::Acc>, S: Memory<T>, const V: usize, const DOWN: bool>(
        &self,
        simd: S,
        mut row: Row,
        scratch: &mut [T::Acc],
        output: &mut [T],
    ) {
        let inner = self.geometry.inner();
        for _ in 0..self.windows {
            let window = [simd.splat(R::IDENTITY); V];
            row.put::<R, T, S, V, DOWN>(simd, window, scratch, output);
            row = row.on(const { V * S::N }, inner);
        }
    }
}

/// Merges a pixel into what there is.
#[inline(always)]
fn merge<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const V: usize>(
    simd: S,
    scratch: &[T::Acc],
    at: usize,
    merged: &mut [S::Vector; V],
) {
    for i in 0..V {
        // SAFETY: there is room for all columns.
        let v = unsafe { load_lanes(simd, scratch, at + i * S::N) };
        merged[i] = R::merge(simd, v, merged[i]);
    }
}

/// The greatest common divisor.
fn common(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common(b, a % b) }
}
