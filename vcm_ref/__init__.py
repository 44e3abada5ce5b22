"""Reference software for coding neural-network features: encoder, decoder, bitstream, conformance."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

#: The Python door: each name and its module, which is imported when the name is first used. No result depends on it, so
#: the modules are not named in full: what is named in full is part of the names of stored results.
_DOOR = {"configs": ".configuration.shipped"}


def __getattr__(name: str) -> Any:
    if name not in _DOOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_DOOR[name], __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_DOOR])
