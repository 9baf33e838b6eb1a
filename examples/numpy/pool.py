"""Pools numpy arrays by the C library, and compares with numpy: `examples/run-python numpy`."""

import numpy as np
from lanepool import Plan


def windows(array, kernel, stride):
    """The windows of N C H W, as numpy sees them."""
    views = np.lib.stride_tricks.sliding_window_view(array, kernel, axis=(2, 3))
    return views[:, :, :: stride[0], :: stride[1]]


def main():
    rng = np.random.default_rng(1)
    kernel, stride = (3, 2), (2, 3)

    image = rng.standard_normal((2, 16, 61, 83), np.float32)
    of_image = windows(image, kernel, stride)
    for op, best in [("max", np.max), ("min", np.min)]:
        plan = Plan(op, image.shape, kernel, stride=stride)
        got = plan(image)
        assert got.tobytes() == best(of_image, axis=(4, 5)).tobytes(), op
        print(f"{op} of {image.shape} by {plan.backend}: {got.shape}, the same bits")

    # Padding that takes no part is padding with NaN that numpy ignores.
    padded = np.pad(image, [(0, 0), (0, 0), (1, 1), (1, 1)], constant_values=np.nan)
    plan = Plan("average", image.shape, kernel, stride=stride, pad_begin=(1, 1), pad_end=(1, 1))
    exact = np.nanmean(windows(padded.astype(np.float64), kernel, stride), axis=(4, 5))
    error = np.abs(plan(image) - exact).max()
    assert error < 1e-6, error
    print(f"average with padding: within {error:.1e} of numpy's in float64")

    # The same image with its channels last: other windows of memory, the same bits.
    last = Plan("average", (2, 61, 83, 16), kernel, channels_last=True, stride=stride, pad_begin=(1, 1), pad_end=(1, 1))
    turned = last(np.ascontiguousarray(np.moveaxis(image, 1, -1)))
    assert np.moveaxis(turned, -1, 1).tobytes() == plan(image).tobytes()
    print("channels last: the same bits")

    for dtype in ["uint8", "int8", "int16", "uint16", "int32"]:
        limits = np.iinfo(dtype)
        numbers = rng.integers(limits.min, limits.max, image.shape, dtype, endpoint=True)
        plan = Plan("average", image.shape, kernel, dtype, stride=stride, rounding="half_even")
        exact = np.rint(windows(numbers.astype(np.float64), kernel, stride).mean(axis=(4, 5)))
        assert np.array_equal(plan(numbers), exact.astype(dtype)), dtype
    print("averages of integers: the same as numpy's")

    try:
        Plan("max", (1, 1, 2, 9), kernel)
    except ValueError as error:
        print(f"refused: {error}")
    else:
        raise AssertionError("a kernel that does not fit")
    print("numpy: ok")


if __name__ == "__main__":
    main()
