"""Names: whatever shapes a result changes its name, and nothing else does."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from vcm_ref.configuration import Configuration
from vcm_ref.experiment import imports, naming
from vcm_ref.experiment.imports import code_of
from vcm_ref.experiment.method import FeatureMethod, Subject, Uncompressed
from vcm_ref.experiment.method_choice import method_of
from vcm_ref.experiment.naming import STAGES, json_digest, made_of, network_name, shaping, task_name
from vcm_ref.experiment.stages.values import NetworkSpec
from vcm_ref.task.dataset import Item

from .small_sweep import LAYERS, OPTIONS, TREE, changed

NETWORK = NetworkSpec("onnx", "{}", "network")
#: Another value for each key that shapes a bitstream.
SHAPING: dict[str, Any] = {
    "quantisation.bit_depth": 9,
    "quantisation.range": "channel",
    "quantisation.rounding": "floor",
    "order.method": "mean",
    "order.coding": "fixed_length",
    "packing.method": "stacked",
    "packing.allocation": "interleaved",
    "packing.grid": "4x2",
    "codec.name": "vvenc",
    "codec.mode": "RA",
    "codec.qp_offset": 1,
    "digest_length": 5,
}
VIDEO = {"codec.name": "vvenc", "codec.preset": "faster", "codec.gop": 32}


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    Image.new("RGB", (8, 8), "red").save(tmp_path / "a.png")
    return tmp_path / "a.png"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of this package that names are made of, to be changed."""
    real = Path(naming.__file__).parents[1]
    copy = tmp_path / "vcm_ref"
    shutil.copytree(real, copy, ignore=shutil.ignore_patterns("__pycache__", "report"))
    (copy / "network" / "refnet.safetensors").write_bytes(b"weights")
    monkeypatch.setattr(naming, "_PACKAGE", copy)
    monkeypatch.setattr(naming, "_version", lambda name: "1")
    made_of.cache_clear()
    yield copy
    made_of.cache_clear()


def changed_stages(change: Callable[[], object]) -> set[str]:
    """The stages whose names another code has."""
    before = {stage: task_name(stage) for stage in STAGES}
    change()
    made_of.cache_clear()
    imports._imports.cache_clear()
    return {stage for stage in STAGES if task_name(stage) != before[stage]}


def subject_of(picture: Path, image_id: int = 1) -> Subject:
    return Subject(Item(image_id, picture), NETWORK, LAYERS)


def names(picture: Path, changes: dict[str, Any] | None = None, qp: int = 32, backend: Any = "auto") -> set[str]:
    """The names of a point and of all that it takes, but the picture's features."""
    method = method_of("m", Configuration(changed(TREE, changes or {})), (qp,), backend)
    subject = subject_of(picture)
    found = {method.point(subject, qp)}
    if hasattr(method, "_parts"):
        found |= {name for name, _, _ in method._parts(subject, qp)}
    return found


@pytest.mark.parametrize("key", SHAPING)
def test_every_key_that_shapes_a_bitstream_is_in_its_name(picture: Path, key: str) -> None:
    if key == "packing.method":
        assert names(picture).isdisjoint(names(picture, {key: "stacked", "packing.grid": None}))
    else:
        assert names(picture).isdisjoint(names(picture, {key: SHAPING[key]}))


@pytest.mark.parametrize(("key", "value"), [("codec.preset", "fast"), ("codec.gop", 16)])
def test_the_video_codecs_options_are_in_the_name(picture: Path, key: str, value: Any) -> None:
    assert names(picture, VIDEO).isdisjoint(names(picture, {**VIDEO, key: value}))


def test_a_fixed_range_is_in_the_name(picture: Path) -> None:
    ranges = [(-1.0, 1.0), (-1.0, 2.0), (-2.0, 1.0)]
    fixed = [{"quantisation.range": "fixed", "quantisation.min": lo, "quantisation.max": hi} for lo, hi in ranges]
    found = [names(picture, changes) for changes in fixed]
    assert len(set.union(*found)) == sum(map(len, found))


def test_qp_picture_layers_and_network_are_in_the_name(picture: Path, tmp_path: Path) -> None:
    here = names(picture)
    assert here.isdisjoint(names(picture, qp=33))
    Image.new("RGB", (8, 8), "blue").save(tmp_path / "b.png")
    assert here.isdisjoint(names(tmp_path / "b.png"))
    one = Uncompressed().point(subject_of(picture), 0)
    other = Subject(Item(1, picture), NETWORK._replace(digest="other"), LAYERS)
    assert Uncompressed().point(other, 0) != one


def test_the_decoder_is_in_the_points_name_only(picture: Path) -> None:
    here, there = names(picture, VIDEO), names(picture, VIDEO, backend="vtm")
    assert len(here - there) == len(there - here) == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [("codec.threads", 7), ("codec.time_limit", 3.5), ("codec.qp", 12), ("bitstream", "y.bin"), ("input", "x.png")],
)
def test_what_shapes_nothing_is_in_no_name(picture: Path, key: str, value: Any) -> None:
    assert names(picture, {key: value}) == names(picture)
    assert names(picture, {**VIDEO, key: value}) == names(picture, VIDEO)


