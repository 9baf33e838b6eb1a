//! Windows of any size, which share what they merge, give what the reference gives.

mod common;

use common::{LAYOUTS, assert_nan_is_seen, one_of, supported};
use lanepool::check::{Case, ElementType, Pooling, Values};
use lanepool::{Layout, NanPolicy, Op, Padding, Plan, Pool, Pool2d, REFERENCE, Shape};
use std::cell::Cell;

/// Checks all backends on a pooling of a tensor of awkward values of `f32`.
fn check(pool: Pool2d, layout: Layout, shape: Shape<2>, seed: u64) {
    check_of(ElementType::F32, pool, layout, shape, seed);
}

/// Checks all backends on a pooling of a tensor of awkward values of a type.
fn check_of(element: ElementType, pool: Pool2d, layout: Layout, shape: Shape<2>, seed: u64) {
    thread_local!(static CHECKED: Cell<usize> = const { Cell::new(0) });
    if !CHECKED.replace(CHECKED.get() + 1).is_multiple_of(one_of()) {
        return;
    }
    for values in [Values::Numbers, Values::Traps] {
        let pooling = Pooling::Two(pool, shape);
        let case = Case { pooling, layout, strides: None, element, seed, values };
        let want = case.run(&REFERENCE).unwrap();
        for backend in supported().filter(|&backend| backend != &REFERENCE) {
            let got = case.run(backend).unwrap_or_else(|mismatch| panic!("{mismatch}"));
            case.compare(backend, &got, &want).unwrap_or_else(|mismatch| panic!("{mismatch}"));
        }
    }
}

/// The reductions that have a walk of their own for large windows.
fn poolings(kernel: [usize; 2]) -> [Pool2d; 3] {
    let max = Pool2d::max(kernel);
    [max, max.nan_policy(NanPolicy::Ignore), Pool::new(Op::Average, kernel)]
}

/// Padding before and after both axes.
fn padded(begin: usize, end: usize) -> Padding<2> {
    Padding::Explicit { begin: [begin; 2], end: [end; 2] }
}

#[test]
fn kernels_of_any_size() {
    for k in (2..=40).chain([48, 63, 64, 65, 100, 127, 128, 130]) {
        for kernel in [[k, k], [k, 1], [1, k], [k, 3], [2, k]] {
            for (i, pool) in poolings(kernel).into_iter().enumerate() {
                for (layout, channels) in LAYOUTS.into_iter().zip([2, 5]) {
                    // Of the reference, large windows take long.
                    let spatial = if k > 40 { [k, k + 4] } else { [k + 3, k + 7] };
                    let shape = Shape::new(1, channels, spatial);
                    check(pool, layout, shape, (k + i) as u64);
                }
            }
        }
    }
}

#[test]
fn strips_of_few_channels() {
    for (i, pool) in poolings([5, 255]).into_iter().chain(poolings([90, 90])).enumerate() {
        for (stride, channels) in [(1, 17), (2, 16), (3, 33)] {
            let shape = Shape::new(1, channels, if i < 3 { [6, 300] } else { [91, 110] });
            check(pool.stride([1, stride]), Layout::ChannelsLast, shape, i as u64);
        }
    }
}

#[test]
fn small_planes() {
    for k in [2, 3, 4, 5, 7, 9, 13, 16, 23, 31, 32] {
        for kernel in [[k, k], [k, 3], [2, k]] {
            for (i, pool) in poolings(kernel).into_iter().enumerate() {
                for (layout, channels) in LAYOUTS.into_iter().zip([9, 33]) {
                    let shape = Shape::new(1, channels, [k.max(7), 13 + i]);
                    let half = Padding::Explicit { begin: [k / 2; 2], end: [k / 2, (k - 1) / 2] };
                    check(pool.pad(half), layout, shape, (k + i) as u64);
                }
                // Of short elements, only vectors of channels are taken.
                let element = [ElementType::I8, ElementType::Bf16, ElementType::U8][k % 3];
                let shape = Shape::new(2, 70, [k.max(6), 8 + i]);
                let pool = pool.padding([k / 2; 2]).stride([1 + k % 2; 2]);
                check_of(element, pool, Layout::ChannelsLast, shape, (k + i) as u64);
            }
        }
    }
}

/// What is cut by the number of channels must not be divided by it.
#[test]
fn tensors_of_nothing() {
    for k in [1, 2, 3, 7, 13, 65] {
        for pool in [[k, k], [k, 1], [1, k]].into_iter().flat_map(poolings) {
            for (layout, (batch, channels)) in
                LAYOUTS.into_iter().flat_map(|layout| [(layout, (1, 0)), (layout, (0, 5))])
            {
                let shape = Shape::new(batch, channels, [k + 3, k + 7]);
                for backend in supported() {
                    let plan: Plan<f32> = pool.plan_on(backend, layout, shape).unwrap();
                    assert_eq!(plan.output_len(), 0);
                    plan.run(&[], &mut []).unwrap();
                }
            }
        }
    }
}

