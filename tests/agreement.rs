//! Every backend computes what the reference computes, and touches nothing else.

mod common;

use common::{LAYOUTS, assert_nan_is_seen, assert_same_bits, cases, one_of, supported};
use lanepool::check::{Case, ElementType, Pooling, Values};
use lanepool::{
    BACKENDS, Backend, Layout, NanPolicy, Op, Padding, Plan, Pool2d, REFERENCE, Shape, Walk,
};
use std::collections::BTreeMap;

#[test]
fn backends_agree_with_the_reference() {
    let backends = BACKENDS.iter().filter(|backend| **backend != REFERENCE);
    let (supported, missing): (Vec<_>, Vec<_>) = backends.partition(|b| b.is_supported());
    for backend in missing {
        println!(
            "skipped: {} (this CPU lacks {})",
            backend.name(),
            backend.missing().collect::<Vec<_>>().join(", ")
        );
    }
    assert!(supported.len() >= 3, "scalar, portable and autovec run everywhere");
    let supported = match std::env::var("LANEPOOL_BACKENDS") {
        Ok(names) => names.split(',').map(|name| Backend::named(name).unwrap()).collect(),
        Err(_) => supported,
    };
    let without = std::env::var("LANEPOOL_WITHOUT").unwrap_or_default();
    let mut count = 0;
    for case in (0..cases()).map(Case::random).filter(|case| case.element.name() != without) {
        count += 1;
        let want = case.run(&REFERENCE).unwrap();
        for backend in &supported {
            let got = case.run(backend).unwrap_or_else(|mismatch| panic!("{mismatch}"));
            case.compare(backend, &got, &want).unwrap_or_else(|mismatch| panic!("{mismatch}"));
        }
    }
    for backend in supported {
        println!("agreement: {} {count} cases, 0 failed", backend.name());
    }
}

/// Channels last, a pass takes several vectors of channels, and a NaN in any of them has to be seen
/// wherever it is in a window. These are more channels than a pass of any backend has; every
/// fourth one is in each of its vectors.
#[test]
fn a_nan_in_any_channel_is_seen() {
    const SPATIAL: [usize; 2] = [4, 12];
    let max = |kernel, stride, padding| {
        Pool2d::max([kernel; 2]).stride([stride; 2]).padding([padding; 2])
    };
    for (pool, walk, channels) in [
        (max(2, 1, 0), Walk::Pixels, 67),
        (max(3, 1, 1), Walk::Pixels, 67),
        (max(3, 2, 1), Walk::Pixels, 67),
        (max(4, 3, 0), Walk::Down, 131),
    ] {
        let plan = |backend| -> Plan<f32> {
            let shape = Shape::new(1, channels, SPATIAL);
            pool.plan_on(backend, Layout::ChannelsLast, shape).unwrap()
        };
        let plans: Vec<_> = supported().map(plan).collect();
        let reference = plan(&REFERENCE);
        assert_eq!(reference.walk(), walk);
        let places = (0..SPATIAL[0] * SPATIAL[1]).flat_map(|pixel| {
            (0..channels).step_by(4).map(move |channel| pixel * channels + channel)
        });
        for at in places.step_by(one_of()) {
            assert_nan_is_seen(&plans, &reference, at, format_args!("{pool:?}"));
        }
    }
}

/// A line that rows share is looked at in the first of them only. That is another one wherever a plane starts, or a part
/// of the output, and there it has to be looked at too; as it has to be where rows share less than columns do.
#[test]
fn a_nan_is_seen_in_lines_that_rows_share() {
    let windows = |side: [usize; 2], stride: [usize; 2]| Pool2d::max(side).stride(stride);
    for (pool, layout) in [
        windows([2, 2], [1, 1]),
        windows([2, 2], [2, 1]),
        windows([2, 2], [1, 1]).dilation([2, 1]),
        windows([3, 3], [1, 1]),
        windows([3, 3], [2, 1]),
        windows([3, 3], [1, 1]).dilation([2, 1]),
        windows([3, 3], [2, 2]),
        windows([3, 3], [3, 2]),
    ]
    .into_iter()
    .flat_map(|pool| LAYOUTS.map(|layout| (pool, layout)))
    {
        let plan = |backend| -> Plan<f32> {
            pool.plan_on(backend, layout, Shape::new(2, 3, [6, 20])).unwrap()
        };
        let reference = plan(&REFERENCE);
        let (rows, len) = (reference.rows(), reference.row_len());
        let plans: Vec<_> = supported().map(plan).collect();
        for at in (0..reference.input_len()).step_by(7 * one_of()) {
            let mut input: Vec<f32> = (0..reference.input_len()).map(|i| i as f32).collect();
            input[at] = f32::NAN;
            let mut want = vec![0.0; reference.output_len()];
            reference.run(&input, &mut want).unwrap();
            for (plan, first) in plans.iter().flat_map(|p| (0..rows).map(move |row| (p, row))) {
                let want = &want[first * len..];
                let mut got = vec![0.0; want.len()];
                plan.run_rows(first..rows, &input, &mut got).unwrap();
                let backend = plan.backend();
                let what = format_args!("{pool:?} on {backend:?}, NaN at {at}, from {first} on");
                assert_same_bits(&got, want, what);
            }
        }
    }
}

