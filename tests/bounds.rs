//! No kernel reads or writes one byte outside the slices it is given: they lie flush against pages
//! that nobody may touch.
//!
//! A kernel that does kills the process. To see where, run this with `--nocapture`.

mod common;

use common::{LAYOUTS, again, assert_same_bits, cases, supported};
use lanepool::check::{Case, ElementType, Pooling, Value, Values};
use lanepool::{
    Backend, Divisor, Layout, NanPolicy, Op, Padding, Plan, Pool, Pool2d, REFERENCE, Shape,
    Strides, bf16, f16,
};
use region::{Allocation, Protection, page};

/// Memory for elements, between two pages that nobody may touch.
struct Fenced(Allocation);

/// Which of the two pages a slice touches.
#[derive(Clone, Copy, Debug)]
enum Flush {
    Start,
    /// Misaligned for vectors, as a rule.
    End,
}

impl Fenced {
    /// Memory for at least so many elements.
    fn new<T>(len: usize) -> Self {
        let inside = (len * size_of::<T>()).next_multiple_of(page::size());
        let memory = region::alloc(inside + 2 * page::size(), Protection::READ_WRITE).unwrap();
        let start = memory.as_ptr::<u8>();
        for fence in [start, start.wrapping_add(page::size() + inside)] {
            // SAFETY: this page is of memory that nobody knows of yet.
            unsafe { region::protect(fence, page::size(), Protection::NONE) }.unwrap();
        }
        Self(memory)
    }

    /// The first or the last `len` elements.
    fn slice<T: Value>(&mut self, len: usize, flush: Flush) -> &mut [T] {
        let room = self.0.len() - 2 * page::size();
        let bytes = len * size_of::<T>();
        assert!(bytes <= room);
        let offset = match flush {
            Flush::Start => 0,
            Flush::End => room - bytes,
        };
        let start = self.0.as_mut_ptr::<u8>().wrapping_add(page::size() + offset).cast();
        // SAFETY: so many elements are between the fences, from a multiple of their size on. They are
        // mapped, which makes their bits 0, and borrowed as `self` is.
        unsafe { std::slice::from_raw_parts_mut(start, len) }
    }
}

/// Enough for any tensor here.
const ROOM: usize = 16 * 1024;

/// Two vectors of any instruction set and one float, and everything below.
const WIDTHS: std::ops::RangeInclusive<usize> = 1..=2 * 16 + 1;

/// Runs a plan with its buffers at both fences.
fn check(plan: &Plan<f32>, reference: &Plan<f32>, fenced: &mut [Fenced; 2], what: &str) {
    let data: Vec<f32> = (0..plan.input_len()).map(|i| (i * 7 % 23) as f32 - 11.0).collect();
    let mut want = vec![0.0; plan.output_len()];
    reference.run(&data, &mut want).unwrap();
    let [input, output] = fenced;
    for flush in [Flush::Start, Flush::End] {
        let input = input.slice(data.len(), flush);
        input.copy_from_slice(&data);
        let output = output.slice(want.len(), flush);
        output.fill(f32::from_bits(0xdead_beef));
        plan.run(input, output).unwrap();
        assert_same_bits(output, &want, format_args!("{what}, flush with the {flush:?}"));
    }
}

/// Max with both policies, and average, with the same windows.
fn ops<const D: usize>(windows: fn(Pool<D>) -> Pool<D>, kernel: [usize; D]) -> [Pool<D>; 3] {
    let max = Pool::max(kernel);
    [max, max.nan_policy(NanPolicy::Ignore), Pool::average(kernel)].map(windows)
}

/// Every width, and where channels are neighbours every number of them.
fn shapes(layout: Layout) -> impl Iterator<Item = Shape<2>> {
    let wide = move |width| match layout {
        Layout::ChannelsFirst => [Shape::new(1, 2, [3, width]), Shape::new(2, 1, [1, width])],
        Layout::ChannelsLast | Layout::Blocked(_) => {
            [Shape::new(2, 3, [3, width]), Shape::new(1, width, [3, 5])]
        }
    };
    WIDTHS.flat_map(wide)
}

