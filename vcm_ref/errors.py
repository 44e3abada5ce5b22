"""The one tree of exceptions. Each class carries the exit code an executable ends with (design, "Errors")."""

from __future__ import annotations


class VcmError(Exception):
    """Anything a user can be told in one line: what is wrong, where, and what to do."""

    exit_code = 70
    #: The file that it is about, where whoever raised it did not know.
    where = ""

    def __str__(self) -> str:
        told = self._told()
        return f"{self.where}: {told}" if self.where and self.where not in told else told

    def _told(self) -> str:
        return super().__str__()


class ConfigError(VcmError):
    """The command line or a configuration file asks for something that does not exist or does not fit."""

    exit_code = 2


class BitstreamError(VcmError):
    """The bitstream breaks a rule of ``docs/bitstream.md``.

    ``clause`` names the rule's place in the specification; ``bit_offset`` is counted from the first bit of the
    bitstream (``None`` where the rule is not about one place).
    """

    exit_code = 10

    def __init__(self, message: str, *, clause: str | None = None, bit_offset: int | None = None) -> None:
        self.message = message
        self.clause = clause
        self.bit_offset = bit_offset
        super().__init__(message)

    def _told(self) -> str:
        where = []
        if self.bit_offset is not None:
            where.append(f"bit {self.bit_offset}")
        if self.clause is not None:
            where.append(f"clause {self.clause}")
        return f"{self.message} ({', '.join(where)})" if where else self.message


class UnsupportedError(VcmError):
    """The bitstream is conformant, but this decoder lacks its profile, level or inner codec."""

    exit_code = 11


class LimitError(VcmError):
    """Going on would exceed a declared limit."""

    exit_code = 12


class CodecError(VcmError):
    """The inner codec is missing, failed, took too long, or returned what was not asked of it."""

    exit_code = 13


class NetworkError(VcmError):
    """A network or its weights cannot be used as asked."""

    exit_code = 2


class DatasetError(VcmError):
    """An input picture, a feature file or a data set is missing or unreadable."""

    exit_code = 2


def reason(error: Exception) -> str:
    """What ``error`` says, for our own line about it: of the system's errors without their number and path."""
    return getattr(error, "strerror", None) or str(error)
