"""Choosing levels by rate and distortion together (encoder only; not normative, and the same on every machine).

Rows are chosen in coding order, so that each sees the probabilities that it will be coded with. Only the level to the
left is not known yet; it is taken as the row's first choice has it.
"""

from __future__ import annotations

from math import log2

import numpy as np
from numpy.typing import NDArray

from .contexts import FLAGS, LEFT, BandContexts, Levels, bands
from .counts import Counts, Ints
from .levels import flag_decisions, flag_places, lefts_of
from .tables import Tables

_UNIT = 256
_PLACES = 12
#: Bits, in 1/256, of a decision whose probability is the index of 4096.
_BITS = np.array([round(_UNIT * (_PLACES - log2(max(p, 0.5)))) for p in range((1 << _PLACES) + 1)])
_SIGN = _UNIT


def choose_levels(
    values: NDArray[np.float64],
    tables: Tables,
    weight: float,
    offsets: tuple[float, float],
    before: Levels | None = None,
) -> Levels:
    """Levels int32 for values in steps, both ``(C, H, W)``, that make squared error + ``weight`` · bits small.

    ``offsets`` are how far, in steps, a decoder moves magnitudes of 1, and of more, away from 0. For each value the
    nearest level, the one below it and 0 are compared. ``before`` are the levels of the picture before, where they
    count.
    """
    levels = np.zeros(values.shape, np.int32)
    flags = Counts(tables.counts)
    for first, end in bands(len(values)):
        contexts = BandContexts(levels, first, end, tables.means, before)
        candidates, errors, lengths = _candidates(np.abs(values[first:end]), offsets)
        for y in range(values.shape[1]):
            places = flag_places(contexts.row(y))
            costs = _costs(flags.zero(places))
            row = _chosen(candidates[:, :, y], errors[:, :, y], lengths[:, :, y], costs, weight)
            levels[first:end, y] = row
            flags.learn(*flag_decisions(row, places))
    return np.copysign(levels, values).astype(np.int32)


def _costs(zero: Ints) -> Ints:
    """The bits ``(4, LEFT, N)``, in 1/256, of magnitudes 0, 1, 2 and the beginning of larger ones."""
    shift = 16 - _PLACES
    stop, go_on = _BITS[zero >> shift], _BITS[(65536 - zero) >> shift]
    above_one = go_on[0] + _SIGN
    above_two = above_one + go_on[1]
    return np.stack([stop[0], above_one + stop[1], above_two + stop[2], above_two + go_on[2]])


def _candidates(values: NDArray[np.float64], offsets: tuple[float, float]) -> tuple[Levels, NDArray[np.float64], Ints]:
    """The candidates ``(3, c, H, W)`` for magnitudes of values, their squared errors, and the bits that follow flags.

    Bits are in 1/256.
    """
    one, more = offsets
    nearest = np.floor(values + 0.5 - min(one, 0.25)).astype(np.int32)
    candidates = np.stack([nearest, np.maximum(nearest - 1, 0), np.zeros_like(nearest)])
    moved = candidates + np.where(candidates > 1, more, one) * (candidates > 0)
    lengths = _UNIT * (2 * np.frexp(np.maximum(candidates - 2, 1))[1].astype(np.int64) - 1) * (candidates > 2)
    return candidates, (values - moved) ** 2, lengths


def _chosen(candidates: Levels, errors: NDArray[np.float64], lengths: Ints, costs: Ints, weight: float) -> Levels:
    """The magnitudes int32 ``(c, W)`` of a row, out of its :func:`_candidates` ``(3, c, W)``."""
    row: Levels = candidates[0]
    places = np.minimum(candidates, FLAGS) * (LEFT * row.size) + np.arange(row.size).reshape(row.shape)
    for _ in range(2):
        bits = costs.take(places + row.size * lefts_of(row)) + lengths
        best = (errors + weight / _UNIT * bits).argmin(0)
        row = np.take_along_axis(candidates, best[None], 0)[0]
    return row
