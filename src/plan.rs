//! A pooling that has been checked once and can be run often.

use crate::explain::{Explanation, Sizes};
use crate::monitor::Monitor;
use crate::{Error, Layout, NanPolicy, Op};
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
    pub(crate) geometry: Geometry,
    kernel: Kernel<T>,
    pub(crate) backend: &'static Backend,
    rank: usize,
    pub(crate) op: Op,
    pub(crate) origin: Origin,
    pub(crate) monitor: Monitor,
}

/// What a plan was made from and needs no more, but to tell of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin {
    pub(crate) layout: Layout,
    /// Whether the caller named the backend.
    pub(crate) named: bool,
}

impl<T: Element> Plan<T> {
    pub(crate) fn new(
        geometry: Geometry,
        op: Op,
        nan_policy: NanPolicy,
        backend: &'static Backend,
        rank: usize,
        origin: Origin,
    ) -> Self {
        let kernels = T::kernels(backend);
        let kernel = match (op, nan_policy) {
            (Op::Max, NanPolicy::Propagate) => kernels.max,
            (Op::Max, NanPolicy::Ignore) => kernels.max_number,
            (Op::Average, _) => kernels.mean,
        };
        let monitor = Monitor::default();
        let mut plan = Self { geometry, kernel, backend, rank, op, origin, monitor };
        plan.monitor = Monitor::of(&plan);
        plan
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

    /// What this plan will do, and why.
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool2d, Shape};
    /// let plan: Plan<f32> =
    ///     Pool2d::max([2, 2]).plan(Layout::ChannelsFirst, Shape::new(1, 64, [56, 56]))?;
    /// let explanation = plan.explain();
    /// assert_eq!(explanation.read_bytes, 64 * 56 * 56 * 4);
    /// assert_eq!(explanation.merges, 64 * 55 * 55 * 3);
    /// println!("{explanation}");
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn explain(&self) -> Explanation {
        Explanation::of(self)
    }

    /// The name of the element type.
    pub(crate) fn element(&self) -> &'static str {
        let name = core::any::type_name::<T>();
        name.rsplit_once("::").map_or(name, |(_, last)| last)
    }

    /// The walk of the kernel that runs.
    pub(crate) fn walk_taken(&self) -> Option<Walk> {
        T::kernels(self.backend).walk.map(|walk| walk(&self.geometry))
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes { geometry: self.geometry, layout: self.origin.layout, rank: self.rank }
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
        let kernel = self.kernel;
        Monitor::watch(self, rows.len(), 1, || kernel(&self.geometry, rows, input, output));
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
        let (threads, rows) = self.split();
        if threads < 2 {
            return self.run(input, output);
        }
        let kernel = self.kernel;
        Monitor::watch(self, self.rows(), threads, || {
            output.par_chunks_mut(rows * self.row_len()).enumerate().for_each(|(i, output)| {
                let first = i * rows;
                let rows = first..first + output.len() / self.row_len();
                kernel(&self.geometry, rows, input, output);
            });
        });
        Ok(())
    }

    /// The threads of the current rayon pool that get work to do, and the rows of a part of it.
    #[cfg(feature = "rayon")]
    fn split(&self) -> (usize, usize) {
        let threads = rayon::current_num_threads();
        let grains = (self.input_len() + self.output_len()) * size_of::<T>() / GRAIN;
        if grains.min(threads) < 2 {
            return (1, self.rows());
        }
        // As many parts for each thread, some if there is enough to do: so one that is held up does
        // not hold up all.
        let parts = threads * (grains / threads).clamp(1, 4);
        let rows = self.rows().div_ceil(parts);
        (threads.min(self.rows().div_ceil(rows)), rows)
    }

    /// The threads that get work to do where there are several.
    pub(crate) fn threads(&self) -> usize {
        #[cfg(feature = "rayon")]
        return self.split().0;
        #[cfg(not(feature = "rayon"))]
        1
    }
}

fn check_len(buffer: &'static str, expected: usize, actual: usize) -> Result<(), Error> {
    if expected == actual { Ok(()) } else { Err(Error::Length { buffer, expected, actual }) }
}
