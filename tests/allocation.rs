//! Running a plan does not allocate.

mod common;

use common::{LAYOUTS, cases, supported};
use lanepool::check::Case;
use lanepool::{Layout, NanPolicy, Op, Plan, Pool, Pool2d, Shape, Walk};
use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::cell::Cell;

thread_local! {
    /// What this thread has allocated so far; others run tests of their own.
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(memory) }
    }

    unsafe fn dealloc(&self, start: *mut u8, memory: Memory) {
        // SAFETY: the caller keeps the promises of `dealloc`.
        unsafe { System.dealloc(start, memory) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(f: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    f();
    ALLOCATIONS.get() - before
}

/// Runs a plan, and its rows one by one.
fn allocations_of(plan: &Plan<f32>, input: &[f32], output: &mut [f32]) -> usize {
    allocations(|| {
        plan.run(input, output).unwrap();
        for (row, output) in output.chunks_mut(plan.row_len().max(1)).enumerate() {
            plan.run_rows(row..row + 1, input, output).unwrap();
        }
    })
}

#[test]
fn an_allocation_is_counted() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1);
    assert_eq!(allocations(|| drop(vec![1; 3].into_iter().chain(4..9).collect::<Vec<_>>())), 2);
}

#[track_caller]
fn expect_none<const D: usize>(
    kernel: [usize; D],
    stride: usize,
    shape: Shape<D>,
    walks: [Walk; 2],
) {
    let padding = if walks[0] == Walk::Strips { [1; D] } else { [0; D] };
    let pool = |op| Pool::new(op, kernel).stride([stride; D]).padding(padding);
    let max = pool(Op::Max);
    for pool in [max, max.nan_policy(NanPolicy::Ignore), pool(Op::Average)] {
        for (layout, walk) in LAYOUTS.into_iter().zip(walks) {
            for backend in supported() {
                let plan: Plan<f32> = pool.plan_on(backend, layout, shape).unwrap();
                assert_eq!(plan.walk(), walk);
                let input = vec![1.0; plan.input_len()];
                let mut output = vec![0.0; plan.output_len()];
                let allocations = allocations_of(&plan, &input, &mut output);
                assert_eq!(allocations, 0, "{pool:?} on {backend:?}, {layout:?}, {walk:?}");
            }
        }
    }
}

#[test]
fn no_walk_allocates() {
    use Walk::*;
    expect_none([3, 5], 2, Shape::new(2, 3, [17, 40]), [Across, Across]);
    expect_none([3, 5], 2, Shape::new(2, 49, [17, 40]), [Planes, Down]);
    expect_none([2, 4], 2, Shape::new(2, 1, [16, 33]), [Across, Across]);
    expect_none([3, 2, 2], 1, Shape::new(1, 6, [4, 5, 37]), [Across, Pixels]);
    expect_none([3, 3], 2, Shape::new(2, 1, [17, 40]), [Halved, Halved]);
    expect_none([3, 3], 2, Shape::new(2, 1, [17, 80]), [Rows, Rows]);
    expect_none([2, 2], 2, Shape::new(2, 4, [16, 33]), [Rows, Pixels]);
    expect_none([2, 2], 2, Shape::new(1, 49, [16, 33]), [Rows, Down]);
    expect_none([3, 3], 2, Shape::new(2, 4, [17, 40]), [Halved, Pixels]);
    expect_none([3, 3], 1, Shape::new(2, 6, [17, 40]), [Strips, Pixels]);
    expect_none([3, 3], 1, Shape::new(2, 5, [17, 40]), [Strips, Across]);
    // More taps than a list has, and more than a buffer.
    expect_none([100], 1, Shape::new(1, 2, [700]), [Shared, Shared]);
    expect_none([100], 2, Shape::new(1, 2, [700]), [Shared, Shared]);
    expect_none([5000], 1, Shape::new(1, 2, [5005]), [Down, Down]);
    expect_none([5000], 2, Shape::new(1, 2, [5005]), [Each, Down]);
    expect_none([9, 9], 1, Shape::new(2, 3, [17, 40]), [Shared, Shared]);
    expect_none([9, 9], 1, Shape::new(2, 17, [17, 30]), [Planes, Planes]);
    expect_none([5, 7], 3, Shape::new(2, 3, [17, 40]), [Across, Across]);
    expect_none([5, 7], 3, Shape::new(2, 49, [17, 22]), [Turned, Down]);
    expect_none([5, 9], 3, Shape::new(2, 3, [17, 40]), [Shared, Across]);
    expect_none([5, 9], 9, Shape::new(2, 25, [17, 40]), [Whole, Down]);
    expect_none([17, 600], 1, Shape::new(2, 3, [17, 600]), [Global, Global]);
    expect_none([2], 100, Shape::new(1, 1, [505]), [Whole, Whole]);
}

#[test]
fn no_random_case_allocates() {
    for case in (0..cases() / 6).map(Case::random) {
        for backend in supported() {
            let plan = case.plan(backend).unwrap();
            let input = case.input(plan.input_len());
            let mut output = vec![0.0; plan.output_len()];
            let allocations = allocations_of(&plan, &input, &mut output);
            assert_eq!(allocations, 0, "{case} on {backend:?}");
        }
    }
}

#[test]
fn neither_a_plan_nor_an_error_of_running_it_allocates() {
    let shape = Shape::new(1, 1, [5, 5]);
    let plan = || Pool2d::max([2, 2]).plan::<f32>(Layout::ChannelsFirst, shape).unwrap();
    let made = plan();
    assert_eq!(allocations(|| drop(made.clone())), 0);
    assert_eq!(allocations(|| assert!(made.run(&[], &mut []).is_err())), 0);
}
