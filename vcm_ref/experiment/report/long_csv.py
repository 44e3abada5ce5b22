"""The figures in long form, for spreadsheets: a row for each quantity. Nothing is rounded."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from io import StringIO
from typing import Any

from ...reporting.printable import spreadsheet_cell
from ..bootstrap import Interval
from ..uncertainty import Resampled
from .certainty import Certainty
from .kilobytes import kilobytes_a_picture
from .method import Method
from .spending import ordered_parts
from .standing import Standing

_INTERVAL = ("low", "high", "level", "resamples", "seed")
POINT_COLUMNS = ("method", "data", "network", "point", "qp", "quantity", "value", "unit", *_INTERVAL)
PICTURE_COLUMNS = ("method", "data", "network", "qp", "picture", "file", "quantity", "value", "unit")
COMPARISON_COLUMNS = (
    "method",
    "anchor",
    "metric",
    "accounting",
    "quantity",
    "interpolation",
    "value",
    "unit",
    *_INTERVAL,
)

Row = Sequence[Any]


def written(columns: Row, rows: Iterable[Row]) -> Iterator[bytes]:
    """Give CSV in UTF-8, line by line, since there may be millions; None is an empty field."""
    buffer = StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(spreadsheet_cell, columns))
    for row in rows:
        writer.writerow(map(spreadsheet_cell, row))
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue().encode()


def point_rows(methods: Iterable[Method]) -> Iterator[Row]:
    """Every point's quantities. ``point`` counts a method's from 1, as a published one may have no QP.

    Rows whose ``point`` is ``uncompressed`` hold the accuracy without coding.
    """
    for method in methods:
        who = (method.name, method.data, method.network)
        for name, value in method.uncompressed.items():
            interval = method.interval(None, name)
            yield (*who, "uncompressed", None, name, value, "1", *_interval(interval, method.samples))
        for number, point in enumerate(method.points, start=1):
            for quantity, value, unit in _quantities(point):
                interval = method.interval(point.get("qp"), quantity) if method.samples else None
                yield (*who, number, point.get("qp"), quantity, value, unit, *_interval(interval, method.samples))


def picture_rows(methods: Iterable[Method]) -> Iterator[Row]:
    """Every coded picture's quantities; for one that failed, ``failed`` is 1, without a QP if it did uncompressed."""
    for method in methods:
        who = (method.name, method.data, method.network)
        known = {picture["id"]: picture for picture in method.anchor_file.get("pictures") or ()}
        for point in method.points:
            for picture in point.get("pictures") or ():
                described = known.get(picture["id"], {})
                where = (*who, point.get("qp"), picture["id"], described.get("file"))
                if "height" in described and "width" in described:
                    yield (*where, "pixels", described["height"] * described["width"], "pixel")
                for quantity, value, unit in _coded(picture):
                    yield (*where, quantity, value, unit)
        for qp, picture_id, _ in method.failures:
            yield (*who, qp, picture_id, known.get(picture_id, {}).get("file"), "failed", 1, "picture")


def comparison_rows(standings: Iterable[Standing], metric: str) -> Iterator[Row]:
    """BD-rate and BD-accuracy, and the share of the accuracies that both curves cover; empty where there is none."""
    for standing in standings:
        for accounting, comparison in (("every byte", standing.full), ("rhee2022", standing.rhee2022)):
            if comparison is None:
                continue
            who = (comparison.test, comparison.anchor, metric, accounting)
            sure = standing.certainty
            rate, accuracy = (None, None) if sure is None else (sure.rate, sure.accuracy)
            if sure is not None and accounting == "rhee2022":
                rate, accuracy = sure.rhee2022, None
            none = _interval(None, None)
            yield (*who, "BD-rate", "PCHIP", comparison.rate_pchip, "%", *_interval(rate, sure))
            yield (*who, "BD-rate", "cubic", comparison.rate_cubic, "%", *none)
            yield (*who, "BD-accuracy", "PCHIP", comparison.accuracy_pchip, "0.01", *_interval(accuracy, sure))
            yield (*who, "BD-accuracy", "cubic", comparison.accuracy_cubic, "0.01", *none)
            yield (*who, "overlap", None, comparison.overlap, "1", *none)


def _interval(interval: Interval | None, made: Resampled | Certainty | None) -> Row:
    """Low, high, level, resamples and seed; empty where there is no interval."""
    if interval is None or made is None:
        return (None,) * len(_INTERVAL)
    ends = interval.ends() or (None, None)
    return (*ends, made.bootstrap.level, made.bootstrap.resamples, made.bootstrap.seed)


def _quantities(point: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    yield "bpp", point["bpp"], "bit/pixel"
    if "kbit_per_s" in point:
        yield "kbit_per_s", point["kbit_per_s"], "kbit/s"
    if (kilobytes := kilobytes_a_picture(point)) is not None:
        yield "kilobytes_a_picture", kilobytes, "kB"
    for name in ("rhee2022_bpp", "han2022_bpp"):
        if point.get(name) is not None:
            yield name, point[name], "bit/pixel"
    for name, unit in (("bytes", "byte"), ("pixels", "pixel")):
        if name in point:
            yield name, point[name], unit
    for name, bits in ordered_parts(point.get("bits") or {}).items():
        yield f"bits: {name}", bits, "bit"
    for name, value in point["metrics"].items():
        yield name, value, "1"
    for step, seconds in (point.get("seconds") or {}).items():
        yield f"seconds: {step}", seconds, "s"
    for part, cost in (point.get("cost") or {}).items():
        yield f"MAC: {part}", cost["macs"], "1"
        yield f"MAC a pixel: {part}", cost["macs_per_pixel"], "1/pixel"
        yield f"parameters: {part}", cost["parameters"], "1"
    if "failed" in point:
        yield "failed", len(point["failed"]), "picture"


def _coded(picture: dict[str, Any]) -> Iterator[tuple[str, Any, str]]:
    if "bytes" in picture:
        yield "bytes", picture["bytes"], "byte"
    for name in ("rhee2022_bits", "han2022_bits"):
        if picture.get(name) is not None:
            yield name, picture[name], "bit"
    for name, bits in ordered_parts(picture.get("bits") or {}).items():
        yield f"bits: {name}", bits, "bit"
