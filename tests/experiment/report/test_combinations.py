"""All combinations of grids: the best one, the Pareto front and the CSV, with rates made by hand."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("bjontegaard", reason="bjontegaard is not installed")
pytest.importorskip("jinja2", reason="jinja2 is not installed")

from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.experiment.report import write_combinations
from vcm_ref.experiment.report.combinations import read_combinations
from vcm_ref.experiment.report.combinations_report import FILES, combinations_document
from vcm_ref.experiment.report.markdown import markdown

from .samples import ACCURACIES, BPPS, combinations

GRIDS = {"1x1": 1.5, "2x2": 0.9, "4x4": 0.8, "16x16": 1.0}


def text_of(document: dict[str, Any]) -> str:
    """The Markdown over a document."""
    return markdown(combinations_document(read_combinations(document), "Combinations"))


def test_the_best_of_sixty_four() -> None:
    """Each layer at 0.8 of its rate: 0.8 cubed is 0.512 of the reference's rate everywhere."""
    found = read_combinations(combinations(["p3", "p4", "p5"], GRIDS))
    assert len(found.all) == 64
    assert found.reference.grids == ("16x16",) * 3
    assert found.best.grids == ("4x4",) * 3
    assert found.best.rate == pytest.approx(-48.8)
    assert [one.grids for one in found.ranked[1:4]] == [
        ("2x2", "4x4", "4x4"),
        ("4x4", "2x2", "4x4"),
        ("4x4", "4x4", "2x2"),
    ]
    assert found.ranked[1].rate == pytest.approx(100 * (0.8 * 0.8 * 0.9 - 1))
    assert len(found.ranked) == 64


def test_the_pareto_front_is_the_cheapest_at_each_accuracy() -> None:
    found = read_combinations(combinations(["p4", "p5"], GRIDS))
    assert [one.grids for one, _ in found.front] == [("4x4", "4x4")] * 4
    assert [point.accuracy for _, point in found.front] == sorted(ACCURACIES)
    assert [point.bpp for _, point in found.front] == pytest.approx([0.64 * bpp for bpp in sorted(BPPS)])


def test_the_reference_is_the_best_where_nothing_beats_it() -> None:
    document = combinations(["p4", "p5"], {"1x1": 2.0, "16x16": 1.0})
    text = text_of(document)
    assert "No comparable combination needs fewer bits than {16x16, 16x16}" in text


def test_the_largest_grid_is_by_maps_not_by_name() -> None:
    found = read_combinations(combinations(["p5"], {"8x8": 1.0, "32x1": 1.0, "16x16": 1.0}))
    assert found.reference.grids == ("16x16",)


def test_the_published_best_is_placed() -> None:
    layers = ["p2", "p3", "p4", "p5"]
    seed = ("4x4", "4x4", "16x16", "16x16")
    document = combinations(layers, {"4x4": 1.1, "16x16": 1.0}, {seed: 0.5 / 1.21})
    text = text_of(document)
    assert "it needs 50.0 % fewer bits than {16x16, 16x16, 16x16, 16x16}" in text
    assert "Rhee et al.'s choice for P2 to P5, {4x4, 4x4, 16x16, 16x16}, is number 1: BD-rate −50.00 %" in text
    assert (
        "The best combination has the lowest BD-rate (PCHIP, every byte) against the combination of the largest grids"
        in text
    )
    assert "## The best 10" in text


def test_a_partial_run_ranks_only_what_was_measured_alike() -> None:
    """One combination lacks a QP, one a picture, one the metric at a QP; each would be the best."""
    document = combinations(["p4", "p5"], GRIDS)
    points = document["points"]
    points.remove(next(p for p in points if p["grids"] == ["4x4", "4x4"] and p["qp"] == 22))
    next(p for p in points if p["grids"] == ["4x4", "2x2"] and p["qp"] == 22).update(pictures=1, failed=1)
    next(p for p in points if p["grids"] == ["2x2", "4x4"] and p["qp"] == 22)["metrics"]["AP"] = None
    found = read_combinations(document)
    assert found.best.grids == ("4x4", "16x16")
    assert len(found.ranked) == 13
    text = text_of(document)
    highest = {one.grids for one, point in found.front if point.qp == 22}
    assert highest == {("4x4", "16x16"), ("16x16", "4x4")}  # that of {4x4, 2x2} costs less, over another picture
    assert "1 point over other pictures: not among the dots, and not in the Pareto front" in text
    assert "3 combinations not ranked: other QPs or pictures than the reference" in text
    assert "1 point without a number for AP" in text
    assert "Results of pictures failed: 1 over all points" in text


