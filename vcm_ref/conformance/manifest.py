"""The manifest: what each vector is, and what a decoder makes of it (docs/conformance.md, "The suite").

``manifest.schema.json`` is its schema. The classes here are the same in memory, field by field.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from ..errors import ConfigError
from ..files.atomic import atomic_file
from ..files.document import load
from ..files.schema import first_problem, packaged
from ..files.tree import printed_key
from .errors import SuiteError
from .stored_file import StoredFile

MANIFEST = "manifest.json"
SCHEMA = "manifest.schema.json"

Kind = Literal["positive", "negative", "limit"]
KINDS: tuple[Kind, ...] = ("positive", "negative", "limit")
Shape = tuple[int, int, int]


@dataclass(frozen=True)
class SubstreamDigest:
    """The inner planes of one substream: ``shape`` is ``(F, H, W)`` at the coded size; ``t0`` the digest (8.7)."""

    shape: Shape
    t0: str


@dataclass(frozen=True)
class TensorDigest:
    """One coded tensor: ``shape`` is ``(C, H, W)``; ``t1`` is the digest (8.7) of its samples, of ``type``."""

    name: str
    shape: Shape
    t1: str
    type: str = "uint16"


@dataclass(frozen=True)
class LayerDigest:
    """One restored layer: ``shape`` is ``(C, H, W)``; ``t2`` is the digest (8.7) of its float32 values."""

    name: str
    shape: Shape
    t2: str


@dataclass(frozen=True)
class PictureDigests:
    """What one picture decodes to. ``height`` and ``width`` are the original picture's, in pixels."""

    height: int
    width: int
    substreams: tuple[SubstreamDigest, ...]
    tensors: tuple[TensorDigest, ...]
    layers: tuple[LayerDigest, ...]


@dataclass(frozen=True)
class VectorLimits:
    """What a decoder may take: wall-clock ``seconds``, and ``memory`` in bytes, resident, of all its processes."""

    seconds: float
    memory: int


@dataclass(frozen=True)
class Vector:
    """One vector. ``profile``, ``level`` and ``inner_codec`` are ``None`` where they cannot be read."""

    id: str
    revision: int
    kind: Kind
    profile: str | None
    level: int | None
    inner_codec: str | None
    features: tuple[str, ...]
    clauses: tuple[str, ...]
    purpose: str
    failure_suggests: str
    bitstream: StoredFile
    pictures: tuple[PictureDigests, ...]
    planes: StoredFile | None
    errors: tuple[str, ...]
    limits: VectorLimits

    def record(self) -> dict[str, Any]:
        """The vector as the manifest has it."""
        found: dict[str, Any] = {}
        for key, value in asdict(self).items():
            found.update(
                value if key == "bitstream" else {key: value}
            )  # its file, size and sha256 stand among the rest
        for picture in found["pictures"]:
            for tensor in picture["tensors"]:
                if tensor["type"] == "uint16":  # as most are
                    del tensor["type"]
        return found


@dataclass(frozen=True)
class Specification:
    """What the vectors are vectors of: the document, and the version of the bitstream that it describes."""

    document: str
    version: int


@dataclass(frozen=True)
class Generator:
    """How the suite was made: the command, its arguments, and the versions of everything involved."""

    command: str
    arguments: tuple[str, ...]
    versions: Mapping[str, str]


@dataclass(frozen=True)
class Suite:
    """A whole suite, its vectors in the order of their ids."""

    suite: str
    version: str
    specification: Specification
    generator: Generator
    vectors: tuple[Vector, ...]


def load_suite(folder: Path) -> Suite:
    """The suite in ``folder``.

    Raises :class:`ConfigError` where there is no manifest, :class:`SuiteError` where it is no JSON, breaks its schema,
    or contradicts itself.
    """
    path = folder / MANIFEST
    if not path.exists():
        raise ConfigError(f"{path}: there is no such file; name the suite's folder with --suite")
    document = load(path, "json", error=SuiteError).value
    if wrong := _wrong(document):
        raise SuiteError(f"{path}: {wrong}")
    suite = _suite(document)
    if contradiction := _contradiction(suite):
        raise SuiteError(f"{path}: {contradiction}")
    return suite


