"""The faults of one file of a data set, told in one line."""

from __future__ import annotations

import json
from typing import Any

from vcm_ref.errors import DatasetError
from vcm_ref.reporting.printable import printable

_SHOWN = 3
_LETTERS = 60
_LONGEST_NAME, _LONGEST_PATH = 255, 2048  # bytes; Linux allows 4,095 for a path, and the folder is a part of it


class Faults:
    """Faults as they are found; :meth:`check` raises one error that tells the first few and how many there are."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: list[str] = []

    def add(self, where: str, fault: str) -> None:
        """Note ``fault``; ``where`` is a part of the file, such as ``annotation 5``, or empty for the whole file."""
        self._found.append(f"{where}: {fault}" if where else fault)

    def check(self) -> None:
        """Raise :class:`~vcm_ref.errors.DatasetError` for the faults found so far."""
        if self._found:
            told = "; ".join(self._found[:_SHOWN])
            more = f"; and {len(self._found) - _SHOWN} more faults" if len(self._found) > _SHOWN else ""
            raise DatasetError(f"{self._file}: {told}{more}")


def shown(value: Any) -> str:
    """Give ``value``, as JSON writes it, for a message: on one line and not too long."""
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        text = type(value).__name__
    return printable(text if len(text) <= _LETTERS else f"{text[:_LETTERS]}…")


def can_name_file(text: str) -> bool:
    """Say whether ``text`` can be the path of a file: Unicode, without NUL, and no longer than Linux allows."""
    try:
        parts = text.encode().split(b"/")
    except UnicodeEncodeError:
        return False
    short = max(map(len, parts)) <= _LONGEST_NAME and sum(map(len, parts)) < _LONGEST_PATH
    return short and "\0" not in text
