//! Which instruction sets this CPU has, which one lanepool chooses, whether each of them computes
//! what the reference computes, and how fast it is.
//!
//! `--help` tells of the options, the exit status and the JSON that it prints.
#![forbid(unsafe_code)]

mod checks;
mod compare;
mod explain;
mod machine;
mod options;
mod progress;
mod report;
mod speed;
mod text;

use checks::Checks;
use clap::Parser;
use compare::{Comparison, Run};
use lanepool::Backend;
use machine::{BackendStatus, Build, Cpu};
use options::Options;
use serde::Serialize;
use serde_json::json;
use speed::Timing;
use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(Serialize)]
struct Report {
    build: Build,
    cpu: Cpu,
    backends: Vec<BackendStatus>,
    checks: Checks,
    speed: Vec<Timing>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comparison: Option<Comparison>,
    digest: String,
    ok: bool,
}

/// How it went, as the exit status says.
enum Outcome {
    Fine,
    Differs,
    Slower,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(Outcome::Fine) => ExitCode::SUCCESS,
        Ok(Outcome::Differs) => ExitCode::from(1),
        Ok(Outcome::Slower) => ExitCode::from(3),
        Err(error) => {
            let kind = error.downcast_ref().map(io::Error::kind);
            // Whoever closes the pipe does not want to read why nobody writes to it.
            if kind != Some(io::ErrorKind::BrokenPipe) {
                eprintln!("error: {error}");
            }
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<Outcome, Box<dyn Error>> {
    let mut stdout = anstream::stdout().lock();
    if let Some(path) = &options.load {
        let comparison = keep(options, &Run::load(path)?)?;
        return match &comparison {
            Some(comparison) if options.json => {
                print_json(&mut stdout, &json!({ "comparison": comparison }))
            }
            Some(comparison) => Ok(text::comparison(&mut stdout, comparison)?),
            None if options.html.is_some() => Ok(()),
            None => Err("--load is for --compare and --html".into()),
        }
        .map(|()| outcome(true, comparison.as_ref()));
    }
    let best = Backend::best()?;
    if let Some(described) = &options.explain {
        let explanation = described.explain(options.backend)?;
        match options.json {
            true => print_json(&mut stdout, &explain::json(&explanation))?,
            false => writeln!(stdout, "{explanation}")?,
        }
        return Ok(Outcome::Fine);
    }
    let selected = options.backend.unwrap_or(best);
    let backends = BackendStatus::all(selected);
    if options.list {
        text::backends(&mut stdout, &backends)?;
        text::speed_cases(&mut stdout, &speed::cases(options))?;
        return Ok(Outcome::Fine);
    }

    let report = {
        let out: &mut dyn Write =
            if options.json || options.digest { &mut io::sink() } else { &mut stdout };
        let (build, cpu) = (Build::this(), Cpu::this());
        text::machine(out, &build, &cpu)?;
        text::backends(out, &backends)?;
        let (checks, digest) = checks::run(options, selected);
        text::checks(out, &checks, &backends)?;
        writeln!(out, "  digest      {digest} of what {} computes", selected.name())?;
        let speed = match (options.bench(), build.is_optimized()) {
            (false, _) => Vec::new(),
            (true, false) => {
                text::no_speed(out)?;
                Vec::new()
            }
            (true, true) => {
                text::speed_header(out)?;
                let speed = speed::run(options);
                text::speed(out, &speed)?;
                speed
            }
        };
        if checks.cases == 0 && speed.is_empty() {
            return Err("no case to check or to time".into());
        }
        let comparison = if options.keeps() {
            if speed.is_empty() {
                return Err("no time to save, to compare or to draw".into());
            }
            let run = Run::new(build.clone(), cpu.clone(), speed::roofs(), speed.clone());
            keep(options, &run)?
        } else {
            None
        };
        if let Some(comparison) = &comparison {
            text::comparison(out, comparison)?;
        }
        if !options.bench {
            text::verdict(out, &checks)?;
        }
        let (digest, ok) = (digest.to_string(), checks.failed == 0);
        Report { build, cpu, backends, checks, speed, comparison, digest, ok }
    };
    if options.json {
        print_json(&mut stdout, &report)?;
    } else if options.digest {
        for mismatch in &report.checks.mismatches {
            eprintln!("{mismatch}");
        }
        writeln!(stdout, "digest {}", report.digest)?;
    }
    Ok(outcome(report.ok, report.comparison.as_ref()))
}

/// Writes the files asked for, and compares with the one that there is.
fn keep(options: &Options, run: &Run) -> Result<Option<Comparison>, Box<dyn Error>> {
    // Read before anything is written: it may be the same file.
    let before = options.compare.as_deref().map(Run::load).transpose()?;
    if let Some(path) = &options.save {
        run.save(path)?;
    }
    if let Some(path) = &options.html {
        fs::write(path, report::html(run)?).map_err(|error| compare::named(path, error))?;
    }
    before.map(|before| compare::compare(&before, run)).transpose()
}

fn outcome(ok: bool, comparison: Option<&Comparison>) -> Outcome {
    match comparison {
        _ if !ok => Outcome::Differs,
        Some(comparison) if comparison.slower => Outcome::Slower,
        _ => Outcome::Fine,
    }
}

fn print_json(out: &mut dyn Write, value: &impl Serialize) -> Result<(), Box<dyn Error>> {
    serde_json::to_writer_pretty(&mut *out, value)?;
    Ok(writeln!(out)?)
}
