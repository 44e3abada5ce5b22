"""Levels: tensors quantised by one step size, and what levels stand for (docs/bitstream.md, 8.10.1).

The step size of a QP is ``2**((qp - 32) / 6)`` with the root rounded: six QPs double it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..bitstream.headers import LEVEL_BITS, LevelFormat
from ..bitstream.values import Samples, ValueRange
from ..errors import DatasetError

#: ``round(64 * 2**((qp + 4) / 6))`` for QP 0 to 5.
STEPS = (102, 114, 128, 144, 161, 181)
#: Offsets are in 1/32 of a step.
OFFSET_UNIT = 32
_STEP_BITS = 12


def step_size(qp: int) -> float:
    """The step size of a QP, 0 to 63; exact in binary64, and 1 for QP 32."""
    return float(STEPS[qp % 6]) * 2.0 ** (qp // 6 - _STEP_BITS)


def in_steps(tensor: NDArray[np.float32], qp: int) -> NDArray[np.float64]:
    """The values of a float32 tensor ``(C, H, W)`` in step sizes, as float64.

    Raises :class:`DatasetError` for NaN, infinity, or a magnitude that no level stands for.
    """
    values = tensor.astype(np.float64) / step_size(qp)
    largest = float(np.abs(values).max())
    if not np.isfinite(largest):
        raise DatasetError("a layer holds NaN or infinity; features must be finite")
    if largest > (1 << LEVEL_BITS) - 2:
        raise DatasetError(f"a value is {largest:.0f} times the step size of QP {qp}; code with a higher codec.qp")
    return values


def quantise_levels(values: NDArray[np.float64], rounding_offset: float) -> NDArray[np.int32]:
    """Levels int32 of values in steps: ``sign(v) * floor(|v| + rounding_offset)``."""
    return np.copysign(np.floor(np.abs(values) + rounding_offset), values).astype(np.int32)


def level_samples(levels: NDArray[np.int32], form: LevelFormat) -> Samples:
    """What levels ``(C, H, W)`` stand for. Normative: integers below 2**29, times a power of two.

    The offset of a magnitude of 1, or of more, moves it away from 0.
    """
    one, more = form.offsets
    magnitudes = np.abs(levels)
    moved = OFFSET_UNIT * magnitudes + np.where(magnitudes > 1, more, one) * (magnitudes > 0)
    samples = np.sign(levels) * moved * STEPS[form.qp % 6]
    scale = np.array([2.0 ** (form.qp // 6 - _STEP_BITS) / OFFSET_UNIT], np.float32)
    return Samples(samples.astype(np.int32), ValueRange(np.zeros(1, np.float32), scale), 1)
