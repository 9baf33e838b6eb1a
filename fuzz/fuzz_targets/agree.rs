//! Every backend computes, bit for bit, what the reference computes, whatever the geometry and
//! whatever bits the elements have; and it neither writes outside its output nor cares what lies
//! around its input.
//!
//! Geometries are made without the face, which would plan but some of them: here a window may also
//! lie wherever it likes.
#![no_main]

use arbitrary::Arbitrary;
use lanepool::check::{Value, Values};
use lanepool_kernels::{
    Axis, BACKENDS, Backend, Divisor, Geometry, Kernel, REFERENCE, Requantization, Rounding,
    Strides, bf16, f16,
};
use libfuzzer_sys::{Corpus, fuzz_target};
use std::array::from_fn;
use std::fmt;
use std::ops::Range;

/// What is made of the fuzzer's bytes.
#[derive(Arbitrary)]
struct Input {
    rank: u8,
    axes: [Sizes; 3],
    planes: u8,
    inner: u8,
    divisor: u8,
    number: i64,
    op: u8,
    element: u8,
    rounding: u8,
    split: [u8; 2],
    fill: u8,
    offset: u8,
    /// Of the strides; no gaps if the first is 0.
    gaps: [u8; 5],
    data: Vec<u8>,
}

#[derive(Arbitrary, Clone, Copy)]
struct Sizes {
    input: u8,
    kernel: u8,
    stride: u8,
    dilation: u8,
    begin: u8,
    end: u8,
    windows: u8,
    large: u8,
    spread: bool,
}

impl Sizes {
    /// The axis; `i` is 2 for the width, which is longer than the others.
    fn axis(&self, i: usize) -> Axis {
        // Landmarks are the sizes of buffers.
        const LANDMARKS: [usize; 8] = [64, 65, 128, 300, 513, 700, 4000, 4100];
        let landmark = LANDMARKS[usize::from(self.large % 8)];
        let size = |byte: u8, usual: u8, most: usize| match byte {
            0..200 => usize::from(1 + byte % usual),
            200..252 => usize::from(byte - 199),
            _ => landmark.min(most),
        };
        let kernel = size(self.kernel, 7, usize::MAX);
        let stride = size(self.stride, 5, 300);
        let dilation = if self.dilation < 128 { 1 } else { size(self.dilation - 128, 4, 64) };
        let input = match (i, self.input) {
            (2, 252..) => landmark + usize::from(self.large / 8),
            (2, byte) => usize::from(byte) + 1,
            (_, byte) => usize::from(byte % 16) + 1,
        };
        let pad = |byte: u8| match byte {
            0..64 => 0,
            64..128 => kernel / 2,
            128..192 => usize::from(byte % 8),
            192..252 => usize::from(byte - 192),
            _ => landmark,
        };
        if self.spread && self.windows % 4 == 0 {
            let output = usize::from(self.windows % 48) + 1;
            let longest = input.div_ceil(output) + 1;
            return Axis {
                input,
                output,
                kernel: longest,
                stride: longest,
                spread: true,
                ..Axis::UNIT
            };
        }
        let (pad_begin, pad_end) = (pad(self.begin), pad(self.end));
        let padded = input + pad_begin + pad_end;
        let span = (kernel - 1) * dilation + 1;
        let output = match padded.checked_sub(span) {
            Some(spare) if self.windows < 160 => spare / stride + 1,
            Some(spare) if self.windows < 208 => spare.div_ceil(stride) + 1,
            _ => usize::from(self.windows % 48) + 1,
        };
        Axis { input, output, kernel, stride, dilation, pad_begin, pad_end, spread: false }
    }
}

/// What is computed.
#[derive(Clone, Copy, Debug)]
enum Op {
    Max,
    MaxNumber,
    Mean,
    QuantizedMean,
    Min,
    MinNumber,
    Norm1,
    Norm2,
    NormMax,
    NormP(f64),
}

impl Op {
    /// Those that have walks of their own more often than the others.
    fn new(byte: u8) -> Self {
        match byte {
            0..60 => Self::Max,
            60..100 => Self::MaxNumber,
            100..160 => Self::Mean,
            160..190 => Self::Min,
            190..210 => Self::MinNumber,
            210..224 => Self::Norm1,
            224..238 => Self::Norm2,
            238..250 => Self::NormMax,
            _ => Self::NormP([0.5, 1.5, 3.0][usize::from(byte % 3)]),
        }
    }

