//! Small windows over pixels of several elements each: two columns one or two apart, or three columns
//! one or two apart.
//!
//! A row is walked pixel by pixel. Each column is merged down once and carried to the windows that share it: in
//! registers, for a few vectors of channels at a time, or, where pixels have many channels or windows are dilated, in
//! memory that is near, so that all of a pixel come before the next one.

use crate::lines::{self, Columns, RowWalk, Run, reduce};
use crate::number::{Element, Number};
use crate::reduction::{Divide, Reduction, finish_all, look_at};
use crate::simd::{
    Aligned, Memory, load, load_first, load_lanes, load_of_two, store, store_first, store_lanes,
    store_twos, zeroed,
};
use crate::walk::{FastWalk, PART};
use crate::{Axis, Geometry};
use core::mem::MaybeUninit;
use core::ops::Range;

/// Groups of vectors of channels that are walked along a row together: what a group needs is loaded and stored
/// before the next one, so that all of it is in registers.
const B: usize = 2;

/// Vectors of a group.
const GROUP: usize = 2;

/// Rows that are reduced for some channels before the next ones.
const ROWS: usize = 16;

/// Bytes of the input from which on pixels are long sooner: more than a second-level cache has.
const LARGE: usize = 768 << 10;

/// Channels, at most, of `f32` under windows that share nothing: of more, a tap is a run of vectors.
const FEW: usize = 48;

/// Bytes of a pixel from which on it is long, and channels where windows are one apart.
const LONG: usize = 256;
const MANY: usize = 128;

/// Elements of columns that are carried in memory, at most.
const CARRIED: usize = 3072;

/// Of windows that are dilated more, columns are carried for too few channels at a time.
const MAX_DILATION: usize = 8;

/// Elements of the output after which the walk is asked whether it missed something: where windows overlap, the lines that the
/// first row of a part shares with the one above are looked at for their own sake.
const OVERLAPPING_PART: usize = 1 << 17;

/// Whether vectors are so long that few tensors have channels for all groups, or elements so short that so many
/// would not fit the registers.
const fn few<T: Element, S: Memory<T>>() -> bool {
    S::N >= 32 || S::APART && size_of::<T>() == 1
}

/// Whether this walk takes these windows: those that share enough columns of several lines.
pub(crate) fn fits(axes: &[Axis; 3]) -> bool {
    let [depth, height, width] = axes;
    matches!((width.kernel, width.stride), (2, 1) | (3, 1 | 2))
        && width.dilation <= if width.stride == 1 { MAX_DILATION } else { 1 }
        && width.output > 5
        && depth.kernel.saturating_mul(height.kernel) > 1
        && lines::fits(depth, height)
}

/// Whether windows are dilated, and are only taken of pixels that have channels for a vector.
pub(crate) fn is_dilated(axes: &[Axis; 3]) -> bool {
    axes[2].dilation > 1
}

/// Whether this walk takes windows that share nothing: two by two, of so few taps that going through a
/// list of them takes as long as merging them.
pub(crate) fn fits_apart(axes: &[Axis; 3]) -> bool {
    let [depth, height, width] = axes;
    (depth.kernel, height.kernel) == (1, 2)
        && (width.kernel, width.stride, width.dilation) == (2, 2, 1)
        && width.output > 5
        && axes.iter().all(|axis| !axis.spread)
}

/// Whether it takes such windows of `f32` as well, since pixels have few channels.
pub(crate) fn fits_few(geometry: &Geometry) -> bool {
    geometry.inner() <= FEW && fits_apart(geometry.axes())
}

/// Windows of `K` columns, `STRIDE` apart.
pub(crate) struct Pixels<const K: usize, const STRIDE: usize>;

impl<const K: usize, const STRIDE: usize> FastWalk for Pixels<K, STRIDE> {
    const PART: usize = if K > STRIDE { OVERLAPPING_PART } else { PART };

    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let row = Row::<T, K, STRIDE> { geometry, input, row_len: geometry.row_len() };
        reduce::<R, T, S, _>(simd, geometry, rows, input, output, &row)
    }
}

/// Rows of windows of `K` columns, `STRIDE` apart.
#[derive(Clone, Copy)]
struct Row<'a, T, const K: usize, const STRIDE: usize> {
    geometry: &'a Geometry,
    input: &'a [T],
    /// Elements of an output row.
    row_len: usize,
}

