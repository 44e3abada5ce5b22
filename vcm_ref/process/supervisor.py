"""A small process between us and a child that may do anything: when the child has ended, so does all that it started.

Run as a script, with nothing but Python's own library::

    python -I -S supervisor.py STATUS_FD COMMAND…

Linux gives a process whose parent has ended to the nearest *subreaper* above it. The supervisor is one, so whatever its
child leads to is found below it, however often it forks, in whatever session, with whatever environment. It also asks
to be told when its own parent ends, and then ends everything. On other systems it ends the child's process group alone.

It writes one line to STATUS_FD: ``exit CODE MEMORY``, ``signal NUMBER MEMORY`` or ``not started ERRNO``. MEMORY is the
most resident memory, in bytes, of the child and of each process that it waited for (Linux).
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

_SET_DEATH_SIGNAL, _SET_SUBREAPER = 1, 36  # of prctl(2)
_PAUSE_S = 0.002
_GIVE_UP_S = 8.0  # what hangs inside the kernel outlives SIGKILL


class _Told(BaseException):
    """SIGTERM: our parent wants an end, or has ended."""


def children(pid: int) -> list[int]:
    """The processes whose parent is ``pid``, but for those that have ended and wait for it (Linux)."""
    found = []
    for name in _children_of_threads(pid):
        with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:
            state, parent = file.read().rpartition(b")")[2].split()[:2]
            if int(parent) == pid and state not in (b"Z", b"X"):
                found.append(int(name))
    return found


def _children_of_threads(pid: int) -> list[str]:
    """The numbers of children, or, where the kernel does not list them, of all processes."""
    names: list[str] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children") as file:
                names += file.read().split()
    except OSError:
        return [name for name in os.listdir("/proc") if name.isdigit()]
    return names


def adopt_orphans() -> None:
    """Make this process the parent of whatever its descendants leave behind."""
    _prctl(_SET_SUBREAPER, 1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(option, value)


def _main(status: int, command: list[str]) -> None:
    parent = os.getppid()
    signal.signal(signal.SIGTERM, _tell)
    adopt_orphans()
    _prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)
    if os.getppid() != parent:
        return
    child, line = 0, ""
    try:
        child = os.fork()
        if child == 0:
            _become(status, command)
        line = _wait(child)
    except _Told:
        pass
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_all(child)
    with suppress(OSError):
        os.write(status, line.encode())


def _tell(number: int, frame: object) -> None:
    raise _Told


def _become(status: int, command: list[str]) -> None:
    os.setsid()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.set_inheritable(status, False)
    code = 0
    try:
        os.execvp(command[0], command)
    except OSError as error:
        code = error.errno or 1
    os.write(status, f"not started {code}\n".encode())
    os._exit(127)


def _wait(child: int) -> str:
    while True:
        pid, status, usage = os.wait4(-1, 0)
        if pid == child:
            code, memory = os.waitstatus_to_exitcode(status), usage.ru_maxrss << 10
            return f"exit {code} {memory}\n" if code >= 0 else f"signal {-code} {memory}\n"


def _end_all(child: int) -> None:
    """End the child and all its descendants: those whose parents have ended are our own children."""
    deadline = time.monotonic() + _GIVE_UP_S
    with suppress(OSError):
        if child:
            os.killpg(child, signal.SIGKILL)
    while time.monotonic() < deadline:
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
            for pid in children(os.getpid()) if sys.platform == "linux" else []:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_PAUSE_S)
            continue
        return


if __name__ == "__main__":
    _main(int(sys.argv[1]), sys.argv[2:])
