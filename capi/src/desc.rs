//! The description that C hands over, and how it becomes a pooling.

use crate::failure::{Failure, check_pointer};
use crate::plan::{Erased, erased, lanepool_plan};
use core::ffi::c_char;
use core::mem::{MaybeUninit, offset_of};
use core::{array, ptr, slice};
use lanepool::{
    Backend, Divisor, Exponent, Layout, NanPolicy, Op, Padding, Pool, Quantization, Rounding,
    Shape, Strides,
};

/// `op`: the largest element of a window.
pub const LANEPOOL_MAX: u32 = 0;
/// `op`: the sum over the divisor.
pub const LANEPOOL_AVERAGE: u32 = 1;
/// `op`: the smallest element.
pub const LANEPOOL_MIN: u32 = 2;
/// `op`: the sum.
pub const LANEPOOL_SUM: u32 = 3;
/// `op`: the root of the sum of powers, (Σ|x|^p)^(1/p), where p is `lp_exponent`.
pub const LANEPOOL_LP: u32 = 4;

/// `type`: float.
pub const LANEPOOL_F32: u32 = 0;
/// `type`: double.
pub const LANEPOOL_F64: u32 = 1;
/// `type`: IEEE 754 binary16.
pub const LANEPOOL_F16: u32 = 2;
/// `type`: bfloat16, the upper half of a float.
pub const LANEPOOL_BF16: u32 = 3;
/// `type`: int8_t.
pub const LANEPOOL_I8: u32 = 4;
/// `type`: uint8_t.
pub const LANEPOOL_U8: u32 = 5;
/// `type`: int16_t.
pub const LANEPOOL_I16: u32 = 6;
/// `type`: uint16_t.
pub const LANEPOOL_U16: u32 = 7;
/// `type`: int32_t.
pub const LANEPOOL_I32: u32 = 8;
/// `type`: uint32_t.
pub const LANEPOOL_U32: u32 = 9;
/// `type`: int64_t.
pub const LANEPOOL_I64: u32 = 10;

/// `layout`: N C [D] [H] W.
pub const LANEPOOL_CHANNELS_FIRST: u32 = 0;
/// `layout`: N [D] [H] W C.
pub const LANEPOOL_CHANNELS_LAST: u32 = 1;
/// `layout`: N C/c [D] [H] W c, where c is `block`. The last block has all of its channels in memory,
/// also if `channels` is less; the others are pooled like these.
pub const LANEPOOL_CHANNELS_BLOCKED: u32 = 2;

/// `mode`: a window of `kernel` taps every `stride` elements.
pub const LANEPOOL_WINDOW: u32 = 0;
/// `mode`: one window, all of the input. `kernel`, `stride`, `dilation` and padding are ignored.
pub const LANEPOOL_GLOBAL: u32 = 1;
/// `mode`: as many windows as `kernel` says, which split the input evenly. `stride`, `dilation` and
/// padding are ignored.
pub const LANEPOOL_ADAPTIVE: u32 = 2;

/// `auto_pad`: `pad_begin` and `pad_end`.
pub const LANEPOOL_PAD_EXPLICIT: u32 = 0;
/// `auto_pad`: what gives ⌈input / stride⌉ windows, an odd one at the end.
pub const LANEPOOL_PAD_SAME_UPPER: u32 = 1;
/// `auto_pad`: the same, with an odd one at the beginning.
pub const LANEPOOL_PAD_SAME_LOWER: u32 = 2;
/// `auto_pad`: none.
pub const LANEPOOL_PAD_VALID: u32 = 3;

/// `divisor`: the number of taps inside the input.
pub const LANEPOOL_EXCLUDE_PAD: u32 = 0;
/// `divisor`: the number of taps inside the padded input.
pub const LANEPOOL_INCLUDE_PAD: u32 = 1;
/// `divisor`: the taps of the kernel.
pub const LANEPOOL_FULL_WINDOW: u32 = 2;
/// `divisor`: `fixed_divisor`.
pub const LANEPOOL_FIXED: u32 = 3;

