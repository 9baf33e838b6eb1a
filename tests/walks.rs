//! Geometries on both sides of the bounds of what some walks take, whole and cut.
//!
//! Random cases have few of these: a walk that takes one too many is wrong for that one only.

mod common;

use ElementType::{Bf16, F16, F32, F64, I8, I16, U8, U16};
use common::{assert_nan_is_seen, one_of, supported};
use lanepool::check::{Case, ElementType, Pooling, Value, Values};
use lanepool::{
    Divisor, Exponent, Layout, NanPolicy, Op, Padding, Plan, Pool, Pool1d, Pool2d, Pool3d,
    REFERENCE, Rounding, Shape, Walk, bf16, f16,
};

/// Elements that are merged in a case at most.
const MOST: u64 = 150_000;

/// What averages are divided by.
const DIVISORS: [Divisor; 3] = [Divisor::ExcludePad, Divisor::IncludePad, Divisor::Fixed(-5)];

/// Elements that are numbers of `f32`.
const SHORT: [ElementType; 7] = [I8, Bf16, I16, F32, U8, F16, U16];

/// Counts cases, each of which has other data than the one before it, and checks them.
#[derive(Default)]
struct Checks(usize);

impl Checks {
    /// Checks maxima and averages, if there are such ones, on all backends.
    fn go<const D: usize>(
        &mut self,
        pool: impl Fn(Op) -> Pool<D>,
        layout: Layout,
        shape: Shape<D>,
        of: fn(Pool<D>, Shape<D>) -> Pooling,
    ) {
        let [max, average] = [Op::Max, Op::Average].map(pool);
        for pool in [max, max.nan_policy(NanPolicy::Ignore), average] {
            self.0 += 1;
            let Ok(plan) = pool.plan::<f32>(layout, shape) else { return };
            // The reference takes its time.
            if self.0.is_multiple_of(one_of()) && plan.explain().merges < MOST {
                check(of(pool, shape), layout, shape, self.0);
            }
        }
    }
}

fn check<const D: usize>(pooling: Pooling, layout: Layout, shape: Shape<D>, seed: usize) {
    // A type for each geometry.
    let element = [F32, U8, F64, F16, F32, U8, F32][seed / 3 % 7];
    let case = Case {
        pooling,
        layout,
        strides: seed.is_multiple_of(4).then(|| gaps(layout, shape)),
        element,
        seed: seed as u64,
        values: [Values::Numbers, Values::Traps][seed % 2],
    };
    check_case(&case);
}

/// The plans of a pooling on all backends that this CPU supports, and on the reference.
fn plans<const D: usize>(
    pool: Pool<D>,
    layout: Layout,
    shape: Shape<D>,
) -> (Vec<Plan<f32>>, Plan<f32>) {
    let plan = |backend| pool.plan_on(backend, layout, shape).unwrap();
    (supported().map(plan).collect(), plan(&REFERENCE))
}

fn check_case(case: &Case) {
    match case.element {
        ElementType::U8 => check_as::<u8>(case),
        ElementType::I8 => check_as::<i8>(case),
        ElementType::U16 => check_as::<u16>(case),
        ElementType::I16 => check_as::<i16>(case),
        ElementType::F16 => check_as::<f16>(case),
        ElementType::Bf16 => check_as::<bf16>(case),
        ElementType::F64 => check_as::<f64>(case),
        _ => check_as::<f32>(case),
    }
}

/// Checks some operations on some types, each with other data and another rounding; a third of them.
fn check_types<const D: usize>(
    elements: &[ElementType],
    pool: impl Fn(Op) -> Pool<D>,
    layout: Layout,
    shape: Shape<D>,
    of: fn(Pool<D>, Shape<D>) -> Pooling,
    seed: usize,
) {
    let roundings =
        [Rounding::HalfAwayFromZero, Rounding::HalfEven, Rounding::HalfUp, Rounding::Truncate];
    let policies = [NanPolicy::Propagate, NanPolicy::Ignore];
    for (i, &element) in elements.iter().enumerate() {
        for (j, op) in [Op::Max, Op::Average, Op::Min, Op::Sum].into_iter().enumerate() {
            let seed = seed + i + j;
            let pool = pool(op).rounding(roundings[seed % 4]).nan_policy(policies[seed / 6 % 2]);
            if !seed.is_multiple_of(3 * one_of()) || pool.plan::<f32>(layout, shape).is_err() {
                continue;
            }
            check_case(&Case {
                pooling: of(pool, shape),
                layout,
                strides: (seed % 4 == 1).then(|| gaps(layout, shape)),
                element,
                seed: seed as u64,
                values: [Values::Numbers, Values::Traps][seed % 2],
            });
        }
    }
}

fn check_as<T: Value>(case: &Case) {
    let bits = |output: &[T]| output.iter().map(|x| x.bits()).collect::<Vec<_>>();
    let want = case.run(&REFERENCE).unwrap();
    for backend in supported().filter(|&backend| backend != &REFERENCE) {
        let mut got: Vec<T> = case.run_as(backend).unwrap_or_else(|mismatch| panic!("{mismatch}"));
        case.compare(backend, &bits(&got), &want).unwrap_or_else(|mismatch| panic!("{mismatch}"));
        let plan: Plan<T> = case.plan(backend).unwrap();
        let input = case.input(plan.input_len());
        let cut = case.seed as usize % (plan.rows() + 1);
        let (first, last) = got.split_at_mut(cut * plan.row_len());
        plan.run_rows(cut..plan.rows(), &input, last).unwrap();
        plan.run_rows(0..cut, &input, first).unwrap();
        case.compare(backend, &bits(&got), &want)
            .unwrap_or_else(|mismatch| panic!("cut at row {cut}: {mismatch}"));
    }
}

