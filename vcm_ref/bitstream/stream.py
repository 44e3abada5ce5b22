"""Writing and reading a bitstream, a group of pictures at a time (docs/bitstream.md, clause 5)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, ClassVar

from .. import models as shipped
from ..conversion.reduction import Stage
from ..errors import BitstreamError, ModelError
from . import substream_syntax, syntax
from .coder import Coder, Reader, Trace, Writer
from .digest import header_digest
from .elements import Part
from .geometry import SubstreamGeometry, substream_geometries
from .headers import GroupHeader, Model, PictureDigests, StreamHeader, Substream, Unit, UserData
from .inner_stream import check_inner_stream
from .levels import Level, check_level, check_profile, graph_needs, needs_of, together
from .limits import DecoderLimits, output_bytes
from .parameter_sets import BitString, templates
from .units import CLAUSE, SIGNATURE_BYTES, UnitLocation, check_beginning, locate_units, seekable, unit_part
from .values import REFERENCE_BYTES, InnerCodecId, ModelSource, UnitType


@dataclass
class CodedGroup:
    """One group as it stands in the bitstream; ``part_bits`` counts its bits by part of the rate.

    ``models`` are those in force, by their numbers; only a reader fills them.
    """

    header: GroupHeader
    substreams: list[Substream]
    digests: list[PictureDigests] = field(default_factory=list)
    part_bits: Counter[Part] = field(default_factory=Counter)
    substream_bytes: list[int] = field(default_factory=list)
    models: Mapping[int, Model] = field(default_factory=dict)


class Bases:
    """The bases of a group's parameter sets (8.4): for each inner codec its templates, then the sets coded."""

    def __init__(self) -> None:
        self._lists: dict[InnerCodecId, list[BitString]] = {}

    def of(self, codec: InnerCodecId) -> list[BitString]:
        """The list of one inner codec, which grows."""
        if not codec.is_video:
            return []
        if codec not in self._lists:
            self._lists[codec] = [BitString(0, 0), *templates(codec)]
        return self._lists[codec]


class BitstreamWriter:
    """Writes a bitstream to ``file`` (binary; a pipe will do), a group at a time; :meth:`close` completes it.

    ``make_writer`` makes the writer of a unit: tests have one that checks nothing.
    """

    make_writer: ClassVar[type[Writer]] = Writer

    def __init__(self, file: BinaryIO, header: StreamHeader) -> None:
        self.file = file
        self.header = header
        self.part_bits: Counter[Part] = Counter()
        self._models: dict[int, Model] = {}
        writer = Writer()
        syntax.signature(writer)
        self.part_bits.update(writer.part_bits)
        file.write(writer.to_bytes())
        self._stream_header = self._write(UnitType.STREAM_HEADER, lambda s: syntax.stream_header(s, header))

    def write(self, group: CodedGroup) -> None:
        """Write one group; fills its ``part_bits`` and ``substream_bytes``."""
        before = self.part_bits.copy()
        payload = self._write(UnitType.GROUP_HEADER, lambda s: syntax.group_header(s, self.header, group.header))
        bases = Bases()
        geometries = substream_geometries(self.header, group.header)
        for substream, geometry in zip(group.substreams, geometries, strict=True):
            codec = geometry.tensor.format.inner_codec
            writer = self.make_writer()
            substream_syntax.substream(writer, codec, substream, bases.of(codec))
            group.substream_bytes.append(len(self._write_unit(UnitType.SUBSTREAM, writer)))
        if self.header.digest_length:
            expected = header_digest(self._stream_header, self._models.values(), payload)
            pictures = len(group.header.pictures)
            self._write(UnitType.DIGEST, lambda s: syntax.digest(s, self.header, expected, group.digests, pictures))
        group.part_bits = self.part_bits - before

    def write_model(self, model: Model) -> None:
        """Put a model in force for the groups to come; a reference to it has eight bytes, unless it has one already."""
        if model.source == ModelSource.DATA:
            model.digest = hashlib.sha256(model.data).digest()
        else:
            model.reference = model.reference or model.digest[:REFERENCE_BYTES]
        self._models[model.number] = model
        self._write(UnitType.MODEL, lambda s: syntax.model(s, model))

    def write_user_data(self, user_data: UserData) -> None:
        """Write bytes that decoders skip."""
        self._write(UnitType.USER_DATA, lambda s: syntax.user_data(s, user_data))

    def close(self) -> None:
        """Write the end."""
        self._write_unit(UnitType.END, Writer())

    def _write(self, unit_type: UnitType, table: Callable[[Coder], None]) -> bytes:
        writer = self.make_writer()
        table(writer)
        return self._write_unit(unit_type, writer)

    def _write_unit(self, unit_type: UnitType, payload: Writer) -> bytes:
        payload.align(Part.HEADER)
        body = payload.to_bytes()
        head = Writer()
        syntax.unit_header(head, Unit(unit_type, len(body)))
        self.part_bits[unit_part(unit_type)] += head.position
        self.part_bits.update(payload.part_bits)
        self.file.write(head.to_bytes() + body)
        return body


