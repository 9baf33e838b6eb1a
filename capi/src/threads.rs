//! The thread pools that runs on more than one thread share, each of which has one more: its caller.

use crate::failure::Failure;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::available_parallelism;

/// How many are kept for later runs.
const KEPT: usize = 4;

/// Those kept, of different numbers of threads, the last used at the end.
static POOLS: Mutex<Vec<Arc<ThreadPool>>> = Mutex::new(Vec::new());

/// The pool of the others for a run that C wants on so many threads, and that keeps at most `useful` of them
/// busy. None if the thread that calls is enough.
pub(crate) fn pool(wanted: u32, useful: usize) -> Result<Option<Arc<ThreadPool>>, Failure> {
    // Asking for the number of cores takes longer than many runs.
    static CORES: OnceLock<usize> = OnceLock::new();
    if wanted == 1 || useful < 2 {
        return Ok(None);
    }
    let cores = *CORES.get_or_init(|| available_parallelism().map_or(1, Into::into));
    match usize::try_from(wanted).unwrap_or(usize::MAX) {
        0 => of(cores - 1),
        n => of(n.min(cores) - 1),
    }
}

fn of(threads: usize) -> Result<Option<Arc<ThreadPool>>, Failure> {
    if threads == 0 {
        return Ok(None);
    }
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let kept = pools.iter().position(|pool| pool.current_num_threads() == threads);
    let pool = match kept {
        Some(i) => pools.remove(i),
        None => {
            let builder = ThreadPoolBuilder::new().num_threads(threads);
            let named = builder.thread_name(|i| format!("lanepool-{i}"));
            Arc::new(named.build().map_err(|error| {
                Failure::unsupported(format!("threads: {threads} of them do not start: {error}"))
            })?)
        }
    };
    pools.push(Arc::clone(&pool));
    // Runs that still have it go on.
    if pools.len() > KEPT {
        pools.remove(0);
    }
    Ok(Some(pool))
}
