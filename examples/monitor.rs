//! Pools again and again, and serves what lanepool's metrics say of it to Prometheus, on this machine only:
//!
//! ```sh
//! cargo run --release --features metrics --example monitor -- --port 9000 --seconds 60
//! curl http://127.0.0.1:9000/metrics
//! ```

use anyhow::Context;
use clap::Parser;
use lanepool::{Layout, Plan, Pool2d, Shape};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use std::net::{Ipv4Addr, SocketAddr};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[derive(Parser)]
struct Options {
    /// Port of 127.0.0.1 to serve on
    #[arg(long, default_value_t = 9000)]
    port: u16,

    /// How long to go on
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

/// Limits of the histogram's buckets: from what a tiny pooling takes to what a huge one does.
const SECONDS: [f64; 7] = [1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1];

/// Serves metrics from now on, of plans that are made from now on.
pub(crate) fn serve(port: u16) -> anyhow::Result<()> {
    PrometheusBuilder::new()
        .with_http_listener(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
        .set_buckets_for_metric(Matcher::Full("lanepool_seconds".into()), &SECONDS)?
        .install()
        .with_context(|| format!("cannot serve on port {port}"))
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    // Before the plans: they look up their counters when they are made.
    serve(options.port)?;
    println!("http://127.0.0.1:{}/metrics for {} s", options.port, options.seconds);

    let shape = Shape::new(1, 64, [112, 112]);
    let (max, average) = (Pool2d::max([3, 3]).stride([2, 2]), Pool2d::average([2, 2]));
    let plans: [Plan<f32>; 3] = [
        max.plan(Layout::ChannelsFirst, shape)?,
        max.plan(Layout::ChannelsLast, shape)?,
        average.plan(Layout::ChannelsFirst, shape)?,
    ];
    let input = vec![1.0; plans[0].input_len()];
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(options.seconds) {
        for plan in &plans {
            let mut output = vec![0.0; plan.output_len()];
            plan.run(&input, &mut output)?;
        }
        sleep(Duration::from_millis(10));
    }
    Ok(())
}
