//! Any description of any shape gives an error that is true, or a plan that is right: its sizes
//! are those of the definition below, and where it is small, so are the values that it computes.
//!
//! The definition shares nothing with what it judges: sizes are computed in 128 bits, and windows
//! are made by asking of every element whether it is one of theirs.
#![no_main]

use arbitrary::Arbitrary;
use lanepool::{
    Axis, BACKENDS, Backend, Divisor, Error, Exponent, Layout, NanPolicy, Op, Padding, Plan, Pool,
    REFERENCE, Shape,
};
use libfuzzer_sys::fuzz_target;
use std::array::from_fn;
use std::fmt::Debug;
use std::sync::OnceLock;

/// What is made of the fuzzer's bytes.
#[derive(Arbitrary, Debug)]
struct Input {
    rank: u8,
    axes: [Sizes; 3],
    batch: Size,
    channels: Size,
    padding: u8,
    flags: u8,
    divisor: u8,
    number: i64,
    backend: u8,
    split: u8,
    data: Vec<u8>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
struct Sizes {
    input: Size,
    kernel: Size,
    stride: Size,
    dilation: Size,
    begin: Size,
    end: Size,
}

/// A size: small as a rule.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Size {
    kind: u8,
    value: u8,
}

impl Size {
    /// From `least` on, most often; the others are anything.
    fn from(self, least: usize) -> usize {
        let value = usize::from(self.value);
        match self.kind {
            0..184 => least + value % 8,
            184..186 => 0,
            186..216 => value,
            216..228 => 1 << (value % 64),
            228..240 => (1 << (value % 64)) - 1,
            240..246 => value << 24,
            246..250 => isize::MAX as usize - value,
            250..253 => usize::MAX - value,
            _ => usize::MAX / (value + 1),
        }
    }
}

/// How many sizes and elements are looked at one by one, and how often.
const FEW: u128 = 4096;
const WORK: u128 = 1 << 15;

/// Below this, nothing may be called an overflow.
const MODEST: u128 = 1 << 56;

/// The pooling of one axis, in numbers that cannot overflow.
#[derive(Clone, Copy, Debug)]
struct Line {
    input: u128,
    kernel: u128,
    stride: u128,
    dilation: u128,
    begin: u128,
    end: u128,
    /// None if the kernel does not fit, or if there is none.
    windows: u128,
}

impl Line {
    fn new<const D: usize>(d: &Description<D>, i: usize, input: usize) -> Self {
        let [input, kernel, stride, dilation] =
            [input, d.kernel[i], d.stride[i], d.dilation[i]].map(|size| size as u128);
        let mut line = Self { input, kernel, stride, dilation, begin: 0, end: 0, windows: 0 };
        if [input, kernel, stride, dilation].contains(&0) {
            return line;
        }
        let same = |line: &mut Self| {
            line.windows = input.div_ceil(stride);
            let last = (line.windows - 1) * stride;
            last.saturating_add(line.span()).saturating_sub(input)
        };
        match d.padding {
            Padding::SameUpper => {
                let total = same(&mut line);
                (line.begin, line.end) = (total / 2, total - total / 2);
            }
            Padding::SameLower => {
                let total = same(&mut line);
                (line.begin, line.end) = (total - total / 2, total / 2);
            }
            Padding::Valid => line.windows = line.fitting(),
            Padding::Explicit { begin, end } => {
                (line.begin, line.end) = (begin[i] as u128, end[i] as u128);
                line.windows = line.fitting();
                let next = line.windows * stride;
                let last_ends = next.wrapping_sub(stride).wrapping_add(line.span());
                if d.ceil_mode
                    && line.windows > 0
                    && last_ends < line.padded()
                    && next < line.begin + input
                {
                    line.windows += 1;
                }
            }
        }
        line
    }

    fn span(&self) -> u128 {
        ((self.kernel - 1) * self.dilation).saturating_add(1)
    }

    fn padded(&self) -> u128 {
        self.begin + self.input + self.end
    }

    /// The windows that do not reach beyond the padding.
    fn fitting(&self) -> u128 {
        let windows = match self.padded().checked_sub(self.span()) {
            Some(spare) => spare / self.stride + 1,
            None => 0,
        };
        if self.padded() <= FEW {
            let fits = |o: &u128| o * self.stride + self.span() <= self.padded();
            assert_eq!(windows, (0..self.padded()).take_while(fits).count() as u128);
        }
        windows
    }

