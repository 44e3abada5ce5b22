"""The training of refnet: its pooling gives what torchvision gives, and a run of a few steps does all of a run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("torchvision", reason="torchvision is not installed")
pytest.importorskip("safetensors", reason="safetensors is not installed")

TOOLS = Path(__file__).resolve().parents[2] / "tools"
NAMES = ["p2", "p3", "p4", "p5"]


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support")
def test_sparse_pooling_is_region_pooling(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.ops import MultiScaleRoIAlign

    monkeypatch.syspath_prepend(str(TOOLS))
    from refnet_pooling import SparsePool

    draw = torch.Generator().manual_seed(3)
    corner = torch.rand((2, 60, 2), generator=draw) * torch.tensor([150.0, 120.0])
    extent = torch.rand((2, 60, 2), generator=draw) ** 3 * 160.0 + 1.0
    boxes = list(torch.cat((corner, torch.minimum(corner + extent, torch.tensor([160.0, 128.0]))), 2))
    sizes = [(128, 160)] * 2
    sources = [torch.randn((2, 6, 32 >> level, 40 >> level), generator=draw) for level in range(4)]
    weights = torch.randn((120, 6, 7, 7), generator=draw)
    results = []
    for pool in (MultiScaleRoIAlign(NAMES, 7, 1), SparsePool(NAMES, 7)):
        layers = [source.clone().requires_grad_() for source in sources]
        pooled = pool(dict(zip(NAMES, layers, strict=True)), boxes, sizes)
        (pooled * weights).sum().backward()
        results.append([pooled.detach(), *(layer.grad for layer in layers)])
    for expected, given in zip(*results, strict=True):
        assert torch.allclose(expected, given, atol=1e-3)


@pytest.mark.slow
def test_a_short_run_stores_weights_and_a_record(tmp_path: Path) -> None:
    pytest.importorskip("pycocotools", reason="pycocotools is not installed")
    weights, checkpoint = tmp_path / "weights.safetensors", tmp_path / "checkpoint.pt"
    command = [sys.executable, str(TOOLS / "train_refnet.py"), "--share", "0.002", "--scenes", "8", "--batch", "2"]
    command += ["--evaluation-scenes", "2", "--weights", str(weights), "--checkpoint", str(checkpoint)]
    subprocess.run(command, check=True, capture_output=True)
    record = json.loads(weights.with_suffix(".json").read_text("utf-8"))
    assert record["training"]["steps"] == 4
    assert record["training"]["resumed_at_steps"] == []
    assert 0.0 <= record["evaluation"]["AP"] <= 1.0
    subprocess.run([*command, "--resume"], check=True, capture_output=True)
    again = json.loads(weights.with_suffix(".json").read_text("utf-8"))
    assert again["training"]["resumed_at_steps"] == [4]
    assert again["weights_sha256"] == record["weights_sha256"]
