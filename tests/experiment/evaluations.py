"""What the tests of evaluations share: sources of features, and an evaluation in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vcm_ref.configuration import Configuration
from vcm_ref.encoder import Encoder
from vcm_ref.experiment.evaluation import Evaluation, evaluate, own_store
from vcm_ref.experiment.given_files import GivenBitstream, GivenBitstreams, GivenFeatures
from vcm_ref.experiment.method import FeatureMethod, Method, Uncompressed
from vcm_ref.experiment.records import Record
from vcm_ref.experiment.sweep import no_progress
from vcm_ref.files.feature_file import save_feature_file
from vcm_ref.inputs.source import read_picture
from vcm_ref.task.dataset import load_dataset

from .small_sweep import Here
from .stub import CONFIGURATION, PICTURES, SIZE, StubNetwork

pytest.importorskip("pycocotools", reason="pycocotools is not installed")

PIXELS = len(PICTURES) * SIZE[0] * SIZE[1]
CODED = FeatureMethod("pictures, coded", CONFIGURATION, (32,))


def request(data: Path, method: Method | None = None, network: str = "stub", **options: Any) -> Evaluation:
    """The evaluation of the pictures themselves, or of a method; ``options`` are its own and the network's."""
    own = {name: options.pop(name) for name in ("labels", "allow_missing") if name in options}
    return Evaluation(load_dataset(data), network, options, method or Uncompressed("pictures"), **own)


def evaluated(evaluation: Evaluation, output: Path, here: Here | None = None, **options: Any) -> Record:
    """Evaluate in this process."""
    with own_store(output) as store:
        begin = options.pop("begin", no_progress)
        document, seconds = evaluate(evaluation, output, store, here or Here(), begin, **options)
        assert all(value >= 0 for value in seconds.values())
        return document


def features(data: Path, folder: Path) -> GivenFeatures:
    return GivenFeatures("features", folder=folder, items=load_dataset(data).items)


def bitstreams(data: Path, path: Path) -> GivenBitstreams | GivenBitstream:
    items = load_dataset(data).items
    if path.is_dir():
        return GivenBitstreams("bitstreams", folder=path, items=items)
    return GivenBitstream("bitstream", path=path, items=items)


def files(output: Path) -> tuple[bytes, bytes]:
    """Give the two files that an evaluation leaves, which are all that it leaves."""
    found = sorted(path.name for path in output.parent.iterdir() if path.name.startswith(output.stem))
    assert found == [f"{output.stem}.detections.json", output.name]
    return output.read_bytes(), output.with_name(found[0]).read_bytes()


def write_features(data: Path, folder: Path, name: Callable[[Any], str]) -> None:
    """Write a feature file for each picture, named by ``name`` of its item."""
    folder.mkdir()
    for item in load_dataset(data).items:
        with (folder / f"{name(item)}.npz").open("wb") as file:
            save_feature_file(file, ".npz", StubNetwork().extract(read_picture(item.path)))


def write_bitstreams(data: Path, folder: Path) -> None:
    """Write a bitstream for each picture, one of all, and the record that vcm_enc writes beside that."""
    folder.mkdir()
    features = {item: StubNetwork().extract(read_picture(item.path)) for item in load_dataset(data).items}
    for item, one in features.items():
        with (folder / f"{item.path.stem}.bin").open("w+b") as file:
            encoder = Encoder(Configuration(CONFIGURATION), file)
            encoder.encode(one)
            encoder.close()
    with (folder.parent / "all.bin").open("w+b") as file:
        encoder = Encoder(Configuration(CONFIGURATION), file)
        for one in reversed(features.values()):  # in another order than the data set's
            encoder.encode(one)
        encoder.close()
    record = {"pictures": [{"input": item.path.name} for item in reversed(features)]}
    (folder.parent / "all.bin.json").write_text(json.dumps(record))
