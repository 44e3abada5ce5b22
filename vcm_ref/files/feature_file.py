"""Feature sets in files: ``.safetensors`` and ``.npz``, and read only, ``.npy`` and ``.pt``.

Layers are float32 arrays ``(C, H, W)`` under their names, in the file's order; an ``.npy`` file has one layer, named by
the file. The original picture's size travels as ``picture_height`` and ``picture_width``: in the metadata of a
safetensors file, as integer entries of an npz or pt file. Where a network filled up its input, ``covered_height`` and
``covered_width`` beside them say which parts of the layers the picture covers.
"""

from __future__ import annotations

import json
import lzma
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..bitstream.elements import MAX_SIZE
from ..conversion.covered import WHOLE
from ..errors import ConfigError, DatasetError
from ..feature_set import FeatureSet
from .feature_layers import as_layer, whole_number
from .kind import check_kind

_SIZE_KEYS = ("picture_height", "picture_width")
_COVERED_KEYS = ("covered_height", "covered_width")
_ENTRY_KEYS = (*_SIZE_KEYS, *_COVERED_KEYS)
_SIZE_OPTION = "give it with --picture-size WIDTHxHEIGHT"
_METADATA = "__metadata__"
_ENTRY_SUFFIX = ".npy"  # of an array in an npz archive; np.load gives both "a" and "a.npy" for it
#: Entries that are not layers, so that no layer can have their names.
_RESERVED = {".safetensors": (_METADATA,), ".npz": _ENTRY_KEYS}
_ORDER_KEY = "layers"  # safetensors sorts its tensors by name; this entry keeps the layers' order
#: What the readers of all formats raise for files that are damaged, encrypted or of another kind.
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, SyntaxError, struct.error,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip

Arrays = dict[str, NDArray[Any]]
Size = tuple[int, int]
Parts = tuple[float, float]


def load_feature_file(
    path: Path, picture_size: Size | None = None, *, finite: bool = True, remedy: str = _SIZE_OPTION
) -> FeatureSet:
    """Read one feature set. ``picture_size`` (height, width) is used where the file does not say it;
    ``remedy`` tells the user what to do where neither is known.

    Numbers of another type than float32 are accepted where each converts exactly; with ``finite``, NaN and infinity are
    not. Pickled objects are refused, and no
    code of a file is run. Raises :class:`DatasetError` naming the file, and the layer and the sample if it is about
    one.
    """
    check_kind(path)
    try:
        arrays, size, covered = _LOADERS[path.suffix.lower()](path)
    except _UNREADABLE as error:
        raise DatasetError(f"{path}: is not a readable feature file: {_told(error)}") from error
    size = size or picture_size
    if size is None:
        raise DatasetError(f"{path}: does not say the picture's size; {remedy}")
    if not arrays:
        raise DatasetError(f"{path}: holds no layers")
    try:
        layers = {name: as_layer(name, array, finite) for name, array in arrays.items()}
        return FeatureSet(*size, layers, covered)
    except ValueError as error:
        raise DatasetError(f"{path}: {error}") from error


def _told(error: Exception) -> str:
    """The message of a reader; in its place our own where it is a number, or advises to run a file's code."""
    told: str = getattr(error, "strerror", None) or " ".join(str(error).split())
    return "it is damaged, or of another format" if not re.search("[a-z]", told) or "allow_pickle" in told else told


def _load_safetensors(path: Path) -> tuple[Arrays, Size | None, Parts]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = json.loads(metadata[_ORDER_KEY]) if _ORDER_KEY in metadata else file.offset_keys()
            if sorted(names) != sorted(file.keys()):
                raise ValueError(f"its metadata {_ORDER_KEY!r} does not list the tensors that it has")
            arrays = {name: _tensor(path, file, name) for name in names}
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    return arrays, _picture_size(metadata), _covered(metadata)


def _tensor(path: Path, file: Any, name: str) -> NDArray[Any]:
    """One tensor of a safetensors file; bfloat16, which NumPy lacks, as the float32 that it is the upper half of."""
    kind = file.get_slice(name).get_dtype()
    if kind != "BF16":
        try:
            return np.asarray(file.get_tensor(name))
        except (TypeError, AttributeError) as error:  # NumPy has no such type
            raise ValueError(f"layer {name} holds {kind}; save it as float32") from error
    with path.open("rb") as raw:
        length = int.from_bytes(raw.read(8), "little")
        entry = json.loads(raw.read(length))[name]
        start, end = entry["data_offsets"]
        raw.seek(8 + length + start)
        upper = np.frombuffer(raw.read(end - start), "<u2").astype(np.uint32)
    return (upper << np.uint32(16)).view(np.float32).reshape(entry["shape"])


def _load_npz(path: Path) -> tuple[Arrays, Size | None, Parts]:
    with np.load(path, allow_pickle=False) as file:
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it is not an npz archive")
        if twice := [name for name, count in Counter(file.files).items() if count > 1]:
            raise ValueError(f"it holds {twice[0]} twice")
        if pair := _colliding(file.files):
            raise ValueError(f"entries {pair[0]} and {pair[1]} cannot be told apart")
        arrays = {name: _entry(file, name) for name in file.files}
    return _without_size(arrays)


def _entry(file: Any, name: str) -> NDArray[Any]:
    try:
        array = file[name]
    except ValueError as error:
        if "allow_pickle" not in str(error):
            raise
        raise ValueError(f"layer {name} holds pickled objects, which are refused; save it as float32") from error
    if not isinstance(array, np.ndarray):
        raise ValueError(f"its entry {name} is not an array")
    return array


