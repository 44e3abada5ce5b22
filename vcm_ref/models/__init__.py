"""Models: numbers that a reduction stage needs and that are known by the SHA-256 of their bytes."""

from __future__ import annotations

import hashlib
import os
from importlib.resources import files
from pathlib import Path

from ..errors import UnsupportedError, reason

#: Names a folder of models; each file is named by the SHA-256 of its bytes, in hexadecimal.
VARIABLE = "VCM_MODELS"
#: The models that are shipped.
SHIPPED = "data"


def find(digest: bytes) -> bytes:
    """Return the bytes of the model with this SHA-256, from the folder that ``VCM_MODELS`` names or as shipped.

    Raises :class:`UnsupportedError`, which names the digest, where the model is in neither, or its file is damaged or
    cannot be read.
    """
    name = digest.hex()
    shipped = files(__package__).joinpath(SHIPPED, name)
    folder = os.environ.get(VARIABLE)
    for place in (Path(folder, name) if folder else None, shipped):
        try:
            if place is None or not place.is_file():
                continue
            data = place.read_bytes()
        except OSError as error:
            raise UnsupportedError(f"the file of model {name} cannot be read: {reason(error)}") from error
        if hashlib.sha256(data).digest() != digest:
            raise UnsupportedError(f"the file of model {name} is damaged: its SHA-256 differs")
        return data
    raise UnsupportedError(
        f"the bitstream needs model {name}, which was not found; put it into a folder named by {VARIABLE}"
    )
