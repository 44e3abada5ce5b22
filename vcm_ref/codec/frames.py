"""What every inner encoder checks of the frames it is given, and how it reads them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..errors import CodecError


def check_frames(frames: NDArray[np.uint16], bit_depth: int, name: str, *, smallest: int = 1, step: int = 1) -> None:
    """Check that the codec called ``name`` can code ``frames``, uint16 ``(F, H, W)`` of ``bit_depth`` bits.

    H and W must be at least ``smallest`` and multiples of ``step``. Raises CodecError; ValueError for what no
    configuration can bring about (another dtype or rank).
    """
    if frames.dtype != np.uint16 or frames.ndim != 3:
        raise ValueError(f"frames must be uint16 (F, H, W), not {frames.dtype} {frames.shape}")
    count, height, width = frames.shape
    if not count or min(height, width) < smallest or height % step or width % step:
        raise CodecError(
            f"{name} cannot code {count} frames of {width}x{height}: it takes at least one, "
            f"of at least {smallest}x{smallest}" + (", width and height even" if step == 2 else "")
        )
    peak = int(frames.max())
    if peak >> bit_depth:
        raise CodecError(f"{name}: a sample of {peak} does not fit into {bit_depth} bits")


def check_chroma(chroma: NDArray[np.uint16], frames: NDArray[np.uint16], bit_depth: int, name: str) -> None:
    """Check that ``chroma``, uint16 ``(F, 2, H/2, W/2)``, is what 4:2:0 pictures have beside the luma ``frames``.

    Raises CodecError and ValueError as ``check_frames`` does.
    """
    count, height, width = frames.shape
    if chroma.shape != (count, 2, height // 2, width // 2):
        raise ValueError(f"the chroma of frames {frames.shape} cannot be {chroma.shape}")
    check_frames(chroma.reshape(2 * count, height // 2, width // 2), bit_depth, name)


def little_endian(frame: NDArray[np.uint16]) -> memoryview:
    """The samples of ``frame`` as little-endian bytes in raster order; no copy where they lie so already."""
    return np.ascontiguousarray(frame, dtype="<u2").data.cast("B")
