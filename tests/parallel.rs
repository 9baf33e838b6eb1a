//! However the work is split, the output has the same bits.

mod common;

use common::{assert_same_bits, proptests, supported};
use lanepool::check::Case;
use lanepool::{Backend, Layout, Op, Plan, Pool1d, Pool2d, REFERENCE, Shape};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use std::ops::Range;

/// Something that is no result.
const UNTOUCHED: f32 = f32::from_bits(0xdead_beef);

/// A case on a backend: its plan, its input, and its output from one go.
fn serial(case: &Case, backend: &'static Backend) -> (Plan<f32>, Vec<f32>, Vec<f32>) {
    let plan = case.plan(backend).unwrap();
    let input = case.input(plan.input_len());
    let mut output = vec![UNTOUCHED; plan.output_len()];
    plan.run(&input, &mut output).unwrap();
    (plan, input, output)
}

/// Consecutive ranges of rows, empty ones among them.
fn split(rows: usize, cuts: &[Index]) -> Vec<Range<usize>> {
    let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(rows + 1)).collect();
    cuts.extend([0, rows]);
    cuts.sort_unstable();
    cuts.windows(2).map(|cuts| cuts[0]..cuts[1]).collect()
}

#[test]
fn any_split_of_the_rows_gives_the_same() {
    let splits = (any::<u64>(), vec(any::<Index>(), 0..6));
    proptest!(proptests(6), |((seed, cuts) in splits)| {
        let case = Case::random(seed);
        for backend in supported() {
            let (plan, input, want) = serial(&case, backend);
            let mut got = vec![UNTOUCHED; want.len()];
            // The last rows first: none may rely on those before it.
            for rows in split(plan.rows(), &cuts).into_iter().rev() {
                let elements = rows.start * plan.row_len()..rows.end * plan.row_len();
                plan.run_rows(rows, &input, &mut got[elements]).unwrap();
            }
            assert_same_bits(&got, &want, format_args!("{case} on {backend:?}, cut at {cuts:?}"));
        }
    });
}

#[test]
fn every_row_alone_gives_the_same() {
    for case in (0..common::cases() / 30).map(Case::random) {
        for backend in supported() {
            let (plan, input, want) = serial(&case, backend);
            for (row, want) in want.chunks(plan.row_len().max(1)).enumerate() {
                let mut got = vec![UNTOUCHED; want.len()];
                plan.run_rows(row..row + 1, &input, &mut got).unwrap();
                assert_same_bits(&got, want, format_args!("{case} on {backend:?}, row {row}"));
            }
        }
    }
}

/// Kernels look for NaNs before they look at windows, and some rows serve two windows.
#[test]
fn any_rows_see_a_nan_anywhere() {
    let max = |kernel, stride, padding| {
        Pool2d::max([kernel; 2]).stride([stride; 2]).padding([padding; 2])
    };
    let pools = [max(2, 2, 0), max(3, 1, 1), max(3, 2, 1)];
    for (pool, width) in pools.iter().flat_map(|pool| [5, 20].map(|width| (pool, width))) {
        let plan = |backend| -> Plan<f32> {
            pool.plan_on(backend, Layout::ChannelsFirst, Shape::new(1, 1, [7, width])).unwrap()
        };
        let (reference, rows) = (plan(&REFERENCE), plan(&REFERENCE).rows());
        for at in 0..reference.input_len() {
            let mut input: Vec<f32> = (0..reference.input_len()).map(|i| i as f32).collect();
            input[at] = f32::NAN;
            let mut want = vec![UNTOUCHED; reference.output_len()];
            reference.run(&input, &mut want).unwrap();
            for (plan, start) in supported().flat_map(|b| (0..rows).map(move |row| (plan(b), row)))
            {
                for end in start + 1..=rows {
                    let want = &want[start * plan.row_len()..end * plan.row_len()];
                    let mut got = vec![UNTOUCHED; want.len()];
                    plan.run_rows(start..end, &input, &mut got).unwrap();
                    let what =
                        format_args!("{pool:?} on {:?}, rows {start} to {end}", plan.backend());
                    assert_same_bits(&got, want, format_args!("{what}, a NaN at {at}"));
                }
            }
        }
    }
}

