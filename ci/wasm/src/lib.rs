//! The agreement of `portable` with `reference` on wasm; see `run.mjs`.
use std::sync::atomic::{AtomicU32, Ordering};

static COUNT: AtomicU32 = AtomicU32::new(0);
static HI: AtomicU32 = AtomicU32::new(0);
static LO: AtomicU32 = AtomicU32::new(0);

/// Number of cases that differed.
#[unsafe(no_mangle)]
pub extern "C" fn check(seed: u32, cases: u32) -> u32 {
    let backend = lanepool_kernels::BACKENDS.iter().find(|b| b.name == "portable").unwrap();
    let (mut x, mut o, mut p) = (vec![0.; 140], vec![0.; 70], vec![0.; 70]);
    let (failed, digest) = lanepool_kernels::check(backend, seed.into(), cases, (&mut x, &mut o, &mut p));
    COUNT.store(cases, Ordering::Relaxed);
    HI.store((digest >> 32) as u32, Ordering::Relaxed);
    LO.store(digest as u32, Ordering::Relaxed);
    failed
}

/// Number of cases that the last `check` ran.
#[unsafe(no_mangle)]
pub extern "C" fn count() -> u32 {
    COUNT.load(Ordering::Relaxed)
}

/// Upper half of the digest.
#[unsafe(no_mangle)]
pub extern "C" fn digest_hi() -> u32 {
    HI.load(Ordering::Relaxed)
}

/// Lower half of the digest.
#[unsafe(no_mangle)]
pub extern "C" fn digest_lo() -> u32 {
    LO.load(Ordering::Relaxed)
}
