from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.conversion.depth import lower_depth, raise_depth


@given(st.integers(1, 16), st.integers(0, 15), st.integers(0, 1000))
def test_lower_undoes_raise(bit_depth: int, shift: int, seed: int) -> None:
    inner = min(bit_depth + shift, 16)
    frames = np.random.default_rng(seed).integers(0, 1 << bit_depth, (2, 3, 4)).astype(np.uint16)
    raised = raise_depth(frames.copy(), bit_depth, inner)
    assert np.array_equal(raised, frames.astype(int) << (inner - bit_depth))
    assert np.array_equal(lower_depth(raised, bit_depth, inner), frames)


@pytest.mark.parametrize(
    ("bit_depth", "inner"), [(depth, inner) for inner in (8, 10, 16) for depth in range(1, inner + 1)]
)
def test_lower_is_the_normative_formula(bit_depth: int, inner: int) -> None:
    """For every sample an inner decoder can return, those above the inner depth included."""
    shift = inner - bit_depth
    expected = [min((s + (1 << (shift - 1))) >> shift, 2**bit_depth - 1) if shift else s for s in range(65536)]
    frames = np.arange(65536, dtype=np.uint16).reshape(2, 128, 256)
    assert lower_depth(frames, bit_depth, inner).ravel().tolist() == expected


def test_by_hand() -> None:
    """From 10 to 8 bits: 2 and 5 are nearest to 1 (2 is halfway, and goes up), 1021 and 1023 exceed 255."""
    frames = np.array([[[0, 1, 2, 5, 1021, 1023]]], np.uint16)
    assert lower_depth(frames, 8, 10).ravel().tolist() == [0, 0, 1, 1, 255, 255]


def test_memory_is_reused_where_it_may_be() -> None:
    frames = np.full((1, 2, 2), 512, np.uint16)
    assert lower_depth(frames, 8, 10) is frames
    assert raise_depth(frames, 8, 10) is frames
    frames.flags.writeable = False
    assert lower_depth(frames, 8, 10).tolist() == [[[128, 128], [128, 128]]]
    assert frames.tolist() == [[[512, 512], [512, 512]]]
