"""The table over several trainings: names of methods, means, spreads, and leads in pairs of resamples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import tabulate_trainings

    return tabulate_trainings


def test_names(tool: Any) -> None:
    assert tool.parted("top_down_0.2_bits") == ("top_down", "0", "2_bits")
    with pytest.raises(SystemExit, match=r"NETWORK_SEED\.POINT"):
        tool.parted("fframe")


def test_a_cell_has_mean_interval_and_spread(tool: Any) -> None:
    one = tool.Cell([0.25, 0.75], np.linspace(0, 1, 1000))
    assert str(one) == "0.500 [0.025, 0.975]; 0.250–0.750"
    assert str(tool.Cell([0.25], np.full(1000, 0.25))) == "0.250 [0.250, 0.250]"


def test_a_lead_is_of_the_same_resamples(tool: Any) -> None:
    """What both share cancels: the resamples differ by 0.125 in each, though each spreads from 0 to 1."""
    samples = np.linspace(0, 1, 1000)
    first, second = tool.Cell([0.625], samples + 0.125), tool.Cell([0.5], samples)
    assert tool.lead(first, second) == "+0.125 [0.125, 0.125]"
