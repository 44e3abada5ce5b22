"""Compact coding of the inner codec's parameter sets (docs/bitstream.md, 8.4).

A parameter set is coded as the difference from a base: its leading and trailing bits that the base shares are only
counted, the bits between are sent. Bases are the templates of Annex A and the sets already sent in the same picture.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..errors import CodecError
from .elements import MAX_PARAMETER_SET_BITS
from .nal import escape, unescape
from .values import InnerCodecId


class BitString(NamedTuple):
    """``length`` bits, as the big-endian integer ``value``."""

    value: int
    length: int


class ParameterSetCode(NamedTuple):
    """The values of one ``parameter_set()`` table: the base's index, and how many bits are shared and sent."""

    base: int = 0
    prefix_bits: int = 0
    suffix_bits: int = 0
    middle_bits: int = 0
    middle: int = 0

    @property
    def cost(self) -> int:
        """Bits that this code takes."""
        lengths = (self.base + 1).bit_length() + (self.prefix_bits + 1).bit_length()
        lengths += (self.suffix_bits + 1).bit_length() + (self.middle_bits + 1).bit_length()
        return 2 * lengths - 4 + self.middle_bits


def to_bit_string(nal_unit: bytes) -> BitString:
    """NAL header and payload data of a parameter set, without emulation prevention and trailing bits.

    Raises :class:`CodecError` where the set could not be made again from these.
    """
    payload = unescape(nal_unit)
    value = int.from_bytes(payload, "big")
    if not payload or not payload[-1] or escape(payload) != nal_unit:
        raise CodecError("the inner codec wrote a parameter set with irregular trailing or emulation prevention bytes")
    trailing = (value & -value).bit_length()
    length = 8 * len(payload) - trailing
    if length > MAX_PARAMETER_SET_BITS:
        raise CodecError(
            f"the inner codec wrote a parameter set of {length} bits; at most {MAX_PARAMETER_SET_BITS} fit"
        )
    return BitString(value >> trailing, length)


def to_nal_unit(bits: BitString) -> bytes:
    """The parameter set's NAL unit, byte for byte; the inverse of :func:`to_bit_string`."""
    trailing = 8 - bits.length % 8
    value = ((bits.value << 1) | 1) << (trailing - 1)
    return escape(value.to_bytes((bits.length + trailing) // 8, "big"))


@cache
def templates(codec: InnerCodecId) -> tuple[BitString, ...]:
    """The template parameter sets of Annex A for ``codec``."""
    listed = json.loads(Path(__file__).with_name("templates.json").read_text(encoding="utf-8"))
    return tuple(to_bit_string(bytes.fromhex(entry["nal_unit"])) for entry in listed[codec.name.lower()])


def best_code(bases: list[BitString], target: BitString) -> ParameterSetCode:
    """The shortest code of ``target``; of equals, the one with the first base. ``bases[0]`` is the empty one."""
    return min((_code(index, base, target) for index, base in enumerate(bases)), key=lambda code: code.cost)


def _code(index: int, base: BitString, target: BitString) -> ParameterSetCode:
    shared = min(base.length, target.length)
    differing = (base.value >> (base.length - shared)) ^ (target.value >> (target.length - shared))
    prefix = shared - differing.bit_length()
    differing = (base.value ^ target.value) & ((1 << (shared - prefix)) - 1)
    suffix = (differing & -differing).bit_length() - 1 if differing else shared - prefix
    middle_bits = target.length - prefix - suffix
    middle = (target.value >> suffix) & ((1 << middle_bits) - 1)
    return ParameterSetCode(index, prefix, suffix, middle_bits, middle)


def apply_code(base: BitString, code: ParameterSetCode) -> BitString:
    """The parameter set that ``code`` stands for. ``prefix_bits + suffix_bits`` must not exceed the base's length."""
    prefix = base.value >> (base.length - code.prefix_bits)
    suffix = base.value & ((1 << code.suffix_bits) - 1)
    value = (((prefix << code.middle_bits) | code.middle) << code.suffix_bits) | suffix
    return BitString(value, code.prefix_bits + code.middle_bits + code.suffix_bits)
