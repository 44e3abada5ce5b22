"""The pictures that a model was trained on: a text of their SHA-256, in hexadecimal, one in a line.

The record in a model has the SHA-256 of this text (``pictures_sha256``), so the text is known by its digest as a model
is, and is found where models are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from ..errors import UnsupportedError
from . import find

SUFFIX = ".pictures.txt"
"""After the name of a model, for the text beside it."""


def list_text(digests: Iterable[str]) -> bytes:
    """The text of these digests."""
    return "".join(f"{one}\n" for one in digests).encode()


def list_digest(digests: Iterable[str]) -> str:
    """The SHA-256 of their text."""
    return hashlib.sha256(list_text(digests)).hexdigest()


def listed_pictures(sha256: str, model: Path | None) -> frozenset[str] | None:
    """The digests in the text of this SHA-256, beside the file of the ``model``, or else where models are looked for.

    None where it is in neither place, or is not a text in ASCII.
    """
    try:
        return frozenset(_text(sha256, model).decode("ascii").split())
    except (UnsupportedError, ValueError):
        return None


def _text(sha256: str, model: Path | None) -> bytes:
    if model is not None:
        beside = model.with_name(model.name + SUFFIX)
        if beside.is_file() and hashlib.sha256(text := beside.read_bytes()).hexdigest() == sha256:
            return text
    return find(bytes.fromhex(sha256))
