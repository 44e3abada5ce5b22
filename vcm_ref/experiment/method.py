"""Methods under comparison: what is coded of each picture, and how; and the tasks that this takes.

Features are coded as a configuration says, layer by layer where the layers do not depend on each other, so that what
two methods have in common is coded once. A picture can also be coded itself, as MPEG's image anchor is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from ..bitstream.join import can_join
from ..bitstream.values import Mode
from ..codec.picture import PictureCoder
from ..configuration import Configuration
from ..decoder import Backend
from ..encoding.inner_encoders import describe_codec
from ..encoding.settings import PACKINGS, RANGE_SCOPES
from ..errors import DatasetError, reason
from ..reporting.provenance import file_digest
from ..task.dataset import ImageId, Item
from .naming import json_digest, shaping, task_name
from .records import Record
from .stages.analyse import (
    analyse,
    analyse_picture,
    analyse_uncompressed,
    analyse_whole,
    decode,
    join,
)
from .stages.code import code, code_picture
from .stages.extract import extract
from .stages.values import Coded, Extracted, NetworkSpec, Picture
from .store import Store
from .tasks import Ref, Task, Value
from .usable import missing_pictures

#: The parts of a configuration with which layers are coded independently of each other (:func:`parts_of`).
_BY_LAYER = {"level", "reduction", "quantisation", "order", "packing", "codec", "digest_length"}


@dataclass(frozen=True)
class Subject:
    """A picture that methods are tried on, and the network.

    ``sha256`` is the digest of the file's content, ``features`` the name of the task that extracts its features; both
    raise :class:`DatasetError` where the file cannot be read. Methods that need no picture do not ask for them.
    ``place`` counts it among all subjects, which are in ``sequence``.
    """

    item: Item
    network: NetworkSpec
    layers: tuple[str, ...]
    place: int = field(default=0, compare=False)
    sequence: Sequence[Subject] = field(default=(), compare=False, repr=False)

    @property
    def id(self) -> ImageId:
        return self.item.id

    @property
    def file(self) -> Path:
        return self.item.path

    @cached_property
    def sha256(self) -> str:
        try:
            return file_digest(self.file)
        except OSError as error:
            raise self._unreadable(error) from error

    @cached_property
    def features(self) -> str:
        return task_name("extract", picture=self.sha256, task="features", network=self.network.digest)

    def group(self, size: int) -> Sequence[Subject]:
        """The subjects of its group, where each group has ``size``, but the last one."""
        start = self.place - self.place % size
        return self.sequence[start : start + size]

    def picture(self) -> Picture:
        """The file with its content. :class:`DatasetError` where it cannot be read."""
        try:
            return Picture(self.file.name, self.file.read_bytes(), self.network.upright)
        except OSError as error:
            raise self._unreadable(error) from error

    def _unreadable(self, error: OSError) -> DatasetError:
        return DatasetError(f"picture {self.id}: {self.file}: cannot be read: {reason(error)}")


class Method(Protocol):
    """One way of coding, at several QPs."""

    @property
    def name(self) -> str: ...

    @property
    def qps(self) -> tuple[int, ...]: ...

    @property
    def kind(self) -> str:
        """``features`` or ``pictures``: what is coded."""

    @property
    def group(self) -> int:
        """How many pictures of a sequence are coded together."""

    def missing(self, items: Iterable[Item]) -> dict[ImageId, str]:
        """The pictures that there is nothing to begin with for, and for each of them what is missing."""

    def describe(self) -> Record:
        """The configuration that shapes the bitstreams, but the QP; as JSON."""

    def inner_codec(self) -> Record:
        """The inner codec's version and options."""

    def point(self, subject: Subject, qp: int) -> str:
        """The name of the task that gives the result at ``qp``."""

    def bitstream(self, subject: Subject, qp: int, store: Store) -> bytes:
        """The bitstream, from what is in the store. Raises KeyError where it is not there."""

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        """The tasks that give the result, from what is in the store; each after those that it depends on."""


class FromPictures:
    """The part of a method that begins with the pictures."""

    @property
    def group(self) -> int:
        return 1

    def missing(self, items: Iterable[Item]) -> dict[ImageId, str]:
        """The pictures whose file is missing."""
        return missing_pictures(items)


