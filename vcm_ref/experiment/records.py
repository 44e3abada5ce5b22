"""Records: what is known of a result, as JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

Record = dict[str, Any]
AS_STORED = "not applied"
"""The value of ``exif_orientation`` in the record of a network whose pictures are analysed as they are stored."""


class Stored(NamedTuple):
    """One result: a small ``record`` as JSON, and ``data``, which is only read when it is asked for."""

    record: Record
    data: bytes = b""
