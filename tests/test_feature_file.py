"""Feature files: what goes in comes out, and everything else is refused with the file's name."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_features, save_features
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.feature_file import SUFFIXES, load_feature_file
from vcm_ref.feature_set import FeatureSet

SIZE = {"picture_height": "12", "picture_width": "34"}
MAPS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def same(one: FeatureSet, other: FeatureSet) -> bool:
    """Sizes, layers in order, samples to the bit."""
    return (
        (one.height, one.width, list(one.layers)) == (other.height, other.width, list(other.layers))
        and all(
            a.dtype == b.dtype == np.float32 for a, b in zip(one.layers.values(), other.layers.values(), strict=True)
        )
        and all(a.tobytes() == b.tobytes() for a, b in zip(one.layers.values(), other.layers.values(), strict=True))
        and all(a.shape == b.shape for a, b in zip(one.layers.values(), other.layers.values(), strict=True))
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(
    names=st.lists(
        st.text("abz019_.-AZ", min_size=1, max_size=32).filter(lambda name: not name.startswith(("picture_", "__"))),
        min_size=1,
        max_size=5,
        unique=True,
    ),
    size=st.tuples(st.integers(1, 65536), st.integers(1, 65536)),
    seed=st.integers(0, 99),
)
def test_what_is_saved_is_loaded(
    tmp_path: Path, suffix: str, names: list[str], size: tuple[int, int], seed: int
) -> None:
    """Any layer names, in any order, also those that file formats use for themselves."""
    random = np.random.default_rng(seed)
    layers = {name: random.normal(size=(index + 1, 2, 3)).astype(np.float32) for index, name in enumerate(names)}
    features = FeatureSet(*size, layers)
    assert same(load_feature_file(save_features(tmp_path / f"x{suffix}", features)), features)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("name", ["file", "args", "kwds", "allow_pickle", "layers", "arr_0", ".", ".."])
def test_odd_names(tmp_path: Path, suffix: str, name: str) -> None:
    """Names that np.savez or a metadata key would stumble over."""
    features = FeatureSet(12, 34, {name: MAPS, "p2": MAPS + 1})
    assert same(load_feature_file(save_features(tmp_path / f"x{suffix}", features)), features)


@pytest.mark.parametrize(
    ("suffix", "name"), [(".safetensors", "__metadata__"), (".npz", "picture_height"), (".NPZ", "picture_width")]
)
def test_names_that_a_format_needs_for_itself_are_refused(tmp_path: Path, suffix: str, name: str) -> None:
    """A bitstream may have them: the file would be none, or hold no such layer."""
    features = FeatureSet(12, 34, {"p2": MAPS, name: MAPS})
    with pytest.raises(ConfigError, match=f"a {suffix} file cannot have a layer named {name}"):
        save_features(tmp_path / f"x{suffix}", features)
    for other in {*SUFFIXES} - {suffix.lower()}:
        path = save_features(tmp_path / f"x{other}", features)
        assert same(load_feature_file(path), features)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_features_give_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    """No time stamps."""
    one, two = (save_features(tmp_path / f"{name}{suffix}", make_features(4, 6, 8)) for name in "ab")
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".SAFETENSORS", ".NPZ"])
def test_the_suffix_is_upper_or_lower_case(tmp_path: Path, suffix: str) -> None:
    """As find_inputs takes it."""
    features = make_features(2, 4, 4)
    path = save_features(tmp_path / f"x{suffix.lower()}", features).rename(tmp_path / f"y{suffix}")
    assert same(load_feature_file(path), features)


def saved(path: Path, layers: dict[str, Any], **size: int) -> Path:
    """A file by the formats' own writers, as somebody else would make it."""
    if path.suffix == ".npz":
        np.savez(path, **layers, **size)
    else:
        save_file(layers, path, metadata={key: str(value) for key, value in size.items()})
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_of_others(tmp_path: Path, suffix: str) -> None:
    """As numpy and safetensors write them; a batch of one, and half precision, are taken as they are meant."""
    layers = {"a": MAPS[None], "b": MAPS.astype(np.float16)}
    found = load_feature_file(saved(tmp_path / f"x{suffix}", layers, picture_height=12, picture_width=34))
    assert same(found, FeatureSet(12, 34, {"a": MAPS, "b": MAPS}))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_does_not_say_the_size_of_the_picture(tmp_path: Path, suffix: str) -> None:
    """The size comes from the command line, as height and width; what the file says goes before it."""
    path = saved(tmp_path / f"x{suffix}", {"p2": MAPS})
    with pytest.raises(DatasetError, match=r"x\.\w+: does not say the picture's size.*--picture-size"):
        load_feature_file(path)
    assert (load_feature_file(path, (5, 6)).height, load_feature_file(path, (5, 6)).width) == (5, 6)
    told = saved(tmp_path / f"y{suffix}", {"p2": MAPS}, picture_height=12, picture_width=34)
    assert load_feature_file(told, (5, 6)).height == 12


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("array", "message"),
    [
        (MAPS.astype(np.float64), "layer p2 holds float64"),
        (MAPS.astype(np.int32), "layer p2 holds int32"),
        (MAPS[0], r"layer p2 has shape \(3, 4\)"),
        (np.stack([MAPS, MAPS]), r"layer p2 has shape \(2, 2, 3, 4\)"),
        (MAPS[:0], r"layer p2 has shape \(0, 3, 4\)"),
        (MAPS[:, :0], r"layer p2 has shape \(2, 0, 4\)"),
    ],
)
def test_a_layer_of_another_kind_is_named(
    tmp_path: Path, suffix: str, array: np.ndarray[Any, Any], message: str
) -> None:
    """Type and shape."""
    path = saved(tmp_path / f"x{suffix}", {"p2": np.ascontiguousarray(array)}, picture_height=12, picture_width=34)
    with pytest.raises(DatasetError, match=message) as caught:
        load_feature_file(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_without_layers(tmp_path: Path, suffix: str) -> None:
    """There is nothing to code."""
    with pytest.raises(DatasetError, match="holds no layers"):
        load_feature_file(saved(tmp_path / f"x{suffix}", {}, picture_height=12, picture_width=34))


def test_pickles_are_refused(tmp_path: Path) -> None:
    """They could run code: neither inside an archive nor instead of one."""

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    np.savez(tmp_path / "x.npz", p2=np.array([Trap()], dtype=object), picture_height=1, picture_width=1)
    (tmp_path / "y.npz").write_bytes(pickle.dumps(Trap()))
    for name in ("x.npz", "y.npz"):
        (tmp_path / "sprung").unlink(missing_ok=True)
        with pytest.raises(DatasetError, match=name):
            load_feature_file(tmp_path / name)
        assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", [(0, 5), (5, 0), (-1, 5), (65537, 5), (5, 10**9)])
def test_an_impossible_picture_size_is_refused(tmp_path: Path, suffix: str, size: tuple[int, int]) -> None:
    """1 to 65536."""
    path = saved(tmp_path / f"x{suffix}", {"p2": MAPS}, picture_height=size[0], picture_width=size[1])
    with pytest.raises(DatasetError, match="picture's size"):
        load_feature_file(path)


def test_a_list_of_layers_that_is_not_the_files_is_refused(tmp_path: Path) -> None:
    """A tensor must not get lost in silence."""
    for names in ('["p2"]', '["p2", "p3", "p4"]', '"p2"', "5", "{", '[["p2"], "p3"]'):
        save_file({"p2": MAPS, "p3": MAPS}, tmp_path / "x.safetensors", metadata={**SIZE, "layers": names})
        with pytest.raises(DatasetError, match=r"x\.safetensors"):
            load_feature_file(tmp_path / "x.safetensors")


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    """An npz file has arrays only."""
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("notes.txt", "hello")
        archive.writestr("picture_height.npy", "no array")
    np.save(tmp_path / "array.npy", MAPS)
    (tmp_path / "array.npy").rename(tmp_path / "y.npz")
    for name in ("x.npz", "y.npz"):
        with pytest.raises(DatasetError, match=name):
            load_feature_file(tmp_path / name)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("content", [b"", b"\x00" * 50, b"hello world", b"PK\x03\x04" + b"\x00" * 40])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    """With its name."""
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(DatasetError, match="no readable feature file"):
        load_feature_file(path)
    with pytest.raises(DatasetError, match="no readable feature file"):
        load_feature_file(tmp_path / f"absent{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(place=st.integers(0, 10**6), byte=st.integers(0, 255), cut=st.none() | st.integers(0, 10**6))
def test_a_damaged_file_is_read_or_refused(tmp_path: Path, suffix: str, place: int, byte: int, cut: int | None) -> None:
    """Nothing else comes out, whichever byte changes."""
    data = bytearray(save_features(tmp_path / f"x{suffix}", make_features(2, 4, 4, layers=2)).read_bytes())
    data[place % len(data)] = byte
    path = tmp_path / f"y{suffix}"
    path.write_bytes(data if cut is None else data[: cut % len(data)])
    try:
        load_feature_file(path)
    except DatasetError as error:
        assert path.name in str(error)
