"""What each picture of a data set adds to a metric: a tally, from which any selection of the pictures is measured.

Matching detections with objects is done once, picture by picture. A tally keeps its outcome: of each detection the
picture, its place in the ranking of its class, and whether it is right; of each picture the number of objects. So the
metric of a sample in which a picture occurs ``w`` times needs sums with integer weights alone, and it is exactly the
metric of a data set that holds ``w`` copies of the picture, one behind the other (:mod:`~vcm_ref.experiment.bootstrap`
draws such samples).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from vcm_ref.task.dataset import ImageId

Weights = NDArray[np.int32]
"""(P, B): how often each of P pictures occurs in each of B samples."""

RECALLS = np.linspace(0.0, 1.0, 101)
"""The recalls at which COCO reads the precision (pycocotools, ``Params.recThrs``)."""

_ELEMENTS = 2**22  # of one intermediate array: samples are taken in blocks that stay below this


class Part(Protocol):
    """One part of a tally: its metrics for samples of the pictures."""

    def metrics(self, weights: Weights, names: Collection[str] | None = None) -> dict[str, NDArray[np.float64]]:
        """Each metric, or those of ``names``, as (B,) from 0 to 1, with NaN for a sample that has no such metric."""


@dataclass(frozen=True)
class Tally:
    """The tally of one point of a curve: its ``pictures``, in the metric's order, and its parts."""

    pictures: tuple[ImageId, ...]
    parts: tuple[Part, ...]

    def metrics(self, weights: Weights, names: Collection[str] | None = None) -> dict[str, NDArray[np.float64]]:
        """As :meth:`Part.metrics`, over all parts."""
        found: dict[str, NDArray[np.float64]] = {}
        for part in self.parts:
            found |= part.metrics(weights, names)
        return found


@dataclass(frozen=True)
class Classified:
    """Pictures with one class each: ``ranks`` (P,) counts the classes that come before the right one."""

    ranks: NDArray[np.int64]
    tops: tuple[int, ...] = (1, 5)

    def metrics(self, weights: Weights, names: Collection[str] | None = None) -> dict[str, NDArray[np.float64]]:
        """``top1`` and ``top5``: the share of pictures whose class is among the first."""
        count = weights.sum(0, dtype=np.int64)
        asked = [top for top in self.tops if names is None or f"top{top}" in names]
        with np.errstate(invalid="ignore"):
            return {f"top{top}": weights[self.ranks < top].sum(0, dtype=np.int64) / count for top in asked}


