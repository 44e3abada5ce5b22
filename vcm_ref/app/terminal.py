"""The standard streams: the one place where text goes to the terminal.

Names, keys and messages may come from outside. Characters that steer a terminal are shown as escapes, and so are
characters that the stream's encoding does not have.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO, cast

from ..reporting.printable import printable


class SafeStream:
    """A text stream that passes :func:`printable` lines on to ``stream``, in characters that its encoding has."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write ``text``; its line ends stay line ends."""
        safe = "\n".join(map(printable, text.split("\n")))
        encoding = self.stream.encoding or "utf-8"
        self.stream.write(safe.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)


@contextmanager
def safe_streams() -> Iterator[None]:
    """Put a :class:`SafeStream` in the place of standard output and of standard error."""
    _open_closed_streams()
    out, err = cast(TextIO, SafeStream(sys.stdout)), cast(TextIO, SafeStream(sys.stderr))
    with redirect_stdout(out), redirect_stderr(err):
        yield


def raw_stderr() -> TextIO:
    """Standard error for a progress bar, which steers the terminal itself."""
    return sys.stderr.stream if isinstance(sys.stderr, SafeStream) else sys.stderr


def abandon(stream: TextIO) -> None:
    """Discard the text that ``stream`` still holds: Python would complain of it at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _open_closed_streams() -> None:
    """Open the closed ones of the standard streams. Otherwise files and pipes that we open would take their places."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
