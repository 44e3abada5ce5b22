"""The files that a decoder leaves: what they hold, whether it is right (docs/conformance.md, "A decoder's contract").

Only digests are known of what is right, so a difference is told down to the tensor. Files are mapped, not read whole.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bitstream.digest import tensor_digest
from .manifest import PictureDigests, Shape

Samples = NDArray[Any]

T0, T1, T2 = "t0.raw", "t1.raw", "t2.raw"
#: In the order of the decoding process, so that the first difference told is nearest to the cause.
FILES = (T0, T1, T2)
REQUIRED = T1
_DIGITS = 12  # of a digest, in a message


@dataclass(frozen=True)
class _Tensor:
    """One tensor expected in a file: of which picture, its name in the digest, shape, digest, and type of samples."""

    picture: int
    name: str
    shape: Shape
    sha256: str
    type: np.dtype[Any]

    @property
    def bytes(self) -> int:
        return self.type.itemsize * prod(self.shape)


def sample_type(file: str) -> np.dtype[np.uint16] | np.dtype[np.float32]:
    """The type of most samples in the file of that name: little-endian uint16, of T2 float32."""
    return np.dtype("<f4") if file == T2 else np.dtype("<u2")


def expected_bytes(pictures: Sequence[PictureDigests]) -> int:
    """The bytes of all the files together, optional ones too."""
    return sum(tensor.bytes for file in FILES for tensor in _tensors(pictures, file))


def differences(pictures: Sequence[PictureDigests], output: Path) -> list[str]:
    """A sentence for each file in ``output`` that is not what ``pictures`` say, or that is missing."""
    return [text for file in FILES if (text := _difference(list(_tensors(pictures, file)), output / file, file))]


def _tensors(pictures: Sequence[PictureDigests], file: str) -> Iterator[_Tensor]:
    """The tensors of one file, in its order."""
    for index, picture in enumerate(pictures):
        if file == T0:
            for number, substream in enumerate(picture.substreams):
                yield _Tensor(index, f"substream{number}", substream.shape, substream.t0, sample_type(file))
        elif file == T1:
            for tensor in picture.tensors:
                yield _Tensor(index, tensor.name, tensor.shape, tensor.t1, np.dtype(tensor.type).newbyteorder("<"))
        else:
            for layer in picture.layers:
                yield _Tensor(index, layer.name, layer.shape, layer.t2, sample_type(file))


def _difference(tensors: Sequence[_Tensor], path: Path, file: str) -> str | None:
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):  # a pipe would keep us waiting, a link leads anywhere
            return f"{file} is no regular file"
        right = sum(tensor.bytes for tensor in tensors)
        if found.st_size != right:
            return f"{file} has {found.st_size} bytes; {right} are right"
        return _first_wrong(tensors, file, np.memmap(path, np.uint8, "r")) if right else None
    except FileNotFoundError:
        return f"there is no {file}" if file == REQUIRED else None
    except OSError as error:
        return f"{file} cannot be read: {error.strerror or error}"


def _first_wrong(tensors: Sequence[_Tensor], file: str, content: Samples) -> str | None:
    wrong: list[tuple[_Tensor, str]] = []
    position = 0
    for tensor in tensors:
        samples = content[position : position + tensor.bytes].view(tensor.type).reshape(tensor.shape)
        position += tensor.bytes
        digest = tensor_digest(tensor.name, samples).hex()
        if digest != tensor.sha256:
            wrong.append((tensor, digest))
    if not wrong:
        return None
    first, digest = wrong[0]
    told = f"{file}: picture {first.picture}, {first.name}: the digest is {digest[:_DIGITS]}…, not "
    told += f"{first.sha256[:_DIGITS]}…"
    return told if len(wrong) == 1 else f"{told} (and {len(wrong)} of {len(tensors)} tensors in all)"
