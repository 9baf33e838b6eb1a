//! The C interface of lanepool. Its documentation is in the header, `include/lanepool.h`, which is
//! made from the comments here: they speak to those who write C.
//!
//! - `desc` is the description that C hands over, and how it becomes a `Pool`; a new value of one
//!   of its fields is a line there.
//! - `plan` forgets the element type of a `Plan`; a new element type is a line there.
//! - `failure` is what becomes of errors and panics.
//! - `threads` keeps the thread pools.
#![allow(
    clippy::missing_safety_doc,
    reason = "what a caller has to see to is said once, at the head of the header"
)]

mod desc;
mod failure;
mod plan;
mod threads;

#[cfg(test)]
mod tests;

pub use desc::*;
pub use failure::lanepool_status;
pub use plan::lanepool_plan;

use core::ffi::{CStr, c_char};
use core::ptr;
use failure::{check_pointer, status, value};
use lanepool::{BACKENDS, Backend, Error};
use std::ffi::CString;
use std::sync::OnceLock;

const VERSION: &CStr =
    match CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("a version without NUL"),
    };

/// Checks a description and makes a plan of it. On error `*plan` is NULL, and lanepool_last_error()
/// says which field is wrong and why.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lanepool_plan_new(
    desc: *const lanepool_desc,
    plan: *mut *mut lanepool_plan,
) -> lanepool_status {
    status(|| {
        check_pointer("plan", plan)?;
        // SAFETY: it is neither null nor misaligned, and the caller's to be written to.
        unsafe { plan.write(ptr::null_mut()) };
        // SAFETY: the caller says that there is a description, or the pointer is null.
        let desc = unsafe { lanepool_desc::read(desc) }?;
        // SAFETY: the caller says that `backend` is a string or null.
        let backend = unsafe { desc.backend() }?;
        let made = Box::new(lanepool_plan::new(&desc, backend)?);
        // SAFETY: as above.
        unsafe { plan.write(Box::into_raw(made)) };
        Ok(())
    })
}

/// Frees a plan that no thread runs any more. NULL is nothing to free.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lanepool_plan_free(plan: *mut lanepool_plan) {
    value((), || {
        if check_pointer("plan", plan).is_ok() {
            // SAFETY: plans are made by `Box::into_raw`, and the caller frees each once.
            drop(unsafe { Box::from_raw(plan) });
        }
    });
}

/// The spatial size of the output: writes `rank` values, outermost axis first. Batch and channels
/// are the input's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lanepool_plan_output_size(
    plan: *const lanepool_plan,
    size: *mut usize,
) -> lanepool_status {
    status(|| {
        // SAFETY: the caller says that it is a plan, or null.
        let plan = unsafe { lanepool_plan::from_c(plan) }?;
        check_pointer("size", size)?;
        for (i, axis) in plan.erased.output_size().into_iter().enumerate() {
            // SAFETY: the caller has room for `rank` values, and there are no more.
            let to = unsafe { size.add(i) };
            // SAFETY: aligned, since `size` is.
            unsafe { to.write(axis) };
        }
        Ok(())
    })
}

/// The name of the backend whose kernel runs; valid for ever. NULL if `plan` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lanepool_plan_backend(plan: *const lanepool_plan) -> *const c_char {
    // SAFETY: the caller says that it is a plan, or null.
    unsafe { about(plan, ptr::null(), |plan| backend_name(plan.erased.backend())) }
}

/// Pools. A plan may be run from many threads at once.
///
/// Lengths are in bytes and must be exactly the plan's: lanepool_plan_input_bytes() and
/// lanepool_plan_output_bytes(). Both pointers are aligned as their elements are; one to 0 bytes may
/// be NULL. Input and output must not overlap. On error nothing is written.
///
/// `threads`: 1 is this thread only, n is at most n, 0 is all cores. There are never more than cores
/// nor more than have enough to do: with less than 1.25 MiB of input and output it is this thread only.
/// Others are started by the first run that needs them, and kept for later ones, those of the four
/// numbers of threads that were used last. The output has the same bits for any number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lanepool_plan_run(
    plan: *const lanepool_plan,
    input: *const core::ffi::c_void,
    input_bytes: usize,
    output: *mut core::ffi::c_void,
    output_bytes: usize,
    threads: u32,
) -> lanepool_status {
    status(|| {
        // SAFETY: the caller says that it is a plan, or null.
        let plan = unsafe { lanepool_plan::from_c(plan) }?;
        let rows = 0..plan.erased.rows();
        // SAFETY: the caller says that so many bytes are there, and no one else writes to them.
        let (input, output) = unsafe {
            plan.buffers(&rows, (input.cast(), input_bytes), (output.cast(), output_bytes))
        }?;
        match threads::pool(threads, plan.erased.useful_threads())? {
            Some(pool) => plan.erased.run_with(&pool, input, output)?,
            None => plan.erased.run_rows(rows, input, output)?,
        }
        Ok(())
    })
}

