#!/usr/bin/env python3
"""Golden vectors: what PyTorch and ONNX Runtime compute for small pooling problems.

    pip install torch onnxruntime onnx numpy
    python tests/golden/generate.py

writes torch.json and onnxruntime.json beside this file: one case a line, the versions used under "source".
Everything is seeded by the case's own name, so a new case leaves the others as they were.

A case: "input", "kernel", "stride", "dilation", "pad_begin", "pad_end" and "output" have one number for each spatial
axis, outermost first. "x" and "y" are f32, batch - channels - spatial axes, row-major, each value as the eight hex
digits of its bits. With "auto_pad" same_upper, same_lower or valid, "pad_begin" and "pad_end" hold what it resolves
to. "global" marks a peer's global operator (PyTorch: adaptive pooling to size 1); its kernel is the whole input.
In "onnxruntime.json" a name also tells the opset, and "indices" where the Indices output was requested.

"y" is canonicalised as lanepool's contract says: every NaN is 7fc00000 (the averages' too), and a zero that is a
maximum is +0.0. "x" is as the peer got it: NaNs with sign and payload, and -0.0, are there on purpose.

Before a case is written, `contract` below (plain Python, averages in f64) computes it too. Maxima must have equal
bits; averages may differ by MAX_ULPS, since f32 sums round. A case that fails stops the script. So the cases keep
clear of what is known to differ:

PyTorch
- Rejects padding above half the kernel, asymmetric padding, dilation of averages, divisor_override in one dimension,
  and in avg_pool3d a kernel larger than the input without its padding.
Both
- Average in f32, so that a sum can overflow to inf where f64 does not: no case is that large.
- Differ in the sign of a zero average: -0.0 and +0.0 count as equal there.
- Accept a kernel larger than the padded input in ceil mode (one clipped window); lanepool: an error.
ONNX Runtime
- Max drops a NaN or keeps it, depending on its place and the code path; lanepool propagates it.
- Max of a window of -inf, or of no element at all, is -FLT_MAX; lanepool: -inf. With the Indices output requested a
  window of -inf gives -inf, so the cases with such windows request it. No max case has a window of no element.
- SAME ignores dilation, which lanepool counts.
- SAME with stride > kernel fails (AveragePool before opset 19, MaxPool at any); lanepool clamps the padding at 0.
- VALID heeds ceil mode; lanepool floors, as the ONNX text does.
- Rejects padding of a kernel or more on any side.
"""

import json
import math
import random
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper

MAX_ULPS = 4
INF = math.inf


