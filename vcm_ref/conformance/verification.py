"""Whether a suite is whole: every file what the manifest says, and no file beside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .errors import SuiteError
from .manifest import Suite
from .stored_file import StoredFile, check_stored


def described_files(suite: Suite) -> list[StoredFile]:
    """All files that the manifest describes, each once."""
    files = [file for vector in suite.vectors for file in (vector.bitstream, vector.planes) if file is not None]
    return list(dict.fromkeys(files))


def suite_differences(folder: Path, suite: Suite, progress: Callable[[float], None]) -> list[str]:
    """A line for each file that differs from the manifest, is missing, or stands among the others without being in it.

    ``progress`` is told 1 for each file of :func:`described_files`.
    """
    found = []
    files = described_files(suite)
    for stored in files:
        try:
            check_stored(folder, stored)
        except SuiteError as error:
            found.append(str(error))
        progress(1)
    known = {folder / stored.file for stored in files}
    for place in sorted({path.parent for path in known} - {folder}):
        if place.is_dir():
            unknown = sorted(path for path in place.iterdir() if path.is_file() and path not in known)
            found += [f"{path}: is not in the manifest" for path in unknown]
    return found
