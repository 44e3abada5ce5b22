"""The inner codec COEFFICIENTS: signed levels, coded without video (docs/bitstream.md, 8.10).

A stream is one arithmetic code word for all pictures of a group. NumPy finds the contexts of a row at once; its
decisions are coded one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, field

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

    With ``picture_before``, a picture that is like the one before in the group is coded as differences from it.
    """

    components: int
    tables: Tables = field(default_factory=default_tables)
    picture_before: bool = False

    def encode(self, levels: NDArray[np.int32]) -> bytes:
        """Code int32 levels ``(P * C, H, W)`` of P pictures; magnitudes are at most 65535."""
        coder = RangeEncoder()
        self._code(LevelCoder(coder, self.tables, self.components), levels.copy())
        return coder.finish()

    def decode(self, stream: bytes, count: int, height: int, width: int) -> NDArray[np.int32]:
        """The levels ``(count, height, width)``, of which C are a picture's.

        Raises :class:`~vcm_ref.errors.CodecError` for a stream that no encoder writes.
        """
        coder = RangeDecoder(stream)
        levels = np.zeros((count, height, width), np.int32)
        self._code(LevelCoder(coder, self.tables, self.components), levels)
        coder.finish()
        return levels

    def _code(self, coder: LevelCoder, levels: NDArray[np.int32]) -> None:
        before = None
        for picture in levels.reshape(-1, self.components, *levels.shape[1:]):
            coder.picture(picture, before, before is not None and is_like(picture, before))
            before = picture if self.picture_before else None
