//! Output rows made from a few lines of the input: what walks that keep columns in registers share.

use crate::fold::{Stack, fold};
use crate::geometry::RowsAlike;
use crate::number::{Element, Number};
use crate::order::{LISTED, List, Step, Taps, merges_after};
use crate::reduction::{Reduction, look_at};
use crate::simd::{Lanes, Memory, load, load_between, load_first};
use crate::{Axis, Divisor, Geometry, Rounding};
use core::marker::PhantomData;
use core::ops::Range;

/// How output rows are made.
pub(crate) trait RowWalk<T: Element> {
    /// Columns of a window, and from one window to the next. Where lines are alike, those that output rows share
    /// are looked at only once.
    const COLUMNS: [usize; 2];

    /// Whether the rows of a run may be those of several planes, with others in between.
    const BATCHES: bool;

    /// The numbers of lines for which there are variants of their own, so that there are not too many.
    const LINES: &'static [usize];

    /// Whether two rows of windows of three lines, one line apart, are made at a time, if pixels have channels for a vector and
    /// windows are not dilated: what both rows have is loaded once.
    const TWOS: bool = false;

    /// Reduces the windows of some output rows, whose columns are merged down `lines`.
    fn reduce<R: Reduction<T::Acc>, S: Memory<T>, L: Columns<T>>(
        &self,
        simd: S,
        lines: &L,
        run: &Run,
        output: &mut [T],
        seen: S::Seen,
    ) -> S::Seen;
}

/// Output rows, one after the other, that are made alike.
#[derive(Clone)]
pub(crate) struct Run {
    /// Where the first one starts in the output.
    pub(crate) at: usize,
    /// How many there are.
    pub(crate) rows: usize,
    /// Where the windows of the first one start in the input, along depth and height; before the
    /// input, it wraps.
    pub(crate) origin: usize,
    /// Elements of the input from the lines of one to those of the next.
    pub(crate) advance: usize,
    /// Elements of the output from one to the next.
    pub(crate) step: usize,
    /// Elements of the output after each that are written later, at least.
    pub(crate) after: usize,
    /// Whether each is of a plane of its own.
    apart: bool,
    /// The taps along the depth that are inside the input.
    pub(crate) depths: Range<usize>,
    /// The taps along the height that are inside the input.
    pub(crate) heights: Range<usize>,
    /// Lines that count towards an average.
    pub(crate) counted: usize,
    /// How averages of integers are rounded.
    pub(crate) rounding: Rounding,
    /// Whether the row before the first one is of the same plane and depth.
    follows: bool,
}

impl Run {
    /// All lines, of which there are no more than `list` has room for.
    #[inline(always)]
    fn lines<'a>(&self, geometry: &Geometry, list: &'a mut List) -> ManyLines<'a> {
        let ranges = [0..1, self.depths.clone(), self.heights.clone()];
        Taps::new(ranges, geometry.tap_strides()).list_some(list);
        ManyLines { origin: self.origin, list }
    }

    /// All lines, eight at a time; whether their order matters.
    #[inline(always)]
    pub(crate) fn octets(&self, geometry: &Geometry, ordered: bool) -> Octets {
        let [_, deep, high] = geometry.tap_strides();
        let taps = [self.depths.clone(), self.heights.clone()];
        Octets::new(self.origin, taps, [deep, high], ordered)
    }

    /// By what the sums of windows with so many counted columns are divided.
    #[inline(always)]
    pub(crate) fn divisor(&self, by: Divisor, columns: usize) -> i64 {
        match by {
            Divisor::Constant(n) => n,
            _ => (self.counted * columns).max(1) as i64,
        }
    }

    /// Two rows at a time, as if they were one. A call, as all that has no vectors.
    #[inline(never)]
    fn twos(&self) -> Self {
        Self {
            rows: self.rows / 2,
            advance: self.advance.wrapping_mul(2),
            step: 2 * self.step,
            ..self.clone()
        }
    }

    /// The last row and how far its lines are from those of the first one, if it is none of [`twos`](Self::twos).
    #[inline(never)]
    fn without_twos(&self) -> Option<(Self, usize)> {
        let before = self.rows - 1;
        before.is_multiple_of(2).then(|| {
            let at = self.at + before * self.step;
            (Self { at, rows: 1, ..self.clone() }, before.wrapping_mul(self.advance))
        })
    }
}

