"""The tool that tests the suite: checks are found, switched off one at a time, and missed where no vector has them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from vcm_ref.conformance.generate.negative import base
from vcm_ref.conformance.generate.precise import zeros_of

TOOL = Path(__file__).parents[2] / "tools" / "check_the_suite.py"


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_the_suite_tool", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_checks_are_found_with_their_clauses(tool: ModuleType) -> None:
    found = list(tool.checks_of(tool.DECODER).values())
    assert len(found) > 60
    one = next(check for check in found if "a stage that changes nothing" in check.text)
    assert one.clauses >= {"6.6", "6.7", "7.6", "7.7"}


def test_a_check_that_is_switched_off_lets_its_vector_pass(tool: ModuleType) -> None:
    """An extension of 4096 bytes, of which only the range tells."""
    decoder = tool.Instrumented()
    data = zeros_of(16, extension=bytes(4096))
    assert decoder.run(base()) == 0
    assert decoder.run(data) == 10
    assert "extension_size" in decoder.checks[decoder.failed].text
    decoder.off = decoder.failed
    assert decoder.run(data) == 0
    assert decoder.run(b"VCMG" + data[4:]) == 10
