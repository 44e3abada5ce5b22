"""Processes that an inner codec left behind, where this process belongs to vcm_ref alone.

An executable of ours says so by :func:`own_process`. Then, as long as inner codecs run, Linux gives us what they leave
(see :mod:`.supervisor`). Such an orphan is known: we have not started it, and its session is not ours, as that of any
inner codec. In somebody else's process nothing of this is done, for its other children are not ours to end.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import suppress

from .supervisor import adopt_orphans, children

_lock = threading.Lock()
_owned = False
_adopting = False
_running: set[int] = set()


def own_process() -> None:
    """Say that this process runs vcm_ref and nothing else."""
    global _owned
    _owned = sys.platform == "linux"


def before_start() -> None:
    """To be called before a child is started."""
    global _adopting
    if _owned and not _adopting:
        adopt_orphans()
        _adopting = True


def started(pid: int) -> None:
    """Say that ``pid`` is a child that is looked after."""
    with _lock:
        _running.add(pid)


def ended(pid: int) -> None:
    """Say that it has ended, and been waited for; when it was the last, whatever they left is ended."""
    with _lock:
        _running.discard(pid)
        if not _adopting or _running:
            return
        while found := [one for one in children(os.getpid()) if _is_left(one)]:
            for one in found:
                with suppress(OSError):
                    os.kill(one, signal.SIGKILL)
                with suppress(OSError):
                    os.waitpid(one, 0)


def _is_left(pid: int) -> bool:
    try:
        return os.getsid(pid) != os.getsid(0)
    except OSError:
        return False
