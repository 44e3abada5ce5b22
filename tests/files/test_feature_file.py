"""Feature files: what goes in comes out, and everything else is refused with the file's name."""

from __future__ import annotations

import json
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_features, save_features
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.files.feature_file import load_feature_file, save_feature_file
from vcm_ref.files.feature_layers import looks_channels_last
from vcm_ref.files.kind import FEATURE_SUFFIXES as SUFFIXES

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
        (
            MAPS + np.float64(0.1),
            r"layer p2 holds float64 numbers that float32 does not have, 0.1 at channel 0, row 0, ",
        ),
        (
            MAPS.astype(np.int32) + 2**24,
            r"layer p2 holds int32 numbers .* 16777217 at channel 0, row 0, column 1 .*astype",
        ),
        (MAPS > 3, "layer p2 holds bool; save it as float32"),
        (MAPS[0], r"layer p2 has shape \(3, 4\)"),
        (np.stack([MAPS, MAPS]), r"layer p2 has shape \(2, 2, 3, 4\), a batch; save each picture"),
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
@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f2", ">f2", "<f8", ">f8", "i1", "u1", "<i2", ">i4", "<u8"])
def test_numbers_that_convert_exactly(tmp_path: Path, suffix: str, dtype: str) -> None:
    """Any order of bytes, any type; safetensors has little-endian ones only."""
    array = MAPS.astype(dtype if suffix == ".npz" else dtype.replace(">", "<"))
    path = saved(tmp_path / f"x{suffix}", {"p2": array}, picture_height=12, picture_width=34)
    assert same(load_feature_file(path), FeatureSet(12, 34, {"p2": MAPS}))


def test_an_array_in_the_order_of_columns(tmp_path: Path) -> None:
    """Fortran's order is one of memory, not of meaning."""
    path = saved(tmp_path / "x.npz", {"p2": np.asfortranarray(MAPS)}, picture_height=12, picture_width=34)
    found = load_feature_file(path)
    assert same(found, FeatureSet(12, 34, {"p2": MAPS}))
    assert found.layers["p2"].flags.c_contiguous


def raw_safetensors(path: Path, kind: str, data: bytes) -> Path:
    """A file of one tensor of 2x1x2 numbers of any kind, put together by hand (the format's own description)."""
    header = {"p2": {"dtype": kind, "shape": [2, 1, 2], "data_offsets": [0, len(data)]}, "__metadata__": SIZE}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def test_bfloat16_in_safetensors(tmp_path: Path) -> None:
    """bfloat16 is float32 without its lower half: 0x3F80 is 1, 0xC0A0 is -5, 0x0001 is 2**-133, 0x4049 is 3.140625."""
    path = raw_safetensors(tmp_path / "x.safetensors", "BF16", bytes.fromhex("803f a0c0 0100 4940"))
    assert load_feature_file(path).layers["p2"].ravel().tolist() == [1, -5, 2.0**-133, 3.140625]