impl<T: Element, const K: usize, const STRIDE: usize> RowWalk<T> for Row<'_, T, K, STRIDE> {
    const COLUMNS: [usize; 2] = [K, STRIDE];

    const BATCHES: bool = false;

    const TWOS: bool = K > 2 && STRIDE == 1;

    const LINES: &'static [usize] = if K == 2 && STRIDE == 1 { &[2, 4] } else { &[K] };

    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, S: Memory<T>, L: Columns<T>>(
        &self,
        simd: S,
        lines: &L,
        run: &Run,
        output: &mut [T],
        seen: S::Seen,
    ) -> S::Seen {
        // Of two rows, a group has half as many vectors of channels, or they would not fit the registers.
        if const { L::ROWS == 2 } {
            self.groups::<R, S, L, 1, 4, 2>(simd, lines, run, output, seen)
        } else {
            self.groups::<R, S, L, B, GROUP, 1>(simd, lines, run, output, seen)
        }
    }
}

/// How sums become averages, by how many columns of the window count, less one.
type Divides<V, const K: usize> = [Divide<V>; K];

/// What of a run is reduced at a time.
struct Part<'a, V, const K: usize> {
    run: &'a Run,
    divides: &'a Divides<V, K>,
    /// The rows of the run.
    rows: Range<usize>,
    /// The first channel.
    channel: usize,
}

