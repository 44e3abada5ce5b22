"""What the harness's tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from .suites import SmallSuite, usual_suite


@pytest.fixture
def small(tmp_path: Path) -> SmallSuite:
    """A suite of five vectors, and a decoder for it."""
    return usual_suite(tmp_path)
