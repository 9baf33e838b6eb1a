//! An input with strides is pooled like a copy of it without gaps, whatever is in the gaps; and channels in
//! blocks are pooled like channels without.

mod common;

use common::{assert_same_bits, pool, supported};
use lanepool::{
    Backend, Divisor, Error, Layout, NanPolicy, Op, Plan, Pool, Pool1d, Pool2d, Pool3d, REFERENCE,
    Shape, Strides,
};

/// Every element of a tensor: where it is with some strides.
fn places<const D: usize>(layout: Layout, shape: Shape<D>, strides: Strides<D>) -> Vec<usize> {
    let with = |places: Vec<usize>, size: usize, stride: usize| -> Vec<usize> {
        places.into_iter().flat_map(|at| (0..size).map(move |i| at + i * stride)).collect()
    };
    let along = |places| {
        let sides = shape.spatial.into_iter().zip(strides.spatial);
        sides.fold(places, |places, (size, stride)| with(places, size, stride))
    };
    let images = with(vec![0], shape.batch, strides.batch);
    match layout {
        Layout::ChannelsFirst => along(with(images, shape.channels, strides.channels)),
        Layout::ChannelsLast => with(along(images), shape.channels, 1),
        Layout::Blocked(block) => {
            let blocks = shape.channels.div_ceil(block);
            with(along(with(images, blocks, strides.channels)), block, 1)
        }
    }
}

/// Compares the view with a copy; `poison` is what would show if it took part.
fn check<const D: usize>(
    backend: &'static Backend,
    pool: &Pool<D>,
    (layout, shape): (Layout, Shape<D>),
    strides: Strides<D>,
    poison: f32,
) {
    let Ok(plain) = pool.plan_on::<f32>(&REFERENCE, layout, shape) else { return };
    let view = pool.plan_view_on::<f32>(backend, layout, shape, strides).unwrap();
    let copy: Vec<f32> = (0..plain.input_len()).map(|i| (i * 7 % 23) as f32 - 11.0).collect();
    let places = places(layout, shape, strides);
    assert_eq!(places.iter().max().map_or(0, |last| last + 1), view.input_len());
    let mut input = vec![poison; view.input_len()];
    for (&at, &x) in places.iter().zip(&copy) {
        input[at] = x;
    }
    // Where places are the same, the last one has been written.
    let copy: Vec<f32> = places.iter().map(|&at| input[at]).collect();
    let (mut got, mut want) = (vec![0.5; plain.output_len()], vec![0.0; plain.output_len()]);
    view.run(&input, &mut got).unwrap();
    plain.run(&copy, &mut want).unwrap();
    let what = format_args!("{backend:?}, {pool:?}, {layout:?}, {shape:?}, {strides:?}");
    assert_same_bits(&got, &want, what);
}

/// Poolings of each walk, and what would show in each.
fn pools() -> Vec<(Pool2d, f32)> {
    let windows: [fn(Pool2d) -> Pool2d; 4] = [
        |pool| pool.stride([2, 2]),
        |pool| pool.padding([1, 1]),
        |pool| pool.stride([2, 2]).padding([1, 1]),
        |pool| pool.stride([1, 4]).dilation([2, 1]),
    ];
    let kernels = [[2, 2], [3, 3], [1, 5], [3, 7]];
    let mut pools = Vec::new();
    for pool in kernels.into_iter().flat_map(|k| windows.iter().map(move |w| (k, w))) {
        let (kernel, windows) = pool;
        let max = windows(Pool::max(kernel));
        pools.push((max, f32::NAN));
        pools.push((max.nan_policy(NanPolicy::Ignore), f32::INFINITY));
        pools.push((windows(Pool::average(kernel)).divisor(Divisor::IncludePad), f32::NAN));
    }
    pools.push((Pool::adaptive(Op::Max, [2, 3]), f32::NAN));
    pools.push((Pool::global(Op::Average), f32::NAN));
    pools
}

