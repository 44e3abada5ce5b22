"""The digests: SHA-256 over canonical byte strings (docs/bitstream.md, 8.7)."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

#: Where the four bits of ``level_idc`` begin in the payload of a stream header.
LEVEL_POSITION = 7


def tensor_digest(name: str, tensor: NDArray[np.uint16] | NDArray[np.float32]) -> bytes:
    """SHA-256 of one named tensor: name, dtype, rank, dimensions, little-endian samples in C order.

    ``tensor`` is uint16 (tier T1) or float32 (tier T2), of any shape with at most 255 dimensions.
    """
    digest = hashlib.sha256()
    for text in (name.encode("ascii"), tensor.dtype.name.encode("ascii")):
        digest.update(bytes([len(text)]) + text)
    digest.update(bytes([tensor.ndim]))
    digest.update(b"".join(size.to_bytes(4, "little") for size in tensor.shape))
    digest.update(np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")).data)
    return digest.digest()


def header_digest(stream_header: bytes, picture_header: bytes) -> bytes:
    """SHA-256 of the payloads of both units, the level aside: an encoder knows it only when all pictures are coded."""
    level_bits = 0b1111 << (8 * len(stream_header) - LEVEL_POSITION - 4)
    without_level = int.from_bytes(stream_header, "big") & ~level_bits
    return hashlib.sha256(without_level.to_bytes(len(stream_header), "big") + picture_header).digest()
