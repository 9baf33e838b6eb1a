/* lanepool.h: SIMD pooling for CPUs, dispatched at run time. Made by cbindgen from the sources of lanepool-capi;
 * ci/capi --header makes it anew.
 *
 * Describe a pooling and its tensor in a lanepool_desc, make a plan of it, and run that as often as you like:
 * capi/examples/pool.c. Whatever goes wrong is a status, and lanepool_last_error() says what.
 *
 * No function trusts its arguments: values that there are not, null and misaligned pointers and lengths that do not fit
 * are errors. What no function can know is whether memory is there. So callers see to it that a pointer that is not null
 * points to as much as is said, that a plan is one of lanepool_plan_new() that has not been freed, and that a string ends.
 *
 * Any thread may call any function. A child of fork() has none of the threads that its parent started here: it runs plans
 * with `threads` 1. */

#ifndef LANEPOOL_H
#define LANEPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * `op`: the largest element of a window.
 */
#define LANEPOOL_MAX 0

/**
 * `op`: the sum over the divisor.
 */
#define LANEPOOL_AVERAGE 1

/**
 * `op`: the smallest element.
 */
#define LANEPOOL_MIN 2

/**
 * `op`: the sum.
 */
#define LANEPOOL_SUM 3

/**
 * `op`: the root of the sum of powers, (Σ|x|^p)^(1/p), where p is `lp_exponent`.
 */
#define LANEPOOL_LP 4

/**
 * `type`: float.
 */
#define LANEPOOL_F32 0

/**
 * `type`: double.
 */
#define LANEPOOL_F64 1

/**
 * `type`: IEEE 754 binary16.
 */
#define LANEPOOL_F16 2

/**
 * `type`: bfloat16, the upper half of a float.
 */
#define LANEPOOL_BF16 3

/**
 * `type`: int8_t.
 */
#define LANEPOOL_I8 4

/**
 * `type`: uint8_t.
 */
#define LANEPOOL_U8 5

/**
 * `type`: int16_t.
 */
#define LANEPOOL_I16 6

/**
 * `type`: uint16_t.
 */
#define LANEPOOL_U16 7

/**
 * `type`: int32_t.
 */
#define LANEPOOL_I32 8

/**
 * `type`: uint32_t.
 */
#define LANEPOOL_U32 9

/**
 * `type`: int64_t.
 */
#define LANEPOOL_I64 10

/**
 * `layout`: N C [D] [H] W.
 */
#define LANEPOOL_CHANNELS_FIRST 0

/**
 * `layout`: N [D] [H] W C.
 */
#define LANEPOOL_CHANNELS_LAST 1

/**
 * `layout`: N C/c [D] [H] W c, where c is `block`. The last block has all of its channels in memory,
 * also if `channels` is less; the others are pooled like these.
 */
#define LANEPOOL_CHANNELS_BLOCKED 2

/**
 * `mode`: a window of `kernel` taps every `stride` elements.
 */
#define LANEPOOL_WINDOW 0

/**
 * `mode`: one window, all of the input. `kernel`, `stride`, `dilation` and padding are ignored.
 */
#define LANEPOOL_GLOBAL 1

/**
 * `mode`: as many windows as `kernel` says, which split the input evenly. `stride`, `dilation` and
 * padding are ignored.
 */
#define LANEPOOL_ADAPTIVE 2

/**
 * `auto_pad`: `pad_begin` and `pad_end`.
 */
#define LANEPOOL_PAD_EXPLICIT 0

/**
 * `auto_pad`: what gives ⌈input / stride⌉ windows, an odd one at the end.
 */
#define LANEPOOL_PAD_SAME_UPPER 1

/**
 * `auto_pad`: the same, with an odd one at the beginning.
 */
#define LANEPOOL_PAD_SAME_LOWER 2

/**
 * `auto_pad`: none.
 */
#define LANEPOOL_PAD_VALID 3

/**
 * `divisor`: the number of taps inside the input.
 */
