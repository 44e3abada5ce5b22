"""The sweep files of classifiers: their frames have a place for each map, and none is left empty."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("onnx", reason="onnx is not installed")

from vcm_ref.experiment.method import FeatureMethod
from vcm_ref.experiment.sweep_file import Overrides, load_sweep

ANCHORS = Path(__file__).parents[2] / "anchors"
#: The maps of each sweep's layer (docs/networks.md).
MAPS = {
    "efficientnet_lite0/suzuki.yaml": 40,
    "efficientnet_lite0/suzuki_deep.yaml": 112,
    "torchvision_classifiers/maps_512.yaml": 512,
    "torchvision_classifiers/maps_256.yaml": 256,
}
FRAMES = {"image_format": 1, "two_frames": 2, "two_frames_interleaved": 2}


@pytest.mark.parametrize(("file", "maps"), MAPS.items())
def test_grids_hold_all_maps_in_as_many_frames_as_the_format_has(tmp_path: Path, file: str, maps: int) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "photo.png")
    (tmp_path / "list.txt").write_text("photo.png 7\n")
    found = load_sweep(ANCHORS / file, Overrides(data=tmp_path / "list.txt", methods=[*FRAMES, "video_format"]))
    assert found.anchor == "image_format"
    methods: dict[str, Any] = {method.name: method for method in found.methods}
    for name, frames in FRAMES.items():
        method = methods[name]
        assert isinstance(method, FeatureMethod)
        columns, rows = map(int, method.tree["packing"]["grid"].split("x"))
        assert columns * rows * frames == maps
        assert {22, 27, 32, 37} <= set(method.qps)  # the paper's
        assert method.tree["quantisation"]["bit_depth"] == 8
        assert method.tree["codec"]["mode"] == ("AI" if frames == 1 else "RA")
    assert methods["video_format"].tree["packing"]["grid"] == "1x1"
    assert methods["two_frames_interleaved"].tree["packing"]["allocation"] == "interleaved"
