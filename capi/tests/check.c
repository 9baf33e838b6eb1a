/* The interface from C: what it promises, and what it says of everything that is wrong. Run under valgrind: all buffers and
 * descriptions are as long as is said, so that a byte too far is seen. Prints "check.c: N checks", and the number of bits.h. */
#include "bits.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names, values and field order are promises. */
_Static_assert(LANEPOOL_OK == 0 && LANEPOOL_INVALID == 1 && LANEPOOL_UNSUPPORTED == 2 && LANEPOOL_BUFFER == 3 &&
                   LANEPOOL_INTERNAL == 4, "lanepool_status");
_Static_assert(LANEPOOL_MAX == 0 && LANEPOOL_AVERAGE == 1 && LANEPOOL_MIN == 2 && LANEPOOL_SUM == 3 && LANEPOOL_LP == 4, "op");
_Static_assert(LANEPOOL_F32 == 0 && LANEPOOL_F64 == 1 && LANEPOOL_F16 == 2 && LANEPOOL_BF16 == 3 && LANEPOOL_I8 == 4 &&
                   LANEPOOL_U8 == 5 && LANEPOOL_I16 == 6 && LANEPOOL_U16 == 7 && LANEPOOL_I32 == 8 && LANEPOOL_U32 == 9 &&
                   LANEPOOL_I64 == 10, "type");
_Static_assert(LANEPOOL_CHANNELS_FIRST == 0 && LANEPOOL_CHANNELS_LAST == 1 && LANEPOOL_CHANNELS_BLOCKED == 2, "layout");
_Static_assert(LANEPOOL_WINDOW == 0 && LANEPOOL_GLOBAL == 1 && LANEPOOL_ADAPTIVE == 2, "mode");
_Static_assert(LANEPOOL_PAD_EXPLICIT == 0 && LANEPOOL_PAD_SAME_UPPER == 1 && LANEPOOL_PAD_SAME_LOWER == 2 &&
                   LANEPOOL_PAD_VALID == 3, "auto_pad");
_Static_assert(LANEPOOL_EXCLUDE_PAD == 0 && LANEPOOL_INCLUDE_PAD == 1 && LANEPOOL_FULL_WINDOW == 2 && LANEPOOL_FIXED == 3,
               "divisor");
_Static_assert(LANEPOOL_NAN_PROPAGATE == 0 && LANEPOOL_NAN_IGNORE == 1, "nan_policy");
_Static_assert(LANEPOOL_HALF_AWAY_FROM_ZERO == 0 && LANEPOOL_HALF_EVEN == 1 && LANEPOOL_HALF_UP == 2 &&
                   LANEPOOL_TRUNCATE == 3, "rounding");