    /// None of a type that lacks it.
    fn kernel<T: Element>(self, backend: &Backend) -> Option<Kernel<T>> {
        let kernels = T::kernels(backend);
        Some(match self {
            Self::Max => kernels.max,
            Self::MaxNumber => kernels.max_number,
            Self::Mean => kernels.mean?,
            Self::QuantizedMean => kernels.quantized_mean?,
            Self::Min => kernels.min,
            Self::MinNumber => kernels.min_number,
            Self::Norm1 => kernels.norms?.norm_1,
            Self::Norm2 => kernels.norms?.norm_2,
            Self::NormMax => kernels.norms?.norm_max,
            Self::NormP(_) => kernels.norms?.norm_p,
        })
    }
}

/// A type of elements.
trait Element: Value + Copy + fmt::Debug {
    /// Values that would show if one took part: NaN or an infinity of floating-point numbers, the ends of
    /// integers.
    const POISON: [Self; 2];
}

macro_rules! elements {
    ($($name:ident: $poison:expr),* $(,)?) => { $(
        impl Element for $name {
            const POISON: [Self; 2] = $poison;
        }
    )* };
}

elements! {
    f32: [Self::NAN, Self::INFINITY],
    f64: [Self::NAN, Self::INFINITY],
    f16: [Self::NAN, Self::INFINITY],
    bf16: [Self::NAN, Self::INFINITY],
    i8: [Self::MIN, Self::MAX],
    u8: [Self::MIN, Self::MAX],
    i16: [Self::MIN, Self::MAX],
    u16: [Self::MIN, Self::MAX],
    i32: [Self::MIN, Self::MAX],
    u32: [Self::MIN, Self::MAX],
    i64: [Self::MIN, Self::MAX],
}

/// A case that is not too large.
struct Case<T> {
    geometry: Geometry,
    op: Op,
    /// Where the rows are split.
    splits: [usize; 2],
    input: Vec<T>,
}

/// Elements of a tensor at most, and taps of all its windows together.
const ELEMENTS: usize = 8192;
const TAPS: usize = 1 << 16;

/// Around the output.
const CANARY: u64 = 0xdead_beef_dead_beef;
const MARGIN: usize = 64;

impl<T: Element> Case<T> {
    fn new(input: &Input) -> Option<Self> {
        let rank = usize::from(input.rank % 4);
        let axes = from_fn(|i| if i + rank < 3 { Axis::UNIT } else { input.axes[i].axis(i) });
        let planes = match input.planes {
            0..200 => usize::from(1 + input.planes % 4),
            few => usize::from(few - 200),
        };
        let inner = match input.inner {
            0..128 => 1,
            some => usize::from(some - 128),
        };
        let divisor = match input.divisor % 4 {
            0 => Divisor::Present,
            1 => Divisor::Padded,
            2 => Divisor::Constant(input.number),
            _ => Divisor::Constant(input.number % 64),
        };
        let mut op = Op::new(input.op);
        let (clamp, requantization) = activation(input.rounding / 4);
        if matches!(op, Op::Mean) && requantization.is_some() {
            op = Op::QuantizedMean;
        }
        op.kernel::<T>(&REFERENCE)?;
        let rounding =
            [Rounding::HalfAwayFromZero, Rounding::HalfEven, Rounding::HalfUp, Rounding::Truncate]
                [usize::from(input.rounding % 4)];
        let exponent = if let Op::NormP(p) = op { p } else { 0.0 };
        let geometry = Geometry::new(planes, axes, inner, divisor)?;
        let geometry = match input.gaps {
            [0, ..] => geometry,
            gaps => strided(geometry, gaps)?,
        };
        let mut geometry = geometry.rounded(rounding).raised(exponent);
        if let Some([min, max]) = clamp {
            geometry = geometry.clamped(min, max);
        }
        if let Some(requantization) = requantization {
            geometry = geometry.requantized(requantization);
        }
        let window = axes.iter().map(|axis| axis.kernel).product::<usize>();
        let is_small = geometry.input_len() <= ELEMENTS
            && geometry.output_len() <= ELEMENTS
            && geometry.output_len().checked_mul(window).is_some_and(|taps| taps <= TAPS);
        if !is_small {
            return None;
        }
        let mut splits = input.split.map(|split| usize::from(split) % (geometry.rows() + 1));
        splits.sort_unstable();
        let elements = fill(geometry.input_len(), input.fill, &input.data);
        Some(Self { geometry, op, splits, input: elements })
    }

