"""The second decoder's elements of syntax and refusals, written from docs/bitstream.md, clause 4, alone."""

import math

# docs/conformance.md: exit codes
BITSTREAM_ERROR, UNSUPPORTED_ERROR, LIMIT_ERROR, CODEC_ERROR = range(10, 14)


class Refused(Exception):  # noqa: N818
    """Its arguments are the message and the exit code."""


def require(condition: object, otherwise: str, exit_code: int = BITSTREAM_ERROR) -> None:
    if not condition:
        raise Refused(otherwise, exit_code)


class Reader:
    """Clause 4: elements by their descriptors, and within their ranges; out of a bitstream, or a unit's payload."""

    def __init__(self, data: bytes, unit_type: int = 0) -> None:
        self.data, self.left, self.unit_type = data, 8 * len(data), unit_type

    def extensible(self, name: str, value: int, low: int, high: int) -> int:
        require(low <= value <= high, f"{name} is {value}, which is for later editions", UNSUPPORTED_ERROR)
        return value

    def u(self, name: str, bits: int, low: int = 0, high: float = math.inf) -> int:
        require(bits <= self.left, f"{name}: the data end too early")
        before, self.left = self.left, self.left - bits
        taken = self.data[len(self.data) - (before + 7) // 8 : len(self.data) - self.left // 8]
        value = int.from_bytes(taken, "big") >> self.left % 8 & (1 << bits) - 1
        require(low <= value <= high, f"{name} is out of range")
        return value

    def ue(self, name: str, high: float = math.inf) -> int:
        zeros = 0
        while self.u(name, 1) == 0:
            zeros += 1
            require(zeros <= 32, f"{name} has more than 32 leading zero bits")
        value = (1 << zeros) - 1 + self.u(name, zeros)
        require(value <= high, f"{name} is out of range")
        return value

    def se(self, name: str) -> int:
        code = self.ue(name)
        return (code + 1) // 2 if code % 2 else -(code // 2)

    def leb(self, name: str, low: int, high: int) -> int:
        value, groups, more = 0, 0, 1
        while more:
            more, bits = self.u(name, 1), self.u(name, 7)
            value, groups = value + (bits << 7 * groups), groups + 1
            require(groups <= 5 and (more or bits or groups == 1), f"{name} has too many groups")
        require(low <= value <= high, f"{name} is out of range")
        return value

    def b(self, name: str, size: int) -> bytes:
        return self.u(name, 8 * size).to_bytes(size, "big")

    def byte_alignment(self, more_data: bool = False) -> None:
        self.u("alignment_zero_bit", self.left % 8, 0, 0)
        require(more_data or not self.left, "bytes are left over where a unit should end")
