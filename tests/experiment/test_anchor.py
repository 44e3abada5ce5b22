"""Anchor files: everything that it takes to make the points again, and nothing that is not so."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
pytest.importorskip("pycocotools", reason="pycocotools is not installed")

from vcm_ref.bitstream.elements import Part
from vcm_ref.configuration import Configuration, load_configuration
from vcm_ref.errors import DatasetError
from vcm_ref.experiment.anchor import (
    _text,
    anchor_document,
    bitstream_names,
    check_anchor,
    main_metric,
    rate,
    read_anchor,
    write_anchor,
    write_bitstreams,
)
from vcm_ref.experiment.method_choice import method_of
from vcm_ref.experiment.store import Store
from vcm_ref.experiment.sweep import Failure, Measured, Outcome, run_sweep
from vcm_ref.experiment.tasks import TaskError
from vcm_ref.files.atomic import OutputError
from vcm_ref.inputs.source import read_picture
from vcm_ref.reporting.provenance import file_digest, versions

from .small_sweep import LAYERS, OPTIONS, SIZES, TREE, Here, changed, method, sweep_of, write_all

CFG = Path(__file__).parents[2] / "cfg"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("anchor") / "data").parent


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with Store(tmp_path_factory.mktemp("store")) as made:
        yield made


@pytest.fixture(scope="module")
def outcome(folder: Path, store: Store) -> Outcome:
    """Features and pictures coded, at two QPs each."""
    features = method(folder, "features", 30, 40, quantisation__bit_depth=4, order__method="mean")
    path = str(folder / "small.onnx")
    tree = load_configuration([CFG / "image_anchor.yaml"], [f"network={json.dumps(TREE['network'])}"]).tree
    pictures = method_of("pictures", Configuration(changed(tree, {"network.weights": path})), (30, 40))
    return run_sweep(sweep_of(folder, features, pictures), store, Here())


@pytest.fixture
def document(outcome: Outcome) -> Any:
    return anchor_document(outcome, outcome.sweep.methods[0])


def test_what_is_in_an_anchor(folder: Path, outcome: Outcome, document: Any) -> None:
    assert document["name"] == "features"
    assert document["method"] == "features"
    assert document["main_metric"] == "AP"
    assert document["data"] == {"name": "data", "sha256": outcome.sweep.dataset.digest(), "pictures": 3}
    assert document["configuration"]["quantisation"]["bit_depth"] == 4
    assert document["configuration"]["codec"] == {"name": "lossless", "mode": "AI"}
    assert document["inner_codec"]["encoder"] == "lossless"
    assert document["network"]["weights_sha256"] == file_digest(folder / "small.onnx")
    assert document["network"]["layers"] == list(LAYERS)
    assert document["network"]["options"]["classes"] == {"3": "cat", "7": "dog", "8": "owl"}
    assert document["versions"] == versions()
    assert set(document["code"]) == {"extract", "code", "analyse", "measure"}
    assert document["uncompressed"]["metrics"]["AP"] == 1
    assert [(p["id"], p["file"], p["height"], p["width"]) for p in document["pictures"]] == [
        (number, f"picture{number}.png", *size) for number, size in enumerate(SIZES, start=1)
    ]
    assert [p["sha256"] for p in document["pictures"]] == [file_digest(item.path) for item in outcome.sweep.items]
    assert document["failed_points"] == []


@pytest.mark.parametrize("place", [0, 1])
def test_a_points_numbers_agree(outcome: Outcome, place: int) -> None:
    """Sums of what its pictures have; BPP as a ratio of sums."""
    document = anchor_document(outcome, outcome.sweep.methods[place])
    pixels = sum(height * width for height, width in SIZES)
    assert [point["qp"] for point in document["points"]] == [30, 40]
    for point in document["points"]:
        pictures = point["pictures"]
        assert [picture["id"] for picture in pictures] == [1, 2, 3]
        assert point["pixels"] == pixels
        assert point["bytes"] == sum(picture["bytes"] for picture in pictures)
        assert point["bpp"] == 8 * point["bytes"] / pixels
        assert point["rhee2022_bpp"] == sum(picture["rhee2022_bits"] for picture in pictures) / pixels
        if document["method"] == "features":
            assert point["han2022_bpp"] == sum(picture["han2022_bits"] for picture in pictures) / pixels
        assert sum(point["bits"].values()) == 8 * point["bytes"]
        for picture in pictures:
            assert sum(picture["bits"].values()) == 8 * picture["bytes"]
        assert all(seconds > 0 for seconds in point["seconds"].values())
        assert point["failed"] == []


def test_features_and_pictures(outcome: Outcome) -> None:
    """An image anchor's rate is its stream's, and its time has no extraction apart."""
    features, pictures = (anchor_document(outcome, made) for made in outcome.sweep.methods)
    assert features["points"][0]["seconds"].keys() == {"extract", "encode", "decode", "analyse"}
    assert pictures["points"][0]["seconds"].keys() == {"encode", "decode", "analyse"}
    assert features["points"][0]["bits"].keys() <= {part.value for part in Part}
    assert pictures["method"] == "pictures"
    assert pictures["configuration"] == {"picture": {"scale": 100}, "codec": {"name": "vvenc", "preset": "faster"}}
    assert "to_yuv" in pictures["inner_codec"]
    point = pictures["points"][0]
    assert point["bpp"] == point["rhee2022_bpp"]
    assert list(point["pictures"][0]["t1"]) == ["picture"]
    assert point["bpp"] > pictures["points"][1]["bpp"]


def test_a_decoded_picture_is_what_the_digest_says(folder: Path, outcome: Outcome, store: Store) -> None:
    made: Any = outcome.sweep.methods[1]
    subject = outcome.subjects[1]
    image = made.coder.decode(made.bitstream(subject, 30, store), *SIZES[1])
    assert image.shape == read_picture(subject.file).shape
    record = outcome.points["pictures", 30].records[2]
    assert record["t1"]["picture"] == hashlib.sha256(image.tobytes()).hexdigest()


def test_written_and_read(document: Any, tmp_path: Path) -> None:
    write_anchor(tmp_path / "a.json", document)
    assert read_anchor(tmp_path / "a.json") == document
    assert json.loads((tmp_path / "a.json").read_text()) == document
    lines = (tmp_path / "a.json").read_text().splitlines()
    assert sum('"t1"' in line for line in lines) >= 6  # a line for each picture of a point
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("place", [0, 1])
def test_bitstreams_are_those_of_the_anchor(outcome: Outcome, store: Store, tmp_path: Path, place: int) -> None:
    made = outcome.sweep.methods[place]
    write_bitstreams(tmp_path / "b", outcome, made, store)
    document = anchor_document(outcome, made)
    names = bitstream_names({picture["id"]: picture["file"] for picture in document["pictures"]})
    found = {str(path.relative_to(tmp_path / "b")): path for path in (tmp_path / "b").rglob("*.bin")}
    assert set(found) == {f"qp{qp}/picture{number}.bin" for qp in (30, 40) for number in (1, 2, 3)}
    for point in document["points"]:
        for picture in point["pictures"]:
            path = found[f"qp{point['qp']}/{names[picture['id']]}"]
            assert file_digest(path) == picture["sha256"]
            assert path.stat().st_size == picture["bytes"]
    with pytest.raises(OutputError, match="exists already"):
        write_bitstreams(tmp_path / "b", outcome, made, store)


def test_options_with_many_classes_are_json(outcome: Outcome, tmp_path: Path) -> None:
    """YAML's keys are numbers, JSON's are text, also where they do not fit in a line."""
    options = {
        **OPTIONS,
        "weights": "/somewhere/w.onnx",
        "classes": {number: f"class {number}" for number in range(80)},
    }
    sweep = outcome.sweep.__class__(**{**vars(outcome.sweep), "network_options": options})
    document = anchor_document(
        Outcome(sweep, outcome.network, outcome.subjects, outcome.uncompressed, outcome.points), sweep.methods[0]
    )
    write_anchor(tmp_path / "a.json", document)
    assert read_anchor(tmp_path / "a.json") == document
    assert document["network"]["options"]["weights"] == "w.onnx"
    assert "/somewhere" not in (tmp_path / "a.json").read_text()


def test_points_and_pictures_that_failed(folder: Path, outcome: Outcome) -> None:
    points = dict(outcome.points)
    measured = points["features", 30]
    part = {key: record for key, record in measured.records.items() if key != 2}
    points["features", 30] = Measured(measured.metrics, part, [Failure(2, TaskError(13, "the codec failed"))])
    points["features", 40] = Measured({}, {}, [Failure(number, TaskError(13, "no codec")) for number in (1, 2, 3)])
    spoiled = Outcome(outcome.sweep, outcome.network, outcome.subjects, outcome.uncompressed, points)
    document = anchor_document(spoiled, outcome.sweep.methods[0])
    (point,) = document["points"]
    assert point["failed"] == [{"id": 2, "error": "the codec failed"}]
    assert point["pixels"] == 64 * 64 + 96 * 64
    (failed,) = document["failed_points"]
    assert failed["qp"] == 40
    assert len(failed["failed"]) == 3


# The schema


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("schema", 2),
        ("kind", "curve"),
        ("name", ""),
        ("method", "sound"),
        ("main_metric", None),
        ("data.sha256", "abc"),
        ("data.pictures", -1),
        ("network.layers", "p2"),
        ("tolerance.t1", 1),
        ("tolerance.metrics", -0.1),
        ("uncompressed.metrics", {}),
        ("uncompressed.metrics.AP", "1"),
        ("points.0.bpp", 0),
        ("points.0.pictures", []),
        ("points.0.pictures.0.sha256", "ABC"),
        ("points.0.pictures.0.bytes", 1.5),
        ("points.0.pictures.0.t1.p3", ""),
        ("pictures.0.id", None),
        ("surprise", 1),
    ],
)
def test_what_does_not_fit_the_schema(document: Any, tmp_path: Path, path: str, value: Any) -> None:
    spoiled = copy.deepcopy(document)
    node = spoiled
    *rooms, name = path.split(".")
    for room in rooms:
        node = node[int(room) if room.isdigit() else room]
    node[name] = value
    (tmp_path / "a.json").write_text(json.dumps(spoiled))
    with pytest.raises(DatasetError) as caught:
        read_anchor(tmp_path / "a.json")
    told = str(caught.value)
    assert "\n" not in told
    assert "a.json: " in told
    assert ".".join(rooms) in told


def test_every_required_entry_is_asked_for(document: Any) -> None:
    for key in document.keys() - {"problems", "cost", "training"}:  # which anchors of earlier versions do not have
        spoiled = {name: value for name, value in document.items() if name != key}
        with pytest.raises(DatasetError, match=key):
            check_anchor(spoiled, "x")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"schema": 1}'])
def test_what_is_no_anchor(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(DatasetError, match=r"a\.json"):
        read_anchor(tmp_path / "a.json")
    with pytest.raises(DatasetError, match=r"b\.json: cannot be read"):
        read_anchor(tmp_path / "b.json")


# Parts


values = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=99)
)
trees = st.recursive(
    values | st.lists(st.integers(10**9, 10**12), min_size=4, max_size=12),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@given(document=st.dictionaries(st.text(max_size=9), trees, max_size=4))
def test_the_text_is_the_documents_json(document: Any) -> None:
    assert json.loads(_text(document)) == document
    assert _text(document).endswith("\n")


def test_names_of_bitstreams() -> None:
    assert bitstream_names({1: "a.png", "x": "b.jpg"}) == {1: "a.bin", "x": "b.bin"}
    assert bitstream_names({1: "a.png", 2: "a.jpg", 3: "b.png"}) == {1: "1.bin", 2: "2.bin", 3: "3.bin"}


@given(
    files=st.dictionaries(
        st.integers(0, 3) | st.sampled_from(["a/b", "a_b", "a%2Fb", "..", "1"]),
        st.sampled_from(["a.png", "1.png", "b.png"]),
    )
)
def test_no_two_bitstreams_have_the_same_name(files: Any) -> None:
    """Ids that are numbers in one place and text in another do not occur in a data set together."""
    files = {key: file for key, file in files.items() if not (isinstance(key, int) and str(key) in files)}
    names = bitstream_names(files)
    assert len(set(names.values())) == len(names)
    assert all(Path(name).name == name for name in names.values())


def test_the_main_metric() -> None:
    assert main_metric({"AP50": 1, "AP": 2, "AP75": 3}) == "AP"
    assert main_metric({"top5": 1, "top1": 2}) == "top1"
    assert main_metric({"AP50": 1}) == "AP50"


def test_the_rate_is_a_ratio_of_sums() -> None:
    records = [
        {"bits": {"coded data": 8, "headers": 8}, "bytes": 2, "rhee2022_bits": 10, "height": 1, "width": 4},
        {"bits": {"coded data": 24}, "bytes": 3, "rhee2022_bits": 20, "height": 2, "width": 6},
    ]
    assert rate(records) == {
        "bpp": 40 / 16,
        "rhee2022_bpp": 30 / 16,
        "bytes": 5,
        "pixels": 16,
        "bits": {"coded data": 32, "headers": 8},
    }


def test_the_rate_of_han2022_needs_every_picture() -> None:
    records = [
        {"bits": {}, "bytes": 1, "rhee2022_bits": 8, "height": 2, "width": 2, "han2022_bits": bits} for bits in (6, 8)
    ]
    assert rate(records)["han2022_bpp"] == 14 / 8
    assert "han2022_bpp" not in rate([*records, {key: records[0][key] for key in records[0] if key != "han2022_bits"}])
