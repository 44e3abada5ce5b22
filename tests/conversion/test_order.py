from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from vcm_ref.conversion import order as order_module
from vcm_ref.conversion.order import OrderMethod, channel_order
from vcm_ref.errors import ConfigError

from .strategies import shapes

# Few values, so that equal maps and ties are common.
coarse_maps = shapes.flatmap(lambda shape: arrays(np.uint16, shape, elements=st.integers(0, 3)))
fine_maps = st.tuples(shapes, st.integers(0, 1000)).map(
    lambda drawn: np.random.default_rng(drawn[1]).integers(0, 1024, drawn[0]).astype(np.uint16)
)
methods: st.SearchStrategy[OrderMethod] = st.sampled_from(["none", "mean", "mse", "ssim"])

Measure = Callable[[NDArray[np.uint16], NDArray[np.uint16]], float]


def flat(*values: int) -> NDArray[np.uint16]:
    """Constant 2x2 maps of these values."""
    return np.stack([np.full((2, 2), value, np.uint16) for value in values])


def naive_chain(q: NDArray[np.uint16], likeness: Measure) -> list[int]:
    totals = [int(one.astype(int).sum()) for one in q]
    order = [totals.index(max(totals))]
    while len(order) < len(q):
        left = [channel for channel in range(len(q)) if channel not in order]
        values = [likeness(q[order[-1]], q[channel]) for channel in left]
        order.append(left[values.index(max(values))])
    return order


def naive_mse(a: NDArray[np.uint16], b: NDArray[np.uint16]) -> float:
    return -sum((int(x) - int(y)) ** 2 for x, y in zip(a.ravel(), b.ravel(), strict=True))


def naive_ssim(a: NDArray[np.uint16], b: NDArray[np.uint16], top: int = 1023) -> float:
    """Wang et al., equation 13, straight from means, variances and covariance of each window."""
    c1, c2 = (0.01 * top) ** 2, (0.03 * top) ** 2
    total = 0.0
    for y in range(0, a.shape[0], 8):
        for x in range(0, a.shape[1], 8):
            u = a[y : y + 8, x : x + 8].astype(float).ravel()
            v = b[y : y + 8, x : x + 8].astype(float).ravel()
            covariance = np.mean((u - u.mean()) * (v - v.mean()))
            luminance = (2 * u.mean() * v.mean() + c1) / (u.mean() ** 2 + v.mean() ** 2 + c1)
            total += u.size * luminance * (2 * covariance + c2) / (u.var() + v.var() + c2)
    return float(total / a.size)


@given(coarse_maps, methods)
def test_order_is_a_permutation(q: NDArray[np.uint16], method: OrderMethod) -> None:
    order = channel_order(q, method, bit_depth=10)
    assert order.dtype == np.intp
    assert sorted(order.tolist()) == list(range(len(q)))


@given(coarse_maps)
def test_mean_is_descending_and_ties_keep_channel_order(q: NDArray[np.uint16]) -> None:
    totals = [int(one.sum()) for one in q.astype(int)]
    expected = sorted(range(len(q)), key=lambda channel: (-totals[channel], channel))
    assert channel_order(q, "mean", bit_depth=2).tolist() == expected


def test_by_hand() -> None:
    """From 9, MSE goes to 8 and on to 6, 5, 1; equal maps in the order of their channels."""
    q = flat(5, 9, 1, 8, 6, 9)
    assert channel_order(q, "none", bit_depth=4).tolist() == [0, 1, 2, 3, 4, 5]
    assert channel_order(q, "mean", bit_depth=4).tolist() == [1, 5, 3, 4, 0, 2]
    assert channel_order(q, "mse", bit_depth=4).tolist() == [1, 5, 3, 4, 0, 2]


def test_mse_and_ssim_differ_by_hand() -> None:
    """SSIM prefers a darker map of the same structure to the inverse; MSE prefers grey to a half-dark map."""
    stripes = np.array([[900, 100], [900, 100]])
    q = np.stack([stripes + 1, stripes[:, ::-1], stripes - 80]).astype(np.uint16)
    assert channel_order(q, "ssim", bit_depth=10).tolist() == [0, 2, 1]
    flatter = np.full((2, 2), 480)
    q = np.stack([stripes, flatter, stripes - np.array([[700, 0], [700, 0]])]).astype(np.uint16)
    assert channel_order(q, "mse", bit_depth=10).tolist() == [0, 1, 2]