    /// No position that has to do with this axis is beyond this one.
    fn reach(&self) -> u128 {
        let last = self.windows.saturating_sub(1) * self.stride;
        last.saturating_add(self.span()).saturating_add(self.padded())
    }

    /// The elements of window `o`.
    fn elements(&self, o: u128) -> Vec<usize> {
        let is_tap = |&e: &u128| {
            let from_start = (e + self.begin).checked_sub(o * self.stride);
            from_start.is_some_and(|n| n % self.dilation == 0 && n / self.dilation < self.kernel)
        };
        (0..self.input).filter(is_tap).map(|e| e as usize).collect()
    }

    /// The taps of window `o` that lie inside the padded input.
    fn inside_padded(&self, o: u128) -> u128 {
        let room = self.padded().saturating_sub(o * self.stride);
        room.div_ceil(self.dilation).min(self.kernel)
    }
}

/// A pooling whose fields can be read.
#[derive(Debug)]
struct Description<const D: usize> {
    op: Op,
    kernel: [usize; D],
    stride: [usize; D],
    dilation: [usize; D],
    padding: Padding<D>,
    ceil_mode: bool,
    divisor: Divisor,
    nan_policy: NanPolicy,
    clamp: Option<[f64; 2]>,
}

impl<const D: usize> Description<D> {
    fn pool(&self) -> Pool<D> {
        let pool = Pool::new(self.op, self.kernel)
            .stride(self.stride)
            .dilation(self.dilation)
            .pad(self.padding)
            .ceil_mode(self.ceil_mode)
            .divisor(self.divisor)
            .nan_policy(self.nan_policy);
        match self.clamp {
            Some([min, max]) => pool.clamp(min, max),
            None => pool,
        }
    }
}

/// Everything that there is to know about a case.
#[derive(Debug)]
struct Case<const D: usize> {
    description: Description<D>,
    layout: Layout,
    shape: Shape<D>,
    lines: [Line; D],
}

fn product(sizes: impl IntoIterator<Item = u128>) -> u128 {
    sizes.into_iter().fold(1, u128::saturating_mul)
}

/// The place of an axis among `D`.
fn index<const D: usize>(axis: Axis) -> usize {
    let from_last = match axis {
        Axis::Depth => 3,
        Axis::Height => 2,
        Axis::Width => 1,
    };
    D.checked_sub(from_last).expect("an axis that there is")
}

impl<const D: usize> Case<D> {
    fn new(input: &Input) -> Self {
        // The last axes, so that a width stays one whatever the rank.
        let sizes =
            |of: fn(&Sizes) -> Size, least| from_fn(|i| of(&input.axes[3 - D + i]).from(least));
        let description = Description {
            op: match input.flags >> 4 {
                12 => Op::Min,
                13 => Op::Sum,
                14 => Op::Lp(Exponent::new(1.0)),
                15 => Op::Lp(Exponent::new(f64::INFINITY)),
                _ => [Op::Max, Op::Average][usize::from(input.flags & 1)],
            },
            kernel: sizes(|s| s.kernel, 1),
            stride: sizes(|s| s.stride, 1),
            dilation: sizes(|s| s.dilation, 1),
            padding: match input.padding % 8 {
                0 => Padding::SameUpper,
                1 => Padding::SameLower,
                2 => Padding::Valid,
                3 => Padding::Explicit { begin: [0; D], end: [0; D] },
                _ => Padding::Explicit { begin: sizes(|s| s.begin, 0), end: sizes(|s| s.end, 0) },
            },
            ceil_mode: input.flags & 2 != 0,
            divisor: match input.divisor % 4 {
                0 => Divisor::ExcludePad,
                1 => Divisor::IncludePad,
                2 => Divisor::FullWindow,
                _ => Divisor::Fixed(input.number),
            },
            nan_policy: [NanPolicy::Propagate, NanPolicy::Ignore]
                [usize::from(input.flags >> 2 & 1)],
            clamp: match input.padding / 8 {
                28 => Some([0.0, 6.0]),
                29 => Some([-2.0, f64::INFINITY]),
                30 => Some([-0.0, 0.0]),
                31 => Some([1.0, -1.0]),
                _ => None,
            },
        };
        let layout =
            [Layout::ChannelsFirst, Layout::ChannelsLast][usize::from(input.flags >> 3 & 1)];
        let spatial = sizes(|s| s.input, 1);
        let shape = Shape::new(input.batch.from(1), input.channels.from(1), spatial);
        let lines = from_fn(|i| Line::new(&description, i, spatial[i]));
        Self { description, layout, shape, lines }
    }

