//! One table of kernels per instruction set, and the choice among them.

use crate::activate::{Activated, Scaling, activate, clamp};
use crate::feature::{self, Feature};
use crate::floor::floor;
use crate::number::{
    Byte, Element, FEW_SUMMED, Half, MOST_DISTANCES, Ordered, Quantized, Small, Summed, SummedLong,
    SummedShort,
};
use crate::power::norm_p;
use crate::reduction::{
    Largest, LargestMagnitude, Magnitudes, Mean, MeanOfNumbers, MeanUnlessNan, Most, MostNumber,
    MostOfNumbers, Reduction, RootOfSquares, Smallest,
};
use crate::simd::{Lanes, Memory, portable::Portable, scalar::Scalar};
use crate::walk::{LARGE_PART, PART, Walk, plain, plainest, pool, requantized};
use crate::widened::{self, Cut, Otherwise, Short, Widened};
use crate::{Divisor, Geometry, autovec, reference};
use bytemuck::{Pod, TransparentWrapper};
use core::fmt;
use core::marker::PhantomData;
use core::ops::Range;
use half::{bf16, f16};

/// The kernels of one instruction set.
///
/// All backends compute the same bits; they differ only in speed.
///
/// ```
/// use lanepool_kernels::{Axis, Backend, Divisor, Geometry};
///
/// let axis = Axis { input: 4, output: 2, kernel: 2, stride: 2, ..Axis::UNIT };
/// let geometry = Geometry::new(1, [Axis::UNIT, Axis::UNIT, axis], 1, Divisor::Present).unwrap();
/// let mut output = [0.0; 2];
/// let kernels = Backend::best().unwrap().kernels();
/// (kernels.f32.max.run)(&geometry, 0..1, &[1.0, 3.0, 2.0, 0.0], &mut output);
/// assert_eq!(output, [3.0, 2.0]);
/// ```
pub struct Backend {
    name: &'static str,
    features: &'static [Feature],
    floor: fn(&[f32], &mut [f32]),
    kernels: AllKernels,
}

/// One kernel: `T` is the element type.
///
/// ```
/// use lanepool_kernels::{Axis, Backend, Divisor, Geometry, REFERENCE};
///
/// let axis = Axis { input: 4, output: 3, kernel: 2, ..Axis::UNIT };
/// let geometry = Geometry::new(1, [Axis::UNIT, Axis::UNIT, axis], 1, Divisor::Present).unwrap();
/// let kernel = Backend::fastest().kernels().u8.max;
/// let mut output = [0; 3];
/// (kernel.run)(&geometry, 0..1, &[1, 3, 2, 0], &mut output);
/// assert_eq!(output, [3, 3, 2]);
/// // Plain loops.
/// assert!(REFERENCE.kernels().u8.max.walk.is_none());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Kernel<T> {
    /// Pools the windows of the given output rows of a geometry; the output has these rows only.
    ///
    /// # Panics
    ///
    /// If a length does not match the geometry, or if the CPU does not support the backend.
    pub run: fn(&Geometry, Range<usize>, &[T], &mut [T]),
    /// Makes of the results of [`run`](Self::run) what the geometry's
    /// [requantisation](Geometry::requantization) and [clamp](Geometry::clamp) say.
    pub activate: fn(&Geometry, &mut [T]),
    /// The walk that is taken over a geometry; plain loops have none.
    pub walk: Option<fn(&Geometry) -> Walk>,
    /// Elements of a vector; 1 where there are only plain loops.
    pub lanes: usize,
}

impl<T> Kernel<T> {
    /// [Runs](Self::run) and [activates](Self::activate), a part of the rows after the other.
    ///
    /// # Panics
    ///
    /// If a length does not match the geometry, or if the CPU does not support the backend.
    ///
    /// ```
    /// use lanepool_kernels::{Axis, Backend, Divisor, Geometry};
    ///
    /// let axis = Axis { input: 4, output: 3, kernel: 2, ..Axis::UNIT };
    /// let geometry = Geometry::new(1, [Axis::UNIT, Axis::UNIT, axis], 1, Divisor::Present).unwrap();
    /// let mut output = [0; 3];
    /// let max = Backend::fastest().kernels().u8.max;
    /// max.pool(&geometry.clamped(0.0, 2.0), 0..1, &[0, 1, 2, 4], &mut output);
    /// assert_eq!(output, [1, 2, 2]);
    /// ```
    pub fn pool(&self, geometry: &Geometry, rows: Range<usize>, input: &[T], output: &mut [T]) {
        if !geometry.is_activated() || output.is_empty() {
            return (self.run)(geometry, rows, input, output);
        }
        geometry.assert_fits(&rows, input, output);
        let row_len = geometry.row_len();
        let large = matches!(geometry.walk(), Walk::Shared | Walk::Planes);
        let most = if large { LARGE_PART } else { PART };
        let part = geometry.rows_of(most);
        let mut row = rows.start;
        for output in output.chunks_mut(part * row_len) {
            let end = rows.end.min(row + part);
            (self.run)(geometry, row..end, input, output);
            (self.activate)(geometry, output);
            row = end;
        }
    }
}