/// Strides with some elements between lines, and between planes.
fn gaps<const D: usize>(layout: Layout, shape: Shape<D>) -> [usize; 5] {
    let Shape { channels, spatial, .. } = shape;
    let inner = if layout == Layout::ChannelsLast { channels } else { 1 };
    let sizes: [usize; 3] =
        std::array::from_fn(|i| (i + D).checked_sub(3).map_or(1, |i| spatial[i]));
    let line = sizes[2] * inner + 3;
    let slice = line * sizes[1] + 1;
    let plane = slice * sizes[0] + 2;
    let channel = if inner == 1 { plane } else { 1 };
    [plane * channels, channel, slice, line, inner]
}

#[test]
fn windows_of_three_by_three_with_what_is_around_them() {
    let mut checks = Checks::default();
    let widths = [5, 8, 9, 15, 16, 17, 18, 19, 20, 21, 24, 25, 32, 33, 47, 48, 49];
    for dilation in 1..=5 {
        let pool = |op| Pool2d::new(op, [3, 3]).dilation([dilation; 2]).padding([dilation; 2]);
        for height in [1, 2 * dilation - 1, 2 * dilation, 2 * dilation + 1, 11] {
            for width in widths {
                let shape = Shape::new(1, 3, [height, width]);
                checks.go(pool, Layout::ChannelsFirst, shape, Pooling::Two);
            }
        }
    }
    // Slices of a plane, some windows of which are in padding alone, or of several.
    for (deep, stride, before, after) in [
        (1, 1, 0, 0),
        (1, 2, 0, 0),
        (1, 1, 1, 0),
        (1, 1, 0, 2),
        (1, 2, 0, 3),
        (2, 1, 0, 0),
        (2, 2, 1, 1),
    ] {
        let padding = Padding::Explicit { begin: [before, 1, 1], end: [after, 1, 1] };
        let pool = |op| Pool3d::new(op, [deep, 3, 3]).stride([stride, 1, 1]).pad(padding);
        for width in [7, 8, 15, 16, 20, 40] {
            let shape = Shape::new(1, 3, [5, 6, width]);
            checks.go(pool, Layout::ChannelsFirst, shape, Pooling::Three);
        }
    }
}

#[test]
fn narrow_planes_of_which_there_are_many() {
    let mut checks = Checks::default();
    let pool = |op| Pool2d::new(op, [3, 3]).padding([1, 1]).divisor(Divisor::IncludePad);
    for (height, width) in [2, 3, 8, 9, 17]
        .into_iter()
        .flat_map(|height| [8, 9, 10, 11, 17, 18, 19, 33, 34].map(|width| (height, width)))
    {
        for outputs in [1500, 2500, 4000] {
            let shape = Shape::new(1, outputs / (height * width) + 1, [height, width]);
            checks.go(pool, Layout::ChannelsFirst, shape, Pooling::Two);
        }
    }
}

#[test]
fn narrow_planes_under_windows_two_apart() {
    let mut checks = Checks::default();
    for (height, width) in [(2, 5), (5, 4), (7, 7), (13, 14), (14, 13), (16, 16), (9, 24), (3, 25)]
    {
        for (begin, end) in [(0, 0), (1, 1), (0, 1), (1, 0), (1, 2)] {
            let padding = Padding::Explicit { begin: [begin; 2], end: [end; 2] };
            let pool = |op| Pool2d::new(op, [3, 3]).stride([2, 2]).pad(padding);
            for (batch, channels) in [(1, 191), (1, 197), (2, 96)] {
                let shape = Shape::new(batch, channels, [height, width]);
                checks.go(pool, Layout::ChannelsFirst, shape, Pooling::Two);
            }
        }
    }
    let (mut seed, planes) = (0, [1, 2, 5, 19]);
    for width in (3..=66).chain([127, 130]) {
        for height in [1, 2, 5, 8] {
            for (padding, ceil_mode) in [(0, false), (0, true), (1, false), (1, true)] {
                seed += 1;
                let shape = Shape::new(1, planes[seed % 4], [height, width]);
                let pool = |op| {
                    let pool = Pool2d::new(op, [3, 3]).stride([2, 2]).padding([padding; 2]);
                    pool.ceil_mode(ceil_mode).divisor(DIVISORS[seed % 3])
                };
                let types = [I8, U8, Bf16, F16, F64, F32];
                check_types(&types, pool, Layout::ChannelsFirst, shape, Pooling::Two, seed);
            }
        }
    }
}

#[test]
fn short_elements_of_small_planes() {
    let windows = [
        ([5, 5], [1, 1], 2),
        ([2, 2], [1, 1], 0),
        ([2, 2], [2, 2], 0),
        ([3, 3], [1, 1], 1),
        ([4, 4], [2, 2], 1),
        ([3, 3], [3, 3], 0),
        ([1, 9], [1, 2], 4),
        ([7, 2], [5, 4], 0),
        ([13, 13], [1, 1], 6),
    ];
    let mut seed = 0;
    for (kernel, stride, padding) in windows {
        for sides in [[1, 1], [3, 7], [13, 13], [9, 24], [5, 25], [40, 30], [130, 100]] {
            for channels in [1, 3, 100] {
                seed += 1;
                if channels * sides[0] * sides[1] > 30_000 {
                    continue;
                }
                let layout = [Layout::ChannelsFirst, Layout::ChannelsLast][seed / 2 % 2];
                let padding = kernel.map(|k| padding.min(k / 2));
                let pool = |op| Pool2d::new(op, kernel).stride(stride).padding(padding);
                let shape = Shape::new(2, channels, sides);
                check_types(&SHORT, pool, layout, shape, Pooling::Two, seed);
                let pool = |op| Pool2d::adaptive(op, sides.map(|side| side.div_ceil(2)));
                let shape = Shape::new(1, channels, sides);
                check_types(&SHORT, pool, layout, shape, Pooling::Two, seed);
            }
        }
    }
    for (seed, (depth, padding)) in [(1, 0), (4, 1), (2, 1)].into_iter().enumerate() {
        let pool = |op| Pool3d::new(op, [2, 2, 3]).stride([1, 2, 1]).padding([padding; 3]);
        let shape = Shape::new(1, 7, [depth + 1, 6, 11]);
        check_types(&SHORT, pool, Layout::ChannelsFirst, shape, Pooling::Three, seed);
    }
}

