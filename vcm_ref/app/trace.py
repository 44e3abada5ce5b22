"""The trace of ``vcm_dec --trace``: one line a syntax element."""

from __future__ import annotations

from typing import BinaryIO

from ..bitstream.coder import TracedElement
from ..bitstream.limits import DecoderLimits
from ..bitstream.stream import BitstreamReader

_SHOWN_BYTES = 16
_SHOWN_DIGITS = 40


def print_trace(file: BinaryIO, limits: DecoderLimits) -> None:
    """Parse the bitstream and print each syntax element: bit offset, clause, name, descriptor, value."""
    print(f"{'bit':>10} {'clause':<7} {'name':<26} {'descriptor':<10} value")
    for _ in BitstreamReader(file, limits=limits, trace=_print_element).groups():
        pass


def _print_element(element: TracedElement) -> None:
    print(
        f"{element.bit_offset:>10} {element.clause:<7} {element.name:<26} {element.descriptor:<10} "
        f"{_shown(element.name, element.value)}"
    )


def _shown(name: str, value: int | float | bytes) -> str:
    if name == "layer_name" and isinstance(value, bytes):
        return value.decode("ascii", "backslashreplace")
    if isinstance(value, bytes):
        more = f"… ({len(value)} bytes)" if len(value) > _SHOWN_BYTES else ""
        return value[:_SHOWN_BYTES].hex() + more
    if isinstance(value, float):
        return repr(value)
    digits = f"{value:d}" if value.bit_length() < 128 else f"0x{value:x}"
    return digits if len(digits) <= _SHOWN_DIGITS else f"{digits[:_SHOWN_DIGITS]}… ({value.bit_length()} bits)"
