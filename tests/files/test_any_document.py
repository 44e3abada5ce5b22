"""Any document in place of a good one is taken or refused in one line, never an error of ours.

A good document of each kind is spoiled in one place, with a value that somebody's program or hand may have put there,
and given to the code that uses it.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import CONFIGURATIONS, make_features
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vcm_ref.app import report as report_app
from vcm_ref.configuration import Configuration, load_configuration
from vcm_ref.conformance.adaptor import load_adaptor
from vcm_ref.conformance.manifest import load_suite
from vcm_ref.conformance.tensor_files import read_tensors
from vcm_ref.encoding.settings import settings_for
from vcm_ref.errors import VcmError
from vcm_ref.experiment.anchor import read_anchor
from vcm_ref.experiment.crosscheck.rebuilt import Machine, rebuilt_labels, rebuilt_method, rebuilt_network
from vcm_ref.experiment.curve import read_curve
from vcm_ref.experiment.sweep_file import load_sweep

ROOT = CONFIGURATIONS.parent
ODD: list[Any] = [
    None, True, 0, -1, 1, 2**53, 2**63 - 1, 10**400, 1.5, -0.0, 1e308, float("nan"), float("inf"), "", "x", "\0",
    "\ud800", "a" * 300, "../..", "/", "1e3", "p2.0", [], [[]], [None], [1, 1], {}, {"": 1}, {"x": {"y": []}},
    {"default": None},
]  # fmt: skip


def nested(depth: int) -> Any:
    """Lists in lists."""
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def places(tree: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value, with the root's."""
    yield path
    entries = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in list(entries)[:40]:
        yield from places(value, (*path, key))


def spoiled(tree: Any, path: tuple[Any, ...], value: Any, drop: bool) -> Any:
    """A copy with another value at ``path``, or without it."""
    if not path:
        return value
    made = copy.deepcopy(tree)
    node = made
    for key in path[:-1]:
        node = node[key]
    if drop:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return made


def use_configuration(path: Path) -> None:
    configuration = load_configuration([path])
    settings_for(configuration, make_features(16, 8, 8, layers=2))


def use_anchor(path: Path) -> None:
    anchor = read_anchor(path)
    rebuilt_method(anchor, [37], Machine(None, {}), "auto")
    rebuilt_network(anchor, Machine("random", {}))
    rebuilt_labels(anchor, None)


def use_report(path: Path) -> None:
    code = report_app.main([str(path), "-o", str(path.parent / "report")])
    if code not in (0, 2):
        raise AssertionError(f"exit code {code}")


def use_raw(path: Path) -> None:
    (path.parent / "x.raw").write_bytes(bytes(64))
    read_tensors(path.parent / "x.raw")


def use_manifest(path: Path) -> None:
    load_suite(path.parent)


def small_anchor() -> Any:
    """An anchor of the project with two points of two pictures."""
    anchor = json.loads((ROOT / "anchors" / "refnet" / "fframe.json").read_text())
    anchor["pictures"] = anchor["pictures"][:2]
    anchor["points"] = anchor["points"][:2]
    for point in anchor["points"]:
        point["pictures"] = point["pictures"][:2]
    return anchor


def small_manifest() -> Any:
    """The suite's manifest with two vectors."""
    manifest = json.loads((ROOT / "conformance" / "manifest.json").read_text())
    manifest["vectors"] = manifest["vectors"][:2]
    return manifest


CONFIGURATION = {**load_configuration(["fframe"]).tree, "input": "x.png", "base": str(CONFIGURATIONS / "lossless.yaml")}
SWEEP = {
    "title": "t",
    "data": "data.json",
    "images": ".",
    "with": ["networks/yolox_nano"],
    "set": {"codec.qp": 30, "network.weights": "x"},
    "qps": [22, 37],
    "anchor": "a",
    "methods": {"a": "fframe", "b": {"config": ["tiling"], "set": {"packing.grid": "1x1"}, "qps": [1]}},
    "combinations": {"config": "tiling", "grids": {"p2": ["1x1", "2x2"]}},
}
ADAPTOR = {
    "name": "x",
    "command": ["sh", "{bitstream}", "{output}"],
    "planes": ["{planes}"],
    "version": ["sh", "-c", "true"],
    "profiles": ["Core"],
    "level": 3,
    "exit_codes": {"any": 1},
}
RAW = {"picture_height": 4, "picture_width": 4, "tensors": [{"name": "p2", "shape": [1, 2, 4], "offset": 8}]}
CURVE = json.loads((ROOT / "anchors" / "published" / "rhee2022-table7-anchor.json").read_text())

KINDS: dict[str, tuple[str, Any, Callable[[Path], object]]] = {
    "configuration": ("x.yaml", CONFIGURATION, use_configuration),
    "sweep": ("x.yaml", SWEEP, load_sweep),
    "adaptor": ("x.yaml", ADAPTOR, load_adaptor),
    "anchor": ("x.json", small_anchor(), use_anchor),
    "curve": ("x.json", CURVE, read_curve),
    "raw": ("x.raw.json", RAW, use_raw),
    "manifest": ("manifest.json", small_manifest(), use_manifest),
}


def tried(use: Callable[[Path], object], path: Path) -> None:
    """Use a file; what is raised is one line, and the exit code is the right one."""
    try:
        use(path)
    except VcmError as error:
        assert error.exit_code in (2, 3), error
        assert "\n" not in str(error)
        assert len(str(error)) < 1500


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_one_wrong_value(kind: str, tmp_path: Path, data: st.DataObject) -> None:
    name, good, use = KINDS[kind]
    path = data.draw(st.sampled_from(list(places(good))))
    value = data.draw(st.one_of(st.sampled_from([*ODD, nested(70)]), st.integers(), st.text(max_size=5)))
    tree = spoiled(good, path, value, data.draw(st.booleans()))
    text = json.dumps(tree) if name.endswith("json") else yaml.safe_dump(tree, allow_unicode=False)
    (tmp_path / name).write_text(text, encoding="utf-8", errors="surrogatepass")
    tried(use, tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.one_of(st.binary(max_size=50), st.text("{}[]:,&*-?!|>'\"\\ \n\tab01.<#%@~", max_size=50).map(str.encode))
)
def test_any_content(kind: str, tmp_path: Path, content: bytes) -> None:
    name, _, use = KINDS[kind]
    (tmp_path / name).write_bytes(content)
    tried(use, tmp_path / name)


@pytest.mark.parametrize("kind", KINDS)
def test_the_good_one_is_read(kind: str, tmp_path: Path) -> None:
    """So that the tests above spoil something."""
    if kind in ("sweep", "configuration"):  # these need data, or a base of another folder
        pytest.skip("read by the tests of their own")
    name, good, use = KINDS[kind]
    (tmp_path / name).write_text(json.dumps(good))
    use(tmp_path / name)


def test_a_report_of_a_spoiled_anchor(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through the executable: exit code 2, one line."""
    for number, change in enumerate(
        [{"tolerance": {"t1": 0, "metrics": float("nan")}}, {"points": nested(3000 // 50)}]
    ):
        (tmp_path / f"{number}.json").write_text(json.dumps({**small_anchor(), **change}))
        use_report(tmp_path / f"{number}.json")
        assert capsys.readouterr().err.count("\n") == 1


def test_a_configuration_in_code_is_checked_too() -> None:
    """Whatever its keys are."""
    for tree in ({1: 2}, {"codec": {1: 2}}, {"codec": {"qp": float("nan")}}, {"codec": None}, {"network": []}):
        with pytest.raises(VcmError):
            Configuration(tree)
