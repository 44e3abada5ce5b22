"""The files that a manifest describes: read, decompressed where they end in ``.xz``, and checked, in bounded memory."""

from __future__ import annotations

import hashlib
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..files.kind import check_kind
from .errors import HarnessError, SuiteError

_CHUNK = 1 << 20
#: The largest dictionary of an xz file that is read: that of ``xz -9``, with what the decoder needs beside it.
_XZ_MEMORY = 1 << 27


@dataclass(frozen=True)
class StoredFile:
    """One file of the suite. ``file`` is relative to the manifest; ``size`` (bytes) and ``sha256`` are uncompressed."""

    file: str
    size: int
    sha256: str

    @property
    def is_compressed(self) -> bool:
        """Whether the file on disk is xz."""
        return self.file.endswith(".xz")


def read_stored(folder: Path, stored: StoredFile) -> bytes:
    """The content, checked. ``folder`` is the manifest's. Raises :class:`SuiteError` as :func:`copy_stored` does."""
    return b"".join(_checked(folder, stored))


def copy_stored(folder: Path, stored: StoredFile, target: Path) -> None:
    """Write the content to ``target``, uncompressed, checking it on the way.

    Raises :class:`SuiteError` where the file is missing, is no xz file though it is called so, or has not the size or
    the SHA-256 of the manifest, :class:`HarnessError` where ``target`` cannot be written. No more than
    ``stored.size`` bytes are written, whatever a damaged file expands to.
    """
    try:
        with target.open("wb") as file:
            for chunk in _checked(folder, stored):
                file.write(chunk)
    except OSError as error:
        raise HarnessError(f"{target}: cannot be written: {error.strerror or error}") from error


def check_stored(folder: Path, stored: StoredFile) -> None:
    """Only check: raises :class:`SuiteError` as :func:`copy_stored` does."""
    for _ in _checked(folder, stored):
        pass


def _checked(folder: Path, stored: StoredFile) -> Iterator[bytes]:
    """The content piece by piece; that it is right is known only when the last has been taken."""
    path = folder / stored.file
    digest, size = hashlib.sha256(), 0
    for chunk in _content(path, stored.is_compressed):
        size += len(chunk)
        if size > stored.size:
            raise SuiteError(f"{path}: has more than the {stored.size} bytes that the manifest says")
        digest.update(chunk)
        yield chunk
    if size != stored.size:
        raise SuiteError(f"{path}: has {size} bytes; the manifest says {stored.size}")
    if digest.hexdigest() != stored.sha256:
        raise SuiteError(f"{path}: its SHA-256 is {digest.hexdigest()}; the manifest says {stored.sha256}")


def _content(path: Path, is_compressed: bool) -> Iterator[bytes]:
    check_kind(path, SuiteError)
    try:
        with path.open("rb") as source:
            if is_compressed:
                yield from _uncompressed(source)
            else:
                while chunk := source.read(_CHUNK):
                    yield chunk
    except (lzma.LZMAError, EOFError) as error:
        raise SuiteError(f"{path}: is not a whole xz file: {error}") from error
    except OSError as error:
        raise SuiteError(f"{path}: cannot be read: {error.strerror or error}") from error


def _uncompressed(source: BinaryIO) -> Iterator[bytes]:
    """The content of one xz stream, a bounded piece at a time."""
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
    while not decoder.eof:
        compressed = source.read(_CHUNK) if decoder.needs_input else b""
        if decoder.needs_input and not compressed:
            raise EOFError("it ends too early")
        if piece := decoder.decompress(compressed, _CHUNK):
            yield piece
    if decoder.unused_data or source.read(1):
        raise EOFError("something follows its end")
