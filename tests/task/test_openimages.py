"""OpenImages: AP against cases worked by hand, and the files in all their forms.

Pictures are 128 x 128 in the cases, so that eighths of a side, and overlaps of a half, are exact.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vcm_ref.errors import DatasetError
from vcm_ref.task.classification import Classification
from vcm_ref.task.dataset import load_dataset, match_names
from vcm_ref.task.detections import Detections
from vcm_ref.task.openimages import OpenImagesDataset

pytest.importorskip("pycocotools", reason="pycocotools is not installed")

SIDE = 128
Box = tuple[float, float, float, float]
Truth = tuple[str, str, Box] | tuple[str, str, Box, bool]
Found = tuple[str, Box, float]

A, B, C = (0, 0, 32, 32), (64, 0, 96, 32), (0, 64, 32, 96)  # three squares apart from each other
NOWHERE = (96, 96, 128, 128)
GROUP = (0, 0, 128, 64)  # around A and B


def write_tables(folder: Path, truth: Sequence[Truth], labels: Sequence[tuple[str, str, int]]) -> None:
    """Write boxes and image-level labels as OpenImages has them; boxes are in pixels of a picture of SIDE x SIDE."""
    heading = (
        "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside"
    )
    rows = [heading]
    for number, (image_id, name, (x0, y0, x1, y1), *group) in enumerate(truth):  # no two rows are alike
        shares = f"{x0 / SIDE},{x1 / SIDE},{y0 / SIDE},{y1 / SIDE}"
        rows.append(f"{image_id},xclick {number},{name},1,{shares},0,0,{int(bool(group and group[0]))},0,0")
    (folder / "boxes.csv").write_text("\n".join(rows) + "\n")
    rows = [
        "ImageID,Source,LabelName,Confidence",
        *(f"{image},verification,{name},{yes}" for image, name, yes in labels),
    ]
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")


def detections(found: Sequence[Found], classes: dict[int, str], masks: NDArray[np.bool_] | None = None) -> Detections:
    """Give detections of (class, box in pixels, score); a class that the data set lacks has the label 99."""
    numbers = {name: number for number, name in classes.items()}
    return Detections(
        np.array([box for _, box, _ in found], np.float32).reshape(-1, 4),
        np.array([score for _, _, score in found], np.float32),
        np.array([numbers.get(name, 99) for name, _, _ in found], np.int64),
        masks,
    )


def measure(
    folder: Path,
    truth: Sequence[Truth],
    found: dict[str, Sequence[Found]],
    labels: Sequence[tuple[str, str, int]] = (),
    **options: Any,
) -> dict[str, float]:
    """Evaluate over the pictures of ``found``, in its order."""
    write_tables(folder, truth, labels)
    (folder / "list.lst").write_text("\n".join(f"{image_id}.jpg" for image_id in found) + "\n")
    files = {"boxes": folder / "boxes.csv", "labels": folder / "labels.csv", "image_list": folder / "list.lst"}
    data = OpenImagesDataset("case", folder, **files, **options)
    results = {item.id: detections(found[str(item.id)], dict(data.classes)) for item in data.items}
    return data.evaluate(results, {item.id: (SIDE, SIDE) for item in data.items})


def only(folder: Path, truth: Sequence[Truth], found: Sequence[Found], **options: Any) -> float:
    """Give the mAP where there is one picture, i."""
    return measure(folder, truth, {"i": found}, **options)["mAP50"]


def test_every_object_found(tmp_path: Path) -> None:
    """Two objects, two detections that fit: precision 1 at recall 1/2 and 1. AP = 1."""
    figures = measure(tmp_path, [("i", "cat", A), ("i", "cat", B)], {"i": [("cat", A, 0.9), ("cat", B, 0.8)]})
    assert figures == {"mAP50": 1.0, "classes": 1, "AP50/cat": 1.0}


def test_duplicate_detection_of_one_box(tmp_path: Path) -> None:
    """A found at 0.9, found again at 0.8 (wrong), B at 0.7.

    Precision 1 at recall 1/2, 2/3 at recall 1. The area under the curve is 1/2 * 1 + 1/2 * 2/3 = 5/6; the mean over
    11 points of recall would be (6 + 5 * 2/3) / 11 = 28/33, over 101 points (51 + 50 * 2/3) / 101.
    """
    found = [("cat", A, 0.9), ("cat", A, 0.8), ("cat", B, 0.7)]
    assert only(tmp_path, [("i", "cat", A), ("i", "cat", B)], found) == pytest.approx(5 / 6)


def test_area_under_the_interpolated_curve(tmp_path: Path) -> None:
    """Wrong at 0.9, A at 0.8, B at 0.7, wrong at 0.6, and C, of three objects, is never found.

    Precision 1/2 at recall 1/3 and 2/3 at recall 2/3. Each counts as the highest at its recall or beyond, so 2/3 twice:
    1/3 * 2/3 + 1/3 * 2/3 = 4/9. Without that it were 1/3 * 1/2 + 1/3 * 2/3 = 7/18.
    """
    found = [("cat", NOWHERE, 0.9), ("cat", A, 0.8), ("cat", B, 0.7), ("cat", NOWHERE, 0.6)]
    truth = [("i", "cat", A), ("i", "cat", B), ("i", "cat", C)]
    assert only(tmp_path, truth, found) == pytest.approx(4 / 9)


def test_scores_interleaved_over_pictures(tmp_path: Path) -> None:
    """Scores in no order within pictures i, j: sorted over both, right 0.9 (j), wrong 0.8 (i), right 0.7 (i), wrong 0.6
    (j), right 0.5 (i), of four objects.

    Precision 1 at recall 1/4, 2/3 at 1/2, 3/5 at 3/4. AP = (1 + 2/3 + 3/5) / 4 = 34/60 = 17/30.
    """
    truth = [("i", "cat", A), ("i", "cat", B), ("j", "cat", A), ("j", "cat", B)]
    found = {
        "i": [("cat", A, 0.5), ("cat", NOWHERE, 0.8), ("cat", B, 0.7)],
        "j": [("cat", NOWHERE, 0.6), ("cat", A, 0.9)],
    }
    assert measure(tmp_path, truth, found)["mAP50"] == pytest.approx(17 / 30)


def test_group_matched_several_times_counts_once(tmp_path: Path) -> None:
    """Wrong at 0.95; three detections in the group at 0.9, 0.85, 0.8; the object C at 0.7.

    The group is found once, at 0.9, and the other two are neither right nor wrong. Precision 1/2 at recall 1/2, 2/3 at
    recall 1, made monotonous: AP = 2/3. Were the other two wrong, 2/5 would stand at recall 1, and AP = 9/20.
    """
    truth: list[Truth] = [("i", "cat", GROUP, True), ("i", "cat", C)]
    inside = [("cat", A, 0.9), ("cat", B, 0.85), ("cat", (32, 0, 64, 32), 0.8)]
    found = [("cat", NOWHERE, 0.95), *inside, ("cat", C, 0.7)]
    assert only(tmp_path, truth, found) == pytest.approx(2 / 3)


def test_group_not_found_is_a_miss(tmp_path: Path) -> None:
    """C found, the group not: recall ends at 1/2 with precision 1. AP = 1/2; in OpenImages V2's metric it were 1."""
    truth: list[Truth] = [("i", "cat", GROUP, True), ("i", "cat", C)]
    assert only(tmp_path, truth, [("cat", C, 0.9)]) == 0.5


