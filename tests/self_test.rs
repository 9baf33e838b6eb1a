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
    for text in ["--backend", "--filter", "--digest", "--explain", "--compare", "Exit status"]
        .into_iter()
        .chain(["LANEPOOL_BACKEND", "NO_COLOR", "JSON", "roofs"])
    {
        assert!(help.contains(text), "{text} in {help}");
    }
    for line in help.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

/// The names of all fields of a JSON value, at any depth.
fn fields(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(object) => object.iter().for_each(|(name, value)| {
            names.push(name.clone());
            fields(value, names);
        }),
        Value::Array(values) => values.iter().for_each(|value| fields(value, names)),
        _ => {}
    }
}

#[test]
fn help_names_every_field_of_the_json() {
    let help = stdout("--help");
    let (_, json_help) = help.split_once("JSON (--json):").unwrap();
    let documented: Vec<_> = json_help.split(|c: char| !c.is_alphanumeric() && c != '_').collect();

    let saved = saved("fields.json", 1.0);
    let file = serde_json::from_str(&std::fs::read_to_string(&saved).unwrap()).unwrap();
    let mut names = Vec::new();
    for value in [
        file,
        json(self_test("--json --no-bench --cases 1")),
        json(self_test_with(&["--explain", "max 2x2 1x1x4x4", "--json"])),
        json(self_test_with(&["--load", &saved, "--compare", &saved, "--json"])),
    ] {
        fields(&value, &mut names);
    }
    for name in ["digest", "walk_reason", "roofs", "verdict"] {
        assert!(names.iter().any(|known| known == name), "no {name}");
    }
    for name in names {
        assert!(documented.contains(&name.as_str()), "{name} in {json_help}");
    }
}

