"""The cost of methods: multiply–accumulates and parameters of the network's parts, of reduction and of restoration.

Beside them the seconds a picture, by step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .blocks import Block, Heading, Paragraph, Table
from .method import Method
from .numbers import NOTHING, fixed

_PARTS = {"part1": "part 1", "part2": "part 2"}
_STAGES = ("reduction", "restoration")
_STEPS = ("extract", "reduce", "encode", "decode", "restore", "analyse")


def cost(methods: Sequence[Method]) -> list[Block]:
    """The section on cost; nothing where no result states any."""
    blocks = [*_network(methods), *_stages(methods), *_seconds(methods)]
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


def _stages(methods: Sequence[Method]) -> list[Block]:
    """Reduction and restoration of each method that has them, as ranges over its points."""
    rows = []
    for method in methods:
        costs = [point["cost"] for point in method.points if point.get("cost")]
        if costs:
            cells = [method.name]
            for stage in _STAGES:
                cells.append(_range([cost[stage]["macs_per_pixel"] for cost in costs], _thousands))
                cells.append(_range([cost[stage]["macs"] for cost in costs], _millions))
                cells.append(_range([cost[stage]["parameters"] for cost in costs], _millions))
            rows.append(cells)
    if not rows:
        return []
    headers = ("method", *("MAC a pixel", "million MAC", "million parameters") * len(_STAGES))
    groups = (("", 1), *((stage, 3) for stage in _STAGES))
    told = (
        "MAC of reduction and restoration are the mean of the pictures; two figures are those of the points with the "
        "fewest and the most. The search for PCA's eigenvectors is not counted: it takes as many steps as the values "
        "need."
    )
    return [Table(headers, rows, "l" + "r" * 3 * len(_STAGES), groups), Paragraph(told)]


def _range(values: Sequence[float], written: Callable[[float], str]) -> str:
    """One figure, or the smallest and the largest where they differ in print."""
    return "–".join(dict.fromkeys((written(min(values)), written(max(values)))))


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
    names = in_order(steps)
    cells = [(name, *(fixed(sums.get(step), 3) if step in sums else NOTHING for step in names)) for name, sums in rows]
    table = Table(("method", *names), cells, "l" + "r" * len(names), (("", 1), ("seconds a picture", len(names))))
    told = "Seconds are the time of one thread on the measuring machine, as the mean over all pictures and points."
    if {"reduce", "restore"} & steps:
        told += " Encode and decode are without reduction and restoration, which have their own columns."
    return [table, Paragraph(told)]


def in_order(steps: Iterable[str]) -> list[str]:
    """The names of steps in the order in which they are done, each once."""
    return sorted(set(steps), key=lambda step: (_STEPS.index(step) if step in _STEPS else len(_STEPS), step))


def _thousands(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _millions(value: float) -> str:
    return f"{value / 1e6:,.2f}"
