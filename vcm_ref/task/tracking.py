"""Multiple-object tracking over the detections of a sequence: a simple tracker, and MOTA and IDF1 by TrackEval.

The tracker follows boxes by their overlap. A track moves on by its last step (as in Bewley et al., "Simple online and
realtime tracking", 2016, with a constant velocity in the place of a Kalman filter); detections of a high score are
matched first, then those of a low one (Zhang et al., "ByteTrack", 2022). It is the same for every method, and knows
nothing of the truth.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import DatasetError
from vcm_ref.task.dataset import read_text
from vcm_ref.task.detections import Detections

#: Scores from which a detection begins a track, and from which it goes on with one.
HIGH, LOW = 0.5, 0.1
#: The least overlap of a track's next place with a detection; and pictures after which a track that is not seen ends.
_OVERLAP, _PATIENCE = 0.3, 10
#: The overlap from which a track has found an object (MOTChallenge).
_FOUND = 0.5
#: The fields of a line of MOT16's gt.txt, the places of those that are not of the box, and of those that are whole.
_FIELDS = 9
_IDENTITY, _COUNTS, _CLASS = 1, 6, 7
_WHOLE = (0, _IDENTITY, _CLASS)
_LARGEST = 2**53  # floats are integers one by one up to here
Boxes = NDArray[np.float64]
"""(N, 4): left, top, right, bottom in pixels."""


class Tracked(NamedTuple):
    """What is followed in one picture: boxes, and the identity and the class of each (N,)."""

    boxes: Boxes
    identities: NDArray[np.int64]
    labels: NDArray[np.int64]


class Truth(NamedTuple):
    """The objects of one picture, as :class:`Tracked`, and of each whether it counts."""

    objects: Tracked
    counts: NDArray[np.bool_]


@dataclass
class _Track:
    identity: int
    label: int
    box: Boxes
    step: Boxes
    unseen: int = 0


def overlaps(first: Boxes, second: Boxes) -> NDArray[np.float64]:
    """Intersection over union of each of N boxes with each of M: (N, M)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(first[:, None, 2:], second[None, :, 2:])
    both = np.clip(high - low, 0, None).prod(2)
    areas = [np.clip(boxes[:, 2:] - boxes[:, :2], 0, None).prod(1) for boxes in (first, second)]
    found: NDArray[np.float64] = both / np.maximum(areas[0][:, None] + areas[1][None, :] - both, 1e-12)
    return found


def follow(pictures: Sequence[Detections]) -> Iterator[Tracked]:
    """The tracks that are seen in each picture of a sequence, in order."""
    tracks: list[_Track] = []
    begun = 0
    for found in pictures:
        boxes = found.boxes.astype(np.float64)
        for track in tracks:
            track.box = track.box + track.step
            track.unseen += 1
        high = np.flatnonzero(found.scores >= HIGH)
        taken = _match(tracks, boxes, found.labels, high)
        _match(tracks, boxes, found.labels, np.flatnonzero((found.scores >= LOW) & (found.scores < HIGH)))
        for place in np.setdiff1d(high, taken).tolist():
            begun += 1
            tracks.append(_Track(begun, int(found.labels[place]), boxes[place], np.zeros(4)))
        tracks = [track for track in tracks if track.unseen <= _PATIENCE]
        shown = [track for track in tracks if not track.unseen]
        yield Tracked(
            np.array([track.box for track in shown]).reshape(-1, 4),
            np.array([track.identity for track in shown], np.int64),
            np.array([track.label for track in shown], np.int64),
        )


def _match(tracks: Sequence[_Track], boxes: Boxes, labels: NDArray[np.int64], places: NDArray[np.intp]) -> list[int]:
    """Let tracks that wait go on with the detections at ``places``; returns the places that were taken."""
    waiting = [track for track in tracks if track.unseen]
    pairs = _pairs(waiting, boxes[places], labels[places])
    for row, column in pairs:
        _go_on(waiting[row], boxes[places[column]])
    return [int(places[column]) for _, column in pairs]


def _pairs(tracks: Sequence[_Track], boxes: Boxes, labels: NDArray[np.int64]) -> list[tuple[int, int]]:
    """The tracks and detections of one class that belong together, by place: the largest sum of overlaps."""
    from scipy.optimize import linear_sum_assignment

    if not tracks or not len(boxes):
        return []
    overlap = overlaps(np.array([track.box for track in tracks]), boxes)
    overlap[np.array([track.label for track in tracks])[:, None] != labels[None, :]] = 0
    rows, columns = linear_sum_assignment(np.where(overlap >= _OVERLAP, -overlap, 0.0))
    return [
        (int(row), int(column)) for row, column in zip(rows, columns, strict=True) if overlap[row, column] >= _OVERLAP
    ]


def _go_on(track: _Track, box: Boxes) -> None:
    """Let a track go on with a detection; its step is that of its centre since it was last seen, by picture."""
    last = track.box - track.step * track.unseen
    moved = ((box[:2] + box[2:]) - (last[:2] + last[2:])) / 2 / track.unseen
    track.step = np.tile(moved, 2)
    track.box, track.unseen = box, 0


