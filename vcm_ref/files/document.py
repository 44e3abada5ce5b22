"""Documents from outside: JSON and YAML files and texts, loaded and checked in one place.

A value that comes out of :func:`load` or :func:`parse` is a tree of ``dict`` (keys are ``str``), ``list``, ``str``,
``int``, ``float``, ``bool`` and ``None`` that shares no part with itself. It is not deeper or larger than its limits,
its numbers are finite, its integers fit into 64 bits, its texts hold neither NUL nor a lone surrogate, and no mapping
had a key twice. Where a schema is given, the tree fits it.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal

from ..errors import ConfigError, VcmError, reason
from .schema import Rules, first_problem
from .tree import KeyPath, Limits, ParseError, check_tree, printed_key

Format = Literal["json", "yaml"]

#: YAML is written by hand, and its parser takes seconds for a megabyte. Annotations in JSON have half a gigabyte.
LIMITS: Mapping[Format, Limits] = {"yaml": Limits(size=2**20, nodes=100_000), "json": Limits(size=2**30)}
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Document:
    """A document that was loaded: its name in messages, its value, and the line of each key of a YAML text."""

    name: str
    value: Any
    lines: Mapping[KeyPath, int] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """The document's name and, where it is known, the line of the value at ``path`` or of the next outer one."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.lines:
                return f"{self.name}, line {self.lines[path[:length]]}"
        return self.name


def load(path: Path, form: Format, rules: Rules | None = None, error: type[VcmError] = ConfigError) -> Document:
    """Load the document in the file ``path``, written in UTF-8, and check it against the schema ``rules``.

    Raises ``error``, one line that names file, line or key, value, and what is allowed, for a file that cannot be read
    and for a document that is not as the module promises.
    """
    return parse(read_bytes(path, form, error), str(path), form, rules, error)


def parse(
    content: bytes | str, name: str, form: Format, rules: Rules | None = None, error: type[VcmError] = ConfigError
) -> Document:
    """Parse and check a document as :func:`load` does; ``name`` says in messages where it is from."""
    document = Document(name, None)
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
        document = Document(name, _json_tree(text)) if form == "json" else _yaml_document(name, text)
        check_tree(document.value, LIMITS[form])
    except UnicodeDecodeError as problem:
        raise error(f"{name}: is not a text in UTF-8: the byte at {problem.start} cannot be read") from problem
    except RecursionError as problem:
        raise error(f"{name}: mappings and lists may be nested {LIMITS[form].depth} deep") from problem
    except ParseError as problem:
        place = document.place(problem.path) if problem.line is None else f"{name}, line {problem.line}"
        key = f"{printed_key(problem.path)}: " if problem.path else ""
        raise error(f"{place}: {key}{problem.problem}") from problem
    if rules is not None:
        check(document, rules, error)
    return document


def check(document: Document, rules: Rules, error: type[VcmError] = ConfigError) -> None:
    """Raise ``error`` where a document does not fit a schema: file, line, key, value, and what is allowed."""
    problem = first_problem(document.value, rules)
    if problem is not None:
        key = f"{problem.key}: " if problem.path else ""
        raise error(f"{document.place(problem.path)}: {key}{problem.text}")


def read_bytes(path: Path, form: Format, error: type[VcmError] = ConfigError) -> bytes:
    """The bytes of a regular file or of an unnamed pipe (a shell's ``<(…)``).

    Raises ``error`` for another kind of file, one that cannot be read, and one that is larger than its format may be.
    """
    largest = LIMITS[form].size
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not _can_be_read(path, os.fstat(file.fileno()).st_mode):
                raise error(f"{path}: cannot be read: it is not a regular file")
            os.set_blocking(file.fileno(), True)
            data = _read(file, largest + 1)
    except (OSError, ValueError) as problem:  # ValueError: a path that no file can have
        raise error(f"{path}: cannot be read: {reason(problem)}") from problem
    if len(data) > largest:
        raise error(f"{path}: cannot be read: it has more than {largest} bytes")
    return data


def _read(file: BinaryIO, most: int) -> bytes:
    """At most so many bytes, read in blocks: memory is that of what is there, not of what may be."""
    blocks: list[bytes] = []
    while most and (block := file.read(min(most, _BLOCK))):
        blocks.append(block)
        most -= len(block)
    return b"".join(blocks)


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # opening a named pipe would wait for a writer


def _can_be_read(path: Path, mode: int) -> bool:
    unnamed_pipe = stat.S_ISFIFO(mode) and not os.path.lexists(os.path.realpath(path))
    return stat.S_ISREG(mode) or unnamed_pipe


def _yaml_document(name: str, text: str) -> Document:
    from .yaml_tree import yaml_tree

    value, lines = yaml_tree(text, LIMITS["yaml"])
    return Document(name, value, lines)


def _json_tree(text: str) -> Any:
    if not text.strip():
        raise ParseError("is empty; it must be JSON")
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=float)
    except json.JSONDecodeError as problem:
        raise ParseError(f"is not JSON: {problem.msg}", line=problem.lineno) from problem
    except ValueError as problem:  # Python does not read thousands of digits
        raise ParseError("is not JSON that can be used: a number has too many digits") from problem


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in made if keys.count(key) > 1)
        raise ParseError(f"an object has the key {printed_key((twice,))} twice")
    return made
