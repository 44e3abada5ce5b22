"""Options: a field of a frozen dataclass with its default, meaning and bounds; and the JSON Schema made of them."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

Tree = dict[str, Any]
Kind = Any
"""A dataclass of options (mypy takes ``type[Any]`` for something that cannot be a key of a cache)."""

_JSON_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def option(
    default: Any,
    meaning: str,
    *,
    values: Sequence[Any] = (),
    by_layer: bool = False,
    as_a_whole: bool = False,
    shapes: bool = True,
    only_with: tuple[str, Sequence[str]] | None = None,
    was_required: bool = False,
    schema: Mapping[str, Any] | None = None,
    **rules: Any,
) -> Any:
    """A field that a configuration sets. ``None`` as default leaves the key out of the effective configuration.

    ``values`` are those allowed, where the type does not say so. ``by_layer`` allows a mapping by layer name as well.
    ``as_a_whole``: a mapping takes the place of one in an earlier layer instead of being laid over it, as for one whose
    order counts.
    ``shapes=False`` declares that no result depends on the value. ``only_with`` names the key and its values with which
    the option has an effect; ``was_required`` lets a file say it beside that key all the same, since files of version
    0.1 had to. ``rules`` are keywords of JSON Schema, and ``schema`` is a whole one in their place;
    ``description`` in it is a noun for error messages.
    """
    metadata = {
        "meaning": meaning,
        "rules": {**rules, **({"enum": list(values)} if values else {})},
        "by_layer": by_layer,
        "as_a_whole": as_a_whole,
        "shapes": shapes,
        "only_with": only_with,
        "was_required": was_required,
        "schema": schema,
    }
    return dataclasses.field(default=default, metadata=metadata)


def section(kind: Kind, meaning: str, *, optional: bool = False, shapes: bool = True) -> Any:
    """A field that is a mapping of options, the dataclass ``kind``; an optional one is absent by default.

    ``shapes=False`` declares that no result depends on any of them.
    """
    metadata = {"meaning": meaning, "section": kind, "shapes": shapes}
    return dataclasses.field(default=None if optional else kind(), metadata=metadata)


class Option(NamedTuple):
    """One key of the configuration: its path, and its field."""

    path: tuple[str, ...]
    field: dataclasses.Field[Any]
    type: Any

    @property
    def meaning(self) -> str:
        """One sentence or noun for the documents."""
        return str(self.field.metadata["meaning"])

    @property
    def default(self) -> Any:
        """The value where no configuration says one."""
        return self.field.default

    @property
    def section(self) -> Kind | None:
        """The dataclass of a mapping of options."""
        return self.field.metadata.get("section")

    @property
    def shapes(self) -> bool:
        """True for an option that results depend on."""
        return bool(self.field.metadata["shapes"])

    @property
    def only_with(self) -> tuple[str, Sequence[str]] | None:
        """The key and its values with which the option has an effect; ``None`` where it always has."""
        return self.field.metadata.get("only_with")

    @property
    def as_a_whole(self) -> bool:
        """True for an option whose mapping is not laid over another."""
        return bool(self.field.metadata.get("as_a_whole"))

    @property
    def was_required(self) -> bool:
        """True for an option that configuration files of version 0.1 had to say."""
        return bool(self.field.metadata["was_required"])

    def schema(self) -> Tree:
        """JSON Schema of its value."""
        if self.section:
            return schema_of(self.section)
        given = self.field.metadata["schema"]
        one = dict(given) if given else {**_schema_of_type(self.type), **self.field.metadata["rules"]}
        if self.field.metadata["by_layer"]:
            named = {"type": "object", "additionalProperties": one, "description": "a mapping of layer names to them"}
            one = {"anyOf": [one, named]}
        return {**one, "title": self.meaning, **({} if self.default is None else {"default": self.default})}


@cache
def options_of(kind: Kind, path: tuple[str, ...] = ()) -> tuple[Option, ...]:
    """The options of a dataclass, in order; ``path`` leads to it."""
    hints = get_type_hints(kind)
    return tuple(Option((*path, field.name), field, hints[field.name]) for field in dataclasses.fields(kind))


def leaves_of(kind: Kind, path: tuple[str, ...] = ()) -> Iterator[Option]:
    """Every option that holds a value, through all sections."""
    for one in options_of(kind, path):
        if one.section:
            yield from leaves_of(one.section, one.path)
        else:
            yield one


def schema_of(kind: Kind) -> Tree:
    """JSON Schema of a mapping that has the options of a dataclass."""
    properties = {one.path[-1]: one.schema() for one in options_of(kind)}
    schema: Tree = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**schema, **getattr(kind, "RULES", {})}


def with_defaults(kind: Kind, tree: Tree) -> Tree:
    """``tree`` in the dataclass's order, with the default of each key that is not there; unknown keys come last."""
    made: Tree = {}
    for one in options_of(kind):
        key = one.path[-1]
        value = tree.get(key)
        if one.section and isinstance(value if key in tree else {}, dict):
            if key in tree or one.default is not None:
                made[key] = with_defaults(one.section, tree.get(key, {}))
        elif key in tree:
            made[key] = value
        elif one.default is not None:
            made[key] = one.default
    return {**made, **{key: value for key, value in tree.items() if key not in made}}


def typed(kind: Kind, tree: Tree) -> Any:
    """The dataclass with the values of a checked ``tree``."""
    values = {}
    for one in options_of(kind):
        key = one.path[-1]
        if key in tree:
            values[key] = typed(one.section, tree[key]) if one.section else tree[key]
    return kind(**values)


def shaping(kind: Kind, tree: Tree) -> Tree:
    """``tree`` without the options that shape no result. A key that the dataclass does not know stays."""
    known = {one.path[-1]: one for one in options_of(kind)}
    kept: Tree = {}
    for key, value in tree.items():
        one = known.get(key)
        if one is None or one.shapes:
            nested = one.section if one is not None and isinstance(value, dict) else None
            kept[key] = shaping(nested, value) if nested else value
    return kept


def _schema_of_type(hint: Any) -> Tree:
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(kind for kind in get_args(hint) if kind not in (type(None),) and get_origin(kind) is not Mapping)
    if get_origin(hint) is Literal:
        values = list(get_args(hint))
        return {"enum": values, **({} if isinstance(values[0], str) else _schema_of_type(type(values[0])))}
    return {"type": _JSON_TYPES[hint]}
