"""Bit depth of the frames: from that of the quantised samples to the inner codec's, and back."""

from __future__ import annotations

import numpy as np

from vcm_ref.bitstream.values import IntegerTensor


def raise_depth(frames: IntegerTensor, bit_depth: int, inner_bit_depth: int) -> IntegerTensor:
    """Shift samples of ``bit_depth`` bits up to ``inner_bit_depth`` bits, which are no fewer.

    Works in the memory of ``frames`` ``(F, H, W)`` and returns it.
    """
    shift = inner_bit_depth - bit_depth
    if shift:
        np.left_shift(frames, shift, out=frames)
    return frames


def lower_depth(frames: IntegerTensor, bit_depth: int, inner_bit_depth: int) -> IntegerTensor:
    """Round samples of ``inner_bit_depth`` bits to ``bit_depth`` bits, which are no more.

    Normative (docs/bitstream.md, 8.3): ``Clip3(0, 2**n - 1, (s + (1 << (shift - 1))) >> shift)``
    with ``shift = inner_bit_depth - bit_depth``, and the identity where ``shift`` is 0. Works in the memory
    of ``frames`` ``(F, H, W)`` and returns it; frames that may not be written are left alone and new ones
    returned.
    """
    shift = inner_bit_depth - bit_depth
    if not shift:
        return frames
    lowered = frames if frames.flags.writeable else frames.copy()
    for frame in lowered:
        # (s + (1 << (shift - 1))) >> shift without the sum, which uint16 may not hold: of the bits shifted
        # out, the first decides whether the value goes up.
        np.right_shift(frame, shift - 1, out=frame)
        up = frame & 1
        np.right_shift(frame, 1, out=frame)
        np.add(frame, up, out=frame)
        np.minimum(frame, (1 << bit_depth) - 1, out=frame)
    return lowered