/// `nan_policy`: a window with a NaN gives NaN.
pub const LANEPOOL_NAN_PROPAGATE: u32 = 0;
/// `nan_policy`: NaNs count as absent.
pub const LANEPOOL_NAN_IGNORE: u32 = 1;

/// `rounding`: to nearest, a half away from zero.
pub const LANEPOOL_HALF_AWAY_FROM_ZERO: u32 = 0;
/// `rounding`: to nearest, a half to even.
pub const LANEPOOL_HALF_EVEN: u32 = 1;
/// `rounding`: to nearest, a half up.
pub const LANEPOOL_HALF_UP: u32 = 2;
/// `rounding`: towards zero.
pub const LANEPOOL_TRUNCATE: u32 = 3;

/// A pooling and the tensor that it applies to. Zero the struct, set struct_size, fill in what you
/// need.
///
/// Arrays hold `rank` values, outermost axis first (depth, height, width); the rest is ignored. A
/// field of type uint32_t has one of the values that are named after it, also where it has no
/// effect: another is LANEPOOL_INVALID.
#[allow(non_camel_case_types, reason = "the name is C's")]
#[derive(Clone, Copy)]
#[repr(C)]
pub struct lanepool_desc {
    /// sizeof(lanepool_desc). Smaller ones, of earlier versions, are as if the fields that they
    /// lack were 0; they end after `input` or later. Larger ones, of later versions, are
    /// LANEPOOL_UNSUPPORTED unless what is unknown here is 0.
    pub struct_size: usize,
    /// LANEPOOL_MAX, LANEPOOL_AVERAGE, LANEPOOL_MIN, LANEPOOL_SUM or LANEPOOL_LP.
    pub op: u32,
    /// Of input and output elements: LANEPOOL_F32 to LANEPOOL_I64. Maxima and minima are
    /// for all of them, averages and sums for all but LANEPOOL_U32 and LANEPOOL_I64, norms for the
    /// first four.
    pub r#type: u32,
    /// LANEPOOL_CHANNELS_FIRST, LANEPOOL_CHANNELS_LAST or LANEPOOL_CHANNELS_BLOCKED; without gaps, but
    /// for those of `batch_stride`, `channel_stride` and `input_stride`.
    pub layout: u32,
    /// Spatial axes, 1 to 3.
    pub rank: u32,
    /// LANEPOOL_WINDOW, LANEPOOL_GLOBAL or LANEPOOL_ADAPTIVE.
    pub mode: u32,
    /// LANEPOOL_PAD_EXPLICIT, LANEPOOL_PAD_SAME_UPPER, LANEPOOL_PAD_SAME_LOWER or
    /// LANEPOOL_PAD_VALID.
    pub auto_pad: u32,
    /// 0 or 1. With 1 a last window counts that reaches beyond the padded input, if it starts
    /// inside the input or the padding before it. Without effect unless `auto_pad` is
    /// LANEPOOL_PAD_EXPLICIT.
    pub ceil_mode: u32,
    /// LANEPOOL_EXCLUDE_PAD, LANEPOOL_INCLUDE_PAD, LANEPOOL_FULL_WINDOW or LANEPOOL_FIXED. Averages
    /// only.
    pub divisor: u32,
    /// LANEPOOL_NAN_PROPAGATE or LANEPOOL_NAN_IGNORE. Maxima and minima only.
    pub nan_policy: u32,
    /// LANEPOOL_HALF_AWAY_FROM_ZERO, LANEPOOL_HALF_EVEN, LANEPOOL_HALF_UP or LANEPOOL_TRUNCATE.
    /// Averages of integers only.
    pub rounding: u32,
    /// Tensors that are pooled alike; may be 0.
    pub batch: usize,
    /// Channels, which are pooled independently; may be 0.
    pub channels: usize,
    /// Elements along each axis.
    pub input: [usize; 3],
    /// Taps of a window; with LANEPOOL_ADAPTIVE the output size.
    pub kernel: [usize; 3],
    /// Elements from one window to the next. 0 means 1.
    pub stride: [usize; 3],
    /// Elements from one tap to the next. 0 means 1.
    pub dilation: [usize; 3],
    /// Absent elements before the input. Ignored unless `auto_pad` is LANEPOOL_PAD_EXPLICIT, as
    /// pad_end is.
    pub pad_begin: [usize; 3],
    /// Absent elements after the input.
    pub pad_end: [usize; 3],
    /// With LANEPOOL_FIXED: any but 0.
    pub fixed_divisor: i64,
    /// With LANEPOOL_LP: > 0, INFINITY allowed.
    pub lp_exponent: f64,
    /// NULL: the best that this CPU supports, or the one that the environment variable
    /// LANEPOOL_BACKEND names. Otherwise its name, which need not outlive the call.
    pub backend: *const c_char,
    /// With LANEPOOL_CHANNELS_BLOCKED: channels of a block, any but 0.
    pub block: usize,
    /// Elements of the input from one tensor of the batch to the next. 0, here and below, means no gap
    /// after what is inside, which has gaps of its own if it is told so.
    pub batch_stride: usize,
    /// Elements of the input from one channel to the next, or from one block to the next; in channels
    /// last 0 or 1.
    pub channel_stride: usize,
    /// Elements of the input from one to the next along each axis: slices, lines and columns. In
    /// channels first it is fast if the last one is 0 or 1.
    pub input_stride: [usize; 3],
    /// 0 or 1. With 1 results lie between `clamp_min` and `clamp_max`: 0 and INFINITY are ReLU, 0 and 6 ReLU6.
    pub clamp: u32,
    /// 0 or 1. With 1 an integer q of the input stands for (q - input_zero_point) * input_scale, one of
    /// the output likewise, and padding that the divisor counts for 0. For LANEPOOL_I8 to LANEPOOL_I32.
    pub quantized: u32,
    /// With `clamp`: the number nearest to it in `type` is the least result, of integers halves away from
    /// zero; with `quantized` it is what integers stand for. -INFINITY allowed.
    pub clamp_min: f64,
    /// The greatest result, not less than `clamp_min`. INFINITY allowed.
    pub clamp_max: f64,
    /// With `quantized`: > 0, finite.
    pub input_scale: f32,
    /// With `quantized`: a value of `type`.
    pub input_zero_point: i32,
    /// With `quantized`: > 0, finite.
    pub output_scale: f32,
    /// With `quantized`: a value of `type`.
    pub output_zero_point: i32,
}

