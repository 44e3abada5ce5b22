"""A decoder under test that one process runs for many bitstreams, each within limits (docs/conformance.md).

A job is a line on its standard input: a number and paths, with tabs between them. It answers each with a line on its
standard output: the number, an exit code, and words. What it does else is watched as in :mod:`.watched`.
"""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from .watched import Cause, Ending, RunLimits, Supervised, Watch, bytes_on_disk, resident
from .words import Tail, last_words

_ANSWER = re.compile(rb"(\d+) (-?\d{1,3})(?: ([^\n]*))?\n")
_LONGEST_ANSWER = 1 << 14
#: A decoder that holds more memory than this between jobs is not given another one.
_KEPT_MEMORY = 1 << 29
_GRACE_S = 5.0  # to end, for a decoder that has closed its standard output


class Served:
    """A decoder that waits for jobs, and ends with the block. ``folder`` is its own, also for temporary files.

    Raises OSError or ValueError where it cannot be started.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._decoder = Supervised(command, folder, stdin=subprocess.PIPE)
        process = self._decoder.process
        assert process.stdin is not None and process.stdout is not None and process.stderr is not None
        self._jobs, self._answers = process.stdin, process.stdout
        self._tail = Tail(process.stderr)
        self.folder = folder
        self._count = 0
        self._answer = b""
        self.usable = True

    def ask(self, paths: Sequence[Path], folder: Path, limits: RunLimits, cancelled: threading.Event) -> Ending:
        """Give it one job; ``folder`` has the job's files.

        ``usable`` says whether it can be given another. Raises :class:`Cancelled`, and :class:`NotEndedError` where a
        process cannot be ended.
        """
        self._count += 1
        self._answer = b""
        self._tail.content.clear()
        self.usable = False
        status: list[str] = []
        start = time.monotonic()
        watch = Watch(self._decoder.process, [folder, self.folder], limits, start)
        try:
            with suppress(OSError):  # where it has ended, so have its answers
                self._jobs.write(b"\t".join((b"%d" % self._count, *map(os.fsencode, paths))) + b"\n")
            cause = watch.until(self._answers_within, cancelled)
            seconds = time.monotonic() - start
            if cause is None and bytes_on_disk([folder, self.folder], limits.disk) > limits.disk:
                cause = Cause.DISK
            found = _ANSWER.fullmatch(self._answer)
            if cause is None and found is not None and int(found[1]) == self._count:
                self.usable = self._is_clean(watch)
                return _answered(int(found[2]), seconds, watch.peak, found[3])
            if cause is None and (self._has_line() or not self._decoder.ends_within(_GRACE_S)):
                cause = Cause.ANSWER
        finally:
            if not self.usable:
                status = self.end()
        said = last_words(self._answer if cause is Cause.ANSWER else bytes(self._tail.content))
        return self._decoder.ending(status, cause, seconds, watch.peak, said)

    def end(self) -> list[str]:
        """End it, and all that it started; gives what its supervisor says. Raises :class:`NotEndedError`."""
        self.usable = False
        for pipe in (self._jobs, self._answers):
            with suppress(OSError):
                pipe.close()
        self._decoder.end()
        self._tail.join()
        return self._decoder.status()

    @property
    def lives(self) -> bool:
        """Whether its process has not ended."""
        return self._decoder.process.poll() is None

    def _answers_within(self, seconds: float) -> bool:
        """Whether there is a line, or more than a line can be, or an end of all lines."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._answers, selectors.EVENT_READ)
            if not selector.select(seconds):
                return not self.lives
        read = os.read(self._answers.fileno(), _LONGEST_ANSWER)
        self._answer += read
        return not read or self._has_line()

    def _has_line(self) -> bool:
        return b"\n" in self._answer or len(self._answer) > _LONGEST_ANSWER

    def _is_clean(self, watch: Watch) -> bool:
        """Whether the job has left neither files nor processes nor much memory."""
        members = watch.members()
        try:
            empty = not os.listdir(self.folder)
        except OSError:  # it has removed or closed it
            empty = False
        return empty and len(members) == 1 and resident(members) <= _KEPT_MEMORY


def _answered(code: int, seconds: float, memory: int, words: bytes | None) -> Ending:
    cause = Cause.EXIT if code >= 0 else Cause.SIGNAL
    return Ending(cause, abs(code), seconds, memory, last_words(words or b""))