/// All windows of up to five by five, one to four apart, with up to three of padding: fast walks are for these,
/// and which lines and columns of a window are absent decides what is merged with what.
#[test]
fn small_windows_agree() {
    let mut seed = 0usize;
    for (high, wide) in (1..=5).flat_map(|high| (1..=5).map(move |wide| (high, wide))) {
        for (stride, above, left) in (0..64)
            .map(|i| (1 + i / 16, i / 4 % 4, i % 4))
            .filter(|&(_, a, l)| a < high && l < wide)
        {
            for (op, layout) in
                [Op::Max, Op::Average].into_iter().flat_map(|op| LAYOUTS.map(|l| (op, l)))
            {
                seed += 1;
                if !seed.is_multiple_of(one_of()) {
                    continue;
                }
                let padding = Padding::Explicit { begin: [above, left], end: [1, 1] };
                let pool = Pool2d::new(op, [high, wide]).stride([stride; 2]).pad(padding);
                let case = Case {
                    pooling: Pooling::Two(pool, Shape::new(1, 5, [9, 23])),
                    layout,
                    strides: None,
                    element: ElementType::F32,
                    seed: seed as u64,
                    values: [Values::Numbers, Values::Traps][seed % 2],
                };
                let want = case.run(&REFERENCE).unwrap();
                for backend in supported().filter(|&backend| backend != &REFERENCE) {
                    let got = case.run(backend).unwrap_or_else(|mismatch| panic!("{mismatch}"));
                    case.compare(backend, &got, &want)
                        .unwrap_or_else(|mismatch| panic!("{mismatch}"));
                }
            }
        }
    }
}

/// Larger planes than random cases have: more lines than are merged at a time, more columns than a row of
/// scratch memory has, more rows of windows than are listed.
#[test]
fn large_planes_agree_with_the_reference() {
    let global = [(1, [1, 1]), (3, [9, 17]), (9, [50, 47]), (1, [9, 1100]), (2, [70, 513])];
    let global = global.into_iter().chain([(48, [25, 30]), (67, [23, 31]), (520, [27, 19])]);
    let adaptive = [(3, [100, 40], [70, 7]), (5, [13, 13], [7, 7]), (1, [40, 300], [9, 7])];
    let ops = [Op::Max, Op::Min, Op::Average];
    let policies = [NanPolicy::Propagate, NanPolicy::Ignore];
    let mut number = 0usize;
    for (op, policy) in ops.into_iter().flat_map(|op| policies.map(|policy| (op, policy))) {
        if (op, policy) == (Op::Average, NanPolicy::Ignore) {
            continue;
        }
        let globals = global.clone().map(|(planes, sides)| (Pool2d::global(op), planes, sides));
        let adaptives =
            adaptive.map(|(planes, sides, to)| (Pool2d::adaptive(op, to), planes, sides));
        let poolings = globals.chain(adaptives).flat_map(|pooling| {
            [Layout::ChannelsFirst, Layout::ChannelsLast].map(|layout| (pooling, layout))
        });
        for ((pool, planes, sides), layout) in poolings {
            number += 1;
            if !number.is_multiple_of(one_of()) {
                continue;
            }
            let pool = pool.nan_policy(policy);
            let plan = |backend| -> Plan<f32> {
                pool.plan_on(backend, layout, Shape::new(1, planes, sides)).unwrap()
            };
            let reference = plan(&REFERENCE);
            let len = reference.input_len();
            let mut input: Vec<f32> = (0..len).map(|i| (i * i % 1009) as f32 / 7.0).collect();
            for nan in [None, Some(len / 3), Some(len - 1)] {
                if let Some(at) = nan {
                    input[at] = f32::NAN;
                }
                let run = |plan: &Plan<f32>| {
                    let mut output = vec![1.0; plan.output_len()];
                    plan.run(&input, &mut output).unwrap();
                    output.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                };
                let want = run(&reference);
                for backend in supported().filter(|&backend| backend != &REFERENCE) {
                    let got = run(&plan(backend));
                    assert_eq!(got, want, "{pool:?} on {backend:?}, {layout:?}, {nan:?}");
                }
            }
        }
    }
}

