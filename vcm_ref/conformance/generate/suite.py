"""Writing the suite: each vector's bytes, its inner planes, and what the manifest says of it."""

from __future__ import annotations

import hashlib
import io
import lzma
import platform
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ... import __version__
from ...bitstream.coder import ALIGNMENT_CLAUSE
from ...bitstream.digest import tensor_digest
from ...bitstream.elements import VERSION
from ...bitstream.headers import StreamHeader
from ...bitstream.levels import profiles
from ...bitstream.stream import BitstreamReader
from ...bitstream.units import locate_units
from ...bitstream.values import FIRST_ANCILLARY, InnerCodecId, ReorderCoding
from ...codec import make_encoder
from ...decoder import DecodedPicture, Decoder
from ...errors import BitstreamError, ConfigError, VcmError
from ...files.atomic import atomic_file
from ..errors import SuiteError
from ..manifest import (
    MANIFEST,
    Generator,
    LayerDigest,
    PictureDigests,
    Specification,
    SubstreamDigest,
    Suite,
    TensorDigest,
    Vector,
    VectorLimits,
    load_suite,
    save_suite,
)
from ..stored_file import StoredFile
from .case import Case, UnavailableError, all_cases
from .edit import elements

NAME = "vcm_ref conformance suite"
VERSION_OF_SUITE = "2.0"
#: The clause of each inner codec of our own.
_CLAUSES = {InnerCodecId.LOSSLESS: "8.8", InnerCodecId.COEFFICIENTS: "8.10"}
#: Larger files are stored compressed.
_PLAIN_BYTES = 1 << 17
_XZ_PRESET = 6
_SECONDS, _SECONDS_OF_LARGE = 20.0, 60.0
_MEMORY, _MEMORY_OF_LARGE = 1 << 30, 3 << 30
_LARGE_SAMPLES = 2**22


def make_suite(
    folder: Path, *, only: Sequence[str] = (), progress: Callable[[float], None] = lambda share: None
) -> list[str]:
    """Make the vectors whose ids match one of ``only`` (all, where it is empty), and the manifest, in ``folder``.

    A vector that is there with other bytes is an error unless its revision is new; one that cannot be made on this
    machine stays as it is. Returns lines that say what was done. Raises :class:`SuiteError`, and
    :class:`~vcm_ref.errors.VcmError` for a vector that our own decoder does not take as it is declared.
    """
    folder.mkdir(parents=True, exist_ok=True)
    there = {vector.id: vector for vector in load_suite(folder).vectors} if (folder / MANIFEST).exists() else {}
    cases = all_cases()
    _check_names(cases)
    wanted = [case for case in cases if not only or any(fnmatchcase(case.id, pattern) for pattern in only)]
    if not wanted:
        raise ConfigError(f"no vector is called {', '.join(only)}; see vcm_conformance list")
    vectors = {case.id: there[case.id] for case in cases if case.id in there}
    lines, made = [], 0
    for case in wanted:
        try:
            data = case.make()
        except UnavailableError as error:
            lines.append(f"{case.id}: left as it is: {error}")
            continue
        old = there.get(case.id)
        if old is not None and hashlib.sha256(data).hexdigest() != old.bitstream.sha256:
            raise SuiteError(f"{case.id}: its bytes have changed; give it a new revision")
        vectors[case.id] = _vector(folder, case, data, vectors)
        made += 1
        progress(1 / len(wanted))
    suite = Suite(
        NAME, VERSION_OF_SUITE, Specification("docs/bitstream.md", VERSION), _generator(), tuple(vectors.values())
    )
    save_suite(folder, suite)
    _remove_others(folder, suite)
    return [*lines, f"{made} vectors made, {len(suite.vectors)} in {folder / MANIFEST}"]


def _check_names(cases: Iterable[Case]) -> None:
    seen = set()
    for case in cases:
        if case.name in seen:
            raise SuiteError(f"two vectors are called {case.name}")
        seen.add(case.name)


def _generator() -> Generator:
    versions = {"vcm_ref": __version__, "numpy": np.__version__, "python": platform.python_version()}
    for name in ("vvenc", "hevc"):
        description = make_encoder(name).describe()
        versions[name] = description.get("version", description["encoder"])
    return Generator("vcm_conformance generate", (), versions)


