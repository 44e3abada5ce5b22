"""Whole pictures in colour by VVC: real runs at small sizes, VTM where the environment names it."""

from __future__ import annotations

import os
import re
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from vcm_ref.bitstream.values import InnerCodecId, Mode
from vcm_ref.codec import make_decoder, make_encoder
from vcm_ref.codec.ffmpeg import FfmpegDecoder
from vcm_ref.codec.picture import SCALES, PictureCoder, coded_size
from vcm_ref.codec.vtm import VtmEncoder, decoder_command
from vcm_ref.codec.vvenc import VvencEncoder
from vcm_ref.errors import CodecError, ConfigError
from vcm_ref.process.child import ChildLimits, run_child

from .pictures import colourful, flat, worst
from .samples import smooth_frames

VTM = ("VCM_VTM_ENCODER", "VCM_VTM_DECODER", "VCM_VTM_CFG")
needs_vtm = pytest.mark.skipif(
    not all(os.environ.get(variable) for variable in VTM),
    reason=f"{', '.join(VTM)} do not name VTM's executables and its configurations",
)


@pytest.fixture(scope="module")
def stream() -> bytes:
    """A picture of 62x94 at 75 %, coded as 48x72."""
    return PictureCoder(scale=75).encode(colourful(62, 94), 27)


def mean_error(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(int) - b).mean())


@pytest.mark.parametrize("side", [1, 2, 3, 47, 48, 49, 50, 51, 639, 640, 1024, 3841])
def test_coded_size_is_the_anchors(side: int) -> None:
    anchor = {100: ceil(side / 2) * 2, 75: ceil(side * 3 / 8) * 2, 50: ceil(side / 4) * 2, 25: ceil(side / 8) * 2}
    assert tuple(anchor) == SCALES
    for scale, coded in anchor.items():
        assert coded_size(side, 2 * side, scale)[0] == max(32, coded)
        assert coded_size(2 * side, side, scale)[1] == max(32, coded)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [(64, 96), (65, 131), (33, 17)], ids=str)
def test_round_trip(size: tuple[int, int], scale: int) -> None:
    coder = PictureCoder(scale=scale)
    image = colourful(*size)
    streams = [coder.encode(image, qp) for qp in (12, 42)]
    pictures = [coder.decode(stream, *size) for stream in streams]
    assert len(streams[0]) > len(streams[1])
    assert all(picture.dtype == np.uint8 and picture.shape == (*size, 3) for picture in pictures)
    assert mean_error(pictures[0], image) < 2
    assert mean_error(pictures[0], image) < mean_error(pictures[1], image) < 25


@pytest.mark.parametrize("scale", SCALES)
def test_tiny_pictures(scale: int) -> None:
    coder = PictureCoder(scale=scale)
    for size in [(1, 1), (1, 70), (5, 3)]:
        image = flat(*size, (200, 50, 99))
        assert worst(coder.decode(coder.encode(image, 12), *size), image) <= 3


def test_range_and_colours_survive() -> None:
    """Blocks at the corners of the RGB cube: limited range or another matrix would show."""
    corners = np.array([[r, g, b] for r in (0, 255) for g in (0, 255) for b in (0, 255)], np.uint8)
    image = np.kron(corners.reshape(2, 4, 3), np.ones((32, 32, 1), np.uint8))
    coder = PictureCoder()
    decoded = coder.decode(coder.encode(image, 7), 64, 128)
    assert worst(decoded[8:24, 8::32], image[8:24, 8::32]) <= 4