/// Of which parts are widened, and of these, some again for the next part.
#[test]
fn short_elements_of_large_planes() {
    let mut seed = 0;
    for (kernel, stride, dilation, [begin, end]) in [
        ([9, 9], [1, 1], 1, [4, 4]),
        ([3, 3], [3, 3], 1, [0, 2]),
        ([3, 11], [2, 1], 3, [9, 3]),
        ([30, 2], [1, 2], 1, [20, 31]),
        ([2, 17], [1, 5], 1, [0, 40]),
    ] {
        for (sides, channels) in
            [([130, 130], 1), ([60, 300], 1), ([4, 5000], 1), ([90, 70], 9), ([30, 70], 40)]
        {
            let layout = if channels > 2 { Layout::ChannelsLast } else { Layout::ChannelsFirst };
            for ceil_mode in [false, true] {
                seed += 1;
                let pad = Padding::Explicit { begin: [begin; 2], end: [end; 2] };
                let pool = |op| {
                    let pool = Pool2d::new(op, kernel).stride(stride).dilation([dilation; 2]);
                    pool.pad(pad).ceil_mode(ceil_mode).divisor(DIVISORS[seed % 3])
                };
                let shape = Shape::new(1, channels, sides);
                check_types(&SHORT, pool, layout, shape, Pooling::Two, seed);
            }
        }
    }
    for (kernel, stride, padding) in [(100, 1, 50), (64, 7, 0), (12, 1, 11), (5, 40, 2)] {
        for (channels, len) in [(1, 20_000), (2, 16_385), (40, 600)] {
            seed += 1;
            let layout = if channels > 2 { Layout::ChannelsLast } else { Layout::ChannelsFirst };
            let pad = Padding::Explicit { begin: [padding], end: [padding / 2] };
            let pool = |op| {
                let pool = Pool1d::new(op, [kernel]).stride([stride]).pad(pad);
                pool.divisor(DIVISORS[seed % 3])
            };
            let shape = Shape::new(2, channels, [len]);
            check_types(&SHORT, pool, layout, shape, Pooling::One, seed);
        }
    }
}

/// Rows of halves are averaged two vectors at a time, and results that are NaN are found in either.
#[test]
fn averages_of_halves_in_rows() {
    let mut seed = 0;
    for (kernel, stride, padding) in [(2, 2, 0), (3, 2, 1), (3, 2, 0), (3, 1, 1), (3, 1, 0)] {
        // Rows of up to five vectors of sixteen, of which the last are full, or nearly, or nearly empty.
        for windows in [15, 16, 17, 31, 32, 33, 47, 49, 63, 64, 65, 80] {
            let width = (windows - 1) * stride + kernel - 2 * padding;
            for element in [F16, Bf16] {
                for values in [Values::Numbers, Values::Traps] {
                    seed += 1;
                    let pool = Pool2d::new(Op::Average, [kernel; 2]).stride([stride; 2]);
                    let pool = pool.padding([padding; 2]).divisor(DIVISORS[seed % 3]);
                    let shape = Shape::new(2, 2, [9, width]);
                    check_case(&Case {
                        pooling: Pooling::Two(pool, shape),
                        layout: Layout::ChannelsFirst,
                        strides: None,
                        element,
                        seed: seed as u64,
                        values,
                    });
                }
            }
        }
    }
}

/// Of lines that are cut into pieces, those that are alike are done by what was found out for the first one.
#[test]
fn long_lines_in_pieces() {
    let types = [F32, F64, Bf16, F32, I8];
    let mut seed = 0;
    for (kernel, stride, [begin, end]) in
        [(20, 1, [0, 0]), (13, 1, [6, 6]), (70, 3, [0, 1500]), (33, 2, [1200, 9])]
    {
        for (channels, len) in [(1, 4_000), (9, 2_600), (40, 300)] {
            for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
                seed += 1;
                let pad = Padding::Explicit { begin: [0, begin], end: [0, end] };
                let pool = |op| {
                    let pool = Pool2d::new(op, [1, kernel]).stride([1, stride]).pad(pad);
                    pool.divisor(DIVISORS[seed % 3])
                };
                let shape = Shape::new(1, channels, [2, len]);
                check_types(&types, pool, layout, shape, Pooling::Two, seed);
            }
        }
    }
}

