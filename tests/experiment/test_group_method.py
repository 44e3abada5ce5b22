"""Pictures of a sequence coded in groups: each group once, its bytes at its first picture, rates over time."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from network.samples import picture
from PIL import Image

from vcm_ref.configuration import Configuration
from vcm_ref.decoder import Decoder
from vcm_ref.errors import ConfigError
from vcm_ref.experiment.anchor import anchor_document, rate, write_bitstreams, write_measured
from vcm_ref.experiment.bootstrap import Bootstrap
from vcm_ref.experiment.crosscheck.rebuilt import Machine, rebuilt_method
from vcm_ref.experiment.evaluation import Evaluation, evaluate
from vcm_ref.experiment.method import Method
from vcm_ref.experiment.method_choice import method_of
from vcm_ref.experiment.report.method import read_methods
from vcm_ref.experiment.store import Store
from vcm_ref.experiment.sweep import Sweep, run_sweep
from vcm_ref.task.sequences import SequenceDataset

from .small_sweep import OPTIONS, TREE, Here, changed, method, sweep_of, write_all

PICTURES = 5


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_all(tmp_path)
    (tmp_path / "street").mkdir()
    for number in range(PICTURES):
        Image.fromarray(np.roll(picture(64, 64), 3 * number, 1)).save(tmp_path / "street" / f"{number:03d}.png")
    return tmp_path


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def street(folder: Path, *methods: Method, frame_rate: float = 10) -> Sweep:
    dataset = SequenceDataset("street", images=folder / "street", frame_rate=frame_rate, score=0.3)
    options = {"weights": str(folder / "small.onnx"), **OPTIONS}
    return Sweep("street", dataset, dataset.items, "onnx", options, methods)


def test_groups_of_lossless_features_agree_with_the_uncompressed_network(folder: Path, store: Store) -> None:
    single, grouped = method(folder, "single"), method(folder, "grouped", group=2)
    assert (single.group, grouped.group) == (1, 2)
    here = Here()
    outcome = run_sweep(street(folder, single, grouped), store, here)
    assert not outcome.failures
    assert here.count["code_group"] == here.count["decode_group"] == 3
    assert here.count["extract"] == PICTURES
    points = {name: outcome.points[name, 32] for name in ("single", "grouped")}
    for point in points.values():
        assert point.metrics["agreement"] == pytest.approx(1.0)
    records = list(points["grouped"].records.values())
    assert [record["bytes"] > 0 for record in records] == [True, False, True, False, True]
    assert [sum(record["bits"].values()) for record in records] == [8 * record["bytes"] for record in records]
    digests = [[record["t1"] for record in point.records.values()] for point in points.values()]
    assert digests[0] == digests[1]
    again = Here()
    run_sweep(street(folder, single, grouped), store, again)
    assert not again.count


def test_the_anchor_has_kilobits_a_second(folder: Path, store: Store) -> None:
    """Five pictures at 10 a second are half a second."""
    made = method(folder, "grouped", group=4)
    outcome = run_sweep(street(folder, made), store, Here())
    document = anchor_document(outcome, made)
    (point,) = document["points"]
    assert point["kbit_per_s"] == pytest.approx(8 * point["bytes"] / 0.5 / 1000)
    assert document["data"]["frame_rate"] == "10"
    assert document["main_metric"] == "agreement"
    assert document["configuration"]["group"] == 4
    rebuilt = rebuilt_method(document, [32], Machine(None, {}), "auto")
    assert (rebuilt.group, rebuilt.describe()) == (4, made.describe())
    write_bitstreams(folder / "streams", outcome, made, store)
    files = sorted((folder / "streams" / "qp32").iterdir())
    assert [file.name for file in files] == ["000.bin", "004.bin"]
    assert sum(file.stat().st_size for file in files) == point["bytes"]
    assert Decoder(io.BytesIO(files[0].read_bytes())).reader.picture_count == 4


def test_intervals_over_time_are_from_blocks_of_whole_groups(folder: Path, store: Store) -> None:
    """Five pictures make no interval, twenty do: ten blocks of two, in which both methods are compared in pairs."""
    methods = [method(folder, "single"), method(folder, "grouped", group=2)]
    few = run_sweep(street(folder, *methods, frame_rate=1), store, Here())
    document = write_measured(folder / "few.json", few, methods[1], Bootstrap())
    assert "bootstrap" not in document
    assert (folder / document["tallies"]["file"]).is_file()
    for number in range(PICTURES, 20):
        Image.fromarray(np.roll(picture(64, 64), 5 * number, 1)).save(folder / "street" / f"{number:03d}.png")
    outcome = run_sweep(street(folder, *methods, frame_rate=1), store, Here())
    files = [folder / f"{made.name}.json" for made in methods]
    documents = [write_measured(file, outcome, made, Bootstrap()) for file, made in zip(files, methods, strict=True)]
    for document in documents:
        assert document["bootstrap"]["block"] == 2
        low, high = document["points"][0]["intervals"]["bpp"]
        assert low < document["points"][0]["bpp"] < high
    single, grouped = read_methods(files, bootstrap=Bootstrap())
    assert single.samples is not None and grouped.samples is not None
    assert single.samples.bootstrap == grouped.samples.bootstrap == Bootstrap(block=2)
    bits = np.array([8 * record["bytes"] for record in outcome.points["grouped", 32].records.values()])
    of_blocks = bits.reshape(10, 2).sum(1) @ Bootstrap().weights(10)
    np.testing.assert_allclose(grouped.samples.points[0]["bpp"], of_blocks / (20 * 64 * 64))


def test_pictures_coded_themselves_as_video(folder: Path, store: Store) -> None:
    tree = changed(
        TREE, {"network.weights": str(folder / "small.onnx"), "picture": {"scale": 100}, "group": 4, "order": None,
               "packing": None, "quantisation": None, "codec": {"name": "vvenc", "mode": "RA"}}
    )  # fmt: skip
    video = method_of("video", Configuration(tree), (32,))
    single = method_of("single", Configuration(changed(tree, {"group": None})), (32,))
    assert video.describe()["group"] == 4
    assert "RA" in video.inner_codec() and "AI" not in video.inner_codec()
    here = Here()
    outcome = run_sweep(street(folder, video, single), store, here)
    assert not outcome.failures
    assert here.count["code_pictures"] == here.count["decode_pictures"] == 2
    together, alone = (rate(outcome.points[name, 32].records.values()) for name in ("video", "single"))
    assert together["bytes"] < alone["bytes"]
    with pytest.raises(ConfigError, match=r"codec.mode: pictures in a group are coded over time"):
        method_of("video", Configuration(changed(tree, {"codec.mode": "AI"})), (32,))


def test_only_a_sequence_is_coded_in_groups(folder: Path, store: Store) -> None:
    with pytest.raises(ConfigError, match="grouped codes together the pictures of a sequence"):
        run_sweep(sweep_of(folder, method(folder, "grouped", group=2)), store, Here())


def test_an_evaluation_of_a_sequence(folder: Path, store: Store) -> None:
    sweep = street(folder)
    evaluation = Evaluation(sweep.dataset, "onnx", sweep.network_options, method(folder, "pictures, coded", group=3))
    document, _ = evaluate(evaluation, folder / "results.json", store, Here())
    assert document["metrics"]["agreement"] == pytest.approx(1.0)
    assert document["rate"]["kbit_per_s"] == pytest.approx(8 * document["rate"]["bytes"] / 0.5 / 1000)
    assert document["data"]["frame_rate"] == "10"
    assert "intervals" not in document
