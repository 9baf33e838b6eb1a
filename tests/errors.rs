//! Whatever is asked for, there is a plan or an error that says what is wrong: never a panic, and
//! never a partly written output.

mod common;

use common::{LAYOUTS, assert_same_bits, pools, proptests, supported};
use lanepool::{
    Axis, BACKENDS, Backend, Clamp, Divisor, Element, Error, Layout, Op, Padding, Plan, Pool,
    Pool1d, Pool2d, Pool3d, Quantization, REFERENCE, Shape,
};
use proptest::prelude::*;
use std::array::from_fn;
use std::ops::Range;

const AXES: [Axis; 3] = [Axis::Depth, Axis::Height, Axis::Width];
const NAMES: [&str; 3] = ["depth", "height", "width"];

/// Half of the bits of a size: two of these are too much, and one is not.
const HALF: usize = 1 << (usize::BITS / 2);

/// Half of what positions along an axis can be.
const FAR: usize = 1 << (usize::BITS - 2);

#[track_caller]
fn error_of<const D: usize>(pool: Pool<D>, shape: Shape<D>) -> Error {
    let [first, last] =
        LAYOUTS.map(|layout| pool.plan::<f32>(layout, shape).expect_err("an error"));
    assert_eq!(first, last, "both layouts");
    first
}

/// The error of a pooling of one small image.
#[track_caller]
fn error_of_small<const D: usize>(pool: Pool<D>) -> Error {
    error_of(pool, Shape::new(1, 1, [5; D]))
}

/// `value` along one axis, 1 along the others.
fn only(axis: usize, value: usize) -> [usize; 3] {
    from_fn(|i| if i == axis { value } else { 1 })
}

#[test]
fn a_zero_names_field_and_axis() {
    for (i, axis) in AXES.into_iter().enumerate() {
        let zero = only(i, 0);
        for (field, pool) in [
            ("kernel", Pool3d::max(zero)),
            ("stride", Pool3d::max([1; 3]).stride(zero)),
            ("dilation", Pool3d::average([1; 3]).dilation(zero)),
        ] {
            for padding in [Padding::Valid, Padding::SameLower] {
                let error = error_of_small(pool.pad(padding));
                assert_eq!(error, Error::Zero { axis, field });
                assert_eq!(error.to_string(), format!("{}: a {field} of 0", NAMES[i]));
                assert_eq!(pool.output_size([5; 3]), Err(error));
            }
        }
    }
}

#[test]
fn axes_have_the_names_of_the_last_ones() {
    let kernel = |error| match error {
        Error::Zero { axis, field: "kernel" } => axis,
        other => panic!("{other}"),
    };
    assert_eq!(kernel(error_of_small(Pool1d::max([0]))), Axis::Width);
    assert_eq!(kernel(error_of_small(Pool2d::max([0, 1]))), Axis::Height);
    assert_eq!(kernel(error_of_small(Pool2d::max([1, 0]))), Axis::Width);
}

#[test]
fn an_empty_axis() {
    for (i, axis) in AXES.into_iter().enumerate() {
        // Padding does not make it one with elements.
        let pool = Pool3d::max([1; 3]).padding([1; 3]);
        let error = error_of(pool, Shape::new(1, 1, only(i, 0)));
        assert_eq!(error, Error::EmptyAxis { axis });
        assert_eq!(error.to_string(), format!("{}: an input of 0 elements", NAMES[i]));
        let same = pool.pad(Padding::SameUpper);
        assert_eq!(same.output_size(only(i, 0)), Err(Error::EmptyAxis { axis }));
    }
}

