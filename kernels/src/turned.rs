//! Any windows over single elements, of as many rows at a time as a vector has lanes.
//!
//! Rows of the output are merged down, each its own lines, and what they give is turned: a vector is then
//! a column, with a lane for each row. So windows are merged across wherever they start and however many
//! columns they have, as cheaply as neighbouring ones, and what is outside the input is left out. The
//! results are turned back.

use crate::lines::{Columns, Octets, few, merge_columns, octet};
use crate::number::{Element, Number};
use crate::reduction::{Again, Divide, Reduction};
use crate::simd::{Memory, TURNED, load, load_lanes, store_first, store_lanes};
use crate::walk::FastWalk;
use crate::{Axis, Divisor, Geometry};
use core::ops::Range;

/// Elements of the columns: with f32, half of a first-level cache of 32 KiB.
const COLUMNS: usize = 4096;

/// Columns from the first of a window to its last, at most.
const SPAN: usize = 128;

/// Windows of a row that are walked at a time.
const WINDOWS: usize = 128;

/// Rows of a plane whose lines are found only once.
const ROWS: usize = 64;

/// Vectors side by side that are merged down at a time, and windows that are merged across.
const B: usize = 4;

/// How many times as long as they are apart windows of a single line are: more are better merged with what they share.
const OVERLAP: usize = 8;

/// Rows that are worth it.
const WORTH: usize = 8;

/// Whether this walk takes windows along `width`.
pub(crate) fn fits(width: &Axis) -> bool {
    width.span() <= SPAN
}

/// Whether no walk but those for certain windows is faster.
pub(crate) fn suits(geometry: &Geometry) -> bool {
    let [depth, height, width] = geometry.axes();
    // Longer windows of a single line only, of which a column is loaded no more often than it would be merged.
    let long =
        (depth.kernel, height.kernel) == (1, 1) && width.kernel.div_ceil(OVERLAP) <= width.stride;
    let small = depth.kernel == 1 && height.kernel.max(width.kernel) <= 8;
    let apart = (small || long) && width.stride >= 3 && width.output > 2;
    geometry.is_single() && fits(width) && geometry.rows() >= WORTH && (width.spread || apart)
}

/// Rows side by side in the lanes of a vector.
pub(crate) struct Turned;

impl FastWalk for Turned {
    const PART: usize = 1 << 16;
    const ROWS_ARE_LANES: bool = true;

    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let width = &geometry.axes()[2];
        let mut seen = simd.unseen();
        let mut columns = [T::Acc::ZERO; COLUMNS];
        let mut windows = [Window::<T::Acc>::NONE; WINDOWS];
        let by_count = !matches!(geometry.divisor(), Divisor::Constant(_));
        let mut places = Places::new(geometry, rows.start);
        let mut piece = Piece::of(geometry, 0, S::N, &mut windows);
        for first in (0..rows.len()).step_by(S::N) {
            let count = S::N.min(rows.len() - first);
            places.follow(S::N, count);
            let divide = match geometry.divisor() {
                Divisor::Constant(n) => Divide::by::<T::Acc, S>(simd, n, geometry.rounding()),
                _ => {
                    let mut counted = [T::Acc::ZERO; TURNED];
                    for (counted, &(_, place)) in counted.iter_mut().zip(&places.lanes) {
                        *counted = T::Acc::nearest(places.list[place].counted);
                    }
                    // SAFETY: a vector has no more lanes than there are counts.
                    Divide::By(unsafe { load_lanes(simd, &counted, 0) }, geometry.rounding())
                }
            };
            let mut x = 0;
            while x < width.output {
                piece.go_to(geometry, x, S::N, &mut windows);
                piece.merge::<R, T, S>(simd, &places, input, &mut columns, &mut seen);
                let made = Made {
                    windows: &windows[..piece.windows],
                    steps: [width.dilation * S::N, width.stride * S::N],
                    divide,
                    by_count,
                    at: first * width.output + x,
                    rows: count,
                    pitch: width.output,
                };
                made.reduce::<R, T, S>(simd, &columns, output);
                x += piece.windows;
            }
        }
        seen
    }
}

/// A window of a piece of a row.
#[derive(Clone, Copy)]
struct Window<A> {
    /// Where its first tap would be among the columns; before them, it wraps.
    at: usize,
    /// The taps that are inside the input.
    taps: (usize, usize),
    /// Where the first of these is, and how many they are if they are merged like an octet, or else 0.
    first: usize,
    few: usize,
    /// How many windows from this one on have the same taps, a stride apart.
    alike: usize,
    /// How many count towards an average.
    counted: A,
}

impl<A: Number> Window<A> {
    const NONE: Self = Self { at: 0, taps: (0, 0), first: 0, few: 0, alike: 1, counted: A::ZERO };
}

