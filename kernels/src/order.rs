//! The order in which the taps of a window are merged.
//!
//! Addition is not associative, so the order is part of the result. A window is merged column by
//! column, and the columns after that; a column is merged depth by depth, and the depths after that.
//! Each of these lists is merged by the binary tree over the tap's positions in which a subtree of
//! 2ⁿ leaves starts at a multiple of 2ⁿ: `((0 1) (2 3)) ((4 5) 6)`. Absent taps leave gaps. The
//! tree is that of BLAKE3 and of RFC 6962; for lists of up to three it is "from left to right".
//!
//! It has three virtues: errors grow with the logarithm of the window, not with the window; it does
//! not depend on where a window lies, so that any splitting of the work gives the same bits; and
//! windows that overlap share subtrees.

use core::mem::MaybeUninit;
use core::ops::Range;

/// The most subtrees that can wait: one for each bit of a position, and there are as many positions
/// as elements, however they are spread over three axes.
pub(crate) const DEPTH: usize = usize::BITS as usize + 3;

/// One tap of a window: where it is, and what to do with it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Step {
    /// Elements from the start of the window.
    pub(crate) offset: usize,
    /// How many times the two newest partial results are merged after this tap is pushed.
    pub(crate) merges: u32,
}

/// The taps of a window that are present.
#[derive(Clone)]
pub(crate) struct Taps {
    /// Along width, depth and height: the slowest axis first.
    ranges: [Range<usize>; 3],
    /// Elements from one tap to the next.
    strides: [usize; 3],
    next: [usize; 3],
    /// Whether it is of use when they are merged.
    ordered: bool,
}

impl Taps {
    /// Taps along width, depth and height.
    #[inline(always)]
    pub(crate) fn new(ranges: [Range<usize>; 3], strides: [usize; 3]) -> Self {
        let mut next = ranges.each_ref().map(|range| range.start);
        if ranges.iter().any(|range| range.is_empty()) {
            next[0] = ranges[0].end;
        }
        Self { ranges, strides, next, ordered: true }
    }

    /// Taps that are merged as they come, slowest axis first: of them, [`merges`](Step::merges) says nothing.
    #[inline(always)]
    pub(crate) fn unordered(ranges: [Range<usize>; 3], strides: [usize; 3]) -> Self {
        Self { ordered: false, ..Self::new(ranges, strides) }
    }

    /// The offset of the last one.
    #[inline(never)]
    pub(crate) fn last_offset(&self) -> Option<usize> {
        let mut offset = 0usize;
        for (range, stride) in self.ranges.iter().zip(self.strides) {
            if range.is_empty() {
                return None;
            }
            offset = offset.wrapping_add((range.end - 1).wrapping_mul(stride));
        }
        Some(offset)
    }

    /// Moves the next ones to `list`, as many as it holds.
    ///
    /// A call, since it would be much of the code of a kernel, and has no use for its instruction set. To ask for one
    /// tap after the other would take as long as to merge some vectors of each.
    #[inline(never)]
    pub(crate) fn list_some(&mut self, list: &mut List) {
        list.len = 0;
        while !self.is_done() {
            let [slow, middle, fast] = self.ranges.clone();
            let mut offset = 0usize;
            for axis in 0..3 {
                offset = offset.wrapping_add(self.next[axis].wrapping_mul(self.strides[axis]));
            }
            // What falls due at the end of the line, besides that of its own.
            let mut due = merges_after(self.next[1], &middle);
            if self.next[1] + 1 == middle.end {
                due += merges_after(self.next[0], &slow);
            }
            while self.next[2] < fast.end {
                let Some(slot) = list.steps.get_mut(list.len) else { return };
                let mut step = Step { offset, merges: 0 };
                if self.ordered {
                    step.merges = merges_after(self.next[2], &fast);
                }
                self.next[2] += 1;
                if self.next[2] == fast.end {
                    step.merges += due;
                }
                slot.write(step);
                list.len += 1;
                offset = offset.wrapping_add(self.strides[2]);
            }
            self.next[2] = fast.start;
            self.next[1] += 1;
            if self.next[1] == middle.end {
                self.next[1] = middle.start;
                self.next[0] += 1;
            }
        }
    }

    /// Whether there is no next one.
    #[inline(always)]
    fn is_done(&self) -> bool {
        self.next[0] >= self.ranges[0].end
    }
}

/// The most steps of a [`List`].
pub(crate) const LISTED: usize = 64;

/// The first ones of some steps.
pub(crate) struct List {
    /// The first `len` have been written. To clear them all would take longer than a small plane.
    steps: [MaybeUninit<Step>; LISTED],
    len: usize,
}

impl List {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        // Not a copy of one: with that, all of this is a constant, which is written as zeros.
        Self { steps: [const { MaybeUninit::uninit() }; LISTED], len: 0 }
    }

    /// Moves the next of `steps` here, as many as there is room for, instead of what is here.
    #[inline(always)]
    pub(crate) fn fill(&mut self, steps: impl Iterator<Item = Step>) {
        self.len = 0;
        for (slot, step) in self.steps.iter_mut().zip(steps) {
            slot.write(step);
            self.len += 1;
        }
    }

    #[inline(always)]
    pub(crate) fn get(&self, i: usize) -> Option<Step> {
        if i >= self.len {
            return None;
        }
        // SAFETY: no more have been written than there are.
        let step = unsafe { self.steps.get_unchecked(i) };
        // SAFETY: one of those that have been written.
        Some(unsafe { step.assume_init() })
    }

    #[inline(always)]
    pub(crate) fn iter(&self) -> impl Iterator<Item = Step> {
        let mut next = 0..self.len;
        core::iter::from_fn(
            #[inline(always)]
            move || self.get(next.next()?),
        )
    }

    #[inline(always)]
    pub(crate) fn last(&self) -> Option<Step> {
        self.get(self.len.checked_sub(1)?)
    }
}

