"""Profiles and levels: what a bitstream declares that a decoder needs (docs/bitstream.md, clause 9).

The constraint tables are ``profiles.csv`` and ``levels.csv``; validator, encoder and document share them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files

from ..errors import BitstreamError, LimitError
from .geometry import substream_geometries
from .syntax import PictureHeader, StreamHeader
from .values import InnerCodecId

CLAUSE = "9"


@dataclass(frozen=True)
class Level:
    """One row of the level table, or what one picture needs of it."""

    level_idc: int
    max_layers: int
    max_channels: int
    max_side: int
    max_frames: int
    max_frame_samples: int
    max_picture_samples: int

    def exceeded_by(self, needs: Level) -> Iterator[tuple[str, int, int]]:
        """Each constraint that ``needs`` exceeds: its name, the value needed, the value allowed."""
        for constraint in fields(self)[1:]:
            needed, allowed = getattr(needs, constraint.name), getattr(self, constraint.name)
            if needed > allowed:
                yield constraint.name, needed, allowed


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


def profile_for(inner_codec: InnerCodecId) -> int:
    """The smallest profile that has ``inner_codec``."""
    return min(idc for idc, (_, codecs) in profiles().items() if inner_codec in codecs)


def needs_of(stream: StreamHeader, picture: PictureHeader) -> Level:
    """What one picture needs, as a row of the level table (``level_idc`` 0)."""
    geometries = substream_geometries(stream, picture)
    return Level(
        level_idc=0,
        max_layers=len(stream.layers),
        max_channels=max(layer.channels for layer in stream.layers),
        max_side=max(max(g.coded_height, g.coded_width) for g in geometries),
        max_frames=max(g.frames for g in geometries),
        max_frame_samples=max(g.coded_samples for g in geometries),
        max_picture_samples=sum(g.frames * g.coded_samples for g in geometries),
    )


def level_for(needs: Level) -> int:
    """The lowest level that allows ``needs``. :class:`LimitError` where none does."""
    for level in levels():
        if not any(level.exceeded_by(needs)):
            return level.level_idc
    name, needed, allowed = next(levels()[-1].exceeded_by(needs))
    raise LimitError(f"the picture needs {name} {needed}; the highest level allows {allowed}")


def check_profile(stream: StreamHeader) -> None:
    """:class:`BitstreamError` where the inner codec is not one of the declared profile's."""
    name, codecs = profiles()[stream.profile]
    if stream.inner_codec not in codecs:
        raise BitstreamError(f"profile {name} does not have the inner codec {stream.inner_codec.name}", clause=CLAUSE)


def check_level(stream: StreamHeader, picture: PictureHeader) -> None:
    """:class:`BitstreamError` where a picture needs more than the declared level allows."""
    for name, needed, allowed in levels()[stream.level - 1].exceeded_by(needs_of(stream, picture)):
        raise BitstreamError(f"level {stream.level} allows {name} {allowed}; the picture has {needed}", clause=CLAUSE)
