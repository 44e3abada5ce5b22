"""The T1 digest: SHA-256 over a canonical byte string (docs/bitstream.md, 8.7)."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray


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
