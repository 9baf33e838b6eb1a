//! Every backend computes, bit for bit, what the reference computes, whatever the geometry and
//! whatever bits the elements have; and it neither writes outside its output nor cares what lies
//! around its input.
//!
//! Geometries are made without the face, which would plan but some of them: here a window may also
//! lie wherever it likes.
#![no_main]

use arbitrary::Arbitrary;
use lanepool_kernels::{
    Axis, BACKENDS, Backend, Divisor, Geometry, Kernel, REFERENCE, Strides, Walk,
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
    /// Of the strides; no gaps if they are 0.
    gaps: [u8; 5],
    divisor: u8,
    number: i64,
    op: u8,
    split: [u8; 2],
    fill: u8,
    offset: u8,
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
}

impl Op {
    fn kernel(self, backend: &Backend) -> Kernel<f32> {
        let kernels = &backend.kernels().f32;
        match self {
            Self::Max => kernels.max,
            Self::MaxNumber => kernels.max_number,
            Self::Mean => kernels.mean.expect("floating-point numbers have averages"),
        }
    }

    /// What would show if it took part.
    fn poison(self) -> f32 {
        match self {
            Self::Max | Self::Mean => f32::NAN,
            Self::MaxNumber => f32::INFINITY,
        }
    }
}

/// A case that is not too large.
struct Case {
    geometry: Geometry,
    op: Op,
    /// Where the rows are split.
    splits: [usize; 2],
    input: Vec<f32>,
}

/// Elements of a tensor at most, and taps of all its windows together.
const ELEMENTS: usize = 8192;
const TAPS: usize = 1 << 16;

/// Around the output.
const CANARY: u32 = 0xdead_beef;
const MARGIN: usize = 64;

impl Case {
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
        let geometry = Geometry::new(planes, axes, inner, divisor)?;
        let geometry = match input.gaps {
            [0, ..] => geometry,
            gaps => strided(geometry, gaps)?,
        };
        let window = axes.iter().map(|axis| axis.kernel).product::<usize>();
        let is_small = geometry.input_len() <= ELEMENTS
            && geometry.output_len() <= ELEMENTS
            && geometry.output_len().checked_mul(window).is_some_and(|taps| taps <= TAPS);
        if !is_small {
            return None;
        }
        let mut splits = input.split.map(|split| usize::from(split) % (geometry.rows() + 1));
        splits.sort_unstable();
        let op = [Op::Max, Op::MaxNumber, Op::Mean][usize::from(input.op % 3)];
        let elements = fill(geometry.input_len(), input.fill, &input.data);
        Some(Self { geometry, op, splits, input: elements })
    }

    /// Runs a backend over some rows, between canaries.
    fn run(&self, backend: &Backend, rows: Range<usize>, input: &[f32]) -> Vec<f32> {
        let len = rows.len() * self.geometry.row_len();
        between_canaries(len, |output| {
            (self.op.kernel(backend).run)(&self.geometry, rows, input, output);
        })
        .unwrap_or_else(|at| {
            panic!("{backend:?} wrote to element {at}, outside its output: {self:?}")
        })
    }

    fn compare(&self, what: &str, backend: &Backend, got: &[f32], want: &[f32]) {
        assert_eq!(got.len(), want.len());
        let differ = |(got, want): (&f32, &f32)| got.to_bits() != want.to_bits();
        if let Some(i) = got.iter().zip(want).position(differ) {
            let [got, want] = [got[i], want[i]].map(f32::to_bits);
            panic!("{backend:?}, {what}: element {i} is {got:08x}, not {want:08x}: {self:?}");
        }
    }

    fn check(&self, offset: u8) {
        let all = 0..self.geometry.rows();
        let want = self.run(&REFERENCE, all.clone(), &self.input);
        // What the address sanitizer does not see, because it lies inside an allocation, changes
        // the result. Any alignment.
        let offset = usize::from(offset % 32);
        let mut poisoned = vec![self.op.poison(); offset + self.input.len() + MARGIN];
        poisoned[offset..offset + self.input.len()].copy_from_slice(&self.input);
        let poisoned = &poisoned[offset..offset + self.input.len()];
        let supported = BACKENDS.iter().filter(|b| b.is_supported() && **b != REFERENCE);
        for backend in supported {
            let got = self.run(backend, all.clone(), &self.input);
            self.compare("all rows", backend, &got, &want);
            let [a, b] = self.splits;
            let parts = [0..a, a..b, b..all.end].map(|rows| self.run(backend, rows, poisoned));
            self.compare("rows in three parts", backend, &parts.concat(), &want);
            let written = between_canaries(want.len(), |output| backend.floor(poisoned, output));
            assert!(written.is_ok(), "{backend:?}, floor: {written:?}, {self:?}");
        }
    }
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

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { geometry, op, splits, input } = self;
        let bits: Vec<_> = input.iter().map(|x| format!("{:08x}", x.to_bits())).collect();
        let walk = Walk::of(geometry);
        write!(f, "{op:?} by {walk:?}, split at {splits:?}, of {geometry:#?}, ")?;
        write!(f, "input {}", bits.join(" "))
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Case::new(self))
    }
}