const LAYOUTS: [Layout; 4] =
    [Layout::ChannelsFirst, Layout::ChannelsLast, Layout::Blocked(4), Layout::Blocked(11)];

#[test]
fn a_crop_is_pooled_like_its_copy() {
    for (backend, layout) in supported().flat_map(|b| LAYOUTS.map(|layout| (b, layout))) {
        for (pool, poison) in pools() {
            for width in [1, 2, 5, 14, 17, 31, 50] {
                let shape = Shape::new(2, 3, [7, width]);
                // Part of the batch, of the channels, of the lines and of the columns of another.
                for (channels, more) in [(3, [0, 1]), (16, [2, 17]), (3, [1, 0]), (5, [0, 0])] {
                    let spatial = [7 + more[0], width + more[1]];
                    let strides = Strides::of(layout, Shape::new(3, channels, spatial));
                    check(backend, &pool, (layout, shape), strides, poison);
                }
            }
        }
    }
}

/// Each plane has a row, and more is between images than between planes.
#[test]
fn rows_from_the_middle_of_an_image_on() {
    let (layout, shape) = (Layout::ChannelsFirst, Shape::new(3, 4, [40]));
    let strides = Strides::of(layout, Shape::new(3, 5, [40]));
    for pool in [
        Pool1d::max([2]).stride([2]),
        Pool1d::average([3]).padding([1]),
        Pool1d::max([5]).stride([3]),
        Pool1d::average([9]),
        Pool1d::average([40]),
    ] {
        let plan =
            |backend| -> Plan<f32> { pool.plan_view_on(backend, layout, shape, strides).unwrap() };
        let reference = plan(&REFERENCE);
        let input: Vec<f32> = (0..reference.input_len()).map(|i| (i * 7 % 23) as f32).collect();
        let mut want = vec![0.0; reference.output_len()];
        reference.run(&input, &mut want).unwrap();
        for plan in supported().map(plan) {
            for first in 0..plan.rows() {
                let want = &want[first * plan.row_len()..];
                let mut got = vec![0.5; want.len()];
                plan.run_rows(first..plan.rows(), &input, &mut got).unwrap();
                let backend = plan.backend();
                assert_same_bits(
                    &got,
                    want,
                    format_args!("{backend:?}, {pool:?}, from {first} on"),
                );
            }
        }
    }
}

#[test]
fn of_nothing_there_is_nothing_to_see() {
    let pool = Pool2d::max([2, 2]);
    for (backend, layout) in supported().flat_map(|b| LAYOUTS.map(|layout| (b, layout))) {
        let strides = Strides::of(layout, Shape::new(2, 3, [7, 9]));
        for (batch, channels) in [(0, 3), (2, 0)] {
            let shape = Shape::new(batch, channels, [5, 6]);
            let plan = pool.plan_view_on::<f32>(backend, layout, shape, strides).unwrap();
            assert_eq!((plan.input_len(), plan.output_len()), (0, 0), "{layout:?}, {shape:?}");
            plan.run(&[], &mut []).unwrap();
        }
    }
}

#[test]
fn elements_may_be_repeated() {
    for (backend, layout) in supported().flat_map(|b| LAYOUTS.map(|layout| (b, layout))) {
        for (pool, poison) in pools() {
            let shape = Shape::new(2, 3, [5, 20]);
            let plain = Strides::of(layout, shape);
            for strides in [
                Strides { batch: 0, ..plain },
                Strides { spatial: [0, plain.spatial[1]], ..plain },
                Strides { spatial: [plain.spatial[0], 0], ..plain },
                Strides { spatial: [1, plain.spatial[1]], batch: 3, ..plain },
            ] {
                check(backend, &pool, (layout, shape), strides, poison);
            }
        }
    }
}

