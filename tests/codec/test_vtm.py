"""VTM: its command lines always, its executables where the environment names them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
from bitstream.inner_streams import acceptable_stream

from vcm_ref.bitstream.values import InnerCodecId, Mode
from vcm_ref.codec import EncoderName, make_decoder, make_encoder
from vcm_ref.codec.vtm import VtmDecoder, VtmEncoder, decoder_command, encoder_command
from vcm_ref.errors import CodecError, ConfigError

from .samples import extreme_frames, smooth_frames

VARIABLES = ("VCM_VTM_ENCODER", "VCM_VTM_DECODER", "VCM_VTM_CFG")
needs_encoder = pytest.mark.skipif(
    not (os.environ.get("VCM_VTM_ENCODER") and os.environ.get("VCM_VTM_CFG")),
    reason="VCM_VTM_ENCODER and VCM_VTM_CFG do not name VTM's EncoderApp and its configurations",
)
needs_decoder = pytest.mark.skipif(
    not os.environ.get("VCM_VTM_DECODER"), reason="VCM_VTM_DECODER does not name VTM's DecoderApp"
)

ANCHOR = (
    "--InputFile=input.yuv --BitstreamFile=stream.bin --ReconFile= --SourceWidth=64 --SourceHeight=48 --FrameRate=30 "
    "--FramesToBeEncoded=5 --TemporalSubsampleRatio=1 --QP=37 --IntraPeriod={period} --ConformanceWindowMode=1 "
    "--InternalBitDepth=10 --InputBitDepth=10 --OutputBitDepth=10 --InputChromaFormat=400 --Level=6.2"
)


def test_encoder_command_is_the_anchors() -> None:
    shape = (5, 48, 64)
    intra = encoder_command("/vtm/EncoderApp", "/vtm/encoder_intra_vtm.cfg", shape, Mode.AI, 37)
    assert intra == ["/vtm/EncoderApp", "-c", "/vtm/encoder_intra_vtm.cfg", *ANCHOR.format(period=1).split()]
    random_access = encoder_command("E", "R.cfg", shape, Mode.RA, 37, gop=16, extra={"TemporalFilter": "0"})
    assert random_access == ["E", "-c", "R.cfg", *ANCHOR.format(period=16).split(), "--TemporalFilter=0"]


def test_extra_options_replace() -> None:
    command = encoder_command("E", "A.cfg", (1, 32, 32), Mode.AI, 37, extra={"Level": "5.1"})
    assert [argument for argument in command if "Level" in argument] == ["--Level=5.1"]


def test_decoder_command() -> None:
    command = "--BitstreamFile=stream.bin --ReconFile=output.yuv --OutputBitDepth=10 --OplFile=pictures.txt"
    assert decoder_command("/vtm/DecoderApp") == ["/vtm/DecoderApp", *command.split()]


def test_gops_there_are_not() -> None:
    with pytest.raises(ConfigError, match="no configuration for a GOP of 8; it has 32 and 16"):
        make_encoder("vtm", gop=8)


class TestStandIn:
    """Scripts in the place of VTM."""

    FRAMES = np.zeros((2, 32, 40), np.uint16)

    @pytest.fixture(autouse=True)
    def no_environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for variable in VARIABLES:
            monkeypatch.delenv(variable, raising=False)

    @pytest.fixture(autouse=True)
    def temporary_folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "temporary"
        folder.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        return folder

    def script(self, folder: Path, name: str, program: str) -> str:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{program}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return str(path)

    def configurations(self, folder: Path) -> str:
        for name in ("encoder_intra_vtm.cfg", "encoder_randomaccess_vtm.cfg"):
            (folder / name).touch()
        return str(folder)

    def test_encoder(self, tmp_path: Path, temporary_folders: Path) -> None:
        program = f"printf '%s\\n' \"$@\" > {tmp_path}/arguments; wc -c < input.yuv > stream.bin"
        configurations = self.configurations(tmp_path)
        executable = self.script(tmp_path, "EncoderApp", program)
        encoder = VtmEncoder(executable=executable, configurations=configurations)
        assert int(encoder.encode(self.FRAMES, Mode.AI, 37)) == 2 * self.FRAMES.size, "luma only"
        arguments = (tmp_path / "arguments").read_text().splitlines()
        expected = encoder_command(executable, f"{configurations}/encoder_intra_vtm.cfg", (2, 32, 40), Mode.AI, 37)
        assert arguments == expected[1:]
        assert not list(temporary_folders.iterdir())

    def test_encoder_that_fails(self, tmp_path: Path, temporary_folders: Path) -> None:
        configurations = self.configurations(tmp_path)
        failures = {
            "echo 'no memory' >&2; exit 1": "EncoderApp failed with exit code 1: no memory",
            "exit 0": "the encoder returned nothing",
            "sleep 60": r"did not finish within 0\.5 s",
        }
        for program, message in failures.items():
            executable = self.script(tmp_path, "EncoderApp", program)
            encoder = VtmEncoder(executable=executable, configurations=configurations, time_limit_s=0.5)
            with pytest.raises(CodecError, match=message):
                encoder.encode(self.FRAMES, Mode.RA, 37)
            assert not list(temporary_folders.iterdir())

    @pytest.mark.parametrize(("chroma_format", "halves"), [(0, 0), (1, 1), (2, 2), (3, 4)])
    def test_decoder(self, tmp_path: Path, chroma_format: int, halves: int, temporary_folders: Path) -> None:
        frames = smooth_frames(2, 32, 40)
        chroma = np.full(halves * 32 * 40 // 2, 512, np.uint16)
        stream = acceptable_stream(InnerCodecId.VVC, 2, 32, 40, chroma_format)
        (tmp_path / "yuv").write_bytes(b"".join(frame.tobytes() + chroma.tobytes() for frame in frames))
        planes = "0a,0b,0c" if chroma_format else "0a"
        (tmp_path / "list").write_text(f"  0,   0,   40,   32,{planes}\n  0,   1,   40,   32,{planes}\n")
        copy = f"cat stream.bin > {tmp_path}/seen; cp {tmp_path}/yuv output.yuv; cp {tmp_path}/list pictures.txt"
        decoder = VtmDecoder(executable=self.script(tmp_path, "DecoderApp", copy))
        np.testing.assert_array_equal(decoder.decode(stream, 2, 32, 40, 10), frames)
        assert (tmp_path / "seen").read_bytes() == stream
        (tmp_path / "seen").unlink()
        for shape in [(1, 32, 40), (3, 32, 40), (2, 40, 32), (2, 16, 80)]:
            with pytest.raises(CodecError, match=r"the inner decoder returned|the inner stream has"):
                decoder.decode(stream, *shape, 10)
        for shape in [(1, 32, 40), (3, 32, 40), (2, 40, 32), (2, 16, 80)]:
            with pytest.raises(CodecError, match="the inner decoder returned"):
                decoder.decode(acceptable_stream(InnerCodecId.VVC, *shape, chroma_format), *shape, 10)
        assert not list(temporary_folders.iterdir())

    @pytest.mark.parametrize("program", ["exit 0", ": > pictures.txt", "exit 3"])
    def test_decoder_that_fails(self, tmp_path: Path, program: str) -> None:
        with pytest.raises(CodecError):
            VtmDecoder(executable=self.script(tmp_path, "DecoderApp", program)).decode(
                acceptable_stream(InnerCodecId.VVC, 1, 32, 32), 1, 32, 32, 10
            )

    def test_what_is_missing_is_named(self, tmp_path: Path) -> None:
        with pytest.raises(CodecError, match="name VTM's EncoderApp in the environment variable VCM_VTM_ENCODER"):
            make_encoder("vtm").encode(self.FRAMES, Mode.AI, 37)
        with pytest.raises(CodecError, match="name VTM's DecoderApp in the environment variable VCM_VTM_DECODER"):
            make_decoder(InnerCodecId.VVC, "vtm").decode(b"coded", 1, 32, 32, 10)
        with pytest.raises(CodecError, match="there is no /nowhere/EncoderApp"):
            VtmEncoder(executable="/nowhere/EncoderApp").encode(self.FRAMES, Mode.AI, 37)
        executable = self.script(tmp_path, "EncoderApp", "exit 0")
        with pytest.raises(CodecError, match=r"name the folder .* in VCM_VTM_CFG"):
            VtmEncoder(executable=executable).encode(self.FRAMES, Mode.AI, 37)
        with pytest.raises(CodecError, match=r"there is no .*encoder_randomaccess_vtm\.cfg"):
            VtmEncoder(executable=executable, configurations=str(tmp_path)).encode(self.FRAMES, Mode.RA, 37)

    def test_version(self, tmp_path: Path) -> None:
        banner = "echo 'VVCSoftware: VTM Decoder Version 12.0 [Linux][64 bit]'; exit 1"
        decoder = VtmDecoder(executable=self.script(tmp_path, "DecoderApp", banner))
        assert decoder.describe() == {"decoder": "VTM Decoder Version 12.0"}
        with pytest.raises(CodecError, match="does not report a version"):
            VtmDecoder(executable=self.script(tmp_path, "Other", "echo hello")).describe()


@needs_encoder
@needs_decoder
@pytest.mark.parametrize("mode", (Mode.AI, Mode.RA), ids=lambda mode: mode.name)
def test_vtm_streams_decode_alike(mode: Mode) -> None:
    encoder = make_encoder("vtm")
    frames = extreme_frames(3, 32, 48)
    stream = encoder.encode(frames, mode, 22)
    decoded = make_decoder(encoder.codec_id, "ffmpeg").decode(stream, 3, 32, 48, 10)
    assert np.abs(decoded.astype(int) - frames).mean() < 4
    np.testing.assert_array_equal(make_decoder(encoder.codec_id, "vtm").decode(stream, 3, 32, 48, 10), decoded)


@needs_decoder
@pytest.mark.parametrize("mode", (Mode.AI, Mode.RA), ids=lambda mode: mode.name)
@pytest.mark.parametrize("shape", [(1, 32, 32), (5, 34, 50), (33, 48, 64)])
@pytest.mark.parametrize("codec", ["vvenc"])
def test_both_decoders_return_the_same_luma(codec: EncoderName, shape: tuple[int, int, int], mode: Mode) -> None:
    encoder = make_encoder(codec)
    stream = encoder.encode(smooth_frames(*shape), mode, 27)
    np.testing.assert_array_equal(
        make_decoder(encoder.codec_id, "vtm").decode(stream, *shape, 10),
        make_decoder(encoder.codec_id, "ffmpeg").decode(stream, *shape, 10),
    )
