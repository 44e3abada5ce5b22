"""NAL units of the inner video streams: byte stream, emulation prevention, types (H.265 and H.266, 7.3.1 and B.2)."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from typing import overload

from .values import InnerCodecId

START_CODE = b"\x00\x00\x00\x01"
_PARAMETER_SETS = {InnerCodecId.VVC: frozenset({14, 15, 16}), InnerCodecId.HEVC: frozenset({32, 33, 34})}
_ACCESS_UNIT_DELIMITER = {InnerCodecId.VVC: 20, InnerCodecId.HEVC: 35}
#: What no NAL unit contains: it would be cut in two, or lose its end, in a byte stream.
START_CODE_LIKE = re.compile(rb"\x00\x00[\x00-\x02]|\x00\Z")


def split_byte_stream(stream: bytes) -> list[bytes]:
    """The NAL units of an Annex B byte stream, without start codes and the zero bytes around them."""
    return [unit.rstrip(b"\x00") for unit in stream.split(b"\x00\x00\x01")[1:]]


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
    return nal_unit_type(codec, nal_unit) in _PARAMETER_SETS[codec]


def is_access_unit_delimiter(codec: InnerCodecId, nal_unit: bytes) -> bool:
    """Whether ``nal_unit`` is an access unit delimiter."""
    return nal_unit_type(codec, nal_unit) == _ACCESS_UNIT_DELIMITER[codec]


def escape(payload: bytes) -> bytes:
    """Insert emulation prevention bytes."""
    return re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", payload)


def unescape(nal_unit: bytes) -> bytes:
    """Remove emulation prevention bytes; the inverse of :func:`escape`."""
    return nal_unit.replace(b"\x00\x00\x03", b"\x00\x00")