@pytest.mark.parametrize(("kind", "length"), [("F8_E4M3", 4), ("F8_E5M2", 4), ("BOOL", 4), ("C64", 32)])
def test_other_types_of_safetensors_are_named(tmp_path: Path, kind: str, length: int) -> None:
    """With the layer and the remedy."""
    path = raw_safetensors(tmp_path / "x.safetensors", kind, bytes(length))
    with pytest.raises(DatasetError, match=r"x\.safetensors: .*(layer p2 holds \w+; save it as float32|dtype)"):
        load_feature_file(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_named(tmp_path: Path, suffix: str, value: float) -> None:
    """With layer and place."""
    told = "NaN" if np.isnan(value) else "infinity"
    for dtype in (np.float32, np.float16, np.float64):
        array = MAPS.astype(dtype)
        array[1, 2, 3] = value
        path = saved(tmp_path / f"x{suffix}", {"p2": array}, picture_height=12, picture_width=34)
        with pytest.raises(DatasetError, match=rf"x{suffix}: layer p2 holds {told} at channel 1, row 2, column 3"):
            load_feature_file(path)


def test_a_number_that_overflows_is_refused(tmp_path: Path) -> None:
    """1e39 is finite in float64 alone."""
    path = saved(tmp_path / "x.npz", {"p2": np.full((1, 1, 1), 1e39)}, picture_height=12, picture_width=34)
    with pytest.raises(DatasetError, match=r"numbers that float32 does not have, 1e\+39 at channel 0"):
        load_feature_file(path)


def test_a_npy_file_has_one_layer(tmp_path: Path) -> None:
    """Its name is that of the file, or what follows a dot in it, so that a folder of pictures has one name."""
    for name, layer in {"conv4_1": "conv4_1", "0001.p2": "p2", "a b": "a_b", "x" * 40: "x" * 32}.items():
        np.save(tmp_path / f"{name}.npy", MAPS)
        found = load_feature_file(tmp_path / f"{name}.npy", (12, 34))
        assert same(found, FeatureSet(12, 34, {layer: MAPS}))
    with pytest.raises(DatasetError, match="does not say the picture's size"):
        load_feature_file(tmp_path / "conv4_1.npy")
    np.save(tmp_path / "o.npy", np.array([{}], object), allow_pickle=True)
    with pytest.raises(DatasetError, match=r"o\.npy: is not a readable feature file"):
        load_feature_file(tmp_path / "o.npy", (12, 34))


def test_a_pt_file(tmp_path: Path) -> None:
    """A mapping of layers to tensors, with or without the picture's size, or one tensor."""
    torch = pytest.importorskip("torch", reason="torch is not installed")
    maps = torch.from_numpy(MAPS)
    layers = {"p3": maps.bfloat16(), "p2": maps[None].half().requires_grad_(), "p1": maps.double()}
    torch.save({**layers, "picture_height": 12, "picture_width": torch.tensor(34)}, tmp_path / "x.pt")
    assert same(load_feature_file(tmp_path / "x.pt"), FeatureSet(12, 34, {"p3": MAPS, "p2": MAPS, "p1": MAPS}))
    torch.save(maps, tmp_path / "p4.pt")
    assert same(load_feature_file(tmp_path / "p4.pt", (12, 34)), FeatureSet(12, 34, {"p4": MAPS}))
    for stored in ({"p2": [maps]}, [maps], {"p2": "text"}, {"p2": maps.to_sparse()}):
        torch.save(stored, tmp_path / "y.pt")
        with pytest.raises(DatasetError, match=r"y\.pt: is not a readable feature file: its entry .*save a mapping"):
            load_feature_file(tmp_path / "y.pt", (12, 34))


def test_a_pt_file_runs_no_code(tmp_path: Path) -> None:
    """It is refused, in one line."""
    torch = pytest.importorskip("torch", reason="torch is not installed")

    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    torch.save({"p2": torch.zeros(1, 1, 1), "p3": Trap()}, tmp_path / "x.pt")
    with pytest.raises(DatasetError, match=r"x\.pt: .*Python objects other than tensors"):
        load_feature_file(tmp_path / "x.pt", (12, 34))
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("height", "told"),
    [
        (np.float64(96.5), "picture_height is 96.5"),
        (np.array([1, 2]), "picture_height is an array of 2"),
        (True, "picture_height is True"),
        (np.nan, "picture_height is nan"),
        (np.inf, "picture_height is inf"),
        ("96.5", "picture_height is 96.5"),
        ("9" * 500, "picture_height is 9999"),
        ("", "picture_height is ;"),
    ],
)
def test_a_size_that_is_not_a_whole_number_is_refused(tmp_path: Path, height: Any, told: str) -> None:
    """In our words."""
    np.savez(tmp_path / "x.npz", p2=MAPS, picture_height=height, picture_width=34)
    with pytest.raises(DatasetError, match=f"{told}.*must be a whole number from 1 to 65536"):
        load_feature_file(tmp_path / "x.npz")


@pytest.mark.parametrize("height", [np.array([96]), 96.0, np.uint8(96), "96", np.array([[96]])])
def test_ways_to_say_a_size(tmp_path: Path, height: Any) -> None:
    """As long as it is one whole number."""
    np.savez(tmp_path / "x.npz", p2=MAPS, picture_height=height, picture_width=34)
    assert load_feature_file(tmp_path / "x.npz").height == 96


def test_half_a_size_is_refused(tmp_path: Path) -> None:
    """Height without width is a mistake, not a missing size."""
    np.savez(tmp_path / "x.npz", p2=MAPS, picture_height=12)
    with pytest.raises(DatasetError, match="it has picture_height, but of picture_height and picture_width both"):
        load_feature_file(tmp_path / "x.npz", (1, 2))


