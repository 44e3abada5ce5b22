"""Reading on behind a fault: the groups of a damaged bitstream that can still be read (docs/bitstream.md, clause 4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..errors import BitstreamError, LimitError, UnsupportedError, VcmError
from .coder import Trace
from .headers import StreamHeader
from .stream import BitstreamReader, CodedGroup
from .units import CLAUSE, UnitLocation, locate_units
from .values import UnitType

#: What a reader goes on behind. A damaged header may ask for more than the limits allow.
DAMAGE = (BitstreamError, UnsupportedError, LimitError)


class DamagedGroup(NamedTuple):
    """A group that cannot be decoded: its number, those of its pictures, all from 0, and why.

    ``pictures`` is None for this group and all that may follow it, where the bitstream cannot be read on.
    """

    number: int
    pictures: range | None
    error: VcmError


class _Place(NamedTuple):
    """Where a group begins, in bytes; how many pictures it has, where that is known; what is wrong with its header."""

    offset: int
    pictures: int | None = None
    fault: VcmError | None = None


class RecoveringReader(BitstreamReader):
    """A reader that goes on behind damaged groups. Signature and stream header must be whole.

    The number of a damaged group's pictures follows from the size of its digests, otherwise from its header. Where
    neither tells, the groups that follow would have no numbers; they count as lost, too.
    """

    _lost: VcmError | None = None

    def _locate(self, trace: Trace | None = None) -> Iterator[UnitLocation]:
        """The units up to the fault behind which no unit can be found; END stands there."""
        offset = 0
        try:
            for unit in locate_units(self.file, trace):
                offset = unit.payload_offset + unit.size
                yield unit
        except (BitstreamError, UnsupportedError) as error:
            if not offset:
                raise
            self._lost = error
            yield UnitLocation(UnitType.END, offset, offset, 0)

    def _survey(self) -> None:
        self._lost = None
        self._places: list[_Place] = []
        before: int = UnitType.STREAM_HEADER
        for unit in self._locate():
            if unit.ancillary or unit.unit_type in (UnitType.STREAM_HEADER, UnitType.END):
                continue
            begins = unit.unit_type in (UnitType.MODEL, UnitType.GROUP_HEADER) and before != UnitType.MODEL
            if begins or before in (UnitType.DIGEST, UnitType.STREAM_HEADER):
                self._places.append(_Place(unit.offset))
            self._see(unit)
            before = unit.unit_type
        self.picture_count = 0
        for place in self._places:
            if place.pictures is None:
                break
            self.picture_count += place.pictures

    def _see(self, unit: UnitLocation) -> None:
        """Add to the last group's place what a unit tells. Digests are checked more closely than headers."""
        place = self._places[-1]
        if unit.unit_type == UnitType.GROUP_HEADER:
            try:
                header = self._header_at(unit)
                place = place._replace(pictures=len(header.pictures))
                self._count(header)
            except DAMAGE as error:
                place = place._replace(fault=error)
        elif unit.unit_type == UnitType.DIGEST:
            place = place._replace(pictures=pictures_of_digest(self.header, unit.size) or place.pictures)
        self._places[-1] = place

    def groups_and_damage(self) -> Iterator[CodedGroup | DamagedGroup]:
        """The groups in order, each whole or damaged. Raises where the bitstream has no group at all."""
        first = 0
        for number, place in enumerate(self._places):
            try:
                yield self._whole_group(number)
            except DAMAGE as error:
                last = number + 1 == len(self._places)
                if place.pictures is None or (last and self._lost is not None):
                    yield DamagedGroup(number, None, self._lost if last and self._lost is not None else error)
                    return
                yield DamagedGroup(number, range(first, first + place.pictures), error)
                self._skip_to(number + 1)
            first += place.pictures or 0
        if self._lost is not None:
            yield DamagedGroup(len(self._places), None, self._lost)
        elif not self._places:
            self._read_group()

    def _whole_group(self, number: int) -> CodedGroup:
        place = self._places[number]
        if place.fault is not None:
            while self._unit.unit_type == UnitType.MODEL:
                self._read_model()  # later groups may need it
            raise place.fault
        group = self._read_group()
        if len(group.header.pictures) != place.pictures:
            raise BitstreamError("the digests are those of another number of pictures", clause="7.17")
        if self._unit.offset != self._end_of(number) and self._unit.unit_type != UnitType.END:
            problem = f"a unit {self._unit.name} stands where a group is due"
            raise BitstreamError(problem, clause=CLAUSE, bit_offset=8 * self._unit.offset)
        return group

    def _end_of(self, number: int) -> int | None:
        """Where the next group begins; None for the last one."""
        return self._places[number + 1].offset if number + 1 < len(self._places) else None

    def _skip_to(self, number: int) -> None:
        """Go to the beginning of a group, or to the end. Behind a model that was not read, no model is in force."""
        end = self._end_of(number - 1)
        while self._unit.unit_type != UnitType.END and (end is None or self._unit.offset < end):
            if self._unit.unit_type == UnitType.MODEL:
                self.models.in_force.clear()
            self._unit = next(self._units)


def pictures_of_digest(header: StreamHeader, size: int) -> int | None:
    """How many pictures have their digests in a unit DIGEST of ``size`` bytes (clause 6.17); None for another size."""
    of_picture = header.digest_length * (len(header.tensors) + header.t2_digest)
    pictures, rest = divmod(size - header.digest_length, of_picture) if of_picture else (0, 1)
    return pictures if pictures > 0 and rest == 0 else None
