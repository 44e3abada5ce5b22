"""Sweep files: what they say, and one clear line for everything that they should not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("onnx", reason="onnx is not installed")

from vcm_ref.errors import ConfigError, VcmError
from vcm_ref.experiment.method import FeatureMethod, PictureMethod
from vcm_ref.experiment.store import Store
from vcm_ref.experiment.sweep import run_sweep
from vcm_ref.experiment.sweep_file import DEFAULT_QPS, Overrides, SweepFile, load_sweep

from .small_sweep import TREE, Here, changed, write_all


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data in ``data``, configurations in ``cfg``, and elsewhere the current folder."""
    write_all(tmp_path / "data")
    (tmp_path / "cfg").mkdir()
    (tmp_path / "elsewhere").mkdir()
    for name, changes in {
        "one": {},
        "two": {"order.method": "mean"},
        "image": {"picture": {"scale": 50}, "codec.name": "vvenc"},
        "other_network": {"network.seed": 3},
    }.items():
        tree = changed(TREE, {"network.weights": "../data/small.onnx", **changes})
        (tmp_path / "cfg" / f"{name}.yaml").write_text(yaml.safe_dump(tree))
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


def load(folder: Path, tree: Any, **over: Any) -> SweepFile:
    text = tree if isinstance(tree, str) else yaml.safe_dump(tree, sort_keys=False)
    (folder / "mine.yaml").write_text(text)
    return load_sweep(folder / "mine.yaml", Overrides(**over))


def sweep(**changes: Any) -> dict[str, Any]:
    tree = {"data": "data/data.json", "methods": {"a": "cfg/one.yaml", "b": "cfg/two.yaml"}, **changes}
    return {key: value for key, value in tree.items() if value is not None}


def combined(**grids: list[str]) -> dict[str, Any]:
    return {"config": "cfg/one.yaml", "grids": grids or {"p3": ["1x1", "2x2"], "p4": ["2x2", "4x2"]}}


def tree_of(file: SweepFile, name: str = "a") -> Any:
    (method,) = [method for method in file.sweep.methods if method.name == name]
    assert isinstance(method, FeatureMethod)
    return method.tree


# What they say


def test_the_least(folder: Path) -> None:
    file = load(folder, sweep())
    assert [method.name for method in file.methods] == ["a", "b"] == [method.name for method in file.sweep.methods]
    assert {method.qps for method in file.methods} == {DEFAULT_QPS}
    assert (file.title, file.sweep.name, file.anchor, file.metric, file.combinations) == (
        "mine",
        "mine",
        None,
        None,
        None,
    )
    assert file.sweep.network == "onnx"
    assert Path(file.sweep.network_options["weights"]).samefile(folder / "data" / "small.onnx")
    assert file.sweep.network_options["classes"] == {"3": "cat", "7": "dog", "8": "owl"}
    assert [item.id for item in file.sweep.items] == [1, 2, 3]
    assert file.sweep.labels == "names"


def test_everything(folder: Path) -> None:
    (folder / "labels.csv").write_text("cat,dog\n")
    (folder / "more.yaml").write_text("digest_length: 7\n")
    method = {"config": ["cfg/two.yaml", "more.yaml"], "set": {"order.method": "mse"}, "qps": [1]}
    file = load(
        folder,
        sweep(
            title="A title",
            images="data",
            pictures=2,
            labels="labels.csv",
            qps=[2, 3],
            anchor="b",
            metric="AP50",
            set={"quantisation.bit_depth": 9},
            methods={"a": "cfg/one.yaml", "b": method, "c": "cfg/image.yaml"},
        ),
    )
    assert (file.title, file.anchor, file.metric) == ("A title", "b", "AP50")
    assert len(file.sweep.items) == 2
    assert Path(file.sweep.labels).samefile(folder / "labels.csv")
    assert [method.qps for method in file.methods] == [(2, 3), (1,), (2, 3)]
    assert isinstance(file.methods[2], PictureMethod)
    assert tree_of(file, "b") == changed(tree_of(file, "a"), {"digest_length": 7, "order.method": "mse"})
    assert tree_of(file)["quantisation"]["bit_depth"] == 9


