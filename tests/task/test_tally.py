"""Metrics of samples from a tally against the metrics of data sets in which pictures are repeated with new ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.task.coco import CocoDataset
from vcm_ref.task.dataset import ImageId, Result
from vcm_ref.task.detections import Detections
from vcm_ref.task.openimages import OpenImagesDataset
from vcm_ref.task.tally import Classified, Detected, Tally

SIDE = 200
CLASSES = (1, 2, 3)
PICTURES = 5
COPIES = 100  # more than any weight: ids of copies lie behind each other


def instances(random: np.random.Generator, pictures: int) -> dict[str, Any]:
    """Random objects, small to large, some of them crowds; class 3 has none in most sets."""
    annotations = []
    for picture in range(pictures):
        for _ in range(random.integers(0, 5)):
            x, y = random.integers(0, 90, 2).tolist()
            width, height = random.choice([8, 30, 31, 60, 100], 2).tolist()
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": (picture + 1) * COPIES,
                    "category_id": int(random.choice(CLASSES, p=(0.6, 0.35, 0.05))),
                    "bbox": [x, y, width, height],
                    "area": width * height,
                    "segmentation": [[x, y, x + width, y, x + width, y + height, x, y + height]],
                    "iscrowd": 0,
                }
            )
            if random.random() < 0.2:
                annotations[-1] |= {"iscrowd": 1, "segmentation": rectangle(x, y, width, height)}
    return {
        "images": [
            {"id": (n + 1) * COPIES, "file_name": f"{n}.png", "height": SIDE, "width": SIDE} for n in range(pictures)
        ],
        "categories": [{"id": number, "name": f"class {number}"} for number in CLASSES],
        "annotations": annotations,
    }


def rectangle(x: int, y: int, width: int, height: int) -> dict[str, Any]:
    """Run lengths of a rectangle."""
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[y : y + height, x : x + width] = True
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat, [False]])))
    runs = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"size": [SIDE, SIDE], "counts": runs}


def found_near(random: np.random.Generator, document: dict[str, Any], picture: int, masks: bool) -> Detections:
    """Detections around the objects and elsewhere, with few different scores, so that many are equal."""
    boxes, labels = [], []
    for one in document["annotations"]:
        if one["image_id"] == picture:
            for _ in range(random.integers(0, 4)):
                x, y, width, height = one["bbox"]
                dx, dy = random.integers(-8, 9, 2).tolist()
                boxes.append([max(0, x + dx), max(0, y + dy), x + dx + width, y + dy + height])
                labels.append(one["category_id"] if random.random() < 0.8 else 1)
    for _ in range(random.integers(0, 3)):
        x, y = random.integers(0, 100, 2).tolist()
        boxes.append([x, y, x + 40, y + 20])
        labels.append(int(random.choice(CLASSES)))
    scores = random.choice([0.25, 0.5, 0.75, 1.0], len(boxes)).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    corners = np.array(boxes, np.float32).reshape(-1, 4)[order]
    drawn = np.zeros((len(boxes), SIDE, SIDE), np.bool_)
    for mask, (x0, y0, x1, y1) in zip(drawn, corners.astype(int), strict=True):
        mask[y0:y1, x0:x1] = True
    return Detections(corners, scores[order], np.array(labels, np.int64)[order], drawn if masks else None)


def repeated(document: dict[str, Any], results: dict[ImageId, Result], weights: list[int]) -> tuple[Any, Any]:
    """The data set in which picture ``n`` is there ``weights[n]`` times, with ids one behind the other."""
    images, annotations, found = [], [], {}
    for image, weight in zip(document["images"], weights, strict=True):
        for copy in range(weight):
            number = image["id"] + copy
            images.append({**image, "id": number, "file_name": f"{number}.png"})
            found[number] = results[image["id"]]
            for one in document["annotations"]:
                if one["image_id"] == image["id"]:
                    annotations.append({**one, "id": len(annotations) + 1, "image_id": number})
    return {**document, "images": images, "annotations": annotations}, found


def dataset(folder: Path, document: dict[str, Any]) -> CocoDataset:
    """Write and read a data set."""
    path = folder / "instances.json"
    path.write_text(json.dumps(document))
    return CocoDataset("case", path)


def of_weights(tally: Tally, weights: list[int]) -> dict[str, float]:
    """The metrics of one sample that there are."""
    found = tally.metrics(np.array(weights, np.int32)[:, None])
    return {name: float(value) for name, (value,) in found.items() if not np.isnan(value)}


weights_of = st.lists(st.integers(0, 4), min_size=PICTURES, max_size=PICTURES).filter(any)


@given(seed=st.integers(0, 2**32 - 1), weights=weights_of, masks=st.booleans())
def test_samples_of_coco_are_data_sets_with_repeated_pictures(
    tmp_path: Path, seed: int, weights: list[int], masks: bool
) -> None:
    random = np.random.default_rng(seed)
    document = instances(random, PICTURES)
    ids = [image["id"] for image in document["images"]]
    results: dict[ImageId, Result] = {number: found_near(random, document, number, masks) for number in ids}
    metrics, tally = dataset(tmp_path, document).tallied(results, {})
    assert tally.pictures == tuple(ids)
    assert of_weights(tally, [1] * PICTURES) == pytest.approx(metrics, abs=1e-12)
    brute, found = repeated(document, results, weights)
    expected = dataset(tmp_path, brute).evaluate(found, {})
    assert of_weights(tally, weights) == pytest.approx(expected, abs=1e-12)


@given(seed=st.integers(0, 2**32 - 1), weights=weights_of)
def test_samples_of_openimages_are_data_sets_with_repeated_pictures(
    tmp_path: Path, seed: int, weights: list[int]
) -> None:
    random = np.random.default_rng(seed)
    document = instances(random, PICTURES)
    ids = [image["id"] for image in document["images"]]
    results: dict[ImageId, Result] = {number: found_near(random, document, number, False) for number in ids}
    metrics, tally = openimages(tmp_path, document, results)
    assert tally.pictures == tuple(map(str, ids))
    if "mAP50" in metrics:
        assert of_weights(tally, [1] * PICTURES) == {"mAP50": pytest.approx(metrics["mAP50"], abs=1e-12)}
    brute, found = repeated(document, results, weights)
    expected, _ = openimages(tmp_path, brute, found)
    wanted = {name: pytest.approx(value, abs=1e-12) for name, value in expected.items() if name == "mAP50"}
    assert of_weights(tally, weights) == wanted


def openimages(
    folder: Path, document: dict[str, Any], results: dict[ImageId, Result]
) -> tuple[dict[str, float], Tally]:
    """Measure the same objects by OpenImages' rules; crowds are groups."""
    names = {entry["id"]: entry["name"] for entry in document["categories"]}
    boxes = ["ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf"]
    for one in document["annotations"]:
        x, y, width, height = (value / SIDE for value in one["bbox"])
        corners = f"{x},{x + width},{y},{y + height}"
        boxes.append(f"{one['image_id']},{names[one['category_id']]},{corners},{one['iscrowd']}")
    labels = ["ImageID,LabelName,Confidence"]
    labels += [f"{image['id']},{name},1" for image in document["images"] for name in names.values()]
    (folder / "boxes.csv").write_text("\n".join(boxes) + "\n")
    (folder / "labels.csv").write_text("\n".join(labels) + "\n")
    (folder / "classes.txt").write_text("\n".join(names.values()) + "\n")
    (folder / "list.lst").write_text("\n".join(str(image["id"]) for image in document["images"]) + "\n")
    files = {name: folder / f"{name}.csv" for name in ("boxes", "labels")}
    data = OpenImagesDataset("case", folder, **files, image_list=folder / "list.lst", classes=folder / "classes.txt")
    by_name = {str(number): result for number, result in results.items()}
    return data.tallied(by_name, dict.fromkeys(by_name, (SIDE, SIDE)))


