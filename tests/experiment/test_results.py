"""Labels of a network as those of a data set, results as records, and the file of all results."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.experiment.result_record import from_record, to_record
from vcm_ref.experiment.results import label_table, relabelled, write_results
from vcm_ref.task.classification import Classification
from vcm_ref.task.detections import Detections

pytest.importorskip("pycocotools", reason="pycocotools is not installed")


# Labels


def test_label_tables() -> None:
    network, classes = {5: "Cell phone", 7: "dog", 8: "axe"}, {1: "person", 44: "cell_phone", 50: "Dog"}
    assert label_table("names", network, classes) == {5: 44, 7: 50}
    numbered = {1: "n1", 2: "n2"}
    assert label_table("ids", numbered, classes) == {1: 1, 44: 44, 50: 50}
    assert label_table("from0", numbered, classes) == {0: 1, 1: 44, 2: 50}
    assert label_table("from1", numbered, classes) == {1: 1, 2: 44, 3: 50}
    with pytest.raises(DatasetError, match="--labels"):
        label_table("names", {1: "tv"}, classes)


@pytest.mark.parametrize("labels", ["ids", "from0", "from1"])
def test_numbers_that_no_label_has_are_refused(labels: str) -> None:
    with pytest.raises(DatasetError, match=rf"--labels {labels}: none of the network's labels, 5 to 8, is a class"):
        label_table(labels, {5: "cat", 8: "dog"}, {1: "cat", 2: "dog"})


@pytest.mark.parametrize(
    ("labels", "first", "told"),
    [
        ("ids", 0, 'label 1 is "dog" and would become class 1, "cat"; class 2'),
        ("from0", 1, 'label 1 is "cat" and would become class 2, "dog"; class 1'),
        ("from1", 0, 'label 1 is "dog" and would become class 1, "cat"; class 2'),
    ],
)
def test_numbers_that_contradict_names_are_refused(labels: str, first: int, told: str) -> None:
    network = dict(enumerate(["cat", "dog", "cow"], start=first))
    with pytest.raises(DatasetError, match=rf"--labels {labels}: the network's {told} of the data set has its name"):
        label_table(labels, network, {1: "cat", 2: "dog"})


def test_label_table_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_text("axe,person\n")
    network, classes = {7: "dog", 8: "axe"}, {1: "Person", 50: "dog"}
    assert label_table(str(tmp_path / "names.csv"), network, classes) == {7: 50, 8: 1}
    (tmp_path / "names.csv").write_text("axe\n")
    with pytest.raises(ConfigError, match="'axe'"):
        label_table(str(tmp_path / "names.csv"), network, classes)
    with pytest.raises(ConfigError, match="must be one of names, ids"):
        label_table("name", network, classes)


def test_relabelled_leaves_out_what_has_no_label() -> None:
    masks = np.array([True, False, True]).reshape(3, 1, 1)
    boxes = np.arange(12, dtype=np.float32).reshape(3, 4)
    found = Detections(boxes, np.array([0.9, 0.8, 0.7], np.float32), np.array([3, 1, 2]), masks)
    kept = relabelled(found, {3: 30, 2: 20})
    assert kept.labels.tolist() == [30, 20]
    assert kept.boxes.tolist() == boxes[[0, 2]].tolist()
    assert kept.masks is not None
    assert kept.masks.tolist() == masks[[0, 2]].tolist()
    assert len(relabelled(replace(found, masks=None), {})) == 0


# Records


def test_records_come_back_to_the_bit() -> None:
    draw = np.random.default_rng(1)
    logits = draw.standard_normal(50).astype(np.float32)
    record = json.loads(json.dumps(to_record(Classification(logits))))
    again = from_record(record)
    assert isinstance(again, Classification)
    assert again.logits.tobytes() == logits.tobytes()
    for masks in (None, draw.random((4, 9, 7)) > 0.5):
        boxes, scores = draw.random((4, 4)).astype(np.float32), draw.random(4).astype(np.float32)
        found = Detections(boxes, scores, np.array([1, 2, 3, 90]), masks)
        back = from_record(json.loads(json.dumps(to_record(found))))
        assert isinstance(back, Detections)
        assert back.boxes.tobytes() == boxes.tobytes()
        assert back.scores.tobytes() == scores.tobytes()
        assert back.labels.tolist() == [1, 2, 3, 90]
        assert (back.masks is None) if masks is None else np.array_equal(back.masks, masks)  # type: ignore[arg-type]
    nothing = Detections(
        np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros((0, 9, 7), np.bool_)
    )
    back = from_record(json.loads(json.dumps(to_record(nothing))))
    assert isinstance(back, Detections)
    assert back.boxes.shape == (0, 4)
    assert back.masks is not None
    assert back.masks.shape == (0, 9, 7)


def test_classes_are_written_best_first(tmp_path: Path) -> None:
    results = {"b/x.png": Classification(np.array([0, 3, 3, 1, 2, 9, 0], np.float32))}
    with (tmp_path / "c.json").open("w+b") as file:
        assert write_results(file, results) == 1  # type: ignore[arg-type]
    assert json.loads((tmp_path / "c.json").read_text()) == [{"image_id": "b/x.png", "category_id": [5, 1, 2, 4, 3]}]
    with (tmp_path / "c.json").open("w+b") as file:
        assert write_results(file, {}) == 0
    assert json.loads((tmp_path / "c.json").read_text()) == []
