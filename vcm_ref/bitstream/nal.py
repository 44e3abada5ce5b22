"""NAL units of the inner video streams: byte stream, emulation prevention, types (H.265 and H.266, 7.3.1 and B.2)."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, overload

from .values import InnerCodecId

START_CODE = b"\x00\x00\x00\x01"
_SHORTEST_START_CODE = b"\x00\x00\x01"
HEADER_BYTES = 2


class Types(NamedTuple):
    """The values of ``nal_unit_type`` that the syntax of a codec gives to kinds of NAL units.

    ``others`` are those that decide samples, too; in VVC, one of them is the picture header.
    """

    slices: frozenset[int]
    parameter_sets: frozenset[int]
    sequence_parameter_set: int
    access_unit_delimiter: int
    others: frozenset[int]
    picture_header: int | None = None


TYPES = {
    # H.265, Table 7-1. Others: end of sequence, end of bitstream.
    InnerCodecId.HEVC: Types(
        frozenset({*range(10), *range(16, 22)}), frozenset({32, 33, 34}), 33, 35, frozenset({36, 37})
    ),
    # H.266, Table 5. Others: adaptation parameter sets, picture header, end of sequence, end of bitstream.
    InnerCodecId.VVC: Types(
        frozenset({*range(4), *range(7, 11)}), frozenset({14, 15, 16}), 15, 20, frozenset({17, 18, 19, 21, 22}), 19
    ),
}
#: What no NAL unit contains: it would be cut in two, or lose its end, in a byte stream.
START_CODE_LIKE = re.compile(rb"\x00\x00[\x00-\x02]|\x00\Z")


def split_byte_stream(stream: bytes) -> Iterator[bytes]:
    """The NAL units of an Annex B byte stream, one at a time, without start codes and the zero bytes around them."""
    start = stream.find(_SHORTEST_START_CODE)
    while start >= 0:
        start += len(_SHORTEST_START_CODE)
        following = stream.find(_SHORTEST_START_CODE, start)
        yield stream[start : following if following >= 0 else len(stream)].rstrip(b"\x00")
        start = following


def join_byte_stream(nal_units: Iterable[bytes]) -> bytes:
    """An Annex B byte stream of ``nal_units``, each after a four-byte start code."""
    stream = bytearray()
    for unit in nal_units:
        stream += START_CODE
        stream += unit
    return bytes(stream)


class NalUnits(Sequence[bytes]):
    """NAL units one after the other in one buffer, with 8 bytes for each: a hostile stream may have millions."""

    def __init__(self) -> None:
        self._data = bytearray()
        self._ends = array("Q", [0])

    def append(self, nal_unit: bytes) -> None:
        """Add one at the end."""
        self._data += nal_unit
        self._ends.append(len(self._data))

    def __len__(self) -> int:
        return len(self._ends) - 1

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> list[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | list[bytes]:
        places = range(len(self))[index]
        if isinstance(places, range):
            return [self[place] for place in places]
        return bytes(self._data[self._ends[places] : self._ends[places + 1]])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(bytes.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]


def nal_unit_type(codec: InnerCodecId, nal_unit: bytes) -> int:
    """``nal_unit_type`` from the two-byte header of a NAL unit."""
    return nal_unit[1] >> 3 if codec == InnerCodecId.VVC else (nal_unit[0] >> 1) & 0x3F


def is_parameter_set(codec: InnerCodecId, nal_unit: bytes) -> bool:
    """Whether ``nal_unit`` is a video, sequence or picture parameter set."""
    return nal_unit_type(codec, nal_unit) in TYPES[codec].parameter_sets


def layer_id(codec: InnerCodecId, nal_unit: bytes) -> int:
    """``nuh_layer_id`` from the two-byte header of a NAL unit."""
    return nal_unit[0] & 0x3F if codec == InnerCodecId.VVC else (nal_unit[0] & 1) << 5 | nal_unit[1] >> 3


def is_access_unit_delimiter(codec: InnerCodecId, nal_unit: bytes) -> bool:
    """Whether ``nal_unit`` is an access unit delimiter."""
    return nal_unit_type(codec, nal_unit) == TYPES[codec].access_unit_delimiter


def without_repetitions(codec: InnerCodecId, leading: list[bytes], rest: Iterable[bytes]) -> Iterator[bytes]:
    """``rest`` without parameter sets that repeat the only leading one of their type, before any other has come."""
    types = [nal_unit_type(codec, unit) for unit in leading]
    in_force = {unit for unit, kind in zip(leading, types, strict=True) if types.count(kind) == 1}
    for unit in rest:
        if is_parameter_set(codec, unit):
            if unit in in_force:
                continue
            in_force.clear()  # it may replace any set, or invalidate one that refers to it: nothing is known from here
        yield unit


def escape(payload: bytes) -> bytes:
    """Insert emulation prevention bytes."""
    return re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", payload)


def unescape(nal_unit: bytes) -> bytes:
    """Remove emulation prevention bytes; the inverse of :func:`escape`."""
    return nal_unit.replace(b"\x00\x00\x03", b"\x00\x00")