def save_suite(folder: Path, suite: Suite) -> None:
    """Write the manifest: sorted by id, a line for each value, so that a change of the suite is a small difference.

    Raises :class:`SuiteError` for what :func:`load_suite` would refuse, and :class:`OutputError`.
    """
    suite = replace(suite, vectors=tuple(sorted(suite.vectors, key=lambda vector: vector.id)))
    document = {**asdict(replace(suite, vectors=())), "vectors": [vector.record() for vector in suite.vectors]}
    text = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    if wrong := _wrong(json.loads(text)):
        raise SuiteError(f"{MANIFEST}: {wrong}")
    if contradiction := _contradiction(suite):
        raise SuiteError(f"{MANIFEST}: {contradiction}")
    with atomic_file(folder / MANIFEST) as file:
        file.write(text.encode())


def _wrong(document: Any) -> str | None:
    """The first problem with the schema; the key names a vector by its id in place of its number."""
    problem = first_problem(document, packaged(__package__, SCHEMA))
    if problem is None:
        return None
    path = problem.path
    if len(path) > 1 and path[0] == "vectors":
        vector = document["vectors"][path[1]]
        if isinstance(vector, dict) and isinstance(vector.get("id"), str):
            path = (vector["id"], *path[2:])
    return f"{printed_key(path) or 'the document'}: {problem.text}"


def _contradiction(suite: Suite) -> str | None:
    """What a schema cannot say."""
    seen: set[str] = set()
    for vector in suite.vectors:
        if vector.id in seen:
            return f"{vector.id}: is the id of two vectors"
        seen.add(vector.id)
        if not vector.id.endswith(f"_{vector.revision}"):
            return f"{vector.id}: its revision is {vector.revision}, but the id does not end with it"
    return None


def _suite(document: Mapping[str, Any]) -> Suite:
    generator = document["generator"]
    return Suite(
        suite=document["suite"],
        version=document["version"],
        specification=Specification(**document["specification"]),
        generator=Generator(generator["command"], tuple(generator["arguments"]), dict(generator["versions"])),
        vectors=tuple(sorted(map(_vector, document["vectors"]), key=lambda vector: vector.id)),
    )


def _vector(entry: Mapping[str, Any]) -> Vector:
    planes = entry["planes"]
    return Vector(
        id=entry["id"],
        revision=entry["revision"],
        kind=entry["kind"],
        profile=entry["profile"],
        level=entry["level"],
        inner_codec=entry["inner_codec"],
        features=tuple(entry["features"]),
        clauses=tuple(entry["clauses"]),
        purpose=entry["purpose"],
        failure_suggests=entry["failure_suggests"],
        bitstream=StoredFile(entry["file"], entry["size"], entry["sha256"]),
        pictures=tuple(map(_picture, entry["pictures"])),
        planes=None if planes is None else StoredFile(**planes),
        errors=tuple(entry["errors"]),
        limits=VectorLimits(**entry["limits"]),
    )


def _picture(entry: Mapping[str, Any]) -> PictureDigests:
    return PictureDigests(
        height=entry["height"],
        width=entry["width"],
        substreams=tuple(SubstreamDigest(_shape(item), item["t0"]) for item in entry["substreams"]),
        tensors=tuple(_tensor(item) for item in entry["tensors"]),
        layers=tuple(LayerDigest(item["name"], _shape(item), item["t2"]) for item in entry["layers"]),
    )


def _tensor(entry: Mapping[str, Any]) -> TensorDigest:
    return TensorDigest(entry["name"], _shape(entry), entry["t1"], entry.get("type", "uint16"))


def _shape(entry: Mapping[str, Any]) -> Shape:
    first, height, width = entry["shape"]
    return first, height, width
