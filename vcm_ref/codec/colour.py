"""RGB pictures to 4:2:0 samples and back, as MPEG's image anchor (m57343) has it, by ffmpeg's swscale.

Full range, the matrix of BT.601, chroma sited in the middle of four luma samples, bicubic filters: what the anchor's
ffmpeg commands leave to defaults is said here, because streams carry no description of their colours and ffmpeg takes
4:2:0 samples for limited range. A change of size is a step of its own, in RGB.

``accurate_rnd+bitexact`` make every machine return the same samples; without them processors differ.
``full_chroma_int`` interpolates the chroma of every RGB pixel. Chroma comes out up to one level low: swscale rounds it
down.

Samples come back from 10 bits, as in the anchor. swscale takes 4 of 1024 levels for 1 of 256, so shifting the 8 bits
of the way there up by 2 is its exact inverse.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .ffmpeg import convert_with_ffmpeg
from .frames import little_endian

_FLAGS = "flags=bicubic+accurate_rnd+bitexact+full_chroma_int"
_FULL = "in_range=full:out_range=full"
#: ffmpeg's filters from RGB to 4:2:0 at the same size.
TO_YUV = f"scale={_FLAGS}:{_FULL}:out_color_matrix=bt601:out_chroma_loc=center,format=yuv420p"
#: ffmpeg's filters from 4:2:0 to RGB at the same size.
TO_RGB = f"scale={_FLAGS}:{_FULL}:in_color_matrix=bt601:in_chroma_loc=center,format=rgb24"


def resize(width: int | str, height: int | str) -> str:
    """ffmpeg's filters from RGB to RGB of ``width`` x ``height``."""
    return f"scale={width}:{height}:{_FLAGS},format=rgb24"


def rgb_to_yuv(
    image: NDArray[np.uint8], height: int, width: int, time_limit_s: float
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Resize ``image``, uint8 ``(H, W, 3)``, to ``height`` x ``width``, both even, and convert it.

    Returns luma, uint8 ``(height, width)``, and chroma, uint8 ``(2, height/2, width/2)``. Raises CodecError.
    """
    source = ("rgb24", image.shape[0], image.shape[1])
    resizing = [] if source[1:] == (height, width) else [resize(width, height)]
    luma = height * width
    filters = ",".join([*resizing, TO_YUV])
    feed = [np.ascontiguousarray(image).data]
    output = convert_with_ffmpeg(feed, source, filters, "yuv420p", luma + luma // 2, time_limit_s)
    samples = np.frombuffer(output, np.uint8)
    return samples[:luma].reshape(height, width), samples[luma:].reshape(2, height // 2, width // 2)


def yuv_to_rgb(
    luma: NDArray[np.uint16], chroma: NDArray[np.uint16], height: int, width: int, time_limit_s: float
) -> NDArray[np.uint8]:
    """Convert ``luma``, uint16 ``(H, W)``, and ``chroma``, uint16 ``(2, H/2, W/2)``, of 10 bits, and resize.

    Returns RGB, uint8 ``(height, width, 3)``. Raises CodecError.
    """
    source = ("yuv420p10le", luma.shape[0], luma.shape[1])
    resizing = [] if source[1:] == (height, width) else [resize(width, height)]
    filters = ",".join([TO_RGB, *resizing])
    feed = [little_endian(luma), little_endian(chroma)]
    output = convert_with_ffmpeg(feed, source, filters, "rgb24", 3 * height * width, time_limit_s)
    return np.frombuffer(output, np.uint8).reshape(height, width, 3)