@dataclass
class Case:
    """One pooling problem, its data still a recipe."""

    name: str
    op: str
    data: str
    batch: int
    channels: int
    input: list
    kernel: list
    stride: list
    dilation: list
    pad_begin: list
    pad_end: list
    auto_pad: str = "explicit"
    ceil_mode: bool = False
    divisor: str = "exclude_pad"
    fixed_divisor: int = 0
    is_global: bool = False
    opset: int = 0  # ONNX only
    indices: bool = False  # ONNX only: ask for the Indices output, which takes another code path

    @property
    def rank(self):
        return len(self.input)

    def windows(self):
        """Every window as one list of positions for each axis; positions outside the input are padding."""
        starts = [range(n) for n in self.output()]
        for at in product(*starts):
            yield [
                [o * s - pad + tap * d for tap in range(k)]
                for o, s, pad, k, d in zip(at, self.stride, self.pad_begin, self.kernel, self.dilation)
            ]

    def windows_have_elements(self):
        """No window lies wholly in the padding (a dilated one may straddle the input)."""
        return all(
            any(0 <= p < size for p in axis) for window in self.windows() for axis, size in zip(window, self.input)
        )

    def output(self):
        return [self.output_size(axis) for axis in range(self.rank)]

    def output_size(self, axis):
        size, stride, before = self.input[axis], self.stride[axis], self.pad_begin[axis]
        if self.auto_pad.startswith("same"):
            return -(-size // stride)
        spare = size + before + self.pad_end[axis] - extent(self.kernel[axis], self.dilation[axis])
        count = spare // stride + 1
        next_starts_in_time = count * stride < before + size
        if self.ceil_mode and self.auto_pad == "explicit" and spare % stride and next_starts_in_time:
            count += 1
        return count

    def fits(self):
        """No kernel is larger than the padded input."""
        return all(
            extent(k, d) <= size + b + e
            for k, d, size, b, e in zip(self.kernel, self.dilation, self.input, self.pad_begin, self.pad_end)
        )


def extent(kernel, dilation):
    return dilation * (kernel - 1) + 1


def pool(name, op, input, kernel, stride=1, pad=0, pad_end=None, dilation=1, data=None, batch=1, channels=1, **rest):
    """A case with a plain number meaning 'the same on every axis'."""
    rank = len(input)

    def each(value):
        return list(value) if isinstance(value, list) else [value] * rank

    built = Case(
        name=f"{op} {rank}d {name}",
        op=op,
        data=data or ("reals" if op == "max" else "grid"),
        batch=batch,
        channels=channels,
        input=list(input),
        kernel=each(kernel),
        stride=each(stride),
        dilation=each(dilation),
        pad_begin=each(pad),
        pad_end=each(pad if pad_end is None else pad_end),
        **rest,
    )
    if built.auto_pad.startswith("same"):
        resolve_same(built)
    return built


def resolve_same(built):
    """ONNX's SAME_UPPER and SAME_LOWER: the odd one goes to the end or to the beginning."""
    for axis in range(built.rank):
        covered = (built.output_size(axis) - 1) * built.stride[axis] + extent(built.kernel[axis], built.dilation[axis])
        total = max(0, covered - built.input[axis])
        less, more = total // 2, total - total // 2
        upper = built.auto_pad == "same_upper"
        built.pad_begin[axis], built.pad_end[axis] = (less, more) if upper else (more, less)


def whole(name, op, input, **rest):
    return pool(f"global {name}", op, input, input, is_global=True, **rest)


# ---------------------------------------------------------------------------------------------------- data


def float_of(bits):
    return np.array([bits], dtype=np.uint32).view(np.float32)[0]


FLT_MAX, FLT_MIN = 0x7F7FFFFF, 0x00800000
NANS = [0x7FC00000, 0xFFC00000, 0x7FC01234, 0xFFFFFFFF, 0x7F800001]  # signs, payloads, a signalling one
EXTREMES = [FLT_MAX, FLT_MAX | 1 << 31, FLT_MIN, FLT_MIN | 1 << 31, 1, 1 << 31 | 1, 0x3F800000, 0xBF800000, 0, 1 << 31]
SUBNORMAL = 0x007FFFFF


def bits_of(value):
    return int(np.float32(value).view(np.uint32))


def sometimes(rng, odds, special, otherwise):
    return special() if rng.random() < odds else otherwise()


def draw(kind, rng, i):
    """The bits of element i. A grid keeps sums exact in any order."""

    def grid():
        return bits_of(rng.randint(-64, 64) / 16)

    def real():
        return bits_of(rng.uniform(-10, 10))

    def infinity():
        return bits_of(rng.choice([INF, -INF]))

    def nan():
        return rng.choice(NANS)

    match kind:
        case "count":
            return bits_of(i + 1)
        case "reals":
            return real()
        case "negative":
            return bits_of(rng.uniform(-10, -1))
        case "positive":
            return bits_of(rng.uniform(0.5, 2))
        case "large":
            return bits_of(rng.uniform(1e29, 1e30))
        case "tenth":
            return bits_of(0.1)
        case "ties":
            return bits_of(rng.randint(-2, 2))
        case "zeros":
            return rng.choice([0, 1 << 31, 0, 1 << 31, bits_of(-1), 1 << 31 | 1])
        case "grid":
            return grid()
        case "grid inf":
            return sometimes(rng, 0.08, lambda: bits_of(INF), grid)
        case "grid infs":
            return sometimes(rng, 0.15, infinity, grid)
        case "grid nan":
            return sometimes(rng, 0.08, nan, grid)
        case "infs":
            return sometimes(rng, 0.3, infinity, real)
        case "mostly -inf":
            return sometimes(rng, 0.85, lambda: bits_of(-INF), real)
        case "only -inf":
            return bits_of(-INF)
        case "only nan":
            return nan()
        case "nan":
            return sometimes(rng, 0.12, nan, real)
        case "nan inf":
            return sometimes(rng, 0.15, nan, lambda: sometimes(rng, 0.5, infinity, real))
        case "subnormal":
            return rng.randint(0, SUBNORMAL) | rng.choice([0, 1 << 31])
        case "extremes":
            return rng.choice(EXTREMES)
        case "any bits":
            return rng.getrandbits(32)
    raise ValueError(kind)


def make(case):
    shape = (case.batch, case.channels, *case.input)
    rng = random.Random(case.name)
    bits = [draw(case.data, rng, i) for i in range(math.prod(shape))]
    return np.array(bits, np.uint32).view(np.float32).reshape(shape)


# ------------------------------------------------------------------------------------------- the contract


def contract(case, x):
    """What lanepool promises, computed the plain way."""
    planes = x.reshape(-1, *case.input)
    results = [reduce_window(case, plane, window) for plane in planes for window in case.windows()]
    with np.errstate(over="ignore"):
        return np.array(results, np.float64).astype(np.float32).reshape(case.batch, case.channels, *case.output())


def reduce_window(case, plane, window):
    inside = [[p for p in axis if 0 <= p < size] for axis, size in zip(window, case.input)]
    padded = [[p for p in axis if p < size + end] for axis, size, end in zip(window, case.input, case.pad_end)]
    values = [float(plane[at]) for at in product(*inside)]
    if case.op == "max":
        if any(math.isnan(v) for v in values):
            return math.nan
        return max(values, default=-INF)
    if not values:
        return 0.0
    divisor = {
        "exclude_pad": len(values),
        "include_pad": math.prod(len(axis) for axis in padded),
        "fixed": case.fixed_divisor,
    }[case.divisor]
    return sum(values) / divisor


def canonical(case, y):
    y = np.array(y, np.float32)
    y[np.isnan(y)] = float_of(0x7FC00000)
    if case.op == "max":
        y[y == 0] = 0.0
    return y


def ulps(a, b):
    """How many f32 values apart the most distant pair is; NaN is equal to NaN only."""

    def ordered(v):
        bits = v.view(np.int32).astype(np.int64)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)

    return int(np.abs(ordered(a) - ordered(b)).max(initial=0))