#[test]
fn a_kernel_larger_than_the_padded_input() {
    for (i, axis) in AXES.into_iter().enumerate() {
        let padding = Padding::Explicit { begin: only(i, 2), end: only(i, 3) };
        let pool = Pool3d::max(only(i, 4)).dilation(only(i, 4)).pad(padding).ceil_mode(true);
        let error = error_of_small(pool);
        assert_eq!(
            error,
            Error::KernelTooLarge {
                axis,
                kernel: 4,
                dilation: 4,
                span: 13,
                input: 5,
                pad_begin: 2,
                pad_end: 3
            }
        );
        assert_eq!(
            error.to_string(),
            format!(
                "{}: a kernel of 4 with dilation 4 spans 13 elements, but the padded input has 10 \
                 (2 + 5 + 3)",
                NAMES[i]
            )
        );
        // One less fits.
        let pool = Pool3d::max(only(i, 4)).dilation(only(i, 3)).pad(padding);
        assert!(pool.output_size([5; 3]).is_ok());
    }
    let error = error_of_small(Pool1d::max([6]).pad(Padding::Valid));
    assert!(matches!(error, Error::KernelTooLarge { pad_begin: 0, pad_end: 0, span: 6, .. }));
    let error = error_of_small(Pool1d::max([usize::MAX]));
    assert!(matches!(error, Error::KernelTooLarge { kernel: usize::MAX, span: usize::MAX, .. }));
}

#[test]
fn an_extent_that_overflows_names_the_axis_and_all_numbers() {
    const MAX: usize = usize::MAX;
    for (i, axis) in AXES.into_iter().enumerate() {
        let pool = Pool3d::max(only(i, 3));
        let pad = |begin, end| Padding::Explicit { begin: only(i, begin), end: only(i, end) };
        let expect = |pool: Pool3d, numbers: [usize; 6]| {
            let [input, kernel, stride, dilation, pad_begin, pad_end] = numbers;
            let overflow =
                Error::Overflow { axis, input, kernel, stride, dilation, pad_begin, pad_end };
            assert_eq!(pool.output_size(only(i, input)), Err(overflow.clone()));
            assert_eq!(
                overflow.to_string(),
                format!(
                    "{}: an input of {input}, a kernel of {kernel}, a stride of {stride}, a \
                     dilation of {dilation} and a padding of {pad_begin} and {pad_end} overflow",
                    NAMES[i]
                )
            );
        };
        expect(pool.dilation(only(i, MAX)), [5, 3, 1, MAX, 0, 0]);
        expect(pool.dilation(only(i, MAX)).pad(Padding::SameUpper), [5, 3, 1, MAX, 0, 0]);
        expect(Pool3d::max(only(i, MAX)).dilation(only(i, 2)), [5, MAX, 1, 2, 0, 0]);
        expect(Pool3d::max(only(i, MAX)).pad(Padding::SameLower), [5, MAX, 1, 1, 0, 0]);
        expect(pool.pad(pad(MAX, 0)), [5, 3, 1, 1, MAX, 0]);
        expect(pool.pad(pad(0, MAX)), [5, 3, 1, 1, 0, MAX]);
        expect(pool.pad(pad(FAR, 3 * FAR)), [5, 3, 1, 1, FAR, 3 * FAR]);
        expect(pool.pad(pad(1, 0)), [MAX, 3, 1, 1, 1, 0]);
        // Dilation times the taps between the first and the last is MAX, and 1 more is 0.
        expect(Pool3d::max(only(i, 4)).dilation(only(i, MAX / 3)), [5, 4, 1, MAX / 3, 0, 0]);
    }
}

#[test]
fn a_stride_may_be_as_large_as_it_likes() {
    for padding in [Padding::Valid, Padding::SameUpper, Padding::SameLower] {
        let pool = Pool1d::max([2]).stride([usize::MAX]).pad(padding);
        for ceil_mode in [false, true] {
            assert_eq!(pool.ceil_mode(ceil_mode).output_size([5]), Ok([1]));
        }
    }
}

/// Positions that fit a `usize` and no tensor: the axis that is at fault is named, whatever the
/// numbers along the others.
#[test]
fn a_last_tap_too_far_away_names_its_axis() {
    for (i, axis) in AXES.into_iter().enumerate() {
        let end = from_fn(|j| if i == j { FAR } else { 0 });
        let padding = Padding::Explicit { begin: [0; 3], end };
        let kernel = from_fn(|j| if i == j { 2 } else { 4 });
        let far = Pool3d::max(kernel).dilation(only(i, FAR)).pad(padding);
        let error = error_of_small(far);
        assert_eq!(
            error,
            Error::Overflow {
                axis,
                input: 5,
                kernel: 2,
                stride: 1,
                dilation: FAR,
                pad_begin: 0,
                pad_end: FAR
            },
            "{far:?}"
        );
    }
}