/// The kernels for all element types.
///
/// ```
/// use lanepool_kernels::{AllKernels, Backend};
///
/// let AllKernels { f32, i64, .. } = Backend::fastest().kernels();
/// assert!(f32.mean.is_some() && i64.mean.is_none());
/// ```
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "each is what its type says")]
pub struct AllKernels {
    pub f32: Kernels<f32>,
    pub f64: Kernels<f64>,
    pub f16: Kernels<f16>,
    pub bf16: Kernels<bf16>,
    pub i8: Kernels<i8>,
    pub u8: Kernels<u8>,
    pub i16: Kernels<i16>,
    pub u16: Kernels<u16>,
    pub i32: Kernels<i32>,
    pub u32: Kernels<u32>,
    pub i64: Kernels<i64>,
}

/// The kernels for one element type.
///
/// ```
/// use lanepool_kernels::{Axis, Divisor, Geometry, Kernels, REFERENCE};
///
/// let axis = Axis { input: 2, kernel: 2, ..Axis::UNIT };
/// let geometry = Geometry::new(1, [Axis::UNIT, Axis::UNIT, axis], 1, Divisor::Present).unwrap();
/// let Kernels { max, max_number, mean, .. } = REFERENCE.kernels().f32;
/// let pooled = |kernel: lanepool_kernels::Kernel<f32>| {
///     let mut output = [0.0];
///     (kernel.run)(&geometry, 0..1, &[f32::NAN, 2.0], &mut output);
///     output[0]
/// };
/// assert!(pooled(max).is_nan() && pooled(mean.unwrap()).is_nan());
/// assert_eq!(pooled(max_number), 2.0);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Kernels<T> {
    /// The largest element, or NaN if there is one; the least value of an empty window.
    pub max: Kernel<T>,
    /// The largest element that is a number; the least value if there is none.
    pub max_number: Kernel<T>,
    /// The smallest element, or NaN if there is one; the greatest value of an empty window.
    pub min: Kernel<T>,
    /// The smallest element that is a number; the greatest value if there is none.
    pub min_number: Kernel<T>,
    /// The sum over the divisor; 0 of an empty window. Of integers, the sum is exact, and the quotient
    /// is rounded as the geometry says and ends at the ends of the type. Not for `u32` and `i64`.
    pub mean: Option<Kernel<T>>,
    /// The mean of the real numbers that integers stand for, by the geometry's
    /// [requantisation](Geometry::requantization): the sum of distances from the zero point, times the ratio,
    /// over the divisor, rounded once. Of `i8`, `u8`, `i16`, `u16` and `i32`.
    pub quantized_mean: Option<Kernel<T>>,
    /// Of floating-point numbers only.
    pub norms: Option<Norms<T>>,
}

/// Norms of a window, as of a vector: NaN if there is one, 0 of an empty window.
///
/// ```
/// use lanepool_kernels::{Axis, Divisor, Geometry, Norms, REFERENCE};
///
/// let axis = Axis { input: 2, kernel: 2, ..Axis::UNIT };
/// let geometry = Geometry::new(1, [Axis::UNIT, Axis::UNIT, axis], 1, Divisor::Constant(1));
/// let geometry = geometry.unwrap().raised(2.0);
/// let Norms { norm_1, norm_2, norm_max, norm_p } = REFERENCE.kernels().f64.norms.unwrap();
/// let norms = [norm_1, norm_2, norm_max, norm_p].map(|kernel| {
///     let mut output = [0.0];
///     (kernel.run)(&geometry, 0..1, &[-3.0, 4.0], &mut output);
///     output[0]
/// });
/// assert_eq!(norms, [7.0, 5.0, 4.0, 5.0]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Norms<T> {
    /// The sum of the magnitudes.
    pub norm_1: Kernel<T>,
    /// The square root of the sum of the squares.
    pub norm_2: Kernel<T>,
    /// The largest magnitude.
    pub norm_max: Kernel<T>,
    /// `(Σ|x|^p)^(1/p)` with the geometry's [exponent](Geometry::exponent).
    pub norm_p: Kernel<T>,
}

/// An instruction set with vectors for all element types.
pub(crate) trait AllLanes:
    Memory<f32>
    + Memory<f64>
    + Memory<f16>
    + Memory<bf16>
    + Memory<i8>
    + Memory<u8>
    + Memory<i16>
    + Memory<u16>
    + Memory<i32>
    + Memory<u32>
    + Memory<i64>
    + Memory<Ordered<f16>>
    + Memory<Ordered<bf16>>
    + Memory<SummedShort<i8>>
    + Memory<SummedShort<u8>>
    + Memory<Summed<i8>>
    + Memory<Summed<u8>>
    + Memory<Summed<i16>>
    + Memory<Summed<u16>>
    + Memory<SummedLong<i8>>
    + Memory<SummedLong<u8>>
    + Memory<SummedLong<i16>>
    + Memory<SummedLong<u16>>
    + Memory<SummedLong<i32>>
{
    /// What takes the narrow tensors: an instruction set that is there where this one is.
    type Narrow: AllLanes;
}