# -------------------------------------------------------------------------------------------- the two peers


def run_torch(case, x):
    x = torch.from_numpy(x)
    functional, rank = torch.nn.functional, case.rank
    assert case.pad_begin == case.pad_end and case.auto_pad == "explicit"
    if case.is_global:
        kind = {"max": "max", "average": "avg"}[case.op]
        return getattr(functional, f"adaptive_{kind}_pool{rank}d")(x, 1).numpy()
    window = dict(kernel_size=case.kernel, stride=case.stride, padding=case.pad_begin, ceil_mode=case.ceil_mode)
    if case.op == "max":
        return getattr(functional, f"max_pool{rank}d")(x, dilation=case.dilation, **window).numpy()
    assert case.dilation == [1] * rank
    if case.divisor == "fixed":
        window["divisor_override"] = case.fixed_divisor
    return getattr(functional, f"avg_pool{rank}d")(x, count_include_pad=case.divisor == "include_pad", **window).numpy()


def run_onnxruntime(case, x):
    kind = {"max": "MaxPool", "average": "AveragePool"}[case.op]
    attributes = {}
    if case.is_global:
        kind = "Global" + kind
    else:
        attributes = dict(kernel_shape=case.kernel, strides=case.stride, ceil_mode=int(case.ceil_mode))
        if case.auto_pad == "explicit":
            attributes["pads"] = case.pad_begin + case.pad_end
        else:
            attributes["auto_pad"] = case.auto_pad.upper()
        if case.op == "max" or case.opset >= 19:
            attributes["dilations"] = case.dilation
        if case.op == "average":
            attributes["count_include_pad"] = int(case.divisor == "include_pad")
    any_shape = [None] * x.ndim
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, any_shape)]
    if case.indices:
        outputs.append(helper.make_tensor_value_info("indices", TensorProto.INT64, any_shape))
    graph = helper.make_graph(
        [helper.make_node(kind, ["x"], [output.name for output in outputs], **attributes)],
        "pool",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))],
        outputs,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", case.opset)], ir_version=10)
    onnx.checker.check_model(model)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # no warnings: shape inference lacks the ceil rule, the kernels have it
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


# ------------------------------------------------------------------------------------------------ the cases

BOTH_DIVISORS = ["exclude_pad", "include_pad"]


