"""YAML to a plain tree, with the line of each key.

Scalars mean what YAML 1.2's core schema says (section 10.3.2): ``no``, ``on``, ``2001-01-01`` and ``1:30`` are texts,
and ``1e3`` is a number. PyYAML by itself follows YAML 1.1, where they are not. A key is always a text, as it is
written. Aliases give a copy of what they name.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from .tree import KeyPath, Limits, ParseError

_TAG = "tag:yaml.org,2002:"
_PLAIN = {
    "null": re.compile(r"~|null|Null|NULL|"),
    "bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    "int": re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"),
}
_MERGE = "<<"
_DIGITS = 400  # of an integer: more cannot be in 64 bits


class _Loader(yaml.SafeLoader):
    """Gives each plain scalar the tag that it has in YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 (PyYAML's own way to configure a loader)


for _kind, _pattern in _PLAIN.items():
    _Loader.add_implicit_resolver(_TAG + _kind, re.compile(rf"(?:{_pattern.pattern})\Z"), None)


def yaml_tree(text: str, limits: Limits) -> tuple[Any, dict[KeyPath, int]]:
    """The value of a YAML text, and the line (from 1) of the key or entry at each path.

    Raises :class:`~vcm_ref.files.tree.ParseError` for a text that is not YAML, a key that occurs twice or is
    not a scalar, a tag of another kind, an alias inside of what it names, and more depth or values than ``limits``.
    """
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = None if error.problem_mark is None else error.problem_mark.line + 1
        said = error.problem or error.context or "cannot be parsed"
        problem = " ".join(f"{error.context} {said}".split() if said.startswith("but ") else said.split())
        tab = "; indent with spaces, not with tabs" if "'\\t'" in problem else ""
        raise ParseError(f"is not YAML: {problem}{tab}", line=line) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ParseError(f"is not YAML: the character U+{error.character:04X} is not allowed", line=line) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # an escape that is not a character
        raise ParseError("is not YAML that can be used: a value cannot be read") from error
    builder = _Builder(limits)
    return (None if node is None else builder.value(node, ())), builder.lines


class _Builder:
    """Turns nodes into values, an alias into a copy, and counts them."""

    def __init__(self, limits: Limits) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._limits = limits
        self._left = limits.nodes
        self._open: set[int] = set()

    def value(self, node: Any, path: KeyPath) -> Any:
        self._left -= 1
        if self._left < 0:
            raise self._error(node, f"has more than {self._limits.nodes} values, aliases counted each time", ())
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node, path)
        if id(node) in self._open:
            raise self._error(node, "an alias is inside the value that it names", path)
        if len(path) >= self._limits.depth:
            raise self._error(node, f"mappings and lists may be nested {self._limits.depth} deep", path[:3])
        kind = "seq" if isinstance(node, yaml.SequenceNode) else "map"
        if node.tag != _TAG + kind:
            raise self._error(node, f"the tag {node.tag} is not supported", path)
        self._open.add(id(node))
        try:
            return self._list(node, path) if kind == "seq" else self._mapping(node, path)
        finally:
            self._open.discard(id(node))

    def _list(self, node: Any, path: KeyPath) -> list[Any]:
        made = []
        for place, child in enumerate(node.value):
            self.lines.setdefault((*path, place), child.start_mark.line + 1)
            made.append(self.value(child, (*path, place)))
        return made

    def _mapping(self, node: Any, path: KeyPath) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(key, "a key must be a text, not a mapping or a list", path)
            if key.value in own or (key.value == _MERGE and merged):
                raise self._error(key, "occurs twice", (*path, key.value))
            if key.value == _MERGE and key.style is None:
                merged = self._merged(child, path)
                continue
            self.lines[(*path, key.value)] = key.start_mark.line + 1
            own[key.value] = self.value(child, (*path, key.value))
        return {**merged, **own}

    def _merged(self, node: Any, path: KeyPath) -> dict[str, Any]:
        """The mappings of a ``<<`` key, the first one winning (https://yaml.org/type/merge.html)."""
        made: dict[str, Any] = {}
        for one in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(one, yaml.MappingNode):
                raise self._error(node, "<< must name a mapping or a list of mappings", path)
            made = {**self.value(one, path), **made}
        return made

    def _error(self, node: Any, problem: str, path: KeyPath) -> Exception:
        return ParseError(problem, line=node.start_mark.line + 1, path=path)


def _scalar(node: Any, path: KeyPath) -> Any:
    text: str = node.value
    kind = node.tag.removeprefix(_TAG)
    pattern = _PLAIN.get(kind)
    problem = ""
    if kind not in _CONVERTED:
        problem = f"the tag {node.tag} is not supported"
    elif pattern is not None and not pattern.fullmatch(text):
        problem = f"{text[:40]!r} is not a value of the tag !!{kind}"
    elif kind == "int" and len(text) > _DIGITS:
        problem = "an integer must be from -2^63 to 2^63 - 1"
    if problem:
        raise ParseError(problem, line=node.start_mark.line + 1, path=path)
    return _CONVERTED[kind](text)


def _integer(text: str) -> int:
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _number(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_CONVERTED: dict[str, Any] = {
    "null": lambda text: None,
    "bool": lambda text: text.lower() == "true",
    "int": _integer,
    "float": _number,
    "str": str,
}