impl Backend {
    /// The kernels compiled for `S`.
    const fn of<S: AllLanes>() -> Self {
        let f32 = Kernels {
            max: max_of_floats::<f32, S, S::Narrow>(),
            max_number: fast::<MostNumber<Largest>, f32, S, S::Narrow>(),
            mean: Some(mean_of_floats::<f32, S, S::Narrow>()),
            min: or_widened::<Usual<Most<Smallest>, S>, f32, S>(),
            min_number: or_widened::<Rare<MostNumber<Smallest>, S>, f32, S>(),
            ..of_floats::<_, S>()
        };
        // These are not worth more code.
        let i16 = or_widened::<Rare<Most<Largest>, S>, i16, S>();
        let u16 = or_widened::<Rare<Most<Largest>, S>, u16, S>();
        let i32 = rare::<Most<Largest>, i32, S>();
        let u32 = rare::<Most<Largest>, u32, S>();
        let i64 = rare::<Most<Largest>, i64, S>();
        Self {
            name: S::NAME,
            features: S::FEATURES,
            floor: floor::<f32, S>,
            kernels: AllKernels {
                f32,
                f64: Kernels {
                    max: max_of_floats::<f64, S, S::Narrow>(),
                    mean: Some(fast::<Mean, f64, S, S::Narrow>()),
                    ..of_floats::<_, S>()
                },
                f16: of_halves::<f16, S>(),
                bf16: of_halves::<bf16, S>(),
                i8: of_bytes::<i8, S>(),
                u8: of_bytes::<u8, S>(),
                i16: of_short::<_, S>(i16, or_widened::<OfShort<S>, i16, S>()),
                u16: of_short::<_, S>(u16, or_widened::<OfShort<S>, u16, S>()),
                i32: of_quantized::<_, S>(i32, long::<i32, S>()),
                u32: of_integers::<_, S>(u32, None),
                i64: of_integers::<_, S>(i64, None),
            },
        }
    }

    /// The name, by which it is selected.
    ///
    /// ```
    /// assert_eq!(lanepool_kernels::REFERENCE.name(), "reference");
    /// ```
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The CPU features that it needs and this CPU lacks.
    ///
    /// ```
    /// for backend in lanepool_kernels::BACKENDS {
    ///     let missing: Vec<_> = backend.missing().collect();
    ///     assert_eq!(missing.is_empty(), backend.is_supported());
    /// }
    /// ```
    pub fn missing(&self) -> impl Iterator<Item = &'static str> {
        feature::missing(self.features)
    }

    /// Whether this CPU can run the kernels.
    ///
    /// ```
    /// use lanepool_kernels::BACKENDS;
    ///
    /// let names = BACKENDS.iter().filter(|backend| backend.is_supported()).map(|backend| backend.name());
    /// assert!(names.collect::<Vec<_>>().ends_with(&["portable", "scalar", "reference"]));
    /// ```
    pub fn is_supported(&self) -> bool {
        feature::are_there(self.features)
    }

    /// The kernels.
    pub fn kernels(&self) -> &AllKernels {
        &self.kernels
    }

    /// Reads all of `input` and writes all of `output`, once, with the vectors of this backend: the
    /// yardstick for the time a pooling takes. What is written is of no use.
    ///
    /// # Panics
    ///
    /// If the CPU does not support the backend.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// let (input, mut output) = (vec![1.0; 4000], vec![0.0; 1000]);
    /// let start = Instant::now();
    /// lanepool_kernels::Backend::fastest().floor(&input, &mut output);
    /// println!("20 KB in {:?}", start.elapsed());
    /// ```
    pub fn floor(&self, input: &[f32], output: &mut [f32]) {
        (self.floor)(input, output);
    }

    /// The fastest backend that this CPU supports, or the one that the environment variable
    /// `LANEPOOL_BACKEND` names. The environment is read once.
    ///
    /// # Errors
    ///
    /// If that variable names a backend that does not exist or is not supported here.
    ///
    /// ```
    /// use lanepool_kernels::{Backend, ENV};
    ///
    /// let best = Backend::best()?;
    /// match std::env::var(ENV) {
    ///     Ok(name) => assert_eq!(best.name(), name),
    ///     Err(_) => assert_eq!(best, Backend::fastest()),
    /// }
    /// # Ok::<(), lanepool_kernels::NoSuchBackend>(())
    /// ```
    #[cfg(feature = "std")]
    pub fn best() -> Result<&'static Self, NoSuchBackend> {
        static BEST: std::sync::OnceLock<Result<&Backend, NoSuchBackend>> =
            std::sync::OnceLock::new();
        BEST.get_or_init(|| match std::env::var_os(ENV) {
            Some(name) => Self::named(&name.to_string_lossy()),
            None => Ok(Self::fastest()),
        })
        .clone()
    }

    /// The backend of this name.
    ///
    /// # Errors
    ///
    /// If it does not exist or is not supported here.
    ///
    /// ```
    /// use lanepool_kernels::Backend;
    ///
    /// assert_eq!(Backend::named("scalar")?.name(), "scalar");
    /// # Ok::<(), lanepool_kernels::NoSuchBackend>(())
    /// ```
    #[cfg(feature = "std")]
    pub fn named(name: &str) -> Result<&'static Self, NoSuchBackend> {
        let found = BACKENDS.iter().find(|backend| backend.name == name);
        found.filter(|backend| backend.is_supported()).ok_or_else(|| NoSuchBackend {
            name: name.into(),
            missing: found.map_or(Vec::new(), |backend| backend.missing().collect()),
        })
    }

    /// The first backend of [`BACKENDS`] that this CPU supports.
    pub fn fastest() -> &'static Self {
        BACKENDS.iter().find(|backend| backend.is_supported()).unwrap_or(&REFERENCE)
    }
}

