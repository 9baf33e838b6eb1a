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
}

impl Taps {
    /// Taps along width, depth and height.
    #[inline(always)]
    pub(crate) fn new(ranges: [Range<usize>; 3], strides: [usize; 3]) -> Self {
        let mut next = ranges.each_ref().map(|range| range.start);
        if ranges.iter().any(|range| range.is_empty()) {
            next[0] = ranges[0].end;
        }
        Self { ranges, strides, next }
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
    /// A call, like [`next`](Self::next): both would be much of the code of a kernel, and have no use
    /// for its instruction set.
    #[inline(never)]
    pub(crate) fn list_some(&mut self, list: &mut List) {
        list.fill(self);
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
        Self { steps: [MaybeUninit::uninit(); LISTED], len: 0 }
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

impl Iterator for Taps {
    type Item = Step;

    #[inline(never)]
    fn next(&mut self) -> Option<Step> {
        if self.is_done() {
            return None;
        }
        let mut step = Step::default();
        for axis in 0..3 {
            let offset = self.next[axis].wrapping_mul(self.strides[axis]);
            step.offset = step.offset.wrapping_add(offset);
        }
        for axis in (0..3).rev() {
            let at = self.next[axis];
            step.merges += merges_after(at, &self.ranges[axis]);
            if at + 1 < self.ranges[axis].end {
                self.next[axis] = at + 1;
                return Some(step);
            }
            self.next[axis] = self.ranges[axis].start;
        }
        self.next[0] = self.ranges[0].end;
        Some(step)
    }
}

/// How many merges of one list fall due once its leaf `at` is pushed.
#[inline(always)]
pub(crate) fn merges_after(at: usize, range: &Range<usize>) -> u32 {
    let waiting = waiting(range.start, at);
    if at + 1 == range.end { waiting } else { waiting + 1 - self::waiting(range.start, at + 1) }
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

    /// The tree of one list, spelt out.
    fn spell(range: Range<usize>) -> String {
        let mut stack: Vec<String> = Vec::new();
        for step in Taps::new([range, 0..1, 0..1], [1, 0, 0]) {
            stack.push(format!("{}", step.offset));
            for _ in 0..step.merges {
                let (right, left) = (stack.pop().unwrap(), stack.pop().unwrap());
                stack.push(format!("({left} {right})"));
            }
        }
        assert!(stack.len() <= 1, "one result");
        stack.pop().unwrap_or_default()
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
    fn columns_are_merged_before_rows_of_columns() {
        let mut stack: Vec<String> = Vec::new();
        for step in Taps::new([0..2, 0..1, 0..3], [1, 0, 10]) {
            stack.push(format!("{}", step.offset));
            for _ in 0..step.merges {
                let (right, left) = (stack.pop().unwrap(), stack.pop().unwrap());
                stack.push(format!("({left} {right})"));
            }
        }
        assert_eq!(stack, ["(((0 10) 20) ((1 11) 21))"]);
    }
}
