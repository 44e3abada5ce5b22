"""Choosing levels by rate and distortion together (encoder only; not normative, and the same on every machine).

Rows are chosen in coding order, so that each sees the probabilities that it will be coded with. Only the level to the
left is not known yet; it is taken as the row's first choice has it.
"""

from __future__ import annotations

from math import log2
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from .contexts import FLAGS, LEFT, BandContexts, Levels, bands
from .counts import Counts, Ints
from .levels import flag_decisions, flag_places, is_like, lefts_of
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
) -> tuple[Levels, bool]:
    """Levels int32 for values in steps, both ``(C, H, W)``, that make squared error + ``weight`` · bits small.

    ``offsets`` are how far, in steps, a decoder moves magnitudes of 1, and of more, away from 0. For each value the
    nearest level, the one next to it on the way to 0, and 0 are compared. Where the picture is like the one ``before``,
    of which these are the levels, the same is done with differences: the way is that to the level before. Also returns
    whether it was done: whether the levels are to be coded as differences.
    """
    nearest = _nearest(values, offsets)
    if not is_like(nearest, before):
        before = None
    base = np.zeros_like(nearest) if before is None else before
    coded = np.zeros_like(nearest)  # the levels, or their differences from those of the picture before
    flags = Counts(tables.counts)
    for first, end in bands(len(values)):
        contexts = BandContexts(coded, first, end, tables.means, before)
        candidates = _candidates(values[first:end], nearest[first:end], base[first:end], offsets)
        for y in range(values.shape[1]):
            places = flag_places(contexts.row(y))
            costs = _costs(flags.zero(places))
            coded[first:end, y] = chosen = _chosen(candidates.row(y), costs, weight)
            flags.learn(*flag_decisions(chosen, places))
    return coded + base, before is not None


def _nearest(values: NDArray[np.float64], offsets: tuple[float, float]) -> Levels:
    """The nearest levels, as if a magnitude of 1 stood for nearly what larger ones do."""
    magnitudes = np.floor(np.abs(values) + 0.5 - min(offsets[0], 0.25))
    return np.copysign(magnitudes, values).astype(np.int32)


def _costs(zero: Ints) -> Ints:
    """The bits ``(4, LEFT, N)``, in 1/256, of magnitudes 0, 1, 2 and the beginning of larger ones."""
    shift = 16 - _PLACES
    stop, go_on = _BITS[zero >> shift], _BITS[(65536 - zero) >> shift]
    above_one = go_on[0] + _SIGN
    above_two = above_one + go_on[1]
    return np.stack([stop[0], above_one + stop[1], above_two + stop[2], above_two + go_on[2]])


class _Candidates(NamedTuple):
    """What may be coded of a band, the nearest first; all are ``(3, c, H, W)``, and of a row ``(3, c, W)``."""

    coded: Levels
    errors: NDArray[np.float64]
    """The squared error of each."""
    lengths: Ints
    """The bits, in 1/256, that follow the flags of each."""

    def row(self, y: int) -> _Candidates:
        """Those of line ``y``."""
        return _Candidates(self.coded[:, :, y], self.errors[:, :, y], self.lengths[:, :, y])


def _candidates(
    values: NDArray[np.float64], nearest: Levels, base: Levels, offsets: tuple[float, float]
) -> _Candidates:
    """The candidates of a band: levels less those of ``base``."""
    one, more = offsets
    row = nearest - base
    candidates = np.stack([row, row - np.sign(row), np.zeros_like(row)])
    levels = candidates + base
    stand_for = levels + np.sign(levels) * np.where(np.abs(levels) > 1, more, one)
    magnitudes = np.abs(candidates)
    lengths = _UNIT * (2 * np.frexp(np.maximum(magnitudes - 2, 1))[1].astype(np.int64) - 1) * (magnitudes > 2)
    return _Candidates(candidates, (values - stand_for) ** 2, lengths)


def _chosen(candidates: _Candidates, costs: Ints, weight: float) -> Levels:
    """What is coded of a row, int32 ``(c, W)``, out of its candidates."""
    coded, errors, lengths = candidates
    row: Levels = coded[0]
    places = np.minimum(np.abs(coded), FLAGS) * (LEFT * row.size) + np.arange(row.size).reshape(row.shape)
    for _ in range(2):
        bits = costs.take(places + row.size * lefts_of(np.abs(row))) + lengths
        best = (errors + weight / _UNIT * bits).argmin(0)
        row = np.take_along_axis(coded, best[None], 0)[0]
    return row
