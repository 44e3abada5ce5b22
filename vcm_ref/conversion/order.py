"""Channel order: which map takes which position before allocation, and its inverse.

Rhee, Lee, Kim 2022, sections II.2 and III.1: maps are ordered by mean brightness, or chained from the brightest
one by MSE or SSIM, so that neighbours resemble each other. Everything is measured on the quantised maps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from vcm_ref.conversion.parallel import share_out
from vcm_ref.conversion.quantisation import highest_value
from vcm_ref.errors import ConfigError

OrderMethod = Literal["none", "mean", "mse", "ssim"]

# Samples of each map in one matrix product; it bounds the memory of their float64 copies.
_PRODUCT_SAMPLES = 1 << 14
# Rows and columns of an SSIM window, the usual uniform one.
_WINDOW = 8
# Rows of SSIM windows that are summed at the same time; it bounds the memory of their sums.
_SSIM_ROWS = 8
# Channels in a block of the SSIM computation: what it works on stays in the cache, and its matrix products
# are so small that a BLAS does not hand them to threads of its own.
_SSIM_CHANNELS = 64


def channel_order(
    q: NDArray[np.uint16],
    method: OrderMethod,
    *,
    bit_depth: int,
    sums: NDArray[np.int64] | None = None,
    threads: int | None = None,
) -> NDArray[np.intp]:
    """Return ``order`` ``(C,)``: the map of channel ``order[k]`` takes position ``k``.

    ``q`` holds the quantised maps ``(C, H, W)``; ``sums`` are their sums ``(C,)``, where these are known
    already.

    - ``none``: the network's order.
    - ``mean``: descending mean brightness.
    - ``mse``: a chain. The brightest map comes first; next is always, of the maps not yet taken, the one with
      the least mean squared error to the map just taken.
    - ``ssim``: the same chain by the greatest mean SSIM; see `_ssim_similarity` for the windows.

    Of equals, the lowest channel comes first. All of it follows from integers, or from a fixed sequence of
    float64 operations on them, so it is the same on every machine and with any number of threads.

    Raises `ConfigError` for an unknown method.
    """
    if method not in get_args(OrderMethod):
        raise ConfigError(f"channel order {method!r} is not one of {', '.join(get_args(OrderMethod))}")
    if method == "none":
        return np.arange(len(q))
    if sums is None:
        sums = q.sum(axis=(1, 2), dtype=np.int64)
    if method == "mean":
        return np.argsort(-sums, kind="stable")
    top = highest_value(bit_depth)
    similarity = _mse_similarity(q, top) if method == "mse" else _ssim_similarity(q, top, threads)
    return _chain(similarity, int(sums.argmax()))


def _chain(similarity: NDArray[np.float64], first: int) -> NDArray[np.intp]:
    """Chain the channels from ``first`` along the greatest similarity ``(C, C)``, which is overwritten."""
    order = np.empty(len(similarity), np.intp)
    order[0] = current = first
    for position in range(1, len(order)):
        similarity[:, current] = -np.inf  # taken
        current = int(similarity[current].argmax())  # the first of equals
        order[position] = current
    return order


def _mse_similarity(q: NDArray[np.uint16], top: int) -> NDArray[np.float64]:
    """Return the negative sum of squared differences between any two maps ``(C, C)``.

    It comes from products of maps. Every sum on the way is an integer of at most ``H * W * top**2``; this is
    held below 2**53, so float64 is exact whatever the order in which a BLAS adds.
    """
    channels = len(q)
    samples = q.reshape(channels, -1)
    if samples.shape[1] * top**2 >= 1 << 53:
        raise ConfigError(f"channel order mse is not exact for maps of {samples.shape[1]} samples; use mean")
    products = np.zeros((channels, channels))
    for start in range(0, samples.shape[1], _PRODUCT_SAMPLES):
        part = samples[:, start : start + _PRODUCT_SAMPLES].astype(np.float64)
        products += part @ part.T
    squares = products.diagonal()
    # -|a - b|**2 as (a.b - a.a) + (a.b - b.b), because a.a + b.b might pass the bound.
    return (products - squares[:, None]) + (products - squares[None, :])


def _ssim_similarity(q: NDArray[np.uint16], top: int, threads: int | None) -> NDArray[np.float64]:
    """Return the mean SSIM between any two maps ``(C, C)``, times a constant.

    Wang et al., Image quality assessment: from error visibility to structural similarity (2004), equation 13,
    with K1 = 0.01, K2 = 0.03 and L = 2**n - 1. Windows are uniform, 8 x 8, and do not overlap. Those at the
    right and bottom border are cut off there, as is the one window of a smaller map; each counts by its
    samples.
    """
    channels, height, width = q.shape
    whole = width - width % _WINDOW
    starts = range(0, height, _WINDOW)
    similarity = np.zeros((channels, channels))
    totals = np.empty((min(len(starts), _SSIM_ROWS), channels, channels))

    def work(drawn: Iterator[int]) -> None:
        for row in drawn:
            rows = q[:, starts[row] : starts[row] + _WINDOW].astype(np.float64)
            total = totals[row % _SSIM_ROWS]
            total[:] = 0
            if whole:
                _add_windows(rows[:, :, :whole], _WINDOW, top, total)
            if whole < width:
                _add_windows(rows[:, :, whole:], width - whole, top, total)

    # Each row of windows has a sum of its own, and these are added in their order: float64 sums would
    # otherwise depend on the threads.
    for first in range(0, len(starts), _SSIM_ROWS):
        rows = range(first, min(first + _SSIM_ROWS, len(starts)))
        share_out(work, rows, threads)
        for total in totals[: len(rows)]:
            similarity += total
    return np.triu(similarity) + np.triu(similarity, 1).T


def _add_windows(rows: NDArray[np.float64], width: int, top: int, total: NDArray[np.float64]) -> None:
    """Add the SSIM of each window in ``rows`` to the upper half of ``total`` ``(C, C)``.

    ``rows`` ``(C, H, n * width)`` is one row of windows ``H`` high and ``width`` wide, neither of them above
    8. With N samples in a window, N * mean and N**2 * covariance are integers below 2**53, hence exact
    whatever the order of the sums; only what follows rounds. Numerator and denominator are both multiplied by
    N**4.
    """
    channels, height, _ = rows.shape
    samples = height * width
    windows = rows.reshape(channels, height, -1, width).transpose(2, 0, 1, 3).reshape(-1, channels, samples)
    c1 = (0.01 * top * samples) ** 2
    c2 = (0.03 * top * samples) ** 2
    sums = windows.sum(axis=2)
    squares = sums * sums
    variances = (windows * windows).sum(axis=2) * samples - squares
    doubled = windows * (2 * samples)
    for i in range(0, channels, _SSIM_CHANNELS):
        a = np.s_[:, i : i + _SSIM_CHANNELS, None]
        for j in range(i, channels, _SSIM_CHANNELS):
            b = np.s_[:, None, j : j + _SSIM_CHANNELS]
            covariance2 = doubled[a[:2]] @ windows[:, b[2]].transpose(0, 2, 1)
            ratio = 2 * sums[a] * sums[b]
            covariance2 -= ratio
            ratio += c1
            covariance2 += c2
            ratio *= covariance2
            ratio /= (squares[a] + squares[b] + c1) * (variances[a] + variances[b] + c2)
            if samples != _WINDOW**2:
                ratio *= samples / _WINDOW**2
            for window in ratio:
                total[a[1], b[2]] += window