class Models:
    """The models in force, by their numbers."""

    def __init__(self) -> None:
        self.in_force: dict[int, Model] = {}

    def check(self, stages: Sequence[Stage], bit_offset: int) -> None:
        """:class:`BitstreamError` where a stage's model is not in force, or is for another stage."""
        for stage in stages:
            model = None if stage.model_id is None else self.in_force.get(stage.model_id)
            if stage.model_id is not None and (model is None or model.kind != stage.idc):
                problem = "is not in force" if model is None else f"is of kind {model.kind}, not {stage.idc}"
                raise BitstreamError(f"model {stage.model_id} {problem}", clause="7.18", bit_offset=bit_offset)

    def add(self, model: Model, s: Coder) -> None:
        """Put a model in force under its number.

        :class:`BitstreamError` where it is so already, or is referred to by what two models in force begin with;
        :class:`UnsupportedError` where its bytes are not here.
        """
        if model.source == ModelSource.REFERENCE:
            model.data = self._referred_to(model.reference, s)
        model.digest = hashlib.sha256(model.data).digest()
        old = self.in_force.get(model.number)
        if old is not None and (old.kind, old.digest) == (model.kind, model.digest):
            raise BitstreamError(f"model {model.number} is in force already", clause="7.18", bit_offset=s.base_bit)
        self.in_force[model.number] = model

    def _referred_to(self, reference: bytes, s: Coder) -> bytes:
        known = {model.digest: model.data for model in self.in_force.values() if model.digest.startswith(reference)}
        if len(known) > 1:
            several = f"two models in force begin with model_digest {reference.hex()}"
            raise BitstreamError(several, clause="7.18", bit_offset=s.base_bit)
        return known.popitem()[1] if known else shipped.find(reference)


