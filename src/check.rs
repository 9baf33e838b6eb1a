//! One comparison of a backend with the reference, for tests, fuzzers and the self-test.
//!
//! A [`Case`] is a pooling, a tensor's shape, layout and strides, and the seed of its data. It is checked with
//! the output between canaries, and bit by bit: backends may differ in speed only.
//!
//! ```
//! use lanepool::{Backend, check::Case};
//!
//! let case = Case::random(42);
//! case.check(Backend::best()?)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::explain::by;
use crate::pool::Mode;
use crate::{
    Backend, Clamp, Divisor, Element, Error, Explanation, Exponent, Layout, NanPolicy, Op, Padding,
    Plan, Pool, Pool1d, Pool2d, Pool3d, Quantization, REFERENCE, Rounding, Shape, Strides, bf16,
    f16,
};
use core::array::from_fn;
use core::fmt;

/// A pooling of a tensor full of awkward values.
///
/// ```
/// use lanepool::check::{Case, ElementType, Pooling, Values};
/// use lanepool::{Backend, Layout, Pool2d, Shape};
///
/// let case = Case {
///     pooling: Pooling::Two(Pool2d::max([3, 3]).padding([1, 1]), Shape::new(2, 3, [5, 7])),
///     layout: Layout::ChannelsFirst,
///     strides: None,
///     element: ElementType::F32,
///     seed: 7,
///     values: Values::Traps,
/// };
/// case.check(Backend::best()?)?;
/// assert!(case.to_string().starts_with("Max of 2×3×5×7, kernel 3×3"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Case {
    /// What is done.
    pub pooling: Pooling,
    /// How the tensor is laid out.
    pub layout: Layout,
    /// The [`Strides`] of the input: batch, channels, depth, height and width; none if it has no gaps.
    pub strides: Option<[usize; 5]>,
    /// What its elements are.
    pub element: ElementType,
    /// What its data are made from.
    pub seed: u64,
    /// How awkward they are.
    pub values: Values,
}

/// A pooling along any number of axes, and the shape of its tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pooling {
    /// Along the width.
    One(Pool1d, Shape<1>),
    /// Along height and width.
    Two(Pool2d, Shape<2>),
    /// Along depth, height and width.
    Three(Pool3d, Shape<3>),
}

/// The type of a tensor's elements.
///
/// ```
/// use lanepool::check::ElementType;
///
/// assert_eq!(ElementType::named("bf16"), Some(ElementType::Bf16));
/// assert_eq!(ElementType::named("f128"), None);
/// assert_eq!(ElementType::ALL.map(ElementType::name)[..2], ["f32", "f64"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "each is what its name says")]
pub enum ElementType {
    F32,
    F64,
    F16,
    Bf16,
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    I64,
}

/// Evaluates an expression for the type that a value of [`ElementType`] stands for.
macro_rules! for_element {
    ($element:expr, $T:ident => $then:expr) => {
        for_element!($element, $T => $then; F32 f32, F64 f64, F16 f16, Bf16 bf16, I8 i8, U8 u8,
            I16 i16, U16 u16, I32 i32, U32 u32, I64 i64)
    };
    ($element:expr, $T:ident => $then:expr; $($variant:ident $type:ident),*) => {
        match $element {
            $(ElementType::$variant => {
                type $T = $type;
                $then
            })*
        }
    };
}

impl ElementType {
    /// All there are.
    pub const ALL: [Self; 11] = [
        Self::F32,
        Self::F64,
        Self::F16,
        Self::Bf16,
        Self::I8,
        Self::U8,
        Self::I16,
        Self::U16,
        Self::I32,
        Self::U32,
        Self::I64,
    ];

    /// The name of the type.
    pub fn name(self) -> &'static str {
        for_element!(self, T => T::NAME)
    }

    /// The type of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.name() == name)
    }
}

/// What a tensor is filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Numbers of all magnitudes, none of which overflows a sum.
    Numbers,
    /// Few different numbers, among them both zeros.
    Ties,
    /// Numbers, and one in sixteen a NaN, an infinity, a denormal or a limit.
    Traps,
    /// Traps only.
    OnlyTraps,
}