def test_with_is_for_all_and_wins_over_their_configuration(folder: Path) -> None:
    (folder / "over.yaml").write_text("digest_length: 3\nnetwork: {score_threshold: 0.1}\n")
    file = load(folder, {**sweep(), "with": "over.yaml"})
    assert tree_of(file)["digest_length"] == tree_of(file, "b")["digest_length"] == 3
    assert file.sweep.network_options["score_threshold"] == 0.1
    file = load(folder, {**sweep(), "with": ["over.yaml"], "set": {"digest_length": 4}}, settings=["digest_length=5"])
    assert tree_of(file)["digest_length"] == 5


def test_shared_settings_may_be_of_another_codec(folder: Path) -> None:
    """A preset for all methods is no error for the lossless one; one of its own is."""
    assert "preset" not in tree_of(load(folder, sweep(set={"codec.preset": "fast"})))["codec"]
    own = {"a": {"config": "cfg/one.yaml", "set": {"codec.preset": "fast"}}}
    with pytest.raises(ConfigError, match=r"a: codec\.preset: is 'fast'; it has no effect with codec\.name lossless"):
        load(folder, sweep(methods=own))


def test_a_method_may_be_a_shipped_configuration(folder: Path) -> None:
    network = {"with": "cfg/one.yaml", "methods": {"a": "fframe"}}
    assert tree_of(load(folder, sweep(**network)))["order"]["method"] == "none"


def test_small_numbers_in_settings(folder: Path) -> None:
    fixed = {"quantisation.range": "fixed", "quantisation.min": 1e-05, "quantisation.max": 1e16}
    assert tree_of(load(folder, sweep(set=fixed)))["quantisation"]["min"] == 1e-05