#[test]
fn tensors_too_large() {
    let pool = Pool2d::max([1, 1]);
    let error = error_of(pool, Shape::new(3, HALF, [HALF, 7]));
    let sizes = vec![3, HALF, HALF, 7];
    assert_eq!(error, Error::TooLarge { what: "an input", sizes });
    let message = format!("an input of 3 × {HALF} × {HALF} × 7 elements is too large");
    assert_eq!(error.to_string(), message);
    for shape in [
        Shape::new(usize::MAX, 1, [1, 1]),
        Shape::new(1, usize::MAX, [1, 1]),
        Shape::new(1, 1, [usize::MAX, 1]),
        Shape::new(1, 1, [1, usize::MAX]),
        // Not too many elements, but too many bytes.
        Shape::new(1, 1, [1, isize::MAX as usize]),
        // A product that wraps around to 0.
        Shape::new(HALF, HALF, [1, 1]),
        Shape::new(HALF, 1, [HALF, 1]),
        // Nothing at all, of something too large.
        Shape::new(0, usize::MAX, [2, 2]),
        Shape::new(usize::MAX, 0, [2, 2]),
    ] {
        let error = error_of(pool, shape);
        assert!(matches!(error, Error::TooLarge { what: "an input", .. }), "{shape:?}: {error}");
    }
    let error = error_of(pool.padding([0, FAR / 4]), Shape::new(2, 1, [1, 5]));
    let sizes = vec![2, 1, 1, FAR / 2 + 5];
    assert_eq!(error, Error::TooLarge { what: "an output", sizes });
}

#[test]
fn windows_too_large() {
    let same = |kernel| Pool2d::average(kernel).pad(Padding::SameUpper);
    let error = error_of_small(same([HALF, HALF]));
    assert_eq!(error, Error::TooLarge { what: "a window", sizes: vec![HALF, HALF] });
    let message = format!("a window of {HALF} × {HALF} elements is too large");
    assert_eq!(error.to_string(), message);
}

#[test]
fn a_divisor_of_zero() {
    let error = error_of_small(Pool2d::average([2, 2]).divisor(Divisor::Fixed(0)));
    assert_eq!(error, Error::ZeroDivisor);
    assert_eq!(error.to_string(), "a fixed divisor of 0");
}

#[test]
fn exponents_that_give_no_norm() {
    for p in [0.0, -0.0, -2.0, f64::NEG_INFINITY, f64::NAN] {
        assert!(matches!(error_of_small(Pool2d::lp(p, [2, 2])), Error::Exponent(_)), "{p}");
    }
}

#[test]
fn as_many_windows_as_there_are_not() {
    let none = error_of_small(Pool2d::adaptive(Op::Max, [2, 0]));
    assert_eq!(none, Error::Zero { axis: Axis::Width, field: "output" });
    for pool in [Pool2d::global(Op::Max), Pool2d::adaptive(Op::Max, [2, 2])] {
        let error = error_of(pool, Shape::new(1, 1, [0, 3]));
        assert_eq!(error, Error::EmptyAxis { axis: Axis::Height });
    }
}

/// Averages of two 3×4 planes on any backend: 4 rows of 2.
fn small_plan(backend: &'static Backend) -> Plan<f32> {
    let pool = Pool2d::average([2, 2]).stride([1, 2]);
    pool.plan_on(backend, Layout::ChannelsFirst, Shape::new(1, 2, [3, 4])).unwrap()
}

/// What must be left of an output that nothing is written to.
const UNTOUCHED: f32 = 0.625;

