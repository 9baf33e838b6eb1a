//! Sizes and windows against a definition by enumeration, which shares nothing with the crate.

mod common;

use common::{LAYOUTS, assert_same_bits, cases, pool, proptests, supported};
use lanepool::{Axis, Divisor, Error, Op, Padding, Pool, Pool1d, Shape};
use proptest::prelude::*;
use std::array::from_fn;
use std::panic::catch_unwind;

/// One axis of a pooling.
#[derive(Clone, Copy, Debug)]
struct Line {
    input: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    mode: Mode,
    /// If that is the mode.
    explicit: [usize; 2],
    ceil_mode: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    Explicit,
    Valid,
    SameUpper,
    SameLower,
}

/// The windows along an axis.
#[derive(Debug)]
struct Windows {
    /// The taps of each. The input starts at 0; before it is padding.
    taps: Vec<Vec<i64>>,
    input: i64,
    /// Where the padded input ends.
    end: i64,
}

impl Line {
    /// Puts windows down from the left, as long as they fit.
    fn windows(&self) -> Option<Windows> {
        let [before, after] = self.padding();
        let input = self.input as i64;
        let end = input + after as i64;
        let window = |start: i64| -> Vec<i64> {
            (0..self.kernel).map(|tap| start + (tap * self.dilation) as i64).collect()
        };
        let starts = (-(before as i64)..).step_by(self.stride);
        let mut taps: Vec<_> =
            starts.map(window).take_while(|taps| taps.iter().all(|&tap| tap < end)).collect();
        let last = taps.last()?;
        let next = last[0] + self.stride as i64;
        let something_is_left = last[self.kernel - 1] + 1 < end;
        if self.mode == Mode::Explicit && self.ceil_mode && something_is_left && next < input {
            taps.push(window(next));
        }
        Some(Windows { taps, input, end })
    }

    /// Padding before and after.
    fn padding(&self) -> [usize; 2] {
        // The least with which there is a window for every stride that starts in the input.
        let start = (0..self.input).step_by(self.stride).next_back().unwrap();
        let last = start + (self.kernel - 1) * self.dilation;
        let total = (0..).find(|total| last < self.input + total).unwrap();
        let (less, more) = (total / 2, total - total / 2);
        match self.mode {
            Mode::Explicit => self.explicit,
            Mode::Valid => [0, 0],
            Mode::SameUpper => [less, more],
            Mode::SameLower => [more, less],
        }
    }
}

/// The crate's description of the same.
fn describe<const D: usize>(op: Op, lines: &[Line; D]) -> Pool<D> {
    let padding = match lines[0].mode {
        Mode::Valid => Padding::Valid,
        Mode::SameUpper => Padding::SameUpper,
        Mode::SameLower => Padding::SameLower,
        Mode::Explicit => Padding::Explicit {
            begin: lines.map(|line| line.explicit[0]),
            end: lines.map(|line| line.explicit[1]),
        },
    };
    Pool::new(op, lines.map(|line| line.kernel))
        .stride(lines.map(|line| line.stride))
        .dilation(lines.map(|line| line.dilation))
        .pad(padding)
        .ceil_mode(lines[0].ceil_mode)
}

/// Inputs up to 9, kernels and strides up to 4, dilations up to 3, and paddings up to 5.
fn every_line() -> impl Iterator<Item = Line> {
    let sizes = [9, 4, 4, 3, 2];
    let explicit = combinations([6, 6]).map(|explicit| (Mode::Explicit, explicit));
    let others = [Mode::Valid, Mode::SameUpper, Mode::SameLower].map(|mode| (mode, [0, 0]));
    explicit.chain(others).flat_map(move |(mode, explicit)| {
        combinations(sizes).map(move |[input, kernel, stride, dilation, ceil]| Line {
            input: input + 1,
            kernel: kernel + 1,
            stride: stride + 1,
            dilation: dilation + 1,
            mode,
            explicit,
            ceil_mode: ceil == 1,
        })
    })
}

/// Every choice of a number below each of some limits, the last one changing fastest.
fn combinations<const D: usize>(limits: [usize; D]) -> impl Iterator<Item = [usize; D]> {
    let slower = move |d: usize| limits[d + 1..].iter().product::<usize>();
    (0..limits.iter().product()).map(move |n| from_fn(|d| n / slower(d) % limits[d]))
}

/// What there is to know about a window; of small whole numbers, exactly.
struct Facts {
    max: f32,
    sum: f64,
    /// Taps inside the input, inside the padded input, and anywhere.
    present: i64,
    padded: i64,
    all: i64,
}

/// Looks at every tap of every window of a plane.
fn facts<const D: usize>(axes: &[Windows; D], plane: &[f32]) -> Vec<Facts> {
    let mut all_facts = Vec::new();
    for window in combinations(axes.each_ref().map(|axis| axis.taps.len())) {
        let mut facts = Facts { max: f32::NEG_INFINITY, sum: 0.0, present: 0, padded: 0, all: 0 };
        for tap in combinations(axes.each_ref().map(|axis| axis.taps[0].len())) {
            let at: [i64; D] = from_fn(|d| axes[d].taps[window[d]][tap[d]]);
            facts.all += 1;
            facts.padded += i64::from((0..D).all(|d| at[d] < axes[d].end));
            if (0..D).all(|d| (0..axes[d].input).contains(&at[d])) {
                let index = (0..D).fold(0, |index, d| index * axes[d].input + at[d]);
                let value = plane[index as usize];
                facts.present += 1;
                facts.max = facts.max.max(value);
                facts.sum += f64::from(value);
            }
        }
        all_facts.push(facts);
    }
    all_facts
}

