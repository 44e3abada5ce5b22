"""The bitstream as a sequence of units (docs/bitstream.md, clause 5): writing and reading, a picture at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple

from ..errors import BitstreamError
from . import syntax
from .coder import Coder, Reader, Trace, Writer
from .digest import header_digest
from .elements import SIGNATURE, Part
from .geometry import substream_geometries
from .levels import Level, check_level, check_profile, level_for, needs_of
from .limits import DecoderLimits
from .parameter_sets import BitString, templates
from .syntax import PictureHeader, StreamHeader, Substream, Unit
from .values import InnerCodecId, UnitType

CLAUSE = "5"
SIGNATURE_BYTES = 4
#: unit_type, unit_size_bytes and the longest unit_size.
MAX_UNIT_HEADER_BYTES = 5


@dataclass
class CodedPicture:
    """One picture as it stands in the bitstream; ``part_bits`` counts its bits by part of the rate."""

    header: PictureHeader
    substreams: list[Substream]
    digests: list[bytes] = field(default_factory=list)
    part_bits: Counter[Part] = field(default_factory=Counter)
    substream_bytes: list[int] = field(default_factory=list)


class UnitLocation(NamedTuple):
    """Where a unit's header and payload begin, in bytes from the start of the bitstream, and the payload's size."""

    unit_type: UnitType
    offset: int
    payload_offset: int
    size: int


def unit_part(unit_type: UnitType) -> Part:
    """Which part of the rate a unit's header counts towards: a digest costs nothing where there is none."""
    return Part.DIGEST if unit_type == UnitType.DIGEST else Part.HEADER


def parameter_set_bases(codec: InnerCodecId) -> list[BitString]:
    """The bases at the start of each picture: the empty one, then the templates."""
    return [] if codec == InnerCodecId.LOSSLESS else [BitString(0, 0), *templates(codec)]


class BitstreamWriter:
    """Writes a bitstream to ``file`` (binary, seekable), a picture at a time; :meth:`close` completes it."""

    def __init__(self, file: BinaryIO, header: StreamHeader) -> None:
        self.file = file
        self.header = header
        self.part_bits: Counter[Part] = Counter()
        self._needs: list[Level] = []
        writer = Writer()
        syntax.signature(writer)
        self.part_bits.update(writer.part_bits)
        file.write(writer.to_bytes())
        self._write_stream_header()

    def write(self, picture: CodedPicture) -> None:
        """Write one picture; fills its ``part_bits`` and ``substream_bytes``."""
        self._needs.append(needs_of(self.header, picture.header))
        level_for(self._needs[-1])
        before = self.part_bits.copy()
        writer = Writer()
        syntax.picture_header(writer, self.header, picture.header)
        self._write_unit(UnitType.PICTURE_HEADER, writer)
        headers = self._stream_header, writer.to_bytes()
        bases = parameter_set_bases(self.header.inner_codec)
        for substream in picture.substreams:
            writer = Writer()
            syntax.substream(writer, self.header, substream, bases)
            picture.substream_bytes.append(self._write_unit(UnitType.SUBSTREAM, writer))
        if self.header.digest_length:
            writer = Writer()
            syntax.digest(writer, self.header, header_digest(*headers), picture.digests)
            self._write_unit(UnitType.DIGEST, writer)
        picture.part_bits = self.part_bits - before

    def close(self) -> None:
        """Write the end, and the level, which is known only now, into the stream header."""
        self._write_unit(UnitType.END, Writer())
        needs = [max(column) for column in zip(*map(_values, self._needs), strict=True)]
        self.header.level = level_for(Level(*needs)) if needs else 1
        counted = self.part_bits.copy()
        self.file.seek(SIGNATURE_BYTES)
        self._write_stream_header()
        self.part_bits = counted
        self.file.seek(0, 2)

    def _write_stream_header(self) -> None:
        writer = Writer()
        syntax.stream_header(writer, self.header)
        self._write_unit(UnitType.STREAM_HEADER, writer)
        self._stream_header = writer.to_bytes()

    def _write_unit(self, unit_type: UnitType, payload: Writer) -> int:
        payload.align(Part.HEADER)
        body = payload.to_bytes()
        head = Writer()
        syntax.unit_header(head, Unit(unit_type, len(body)))
        self.part_bits[unit_part(unit_type)] += head.position
        self.part_bits.update(payload.part_bits)
        self.file.write(head.to_bytes() + body)
        return len(body)


def _values(needs: Level) -> tuple[int, ...]:
    return tuple(vars(needs).values())


