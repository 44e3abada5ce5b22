"""The rate by hand."""

from __future__ import annotations

from math import exp, log, log2

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from vcm_ref.training.losses.rate import LaplaceRate  # noqa: E402


@pytest.mark.parametrize("step", [0.5, 1.0, 3.0])
def test_the_probabilities_of_all_multiples_add_up_to_1(step: float) -> None:
    rate = LaplaceRate(1)
    rate.place.data.fill_(0.3)
    values = torch.arange(-60, 61) * step
    bits = torch.stack([rate(value.reshape(1, 1, 1, 1), step).sum() for value in values])
    assert (2.0**-bits).sum().item() == pytest.approx(1, abs=1e-4)


def test_zero_has_the_middle_of_the_distribution() -> None:
    found = LaplaceRate(2)(torch.zeros(1, 2, 3, 3), 1.0)[0, :, 1, 1].sum().item()
    assert found == pytest.approx(-2 * log2(1 - exp(-0.5)), rel=1e-5)  # two maps


def test_a_value_far_from_the_middle_costs_what_the_tail_says() -> None:
    found = LaplaceRate(1)(torch.tensor([40.0]).reshape(1, 1, 1, 1), 1.0).item()
    assert found == pytest.approx(39.5 / log(2) + 1 - log2(1 - exp(-1)), rel=1e-5)


def test_a_smaller_value_costs_less_and_the_gradient_says_so() -> None:
    x = torch.tensor([2.0, -2.0]).reshape(1, 2, 1, 1).requires_grad_()
    rate = LaplaceRate(2)
    rate(x, 1.0).sum().backward()
    assert x.grad is not None
    assert x.grad.flatten().sign().tolist() == [1, -1]
    assert rate.log_scale.grad is not None