def test_an_object_in_a_group_comes_before_the_group(tmp_path: Path) -> None:
    """A detection fits the object A, which lies in the group: it finds A only. One of two found: AP = 1/2."""
    truth: list[Truth] = [("i", "cat", GROUP, True), ("i", "cat", A)]
    assert only(tmp_path, truth, [("cat", A, 0.9)]) == 0.5


def test_a_duplicate_in_a_group_finds_the_group(tmp_path: Path) -> None:
    """A is found at 0.9; the second detection of A, at 0.8, is no object's, but lies in the group. AP = 1."""
    truth: list[Truth] = [("i", "cat", GROUP, True), ("i", "cat", A)]
    assert only(tmp_path, truth, [("cat", A, 0.9), ("cat", A, 0.8)]) == 1.0


@pytest.mark.parametrize(("bottom", "expected"), [(96, 1.0), (97, 0.0)])
def test_a_group_takes_what_lies_half_in_it(tmp_path: Path, bottom: float, expected: float) -> None:
    """The detection reaches from y = 32, the group ends at y = 64.

    To y = 96, 32 of 64 rows are inside, exactly half: found, AP = 1. To y = 97, 32 of 65: wrong, AP = 0. The union does
    not matter: the detection covers an eighth of the group at most.
    """
    assert only(tmp_path, [("i", "cat", GROUP, True)], [("cat", (0, 32, 16, bottom), 0.9)]) == expected


def test_the_group_is_the_one_with_most_of_the_detection(tmp_path: Path) -> None:
    """Two groups overlap; the detection lies 3/4 in the first and wholly in the second: it finds the second only.

    One of two found: AP = 1/2. A second detection, wholly in the first, makes it 1.
    """
    truth: list[Truth] = [("i", "cat", (0, 0, 56, 64), True), ("i", "cat", (32, 0, 96, 64), True)]
    inside = [("cat", (32, 0, 64, 32), 0.9)]
    assert only(tmp_path, truth, inside) == 0.5
    assert only(tmp_path, truth, [*inside, ("cat", (0, 0, 16, 16), 0.3)]) == 1.0


def test_a_score_of_zero_does_not_find_a_group(tmp_path: Path) -> None:
    """The only detection in the group has the score 0: it is not wrong, but the group stays unfound. AP = 0."""
    assert only(tmp_path, [("i", "cat", GROUP, True)], [("cat", A, 0.0)]) == 0.0


def test_an_unverified_class_is_ignored(tmp_path: Path) -> None:
    """Picture j says nothing about cats: the detection there, best of all, does not count. Of i's one cat: AP = 1."""
    found = {"i": [("cat", A, 0.5)], "j": [("cat", A, 0.99)]}
    truth = [("i", "cat", A), ("j", "dog", A)]
    assert measure(tmp_path, truth, found)["AP50/cat"] == 1.0


@pytest.mark.parametrize("verdict", [0, 1])
def test_a_verified_class_without_boxes_is_not(tmp_path: Path, verdict: int) -> None:
    """Picture j is verified to have no cat, or one without a box: the detection there is wrong, and comes first.

    Precision 1/2 at recall 1: AP = 1/2.
    """
    found = {"i": [("cat", A, 0.5)], "j": [("cat", A, 0.99)]}
    assert measure(tmp_path, [("i", "cat", A)], found, [("j", "cat", verdict)])["mAP50"] == 0.5


