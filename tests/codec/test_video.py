"""VVC by VVenC and HEVC by x265, both decoded by ffmpeg: real runs at small sizes."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from bitstream.inner_streams import acceptable_stream
from numpy.typing import NDArray

from vcm_ref.bitstream.values import InnerCodecId, Mode
from vcm_ref.codec import EncoderName, InnerEncoder, make_decoder, make_encoder
from vcm_ref.codec.ffmpeg import find_ffmpeg
from vcm_ref.codec.hevc import HevcEncoder
from vcm_ref.codec.vvenc import PRESETS, VvencEncoder
from vcm_ref.errors import CodecError, ConfigError, UnsupportedError

from .samples import extreme_frames, smooth_frames

CODECS: list[EncoderName] = ["vvenc", "hevc"]
SHAPES = [(1, 32, 32), (2, 32, 40), (5, 48, 64), (33, 32, 32), (3, 34, 50)]


def quick_encoder(codec: EncoderName, preset: str | None = None, threads: int = 1) -> InnerEncoder:
    """Without the adaptive loop filter, on which VVenC spends 0.1 s a picture in AI, however small the picture."""
    return make_encoder(codec, preset=preset, threads=threads, extra={"ALF": "0"} if codec == "vvenc" else None)


def decode(encoder: InnerEncoder, stream: bytes, shape: tuple[int, ...]) -> NDArray[np.uint16]:
    count, height, width = shape
    return make_decoder(encoder.codec_id).decode(stream, count, height, width, encoder.bit_depth)


def error(a: NDArray[np.uint16], b: NDArray[np.uint16]) -> float:
    return float(np.abs(a.astype(int) - b).mean())


def nal_unit_types(codec_id: InnerCodecId, stream: bytes) -> list[int]:
    units = re.split(rb"\x00\x00\x01", stream)[1:]
    return [unit[1] >> 3 if codec_id == InnerCodecId.VVC else (unit[0] >> 1) & 63 for unit in units]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
@pytest.mark.parametrize("mode", (Mode.AI, Mode.RA), ids=lambda mode: mode.name)
@pytest.mark.parametrize("codec", CODECS)
def test_round_trip(codec: EncoderName, mode: Mode, shape: tuple[int, int, int]) -> None:
    encoder = make_encoder(codec) if shape[0] < 5 else quick_encoder(codec)
    frames = smooth_frames(*shape)
    errors, sizes = [], []
    for qp in (12, 42):
        stream = encoder.encode(frames, mode, qp)
        decoded = decode(encoder, stream, shape)
        assert decoded.shape == shape
        assert decoded.dtype == np.uint16
        errors.append(error(decoded, frames))
        sizes.append(len(stream))
    assert errors[0] < 4, "frames must come back in their order, and in their range"
    assert errors[0] < errors[1] < 80
    assert sizes[0] > sizes[1]


@pytest.mark.parametrize("count", [8, 11, 14, 15, 16, 17, 18])
def test_all_intra_of_about_as_many_frames_as_the_encoder_holds(count: int) -> None:
    """ffmpeg took VVenC for done before its first picture was out, and returned nothing."""
    frames = smooth_frames(count, 32, 32)
    encoder = quick_encoder("vvenc")
    assert len(decode(encoder, encoder.encode(frames, Mode.AI, 37), frames.shape)) == count


@pytest.mark.parametrize("mode", (Mode.AI, Mode.RA), ids=lambda mode: mode.name)
@pytest.mark.parametrize("codec", CODECS)
def test_extreme_samples_survive(codec: EncoderName, mode: Mode) -> None:
    """Full-range samples: a conversion between limited and full range would move 0 to 64 or 1023 to 940."""
    encoder = make_encoder(codec)
    frames = extreme_frames(3, 64, 96)
    decoded = decode(encoder, encoder.encode(frames, mode, 2), frames.shape)
    assert np.abs(decoded.astype(int) - frames).max() <= 8
    assert decoded.min() <= 1
    assert decoded.max() >= 1022


@pytest.mark.parametrize("mode", (Mode.AI, Mode.RA), ids=lambda mode: mode.name)
@pytest.mark.parametrize("codec", CODECS)
def test_stream_does_not_depend_on_threads(codec: EncoderName, mode: Mode) -> None:
    frames = smooth_frames(9, 72, 136)
    streams = {quick_encoder(codec, threads=threads).encode(frames, mode, 27) for threads in (1, 2, 4)}
    assert len(streams) == 1


def test_decoded_frames_do_not_depend_on_threads() -> None:
    frames = smooth_frames(9, 64, 80)
    stream = make_encoder("vvenc").encode(frames, Mode.RA, 32)
    one, four = (make_decoder(InnerCodecId.VVC, threads=threads).decode(stream, 9, 64, 80, 10) for threads in (1, 4))
    np.testing.assert_array_equal(one, four)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_of_vvenc(preset: str) -> None:
    encoder = quick_encoder("vvenc", preset)
    frames = smooth_frames(2, 32, 32)
    for mode in (Mode.AI, Mode.RA):
        assert error(decode(encoder, encoder.encode(frames, mode, 12), frames.shape), frames) < 4


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("qp", [0, 1, 50, 51])
def test_ends_of_the_qp_range(codec: EncoderName, qp: int) -> None:
    encoder = quick_encoder(codec)
    frames = smooth_frames(2, 32, 32)
    for mode in (Mode.AI, Mode.RA):
        decode(encoder, encoder.encode(frames, mode, qp), frames.shape)
    with pytest.raises(CodecError, match=f"{codec} has no QP 64; it has 0 to"):
        encoder.encode(frames, Mode.AI, 64)


@pytest.mark.parametrize("shape", [(17, 32, 32), (3, 64, 64), (5, 96, 64), (3, 34, 32), (3, 32, 64)])
def test_hevc_decodes_as_it_was_coded(shape: tuple[int, int, int]) -> None:
    """Pictures as wide as a CTU: x265's reconstruction must be the decoder's, or errors pile up in RA."""
    rng = np.random.default_rng(0)
    frames = np.clip(rng.normal(512, 60, shape), 0, 1023).astype(np.uint16)
    encoder = make_encoder("hevc")
    decoded = decode(encoder, encoder.encode(frames, Mode.RA, 0), shape)
    assert np.abs(decoded.astype(int) - frames).max() <= 10


@pytest.mark.parametrize(
    ("codec", "allowed"), [("vvenc", {0, 1, 2, 3, 7, 8, 9, 15, 16, 17}), ("hevc", {0, 1, 20, 32, 33, 34})]
)
def test_nothing_but_parameter_sets_and_coded_data(codec: EncoderName, allowed: set[int]) -> None:
    """No access unit delimiters, no SEI messages, none of the encoder's options."""
    encoder = make_encoder(codec)
    for mode in (Mode.AI, Mode.RA):
        stream = encoder.encode(smooth_frames(3, 64, 64), mode, 30)
        assert set(nal_unit_types(encoder.codec_id, stream)) <= allowed
        assert b"warning" not in stream.lower(), "VVenC prints on standard output"