def locate_units(file: BinaryIO, trace: Trace | None = None) -> Iterator[UnitLocation]:
    """The units of a bitstream in order, found without decoding any; ``file`` is binary and seekable.

    Ends after the end unit. :class:`BitstreamError` where a unit is cut short, where there is no end unit, or where
    something follows it.
    """
    end = file.seek(0, 2)
    file.seek(0)
    signature = file.read(SIGNATURE_BYTES)
    if signature and not SIGNATURE.to_bytes(SIGNATURE_BYTES, "big").startswith(signature):
        raise BitstreamError('not a vcm_ref bitstream: it does not begin with "VCMF"', clause="6.2", bit_offset=0)
    syntax.signature(Reader(signature, trace=trace))
    offset = SIGNATURE_BYTES
    while True:
        file.seek(offset)
        reader = Reader(file.read(MAX_UNIT_HEADER_BYTES), base_bit=8 * offset, trace=trace)
        if not reader.more_data(False):
            raise BitstreamError("the bitstream ends without an end unit", clause=CLAUSE, bit_offset=8 * offset)
        unit = Unit()
        syntax.unit_header(reader, unit)
        payload_offset = offset + reader.position // 8
        if payload_offset + unit.size > end:
            raise reader.error(f"the unit has {unit.size} bytes, the bitstream only {end - payload_offset} more")
        yield UnitLocation(unit.unit_type, offset, payload_offset, unit.size)
        offset = payload_offset + unit.size
        if unit.unit_type == UnitType.END:
            if unit.size or offset != end:
                raise BitstreamError("something follows the end unit", clause=CLAUSE, bit_offset=8 * offset)
            return


class BitstreamReader:
    """Reads a bitstream from ``file`` (binary, seekable): the stream header at once, then a picture at a time.

    Raises :class:`BitstreamError` for a bitstream that is not conformant, :class:`UnsupportedError` for a later
    version, :class:`~vcm_ref.errors.LimitError` for one that exceeds ``limits``.
    """

    def __init__(self, file: BinaryIO, *, limits: DecoderLimits | None = None, trace: Trace | None = None) -> None:
        self.file = file
        self.limits = limits or DecoderLimits()
        self.trace = trace
        self.header = StreamHeader()
        self.part_bits: Counter[Part] = Counter()
        self.output_bytes = 0
        self._units = locate_units(file, trace)
        self._unit = next(self._units)
        self.part_bits[Part.HEADER] += 8 * SIGNATURE_BYTES
        reader = self._open(UnitType.STREAM_HEADER)
        syntax.stream_header(reader, self.header)
        # One pass over all units: a bitstream cut short is refused before anything of it is decoded. After the stream
        # header, because units of a later version are not to be judged.
        self.picture_count = sum(unit.unit_type == UnitType.PICTURE_HEADER for unit in locate_units(file))
        self._close(reader)
        self._stream_header = reader.data
        check_profile(self.header)
        self.limits.check_stream(self.header)

    def pictures(self) -> Iterator[CodedPicture]:
        """The pictures in order, each parsed when it is asked for."""
        count = 0
        while count == 0 or self._unit.unit_type != UnitType.END:
            count += 1
            self.limits.check("pictures", count)
            yield self._read_picture()
        self.part_bits[Part.HEADER] += 8 * (self._unit.payload_offset - self._unit.offset)

    def _read_picture(self) -> CodedPicture:
        before = self.part_bits.copy()
        picture = CodedPicture(PictureHeader(), [])
        reader = self._open(UnitType.PICTURE_HEADER)
        syntax.picture_header(reader, self.header, picture.header)
        self._close(reader)
        headers = self._stream_header, reader.data
        check_level(self.header, picture.header)
        self.output_bytes += self.limits.check_picture(self.header, picture.header)
        self.limits.check("output_bytes", self.output_bytes)
        bases = parameter_set_bases(self.header.inner_codec)
        for _ in substream_geometries(self.header, picture.header):
            picture.substream_bytes.append(self._unit.size)
            reader = self._open(UnitType.SUBSTREAM)
            picture.substreams.append(Substream())
            syntax.substream(reader, self.header, picture.substreams[-1], bases)
            self._close(reader)
        if self.header.digest_length:
            reader = self._open(UnitType.DIGEST)
            syntax.digest(reader, self.header, header_digest(*headers), picture.digests)
            self._close(reader)
        picture.part_bits = self.part_bits - before
        return picture

    def _open(self, expected: UnitType) -> Reader:
        unit = self._unit
        if unit.unit_type != expected:
            raise BitstreamError(
                f"a unit of type {unit.unit_type.name} stands where {expected.name} is due",
                clause=CLAUSE,
                bit_offset=8 * unit.offset,
            )
        self.part_bits[unit_part(unit.unit_type)] += 8 * (unit.payload_offset - unit.offset)
        self.file.seek(unit.payload_offset)
        return Reader(self.file.read(unit.size), base_bit=8 * unit.payload_offset, trace=self.trace)

    def _close(self, reader: Coder) -> None:
        reader.align(Part.HEADER)
        if reader.more_data(False):
            raise reader.error("the unit goes on after its last element")
        self.part_bits.update(reader.part_bits)
        self._unit = next(self._units)
