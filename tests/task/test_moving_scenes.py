"""Moving scenes: the same bytes everywhere, identities that stay, and ground truth in two formats that agree."""

from __future__ import annotations

import hashlib
import json
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest

from vcm_ref.task.coco import CocoDataset
from vcm_ref.task.dataset import load_dataset
from vcm_ref.task.detections import Detections
from vcm_ref.task.moving_scenes import LEAST_VISIBLE, Picture, annotated, moving_scene, write_sequence
from vcm_ref.task.tracking import read_truth

GOLDEN = "36ed19e2f0aa072e051c42d28a14078aec5addc2cc0017b287e480e90f91f7bc"


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return list(islice(moving_scene(5, 200, 160), 12))


def test_a_seed_gives_the_same_pictures_everywhere(pictures: list[Picture]) -> None:
    total = hashlib.sha256(b"".join(picture.image.tobytes() for picture in pictures))
    assert total.hexdigest() == GOLDEN


def test_objects_keep_identity_and_class_and_move_in_small_steps(pictures: list[Picture]) -> None:
    known: dict[int, int] = {}
    places: dict[int, np.ndarray] = {}
    for picture in pictures:
        for one in picture.objects:
            assert known.setdefault(one.identity, one.seen.category_id) == one.seen.category_id
            if one.visible == 1.0:
                corner = np.array(one.seen.bbox[:2])
                if one.identity in places:
                    assert np.abs(corner - places[one.identity]).max() <= 7  # an object's step, and the camera's
                places[one.identity] = corner
            else:
                places.pop(one.identity, None)
    assert len(known) >= 2


def test_masks_do_not_overlap_and_boxes_are_of_what_is_visible(pictures: list[Picture]) -> None:
    for picture in pictures:
        taken = np.zeros(picture.image.shape[:2], np.int64)
        for one in picture.objects:
            values = np.arange(len(one.seen.counts)) % 2 == 1
            mask = np.repeat(values, one.seen.counts).reshape(200, 160).T
            rows, columns = np.nonzero(mask)
            x, y = columns.min(), rows.min()
            assert one.seen.bbox == (x, y, columns.max() + 1 - x, rows.max() + 1 - y)
            assert 0 < one.visible <= 1
            taken += mask
        assert taken.max() <= 1


def test_pictures_differ_by_motion_and_noise(pictures: list[Picture]) -> None:
    change = [float(np.abs(one.image.astype(int) - other.image).mean()) for one, other in pairwise(pictures)]
    assert all(0 < amount < 60 for amount in change)


def test_a_sequence_is_written_with_both_truths(tmp_path: Path) -> None:
    path = write_sequence(tmp_path, 5, 4, 200, 160, frame_rate=10)
    dataset = load_dataset(path)
    assert isinstance(dataset, CocoDataset)
    assert dataset.frame_rate == 10
    assert [item.path.name for item in dataset.items] == [f"scene_00000005_{number:06d}.png" for number in range(1, 5)]
    truth = read_truth(tmp_path / "gt.txt", 4, range(1, 100))
    document = json.loads((tmp_path / "instances.json").read_text("utf-8"))
    for number, (picture, own) in enumerate(zip(moving_scene(5, 200, 160), truth, strict=False), start=1):
        kept = [one for one in picture.objects if annotated(one)]
        assert all(one.visible >= LEAST_VISIBLE for one in kept)
        boxes = [entry["bbox"] for entry in document["annotations"] if entry["image_id"] == number]
        assert boxes == [list(one.seen.bbox) for one in kept]
        corners = own.objects.boxes[own.counts]
        assert corners.tolist() == [[x, y, x + wide, y + high] for x, y, wide, high in boxes]
        assert own.objects.identities.tolist() == [one.identity for one in picture.objects]
        if number == 4:
            break


def test_what_is_annotated_is_a_perfect_result(tmp_path: Path) -> None:
    """AP, MOTA and IDF1 of the truth itself."""
    dataset = load_dataset(write_sequence(tmp_path, 5, 6, 200, 160))
    results = {}
    for number, picture in enumerate(islice(moving_scene(5, 200, 160), 6), start=1):
        kept = [one.seen for one in picture.objects if annotated(one)]
        boxes = np.array([one.bbox for one in kept], np.float32).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        labels = np.array([one.category_id for one in kept], np.int64)
        results[number] = Detections(boxes, np.ones(len(kept), np.float32), labels)
    metrics = dataset.evaluate(results, dict.fromkeys(results, (160, 200)))
    assert metrics["AP"] == pytest.approx(1.0)
    assert metrics["MOTA"] == metrics["IDF1"] == 1.0


def test_a_scene_without_a_size_or_seed() -> None:
    for seed, width in ((-1, 200), (0, 20)):
        with pytest.raises(ValueError, match="the seed counts from 0"):
            next(moving_scene(seed, width, 160))
