"""Profiles and levels: what a bitstream declares that a decoder needs (docs/bitstream.md, clause 9).

The constraint tables are ``profiles.csv`` and ``levels.csv``; validator, encoder and document share them.
"""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib.resources import files
from math import prod

from ..conversion.reduction import Network
from ..errors import BitstreamError, LimitError
from .geometry import layer_shapes, substream_geometries
from .headers import GroupHeader, Model, StreamHeader
from .values import InnerCodecId

CLAUSE = "9"


@dataclass(frozen=True)
class Level:
    """One row of the level table, or what a bitstream so far needs of it."""

    level_idc: int = 0
    max_layers: int = 0
    max_channels: int = 0
    max_side: int = 0
    max_frames: int = 0
    max_frame_samples: int = 0
    max_group_samples: int = 0
    max_pictures: int = 0
    max_total_samples: int = 0
    max_model_bytes: int = 0
    max_graph_operations: int = 0
    max_graph_products: int = 0
    max_graph_samples: int = 0

    def exceeded_by(self, needs: Level) -> Iterator[tuple[str, int, int]]:
        """Each constraint that ``needs`` exceeds: its name, the value needed, the value allowed."""
        for constraint in fields(self)[1:]:
            needed, allowed = getattr(needs, constraint.name), getattr(self, constraint.name)
            if needed > allowed:
                yield constraint.name, needed, allowed


#: Constraints on all groups together, where the others are on each.
_TOTALS = ("max_pictures", "max_total_samples")


def _rows(table: str) -> list[dict[str, str]]:
    return list(csv.DictReader(files(__package__).joinpath(table).read_text().splitlines()))


@cache
def levels() -> tuple[Level, ...]:
    """The level table, in rising order."""
    return tuple(Level(**{name: int(value) for name, value in row.items()}) for row in _rows("levels.csv"))


@cache
def profiles() -> dict[int, tuple[str, frozenset[InnerCodecId]]]:
    """The profile table: name and inner codecs of each ``profile_idc``."""
    return {
        int(row["profile_idc"]): (row["name"], frozenset(InnerCodecId(int(c)) for c in row["inner_codec_idc"].split()))
        for row in _rows("profiles.csv")
    }


def profile_for(inner_codecs: Iterable[InnerCodecId]) -> int | None:
    """The smallest profile that has all ``inner_codecs``; None where none has."""
    wanted = frozenset(inner_codecs)
    return next((idc for idc, (_, codecs) in sorted(profiles().items()) if wanted <= codecs), None)


def needs_of(stream: StreamHeader, group: GroupHeader, models: Collection[Model] = ()) -> Level:
    """What one group with the models in force needs, as a row of the level table (``level_idc`` 0)."""
    geometries = substream_geometries(stream, group)
    coded = sum(g.frames * g.coded_samples for g in geometries)
    restored = len(group.pictures) * sum(prod(shape) for shape in layer_shapes(stream, group))
    samples = max(coded, restored)
    return Level(
        level_idc=0,
        max_layers=max(len(stream.layers), len(stream.tensors)),
        max_channels=max(layer.channels for layer in (*stream.layers, *stream.coded)),
        max_side=max(max(g.coded_height, g.coded_width) for g in geometries),
        max_frames=max(g.frames for g in geometries),
        max_frame_samples=max(g.coded_samples for g in geometries),
        max_group_samples=samples,
        max_pictures=len(group.pictures),
        max_total_samples=samples,
        max_model_bytes=sum(len(model.data) for model in models),
        **graph_needs(stream, group, models),
    )


def graph_needs(stream: StreamHeader, group: GroupHeader, models: Collection[Model]) -> dict[str, int]:
    """What the integer graphs of the stages need whose models are there; the largest of each constraint.

    Raises :class:`~vcm_ref.errors.ModelError` where a model is damaged or does not fit.
    """
    data = {model.number: model.data for model in models}
    found: dict[str, int] = {}
    shapes = layer_shapes(stream, group)
    for stage in stream.stages:
        if isinstance(stage, Network) and stage.model_id in data:
            needs = stage.needs(shapes, data[stage.model_id])
            found |= {name: max(value, found.get(name, 0)) for name, value in needs.items()}
        shapes = stage.shapes(shapes)
    return found


def together(first: Level, second: Level) -> Level:
    """What two parts of a bitstream need together: the sum of pictures and samples, the larger of all else."""
    values = {
        one.name: (sum if one.name in _TOTALS else max)((getattr(first, one.name), getattr(second, one.name)))
        for one in fields(Level)
    }
    return replace(first, **values)


def level_for(needs: Level) -> int:
    """The lowest level that allows ``needs``. :class:`LimitError` where none does."""
    for level in levels():
        if not any(level.exceeded_by(needs)):
            return level.level_idc
    name, needed, allowed = next(levels()[-1].exceeded_by(needs))
    raise LimitError(f"the pictures need {name} {needed}; the highest level allows {allowed}")


def check_profile(stream: StreamHeader) -> None:
    """:class:`BitstreamError` where an inner codec is not one of the declared profile's."""
    name, codecs = profiles()[stream.profile]
    for tensor in stream.tensors:
        if tensor.format.inner_codec not in codecs:
            raise BitstreamError(
                f"profile {name} does not have the inner codec {tensor.format.inner_codec.name}", clause=CLAUSE
            )


def check_level(level: int, needs: Level) -> None:
    """:class:`BitstreamError` where ``needs`` exceeds the declared level."""
    for name, needed, allowed in levels()[level - 1].exceeded_by(needs):
        raise BitstreamError(
            f"level {level} allows {name} {allowed}; the bitstream needs {needed}",
            clause=CLAUSE,
            element=name,
            value=needed,
            allowed=str(allowed),
        )
