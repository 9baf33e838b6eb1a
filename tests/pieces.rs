//! Rows longer than the pieces that they are cut to, and planes of more rows than are listed at a time.

mod common;

use common::{one_of, supported};
use lanepool::check::{Case, ElementType, Pooling, Values};
use lanepool::{Layout, NanPolicy, Op, Padding, Pool2d, REFERENCE, Shape};

/// Checks all backends on a pooling of a tensor of awkward values, a `seed`-th kind of them.
fn check(pool: Pool2d, shape: Shape<2>, seed: usize) {
    if !seed.is_multiple_of(one_of()) {
        return;
    }
    let case = Case {
        pooling: Pooling::Two(pool, shape),
        layout: Layout::ChannelsFirst,
        strides: None,
        element: [ElementType::F32, ElementType::F64, ElementType::F32][seed % 5 % 3],
        seed: seed as u64,
        values: [Values::Numbers, Values::Traps][seed % 2],
    };
    let want = case.run(&REFERENCE).unwrap();
    for backend in supported().filter(|&backend| backend != &REFERENCE) {
        let got = case.run(backend).unwrap_or_else(|mismatch| panic!("{mismatch}"));
        case.compare(backend, &got, &want).unwrap_or_else(|mismatch| panic!("{mismatch}"));
    }
}

/// The three reductions that have walks of their own.
fn reductions(pool: impl Fn(Op) -> Pool2d) -> [Pool2d; 3] {
    [pool(Op::Max), pool(Op::Max).nan_policy(NanPolicy::Ignore), pool(Op::Average)]
}

#[test]
fn windows_far_apart_in_long_rows() {
    let mut seed = 0;
    for (kernel, stride, dilation) in [
        ([1, 7], [1, 5], [1, 1]),
        ([3, 3], [2, 3], [1, 1]),
        ([2, 8], [1, 8], [1, 1]),
        ([3, 5], [1, 9], [1, 1]),
        ([1, 3], [1, 1], [1, 60]),
        ([2, 2], [1, 7], [2, 127]),
    ] {
        // Windows in padding alone, too, above and on the left.
        for (above, left) in [(0, 0), (1, 2), (4, 9), (0, 130)] {
            let padding = Padding::Explicit { begin: [above, left], end: [1, 3] };
            let pool = |op| Pool2d::new(op, kernel).stride(stride).dilation(dilation).pad(padding);
            for (planes, spatial) in [(9, [3, 1203]), (2, [70, 300])] {
                for pool in reductions(pool) {
                    for _ in 0..2 {
                        seed += 1;
                        check(pool, Shape::new(1, planes, spatial), seed);
                    }
                }
            }
        }
    }
}

#[test]
fn uneven_windows_in_long_rows() {
    for (spatial, to) in [([3, 1203], [2, 300]), ([90, 100], [70, 13]), ([2, 700], [2, 699])] {
        for pool in reductions(|op| Pool2d::adaptive(op, to)) {
            for seed in 0..6 {
                check(pool, Shape::new(1, 9, spatial), seed);
            }
        }
    }
}
