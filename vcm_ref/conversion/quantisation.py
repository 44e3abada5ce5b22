"""Quantisation of feature tensors to ``n``-bit samples, and its inverse.

Forward: measure a range, clamp to it, and spread it over ``0 … 2**n - 1`` (Rhee, Lee, Kim 2022, sections III.1
and III.4; the named ranges are those of the MPEG-VCM feature anchor). Inverse: docs/bitstream.md, 8.6.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from vcm_ref.bitstream.values import RangeScope, Samples, ValueRange
from vcm_ref.conversion.parallel import map_blocks, share_out
from vcm_ref.errors import ConfigError, DatasetError

Rounding = Literal["nearest", "floor"]


@dataclass(frozen=True)
class RangeProfile:
    """A published fixed range: its ends, how its source rounds, and what that source is."""

    lo: float
    hi: float
    rounding: Rounding
    source: str


RANGE_PROFILES: dict[str, RangeProfile] = {
    "mpeg-m58786": RangeProfile(
        -23.1728, 20.3891, "floor", "code of the MPEG-VCM feature anchor m58786: scale 23.4838, truncation"
    ),
    "mpeg-m58786-readme": RangeProfile(
        -22.3948, 20.3891, "floor", "README of the MPEG-VCM feature anchor m58786, with another minimum"
    ),
    "vcm-detection": RangeProfile(
        -23.09193229675293, 20.246625900268555, "floor", "public VCM evaluation platform, object detection"
    ),
    "vcm-segmentation": RangeProfile(
        -26.426828, 28.397470, "floor", "public VCM evaluation platform, instance segmentation"
    ),
}
"""Named ranges for scope ``FIXED``.

The anchor's scale is that of its range at 10 bits: 1023 / (20.3891 + 23.1728) = 23.4838. Its code does not
clip, so a value outside the range becomes a sample that the bit depth cannot hold; here every range clamps.
"""


def highest_value(bit_depth: int) -> int:
    """Return ``2**bit_depth - 1``. Raises `ConfigError` outside 1 … 16 bits."""
    if not 1 <= bit_depth <= 16:
        raise ConfigError(f"bit depth {bit_depth} is outside 1..16")
    return (1 << bit_depth) - 1


def measure_ranges(
    layers: Mapping[str, NDArray[np.float32]],
    scope: RangeScope,
    fixed: tuple[float, float] | None = None,
    *,
    threads: int | None = None,
) -> list[ValueRange]:
    """Return the range of each layer, in order.

    ``layers`` maps names to float32 tensors ``(C, H, W)``. The arrays of a range have shape ``(1,)``, with
    scope ``CHANNEL`` ``(C,)``; with ``PICTURE`` and ``FIXED`` all layers have the same pair. ``fixed`` is the
    pair for scope ``FIXED``, rounded to float32. A zero is always +0, so that equal tensors have equal
    ranges.

    Raises `DatasetError` where there is no layer, or one that is no float32 tensor or holds NaN or infinity,
    and `ConfigError` where ``fixed`` is missing, not finite, or has its maximum below its minimum.
    """
    if not layers:
        raise DatasetError("the feature set has no layers")
    extremes = [_layer_extremes(name, tensor, threads) for name, tensor in layers.items()]
    if scope == RangeScope.CHANNEL:
        return [ValueRange(lows + np.float32(0), highs + np.float32(0)) for lows, highs in extremes]
    if scope == RangeScope.TENSOR:
        return [_one_range(lows.min(), highs.max()) for lows, highs in extremes]
    if scope == RangeScope.PICTURE:
        low = min(lows.min() for lows, _ in extremes)
        shared = _one_range(low, max(highs.max() for _, highs in extremes))
    else:
        shared = _fixed_range(fixed)
    return [shared] * len(extremes)


def check_finite(layers: Mapping[str, NDArray[np.float32]]) -> None:
    """Refuse what :func:`measure_ranges` refuses of layers, in a single pass over those that are finite.

    A sum of squares is finite only where all values are; where it is not, the extremes tell. Raises `DatasetError`.
    """
    for name, tensor in layers.items():
        _check_form(name, tensor)
        values = tensor.reshape(-1)
        with np.errstate(over="ignore", invalid="ignore"):
            finite = np.isfinite(np.dot(values, values))
        if not finite:
            _layer_extremes(name, tensor, None)


def quantise(
    tensor: NDArray[np.float32],
    value_range: ValueRange,
    bit_depth: int,
    rounding: Rounding = "nearest",
    *,
    threads: int | None = None,
) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Quantise a float32 tensor ``(C, H, W)`` to uint16 samples of ``bit_depth`` bits.

    Returns the samples ``(C, H, W)`` and the sum of each quantised map ``(C,)``, by which maps are ordered. A
    sample is ``round((clamp(x, lo, hi) - lo) * ((2**n - 1) / (hi - lo)))``, where ``nearest`` takes ties to
    even. With either rounding ``hi`` itself gets ``2**n - 1``; a constant range gives 0.

    The arithmetic is float32, each operation rounded once, and not normative. Ranges shorter than 2**-100 or
    longer than 2**100, where float32 would underflow or overflow, are computed in float64.

    Raises `DatasetError` where the tensor holds NaN or infinity.
    """
    top = highest_value(bit_depth)
    lo, hi, scale = _forward_parameters(value_range, top)
    channels, height, width = tensor.shape
    blocks = map_blocks(tensor.shape)
    q = np.empty(tensor.shape, np.uint16)
    sums = np.empty(channels, np.int64)
    # The narrow type takes half the time.
    sum_type = np.uint32 if height * width * top < 1 << 32 else np.uint64
    lows, highs = np.empty((2, channels), np.float32)

    def work(drawn: Iterator[slice]) -> None:
        scratch = np.empty(tensor[blocks[0]].shape, scale.dtype)
        for block in drawn:
            maps, samples = tensor[block], q[block]
            x = scratch[: len(maps)]
            block_lo, block_hi, block_scale = (_of_block(values, block) for values in (lo, hi, scale))
            _extremes(maps, lows[block], highs[block])
            if not (np.isfinite(lows[block]).all() and np.isfinite(highs[block]).all()):
                continue  # refused below, where the first such channel of all blocks is known
            if (lows[block] < block_lo[:, 0, 0]).any() or (highs[block] > block_hi[:, 0, 0]).any():
                np.clip(maps, block_lo, block_hi, out=x)
                maps = x
            np.subtract(maps, block_lo, out=x)
            np.multiply(x, block_scale, out=x)
            if rounding == "nearest":
                np.rint(x, out=x)
            np.copyto(samples, x, casting="unsafe")  # truncates: as nothing is below zero, that is floor
            sums[block] = np.sum(samples, axis=(1, 2), dtype=sum_type)

    share_out(work, blocks, threads)
    _refuse_non_finite(lows, highs, "")
    return q, sums