def test_equal_scores_keep_the_pictures_order(tmp_path: Path) -> None:
    """Right in i and wrong in j, both at 0.5. With i first, precision 1 at recall 1: AP = 1. With j first, 1/2."""
    right, wrong = [("cat", A, 0.5)], [("cat", NOWHERE, 0.5)]
    truth, labels = [("i", "cat", A)], [("j", "cat", 0)]
    assert measure(tmp_path, truth, {"i": right, "j": wrong}, labels)["mAP50"] == 1.0
    assert measure(tmp_path, truth, {"j": wrong, "i": right}, labels)["mAP50"] == 0.5


def test_equal_scores_keep_the_detections_order(tmp_path: Path) -> None:
    """A and a slightly smaller box on it, both at 0.5, then a wrong one at 0.4: the first is right, whichever it is.

    Then precision 1 at recall 1: AP = 1.
    """
    smaller = (0, 0, 32, 24)
    for first, second in ((A, smaller), (smaller, A)):
        found = [("cat", first, 0.5), ("cat", second, 0.5), ("cat", NOWHERE, 0.4)]
        assert only(tmp_path, [("i", "cat", A)], found) == 1.0


def test_equal_scores_keep_the_detections_order_around_a_group(tmp_path: Path) -> None:
    """A, which finds the group that it lies in, and a wrong one, both at 0.5: AP = 1; the other way round, 1/2."""
    truth: list[Truth] = [("i", "cat", GROUP, True)]
    in_group, wrong = ("cat", A, 0.5), ("cat", NOWHERE, 0.5)
    assert only(tmp_path, truth, [in_group, wrong]) == 1.0
    assert only(tmp_path, truth, [wrong, in_group]) == 0.5


def test_no_detections(tmp_path: Path) -> None:
    """Nothing found of one object: AP = 0, and the class is in the mean."""
    assert measure(tmp_path, [("i", "cat", A)], {"i": []}) == {"mAP50": 0.0, "classes": 1, "AP50/cat": 0.0}


def test_no_ground_truth(tmp_path: Path) -> None:
    """Dogs are verified not to be there: whatever is detected, they have no AP, and are not in the mean: 1, not 1/2.

    Where no class occurs there is no mean.
    """
    found: list[Found] = [("cat", A, 0.9), ("dog", A, 0.9)]
    figures = measure(tmp_path, [("i", "cat", A)], {"i": found}, [("i", "dog", 0)])
    assert figures == {"mAP50": 1.0, "classes": 1, "AP50/cat": 1.0}
    assert measure(tmp_path, [], {"i": found}, [("i", "dog", 0)]) == {}


def test_mean_over_the_classes_that_occur(tmp_path: Path) -> None:
    """Cats: AP = 1. Dogs: one of two, AP = 1/2. Owls: none of one, AP = 0. The mean is 1/2, however many there are."""
    truth = [("i", "cat", A), ("i", "dog", A), ("i", "dog", B), ("i", "owl", A)]
    figures = measure(tmp_path, truth, {"i": [("cat", A, 0.2), ("dog", B, 0.9)]})
    assert figures == {"mAP50": 0.5, "classes": 3, "AP50/cat": 1.0, "AP50/dog": 0.5, "AP50/owl": 0.0}


@pytest.mark.parametrize(("bottom", "expected"), [(16, 1.0), (15, 0.0)])
def test_an_overlap_of_exactly_a_half_is_enough(tmp_path: Path, bottom: float, expected: float) -> None:
    """The upper 16 rows of A's 32 are detected: IoU exactly 1/2, found. 15 rows: 15/32, wrong."""
    assert only(tmp_path, [("i", "cat", A)], [("cat", (0, 0, 32, bottom), 0.9)]) == expected


def test_a_detection_is_for_the_object_it_overlaps_most(tmp_path: Path) -> None:
    """Two objects, 32 rows from y = 0 and from y = 8, overlap. The first detection fits the upper one, the second, from
    y = 2, overlaps it by 30/34 and the lower one by 26/38, more than half of either: it is for the upper, so wrong.

    One right, then one wrong, of two: AP = 1/2.
    """
    truth = [("i", "cat", (0, 0, 32, 32)), ("i", "cat", (0, 8, 32, 40))]
    assert only(tmp_path, truth, [("cat", (0, 0, 32, 32), 0.9), ("cat", (0, 2, 32, 34), 0.8)]) == 0.5


def test_a_box_without_area_is_no_detection(tmp_path: Path) -> None:
    """At 0.9 a box without height, at 0.8 one turned inside out, at 0.7 A: only that counts. AP = 1."""
    found = [("cat", (0, 0, 32, 0), 0.9), ("cat", (32, 32, 0, 0), 0.8), ("cat", A, 0.7)]
    assert only(tmp_path, [("i", "cat", A)], found) == 1.0


# Masks


def block(box: Box) -> NDArray[np.bool_]:
    """Give the mask that covers ``box``."""
    x0, y0, x1, y1 = (int(value) for value in box)
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


