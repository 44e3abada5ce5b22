"""What a configuration says of levels: the headers of their tensors, and how the encoder chooses them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .bitstream.headers import LevelFormat, TensorHeader, format_of_levels
from .configuration import Configuration
from .conversion.chain import LevelChoice
from .conversion.levels import quantise_levels

#: The ``codec.name`` that codes levels, and its highest QP.
NAME = "coefficients"
HIGHEST_QP = 63
ROUNDING_OFFSET = 0.2
#: Reconstruction points of magnitudes 1 and above, in 1/32 of a step away from 0, that go with this rounding offset.
OFFSETS = (5, 5)


def level_tensors(qps: Sequence[int], model_tables: bool) -> list[TensorHeader]:
    """The header of each tensor, coded with these QPs."""
    return [TensorHeader(format_of_levels(LevelFormat(qp, OFFSETS, model_tables))) for qp in qps]


def level_choice(configuration: Configuration) -> LevelChoice:
    """How the encoder chooses levels."""
    offset = configuration.get("codec.rounding_offset", ROUNDING_OFFSET)

    def choose(values: NDArray[np.float64], number: int) -> NDArray[np.int32]:
        return quantise_levels(values, offset)

    return choose
