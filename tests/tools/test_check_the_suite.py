"""The tool that tests the suite: checks are found, switched off one at a time, and missed where no vector has them."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from vcm_ref.conformance.generate.graph_faults import faults, with_model
from vcm_ref.conformance.generate.negative import base
from vcm_ref.conformance.generate.precise import zeros_of
from vcm_ref.models.tensors import write_tensors

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


@pytest.fixture(scope="module")
def decoder(tool: ModuleType) -> Any:
    return tool.Instrumented()


def test_checks_are_found_with_their_clauses(decoder: Any) -> None:
    found = list(decoder.checks.values())
    assert len(found) > 180
    one = next(check for check in found if "a stage that changes nothing" in check.text)
    assert one.clauses >= {"6.7", "7.7"}
    assert {check.place.file for check in found} == {
        f"mini_{name}.py" for name in ("bits", "decoder", "graph", "klt", "levels", "video")
    }


@pytest.mark.parametrize(
    ("condition", "parts"),
    [
        ("a", ["a"]),
        ("a and (b or c)", ["a", "b or c"]),
        ("a and 1 <= b < c", ["a", "1 <= b", "b < c"]),
        ("not (a and b)", ["not (a and b)"]),
    ],
)
def test_each_condition_is_a_check(tool: ModuleType, condition: str, parts: list[str]) -> None:
    parsed = ast.parse(condition, mode="eval").body
    assert [ast.unparse(part) for part in tool.conditions_of(parsed)] == parts


def test_a_check_that_is_switched_off_lets_its_vector_pass(decoder: Any) -> None:
    """An extension of 4096 bytes, of which only the range tells."""
    data = zeros_of(16, extension=bytes(4096))
    assert decoder.run(base()) == 0
    assert decoder.run(data) == 10
    assert "extension_size" in decoder.checks[decoder.failed].text
    decoder.off = decoder.failed
    assert decoder.run(data) == 0
    assert decoder.run(b"VCMG" + data[4:]) == 10
    decoder.off = None


def test_the_ends_of_a_range_are_two_checks(decoder: Any) -> None:
    """An operation of a graph is -1, or one more than there are."""
    for label, words in (("low", "0 <= kind"), ("high", "kind < ")):
        fault = next(fault for fault in faults() if fault.label == f"operation_{label}")
        assert decoder.run(with_model(write_tensors(fault.tensors))) == 10
        assert decoder.checks[decoder.failed].text.startswith(words)


def test_a_vector_that_breaks_two_rules_is_masked(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A graph without inputs is another than the stage takes, too; one whose sum is too large breaks one rule."""
    made = []
    for fault in faults():
        if fault.label in ("no_rows_inputs", "sum"):
            data = with_model(write_tensors(fault.tensors))
            name = f"BADGRAPH_{fault.label.upper()}_1"
            vector = SimpleNamespace(
                id=name, kind="negative", bitstream=data, errors=("BitstreamError",), clauses=("8.11",)
            )
            made.append(vector)
    monkeypatch.setattr(tool, "read_stored", lambda folder, data: data)
    measured = tool.measure(made)
    assert list(measured.masked) == ["BADGRAPH_NO_ROWS_INPUTS_1"]
    assert not measured.strangers
    caught = [check for check in measured.checks.values() if check.caught]
    assert [check.caught for check in caught] == [["BADGRAPH_SUM_1"]]
    assert "2**53" in caught[0].text
