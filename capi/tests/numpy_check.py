"""numpy_check.py LIBRARY [--cases N] [--hostile N] [--seed N]: the C interface against numpy.

Random geometries along one, two and three axes are pooled by the library and by plain numpy, which sums in float64:
maxima have the same bits, averages are right to 1e-6 of the sum of magnitudes. Quantised bytes come out the same. Then
descriptions and calls full of
garbage, which must come back with a status and a message and may not write a byte. Prints the number of bits.h, and ends
with one line that counts.
"""

import argparse
import ctypes
import itertools
import random
from ctypes import POINTER, byref, c_bool, c_char_p, c_double, c_float, c_int32, c_int64, c_size_t, c_uint32, c_void_p

import numpy as np

OK, INVALID, UNSUPPORTED, BUFFER, INTERNAL = range(5)
MAX, AVERAGE, MIN, SUM, LP = range(5)
FIRST, LAST = range(2)
EXPLICIT, SAME_UPPER, SAME_LOWER, VALID = range(4)
EXCLUDE_PAD, INCLUDE_PAD, FULL_WINDOW, FIXED = range(4)
IGNORE = 1
WORDS = ["op", "type", "layout", "rank", "mode", "auto_pad", "ceil_mode", "divisor", "nan_policy", "rounding"]
ARRAYS = ["input", "kernel", "stride", "dilation", "pad_begin", "pad_end"]
STRIDES = ["block", "batch_stride", "channel_stride"]
SIZE_MAX = c_size_t(-1).value
SIZES = [4, 8, 2, 2, 1, 1, 2, 2, 4, 4, 8]  # bytes of an element of each type


class Desc(ctypes.Structure):
    _fields_ = (
        [("struct_size", c_size_t)]
        + [(word, c_uint32) for word in WORDS]
        + [("batch", c_size_t), ("channels", c_size_t)]
        + [(array, c_size_t * 3) for array in ARRAYS]
        + [("fixed_divisor", c_int64), ("lp_exponent", c_double), ("backend", c_char_p)]
        + [(size, c_size_t) for size in STRIDES]
        + [("input_stride", c_size_t * 3)]
        + [("clamp", c_uint32), ("quantized", c_uint32), ("clamp_min", c_double), ("clamp_max", c_double)]
        + [("input_scale", c_float), ("input_zero_point", c_int32)]
        + [("output_scale", c_float), ("output_zero_point", c_int32)]
    )


def load(path):
    lib = ctypes.CDLL(path)
    plan = c_void_p
    for name, result, *arguments in [
        ("plan_new", c_int32, c_void_p, POINTER(plan)),
        ("plan_free", None, plan),
        ("plan_output_size", c_int32, plan, c_void_p),
        ("plan_backend", c_char_p, plan),
        ("plan_run", c_int32, plan, c_void_p, c_size_t, c_void_p, c_size_t, c_uint32),
        ("plan_run_rows", c_int32, plan, c_size_t, c_size_t, c_void_p, c_size_t, c_void_p, c_size_t),
        ("plan_input_bytes", c_size_t, plan),
        ("plan_output_bytes", c_size_t, plan),
        ("plan_rows", c_size_t, plan),
        ("plan_row_bytes", c_size_t, plan),
        ("backend_count", c_size_t),
        ("backend_name", c_char_p, c_size_t),
        ("backend_supported", c_bool, c_size_t),
        ("last_error", c_char_p),
    ]:
        function = getattr(lib, "lanepool_" + name)
        function.restype, function.argtypes = result, arguments
    return lib


def described(**fields):
    desc = Desc(struct_size=ctypes.sizeof(Desc))
    for name, value in fields.items():
        if isinstance(value, list):
            value = (c_size_t * 3)(*value)
        setattr(desc, name, value)
    return desc


