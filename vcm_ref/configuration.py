"""The configuration: YAML files in layers, checked against ``configuration.schema.json``.

A file may name another with ``base:``, which it then adds to; later ``-c`` files win over earlier ones, and
``--set key.path=value`` wins over files.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml

from .bitstream.values import Grid
from .errors import ConfigError, reason
from .files.schema import first_problem, packaged

T = TypeVar("T")
#: The key by which a per-layer mapping speaks for every layer it does not name.
ALL_OTHERS = "default"
COMMAND_LINE = "the command line"
#: Values of ``network.weights`` that name no file.
NO_PATHS = ("default", "random")
#: Keys whose value is a path, taken relative to the file that says it.
_INPUT_PATHS = (("input",), ("network", "weights"))

Tree = dict[str, Any]
KeyPath = tuple[str, ...]


class Configuration:
    """A checked configuration. ``tree`` is the nested mapping; ``sources`` says which file each value came from."""

    def __init__(self, tree: Tree, sources: dict[KeyPath, str] | None = None) -> None:
        """Check ``tree`` against the schema; :class:`ConfigError` names key, value, what is allowed, and file."""
        self.tree = tree
        self.sources = sources or {}
        self._check()

    def get(self, dotted: str, default: Any = None) -> Any:
        """The value at ``dotted`` (``"codec.qp"``), or ``default`` where it is absent."""
        node: Any = self.tree
        for key in dotted.split("."):
            if not isinstance(node, dict) or key not in node:
                return default
            node = node[key]
        return node

    def per_layer(self, dotted: str, layers: Sequence[str], default: T) -> list[T | Any]:
        """The value for each layer, where ``dotted`` holds one value for all or a mapping by layer name.

        :class:`ConfigError` where the mapping names a layer that the network does not have.
        """
        value = self.get(dotted, default)
        if not isinstance(value, dict):
            return [value] * len(layers)
        unknown = [name for name in value if name not in layers and name != ALL_OTHERS]
        if unknown:
            raise self.error(dotted, f"there is no layer {unknown[0]}; the layers are {', '.join(layers)}")
        return [value.get(name, value.get(ALL_OTHERS, default)) for name in layers]

    def error(self, dotted: str, message: str) -> ConfigError:
        """The error about the value at ``dotted``, with the file that it came from."""
        source = self.source(tuple(dotted.split(".")))
        return ConfigError(f"{dotted}: {message}{f' (in {source})' if source else ''}")

    def source(self, path: KeyPath) -> str | None:
        """The file that set the value at ``path``, or any value under it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.sources:
                return self.sources[path[:length]]
        below = [source for key, source in self.sources.items() if key[: len(path)] == path]
        return below[-1] if below else None

    def _check(self) -> None:
        problem = first_problem(self.tree, packaged(__package__, "configuration.schema.json"))
        if problem is None:
            return
        if problem.rule == "required":
            raise ConfigError(f"{problem.key}: missing from the configuration")
        raise self.error(problem.key, problem.text)


def parse_size(text: str) -> tuple[int, int]:
    """``"WxH"`` as (first, second): columns and rows of a grid, or width and height of a picture."""
    first, second = text.split("x")
    return int(first), int(second)


def parse_grid(text: str) -> Grid:
    """``"4x4"`` as a grid of columns by rows."""
    return Grid(*parse_size(text))


def load_configuration(paths: Iterable[Path], settings: Iterable[str] = (), flags: Tree | None = None) -> Configuration:
    """Layer configuration files, ``key.path=value`` settings, and the values of the command line's own flags.

    Raises :class:`ConfigError` for a file that is missing or no YAML mapping, and for anything the schema forbids.
    """
    tree: Tree = {}
    sources: dict[KeyPath, str] = {}
    for path in paths:
        _load_onto(tree, path, sources, ())
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals or not key:
            raise ConfigError(f"--set {setting}: write it as key.path=value")
        node: Any = _parse_yaml(text, f"--set {setting}")
        for name in reversed(key.split(".")):
            node = {name: node}
        _merge(tree, node, sources, COMMAND_LINE)
    _merge(tree, flags or {}, sources, COMMAND_LINE)
    return Configuration(tree, sources)


def _load_onto(tree: Tree, path: Path, sources: dict[KeyPath, str], outer: tuple[Path, ...]) -> None:
    if path.resolve() in outer:
        raise ConfigError(f"{path}: is its own base")
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {reason(error)}") from error
    own = _parse_yaml(text, str(path))
    if not isinstance(own, dict):
        raise ConfigError(f"{path}: is no mapping of keys to values")
    base = own.pop("base", None)
    if base is not None:
        _load_onto(tree, path.parent / str(base), sources, (*outer, path.resolve()))
    for keys in _INPUT_PATHS:
        _resolve_path(own, keys, path.parent)
    _merge(tree, own, sources, str(path))


def _parse_yaml(text: str, where: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise ConfigError(
            f"{where}{line}: is not YAML: {getattr(error, 'problem', None) or 'cannot be parsed'}"
        ) from error
    except (ValueError, RecursionError) as error:  # an impossible date, a number too long, brackets too deep
        raise ConfigError(f"{where}: is not YAML that can be used: {error}") from error


def _resolve_path(tree: Tree, keys: KeyPath, folder: Path) -> None:
    node: Any = tree
    for key in keys[:-1]:
        node = node.get(key, {}) if isinstance(node, dict) else {}
    if isinstance(node, dict) and isinstance(node.get(keys[-1]), str) and node[keys[-1]] not in NO_PATHS:
        node[keys[-1]] = str(folder / node[keys[-1]])


def _merge(tree: Tree, over: Tree, sources: dict[KeyPath, str], source: str, path: KeyPath = ()) -> None:
    """Lay ``over`` on ``tree``, mapping by mapping. A ``null`` takes a value away. Notes where each value is from."""
    for key, value in over.items():
        here = (*path, str(key))
        if isinstance(value, dict):
            if not isinstance(tree.get(key), dict):
                tree[key] = {}
                sources.pop(here, None)
            _merge(tree[key], value, sources, source, here)
            continue
        for known in [known for known in sources if known[: len(here)] == here]:
            del sources[known]
        if value is None:
            if tree.pop(key, None) is None:
                raise ConfigError(
                    f"{'.'.join(here)}: null takes nothing away here; a missing space after a colon? ({source})"
                )
        else:
            tree[key] = value
            sources[here] = source
