"""VVC by VVenC, through ffmpeg's libvvenc.

libvvenc takes 4:2:0 only, so a frame without chroma is fed with chroma planes of the constant 512, which cost next
to nothing. Everything that shapes the stream is set explicitly:

- *All-Intra*: ``intraperiod`` and ``gopsize`` are 1. *Random-Access*: ``intraperiod`` is ``gopsize``.
- ``MaxParallelFrames=0`` in All-Intra: with frames in parallel ffmpeg takes the encoder for done before its first
  picture is out, where there are about as many frames as the encoder holds (14 to 17), and returns nothing. The
  stream is the same.
- ``qpa=0`` and ``BIM=0``: no adaptation of the QP to what people see or to what other frames refer to.
- ``MCTFFrame=1000000``: no frame is filtered with its neighbours before coding, which VVenC does in All-Intra too,
  where it costs 5 to 12 % at the same PSNR. The stream is that of ``MCTF=0``; but with ``MCTF=0`` ffmpeg
  drains the encoder before it has coded all frames, and loses the rest of them in silence.
- ``IntraQPOffset=0``: the QP of I pictures is the one asked for, and not three less. Feature maps predict each other
  too badly for a better I picture to pay: in Random-Access this alone saves 5 to 18 % at the same PSNR.
- No access unit delimiters, VUI, HRD parameters, picture hashes or repeated parameter sets.

The stream does not depend on the number of threads as long as there is at least one (VVenC's "no threads" is
another mode).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..bitstream.values import InnerCodecId, Mode
from ..errors import CodecError, ConfigError
from ..process.child import ChildLimits
from .ffmpeg import encode_with_ffmpeg, ffmpeg_version, find_ffmpeg, require_encoder
from .frames import check_chroma, check_frames, little_endian

PRESETS = ("faster", "fast", "medium", "slow", "slower")
GOPS = (16, 32)
_ENCODER = "libvvenc"
_LARGE_PICTURES_BELOW = 20  # with noise, no picture needs more than 8 bits a sample above this QP; in colour, +4
_PLAIN = {
    "AccessUnitDelimiter": "0",
    "VuiParametersPresent": "0",
    "HrdParametersPresent": "0",
    "SEIDecodedPictureHash": "0",
    "ReWriteParamSets": "0",
    "MCTF": "2",
    "MCTFFrame": "1000000",
    "MCTFStrength": "0.1",
    "BIM": "0",
    "IntraQPOffset": "0",
}


@dataclass(frozen=True)
class VvencEncoder:
    """VVenC at a constant QP, 10 bits. ``extra`` are further ``vvenc-params``."""

    preset: str = "faster"
    gop: int = 32
    threads: int = 1
    time_limit_s: float = 3600.0
    memory_limit: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    codec_id: ClassVar[InnerCodecId] = InnerCodecId.VVC
    bit_depth: ClassVar[int] = 10
    highest_qp: ClassVar[int] = 63

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ConfigError(f"vvenc has no preset {self.preset!r}; it has {', '.join(PRESETS)}")
        if self.gop not in GOPS:
            raise ConfigError(f"vvenc has no GOP of {self.gop}; it has {' and '.join(map(str, GOPS))}")

    def describe(self) -> dict[str, str]:
        """Version of the executable and every option that shapes the stream."""
        options = {mode.name: " ".join(self.options(mode)) for mode in (Mode.AI, Mode.RA)}
        return {"encoder": _ENCODER, "ffmpeg": ffmpeg_version(find_ffmpeg()), **options}

    def options(self, mode: Mode) -> list[str]:
        """ffmpeg's options for this encoder, without QP and threads."""
        if mode == Mode.AI:
            structure = {"gopsize": "1", "intraperiod": "1", "MaxParallelFrames": "0"}
        else:
            structure = {"gopsize": str(self.gop), "intraperiod": str(self.gop)}
        params = {**structure, **_PLAIN, **self.extra}
        joined = ":".join(f"{key}={value}" for key, value in params.items())
        return ["-c:v", _ENCODER, "-preset", self.preset, "-qpa", "0", "-vvenc-params", joined]

    def encode(
        self, frames: NDArray[np.uint16], mode: Mode, qp: int, chroma: NDArray[np.uint16] | None = None
    ) -> bytes:
        """Code ``frames``, uint16 ``(F, H, W)`` of 10 bits, into an Annex B byte stream.

        H and W are even and at least 32. ``chroma``, uint16 ``(F, 2, H/2, W/2)``, makes them 4:2:0 pictures in colour.
        Raises CodecError.
        """
        check_frames(frames, self.bit_depth, "vvenc", smallest=32, step=2)
        if chroma is not None:
            check_chroma(chroma, frames, self.bit_depth, "vvenc")
        if not 0 <= qp <= self.highest_qp:
            raise CodecError(f"vvenc has no QP {qp}; it has 0 to {self.highest_qp}")
        executable = find_ffmpeg()
        require_encoder(executable, _ENCODER, "hevc, vtm, lossless")
        coder = ["yuv420p10le", *self.options(mode), "-qp", str(qp), "-threads", str(self.threads)]
        limits = ChildLimits(self.time_limit_s, (1 << 20) + 4 * frames.nbytes, self.memory_limit)
        try:
            return encode_with_ffmpeg(executable, self.codec_id, frames, _planes(frames, chroma), coder, limits)
        except CodecError as error:
            colour = chroma is not None
            if "external library" not in str(error) or qp > _LARGE_PICTURES_BELOW + 4 * colour:
                raise
            raise CodecError(
                f"vvenc failed at QP {qp}: ffmpeg's libvvenc has no room for pictures coded with more than "
                "8 bits a sample; raise the QP" + ("" if colour else ", or choose lossless")
            ) from error


def _planes(frames: NDArray[np.uint16], chroma: NDArray[np.uint16] | None) -> Iterator[memoryview]:
    if chroma is None:
        grey = np.full(frames[0].size // 2, 512, np.uint16)
        chroma = np.broadcast_to(grey, (len(frames), grey.size))
    for frame, its_chroma in zip(frames, chroma, strict=True):
        yield little_endian(frame)
        yield little_endian(its_chroma)
