"""The generic reader and writer that the syntax functions of :mod:`.syntax` drive (docs/bitstream.md, clause 4).

A syntax function calls its coder once for each element, in order: ``x = s("name", x)``. A :class:`Writer` takes the
value given and returns it; a :class:`Reader` ignores the value given and returns the one it read. So one function is
reader, writer, tracer, validator and size accountant at once.
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, TypeVar

from ..errors import BitstreamError, UnsupportedError
from .elements import ELEMENTS, Element, Part

T = TypeVar("T")
#: The longest leb(v), in bytes: 35 bits of value.
LEB_BYTES = 5
#: A ue(v) or se(v) of more leading zeros than this cannot be within any range of this specification.
MAX_EXP_GOLOMB_ZEROS = 32
#: The clause of ``byte_alignment()``.
ALIGNMENT_CLAUSE = "6.21"


class TracedElement(NamedTuple):
    """One line of a trace. ``bit_offset`` counts from the first bit of the bitstream."""

    bit_offset: int
    clause: str
    name: str
    descriptor: str
    value: int | float | bytes


Trace = Callable[[TracedElement], None]


class Coder:
    """What reader and writer share: the clause being coded, bits by part of the rate, range checks, the trace."""

    reading: bool

    def __init__(self, *, base_bit: int = 0, trace: Trace | None = None) -> None:
        self.base_bit = base_bit
        self.trace = trace
        self.clause = "5"
        self.part_bits: Counter[Part] = Counter()
        #: Bits coded so far.
        self.position = 0

    def _code(self, element: Element, value: Any, bits: int | None) -> Any:
        raise NotImplementedError

    def __call__(
        self, name: str, value: T, *, bits: int | None = None, low: int | None = None, high: int | None = None
    ) -> T:
        """Code one element. ``bits`` is the length of a u(v) or b(v); ``low`` and ``high`` narrow its range."""
        element = ELEMENTS[name]
        start = self.position
        if not self.reading:
            self._check_range(name, element, value, low, high, start)
        coded: T = self._code(element, value, element.bits if bits is None else bits)
        if self.reading:
            self._check_range(name, element, coded, low, high, start)
        self.part_bits[element.part] += self.position - start
        if self.trace is not None:
            traced = TracedElement(self.base_bit + start, self.clause, name, element.descriptor, coded)  # type: ignore[arg-type]
            self.trace(traced)
        return coded

    def _check_range(
        self, name: str, element: Element, value: Any, low: int | None, high: int | None, start: int
    ) -> None:
        if isinstance(value, bytes):
            return
        if element.low is not None and (low is None or low < element.low):
            low = element.low
        if element.high is not None and (high is None or high > element.high):
            high = element.high
        if isinstance(value, float):
            if not math.isfinite(value) or (value == 0 and math.copysign(1, value) < 0):
                raise self.error("", start, element=name, value=value, allowed="finite numbers, and no -0")
            return
        if (low is None or value >= low) and (high is None or value <= high):
            return
        allowed = f"{'' if low is None else low}..{'' if high is None else high}"
        if element.extensible and self.reading:
            raise UnsupportedError(element=name, value=value, allowed=allowed)
        raise self.error("", start, element=name, value=value, allowed=allowed)

    def require(self, condition: bool, message: str) -> None:
        """A constraint of the semantics: raise :class:`BitstreamError` with ``message`` where it does not hold."""
        if not condition:
            raise self.error(message)

    def error(self, message: str, position: int | None = None, **data: Any) -> BitstreamError:
        """The error for a rule broken at ``position`` (by default: here); ``data`` is element, value, allowed."""
        offset = self.base_bit + (self.position if position is None else position)
        return BitstreamError(message, clause=self.clause, bit_offset=offset, **data)

    @contextmanager
    def in_clause(self, clause: str) -> Iterator[None]:
        """Elements coded inside belong to ``clause``."""
        outer, self.clause = self.clause, clause
        yield
        self.clause = outer

    def align(self, part: Part) -> None:
        """``byte_alignment()``: zero bits up to the next byte, counted towards ``part``."""
        padding = -self.position % 8
        if padding:
            with self.in_clause(ALIGNMENT_CLAUSE):
                self("alignment_zero_bit", 0, bits=padding)
            self.part_bits[Part.HEADER] -= padding
            self.part_bits[part] += padding

    def more_data(self, more: bool) -> bool:
        """Whether the unit holds more elements; ``more`` says so where they are known."""
        return more

    def bits_to_end(self, value: bytes) -> int:
        """Length of the element that fills the rest of the unit; ``value`` is that element where it is known."""
        return 8 * len(value)


class Writer(Coder):
    """Collects the bits of one unit."""

    reading = False

    def __init__(self, *, base_bit: int = 0, trace: Trace | None = None) -> None:
        super().__init__(base_bit=base_bit, trace=trace)
        self._whole = bytearray()
        self._rest = 0  # the bits after the last whole byte, fewer than eight

    def to_bytes(self) -> bytes:
        """What was written, a whole number of bytes."""
        return bytes(self._whole)

    def _code(self, element: Element, value: Any, bits: int | None) -> Any:
        kind = element.kind
        if kind == "u":
            assert bits is not None, "u(v) needs a length"
            self._write(value, bits)
        elif kind == "ue":
            self._write_exp_golomb(value)
        elif kind == "se":
            self._write_exp_golomb(2 * value - 1 if value > 0 else -2 * value)
        elif kind == "f":
            self._write_bytes(struct.pack(">f", value))
        else:
            self._write_bytes(leb_bytes(value) if kind == "leb" else value)
        return value

    def _write(self, value: int, bits: int) -> None:
        if value >> bits:
            raise self.error(f"a value does not fit into {bits} bits")
        value |= self._rest << bits
        size, rest = divmod(self.position % 8 + bits, 8)
        self._whole += (value >> rest).to_bytes(size, "big")
        self._rest = value & ((1 << rest) - 1)
        self.position += bits

    def _write_exp_golomb(self, code_number: int) -> None:
        self._write(code_number + 1, 2 * (code_number + 1).bit_length() - 1)

    def _write_bytes(self, value: bytes) -> None:
        if self.position % 8:
            self._write(int.from_bytes(value, "big"), 8 * len(value))
        else:  # a payload of megabytes: no bit arithmetic
            self._whole += value
            self.position += 8 * len(value)


def leb_bytes(value: int) -> bytes:
    """The bytes of a leb(v), as few as it takes (docs/bitstream.md, clause 4)."""
    groups = [value & 0x7F]
    while value := value >> 7:
        groups.append(value & 0x7F)
    return bytes([group | 0x80 for group in groups[:-1]] + groups[-1:])


class Reader(Coder):
    """Reads the elements of one unit; ``base_bit`` is the unit's place in the bitstream."""

    reading = True

    def __init__(self, data: bytes, *, base_bit: int = 0, trace: Trace | None = None) -> None:
        super().__init__(base_bit=base_bit, trace=trace)
        self.data = data
        self._end = 8 * len(data)

    def more_data(self, more: bool) -> bool:
        return self.position < self._end

    def bits_to_end(self, value: bytes) -> int:
        return self._end - self.position

    def _code(self, element: Element, value: Any, bits: int | None) -> Any:
        kind = element.kind
        if kind == "u":
            assert bits is not None, "u(v) needs a length"
            return self._read(bits)
        if kind == "ue":
            return self._read_exp_golomb()
        if kind == "se":
            code_number = self._read_exp_golomb()
            return (code_number + 1) // 2 if code_number % 2 else -(code_number // 2)
        if kind == "f":
            return struct.unpack(">f", self._read_bytes(32))[0]
        if kind == "leb":
            return self._read_leb()
        assert bits is not None, "b(v) needs a length"
        return self._read_bytes(bits)

    def _read(self, bits: int) -> int:
        value = self._peek(bits)
        self.position += bits
        return value

    def _peek(self, bits: int) -> int:
        end = self.position + bits
        if end > self._end:
            raise self.error("the unit ends inside an element")
        window = int.from_bytes(self.data[self.position // 8 : (end + 7) // 8], "big")
        return window >> -end % 8 & ((1 << bits) - 1)

    def _read_exp_golomb(self) -> int:
        window = min(MAX_EXP_GOLOMB_ZEROS + 1, self._end - self.position)
        zeros = window - self._peek(window).bit_length()
        if zeros > MAX_EXP_GOLOMB_ZEROS:
            raise self.error("an Exp-Golomb code is longer than any this specification allows")
        return self._read(2 * zeros + 1) - 1

    def _read_leb(self) -> int:
        value = 0
        for place in range(LEB_BYTES):
            byte = self._peek(8 * place + 8) & 0xFF
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if place and byte == 0:
                    raise self.error("a leb(v) is longer than it needs to be")
                self.position += 8 * place + 8
                return value
        raise self.error(f"a leb(v) is longer than {LEB_BYTES} bytes")

    def _read_bytes(self, bits: int) -> bytes:
        if self.position % 8:
            return self._read(bits).to_bytes(bits // 8, "big")
        start = self.position // 8  # a payload of megabytes: one slice, no bit arithmetic
        if bits > self._end - self.position:
            raise self.error("the unit ends inside an element")
        self.position += bits
        return self.data[start : start + bits // 8]