@pytest.mark.parametrize("codec", CODECS)
def test_gop_and_extra_options_take_effect(codec: EncoderName) -> None:
    frames = smooth_frames(18, 32, 32)
    plain = make_encoder(codec)
    assert make_encoder(codec, gop=16).encode(frames, Mode.RA, 30) != plain.encode(frames, Mode.RA, 30)
    extra = {"vvenc": {"ALF": "0"}, "hevc": {"sao": "0"}}[codec]
    assert make_encoder(codec, extra=extra).encode(frames[:2], Mode.AI, 30) != plain.encode(frames[:2], Mode.AI, 30)
    assert f"{next(iter(extra))}=0" in make_encoder(codec, extra=extra).describe()["AI"]


def test_temporal_filter_stays_off() -> None:
    """VVenC's filter blends neighbouring frames before it codes them, in All-Intra too."""
    frames = np.stack([smooth_frames(1, 64, 64, seed)[0] for seed in range(5)])
    encoder = quick_encoder("vvenc")
    alone = [encoder.encode(frames[index : index + 1], Mode.AI, 32) for index in range(5)]
    decoded = decode(encoder, encoder.encode(frames, Mode.AI, 32), frames.shape)
    for index, stream in enumerate(alone):
        difference = error(decode(encoder, stream, (1, 64, 64))[0], decoded[index])
        assert difference < 1, "a frame must be coded alike whatever its neighbours"


