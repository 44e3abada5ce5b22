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

from bitstring import Bits, ReadError
from bitstring import Reader as BitReader

from ..errors import BitstreamError
from .elements import ELEMENTS, Element, Part

T = TypeVar("T")
#: The longest leb(v), in bytes: 35 bits of value.
LEB_BYTES = 5
#: A ue(v) or se(v) of more leading zeros than this cannot be within any range of this specification.
MAX_EXP_GOLOMB_ZEROS = 32


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

    @property
    def position(self) -> int:
        """Bits coded so far."""
        raise NotImplementedError

    def _code(self, element: Element, value: Any, bits: int | None) -> Any:
        raise NotImplementedError

    def __call__(
        self, name: str, value: T, *, bits: int | None = None, low: int | None = None, high: int | None = None
    ) -> T:
        """Code one element. ``bits`` is the length of a u(v) or b(v); ``low`` and ``high`` narrow its range."""
        element = ELEMENTS[name]
        start = self.position
        coded: T = self._code(element, value, bits if bits is not None else element.bits)
        if not isinstance(coded, bytes):
            self._check_range(name, element, coded, low, high, start)
        self.part_bits[element.part] += self.position - start
        if self.trace is not None:
            traced = TracedElement(self.base_bit + start, self.clause, name, element.descriptor, coded)  # type: ignore[arg-type]
            self.trace(traced)
        return coded

    def _check_range(
        self, name: str, element: Element, value: Any, low: int | None, high: int | None, start: int
    ) -> None:
        low = max((bound for bound in (element.low, low) if bound is not None), default=None)
        high = min((bound for bound in (element.high, high) if bound is not None), default=None)
        if isinstance(value, float) and not math.isfinite(value):
            raise self.error(f"{name} is {value}, which is not finite", start)
        if (low is not None and value < low) or (high is not None and value > high):
            allowed = f"{'' if low is None else low}..{'' if high is None else high}"
            raise self.error(f"{name} is {value}, outside {allowed}", start)

    def require(self, condition: bool, message: str) -> None:
        """A constraint of the semantics: raise :class:`BitstreamError` with ``message`` where it does not hold."""
        if not condition:
            raise self.error(message)

    def error(self, message: str, position: int | None = None) -> BitstreamError:
        """The error for a rule broken at ``position`` (by default: here)."""
        offset = self.base_bit + (self.position if position is None else position)
        return BitstreamError(message, clause=self.clause, bit_offset=offset)

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
            with self.in_clause("6.13"):
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
        self._pieces: list[Bits] = []
        self._length = 0

    @property
    def position(self) -> int:
        return self._length

    def _code(self, element: Element, value: Any, bits: int | None) -> Any:
        piece = _to_bits(element, value, bits)
        self._pieces.append(piece)
        self._length += len(piece)
        return value

    def to_bytes(self) -> bytes:
        """What was written, a whole number of bytes."""
        return Bits.from_joined(self._pieces).to_bytes()


def _to_bits(element: Element, value: Any, bits: int | None) -> Bits:
    kind = element.descriptor.split("(")[0]
    if kind == "u":
        return Bits.from_dtype(f"u{bits}", value) if bits else Bits()
    if kind in ("ue", "se"):
        return Bits.from_dtype(kind, value)
    if kind == "f":
        return Bits.from_bytes(struct.pack(">f", value))
    if kind == "leb":
        return Bits.from_bytes(_leb_bytes(value))
    return Bits.from_bytes(value)


def _leb_bytes(value: int) -> bytes:
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
        self._bits = BitReader(Bits.from_bytes(data))

    @property
    def position(self) -> int:
        return int(self._bits.pos)

    def more_data(self, more: bool) -> bool:
        return not self._bits.at_end

    def bits_to_end(self, value: bytes) -> int:
        return int(self._bits.remaining)

    def _code(self, element: Element, value: Any, bits: int | None) -> Any:
        start = self.position
        try:
            return self._read(element, bits)
        except (ReadError, IndexError) as error:
            raise self.error("the unit ends inside an element", start) from error

    def _read(self, element: Element, bits: int | None) -> Any:
        kind = element.descriptor.split("(")[0]
        if kind == "u":
            return self._read_integer(f"u{bits}") if bits else 0
        if kind in ("ue", "se"):
            return self._read_exp_golomb(kind)
        if kind == "f":
            return struct.unpack(">f", self._bits.read_bits(32).to_bytes())[0]
        if kind == "leb":
            return self._read_leb()
        assert bits is not None, "b(v) needs a length"
        if self.position % 8 == 0:  # a payload of megabytes: one slice, no bit arithmetic
            start = self.position // 8
            if bits > self._bits.remaining:
                raise ReadError("not enough bytes")
            self._bits.pos += bits
            return self.data[start : start + bits // 8]
        return self._bits.read_bits(bits).to_bytes()

    def _read_integer(self, dtype: str) -> int:
        value = self._bits.read_value(dtype)
        assert isinstance(value, int)
        return value

    def _read_exp_golomb(self, kind: str) -> int:
        window = self._bits.peek_bits(min(self._bits.remaining, MAX_EXP_GOLOMB_ZEROS + 1))
        if len(window) > MAX_EXP_GOLOMB_ZEROS and not window.any(True):
            raise self.error("an Exp-Golomb code is longer than any this specification allows")
        return self._read_integer(kind)

    def _read_leb(self) -> int:
        value = 0
        for place in range(LEB_BYTES):
            byte = self._read_integer("u8")
            value |= (byte & 0x7F) << (7 * place)
            if byte < 0x80:
                if place and byte == 0:
                    raise self.error("a leb(v) is longer than it needs to be")
                return value
        raise self.error(f"a leb(v) is longer than {LEB_BYTES} bytes")
