//! The command line.

use crate::explain::Described;
use clap::Parser;
use lanepool::check::ElementType;
use lanepool::{BACKENDS, Backend, REFERENCE};
use std::path::PathBuf;

/// Checks and times the pooling kernels of lanepool on this machine.
///
/// Says which instruction sets this CPU has and which one is chosen, compares every backend with
/// the reference, bit by bit, over random poolings, and measures how fast each one is.
#[derive(Parser)]
#[command(name = "self-test", version, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Options {
    /// Check and time this backend only
    #[arg(long, value_name = "NAME", value_parser = backend)]
    pub(crate) backend: Option<&'static Backend>,

    /// Take only cases whose description, as --list and failures print it, contains TEXT: vgg1,
    /// average, channelslast, 3x3
    #[arg(long, value_name = "TEXT")]
    pub(crate) filter: Option<String>,

    /// Leave out elements of TYPE, as an emulator has to that gets them wrong
    #[arg(long, value_name = "TYPE", value_parser = element)]
    pub(crate) without: Option<ElementType>,

    /// Compare all results as one with the DIGEST of the same cases from elsewhere, instead of each with
    /// the reference, which is most of the work of an emulator; needs --backend
    #[arg(long, value_name = "DIGEST", requires = "backend", conflicts_with_all = ["bench", "digest"])]
    pub(crate) against: Option<String>,

    /// The seed of the first case; each one after it has the next seed [default: 0]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) seed: u64,

    /// How many cases to check [default: 20000; 2000 if quick, 200000 if thorough]
    #[arg(long, value_name = "N")]
    cases: Option<u64>,

    /// Check fewer cases, and time less carefully
    #[arg(long)]
    pub(crate) quick: bool,

    /// Check more cases
    #[arg(long, conflicts_with = "quick")]
    thorough: bool,

    /// Check only, time nothing
    #[arg(long)]
    no_bench: bool,

    /// Time only, check nothing
    #[arg(long, conflicts_with_all = ["no_bench", "cases", "thorough", "digest"])]
    pub(crate) bench: bool,

    /// Write the times to FILE, as JSON, to compare others with
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_bench", "digest"])]
    pub(crate) save: Option<PathBuf>,

    /// Say what got slower or faster than the times that --save wrote to FILE
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_bench", "digest"])]
    pub(crate) compare: Option<PathBuf>,

    /// Write a page of charts of the times to FILE
    #[arg(long, value_name = "FILE", conflicts_with_all = ["no_bench", "digest"])]
    pub(crate) html: Option<PathBuf>,

    /// Take the times that --save wrote to FILE for --compare and --html; check and time nothing
    #[arg(long, value_name = "FILE")]
    #[arg(conflicts_with_all = ["backend", "filter", "against", "seed", "cases", "quick", "thorough"])]
    #[arg(conflicts_with_all = ["bench", "no_bench", "digest", "save"])]
    pub(crate) load: Option<PathBuf>,

    /// Say how a pooling would run, and why: which backend, which walk, what it waits for. POOLING
    /// is max, average, min or sum, the kernel, and in any order a stride s, a padding p, a dilation
    /// d, ceil, a type such as f16 or u8, the shape (batch, channels, sizes), and first or last, where
    /// the channels are. See Examples
    #[arg(long, value_name = "POOLING", conflicts_with_all = ["bench", "load", "save"])]
    #[arg(conflicts_with_all = ["compare", "html", "digest", "list"])]
    pub(crate) explain: Option<Described>,

    /// List the backends and the cases that are timed, and do nothing else
    #[arg(long, conflicts_with_all = ["json", "digest", "load", "save", "compare", "html"])]
    pub(crate) list: bool,

    /// Print one JSON document instead of text
    #[arg(long, conflicts_with = "digest")]
    pub(crate) json: bool,

    /// Print only a hash over the results, the same for all backends and machines; time nothing
    #[arg(long)]
    pub(crate) digest: bool,
}

const AFTER_HELP: &str = "\
The table of speeds:
  GB/s         bytes of input and output over the time, one thread
  × floor      time over that of reading the input and writing the output once with the same
               vectors: 1.0 is as fast as memory allows
  × autovec    how many times as fast as the loops that the compiler vectorised
  × reference  how many times as fast as the plain loops that define the results

