"""Pools a raster that is larger than the memory of the cluster that does it: `examples/run-python dask`.

Two worker processes of Dask, with as little memory as MEMORY says, make a raster tile by tile, and pool it tile by tile:
each reads the elements that the windows of its tile cover, which are those of the tile and a halo around it. Then the
same is done in one piece, by one plan of the whole raster, whose input is a file in the address space, not in memory.
All bits are the same: how the work is cut does not show in the result.
"""

import argparse
import mmap
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from distributed import Client, LocalCluster

sys.path.append(str(Path(__file__).resolve().parents[1] / "numpy"))
from lanepool import Plan  # noqa: E402

MEMORY = 256 << 20  # of each of the two workers
SIZE = (18432, 8192)  # 576 MiB of float32
KERNEL, STRIDE, PADDING = 5, 2, 2
TILE = 1024
OUTPUT = tuple((size + 2 * PADDING - KERNEL) // STRIDE + 1 for size in SIZE)


def tiles(size):
    """The corners of tiles, as (top, bottom, left, right)."""
    height, width = size
    for top in range(0, height, TILE):
        for left in range(0, width, TILE):
            yield top, min(top + TILE, height), left, min(left + TILE, width)


def transfer(path, size, tile, array, how):
    """Reads or writes a tile of a file, a line at a time."""
    top, bottom, left, right = tile
    with open(path, "r+b", buffering=0) as file:
        for y, line in zip(range(top, bottom), array):
            file.seek((y * size[1] + left) * array.itemsize)
            getattr(file, how)(memoryview(line).cast("B"))


def make_tile(tile, path):
    """Heights of a landscape, some of them not known."""
    top, bottom, left, right = tile
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    noise = np.random.default_rng([top, left]).standard_normal(y.shape, np.float32)
    heights = 1000 * np.sin(x / 900) * np.cos(y / 700) + noise
    heights[noise > 4] = np.nan
    transfer(path, SIZE, tile, heights, "write")


def halo(begin, end, size):
    """What the windows begin to end of an axis cover: from where to where in the input, and of padding on both sides."""
    first, last = begin * STRIDE - PADDING, (end - 1) * STRIDE - PADDING + KERNEL
    return max(first, 0), min(last, size), max(-first, 0), max(last - size, 0)


def pool_tile(tile, op, source, target):
    """Pools a tile of the output."""
    top, bottom, above, below = halo(tile[0], tile[1], SIZE[0])
    left, right, before, after = halo(tile[2], tile[3], SIZE[1])
    given = np.empty((bottom - top, right - left), np.float32)
    transfer(source, SIZE, (top, bottom, left, right), given, "readinto")
    plan = Plan(op, (1, 1, *given.shape), (KERNEL,) * 2, stride=(STRIDE,) * 2, pad_begin=(above, before),
                pad_end=(below, after), divisor="include_pad", ignore_nan=True)  # fmt: skip
    transfer(target, OUTPUT, tile, plan(given[np.newaxis, np.newaxis], threads=1)[0, 0], "write")


def count_differences(op, source, target):
    """Bytes in which the output in one piece differs from the file of tiles."""
    plan = Plan(op, (1, 1, *SIZE), (KERNEL,) * 2, stride=(STRIDE,) * 2, pad_begin=(PADDING,) * 2,
                pad_end=(PADDING,) * 2, divisor="include_pad", ignore_nan=True)  # fmt: skip
    assert plan.output_shape == (1, 1, *OUTPUT), plan.output_shape
    raster = np.memmap(source, np.float32, "r", shape=(1, 1, *SIZE))
    different = 0
    with open(target, "rb") as file:
        for first in range(0, plan.rows, TILE):
            rows = plan.some_rows(first, min(TILE, plan.rows - first), raster)
            tiled = np.frombuffer(file.read(rows.nbytes), np.uint8)
            different += np.count_nonzero(tiled != rows.view(np.uint8).ravel())
            raster._mmap.madvise(mmap.MADV_DONTNEED)  # what has been read need not stay in memory
        assert not file.read(1), "tiles are left over"
    return different


def of_each(client, function, work, *rest):
    """Calls a function of each tile on the workers, and waits for all."""
    # Not pure: the same call again has to write its file again.
    client.gather(client.map(function, work, *([each] * len(work) for each in rest), pure=False))


def peak():
    """The most memory that this process has had, in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) << 10


def main():
    parser = argparse.ArgumentParser(description=__doc__.split(":")[0])
    parser.add_argument("--scratch", help="a folder for files of 1 GiB; that of the system unless said")
    options = parser.parse_args()
    raster_bytes = SIZE[0] * SIZE[1] * 4
    assert raster_bytes > 2 * MEMORY
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, memory_limit=MEMORY, dashboard_address=None)
    with tempfile.TemporaryDirectory(dir=options.scratch) as scratch, cluster, Client(cluster) as client:
        source, target = f"{scratch}/raster", f"{scratch}/pooled"
        print(f"{SIZE[0]}x{SIZE[1]} float32, {raster_bytes >> 20} MiB, on 2 workers of {MEMORY >> 20} MiB each")
        for path, size in [(source, SIZE), (target, OUTPUT)]:
            with open(path, "wb") as file:
                os.truncate(file.fileno(), size[0] * size[1] * 4)
        of_each(client, make_tile, list(tiles(SIZE)), source)
        for op in ["max", "average"]:
            start = time.perf_counter()
            work = list(tiles(OUTPUT))
            of_each(client, pool_tile, work, op, source, target)
            seconds = time.perf_counter() - start
            different = count_differences(op, source, target)
            print(f"{op}: {len(work)} tiles in {seconds:.1f} s, {different} bytes differ from one piece")
            assert different == 0
        peaks = [*client.run(peak).values(), peak()]
        print("most memory of the workers and of this process:", *(f"{most >> 20} MiB" for most in peaks))
        assert max(peaks) < MEMORY
    print("dask: ok")


if __name__ == "__main__":
    main()