def test_tie_in_the_chain_goes_to_the_lowest_channel() -> None:
    assert channel_order(flat(4, 10, 16, 4), "mse", bit_depth=5).tolist() == [2, 1, 0, 3]
    assert channel_order(flat(8, 12, 10), "mse", bit_depth=5).tolist() == [1, 2, 0]
    q = np.array([[[9, 9]], [[9, 5]], [[5, 9]]], np.uint16)
    assert channel_order(q, "mse", bit_depth=5).tolist() == [0, 1, 2]


@given(coarse_maps | fine_maps)
def test_mse_chain_against_the_naive_one(q: NDArray[np.uint16]) -> None:
    assert channel_order(q, "mse", bit_depth=10).tolist() == naive_chain(q, naive_mse)


@settings(max_examples=60)
@given(shapes, st.integers(0, 1000), st.integers(0, 1))
def test_ssim_chain_against_the_naive_one(shape: tuple[int, int, int], seed: int, many_windows: int) -> None:
    """On maps whose likeness differs by more than rounding can change."""
    channels, height, width = shape
    random = np.random.default_rng(seed)
    size = (channels, height + 11 * many_windows, width + 13 * many_windows)
    q = random.integers(0, 1024, size).astype(np.uint16)
    expected = naive_chain(q, naive_ssim)
    order = channel_order(q, "ssim", bit_depth=10).tolist()
    for chosen, wanted, current in zip(order[1:], expected[1:], expected, strict=False):
        if chosen != wanted:  # only where the two are equally alike
            assert abs(naive_ssim(q[current], q[chosen]) - naive_ssim(q[current], q[wanted])) < 1e-9
            break


def test_ssim_of_more_channels_than_a_block_holds() -> None:
    q = np.random.default_rng(3).integers(0, 1024, (150, 9, 17)).astype(np.uint16)
    # A whole window counts as one, so the mean is over H * W / 64 windows.
    similarity = order_module._ssim_similarity(q, 1023, None) / (9 * 17 / 64)
    for a, b in [(0, 0), (0, 149), (70, 3), (64, 128), (149, 149)]:
        assert similarity[a, b] == pytest.approx(naive_ssim(q[a], q[b]), rel=1e-9)
    assert np.array_equal(similarity, similarity.T)


def test_mse_is_exact_at_16_bits() -> None:
    """Maps that differ by one in a single large sample: their order needs all 52 bits of the sums."""
    q = np.full((3, 100, 1000), 65535, np.uint16)
    q[1, 50, 0] -= 2
    q[2, 99, 9] -= 1
    assert channel_order(q, "mse", bit_depth=16).tolist() == [0, 2, 1]


def test_mse_says_where_it_would_not_be_exact() -> None:
    q = np.broadcast_to(np.zeros((1, 1, 1), np.uint16), (1, 1 << 11, 1 << 11))
    with pytest.raises(ConfigError, match="use mean"):
        channel_order(q, "mse", bit_depth=16)


@given(fine_maps)
def test_sums_may_be_given(q: NDArray[np.uint16]) -> None:
    sums = q.sum(axis=(1, 2), dtype=np.int64)
    for method in ("mean", "mse", "ssim"):
        given_sums = channel_order(q, method, bit_depth=10, sums=sums)
        assert given_sums.tolist() == channel_order(q, method, bit_depth=10).tolist()


@pytest.mark.parametrize("method", ["mean", "mse", "ssim"])
def test_threads_do_not_matter(method: OrderMethod) -> None:
    q = np.random.default_rng(7).integers(0, 4, (70, 90, 20)).astype(np.uint16)
    orders = {channel_order(q, method, bit_depth=2, threads=threads).tobytes() for threads in (1, 2, 5)}
    assert len(orders) == 1


@pytest.mark.parametrize("method", ["none", "mean", "mse", "ssim"])
def test_one_channel(method: OrderMethod) -> None:
    assert channel_order(flat(3), method, bit_depth=2).tolist() == [0]


def test_unknown_method() -> None:
    with pytest.raises(ConfigError, match="'entropy' is not one of none, mean, mse, ssim"):
        channel_order(flat(1, 2), "entropy", bit_depth=2)  # type: ignore[arg-type]
