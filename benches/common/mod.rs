//! The cases of the benches: every supported backend on each, and the floor.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use lanepool::Layout::{ChannelsFirst, ChannelsLast};
use lanepool::{BACKENDS, Backend, Op, Plan, Pool2d, Shape};
use std::time::Duration;

/// Windows: kernel, stride, padding; then the channels and sides of a tensor that fits a cache of
/// 512 KiB and of one that does not fit 4 MiB.
struct Window {
    name: &'static str,
    sizes: [usize; 3],
    small: [usize; 2],
    large: [usize; 2],
}

const WINDOWS: [Window; 3] = [
    Window { name: "2x2 s2", sizes: [2, 2, 0], small: [16, 56], large: [64, 224] },
    Window { name: "3x3 s2 p1", sizes: [3, 2, 1], small: [16, 56], large: [64, 224] },
    Window { name: "3x3 s1 p1", sizes: [3, 1, 1], small: [240, 14], large: [128, 112] },
];

const GLOBAL: Window =
    Window { name: "7x7 global", sizes: [7, 1, 0], small: [2048, 7], large: [2048 * 16, 7] };

/// Short enough for all cases in a few minutes; `--measurement-time` and the like take precedence.
pub(crate) fn config() -> Criterion {
    Criterion::default()
        .without_plots()
        .sample_size(20)
        .nresamples(2000)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
}

/// A group for each case of `op`, with a row for each backend.
pub(crate) fn all(c: &mut Criterion, op: Op) {
    let global = (op == Op::Average).then_some(GLOBAL);
    for window in WINDOWS.into_iter().chain(global) {
        for (order, layout) in [("channels first", ChannelsFirst), ("channels last", ChannelsLast)]
        {
            for [channels, side] in [window.small, window.large] {
                let name = format!("{op:?} {} of {channels}x{side}x{side}, {order}", window.name);
                let [kernel, stride, padding] = window.sizes;
                let pool = Pool2d::new(op, [kernel; 2]).stride([stride; 2]).padding([padding; 2]);
                let shape = Shape::new(1, channels, [side; 2]);
                case(&mut c.benchmark_group(name), pool, layout, shape);
            }
        }
    }
}

fn case(
    group: &mut BenchmarkGroup<'_, WallTime>,
    pool: Pool2d,
    layout: lanepool::Layout,
    shape: Shape<2>,
) {
    let plan_on = |backend| -> Plan<f32> {
        pool.plan_on(backend, layout, shape).expect("the cases are in order")
    };
    let best = Backend::best().expect("LANEPOOL_BACKEND names a backend of this CPU");
    let plan = plan_on(best);
    let input: Vec<f32> = (0..plan.input_len()).map(|i| (i * 7919 % 1009) as f32).collect();
    let mut output = vec![0.0; plan.output_len()];
    let bytes = size_of_val(&*input) + size_of_val(&*output);
    group.throughput(Throughput::Bytes(bytes as u64));
    for backend in BACKENDS.iter().filter(|backend| backend.is_supported()) {
        let plan = plan_on(backend);
        group.bench_function(BenchmarkId::from_parameter(backend.name()), |b| {
            b.iter(|| plan.run(&input, &mut output));
        });
    }
    // What all of them are measured against: every byte read or written once.
    group.bench_function(BenchmarkId::from_parameter("floor"), |b| {
        b.iter(|| best.floor(&input, &mut output));
    });
}