    /// Runs a backend over some rows, between canaries.
    fn run(&self, backend: &Backend, rows: Range<usize>, input: &[T]) -> Vec<T> {
        let kernel = self.op.kernel::<T>(backend).expect("all backends have the same");
        let len = rows.len() * self.geometry.row_len();
        between_canaries(len, |output| {
            kernel.pool(&self.geometry, rows, input, output);
        })
        .unwrap_or_else(|at| {
            panic!("{backend:?} wrote to element {at}, outside its output: {self:?}")
        })
    }

    fn compare(&self, what: &str, backend: &Backend, got: &[T], want: &[T]) {
        assert_eq!(got.len(), want.len());
        let differ = |(got, want): (&T, &T)| got.bits() != want.bits();
        if let Some(i) = got.iter().zip(want).position(differ) {
            let [got, want] = [got[i], want[i]].map(T::bits);
            panic!("{backend:?}, {what}: element {i} is {got:x}, not {want:x}: {self:?}");
        }
    }

    fn check(&self, offset: u8) {
        let all = 0..self.geometry.rows();
        let want = self.run(&REFERENCE, all.clone(), &self.input);
        // What the address sanitizer does not see, because it lies inside an allocation, changes
        // the result. Any alignment.
        let offset = usize::from(offset % 32);
        let mut poisoned = vec![T::POISON[offset % 2]; offset + self.input.len() + MARGIN];
        poisoned[offset..offset + self.input.len()].copy_from_slice(&self.input);
        let poisoned = &poisoned[offset..offset + self.input.len()];
        let supported = BACKENDS.iter().filter(|b| b.is_supported() && **b != REFERENCE);
        for backend in supported {
            let got = self.run(backend, all.clone(), &self.input);
            self.compare("all rows", backend, &got, &want);
            let [a, b] = self.splits;
            let parts = [0..a, a..b, b..all.end].map(|rows| self.run(backend, rows, poisoned));
            self.compare("rows in three parts", backend, &parts.concat(), &want);
            let floor = |output: &mut [f32]| backend.floor(&vec![1.0; self.input.len()], output);
            let written = between_canaries(want.len(), floor);
            assert!(written.is_ok(), "{backend:?}, floor: {written:?}, {self:?}");
        }
    }
}

/// What is done to results: a clamp, and new integers for the same numbers. Zero points are of all types.
fn activation(byte: u8) -> (Option<[f64; 2]>, Option<Requantization>) {
    let clamp = [None, None, Some([0.0, 6.0]), Some([-1.4, f64::INFINITY])][usize::from(byte % 4)];
    let by = Requantization::new;
    let requantization = match byte / 4 {
        8 | 9 => Some(by(1.0, [100, 100])),
        10 => Some(by(1.0, [1, 127])),
        11 | 12 => Some(by(0.5, [3, 0])),
        13 => Some(by(2.0, [127, 1])),
        14 => Some(by(0.3, [0, 100])),
        15 => Some(by(1e9, [100, 3])),
        _ => None,
    };
    (clamp, requantization)
}

/// The same pooling of an input with these gaps; some of them make elements overlap.
fn strided(geometry: Geometry, gaps: [u8; 5]) -> Option<Geometry> {
    let images = [1, 2, 3].into_iter().rev().find(|n| geometry.planes() % n == 0)?;
    let planes = geometry.planes() / images;
    let [depth, height, width] = geometry.axes().map(|axis| axis.input);
    let mut inside = geometry.inner();
    let mut stride = |gap: u8, size: usize| {
        let stride = match gap {
            0..128 => inside,
            128..224 => inside + usize::from(gap - 128) % 20,
            few => usize::from(few - 224),
        };
        inside = stride * size;
        stride
    };
    let (width, height) = (stride(gaps[4], width), stride(gaps[3], height));
    let (depth, plane) = (stride(gaps[2], depth), stride(gaps[1], planes));
    let image = stride(gaps[0], images);
    geometry.strided(planes, Strides { image, plane, depth, height, width })
}

