//! The peers that are Rust, and the loop that times all of them, for `python/` to call.

mod burn;
mod candle;
mod lanepool;
mod rten;
mod tract;

use std::error::Error;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::slice;
use std::time::{Duration, Instant};

/// A pooling of one tensor; `cases.py` has the same fields.
///
/// Axes are depth, height and width, and those that are not there are 1 (their padding 0).
#[repr(C)]
pub struct Case {
    dims: usize,
    max: bool,
    channels_last: bool,
    batch: usize,
    channels: usize,
    size: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    padding: [usize; 3],
    output: [usize; 3],
    threads: usize,
}

impl Case {
    /// The entries of the axes that are there.
    fn axes<'a>(&self, of: &'a [usize; 3]) -> &'a [usize] {
        &of[3 - self.dims..]
    }

    /// The same of the last `D` axes.
    fn last<const D: usize>(of: &[usize; 3]) -> [usize; D] {
        std::array::from_fn(|i| of[3 - D + i])
    }

    /// The sizes of a tensor of these axes, in the order of its memory.
    fn shape(&self, axes: &[usize; 3]) -> Vec<usize> {
        let axes = self.axes(axes);
        match self.channels_last {
            false => [&[self.batch, self.channels], axes].concat(),
            true => [&[self.batch], axes, &[self.channels]].concat(),
        }
    }
}

/// A peer that has been prepared for a case.
trait Peer {
    /// What is timed. Those that cannot write to a buffer of ours keep their result.
    fn run(&mut self, input: &[f32], output: &mut [f32]);

    /// Writes the result that was kept, in the order of the case's layout.
    fn fetch(&mut self, _output: &mut [f32]) {}
}

/// Nothing, if the peer cannot do the case.
type Made = Result<Option<Box<dyn Peer>>, Box<dyn Error>>;

#[allow(deprecated, reason = "burn-ndarray gives way to burn-flex, but is what most have")]
fn prepare(name: &str, case: &Case, input: &[f32]) -> Made {
    match name {
        "lanepool" => lanepool::prepare(case, None),
        "lanepool-avx2" => lanepool::prepare(case, Some("avx2")),
        "floor" => lanepool::floor(case),
        "burn-ndarray" => burn::prepare::<burn_ndarray::NdArray>(case, input),
        "burn-flex" if case.channels_last => Ok(None), // it makes a copy, channels first
        "burn-flex" => burn::prepare::<burn_flex::Flex>(case, input),
        "candle" => candle::prepare(case, input),
        "rten" => rten::prepare(case),
        "tract" => tract::prepare(case, input),
        _ => Err(format!("there is no peer {name}").into()),
    }
}

/// A peer and the buffers of its caller.
pub struct Job {
    peer: Box<dyn Peer>,
    input: &'static [f32],
    output: &'static mut [f32],
}

/// A job, or null if the peer cannot do the case.
///
/// # Safety
///
/// `name` is a string, and the buffers have the case's sizes and outlive the job.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn job_new(
    name: *const c_char,
    case: &Case,
    input: *const f32,
    output: *mut f32,
) -> Option<Box<Job>> {
    let name = unsafe { CStr::from_ptr(name) }.to_str().expect("names are ASCII");
    let len = |axes| case.shape(axes).iter().product();
    let input = unsafe { slice::from_raw_parts(input, len(&case.size)) };
    let output = unsafe { slice::from_raw_parts_mut(output, len(&case.output)) };
    match prepare(name, case, input) {
        Ok(peer) => peer.map(|peer| Box::new(Job { peer, input, output })),
        Err(error) => {
            eprintln!("{name}: {error}");
            None
        }
    }
}

/// Runs a job once; the result has no meaning.
#[unsafe(no_mangle)]
pub extern "C" fn job_run(job: &mut Job) -> *mut c_void {
    job.peer.run(job.input, job.output);
    std::ptr::null_mut()
}

/// Has the result of the last run in the output buffer.
#[unsafe(no_mangle)]
pub extern "C" fn job_fetch(job: &mut Job) {
    job.peer.fetch(job.output);
}

/// Ends a job.
#[unsafe(no_mangle)]
pub extern "C" fn job_drop(_: Box<Job>) {}

/// The least time of a call in nanoseconds, of as many as fit into `micros` and at least three.
///
/// # Safety
///
/// `call` can be called with `context`, from this thread, any number of times.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn least_time(
    call: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    context: *mut c_void,
    micros: c_int,
) -> f64 {
    let end = Instant::now() + Duration::from_micros(micros as u64);
    let (mut least, mut calls) = (Duration::MAX, 0);
    let mut start = Instant::now();
    while calls < 3 || start < end {
        unsafe { call(context) };
        let now = Instant::now();
        least = least.min(now - start);
        calls += 1;
        start = now;
    }
    least.as_secs_f64() * 1e9
}
