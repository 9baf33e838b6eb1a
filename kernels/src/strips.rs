//! Three by three windows, one apart, over single elements, as many as there are elements; dilated or not.
//!
//! A plane is walked in strips, a vector wide, from top to bottom, and what the next window shares
//! is carried down in registers. Three overlapping loads of a line cost less than shifting lanes. Two
//! strips go down side by side, those of two planes if each is a plane: what there is to do around a
//! strip takes as long as some of its rows.
//!
//! Maxima merge a line across at once. The centre of a window is merged last: it is what no merge
//! can lose, and every element is a centre. Sums have their order, down before across, and carry two
//! lines of the left and of the right columns, which have the central ones among them.

use crate::Rounding;
use crate::number::{Element, Number};
use crate::reduction::{Divide, Reduction, finish_all, look_at};
use crate::simd::{Memory, load, load_between, store_first};
use crate::walk::FastWalk;
use crate::{Axis, Divisor, Geometry};
use core::ops::Range;

/// The widest planes that are walked in strips: on wider ones, the lines of a strip crowd each other out
/// of the first-level cache. And the widest ones that are narrow.
const MAX_WIDTH: usize = 192;
pub(crate) const NARROW: usize = 48;

/// Bytes of the lines of wider planes that are walked at a time, from the first strip to the last.
const BAND: usize = 1 << 14;

/// The most lanes that a dilated window may reach to its sides, and so the fewest that a vector has to have.
pub(crate) const DILATION: usize = 4;

/// The narrowest planes under dilated windows, but for the dilation: no window at an edge is in a strip that is not
/// at that edge.
const MIN_WIDTH: usize = 16;

/// Bytes of a tensor up to which two planes are walked side by side: of larger ones that takes twice as long, since the CPU
/// does not see where reading goes on.
const NEAR: usize = 1 << 23;

/// Whether this walk takes these windows.
pub(crate) fn fits(axes: &[Axis; 3]) -> bool {
    let [depth, height, width] = axes;
    let dilation = width.dilation;
    let same = |axis: &Axis| {
        (axis.kernel, axis.stride, axis.dilation, axis.pad_begin) == (3, 1, dilation, dilation)
            && axis.output == axis.input
    };
    let dilated =
        dilation <= DILATION && height.input >= 2 * dilation && width.input >= MIN_WIDTH + dilation;
    depth.is_flat()
        && same(height)
        && same(width)
        && width.input <= MAX_WIDTH
        && (dilation == 1 || dilated)
}

/// Whether lines are longer than those of the widest planes of four bytes an element.
pub(crate) fn is_long<T>(axes: &[Axis; 3]) -> bool {
    axes[2].input * size_of::<T>() > MAX_WIDTH * size_of::<f32>()
}

/// Whether planes are so wide that sums of types that have all walks are in rows, and all others are walked a band after the
/// other. There are no rows of dilated windows.
pub(crate) fn is_wide(axes: &[Axis; 3]) -> bool {
    axes[2].dilation == 1 && axes[2].input > NARROW
}

/// Columns that are carried under dilated windows.
const DILATED: usize = 3;

/// Three by three windows, one apart, of which 2 columns are carried down, or, if they are dilated, 3. Every so many
/// lines of a plane under dilated ones are a plane.
pub(crate) struct Strips<const COLUMNS: usize>;