def measure_masks(
    folder: Path,
    truth: Sequence[Truth],
    masks: dict[int, NDArray[np.bool_]],
    found: Sequence[tuple[NDArray[np.bool_], float]],
    more_masks: Sequence[Box] = (),
    mask_groups: Sequence[bool] | None = None,
    **options: Any,
) -> dict[str, float]:
    """Evaluate detections of cats by mask in picture i.

    ``masks`` are of the objects by their place in ``truth``; ``more_masks``, full blocks, have a row of their own only.
    ``mask_groups`` gives that table a column of groups.
    """
    write_tables(folder, truth, [("i", "cat", 1)])
    heading = "MaskPath,ImageID,LabelName,BoxID,BoxXMin,BoxXMax,BoxYMin,BoxYMax,PredictedIoU,Clicks"
    rows = [heading + (",IsGroupOf" if mask_groups else "")]
    given = [*((truth[place][2], mask) for place, mask in masks.items()), *((box, block(box)) for box in more_masks)]
    for number, ((x0, y0, x1, y1), mask) in enumerate(given):
        Image.fromarray(mask).save(folder / f"m{number}.png")
        box = f"{x0 / SIDE:.6f},{x1 / SIDE:.6f},{y0 / SIDE:.6f},{y1 / SIDE:.6f}"
        group = f",{int(mask_groups[number])}" if mask_groups else ""
        rows.append(f"m{number}.png,i,cat,{number},{box},0.9,{group}")
    (folder / "masks.csv").write_text("\n".join(rows) + "\n")
    files = {name: folder / f"{name}.csv" for name in ("boxes", "labels", "masks")}
    data = OpenImagesDataset("case", folder, **files, **options)
    assert data.problems == []
    everything = (0, 0, SIDE, SIDE)
    stack = np.array([mask for mask, _ in found], np.bool_).reshape(-1, SIDE, SIDE)
    result = detections([("cat", everything, score) for _, score in found], dict(data.classes), stack)
    return data.evaluate({"i": result}, {"i": (SIDE, SIDE)})


def test_masks_are_compared_not_boxes(tmp_path: Path) -> None:
    """The object is the upper left triangle of A's square, of 528 = 32 * 33 / 2 samples, the detection the whole square
    of 1024: IoU 528/1024, above half: AP = 1. Without the diagonal it is 496/1024, below: AP = 0.

    The detection's box, here the whole picture, does not matter.
    """
    for diagonal, expected in ((0, 1.0), (1, 0.0)):
        triangle = np.zeros((SIDE, SIDE), np.bool_)
        triangle[:32, :32] = np.flipud(np.tril(np.ones((32, 32), np.bool_), -diagonal))
        figures = measure_masks(tmp_path, [("i", "cat", A)], {0: triangle}, [(block(A), 0.9)])
        assert figures["mask_mAP50"] == expected
        assert figures["mAP50"] == 0.0


def test_an_object_without_a_mask_does_not_count(tmp_path: Path) -> None:
    """A has a mask and is found at 0.8; B has a box only, and the detection of it at 0.9 is neither right nor wrong.

    One object, found: AP = 1. A second detection of B, at 0.85, is wrong, however: precision 1/2, AP = 1/2.
    """
    truth = [("i", "cat", A), ("i", "cat", B)]
    masks = {0: block(A)}
    assert measure_masks(tmp_path, truth, masks, [(block(A), 0.8), (block(B), 0.9)])["mask_mAP50"] == 1.0
    found = [(block(A), 0.8), (block(B), 0.9), (block(B), 0.85)]
    assert measure_masks(tmp_path, truth, masks, found)["mask_mAP50"] == 0.5


def test_what_lies_in_a_group_without_a_mask_is_ignored(tmp_path: Path) -> None:
    """C has a mask and is found at 0.5; two detections at 0.9 and 0.8 lie in a group that has a box only. AP = 1."""
    truth: list[Truth] = [("i", "cat", GROUP, True), ("i", "cat", C)]
    found = [(block(A), 0.9), (block(B), 0.8), (block(C), 0.5)]
    assert measure_masks(tmp_path, truth, {1: block(C)}, found)["mask_mAP50"] == 1.0


def test_a_group_with_a_mask_counts_once(tmp_path: Path) -> None:
    """The group's mask is A and B. Detections of either, at 0.9 and 0.8, find it once; C is missed. AP = 1/2."""
    truth: list[Truth] = [("i", "cat", GROUP, True), ("i", "cat", C)]
    masks = {0: block(A) | block(B), 1: block(C)}
    assert measure_masks(tmp_path, truth, masks, [(block(A), 0.9), (block(B), 0.8)])["mask_mAP50"] == 0.5


def test_an_empty_mask_is_no_detection(tmp_path: Path) -> None:
    """Nothing at 0.9, A at 0.5: AP = 1."""
    empty = np.zeros((SIDE, SIDE), np.bool_)
    assert (
        measure_masks(tmp_path, [("i", "cat", A)], {0: block(A)}, [(empty, 0.9), (block(A), 0.5)])["mask_mAP50"] == 1.0
    )


def test_masks_of_another_size_are_brought_to_the_pictures(tmp_path: Path) -> None:
    """The mask of A at half the picture's size: AP = 1."""
    assert measure_masks(tmp_path, [("i", "cat", A)], {0: block(A)[::2, ::2]}, [(block(A), 0.5)])["mask_mAP50"] == 1.0


