"""The numbers that the coder starts from, and their training (docs/bitstream.md, 8.10.5).

A model has them as two tensors: ``coefficients.scales`` uint8, of each component of all coded tensors, and
``coefficients.contexts`` uint8 ``(FLAGS * CONTEXTS, 2)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ModelError
from .contexts import CONTEXTS, FLAGS, SETS, THRESHOLDS, UNIT
from .counts import Ints

SCALES = "coefficients.scales"
CONTEXT_COUNTS = "coefficients.contexts"
_SIXTHS = np.array([64, 72, 81, 91, 102, 114])


@dataclass(frozen=True)
class Tables:
    """Counts int64 ``(FLAGS * CONTEXTS, 2)`` to start from, and mean magnitudes ``(C,)`` to expect, or None."""

    counts: Ints
    means: Ints | None = None


@cache
def default_tables() -> Tables:
    """Tables that follow from nothing but a geometric distribution of magnitudes."""
    least = np.concatenate([[UNIT >> 7], THRESHOLDS])
    counts = np.zeros((FLAGS, CONTEXTS, 2), np.int64)
    counts[:, : SETS[0], 0] = 16 * UNIT // (UNIT + least)
    counts[:, : SETS[0], 1] = 16
    return Tables(counts.reshape(-1, 2))


def tables_from(tensors: Mapping[str, NDArray[Any]], first: int, components: int, qp: int) -> Tables:
    """The tables of a model for a tensor of ``components`` that follow ``first`` others, coded with ``qp``.

    Raises :class:`ModelError` where the model's tensors are missing or do not fit.
    """
    scales, counts = tensors.get(SCALES), tensors.get(CONTEXT_COUNTS)
    if scales is None or scales.dtype != np.uint8 or scales.ndim != 1 or len(scales) < first + components:
        raise ModelError(f"it has no {SCALES} of {first + components} components")
    if counts is None or counts.dtype != np.uint8 or counts.shape != (FLAGS * CONTEXTS, 2):
        raise ModelError(f"it has no {CONTEXT_COUNTS} of {FLAGS * CONTEXTS} contexts")
    if (counts[:, 0] > counts[:, 1]).any():
        raise ModelError(f"its {CONTEXT_COUNTS} count more zeros than decisions")
    return Tables(counts.astype(np.int64), expected_means(scales[first : first + components], qp))


def expected_means(scales: NDArray[np.uint8], qp: int) -> Ints:
    """The mean magnitudes, in 1/1024 of a level, that scales ``(C,)`` stand for: 2**((scale - 128) / 6) in values."""
    sixths = np.minimum(scales.astype(np.int64) - qp - 36, 155)
    octaves = sixths // 6
    found: Ints = _SIXTHS[sixths % 6] << np.maximum(octaves, 0) >> np.where(octaves < 0, 6 - octaves, 6)
    return found
