//! A pooling that has been checked once and can be run often.

use crate::explain::{Explanation, Sizes};
use crate::monitor::Monitor;
use crate::{Error, Layout, NanPolicy, Op, bf16, f16};
use bytemuck::Pod;
use core::ops::Range;
use lanepool_kernels::{Backend, Geometry, Kernel, Kernels, Walk};
#[cfg(feature = "rayon")]
use rayon::Scope;
#[cfg(feature = "rayon")]
use std::sync::{Mutex, PoisonError};

/// An element type that can be pooled: `f32`, `f64`, [`f16`](struct@f16), [`bf16`], `i8`, `u8`, `i16`, `u16`, `i32`,
/// `u32`, `i64`.
///
/// Maxima and minima are for all of them, averages and sums for all but `u32` and `i64`, norms for
/// floating-point numbers. [`f16`](struct@f16) and [`bf16`] are summed in `f32`, and rounded once, to nearest even.
/// Integers are summed exactly; an average is rounded as [told](crate::Pool::rounding), and one that the
/// type does not hold becomes its least or greatest value. Those of up to 32 bits, but for `u32`, may be
/// [quantised](crate::Pool::quantized).
///
/// ```
/// use lanepool::{Element, Error, Layout, Pool1d, Shape};
///
/// fn pooled<T: Element>(pool: Pool1d, input: &[T]) -> Result<Vec<T>, Error> {
///     let plan = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [input.len()]))?;
///     let mut output = vec![T::zeroed(); plan.output_len()];
///     plan.run(input, &mut output)?;
///     Ok(output)
/// }
/// assert_eq!(pooled(Pool1d::average([2]), &[1u8, 2, 4])?, [2, 3]);
/// assert_eq!(pooled(Pool1d::average([2]), &[1.0, 2.0, 4.0])?, [1.5, 3.0]);
/// assert!(pooled(Pool1d::average([2]), &[1i64, 2, 4]).is_err());
/// # Ok::<(), lanepool::Error>(())
/// ```
pub trait Element: Pod + Send + Sync + private::Sealed {
    /// The kernels of a backend for this type.
    #[doc(hidden)]
    fn kernels(backend: &Backend) -> &Kernels<Self>;

    /// The type's name in Rust.
    #[doc(hidden)]
    const NAME: &'static str;

    /// Its least and greatest value, if it may be [quantised](crate::Pool::quantized).
    #[doc(hidden)]
    const QUANTIZED: Option<(i32, i32)> = None;
}

mod private {
    pub trait Sealed {}
}

macro_rules! elements {
    ($($element:ident $(from $least:expr)?),*) => { $(
        impl private::Sealed for $element {}

        impl Element for $element {
            $(const QUANTIZED: Option<(i32, i32)> = Some(($least as i32, Self::MAX as i32));)?
            const NAME: &'static str = stringify!($element);

            fn kernels(backend: &Backend) -> &Kernels<Self> {
                &backend.kernels().$element
            }
        }
    )* };
}

elements!(
    f32, f64, f16, bf16, i8 from Self::MIN, u8 from Self::MIN, i16 from Self::MIN, u16 from Self::MIN,
    i32 from Self::MIN, u32, i64
);

