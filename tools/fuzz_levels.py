"""Damage done to levels: those of a substream are read, changed, and coded again, so that a decoder reads on."""

from __future__ import annotations

import io
from contextlib import suppress
from functools import lru_cache
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcm_ref.bitstream.geometry import substream_geometries
from vcm_ref.bitstream.limits import DecoderLimits
from vcm_ref.bitstream.stream import BitstreamReader
from vcm_ref.codec.coefficients import LevelCodec
from vcm_ref.codec.coefficients.levels import MAX_LEVEL, LevelCoder
from vcm_ref.codec.coefficients.range_coder import RangeEncoder
from vcm_ref.codec.level_codecs import level_codecs
from vcm_ref.errors import VcmError

VALUES = (0, 0, 1, -1, 2, 3, 4, 18, -33, 2**15, MAX_LEVEL, -MAX_LEVEL, MAX_LEVEL - 1)


class Coded(NamedTuple):
    """The levels ``(P, C, H, W)`` of one substream, and their codec."""

    codec: LevelCodec
    levels: NDArray[np.int32]


@lru_cache(maxsize=128)
def level_substreams(data: bytes, limits: DecoderLimits) -> dict[int, Coded]:
    """The levels in a bitstream, by the substream's place among all substreams; as far as they can be read."""
    found: dict[int, Coded] = {}
    place = 0
    with suppress(VcmError):
        reader = BitstreamReader(io.BytesIO(data), limits=limits)
        for group in reader.groups():
            codecs = level_codecs(reader.header, group.models)
            own = zip(reader.header.substreams, substream_geometries(reader.header, group.header), strict=True)
            for number, (members, size) in enumerate(own):
                codec = codecs.get(members[0])
                if codec is not None:
                    stream = group.substreams[number].level_data
                    levels = codec.decode(stream, size.frames, size.height, size.width)
                    found[place] = Coded(codec, levels.reshape(-1, codec.components, size.height, size.width))
                place += 1
    return found


def changed_levels(rng: Random, coded: Coded) -> bytes | None:
    """The substream of a few other levels. What is a difference is drawn anew; ``None`` where that has no code."""
    levels = coded.levels.copy()
    for _ in range(rng.choice((0, 1, 1, 2))):
        _change(rng, levels)
    share = rng.choice((0.0, 0.5, 1.0))
    coder = RangeEncoder()
    pictures = LevelCoder(coder, coded.codec.tables, coded.codec.components)
    before = None
    try:
        for picture in levels:
            pictures.picture(picture.copy(), before, rng.random() < share)
            before = picture if coded.codec.picture_before else None
    except VcmError:
        return None
    return coder.finish()


def _change(rng: Random, levels: NDArray[np.int32]) -> None:
    """Give some levels other values, or a picture those of another one, or their negatives."""
    picture = levels[rng.randrange(len(levels))]
    kind = rng.randrange(5)
    if kind == 0:
        picture[...] = levels[rng.randrange(len(levels))]
    elif kind == 1:
        picture *= -1
    elif kind == 2:
        picture[rng.randrange(len(picture)) :] = rng.choice(VALUES)
    else:
        for _ in range(rng.choice((1, 2, 9))):
            picture[tuple(rng.randrange(side) for side in picture.shape)] = rng.choice(VALUES)
