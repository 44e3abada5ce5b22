"""The codecs of a bitstream's levels, with the tables of its model where they are used (docs/bitstream.md, 8.10.5)."""

from __future__ import annotations

from collections.abc import Mapping

from ..bitstream.headers import Model, StreamHeader
from ..models.tensors import read_tensors
from .coefficients import LevelCodec, default_tables, tables_from


def level_codecs(header: StreamHeader, models: Mapping[int, Model]) -> dict[int, LevelCodec]:
    """The codec of each tensor that is coded as levels, by the tensor's number.

    Raises :class:`~vcm_ref.errors.ModelError` where the tables of the last stage's model are missing or do not fit.
    """
    found = {}
    first = 0
    for number, (layer, tensor) in enumerate(zip(header.coded, header.tensors, strict=True)):
        levels = tensor.format.levels
        if levels is not None:
            tables = default_tables()
            if levels.model_tables:
                model_id = header.stages[-1].model_id
                assert model_id is not None, "the syntax allows a model's tables where there is one"
                tables = tables_from(read_tensors(models[model_id].data), first, layer.channels, levels.qp)
            found[number] = LevelCodec(layer.channels, tables, levels.picture_before)
        first += layer.channels
    return found
