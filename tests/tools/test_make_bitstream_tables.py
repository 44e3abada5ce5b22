"""docs/bitstream.md says what the code declares."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[2] / "tools" / "make_bitstream_tables.py"


def test_the_document_is_up_to_date() -> None:
    """Its generated parts are what the declaration gives now."""
    subprocess.run([sys.executable, TOOL, "--check"], check=True)