#[test]
fn buffers_of_another_length() {
    type Run = fn(&Plan<f32>, &[f32], &mut [f32]) -> Result<(), Error>;
    let runs: &[Run] = &[
        |plan, input, output| plan.run(input, output),
        |plan, input, output| plan.run_rows(0..4, input, output),
        #[cfg(feature = "rayon")]
        |plan, input, output| plan.run_parallel(input, output),
    ];
    let (input_len, output_len) = (24, 8);
    for (backend, run) in supported().flat_map(|b| runs.iter().map(move |run| (b, run))) {
        let plan = small_plan(backend);
        assert_eq!((plan.input_len(), plan.output_len()), (input_len, output_len));
        for (input, output, buffer, expected, actual) in [
            (0, output_len, "input", input_len, 0),
            (input_len - 1, output_len, "input", input_len, input_len - 1),
            (input_len + 1, output_len, "input", input_len, input_len + 1),
            (input_len, 0, "output", output_len, 0),
            (input_len, output_len - 1, "output", output_len, output_len - 1),
            (input_len, output_len + 1, "output", output_len, output_len + 1),
        ] {
            let mut output = vec![UNTOUCHED; output];
            let error = run(&plan, &vec![1.0; input], &mut output).unwrap_err();
            assert_eq!(error, Error::Length { buffer, expected, actual });
            let message =
                format!("the {buffer} has {actual} elements, but the plan needs {expected}");
            assert_eq!(error.to_string(), message);
            assert!(output.iter().all(|&x| x == UNTOUCHED), "nothing is written");
        }
        let mut output = vec![UNTOUCHED; output_len];
        run(&plan, &vec![1.0; input_len], &mut output).unwrap();
        assert_eq!(output, [1.0; 8], "all is written");
    }
}

#[test]
fn rows_that_there_are_not() {
    for backend in supported() {
        let plan = small_plan(backend);
        for (start, end) in
            [(0, 5), (4, 5), (5, 5), (3, 2), (usize::MAX, usize::MAX), (0, usize::MAX)]
        {
            let mut output = [UNTOUCHED; 8];
            let error = plan.run_rows(Range { start, end }, &[1.0; 24], &mut output).unwrap_err();
            assert_eq!(error, Error::Rows { start, end, rows: 4 });
            let message = format!("rows {start} to {end} of an output of 4 rows");
            assert_eq!(error.to_string(), message);
            assert_eq!(output, [UNTOUCHED; 8], "nothing is written");
        }
        // The output is that of the rows only.
        let mut output = [UNTOUCHED; 8];
        let error = plan.run_rows(1..3, &[1.0; 24], &mut output).unwrap_err();
        assert_eq!(error, Error::Length { buffer: "output", expected: 4, actual: 8 });
        assert_eq!(output, [UNTOUCHED; 8], "nothing is written");
        for none in [0..0, 2..2, 4..4] {
            assert_eq!(plan.run_rows(none, &[1.0; 24], &mut []), Ok(()));
        }
    }
}

/// As [`buffers_of_another_length`], one byte off and not at an element.
#[test]
fn buffers_of_bytes() {
    type Run = fn(&Plan<f32>, &[u8], &mut [u8]) -> Result<(), Error>;
    let runs: &[Run] = &[
        |plan, input, output| plan.run_bytes(input, output),
        |plan, input, output| plan.run_rows_bytes(0..4, input, output),
        #[cfg(feature = "rayon")]
        |plan, input, output| plan.run_parallel_bytes(input, output),
    ];
    let (input_len, output_len) = (4 * 24, 4 * 8);
    for (backend, run) in supported().flat_map(|b| runs.iter().map(move |run| (b, run))) {
        let plan = small_plan(backend);
        // One element more than the plan has: room to start elsewhere.
        let (input, mut output) = ([1.0f32; 25], [UNTOUCHED; 9]);
        let input: &[u8] = bytemuck::cast_slice(&input);
        let output_address = output.as_ptr().addr();
        let mut fails = |start: [usize; 2], len: [usize; 2], want: Error| {
            let bytes = bytemuck::cast_slice_mut(&mut output);
            let input = &input[start[0]..][..len[0]];
            let error = run(&plan, input, &mut bytes[start[1]..][..len[1]]).unwrap_err();
            assert_eq!(error, want);
            assert_eq!(output, [UNTOUCHED; 9], "nothing is written");
            error.to_string()
        };
        let length = |buffer, expected, actual| Error::ByteLength { buffer, expected, actual };
        for off in [input_len - 1, input_len + 1, input_len + 4, 0] {
            fails([0, 0], [off, output_len], length("input", input_len, off));
        }
        for off in [output_len - 1, output_len + 1, output_len + 4, 0] {
            let message = fails([0, 0], [input_len, off], length("output", output_len, off));
            assert_eq!(message, format!("the output has {off} bytes, but the plan needs 32"));
        }
        for start in 1..4 {
            let misaligned =
                |buffer, address| Error::Misaligned { buffer, address: address + start, align: 4 };
            let address = input.as_ptr().addr();
            let message = fails([start, 0], [input_len, output_len], misaligned("input", address));
            let address = address + start;
            let want = format!("the input starts at {address:#x}, which is not a multiple of 4");
            assert_eq!(message, want);
            fails([0, start], [input_len, output_len], misaligned("output", output_address));
        }
        let bytes = bytemuck::cast_slice_mut(&mut output);
        run(&plan, &input[4..], &mut bytes[4..]).unwrap();
        assert_eq!(output[1..], [1.0; 8], "all is written");
    }
}

