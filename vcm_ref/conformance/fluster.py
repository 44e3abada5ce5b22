"""The suite in the form that fluster reads, Fluendo's framework for the conformance of video decoders.

Its test suites are JSON files with an MD5 of each vector's decoded output; here that is of ``t1.raw``. The manifest has
digests of tensors, not of that file, so a decoder is run: what it left has been judged by those digests first.
Fluster has no codec of ours and cannot be told of one, so codec and output format are its ``None``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files.atomic import atomic_folder
from .decoded_files import T1
from .errors import HarnessError, NothingRunError, NotPassedError
from .judgement import Outcome
from .manifest import Suite, Vector
from .runner import Plan, run_vectors
from .stored_file import copy_stored

_CHUNK = 1 << 20


@dataclass(frozen=True)
class _Sums:
    """MD5, in hexadecimal, of a vector's bitstream and of its T1 tensors in one file."""

    bitstream: str
    t1: str


def positive_vectors(suite: Suite) -> list[Vector]:
    """The vectors that fluster can run: it looks at outputs, and so at those that have one."""
    return [vector for vector in suite.vectors if vector.kind == "positive"]


def export_suite(plan: Plan, suite: Suite, target: Path, progress: Callable[[float], None]) -> int:
    """Write ``test_suites`` and ``resources``, the folders that fluster takes, into the new folder ``target``.

    Returns how many vectors there are: those that the decoder of ``plan`` claims. ``progress`` is told 1 for each
    vector of :func:`positive_vectors`. Raises :class:`NotPassedError` where the decoder decodes one wrongly,
    :class:`NothingRunError` where it claims none, :class:`OutputError`, and as :func:`run_vectors` does.
    """
    sums: dict[str, str] = {}

    def note(vector: Vector, output: Path) -> None:
        sums[vector.id] = _md5(output / T1)

    with atomic_folder(target) as folder:
        results = run_vectors(plan, positive_vectors(suite), progress, note)
        for result in results:
            if result.counts_against:
                told = f"{result.vector.id}: {result.outcome.value}: {result.judgement.reason}"
                raise NotPassedError(f"{plan.adaptor.name} does not decode every vector correctly: {told}")
        vectors = [result.vector for result in results if result.outcome is Outcome.PASS]
        if not vectors:
            raise NothingRunError(f"{plan.adaptor.name} does not claim a positive vector of the suite")
        _write(folder, plan.folder, suite, vectors, sums)
    return len(vectors)


def _write(folder: Path, source: Path, suite: Suite, vectors: Sequence[Vector], t1_sums: Mapping[str, str]) -> None:
    name = f"VCM-{suite.version}"
    found = {}
    for vector in vectors:
        place = folder / "resources" / name / vector.id
        place.mkdir(parents=True)
        copy_stored(source, vector.bitstream, place / _input(vector))
        found[vector.id] = _Sums(_md5(place / _input(vector)), t1_sums[vector.id])
    (folder / "test_suites").mkdir()
    text = json.dumps(_document(name, suite, vectors, found), indent=4) + "\n"
    (folder / "test_suites" / f"{name}.json").write_text(text, encoding="utf-8")


def _input(vector: Vector) -> str:
    return f"{vector.id}.bin"


def _document(name: str, suite: Suite, vectors: Sequence[Vector], sums: Mapping[str, _Sums]) -> dict[str, Any]:
    return {
        "name": name,
        "codec": "None",
        "description": f"{suite.suite} {suite.version}: MD5 of the T1 tensors of {suite.specification.document}",
        "test_vectors": [
            {
                "name": vector.id,
                # what fluster would download lies in its resources already
                "source": _input(vector),
                "source_checksum": sums[vector.id].bitstream,
                "input_file": _input(vector),
                "output_format": "None",
                "result": sums[vector.id].t1,
            }
            for vector in vectors
        ],
        "test_method": "md5",
    }


def _md5(path: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise HarnessError(f"{path}: cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()
