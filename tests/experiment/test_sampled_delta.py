"""BD figures of many resamples at once, against those of the policy's own module, curve by curve."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.experiment.bjontegaard_delta import compare
from vcm_ref.experiment.curve import Curve, Point
from vcm_ref.experiment.sampled_delta import SampledCurve, sampled_deltas

number = st.floats(0.01, 1.0).map(lambda value: round(value, 3))
point = st.tuples(st.one_of(number, st.just(0.0), st.just(float("nan"))), st.one_of(number, st.just(float("nan"))))
sampled = st.lists(st.tuples(*[point] * 5), min_size=1, max_size=4)


def test_a_curve_without_points_has_no_figure() -> None:
    empty, two = SampledCurve(np.zeros((3, 0)), np.zeros((3, 0))), SampledCurve(np.ones((3, 2)), np.ones((3, 2)))
    assert np.isnan(sampled_deltas(empty, two, "rate")).all()
    assert np.isnan(sampled_deltas(two, empty, "accuracy")).all()


@given(anchors=sampled, tests=sampled)
def test_each_resample_has_the_figures_of_its_curves(
    anchors: list[tuple[tuple[float, float], ...]], tests: list[tuple[tuple[float, float], ...]]
) -> None:
    count = min(len(anchors), len(tests))
    arrays = [np.array(curves[:count], np.float64) for curves in (anchors, tests)]
    curves = [SampledCurve(values[..., 0], values[..., 1]) for values in arrays]
    rates, accuracies = sampled_deltas(*curves, "rate"), sampled_deltas(*curves, "accuracy")
    for place in range(count):
        pair = [
            Curve(name, "AP", tuple(Point(None, *one) for one in values[place].tolist()), None, "")
            for name, values in zip(("anchor", "test"), arrays, strict=True)
        ]
        found = compare(*pair)
        for value, wanted in ((rates[place], found.rate_pchip), (accuracies[place], found.accuracy_pchip)):
            assert np.isnan(value) if wanted is None else value == pytest.approx(wanted, rel=1e-6, abs=1e-8)
