"""The README's table of conformance reports."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tools"))

import make_conformance_table as tool  # noqa: E402

TEXT = "before\n\n<!-- generated: conformance -->\n<!-- end of generated -->\n\nafter\n"


def report(name: str, *results: tuple[str, str], **selection: list[str]) -> dict[str, Any]:
    return {
        "decoder": {"name": name},
        "mode": "B",
        "selection": selection,
        "results": [{"kind": kind, "result": result} for kind, result in results],
    }


def test_a_row_counts_what_was_run() -> None:
    results = [("positive", "pass"), ("positive", "fail"), ("positive", "not run"), ("negative", "pass")]
    assert tool.row(report("x", *results)) == "| x | B | all | 1 of 2 | 1 of 1 | 0 of 0 | 2 of 3 |"
    assert tool.row(report("x", profile=["VVC"])) == "| x | B | profile VVC | 0 of 0 | 0 of 0 | 0 of 0 | 0 of 0 |"


def test_rows_are_added_and_replaced() -> None:
    one, other = tool.row(report("x", ("positive", "fail"))), tool.row(report("y", ("limit", "pass")))
    better = tool.row(report("x", ("positive", "pass")))
    text = tool.with_rows(tool.with_rows(TEXT, [one, other]), [better])
    assert text == tool.with_rows(TEXT, [better, other])
    assert one not in text
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    assert tool.with_rows(text, [other]) == text


def test_the_readme_has_both_decoders() -> None:
    lines = (ROOT / "README.md").read_text().splitlines()
    for name in ("vcm_dec", "mini_decoder"):
        (found,) = [line for line in lines if line.startswith(f"| {name} | B | all |")]
        passed, total = found.split("|")[-2].split(" of ")
        assert int(passed) == int(total) >= 240