#[test]
fn rows_of_bytes_that_there_are_not() {
    let plan = small_plan(&REFERENCE);
    let rows = Range { start: 2, end: usize::MAX };
    let error = plan.run_rows_bytes(rows, &[0; 96], &mut []).unwrap_err();
    assert_eq!(error, Error::Rows { start: 2, end: usize::MAX, rows: 4 });
}

#[test]
fn no_bytes_may_start_anywhere() {
    let plan: Plan<f32> = Pool1d::max([1]).plan(LAYOUTS[0], Shape::new(0, 1, [1])).unwrap();
    let mut bytes = [0u8; 5];
    for start in 0..4 {
        assert_eq!(plan.run_bytes(&[0u8; 5][start..start], &mut bytes[start..start]), Ok(()));
    }
}

#[test]
fn a_backend_that_there_is_not() {
    let error = Error::from(Backend::named("sse9").unwrap_err());
    let there: Vec<_> = supported().map(Backend::name).collect();
    let message = format!("there is no backend \"sse9\"; to be had here: {}", there.join(", "));
    assert_eq!(error.to_string(), message);
    assert!(there.ends_with(&["portable", "scalar", "reference"]));
}

#[test]
fn a_backend_that_this_cpu_cannot_run() {
    let Some(backend) = BACKENDS.iter().find(|backend| !backend.is_supported()) else {
        println!("skipped: this CPU can run all of {BACKENDS:?}");
        return;
    };
    let missing: Vec<_> = backend.missing().collect();
    let plan = Pool1d::max([1]).plan_on::<f32>(backend, LAYOUTS[0], Shape::new(1, 1, [1]));
    let error = plan.unwrap_err();
    let Error::Backend(unsupported) = &error else { panic!("{error}") };
    assert_eq!(unsupported.name, backend.name());
    assert_eq!(unsupported.missing, missing);
    let there: Vec<_> = supported().map(Backend::name).collect();
    let message = format!(
        "the backend {:?} needs {}, which this CPU lacks; to be had here: {}",
        backend.name(),
        missing.join(", "),
        there.join(", ")
    );
    assert_eq!(error.to_string(), message);
}

#[test]
fn no_images_and_no_channels_are_nothing_to_do() {
    let pool = Pool2d::max([2, 2]);
    for (backend, layout) in supported().flat_map(|b| LAYOUTS.map(|layout| (b, layout))) {
        for (batch, channels) in [(0, 3), (3, 0), (0, 0)] {
            let shape = Shape::new(batch, channels, [3, 4]);
            let plan: Plan<f32> = pool.plan_on(backend, layout, shape).unwrap();
            assert_eq!((plan.input_len(), plan.output_len()), (0, 0));
            assert_eq!(plan.output_size(), [2, 3]);
            assert_eq!(plan.run(&[], &mut []), Ok(()));
            assert_eq!(plan.run_rows(0..plan.rows(), &[], &mut []), Ok(()));
            #[cfg(feature = "rayon")]
            assert_eq!(plan.run_parallel(&[], &mut []), Ok(()));
        }
    }
}

