"""Progress of a long run: a bar where standard error is a terminal, and elsewhere a line from time to time."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ..reporting.progress import Advance
from .command import progress_bar

#: Seconds from the start to the first line, and from one line to the next.
FIRST_S, PAUSE_S = 10.0, 60.0


@contextmanager
def progress(total: int, description: str, clock: Callable[[], float] = time.monotonic) -> Iterator[Advance]:
    """Tell of the progress of ``total`` things on standard error. Yields a function that is told of each one done.

    ``clock`` gives seconds.
    """
    if sys.stderr.isatty():
        with progress_bar(total, description) as advance:
            yield advance
        return
    yield _Lines(total, description, clock).advance


class _Lines:
    """Counts what is done, and prints a line when the time for it has come."""

    def __init__(self, total: int, description: str, clock: Callable[[], float]) -> None:
        self._total = total
        self._description = description
        self._clock = clock
        self._start = clock()
        self._due = self._start + FIRST_S
        self._done = self._before = 0.0

    def advance(self, done: float, told: str = "", *, before: bool = False) -> None:
        """Count ``done`` more."""
        self._done += done
        if before:
            self._before += done
            return
        now = self._clock()
        if now < self._due or self._done >= self._total:
            return
        self._due = now + PAUSE_S
        elapsed = now - self._start
        left = elapsed * (self._total - self._done) / (self._done - self._before)
        counted = f"{self._done:g} of {self._total} {self._description} done"
        times = f"{_duration(elapsed)} elapsed, about {_duration(left)} left"
        print(f"{counted}, {times}" + (f"; {told}" if told else ""), file=sys.stderr, flush=True)


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}"