/// All walks, by vectors of `S`, or of `H` what these [suit better](Walk::is_narrow).
const fn fast<R: Reduction<T::Acc>, T: Activated, S: Memory<T>, H: Memory<T>>() -> Kernel<T>
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    Kernel {
        run: pool_by_either::<R, T, S, H>,
        activate: activate::<T, S>,
        walk: Some(walk_by_either::<R, T, S, H>),
        lanes: S::N,
    }
}

fn pool_by_either<R: Reduction<T::Acc>, T: Element, S: Memory<T>, H: Memory<T>>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    Scalar: Memory<T, Vector = T::Acc>,
{
    match Walk::is_narrow::<R, T, S, H>(geometry) {
        true => pool::<R, T, H>(geometry, rows, input, output),
        false => pool::<R, T, S>(geometry, rows, input, output),
    }
}

fn walk_by_either<R: Reduction<T::Acc>, T: Element, S: Memory<T>, H: Memory<T>>(
    geometry: &Geometry,
) -> Walk {
    match Walk::is_narrow::<R, T, S, H>(geometry) {
        true => Walk::of_pool::<R, T, H>(geometry),
        false => Walk::of_pool::<R, T, S>(geometry),
    }
}

const fn usual<R: Reduction<T::Acc>, T: Activated, S: Memory<T>>() -> Kernel<T>
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    Kernel {
        run: plain::<R, T, S>,
        activate: activate::<T, S>,
        walk: Some(Walk::of_plain::<T, S>),
        lanes: S::N,
    }
}

const fn rare<R: Reduction<T::Acc>, T: Activated, S: Memory<T>>() -> Kernel<T>
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    Kernel {
        run: plainest::<R, T, S>,
        activate: activate::<T, S>,
        walk: Some(Walk::of_plainest::<T, S>),
        lanes: S::N,
    }
}

const fn loops<T>(
    run: fn(&Geometry, Range<usize>, &[T], &mut [T]),
    activate: fn(&Geometry, &mut [T]),
) -> Kernel<T> {
    Kernel { run, activate, walk: None, lanes: 1 }
}

const fn max_of_floats<T: Activated, S: Memory<T>, H: Memory<T>>() -> Kernel<T>
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    if S::NAN_IS_FREE {
        fast::<Most<Largest>, T, S, H>()
    } else {
        fast::<MostOfNumbers<Largest>, T, S, H>()
    }
}

const fn mean_of_floats<T: Activated, S: Memory<T>, H: Memory<T>>() -> Kernel<T>
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    if S::INVERTS { fast::<MeanOfNumbers, T, S, H>() } else { fast::<Mean, T, S, H>() }
}

/// How `f32` pools what is the same of other elements.
trait ByF32<S: AllLanes> {
    const KERNEL: Kernel<f32>;
    /// Whether it pools their negative numbers.
    const NEGATED: bool = false;
    const DIVIDES: bool = false;
}

impl<S: AllLanes> ByF32<S> for Most<Largest> {
    const KERNEL: Kernel<f32> = max_of_floats::<f32, S, S::Narrow>();
}

impl<S: AllLanes> ByF32<S> for Most<Smallest> {
    const KERNEL: Kernel<f32> = max_of_floats::<f32, S, S::Narrow>();
    const NEGATED: bool = true;
}

impl<S: AllLanes> ByF32<S> for MostNumber<Largest> {
    const KERNEL: Kernel<f32> = fast::<Self, f32, S, S::Narrow>();
}

impl<S: AllLanes> ByF32<S> for MostNumber<Smallest> {
    const KERNEL: Kernel<f32> = fast::<MostNumber<Largest>, f32, S, S::Narrow>();
    const NEGATED: bool = true;
}

impl<S: AllLanes> ByF32<S> for Mean {
    const KERNEL: Kernel<f32> = mean_of_floats::<f32, S, S::Narrow>();
    const DIVIDES: bool = true;
}

impl<S: AllLanes> ByF32<S> for MeanUnlessNan {
    const KERNEL: Kernel<f32> = mean_of_floats::<f32, S, S::Narrow>();
    const DIVIDES: bool = true;
}

