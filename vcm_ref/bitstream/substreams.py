"""Between inner elementary streams and the form they are stored in (docs/bitstream.md, 8.4)."""

from __future__ import annotations

from ..errors import CodecError
from .headers import Substream
from .nal import (
    HEADER_BYTES,
    is_access_unit_delimiter,
    is_parameter_set,
    join_byte_stream,
    layer_id,
    split_byte_stream,
    without_repetitions,
)
from .values import InnerCodecId


def to_substream(codec: InnerCodecId, inner_stream: bytes) -> Substream:
    """Take from an inner stream what a decoder can do without or make again.

    Access unit delimiters go; so does a parameter set that repeats the only leading one of its type, while no other has
    come since. The leading parameter sets are set apart to be coded compactly. Raises :class:`CodecError` for a stream
    that cannot be an encoder's.
    """
    if codec == InnerCodecId.LOSSLESS:
        return Substream(lossless_data=inner_stream)
    if codec == InnerCodecId.COEFFICIENTS:
        return Substream(level_data=inner_stream)
    nal_units = list(split_byte_stream(inner_stream))
    if any(len(unit) < HEADER_BYTES for unit in nal_units):
        raise CodecError("the inner codec wrote a NAL unit without a header")
    if any(layer_id(codec, unit) for unit in nal_units):
        raise CodecError("the inner codec wrote a stream of several layers")
    nal_units = [unit for unit in nal_units if not is_access_unit_delimiter(codec, unit)]
    leading = 0
    while leading < len(nal_units) and is_parameter_set(codec, nal_units[leading]):
        leading += 1
    if leading == len(nal_units):
        raise CodecError("the inner codec wrote a stream without coded pictures")
    sets = nal_units[:leading]
    return Substream(sets, list(without_repetitions(codec, sets, nal_units[leading:])))


def to_inner_stream(codec: InnerCodecId, substream: Substream) -> bytes:
    """The elementary stream that the inner decoder is given."""
    if codec == InnerCodecId.LOSSLESS:
        return substream.lossless_data
    if codec == InnerCodecId.COEFFICIENTS:
        return substream.level_data
    return join_byte_stream(substream.inner_nal_units)
