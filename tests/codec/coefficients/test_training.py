"""Tables of a model: what their tensors stand for, and what training makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vcm_ref.codec.coefficients import LevelCodec, count_contexts, scales_of, table_tensors, tables_from
from vcm_ref.codec.coefficients.tables import CONTEXT_COUNTS, SCALES, expected_means
from vcm_ref.errors import ModelError

SPREADS = 20 * 0.9 ** np.arange(40.0)


def values(seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).laplace(0, SPREADS[:, None, None], (40, 6, 7))


def levels_of(seed: int, qp: int) -> NDArray[np.int32]:
    found: NDArray[np.int32] = np.rint(values(seed) / 2 ** ((qp - 32) / 6)).astype(np.int32)
    return found


@pytest.fixture(scope="module")
def tensors() -> dict[str, NDArray[np.uint8]]:
    scales = scales_of(SPREADS)
    counts = sum(count_contexts(levels_of(seed, qp), scales, qp) for seed in range(6) for qp in (26, 38))
    assert not isinstance(counts, int)
    return table_tensors(scales, counts)


def test_scales_stand_for_mean_magnitudes() -> None:
    """2**((s - 128) / 6), rounded by a twelfth of an octave and a percent of the integers; in levels of QP 38, half."""
    means = np.array([0.01, 1.0, 3.0, 500.0])
    for qp, step in ((32, 1.0), (38, 2.0)):
        found = expected_means(scales_of(means), qp) / 1024
        np.testing.assert_allclose(found, means / step, rtol=0.08)


def test_scales_at_their_ends() -> None:
    assert scales_of(np.array([0.0, 1e-30, 1e30])).tolist() == [0, 0, 255]
    assert expected_means(np.array([0, 255], np.uint8), 63)[0] == 0
    assert int(expected_means(np.array([255], np.uint8), 0)[0]) == 114 << 25 >> 6  # 155 sixths


def test_trained_tables_cost_less(tensors: dict[str, NDArray[np.uint8]]) -> None:
    """On pictures that were not counted, at QPs that were and one that was not."""
    for qp in (26, 32, 38):
        levels = levels_of(99, qp)
        trained = LevelCodec(40, tables_from(tensors, 0, 40, qp))
        stream = trained.encode(levels)
        assert len(stream) < len(LevelCodec(40).encode(levels))
        np.testing.assert_array_equal(trained.decode(stream, *levels.shape), levels)


def test_counts_add_up_in_any_order() -> None:
    scales = scales_of(SPREADS)
    parts = [count_contexts(levels_of(seed, 32), scales, 32) for seed in range(3)]
    assert parts[0].sum() > 0
    one, other = table_tensors(scales, sum(parts)), table_tensors(scales, sum(parts[::-1]))
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_a_tensor_after_others_has_its_own_scales(tensors: dict[str, NDArray[np.uint8]]) -> None:
    means = tables_from(tensors, 10, 5, 32).means
    np.testing.assert_array_equal(means, expected_means(tensors[SCALES][10:15], 32))


@pytest.mark.parametrize(
    ("name", "change"),
    [
        (SCALES, lambda t: None),
        (SCALES, lambda t: t[:39]),
        (SCALES, lambda t: t.astype(np.int8)),
        (SCALES, lambda t: t[None]),
        (CONTEXT_COUNTS, lambda t: None),
        (CONTEXT_COUNTS, lambda t: t[:-1]),
        (CONTEXT_COUNTS, lambda t: t.astype(np.uint16)),
        (CONTEXT_COUNTS, lambda t: t[:, ::-1] * np.array([1, 0], np.uint8)),
    ],
)
def test_tables_that_do_not_fit_are_refused(tensors: dict[str, NDArray[np.uint8]], name: str, change: Any) -> None:
    changed = change(tensors[name])
    given = {key: tensor for key, tensor in tensors.items() if key != name}
    with pytest.raises(ModelError, match=name):
        tables_from(given if changed is None else {**given, name: changed}, 0, 40, 32)
