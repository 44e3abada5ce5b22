"""Inner codecs behind one small interface: VVenC, HEVC, lossless, and VTM as external executables.

An encoder turns frames into one inner elementary stream; a decoder turns such a stream back into exactly the
frames asked for. Both are made by name, and only what is made is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from ..bitstream.values import InnerCodecId, Mode
from ..errors import ConfigError

EncoderName = Literal["vvenc", "hevc", "lossless", "vtm"]
DecoderBackend = Literal["auto", "ffmpeg", "vtm"]


class InnerEncoder(Protocol):
    """Codes frames of ``bit_depth`` bits into streams that a decoder of ``codec_id`` reads."""

    @property
    def codec_id(self) -> InnerCodecId:
        """What the stream is, whichever encoder made it."""
        ...

    @property
    def bit_depth(self) -> int:
        """Bits of the samples that ``encode`` takes: 10 for the video codecs."""
        ...

    @property
    def highest_qp(self) -> int:
        """QP goes from 0 to this."""
        ...

    def describe(self) -> dict[str, str]:
        """Name, version and every option that shapes the stream, to be saved beside results."""
        ...

    def encode(self, frames: NDArray[np.uint16], mode: Mode, qp: int) -> bytes:
        """Code ``frames``, uint16 ``(F, H, W)``, into one elementary stream. Raises CodecError."""
        ...


class InnerDecoder(Protocol):
    """Decodes the streams of ``codec_id``."""

    @property
    def codec_id(self) -> InnerCodecId:
        """What the stream is."""
        ...

    def describe(self) -> dict[str, str]:
        """Name and version, for the record."""
        ...

    def decode(self, stream: bytes, count: int, height: int, width: int, bit_depth: int) -> NDArray[np.uint16]:
        """Decode ``stream`` into uint16 ``(count, height, width)``. Raises CodecError for anything else."""
        ...


def make_encoder(
    name: EncoderName,
    *,
    bit_depth: int = 10,
    preset: str | None = None,
    gop: int = 32,
    threads: int = 1,
    time_limit_s: float | None = None,
    memory_limit: int | None = None,
    extra: Mapping[str, str] | None = None,
) -> InnerEncoder:
    """The encoder called ``name``. ``None`` stands for the codec's own default.

    ``bit_depth`` matters to ``lossless`` only, ``preset`` and ``threads`` (1 or more) to ``vvenc`` and ``hevc``;
    ``gop`` is the GOP length in RA. ``memory_limit`` is bytes of address space. ``extra`` are options of the
    codec's own, added last. Raises ConfigError for what the codec does not have.
    """
    options = _given(time_limit_s=time_limit_s, memory_limit=memory_limit, extra=extra)
    video = _given(preset=preset, threads=threads)
    if name == "vvenc":
        from .vvenc import VvencEncoder

        return VvencEncoder(gop=gop, **video, **options)
    if name == "hevc":
        from .hevc import HevcEncoder

        return HevcEncoder(gop=gop, **video, **options)
    if name == "lossless":
        from .lossless import LosslessCodec

        return LosslessCodec(bit_depth)
    if name == "vtm":
        from .vtm import VtmEncoder

        return VtmEncoder(gop=gop, **options)
    raise ConfigError(f"there is no inner codec {name!r}; there are {', '.join(get_args(EncoderName))}")


def make_decoder(
    codec_id: InnerCodecId,
    backend: DecoderBackend = "auto",
    *,
    threads: int = 1,
    time_limit_s: float | None = None,
    memory_limit: int | None = None,
) -> InnerDecoder:
    """The decoder for ``codec_id``; ``backend`` chooses between ffmpeg (``auto``) and VTM for VVC.

    HEVC is always ffmpeg's and ``lossless`` our own. By default a decoder may take 600 s and 8 GiB of address space.
    Raises ConfigError for another backend.
    """
    if backend not in get_args(DecoderBackend):
        raise ConfigError(f"there is no decoder {backend!r}; there are {', '.join(get_args(DecoderBackend))}")
    if codec_id == InnerCodecId.LOSSLESS:
        from .lossless import LosslessCodec

        return LosslessCodec()
    limits = _given(time_limit_s=time_limit_s, memory_limit=memory_limit)
    if codec_id == InnerCodecId.VVC and backend == "vtm":
        from .vtm import VtmDecoder

        return VtmDecoder(**limits)
    from .ffmpeg import FfmpegDecoder

    return FfmpegDecoder(codec_id, threads=threads, **limits)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