/// How elements are made `f32`, a part after the other, if they are pooled by what there is for these.
fn widens<R: ByF32<S>, T: Short<S>, S: AllLanes>(
    geometry: &Geometry,
    otherwise: Otherwise,
) -> Option<Cut> {
    let averages = R::DIVIDES.then_some(T::MOST);
    S::BY_HAND.then(|| Cut::fitting::<T>(geometry, averages, otherwise))?
}

/// A kernel by a type, which the functions of another kernel can name.
trait Named<T> {
    /// What it computes.
    type By;
    const KERNEL: Kernel<T>;
    /// The walks that it has.
    const WALKS: Otherwise = Otherwise::All;
}

/// [`fast`].
struct Fast<R, S, H>(PhantomData<(R, S, H)>);

impl<R: Reduction<T::Acc>, T: Activated, S: Memory<T>, H: Memory<T>> Named<T> for Fast<R, S, H>
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    type By = R;
    const KERNEL: Kernel<T> = fast::<R, T, S, H>();
}

/// [`usual`].
struct Usual<R, S>(PhantomData<(R, S)>);

impl<R: Reduction<T::Acc>, T: Activated, S: Memory<T>> Named<T> for Usual<R, S>
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    type By = R;
    const KERNEL: Kernel<T> = usual::<R, T, S>();
    const WALKS: Otherwise = Otherwise::Plain;
}

/// [`rare`].
struct Rare<R, S>(PhantomData<(R, S)>);

impl<R: Reduction<T::Acc>, T: Activated, S: Memory<T>> Named<T> for Rare<R, S>
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    type By = R;
    const KERNEL: Kernel<T> = rare::<R, T, S>();
    const WALKS: Otherwise = Otherwise::Plainest;
}

/// A kernel, unless elements are [made `f32`](widens).
const fn or_widened<K: Named<T, By: ByF32<S>>, T: Short<S>, S: AllLanes>() -> Kernel<T> {
    Kernel {
        run: |geometry, rows, input, output| {
            let Some(cut) = widens::<K::By, T, S>(geometry, K::WALKS) else {
                return (K::KERNEL.run)(geometry, rows, input, output);
            };
            let by = const { &Widened::by::<S>(K::By::KERNEL.run, K::By::DIVIDES, K::By::NEGATED) };
            widened::pool(geometry, rows, input, output, &cut, by);
        },
        walk: Some(|geometry| match K::KERNEL.walk {
            Some(walk) if widens::<K::By, T, S>(geometry, K::WALKS).is_none() => walk(geometry),
            _ => Walk::Widened,
        }),
        ..K::KERNEL
    }
}

/// The largest element, by comparing integers.
struct InOrder<S, H>(PhantomData<(S, H)>);

impl<T: Half + Activated, S, H> Named<T> for InOrder<S, H>
where
    S: Memory<T> + Memory<Ordered<T>>,
    H: Memory<Ordered<T>>,
    Ordered<T>: Element<Acc = u16>,
    Scalar: Memory<Ordered<T>, Vector = u16>,
{
    type By = Most<Largest>;
    const KERNEL: Kernel<T> = Kernel {
        run: |geometry, rows, input, output| {
            let (input, output) = (Ordered::wrap_slice(input), Ordered::wrap_slice_mut(output));
            pool_by_either::<Most<Largest>, Ordered<T>, S, H>(geometry, rows, input, output);
        },
        activate: activate::<T, S>,
        walk: Some(walk_by_either::<Most<Largest>, Ordered<T>, S, H>),
        lanes: <S as Lanes<u16>>::N,
    };
}

const fn of_floats<T: Activated, S: Memory<T>>() -> Kernels<T>
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    Kernels {
        norms: Some(Norms {
            norm_1: rare::<Magnitudes, T, S>(),
            norm_2: rare::<RootOfSquares, T, S>(),
            norm_max: rare::<LargestMagnitude, T, S>(),
            norm_p: loops(norm_p::<T>, activate::<T, S>),
        }),
        max_number: rare::<MostNumber<Largest>, T, S>(),
        min_number: rare::<MostNumber<Smallest>, T, S>(),
        ..of_integers::<T, S>(rare::<Most<Largest>, T, S>(), None)
    }
}

const fn of_integers<T: Activated, S: Memory<T>>(
    max: Kernel<T>,
    mean: Option<Kernel<T>>,
) -> Kernels<T>
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    let min = rare::<Most<Smallest>, T, S>();
    Kernels { max, max_number: max, min, min_number: min, mean, quantized_mean: None, norms: None }
}

/// Those of an integer that may stand for a real number.
const fn of_quantized<T: Activated + Quantized, S: Memory<T>>(
    max: Kernel<T>,
    mean: Kernel<T>,
) -> Kernels<T>
where
    Scalar: Memory<T, Vector = T::Acc>,
{
    Kernels {
        quantized_mean: Some(loops(autovec::quantized_mean::<T>, clamp::<T, S>)),
        ..of_integers::<T, S>(max, Some(mean))
    }
}

