#!/usr/bin/env python3
"""Golden vectors of quantised pooling: what TensorFlow Lite and ONNX Runtime compute.

    pip install ai-edge-litert onnxruntime onnx numpy
    python tests/golden/quantized.py

writes tflite.json and onnxruntime_quantized.json beside this file: one case a line, the versions used under "source".
Everything is seeded by the case's own name.

A case: two spatial axes; "x" and "y" are integers in the order of "layout". "scales" and "zero_points" are of input and
output, "clamp" has the real numbers of the peer's activation.

Before a case is written, `contract` below computes it too, in fractions; a case that differs stops the script. So the
cases keep clear of what is known to differ:

TensorFlow Lite
- Averages have the same scale and zero point on both sides, and there is no padding that counts. 16-bit integers have a zero point of 0.
ONNX Runtime
- QLinearAveragePool dequantises, averages in f32 and quantises again: scales are powers of two, so that all of it is
  exact but for the division, and quotients that are no halves are far from one.
- QLinearGlobalAveragePool, and any window of all the input, multiplies by the reciprocal of the number of elements, and
  adds the zero point after rounding: elements are a power of two, or odd, and no half has an odd zero point.
"""

import json
import math
import random
from dataclasses import dataclass, field
from fractions import Fraction
from importlib.metadata import version
from itertools import product
from pathlib import Path

import flatbuffers
import numpy as np
import onnx
import onnxruntime
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from onnx import TensorProto, helper

TYPES = dict(i8=np.int8, u8=np.uint8, i16=np.int16)
CLAMPS = {None: None, "RELU": [0, math.inf], "RELU6": [0, 6], "RELU_N1_TO_1": [-1, 1]}