def read_truth(path: Path, pictures: int, classes: Collection[int]) -> list[Truth]:
    """The objects of each of ``pictures``, from a ground-truth file in MOT16's format.

    An object that counts is of one of ``classes``: no track could find it otherwise. Raises :class:`DatasetError`.
    """
    rows: list[list[list[float]]] = [[] for _ in range(pictures)]
    for number, line in enumerate(read_text(path, "the tracks").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = [float(field) for field in line.split(",")]
        except ValueError:
            row = []
        if len(row) != _FIELDS or not np.isfinite(row).all() or min(row[4:6]) <= 0:
            raise DatasetError(f"{path}: line {number} has no {_FIELDS} numbers of a box, as MOT16's gt.txt has")
        if max(map(abs, row[2:6])) > _LARGEST:
            raise DatasetError(f"{path}: line {number}: its box has numbers beyond 2^53")
        if any(not row[place].is_integer() or abs(row[place]) > _LARGEST for place in _WHOLE):
            raise DatasetError(f"{path}: line {number}: the picture, the identity and the class must be whole numbers")
        if row[0] not in range(1, pictures + 1):
            raise DatasetError(f"{path}: line {number}: picture {row[0]:g} is none of the {pictures}")
        if row[_COUNTS] > 0 and row[_CLASS] not in classes:
            raise DatasetError(
                f"{path}: line {number}: its class {row[_CLASS]:.0f} is not a category of the data set; "
                "write 0 in the seventh column if the object shall not count"
            )
        rows[int(row[0]) - 1].append(row)
    found = []
    for number, own in enumerate(rows, start=1):
        table = np.array(own).reshape(-1, _FIELDS)
        identities = table[:, _IDENTITY].astype(np.int64)
        if len(np.unique(identities)) < len(identities):
            raise DatasetError(f"{path}: picture {number} has an identity twice")
        corner = table[:, 2:4] - 1
        boxes = np.concatenate([corner, corner + table[:, 4:6]], 1)
        found.append(Truth(Tracked(boxes, identities, table[:, _CLASS].astype(np.int64)), table[:, _COUNTS] > 0))
    return found


def track_metrics(truth: Sequence[Truth], pictures: Sequence[Detections]) -> dict[str, float]:
    """``MOTA`` and ``IDF1`` of the tracker over the detections of a sequence, by TrackEval.

    A track finds objects of its class alone. One that lies on an object that does not count is left out, as
    MOTChallenge does. Raises :class:`DatasetError` where TrackEval is not installed, or no object counts.
    """
    try:
        from trackeval.metrics import CLEAR, Identity
    except ImportError as error:
        raise DatasetError("measuring MOTA needs trackeval, which is not installed: pip install trackeval") from error

    if not any(one.counts.any() for one in truth):
        raise DatasetError("the tracks have no object that counts")
    numbers: tuple[dict[int, int], dict[int, int]] = {}, {}
    data: dict[str, Any] = {"gt_ids": [], "tracker_ids": [], "similarity_scores": []}
    for own, tracked in zip(truth, follow(pictures), strict=True):
        kept = _judged(own, tracked)
        overlap = _of_one_class(own.objects, tracked)[np.ix_(own.counts, kept)]
        data["gt_ids"].append(_numbered(numbers[0], own.objects.identities[own.counts]))
        data["tracker_ids"].append(_numbered(numbers[1], tracked.identities[kept]))
        data["similarity_scores"].append(overlap)
    data |= {
        "num_timesteps": len(truth),
        "num_gt_dets": sum(map(len, data["gt_ids"])),
        "num_tracker_dets": sum(map(len, data["tracker_ids"])),
        "num_gt_ids": len(numbers[0]),
        "num_tracker_ids": len(numbers[1]),
    }
    quiet = {"PRINT_CONFIG": False}
    clear, identity = CLEAR(quiet).eval_sequence(data), Identity(quiet).eval_sequence(data)
    return {"MOTA": float(clear["MOTA"]), "IDF1": float(identity["IDF1"])}


def _of_one_class(first: Tracked, second: Tracked) -> NDArray[np.float64]:
    found = overlaps(first.boxes, second.boxes)
    found[first.labels[:, None] != second.labels[None, :]] = 0
    return found


def _judged(truth: Truth, tracked: Tracked) -> NDArray[np.bool_]:
    """Which tracks (N,) count: all but those on an object that does not."""
    from scipy.optimize import linear_sum_assignment

    overlap = _of_one_class(truth.objects, tracked)
    overlap[overlap < _FOUND] = 0
    kept = np.ones(len(tracked.boxes), np.bool_)
    rows, columns = linear_sum_assignment(-overlap)
    for row, column in zip(rows, columns, strict=True):
        if overlap[row, column] and not truth.counts[row]:
            kept[column] = False
    return kept


def _numbered(numbers: dict[int, int], identities: NDArray[np.int64]) -> NDArray[np.int64]:
    """Identities as numbers from 0 in the order of their coming."""
    return np.array([numbers.setdefault(one, len(numbers)) for one in identities.tolist()], np.int64)
