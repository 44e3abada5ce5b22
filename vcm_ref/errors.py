"""The one tree of exceptions, each with the exit code that an executable ends with (docs/architecture.md, "Errors")."""

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


class _RuleError(VcmError):
    """An error about a syntax element of ``docs/bitstream.md``, or in other ``words`` where there is none.

    ``element`` is its name, ``value`` what it is, ``allowed`` what it may be, in words. ``clause`` names the rule's
    place in the specification; ``bit_offset`` is counted from the first bit of the bitstream (``None`` where the rule
    is not about one place).
    """

    def __init__(
        self,
        message: str = "",
        *,
        clause: str | None = None,
        bit_offset: int | None = None,
        element: str | None = None,
        value: float | None = None,
        allowed: str | None = None,
    ) -> None:
        self.words = message
        self.clause = clause
        self.bit_offset = bit_offset
        self.element = element
        self.value = value
        self.allowed = allowed
        super().__init__(message)

    @property
    def message(self) -> str:
        """The sentence without the place."""
        return self.words or f"{self.element} is {self.value}; allowed: {self.allowed}"

    def _told(self) -> str:
        where = []
        if self.bit_offset is not None:
            where.append(f"bit {self.bit_offset}")
        if self.clause is not None:
            where.append(f"clause {self.clause}")
        return f"{self.message} ({', '.join(where)})" if where else self.message


class BitstreamError(_RuleError):
    """The bitstream breaks a rule of ``docs/bitstream.md``."""

    exit_code = 10


class UnsupportedError(_RuleError):
    """The bitstream may be conformant, but this decoder lacks its version, profile, level, tool, codec or model."""

    exit_code = 11

    @property
    def message(self) -> str:
        """The sentence without the place."""
        if self.words:
            return self.words
        return f"{self.element} is {self.value}, which this decoder does not know; it knows {self.allowed}"


class LimitError(VcmError):
    """Going on would exceed a declared limit."""

    exit_code = 12


class CodecError(VcmError):
    """The inner codec is missing, failed, took too long, or returned what was not asked of it."""

    exit_code = 13


class ModelError(VcmError):
    """A reduction stage's model is damaged, or does not fit the layers; of one in a bitstream, `BitstreamError`."""

    exit_code = 2


class NetworkError(VcmError):
    """A network or its weights cannot be used as asked."""

    exit_code = 2


class DatasetError(VcmError):
    """An input picture, a feature file or a data set is missing or unreadable."""

    exit_code = 2


def reason(error: Exception) -> str:
    """What ``error`` says, for our own line about it: of the system's errors without their number and path."""
    return getattr(error, "strerror", None) or str(error)
