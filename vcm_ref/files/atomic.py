"""Output files that appear whole or not at all, and never in the place of an input."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from ..errors import VcmError


class OutputError(VcmError):
    """An output cannot be written: a missing folder, a full disk, no permission."""

    exit_code = 2


def _explained(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path}: cannot be written: {error.strerror or error}")


def companion(path: Path) -> Path:
    """The JSON file that stands beside ``path`` and describes it."""
    return path.with_name(path.name + ".json")


def check_output(path: Path) -> None:
    """:class:`OutputError` where ``path`` can be seen, before any work, to be no place for a file or a folder."""
    if path.name in ("", ".."):
        raise OutputError(f"{path}: is not a file name; name another output")
    if path.name == "-" or "\0" in str(path):
        raise OutputError(f"{path}: cannot be the name of an output; name another")
    parent = _target(path).parent
    if not parent.is_dir():
        raise OutputError(f"{path}: there is no folder {parent if path.is_symlink() else path.parent}")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path}: cannot be written: no permission to write into the folder {path.parent}")


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Check all outputs of a command, before any work, against each other and against all its inputs.

    ``outputs`` has the companions too. Raises :class:`OutputError` where one cannot be written, or is an input or
    another output under whatever name: another spelling, a symbolic link, a hard link.
    """
    read = {_identity(path): path for path in inputs}
    written: dict[object, Path] = {}
    for path in outputs:
        check_output(path)
        identity = _identity(path)
        if identity in read:
            raise OutputError(f"{path}: is an input, and would be overwritten; name another output")
        if identity in written:
            raise OutputError(f"{path}: would be written twice, as {written[identity]} too; name another output")
        written[identity] = path


def _identity(path: Path) -> object:
    """An equal value for the same file under another name."""
    try:
        found = path.stat()
    except OSError:
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


def _target(path: Path) -> Path:
    """``path``, or the file that it links to: a link stays a link."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the name ``path`` when the block ends, and vanishes when it raises.

    A file that is replaced leaves its mode, owner and group to the new one. Raises :class:`OutputError` where ``path``
    is a folder or a device, or the file system refuses.
    """
    target = _target(path)
    temporary = _temporary_name(target)
    try:
        mode = _mode(path, target, 0o666)
        descriptor = os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _give(temporary, target, mode)
        temporary.replace(target)
    except BrokenPipeError:  # the reader of the text that the block prints has gone: nothing is wrong with the file
        raise
    except OSError as error:
        raise _explained(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A new folder that takes the name ``path`` when the block ends, and vanishes with its files when it raises.

    An empty folder that is replaced leaves its mode, owner and group to the new one. Raises :class:`OutputError` where
    ``path`` exists already, unless as an empty folder, or the file system refuses.
    """
    target = _target(path)
    temporary = _temporary_name(target)
    try:
        check_new_folder(path)
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else 0o777 & ~_umask()
        temporary.mkdir(0o700)
        yield temporary
        _give(temporary, target, mode)
        temporary.replace(target)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise _explained(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def check_new_folder(path: Path) -> None:
    """Raise :class:`OutputError` where ``path`` exists already, unless as an empty folder."""
    target = _target(path)
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise OutputError(f"{path}: exists already; name a new folder, or remove it")
    except OSError as error:
        raise _explained(path, error) from error


def _temporary_name(target: Path) -> Path:
    """A hidden name beside ``target``. It is known before the file is made, so that it can be removed at any moment."""
    return target.with_name(f".{target.name[:40]}.{os.urandom(4).hex()}")


def _mode(path: Path, target: Path, new: int) -> int:
    """The mode for the file at ``target``: that of the file there, which must be writable, or of any new file."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return new & ~_umask()
    if not stat.S_ISREG(found.st_mode):
        raise OutputError(f"{path}: not a regular file; refusing to overwrite it; name another output")
    if not os.access(target, os.W_OK):
        raise OutputError(f"{path}: cannot be written: it is read-only")
    return stat.S_IMODE(found.st_mode) & 0o777


def _give(temporary: Path, target: Path, mode: int) -> None:
    """Give ``temporary`` the mode, and the owner and group of ``target``; if not the group, its rights are taken."""
    try:
        found = target.stat()
    except FileNotFoundError:
        temporary.chmod(mode)
        return
    own = temporary.stat()
    if (own.st_uid, own.st_gid) != (found.st_uid, found.st_gid):
        try:
            os.chown(temporary, found.st_uid, found.st_gid)
        except OSError:
            try:
                os.chown(temporary, -1, found.st_gid)
            except OSError:
                mode &= 0o707
    temporary.chmod(mode)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