/// Output rows as runs, as long as can be: what differs from row to row takes longer than some rows.
pub(crate) struct Runs<'a> {
    geometry: &'a Geometry,
    /// The plane, depth and height of the next row.
    next: (usize, usize, usize),
    done: usize,
    rows: usize,
    /// Planes of which the same row is one run; 0 if a run is of neighbouring rows.
    batch: usize,
    /// The last one that was asked for.
    run: Run,
}

impl<'a> Runs<'a> {
    /// Runs of output rows `rows`. If `batched`, the same rows of some small planes may be a run.
    ///
    /// A call, like [`follow`](Self::follow), so that there is one for all kernels: each is for many windows.
    #[inline(never)]
    pub(crate) fn new(geometry: &'a Geometry, rows: Range<usize>, batched: bool) -> Self {
        let [_, height, width] = geometry.axes();
        let &RowsAlike { shallow, single, seamless, .. } = geometry.rows_alike();
        let mut batch = 0;
        if batched
            && shallow
            && !single
            && !seamless
            && geometry.image_planes() == geometry.planes()
        {
            let rows_of_planes = [rows.start, rows.len()];
            let whole = rows_of_planes.iter().all(|n| n.is_multiple_of(height.output));
            let most = BATCH / (height.input * width.input);
            // As many runs as rows of a plane, instead of a few for each plane.
            if whole && 2 * most > height.output {
                batch = most.min(rows.len() / height.output);
            }
        }
        Self {
            geometry,
            next: geometry.position(rows.start),
            done: 0,
            rows: rows.len(),
            batch: if batch < FEW { 0 } else { batch },
            run: Run {
                at: 0,
                rows: 0,
                origin: 0,
                advance: 0,
                step: 0,
                after: 0,
                apart: single,
                depths: 0..0,
                heights: 0..0,
                counted: 0,
                rounding: geometry.rounding(),
                follows: false,
            },
        }
    }

    /// The next run. An iterator's would be copied twice, which takes longer than a small plane does.
    #[inline(always)]
    pub(crate) fn next(&mut self) -> Option<&Run> {
        if self.done == self.rows {
            return None;
        }
        self.follow();
        Some(&self.run)
    }

    /// Goes on to the next run, of at least one row that is left.
    #[inline(never)]
    fn follow(&mut self) {
        let left = self.rows - self.done;
        let (plane, z, y) = self.next;
        let [depth, height, _] = self.geometry.axes();
        let &RowsAlike { shallow, single, seamless, .. } = self.geometry.rows_alike();
        let interior = self.geometry.rows_alike().interior();
        let inside = interior.contains(&y);
        // Most rows are spared the calls.
        let depths = if shallow { 0..1 } else { depth.taps(z) };
        let heights = if inside { 0..height.kernel } else { height.taps(y) };
        let mut follows = self.done > 0 && y > 0;
        let (mut at, mut step, mut after) = (self.done, 1, left);
        let rows = if self.batch > 0 {
            let planes = self.batch.min(left / height.output);
            follows = y > 0;
            (at, step, after) = (self.done + y, height.output, height.output - 1 - y);
            planes
        } else if single {
            left.min(self.geometry.planes_alike(plane))
        } else if !inside {
            1
        } else if seamless {
            left
        } else {
            left.min(interior.end - y)
        };
        let row_len = self.geometry.row_len();
        self.run = Run {
            at: at * row_len,
            rows,
            origin: self.geometry.origin(plane, z, y),
            step: step * row_len,
            after: after * row_len,
            apart: single || self.batch > 0,
            advance: if single || self.batch > 0 {
                self.geometry.strides().plane
            } else {
                height.stride.wrapping_mul(self.geometry.strides().height)
            },
            counted: match self.geometry.divisor() {
                Divisor::Constant(_) => 1,
                Divisor::Present => depths.len() * heights.len(),
                by => depth.count(z, by) * height.count(y, by),
            },
            depths,
            heights,
            rounding: self.geometry.rounding(),
            follows,
        };
        if self.batch > 0 {
            self.next.2 += 1;
            if self.next.2 == height.output {
                self.done += rows * height.output;
                self.next = (plane + rows, 0, 0);
            }
            return;
        }
        self.done += rows;
        self.next = if single {
            (plane + rows, 0, 0)
        } else if y + rows < height.output {
            (plane, z, y + rows)
        } else if z + 1 < depth.output {
            (plane, z + 1, 0)
        } else {
            (plane + 1, 0, 0)
        };
    }
}

