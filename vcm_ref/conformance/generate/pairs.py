"""Positive vectors in which every value of every tool meets every value of every other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any

from ...bitstream.values import Allocation, Grid, InnerCodecId, Mode, Packing, RangeScope, ReorderCoding
from .case import Variant, family
from .core import built, plain

TOOLS: dict[str, Sequence[Any]] = {
    "codec": (InnerCodecId.LOSSLESS, InnerCodecId.HEVC, InnerCodecId.VVC),  # those of frames
    "packing": tuple(Packing),
    "allocation": tuple(Allocation),
    "scope": tuple(RangeScope),
    "reorder": tuple(ReorderCoding),
    "mode": tuple(Mode),
    "digest_length": (0, 32),
    "bit_depth": (4, 10, 13),
    "groups": (1, 2),
    "group": (1, 2),
    "t2_digest": (False, True),
    "layers": (1, 3),
}
Choice = Mapping[str, Any]


def possible(choice: Choice) -> bool:
    """Whether a bitstream can have these values together."""
    stacked = choice.get("packing") == Packing.STACKED
    return not (
        (stacked and choice.get("allocation") == Allocation.INTERLEAVED)
        or (choice.get("bit_depth", 0) > 10 and choice.get("codec", InnerCodecId.LOSSLESS) != InnerCodecId.LOSSLESS)
    )


def pairwise() -> list[Choice]:
    """Choices that have every possible pair of values, each the one that has most of the pairs still missing."""
    missing = {
        frozenset({(one, value), (other, second)})
        for one, other in combinations(TOOLS, 2)
        for value, second in product(TOOLS[one], TOOLS[other])
        if possible({one: value, other: second})
    }
    found: list[Choice] = []
    while missing:
        choice = dict(sorted(missing, key=_rank)[0])
        for tool in TOOLS:
            if tool not in choice:
                values = [value for value in TOOLS[tool] if possible({**choice, tool: value})]
                choice[tool] = max(values, key=lambda value, tool=tool: _gain({**choice, tool: value}, missing))  # type: ignore[misc]
        missing -= _pairs(choice)
        found.append({tool: choice[tool] for tool in TOOLS})
    return found


def _rank(pair: frozenset[tuple[str, Any]]) -> list[tuple[int, int]]:
    names = list(TOOLS)
    return sorted((names.index(tool), list(TOOLS[tool]).index(value)) for tool, value in pair)


def _pairs(choice: Choice) -> set[frozenset[tuple[str, Any]]]:
    return {frozenset(pair) for pair in combinations(choice.items(), 2)}


def _gain(choice: Choice, missing: set[frozenset[tuple[str, Any]]]) -> int:
    return len(_pairs(choice) & missing)


@family("PAIRS", "combinations")
def combined() -> Iterator[Variant]:
    """Tools together: {}.

    Each tool is right alone and two of them are not right together; see which pair only the failing vectors have.
    """
    for number, choice in enumerate(pairwise(), 1):
        options = dict(choice)
        mode, groups, count = options.pop("mode"), options.pop("groups"), options.pop("layers")
        grid = Grid(3, 2) if choice["packing"] == Packing.STACKED else Grid(3, 1)
        layers = [
            replace(plain(f"p{place}", 6, 14 >> place, 20 >> place), grid=grid, mode=mode) for place in range(count)
        ]
        own = [layer.shape[1:] for layer in layers]
        options["sizes"] = [[(48 + picture, 64), *own] for picture in range(groups)]
        told = ", ".join(f"{tool} {getattr(value, 'name', value)}" for tool, value in choice.items())
        yield Variant(str(number), built(layers, **options), (told,))
