"""How each peer is prepared for a case.

Each function takes a case, its input, a buffer for its output and a number of threads, and returns the peer's ways to
do it: by name, what is timed and how to get at the result, in the order of the case's layout. What is timed is a
function without arguments, or the address of a C function and of its argument. No ways: the peer cannot do the case
without rearranging the tensor.
"""

import ctypes
import os
import sys
import tempfile
import tomllib
from importlib import metadata
from pathlib import Path

import numpy as np
from cases import HERE, CCase

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target"))
LIBRARY = TARGET / "release" / f"liblanepool_peers.{'dylib' if sys.platform == 'darwin' else 'so'}"


def pointer(tensor):
    return ctypes.c_void_p(tensor.ctypes.data)


def address(function):
    return ctypes.cast(function, ctypes.c_void_p).value


def rust(name):
    lib = ctypes.CDLL(LIBRARY)
    lib.job_new.restype = ctypes.c_void_p

    class Job:
        def __init__(self, *arguments):
            self.pointer = lib.job_new(*arguments)

        def __del__(self):
            if self.pointer:
                lib.job_drop(ctypes.c_void_p(self.pointer))

    def ways(case, x, y, threads):
        c_case = CCase(case, threads)
        job = Job(name.encode(), ctypes.byref(c_case), pointer(x), pointer(y))
        if not job.pointer:
            return {}

        def fetch():
            lib.job_fetch(ctypes.c_void_p(job.pointer))
            return y

        return {"": ((address(lib.job_run), job.pointer), fetch)}

    return ways


def torch(case, x, y, threads):
    import torch
    import torch.nn.functional as F

    if case.last and case.dims == 1:
        return {}  # there is no such memory format
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    tensor = lambda a: torch.from_numpy(a).movedim(-1, 1) if case.last else torch.from_numpy(a)
    x, out, result = tensor(x), tensor(y), {}
    window = case.kernel, case.stride, case.padding
    pool = getattr(F, f"{'max' if case.op == 'max' else 'avg'}_pool{case.dims}d")

    def allocate():
        result["y"] = pool(x, *window)

    def fetch():
        got = result["y"]
        return (got.movedim(1, -1) if case.last else got).contiguous().numpy()

    ways = {"allocating": (allocate, fetch)}
    if case.op == "mean" and case.dims > 1:
        into = getattr(torch.ops.aten, f"avg_pool{case.dims}d").out

        def write():
            into(x, *window, out=out)

        ways["out="] = (write, lambda: y)
    if case.op == "mean" and case.is_global:

        def adaptive():
            result["y"] = F.adaptive_avg_pool2d(x, 1)

        ways["adaptive"] = (adaptive, fetch)
    return ways


def onednn(case, x, y, threads):
    import torch
    import torch.nn.functional as F

    if case.last or case.dims == 1:
        return {}  # to_mkldnn rearranges channels last
    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    x, result = torch.from_numpy(x).to_mkldnn(), {}
    pool = getattr(F, f"{'max' if case.op == 'max' else 'avg'}_pool{case.dims}d")

    def run():
        result["y"] = pool(x, case.kernel, case.stride, case.padding)

    return {"": (run, lambda: result["y"].to_dense().numpy())}


