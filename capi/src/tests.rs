//! What C sees, as far as it can be seen from Rust; `ci/capi` has more of it, in C, C++ and Python.

use super::*;
use crate::lanepool_status::*;
use core::mem::{MaybeUninit, offset_of};
use lanepool::{Exponent, Layout, Op, Padding, Pool2d, Shape};
use std::sync::Arc;

/// The 2 × 2 maximum of two channels of 3 × 4.
fn small() -> lanepool_desc {
    let zeroed = MaybeUninit::<lanepool_desc>::zeroed();
    // SAFETY: every field can be 0.
    let zeroed = unsafe { zeroed.assume_init() };
    lanepool_desc {
        struct_size: size_of::<lanepool_desc>(),
        rank: 2,
        batch: 1,
        channels: 2,
        input: [3, 4, 0],
        kernel: [2, 2, 0],
        ..zeroed
    }
}

struct Owned(*mut lanepool_plan);

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: it is a plan or null, and this is the only one that frees it.
        unsafe { lanepool_plan_free(self.0) };
    }
}

fn plan(desc: &lanepool_desc) -> (lanepool_status, Owned) {
    let mut plan = ptr::without_provenance_mut(8);
    // SAFETY: both are there; in these tests `backend` is null or a string.
    let status = unsafe { lanepool_plan_new(desc, &mut plan) };
    assert_eq!(status == LANEPOOL_OK, !plan.is_null());
    (status, Owned(plan))
}

/// With the lengths of the slices, and on so many threads.
fn run(plan: &Owned, input: &[f32], output: &mut [f32], threads: u32) -> lanepool_status {
    let (from, to) = (input.as_ptr().cast(), output.as_mut_ptr().cast());
    // SAFETY: a plan or null, and slices of so many bytes.
    unsafe { lanepool_plan_run(plan.0, from, size_of_val(input), to, size_of_val(output), threads) }
}

fn last_error() -> String {
    // SAFETY: it is a string for as long as this thread does not call.
    unsafe { CStr::from_ptr(lanepool_last_error()) }.to_str().unwrap().to_owned()
}

#[test]
fn panics_stay_on_this_side() {
    assert_eq!(status(|| panic!("number {}", 7)), LANEPOOL_INTERNAL);
    assert_eq!(last_error(), "a bug in lanepool, please report it: number 7");
    assert_eq!(status(|| panic!("text")), LANEPOOL_INTERNAL);
    assert_eq!(last_error(), "a bug in lanepool, please report it: text");
    assert_eq!(status(|| std::panic::panic_any(7)), LANEPOOL_INTERNAL);
    assert_eq!(last_error(), "a bug in lanepool, please report it: a panic");
    assert_eq!(value(5, || panic!("text")), 5);
    assert_eq!(status(|| Ok(())), LANEPOOL_OK);
    assert_eq!(last_error(), "");
}

#[test]
fn a_message_is_of_the_last_call_with_a_status() {
    let (status, none) = plan(&lanepool_desc { rank: 9, ..small() });
    assert_eq!(status, LANEPOOL_INVALID);
    drop(none);
    let _ = (lanepool_version(), lanepool_backend_name(0), lanepool_status_name(1));
    assert_eq!(last_error(), "rank: 9 is not one of 1 to 3");
    assert_eq!(std::thread::spawn(last_error).join().unwrap(), "");
    let (status, _plan) = plan(&small());
    assert_eq!((status, last_error()), (LANEPOOL_OK, String::new()));
}