/// Elements of planes that are a batch: as many as half of the smallest first-level cache.
const BATCH: usize = 4096;

/// So few planes are no batch.
const FEW: usize = 4;

/// Whether there is a variant for so many lines.
const fn has<T: Element, W: RowWalk<T>>(lines: usize) -> bool {
    let mut i = 0;
    while i < W::LINES.len() && W::LINES[i] != lines {
        i += 1;
    }
    i < W::LINES.len()
}

/// Reduces output rows, and says what was seen that may have been missed.
#[inline(always)]
pub(crate) fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>, W: RowWalk<T>>(
    simd: S,
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
    walk: &W,
) -> S::Seen {
    let height = &geometry.axes()[1];
    let [_, deep, high] = geometry.tap_strides();
    let alike = [height.kernel, height.stride] == W::COLUMNS;
    let mut seen = simd.unseen();
    let mut list = List::new();
    let mut runs = Runs::new(geometry, rows, const { W::BATCHES && S::MASKS });
    while let Some(run) = runs.next() {
        let (ds, hs) = (&run.depths, &run.heights);
        let start = run
            .origin
            .wrapping_add(hs.start.wrapping_mul(high))
            .wrapping_add(ds.start.wrapping_mul(deep));
        let second = start.wrapping_add(high);
        let third = second.wrapping_add(high);
        // Of three or four lines that do not start at an even tap, the middle two belong together.
        let in_order = !R::ORDERED || hs.start % 2 == 0;
        match (ds.len(), hs.len()) {
            (1, 1) if const { has::<T, W>(1) } => {
                let lines = Lines::<W, 1>::new([start]);
                seen = walk.reduce::<R, S, _>(simd, &lines, run, output, seen);
            }
            (1, 2) if const { has::<T, W>(2) } && (alike || const { !shares::<T, W>(2) }) => {
                let lines = Lines::<W, 2>::new([start, second]);
                seen = lines.first::<R, T, S>(simd, geometry, run, input, seen);
                seen = walk.reduce::<R, S, _>(simd, &lines, run, output, seen);
            }
            (1, 3)
                if const { has::<T, W>(3) }
                    && in_order
                    && (alike || const { !shares::<T, W>(3) }) =>
            {
                let mut starts = [start, second, third];
                let lines = Lines::<W, 3>::new(starts);
                seen = lines.first::<R, T, S>(simd, geometry, run, input, seen);
                let near = geometry.axes()[1..].iter().all(|axis| axis.dilation == 1) && !run.apart;
                let many = geometry.inner() >= S::N && run.rows > 1 && near;
                let mut last = None;
                if const { W::TWOS && shares::<T, W>(3) } && many {
                    let two = Two { starts: [start, second, third, third.wrapping_add(high)] };
                    seen = walk.reduce::<R, S, _>(simd, &two, &run.twos(), output, seen);
                    let Some((row, shift)) = run.without_twos() else { continue };
                    for start in &mut starts {
                        *start = start.wrapping_add(shift);
                    }
                    last = Some(row);
                }
                let (lines, run) = (Lines::<W, 3>::new(starts), last.as_ref().unwrap_or(run));
                seen = walk.reduce::<R, S, _>(simd, &lines, run, output, seen);
            }
            (1, 4) if const { has::<T, W>(4) } && in_order => {
                let starts = [start, second, third, third.wrapping_add(high)];
                let lines = Lines::<W, 4>::new(starts);
                seen = walk.reduce::<R, S, _>(simd, &lines, run, output, seen);
            }
            (2, 2) if const { has::<T, W>(4) } => {
                let other = start.wrapping_add(deep);
                let starts = [start, second, other, other.wrapping_add(high)];
                let lines = Lines::<W, 4>::new(starts);
                seen = walk.reduce::<R, S, _>(simd, &lines, run, output, seen);
            }
            _ => {
                let lines = run.lines(geometry, &mut list);
                seen = walk.reduce::<R, S, _>(simd, &lines, run, output, seen);
            }
        }
    }
    seen
}

