"""The project's own lossless inner codec, normative; nothing but NumPy and the standard library.

**Stream.** ``F`` frames of ``H`` rows and ``W`` columns of ``n``-bit samples, 1 <= n <= 16, are coded as
*symbols* of ``n`` bits, one for each sample, in raster order, frame after frame:

- ``n <= 8``: the stream is one bzip2 stream. It decompresses to ``F*H*W`` bytes, one symbol each.
- ``n > 8``: the stream is ``low_size`` u(32), then ``low_size`` bytes that are one bzip2 stream, then the
  remaining bytes, which are another. Each decompresses to ``F*H*W`` bytes: the first to the eight low bits of
  every symbol, the second to the bits above them. A symbol of ``2**n`` or more is an error.

**Decoding process.** All arithmetic is modulo ``2**n``; ``s[y][x]`` is a symbol of one frame, ``p[y][x]`` its
sample.

1. A symbol stands for a residual: ``d[y][x] = s/2`` where s is even, and ``2**n - (s+1)/2`` where it is odd
   (0, 1, 2, 3, 4 … stand for 0, -1, 1, -2, 2 …).
2. ``p[0][0] = 2**(n-1) + d[0][0]``.
3. ``p[y][0] = p[y-1][0] + d[y][0]`` for y > 0: the first column is predicted from the sample above.
4. ``p[y][x] = p[y][x-1] + d[y][x]`` for x > 0: every other sample from the one to its left.

Each bzip2 stream must end where its bytes end. An encoder may compress as it likes; this one uses block size 9.
There is one libbz2, and its output is stable, so the same frames give the same bytes everywhere; zlib and LZMA do
not promise that.
"""

from __future__ import annotations

import bz2
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from ..bitstream.values import InnerCodecId, Mode
from ..errors import CodecError
from .frames import check_frames

#: The 48 bits before a bzip2 stream's checksum.
_END_OF_STREAM = 0x177245385090


@dataclass(frozen=True)
class LosslessCodec:
    """Encoder and decoder of the lossless format; ``bit_depth`` is that of the frames to encode, 1..16."""

    bit_depth: int = 10

    codec_id: ClassVar[InnerCodecId] = InnerCodecId.LOSSLESS
    highest_qp: ClassVar[int] = 63  # none changes anything

    def __post_init__(self) -> None:
        if not 1 <= self.bit_depth <= 16:
            raise CodecError(f"lossless codes samples of 1 to 16 bits, not {self.bit_depth}")

    def describe(self) -> dict[str, str]:
        """Name of the format and of the one option."""
        return {"encoder": "lossless", "bz2": "block size 9"}

    def encode(self, frames: NDArray[np.uint16], mode: Mode, qp: int) -> bytes:
        """Code ``frames``, uint16 ``(F, H, W)`` of any size; ``mode`` and ``qp`` change nothing.

        Raises CodecError.
        """
        check_frames(frames, self.bit_depth, "lossless")
        symbols = _to_symbols(frames, self.bit_depth)
        low = bz2.compress(symbols.astype(np.uint8).data)
        if self.bit_depth <= 8:
            return low
        return len(low).to_bytes(4, "big") + low + bz2.compress((symbols >> 8).astype(np.uint8).data)

    def decode(self, stream: bytes, count: int, height: int, width: int, bit_depth: int) -> NDArray[np.uint16]:
        """Decode into uint16 ``(count, height, width)``, never decompressing more than that.

        Raises CodecError unless ``stream`` is exactly the frames asked for.
        """
        shape = (count, height, width)
        samples = count * height * width
        if bit_depth <= 8:
            symbols = _decompress(stream, samples).astype(np.uint16)
        else:
            low_size = int.from_bytes(stream[:4], "big")
            if len(stream) < 4 or low_size > len(stream) - 4:
                raise CodecError("lossless: the stream ends before its first part does")
            symbols = _decompress(stream[4 + low_size :], samples).astype(np.uint16)
            symbols <<= 8
            symbols |= _decompress(stream[4 : 4 + low_size], samples)
        if int(symbols.max()) >> bit_depth:
            raise CodecError(f"lossless: a symbol does not fit into {bit_depth} bits")
        return _from_symbols(symbols.reshape(shape), bit_depth)


def _to_symbols(frames: NDArray[np.uint16], bit_depth: int) -> NDArray[np.uint16]:
    # uint16 wraps modulo 2**16, which the mask takes down to modulo 2**n.
    residual = np.empty_like(frames, order="C")
    np.subtract(frames[:, :, 1:], frames[:, :, :-1], out=residual[:, :, 1:])
    np.subtract(frames[:, 1:, 0], frames[:, :-1, 0], out=residual[:, 1:, 0])
    np.subtract(frames[:, 0, 0], np.uint16(1 << (bit_depth - 1)), out=residual[:, 0, 0])
    residual <<= 16 - bit_depth
    signed = residual.view(np.int16)
    signed >>= 16 - bit_depth  # -2**(n-1) .. 2**(n-1) - 1
    return ((signed << 1) ^ (signed >> 15)).view(np.uint16)


def _from_symbols(symbols: NDArray[np.uint16], bit_depth: int) -> NDArray[np.uint16]:
    """Samples of the symbols ``(F, H, W)``, which are overwritten."""
    odd = symbols & 1
    symbols >>= 1
    symbols ^= -odd  # -(s+1)/2 is the complement of s//2
    symbols[:, 0, 0] += np.uint16(1 << (bit_depth - 1))
    np.cumsum(symbols[:, :, 0], axis=1, dtype=np.uint16, out=symbols[:, :, 0])
    np.cumsum(symbols, axis=2, dtype=np.uint16, out=symbols)
    symbols &= np.uint16((1 << bit_depth) - 1)
    return symbols


def _decompress(block: bytes, size: int) -> NDArray[np.uint8]:
    decompressor = bz2.BZ2Decompressor()
    try:
        plane = decompressor.decompress(block, max_length=size)
        surplus = b"" if decompressor.eof else decompressor.decompress(b"", max_length=1)
    except (OSError, EOFError) as error:
        raise CodecError(f"lossless: the stream is damaged ({error})") from error
    if surplus or len(plane) != size or not decompressor.eof or decompressor.unused_data:
        raise CodecError(f"lossless: the stream does not hold exactly {size} samples")
    if not _zero_padded(block):
        raise CodecError("lossless: the bits that fill the last byte are not zero")
    return np.frombuffer(plane, np.uint8)


def _zero_padded(block: bytes) -> bool:
    """Whether only zero bits follow a bzip2 stream's end-of-stream marker and checksum, less than a byte of them."""
    tail = int.from_bytes(block[-11:], "big")
    padding = next(bits for bits in range(8) if tail >> (bits + 32) & (1 << 48) - 1 == _END_OF_STREAM)
    return tail & (1 << padding) - 1 == 0
