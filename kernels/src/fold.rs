//! Merging the taps of a window in their order, for several vectors of windows at once.

use crate::number::Number;
use crate::order::{DEPTH, Step};
use crate::reduction::Reduction;
use crate::simd::Lanes;
use core::mem::MaybeUninit;

/// Merges `taps`, each `B` vectors wide, of which `load` gets the one at an offset.
#[inline(always)]
pub(crate) fn fold<R: Reduction<A>, A: Number, S: Lanes<A>, const B: usize>(
    simd: S,
    mut taps: impl Iterator<Item = Step>,
    mut load: impl FnMut(usize, usize) -> S::Vector,
) -> [S::Vector; B] {
    let Some(first) = taps.next() else { return [simd.splat(R::IDENTITY); B] };
    // No closures over arrays: those are not always inlined.
    let mut top = [simd.splat(R::IDENTITY); B];
    for b in 0..B {
        top[b] = R::lift(simd, load(first.offset, b));
    }
    let mut below = Stack::new();
    for step in taps {
        if R::ORDERED && step.merges == 0 {
            below.push(top);
            for b in 0..B {
                top[b] = R::lift(simd, load(step.offset, b));
            }
            continue;
        }
        for b in 0..B {
            top[b] = R::push(simd, top[b], load(step.offset, b));
        }
        if R::ORDERED {
            for _ in 1..step.merges {
                let left = below.pop();
                for b in 0..B {
                    top[b] = R::merge(simd, left[b], top[b]);
                }
            }
        }
    }
    top
}

/// Subtrees that wait for their right sibling. It is not initialised, since it is made anew for
/// every window and hardly used by small ones.
pub(crate) struct Stack<V> {
    slots: [MaybeUninit<V>; DEPTH],
    len: usize,
}

impl<V: Copy> Stack<V> {
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self { slots: [const { MaybeUninit::uninit() }; DEPTH], len: 0 }
    }

    #[inline(always)]
    pub(crate) fn push(&mut self, v: V) {
        self.slots[self.len].write(v);
        self.len += 1;
    }

    #[inline(always)]
    pub(crate) fn pop(&mut self) -> V {
        self.len -= 1;
        let slot = self.slots[self.len];
        // SAFETY: `push` wrote all slots below `len`.
        unsafe { slot.assume_init() }
    }
}

/// A tree over a list that is not known at once.
pub(crate) struct Tree<V> {
    stack: Stack<V>,
}

impl<V: Copy> Tree<V> {
    /// A tree without leaves.
    #[inline(always)]
    pub(crate) fn new() -> Self {
        Self { stack: Stack::new() }
    }

    /// Adds a leaf, and merges the newest subtrees `merges` times.
    #[inline(always)]
    pub(crate) fn push<R: Reduction<A>, A: Number, S: Lanes<A, Vector = V>>(
        &mut self,
        simd: S,
        leaf: V,
        merges: u32,
    ) {
        let mut top = leaf;
        for _ in 0..merges {
            top = R::merge(simd, self.stack.pop(), top);
        }
        self.stack.push(top);
    }

    /// The one result, after all leaves and merges, if there were any.
    #[inline(always)]
    pub(crate) fn root(&mut self) -> Option<V> {
        (self.stack.len > 0).then(
            #[inline(always)]
            || self.stack.pop(),
        )
    }
}
