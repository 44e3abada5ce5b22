"""JSON Schema: which rule a document breaks first, in words that name the key, the value and what is allowed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

from .tree import KeyPath, printed_key

_SHOWN = 80  # characters of a wrong value: a message is one line
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "an integer",
    "null": "null",
    "number": "a number",
    "object": "a mapping of keys to values",
    "string": "a text",
}
_BOUNDS = {
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be above {}",
    "exclusiveMaximum": "must be below {}",
    "minItems": "must have at least {} entries",
    "maxItems": "must have at most {} entries",
    "minProperties": "must have at least {} keys",
    "maxProperties": "must have at most {} keys",
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "const": "must be {}",
}

Rules = Any
"""A schema that documents can be checked against, made by :func:`rules_of` or :func:`packaged`."""


@dataclass(frozen=True)
class Problem:
    """The first problem of a document: the keys that lead there, the schema's rule by name, and a sentence."""

    path: KeyPath
    rule: str
    text: str

    @property
    def key(self) -> str:
        """The place as a user writes it: ``codec.qp``."""
        return printed_key(self.path)


def rules_of(schema: Mapping[str, Any]) -> Rules:
    """The rules of a JSON Schema (draft 2020-12) for which 37.0 is not an integer: our own code agrees with that."""
    from jsonschema import Draft202012Validator
    from jsonschema.validators import extend

    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    made: Any = extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]
    return made(schema)


@cache
def packaged(package: str, file: str, part: str = "") -> Rules:
    """The rules of a schema that is a data file of ``package``, or of the part of it under ``$defs``."""
    schema = json.loads(files(package).joinpath(file).read_text(encoding="utf-8"))
    return rules_of({"$ref": f"#/$defs/{part}", "$defs": schema["$defs"]} if part else schema)


def first_problem(document: Any, rules: Rules) -> Problem | None:
    """The problem of ``document`` that is nearest to its root, or ``None`` where it fits the schema."""
    found = list(rules.iter_errors(document))
    return _explained(_nearest(found)) if found else None


def _nearest(errors: Sequence[Any]) -> Any:
    """The first one, in the schema's order, of those that are nearest to the root."""
    return min(errors, key=lambda error: len(error.absolute_path))


def _explained(found: Any) -> Problem:
    path, value, rule = tuple(found.absolute_path), found.instance, found.validator
    if rule in ("anyOf", "oneOf"):
        return _none_fits(found)
    if rule == "additionalProperties":
        unknown = next(str(name) for name in value if name not in found.schema.get("properties", {}))
        return Problem((*path, unknown), rule, _unknown(unknown, sorted(found.schema.get("properties", {}))))
    if rule == "required":
        missing = next(name for name in found.validator_value if name not in value)
        return Problem((*path, missing), rule, "is missing")
    if "propertyNames" in found.absolute_schema_path:
        return Problem((*path, str(value)), "propertyNames", f"the key {_allowed(found)}")
    is_what = "empty" if value is None and not path else shown(value)
    return Problem(path, rule, f"is {is_what}; {_allowed(found)}")


def _unknown(key: str, allowed: list[str]) -> str:
    near = get_close_matches(key, allowed, n=1)
    meant = f"did you mean {near[0]}? " if near else ""
    return f"unknown key; {meant}allowed here: {', '.join(allowed) or 'none'}"


def _none_fits(found: Any) -> Problem:
    """For a value that fits none of several schemas: the fault deeper in it, or all that they allow."""
    branches: dict[Any, list[Any]] = {}
    for error in found.context:
        branches.setdefault(error.schema_path[0], []).append(error)
    depth = len(found.absolute_path)
    inner = [_nearest(errors) for errors in branches.values()]
    of_the_kind = [error for error in inner if len(error.absolute_path) > depth or error.validator in _OF_KEYS]
    alternatives = found.validator_value
    needed = [choice["required"][0] for choice in alternatives if set(choice) == {"required"}]
    if len(needed) == len(alternatives):
        return Problem(tuple(found.absolute_path), "required", f"needs {' or '.join(needed)}")
    if of_the_kind:
        return _explained(of_the_kind[0])
    allowed = found.schema.get("description") or ", or ".join(
        filter(None, (_described(error.schema) for error in inner))
    )
    return Problem(tuple(found.absolute_path), found.validator, f"is {shown(found.instance)}; must be {allowed}")


_OF_NUMBERS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "const")
_OF_KEYS = ("additionalProperties", "required")


def _described(schema: Mapping[str, Any]) -> str:
    """The values that a schema allows, as a noun."""
    if "description" in schema:
        return str(schema["description"])
    if "enum" in schema:
        return " or ".join(map(_plain, schema["enum"]))
    if "const" in schema:
        return _plain(schema["const"])
    return _kinds(schema["type"]) if "type" in schema else ""


def _allowed(found: Any) -> str:
    """The values that the broken rule allows, in words."""
    rule, wanted, described = found.validator, found.validator_value, found.schema.get("description")
    if rule == "enum":
        return f"allowed are {', '.join(map(_plain, wanted))}"
    if rule == "type":
        return f"must be {_kinds(wanted)}"
    if rule in ("minItems", "minProperties", "minLength") and wanted == 1 and not described:
        return "must not be empty"
    if rule in _BOUNDS and (rule in _OF_NUMBERS or not described):
        return _BOUNDS[rule].format(_plain(wanted))
    if rule == "uniqueItems" and not described:
        return "must not have an entry twice"
    return f"must be {described}" if described else "is not in a form that is allowed"


def _kinds(types: str | Sequence[str]) -> str:
    return " or ".join(_TYPES[name] for name in ([types] if isinstance(types, str) else types))


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def shown(value: Any) -> str:
    """A value as a message quotes it: one line of printable characters, not too long."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, default=repr)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