/// Checks size, maxima, and averages by every divisor, of two channels of small whole numbers.
fn check<const D: usize>(lines: &[Line; D]) {
    let spatial = lines.map(|line| line.input);
    let windows = lines.map(|line| line.windows());
    let size = describe(Op::Max, lines).output_size(spatial);
    if let Some(d) = windows.iter().position(Option::is_none) {
        let Err(Error::KernelTooLarge { axis, kernel, .. }) = size else {
            panic!("{lines:?}: a window fits nowhere, and the size is {size:?}");
        };
        let axes = [Axis::Depth, Axis::Height, Axis::Width];
        assert_eq!((axis, kernel), (axes[3 - D + d], lines[d].kernel), "{lines:?}");
        return;
    }
    let axes = windows.map(Option::unwrap);
    assert_eq!(size.unwrap(), axes.each_ref().map(|axis| axis.taps.len()), "{lines:?}");

    let pixels = spatial.iter().product();
    let input: Vec<f32> = (0..2 * pixels).map(|i| (i * 7 % 23) as f32 - 11.0).collect();
    let facts: Vec<_> = input.chunks(pixels).flat_map(|plane| facts(&axes, plane)).collect();
    let averages = |divisor: fn(&Facts) -> i64| -> Vec<f32> {
        let average = |fact: &Facts| match fact {
            Facts { present: 0, .. } => 0.0,
            // What is added makes a zero positive.
            _ => (fact.sum / divisor(fact) as f64) as f32 + 0.0,
        };
        facts.iter().map(average).collect()
    };
    let mean = describe(Op::Average, lines);
    let wanted: [(Pool<D>, Vec<f32>); 5] = [
        (describe(Op::Max, lines), facts.iter().map(|fact| fact.max).collect()),
        (mean.divisor(Divisor::ExcludePad), averages(|fact| fact.present)),
        (mean.divisor(Divisor::IncludePad), averages(|fact| fact.padded)),
        (mean.divisor(Divisor::FullWindow), averages(|fact| fact.all)),
        (mean.divisor(Divisor::Fixed(-6)), averages(|_| -6)),
    ];
    for (pooling, want) in &wanted {
        for (backend, layout) in supported().flat_map(|b| LAYOUTS.map(|layout| (b, layout))) {
            let got = pool(pooling, backend, layout, Shape::new(1, 2, spatial), &input);
            assert_same_bits(&got, want, format_args!("{pooling:?} on {backend:?}, {layout:?}"));
        }
    }
}

#[test]
fn along_one_axis_exhaustively() {
    // On an emulated CPU, every some. An odd step gets around to all choices of every size.
    let step = (6000 / cases().max(1)) as usize | 1;
    // A kernel that panics does not say what it was at.
    let fails = |line: &Line| catch_unwind(|| check(&[*line])).is_err();
    let first = every_line().step_by(step).find(fails);
    assert!(first.is_none(), "{first:?}");
}

#[test]
fn the_definition_knows_the_worked_examples() {
    let line = Line {
        input: 5,
        kernel: 2,
        stride: 2,
        dilation: 1,
        mode: Mode::Explicit,
        explicit: [0, 0],
        ceil_mode: false,
    };
    let taps = |line: Line| line.windows().map(|windows| windows.taps);
    assert_eq!(taps(line), Some(vec![vec![0, 1], vec![2, 3]]));
    let ceil = Line { ceil_mode: true, ..line };
    assert_eq!(taps(ceil), Some(vec![vec![0, 1], vec![2, 3], vec![4, 5]]));
    let lower = Line { mode: Mode::SameLower, ..line };
    assert_eq!(taps(lower), Some(vec![vec![-1, 0], vec![1, 2], vec![3, 4]]));
    assert_eq!(taps(Line { dilation: 5, ..line }), None);
}

/// Axes of one pooling: they have the modes in common.
fn lines<const D: usize>() -> impl Strategy<Value = [Line; D]> {
    let padding = || [0..3usize, 0..3];
    let sizes = from_fn::<_, D, _>(|_| ([1..6usize, 1..4, 1..4, 1..3], padding()));
    let modes = [Mode::Explicit, Mode::Explicit, Mode::Valid, Mode::SameUpper, Mode::SameLower];
    let mode = proptest::sample::select(modes.to_vec());
    (sizes, mode, any::<bool>()).prop_map(|(sizes, mode, ceil_mode)| {
        sizes.map(|([input, kernel, stride, dilation], explicit)| Line {
            input,
            kernel,
            stride,
            dilation,
            mode,
            explicit,
            ceil_mode,
        })
    })
}

#[test]
fn along_two_and_three_axes() {
    proptest!(proptests(6), |(lines in lines::<2>())| check(&lines));
    proptest!(proptests(12), |(lines in lines::<3>())| check(&lines));
}

#[test]
fn no_window_is_lost_or_invented_where_all_is_padding() {
    let pooling = Pool1d::max([1]).padding([1000]);
    assert_eq!(pooling.output_size([1]), Ok([2001]));
    let strided = pooling.stride([1000]).ceil_mode(true);
    assert_eq!(strided.output_size([1]), Ok([3]));
}
