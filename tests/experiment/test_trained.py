"""What networks and models were trained on, and which test pictures are among it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from experiment.report.samples import anchor
from vcm_ref.errors import NetworkError
from vcm_ref.experiment.method import FeatureMethod, Subject
from vcm_ref.experiment.naming import network_name
from vcm_ref.experiment.report import write_report
from vcm_ref.experiment.stages.values import NetworkSpec
from vcm_ref.experiment.trained import training_record
from vcm_ref.models.pictures import list_digest, list_text
from vcm_ref.models.tensors import write_tensors
from vcm_ref.network import load_network
from vcm_ref.network.training import trained_on, training_pictures
from vcm_ref.task.dataset import Item


@pytest.fixture
def subjects(tmp_path: Path) -> list[Subject]:
    """Three pictures' files; their content does not matter here."""
    found = []
    for number in (1, 2, 3):
        path = tmp_path / f"{number}.png"
        path.write_bytes(b"%d" % number)
        found.append(Subject(Item(number, path), NetworkSpec("stub", "{}", ""), ("p2",)))
    return found


def digest(number: int) -> str:
    """The SHA-256 of a picture's file."""
    return hashlib.sha256(b"%d" % number).hexdigest()


def coded(**reduction: Any) -> FeatureMethod:
    """A method with a reduction."""
    return FeatureMethod("m", {"reduction": reduction} if reduction else {}, (32,))


def test_refnet_says_what_it_was_trained_on() -> None:
    assert trained_on("refnet", {}).startswith("drawn scenes: 5000 of 320x256 from seed 0, ")
    assert trained_on("refnet", {"weights": "mine.safetensors"}) == ""
    assert trained_on("refnet", {"weights": "mine.safetensors", "trained_on": "my scenes"}) == "my scenes"


def test_test_pictures_are_found_among_training_pictures(tmp_path: Path, subjects: list[Subject]) -> None:
    (tmp_path / "list.txt").write_text(f"{digest(3)}  3.png\n\n{digest(9).upper()}\n{digest(1)}\n")
    options = {"trained_on": "photographs", "training_pictures": str(tmp_path / "list.txt")}
    assert training_pictures(options) == {digest(1), digest(3), digest(9)}
    expected = {"what": "network", "name": "stub", "data": "photographs", "overlap": [1, 3]}
    assert training_record("stub", options, coded(), subjects) == [expected]
    assert training_record("stub", {}, coded(), subjects) == [{**expected, "data": "", "overlap": None}]


def test_a_list_that_is_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{digest(1)}\n{digest(2)[:-1]}\n")
    with pytest.raises(NetworkError, match=r"list\.txt:2: does not begin with a SHA-256"):
        training_pictures({"training_pictures": str(tmp_path / "list.txt")})
    with pytest.raises(NetworkError, match=r"none\.txt"):
        training_pictures({"training_pictures": str(tmp_path / "none.txt")})


def test_a_models_record_says_what_it_was_trained_on(tmp_path: Path, subjects: list[Subject]) -> None:
    """By the list of its pictures, or by the digest of the list alone."""
    for number, (record, overlap) in enumerate(
        [
            ({"picture_sha256": json.dumps([digest(2), digest(7)])}, [2]),
            ({"pictures_sha256": list_digest([digest(1), digest(2), digest(3)])}, [1, 2, 3]),
            ({"pictures_sha256": list_digest([digest(1)])}, None),
            ({}, None),
        ]
    ):
        data = write_tensors({}, {"data": "scenes", **record})
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(data)
        sha256 = hashlib.sha256(data).hexdigest()
        method = coded(method="klt", model=str(path), model_sha256=sha256)
        _, found = training_record("stub", {}, method, subjects)
        assert found == {"what": "model", "name": sha256, "data": "scenes", "overlap": overlap}


def test_a_model_of_pictures_without_a_data_set_says_their_number(tmp_path: Path, subjects: list[Subject]) -> None:
    """vcm_train takes pictures as well as data sets, and then the record has no name."""
    data = write_tensors({}, {"data": "", "pictures": "258"})
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    method = coded(method="klt", model=str(path), model_sha256=hashlib.sha256(data).hexdigest())
    assert training_record("stub", {}, method, subjects)[1]["data"] == "258 pictures"


@pytest.mark.parametrize("place", ["beside the model", "among the models"])
def test_the_list_of_a_models_pictures_is_found(
    tmp_path: Path, subjects: list[Subject], monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """As vcm_train leaves it, or where models are looked for, under its SHA-256. Another list there is not believed."""
    trained = [digest(3), digest(8)]
    data = write_tensors({}, {"data": "scenes", "pictures": "2", "pictures_sha256": list_digest(trained)})
    path = tmp_path / "m.safetensors"
    path.write_bytes(data)
    method = coded(method="klt", model=str(path), model_sha256=hashlib.sha256(data).hexdigest())
    beside = tmp_path / "m.safetensors.pictures.txt"
    beside.write_bytes(list_text([digest(1)]))
    assert training_record("stub", {}, method, subjects)[1]["overlap"] is None
    if place == "beside the model":
        beside.write_bytes(list_text(trained))
    else:
        monkeypatch.setenv("VCM_MODELS", str(tmp_path))
        (tmp_path / list_digest(trained)).write_bytes(list_text(trained))
    found = training_record("stub", {}, method, subjects)[1]
    assert (found["data"], found["overlap"]) == ("scenes, 2 pictures", [3])


def test_what_is_said_of_training_changes_no_name_and_no_network() -> None:
    said = {"trained_on": "photographs", "training_pictures": "list.txt"}
    assert network_name("stub", {"split": "p", **said}) == network_name("stub", {"split": "p"})
    assert load_network("torchvision", model="resnet18", layer=13, weights="random", **said).layers == ("res4b",)


def test_a_report_warns_of_pictures_that_the_network_has_seen(tmp_path: Path) -> None:
    entry = {"what": "network", "name": "refnet", "data": "photographs.", "overlap": [1]}
    model = {"what": "model", "name": "ab" * 32, "data": "", "overlap": None}
    documents = [anchor("usual", training=[entry]), anchor("half", 0.5, training=[entry, model])]
    write_report(tmp_path / "report", documents)
    text = (tmp_path / "report" / "report.md").read_text(encoding="utf-8")
    assert "The network refnet was trained on 1 of the 2 pictures that are measured" in text
    assert text.count("Warning.") == 2  # and one of few pictures
    assert "The model abababababab does not state its training data." in text
    write_report(tmp_path / "other", [anchor("usual", training=[{**entry, "overlap": []}])])
    text = (tmp_path / "other" / "report.md").read_text(encoding="utf-8")
    assert "The network refnet was trained on photographs. It was not trained on a test picture." in text
    assert text.count("Warning.") == 1


@pytest.mark.parametrize("text", ["", "null", "7", "[[]]", "[1]", "[" * 100_000, "not JSON", '{"a": 1}'])
def test_a_record_that_cannot_be_read_says_nothing(text: str, tmp_path: Path, subjects: list[Subject]) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(write_tensors({}, {"picture_sha256": text}))
    method = coded(model=str(model), model_sha256=hashlib.sha256(model.read_bytes()).hexdigest())
    _, entry = training_record("stub", {}, method, subjects)
    assert entry["what"] == "model" and entry["overlap"] is None
