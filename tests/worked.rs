//! Worked examples, by hand: what the reference and every other backend must give.

mod common;

use common::{LAYOUTS, NANS, assert_same_bits, pool, supported};
use lanepool::{
    Divisor, Element, Layout, NanPolicy, Op, Padding, Plan, Pool, Pool1d, Pool2d, Pool3d,
    Quantization, REFERENCE, Rounding, Shape, Strides,
};

const NAN: f32 = f32::NAN;
const INFINITY: f32 = f32::INFINITY;
const NEG_INFINITY: f32 = f32::NEG_INFINITY;

/// Checks the pooling of one plane on every backend, alone and among so many channels that each
/// walk, and vectors of every width, get to do it.
#[track_caller]
fn expect<const D: usize>(pooling: Pool<D>, spatial: [usize; D], input: &[f32], want: &[f32]) {
    for channels in [1, 2, 21] {
        let (input, want) = (input.repeat(2 * channels), want.repeat(2 * channels));
        for (backend, layout) in supported().flat_map(|b| LAYOUTS.map(|layout| (b, layout))) {
            let got = pool(&pooling, backend, layout, Shape::new(2, channels, spatial), &input);
            let what = format_args!("{pooling:?} on {backend:?}, {layout:?}, {channels} channels");
            assert_same_bits(&got, &want, what);
        }
    }
}

/// Sums of windows over all of a short axis.
#[track_caller]
fn expect_sum<const D: usize>(spatial: [usize; D], input: &[f32], want: f32) {
    let sum = Pool::average(spatial).divisor(Divisor::Fixed(1));
    expect(sum, spatial, input, &[want]);
}

fn count_to(n: usize) -> Vec<f32> {
    (1..=n).map(|x| x as f32).collect()
}

fn pad<const D: usize>(begin: [usize; D], end: [usize; D]) -> Padding<D> {
    Padding::Explicit { begin, end }
}

#[test]
fn the_reference_is_among_the_backends() {
    assert!(supported().any(|backend| backend == &REFERENCE));
}

#[test]
fn two_channels_of_three_by_four() {
    let shape = Shape::new(1, 2, [3, 4]);
    let (max, mean) = (Pool2d::max([2, 2]).stride([2, 2]), Pool2d::average([2, 2]).stride([2, 2]));
    for (backend, layout) in supported().flat_map(|b| LAYOUTS.map(|layout| (b, layout))) {
        let run = |pooling| pool(pooling, backend, layout, shape, &count_to(24));
        assert_eq!(run(&max), [6.0, 8.0, 18.0, 20.0], "{backend:?}, {layout:?}");
        assert_eq!(run(&mean), [3.5, 5.5, 15.5, 17.5], "{backend:?}, {layout:?}");
    }
}

#[test]
fn a_crop_of_an_image() {
    // Of this image, three lines of four, from 2 to 17:
    //   1  2  3  4  5  6
    //   7  8  9 10 11 12
    //  13 14 15 16 17 18
    //  19 20 21 22 23 24
    let (image, layout) = (count_to(24), Layout::ChannelsFirst);
    let strides = Strides::of(layout, Shape::new(1, 1, [4, 6]));
    for backend in supported() {
        let crop = |pooling: Pool2d| {
            let shape = Shape::new(1, 1, [3, 4]);
            let plan: Plan<f32> = pooling.plan_view_on(backend, layout, shape, strides).unwrap();
            let mut output = vec![0.0; plan.output_len()];
            plan.run(&image[1..][..2 * 6 + 4], &mut output).unwrap();
            output
        };
        assert_eq!(crop(Pool2d::max([3, 3])), [16.0, 17.0]);
        assert_eq!(crop(Pool2d::max([2, 2]).stride([1, 2])), [9.0, 11.0, 15.0, 17.0]);
        assert_eq!(
            crop(Pool2d::average([3, 3]).stride([2, 3]).padding([1, 1])),
            [5.5, 7.5, 11.5, 13.5]
        );
    }
}

#[test]
fn one_axis() {
    let input = [1.0, 6.0, 2.0, 0.0, 4.0, 3.0, -1.0];
    expect(Pool1d::max([3]).stride([2]), [7], &input, &[6.0, 4.0, 4.0]);
    expect(Pool1d::average([3]).stride([2]), [7], &input, &[3.0, 2.0, 2.0]);
    expect(Pool1d::max([7]), [7], &input, &[6.0]);
    expect(Pool1d::max([1]).stride([3]), [7], &input, &[1.0, 0.0, -1.0]);
}

#[test]
fn two_axes() {
    let input = count_to(12);
    expect(Pool2d::max([2, 3]), [3, 4], &input, &[7.0, 8.0, 11.0, 12.0]);
    expect(Pool2d::average([2, 3]), [3, 4], &input, &[4.0, 5.0, 8.0, 9.0]);
    expect(Pool2d::max([1, 2]).stride([2, 1]), [3, 4], &input, &[2.0, 3.0, 4.0, 10.0, 11.0, 12.0]);
}