def test_where_a_picture_is_and_what_it_is_called_is_in_no_name(picture: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(picture, tmp_path / "elsewhere" / "z.png")
    assert names(tmp_path / "elsewhere" / "z.png") == names(picture)
    assert subject_of(picture, 1).features == subject_of(picture, 2).features


def test_how_a_value_is_written_is_in_no_name(picture: Path) -> None:
    """One grid for all is the same grid for each; a QP and an offset are the QP that they come to."""
    grids = dict.fromkeys(LAYERS, "2x2")
    assert names(picture, {"packing.grid": grids}) == names(picture)
    assert names(picture, {"codec.qp_offset": 2}, qp=30) == names(picture)


def test_layers_share_what_they_have_in_common(picture: Path) -> None:
    """Only the layer with another grid has another name, and with it the point."""
    one, other = names(picture), names(picture, {"packing.grid": {"p4": "1x1", "default": "2x2"}})
    assert len(one & other) == len(LAYERS) - 1


def test_pictures_coded_themselves(picture: Path) -> None:
    tree = {"picture": {"scale": 100}, **VIDEO, "packing.grid": None}

    def name(qp: int = 32, **changes: Any) -> str:
        found = names(picture, {**tree, **{key.replace("__", "."): value for key, value in changes.items()}}, qp)
        return found.pop()

    different = [name(), name(33), name(picture__scale=50), name(codec__preset="fast")]
    assert len(set(different)) == len(different)
    assert name(codec__time_limit=5.0) == name(codec__threads=3) == name()


# The network


def test_the_networks_options_and_weights_are_in_its_name(tmp_path: Path) -> None:
    weights = tmp_path / "w.onnx"
    weights.write_bytes(b"weights")
    one = network_name("onnx", {"weights": str(weights), **OPTIONS})
    assert network_name("other", {"weights": str(weights), **OPTIONS}) != one
    for key, value in {"score_threshold": 0.5, "cut": ["p3", "p4"], "classes": {3: "cat"}, "fill": 0}.items():
        assert network_name("onnx", {"weights": str(weights), **OPTIONS, key: value}) != one
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(weights, tmp_path / "elsewhere" / "w.onnx")
    assert network_name("onnx", {"weights": str(tmp_path / "elsewhere" / "w.onnx"), **OPTIONS}) == one
    weights.write_bytes(b"weightz")
    assert network_name("onnx", {"weights": str(weights), **OPTIONS}) != one


def test_the_order_of_layers_and_classes_is_in_the_networks_name() -> None:
    """It says which layer is coded first, and which of the network's outputs is which class."""
    for key in ("cut", "classes"):
        one, other = {"a": "x", "b": "y"}, {"b": "y", "a": "x"}
        assert network_name("onnx", {key: one}) != network_name("onnx", {key: other})
    assert network_name("onnx", {"cut": 1, "head": 2}) == network_name("onnx", {"head": 2, "cut": 1})


def test_weights_that_are_no_file_are_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = network_name("torchvision", {"weights": "random"})
    Path("random").write_bytes(b"something else")
    assert network_name("torchvision", {"weights": "random"}) == before


def test_options_of_mixed_kinds_have_a_name() -> None:
    """YAML takes keys and values of many kinds."""
    assert network_name("onnx", {"classes": {1: "a", "b": "c"}})


# What a stage is made of


def appended(path: Path, text: str = "\n") -> Callable[[], object]:
    return lambda: path.write_bytes(path.read_bytes() + text.encode())


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("network/onnx_network.py", {"extract", "analyse"}),  # which is imported by its name
        ("network/refnet.safetensors", {"extract", "analyse", "measure"}),  # which is not code
        ("feature_set.py", {"extract", "code", "analyse", "measure"}),
        ("inputs/source.py", {"measure"}),
        ("inputs/picture_file.py", {"extract", "code", "analyse", "measure"}),
        ("bitstream/syntax.py", {"code", "analyse"}),
        ("bitstream/levels.csv", {"code", "analyse"}),
        ("conversion/order.py", {"code", "analyse"}),  # of which the chain is made
        ("codec/vvenc.py", {"code", "analyse"}),
        ("encoder.py", {"code"}),
        ("encoding/settings.py", {"code"}),
        ("decoder.py", {"analyse"}),
        ("experiment/stages/code.py", {"code"}),
        ("experiment/result_record.py", {"analyse", "measure"}),
        ("experiment/results.py", {"measure"}),
        ("experiment/store.py", set()),
        ("experiment/pool.py", set()),
        ("app/sweep.py", set()),
    ],
)
def test_one_byte_of_code_changes_the_names_of_its_stages(package: Path, file: str, stages: set[str]) -> None:
    assert changed_stages(appended(package / file)) == stages


