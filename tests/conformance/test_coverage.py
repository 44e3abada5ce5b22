"""The suite that is published: whole, large enough, small enough, and complete."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from vcm_ref.bitstream.digest import tensor_digest
from vcm_ref.bitstream.limits import DecoderLimits
from vcm_ref.conformance.coverage import Coverage, clauses_of, measure, missing, section, table
from vcm_ref.conformance.generate.case import all_cases
from vcm_ref.conformance.manifest import Suite, Vector, load_suite
from vcm_ref.conformance.stored_file import read_stored
from vcm_ref.decoder import Decoder
from vcm_ref.errors import VcmError
from vcm_ref.files.planes_file import GivenPlanes

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "conformance"
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def suite() -> Suite:
    return load_suite(FOLDER)


@pytest.fixture(scope="module")
def coverage(suite: Suite) -> Coverage:
    return measure(FOLDER, suite)


def test_its_size(suite: Suite) -> None:
    kinds = Counter(vector.kind for vector in suite.vectors)
    assert kinds["positive"] >= 120
    assert kinds["negative"] + kinds["limit"] >= 120
    files = [path for room in ("vectors", "planes") for path in (FOLDER / room).iterdir()]
    assert sum(path.stat().st_size for path in files) <= 24 * MEBIBYTE
    assert sum(vector.bitstream.size for vector in suite.vectors) <= 24 * MEBIBYTE


def test_every_declared_vector_is_there(suite: Suite) -> None:
    assert {vector.id for vector in suite.vectors} == {case.id for case in all_cases()}


def test_nothing_is_without_a_vector(coverage: Coverage) -> None:
    """Every element, every end of a range, every clause; positive and negative."""
    assert list(missing(coverage, clauses_of(ROOT / "docs" / "bitstream.md"))) == []


def test_the_document_is_what_the_suite_has(suite: Suite, coverage: Coverage) -> None:
    clauses = clauses_of(ROOT / "docs" / "bitstream.md")
    document = (ROOT / "docs" / "conformance_coverage.md").read_text()
    assert document == table(suite, coverage, clauses) + section(document), "run tools/make_coverage.py"
    assert "checks of the mini decoder are caught" in section(document)


def test_missing_things_are_missed(suite: Suite, coverage: Coverage) -> None:
    """Without the vectors that show them."""
    without = Coverage(coverage.elements, {**coverage.positive, "8.8": []}, {**coverage.negative, "6.21": []})
    assert list(missing(without, clauses_of(ROOT / "docs" / "bitstream.md"))) == [
        "no negative vector is of clause 6.21",
        "no positive vector is of clause 8.8",
    ]
    few = [vector for vector in suite.vectors if vector.id.startswith(("BITDEPTH_8", "SIGNATURE_0"))]
    found = list(missing(measure(FOLDER, Suite("", "", suite.specification, suite.generator, tuple(few))), []))
    assert "no positive vector has bit_depth_minus1 1" in found
    assert "no positive vector has nal_unit" in found
    assert "no negative vector has digest_length 33" in found


def _quick(vector: Vector) -> bool:
    return vector.inner_codec in (None, "LOSSLESS", "COEFFICIENTS") and vector.limits.seconds <= 20


def test_our_decoder_gives_every_tensor(suite: Suite) -> None:
    """Of all positive vectors: with the inner planes given, and without where that takes no other process."""
    for vector in suite.vectors:
        if vector.kind != "positive" or vector.limits.seconds > 20:
            continue
        data = read_stored(FOLDER, vector.bitstream)
        decoders = []
        if vector.planes is not None:  # all but levels, which have none
            planes = GivenPlanes(io.BytesIO(read_stored(FOLDER, vector.planes)))
            decoders.append(Decoder(io.BytesIO(data), planes=planes))
        if _quick(vector):
            decoders.append(Decoder(io.BytesIO(data)))
        for decoder in decoders:
            pictures = list(decoder.pictures())
            assert len(pictures) == len(vector.pictures), vector.id
            for picture, expected in zip(pictures, vector.pictures, strict=True):
                for tensor in expected.tensors:
                    digest = tensor_digest(tensor.name, picture.quantised[tensor.name])
                    assert digest.hex() == tensor.t1, vector.id
                for layer in expected.layers:
                    digest = tensor_digest(layer.name, picture.features.layers[layer.name])
                    assert digest.hex() == layer.t2, vector.id
                both = zip(picture.planes.values(), expected.substreams, strict=True)
                for number, (frames, substream) in enumerate(both):
                    digest = tensor_digest(f"substream{number}", np.asarray(frames))
                    assert digest.hex() == substream.t0, vector.id


def test_our_decoder_refuses_every_negative_vector(suite: Suite) -> None:
    """Those of video codecs whose error is in the inner stream are for ``vcm_conformance run``."""
    for vector in suite.vectors:
        if vector.kind == "positive" or not _quick(vector):
            continue
        with pytest.raises(VcmError) as caught:
            list(Decoder(io.BytesIO(read_stored(FOLDER, vector.bitstream)), limits=DecoderLimits()).pictures())
        assert type(caught.value).__name__ in vector.errors, vector.id
