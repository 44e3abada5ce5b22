"""Raw tensors in files: what is appended is what is given back."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from vcm_ref.bitstream.geometry import SubstreamGeometry
from vcm_ref.bitstream.headers import TensorFormat, TensorHeader
from vcm_ref.decoder import DecodedPicture
from vcm_ref.errors import CodecError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.files.planes_file import GivenPlanes, append_tiers, save_planes
from vcm_ref.reporting.report import PictureReport


def geometry(frames: int, bits: int = 10, pictures: int = 1) -> SubstreamGeometry:
    """Frames of one line of three samples."""
    tensor = TensorHeader(TensorFormat(bit_depth=bits))
    return SubstreamGeometry(tensor, frames, pictures * frames, 1, 3, 1, 3)


PLANES = np.array([[[1, 2, 3]], [[0x304, 1023, 0]]], np.uint16)
SAMPLES = bytes.fromhex("010002000300" "0403ff030000")  # fmt: skip


def picture(planes: NDArray[np.uint16]) -> DecodedPicture:
    layers = {"p2": np.array([[[1.0]]], np.float32), "p3": np.array([[[-2.5]]], np.float32)}
    quantised = {"p2": np.array([[[7]]], np.uint16), "p3": np.array([[[8]]], np.uint16)}
    return DecodedPicture(
        {0: planes, 1: planes[:1]}, quantised, FeatureSet(1, 1, layers), PictureReport(1, 1, [], {}, {}), False
    )


def test_pictures_are_appended_sample_by_sample(tmp_path: Path) -> None:
    """Little-endian, nothing between."""
    for _ in range(2):
        append_tiers(tmp_path, picture(PLANES))
    assert (tmp_path / "t0.raw").read_bytes() == 2 * (SAMPLES + SAMPLES[:6])
    assert (tmp_path / "t1.raw").read_bytes() == 2 * bytes.fromhex("07000800")
    assert (tmp_path / "t2.raw").read_bytes() == 2 * bytes.fromhex("0000803f" "000020c0")  # fmt: skip


def test_levels_have_four_bytes_and_no_planes(tmp_path: Path) -> None:
    """Two's complement, least significant byte first."""
    layers = {"p2": np.array([[[1.0]]], np.float32)}
    levels = {"p2": np.array([[[-2]]], np.int32)}
    levels_picture = DecodedPicture({}, levels, FeatureSet(1, 1, layers), PictureReport(1, 1, [], {}, {}), False)
    append_tiers(tmp_path, levels_picture)
    assert (tmp_path / "t0.raw").read_bytes() == b""
    assert (tmp_path / "t1.raw").read_bytes() == bytes.fromhex("feffffff")
    save_planes(tmp_path / "x.raw", "t1", levels_picture)
    assert (tmp_path / "x.raw").read_bytes() == bytes.fromhex("feffffff")
    assert '"dtype": "int32"' in (tmp_path / "x.raw.json").read_text()


def test_given_planes_are_read_in_order() -> None:
    given = GivenPlanes(io.BytesIO(SAMPLES + SAMPLES[:6]))
    first, second = given.read([geometry(2), geometry(1, 2)], 1)
    np.testing.assert_array_equal(first, PLANES)
    np.testing.assert_array_equal(second, PLANES[:1])
    given.check_end()


def test_the_planes_of_a_group_are_given_picture_by_picture() -> None:
    """Two pictures of two substreams: each has its frames of one picture after those of the other."""
    given = GivenPlanes(io.BytesIO(2 * (SAMPLES + SAMPLES[:6])))
    first, second = given.read([geometry(2, pictures=2), geometry(1, pictures=2)], 2)
    np.testing.assert_array_equal(first, np.concatenate([PLANES, PLANES]))
    np.testing.assert_array_equal(second, np.concatenate([PLANES[:1], PLANES[:1]]))
    given.check_end()


@pytest.mark.parametrize("missing", [1, 2, 12])
def test_too_few_planes(missing: int) -> None:
    with pytest.raises(CodecError, match="end before a substream of 2 frames of 3x1"):
        GivenPlanes(io.BytesIO(SAMPLES[:-missing])).read([geometry(2)], 1)


def test_too_many_planes() -> None:
    given = GivenPlanes(io.BytesIO(SAMPLES + b"\0"))
    given.read([geometry(2)], 1)
    with pytest.raises(CodecError, match="more planes"):
        given.check_end()


def test_samples_of_too_many_bits() -> None:
    with pytest.raises(CodecError, match="1023, beyond 9 bits"):
        GivenPlanes(io.BytesIO(SAMPLES)).read([geometry(2, 9)], 1)