def test_masks_join_boxes_by_six_decimals_or_exactly(tmp_path: Path) -> None:
    """A box of a third of the side is 0.333333… in one file, 0.333333 in the other.

    Rounded, they are one object, found at 0.9 and again, so wrong, at 0.8; B is found at 0.7: AP = 1/2 + 1/2 * 2/3 =
    5/6. Exactly, they are two, one of which has a box only and takes the second detection out: AP = 1.
    """
    third = (0, 0, SIDE / 3, SIDE / 3)
    truth = [("i", "cat", third), ("i", "cat", B)]
    masks = {0: block(third), 1: block(B)}
    found = [(block(third), 0.9), (block(third), 0.8), (block(B), 0.7)]
    assert measure_masks(tmp_path, truth, masks, found)["mask_mAP50"] == pytest.approx(5 / 6)
    assert measure_masks(tmp_path, truth, masks, found, mask_join="exact")["mask_mAP50"] == 1.0


def test_an_object_of_the_masks_table_alone_is_none_by_boxes(tmp_path: Path) -> None:
    """A has a row in both tables, B in the masks' only, and both masks are found: by mask, two of two, AP = 1.

    By boxes there is A, and the detections' boxes, the whole picture, do not fit it; without A, no cat.
    """
    found = [(block(A), 0.9), (block(B), 0.8)]
    figures = measure_masks(tmp_path, [("i", "cat", A)], {0: block(A)}, found, [B])
    by_mask = {"mask_mAP50": 1.0, "mask_classes": 1, "mask_AP50/cat": 1.0}
    assert figures == {"mAP50": 0.0, "classes": 1, "AP50/cat": 0.0, **by_mask}
    assert measure_masks(tmp_path, [], {}, found, [A, B]) == by_mask


@pytest.mark.parametrize("how", ["rounded", "exact"])
@pytest.mark.parametrize(("mask_group", "expected"), [(True, 1.0), (False, 0.5)])
def test_a_group_s_mask_is_a_group_s(tmp_path: Path, how: str, mask_group: bool, expected: float) -> None:
    """A group at A, and C. A quarter of A is detected at 0.9, C at 0.8.

    The group's mask is a group's as well: both are found, AP = 1. The masks' table has an object instead: it is an
    object of its own, a quarter of which is no match, but lies in the group without a mask, by its box, and so counts
    neither way. C is one of two: AP = 1/2.
    """
    quarter = (0, 0, 16, 16)
    truth: list[Truth] = [("i", "cat", A, True), ("i", "cat", C)]
    masks, groups = {0: block(A), 1: block(C)}, [mask_group, False]
    found = [(block(quarter), 0.9), (block(C), 0.8)]
    figures = measure_masks(tmp_path, truth, masks, found, mask_groups=groups, mask_join=how)
    assert figures["mask_mAP50"] == expected


def test_equal_rows_are_joined_each_with_each_or_one_with_one(tmp_path: Path) -> None:
    """A is twice among the boxes and once among the masks, and is found at 0.9.

    Exactly joined, both have the mask, and one of two is found: AP = 1/2. Rounded, one has it and counts: AP = 1.
    """
    truth = [("i", "cat", A), ("i", "cat", A)]
    found = [(block(A), 0.9)]
    assert measure_masks(tmp_path, truth, {0: block(A)}, found, mask_join="exact")["mask_mAP50"] == 0.5
    assert measure_masks(tmp_path, truth, {0: block(A)}, found)["mask_mAP50"] == 1.0


def test_exactly_joined_objects_stand_by_their_coordinates(tmp_path: Path) -> None:
    """Groups at 0..64 and 0..32, in this order. 0..16 lies in both; 48..64 in the large one only. 0.9 and 0.8.

    The first detection is for the first of the groups that it lies in wholly. Exactly joined that is the small one, as
    its XMax is less: each finds one, AP = 1. Rounded, it is the large one, where the second counts neither way; the
    small one is missed: AP = 1/2.
    """
    large, small = (0, 0, 64, 64), (0, 0, 32, 32)
    truth: list[Truth] = [("i", "cat", large, True), ("i", "cat", small, True)]
    masks = {0: block(large), 1: block(small)}
    found = [(block((0, 0, 16, 16)), 0.9), (block((48, 48, 64, 64)), 0.8)]
    assert measure_masks(tmp_path, truth, masks, found, mask_join="exact")["mask_mAP50"] == 1.0
    assert measure_masks(tmp_path, truth, masks, found)["mask_mAP50"] == 0.5


# Files


