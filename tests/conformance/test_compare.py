"""Two outputs compared: how many samples differ, by how much, and which is the first."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from vcm_ref.conformance import compare
from vcm_ref.conformance.compare import Comparison, compare_outputs, compare_tensors
from vcm_ref.conformance.tables import comparison_table
from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.files.feature_file import save_feature_file

from .suites import SmallSuite

P2 = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
P3 = np.arange(4, dtype=np.uint16).reshape(1, 2, 2)


def raw(path: Path, *tensors: NDArray[Any], names: str = "") -> Path:
    """Samples in a raw file; with ``names``, described as vcm_dec does."""
    path.write_bytes(b"".join(np.ascontiguousarray(tensor, tensor.dtype.newbyteorder("<")) for tensor in tensors))
    if names:
        entries, offset = [], 0
        for name, tensor in zip(names.split(), tensors, strict=True):
            entries.append({"name": name, "shape": list(tensor.shape), "offset": offset, "sha256": ""})
            offset += tensor.nbytes
        described = {"tensors": entries, "picture_height": 8, "picture_width": 9}
        path.with_name(path.name + ".json").write_text(json.dumps(described))
    return path


def features(path: Path, layers: Mapping[str, NDArray[Any]], size: tuple[int, int] = (8, 9)) -> Path:
    """A feature file."""
    with path.open("wb") as file:
        save_feature_file(file, path.suffix, FeatureSet(*size, {k: v.astype(np.float32) for k, v in layers.items()}))
    return path


def changed(tensor: NDArray[Any], index: tuple[int, ...], value: float) -> NDArray[Any]:
    """A copy with one other sample."""
    copy = tensor.copy()
    copy[index] = value
    return copy


def names(found: Comparison) -> list[str]:
    return [tensor.name for tensor in found.tensors]


def test_equal_tensors() -> None:
    found = compare_tensors("p2", P2, P2.copy())
    assert found.is_equal
    assert (found.samples, found.different, found.first, found.largest_ulp) == (24, 0, None, None)


def test_different_integers() -> None:
    found = compare_tensors("p2", changed(P2, (0, 2, 1), 65535), changed(P2, (1, 0, 3), 10))
    assert (found.different, found.largest) == (2, 65535 - 9)
    assert found.first == (0, 2, 1)
    assert found.values == (65535, 9)


def test_different_floats() -> None:
    floats = np.array([[[1.0, -0.0, 3.0, 1e-45, np.nan, np.nan, np.inf]]], np.float32)
    other = np.array([[[1.0, 0.0, 3.0, -1e-45, np.nan, 1.0, np.inf]]], np.float32)
    found = compare_tensors("p2", floats, other)
    assert (found.different, found.not_numbers) == (3, 1)  # the same NaN is no difference
    assert found.largest_ulp == 2  # either side of zero
    assert found.largest == pytest.approx(2.8e-45, rel=0.1)
    assert found.first == (0, 0, 1)
    assert math.copysign(1, found.values[0]) == -1 if found.values else False
    nextafter = np.nextafter(floats, np.float32(np.inf), dtype=np.float32)
    one = compare_tensors("p2", floats[..., :1], nextafter[..., :1])
    assert (one.largest_ulp, one.largest) == (1, pytest.approx(2**-23))


def test_infinities() -> None:
    floats = np.array([np.inf, -np.inf, np.inf], np.float32)
    found = compare_tensors("x", floats, np.array([-np.inf, 1, np.nan], np.float32))
    assert (found.different, found.not_numbers, found.largest) == (3, 1, math.inf)


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 65535)), min_size=1, max_size=40), st.integers(1, 7))
def test_in_blocks_as_at_once(pairs: list[tuple[int, int]], block: int) -> None:
    first, second = (np.array(side, np.uint16).reshape(1, 1, -1) for side in zip(*pairs, strict=True))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "_BLOCK", block)
        found = compare_tensors("x", first, second)
    distances = [abs(a - b) for a, b in pairs]
    assert found.different == sum(distance > 0 for distance in distances)
    assert found.largest == max(distances)
    expected = next(((0, 0, i) for i, distance in enumerate(distances) if distance), None)
    assert found.first == expected


def test_other_shapes_and_types() -> None:
    assert compare_tensors("x", P2, P3).remark == "shape (2, 3, 4) against (1, 2, 2)"
    assert compare_tensors("x", P2, P2.astype(np.float32)).remark == "uint16 against float32"
    found = compare_tensors("x", P2.reshape(-1), P2.reshape(-1)[:20])
    assert (found.remark, found.samples, found.different) == ("24 samples against 20", 20, 0)
    assert not found.is_equal


def test_raw_files(tmp_path: Path) -> None:
    one = raw(tmp_path / "a.raw", P2, P3, names="p2 p3")
    other = raw(tmp_path / "b.raw", P2, changed(P3, (0, 1, 0), 9), names="p2 p3")
    found = compare_outputs(one, other)
    assert names(found) == ["p2", "p3"]
    assert [tensor.different for tensor in found.tensors] == [0, 1]
    assert found.tensors[1].first == (0, 1, 0)
    assert compare_outputs(one, one).is_equal
    renamed = compare_outputs(one, raw(tmp_path / "c.raw", P2, P3, names="p2 p4"))
    assert [tensor.remark for tensor in renamed.tensors] == ["", f"only in {one}", f"only in {tmp_path / 'c.raw'}"]


def test_one_description_serves_both(tmp_path: Path) -> None:
    one = raw(tmp_path / "a.raw", P2, P3, names="p2 p3")
    other = raw(tmp_path / "b.raw", P2, changed(P3, (0, 1, 0), 9))
    for pair in ((one, other), (other, one)):
        found = compare_outputs(*pair)
        assert (names(found), found.tensors[1].first) == (["p2", "p3"], (0, 1, 0))
    plain = compare_outputs(other, raw(tmp_path / "c.raw", P2, P3))
    assert (names(plain), plain.tensors[0].first, plain.tensors[0].values) == (["all samples"], (26,), (9, 2))
    short = compare_outputs(one, raw(tmp_path / "d.raw", P2))
    assert not short.is_equal


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_feature_files(tmp_path: Path, suffix: str) -> None:
    one = features(tmp_path / f"a{suffix}", {"p2": P2, "p3": P3})
    other = features(tmp_path / "b.npz", {"p2": P2, "p3": changed(P3.astype(np.float32), (0, 0, 1), 1.5)}, (8, 10))
    found = compare_outputs(one, other)
    assert [tensor.different for tensor in found.tensors] == [0, 1]
    assert found.tensors[1].values == (1.0, 1.5)
    assert found.remarks == ["the picture's height and width are (8, 9) against (8, 10)"]
    t2 = raw(tmp_path / "t2.raw", P2.astype(np.float32), P3.astype(np.float32))
    assert compare_outputs(t2, one).is_equal  # float32 by its name, laid out as the feature file is


def test_folders(tmp_path: Path, small: SmallSuite) -> None:
    right = small.answers / "GOOD_VVC_A_1"
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "log.txt").write_text("not looked at")
    for name in ("t0.raw", "t1.raw"):
        (mine / name).write_bytes((right / name).read_bytes())
    found = compare_outputs(mine, right)
    assert [tensor.is_equal for tensor in found.tensors] == [True, True]
    assert found.remarks == [f"t2.raw: only in {right}"]
    content = bytearray((right / "t1.raw").read_bytes())
    content[-1] ^= 1
    (mine / "t1.raw").write_bytes(content)
    (mine / "t2.raw").write_bytes((right / "t2.raw").read_bytes())
    (vector,) = [vector for vector in small.vectors if vector.id == "GOOD_VVC_A_1"]
    found = compare_outputs(mine, right, vector)
    (wrong,) = [tensor for tensor in found.tensors if not tensor.is_equal]
    assert (wrong.name, wrong.first) == ("t1.raw: picture 1, p3", (0, 1, 1))
    assert len(found.tensors) == 2 + 4 + 4
    assert found.remarks == []


def test_the_table(tmp_path: Path) -> None:
    one, other = P2.astype(np.float32), changed(P2.astype(np.float32), (1, 2, 3), np.nan)
    found = compare_outputs(features(tmp_path / "a.npz", {"p2": one}), features(tmp_path / "b.npz", {"p2": other}))
    (row,) = comparison_table(found).splitlines()[2:]
    assert row.split() == [
        "p2", "24", "1", "0", "0", "1,", "2,", "3", "23", "nan", "1", "without", "a", "difference", "(NaN)",
    ]  # fmt: skip


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    one = raw(tmp_path / "a.raw", P2)
    (tmp_path / "empty.raw").write_bytes(b"")
    assert compare_outputs(tmp_path / "empty.raw", tmp_path / "empty.raw").is_equal
    (tmp_path / "odd.raw").write_bytes(b"123")
    (tmp_path / "x.txt").write_bytes(b"123")
    (tmp_path / "x.npz").write_bytes(b"123")
    (tmp_path / "folder").mkdir()
    (tmp_path / "bad.raw").write_bytes(b"12")
    for described in ("{}", "[", '{"tensors": [{"offset": 0, "name": "x", "shape": [5]}]}'):
        (tmp_path / "bad.raw.json").write_text(described)
        with pytest.raises(ConfigError, match=r"bad\.raw\.json"):
            compare_outputs(tmp_path / "bad.raw", one)
    for name, message in [
        ("odd.raw", "has 3 bytes, which is not a whole number of uint16 samples"),
        ("x.txt", r"cannot be compared; supported outputs end in \.raw, \.safetensors, \.npz"),
        ("none.raw", "there is no such file"),
        ("folder", "compare two files, or two folders"),
    ]:
        with pytest.raises(ConfigError, match=message):
            compare_outputs(tmp_path / name, one)
    with pytest.raises(ConfigError, match="have no files that end in"):
        compare_outputs(tmp_path / "folder", tmp_path / "folder")
    with pytest.raises(DatasetError, match="is not a readable feature file"):
        compare_outputs(tmp_path / "x.npz", tmp_path / "x.npz")
