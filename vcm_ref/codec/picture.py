"""A whole picture in colour as one VVC stream: the coding of MPEG's image anchor (m57343).

    RGB ─ pad to even, or resize ─ 4:2:0 ─ 10 bits ─ pad to 32 ─ VVC, All-Intra
    VVC ─ crop ─ RGB, from 10 bits ─ crop, or resize ─ RGB at the original size

The anchor's commands are those that CompressAI-Vision quotes in the docstring of its first ``VTMEncoderDecoder``.

- At 100 % odd sides are padded to even by repeating the last row or column, and cropped after decoding. (The anchor
  pads with black, a contour that it then has to code.)
- At 75, 50 and 25 % a side of n becomes ``2 * ceil(n * scale / 200)``, the anchor's ``scale=ceil(iw*3/8)*2``,
  ``ceil(iw/4)*2`` and ``ceil(iw/8)*2``, and the decoded picture is resized to what it was.
- Several pictures of one size can be coded as one Random-Access stream: the anchor over time.
- What is then smaller than 32, the least that the encoders take, is padded likewise.
- Both encoders get the same 10-bit samples, those of 8 bits shifted up by 2. From the anchor's 8-bit input VTM makes
  the same ones: of its stream, only three bytes of the parameter sets differ.

Chroma QP tables and offsets are the codecs' defaults, which differ between VVenC and VTM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..bitstream.values import InnerCodecId, Mode
from ..errors import ConfigError
from .colour import TO_RGB, TO_YUV, resize, rgb_to_yuv, yuv_to_rgb
from .ffmpeg import FfmpegDecoder
from .vtm import VtmEncoder
from .vvenc import VvencEncoder

SCALES = (100, 75, 50, 25)
ENCODERS = ("vvenc", "vtm")
_SMALLEST = 32
_BIT_DEPTH = 10


@dataclass(frozen=True)
class PictureCoder:
    """Codes pictures at ``scale`` percent of their size; decodes them with ffmpeg's VVC decoder.

    ``preset`` (``None``: the codec's own default) is VVenC's; VTM has none and takes no notice of it, nor of
    ``threads``. ``time_limit_s`` is for each child process. Raises ConfigError for what there is not.
    """

    encoder: str = "vvenc"
    preset: str | None = None
    scale: int = 100
    threads: int = 1
    time_limit_s: float = 3600.0

    def __post_init__(self) -> None:
        if self.encoder not in ENCODERS:
            raise ConfigError(f"pictures cannot be coded with {self.encoder!r}, only with {' and '.join(ENCODERS)}")
        if self.scale not in SCALES:
            raise ConfigError(f"pictures cannot be coded at {self.scale} %, only at {', '.join(map(str, SCALES))} %")
        if self.threads < 1:
            raise ConfigError(f"pictures cannot be coded by {self.threads} threads: it takes one or more")
        self._encoder()  # checks the preset

    def describe(self, mode: Mode = Mode.AI) -> dict[str, str]:
        """Encoder, decoder, their versions and every option that shapes the stream and the decoded picture.

        ``mode`` is AI for a picture, RA for several.
        """
        resizing = self.scale != 100
        others = {other.name for other in Mode} - {mode.name}
        encoder = {name: value for name, value in self._encoder().describe().items() if name not in others}
        return {
            **encoder,
            **self._decoder().describe(),
            "scale": f"{self.scale} %",
            "size": f"2*ceil(side*{self.scale}/200), at least {_SMALLEST}; padded by repeating the last row and column",
            "to_yuv": ",".join([resize("W", "H"), TO_YUV] if resizing else [TO_YUV]),
            "to_rgb": ",".join([TO_RGB, resize("W", "H")] if resizing else [TO_RGB]),
            "samples": f"8 bits shifted up to {_BIT_DEPTH} before coding, RGB from {_BIT_DEPTH} bits after",
        }

    def encode(self, image: NDArray[np.uint8], qp: int) -> bytes:
        """Code ``image``, RGB, uint8 ``(H, W, 3)``, into one VVC stream (Annex B). Raises CodecError."""
        luma, chroma = self._samples(image)
        return self._encoder().encode(luma[None], Mode.AI, qp, chroma[None])

    def encode_sequence(self, images: Sequence[NDArray[np.uint8]], qp: int) -> bytes:
        """Code pictures of one size, each as for :meth:`encode`, into one Random-Access stream."""
        samples = [self._samples(image) for image in images]
        luma, chroma = (np.stack(planes) for planes in zip(*samples, strict=True))
        return self._encoder().encode(luma, Mode.RA, qp, chroma)

    def _samples(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """Luma ``(H, W)`` and chroma ``(2, H / 2, W / 2)``, 10 bits, as they are coded."""
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
            raise ValueError(f"a picture must be uint8 (H, W, 3), not {image.dtype} {image.shape}")
        height, width = image.shape[:2]
        scaled = _scaled_size(height, width, self.scale)
        if self.scale == 100:
            image = np.pad(image, ((0, scaled[0] - height), (0, scaled[1] - width), (0, 0)), "edge")
        luma, chroma = rgb_to_yuv(image, *scaled, self.time_limit_s)
        rows, columns = coded_size(height, width, self.scale)
        return _extend(luma, rows, columns), _extend(chroma, rows // 2, columns // 2)

    def decode(self, stream: bytes, height: int, width: int) -> NDArray[np.uint8]:
        """Decode what ``encode`` made of a picture of ``height`` x ``width``: RGB, uint8 ``(height, width, 3)``.

        Raises CodecError, also where the stream holds something else than one picture of the size that such a picture
        is coded in.
        """
        return self.decode_sequence(stream, 1, height, width)[0]

    def decode_sequence(self, stream: bytes, count: int, height: int, width: int) -> list[NDArray[np.uint8]]:
        """Decode what ``encode_sequence`` made of ``count`` pictures, as :meth:`decode`."""
        size = coded_size(height, width, self.scale)
        frames, colours = self._decoder().decode_colour(stream, count, *size, _BIT_DEPTH)
        rows, columns = _scaled_size(height, width, self.scale)
        shown = (rows, columns) if self.scale == 100 else (height, width)
        images = (
            yuv_to_rgb(luma[:rows, :columns], chroma[:, : rows // 2, : columns // 2], *shown, self.time_limit_s)
            for luma, chroma in zip(frames, colours, strict=True)
        )
        return [np.ascontiguousarray(image[:height, :width]) for image in images]

    def _encoder(self) -> VvencEncoder | VtmEncoder:
        if self.encoder == "vtm":
            return VtmEncoder(time_limit_s=self.time_limit_s, chroma_format=420)
        if self.preset is None:
            return VvencEncoder(threads=self.threads, time_limit_s=self.time_limit_s)
        return VvencEncoder(self.preset, threads=self.threads, time_limit_s=self.time_limit_s)

    def _decoder(self) -> FfmpegDecoder:
        return FfmpegDecoder(InnerCodecId.VVC, self.threads, self.time_limit_s)


def coded_size(height: int, width: int, scale: int) -> tuple[int, int]:
    """Height and width of what the codec sees of a picture of ``height`` x ``width`` at ``scale`` percent."""
    rows, columns = _scaled_size(height, width, scale)
    return max(rows, _SMALLEST), max(columns, _SMALLEST)


def _scaled_size(height: int, width: int, scale: int) -> tuple[int, int]:
    return -(-height * scale // 200) * 2, -(-width * scale // 200) * 2


def _extend(planes: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint16]:
    """``planes``, 8 bits, ``(..., h, w)``, as 10 bits, ``(..., height, width)``; the last row and column repeat."""
    missing = (height - planes.shape[-2], width - planes.shape[-1])
    padding = [(0, 0)] * (planes.ndim - 2) + [(0, rest) for rest in missing]
    return np.pad(planes, padding, "edge").astype(np.uint16) << np.uint16(_BIT_DEPTH - 8)