/// What a case is about: each aspect in a word.
struct Aspects {
    walk: String,
    layout: String,
    /// Whether the input has strides.
    view: String,
    /// With the NaN policy or the divisor.
    op: String,
    rank: String,
    stride: String,
    dilation: String,
    padding: String,
    ceil_mode: String,
    values: String,
    /// What is done to results.
    activation: String,
    /// Whether there are windows, and whether all of them have elements.
    windows: String,
}

impl Aspects {
    fn of(case: &Case) -> Self {
        // A description keeps its fields to itself, but tells them to a reader.
        let text = case.to_string();
        let parts: Vec<_> = text.split(", ").collect();
        let after = |name: &str| parts.iter().find_map(|part| part.strip_prefix(name)).unwrap();
        let along_width = |sizes: &str| match sizes.rsplit('×').next().unwrap() {
            few @ ("1" | "2") => few.to_owned(),
            _ => "3+".to_owned(),
        };
        let op = text.split(' ').next().unwrap();
        // Of an average the rounding, then the element type, layout, values and seed follow.
        let follow = if op == "Average" { 6 } else { 5 };
        let detail = parts[parts.len() - follow].split('(').next().unwrap();
        let padding = after("padding ");
        Self {
            walk: format!("{:?}", case.plan::<f32>(&REFERENCE).unwrap().walk()),
            layout: format!("{:?}", case.layout).split('(').next().unwrap().into(),
            view: if case.strides.is_some() { "view" } else { "plain" }.into(),
            op: format!("{op} {detail}"),
            rank: format!("{} axes", after("stride ").split('×').count()),
            stride: format!("stride {}", along_width(after("stride "))),
            dilation: format!("dilation {}", along_width(after("dilation "))),
            padding: if padding.contains(" and ") { "explicit" } else { padding }.into(),
            ceil_mode: if parts.contains(&"ceil mode") { "ceil" } else { "floor" }.into(),
            values: format!("{:?}", case.values),
            activation: match (text.contains(", quantised "), text.contains(", clamp ")) {
                (true, _) => "quantised",
                (false, true) => "clamped",
                (false, false) => "as they are",
            }
            .into(),
            windows: windows(case).into(),
        }
    }
}

/// With ones only, an empty window gives −∞ or 0, and any other does not.
fn windows(case: &Case) -> &'static str {
    let plan = case.plan(Backend::fastest()).unwrap();
    let mut output = vec![f32::NAN; plan.output_len()];
    plan.run(&vec![1.0; plan.input_len()], &mut output).unwrap();
    let is_empty = |x: &&f32| **x == 0.0 || **x == f32::NEG_INFINITY;
    match (output.len(), output.iter().filter(is_empty).count()) {
        (0, _) => "no windows",
        (_, 0) => "full windows",
        _ => "empty windows",
    }
}

/// One name of each list, in every combination.
fn product(lists: &[&[&str]]) -> Vec<Vec<String>> {
    lists.iter().fold(vec![Vec::new()], |rows, list| {
        let extended = |row: &Vec<String>, name: &str| [&row[..], &[name.to_owned()]].concat();
        rows.iter().flat_map(|row| list.iter().map(move |name| extended(row, name))).collect()
    })
}

