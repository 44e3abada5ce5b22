"""What tells of the progress of a long run."""

from __future__ import annotations

from typing import Protocol


class Advance(Protocol):
    """Is told of the things that are done, of which the total is known."""

    def __call__(self, done: float, told: str = "", *, before: bool = False) -> None:
        """Count ``done`` more things.

        ``told`` says something of them in words. With ``before``, they were done before this run began.
        """


def untold(done: float, told: str = "", *, before: bool = False) -> None:
    """Tell nobody."""