/// Bytes of input and output that make it worth waking another thread, which takes some 20 µs: with less than two of
/// these, two threads often took as long as one.
#[cfg(feature = "rayon")]
const GRAIN: usize = 5 << 17;

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
    ) -> Result<Self, Error> {
        let kernels = T::kernels(backend);
        let kernel = match (op, nan_policy) {
            (Op::Max, NanPolicy::Propagate) => Some(kernels.max),
            (Op::Max, NanPolicy::Ignore) => Some(kernels.max_number),
            (Op::Min, NanPolicy::Propagate) => Some(kernels.min),
            (Op::Min, NanPolicy::Ignore) => Some(kernels.min_number),
            (Op::Average | Op::Sum, _) if geometry.requantization().is_some() => {
                kernels.quantized_mean
            }
            (Op::Average | Op::Sum, _) => kernels.mean,
            (Op::Lp(p), _) => kernels.norms.as_ref().map(|norms| match p.get() {
                1.0 => norms.norm_1,
                2.0 => norms.norm_2,
                f64::INFINITY => norms.norm_max,
                _ => norms.norm_p,
            }),
        };
        let kernel = kernel.ok_or(Error::Unsupported { op, element: T::NAME })?;
        let monitor = Monitor::default();
        let mut plan = Self { geometry, kernel, backend, rank, op, origin, monitor };
        plan.monitor = Monitor::of(&plan);
        Ok(plan)
    }

    /// Elements of the input; of a [view](crate::Pool::plan_view) those from its first to its last, with
    /// what is between them.
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool2d, Shape};
    /// let plan: Plan<f32> =
    ///     Pool2d::max([2, 2]).plan(Layout::ChannelsFirst, Shape::new(5, 3, [8, 9]))?;
    /// assert_eq!((plan.input_len(), plan.output_len()), (5 * 3 * 8 * 9, 5 * 3 * 7 * 8));
    /// assert_eq!(plan.output_size(), [7, 8]);
    /// assert_eq!((plan.rows(), plan.row_len()), (5 * 3 * 7, 8));
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn input_len(&self) -> usize {
        self.geometry.input_len()
    }

    /// Elements of the output.
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool2d, Shape};
    /// let plan: Plan<f32> =
    ///     Pool2d::max([2, 2]).plan(Layout::ChannelsFirst, Shape::new(5, 3, [8, 9]))?;
    /// assert_eq!(plan.output_len(), 5 * 3 * 7 * 8);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn output_len(&self) -> usize {
        self.geometry.output_len()
    }

    /// The spatial size of the output; batch and channels are the input's.
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool2d, Shape};
    /// let plan: Plan<f32> =
    ///     Pool2d::max([2, 2]).plan(Layout::ChannelsFirst, Shape::new(5, 3, [8, 9]))?;
    /// assert_eq!(plan.output_size(), [7, 8]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn output_size(&self) -> Vec<usize> {
        self.geometry.axes()[3 - self.rank..].iter().map(|axis| axis.output).collect()
    }

    /// Rows of the output: one for each batch, channel (in channels first) or block of channels, depth
    /// and height.
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool2d, Shape};
    /// let rows = |layout| -> Result<usize, lanepool::Error> {
    ///     let plan: Plan<f32> = Pool2d::max([2, 2]).plan(layout, Shape::new(5, 3, [8, 9]))?;
    ///     assert_eq!(plan.rows() * plan.row_len(), plan.output_len());
    ///     Ok(plan.rows())
    /// };
    /// assert_eq!(rows(Layout::ChannelsFirst)?, 5 * 3 * 7);
    /// assert_eq!(rows(Layout::ChannelsLast)?, 5 * 7);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn rows(&self) -> usize {
        self.geometry.rows()
    }

    /// Elements of an output row: the width, in channels last times the channels, in blocks times those
    /// of a block.
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool2d, Shape};
    /// let plan: Plan<f32> =
    ///     Pool2d::max([2, 2]).plan(Layout::ChannelsFirst, Shape::new(5, 3, [8, 9]))?;
    /// assert_eq!(plan.row_len(), 8);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn row_len(&self) -> usize {
        self.geometry.row_len()
    }

    /// The backend whose kernel runs.
    ///
    /// ```
    /// # use lanepool::{Backend, Layout, Plan, Pool1d, Shape};
    /// let shape = Shape::new(1, 1, [3]);
    /// let plan: Plan<f32> = Pool1d::max([2]).plan(Layout::ChannelsFirst, shape)?;
    /// assert_eq!(plan.backend(), Backend::best()?);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn backend(&self) -> &'static Backend {
        self.backend
    }

    /// The way that maxima and averages of `f32` take over these windows, on backends whose vectors are
    /// written by hand. Other types, operations and backends may have a plainer one:
    /// [`explain`](Self::explain) says which this plan takes.
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool2d, Shape, Walk};
    /// let pool = Pool2d::max([3, 3]).stride([2, 2]);
    /// let plan: Plan<f32> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 64, [28, 28]))?;
    /// assert_eq!(plan.walk(), Walk::Halved);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn walk(&self) -> Walk {
        Walk::of(&self.geometry)
    }

    /// How many threads have enough to do that waking them pays, at least 1: one for every 640 KiB
    /// of input and output. With 1, [`run_parallel`](Self::run_parallel) stays in its thread.
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool2d, Shape};
    /// let shape = Shape::new(1, 128, [112, 112]);
    /// let plan: Plan<f32> = Pool2d::max([2, 2]).stride([2, 2]).plan(Layout::ChannelsFirst, shape)?;
    /// assert_eq!(plan.useful_threads(), 12); // 8 MB
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    #[cfg(feature = "rayon")]
    pub fn useful_threads(&self) -> usize {
        ((self.geometry.elements() + self.output_len()) * size_of::<T>() / GRAIN).max(1)
    }

    /// What this plan will do, and why: its walk among it, which need not be that of [`walk`](Self::walk).
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

    /// The walk of the kernel that runs.
    pub(crate) fn walk_taken(&self) -> Option<Walk> {
        self.kernel.walk.map(|walk| walk(&self.geometry))
    }

    /// Elements of a vector of the kernel that runs.
    pub(crate) fn lanes(&self) -> usize {
        self.kernel.lanes
    }

    pub(crate) fn sizes(&self) -> Sizes {
        Sizes { geometry: self.geometry, layout: self.origin.layout, rank: self.rank }
    }

    /// Pools, in this thread, without allocating. `input` and `output` have the plan's layout, and
    /// [`input_len`](Self::input_len) and [`output_len`](Self::output_len) elements.
    ///
    /// # Errors
    ///
    /// If a buffer does not have the length of the plan.
    ///
    /// ```
    /// # use lanepool::{Error, Layout, Plan, Pool1d, Shape};
    /// let plan: Plan<f32> = Pool1d::max([2]).plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let mut output = [0.0; 2];
    /// plan.run(&[1.0, 3.0, 2.0], &mut output)?;
    /// assert_eq!(output, [3.0, 3.0]);
    ///
    /// let error = plan.run(&[1.0, 3.0], &mut output).unwrap_err();
    /// assert_eq!(error, Error::Length { buffer: "input", expected: 3, actual: 2 });
    /// # Ok::<(), lanepool::Error>(())
    /// ```
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
        self.check_rows(&rows)?;
        check_len("input", self.input_len(), input.len())?;
        check_len("output", rows.len() * self.row_len(), output.len())?;
        Monitor::watch(self, rows.len(), 1, || {
            self.kernel.pool(&self.geometry, rows, input, output);
        });
        Ok(())
    }

    /// Pools in this thread and on others of the current [rayon] pool, which take some rows after the other until none
    /// are left, or, where there are fewer rows than threads, parts of one; less than 1.25 MiB of input and output in this
    /// thread alone, since it would take longer to wake another.
    ///
    /// # Errors
    ///
    /// If a buffer does not have the length of the plan.
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool2d, Shape};
    /// let plan: Plan<f32> =
    ///     Pool2d::max([2, 2]).plan(Layout::ChannelsFirst, Shape::new(1, 64, [120, 120]))?;
    /// let input: Vec<f32> = (0..plan.input_len()).map(|i| (i % 1000) as f32).collect();
    /// let (mut one, mut many) = (vec![0.0; plan.output_len()], vec![0.0; plan.output_len()]);
    /// plan.run(&input, &mut one)?;
    /// plan.run_parallel(&input, &mut many)?;
    /// assert_eq!(one, many);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    #[cfg(feature = "rayon")]
    pub fn run_parallel(&self, input: &[T], output: &mut [T]) -> Result<(), Error> {
        self.run_among(None, input, output)
    }

    /// As [`run_parallel_bytes`](Self::run_parallel_bytes), in this thread and on those of `pool`, of which it is none.
    ///
    /// # Errors
    ///
    /// Those of [`run_bytes`](Self::run_bytes).
    #[cfg(feature = "rayon")]
    #[doc(hidden)]
    pub fn run_parallel_bytes_with(
        &self,
        pool: &rayon::ThreadPool,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), Error> {
        let (input, output) = self.elements(self.rows(), input, output)?;
        self.run_among(Some(pool), input, output)
    }

    /// Pools in this thread and on those of `pool`, or on others of the current one.
    #[cfg(feature = "rayon")]
    fn run_among(
        &self,
        pool: Option<&rayon::ThreadPool>,
        input: &[T],
        output: &mut [T],
    ) -> Result<(), Error> {
        check_len("input", self.input_len(), input.len())?;
        check_len("output", self.output_len(), output.len())?;
        let threads =
            pool.map_or_else(rayon::current_num_threads, |pool| pool.current_num_threads() + 1);
        let (threads, part) = self.split(threads);
        if threads < 2 {
            return self.run(input, output);
        }
        Monitor::watch(self, self.rows(), threads, || match part {
            Part::Rows(rows) => {
                let parts = output.chunks_mut(rows * self.row_len()).enumerate();
                among(pool, threads, parts, |(i, output)| {
                    let first = i * rows;
                    let rows = first..first + output.len() / self.row_len();
                    self.kernel.pool(&self.geometry, rows, input, output);
                });
            }
            Part::Windows(windows) => {
                let inner = self.geometry.inner();
                let rows = output.chunks_mut(self.row_len()).enumerate();
                let parts = rows.flat_map(|(row, output)| {
                    let parts = output.chunks_mut(windows * inner).enumerate();
                    parts.map(move |(i, output)| (row, i * windows, output))
                });
                among(pool, threads, parts, |(row, first, output)| {
                    let windows = first..first + output.len() / inner;
                    // As was seen when it was split.
                    if let Some((start, part)) = self.geometry.part_of_row(row, windows) {
                        let input = &input[start..start + part.input_len()];
                        self.kernel.pool(&part, 0..1, input, output);
                    }
                });
            }
        });
        Ok(())
    }

    /// Of so many threads those that get work to do, and a part of it.
    #[cfg(feature = "rayon")]
    fn split(&self, threads: usize) -> (usize, Part) {
        let grains = self.useful_threads();
        let threads = threads.min(grains);
        if threads < 2 {
            return (1, Part::Rows(self.rows()));
        }
        // Some parts for each thread, so that one that is held up, or wakes late, does not hold up all.
        let parts = threads * (grains / threads).clamp(2, 4);
        let count = self.row_len() / self.geometry.inner().max(1);
        if self.rows() < threads && self.geometry.part_of_row(0, 0..count).is_some() {
            let windows = count.div_ceil(parts.div_ceil(self.rows()));
            let pieces = self.rows() * count.div_ceil(windows);
            return (threads.min(pieces), Part::Windows(windows));
        }
        let rows = self.rows().div_ceil(parts);
        (threads.min(self.rows().div_ceil(rows)), Part::Rows(rows))
    }

    /// The threads that get work to do where there are several.
    pub(crate) fn threads(&self) -> usize {
        #[cfg(feature = "rayon")]
        return self.split(rayon::current_num_threads()).0;
        #[cfg(not(feature = "rayon"))]
        1
    }

    /// As [`run`](Self::run), for callers who hold bytes and know of their element type at run time
    /// only. The elements are in this machine's byte order.
    ///
    /// # Errors
    ///
    /// If a buffer does not have the length of the plan, or does not start at a multiple of the
    /// alignment of `T`. A buffer without bytes may start anywhere.
    ///
    /// ```
    /// # use lanepool::{Error, Layout, Plan, Pool1d, Shape};
    /// let plan: Plan<f32> = Pool1d::max([2]).plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let input = [1.0f32, 3.0, 2.0];
    /// let mut output = [0.0f32; 2];
    /// plan.run_bytes(bytemuck::cast_slice(&input), bytemuck::cast_slice_mut(&mut output))?;
    /// assert_eq!(output, [3.0, 3.0]);
    ///
    /// let input: &[u8] = bytemuck::cast_slice(&input);
    /// let error = plan.run_bytes(&input[1..], bytemuck::cast_slice_mut(&mut output)).unwrap_err();
    /// assert_eq!(error, Error::ByteLength { buffer: "input", expected: 12, actual: 11 });
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn run_bytes(&self, input: &[u8], output: &mut [u8]) -> Result<(), Error> {
        self.run_rows_bytes(0..self.rows(), input, output)
    }

    /// As [`run_rows`](Self::run_rows), of bytes as in [`run_bytes`](Self::run_bytes).
    ///
    /// # Errors
    ///
    /// Those of [`run_rows`](Self::run_rows) and of [`run_bytes`](Self::run_bytes).
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool1d, Shape};
    /// let plan: Plan<u16> = Pool1d::max([2]).plan(Layout::ChannelsFirst, Shape::new(1, 2, [3]))?;
    /// let input = [1u16, 3, 2, 4, 5, 6];
    /// let mut last_row = [0u16; 2];
    /// plan.run_rows_bytes(1..2, bytemuck::cast_slice(&input), bytemuck::cast_slice_mut(&mut last_row))?;
    /// assert_eq!(last_row, [5, 6]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn run_rows_bytes(
        &self,
        rows: Range<usize>,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(), Error> {
        self.check_rows(&rows)?;
        let (input, output) = self.elements(rows.len(), input, output)?;
        self.run_rows(rows, input, output)
    }

    /// As [`run_parallel`](Self::run_parallel), of bytes as in [`run_bytes`](Self::run_bytes).
    ///
    /// # Errors
    ///
    /// Those of [`run_bytes`](Self::run_bytes).
    ///
    /// ```
    /// # use lanepool::{Layout, Plan, Pool1d, Shape};
    /// let plan: Plan<u16> = Pool1d::max([2]).plan(Layout::ChannelsFirst, Shape::new(1, 1, [3]))?;
    /// let (input, mut output) = ([1u16, 3, 2], [0u16; 2]);
    /// plan.run_parallel_bytes(bytemuck::cast_slice(&input), bytemuck::cast_slice_mut(&mut output))?;
    /// assert_eq!(output, [3, 3]);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    #[cfg(feature = "rayon")]
    pub fn run_parallel_bytes(&self, input: &[u8], output: &mut [u8]) -> Result<(), Error> {
        let (input, output) = self.elements(self.rows(), input, output)?;
        self.run_parallel(input, output)
    }

    /// The elements in buffers of bytes, the output of so many rows.
    fn elements<'a>(
        &self,
        rows: usize,
        input: &'a [u8],
        output: &'a mut [u8],
    ) -> Result<(&'a [T], &'a mut [T]), Error> {
        check_bytes::<T>("input", self.input_len(), input)?;
        check_bytes::<T>("output", rows * self.row_len(), output)?;
        // Bytes that there are none of may start anywhere, which bytemuck would not have.
        let input = if input.is_empty() { &[] } else { bytemuck::cast_slice(input) };
        let output = if output.is_empty() { &mut [] } else { bytemuck::cast_slice_mut(output) };
        Ok((input, output))
    }

    fn check_rows(&self, rows: &Range<usize>) -> Result<(), Error> {
        if rows.start > rows.end || rows.end > self.rows() {
            return Err(Error::Rows { start: rows.start, end: rows.end, rows: self.rows() });
        }
        Ok(())
    }
}

