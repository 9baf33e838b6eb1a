//! What can be gone through one by one: all numbers of 16 bits, and all quotients of small sums.

mod common;

use common::{LAYOUTS, supported};
use lanepool::check::Value;
use lanepool::{Layout, Plan, Pool1d, Pool2d, REFERENCE, Rounding, Shape, bf16, f16};

/// All of them, each beside others than in the order of their bits.
fn patterns<T: Value>() -> Vec<T> {
    (0..1u64 << 16).map(|i| T::from_bits_of(i * 40_503)).collect()
}

fn every_pattern_is_pooled_alike<T: Value>() {
    let [max, mean] = [Pool2d::max, Pool2d::average];
    let shape = Shape::new(16, 16, [16, 16]);
    for pool in [max([1, 1]), mean([1, 1]), max([2, 2]), mean([2, 2]), max([3, 3]), mean([3, 3])] {
        for (layout, stride) in LAYOUTS.into_iter().flat_map(|layout| [(layout, 1), (layout, 2)]) {
            let pool = pool.stride([stride; 2]);
            let pooled = |backend| -> Vec<u64> {
                let plan: Plan<T> = pool.plan_on(backend, layout, shape).unwrap();
                let mut output = vec![T::from_bits_of(0); plan.output_len()];
                plan.run(&patterns(), &mut output).unwrap();
                output.into_iter().map(Value::bits).collect()
            };
            let want = pooled(&REFERENCE);
            for backend in supported() {
                assert!(pooled(backend) == want, "{pool:?} of {layout:?} on {backend:?}");
            }
        }
    }
}

#[test]
fn every_f16_is_pooled_alike() {
    every_pattern_is_pooled_alike::<f16>();
}

#[test]
fn every_bf16_is_pooled_alike() {
    every_pattern_is_pooled_alike::<bf16>();
}

/// All sums of `taps` elements, a channel each; they are as alike as can be.
fn all_sums<T: Value>(taps: i64, least: i64, most: i64) -> Vec<T> {
    let sums = taps * least..=taps * most;
    let tap = |i: i64| sums.clone().map(move |sum| (sum + i).div_euclid(taps));
    (0..taps).flat_map(tap).map(|x| T::from_bits_of(x as u64)).collect()
}

fn every_quotient_is_exact<T: Value>(least: i64, most: i64) {
    // Sums of up to 63 taps are made in 16 bits.
    for taps in 1..=65 {
        let input = all_sums::<T>(taps, least, most);
        let shape = Shape::new(1, input.len() / taps as usize, [taps as usize]);
        for rounding in
            [Rounding::HalfAwayFromZero, Rounding::HalfEven, Rounding::HalfUp, Rounding::Truncate]
        {
            let pool = Pool1d::average([taps as usize]).rounding(rounding);
            let pooled = |backend| -> Vec<u64> {
                let plan: Plan<T> = pool.plan_on(backend, Layout::ChannelsLast, shape).unwrap();
                let mut output = vec![T::from_bits_of(0); plan.output_len()];
                plan.run(&input, &mut output).unwrap();
                output.into_iter().map(Value::bits).collect()
            };
            let want = pooled(&REFERENCE);
            for backend in supported() {
                assert!(pooled(backend) == want, "{taps} taps, {rounding:?} on {backend:?}");
            }
        }
    }
}

#[test]
fn every_quotient_of_i8_is_exact() {
    every_quotient_is_exact::<i8>(-128, 127);
}

#[test]
fn every_quotient_of_u8_is_exact() {
    every_quotient_is_exact::<u8>(0, 255);
}
