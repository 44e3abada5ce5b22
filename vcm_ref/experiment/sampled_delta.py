"""BD-rate and BD-accuracy of many resamples of two curves at once.

The policy is that of :mod:`~vcm_ref.experiment.bjontegaard_delta`, with PCHIP (F. N. Fritsch and J. Butland, SIAM J.
Sci. Stat. Comput. 5, 1984, in SciPy's form): each resample keeps its own Pareto front, and there is no figure, NaN,
where a front has fewer than two points or the ranges have nothing in common. The package that gives the figures
themselves takes curves one by one, a millisecond each; thousands of resamples need arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


@dataclass(frozen=True)
class SampledCurve:
    """The points of a curve in R resamples: ``rates`` and ``accuracies`` are (R, N), with NaN for what there is not."""

    rates: Values
    accuracies: Values


def sampled_deltas(anchor: SampledCurve, test: SampledCurve, figure: Literal["rate", "accuracy"]) -> Values:
    """BD-rate in percent, or BD-accuracy in points, of ``test`` against ``anchor`` in each resample: (R,)."""
    if not anchor.rates.shape[1] or not test.rates.shape[1]:
        return np.full(len(anchor.rates), np.nan)
    curves = [_base_and_value(*_front(curve), figure) for curve in (anchor, test)]
    with np.errstate(invalid="ignore"):
        low: Values = np.maximum(*(np.nanmin(_some(base), 1) for base, _ in curves))
        high: Values = np.minimum(*(np.nanmax(_some(base), 1) for base, _ in curves))
    enough = [np.count_nonzero(np.isfinite(base), 1) >= 2 for base, _ in curves]
    usable = np.logical_and.reduce([*enough, high > low])
    found = np.full(len(low), np.nan)
    if not usable.any():
        return found
    low, high = low[usable], high[usable]
    before, after = (_integral(base[usable], value[usable], low, high) for base, value in curves)
    mean = (after - before) / (high - low)
    found[usable] = (10**mean - 1) * 100 if figure == "rate" else 100 * mean
    return found


def _some(base: Values) -> Values:
    """``base`` with zeros for a row that has nothing but NaN, so that its range is empty."""
    return np.where(np.isfinite(base).any(axis=1, keepdims=True), base, 0.0)


def _front(curve: SampledCurve) -> tuple[Values, Values]:
    """The points of each Pareto front by rising rate, at the left of each row; the rest is NaN."""
    usable = np.isfinite(curve.rates) & np.isfinite(curve.accuracies) & (curve.rates > 0)
    rates = np.where(usable, curve.rates, np.inf)
    accuracies = np.where(usable, curve.accuracies, -np.inf)
    order = np.lexsort((-accuracies, rates), axis=1)
    rates, accuracies = np.take_along_axis(rates, order, 1), np.take_along_axis(accuracies, order, 1)
    best = np.maximum.accumulate(accuracies, 1)
    kept = np.isfinite(rates)
    kept[:, 1:] &= accuracies[:, 1:] > best[:, :-1]
    left = np.argsort(~kept, axis=1, kind="stable")
    there = np.take_along_axis(kept, left, 1)
    found = (np.where(there, np.take_along_axis(values, left, 1), np.nan) for values in (rates, accuracies))
    return tuple(found)  # type: ignore[return-value]


def _base_and_value(rates: Values, accuracies: Values, figure: str) -> tuple[Values, Values]:
    logarithms = np.log10(rates)
    return (accuracies, logarithms) if figure == "rate" else (logarithms, accuracies)


def _integral(base: Values, value: Values, low: Values, high: Values) -> Values:
    """The integral of each row's PCHIP from ``low`` to ``high``; rows are (R, N), rising, with NaN at their ends."""
    counts = np.count_nonzero(np.isfinite(base), 1)
    found = np.empty(len(base))
    for count in np.unique(counts):
        rows = counts == count
        found[rows] = _integral_of(base[rows, :count], value[rows, :count], low[rows], high[rows])
    return found


def _integral_of(x: Values, y: Values, low: Values, high: Values) -> Values:
    """As :func:`_integral`, for rows of one length without NaN."""
    h = np.diff(x, axis=1)
    slope = np.diff(y, axis=1) / h
    d = _derivatives(h, slope)
    second = (3 * slope - 2 * d[:, :-1] - d[:, 1:]) / h
    third = (d[:, :-1] + d[:, 1:] - 2 * slope) / h**2
    total = np.zeros(len(x))
    for place in range(h.shape[1]):
        start = np.clip(low - x[:, place], 0, h[:, place])
        end = np.clip(high - x[:, place], 0, h[:, place])
        for power, factor in enumerate((y[:, place], d[:, place], second[:, place], third[:, place]), start=1):
            total += factor * (end**power - start**power) / power
    return total


def _derivatives(h: Values, slope: Values) -> Values:
    """The derivative at each point; all slopes are above 0, as the points are a Pareto front."""
    if h.shape[1] == 1:
        return np.repeat(slope, 2, 1)
    first, second = 2 * h[:, 1:] + h[:, :-1], h[:, 1:] + 2 * h[:, :-1]
    inner = (first + second) / (first / slope[:, :-1] + second / slope[:, 1:])
    start = _end(h[:, 0], h[:, 1], slope[:, 0], slope[:, 1])
    end = _end(h[:, -1], h[:, -2], slope[:, -1], slope[:, -2])
    return np.concatenate([start[:, None], inner, end[:, None]], 1)


def _end(h0: Values, h1: Values, m0: Values, m1: Values) -> Values:
    """The three-point estimate at an end, which keeps the shape: not below 0."""
    return np.maximum(((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1), 0.0)