def test_samples_of_classified_pictures_are_shares_with_weights() -> None:
    tally = Tally(("a", "b", "c"), (Classified(np.array([0, 3, 7])),))
    assert of_weights(tally, [2, 1, 1]) == {"top1": 0.5, "top5": 0.75}
    assert of_weights(tally, [0, 0, 0]) == {}


def test_a_sample_without_objects_has_no_metric() -> None:
    """One picture with an object that is found, one without any; weights choose the second alone."""
    none = np.zeros((1, 1), np.bool_)
    tally = Detected(
        rule="coco",
        names={"AP": (0,)},
        starts=np.array([0, 1]),
        pictures=np.array([0]),
        tied=np.array([False]),
        hits=~none,
        ignored=none,
        truth=np.array([[0, 0, 0, 1]]),
        ranges=np.array([0]),
    )
    found = tally.metrics(np.array([[1, 0], [0, 2]], np.int32))["AP"]
    assert found[0] == pytest.approx(1.0)
    assert np.isnan(found[1])


def test_only_the_metrics_asked_for_are_computed(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    document = instances(random, PICTURES)
    ids = [image["id"] for image in document["images"]]
    results: dict[ImageId, Result] = {number: found_near(random, document, number, True) for number in ids}
    metrics, tally = dataset(tmp_path, document).tallied(results, {})
    weights = np.ones((PICTURES, 2), np.int32)
    assert set(tally.metrics(weights, ["AP50", "mask_AP"])) == {"AP50", "mask_AP"}
    assert tally.metrics(weights, ["mask_AP"])["mask_AP"] == pytest.approx([metrics["mask_AP"]] * 2, abs=1e-12)