/// Steps that lead nowhere, since there is only one window or tap, or from far before the input.
#[test]
fn steps_too_large_to_multiply() {
    const MAX: usize = usize::MAX;
    let before = Padding::Explicit { begin: [FAR / 2; 3], end: [0; 3] };
    for pool in [
        Pool3d::max([1; 3]).stride([MAX; 3]),
        Pool3d::max([1; 3]).dilation([MAX; 3]),
        // Of the first window, the second tap is the first element.
        Pool3d::max([2; 3]).dilation([FAR / 2; 3]).stride([FAR; 3]).pad(before),
    ] {
        let input = [0.5; 24];
        for (backend, layout) in supported().flat_map(|b| LAYOUTS.map(|layout| (b, layout))) {
            let plan = pool.plan_on::<f32>(backend, layout, Shape::new(1, 3, [2; 3])).unwrap();
            let mut output = vec![UNTOUCHED; plan.output_len()];
            plan.run(&input, &mut output).unwrap();
            let right = output.iter().all(|&x| x == 0.5);
            assert!(right, "{pool:?} on {backend:?}, {layout:?}: {output:?}");
        }
    }
}

/// Any size there is, most of all those about which there is something to get wrong.
fn any_size() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0..9usize,
        2 => (0..usize::BITS, 0..3usize).prop_map(|(bit, i)| (1usize << bit).wrapping_add(i) - 1),
        1 => (0..4usize).prop_map(|i| usize::MAX - i),
        1 => (0..4usize).prop_map(|i| isize::MAX as usize - i),
        1 => any::<usize>(),
    ]
}

/// Plans whatever it is, and runs it if that takes no time.
fn plan_or_error<const D: usize>(pool: Pool<D>, shape: Shape<D>) {
    // The reference goes through all taps of a window, those outside the input too.
    let quick = |plan: &Plan<f32>| plan.input_len() < 10_000 && plan.output_len() < 1000;
    for layout in LAYOUTS {
        let size = pool.output_size(shape.spatial);
        let Ok(plan) = pool.plan::<f32>(layout, shape) else { continue };
        assert_eq!(plan.output_size(), size.unwrap(), "a plan has the size that was announced");
        if !quick(&plan) {
            continue;
        }
        let input: Vec<f32> = (0..plan.input_len()).map(|i| (i * 7 % 23) as f32).collect();
        let mut want: Option<Vec<f32>> = None;
        for backend in supported().filter(|&backend| backend != &REFERENCE) {
            let plan: Plan<f32> = pool.plan_on(backend, layout, shape).unwrap();
            let mut got = vec![0.0; plan.output_len()];
            plan.run(&input, &mut got).unwrap();
            let want = want.get_or_insert_with(|| got.clone());
            assert_same_bits(&got, want, format_args!("{backend:?} and {:?}", BACKENDS[0]));
        }
    }
}

fn never_panics<const D: usize>() {
    let sizes = || (pools::<D>(any_size(), any_size()), any_size(), any_size());
    proptest!(proptests(3), |(((pool, spatial), batch, channels) in sizes())| {
        plan_or_error(pool, Shape::new(batch, channels, spatial));
    });
    // With a small tensor, more of them get as far as a plan.
    let small = || {
        (pools::<D>(any_size(), 0..9usize), from_fn::<_, D, _>(|_| 1..6usize), 0..4usize, 0..4usize)
    };
    proptest!(proptests(3), |(((pool, _), spatial, batch, channels) in small())| {
        plan_or_error(pool, Shape::new(batch, channels, spatial));
    });
}

#[test]
fn whatever_there_is_to_ask_along_one_axis() {
    never_panics::<1>();
}

#[test]
fn whatever_there_is_to_ask_along_two_axes() {
    never_panics::<2>();
}

#[test]
fn whatever_there_is_to_ask_along_three_axes() {
    never_panics::<3>();
}

#[track_caller]
fn error_as<T: Element>(pool: Pool1d) -> Error {
    pool.plan::<T>(Layout::ChannelsFirst, Shape::new(1, 1, [5])).err().expect("an error")
}