def _vector(folder: Path, case: Case, data: bytes, others: dict[str, Vector]) -> Vector:
    large = False
    pictures: list[PictureDigests] = []
    planes: StoredFile | None = None
    clauses = set(case.clauses)
    if case.kind == "positive":
        decoded, t0 = _decode(case, data)
        pictures = decoded
        large = sum(prod(layer.shape) for picture in pictures for layer in picture.layers) > _LARGE_SAMPLES
        planes = _store(folder, f"planes/{case.id}.raw.xz", t0) if t0 else None
        clauses |= _clauses(data)
    else:
        clauses |= _refused(case, data)
        if case.base is not None:
            planes = next(vector.planes for vector in others.values() if vector.id.rpartition("_")[0] == case.base)
    header = _header(data)
    suffix = ".bin.xz" if len(data) > _PLAIN_BYTES else ".bin"
    return Vector(
        case.id,
        case.revision,
        case.kind,
        profiles()[header.profile][0] if header else None,
        header.level if header else None,
        _codecs(header) if header else None,
        tuple(sorted(set(case.features))),
        tuple(sorted(clauses, key=_number)),
        case.purpose,
        case.failure_suggests,
        _store(folder, f"vectors/{case.id}{suffix}", data),
        tuple(pictures),
        planes,
        case.errors,
        VectorLimits(_SECONDS_OF_LARGE, _MEMORY_OF_LARGE) if large else VectorLimits(_SECONDS, _MEMORY),
    )


def _codecs(header: StreamHeader) -> str:
    """The names of the inner codecs, as the manifest has them: the video codec, where there is one."""
    return max(tensor.format.inner_codec for tensor in header.tensors).name


def _number(clause: str) -> list[int]:
    return [int(part) for part in clause.split(".")]


def _decode(case: Case, data: bytes) -> tuple[list[PictureDigests], bytes]:
    """What a positive vector decodes to, and its inner planes."""
    found, planes = [], []
    try:
        for picture in Decoder(io.BytesIO(data)).pictures():
            found.append(_digests(picture))
            planes += [np.ascontiguousarray(plane, "<u2").tobytes() for plane in picture.planes.values()]
    except VcmError as error:
        raise SuiteError(f"{case.id}: our decoder does not take it: {error}") from error
    return found, b"".join(planes)


def _digests(picture: DecodedPicture) -> PictureDigests:
    features = picture.features
    planes = {f"substream{number}": plane for number, plane in enumerate(picture.planes.values())}
    return PictureDigests(
        features.height,
        features.width,
        tuple(SubstreamDigest(_shape(t0), tensor_digest(name, t0).hex()) for name, t0 in planes.items()),
        tuple(
            TensorDigest(name, _shape(q), tensor_digest(name, q).hex(), q.dtype.name)
            for name, q in picture.quantised.items()
        ),
        tuple(LayerDigest(name, _shape(t2), tensor_digest(name, t2).hex()) for name, t2 in features.layers.items()),
    )


def _shape(tensor: NDArray[Any]) -> tuple[int, int, int]:
    first, second, third = tensor.shape
    return first, second, third


def _clauses(data: bytes) -> set[str]:
    """The clauses that a conformant bitstream exercises."""
    header = BitstreamReader(io.BytesIO(data)).header
    tables = {element.clause for element in elements(data)}
    found = {"4.1", "5", "8.1", "8.3", "8.5", "8.6", "9", *tables}
    found |= {f"7.{clause.partition('.')[2]}" for clause in tables if clause != ALIGNMENT_CLAUSE}
    for form in (tensor.format for tensor in header.tensors):
        found |= {"8.2"} if form.reorder_coding != ReorderCoding.NONE else set()
        found.add(_CLAUSES.get(form.inner_codec, "8.4"))
    if header.digest_length:
        found.add("8.7")
    if header.stages:
        found.add("8.9")
    if header.extension or any(unit.unit_type >= FIRST_ANCILLARY for unit in locate_units(io.BytesIO(data))):
        found.add("4.2")
    return found


def _refused(case: Case, data: bytes) -> set[str]:
    """Clause of the rule that a negative vector breaks: as our decoder says, which must refuse it as declared."""
    try:
        for _ in Decoder(io.BytesIO(data)).pictures():
            pass
    except VcmError as error:
        if type(error).__name__ not in case.errors:
            raise SuiteError(f"{case.id}: our decoder says {type(error).__name__}: {error}") from error
        clause = error.clause if isinstance(error, BitstreamError) else None
        table = clause if clause and clause.startswith("6.") and clause != ALIGNMENT_CLAUSE else None
        return {one for one in (clause, f"7.{table.partition('.')[2]}" if table else None) if one}
    raise SuiteError(f"{case.id}: our decoder takes it")


def _header(data: bytes) -> StreamHeader | None:
    try:
        return BitstreamReader(io.BytesIO(data)).header
    except VcmError:
        return None


def _store(folder: Path, name: str, data: bytes) -> StoredFile:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = StoredFile(name, len(data), hashlib.sha256(data).hexdigest())
    written = lzma.compress(data, preset=_XZ_PRESET) if name.endswith(".xz") else data
    if not path.exists() or path.read_bytes() != written:
        with atomic_file(path) as file:
            file.write(written)
    return stored


def _remove_others(folder: Path, suite: Suite) -> None:
    """Files of vectors that are no more."""
    kept = {vector.bitstream.file for vector in suite.vectors}
    kept |= {vector.planes.file for vector in suite.vectors if vector.planes is not None}
    for room in ("vectors", "planes"):
        for path in (folder / room).glob("*"):
            if f"{room}/{path.name}" not in kept:
                path.unlink()