def test_what_the_encoder_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 100 % the picture is padded, not resized: the last row and column repeat."""
    seen: list[Any] = []
    monkeypatch.setattr(VvencEncoder, "encode", lambda _, *arguments: seen.extend(arguments))
    PictureCoder().encode(colourful(35, 21), 30)
    luma, mode, qp, chroma = seen
    assert (mode, qp) == (Mode.AI, 30)
    assert luma.shape == (1, 36, 32)
    assert chroma.shape == (1, 2, 18, 16)
    assert not (luma % 4).any()
    np.testing.assert_array_equal(luma[0, 35], luma[0, 34])
    np.testing.assert_array_equal(luma[0, :, 21:], np.repeat(luma[0, :, 20:21], 11, axis=1))
    np.testing.assert_array_equal(chroma[..., 11:], np.repeat(chroma[..., 10:11], 5, axis=3))
    expected = colourful(35, 21) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(luma[0, :35, :21] / 4 - expected).max() <= 1


@pytest.mark.parametrize("scale", [100, 50])
def test_nothing_depends_on_threads(scale: int) -> None:
    image = np.random.default_rng(2).integers(0, 256, (131, 259, 3)).astype(np.uint8) // 4 + colourful(131, 259) // 2
    coders = [PictureCoder(scale=scale, threads=threads) for threads in (1, 2, 4)]
    streams = {coder.encode(image, 32) for coder in coders}
    assert len(streams) == 1
    pictures = {coder.decode(next(iter(streams)), 131, 259).tobytes() for coder in coders}
    assert len(pictures) == 1


def test_presets(stream: bytes) -> None:
    assert PictureCoder(preset="faster", scale=75).encode(colourful(62, 94), 27) == stream
    assert PictureCoder(preset="medium", scale=75).encode(colourful(62, 94), 27) != stream


def test_nothing_but_parameter_sets_and_one_picture(stream: bytes) -> None:
    types = [unit[1] >> 3 for unit in re.split(rb"\x00\x00\x01", stream)[1:]]
    assert sum(kind <= 9 for kind in types) == 1
    assert set(types) <= {7, 8, 9, 15, 16, 17}


def test_streams_of_another_size(stream: bytes) -> None:
    assert PictureCoder(scale=75).decode(stream, 62, 94).shape == (62, 94, 3)
    for scale, size in [(75, (94, 62)), (75, (62, 100)), (100, (62, 94)), (75, (124, 47)), (50, (62, 94))]:
        with pytest.raises(CodecError, match=r"returned (frames of 72x48, not of|more than)|pictures of 72x48 before"):
            PictureCoder(scale=scale).decode(stream, *size)


def test_streams_that_are_none(stream: bytes) -> None:
    two = VvencEncoder().encode(smooth_frames(2, 48, 72), Mode.AI, 37)
    for other in (b"", b"garbage " * 99, bytes(999), stream[: len(stream) // 2], stream + stream, two):
        with pytest.raises(CodecError):
            PictureCoder(scale=75).decode(other, 62, 94)


def test_luma_comes_back_alone_as_well(stream: bytes) -> None:
    luma, chroma = FfmpegDecoder(InnerCodecId.VVC).decode_colour(stream, 1, 48, 72, 10)
    assert chroma.shape == (1, 2, 24, 36)
    np.testing.assert_array_equal(make_decoder(InnerCodecId.VVC).decode(stream, 1, 48, 72, 10), luma)


def test_frames_without_chroma_are_grey_pictures() -> None:
    """The constant 512 that feature frames are fed with, and no other stream when it is given."""
    frames = smooth_frames(2, 32, 48)
    stream = make_encoder("vvenc").encode(frames, Mode.AI, 30)
    assert VvencEncoder().encode(frames, Mode.AI, 30, np.full((2, 2, 16, 24), 512, np.uint16)) == stream
    assert abs(FfmpegDecoder(InnerCodecId.VVC).decode_colour(stream, 2, 32, 48, 10)[1].astype(int) - 512).max() == 0


def test_chroma_that_does_not_fit() -> None:
    frames = smooth_frames(1, 32, 48)
    for encoder in (VvencEncoder(), VtmEncoder(chroma_format=420)):
        with pytest.raises(ValueError, match="the chroma of frames"):
            encoder.encode(frames, Mode.AI, 30, np.full((1, 2, 16, 48), 512, np.uint16))
        with pytest.raises(CodecError, match="1024 does not fit into 10 bits"):
            encoder.encode(frames, Mode.AI, 30, np.full((1, 2, 16, 24), 1024, np.uint16))
    with pytest.raises(ValueError, match="exactly if"):
        VtmEncoder(chroma_format=420).encode(frames, Mode.AI, 30)
    with pytest.raises(ValueError, match="exactly if"):
        VtmEncoder().encode(frames, Mode.AI, 30, np.full((1, 2, 16, 24), 512, np.uint16))


def test_description() -> None:
    described = PictureCoder(preset="medium", scale=25).describe()
    assert described["encoder"] == "libvvenc"
    assert described["decoder"] == "ffmpeg vvc"
    assert described["ffmpeg"]
    assert described["scale"] == "25 %"
    assert "-preset medium" in described["AI"]
    assert "RA" not in described
    for conversion in ("to_yuv", "to_rgb"):
        assert described[conversion].count("flags=bicubic+accurate_rnd+bitexact+full_chroma_int") == 2
        assert described[conversion].count("color_matrix=bt601") == 1
        assert "in_range=full:out_range=full" in described[conversion]
    assert PictureCoder().describe()["to_yuv"].count("scale=") == 1


def test_what_there_is_not() -> None:
    with pytest.raises(ConfigError, match="cannot be coded with 'hevc', only with vvenc and vtm"):
        PictureCoder("hevc")
    with pytest.raises(ConfigError, match="cannot be coded at 60 %, only at 100, 75, 50, 25 %"):
        PictureCoder(scale=60)
    with pytest.raises(ConfigError, match="has no preset 'best'"):
        PictureCoder(preset="best")
    with pytest.raises(ConfigError, match="cannot be coded by 0 threads"):
        PictureCoder(threads=0)
    with pytest.raises(CodecError, match="vvenc has no QP 64"):
        PictureCoder().encode(colourful(32, 32), 64)
    for picture in (np.zeros((32, 32), np.uint8), np.zeros((32, 32, 3)), np.zeros((0, 32, 3), np.uint8)):
        with pytest.raises(ValueError, match="a picture must be uint8"):
            PictureCoder().encode(picture, 30)


def test_a_picture_too_large_for_libvvenc() -> None:
    noise = np.random.default_rng(0).integers(0, 2, (32, 32, 3)).astype(np.uint8) * np.uint8(255)
    with pytest.raises(CodecError, match=r"no room for .* more than 8 bits a sample; raise the QP$"):
        PictureCoder().encode(noise, 22)


def test_time_limit() -> None:
    with pytest.raises(CodecError, match=r"did not finish within 0\.01 s"):
        PictureCoder(time_limit_s=0.01).encode(colourful(256, 256), 22)


def test_vtm_gets_the_same_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script in the place of VTM: what it is given, and how it is called."""
    script = tmp_path / "EncoderApp"
    script.write_text(f"#!/bin/sh\necho $@ > {tmp_path}/arguments; cp input.yuv stream.bin\n")
    script.chmod(0o755)
    (tmp_path / "encoder_intra_vtm.cfg").touch()
    monkeypatch.setenv("VCM_VTM_ENCODER", str(script))
    monkeypatch.setenv("VCM_VTM_CFG", str(tmp_path))
    seen: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(VvencEncoder, "encode", lambda _, *arguments: seen.extend(arguments))
        PictureCoder(scale=75).encode(colourful(62, 94), 30)
    samples = np.frombuffer(PictureCoder("vtm", scale=75).encode(colourful(62, 94), 30), "<u2")
    np.testing.assert_array_equal(samples, np.concatenate([seen[0].ravel(), seen[3].ravel()]))
    arguments = (tmp_path / "arguments").read_text().split()
    expected = {"--InputChromaFormat=420", "--SourceWidth=72", "--SourceHeight=48", "--QP=30", "--InputBitDepth=10"}
    assert expected <= set(arguments)