    fn outer(&self) -> [u128; 2] {
        [self.shape.batch as u128, self.shape.channels as u128]
    }

    /// Elements of the input, and of the output.
    fn lens(&self) -> [u128; 2] {
        [|line: &Line| line.input, |line: &Line| line.windows]
            .map(|of| product(self.outer().into_iter().chain(self.lines.iter().map(of))))
    }

    /// Whether the divisor is 0; a sum has none.
    fn divides_by_zero(&self) -> bool {
        self.description.divisor == Divisor::Fixed(0) && self.description.op != Op::Sum
    }

    fn clamps_to_nothing(&self) -> bool {
        self.description.clamp.is_some_and(|[min, max]| min > max)
    }

    /// Whether a plan is impossible.
    fn is_hopeless(&self) -> bool {
        let zero = |line: &Line| [line.input, line.kernel, line.stride, line.dilation].contains(&0);
        self.lines.iter().any(|line| zero(line) || line.windows == 0)
            || self.lens().iter().any(|&len| len > isize::MAX as u128)
            || self.divides_by_zero()
            || self.clamps_to_nothing()
    }

    /// Whether no size is large, even of a tensor with a batch and channels.
    fn is_modest(&self) -> bool {
        let outer = || self.outer().into_iter().map(|n| n.max(1));
        product(outer().chain(self.lines.iter().map(|line| line.input))) <= MODEST
            && product(outer().chain(self.lines.iter().map(|line| line.windows))) <= MODEST
            && product(self.lines.iter().map(|line| line.kernel)) <= MODEST
            && self.lines.iter().all(|line| line.reach() <= MODEST)
    }

    /// Whether the error says what is so.
    fn is_true(&self, error: &Error) -> bool {
        assert!(!error.to_string().is_empty());
        let d = &self.description;
        match *error {
            Error::Zero { axis, field: "kernel" } => d.kernel[index::<D>(axis)] == 0,
            Error::Zero { axis, field: "stride" } => d.stride[index::<D>(axis)] == 0,
            Error::Zero { axis, field: "dilation" } => d.dilation[index::<D>(axis)] == 0,
            Error::EmptyAxis { axis } => self.shape.spatial[index::<D>(axis)] == 0,
            Error::KernelTooLarge { axis, kernel, dilation, span, input, pad_begin, pad_end } => {
                let line = &self.lines[index::<D>(axis)];
                [kernel, dilation, span, input, pad_begin, pad_end].map(|n| n as u128)
                    == [line.kernel, line.dilation, line.span(), line.input, line.begin, line.end]
                    && line.span() > line.padded()
            }
            Error::Overflow { axis, input, kernel, stride, dilation, pad_begin, pad_end } => {
                let line = &self.lines[index::<D>(axis)];
                let explicit = matches!(d.padding, Padding::Explicit { .. });
                [input, kernel, stride, dilation].map(|n| n as u128)
                    == [line.input, line.kernel, line.stride, line.dilation]
                    && (!explicit
                        || [pad_begin, pad_end].map(|n| n as u128) == [line.begin, line.end])
                    && line.reach() > isize::MAX as u128
            }
            Error::TooLarge { what, ref sizes } => {
                let sizes: Vec<_> = sizes.iter().map(|&size| size as u128).collect();
                let outer = || self.outer().into_iter();
                let (expected, most): (Vec<_>, _) = match what {
                    "an input" => (
                        outer().chain(self.lines.iter().map(|l| l.input)).collect(),
                        isize::MAX / 8,
                    ),
                    "an output" => (
                        outer().chain(self.lines.iter().map(|l| l.windows)).collect(),
                        isize::MAX / 8,
                    ),
                    "a window" => (self.lines.iter().map(|l| l.kernel).collect(), isize::MAX),
                    _ => return false,
                };
                sizes == expected && product(sizes.iter().map(|&n| n.max(1))) > most as u128
            }
            Error::ZeroDivisor => self.divides_by_zero(),
            Error::Clamp(clamp) => {
                d.clamp == Some([clamp.min(), clamp.max()]) && self.clamps_to_nothing()
            }
            _ => false,
        }
    }

