"""The rate of levels by hand, and what a level may know of others."""

from __future__ import annotations

from math import exp, log2

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from vcm_ref.training.losses.context_rate import ContextRate  # noqa: E402


@pytest.mark.parametrize(("deviation", "step"), [(2.0, 1.0), (2.0, 4.0), (9.0, 2.0)])
def test_zeros_are_coded_with_the_components_own_scale(deviation: float, step: float) -> None:
    scale = deviation / 2 / step
    found = ContextRate([deviation])(torch.zeros(1, 1, 2, 2), step)
    assert found.flatten().tolist() == pytest.approx([-log2(1 - exp(-0.5 / scale))] * 4, rel=1e-5)


def test_a_large_level_makes_those_after_it_dearer_where_they_are_0() -> None:
    """Those to the right, below, and in later components around it; none that are coded before it."""
    rate = ContextRate([1.0] * 3)
    values = torch.zeros(1, 3, 4, 5)
    before = rate(values, 1.0)
    values[0, 1, 1, 2] = 9.0
    dearer = (rate(values, 1.0) > before + 1e-6).nonzero().tolist()
    own = [[0, 1, 1, 2], [0, 1, 1, 3], [0, 1, 2, 1], [0, 1, 2, 2], [0, 1, 2, 3]]
    after = [[0, 2, y, x] for y in (0, 1, 2) for x in (1, 2, 3)]
    assert dearer == own + after


def test_the_gradient_pulls_to_0() -> None:
    values = torch.tensor([3.0, -3.0, 0.3]).reshape(1, 1, 1, 3).requires_grad_()
    ContextRate([1.0])(values, 1.0).sum().backward()
    assert values.grad is not None
    assert values.grad.flatten().sign().tolist() == [1, -1, 1]
