"""Between inner elementary streams and the form they are stored in (docs/bitstream.md, 8.4)."""

from __future__ import annotations

from itertools import chain

from ..errors import CodecError
from .nal import is_access_unit_delimiter, is_parameter_set, join_byte_stream, nal_unit_type, split_byte_stream
from .syntax import Substream
from .values import InnerCodecId

NAL_HEADER_BYTES = 2


def to_substream(codec: InnerCodecId, inner_stream: bytes) -> Substream:
    """Take from an inner stream what a decoder can do without or make again.

    Access unit delimiters go; so does a parameter set that repeats the only leading one of its type, while no other has
    come since. The leading parameter sets are set apart to be coded compactly. Raises :class:`CodecError` for a stream
    that cannot be an encoder's.
    """
    if codec == InnerCodecId.LOSSLESS:
        return Substream(lossless_data=inner_stream)
    nal_units = split_byte_stream(inner_stream)
    if any(len(unit) < NAL_HEADER_BYTES for unit in nal_units):
        raise CodecError("the inner codec wrote a NAL unit without a header")
    nal_units = [unit for unit in nal_units if not is_access_unit_delimiter(codec, unit)]
    leading = 0
    while leading < len(nal_units) and is_parameter_set(codec, nal_units[leading]):
        leading += 1
    if leading == len(nal_units):
        raise CodecError("the inner codec wrote a stream without coded pictures")
    return Substream(nal_units[:leading], _without_repetitions(codec, nal_units[:leading], nal_units[leading:]))


def _without_repetitions(codec: InnerCodecId, leading: list[bytes], rest: list[bytes]) -> list[bytes]:
    types = [nal_unit_type(codec, unit) for unit in leading]
    in_force = {unit for unit, kind in zip(leading, types, strict=True) if types.count(kind) == 1}
    kept = []
    for unit in rest:
        if is_parameter_set(codec, unit):
            if unit in in_force:
                continue
            in_force.clear()  # it may replace any set, or invalidate one that refers to it: nothing is known from here
        kept.append(unit)
    return kept


def to_inner_stream(codec: InnerCodecId, substream: Substream) -> bytes:
    """The elementary stream that the inner decoder is given."""
    if codec == InnerCodecId.LOSSLESS:
        return substream.lossless_data
    return join_byte_stream(chain(substream.parameter_sets, substream.nal_units))