def test_a_description_in_yaml_and_the_class_names(tmp_path: Path) -> None:
    """The lists as MPEG-VCM cuts them: fewer columns, names with underscores, and masks in the table."""
    from pycocotools import mask as coco_mask

    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "pictures" / "aa.jpg")
    (tmp_path / "boxes.csv").write_text(
        "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\naa,cell_phone,0.0,0.5,0.0,0.5,0\nzz,cell_phone,0,1,0,1,0\n"
    )
    (tmp_path / "labels.csv").write_text("ImageID,LabelName,Confidence\naa,cell_phone,1\naa,dog,0\naa,owl,1\n")
    mask = np.zeros((8, 8), np.uint8, order="F")
    mask[:4, :4] = 1
    counts = base64.b64encode(zlib.compress(coco_mask.encode(mask)["counts"])).decode()
    heading = "ImageID,LabelName,ImageWidth,ImageHeight,XMin,YMin,XMax,YMax,IsGroupOf,Mask,MaskPath"
    (tmp_path / "masks.csv").write_text(f"{heading}\naa,cell_phone,8,8,0.0,0.0,0.5,0.5,0,{counts},aa_m.png\n")
    (tmp_path / "list.lst").write_text("aa.jpg\n")
    (tmp_path / "classes.txt").write_text("dog\ncell_phone\n")
    (tmp_path / "vcm.yaml").write_text(
        "kind: openimages\nimages: pictures\nimage_list: list.lst\nboxes: boxes.csv\nlabels: labels.csv\n"
        "masks: masks.csv\nclasses: classes.txt\n"
    )
    data = load_dataset(tmp_path / "vcm.yaml")
    assert data.name == "vcm"
    assert data.classes == {1: "dog", 2: "cell_phone"}
    assert data.items == [("aa", tmp_path / "pictures" / "aa.jpg", None)]
    assert data.problems == []
    found = detections([("cell_phone", (0, 0, 4, 4), 0.9)], dict(data.classes), mask.astype(np.bool_)[None])
    figures = data.evaluate({"aa": found}, {"aa": (8, 8)})
    assert figures["mAP50"] == figures["mask_mAP50"] == 1.0


def test_class_descriptions_give_names_and_select(tmp_path: Path) -> None:
    write_tables(tmp_path, [("i", "/m/01", A), ("i", "/m/02", B)], [("i", "/m/03", 0)])
    (tmp_path / "names.csv").write_text("LabelName,DisplayName\n/m/01,House cat\n/m/02,Dog\n/m/03,Owl\n")
    (tmp_path / "some.txt").write_text("owl\nHouse_Cat\n")
    files = {"boxes": tmp_path / "boxes.csv", "labels": tmp_path / "labels.csv", "descriptions": tmp_path / "names.csv"}
    assert OpenImagesDataset("all", tmp_path, **files).classes == {1: "House cat", 2: "Dog", 3: "Owl"}
    some = OpenImagesDataset("some", tmp_path, **files, classes=tmp_path / "some.txt")
    assert some.classes == {1: "Owl", 2: "House cat"}
    figures = some.evaluate({"i": detections([("House cat", A, 0.5)], dict(some.classes))}, {"i": (SIDE, SIDE)})
    assert figures == {"mAP50": 1.0, "classes": 1, "AP50/House cat": 1.0}


def test_without_a_list_all_pictures_of_the_tables_are_meant(tmp_path: Path) -> None:
    write_tables(tmp_path, [("b", "cat", A)], [("a", "cat", 0)])
    data = OpenImagesDataset("case", tmp_path, tmp_path / "boxes.csv", tmp_path / "labels.csv")
    assert [item.id for item in data.items] == ["a", "b"]


def test_a_missing_mask_is_named(tmp_path: Path) -> None:
    write_tables(tmp_path, [("abc", "cat", A)], [])
    rows = "MaskPath,ImageID,LabelName,BoxXMin,BoxXMax,BoxYMin,BoxYMax\n{},abc,cat,0.0,0.25,0.0,0.25\n"
    (tmp_path / "masks.csv").write_text(rows.format("none.png"))
    files = {name: tmp_path / f"{name}.csv" for name in ("boxes", "labels", "masks")}
    (tmp_path / "masks.csv").write_text(rows.format(""))
    with pytest.raises(DatasetError, match="neither MaskPath nor Mask"):
        OpenImagesDataset("case", tmp_path, **files)
    (tmp_path / "masks.csv").write_text(rows.format("none.png"))
    (problem,) = OpenImagesDataset("case", tmp_path, **files).problems
    assert "picture abc" in problem
    assert "none.png" in problem
    (tmp_path / "A").mkdir()  # as the masks are distributed: in folders by the id's first digit
    Image.fromarray(block(A)).save(tmp_path / "A" / "none.png")
    assert OpenImagesDataset("case", tmp_path, **files).problems == []


def test_the_digest_is_of_tables_list_and_classes(tmp_path: Path) -> None:
    write_tables(tmp_path, [("i", "cat", A), ("j", "cat", B)], [])
    (tmp_path / "one.lst").write_text("i\n")
    files = {"boxes": tmp_path / "boxes.csv", "labels": tmp_path / "labels.csv"}
    both = OpenImagesDataset("case", tmp_path, **files).digest()
    assert OpenImagesDataset("other", tmp_path, **files).digest() == both
    assert OpenImagesDataset("case", tmp_path, **files, image_list=tmp_path / "one.lst").digest() != both
    write_tables(tmp_path, [("i", "cat", A), ("j", "cat", C)], [])
    assert OpenImagesDataset("case", tmp_path, **files).digest() != both