/// As many outputs as make one line of their planes, and always one thing that forbids it.
#[test]
fn planes_that_are_not_one_line() {
    let pool = |kernel| Pool3d::average(kernel).divisor(Divisor::IncludePad);
    let pad = |begin, end| Padding::Explicit { begin, end };
    let around = pad([0, 1, 1], [0, 1, 1]);
    let plain = None;
    for (pool, spatial, strides) in [
        (pool([1, 3, 3]).pad(around), [1, 1, 17], plain),
        // Between lines, and between planes alone.
        (pool([1, 3, 3]).pad(around), [1, 5, 17], Some([0, 100, 100, 20, 1])),
        (pool([1, 3, 3]).pad(around), [1, 5, 17], Some([0, 88, 85, 17, 1])),
        (pool([1, 1, 3]).pad(pad([0, 0, 1], [0, 0, 1])), [1, 5, 17], plain),
        (pool([1, 3, 3]).dilation([1, 2, 1]).pad(pad([0, 2, 1], [0, 2, 1])), [1, 6, 17], plain),
        (pool([1, 3, 3]).pad(pad([0, 1, 1], [0, 1, 0])), [1, 5, 18], plain),
        (pool([1, 3, 3]).pad(pad([0, 1, 1], [0, 0, 1])), [1, 5, 17], plain),
        (pool([1, 3, 3]).pad(pad([0, 1, 1], [0, 2, 1])), [1, 5, 17], plain),
        (pool([3, 3, 3]).pad(pad([1, 1, 1], [1, 1, 1])), [3, 5, 17], plain),
        (pool([1, 3, 3]).stride([2, 1, 1]).pad(around), [3, 5, 17], plain),
    ] {
        let shape = Shape::new(1, 15_000 / spatial.iter().product::<usize>() + 1, spatial);
        for element in [ElementType::F32, ElementType::U8] {
            let case = Case {
                pooling: Pooling::Three(pool, shape),
                layout: Layout::ChannelsFirst,
                strides,
                element,
                seed: spatial[1] as u64,
                values: Values::Numbers,
            };
            check_case(&case);
        }
    }
}

#[test]
fn windows_that_share_most_of_what_they_have() {
    let mut checks = Checks::default();
    let kernels = [[2, 3], [5, 5], [3, 7], [16, 15], [31, 7], [31, 31]];
    for (kernel, dilation) in kernels.into_iter().flat_map(|kernel| [1, 2].map(|d| (kernel, d))) {
        for sides in [[2, 3], [3, 8], [9, 10], [32, 17], [32, 32]] {
            let half = kernel.map(|k| k / 2 * dilation);
            let beyond = kernel.map(|k| k * dilation);
            for padding in [[0, 0], half, beyond] {
                let pool = |op| {
                    Pool2d::new(op, kernel)
                        .stride([dilation, 1])
                        .dilation([dilation; 2])
                        .padding(padding)
                };
                let of = |layout, channels| (layout, Shape::new(1, channels, sides));
                for (layout, shape) in [
                    of(Layout::ChannelsFirst, 9),
                    of(Layout::ChannelsFirst, 18),
                    of(Layout::ChannelsLast, 7),
                    of(Layout::ChannelsLast, 33),
                    of(Layout::ChannelsLast, 0),
                ] {
                    checks.go(pool, layout, shape, Pooling::Two);
                }
            }
        }
    }
    for (deep, before, after) in [(1, 0, 0), (1, 1, 0), (1, 0, 2), (3, 1, 1), (5, 2, 2)] {
        for (kernel, sides) in [([5, 5], [9, 10]), ([1, 40], [1, 90]), ([24, 5], [24, 5])] {
            let padding = Padding::Explicit { begin: [before, 2, 0], end: [after, 0, 3] };
            let pool = |op| Pool3d::new(op, [deep, kernel[0], kernel[1]]).pad(padding);
            for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
                let shape = Shape::new(1, 5, [4, sides[0], sides[1]]);
                checks.go(pool, layout, shape, Pooling::Three);
            }
        }
    }
}

/// Rows in pieces and rows that are not, of windows that end in the first lines kept, in the last ones and after them, dilated
/// ones among them.
#[test]
fn large_windows_of_pixels() {
    let types = [F32, F64, F32, Bf16, F32];
    let (mut seed, mut taken) = (0, 0);
    for (kernel, stride, dilation, sides) in [
        ([5, 7], [1, 1], [1, 1], [23, 50]),
        ([9, 5], [2, 3], [1, 1], [40, 41]),
        ([4, 9], [1, 2], [2, 3], [21, 60]),
        ([7, 6], [3, 4], [3, 2], [33, 70]),
        ([2, 30], [1, 7], [1, 1], [6, 90]),
        ([1, 23], [1, 1], [1, 2], [3, 300]),
        ([1, 40], [2, 6], [1, 4], [3, 250]),
        ([90, 4], [1, 1], [1, 1], [92, 100]),
    ] {
        // The reference takes its time.
        let most = if kernel[0] * kernel[1] > 100 { 4 } else { 30 };
        let half = kernel.map(|k: usize| (k / 2).min(most));
        let beyond = [0, 1].map(|i| (kernel[i] * dilation[i] + 3).min(most));
        for padding in [[0, 0], half, beyond] {
            for channels in [7, 8, 17, 33] {
                seed += 1;
                let pool =
                    |op| Pool2d::new(op, kernel).stride(stride).dilation(dilation).padding(padding);
                let shape = Shape::new(1, channels, sides);
                let (plans, _) = plans(pool(Op::Max), Layout::ChannelsLast, shape);
                taken +=
                    plans.iter().filter(|plan| plan.explain().walk == Some(Walk::Scans)).count();
                check_types(&types, pool, Layout::ChannelsLast, shape, Pooling::Two, seed);
            }
        }
    }
    let by_hand = supported().any(|backend| matches!(backend.name(), "avx2" | "avx512" | "neon"));
    assert!(!by_hand || taken > 20, "only {taken} plans take the walk");
}

#[test]
fn small_windows_at_either_end_of_a_row() {
    let mut checks = Checks::default();
    let windows = [(2, 2), (3, 1), (3, 2), (3, 3), (4, 4)];
    let paddings = [(0, 0), (0, 1), (1, 0), (1, 1), (1, 4), (2, 2), (2, 6), (4, 5)];
    for ((kernel, stride), (before, after)) in
        windows.into_iter().flat_map(|window| paddings.map(|padding| (window, padding)))
    {
        let padding = Padding::Explicit { begin: [0, before], end: [0, after] };
        let pool = |op| Pool2d::new(op, [2, kernel]).stride([1, stride]).pad(padding);
        for width in [1, 2, 3, 4, 5, 8, 15, 16, 17, 18, 24, 25, 33, 34, 48, 65, 130] {
            let shape = Shape::new(1, 2, [4, width]);
            checks.go(pool, Layout::ChannelsFirst, shape, Pooling::Two);
        }
    }
}

