"""What a configuration says of levels: the headers of their tensors, and how the encoder chooses them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ..bitstream.headers import LevelFormat, StreamHeader, TensorFormat, format_of_levels
from ..codec.coefficients import LevelCodec
from ..codec.coefficients.levels import is_like
from ..codec.coefficients.rdoq import choose_levels
from ..configuration import Configuration
from ..conversion.chain import LevelChoice
from ..conversion.levels import OFFSET_UNIT, quantise_levels

#: The ``codec.name`` that codes levels, and its highest QP.
NAME = "coefficients"
HIGHEST_QP = 63
_WEIGHT = 0.05
_ROUNDING_OFFSET = 0.3
#: About the bits that a magnitude of 1 takes more than 0: rate and distortion choose 1 from (1 + 4 weight) / 2 on.
_BITS_OF_ONE = 4


def level_format(configuration: Configuration, qp: int, model_tables: bool) -> TensorFormat:
    """The format of a tensor that is coded with this QP. Raises :class:`~vcm_ref.errors.ConfigError`."""
    offsets = level_rounding(configuration)[1]
    return format_of_levels(LevelFormat(qp, offsets, model_tables, _picture_before(configuration)))


def _picture_before(configuration: Configuration) -> bool:
    grouped: bool = (configuration.get("group") or 1) > 1
    given: bool | None = configuration.get("codec.picture_before")
    if given is not None and not grouped:
        raise configuration.error("codec.picture_before", "has no effect unless group is at least 2")
    return grouped if given is None else given


def level_rounding(configuration: Configuration) -> tuple[float, tuple[int, int]]:
    """The rounding offset, and the offsets of reconstruction in 1/32 of a step, of magnitudes of 1 and of more.

    For a choice by rate and distortion the former is that of a rounding that comes near to it. Raises
    :class:`~vcm_ref.errors.ConfigError`.
    """
    offset = configuration.get("codec.rounding_offset")
    weight = configuration.get("codec.rdoq", _WEIGHT)
    if weight > 0:
        if offset is not None:
            raise configuration.error("codec.rounding_offset", "has no effect unless codec.rdoq is 0")
        return max(0.0, 0.5 - _BITS_OF_ONE / 2 * weight), _offsets_of_choice(weight)
    offset = _ROUNDING_OFFSET if offset is None else offset
    return offset, _offsets_of_rounding(offset)


def level_choice(configuration: Configuration, header: StreamHeader, codecs: Mapping[int, LevelCodec]) -> LevelChoice:
    """How the encoder chooses the levels that ``codecs`` will code."""
    weight = configuration.get("codec.rdoq", _WEIGHT)
    offset = configuration.get("codec.rounding_offset", _ROUNDING_OFFSET)

    def choose(
        values: NDArray[np.float64], number: int, before: NDArray[np.int32] | None
    ) -> tuple[NDArray[np.int32], bool]:
        form = header.tensors[number].format.levels
        assert form is not None, "levels are chosen for a tensor of levels"
        before = before if form.picture_before else None
        if weight == 0:
            levels = quantise_levels(values, offset)
            return levels, is_like(levels, before)
        one, more = (own / OFFSET_UNIT for own in form.offsets)
        return choose_levels(values, codecs[number].tables, weight, (one, more), before)

    return choose


def _offsets_of_choice(weight: float) -> tuple[int, int]:
    """The same for levels that are chosen by rate and distortion with this weight of a bit, up to 0.2."""
    used = min(weight, 0.2)
    return max(round(90 * used - 11.5), -8), max(round(80 * used - 10), -8)


def _offsets_of_rounding(offset: float) -> tuple[int, int]:
    """The mean of the values that are rounded to a magnitude of 1, and of more, less the magnitude, as measured."""
    return round(OFFSET_UNIT * (0.35 - 1.1 * offset)), round(OFFSET_UNIT * (0.4 - offset))
