"""The tracker and its metrics: sequences whose figures follow by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vcm_ref.errors import DatasetError
from vcm_ref.task.detections import Detections
from vcm_ref.task.tracking import follow, overlaps, read_truth, track_metrics

Box = tuple[float, float, float, float]


def detections(*found: tuple[Box, float, int]) -> Detections:
    """Boxes with their scores and labels."""
    boxes, scores, labels = zip(*found, strict=True) if found else ((), (), ())
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.array(scores, np.float32), np.array(labels, np.int64)
    )


def moved(box: Box, across: float, down: float = 0.0) -> Box:
    return box[0] + across, box[1] + down, box[2] + across, box[3] + down


ONE: Box = (10, 10, 30, 30)
OTHER: Box = (60, 10, 80, 30)
CLASSES = (1, 2)


def truth_file(path: Path, rows: list[tuple[float, ...]]) -> Path:
    """A ground-truth file: picture, identity, left, top, width, height, counts, class, visible."""
    path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows), "utf-8")
    return path


def row(picture: int, identity: int, box: Box, counts: int = 1, label: int = 1) -> tuple[float, ...]:
    """MOT counts pixels from 1."""
    return picture, identity, box[0] + 1, box[1] + 1, box[2] - box[0], box[3] - box[1], counts, label, 1.0


def test_overlaps_by_hand() -> None:
    """Half of the width in common: 200 of 600 square pixels."""
    found = overlaps(np.array([ONE]), np.array([ONE, moved(ONE, 10), OTHER]))
    assert found.tolist() == [[1.0, pytest.approx(1 / 3), 0.0]]


def test_a_track_keeps_its_identity_while_it_moves() -> None:
    pictures = [detections((moved(ONE, 8 * t), 0.9, 1), (moved(OTHER, -8 * t), 0.8, 2)) for t in range(8)]
    tracked = list(follow(pictures))
    assert [one.identities.tolist() for one in tracked] == [[1, 2]] * 8  # they cross, and are of two classes
    assert tracked[3].boxes.tolist() == [list(moved(ONE, 24)), list(moved(OTHER, -24))]


def test_a_track_is_found_again_where_it_would_be_by_then() -> None:
    """Ten pixels a picture, unseen for three pictures: without its step, the box would overlap nothing."""
    pictures = [detections((moved(ONE, 10 * t), 0.9, 1)) if t not in (3, 4, 5) else detections() for t in range(8)]
    assert [one.identities.tolist() for one in follow(pictures)] == [[1]] * 3 + [[]] * 3 + [[1]] * 2


def test_a_track_ends_when_it_is_not_seen_for_long() -> None:
    pictures = [detections((ONE, 0.9, 1)), *[detections()] * 11, detections((ONE, 0.9, 1))]
    assert [one.identities.tolist() for one in follow(pictures)] == [[1], *[[]] * 11, [2]]


def test_a_low_score_goes_on_with_a_track_but_begins_none() -> None:
    pictures = [detections((ONE, 0.9, 1)), detections((ONE, 0.2, 1), (OTHER, 0.2, 1)), detections((ONE, 0.05, 1))]
    assert [one.identities.tolist() for one in follow(pictures)] == [[1], [1], []]


def test_perfect_tracks(tmp_path: Path) -> None:
    rows = [row(t + 1, identity, moved(box, 3 * t)) for t in range(6) for identity, box in ((7, ONE), (9, OTHER))]
    pictures = [detections((moved(ONE, 3 * t), 0.9, 1), (moved(OTHER, 3 * t), 0.9, 1)) for t in range(6)]
    assert track_metrics(read_truth(truth_file(tmp_path / "gt.txt", rows), 6, CLASSES), pictures) == {
        "MOTA": 1.0,
        "IDF1": 1.0,
    }


def test_misses_false_tracks_and_a_switch_by_hand(tmp_path: Path) -> None:
    """Ten objects of one identity. Of these, one is missed; two tracks are false.

    From the sixth picture on, the box jumps to where a new track begins: one switch. MOTA = 1 - (1 + 2 + 1) / 10. Of
    the two tracks on the object, the longer has 5 of its 10 places: IDTP 5, IDFN 5, IDFP 4 + 2; IDF1 = 10 / (10 + 11).
    """
    places = [ONE] * 5 + [moved(ONE, 200)] * 5
    rows = [row(t + 1, 1, box) for t, box in enumerate(places)]
    pictures = [detections((box, 0.9, 1)) for box in places]
    pictures[9] = detections()
    pictures[0] = detections((ONE, 0.9, 1), (OTHER, 0.9, 1))
    pictures[1] = detections((ONE, 0.9, 1), (OTHER, 0.9, 1))
    found = track_metrics(read_truth(truth_file(tmp_path / "gt.txt", rows), 10, CLASSES), pictures)
    assert found == {"MOTA": pytest.approx(0.6), "IDF1": pytest.approx(10 / 21)}


def test_a_track_of_another_class_finds_nothing(tmp_path: Path) -> None:
    rows = [row(t + 1, 1, ONE, label=2) for t in range(4)]
    found = track_metrics(
        read_truth(truth_file(tmp_path / "gt.txt", rows), 4, CLASSES), [detections((ONE, 0.9, 1))] * 4
    )
    assert found == {"MOTA": -1.0, "IDF1": 0.0}


def test_a_track_on_an_object_that_does_not_count_is_left_out(tmp_path: Path) -> None:
    rows = [row(t + 1, 1, ONE) for t in range(4)] + [row(t + 1, 2, OTHER, counts=0) for t in range(4)]
    pictures = [detections((ONE, 0.9, 1), (OTHER, 0.9, 1))] * 4
    assert track_metrics(read_truth(truth_file(tmp_path / "gt.txt", rows), 4, CLASSES), pictures) == {
        "MOTA": 1.0,
        "IDF1": 1.0,
    }


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([(1, 1, 5, 5, 9, 9, 1, 1)], "line 1 has no 9 numbers"),
        ([(1, 1, 5, 5, 0, 9, 1, 1, 1)], "line 1 has no 9 numbers"),
        ([(1, 1, 5, 5, 9, 1e308, 1, 1, 1)], "line 1: its box has numbers beyond"),
        ([row(1, 1, ONE), row(5, 1, ONE)], "line 2: picture 5 is none of the 4"),
        ([row(1, 1, ONE), row(1, 1, OTHER)], "picture 1 has an identity twice"),
        ([(1, 1.5, 5, 5, 9, 9, 1, 1, 1)], "line 1: the picture, the identity and the class must be whole numbers"),
        ([(1, 1, 5, 5, 9, 9, 1, 1.5, 1)], "line 1: the picture, the identity and the class must be whole numbers"),
        ([row(1, 1, ONE), (1, 1e300, 5, 5, 9, 9, 1, 1, 1)], "line 2: the picture, the identity and the class"),
        ([row(1, 1, ONE), row(2, 1, ONE, label=77)], "line 2: its class 77 is not a category of the data set"),
    ],
)
def test_what_is_no_ground_truth(rows: list[tuple[float, ...]], words: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=words):
        read_truth(truth_file(tmp_path / "gt.txt", rows), 4, CLASSES)


def test_tracks_without_an_object_that_counts(tmp_path: Path) -> None:
    truth = read_truth(truth_file(tmp_path / "gt.txt", [row(1, 1, ONE, counts=0)]), 1, CLASSES)
    with pytest.raises(DatasetError, match="no object that counts"):
        track_metrics(truth, [detections()])


def test_an_object_that_does_not_count_may_be_of_any_class(tmp_path: Path) -> None:
    (one,) = read_truth(truth_file(tmp_path / "gt.txt", [row(1, 1, ONE, counts=0, label=8)]), 1, CLASSES)
    assert one.objects.labels.tolist() == [8] and one.counts.tolist() == [False]
