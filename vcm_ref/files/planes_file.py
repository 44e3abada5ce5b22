"""Tensors in files of raw little-endian samples: with a JSON file that says what they are, or one after another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..bitstream.digest import tensor_digest
from ..bitstream.values import IntegerTensor
from ..errors import CodecError
from .atomic import atomic_file

if TYPE_CHECKING:
    from ..bitstream.geometry import SubstreamGeometry
    from ..decoder import DecodedPicture


def save_planes(path: Path, tier: str, picture: DecodedPicture) -> None:
    """Write tier T0 (the inner planes of each substream) or T1 (the integer tensor of each layer) of one picture.

    ``path`` gets the samples, uint16 or for levels int32, little-endian in C order, one tensor after another; ``path``
    + ``.json`` gets each one's name, type, shape, offset in bytes, and digest (docs/bitstream.md, 8.7).
    """
    if tier == "t0":
        tensors: dict[str, IntegerTensor] = {
            f"substream{index}": planes for index, planes in enumerate(picture.planes.values())
        }
    else:
        tensors = picture.quantised
    entries = []
    with atomic_file(path.with_name(path.name + ".json")) as description_file, atomic_file(path) as file:
        for name, tensor in tensors.items():
            place = {"name": name, "dtype": tensor.dtype.name, "shape": list(tensor.shape), "offset": file.tell()}
            entries.append({**place, "sha256": tensor_digest(name, tensor).hex()})
            file.write(_little_endian(tensor))
        description = {
            "tier": tier,
            "byte_order": "little",
            "picture_height": picture.features.height,
            "picture_width": picture.features.width,
            "tensors": entries,
        }
        import json

        description_file.write(json.dumps(description, indent=1).encode() + b"\n")
        description_file.flush()  # where the disk is full, neither file appears


def append_tiers(folder: Path, picture: DecodedPicture) -> None:
    """Add one picture's tensors to ``t0.raw``, ``t1.raw`` and ``t2.raw`` in ``folder`` (docs/conformance.md).

    Each has all substreams' planes, or all layers' tensors, in order and nothing between: uint16, for levels int32, and
    float32 in T2.
    """
    tiers: dict[str, Iterable[NDArray[Any]]] = {
        "t0": picture.planes.values(),
        "t1": picture.quantised.values(),
        "t2": picture.features.layers.values(),
    }
    for tier, tensors in tiers.items():
        with (folder / f"{tier}.raw").open("ab") as file:
            for tensor in tensors:
                file.write(_little_endian(tensor))


def _little_endian(tensor: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")).data


class GivenPlanes:
    """Inner planes out of a file, as :func:`append_tiers` writes ``t0.raw``, in place of an inner decoder."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, geometries: Sequence[SubstreamGeometry], pictures: int) -> list[NDArray[np.uint16]]:
        """The next group's planes, uint16 ``(F, H, W)`` of each substream, which the file has picture by picture.

        Raises :class:`CodecError` where they are not of the right number and size.
        """
        parts = [[self._read(geometry) for geometry in geometries] for _ in range(pictures)]
        return [np.concatenate(own) if pictures > 1 else own[0] for own in zip(*parts, strict=True)]

    def _read(self, geometry: SubstreamGeometry) -> NDArray[np.uint16]:
        shape = geometry.picture_frames, geometry.coded_height, geometry.coded_width
        size = 2 * geometry.picture_frames * geometry.coded_samples
        data = self._file.read(size)
        if len(data) < size:
            raise CodecError(f"the given planes end before a substream of {shape[0]} frames of {shape[2]}x{shape[1]}")
        planes = np.frombuffer(data, "<u2").reshape(shape).astype(np.uint16, copy=False)
        if planes.max() >> geometry.inner_bit_depth:
            raise CodecError(f"the given planes have the sample {planes.max()}, beyond {geometry.inner_bit_depth} bits")
        return planes

    def check_end(self) -> None:
        """:class:`CodecError` where more planes are given than the bitstream has."""
        if self._file.read(1):
            raise CodecError("more planes are given than the bitstream has")