impl<const COLUMNS: usize> FastWalk for Strips<COLUMNS> {
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
        simd: S,
        geometry: &Geometry,
        rows: Range<usize>,
        input: &[T],
        output: &mut [T],
    ) -> S::Seen {
        let [_, height, width] = geometry.axes();
        let by = geometry.divisor();
        let counted = |axis: &Axis, o: usize| axis.count(o, by);
        let (top, left) = (counted(height, 0), counted(width, 0));
        let (bottom, right) =
            (counted(height, height.output - 1), counted(width, width.output - 1));
        let line = geometry.strides().height;
        let number = |count: usize| T::Acc::nearest(count as i64);
        let dilation = if COLUMNS == DILATED { width.dilation } else { 1 };
        let lines = Lines::<T, COLUMNS> {
            input,
            height: height.input,
            width: width.input,
            stride: line * dilation,
            dilation,
            by: if [top, left, bottom, right] == [3; 4] && !matches!(by, Divisor::Constant(_)) {
                Divisor::Constant(9)
            } else {
                by
            },
            rounding: geometry.rounding(),
            lines: [top, 3, bottom].map(number),
            columns: [left, 3, right].map(number),
        };
        let extent = (height.input - 1) * line + width.input;
        let band = match COLUMNS != DILATED && is_wide(geometry.axes()) {
            true => BAND / (width.input * size_of::<T>()),
            false => usize::MAX,
        };
        let mut seen = simd.unseen();
        let mut row = rows.start;
        let (plane, z, mut y) = geometry.position(row);
        let mut slice = (plane, z);
        let mut start = geometry.slice_start(slice);
        while row < rows.end {
            let count = band.min(height.output - y).min(rows.end - row);
            let next_slice = geometry.slice_after(slice);
            let next = geometry.slice_start(next_slice);
            // Where there is something before and after a plane, no load needs a mask.
            let amid = |start: usize| start >= dilation && start + extent + S::N <= input.len();
            let to = (row - rows.start) * width.output;
            let pair = 2 * height.output;
            // What a row has too much for a vector is not beyond the next row.
            let even = width.input <= S::N && S::N <= 2 * width.input;
            if COLUMNS != DILATED
                && even
                && size_of_val(input) < NEAR
                && y == 0
                && rows.end - row >= pair
                && amid(start)
                && amid(next)
            {
                let to = [to, to + height.output * width.output];
                seen = lines.strips::<R, S, 2, true, true, true, true>(
                    simd,
                    [start, next],
                    to,
                    0..height.output,
                    output,
                    seen,
                );
                (slice, y, row) = (geometry.slice_after(next_slice), 0, row + pair);
                start = geometry.slice_start(slice);
                continue;
            }
            let inside = amid(start);
            for first in 0..if COLUMNS == DILATED { count.min(dilation) } else { 1 } {
                let mut of_phase = lines;
                let (mut rows, mut at) = (y..y + count, start);
                if COLUMNS == DILATED {
                    // Which plane of those of every so many lines, and which of its rows.
                    let (i, from) = ((y + first) % dilation, (y + first) / dilation);
                    of_phase.height = (height.input - i).div_ceil(dilation);
                    rows = from..from + (count - first).div_ceil(dilation);
                    at += i * line;
                }
                let to = to + first * width.output;
                seen = if inside {
                    of_phase.reduce::<R, S, true>(simd, at, rows, to, output, seen)
                } else {
                    simd.outline(
                        #[inline(always)]
                        || {
                            // A copy: what is behind a reference is loaded again after each store.
                            let lines = of_phase;
                            lines.reduce::<R, S, false>(simd, at, rows, to, output, seen)
                        },
                    )
                };
            }
            (y, row) = (y + count, row + count);
            if y == height.output {
                (slice, y, start) = (next_slice, 0, next);
            }
        }
        seen
    }
}

/// The lines of planes.
#[derive(Clone, Copy)]
struct Lines<'a, T: Element, const COLUMNS: usize> {
    input: &'a [T],
    height: usize,
    width: usize,
    /// From a line to the next.
    stride: usize,
    /// Columns from a tap to the next.
    dilation: usize,
    by: Divisor,
    rounding: Rounding,
    /// Counted lines of the windows of the first row, of those between, and of the last.
    lines: [T::Acc; 3],
    /// Counted columns of the leftmost window, of those between, and of the rightmost.
    columns: [T::Acc; 3],
}

