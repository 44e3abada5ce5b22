"""Stages as tasks: what goes in and out, and what is told of a failure."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from vcm_ref.configuration import Configuration
from vcm_ref.decoder import Decoder
from vcm_ref.encoder import Encoder
from vcm_ref.experiment.naming import environment
from vcm_ref.experiment.result_record import from_record, to_record
from vcm_ref.experiment.stages import analyse, code, extract
from vcm_ref.experiment.stages.values import Coded, Extracted, NetworkSpec, Picture
from vcm_ref.experiment.sweep import network_spec
from vcm_ref.experiment.tasks import TaskError
from vcm_ref.inputs.source import read_picture
from vcm_ref.network import load_network

from .small_sweep import LAYERS, OPTIONS, TREE, changed, write_all


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("stages") / "data").parent


@pytest.fixture(scope="module")
def spec(folder: Path) -> NetworkSpec:
    return network_spec("onnx", {"weights": str(folder / "small.onnx"), **OPTIONS})


@pytest.fixture(scope="module")
def network(folder: Path) -> Any:
    return load_network("onnx", weights=folder / "small.onnx", **OPTIONS)


def picture(folder: Path, number: int = 1) -> Picture:
    path = folder / f"picture{number}.png"
    return Picture(path.name, path.read_bytes())


def test_the_network_described(spec: NetworkSpec, network: Any) -> None:
    record = extract.describe(spec).record
    assert record["layers"] == list(LAYERS)
    assert record["classes"] == {"3": "cat", "7": "dog", "8": "owl"}
    assert record["description"] == network.describe()


def test_extraction_is_the_networks(folder: Path, spec: NetworkSpec, network: Any) -> None:
    extracted = extract.extract(spec, picture(folder))
    expected = network.extract(read_picture(folder / "picture1.png"))
    assert extracted.seconds > 0
    assert (extracted.features.height, extracted.features.width) == (64, 64)
    for name, layer in expected.layers.items():
        assert extracted.features.layers[name].tobytes() == layer.tobytes()


def test_layers_coded_one_by_one_are_analysed_as_together(folder: Path, spec: NetworkSpec, network: Any) -> None:
    extracted = extract.extract(spec, picture(folder))
    tree = changed(TREE, {"order.method": "mean"})
    coded = [code.code(extracted, (layer,), tree) for layer in LAYERS]
    decoded = [analyse.decode(part, "auto") for part in coded]
    stored = analyse.analyse(spec, coded, decoded)
    file = io.BytesIO()
    encoder = Encoder(Configuration(tree), file)
    report = encoder.encode(extracted.features)
    encoder.close()
    record = stored.record
    assert record["sha256"] == hashlib.sha256(file.getvalue()).hexdigest()
    assert record["bytes"] == len(file.getvalue())
    assert record["bits"] == {part.value: bits for part, bits in encoder.writer.part_bits.items()}
    assert sum(record["bits"].values()) == 8 * record["bytes"]
    assert record["rhee2022_bits"] == report.rhee2022_bits
    samples = sum(layer.size for layer in extracted.features.layers.values())
    assert record["han2022_bits"] == report.han2022_bits == tree["quantisation"]["bit_depth"] * samples
    assert record["t1"] == report.t1_digests
    assert (record["height"], record["width"]) == (64, 64)
    assert set(record["seconds"]) == {"encode", "decode", "analyse"}
    expected = network.analyse(next(Decoder(file).pictures()).features)
    assert json.loads(stored.data) == to_record(expected)
    assert hashlib.sha256(stored.data).hexdigest() == record["result_sha256"]
    assert to_record(from_record(json.loads(stored.data))) == to_record(expected)


def test_reduction_and_restoration_have_their_own_seconds_and_costs(folder: Path, spec: NetworkSpec) -> None:
    """Of a layer at half its size: four values for each that is coded, and two along each axis for each restored."""
    extracted = extract.extract(spec, picture(folder))
    tree = changed(TREE, {"reduction.method": "resize", "reduction.factor": {"p3": 2, "p4": 1, "p5": 1}})
    coded = code.code(extracted, LAYERS, tree)
    stored = analyse.analyse(spec, [coded], [analyse.decode(coded, "auto")])
    seconds = stored.record["seconds"]
    assert set(seconds) == {"encode", "reduce", "decode", "restore", "analyse"}
    assert 0 < seconds["reduce"] == coded.reduction_s
    assert seconds["restore"] > 0
    channels, height, width = extracted.features.layers["p3"].shape
    assert stored.record["cost"] == {
        "reduction": {"macs": channels * height * width, "parameters": 0},
        "restoration": {"macs": 2 * channels * height * (width // 2 + width), "parameters": 0},
    }
    kept = coded.stored()
    assert Coded.from_store(json.loads(json.dumps(kept.record)), kept.data) == coded


def test_what_is_kept_comes_back(folder: Path, spec: NetworkSpec) -> None:
    coded = code.code(extract.extract(spec, picture(folder)), LAYERS, TREE)
    stored = coded.stored()
    assert Coded.from_store(json.loads(json.dumps(stored.record)), stored.data) == coded


def test_nothing_coded(folder: Path, spec: NetworkSpec, network: Any) -> None:
    extracted = extract.extract(spec, picture(folder))
    stored = analyse.analyse_uncompressed(spec, extracted)
    assert json.loads(stored.data) == to_record(network(read_picture(folder / "picture1.png")))
    assert stored.record["bytes"] == 0
    assert stored.record["seconds"]["extract"] == extracted.seconds


def test_the_order_of_layers_and_classes_is_kept(folder: Path) -> None:
    """As vcm_enc and vcm_eval have it: it says what is coded first, and which output is which class."""
    options = {**OPTIONS, "cut": {"z": "p3", "a": "p4", "m": "p5"}, "classes": {8: "owl", 3: "cat", 7: "dog"}}
    weights = str(folder / "small.onnx")
    spec = network_spec("onnx", {"weights": weights, **options})
    plain = load_network("onnx", weights=weights, **options)
    record = extract.describe(spec).record
    assert record["layers"] == ["z", "a", "m"] == list(plain.layers)
    extracted = extract.extract(spec, picture(folder))
    stored = analyse.analyse_uncompressed(spec, extracted)
    assert json.loads(stored.data) == to_record(plain(read_picture(folder / "picture1.png")))
    other = network_spec("onnx", {"weights": weights, **OPTIONS})
    assert json.loads(stored.data) != json.loads(
        analyse.analyse_uncompressed(other, extract.extract(other, picture(folder))).data
    )


# Failures


def told(caught: pytest.ExceptionInfo[TaskError]) -> tuple[int, str]:
    assert "\n" not in caught.value.message
    return caught.value.exit_code, caught.value.message


def test_a_damaged_picture(folder: Path, spec: NetworkSpec) -> None:
    data = picture(folder).data
    for damaged in (b"", b"hello", data[: len(data) // 2]):
        with pytest.raises(TaskError) as caught:
            extract.extract(spec, Picture("broken.png", damaged))
        code, message = told(caught)
        assert code == 2
        assert message.startswith("broken.png: ")


def test_a_configuration_that_does_not_fit(folder: Path, spec: NetworkSpec) -> None:
    extracted = extract.extract(spec, picture(folder))
    with pytest.raises(TaskError) as caught:
        code.code(extracted, ("p3",), changed(TREE, {"packing.grid": "3x3"}))
    assert told(caught)[0] == 2
    assert "packing.grid: layer p3" in told(caught)[1]


def test_weights_that_are_not_there(spec: NetworkSpec) -> None:
    with pytest.raises(TaskError) as caught:
        extract.describe(NetworkSpec("onnx", json.dumps({"weights": "absent.onnx", **OPTIONS}), "digest"))
    assert told(caught) == (2, "weights absent.onnx: there is no such file")


def test_a_damaged_bitstream() -> None:
    with pytest.raises(TaskError) as caught:
        analyse.decode(Coded(b"no bitstream", 0, 0.0), "auto")
    assert told(caught)[0] == 10


def test_a_bug_and_too_little_memory(folder: Path, spec: NetworkSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, expected in (
        (MemoryError("none"), (12, "not enough memory: none")),
        (KeyError("x"), (70, "internal error: KeyError: 'x'")),
    ):

        def fail(*_: object, error: Exception = error, **__: object) -> None:
            raise error

        monkeypatch.setattr("vcm_ref.experiment.stages.values.read_picture", fail)
        with pytest.raises(TaskError) as caught:
            extract.extract(spec, picture(folder))
        assert told(caught) == expected


def test_errors_and_values_travel() -> None:
    """To another process and back, as what they are."""
    error = pickle.loads(pickle.dumps(TaskError(13, "the codec failed")))
    assert (error.exit_code, error.message) == (13, "the codec failed")
    for value in (Coded(b"x", 1, 0.5), Picture("a.png", b"x"), NetworkSpec("a", "{}", "b")):
        found = pickle.loads(pickle.dumps(value))
        assert found == value
        assert type(found) is type(value)
    for function in (extract.extract, code.code, analyse.decode, analyse.analyse, code.code_picture):
        assert pickle.loads(pickle.dumps(function)) is function


def test_an_environment_names_every_stage() -> None:
    assert set(environment()) == {"extract", "code", "analyse", "measure"}


def test_an_extracted_picture_is_not_changed(folder: Path, spec: NetworkSpec) -> None:
    """Several tasks have the same one."""
    extracted = extract.extract(spec, picture(folder))
    before = {name: layer.tobytes() for name, layer in extracted.features.layers.items()}
    code.code(Extracted(extracted.features, 0.0), LAYERS, changed(TREE, {"order.method": "mse"}))
    analyse.analyse_uncompressed(spec, extracted)
    assert {name: layer.tobytes() for name, layer in extracted.features.layers.items()} == before