def test_little_overlap_makes_no_best() -> None:
    """It is cheap, but reaches only accuracies that the reference has least of."""
    document = combinations(["p5"], {"1x1": 0.01, "16x16": 1.0})
    for point, accuracy in zip(document["points"][:4], (0.32, 0.2, 0.1, 0.05), strict=True):
        point["metrics"]["AP"] = accuracy
    found = read_combinations(document)
    assert found.best is found.reference
    assert "1 combination not ranked: overlap of less than 50 %" in text_of(document)


def test_the_reference_need_not_be_uniform() -> None:
    """Layers of different numbers of maps have different largest grids."""
    document = combinations(["p4", "p5"], GRIDS)
    document["points"] = [point for point in document["points"] if len(set(point["grids"])) > 1]
    assert read_combinations(document).reference.grids == ("4x4", "16x16")


def test_files_csv_and_the_same_bytes(tmp_path: Path) -> None:
    document = combinations(["p4", "p5"], GRIDS)
    reverse = {**document, "points": document["points"][::-1]}
    write_combinations(tmp_path / "one", document)
    write_combinations(tmp_path / "two", reverse)
    names = set(FILES) - {"combinations.tallies.zip"}
    assert {path.name for path in (tmp_path / "one").iterdir()} == names
    for name in names - {"combinations.json"}:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    written = json.loads((tmp_path / "one" / "combinations.json").read_text())
    del written["ranking"]
    assert written == document
    assert ElementTree.parse(tmp_path / "one" / "combinations.svg").getroot().tag.endswith("svg")
    with (tmp_path / "one" / "combinations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(document["points"])
    by_point = {(row["grid_p4"], row["grid_p5"], int(row["qp"])): row for row in rows}
    for point in document["points"]:
        row = by_point[(*point["grids"], point["qp"])]
        assert float(row["bpp"]) == point["bpp"]
        assert float(row["AP"]) == point["metrics"]["AP"]
        assert (row["pictures"], row["failed"], row["comparable"]) == ("2", "0", "1")
        assert row["pareto"] == str(int(point["grids"] == ["4x4", "4x4"]))
    assert float(by_point["4x4", "4x4", 22]["bd_rate_pchip"]) == pytest.approx(-36)
    assert float(by_point["16x16", "16x16", 22]["bd_rate_pchip"]) == 0


def test_the_other_metric() -> None:
    document = combinations(["p5"], GRIDS)
    for point, accuracy in zip(document["points"][:4], ACCURACIES, strict=True):
        point["metrics"]["AP50"] = accuracy
    assert read_combinations(document, "AP50").metric == "AP50"
    with pytest.raises(ConfigError, match="no metric 'AP9'; there are AP, AP50"):
        read_combinations(document, "AP9")


def broken(**changes: Any) -> dict[str, Any]:
    """A document with members replaced."""
    return {**combinations(["p5"], GRIDS), **changes}


POINT = combinations(["p5"], GRIDS)["points"][0]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (broken(points=[]), "points: "),
        (broken(grids=["4by4"]), "grids.0: is '4by4'"),
        (broken(points=[{**POINT, "grids": ["3x3"]}]), "points.0: 3x3 is not a combination"),
        (broken(points=[{**POINT, "grids": ["1x1", "1x1"]}]), "points.0: 1x1 1x1 is not a combination"),
        (broken(points=[POINT, POINT]), "points.1: 1x1 at QP 22 occurs twice"),
        (broken(kind="anchor"), "kind: "),
    ],
)
def test_a_document_that_is_none(document: dict[str, Any], told: str) -> None:
    with pytest.raises(DatasetError) as error:
        read_combinations(document)
    assert told in str(error.value)
