"""What methods cost: multiply–accumulates and parameters of the network's parts, and seconds a picture by stage."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from .blocks import Block, Heading, Paragraph, Table
from .method import Method
from .numbers import NOTHING, fixed

_PARTS = {"part1": "part 1", "part2": "part 2"}
_STEPS = ("extract", "encode", "decode", "analyse")


def cost(methods: Sequence[Method]) -> list[Block]:
    """The section on cost; nothing where no result states any."""
    blocks = [*_network(methods), *_seconds(methods)]
    return [Heading("Cost"), *blocks] if blocks else []


def _network(methods: Sequence[Method]) -> list[Block]:
    """Networks that differ in what they cost have a table each."""
    known = {json.dumps(found, sort_keys=True): (m, found) for m in methods if "part1" in (found := _cost(m))}
    blocks: list[Block] = []
    for method, found in known.values():
        rows = [
            (
                name,
                _thousands(found[key]["macs_per_pixel"]),
                _millions(found[key]["macs"]),
                _millions(found[key]["parameters"]),
            )
            for key, name in _PARTS.items()
        ]
        blocks.append(Table((method.network, "MAC a pixel", "million MAC", "million parameters"), rows, "lrrr"))
        blocks.append(
            Paragraph(
                "MAC are multiply–accumulates of convolutions and matrix products, for a picture of "
                f"{found['picture']}; a pixel is one of the original picture."
            )
        )
    return blocks


def _cost(method: Method) -> dict[str, Any]:
    return dict(method.anchor_file.get("cost") or {})


def _seconds(methods: Sequence[Method]) -> list[Block]:
    """The mean over all coded pictures of all points."""
    rows, steps = [], set()
    for method in methods:
        points = [point for point in method.points if point.get("seconds") and point.get("pictures")]
        number = sum(len(point["pictures"]) for point in points)
        if number:
            each = {step for point in points for step in point["seconds"]}
            steps |= each
            sums = {step: sum(point["seconds"].get(step, 0.0) for point in points) / number for step in each}
            rows.append((method.name, sums))
    if not rows:
        return []
    names = sorted(steps, key=lambda step: (_STEPS.index(step) if step in _STEPS else len(_STEPS), step))
    cells = [(name, *(fixed(sums.get(step), 3) if step in sums else NOTHING for step in names)) for name, sums in rows]
    table = Table(("method", *names), cells, "l" + "r" * len(names), (("", 1), ("seconds a picture", len(names))))
    told = "Seconds are the time of one thread on the measuring machine, as the mean over all pictures and points."
    return [table, Paragraph(told)]


def _thousands(value: float) -> str:
    return f"{value:,.0f}"


def _millions(value: float) -> str:
    return f"{value / 1e6:,.2f}"