@dataclass(frozen=True)
class Detected:
    """Detections that are ranked by score, class by class, and judged by C criteria.

    A criterion is an overlap and a range of areas. ``rule`` says how a precision is averaged over recall: ``coco`` at
    101 recalls, ``area`` as the area under the curve (PASCAL VOC since 2010). ``names`` gives each metric its criteria;
    the metric is the mean over them and over the classes that have an object in the sample.

    Of N detections, best first in each class: ``starts`` (K + 1,) says where each class begins; ``pictures`` (N,);
    ``tied`` (N,) is true for a detection whose picture and score are those of the one before it; ``hits`` and
    ``ignored`` are (N, C). An ignored detection is neither right nor wrong. ``truth`` has a row for each range of
    areas, class and picture with objects: range, class, picture, number of objects; ``ranges`` (C,) is each
    criterion's range.
    """

    rule: Literal["coco", "area"]
    names: Mapping[str, tuple[int, ...]]
    starts: NDArray[np.int64]
    pictures: NDArray[np.int64]
    tied: NDArray[np.bool_]
    hits: NDArray[np.bool_]
    ignored: NDArray[np.bool_]
    truth: NDArray[np.int64]
    ranges: NDArray[np.int64]

    def metrics(self, weights: Weights, names: Collection[str] | None = None) -> dict[str, NDArray[np.float64]]:
        """The mean average precision of each of ``names``."""
        asked = {name: criteria for name, criteria in self.names.items() if names is None or name in names}
        needed = sorted({criterion for criteria in asked.values() for criterion in criteria})
        if not needed:
            return {}
        block = max(1, _ELEMENTS // max(1, len(weights), *np.diff(self.starts).tolist()))
        blocks = []
        for start in range(0, weights.shape[1], block):
            samples = weights[:, start : start + block]
            sums = self._sums(samples, needed)
            blocks.append({name: _mean([sums[criterion] for criterion in of]) for name, of in asked.items()})
        return {name: np.concatenate([block[name] for block in blocks]) for name in asked}

    def _sums(
        self, weights: Weights, criteria: Sequence[int]
    ) -> dict[int, tuple[NDArray[np.float64], NDArray[np.int64]]]:
        """For each criterion the sum of the classes' average precisions in each sample, and the number of classes."""
        samples = weights.shape[1]
        sums = {one: (np.zeros(samples), np.zeros(samples, np.int64)) for one in criteria}
        for number in range(len(self.starts) - 1):
            places, drawn = self._entries(number, weights)
            ranked = np.cumsum(drawn, 0, dtype=np.int64)
            hits, ignored = self.hits[places], self.ignored[places]
            for one in criteria:
                objects = self._objects(int(self.ranges[one]), number, weights)
                if objects is None:
                    continue
                right = np.flatnonzero(hits[:, one] & ~ignored[:, one])
                judged = _judged_before(right, ignored[:, one], drawn, ranked)
                precision = self._average(drawn[right], judged, objects)
                there = objects > 0
                total, count = sums[one]
                total += np.where(there, precision, 0.0)
                count += there
        return sums

    def _average(self, right: Weights, judged: NDArray[np.int64], objects: NDArray[np.int64]) -> NDArray[np.float64]:
        """The average precision of one class in each sample.

        ``right`` (R, B) says how often each right detection occurs, ``judged`` (R, B) how many detections come up to
        it, ``objects`` (B,) how many can be found. Of the copies of a right detection the last has the highest
        precision, and a wrong one lowers it; so it suffices to look behind each group of copies.
        """
        if not len(right):
            return np.zeros(len(objects))
        found = np.cumsum(right, 0, dtype=np.int64)
        count = np.maximum(objects, 1)
        if self.rule == "coco":
            precision = found / (judged + np.spacing(1))
            reached = np.searchsorted(RECALLS, (found / count).ravel(), side="right").reshape(found.shape)
            shares = np.diff(reached, axis=0, prepend=0) / len(RECALLS)
        else:
            precision = found / np.maximum(judged, 1)
            shares = right / count
        ceiling = np.maximum.accumulate(precision[::-1], 0)[::-1]
        # Summed one by one, in this order, on every machine.
        return np.asarray(np.add.accumulate(shares * ceiling, 0)[-1], np.float64)

    def _objects(self, area: int, number: int, weights: Weights) -> NDArray[np.int64] | None:
        """How many objects of a class the samples have; None where the data set has none."""
        rows = self._counts.get((area, number))
        return None if rows is None else rows[:, 1] @ weights[rows[:, 0]].astype(np.int64)

    def _entries(self, number: int, weights: Weights) -> tuple[NDArray[np.int64], Weights]:
        """The (N,) detections of a class in the order of a sample, and (N, B), how often each occurs.

        Where a picture has equal scores, its copies alternate: the first copy's detections come before the second's. So
        they are listed copy by copy, unless their order makes no difference.
        """
        first, last = int(self.starts[number]), int(self.starts[number + 1])
        places: list[NDArray[np.int64]] = []
        copies: list[NDArray[np.int64]] = []
        at = first
        for start, end in self._runs[number]:
            most = int(weights[self.pictures[start]].max(initial=0))
            places += [np.arange(at, start), np.tile(np.arange(start, end), most)]
            copies += [np.zeros(start - at, np.int64), np.repeat(np.arange(1, most + 1), end - start)]
            at = end
        places.append(np.arange(at, last))
        copies.append(np.zeros(last - at, np.int64))
        listed, copy = np.concatenate(places), np.concatenate(copies)
        drawn = weights[self.pictures[listed]]
        single = np.flatnonzero(copy)
        drawn[single] = drawn[single] >= copy[single, None]
        return listed, drawn

    @cached_property
    def _counts(self) -> dict[tuple[int, int], NDArray[np.int64]]:
        """Pictures and numbers of objects, by range of areas and class."""
        order = np.lexsort((self.truth[:, 1], self.truth[:, 0]))
        rows = self.truth[order]
        new = np.flatnonzero(np.any(np.diff(rows[:, :2], axis=0) != 0, 1)) + 1
        return {(int(part[0, 0]), int(part[0, 1])): part[:, 2:] for part in np.split(rows, new) if len(part)}

    @cached_property
    def _runs(self) -> list[list[tuple[int, int]]]:
        """Of each class the ties in which order makes a difference, each from the first detection to past the last."""
        return [list(self._ties(*between)) for between in pairwise(self.starts.tolist())]

    def _ties(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Runs of equal scores in one picture in which not all detections are judged alike."""
        tied = np.flatnonzero(self.tied[first:last]) + first
        end = -1
        for place in tied.tolist():
            if place <= end:
                continue
            start, end = place - 1, place
            while end + 1 < last and self.tied[end + 1]:
                end += 1
            judged = np.concatenate([self.hits[start : end + 1], self.ignored[start : end + 1]], 1)
            if (judged != judged[0]).any():
                yield start, end + 1


def _judged_before(
    right: NDArray[np.intp], ignored: NDArray[np.bool_], drawn: Weights, ranked: NDArray[np.int64]
) -> NDArray[np.int64]:
    """How many detections that count come up to each right one, itself included: (R, B).

    ``drawn`` (N, B) says how often each detection occurs, ``ranked`` is its running sum. Only the smaller of the two
    sets, ignored or not, is summed.
    """
    few = np.count_nonzero(ignored) <= len(ignored) // 2
    listed = np.flatnonzero(ignored if few else ~ignored)
    before = np.searchsorted(listed, right, side="right")
    sums = np.zeros((len(listed) + 1, drawn.shape[1]), np.int64)
    np.cumsum(drawn[listed], 0, dtype=np.int64, out=sums[1:])
    return np.asarray(ranked[right] - sums[before] if few else sums[before])


def _mean(sums: Sequence[tuple[NDArray[np.float64], NDArray[np.int64]]]) -> NDArray[np.float64]:
    """The mean over criteria and classes; NaN where there is no class."""
    total, count = np.zeros(len(sums[0][0])), np.zeros(len(sums[0][0]), np.int64)
    for values, classes in sums:
        total += values
        count += classes
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