/// Where all are divided by the same odd number, another reduction takes the same walks.
#[test]
fn windows_of_three_by_three_that_are_divided_alike() {
    let mut checks = Checks::default();
    for dilation in 1..=4 {
        let pool = |op| {
            let pool = Pool2d::new(op, [3, 3]).dilation([dilation; 2]).padding([dilation; 2]);
            pool.divisor(Divisor::FullWindow)
        };
        for width in [8, 9, 15, 16, 20, 33, 49] {
            let shape = Shape::new(1, 3, [11, width]);
            checks.go(pool, Layout::ChannelsFirst, shape, Pooling::Two);
        }
    }
}

/// Planes of all shapes go on in one another, those of more elements than are walked together and those of fewer, with
/// infinities and NaNs beside the edges that must not be seen beyond them.
#[test]
fn averages_of_planes_as_one_line() {
    let widths =
        [1, 2, 3, 4, 7, 9, 10, 16, 17, 31, 33, 47, 50, 65, 97, 191, 193, 200, 500, 512, 513];
    let mut seed = 0_usize;
    for (height, width) in [1, 2, 3, 8, 19].into_iter().flat_map(|h| widths.map(|w| (h, w))) {
        for divisor in [Divisor::IncludePad, Divisor::ExcludePad, Divisor::Fixed(4)] {
            seed += 1;
            if !seed.is_multiple_of(one_of()) {
                continue;
            }
            let pool = Pool2d::average([3, 3]).padding([1, 1]).divisor(divisor);
            let channels = [2100, 5000][seed % 2] / (height * width) + 1;
            let case = Case {
                pooling: Pooling::Two(pool, Shape::new(1, channels, [height, width])),
                layout: Layout::ChannelsFirst,
                strides: None,
                element: ElementType::F32,
                seed: seed as u64,
                values: [Values::Numbers, Values::Traps][seed / 2 % 2],
            };
            check_as::<f32>(&case);
        }
    }
}

/// Planes of several strips, of which a band is walked after the other, and dilated ones.
#[test]
fn wide_planes_under_windows_of_three_by_three() {
    let types = [F32, F64, Bf16, I8, F16, U8];
    let sides = [[12, 49], [90, 51], [45, 64], [23, 97], [100, 81], [30, 191], [64, 192], [9, 193]];
    let mut seed = 0;
    for (sides, dilation) in sides.into_iter().flat_map(|sides| [1, 2, 4].map(|d| (sides, d))) {
        for divisor in DIVISORS {
            seed += 1;
            let pool = |op| {
                let pool = Pool2d::new(op, [3, 3]).dilation([dilation; 2]).divisor(divisor);
                pool.padding([dilation; 2])
            };
            let shape = Shape::new(1, 1 + seed % 2, sides);
            check_types(&types, pool, Layout::ChannelsFirst, shape, Pooling::Two, seed);
        }
    }
}

/// Averages of pairs of bytes: strips of which the last one is flush with the right edge, and rows of which some are left to
/// others; at edges with padding and without.
#[test]
fn averages_of_bytes_in_strips() {
    let sides = [
        [3, 1400],
        [19, 17],
        [18, 18],
        [5, 31],
        [33, 32],
        [34, 33],
        [70, 63],
        [9, 64],
        [100, 65],
        [66, 96],
        [8, 127],
        [7, 129],
        [40, 500],
    ];
    let paddings = [[0, 0], [1, 1], [0, 1], [1, 0]];
    let mut seed = 0;
    for (sides, begin) in sides.into_iter().flat_map(|sides| paddings.map(|begin| (sides, begin))) {
        for end in paddings {
            seed += 1;
            let pad = Padding::Explicit { begin, end };
            let divisor = [Divisor::ExcludePad, Divisor::IncludePad, Divisor::Fixed(7)][seed % 3];
            let pool = |op| Pool2d::new(op, [3, 3]).pad(pad).divisor(divisor);
            let shape = Shape::new(1, 4500 / (sides[0] * sides[1]) + 2, sides);
            check_types(&[I8, U8], pool, Layout::ChannelsFirst, shape, Pooling::Two, seed);
        }
    }
}

/// Windows of a slice each follow each other without a seam, up to those that are in padding alone.
#[test]
fn slices_that_are_in_padding_alone() {
    let mut checks = Checks::default();
    for (kernel, after) in [(2, 1), (2, 2), (3, 2), (4, 1)] {
        let padding = Padding::Explicit { begin: [0; 3], end: [after, 0, 0] };
        let side = [1, kernel, kernel];
        let pool = |op| Pool3d::new(op, side).stride(side).pad(padding);
        for width in [kernel, 5 * kernel, 17 * kernel] {
            let shape = Shape::new(2, 3, [3, 2 * kernel, width]);
            for layout in [Layout::ChannelsFirst, Layout::ChannelsLast] {
                checks.go(pool, layout, shape, Pooling::Three);
            }
        }
    }
}

/// The largest of halves is guessed from their bits, which is wrong of negative ones and of NaNs, where both the
/// input and the output go on for a vector after a row.
#[test]
fn the_largest_halves_of_rows_that_others_follow() {
    for element in [ElementType::F16, ElementType::Bf16] {
        for [channels, height, width] in
            [[2, 12, 20], [2, 16, 32], [2, 40, 34], [2, 40, 66], [2, 40, 128], [19, 1, 66]]
        {
            for values in [Values::Numbers, Values::Ties, Values::Traps, Values::OnlyTraps] {
                let pool = Pool2d::max([3, 3]).stride([2, 2]).padding([1, 1]);
                let shape = Shape::new(1, channels, [height, width]);
                let case = Case {
                    pooling: Pooling::Two(pool, shape),
                    layout: Layout::ChannelsFirst,
                    strides: None,
                    element,
                    seed: width as u64,
                    values,
                };
                check_case(&case);
            }
        }
    }
}