/// Those of numbers of 16 bits that are summed as `f32`.
const fn of_halves<T, S>() -> Kernels<T>
where
    T: Half + Activated + Short<S> + Element<Acc = f32>,
    S: AllLanes + Memory<T> + Memory<Ordered<T>>,
    S::Narrow: Memory<T> + Memory<Ordered<T>>,
    Ordered<T>: Element<Acc = u16>,
    Scalar: Memory<T, Vector = f32> + Memory<Ordered<T>, Vector = u16>,
{
    let mean = match <S as Lanes<f32>>::NAN_IS_FREE {
        true => or_widened::<Fast<Mean, S, S::Narrow>, T, S>(),
        false => or_widened::<Fast<MeanUnlessNan, S, S::Narrow>, T, S>(),
    };
    Kernels {
        max: or_widened::<InOrder<S, S::Narrow>, T, S>(),
        max_number: or_widened::<Rare<MostNumber<Largest>, S>, T, S>(),
        mean: Some(mean),
        min: or_widened::<Rare<Most<Smallest>, S>, T, S>(),
        min_number: or_widened::<Rare<MostNumber<Smallest>, S>, T, S>(),
        ..of_floats::<T, S>()
    }
}

/// Those of integers that are numbers of an `f32`.
const fn of_short<T, S>(max: Kernel<T>, mean: Kernel<T>) -> Kernels<T>
where
    T: Activated + Quantized + Short<S>,
    S: AllLanes + Memory<T>,
    Scalar: Memory<T, Vector = T::Acc>,
{
    let min = or_widened::<Rare<Most<Smallest>, S>, T, S>();
    Kernels { min, min_number: min, ..of_quantized::<T, S>(max, mean) }
}

const fn of_bytes<T, S>() -> Kernels<T>
where
    T: Byte + Activated + Quantized + Short<S>,
    S: AllLanes + Memory<T> + Memory<SummedShort<T>> + Memory<Summed<T>> + Memory<SummedLong<T>>,
    S::Narrow: Memory<T> + Memory<SummedShort<T>>,
    SummedShort<T>: Element<Acc = i16>,
    Summed<T>: Element,
    SummedLong<T>: Element,
    Scalar: Memory<T, Vector = T::Acc>
        + Memory<SummedShort<T>, Vector = i16>
        + Memory<Summed<T>, Vector = <Summed<T> as Element>::Acc>
        + Memory<SummedLong<T>, Vector = <SummedLong<T> as Element>::Acc>,
{
    let max = or_widened::<Fast<Most<Largest>, S, S::Narrow>, T, S>();
    let mean = match S::BY_HAND {
        true => or_widened::<OfBytes<S>, T, S>(),
        false => short::<T, S>(),
    };
    Kernels { quantized_mean: Some(quantized_mean_of_bytes::<T, S>()), ..of_short(max, mean) }
}

/// Means of bytes that stand for real numbers: in vectors if an `i16` holds sums and divisors.
const fn quantized_mean_of_bytes<T, S>() -> Kernel<T>
where
    T: Byte + Activated + Quantized,
    S: Memory<T> + Memory<SummedShort<T>>,
    SummedShort<T>: Element<Acc = i16>,
{
    if !S::BY_HAND {
        return loops(autovec::quantized_mean::<T>, clamp::<T, S>);
    }
    Kernel {
        run: |geometry, rows, input, output| {
            if walk_of_quantized::<T, S>(geometry) == Walk::Each {
                return autovec::quantized_mean(geometry, rows, input, output);
            }
            let (input, output) =
                (SummedShort::wrap_slice(input), SummedShort::wrap_slice_mut(output));
            requantized::<T, S>(geometry, rows, input, output);
        },
        activate: clamp::<T, S>,
        walk: Some(walk_of_quantized::<T, S>),
        lanes: <S as Lanes<i16>>::N,
    }
}

/// The walk over quantised bytes; [`Each`](Walk::Each) where there are only plain loops.
fn walk_of_quantized<T: Byte, S: Memory<SummedShort<T>>>(geometry: &Geometry) -> Walk
where
    SummedShort<T>: Element<Acc = i16>,
{
    let (taps, divisor) = taps_and_divisor(geometry);
    if taps <= MOST_DISTANCES && divisor <= i16::MAX as u64 && Scaling::is_short(geometry) {
        Walk::of_requantized::<T, S>(geometry)
    } else {
        Walk::Each
    }
}

/// Averages of integers, summed in `i32` if those hold all sums and divisors.
fn mean<T: Small, S: Memory<Summed<T>> + Memory<SummedLong<T>>>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    Summed<T>: Element,
    SummedLong<T>: Element,
    Scalar: Memory<Summed<T>, Vector = <Summed<T> as Element>::Acc>
        + Memory<SummedLong<T>, Vector = <SummedLong<T> as Element>::Acc>,
{
    if fits_short::<T>(geometry) {
        let (input, output) = (Summed::wrap_slice(input), Summed::wrap_slice_mut(output));
        plain::<Mean, Summed<T>, S>(geometry, rows, input, output);
    } else {
        long_mean::<T, S>(geometry, rows, input, output);
    }
}

