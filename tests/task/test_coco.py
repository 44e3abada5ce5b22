"""AP against cases worked by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vcm_ref.errors import DatasetError
from vcm_ref.task.coco import CocoDataset, evaluate_boxes, evaluate_masks
from vcm_ref.task.dataset import load_dataset
from vcm_ref.task.detections import Detections
from vcm_ref.task.scene_shapes import CLASS_NAMES
from vcm_ref.task.scenes import write_dataset

pytest.importorskip("pycocotools", reason="pycocotools is not installed")


def instances(boxes: list[tuple[int, int, tuple[int, int, int, int]]]) -> dict[str, Any]:
    """Give COCO annotations of (image id, category id, xywh) for images 1 and 2, categories 1 and 2."""
    return {
        "images": [{"id": 1, "width": 100, "height": 100}, {"id": 2, "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "one"}, {"id": 2, "name": "two"}],
        "annotations": [
            {"id": n, "image_id": i, "category_id": c, "bbox": list(b), "area": b[2] * b[3], "iscrowd": 0}
            for n, (i, c, b) in enumerate(boxes, start=1)
        ],
    }


def detections(*found: tuple[tuple[float, float, float, float], float, int]) -> Detections:
    """Give detections of (xyxy, score, label)."""
    return Detections(
        np.array([box for box, _, _ in found], np.float32).reshape(-1, 4),
        np.array([score for _, score, _ in found], np.float32),
        np.array([label for _, _, label in found], np.int64),
    )


def test_perfect_detections_have_ap_one(tmp_path: Path) -> None:
    truth = instances([(1, 1, (10, 10, 20, 30)), (2, 2, (0, 0, 50, 50))])
    found = {1: detections(((10, 10, 30, 40), 0.9, 1)), 2: detections(((0, 0, 50, 50), 0.8, 2))}
    perfect = pytest.approx({"AP": 1.0, "AP50": 1.0})
    assert evaluate_boxes(truth, found) == perfect
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(truth))
    assert evaluate_boxes(path, found) == perfect


def test_a_case_worked_by_hand() -> None:
    # Category 1 has two objects. The best detection misses, the second fits one exactly, the third covers the other
    # with IoU 0.8 (80 x 100 of 100 x 100), so it counts for the seven thresholds 0.50 ... 0.80 of ten.
    # Up to 0.80: precision 1/2 at recall 1/2 and 2/3 at recall 1, made monotonous: 2/3 throughout, so AP = 2/3.
    # Above:      precision 1/2 for the 51 of 101 recall points up to 0.5, then nothing: AP = 51/202.
    truth = instances([(1, 1, (0, 0, 100, 100)), (2, 1, (10, 10, 20, 20))])
    found = {
        1: detections(((0, 0, 80, 100), 0.5, 1), ((0, 90, 10, 100), 0.9, 1)),
        2: detections(((10, 10, 30, 30), 0.7, 1)),
    }
    figures = evaluate_boxes(truth, found)
    assert figures["AP50"] == pytest.approx(2 / 3)
    assert figures["AP"] == pytest.approx((7 * 2 / 3 + 3 * 51 / 202) / 10)


def test_masks_are_compared_as_masks() -> None:
    # The box around the object is found exactly; of its 400 samples the mask has 300, so its IoU is 0.75, which counts
    # for the six thresholds 0.50 ... 0.75 of ten.
    truth = instances([(1, 1, (10, 10, 20, 20))])
    truth["annotations"][0]["segmentation"] = [[10, 10, 30, 10, 30, 30, 10, 30]]
    found = detections(((10, 10, 30, 30), 0.9, 1))
    mask = np.zeros((1, 100, 100), np.bool_)
    mask[0, 10:30, 10:25] = True
    assert evaluate_masks(truth, {1: replace(found, masks=mask)}) == pytest.approx({"AP": 0.6, "AP50": 1.0})
    assert evaluate_boxes(truth, {1: replace(found, masks=mask)})["AP"] == pytest.approx(1.0)
    with pytest.raises(DatasetError, match="the detections of picture 1 have no masks"):
        evaluate_masks(truth, {1: found})
    with pytest.raises(DatasetError, match="annotation 1 has no segmentation"):
        evaluate_masks(instances([(1, 1, (10, 10, 20, 20))]), {1: replace(found, masks=mask)})


def test_only_the_pictures_given_count() -> None:
    truth = instances([(1, 1, (10, 10, 20, 30)), (2, 2, (0, 0, 50, 50))])
    assert evaluate_boxes(truth, {1: detections(((10, 10, 30, 40), 0.9, 1))})["AP"] == pytest.approx(1.0)


def test_no_detections_at_all_is_ap_zero() -> None:
    truth = instances([(1, 1, (10, 10, 20, 30))])
    assert evaluate_boxes(truth, {1: detections()}) == {"AP": 0.0, "AP50": 0.0}


def test_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate_boxes(instances([(1, 1, (10, 10, 20, 30))]), {1: detections()})
    assert capsys.readouterr().out == ""


def test_what_cannot_be_measured_is_an_error(tmp_path: Path) -> None:
    truth = instances([(1, 1, (10, 10, 20, 30))])
    with pytest.raises(DatasetError, match="image id 9"):
        evaluate_boxes(truth, {9: detections()})
    with pytest.raises(DatasetError, match="no pictures"):
        evaluate_boxes(truth, {})
    with pytest.raises(DatasetError, match="cannot be read"):
        evaluate_boxes(tmp_path / "none.json", {1: detections()})
    (tmp_path / "list.json").write_text("{}")
    with pytest.raises(DatasetError, match="images"):
        evaluate_boxes(tmp_path / "list.json", {1: detections()})


# The data set


def write_instances(folder: Path, document: dict[str, Any]) -> CocoDataset:
    """Write COCO annotations with a file name for each image, and read them as a data set."""
    for entry in document["images"]:
        entry.setdefault("file_name", f"{entry['id']:03d}.png")
    path = folder / "instances.json"
    path.write_text(json.dumps(document))
    data = load_dataset(path)
    assert isinstance(data, CocoDataset)
    return data


def square(x: int, y: int, side: int) -> NDArray[np.bool_]:
    """Give a (100, 100) mask of a square."""
    mask = np.zeros((100, 100), np.bool_)
    mask[y : y + side, x : x + side] = True
    return mask


def test_a_data_set_lists_pictures_and_classes(tmp_path: Path) -> None:
    data = write_instances(tmp_path, instances([(1, 1, (10, 10, 20, 30))]))
    assert data.name == "instances"
    assert data.items == [(1, tmp_path / "001.png", (100, 100)), (2, tmp_path / "002.png", (100, 100))]
    assert data.classes == {1: "one", 2: "two"}
    assert data.problems == []
    (tmp_path / "images").mkdir()
    assert load_dataset(tmp_path / "instances.json").items[0].path == tmp_path / "images" / "001.png"
    assert load_dataset(tmp_path / "instances.json", tmp_path / "x").items[0].path == tmp_path / "x" / "001.png"
    (tmp_path / "set.yaml").write_text("kind: coco\nannotations: instances.json\nimages: elsewhere\n")
    assert load_dataset(tmp_path / "set.yaml").items[0].path == tmp_path / "elsewhere" / "001.png"


def test_all_six_aps_as_far_as_there_are_objects_for_them(tmp_path: Path) -> None:
    # 20 x 30 is below COCO's 32², 50 x 50 between that and 96²; nothing is large.
    truth = instances([(1, 1, (10, 10, 20, 30)), (2, 2, (0, 0, 50, 50))])
    found = {1: detections(((10, 10, 30, 40), 0.9, 1)), 2: detections()}
    figures = write_instances(tmp_path, truth).evaluate(found, {})
    expected = {"AP": 0.5, "AP50": 0.5, "AP75": 0.5, "AP_small": 1.0, "AP_medium": 0.0}
    assert figures == pytest.approx(expected)


def test_masks_are_measured_where_both_have_them(tmp_path: Path) -> None:
    # The detection's box fits, its mask is a quarter of the object's: AP of boxes 1, of masks 0; or the other way.
    truth = instances([(1, 1, (10, 10, 40, 40))])
    truth["annotations"][0]["segmentation"] = [[10, 10, 50, 10, 50, 50, 10, 50]]
    data = write_instances(tmp_path, truth)
    digest = data.digest()
    for box, mask, by_box, by_mask in (
        ((10, 10, 50, 50), square(10, 10, 20), 1.0, 0.0),
        ((10, 10, 30, 30), square(10, 10, 40), 0.0, 1.0),
    ):
        found = replace(detections((box, 0.9, 1)), masks=mask[None])
        figures = data.evaluate({1: found}, {})
        assert figures["AP"] == pytest.approx(by_box)
        assert figures["mask_AP"] == pytest.approx(by_mask)
    assert "mask_AP" not in data.evaluate({1: detections(((10, 10, 50, 50), 0.9, 1))}, {})
    assert data.digest() == digest == load_dataset(tmp_path / "instances.json").digest()


def test_each_result_is_asked_for_once(tmp_path: Path) -> None:
    data = write_instances(tmp_path, instances([(1, 1, (10, 10, 20, 30))]))
    asked: list[Any] = []

    class Once(dict[Any, Any]):
        def __getitem__(self, key: Any) -> Any:
            asked.append(key)
            return super().__getitem__(key)

        def items(self) -> Any:
            return ((key, self[key]) for key in self)

    data.evaluate(Once({1: detections(), 2: detections()}), {})
    assert asked == [1, 2]


def test_annotations_without_a_place_are_named(tmp_path: Path) -> None:
    data = write_instances(tmp_path, instances([(1, 1, (1, 1, 9, 9)), (7, 1, (1, 1, 9, 9)), (2, 5, (1, 1, 9, 9))]))
    assert data.problems == [
        "annotation 2: its picture 7 is not in the data set",
        "annotation 3: its category 5 is not in the data set",
    ]


def test_the_digest_is_of_content_not_of_form(tmp_path: Path) -> None:
    truth = instances([(1, 1, (10, 10, 20, 30))])
    digest = write_instances(tmp_path, truth).digest()
    (tmp_path / "instances.json").write_text(json.dumps(truth, indent=3, sort_keys=True))
    assert load_dataset(tmp_path / "instances.json").digest() == digest
    truth["annotations"][0]["bbox"][0] = 11
    assert write_instances(tmp_path, truth).digest() != digest


def test_the_generated_scenes_are_a_data_set(tmp_path: Path) -> None:
    data = load_dataset(write_dataset(tmp_path, 3, 2, 96, 64))
    assert data.classes == CLASS_NAMES
    assert [item.path.name for item in data.items] == ["scene_00000003.png", "scene_00000004.png"]
    assert all(item.path.is_file() for item in data.items)
    assert data.problems == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.json", "{}", "has no 'images'"),
        ("a.json", '{"images": [{}], "annotations": [], "categories": []}', "images\\[0\\]: it has no id"),
        ("a.yaml", "kind: voc", "kind: is 'voc'; allowed are coco, openimages, imagenet"),
        ("a.yaml", "kind: coco\nannotation: x", "annotation"),
        ("a.yaml", "kind: [", "is not YAML"),
        ("a.csv", "kind,coco", "must be a mapping of keys to values"),
    ],
)
def test_a_data_set_that_is_none_is_an_error(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DatasetError, match=message):
        load_dataset(tmp_path / name)
    with pytest.raises(DatasetError, match="cannot be read"):
        load_dataset(tmp_path / "none.yaml")
