"""Changed parts of pictures: the same each time, of the sizes that are promised, and other than their picture."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.training.crops import changed_part


def ramp(height: int, width: int) -> np.ndarray:
    """A picture with every column and every line of its own colour."""
    return np.stack(np.broadcast_arrays(np.arange(height)[:, None], np.arange(width), 90), 2).astype(np.uint8)


@given(st.integers(1, 90), st.integers(1, 90), st.integers(1, 50))
def test_each_side_is_at_least_half_the_pictures(height: int, width: int, number: int) -> None:
    part = changed_part(ramp(height, width), "a.jpg", number)
    assert part.dtype == np.uint8 and part.flags["C_CONTIGUOUS"]
    for side, whole in zip(part.shape[:2], (height, width), strict=True):
        assert max(1, round(0.5 * whole)) <= side <= whole


def test_a_part_depends_on_the_name_and_its_number_alone() -> None:
    picture = ramp(60, 80)
    first = changed_part(picture, "a.jpg", 1)
    np.testing.assert_array_equal(first, changed_part(picture, "a.jpg", 1))
    others = [changed_part(picture, "a.jpg", 2), changed_part(picture, "b.jpg", 1)]
    assert not any(np.array_equal(first, other) for other in others)


def test_half_of_the_parts_are_mirrored_and_brightness_changes_both_ways() -> None:
    parts = [changed_part(ramp(60, 80), "a.jpg", number).astype(float) for number in range(1, 101)]
    mirrored = sum(part[0, 0, 1] > part[0, -1, 1] for part in parts)
    assert 30 <= mirrored <= 70
    blue = [part[..., 2].mean() for part in parts]
    assert min(blue) < 80 and max(blue) > 100
