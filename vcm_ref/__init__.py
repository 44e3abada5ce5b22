"""Reference software for coding neural-network features: encoder, decoder, bitstream, conformance.

In a program: :func:`encode`, :func:`decode`, :func:`decode_all`, :func:`configs` and :func:`load_network`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .configuration.shipped import configs
    from .door.decoding import Features, decode, decode_all
    from .door.encoding import Coded, encode
    from .errors import VcmError
    from .network import load_network

__all__ = ["Coded", "Features", "VcmError", "configs", "decode", "decode_all", "encode", "load_network"]
__version__ = "0.2.0"

#: The Python door: each name and its module, which is imported when the name is first used. No result depends on it, so
#: the modules are not named in full: what is named in full is part of the names of stored results.
_DOOR = {
    "Coded": ".door.encoding",
    "Features": ".door.decoding",
    "VcmError": ".errors",
    "configs": ".configuration.shipped",
    "decode": ".door.decoding",
    "decode_all": ".door.decoding",
    "encode": ".door.encoding",
    "load_network": ".network",
}


def __getattr__(name: str) -> Any:
    if name not in _DOOR:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_DOOR[name], __name__), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_DOOR])
