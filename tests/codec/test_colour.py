"""RGB to 4:2:0 and back without a codec, against the matrix of BT.601 by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vcm_ref.codec import ffmpeg
from vcm_ref.codec.colour import rgb_to_yuv, yuv_to_rgb
from vcm_ref.errors import CodecError

from .pictures import colourful, flat, worst

# BT.601, full range: Y = 0.299 R + 0.587 G + 0.114 B, Cb = (B - Y) / 1.772, Cr = (R - Y) / 1.402
MATRIX = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
PRIMARIES = [
    (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255), (10, 200, 90), (91, 81, 17),
]  # fmt: skip


def there(image: NDArray[np.uint8], size: tuple[int, int] | None = None) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    return rgb_to_yuv(image, *(size or image.shape[:2]), time_limit_s=30)


def back(luma: NDArray[np.uint8], chroma: NDArray[np.uint8], size: tuple[int, int] | None = None) -> NDArray[np.uint8]:
    ten_bits = [planes.astype(np.uint16) << 2 for planes in (luma, chroma)]
    return yuv_to_rgb(ten_bits[0], ten_bits[1], *(size or luma.shape), time_limit_s=30)


def test_grey_stays_grey() -> None:
    """Every level, its luma exact: a conversion to limited range would leave 16 to 235."""
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    image = np.repeat(np.kron(levels, np.ones((4, 4), np.uint8))[..., None], 3, axis=2)
    luma, chroma = there(image)
    np.testing.assert_array_equal(luma, image[..., 0])
    assert np.abs(chroma.astype(int) - 128).max() == 0
    np.testing.assert_array_equal(back(luma, chroma), image)


@pytest.mark.parametrize("colour", PRIMARIES, ids=str)
def test_primary_colours(colour: tuple[int, int, int]) -> None:
    luma, chroma = there(flat(32, 48, colour))
    assert luma.shape == (32, 48)
    assert chroma.shape == (2, 16, 24)
    by_hand = MATRIX @ colour + (0, 128, 128)
    for plane, expected in zip((luma, *chroma), by_hand, strict=True):
        assert len(np.unique(plane)) == 1
        assert abs(int(plane.flat[0]) - expected) <= 1
    assert worst(back(luma, chroma), flat(32, 48, colour)) <= 2


def test_four_levels_of_ten_bits_are_one_of_eight() -> None:
    """That shifting up is undone, at the upper end too: white is 1020 of 1023 then."""
    levels = np.arange(1024, dtype=np.uint16).reshape(32, 32)
    image = yuv_to_rgb(levels, np.full((2, 16, 16), 512, np.uint16), 32, 32, time_limit_s=30)
    expected = np.minimum((levels + 2) >> 2, 255)
    np.testing.assert_array_equal(image, np.repeat(expected[..., None], 3, axis=2))


@pytest.mark.parametrize(("size", "largest"), [((96, 128), 3), ((72, 96), 3), ((48, 64), 4), ((24, 32), 10)])
def test_smooth_pictures_come_back(size: tuple[int, int], largest: int) -> None:
    image = colourful(96, 128)
    luma, chroma = there(image, size)
    assert luma.shape == size
    returned = back(luma, chroma, (96, 128))
    assert worst(returned, image) <= largest
    assert np.abs(returned.astype(int) - image).mean() < 1


@pytest.mark.parametrize("size", [(2, 2), (2, 18), (34, 2), (30, 46)])
def test_small_pictures(size: tuple[int, int]) -> None:
    for source in [(1, 1), (3, 9), (31, 47), (64, 1)]:
        luma, chroma = there(flat(*source, (200, 50, 99)), size)
        assert worst(back(luma, chroma, source), flat(*source, (200, 50, 99))) <= 2


def test_processors_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the processor's vector instructions: the same samples."""
    image = np.random.default_rng(0).integers(0, 256, (62, 94, 3)).astype(np.uint8)
    for size in [(62, 94), (46, 70)]:
        with monkeypatch.context() as patch:
            luma, chroma = there(image, size)
            returned = back(luma, chroma, (62, 94))
            patch.setattr(ffmpeg, "QUIET", (*ffmpeg.QUIET, "-cpuflags", "0"))
            plain_luma, plain_chroma = there(image, size)
            np.testing.assert_array_equal(plain_luma, luma)
            np.testing.assert_array_equal(plain_chroma, chroma)
            np.testing.assert_array_equal(back(luma, chroma, (62, 94)), returned)


def test_a_conversion_that_returns_too_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And exits with 0."""
    script = tmp_path / "ffmpeg"
    script.write_text("#!/bin/sh\nexit 0\n")
    script.chmod(0o755)
    monkeypatch.setenv("VCM_FFMPEG", str(script))
    with pytest.raises(CodecError, match="the conversion of a picture returned 0 bytes of 1536"):
        there(flat(32, 32, (1, 2, 3)))