impl<T: Element, const COLUMNS: usize> Lines<'_, T, COLUMNS> {
    /// Reduces output rows `rows` of the plane that starts at `start` to `output` from `to` on; `AMID` says
    /// that there is something before and after the plane.
    #[inline(always)]
    fn reduce<R: Reduction<T::Acc>, S: Memory<T>, const AMID: bool>(
        &self,
        simd: S,
        start: usize,
        rows: Range<usize>,
        to: usize,
        output: &mut [T],
        seen: S::Seen,
    ) -> S::Seen {
        // What is for wider planes than there are is not compiled.
        if const { MAX_WIDTH <= S::N } || self.width <= S::N {
            return self.strips::<R, S, 1, AMID, true, true, true>(
                simd,
                [start],
                [to],
                rows,
                output,
                seen,
            );
        }
        // The last strip is flush with the right edge.
        let last = self.width - S::N;
        if const { MAX_WIDTH <= 2 * S::N } || last <= S::N {
            let (at, to) = ([start, start + last], [to, to + last]);
            return self
                .strips::<R, S, 2, AMID, true, true, false>(simd, at, to, rows, output, seen);
        }
        // Of its own, or what it keeps would crowd the registers of the narrow ones.
        simd.outline(
            #[inline(always)]
            || {
                // A copy: what is behind a reference is loaded again after each store.
                let lines = *self;
                lines.wide::<R, S, AMID>(simd, start, rows, to, output, seen)
            },
        )
    }

    /// The same of a plane of more than two strips.
    #[inline(always)]
    fn wide<R: Reduction<T::Acc>, S: Memory<T>, const AMID: bool>(
        &self,
        simd: S,
        start: usize,
        rows: Range<usize>,
        to: usize,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let last = self.width - S::N;
        // No window of the strips between reaches over an edge.
        let inside = |x: usize| if COLUMNS == DILATED { x.min(last - self.dilation) } else { x };
        let second = inside(S::N);
        let (at, places) = ([start, start + second], [to, to + second]);
        seen = self.strips::<R, S, 2, AMID, true, false, false>(
            simd,
            at,
            places,
            rows.clone(),
            output,
            seen,
        );
        let mut x = 2 * S::N;
        while x < last {
            let (first, next) = (inside(x), x + S::N);
            // Three columns of sums of two strips do not fit the registers.
            if const { COLUMNS == DILATED && R::ORDERED } {
                let (at, to) = ([start + first], [to + first]);
                seen = self.strips::<R, S, 1, true, false, false, false>(
                    simd,
                    at,
                    to,
                    rows.clone(),
                    output,
                    seen,
                );
                x = next;
                continue;
            }
            let second = if next < last { inside(next) } else { last };
            let (at, to) = ([start + first, start + second], [to + first, to + second]);
            if next >= last {
                return self
                    .strips::<R, S, 2, AMID, false, true, false>(simd, at, to, rows, output, seen);
            }
            seen = self.strips::<R, S, 2, true, false, false, false>(
                simd,
                at,
                to,
                rows.clone(),
                output,
                seen,
            );
            x = next + S::N;
        }
        let (at, to) = ([start + last], [to + last]);
        self.strips::<R, S, 1, AMID, false, true, false>(simd, at, to, rows, output, seen)
    }

    /// Columns from a tap to the next, as the compiler best knows it.
    #[inline(always)]
    fn dilation(&self) -> usize {
        if COLUMNS == DILATED { self.dilation } else { 1 }
    }

    /// Reduces the windows of `V` strips, as many in a row of each as fit a vector. They are those of a plane, of
    /// which the first is at the left edge if `LEFT`, and the last at the right one if `RIGHT`; or those of
    /// `EACH` a plane, at both edges.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "all of them differ from call to call")]
    fn strips<
        R: Reduction<T::Acc>,
        S: Memory<T>,
        const V: usize,
        const AMID: bool,
        const LEFT: bool,
        const RIGHT: bool,
        const EACH: bool,
    >(
        &self,
        simd: S,
        at: [usize; V],
        to: [usize; V],
        rows: Range<usize>,
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        let (n, dilation) = (S::N.min(self.width), self.dilation());
        let mut edges = [Edges { left: LEFT && EACH, right: RIGHT && EACH }; V];
        edges[0].left = LEFT;
        edges[V - 1].right = RIGHT;
        let [left, inner, right] = self.columns;
        let [left, inner, right] = [simd.splat(left), simd.splat(inner), simd.splat(right)];
        let mut divisors = [inner; V];
        for v in 0..V {
            if edges[v].left {
                divisors[v] = simd.keep(divisors[v], dilation..S::N, left);
            }
            if edges[v].right {
                divisors[v] = simd.keep(divisors[v], 0..n - dilation, right);
            }
        }
        let (start, end) = (rows.start, rows.end);
        let identity = simd.splat(R::IDENTITY);
        let mut strips = Side {
            carried: [Carried { pair: [identity; COLUMNS], here: [identity; COLUMNS] }; V],
            below: at,
            to,
            n,
            edges,
        };
        for v in 0..V {
            let at = at[v] + start * self.stride;
            let mut above = [identity; 3];
            if start > 0 {
                above = self.line::<R, S, AMID>(simd, at - self.stride, n, edges[v]);
            }
            let here = self.line::<R, S, AMID>(simd, at, n, edges[v]);
            // Neither the line above nor, at the end, the one below is a centre of these rows.
            let above_across = across::<R, T, S>(simd, above);
            seen = R::look(simd, seen, above_across, above_across);
            strips.carried[v] = Carried::new::<R, T, S>(simd, above, here);
            strips.below[v] = at + self.stride;
        }
        let bottom = self.height - 1;
        // Only divisors tell the first row from those after it.
        let counted = R::DIVIDES && !matches!(self.by, Divisor::Constant(_));
        let top = if counted { bottom.min(1) } else { 0 };
        let [first, inner, last] = self.lines;
        let mut y = start;
        for (before, lines) in [(top, first), (bottom, inner)] {
            let rows = y..before.min(end).max(y);
            y = rows.end;
            let by = self.divides::<R, S, V>(simd, lines, divisors);
            seen = self.down::<R, S, V, AMID, true>(simd, &mut strips, rows, by, output, seen);
        }
        let by = self.divides::<R, S, V>(simd, last, divisors);
        seen = self.down::<R, S, V, AMID, false>(simd, &mut strips, y..end, by, output, seen);
        for v in 0..V {
            let here = strips.carried[v].here[0];
            seen = R::look(simd, seen, here, here);
        }
        seen
    }

    /// Reduces the windows of some rows of strips; `BELOW` says whether there are lines below.
    #[inline(always)]
    fn down<
        R: Reduction<T::Acc>,
        S: Memory<T>,
        const V: usize,
        const AMID: bool,
        const BELOW: bool,
    >(
        &self,
        simd: S,
        strips: &mut Side<S::Vector, V, COLUMNS>,
        rows: Range<usize>,
        divides: [Divide<S::Vector>; V],
        output: &mut [T],
        mut seen: S::Seen,
    ) -> S::Seen {
        for _ in rows {
            let mut merged = [simd.splat(R::IDENTITY); V];
            for v in 0..V {
                let below = if BELOW {
                    self.line::<R, S, AMID>(simd, strips.below[v], strips.n, strips.edges[v])
                } else {
                    [simd.splat(R::IDENTITY); 3]
                };
                merged[v] = strips.carried[v].merge::<R, T, S>(simd, below);
            }
            seen = look_at::<R, T::Acc, S, V>(simd, seen, &merged);
            let finished = finish_all::<R, T::Acc, S, V>(simd, merged, divides, &mut seen);
            for v in 0..V {
                let result = finished[v];
                let Edges { left, right } = strips.edges[v];
                let to = strips.to[v];
                // What a strip that is the only one writes too much is the next row, which comes after it, unless
                // that is the first one of the strip beside it.
                let others = left && right && (to + S::N > output.len() || !BELOW && v + 1 < V);
                let room = if others { strips.n } else { S::N };
                // SAFETY: the row has `n` elements from there on, and the output has `room`.
                unsafe { store_first(simd, result, output, to, room) }
                strips.to[v] += self.width * self.dilation();
                strips.below[v] += self.stride;
            }
        }
        seen
    }

    /// How the sums of windows with so many counted lines and columns become averages.
    #[inline(always)]
    fn divides<R: Reduction<T::Acc>, S: Memory<T>, const V: usize>(
        &self,
        simd: S,
        lines: T::Acc,
        columns: [S::Vector; V],
    ) -> [Divide<S::Vector>; V] {
        match self.by {
            Divisor::Constant(n) => return [R::divide(simd, n, self.rounding); V],
            _ if R::QUICK => return [R::divide(simd, 9, self.rounding); V],
            _ => {}
        }
        let mut divides = [Divide::By(columns[0], self.rounding); V];
        for v in 0..V {
            let by = simd.mul(simd.splat(lines), columns[v]);
            divides[v] = Divide::by_lanes::<T::Acc, S>(simd, by, self.rounding);
        }
        divides
    }

    /// The left, central and right columns of the `n` windows of a line whose first is at `at`.
    #[inline(always)]
    fn line<R: Reduction<T::Acc>, S: Memory<T>, const AMID: bool>(
        &self,
        simd: S,
        at: usize,
        n: usize,
        edges: Edges,
    ) -> [S::Vector; 3] {
        let identity = simd.splat(R::IDENTITY);
        let lanes = |at: usize, masked: bool, lanes: Range<usize>| {
            if masked && !AMID {
                // SAFETY: the lanes are columns of the line.
                unsafe { load_between(simd, self.input, at, lanes, identity) }
            } else {
                // SAFETY: columns of the line, or around a plane that has something around it.
                unsafe { load(simd, self.input, at) }
            }
        };
        let Edges { left: at_left, right: at_right } = edges;
        let slides = const { S::SLIDES && COLUMNS != DILATED };
        let mut centre = lanes(at, at_left && at_right, 0..n);
        if slides && at_left && at_right {
            centre = simd.keep(centre, 0..n, identity);
        }
        // With the last column of the line among the left ones, which the central ones are made from.
        let dilation = self.dilation();
        let before = if at_left { dilation } else { 0 };
        let after = n - if at_right { dilation } else { 0 };
        // No column is before or after the line. Shifted in, what is instead takes no mask, which the compiler may make for
        // each line anew.
        let left = if slides && at_left {
            simd.slide::<1>(identity, centre)
        } else {
            let left = lanes(at.wrapping_sub(dilation), at_left, before..S::N.min(n + dilation));
            if at_left { simd.keep(left, before..S::N, identity) } else { left }
        };
        let right = if slides && at_right {
            simd.slide_back(centre, identity)
        } else {
            let right = lanes(at + dilation, at_right, 0..after);
            if at_right { simd.keep(right, 0..after, identity) } else { right }
        };
        [R::lift(simd, left), R::lift(simd, centre), R::lift(simd, right)]
    }
}

