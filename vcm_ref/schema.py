"""JSON Schema: which rule a document breaks first, in words that name the key, the value and what is allowed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

_SHOWN = 200  # characters of a wrong value: a message is one line


@dataclass(frozen=True)
class Problem:
    """What is wrong with a document: the keys that lead there, the schema's rule by name, and a sentence."""

    path: tuple[str, ...]
    rule: str
    text: str

    @property
    def key(self) -> str:
        """The place as a user writes it: ``codec.qp``."""
        return ".".join(self.path)


def first_problem(document: Any, package: str, schema: str) -> Problem | None:
    """The most telling problem that ``document`` has with the schema, a data file of ``package``."""
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match
    from jsonschema.validators import extend

    # JSON Schema takes 37.0 for an integer; what is computed from these values does not.
    types = Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int)
    validator: Any = extend(Draft202012Validator, type_checker=types)  # type: ignore[no-untyped-call]
    rules = json.loads(files(package).joinpath(schema).read_text(encoding="utf-8"))
    found = best_match(validator(rules).iter_errors(document))
    return None if found is None else _explained(found)


def _explained(found: Any) -> Problem:
    path = tuple(str(key) for key in found.absolute_path)
    value, rule = found.instance, found.validator
    if rule == "additionalProperties":
        unknown = next(str(name) for name in value if name not in found.schema["properties"])
        allowed = ", ".join(sorted(found.schema["properties"]))
        return Problem((*path, unknown), rule, f"unknown key; allowed here: {allowed}")
    if rule == "required":
        missing = next(name for name in found.validator_value if name not in value)
        return Problem((*path, missing), rule, "is missing")
    shown = json.dumps(value) if isinstance(value, (dict, list)) else repr(value)
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "…"
    return Problem(path, rule, f"is {shown}; {_allowed(found)}")


def _allowed(found: Any) -> str:
    """What the schema's rule allows, in words."""
    rule, described = found.validator_value, found.schema.get("description")
    if found.validator == "enum":
        return f"allowed are {', '.join(map(str, rule))}"
    words = {"minimum": "must be at least", "maximum": "must be at most", "exclusiveMinimum": "must be above"}
    if found.validator in words:
        return f"{words[found.validator]} {rule}"
    if found.validator == "type":
        return f"must be {rule}"
    return f"must be {described}" if described else str(found.message)