/// The lines of the input that an output row is made from.
pub(crate) trait Columns<T: Element>: Clone {
    /// Output rows that are made of them. Each has as many of the vectors that [`merge`](Self::merge) returns, which are those
    /// of the first row first, and those that it loads are as many as one has.
    const ROWS: usize = 1;

    /// Merges `B` vectors of columns down the lines, each vector of each line loaded by `load` from
    /// where the line starts.
    fn merge<R: Reduction<T::Acc>, S: Memory<T>, const B: usize>(
        &self,
        simd: S,
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> S::Vector,
    ) -> [S::Vector; B];

    /// Where the last line starts.
    fn last(&self) -> usize;
}

/// Merges down the lines `B` vectors of columns side by side, from `at` after where each line starts. The
/// input has the first `len` of them; whole vectors are loaded where it goes on after the last line, so
/// that the other lanes hold anything.
#[inline(always)]
pub(crate) fn merge_columns<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const B: usize>(
    simd: S,
    lines: &impl Columns<T>,
    input: &[T],
    at: usize,
    len: usize,
    seen: &mut S::Seen,
) -> [S::Vector; B] {
    let end = lines.last().wrapping_add(at).wrapping_add(B * S::N);
    if end <= input.len() {
        lines.merge::<R, S, B>(
            simd,
            seen,
            #[inline(always)]
            |line, i| {
                let at = line.wrapping_add(at).wrapping_add(i * S::N);
                // SAFETY: columns of a line and what comes after it, which was seen to be inside.
                unsafe { load(simd, input, at) }
            },
        )
    } else {
        let identity = simd.splat(R::IDENTITY);
        lines.merge::<R, S, B>(
            simd,
            seen,
            #[inline(always)]
            |line, i| {
                let at = line.wrapping_add(at).wrapping_add(i * S::N);
                // SAFETY: columns of a line.
                unsafe { load_between(simd, input, at, lanes_within::<T, S>(len, i), identity) }
            },
        )
    }
}

/// Of vectors side by side, replaces all lanes after the first `len` by the identity.
#[inline(always)]
pub(crate) fn keep_first<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const B: usize>(
    simd: S,
    vectors: &mut [S::Vector; B],
    len: usize,
) {
    for i in 0..B {
        vectors[i] = simd.keep(vectors[i], lanes_within::<T, S>(len, i), simd.splat(R::IDENTITY));
    }
}

/// The lanes of the `i`-th of vectors side by side that are among the first `len` of all.
#[inline(always)]
fn lanes_within<T: Element, S: Memory<T>>(len: usize, i: usize) -> Range<usize> {
    0..len.saturating_sub(i * S::N).min(S::N)
}

/// How many of so many lines the window above has as well.
const fn shared<T: Element, W: RowWalk<T>>(lines: usize) -> usize {
    let [kernel, stride] = W::COLUMNS;
    if lines == kernel { kernel.saturating_sub(stride) } else { 0 }
}

