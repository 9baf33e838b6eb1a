//! Every backend against the reference.

use crate::options::Options;
use crate::progress;
use lanepool::check::{Case, Digest};
use lanepool::{BACKENDS, Backend, REFERENCE};
use serde::Serialize;

/// How many mismatches are told in full.
const TOLD: usize = 10;

/// What came out. Counts are of comparisons: a case on four backends is four.
#[derive(Serialize)]
pub(crate) struct Checks {
    pub(crate) seed: u64,
    pub(crate) cases: u64,
    pub(crate) failed: u64,
    pub(crate) per_backend: Vec<PerBackend>,
    /// The first few.
    pub(crate) mismatches: Vec<String>,
    /// The digest that all cases were compared with as one, if not each with the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) against: Option<String>,
}

#[derive(Serialize)]
pub(crate) struct PerBackend {
    #[serde(serialize_with = "name")]
    pub(crate) backend: &'static Backend,
    pub(crate) cases: u64,
    pub(crate) failed: u64,
}

fn name<S: serde::Serializer>(backend: &Backend, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(backend.name())
}

/// Compares the backends, and hashes the results of the selected one.
pub(crate) fn run(options: &Options, selected: &'static Backend) -> (Checks, Digest) {
    let mut digest = Digest::default();
    let mut mismatches = Vec::new();
    let mut per_backend: Vec<_> = BACKENDS
        .iter()
        // The reference would agree with itself whatever it computes.
        .filter(|backend| **backend != REFERENCE && backend.is_supported())
        .filter(|backend| options.wants(backend))
        .map(|backend| PerBackend { backend, cases: 0, failed: 0 })
        .collect();

    let bar = progress::bar(options.cases(), "checking");
    for i in bar.wrap_iter(0..options.cases()) {
        let case = Case::random(options.seed.wrapping_add(i));
        if !options.admit(case) || options.without == Some(case.element) {
            continue;
        }
        let reference =
            || case.run(&REFERENCE).expect("the reference is safe code, it stays in bounds");
        let want = options.against.is_none().then(reference);
        if let Some(want) = want.as_ref().filter(|_| *selected == REFERENCE) {
            digest.add(want);
        }
        for PerBackend { backend, cases, failed } in &mut per_backend {
            let got = case.run(backend).inspect(|got| {
                if *backend == selected {
                    digest.add(got);
                }
            });
            *cases += 1;
            let compare = |got: Vec<_>| match &want {
                Some(want) => case.compare(backend, &got, want),
                None => Ok(()),
            };
            if let Err(mismatch) = got.and_then(compare) {
                *failed += 1;
                if mismatches.len() < TOLD {
                    let again = format!("--backend {} --seed {}", backend.name(), case.seed);
                    mismatches.push(format!("{mismatch}; again: {again} --cases 1"));
                }
            }
        }
    }
    bar.finish_and_clear();
    if let Some(against) =
        options.against.as_ref().filter(|against| **against != digest.to_string())
    {
        for PerBackend { cases, failed, .. } in &mut per_backend {
            *failed = *cases;
        }
        mismatches.push(format!(
            "the digest is {digest}, not {against}; without --against, the reference tells where"
        ));
    }

    let checks = Checks {
        seed: options.seed,
        cases: per_backend.iter().map(|backend| backend.cases).sum(),
        failed: per_backend.iter().map(|backend| backend.failed).sum(),
        per_backend,
        mismatches,
        against: options.against.clone(),
    };
    (checks, digest)
}
