//! Which backend runs: the best one, or the one that was asked for.

mod common;

use common::{again, supported};
use lanepool::{BACKENDS, Backend, Layout, Plan, Pool1d, REFERENCE, Shape};
use std::collections::HashSet;

/// The variable that names the backend to use.
const VARIABLE: &str = "LANEPOOL_BACKEND";

fn plan() -> Result<Plan<f32>, lanepool::Error> {
    Pool1d::max([2]).plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))
}

#[test]
fn names_are_different() {
    let names: HashSet<_> = BACKENDS.iter().map(Backend::name).collect();
    assert_eq!(names.len(), BACKENDS.len());
}

#[test]
fn the_order_is_fastest_first_and_the_reference_last() {
    let names: Vec<_> = BACKENDS.iter().map(Backend::name).collect();
    let everywhere = ["autovec", "portable", "scalar", "reference"];
    #[cfg(target_arch = "x86_64")]
    let by_hand: &[&str] = match cfg!(lanepool_without = "avx512") {
        true => &["avx2"],
        false => &["avx512", "avx2"],
    };
    #[cfg(target_arch = "x86_64")]
    assert_eq!(names, [by_hand, &everywhere].concat());
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    assert_eq!(names, [&["neon"][..], &everywhere].concat());
    assert!(names.ends_with(&everywhere));
    assert_eq!(BACKENDS.last(), Some(&REFERENCE));
}

#[test]
fn what_needs_no_features_is_supported_everywhere() {
    for name in ["autovec", "portable", "scalar", "reference"] {
        assert_eq!(Backend::named(name).map(Backend::name), Ok(name));
    }
}

#[test]
fn a_backend_is_supported_if_it_misses_nothing() {
    for backend in BACKENDS {
        let nothing_is_missing = backend.missing().next().is_none();
        assert_eq!(backend.is_supported(), nothing_is_missing, "{backend:?}");
        assert_eq!(Backend::named(backend.name()).is_ok(), nothing_is_missing, "{backend:?}");
    }
}

#[test]
fn support_is_what_the_standard_library_detects() {
    #[cfg(target_arch = "x86_64")]
    for (name, there) in [
        ("avx2", is_x86_feature_detected!("avx2")),
        (
            "avx512",
            cfg!(not(lanepool_without = "avx512"))
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl"),
        ),
    ] {
        assert_eq!(Backend::named(name).is_ok(), there, "{name}");
    }
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    assert!(Backend::named("neon").is_ok());
}

#[test]
fn the_fastest_is_the_first_that_is_supported() {
    assert_eq!(Some(Backend::fastest()), supported().next());
}

#[test]
fn a_plan_has_the_backend_that_was_asked_for() {
    for backend in supported() {
        let pool = Pool1d::max([2]);
        let shape = Shape::new(1, 1, [3]);
        let plan = pool.plan_on::<f32>(backend, Layout::ChannelsFirst, shape).unwrap();
        assert_eq!(plan.backend(), backend);
        assert_eq!(Backend::named(backend.name()), Ok(backend));
    }
}

/// The kernels of a backend are its own: a registry whose rows had been mixed up would compute the
/// same.
#[test]
fn no_two_backends_have_a_kernel_in_common() {
    let kernels = |backend: &Backend| {
        let kernels = backend.kernels();
        [kernels.f32.max, kernels.f32.max_number, kernels.f32.min].map(|kernel| kernel.run as usize)
    };
    let different: HashSet<_> = BACKENDS.iter().flat_map(kernels).collect();
    assert_eq!(different.len(), 3 * BACKENDS.len());
}

/// What a process finds whose environment is another one: this runs in it.
#[test]
#[ignore = "the tests below run it, in a process of its own"]
fn report() {
    match plan() {
        Ok(plan) => println!("plan: {}", plan.backend().name()),
        Err(error) => println!("error: {error}"),
    }
    match Backend::best() {
        Ok(backend) => println!("best: {}", backend.name()),
        Err(error) => println!("no best: {error}"),
    }
}

/// The two lines of a report under the given value of the variable.
fn report_with(value: Option<&str>) -> [String; 2] {
    let mut command = again("report");
    match value {
        Some(value) => command.env(VARIABLE, value),
        None => command.env_remove(VARIABLE),
    };
    let output = command.output().expect("a process");
    assert!(output.status.success(), "{output:?}");
    let stdout = String::from_utf8(output.stdout).expect("text");
    let mut lines = stdout.lines();
    let plan = lines.find_map(|line| {
        let at = line.find("plan: ").or_else(|| line.find("error: "))?;
        Some(line[at..].to_owned())
    });
    let best = lines.next().map(str::to_owned);
    [plan, best].map(|line| line.unwrap_or_else(|| panic!("a report in {stdout:?}")))
}

#[test]
fn by_default_the_first_supported_backend_runs() {
    let first = supported().next().expect("the reference at least").name();
    assert_eq!(report_with(None), [format!("plan: {first}"), format!("best: {first}")]);
}

#[test]
fn the_environment_forces_a_backend() {
    for name in supported().map(Backend::name) {
        assert_eq!(report_with(Some(name)), [format!("plan: {name}"), format!("best: {name}")]);
    }
}

#[test]
fn a_name_that_means_nothing_is_an_error_and_no_fallback() {
    let there: Vec<_> = supported().map(Backend::name).collect();
    for name in ["sse9", "", "AVX2", "scalar "] {
        let message = format!("there is no backend {name:?}; to be had here: {}", there.join(", "));
        let wanted = [format!("error: {message}"), format!("no best: {message}")];
        assert_eq!(report_with(Some(name)), wanted);
    }
}

#[test]
fn a_backend_that_is_not_supported_is_an_error_and_no_fallback() {
    let Some(backend) = BACKENDS.iter().find(|backend| !backend.is_supported()) else {
        println!("skipped: this CPU can run all of {BACKENDS:?}");
        return;
    };
    let [plan, _] = report_with(Some(backend.name()));
    let missing: Vec<_> = backend.missing().collect();
    let wanted = format!("the backend {:?} needs {}", backend.name(), missing.join(", "));
    assert!(plan.starts_with(&format!("error: {wanted}, which this CPU lacks")), "{plan}");
}