/* FOLLOWS(A, B): nothing is between the fields, so both are where they were in the first version. */
#define FOLLOWS(a, b) \
    _Static_assert(offsetof(lanepool_desc, b) == offsetof(lanepool_desc, a) + sizeof((lanepool_desc *)0)->a, #b)
_Static_assert(offsetof(lanepool_desc, struct_size) == 0, "struct_size");
FOLLOWS(struct_size, op);
FOLLOWS(op, type);
FOLLOWS(type, layout);
FOLLOWS(layout, rank);
FOLLOWS(rank, mode);
FOLLOWS(mode, auto_pad);
FOLLOWS(auto_pad, ceil_mode);
FOLLOWS(ceil_mode, divisor);
FOLLOWS(divisor, nan_policy);
FOLLOWS(nan_policy, rounding);
FOLLOWS(rounding, batch);
FOLLOWS(batch, channels);
FOLLOWS(channels, input);
FOLLOWS(input, kernel);
FOLLOWS(kernel, stride);
FOLLOWS(stride, dilation);
FOLLOWS(dilation, pad_begin);
FOLLOWS(pad_begin, pad_end);
#if SIZE_MAX > 0xffffffff
FOLLOWS(pad_end, fixed_divisor);
FOLLOWS(fixed_divisor, lp_exponent);
FOLLOWS(lp_exponent, backend);
FOLLOWS(backend, block);
FOLLOWS(block, batch_stride);
FOLLOWS(batch_stride, channel_stride);
FOLLOWS(channel_stride, input_stride);
FOLLOWS(input_stride, clamp);
FOLLOWS(clamp, quantized);
FOLLOWS(quantized, clamp_min);
FOLLOWS(clamp_min, clamp_max);
FOLLOWS(clamp_max, input_scale);
FOLLOWS(input_scale, input_zero_point);
FOLLOWS(input_zero_point, output_scale);
FOLLOWS(output_scale, output_zero_point);
_Static_assert(sizeof(lanepool_desc) == 320, "lanepool_desc");
#endif

static int checks;

#define CHECK(condition) \
    do { \
        ++checks; \
        if (!(condition)) { \
            fprintf(stderr, "check.c:%d: %s; last error: \"%s\"\n", __LINE__, #condition, lanepool_last_error()); \
            exit(1); \
        } \
    } while (0)

/* CHECK_ERROR(STATUS, CALL, TEXT): CALL returns STATUS, and the message has TEXT in it. */
#define CHECK_ERROR(status, call, text) \
    do { \
        CHECK((call) == (status)); \
        CHECK(strstr(lanepool_last_error(), (text)) != NULL); \
    } while (0)

/* A 2x2 maximum of two channels of 3x4. */
static lanepool_desc small(void) {
    lanepool_desc desc = {0};
    desc.struct_size = sizeof desc;
    desc.rank = 2;
    desc.batch = 1;
    desc.channels = 2;
    desc.input[0] = 3;
    desc.input[1] = 4;
    desc.kernel[0] = desc.kernel[1] = 2;
    return desc;
}

static lanepool_plan *plan_of(const lanepool_desc *desc) {
    lanepool_plan *plan = NULL;
    CHECK(lanepool_plan_new(desc, &plan) == LANEPOOL_OK);
    CHECK(plan != NULL);
    CHECK(strcmp(lanepool_last_error(), "") == 0);
    return plan;
}

/* The description is not one, and no plan is made. */
static void refused(const lanepool_desc *desc, lanepool_status status, const char *text) {
    lanepool_plan *plan = (lanepool_plan *)&plan;
    CHECK_ERROR(status, lanepool_plan_new(desc, &plan), text);
    CHECK(plan == NULL);
}

static void *copy(const void *bytes, size_t size) {
    void *block = malloc(size);
    CHECK(block != NULL);
    memcpy(block, bytes, size);
    return block;
}

static void results(void) {
    lanepool_desc desc = small();
    lanepool_plan *plan = plan_of(&desc);
    size_t size[3] = {7, 7, 7};
    CHECK(lanepool_plan_output_size(plan, size) == LANEPOOL_OK);
    CHECK(size[0] == 2 && size[1] == 3 && size[2] == 7);
    CHECK(lanepool_plan_input_bytes(plan) == 24 * sizeof(float));
    CHECK(lanepool_plan_output_bytes(plan) == 12 * sizeof(float));
    CHECK(lanepool_plan_rows(plan) == 4);
    CHECK(lanepool_plan_row_bytes(plan) == 3 * sizeof(float));

    float *input = malloc(24 * sizeof *input), *output = malloc(12 * sizeof *output), *row = malloc(3 * sizeof *row);
    CHECK(input && output && row);
    for (int i = 0; i < 24; ++i)
        input[i] = (float)(i * 7 % 24);
    CHECK(lanepool_plan_run(plan, input, 96, output, 48, 1) == LANEPOOL_OK);
    for (int i = 0; i < 12; ++i) {
        const float *x = input + i / 6 * 12 + i / 3 % 2 * 4 + i % 3;
        float upper = x[0] > x[1] ? x[0] : x[1], lower = x[4] > x[5] ? x[4] : x[5];
        CHECK(output[i] == (upper > lower ? upper : lower));
    }
    for (size_t i = 0; i < 4; ++i) {
        CHECK(lanepool_plan_run_rows(plan, i, 1, input, 96, row, 12) == LANEPOOL_OK);
        CHECK(memcmp(row, output + 3 * i, 12) == 0);
    }
    CHECK(lanepool_plan_run_rows(plan, 4, 0, input, 96, NULL, 0) == LANEPOOL_OK);
    lanepool_plan_free(plan);

    desc.op = LANEPOOL_AVERAGE;
    desc.divisor = LANEPOOL_FIXED;
    desc.fixed_divisor = -2;
    plan = plan_of(&desc);
    CHECK(lanepool_plan_run(plan, input, 96, output, 48, 1) == LANEPOOL_OK);
    CHECK(output[0] == (input[0] + input[1] + input[4] + input[5]) / -2);
    lanepool_plan_free(plan);
    free(row);
    free(output);
    free(input);
}

/* Whatever does not apply is ignored: a fixed divisor of a maximum, values beyond `rank`, padding that is not explicit. */
static void ignored(void) {
    lanepool_desc desc = small();
    desc.divisor = LANEPOOL_FIXED;
    desc.input[2] = desc.kernel[2] = desc.dilation[2] = desc.pad_end[2] = SIZE_MAX;
    desc.auto_pad = LANEPOOL_PAD_SAME_UPPER;
    desc.pad_begin[0] = SIZE_MAX;
    desc.stride[0] = 2;
    desc.rounding = LANEPOOL_TRUNCATE;
    desc.lp_exponent = -1;
    size_t size[2];
    lanepool_plan *plan = plan_of(&desc);
    CHECK(lanepool_plan_output_size(plan, size) == LANEPOOL_OK);
    CHECK(size[0] == 2 && size[1] == 4);
    lanepool_plan_free(plan);
}

static void no_elements(void) {
    lanepool_desc desc = small();
    desc.batch = 0;
    lanepool_plan *plan = plan_of(&desc);
    CHECK(lanepool_plan_input_bytes(plan) == 0 && lanepool_plan_output_bytes(plan) == 0);
    CHECK(lanepool_plan_run(plan, NULL, 0, NULL, 0, 1) == LANEPOOL_OK);
    CHECK(lanepool_plan_run(plan, (void *)1, 0, (void *)1, 0, 0) == LANEPOOL_OK);
    lanepool_plan_free(plan);
}

static void descriptions(void) {
    lanepool_desc desc;
    lanepool_plan *plan;
    CHECK_ERROR(LANEPOOL_BUFFER, lanepool_plan_new(NULL, &plan), "desc is NULL");
    CHECK(plan == NULL);
    desc = small();
    CHECK_ERROR(LANEPOOL_BUFFER, lanepool_plan_new(&desc, NULL), "plan is NULL");
    char *bytes = malloc(sizeof desc + 1);
    CHECK(bytes != NULL);
    memcpy(bytes + 1, &desc, sizeof desc);
    refused((lanepool_desc *)(void *)(bytes + 1), LANEPOOL_BUFFER, "which is not a multiple of");
    CHECK_ERROR(LANEPOOL_BUFFER, lanepool_plan_new(&desc, (lanepool_plan **)(void *)(bytes + 1)), "plan is");
    free(bytes);

#define REFUSED(field, value, status, text) \
    do { \
        desc = small(); \
        desc.field = (value); \
        refused(&desc, LANEPOOL_##status, (text)); \
    } while (0)
    REFUSED(op, 5, INVALID, "op: 5 is not one of 0 to 4");
    REFUSED(op, UINT32_MAX, INVALID, "op: 4294967295");
    REFUSED(op, LANEPOOL_LP + 0x100, INVALID, "op: 260");
    REFUSED(type, 11, INVALID, "type: 11 is not one of 0 to 10");
    REFUSED(layout, 3, INVALID, "layout: 3 is not one of 0 to 2");
    REFUSED(rank, 0, INVALID, "rank: 0 is not one of 1 to 3");
    REFUSED(rank, 4, INVALID, "rank: 4 is not one of 1 to 3");
    REFUSED(mode, 3, INVALID, "mode: 3 is not one of 0 to 2");
    REFUSED(auto_pad, 4, INVALID, "auto_pad: 4 is not one of 0 to 3");
    REFUSED(ceil_mode, 2, INVALID, "ceil_mode: 2 is not one of 0 to 1");
    REFUSED(divisor, 4, INVALID, "divisor: 4 is not one of 0 to 3");
    REFUSED(nan_policy, 2, INVALID, "nan_policy: 2 is not one of 0 to 1");
    REFUSED(rounding, 4, INVALID, "rounding: 4 is not one of 0 to 3");
    REFUSED(clamp, 2, INVALID, "clamp: 2 is not one of 0 to 1");
    REFUSED(quantized, 2, INVALID, "quantized: 2 is not one of 0 to 1");
    REFUSED(quantized, 1, UNSUPPORTED, "quantised f32: ");
    REFUSED(kernel[0], 0, INVALID, "height: a kernel of 0");
    REFUSED(input[1], 0, INVALID, "width: an input of 0 elements");
    REFUSED(kernel[1], 5, INVALID,
            "width: a kernel of 5 with dilation 1 spans 5 elements, but the padded input has 4 (0 + 4 + 0)");
    REFUSED(dilation[0], SIZE_MAX, INVALID, "height: an input of 3, a kernel of 2, a stride of 1, a dilation of 1844");
    REFUSED(pad_end[0], SIZE_MAX, INVALID, "height: an input of 3");
    REFUSED(batch, SIZE_MAX, INVALID, "is too large");
    REFUSED(channels, SIZE_MAX / 48, INVALID, "is too large");
    REFUSED(backend, "avx3", UNSUPPORTED, "there is no backend \"avx3\"; to be had here: ");
    REFUSED(backend, "", UNSUPPORTED, "there is no backend \"\"");
    REFUSED(backend, "\xff\n", UNSUPPORTED, "there is no backend");
    REFUSED(backend, "0123456789012345678901234567890123456789012345678901234567890123", INVALID,
            "backend: a name of 64 bytes or more");
    desc = small();
    desc.op = LANEPOOL_AVERAGE;
    desc.divisor = LANEPOOL_FIXED;
    refused(&desc, LANEPOOL_INVALID, "a fixed divisor of 0");
}

/* Descriptions of other versions, in blocks of just their size. */
static void sizes(void) {
    lanepool_desc desc = small();
    for (size_t size = 0; size <= 1100; ++size) {
        size_t room = size < sizeof(size_t) ? sizeof(size_t) : size;
        char *block = calloc(1, room);
        CHECK(block != NULL);
        memcpy(block, &desc, room < sizeof desc ? room : sizeof desc);
        memcpy(block, &size, sizeof size);
        lanepool_plan *plan;
        lanepool_status status = lanepool_plan_new((lanepool_desc *)(void *)block, &plan);
        char text[64];
        snprintf(text, sizeof text, "struct_size: %zu is not", size);
        if (size % alignof(lanepool_desc) != 0 || size < offsetof(lanepool_desc, kernel) || size > 1024) {
            CHECK(status == LANEPOOL_INVALID && strstr(lanepool_last_error(), text) != NULL);
        } else if (size < offsetof(lanepool_desc, kernel[2])) {
            CHECK(status == LANEPOOL_INVALID && strstr(lanepool_last_error(), "a kernel of 0") != NULL);
        } else {
            CHECK(status == LANEPOOL_OK);
            lanepool_plan_free(plan);
        }
        if (status == LANEPOOL_OK && size > sizeof desc) {
            block[size - 1] = 1;
            CHECK_ERROR(LANEPOOL_UNSUPPORTED, lanepool_plan_new((lanepool_desc *)(void *)block, &plan), "is not 0");
        }
        free(block);
    }
    size_t huge[] = {SIZE_MAX, SIZE_MAX - 7, SIZE_MAX / 2 + 1, 4096};
    for (size_t i = 0; i < sizeof huge / sizeof *huge; ++i) {
        desc.struct_size = huge[i];
        refused(&desc, LANEPOOL_INVALID, "struct_size");
    }
}

/* The maxima of each two by two of a plane whose lines are `stride` apart, and end with what would win. */
static void views(void) {
    lanepool_desc desc = small();
    for (size_t stride = 4; stride < 8; ++stride) {
        desc.input_stride[0] = stride;
        lanepool_plan *plan = plan_of(&desc);
        size_t count = 5 * stride + 4;
        CHECK(lanepool_plan_input_bytes(plan) == count * sizeof(float));
        float *input = malloc(count * sizeof *input), output[12];
        CHECK(input != NULL);
        for (size_t i = 0; i < count; ++i)
            input[i] = i % stride < 4 ? (float)(i % 7) : 100.0f;
        CHECK(lanepool_plan_run(plan, input, count * sizeof *input, output, sizeof output, 1) == LANEPOOL_OK);
        for (size_t i = 0; i < 12; ++i) {
            const float *x = input + (i / 6 * 3 + i / 3 % 2) * stride + i % 3, *y = x + stride;
            float upper = x[0] > x[1] ? x[0] : x[1], lower = y[0] > y[1] ? y[0] : y[1];
            CHECK(output[i] == (upper > lower ? upper : lower));
        }
        CHECK_ERROR(LANEPOOL_BUFFER, lanepool_plan_run(plan, input, 92, output, sizeof output, 1), "the input has 92 bytes");
        free(input);
        lanepool_plan_free(plan);
    }
    desc = small();
    desc.batch = 2;
    desc.channel_stride = 100;
    lanepool_plan *plan = plan_of(&desc);
    CHECK(lanepool_plan_input_bytes(plan) == (200 + 100 + 12) * sizeof(float));
    lanepool_plan_free(plan);
    desc.batch_stride = 1000;
    plan = plan_of(&desc);
    CHECK(lanepool_plan_input_bytes(plan) == (1000 + 100 + 12) * sizeof(float));
    lanepool_plan_free(plan);
    desc.batch_stride = SIZE_MAX / 8;
    refused(&desc, LANEPOOL_INVALID, "batch: 2 with a stride of");
    desc.batch_stride = 0;
    desc.layout = LANEPOOL_CHANNELS_LAST;
    refused(&desc, LANEPOOL_INVALID, "channels: a stride of 100");

    desc = small();
    desc.layout = LANEPOOL_CHANNELS_BLOCKED;
    refused(&desc, LANEPOOL_INVALID, "blocks of 0 channels");
    desc.block = 8;
    plan = plan_of(&desc);
    CHECK(lanepool_plan_input_bytes(plan) == 12 * 8 * sizeof(float));
    CHECK(lanepool_plan_rows(plan) == 2 && lanepool_plan_row_bytes(plan) == 3 * 8 * sizeof(float));
    float blocks[96], output[48];
    for (int i = 0; i < 96; ++i)
        blocks[i] = (float)i;
    CHECK(lanepool_plan_run(plan, blocks, sizeof blocks, output, sizeof output, 1) == LANEPOOL_OK);
    for (int i = 0; i < 48; ++i)
        CHECK(output[i] == blocks[(i / 24 + 1) * 32 + (i / 8 % 3 + 1) * 8 + i % 8]);
    lanepool_plan_free(plan);
}

/* Bytes that stand for steps of 0.5 from 128 on, between -1 and 6 in steps of 0.25 from 100 on. */
static void activations(void) {
    lanepool_desc desc = small();
    desc.type = LANEPOOL_U8;
    desc.clamp = desc.quantized = 1;
    desc.clamp_min = -1;
    desc.clamp_max = 6;
    desc.input_scale = 0.5f;
    desc.input_zero_point = 128;
    desc.output_scale = 0.25f;
    desc.output_zero_point = 100;
    lanepool_plan *plan = plan_of(&desc);
    uint8_t input[24], output[12];
    for (int i = 0; i < 24; ++i)
        input[i] = (uint8_t)(120 + i);
    CHECK(lanepool_plan_run(plan, input, sizeof input, output, sizeof output, 1) == LANEPOOL_OK);
    for (int i = 0; i < 12; ++i) {
        /* The last one of its window. */
        int real_quarters = 2 * (input[i / 6 * 12 + (i / 3 % 2 + 1) * 4 + i % 3 + 1] - 128);
        CHECK(output[i] == 100 + (real_quarters < -4 ? -4 : real_quarters > 24 ? 24 : real_quarters));
    }
    lanepool_plan_free(plan);
    desc.input_zero_point = -1;
    refused(&desc, LANEPOOL_INVALID, "input: a zero point of -1, which no u8 is");
    desc.input_zero_point = 0;
    desc.output_scale = -0.25f;
    refused(&desc, LANEPOOL_INVALID, "output: a scale of -0.25");
    desc = small();
    desc.clamp = 1;
    desc.clamp_min = 1;
    refused(&desc, LANEPOOL_INVALID, "a clamp from 1 to 0, which nothing is between");
    /* What a program of an earlier version leaves behind its description. */
    desc.struct_size = offsetof(lanepool_desc, clamp);
    lanepool_plan_free(plan_of(&desc));
}

static void buffers(void) {
    lanepool_desc desc = small();
    lanepool_plan *plan = plan_of(&desc);
    size_t in = 96, out = 48;
    char *input = calloc(1, in + 4), *output = malloc(out + 4), untouched[52];
    CHECK(input && output);
    memset(untouched, 0x5a, sizeof untouched);
    memset(output, 0x5a, sizeof untouched);

#define FAILS(status, call, text) \
    do { \
        CHECK_ERROR(LANEPOOL_##status, call, text); \
        CHECK(memcmp(output, untouched, sizeof untouched) == 0); \
    } while (0)
    FAILS(BUFFER, lanepool_plan_run(NULL, input, in, output, out, 1), "plan is NULL");
    FAILS(BUFFER, lanepool_plan_run((lanepool_plan *)1, input, in, output, out, 1), "plan is 0x1, which is not");
    for (uint32_t threads = 0; threads < 3; ++threads) {
        FAILS(BUFFER, lanepool_plan_run(plan, NULL, in, output, out, threads), "input is NULL");
        FAILS(BUFFER, lanepool_plan_run(plan, input, in, NULL, out, threads), "output is NULL");
        FAILS(BUFFER, lanepool_plan_run(plan, input, 95, output, out, threads), "the input has 95 bytes, but the plan needs 96");
        FAILS(BUFFER, lanepool_plan_run(plan, input, 0, output, out, threads), "the input has 0 bytes");
        FAILS(BUFFER, lanepool_plan_run(plan, input, SIZE_MAX, output, out, threads), "the input has 18446744073709551615");
        FAILS(BUFFER, lanepool_plan_run(plan, input, in, output, 52, threads), "the output has 52 bytes, but the plan needs 48");
        FAILS(BUFFER, lanepool_plan_run(plan, input, in, output, SIZE_MAX, threads), "the output has");
        for (int i = 1; i < 4; ++i) {
            FAILS(BUFFER, lanepool_plan_run(plan, input + i, in, output, out, threads), "which is not a multiple of 4");
            FAILS(BUFFER, lanepool_plan_run(plan, input, in, output + i, out, threads), "the output starts at");
        }
        FAILS(BUFFER, lanepool_plan_run(plan, (void *)(SIZE_MAX - 3), in, output, out, threads), "beyond the address space");
    }
    FAILS(BUFFER, lanepool_plan_run_rows(NULL, 0, 1, input, in, output, 12), "plan is NULL");
    FAILS(BUFFER, lanepool_plan_run_rows(plan, 0, 1, input, in, output, out), "the output has 48 bytes, but the plan needs 12");
    FAILS(BUFFER, lanepool_plan_run_rows(plan, 0, 1, NULL, in, output, 12), "input is NULL");
    FAILS(INVALID, lanepool_plan_run_rows(plan, 4, 1, input, in, output, 12), "rows 4 to 5 of an output of 4 rows");
    FAILS(INVALID, lanepool_plan_run_rows(plan, 5, 0, input, in, output, 0), "rows 5 to 5");
    FAILS(INVALID, lanepool_plan_run_rows(plan, SIZE_MAX, SIZE_MAX, input, in, output, 12), "of an output of 4 rows");
    FAILS(BUFFER, lanepool_plan_output_size(plan, NULL), "size is NULL");
    FAILS(BUFFER, lanepool_plan_output_size(plan, (size_t *)(void *)(output + 1)), "size is 0x");
    FAILS(BUFFER, lanepool_plan_output_size(NULL, (size_t *)(void *)output), "plan is NULL");
    free(output);
    free(input);

    /* One block for both: they may touch, and not share a byte. */
    char *both = calloc(1, in + out);
    CHECK(both != NULL);
    CHECK(lanepool_plan_run(plan, both, in, both + in, out, 1) == LANEPOOL_OK);
    CHECK(lanepool_plan_run(plan, both + out, in, both, out, 1) == LANEPOOL_OK);
    CHECK_ERROR(LANEPOOL_BUFFER, lanepool_plan_run(plan, both, in, both + in - 4, out, 1), "overlap");
    CHECK_ERROR(LANEPOOL_BUFFER, lanepool_plan_run(plan, both, in, both, out, 1), "overlap");
    CHECK_ERROR(LANEPOOL_BUFFER, lanepool_plan_run(plan, both + out - 4, in, both, out, 1), "overlap");
    free(both);

    CHECK(lanepool_plan_input_bytes(NULL) == 0 && lanepool_plan_output_bytes(NULL) == 0);
    CHECK(lanepool_plan_rows(NULL) == 0 && lanepool_plan_row_bytes(NULL) == 0);
    CHECK(lanepool_plan_backend(NULL) == NULL);
    lanepool_plan_free(NULL);
    lanepool_plan_free((lanepool_plan *)1);
    lanepool_plan_free(plan);
}

static void backends(void) {
    size_t count = lanepool_backend_count(), supported = 0;
    CHECK(count >= 3);
    CHECK(lanepool_backend_name(count) == NULL && lanepool_backend_name(SIZE_MAX) == NULL);
    CHECK(!lanepool_backend_supported(count) && !lanepool_backend_supported(SIZE_MAX));
    CHECK(strcmp(lanepool_backend_name(count - 1), "reference") == 0 && lanepool_backend_supported(count - 1));
    for (size_t i = 0; i < count; ++i) {
        lanepool_desc desc = small();
        desc.backend = copy(lanepool_backend_name(i), strlen(lanepool_backend_name(i)) + 1);
        if (lanepool_backend_supported(i)) {
            lanepool_plan *plan = plan_of(&desc);
            CHECK(lanepool_plan_backend(plan) == lanepool_backend_name(i));
            lanepool_plan_free(plan);
            ++supported;
        } else {
            refused(&desc, LANEPOOL_UNSUPPORTED, "which this CPU lacks");
        }
        free((void *)desc.backend);
    }
    CHECK(supported >= 3);
}

static void names(void) {
    CHECK(strcmp(lanepool_status_name(LANEPOOL_OK), "LANEPOOL_OK") == 0);
    CHECK(strcmp(lanepool_status_name(LANEPOOL_INTERNAL), "LANEPOOL_INTERNAL") == 0);
    CHECK(strcmp(lanepool_status_name(5), "unknown") == 0 && strcmp(lanepool_status_name(-1), "unknown") == 0);
    CHECK(strchr(lanepool_version(), '.') != NULL);
}

/* Large enough to be split. */
static void threads(void) {
    lanepool_desc desc = small();
    desc.channels = 7;
    desc.input[0] = 331;
    desc.input[1] = 509;
    desc.layout = LANEPOOL_CHANNELS_LAST;
    desc.op = LANEPOOL_AVERAGE;
    lanepool_plan *plan = plan_of(&desc);
    size_t in = lanepool_plan_input_bytes(plan), out = lanepool_plan_output_bytes(plan);
    CHECK(in + out > 6 << 20);
    float *input = malloc(in);
    char *want = malloc(out), *got = malloc(out);
    CHECK(input && want && got);
    for (size_t i = 0; i < in / sizeof *input; ++i)
        input[i] = (float)(i * 2654435761u % 1009) / 7;
    CHECK(lanepool_plan_run(plan, input, in, want, out, 1) == LANEPOOL_OK);
    uint32_t counts[] = {0, 2, 3, 1000, UINT32_MAX};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i) {
        memset(got, 0x5a, out);
        CHECK(lanepool_plan_run(plan, input, in, got, out, counts[i]) == LANEPOOL_OK);
        CHECK(memcmp(got, want, out) == 0);
    }
    free(got);
    free(want);
    free(input);
    lanepool_plan_free(plan);
}

/* Runs the plan, and leaves a message that is this thread's only. */
static void *other_thread(void *plan) {
    float input[24] = {0}, output[12];
    const char *right = "";
    if (*lanepool_last_error() != '\0')
        return NULL;
    for (int i = 0; i < 100; ++i)
        if (lanepool_plan_run(plan, input, sizeof input, output, sizeof output, 1) != LANEPOOL_OK)
            return NULL;
    if (lanepool_plan_new(NULL, NULL) != LANEPOOL_BUFFER || !strstr(lanepool_last_error(), "plan is NULL"))
        return NULL;
    return (void *)right;
}

static void many_threads_at_once(void) {
    lanepool_desc desc = small();
    lanepool_plan *plan = plan_of(&desc);
    CHECK_ERROR(LANEPOOL_BUFFER, lanepool_plan_run(plan, NULL, 96, NULL, 48, 1), "input is NULL");
    pthread_t others[4];
    for (int i = 0; i < 4; ++i)
        CHECK(pthread_create(&others[i], NULL, other_thread, plan) == 0);
    for (int i = 0; i < 4; ++i) {
        void *right;
        CHECK(pthread_join(others[i], &right) == 0);
        CHECK(right != NULL);
    }
    CHECK(strcmp(lanepool_last_error(), "input is NULL") == 0);
    lanepool_plan_free(plan);
}

int main(void) {
    CHECK(strcmp(lanepool_last_error(), "") == 0);
    results();
    ignored();
    no_elements();
    descriptions();
    sizes();
    views();
    activations();
    buffers();
    backends();
    names();
    threads();
    many_threads_at_once();
    printf("bits: %016" PRIx64 "\n", bits_of_all());
    printf("check.c: %d checks\n", checks);
    return 0;
}