def test_entries_of_an_npz_archive_that_cannot_be_told_apart(tmp_path: Path) -> None:
    """Readers of npz archives take "a" and "a.npy" for the same entry: neither written nor read."""
    for name, other in (("a", "a.npy"), ("picture_height.npy", "b")):
        features = FeatureSet(12, 34, {name: MAPS, other: MAPS + 1})
        with pytest.raises(ConfigError, match=r"a \.npz file cannot have both \w+ and \w+\.npy"):
            save_features(tmp_path / "x.npz", features)
        assert same(load_feature_file(save_features(tmp_path / "x.safetensors", features)), features)
    np.savez(tmp_path / "y.npz", **{"a": MAPS, "a.npy": MAPS, "picture_height": 12, "picture_width": 34})
    with pytest.raises(DatasetError, match=r"entries a and a\.npy cannot be told apart"):
        load_feature_file(tmp_path / "y.npz")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_layer_twice_in_an_npz_archive_is_refused(tmp_path: Path) -> None:
    """One of them would get lost."""
    saved(tmp_path / "x.npz", {"p2": MAPS}, picture_height=12, picture_width=34)
    with zipfile.ZipFile(tmp_path / "x.npz", "a") as archive:
        archive.writestr("p2.npy", archive.read("p2.npy"))
    with pytest.raises(DatasetError, match="it holds p2 twice"):
        load_feature_file(tmp_path / "x.npz")


@pytest.mark.parametrize(
    ("shape", "size", "last"),
    [
        ((16, 24, 8), (64, 96), True),
        ((8, 16, 24), (64, 96), False),
        ((64, 64, 256), (512, 512), True),
        ((512, 7, 7), (900, 300), False),  # a classifier's, of a crop
        ((7, 7, 512), (480, 640), False),  # likewise, transposed: not sure enough
        ((1, 1, 1), (10, 10), False),
    ],
)
def test_channels_last_is_guessed_from_proportions(
    shape: tuple[int, int, int], size: tuple[int, int], last: bool
) -> None:
    """Only where the picture's proportions speak for it."""
    assert looks_channels_last(FeatureSet(*size, {"p2": np.zeros(shape, np.float32)})) is last


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
    with pytest.raises(DatasetError, match="is not a readable feature file"):
        load_feature_file(path)
    with pytest.raises(DatasetError, match="is not a readable feature file"):
        load_feature_file(tmp_path / f"absent{suffix}")


@pytest.mark.parametrize("name", ["x.pt", "x.npz"])
def test_a_reader_that_says_nothing_of_use_is_not_quoted(tmp_path: Path, name: str) -> None:
    """For this content torch says a number alone, and NumPy advises to load it unsafely."""
    if name.endswith("pt"):
        pytest.importorskip("torch", reason="torch is not installed")
    (tmp_path / name).write_bytes(b"junk\n")
    with pytest.raises(DatasetError, match=r"feature file: it is damaged, or of another format$"):
        load_feature_file(tmp_path / name, (1, 1))


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


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_covered_part_is_kept(tmp_path: Path, suffix: str) -> None:
    features = replace(make_features(2, 4, 4), covered=(312 / 416, 1.0))
    with (tmp_path / f"x{suffix}").open("wb") as file:
        save_feature_file(file, suffix, features)
    assert load_feature_file(tmp_path / f"x{suffix}").covered == (0.75, 1.0)


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ({"covered_height": 0.5}, "has no covered_width"),
        (
            {"covered_height": 1.5, "covered_width": 1.0},
            "covered_height is 1.5; it must be a number above 0, at most 1",
        ),
        ({"covered_height": np.nan, "covered_width": 1.0}, "covered_height is nan"),
        ({"covered_height": 1.0, "covered_width": "a"}, "covered_width is a"),
        ({"covered_height": 1.0, "covered_width": np.ones(2)}, "covered_width is"),
    ],
)
def test_a_covered_part_that_is_none_is_refused(tmp_path: Path, entries: dict[str, Any], told: str) -> None:
    path = tmp_path / "x.npz"
    np.savez(path, p2=np.ones((1, 2, 2), np.float32), picture_height=8, picture_width=8, **entries)
    with pytest.raises(DatasetError, match=told):
        load_feature_file(path)
