//! What PyTorch, ONNX Runtime and TensorFlow Lite compute: see `golden/generate.py` and `golden/quantized.py` for
//! how the data came about.

mod common;

use approx::ulps_eq;
use common::{LAYOUTS, assert_same_bits, pool, supported};
use lanepool::{
    Divisor, Element, Layout, Op, Padding, Plan, Pool, Pool2d, Quantization, Rounding, Shape,
};
use serde::Deserialize;

/// Averages in f32 may differ by so much from one order of summation to another.
const MAX_ULPS: u32 = 4;

#[derive(Deserialize)]
struct File<C> {
    source: String,
    cases: Vec<C>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    op: String,
    batch: usize,
    channels: usize,
    input: Vec<usize>,
    kernel: Vec<usize>,
    stride: Vec<usize>,
    dilation: Vec<usize>,
    pad_begin: Vec<usize>,
    pad_end: Vec<usize>,
    auto_pad: String,
    ceil_mode: bool,
    divisor: String,
    fixed_divisor: Option<i64>,
    #[serde(default)]
    global: bool,
    output: Vec<usize>,
    x: String,
    y: String,
}

impl Case {
    /// This case by its own padding, and by what that is said to come down to.
    fn pools<const D: usize>(&self) -> [Pool<D>; 2] {
        let sizes = |sizes: &[usize]| -> [usize; D] { sizes.try_into().expect("one size an axis") };
        let op = match self.op.as_str() {
            "max" => Op::Max,
            "average" => Op::Average,
            other => panic!("{other}?"),
        };
        let divisor = match self.divisor.as_str() {
            "exclude_pad" => Divisor::ExcludePad,
            "include_pad" => Divisor::IncludePad,
            "fixed" => Divisor::Fixed(self.fixed_divisor.expect("a divisor")),
            other => panic!("{other}?"),
        };
        let begin = sizes(&self.pad_begin);
        let resolved = Padding::Explicit { begin, end: sizes(&self.pad_end) };
        let padding = match self.auto_pad.as_str() {
            "explicit" => resolved,
            "same_upper" => Padding::SameUpper,
            "same_lower" => Padding::SameLower,
            "valid" => Padding::Valid,
            other => panic!("{other}?"),
        };
        let pool = Pool::new(op, sizes(&self.kernel))
            .stride(sizes(&self.stride))
            .dilation(sizes(&self.dilation))
            .divisor(divisor);
        let own = pool.pad(padding).ceil_mode(self.ceil_mode);
        // Automatic padding has no ceil mode.
        let ceil_mode = self.ceil_mode && self.auto_pad == "explicit";
        [own, pool.pad(resolved).ceil_mode(ceil_mode)]
    }

    fn check<const D: usize>(&self) {
        let spatial: [usize; D] = self.input.as_slice().try_into().expect("one size an axis");
        if self.global {
            assert_eq!(self.kernel, self.input, "{}", self.name);
        }
        let (x, y) = (floats(&self.x), floats(&self.y));
        for pooling in self.pools::<D>() {
            let size = pooling.output_size(spatial).unwrap();
            assert_eq!(size.as_slice(), self.output, "{}: output size", self.name);
            let shape = Shape::new(self.batch, self.channels, spatial);
            for (backend, layout) in supported().flat_map(|b| LAYOUTS.map(|layout| (b, layout))) {
                let what = format_args!("{} on {backend:?}, {layout:?}", self.name);
                let got = pool(&pooling, backend, layout, shape, &x);
                match self.op.as_str() {
                    "max" => assert_same_bits(&got, &y, what),
                    _ => assert_close(&got, &y, what),
                }
            }
        }
    }
}

fn floats(hexadecimal: &str) -> Vec<f32> {
    let digits = hexadecimal.as_bytes().chunks(8).map(|digits| str::from_utf8(digits).unwrap());
    digits.map(|digits| f32::from_bits(u32::from_str_radix(digits, 16).unwrap())).collect()
}

#[track_caller]
fn assert_close(got: &[f32], want: &[f32], what: impl std::fmt::Display) {
    assert_eq!(got.len(), want.len(), "{what}: number of elements");
    for (i, (&got, &want)) in got.iter().zip(want).enumerate() {
        let close = ulps_eq!(got, want, epsilon = 0.0, max_ulps = MAX_ULPS);
        let both_nan = got.to_bits() == f32::NAN.to_bits() && want.is_nan();
        assert!(close || both_nan, "{what}: element {i} is {got:e}, not {want:e}");
    }
}

