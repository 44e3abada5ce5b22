"""The rate by hand."""

from __future__ import annotations

from math import exp, log2

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from vcm_ref.training.losses.rate import LaplaceRate  # noqa: E402


@pytest.mark.parametrize("step", [0.5, 1.0, 3.0])
def test_the_probabilities_of_all_multiples_add_up_to_1(step: float) -> None:
    rate = LaplaceRate(1)
    rate.place.data.fill_(0.3)
    values = torch.arange(-60, 61) * step
    bits = torch.stack([rate(value.reshape(1, 1, 1, 1), step) for value in values])
    assert (2.0**-bits).sum().item() == pytest.approx(1, abs=1e-4)


def test_zero_has_the_middle_of_the_distribution() -> None:
    found = LaplaceRate(2)(torch.zeros(1, 2, 3, 3), 1.0).item()
    assert found == pytest.approx(-2 * log2(1 - exp(-0.5)), rel=1e-5)  # two maps


def test_it_is_for_each_place_and_averaged_over_pictures() -> None:
    x = torch.randn(2, 3, 4, 5)
    rate = LaplaceRate(3)
    parts = [rate(x[i : i + 1, :, j : j + 1, k : k + 1], 1.0) for i in range(2) for j in range(4) for k in range(5)]
    torch.testing.assert_close(rate(x, 1.0), torch.stack(parts).mean())


def test_a_smaller_value_costs_less_and_the_gradient_says_so() -> None:
    x = torch.tensor([2.0, -2.0]).reshape(1, 2, 1, 1).requires_grad_()
    rate = LaplaceRate(2)
    rate(x, 1.0).backward()
    assert x.grad is not None
    assert x.grad.flatten().sign().tolist() == [1, -1]
    assert rate.log_scale.grad is not None
