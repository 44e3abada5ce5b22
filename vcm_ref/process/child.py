"""Running a child process: a codec's executable, fed and read through pipes, within declared limits.

Inner codecs are C code written for valid input. They run without a shell, in a session of their own (so that
Ctrl-C reaches us first, and the whole process group can be ended), with a wall-clock limit, a memory limit and
a cap on what they return. The exit code is checked here; whether the output is what was asked for is the
caller's to check.

Memory and processor time are limited by ``prlimit`` right after the start, which needs no code between fork and exec
and so is safe beside threads. For the same reason ``setpriv``, where it is installed, asks the kernel to end the child
when the thread that started it ends: SIGKILL of this process leaves no decoder behind, even one that hangs. Both exist
on Linux only; elsewhere the wall clock and the output cap are the limits.
"""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Container, Generator, Iterable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Protocol, TypeVar

from ..errors import CodecError
from . import orphans
from .words import KEPT, last_words

T = TypeVar("T")
#: In an argument: the number of a pipe of its own for the child's output. Libraries print on standard output.
OUTPUT_FD = "{output}"

_PIPE_BYTES = 1 << 20  # fewer switches between us and the child than the usual 64 KiB; only a hint
_STOPPED = "was stopped"
_GRACE_S = 5.0  # for threads to see their pipe close once the child is gone


class Buffer(Protocol):
    """Anything C-contiguous that ``memoryview`` accepts: ``bytes``, an array's frame, a ``memoryview``."""

    def __buffer__(self, flags: int, /) -> memoryview: ...


@dataclass(frozen=True)
class ChildLimits:
    """What one child process may use.

    ``output_bytes`` caps its output, ``file_bytes`` (``None``: no limit) each file it writes,
    ``memory_bytes`` (``None``: no limit) its address space, which with threads is several times what it touches.
    Processor time is bounded by ``time_s`` on every core.
    """

    time_s: float
    output_bytes: int
    memory_bytes: int | None = None
    file_bytes: int | None = None


class _Child:
    """One running child; whoever stops it first says why."""

    def __init__(self, command: Sequence[str], limits: ChildLimits, cwd: Path | None) -> None:
        self.name = Path(command[0]).name
        self.stopped: str | None = None
        self._lock = threading.Lock()
        _require_executable(command[0])
        separate = any(OUTPUT_FD in argument for argument in command)
        source = sink = None
        try:
            if separate:
                source, sink = os.pipe()
            with orphans.starting() as register:
                self.process = subprocess.Popen(
                    [*_ended_with_us(), *(argument.replace(OUTPUT_FD, str(sink)) for argument in command)],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT if separate else subprocess.PIPE,
                    bufsize=0,
                    cwd=cwd,
                    start_new_session=True,
                    pass_fds=() if sink is None else (sink,),
                    pipesize=_PIPE_BYTES,
                )
                register(self.process.pid)
        except OSError as error:
            if source is not None:
                os.close(source)
            raise CodecError(f"{command[0]}: cannot be run: {error.strerror or error}") from error
        finally:
            if sink is not None:
                os.close(sink)
        stdin, stdout, stderr = self.process.stdin, self.process.stdout, self.process.stderr
        assert stdin is not None and stdout is not None
        self.input: IO[bytes] = stdin
        self.output: IO[bytes] = stdout if source is None else os.fdopen(source, "rb", buffering=0)
        self.words: IO[bytes] = stdout if stderr is None else stderr
        _limit_resources(self.process.pid, limits)

    def stop(self, why: str) -> None:
        with self._lock:
            if self.stopped is None:
                self.stopped = why
        self.kill_group()

    def kill_group(self) -> None:
        """Ends the child and whatever it started; harmless when there is nothing left."""
        if sys.platform == "win32":
            self.process.kill()
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
            self.process.kill()


