"""Comparing what the network made of it: its results by their digests, and the metrics over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from ...task.dataset import ImageId
from ..records import Record
from ..sweep import Measured
from .findings import Aspect, Difference, Level, Section, Tally, worst
from .inputs import Expected


def compare_uncompressed(expected: Expected, found: Measured) -> Section:
    """The network without any coding."""
    anchor = expected.anchor
    known = {picture["id"]: picture.get("result_sha256") for picture in anchor["pictures"]}
    digests = {key: digest for key, digest in known.items() if digest is not None and key in expected.pictures}
    whole = sum(digest is not None for digest in known.values())
    outcomes = Outcomes(expected, "uncompressed")
    outcomes.add(None, anchor["uncompressed"]["metrics"], digests, found, whole)
    failures = [
        Difference(("results",), f"uncompressed, picture {failure.image_id}: {failure.message}", None, failure.image_id)
        for failure in found.failures
        if failure.image_id in digests
    ]
    aspects = outcomes.aspects()
    if failures:
        results = aspects["results"]
        aspects["results"] = Aspect("different", results.compared, results.different, f"{len(failures)} failed")
    return Section(aspects, [*failures, *outcomes.differences], outcomes.metrics)


class Outcomes:
    """Results and metrics of one depth, point by point; a result differs within the tolerance if the metrics do."""

    def __init__(self, expected: Expected, what: str) -> None:
        self._expected = expected
        self._what = what
        self._results = Tally()
        self._levels: dict[str, list[Level]] = {"results": [], "metrics": []}
        self._largest: tuple[float, str] = (0.0, "")
        self._reasons: list[str] = []
        self.differences: list[Difference] = []
        self.metrics: list[Record] = []

    def add(
        self,
        qp: int | None,
        metrics: Mapping[str, float],
        digests: Mapping[ImageId, str],
        found: Measured,
        whole: int,
        explained: Set[ImageId] = frozenset(),
    ) -> None:
        """Compare one point: the anchor's metrics, over ``whole`` pictures, and the digests of some results.

        Where the network was given something else, in ``explained``, other results are counted and not told.
        """
        place = self._what if qp is None else f"{self._what}, QP {qp}"
        compared = [image_id for image_id in digests if image_id in found.records]
        differing = [key for key in compared if found.records[key]["result_sha256"] != digests[key]]
        for image_id in compared:
            where = f"picture {image_id}" if qp is None else f"QP {qp}, picture {image_id}"
            self._results.add(image_id not in differing, where)
        reason = self._expected.no_metrics
        if not reason and (set(found.records) != set(digests) or len(digests) != whole):
            reason = f"not compared at {place}: over {len(found.records)} pictures here, {whole} in the anchor"
        level: Level = "not checked" if reason else self._compare_metrics(qp, place, metrics, found.metrics)
        self._reasons += [reason] if reason else []
        self._levels["metrics"].append(level)
        self._levels["results"].append(_judged(compared, differing, level))
        if unexplained := [image_id for image_id in differing if reason and image_id not in explained]:
            told = f"{len(unexplained)} of {len(compared)} pictures, and no metric says by how much: {reason}"
            text = f"{place}: the network's results differ for {told}"
            self.differences.append(Difference(("results",), text, qp, unexplained[0]))

    def aspects(self) -> dict[str, Aspect]:
        """Of results and of metrics."""
        tally = self._results.aspect()
        results = Aspect(worst(self._levels["results"]), tally.compared, tally.different, tally.note)
        largest, where = self._largest
        notes = [*([f"the largest difference is {largest:.2g}, {where}"] if where else []), *self._reasons[:1]]
        levels = [level for level in self._levels["metrics"] if level != "not checked"]
        different = sum(level != "identical" for level in levels)
        return {"results": results, "metrics": Aspect(worst(levels), len(levels), different, "; ".join(notes))}

    def _compare_metrics(
        self, qp: int | None, place: str, theirs: Mapping[str, float], ours: Mapping[str, float]
    ) -> Level:
        tolerance = self._expected.anchor["tolerance"]["metrics"]
        self.metrics.append({"qp": qp, "anchor": dict(theirs), "here": dict(ours)})
        level: Level = "identical"
        for name in dict.fromkeys([*theirs, *ours]):
            both = name in theirs and name in ours
            gap = abs(theirs[name] - ours[name]) if both else float("inf")
            if gap > self._largest[0]:
                self._largest = gap, f"{name} at {place}"
            if not gap <= tolerance:
                level = "different"
                sides = [f"{side[name]:.6f}" if name in side else "not there" for side in (ours, theirs)]
                text = f"{place}: {name} is {sides[0]}, the anchor's {sides[1]}; the tolerance is {tolerance}"
                self.differences.append(Difference(("metrics",), text, qp))
            elif gap and level == "identical":
                level = "within tolerance"
        return level


def _judged(compared: Sequence[ImageId], differing: Sequence[ImageId], metrics: Level) -> Level:
    """Results have no tolerance of their own: the metrics over them have."""
    if not compared:
        return "not checked"
    if not differing:
        return "identical"
    return "within tolerance" if metrics in ("identical", "within tolerance") else "different"