def axis_sizes(i, f):
    """Output size and padding of an axis, by the definitions of PyTorch (explicit) and ONNX (the others)."""
    size, kernel = f["input"][i], f["kernel"][i]
    stride, dilation = max(f["stride"][i], 1), max(f["dilation"][i], 1)
    span = (kernel - 1) * dilation + 1
    if f["auto_pad"] in (SAME_UPPER, SAME_LOWER):
        output = -(-size // stride)
        total = max((output - 1) * stride + span - size, 0)
        begin = total // 2 if f["auto_pad"] == SAME_UPPER else -(-total // 2)
        return output, begin, total - begin
    explicit = f["auto_pad"] == EXPLICIT
    begin, end = (f["pad_begin"][i], f["pad_end"][i]) if explicit else (0, 0)
    spare = size + begin + end - span
    if spare < 0:
        return None
    output = spare // stride + 1
    if explicit and f["ceil_mode"] and spare % stride and output * stride < size + begin:
        output += 1
    return output, begin, end


def pooled(x, f, axes):
    """x is N C [D] [H] W in float64. The result, and the magnitude that its error is relative to."""
    rank = len(axes)
    outputs = [axis[0] for axis in axes]
    shape = x.shape[:2] + tuple(outputs)
    fold = np.fmax if f["nan_policy"] == IGNORE else np.maximum
    if f["op"] == MIN:
        fold = np.fmin if f["nan_policy"] == IGNORE else np.minimum
    best = np.full(shape, np.inf if f["op"] == MIN else -np.inf)
    total, magnitude = np.zeros(shape), np.zeros(shape)
    inside, padded = np.zeros(outputs), np.zeros(outputs)
    for tap in itertools.product(*(range(k) for k in f["kernel"][:rank])):
        index, there, in_padding = [], np.ones([1] * rank, bool), np.ones([1] * rank, bool)
        for i, (j, (output, begin, end)) in enumerate(zip(tap, axes)):
            size = x.shape[2 + i]
            at = np.arange(output) * max(f["stride"][i], 1) + j * max(f["dilation"][i], 1) - begin
            along = [-1 if k == i else 1 for k in range(rank)]
            there = there & ((at >= 0) & (at < size)).reshape(along)
            in_padding = in_padding & (at < size + end).reshape(along)
            index.append(np.clip(at, 0, size - 1))
        taken = x[np.ix_(range(x.shape[0]), range(x.shape[1]), *index)]
        best = np.where(there, fold(best, taken), best)
        total += np.where(there, taken, 0)
        magnitude += np.where(there, np.abs(taken), 0)
        inside += there
        padded += in_padding
    if f["op"] in (MAX, MIN):
        return best + 0.0, magnitude
    if f["op"] == SUM:
        return total, magnitude
    divisor = {
        EXCLUDE_PAD: np.maximum(inside, 1),
        INCLUDE_PAD: np.maximum(padded, 1),
        FULL_WINDOW: np.prod(f["kernel"][:rank]),
        FIXED: f["fixed_divisor"],
    }[f["divisor"]]
    return np.where(inside > 0, total / divisor, 0), magnitude / np.abs(divisor)


def random_case(rng):
    rank = rng.randint(1, 3)
    most = [40, 14, 7][rank - 1]
    some = lambda low, high: [rng.randint(low, high) for _ in range(3)]
    return dict(
        op=rng.randrange(4), type=0, layout=rng.randrange(2), rank=rank, mode=0,
        auto_pad=rng.choice([EXPLICIT, EXPLICIT, SAME_UPPER, SAME_LOWER, VALID]),
        ceil_mode=rng.randrange(2), divisor=rng.randrange(4), nan_policy=rng.randrange(2),
        rounding=rng.randrange(4), batch=rng.randint(0, 3), channels=rng.choice([0, 1, 1, 2, 3, 8, 17]),
        input=some(1, most), kernel=some(1, rng.choice([2, 3, 4])), stride=some(0, 4), dilation=some(0, 2),
        pad_begin=some(0, rng.choice([0, 1, 4])), pad_end=some(0, rng.choice([0, 1, 4])),
        fixed_divisor=rng.choice([-3, 1, 2, 7]),
    )


def random_input(rng, shape):
    x = np.random.default_rng(rng.getrandbits(64)).normal(0, 100, shape).astype(np.float32)
    if x.size and rng.random() < 0.3:
        flat = x.reshape(-1)
        for value in rng.choices([np.nan, np.inf, -np.inf, -0.0, 0.0], k=rng.randint(1, 6)):
            flat[rng.randrange(x.size)] = value
    return x


def message(lib):
    return lib.lanepool_last_error().decode()


def check_case(lib, rng):
    """Whether there was something to compare."""
    f = random_case(rng)
    backends = [lib.lanepool_backend_name(i) for i in range(lib.lanepool_backend_count())
                if lib.lanepool_backend_supported(i)]
    plan = c_void_p()
    status = lib.lanepool_plan_new(byref(described(**f, backend=rng.choice([None, *backends]))), byref(plan))
    axes = [axis_sizes(i, f) for i in range(f["rank"])]
    if None in axes:
        assert status == INVALID and not plan, (status, f)
        named = ["depth", "height", "width"][3 - f["rank"] + axes.index(None)]
        assert message(lib).startswith(named + ": a kernel of "), (message(lib), f)
        return False
    assert status == OK and plan, (message(lib), f)
    size = (c_size_t * 3)()
    assert lib.lanepool_plan_output_size(plan, byref(size)) == OK
    assert list(size)[: f["rank"]] == [axis[0] for axis in axes], (list(size), axes, f)

    x = random_input(rng, [f["batch"], f["channels"], *f["input"][: f["rank"]]])
    with np.errstate(invalid="ignore"):
        want, magnitude = pooled(x.astype(np.float64), f, axes)
    given = np.ascontiguousarray(np.moveaxis(x, 1, -1)) if f["layout"] == LAST else x
    shape = list(want.shape)
    if f["layout"] == LAST:
        shape.append(shape.pop(1))
    got = np.full(shape, 12345.0, np.float32)
    assert lib.lanepool_plan_input_bytes(plan) == given.nbytes
    assert lib.lanepool_plan_output_bytes(plan) == got.nbytes
    threads = rng.choice([0, 1, 1, 2, 5])
    status = lib.lanepool_plan_run(plan, given.ctypes.data, given.nbytes, got.ctypes.data, got.nbytes, threads)
    assert status == OK, (message(lib), f)

    by_rows = np.full(shape, 54321.0, np.float32)
    row, rows, done = lib.lanepool_plan_row_bytes(plan), lib.lanepool_plan_rows(plan), 0
    while done < rows:
        count = rng.randint(1, rows - done)
        status = lib.lanepool_plan_run_rows(plan, done, count, given.ctypes.data, given.nbytes,
                                            by_rows.ctypes.data + done * row, count * row)
        assert status == OK, (message(lib), f)
        done += count
    assert by_rows.tobytes() == got.tobytes(), f
    lib.lanepool_plan_free(plan)

    if f["layout"] == LAST:
        got = np.moveaxis(got, -1, 1)
    if f["op"] in (MAX, MIN):
        exact = want.astype(np.float32)
        exact[np.isnan(exact)] = np.float32(np.nan)
        assert np.ascontiguousarray(got).tobytes() == exact.tobytes(), f
    else:
        finite = np.isfinite(want)
        assert np.array_equal(got[~finite], want[~finite].astype(np.float32), equal_nan=True), f
        assert np.all(np.abs(got[finite] - want[finite]) <= 1e-6 * magnitude[finite]), f
    return want.size > 0


def rounded(x, how):
    nearest = np.rint(x)
    with np.errstate(invalid="ignore"):
        half = np.abs(x - np.trunc(x)) == 0.5
    return [np.where(half, np.trunc(x) + np.sign(x), nearest), nearest, np.floor(x + 0.5), np.trunc(x)][how]


def check_quantized(lib, rng):
    """Bytes that stand for real numbers. Scales are powers of two, so that only the division rounds."""
    f = random_case(rng) | dict(batch=1, channels=rng.choice([1, 3, 17]))
    element = rng.choice([4, 5])
    kind = [np.int8, np.uint8][element - 4]
    least, greatest = np.iinfo(kind).min, np.iinfo(kind).max
    zeros = [rng.choice([least, 0, 3, greatest]) for _ in range(2)]
    scales = [rng.choice([0.25, 0.5, 1.0]) for _ in range(2)]
    if rng.random() < 0.4:
        zeros[1], scales[1] = zeros[0], scales[0]
    clamp = rng.choice([None, (0.0, np.inf), (0.0, 6.0), (-1.0, 1.0)])
    activation = dict(quantized=1, input_scale=scales[0], input_zero_point=zeros[0],
                      output_scale=scales[1], output_zero_point=zeros[1])
    if clamp:
        activation |= dict(clamp=1, clamp_min=clamp[0], clamp_max=clamp[1])
    axes = [axis_sizes(i, f) for i in range(f["rank"])]
    if None in axes:
        return False
    plan = c_void_p()
    assert lib.lanepool_plan_new(byref(described(**f | dict(type=element), **activation)), byref(plan)) == OK, message(lib)
    numbers = np.random.default_rng(rng.getrandbits(64))
    x = numbers.integers(least, greatest, [1, f["channels"], *f["input"][: f["rank"]]], endpoint=True).astype(kind)
    ratio = scales[0] / scales[1]
    want, _ = pooled((x.astype(np.float64) - zeros[0]) * ratio, f, axes)
    # An empty window has the least element, or the greatest one.
    want = np.clip(want, (least - zeros[0]) * ratio, (greatest - zeros[0]) * ratio) if f["op"] in (MAX, MIN) else want
    want = rounded(want + zeros[1], f["rounding"])
    if clamp:
        low, high = (rounded(np.divide(bound, scales[1]), 0) + zeros[1] for bound in clamp)
        want = np.clip(want, low, high)
    want = np.clip(want, least, greatest).astype(kind)
    given = np.ascontiguousarray(np.moveaxis(x, 1, -1) if f["layout"] == LAST else x)
    want = np.ascontiguousarray(np.moveaxis(want, 1, -1) if f["layout"] == LAST else want)
    got = np.zeros_like(want)
    status = lib.lanepool_plan_run(plan, given.ctypes.data, given.nbytes, got.ctypes.data, got.nbytes, 1)
    assert status == OK, (message(lib), f)
    assert np.array_equal(got, want), (f, activation, got, want)
    lib.lanepool_plan_free(plan)
    return True


def bits_of_all(lib):
    """What bits.h computes."""
    largest = 2 * 9 * 23 * 37
    numbers, x = np.zeros(largest, np.uint32), 1
    for i in range(largest):
        x = (x * 1664525 + 1013904223) & 0xFFFFFFFF
        numbers[i] = x
    floats = ((numbers >> 8).astype(np.int32) - (1 << 23)).astype(np.float32) / np.float32(65536)
    inputs = [(0, floats), (5, (numbers >> 24).astype(np.uint8))]
    hash = 0xCBF29CE484222325
    for i in range(5 * 2 * 2 * 2 * 2):
        (element, input), stride = inputs[i // 5 % 2], 1 + i // 40 % 2
        if i % 5 == LP and element:
            continue
        desc = described(
            op=i % 5, type=element, layout=i // 10 % 2, rank=2, batch=2, channels=9, input=[23, 37, 0],
            kernel=[3 + i // 20 % 2 * 2, 3, 0], stride=[stride, stride, 0], pad_begin=[1, 1, 0], pad_end=[0, 1, 0],
            lp_exponent=2,
        )
        plan = c_void_p()
        assert lib.lanepool_plan_new(byref(desc), byref(plan)) == OK, message(lib)
        output = np.zeros(lib.lanepool_plan_output_bytes(plan), np.uint8)
        status = lib.lanepool_plan_run(plan, input.ctypes.data, input.nbytes, output.ctypes.data, output.nbytes, 1)
        assert status == OK, message(lib)
        for byte in output.tobytes():
            hash = (hash ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
        lib.lanepool_plan_free(plan)
    return hash


def garbage_size(rng):
    kind = rng.random()
    if kind < 0.5:
        return rng.randint(0, 6)
    if kind < 0.7:
        return (1 << rng.randrange(64)) + rng.randint(-1, 1)
    return rng.choice([SIZE_MAX, SIZE_MAX - 1, SIZE_MAX // 2, SIZE_MAX // 2 + 1, rng.getrandbits(64)])


def garbage_desc(rng):
    """One that is wrong here and there, or everywhere."""
    f = random_case(rng)
    some = rng.choice([0.02, 0.1, 1.0])
    for word in WORDS:
        if rng.random() < some:
            f[word] = rng.choice([rng.randrange(12), rng.getrandbits(32), 1 << rng.randrange(32)])
    for field in ["batch", "channels", *STRIDES]:
        if rng.random() < some:
            f[field] = garbage_size(rng) & SIZE_MAX
    for array in [*ARRAYS, "input_stride"]:
        if rng.random() < some:
            f[array] = [garbage_size(rng) & SIZE_MAX for _ in range(3)]
    if rng.random() < some:
        f["fixed_divisor"] = rng.choice([0, -1 << 63, (1 << 63) - 1, 5])
        f["lp_exponent"] = rng.choice([0.0, -1.0, float("nan"), float("inf"), 1e300])
    if rng.random() < some:
        number = lambda: rng.choice([0.0, 1.0, -1.0, 0.1, float("nan"), float("inf"), -float("inf"), 1e300])
        f |= dict(clamp=rng.choice([0, 1, 1, 2, rng.getrandbits(32)]), clamp_min=number(), clamp_max=number())
        f |= dict(quantized=rng.choice([0, 1, 1, 2, rng.getrandbits(32)]), input_scale=number(), output_scale=number())
        f |= dict(input_zero_point=rng.choice([0, 1, -129, (1 << 31) - 1]), output_zero_point=rng.choice([0, 128, 1 << 30]))
    if rng.random() < some / 2:
        length = rng.choice([0, 1, 3, 63, 64, 500])
        f["backend"] = bytes(rng.randint(1, 255) for _ in range(length))
    desc = described(**f)
    if rng.random() < some / 2:
        desc.struct_size = rng.choice([0, 1, 7, 8, 72, 96, 97, 104, 200, 232, 240, 280, 320, 1024, 1032, garbage_size(rng) & SIZE_MAX])
    return desc


def check_hostile(lib, rng, seen):
    desc = garbage_desc(rng)
    # What it says may be longer than what it is: room for all that the library looks at, garbage among it.
    block = ctypes.create_string_buffer(2048)
    ctypes.memmove(block, byref(desc), ctypes.sizeof(desc))
    if rng.random() < 0.5:
        ctypes.memset(ctypes.addressof(block) + ctypes.sizeof(desc) + rng.randrange(700), 0xA5, rng.randrange(8))
    address = ctypes.addressof(block)
    kind = rng.random()
    if kind < 0.01:
        address = None
    elif kind < 0.03:
        address += rng.randint(1, 7)
    plan = c_void_p(1)
    status = lib.lanepool_plan_new(address, byref(plan) if rng.random() < 0.98 else None)
    seen[status] = seen.get(status, 0) + 1
    assert (message(lib) == "") == (status == OK), (status, message(lib))
    if status != OK:
        assert status in (INVALID, UNSUPPORTED, BUFFER), (status, message(lib))
        assert plan.value in (None, 1)
        return
    needed, made = lib.lanepool_plan_input_bytes(plan), lib.lanepool_plan_output_bytes(plan)
    if max(needed, made) < 50_000:
        check_hostile_runs(lib, rng, plan, SIZES[desc.type], needed, made, seen)
    lib.lanepool_plan_free(plan)


def check_hostile_runs(lib, rng, plan, size, needed, made, seen):
    margin = 64
    # No memory, and refused for what they are: not aligned, or too near the end of the address space for an element.
    nowhere = [None, SIZE_MAX, *([1] if size > 1 else []), *([SIZE_MAX - 3] if size >= 4 else [])]
    input = np.zeros(needed + 2 * margin, np.uint8)
    output = np.full(made + 2 * margin, 0x5A, np.uint8)
    wrong = lambda right: rng.choice([right] * 6 + [0, 1, right - 1 & SIZE_MAX, right + 1, right + 4, SIZE_MAX, 1 << 63])
    for _ in range(4):
        start_in, start_out = (margin + rng.choice([0, 0, 0, 0, 1, 2, 3, 4]) for _ in range(2))
        source = rng.choice([input.ctypes.data + start_in] * 8 + nowhere)
        target = rng.choice([output.ctypes.data + start_out] * 8 + nowhere + [source])
        in_bytes, out_bytes = wrong(needed), wrong(made)
        if rng.random() < 0.3:
            first, count = rng.choice([0, 1, SIZE_MAX, garbage_size(rng) & SIZE_MAX]), garbage_size(rng) & SIZE_MAX
            status = lib.lanepool_plan_run_rows(plan, first, count, source, in_bytes, target, out_bytes)
        else:
            status = lib.lanepool_plan_run(plan, source, in_bytes, target, out_bytes, rng.choice([0, 1, 2, 1 << 31]))
        seen[status] = seen.get(status, 0) + 1
        assert (message(lib) == "") == (status == OK), (status, message(lib))
        assert status != INTERNAL, message(lib)
        if status != OK:
            assert np.all(output == 0x5A), "something is written on error"
        else:
            assert np.all(output[:start_out] == 0x5A) and np.all(output[start_out + made :] == 0x5A)
            output[:] = 0x5A


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("shared_object")
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--hostile", type=int, default=30000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    lib = load(options.shared_object)
    print(f"bits: {bits_of_all(lib):016x}")
    compared = 0
    for i in range(options.cases):
        compared += check_case(lib, random.Random(f"{options.seed} case {i}"))
    quantized = sum(check_quantized(lib, random.Random(f"{options.seed} quantized {i}")) for i in range(options.cases))
    assert quantized > options.cases / 4, quantized
    seen = {}
    for i in range(options.hostile):
        check_hostile(lib, random.Random(f"{options.seed} hostile {i}"), seen)
    assert compared > options.cases / 4, compared
    assert all(seen.get(status, 0) > options.hostile / 1000 for status in (OK, INVALID, UNSUPPORTED, BUFFER)), seen
    statuses = ", ".join(f"{seen[status]} of status {status}" for status in sorted(seen))
    print(f"numpy: {options.cases} cases, {compared} of them with elements, {quantized} quantised; hostile calls: {statuses}; 0 failed")


if __name__ == "__main__":
    main()