const fn short<T: Small + Activated, S: Memory<T> + Memory<Summed<T>> + Memory<SummedLong<T>>>()
-> Kernel<T>
where
    Summed<T>: Element,
    SummedLong<T>: Element,
    Scalar: Memory<Summed<T>, Vector = <Summed<T> as Element>::Acc>
        + Memory<SummedLong<T>, Vector = <SummedLong<T> as Element>::Acc>,
{
    Kernel {
        run: mean::<T, S>,
        activate: activate::<T, S>,
        walk: Some(|geometry| match fits_short::<T>(geometry) {
            true => Walk::of_plain::<Summed<T>, S>(geometry),
            false => Walk::of_plainest::<SummedLong<T>, S>(geometry),
        }),
        lanes: <S as Lanes<<Summed<T> as Element>::Acc>>::N,
    }
}

const fn long<T: Activated, S: Memory<T> + Memory<SummedLong<T>>>() -> Kernel<T>
where
    SummedLong<T>: Element,
    Scalar: Memory<SummedLong<T>, Vector = <SummedLong<T> as Element>::Acc>,
{
    Kernel {
        run: long_mean::<T, S>,
        activate: activate::<T, S>,
        walk: Some(Walk::of_plainest::<SummedLong<T>, S>),
        lanes: <S as Lanes<<SummedLong<T> as Element>::Acc>>::N,
    }
}

/// [`short`].
struct OfShort<S>(PhantomData<S>);

impl<T: Small + Activated, S: Memory<T> + Memory<Summed<T>> + Memory<SummedLong<T>>> Named<T>
    for OfShort<S>
where
    Summed<T>: Element,
    SummedLong<T>: Element,
    Scalar: Memory<Summed<T>, Vector = <Summed<T> as Element>::Acc>
        + Memory<SummedLong<T>, Vector = <SummedLong<T> as Element>::Acc>,
{
    type By = Mean;
    const KERNEL: Kernel<T> = short::<T, S>();
    const WALKS: Otherwise = Otherwise::Plain;
}

/// Averages of bytes, summed in `i16` if that holds them: it does for all windows that are not large.
struct OfBytes<S>(PhantomData<S>);

impl<T, S> Named<T> for OfBytes<S>
where
    T: Byte + Activated,
    S: AllLanes + Memory<T> + Memory<SummedShort<T>> + Memory<Summed<T>> + Memory<SummedLong<T>>,
    S::Narrow: Memory<SummedShort<T>>,
    SummedShort<T>: Element,
    Summed<T>: Element,
    SummedLong<T>: Element,
    Scalar: Memory<SummedShort<T>, Vector = <SummedShort<T> as Element>::Acc>
        + Memory<Summed<T>, Vector = <Summed<T> as Element>::Acc>
        + Memory<SummedLong<T>, Vector = <SummedLong<T> as Element>::Acc>,
{
    type By = Mean;
    const KERNEL: Kernel<T> = Kernel {
        run: |geometry, rows, input, output| {
            if fits_shortest(geometry) {
                let (input, output) =
                    (SummedShort::wrap_slice(input), SummedShort::wrap_slice_mut(output));
                pool_by_either::<Mean, SummedShort<T>, S, S::Narrow>(geometry, rows, input, output);
            } else if fits_short::<T>(geometry) {
                let (input, output) = (Summed::wrap_slice(input), Summed::wrap_slice_mut(output));
                plain::<Mean, Summed<T>, S>(geometry, rows, input, output);
            } else {
                long_mean::<T, S>(geometry, rows, input, output);
            }
        },
        activate: activate::<T, S>,
        walk: Some(|geometry| match fits_shortest(geometry) {
            true => walk_by_either::<Mean, SummedShort<T>, S, S::Narrow>(geometry),
            false if fits_short::<T>(geometry) => Walk::of_plain::<Summed<T>, S>(geometry),
            false => Walk::of_plainest::<SummedLong<T>, S>(geometry),
        }),
        lanes: <S as Lanes<<SummedShort<T> as Element>::Acc>>::N,
    };
}

/// The taps of a window and the magnitude of its divisor, where that is not the number of taps at most.
pub(crate) fn taps_and_divisor(geometry: &Geometry) -> (u64, u64) {
    let divisor = match geometry.divisor() {
        Divisor::Constant(n) => n.unsigned_abs(),
        _ => 0,
    };
    (geometry.axes().iter().map(|axis| axis.kernel as u64).product(), divisor)
}

/// Whether quotients of sums in an `i16` are exact.
fn fits_shortest(geometry: &Geometry) -> bool {
    let (taps, divisor) = taps_and_divisor(geometry);
    let times = divisor <= 1 || divisor >= taps;
    times && taps.max(divisor) <= FEW_SUMMED
}

/// Whether an `i32` holds all sums and divisors.
fn fits_short<T: Small>(geometry: &Geometry) -> bool {
    let (taps, divisor) = taps_and_divisor(geometry);
    taps <= T::MOST_SUMMED && divisor <= i32::MAX as u64
}