#[test]
fn version_is_one_line() {
    assert_eq!(stdout("--version"), format!("self-test {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn what_is_wrong_is_said_on_the_standard_error() {
    for args in
        ["--nonsense", "--cases many", "--backend nonsense", "--list --json", "--explain max"]
    {
        let (stdout, stderr) = output(self_test(args), 2);
        assert_eq!(stdout, "", "{args}");
        assert!(stderr.starts_with("error: "), "{args}: {stderr}");
        assert!(!stderr.contains('\x1b'), "{args}: {stderr}");
    }
}

#[test]
fn colours_are_for_terminals_and_for_whoever_wants_them() {
    // What prints colours looks at these, whatever it prints to.
    let with = |names: &[&str]| {
        let mut command = self_test("--list --filter tiny");
        for name in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE"] {
            command.env_remove(name);
        }
        command.envs(names.iter().map(|name| (name, "1")));
        output(command, 0).0.contains('\x1b')
    };
    assert!(!with(&[]));
    assert!(with(&["CLICOLOR_FORCE"]));
    assert!(!with(&["CLICOLOR_FORCE", "NO_COLOR"]));
}

/// The program with arguments that have spaces.
fn self_test_with(args: &[&str]) -> Command {
    let mut command = self_test("");
    command.args(args);
    command
}

#[test]
fn a_pooling_is_explained() {
    let pooling = "max 3x3 s2 p1 1x64x112x112 last";
    let (text, _) = output(self_test_with(&["--explain", pooling, "--backend", "scalar"]), 0);
    for part in [
        "max of f32, channels last",
        "1×112×112×64 to 1×56×56×64",
        "kernel 3×3, stride 2×2, padding 1×1",
        "scalar, as asked for",
        "3,211,264 read, 802,816 written",
        "1,584,192 merges",
        "arithmetic",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let explanation = json(self_test_with(&["--explain", pooling, "--json"]));
    assert_eq!(explanation["backend"], Backend::fastest().name());
    assert_eq!(explanation["choice"], "the fastest that this CPU supports");
    assert_eq!(explanation["merges"], 1_584_192);

    let mut command = self_test_with(&["--explain", pooling]);
    command.env("LANEPOOL_BACKEND", "autovec");
    assert!(output(command, 0).0.contains("autovec, by LANEPOOL_BACKEND"));
    for (wrong, part) in [("max 3x3", "no shape"), ("max 3x3 1x1x2x9", "height: a kernel of 3")] {
        let (_, stderr) = output(self_test_with(&["--explain", wrong]), 2);
        assert!(stderr.contains(part), "{stderr}");
    }
}

/// A file of this name that no other test has.
fn scratch(name: &str) -> String {
    format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"))
}

/// A file as `--save` writes it, with so many times the usual seconds.
fn saved(name: &str, times: f64) -> String {
    let build = serde_json::json!({
        "version": "0", "rustc": "<rustc> & co", "target": "any", "opt_level": "3", "features": []
    });
    let row = |case: &str, backend: &str, seconds: f64| {
        let blocks = [1.0, 1.01, 1.02, 1.0, 1.01].map(|block| block * seconds * times);
        serde_json::json!({
            "case": case, "backend": backend, "seconds": seconds * times, "blocks": blocks,
            "bytes": 1000, "merges": 300, "times_floor": 2.0 * times, "times_reference": 30.0,
            "times_autovec": 3.0
        })
    };
    let run = serde_json::json!({
        "format": 1,
        "build": build,
        "cpu": { "model": "some CPU", "features": [] },
        "roofs": [{ "level": "L1", "bytes": 1000, "seconds": 1e-8 }],
        "speed": [row("a/first", "fast", 1e-7), row("a/last", "fast", 2e-7), row("a/last", "slow", 1e-5)],
    });
    let path = scratch(name);
    std::fs::write(&path, run.to_string()).unwrap();
    path
}

#[test]
fn runs_are_compared() {
    let (usual, slow) = (saved("usual.json", 1.0), saved("slow.json", 1.5));
    let compare = |before: &str, after: &str, status| {
        let (text, _) = output(self_test_with(&["--load", after, "--compare", before]), status);
        for line in text.lines() {
            assert!(line.chars().count() <= 100, "{line}");
        }
        text
    };
    assert!(compare(&usual, &usual, 0).ends_with("no difference in 3 rows\n"));
    let text = compare(&usual, &slow, 3);
    assert!(text.contains("1.50") && text.ends_with("3 slower, 0 faster of 3 rows\n"), "{text}");
    assert!(compare(&slow, &usual, 0).ends_with("3 faster of 3 rows, none slower\n"));

    let command = self_test_with(&["--load", &slow, "--compare", &usual, "--json"]);
    let report: Value = serde_json::from_str(&output(command, 3).0).unwrap();
    assert_eq!(report["comparison"]["slower"], true);
    assert_eq!(report["comparison"]["rows"][2]["verdict"], "slower");

    let old = scratch("old.json");
    std::fs::write(&old, "{\"format\": 0}").unwrap();
    for (file, part) in [(old.as_str(), "format 0"), ("not/there.json", "not/there.json")] {
        let (_, stderr) = output(self_test_with(&["--load", &usual, "--compare", file]), 2);
        assert!(stderr.contains(part), "{stderr}");
    }
    output(self_test_with(&["--load", &usual]), 2);
}

#[test]
fn charts_are_a_page_that_needs_nothing_else() {
    let (run, page) = (saved("charted.json", 1.0), scratch("charts.html"));
    output(self_test_with(&["--load", &run, "--html", &page]), 0);
    let page = std::fs::read_to_string(page).unwrap();
    for text in ["Roofline", "Times the floor", "a/last", "some CPU", "&lt;rustc&gt; &amp; co"] {
        assert!(page.contains(text), "{text} in {page}");
    }
    assert_eq!(page.matches("<svg role=\"img\" aria-label=").count(), 2);
    for outside in ["src=", "href=", "<script", "<link", "@import", "url("] {
        assert!(!page.contains(outside), "{outside} in {page}");
    }
    well_formed(&page);
}

/// Every element is closed, and by its own name.
#[track_caller]
fn well_formed(page: &str) {
    let mut open = Vec::new();
    for tag in page.split('<').skip(1).map(|rest| rest.split_once('>').expect("a > for each <").0) {
        let name = tag.split_whitespace().next().unwrap_or_default();
        match name.strip_prefix('/') {
            Some(name) => assert_eq!(open.pop(), Some(name)),
            None if tag.starts_with('!') || tag.ends_with('/') => {}
            None => open.push(name),
        }
    }
    assert_eq!(open, [""; 0]);
}

#[test]
fn a_run_that_was_saved_does_not_differ_from_itself() {
    let path = scratch("saved.json");
    let args = ["--bench", "--quick", "--filter", "tiny", "--save", &path];
    if env!("LANEPOOL_OPT_LEVEL") == "0" {
        let (_, stderr) = output(self_test_with(&args), 2);
        assert!(stderr.contains("no case"), "{stderr}");
        return;
    }
    output(self_test_with(&args), 0);
    let run: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(run["roofs"].as_array().unwrap().len(), 4);
    assert_eq!(run["speed"][0]["blocks"].as_array().unwrap().len(), 5);
    let (text, _) = output(self_test_with(&["--load", &path, "--compare", &path]), 0);
    assert!(text.contains("no difference in"), "{text}");
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
    // Some row of speeds, but for builds that time none, which would have nothing left to do.
    let timed = env!("LANEPOOL_OPT_LEVEL") != "0";
    let quick = if timed { "--quick --cases 100 --filter alexnet" } else { "--quick --cases 100" };
    for args in ["--help", "--list", quick, "--no-bench --cases 20"] {
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
fn cases_are_compared_with_a_digest() {
    let line = stdout("--digest --cases 50 --seed 3");
    let digest = line.strip_prefix("digest ").unwrap().trim_end();
    let args = |digest| {
        format!("--json --no-bench --cases 50 --seed 3 --backend portable --against {digest}")
    };
    let same = json(self_test(&args(digest)));
    assert_eq!((&same["ok"], &same["checks"]["failed"]), (&true.into(), &0.into()));
    assert_eq!(same["checks"]["per_backend"][0]["cases"], 50);
    assert_eq!(same["checks"]["against"], digest);
    let other: Value =
        serde_json::from_str(&output(self_test(&args("0123456789abcdef")), 1).0).unwrap();
    assert_eq!((&other["ok"], &other["checks"]["failed"]), (&false.into(), &50.into()));
    output(self_test(&format!("--against {digest}")), 2);
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