/// The edges of its plane that a strip is at.
#[derive(Clone, Copy)]
struct Edges {
    left: bool,
    right: bool,
}

/// How far strips side by side have come.
struct Side<V, const N: usize, const COLUMNS: usize> {
    carried: [Carried<V, COLUMNS>; N],
    /// Where the line below is in the input.
    below: [usize; N],
    /// Where the next row goes in the output.
    to: [usize; N],
    /// Windows of a row.
    n: usize,
    edges: [Edges; N],
}

/// What the windows of the next row share with those above: of sums those of the left columns, of the right ones,
/// and, of dilated windows, of the central ones; of maxima those across.
#[derive(Clone, Copy)]
struct Carried<V, const COLUMNS: usize> {
    /// The line above and the one here.
    pair: [V; COLUMNS],
    here: [V; COLUMNS],
}

impl<V: Copy, const COLUMNS: usize> Carried<V, COLUMNS> {
    #[inline(always)]
    fn new<R: Reduction<T::Acc>, T: Element, S: Memory<T, Vector = V>>(
        simd: S,
        above: [V; 3],
        here: [V; 3],
    ) -> Self {
        let (above, here) =
            (columns::<R, T, S, COLUMNS>(simd, above), columns::<R, T, S, COLUMNS>(simd, here));
        Self { pair: both::<R, T, S, COLUMNS>(simd, above, here), here }
    }