#define LANEPOOL_EXCLUDE_PAD 0

/**
 * `divisor`: the number of taps inside the padded input.
 */
#define LANEPOOL_INCLUDE_PAD 1

/**
 * `divisor`: the taps of the kernel.
 */
#define LANEPOOL_FULL_WINDOW 2

/**
 * `divisor`: `fixed_divisor`.
 */
#define LANEPOOL_FIXED 3

/**
 * `nan_policy`: a window with a NaN gives NaN.
 */
#define LANEPOOL_NAN_PROPAGATE 0

/**
 * `nan_policy`: NaNs count as absent.
 */
#define LANEPOOL_NAN_IGNORE 1

/**
 * `rounding`: to nearest, a half away from zero.
 */
#define LANEPOOL_HALF_AWAY_FROM_ZERO 0

/**
 * `rounding`: to nearest, a half to even.
 */
#define LANEPOOL_HALF_EVEN 1

/**
 * `rounding`: to nearest, a half up.
 */
#define LANEPOOL_HALF_UP 2

/**
 * `rounding`: towards zero.
 */
#define LANEPOOL_TRUNCATE 3

/**
 * How a call went.
 */
typedef enum lanepool_status {
    /**
     * Well.
     */
    LANEPOOL_OK = 0,
    /**
     * The description contradicts itself, a field has a value that there is not, or a size
     * overflows.
     */
    LANEPOOL_INVALID = 1,
    /**
     * Sensible, but not offered: this op for this type, this backend on this CPU, a field of a
     * later version.
     */
    LANEPOOL_UNSUPPORTED = 2,
    /**
     * A null or misaligned pointer, buffers that overlap, or a length that does not fit the plan.
     */
    LANEPOOL_BUFFER = 3,
    /**
     * A bug: a panic was caught at the boundary.
     */
    LANEPOOL_INTERNAL = 4,
} lanepool_status;

/**
 * A pooling of tensors of one description: checked, never changed, and run as often as you like.
 */
typedef struct lanepool_plan lanepool_plan;

/**
 * A pooling and the tensor that it applies to. Zero the struct, set struct_size, fill in what you
 * need.
 *
 * Arrays hold `rank` values, outermost axis first (depth, height, width); the rest is ignored. A
 * field of type uint32_t has one of the values that are named after it, also where it has no
 * effect: another is LANEPOOL_INVALID.
 */
