"""The kind of a file: only regular files are read by name. A pipe would keep us waiting, a device has no end."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..errors import DatasetError, VcmError

_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


def check_kind(path: Path, error: type[VcmError] = DatasetError) -> None:
    """Raise ``error`` where ``path`` is a folder, a pipe, a socket or a device. A missing file passes."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(mode):
        kind = next((name for test, name in _KINDS if test(mode)), "of another kind")
        raise error(f"{path}: is {kind}, not a file")
