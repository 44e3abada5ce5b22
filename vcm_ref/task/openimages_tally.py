"""What has been judged of each class over the pictures of OpenImages, and the metrics and the tally of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vcm_ref.task.openimages_metric import Judged, average_precision
from vcm_ref.task.tally import Detected


class JudgedClasses:
    """Takes one picture's judged detections of one class after the other; ``names`` are the classes' by number.

    ``prefix`` comes before the name of each metric.
    """

    def __init__(self, names: Mapping[int, str], prefix: str) -> None:
        self._names = names
        self._prefix = prefix
        self._judged: dict[int, list[Judged]] = {number: [] for number in names}
        self._pictures: dict[int, list[int]] = {number: [] for number in names}
        self._counts: dict[int, list[int]] = {number: [] for number in names}

    def add(self, number: int, picture: int, count: int, judged: Judged) -> None:
        """Take the detections of class ``number`` in the picture at a place, of which ``count`` could be right."""
        self._judged[number].append(judged)
        self._pictures[number].append(picture)
        self._counts[number].append(count)

    def metrics(self) -> dict[str, float]:
        """The mean over the classes that occur, and each; nothing where no class occurs."""
        prefix = self._prefix
        each = {
            f"{prefix}AP50/{self._names[number]}": average_precision(self._judged[number], sum(counts))
            for number, counts in self._counts.items()
            if sum(counts)
        }
        if not each:
            return {}
        return {f"{prefix}mAP50": sum(each.values()) / len(each), f"{prefix}classes": len(each), **each}

    def tally(self) -> Detected:
        """The tally of the mean; a detection is right or wrong, and none is ignored."""
        scores, pictures, hits, truth, sizes = [], [], [], [], []
        for place, number in enumerate(self._names):
            score, picture, hit = self._ranked(number)
            scores.append(score)
            pictures.append(picture)
            hits.append(hit)
            sizes.append(len(score))
            counted = zip(self._pictures[number], self._counts[number], strict=True)
            truth += [(0, place, picture, count) for picture, count in counted if count]
        starts = np.cumsum([0, *sizes], dtype=np.int64)
        score = np.concatenate([np.zeros(0), *scores])
        picture_of = np.concatenate([np.zeros(0, np.int64), *pictures])
        tied = np.zeros(len(score), np.bool_)
        tied[1:] = (np.diff(score) == 0) & (np.diff(picture_of) == 0)
        tied[starts[:-1][starts[:-1] < len(tied)]] = False
        hit = np.concatenate([np.zeros(0, np.bool_), *hits])[:, None]
        return Detected(
            rule="area",
            names={f"{self._prefix}mAP50": (0,)},
            starts=starts,
            pictures=picture_of,
            tied=tied,
            hits=hit,
            ignored=np.zeros_like(hit),
            truth=np.array(truth, np.int64).reshape(-1, 4),
            ranges=np.zeros(1, np.int64),
        )

    def _ranked(self, number: int) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.bool_]]:
        """Scores, pictures and hits of one class, best first; equal scores keep the order of the pictures."""
        judged, places = self._judged[number], self._pictures[number]
        score = np.concatenate([np.zeros(0), *(one.scores for one in judged)])
        pictures = [np.full(len(one.scores), p, np.int64) for p, one in zip(places, judged, strict=True)]
        order = np.argsort(-score, kind="stable")
        hit = np.concatenate([np.zeros(0, np.bool_), *(one.hits for one in judged)])
        return score[order], np.concatenate([np.zeros(0, np.int64), *pictures])[order], hit[order]