/// A backend computed something else than the reference.
///
/// ```
/// use lanepool::check::{Case, Fault};
/// use lanepool::{Backend, REFERENCE};
///
/// let case = Case::random(1);
/// let want = case.run(&REFERENCE)?;
/// let mut got = want.clone();
/// got[2] ^= 1;
/// let backend = Backend::named("scalar")?;
/// let mismatch = case.compare(backend, &got, &want).unwrap_err();
/// assert_eq!(mismatch.fault, Fault::Element { index: 2, got: got[2], want: want[2] });
/// assert!(mismatch.to_string().starts_with("scalar: element 2 is "));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Mismatch {
    /// What was computed.
    pub case: Box<Case>,
    /// By which backend.
    pub backend: &'static str,
    /// What is wrong.
    pub fault: Fault,
}

/// What can be wrong with an output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// An element has other bits; this is the first one.
    Element {
        /// Its index in the output.
        index: usize,
        /// The bits of what the backend gives.
        got: u64,
        /// The bits of what the reference gives.
        want: u64,
    },
    /// The kernel wrote outside its output, so many elements from its start.
    Canary(isize),
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, backend, fault } = self;
        match fault {
            Fault::Element { index, got, want } => write!(
                f,
                "{backend}: element {index} is {}, the reference has {}: {case}",
                show(case.element, *got),
                show(case.element, *want)
            ),
            Fault::Canary(at) => {
                write!(f, "{backend}: wrote to element {at}, outside its output: {case}")
            }
        }
    }
}

impl std::error::Error for Mismatch {}

/// An element, and its bits.
fn show(element: ElementType, bits: u64) -> String {
    for_element!(element, T => format!("{:?} (0x{bits:x})", T::from_bits_of(bits)))
}

/// The bits of what is around the output; no kernel may change it.
const CANARY: u64 = 0xdead_beef_dead_beef;

/// Canaries on each side: more than the widest vector.
const MARGIN: usize = 64;

/// Geometries that are drawn for a case before it is given up.
const TRIES: usize = 1000;

impl Case {
    /// The case of this seed: any geometry that is in order, any values, any type of elements that has
    /// the operation.
    ///
    /// # Panics
    ///
    /// If many geometries in a row cannot be planned. That takes a fault in planning: of those that
    /// are drawn, most can.
    ///
    /// ```
    /// use lanepool::check::Case;
    ///
    /// assert_eq!(Case::random(42), Case::random(42));
    /// assert!(Case::random(42).to_string().ends_with("seed 42"));
    /// ```
    pub fn random(seed: u64) -> Self {
        let mut random = Random(seed);
        let block = random.small(40);
        let block = random.one_of([4, 8, 16, 32, block]);
        let layout = match random.below(5) {
            0 | 1 => Layout::ChannelsFirst,
            2 | 3 => Layout::ChannelsLast,
            _ => Layout::Blocked(block),
        };
        let values =
            random.one_of([Values::Numbers, Values::Ties, Values::Traps, Values::OnlyTraps]);
        // Most seeds give a valid pooling at once; the others are tried again.
        let pooling = (0..TRIES).find_map(|_| match random.below(8) {
            0 | 1 => random.pooling(layout, &[1, 2, 7, 16, 33, 70, 150, 400]).map(Pooling::one),
            2..6 => random.pooling(layout, &[1, 3, 8, 17, 34]).map(Pooling::two),
            6 => random.pooling(layout, &[1, 2, 5, 11]).map(Pooling::three),
            _ => random.wide(layout).map(Pooling::one),
        });
        let mut pooling = pooling
            .unwrap_or_else(|| panic!("seed {seed}: none of {TRIES} geometries can be planned"));
        let (op, strides) = match &pooling {
            Pooling::One(pool, shape) => (pool.op, random.strides(layout, shape)),
            Pooling::Two(pool, shape) => (pool.op, random.strides(layout, shape)),
            Pooling::Three(pool, shape) => (pool.op, random.strides(layout, shape)),
        };
        let element = random.element(op);
        match &mut pooling {
            Pooling::One(pool, _) => random.activation(pool, element),
            Pooling::Two(pool, _) => random.activation(pool, element),
            Pooling::Three(pool, _) => random.activation(pool, element),
        }
        Self { pooling, layout, strides, element, seed, values }
    }