def dequantise(tensor: Samples, *, threads: int | None = None) -> NDArray[np.float32]:
    """Turn integer samples ``(C, H, W)`` into the float32 values ``(C, H, W)`` that they stand for.

    Normative (docs/bitstream.md, 8.6): ``float32(lo + q * ((hi - lo) / top))``, all in float64 with each
    operation rounded once. Where ``lo`` equals ``hi``, every sample gives ``lo``.
    """
    q, value_range = tensor.samples, tensor.value_range
    lo = value_range.lo.astype(np.float64).reshape(-1, 1, 1)
    step = (value_range.hi.astype(np.float64).reshape(-1, 1, 1) - lo) / tensor.top
    blocks = map_blocks(q.shape)
    values = np.empty(q.shape, np.float32)

    # Each step is a call of its own, so no compiler can fuse multiplication and addition into one rounding.
    # In the cache, these four take less time than looking samples up in a table: NumPy widens indices to 64
    # bits.
    def work(drawn: Iterator[slice]) -> None:
        scratch = np.empty(q[blocks[0]].shape, np.float64)
        for block in drawn:
            samples = q[block]
            x = scratch[: len(samples)]
            np.copyto(x, samples)
            np.multiply(x, _of_block(step, block), out=x)
            np.add(x, _of_block(lo, block), out=x)
            np.copyto(values[block], x, casting="same_kind")

    share_out(work, blocks, threads)
    return values


def to_fixed_point(tensor: Samples, fraction_bits: int, bits: int, *, threads: int | None = None) -> NDArray[np.int32]:
    """Turn integer samples ``(C, H, W)`` into fixed-point numbers ``(C, H, W)`` of ``bits`` bits, at most 32.

    Normative (docs/bitstream.md, 8.9): with v the binary64 value of a sample before it is rounded to binary32, the
    number is ``Clip3(-2**(bits - 1), 2**(bits - 1) - 1, Floor(v * 2**fraction_bits + 0.5))``, and stands for itself
    divided by ``2**fraction_bits``.
    """
    q, value_range = tensor.samples, tensor.value_range
    lo = value_range.lo.astype(np.float64).reshape(-1, 1, 1)
    step = (value_range.hi.astype(np.float64).reshape(-1, 1, 1) - lo) / tensor.top
    blocks = map_blocks(q.shape)
    numbers = np.empty(q.shape, np.int32)
    low, high = -(1 << (bits - 1)), (1 << (bits - 1)) - 1

    def work(drawn: Iterator[slice]) -> None:
        scratch = np.empty(q[blocks[0]].shape, np.float64)
        for block in drawn:
            samples = q[block]
            x = scratch[: len(samples)]
            np.copyto(x, samples)
            np.multiply(x, _of_block(step, block), out=x)
            np.add(x, _of_block(lo, block), out=x)
            np.multiply(x, 2.0**fraction_bits, out=x)
            np.add(x, 0.5, out=x)
            np.floor(x, out=x)
            np.clip(x, low, high, out=x)
            np.copyto(numbers[block], x, casting="unsafe")

    share_out(work, blocks, threads)
    return numbers