/// Some windows of each row.
struct Piece {
    /// The first one, and how many they are.
    x: usize,
    windows: usize,
    /// Columns that they have inside the input.
    inside: Range<usize>,
}

impl Piece {
    /// As many windows from `x` on as there is room for, for vectors of so many lanes.
    #[inline(never)]
    fn of<A: Number>(
        geometry: &Geometry,
        x: usize,
        lanes: usize,
        windows: &mut [Window<A>; WINDOWS],
    ) -> Self {
        let (width, by) = (&geometry.axes()[2], geometry.divisor());
        let room = COLUMNS / lanes - B * lanes;
        let mut inside = width.input..0;
        let (mut len, interior) = (0, width.interior());
        let mut before = None;
        for (window, x) in windows.iter_mut().zip(x..width.output) {
            let start = width.start(x);
            // All of the interior are alike, and the calls take longer than some windows.
            if let (Some(before), true) = (before, interior.contains(&x)) {
                let end = start + width.span();
                if end - inside.start > room {
                    break;
                }
                inside.end = end;
                *window = Window { at: start, ..before };
                len += 1;
                continue;
            }
            let taps = width.taps(x);
            if !taps.is_empty() {
                let column = |tap: usize| start.wrapping_add(tap * width.dilation);
                let end = inside.end.max(column(taps.end - 1) + 1);
                let within = inside.start.min(column(taps.start))..end;
                if within.len() > room {
                    break;
                }
                inside = within;
            }
            let counted = A::nearest(width.count(x, by).max(1) as i64);
            let (few, taps) = (few(&taps), (taps.start, taps.end));
            *window = Window { at: start, taps, first: 0, few, alike: 1, counted };
            before = interior.contains(&x).then_some(*window);
            len += 1;
        }
        for i in (1..len).rev() {
            let [before, window] = [windows[i - 1], windows[i]];
            if before.taps == window.taps && window.at.wrapping_sub(before.at) == width.stride {
                windows[i - 1].alike = window.alike + 1;
            }
        }
        for window in &mut windows[..len] {
            let at = window.at.wrapping_sub(inside.start);
            let first = at.wrapping_add(window.taps.0 * width.dilation);
            (window.at, window.first) = (at.wrapping_mul(lanes), first.wrapping_mul(lanes));
        }
        Self { x, windows: len, inside }
    }

    /// Goes on to the windows from `x` on, which mostly have the same list.
    #[inline(always)]
    fn go_to<A: Number>(
        &mut self,
        geometry: &Geometry,
        x: usize,
        lanes: usize,
        windows: &mut [Window<A>; WINDOWS],
    ) {
        if x == self.x {
            return;
        }
        let (width, interior) = (&geometry.axes()[2], geometry.axes()[2].interior());
        let within = |x: usize| interior.start <= x && x + self.windows <= interior.end;
        if x > self.x && within(self.x) && within(x) {
            let by = (x - self.x) * width.stride;
            self.inside = self.inside.start + by..self.inside.end + by;
            self.x = x;
        } else {
            *self = Self::of(geometry, x, lanes, windows);
        }
    }

    /// Merges the columns down the lines of each row, and turns them.
    #[inline(always)]
    fn merge<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        &self,
        simd: S,
        places: &Places<'_>,
        input: &[T],
        columns: &mut [T::Acc; COLUMNS],
        seen: &mut S::Seen,
    ) {
        let Range { start, end } = self.inside.clone();
        let (mut at, mut to) = (start, 0);
        // Of single lines there is nothing to merge.
        let (mut starts, mut last, mut alone) = ([0; TURNED], 0, true);
        for (to, &(start, place)) in starts[..S::N].iter_mut().zip(&places.lanes) {
            let place = &places.list[place];
            *to = start.wrapping_add(place.ends[0]);
            last = last.max(*to);
            alone &= place.few == 1;
        }
        while alone && at < end && last + at + S::N <= input.len() {
            *seen = load_turned::<R, T, S>(
                simd,
                columns,
                to,
                *seen,
                #[inline(always)]
                |lane| {
                    // SAFETY: columns of the line and what comes after them, as was just seen.
                    unsafe { load(simd, input, starts[lane] + at) }
                },
            );
            at += S::N;
            to += S::N * S::N;
        }
        while at < end {
            let vectors = if end - at > B / 2 * S::N { B } else { B / 2 };
            let mut squares = [[simd.splat(R::IDENTITY); TURNED]; B];
            for i in 0..S::N {
                let lines = places.lines(i);
                if vectors == B {
                    let v = lines.merge::<R, T, S, B>(simd, input, at, end - at, seen);
                    for (square, v) in squares.iter_mut().zip(v) {
                        square[i] = v;
                    }
                } else {
                    let v = lines.merge::<R, T, S, { B / 2 }>(simd, input, at, end - at, seen);
                    for (square, v) in squares.iter_mut().zip(v) {
                        square[i] = v;
                    }
                }
            }
            for square in &squares[..vectors] {
                // Out of registers: moving them from memory would be a call.
                let mut turned = *square;
                simd.turn(&mut turned);
                for &v in &turned[..S::N] {
                    // SAFETY: a piece leaves room for `B` squares after its columns.
                    unsafe { store_lanes(simd, v, columns, to) }
                    to += S::N;
                }
            }
            at += vectors * S::N;
        }
    }
}

