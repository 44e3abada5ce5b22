"""A report's files into its folder."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from ...files.atomic import OutputError, atomic_file, atomic_folder

Files = Mapping[str, bytes | Iterable[bytes]]


def write_files(folder: Path, files: Files, possible: Collection[str]) -> None:
    """Write ``files`` by name: a new folder appears whole; in one that is there they replace others one by one.

    ``possible`` are the names of all files that such a report can have: those of an earlier report that this one has
    not are removed, and nothing else is. Raises :class:`OutputError` where ``folder`` is a file, or the file system
    refuses.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder}: is not a folder; name another with -o")
    if not folder.exists() or not any(folder.iterdir()):
        if not folder.absolute().parent.is_dir():
            raise OutputError(f"{folder}: there is no folder {folder.parent}")
        with atomic_folder(folder) as new:
            _write(new, files)
        return
    _write(folder, files)
    for name in sorted(set(possible) - set(files)):
        try:
            (folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{folder / name}: is of an earlier report and cannot be removed: {error}") from error


def _write(folder: Path, files: Files) -> None:
    for name, content in files.items():
        with atomic_file(folder / name) as file:
            file.writelines([content] if isinstance(content, bytes) else content)
