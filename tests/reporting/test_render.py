"""Feature frames as pictures to look at."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vcm_ref.reporting.render import contact_sheet, save_png


def test_frames_lie_in_raster_scan_with_white_between() -> None:
    """Five frames of 2x4 in a sheet that is nearly square: 2 columns, 3 rows; the sixth place is white."""
    frames = np.stack([np.full((2, 4), value, np.uint16) for value in (0, 50, 100, 150, 200)])
    sheet = contact_sheet(frames, 8)
    assert sheet.shape == (3 * 2 + 2 * 4, 2 * 4 + 4)
    expected = np.full(sheet.shape, 255)
    for value, top, left in [(0, 0, 0), (50, 0, 8), (100, 6, 0), (150, 6, 8), (200, 12, 0)]:
        expected[top : top + 2, left : left + 4] = value
    np.testing.assert_array_equal(sheet, expected)


@pytest.mark.parametrize(
    ("bits", "value", "shown"), [(10, 1023, 255), (10, 0, 0), (10, 512, 128), (16, 65535, 255), (2, 1, 85)]
)
def test_samples_of_any_depth_are_shown_from_black_to_white(bits: int, value: int, shown: int) -> None:
    """255 * v / (2**n - 1), rounded."""
    assert contact_sheet(np.full((1, 1, 1), value, np.uint16), bits)[0, 0] == shown


def test_levels_are_shown_around_grey() -> None:
    """0 is grey; the largest magnitude is black or white."""
    assert contact_sheet(np.array([[[-4, 0, 2]]], np.int32), 16)[0].tolist() == [0, 128, 191]


def test_contrast_is_stretched_to_what_the_samples_use() -> None:
    """Percentiles 1 and 99 of 0..100 are 1 and 99."""
    frames = np.arange(101, dtype=np.uint16).reshape(1, 1, 101)
    sheet = contact_sheet(frames, 10, stretch=True)[0]
    assert (sheet[0], sheet[1], sheet[50], sheet[99], sheet[100]) == (0, 0, 128, 255, 255)


def test_a_constant_can_be_stretched() -> None:
    """There is nothing to divide by."""
    assert contact_sheet(np.full((3, 2, 2), 7, np.uint16), 10, stretch=True).shape[0] > 0


@pytest.mark.parametrize("shape", [(1, 1, 300), (1, 300, 1), (256, 1, 1), (7, 1, 50), (7, 50, 1)])
def test_every_frame_has_a_place(shape: tuple[int, int, int]) -> None:
    """Whatever their number and shape."""
    sheet = contact_sheet(np.zeros(shape, np.uint16), 10)
    assert (sheet == 0).sum() == np.prod(shape)


def test_a_picture_is_written_as_png(tmp_path: Path) -> None:
    """Grey or colour, to the sample."""
    for shape in ((3, 4), (3, 4, 3)):
        picture = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
        save_png(tmp_path / "x.png", picture)
        np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "x.png")), picture)
