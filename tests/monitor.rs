//! What programs see of lanepool through `metrics` and `tracing`.

#[allow(dead_code, reason = "the test does what the example's main does, but not for a minute")]
#[path = "../examples/monitor.rs"]
mod example;

use lanepool::{Backend, Layout, Plan, Pool2d, Shape};
use metrics_exporter_prometheus::PrometheusBuilder;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

/// 2 × 4×6 elements to 2 × 2×3.
fn plan(layout: Layout) -> Plan<f32> {
    plan_of(Pool2d::max([2, 2]), layout)
}

fn plan_of(pool: Pool2d, layout: Layout) -> Plan<f32> {
    let scalar = Backend::named("scalar").unwrap();
    pool.stride([2, 2]).plan_on(scalar, layout, Shape::new(1, 2, [4, 6])).unwrap()
}

/// The value of a metric of the plans with this label, as Prometheus reads it.
#[track_caller]
fn value(page: &str, name: &str, label: &str) -> f64 {
    let labels = ["type=\"f32\"", "backend=\"scalar\"", label];
    let line = page.lines().find(|line| {
        line.starts_with(&format!("{name}{{")) && labels.iter().all(|label| line.contains(label))
    });
    let line = line.unwrap_or_else(|| panic!("no {name} with {labels:?} in\n{page}"));
    line.rsplit_once(' ').unwrap().1.parse().unwrap()
}

const FIRST: &str = "layout=\"channels_first\"";
const LAST: &str = "layout=\"channels_last\"";

#[test]
fn every_call_is_counted_once() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let [first, last] = [Layout::ChannelsFirst, Layout::ChannelsLast]
        .map(|layout| metrics::with_local_recorder(&recorder, || plan(layout)));
    let input = vec![1.0; first.input_len()];
    let mut output = vec![0.0; first.output_len()];

    first.run(&input, &mut output).unwrap();
    first.clone().run_parallel(&input, &mut output).unwrap();
    let page = recorder.handle().render();
    assert_eq!(value(&page, "lanepool_calls_total", FIRST), 2.0);
    assert_eq!(value(&page, "lanepool_seconds_count", FIRST), 2.0);
    assert_eq!(value(&page, "lanepool_read_bytes_total", LAST), 0.0);
    assert_eq!(value(&page, "lanepool_read_bytes_total", FIRST), 2.0 * 48.0 * 4.0);
    assert_eq!(value(&page, "lanepool_written_bytes_total", FIRST), 2.0 * 12.0 * 4.0);
    let seconds = value(&page, "lanepool_seconds_sum", FIRST);
    assert!(seconds > 0.0 && seconds < 1.0, "{seconds}");

    // Rows one by one read and write as much as all at once.
    assert_eq!(last.rows(), 2);
    for row in 0..2 {
        last.run_rows(row..row + 1, &input, &mut output[..6]).unwrap();
    }
    let page = recorder.handle().render();
    assert_eq!(value(&page, "lanepool_calls_total", LAST), 2.0);
    assert_eq!(value(&page, "lanepool_read_bytes_total", LAST), 48.0 * 4.0);
    assert_eq!(value(&page, "lanepool_written_bytes_total", LAST), 12.0 * 4.0);

    // What fails has not run.
    assert!(first.run(&[], &mut output).is_err());
    assert_eq!(value(&recorder.handle().render(), "lanepool_calls_total", FIRST), 2.0);
}

#[test]
fn parts_of_a_parallel_run_are_one_call() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let large: Plan<f32> = metrics::with_local_recorder(&recorder, || {
        let scalar = Backend::named("scalar").unwrap();
        let shape = Shape::new(1, 64, [128, 128]);
        Pool2d::max([2, 2]).stride([2, 2]).plan_on(scalar, Layout::ChannelsFirst, shape).unwrap()
    });
    let input = vec![1.0; large.input_len()];
    let mut output = vec![0.0; large.output_len()];
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    pool.install(|| {
        assert_eq!(large.explain().threads, 3);
        large.run_parallel(&input, &mut output).unwrap();
    });
    let page = recorder.handle().render();
    assert_eq!(value(&page, "lanepool_calls_total", FIRST), 1.0);
    assert_eq!(value(&page, "lanepool_read_bytes_total", FIRST), size_of_val(&*input) as f64);
}