fn check_backend(backend: &'static Backend) {
    const BEFORE: Padding<2> = Padding::Explicit { begin: [2, 2], end: [0, 0] };
    const AFTER: Padding<2> = Padding::Explicit { begin: [0, 0], end: [2, 2] };
    let windows: [[Pool2d; 3]; 11] = [
        ops(|pool| pool.stride([2, 2]), [2, 2]),
        ops(|pool| pool.stride([2, 2]).pad(Padding::SameUpper), [2, 2]),
        ops(|pool| pool.padding([1, 1]), [3, 3]),
        ops(|pool| pool.pad(BEFORE), [3, 3]),
        ops(|pool| pool.pad(AFTER), [3, 3]),
        ops(|pool| pool.stride([2, 2]).padding([1, 1]), [3, 3]),
        ops(|pool| pool.stride([2, 2]).pad(Padding::SameUpper), [3, 3]),
        ops(|pool| pool.stride([2, 2]).pad(AFTER).ceil_mode(true), [3, 3]),
        ops(|pool| pool.stride([1, 3]), [1, 5]),
        ops(|pool| pool.stride([1, 2]).dilation([1, 2]).ceil_mode(true), [1, 3]),
        // Too far apart for the scratch buffer: one window after the other.
        ops(|pool| pool.stride([1, 40]), [1, 3]),
    ];
    let mut fenced = [Fenced::new::<f32>(ROOM), Fenced::new::<f32>(ROOM)];
    let mut checked = 0;
    let mut go = |pool: &Pool2d, layout, shape: Shape<2>| {
        // Not every window fits the narrowest ones.
        let Ok(plan) = pool.plan_on(backend, layout, shape) else { return };
        let reference = pool.plan_on(&REFERENCE, layout, shape).unwrap();
        check(&plan, &reference, &mut fenced, &format!("{pool:?} on {backend:?}, {shape:?}"));
        let [height, width] = shape.spatial;
        let whole = Shape::new(shape.batch, shape.channels + 1, [height + 1, width + 2]);
        let strides = Strides::of(layout, whole);
        let plan = pool.plan_view_on(backend, layout, shape, strides).unwrap();
        let reference = pool.plan_view_on(&REFERENCE, layout, shape, strides).unwrap();
        let what = format!("{pool:?} on {backend:?}, {shape:?} of {whole:?}");
        check(&plan, &reference, &mut fenced, &what);
        checked += 2;
    };
    for (layout, pool) in LAYOUTS.into_iter().flat_map(|l| windows.iter().map(move |w| (l, w))) {
        for pool in pool {
            println!("{backend:?}, {layout:?}, {pool:?}");
            shapes(layout).for_each(|shape| go(pool, layout, shape));
        }
        for shape in shapes(layout) {
            let global = ops(|pool| pool, shape.spatial);
            global.iter().for_each(|pool| go(pool, layout, shape));
        }
    }
    assert!(checked > 4000, "{checked} poolings");
}

#[test]
fn no_backend_leaves_its_slices() {
    supported().for_each(check_backend);
}

/// A pixel of the last plane has fewer channels than a vector has lanes, and nothing is after it.
#[test]
fn few_channels_of_small_planes_are_all_that_is_read() {
    let mut fenced = [Fenced::new::<f32>(ROOM), Fenced::new::<f32>(ROOM)];
    let pools = ops(|pool: Pool2d| pool.padding([2, 2]), [5, 5]);
    for (pool, channels) in pools.iter().flat_map(|p| (4..=17).map(move |c| (p, c))) {
        let shape = Shape::new(8, channels, [6, 5]);
        let reference = pool.plan_on(&REFERENCE, Layout::ChannelsLast, shape).unwrap();
        for backend in supported() {
            let plan = pool.plan_on(backend, Layout::ChannelsLast, shape).unwrap();
            check(&plan, &reference, &mut fenced, &format!("{pool:?} on {backend:?}, {shape:?}"));
        }
    }
}