#[test]
fn paddings_of_any_size() {
    for k in [2, 4, 5, 13] {
        let large = 2 * k + 3;
        for (begin, end) in [(k / 2, k / 2), (k - 1, 0), (0, k), (large, 1), (0, large)] {
            for kernel in [[k, k], [1, k], [k, 2]] {
                for pool in poolings(kernel) {
                    for (layout, channels) in LAYOUTS.into_iter().zip([3, 7]) {
                        for side in [1, k, k + 6] {
                            let shape = Shape::new(1, channels, [side, k.max(5)]);
                            let pool = pool.pad(padded(begin, end));
                            if pool.output_size(shape.spatial).is_ok() {
                                check(pool, layout, shape, (k + side) as u64);
                            }
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn strides_and_dilations_of_any_size() {
    for k in [4, 5, 9, 17] {
        for stride in 1..=5 {
            for dilation in 1..=3 {
                for pool in poolings([k, k]) {
                    for (layout, channels) in LAYOUTS.into_iter().zip([3, 17]) {
                        let pool = pool.stride([stride; 2]).dilation([dilation; 2]);
                        let pool = pool.pad(padded(k / 2 * dilation, k / 2));
                        let shape = Shape::new(2, channels, [k + 9, k * 2 + 9]);
                        if pool.output_size(shape.spatial).is_ok() {
                            check(pool, layout, shape, (k * stride * dilation) as u64);
                        }
                    }
                }
            }
        }
    }
}

/// Tensors that are cut: by width, by channels, and by both.
#[test]
fn tensors_of_any_size() {
    for (kernel, layout, channels, spatial) in [
        ([1, 64], Layout::ChannelsFirst, 2, [1, 9000]),
        ([1, 300], Layout::ChannelsFirst, 1, [2, 6000]),
        ([9, 9], Layout::ChannelsFirst, 1, [12, 9000]),
        ([40, 9], Layout::ChannelsFirst, 1, [45, 1500]),
        ([1, 9], Layout::ChannelsLast, 100, [1, 200]),
        ([9, 9], Layout::ChannelsLast, 67, [12, 120]),
        ([40, 3], Layout::ChannelsLast, 33, [43, 100]),
        ([5, 5], Layout::ChannelsLast, 2000, [7, 9]),
    ] {
        for pool in poolings(kernel) {
            for padding in [padded(0, 0), padded(kernel[0] / 2, kernel[0] / 2)] {
                check(pool.pad(padding), layout, Shape::new(1, channels, spatial), 7);
            }
        }
    }
}

/// Half a unit in the last place for each level of the tree, and two for the rest.
#[test]
fn errors_grow_with_the_logarithm_of_the_window() {
    const SPATIAL: [usize; 2] = [70, 140];
    let mut state = 1u32;
    let input: Vec<f32> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32
    })
    .take(SPATIAL[0] * SPATIAL[1])
    .collect();
    for kernel in [[5, 5], [13, 13], [31, 31], [64, 1], [1, 127], [63, 127]] {
        let pool = Pool2d::average(kernel);
        for backend in supported() {
            let shape = Shape::new(1, 1, SPATIAL);
            let plan: Plan<f32> = pool.plan_on(backend, Layout::ChannelsFirst, shape).unwrap();
            let mut output = vec![0.0; plan.output_len()];
            plan.run(&input, &mut output).unwrap();
            let [_, width] = pool.output_size(SPATIAL).unwrap();
            let taps = (kernel[0] * kernel[1]) as f64;
            for (i, &mean) in output.iter().enumerate() {
                let line =
                    |j: usize| &input[(i / width + j) * SPATIAL[1] + i % width..][..kernel[1]];
                let sum: f64 = (0..kernel[0]).flat_map(line).map(|&x| f64::from(x)).sum();
                let exact = sum / taps;
                let ulp = f64::from((exact as f32).next_up()) - f64::from(exact as f32);
                let error = (f64::from(mean) - exact).abs() / ulp;
                assert!(error <= 2.0 + taps.log2() / 2.0, "{backend:?}, {kernel:?}: {error} ulps");
            }
        }
    }
}

#[test]
fn a_nan_at_any_place_is_seen() {
    for (kernel, spatial) in [([5, 5], [6, 21]), ([2, 9], [3, 40]), ([7, 4], [9, 10])] {
        for (layout, channels) in LAYOUTS.into_iter().zip([2, 5]) {
            let plan = |backend| -> Plan<f32> {
                let pool = Pool2d::max(kernel).pad(padded(kernel[0] / 2, 1));
                pool.plan_on(backend, layout, Shape::new(1, channels, spatial)).unwrap()
            };
            let (plans, reference): (Vec<_>, _) =
                (supported().map(plan).collect(), plan(&REFERENCE));
            for at in (0..reference.input_len()).step_by(one_of()) {
                let what = format_args!("{kernel:?}, {layout:?}");
                assert_nan_is_seen(&plans, &reference, at, what);
            }
        }
    }
}
