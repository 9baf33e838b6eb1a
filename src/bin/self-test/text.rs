//! The report as people read it, in 100 columns.

use crate::checks::Checks;
use crate::compare::{Comparison, Verdict};
use crate::machine::{BackendStatus, Build, Cpu};
use crate::speed::{SpeedCase, Timing};
use anstyle::{AnsiColor, Style};
use indicatif::HumanCount;
use lanepool::REFERENCE;
use std::io::{self, Write};

const COLUMNS: usize = 100;
const BOLD: Style = Style::new().bold();
const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();
const WARN: Style = AnsiColor::Yellow.on_default();

pub(crate) fn machine(out: &mut dyn Write, build: &Build, cpu: &Cpu) -> io::Result<()> {
    writeln!(out, "{BOLD}lanepool {}{BOLD:#}", build.version)?;
    field(out, "compiler", &build.rustc)?;
    field(out, "target", &format!("{}, opt-level {}", build.target, build.opt_level))?;
    field(out, "baseline", &build.features.join(" "))?;
    field(out, "CPU", &cpu.model)?;
    field(out, "features", &cpu.features.join(" "))?;
    #[cfg(feature = "rayon")]
    field(out, "threads", &format!("{} (rayon)", rayon::current_num_threads()))?;
    Ok(())
}

pub(crate) fn backends(out: &mut dyn Write, backends: &[BackendStatus]) -> io::Result<()> {
    writeln!(out, "\n{BOLD}Backends compiled in{BOLD:#}, fastest first")?;
    for BackendStatus { name, selected, missing, .. } in backends {
        let status = match (missing.as_slice(), selected) {
            ([], true) => format!("supported, {GOOD}selected{GOOD:#}"),
            ([], false) => "supported".into(),
            (missing, _) => {
                format!("{WARN}not supported{WARN:#}: this CPU lacks {}", missing.join(", "))
            }
        };
        writeln!(out, "  {name:<11} {status}")?;
    }
    Ok(())
}

pub(crate) fn checks(
    out: &mut dyn Write,
    checks: &Checks,
    backends: &[BackendStatus],
) -> io::Result<()> {
    let against = match &checks.against {
        Some(digest) => format!("{digest}, as one"),
        None => "the reference, bit by bit".into(),
    };
    writeln!(out, "\n{BOLD}Checks{BOLD:#} against {against}, from seed {}", checks.seed)?;
    for BackendStatus { name, missing, .. } in backends {
        let checked = checks.per_backend.iter().find(|checked| checked.backend.name() == *name);
        let result = match checked.map(|checked| (checked.failed, HumanCount(checked.cases))) {
            Some((0, cases)) => format!("{cases} cases, no difference"),
            Some((failed, cases)) => {
                format!("{BAD}{} of {cases} cases differ{BAD:#}", HumanCount(failed))
            }
            None if !missing.is_empty() => {
                format!("{WARN}skipped{WARN:#}: this CPU lacks {}", missing.join(", "))
            }
            None if *name == REFERENCE.name() && checks.against.is_none() => {
                "what the others are compared with".into()
            }
            None => "not asked for".into(),
        };
        writeln!(out, "  {name:<11} {result}")?;
    }
    for mismatch in &checks.mismatches {
        paragraph(out, "  ", "    ", mismatch)?;
    }
    match checks.failed - checks.mismatches.len() as u64 {
        0 => Ok(()),
        more => writeln!(out, "  and {} more", HumanCount(more)),
    }
}

