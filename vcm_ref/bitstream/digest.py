"""The digests: SHA-256 over canonical byte strings (docs/bitstream.md, 8.7)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from .headers import Model
from .values import IntegerTensor

Tensor = IntegerTensor | NDArray[np.float32]


def tensor_digest(name: str, tensor: Tensor) -> bytes:
    """SHA-256 of one named tensor: name, dtype, rank, dimensions, little-endian samples in C order.

    ``tensor`` is uint16 or int32 (tier T1) or float32 (tier T2), of any shape with at most 255 dimensions.
    """
    return tensors_digest({name: tensor})


def tensors_digest(tensors: Mapping[str, Tensor]) -> bytes:
    """SHA-256 of several named tensors, one after the other."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        for text in (name.encode("ascii"), tensor.dtype.name.encode("ascii")):
            digest.update(bytes([len(text)]) + text)
        digest.update(bytes([tensor.ndim]))
        digest.update(b"".join(size.to_bytes(4, "little") for size in tensor.shape))
        digest.update(np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")).data)
    return digest.digest()


def header_digest(stream_header: bytes, models: Iterable[Model], group_header: bytes) -> bytes:
    """SHA-256 of the payload of the stream header, the models in force, and the payload of the group header."""
    in_force = sorted(models, key=lambda model: model.number)
    named = b"".join(bytes([model.number, model.kind]) + model.digest for model in in_force)
    return hashlib.sha256(stream_header + named + group_header).digest()