typedef struct lanepool_desc {
    /**
     * sizeof(lanepool_desc). Smaller ones, of earlier versions, are as if the fields that they
     * lack were 0; they end after `input` or later. Larger ones, of later versions, are
     * LANEPOOL_UNSUPPORTED unless what is unknown here is 0.
     */
    size_t struct_size;
    /**
     * LANEPOOL_MAX, LANEPOOL_AVERAGE, LANEPOOL_MIN, LANEPOOL_SUM or LANEPOOL_LP.
     */
    uint32_t op;
    /**
     * Of input and output elements: LANEPOOL_F32 to LANEPOOL_I64. Maxima and minima are
     * for all of them, averages and sums for all but LANEPOOL_U32 and LANEPOOL_I64, norms for the
     * first four.
     */
    uint32_t type;
    /**
     * LANEPOOL_CHANNELS_FIRST, LANEPOOL_CHANNELS_LAST or LANEPOOL_CHANNELS_BLOCKED; without gaps, but
     * for those of `batch_stride`, `channel_stride` and `input_stride`.
     */
    uint32_t layout;
    /**
     * Spatial axes, 1 to 3.
     */
    uint32_t rank;
    /**
     * LANEPOOL_WINDOW, LANEPOOL_GLOBAL or LANEPOOL_ADAPTIVE.
     */
    uint32_t mode;
    /**
     * LANEPOOL_PAD_EXPLICIT, LANEPOOL_PAD_SAME_UPPER, LANEPOOL_PAD_SAME_LOWER or
     * LANEPOOL_PAD_VALID.
     */
    uint32_t auto_pad;
    /**
     * 0 or 1. With 1 a last window counts that reaches beyond the padded input, if it starts
     * inside the input or the padding before it. Without effect unless `auto_pad` is
     * LANEPOOL_PAD_EXPLICIT.
     */
    uint32_t ceil_mode;
    /**
     * LANEPOOL_EXCLUDE_PAD, LANEPOOL_INCLUDE_PAD, LANEPOOL_FULL_WINDOW or LANEPOOL_FIXED. Averages
     * only.
     */
    uint32_t divisor;
    /**
     * LANEPOOL_NAN_PROPAGATE or LANEPOOL_NAN_IGNORE. Maxima and minima only.
     */
    uint32_t nan_policy;
    /**
     * LANEPOOL_HALF_AWAY_FROM_ZERO, LANEPOOL_HALF_EVEN, LANEPOOL_HALF_UP or LANEPOOL_TRUNCATE.
     * Averages of integers only.
     */
    uint32_t rounding;
    /**
     * Tensors that are pooled alike; may be 0.
     */
    size_t batch;
    /**
     * Channels, which are pooled independently; may be 0.
     */
    size_t channels;
    /**
     * Elements along each axis.
     */
    size_t input[3];
    /**
     * Taps of a window; with LANEPOOL_ADAPTIVE the output size.
     */
    size_t kernel[3];
    /**
     * Elements from one window to the next. 0 means 1.
     */
    size_t stride[3];
    /**
     * Elements from one tap to the next. 0 means 1.
     */
    size_t dilation[3];
    /**
     * Absent elements before the input. Ignored unless `auto_pad` is LANEPOOL_PAD_EXPLICIT, as
     * pad_end is.
     */
    size_t pad_begin[3];
    /**
     * Absent elements after the input.
     */
    size_t pad_end[3];
    /**
     * With LANEPOOL_FIXED: any but 0.
     */
    int64_t fixed_divisor;
    /**
     * With LANEPOOL_LP: > 0, INFINITY allowed.
     */
    double lp_exponent;
    /**
     * NULL: the best that this CPU supports, or the one that the environment variable
     * LANEPOOL_BACKEND names. Otherwise its name, which need not outlive the call.
     */
    const char *backend;
    /**
     * With LANEPOOL_CHANNELS_BLOCKED: channels of a block, any but 0.
     */
    size_t block;
    /**
     * Elements of the input from one tensor of the batch to the next. 0, here and below, means no gap
     * after what is inside, which has gaps of its own if it is told so.
     */
    size_t batch_stride;
    /**
     * Elements of the input from one channel to the next, or from one block to the next; in channels
     * last 0 or 1.
     */
    size_t channel_stride;
    /**
     * Elements of the input from one to the next along each axis: slices, lines and columns. In
     * channels first it is fast if the last one is 0 or 1.
     */
    size_t input_stride[3];
    /**
     * 0 or 1. With 1 results lie between `clamp_min` and `clamp_max`: 0 and INFINITY are ReLU, 0 and 6 ReLU6.
     */
    uint32_t clamp;
    /**
     * 0 or 1. With 1 an integer q of the input stands for (q - input_zero_point) * input_scale, one of
     * the output likewise, and padding that the divisor counts for 0. For LANEPOOL_I8 to LANEPOOL_I32.
     */
    uint32_t quantized;
    /**
     * With `clamp`: the number nearest to it in `type` is the least result, of integers halves away from
     * zero; with `quantized` it is what integers stand for. -INFINITY allowed.
     */
    double clamp_min;
    /**
     * The greatest result, not less than `clamp_min`. INFINITY allowed.
     */
    double clamp_max;
    /**
     * With `quantized`: > 0, finite.
     */
    float input_scale;
    /**
     * With `quantized`: a value of `type`.
     */
    int32_t input_zero_point;
    /**
     * With `quantized`: > 0, finite.
     */
    float output_scale;
    /**
     * With `quantized`: a value of `type`.
     */
    int32_t output_zero_point;
} lanepool_desc;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Checks a description and makes a plan of it. On error `*plan` is NULL, and lanepool_last_error()
 * says which field is wrong and why.
 */
