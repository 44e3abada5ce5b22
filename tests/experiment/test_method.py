"""Methods: which tasks they take, and what they share."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from vcm_ref.configuration import Configuration
from vcm_ref.encoder import Encoder
from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.experiment.method import FeatureMethod, Method, PictureMethod, Subject, Uncompressed
from vcm_ref.experiment.method_choice import method_of
from vcm_ref.experiment.store import Store
from vcm_ref.experiment.sweep import network_spec
from vcm_ref.experiment.tasks import Task, Value
from vcm_ref.inputs.source import read_picture
from vcm_ref.network import load_network
from vcm_ref.task.dataset import Item

from .small_sweep import LAYERS, OPTIONS, TREE, Here, changed, method, write_all


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("method") / "data").parent


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as made:
        yield made


def subject_of(folder: Path, number: int = 1) -> Subject:
    spec = network_spec("onnx", {"weights": str(folder / "small.onnx"), **OPTIONS})
    return Subject(Item(number, folder / f"picture{number}.png"), spec, LAYERS)


def do(method: Method, subject: Subject, qp: int, store: Store) -> Here:
    """Run a method's tasks, and keep what is to be kept; returns who ran them."""
    here = Here()
    for finished in here(iter([method.tasks(subject, qp, store)])):
        if finished.kept_as == "features":
            store.add_features(finished.name, finished.result.features, {"seconds": finished.result.seconds})
        else:
            store.add(finished.name, finished.result.stored() if finished.kept_as == "code" else finished.result)
    return here


def test_a_layer_is_a_task(folder: Path, store: Store) -> None:
    here = do(method(folder, "m"), subject_of(folder), 32, store)
    assert here.count == {"extract": 1, "code": 3, "decode": 3, "analyse": 1}


@pytest.mark.parametrize(
    "changes", [{"packing__method": "stacked", "packing__grid": None}, {"quantisation__range": "picture"}]
)
def test_what_is_of_all_layers_at_once_is_one_task(folder: Path, store: Store, changes: dict[str, Any]) -> None:
    here = do(method(folder, "m", **changes), subject_of(folder), 32, store)
    assert here.count == {"extract": 1, "code": 1, "decode": 1, "analyse": 1}


CONFIGURATIONS: list[dict[str, Any]] = [
    {},
    {"quantisation__range": "picture"},
    {"packing__method": "stacked", "packing__grid": None},
    {"packing__grid": None},
    {"packing__method": "quilted"},
    {"order__method": "mean", "order__coding": "fixed_length", "packing__allocation": "interleaved"},
    {"packing__grid": {"p3": "1x1", "default": "4x2"}, "codec__qp_offset": {"p4": -3, "default": 2}},
    {"codec__mode": {"p5": "RA", "default": "AI"}, "digest_length": 0},
    {"quantisation__range": "fixed", "quantisation__min": -1.0, "quantisation__max": 1.0},
]


@pytest.mark.parametrize("changes", CONFIGURATIONS)
def test_its_bitstream_is_the_encoders(folder: Path, store: Store, changes: dict[str, Any]) -> None:
    made = method(folder, "m", **changes)
    subject = subject_of(folder, 2)
    with pytest.raises(KeyError):
        made.bitstream(subject, 30, store)
    do(made, subject, 30, store)
    file = io.BytesIO()
    tree = changed(TREE, {key.replace("__", "."): value for key, value in changes.items()} | {"codec.qp": 30})
    encoder = Encoder(Configuration(tree), file)
    network = load_network("onnx", weights=folder / "small.onnx", **OPTIONS)
    encoder.encode(network.extract(read_picture(subject.file)))
    encoder.close()
    assert made.bitstream(subject, 30, store) == file.getvalue()


def test_nothing_is_done_twice(folder: Path, store: Store) -> None:
    subject = subject_of(folder)
    do(method(folder, "m"), subject, 32, store)
    other = method(folder, "n", packing__grid={"p4": "1x1", "default": "2x2"})
    assert do(other, subject, 32, store).count == {"code": 1, "decode": 3, "analyse": 1}
    assert do(Uncompressed(), subject, 0, store).count == {"analyse_uncompressed": 1}
    assert do(method(folder, "o"), subject, 31, store).count == {"code": 3, "decode": 3, "analyse": 1}
    offset = method(folder, "p", codec__qp_offset=1)
    assert do(offset, subject, 30, store).count == {"decode": 3, "analyse": 1}
    another_picture = do(method(folder, "m"), subject_of(folder, 2), 32, store)
    assert another_picture.count == {"extract": 1, "code": 3, "decode": 3, "analyse": 1}


