//! How fast every backend is, beside the floor, the compiler's loops and the reference.

use crate::options::Options;
use crate::progress;
use lanepool::check::{Case, ElementType, Pooling, Values};
use lanepool::{
    BACKENDS, Backend, Divisor, Layout, Plan, Pool1d, Pool2d, Pool3d, REFERENCE, Shape,
};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Shorter samples drown in what it takes to read the clock.
const SAMPLE: Duration = Duration::from_micros(20);

/// Blocks of rounds, each with buffers of its own: how their least times differ is how much a time
/// varies for reasons that are not the kernel's.
pub(crate) const BLOCKS: u32 = 5;

/// As much memory as the floor is measured on: more than most caches.
const MOST_BYTES: usize = 128 << 20;

/// A case with a name.
pub(crate) struct SpeedCase {
    pub(crate) name: String,
    pub(crate) case: Case,
    /// Whether it stays in a quick run.
    quick: bool,
}

/// A row of the table.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Timing {
    pub(crate) case: String,
    pub(crate) backend: String,
    /// The least of all.
    pub(crate) seconds: f64,
    /// The least of each block.
    pub(crate) blocks: Vec<f64>,
    /// Of input and output.
    pub(crate) bytes: usize,
    /// Merges of two elements, by the definition.
    pub(crate) merges: u64,
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
        ("alexnet", Two(max3.stride(half), square(96, 55))),
        ("densenet_avg", Two(mean2.stride(half), square(256, 56))),
        ("incep_avg", Two(mean3, square(768, 17))),
        ("gap", Two(mean7, square(2048, 7))),
        ("big_max", Two(max3.stride(half).padding(same), Shape::new(16, 64, [112, 112]))),
        ("big_avg", Two(mean2.stride(half), Shape::new(16, 64, [112, 112]))),
        ("tiny", Two(max2.stride(half), square(1, 8))),
        ("audio1d", One(audio, Shape::new(1, 128, [16_000]))),
        ("video3d", Three(video, Shape::new(1, 64, [16, 56, 56]))),
    ];
    poolings.into_iter().flat_map(|(name, pooling)| {
        let layouts = [("first", Layout::ChannelsFirst), ("last", Layout::ChannelsLast)];
        layouts.map(|(suffix, layout)| SpeedCase {
            name: format!("{name}/{suffix}"),
            case: Case {
                pooling,
                layout,
                strides: None,
                element: ElementType::F32,
                seed: 0,
                values: Values::Numbers,
            },
            quick: ["resnet_stem", "vgg1", "incep_avg", "gap"].contains(&name),
        })
    })
}

/// The cases to time. Whoever names some gets them, quick or not.
pub(crate) fn cases(options: &Options) -> Vec<SpeedCase> {
    let short = options.quick && options.filter.is_none();
    all().filter(|case| options.admit(case) && (case.quick || !short)).collect()
}

/// Times all cases.
pub(crate) fn run(options: &Options) -> Vec<Timing> {
    let cases = cases(options);
    let mut races: Vec<_> = cases.iter().map(|case| Race::new(case, options)).collect();
    let bar = progress::bar(u64::from(BLOCKS) * races.len() as u64, "timing");
    bar.tick();
    // A block of each case, and only then the next: what disturbs a machine for a second or two
    // would otherwise be in all blocks of one case.
    let mut blocks = || {
        for block in 0..BLOCKS as usize {
            for race in &mut races {
                race.block(block);
                bar.inc(1);
            }
        }
    };
    // On a thread of its own, since where the stack of the first one starts depends on the command
    // line and the environment, and some loops on where their stack is.
    std::thread::scope(|scope| scope.spawn(&mut blocks).join()).expect("kernels do not panic");
    bar.finish_and_clear();
    races.iter().flat_map(|race| race.timings(options)).collect()
}

/// What a cache, or memory, lets the floor move.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Roof {
    /// `L1`, `L2`, `L3` or `memory`.
    pub(crate) level: String,
    /// Of input and output.
    pub(crate) bytes: usize,
    pub(crate) seconds: f64,
}

/// Measures the floor on buffers that fit each level of caches, and on some that fit none.
pub(crate) fn roofs() -> Vec<Roof> {
    let backend = Backend::fastest();
    let plan: Result<Plan<f32>, _> =
        Pool1d::max([1]).plan_on(backend, Layout::ChannelsFirst, Shape::new(1, 1, [1]));
    let [l1, l2, l3] = plan.expect("a pooling in order").explain().caches;
    // A part of each level, as others use it too: the last one is everybody's.
    let levels = [
        ("L1", l1 / 4 * 3),
        ("L2", l2 / 4 * 3),
        ("L3", (l3 / 4).max(l2 * 2)),
        ("memory", (l3 * 4).min(MOST_BYTES)),
    ];
    let roof = |(level, bytes): (&str, usize)| {
        // Four read for one that is written, as where windows of two by two do not overlap.
        let output = bytes / size_of::<f32>() / 5;
        let mut buffers = Buffers::new(&vec![1.0; output * 4], output);
        let (input, output) = buffers.parts();
        let mut floor = Stopwatch::new();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(200) {
            floor.sample(|| backend.floor(black_box(input), black_box(output)));
        }
        let bytes = size_of_val(input) + size_of_val(output);
        Roof { level: level.into(), bytes, seconds: floor.least() }
    };
    levels.map(roof).into()
}