/// Taps to go through again and again, listed in pieces: what computes one is much code, which would
/// stand wherever a tap is used.
pub(crate) struct Steps<'a> {
    all: Taps,
    /// What comes after those in the list.
    rest: Taps,
    /// Not the list itself: moving it would be a call.
    list: &'a mut List,
    /// Whether those in the list are not the first.
    turned: bool,
}

impl<'a> Steps<'a> {
    /// Lists the first ones.
    #[inline(always)]
    pub(crate) fn new(taps: Taps, list: &'a mut List) -> Self {
        let mut steps = Self { rest: taps.clone(), all: taps, list, turned: false };
        steps.restart();
        steps
    }

    /// All of them, from the first on.
    #[inline(always)]
    pub(crate) fn again(&mut self) -> impl Iterator<Item = Step> {
        if self.turned {
            self.restart();
        }
        // Counters of its own, that stay in registers.
        let Self { rest, list, turned, .. } = self;
        let (mut at, mut end) = (0, list.len);
        core::iter::from_fn(
            #[inline(always)]
            move || {
                if at == end {
                    if rest.is_done() {
                        return None;
                    }
                    rest.list_some(list);
                    *turned = true;
                    (at, end) = (0, list.len);
                }
                at += 1;
                list.get(at - 1)
            },
        )
    }

    /// Lists the first ones, whatever is listed.
    fn restart(&mut self) {
        self.rest = self.all.clone();
        self.rest.list_some(self.list);
        self.turned = false;
    }
}

/// How many merges of one list fall due once its leaf `at` is pushed.
#[inline(always)]
pub(crate) fn merges_after(at: usize, range: &Range<usize>) -> u32 {
    if at + 1 == range.end {
        return waiting(range.start, at);
    }
    // A subtree for each 1 at the end of the position, as long as its left half is not all gaps.
    match (at - range.start).checked_ilog2() {
        Some(highest) => at.trailing_ones().min(highest + 1),
        None => 0,
    }
}

/// How many subtrees leaves `start..end` of a longer list form: as many as `end` has bits of those
/// that it does not share with `start`.
#[inline(always)]
fn waiting(start: usize, end: usize) -> u32 {
    match (start ^ end).checked_ilog2() {
        Some(highest) => (end & (usize::MAX >> (usize::BITS - 1 - highest))).count_ones(),
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::{format, string::String, vec::Vec};

    /// All taps, as kernels go through them.
    fn listed(taps: Taps) -> Vec<Step> {
        Steps::new(taps, &mut List::new()).again().collect()
    }

    /// The tree over taps, spelt out.
    fn spell_taps(taps: Taps) -> String {
        let mut stack: Vec<String> = Vec::new();
        for step in listed(taps) {
            stack.push(format!("{}", step.offset));
            for _ in 0..step.merges {
                let (right, left) = (stack.pop().unwrap(), stack.pop().unwrap());
                stack.push(format!("({left} {right})"));
            }
        }
        assert!(stack.len() <= 1, "one result");
        stack.pop().unwrap_or_default()
    }

    /// The tree of one list, spelt out.
    fn spell(range: Range<usize>) -> String {
        spell_taps(Taps::new([range, 0..1, 0..1], [1, 0, 0]))
    }

    #[test]
    fn lists_merge_by_aligned_powers_of_two() {
        assert_eq!(spell(0..1), "0");
        assert_eq!(spell(0..3), "((0 1) 2)");
        assert_eq!(spell(0..4), "((0 1) (2 3))");
        assert_eq!(spell(0..7), "(((0 1) (2 3)) ((4 5) 6))");
        assert_eq!(spell(0..9), "((((0 1) (2 3)) ((4 5) (6 7))) 8)");
    }

    #[test]
    fn absent_taps_leave_gaps() {
        assert_eq!(spell(0..0), "");
        assert_eq!(spell(1..4), "(1 (2 3))");
        assert_eq!(spell(3..6), "(3 (4 5))");
        assert_eq!(spell(5..13), "((5 (6 7)) (((8 9) (10 11)) 12))");
    }

    #[test]
    fn as_many_are_merged_as_wait() {
        for start in 0..40 {
            for at in start..80 {
                let all_but_new = waiting(start, at) + 1 - waiting(start, at + 1);
                assert_eq!(merges_after(at, &(start..at + 2)), all_but_new, "{start}..={at}");
            }
        }
    }

    #[test]
    fn columns_are_merged_before_rows_of_columns() {
        let taps = Taps::new([0..2, 0..1, 0..3], [1, 0, 10]);
        assert_eq!(spell_taps(taps), "(((0 10) 20) ((1 11) 21))");
    }

    #[test]
    fn more_taps_than_a_list_holds_are_listed_in_pieces() {
        let [x, z, y] = [1..7, 2..5, 3..12];
        let mut expected = Vec::new();
        for i in x.clone() {
            for j in z.clone() {
                for k in y.clone() {
                    let [last_line, last_column] = [k + 1 == y.end, j + 1 == z.end];
                    let mut merges = merges_after(k, &y);
                    merges += if last_line { merges_after(j, &z) } else { 0 };
                    merges += if last_line && last_column { merges_after(i, &x) } else { 0 };
                    expected.push((i + 1000 * j + 10 * k, merges));
                }
            }
        }
        assert!(expected.len() > 2 * LISTED);
        let taps = Taps::new([x, z, y], [1, 1000, 10]);
        let steps: Vec<_> = listed(taps).into_iter().map(|s| (s.offset, s.merges)).collect();
        assert_eq!(steps, expected);
    }
}
