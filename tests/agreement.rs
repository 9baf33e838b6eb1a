//! Every backend computes what the reference computes, and touches nothing else.

use lanepool::check::Case;
use lanepool::{BACKENDS, REFERENCE};

#[test]
fn backends_agree_with_the_reference() {
    let cases = std::env::var("LANEPOOL_CASES").map_or(6000, |n| n.parse().expect("a number"));
    let backends = BACKENDS.iter().filter(|backend| **backend != REFERENCE);
    let (supported, missing): (Vec<_>, Vec<_>) = backends.partition(|b| b.is_supported());
    for backend in missing {
        println!(
            "skipped: {} (this CPU lacks {})",
            backend.name(),
            backend.missing().collect::<Vec<_>>().join(", ")
        );
    }
    let mut checked = 0;
    for case in (0..cases).map(Case::random) {
        let want = case.run(&REFERENCE).unwrap();
        for backend in &supported {
            let got = case.run(backend).unwrap_or_else(|mismatch| panic!("{mismatch}"));
            case.compare(backend, &got, &want).unwrap_or_else(|mismatch| panic!("{mismatch}"));
            checked += 1;
        }
    }
    assert!(checked >= 3 * cases, "scalar, portable and autovec run everywhere");
}
