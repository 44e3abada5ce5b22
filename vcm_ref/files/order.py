"""The order of files: by their names, with the numbers in them compared as numbers.

The pictures of a sequence are often named ``1.png`` … ``10.png``. In the order of text, ``10.png`` comes before
``2.png``.
"""

from __future__ import annotations

import re
from pathlib import Path

_NUMBER = re.compile("([0-9]+)")


def name_order(path: Path) -> tuple[list[list[str | int]], str]:
    """The key to sort files by: text and numbers in turn, for each part of the path, then the path itself."""
    parts = [_NUMBER.split(part) for part in path.parts]
    return [[int(piece) if place % 2 else piece for place, piece in enumerate(part)] for part in parts], str(path)