/// What a thread takes at a time.
#[cfg(feature = "rayon")]
enum Part {
    /// So many rows.
    Rows(usize),
    /// So many windows of a row, where there are fewer rows than threads.
    Windows(usize),
}

/// Does parts of some work in this thread, and on others of `pool` or of the current one.
#[cfg(feature = "rayon")]
fn among<P: Send>(
    pool: Option<&rayon::ThreadPool>,
    threads: usize,
    parts: impl Iterator<Item = P> + Send,
    work: impl Fn(P) + Sync,
) {
    // Whoever is awake takes the next part, this thread at once. With an iterator of rayon's, it would wait for others to
    // do all.
    let parts = Mutex::new(parts);
    let next = || parts.lock().unwrap_or_else(PoisonError::into_inner).next();
    let work = || {
        while let Some(part) = next() {
            work(part);
        }
    };
    match pool {
        Some(pool) => pool.in_place_scope(|scope| share(scope, threads - 1, &work)),
        None => rayon::in_place_scope(|scope| share(scope, threads - 1, &work)),
    }
}

/// Does some work, once `others` have been told to: each tells half of those that are left, since to tell one takes long.
#[cfg(feature = "rayon")]
fn share<'a>(scope: &Scope<'a>, mut others: usize, work: &'a (impl Fn() + Sync)) {
    while others > 0 {
        let half = others.div_ceil(2);
        scope.spawn(move |scope| share(scope, half - 1, work));
        others -= half;
    }
    work();
}

fn check_len(buffer: &'static str, expected: usize, actual: usize) -> Result<(), Error> {
    if expected == actual { Ok(()) } else { Err(Error::Length { buffer, expected, actual }) }
}

/// Whether `bytes` are so many elements of `T`, and lie where they can.
fn check_bytes<T>(buffer: &'static str, elements: usize, bytes: &[u8]) -> Result<(), Error> {
    let (expected, actual) = (elements * size_of::<T>(), bytes.len());
    if expected != actual {
        return Err(Error::ByteLength { buffer, expected, actual });
    }
    let (address, align) = (bytes.as_ptr().addr(), align_of::<T>());
    if actual > 0 && !address.is_multiple_of(align) {
        return Err(Error::Misaligned { buffer, address, align });
    }
    Ok(())
}