#[cfg(feature = "rayon")]
#[test]
fn any_number_of_threads_gives_the_same() {
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let pools = [1, 2, 3, 8].map(pool);
    let mut empty = 0;
    for case in (0..common::cases() / 6).map(Case::random) {
        for backend in supported() {
            let (plan, input, want) = serial(&case, backend);
            empty += usize::from(want.is_empty());
            for pool in &pools {
                let mut got = vec![UNTOUCHED; want.len()];
                pool.install(|| plan.run_parallel(&input, &mut got)).unwrap();
                let threads = pool.current_num_threads();
                assert_same_bits(
                    &got,
                    &want,
                    format_args!("{case} on {backend:?}, {threads} threads"),
                );
            }
        }
    }
    assert!(empty > 0, "an output without elements is one of the cases");
}

/// Checks that any number of threads gives what one does.
#[cfg(feature = "rayon")]
fn check_on_threads(plan: &Plan<f32>) {
    let input: Vec<f32> = (0..plan.input_len()).map(|i| (i % 1009) as f32).collect();
    let mut want = vec![UNTOUCHED; plan.output_len()];
    plan.run(&input, &mut want).unwrap();
    for n in [2, 3, 8] {
        let threads = rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
        let mut got = vec![UNTOUCHED; plan.output_len()];
        threads.install(|| plan.run_parallel(&input, &mut got)).unwrap();
        assert_same_bits(&got, &want, format_args!("{plan:?}, {n} threads"));
    }
}

/// Large enough to be split, in rows that do not come out even.
#[cfg(feature = "rayon")]
#[test]
fn any_number_of_threads_gives_the_same_of_large_tensors() {
    for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
        for pool in [Pool2d::max([3, 3]).stride([2, 2]), Pool2d::average([2, 2])] {
            let plan: Plan<f32> = pool.plan(layout, Shape::new(1, 13, [1025, 97])).unwrap();
            let bytes = (plan.input_len() + plan.output_len()) * size_of::<f32>();
            assert!(bytes > 5 << 20, "enough for two threads");
            assert_eq!(plan.useful_threads(), bytes / (5 << 17));
            check_on_threads(&plan);
        }
    }
}

/// Fewer rows than threads are cut along their windows, which may overlap and lack columns.
#[cfg(feature = "rayon")]
#[test]
fn any_number_of_threads_gives_the_same_of_a_few_long_rows() {
    for (layout, channels) in [(Layout::ChannelsFirst, 1), (Layout::ChannelsLast, 5)] {
        for (kernel, stride, padding) in [(4, 4, 0), (3, 2, 1), (20, 1, 9), (1, 3, 0)] {
            for op in [Op::Max, Op::Average] {
                let pool = Pool1d::new(op, [kernel]).stride([stride]).padding([padding]);
                let shape = Shape::new(2, channels, [800_001 / channels]);
                let plan: Plan<f32> = pool.plan(layout, shape).unwrap();
                assert_eq!(plan.rows(), 2);
                check_on_threads(&plan);
            }
        }
    }
}

#[cfg(feature = "rayon")]
#[test]
fn small_tensors_have_no_use_for_threads() {
    let plan = |height| -> Plan<f32> {
        Pool2d::max([1, 1]).plan(Layout::ChannelsLast, Shape::new(1, 1, [height, 1 << 10])).unwrap()
    };
    // As many bytes of output as of input: 1.25 MiB are 160 rows of both.
    assert_eq!([1, 159, 160].map(|height| plan(height).useful_threads()), [1, 1, 2]);
}

#[cfg(feature = "rayon")]
#[test]
fn a_plan_serves_many_threads_at_once() {
    let case = Case::random(2);
    for backend in supported() {
        let (plan, input, want) = serial(&case, backend);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut got = vec![UNTOUCHED; want.len()];
                    plan.run(&input, &mut got).unwrap();
                    assert_same_bits(&got, &want, format_args!("{case} on {backend:?}"));
                });
            }
        });
    }
}