@dataclass(frozen=True)
class FeatureMethod(FromPictures):
    """Features coded as ``tree`` says, an effective configuration of ``vcm_enc``.

    ``threads`` are the inner codec's, unless the configuration names a number.
    """

    name: str
    tree: Record
    qps: tuple[int, ...]
    backend: Backend = "auto"
    threads: int = 1

    @property
    def kind(self) -> str:
        return "features"

    def describe(self) -> Record:
        shaped = shaping(self.tree)
        return {**shaped, "codec": {key: value for key, value in shaped["codec"].items() if key != "qp"}}

    def inner_codec(self) -> Record:
        return _codec_description(json.dumps(shaping(self.tree), sort_keys=True))

    def point(self, subject: Subject, qp: int) -> str:
        parts = [name for name, _, _ in self._parts(subject, qp)]
        return task_name("analyse", parts=parts, network=subject.network.digest, backend=self.backend)

    def bitstream(self, subject: Subject, qp: int, store: Store) -> bytes:
        return join([stored(name, store) for name, _, _ in self._parts(subject, qp)])[0]

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        parts = self._parts(subject, qp)
        known = store.known(name for name, _, _ in parts)
        tasks: list[Task | Value] = [] if len(known) == len(parts) else feature_tasks(subject, store)
        coded: list[Any] = []
        for name, layers, tree in parts:
            if name in known:
                coded.append(stored(name, store))
            else:
                tasks.append(Task(name, code, (Ref(subject.features), layers, tree), "code"))
                coded.append(Ref(name))
            tasks.append(Task(f"{name}-{self.backend}", decode, (coded[-1], self.backend)))
        decoded = [Ref(f"{name}-{self.backend}") for name, _, _ in parts]
        tasks.append(Task(self.point(subject, qp), analyse, (subject.network, coded, decoded), "point"))
        return tasks

    def _parts(self, subject: Subject, qp: int) -> list[tuple[str, tuple[str, ...], Record]]:
        """The parts that are coded on their own: name of the task, layers, and the configuration for them."""
        return [
            (code_name(subject.features, part.digest), part.layers, part.tree)
            for part in parts_of(self._text, subject.layers, qp, self.threads)
        ]

    @cached_property
    def _text(self) -> str:
        return json.dumps(self.tree)


@dataclass(frozen=True)
class PictureMethod(FromPictures):
    """The picture itself coded, and the whole network on what is decoded: MPEG's image anchor (m57343)."""

    name: str
    coder: PictureCoder
    qps: tuple[int, ...]

    @property
    def kind(self) -> str:
        return "pictures"

    def describe(self) -> Record:
        coder = asdict(self.coder)
        codec = {"name": coder.pop("encoder"), "preset": coder.pop("preset")}
        machine = ("threads", "time_limit_s")
        return {"picture": {key: value for key, value in coder.items() if key not in machine}, "codec": codec}

    def inner_codec(self) -> Record:
        return picture_coder_description(self.coder, Mode.AI)

    def point(self, subject: Subject, qp: int) -> str:
        network = subject.network.digest
        return task_name("analyse", parts=[self._code_name(subject, qp)], network=network, whole=True)

    def bitstream(self, subject: Subject, qp: int, store: Store) -> bytes:
        return stored(self._code_name(subject, qp), store).bitstream

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        name, picture = self._code_name(subject, qp), subject.picture()
        tasks: list[Task | Value] = []
        given: Any = Ref(name)
        if store.known([name]):
            given = stored(name, store)
        else:
            tasks.append(Task(name, code_picture, (self.coder, qp, picture), "code"))
        arguments = (subject.network, self.coder, given, picture)
        tasks.append(Task(self.point(subject, qp), analyse_picture, arguments, "point"))
        return tasks

    def _code_name(self, subject: Subject, qp: int) -> str:
        picture = [subject.sha256, subject.network.upright]
        return task_name("code", picture=picture, qp=qp, codec=self.inner_codec(), coding=self.describe())


@dataclass(frozen=True)
class WithoutCoding(FromPictures):
    """The part of methods that code nothing. Their one point has the QP 0, which means nothing."""

    name: str = "uncompressed"
    qps: tuple[int, ...] = (0,)

    @property
    def kind(self) -> str:
        return "features"

    def describe(self) -> Record:
        return {}

    def inner_codec(self) -> Record:
        return {}

    def bitstream(self, subject: Subject, qp: int, store: Store) -> bytes:
        raise KeyError(self.name)