/// What earlier versions were like; nothing but more may ever be behind them.
#[cfg(target_pointer_width = "64")]
#[test]
fn fields_are_where_they_were() {
    let offsets = [
        offset_of!(lanepool_desc, struct_size),
        offset_of!(lanepool_desc, op),
        offset_of!(lanepool_desc, r#type),
        offset_of!(lanepool_desc, layout),
        offset_of!(lanepool_desc, rank),
        offset_of!(lanepool_desc, mode),
        offset_of!(lanepool_desc, auto_pad),
        offset_of!(lanepool_desc, ceil_mode),
        offset_of!(lanepool_desc, divisor),
        offset_of!(lanepool_desc, nan_policy),
        offset_of!(lanepool_desc, rounding),
        offset_of!(lanepool_desc, batch),
        offset_of!(lanepool_desc, channels),
        offset_of!(lanepool_desc, input),
        offset_of!(lanepool_desc, kernel),
        offset_of!(lanepool_desc, stride),
        offset_of!(lanepool_desc, dilation),
        offset_of!(lanepool_desc, pad_begin),
        offset_of!(lanepool_desc, pad_end),
        offset_of!(lanepool_desc, fixed_divisor),
        offset_of!(lanepool_desc, lp_exponent),
        offset_of!(lanepool_desc, backend),
        offset_of!(lanepool_desc, block),
        offset_of!(lanepool_desc, batch_stride),
        offset_of!(lanepool_desc, channel_stride),
        offset_of!(lanepool_desc, input_stride),
        offset_of!(lanepool_desc, clamp),
        offset_of!(lanepool_desc, quantized),
        offset_of!(lanepool_desc, clamp_min),
        offset_of!(lanepool_desc, clamp_max),
        offset_of!(lanepool_desc, input_scale),
        offset_of!(lanepool_desc, input_zero_point),
        offset_of!(lanepool_desc, output_scale),
        offset_of!(lanepool_desc, output_zero_point),
    ];
    let words = (8..48).step_by(4);
    let sizes = [48, 56];
    let arrays = (64..208).step_by(24);
    let later = (208..264).step_by(8);
    let activation = [280, 284, 288, 296, 304, 308, 312, 316];
    let expected = [0].into_iter().chain(words).chain(sizes).chain(arrays).chain(later);
    let expected = expected.chain(activation);
    assert!(offsets.into_iter().eq(expected), "{offsets:?}");
}

#[test]
fn fields_have_no_other_values() {
    type Field = fn(&mut lanepool_desc) -> &mut u32;
    let fields: [(&str, u32, Field); 12] = [
        ("op", 4, |desc| &mut desc.op),
        ("type", 10, |desc| &mut desc.r#type),
        ("layout", 2, |desc| &mut desc.layout),
        ("rank", 3, |desc| &mut desc.rank),
        ("mode", 2, |desc| &mut desc.mode),
        ("auto_pad", 3, |desc| &mut desc.auto_pad),
        ("ceil_mode", 1, |desc| &mut desc.ceil_mode),
        ("divisor", 3, |desc| &mut desc.divisor),
        ("nan_policy", 1, |desc| &mut desc.nan_policy),
        ("rounding", 3, |desc| &mut desc.rounding),
        ("clamp", 1, |desc| &mut desc.clamp),
        ("quantized", 1, |desc| &mut desc.quantized),
    ];
    for (name, last, field) in fields {
        for value in [last + 1, 0x100, 1 << 31, u32::MAX] {
            for op in [LANEPOOL_MAX, LANEPOOL_AVERAGE] {
                let mut desc = lanepool_desc { op, ..small() };
                *field(&mut desc) = value;
                assert_eq!(plan(&desc).0, LANEPOOL_INVALID, "{name} {value}");
                let message = last_error();
                let start = format!("{name}: {value} is not one of ");
                assert!(message.starts_with(&start), "{message}");
                assert!(message.ends_with(&format!(" to {last}")), "{message}");
            }
        }
        // What there is, is there or known to be missing, and fits the rest or does not.
        for value in 0..=last {
            let mut desc = small();
            *field(&mut desc) = value;
            plan(&desc);
            let message = last_error();
            assert!(
                !message.contains("is not one of") || (name, value) == ("rank", 0),
                "{message}"
            );
        }
    }
}

#[test]
fn a_plan_runs() {
    let (status, plan) = plan(&small());
    assert_eq!(status, LANEPOOL_OK);
    let input: Vec<f32> = (0..24).map(|i| i as f32).collect();
    let mut size = [0; 2];
    // SAFETY: a plan of two axes.
    assert_eq!(unsafe { lanepool_plan_output_size(plan.0, size.as_mut_ptr()) }, LANEPOOL_OK);
    assert_eq!(size, [2, 3]);
    for threads in 0..3 {
        let mut output = [0.0; 12];
        assert_eq!(run(&plan, &input, &mut output, threads), LANEPOOL_OK, "{}", last_error());
        assert_eq!(output[..6], [5.0, 6.0, 7.0, 9.0, 10.0, 11.0]);
    }
    let mut output = [0.5; 11];
    assert_eq!(run(&plan, &input, &mut output, 1), LANEPOOL_BUFFER);
    assert_eq!(last_error(), "the output has 44 bytes, but the plan needs 48");
    assert_eq!(output, [0.5; 11], "nothing is written");
    assert_eq!(run(&Owned(ptr::null_mut()), &input, &mut output, 1), LANEPOOL_BUFFER);
    assert_eq!(last_error(), "plan is NULL");
}

/// What callers from C, C++ and Python get, too: `ci/capi` compares with the number that their programs print.
const BITS: u64 = 0xf73b_5c9b_1457_84ef;

/// The loops of `tests/bits.h`, without C.
#[test]
fn bits_are_the_same_from_every_language() {
    let mut x = 1u32;
    let mut numbers = [0; 2 * 9 * 23 * 37];
    for number in &mut numbers {
        x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *number = x;
    }
    let floats = numbers.map(|x| ((x >> 8) as i32 - (1 << 23)) as f32 / 65536.0);
    let bytes = numbers.map(|x| (x >> 24) as u8);
    let ops = [Op::Max, Op::Average, Op::Min, Op::Sum, Op::Lp(Exponent::new(2.0))];
    let mut hash = 0xcbf2_9ce4_8422_2325u64;
    for i in 0..5 * 2 * 2 * 2 * 2 {
        let layout = [Layout::ChannelsFirst, Layout::ChannelsLast][i / 10 % 2];
        let stride = 1 + i / 40 % 2;
        let pool = Pool2d::new(ops[i % 5], [3 + i / 20 % 2 * 2, 3])
            .stride([stride; 2])
            .pad(Padding::Explicit { begin: [1, 1], end: [0, 1] });
        let shape = Shape::new(2, 9, [23, 37]);
        let output: Vec<u8> = match i / 5 % 2 {
            0 => {
                let plan = pool.plan(layout, shape).unwrap();
                let mut output = vec![0.0f32; plan.output_len()];
                plan.run(&floats, &mut output).unwrap();
                output.into_iter().flat_map(f32::to_le_bytes).collect()
            }
            _ if i % 5 == 4 => continue,
            _ => {
                let plan = pool.plan(layout, shape).unwrap();
                let mut output = vec![0; plan.output_len()];
                plan.run(&bytes, &mut output).unwrap();
                output
            }
        };
        for byte in output {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    assert_eq!(hash, BITS, "{hash:#018x}");
}

#[test]
fn a_view_and_blocks() {
    // Two lines of a plane whose lines are five apart.
    let desc = lanepool_desc { channels: 1, input: [2, 4, 0], input_stride: [5, 0, 0], ..small() };
    let (_, plan) = plan(&desc);
    let mut output = [0.0; 3];
    let input = [1.0, 2.0, 3.0, 4.0, 99.0, 8.0, 7.0, 6.0, 5.0];
    assert_eq!(run(&plan, &input, &mut output, 1), LANEPOOL_OK, "{}", last_error());
    assert_eq!(output, [8.0, 7.0, 6.0]);
    let blocked = lanepool_desc { layout: LANEPOOL_CHANNELS_BLOCKED, block: 4, ..small() };
    let (_, plan) = self::plan(&blocked);
    // SAFETY: a plan.
    assert_eq!(unsafe { lanepool_plan_input_bytes(plan.0) }, 3 * 4 * 4 * 4);
    let (status, _) = self::plan(&lanepool_desc { block: 0, ..blocked });
    assert_eq!((status, last_error().as_str()), (LANEPOOL_INVALID, "blocks of 0 channels"));
}

#[test]
fn quantised_and_clamped() {
    let desc = lanepool_desc {
        r#type: LANEPOOL_I8,
        op: LANEPOOL_AVERAGE,
        quantized: 1,
        input_scale: 0.5,
        input_zero_point: -128,
        output_scale: 0.25,
        output_zero_point: -100,
        clamp: 1,
        clamp_min: 1.0,
        clamp_max: f64::INFINITY,
        ..small()
    };
    let (status, plan) = plan(&desc);
    assert_eq!(status, LANEPOOL_OK, "{}", last_error());
    // Averages of 0, 0.5, 1.25, 2.0, 2.25 and 33.5.
    let input = [-128i8, -128, -126, -125, -128, -128, -126, -125, -120, -120, -120, 127];
    let input = [input, input].concat();
    let mut output = [0i8; 12];
    // SAFETY: a plan, and buffers as long as is said.
    let status = unsafe {
        lanepool_plan_run(plan.0, input.as_ptr().cast(), 24, output.as_mut_ptr().cast(), 12, 1)
    };
    assert_eq!(status, LANEPOOL_OK, "{}", last_error());
    assert_eq!(output[..6], [-96, -96, -95, -92, -91, 34]);
    assert_eq!(output[..6], output[6..]);
    let refused = |desc: &lanepool_desc, status, text: &str| {
        assert_eq!(self::plan(desc).0, status, "{text}");
        assert_eq!(last_error(), text);
    };
    let text = "input: a scale of 0, which is not a finite number greater than 0";
    refused(&lanepool_desc { input_scale: 0.0, ..desc }, LANEPOOL_INVALID, text);
    let text = "output: a zero point of 128, which no i8 is";
    refused(&lanepool_desc { output_zero_point: 128, ..desc }, LANEPOOL_INVALID, text);
    let text = "quantised f32: i8, u8, i16, u16 and i32 may be quantised";
    refused(&lanepool_desc { r#type: LANEPOOL_F32, ..desc }, LANEPOOL_UNSUPPORTED, text);
    let text = "a clamp from 1 to NaN, which nothing is between";
    refused(&lanepool_desc { clamp_max: f64::NAN, ..desc }, LANEPOOL_INVALID, text);
    // What is not asked for is not looked at.
    let off =
        lanepool_desc { quantized: 0, clamp: 0, clamp_max: f64::NAN, input_scale: -1.0, ..desc };
    assert_eq!(self::plan(&off).0, LANEPOOL_OK);
}

#[test]
fn descriptions_of_other_versions() {
    #[repr(C)]
    struct Larger {
        known: lanepool_desc,
        more: [u64; 2],
    }
    let mut desc = Larger { known: small(), more: [0; 2] };
    let of_size = |desc: &mut Larger, size| {
        desc.known.struct_size = size;
        let mut plan = ptr::null_mut();
        // SAFETY: the description is the start of one that is at least as large as it says.
        let status = unsafe { lanepool_plan_new((&raw const *desc).cast(), &mut plan) };
        drop(Owned(plan));
        status
    };
    assert_eq!(of_size(&mut desc, size_of::<Larger>()), LANEPOOL_OK);
    desc.more[1] = 1 << 40;
    assert_eq!(of_size(&mut desc, size_of::<Larger>() - 8), LANEPOOL_OK);
    assert_eq!(of_size(&mut desc, size_of::<Larger>()), LANEPOOL_UNSUPPORTED);
    // What is missing is 0, whatever is behind it.
    desc.known.stride = [9; 3];
    desc.known.pad_begin = [usize::MAX; 3];
    assert_eq!(of_size(&mut desc, size_of::<lanepool_desc>()), LANEPOOL_INVALID);
    assert_eq!(of_size(&mut desc, offset_of!(lanepool_desc, stride)), LANEPOOL_OK);
    assert_eq!(of_size(&mut desc, offset_of!(lanepool_desc, kernel)), LANEPOOL_INVALID);
    assert_eq!(last_error(), "height: a kernel of 0");
    let (least, align) = (offset_of!(lanepool_desc, kernel), align_of::<lanepool_desc>());
    for size in [0, 1, least - align, least + 1, 1024 + align, usize::MAX, usize::MAX - 7] {
        assert_eq!(of_size(&mut desc, size), LANEPOOL_INVALID);
        assert!(last_error().starts_with(&format!("struct_size: {size} is not")));
    }
}

#[test]
fn pools_are_kept() {
    let pool = |wanted, useful| threads::pool(wanted, useful).unwrap();
    for (wanted, useful) in [(1, 9), (1, 1), (0, 1), (7, 0)] {
        assert!(pool(wanted, useful).is_none(), "nobody is woken");
    }
    if let (Some(first), Some(again)) = (pool(2, 2), pool(2, 9)) {
        assert!(Arc::ptr_eq(&first, &again));
        assert_eq!(first.current_num_threads(), 1, "beside the one that calls");
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for wanted in [0, u32::MAX] {
        assert_eq!(pool(wanted, 2).map_or(0, |pool| pool.current_num_threads()), cores - 1);
    }
}

#[test]
fn names_end_for_c() {
    // SAFETY: these are strings for ever.
    let text = |name| unsafe { CStr::from_ptr(name) }.to_str().unwrap();
    assert_eq!(text(lanepool_version()), env!("CARGO_PKG_VERSION"));
    for (i, backend) in BACKENDS.iter().enumerate() {
        assert_eq!(text(lanepool_backend_name(i)), backend.name());
        assert_eq!(lanepool_backend_supported(i), backend.is_supported());
    }
    assert!(lanepool_backend_name(lanepool_backend_count()).is_null());
    let names = [0, 1, 2, 3, 4, 5, -1].map(|number| text(lanepool_status_name(number)));
    assert_eq!(names[0], "LANEPOOL_OK");
    assert_eq!(names[4..], ["LANEPOOL_INTERNAL", "unknown", "unknown"]);
}
