"""The record that ``vcm_enc`` writes beside a bitstream, as ``vcm_dec`` reads it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import ConfigError
from ..files.atomic import companion

_MAX_NAME_BYTES = 200  # leaves room for a suffix in the 255 bytes that file systems have


class RecordError(ConfigError):
    """There is no usable record."""


class Record:
    """What the record beside a bitstream says: the names of the pictures, and the network."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.path = path
        self._document = document

    def picture_names(self, count: int) -> list[str]:
        """The name of each of ``count`` pictures, without suffix: usable as file names, and unique.

        Raises :class:`RecordError` where the record has no such names.
        """
        pictures = self._document.get("pictures")
        if not isinstance(pictures, list) or len(pictures) != count:
            raise RecordError(f"{self.path} does not name {count} pictures")
        inputs = [picture.get("input") if isinstance(picture, dict) else None for picture in pictures]
        frames = [picture.get("frame") if isinstance(picture, dict) else None for picture in pictures]
        names = [
            _numbered(Path(name).stem, frame) if isinstance(name, str) and _is_file_name(name) else ""
            for name, frame in zip(inputs, frames, strict=True)
        ]
        if not all(names):
            raise RecordError(f"{self.path} names a picture {inputs[names.index('')]!r}, which cannot name a file")
        twice = repeated(names)
        if twice is not None:
            raise RecordError(f"{self.path} names two pictures {twice}")
        return names

    @property
    def network(self) -> dict[str, Any]:
        """The network's options, ``name`` among them. Raises :class:`RecordError` where the record has none."""
        configuration = self._document.get("configuration")
        network = configuration.get("network") if isinstance(configuration, dict) else None
        if not isinstance(network, dict) or not isinstance(network.get("name"), str):
            raise RecordError(f"{self.path}: does not name a network; name it with -c")
        return network

    @property
    def network_digests(self) -> dict[str, str]:
        """The digests of the network's files, by their keys in its description, where a network made the features."""
        network = self._document.get("network")
        items = network.items() if isinstance(network, dict) else ()
        return {key: value for key, value in items if key.endswith("sha256") and isinstance(value, str)}


def read_record(bitstream: Path, file: BinaryIO) -> Record | None:
    """The record beside ``bitstream``, whose content is ``file``; ``None`` where there is none.

    Raises :class:`RecordError` for a record that cannot be read, or that is about another bitstream.
    """
    path = companion(bitstream)
    if not path.is_file():
        return None
    from ..files.document import load
    from ..reporting.provenance import content_digest

    document = load(path, "json", error=RecordError).value
    noted = document.get("bitstream") if isinstance(document, dict) else None
    if not isinstance(noted, dict) or "sha256" not in noted:
        raise RecordError(f"{path}: is not a record of a bitstream")
    place = file.tell()
    digest = content_digest(file)
    file.seek(place)
    if noted["sha256"] != digest:
        raise RecordError(f"{path}: belongs to another bitstream than {bitstream}")
    return Record(path, document)


def _numbered(name: str, frame: object) -> str:
    """The name of a picture of a video: the file's, and the picture's number in it."""
    return f"{name}_{frame:06d}" if isinstance(frame, int) else name


def _is_file_name(name: str) -> bool:
    if any(character in name for character in "/\\:\0"):
        return False
    return name not in ("", ".", "..") and len(name.encode("utf-8", "surrogateescape")) <= _MAX_NAME_BYTES


def repeated(names: Sequence[str]) -> str | None:
    """The first name that comes twice, also in other cases of letters: some file systems do not tell them apart."""
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            return name
        seen.add(name.casefold())
    return None