/// Whether the window above has some of so many lines.
const fn shares<T: Element, W: RowWalk<T>>(lines: usize) -> bool {
    shared::<T, W>(lines) > 0
}

/// A few lines. What is in the last one is not lost; those that the window above has have been looked at there.
struct Lines<W, const N: usize> {
    starts: [usize; N],
    walk: PhantomData<W>,
}

impl<W, const N: usize> Clone for Lines<W, N> {
    #[inline(always)]
    fn clone(&self) -> Self {
        Self::new(self.starts)
    }
}

impl<W, const N: usize> Lines<W, N> {
    #[inline(always)]
    fn new(starts: [usize; N]) -> Self {
        Self { starts, walk: PhantomData }
    }

    /// Looks at lines that have been looked at above, where there was nothing above.
    #[inline(always)]
    fn first<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        &self,
        simd: S,
        geometry: &Geometry,
        run: &Run,
        input: &[T],
        mut seen: S::Seen,
    ) -> S::Seen
    where
        W: RowWalk<T>,
    {
        let dilation = geometry.axes()[1].dilation;
        if const { !R::LOSES || R::SHOWS || !shares::<T, W>(N) } || run.follows && dilation == 1 {
            return seen;
        }
        let columns = geometry.axes()[2].input;
        let len = (columns - 1) * geometry.strides().width + geometry.inner();
        // Rows of different planes share nothing, and dilated windows share lines with those as many rows above.
        let rows = if run.apart { run.rows } else { run.rows.min(dilation) };
        for row in 0..rows {
            for &start in &self.starts[..const { shared::<T, W>(N) }] {
                let start = start.wrapping_add(row.wrapping_mul(run.advance));
                for i in (0..len).step_by(S::N) {
                    // SAFETY: elements of a line, from its first to its last.
                    let v = unsafe { load_first(simd, input, start + i, S::N.min(len - i)) };
                    seen = R::look(simd, seen, v, v);
                }
            }
        }
        seen
    }
}

impl<T: Element, W: RowWalk<T>, const N: usize> Columns<T> for Lines<W, N> {
    #[inline(always)]
    fn merge<R: Reduction<T::Acc>, S: Memory<T>, const B: usize>(
        &self,
        simd: S,
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> S::Vector,
    ) -> [S::Vector; B] {
        let identity = [simd.splat(R::IDENTITY); B];
        let (mut merged, mut line, mut pair) = (identity, identity, identity);
        for j in 0..N {
            let start = self.starts[j];
            for i in 0..B {
                line[i] = load(start, i);
            }
            if j + 1 < N && j >= const { shared::<T, W>(N) } {
                *seen = look_at::<R, T::Acc, S, B>(simd, *seen, &line);
            }
            for i in 0..B {
                let v = line[i];
                match (N, j) {
                    (_, 0) => merged[i] = R::lift(simd, v),
                    (4, 2) => pair[i] = R::lift(simd, v),
                    (4, 3) => {
                        pair[i] = R::push(simd, pair[i], v);
                        merged[i] = R::merge(simd, merged[i], pair[i]);
                    }
                    _ => merged[i] = R::push(simd, merged[i], v),
                }
            }
        }
        merged
    }

    #[inline(always)]
    fn last(&self) -> usize {
        self.starts[N - 1]
    }
}

/// The lines of two windows of three, one line apart: what the last ones hold is not lost, and the first two have been looked
/// at above, as those of [`Lines`].
#[derive(Clone)]
struct Two {
    starts: [usize; 4],
}

impl<T: Element> Columns<T> for Two {
    const ROWS: usize = 2;