    /// Merges the windows that end with the line below. Of maxima, the centre is in what is merged last.
    #[inline(always)]
    fn merge<R: Reduction<T::Acc>, T: Element, S: Memory<T, Vector = V>>(
        &mut self,
        simd: S,
        below: [V; 3],
    ) -> V {
        let below = columns::<R, T, S, COLUMNS>(simd, below);
        let pair = self.pair;
        self.pair = both::<R, T, S, COLUMNS>(simd, self.here, below);
        self.here = below;
        if !R::ORDERED {
            return R::merge(simd, below[0], pair[0]);
        }
        let columns = both::<R, T, S, COLUMNS>(simd, pair, below);
        let (left, right) = (columns[0], columns[1]);
        // The central columns are those of the windows to the left and to the right, if none is left out.
        let centre =
            if COLUMNS == DILATED { columns[COLUMNS - 1] } else { simd.between(left, right) };
        R::merge(simd, R::merge(simd, left, centre), right)
    }
}

/// Of a line what is merged down: the left, right and central columns, or what these give.
#[inline(always)]
fn columns<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const COLUMNS: usize>(
    simd: S,
    line: [S::Vector; 3],
) -> [S::Vector; COLUMNS] {
    if !R::ORDERED {
        return [across::<R, T, S>(simd, line); COLUMNS];
    }
    let mut columns = [line[1]; COLUMNS];
    (columns[0], columns[1]) = (line[0], line[2]);
    columns
}

/// Merges what two lines have of each.
#[inline(always)]
fn both<R: Reduction<T::Acc>, T: Element, S: Memory<T>, const COLUMNS: usize>(
    simd: S,
    mut a: [S::Vector; COLUMNS],
    b: [S::Vector; COLUMNS],
) -> [S::Vector; COLUMNS] {
    for i in 0..COLUMNS {
        a[i] = R::merge(simd, a[i], b[i]);
    }
    a
}

/// Merges three columns, the central one last.
#[inline(always)]
fn across<R: Reduction<T::Acc>, T: Element, S: Memory<T>>(
    simd: S,
    [left, centre, right]: [S::Vector; 3],
) -> S::Vector {
    R::merge(simd, R::merge(simd, left, right), centre)
}