def shared_cases():
    """What both peers are asked."""
    # The worked example: 2 channels of 3 x 4, the values 1 to 24, window 2, stride 2.
    worked = dict(input=[3, 4], kernel=2, stride=2, channels=2, data="count")
    yield pool("worked example", "max", **worked)
    yield pool("worked example", "average", **worked)
    yield pool("worked example, ceil", "max", ceil_mode=True, **worked)
    for divisor in BOTH_DIVISORS:
        yield pool(f"worked example, ceil, {divisor}", "average", ceil_mode=True, divisor=divisor, **worked)

    for op in ["max", "average"]:
        # The windows that networks use.
        yield pool("3 s2 p1", op, [9, 11], 3, stride=2, pad=1)
        yield pool("3 s1 p1", op, [5, 7], 3, pad=1, channels=3)
        yield pool("2 s2", op, [6, 4], 2, stride=2, batch=2, channels=2)
        yield pool("5 s1 p2", op, [7, 10], 5, pad=2)
        yield pool("1", op, [3, 5], 1)
        yield pool("1 s3", op, [7, 8], 1, stride=3)
        # Rows longer than the widest vector.
        yield pool("3 s1 p1 long", op, [3, 41], 3, pad=1)
        yield pool("2 s2 long", op, [2, 70], 2, stride=2)
        yield pool("3 s2 p1 long", op, [71], 3, stride=2, pad=1)
        yield pool("5 s3 long", op, [67], 5, stride=3)
        # Not square, and a stride above the kernel.
        yield pool("1x3", op, [5, 6], [1, 3])
        yield pool("4x1 s3x2", op, [9, 7], [4, 1], stride=[3, 2])
        yield pool("2x5 s4x1 p1x2", op, [8, 7], [2, 5], stride=[4, 1], pad=[1, 2])
        yield pool("2 s4", op, [9, 10], 2, stride=4)
        yield pool("kernel is the input", op, [4, 5], [4, 5])
        yield pool("one element", op, [1, 1], 1, batch=2, channels=3)
        yield pool("many channels", op, [3, 3], 2, channels=17)
        # Three axes.
        yield pool("2 s2", op, [2, 4, 6], 2, stride=2, channels=2)
        yield pool("3 s1 p1", op, [3, 4, 5], 3, pad=1)
        yield pool("1x2x3 s1x2x1", op, [3, 5, 5], [1, 2, 3], stride=[1, 2, 1])
        yield pool("3 s2 p1 ceil", op, [4, 6, 4], 3, stride=2, pad=1, ceil_mode=True)
        # Ceil mode: a clipped last window; none to add; one that would start in the right padding.
        yield pool("ceil clips", op, [8], 3, stride=2, ceil_mode=True)
        yield pool("ceil adds nothing", op, [9], 3, stride=2, ceil_mode=True)
        yield pool("ceil last window in padding", op, [2], 2, stride=3, pad=1, ceil_mode=True)
        yield pool("ceil last window in padding", op, [5, 6], [3, 2], stride=[3, 4], pad=1, ceil_mode=True)
        yield pool("ceil past the end", op, [4], 1, stride=3, ceil_mode=True)
        yield pool("ceil past the end", op, [5, 5], 1, stride=3, ceil_mode=True)
        yield pool("ceil 3 s2 p1", op, [8, 6], 3, stride=2, pad=1, ceil_mode=True)
        yield pool("ceil 2 s4 p1", op, [7, 8, 3], 2, stride=4, pad=1, ceil_mode=True)
        # Global.
        for input in [[13], [40], [1, 1], [7, 7], [2, 3, 5]]:
            yield whole("x".join(map(str, input)), op, input, batch=2)
        yield whole("3x3 many channels", op, [3, 3], channels=17)

    for data in ["negative", "ties", "zeros", "subnormal", "extremes"]:
        yield pool(data, "max", [12], 3, stride=2, pad=1, data=data)
        yield pool(data, "max", [6, 7], [2, 3], pad=1, data=data)
        yield pool(data, "max", [3, 4, 4], 2, stride=[1, 2, 1], data=data)
    yield whole("zeros", "max", [4, 5], data="zeros")
    yield whole("subnormal", "max", [3, 5], data="subnormal")

    for divisor in BOTH_DIVISORS:
        corners = dict(name=f"corners, {divisor}", op="average", ceil_mode=True, divisor=divisor)
        yield pool(input=[6], kernel=3, stride=2, pad=1, data="count", **corners)
        yield pool(input=[5, 6], kernel=[3, 5], stride=[2, 3], pad=[1, 2], **corners)
        yield pool(input=[3, 4, 5], kernel=2, stride=[1, 2, 3], pad=1, **corners)
        yield pool(f"all padded, {divisor}", "average", [1, 2], [2, 4], pad=[1, 2], divisor=divisor)
        yield pool(f"positive, {divisor}", "average", [7, 8], 3, stride=2, pad=1, data="positive", divisor=divisor)
        yield pool(f"negative, {divisor}", "average", [5, 5], 3, stride=2, pad=1, data="negative", divisor=divisor)
        yield pool(f"large, {divisor}", "average", [5, 8], 2, stride=2, pad=1, data="large", divisor=divisor)
        yield pool(f"infinite, {divisor}", "average", [5, 8], 3, pad=1, data="grid inf", divisor=divisor)
        yield pool(f"nan, {divisor}", "average", [8, 7], 3, stride=2, pad=1, data="grid nan", divisor=divisor)
    yield pool("tenths", "average", [8, 8], 5, stride=3, data="tenth")
    yield pool("infinities", "average", [13], 3, data="grid infs")
    yield pool("infinities", "average", [6, 8], 2, data="grid infs")
    yield pool("nan", "average", [3, 4, 5], 2, data="grid nan")
    yield whole("infinities", "average", [3, 4], data="grid infs", channels=5)
    yield whole("nan", "average", [3, 4], data="grid nan", channels=5)


