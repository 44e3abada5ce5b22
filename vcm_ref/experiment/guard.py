"""A guard beside this process, which ends its workers and their inner codecs when it is gone, however it went.

Inner codecs run in sessions of their own, so neither Ctrl-C nor the end of the worker that runs them reaches them.
They are known by a variable, the mark, in the environment that they were started with.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..process import orphans

_PAUSE_S = 0.1
_TIMES = 100  # what cannot be killed shall not keep us


@contextmanager
def nothing_left(mark: str) -> Iterator[None]:
    """When the block ends, or this process is killed, whatever has the variable ``mark`` is killed."""
    command = [sys.executable, "-m", __name__, mark]
    with orphans.starting() as register:
        guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
        register(guard.pid)
    with guard:  # leaving closes the pipe, and waits
        yield
    orphans.ended(guard.pid)


def _kill_marked(mark: str) -> bool:
    """Kill all marked processes; returns whether there were any."""
    import psutil

    found = False
    for process in psutil.process_iter():
        try:
            if mark in process.environ() and process.status() != psutil.STATUS_ZOMBIE:
                process.kill()
                found = True
        except psutil.Error:
            continue
    return found


def _watch(mark: str) -> None:
    sys.stdin.read()  # until the other end of the pipe is closed
    for _ in range(_TIMES):
        if not _kill_marked(mark):
            return
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    _watch(sys.argv[1])
