"""The tally of an evaluation by pycocotools: what each picture adds to COCO's average precisions."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vcm_ref.task.tally import Detected

_AREAS = {"all": "", "small": "_small", "medium": "_medium", "large": "_large"}


def coco_tally(evaluation: Any, metric: str = "AP") -> Detected:
    """The tally of a ``COCOeval`` whose pictures have been evaluated; each name begins with that of the ``metric``.

    A picture's number is its place among ``params.imgIds``. A criterion is a range of areas and an overlap.
    """
    parameters = evaluation.params
    overlaps, images = len(parameters.iouThrs), len(parameters.imgIds)
    areas, classes = len(parameters.areaRng), len(parameters.catIds)
    found = [_of_class(evaluation, number, areas, images, overlaps) for number in range(classes)]
    joined = [_of_nothing(areas * overlaps), *found]  # a data set may have no categories
    names = {
        _AREAS[label]: tuple(range(area * overlaps, (area + 1) * overlaps))
        for area, label in enumerate(parameters.areaRngLbl)
    }
    percents = np.rint(100 * np.asarray(parameters.iouThrs)).astype(int).tolist()
    names |= {f"{percent}": (percents.index(percent),) for percent in (50, 75)}
    return Detected(
        rule="coco",
        names={metric + name: criteria for name, criteria in names.items()},
        starts=np.cumsum([0, *(len(one.pictures) for one in found)], dtype=np.int64),
        pictures=np.concatenate([one.pictures for one in joined]),
        tied=np.concatenate([one.tied for one in joined]),
        hits=np.concatenate([one.hits for one in joined]),
        ignored=np.concatenate([one.ignored for one in joined]),
        truth=np.concatenate([one.truth for one in joined]),
        ranges=np.repeat(np.arange(areas), overlaps),
    )


class _OfClass(NamedTuple):
    """One class's part of the arrays of :class:`Detected`."""

    pictures: NDArray[np.int64]
    tied: NDArray[np.bool_]
    hits: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    truth: NDArray[np.int64]


def _of_nothing(criteria: int) -> _OfClass:
    judged = np.zeros((0, criteria), np.bool_)
    return _OfClass(np.zeros(0, np.int64), np.zeros(0, np.bool_), judged, judged, np.zeros((0, 4), np.int64))


def _of_class(evaluation: Any, number: int, areas: int, images: int, overlaps: int) -> _OfClass:
    """What pycocotools found of one class, picture by picture, in ``evalImgs``: class, range of areas, picture."""
    start = number * areas * images
    by_area = [evaluation.evalImgs[start + area * images : start + (area + 1) * images] for area in range(areas)]
    scores, pictures, hits, ignored, truth = [], [], [], [], []
    for picture, judged in enumerate(zip(*by_area, strict=True)):
        if judged[0] is None:  # neither objects nor detections
            continue
        scores.append(np.asarray(judged[0]["dtScores"], np.float64))
        pictures.append(np.full(len(scores[-1]), picture, np.int64))
        hits.append(np.concatenate([one["dtMatches"] != 0 for one in judged]).T)
        ignored.append(np.concatenate([np.asarray(one["dtIgnore"], np.bool_) for one in judged]).T)
        counts = [(area, np.count_nonzero(one["gtIgnore"] == 0)) for area, one in enumerate(judged)]
        truth += [(area, number, picture, count) for area, count in counts if count]
    criteria = areas * overlaps
    score = np.concatenate([np.zeros(0), *scores])
    order = np.argsort(-score, kind="stable")  # pycocotools' order too
    picture_of = np.concatenate([np.zeros(0, np.int64), *pictures])[order]
    score = score[order]
    tied = np.zeros(len(score), np.bool_)
    tied[1:] = (np.diff(score) == 0) & (np.diff(picture_of) == 0)
    return _OfClass(
        picture_of,
        tied,
        np.concatenate([np.zeros((0, criteria), np.bool_), *hits])[order],
        np.concatenate([np.zeros((0, criteria), np.bool_), *ignored])[order],
        np.array(truth, np.int64).reshape(-1, 4),
    )
