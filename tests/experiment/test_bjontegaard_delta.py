"""Bjøntegaard's delta: the published figures, curves with a known answer, a second implementation, and the policy."""

from __future__ import annotations

import json
import math
import sys
import warnings
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vcm_ref.errors import ConfigError
from vcm_ref.experiment.bd_note import NO_FIGURE
from vcm_ref.experiment.bjontegaard_delta import Comparison, compare
from vcm_ref.experiment.curve import Curve, Point, read_curve

pytest.importorskip("bjontegaard", reason="bjontegaard is not installed")

PUBLISHED = Path(__file__).parents[2] / "anchors" / "published"
PAIRS = json.loads((PUBLISHED / "bd_rate.json").read_text())["pairs"]
FIGURES = ("rate_cubic", "rate_pchip", "accuracy_cubic", "accuracy_pchip")


def curve(name: str, *points: tuple[float, float], metric: str = "AP") -> Curve:
    """Give a curve of points of bpp and accuracy, at QPs 22, 27, 32 …"""
    return Curve(name, metric, tuple(Point(22 + 5 * i, *point) for i, point in enumerate(points)), None, "a test")


ANCHOR = curve("a", (1.6, 0.6), (0.8, 0.55), (0.4, 0.45), (0.2, 0.3), (0.1, 0.1))


def figures(comparison: Comparison) -> list[float | None]:
    """Give the four figures, in the order of FIGURES."""
    return [getattr(comparison, name) for name in FIGURES]


def said(comparison: Comparison) -> tuple[str, ...]:
    """Give the sentences of the notes."""
    return tuple(map(str, comparison.notes))


def with_rates(points: Curve, factor: float) -> Curve:
    """Give the curve with every rate times ``factor``."""
    return replace(points, name="t", points=tuple(replace(point, bpp=factor * point.bpp) for point in points.points))


@pytest.fixture(autouse=True)
def _silence(capfd: pytest.CaptureFixture[str]) -> object:
    """No comparison says anything but in its notes: a warning is an error, and nothing is printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert capfd.readouterr() == ("", "")


# ------------------------------------------------------------------ published figures


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["test"])
def test_recorded_pairs(pair: dict[str, object]) -> None:
    result = compare(*(read_curve(PUBLISHED / f"{pair[role]}.json") for role in ("anchor", "test")))
    assert result.rate_cubic == pytest.approx(pair["cubic"], abs=0.005)
    assert result.rate_pchip == pytest.approx(pair["pchip"], abs=0.005)


@pytest.mark.parametrize(
    ("anchor", "test", "cubic", "pchip"),
    [
        ("rhee2022-table7-anchor", "rhee2022-table7-proposed", -14.84, -16.67),
        ("rhee2022-table2-original", "rhee2022-table2-reordered", -2.24, -4.64),
    ],
)
def test_published_pairs(anchor: str, test: str, cubic: float, pchip: float) -> None:
    result = compare(read_curve(PUBLISHED / f"{anchor}.json"), read_curve(PUBLISHED / f"{test}.json"))
    assert result.rate_cubic is not None and result.rate_pchip is not None
    assert (round(result.rate_cubic, 2), round(result.rate_pchip, 2)) == (cubic, pchip)


def test_rhee2022_against_the_image_anchor() -> None:
    """+160 % by the cubic, as it is known for Rhee et al.'s method."""
    anchor, test = (read_curve(PUBLISHED / f"{n}.json") for n in ("oiv6-det-image-anchor", "rhee2022-table7-proposed"))
    assert compare(anchor, test).rate_cubic == pytest.approx(160, abs=0.5)


def test_table_2_on_its_four_highest_rates() -> None:
    """-4.81 % by PCHIP, as it is known for Rhee et al.'s Table 2."""
    pair = [read_curve(PUBLISHED / f"rhee2022-table2-{name}.json") for name in ("original", "reordered")]
    anchor, test = (replace(one, points=one.points[:4]) for one in pair)
    assert compare(anchor, test).rate_pchip == pytest.approx(-4.81, abs=0.005)


