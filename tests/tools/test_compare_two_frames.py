"""Two frames of a layer: their bytes, errors and likeness, by hand and with both codecs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vcm_ref.bitstream.values import Allocation, Grid, Mode

TOOLS = Path(__file__).resolve().parents[2] / "tools"
SPATIAL, INTERLEAVED = Allocation.FRAME_MAJOR, Allocation.INTERLEAVED


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import compare_two_frames

    return compare_two_frames


def test_likeness_by_hand(tool: Any) -> None:
    """Four maps of two samples: a, a, -a, -a. Spatial allocation pairs a with -a, the other one a with a."""
    row = np.array([[1.0, -1.0]])
    maps = np.stack([row, row, -row, -row])
    assert [*tool.likeness(maps, SPATIAL)] == [-1, 4, -1]
    assert [*tool.likeness(maps, INTERLEAVED)] == [1, 0, -1]


def test_a_flat_map_is_like_no_other(tool: Any) -> None:
    maps = np.array([[[1.0, 2.0]], [[5.0, 5.0]]])
    correlation, *_ = tool.likeness(maps, SPATIAL)
    assert correlation == 0


def test_frames_by_hand(tool: Any) -> None:
    """The value of map c is c: 8 bits of 0 to 3 are 0, 85, 170 and 255; the codec's 10 bits are four times that."""
    layer = np.arange(4, dtype=np.float32)[:, None, None] * np.ones((1, 32, 16), np.float32)
    for allocation, values in ((SPATIAL, [[0, 85], [170, 255]]), (INTERLEAVED, [[0, 170], [85, 255]])):
        frames = tool.frames_of(layer, Grid(2, 1), allocation, "vvenc")
        assert frames.shape == (2, 32, 32)
        assert (frames[:, 0, ::16] // 4).tolist() == values
    with pytest.raises(SystemExit, match="4 maps are 4 frames, not two"):
        tool.frames_of(layer, Grid(1, 1), SPATIAL, "vvenc")


@pytest.mark.parametrize("codec", ["vvenc", "hevc"])
def test_the_frame_coded_first_has_the_error_of_an_intra_picture(tool: Any, codec: str) -> None:
    """Random-Access codes it from nothing, and the other one with fewer bytes and a larger error."""
    frames = np.random.default_rng(1).integers(0, 256, (2, 64, 96)).astype(np.uint16) << 2
    first, second = tool.coded(frames, codec, "faster", Mode.RA, 32)
    assert first.error < second.error
    assert first.size > second.size
    intra = [tool.coded(frames, codec, "faster", Mode.AI, qp) for qp in (29, 32)]
    finer, same = (float(np.mean([frame.error for frame in pair])) for pair in intra)
    expected = same if codec == "vvenc" else finer  # x265 codes the first picture 3 QP finer
    assert first.error == pytest.approx(expected, rel=0.1)
