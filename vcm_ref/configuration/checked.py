"""A configuration that was checked: values by key, with the file that each came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

from ..bitstream.values import Grid
from ..errors import ConfigError
from ..files.schema import Rules, first_problem, rules_of, shown
from ..files.tree import printed_key
from .options import Tree, leaves_of, schema_of, shaping, typed, with_defaults
from .sections import Coding, Everything
from .words import in_current_words

T = TypeVar("T")
#: The key by which a per-layer mapping speaks for every layer it does not name.
ALL_OTHERS = "default"
#: A key of such a mapping that begins so speaks for the layers whose names end in the rest of it.
ANY = "*"
_PLACE = re.compile("layer [1-9][0-9]?")

KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """The source that set a value: a file with a line, or the command line.

    ``rank`` counts the sources in the order in which they are laid over each other. A ``shared`` source speaks to
    several methods, so it may say options that one of them does not have.
    """

    name: str
    rank: int = 0
    line: int | None = None
    shared: bool = False

    def __str__(self) -> str:
        return self.name if self.line is None else f"{self.name}, line {self.line}"


class Configuration:
    """A checked configuration with all defaults.

    ``tree`` is the effective configuration as a nested mapping, and ``coding`` the same as dataclasses.
    """

    def __init__(self, tree: Tree, origins: Mapping[KeyPath, Origin] | None = None, files: Sequence[Path] = ()) -> None:
        """Lay ``tree`` over the defaults and check it.

        ``origins`` has the source of each value that a file or the command line set, and ``files`` all files that were
        read, bases among them. :class:`ConfigError` names key, value, what is allowed, and the source.
        """
        self.tree = with_defaults(Everything, in_current_words(tree))
        self.files = tuple(files)
        self._origins = origins or {}
        problem = first_problem(self.tree, _rules())
        if problem is not None:
            raise self._error(tuple(map(str, problem.path)), problem.text)
        self._take_away_options_without_effect()

    @cached_property
    def coding(self) -> Coding:
        """The values that are not paths of vcm_enc, as dataclasses."""
        made: Coding = typed(Coding, self.tree)
        return made

    @cached_property
    def shaping(self) -> Tree:
        """The effective configuration without the options that are declared to shape no result."""
        return shaping(Everything, self.tree)

    def get(self, dotted: str, default: Any = None) -> Any:
        """The value at ``dotted`` (``"codec.qp"``), or ``default`` where it is absent."""
        node: Any = self.tree
        for key in dotted.split("."):
            if not isinstance(node, dict) or key not in node:
                return default
            node = node[key]
        return node

    def per_layer(self, dotted: str, layers: Sequence[str], default: T) -> list[T | Any]:
        """The value for each layer, where ``dotted`` holds one value for all or a mapping by layer.

        The mapping's keys are names of layers; ``layer 1``, ``layer 2`` and so on, places in coding order, which other
        names cannot be confused with, since they have no spaces; ``*`` and an ending, as in ``*.maps``; and
        ``default``. A name goes before a place, a place before an ending, a longer ending before a shorter one, and an
        ending before the default. Places that the network does not have are without effect.

        :class:`ConfigError` where the mapping names a layer, or an ending, that the network does not have.
        """
        value = self.get(dotted, default)
        if not isinstance(value, dict):
            return [value] * len(layers)
        endings = sorted((key for key in value if key.startswith(ANY)), key=lambda key: (-len(key), key))
        known_keys = {*layers, ALL_OTHERS, *(key for key in endings if any(_ends(name, key) for name in layers))}
        unknown = [name for name in value if name not in known_keys and not _PLACE.fullmatch(name)]
        if unknown:
            known = ", ".join(layers)
            raise self.error(
                dotted, f"there is no layer {unknown[0]}; the layers are {known}, or layer 1, layer 2, ..."
            )
        keys = [
            (name, f"layer {place}", *(key for key in endings if _ends(name, key)), ALL_OTHERS)
            for place, name in enumerate(layers, 1)
        ]
        return [next((value[key] for key in choice if key in value), default) for choice in keys]

    def replaced(self, dotted: str, value: Any) -> Configuration:
        """The same configuration but for the value at ``dotted``, which has no source."""
        tree = deepcopy(self.tree)
        *rooms, name = dotted.split(".")
        node = tree
        for room in rooms:
            node = node[room]
        node[name] = value
        return Configuration(tree, self._origins, self.files)

    def error(self, dotted: str, message: str) -> ConfigError:
        """The error about the value at ``dotted``, with the file that it came from."""
        return self._error(tuple(dotted.split(".")), message)

    def source(self, path: KeyPath) -> str | None:
        """The file that set the value at ``path``, or any value under it."""
        origin = self._origin(path)
        return origin.name if origin else None

    def _origin(self, path: KeyPath) -> Origin | None:
        for length in range(len(path), 0, -1):
            if path[:length] in self._origins:
                return self._origins[path[:length]]
        below = [origin for key, origin in self._origins.items() if key[: len(path)] == path]
        return max(below, key=lambda origin: origin.rank) if below else None

    def _error(self, path: KeyPath, message: str) -> ConfigError:
        origin = self._origin(path)
        return ConfigError(f"{printed_key(path)}: {message}{f' (in {origin})' if origin else ''}")

    def _any_of(self, dotted: str, values: Sequence[str]) -> bool:
        """Whether the value at ``dotted``, or one of those that it has by layer, is among ``values``."""
        value = self.get(dotted)
        return any(one in values for one in (value.values() if isinstance(value, dict) else [value]))

    def _take_away_options_without_effect(self) -> None:
        """Give options that the value of another key makes useless, as ``codec.preset`` with ``lossless``, no value.

        An option is refused where it was set with that other key or after it. Where the other key was set later, by a
        source that is laid over, its default takes its place: a method that takes a base and changes its codec need not
        undo the base's options.
        """
        for one in leaves_of(Everything):
            origin = self._origin(one.path)
            if one.only_with is None or origin is None or self._any_of(*one.only_with):
                continue
            (key, values), (room, name) = one.only_with, one.path
            if name not in self.tree[room]:  # an empty section is said, and none of its options
                continue
            chosen = self._origin(tuple(key.split(".")))
            beside = chosen is not None and origin.rank == chosen.rank
            tolerated = beside and one.was_required and origin.line is not None
            if not (origin.shared or tolerated) and (chosen is None or origin.rank >= chosen.rank):
                useful = " or ".join(filter(None, [", ".join(values[:-1]), values[-1]]))
                named = self.get(key)
                told = named if isinstance(named, str) else shown(named)
                problem = f"it has no effect with {key} {told}, only with {useful}"
                raise self._error(one.path, f"is {shown(self.tree[room][name])}; {problem}")
            self.tree[room].pop(name, None)
        self.tree = with_defaults(Everything, self.tree)


def _ends(name: str, key: str) -> bool:
    return name.endswith(key.removeprefix(ANY))


@cache
def _rules() -> Rules:
    return rules_of(schema_of(Everything))


def parse_size(text: str) -> tuple[int, int]:
    """``"WxH"`` as (first, second): columns and rows of a grid, or width and height of a picture."""
    first, second = text.split("x")
    return int(first), int(second)


def parse_grid(text: str) -> Grid:
    """``"4x4"`` as a grid of columns by rows."""
    return Grid(*parse_size(text))
