"""HEVC by x265, through ffmpeg's libx265: true 4:0:0, 10 bits, constant QP.

What is for people or for transmission is off: psycho-visual tools, adaptive quantisation, cutree, scene cut
detection, SEI messages, access unit delimiters. (Parameter sets are repeated at every IRAP picture: without that
there are none in the stream.) What would make the stream depend on the machine is fixed: one frame thread and no
wavefronts, whatever the cores.

- *All-Intra*: ``keyint=1``; every picture at the QP asked for (x265 codes I pictures at an offset otherwise:
  ``ipratio=1``).
- *Random-Access*: closed GOPs of ``gop`` pictures, eight B pictures at most, placed by a fixed pattern
  (``b-adapt=0``) with a pyramid; I pictures at an offset of -3 to the QP of P pictures, which is the one asked for,
  and B pictures of +2 (x265's ``ipratio=1.4``, ``pbratio=1.3``), as a hierarchy needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..bitstream.values import InnerCodecId, Mode
from ..errors import CodecError, ConfigError
from ..process.child import ChildLimits
from .ffmpeg import encode_with_ffmpeg, ffmpeg_version, find_ffmpeg, require_encoder
from .frames import check_frames, little_endian

PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
_ENCODER = "libx265"
_STRUCTURES = {
    Mode.AI: {"keyint": "1", "ipratio": "1"},
    Mode.RA: {
        "open-gop": "0",
        "bframes": "8",
        "b-adapt": "0",
        "b-pyramid": "1",
        "rc-lookahead": "20",
        "ipratio": "1.4",
        "pbratio": "1.3",
    },
}
_PLAIN = {
    "scenecut": "0",
    "aq-mode": "0",
    "cutree": "0",
    "psy-rd": "0",
    "psy-rdoq": "0",
    "info": "0",
    "hash": "0",
    "aud": "0",
    "repeat-headers": "1",
    "frame-threads": "1",
    "wpp": "0",
    "pmode": "0",
    "pme": "0",
    "log-level": "error",
}


@dataclass(frozen=True)
class HevcEncoder:
    """x265 at a constant QP of 0..51, 4:0:0, 10 bits. ``extra`` are further ``x265-params``."""

    preset: str = "medium"
    gop: int = 32
    threads: int = 1
    time_limit_s: float = 3600.0
    memory_limit: int | None = None
    extra: Mapping[str, str] = field(default_factory=dict)

    codec_id: ClassVar[InnerCodecId] = InnerCodecId.HEVC
    bit_depth: ClassVar[int] = 10
    highest_qp: ClassVar[int] = 51

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ConfigError(f"hevc has no preset {self.preset!r}; it has {', '.join(PRESETS)}")

    def describe(self) -> dict[str, str]:
        """Version of the executable and every option that shapes the stream."""
        options = {mode.name: " ".join(self.options(mode)) for mode in (Mode.AI, Mode.RA)}
        return {"encoder": _ENCODER, "ffmpeg": ffmpeg_version(find_ffmpeg()), **options}

    def options(self, mode: Mode) -> list[str]:
        """ffmpeg's options for this encoder, without QP and threads."""
        return ["-c:v", _ENCODER, "-preset", self.preset, "-x265-params", _join(self._params(mode))]

    def _params(self, mode: Mode) -> dict[str, str]:
        structure = dict(_STRUCTURES[mode])
        if mode == Mode.RA:
            structure |= {"keyint": str(self.gop), "min-keyint": str(self.gop)}
        return {**structure, **_PLAIN, **self.extra}

    def encode(self, frames: NDArray[np.uint16], mode: Mode, qp: int) -> bytes:
        """Code ``frames``, uint16 ``(F, H, W)`` of 10 bits, into an Annex B byte stream.

        H and W are even and at least 32. Raises CodecError.
        """
        check_frames(frames, self.bit_depth, "hevc", smallest=32, step=2)
        if not 0 <= qp <= self.highest_qp:
            raise CodecError(f"hevc has no QP {qp}; it has 0 to {self.highest_qp}")
        executable = find_ffmpeg()
        require_encoder(executable, _ENCODER, "vvenc, vtm, lossless")
        params = {
            "ctu": _ctu(frames.shape[1], frames.shape[2]),
            **self._params(mode),
            "qp": str(qp),
            "pools": str(self.threads),
        }
        coder = ["gray10le", "-c:v", _ENCODER, "-preset", self.preset, "-x265-params", _join(params)]
        limits = ChildLimits(self.time_limit_s, (1 << 20) + 4 * frames.nbytes, self.memory_limit)
        planes = (little_endian(frame) for frame in frames)
        return encode_with_ffmpeg(executable, self.codec_id, frames, planes, coder, limits)


def _ctu(height: int, width: int) -> str:
    """The largest CTU that is narrower than the picture and not higher.

    x265 predicts from samples that no decoder has where a picture is exactly one CTU wide, and refuses one that is
    lower than a CTU.
    """
    return next(str(size) for size in (64, 32, 16) if size < width and size <= height)


def _join(params: Mapping[str, str]) -> str:
    return ":".join(f"{key}={value}" for key, value in params.items())
