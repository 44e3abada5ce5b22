"""The files that a command line names as inputs."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ..errors import ConfigError, DatasetError, reason
from ..files.kind import INPUT_SUFFIXES, check_kind
from ..files.order import name_order

STANDARD_STREAM = "-"
_SHOWN_SKIPPED = 5


class Inputs(NamedTuple):
    """The files to be coded, in order, and the files that a folder or a pattern has besides."""

    paths: list[Path]
    skipped: list[Path]

    def skipped_line(self) -> str:
        """A sentence that counts and names the skipped files; empty where there are none."""
        if not self.skipped:
            return ""
        names = [str(path) for path in self.skipped[:_SHOWN_SKIPPED]]
        more = f" and {len(self.skipped) - len(names)} more" if len(self.skipped) > len(names) else ""
        plural = "s" if len(self.skipped) > 1 else ""
        return f"skipped {len(self.skipped)} file{plural} of other kinds: {', '.join(names)}{more}"


def find_inputs(texts: Iterable[str], also: Sequence[str] = ()) -> Inputs:
    """Find the files that paths, folders and patterns (globs) stand for; those of one folder are sorted by name.

    Files with a suffix of ``also`` are inputs as well where they are named outright. Raises :class:`DatasetError` where
    one finds nothing, for a file named outright that is not of a kind that is read, and for a file that is named twice.
    """
    paths: dict[str, Path] = {}
    skipped: list[Path] = []
    for text in texts:
        found, others = _found(text, (*INPUT_SUFFIXES, *also))
        skipped += others
        for path in found:
            if paths.setdefault(os.path.abspath(path), path) is not path:
                raise DatasetError(f"{path}: is named twice; name it once")
    return Inputs(list(paths.values()), skipped)


def _found(text: str, allowed: Sequence[str]) -> tuple[list[Path], list[Path]]:
    """The inputs, and the other files, that one argument stands for."""
    if text == STANDARD_STREAM:
        raise DatasetError("-: inputs are not read from standard input; name a file")
    path = Path(text)
    if not text or (path.exists() and not path.is_dir()):
        check_regular(path if text else Path("''"))
        if path.suffix.lower() not in allowed:
            raise DatasetError(f"{text}: unsupported kind of input; supported are {', '.join(allowed)}")
        return [path], []
    if path.is_dir():
        try:
            candidates, nothing = list(path.iterdir()), "holds no picture and no feature file"
        except OSError as error:
            raise DatasetError(f"{text}: cannot be read: {reason(error)}") from error
    else:  # glob, not Path.glob: the pattern may be absolute
        import glob

        candidates = [Path(found) for found in glob.glob(text, recursive=True)]
        nothing = "no such file, and no file matches it as a pattern"
    files = sorted((path for path in candidates if not path.is_dir()), key=name_order)
    found = [path for path in files if path.suffix.lower() in INPUT_SUFFIXES and path.is_file()]
    if not found:
        raise DatasetError(f"{text}: {nothing}")
    return found, [path for path in files if path not in set(found)]


def check_regular(path: Path) -> None:
    """Raise :class:`DatasetError` where ``path`` is missing, a folder, a pipe, a socket or a device."""
    try:
        path.stat()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {reason(error)}") from error
    check_kind(path)


def open_input(path: Path, may_be_stream: bool = False) -> BinaryIO:
    """Open a file for reading; with ``may_be_stream``, ``-`` is a copy of standard input in a nameless file.

    Raises :class:`ConfigError` where it cannot be read, is a folder, a pipe, a socket or a device.
    """
    if may_be_stream and str(path) == STANDARD_STREAM:
        return _standard_input()
    try:
        check_regular(path)
        return path.open("rb")
    except DatasetError as error:
        hint = f"; read it as standard input: - < {path}" if may_be_stream and "is a pipe" in str(error) else ""
        raise ConfigError(f"{error}{hint}") from error
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {reason(error)}") from error


def _standard_input() -> BinaryIO:
    if sys.stdin.isatty():
        raise ConfigError("-: standard input is a terminal; pipe a bitstream into it")
    import tempfile

    file: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
    try:
        shutil.copyfileobj(sys.stdin.buffer, file)
    except OSError as error:
        raise ConfigError(f"-: standard input cannot be read: {reason(error)}") from error
    file.seek(0)
    return file


def existing(paths: Sequence[Path | None]) -> list[Path]:
    """The paths that are given and exist."""
    return [path for path in paths if path is not None and path.exists()]
