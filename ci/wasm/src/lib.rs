//! The agreement of `portable` with `reference` on wasm; run by `run.mjs`.

use lanepool::{Backend, check::digest};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

static COUNT: AtomicU64 = AtomicU64::new(0);
static DIGEST: AtomicU64 = AtomicU64::new(0);

/// Checks so many cases of a seed; gives how many differed.
#[unsafe(no_mangle)]
pub extern "C" fn check(seed: u32, cases: u32) -> u32 {
    let portable = Backend::named("portable").expect("compiled in everywhere");
    let (failed, digest) = digest(portable, seed.into(), cases.into());
    COUNT.store(cases.into(), Relaxed);
    DIGEST.store(digest, Relaxed);
    failed as u32
}

/// How many cases the last `check` ran.
#[unsafe(no_mangle)]
pub extern "C" fn count() -> u32 {
    COUNT.load(Relaxed) as u32
}

/// The upper half of its digest.
#[unsafe(no_mangle)]
pub extern "C" fn digest_hi() -> u32 {
    (DIGEST.load(Relaxed) >> 32) as u32
}

/// The lower half of its digest.
#[unsafe(no_mangle)]
pub extern "C" fn digest_lo() -> u32 {
    DIGEST.load(Relaxed) as u32
}