    /// The plan for this case.
    ///
    /// # Errors
    ///
    /// As [`Pool::plan`].
    ///
    /// ```
    /// use lanepool::{Plan, REFERENCE, check::Case};
    ///
    /// let case = Case::random(1);
    /// let plan: Plan<f32> = case.plan(&REFERENCE)?;
    /// assert_eq!(case.input::<f32>(plan.input_len()).len(), plan.input_len());
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn plan<T: Element>(&self, backend: &'static Backend) -> Result<Plan<T>, Error> {
        self.plan_on(Some(backend))
    }

    /// The plan on a backend, or on the one of the process.
    fn plan_on<T: Element>(&self, backend: Option<&'static Backend>) -> Result<Plan<T>, Error> {
        match self.pooling {
            Pooling::One(pool, shape) => self.plan_of(backend, pool, shape),
            Pooling::Two(pool, shape) => self.plan_of(backend, pool, shape),
            Pooling::Three(pool, shape) => self.plan_of(backend, pool, shape),
        }
    }

    fn plan_of<T: Element, const D: usize>(
        &self,
        backend: Option<&'static Backend>,
        pool: Pool<D>,
        shape: Shape<D>,
    ) -> Result<Plan<T>, Error> {
        let strides = self.strides.map(|[batch, channels, spatial @ ..]| Strides {
            batch,
            channels,
            spatial: from_fn(|i| spatial[3 - D + i]),
        });
        // The case may be of another type.
        let quantization = pool.quantization.filter(|tensors| {
            let holds = |(least, greatest)| {
                tensors.iter().all(|tensor| (least..=greatest).contains(&tensor.zero_point()))
            };
            T::QUANTIZED.is_some_and(holds)
        });
        let pool = Pool { quantization, ..pool };
        match (backend, strides) {
            (Some(backend), None) => pool.plan_on(backend, self.layout, shape),
            (Some(backend), Some(strides)) => {
                pool.plan_view_on(backend, self.layout, shape, strides)
            }
            (None, None) => pool.plan(self.layout, shape),
            (None, Some(strides)) => pool.plan_view(self.layout, shape, strides),
        }
    }

    /// What the plan on a backend, or on the one of the process, says of itself.
    ///
    /// # Errors
    ///
    /// As [`Pool::plan`].
    ///
    /// ```
    /// use lanepool::{REFERENCE, check::Case};
    ///
    /// println!("{}", Case::random(1).explain(Some(&REFERENCE))?);
    /// # Ok::<(), lanepool::Error>(())
    /// ```
    pub fn explain(&self, backend: Option<&'static Backend>) -> Result<Explanation, Error> {
        for_element!(self.element, T => Ok(self.plan_on::<T>(backend)?.explain()))
    }

    /// The data.
    pub fn input<T: Value>(&self, len: usize) -> Vec<T> {
        let mut random = Random(!self.seed);
        (0..len).map(|_| T::random(random.next(), self.values)).collect()
    }