fn check(json: &str, peer: &str, at_least: usize) {
    let file: File<Case> = serde_json::from_str(json).unwrap();
    assert!(file.source.starts_with(peer));
    assert!(file.cases.len() >= at_least, "{} cases", file.cases.len());
    for case in &file.cases {
        match case.input.len() {
            1 => case.check::<1>(),
            2 => case.check::<2>(),
            3 => case.check::<3>(),
            other => panic!("{other} axes"),
        }
    }
}

#[test]
fn pytorch() {
    check(include_str!("golden/torch.json"), "torch ", 150);
}

#[test]
fn onnx_runtime() {
    check(include_str!("golden/onnxruntime.json"), "onnxruntime ", 200);
}

/// A pooling of quantised integers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Quantized {
    name: String,
    op: String,
    element: String,
    layout: String,
    batch: usize,
    channels: usize,
    input: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    pad_begin: [usize; 2],
    pad_end: [usize; 2],
    ceil_mode: bool,
    divisor: String,
    rounding: String,
    scales: [f32; 2],
    zero_points: [i32; 2],
    /// An end that is missing is an infinity.
    clamp: Option<[Option<f64>; 2]>,
    x: Vec<i32>,
    y: Vec<i32>,
}

impl Quantized {
    fn check(&self) {
        match self.element.as_str() {
            "i8" => self.check_as::<i8>(),
            "u8" => self.check_as::<u8>(),
            "i16" => self.check_as::<i16>(),
            other => panic!("{other}?"),
        }
    }

    fn check_as<T: Element + TryFrom<i32> + Into<i32>>(&self) {
        let op = if self.op == "max" { Op::Max } else { Op::Average };
        let [input, output] =
            [0, 1].map(|i| Quantization::new(self.scales[i], self.zero_points[i]));
        let mut pool = Pool2d::new(op, self.kernel)
            .stride(self.stride)
            .pad(Padding::Explicit { begin: self.pad_begin, end: self.pad_end })
            .ceil_mode(self.ceil_mode)
            .quantized(input, output)
            .divisor(match self.divisor.as_str() {
                "exclude_pad" => Divisor::ExcludePad,
                "include_pad" => Divisor::IncludePad,
                other => panic!("{other}?"),
            })
            .rounding(match self.rounding.as_str() {
                "half_away_from_zero" => Rounding::HalfAwayFromZero,
                "half_even" => Rounding::HalfEven,
                other => panic!("{other}?"),
            });
        if let Some([min, max]) = self.clamp {
            pool = pool.clamp(min.unwrap_or(f64::NEG_INFINITY), max.unwrap_or(f64::INFINITY));
        }
        let layout = match self.layout.as_str() {
            "first" => Layout::ChannelsFirst,
            "last" => Layout::ChannelsLast,
            other => panic!("{other}?"),
        };
        let shape = Shape::new(self.batch, self.channels, self.input);
        let x: Vec<T> = self.x.iter().filter_map(|&q| q.try_into().ok()).collect();
        for backend in supported() {
            let plan: Plan<T> = pool.plan_on(backend, layout, shape).unwrap();
            let mut output = vec![T::zeroed(); plan.output_len()];
            plan.run(&x, &mut output).unwrap();
            let got: Vec<i32> = output.into_iter().map(Into::into).collect();
            assert_eq!(got, self.y, "{} on {backend:?}", self.name);
        }
    }
}

fn check_quantized(json: &str, peer: &str, at_least: usize) {
    let file: File<Quantized> = serde_json::from_str(json).unwrap();
    assert!(file.source.starts_with(peer));
    assert!(file.cases.len() >= at_least, "{} cases", file.cases.len());
    file.cases.iter().for_each(Quantized::check);
}

#[test]
fn tensorflow_lite() {
    check_quantized(include_str!("golden/tflite.json"), "ai-edge-litert ", 90);
}

#[test]
fn onnx_runtime_quantized() {
    check_quantized(include_str!("golden/onnxruntime_quantized.json"), "onnxruntime ", 100);
}