def onnxruntime(case, x, y, threads):
    import onnxruntime as ort
    from onnx import TensorProto, helper

    if case.last:
        return {}  # its pooling of floats is channels first
    if case.is_global:
        node = helper.make_node("GlobalAveragePool", ["x"], ["y"])
    else:
        more = {} if case.op == "max" else {"count_include_pad": 1}
        node = helper.make_node(
            "MaxPool" if case.op == "max" else "AveragePool", ["x"], ["y"],
            kernel_shape=case.kernel, strides=case.stride, pads=case.padding * 2, **more,
        )
    info = lambda name, a: helper.make_tensor_value_info(name, TensorProto.FLOAT, a.shape)
    graph = helper.make_graph([node], "pool", [info("x", x)], [info("y", y)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Its threads would go on spinning while the next peer is timed.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    session = ort.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    binding = session.io_binding()
    binding.bind_input("x", "cpu", 0, np.float32, x.shape, x.ctypes.data)
    binding.bind_output("y", "cpu", 0, np.float32, y.shape, y.ctypes.data)
    return {"": (lambda: session.run_with_iobinding(binding), lambda: y)}


def openvino(case, x, y, threads):
    import openvino as ov
    from openvino import opset8 as op

    if case.last:
        return {}  # its plugin wraps the pooling in two transpositions
    source = op.parameter(x.shape, np.float32)
    window = dict(strides=case.stride, pads_begin=case.padding, pads_end=case.padding,
                  kernel_shape=case.kernel)
    if case.op == "max":
        node = op.max_pool(source, dilations=[1] * case.dims, **window)
    else:
        node = op.avg_pool(source, exclude_pad=False, **window)
    model = ov.Model([node.output(0)], [source])

    # Its C functions, since a call through Python takes longer than the small cases.
    libs = Path(ov.__file__).parent / "libs"
    lib = ctypes.CDLL(next(libs.glob("libopenvino_c.*")))

    class Shape(ctypes.Structure):
        _fields_ = [("rank", ctypes.c_int64), ("dims", ctypes.POINTER(ctypes.c_int64))]

    def made(function, *arguments):
        new = ctypes.c_void_p()
        if function(*arguments, ctypes.byref(new)):
            raise RuntimeError(f"{function.__name__} failed")
        return new

    def tensor(a):
        dims = (ctypes.c_int64 * a.ndim)(*a.shape)
        float32 = 4
        return made(lib.ov_tensor_create_from_host_ptr, float32, Shape(a.ndim, dims), pointer(a))

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.xml")
        ov.save_model(model, path, compress_to_fp16=False)
        core = made(lib.ov_core_create)
        model = made(lib.ov_core_read_model, core, path.encode(), None)
    compiled = ctypes.c_void_p()
    options = [b"INFERENCE_NUM_THREADS", b"%d" % threads, b"NUM_STREAMS", b"1",
               b"PERFORMANCE_HINT", b"LATENCY", b"INFERENCE_PRECISION_HINT", b"f32"]
    if lib.ov_core_compile_model(
        core, model, b"CPU", ctypes.c_size_t(len(options)), ctypes.byref(compiled),
        *map(ctypes.c_char_p, options),
    ):
        raise RuntimeError("ov_core_compile_model failed")
    request = made(lib.ov_compiled_model_create_infer_request, compiled)
    if lib.ov_infer_request_set_input_tensor(request, tensor(x)):
        raise RuntimeError("ov_infer_request_set_input_tensor failed")
    if lib.ov_infer_request_set_output_tensor(request, tensor(y)):
        raise RuntimeError("ov_infer_request_set_output_tensor failed")
    return {"": ((address(lib.ov_infer_request_infer), request.value), lambda: y)}


def ncnn(case, x, y, threads):
    import ncnn

    if case.last:
        return {}
    mean = int(case.op == "mean")
    # Parameter numbers: the first of each group is for the width, then height, then depth.
    numbers = {1: case.kernel, 2: case.stride, 3: case.padding}
    window = " ".join(
        f"{group + 10 * axis}={value}"
        for group, values in numbers.items()
        for axis, value in enumerate(reversed(values))
    )
    layer = {1: "Pooling1D", 2: "Pooling", 3: "Pooling3D"}[case.dims]
    window = "4=1" if case.is_global else f"{window} 5=1 6=1"
    param = f"7767517\n2 2\nInput x 0 1 x\n{layer} pool 1 1 x y 0={mean} {window}\n"
    inputs = [ncnn.Mat(image).clone() for image in x]
    results = [None] * len(inputs)

    def way(packing):
        net = ncnn.Net()
        net.opt.num_threads = threads
        net.opt.use_packing_layout = packing
        net.opt.use_fp16_storage = net.opt.use_fp16_packed = net.opt.use_fp16_arithmetic = False
        net.opt.use_bf16_storage = False
        net.load_param_mem(param)
        with tempfile.NamedTemporaryFile() as empty:
            net.load_model(empty.name)

        def run():  # no batches: one image after the other
            for i, image in enumerate(inputs):
                extractor = net.create_extractor()
                extractor.input("x", image)
                results[i] = extractor.extract("y")[1]

        return run, lambda: np.stack([np.array(mat) for mat in results])

    return {"packed": way(True), "not packed": way(False)}


def litert(case, x, y, threads):
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.interpreter import Interpreter

    same = case.stride == (1, 1) and all(2 * p + 1 == k for p, k in zip(case.padding, case.kernel))
    if not case.last or case.dims == 3 or any(case.padding) and (not same or case.op == "mean"):
        return {}  # padding is SAME or VALID, and never counted
    flat = lambda axes: [1] * (2 - case.dims) + list(axes)

    def way(reduce):
        def tensor(name, shape, buffer=0, kind=schema.TensorType.FLOAT32):
            new = schema.TensorT()
            new.name, new.shape, new.buffer, new.type = name, shape, buffer, kind
            return new

        graph, model = schema.SubGraphT(), schema.ModelT()
        operator, code = schema.OperatorT(), schema.OperatorCodeT()
        graph.tensors = [
            tensor("x", [case.batch, *flat(case.size), case.channels]),
            tensor("y", [case.batch, *flat(case.output), case.channels]),
        ]
        graph.inputs, graph.outputs = [0], [1]
        model.version, model.buffers = 3, [schema.BufferT()]
        operator.opcodeIndex, operator.inputs, operator.outputs = 0, [0], [1]
        if reduce:
            axes = schema.BufferT()
            axes.data = list(np.array([1, 2], np.int32).tobytes())
            model.buffers.append(axes)
            graph.tensors.append(tensor("axes", [2], 1, schema.TensorType.INT32))
            operator.inputs = [0, 2]
            options = schema.ReducerOptionsT()
            options.keepDims = True
            operator.builtinOptionsType = schema.BuiltinOptions.ReducerOptions
            builtin = schema.BuiltinOperator.MEAN
        else:
            options = schema.Pool2DOptionsT()
            options.padding = schema.Padding.SAME if any(case.padding) else schema.Padding.VALID
            options.filterHeight, options.filterWidth = flat(case.kernel)
            options.strideH, options.strideW = flat(case.stride)
            operator.builtinOptionsType = schema.BuiltinOptions.Pool2DOptions
            average = schema.BuiltinOperator.AVERAGE_POOL_2D
            builtin = schema.BuiltinOperator.MAX_POOL_2D if case.op == "max" else average
        operator.builtinOptions = options
        code.version, code.builtinCode, code.deprecatedBuiltinCode = 1, builtin, builtin
        graph.operators, model.operatorCodes, model.subgraphs = [operator], [code], [graph]
        builder = flatbuffers.Builder(1024)
        builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
        interpreter = Interpreter(model_content=bytes(builder.Output()), num_threads=threads)
        interpreter.allocate_tensors()
        [into], [out] = interpreter.get_input_details(), interpreter.get_output_details()
        interpreter.set_tensor(into["index"], x.reshape(into["shape"]))
        return interpreter._interpreter.Invoke, lambda: interpreter.get_tensor(out["index"])

    return {"pool": way(False)} | ({"mean": way(True)} if case.is_global else {})


RUST = {
    "lanepool": "lanepool",
    "lanepool-avx2": "lanepool",
    "floor": "lanepool",
    "burn-ndarray": "burn-ndarray",
    "burn-flex": "burn-flex",
    "candle": "candle-core",
    "rten": "rten",
    "tract": "tract-core",
}
PYTHON = {
    "torch": (torch, "torch"),
    "onednn": (onednn, "torch"),
    "onnxruntime": (onnxruntime, "onnxruntime"),
    "openvino": (openvino, "openvino"),
    "ncnn": (ncnn, "ncnn"),
    "litert": (litert, "ai-edge-litert"),
}


def ways_of(name):
    return rust(name) if name in RUST else PYTHON[name][0]


def versions():
    lock = tomllib.loads((HERE / "Cargo.lock").read_text())["package"]
    rust = {package["name"]: package["version"] for package in lock}
    found = {name: f"{package} {rust[package]}" for name, package in RUST.items()}
    for name, (_, package) in PYTHON.items():
        found[name] = f"{package} {metadata.version(package)}"
    return found
