"""Methods that begin with given files: features, bitstreams of a picture each, one bitstream of several pictures."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ..decoder import Backend, Decoder
from ..errors import DatasetError, reason
from ..files.document import load
from ..files.feature_file import layer_name
from ..files.kind import FEATURE_SUFFIXES, READ_FEATURE_SUFFIXES, check_kind
from ..files.schema import packaged
from ..reporting.provenance import file_digest
from ..task.dataset import ImageId, Item
from .matching import Candidate, NamedFile, absent, check_distinct_files, files_in, match, name_of, without_place
from .method import Subject, WithoutCoding
from .naming import task_name
from .stages.analyse import analyse, analyse_feature_file, analyse_place, decode, decode_place
from .stages.values import Coded, NetworkSpec, Place
from .store import Store
from .tasks import Ref, Task, Value

RECORD_SCHEMA = "record.schema.json"
BITSTREAM_SUFFIXES = (".bin", ".vcm")
_NAME_A_LAYER = tuple(suffix for suffix in READ_FEATURE_SUFFIXES if suffix not in FEATURE_SUFFIXES)


@dataclass(frozen=True)
class GivenFeatures(WithoutCoding):
    """A folder of feature files, one for each of the ``items``.

    A file that does not say its picture's size, as ``.npy`` cannot, has the size that the data set says.
    """

    folder: Path = Path()
    items: Sequence[Item] = ()

    def missing(self, items: Iterable[Item]) -> dict[ImageId, str]:
        return absent(items, self._files, lambda names: f"{self.folder}: has no features named {names}")

    def point(self, subject: Subject, qp: int) -> str:
        path = self._files[subject.id]
        return task_name(
            "analyse",
            feature_file=self._digests[subject.id],
            network=subject.network.digest,
            layer=layer_name(path) if path.suffix.lower() in _NAME_A_LAYER else None,
            size=subject.item.size,
        )

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        arguments = (subject.network, self._files[subject.id].absolute(), subject.item.size)
        return [Task(self.point(subject, qp), analyse_feature_file, arguments, "point")]

    @cached_property
    def _files(self) -> dict[ImageId, Path]:
        return _matched(self.folder, READ_FEATURE_SUFFIXES, self.items)

    @cached_property
    def _digests(self) -> dict[ImageId, str]:
        return {image_id: _digest(path) for image_id, path in self._files.items()}


@dataclass(frozen=True)
class GivenBitstreams(WithoutCoding):
    """A folder of bitstreams of one picture each, one for each of the ``items``."""

    folder: Path = Path()
    items: Sequence[Item] = ()
    backend: Backend = "auto"

    def missing(self, items: Iterable[Item]) -> dict[ImageId, str]:
        return absent(items, self._files, lambda names: f"{self.folder}: has no bitstream named {names}")

    def point(self, subject: Subject, qp: int) -> str:
        given = self._digests[subject.id]
        return task_name("analyse", given=given, network=subject.network.digest, backend=self.backend)

    def bitstream(self, subject: Subject, qp: int, store: Store) -> bytes:
        return _content(self._files[subject.id])

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        content = self.bitstream(subject, qp, store)
        return given_tasks(self.point(subject, qp), subject.network, content, self.backend)

    @cached_property
    def _files(self) -> dict[ImageId, Path]:
        return _matched(self.folder, BITSTREAM_SUFFIXES, self.items)

    @cached_property
    def _digests(self) -> dict[ImageId, str]:
        return {image_id: _digest(path) for image_id, path in self._files.items()}


@dataclass(frozen=True)
class GivenBitstream(WithoutCoding):
    """One bitstream of all ``items``, as ``vcm_enc`` makes it; the record beside it says which picture is which."""

    path: Path = Path()
    items: Sequence[Item] = ()
    backend: Backend = "auto"

    def missing(self, items: Iterable[Item]) -> dict[ImageId, str]:
        return absent(items, self._numbers, lambda names: f"{self.path}: has no picture named {names}")

    def point(self, subject: Subject, qp: int) -> str:
        place = [self._sha256, self._numbers[subject.id]]
        return task_name("analyse", place=place, network=subject.network.digest, backend=self.backend)

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        name = self.point(subject, qp)
        place = Place(self.path.absolute(), self._sha256, self._numbers[subject.id])
        decoded = Task(f"{name}-decoded", decode_place, (place, self.backend))
        return [decoded, Task(name, analyse_place, (subject.network, place, Ref(decoded.name)), "point")]

    @property
    def shared_bytes(self) -> int:
        """The bytes of the bitstream, which are those of all its pictures together."""
        return self.path.stat().st_size

    @cached_property
    def _sha256(self) -> str:
        return _digest(self.path)

    @cached_property
    def _numbers(self) -> dict[ImageId, int]:
        """The number of each picture in the bitstream, from 0.

        Raises :class:`DatasetError` where the record is not one of this bitstream, or names a picture that is not in
        the data set.
        """
        pictures = _pictures(self.path, self._sha256)
        with self.path.open("rb") as file:
            count = Decoder(file, backend=self.backend).reader.picture_count
        if count != len(pictures):
            raise DatasetError(f"{self.path}: has {count} pictures, its record {len(pictures)}")
        found = match(without_place(pictures, self.items), self.items)
        for picture in pictures:
            if picture.number not in found.values():
                raise DatasetError(f"{picture.told}: is not in the data set, so the bitstream's rate cannot be counted")
        return found


def given_tasks(name: str, network: NetworkSpec, content: bytes, backend: Backend) -> list[Task | Value]:
    """The tasks that decode a bitstream of features of one picture, and run part 2 of the network on it."""
    coded = Coded(content, 8 * len(content), 0.0)
    decoded = Task(f"{name}-decoded", decode, (coded, backend))
    return [decoded, Task(name, analyse, (network, [coded], [Ref(decoded.name)]), "point")]


def _matched(folder: Path, suffixes: Sequence[str], items: Sequence[Item]) -> dict[ImageId, Path]:
    known = {name for item in items for name in (item.path.stem, str(item.id))}
    files = [_without_layer(file, known) for file in files_in(folder, suffixes)]
    candidates = [Candidate(number, name, str(path), _recorded(path)) for number, (name, path) in enumerate(files)]
    found = {image_id: files[number].path for image_id, number in match(candidates, items).items()}
    check_distinct_files(found.items())
    return found


def _without_layer(file: NamedFile, pictures: Collection[str]) -> NamedFile:
    """The file under its picture's name, where its own name ends in a layer's: ``0001.p2.npy`` is of ``0001``."""
    *folders, stem = file.name
    picture, dot, _ = stem.rpartition(".")
    may_name_layer = file.path.suffix.lower() in _NAME_A_LAYER and dot and stem not in pictures
    return file._replace(name=(*folders, picture)) if may_name_layer else file


def _recorded(path: Path) -> str | None:
    """The digest of the one picture that a file was made from, where a record beside it says so."""
    record = path.with_name(path.name + ".json")
    if not record.is_file():
        return None
    try:
        pictures = _pictures(path, None)
    except DatasetError:
        return None
    return pictures[0].sha256 if len(pictures) == 1 else None


def _pictures(path: Path, sha256: str | None) -> list[Candidate]:
    """The pictures of a bitstream, in order, as the record beside it names them.

    ``sha256`` is the bitstream's digest, which the record's must be. Raises :class:`DatasetError`.
    """
    record = path.with_name(path.name + ".json")
    tree = load(record, "json", packaged(__package__, RECORD_SCHEMA), DatasetError).value
    found = [_recorded_picture(path, number, picture) for number, picture in enumerate(tree["pictures"])]
    made_for = tree.get("bitstream", {}).get("sha256", sha256)
    if sha256 is not None and made_for != sha256:
        raise DatasetError(f"{record}: belongs to another bitstream than {path}: their SHA-256 differ")
    return found


def _recorded_picture(path: Path, number: int, picture: Mapping[str, Any]) -> Candidate:
    """A picture by its file; one of a video by the file's name and its number there."""
    file, sha256, frame = Path(picture["input"]), picture.get("sha256"), picture.get("frame")
    if frame is not None:
        file, sha256 = file.with_name(f"{file.stem}_{frame:06d}{file.suffix}"), None
    return Candidate(number, name_of(file), f"{path}: its picture {file}", sha256)


def _digest(path: Path) -> str:
    check_kind(path)
    try:
        return file_digest(path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {reason(error)}") from error


def _content(path: Path) -> bytes:
    check_kind(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read: {reason(error)}") from error