    #[inline(always)]
    fn merge<R: Reduction<T::Acc>, S: Memory<T>, const B: usize>(
        &self,
        simd: S,
        _: &mut S::Seen,
        load: impl Fn(usize, usize) -> S::Vector,
    ) -> [S::Vector; B] {
        let mut merged = [simd.splat(R::IDENTITY); B];
        for i in 0..B / 2 {
            let a = R::lift(simd, load(self.starts[0], i));
            let b = R::lift(simd, load(self.starts[1], i));
            let c = load(self.starts[2], i);
            let middle = R::push(simd, b, c);
            merged[i] = if const { R::ORDERED } {
                R::push(simd, R::merge(simd, a, b), c)
            } else {
                R::merge(simd, a, middle)
            };
            merged[B / 2 + i] = R::push(simd, middle, load(self.starts[3], i));
        }
        merged
    }

    #[inline(always)]
    fn last(&self) -> usize {
        self.starts[3]
    }
}

/// The most lines of a window.
const MOST: usize = 32;

const _: () = assert!(MOST <= LISTED);

/// Whether these walks take windows of so many lines.
pub(crate) fn fits(depth: &Axis, height: &Axis) -> bool {
    depth.kernel.saturating_mul(height.kernel) <= MOST
}

/// Any number of lines up to [`MOST`], listed, so that their places are not computed for every vector.
#[derive(Clone)]
struct ManyLines<'a> {
    origin: usize,
    /// All of them.
    list: &'a List,
}

impl<T: Element> Columns<T> for ManyLines<'_> {
    #[inline(always)]
    fn merge<R: Reduction<T::Acc>, S: Memory<T>, const B: usize>(
        &self,
        simd: S,
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> S::Vector,
    ) -> [S::Vector; B] {
        if R::ORDERED {
            return fold::<R, T::Acc, S, B>(
                simd,
                self.list.iter(),
                #[inline(always)]
                |offset, i| load(self.origin.wrapping_add(offset), i),
            );
        }
        let mut merged = [simd.splat(R::IDENTITY); B];
        let mut line = merged;
        for step in self.list.iter() {
            for i in 0..B {
                line[i] = load(self.origin.wrapping_add(step.offset), i);
            }
            *seen = look_at::<R, T::Acc, S, B>(simd, *seen, &line);
            for i in 0..B {
                merged[i] = R::push(simd, merged[i], line[i]);
            }
        }
        merged
    }

    #[inline(always)]
    fn last(&self) -> usize {
        self.list.last().map_or(0, |step| self.origin.wrapping_add(step.offset))
    }
}

/// Lines of a depth that are merged without a stack: a subtree of the order.
pub(crate) const OCTET: usize = 8;

/// Any number of lines, eight at a time.
#[derive(Clone)]
pub(crate) struct Octets {
    /// Where the windows start.
    origin: usize,
    /// The taps along depth and height that are inside the input.
    taps: [Range<usize>; 2],
    /// Elements from one to the next.
    strides: [usize; 2],
    /// Where the first line starts, and the last.
    pub(crate) ends: [usize; 2],
    /// How many there are if they are merged like the first ones of an octet, or else 0.
    pub(crate) few: usize,
}

impl Octets {
    /// The lines of some taps along depth and height, so many elements apart; whether their order matters.
    #[inline(always)]
    pub(crate) fn new(
        origin: usize,
        taps: [Range<usize>; 2],
        strides: [usize; 2],
        ordered: bool,
    ) -> Self {
        let ([depths, heights], [deep, high]) = (&taps, strides);
        if depths.is_empty() || heights.is_empty() {
            return Self { origin, taps: [0..0, 0..0], strides, ends: [0; 2], few: 0 };
        }
        let line = |z: usize, y: usize| {
            origin.wrapping_add(z.wrapping_mul(deep)).wrapping_add(y.wrapping_mul(high))
        };
        let ends = [line(depths.start, heights.start), line(depths.end - 1, heights.end - 1)];
        let few = match depths.len() {
            1 if ordered => few(heights),
            1 if heights.len() <= OCTET => heights.len(),
            _ => 0,
        };
        if few > 0 {
            // As if they were the first ones of an octet.
            return Self { origin: ends[0], taps: [0..1, 0..few], strides, ends, few };
        }
        Self { origin, taps, strides, ends, few }
    }

