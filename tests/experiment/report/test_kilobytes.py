"""Kilobytes a picture: of a classifier's points, by hand, in the report and in the table for spreadsheets."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("bjontegaard", reason="bjontegaard is not installed")
pytest.importorskip("jinja2", reason="jinja2 is not installed")

from vcm_ref.experiment.report.content import report_document
from vcm_ref.experiment.report.kilobytes import kilobytes_a_picture
from vcm_ref.experiment.report.long_csv import point_rows
from vcm_ref.experiment.report.markdown import markdown
from vcm_ref.experiment.report.result_report import compared

from .samples import QPS, anchor, point


def classified() -> dict[str, Any]:
    """An anchor of a classifier: at its four QPs, two pictures have 3.2, 1.6, 0.8 and 0.4 kB together."""
    made = anchor("usual", main_metric="top1", uncompressed={"metrics": {"top1": 0.6}, "failed": []})
    for one in made["points"]:
        one["metrics"] = {"top1": one["metrics"]["AP"]}
    return made


def test_bytes_over_pictures_by_hand() -> None:
    found = {"metrics": {"top1": 0.5, "top5": 0.9}, "bytes": 6150, "pictures": [{"id": 1}, {"id": 2}, {"id": 3}]}
    assert kilobytes_a_picture(found) == 2.05
    assert kilobytes_a_picture({**found, "pictures": []}) is None  # all failed
    assert kilobytes_a_picture({"metrics": {"top1": 0.5}}) is None  # a published point
    assert kilobytes_a_picture(point(22, 2.0, 0.5)) is None  # a detector


def test_a_picture_that_failed_does_not_count() -> None:
    one = point(22, 2.0, 0.5, failed=[2])
    one["metrics"] = {"top1": 0.5}
    assert kilobytes_a_picture(one) == one["bytes"] / 1000


def test_the_report_of_a_classifier_has_the_column() -> None:
    found = compared([classified()])
    text = markdown(report_document("Report", found.standings, found.methods, found.anchor))
    (heading,) = [row for row in text.splitlines() if "bpp (Rhee et al.)" in row]
    column = [cell.strip() for cell in heading.split("|")].index("kB a picture")
    table = [[cell.strip() for cell in row.split("|")] for row in text.splitlines()]
    assert [row[column] for row in table if row[1:2] and row[1] in map(str, QPS)] == ["1.60", "0.80", "0.40", "0.20"]
    rows = [row for row in point_rows(found.methods) if row[5] == "kilobytes_a_picture"]
    assert [(row[4], row[6], row[7]) for row in rows] == [
        (qp, kilobytes, "kB") for qp, kilobytes in zip(QPS, (1.6, 0.8, 0.4, 0.2), strict=True)
    ]


def test_the_report_of_a_detector_does_not() -> None:
    found = compared([anchor("usual")])
    text = markdown(report_document("Report", found.standings, found.methods, found.anchor))
    assert "kB a picture" not in text
    assert not [row for row in point_rows(found.methods) if row[5] == "kilobytes_a_picture"]