def torch_cases():
    yield from shared_cases()
    # Dilation.
    yield pool("d2", "max", [13], 3, dilation=2)
    yield pool("d3 s2 p1", "max", [13], 3, stride=2, dilation=3, pad=1)
    yield pool("d2 p1", "max", [7, 8], 3, dilation=2, pad=1)
    yield pool("d1x3 s2x1", "max", [6, 9], [3, 2], stride=[2, 1], dilation=[1, 3])
    yield pool("d2 s2 p1 ceil", "max", [10, 11], [2, 3], stride=2, dilation=2, pad=1, ceil_mode=True)
    yield pool("d2 p1", "max", [4, 5, 6], 2, dilation=2, pad=1)
    yield pool("d3 p1 no element", "max", [2, 7], 2, dilation=3, pad=1)
    yield pool("d5x1x2 p1 no element", "max", [4, 3, 2], 2, dilation=[5, 1, 2], pad=1)
    # What only PyTorch does as lanepool does.
    for data in ["nan", "nan inf", "infs", "mostly -inf", "only -inf", "only nan", "any bits"]:
        yield pool(data, "max", [13], 3, stride=2, pad=1, data=data)
        yield pool(data, "max", [7, 8], [3, 2], pad=1, data=data)
        yield pool(data, "max", [4, 4, 5], 2, stride=[1, 2, 1], data=data)
    yield pool("nan long", "max", [4, 37], 3, pad=1, data="nan")
    yield pool("nan 2 s2 long", "max", [2, 67], 2, stride=2, data="nan")
    yield pool("nan d2", "max", [7, 8], [2, 3], dilation=2, data="nan")
    yield pool("mostly -inf d2 p1", "max", [6, 7], 3, dilation=2, pad=1, data="mostly -inf")
    yield whole("nan", "max", [3, 5], data="nan", channels=5)
    yield whole("only -inf", "max", [3, 5], data="only -inf")
    # divisor_override: PyTorch has it for two and three axes.
    for divisor in [1, 3, -5]:
        rest = dict(divisor="fixed", fixed_divisor=divisor, data="positive")
        yield pool(f"divisor {divisor}", "average", [7, 8], 3, stride=2, pad=1, ceil_mode=True, **rest)
        yield pool(f"divisor {divisor}", "average", [3, 4, 5], 2, stride=[1, 2, 2], **rest)
    yield from sweep("torch", torch_geometry, 4)


