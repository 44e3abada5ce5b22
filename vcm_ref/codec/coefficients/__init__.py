"""The inner codec COEFFICIENTS: signed levels, coded without video (docs/bitstream.md, 8.10).

A stream is one arithmetic code word for all pictures of a group. NumPy finds the contexts of a row at once; its
decisions are coded one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .levels import LevelCoder, is_like
from .range_coder import RangeDecoder, RangeEncoder
from .tables import Tables, default_tables, tables_from
from .training import count_contexts, scales_of, table_tensors

__all__ = [
    "LevelCodec",
    "Tables",
    "count_contexts",
    "default_tables",
    "scales_of",
    "table_tensors",
    "tables_from",
]


@dataclass(frozen=True)
class LevelCodec:
    """Codes the levels of one tensor of ``components`` maps.

    With ``picture_before``, a picture of a group may be coded as differences from the one before.
    """

    components: int
    tables: Tables = field(default_factory=default_tables)
    picture_before: bool = False

    def encode(self, levels: NDArray[np.int32], as_differences: Sequence[bool] | None = None) -> bytes:
        """Code int32 levels ``(P * C, H, W)`` of P pictures; magnitudes are at most 65535.

        ``as_differences`` says of each picture whether it is coded as differences from the one before; of the first
        picture it is not read. Without it, those pictures are that have fewer binary digits so.
        """
        coder = RangeEncoder()
        pictures = self._pictures(levels.copy())
        if as_differences is None:
            over_time = self.picture_before
            as_differences = [False, *(over_time and is_like(own, before) for before, own in pairwise(pictures))]
        self._code(LevelCoder(coder, self.tables, self.components), pictures, as_differences)
        return coder.finish()

    def decode(self, stream: bytes, count: int, height: int, width: int) -> NDArray[np.int32]:
        """The levels ``(count, height, width)``, of which C are a picture's.

        Raises :class:`~vcm_ref.errors.CodecError` for a stream that no encoder writes.
        """
        coder = RangeDecoder(stream)
        levels = np.zeros((count, height, width), np.int32)
        pictures = self._pictures(levels)
        self._code(LevelCoder(coder, self.tables, self.components), pictures, [False] * len(pictures))
        coder.finish()
        return levels

    def _pictures(self, levels: NDArray[np.int32]) -> NDArray[np.int32]:
        """The same levels as ``(P, C, H, W)``."""
        return levels.reshape(-1, self.components, *levels.shape[1:])

    def _code(self, coder: LevelCoder, pictures: NDArray[np.int32], as_differences: Sequence[bool]) -> None:
        before = None
        for picture, dependent in zip(pictures, as_differences, strict=True):
            coder.picture(picture, before, dependent)
            before = picture if self.picture_before else None
