"""Ends of a range by the least squared error after quantisation, instead of the least and the greatest value.

A few far values make the steps of a measured range large for all others, which matters most with few bits. Here
levels and steps are fitted in turn (Lloyd, "Least Squares Quantization in PCM", 1982); levels are evenly spaced. With
the level of each value fixed, lowest level and step are those of a line through levels and values. With these, each
value takes its nearest level. The choice is an encoder's; a decoder reads the ends.

Values enter by a histogram, so that all sums are of integers and exact: the same tensor gives the same ends everywhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: The highest bit depth whose ends are fitted; above it the extremes stay.
MAX_BITS = 8

_LARGEST = float(np.finfo(np.float32).max)
_BINS = 1024
_SHARES = (1.0, 0.6, 0.35, 0.15)  # of the way from the mean to each extreme, where the fit begins
_ROUNDS = 16


class _Line(NamedTuple):
    """Levels in bins: the lowest one, the step, and the sum of squared errors."""

    lowest: float
    step: float
    error: float


def fitted_ends(values: NDArray[np.float32], low: float, high: float, bits: int) -> tuple[float, float]:
    """The lowest and the highest of ``2**bits`` levels for ``values``, of any shape and within ``low`` to ``high``.

    With more than `MAX_BITS` bits, or where nothing better is found, they are ``low`` and ``high``.
    """
    width = (float(high) - float(low)) / _BINS
    if bits > MAX_BITS or not width > 0:
        return low, high
    places = np.minimum((values.astype(np.float64).ravel() - low) / width, _BINS - 1).astype(np.int64)
    counts = np.bincount(places, minlength=_BINS)
    bins = np.flatnonzero(counts)
    counts = counts[bins]
    mean = int((counts * bins).sum()) / int(counts.sum())
    top = (1 << bits) - 1
    best = _Line(-0.5, _BINS / top, _error(bins, counts, -0.5, _BINS / top, top))
    for share in _SHARES:
        lowest, highest = mean * (1 - share), mean + share * (_BINS - 1 - mean)
        found = _fit(bins, counts, lowest, (highest - lowest) / top, top)
        if found is not None and found.error < best.error:
            best = found
    start = low + (best.lowest + 0.5) * width
    return max(start, -_LARGEST), min(start + best.step * top * width, _LARGEST)


def _fit(bins: NDArray[np.int64], counts: NDArray[np.int64], lowest: float, step: float, top: int) -> _Line | None:
    """Levels and values in turn, from a first ``lowest`` and ``step``, until no value changes its level."""
    number, values, squares = (int((counts * bins**power).sum()) for power in (0, 1, 2))
    found: _Line | None = None
    before: NDArray[np.int64] | None = None
    for _ in range(_ROUNDS):
        levels = _nearest(bins, lowest, step, top)
        if before is not None and np.array_equal(before, levels):
            break
        before = levels
        weighted = counts * levels
        first, second = int(weighted.sum()), int((weighted * levels).sum())
        products = int((weighted * bins).sum())
        spread = number * second - first * first
        slope = number * products - first * values
        if spread <= 0 or slope <= 0:
            break
        step = slope / spread
        lowest = (values - step * first) / number
        found = _Line(lowest, step, squares - lowest * values - step * products)
    return found


def _nearest(bins: NDArray[np.int64], lowest: float, step: float, top: int) -> NDArray[np.int64]:
    """The level of each bin, 0 to ``top``."""
    levels: NDArray[np.int64] = np.clip(np.rint((bins - lowest) / step), 0, top).astype(np.int64)
    return levels


def _error(bins: NDArray[np.int64], counts: NDArray[np.int64], lowest: float, step: float, top: int) -> float:
    """The sum of squared errors of evenly spaced levels."""
    errors = bins - lowest - step * _nearest(bins, lowest, step, top)
    return float((counts * errors**2).sum())
