"""The last words of a child process: the end of its output as one bounded line."""

from __future__ import annotations

import re
import threading
from typing import IO

KEPT = 8192
_CHUNK = 1 << 16
_LINES_QUOTED = 8
_MESSAGE_LENGTH = 300
_GRACE_S = 5.0  # for the reader of a pipe to see it close


class Tail:
    """The end of the bytes of a pipe, read in a thread until it closes, so that the writer never waits."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.content = bytearray()
        self._pipe = pipe
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until the pipe is closed, but not for long."""
        self._thread.join(_GRACE_S)

    def _read(self) -> None:
        with self._pipe:
            while chunk := self._pipe.read(_CHUNK):
                self.content += chunk
                del self.content[:-KEPT]


def last_words(content: bytes) -> str:
    """The last lines of ``content`` as one bounded line of printable characters, without addresses."""
    text = re.sub(r" @ 0x[0-9a-fA-F]+", "", content.decode("utf-8", "replace"))
    text = "".join(character for character in text if character.isprintable() or character.isspace())
    lines = [line for line in (" ".join(line.split()) for line in text.splitlines()) if line]
    words = "; ".join(dict.fromkeys(lines[-_LINES_QUOTED:]))
    return words if len(words) <= _MESSAGE_LENGTH else f"…{words[-_MESSAGE_LENGTH:]}"