#[test]
fn three_axes() {
    let input = count_to(12);
    let spatial = [2, 3, 2];
    expect(Pool3d::max([2, 2, 1]), spatial, &input, &[9.0, 10.0, 11.0, 12.0]);
    expect(Pool3d::average([2, 2, 1]), spatial, &input, &[5.0, 6.0, 7.0, 8.0]);
    expect(Pool3d::average([1, 2, 2]).stride([1, 9, 9]), spatial, &input, &[2.5, 8.5]);
}

#[test]
fn dilation() {
    let input = [9.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
    expect(Pool1d::max([3]).dilation([3]), [7], &input, &[9.0]);
    expect(Pool1d::average([3]).dilation([3]), [7], &input, &[6.0]);
    expect(Pool1d::max([2]).dilation([3]), [7], &input, &[9.0, 4.0, 5.0, 6.0]);
    expect(Pool1d::average([2]).dilation([3]), [7], &input, &[6.0, 2.5, 3.5, 4.5]);
    let two = Pool2d::max([2, 2]).dilation([2, 1]);
    expect(two, [3, 3], &count_to(9), &[8.0, 9.0]);
    let two = Pool2d::average([2, 2]).dilation([2, 1]);
    expect(two, [3, 3], &count_to(9), &[4.5, 5.5]);
}

#[test]
fn padding_of_one_side() {
    let input = count_to(4);
    let (before, after) = (pad([2], [0]), pad([0], [1]));
    expect(Pool1d::max([3]).pad(before), [4], &input, &[1.0, 2.0, 3.0, 4.0]);
    expect(Pool1d::average([3]).pad(before), [4], &input, &[1.0, 1.5, 2.0, 3.0]);
    expect(Pool1d::max([3]).pad(after), [4], &input, &[3.0, 4.0, 4.0]);
    expect(Pool1d::average([3]).pad(after), [4], &input, &[2.0, 3.0, 3.5]);
    // Above the first row, and to the right of the last column.
    let two = Pool2d::max([2, 2]).pad(pad([1, 0], [0, 1]));
    expect(two, [2, 2], &count_to(4), &[2.0, 2.0, 4.0, 4.0]);
    // Padding takes no part: it is no 0.
    expect(Pool1d::max([3]).padding([1]), [2], &[-2.0, -1.0], &[-1.0, -1.0]);
}

#[test]
fn divisors() {
    // Windows of one and two elements beside padding, and one that reaches beyond the padding.
    let pooling =
        |divisor| Pool1d::average([3]).stride([2]).padding([1]).ceil_mode(true).divisor(divisor);
    let input = [3.0, 3.0, 6.0, 12.0];
    expect(pooling(Divisor::ExcludePad), [4], &input, &[3.0, 7.0, 12.0]);
    expect(pooling(Divisor::IncludePad), [4], &input, &[2.0, 7.0, 6.0]);
    expect(pooling(Divisor::FullWindow), [4], &input, &[2.0, 7.0, 4.0]);
    expect(pooling(Divisor::Fixed(1)), [4], &input, &[6.0, 21.0, 12.0]);
    expect(pooling(Divisor::Fixed(4)), [4], &input, &[1.5, 5.25, 3.0]);
    expect(pooling(Divisor::Fixed(-2)), [4], &input, &[-3.0, -10.5, -6.0]);
    // The nearest f32 is 2⁶³.
    let huge = pooling(Divisor::Fixed(i64::MAX));
    expect(huge, [1], &[1.0], &[1.084_202_2e-19]);

    let corner = |divisor| Pool2d::average([2, 2]).padding([1, 1]).divisor(divisor);
    let input = [4.0, 8.0];
    let (present, quarters) = ([4.0, 6.0, 8.0, 4.0, 6.0, 8.0], [1.0, 3.0, 2.0, 1.0, 3.0, 2.0]);
    expect(corner(Divisor::ExcludePad), [1, 2], &input, &present);
    expect(corner(Divisor::IncludePad), [1, 2], &input, &quarters);
    expect(corner(Divisor::FullWindow), [1, 2], &input, &quarters);
}

#[test]
fn quotients_are_rounded_to_nearest() {
    let third = f32::from_bits(0x3eaa_aaab);
    expect(Pool1d::average([3]), [3], &[1.0, 0.0, 0.0], &[third]);
    let seventh = f32::from_bits(0x3e12_4925);
    expect(Pool1d::average([7]), [7], &[0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0], &[seventh]);
}

#[test]
fn ceil_mode() {
    let ceil = |pool: Pool1d| pool.ceil_mode(true);
    let (max, mean) = (Pool1d::max([2]).stride([2]), Pool1d::average([2]).stride([2]));
    let input = count_to(5);
    expect(max, [5], &input, &[2.0, 4.0]);
    expect(ceil(max), [5], &input, &[2.0, 4.0, 5.0]);
    expect(mean, [5], &input, &[1.5, 3.5]);
    expect(ceil(mean), [5], &input, &[1.5, 3.5, 5.0]);
    // Nothing is left over.
    expect(ceil(max), [4], &input[..4], &[2.0, 4.0]);
    // The window that is left over starts in the padding behind the input.
    expect(ceil(Pool1d::max([2]).stride([3]).padding([1])), [2], &[1.0, 2.0], &[1.0]);
    // It starts in the padding before the input, and reaches none of it.
    let early = Pool1d::max([1]).stride([2]).pad(pad([4], [0]));
    expect(ceil(early), [1], &[7.0], &[NEG_INFINITY, NEG_INFINITY, 7.0]);
    let straddling = Pool1d::max([2]).dilation([3]).stride([2]).pad(pad([3], [0]));
    expect(ceil(straddling), [2], &[1.0, 2.0], &[1.0, NEG_INFINITY]);
}

#[test]
fn automatic_padding() {
    let pooling = |padding| Pool1d::max([2]).stride([2]).pad(padding);
    let mean = |padding| Pool1d::average([2]).stride([2]).pad(padding);
    let included = |padding| mean(padding).divisor(Divisor::IncludePad);
    let input = count_to(5);
    let (upper, lower, valid) = (Padding::SameUpper, Padding::SameLower, Padding::Valid);
    for ceil_mode in [false, true] {
        let expect = |pool: Pool1d, want: &[f32]| {
            expect(pool.ceil_mode(ceil_mode), [5], &input, want);
        };
        expect(pooling(upper), &[2.0, 4.0, 5.0]);
        expect(pooling(lower), &[1.0, 3.0, 5.0]);
        expect(pooling(valid), &[2.0, 4.0]);
        expect(mean(upper), &[1.5, 3.5, 5.0]);
        expect(mean(lower), &[1.0, 2.5, 4.5]);
        expect(mean(valid), &[1.5, 3.5]);
        expect(included(upper), &[1.5, 3.5, 2.5]);
        expect(included(lower), &[0.5, 2.5, 4.5]);
        // Dilation counts, and a stride beyond the kernel needs no padding, not less than none.
        let dilated = Pool1d::max([2]).dilation([2]);
        expect(dilated.pad(upper), &[2.0, 3.0, 4.0, 5.0, 4.0]);
        expect(Pool1d::max([1]).stride([3]).pad(lower), &[1.0, 4.0]);
    }
    // The odd one of one axis only.
    let two = Pool2d::max([2, 1]).pad(Padding::SameUpper);
    expect(two, [2, 2], &count_to(4), &[3.0, 4.0, 3.0, 4.0]);
    let two = Pool2d::max([2, 1]).pad(Padding::SameLower);
    expect(two, [2, 2], &count_to(4), &[1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn a_nan_anywhere_in_a_window() {
    for (at, nan) in (0..9).flat_map(|at| NANS.map(|bits| (at, f32::from_bits(bits)))) {
        let mut input = count_to(9);
        input[at] = nan;
        let ignore = Pool2d::max([3, 3]).nan_policy(NanPolicy::Ignore);
        expect(Pool2d::max([3, 3]), [3, 3], &input, &[NAN]);
        expect(ignore, [3, 3], &input, &[if at == 8 { 8.0 } else { 9.0 }]);
        expect(Pool2d::average([3, 3]), [3, 3], &input, &[NAN]);
        expect(Pool2d::average([3, 3]).nan_policy(NanPolicy::Ignore), [3, 3], &input, &[NAN]);
    }
}

#[test]
fn a_nan_spoils_its_own_windows_only() {
    const LEN: usize = 37;
    for at in 0..LEN {
        let mut input = count_to(LEN);
        input[at] = f32::from_bits(0xff80_0001);
        for stride in 1..=3 {
            let starts = || (0..LEN - 2).step_by(stride);
            let spoilt = |start| (start..start + 3).contains(&at);
            let or_nan = |start, result: usize| if spoilt(start) { NAN } else { result as f32 };
            let max: Vec<f32> = starts().map(|start| or_nan(start, start + 3)).collect();
            let mean: Vec<f32> = starts().map(|start| or_nan(start, start + 2)).collect();
            let left = |start| start + if at == start + 2 { 2 } else { 3 };
            let number: Vec<f32> = starts().map(|start| left(start) as f32).collect();
            let pooling = Pool1d::max([3]).stride([stride]);
            expect(pooling, [LEN], &input, &max);
            expect(pooling.nan_policy(NanPolicy::Ignore), [LEN], &input, &number);
            expect(Pool1d::average([3]).stride([stride]), [LEN], &input, &mean);
        }
    }
}

#[test]
fn nothing_but_nans_is_an_empty_window_if_they_are_ignored() {
    let nans = NANS.map(f32::from_bits);
    expect(Pool1d::max([7]), [7], &nans, &[NAN]);
    expect(Pool1d::max([7]).nan_policy(NanPolicy::Ignore), [7], &nans, &[NEG_INFINITY]);
    expect(Pool1d::max([1]), [7], &nans, &[NAN; 7]);
    expect(Pool1d::max([1]).nan_policy(NanPolicy::Ignore), [7], &nans, &[NEG_INFINITY; 7]);
}

#[test]
fn windows_of_minus_infinity() {
    let input = [NEG_INFINITY, NEG_INFINITY, NEG_INFINITY, 1.0, NEG_INFINITY, NAN];
    let max = Pool1d::max([2]);
    let (none, all) = (NEG_INFINITY, [NEG_INFINITY, NEG_INFINITY, 1.0, 1.0, NAN]);
    expect(max, [6], &input, &all);
    expect(max.nan_policy(NanPolicy::Ignore), [6], &input, &[none, none, 1.0, 1.0, none]);
}

#[test]
fn empty_windows() {
    // A window of one, twice outside and once inside.
    let around = pad([2], [1]);
    let none = NEG_INFINITY;
    let max = Pool1d::max([1]).pad(around);
    expect(max, [1], &[-5.0], &[none, none, -5.0, none]);
    expect(max.nan_policy(NanPolicy::Ignore), [1], &[-5.0], &[none, none, -5.0, none]);
    let mean = |divisor| Pool1d::average([1]).pad(around).divisor(divisor);
    expect(mean(Divisor::ExcludePad), [1], &[-5.0], &[0.0, 0.0, -5.0, 0.0]);
    expect(mean(Divisor::IncludePad), [1], &[-5.0], &[0.0, 0.0, -5.0, 0.0]);
    expect(mean(Divisor::FullWindow), [1], &[-5.0], &[0.0, 0.0, -5.0, 0.0]);
    expect(mean(Divisor::Fixed(-5)), [1], &[-5.0], &[0.0, 0.0, 1.0, 0.0]);
    // Taps on both sides of the input, and none in it.
    let straddling = Pool1d::max([2]).dilation([3]).padding([1]);
    expect(straddling, [2], &[7.0, 8.0], &[none]);
    let straddling = Pool2d::average([2, 2]).dilation([3, 1]).padding([1, 0]);
    expect(straddling, [2, 2], &count_to(4), &[0.0]);
    // Below the last slice, under windows that are whole otherwise.
    let below = Pool3d::max([1, 2, 2]).stride([1, 2, 2]).pad(pad([0; 3], [1, 0, 0]));
    expect(below, [1, 2, 4], &count_to(8), &[6.0, 8.0, none, none]);
}

#[test]
fn a_zero_is_positive() {
    for input in [[-0.0, -0.0], [-0.0, 0.0], [0.0, -0.0], [-0.0, -1.0], [-1.0, -0.0]] {
        expect(Pool1d::max([2]), [2], &input, &[0.0]);
        expect(Pool1d::max([2]).nan_policy(NanPolicy::Ignore), [2], &input, &[0.0]);
    }
    expect(Pool1d::max([1]).padding([1]), [1], &[-0.0], &[NEG_INFINITY, 0.0, NEG_INFINITY]);
    expect(Pool1d::average([2]), [2], &[-0.0, -0.0], &[0.0]);
    expect(Pool1d::average([2]), [2], &[1.0, -1.0], &[0.0]);
    expect(Pool1d::average([1]).divisor(Divisor::Fixed(-1)), [1], &[0.0], &[0.0]);
    // Half of the smallest denormal rounds to a zero.
    expect(Pool1d::average([2]), [2], &[-f32::from_bits(1), 0.0], &[0.0]);
}

#[test]
fn denormals_are_numbers() {
    let input = [1, 3, 2, 0x007f_ffff].map(f32::from_bits);
    expect(Pool1d::max([2]), [4], &input, &[input[1], input[1], input[3]]);
    let negative = input.map(|x| -x);
    expect(Pool1d::max([2]), [4], &negative, &[negative[0], negative[2], negative[2]]);
    // (1 + 3) / 2; 5 / 2 rounds to the even 2; 0x800001 / 2 to the even 0x400000.
    expect(Pool1d::average([2]), [4], &input, &[2, 2, 0x0040_0000].map(f32::from_bits));
}

/// Multiplying by a reciprocal gives another number where the divisor is even.
#[test]
fn quotients_of_denormals_are_those_of_integers() {
    for (divisor, width) in
        [6i64, 7, 9, 10, 36, -6].into_iter().flat_map(|n| [14, 40].map(|w| (n, w)))
    {
        let bits: Vec<u32> = (0..6 * width as u32).map(|i| i * i % 31).collect();
        let quotient = |i: usize| {
            let (y, x) = (i / width, i % width);
            let line = |y: usize| &bits[y * width..][x.saturating_sub(1)..(x + 2).min(width)];
            let sum: u32 = (y.saturating_sub(1)..(y + 2).min(6)).flat_map(line).sum();
            // Halves to even.
            let by = (divisor as i32).unsigned_abs();
            let (below, rest) = (sum / by, sum % by);
            let up = 2 * rest > by || 2 * rest == by && below % 2 == 1;
            f32::from_bits(below + u32::from(up)) * divisor.signum() as f32 + 0.0
        };
        let want: Vec<f32> = (0..6 * width).map(quotient).collect();
        let input: Vec<f32> = bits.iter().map(|&n| f32::from_bits(n)).collect();
        let pooling = Pool2d::average([3, 3]).padding([1, 1]).divisor(Divisor::Fixed(divisor));
        expect(pooling, [6, width], &input, &want);
    }
}

#[test]
fn infinities() {
    expect(Pool1d::max([2]), [3], &[INFINITY, NEG_INFINITY, 3.0], &[INFINITY, 3.0]);
    let opposite = Pool1d::average([2]);
    expect(opposite, [3], &[INFINITY, NEG_INFINITY, 3.0], &[NAN, NEG_INFINITY]);
    expect(opposite, [3], &[NEG_INFINITY, INFINITY, 3.0], &[NAN, INFINITY]);
    // A window's infinity does not last beyond it.
    expect(opposite, [4], &[1.0, INFINITY, 1.0, 3.0], &[INFINITY, INFINITY, 2.0]);
    let negative = Pool1d::average([1]).divisor(Divisor::Fixed(-1));
    expect(negative, [2], &[INFINITY, NEG_INFINITY], &[NEG_INFINITY, INFINITY]);
}

/// A number that swallows what is added to it, if that is below 4.
const BIG: f32 = 1e8;

#[test]
fn three_are_summed_from_left_to_right() {
    expect_sum([3], &[BIG, -BIG, 1.0], 1.0);
    expect_sum([3], &[1.0, BIG, -BIG], 0.0);
}

#[test]
fn four_are_summed_by_pairs() {
    expect_sum([4], &[BIG, -BIG, 2.0, 1.0], 3.0);
    expect_sum([4], &[BIG, 1.0, -BIG, 1.0], 0.0);
    expect_sum([4], &[2.0, BIG, -BIG, 1.0], 0.0);
}

#[test]
fn seven_are_summed_by_a_tree_whose_left_part_is_full() {
    // ((0 1) (2 3)) + ((4 5) 6); from left to right the 3 would be lost, and by another tree all.
    expect_sum([7], &[BIG, -BIG, 2.0, 1.0, BIG, -BIG, 1.0], 4.0);
    expect_sum([7], &[1.0, BIG, 2.0, -BIG, BIG, 3.0, -BIG], 0.0);
}

#[test]
fn columns_are_summed_first() {
    expect_sum([2, 2], &[BIG, 1.0, -BIG, 1.0], 2.0);
    expect_sum([2, 2], &[BIG, -BIG, 1.0, 1.0], 0.0);
    expect_sum([3, 2], &[BIG, 1.0, -BIG, 1.0, 1.0, 1.0], 4.0);
}

#[test]
fn heights_are_summed_before_depths_and_depths_before_widths() {
    expect_sum([2, 2, 1], &[BIG, -BIG, 1.0, 1.0], 2.0);
    expect_sum([2, 2, 1], &[BIG, 1.0, -BIG, 1.0], 0.0);
    expect_sum([2, 1, 2], &[BIG, 1.0, -BIG, 1.0], 2.0);
    expect_sum([2, 1, 2], &[BIG, -BIG, 1.0, 1.0], 0.0);
}

#[test]
fn absent_taps_leave_gaps_in_the_order() {
    // Without its first tap, a window of four is 1 + (2 3).
    let sum = Pool1d::average([4]).divisor(Divisor::Fixed(1));
    expect(sum.pad(pad([1], [0])), [3], &[1.0, BIG, -BIG], &[1.0]);
    // Without its last one, it is (0 1) + 2.
    expect(sum.pad(pad([0], [1])), [3], &[1.0, BIG, -BIG], &[0.0]);
    expect(sum.pad(pad([0], [1])), [3], &[BIG, -BIG, 1.0], &[1.0]);
}

#[test]
fn errors_of_large_windows_stay_small() {
    const SIDE: usize = 1024;
    let pooling = Pool2d::average([SIDE, SIDE]);
    // All are the same, so that this is the mean, exactly.
    let exact = 0.1f32;
    for (backend, layout, channels) in supported()
        .flat_map(|b| LAYOUTS.map(|layout| (b, layout)))
        .flat_map(|(b, layout)| [1, 2].map(|channels| (b, layout, channels)))
    {
        let input = vec![exact; channels * SIDE * SIDE];
        let shape = Shape::new(1, channels, [SIDE, SIDE]);
        for mean in pool(&pooling, backend, layout, shape, &input) {
            let ulps = mean.to_bits().abs_diff(exact.to_bits());
            assert!(ulps <= 2, "{backend:?}, {layout:?}: {mean} is {ulps} ulps off");
        }
    }
}

/// Where running sums in `f32` are off by 4 %.
#[test]
fn errors_of_the_largest_windows_stay_small() {
    const SIDE: usize = 4096;
    let exact = 0.1f32;
    let input = vec![exact; SIDE * SIDE];
    for backend in supported() {
        let pooling = Pool2d::average([SIDE; 2]);
        let shape = Shape::new(1, 1, [SIDE; 2]);
        let [mean] = pool(&pooling, backend, LAYOUTS[0], shape, &input)[..] else { panic!("one") };
        let ulps = mean.to_bits().abs_diff(exact.to_bits());
        assert!(ulps <= 2, "{backend:?}: {mean} is {ulps} ulps off");
    }
}

#[test]
fn windows_and_strides_of_any_length() {
    // Sums of whole numbers that an f32 holds, in any order.
    let input = count_to(5003);
    expect(Pool1d::max([5000]), [5003], &input, &[5000.0, 5001.0, 5002.0, 5003.0]);
    expect(Pool1d::average([5000]), [5003], &input, &[2500.5, 2501.5, 2502.5, 2503.5]);
    let far = Pool1d::average([2]).dilation([5000]).stride([2]);
    expect(far, [5003], &input, &[2501.0, 2503.0]);
    let rare = Pool1d::average([2]).stride([100]);
    expect(rare, [302], &input[..302], &[1.5, 101.5, 201.5, 301.5]);
}

/// Dilated windows share no line with those of the row above, which may not be taken as seen.
#[test]
fn a_nan_between_dilated_lines() {
    let mut input = [1.0; 7 * 3];
    input[3] = NAN;
    let lines = Pool2d::max([3, 3]).dilation([2, 1]);
    expect(lines, [7, 3], &input, &[1.0, NAN, 1.0]);
}

/// As [`expect`], of a line of elements of any type.
#[track_caller]
fn expect_line<T: Element + PartialEq + std::fmt::Debug>(pooling: Pool1d, input: &[T], want: &[T]) {
    for channels in [1, 40] {
        for (backend, layout) in supported().flat_map(|b| LAYOUTS.map(|layout| (b, layout))) {
            let shape = Shape::new(1, channels, [input.len()]);
            let each = |line: &[T]| match layout {
                Layout::ChannelsFirst => line.repeat(channels),
                _ => line.iter().flat_map(|&x| vec![x; channels]).collect(),
            };
            let plan: Plan<T> = pooling.plan_on(backend, layout, shape).unwrap();
            let mut output = vec![T::zeroed(); plan.output_len()];
            plan.run(&each(input), &mut output).unwrap();
            assert_eq!(output, each(want), "{pooling:?} on {backend:?}, {layout:?}");
        }
    }
}

const fn steps(scale: f32, zero_point: i32) -> Quantization {
    Quantization::new(scale, zero_point)
}

#[test]
fn quantised_maxima() {
    // 0.5, 1.0, −1.0 and −64.0 become steps of 0.25 from 100 on; the last one is too small.
    let max = Pool1d::max([1]).quantized(steps(0.5, 0), steps(0.25, 100));
    expect_line(max, &[1i8, 2, -2, -128], &[102, 104, 96, -128]);
    // Steps of 2 from −3 on: what is stored is 100.5, 100.25, 99.75 and 99.5, before it is rounded.
    let halves = Pool1d::min([1]).quantized(steps(0.5, -5), steps(2.0, 100));
    for (rounding, want) in [
        (Rounding::HalfAwayFromZero, [101, 100, 100, 100]),
        (Rounding::HalfEven, [100, 100, 100, 100]),
        (Rounding::HalfUp, [101, 100, 100, 100]),
        (Rounding::Truncate, [100, 100, 99, 99]),
    ] {
        expect_line(halves.rounding(rounding), &[-3i8, -4, -6, -7], &want);
    }
    // What is far outside is not what its last bits are: −99991, −991, 9, 40009 and 155009.
    let far = Pool1d::max([1]).quantized(steps(1000.0, 100), steps(1.0, 9));
    expect_line(far, &[0u8, 99, 100, 140, 255], &[0, 0, 9, 255, 255]);
    // Two zero points and one scale shift.
    let shifted = Pool1d::max([2]).quantized(steps(0.1, 3), steps(0.1, 5));
    expect_line(shifted, &[7u8, 9, 255], &[11, 255]);
    // Alike, they are the integers that they are.
    expect_line(
        Pool1d::max([2]).quantized(steps(0.1, 3), steps(0.1, 3)),
        &[7u8, 9, 255],
        &[9, 255],
    );
}

#[test]
fn quantised_averages() {
    // (1.0 + 2.5) / 2 is 1.75, seven steps of 0.25 from 10 on.
    let average = Pool1d::average([2]).quantized(steps(0.5, 2), steps(0.25, 10));
    expect_line(average, &[4u8, 7], &[17]);
    expect_line(average, &[4i32, 7], &[17]);
    // −128 stands for 0, 127 for 255: in coarser steps, and in ones that are too fine.
    let bytes = Pool1d::average([3]);
    expect_line(bytes.quantized(steps(1.0, -128), steps(3.0, -128)), &[127i8, 127, 127], &[-43]);
    expect_line(bytes.quantized(steps(1.0, -128), steps(0.5, -128)), &[127i8, 127, 127], &[127]);
    // A third of a step more than the numbers that an integer stands for.
    expect_line(bytes.quantized(steps(0.1, 0), steps(0.1, 0)), &[1u16, 2, 1], &[1]);
    expect_line(bytes.quantized(steps(0.1, 0), steps(0.1, 9)), &[1u16, 2, 2], &[11]);
    // A sum of 1.0 and 1.5 with the zero points taken out.
    let sum = Pool1d::sum([2]).quantized(steps(0.5, 4), steps(0.5, 4));
    expect_line(sum, &[6i16, 7], &[9]);
}

#[test]
fn halves_of_quantised_averages() {
    const ROUNDINGS: [Rounding; 4] =
        [Rounding::HalfAwayFromZero, Rounding::HalfEven, Rounding::HalfUp, Rounding::Truncate];
    let input = [-1i8, 0, 1, 2, -3];
    // If both are alike, −0.5, 0.5, 1.5 and −0.5 are stored, whatever the zero point.
    let want = [[-1, 1, 2, -1], [0, 0, 2, 0], [0, 1, 2, 0], [0, 0, 1, 0]];
    for zero_point in [0, 1, -128] {
        let alike = Pool1d::average([2]).quantized(steps(0.3, zero_point), steps(0.3, zero_point));
        for (rounding, want) in ROUNDINGS.into_iter().zip(want) {
            expect_line(alike.rounding(rounding), &input, &want);
        }
        // With windows in padding alone, which are 0, the zero point is taken out and put in again. And thirds.
        let beyond = pad([0], [3]);
        for (rounding, [a, b, c, d]) in ROUNDINGS.into_iter().zip(want) {
            let zero = zero_point as i8;
            let [average, thirds] = [2, 3].map(|kernel| {
                let average = Pool1d::average([kernel]).pad(beyond).rounding(rounding);
                average.quantized(steps(0.3, zero_point), steps(0.3, zero_point))
            });
            let want = [a, b, c, d, -3, zero, zero];
            expect_line(average, &input, &want);
            expect_line(average, &input.map(i32::from), &want.map(i32::from));
            let up = i8::from(rounding != Rounding::Truncate);
            let (input, want) = ([1i8, 1, 0, 0, -1, -1], [up, 0, 0, -up, -1, -1, zero]);
            expect_line(thirds, &input, &want);
            expect_line(thirds, &input.map(i32::from), &want.map(i32::from));
        }
    }
    // −4, −3.5, −3, −2.5 and −5 are.
    let other = Pool1d::average([1]).quantized(steps(0.5, 1), steps(1.0, -3));
    let want =
        [[-4, -4, -3, -3, -5], [-4, -4, -3, -2, -5], [-4, -3, -3, -2, -5], [-4, -3, -3, -2, -5]];
    for (rounding, want) in ROUNDINGS.into_iter().zip(want) {
        expect_line(other.rounding(rounding), &input, &want);
    }
}

#[test]
fn quantised_padding_is_the_number_0() {
    let average = Pool1d::average([3]).padding([1]).quantized(steps(0.5, 10), steps(0.5, 10));
    // 1.0 and 2.0.
    let input = [12u8, 14];
    expect_line(average, &input, &[13, 13]);
    expect_line(average.divisor(Divisor::IncludePad), &input, &[12, 12]);
    expect_line(average.divisor(Divisor::FullWindow), &input, &[12, 12]);
    expect_line(average.divisor(Divisor::Fixed(6)), &input, &[11, 11]);
    expect_line(average.divisor(Divisor::Fixed(-3)), &input, &[8, 8]);
    // A window of nothing else is 0, which is no number that stands for 0.
    let nothing = Pool1d::average([1]).padding([1]).quantized(steps(0.5, 10), steps(0.5, 10));
    expect_line(nothing, &[12u8], &[10, 12, 10]);
    let least = Pool1d::max([1]).padding([1]).quantized(steps(0.5, 10), steps(0.5, 10));
    expect_line(least, &[12u8], &[0, 12, 0]);
}

/// Rounded up, halves move with the zero point, and so do all results: whether integers of a zero point can be
/// averaged as they are is up to their windows, and those of zero point 0 always can.
#[test]
fn quantised_averages_move_with_the_zero_point() {
    const ZERO_POINT: i16 = 37;
    let check = |pool: Pool1d, input: usize| {
        let shape = Shape::new(1, 1, [input]);
        let pooled = |zero_point: i16| -> Option<Vec<i16>> {
            let alike = steps(0.5, zero_point.into());
            let pool = pool.rounding(Rounding::HalfUp).quantized(alike, alike);
            let plan = pool.plan_on(&REFERENCE, Layout::ChannelsFirst, shape).ok()?;
            let input: Vec<i16> = (0..input as i16).map(|i| zero_point + 5 + i * i).collect();
            let mut output = vec![0; plan.output_len()];
            plan.run(&input, &mut output).unwrap();
            Some(output.into_iter().map(|x| x - zero_point).collect())
        };
        assert_eq!(pooled(ZERO_POINT), pooled(0), "{pool:?} of {input}");
    };
    let windows = (1..=3).flat_map(|kernel| (1..=3).map(move |stride| (kernel, stride)));
    for (op, (kernel, stride)) in
        [Op::Average, Op::Sum].into_iter().flat_map(|op| windows.clone().map(move |w| (op, w)))
    {
        let fixed = [1, kernel as i64].map(Divisor::Fixed);
        for divisor in
            [Divisor::ExcludePad, Divisor::IncludePad, Divisor::FullWindow].into_iter().chain(fixed)
        {
            for (input, dilation) in (1..=4).flat_map(|input| [(input, 1), (input, 3)]) {
                for (begin, end) in (0..4).flat_map(|begin| (0..4).map(move |end| (begin, end))) {
                    let pool = Pool::new(op, [kernel]).stride([stride]).dilation([dilation]);
                    let pool = pool.pad(pad([begin], [end])).divisor(divisor);
                    check(pool, input);
                    check(pool.ceil_mode(true), input);
                }
            }
            check(Pool1d::global(op).divisor(divisor), kernel + stride);
            check(Pool1d::adaptive(op, [stride]).divisor(divisor), kernel + stride);
        }
        // Uneven windows may have fewer elements than the longest that there could be.
        for divisor in (1..=4).map(Divisor::Fixed) {
            check(Pool1d::adaptive(op, [stride]).divisor(divisor), kernel + stride);
        }
    }
}

#[test]
fn windows_of_all_there_is() {
    expect(Pool2d::global(Op::Average), [2, 3], &count_to(6), &[3.5]);
    expect(Pool2d::global(Op::Max), [2, 3], &count_to(6), &[6.0]);
    expect(Pool1d::global(Op::Sum), [1], &[2.0], &[2.0]);
}

#[test]
fn windows_spread_evenly() {
    // From ⌊i · input ÷ output⌋ to ⌈(i + 1) · input ÷ output⌉.
    for (input, want) in [
        (7, &[2.0, 4.0, 6.0][..]),
        (5, &[2.0, 4.0]),
        (6, &[1.5, 3.5, 5.5]),
        (3, &[1.0, 2.0, 3.0]),
        (2, &[1.0, 1.5, 2.0]),
    ] {
        let average = Pool1d::adaptive(Op::Average, [want.len()]);
        expect(average, [input], &count_to(input), want);
    }
    let both = Pool2d::adaptive(Op::Max, [2, 1]);
    expect(both, [3, 2], &count_to(6), &[4.0, 6.0]);
}

#[test]
fn norms() {
    let input = [1.0, -4.0, 4.0];
    for (p, want) in [
        (0.5, [9.0, 16.0]),
        (1.0, [5.0, 8.0]),
        (2.0, [17f32.sqrt(), 32f32.sqrt()]),
        (f64::INFINITY, [4.0, 4.0]),
    ] {
        expect(Pool1d::lp(p, [2]), [3], &input, &want);
    }
}

#[test]
fn clamps() {
    let relu = |pool: Pool1d| pool.clamp(0.0, f64::INFINITY);
    expect_line(relu(Pool1d::max([2])), &[-3.0f32, -1.0, 5.0], &[0.0, 5.0]);
    expect_line(relu(Pool1d::average([2])), &[-3i8, -1, 5], &[0, 2]);
    expect_line(relu(Pool1d::sum([2])), &[-3i32, -1, 5], &[0, 4]);
    let relu6 = |pool: Pool1d| pool.clamp(0.0, 6.0);
    expect_line(relu6(Pool1d::min([1])), &[-1.0f64, 5.5, 7.0], &[0.0, 5.5, 6.0]);
    expect_line(relu6(Pool1d::max([1])), &[0u8, 5, 7], &[0, 5, 6]);
    expect_line(relu6(Pool1d::max([1])), &[-1i64, 5, i64::MAX], &[0, 5, 6]);
    expect_line(relu6(Pool1d::lp(2.0, [2])), &[3.0f32, 4.0, 5.0], &[5.0, 6.0]);
    // −1 to 1 in steps of 0.5 from 10 on; 6 in steps of 4 is the second one.
    let quantized = Pool1d::max([1]).quantized(steps(0.5, 10), steps(0.5, 10)).clamp(-1.0, 1.0);
    expect_line(quantized, &[0u8, 9, 12, 13], &[8, 9, 12, 12]);
    let average = Pool1d::average([1]).quantized(steps(1.0, 0), steps(4.0, 0));
    expect_line(relu6(average), &[-9i8, 4, 5, 99], &[0, 1, 1, 2]);
    // Bounds that the type does not have.
    expect_line(Pool1d::max([1]).clamp(1.5, 2.4), &[0u8, 9], &[2, 2]);
    expect_line(Pool1d::max([1]).clamp(-1e9, 1e9), &[-128i8, 127], &[-128, 127]);
    expect_line(Pool1d::max([1]).clamp(0.1, 1.0), &[0.0f32], &[0.1]);
    expect_line(Pool1d::max([1]).clamp(2.0, 2.0), &[1.0f32, 3.0], &[2.0, 2.0]);
}

#[test]
fn a_clamp_keeps_nan_and_has_one_zero() {
    let input = [NAN, -0.0, NEG_INFINITY, INFINITY];
    for op in [Op::Max, Op::Min, Op::Average] {
        let pool = Pool1d::new(op, [1]).clamp(-0.0, 2.0);
        expect(pool, [4], &input, &[NAN, 0.0, 0.0, 2.0]);
    }
    // An empty window is clamped like any other.
    expect(Pool1d::max([1]).padding([1]).clamp(-1.0, 2.0), [1], &[0.5], &[-1.0, 0.5, -1.0]);
}
