"""How a report writes numbers: the same number of digits everywhere, a dash for what is not known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

NOTHING = "–"


def _known(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def fixed(value: float | None, digits: int = 4) -> str:
    """``0.1234``: bpp, accuracy, seconds."""
    return f"{value:.{digits}f}".replace("-", "−") if value is not None and _known(value) else NOTHING


def signed(value: float | None, digits: int = 2) -> str:
    """``−12.34`` or ``+0.56``: what has a direction; a zero has no sign."""
    if value is None or not _known(value):
        return NOTHING
    text = f"{value:+.{digits}f}"
    return (text[1:] if float(text) == 0 else text).replace("-", "−")


def interval_text(interval: Sequence[float] | None, digits: int = 4, sign: bool = False) -> str:
    """``[0.1234, 0.1267]``, or with ``sign`` ``[−71.2, −60.0]``; empty where there is no interval."""
    if interval is None:
        return ""
    written = signed if sign else fixed
    return f"[{written(interval[0], digits)}, {written(interval[1], digits)}]"


def level_text(document: Mapping[str, Any]) -> str:
    """``95 % interval``, from what a record says of its bootstrap; ``interval`` where it says nothing."""
    level = (document.get("bootstrap") or {}).get("level")
    return "interval" if level is None else f"{100 * level:g} % interval"


def ranges(numbers: Iterable[int]) -> str:
    """``1–3, 7`` of 1, 2, 3 and 7."""
    runs: list[list[int]] = []
    for number in sorted(set(numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def percent(share: float | None) -> str:
    """``12.3 %`` of a share from 0 to 1."""
    return NOTHING if share is None else f"{100 * share:.1f} %"


def counted(number: int, what: str, plural: str = "") -> str:
    """``1 picture``, ``2 pictures``."""
    return f"{number} {what if number == 1 else plural or what + 's'}"