@dataclass
class Case:
    name: str
    op: str
    element: str
    input: list
    kernel: list
    stride: list
    batch: int = 1
    channels: int = 3
    layout: str = "last"
    pad_begin: list = field(default_factory=lambda: [0, 0])
    pad_end: list = field(default_factory=lambda: [0, 0])
    same: bool = False  # TensorFlow Lite's padding
    ceil_mode: bool = False
    divisor: str = "exclude_pad"
    rounding: str = "half_away_from_zero"
    is_global: bool = False
    scales: list = field(default_factory=lambda: [1.0, 1.0])
    zero_points: list = field(default_factory=lambda: [0, 0])
    activation: str = None

    def __post_init__(self):
        self.scales = [float(np.float32(scale)) for scale in self.scales]
        if self.same:
            for i in range(2):
                covered = (-(-self.input[i] // self.stride[i]) - 1) * self.stride[i] + self.kernel[i]
                total = max(0, covered - self.input[i])
                self.pad_begin[i], self.pad_end[i] = total // 2, total - total // 2

    def output(self):
        def size(axis):
            padded = self.input[axis] + self.pad_begin[axis] + self.pad_end[axis]
            spare, stride = padded - self.kernel[axis], self.stride[axis]
            more = self.ceil_mode and spare % stride and (spare // stride + 1) * stride < self.pad_begin[axis] + self.input[axis]
            return spare // stride + 1 + int(bool(more))

        return [size(0), size(1)]

    def shape(self, spatial):
        channels = [self.channels]
        return [self.batch, *spatial, *channels] if self.layout == "last" else [self.batch, *channels, *spatial]

    def ends(self):
        info = np.iinfo(TYPES[self.element])
        return int(info.min), int(info.max)


def make(case):
    """Small integers that make halves, or any."""
    rng = random.Random(case.name)
    least, greatest = case.ends()
    count = math.prod(case.shape(case.input))
    near = [case.zero_points[0] + rng.randint(-9, 9) for _ in range(count)]
    any_ = [rng.randint(least, greatest) for _ in range(count)]
    values = near if rng.random() < 0.5 else any_
    values = [min(max(q, least), greatest) for q in values]
    return np.array(values, TYPES[case.element]).reshape(case.shape(case.input))


# ------------------------------------------------------------------------------------------- the contract


def contract(case, x):
    planes = np.moveaxis(x, -1, 1) if case.layout == "last" else x
    out = np.zeros((case.batch, case.channels, *case.output()), np.int64)
    for b, c, i, j in product(*map(range, out.shape)):
        inside, padded = [], []
        for axis, at in enumerate([i, j]):
            start = at * case.stride[axis] - case.pad_begin[axis]
            taps = range(start, start + case.kernel[axis])
            inside.append([p for p in taps if 0 <= p < case.input[axis]])
            padded.append([p for p in taps if p < case.input[axis] + case.pad_end[axis]])
        window = [int(planes[b, c, p, q]) for p, q in product(*inside)]
        out[b, c, i, j] = reduce_window(case, window, len(padded[0]) * len(padded[1]))
    return np.moveaxis(out, 1, -1) if case.layout == "last" else out


def reduce_window(case, window, padded):
    (scale, out_scale), (zero, out_zero) = map(Fraction, case.scales), case.zero_points
    if case.op == "max":
        q = max(window)
    else:
        mean = Fraction(sum(q - zero for q in window), padded if case.divisor == "include_pad" else len(window))
        number = mean * scale / out_scale + out_zero
        away = int(abs(number) + Fraction(1, 2)) * (1 if number > 0 else -1)
        q = round(number) if case.rounding == "half_even" else away
    least, greatest = case.ends()
    if case.activation:
        for bound, limit in zip(CLAMPS[case.activation], [max, min]):
            if math.isfinite(bound):
                steps = float(np.float32(bound) / np.float32(case.scales[1]))
                nearest = math.floor(abs(steps) + 0.5) * (1 if steps > 0 else -1) + out_zero
                q = limit(q, nearest)
    return min(max(q, least), greatest)


# -------------------------------------------------------------------------------------------- the two peers


def run_tflite(case, x):
    model = tflite_model(case)
    results = []
    for resolver in [OpResolverType.BUILTIN_REF, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES]:
        interpreter = Interpreter(model_content=model, experimental_op_resolver_type=resolver)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        results.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))
    assert (results[0] == results[1]).all(), f"{case.name}: TensorFlow Lite's two implementations differ"
    return results[0]


def tflite_model(case):
    def tensor(name, shape, scale, zero_point):
        t = schema.TensorT()
        t.name, t.shape, t.buffer = name, shape, 0
        t.type = dict(i8=schema.TensorType.INT8, u8=schema.TensorType.UINT8, i16=schema.TensorType.INT16)[case.element]
        t.quantization = schema.QuantizationParametersT()
        t.quantization.scale, t.quantization.zeroPoint = [scale], [zero_point]
        return t

    options = schema.Pool2DOptionsT()
    options.padding = schema.Padding.SAME if case.same else schema.Padding.VALID
    (options.filterHeight, options.filterWidth), (options.strideH, options.strideW) = case.kernel, case.stride
    options.fusedActivationFunction = getattr(schema.ActivationFunctionType, case.activation or "NONE")
    op = schema.OperatorT()
    op.opcodeIndex, op.inputs, op.outputs = 0, [0], [1]
    op.builtinOptionsType, op.builtinOptions = schema.BuiltinOptions.Pool2DOptions, options
    code = schema.OperatorCodeT()
    kind = "MAX_POOL_2D" if case.op == "max" else "AVERAGE_POOL_2D"
    code.builtinCode = code.deprecatedBuiltinCode = getattr(schema.BuiltinOperator, kind)
    code.version = 3 if case.element == "i16" else 2
    graph = schema.SubGraphT()
    spatial = [case.input, case.output()]
    graph.tensors = [
        tensor(name, case.shape(s), scale, zero)
        for name, s, scale, zero in zip("xy", spatial, case.scales, case.zero_points)
    ]
    graph.inputs, graph.outputs, graph.operators = [0], [1], [op]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs, model.buffers = 3, [code], [graph], [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def run_onnxruntime(case, x):
    attributes = dict(channels_last=int(case.layout == "last"))
    kind = "QLinearGlobalAveragePool"
    if not case.is_global:
        kind = "QLinearAveragePool"
        attributes |= dict(kernel_shape=case.kernel, strides=case.stride, pads=case.pad_begin + case.pad_end)
        attributes |= dict(ceil_mode=int(case.ceil_mode), count_include_pad=int(case.divisor == "include_pad"))
    element = dict(i8=TensorProto.INT8, u8=TensorProto.UINT8)[case.element]
    names = ["x_scale", "x_zero_point", "y_scale", "y_zero_point"]
    constants = [
        helper.make_tensor(name, TensorProto.FLOAT if "scale" in name else element, [], [value])
        for name, value in zip(names, [case.scales[0], case.zero_points[0], case.scales[1], case.zero_points[1]])
    ]
    graph = helper.make_graph(
        [helper.make_node(kind, ["x", *names], ["y"], domain="com.microsoft", **attributes)],
        "pool",
        [helper.make_tensor_value_info("x", element, list(x.shape))],
        [helper.make_tensor_value_info("y", element, [None] * 4)],
        constants,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(["y"], {"x": x})[0]


# ------------------------------------------------------------------------------------------------ the cases

GEOMETRIES = {
    "2 s2": dict(input=[6, 8], kernel=[2, 2], stride=[2, 2]),
    "3 s1": dict(input=[5, 7], kernel=[3, 3], stride=[1, 1]),
    "3 s2": dict(input=[7, 7], kernel=[3, 3], stride=[2, 2], channels=7),
    "2x3 s1x2": dict(input=[5, 9], kernel=[2, 3], stride=[1, 2], batch=2),
    "4x1 s1": dict(input=[6, 4], kernel=[4, 1], stride=[1, 1], channels=9),
    "8x8": dict(input=[8, 8], kernel=[8, 8], stride=[8, 8], channels=2),
    "4x5": dict(input=[4, 6], kernel=[4, 5], stride=[1, 1], channels=5),
}


def tflite_cases():
    zero_points = dict(i8=[-128, 0, 5], u8=[0, 128, 131], i16=[0])
    for op, (name, geometry), element in product(["max", "average"], GEOMETRIES.items(), TYPES):
        for zero in zero_points[element]:
            rng = random.Random(f"{op} {name} {element} {zero}")
            activation, same = rng.choice(list(CLAMPS)), rng.random() < 0.5
            # 6 is a half of a step for the last two.
            scale = rng.choice([0.037, 0.1, 12 / 251, 4.0])
            yield Case(
                name=f"{op} {name} {element} {'same' if same else 'valid'} {zero} {activation}",
                op=op,
                element=element,
                same=same,
                scales=[scale] * 2,
                zero_points=[zero] * 2,
                activation=activation,
                **geometry,
            )


def onnxruntime_cases():
    zero_points = dict(i8=[[-128, -128], [0, 3], [-7, -128], [5, 5]], u8=[[0, 0], [128, 127], [131, 131], [255, 0]])
    scales = [[0.5, 0.5], [0.25, 0.5], [0.5, 0.0625], [0.125, 2.0]]
    paddings = [None, [0, 0, 0, 0], [1, 0, 0, 1]]
    number = 0
    for element, (name, geometry), layout in product(["i8", "u8"], GEOMETRIES.items(), ["first", "last"]):
        for zero in zero_points[element]:
            number += 1
            rng = random.Random(f"onnxruntime {number}")
            pads = rng.choice(paddings)
            rest = dict(op="average", element=element, layout=layout, zero_points=zero, scales=rng.choice(scales))
            rest |= dict(rounding="half_even", **geometry)
            if name in ["8x8", "4x5"] and pads is None:
                if name == "4x5":
                    rest |= dict(input=[3, 5], kernel=[3, 5])
                yield Case(name=f"global {element} {name} {layout} {number}", is_global=True, **rest)
                continue
            pads = pads or [1, 1, 1, 1]
            kernel = geometry["kernel"] * 2
            pads = [min(pad, k - 1) for pad, k in zip(pads, kernel)]
            divisor = rng.choice(["exclude_pad", "include_pad"])
            yield Case(
                name=f"{element} {name} {layout} {number}",
                pad_begin=pads[:2],
                pad_end=pads[2:],
                divisor=divisor,
                ceil_mode=divisor == "exclude_pad" and rng.random() < 0.3,
                **rest,
            )


# ------------------------------------------------------------------------------------------- write the files


def write(path, source, cases, run):
    lines = []
    for case in cases:
        x = make(case)
        expected, y = contract(case, x), run(case, x)
        assert y.shape == expected.shape, f"{case}: {source} returns {y.shape}, the contract {expected.shape}"
        assert (y == expected).all(), f"{case}: {source} gives\n{y}\nthe contract says\n{expected}\nof\n{x}"
        lines.append(json.dumps(describe(case, x, y), separators=(",", ":")))
    text = '{"source": ' + json.dumps(source) + ', "cases": [\n' + ",\n".join(lines) + "\n]}\n"
    path.write_text(text)
    print(f"{path.name}: {source}, {len(lines)} cases, {len(text)} bytes")


def describe(case, x, y):
    fields = dict(name=case.name, op=case.op, element=case.element, layout=case.layout, batch=case.batch)
    fields |= dict(channels=case.channels, input=case.input, kernel=case.kernel, stride=case.stride)
    fields |= dict(pad_begin=case.pad_begin, pad_end=case.pad_end, ceil_mode=case.ceil_mode, divisor=case.divisor)
    fields |= dict(rounding=case.rounding, scales=case.scales, zero_points=case.zero_points)
    if case.activation:
        fields["clamp"] = [bound if math.isfinite(bound) else None for bound in CLAMPS[case.activation]]
    return fields | dict(x=x.ravel().tolist(), y=y.ravel().tolist())


def main():
    here = Path(__file__).resolve().parent
    tflite = f"ai-edge-litert {version('ai-edge-litert')}"
    write(here / "tflite.json", tflite, tflite_cases(), run_tflite)
    source = f"onnxruntime {onnxruntime.__version__}, onnx {onnx.__version__}"
    write(here / "onnxruntime_quantized.json", source, onnxruntime_cases(), run_onnxruntime)


if __name__ == "__main__":
    main()
