"""Tensor files of others: arrays and tensors are read, and no code in them is run."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vcm_ref.errors import NetworkError

torch = pytest.importorskip("torch", reason="torch is not installed")

from vcm_ref.network.tensor_files import read_tensors  # noqa: E402
from vcm_ref.network.torch_parts import read_state  # noqa: E402

ARRAYS = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.asfortranarray(np.eye(3)), "c": np.int64(7)}


class Trap:
    """Touches a file where it is unpickled by Python's own reader."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_arrays_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    """Also arrays in the order of columns, and scalars of NumPy."""
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"model": OrderedDict(ARRAYS), "__author__": "us"}, protocol))
    found = read_tensors(tmp_path / "x.pkl")
    assert found["__author__"] == "us"
    for name, array in ARRAYS.items():
        assert np.array_equal(found["model"][name], array)
    assert sorted(read_state(tmp_path / "x.pkl")) == sorted(ARRAYS)


@pytest.mark.parametrize("protocol", [2, pickle.HIGHEST_PROTOCOL])
def test_tensors_in_a_plain_pickle(tmp_path: Path, protocol: int) -> None:
    """And parameters, which are tensors that can be trained."""
    tensors = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.nn.Parameter(torch.ones(2))}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(tensors, protocol))
    found = read_state(tmp_path / "x.pkl")
    assert torch.equal(found["a"], tensors["a"])
    assert torch.equal(found["b"], torch.ones(2))


@pytest.mark.parametrize("suffix", [".pkl", ".pth", ".pt"])
@pytest.mark.parametrize("kind", ["alone", "in a mapping", "in an array", "in a checkpoint"])
def test_code_is_not_run(tmp_path: Path, suffix: str, kind: str) -> None:
    """The file is refused in one line that names what it asked for."""
    trap: Any = Trap(tmp_path / "sprung")
    if kind == "in a mapping":
        trap = {"a": np.zeros(3), "b": trap}
    elif kind == "in an array":
        trap = {"a": np.array([trap], dtype=object)}
    path = tmp_path / f"x{suffix}"
    if kind == "in a checkpoint":  # the zip archive that torch.save writes
        torch.save({"a": torch.zeros(2), "b": trap}, path)
    else:
        path.write_bytes(pickle.dumps(trap))
    with pytest.raises(NetworkError) as caught:
        read_state(path)
    assert not (tmp_path / "sprung").exists()
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "weights_only" not in str(caught.value)
    if suffix == ".pkl" and kind != "in a checkpoint":
        assert "pathlib" in str(caught.value) and "could run code" in str(caught.value)
    if suffix != ".pkl" and kind == "in a checkpoint":
        assert "Python objects other than tensors" in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["os.system", "builtins.eval", "builtins.getattr", "torch.load", "numpy.load", "torch.hub.load", "numpy.testing.x"],
)
def test_functions_are_refused_by_name(tmp_path: Path, name: str) -> None:
    """Harmless-looking modules have functions that read files or run code."""
    module, _, function = name.rpartition(".")
    (tmp_path / "x.pkl").write_bytes(f"c{module}\n{function}\n(S'x'\ntR.".encode())
    with pytest.raises(NetworkError, match=f"asks for {name}, which is neither an array nor a tensor"):
        read_state(tmp_path / "x.pkl")


def test_a_trap_inside_a_tensors_memory(tmp_path: Path) -> None:
    """torch keeps a tensor's memory in a pickle as a file of its own, which is a pickle again."""
    inner = pickle.dumps(Trap(tmp_path / "sprung"), 2)
    data = b"ctorch.storage\n_load_from_bytes\n(B" + len(inner).to_bytes(4, "little") + inner + b"tR."
    (tmp_path / "x.pkl").write_bytes(data)
    with pytest.raises(NetworkError):
        read_state(tmp_path / "x.pkl")
    assert not (tmp_path / "sprung").exists()


def test_a_trap_in_a_nested_archive(tmp_path: Path) -> None:
    """A checkpoint whose data.pkl was replaced."""
    torch.save({"a": torch.zeros(2)}, tmp_path / "good.pth")
    with zipfile.ZipFile(tmp_path / "good.pth") as good, zipfile.ZipFile(tmp_path / "x.pth", "w") as bad:
        for entry in good.namelist():
            is_pickle = entry.endswith("data.pkl")
            bad.writestr(entry, pickle.dumps(Trap(tmp_path / "sprung"), 2) if is_pickle else good.read(entry))
    with pytest.raises(NetworkError):
        read_state(tmp_path / "x.pth")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("suffix", [".pkl", ".pth", ".pt", ".safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"\x80\x02", b"PK\x03\x04" + bytes(40), b"\x80\x04\x95" + bytes(20)]
)
def test_files_of_another_kind_are_refused(tmp_path: Path, suffix: str, content: bytes) -> None:
    """In one line with the file's name."""
    path = tmp_path / f"x{suffix}"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match="cannot be read") as caught:
        read_state(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("array", [np.array(["text"]), np.array([None, 3], dtype=object)])
def test_arrays_that_are_not_of_numbers_are_refused(tmp_path: Path, array: Any) -> None:
    """They are no tensors."""
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"a": array}))
    with pytest.raises(NetworkError, match="not of numbers"):
        read_state(tmp_path / "x.pkl")