def test_a_published_curve_with_a_tie() -> None:
    """The tie of MSFC's points makes PCHIP fail and the cubic explode, unless the policy takes it out."""
    anchor, test = (read_curve(PUBLISHED / f"oiv6-det-{name}.json") for name in ("image-anchor", "msfc-rerun"))
    result = compare(anchor, test)
    assert result.rate_pchip is not None and -90 < result.rate_pchip < -60
    assert said(result)[0] == (
        "test oiv6-det-msfc-rerun: the point at 0.26 bpp, 75.40 % is left out: "
        "the point at 0.11 bpp, 75.40 % is as accurate and costs less"
    )
    falls = "the cubic of test oiv6-det-msfc-rerun falls over"
    assert any(note.startswith("BD-rate with the cubic") and falls in note for note in said(result))


# ------------------------------------------------------------------ known answers


def test_the_same_curve() -> None:
    result = compare(ANCHOR, replace(ANCHOR, name="t"))
    assert figures(result) == pytest.approx([0, 0, 0, 0], abs=1e-9)
    assert (result.anchor, result.test, result.rate, result.overlap, said(result)) == ("a", "t", "bpp", 1.0, ())


@pytest.mark.parametrize(("factor", "percent"), [(0.5, -50), (2, 100), (0.99, -1)])
def test_every_rate_by_a_factor(factor: float, percent: float) -> None:
    result = compare(ANCHOR, with_rates(ANCHOR, factor))
    assert figures(result)[:2] == pytest.approx([percent, percent])


def test_accuracy_a_point_higher() -> None:
    test = replace(ANCHOR, points=tuple(replace(point, accuracy=point.accuracy + 0.01) for point in ANCHOR.points))
    result = compare(ANCHOR, test)
    assert figures(result)[2:] == pytest.approx([1, 1])
    assert result.overlap == pytest.approx(0.49 / 0.51)


def test_lines_by_hand() -> None:
    """Accuracy against log10 of the rate as two lines, at which both interpolations are exact.

    The anchor's is 0.5 + 0.2 x over x from -1 to 1, the test's 0.5 + 0.4 x over x from -0.5 to 0.5: the same accuracies
    0.3 … 0.7, and the test's x is half the anchor's, with a mean difference of 0. Over the rates both have, -0.5 … 0.5,
    the accuracies' mean difference is 0 too. Half a decade dearer, the test needs 10^0.5 times the rate; x is then from
    0 to 1, and the mean of (0.5 + 0.4 (x - 0.5)) - (0.5 + 0.2 x) there is -0.1.
    """
    x = np.linspace(-1, 1, 5)
    anchor = curve("a", *zip(10**x, 0.5 + 0.2 * x, strict=True))
    test = curve("t", *zip(10 ** (x / 2), 0.5 + 0.4 * (x / 2), strict=True))
    assert figures(compare(anchor, test)) == pytest.approx([0, 0, 0, 0], abs=1e-9)
    percent = 100 * (10**0.5 - 1)
    dearer = compare(anchor, with_rates(test, 10**0.5))
    assert figures(dearer) == pytest.approx([percent, percent, -10, -10])


def test_the_order_of_points_does_not_matter() -> None:
    test = with_rates(ANCHOR, 0.7)
    mixed = [replace(one, points=tuple(one.points[i] for i in (3, 0, 4, 2, 1))) for one in (ANCHOR, test)]
    assert compare(*mixed) == compare(ANCHOR, test)


# ------------------------------------------------------------------ a second implementation


def by_cubic(base: list[np.ndarray], values: list[np.ndarray]) -> float:
    """Give the mean difference of the least-squares cubics, integrated as polynomials."""
    low, high = max(b.min() for b in base), min(b.max() for b in base)
    areas = []
    for x, y in zip(base, values, strict=True):
        area = np.polynomial.Polynomial.fit(x, y, 3).integ()
        areas.append(area(high) - area(low))
    return float((areas[1] - areas[0]) / (high - low))


def by_pchip(base: list[np.ndarray], values: list[np.ndarray]) -> float:
    """Give the mean difference of the PCHIP interpolants, integrated by the trapezoidal rule."""
    from scipy.integrate import trapezoid
    from scipy.interpolate import PchipInterpolator

    x = np.linspace(max(b.min() for b in base), min(b.max() for b in base), 200_001)
    anchor, test = (PchipInterpolator(b, v)(x) for b, v in zip(base, values, strict=True))
    return float(trapezoid(test - anchor, x) / (x[-1] - x[0]))