#[test]
fn a_plan_made_before_the_recorder_is_not_counted() {
    let early = plan(Layout::ChannelsFirst);
    let recorder = PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || {
        early.run(&[1.0; 48], &mut [0.0; 12]).unwrap();
    });
    assert!(!recorder.handle().render().contains("lanepool_read_bytes_total{"));
}

#[test]
fn prometheus_can_scrape_the_example() {
    // A port that was free a moment ago.
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    example::serve(port).unwrap();
    // The only minimum here: from now on, plans of the other tests are counted by this recorder, too.
    let plan = plan_of(Pool2d::min([2, 2]), Layout::ChannelsFirst);
    for _ in 0..5 {
        plan.run(&[1.0; 48], &mut [0.0; 12]).unwrap();
    }
    let page = scrape(port);
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let min = "op=\"min\"";
    assert_eq!(value(&page, "lanepool_calls_total", min), 5.0);
    for text in [
        "# TYPE lanepool_calls_total counter",
        "# TYPE lanepool_read_bytes_total counter",
        "# HELP lanepool_read_bytes_total Bytes of input pooled.",
        "# TYPE lanepool_seconds histogram",
    ] {
        assert!(page.contains(text), "{text} in\n{page}");
    }
    let mut buckets = page.lines().filter(|line| line.contains("le=\"0.1\""));
    let bucket = buckets.find(|line| line.contains(min)).unwrap();
    assert!(bucket.starts_with("lanepool_seconds_bucket{") && bucket.ends_with(" 5"), "{bucket}");
}

/// What a server on this port answers. It may take a moment to listen.
fn scrape(port: u16) -> String {
    for _ in 0..100 {
        if let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).unwrap();
            let mut page = String::new();
            stream.read_to_string(&mut page).unwrap();
            return page;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("nobody listens on port {port}");
}

/// A log in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    fn subscriber(&self, level: tracing::Level) -> impl tracing::Subscriber + use<> {
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(self.clone())
            .finish()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn a_run_is_an_event_in_the_span_of_its_plan() {
    let log = Log::default();
    tracing::subscriber::with_default(log.subscriber(tracing::Level::TRACE), || {
        let plan = plan(Layout::ChannelsFirst);
        assert_eq!(log.text(), "", "a plan that has not run is no event");
        plan.run(&[1.0; 48], &mut [0.0; 12]).unwrap();
        plan.run_rows(1..3, &[1.0; 48], &mut [0.0; 6]).unwrap();
        assert!(plan.run(&[], &mut []).is_err());
    });
    let text = log.text();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    for (line, rows) in lines.into_iter().zip(["rows=4", "rows=2"]) {
        let (span, event) = line.split_once("}: lanepool: pooled").unwrap();
        for field in ["plan{", "op=\"max\"", "type=\"f32\"", "layout=\"channels_first\""] {
            assert!(span.contains(field), "{field} in {span}");
        }
        let geometry = "geometry=2×4×6 to 2×2×3, kernel 2×2, stride 2×2";
        for field in [geometry, "backend=\"scalar\"", "walk=Down"] {
            assert!(span.contains(field), "{field} in {span}");
            assert!(event.contains(field), "{field} in {event}");
        }
        assert!(event.contains(rows) && event.contains("threads=1"), "{event}");
    }
}

#[test]
fn a_plan_made_before_the_subscriber_tells_of_its_runs_all_the_same() {
    let plan = plan(Layout::ChannelsLast);
    let log = Log::default();
    tracing::subscriber::with_default(log.subscriber(tracing::Level::TRACE), || {
        plan.run(&[1.0; 48], &mut [0.0; 12]).unwrap();
    });
    let text = log.text();
    for field in ["pooled", "geometry=1×4×6×2 to 1×2×3×2", "walk=Down"] {
        assert!(text.contains(field), "{field} in {text}");
    }
}

#[test]
fn runs_are_not_told_at_the_usual_level() {
    let log = Log::default();
    tracing::subscriber::with_default(log.subscriber(tracing::Level::DEBUG), || {
        plan(Layout::ChannelsFirst).run(&[1.0; 48], &mut [0.0; 12]).unwrap();
    });
    assert_eq!(log.text(), "");
}
