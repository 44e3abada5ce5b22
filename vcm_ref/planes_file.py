"""Integer tensors in files: raw little-endian samples, with a JSON file that says what they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .atomic import atomic_file
from .bitstream.digest import tensor_digest

if TYPE_CHECKING:
    from .decoder import DecodedPicture


def save_planes(path: Path, tier: str, picture: DecodedPicture) -> None:
    """Write tier T0 (the inner planes of each substream) or T1 (the integer tensor of each layer) of one picture.

    ``path`` gets the samples, uint16 little-endian in C order, one tensor after another; ``path`` + ``.json`` gets
    each one's name, shape, offset in bytes, and digest (docs/bitstream.md, 8.7).
    """
    if tier == "t0":
        tensors = {f"substream{index}": planes for index, planes in enumerate(picture.planes)}
    else:
        tensors = picture.quantised
    entries = []
    with atomic_file(path.with_name(path.name + ".json")) as description_file, atomic_file(path) as file:
        for name, tensor in tensors.items():
            digest = tensor_digest(name, tensor).hex()
            entries.append({"name": name, "shape": list(tensor.shape), "offset": file.tell(), "sha256": digest})
            file.write(np.ascontiguousarray(tensor, "<u2").data)
        description = {
            "tier": tier,
            "dtype": "uint16",
            "byte_order": "little",
            "picture_height": picture.features.height,
            "picture_width": picture.features.width,
            "tensors": entries,
        }
        description_file.write(json.dumps(description, indent=1).encode() + b"\n")
        description_file.flush()  # where the disk is full, neither file appears