/// Bytes of the description that this version knows.
const KNOWN: usize = size_of::<lanepool_desc>();

/// Where the first field is that may be missing.
const NEEDED: usize = offset_of!(lanepool_desc, kernel);

/// What no description is larger than: more would be a `struct_size` that was not set, and memory
/// that is not there.
const LARGEST: usize = 1024;

/// What no name of a backend is longer than.
const LONGEST: usize = 64;

impl lanepool_desc {
    /// The description that C means, in the size of this version.
    ///
    /// # Safety
    ///
    /// If the pointer is not null, a `struct_size` is there, and as many bytes as it says.
    pub(crate) unsafe fn read(desc: *const Self) -> Result<Self, Failure> {
        check_pointer("desc", desc)?;
        // SAFETY: not null nor misaligned, and it is the first field.
        let size = unsafe { desc.cast::<usize>().read() };
        if !(NEEDED..=LARGEST).contains(&size) || !size.is_multiple_of(align_of::<Self>()) {
            return Err(Failure::invalid(format!(
                "struct_size: {size} is not the size of a lanepool_desc of any version; here it is \
                 {KNOWN}"
            )));
        }
        let mut own = MaybeUninit::<Self>::zeroed();
        let (from, to) = (desc.cast::<u8>(), own.as_mut_ptr().cast::<u8>());
        // SAFETY: so much is there by the word of the caller, and here.
        unsafe { ptr::copy_nonoverlapping(from, to, size.min(KNOWN)) };
        let rest = size.saturating_sub(KNOWN);
        if rest > 0 {
            let unknown = desc.wrapping_add(1).cast::<u8>();
            // SAFETY: the caller says that `size` bytes are there, and these are its last ones.
            let unknown = unsafe { slice::from_raw_parts(unknown, rest) };
            if let Some(at) = unknown.iter().position(|&byte| byte != 0) {
                return Err(Failure::unsupported(format!(
                    "struct_size: of {size} bytes, {KNOWN} are known to this version, but byte {} is \
                     not 0",
                    KNOWN + at
                )));
            }
        }
        // SAFETY: every field can be 0, and can be any bytes.
        Ok(unsafe { own.assume_init() })
    }

