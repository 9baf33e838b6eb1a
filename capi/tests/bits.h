/* One number over what poolings of many kinds compute, for check.c and check.cpp; numpy_check.py and the test of the Rust
 * face in src/tests.rs have the same loops, and ci/capi compares. */
#include <lanepool.h>
#include <stdlib.h>
#include <string.h>

/* Exact in every language: numbers of 24 bits times a power of two, or bytes. */
static void bits_fill(void *input, size_t bytes, uint32_t type) {
    uint32_t x = 1;
    for (size_t i = 0; i < bytes; i += type == LANEPOOL_F32 ? sizeof(float) : 1) {
        x = x * 1664525u + 1013904223u;
        float number = (float)((int32_t)(x >> 8) - (1 << 23)) / 65536.0f;
        unsigned char byte = (unsigned char)(x >> 24);
        if (type == LANEPOOL_F32)
            memcpy((char *)input + i, &number, sizeof number);
        else
            memcpy((char *)input + i, &byte, 1);
    }
}

/* FNV-1a over the bytes of all outputs; 0 if something fails. */
static uint64_t bits_of_all(void) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (uint32_t i = 0; i < 5 * 2 * 2 * 2 * 2; ++i) {
        lanepool_desc desc;
        memset(&desc, 0, sizeof desc);
        desc.struct_size = sizeof desc;
        desc.op = i % 5;
        desc.type = i / 5 % 2 ? LANEPOOL_U8 : LANEPOOL_F32;
        desc.layout = i / 10 % 2;
        desc.rank = 2;
        desc.batch = 2;
        desc.channels = 9;
        desc.input[0] = 23;
        desc.input[1] = 37;
        desc.kernel[0] = 3 + i / 20 % 2 * 2;
        desc.kernel[1] = 3;
        desc.stride[0] = desc.stride[1] = 1 + i / 40 % 2;
        desc.pad_begin[0] = desc.pad_begin[1] = desc.pad_end[1] = 1;
        desc.lp_exponent = 2;
        if (desc.op == LANEPOOL_LP && desc.type == LANEPOOL_U8)
            continue;
        lanepool_plan *plan;
        if (lanepool_plan_new(&desc, &plan) != LANEPOOL_OK)
            return 0;
        size_t in = lanepool_plan_input_bytes(plan), out = lanepool_plan_output_bytes(plan);
        unsigned char *input = (unsigned char *)malloc(in), *output = (unsigned char *)malloc(out);
        if (!input || !output)
            return 0;
        bits_fill(input, in, desc.type);
        if (lanepool_plan_run(plan, input, in, output, out, 1) != LANEPOOL_OK)
            return 0;
        for (size_t j = 0; j < out; ++j)
            hash = (hash ^ output[j]) * 0x100000001b3u;
        free(output);
        free(input);
        lanepool_plan_free(plan);
    }
    return hash;
}
