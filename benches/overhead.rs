//! What a call costs around its kernel: the smallest pooling, with whatever features this is built with.
//!
//! ```sh
//! cargo bench --bench overhead
//! cargo bench --bench overhead --features metrics,tracing
//! ```
//!
//! *kernel* calls the kernel itself, *plan* is `Plan::run`. With `metrics`, *counted* is a plan that a
//! Prometheus recorder counts; with `tracing`, *traced* is one whose span a subscriber keeps, which is
//! not interested in runs.

use criterion::{Criterion, criterion_group, criterion_main};
use lanepool::{Backend, Layout, Plan, Pool2d, Shape};
use lanepool_kernels::{Axis, Divisor, Geometry};
use std::hint::black_box;
use std::time::Duration;

fn plan() -> Plan<f32> {
    let pool = Pool2d::max([2, 2]).stride([2, 2]);
    pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [8, 8])).expect("a pooling in order")
}

fn overhead(c: &mut Criterion) {
    let input = [1.0; 64];
    let mut output = [0.0; 16];
    let mut group = c.benchmark_group("max 2x2 s2 of 1x8x8");

    let backend = Backend::best().expect("LANEPOOL_BACKEND names a backend of this CPU");
    let axis = Axis { input: 8, output: 4, kernel: 2, stride: 2, ..Axis::UNIT };
    let geometry = Geometry::new(1, [Axis::UNIT, axis, axis], 1, Divisor::Present).expect("sound");
    let kernel = black_box(backend.kernels().f32.max.run);
    group.bench_function("kernel", |b| {
        b.iter(|| kernel(black_box(&geometry), 0..4, black_box(&input), &mut output));
    });

    let plain = plan();
    group.bench_function("plan", |b| b.iter(|| plain.run(black_box(&input), &mut output)));

    #[cfg(feature = "metrics")]
    {
        let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
        let counted = metrics::with_local_recorder(&recorder, plan);
        group.bench_function("counted", |b| {
            b.iter(|| counted.run(black_box(&input), &mut output));
            // As a scrape does now and then: what was recorded is taken away.
            recorder.handle().run_upkeep();
        });
    }

    #[cfg(feature = "tracing")]
    {
        let log = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).finish();
        tracing::subscriber::with_default(log, || {
            let traced = plan();
            group.bench_function("traced", |b| {
                b.iter(|| traced.run(black_box(&input), &mut output));
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .without_plots()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(2));
    targets = overhead
}
criterion_main!(benches);
