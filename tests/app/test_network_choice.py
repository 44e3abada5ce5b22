"""Which network continues after the decoder."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from vcm_ref.app import network_choice
from vcm_ref.app.network_choice import choose_network
from vcm_ref.app.record import Record, RecordError
from vcm_ref.errors import ConfigError, NetworkError

YOLOX = {"name": "onnx", "weights": "y.onnx", "cut": ["a", "b"], "score_threshold": 1e-05}
RECORD = Record(
    Path("x.bin.json"),
    {"configuration": {"network": YOLOX}, "network": {"network": "onnx", "weights": "y.onnx", "weights_sha256": "12"}},
)


def test_the_record_names_the_network() -> None:
    """Its options as they were, and --set on top of them."""
    choice = choose_network([], [], RECORD)
    assert choice.options == YOLOX
    assert choice.digests == {"weights_sha256": "12"}
    assert choice.line() == "network: onnx y.onnx (named by x.bin.json)"
    changed = choose_network([], ["network.weights=z.onnx"], RECORD)
    assert changed.options == {**YOLOX, "weights": "z.onnx"}
    assert changed.digests == {}


def test_without_a_record_it_is_refnet() -> None:
    """The line says so, and that it does not know photographs."""
    choice = choose_network([], [], None)
    assert choice.options == {"name": "refnet"}
    assert "refnet, trained on drawn scenes of simple shapes, not on photographs" in choice.line()
    assert "there is no record beside the bitstream" in choice.line()


def test_a_fragment_is_enough(tmp_path: Path) -> None:
    """It replaces the record's network, options and all."""
    fragment = tmp_path / "n.yaml"
    fragment.write_text("network: {name: torchvision, model: vgg16, layer: 8}\n")
    choice = choose_network([fragment], ["network.layer=11"], RECORD)
    assert choice.options == {"name": "torchvision", "model": "vgg16", "layer": 11}


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"codec\.qp=3: changes nothing here"):
        choose_network([], ["codec.qp=3"], RECORD)
    with pytest.raises(RecordError, match="does not name a network"):
        choose_network([], [], Record(Path("x.bin.json"), {}))


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Detections with them would be wrong, and nothing would show it."""

    def load(name: str, **options: Any) -> Any:
        return SimpleNamespace(name=name, describe=lambda: {"weights_sha256": "34"})

    monkeypatch.setattr(network_choice, "load_network", load)
    with pytest.raises(NetworkError, match=r"weights_sha256 is 34… here, but 12… when"):
        choose_network([], [], RECORD).load()
    assert choose_network([], ["network.weights=z.onnx"], RECORD).load().name == "onnx"
