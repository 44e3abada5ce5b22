"""Output files that appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import VcmError


class OutputError(VcmError):
    """An output cannot be written: a missing folder, a full disk, no permission."""

    exit_code = 2


def _explained(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {error.strerror or error}")


def check_output(path: Path) -> None:
    """:class:`OutputError` where ``path`` can be seen, before any work, to be no place for a file."""
    if not path.name:
        raise OutputError(f"{path}: is no file name; name another output")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: there is no folder {path.parent}")


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the name ``path`` when the block ends, and vanishes when it raises.

    Raises :class:`OutputError` where ``path`` is a folder or a device, or the file system refuses.
    """
    if path.exists() and not path.is_file():
        raise OutputError(f"{path}: is no regular file, and would be replaced; name another output")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _explained(path, error) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except BrokenPipeError:  # whoever read what the block prints has gone: nothing is wrong with the file
        raise
    except OSError as error:
        raise _explained(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder that takes the name ``path`` when the block ends, and vanishes with its files when it raises.

    Raises :class:`OutputError` where ``path`` exists already, unless as an empty folder, or the file system refuses.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise OutputError(f"{path}: exists already; name a new folder with -o, or remove it")
    try:
        folder = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise _explained(path, error) from error
    try:
        folder.chmod(0o777 & ~_umask())
        yield folder
        folder.replace(path)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _explained(path, error) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