#[test]
fn images_and_slices_may_lie_anywhere() {
    let pool = Pool3d::max([2, 2, 2]).stride([2, 2, 2]);
    let (layout, shape) = (Layout::ChannelsFirst, Shape::new(3, 4, [4, 4, 18]));
    for backend in supported() {
        for strides in [
            // Depth outside, then channels, then images.
            Strides { batch: 72, channels: 216, spatial: [864, 18, 1] },
            Strides { batch: 2000, channels: 290, spatial: [72, 18, 1] },
            Strides { batch: 1152, channels: 288, spatial: [72, 18, 1] },
            Strides { batch: 1160, channels: 288, spatial: [72, 18, 1] },
        ] {
            check(backend, &pool, (layout, shape), strides, f32::NAN);
            check(backend, &Pool3d::global(Op::Max), (layout, shape), strides, f32::NAN);
        }
    }
}

#[test]
fn blocks_are_pooled_like_channels() {
    let pools = [
        Pool2d::max([3, 3]).padding([1, 1]),
        Pool2d::average([3, 3]).stride([2, 2]).padding([1, 1]),
        Pool2d::max([2, 2]).stride([2, 2]),
        Pool2d::average([5, 5]).dilation([1, 2]).padding([2, 2]),
        Pool2d::global(Op::Average),
        Pool2d::adaptive(Op::Max, [3, 4]),
    ];
    for (backend, pooling) in supported().flat_map(|b| pools.map(|pool| (b, pool))) {
        for (block, channels) in
            [1, 4, 5, 8, 16, 32].into_iter().flat_map(|b| [1, 3, 8, 20, 33].map(|c| (b, c)))
        {
            let shape = Shape::new(2, channels, [9, 10]);
            let input: Vec<f32> =
                (0..2 * channels * 90).map(|i| (i * 7919 % 1009) as f32).collect();
            let want = pool(&pooling, &REFERENCE, Layout::ChannelsFirst, shape, &input);
            let got = pool(&pooling, backend, Layout::Blocked(block), shape, &input);
            let what = format_args!("{pooling:?} on {backend:?}, {channels} in blocks of {block}");
            assert_same_bits(&got, &want, what);
        }
    }
}

#[test]
fn sizes_of_blocks() {
    let plan = |channels| -> Plan<f32> {
        let shape = Shape::new(2, channels, [5, 7]);
        Pool2d::max([2, 2]).plan(Layout::Blocked(8), shape).unwrap()
    };
    let sizes =
        |plan: Plan<f32>| [plan.input_len(), plan.output_len(), plan.rows(), plan.row_len()];
    assert_eq!(sizes(plan(9)), [2 * 2 * 5 * 7 * 8, 2 * 2 * 4 * 6 * 8, 2 * 2 * 4, 6 * 8]);
    assert_eq!(sizes(plan(0)), [0, 0, 0, 6 * 8]);
}

#[test]
fn strides_of_tensors_without_gaps() {
    let shape = Shape::new(2, 9, [3, 5, 7]);
    let strides = |batch, channels, spatial| Strides { batch, channels, spatial };
    assert_eq!(Strides::of(Layout::ChannelsFirst, shape), strides(945, 105, [35, 7, 1]));
    assert_eq!(Strides::of(Layout::ChannelsLast, shape), strides(945, 1, [315, 63, 9]));
    assert_eq!(Strides::of(Layout::Blocked(4), shape), strides(1260, 420, [140, 28, 4]));
    // There is nothing to be done about these, and no panic either.
    let _ = Strides::of(Layout::Blocked(0), shape);
    let huge = Strides::of(Layout::ChannelsLast, Shape::new(1, usize::MAX, [usize::MAX; 3]));
    assert_eq!(huge.batch, usize::MAX);
}