@needs_vtm
@pytest.mark.parametrize("scale", [100, 50])
def test_vtm(scale: int, tmp_path: Path) -> None:
    """Both decoders return the same samples of VTM's stream, chroma included."""
    image = colourful(65, 95)
    coder = PictureCoder("vtm", scale=scale)
    stream = coder.encode(image, 22)
    assert mean_error(coder.decode(stream, 65, 95), image) < 3
    height, width = coded_size(65, 95, scale)
    luma, chroma = FfmpegDecoder(InnerCodecId.VVC).decode_colour(stream, 1, height, width, 10)
    (tmp_path / "stream.bin").write_bytes(stream)
    run_child(decoder_command(os.environ["VCM_VTM_DECODER"]), limits=ChildLimits(60, 1 << 20), cwd=tmp_path)
    samples = np.fromfile(tmp_path / "output.yuv", "<u2")
    np.testing.assert_array_equal(samples, np.concatenate([luma.ravel(), chroma.ravel()]))
    described = coder.describe()
    assert described["encoder"].startswith("VTM")
    assert "--InputChromaFormat=420" in described["AI"]


@needs_vtm
def test_vtm_decodes_pictures_of_vvenc(stream: bytes, tmp_path: Path) -> None:
    luma, chroma = FfmpegDecoder(InnerCodecId.VVC).decode_colour(stream, 1, 48, 72, 10)
    (tmp_path / "stream.bin").write_bytes(stream)
    run_child(decoder_command(os.environ["VCM_VTM_DECODER"]), limits=ChildLimits(60, 1 << 20), cwd=tmp_path)
    samples = np.fromfile(tmp_path / "output.yuv", "<u2")
    np.testing.assert_array_equal(samples, np.concatenate([luma.ravel(), chroma.ravel()]))