def onnxruntime_cases():
    """An old and a new opset by turns: averages take different code paths, the new one with dilation."""
    for built in shared_cases():
        yield on_opset(built, random.Random(built.name).choice([11, 22]))
    for op in ["max", "average"]:
        # Padding that differs from side to side, and that exceeds half the kernel.
        yield on_opset(pool("p0,1", op, [12], 3, stride=2, pad=0, pad_end=1), 11)
        yield on_opset(pool("p2,0 ceil", op, [9], 4, stride=2, pad=2, pad_end=0, ceil_mode=True), 22)
        yield on_opset(pool("p1x0,0x2", op, [7, 8], 3, pad=[1, 0], pad_end=[0, 2]), 11)
        yield on_opset(pool("p0x2,1x1 s2", op, [8, 9], [2, 4], stride=2, pad=[0, 2], pad_end=[1, 1]), 22)
        yield on_opset(pool("p4 k5", op, [6, 5], 5, stride=2, pad=4), 11)
        yield on_opset(pool("p1x0x2,0x1x1", op, [3, 4, 5], [2, 2, 3], pad=[1, 0, 2], pad_end=[0, 1, 1]), 22)
        # Dilation; averages have it since opset 19.
        yield on_opset(pool("d2", op, [13], 3, dilation=2), 22)
        yield on_opset(pool("d3 s2 p1,2", op, [13], 3, stride=2, dilation=3, pad=1, pad_end=2), 19)
        yield on_opset(pool("d2 p1", op, [7, 8], 3, dilation=2, pad=1), 22)
        yield on_opset(pool("d1x3 s2x1", op, [6, 9], [3, 2], stride=[2, 1], dilation=[1, 3]), 19)
        yield on_opset(pool("d2 p1", op, [5, 5, 6], 2, dilation=2, pad=1), 22)
        # auto_pad.
        for auto_pad in ["same_upper", "same_lower", "valid"]:
            rest = dict(auto_pad=auto_pad)
            same = auto_pad != "valid"
            yield on_opset(pool(auto_pad, op, [12], 3, stride=2, **rest), 11)
            yield on_opset(pool(auto_pad, op, [5, 8], [2, 3], stride=[1, 2], **rest), 22)
            yield on_opset(pool(f"{auto_pad} 4 s3", op, [10, 11], 4, stride=3, **rest), 11)
            yield on_opset(pool(f"{auto_pad} 3x4 s3", op, [7, 9], [3, 4], stride=3, ceil_mode=same, **rest), 22)
            yield on_opset(pool(auto_pad, op, [3, 4, 5], [2, 3, 2], stride=[2, 2, 1], **rest), 22)
        yield on_opset(pool("valid d2", op, [9, 8], 3, stride=2, dilation=2, auto_pad="valid"), 22)
        yield on_opset(pool("valid 2 s4", op, [9, 7], 2, stride=4, auto_pad="valid"), 11)
    for auto_pad in ["same_upper", "same_lower"]:
        yield on_opset(pool(f"{auto_pad} 2 s4", "average", [9, 7], 2, stride=4, auto_pad=auto_pad), 22)
    for divisor in BOTH_DIVISORS:

        def average(name, *geometry, **rest):
            return pool(f"{name}, {divisor}", "average", *geometry, divisor=divisor, **rest)

        dilated = dict(stride=2, dilation=2, pad=1, ceil_mode=True)
        yield on_opset(average("d2 p1 ceil", [8], 3, **dilated), 22)
        yield on_opset(average("d2x3 p1,2 ceil", [8, 9], 3, **dilated | dict(dilation=[2, 3], pad_end=2)), 19)
        yield on_opset(average("p1,2 ceil", [7, 8], 3, stride=2, pad=1, pad_end=2, ceil_mode=True), 11)
        yield on_opset(average("d3 p1 no element", [2, 7], 2, pad=1, dilation=3), 22)
        yield on_opset(average("same_upper", [5, 8], 3, stride=2, auto_pad="same_upper"), 11)
        yield on_opset(average("same_lower", [5, 8], 3, stride=2, auto_pad="same_lower"), 22)
    for data in ["infs", "mostly -inf", "only -inf"]:
        rest = dict(data=data, indices=True)
        yield on_opset(pool(f"{data} indices", "max", [13], 3, stride=2, pad=1, **rest), 12)
        yield on_opset(pool(f"{data} indices", "max", [7, 8], [3, 2], pad=1, **rest), 22)
        yield on_opset(pool(f"{data} indices", "max", [4, 4, 5], 2, stride=[1, 2, 1], **rest), 12)
    yield on_opset(pool("infs", "max", [9, 9], 4, stride=2, data="infs"), 12)
    yield from sweep("onnxruntime", onnxruntime_geometry, 4)


def on_opset(built, opset):
    built.opset = opset
    built.name += f", opset {opset}"
    return built


