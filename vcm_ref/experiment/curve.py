"""Rate–accuracy curves: what one is, how one is read from a published curve or from an anchor, and its Pareto front.

``curve.schema.json`` says what a published curve is, and what of an anchor file a curve needs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigError, DatasetError
from ..files.document import check, load
from ..files.schema import packaged


@dataclass(frozen=True)
class Point:
    """One point of a curve.

    ``bpp`` is bits over pixels of the original pictures, a ratio of sums, and ``rhee2022_bpp`` the same in the
    accounting of Rhee et al.; ``accuracy`` is from 0 to 1; ``failed`` counts the pictures that have no result.
    """

    qp: int | None
    bpp: float
    accuracy: float
    rhee2022_bpp: float | None = None
    failed: int = 0


@dataclass(frozen=True)
class Curve:
    """Points of one method in one metric, in the file's order; ``uncompressed`` is the accuracy without coding.

    ``source`` says where the points are from.
    """

    name: str
    metric: str
    points: tuple[Point, ...]
    uncompressed: float | None
    source: str


def read_curve(path: Path, metric: str | None = None) -> Curve:
    """The curve of a published curve file or of an anchor file, in ``metric`` or else in the file's main one.

    Raises :class:`~vcm_ref.errors.DatasetError` for a file that is neither or is unreadable, and
    :class:`~vcm_ref.errors.ConfigError` for a metric that the file has not.
    """
    document = load(path, "json", error=DatasetError)
    kind = document.value.get("kind") if isinstance(document.value, dict) else None
    if kind not in ("curve", "anchor"):
        raise DatasetError(f"{path}: is neither a curve nor an anchor: its \"kind\" must be 'curve' or 'anchor'")
    check(document, packaged(__package__, "curve.schema.json", kind), DatasetError)
    curve_of = _from_published if kind == "curve" else curve_of_anchor
    return curve_of(path, document.value, metric)


def pareto_front(points: Iterable[Point]) -> list[Point]:
    """The points that none other dominates, by rising bpp.

    A point dominates another if its bpp is no higher and its accuracy no lower, and one of the two is better. Points
    that are equal in both do not dominate each other, so all of them are in the front. A point whose bpp or accuracy is
    no finite number is never in it.
    """
    numbers = (point for point in points if math.isfinite(point.bpp) and math.isfinite(point.accuracy))
    front: list[Point] = []
    for point in sorted(numbers, key=lambda point: (point.bpp, -point.accuracy)):
        last = front[-1] if front else None
        if last is None or point.accuracy > last.accuracy or (point.bpp, point.accuracy) == (last.bpp, last.accuracy):
            front.append(point)
    return front


def _from_published(path: Path | str, document: Mapping[str, Any], metric: str | None) -> Curve:
    if metric not in (None, document["metric"]):
        raise ConfigError(f"curve {path}: has no {metric!r}; its metric is {document['metric']!r}")
    scale = 100 if document["unit"] == "percent" else 1
    uncompressed = document.get("uncompressed")
    return Curve(
        name=document["name"],
        metric=document["metric"],
        points=tuple(
            Point(_qp(point), float(point["bpp"]), point["accuracy"] / scale, _rhee2022_bpp(point))
            for point in document["points"]
        ),
        uncompressed=None if uncompressed is None else uncompressed / scale,
        source=document["source"],
    )


def curve_of_anchor(what: Path | str, document: Mapping[str, Any], metric: str | None = None) -> Curve:
    """The curve of an anchor, a document as its schema says; ``what`` names it in errors.

    It has no points where all pictures failed at all of them. Raises as :func:`read_curve`.
    """
    metric = metric or document["main_metric"]
    uncompressed = document["uncompressed"]["metrics"] if document.get("uncompressed") else {}
    available = sorted({name for point in document["points"] for name in point["metrics"]} or set(uncompressed))
    if metric not in available:
        raise ConfigError(f"anchor {what}: has no metric {metric!r}; it has {', '.join(available) or 'none'}")
    return Curve(
        name=document["name"],
        metric=metric,
        points=tuple(
            Point(
                qp=_qp(point),
                bpp=float(point["bpp"]),
                accuracy=_accuracy(what, f"points.{number}", point["metrics"], metric),
                rhee2022_bpp=_rhee2022_bpp(point),
                failed=len(point.get("failed", ())),
            )
            for number, point in enumerate(document["points"])
        ),
        uncompressed=_accuracy(what, "uncompressed", uncompressed, metric) if metric in uncompressed else None,
        source=f"{document['network']['name']} on {document['data']['name']}",
    )


def _accuracy(what: Path | str, where: str, metrics: dict[str, Any], metric: str) -> float:
    value = metrics.get(metric)
    # The schema knows no names of metrics, and some of what an anchor counts is no accuracy.
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise DatasetError(f"anchor {what}: {where}.metrics.{metric} must be a number from 0 to 1, not {value!r}")
    return float(value)


def _qp(point: dict[str, Any]) -> int | None:
    return None if point.get("qp") is None else int(point["qp"])


def _rhee2022_bpp(point: dict[str, Any]) -> float | None:
    return None if point.get("rhee2022_bpp") is None else float(point["rhee2022_bpp"])
