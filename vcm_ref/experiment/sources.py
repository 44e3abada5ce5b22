"""Where an evaluation gets its results from: pictures, features, bitstreams, or pictures coded on the way.

A source goes to worker processes before it is used, so it holds plain values until then.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ..bitstream.elements import Part
from ..configuration import Configuration
from ..decoder import Backend, Decoder
from ..encoder import Encoder
from ..errors import DatasetError
from ..feature_file import SUFFIXES, load_feature_file
from ..files.document import load
from ..files.schema import packaged
from ..network import Network
from ..provenance import file_digest
from ..source import read_picture
from ..task.dataset import ImageId, Item, Result

RECORD_SCHEMA = "record.schema.json"
BITSTREAM_SUFFIXES = (".bin", ".vcm")
_MACHINE = ("threads", "time_limit")


class Analysed(NamedTuple):
    """One picture: its size in pixels, the result, the digest of what it came from, and what it cost.

    ``bits`` counts by part of the rate; bits that several pictures of a bitstream share are not in it. ``extra`` holds
    what else is known, as JSON.
    """

    height: int
    width: int
    result: Result
    sha256: str
    bits: dict[str, int] | None = None
    extra: dict[str, Any] | None = None


class Source(Protocol):
    """What every source offers."""

    @property
    def kind(self) -> str:
        """A name for where the results come from."""

    def missing(self, items: Iterable[Item]) -> dict[ImageId, str]:
        """The pictures that there is nothing for, and for each what is missing."""

    def describe(self, items: Iterable[Item]) -> dict[str, Any]:
        """The source's part of the key that tells one run from another."""

    def file_bytes(self, items: Iterable[Item]) -> int | None:
        """Bytes of the bitstreams that ``items`` are in; ``None`` where there are none, or they are in no files."""

    def analyse(self, network: Network, item: Item) -> Analysed:
        """The result for one picture. Raises :class:`DatasetError` where that which it comes from cannot be read."""


@dataclass
class Pictures:
    """The pictures themselves, through the network's two parts; or with ``whole`` through the unsplit network."""

    whole: bool = False

    @property
    def kind(self) -> str:
        return "pictures, unsplit network" if self.whole else "pictures"

    def missing(self, items: Iterable[Item]) -> dict[ImageId, str]:
        return _missing_files({item.id: item.path for item in items})

    def describe(self, items: Iterable[Item]) -> dict[str, Any]:
        return {}

    def file_bytes(self, items: Iterable[Item]) -> int | None:
        return None

    def analyse(self, network: Network, item: Item) -> Analysed:
        image = read_picture(item.path)
        height, width = image.shape[:2]
        result = network(image) if self.whole else network.analyse(network.extract(image))
        return Analysed(height, width, result, file_digest(item.path))


@dataclass
class Coded:
    """Pictures whose features are coded and decoded in memory, each a bitstream of its own.

    ``configuration`` is the effective one; ``threads`` of the inner codec do not change what it writes.
    """

    configuration: dict[str, Any]
    backend: Backend = "auto"
    threads: int | None = None
    kind = "pictures, coded"

    def missing(self, items: Iterable[Item]) -> dict[ImageId, str]:
        return _missing_files({item.id: item.path for item in items})

    def describe(self, items: Iterable[Item]) -> dict[str, Any]:
        # The rest of the configuration makes no difference, or is in the network's description.
        shaping = {key: self.configuration[key] for key in ("quantisation", "order", "arrangement", "digest_length")}
        codec = {key: value for key, value in self.configuration["codec"].items() if key not in _MACHINE}
        return {"configuration": {**shaping, "codec": codec}, "backend": self.backend}

    def file_bytes(self, items: Iterable[Item]) -> int | None:
        return None

    def analyse(self, network: Network, item: Item) -> Analysed:
        image = read_picture(item.path)
        tree = self.configuration
        if self.threads is not None:
            tree = {**tree, "codec": {"threads": self.threads, **tree["codec"]}}
        bitstream = io.BytesIO()
        encoder = Encoder(Configuration(tree), bitstream)
        report = encoder.encode(network.extract(image))
        encoder.close()
        decoded = next(Decoder(bitstream, backend=self.backend).pictures()).features
        data = bitstream.getvalue()
        bits = _by_name(encoder.writer.part_bits)
        extra = {
            "bytes": len(data),
            "seed_bits": report.seed_bits,
            "picture_sha256": file_digest(item.path),
            "inner_codec": encoder.settings.inner_encoder.describe(),
        }
        digest = hashlib.sha256(data).hexdigest()
        return Analysed(decoded.height, decoded.width, network.analyse(decoded), digest, bits, extra)


@dataclass
class Features:
    """A folder of feature files, each named by its picture's file or id."""

    folder: Path
    kind = "features"

    def missing(self, items: Iterable[Item]) -> dict[ImageId, str]:
        return _absent(items, self._path, self._nothing)

    def describe(self, items: Iterable[Item]) -> dict[str, Any]:
        paths = [path for path in map(self._path, items) if path]
        return {"files": [[path.name, path.stat().st_size] for path in paths]}

    def file_bytes(self, items: Iterable[Item]) -> int | None:
        return None

    def analyse(self, network: Network, item: Item) -> Analysed:
        path = self._path(item)
        if path is None:
            raise DatasetError(f"picture {item.id}: {self._nothing(item)}")
        features = load_feature_file(path)
        return Analysed(features.height, features.width, network.analyse(features), file_digest(path))

    def _path(self, item: Item) -> Path | None:
        return _named(self.folder, item, SUFFIXES)

    def _nothing(self, item: Item) -> str:
        return f"{self.folder}: has no features named {_either(item)}"


