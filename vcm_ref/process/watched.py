"""Running a decoder under test, within limits of time, memory and disk, so that nothing of it is left.

Here a process decodes one bitstream; in :mod:`.served` it decodes many.

A decoder may do anything: hang, take all memory, print or write without end, leave processes behind. It runs below a
:mod:`.supervisor`, in a folder of its own that its caller removes; all below the supervisor is watched as a whole.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

import psutil

from ..errors import reason
from . import orphans, supervisor
from .words import Tail, last_words

#: A decoder that takes memory at 2 GB/s is stopped 0.1 GB late.
_LOOK_EVERY_S = 0.05
_FIRST_LOOKS_S = 0.005
_GIVE_UP_S = 10.0  # only what hangs inside the kernel outlives SIGKILL
_ENTRY_BYTES = 4096  # what a file or folder takes at least
_DEEPEST = 64  # folders within each other: a path below them can still be named


class Cancelled(Exception):  # noqa: N818  (it is not an error: the user asked for it)
    """The run was called off; the decoder has been ended."""


class NotEndedError(Exception):
    """A process could not be ended."""


class Cause(Enum):
    """Why a decoder's process ended."""

    EXIT = "exit"
    SIGNAL = "signal"
    TIME = "time limit"
    MEMORY = "memory limit"
    DISK = "disk limit"
    ANSWER = "no answer that can be read"
    NOT_STARTED = "not started"


@dataclass(frozen=True)
class RunLimits:
    """What a decoder may take: wall-clock seconds; bytes of resident memory of all its processes; bytes on disk.

    Each file and folder counts as 4 KiB at least, and folders nested more than 64 deep as too much. Files count
    that have no name any more, too, as long as a process holds them.
    """

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
    set, and :class:`NotEndedError` where a process cannot be ended.
    """
    start = time.monotonic()
    try:
        decoder = Supervised(command, folder)
    except (OSError, ValueError) as error:
        return Ending(Cause.NOT_STARTED, None, 0.0, 0, reason(error))
    watch = Watch(decoder.process, [folder], limits, start)
    tails: list[Tail] = []
    cause = None
    try:
        tails += [Tail(pipe) for pipe in (decoder.process.stdout, decoder.process.stderr) if pipe is not None]
        cause = watch.until(decoder.ends_within, cancelled)
    finally:
        seconds = time.monotonic() - start
        decoder.end()
        for tail in tails:
            tail.join()
        told = decoder.status()
    if cause is None and bytes_on_disk([folder], limits.disk) > limits.disk:
        cause = Cause.DISK
    said = next(filter(None, (last_words(bytes(tail.content)) for tail in reversed(tails))), "")
    return decoder.ending(told, cause, seconds, watch.peak, said)


class Supervised:
    """A decoder below its supervisor, in ``folder``. Raises OSError or ValueError where it cannot be started."""

    def __init__(self, command: Sequence[str], folder: Path, stdin: int = subprocess.DEVNULL) -> None:
        self.name = Path(command[0]).name
        self._source, status = os.pipe()
        try:
            self.process = _start(command, folder, status, stdin)
        except BaseException:
            os.close(self._source)
            raise
        finally:
            os.close(status)

    def ends_within(self, seconds: float) -> bool:
        """Wait for its end, but not longer than this; whether it has ended."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def end(self) -> None:
        """Let the supervisor end all that is below it. Raises :class:`NotEndedError`."""
        self.process.terminate()
        try:
            self.process.wait(_GIVE_UP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise NotEndedError(f"{self.name}: a process of it cannot be ended") from None
        finally:
            orphans.ended(self.process.pid)

    def status(self) -> list[str]:
        """What the supervisor says, once, of the decoder that has ended."""
        with open(self._source, encoding="ascii") as told:
            return told.read().split()

    def ending(self, status: Sequence[str], cause: Cause | None, seconds: float, peak: int, said: str) -> Ending:
        """How the decoder ended that has this status; ``cause`` is why we ended it, or None."""
        if status[:1] == ["not"]:
            return Ending(Cause.NOT_STARTED, None, 0.0, 0, os.strerror(int(status[2])))
        if cause is not None:
            return Ending(cause, None, seconds, peak, said)
        if not status:  # it has ended its supervisor
            return Ending(Cause.SIGNAL, -self.process.returncode, seconds, peak, said)
        peak = max(peak, int(status[2]))  # of a short one nothing was seen
        return Ending(Cause.EXIT if status[0] == "exit" else Cause.SIGNAL, int(status[1]), seconds, peak, said)


def _start(command: Sequence[str], folder: Path, status: int, stdin: int) -> subprocess.Popen[bytes]:
    supervised = [sys.executable, "-I", "-S", supervisor.__file__, str(status), *command]
    with orphans.starting() as register:
        process = subprocess.Popen(
            supervised,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder)},
            start_new_session=True,
            pass_fds=(status,),
        )
        register(process.pid)
    return process


