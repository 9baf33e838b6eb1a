//! A run that was kept, and whether another one differs from it.

use crate::machine::{Build, Cpu};
use crate::speed::{Roof, Timing};
use lanepool::REFERENCE;
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::path::Path;
use std::{fmt, fs};

/// The format that this program writes and reads.
const FORMAT: u32 = 1;

/// Differences below this are none: where a loop or a buffer happens to lie can cost as much.
const LEAST_NOISE: f64 = 0.1;

/// Times and where they were measured: what `--save` writes.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Run {
    format: u32,
    pub(crate) build: Build,
    pub(crate) cpu: Cpu,
    pub(crate) roofs: Vec<Roof>,
    pub(crate) speed: Vec<Timing>,
}

impl Run {
    pub(crate) fn new(build: Build, cpu: Cpu, roofs: Vec<Roof>, speed: Vec<Timing>) -> Self {
        Self { format: FORMAT, build, cpu, roofs, speed }
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), Box<dyn Error>> {
        let json = serde_json::to_string_pretty(self)?;
        fs::write(path, json + "\n").map_err(|error| named(path, error))
    }

    pub(crate) fn load(path: &Path) -> Result<Self, Box<dyn Error>> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let text = fs::read_to_string(path).map_err(|error| named(path, error))?;
        let Format { format } = serde_json::from_str(&text).map_err(|error| named(path, error))?;
        if format != FORMAT {
            return Err(named(path, format!("format {format}, this program reads {FORMAT}")));
        }
        serde_json::from_str(&text).map_err(|error| named(path, error))
    }

    /// The machine and the build, in a line.
    pub(crate) fn place(&self) -> String {
        let Build { version, rustc, target, .. } = &self.build;
        format!("{}, lanepool {version}, {rustc}, {target}", self.cpu.model)
    }
}

/// An error that says of which file it tells.
pub(crate) fn named(path: &Path, error: impl fmt::Display) -> Box<dyn Error> {
    format!("{}: {error}", path.display()).into()
}

/// What differs from one run to another.
#[derive(Serialize)]
pub(crate) struct Comparison {
    pub(crate) before: String,
    pub(crate) after: String,
    pub(crate) slower: bool,
    pub(crate) rows: Vec<Row>,
    /// Rows that only one of the two has.
    pub(crate) missing: Vec<String>,
}

#[derive(Serialize)]
pub(crate) struct Row {
    pub(crate) case: String,
    pub(crate) backend: String,
    /// Seconds.
    pub(crate) before: f64,
    pub(crate) after: f64,
    /// The second over the first.
    pub(crate) ratio: f64,
    /// By which part of itself a time varied, in the noisier of the two or between them.
    pub(crate) noise: f64,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Slower,
    Faster,
    NoDifference,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Slower => "slower",
            Self::Faster => "faster",
            Self::NoDifference => "no difference",
        })
    }
}

/// The rows that are compared: the reference is timed a few times only.
fn timed(run: &Run) -> impl Iterator<Item = &Timing> {
    run.speed.iter().filter(|row| row.backend != REFERENCE.name())
}

/// Compares the rows that both have.
pub(crate) fn compare(before: &Run, after: &Run) -> Result<Comparison, Box<dyn Error>> {
    let same_cpu = before.cpu.model == after.cpu.model;
    let same = |a: &Timing, b: &Timing| a.case == b.case && a.backend == b.backend;
    let mut rows = Vec::new();
    let mut missing = Vec::new();
    for new in timed(after) {
        match timed(before).find(|old| same(old, new)) {
            Some(old) => rows.push(row(old, new, same_cpu)),
            None => missing.push(format!("{} {}", new.case, new.backend)),
        }
    }
    let gone = timed(before).filter(|old| !timed(after).any(|new| same(old, new)));
    missing.extend(gone.map(|old| format!("{} {}", old.case, old.backend)));
    if rows.is_empty() {
        return Err("the two runs have no case and backend in common".into());
    }
    Ok(Comparison {
        before: before.place(),
        after: after.place(),
        slower: rows.iter().any(|row| row.verdict == Verdict::Slower),
        rows,
        missing,
    })
}