/// The bytes of the input; with strides those from its first element to its last, with what is between
/// them. 0 if `plan` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lanepool_plan_input_bytes(plan: *const lanepool_plan) -> usize {
    // SAFETY: the caller says that it is a plan, or null.
    unsafe { about(plan, 0, |plan| plan.erased.input_bytes()) }
}

/// The bytes of the output; 0 if `plan` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lanepool_plan_output_bytes(plan: *const lanepool_plan) -> usize {
    // SAFETY: the caller says that it is a plan, or null.
    unsafe { about(plan, 0, |plan| plan.erased.rows() * plan.erased.row_bytes()) }
}

/// The rows of the output: one for each batch, channel (in channels first) or block of channels, depth
/// and height. 0 if `plan` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lanepool_plan_rows(plan: *const lanepool_plan) -> usize {
    // SAFETY: the caller says that it is a plan, or null.
    unsafe { about(plan, 0, |plan| plan.erased.rows()) }
}

/// The bytes of a row of the output: of the width, in channels last times the channels, in blocks times
/// those of a block. 0 if `plan` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lanepool_plan_row_bytes(plan: *const lanepool_plan) -> usize {
    // SAFETY: the caller says that it is a plan, or null.
    unsafe { about(plan, 0, |plan| plan.erased.row_bytes()) }
}

/// Pools `count` rows of the output from row `first` on, in this thread, for callers with threads
/// of their own.
///
/// As lanepool_plan_run(), but `output` holds these rows only: `count` times
/// lanepool_plan_row_bytes(). `input` is all of it. Rows that there are not are LANEPOOL_INVALID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lanepool_plan_run_rows(
    plan: *const lanepool_plan,
    first: usize,
    count: usize,
    input: *const core::ffi::c_void,
    input_bytes: usize,
    output: *mut core::ffi::c_void,
    output_bytes: usize,
) -> lanepool_status {
    status(|| {
        // SAFETY: the caller says that it is a plan, or null.
        let plan = unsafe { lanepool_plan::from_c(plan) }?;
        let rows = plan.erased.rows();
        let end = first.saturating_add(count);
        if end > rows {
            return Err(Error::Rows { start: first, end, rows }.into());
        }
        let rows = first..end;
        // SAFETY: the caller says that so many bytes are there, and no one else writes to them.
        let (input, output) = unsafe {
            plan.buffers(&rows, (input.cast(), input_bytes), (output.cast(), output_bytes))
        }?;
        plan.erased.run_rows(rows, input, output)?;
        Ok(())
    })
}

/// How many backends are compiled in.
#[unsafe(no_mangle)]
pub extern "C" fn lanepool_backend_count() -> usize {
    BACKENDS.len()
}

/// The name of a backend, the fastest first; valid for ever. NULL past the end.
#[unsafe(no_mangle)]
pub extern "C" fn lanepool_backend_name(index: usize) -> *const c_char {
    value(ptr::null(), || BACKENDS.get(index).map_or(ptr::null(), backend_name))
}

/// Whether this CPU can run a backend. false past the end.
#[unsafe(no_mangle)]
pub extern "C" fn lanepool_backend_supported(index: usize) -> bool {
    value(false, || BACKENDS.get(index).is_some_and(Backend::is_supported))
}

/// Why the last call of this thread that returned a status returned another than LANEPOOL_OK; "" if
/// it returned that, or if there was none. Valid until the next call of this thread that returns a
/// status.
#[unsafe(no_mangle)]
pub extern "C" fn lanepool_last_error() -> *const c_char {
    failure::message()
}

/// The name of a status, "LANEPOOL_OK" for example; "unknown" if there is no such status. Valid for
/// ever.
#[unsafe(no_mangle)]
pub extern "C" fn lanepool_status_name(status: i32) -> *const c_char {
    lanepool_status::name(status).as_ptr()
}

/// The version of the library, "0.1.0" for example; valid for ever.
#[unsafe(no_mangle)]
pub extern "C" fn lanepool_version() -> *const c_char {
    VERSION.as_ptr()
}

/// What a plan says of itself, or `otherwise` for want of one.
///
/// # Safety
///
/// `plan` is null or a plan.
unsafe fn about<T: Copy>(
    plan: *const lanepool_plan,
    otherwise: T,
    say: impl FnOnce(&lanepool_plan) -> T,
) -> T {
    value(otherwise, || {
        // SAFETY: it is a plan or null, as is said above.
        match unsafe { lanepool_plan::from_c(plan) } {
            Ok(plan) => say(plan),
            Err(_) => otherwise,
        }
    })
}

/// The name of a backend with the NUL that C wants behind it.
fn backend_name(backend: &Backend) -> *const c_char {
    static NAMES: OnceLock<Vec<CString>> = OnceLock::new();
    let names = NAMES.get_or_init(|| {
        BACKENDS.iter().map(|backend| CString::new(backend.name()).unwrap_or_default()).collect()
    });
    let same = names.iter().find(|name| name.to_bytes() == backend.name().as_bytes());
    same.map_or(ptr::null(), |name| name.as_ptr())
}