def risen(steps: list[tuple[float, float]], start: tuple[float, float]) -> list[tuple[float, float]]:
    """Give the points, by rising rate, that ``steps`` in log10 of the rate and in accuracy lead to."""
    points = [start]
    for rate, accuracy in steps:
        points.append((points[-1][0] + rate, points[-1][1] + accuracy))
    return [(10**rate, accuracy) for rate, accuracy in points]


STEPS = st.lists(st.tuples(st.floats(0.1, 0.5), st.floats(0.01, 0.15)), min_size=3, max_size=6)
STARTS = st.tuples(st.floats(-2, 0), st.floats(0, 0.1))
RISING = st.builds(risen, STEPS, STARTS)


@given(RISING, RISING)
def test_against_a_second_implementation(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> None:
    rates = [np.log10([rate for rate, _ in one]) for one in (first, second)]
    accuracies = [np.array([accuracy for _, accuracy in one]) for one in (first, second)]
    result = compare(curve("a", *first), curve("t", *second))
    common = min(one.max() for one in accuracies) - max(one.min() for one in accuracies)
    assume(common > 0.01)
    assert result.overlap == pytest.approx(common / np.ptp(np.concatenate(accuracies)))
    for name, function in (("cubic", by_cubic), ("pchip", by_pchip)):
        expected = 100 * (10 ** function(accuracies, rates) - 1)
        assert getattr(result, f"rate_{name}") == pytest.approx(expected, rel=1e-5, abs=1e-5)
    if min(one.max() for one in rates) - max(one.min() for one in rates) > 0.05:
        for name, function in (("cubic", by_cubic), ("pchip", by_pchip)):
            expected = 100 * function(rates, accuracies)
            assert getattr(result, f"accuracy_{name}") == pytest.approx(expected, rel=1e-5, abs=1e-5)


@given(RISING, RISING)
def test_swapped(first: list[tuple[float, float]], second: list[tuple[float, float]]) -> None:
    one, other = curve("a", *first), curve("t", *second)
    there, back = compare(one, other), compare(other, one)
    assert there.overlap == back.overlap
    for name in FIGURES:
        a, b = getattr(there, name), getattr(back, name)
        assert (a is None) == (b is None)
        if a is not None and name.startswith("rate"):
            assume(1e-6 < 1 + a / 100 < 1e6)
            assert (1 + a / 100) * (1 + b / 100) == pytest.approx(1)
        elif a is not None:
            assert a == pytest.approx(-b, abs=1e-9)


NUMBERS = st.sampled_from([0.0, 1e-300, 0.1, 0.1 + 1e-17, 0.10000000000000002, 0.5, 1.0, math.nan, math.inf, -1.0])
ANY_POINT = st.builds(Point, st.none() | st.integers(0, 60), NUMBERS, NUMBERS, st.none() | NUMBERS, st.integers(0, 2))


@given(st.lists(ANY_POINT, max_size=7), st.lists(ANY_POINT, max_size=7), st.sampled_from(["bpp", "rhee2022_bpp"]))
def test_whatever_the_points(first: list[Point], second: list[Point], rate: Literal["bpp", "rhee2022_bpp"]) -> None:
    """Any points give figures or the reason why not."""
    one, other = (Curve(name, "AP", tuple(points), None, "") for name, points in (("a", first), ("t", second)))
    result = compare(one, other, rate)
    assert 0 <= result.overlap <= 1
    for figure in figures(result):
        assert math.isfinite(figure) if figure is not None else any(note.kind in NO_FIGURE for note in result.notes)
    assert all("\n" not in note for note in said(result))


# ------------------------------------------------------------------ the policy


def test_dominated_points_go_and_the_note_says_which() -> None:
    points = (*ANCHOR.points, Point(30, 0.5, 0.44), Point(33, 0.4, 0.40), Point(40, 0.2, 0.3), Point(50, 0.3, 0.3))
    test = replace(ANCHOR, name="t", points=points)
    result = compare(ANCHOR, test)
    assert figures(result) == pytest.approx([0, 0, 0, 0], abs=1e-9)
    assert said(result) == (
        "test t: QP 30 (0.5 bpp, 44.00 %) is left out: QP 32 (0.4 bpp, 45.00 %) costs less and is more accurate",
        "test t: QP 33 (0.4 bpp, 40.00 %) is left out: QP 32 (0.4 bpp, 45.00 %) costs as much and is more accurate",
        "test t: QP 40 (0.2 bpp, 30.00 %) is left out: QP 37 (0.2 bpp, 30.00 %) is as accurate and costs as much",
        "test t: QP 50 (0.3 bpp, 30.00 %) is left out: QP 37 (0.2 bpp, 30.00 %) is as accurate and costs less",
    )


def test_a_rate_of_0_is_left_out_before_it_dominates() -> None:
    test = replace(ANCHOR, name="t", points=(Point(1, 0.0, 1.0), *ANCHOR.points, Point(2, 0.7, math.nan)))
    result = compare(ANCHOR, test)
    assert figures(result) == pytest.approx([0, 0, 0, 0], abs=1e-9)
    assert said(result) == (
        "test t: QP 1 (0 bpp, 100.00 %) is left out: its bpp is 0, and must be above 0",
        "test t: QP 2 (0.7 bpp, nan %) is left out: its bpp or its accuracy is not a finite number",
    )


def test_the_rate_of_rhee2022() -> None:
    """Rhee et al.'s rate is twice the rate in the test alone, and one point has none."""
    anchor = replace(ANCHOR, points=tuple(replace(point, rhee2022_bpp=point.bpp) for point in ANCHOR.points))
    points = tuple(replace(point, rhee2022_bpp=2 * point.bpp) for point in ANCHOR.points)
    result = compare(anchor, replace(ANCHOR, name="t", points=(*points, Point(5, 3.0, 0.9))), "rhee2022_bpp")
    assert result.rate == "rhee2022_bpp"
    assert figures(result)[:2] == pytest.approx([100, 100])
    assert said(result) == ("test t: QP 5 (3 bpp, 90.00 %) is left out: it does not have the rate rhee2022_bpp",)


def test_no_point_has_the_rate_of_rhee2022() -> None:
    result = compare(ANCHOR, ANCHOR, "rhee2022_bpp")
    assert figures(result) == [None] * 4
    assert "the cubic needs 4 points, and anchor a has none" in said(result)
    assert "PCHIP needs 2 points, and test a has none" in said(result)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_few_points(count: int) -> None:
    """PCHIP does with two points: half the rate is half the rate; the cubic needs four."""
    test = with_rates(replace(ANCHOR, points=ANCHOR.points[1 : 1 + count]), 0.5)
    result = compare(replace(ANCHOR, points=ANCHOR.points[1 : 1 + count]), test)
    assert (result.rate_cubic, result.accuracy_cubic) == (None, None)
    assert f"the cubic needs 4 points, and test t has {count}" in said(result)
    assert (result.rate_pchip is None) == (count == 1)
    if count > 1:
        assert result.rate_pchip == pytest.approx(-50)


@pytest.mark.parametrize("start", [0.6, 0.7])
def test_no_overlap_of_accuracy(start: float) -> None:
    """The curves' accuracies touch in one point, or not at all."""
    test = curve("t", (0.1, start), (0.2, start + 0.1), (0.4, start + 0.2), (0.8, start + 0.25))
    result = compare(ANCHOR, test)
    assert (result.rate_cubic, result.rate_pchip, result.overlap) == (None, None, 0.0)
    assert "BD-rate cannot be computed: the curves do not overlap in accuracy" in said(result)
    assert result.accuracy_pchip is not None and result.accuracy_pchip > 10


def test_no_overlap_of_rate() -> None:
    result = compare(ANCHOR, with_rates(ANCHOR, 100))
    assert figures(result)[:2] == pytest.approx([9900, 9900])
    assert figures(result)[2:] == [None, None]
    assert said(result) == ("BD-accuracy cannot be computed: the curves do not overlap in rate",)


@pytest.mark.parametrize(("shift", "noted"), [(0.1, False), (0.16, False), (0.17, True), (0.4, True)])
def test_little_overlap(shift: float, noted: bool) -> None:
    """Two ranges of 0.5 shifted by s have 0.5 - s of 0.5 + s in common; s = 1/6 is one half."""
    test = replace(ANCHOR, points=tuple(replace(point, accuracy=point.accuracy + shift) for point in ANCHOR.points))
    result = compare(ANCHOR, test)
    assert result.overlap == pytest.approx((0.5 - shift) / (0.5 + shift))
    assert any(note.startswith("BD-rate covers only ") for note in said(result)) == noted
    assert result.rate_pchip is not None and result.rate_pchip < 0


def test_a_cubic_that_falls() -> None:
    """Four points make the cubic exact; a steep step between flat ends makes it overshoot them."""
    test = curve("t", (0.1, 0.1), (0.11, 0.3), (1.0, 0.31), (1.1, 0.6))
    result = compare(ANCHOR, test)
    notes = [note for note in said(result) if "falls" in note]
    assert any("BD-rate with the cubic: the cubic of test t falls over" in note for note in notes)
    assert not any("anchor" in note for note in notes)
    assert result.rate_cubic is not None and result.rate_pchip is not None


def test_points_too_close_for_a_cubic() -> None:
    close = [(0.1 * 2**i, 0.5 + i * 1e-15) for i in range(4)]
    result = compare(curve("a", *close), curve("t", *close))
    assert result.rate_cubic is None
    assert "BD-rate with the cubic cannot be computed: the points are too close together" in said(result)


def test_failed_pictures_and_accuracy_0_are_noted() -> None:
    points = (*ANCHOR.points[:-1], replace(ANCHOR.points[-1], failed=1), Point(47, 0.05, 0.0, failed=3))
    result = compare(replace(ANCHOR, points=points), with_rates(ANCHOR, 0.5))
    assert said(result) == (
        "anchor a: QP 47 (0.05 bpp, 0.00 %) does not cover the same pictures: 3 pictures failed",
        "anchor a: QP 47 (0.05 bpp, 0.00 %) has accuracy 0; lower rates would have it too",
        "anchor a: QP 42 (0.1 bpp, 10.00 %) does not cover the same pictures: 1 picture failed",
    )
    assert result.rate_pchip is not None


def test_of_two_points_with_accuracy_0_the_cheaper_stays() -> None:
    zeros = tuple(Point(qp, bpp, 0.0) for qp, bpp in ((47, 0.05), (52, 0.02)))
    test = replace(ANCHOR, points=(*ANCHOR.points, *zeros))
    note = "anchor a: QP 47 (0.05 bpp, 0.00 %) is left out: QP 52 (0.02 bpp, 0.00 %) is as accurate and costs less"
    assert note in said(compare(test, ANCHOR))


def test_different_metrics() -> None:
    with pytest.raises(ConfigError, match="a is in 'AP' and t in 'AP50': name a metric that both have"):
        compare(ANCHOR, replace(ANCHOR, name="t", metric="AP50"))


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bjontegaard", None)
    with pytest.raises(ConfigError, match="pip install bjontegaard"):
        compare(ANCHOR, ANCHOR)


def test_what_the_package_warns_of_becomes_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    import bjontegaard

    def warning(*arguments: object, **options: object) -> object:
        warnings.warn("mind the gap", stacklevel=1)
        return original(*arguments, **options)

    original = bjontegaard.bd_rate
    monkeypatch.setattr(bjontegaard, "bd_rate", warning)
    result = compare(ANCHOR, ANCHOR)
    expected = [
        f"BD-rate with {method}: the package bjontegaard warns: mind the gap" for method in ("the cubic", "PCHIP")
    ]
    assert list(said(result)) == expected


def test_recorded_pairs_are_of_files_that_are_there() -> None:
    names = {path.stem for path in PUBLISHED.glob("*.json")}
    assert all({pair["anchor"], pair["test"]} <= names for pair in PAIRS)
    assert all(first != second for first, second in pairwise(PAIRS))
