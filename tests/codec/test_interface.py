"""Making encoders and decoders by name, and what that costs."""

from __future__ import annotations

import subprocess
import sys
from typing import cast

import numpy as np
import pytest

from vcm_ref.bitstream.values import InnerCodecId, Mode
from vcm_ref.codec import DecoderBackend, EncoderName, make_decoder, make_encoder
from vcm_ref.errors import ConfigError


@pytest.mark.parametrize(
    ("name", "codec_id", "bit_depth"),
    [
        ("vvenc", InnerCodecId.VVC, 10),
        ("hevc", InnerCodecId.HEVC, 10),
        ("lossless", InnerCodecId.LOSSLESS, 7),
        ("vtm", InnerCodecId.VVC, 10),
    ],
)
def test_encoders(name: EncoderName, codec_id: InnerCodecId, bit_depth: int) -> None:
    encoder = make_encoder(name, bit_depth=bit_depth, preset="medium", gop=16, threads=2, memory_limit=1 << 34)
    assert encoder.codec_id == codec_id
    assert encoder.bit_depth == bit_depth


def test_names_there_are_not() -> None:
    with pytest.raises(ConfigError, match="no inner codec 'avc'; there are vvenc, hevc, lossless, vtm"):
        make_encoder(cast(EncoderName, "avc"))
    with pytest.raises(ConfigError, match="no decoder 'vlc'; there are auto, ffmpeg, vtm"):
        make_decoder(InnerCodecId.VVC, cast(DecoderBackend, "vlc"))


@pytest.mark.parametrize("codec_id", list(InnerCodecId))
@pytest.mark.parametrize("backend", ["auto", "ffmpeg", "vtm"])
def test_decoders(codec_id: InnerCodecId, backend: DecoderBackend) -> None:
    decoder = make_decoder(codec_id, backend, threads=2, time_limit_s=9, memory_limit=1 << 33)
    assert decoder.codec_id == codec_id


def test_lossless_by_name() -> None:
    frames = np.arange(60, dtype=np.uint16).reshape(3, 4, 5)
    stream = make_encoder("lossless", bit_depth=6).encode(frames, Mode.RA, 37)
    np.testing.assert_array_equal(make_decoder(InnerCodecId.LOSSLESS).decode(stream, 3, 4, 5, 6), frames)
    assert make_encoder("lossless").describe()["encoder"] == "lossless"


def test_only_what_is_made_is_imported() -> None:
    program = """
import sys
from vcm_ref.codec import make_decoder
from vcm_ref.bitstream.values import InnerCodecId
make_decoder(InnerCodecId.LOSSLESS)
print(*sorted(name for name in sys.modules if name.startswith(("vcm_ref.codec.", "imageio", "subprocess"))))
make_decoder(InnerCodecId.VVC)
print(*sorted(name for name in sys.modules if name.startswith(("vcm_ref.codec.", "imageio"))))
"""
    lines = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    first, second = lines.splitlines()
    assert first == "vcm_ref.codec.frames vcm_ref.codec.lossless"
    others = {f"vcm_ref.codec.{name}" for name in ("ffmpeg", "inner_stream")}
    assert set(second.split()) == {*first.split(), *others}