    /// The bits of the output of a backend.
    ///
    /// # Errors
    ///
    /// If it writes outside its output.
    ///
    /// # Panics
    ///
    /// If the case cannot be planned; all that [`random`](Self::random) gives can.
    ///
    /// ```
    /// use lanepool::{Backend, REFERENCE, check::Case};
    ///
    /// let case = Case::random(1);
    /// assert_eq!(case.run(Backend::best()?)?, case.run(&REFERENCE)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run(&self, backend: &'static Backend) -> Result<Vec<u64>, Mismatch> {
        for_element!(self.element, T => {
            self.run_as::<T>(backend).map(|output| output.into_iter().map(Value::bits).collect())
        })
    }

    /// The output of a backend, if the elements were of this type.
    ///
    /// # Errors
    ///
    /// If it writes outside its output.
    ///
    /// # Panics
    ///
    /// If the case cannot be planned; all that [`random`](Self::random) gives can.
    ///
    /// ```
    /// use lanepool::check::{Case, ElementType, Value};
    /// use lanepool::REFERENCE;
    ///
    /// let case = Case { element: ElementType::F64, ..Case::random(1) };
    /// let bits: Vec<u64> = case.run_as::<f64>(&REFERENCE)?.into_iter().map(f64::bits).collect();
    /// assert_eq!(bits, case.run(&REFERENCE)?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn run_as<T: Value>(&self, backend: &'static Backend) -> Result<Vec<T>, Mismatch> {
        let plan = self.plan::<T>(backend).unwrap_or_else(|error| panic!("{self}: {error}"));
        let input = self.input(plan.input_len());
        let mut buffer = vec![T::from_bits_of(CANARY); MARGIN + plan.output_len() + MARGIN];
        let (before, rest) = buffer.split_at_mut(MARGIN);
        let (output, after) = rest.split_at_mut(plan.output_len());
        plan.run(&input, output).unwrap_or_else(|error| panic!("{self}: {error}"));
        match touched(before, output.len(), after) {
            Some(at) => Err(self.mismatch(backend, Fault::Canary(at))),
            None => Ok(output.to_vec()),
        }
    }

    /// Compares a backend with the reference.
    ///
    /// # Errors
    ///
    /// If they differ, or if the backend writes outside its output.
    ///
    /// # Panics
    ///
    /// If the backend is the reference itself: that would check nothing.
    pub fn check(&self, backend: &'static Backend) -> Result<(), Mismatch> {
        assert_ne!(backend, &REFERENCE, "the reference is not checked against itself");
        let (got, want) = (self.run(backend)?, self.run(&REFERENCE)?);
        self.compare(backend, &got, &want)
    }

    /// Compares the bits of the output of a backend with those of the reference.
    ///
    /// # Errors
    ///
    /// If they differ.
    pub fn compare(
        &self,
        backend: &'static Backend,
        got: &[u64],
        want: &[u64],
    ) -> Result<(), Mismatch> {
        match got.iter().zip(want).position(|(got, want)| got != want) {
            None => Ok(()),
            Some(index) => {
                let fault = Fault::Element { index, got: got[index], want: want[index] };
                Err(self.mismatch(backend, fault))
            }
        }
    }

    fn describe<const D: usize>(
        &self,
        f: &mut fmt::Formatter<'_>,
        pool: &Pool<D>,
        shape: &Shape<D>,
    ) -> fmt::Result {
        write!(f, "{:?} of {}", pool.op, by(&[shape.batch, shape.channels]))?;
        write!(f, "×{}", by(&shape.spatial))?;
        if let Some(strides) = self.strides {
            write!(f, ", input strides {}", by(&strides))?;
        }
        write!(f, ", kernel {}", by(&pool.kernel))?;
        write!(f, ", stride {}, dilation {}", by(&pool.stride), by(&pool.dilation))?;
        match pool.padding {
            Padding::Explicit { begin, end } => {
                write!(f, ", padding {} and {}", by(&begin), by(&end))?;
            }
            ref other => write!(f, ", padding {other:?}")?,
        }
        if pool.ceil_mode {
            write!(f, ", ceil mode")?;
        }
        if pool.mode != Mode::Window {
            write!(f, ", {:?}", pool.mode)?;
        }
        if let Some([input, output]) = pool.quantization {
            write!(f, ", quantised {input:?} and {output:?}")?;
        }
        if let Some(clamp) = pool.clamp {
            write!(f, ", clamp {clamp:?}")?;
        }
        match pool.op {
            Op::Average => write!(f, ", {:?}, {:?}", pool.divisor, pool.rounding),
            Op::Max | Op::Min => write!(f, ", {:?} NaN", pool.nan_policy),
            Op::Sum => write!(f, ", {:?}", pool.rounding),
            Op::Lp(p) => write!(f, ", p = {}", p.get()),
        }
    }

    fn mismatch(&self, backend: &'static Backend, fault: Fault) -> Mismatch {
        Mismatch { case: Box::new(*self), backend: backend.name(), fault }
    }
}

/// Which canary is dead, counted from the start of the output between them.
fn touched<T: Value>(before: &[T], output: usize, after: &[T]) -> Option<isize> {
    let alive = T::from_bits_of(CANARY).bits();
    let dead = |canaries: &[T]| canaries.iter().position(|x| x.bits() != alive);
    let first = dead(before).map(|i| i as isize - before.len() as isize);
    first.or(dead(after).map(|i| (output + i) as isize))
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pooling {
            Pooling::One(pool, shape) => self.describe(f, pool, shape)?,
            Pooling::Two(pool, shape) => self.describe(f, pool, shape)?,
            Pooling::Three(pool, shape) => self.describe(f, pool, shape)?,
        }
        let element = self.element.name();
        write!(f, ", {element}, {:?}, {:?}, seed {}", self.layout, self.values, self.seed)
    }
}

