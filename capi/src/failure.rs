//! What becomes of errors and panics: a status, and a message for
//! [`lanepool_last_error`](crate::lanepool_last_error).

use core::any::Any;
use core::cell::RefCell;
use core::ffi::{CStr, c_char};
use lanepool::Error;
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// How a call went.
#[allow(non_camel_case_types, reason = "the name is C's")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub enum lanepool_status {
    /// Well.
    LANEPOOL_OK = 0,
    /// The description contradicts itself, a field has a value that there is not, or a size
    /// overflows.
    LANEPOOL_INVALID = 1,
    /// Sensible, but not offered: this op for this type, this backend on this CPU, a field of a
    /// later version.
    LANEPOOL_UNSUPPORTED = 2,
    /// A null or misaligned pointer, buffers that overlap, or a length that does not fit the plan.
    LANEPOOL_BUFFER = 3,
    /// A bug: a panic was caught at the boundary.
    LANEPOOL_INTERNAL = 4,
}

use lanepool_status::*;

impl lanepool_status {
    /// The name of the status of this number.
    pub(crate) fn name(number: i32) -> &'static CStr {
        let all = [
            (LANEPOOL_OK, c"LANEPOOL_OK"),
            (LANEPOOL_INVALID, c"LANEPOOL_INVALID"),
            (LANEPOOL_UNSUPPORTED, c"LANEPOOL_UNSUPPORTED"),
            (LANEPOOL_BUFFER, c"LANEPOOL_BUFFER"),
            (LANEPOOL_INTERNAL, c"LANEPOOL_INTERNAL"),
        ];
        let named = all.into_iter().find(|&(status, _)| status as i32 == number);
        named.map_or(c"unknown", |(_, name)| name)
    }
}

/// A status other than [`LANEPOOL_OK`], and why.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: lanepool_status,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { status: LANEPOOL_INVALID, message: message.into() }
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self { status: LANEPOOL_UNSUPPORTED, message: message.into() }
    }

    pub(crate) fn buffer(message: impl Into<String>) -> Self {
        Self { status: LANEPOOL_BUFFER, message: message.into() }
    }

    fn panicked(payload: &(dyn Any + Send)) -> Self {
        let what = payload.downcast_ref::<&str>().copied();
        let what = what.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = format!("a bug in lanepool, please report it: {}", what.unwrap_or("a panic"));
        Self { status: LANEPOOL_INTERNAL, message }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let status = match error {
            Error::Backend(_) | Error::Unsupported { .. } | Error::NotQuantized { .. } => {
                LANEPOOL_UNSUPPORTED
            }
            Error::Length { .. } | Error::ByteLength { .. } | Error::Misaligned { .. } => {
                LANEPOOL_BUFFER
            }
            _ => LANEPOOL_INVALID,
        };
        Self { status, message: error.to_string() }
    }
}

/// That there can be a `T` where a pointer points to, as far as the pointer tells.
pub(crate) fn check_pointer<T>(name: &str, pointer: *const T) -> Result<(), Failure> {
    if pointer.is_null() {
        return Err(Failure::buffer(format!("{name} is NULL")));
    }
    if !pointer.is_aligned() {
        let align = align_of::<T>();
        return Err(Failure::buffer(format!(
            "{name} is {pointer:p}, which is not a multiple of {align}"
        )));
    }
    Ok(())
}

thread_local! {
    static MESSAGE: RefCell<Option<CString>> = const { RefCell::new(None) };
}

/// What a function does that returns a status: its errors and panics are that status, and the
/// thread's message.
pub(crate) fn status(body: impl FnOnce() -> Result<(), Failure>) -> lanepool_status {
    let result = catch_unwind(AssertUnwindSafe(body))
        .unwrap_or_else(|payload| Err(Failure::panicked(&*payload)));
    let (status, message) = match result {
        Ok(()) => (LANEPOOL_OK, None),
        // C ends a string at the first NUL, which may have come with one of its names.
        Err(Failure { status, message }) => (status, CString::new(message.replace('\0', "")).ok()),
    };
    // A thread that is about to end has no message any more: its destructors may call us, too.
    let _ = MESSAGE.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            *last = message;
        }
    });
    status
}

/// What a function does that returns something else: `otherwise` is what comes of a panic.
pub(crate) fn value<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// The message of this thread.
pub(crate) fn message() -> *const c_char {
    let message = MESSAGE.try_with(|last| {
        let last = last.try_borrow().ok()?;
        last.as_deref().map(CStr::as_ptr)
    });
    message.ok().flatten().unwrap_or(c"".as_ptr())
}
