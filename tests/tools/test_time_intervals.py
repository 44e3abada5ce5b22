"""The tool that times intervals runs, and prints the interval that the command line asks for."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "time_intervals.py"


def test_a_few_pictures() -> None:
    command = [sys.executable, str(TOOL), "--pictures", "12", "--resamples", "20"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert run.stdout.startswith("AP 0.")
    assert "20 resamples" in run.stdout
