//! Which instruction sets this CPU has, which one lanepool chooses, whether each of them computes
//! what the reference computes, and how fast it is.
//!
//! `--help` tells of the options, the exit status and the JSON that it prints.
#![forbid(unsafe_code)]

mod checks;
mod machine;
mod options;
mod progress;
mod speed;
mod text;

use checks::Checks;
use clap::Parser;
use lanepool::Backend;
use machine::{BackendStatus, Build, Cpu};
use options::Options;
use serde::Serialize;
use speed::Timing;
use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

#[derive(Serialize)]
struct Report {
    build: Build,
    cpu: Cpu,
    backends: Vec<BackendStatus>,
    checks: Checks,
    speed: Vec<Timing>,
    digest: String,
    ok: bool,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
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

/// Whether all that was checked is right.
fn run(options: &Options) -> Result<bool, Box<dyn Error>> {
    let best = Backend::best()?;
    let selected = options.backend.unwrap_or(best);
    let backends = BackendStatus::all(selected);
    let mut stdout = anstream::stdout().lock();
    if options.list {
        text::backends(&mut stdout, &backends)?;
        text::speed_cases(&mut stdout, &speed::cases(options))?;
        return Ok(true);
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
                speed::run(options, |timings| text::speed(out, timings))?
            }
        };
        if checks.cases == 0 && speed.is_empty() {
            return Err("no case to check or to time".into());
        }
        text::verdict(out, &checks)?;
        let (digest, ok) = (digest.to_string(), checks.failed == 0);
        Report { build, cpu, backends, checks, speed, digest, ok }
    };
    if options.json {
        serde_json::to_writer_pretty(&mut stdout, &report)?;
        writeln!(stdout)?;
    } else if options.digest {
        for mismatch in &report.checks.mismatches {
            eprintln!("{mismatch}");
        }
        writeln!(stdout, "digest {}", report.digest)?;
    }
    Ok(report.ok)
}
