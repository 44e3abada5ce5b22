"""Which rule a document breaks, in words."""

from __future__ import annotations

from typing import Any

import pytest

from vcm_ref.schema import first_problem

GOOD = {"name": "x", "command": ["x"], "profiles": ["Core"], "level": 1}


@pytest.mark.parametrize(
    ("changed", "key", "rule", "text"),
    [
        ({"level": 99}, "level", "maximum", "is 99; must be at most 15"),
        ({"level": True}, "level", "type", "is True; must be integer"),
        ({"level": 1.0}, "level", "type", "is 1.0; must be integer"),
        ({"other": 1}, "other", "additionalProperties", "unknown key; allowed here: command, exit_codes, level, name,"),
        ({"exit_codes": {"any": "x"}}, "exit_codes.any", "type", "is 'x'; must be integer"),
        ({"profiles": ["Core", "Core"]}, "profiles", "uniqueItems", "must be a list of Core, HEVC, VVC, each once"),
        ({"name": ["x" * 1000]}, "name", "type", 'is ["xxxx'),
    ],
)
def test_a_problem(changed: dict[str, Any], key: str, rule: str, text: str) -> None:
    found = first_problem({**GOOD, **changed}, "vcm_ref.conformance", "adaptor.schema.json")
    assert found is not None
    assert (found.key, found.rule) == (key, rule)
    assert text in found.text
    assert len(found.text) < 300


def test_none() -> None:
    assert first_problem(GOOD, "vcm_ref.conformance", "adaptor.schema.json") is None
    found = first_problem({}, "vcm_ref.conformance", "adaptor.schema.json")
    assert found is not None
    assert (found.rule, found.text) == ("required", "is missing")
