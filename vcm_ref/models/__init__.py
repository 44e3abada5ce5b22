"""Models: numbers that a reduction stage needs and that are known by the SHA-256 of their bytes."""

from __future__ import annotations

import hashlib
import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UnsupportedError, reason

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

#: Names a folder of models; each file is named by the SHA-256 of its bytes, in hexadecimal.
VARIABLE = "VCM_MODELS"
#: The models that are shipped.
SHIPPED = "data"


def find(reference: bytes) -> bytes:
    """Return the bytes of the model whose SHA-256 begins with ``reference``, or is it.

    It is in the folder that ``VCM_MODELS`` names, or is shipped. Raises :class:`UnsupportedError`, which names the
    reference, where there is no such model or several, or where its file is damaged or cannot be read.
    """
    beginning = reference.hex()
    folder = os.environ.get(VARIABLE)
    places = [*([Path(folder)] if folder else []), files(__package__).joinpath(SHIPPED)]
    try:
        found = {file.name: file for place in places[::-1] for file in _named(place, beginning)}
    except OSError as error:
        raise UnsupportedError(f"the folder named by {VARIABLE} cannot be read: {reason(error)}") from error
    if len(found) > 1:
        raise UnsupportedError(f"several models begin with {beginning}: {', '.join(sorted(found))}")
    for name, file in found.items():
        if not file.is_file():  # reading a pipe may wait without end, and reading a device may never end
            raise UnsupportedError(f"the file of model {name} cannot be read: it is not a regular file")
        try:
            data = file.read_bytes()
        except OSError as error:
            raise UnsupportedError(f"the file of model {name} cannot be read: {reason(error)}") from error
        if hashlib.sha256(data).hexdigest() != name:
            raise UnsupportedError(f"the file of model {name} is damaged: its SHA-256 differs")
        return data
    raise UnsupportedError(
        f"the bitstream needs model {beginning}, which was not found; put it into a folder named by {VARIABLE}"
    )


def _named(place: Traversable, beginning: str) -> list[Traversable]:
    """The files in a folder that are named by a SHA-256 with this beginning; none where there is no folder."""
    try:
        return [file for file in place.iterdir() if _is_digest(file.name) and file.name.startswith(beginning)]
    except (FileNotFoundError, NotADirectoryError):
        return []


def _is_digest(name: str) -> bool:
    return len(name) == 64 and not set(name) - set("0123456789abcdef")