    fn op(&self) -> Result<Op, Failure> {
        match self.op {
            LANEPOOL_MAX => Ok(Op::Max),
            LANEPOOL_AVERAGE => Ok(Op::Average),
            LANEPOOL_MIN => Ok(Op::Min),
            LANEPOOL_SUM => Ok(Op::Sum),
            LANEPOOL_LP => Ok(Op::Lp(Exponent::new(self.lp_exponent))),
            other => Err(unknown("op", other, LANEPOOL_LP)),
        }
    }

    fn layout(&self) -> Result<Layout, Failure> {
        match self.layout {
            LANEPOOL_CHANNELS_FIRST => Ok(Layout::ChannelsFirst),
            LANEPOOL_CHANNELS_LAST => Ok(Layout::ChannelsLast),
            LANEPOOL_CHANNELS_BLOCKED => Ok(Layout::Blocked(self.block)),
            other => Err(unknown("layout", other, LANEPOOL_CHANNELS_BLOCKED)),
        }
    }

    /// The strides, unless there are none.
    fn strides<const D: usize>(&self, layout: Layout, shape: Shape<D>) -> Option<Strides<D>> {
        let (batch, channels) = (self.batch_stride, self.channel_stride);
        let strides = Strides { batch, channels, spatial: first(self.input_stride) };
        let given = batch > 0 || channels > 0 || strides.spatial != [0; D];
        given.then(|| strides.filled(layout, shape))
    }

    fn padding<const D: usize>(&self) -> Result<Padding<D>, Failure> {
        match self.auto_pad {
            LANEPOOL_PAD_EXPLICIT => {
                Ok(Padding::Explicit { begin: first(self.pad_begin), end: first(self.pad_end) })
            }
            LANEPOOL_PAD_SAME_UPPER => Ok(Padding::SameUpper),
            LANEPOOL_PAD_SAME_LOWER => Ok(Padding::SameLower),
            LANEPOOL_PAD_VALID => Ok(Padding::Valid),
            other => Err(unknown("auto_pad", other, LANEPOOL_PAD_VALID)),
        }
    }

    /// The pooling with what is done to its results.
    fn activated<const D: usize>(&self, mut pool: Pool<D>) -> Result<Pool<D>, Failure> {
        if flag("clamp", self.clamp)? {
            pool = pool.clamp(self.clamp_min, self.clamp_max);
        }
        if flag("quantized", self.quantized)? {
            pool = pool.quantized(
                Quantization::new(self.input_scale, self.input_zero_point),
                Quantization::new(self.output_scale, self.output_zero_point),
            );
        }
        Ok(pool)
    }

    fn divisor(&self) -> Result<Divisor, Failure> {
        match self.divisor {
            LANEPOOL_EXCLUDE_PAD => Ok(Divisor::ExcludePad),
            LANEPOOL_INCLUDE_PAD => Ok(Divisor::IncludePad),
            LANEPOOL_FULL_WINDOW => Ok(Divisor::FullWindow),
            LANEPOOL_FIXED => Ok(Divisor::Fixed(self.fixed_divisor)),
            other => Err(unknown("divisor", other, LANEPOOL_FIXED)),
        }
    }

    fn nan_policy(&self) -> Result<NanPolicy, Failure> {
        match self.nan_policy {
            LANEPOOL_NAN_PROPAGATE => Ok(NanPolicy::Propagate),
            LANEPOOL_NAN_IGNORE => Ok(NanPolicy::Ignore),
            other => Err(unknown("nan_policy", other, LANEPOOL_NAN_IGNORE)),
        }
    }

