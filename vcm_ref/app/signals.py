"""Signals that end an executable, as exceptions: so files are removed and child processes ended on the way out."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_PATIENCE_SECONDS = 2.0


class Terminated(BaseException):
    """SIGTERM or SIGHUP came."""

    def __init__(self, signal_number: int) -> None:
        super().__init__()
        self.signal_number = signal_number


@contextmanager
def ending_signals() -> Iterator[None]:
    """Turn SIGINT into :class:`KeyboardInterrupt`, SIGTERM and SIGHUP into :class:`Terminated`.

    A signal that comes within two seconds of another changes nothing: the first one's cleaning up goes on. A signal
    that the caller ignores stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    last: float | None = None

    def end(number: int, frame: object) -> None:
        nonlocal last
        now = time.monotonic()
        if last is not None and now - last < _PATIENCE_SECONDS:
            return
        last = now
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated(number)

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows lacks SIGHUP
    before = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in names}
    changed = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    for number in changed:
        signal.signal(number, end)
    try:
        yield
    finally:
        if last is None:  # else the process is about to end, and another signal shall not disturb that
            for number, handler in changed.items():
                signal.signal(number, handler)
