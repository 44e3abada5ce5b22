"""Running a decoder: a child process without a shell, within limits of time, memory and disk, of which nothing is left.

A decoder under test may do anything: hang, take all memory, print or write without end, leave processes behind. It
runs in a session of its own, in a folder of its own that its caller removes; its processes are watched as a whole.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO

from ..errors import reason
from .errors import HarnessError
from .process_tree import ProcessTree

#: A decoder that takes memory at 2 GB/s is stopped 0.1 GB late.
_LOOK_EVERY_S = 0.05
_FIRST_LOOKS_S = 0.005
_WORDS_KEPT = 4096
_PIPE_CHUNK = 1 << 16
_MESSAGE_LENGTH = 300
_LINES_QUOTED = 4
_GRACE_S = 5.0  # for the readers of pipes to see them close


class Cancelled(Exception):  # noqa: N818  (no error: somebody asked for it)
    """The run was called off; the decoder has been ended."""


class Cause(Enum):
    """Why a decoder's process ended."""

    EXIT = "exit"
    SIGNAL = "signal"
    TIME = "time limit"
    MEMORY = "memory limit"
    DISK = "disk limit"
    NOT_STARTED = "not started"


@dataclass(frozen=True)
class RunLimits:
    """What a decoder may take: wall-clock seconds; bytes of resident memory of all its processes; bytes on disk."""

    seconds: float
    memory: int
    disk: int


@dataclass(frozen=True)
class Ending:
    """How a decoder ended.

    ``code`` is the exit code or the signal's number (``None`` where neither ended it); ``memory`` the most resident
    memory seen, in bytes; ``words`` what it, or the system, said last, as one line.
    """

    cause: Cause
    code: int | None
    seconds: float
    memory: int
    words: str


def execute(command: Sequence[str], folder: Path, limits: RunLimits, cancelled: threading.Event) -> Ending:
    """Run ``command`` in ``folder``, an existing folder that is its own, also for its temporary files.

    None of its processes is left when this returns or raises. Raises :class:`Cancelled` soon after ``cancelled`` is
    set, and :class:`HarnessError` where a process cannot be ended.
    """
    tree = ProcessTree()
    start = time.monotonic()
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env=tree.environment({**os.environ, "TMPDIR": str(folder)}),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        return Ending(Cause.NOT_STARTED, None, 0.0, 0, reason(error))
    tree.lead(process.pid)
    tails: list[_Tail] = []
    watch = _Watch(tree, folder, limits, start)
    try:
        tails += [_Tail(pipe) for pipe in (process.stdout, process.stderr) if pipe is not None]
        cause = watch.until_it_ends(process, cancelled)
        seconds = time.monotonic() - start
    finally:
        left = tree.kill()
        if not left:
            process.wait()
        for tail in tails:
            tail.join()
    if left:
        raise HarnessError(f"{Path(command[0]).name}: its process {left[0]} cannot be ended")
    return _ending(process.returncode, cause, seconds, watch.peak, _last_words(tails))


class _Watch:
    """Looks after one running decoder."""

    def __init__(self, tree: ProcessTree, folder: Path, limits: RunLimits, start: float) -> None:
        self.peak = 0
        self._tree, self._folder, self._limits, self._start = tree, folder, limits, start

    def until_it_ends(self, process: subprocess.Popen[bytes], cancelled: threading.Event) -> Cause:
        """Wait for the process's end, or for a reason to end it."""
        pause = _FIRST_LOOKS_S
        while True:
            if cancelled.is_set():
                raise Cancelled
            if self._has_too_much_memory():
                return Cause.MEMORY
            if _bytes_on_disk(self._folder) > self._limits.disk:
                return Cause.DISK
            left = self._start + self._limits.seconds - time.monotonic()
            if left <= 0:
                return Cause.TIME
            try:
                process.wait(min(pause, left))
                return Cause.EXIT
            except subprocess.TimeoutExpired:
                pause = min(2 * pause, _LOOK_EVERY_S)

    def _has_too_much_memory(self) -> bool:
        now = self._tree.memory()
        if now > self._limits.memory:
            now = self._tree.proportional_memory()  # workers that were forked share most of theirs
        self.peak = max(self.peak, now)
        return now > self._limits.memory


class _Tail:
    """The end of what a pipe gives, read in a thread as long as it gives, so that the writer never waits."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self.content = bytearray()
        self._pipe = pipe
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(_GRACE_S)

    def _read(self) -> None:
        with self._pipe:
            while chunk := self._pipe.read(_PIPE_CHUNK):
                self.content += chunk
                del self.content[:-_WORDS_KEPT]


def _ending(returncode: int, cause: Cause, seconds: float, memory: int, words: str) -> Ending:
    if cause is not Cause.EXIT:
        return Ending(cause, None, seconds, memory, words)
    if returncode < 0:
        return Ending(Cause.SIGNAL, -returncode, seconds, memory, words)
    return Ending(Cause.EXIT, returncode, seconds, memory, words)


def signal_name(number: int) -> str:
    """``SIGSEGV`` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _bytes_on_disk(folder: Path) -> int:
    """What all files under ``folder`` take, in bytes; those that come and go meanwhile may be missed."""
    total, folders = 0, [str(folder)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        total += 512 * entry.stat(follow_symlinks=False).st_blocks
        except OSError:
            continue
    return total


def _last_words(tails: Sequence[_Tail]) -> str:
    """The last lines on standard error, or else on standard output, as one bounded line of printable characters."""
    for tail in reversed(tails):
        text = bytes(tail.content).decode("utf-8", "replace")
        text = "".join(character for character in text if character.isprintable() or character.isspace())
        lines = [line for line in (" ".join(line.split()) for line in text.splitlines()) if line]
        if lines:
            words = "; ".join(dict.fromkeys(lines[-_LINES_QUOTED:]))
            return words if len(words) <= _MESSAGE_LENGTH else f"…{words[-_MESSAGE_LENGTH:]}"
    return ""