    fn rounding(&self) -> Result<Rounding, Failure> {
        match self.rounding {
            LANEPOOL_HALF_AWAY_FROM_ZERO => Ok(Rounding::HalfAwayFromZero),
            LANEPOOL_HALF_EVEN => Ok(Rounding::HalfEven),
            LANEPOOL_HALF_UP => Ok(Rounding::HalfUp),
            LANEPOOL_TRUNCATE => Ok(Rounding::Truncate),
            other => Err(unknown("rounding", other, LANEPOOL_TRUNCATE)),
        }
    }

    /// The backend that it names.
    ///
    /// # Safety
    ///
    /// If `backend` is not null, it points to a string.
    pub(crate) unsafe fn backend(&self) -> Result<&'static Backend, Failure> {
        let backend = if self.backend.is_null() {
            Backend::best()
        } else {
            // SAFETY: it points to a string, as is said above.
            Backend::named(&unsafe { name(self.backend) }?)
        };
        Ok(backend.map_err(lanepool::Error::from)?)
    }

    fn pool<const D: usize>(&self) -> Result<Pool<D>, Failure> {
        let or_1 = |steps: [usize; 3]| first(steps.map(|step| if step == 0 { 1 } else { step }));
        let op = self.op()?;
        let pool = match self.mode {
            LANEPOOL_WINDOW => Pool::new(op, first(self.kernel))
                .stride(or_1(self.stride))
                .dilation(or_1(self.dilation))
                .pad(self.padding()?)
                .ceil_mode(flag("ceil_mode", self.ceil_mode)?),
            LANEPOOL_GLOBAL => Pool::global(op),
            LANEPOOL_ADAPTIVE => Pool::adaptive(op, first(self.kernel)),
            other => return Err(unknown("mode", other, LANEPOOL_ADAPTIVE)),
        };
        // Of other ops a divisor is ignored, a fixed one of 0 too.
        let divisor = self.divisor()?;
        let pool = if op == Op::Average { pool.divisor(divisor) } else { pool };
        self.activated(pool.nan_policy(self.nan_policy()?).rounding(self.rounding()?))
    }

    fn erased<const D: usize>(
        &self,
        backend: &'static Backend,
    ) -> Result<Box<dyn Erased>, Failure> {
        let (pool, layout) = (self.pool::<D>()?, self.layout()?);
        let shape = Shape::new(self.batch, self.channels, first(self.input));
        let input = (layout, shape, self.strides(layout, shape));
        erased(self.r#type, &pool, backend, input)
    }
}

impl lanepool_plan {
    pub(crate) fn new(desc: &lanepool_desc, backend: &'static Backend) -> Result<Self, Failure> {
        let erased = match desc.rank {
            1 => desc.erased::<1>(backend),
            2 => desc.erased::<2>(backend),
            3 => desc.erased::<3>(backend),
            other => Err(Failure::invalid(format!("rank: {other} is not one of 1 to 3"))),
        };
        Ok(Self { erased: erased? })
    }
}

/// A field that is 0 or 1.
fn flag(field: &str, value: u32) -> Result<bool, Failure> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(unknown(field, other, 1)),
    }
}

/// An error for a field with a value beyond its last.
pub(crate) fn unknown(field: &str, value: u32, last: u32) -> Failure {
    Failure::invalid(format!("{field}: {value} is not one of 0 to {last}"))
}

fn first<const D: usize>(values: [usize; 3]) -> [usize; D] {
    array::from_fn(|i| values[i])
}

/// A name that C wrote, if it ends.
///
/// # Safety
///
/// It points to a string.
unsafe fn name(start: *const c_char) -> Result<String, Failure> {
    let mut name = Vec::new();
    for i in 0..LONGEST {
        // SAFETY: the NUL that the string ends with has not come yet.
        let byte = unsafe { start.wrapping_add(i).cast::<u8>().read() };
        if byte == 0 {
            return Ok(String::from_utf8_lossy(&name).into_owned());
        }
        name.push(byte);
    }
    Err(Failure::invalid(format!("backend: a name of {LONGEST} bytes or more")))
}
