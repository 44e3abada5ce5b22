"""The training of refnet's mask head: what it learns from, and that an interrupted run gives the same weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vcm_ref.task.scenes import render_scene

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchvision", reason="torchvision is not installed")

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The script as a module."""
    monkeypatch.syspath_prepend(str(TOOLS))
    import train_refnet_mask

    return train_refnet_mask


def test_the_region_of_a_true_box_has_the_object_s_mask(tool: Any) -> None:
    from vcm_ref.network.refnet import RefNet

    scene = render_scene(7, tool.WIDTH, tool.HEIGHT)
    regions = tool.regions_of(RefNet(), 7)
    count = len(scene.objects)
    assert len(regions.labels) >= count  # those found besides
    assert regions.layers.shape == (len(regions.labels), 256, 14, 14)
    assert regions.labels[:count].tolist() == [item.category_id for item in scene.objects]
    for item, mask in zip(scene.objects, regions.masks.float().numpy(), strict=False):
        _, _, width, height = item.bbox
        assert mask.shape == (28, 28)
        if min(width, height) >= 28:  # the share of the box that the object fills
            assert np.mean(mask) == pytest.approx(item.area / (width * height), abs=0.04)


@pytest.mark.slow
def test_a_run_that_goes_on_gives_the_weights_of_one_that_did_not_stop(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    command = [sys.executable, str(TOOLS / "train_refnet_mask.py"), "--scenes", "4", "--evaluation-scenes", "1"]
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    subprocess.run([*command, "--steps", "60", "--weights", str(whole)], check=True, capture_output=True)
    checkpoint = tmp_path / "parts.part" / "checkpoint.pt"
    with subprocess.Popen(
        [*command, "--steps", "60", "--weights", str(parts)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step 50/60"):
                process.kill()
                break
    assert not parts.exists()
    subprocess.run([*command, "--steps", "60", "--weights", str(parts)], check=True, capture_output=True)
    assert checkpoint.is_file()
    assert parts.read_bytes() == whole.read_bytes()
    record = json.loads(parts.with_suffix(".json").read_text("utf-8"))
    assert record["training"]["steps"] == 60
    assert 0.0 <= record["evaluation"]["mask_AP"] <= 1.0