/// Runs a case with its buffers at both fences.
fn check_case<T: Value>(case: &Case) {
    let want: Vec<T> = case.run_as(&REFERENCE).unwrap();
    for backend in supported().filter(|&backend| backend != &REFERENCE) {
        let plan: Plan<T> = case.plan(backend).unwrap();
        let data = case.input(plan.input_len());
        let [mut input, mut output] = [data.len(), want.len()].map(Fenced::new::<T>);
        for flush in [Flush::Start, Flush::End] {
            let input = input.slice(data.len(), flush);
            input.copy_from_slice(&data);
            let output = output.slice(want.len(), flush);
            plan.run(input, output).unwrap();
            let differs = output.iter().zip(&want).position(|(x, y)| x.bits() != y.bits());
            assert_eq!(differs, None, "{case} on {backend:?}, flush with the {flush:?}");
        }
    }
}

/// Whatever the walk and the type of elements.
#[test]
fn no_backend_leaves_its_slices_in_random_cases() {
    for case in (0..cases() / 3).map(Case::random) {
        println!("{case}");
        match case.element {
            ElementType::F32 => check_case::<f32>(&case),
            ElementType::F64 => check_case::<f64>(&case),
            ElementType::F16 => check_case::<f16>(&case),
            ElementType::Bf16 => check_case::<bf16>(&case),
            ElementType::I8 => check_case::<i8>(&case),
            ElementType::U8 => check_case::<u8>(&case),
            ElementType::I16 => check_case::<i16>(&case),
            ElementType::U16 => check_case::<u16>(&case),
            ElementType::I32 => check_case::<i32>(&case),
            ElementType::U32 => check_case::<u32>(&case),
            ElementType::I64 => check_case::<i64>(&case),
        }
    }
}

/// Vectors of a row go on in what comes after it, but for those of the last rows, and short elements are copied.
#[test]
fn narrow_planes_are_all_that_is_read() {
    for (seed, width) in (3..=66).enumerate() {
        for op in [Op::Max, Op::Average] {
            let halves = Pool2d::new(op, [3, 3]).stride([2, 2]).padding([seed % 2; 2]);
            let large = Pool2d::new(op, [5, 4]).stride([1, 2]).padding([2, 1]);
            for (pool, height) in [(halves, 1 + seed % 5), (halves, 4), (large, 7)] {
                let case = |element| Case {
                    pooling: Pooling::Two(pool, Shape::new(1, 19, [height, width])),
                    layout: Layout::ChannelsFirst,
                    strides: None,
                    element,
                    seed: seed as u64,
                    values: Values::Numbers,
                };
                // Without padding, a window of three lines does not fit fewer.
                if case(ElementType::F32).explain(None).is_ok() {
                    check_case::<f32>(&case(ElementType::F32));
                    check_case::<bf16>(&case(ElementType::Bf16));
                    check_case::<i8>(&case(ElementType::I8));
                }
            }
        }
    }
}

/// Vectors of a plane that is walked as one line go on in the rows around it. There are none before the first plane
/// and after the last, and no random case is as large as what is walked so.
#[test]
fn planes_that_are_walked_as_one_line_end_where_others_do() {
    let pool = Pool2d::average([3, 3]).padding([1, 1]).divisor(Divisor::IncludePad);
    for (height, width) in
        [(2, 9), (5, 10), (3, 17), (17, 18), (9, 33), (3, 34), (2000, 4), (4, 65)]
    {
        let shape = Shape::new(1, 9000 / (height * width) + 1, [height, width]);
        let case = |element| Case {
            pooling: Pooling::Two(pool, shape),
            layout: Layout::ChannelsFirst,
            strides: None,
            element,
            seed: width as u64,
            values: Values::Numbers,
        };
        check_case::<f32>(&case(ElementType::F32));
        check_case::<u8>(&case(ElementType::U8));
    }
}