class ChildGroup:
    """The children that belong together: those that jobs given to :meth:`run` start, in whatever threads.

    For a caller that codes layers in worker threads: Ctrl-C reaches its main thread only.
    """

    def __init__(self) -> None:
        self._children: set[_Child] = set()
        self._stopped = False
        self._lock = threading.Lock()

    def run(self, job: Callable[[], T]) -> T:
        """Call ``job``; the children that it starts belong to this group."""
        before = _group.set(self)
        try:
            return job()
        finally:
            _group.reset(before)

    def stop(self) -> None:
        """Ends every child there is, and every one yet to come at once; their calls raise CodecError."""
        with self._lock:
            self._stopped = True
            children = list(self._children)
        for child in children:
            child.stop(_STOPPED)

    def add(self, child: _Child) -> None:
        with self._lock:
            self._children.add(child)
            stopped = self._stopped
        if stopped:
            child.stop(_STOPPED)

    def remove(self, child: _Child) -> None:
        with self._lock:
            self._children.discard(child)


#: The group that a child started here and now belongs to; by default one that nobody stops.
_group: ContextVar[ChildGroup] = ContextVar("group", default=ChildGroup())  # noqa: B039


def run_child(
    command: Sequence[str],
    *,
    feed: Iterable[Buffer] = (),
    limits: ChildLimits,
    cwd: Path | None = None,
    accept: Container[int] = (0,),
) -> bytearray:
    """Run ``command``, write the buffers of ``feed`` to its standard input, return its output.

    Output is what it writes to standard output, or, where an argument contains ``OUTPUT_FD``, to that file descriptor.
    Reading and writing go on at the same time, so neither side waits for the other, and no buffer is copied. The
    child and its process group are gone when this returns or raises, whatever the reason.

    Raises CodecError, with the child's last words, when it cannot be started, exits with a code not in ``accept``,
    outlives ``limits.time_s`` or returns more than ``limits.output_bytes``. An exception of ``feed`` passes through.
    """
    deadline = time.monotonic() + limits.time_s
    group = _group.get()
    child = _Child(command, limits, cwd)
    try:
        group.add(child)
        output, words = _converse(child, feed, limits, deadline)
    finally:
        child.kill_group()
        child.process.wait()
        orphans.ended(child.process.pid)
        group.remove(child)
    if child.stopped is not None:
        raise CodecError(f"{child.name} {child.stopped}")
    if child.process.returncode not in accept:
        raise CodecError(f"{child.name} {_ending(child.process.returncode)}{_quote(words)}")
    return output


def stream_child(command: Sequence[str], *, limits: ChildLimits, block: int) -> Generator[bytearray, None, None]:
    """Run ``command``, which reads nothing from us, and give its output in blocks of ``block`` bytes as they come.

    ``limits.time_s`` bounds the wait for each block, and the child waits as long as nobody asks for the next one. The
    child and its process group are gone when the iterator ends, is closed, or raises.

    Raises CodecError as :func:`run_child` does, and where the output ends within a block.
    """
    group, words = _group.get(), bytearray()
    child = _Child(command, limits, None)
    tail = threading.Thread(target=_read_tail, args=(child.words, words), daemon=True)
    left = limits.output_bytes
    try:
        group.add(child)
        child.input.close()
        tail.start()
        with child.output:
            while data := _read_block(child, block, limits.time_s):
                left -= len(data)
                if left < 0 and child.stopped is None:
                    child.stop(f"returned more than the {limits.output_bytes} bytes it was asked for")
                if len(data) < block or child.stopped is not None:
                    break
                yield data
        if child.stopped is None:
            child.process.wait(_GRACE_S)
    except subprocess.TimeoutExpired:
        child.stop("closed its output and did not end")
    finally:
        child.kill_group()
        child.process.wait()
        orphans.ended(child.process.pid)
        group.remove(child)
        tail.join(_GRACE_S)
    if child.stopped is not None:
        raise CodecError(f"{child.name} {child.stopped}")
    if child.process.returncode != 0:
        raise CodecError(f"{child.name} {_ending(child.process.returncode)}{_quote(bytes(words))}")
    if data:
        raise CodecError(f"{child.name} returned {len(data)} bytes at the end, where {block} were due")


def _read_block(child: _Child, size: int, wait_s: float) -> bytearray:
    """The next ``size`` bytes of output; fewer where it ends."""
    timer = threading.Timer(min(wait_s, threading.TIMEOUT_MAX), child.stop, (f"returned nothing for {wait_s:g} s",))
    timer.daemon = True
    timer.start()
    block = bytearray()
    try:
        while len(block) < size and (chunk := child.output.read(min(size - len(block), _PIPE_BYTES))):
            block += chunk
    finally:
        timer.cancel()
    return block