/// Loads a vector for each lane, turns them, and stores and looks at what that gives.
#[inline(always)]
pub(crate) fn load_turned<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    columns: &mut [T::Acc],
    to: usize,
    mut seen: S::Seen,
    load: impl Fn(usize) -> S::Vector,
) -> S::Seen {
    let mut square = [simd.splat(R::IDENTITY); TURNED];
    for (lane, v) in square[..S::N].iter_mut().enumerate() {
        *v = load(lane);
    }
    simd.turn(&mut square);
    for (i, &v) in square[..S::N].iter().enumerate() {
        seen = R::look(simd, seen, v, v);
        // SAFETY: the caller has room for so many columns.
        unsafe { store_lanes(simd, R::lift(simd, v), columns, to + i * S::N) }
    }
    seen
}

/// Windows whose columns are merged.
struct Made<'a, A, V> {
    windows: &'a [Window<A>],
    /// Elements of the columns from a tap to the next, and from a window to the next.
    steps: [usize; 2],
    divide: Divide<V>,
    /// Whether to divide by the counted columns, too.
    by_count: bool,
    /// Where the first one goes.
    at: usize,
    /// Rows that there are, and elements from one to the next.
    rows: usize,
    pitch: usize,
}

impl<A: Number, V: Copy> Made<'_, A, V> {
    #[inline(always)]
    fn reduce<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T, Vector = V>>(
        &self,
        simd: S,
        columns: &[A; COLUMNS],
        output: &mut [T],
    ) {
        let count = self.windows.len();
        // What is written after a row is overwritten by the next.
        let alone = self.pitch == count && count < S::N;
        for first in (0..count).step_by(S::N) {
            // The last ones are flush with the end.
            let start = first.min(count.saturating_sub(S::N));
            let windows = &self.windows[start..count.min(start + S::N)];
            let mut square = [simd.splat(A::ZERO); TURNED];
            let mut i = 0;
            while i < windows.len() {
                if i + B <= windows.len() && windows[i].alike >= B {
                    let merged = self.merge::<R, T, S, B>(simd, &windows[i], columns);
                    for (v, merged) in square[i..].iter_mut().zip(merged) {
                        *v = merged;
                    }
                    i += B;
                    continue;
                }
                [square[i]] = self.merge::<R, T, S, 1>(simd, &windows[i], columns);
                i += 1;
            }
            for (v, window) in square.iter_mut().zip(windows) {
                let divide = match self.divide {
                    Divide::By(rows, rounding) if R::DIVIDES && self.by_count => {
                        Divide::By(simd.mul(rows, simd.splat(window.counted)), rounding)
                    }
                    divide => divide,
                };
                *v = R::finish(simd, *v, divide);
            }
            simd.turn(&mut square);
            for (row, &v) in square.iter().enumerate().take(self.rows) {
                let at = self.at + row * self.pitch + start;
                let room = alone && at + S::N <= output.len();
                let room = if room { S::N } else { windows.len() };
                // SAFETY: no more elements than the row or the output has left.
                unsafe { store_first(simd, v, output, at, room) }
            }
        }
    }

    /// Merges the columns of `N` windows alike.
    #[inline(always)]
    fn merge<R: Reduction<A>, T: Element<Acc = A>, S: Memory<T, Vector = V>, const N: usize>(
        &self,
        simd: S,
        window: &Window<A>,
        columns: &[A; COLUMNS],
    ) -> [V; N] {
        let [high, next] = self.steps;
        if window.few > 0 {
            return octet::<Again<R>, A, S, N>(
                simd,
                &mut simd.unseen(),
                [window.first, high, window.few],
                #[inline(always)]
                |at, i| {
                    // SAFETY: the taps are columns of the piece.
                    unsafe { load_lanes(simd, columns, at + i * next) }
                },
            );
        }
        let taps = window.taps.0..window.taps.1;
        let lines = Octets::new(window.at, [0..1, taps], [0, high], R::ORDERED);
        Columns::<T>::merge::<Again<R>, S, N>(
            &lines,
            simd,
            &mut simd.unseen(),
            #[inline(always)]
            |at, i| {
                // SAFETY: the taps are columns of the piece.
                unsafe { load_lanes(simd, columns, at + i * next) }
            },
        )
    }
}