#[test]
fn random_cases_get_everywhere() {
    let aspects: Vec<_> = (0..30_000).map(Case::random).map(|case| Aspects::of(&case)).collect();
    let expect = |of: fn(&Aspects) -> Vec<&String>, lists: &[&[&str]]| {
        let mut counts = BTreeMap::new();
        for aspects in &aspects {
            let words: Vec<String> = of(aspects).into_iter().cloned().collect();
            *counts.entry(words).or_insert(0) += 1;
        }
        let wanted = product(lists);
        let count = |words: &Vec<String>| counts.get(words).copied().unwrap_or(0);
        for words in &wanted {
            println!("{:4} × {}", count(words), words.join(", "));
        }
        let missing: Vec<_> = wanted.iter().filter(|words| count(words) == 0).collect();
        assert!(missing.is_empty(), "no case has {missing:#?}");
    };
    let walks = &["Shared", "Strips", "Down", "Pixels", "Rows", "Across", "Whole"];
    let ranks = &["1 axes", "2 axes", "3 axes"];
    let layouts = &["ChannelsFirst", "ChannelsLast", "Blocked"];
    let ops = &[
        "Max Propagate NaN",
        "Max Ignore NaN",
        "Average ExcludePad",
        "Average IncludePad",
        "Average FullWindow",
        "Average Fixed",
    ];
    let values = &["Numbers", "Ties", "Traps", "OnlyTraps"];
    let strides = &["stride 1", "stride 2", "stride 3+"];
    let dilations = &["dilation 1", "dilation 2", "dilation 3+"];
    let paddings = &["explicit", "SameUpper", "SameLower", "Valid"];
    let windows = &["full windows", "empty windows"];

    // What each walk may do in a way of its own.
    expect(|a| vec![&a.walk, &a.op, &a.stride, &a.windows], &[&["Down"], ops, strides, windows]);
    expect(|a| vec![&a.walk, &a.op, &a.windows], &[&["Whole"], ops, windows]);
    expect(|a| vec![&a.walk, &a.op, &a.stride], &[&["Whole"], ops, strides]);
    expect(
        |a| vec![&a.walk, &a.op, &a.stride, &a.windows],
        &[&["Across"], ops, &strides[..2], windows],
    );
    // Rows has few empty windows: only where a whole row is padding.
    expect(|a| vec![&a.walk, &a.op, &a.stride], &[&["Rows"], ops, &strides[..2]]);
    expect(|a| vec![&a.walk, &a.stride, &a.windows], &[&["Rows"], &strides[..2], windows]);
    expect(|a| vec![&a.walk, &a.op, &a.windows], &[&["Rows"], ops, windows]);
    // Of what is left for Phased there is little. (Rare types take it more often.)
    expect(|a| vec![&a.walk, &a.stride], &[&["Phased"], strides]);
    expect(|a| vec![&a.walk, &a.windows], &[&["Phased"], windows]);
    expect(|a| vec![&a.walk, &a.op], &[&["Phased"], ops]);
    expect(|a| vec![&a.walk, &a.values], &[&["Phased"], values]);
    expect(|a| vec![&a.walk, &a.view], &[&["Phased"], &["view", "plain"]]);
    expect(|a| vec![&a.walk, &a.op], &[&["Planes"], ops]);
    expect(|a| vec![&a.walk, &a.values, &a.layout], &[&["Planes"], values, &layouts[..2]]);
    expect(|a| vec![&a.walk, &a.op, &a.values], &[walks, ops, values]);
    let activations = &["quantised", "clamped", "as they are"];
    expect(|a| vec![&a.walk, &a.activation], &[walks, activations]);
    expect(|a| vec![&a.op, &a.activation], &[ops, activations]);
    expect(
        |a| vec![&a.walk, &a.op, &a.layout],
        &[&["Rows", "Across", "Whole"], ops, &layouts[..2]],
    );
    expect(|a| vec![&a.walk, &a.rank], &[&["Down", "Rows", "Across", "Whole"], ranks]);
    expect(|a| vec![&a.walk, &a.rank], &[&["Pixels"], &ranks[1..]]);
    expect(|a| vec![&a.walk, &a.op, &a.stride], &[&["Pixels"], ops, &strides[..2]]);
    expect(|a| vec![&a.walk, &a.op, &a.view], &[walks, ops, &["view", "plain"]]);
    expect(|a| vec![&a.walk, &a.layout], &[&["Down", "Pixels"], layouts]);
    expect(|a| vec![&a.rank, &a.layout, &a.view], &[ranks, layouts, &["view", "plain"]]);
    // And what the geometry has to get right for all of them.
    expect(
        |a| vec![&a.rank, &a.layout, &a.padding, &a.ceil_mode],
        &[ranks, layouts, paddings, &["ceil", "floor"]],
    );
    expect(|a| vec![&a.rank, &a.padding, &a.dilation], &[ranks, paddings, dilations]);
    expect(|a| vec![&a.windows, &a.layout], &[&["no windows"], layouts]);
}
