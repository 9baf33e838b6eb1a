//! The self-test as whoever runs it sees it.

use lanepool::{BACKENDS, Backend, REFERENCE};
use serde_json::Value;
use std::process::{Command, Output};

/// The program; under the emulator that `LANEPOOL_RUNNER` names, if this test runs under it.
fn self_test(args: &str) -> Command {
    let program = env!("CARGO_BIN_EXE_self-test");
    let runner = std::env::var("LANEPOOL_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace().chain([program]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words).args(args.split_whitespace()).env_remove("LANEPOOL_BACKEND");
    command
}

/// What it prints, if it ends with this status.
fn output(mut command: Command, status: i32) -> (String, String) {
    let Output { status: got, stdout, stderr } = command.output().unwrap();
    let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(got.code(), Some(status), "{command:?}\n{stdout}\n{stderr}");
    (stdout, stderr)
}

fn stdout(args: &str) -> String {
    output(self_test(args), 0).0
}

fn json(command: Command) -> Value {
    serde_json::from_str(&output(command, 0).0).unwrap()
}

/// The backends that can be checked here.
fn backends() -> impl Iterator<Item = &'static Backend> {
    BACKENDS.iter().filter(|backend| backend.is_supported() && **backend != REFERENCE)
}

fn selected(report: &Value) -> Vec<&str> {
    let backends = report["backends"].as_array().unwrap().iter();
    let selected = backends.filter(|backend| backend["selected"] == true);
    selected.map(|backend| backend["name"].as_str().unwrap()).collect()
}

#[test]
fn help_tells_of_options_and_exit_status() {
    let help = stdout("--help");
    for text in ["--backend", "--filter", "--digest", "Exit status", "LANEPOOL_BACKEND", "JSON"] {
        assert!(help.contains(text), "{text} in {help}");
    }
}

#[test]
fn list_has_backends_and_cases() {
    let list = stdout("--list");
    let names = BACKENDS.iter().map(Backend::name);
    for text in names.chain(["resnet_stem/first", "gap/last", "video3d/first"]) {
        assert!(list.contains(text), "{text} in {list}");
    }
    let tiny = stdout("--list --filter tiny");
    assert!(tiny.contains("tiny/last") && !tiny.contains("gap"), "{tiny}");
}

#[test]
fn text_passes_without_colours_in_100_columns() {
    for args in ["--help", "--list", "--quick --cases 100 --filter 3x3", "--no-bench --cases 20"] {
        let text = stdout(args);
        assert!(!text.contains('\x1b'), "{text}");
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
    }
    let checked = stdout("--no-bench --cases 20");
    let comparisons = 20 * backends().count();
    let verdict = format!("PASS  {comparisons} comparisons, no difference");
    assert_eq!(checked.lines().last(), Some(verdict.as_str()));
}

#[test]
fn json_has_all_parts() {
    let report = json(self_test("--json --quick --no-bench --cases 50 --seed 7"));
    for field in ["version", "rustc", "target", "opt_level"] {
        assert!(report["build"][field].is_string(), "{field}");
    }
    assert!(report["build"]["features"].is_array());
    assert!(report["cpu"]["model"].is_string());
    assert!(report["cpu"]["features"].is_array());

    let listed = report["backends"].as_array().unwrap();
    assert_eq!(listed.len(), BACKENDS.len());
    for (backend, listed) in BACKENDS.iter().zip(listed) {
        assert_eq!(listed["name"], backend.name());
        assert_eq!(listed["supported"], backend.is_supported());
        assert_eq!(listed["missing"].as_array().unwrap().len(), backend.missing().count());
    }
    assert_eq!(selected(&report), [Backend::fastest().name()]);

    let checks = &report["checks"];
    assert_eq!(checks["seed"], 7);
    assert_eq!(checks["cases"], 50 * backends().count());
    assert_eq!(checks["failed"], 0);
    assert_eq!(checks["mismatches"].as_array().unwrap().len(), 0);
    for (backend, checked) in backends().zip(checks["per_backend"].as_array().unwrap()) {
        let name = backend.name();
        let expected = serde_json::json!({ "backend": name, "cases": 50, "failed": 0 });
        assert_eq!(*checked, expected);
    }

    assert_eq!(report["speed"].as_array().unwrap().len(), 0);
    assert_eq!(report["digest"].as_str().unwrap().len(), 16);
    assert_eq!(report["ok"], true);
}

#[test]
fn speed_is_measured_in_optimized_builds_only() {
    if env!("LANEPOOL_OPT_LEVEL") == "0" {
        assert!(stdout("--quick --cases 5").contains("not measured"));
        assert_eq!(json(self_test("--json --quick --cases 5"))["speed"], serde_json::json!([]));
        return;
    }
    let report = json(self_test("--json --quick --cases 0 --filter tiny"));
    let rows = report["speed"].as_array().unwrap();
    let supported = BACKENDS.iter().filter(|backend| backend.is_supported()).count();
    assert_eq!(rows.len(), 2 * supported);
    for row in rows {
        assert_eq!(row["bytes"], 4 * (64 + 16));
        for field in ["seconds", "times_floor", "times_reference", "times_autovec"] {
            assert!(row[field].as_f64().unwrap() > 0.0, "{field} of {row}");
        }
    }
}

#[test]
fn digest_is_the_same_for_every_backend() {
    let digest = |backend: &str| {
        let line = stdout(&format!("--digest --cases 100 --backend {backend}"));
        let hex = line.strip_prefix("digest ").unwrap().trim_end();
        assert!(hex.len() == 16 && u64::from_str_radix(hex, 16).is_ok(), "{line}");
        line
    };
    let scalar = digest("scalar");
    for backend in backends() {
        assert_eq!(digest(backend.name()), scalar, "{}", backend.name());
    }
    assert_eq!(stdout("--digest --cases 100"), scalar);
    assert_ne!(stdout("--digest --cases 101"), scalar);

    let scalar = Backend::named("scalar").unwrap();
    let (failed, digest) = lanepool::check::digest(scalar, 3, 10);
    assert_eq!(failed, 0);
    assert_eq!(stdout("--digest --seed 3 --cases 10"), format!("digest {digest:016x}\n"));
}

#[test]
fn only_the_backend_asked_for_is_checked() {
    let report = json(self_test("--json --no-bench --cases 10 --backend portable"));
    assert_eq!(selected(&report), ["portable"]);
    assert_eq!(report["checks"]["cases"], 10);
    assert_eq!(report["checks"]["per_backend"][0]["backend"], "portable");
}

#[test]
fn a_backend_that_cannot_be_checked_is_an_error() {
    let mut commands: Vec<Command> = ["reference", "nonsense"]
        .map(|name| self_test(&format!("--cases 1 --no-bench --backend {name}")))
        .into();
    commands.push(self_test("--cases 1 --no-bench"));
    commands[2].env("LANEPOOL_BACKEND", "nonsense");
    for command in commands {
        let (stdout, stderr) = output(command, 2);
        assert_eq!(stdout, "");
        for backend in backends() {
            assert!(stderr.contains(backend.name()), "{stderr}");
        }
    }
}

#[test]
fn the_environment_selects() {
    let mut command = self_test("--json --no-bench --cases 5");
    command.env("LANEPOOL_BACKEND", "scalar");
    assert_eq!(selected(&json(command)), ["scalar"]);
}

#[test]
fn to_do_nothing_is_not_to_pass() {
    let (_, stderr) = output(self_test("--cases 5 --no-bench --filter nonsense"), 2);
    assert!(stderr.contains("no case"), "{stderr}");
    output(self_test("--quick --thorough"), 2);
}