/// Rows that are walked side by side, with more columns than are merged at a time.
#[test]
fn wide_rows_side_by_side_end_where_the_input_does() {
    let mut fenced = [Fenced::new::<f32>(ROOM), Fenced::new::<f32>(ROOM)];
    let pools = ops(|pool: Pool2d| pool.stride([2, 3]), [2, 5]);
    for (pool, width) in pools.iter().flat_map(|p| (40..=300).step_by(7).map(move |w| (p, w))) {
        let shape = Shape::new(1, 2, [10, width]);
        let reference = pool.plan_on(&REFERENCE, Layout::ChannelsFirst, shape).unwrap();
        for backend in supported() {
            let plan = pool.plan_on(backend, Layout::ChannelsFirst, shape).unwrap();
            check(&plan, &reference, &mut fenced, &format!("{pool:?} on {backend:?}, {shape:?}"));
        }
    }
}

/// What follows a line that is repeated is nothing, not the next one.
#[test]
fn lines_that_are_repeated_end_where_the_input_does() {
    let mut fenced = [Fenced::new::<f32>(ROOM), Fenced::new::<f32>(ROOM)];
    let pools = [([2, 2], [1, 1]), ([3, 3], [1, 1]), ([3, 3], [2, 2]), ([2, 2], [2, 2])];
    let pools = pools.map(|(kernel, stride)| {
        [Pool2d::max(kernel), Pool2d::average(kernel)].map(|p| p.stride(stride))
    });
    for (backend, layout) in supported().flat_map(|b| LAYOUTS.map(|layout| (b, layout))) {
        for (&pool, width) in pools.iter().flatten().flat_map(|p| WIDTHS.map(move |w| (p, w))) {
            let shape = Shape::new(1, 2, [5, width]);
            let mut strides = Strides::of(layout, Shape::new(1, 2, [1, width]));
            strides.spatial[0] = 0;
            let plan = |backend| pool.plan_view_on(backend, layout, shape, strides);
            let (Ok(plan), Ok(reference)) = (plan(backend), plan(&REFERENCE)) else { continue };
            let what = format!("{pool:?} on {backend:?}, {shape:?} of one line");
            check(&plan, &reference, &mut fenced, &what);
        }
    }
}

#[test]
fn rows_of_a_plan_stay_in_theirs() {
    let mut fenced = [Fenced::new::<f32>(ROOM), Fenced::new::<f32>(ROOM)];
    let pools = [
        Pool2d::max([2, 2]).stride([2, 2]),
        Pool2d::max([3, 3]).padding([1, 1]),
        Pool2d::average([3, 3]).stride([2, 2]).padding([1, 1]),
    ];
    for (backend, layout) in supported().flat_map(|b| LAYOUTS.map(|layout| (b, layout))) {
        for (pool, width) in pools.iter().flat_map(|p| WIDTHS.map(move |width| (p, width))) {
            let shape = Shape::new(1, 2, [5, width]);
            let Ok(plan) = pool.plan_on::<f32>(backend, layout, shape) else { continue };
            let [input, output] = &mut fenced;
            let input = input.slice(plan.input_len(), Flush::End);
            for row in 0..plan.rows() {
                for flush in [Flush::Start, Flush::End] {
                    let output = output.slice(plan.row_len(), flush);
                    plan.run_rows(row..row + 1, input, output).unwrap();
                }
            }
        }
    }
}

/// Dies of what the tests above would die of.
#[test]
#[ignore = "the test below runs it, in a process of its own"]
fn trespass() {
    let mut fenced = Fenced::new::<f32>(1);
    let (at, flush) = match std::env::var("TRESPASS").as_deref() {
        Ok("before") => (usize::MAX, Flush::Start),
        Ok("after") => (1, Flush::End),
        _ => (0, Flush::Start),
    };
    let start = fenced.slice::<f32>(1, flush).as_mut_ptr();
    // SAFETY: none, but for index 0: this is where the fence must stop us.
    unsafe { start.wrapping_add(at).write_volatile(1.0) };
    println!("got through");
}

#[test]
fn fences_hold() {
    for (at, gets_through) in [("inside", true), ("before", false), ("after", false)] {
        let output = again("trespass").env("TRESPASS", at).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(stdout.contains("got through"), gets_through, "{at}: {output:?}");
        assert_eq!(output.status.success(), gets_through, "{at}: {output:?}");
    }
}
