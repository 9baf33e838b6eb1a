//! A plan without its element type, and the buffers that it is run on.

use crate::desc::*;
use crate::failure::{Failure, check_pointer};
use core::ops::Range;
use core::slice;
use lanepool::{Backend, Element, Error, Layout, Plan, Pool, Shape, Strides, bf16, f16};
use rayon::ThreadPool;

/// A pooling of tensors of one description: checked, never changed, and run as often as you like.
#[allow(non_camel_case_types, reason = "the name is C's")]
pub struct lanepool_plan {
    pub(crate) erased: Box<dyn Erased>,
}

/// [`Plan`] of whatever element type.
pub(crate) trait Erased: Send + Sync {
    fn input_bytes(&self) -> usize;
    fn rows(&self) -> usize;
    fn row_bytes(&self) -> usize;
    fn output_size(&self) -> Vec<usize>;
    fn backend(&self) -> &'static Backend;
    fn useful_threads(&self) -> usize;
    fn run_rows(&self, rows: Range<usize>, input: &[u8], output: &mut [u8]) -> Result<(), Error>;
    fn run_with(&self, pool: &ThreadPool, input: &[u8], output: &mut [u8]) -> Result<(), Error>;
}

impl<T: Element> Erased for Plan<T> {
    fn input_bytes(&self) -> usize {
        self.input_len() * size_of::<T>()
    }

    fn rows(&self) -> usize {
        self.rows()
    }

    fn row_bytes(&self) -> usize {
        self.row_len() * size_of::<T>()
    }

    fn output_size(&self) -> Vec<usize> {
        self.output_size()
    }

    fn backend(&self) -> &'static Backend {
        self.backend()
    }

    fn useful_threads(&self) -> usize {
        self.useful_threads()
    }

    fn run_rows(&self, rows: Range<usize>, input: &[u8], output: &mut [u8]) -> Result<(), Error> {
        self.run_rows_bytes(rows, input, output)
    }

    fn run_with(&self, pool: &ThreadPool, input: &[u8], output: &mut [u8]) -> Result<(), Error> {
        self.run_parallel_bytes_with(pool, input, output)
    }
}

/// How the input lies in memory, with gaps if there are strides.
type Input<const D: usize> = (Layout, Shape<D>, Option<Strides<D>>);

/// The plan of a pooling for elements of one of the values of `type`.
pub(crate) fn erased<const D: usize>(
    r#type: u32,
    pool: &Pool<D>,
    backend: &'static Backend,
    input: Input<D>,
) -> Result<Box<dyn Erased>, Failure> {
    fn of<T: Element, const D: usize>(
        pool: &Pool<D>,
        backend: &'static Backend,
        (layout, shape, strides): Input<D>,
    ) -> Result<Box<dyn Erased>, Failure> {
        Ok(Box::new(match strides {
            Some(strides) => pool.plan_view_on::<T>(backend, layout, shape, strides)?,
            None => pool.plan_on::<T>(backend, layout, shape)?,
        }))
    }
    match r#type {
        LANEPOOL_F32 => of::<f32, D>(pool, backend, input),
        LANEPOOL_F64 => of::<f64, D>(pool, backend, input),
        LANEPOOL_F16 => of::<f16, D>(pool, backend, input),
        LANEPOOL_BF16 => of::<bf16, D>(pool, backend, input),
        LANEPOOL_I8 => of::<i8, D>(pool, backend, input),
        LANEPOOL_U8 => of::<u8, D>(pool, backend, input),
        LANEPOOL_I16 => of::<i16, D>(pool, backend, input),
        LANEPOOL_U16 => of::<u16, D>(pool, backend, input),
        LANEPOOL_I32 => of::<i32, D>(pool, backend, input),
        LANEPOOL_U32 => of::<u32, D>(pool, backend, input),
        LANEPOOL_I64 => of::<i64, D>(pool, backend, input),
        other => Err(unknown("type", other, LANEPOOL_I64)),
    }
}

/// A pointer and how many bytes it points to, so C says.
type Bytes<P> = (P, usize);

impl lanepool_plan {
    /// The plan that C means.
    ///
    /// # Safety
    ///
    /// If the pointer is not null, it is one of [`lanepool_plan_new`](crate::lanepool_plan_new)
    /// that has not been freed.
    pub(crate) unsafe fn from_c<'a>(plan: *const Self) -> Result<&'a Self, Failure> {
        check_pointer("plan", plan)?;
        // SAFETY: not null, and so a plan, which nothing changes before it is freed.
        Ok(unsafe { &*plan })
    }

    /// What to read and what to write for these rows, which there must be. What does not depend on
    /// the element type is checked here, the rest by the plan.
    ///
    /// # Safety
    ///
    /// If a pointer is not null, so many bytes are there to be read or written, and nobody else
    /// writes to them.
    pub(crate) unsafe fn buffers<'a>(
        &self,
        rows: &Range<usize>,
        (input, input_bytes): Bytes<*const u8>,
        (output, output_bytes): Bytes<*mut u8>,
    ) -> Result<(&'a [u8], &'a mut [u8]), Failure> {
        let input_end = end("input", self.erased.input_bytes(), input, input_bytes)?;
        let needed = rows.len() * self.erased.row_bytes();
        let output_end = end("output", needed, output, output_bytes)?;
        let both = input_bytes > 0 && output_bytes > 0;
        if both && input.addr() < output_end && output.addr() < input_end {
            return Err(Failure::buffer(format!(
                "the input, {input_bytes} bytes at {input:p}, and the output, \
                 {output_bytes} bytes at {output:p}, overlap"
            )));
        }
        // A pointer to nothing need not be one that Rust could have.
        let read = match input_bytes {
            0 => &[],
            // SAFETY: not null, and as long as the plan's tensor, which is less than half of the
            // address space.
            n => unsafe { slice::from_raw_parts(input, n) },
        };
        let written = match output_bytes {
            0 => &mut [],
            // SAFETY: the same, and it does not overlap what is read.
            n => unsafe { slice::from_raw_parts_mut(output, n) },
        };
        Ok((read, written))
    }
}

/// The address after a buffer that has the length of the plan and can be there.
fn end(
    buffer: &'static str,
    expected: usize,
    pointer: *const u8,
    actual: usize,
) -> Result<usize, Failure> {
    if actual != expected {
        return Err(Error::ByteLength { buffer, expected, actual }.into());
    }
    if actual > 0 {
        check_pointer(buffer, pointer)?;
    }
    pointer.addr().checked_add(actual).ok_or_else(|| {
        Failure::buffer(format!(
            "the {buffer}, {actual} bytes at {pointer:p}, reaches beyond the address space"
        ))
    })
}