fn row(old: &Timing, new: &Timing, same_cpu: bool) -> Row {
    let [old_floor, new_floor] = [old, new].map(|row| row.seconds / row.times_floor);
    // The floor was timed in turns with the kernel. If it differs on the same CPU, then others were
    // busy there in one of the runs.
    let drift =
        if same_cpu { (old_floor / new_floor).max(new_floor / old_floor) - 1.0 } else { 0.0 };
    let (verdict, noise) = judge(&old.blocks, &new.blocks, drift);
    Row {
        case: new.case.clone(),
        backend: new.backend.clone(),
        before: old.seconds,
        after: new.seconds,
        ratio: new.seconds / old.seconds,
        noise,
        verdict,
    }
}

/// Whether times differ, and how much they vary by themselves: from the least time of each block of
/// both runs, and how much the machine is known to have drifted between them.
///
/// A run's interval is from its fastest block to the upper quartile. What is above is left out: it
/// was disturbed, by something that makes a machine slower and never faster. The two runs differ if their intervals are apart by
/// more than the wider one is wide, each relative to its least, and more than the drift.
fn judge(old: &[f64], new: &[f64], drift: f64) -> (Verdict, f64) {
    let ((old_low, old_high), (new_low, new_high)) = (interval(old), interval(new));
    let noise =
        (old_high / old_low - 1.0).max(new_high / new_low - 1.0).max(drift).max(LEAST_NOISE);
    let verdict = if new_low > old_high * (1.0 + noise) {
        Verdict::Slower
    } else if old_low > new_high * (1.0 + noise) {
        Verdict::Faster
    } else {
        Verdict::NoDifference
    };
    (verdict, noise)
}

fn interval(blocks: &[f64]) -> (f64, f64) {
    let mut sorted = blocks.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.first(), sorted.get(sorted.len() * 3 / 4)) {
        (Some(&least), Some(&upper)) => (least, upper),
        // Without a block nothing can be told.
        _ => (0.0, f64::INFINITY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn expect(old: [f64; 5], new: [f64; 5], verdict: Verdict) {
        assert_eq!(judge(&old, &new, 0.0).0, verdict);
        let opposite = match verdict {
            Verdict::Slower => Verdict::Faster,
            Verdict::Faster => Verdict::Slower,
            Verdict::NoDifference => Verdict::NoDifference,
        };
        assert_eq!(judge(&new, &old, 0.0).0, opposite);
    }

    #[test]
    fn a_run_does_not_differ_from_itself() {
        for blocks in [[1.0; 5], [1.0, 1.5, 2.0, 9.0, 1.1]] {
            expect(blocks, blocks, Verdict::NoDifference);
        }
    }

    #[test]
    fn quiet_runs_differ_by_little() {
        let quiet = [1.0, 1.01, 1.0, 1.02, 1.01];
        expect(quiet, quiet.map(|x| x * 1.2), Verdict::Slower);
        expect(quiet, quiet.map(|x| x * 1.08), Verdict::NoDifference);
        // Not even clocks are exact.
        expect([1.0; 5], [1.09; 5], Verdict::NoDifference);
    }

    #[test]
    fn noisy_runs_differ_by_much() {
        let noisy = [1.0, 1.3, 1.2, 1.1, 1.5];
        expect(noisy, noisy.map(|x| x * 1.3), Verdict::NoDifference);
        expect(noisy, noisy.map(|x| x * 1.8), Verdict::Slower);
        // The noise of one of the two is enough.
        expect([1.0; 5], noisy.map(|x| x * 1.15), Verdict::NoDifference);
    }

    #[test]
    fn a_disturbed_block_hides_nothing() {
        expect([1.0, 1.0, 50.0, 1.0, 1.01], [1.2, 1.21, 1.2, 70.0, 1.2], Verdict::Slower);
    }

    #[test]
    fn a_machine_that_drifted_explains_a_difference() {
        let slower = |drift| judge(&[1.0; 5], &[1.2; 5], drift).0;
        assert_eq!(slower(0.1), Verdict::Slower);
        assert_eq!(slower(0.3), Verdict::NoDifference);
    }

    #[test]
    fn of_nothing_nothing_is_told() {
        assert_eq!(judge(&[], &[1.0], 0.0).0, Verdict::NoDifference);
        assert_eq!(judge(&[1.0], &[], 0.0).0, Verdict::NoDifference);
    }
}
