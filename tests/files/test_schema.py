"""The rule that a document breaks first, in words."""

from __future__ import annotations

from typing import Any

import pytest

from vcm_ref.files.schema import first_problem, packaged, rules_of

GOOD = {"name": "x", "command": ["x"], "profiles": ["Core"], "level": 1}
ADAPTOR = packaged("vcm_ref.conformance", "adaptor.schema.json")


@pytest.mark.parametrize(
    ("changed", "key", "rule", "text"),
    [
        ({"level": 99}, "level", "maximum", "is 99; must be at most 15"),
        ({"level": True}, "level", "type", "is true; must be an integer"),
        ({"level": 1.0}, "level", "type", "is 1.0; must be an integer"),
        ({"other": 1}, "other", "additionalProperties", "unknown key; allowed here: command, exit_codes, level, name,"),
        ({"levle": 1}, "levle", "additionalProperties", "unknown key; did you mean level? allowed here: command, "),
        ({"exit_codes": {"any": "x"}}, "exit_codes.any", "type", "is 'x'; must be an integer"),
        (
            {"profiles": ["Core", "Core"]},
            "profiles",
            "uniqueItems",
            "must be a list of Core, HEVC, VVC, Transform, each once",
        ),
        ({"name": ["x" * 1000]}, "name", "type", 'is ["xxxx'),
        ({"name": None}, "name", "type", "is null; must be a text"),
        ({"p2.0": 1}, '"p2.0"', "additionalProperties", "unknown key"),
        ({"a\x1bb": 1}, r'"a\u001bb"', "additionalProperties", "unknown key"),
    ],
)
def test_a_problem(changed: dict[str, Any], key: str, rule: str, text: str) -> None:
    found = first_problem({**GOOD, **changed}, ADAPTOR)
    assert found is not None
    assert (found.key, found.rule) == (key, rule)
    assert text in found.text
    assert len(found.text) < 300


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        (
            {"anyOf": [{"enum": ["AI", "RA"]}, {"type": "object"}]},
            "X",
            "is 'X'; must be AI or RA, or a mapping of keys",
        ),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, 1.5, "is 1.5; must be an integer, or null"),
        (
            {"oneOf": [{"type": "string"}, {"additionalProperties": {"type": "integer"}, "type": "object"}]},
            {"a": "x"},
            "is 'x'; must be an integer",
        ),
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {}, "needs a or b"),
        ({"propertyNames": {"pattern": "^a", "description": "a word in a"}}, {"b": 1}, "the key must be a word in a"),
        ({"const": 1}, 2, "is 2; must be 1"),
        ({"minLength": 1}, "", "is ''; must not be empty"),
        ({"minItems": 2}, [1], "is [1]; must have at least 2 entries"),
        ({"type": ["integer", "null"]}, "x", "is 'x'; must be an integer or null"),
        ({"items": {"maximum": 3}}, [1, 4], "is 4; must be at most 3"),
        ({"not": {}}, 1, "is 1; is not in a form that is allowed"),
    ],
)
def test_every_rule_is_said_in_our_words(schema: dict[str, Any], value: Any, text: str) -> None:
    found = first_problem(value, rules_of(schema))
    assert found is not None
    assert found.text.startswith(text)


def test_none() -> None:
    assert first_problem(GOOD, ADAPTOR) is None
    found = first_problem({}, ADAPTOR)
    assert found is not None
    assert (found.rule, found.text) == ("required", "is missing")
