"""The units of a bitstream (docs/bitstream.md, clause 5): where each is, found without decoding any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, cast

from ..errors import BitstreamError, UnsupportedError
from . import syntax
from .coder import Reader, Trace
from .elements import ELEMENTS, VERSION, Part
from .headers import Unit
from .values import FIRST_ANCILLARY, UnitType

CLAUSE = "5"
SIGNATURE_BYTES = 4
#: unit_type, unit_size_bytes and the longest unit_size.
MAX_UNIT_HEADER_BYTES = 5
#: A pipe's bytes are kept in memory up to this number, then in a temporary file.
_SPOOL_BYTES = 1 << 26
_KNOWN = frozenset(UnitType)


class UnitLocation(NamedTuple):
    """Where a unit's header and payload begin, in bytes from the start of the bitstream, and the payload's size."""

    unit_type: int
    offset: int
    payload_offset: int
    size: int

    @property
    def name(self) -> str:
        """Its type in words."""
        return UnitType(self.unit_type).name if self.unit_type in _KNOWN else f"type {self.unit_type}"

    @property
    def ancillary(self) -> bool:
        """Whether a decoder that does not know the type skips the unit."""
        return self.unit_type >= FIRST_ANCILLARY


def unit_part(unit_type: int) -> Part:
    """Which part of the rate a unit's header counts towards: a digest or a model costs nothing where there is none."""
    if unit_type >= FIRST_ANCILLARY:
        return Part.USER_DATA
    return {UnitType.DIGEST: Part.DIGEST, UnitType.MODEL: Part.MODEL}.get(cast(UnitType, unit_type), Part.HEADER)


def seekable(file: BinaryIO) -> BinaryIO:
    """``file``, or its bytes in a temporary file where it is a pipe."""
    if file.seekable():
        return file
    import shutil
    import tempfile

    spool = tempfile.SpooledTemporaryFile(_SPOOL_BYTES)  # noqa: SIM115  closed with the reader
    shutil.copyfileobj(file, spool)
    spool.seek(0)
    return cast(BinaryIO, spool)


def check_beginning(file: BinaryIO) -> None:
    """Check what every version keeps, before anything of the rest is judged (docs/bitstream.md, 4.1).

    Raises :class:`BitstreamError` where the bitstream does not begin with the signature and a stream header,
    :class:`UnsupportedError` where its version is another.
    """
    file.seek(0)
    beginning = file.read(SIGNATURE_BYTES + MAX_UNIT_HEADER_BYTES + 1)
    if beginning[:SIGNATURE_BYTES] != ELEMENTS["signature"].low.to_bytes(SIGNATURE_BYTES, "big"):  # type: ignore[union-attr]
        raise BitstreamError(syntax.NOT_OURS, clause="6.2", bit_offset=0)
    reader = Reader(beginning[SIGNATURE_BYTES:], base_bit=8 * SIGNATURE_BYTES)
    unit = Unit()
    syntax.unit_header(reader, unit)
    if unit.unit_type != UnitType.STREAM_HEADER:
        raise BitstreamError("the first unit is not a stream header", clause=CLAUSE, bit_offset=8 * SIGNATURE_BYTES)
    if unit.size and reader.more_data(False):
        version = beginning[SIGNATURE_BYTES + reader.position // 8] >> 4
        if version not in (0, VERSION):
            raise UnsupportedError(element="version", value=version, allowed=str(VERSION))


def locate_units(file: BinaryIO, trace: Trace | None = None) -> Iterator[UnitLocation]:
    """The units of a bitstream in order; ``file`` is binary and seekable.

    Ends after the end unit. :class:`BitstreamError` where a unit is cut short, where there is no end unit, or where
    something follows it; :class:`UnsupportedError` for a critical unit of an unknown type.
    """
    end = file.seek(0, 2)
    file.seek(0)
    reader = Reader(file.read(SIGNATURE_BYTES), trace=trace)
    syntax.signature(reader)
    offset = SIGNATURE_BYTES
    while True:
        file.seek(offset)
        reader = Reader(file.read(MAX_UNIT_HEADER_BYTES), base_bit=8 * offset, trace=trace)
        if not reader.more_data(False):
            raise BitstreamError("the bitstream ends without an end unit", clause=CLAUSE, bit_offset=8 * offset)
        unit = Unit()
        syntax.unit_header(reader, unit)
        payload_offset = offset + reader.position // 8
        location = UnitLocation(unit.unit_type, offset, payload_offset, unit.size)
        if payload_offset + unit.size > end:
            raise reader.error(f"the unit has {unit.size} bytes, the bitstream only {end - payload_offset} more")
        if unit.unit_type not in _KNOWN and not location.ancillary:
            raise UnsupportedError(
                element="unit_type", value=unit.unit_type, allowed="1..6 and 8..15", bit_offset=8 * offset
            )
        yield location
        offset = payload_offset + unit.size
        if unit.unit_type == UnitType.END:
            if unit.size or offset != end:
                raise BitstreamError("something follows the end unit", clause=CLAUSE, bit_offset=8 * offset)
            return