impl<T: Element, const K: usize, const STRIDE: usize> Row<'_, T, K, STRIDE> {
    /// Reduces the windows of a run, in `G` groups of `V` vectors at a time, or one, or, of few channels, one of `ONE`.
    #[inline(always)]
    fn groups<
        R: Reduction<T::Acc>,
        S: Memory<T>,
        L: Columns<T>,
        const G: usize,
        const V: usize,
        const ONE: usize,
    >(
        &self,
        simd: S,
        lines: &L,
        run: &Run,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let inner = self.geometry.inner();
        let group = const { V / ONE } * S::N;
        let mut done = 0;
        let dilated = const { K > STRIDE } && is_dilated(self.geometry.axes());
        if const { K > STRIDE } && inner >= group && (dilated || self.is_long()) {
            done = inner - inner % group;
            seen = self.by_pixel::<R, S, L, V>(simd, lines, run, 0..done, output, seen);
        }
        if const { L::ROWS == 1 } && dilated {
            // The last vector is flush with the last channel.
            while inner >= S::N && done < inner {
                let first = done.min(inner - S::N);
                let channels = first..first + S::N;
                seen = self.by_pixel::<R, S, L, ONE>(simd, lines, run, channels, output, seen);
                done += S::N;
            }
            return seen;
        }
        // Rows that overlap one after the other, each time for so few channels that the lines that they
        // share are still in the first-level cache.
        let divides = &self.divides::<R, S>(simd, run);
        for first in (0..run.rows).step_by(ROWS) {
            let rows = first..run.rows.min(first + ROWS);
            let mut part = Part { run, divides, rows, channel: 0 };
            let mut c = done;
            while const { G > 1 && !few::<T, S>() } && c + G * group <= inner {
                part.channel = c;
                seen = self.rows::<R, S, L, G, V, false>(simd, lines, &part, output, seen);
                c += G * group;
            }
            // The last vectors are flush with the last channel.
            while inner >= group && c < inner {
                part.channel = c.min(inner - group);
                seen = self.rows::<R, S, L, 1, V, false>(simd, lines, &part, output, seen);
                c += group;
            }
            while inner >= S::N && c < inner {
                part.channel = c.min(inner - S::N);
                seen = self.rows::<R, S, L, 1, ONE, false>(simd, lines, &part, output, seen);
                c += S::N;
            }
            // Too much would be written after a row that is not the last one.
            if const { L::ROWS == 1 } && inner < S::N {
                seen = self.rows::<R, S, L, 1, ONE, true>(simd, lines, &part, output, seen);
            }
        }
        seen
    }

    /// Reduces the windows of some rows for the channels of `part`, and for as many in each of the other vectors
    /// of `G` groups of `V`; if `PARTLY`, pixels have fewer channels than a vector.
    #[inline(always)]
    fn rows<
        R: Reduction<T::Acc>,
        S: Memory<T>,
        L: Columns<T>,
        const G: usize,
        const V: usize,
        const PARTLY: bool,
    >(
        &self,
        simd: S,
        lines: &L,
        part: &Part<'_, S::Vector, K>,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        simd.outline(
            #[inline(always)]
            || {
                // Copies: what is behind a reference is loaded again after each store.
                let (walk, lines) = (*self, lines.clone());
                for row in part.rows.clone() {
                    let shift = row.wrapping_mul(part.run.advance);
                    let at = part.run.at + row * part.run.step;
                    let place = (shift, at);
                    seen = walk
                        .along::<R, S, L, G, V, PARTLY>(simd, &lines, part, place, output, seen);
                }
                seen
            },
        )
    }

    /// Makes ready what takes longer than some pixels do, once for all rows of a run: that of integers of 16 bits. Other
    /// numbers are spared it, since of what is in memory the compiler knows less.
    #[inline(always)]
    fn divides<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        run: &Run,
    ) -> Divides<S::Vector, K> {
        let mut divides = [Divide::ByReciprocal(simd.splat(T::Acc::ZERO)); K];
        if const { R::DIVIDES && S::PARTS } {
            for columns in 1..=K {
                let divisor = run.divisor(self.geometry.divisor(), columns);
                divides[columns - 1] = R::divide(simd, divisor, run.rounding);
            }
        }
        divides
    }

    /// How sums of windows with so many counted columns become averages.
    #[inline(always)]
    fn divide<R: Reduction<T::Acc>, S: Memory<T>>(
        &self,
        simd: S,
        part: &Part<'_, S::Vector, K>,
        columns: usize,
    ) -> Divide<S::Vector> {
        if const { R::DIVIDES && S::PARTS } {
            return part.divides[columns - 1];
        }
        R::divide(simd, part.run.divisor(self.geometry.divisor(), columns), part.run.rounding)
    }

    /// Whether all channels of a pixel are to come before the next one.
    ///
    /// Of what a few channels of each pixel take, the cache lines at both ends are fetched for their neighbours again, and
    /// where pixels are a power of two apart, all are in the same few sets of the first-level cache: no line is there
    /// any more when the next row needs it. What this costs is to keep the columns, more where windows are one apart.
    #[inline(always)]
    fn is_long(&self) -> bool {
        let inner = self.geometry.inner();
        let bytes = inner * size_of::<T>();
        let long = bytes >= LONG && (STRIDE == 2 || inner >= MANY);
        long || bytes > LONG / 2 && size_of_val(self.input) >= LARGE
    }

    /// Columns that are carried from a window to the next ones.
    #[inline(always)]
    fn carried(&self) -> usize {
        (K - STRIDE) * self.geometry.axes()[2].dilation
    }

    /// Reduces rows one pixel after the other, some channels of each, in groups of `V` vectors.
    #[inline(always)]
    fn by_pixel<R: Reduction<T::Acc>, S: Memory<T>, L: Columns<T>, const V: usize>(
        &self,
        simd: S,
        lines: &L,
        run: &Run,
        channels: Range<usize>,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let mut scratch = Aligned([const { MaybeUninit::uninit() }; CARRIED]);
        let column = L::ROWS * self.carried();
        let group = const { V / L::ROWS } * S::N;
        let room = channels.len().min(CARRIED / column / group * group);
        let kept = zeroed::<T::Acc>(&mut scratch.0, column * room);
        for row in 0..run.rows {
            for channel in channels.clone().step_by(room) {
                let part = (row, channel..channels.end.min(channel + room));
                seen = self.long::<R, S, L, V>(simd, lines, run, part, kept, output, seen);
            }
        }
        seen
    }

    /// Reduces the windows of a row for some channels, which `kept` has room for of as many columns as are carried.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "all of them differ from call to call")]
    fn long<R: Reduction<T::Acc>, S: Memory<T>, L: Columns<T>, const V: usize>(
        &self,
        simd: S,
        lines: &L,
        run: &Run,
        (row, channels): (usize, Range<usize>),
        kept: &mut [T::Acc],
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let (width, by) = (self.geometry.axes()[2], self.geometry.divisor());
        let carried = self.carried();
        // Elements of a column that is kept.
        let room = kept.len() / carried;
        let group = const { V / L::ROWS } * S::N;
        let mut column =
            self.first_column(row.wrapping_mul(run.advance).wrapping_add(channels.start));
        for j in 0..carried {
            for c in (0..channels.len()).step_by(group) {
                let column = column.group(c);
                let merged = self.column::<R, S, L, V, false>(simd, lines, &column, &mut seen);
                seen = look_at::<R, T::Acc, S, V>(simd, seen, &merged);
                keep::<T, S, V>(simd, &merged, kept, j * room + L::ROWS * c);
            }
            column = column.on(1);
        }
        let whole = R::divide(simd, run.divisor(by, K), run.rounding);
        let interior = width.interior();
        let mut to = run.at + row * run.step + channels.start;
        // Which column is kept first: the one that no later window has, whose place a new one takes.
        let mut first = 0;
        for x in 0..width.output {
            let mut divide = whole;
            if R::DIVIDES && !R::QUICK && !interior.contains(&x) {
                let divisor = run.divisor(by, width.count(x, by));
                divide = R::divide(simd, divisor, run.rounding);
            }
            let second = if first < width.dilation {
                first + width.dilation
            } else {
                first - width.dilation
            };
            let [old, next] = [first, second].map(|column| column * room);
            for c in (0..channels.len()).step_by(group) {
                let c_kept = L::ROWS * c;
                let mut carried = [kept_at::<T, S, V>(simd, kept, old + c_kept); 2];
                if const { K - STRIDE == 2 } {
                    let next = kept_at::<T, S, V>(simd, kept, next + c_kept);
                    carried = [merge::<R, T, S, V>(simd, carried[0], next), next];
                }
                let place = (column.group(c), to + c);
                self.group::<R, S, L, V, false>(
                    simd,
                    lines,
                    place,
                    divide,
                    &mut carried,
                    output,
                    &mut seen,
                );
                keep::<T, S, V>(simd, &carried[K - STRIDE - 1], kept, old + c_kept);
            }
            first = if first + 1 == carried { 0 } else { first + 1 };
            column = column.on(STRIDE);
            to += self.geometry.inner();
        }
        seen
    }

    /// The first column of the windows of a row, given where some of its channels would be in column 0.
    #[inline(always)]
    fn first_column(&self, at: usize) -> Column {
        let (width, pixel) = (self.geometry.axes()[2], self.geometry.strides().width);
        Column {
            index: 0usize.wrapping_sub(width.pad_begin),
            at: at.wrapping_sub(width.pad_begin.wrapping_mul(pixel)),
            pixel,
            columns: width.input,
        }
    }

    /// Merges the columns of the first window of a row that come before the new ones.
    #[inline(always)]
    fn first<
        R: Reduction<T::Acc>,
        S: Memory<T>,
        L: Columns<T>,
        const V: usize,
        const PARTLY: bool,
    >(
        &self,
        simd: S,
        lines: &L,
        column: Column,
        seen: &mut S::Seen,
    ) -> [[S::Vector; V]; 2] {
        let mut carried = [[simd.splat(R::IDENTITY); V]; 2];
        for j in 0..K - STRIDE {
            carried[j] = self.column::<R, S, L, V, PARTLY>(simd, lines, &column.on(j), seen);
            *seen = look_at::<R, T::Acc, S, V>(simd, *seen, &carried[j]);
        }
        if const { K - STRIDE == 2 } {
            carried[0] = merge::<R, T, S, V>(simd, carried[0], carried[1]);
        }
        carried
    }

    /// Reduces all windows of a row, given how far its lines are from those of the first row of the run, and
    /// where it starts in the output.
    #[inline(always)]
    fn along<
        R: Reduction<T::Acc>,
        S: Memory<T>,
        L: Columns<T>,
        const G: usize,
        const V: usize,
        const PARTLY: bool,
    >(
        &self,
        simd: S,
        lines: &L,
        part: &Part<'_, S::Vector, K>,
        (shift, at): (usize, usize),
        output: &mut [T],
        seen_before: S::Seen,
    ) -> S::Seen {
        // Copies: what is behind a reference is loaded again after each store.
        let (width, by) = (self.geometry.axes()[2], self.geometry.divisor());
        let (inner, group) = (self.geometry.inner(), const { V / L::ROWS } * S::N);
        let mut seen = simd.unseen();
        let whole = self.divide::<R, S>(simd, part, K);
        let mut column = self.first_column(shift.wrapping_add(part.channel));
        // Columns of a window that the one before it has as well.
        let mut carried = [[[simd.splat(R::IDENTITY); V]; 2]; G];
        for g in 0..G {
            let column = column.group(g * group);
            carried[g] = self.first::<R, S, L, V, PARTLY>(simd, lines, column, &mut seen);
        }
        column = column.on(K - STRIDE);
        let mut x = 0;
        let mut to = at + part.channel;
        let interior = width.interior();
        while x < width.output {
            let inside = interior.contains(&x);
            let mut divide = whole;
            if R::DIVIDES && !R::QUICK && !inside {
                // No column gives 0, by whatever it is divided.
                divide = self.divide::<R, S>(simd, part, width.count(x, by).clamp(1, K));
            }
            // The others are divided alike.
            let end = if inside { interior.end } else { x + 1 };
            while x < end {
                // Not a loop, which would keep all that is carried in memory.
                let place = (column, to);
                self.group::<R, S, L, V, PARTLY>(
                    simd,
                    lines,
                    place,
                    divide,
                    &mut carried[0],
                    output,
                    &mut seen,
                );
                if const { G == 2 } {
                    let place = (column.group(group), to + group);
                    let carried = &mut carried[G - 1];
                    self.group::<R, S, L, V, PARTLY>(
                        simd, lines, place, divide, carried, output, &mut seen,
                    );
                }
                column = column.on(STRIDE);
                to += inner;
                x += 1;
            }
        }
        simd.both(seen_before, seen)
    }

    /// Reduces the windows of a group of vectors of channels, given its first new column and where its results go.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "all of them differ from call to call")]
    fn group<
        R: Reduction<T::Acc>,
        S: Memory<T>,
        L: Columns<T>,
        const V: usize,
        const PARTLY: bool,
    >(
        &self,
        simd: S,
        lines: &L,
        (column, to): (Column, usize),
        divide: Divide<S::Vector>,
        carried: &mut [[S::Vector; V]; 2],
        output: &mut [T],
        seen: &mut S::Seen,
    ) {
        let each = const { V / L::ROWS };
        let mut new = [[simd.splat(R::IDENTITY); V]; 2];
        for j in 0..STRIDE {
            new[j] = self.column::<R, S, L, V, PARTLY>(simd, lines, &column.on(j), seen);
        }
        let merged = across::<R, T, S, K, STRIDE, V>(simd, carried, new, seen);
        let finished = finish_all::<R, T::Acc, S, V>(simd, merged, [divide; V], seen);
        for row in 0..L::ROWS {
            let to = to + row * self.row_len;
            let finished = &finished[row * each..][..each];
            if const { S::APART && (V / L::ROWS).is_multiple_of(2) } {
                // SAFETY: as many vectors of channels.
                unsafe { store_twos(simd, finished, output, to) }
                continue;
            }
            for i in 0..each {
                if const { !PARTLY } {
                    // SAFETY: channels of a pixel.
                    unsafe { store(simd, finished[i], output, to + i * S::N) }
                    continue;
                }
                // What a vector of few channels writes too much is the next pixel, which comes after it.
                let n = if to + S::N <= output.len() { S::N } else { self.geometry.inner() };
                // SAFETY: channels of a pixel, or as many as the output has.
                unsafe { store_first(simd, finished[i], output, to, n) }
            }
        }
    }

    /// Merges a column of the input down the lines; if there is no such column, the identity.
    #[inline(always)]
    fn column<
        R: Reduction<T::Acc>,
        S: Memory<T>,
        L: Columns<T>,
        const V: usize,
        const PARTLY: bool,
    >(
        &self,
        simd: S,
        lines: &L,
        column: &Column,
        seen: &mut S::Seen,
    ) -> [S::Vector; V] {
        // Asked of each, since a second loop for those that are there would be as much code again.
        if column.index >= column.columns {
            return [simd.splat(R::IDENTITY); V];
        }
        if const { PARTLY } {
            let end = lines.last().wrapping_add(column.at).wrapping_add(S::N);
            let n = if end <= self.input.len() { S::N } else { self.geometry.inner() };
            return lines.merge::<R, S, V>(
                simd,
                seen,
                #[inline(always)]
                |line, _| {
                    let at = line.wrapping_add(column.at);
                    // SAFETY: channels of a pixel, or as many elements as the input has after its last line.
                    unsafe { load_first(simd, self.input, at, n) }
                },
            );
        }
        lines.merge::<R, S, V>(
            simd,
            seen,
            #[inline(always)]
            |line, i| {
                let at = line.wrapping_add(column.at);
                if const { S::APART && (V / L::ROWS).is_multiple_of(2) } {
                    // SAFETY: channels of a pixel, as many as `V` vectors have.
                    return unsafe { load_of_two(simd, self.input, at, i) };
                }
                // SAFETY: channels of a pixel.
                unsafe { load(simd, self.input, at.wrapping_add(i * S::N)) }
            },
        )
    }
}

