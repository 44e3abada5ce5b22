"""The tree that a document is: its limits, its key paths, and the check of its values."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
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
    """A text is not a document. ``line`` counts from 1; ``path`` leads to the value, if the problem is about one."""

    def __init__(self, problem: str, line: int | None = None, path: KeyPath = ()) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line
        self.path = path


def printed_key(path: Sequence[str | int]) -> str:
    """A key path as a user writes it: ``codec.qp``, and ``packing.grid."p2.0"`` where a key has a dot in it."""
    return ".".join(map(_printed, path))


def _printed(key: str | int) -> str:
    text = str(key)
    plain = text.isprintable() and text and not set(text) & _QUOTED
    text = text if plain else json.dumps(text)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def check_tree(value: Any, limits: Limits) -> None:
    """Raise :class:`ParseError` where a tree is too deep or too large, or a value in it cannot be used."""
    left = limits.nodes
    pending: list[tuple[Any, KeyPath]] = [([value], ())]  # in a list: the value may be a scalar
    while pending:
        node, path = pending.pop()
        left -= len(node)
        if left < 0:
            raise ParseError(f"a document has at most {limits.nodes} values")
        if len(path) > limits.depth:
            raise ParseError(f"mappings and lists may be nested {limits.depth} deep", path=path[1:4])
        if type(node) is list and _are_sound_numbers(node):
            continue
        for key, child in node.items() if type(node) is dict else enumerate(node):
            if type(key) is str:
                _check_text(key, path[1:], "the key")
            if type(child) is dict or type(child) is list:
                pending.append((child, (*path, key)))
            else:
                _check_scalar(child, path, key)


def _are_sound_numbers(values: list[Any]) -> bool:
    """True for a list that holds only floats or only integers that are in range: polygons and masks have millions."""
    kinds = set(map(type, values))
    if kinds == {float}:
        return all(map(math.isfinite, values))
    return kinds == {int} and min(values) in _INTEGERS and max(values) in _INTEGERS


def _check_scalar(value: Any, path: KeyPath, key: str | int) -> None:
    if type(value) is str:
        _check_text(value, (*path, key)[1:], "the text")
    elif type(value) is int and value not in _INTEGERS:
        raise ParseError("an integer must be from -2^63 to 2^63 - 1", path=(*path, key)[1:])
    elif type(value) is float and not math.isfinite(value):
        raise ParseError("a number must be finite", path=(*path, key)[1:])


def _check_text(text: str, path: KeyPath, what: str) -> None:
    if "\0" in text:
        raise ParseError(f"{what} holds a NUL character", path=path)
    if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
        raise ParseError(f"{what} holds half of a surrogate pair, which is not a character", path=path)