def _converse(child: _Child, feed: Iterable[Buffer], limits: ChildLimits, deadline: float) -> tuple[bytearray, bytes]:
    output, words = bytearray(), bytearray()
    failures: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # passed on to the caller's thread below
            failures.append(error)
            child.kill_group()

    threads = [
        threading.Thread(target=guarded, args=(work,), daemon=True)
        for work in (
            lambda: _read_output(child, child.output, output, limits.output_bytes),
            lambda: _read_tail(child.words, words),
            lambda: _write_all(child.input, feed),
        )
    ]
    for thread in threads:
        thread.start()
    try:
        child.process.wait(min(max(0.0, deadline - time.monotonic()), threading.TIMEOUT_MAX))
    except subprocess.TimeoutExpired:
        child.stop(f"did not finish within {limits.time_s:g} s")
    child.kill_group()  # what is left would keep our pipes open
    orphans.end_left()
    for thread in threads:
        thread.join(_GRACE_S)
    if threads[0].is_alive():
        child.stop("ended, and left a process that holds its output")
    for failure in failures:
        raise failure
    return output, bytes(words)


def _write_all(pipe: IO[bytes], feed: Iterable[Buffer]) -> None:
    try:
        with pipe:
            for buffer in feed:
                rest = memoryview(buffer).cast("B")
                while rest:
                    rest = rest[pipe.write(rest) :]
    except OSError:  # BrokenPipeError; EINVAL on Windows
        return  # the child stopped reading: its exit code, last words and output tell why


def _read_output(child: _Child, pipe: IO[bytes], output: bytearray, limit: int) -> None:
    with pipe:
        while chunk := pipe.read(_PIPE_BYTES):
            if len(output) + len(chunk) > limit:
                child.stop(f"returned more than the {limit} bytes it was asked for")
                return
            output += chunk


def _read_tail(pipe: IO[bytes], tail: bytearray) -> None:
    with pipe:
        while chunk := pipe.read(KEPT):
            tail += chunk
            del tail[:-KEPT]


def _limit_resources(pid: int, limits: ChildLimits) -> None:
    if sys.platform != "linux":
        return
    import resource  # not on every platform

    wanted = [(resource.RLIMIT_CORE, 0), (resource.RLIMIT_AS, limits.memory_bytes)]
    wanted.append((resource.RLIMIT_FSIZE, limits.file_bytes))
    seconds = limits.time_s * (os.cpu_count() or 1)
    wanted.append((resource.RLIMIT_CPU, math.ceil(seconds) + 1 if seconds < sys.maxsize else None))
    for kind, limit in wanted:
        if limit is None:
            continue
        try:
            hard = resource.prlimit(pid, kind)[1]
            limit = min(limit, sys.maxsize if hard == resource.RLIM_INFINITY else hard)
            resource.prlimit(pid, kind, (limit, limit))
        except (ProcessLookupError, PermissionError):  # it has ended already, or a sandbox forbids the call
            return


def _ending(code: int) -> str:
    if code < 0:
        try:
            return f"was ended by {signal.Signals(-code).name}"
        except ValueError:
            return f"was ended by signal {-code}"
    return f"failed with exit code {code}"


def _quote(words: bytes) -> str:
    text = last_words(words)
    return f": {text}" if text else ""


def _require_executable(path: str) -> None:
    if not os.path.isfile(path) and shutil.which(path) is None:
        raise CodecError(f"{path}: cannot be run: No such file or directory")
    if shutil.which(path) is None:
        raise CodecError(f"{path}: cannot be run: Permission denied")


@cache
def _ended_with_us() -> tuple[str, ...]:
    """The words before a command that end its process with the thread that starts it; none where there are none."""
    program = shutil.which("setpriv")
    if sys.platform != "linux" or program is None:
        return ()
    words = (program, "--pdeathsig", "KILL", "--")
    try:  # a setpriv of another make may not have the option
        tried = subprocess.run(
            [*words, program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, timeout=10
        )
    except (OSError, subprocess.SubprocessError):
        return ()
    return words if tried.returncode == 0 else ()