class Watch:
    """Looks after one running decoder, whose files are in ``folders``."""

    def __init__(
        self, process: subprocess.Popen[bytes], folders: Sequence[Path], limits: RunLimits, start: float
    ) -> None:
        self.peak = 0
        self._process, self._folders, self._limits, self._start = process, folders, limits, start

    def until(self, done_within: Callable[[float], bool], cancelled: threading.Event) -> Cause | None:
        """Wait until the decoder is done, and give None; or give the reason why it has to be ended.

        ``done_within`` waits for so many seconds at most, and says whether it is done.
        """
        pause = _FIRST_LOOKS_S
        while True:
            if cancelled.is_set():
                raise Cancelled
            members = self.members()
            if self._has_too_much_memory(members):
                return Cause.MEMORY
            nameless = _nameless_bytes(members)
            if nameless + bytes_on_disk(self._folders, self._limits.disk) > self._limits.disk:
                return Cause.DISK
            left = self._start + self._limits.seconds - time.monotonic()
            if left <= 0:
                return Cause.TIME
            if done_within(min(pause, left)):
                return None
            pause = min(2 * pause, _LOOK_EVERY_S)

    def members(self) -> list[psutil.Process]:
        """The decoder's processes: all below the supervisor."""
        found: list[psutil.Process] = []
        with suppress(psutil.Error):
            if sys.platform != "linux":
                found += psutil.Process(self._process.pid).children(recursive=True)
                return found
        waiting = [self._process.pid]
        while waiting:  # not psutil's, which looks at all processes of the machine
            below = supervisor.children(waiting.pop())
            waiting += below
            for pid in below:
                with suppress(psutil.Error):
                    found.append(psutil.Process(pid))
        return found

    def _has_too_much_memory(self, members: Sequence[psutil.Process]) -> bool:
        now = resident(members)
        if now > self._limits.memory:  # workers that were forked share most of theirs
            now = sum(_proportional(process) for process in members)
        self.peak = max(self.peak, now)
        return now > self._limits.memory


def signal_name(number: int) -> str:
    """``SIGSEGV`` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def bytes_on_disk(folders: Sequence[Path], enough: int) -> float:
    """The bytes that all below ``folders`` takes, or some number above ``enough``; infinite where it is too deep.

    Files that come and go meanwhile may be missed.
    """
    total, waiting = 0, [(str(folder), 0) for folder in folders]
    while waiting and total <= enough:
        path, depth = waiting.pop()
        if depth > _DEEPEST:
            return float("inf")
        with suppress(OSError), os.scandir(path) as entries:
            for entry in entries:
                if total > enough:
                    break
                with suppress(OSError):
                    total += max(_ENTRY_BYTES, 512 * entry.stat(follow_symlinks=False).st_blocks)
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
    return total


def _nameless_bytes(members: Sequence[psutil.Process]) -> int:
    """The bytes of files without a name that the processes hold open (Linux)."""
    found: dict[tuple[int, int], int] = {}
    for process in members:
        with suppress(OSError), os.scandir(f"/proc/{process.pid}/fd") as entries:
            for entry in entries:
                with suppress(OSError):
                    held = entry.stat()
                    if stat.S_ISREG(held.st_mode) and not held.st_nlink:
                        found[held.st_dev, held.st_ino] = 512 * held.st_blocks
    return sum(found.values())


def resident(members: Sequence[psutil.Process]) -> int:
    """The resident memory of all these processes together, in bytes."""
    return sum(_resident(process) for process in members)


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _proportional(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except AttributeError:  # Linux alone has it
        return _resident(process)
    except psutil.Error:
        return 0
