"""Configurations in layers: files with their bases, ``--set key.path=value``, and the command line's own flags.

Each is laid over the layers before it, mapping by mapping, and a ``null`` takes a value away. A mapping whose order
counts takes the place of the earlier one; ``--set network.classes.3=bird`` changes one entry of it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from math import isfinite
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from ..files.document import Document, load, parse
from ..files.schema import shown
from ..files.tree import printed_key
from .checked import Configuration, KeyPath, Origin
from .options import Tree, options_of
from .sections import Everything
from .shipped import find_configuration
from .words import current_section, document_in_current_words, in_current_words

COMMAND_LINE = "the command line"
#: Values of ``network.weights`` that name no file.
NO_PATHS = ("default", "random")
#: Keys whose value is a path, taken relative to the file that says it.
_INPUT_PATHS = (("input",), ("network", "weights"), ("reduction", "model"), ("training", "start"))
_SECTIONS = {one.path[-1]: one for one in options_of(Everything) if one.section}
_WHOLE = {key.path for one in _SECTIONS.values() for key in options_of(one.section, one.path) if key.as_a_whole}
_DEEPEST_BASE = 16

Setting = str | tuple[str, Any]
"""``"codec.qp=37"``, whose value is YAML, or the key path and the value."""


def load_configuration(
    paths: Iterable[Path | str],
    settings: Iterable[Setting] = (),
    flags: Tree | None = None,
    *,
    shared_paths: Iterable[Path | str] = (),
    shared_settings: Iterable[Setting] = (),
) -> Configuration:
    """Lay configuration files, ``key.path=value`` settings, and the values of the command line's flags over each other.

    A path is a file or the name of a shipped configuration. Shared files and settings speak to several methods. They
    are laid over the method's own, and may say options that the method does not have. Raises :class:`ConfigError` for a
    file that is missing or not a YAML mapping, and for anything that the schema forbids.
    """
    layers = _Layers()
    for path in paths:
        layers.add_file(path)
    layers.shared = True
    for path in shared_paths:
        layers.add_file(path)
    layers.shared = False
    layers.add_settings(settings)
    layers.shared = True
    layers.add_settings(shared_settings)
    layers.shared = False
    layers.merge(flags or {}, Document(COMMAND_LINE, flags))
    return Configuration(layers.tree, layers.origins, layers.files)


def split_key(text: str) -> KeyPath:
    """A key path as ``--set`` takes it.

    No section is in another, so that everything after ``section.key.`` is one name: ``packing.grid.p2.0`` is the
    grid of the layer ``p2.0``. Quotes around a name are taken away.
    """
    first, dot, rest = text.partition(".")
    first = current_section(first)
    if not dot:
        return (first,)
    if first not in _SECTIONS:
        return (first, rest)
    second, dot, name = rest.partition(".")
    if not dot:
        return (first, second)
    quoted = len(name) > 1 and name[0] == name[-1] and name[0] in "\"'"
    return (first, second, name[1:-1] if quoted else name)


class _Layers:
    """The tree so far, the origin of each of its values, and the files that were read."""

    def __init__(self) -> None:
        self.tree: Tree = {}
        self.origins: dict[KeyPath, Origin] = {}
        self.files: list[Path] = []
        self.shared = False
        self._rank = 0

    def add_file(self, name: Path | str, folder: Path | None = None, outer: tuple[str, ...] = ()) -> None:
        """Lay a file's bases over the tree, then the file itself."""
        path = find_configuration(name, folder)
        real = os.path.realpath(path)
        if real in outer:
            raise ConfigError(f"{path}: is its own base")
        if len(outer) > _DEEPEST_BASE:
            raise ConfigError(f"{path}: is the base of a base, {_DEEPEST_BASE} times; that is too deep")
        document = load(path, "yaml")
        self.files.append(path)
        own = document.value
        if not isinstance(own, dict):
            is_what = "is empty" if own is None else f"is {shown(own)}"
            raise ConfigError(f"{path}: {is_what}; must be a mapping of keys to values")
        document = document_in_current_words(document)
        own = document.value
        if "base" in own:
            base = own.pop("base")
            if not isinstance(base, str) or not base:
                place = document.place(("base",))
                raise ConfigError(f"{place}: base: is {shown(base)}; must be a text, the name of one configuration")
            self.add_file(base, path.parent, (*outer, real))
        for keys in _INPUT_PATHS:
            _resolve_path(own, keys, path.parent)
        self._rank += 1
        self.merge(own, document)

    def add_settings(self, settings: Iterable[Setting]) -> None:
        """Lay settings over the tree, one layer in all."""
        self._rank += 1
        for setting in settings:
            if isinstance(setting, str):
                key, equals, text = setting.partition("=")
                if not equals or "" in key.split("."):
                    raise ConfigError(f"--set {setting}: write it as key.path=value")
                value = parse(text, f"--set {setting}", "yaml").value
            else:
                key, value = setting
                _check_setting(key, value)
            node: Any = value
            path = split_key(key)
            for name in reversed(path):
                node = {name: node}
            self.merge(in_current_words(node), Document(COMMAND_LINE, None), entry=len(path) > 2)

    def merge(self, over: Mapping[str, Any], document: Document, path: KeyPath = (), *, entry: bool = False) -> None:
        """Lay ``over`` on the tree at ``path``, mapping by mapping; ``entry``: also those that go as a whole."""
        tree = self.tree
        for key in path:
            tree = tree[key]
        for key, value in over.items():
            here = (*path, key)
            origin = Origin(document.name, self._rank, document.lines.get(here), self.shared)
            if isinstance(value, dict):
                if not isinstance(tree.get(key), dict) or (here in _WHOLE and not entry):
                    tree[key] = {}
                    self._forget(here)
                if not value:
                    self.origins[here] = origin
                self.merge(value, document, here, entry=entry)
                continue
            if value is None and not path and key in _SECTIONS and _SECTIONS[key].default is not None:
                raise ConfigError(f"{key}: is null; write keys under it, or leave it out (in {origin})")
            if value is None and key not in tree:
                raise ConfigError(
                    f"{printed_key(here)}: null: there is no such key to remove; is a space missing after a colon? "
                    f"(in {origin})"
                )
            self._forget(here)
            if value is None:
                del tree[key]
            else:
                tree[key] = value
                self.origins[here] = origin

    def _forget(self, path: KeyPath) -> None:
        for known in [known for known in self.origins if known[: len(path)] == path]:
            del self.origins[known]


def _check_setting(key: object, value: object) -> None:
    """:class:`ConfigError` for a setting of a program that no file could say."""
    if not isinstance(key, str) or "" in key.split("."):
        raise ConfigError(f"{key!r} is not a key; write it as in codec.qp")
    if isinstance(value, float) and not isfinite(value):
        raise ConfigError(f"{key}: is {value}; a number must be finite")
    if isinstance(value, Mapping):
        for name, one in value.items():
            _check_setting(f"{key}.{name}", one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            _check_setting(key, one)


def _resolve_path(tree: Tree, keys: KeyPath, folder: Path) -> None:
    node: Any = tree
    for key in keys[:-1]:
        node = node.get(key, {}) if isinstance(node, dict) else {}
    if isinstance(node, dict) and isinstance(node.get(keys[-1]), str) and node[keys[-1]] not in NO_PATHS:
        node[keys[-1]] = str(folder / node[keys[-1]])
