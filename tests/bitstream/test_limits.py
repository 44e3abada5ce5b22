"""What a decoder is willing to spend: each limit at its edge."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import pytest

from vcm_ref.bitstream.headers import GroupHeader, PictureHeader, StreamHeader, TensorFormat, TensorHeader
from vcm_ref.bitstream.levels import Level, needs_of
from vcm_ref.bitstream.limits import DecoderLimits, output_bytes
from vcm_ref.bitstream.values import Grid, InnerCodecId, Layer
from vcm_ref.errors import LimitError

FORM = TensorFormat(inner_codec=InnerCodecId.VVC)
STREAM = StreamHeader(layers=[Layer("p2", 64), Layer("p3", 16)], tensors=[TensorHeader(FORM, Grid(4, 4))] * 2)
GROUP = GroupHeader(1, 1, [(20, 30), (10, 15)], [PictureHeader()] * 2)
# of each picture p2: 4 frames of 80x120, p3: 1 frame of 40x60


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("layers", 2),
        ("channels", 64),
        ("frames", 8),
        ("frame_samples", 9600),
        ("group_samples", 8 * 9600 + 2 * 2400),
        ("total_samples", 8 * 9600 + 2 * 2400),
        ("pictures", 2),
    ],
)
def test_limits_of_a_group(name: str, value: int) -> None:
    """As many as the limit pass, one more does not; the message says how to raise it."""
    DecoderLimits(**{name: value}).check_needs(needs_of(STREAM, GROUP))
    message = rf"{name} would be {value}; the limit is {value - 1} \(raise it with --limit {name}={value}\)"
    with pytest.raises(LimitError, match=message):
        DecoderLimits(**{name: value - 1}).check_needs(needs_of(STREAM, GROUP))


def test_the_limit_of_models() -> None:
    """In bytes, of all that are in force."""
    DecoderLimits(model_bytes=5).check_needs(Level(max_model_bytes=5))
    with pytest.raises(LimitError, match="model_bytes would be 6"):
        DecoderLimits(model_bytes=5).check_needs(Level(max_model_bytes=6))


def test_frame_samples_are_those_coded() -> None:
    """A frame of one sample is coded as 32x32."""
    stream = StreamHeader(layers=[Layer("p2", 1)], tensors=[TensorHeader(FORM)])
    with pytest.raises(LimitError, match="frame_samples would be 1024"):
        needs = needs_of(stream, GroupHeader(1, 1, [(1, 1)], [PictureHeader()]))
        DecoderLimits(frame_samples=1023).check_needs(needs)


def test_the_bytes_of_a_group_are_those_of_its_float_layers() -> None:
    """4 bytes a sample, of two pictures: 8 * (64 * 20 * 30 + 16 * 10 * 15)."""
    assert output_bytes(STREAM, GROUP) == 326_400


def test_products_do_not_wrap() -> None:
    """Sizes whose product is above 2**64 are compared as they are."""
    stream = StreamHeader(layers=[Layer("p2", 8192)], tensors=[TensorHeader(grid=Grid(8192, 1))])
    group = GroupHeader(1, 1, [(65536, 65536)], [PictureHeader()])
    with pytest.raises(LimitError, match=f"frame_samples would be {2**45}"):
        DecoderLimits().check_needs(needs_of(stream, group))


def test_the_document_has_every_limit() -> None:
    """docs/robustness.md names each with its default."""
    text = (Path(__file__).parents[2] / "docs" / "robustness.md").read_text(encoding="utf-8")
    for name, value in asdict(DecoderLimits()).items():
        assert f"| {name} | {value:,} |".replace(".0 |", " |") in text, name
