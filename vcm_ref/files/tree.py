"""The tree that a document is: its limits, its key paths, and the check of its values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

KeyPath = tuple[str | int, ...]
"""The keys of mappings and the places in lists, from 0, that lead to a value."""

_QUOTED = set(" .\"'")  # a key with one of these is quoted
_SHOWN = 80  # characters of a long key
_INTEGERS = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Limits:
    """How large a document may be: bytes of the file, nested mappings and lists, values in all.

    The values of a YAML alias count each time that the alias is used.
    """

    size: int
    depth: int = 64
    nodes: int = 50_000_000


class ParseError(Exception):
    """A text is not a document. ``line`` counts from 1; ``path`` leads to the value, where there is one."""

    def __init__(self, problem: str, line: int | None = None, path: KeyPath = ()) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.path = path


def printed_key(path: Sequence[str | int]) -> str:
    """A key path as a user writes it: ``codec.qp``, and ``arrangement.grid."p2.0"`` where a key has a dot in it."""
    return ".".join(map(_printed, path))


def _printed(key: str | int) -> str:
    text = str(key)
    plain = text.isprintable() and text and not set(text) & _QUOTED
    text = text if plain else json.dumps(text)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def check_tree(value: Any, limits: Limits) -> None:
    """Raise :class:`ParseError` where a tree is too deep or too large, or a value in it cannot be used."""
    left = limits.nodes
    pending: list[tuple[Any, KeyPath]] = [(value, ())]
    _check_scalar(value, ())
    while pending:
        node, path = pending.pop()
        entries: Iterable[tuple[Any, Any]] = ()
        if type(node) is dict:
            entries = node.items()
            for key in node:
                _check_text(key, path, "the key")
        elif type(node) is list:
            entries = enumerate(node)
        left -= 1
        if len(path) >= limits.depth:
            raise ParseError(f"mappings and lists may be nested {limits.depth} deep", path=path[:3])
        for key, child in entries:
            kind = type(child)
            if kind is dict or kind is list:
                pending.append((child, (*path, key)))
            else:
                left -= 1
                if kind is float:
                    if not math.isfinite(child):
                        raise ParseError("a number must be finite", path=(*path, key))
                elif kind is str or kind is int:
                    _check_scalar(child, (*path, key))
        if left < 0:
            raise ParseError(f"a document has at most {limits.nodes} values")


def _check_scalar(value: Any, path: KeyPath) -> None:
    if isinstance(value, str):
        _check_text(value, path, "the text")
    elif isinstance(value, int) and value not in _INTEGERS:
        raise ParseError("an integer must be from -2^63 to 2^63 - 1", path=path)
    elif isinstance(value, float) and not math.isfinite(value):
        raise ParseError("a number must be finite", path=path)


def _check_text(text: str, path: KeyPath, what: str) -> None:
    if "\0" in text:
        raise ParseError(f"{what} holds a NUL character", path=path)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ParseError(f"{what} holds half of a surrogate pair, which is not a character", path=path)