/// Averages of integers, summed in `i64`.
fn long_mean<T: Pod, S: Memory<SummedLong<T>>>(
    geometry: &Geometry,
    rows: Range<usize>,
    input: &[T],
    output: &mut [T],
) where
    SummedLong<T>: Element,
    Scalar: Memory<SummedLong<T>, Vector = <SummedLong<T> as Element>::Acc>,
{
    let (input, output) = (SummedLong::wrap_slice(input), SummedLong::wrap_slice_mut(output));
    plainest::<Mean, SummedLong<T>, S>(geometry, rows, input, output);
}

impl fmt::Debug for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Backend").field(&self.name).finish()
    }
}

impl PartialEq for Backend {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Backend {}

/// The environment variable that names the backend to use.
#[cfg(feature = "std")]
pub const ENV: &str = "LANEPOOL_BACKEND";

/// A backend was asked for that is not to be had.
///
/// ```
/// use lanepool_kernels::Backend;
///
/// let error = Backend::named("avx3").unwrap_err();
/// assert_eq!((error.name.as_str(), error.missing.len()), ("avx3", 0));
/// let text = error.to_string();
/// assert!(text.starts_with("there is no backend \"avx3\"; to be had here: "));
/// assert!(text.ends_with("scalar, reference"));
/// ```
#[cfg(feature = "std")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchBackend {
    /// The name that was asked for.
    pub name: String,
    /// The CPU features that it lacks; none if no backend has that name.
    pub missing: Vec<&'static str>,
}

#[cfg(feature = "std")]
impl fmt::Display for NoSuchBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, missing } = self;
        match missing.as_slice() {
            [] => write!(f, "there is no backend {name:?}")?,
            _ => write!(
                f,
                "the backend {name:?} needs {}, which this CPU lacks",
                missing.join(", ")
            )?,
        }
        let usable = BACKENDS.iter().filter(|backend| backend.is_supported());
        let usable: Vec<_> = usable.map(Backend::name).collect();
        write!(f, "; to be had here: {}", usable.join(", "))
    }
}

#[cfg(feature = "std")]
impl std::error::Error for NoSuchBackend {}

/// Every backend compiled in, fastest first.
///
/// ```
/// use lanepool_kernels::{BACKENDS, REFERENCE};
///
/// assert_eq!(BACKENDS.last(), Some(&REFERENCE));
/// ```
pub static BACKENDS: &[Backend] = &[
    #[cfg(all(target_arch = "x86_64", not(lanepool_without = "avx512")))]
    Backend::of::<crate::simd::avx512::Avx512>(),
    #[cfg(target_arch = "x86_64")]
    Backend::of::<crate::simd::avx2::Avx2>(),
    #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
    Backend::of::<crate::simd::neon::Neon>(),
    AUTOVEC,
    Backend::of::<Portable>(),
    Backend::of::<Scalar>(),
    REFERENCE,
];

/// The kernels of a module of plain loops.
macro_rules! of_plain_loops {
    ($module:ident) => {{
        macro_rules! integers {
            ($mean:expr, $quantized:expr) => {
                Kernels {
                    max: loops($module::max, $module::activate),
                    max_number: loops($module::max, $module::activate),
                    min: loops($module::min, $module::activate),
                    min_number: loops($module::min, $module::activate),
                    mean: $mean,
                    quantized_mean: $quantized,
                    norms: None,
                }
            };
        }
        macro_rules! quantized {
            () => {
                integers!(
                    Some(loops($module::mean_of_integers, $module::activate)),
                    Some(loops($module::quantized_mean, $module::clamp))
                )
            };
        }
        macro_rules! floats {
            () => {
                Kernels {
                    max_number: loops($module::max_number, $module::activate),
                    min_number: loops($module::min_number, $module::activate),
                    norms: Some(Norms {
                        norm_1: loops($module::norm_1, $module::activate),
                        norm_2: loops($module::norm_2, $module::activate),
                        norm_max: loops($module::norm_max, $module::activate),
                        norm_p: loops($module::norm_p, $module::activate),
                    }),
                    ..integers!(Some(loops($module::mean, $module::activate)), None)
                }
            };
        }
        AllKernels {
            f32: floats!(),
            f64: floats!(),
            f16: floats!(),
            bf16: floats!(),
            i8: quantized!(),
            u8: quantized!(),
            i16: quantized!(),
            u16: quantized!(),
            i32: quantized!(),
            u32: integers!(None, None),
            i64: integers!(None, None),
        }
    }};
}

/// The compiler's own vectorisation, dispatched by `multiversion`.
const AUTOVEC: Backend = Backend {
    name: "autovec",
    features: &[],
    floor: autovec::floor,
    kernels: of_plain_loops!(autovec),
};

/// The definition, against which the others are checked.
pub const REFERENCE: Backend = Backend {
    name: "reference",
    features: &[],
    floor: floor::<f32, Scalar>,
    kernels: of_plain_loops!(reference),
};
