/* 3x3 maxima of an image of 64 channels, every second row and column. */
#include <lanepool.h>
#include <stdio.h>
#include <stdlib.h>

int main(void) {
    lanepool_desc desc = {
        .struct_size = sizeof desc, .op = LANEPOOL_MAX, .type = LANEPOOL_F32, .layout = LANEPOOL_CHANNELS_FIRST, .rank = 2,
        .batch = 1, .channels = 64, .input = {112, 112},
        .kernel = {3, 3}, .stride = {2, 2}, .pad_begin = {1, 1}, .pad_end = {1, 1},
    };
    lanepool_plan *plan;
    if (lanepool_plan_new(&desc, &plan) != LANEPOOL_OK) {
        fprintf(stderr, "%s\n", lanepool_last_error());
        return 1;
    }
    size_t size[3], input_bytes = lanepool_plan_input_bytes(plan), output_bytes = lanepool_plan_output_bytes(plan);
    lanepool_plan_output_size(plan, size);

    float *input = calloc(1, input_bytes), *output = malloc(output_bytes);
    lanepool_status status = LANEPOOL_BUFFER;
    if (input && output)
        status = lanepool_plan_run(plan, input, input_bytes, output, output_bytes, 0); /* on all cores */
    printf("%zux%zu by %s: %s\n", size[0], size[1], lanepool_plan_backend(plan), lanepool_status_name(status));

    free(output);
    free(input);
    lanepool_plan_free(plan);
    return status != LANEPOOL_OK;
}