pub(crate) fn speed_header(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{BOLD}Speed{BOLD:#}, f32, one thread; --help explains the columns")?;
    writeln!(
        out,
        "  {BOLD}{:<18} {:<10} {:>10} {:>8} {:>9} {:>10} {:>12}{BOLD:#}",
        "case", "backend", "time", "GB/s", "× floor", "× autovec", "× reference"
    )
}

pub(crate) fn no_speed(out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n{BOLD}Speed{BOLD:#}: {WARN}not measured{WARN:#}, since this is built with")?;
    writeln!(out, "  opt-level 0, which says nothing about speed; use cargo run --release")
}

pub(crate) fn speed(out: &mut dyn Write, timings: &[Timing]) -> io::Result<()> {
    for timing in timings {
        let Timing { case, backend, seconds, bytes, .. } = timing;
        writeln!(
            out,
            "  {case:<18} {backend:<10} {:>10} {:>8.1} {:>9.2} {:>10.2} {:>12.1}",
            duration(*seconds),
            *bytes as f64 / seconds / 1e9,
            timing.times_floor,
            timing.times_autovec,
            timing.times_reference
        )?;
    }
    out.flush()
}

pub(crate) fn comparison(out: &mut dyn Write, comparison: &Comparison) -> io::Result<()> {
    let Comparison { before, after, rows, missing, .. } = comparison;
    writeln!(out, "\n{BOLD}Comparison{BOLD:#}, ratio of the times, after over before")?;
    field(out, "before", before)?;
    field(out, "after", after)?;
    if before != after {
        writeln!(out, "  {WARN}not the same machine and build{WARN:#}")?;
    }
    writeln!(
        out,
        "\n  {BOLD}{:<18} {:<10} {:>11} {:>11} {:>7} {:>8}  verdict{BOLD:#}",
        "case", "backend", "before", "after", "ratio", "noise"
    )?;
    for row in rows {
        let style = match row.verdict {
            Verdict::Slower => BAD,
            Verdict::Faster => GOOD,
            Verdict::NoDifference => Style::new(),
        };
        writeln!(
            out,
            "  {:<18} {:<10} {:>11} {:>11} {:>7.2} {:>6.0} %  {style}{}{style:#}",
            row.case,
            row.backend,
            duration(row.before),
            duration(row.after),
            row.ratio,
            row.noise * 100.0,
            row.verdict
        )?;
    }
    if !missing.is_empty() {
        paragraph(out, "  ", "    ", &format!("in one of the two only: {}", missing.join(", ")))?;
    }
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let (slower, faster) = (count(Verdict::Slower), count(Verdict::Faster));
    match (slower, faster) {
        (0, 0) => writeln!(out, "\n{GOOD}no difference{GOOD:#} in {} rows", rows.len()),
        (0, _) => {
            writeln!(out, "\n{GOOD}{faster} faster{GOOD:#} of {} rows, none slower", rows.len())
        }
        _ => writeln!(out, "\n{BAD}{slower} slower{BAD:#}, {faster} faster of {} rows", rows.len()),
    }
}

pub(crate) fn verdict(out: &mut dyn Write, checks: &Checks) -> io::Result<()> {
    let cases = HumanCount(checks.cases);
    match checks.failed {
        0 if checks.cases == 0 => {
            writeln!(out, "\n{WARN}NOT CHECKED{WARN:#}  no case was compared")
        }
        0 => writeln!(out, "\n{GOOD}PASS{GOOD:#}  {cases} comparisons, no difference"),
        failed => {
            let failed = HumanCount(failed);
            writeln!(out, "\n{BAD}FAIL{BAD:#}  {failed} of {cases} comparisons differ")
        }
    }
}

pub(crate) fn speed_cases(out: &mut dyn Write, cases: &[SpeedCase]) -> io::Result<()> {
    writeln!(out, "\n{BOLD}Cases that are timed{BOLD:#}")?;
    for case in cases {
        paragraph(out, "  ", "    ", &case.to_string())?;
    }
    Ok(())
}

fn field(out: &mut dyn Write, name: &str, text: &str) -> io::Result<()> {
    paragraph(out, &format!("  {name:<11} "), &" ".repeat(14), text)
}

fn paragraph(out: &mut dyn Write, first: &str, other: &str, text: &str) -> io::Result<()> {
    let options = textwrap::Options::new(COLUMNS).initial_indent(first).subsequent_indent(other);
    writeln!(out, "{}", textwrap::fill(text, options))
}

pub(crate) fn duration(seconds: f64) -> String {
    let units = [("s", 1.0), ("ms", 1e3), ("µs", 1e6), ("ns", 1e9)];
    let fits = units.into_iter().find(|(_, scale)| seconds * scale >= 1.0);
    let (unit, scale) = fits.unwrap_or(("ns", 1e9));
    format!("{:.2} {unit}", seconds * scale)
}