def test_features_that_are_not_kept_are_made_again(folder: Path, tmp_path: Path) -> None:
    with Store(tmp_path / "store", keeps_features=False) as store:
        subject = subject_of(folder)
        do(method(folder, "m"), subject, 32, store)
        assert do(method(folder, "m"), subject, 33, store).count["extract"] == 1
        assert not list((tmp_path / "store" / "features").iterdir())


def test_damaged_features_are_made_again(folder: Path, store: Store) -> None:
    subject = subject_of(folder)
    do(Uncompressed(), subject, 0, store)
    (file,) = (store.folder / "features").iterdir()
    whole = file.read_bytes()
    file.write_bytes(whole[:100])
    assert do(method(folder, "m"), subject, 32, store).count["extract"] == 1
    assert file.read_bytes() == whole
    assert do(method(folder, "m"), subject, 33, store).count["extract"] == 0


def test_the_description_is_what_shapes_the_bitstream(folder: Path) -> None:
    described = method(folder, "m", codec__threads=3, codec__time_limit=9).describe()
    expected = {key: TREE[key] for key in ("quantisation", "order", "packing", "digest_length")}
    assert described == {
        **expected,
        "quantisation": {**TREE["quantisation"], "ends": "extremes"},
        "reduction": {"method": "none", "carry_model": False},
        "codec": {"name": "lossless", "mode": "AI"},
    }
    assert method(folder, "m").inner_codec()["encoder"] == "lossless"


def test_a_qp_that_an_offset_takes_out_of_range(folder: Path, store: Store) -> None:
    here = Here()
    made = method(folder, "m", codec__qp_offset=-10)
    (finished,) = [f for f in here(iter([made.tasks(subject_of(folder), 5, store)])) if f.kept_as == "point"]
    assert finished.result.exit_code == 2
    assert "codec.qp" in finished.result.message


def test_a_layer_that_the_network_lacks(folder: Path) -> None:
    for key, value in {
        "packing__grid": {"p2": "2x2"},
        "codec__mode": {"p2": "AI"},
        "codec__qp_offset": {"p2": 1},
    }.items():
        with pytest.raises(ConfigError, match=r"there is no layer p2; the layers are p3, p4, p5"):
            method(folder, "m", **{key: value}).point(subject_of(folder), 32)


def test_a_picture_that_cannot_be_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    for name in ("absent.png", "folder.png"):
        with pytest.raises(DatasetError, match=rf"picture 7: .*{name}: cannot be read: "):
            _ = Subject(Item(7, tmp_path / name), subject_of(folder).network, LAYERS).sha256
        with pytest.raises(DatasetError, match=rf"picture 1: .*{name}: cannot be read: "):
            replace(subject_of(folder), item=Item(1, tmp_path / name)).picture()


# Pictures coded themselves


def picture_method(**changes: Any) -> Method:
    paths = {"picture.scale": 100, "codec.name": "vvenc", **{key.replace("__", "."): v for key, v in changes.items()}}
    return method_of("image", Configuration(changed(TREE, paths)), (40,))


def test_a_picture_coded_itself(folder: Path, store: Store) -> None:
    made = picture_method()
    assert isinstance(made, PictureMethod)
    assert made.kind == "pictures"
    subject = subject_of(folder)
    assert do(made, subject, 40, store).count == {"code_picture": 1, "analyse_picture": 1}
    record = store.records([made.point(subject, 40)])[made.point(subject, 40)]
    stream = made.bitstream(subject, 40, store)
    assert record["bytes"] == len(stream)
    assert record["bits"] == {"coded data": 8 * len(stream)}
    assert list(record["t1"]) == ["picture"]
    store._database.execute("DELETE FROM results WHERE name = ?", [made.point(subject, 40)])
    assert do(made, subject, 40, store).count == {"analyse_picture": 1}
    assert made.describe() == {"picture": {"scale": 100}, "codec": {"name": "vvenc", "preset": None}}


@pytest.mark.parametrize("changes", [{"codec__name": "lossless"}, {"codec__preset": "lazy"}])
def test_pictures_cannot_be_coded_with_everything(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        picture_method(**changes)


def test_the_kinds_of_methods(folder: Path) -> None:
    made = method(folder, "m", 22, 27)
    assert isinstance(made, FeatureMethod)
    assert made.kind == Uncompressed().kind == "features"


def test_values_come_before_those_who_need_them(folder: Path, store: Store) -> None:
    """As the schedule asks for."""
    from vcm_ref.experiment.tasks import refs

    subject = subject_of(folder)
    do(Uncompressed(), subject, 0, store)
    known: set[str] = set()
    tasks = method(folder, "m").tasks(subject, 32, store)
    assert isinstance(tasks[0], Value)
    for task in tasks:
        if isinstance(task, Task):
            assert set(refs(task.arguments)) <= known
        known.add(task.name)