#[test]
fn a_clamp_of_nothing_names_both_bounds() {
    for (min, max, text) in [
        (6.0, 0.0, "from 6 to 0"),
        (f64::NAN, 1.0, "from NaN to 1"),
        (0.5, f64::NAN, "from 0.5 to NaN"),
        (f64::INFINITY, f64::NEG_INFINITY, "from inf to -inf"),
    ] {
        for op in [Op::Max, Op::Average] {
            let error = error_as::<f32>(Pool1d::new(op, [2]).clamp(min, max));
            assert_eq!(error, Error::Clamp(Clamp::new(min, max)));
            assert!(error.to_string().contains(text), "{error}");
        }
    }
}

#[test]
fn a_scale_is_a_finite_number_above_0() {
    let fine = Quantization::new(1.0, 0);
    for scale in [0.0, -0.0, -1.0, f32::NAN, f32::INFINITY] {
        let bad = Quantization::new(scale, 0);
        for (tensor, pool) in [
            ("input", Pool1d::max([2]).quantized(bad, fine)),
            ("output", Pool1d::average([2]).quantized(fine, bad)),
        ] {
            let error = error_as::<i8>(pool);
            assert_eq!(error, Error::Scale { tensor, quantization: bad });
            let text = error.to_string();
            assert!(text.starts_with(&format!("{tensor}: a scale of {scale},")), "{text}");
        }
    }
    // The least and the greatest of them are.
    let [least, greatest] = [f32::from_bits(1), f32::MAX].map(|scale| Quantization::new(scale, 0));
    for pool in [Pool1d::max([1]), Pool1d::average([1])] {
        for (pool, want) in [
            (pool.quantized(least, greatest), [0i32, 0]),
            (pool.quantized(greatest, least), [i32::MAX, 0]),
        ] {
            let plan: Plan<i32> = pool.plan(Layout::ChannelsFirst, Shape::new(1, 1, [2])).unwrap();
            let mut output = [7; 2];
            plan.run(&[i32::MAX, 0], &mut output).unwrap();
            assert_eq!(output, want);
        }
    }
}

#[test]
fn a_zero_point_is_a_value_of_the_type() {
    fn check<T: Element>(element: &'static str, fine: [i32; 2], bad: &[i32]) {
        let pool = |zero_points: [i32; 2]| {
            let [input, output] = zero_points.map(|zero| Quantization::new(0.5, zero));
            Pool1d::average([2]).quantized(input, output)
        };
        let shape = Shape::new(1, 1, [5]);
        assert!(pool(fine).plan::<T>(Layout::ChannelsFirst, shape).is_ok());
        for &zero_point in bad {
            for (tensor, zero_points) in
                [("input", [zero_point, fine[0]]), ("output", [fine[1], zero_point])]
            {
                let error = error_as::<T>(pool(zero_points));
                assert_eq!(error, Error::ZeroPoint { tensor, zero_point, element });
                let text = format!("{tensor}: a zero point of {zero_point}, which no {element} is");
                assert_eq!(error.to_string(), text);
            }
        }
    }
    check::<i8>("i8", [-128, 127], &[-129, 128, i32::MIN]);
    check::<u8>("u8", [0, 255], &[-1, 256]);
    check::<i16>("i16", [-32768, 32767], &[-32769, 32768]);
    check::<u16>("u16", [0, 65535], &[-1, 65536]);
    check::<i32>("i32", [i32::MIN, i32::MAX], &[]);
}

#[test]
fn other_types_are_not_quantised() {
    let steps = Quantization::new(1.0, 0);
    let pool = Pool1d::max([2]).quantized(steps, steps);
    let of = |element| Error::NotQuantized { element };
    assert_eq!(error_as::<f32>(pool), of("f32"));
    assert_eq!(error_as::<lanepool::f16>(pool), of("f16"));
    assert_eq!(error_as::<u32>(pool), of("u32"));
    assert_eq!(error_as::<i64>(pool), of("i64"));
    assert!(error_as::<i64>(pool).to_string().starts_with("quantised i64: "));
}
