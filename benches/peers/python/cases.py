"""The cases, their inputs, and what torch makes of them."""

import ctypes
import dataclasses
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent.parent
CACHE = HERE / ".cache"


@dataclasses.dataclass(frozen=True)
class Case:
    name: str
    op: str
    batch: int
    channels: int
    size: tuple
    kernel: tuple
    stride: tuple
    padding: tuple
    layout: str

    @property
    def key(self):
        return f"{self.name} {self.layout}"

    @property
    def dims(self):
        return len(self.size)

    @property
    def last(self):
        return self.layout == "last"

    @property
    def output(self):
        axes = zip(self.size, self.kernel, self.stride, self.padding)
        return tuple((n + 2 * p - k) // s + 1 for n, k, s, p in axes)

    @property
    def is_global(self):
        return self.kernel == self.size

    def shape(self, axes, layout=None):
        """The sizes of a tensor of these axes, in the order of its memory."""
        if (layout or self.layout) == "last":
            return (self.batch, *axes, self.channels)
        return (self.batch, self.channels, *axes)

    @property
    def title(self):
        kernel, size = "×".join(map(str, self.kernel)), "×".join(map(str, self.size))
        stride = f" s{self.stride[0]}" if not self.is_global else ""
        padding = f" p{self.padding[0]}" if any(self.padding) else ""
        batch = f"{self.batch}×" if self.batch > 1 else ""
        return f"{self.op} {kernel}{stride}{padding}, {batch}{self.channels}×{size}"

    def path(self, what):
        return CACHE / f"{self.key.replace(' ', '-')}.{what}.npy"


# Name, operation, batch, channels; size, kernel; stride and padding along each axis.
TABLE = [
    ("resnet_stem", "max", 1, 64, (112, 112), (3, 3), 2, 1),
    ("vgg1", "max", 1, 64, (224, 224), (2, 2), 2, 0),
    ("vgg5", "max", 1, 512, (14, 14), (2, 2), 2, 0),
    ("incep_max", "max", 1, 480, (14, 14), (3, 3), 1, 1),
    ("alexnet", "max", 1, 96, (55, 55), (3, 3), 2, 0),
    ("densenet_avg", "mean", 1, 256, (56, 56), (2, 2), 2, 0),
    ("incep_avg", "mean", 1, 768, (17, 17), (3, 3), 1, 1),
    ("gap", "mean", 1, 2048, (7, 7), (7, 7), 1, 0),
    ("big_max", "max", 16, 64, (112, 112), (3, 3), 2, 1),
    ("big_avg", "mean", 16, 64, (112, 112), (2, 2), 2, 0),
    ("audio1d", "max", 1, 128, (16000,), (4,), 4, 0),
    ("video3d", "max", 1, 64, (16, 56, 56), (2, 2, 2), 2, 0),
    ("tiny", "max", 1, 1, (8, 8), (2, 2), 2, 0),
]

CASES = {
    case.key: case
    for layout in ("first", "last")
    for name, op, batch, channels, size, kernel, stride, padding in TABLE
    for case in [
        Case(name, op, batch, channels, size, kernel,
             (stride,) * len(size), (padding,) * len(size), layout)
    ]
}


def prepare(case):
    """Writes a case's input, and torch's output for it."""
    import torch
    import torch.nn.functional as F

    CACHE.mkdir(exist_ok=True)
    shape = case.shape(case.size, "first")
    x = np.random.default_rng(1).standard_normal(shape, dtype=np.float32)
    pool = getattr(F, f"{'max' if case.op == 'max' else 'avg'}_pool{case.dims}d")
    y = pool(torch.from_numpy(x), case.kernel, case.stride, case.padding).numpy()
    for what, tensor in ("input", x), ("output", y):
        if case.last:
            tensor = np.moveaxis(tensor, 1, -1)
        np.save(case.path(what), np.ascontiguousarray(tensor))


def aligned(shape):
    """A tensor that starts at a page, so that nobody is luckier than others."""
    size = int(np.prod(shape)) * 4
    memory = np.zeros(size + 4096, np.uint8)
    start = -memory.ctypes.data % 4096
    return memory[start : start + size].view(np.float32).reshape(shape)


def load(case, what):
    stored = np.load(case.path(what))
    tensor = aligned(stored.shape)
    tensor[:] = stored
    return tensor


def wrong(case, got):
    """What distinguishes a result from torch's, or nothing."""
    want = load(case, "output").ravel()
    got = np.asarray(got).ravel()
    if got.size != want.size:
        return f"{got.size} elements instead of {want.size}"
    off = np.abs(got - want)
    if not off.max() <= (0 if case.op == "max" else 1e-5):
        return f"off by up to {off.max():.3g}"


class CCase(ctypes.Structure):
    """`Case` of src/lib.rs."""

    _fields_ = [
        ("dims", ctypes.c_size_t),
        ("max", ctypes.c_bool),
        ("channels_last", ctypes.c_bool),
        ("batch", ctypes.c_size_t),
        ("channels", ctypes.c_size_t),
        *[(n, ctypes.c_size_t * 3) for n in ("size", "kernel", "stride", "padding", "output")],
        ("threads", ctypes.c_size_t),
    ]

    def __init__(self, case, threads):
        three = lambda axes, rest: (*(rest,) * (3 - case.dims), *axes)
        super().__init__(
            case.dims, case.op == "max", case.last, case.batch, case.channels,
            three(case.size, 1), three(case.kernel, 1), three(case.stride, 1),
            three(case.padding, 0), three(case.output, 1), threads,
        )
