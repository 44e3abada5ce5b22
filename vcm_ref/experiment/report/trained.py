"""What a report says of training: the data of networks and models, and a warning where test pictures are among it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from .blocks import Block, Paragraph
from .method import Method
from .numbers import counted

_SHORT = 12  # of a model's digest

Entries = Iterable[tuple[Sequence[dict[str, Any]], int]]
"""The records of training of several results (``training`` of an anchor), each with its number of pictures."""


def of_methods(methods: Sequence[Method]) -> Entries:
    """The records of all methods that have one."""
    for method in methods:
        if training := method.anchor_file.get("training"):
            yield training, len(method.anchor_file["pictures"])


def overlaps(entries: Entries) -> list[Block]:
    """A warning for each network and model that was trained on test pictures."""
    blocks: list[Block] = []
    for entry, pictures in _each(entries):
        if entry["overlap"]:
            told = (
                f"{_named(entry)} was trained on {len(entry['overlap'])} of the {counted(pictures, 'picture')} that "
                "are measured: figures are likely to be better here than on pictures that it has not seen."
            )
            blocks.append(Paragraph(told, warning=True))
    return blocks


def training(entries: Entries) -> list[Block]:
    """One paragraph on what everything was trained on."""
    told = []
    for entry, _ in _each(entries):
        if not entry["data"]:
            told.append(f"{_named(entry)} does not state its training data.")
            continue
        seen = {
            None: "Its training pictures were not compared with the test pictures.",
            0: "It was not trained on a test picture.",
        }
        number = None if entry["overlap"] is None else len(entry["overlap"])
        data = entry["data"].removesuffix(".")
        told.append(f"{_named(entry)} was trained on {data}. {seen.get(number, '')}".rstrip())
    return [Paragraph(" ".join(told))] if told else []


def _each(entries: Entries) -> Iterator[tuple[dict[str, Any], int]]:
    """Each entry once, with the number of pictures of its result."""
    seen = []
    for training, pictures in entries:
        for entry in training:
            if entry not in seen:
                seen.append(entry)
                yield entry, pictures


def _named(entry: dict[str, Any]) -> str:
    name = entry["name"][:_SHORT] if entry["what"] == "model" else entry["name"]
    return f"The {entry['what']} {name}"
