"""The manifest: written, read back the same, and refused where it is not one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from vcm_ref.conformance.adaptor import REFUSALS
from vcm_ref.conformance.errors import SuiteError
from vcm_ref.conformance.manifest import KINDS, Vector, load_suite, save_suite
from vcm_ref.errors import ConfigError

from .suites import SmallSuite, edited

SCHEMA = json.loads(files("vcm_ref.conformance").joinpath("manifest.schema.json").read_text())


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    vector = SCHEMA["$defs"]["vector"]["properties"]
    assert vector["kind"]["enum"] == list(KINDS)
    assert vector["errors"]["items"]["enum"] == list(REFUSALS)
    assert {field.name for field in fields(Vector)} == {*vector, "bitstream"} - {"file", "size", "sha256"}


def test_what_is_saved_is_loaded(small: SmallSuite, tmp_path: Path) -> None:
    suite = load_suite(small.folder)
    assert suite == replace(small.save(), vectors=suite.vectors)
    assert sorted(suite.vectors, key=str) == sorted(small.vectors, key=str)
    assert [vector.id for vector in suite.vectors] == sorted(vector.id for vector in small.vectors)
    other = tmp_path / "other"
    other.mkdir()
    save_suite(other, suite)
    assert (other / "manifest.json").read_bytes() == (small.folder / "manifest.json").read_bytes()


def test_the_text_is_stable(small: SmallSuite) -> None:
    """Whatever the order of the vectors; a line for a value, so that a changed one changes a line."""
    text = (small.folder / "manifest.json").read_text()
    small.vectors.reverse()
    small.save()
    assert (small.folder / "manifest.json").read_text() == text
    assert text.endswith("}\n")
    assert '\n   "id": "GOOD_A_1",\n   "revision": 1,\n   "kind": "positive",\n' in text
    assert list(json.loads(text)) == ["suite", "version", "specification", "generator", "vectors"]


def test_no_manifest_is_a_matter_of_usage(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"manifest\.json: there is no such file; name the suite's folder with --suite"
    ):
        load_suite(tmp_path)


def set_in(index: int, *path: str | int) -> Callable[[Any], Callable[[Any], None]]:
    """Of the vector ``index``, the value at ``path``."""

    def to(value: Any) -> Callable[[Any], None]:
        def edit(document: Any) -> None:
            node = document["vectors"][index]
            for key in path[:-1]:
                node = node[key]
            node[path[-1]] = value

        return edit

    return to


# The vectors by id: BAD_A_1, BAD_VVC_A_2, GOOD_A_1, GOOD_VVC_A_1, LARGE_A_1.
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda document: document.pop("suite"), "suite: is missing"),
        (lambda document: document.update(more=1), "more: unknown key; allowed here: generator, specification, suite,"),
        (lambda document: document.update(vectors={}), "vectors: is {}; must be a list"),
        (lambda document: document["vectors"].append(1), "vectors.5: is 1; must be a mapping"),
        (lambda document: document["vectors"].append(document["vectors"][0]), "BAD_A_1: is the id of two vectors"),
        (lambda document: document["specification"].update(version=2.0), "specification.version: is 2.0; must be"),
        (lambda document: document.update(suite=""), "suite: is ''; must be a text that is not empty"),
        (lambda document: document.update(version="1/2"), "version: is '1/2'; must be a version, as 1.0"),
        (set_in(0, "purpose")("a\x01"), "BAD_A_1.purpose: is 'a\\x01'; must be a text"),
        (set_in(0, "purpose")("\ud800"), "vectors.0.purpose: the text holds half of a surrogate pair"),
        (set_in(0, "kind")("other"), "BAD_A_1.kind: is 'other'; allowed are positive, negative, limit"),
        (set_in(1, "revision")(3), "BAD_VVC_A_2: its revision is 3, but the id does not end with it"),
        (set_in(0, "id")("bad_A_1"), "bad_A_1.id: is 'bad_A_1'; must be <FEATURE>_<A…>_<revision>"),
        (set_in(0, "id")("BAD__A_1"), "BAD__A_1.id: is"),
        (set_in(0, "id")("BAD_A_01"), "BAD_A_01.id: is"),
        (set_in(0, "errors")([]), "BAD_A_1.errors: is []; must be at least one, as the vector is not positive"),
        (set_in(0, "errors")(["VcmError"]), "BAD_A_1.errors.0: is 'VcmError'; allowed are BitstreamError, Uns"),
        (set_in(2, "errors")(["LimitError"]), "; must be empty, as the vector is positive"),
        (set_in(2, "pictures")([]), "GOOD_A_1.pictures: is []; must be at least one, as the vector is positive"),
        (set_in(2, "pictures", 0, "layers", 0, "shape")([1, 2]), "layers.0.shape: is [1, 2]; must be three"),
        (set_in(2, "pictures", 0, "layers", 0, "name")("é"), "layers.0.name: is 'é'; must be a layer's name"),
        (set_in(2, "pictures", 0, "substreams", 0, "t0")("00"), "substreams.0.t0: is '00'; must be a SHA-256"),
        (set_in(2, "file")("../x"), "GOOD_A_1.file: is '../x'; must be a path inside the suite's folder"),
        (set_in(2, "file")("/x"), "GOOD_A_1.file: is '/x'; must be a path"),
        (set_in(2, "file")("a/./x"), "GOOD_A_1.file: is"),
        (set_in(2, "file")("a\\x"), "GOOD_A_1.file: is"),
        (set_in(2, "planes", "file")("a/../../x"), "GOOD_A_1.planes.file: is 'a/../../x'; must be a path"),
        (set_in(2, "limits", "seconds")(0), "GOOD_A_1.limits.seconds: is 0; must be above 0"),
        (set_in(2, "limits", "memory")(1.5), "GOOD_A_1.limits.memory: is 1.5; must be an integer"),
        (set_in(2, "limits", "seconds")(float("nan")), "limits.seconds: a number must be finite"),
    ],
)  # fmt: skip
def test_what_is_no_manifest_is_refused(small: SmallSuite, edit: Any, message: str) -> None:
    edited(small.folder, edit)
    with pytest.raises(SuiteError) as caught:
        load_suite(small.folder)
    assert message in str(caught.value)
    assert str(caught.value).startswith(f"{small.folder / 'manifest.json'}: ")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff", b"[" * 100000, b'{"suite": 1}'])
def test_other_files_are_refused(small: SmallSuite, content: bytes) -> None:
    (small.folder / "manifest.json").write_bytes(content)
    with pytest.raises(SuiteError):
        load_suite(small.folder)


def test_a_wrong_suite_is_not_written(small: SmallSuite) -> None:
    suite = load_suite(small.folder)
    before = (small.folder / "manifest.json").read_bytes()
    wrong = replace(suite.vectors[0], errors=())
    with pytest.raises(SuiteError, match=r"manifest\.json: BAD_A_1\.errors: is \[\]"):
        save_suite(small.folder, replace(suite, vectors=(wrong,)))
    with pytest.raises(SuiteError, match="the id of two vectors"):
        save_suite(small.folder, replace(suite, vectors=suite.vectors * 2))
    assert (small.folder / "manifest.json").read_bytes() == before