/// A column of pixels.
#[derive(Clone, Copy)]
struct Column {
    /// Which one of the input; before the input, it wraps.
    index: usize,
    /// Elements from the start of a line to the channels that are reduced; it wraps, too.
    at: usize,
    /// Elements from a column to the next.
    pixel: usize,
    /// Columns of the input.
    columns: usize,
}

impl Column {
    /// The same of a group of vectors that starts `n` channels after the first one.
    #[inline(always)]
    fn group(self, n: usize) -> Self {
        Self { at: self.at.wrapping_add(n), ..self }
    }

    /// The column that is `n` after this one.
    #[inline(always)]
    fn on(self, n: usize) -> Self {
        Self {
            index: self.index.wrapping_add(n),
            at: self.at.wrapping_add(n.wrapping_mul(self.pixel)),
            ..self
        }
    }
}

/// Keeps a column.
#[inline(always)]
fn keep<T: Element, S: Memory<T>, const V: usize>(
    simd: S,
    column: &[S::Vector; V],
    kept: &mut [T::Acc],
    at: usize,
) {
    for v in 0..V {
        // SAFETY: there is room for so many channels of each column that is kept.
        unsafe { store_lanes(simd, column[v], kept, at + v * S::N) }
    }
}

/// A column that was kept.
#[inline(always)]
fn kept_at<T: Element, S: Memory<T>, const V: usize>(
    simd: S,
    kept: &[T::Acc],
    at: usize,
) -> [S::Vector; V] {
    let mut column = [simd.splat(T::Acc::ZERO); V];
    for v in 0..V {
        // SAFETY: there is room for so many channels of each column that is kept.
        column[v] = unsafe { load_lanes(simd, kept, at + v * S::N) };
    }
    column
}

