//! How fast every backend is, beside the floor, the compiler's loops and the reference.

use crate::options::Options;
use crate::progress;
use lanepool::check::{Case, Pooling, Values};
use lanepool::{
    BACKENDS, Backend, Divisor, Layout, Plan, Pool1d, Pool2d, Pool3d, REFERENCE, Shape,
};
use serde::Serialize;
use std::fmt;
use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

/// Shorter samples drown in what it takes to read the clock.
const SAMPLE: Duration = Duration::from_micros(20);

/// The reference is slow, and not to be known to the last percent.
const ROUNDS_OF_REFERENCE: usize = 3;

/// A case with a name.
pub(crate) struct SpeedCase {
    pub(crate) name: String,
    pub(crate) case: Case,
    /// Whether it stays in a quick run.
    quick: bool,
}

/// A row of the table.
#[derive(Serialize)]
pub(crate) struct Timing {
    pub(crate) case: String,
    pub(crate) backend: &'static str,
    pub(crate) seconds: f64,
    /// Of input and output.
    pub(crate) bytes: usize,
    /// The time over the floor's.
    pub(crate) times_floor: f64,
    /// The reference's time over this one.
    pub(crate) times_reference: f64,
    /// The time of the compiler's loops over this one.
    pub(crate) times_autovec: f64,
}

impl fmt::Display for SpeedCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.case)
    }
}

/// The cases that there are, whatever the options.
fn all() -> impl Iterator<Item = SpeedCase> {
    use Pooling::{One, Three, Two};
    let [max2, max3] = [2, 3].map(|k| Pool2d::max([k, k]));
    let [mean2, mean3, mean7] = [2, 3, 7].map(|k| Pool2d::average([k, k]));
    let (same, half) = ([1, 1], [2, 2]);
    let mean3 = mean3.padding(same).divisor(Divisor::IncludePad);
    let audio = Pool1d::max([4]).stride([4]);
    let video = Pool3d::max([2, 2, 2]).stride([2, 2, 2]);
    let square = |channels, side| Shape::new(1, channels, [side, side]);
    let poolings = [
        ("resnet_stem", Two(max3.stride(half).padding(same), square(64, 112))),
        ("vgg1", Two(max2.stride(half), square(64, 224))),
        ("vgg5", Two(max2.stride(half), square(512, 14))),
        ("incep_max", Two(max3.padding(same), square(480, 14))),
        ("densenet_avg", Two(mean2.stride(half), square(256, 56))),
        ("incep_avg", Two(mean3, square(768, 17))),
        ("gap", Two(mean7, square(2048, 7))),
        ("tiny", Two(max2.stride(half), square(1, 8))),
        ("audio1d", One(audio, Shape::new(1, 128, [16_000]))),
        ("video3d", Three(video, Shape::new(1, 64, [16, 56, 56]))),
    ];
    poolings.into_iter().flat_map(|(name, pooling)| {
        let layouts = [("first", Layout::ChannelsFirst), ("last", Layout::ChannelsLast)];
        layouts.map(|(suffix, layout)| SpeedCase {
            name: format!("{name}/{suffix}"),
            case: Case { pooling, layout, seed: 0, values: Values::Numbers },
            quick: ["resnet_stem", "vgg1", "incep_avg", "gap"].contains(&name),
        })
    })
}

/// The cases to time. Whoever names some gets them, quick or not.
pub(crate) fn cases(options: &Options) -> Vec<SpeedCase> {
    let short = options.quick && options.filter.is_none();
    all().filter(|case| options.admit(case) && (case.quick || !short)).collect()
}

/// Times all cases, and tells each as soon as it is known.
pub(crate) fn run(
    options: &Options,
    mut tell: impl FnMut(&[Timing]) -> io::Result<()>,
) -> io::Result<Vec<Timing>> {
    let cases = cases(options);
    let bar = progress::bar(cases.len() as u64, "timing");
    bar.tick();
    let mut all = Vec::new();
    for case in &cases {
        let timings = case.time(options);
        bar.suspend(|| tell(&timings))?;
        all.extend(timings);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(all)
}

/// The shortest time that something took.
struct Stopwatch {
    repeats: u32,
    seconds: f64,
}

impl Stopwatch {
    fn new() -> Self {
        Self { repeats: 1, seconds: f64::INFINITY }
    }

    /// Takes one sample, with as many repetitions as make it long enough.
    fn sample(&mut self, mut work: impl FnMut()) {
        loop {
            let start = Instant::now();
            for _ in 0..self.repeats {
                work();
            }
            let took = start.elapsed();
            if took >= SAMPLE {
                self.seconds = self.seconds.min(took.as_secs_f64() / f64::from(self.repeats));
                return;
            }
            self.repeats *= 2;
        }
    }
}

/// A backend on its rounds.
struct Runner {
    backend: &'static Backend,
    plan: Plan<f32>,
    pooling: Stopwatch,
    floor: Stopwatch,
}

impl SpeedCase {
    /// One row for each backend, or for the one asked for.
    ///
    /// Backends take turns, so that whatever else the machine does disturbs all of them alike, and
    /// the shortest time counts.
    fn time(&self, options: &Options) -> Vec<Timing> {
        let (budget, rounds) = match options.quick {
            true => (Duration::from_millis(150), 5),
            false => (Duration::from_millis(500), 10),
        };
        let yardstick = |backend: &Backend| *backend == REFERENCE || backend.name() == "autovec";
        let runner = |backend| Runner {
            backend,
            plan: self.case.plan(backend).expect("the case is in order"),
            pooling: Stopwatch::new(),
            floor: Stopwatch::new(),
        };
        let backends = BACKENDS.iter().filter(|backend| backend.is_supported());
        let backends = backends.filter(|backend| options.wants(backend) || yardstick(backend));
        let mut runners: Vec<_> = backends.map(runner).collect();
        let lens = runners.first().map(|first| (first.plan.input_len(), first.plan.output_len()));
        let (input_len, output_len) = lens.expect("the reference runs everywhere");
        let input = self.case.input(input_len);
        let mut output = vec![0.0; output_len];

        let start = Instant::now();
        let (mut round, count) = (0, runners.len());
        while round < rounds || start.elapsed() < budget {
            // Nobody always follows the same one.
            let (late, early) = runners.split_at_mut(round % count);
            for Runner { backend, plan, pooling, floor } in early.iter_mut().chain(late) {
                if **backend == REFERENCE && round >= ROUNDS_OF_REFERENCE {
                    continue;
                }
                floor.sample(|| backend.floor(black_box(&input), black_box(&mut output)));
                pooling.sample(|| {
                    plan.run(black_box(&input), black_box(&mut output)).expect("buffers that fit");
                });
            }
            round += 1;
        }

        let seconds_of = |wanted: fn(&Backend) -> bool| {
            let runner = runners.iter().find(|runner| wanted(runner.backend));
            runner.expect("yardsticks run everywhere").pooling.seconds
        };
        let reference = seconds_of(|backend| *backend == REFERENCE);
        let autovec = seconds_of(|backend| backend.name() == "autovec");
        let timing = |runner: &Runner| Timing {
            case: self.name.clone(),
            backend: runner.backend.name(),
            seconds: runner.pooling.seconds,
            bytes: size_of_val(&*input) + size_of_val(&*output),
            times_floor: runner.pooling.seconds / runner.floor.seconds,
            times_reference: reference / runner.pooling.seconds,
            times_autovec: autovec / runner.pooling.seconds,
        };
        runners.iter().filter(|runner| options.wants(runner.backend)).map(timing).collect()
    }
}
