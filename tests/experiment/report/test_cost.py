"""The report's section on cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from experiment.report.samples import anchor, saved
from vcm_ref.experiment.report.blocks import Paragraph, Table
from vcm_ref.experiment.report.cost import cost
from vcm_ref.experiment.report.long_csv import point_rows
from vcm_ref.experiment.report.method import read_methods


def part(macs: int, parameters: int) -> dict[str, Any]:
    return {"macs": macs, "macs_per_pixel": macs / 307_200, "parameters": parameters}


def with_stages(document: dict[str, Any], *macs: int) -> dict[str, Any]:
    """The anchor with the cost of reduction at each point; restoration costs as much, with a tenth of the numbers."""
    for point, own in zip(document["points"], macs, strict=True):
        point["cost"] = {"reduction": part(own, 400_000), "restoration": part(own, 40_000)}
        point["seconds"] = {"extract": 1.0, "encode": 6.0, "reduce": 2.0, "decode": 1.0, "restore": 4.0, "analyse": 3.0}
    return document


def tables(folder: Path, *documents: dict[str, Any]) -> list[Table]:
    return [block for block in cost(read_methods(saved(folder, *documents))) if isinstance(block, Table)]


def test_a_network_s_parts(tmp_path: Path) -> None:
    network = {"picture": "640x480", "part1": part(307_200_000, 1_500_000), "part2": part(3_072_000, 20_000)}
    table, _ = tables(tmp_path, anchor("a", cost=network), anchor("b", cost=network))
    assert table.headers[0] == "refnet"
    assert table.rows == [("part 1", "1,000", "307.20", "1.50"), ("part 2", "10", "3.07", "0.02")]


def test_reduction_and_restoration_as_ranges_over_points(tmp_path: Path) -> None:
    """One figure where all points cost the same; a method without such stages has no row."""
    klt = with_stages(anchor("klt"), 3_072_000, 1_536_000, 1_536_000, 307_200)
    pca = with_stages(anchor("pca"), *[3_072_000] * 4)
    table, seconds = tables(tmp_path, anchor("plain"), klt, pca)
    assert table.groups == (("", 1), ("reduction", 3), ("restoration", 3))
    assert table.rows == [
        ["klt", "1.0–10", "0.31–3.07", "0.40", "1.0–10", "0.31–3.07", "0.04"],
        ["pca", "10", "3.07", "0.40", "10", "3.07", "0.04"],
    ]
    assert seconds.headers == ("method", "extract", "reduce", "encode", "decode", "restore", "analyse")


def test_seconds_are_the_mean_over_pictures_and_points(tmp_path: Path) -> None:
    """Two pictures a point, so half of what each of the points states; a dash where a method has no such step."""
    (_, table) = tables(tmp_path, anchor("plain"), with_stages(anchor("klt"), 1, 1, 1, 1))
    assert table.rows == [
        ("plain", "0.750", "–", "50.125", "–", "–", "–"),
        ("klt", "0.500", "1.000", "3.000", "0.500", "2.000", "1.500"),
    ]


def test_nothing_is_said_where_nothing_is_known(tmp_path: Path) -> None:
    document = anchor("a")
    for point in document["points"]:
        point["seconds"] = {}
    assert cost(read_methods(saved(tmp_path, document))) == []


def test_the_eigenvectors_that_are_not_counted_are_named(tmp_path: Path) -> None:
    blocks = cost(read_methods(saved(tmp_path, with_stages(anchor("pca"), 1, 1, 1, 1))))
    assert any(isinstance(block, Paragraph) and "eigenvectors" in block.text for block in blocks)


def test_the_spreadsheet_has_the_costs(tmp_path: Path) -> None:
    (path,) = saved(tmp_path, with_stages(anchor("klt"), 1, 2, 3, 4))
    assert json.loads(path.read_text())["points"][0]["cost"]["reduction"]["macs"] == 1
    rows = [row for row in point_rows(read_methods([path])) if row[3] == 1]
    found = {row[5]: (row[6], row[7]) for row in rows if "MAC" in row[5] or "parameters" in row[5]}
    assert found == {
        "MAC: reduction": (1, "1"),
        "MAC a pixel: reduction": (1 / 307_200, "1/pixel"),
        "parameters: reduction": (400_000, "1"),
        "MAC: restoration": (1, "1"),
        "MAC a pixel: restoration": (1 / 307_200, "1/pixel"),
        "parameters: restoration": (40_000, "1"),
    }
