"""Temporary folders for child processes, which do not stay, however this process or its children end.

A folder is locked as long as its process lives. One that is ours, has our prefix, and is not locked was left by a
process that was killed; it is removed when the next one is made.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import signal
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_PREFIX = "vcm_ref_"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_made: dict[Path, int] = {}  # by which process


@contextmanager
def scratch_folder(purpose: str) -> Iterator[Path]:
    """A new folder, removed at the end of the block with all that is in it. ``purpose`` is a part of its name.

    Raises OSError where none can be made.
    """
    _remove_abandoned(Path(tempfile.gettempdir()))
    folder, lock = _locked_folder(purpose)
    try:
        yield folder
    finally:
        with _uninterrupted():
            remove_tree(folder)
            _made.pop(folder, None)
            os.close(lock)


def remove_tree(folder: Path) -> None:
    """Remove ``folder`` as far as it can be removed, while no process changes it. A link is removed as a link.

    It may be nested more deeply than a path can be long, have no permissions, and hold anything.
    """
    with suppress(OSError):
        if not stat.S_ISDIR(os.lstat(folder).st_mode):
            os.unlink(folder)
            return
        os.chmod(folder, stat.S_IRWXU)
        _empty(os.open(folder, _FOLDER))
        os.rmdir(folder)


def _empty(here: int) -> None:
    """Remove what is in the folder ``here``, a descriptor that is closed: neither recursion nor long paths."""
    names: list[bytes] = []  # of the folders between the first one and the one that we are in
    waiting = [_remove_plain(here)]
    try:
        while waiting:
            if not waiting[-1]:
                waiting.pop()
                if names:
                    here = _gone_to(b"..", here)
                    with suppress(OSError):
                        os.rmdir(names.pop(), dir_fd=here)
                continue
            name = waiting[-1].pop()
            with suppress(OSError):
                os.chmod(name, stat.S_IRWXU, dir_fd=here)
                here = _gone_to(name, here)
                names.append(name)
                waiting.append(_remove_plain(here))
    finally:
        os.close(here)


def _gone_to(name: bytes, here: int) -> int:
    there = os.open(name, _FOLDER, dir_fd=here)
    os.close(here)
    return there


def _remove_plain(folder: int) -> list[bytes]:
    """Remove all but folders; returns the names of those."""
    folders = []
    for name in os.listdir(folder):
        encoded = os.fsencode(name)
        with suppress(OSError):
            if stat.S_ISDIR(os.stat(encoded, dir_fd=folder, follow_symlinks=False).st_mode):
                folders.append(encoded)
            else:
                os.unlink(encoded, dir_fd=folder)
    return folders


def _locked_folder(purpose: str) -> tuple[Path, int]:
    while True:
        with _uninterrupted():
            folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{purpose}_"))
            _made[folder] = os.getpid()
            lock = os.open(folder, _FOLDER)
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)  # another process took it for abandoned before it was locked
            _made.pop(folder, None)


def _remove_abandoned(parent: Path) -> None:
    with suppress(OSError):
        for name in os.listdir(parent):
            if name.startswith(_PREFIX) and parent / name not in _made:
                _remove_if_abandoned(parent / name)


def _remove_if_abandoned(folder: Path) -> None:
    with suppress(OSError):
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return
        lock = os.open(folder, _FOLDER)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its process lives
            remove_tree(folder)
        finally:
            os.close(lock)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Signals that arrive in the block are delivered after it."""
    if threading.current_thread() is not threading.main_thread():  # they go to the main thread
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@atexit.register
def _remove_left() -> None:
    """Those whose removal a second signal prevented."""
    with _uninterrupted():
        for folder, pid in _made.items():
            if pid == os.getpid():  # and not a fork of it
                remove_tree(folder)
