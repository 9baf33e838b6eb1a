"""The C library by ctypes, as much of it as the examples need: copy it, it depends on numpy only.

The library is the one that the environment variable LANEPOOL_LIBRARY names, or else liblanepool.so as the system finds it.
"""

import ctypes
import os
from ctypes import POINTER, byref, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint32, c_void_p

import numpy as np

OPS = ["max", "average", "min", "sum", "lp"]
TYPES = ["float32", "float64", "float16", None, "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64"]
DIVISORS = ["exclude_pad", "include_pad", "full_window", "fixed"]
ROUNDINGS = ["half_away_from_zero", "half_even", "half_up", "truncate"]


class _Desc(ctypes.Structure):
    """lanepool_desc of lanepool.h."""

    _fields_ = [
        ("struct_size", c_size_t),
        ("op", c_uint32),
        ("type", c_uint32),
        ("layout", c_uint32),
        ("rank", c_uint32),
        ("mode", c_uint32),
        ("auto_pad", c_uint32),
        ("ceil_mode", c_uint32),
        ("divisor", c_uint32),
        ("nan_policy", c_uint32),
        ("rounding", c_uint32),
        ("batch", c_size_t),
        ("channels", c_size_t),
        ("input", c_size_t * 3),
        ("kernel", c_size_t * 3),
        ("stride", c_size_t * 3),
        ("dilation", c_size_t * 3),
        ("pad_begin", c_size_t * 3),
        ("pad_end", c_size_t * 3),
        ("fixed_divisor", c_int64),
        ("lp_exponent", c_double),
        ("backend", c_char_p),
    ]


def _load():
    library = ctypes.CDLL(os.environ.get("LANEPOOL_LIBRARY", "liblanepool.so"))
    plan, bytes_ = c_void_p, [c_void_p, c_size_t]
    for name, result, *arguments in [
        ("plan_new", c_int32, POINTER(_Desc), POINTER(plan)),
        ("plan_free", None, plan),
        ("plan_output_size", c_int32, plan, POINTER(c_size_t * 3)),
        ("plan_backend", c_char_p, plan),
        ("plan_rows", c_size_t, plan),
        ("plan_run", c_int32, plan, *bytes_, *bytes_, c_uint32),
        ("plan_run_rows", c_int32, plan, c_size_t, c_size_t, *bytes_, *bytes_),
        ("last_error", c_char_p),
    ]:
        function = getattr(library, "lanepool_" + name)
        function.restype, function.argtypes = result, arguments
    return library


_library = _load()


def _check(status):
    if status:
        raise ValueError(_library.lanepool_last_error().decode())


class Plan:
    """A pooling of arrays of one shape, N C [D] [H] W, or N [D] [H] W C with channels_last, and of one type."""

    def __init__(self, op, shape, kernel, dtype="float32", channels_last=False, stride=(), dilation=(), pad_begin=(),
                 pad_end=(), divisor="exclude_pad", ignore_nan=False, rounding="half_away_from_zero"):  # fmt: skip
        self._plan = c_void_p()
        self.dtype, self.shape = np.dtype(dtype), tuple(shape)
        batch, spatial, channels = shape[0], shape[1:-1], shape[-1]
        if not channels_last:
            channels, *spatial = shape[1:]
        sizes = lambda values: (c_size_t * 3)(*values)
        desc = _Desc(
            struct_size=ctypes.sizeof(_Desc),
            op=OPS.index(op),
            type=TYPES.index(self.dtype.name),
            layout=channels_last,
            rank=len(spatial),
            divisor=DIVISORS.index(divisor),
            nan_policy=ignore_nan,
            rounding=ROUNDINGS.index(rounding),
            batch=batch,
            channels=channels,
            input=sizes(spatial),
            kernel=sizes(kernel),
            stride=sizes(stride),
            dilation=sizes(dilation),
            pad_begin=sizes(pad_begin),
            pad_end=sizes(pad_end),
        )
        _check(_library.lanepool_plan_new(byref(desc), byref(self._plan)))
        output = (c_size_t * 3)()
        _check(_library.lanepool_plan_output_size(self._plan, byref(output)))
        output = tuple(output[: len(spatial)])
        self.output_shape = (batch, *output, channels) if channels_last else (batch, channels, *output)
        self.row_shape = self.output_shape[-2:] if channels_last else self.output_shape[-1:]
        self.rows = _library.lanepool_plan_rows(self._plan)
        self.backend = _library.lanepool_plan_backend(self._plan).decode()

    def __del__(self):
        _library.lanepool_plan_free(self._plan)

    def _input(self, array):
        if array.dtype != self.dtype or array.shape != self.shape or not array.flags.c_contiguous:
            raise ValueError(f"not a contiguous array of {self.dtype}, {self.shape}: {array.dtype}, {array.shape}")
        return array.ctypes.data, array.nbytes

    def __call__(self, array, threads=0):
        """Pools, on all cores unless told otherwise."""
        output = np.empty(self.output_shape, self.dtype)
        _check(_library.lanepool_plan_run(self._plan, *self._input(array), output.ctypes.data, output.nbytes, threads))
        return output

    def some_rows(self, first, count, array):
        """Rows of the output from `first` on, in this thread; `array` is all of the input."""
        output = np.empty((count, *self.row_shape), self.dtype)
        _check(_library.lanepool_plan_run_rows(self._plan, first, count, *self._input(array), output.ctypes.data, output.nbytes))
        return output