#[test]
fn small_windows_of_few_channels_and_of_many() {
    let mut checks = Checks::default();
    let mut go = |pool: &dyn Fn(Op) -> Pool2d, sides| {
        for channels in [3, 8, 16, 24, 31, 40, 48, 64, 65, 130] {
            let shape = Shape::new(1, channels, sides);
            checks.go(pool, Layout::ChannelsLast, shape, Pooling::Two);
        }
    };
    for kernel in [[1, 2], [2, 2], [2, 3], [3, 2], [3, 3]] {
        for (stride, padding) in [1, 2].into_iter().flat_map(|s| [0, 1].map(|p| ([s; 2], [p; 2]))) {
            for sides in [[5, 6], [4, 7], [20, 13]] {
                go(&|op| Pool2d::new(op, kernel).stride(stride).padding(padding), sides);
            }
        }
    }
    for sides in [[13, 14], [14, 13], [13, 13]] {
        go(&|op| Pool2d::adaptive(op, [7, 7]), sides);
    }
}

/// Of long pixels, and of large tensors, all channels of a pixel come before the next one: as many as what is carried of
/// them has room for, but those that are no whole group.
#[test]
fn long_pixels() {
    let shapes = [(64, [79, 83]), (130, [6, 9]), (280, [5, 8]), (1056, [4, 14]), (2110, [3, 13])];
    let windows = [(3, 1, 1), (3, 2, 1), (2, 1, 0), (3, 1, 0), (3, 2, 0)];
    for (i, ((channels, sides), (kernel, stride, padding))) in
        shapes.into_iter().flat_map(|shape| windows.map(|window| (shape, window))).enumerate()
    {
        // Fewer where that takes long.
        if !i.is_multiple_of(one_of().min(3)) {
            continue;
        }
        let shape = Shape::new(1, channels, sides);
        let pool = |op| Pool2d::new(op, [kernel; 2]).stride([stride; 2]).padding([padding; 2]);
        let divisor = [Divisor::ExcludePad, Divisor::IncludePad][i / 4 % 2];
        let pools = [pool(Op::Max), pool(Op::Average).divisor(divisor)];
        let values = [Values::Numbers, [Values::Numbers, Values::Traps][i / 2 % 2]];
        for (pool, values) in pools.into_iter().zip(values) {
            let case = |element| Case {
                pooling: Pooling::Two(pool, shape),
                layout: Layout::ChannelsLast,
                strides: i.is_multiple_of(4).then(|| gaps(Layout::ChannelsLast, shape)),
                element,
                seed: i as u64,
                values,
            };
            check_as::<f32>(&case(ElementType::F32));
            match i % 3 {
                0 => check_as::<i8>(&case(ElementType::I8)),
                1 => check_as::<f16>(&case(ElementType::F16)),
                _ => check_as::<f64>(&case(ElementType::F64)),
            }
        }
        let (plans, reference) = plans(pool(Op::Max), Layout::ChannelsLast, shape);
        let places = [0, channels / 2, channels * sides[1], reference.input_len() / 2 + 7];
        assert_nan_is_seen(&plans, &reference, places[i % 4], "pixels");
        assert_nan_is_seen(&plans, &reference, reference.input_len() - 1, "the last pixel");
    }
}

/// Dilated windows of pixels, whose columns are carried in memory, and of few channels, or dilated too much, by another walk.
#[test]
fn dilated_windows_of_pixels() {
    let mut checks = Checks::default();
    let dilations = [[1, 2], [2, 1], [2, 2], [3, 4], [1, 8], [2, 9]];
    for (i, (channels, dilation)) in [3, 8, 16, 20, 33, 70, 200]
        .into_iter()
        .flat_map(|channels| dilations.map(|dilation| (channels, dilation)))
        .enumerate()
    {
        for (kernel, padding) in [([3, 3], [2, 2]), ([2, 3], [0, 4]), ([3, 2], [1, 1])] {
            let pool = |op| {
                let pool = Pool2d::new(op, kernel).dilation(dilation).padding(padding);
                pool.divisor(DIVISORS[i % 3])
            };
            let shape = Shape::new(1 + i % 2, channels, [9 + i % 3, 12 + i % 7]);
            checks.go(pool, Layout::ChannelsLast, shape, Pooling::Two);
        }
    }
}

/// A NaN in any line is seen, whether it is the first or the second of two rows that are made together, or the last row of
/// so many that one is left; and where lines of dilated windows are those of a row that is not the one above.
#[test]
fn nan_in_rows_of_pixels() {
    for (i, rows) in (3..=9).enumerate() {
        for (channels, dilation) in [(8, 1), (40, 1), (130, 1), (40, 2), (24, 3)] {
            let shape = Shape::new(1, channels, [rows + 2 * dilation, 8 + 2 * dilation]);
            let pool = Pool2d::max([3, 3]).dilation([dilation; 2]).padding([i % 2, i % 2]);
            let (plans, reference) = plans(pool, Layout::ChannelsLast, shape);
            let step = (channels + 1) * 5 * one_of() - 1;
            for at in (i..reference.input_len()).step_by(step) {
                assert_nan_is_seen(&plans, &reference, at, format_args!("{pool:?}"));
            }
        }
    }
}