def test_what_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    write_tables(tmp_path, [("i", "cat", A)], [])
    boxes, labels = tmp_path / "boxes.csv", tmp_path / "labels.csv"
    with pytest.raises(DatasetError, match=r"none\.csv"):
        OpenImagesDataset("case", tmp_path, tmp_path / "none.csv", labels)
    with pytest.raises(DatasetError, match="no column XMin"):
        OpenImagesDataset("case", tmp_path, labels, labels)
    good = boxes.read_text()
    boxes.write_text(good.replace("0.25", "wide", 1))
    with pytest.raises(DatasetError, match=r"boxes\.csv, line 2: XMax is 'wide'"):
        OpenImagesDataset("case", tmp_path, boxes, labels)
    boxes.write_text(good.replace(",0.0,", ",0.5,", 1))
    with pytest.raises(DatasetError, match=r"boxes\.csv, line 2: the box ends before it begins"):
        OpenImagesDataset("case", tmp_path, boxes, labels)
    labels.write_text(labels.read_text() + "i,verification,cat,\n")
    boxes.write_text(good)
    with pytest.raises(DatasetError, match=r"labels\.csv, line 2: Confidence is ''"):
        OpenImagesDataset("case", tmp_path, boxes, labels)
    labels.write_text(labels.read_text().replace("cat,", "cat,1"))
    boxes.write_text(good + "i,xclick\n")
    with pytest.raises(DatasetError, match="line 3: does not have as many fields"):
        OpenImagesDataset("case", tmp_path, boxes, labels)
    boxes.write_text(good)
    data = OpenImagesDataset("case", tmp_path, boxes, labels)
    with pytest.raises(DatasetError, match="no pictures"):
        data.evaluate({}, {})
    with pytest.raises(DatasetError, match="classifies"):
        data.evaluate({"i": Classification(np.zeros(3, np.float32))}, {"i": (SIDE, SIDE)})


def small_set(folder: Path, **texts: str) -> OpenImagesDataset:
    """Give a data set of picture i with a cat at A, with files as given: boxes, labels, masks, descriptions, …"""
    write_tables(folder, [("i", "cat", A)], [("i", "cat", 1)])
    for name, text in texts.items():
        (folder / f"{name}.csv").write_bytes(text.encode())
    return OpenImagesDataset("case", folder, **{name: folder / f"{name}.csv" for name in {"boxes", "labels", *texts}})