Environment:
  LANEPOOL_BACKEND  the backend to select instead of the fastest
  NO_COLOR          no colours, which are only used on a terminal anyway

Exit status:
  0  all that was checked agrees with the reference, and nothing compared got slower
  1  something that was checked does not agree
  2  bad usage, a backend that does not exist or that this CPU lacks, a file that cannot be read
     or written
  3  all that was checked agrees, but --compare found something slower

Comparing (--compare):
  Times are taken in five blocks, some seconds apart. A run's interval is from the fastest block
  to the fourth, and its noise how wide that is. Two runs differ if their intervals are apart by
  more than the noise: of the noisier one, or by how much the floor differs on the same CPU, but
  at least 10 %. All else is no difference.

JSON (--json):
  {build: {version, rustc, target, opt_level, features: [...]}, cpu: {model, features: [...]},
   backends: [{name, supported, selected, missing: [...]}],
   checks: {seed, cases, failed, per_backend: [{backend, cases, failed}], mismatches: [...],
            against},
   speed: [{case, backend, seconds, blocks: [...], bytes, merges, times_floor, times_reference,
            times_autovec}],
   comparison: {before, after, slower, missing: [...],
                rows: [{case, backend, before, after, ratio, noise, verdict}]},
   digest, ok}
  Where nothing is timed, speed is empty; comparison is there with --compare, and the only part
  with --load. Cases and failed of checks count comparisons: a case on four backends is four.
  The times_... are the columns above, blocks the least seconds of each block, merges what the
  definition computes; a verdict is slower, faster or no_difference.
  With --explain: {op, element, layout, backend, choice, walk, walk_reason, read_bytes,
   written_bytes, merges, merges_per_byte, memory_cycles, merge_cycles, bound, threads}

The file of --save, also JSON:
  {format: 1, build, cpu, roofs: [{level, bytes, seconds}], speed}
  build, cpu and speed are as above; roofs are the floor on buffers that fit a level of caches,
  L1 to L3, or none of them: memory.

Examples:
  self-test --quick                            a first impression, in seconds
  self-test --backend avx2 --seed 7 --cases 1  one case again
  self-test --bench --filter vgg               some speeds, no checks
  self-test --digest                           one line, to compare with another machine's
  self-test --explain 'max 3x3 s2 p1 1x64x112x112 first'
  self-test --explain 'max 2x2 1x64x56x56 c8 @1x64x112x112'   a crop, channels in blocks
  self-test --bench --save before.json         and then, when something has changed:
  self-test --bench --compare before.json --html report.html";

impl Options {
    pub(crate) fn cases(&self) -> u64 {
        self.cases.unwrap_or(match (self.quick, self.thorough) {
            _ if self.bench => 0,
            (true, _) => 2_000,
            (_, true) => 200_000,
            _ => 20_000,
        })
    }

    pub(crate) fn bench(&self) -> bool {
        !self.no_bench && !self.digest
    }

    /// Whether times are for more than to be printed.
    pub(crate) fn keeps(&self) -> bool {
        self.save.is_some() || self.compare.is_some() || self.html.is_some()
    }

    /// Whether a backend is to be checked and timed.
    pub(crate) fn wants(&self, backend: &Backend) -> bool {
        self.backend.is_none_or(|only| only == backend)
    }

    /// Whether the filter lets a case through.
    pub(crate) fn admit(&self, case: impl ToString) -> bool {
        // Letters and sizes as one types them: `max`, `3x3`.
        let plain = |text: &str| text.to_lowercase().replace('×', "x");
        self.filter.as_ref().is_none_or(|text| plain(&case.to_string()).contains(&plain(text)))
    }
}

fn element(name: &str) -> Result<ElementType, String> {
    ElementType::named(name).ok_or_else(|| {
        let names = ElementType::ALL.map(ElementType::name).join(", ");
        format!("there is no such type; there are {names}")
    })
}

fn backend(name: &str) -> Result<&'static Backend, String> {
    let backend = Backend::named(name).map_err(|error| error.to_string())?;
    if *backend == REFERENCE {
        let others = BACKENDS.iter().filter(|other| other.is_supported() && *other != backend);
        let others: Vec<_> = others.map(Backend::name).collect();
        return Err(format!("the others are compared with it: {}", others.join(", ")));
    }
    Ok(backend)
}