def test_a_new_module_changes_names_once_it_is_imported(package: Path) -> None:
    """Wherever in the code, and by whatever form of import; and from then on its own code does."""
    new = package / "conversion" / "new.py"
    assert changed_stages(lambda: new.write_text("")) == set()
    late = "\n\ndef late():\n    from .conversion import new\n"
    assert changed_stages(appended(package / "encoder.py", late)) == {"code"}
    assert changed_stages(appended(new)) == {"code"}
    named = '\nMODULE = "vcm_ref.conversion.new"\n'
    assert changed_stages(appended(package / "task" / "detections.py", named)) == {"extract", "analyse", "measure"}
    assert changed_stages(appended(new)) == set(STAGES)


def test_an_import_for_type_checkers_is_none(package: Path) -> None:
    new = package / "conversion" / "new.py"
    new.write_text("")
    text = "\nif TYPE_CHECKING:\n    from .conversion import new\n"
    assert changed_stages(appended(package / "encoder.py", text)) == {"code"}  # of the encoder's own byte
    assert changed_stages(appended(new)) == set()


def test_a_module_that_is_missing_is_an_error(package: Path) -> None:
    (package / "conversion" / "order.py").rename(package / "conversion" / "sorting.py")
    with pytest.raises(ModuleNotFoundError, match=r"no module vcm_ref.conversion.order"):
        task_name("code")


def test_every_data_file_is_in_the_code_that_names_it() -> None:
    """Each file of the package that is not Python is named by a module beside it, as the walk looks for it."""
    real = Path(naming.__file__).parents[1]
    suite = real / "suite"  # the conformance suite, where the package is installed
    python = [path for path in real.rglob("*.py") if suite not in path.parents]
    modules = [".".join(path.relative_to(real.parent).with_suffix("").parts) for path in python]
    plain = [name.removesuffix(".__init__") for name in modules]
    found = {path for path in code_of(plain, real).files if path.suffix != ".py"}
    data = {path for path in real.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc", ".typed")}
    data -= {*(real / "cfg").rglob("*")}  # configurations, where the package is installed: their values have a part
    data -= {*suite.rglob("*")}
    data -= {*(real / "models" / "data").iterdir()}  # models, known by their digests, which configurations name
    # read by nothing, and by no module beside it
    without_part = {"refnet.json", "refnet_mask.json", "crosscheck.schema.json"}
    assert {path.name for path in data - found} <= without_part


def test_compiled_code_is_no_code(package: Path) -> None:
    cache = package / "codec" / "__pycache__"
    cache.mkdir()
    assert changed_stages(lambda: (cache / "x.cpython-311.pyc").write_bytes(b"anything")) == set()


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("numpy", {"extract", "code", "analyse", "measure"}),
        ("onnxruntime", {"extract", "analyse"}),
        ("imageio_ffmpeg", {"code", "analyse", "measure"}),
        ("pycocotools", {"analyse", "measure"}),
        ("jsonschema", set()),
    ],
)
def test_a_packages_version_changes_the_names_of_its_stages(
    monkeypatch: pytest.MonkeyPatch, name: str, stages: set[str]
) -> None:
    def change() -> None:
        monkeypatch.setattr(naming, "_version", lambda package: "2" if package == name else "1")

    monkeypatch.setattr(naming, "_version", lambda package: "1")
    made_of.cache_clear()
    try:
        assert changed_stages(change) == stages
    finally:
        made_of.cache_clear()


def test_versions_are_those_that_are_installed() -> None:
    import numpy
    import PIL

    assert naming._version("numpy") == numpy.__version__
    assert naming._version("PIL") == PIL.__version__
    assert naming._version("no_such_package") is None


# The part of a configuration


def test_a_new_key_shapes_unless_it_is_declared_not_to() -> None:
    """A part that nobody has thought of, and a key of a known one."""
    assert shaping(TREE)["codec"] == TREE["codec"]
    for key in ("reduction.method", "codec.new", "level", "quantisation.new.deep"):
        assert shaping(changed(TREE, {key: "x"})) != shaping(TREE)
    for key in (
        "codec.threads",
        "codec.time_limit",
        "network.weights",
        "network.cut",
        "input",
        "bitstream",
        "picture_size",
    ):
        assert shaping(changed(TREE, {key: "x"})) == shaping(TREE)


def test_a_part_that_is_not_known_to_go_by_layer_is_of_all_layers(picture: Path) -> None:
    """Reduction makes one tensor of several layers, say; so may a section that comes later."""
    subject = subject_of(picture)
    assert len(FeatureMethod("m", TREE, (32,))._parts(subject, 32)) == len(LAYERS)
    for change in ({"reduction.method": "resize", "reduction.factor": 2}, {"prediction.method": "new"}):
        assert len(FeatureMethod("m", changed(TREE, change), (32,))._parts(subject, 32)) == 1


def test_a_name_is_a_digest_of_json() -> None:
    assert json_digest({"b": [1, 2.5], "a": "x"}) == json_digest({"a": "x", "b": [1, 2.5]})
    assert json_digest([1, 2]) != json_digest([2, 1])
    assert json_digest("1") != json_digest(1)
    with pytest.raises(ValueError, match="JSON"):
        json_digest(float("nan"))