/// Merges the columns carried and the new ones, and carries on those that the next window has as well.
#[inline(always)]
fn across<
    R: Reduction<T::Acc>,
    T: Element,
    S: Memory<T>,
    const K: usize,
    const STRIDE: usize,
    const V: usize,
>(
    simd: S,
    carried: &mut [[S::Vector; V]; 2],
    [a, b]: [[S::Vector; V]; 2],
    seen: &mut S::Seen,
) -> [S::Vector; V] {
    let merged = match (K, STRIDE) {
        (2, 2) => {
            *seen = look_at::<R, T::Acc, S, V>(simd, *seen, &a);
            merge::<R, T, S, V>(simd, a, b)
        }
        (2, _) => {
            let merged = merge::<R, T, S, V>(simd, carried[0], a);
            carried[0] = a;
            merged
        }
        (_, 1) => {
            // The first two columns are merged already.
            let merged = merge::<R, T, S, V>(simd, carried[0], a);
            *carried = [merge::<R, T, S, V>(simd, carried[1], a), a];
            merged
        }
        _ => {
            *seen = look_at::<R, T::Acc, S, V>(simd, *seen, &a);
            let left = merge::<R, T, S, V>(simd, carried[0], a);
            carried[0] = b;
            merge::<R, T, S, V>(simd, left, b)
        }
    };
    *seen = look_at::<R, T::Acc, S, V>(simd, *seen, &merged);
    merged
}

/// Merges vectors of two columns.
#[inline(always)]
fn merge<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const V: usize>(
    simd: S,
    a: [S::Vector; V],
    b: [S::Vector; V],
) -> [S::Vector; V] {
    let mut merged = a;
    for i in 0..V {
        merged[i] = R::merge(simd, merged[i], b[i]);
    }
    merged
}