/// Where an output row has its lines.
#[derive(Clone, Default)]
struct Place {
    /// Where its windows start, after the start of a plane, and the first and the last line.
    origin: usize,
    ends: [usize; 2],
    /// How many lines there are if they are merged like an octet, or else 0.
    few: usize,
    taps: [Range<usize>; 2],
    /// How many lines count towards an average.
    counted: i64,
}

/// The lines of as many output rows as a vector has lanes.
struct Places<'a> {
    geometry: &'a Geometry,
    /// Those of some rows, from one of a plane on.
    list: [Place; ROWS],
    first: usize,
    /// The plane of the next row, where it starts, and which of its rows that is.
    plane: usize,
    start: usize,
    row: usize,
    /// Rows of a plane.
    rows: usize,
    /// For each row, where its plane starts and which of the places are its.
    lanes: [(usize, usize); TURNED],
}

impl<'a> Places<'a> {
    #[inline(never)]
    fn new(geometry: &'a Geometry, row: usize) -> Self {
        let [depth, height, _] = geometry.axes();
        let rows = depth.output * height.output;
        let mut places = Self {
            geometry,
            list: core::array::from_fn(|_| Place::default()),
            first: 0,
            plane: row / rows,
            start: geometry.plane_start(row / rows),
            row: row % rows,
            rows,
            lanes: [(0, 0); TURNED],
        };
        places.fill();
        places
    }

    /// Finds the lines of some rows from the next one on.
    #[inline(never)]
    fn fill(&mut self) {
        let [depth, height, _] = self.geometry.axes();
        let [_, deep, high] = self.geometry.tap_strides();
        let by = self.geometry.divisor();
        self.first = if self.rows <= ROWS { 0 } else { self.row };
        for (i, place) in self.list.iter_mut().enumerate().take(self.rows) {
            let row = (self.first + i) % self.rows;
            let (z, y) = (row / height.output, row % height.output);
            let origin = self.geometry.origin(0, z, y);
            let taps = [depth.taps(z), height.taps(y)];
            let octets = Octets::new(origin, taps.clone(), [deep, high], true);
            *place = Place {
                origin,
                ends: octets.ends,
                few: octets.few,
                taps,
                counted: (depth.count(z, by) * height.count(y, by)).max(1) as i64,
            };
        }
    }

    /// Goes on to the next `count` rows; further lanes repeat the last one.
    #[inline(always)]
    fn follow(&mut self, lanes: usize, count: usize) {
        if self.rows > ROWS && self.row.wrapping_sub(self.first) > ROWS - lanes {
            self.fill();
        }
        for i in 0..lanes {
            if i < count {
                if self.row == self.rows {
                    self.row = 0;
                    self.plane += 1;
                    self.start = self.geometry.plane_start(self.plane);
                }
                let after = if self.row < self.first { self.rows } else { 0 };
                self.lanes[i] = (self.start, self.row + after - self.first);
                self.row += 1;
            } else {
                self.lanes[i] = self.lanes[count - 1];
            }
        }
    }

    /// The lines of a row.
    #[inline(always)]
    fn lines(&self, lane: usize) -> RowLines<'_> {
        let (start, place) = self.lanes[lane];
        let [_, deep, high] = self.geometry.tap_strides();
        RowLines { start, place: &self.list[place], strides: [deep, high] }
    }
}

/// The lines of an output row.
struct RowLines<'a> {
    /// Where the plane starts.
    start: usize,
    place: &'a Place,
    strides: [usize; 2],
}

impl RowLines<'_> {
    /// Merges vectors of columns, of which there are `len` from `at` on.
    #[inline(always)]
    fn merge<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const N: usize>(
        &self,
        simd: S,
        input: &[T],
        at: usize,
        len: usize,
        seen: &mut S::Seen,
    ) -> [S::Vector; N] {
        let Place { origin, ends: [first, last], few, ref taps, .. } = *self.place;
        let at = self.start.wrapping_add(at);
        let end = at.wrapping_add(last).wrapping_add(N * S::N);
        if few > 0 && end <= input.len() {
            return octet::<R, T::Acc, S, N>(
                simd,
                seen,
                [at.wrapping_add(first), self.strides[1], few],
                #[inline(always)]
                |line, i| {
                    // SAFETY: columns of a line and what comes after it, which was seen to be inside.
                    unsafe { load(simd, input, line + i * S::N) }
                },
            );
        }
        let mut merged = [simd.splat(R::IDENTITY); N];
        let lines = Octets::new(origin.wrapping_add(at), taps.clone(), self.strides, R::ORDERED);
        for (i, merged) in merged.iter_mut().enumerate().take(len.div_ceil(S::N)) {
            let i = i * S::N;
            let [v] = merge_columns::<R, T, S, 1>(simd, &lines, input, i, len - i, seen);
            *merged = v;
        }
        merged
    }
}
