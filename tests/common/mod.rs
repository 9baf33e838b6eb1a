//! What several of the test files need.
#![allow(dead_code, reason = "each test file is a crate of its own and uses some of this")]

use lanepool::{BACKENDS, Backend, Divisor, Layout, NanPolicy, Op, Padding, Plan, Pool, Shape};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::fmt::Display;
use std::process::Command;

pub(crate) const LAYOUTS: [Layout; 2] = [Layout::ChannelsFirst, Layout::ChannelsLast];

/// Every NaN there can be a rule about: both signs, quiet and signalling, with and without payload.
pub(crate) const NANS: [u32; 7] =
    [0x7fc0_0000, 0xffc0_0000, 0x7fc0_1234, 0x7fff_ffff, 0xffff_ffff, 0x7f80_0001, 0xff80_0001];

/// The backends that this CPU can run, the reference among them.
pub(crate) fn supported() -> impl Iterator<Item = &'static Backend> {
    BACKENDS.iter().filter(|backend| backend.is_supported())
}

/// How many random cases there are to go through; fewer where an emulator runs the tests.
pub(crate) fn cases() -> u64 {
    std::env::var("LANEPOOL_CASES").map_or(6000, |n| n.parse().expect("a number"))
}

/// Of so many cases one is checked: all, unless fewer random ones are asked for than usual, as where a CPU is
/// emulated.
pub(crate) fn one_of() -> usize {
    (6000 / cases().max(1) as usize).max(1)
}

/// A share of the random cases, for proptest: always the same ones, unless `PROPTEST_RNG_SEED` is
/// set. It prints what it finds, and keeps no file.
pub(crate) fn proptests(share: u64) -> ProptestConfig {
    let mut config = ProptestConfig::with_cases((cases() / share) as u32);
    config.failure_persistence = None;
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(0);
    }
    config
}

/// Pools a tensor given channels first, in either layout; the result is channels first too.
pub(crate) fn pool<const D: usize>(
    pool: &Pool<D>,
    backend: &'static Backend,
    layout: Layout,
    shape: Shape<D>,
    input: &[f32],
) -> Vec<f32> {
    let plan: Plan<f32> = pool.plan_on(backend, layout, shape).expect("a valid pooling");
    let mut output = vec![f32::from_bits(0xdead_beef); plan.output_len()];
    match layout {
        Layout::ChannelsFirst => plan.run(input, &mut output).expect("buffers that fit"),
        Layout::ChannelsLast => {
            let input = transposed(input, shape.channels, shape.spatial.iter().product());
            plan.run(&input, &mut output).expect("buffers that fit");
            output = transposed(&output, plan.output_size().iter().product(), shape.channels);
        }
        Layout::Blocked(block) => {
            let input = blocked(input, shape.channels, block, shape.spatial.iter().product());
            plan.run(&input, &mut output).expect("buffers that fit");
            let pixels = plan.output_size().iter().product();
            output = unblocked(&output, shape.channels, block, pixels);
        }
    }
    output
}

/// Swaps rows and columns of matrices that lie one after the other.
fn transposed(matrices: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let transposed = |matrix: &[f32]| -> Vec<f32> {
        (0..rows * columns).map(|i| matrix[i % rows * columns + i / rows]).collect()
    };
    matrices.chunks_exact(rows * columns).flat_map(transposed).collect()
}

/// Images given channels first, with channels in blocks; channels that there are not are NaN.
fn blocked(images: &[f32], channels: usize, block: usize, pixels: usize) -> Vec<f32> {
    let places = (0..channels.div_ceil(block)).flat_map(|b| {
        (0..pixels).flat_map(move |pixel| (0..block).map(move |c| (b * block + c, pixel)))
    });
    let blocked = |image: &[f32]| -> Vec<f32> {
        let element = |(c, pixel)| if c < channels { image[c * pixels + pixel] } else { f32::NAN };
        places.clone().map(element).collect()
    };
    images.chunks_exact(channels * pixels).flat_map(blocked).collect()
}

