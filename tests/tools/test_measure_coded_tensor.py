"""The detail of a layer, by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchvision", reason="torchvision is not installed")

TOOLS = Path(__file__).resolve().parents[2] / "tools"


def test_detail_is_what_differs_within_a_sample_of_the_coded_tensor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(TOOLS))
    from measure_coded_tensor import detail

    layer = np.array([[[1, 3, 10, 10], [5, 7, 10, 10]]], np.float32)
    coded = np.zeros((7, 1, 2), np.float32)
    np.testing.assert_array_equal(detail(layer, coded), [[[-3, -1, 0, 0], [1, 3, 0, 0]]])
