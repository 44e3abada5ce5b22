"""Breaking a bitstream at one place: one element, one unit, one byte; what stands around it is made to fit."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import NamedTuple

from ...bitstream.coder import TracedElement, Writer
from ...bitstream.elements import ELEMENTS, SIGNATURE, Part
from ...bitstream.headers import Unit
from ...bitstream.stream import BitstreamReader, BitstreamWriter
from ...bitstream.syntax import unit_header
from ...bitstream.units import locate_units
from ...bitstream.values import UnitType

SIGNATURE_BYTES = SIGNATURE.to_bytes(4, "big")


class RawUnit(NamedTuple):
    """A unit's type and payload."""

    unit_type: int
    payload: bytes

    @property
    def name(self) -> str:
        """Its type in words."""
        return UnitType(self.unit_type).name

    def coded(self) -> bytes:
        """With its header."""
        head = Writer()
        unit_header(head, Unit(self.unit_type, len(self.payload)))
        return head.to_bytes() + self.payload


def raw_units(data: bytes) -> list[RawUnit]:
    """The units of a bitstream."""
    return [
        RawUnit(unit.unit_type, data[unit.payload_offset : unit.payload_offset + unit.size])
        for unit in locate_units(io.BytesIO(data))
    ]


def joined(units: Sequence[RawUnit]) -> bytes:
    """The bitstream of some units; the inverse of :func:`raw_units`."""
    return SIGNATURE_BYTES + b"".join(unit.coded() for unit in units)


def elements(data: bytes) -> list[TracedElement]:
    """All elements of a conformant bitstream."""
    found: list[TracedElement] = []
    for _ in BitstreamReader(io.BytesIO(data), trace=found.append).groups():
        pass
    return found


def with_elements(data: bytes, changes: Sequence[tuple[str, int, str]]) -> bytes:
    """A bitstream in which some elements, by name and occurrence, have other bits.

    Their units are aligned again, and say their new sizes. Digests are left as they are, so ``data`` should have none
    unless they are what is to be found.
    """
    from bitstring import Bits

    traced = elements(data)
    units = list(locate_units(io.BytesIO(data)))
    texts = [Bits.from_bytes(unit.payload).bin for unit in raw_units(data)]
    places = [
        ([number for number, element in enumerate(traced) if element.name == name][occurrence], bits)
        for name, occurrence, bits in changes
    ]
    for number, unit in enumerate(units):
        begin, end = 8 * unit.payload_offset, 8 * (unit.payload_offset + unit.size)
        inside = {place: bits for place, bits in places if begin <= traced[place].bit_offset < end}
        if not inside:
            continue
        text = ""
        for place, element in enumerate(traced):
            if not begin <= element.bit_offset < end or element.name == "alignment_zero_bit":
                continue
            if element.name == "nal_unit_size":  # the one element before which a unit is aligned
                text += "0" * (-len(text) % 8)
            text += inside.get(place, texts[number][element.bit_offset - begin : traced[place + 1].bit_offset - begin])
        texts[number] = text + "0" * (-len(text) % 8)
    return joined(
        [
            RawUnit(unit.unit_type, Bits.from_string("0b" + text).to_bytes() if text else b"")
            for unit, text in zip(units, texts, strict=True)
        ]
    )


def with_element(data: bytes, name: str, bits: str, occurrence: int = 0) -> bytes:
    """:func:`with_elements` for one."""
    return with_elements(data, [(name, occurrence, bits)])


def with_value(data: bytes, name: str, value: int | float | bytes, occurrence: int = 0) -> bytes:
    """:func:`with_element`, the bits those of a value, which may be outside its element's range."""
    return with_element(data, name, bits_of(name, value, _length(data, name, occurrence)), occurrence)


def with_stage_value(data: bytes, name: str, value: int) -> bytes:
    """:func:`with_value` for an element of the one stage, whose payload says its new length."""
    length = _length(data, name, 0)
    bits = bits_of(name, value, length)
    size = next(int(one.value) for one in elements(data) if one.name == "stage_payload_bits") + len(bits) - length
    return with_elements(data, [(name, 0, bits), ("stage_payload_bits", 0, bits_of("stage_payload_bits", size, 0))])


def _length(data: bytes, name: str, occurrence: int) -> int:
    traced = elements(data)
    place = [number for number, element in enumerate(traced) if element.name == name][occurrence]
    return traced[place + 1].bit_offset - traced[place].bit_offset


def bits_of(name: str, value: int | float | bytes, length: int) -> str:
    """The bits of a value under the descriptor of the element ``name``; see :func:`code_of`."""
    return code_of(ELEMENTS[name].kind, value, length)


def code_of(kind: str, value: int | float | bytes, length: int = 0) -> str:
    """The bits of a value under a descriptor, as bitstring has them; ``length`` is that of u(n) and u(v).

    Raises `ModuleNotFoundError` without the package bitstring.
    """
    from bitstring import Bits

    if isinstance(value, bytes):
        return str(Bits.from_bytes(value).bin)
    if kind == "leb":
        groups = -(-max(1, int(value).bit_length()) // 7)
        parts = [Bits.from_dtype("u7", int(value) >> 7 * place & 0x7F).bin for place in range(groups)]
        return "".join(("1" if place < groups - 1 else "0") + bits for place, bits in enumerate(parts))
    if kind == "u" and not length:
        return ""
    return str(Bits.from_dtype({"f": "f32", "u": f"u{length}"}.get(kind, kind), value).bin)


def flipped(data: bytes, place: int, mask: int = 1) -> bytes:
    """A bitstream with some bits of one byte turned over."""
    changed = bytearray(data)
    changed[place] ^= mask
    return bytes(changed)


class LaxWriter(Writer):
    """A writer that minds neither constraints nor ranges."""

    def require(self, condition: bool, message: str) -> None:
        """Nothing is required."""

    def _check_range(self, *of: object) -> None:
        pass


class LaxBitstreamWriter(BitstreamWriter):
    """Writes whole bitstreams that break rules."""

    make_writer = LaxWriter


def payload_of(writer: Writer) -> bytes:
    """What was written, aligned."""
    writer.align(Part.HEADER)
    return writer.to_bytes()