@dataclass
class Bitstreams:
    """A folder of bitstreams of one picture each, named by their picture's file or id."""

    folder: Path
    backend: Backend = "auto"
    kind = "bitstreams"

    def missing(self, items: Iterable[Item]) -> dict[ImageId, str]:
        return _absent(items, self._path, self._nothing)

    def describe(self, items: Iterable[Item]) -> dict[str, Any]:
        paths = [path for path in map(self._path, items) if path]
        return {"files": [[path.name, file_digest(path)] for path in paths], "backend": self.backend}

    def file_bytes(self, items: Iterable[Item]) -> int | None:
        return sum(path.stat().st_size for path in map(self._path, items) if path)

    def analyse(self, network: Network, item: Item) -> Analysed:
        path = self._path(item)
        if path is None:
            raise DatasetError(f"picture {item.id}: {self._nothing(item)}")
        with path.open("rb") as file:
            decoder = Decoder(file, backend=self.backend)
            if decoder.reader.picture_count != 1:
                raise DatasetError(f"{path}: has {decoder.reader.picture_count} pictures; in a folder each has one")
            decoded = next(decoder.pictures())
        bits = _by_name(decoded.report.part_bits)
        features = decoded.features
        return Analysed(features.height, features.width, network.analyse(features), file_digest(path), bits)

    def _path(self, item: Item) -> Path | None:
        return _named(self.folder, item, BITSTREAM_SUFFIXES)

    def _nothing(self, item: Item) -> str:
        return f"{self.folder}: has no bitstream named {_either(item)}"


class OneBitstream:
    """One bitstream of all pictures, as ``vcm_enc`` makes it of a folder; its record says which picture is which."""

    kind = "bitstream"

    def __init__(self, path: Path, backend: Backend = "auto") -> None:
        """Read the record beside ``path``. Raises :class:`DatasetError` where there is none."""
        self.path = path
        self.backend: Backend = backend
        record = path.with_name(path.name + ".json")
        description = load(record, "json", packaged(__package__, RECORD_SCHEMA), DatasetError)
        stems = [Path(picture["input"]).stem for picture in description.value["pictures"]]
        self._places: Mapping[str, int] = {stem: place for place, stem in enumerate(stems)}
        if len(self._places) != len(stems):
            raise DatasetError(f"{record}: two of the pictures have the same name")
        self._decoder: Decoder | None = None
        self._next = 0
        self._digest = ""

    def missing(self, items: Iterable[Item]) -> dict[ImageId, str]:
        known = list(items)
        unknown = set(self._places) - {name for item in known for name in _names(item)}
        if unknown:
            raise DatasetError(f"{self.path}: its picture {min(unknown)} is not in the data set, so it has no rate")
        return _absent(known, self._name, lambda item: f"{self.path}: does not have it")

    def describe(self, items: Iterable[Item]) -> dict[str, Any]:
        return {"files": [[self.path.name, file_digest(self.path)]], "backend": self.backend}

    def file_bytes(self, items: Iterable[Item]) -> int | None:
        return self.path.stat().st_size

    def analyse(self, network: Network, item: Item) -> Analysed:
        name = self._name(item)
        if name is None:
            raise DatasetError(f"{self.path}: does not have picture {item.id}")
        place = self._places[name]
        if self._decoder is None or place < self._next:
            self._digest = self._digest or file_digest(self.path)
            self._decoder, self._next = Decoder(self.path.open("rb"), backend=self.backend), 0
        for _ in islice(self._decoder.reader.pictures(), place - self._next):
            pass  # parsed, not decoded
        decoded = next(self._decoder.pictures(), None)
        if decoded is None:
            raise DatasetError(f"{self.path}: has fewer pictures than its record says")
        self._next = place + 1
        bits = _by_name(decoded.report.part_bits)
        features = decoded.features
        return Analysed(features.height, features.width, network.analyse(features), self._digest, bits)

    def _name(self, item: Item) -> str | None:
        return next((name for name in _names(item) if name in self._places), None)


def bitstreams(path: Path, backend: Backend = "auto") -> Source:
    """The source that ``path`` is: a folder of bitstreams, or one of all pictures."""
    return Bitstreams(path, backend) if path.is_dir() else OneBitstream(path, backend)


def _by_name(bits: Counter[Part]) -> dict[str, int]:
    return {part.value: count for part, count in bits.items()}


def _names(item: Item) -> tuple[str, str]:
    return item.path.stem, str(item.id)


def _absent(
    items: Iterable[Item], found: Callable[[Item], Path | str | None], nothing: Callable[[Item], str]
) -> dict[ImageId, str]:
    """The pictures that nothing is found for, and what is to be said of each.

    What is found by a picture's id is not its own where another picture's file has that name.
    """
    known = list(items)
    stems = {item.path.stem for item in known}
    absent = {}
    for item in known:
        place = found(item)
        name = place.stem if isinstance(place, Path) else place
        if name is None or (name != item.path.stem and name in stems):
            absent[item.id] = nothing(item)
    return absent


def _either(item: Item) -> str:
    return " or ".join(dict.fromkeys(_names(item)))


def _named(folder: Path, item: Item, suffixes: Iterable[str]) -> Path | None:
    candidates = (folder / f"{name}{suffix}" for name in _names(item) for suffix in suffixes)
    return next((path for path in candidates if path.is_file()), None)


def _missing_files(paths: Mapping[ImageId, Path]) -> dict[ImageId, str]:
    return {image_id: f"{path}: is missing" for image_id, path in paths.items() if not path.is_file()}
