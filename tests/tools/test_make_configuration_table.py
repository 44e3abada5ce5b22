"""The table of keys in the guide."""

from __future__ import annotations

import runpy
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "make_configuration_table.py"


def test_the_guide_has_the_table_of_the_dataclasses() -> None:
    tool = runpy.run_path(str(TOOL))
    text = tool["GUIDE"].read_text(encoding="utf-8")
    assert text == tool["with_table"](text), "run python tools/make_configuration_table.py"
    assert "| `codec.qp` | integer, 0 to 63 | `37` | the QP" in text
    assert "| `quantisation.range` | `fixed`, `picture`, `layer`, `channel` | `layer` | " in text