impl<T: Element> fmt::Debug for Case<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { geometry, op, splits, input } = self;
        let bits: Vec<_> = input.iter().map(|x| format!("{:x}", x.bits())).collect();
        let element = std::any::type_name::<T>();
        write!(f, "{op:?} of {element}, split at {splits:?}, of {geometry:#?}, ")?;
        write!(f, "input {}", bits.join(" "))
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for_element!(self, T => write!(f, "{:?}", Case::<T>::new(self)))
    }
}

/// What `write` writes to a slice of this length, or the place outside it that it writes to.
fn between_canaries<T: Value + Copy>(
    len: usize,
    write: impl FnOnce(&mut [T]),
) -> Result<Vec<T>, isize> {
    let canary = T::from_bits_of(CANARY);
    let mut buffer = vec![canary; MARGIN + len + MARGIN];
    write(&mut buffer[MARGIN..MARGIN + len]);
    let outside = (0..MARGIN).chain(MARGIN + len..buffer.len());
    match outside.into_iter().find(|&i| buffer[i].bits() != canary.bits()) {
        Some(i) => Err(i as isize - MARGIN as isize),
        None => Ok(buffer[MARGIN..MARGIN + len].to_vec()),
    }
}

/// The elements of a tensor. Only so much memory as there are elements, so that the address
/// sanitizer sees what lies beyond.
fn fill<T: Value>(len: usize, how: u8, data: &[u8]) -> Vec<T> {
    let data = if data.is_empty() { &[7] } else { data };
    let byte = |i: usize| data[i % data.len()].wrapping_add((i / data.len()) as u8);
    let wide = size_of::<T>();
    let elements: Vec<T> = match how % 4 {
        // The fuzzer's bits,
        0 => (0..len)
            .map(|i| {
                let bytes = from_fn(|j| data[(wide * i + j % wide) % data.len()]);
                T::from_bits_of(u64::from_le_bytes(bytes))
            })
            .collect(),
        // values that it chooses from a few,
        1 => (0..len).map(|i| value(data[i % data.len()])).collect(),
        // any bits,
        2 => (0..len).map(|i| T::from_bits_of(mix(i, byte(i)))).collect(),
        // and numbers of all magnitudes, with those that it chooses where it chooses.
        _ => {
            let number = |i| T::random(mix(i, data[0]), Values::Numbers);
            let mut elements: Vec<T> = (0..len).map(number).collect();
            for choice in data.chunks_exact(3).filter(|_| len > 0) {
                elements[usize::from(u16::from_le_bytes([choice[0], choice[1]])) % len] =
                    value(choice[2]);
            }
            elements
        }
    };
    elements.into_boxed_slice().into_vec()
}

/// One of the values about which there are rules, or a number.
fn value<T: Value>(byte: u8) -> T {
    let values = match byte {
        0..64 => Values::OnlyTraps,
        64..128 => Values::Ties,
        _ => Values::Numbers,
    };
    T::random(mix(usize::from(byte), byte), values)
}

/// SplitMix64.
fn mix(i: usize, byte: u8) -> u64 {
    let z = (i as u64 * 256 + u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Evaluates an expression for the type that an input chooses; half of them choose `f32`.
macro_rules! for_element {
    ($input:expr, $T:ident => $then:expr) => {
        for_element!($input, $T => $then; 0 f64, 1 f16, 2 bf16, 3 i8, 4 u8, 5 i16, 6 u16, 7 i32, 8 u32,
            9 i64)
    };
    ($input:expr, $T:ident => $then:expr; $($n:literal $type:ident),*) => {
        match $input.element {
            $(byte if byte >= 128 && byte % 10 == $n => {
                type $T = $type;
                $then
            })*
            _ => {
                type $T = f32;
                $then
            }
        }
    };
}
use for_element;

fuzz_target!(|input: Input| -> Corpus {
    for_element!(input, T => {
        let Some(case) = Case::<T>::new(&input) else { return Corpus::Reject };
        case.check(input.offset);
    });
    Corpus::Keep
});