    /// The output, unless it takes too long.
    fn run(&self, input: &[f32]) -> Option<Vec<f32>> {
        if self.lines.iter().any(|line| line.windows * line.input > FEW) {
            return None;
        }
        let elements: [Vec<Vec<usize>>; D] =
            self.lines.map(|line| (0..line.windows).map(|o| line.elements(o)).collect());
        let taps = elements.iter().map(|e| e.iter().map(|e| e.len().max(1) as u128).sum());
        if product(self.outer().into_iter().chain(taps)) > WORK {
            return None;
        }
        let windows = self.lines.map(|line| line.windows as usize);
        let Shape { batch, channels, spatial } = self.shape;
        let at = |sizes: [usize; D], b: usize, c: usize, place: [usize; D]| {
            let flat = |n| (0..D).fold(n, |n, i| n * sizes[i] + place[i]);
            match self.layout {
                Layout::ChannelsFirst => flat(b * channels + c),
                // None is in blocks.
                Layout::ChannelsLast | Layout::Blocked(_) => flat(b) * channels + c,
            }
        };
        let mut output = vec![f32::NAN; batch * channels * windows.iter().product::<usize>()];
        for (b, c) in (0..batch).flat_map(|b| (0..channels).map(move |c| (b, c))) {
            for o in places(windows) {
                let lists: [&[usize]; D] = from_fn(|i| elements[i][o[i]].as_slice());
                let place = |which: [usize; D]| from_fn(|i| lists[i][which[i]]);
                let window = places(lists.map(<[_]>::len));
                let values = window.map(|which| input[at(spatial, b, c, place(which))]);
                output[at(windows, b, c, o)] = self.reduce(o, values);
            }
        }
        Some(output)
    }

    fn reduce(&self, o: [usize; D], values: impl Iterator<Item = f32>) -> f32 {
        let values: Vec<f32> = values.collect();
        let numbers = values.iter().copied().filter(|x| !x.is_nan());
        let has_nan = values.iter().any(|x| x.is_nan());
        let result = match self.description.op {
            Op::Max | Op::Min if has_nan && self.description.nan_policy == NanPolicy::Propagate => {
                f32::NAN
            }
            Op::Max => numbers.fold(f32::NEG_INFINITY, |max, x| if x > max { x } else { max }),
            Op::Min => numbers.fold(f32::INFINITY, |min, x| if x < min { x } else { min }),
            _ if has_nan => f32::NAN,
            _ if values.is_empty() => 0.0,
            // Small integers and infinities: the order does not matter.
            Op::Sum => numbers.sum(),
            Op::Lp(p) if p.get() == 1.0 => numbers.map(f32::abs).sum(),
            Op::Lp(_) => numbers.map(f32::abs).fold(0.0, f32::max),
            _ => {
                let sum = numbers.map(f64::from).sum::<f64>() as f32;
                sum / match self.description.divisor {
                    Divisor::ExcludePad => values.len() as f32,
                    Divisor::IncludePad => {
                        product((0..D).map(|i| self.lines[i].inside_padded(o[i] as u128))) as f32
                    }
                    Divisor::FullWindow => product(self.lines.map(|line| line.kernel)) as f32,
                    Divisor::Fixed(n) => n as f32,
                }
            }
        };
        let result = match self.description.clamp {
            Some([min, _]) if result < min as f32 => min as f32,
            Some([_, max]) if result > max as f32 => max as f32,
            _ => result,
        };
        match result {
            _ if result.is_nan() => f32::NAN,
            _ if result == 0.0 => 0.0,
            _ => result,
        }
    }

    fn check(&self, input: &Input) {
        let Description { padding, .. } = self.description;
        let pool = self.description.pool();
        let supported: Vec<_> = BACKENDS.iter().filter(|backend| backend.is_supported()).collect();
        let backend = supported[usize::from(input.backend) % supported.len()];
        let sizes = pool.output_size(self.shape.spatial);
        let plan: Plan<f32> = match pool.plan_on(backend, self.layout, self.shape) {
            Ok(plan) => plan,
            Err(error) => {
                assert!(self.is_true(&error), "an error that is not so: {error:?}, {self:#?}");
                assert!(
                    self.is_hopeless() || !self.is_modest(),
                    "an error for nothing: {error}, {self:#?}"
                );
                if let Err(error) = sizes {
                    assert!(self.is_true(&error), "an error that is not so: {error:?}, {self:#?}");
                }
                return;
            }
        };
        assert!(!self.is_hopeless(), "a plan for {self:#?}");
        let windows = self.lines.map(|line| line.windows as usize);
        assert_eq!(sizes, Ok(windows), "{padding:?}, {self:#?}");
        assert_eq!(plan.output_size(), windows, "{self:#?}");
        let [input_len, output_len] = self.lens();
        assert_eq!(plan.input_len() as u128, input_len, "{self:#?}");
        assert_eq!(plan.output_len() as u128, output_len, "{self:#?}");
        let width = self.lines[D - 1].windows;
        let row_len = match self.layout {
            Layout::ChannelsFirst => width,
            Layout::ChannelsLast | Layout::Blocked(_) => width * self.outer()[1],
        };
        assert_eq!(plan.row_len() as u128, row_len, "{self:#?}");
        assert_eq!(plan.rows() as u128 * row_len, output_len, "{self:#?}");
        assert_eq!(plan.backend(), backend);
        let _: lanepool::Walk = plan.walk();
        // The reference takes every tap in hand, absent or not.
        let taps = product(self.lines.map(|line| line.kernel));
        let slow = backend == &REFERENCE && taps.saturating_mul(output_len) > WORK;
        if !slow && input_len <= FEW && output_len <= FEW {
            self.check_values(&plan, backend, input);
        }
    }