    /// Where the lines start, and how many there are, if they are merged like the first ones of an octet, whatever depth they
    /// are of; or else 0.
    #[inline(always)]
    pub(crate) fn starts(&self, ordered: bool) -> ([usize; OCTET], usize) {
        if self.few == 0 {
            // A copy: what a call may see is loaded again after each store.
            return self.clone().starts_in_depth(ordered);
        }
        let mut starts = [self.ends[0]; OCTET];
        for i in 1..OCTET {
            starts[i] = starts[i - 1].wrapping_add(self.strides[1]);
        }
        (starts, self.few)
    }

    /// The same of lines of several depths.
    #[inline(never)]
    fn starts_in_depth(&self, ordered: bool) -> ([usize; OCTET], usize) {
        let ([depths, heights], [deep, high]) = (&self.taps, self.strides);
        let mut starts = [0; OCTET];
        let len = depths.len().saturating_mul(heights.len());
        let alike = heights.len().is_power_of_two() && few(heights) > 0 && few(depths) > 0;
        if len > OCTET || ordered && !alike {
            return (starts, 0);
        }
        let lines = depths.clone().flat_map(|z| heights.clone().map(move |y| (z, y)));
        for (start, (z, y)) in starts.iter_mut().zip(lines) {
            *start =
                self.origin.wrapping_add(z.wrapping_mul(deep)).wrapping_add(y.wrapping_mul(high));
        }
        (starts, len)
    }

    /// Merges eight lines of a depth, or those of them that are present.
    #[inline(always)]
    fn octet<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const B: usize>(
        &self,
        simd: S,
        seen: &mut S::Seen,
        (z, octet): (usize, usize),
        load: &impl Fn(usize, usize) -> S::Vector,
    ) -> [S::Vector; B] {
        let ([_, heights], [deep, high]) = (&self.taps, self.strides);
        let y = octet * OCTET;
        let start =
            self.origin.wrapping_add(z.wrapping_mul(deep)).wrapping_add(y.wrapping_mul(high));
        let present = heights.start.saturating_sub(y)..OCTET.min(heights.end - y);
        let line = |i: usize| start.wrapping_add(i.wrapping_mul(high));
        // At an edge of the input only.
        if R::ORDERED && present.start > 0 {
            let step = |i| Step { offset: line(i), merges: merges_after(i, &present) };
            #[allow(
                clippy::redundant_closure,
                reason = "the call of a reference is not always inlined"
            )]
            return fold::<R, T::Acc, S, B>(
                simd,
                present.clone().map(step),
                #[inline(always)]
                |start, b| load(start, b),
            );
        }
        let (start, len) = (line(present.start), present.len());
        Octet { simd, seen, start, high, len, load }.merge::<R, B>()
    }
}

impl<T: Element> Columns<T> for Octets {
    #[inline(always)]
    fn merge<R: Reduction<T::Acc>, S: Memory<T>, const B: usize>(
        &self,
        simd: S,
        seen: &mut S::Seen,
        load: impl Fn(usize, usize) -> S::Vector,
    ) -> [S::Vector; B] {
        let [depths, heights] = &self.taps;
        if depths.is_empty() || heights.is_empty() {
            return [simd.splat(R::IDENTITY); B];
        }
        let octets = heights.start / OCTET..heights.end.div_ceil(OCTET);
        let mut waiting = Stack::new();
        let mut merged = [simd.splat(R::IDENTITY); B];
        for z in depths.clone() {
            for i in octets.clone() {
                merged = self.octet::<R, T, S, B>(simd, seen, (z, i), &load);
                // Most are alone.
                if self.few > 0 {
                    return merged;
                }
                let mut merges = merges_after(i, &octets);
                if i + 1 == octets.end {
                    merges += merges_after(z, depths);
                }
                for _ in 0..merges {
                    let left: [S::Vector; B] = waiting.pop();
                    for b in 0..B {
                        merged[b] = R::merge(simd, left[b], merged[b]);
                    }
                }
                waiting.push(merged);
            }
        }
        merged
    }