def _load_npy(path: Path) -> tuple[Arrays, Size | None, Parts]:
    with path.open("rb") as file:
        array = np.lib.format.read_array(file, allow_pickle=False)
    return {layer_name(path): array}, None, WHOLE


def _load_pt(path: Path) -> tuple[Arrays, Size | None, Parts]:
    try:
        from ..network.tensor_files import read_tensors
    except ImportError as error:
        raise ValueError("to read it, torch is needed: pip install torch; or save it as .safetensors") from error
    stored = read_tensors(path)
    if not isinstance(stored, Mapping):
        stored = {layer_name(path): stored}
    return _without_size({str(name): _of_torch(str(name), value) for name, value in stored.items()})


def _of_torch(name: str, value: Any) -> NDArray[Any]:
    import torch

    if isinstance(value, (int, float, np.ndarray, np.generic)):
        return np.asarray(value)
    if not isinstance(value, torch.Tensor) or value.layout != torch.strided or value.is_quantized:
        kind = f"{value.layout} tensor" if isinstance(value, torch.Tensor) else type(value).__name__
        raise ValueError(f"its entry {name!r} is a {kind}; save a mapping of layer names to dense tensors")
    if value.is_floating_point() and value.element_size() < 4:
        value = value.float()  # exact, also for the types that NumPy lacks
    array: NDArray[Any] = value.numpy(force=True)
    return array


def layer_name(path: Path) -> str:
    """The layer's name where a file holds one array without a name.

    It is what follows the last dot before the suffix (``0001.p2.npy``), else all of it.
    """
    return re.sub(r"[^A-Za-z0-9_.-]", "_", path.stem.rpartition(".")[2] or path.stem)[:32]


def _without_size(arrays: Arrays) -> tuple[Arrays, Size | None, Parts]:
    layers = {name: array for name, array in arrays.items() if name not in _ENTRY_KEYS}
    return layers, _picture_size(arrays), _covered(arrays)


def _picture_size(entries: Mapping[str, Any]) -> Size | None:
    given = [key for key in _SIZE_KEYS if key in entries]
    if not given:
        return None
    if len(given) == 1:
        raise ValueError(f"it has {given[0]}, but of {' and '.join(_SIZE_KEYS)} both are needed")
    height, width = (whole_number(key, entries[key], MAX_SIZE) for key in _SIZE_KEYS)
    return height, width


def _covered(entries: Mapping[str, Any]) -> Parts:
    if not any(key in entries for key in _COVERED_KEYS):
        return WHOLE
    found = []
    for key in _COVERED_KEYS:
        if key not in entries:
            raise ValueError(f"it has no {key}; of {' and '.join(_COVERED_KEYS)} both are needed")
        try:
            part = float(np.asarray(entries[key]).item())
        except (TypeError, ValueError):
            part = 0.0
        if not 0 < part <= 1:
            raise ValueError(f"its {key} is {str(entries[key])[:40]}; it must be a number above 0, at most 1")
        found.append(part)
    return found[0], found[1]


_LOADERS = {".safetensors": _load_safetensors, ".npz": _load_npz, ".npy": _load_npy, ".pt": _load_pt}


def _colliding(names: Iterable[str]) -> tuple[str, str] | None:
    """Two names that a reader of an npz archive takes for the same entry: one is the other's with its suffix."""
    known = {*names}
    return next(((name, name + _ENTRY_SUFFIX) for name in sorted(known) if name + _ENTRY_SUFFIX in known), None)


def save_feature_file(file: BinaryIO, suffix: str, features: FeatureSet) -> None:
    """Write one feature set in the format of ``suffix``; the inverse of :func:`load_feature_file`.

    Raises :class:`ConfigError` for a layer whose name the format needs for something else.
    """
    if taken := [name for name in features.layers if name in _RESERVED[suffix.lower()]]:
        raise ConfigError(f"a {suffix} file cannot have a layer named {taken[0]}; choose another format")
    if suffix.lower() == ".npz" and (pair := _colliding((*features.layers, *_ENTRY_KEYS))):
        raise ConfigError(f"a {suffix} file cannot have both {pair[0]} and {pair[1]}; choose another format")
    size = dict(zip(_SIZE_KEYS, (features.height, features.width), strict=True))
    covered = {} if features.covered == WHOLE else dict(zip(_COVERED_KEYS, features.covered, strict=True))
    if suffix.lower() == ".safetensors":
        parts = {key: repr(value) for key, value in covered.items()}
        _save_safetensors(file, features, {key: str(value) for key, value in size.items()} | parts)
        return
    with zipfile.ZipFile(file, "w") as archive:  # not np.savez: it takes no entry named like its own arguments
        entries = {key: np.int64(value) for key, value in size.items()}
        parts_of_layers = {key: np.float64(value) for key, value in covered.items()}
        for name, array in {**features.layers, **entries, **parts_of_layers}.items():
            with archive.open(zipfile.ZipInfo(name + _ENTRY_SUFFIX), "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asanyarray(array), allow_pickle=False)


def _save_safetensors(file: BinaryIO, features: FeatureSet, metadata: dict[str, str]) -> None:
    """The format by hand: its own library writes metadata in an order that changes from call to call."""
    header: dict[str, Any] = {_METADATA: {_ORDER_KEY: json.dumps(list(features.layers)), **metadata}}
    end = 0
    for name, array in features.layers.items():
        start, end = end, end + 4 * array.size
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for array in features.layers.values():
        file.write(np.ascontiguousarray(array, "<f4").data)
