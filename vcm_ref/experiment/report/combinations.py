"""All combinations of grids over layers, Rhee et al.'s Equation 1: their curves, the Pareto front, the best one.

The best combination is the one with the lowest BD-rate (PCHIP, every byte counted) against the *reference*, the
combination of the largest grids, among those that are comparable with it: measured at the same QPs, over as many
pictures, with as many failed, and with curves that overlap at least by half. The reference is comparable with itself,
at 0 %; so it is the best where nothing beats it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...errors import ConfigError, DatasetError
from ...files.schema import packaged
from ..bjontegaard_delta import LITTLE_OVERLAP, Comparison, compare
from ..curve import Curve, Point, pareto_front
from .method import check

PUBLISHED_BEST = ("4x4", "4x4", "16x16", "16x16")
"""What Rhee et al. found for P2 to P5."""


@dataclass(frozen=True)
class Combination:
    """One grid for each layer, with its points by rising QP.

    ``comparison`` is against the reference, None for the reference itself. ``why_not`` says why
    it is not comparable with the reference; empty where it is.
    """

    grids: tuple[str, ...]
    points: tuple[Mapping[str, Any], ...]
    curve: Curve
    comparison: Comparison | None = None
    why_not: str = ""

    @property
    def name(self) -> str:
        """As Rhee et al. write it: {4x4, 4x4, 16x16, 16x16}."""
        return f"{{{', '.join(self.grids)}}}"

    @property
    def uniform(self) -> bool:
        """Whether every layer has the same grid."""
        return len(set(self.grids)) == 1

    @property
    def rate(self) -> float | None:
        """BD-rate (PCHIP) against the reference in percent; 0 for the reference, None where there is no figure."""
        if self.comparison is None:
            return 0.0
        return self.comparison.rate_pchip


@dataclass(frozen=True)
class Combinations:
    """What is made of a document: ``all`` in the order of the grids; ``ranked`` the comparable ones, best first.

    ``alike`` has the points that are over as many pictures as the reference's, with as many failed; ``front`` is the
    Pareto front over these, by rising bpp. ``reference`` is what the others are compared with.
    """

    document: Mapping[str, Any]
    metric: str
    all: tuple[Combination, ...]
    reference: Combination
    ranked: tuple[Combination, ...]
    alike: tuple[tuple[Combination, Point], ...]
    front: tuple[tuple[Combination, Point], ...]

    @property
    def best(self) -> Combination:
        """The one with the lowest BD-rate, as this module defines it."""
        return self.ranked[0]

    @property
    def uncompressed(self) -> float | None:
        """The accuracy without coding."""
        value = ((self.document.get("uncompressed") or {}).get("metrics") or {}).get(self.metric)
        return None if value is None else float(value)

    def found(self, grids: Sequence[str]) -> Combination | None:
        """The combination of these grids, if it was measured."""
        return next((one for one in self.all if one.grids == tuple(grids)), None)


def read_combinations(document: Mapping[str, Any], metric: str | None = None) -> Combinations:
    """Make of a document what its report says, in ``metric`` or else its main one.

    Raises :class:`DatasetError` for a document that is not as ``combinations.schema.json`` says or holds a point twice,
    and :class:`ConfigError` for a metric that it has not.
    """
    check("combinations", document, packaged(__package__, "combinations.schema.json"))
    metric = metric or document["main_metric"]
    points = _by_grids(document)
    measured = {grids: _curve(grids, points[grids], metric) for grids in points}
    if not any(curve.points for curve in measured.values()):
        names = sorted({name for point in document["points"] for name in point["metrics"]})
        raise ConfigError(f"combinations: there is no metric {metric!r}; there are {', '.join(names) or 'none'}")
    plain = [Combination(grids, tuple(points[grids]), curve) for grids, curve in measured.items()]
    reference = max((one for one in plain if one.curve.points), key=lambda one: sum(map(_area, one.grids)))
    found = tuple(_compared(one, reference) for one in plain)
    order = {one.grids: place for place, one in enumerate(found)}
    # Equal BD-rates are in the order of the grids, so that the report does not depend on the document's.
    ranked = sorted((one for one in found if not one.why_not), key=lambda one: (one.rate or 0.0, order[one.grids]))
    alike = _alike(found, reference)
    of = {id(point): one for one, point in alike}
    front = pareto_front(point for _, point in alike)
    return Combinations(
        document=document,
        metric=metric,
        all=found,
        reference=next(one for one in found if one.grids == reference.grids),
        ranked=tuple(ranked),
        alike=alike,
        front=tuple((of[id(point)], point) for point in front),
    )


def _by_grids(document: Mapping[str, Any]) -> dict[tuple[str, ...], list[Mapping[str, Any]]]:
    layers, grids = document["layers"], document["grids"]
    points: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for number, point in enumerate(document["points"]):
        of = tuple(point["grids"])
        if len(of) != len(layers) or not set(of) <= set(grids):
            raise DatasetError(
                f"combinations: points.{number}: {' '.join(of)} is not a combination of the listed grids"
            )
        if any(other["qp"] == point["qp"] for other in points.setdefault(of, [])):
            raise DatasetError(f"combinations: points.{number}: {' '.join(of)} at QP {point['qp']} occurs twice")
        points[of].append(point)
    ordered = sorted(points, key=lambda of: [grids.index(grid) for grid in of])
    return {of: sorted(points[of], key=lambda point: (point["qp"] is None, point["qp"] or 0)) for of in ordered}


def _curve(grids: tuple[str, ...], points: Sequence[Mapping[str, Any]], metric: str) -> Curve:
    """Points without the metric, or with one that is no finite number, have no place in a curve."""
    usable = tuple(
        Point(point["qp"], float(point["bpp"]), float(value), point.get("rhee2022_bpp"), point.get("failed", 0))
        for point in points
        if (value := point["metrics"].get(metric)) is not None and math.isfinite(value)
    )
    return Curve(f"{{{', '.join(grids)}}}", metric, usable, None, "combinations")


def _compared(one: Combination, reference: Combination) -> Combination:
    if one is reference:
        return one
    comparison = compare(reference.curve, one.curve)
    why_not = ""
    if _measured(one) != _measured(reference):
        why_not = "other QPs or pictures than the reference"
    elif comparison.rate_pchip is None:
        why_not = "no BD-rate"
    elif comparison.overlap < LITTLE_OVERLAP:
        why_not = f"overlap of less than {100 * LITTLE_OVERLAP:.0f} %"
    return Combination(one.grids, one.points, one.curve, comparison, why_not)


def _alike(found: Sequence[Combination], reference: Combination) -> tuple[tuple[Combination, Point], ...]:
    """The points of all curves that are over as many pictures as some point of the reference."""
    wanted = {(pictures, failed) for _, pictures, failed in _measured(reference)}
    return tuple(
        (one, point)
        for one in found
        for point in one.curve.points
        if any(point.qp == qp and (pictures, failed) in wanted for qp, pictures, failed in _measured(one))
    )


def _measured(one: Combination) -> list[tuple[int | None, int | None, int]]:
    """What a curve's points are over: QP, number of pictures, how many of them failed."""
    qps = {point.qp for point in one.curve.points}
    return [(p["qp"], p.get("pictures"), p.get("failed", 0)) for p in one.points if p["qp"] in qps]


def _area(grid: str) -> int:
    columns, rows = grid.split("x")
    return int(columns) * int(rows)