enum lanepool_status lanepool_plan_new(const struct lanepool_desc *desc,
                                       struct lanepool_plan **plan);

/**
 * Frees a plan that no thread runs any more. NULL is nothing to free.
 */
void lanepool_plan_free(struct lanepool_plan *plan);

/**
 * The spatial size of the output: writes `rank` values, outermost axis first. Batch and channels
 * are the input's.
 */
enum lanepool_status lanepool_plan_output_size(const struct lanepool_plan *plan, size_t *size);

/**
 * The name of the backend whose kernel runs; valid for ever. NULL if `plan` is NULL.
 */
const char *lanepool_plan_backend(const struct lanepool_plan *plan);

/**
 * Pools. A plan may be run from many threads at once.
 *
 * Lengths are in bytes and must be exactly the plan's: lanepool_plan_input_bytes() and
 * lanepool_plan_output_bytes(). Both pointers are aligned as their elements are; one to 0 bytes may
 * be NULL. Input and output must not overlap. On error nothing is written.
 *
 * `threads`: 1 is this thread only, n is at most n, 0 is all cores. There are never more than cores
 * nor more than have enough to do: with less than 1.25 MiB of input and output it is this thread only.
 * Others are started by the first run that needs them, and kept for later ones, those of the four
 * numbers of threads that were used last. The output has the same bits for any number.
 */
enum lanepool_status lanepool_plan_run(const struct lanepool_plan *plan,
                                       const void *input,
                                       size_t input_bytes,
                                       void *output,
                                       size_t output_bytes,
                                       uint32_t threads);

/**
 * The bytes of the input; with strides those from its first element to its last, with what is between
 * them. 0 if `plan` is NULL.
 */
size_t lanepool_plan_input_bytes(const struct lanepool_plan *plan);

/**
 * The bytes of the output; 0 if `plan` is NULL.
 */
size_t lanepool_plan_output_bytes(const struct lanepool_plan *plan);

/**
 * The rows of the output: one for each batch, channel (in channels first) or block of channels, depth
 * and height. 0 if `plan` is NULL.
 */
size_t lanepool_plan_rows(const struct lanepool_plan *plan);

/**
 * The bytes of a row of the output: of the width, in channels last times the channels, in blocks times
 * those of a block. 0 if `plan` is NULL.
 */
size_t lanepool_plan_row_bytes(const struct lanepool_plan *plan);

/**
 * Pools `count` rows of the output from row `first` on, in this thread, for callers with threads
 * of their own.
 *
 * As lanepool_plan_run(), but `output` holds these rows only: `count` times
 * lanepool_plan_row_bytes(). `input` is all of it. Rows that there are not are LANEPOOL_INVALID.
 */
enum lanepool_status lanepool_plan_run_rows(const struct lanepool_plan *plan,
                                            size_t first,
                                            size_t count,
                                            const void *input,
                                            size_t input_bytes,
                                            void *output,
                                            size_t output_bytes);

/**
 * How many backends are compiled in.
 */
size_t lanepool_backend_count(void);

/**
 * The name of a backend, the fastest first; valid for ever. NULL past the end.
 */
const char *lanepool_backend_name(size_t index);

/**
 * Whether this CPU can run a backend. false past the end.
 */
bool lanepool_backend_supported(size_t index);

/**
 * Why the last call of this thread that returned a status returned another than LANEPOOL_OK; "" if
 * it returned that, or if there was none. Valid until the next call of this thread that returns a
 * status.
 */
const char *lanepool_last_error(void);

/**
 * The name of a status, "LANEPOOL_OK" for example; "unknown" if there is no such status. Valid for
 * ever.
 */
const char *lanepool_status_name(int32_t status);

/**
 * The version of the library, "0.1.0" for example; valid for ever.
 */
const char *lanepool_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* LANEPOOL_H */