impl Pooling {
    fn one((pool, shape): (Pool1d, Shape<1>)) -> Self {
        Self::One(pool, shape)
    }

    fn two((pool, shape): (Pool2d, Shape<2>)) -> Self {
        Self::Two(pool, shape)
    }

    fn three((pool, shape): (Pool3d, Shape<3>)) -> Self {
        Self::Three(pool, shape)
    }
}

/// A hash over outputs, by which machines that never meet can be compared:
/// [FNV-1a](https://datatracker.ietf.org/doc/html/draft-eastlake-fnv), an element at a time.
///
/// ```
/// use lanepool::check::{Case, Digest};
/// use lanepool::{Backend, REFERENCE};
///
/// let (mut one, mut other) = (Digest::default(), Digest::default());
/// one.add(&Case::random(1).run(Backend::best()?)?);
/// other.add(&Case::random(1).run(&REFERENCE)?);
/// assert_eq!(one.value(), other.value());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// Takes in the bits of an output.
    pub fn add(&mut self, output: &[u64]) {
        for bits in output {
            self.0 = (self.0 ^ bits).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// The hash of all outputs so far.
    pub fn value(&self) -> u64 {
        self.0
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Checks a backend on `cases` cases from `seed` on: how many fail, and the [`Digest`] of what it
/// computes, which is the one that the self-test prints.
///
/// # Panics
///
/// As [`Case::check`].
///
/// ```
/// use lanepool::{Backend, check};
///
/// let [(failed, digest), (_, other)] =
///     [Backend::best()?, Backend::named("scalar")?].map(|backend| check::digest(backend, 0, 20));
/// assert_eq!((failed, digest), (0, other));
/// # Ok::<(), lanepool::Error>(())
/// ```
pub fn digest(backend: &'static Backend, seed: u64, cases: u64) -> (u64, u64) {
    assert_ne!(backend, &REFERENCE, "the reference is not checked against itself");
    let (mut failed, mut digest) = (0, Digest::default());
    for case in (0..cases).map(|i| Case::random(seed.wrapping_add(i))) {
        let want = case.run(&REFERENCE);
        let got = case.run(backend).inspect(|got| digest.add(got));
        let agree = got.and_then(|got| case.compare(backend, &got, &want?));
        failed += u64::from(agree.is_err());
    }
    (failed, digest.value())
}

/// An element type that random tensors can be filled with.
///
/// ```
/// use lanepool::check::{Value, Values};
///
/// assert_eq!(f32::from_bits_of(0x3f80_0000), 1.0);
/// assert_eq!(1.0f32.bits(), 0x3f80_0000);
/// assert_eq!(u8::random(12345 << 33, Values::Ties), 0);
/// ```
pub trait Value: Element {
    /// What 64 random bits become.
    fn random(bits: u64, values: Values) -> Self;

    /// Its bits.
    fn bits(self) -> u64;

    /// The element of these bits, as many of the lowest as it has.
    fn from_bits_of(bits: u64) -> Self;
}

macro_rules! floats {
    ($($float:ident as $bits:ident, $zero:expr, from $from:expr);* $(;)?) => { $(
        impl Value for $float {
            fn random(bits: u64, values: Values) -> Self {
                let from = $from;
                let traps = [
                    Self::NAN,
                    Self::from_bits(Self::NAN.to_bits() | 1 << ($bits::BITS - 1) | 1),
                    // Signalling: an infinity's bits and one more.
                    Self::from_bits(Self::INFINITY.to_bits() + 1),
                    Self::NEG_INFINITY,
                    Self::NEG_INFINITY,
                    Self::NEG_INFINITY,
                    Self::NEG_INFINITY,
                    Self::INFINITY,
                    -$zero,
                    $zero,
                    // Denormal numbers, and the smallest other one.
                    Self::from_bits(1 << ($bits::BITS - 1) | 1),
                    Self::from_bits(Self::MIN_POSITIVE.to_bits() - 1),
                    Self::MIN_POSITIVE,
                    Self::MIN,
                    Self::MAX,
                    from(-1.0),
                ];
                let number = || {
                    let magnitude = ((bits >> 32) as f32 / (1u64 << 31) as f32 - 1.0) * 3.0;
                    from(magnitude * [1.0, 1e-3, 1e4, 1e-30][bits as usize % 4])
                };
                match values {
                    Values::Numbers => number(),
                    Values::Ties => {
                        [from(-1.0), -$zero, $zero, from(0.5), from(0.1)][(bits >> 33) as usize % 5]
                    }
                    Values::Traps if bits >> 60 > 0 => number(),
                    _ => traps[(bits >> 40) as usize % traps.len()],
                }
            }

            fn bits(self) -> u64 {
                self.to_bits().into()
            }

            fn from_bits_of(bits: u64) -> Self {
                Self::from_bits(bits as $bits)
            }
        }
    )* };
}

floats! {
    f32 as u32, 0.0, from |x: f32| x;
    f64 as u64, 0.0, from |x: f32| f64::from(x);
    f16 as u16, f16::ZERO, from f16::from_f32;
    bf16 as u16, bf16::ZERO, from bf16::from_f32;
}

macro_rules! integers {
    ($($integer:ident as $bits:ident),*) => { $(
        impl Value for $integer {
            fn random(bits: u64, values: Values) -> Self {
                let any = (bits >> 16) as Self;
                match values {
                    Values::Numbers => any,
                    Values::Ties => (bits >> 33) as Self % 3,
                    Values::Traps if bits >> 60 > 0 => any,
                    _ => [Self::MIN, Self::MAX, 0, 1][(bits >> 40) as usize % 4],
                }
            }

            fn bits(self) -> u64 {
                (self as $bits).into()
            }

            fn from_bits_of(bits: u64) -> Self {
                bits as Self
            }
        }
    )* };
}

integers!(i8 as u8, u8 as u8, i16 as u16, u16 as u16, i32 as u32, u32 as u32, i64 as u64);

/// [SplitMix64](https://prng.di.unimi.it/splitmix64.c): the same cases on every machine.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() >> 32) as usize % n
    }

    fn one_of<T: Copy, const N: usize>(&mut self, choices: [T; N]) -> T {
        choices[self.below(N)]
    }

    /// Small numbers mostly, up to `max`.
    fn small(&mut self, max: usize) -> usize {
        let max = self.below(max) + 1;
        self.below(max) + 1
    }

    /// A size around one of some landmarks.
    fn size(&mut self, landmarks: &[usize]) -> usize {
        let landmark = landmarks[self.below(landmarks.len())];
        (landmark + self.below(3)).saturating_sub(1).max(1)
    }

    /// A type that has an operation; half of the time the one that has walks of its own.
    fn element(&mut self, op: Op) -> ElementType {
        use ElementType::*;
        let float = self.one_of([F64, F16, Bf16]);
        let summed = self.one_of([I8, U8, I16, U16, I32]);
        let any = self.one_of([float, summed, summed, I64, U32]);
        match (self.below(2), op) {
            (0, _) => F32,
            (_, Op::Lp(_)) => float,
            (_, Op::Average | Op::Sum) => self.one_of([float, summed]),
            (_, Op::Max | Op::Min) => any,
        }
    }

    /// Clamps some poolings, and quantises some of those of integers.
    fn activation<const D: usize>(&mut self, pool: &mut Pool<D>, element: ElementType) {
        if self.below(4) == 0 {
            let min = self.one_of([f64::NEG_INFINITY, 0.0, -0.0, -1.4, 1.0]);
            pool.clamp = Some(Clamp::new(min, self.one_of([1.0, 6.0, 100.5, f64::INFINITY])));
        }
        let quantized = for_element!(element, T => T::QUANTIZED);
        let Some((least, greatest)) = quantized.filter(|_| self.below(2) == 0) else { return };
        let [input, output] = from_fn(|_| {
            // Halves are frequent with powers of two, and ratios that are not exact with others.
            let scale = self.one_of([1.0, 0.5, 0.25, 0.1, 0.037, 1e-9]);
            Quantization::new(scale, self.one_of([0, 1, 3, 100, least, greatest]))
        });
        pool.quantization = Some([input, if self.below(2) == 0 { input } else { output }]);
    }

    /// A pooling with sides around some landmarks; not all that this gives is in order.
    fn pooling<const D: usize>(
        &mut self,
        layout: Layout,
        landmarks: &[usize],
    ) -> Option<(Pool<D>, Shape<D>)> {
        let mut kernel: [usize; D] = from_fn(|_| self.small(7));
        let mut stride: [usize; D] = from_fn(|_| self.small(5));
        let mut dilation: [usize; D] = from_fn(|_| self.one_of([1, 1, 1, 2, 3]));
        let usual = self.below(2) == 0;
        let same = usual && self.below(2) == 0;
        if usual {
            let (taps, step) =
                self.one_of([(2, 1), (2, 2), (3, 1), (3, 1), (3, 2), (3, 3), (4, 4)]);
            for i in [0, D - 1] {
                (kernel[i], stride[i], dilation[i]) = (taps, step, 1);
            }
            // Lines may be dilated where columns are not.
            if D > 1 && self.below(4) == 0 {
                dilation[0] = 2;
            }
        }
        // Large windows have a walk of their own.
        let large = D == 2 && self.below(8) == 0;
        if large {
            let longest = self.one_of([16, 40]);
            (kernel, dilation) = (from_fn(|_| self.small(longest)), [1; D]);
            stride = from_fn(|_| self.one_of([1, 1, 1, 2, 3]));
        }
        let [begin, end] = from_fn(|_| {
            from_fn::<usize, D, _>(|i| {
                let wide = self.small(9);
                let half = kernel[i] / 2;
                let wide = if usual && i == D - 1 { half } else { wide };
                let any = self.one_of([0, 0, half, wide]);
                if same { half } else { any }
            })
        });
        let spatial: [usize; D] = from_fn(|_| self.size(landmarks));
        // Squares are what people use, and what has walks of its own.
        let square = self.below(2) == 0;
        let squared = |sizes: [usize; D]| if square { [sizes[0]; D] } else { sizes };
        let (begin, end) = (squared(begin), squared(end));
        let channels = match layout {
            // Of large windows, the reference takes its time; but few planes have another walk than many.
            _ if large => self.size(&[1, 3, 9, 33]),
            Layout::ChannelsFirst => self.small(4),
            Layout::ChannelsLast | Layout::Blocked(_) => self.size(&[1, 2, 3, 4, 8, 16, 35, 65]),
        };
        let shape = Shape::new(self.below(3), channels, spatial);
        let padding = match self.below(8) {
            0 => Padding::SameUpper,
            1 => Padding::SameLower,
            2 => Padding::Valid,
            _ => Padding::Explicit { begin, end },
        };
        let pool = Pool::new(Op::Max, squared(kernel)).stride(squared(stride));
        let pool = pool.dilation(squared(dilation)).pad(padding);
        self.finish(pool, layout, shape)
    }

    /// Rows and windows longer than any buffer.
    fn wide(&mut self, layout: Layout) -> Option<(Pool1d, Shape<1>)> {
        let shape = Shape::new(1, self.small(2), [self.one_of([700, 1100, 4200, 5000])]);
        let kernel = self.one_of([1, 2, 3, 64, 65, 100, 513, 3900, 4100]);
        let stride = self.one_of([1, 1, 2, 3, 16, 63, 64, 300]);
        let both = [self.one_of([0, 0, 1, kernel / 2, 4500])];
        let pool = Pool1d::max([kernel]).stride([stride]).padding(both);
        let pool = pool.dilation([self.one_of([1, 1, 2, 64])]);
        let pooling = self.finish(pool, layout, shape)?;
        // The reference takes its time: windows times taps.
        let outputs = pool.output_size(shape.spatial).ok()?[0];
        (outputs * kernel < 500_000).then_some(pooling)
    }

    /// Strides of an input, half of the time: with gaps, and some that repeat elements.
    fn strides<const D: usize>(&mut self, layout: Layout, shape: &Shape<D>) -> Option<[usize; 5]> {
        if self.below(2) == 0 {
            return None;
        }
        let (planes, inner) = layout.split(shape.channels);
        let mut sizes = [shape.batch, planes, 1, 1, 1];
        sizes[5 - D..].copy_from_slice(&shape.spatial);
        let (mut strides, mut inside) = ([0; 5], inner);
        for i in (0..5).rev() {
            let gap = self.one_of([0, 0, 1, 3, 17]);
            // Single elements are mostly neighbours.
            let gap = if i == 4 && inner == 1 && self.below(4) > 0 { 0 } else { gap };
            strides[i] = inside + gap;
            inside = strides[i] * sizes[i];
        }
        if self.below(6) == 0 {
            strides[self.below(5)] = self.one_of([0, 1, inner]);
        }
        if layout == Layout::ChannelsLast {
            strides[1] = 1;
        }
        Some(strides)
    }

    fn finish<const D: usize>(
        &mut self,
        pool: Pool<D>,
        layout: Layout,
        shape: Shape<D>,
    ) -> Option<(Pool<D>, Shape<D>)> {
        let mut pool = pool.ceil_mode(self.below(2) == 0);
        let p = self.one_of([1.0, 2.0, f64::INFINITY, 0.5, 3.0]);
        let rare = self.one_of([Op::Min, Op::Min, Op::Sum, Op::Lp(Exponent::new(p))]);
        pool.op = self.one_of([Op::Max, Op::Max, Op::Average, Op::Average, rare]);
        // A power takes so long that large windows are left out.
        let slow = matches!(pool.op, Op::Lp(_)) && ![1.0, 2.0, f64::INFINITY].contains(&p);
        if slow && shape.spatial.iter().product::<usize>() > 2000 {
            return None;
        }
        pool.mode = match self.below(10) {
            0 => Mode::Global,
            1 => Mode::Adaptive,
            _ => Mode::Window,
        };
        pool.rounding = self.one_of([
            Rounding::HalfAwayFromZero,
            Rounding::HalfEven,
            Rounding::HalfUp,
            Rounding::Truncate,
        ]);
        pool.nan_policy = self.one_of([NanPolicy::Propagate, NanPolicy::Ignore]);
        pool.divisor = match self.below(5) {
            0 => Divisor::IncludePad,
            1 => Divisor::FullWindow,
            2 => Divisor::Fixed(self.one_of([1, -3, 7, i64::MAX])),
            _ => Divisor::ExcludePad,
        };
        pool.plan_on::<f32>(&REFERENCE, layout, shape).ok().map(|_| (pool, shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BACKENDS;

    #[test]
    fn a_run_is_that_of_the_plan() {
        for seed in 0..50 {
            let case = Case::random(seed);
            let plan = case.plan(&REFERENCE).unwrap();
            let mut output = vec![0.0f32; plan.output_len()];
            plan.run(&case.input(plan.input_len()), &mut output).unwrap();
            let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&case.run_as(&REFERENCE).unwrap()), bits(&output), "{case}");
        }
    }

    #[test]
    fn a_bit_that_differs_is_found() {
        let case = Case { element: ElementType::F32, ..Case::random(1) };
        let backend = &BACKENDS[0];
        let want = [1.0f32, -2.0, 0.0].map(Value::bits);
        assert_eq!(case.compare(backend, &want, &want), Ok(()));
        let got = [1.0f32, -2.0, -0.0].map(Value::bits);
        let mismatch = case.compare(backend, &got, &want).unwrap_err();
        assert_eq!(mismatch.fault, Fault::Element { index: 2, got: 0x8000_0000, want: 0 });
        let text = mismatch.to_string();
        for part in [backend.name(), "element 2", "-0.0 (0x80000000)", "0.0 (0x0)", "seed 1"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_dead_canary_is_found() {
        let canary = f32::from_bits_of(CANARY);
        let (alive, mut dead) = ([canary; 4], [canary; 4]);
        assert_eq!(touched(&alive, 10, &alive), None);
        dead[0] = 1.0;
        assert_eq!(touched(&dead, 10, &alive), Some(-4));
        assert_eq!(touched(&alive, 10, &dead), Some(10));
        (dead[0], dead[3]) = (canary, 1.0);
        assert_eq!(touched(&dead, 10, &alive), Some(-1));
        assert_eq!(touched(&alive, 10, &dead), Some(13));
    }
}