def fixed_point_range(fraction_bits: int) -> ValueRange:
    """The range with which an integer x stands for ``x / 2**fraction_bits``, where ``top`` is 1."""
    return ValueRange(np.zeros(1, np.float32), np.full(1, 2.0**-fraction_bits, np.float32))


def _forward_parameters(value_range: ValueRange, top: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return ``lo``, ``hi`` and scale, each ``(n, 1, 1)`` and of the type to compute in."""
    lo = value_range.lo.astype(np.float64).reshape(-1, 1, 1)
    hi = value_range.hi.astype(np.float64).reshape(-1, 1, 1)
    span = hi - lo
    varies = span > 0
    in_float32 = (~varies | ((span >= 2.0**-100) & (span <= 2.0**100))).all()
    compute = np.dtype(np.float32 if in_float32 else np.float64)
    scale = np.divide(top, span, out=np.zeros_like(span), where=varies).astype(compute)
    # A scale rounded down may leave ``hi`` just below the highest value, which floor would then never reach.
    lo, hi = lo.astype(compute), hi.astype(compute)
    short = varies & ((hi - lo) * scale < top)
    return lo, hi, np.where(short, np.nextafter(scale, compute.type(np.inf)), scale)


def _of_block(values: NDArray[Any], block: slice) -> NDArray[Any]:
    """Return the block's entries where there is one a channel, else the one that all channels share."""
    return values[block] if len(values) > 1 else values


def _layer_extremes(
    name: str, tensor: NDArray[np.float32], threads: int | None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the least and the greatest value of each channel, both ``(C,)`` and finite."""
    _check_form(name, tensor)
    lows, highs = np.empty((2, len(tensor)), np.float32)

    def work(drawn: Iterator[slice]) -> None:
        for block in drawn:
            _extremes(tensor[block], lows[block], highs[block])

    share_out(work, map_blocks(tensor.shape), threads)
    _refuse_non_finite(lows, highs, f"layer {name}, ")
    return lows, highs


def _check_form(name: str, tensor: NDArray[Any]) -> None:
    if tensor.ndim != 3 or tensor.size == 0 or tensor.dtype != np.float32:
        shape = "x".join(map(str, tensor.shape))
        raise DatasetError(f"layer {name} is {tensor.dtype} {shape}; it must be float32 CxHxW, none of them 0")


def _extremes(maps: NDArray[np.float32], lows: NDArray[np.float32], highs: NDArray[np.float32]) -> None:
    """Write the least and the greatest value of each map; both are NaN where the map holds NaN."""
    np.min(maps, axis=(1, 2), out=lows)
    np.max(maps, axis=(1, 2), out=highs)


def _refuse_non_finite(lows: NDArray[np.float32], highs: NDArray[np.float32], where: str) -> None:
    """Raise `DatasetError` for the first channel whose extremes are not finite."""
    bad = ~(np.isfinite(lows) & np.isfinite(highs))
    if bad.any():
        channel = int(bad.argmax())
        what = "NaN" if np.isnan(lows[channel]) else "infinity"
        raise DatasetError(f"{where}channel {channel} holds {what}; features must be finite")


def _one_range(low: np.float32, high: np.float32) -> ValueRange:
    return ValueRange(np.full(1, low + np.float32(0)), np.full(1, high + np.float32(0)))


def _fixed_range(fixed: tuple[float, float] | None) -> ValueRange:
    if fixed is None:
        raise ConfigError(f"range fixed needs minimum and maximum, or a profile: {', '.join(RANGE_PROFILES)}")
    with np.errstate(over="ignore"):
        low, high = (np.float32(end) for end in fixed)
    if not (np.isfinite(low) and np.isfinite(high) and low <= high):
        raise ConfigError(f"fixed range {fixed[0]}..{fixed[1]} must be finite and run from minimum to maximum")
    return _one_range(low, high)
