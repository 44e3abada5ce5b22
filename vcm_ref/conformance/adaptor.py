"""Adaptors: how a decoder is run, what it claims, and how it refuses (docs/conformance.md, "Adaptors").

``adaptor.schema.json`` is their schema.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ..errors import BitstreamError, CodecError, ConfigError, LimitError, UnsupportedError
from ..files.document import parse, read_bytes
from ..files.schema import packaged

SCHEMA = "adaptor.schema.json"
#: The classes of error by which a decoder refuses, with the exit codes of vcm_ref's own.
REFUSALS: dict[str, int] = {
    error.__name__: error.exit_code for error in (BitstreamError, UnsupportedError, LimitError, CodecError)
}
#: In ``exit_codes``: one code for all refusals.
ANY = "any"

Mode = Literal["a", "b"]

_PYTHON = "{python}"
#: What each command shall contain, and may.
_GIVEN = {"command": ("{bitstream}", "{output}"), "planes": ("{planes}",), "version": (), "serve": ()}
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")


@dataclass(frozen=True)
class Adaptor:
    """One decoder under test.

    ``command`` has the program as an absolute path; ``planes`` is added in mode A (``None``: there is none);
    ``version`` prints the decoder's version. ``serve`` starts a decoder that decodes many vectors (``None``: there is
    none). ``refusals`` has, by exit code, the classes of error that it stands for. ``sha256`` is that of the file.
    """

    name: str
    command: tuple[str, ...]
    planes: tuple[str, ...] | None
    version: tuple[str, ...] | None
    serve: tuple[str, ...] | None
    profiles: frozenset[str]
    level: int
    refusals: Mapping[int, frozenset[str]]
    sha256: str

    def command_line(self, mode: Mode, bitstream: Path, output: Path, planes: Path | None = None) -> list[str]:
        """The command for one vector, in mode A with the file of its inner planes."""
        words = [*self.command, *(self.planes or ())] if mode == "a" else self.command
        paths = {"{bitstream}": bitstream, "{output}": output, "{planes}": planes}
        # all in one pass: a path may hold what looks like a placeholder
        return [_PLACEHOLDER.sub(lambda found: str(paths.get(found[0], found[0])), word) for word in words]


def load_adaptor(path: Path) -> Adaptor:
    """Read an adaptor.

    Raises :class:`ConfigError`, naming file, key, value and what is allowed, where it cannot be read, breaks its
    schema, lacks a placeholder or has an unknown one, or names a program that is not there.
    """
    content = read_bytes(path, "yaml")
    tree = parse(content, str(path), "yaml", packaged(__package__, SCHEMA)).value
    _check_placeholders(path, tree)
    return Adaptor(
        name=tree["name"],
        command=_resolved_command(path, "command", tree["command"]),
        planes=_resolved(path, "planes", tree["planes"]) if "planes" in tree else None,
        version=_resolved_command(path, "version", tree["version"]) if "version" in tree else None,
        serve=_resolved_command(path, "serve", tree["serve"]) if "serve" in tree else None,
        profiles=frozenset(tree["profiles"]),
        level=tree["level"],
        refusals=_refusals(tree.get("exit_codes", REFUSALS)),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _check_placeholders(path: Path, tree: Mapping[str, Any]) -> None:
    for key, needed in _GIVEN.items():
        if key not in tree:
            continue
        words: list[str] = tree[key]
        found = [name for word in words for name in _PLACEHOLDER.findall(word)]
        allowed = (*needed, _PYTHON)
        for name in needed:
            if name not in found:
                raise ConfigError(f"{path}: {key}: is {words}; it must contain {name}")
        for name in found:
            if name not in allowed:
                raise ConfigError(f"{path}: {key}: contains {name}; allowed here: {', '.join(allowed)}")


def _resolved_command(path: Path, key: str, words: Sequence[str]) -> tuple[str, ...]:
    """The words with paths resolved; the first is the program."""
    program, *rest = _resolved(path, key, words)
    # A program of the environment that we run in is meant, also where that is not activated.
    beside = str(Path(sys.executable).parent)
    if os.sep in program:
        found = shutil.which(program) if os.path.isabs(program) else None
        where = "its file must be there, and executable"
    else:
        found = shutil.which(program, path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))
        where = f"it was looked for in {beside} and in PATH"
    if found is None:
        raise ConfigError(f"{path}: {key}: there is no program {program} to run; {where}")
    return found, *rest


def _resolved(path: Path, key: str, words: Sequence[str]) -> tuple[str, ...]:
    """A word with a slash that is a file's path from the adaptor's folder, as an absolute path; ``{python}`` filled in.

    One that begins with ./ or ../ is such a path, and its file must be there.
    """
    folder = os.path.realpath(path.parent)  # what .. means is known where no link is on the way
    found = []
    for word in words:
        place = os.path.normpath(os.path.join(folder, word))
        if os.sep in word and os.path.isfile(place):
            found.append(place)
        elif word.startswith((f".{os.sep}", f"..{os.sep}")):
            raise ConfigError(f"{path}: {key}: there is no file {word}; a path is relative to the adaptor")
        else:
            found.append(word.replace(_PYTHON, sys.executable))
    return tuple(found)


def _refusals(codes: Mapping[str, int]) -> dict[int, frozenset[str]]:
    found: dict[int, frozenset[str]] = {}
    for name, code in codes.items():
        classes = frozenset(REFUSALS) if name == ANY else frozenset((name,))
        found[code] = found.get(code, frozenset()) | classes
    return found
