"""What a decoder is willing to spend: each limit at its edge."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from vcm_ref.bitstream.limits import DecoderLimits
from vcm_ref.bitstream.syntax import LayerHeader, LayerPicture, PictureHeader, StreamHeader
from vcm_ref.bitstream.values import Grid, InnerCodecId
from vcm_ref.errors import LimitError

STREAM = StreamHeader(
    inner_codec=InnerCodecId.VVC, layers=[LayerHeader("p2", 64, Grid(4, 4)), LayerHeader("p3", 16, Grid(4, 4))]
)
PICTURE = PictureHeader(1, 1, [], [LayerPicture(20, 30), LayerPicture(10, 15)])
# p2: 4 frames of 80x120, p3: 1 frame of 40x60


@pytest.mark.parametrize(("name", "value"), [("layers", 2), ("channels", 64)])
def test_limits_of_the_stream_header(name: str, value: int) -> None:
    """As many as the limit pass, one more does not; the message says how to raise it."""
    DecoderLimits(**{name: value}).check_stream(STREAM)
    message = rf"{name} would be {value}; the limit is {value - 1} \(raise it with --limit {name}={value}\)"
    with pytest.raises(LimitError, match=message):
        DecoderLimits(**{name: value - 1}).check_stream(STREAM)


@pytest.mark.parametrize(("name", "value"), [("frames", 4), ("frame_samples", 9600)])
def test_limits_of_the_picture_header(name: str, value: int) -> None:
    """Frames of one substream, and the samples of one coded frame."""
    DecoderLimits(**{name: value}).check_picture(STREAM, PICTURE)
    with pytest.raises(LimitError, match=f"{name} would be {value}; the limit is {value - 1} "):
        DecoderLimits(**{name: value - 1}).check_picture(STREAM, PICTURE)


def test_frame_samples_are_those_coded() -> None:
    """A frame of one sample is coded as 32x32."""
    stream = StreamHeader(inner_codec=InnerCodecId.HEVC, layers=[LayerHeader("p2", 1)])
    with pytest.raises(LimitError, match="frame_samples would be 1024"):
        DecoderLimits(frame_samples=1023).check_picture(stream, PictureHeader(1, 1, [], [LayerPicture(1, 1)]))


def test_the_bytes_of_a_picture_are_those_of_its_float_features() -> None:
    """4 bytes a sample: 4 * (64 * 20 * 30 + 16 * 10 * 15)."""
    assert DecoderLimits().check_picture(STREAM, PICTURE) == 163_200


def test_products_do_not_wrap() -> None:
    """Sizes whose product is above 2**64 are compared as they are."""
    stream = StreamHeader(layers=[LayerHeader("p2", 8192, Grid(8192, 1))])
    picture = PictureHeader(1, 1, [], [LayerPicture(65536, 65536)])
    with pytest.raises(LimitError, match=f"frame_samples would be {2**45}"):
        DecoderLimits().check_picture(stream, picture)


def test_the_document_has_every_limit() -> None:
    """docs/robustness.md names each with its default."""
    text = (Path(__file__).parents[2] / "docs" / "robustness.md").read_text(encoding="utf-8")
    for name, value in asdict(DecoderLimits()).items():
        assert f"| {name} | {value:,} |".replace(".0 |", " |") in text, name