/// Pixels of few channels, and single elements, under windows of up to nine lines and columns: there is code for each
/// number up to eight, for rows that are shorter than its vectors, and for several pieces of a row.
#[test]
fn windows_of_a_few_lines_and_columns() {
    let mut checks = Checks::default();
    let channels = [1, 2, 3, 4, 5, 7, 12, 19, 48];
    let strides = [[1, 1], [2, 2], [1, 2], [3, 3], [2, 1], [5, 4]];
    for (high, wide) in (1..=9).flat_map(|high| (1..=9).map(move |wide| (high, wide))) {
        for (i, channels) in channels.into_iter().enumerate() {
            let i = i + high + wide;
            let (stride, dilation) = (strides[i % 6], if i % 5 == 0 { 2 } else { 1 });
            let sides = [high + 2 + i % 7, [wide + 1, 9 + i, 40, 70, 300][i % 5]];
            let padding = Padding::Explicit {
                begin: [(high - 1) * (i % 2), wide / 2],
                end: [high / 2, (wide - 1) * (i % 3 % 2)],
            };
            let pool = |op| {
                let pool = Pool2d::new(op, [high, wide]).stride(stride).dilation([dilation; 2]);
                pool.pad(padding).divisor([Divisor::ExcludePad, Divisor::IncludePad][i % 2])
            };
            let layout = [Layout::ChannelsLast, Layout::ChannelsFirst][usize::from(channels == 1)];
            checks.go(pool, layout, Shape::new(1 + i % 2, channels, sides), Pooling::Two);
            let cube = Shape::new(1, channels, [3, high + 2, wide + 5]);
            let pool = |op| Pool3d::new(op, [1 + i % 3, high.div_ceil(2), wide]).padding([0, 0, 1]);
            checks.go(pool, layout, cube, Pooling::Three);
        }
    }
}

/// A NaN in any line of a window is seen: lines that rows share are looked at once.
#[test]
fn nan_in_windows_of_a_few_lines() {
    for (i, channels) in [1, 3, 7].into_iter().cycle().take(36).enumerate() {
        let (high, stride) = (1 + i % 9, 1 + i / 2 % 3);
        let shape = Shape::new(2, channels, [11, 17 + i]);
        let pool = Pool2d::max([high, 2 + i % 7]).stride([stride; 2]).padding([high / 2, 1]);
        let pool = pool.dilation([1 + i % 4 / 3, 1]);
        let (plans, reference) = plans(pool, Layout::ChannelsLast, shape);
        let step = 37 * one_of();
        for at in (i..reference.input_len()).step_by(step) {
            assert_nan_is_seen(&plans, &reference, at, format_args!("{pool:?}"));
        }
    }
}

#[test]
fn uneven_windows_of_narrow_planes_and_even_ones_far_apart() {
    let mut checks = Checks::default();
    let first = Layout::ChannelsFirst;
    for width in 7..=34 {
        for windows in [2, 3, 4, 5, 6, 7, 8, 9, 11, 15, 16, 17] {
            // Planes of which several are walked together, and of which a row is walked alone.
            for (planes, [height, high]) in [(9, [13, 7]), (2, [5, 3]), (3, [1, 1])] {
                let pool = |op| Pool2d::adaptive(op, [high, windows]);
                checks.go(pool, first, Shape::new(1, planes, [height, width]), Pooling::Two);
            }
        }
        for (kernel, stride, dilation) in [(3, 3, 1), (3, 4, 2), (4, 3, 1), (4, 5, 1), (5, 3, 1)] {
            for padding in [0, 1] {
                let pool = |op| {
                    let pool = Pool2d::new(op, [3, kernel]).stride([2, stride]);
                    pool.dilation([1, dilation]).padding([1, padding])
                };
                checks.go(pool, first, Shape::new(1, 9, [7, width]), Pooling::Two);
            }
        }
    }
}

/// Windows of which some are merged together, flush with the end where they are no multiple of as many, with padding
/// beyond which they are empty, on planes that have just room and on those that have none.
#[test]
fn windows_one_apart_on_small_planes() {
    let mut checks = Checks::default();
    for (height, width) in [(2, 3), (5, 2), (7, 8), (13, 13), (20, 9), (17, 32), (40, 42), (43, 5)]
    {
        for kernel in [[2, 4], [4, 3], [1, 8], [5, 5], [8, 1], [9, 13], [16, 7], [31, 33]] {
            for padding in [[0, 0], kernel.map(|k| k / 2), [3, 9]] {
                for (layout, channels) in [
                    (Layout::ChannelsFirst, 8),
                    (Layout::ChannelsFirst, 19),
                    (Layout::ChannelsLast, 33),
                ] {
                    let pool = |op| Pool2d::new(op, kernel).padding(padding);
                    let shape = Shape::new(1, channels, [height, width]);
                    checks.go(pool, layout, shape, Pooling::Two);
                }
            }
        }
    }
}

/// Windows that are made of those of two, four, eight and sixteen neighbours, or of several of these, one and two apart: the
/// first and the last ones of a row have fewer elements, as many vectors of them as there are at most.
#[test]
fn windows_of_neighbours_in_a_line() {
    let mut seed = 0_usize;
    for (kernel, stride) in (2..=33).flat_map(|kernel| [(kernel, 1), (kernel, 2)]) {
        let pads = [[0, 0], [kernel / 2, kernel / 2], [kernel - 1, 0], [1, kernel - 1]];
        let lengths = [kernel, kernel + 6, 31, 47, 64, 150];
        for (len, [begin, end]) in lengths.into_iter().zip(pads.into_iter().cycle()) {
            seed += 1;
            if len + begin + end < kernel || !seed.is_multiple_of(one_of()) {
                continue;
            }
            let (rows, padding) =
                (1 + seed % 5, Padding::Explicit { begin: [0, begin], end: [0, end] });
            let shape = Shape::new(1, 2, [rows, len]);
            let pool = |op| {
                let pool = Pool2d::new(op, [1, kernel]).stride([1, stride]).pad(padding);
                pool.divisor(DIVISORS[seed % 3])
            };
            for op in [Op::Max, Op::Average, Op::Min] {
                for (element, values) in [(F32, Values::Numbers), (F64, Values::Traps)] {
                    check_case(&Case {
                        pooling: Pooling::Two(pool(op), shape),
                        layout: Layout::ChannelsFirst,
                        strides: seed.is_multiple_of(3).then(|| gaps(Layout::ChannelsFirst, shape)),
                        element,
                        seed: seed as u64,
                        values,
                    });
                }
            }
            let (plans, reference) = plans(pool(Op::Max), Layout::ChannelsFirst, shape);
            let last = reference.input_len() - 1;
            for at in [0, last / 3, last] {
                assert_nan_is_seen(&plans, &reference, at, format_args!("{kernel} {stride} {len}"));
            }
        }
    }
}