class Uncompressed(WithoutCoding):
    """The two parts of the network, one after the other."""

    def point(self, subject: Subject, qp: int) -> str:
        return task_name("analyse", features=subject.features, network=subject.network.digest)

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        arguments = (subject.network, Ref(subject.features))
        return [*feature_tasks(subject, store), Task(self.point(subject, qp), analyse_uncompressed, arguments, "point")]


class Whole(WithoutCoding):
    """The network unsplit."""

    def point(self, subject: Subject, qp: int) -> str:
        return task_name("analyse", picture=subject.sha256, network=subject.network.digest)

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        return [Task(self.point(subject, qp), analyse_whole, (subject.network, subject.picture()), "point")]


def feature_tasks(subject: Subject, store: Store) -> list[Task | Value]:
    """The task that gives a picture's features: from the store, or by the network."""
    name = subject.features
    if store.has_features(name):
        seconds = store.records([name])[name]["seconds"]
        with suppress(DatasetError):  # a damaged file is made again
            return [Value(name, Extracted(store.features(name), seconds))]
    kept_as = "features" if store.keeps_features else None
    return [Task(name, extract, (subject.network, subject.picture()), kept_as)]


def stored(name: str, store: Store) -> Coded:
    """A bitstream in the store. Raises KeyError where it is not there."""
    records = store.records([name])
    if name not in records:
        raise KeyError(name)
    return Coded.from_store(records[name], store.data(name))


class _Part(NamedTuple):
    """A part that can be coded on its own: layers, configuration, and the digest of all that shapes the bitstream."""

    layers: tuple[str, ...]
    tree: Record
    digest: str

    @classmethod
    def of(cls, layers: tuple[str, ...], tree: Record) -> _Part:
        shaped = shaping(tree)
        codec = _codec_description(json.dumps(shaped, sort_keys=True))
        return cls(layers, tree, json_digest({"layers": layers, "configuration": shaped, "codec": codec}))


@cache
def code_name(features: str, part: str) -> str:
    """The name of the task that codes a part; each is in many of a sweep's combinations."""
    return task_name("code", features=features, part=part)


@cache
def parts_of(text: str, layers: tuple[str, ...], qp: int, threads: int) -> list[_Part]:
    """The parts of a configuration, as JSON, at a QP: one for each layer, or one for all.

    A configuration that has more than the parts that are known to go by layer is of all layers together.
    """
    tree = json.loads(text)
    tree["codec"] = {"threads": threads, **tree["codec"], "qp": qp}
    packing = PACKINGS[tree["packing"]["method"]]
    scope = RANGE_SCOPES[tree["quantisation"]["range"]]
    reduced = tree.get("reduction", {}).get("method", "none") != "none"
    if reduced or not can_join(packing, scope) or shaping(tree).keys() - _BY_LAYER:
        return [_Part.of(layers, tree)]
    configuration = Configuration(tree)
    grids = configuration.per_layer("packing.grid", layers, None)
    modes = configuration.per_layer("codec.mode", layers, "AI")
    offsets = configuration.per_layer("codec.qp_offset", layers, 0)
    names = configuration.per_layer("codec.name", layers, None)
    depths = configuration.per_layer("quantisation.bit_depth", layers, None)
    parts = []
    for layer, grid, mode, offset, name, depth in zip(layers, grids, modes, offsets, names, depths, strict=True):
        own_grid = {} if grid is None else {"grid": grid}
        packing_tree = {key: value for key, value in tree["packing"].items() if key != "grid"}
        codec = {key: value for key, value in tree["codec"].items() if key != "qp_offset"}
        own = {**tree, "packing": {**packing_tree, **own_grid}}
        own["codec"] = {**codec, "name": name, "mode": mode, "qp": qp + offset}
        own["quantisation"] = {**tree["quantisation"], "bit_depth": depth}
        parts.append(_Part.of((layer,), own))
    return parts


@cache
def _codec_description(text: str) -> Record:
    tree = json.loads(text)
    return describe_codec(tree["codec"], tree["quantisation"]["bit_depth"])


@cache
def picture_coder_description(coder: PictureCoder, mode: Mode) -> Record:
    """What the coder says of itself, once."""
    return coder.describe(mode)
