//! What a run needs of the stack of its thread, of which there are small ones.

use lanepool::check::{Case, ElementType, Pooling, Values};
use lanepool::{Backend, Layout, Op, Pool2d, Shape};
use std::thread;

/// Bytes, as `docs/performance.md` says.
const ENOUGH: usize = 1 << 20;

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
        for (kernel, stride, padding, sides, channels) in geometries {
            for element in ElementType::ALL {
                for op in [Op::Max, Op::Min, Op::Average] {
                    // There are none.
                    if op == Op::Average && matches!(element, ElementType::U32 | ElementType::I64) {
                        continue;
                    }
                    for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
                        let pool = Pool2d::new(op, [kernel; 2]).stride([stride; 2]);
                        let shape = Shape::new(1, channels, sides);
                        let case = Case {
                            pooling: Pooling::Two(pool.padding([padding; 2]), shape),
                            layout,
                            strides: None,
                            element,
                            seed: 0,
                            values: Values::Numbers,
                        };
                        case.run(Backend::fastest()).unwrap();
                    }
                }
            }
        }
    };
    let thread = thread::Builder::new().stack_size(ENOUGH).spawn(on_small_stack).unwrap();
    thread.join().unwrap();
}
