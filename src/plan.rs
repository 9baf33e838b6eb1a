//! A pooling that has been checked once and can be run often.

use crate::{Error, NanPolicy, Op};
use bytemuck::Pod;
use core::ops::Range;
use lanepool_kernels::{Backend, Geometry, Kernel, Kernels, Walk};

/// An element type that can be pooled: `f32`.
pub trait Element: Pod + Send + Sync + private::Sealed {
    /// The kernels of a backend for this type.
    #[doc(hidden)]
    fn kernels(backend: &Backend) -> &Kernels<Self>;
}

mod private {
    pub trait Sealed {}
    impl Sealed for f32 {}
}

impl Element for f32 {
    fn kernels(backend: &Backend) -> &Kernels<Self> {
        backend.kernels()
    }
}

/// Bytes of input and output that make it worth waking another thread, which takes some 20 µs: with less
/// than two of these, two threads were slower than one in all of the benches.
#[cfg(feature = "rayon")]
const GRAIN: usize = 3 << 19;

/// A pooling of tensors of one shape and layout, made by [`Pool::plan`](crate::Pool::plan).
///
/// It holds no memory of its own and is never changed by running, so that one plan serves any
/// number of threads. However it is run, the output has the same bits.
///
/// ```
/// use lanepool::{Layout, Plan, Pool2d, Shape};
///
/// let pool = Pool2d::average([2, 2]).stride([2, 2]);
/// let plan: Plan<f32> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 2, [3, 4]))?;
/// let input: Vec<f32> = (1..=24).map(|x| x as f32).collect();
/// let mut output = vec![0.0; plan.output_len()];
/// plan.run(&input, &mut output)?;
/// assert_eq!(output, [3.5, 5.5, 15.5, 17.5]);
/// # Ok::<(), lanepool::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Plan<T> {
    geometry: Geometry,
    kernel: Kernel<T>,
    backend: &'static Backend,
    rank: usize,
}

impl<T: Element> Plan<T> {
    pub(crate) fn new(
        geometry: Geometry,
        op: Op,
        nan_policy: NanPolicy,
        backend: &'static Backend,
        rank: usize,
    ) -> Self {
        let kernels = T::kernels(backend);
        let kernel = match (op, nan_policy) {
            (Op::Max, NanPolicy::Propagate) => kernels.max,
            (Op::Max, NanPolicy::Ignore) => kernels.max_number,
            (Op::Average, _) => kernels.mean,
        };
        Self { geometry, kernel, backend, rank }
    }

    /// Elements of the input.
    pub fn input_len(&self) -> usize {
        self.geometry.input_len()
    }

    /// Elements of the output.
    pub fn output_len(&self) -> usize {
        self.geometry.output_len()
    }

    /// The spatial size of the output; batch and channels are the input's.
    pub fn output_size(&self) -> Vec<usize> {
        self.geometry.axes()[3 - self.rank..].iter().map(|axis| axis.output).collect()
    }

    /// Rows of the output: one for each batch, channel (in channels first), depth and height.
    pub fn rows(&self) -> usize {
        self.geometry.rows()
    }

    /// Elements of an output row: the width, in channels last times the channels.
    pub fn row_len(&self) -> usize {
        self.geometry.row_len()
    }

    /// The backend whose kernel runs.
    pub fn backend(&self) -> &'static Backend {
        self.backend
    }

    /// The way that backends written by hand take over the windows.
    pub fn walk(&self) -> Walk {
        Walk::of(&self.geometry)
    }

    /// Pools, in this thread, without allocating.
    ///
    /// # Errors
    ///
    /// If a buffer does not have the length of the plan.
    pub fn run(&self, input: &[T], output: &mut [T]) -> Result<(), Error> {
        self.run_rows(0..self.rows(), input, output)
    }

    /// Pools some rows of the output, for callers with threads of their own. `output` holds these
    /// rows only, `input` is all of it.
    ///
    /// # Errors
    ///
    /// If there are no such rows, or if a buffer does not have the length of the plan.
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool2d, Shape};
    /// let plan: Plan<f32> =
    ///     Pool2d::max([2, 2]).plan(Layout::ChannelsFirst, Shape::new(1, 1, [3, 3]))?;
    /// let input = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
    /// let mut last_row = [0.0; 2];
    /// plan.run_rows(1..2, &input, &mut last_row)?;
    /// assert_eq!(last_row, [8.0, 9.0]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn run_rows(&self, rows: Range<usize>, input: &[T], output: &mut [T]) -> Result<(), Error> {
        if rows.start > rows.end || rows.end > self.rows() {
            return Err(Error::Rows { start: rows.start, end: rows.end, rows: self.rows() });
        }
        check_len("input", self.input_len(), input.len())?;
        check_len("output", rows.len() * self.row_len(), output.len())?;
        (self.kernel)(&self.geometry, rows, input, output);
        Ok(())
    }

    /// Pools on the threads of the current [rayon] pool; less than 3 MiB of input and output in this
    /// thread, since it would take longer to wake another.
    ///
    /// # Errors
    ///
    /// If a buffer does not have the length of the plan.
    #[cfg(feature = "rayon")]
    pub fn run_parallel(&self, input: &[T], output: &mut [T]) -> Result<(), Error> {
        use rayon::prelude::*;

        check_len("input", self.input_len(), input.len())?;
        check_len("output", self.output_len(), output.len())?;
        let threads = rayon::current_num_threads();
        let grains = (size_of_val(input) + size_of_val(output)) / GRAIN;
        if grains.min(threads) < 2 {
            return self.run(input, output);
        }
        // As many parts for each thread, some if there is enough to do: so one that is held up does
        // not hold up all.
        let parts = threads * (grains / threads).clamp(1, 4);
        let rows = self.rows().div_ceil(parts).max(1);
        if output.is_empty() {
            return Ok(());
        }
        output.par_chunks_mut(rows * self.row_len()).enumerate().try_for_each(|(i, output)| {
            let first = i * rows;
            self.run_rows(first..first + output.len() / self.row_len(), input, output)
        })
    }
}

fn check_len(buffer: &'static str, expected: usize, actual: usize) -> Result<(), Error> {
    if expected == actual { Ok(()) } else { Err(Error::Length { buffer, expected, actual }) }
}
