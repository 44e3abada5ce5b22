"""Processes that an inner codec left behind, where this process belongs to vcm_ref alone.

An executable of ours says so by :func:`own_process`. Then, as long as inner codecs run, Linux gives us what they leave
(see :mod:`.supervisor`). Such an orphan is known: we have not started it, and its session is not ours, as that of any
inner codec. So each child that gets a session of its own is started in :func:`starting`. In any other process none of
this is done, for its other children are not ours to end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from .supervisor import adopt_orphans, children

_lock = threading.Lock()
_owned = False
_adopting = False
_running: set[int] = set()


def own_process() -> None:
    """Say that this process runs vcm_ref and nothing else."""
    global _owned
    _owned = sys.platform == "linux"


@contextmanager
def starting() -> Iterator[Callable[[int], None]]:
    """A block that starts a child, and calls its value with the child's number: it is not taken for an orphan."""
    global _adopting
    with _lock:
        if _owned and not _adopting:
            adopt_orphans()
            _adopting = True
        yield _running.add


def ended(pid: int) -> None:
    """Say that a child that was started so has ended, and been waited for; then end what it left."""
    with _lock:
        _running.discard(pid)
    end_left()


def end_left() -> None:
    """End what inner codecs have left so far. Those that run go on."""
    with _lock:
        while _adopting and (found := [pid for pid in children(os.getpid()) if _is_left(pid)]):
            for pid in found:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                with suppress(OSError):
                    os.waitpid(pid, 0)


def _is_left(pid: int) -> bool:
    try:
        return pid not in _running and os.getsid(pid) != os.getsid(0)
    except OSError:
        return False
