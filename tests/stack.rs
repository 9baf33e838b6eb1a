//! What a run needs of the stack of its thread, of which there are small ones.

use lanepool::check::{Case, ElementType, Pooling, Value, Values};
use lanepool::{Backend, Layout, Op, Plan, Pool2d, Shape, bf16, f16};
use std::thread;

/// Bytes, as `docs/performance.md` says.
const ENOUGH: usize = 1 << 20;

/// Whether there is such a pooling, which has been run then.
fn run_as<T: Value>(case: &Case) -> bool {
    let Ok(plan): Result<Plan<T>, _> = case.plan(Backend::fastest()) else { return false };
    let mut output = vec![T::from_bits_of(0); plan.output_len()];
    plan.run(&case.input(plan.input_len()), &mut output).unwrap();
    true
}

fn run(case: &Case) -> bool {
    use ElementType::*;
    match case.element {
        F32 => run_as::<f32>(case),
        F64 => run_as::<f64>(case),
        F16 => run_as::<f16>(case),
        Bf16 => run_as::<bf16>(case),
        I8 => run_as::<i8>(case),
        U8 => run_as::<u8>(case),
        I16 => run_as::<i16>(case),
        U16 => run_as::<u16>(case),
        I32 => run_as::<i32>(case),
        U32 => run_as::<u32>(case),
        I64 => run_as::<i64>(case),
    }
}

#[test]
fn walks_with_most_scratch_memory_fit_a_small_stack() {
    // Large windows of large planes, and of small ones; windows that overlap on small planes; a single window.
    let geometries = [
        (31, 1, 15, [80, 130], 1),
        (9, 1, 4, [40, 42], 17),
        (5, 1, 2, [20, 20], 33),
        (4, 2, 1, [28, 28], 17),
        (3, 3, 0, [60, 60], 9),
        (70, 70, 0, [70, 70], 9),
    ];
    let on_small_stack = move || {
        let mut runs = 0;
        for (kernel, stride, padding, sides, channels) in geometries {
            for element in ElementType::ALL {
                for op in [Op::Max, Op::Min, Op::Average] {
                    for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
                        let pool = Pool2d::new(op, [kernel; 2]).stride([stride; 2]);
                        let shape = Shape::new(1, channels, sides);
                        runs += usize::from(run(&Case {
                            pooling: Pooling::Two(pool.padding([padding; 2]), shape),
                            layout,
                            strides: None,
                            element,
                            seed: 0,
                            values: Values::Numbers,
                        }));
                    }
                }
            }
        }
        runs
    };
    let thread = thread::Builder::new().stack_size(ENOUGH).spawn(on_small_stack).unwrap();
    // All operations on all types, but for averages of `u32` and `i64`.
    assert_eq!(thread.join().unwrap(), geometries.len() * 2 * (11 * 3 - 2));
}
