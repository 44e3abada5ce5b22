"""Words of version 0.1, which users' files still have: each stands for one word of today, with the same meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ..errors import ConfigError
from ..files.document import Document
from ..files.tree import KeyPath

_SECTIONS = {"arrangement": "packing"}
_VALUES = {
    ("packing", "method"): {"tiled": "stacked"},
    ("packing", "allocation"): {"spatial": "frame_major", "temporal": "interleaved"},
}


def current_section(name: str) -> str:
    """The name of a section today."""
    return _SECTIONS.get(name, name)


def in_current_words(tree: Mapping[str, Any], place: str = "") -> dict[str, Any]:
    """``tree``, a configuration, with the words of today.

    Raises :class:`ConfigError` where it has a section under both names; the error ends with ``place``.
    """
    for old, new in _SECTIONS.items():
        if old in tree and new in tree:
            raise ConfigError(f"{old}: is the old name of {new}, which the file has too; keep only {new}{place}")
    renamed = {current_section(key): value for key, value in tree.items()}
    for (section, key), words in _VALUES.items():
        options = renamed.get(section)
        if isinstance(options, dict) and isinstance(options.get(key), str):
            renamed[section] = {**options, key: words.get(options[key], options[key])}
    return renamed


def document_in_current_words(document: Document) -> Document:
    """A document whose value is a configuration, with the words of today and the lines of its own."""

    def path(old: KeyPath) -> KeyPath:
        return (current_section(str(old[0])), *old[1:]) if old else old

    olds = [old for old in _SECTIONS if old in document.value]
    place = f" (in {document.place((olds[0],))})" if olds else ""
    value = in_current_words(document.value, place)
    return replace(document, value=value, lines={path(key): line for key, line in document.lines.items()})
