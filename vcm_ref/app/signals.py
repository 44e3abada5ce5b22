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


class Received:
    """The last signal that came, as the exception that it became; ``None`` before one has come."""

    def __init__(self) -> None:
        self.error: KeyboardInterrupt | Terminated | None = None


@contextmanager
def ending_signals() -> Iterator[Received]:
    """Turn SIGINT into :class:`KeyboardInterrupt`, SIGTERM and SIGHUP into :class:`Terminated`.

    A signal that comes within two seconds of another changes nothing: the first one's cleaning up goes on. A signal
    that the caller ignores stays ignored. The value of the block tells of a signal also where a library has turned its
    exception into another one.
    """
    received = Received()
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    last: float | None = None

    def end(number: int, frame: object) -> None:
        nonlocal last
        now = time.monotonic()
        if last is not None and now - last < _PATIENCE_SECONDS:
            return
        last = now
        received.error = KeyboardInterrupt() if number == signal.SIGINT else Terminated(number)
        raise received.error

    names = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]  # Windows lacks SIGHUP
    before = {getattr(signal, name): signal.getsignal(getattr(signal, name)) for name in names}
    changed = {number: handler for number, handler in before.items() if handler != signal.SIG_IGN}
    for number in changed:
        signal.signal(number, end)
    try:
        yield received
    finally:
        if last is None:  # else the process is about to end, and another signal shall not disturb that
            for number, handler in changed.items():
                signal.signal(number, handler)