#[test]
fn long_windows_of_a_line() {
    let mut checks = Checks::default();
    for (kernel, stride) in
        [(9, 5), (10, 5), (15, 3), (16, 16), (17, 3), (24, 3), (25, 3), (64, 16), (128, 50)]
    {
        for (width, rows) in [(130, 8), (133, 17), (720, 33)] {
            for (dilation, padding) in [(1, 0), (1, kernel / 2), (2, 3)] {
                let pool = |op| {
                    let pool = Pool2d::new(op, [1, kernel]).stride([1, stride]);
                    pool.dilation([1, dilation]).padding([0, padding])
                };
                let shape = Shape::new(1, 1, [rows, width]);
                checks.go(pool, Layout::ChannelsFirst, shape, Pooling::Two);
            }
        }
    }
}

/// Of one to eight columns, whose edges are pieces of their own where there is a single line, and which are read in place.
#[test]
fn few_columns_three_or_more_apart() {
    let mut checks = Checks::default();
    for (kernel, stride) in (1..=9).flat_map(|k| [3, 4, 5, 7, 64, 65].map(|s| (k, s))) {
        let line =
            |left: usize| move |op| Pool1d::new(op, [kernel]).stride([stride]).padding([left]);
        for (windows, left) in [6, 7, 8, 17, 63, 64, 65, 600]
            .into_iter()
            .flat_map(|windows| [0, kernel / 2].map(|left| (windows, left)))
        {
            let len = (windows - 1) * stride + kernel - 2 * left;
            let planes = 1 + windows % 3;
            let shape = Shape::new(1, planes, [len]);
            checks.go(line(left), Layout::ChannelsFirst, shape, Pooling::One);
        }
        for (windows, high, above) in [(6, 2, 0), (7, 3, 1), (9, 1, 1), (18, 9, 4), (70, 1, 1)] {
            let pad = kernel / 3;
            let plane = move |op| {
                let pool = Pool2d::new(op, [high, kernel]).stride([2, stride]);
                pool.padding([above, pad])
            };
            let sides = [high + 6, (windows - 1) * stride + kernel - 2 * pad];
            let shape = Shape::new(2, 3, sides);
            checks.go(plane, Layout::ChannelsFirst, shape, Pooling::Two);
        }
    }
}

#[test]
fn windows_any_distance_apart_of_all_types() {
    // Columns, stride, dilation, and the width of the plane: fewer windows than a vector, more than a piece, and
    // windows almost as wide as what they are merged in, and wider.
    let lines = [
        ([3, 1, 1], 14),
        ([13, 1, 2], 1100),
        ([2000, 1, 1], 2010),
        ([3, 2, 1], 8),
        ([3, 2, 1], 2100),
        ([2, 2, 3], 1033),
        ([7, 3, 2], 2200),
        ([10, 5, 1], 1601),
        ([1, 4, 1], 67),
        ([100, 55, 19], 2100),
        ([3, 31, 1], 2500),
        ([3, 32, 1], 2500),
        ([1983, 90, 1], 2200),
        ([1984, 300, 1], 2700),
        ([1985, 50, 1], 2100),
    ];
    let distant = lines.map(|([kernel, stride, dilation], width)| {
        let pool = move |op| {
            // Few windows, where they are wide.
            let reach = if stride == 1 { kernel.min(40) } else { kernel };
            let padding = Padding::Explicit { begin: [0, reach / 2], end: [1, reach / 3] };
            let pool = Pool2d::new(op, [2, kernel]).stride([2, stride]).dilation([1, dilation]);
            pool.pad(padding)
        };
        (Box::new(pool) as Box<dyn Fn(Op) -> Pool2d>, [3, width])
    });
    let uneven = [13, 100, 5000].map(|width| {
        let pool = move |op| Pool2d::adaptive(op, [2, if width > 1000 { 2 } else { 7 }]);
        (Box::new(pool) as Box<dyn Fn(Op) -> Pool2d>, [3, width])
    });
    let ops = [Op::Max, Op::Min, Op::Average, Op::Lp(Exponent::new(2.0))];
    let pools =
        distant.into_iter().chain(uneven).flat_map(|pool| ops.map(|op| (pool.0(op), pool.1)));
    for (seed, (pool, sides)) in pools.enumerate() {
        for element in ElementType::ALL {
            let case = Case {
                pooling: Pooling::Two(pool, Shape::new(1, 2, sides)),
                layout: Layout::ChannelsFirst,
                strides: None,
                element,
                seed: seed as u64,
                values: [Values::Numbers, Values::Traps][seed % 2],
            };
            // Of integers there are no norms, of some no averages.
            if seed.is_multiple_of(one_of()) && case.explain(None).is_ok() {
                let want = case.run(&REFERENCE).unwrap();
                for backend in supported().filter(|&backend| backend != &REFERENCE) {
                    case.run(backend)
                        .and_then(|got| case.compare(backend, &got, &want))
                        .unwrap_or_else(|mismatch| panic!("{mismatch}"));
                }
            }
        }
    }
}
