//! Every backend computes what the reference computes, whatever the pooling; what fails, shrinks.
//!
//! The cases of `agreement` look like those in use, and are too large to look at. These are small.

mod common;

use common::{LAYOUTS, NANS, assert_same_bits, pools, proptests, supported};
use lanepool::{Layout, Plan, Pool, REFERENCE, Shape};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Small numbers that are easy to read, any others, and those about which there are rules.
fn element() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => (-9..10i8).prop_map(f32::from),
        2 => any::<u32>().prop_map(f32::from_bits),
        1 => select(NANS.to_vec()).prop_map(f32::from_bits),
        2 => select(vec![f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -0.0, 1e8, -1e8]),
    ]
}

/// Pools a tensor that has these elements over and over again.
fn run(plan: &Plan<f32>, elements: &[f32]) -> Vec<f32> {
    let input: Vec<f32> = elements.iter().copied().cycle().take(plan.input_len()).collect();
    let mut output = vec![f32::from_bits(0xdead_beef); plan.output_len()];
    plan.run(&input, &mut output).unwrap();
    output
}

fn agrees<const D: usize>(pool: &Pool<D>, layout: Layout, shape: Shape<D>, elements: &[f32]) {
    let plan = |backend| pool.plan_on::<f32>(backend, layout, shape).unwrap();
    let want = run(&plan(&REFERENCE), elements);
    for backend in supported().filter(|&backend| backend != &REFERENCE) {
        let got = run(&plan(backend), elements);
        assert_same_bits(&got, &want, format_args!("{backend:?}"));
    }
}

/// Sizes along `D` axes, the longest up to `longest`.
fn check<const D: usize>(longest: usize) {
    let extent = prop_oneof![3 => 1..6usize, 1 => 1..=longest];
    let valid = pools::<D>(extent, 0..6usize)
        .prop_filter("a kernel too large", |(pool, spatial)| pool.output_size(*spatial).is_ok());
    let channels = prop_oneof![1..4usize, 1..40usize];
    let cases = (valid, 0..3usize, channels, select(LAYOUTS.to_vec()), vec(element(), 1..100));
    proptest!(proptests(6), |(((pool, spatial), batch, channels, layout, elements) in cases)| {
        agrees(&pool, layout, Shape::new(batch, channels, spatial), &elements);
    });
}

#[test]
fn along_one_axis() {
    check::<1>(200);
}

#[test]
fn along_two_axes() {
    check::<2>(40);
}

#[test]
fn along_three_axes() {
    check::<3>(12);
}
