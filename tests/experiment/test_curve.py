"""Curves: read from published files and from anchors; what is neither is told in a line; the front is the front."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import vcm_ref.experiment
from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.experiment.curve import Curve, Point, pareto_front, read_curve

PUBLISHED = Path(__file__).parents[2] / "anchors" / "published"
SCHEMA = Path(vcm_ref.experiment.__file__).parent / "curve.schema.json"


def published() -> dict[str, Any]:
    """Give the document of a published curve."""
    return {
        "schema": 1,
        "kind": "curve",
        "name": "theirs",
        "metric": "mAP",
        "codec": "VTM",
        "source": "a table",
        "unit": "percent",
        "uncompressed": 79.23,
        "points": [{"qp": 35, "bpp": 1.36, "accuracy": 78.87}, {"qp": None, "bpp": 0.93, "accuracy": 77.05}],
    }


def anchor() -> dict[str, Any]:
    """Give what of an anchor's document makes a curve, and something more."""
    return {
        "schema": 1,
        "kind": "anchor",
        "name": "ours",
        "main_metric": "AP",
        "data": {"name": "scenes", "sha256": "0" * 64},
        "network": {"name": "refnet"},
        "uncompressed": {"metrics": {"AP": 0.61, "AP50": 0.9, "classes": 8}},
        "points": [
            {"qp": 22, "bpp": 2, "rhee2022_bpp": 2.5, "metrics": {"AP": 0.6, "AP50": 0.8, "classes": 8}, "failed": []},
            {"qp": 27, "bpp": 1.0, "rhee2022_bpp": None, "metrics": {"AP": 0.5, "AP50": 1}, "failed": ["7", "9"]},
        ],
    }


def write(path: Path, document: Any) -> Path:
    """Write ``document`` as JSON."""
    path.write_text(json.dumps(document))
    return path


def test_published_curve(tmp_path: Path) -> None:
    assert read_curve(write(tmp_path / "c.json", published())) == Curve(
        "theirs", "mAP", (Point(35, 1.36, 78.87 / 100), Point(None, 0.93, 77.05 / 100)), 79.23 / 100, "a table"
    )


def test_published_curve_in_fractions_without_more(tmp_path: Path) -> None:
    document = published() | {"unit": "fraction", "points": [{"qp": 35.0, "bpp": 1, "rhee2022_bpp": 2, "accuracy": 1}]}
    del document["uncompressed"]
    curve = read_curve(write(tmp_path / "c.json", document), "mAP")
    assert curve == Curve("theirs", "mAP", (Point(35, 1.0, 1.0, 2.0),), None, "a table")
    assert type(curve.points[0].qp) is int


def test_anchor_in_its_main_metric(tmp_path: Path) -> None:
    curve = read_curve(write(tmp_path / "a.json", anchor()))
    assert curve == Curve(
        "ours", "AP", (Point(22, 2.0, 0.6, 2.5), Point(27, 1.0, 0.5, None, 2)), 0.61, "refnet on scenes"
    )


def test_anchor_in_another_metric(tmp_path: Path) -> None:
    document = anchor() | {"uncompressed": None}
    curve = read_curve(write(tmp_path / "a.json", document), "AP50")
    assert curve.metric == "AP50" and curve.uncompressed is None
    assert [point.accuracy for point in curve.points] == [0.8, 1.0]


@pytest.mark.parametrize(
    ("document", "metric", "message"),
    [
        (published(), "AP", "has no 'AP'; its metric is 'mAP'"),
        (anchor(), "mAP", "has no metric 'mAP'; it has AP, AP50, classes"),
        (anchor() | {"main_metric": "top1"}, None, "has no metric 'top1'; it has AP, AP50, classes"),
    ],
)
def test_a_metric_that_is_not_there(tmp_path: Path, document: Any, metric: str | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        read_curve(write(tmp_path / "f.json", document), metric)
    assert "f.json" in str(caught.value) and "\n" not in str(caught.value)


def with_point(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """Give ``document`` with keys of its first point changed."""
    document["points"][0] |= changes
    return document


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "is neither a curve nor an anchor"),
        ({"kind": "crosscheck"}, "is neither a curve nor an anchor"),
        ({"kind": ["curve"]}, "is neither a curve nor an anchor"),
        (published() | {"schema": 2}, "schema: is 2; must be 1"),
        (published() | {"colour": 2}, "colour: unknown key"),
        (published() | {"points": []}, "points: "),
        (with_point(published(), bpp=-1), "points.0.bpp: is -1; must be at least 0"),
        (with_point(published(), qp=35.5), "points.0.qp: is 35.5; must be an integer or null"),
        (with_point(published(), bpp="1"), "points.0.bpp: is '1'; must be a number"),
        (with_point(published(), accuracy=101), "points.0.accuracy: is 101; must be at most 100"),
        (
            with_point(published() | {"unit": "fraction", "uncompressed": 1}),
            "accuracy: is .*; must be at most 1",
        ),
        ({key: value for key, value in anchor().items() if key != "network"}, "network: is missing"),
        (with_point(anchor(), failed=3), "points.0.failed: is 3; must be a list"),
        (with_point(anchor(), rhee2022_bpp=-1), "points.0.rhee2022_bpp: "),
        (with_point(anchor(), metrics={}), "points.0.metrics.AP must be a number from 0 to 1, not None"),
        (with_point(anchor(), metrics={"AP": -1}), "points.0.metrics.AP must be a number from 0 to 1, not -1"),
        (with_point(anchor(), metrics={"AP": True}), "points.0.metrics.AP must be a number from 0 to 1, not True"),
        (anchor() | {"uncompressed": {"metrics": {"AP": 61}}}, "uncompressed.metrics.AP must be a number"),
    ],
)
def test_no_curve(tmp_path: Path, document: Any, message: str) -> None:
    with pytest.raises(DatasetError, match=message) as caught:
        read_curve(write(tmp_path / "f.json", document))
    assert "f.json" in str(caught.value) and "\n" not in str(caught.value)


