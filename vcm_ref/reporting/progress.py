"""The functions through which a long run tells its user how much is done."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol


class Advance(Protocol):
    """A function that the run calls after each part of the work."""

    def __call__(self, done: float, told: str = "", *, before: bool = False) -> None:
        """Count ``done`` more things.

        ``told`` says something of them in words. With ``before``, they were done before this run began.
        """


Begin = Callable[[int, str], AbstractContextManager[Advance]]
"""Takes the number of things and their name, and yields the function that counts them."""


def untold(done: float, told: str = "", *, before: bool = False) -> None:
    """Count nothing and show nothing."""


def no_progress(total: int, description: str) -> AbstractContextManager[Advance]:
    """Yield :func:`untold`."""
    return nullcontext(untold)