    fn check_values(&self, plan: &Plan<f32>, backend: &Backend, fuzz: &Input) {
        let bytes = if fuzz.data.is_empty() { &[9, 200, 8] } else { fuzz.data.as_slice() };
        let element = |(i, byte): (usize, &u8)| match byte {
            255 => f32::NAN,
            254 => f32::from_bits(0xff80_0001),
            253 => f32::INFINITY,
            252 => f32::NEG_INFINITY,
            251 => -0.0,
            _ => ((usize::from(*byte) + i / bytes.len()) % 17) as f32 - 8.0,
        };
        let input: Vec<f32> =
            bytes.iter().cycle().take(plan.input_len()).enumerate().map(element).collect();
        let Some(want) = self.run(&input) else { return };
        let unwritten = || vec![f32::from_bits(0xdead_beef); want.len()];

        let mut output = unwritten();
        plan.run(&input, &mut output).expect("buffers of the right length");
        self.compare("run", backend, &output, &want, &input);

        let mut output = unwritten();
        let row = usize::from(fuzz.split) % (plan.rows() + 1);
        let (start, end) = output.split_at_mut(row * plan.row_len());
        plan.run_rows(0..row, &input, start).expect("the first rows");
        plan.run_rows(row..plan.rows(), &input, end).expect("the other rows");
        self.compare("run_rows", backend, &output, &want, &input);

        // One thread, so that a crash happens again.
        static THREAD: OnceLock<rayon::ThreadPool> = OnceLock::new();
        let thread = || rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
        let mut output = unwritten();
        let parallel = || plan.run_parallel(&input, &mut output);
        THREAD.get_or_init(thread).install(parallel).expect("buffers of the right length");
        self.compare("run_parallel", backend, &output, &want, &input);

        let mut output = unwritten();
        output.push(0.0);
        let before = bits(&output);
        let longer = [&input[..], &[0.0]].concat();
        let result = plan.run(&longer, &mut output[..want.len()]);
        assert!(matches!(result, Err(Error::Length { buffer: "input", .. })), "{self:#?}");
        let result = plan.run(&input, &mut output);
        assert!(matches!(result, Err(Error::Length { buffer: "output", .. })), "{self:#?}");
        let result = plan.run_rows(row..plan.rows() + 1, &input, &mut output);
        assert!(matches!(result, Err(Error::Rows { .. })), "{self:#?}");
        assert_eq!(bits(&output), before, "written to in spite of an error: {self:#?}");
    }

    fn compare(&self, what: &str, backend: impl Debug, got: &[f32], want: &[f32], input: &[f32]) {
        let differ = |(got, want): (&f32, &f32)| got.to_bits() != want.to_bits();
        assert_eq!(got.len(), want.len());
        if let Some(i) = got.iter().zip(want).position(differ) {
            let (got, want) = (got[i], want[i]);
            panic!(
                "{what} on {backend:?}: element {i} is {got:?}, not {want:?}: {self:#?} of {input:?}"
            );
        }
    }
}

fn bits(floats: &[f32]) -> Vec<u32> {
    floats.iter().map(|x| x.to_bits()).collect()
}

/// All places below `sizes`, in row-major order.
fn places<const D: usize>(sizes: [usize; D]) -> impl Iterator<Item = [usize; D]> {
    let place = move |mut n: usize| {
        let mut place = [0; D];
        for i in (0..D).rev() {
            (place[i], n) = (n % sizes[i], n / sizes[i]);
        }
        place
    };
    (0..sizes.iter().product()).map(place)
}

fuzz_target!(|input: Input| {
    match input.rank % 3 {
        0 => Case::<1>::new(&input).check(&input),
        1 => Case::<2>::new(&input).check(&input),
        _ => Case::<3>::new(&input).check(&input),
    }
});