    #[inline(always)]
    fn last(&self) -> usize {
        self.ends[1]
    }
}

/// How many taps there are if their tree is that of the first taps of an octet, or else 0.
#[inline(always)]
pub(crate) fn few(taps: &Range<usize>) -> usize {
    let fits = match taps.len() {
        2 => true,
        3 | 4 => taps.start.is_multiple_of(2),
        len => len <= OCTET && taps.start.is_multiple_of(OCTET),
    };
    if fits { taps.len() } else { 0 }
}

/// Merges up to eight lines: where the first one starts, how far it is to the next, and how many there are.
#[inline(always)]
pub(crate) fn octet<R: Reduction<A>, A: Number, S: Lanes<A>, const B: usize>(
    simd: S,
    seen: &mut S::Seen,
    [start, high, len]: [usize; 3],
    load: impl Fn(usize, usize) -> S::Vector,
) -> [S::Vector; B] {
    Octet { simd, seen, start, high, len, load: &load }.merge::<R, B>()
}

/// Up to eight lines, the first of which is that of an even tap if the order matters.
struct Octet<'a, S: Lanes<A>, A: Number, L> {
    simd: S,
    seen: &'a mut S::Seen,
    /// Where the first one starts.
    start: usize,
    /// Elements from one to the next.
    high: usize,
    len: usize,
    load: &'a L,
}

// What branches on the number of lines does so alike for all windows of a run.
impl<S: Lanes<A>, A: Number, L: Fn(usize, usize) -> S::Vector> Octet<'_, S, A, L> {
    #[inline(always)]
    fn merge<R: Reduction<A>, const B: usize>(&mut self) -> [S::Vector; B] {
        let left = self.quad::<R, B>(0);
        if self.len <= 4 {
            return left;
        }
        let right = self.quad::<R, B>(4);
        self.both::<R, B>(left, right)
    }

    /// Merges four lines from `i` on, or as many as there are.
    #[inline(always)]
    fn quad<R: Reduction<A>, const B: usize>(&mut self, i: usize) -> [S::Vector; B] {
        let left = self.pair::<R, B>(i);
        if self.len <= i + 2 {
            return left;
        }
        let right = self.pair::<R, B>(i + 2);
        self.both::<R, B>(left, right)
    }

    /// Merges two lines from `i` on, or the only one.
    #[inline(always)]
    fn pair<R: Reduction<A>, const B: usize>(&mut self, i: usize) -> [S::Vector; B] {
        let mut merged = self.line::<R, B>(i);
        for b in 0..B {
            merged[b] = R::lift(self.simd, merged[b]);
        }
        if self.len > i + 1 {
            let line = self.line::<R, B>(i + 1);
            for b in 0..B {
                merged[b] = R::push(self.simd, merged[b], line[b]);
            }
        }
        merged
    }

    /// Loads a line, and looks at it.
    #[inline(always)]
    fn line<R: Reduction<A>, const B: usize>(&mut self, i: usize) -> [S::Vector; B] {
        let start = self.start.wrapping_add(i.wrapping_mul(self.high));
        let mut line = [self.simd.splat(R::IDENTITY); B];
        for b in 0..B {
            line[b] = (self.load)(start, b);
        }
        *self.seen = look_at::<R, A, S, B>(self.simd, *self.seen, &line);
        line
    }

    #[inline(always)]
    fn both<R: Reduction<A>, const B: usize>(
        &self,
        left: [S::Vector; B],
        mut right: [S::Vector; B],
    ) -> [S::Vector; B] {
        for b in 0..B {
            right[b] = R::merge(self.simd, left[b], right[b]);
        }
        right
    }
}
