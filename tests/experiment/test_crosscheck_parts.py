"""The parts of a cross-check: what is rebuilt of an anchor's file, and the first difference of two bitstreams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pycocotools", reason="pycocotools is not installed")
pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


from vcm_ref.errors import ConfigError
from vcm_ref.experiment.crosscheck import machine_of, rebuilt_labels, rebuilt_method, rebuilt_network
from vcm_ref.experiment.crosscheck.first_difference import first_element, first_sample, told_element
from vcm_ref.experiment.records import Record

from .crosschecked import made_anchor


@pytest.fixture
def lossless(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An anchor with its bitstreams, to be changed."""
    return made_anchor(tmp_path_factory.getbasetemp() / f"{tmp_path.name}_anchor", "lossless")


@pytest.fixture
def anchor(lossless: Path) -> Any:
    return json.loads(lossless.read_text())


def test_where_the_weights_are(anchor: Record, lossless: Path) -> None:
    with pytest.raises(ConfigError, match=r"the weights small.onnx: name this file with --weights"):
        rebuilt_network(anchor, machine_of([]))
    with pytest.raises(ConfigError, match=r"--weights none.onnx: there is no such file"):
        rebuilt_network(anchor, machine_of(["network.weights=none.onnx"]))
    path = lossless.parent / "small.onnx"
    assert rebuilt_network(anchor, machine_of([f"network.weights={path}"]))[1]["weights"] == str(path)


def test_where_the_labels_are(anchor: Record) -> None:
    assert rebuilt_labels(anchor, None) == "names"
    with pytest.raises(ConfigError, match="--labels ids: the anchor was made with labels names"):
        rebuilt_labels(anchor, "ids")
    anchor["labels"] = "classes.csv"
    with pytest.raises(ConfigError, match=r"the file classes.csv: name this file with --labels"):
        rebuilt_labels(anchor, None)
    assert rebuilt_labels(anchor, "here/classes.csv") == "here/classes.csv"


@pytest.mark.parametrize("setting", ["codec.preset=fast", "quantisation.bit_depth=8", "codec.threads", "x=1"])
def test_what_shapes_bitstreams_cannot_be_set(setting: str) -> None:
    with pytest.raises(ConfigError, match="the anchor states everything else"):
        machine_of([setting])


def test_a_configuration_that_cannot_be(anchor: Record) -> None:
    anchor["configuration"]["packing"]["method"] = "heaped"
    with pytest.raises(ConfigError, match=r"the anchor's configuration: packing.method"):
        rebuilt_method(anchor, [22], machine_of([]), "auto")


# The first difference


def test_samples_that_cannot_be_compared_one_by_one() -> None:
    small, large = np.zeros((2, 3, 4), np.uint16), np.zeros((2, 3, 5), np.uint16)
    assert first_sample({"p2": small}, {"p2": small.copy()}) == {}
    assert first_sample({"p2": small}, {"p2": large})["here_shape"] == [2, 3, 5]
    assert first_sample({"p2": small}, {"p2": small, "p3": large}) == {"layer": "p3", "only": "here"}


def test_a_bitstream_that_ends_early_or_goes_on(lossless: Path) -> None:
    whole = (lossless.with_suffix("") / "qp22" / "picture1.bin").read_bytes()
    assert first_element(whole, whole) == {}
    for file in (whole[:-40], whole + b"\0", whole[:3], b""):
        found = first_element(file, whole)
        assert found["file"], len(file)
        assert told_element(found)