/// Input and output at set places of a page. Where an allocator happens to put them makes a fifth of a
/// time, and hardly changes in a run: two runs of the same program would differ by it.
struct Buffers {
    input: Vec<f32>,
    output: Vec<f32>,
    lens: [usize; 2],
}

impl Buffers {
    const PAGE: usize = 4096;

    /// Elements by which an output is off the start of a page, which is half a page.
    const OFF: usize = Self::PAGE / 2 / size_of::<f32>();

    fn new(values: &[f32], output: usize) -> Self {
        let spare = Self::PAGE / size_of::<f32>();
        let mut input = vec![0.0; values.len() + spare];
        let at = input.as_ptr().align_offset(Self::PAGE);
        input[at..][..values.len()].copy_from_slice(values);
        let output_and_more = vec![1.0; output + spare + Self::OFF];
        Self { input, output: output_and_more, lens: [values.len(), output] }
    }

    fn parts(&mut self) -> (&[f32], &mut [f32]) {
        let [input, output] = self.lens;
        let [at_input, at_output] =
            [&self.input, &self.output].map(|all| all.as_ptr().align_offset(Self::PAGE));
        let at_output = at_output + Self::OFF;
        (&self.input[at_input..][..input], &mut self.output[at_output..][..output])
    }
}

/// The shortest time that something took.
struct Stopwatch {
    repeats: u32,
    /// In this block so far.
    seconds: f64,
    blocks: Vec<f64>,
}

impl Stopwatch {
    fn new() -> Self {
        Self { repeats: 1, seconds: f64::INFINITY, blocks: Vec::new() }
    }

    fn end_block(&mut self) {
        self.blocks.push(self.seconds);
        self.seconds = f64::INFINITY;
    }

    fn least(&self) -> f64 {
        self.blocks.iter().copied().fold(self.seconds, f64::min)
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

/// All backends on one case.
struct Race<'a> {
    case: &'a SpeedCase,
    runners: Vec<Runner>,
    /// Elements of input and output.
    lens: [usize; 2],
    rounds: usize,
    budget: Duration,
}

impl<'a> Race<'a> {
    fn new(case: &'a SpeedCase, options: &Options) -> Self {
        let (milliseconds, rounds) = if options.quick { (150, 1) } else { (500, 2) };
        let yardstick = |backend: &Backend| *backend == REFERENCE || backend.name() == "autovec";
        let runner = |backend| Runner {
            backend,
            plan: case.case.plan(backend).expect("the case is in order"),
            pooling: Stopwatch::new(),
            floor: Stopwatch::new(),
        };
        let backends = BACKENDS.iter().filter(|backend| backend.is_supported());
        let backends = backends.filter(|backend| options.wants(backend) || yardstick(backend));
        let runners: Vec<_> = backends.map(runner).collect();
        let lens = runners.first().map(|first| [first.plan.input_len(), first.plan.output_len()]);
        let lens = lens.expect("the reference runs everywhere");
        let budget = Duration::from_millis(milliseconds) / BLOCKS;
        Self { case, runners, lens, rounds, budget }
    }

    /// Backends take turns, so that whatever else the machine does disturbs all of them alike, and
    /// the shortest time counts.
    fn block(&mut self, block: usize) {
        let [input_len, output_len] = self.lens;
        let mut buffers = Buffers::new(&self.case.case.input(input_len), output_len);
        let (input, output) = buffers.parts();
        let start = Instant::now();
        let (mut round, count) = (0, self.runners.len());
        while round < self.rounds || start.elapsed() < self.budget {
            // Nobody always follows the same one.
            let (late, early) = self.runners.split_at_mut((block + round) % count);
            for Runner { backend, plan, pooling, floor } in early.iter_mut().chain(late) {
                // It is slow, and not to be known to the last percent.
                if **backend == REFERENCE && round > 0 {
                    continue;
                }
                floor.sample(|| backend.floor(black_box(input), black_box(output)));
                pooling.sample(|| {
                    plan.run(black_box(input), black_box(output)).expect("buffers that fit");
                });
            }
            round += 1;
        }
        for runner in &mut self.runners {
            runner.pooling.end_block();
            runner.floor.end_block();
        }
    }

    /// One row for each backend, or for the one asked for.
    fn timings(&self, options: &Options) -> Vec<Timing> {
        let seconds_of = |wanted: fn(&Backend) -> bool| {
            let runner = self.runners.iter().find(|runner| wanted(runner.backend));
            runner.expect("yardsticks run everywhere").pooling.least()
        };
        let reference = seconds_of(|backend| *backend == REFERENCE);
        let autovec = seconds_of(|backend| backend.name() == "autovec");
        let timing = |runner: &Runner| Timing {
            case: self.case.name.clone(),
            backend: runner.backend.name().into(),
            seconds: runner.pooling.least(),
            blocks: runner.pooling.blocks.clone(),
            bytes: self.lens.iter().sum::<usize>() * size_of::<f32>(),
            merges: runner.plan.explain().merges,
            times_floor: runner.pooling.least() / runner.floor.least(),
            times_reference: reference / runner.pooling.least(),
            times_autovec: autovec / runner.pooling.least(),
        };
        let wanted = self.runners.iter().filter(|runner| options.wants(runner.backend));
        wanted.map(timing).collect()
    }
}