#[test]
fn what_is_wrong_with_a_view_is_said() {
    let shape = Shape::new(2, 3, [4, 5]);
    let plain = Strides::of(Layout::ChannelsFirst, shape);
    let error =
        |layout, strides| Pool2d::max([2, 2]).plan_view::<f32>(layout, shape, strides).unwrap_err();
    let far = usize::MAX / 4;
    for (side, size, strides) in [
        ("batch", 2, Strides { batch: far, ..plain }),
        ("channels", 3, Strides { channels: far, ..plain }),
        ("height", 4, Strides { spatial: [far, 1], ..plain }),
        ("width", 5, Strides { spatial: [5, far], ..plain }),
    ] {
        let error = error(Layout::ChannelsFirst, strides);
        assert_eq!(error, Error::TooFar { side, size, stride: far });
        assert_eq!(
            error.to_string(),
            format!("{side}: {size} with a stride of {far} reach further than memory can")
        );
    }
    let last = Strides { channels: 2, ..Strides::of(Layout::ChannelsLast, shape) };
    let error = error(Layout::ChannelsLast, last);
    assert_eq!(error, Error::ChannelStride { stride: 2 });
    assert_eq!(
        error.to_string(),
        "channels: a stride of 2, but in channels last they are neighbours"
    );
    let error = Pool2d::max([2, 2]).plan::<f32>(Layout::Blocked(0), shape).unwrap_err();
    assert_eq!((error.to_string().as_str(), error), ("blocks of 0 channels", Error::EmptyBlock));
    // Where there is only one of something, its stride has no effect.
    let one = Shape::new(1, 1, [1, 5]);
    let strides = Strides { batch: far, channels: far, spatial: [far, 1] };
    for layout in [Layout::ChannelsFirst, Layout::ChannelsLast, Layout::Blocked(1)] {
        let plan: Plan<f32> = Pool2d::max([1, 2]).plan_view(layout, one, strides).unwrap();
        assert_eq!(plan.input_len(), 5);
    }
    // Blocks that are too large, with and without channels.
    for channels in [0, 1, 2] {
        let shape = Shape::new(1, channels, [4]);
        let plan = Pool1d::max([1]).plan::<f32>(Layout::Blocked(usize::MAX), shape);
        let sizes = vec![1, channels.min(1), 4, usize::MAX];
        assert_eq!(plan.unwrap_err(), Error::TooLarge { what: "an input", sizes });
    }
}

#[test]
fn a_view_needs_all_from_its_first_to_its_last() {
    let strides = Strides { batch: 0, channels: 40, spatial: [10, 1] };
    let shape = Shape::new(1, 2, [3, 4]);
    let plan: Plan<u8> =
        Pool2d::max([3, 4]).plan_view(Layout::ChannelsFirst, shape, strides).unwrap();
    assert_eq!(plan.input_len(), 40 + 2 * 10 + 4);
    let input: Vec<u8> = (0..65).collect();
    let mut output = [0; 2];
    for len in [0, 63, 65] {
        let error = Error::Length { buffer: "input", expected: 64, actual: len };
        assert_eq!(plan.run(&input[..len], &mut output), Err(error));
    }
    plan.run(&input[..64], &mut output).unwrap();
    assert_eq!(output, [23, 63]);
    plan.run_parallel(&input[1..], &mut output).unwrap();
    assert_eq!(output, [24, 64]);
}

#[test]
fn an_explanation_shows_strides_that_are_not_plain() {
    let (layout, shape) = (Layout::ChannelsFirst, Shape::new(2, 3, [4, 5]));
    let text = |strides| {
        let plan: Plan<f32> = Pool2d::max([2, 2]).plan_view(layout, shape, strides).unwrap();
        plan.explain().to_string()
    };
    let plain = Strides::of(layout, shape);
    assert!(!text(plain).contains("strides"), "{}", text(plain));
    let wider = Strides::of(layout, Shape::new(2, 3, [4, 8]));
    assert!(text(wider).contains("view        strides 32×8×1\n"), "{}", text(wider));
    let more = Strides::of(layout, Shape::new(2, 4, [4, 8]));
    assert!(text(more).contains("strides 128×32×8×1, 3 planes an image\n"), "{}", text(more));
    let plan: Plan<f32> = Pool2d::max([2, 2]).plan_view(layout, shape, more).unwrap();
    assert_eq!(plan.explain().read_bytes, 2 * 3 * 4 * 5 * 4);
}