/// Images given with channels in blocks, channels first.
fn unblocked(images: &[f32], channels: usize, block: usize, pixels: usize) -> Vec<f32> {
    let unblocked = |image: &[f32]| -> Vec<f32> {
        let places = (0..channels).flat_map(|c| (0..pixels).map(move |pixel| (c, pixel)));
        places.map(|(c, pixel)| image[(c / block * pixels + pixel) * block + c % block]).collect()
    };
    images.chunks_exact(channels.div_ceil(block) * block * pixels).flat_map(unblocked).collect()
}

/// Fails at the first element with other bits.
#[track_caller]
pub(crate) fn assert_same_bits(got: &[f32], want: &[f32], what: impl Display) {
    assert_eq!(got.len(), want.len(), "{what}: number of elements");
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        assert!(
            got.to_bits() == want.to_bits(),
            "{what}: element {i} is {got:e} ({:08x}), not {want:e} ({:08x})",
            got.to_bits(),
            want.to_bits()
        );
    }
}

/// Fails if a plan gives other bits than the reference's for numbers and a NaN at `at`.
#[track_caller]
pub(crate) fn assert_nan_is_seen(
    plans: &[Plan<f32>],
    reference: &Plan<f32>,
    at: usize,
    what: impl Display,
) {
    let mut input: Vec<f32> = (0..reference.input_len()).map(|i| i as f32).collect();
    input[at] = f32::NAN;
    let mut want = vec![0.0; reference.output_len()];
    reference.run(&input, &mut want).unwrap();
    for plan in plans {
        let mut got = vec![0.0; want.len()];
        plan.run(&input, &mut got).unwrap();
        let backend = plan.backend();
        assert_same_bits(&got, &want, format_args!("{what} on {backend:?}, NaN at {at}"));
    }
}

/// Starts this test binary once more, for one test that would not do in the same process.
pub(crate) fn again(test: &str) -> Command {
    let binary = std::env::current_exe().expect("a path");
    // An emulator, where the tests run in one.
    let runner = std::env::var("LANEPOOL_RUNNER").unwrap_or_default();
    let mut words = runner.split_whitespace();
    let mut command = match words.next() {
        Some(emulator) => Command::new(emulator),
        None => Command::new(&binary),
    };
    if !runner.trim().is_empty() {
        command.args(words).arg(&binary);
    }
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command
}

/// Any description and spatial size, in order or not, made of such extents and paddings.
pub(crate) fn pools<const D: usize>(
    extent: impl Strategy<Value = usize> + 'static,
    padding: impl Strategy<Value = usize> + 'static,
) -> impl Strategy<Value = (Pool<D>, [usize; D])> {
    let (extent, padding) = (extent.boxed(), padding.boxed());
    let extents = || std::array::from_fn::<_, D, _>(|_| extent.clone());
    let paddings = || std::array::from_fn::<_, D, _>(|_| padding.clone());
    let padding = prop_oneof![
        4 => (paddings(), paddings()).prop_map(|(begin, end)| Padding::Explicit { begin, end }),
        1 => Just(Padding::Valid),
        1 => Just(Padding::SameUpper),
        1 => Just(Padding::SameLower),
    ];
    let op = prop_oneof![Just(Op::Max), Just(Op::Average)];
    let divisor = prop_oneof![
        Just(Divisor::ExcludePad),
        Just(Divisor::IncludePad),
        Just(Divisor::FullWindow),
        prop_oneof![1..9i64, -9..0i64, Just(i64::MIN), Just(i64::MAX)].prop_map(Divisor::Fixed),
    ];
    let nan_policy = prop_oneof![Just(NanPolicy::Propagate), Just(NanPolicy::Ignore)];
    let sizes = (extents(), extents(), extents(), extents(), padding);
    (sizes, op, divisor, nan_policy, any::<bool>()).prop_map(
        |((input, kernel, stride, dilation, padding), op, divisor, nan_policy, ceil_mode)| {
            let pool = Pool::new(op, kernel).stride(stride).dilation(dilation).pad(padding);
            (pool.ceil_mode(ceil_mode).divisor(divisor).nan_policy(nan_policy), input)
        },
    )
}