def test_lost_pictures_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder that ends its stream early, as libvvenc does when it is drained too soon."""
    encoder = make_encoder("vvenc")
    stream = encoder.encode(smooth_frames(2, 32, 32), Mode.AI, 40)
    monkeypatch.setattr("vcm_ref.codec.ffmpeg.run_child", lambda *_, **__: stream)
    monkeypatch.setattr("vcm_ref.codec.vvenc.require_encoder", lambda *_: None)
    assert encoder.encode(smooth_frames(2, 32, 32), Mode.AI, 40) == stream
    with pytest.raises(CodecError, match="returned 2 pictures of 3"):
        encoder.encode(smooth_frames(3, 32, 32), Mode.AI, 40)


@pytest.mark.parametrize("codec", CODECS)
def test_description(codec: EncoderName) -> None:
    described = make_encoder(codec).describe()
    assert described["encoder"] == {"vvenc": "libvvenc", "hevc": "libx265"}[codec]
    assert described["ffmpeg"]
    assert "-preset" in described["RA"]
    assert all(isinstance(value, str) for value in described.values())


def test_presets_there_are_not() -> None:
    for encoder in (VvencEncoder, HevcEncoder):
        with pytest.raises(ConfigError, match="has no preset 'best'; it has"):
            encoder(preset="best")
    with pytest.raises(ConfigError, match="has no GOP of 8; it has 16 and 32"):
        VvencEncoder(gop=8)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("shape", [(0, 32, 32), (1, 30, 32), (1, 33, 32), (1, 32, 41)])
def test_frames_it_cannot_code(codec: EncoderName, shape: tuple[int, int, int]) -> None:
    with pytest.raises(CodecError, match=f"{codec} cannot code"):
        make_encoder(codec).encode(np.zeros(shape, np.uint16), Mode.AI, 30)


@pytest.mark.parametrize("codec", CODECS)
def test_samples_it_cannot_code(codec: EncoderName) -> None:
    with pytest.raises(CodecError, match="a sample of 1024 does not fit into 10 bits"):
        make_encoder(codec).encode(np.full((1, 32, 32), 1024, np.uint16), Mode.AI, 30)


def test_a_picture_too_large_for_libvvenc() -> None:
    frames = np.random.default_rng(0).integers(0, 1024, (1, 32, 32)).astype(np.uint16)
    with pytest.raises(CodecError, match="more than 8 bits a sample; raise the QP, or choose lossless"):
        make_encoder("vvenc").encode(frames, Mode.AI, 0)


@pytest.fixture(scope="module", params=CODECS)
def coded(request: pytest.FixtureRequest) -> tuple[InnerCodecId, bytes]:
    encoder = make_encoder(request.param)
    return encoder.codec_id, encoder.encode(smooth_frames(5, 48, 64), Mode.RA, 22)


def test_wrong_number_or_size_of_frames(coded: tuple[InnerCodecId, bytes]) -> None:
    codec_id, stream = coded
    decoder = make_decoder(codec_id)
    assert decoder.decode(stream, 5, 48, 64, 10).shape == (5, 48, 64)
    for shape in [(4, 48, 64), (6, 48, 64), (5, 64, 48), (5, 48, 62), (10, 24, 64), (1, 32, 32), (5, 96, 128)]:
        with pytest.raises(CodecError, match=r"returned|were expected"):
            decoder.decode(stream, *shape, 10)
    with pytest.raises(CodecError, match="frames of 8 bits cannot be decoded"):
        decoder.decode(stream, 5, 48, 64, 8)


def test_streams_that_are_none(coded: tuple[InnerCodecId, bytes]) -> None:
    decoder = make_decoder(coded[0])
    for stream in (b"", b"\0", b"\0\0\0\1", b"garbage " * 999, b"\0\0\1\xff" * 99, bytes(9999)):
        with pytest.raises(CodecError):
            decoder.decode(stream, 5, 48, 64, 10)


def test_damaged_streams(coded: tuple[InnerCodecId, bytes]) -> None:
    """Truncated or with flipped bytes: the frames asked for, or CodecError."""
    codec_id, stream = coded
    decoder = make_decoder(codec_id, time_limit_s=20)
    rng = np.random.default_rng(1)
    damaged = [stream[: int(size)] for size in rng.integers(1, len(stream), 10)]
    for _ in range(15):
        flipped = np.frombuffer(stream, np.uint8).copy()
        places = rng.integers(0, len(stream), rng.integers(1, 4))
        flipped[places] ^= rng.integers(1, 256, len(places)).astype(np.uint8)
        damaged.append(flipped.tobytes())
    refused = 0
    for candidate in damaged:
        try:
            assert decoder.decode(candidate, 5, 48, 64, 10).shape == (5, 48, 64)
        except CodecError:
            refused += 1
    assert refused >= 8, "a truncated stream has too few frames"


def test_change_of_size_within_a_stream(coded: tuple[InnerCodecId, bytes]) -> None:
    """Two sequences, one after the other: legal, but not frames of one size."""
    codec_id, stream = coded
    encoder = make_encoder("vvenc" if codec_id == InnerCodecId.VVC else "hevc")
    other = encoder.encode(smooth_frames(5, 32, 32), Mode.RA, 22)
    for first, second, shape in [(stream, other, (10, 48, 64)), (other, stream, (10, 32, 32))]:
        with pytest.raises(CodecError):
            make_decoder(codec_id).decode(first + second, *shape, 10)


@pytest.mark.parametrize("codec", CODECS)
def test_time_limit(codec: EncoderName) -> None:
    frames = smooth_frames(64, 128, 128)
    with pytest.raises(CodecError, match=r"did not finish within 0\.05 s"):
        make_encoder(codec, time_limit_s=0.05).encode(frames, Mode.RA, 22)


class TestExecutable:
    """Which ffmpeg is used, and what is said when it cannot do what is asked."""

    FRAMES = np.zeros((1, 32, 32), np.uint16)

    @pytest.fixture
    def poor_ffmpeg(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """An ffmpeg that was built with next to nothing."""
        script = tmp_path / "ffmpeg"
        script.write_text(
            "#!/bin/sh\ncase $2 in -encoders|-decoders) echo ' V..... mpeg4  MPEG-4';; *) exit 1;; esac\n"
        )
        script.chmod(0o755)
        monkeypatch.setenv("VCM_FFMPEG", str(script))
        return script

    def test_environment_variable(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.delenv("VCM_FFMPEG", raising=False)
        bundled = find_ffmpeg()
        link = tmp_path / "my_ffmpeg"
        link.symlink_to(bundled)
        monkeypatch.setenv("VCM_FFMPEG", str(link))
        assert find_ffmpeg() == str(link)
        assert make_encoder("vvenc").encode(self.FRAMES, Mode.AI, 40)

    def test_variable_that_names_nothing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("VCM_FFMPEG", "/nowhere/ffmpeg")
        for codec in CODECS:
            with pytest.raises(CodecError, match="VCM_FFMPEG names /nowhere/ffmpeg, which is not a file"):
                make_encoder(codec).encode(self.FRAMES, Mode.AI, 40)

    @pytest.mark.usefixtures("poor_ffmpeg")
    def test_missing_encoder(self) -> None:
        with pytest.raises(CodecError, match=r"lacks libvvenc: .*VCM_FFMPEG.*\(hevc, vtm, lossless\)"):
            make_encoder("vvenc").encode(self.FRAMES, Mode.AI, 40)
        with pytest.raises(CodecError, match=r"lacks libx265: .*VCM_FFMPEG.*\(vvenc, vtm, lossless\)"):
            make_encoder("hevc").encode(self.FRAMES, Mode.AI, 40)

    @pytest.mark.usefixtures("poor_ffmpeg")
    def test_missing_decoder(self) -> None:
        with pytest.raises(UnsupportedError, match=r"lacks a decoder for vvc: .*VCM_FFMPEG, or decode with vtm"):
            make_decoder(InnerCodecId.VVC).decode(acceptable_stream(InnerCodecId.VVC, 1, 32, 32), 1, 32, 32, 10)
        with pytest.raises(UnsupportedError, match="lacks a decoder for hevc"):
            make_decoder(InnerCodecId.HEVC).decode(acceptable_stream(InnerCodecId.HEVC, 1, 32, 32), 1, 32, 32, 10)

    def test_not_an_ffmpeg(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = tmp_path / "ffmpeg"
        script.write_text("#!/bin/sh\necho hello\n")
        script.chmod(0o755)
        monkeypatch.setenv("VCM_FFMPEG", str(script))
        with pytest.raises(CodecError, match="is not ffmpeg"):
            make_encoder("vvenc").describe()

    def test_decoder_that_hangs(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        script = tmp_path / "ffmpeg"
        script.write_text("#!/bin/sh\ncase $2 in -decoders) echo ' V..... vvc  VVC';; *) sleep 60;; esac\n")
        script.chmod(0o755)
        monkeypatch.setenv("VCM_FFMPEG", str(script))
        with pytest.raises(CodecError, match=r"did not finish within 0\.3 s"):
            make_decoder(InnerCodecId.VVC, time_limit_s=0.3).decode(
                acceptable_stream(InnerCodecId.VVC, 1, 32, 32), 1, 32, 32, 10
            )
