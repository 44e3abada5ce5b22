"""Quantisation in training is the codec's quantisation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="torch is not installed")

from vcm_ref.bitstream.headers import LevelFormat  # noqa: E402
from vcm_ref.bitstream.values import RangeScope, Samples  # noqa: E402
from vcm_ref.conversion.levels import in_steps, level_samples, quantise_levels  # noqa: E402
from vcm_ref.conversion.quantisation import dequantise, highest_value, measure_ranges, quantise  # noqa: E402
from vcm_ref.training.networks.noise import Levels, quantised, stepped  # noqa: E402


@given(bits=st.integers(2, 16), seed=st.integers(0, 2**32 - 1), by_channel=st.booleans())
def test_it_gives_what_the_decoder_gives(bits: int, seed: int, by_channel: bool) -> None:
    x = np.random.default_rng(seed).normal(0, 3, (3, 4, 5)).astype(np.float32)
    scope = RangeScope.CHANNEL if by_channel else RangeScope.TENSOR
    value_range = measure_ranges({"x": x}, scope)[0]
    decoded = dequantise(Samples(quantise(x, value_range, bits)[0], value_range, highest_value(bits)))
    ours = quantised(torch.from_numpy(x)[None], bits, by_channel=by_channel)[0].numpy()
    step = (value_range.hi - value_range.lo).max() / highest_value(bits)
    # Sums that round otherwise may decide a tie otherwise: one step, rarely; else float32's last digits.
    assert (np.abs(ours - decoded) > 1e-4 * step + 1e-5).mean() <= 0.02
    assert np.abs(ours - decoded).max() <= 1.001 * step + 1e-5


def test_one_bit_gives_the_two_ends() -> None:
    x = torch.tensor([-1.0, -0.2, 0.6, 3.0]).reshape(1, 1, 2, 2)
    assert quantised(x, 1).flatten().tolist() == [-1.0, -1.0, -1.0, 3.0]


def test_each_picture_has_its_own_range() -> None:
    x = torch.stack([torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.0, 100.0]]])])
    torch.testing.assert_close(quantised(x, 2), x)


def test_a_constant_tensor_stays() -> None:
    x = torch.full((1, 2, 3, 3), 1.5)
    assert torch.equal(quantised(x, 4), x)


@pytest.mark.parametrize("kind", ["bits", "step"])
def test_the_gradient_passes_straight_through(kind: str) -> None:
    x = torch.randn(1, 2, 3, 3, requires_grad=True)
    weights = torch.randn(1, 2, 3, 3)
    rounded = quantised(x, 3) if kind == "bits" else stepped(x, 0.5)
    (rounded * weights).sum().backward()
    torch.testing.assert_close(x.grad, weights)


def test_steps_are_multiples() -> None:
    assert stepped(torch.tensor([0.2, 0.3, -0.8]), 0.5).tolist() == [0.0, 0.5, -1.0]


@given(
    qp=st.integers(0, 63),
    seed=st.integers(0, 2**32 - 1),
    rounding=st.sampled_from([0.2, 0.3, 0.5]),
    offsets=st.tuples(st.integers(-4, 4), st.integers(-4, 4)),
)
def test_levels_are_what_the_decoder_makes_of_them(
    qp: int, seed: int, rounding: float, offsets: tuple[int, int]
) -> None:
    x = np.random.default_rng(seed).normal(0, 20, (3, 4, 5)).astype(np.float32)
    decoded = level_samples(quantise_levels(in_steps(x, qp), rounding), LevelFormat(qp, offsets))
    values = decoded.samples * float(decoded.value_range.hi[0]) / decoded.top
    ours = Levels(rounding, (offsets[0] / 32, offsets[1] / 32)).coded(torch.from_numpy(x), qp).numpy()
    wrong = np.abs(ours - values) > 1e-5 * np.abs(values)  # a tie that float32 decides otherwise, rarely
    assert wrong.mean() <= 0.02
