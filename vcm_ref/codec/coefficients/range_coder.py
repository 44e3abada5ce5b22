"""The range coder: binary decisions with 16-bit probabilities (docs/bitstream.md, 8.10.4).

A carry-propagating coder of 32-bit ranges as in Martin, "Range encoding", 1979. Encoder and decoder have the same two
methods, so that one description of the symbols serves both: each takes the value to write and returns the value coded.
"""

from __future__ import annotations

from typing import Protocol

from ...errors import CodecError

PROBABILITY_BITS = 16
_WHOLE = 1 << 32
_LEAST = 1 << 24


class BinaryCoder(Protocol):
    """Writes or reads decisions; ``reading`` says which."""

    @property
    def reading(self) -> bool: ...

    def bit(self, zero: int, value: int = 0) -> int:
        """Code one bit; ``zero`` of 65536 is the probability that it is 0, 1 to 65535."""
        ...

    def bits(self, count: int, value: int = 0) -> int:
        """Code an unsigned number of ``count`` bits, 0 to 16, each of its values as likely."""
        ...


class RangeEncoder:
    """Writes decisions; :meth:`finish` gives the bytes."""

    reading = False

    def __init__(self) -> None:
        self._low = 0
        self._range = _WHOLE
        self._bytes = bytearray()

    def bit(self, zero: int, value: int = 0) -> int:
        """Write one bit; see :class:`BinaryCoder`."""
        bound = (self._range >> PROBABILITY_BITS) * zero
        if value:
            self._low += bound
            self._range -= bound
        else:
            self._range = bound
        while self._range < _LEAST:
            self._shift()
        return value

    def bits(self, count: int, value: int = 0) -> int:
        """Write an unsigned number; see :class:`BinaryCoder`."""
        self._range >>= count
        self._low += self._range * value
        while self._range < _LEAST:
            self._shift()
        return value

    def finish(self) -> bytes:
        """The stream: its last byte is the least that lies in the final range."""
        self._low += _LEAST - 1
        self._shift()
        return bytes(self._bytes)

    def _shift(self) -> None:
        if self._low >= _WHOLE:  # the carry
            place = len(self._bytes) - 1
            while self._bytes[place] == 0xFF:
                self._bytes[place] = 0
                place -= 1
            self._bytes[place] += 1
        self._bytes.append(self._low >> 24 & 0xFF)
        self._low = (self._low & _LEAST - 1) << 8
        self._range <<= 8


class RangeDecoder:
    """Reads decisions. Raises :class:`CodecError` where the stream ends too early; :meth:`finish` checks its end."""

    reading = True

    def __init__(self, stream: bytes) -> None:
        self._stream = stream + bytes(3)  # the last of the four bytes in the window may lie behind the end
        self._offset = int.from_bytes(self._stream[:4], "big")
        self._place = 4
        self._range = _WHOLE
        if not stream:
            raise CodecError("coefficients: the stream is empty")

    def bit(self, zero: int, value: int = 0) -> int:
        """Read one bit; see :class:`BinaryCoder`."""
        bound = (self._range >> PROBABILITY_BITS) * zero
        if self._offset < bound:
            self._range = bound
            bit = 0
        else:
            self._offset -= bound
            self._range -= bound
            bit = 1
        while self._range < _LEAST:
            self._shift()
        return bit

    def bits(self, count: int, value: int = 0) -> int:
        """Read an unsigned number; see :class:`BinaryCoder`."""
        self._range >>= count
        number = self._offset // self._range
        if number >> count:
            raise CodecError("coefficients: a number lies outside its range")
        self._offset -= self._range * number
        while self._range < _LEAST:
            self._shift()
        return number

    def finish(self) -> None:
        """:class:`CodecError` unless the stream ends as :meth:`RangeEncoder.finish` ends it."""
        if self._place != len(self._stream) or self._offset >= _LEAST:
            raise CodecError("coefficients: the stream does not end where its levels end")

    def _shift(self) -> None:
        if self._place == len(self._stream):
            raise CodecError("coefficients: the stream ends too early")
        self._offset = (self._offset << 8 | self._stream[self._place]) & _WHOLE - 1
        self._place += 1
        self._range <<= 8
