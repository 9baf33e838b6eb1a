// The interface from C++17: the header is fit for it, and so is what it describes. Prints "check.cpp: N checks", and the
// number of bits.h.
#include "bits.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <vector>

static_assert(std::is_standard_layout_v<lanepool_desc> && std::is_trivial_v<lanepool_desc>);
static_assert(std::is_same_v<decltype(lanepool_desc::op), std::uint32_t>);
static_assert(std::is_same_v<decltype(lanepool_desc::input), std::size_t[3]>);
static_assert(std::is_same_v<decltype(lanepool_desc::fixed_divisor), std::int64_t>);
static_assert(std::is_same_v<decltype(lanepool_desc::lp_exponent), double>);
static_assert(std::is_same_v<decltype(lanepool_desc::backend), const char *>);
// The types of the functions are promises, too.
static_assert(std::is_same_v<decltype(&lanepool_plan_new), lanepool_status (*)(const lanepool_desc *, lanepool_plan **)>);
static_assert(std::is_same_v<decltype(&lanepool_plan_free), void (*)(lanepool_plan *)>);
static_assert(std::is_same_v<decltype(&lanepool_plan_output_size), lanepool_status (*)(const lanepool_plan *, std::size_t *)>);
static_assert(std::is_same_v<decltype(&lanepool_plan_backend), const char *(*)(const lanepool_plan *)>);
static_assert(std::is_same_v<decltype(&lanepool_plan_run),
                             lanepool_status (*)(const lanepool_plan *, const void *, std::size_t, void *, std::size_t,
                                                 std::uint32_t)>);
static_assert(std::is_same_v<decltype(&lanepool_backend_count), std::size_t (*)()>);
static_assert(std::is_same_v<decltype(&lanepool_backend_name), const char *(*)(std::size_t)>);
static_assert(std::is_same_v<decltype(&lanepool_backend_supported), bool (*)(std::size_t)>);
static_assert(std::is_same_v<decltype(&lanepool_last_error), const char *(*)()>);
static_assert(std::is_same_v<decltype(&lanepool_version), const char *(*)()>);

static int checks;

static void check(bool condition, int line) {
    ++checks;
    if (!condition) {
        std::fprintf(stderr, "check.cpp:%d; last error: \"%s\"\n", line, lanepool_last_error());
        std::exit(1);
    }
}
#define CHECK(condition) check((condition), __LINE__)

struct Free {
    void operator()(lanepool_plan *plan) const { lanepool_plan_free(plan); }
};
using Plan = std::unique_ptr<lanepool_plan, Free>;

static Plan plan_of(const lanepool_desc &desc) {
    lanepool_plan *plan = nullptr;
    CHECK(lanepool_plan_new(&desc, &plan) == LANEPOOL_OK);
    return Plan(plan);
}

static std::vector<float> run(const Plan &plan, const std::vector<float> &input, std::uint32_t threads) {
    std::vector<float> output(lanepool_plan_output_bytes(plan.get()) / sizeof(float));
    auto bytes = [](const auto &v) { return v.size() * sizeof(float); };
    CHECK(lanepool_plan_run(plan.get(), input.data(), bytes(input), output.data(), bytes(output), threads) == LANEPOOL_OK);
    return output;
}

int main() {
    lanepool_desc desc{};
    desc.struct_size = sizeof desc;
    desc.op = LANEPOOL_MAX;
    desc.type = LANEPOOL_F32;
    desc.layout = LANEPOOL_CHANNELS_FIRST;
    desc.rank = 1;
    desc.batch = desc.channels = 1;
    desc.input[0] = 5;
    desc.kernel[0] = 3;
    desc.pad_begin[0] = desc.pad_end[0] = 1;
    const std::vector<float> input{1, 5, 2, 4, 3};
    CHECK(run(plan_of(desc), input, 1) == (std::vector<float>{5, 5, 5, 4, 4}));

    desc.stride[0] = 2;
    desc.op = LANEPOOL_AVERAGE;
    CHECK(run(plan_of(desc), input, 0) == (std::vector<float>{3, 11.0f / 3, 3.5}));
    desc.divisor = LANEPOOL_INCLUDE_PAD;
    CHECK(run(plan_of(desc), input, 2) == (std::vector<float>{2, 11.0f / 3, 7.0f / 3}));

    for (std::size_t i = 0; i < lanepool_backend_count(); ++i) {
        const std::string name = lanepool_backend_name(i);
        desc.backend = name.c_str();
        if (lanepool_backend_supported(i))
            CHECK(lanepool_plan_backend(plan_of(desc).get()) == name);
    }

    // No elements: the pointer of an empty vector, whatever it is.
    desc.backend = nullptr;
    desc.batch = 0;
    CHECK(run(plan_of(desc), {}, 1).empty());

    // A message is of its thread.
    desc.rank = 9;
    lanepool_plan *none = nullptr;
    CHECK(lanepool_plan_new(&desc, &none) == LANEPOOL_INVALID && none == nullptr);
    std::string elsewhere = "?";
    std::thread([&] { elsewhere = lanepool_last_error(); }).join();
    CHECK(elsewhere.empty());
    CHECK(lanepool_last_error() == std::string_view("rank: 9 is not one of 1 to 3"));
    std::printf("bits: %016" PRIx64 "\n", bits_of_all());
    std::printf("check.cpp: %d checks\n", checks);
}