/// What `write` writes to a slice of this length, or the place outside it that it writes to.
fn between_canaries(len: usize, write: impl FnOnce(&mut [f32])) -> Result<Vec<f32>, isize> {
    let mut buffer = vec![f32::from_bits(CANARY); MARGIN + len + MARGIN];
    write(&mut buffer[MARGIN..MARGIN + len]);
    let outside = (0..MARGIN).chain(MARGIN + len..buffer.len());
    match outside.into_iter().find(|&i| buffer[i].to_bits() != CANARY) {
        Some(i) => Err(i as isize - MARGIN as isize),
        None => Ok(buffer[MARGIN..MARGIN + len].to_vec()),
    }
}

/// The elements of a tensor. Only so much memory as there are elements, so that the address
/// sanitizer sees what lies beyond.
fn fill(len: usize, how: u8, data: &[u8]) -> Vec<f32> {
    let data = if data.is_empty() { &[7] } else { data };
    let byte = |i: usize| data[i % data.len()].wrapping_add((i / data.len()) as u8);
    let elements: Vec<f32> = match how % 4 {
        // The fuzzer's bits,
        0 => (0..len)
            .map(|i| f32::from_le_bytes(from_fn(|j| data[(4 * i + j) % data.len()])))
            .collect(),
        // numbers that it chooses from a few,
        1 => (0..len).map(|i| value(data[i % data.len()])).collect(),
        // any bits,
        2 => (0..len).map(|i| f32::from_bits(mix(i, byte(i)) as u32)).collect(),
        // and numbers of all magnitudes, with those that it chooses where it chooses.
        _ => {
            let mut elements: Vec<f32> = (0..len).map(|i| number(mix(i, data[0]))).collect();
            for choice in data.chunks_exact(3).filter(|_| len > 0) {
                elements[usize::from(u16::from_le_bytes([choice[0], choice[1]])) % len] =
                    value(choice[2]);
            }
            elements
        }
    };
    elements.into_boxed_slice().into_vec()
}

/// One of the values about which there are rules, or a small number.
fn value(byte: u8) -> f32 {
    const TRAPS: [u32; 16] = [
        0x7fc0_0000, // the canonical NaN,
        0xffc0_0001, // a negative one with a payload,
        0x7f80_0001, // a signalling one
        0x7fff_ffff,
        0xff80_0000, // −∞
        0x7f80_0000, // ∞
        0x8000_0000, // −0
        0x0000_0000,
        0x8000_0001, // denormals
        0x0000_0001,
        0x007f_ffff,
        0x0080_0000, // the smallest normal number
        0xff7f_ffff, // MIN
        0x7f7f_ffff, // MAX
        0x3dcc_cccd, // 0.1
        0x4b80_0001, // 2²⁴ + 2
    ];
    match byte {
        0..64 => f32::from_bits(TRAPS[usize::from(byte % 16)]),
        _ => (f32::from(byte) - 160.0) / 8.0,
    }
}

/// Numbers of all magnitudes whose sums do not overflow.
fn number(bits: u64) -> f32 {
    let scale = [1.0, 1e-3, 1e4, 1e-30][bits as usize % 4];
    ((bits >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * scale
}

/// SplitMix64.
fn mix(i: usize, byte: u8) -> u64 {
    let z = (i as u64 * 256 + u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fuzz_target!(|input: Input| -> Corpus {
    let Some(case) = Case::new(&input) else { return Corpus::Reject };
    case.check(input.offset);
    Corpus::Keep
});