BOXES = "ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf\n"
LABELS = "ImageID,LabelName,Confidence\n"
MASKS = "ImageID,LabelName,BoxXMin,BoxXMax,BoxYMin,BoxYMax,ImageWidth,ImageHeight,Mask\n"


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"boxes": BOXES + "i,cat,0,1.5,0,1,0\n"}, r"boxes\.csv, line 2: the box 0, 0, 1\.5, 1 is not within 0 … 1"),
        (
            {"boxes": BOXES + "i,cat,10,64,10,64,0\n"},
            "the box 10, 10, 64, 64 is not within .* it seems to be in pixels",
        ),
        ({"boxes": BOXES + "i,cat,-0.1,1,0,1,0\n"}, "is not within 0 … 1"),
        ({"boxes": BOXES + "i,cat,nan,1,0,1,0\n"}, "line 2: XMin is 'nan', which is not a number"),
        ({"boxes": BOXES + "i,cat,0,inf,0,1,0\n"}, "line 2: XMax is 'inf', which is not a number"),
        ({"boxes": BOXES + "i,cat,0,1,0,1,\n"}, "line 2: IsGroupOf is '', which is not a number"),
        ({"boxes": BOXES + "i,cat,0,1,0,1,2\n"}, "line 2: IsGroupOf is 2; it must be -1 or 0 or 1"),
        ({"boxes": BOXES + "i,cat,0,1,0,1,0.5\n"}, r"IsGroupOf is 0\.5; it must be"),
        ({"boxes": BOXES + "i,,0,1,0,1,0\n"}, "line 2: LabelName is empty"),
        ({"boxes": BOXES + " ,cat,0,1,0,1,0\n"}, "line 2: ImageID is empty"),
        ({"boxes": BOXES + "i,cat ,0,1,0,1,0\n"}, 'line 2: LabelName is "cat ", with a space before or after it'),
        ({"labels": LABELS + " i,cat,1\n"}, 'line 2: ImageID is " i", with a space before or after it'),
        (
            {"boxes": "ImageID,LabelName,XMin,XMax,YMin,YMax\n"},
            'no column IsGroupOf; the heading is "ImageID,LabelName',
        ),
        ({"boxes": BOXES.replace(",", ";")}, 'no column ImageID; the heading is "ImageID;LabelName'),
        ({"boxes": BOXES.strip() + ",XMin\n"}, "more than one column XMin"),
        ({"boxes": ""}, 'no column ImageID; the heading is ""'),
        ({"labels": LABELS + "i,cat,0.7\n"}, r"labels\.csv, line 2: Confidence is 0\.7; it must be 0 or 1"),
        ({"labels": LABELS + "i,cat,-1\n"}, "Confidence is -1; it must be 0 or 1"),
        ({"labels": "ImageID,Source,LabelName,Confidence\ni,machine,cat,1\n"}, "Source is 'machine'; only labels that"),
        ({"masks": MASKS + "i,cat,0,1,0,1,128,128,AAAA\n"}, r"masks\.csv, line 2: the mask cannot be read"),
        ({"masks": MASKS + "i,cat,0,1,0,1,x,128,AAAA\n"}, "the mask cannot be read"),
        ({"masks": MASKS + "i,cat,0,1,0,1,128,128,é\n"}, "the mask cannot be read"),
        ({"descriptions": "cat,House cat\ncat,Tiger\n"}, "cat is 'House cat' and 'Tiger'"),
        ({"descriptions": "cat\n"}, 'the line "cat" is not a label and a name'),
        (
            {"descriptions": "cat,Cat\n", "classes": "cats\n"},
            "'cats' is neither a label nor a name of the descriptions",
        ),
        ({"descriptions": "cat,Cat\npuma,cat\n", "classes": "CAT\n"}, "'CAT' is the name of cat and puma: write the"),
        ({"image_list": "i.jpg\nj.jpg\ni.png\n"}, 'line 3: picture "i" is listed twice'),
        ({"image_list": "\n"}, "is empty"),
        ({"boxes": BOXES + "i" * 300 + ",cat,0,1,0,1,0\n"}, "cannot be the name of a picture's file"),
        ({"image_list": "k.jpg\n"}, "the tables have no row for any picture of"),
    ],
)
def test_what_the_metric_would_take_wrongly_is_refused(tmp_path: Path, texts: dict[str, str], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        small_set(tmp_path, **texts)


@pytest.mark.parametrize("form", ["\ufeff{}", "{}\n\n"])
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_tables_with_byte_order_marks_and_other_line_ends(tmp_path: Path, form: str, ends: str) -> None:
    boxes = form.format(BOXES + "i,cat,0,0.25,0,0.25,0\n").replace("\n", ends)
    data = small_set(tmp_path, boxes=boxes)
    found = detections([("cat", (0, 0, 32, 32), 0.9)], dict(data.classes))
    assert data.evaluate({"i": found}, {"i": (SIDE, SIDE)})["mAP50"] == 1.0


def test_a_row_that_is_there_twice_is_a_problem_and_counts_once(tmp_path: Path) -> None:
    row = "i,cat,0,0.25,0,0.25,0\n"
    data = small_set(tmp_path, boxes=BOXES + row + row)
    assert data.problems == [f"{tmp_path / 'boxes.csv'}, line 3: repeats the row of line 2"]
    found = detections([("cat", (0, 0, 32, 32), 0.9)], dict(data.classes))
    assert data.evaluate({"i": found}, {"i": (SIDE, SIDE)})["mAP50"] == 1.0


def test_a_group_that_is_not_known_is_a_group(tmp_path: Path) -> None:
    """Two detections lie in the box, each a quarter of it. In a group one is right, the other counts neither way.

    In an object of its own neither would fit: AP = 0.
    """
    data = small_set(tmp_path, boxes=BOXES + "i,cat,0,0.5,0,0.5,-1\n")
    found = [("cat", (0, 0, 32, 32), 0.9), ("cat", (32, 32, 64, 64), 0.8)]
    assert data.evaluate({"i": detections(found, dict(data.classes))}, {"i": (SIDE, SIDE)})["mAP50"] == 1.0


def test_two_labels_with_one_description_are_two_classes(tmp_path: Path) -> None:
    """Three classes of one object each, two of them found: mAP = 2/3."""
    rows = "i,/m/0aa,0,0.25,0,0.25,0\ni,/m/0bb,0.5,1,0.5,1,0\ni,/m/0cc,0.5,1,0,0.25,0\n"
    names = "/m/0aa,Bat\n/m/0bb,Bat\n/m/0cc,Cup\n"
    data = small_set(tmp_path, boxes=BOXES + rows, labels=LABELS, descriptions=names)
    assert data.classes == {1: "Bat", 2: "Bat", 3: "Cup"}
    found = Detections(
        np.array([[0, 0, 32, 32], [64, 0, 128, 32]], np.float32), np.array([0.9, 0.8], np.float32), np.array([1, 3])
    )
    assert data.evaluate({"i": found}, {"i": (SIDE, SIDE)}) == {
        "mAP50": pytest.approx(2 / 3),
        "classes": 3,
        "AP50/Bat (/m/0aa)": 1.0,
        "AP50/Bat (/m/0bb)": 0.0,
        "AP50/Cup": 1.0,
    }
    assert match_names({7: "cup"}, data.classes) == {7: 3}
    with pytest.raises(DatasetError, match=r'2 classes with the name "bat" \(ids 1, 2\).*--labels ids'):
        match_names({7: "cup", 8: "bat"}, data.classes)


def test_a_mask_that_is_turned_is_refused(tmp_path: Path) -> None:
    """The mask is 64 wide and 128 high, the picture 128 wide and 64 high."""
    from pycocotools import mask as coco_mask

    encoded = coco_mask.encode(np.asfortranarray(np.ones((SIDE, SIDE // 2), np.uint8)))
    text = base64.b64encode(zlib.compress(encoded["counts"])).decode()
    data = small_set(tmp_path, masks=MASKS + f"i,cat,0,1,0,1,{SIDE // 2},{SIDE},{text}\n")
    found = detections([("cat", (0, 0, 64, 64), 0.9)], dict(data.classes), np.ones((1, SIDE // 2, SIDE), np.bool_))
    with pytest.raises(DatasetError, match="it is 64x128, the picture 128x64: one of them is turned"):
        data.evaluate({"i": found}, {"i": (SIDE // 2, SIDE)})
    assert data.evaluate({"i": replace(found, masks=np.ones((1, SIDE, SIDE // 2), np.bool_))}, {"i": (SIDE, SIDE // 2)})
