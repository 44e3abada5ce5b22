"""The kind of a file: by its suffix a picture or features; and whether it is a regular one.

Only regular files are read by name. A pipe would keep us waiting, a device has no end.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from ..errors import DatasetError, VcmError

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
#: The formats of features that are read and written, and all that are read.
FEATURE_SUFFIXES = (".safetensors", ".npz")
READ_FEATURE_SUFFIXES = (*FEATURE_SUFFIXES, ".npy", ".pt")
INPUT_SUFFIXES = (*PICTURE_SUFFIXES, *READ_FEATURE_SUFFIXES)
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