class BitstreamReader:
    """Reads a bitstream from ``file`` (binary): its headers at once, then a group at a time.

    Raises :class:`BitstreamError` for a bitstream that is not conformant, :class:`UnsupportedError` for a version, tool
    or model that is not here, :class:`~vcm_ref.errors.LimitError` for one that exceeds ``limits``.
    """

    def __init__(self, file: BinaryIO, *, limits: DecoderLimits | None = None, trace: Trace | None = None) -> None:
        self.file = seekable(file)
        self.limits = limits or DecoderLimits()
        self.trace = trace
        self.header = StreamHeader()
        self.part_bits: Counter[Part] = Counter()
        self.picture_count = 0
        self.models = Models()
        self._needs, self._output = Level(), 0
        check_beginning(self.file)
        self._units = self._locate(trace)
        self._unit = next(self._units)
        self.part_bits[Part.HEADER] += 8 * SIGNATURE_BYTES
        reader = self._open(UnitType.STREAM_HEADER)
        syntax.stream_header(reader, self.header)
        self._end(reader)
        self.part_bits.update(reader.part_bits)
        check_profile(self.header)
        self._stream_header = reader.data
        self._survey()
        self._next()

    def groups(self) -> Iterator[CodedGroup]:
        """The groups in order, each parsed when it is asked for."""
        count = 0
        while count == 0 or self._unit.unit_type != UnitType.END:
            count += 1
            yield self._read_group()
        self.part_bits[Part.HEADER] += 8 * (self._unit.payload_offset - self._unit.offset)

    def _locate(self, trace: Trace | None = None) -> Iterator[UnitLocation]:
        return locate_units(self.file, trace)

    def _survey(self) -> None:
        """Look at all units before any is decoded: a bitstream that is cut short, or asks for too much, is refused."""
        for unit in self._locate():
            if unit.unit_type == UnitType.GROUP_HEADER:
                self._count(self._header_at(unit))
        self.picture_count = self._needs.max_pictures

    def _header_at(self, unit: UnitLocation) -> GroupHeader:
        group = GroupHeader()
        reader = self._payload(unit, None)
        syntax.group_header(reader, self.header, group)
        self._end(reader)
        return group

    def _count(self, group: GroupHeader) -> None:
        """Add what a group needs to what those before it do, once level and limits allow it."""
        needs = together(self._needs, needs_of(self.header, group))
        check_level(self.header.level, needs)
        self.limits.check_needs(needs)
        output = self._output + output_bytes(self.header, group)
        self.limits.check("output_bytes", output)
        self._needs, self._output = needs, output

    def _read_group(self) -> CodedGroup:
        before = self.part_bits.copy()
        while self._unit.unit_type == UnitType.MODEL:
            self._read_model()
        self.models.check(self.header.stages, 8 * self._unit.offset)
        group = CodedGroup(GroupHeader(), [], models=dict(self.models.in_force))
        reader = self._open(UnitType.GROUP_HEADER)
        syntax.group_header(reader, self.header, group.header)
        self._close(reader)
        self._check_graphs(group)
        payload = reader.data
        bases = Bases()
        for geometry in substream_geometries(self.header, group.header):
            codec = geometry.tensor.format.inner_codec
            group.substream_bytes.append(self._unit.size)
            reader = self._open(UnitType.SUBSTREAM)
            group.substreams.append(Substream())
            substream_syntax.substream(reader, codec, group.substreams[-1], bases.of(codec))
            self._close(reader)
            if codec.is_video:
                self._check_inner_stream(group.substreams[-1], geometry, reader.base_bit)
        if self.header.digest_length:
            expected = header_digest(self._stream_header, self.models.in_force.values(), payload)
            reader = self._open(UnitType.DIGEST)
            syntax.digest(reader, self.header, expected, group.digests, len(group.header.pictures))
            self._close(reader)
        group.part_bits = self.part_bits - before
        return group

    def _check_graphs(self, group: CodedGroup) -> None:
        """Level and limits of integer graphs, before anything is computed with them."""
        try:
            needs = Level(**graph_needs(self.header, group.header, group.models.values()))
        except ModelError as error:
            raise BitstreamError(f"a model does not fit: {error}", clause="7.18") from error
        check_level(self.header.level, needs)
        self.limits.check_needs(needs)

    def _check_inner_stream(self, substream: Substream, geometry: SubstreamGeometry, bit_offset: int) -> None:
        codec, size = geometry.tensor.format.inner_codec, (geometry.coded_height, geometry.coded_width)
        try:
            check_inner_stream(codec, substream.inner_nal_units, geometry.frames, *size)
        except BitstreamError as error:
            error.bit_offset = bit_offset
            raise

    def _read_model(self) -> None:
        needs = Level(max_model_bytes=self._unit.size - 2 + self._model_bytes())
        model = Model()
        reader = self._open(UnitType.MODEL)
        self.limits.check_needs(needs)
        syntax.model(reader, model)
        self.models.add(model, reader)
        check_level(self.header.level, Level(max_model_bytes=self._model_bytes()))
        self._close(reader)

    def _model_bytes(self) -> int:
        return sum(len(model.data) for model in self.models.in_force.values())

    def _open(self, expected: UnitType) -> Reader:
        unit = self._unit
        if unit.unit_type != expected:
            raise BitstreamError(
                f"a unit {unit.name} stands where {expected.name} is due", clause=CLAUSE, bit_offset=8 * unit.offset
            )
        self.part_bits[unit_part(unit.unit_type)] += 8 * (unit.payload_offset - unit.offset)
        return self._payload(unit, self.trace)

    def _payload(self, unit: UnitLocation, trace: Trace | None) -> Reader:
        self.file.seek(unit.payload_offset)
        return Reader(self.file.read(unit.size), base_bit=8 * unit.payload_offset, trace=trace)

    def _end(self, reader: Reader) -> None:
        reader.align(Part.HEADER)
        if reader.more_data(False):
            raise reader.error("the unit goes on after its last element")

    def _close(self, reader: Reader) -> None:
        self._end(reader)
        self.part_bits.update(reader.part_bits)
        self._next()

    def _next(self) -> None:
        """Go to the next unit that is not ancillary; user data are read, other ancillary units are skipped."""
        self._unit = next(self._units)
        while self._unit.ancillary:
            unit = self._unit
            if unit.unit_type == UnitType.USER_DATA:
                reader = self._open(UnitType.USER_DATA)
                syntax.user_data(reader, UserData())
                self._end(reader)
                self.part_bits.update(reader.part_bits)
            else:
                self.part_bits[Part.USER_DATA] += 8 * (unit.payload_offset + unit.size - unit.offset)
            self._unit = next(self._units)