def test_paths_are_relative_to_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And those of the command line to where it is given."""
    monkeypatch.chdir(folder / "data")
    file = load(folder, sweep(data="nowhere.json"), data=Path("data.json"))
    assert len(file.sweep.items) == 3
    moved = folder / "elsewhere" / "pictures"
    moved.mkdir()
    for path in (folder / "data").glob("*.png"):
        path.rename(moved / path.name)
    assert load(folder, sweep(images="elsewhere/pictures")).sweep.items[0].path.parent == moved
    monkeypatch.chdir(folder / "elsewhere")
    assert load(folder, sweep(), images=Path("pictures")).sweep.items[0].path.name == "picture1.png"


def test_the_command_line_wins(folder: Path) -> None:
    file = load(folder, sweep(qps=[1, 2], pictures=3), qps=[7], pictures=1, methods=["b"], settings=["digest_length=0"])
    assert [(method.name, method.qps) for method in file.methods] == [("b", (7,))]
    assert len(file.sweep.items) == 1
    assert tree_of(file, "b")["digest_length"] == 0


def test_an_anchor_that_the_command_line_leaves_out(folder: Path) -> None:
    """The report then compares with the first method."""
    tree = sweep(anchor="a", methods=dict.fromkeys("abc", "cfg/one.yaml"))
    assert load(folder, tree).anchor == "a"
    assert load(folder, tree, methods=["b"]).anchor is None
    assert load(folder, tree, methods=["b", "c"]).anchor is None
    assert load(folder, tree, methods=["c", "a"]).anchor == "a"


# Combinations


def test_combinations(folder: Path) -> None:
    file = load(folder, sweep(methods=None, combinations=combined(), qps=[30, 40]))
    assert file.combinations is not None
    assert file.combinations.layers == ("p3", "p4")
    assert file.combinations.grids == ("1x1", "2x2", "4x2")
    assert file.combinations.of == {
        "1x1_2x2": ("1x1", "2x2"),
        "1x1_4x2": ("1x1", "4x2"),
        "2x2_2x2": ("2x2", "2x2"),
        "2x2_4x2": ("2x2", "4x2"),
    }
    assert list(file.methods) == []
    assert [method.qps for method in file.sweep.methods] == [(30, 40)] * 4
    assert tree_of(file, "1x1_4x2")["packing"]["grid"] == {"p3": "1x1", "p4": "4x2"}


def test_combinations_that_are_screened(folder: Path) -> None:
    screening = {"pictures": 2, "best": 3}
    file = load(folder, sweep(methods=None, combinations={**combined(), "screening": screening}))
    assert file.combinations is not None
    assert file.combinations.screening == (2, 3)
    file = load(folder, sweep(methods=None, combinations=combined()))
    assert file.combinations is not None
    assert file.combinations.screening is None


def test_combinations_beside_methods(folder: Path) -> None:
    tree = sweep(combinations={**combined(), "qps": [3]})
    file = load(folder, tree)
    assert [len(file.methods), len(file.sweep.methods)] == [2, 6]
    assert file.sweep.methods[-1].qps == (3,)
    assert load(folder, tree, methods=["a"]).combinations is None


# What they should not


def one_line(caught: pytest.ExceptionInfo[VcmError], *words: str) -> None:
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 400
    assert caught.value.exit_code == 2
    for word in words:
        assert word in told, told


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"datta": 1}, ["mine.yaml", "datta"]),
        ({1: "x"}, ["mine.yaml", "1"]),
        ({"data": None}, ["mine.yaml: data: is missing"]),
        ({"data": 3}, ["mine.yaml, line", " data:", "3"]),
        ({"methods": None}, ["mine.yaml"]),
        ({"methods": {}}, ["mine.yaml, line", " methods:"]),
        ({"methods": []}, ["mine.yaml, line", " methods:"]),
        ({"methods": {"a b": "cfg/one.yaml"}}, ["mine.yaml, line", " methods", "a b"]),
        ({"methods": {"../a": "cfg/one.yaml"}}, ["mine.yaml, line", " methods", "../a"]),
        ({"methods": {"a": 3}}, ["mine.yaml, line", " methods.a", "3"]),
        ({"methods": {"a": {"qps": [3]}}}, ["mine.yaml, line", " methods.a", "config"]),
        ({"methods": {"a": {"config": "cfg/one.yaml", "qp": [3]}}}, ["mine.yaml, line", " methods.a", "qp"]),
        ({"methods": {"a": {"config": []}}}, ["mine.yaml, line", " methods.a"]),
        ({"methods": {"a": "cfg/absent.yaml"}}, ["a: ", "absent.yaml", "cannot be read"]),
        ({"methods": {"a": {"config": ["cfg/one.yaml", "cfg/no.yaml"]}}}, ["a: ", "no.yaml", "cannot be read"]),
        ({"methods": {"a": "cfg"}}, ["a: ", "cfg"]),
        ({"methods": {"uncompressed": "cfg/one.yaml"}}, ["uncompressed"]),
        ({"with": 3}, ["mine.yaml, line", " with"]),
        ({"with": "no.yaml"}, ["no.yaml", "cannot be read"]),
        ({"set": ["a=b"]}, ["mine.yaml, line", " set"]),
        ({"set": {3: 4}}, ["a: 3: unknown key"]),
        ({"set": {"codec.speed": 3}}, ["a: codec.speed", "unknown key"]),
        ({"set": {"codec.qp": 99}}, ["a: codec.qp", "99"]),
        ({"qps": []}, ["mine.yaml, line", " qps"]),
        ({"qps": 32}, ["mine.yaml, line", " qps", "32"]),
        ({"qps": [32, 32]}, ["mine.yaml, line", " qps", "[32, 32]"]),
        ({"qps": [64]}, ["mine.yaml, line", " qps.0", "64"]),
        ({"qps": [-1]}, ["mine.yaml, line", " qps.0", "-1"]),
        ({"qps": [32.0]}, ["mine.yaml, line", " qps.0", "32.0"]),
        ({"pictures": 0}, ["mine.yaml, line", " pictures", "0"]),
        ({"pictures": 2.0}, ["mine.yaml, line", " pictures", "2.0"]),
        ({"pictures": True}, ["mine.yaml, line", " pictures", "true"]),
        ({"anchor": "z"}, ["mine.yaml: anchor", "'z'", "a, b"]),
        ({"anchor": "z", "methods": {"a": "cfg/one.yaml"}}, ["mine.yaml: anchor", "'z'"]),
        ({"labels": "labels.csv"}, ["labels.csv", "names, ids"]),
        ({"data": "data/no.json"}, ["no.json"]),
        ({"images": "cfg"}, ["picture 1", "picture1.png", "is missing; picture 2"]),
        ({"methods": {"a": "cfg/one.yaml", "b": "cfg/other_network.yaml"}}, ["b", "another network than a"]),
        ({"combinations": {"config": "cfg/one.yaml"}}, ["mine.yaml, line", " combinations", "grids"]),
        (
            {"combinations": {**combined(), "screening": {"pictures": 0, "best": 1}}},
            ["mine.yaml, line", " combinations.screening.pictures"],
        ),
        ({"combinations": combined(p3=[])}, ["mine.yaml, line", " combinations.grids.p3"]),
        ({"combinations": combined(p3=["4"])}, ["mine.yaml, line", " combinations.grids.p3.0", "'4'"]),
        ({"combinations": combined(p3=["4x4", "4x4"])}, ["mine.yaml, line", " combinations.grids.p3"]),
        ({"combinations": {"config": "cfg/image.yaml", "grids": {"p3": ["1x1"]}}}, ["picture", "combinations are of"]),
        (
            {"methods": {"1x1_2x2": "cfg/one.yaml"}, "combinations": combined()},
            ["the name 1x1_2x2 belongs to another method or a combination"],
        ),
    ],
)
def test_a_mistake_is_one_line(folder: Path, changes: dict[Any, Any], words: list[str]) -> None:
    tree = {key: value for key, value in {**sweep(), **changes}.items() if value is not None}
    with pytest.raises(VcmError) as caught:
        load(folder, tree)
    one_line(caught, *words)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["mine.yaml"]),
        ("- a\n- b\n", ["mine.yaml"]),
        ("a: [", ["mine.yaml, line", " is not YAML"]),
        ("a: b: c", ["mine.yaml, line", " is not YAML"]),
        ("\x00", ["mine.yaml, line", "is not YAML"]),
        ("a: 2020-99-99", ["mine.yaml, line", "a: unknown key"]),
    ],
)
def test_what_is_no_sweep(folder: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    one_line(caught, *words)


def test_a_file_that_is_not_there(folder: Path) -> None:
    (folder / "latin.yaml").write_bytes(b"title: \xff")
    for name in ("absent.yaml", "cfg", "latin.yaml"):
        with pytest.raises(ConfigError) as caught:
            load_sweep(folder / name)
        one_line(caught, name, "cannot be read")


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"methods": ["z"]}, ["--only z", "a, b"]),
        ({"qps": [3, 3]}, ["--qp", "twice"]),
        ({"qps": [64]}, ["--qp 64"]),
        ({"settings": ["codec.qp"]}, ["--set codec.qp"]),
        ({"settings": ["codec.qp=x"]}, ["codec.qp", "'x'"]),
    ],
)
def test_mistakes_of_the_command_line(folder: Path, over: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(folder, sweep(), **over)
    one_line(caught, *words)


def test_no_pictures(folder: Path) -> None:
    path = folder / "data" / "none.json"
    path.write_text('{"images": [], "annotations": [], "categories": [{"id": 3, "name": "cat"}]}')
    with pytest.raises(VcmError) as caught:
        load(folder, sweep(data="data/none.json"))
    one_line(caught)


# What only the network can tell


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"methods": None, "combinations": combined(p2=["1x1"])}, ["there is no layer p2", "p3, p4, p5"]),
        ({"set": {"packing.grid": {"p2": "4x4"}}}, ["there is no layer p2", "p3, p4, p5"]),
    ],
)
def test_a_layer_that_the_network_lacks(folder: Path, changes: dict[str, Any], words: list[str]) -> None:
    file = load(folder, sweep(**changes))
    with pytest.raises(ConfigError) as caught, Store(folder / "store") as store:
        run_sweep(file.sweep, store, Here())
    one_line(caught, *words)


def test_a_grid_that_does_not_fit_the_channels(folder: Path) -> None:
    file = load(folder, sweep(methods=None, qps=[1], combinations=combined(p3=["3x3", "2x2"]), pictures=1))
    with Store(folder / "store") as store:
        outcome = run_sweep(file.sweep, store, Here())
    (failure,) = outcome.points["3x3", 1].failures
    assert failure.exit_code == 2
    assert failure.message.startswith("packing.grid: layer p3")
    assert not outcome.points["2x2", 1].failures
