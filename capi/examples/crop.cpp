// The means of each two by two pixels of a crop of an image, which is not copied: its lines are as far apart as the image's.
#include <lanepool.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <vector>

int main() {
    constexpr std::size_t width = 640, height = 480, channels = 3;
    constexpr std::size_t left = 100, top = 50, crop_width = 320, crop_height = 240;

    lanepool_desc desc{};
    desc.struct_size = sizeof desc;
    desc.op = LANEPOOL_AVERAGE;
    desc.type = LANEPOOL_U8;
    desc.layout = LANEPOOL_CHANNELS_LAST;
    desc.rank = 2;
    desc.batch = 1;
    desc.channels = channels;
    desc.input[0] = crop_height;
    desc.input[1] = crop_width;
    desc.input_stride[0] = width * channels; // from one line to the next
    desc.kernel[0] = desc.kernel[1] = desc.stride[0] = desc.stride[1] = 2;

    lanepool_plan *made = nullptr;
    if (lanepool_plan_new(&desc, &made) != LANEPOOL_OK) {
        std::fprintf(stderr, "%s\n", lanepool_last_error());
        return 1;
    }
    const std::unique_ptr<lanepool_plan, void (*)(lanepool_plan *)> plan(made, lanepool_plan_free);

    std::vector<std::uint8_t> image(width * height * channels);
    for (std::size_t i = 0; i < image.size(); ++i)
        image[i] = static_cast<std::uint8_t>(i / channels % width / 2); // as bright as far to the right
    std::vector<std::uint8_t> output(lanepool_plan_output_bytes(plan.get()));
    const lanepool_status status =
        lanepool_plan_run(plan.get(), &image[(top * width + left) * channels], lanepool_plan_input_bytes(plan.get()),
                          output.data(), output.size(), 1);
    std::printf("%d to %d: %s\n", output.front(), output.back(), lanepool_status_name(status));
    return status != LANEPOOL_OK;
}