def sweep(peer, geometry, count):
    """Seeded random problems, for what nobody thought of."""
    for op, rank, number in product(["max", "average"], [1, 2, 3], range(count)):
        rng = random.Random(f"{peer} {op} {rank} {number}")
        while True:
            built = pool(f"sweep {number}", op, **geometry(rng, op, rank))
            small = math.prod(built.input) * built.channels * built.batch <= 120
            if small and built.fits() and (op == "average" or built.windows_have_elements()):
                break
        if peer == "onnxruntime":
            on_opset(built, 22 if max(built.dilation) > 1 else rng.choice([11, 22]))
        yield built


def any_geometry(rng, op, rank):

    def several(low, high):
        return [rng.randint(low, high) for _ in range(rank)]

    longest_side, longest_kernel = {1: (30, 5), 2: (12, 5), 3: (7, 3)}[rank]
    return dict(
        input=several(1, longest_side),
        kernel=several(1, longest_kernel),
        stride=several(1, 4),
        dilation=several(1, 3) if rng.random() < 0.5 else 1,
        batch=rng.randint(1, 2),
        channels=rng.randint(1, 3),
        ceil_mode=rng.random() < 0.5,
        divisor=rng.choice(BOTH_DIVISORS) if op == "average" else "exclude_pad",
    )


def torch_geometry(rng, op, rank):
    chosen = any_geometry(rng, op, rank)
    if op == "average" and rank == 3:
        chosen["kernel"] = [min(k, size) for k, size in zip(chosen["kernel"], chosen["input"])]
    chosen["pad"] = [rng.randint(0, k // 2) for k in chosen["kernel"]]
    if op == "average":
        chosen["dilation"] = 1
        chosen["data"] = rng.choice(["grid", "positive", "grid infs"])
    else:
        chosen["data"] = rng.choice(["reals", "ties", "nan", "infs"])
    return chosen


def onnxruntime_geometry(rng, op, rank):
    chosen = any_geometry(rng, op, rank)
    chosen["pad"] = [rng.randint(0, k - 1) for k in chosen["kernel"]]
    chosen["pad_end"] = [rng.randint(0, k - 1) for k in chosen["kernel"]]
    chosen["data"] = rng.choice(["grid", "positive", "grid infs"] if op == "average" else ["reals", "ties"])
    return chosen


# ------------------------------------------------------------------------------------------- write the files


def write(path, source, cases, run):
    lines, names, worst = [], set(), 0
    for case in cases:
        assert case.name not in names, f"two cases are called {case.name!r}"
        names.add(case.name)
        assert case.fits(), f"{case.name}: the kernel is larger than the padded input"
        x = make(case)
        expected, y = canonical(case, contract(case, x)), canonical(case, run(case, x))
        assert y.shape == expected.shape, f"{case}: {source} returns {y.shape}, the contract {expected.shape}"
        distance = ulps(y, expected)
        allowed = 0 if case.op == "max" else MAX_ULPS
        assert distance <= allowed, f"{case}: {source} is {distance} ulps off:\n{y}\nthe contract says\n{expected}"
        worst = max(worst, distance)
        lines.append(json.dumps(describe(case, x, y), separators=(",", ":")))
    text = '{"source": ' + json.dumps(source) + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n"
    path.write_text(text)
    print(f"{path.name}: {source}, {len(lines)} cases, {len(text)} bytes, averages at most {worst} ulps from exact")


def describe(case, x, y):
    fields = dict(name=case.name, op=case.op, batch=case.batch, channels=case.channels)
    fields |= dict(input=case.input, kernel=case.kernel, stride=case.stride, dilation=case.dilation)
    fields |= dict(pad_begin=case.pad_begin, pad_end=case.pad_end, auto_pad=case.auto_pad)
    fields |= dict(ceil_mode=case.ceil_mode, divisor=case.divisor)
    if case.divisor == "fixed":
        fields["fixed_divisor"] = case.fixed_divisor
    if case.is_global:
        fields["global"] = True
    return fields | dict(output=case.output(), x=hexadecimal(x), y=hexadecimal(y))


def hexadecimal(values):
    return np.ascontiguousarray(values).view(np.uint32).astype(">u4").tobytes().hex()


def main():
    here = Path(__file__).resolve().parent
    torch_version = torch.__version__.split("+")[0]
    write(here / "torch.json", f"torch {torch_version}", torch_cases(), run_torch)
    onnx_source = f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}"
    write(here / "onnxruntime.json", onnx_source, onnxruntime_cases(), run_onnxruntime)


if __name__ == "__main__":
    main()
