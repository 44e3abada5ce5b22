"""The stage NETWORK: layers restored by a small network of integers (docs/bitstream.md, 6.25, 8.9 and 8.11)."""

from __future__ import annotations

from .stage import Network

__all__ = ["Network"]