def test_a_count_is_no_accuracy(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"points.0.metrics.classes must be a number from 0 to 1, not 8"):
        read_curve(write(tmp_path / "a.json", anchor()), "classes")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"\xff\xfe", b"qp,bpp,accuracy\n1,2,3\n", b"[" * 100_000, b'{"kind": "curve", "schema": NaN}'],
)
def test_no_json(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "f.json").write_bytes(content)
    with pytest.raises(DatasetError, match=r"is not JSON|is empty|UTF-8|nested 64 deep|must be finite") as caught:
        read_curve(tmp_path / "f.json")
    assert "\n" not in str(caught.value)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        read_curve(tmp_path / "f.json")
    with pytest.raises(DatasetError, match="cannot be read: Is a directory"):
        read_curve(tmp_path)


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.json")), ids=lambda path: path.stem)
def test_published_files_fit_the_schema(path: Path) -> None:
    document = json.loads(path.read_text())
    Draft202012Validator(json.loads(SCHEMA.read_text())).validate(document)
    if document["kind"] == "curve":
        assert read_curve(path).name == path.stem


def test_published_values() -> None:
    """A few, as they are printed in the sources."""
    curve = read_curve(PUBLISHED / "oiv6-det-feature-anchor.json")
    assert curve.uncompressed == pytest.approx(0.7923)
    assert [(point.qp, point.bpp) for point in curve.points[::5]] == [(35, 1.36), (45, 0.19)]
    assert [point.accuracy for point in curve.points[::5]] == pytest.approx([0.7887, 0.5972])
    assert len(list(PUBLISHED.glob("*.json"))) == 11
    proposed = read_curve(PUBLISHED / "rhee2022-table7-proposed.json")
    assert [point.bpp for point in proposed.points] == [0.60, 0.42, 0.29, 0.21, 0.14, 0.10]


def test_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))


def test_front() -> None:
    best, tie, dear, worse = Point(1, 0.1, 0.5), Point(2, 0.2, 0.5), Point(3, 0.3, 0.9), Point(4, 0.3, 0.8)
    assert pareto_front([worse, dear, tie, best]) == [best, dear]
    assert pareto_front([]) == []


def test_front_keeps_equal_points_and_no_nan() -> None:
    one, same = Point(1, 0.1, 0.5), Point(2, 0.1, 0.5)
    broken = [Point(3, float("nan"), 0.9), Point(4, 0.1, float("nan")), Point(5, float("inf"), 1.0)]
    assert pareto_front([*broken, one, same]) == [one, same]


# Few values, so that ties are common.
POINTS = st.lists(
    st.builds(Point, st.integers(0, 60), st.sampled_from([0.0, 0.1, 0.2, 0.5]), st.sampled_from([0.0, 0.3, 0.7, 1.0]))
)


@given(POINTS)
def test_front_is_what_none_dominates(points: list[Point]) -> None:
    def dominates(one: Point, other: Point) -> bool:
        no_worse = one.bpp <= other.bpp and one.accuracy >= other.accuracy
        return no_worse and (one.bpp < other.bpp or one.accuracy > other.accuracy)

    front = pareto_front(points)
    expected = [point for point in points if not any(dominates(other, point) for other in points)]
    assert sorted(front, key=repr) == sorted(expected, key=repr)
    assert [point.bpp for point in front] == sorted(point.bpp for point in front)
