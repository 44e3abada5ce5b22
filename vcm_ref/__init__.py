"""Reference software for coding neural-network features: encoder, decoder, bitstream, conformance."""

from __future__ import annotations

__version__ = "0.1.0"


def configs() -> list[str]:
    """The names of the shipped configurations, as ``-c`` takes them: ``fframe``, ``networks/yolox_nano`` …"""
    from .configuration.shipped import configs as shipped

    return shipped()
