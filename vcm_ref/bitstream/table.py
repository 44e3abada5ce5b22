"""Marking functions as syntax tables of docs/bitstream.md, clause 6."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from .coder import Coder

P = ParamSpec("P")
T = TypeVar("T")

#: The syntax tables: clause number to function.
TABLES: dict[str, Callable[..., object]] = {}


def table(clause: str) -> Callable[[Callable[Concatenate[Coder, P], T]], Callable[Concatenate[Coder, P], T]]:
    """Mark a function as the syntax table of ``clause``; its elements are traced and reported under that number."""

    def decorate(function: Callable[Concatenate[Coder, P], T]) -> Callable[Concatenate[Coder, P], T]:
        @wraps(function)
        def coded(s: Coder, /, *args: P.args, **kwargs: P.kwargs) -> T:
            outer, s.clause = s.clause, clause
            result = function(s, *args, **kwargs)
            s.clause = outer
            return result

        TABLES[clause] = function
        return coded

    return decorate


def fill(s: Coder, items: list[T], count: int, make: Callable[[], T]) -> None:
    """When reading, give ``items`` the ``count`` entries that the elements to come will fill."""
    if s.reading:
        items[:] = [make() for _ in range(count)]
