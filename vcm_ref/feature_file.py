"""Feature sets in files: ``.safetensors`` and ``.npz``.

Layers are float32 arrays ``(C, H, W)`` under their names, in the file's order. The original picture's size travels as
``picture_height`` and ``picture_width``: in the metadata of a safetensors file, as integer entries of an npz file.
"""

from __future__ import annotations

import json
import lzma
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from .bitstream.elements import MAX_SIZE
from .errors import ConfigError, DatasetError
from .feature_set import FeatureSet

SUFFIXES = (".safetensors", ".npz")
_SIZE_KEYS = ("picture_height", "picture_width")
_METADATA = "__metadata__"
#: Entries that are no layers, so that no layer can have their names.
_RESERVED = {".safetensors": (_METADATA,), ".npz": _SIZE_KEYS}
_ORDER_KEY = "layers"  # safetensors sorts its tensors by name; this entry keeps the layers' order
#: What the readers of both formats raise for files that are damaged, encrypted or of another kind.
_UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, EOFError, RuntimeError, SyntaxError, struct.error,
    zipfile.BadZipFile, zlib.error, lzma.LZMAError,
)  # fmt: skip


def load_feature_file(path: Path, picture_size: tuple[int, int] | None = None) -> FeatureSet:
    """Read one feature set. ``picture_size`` (height, width) is used where the file does not say.

    Half-precision layers are widened to float32, float64 refused: it would lose bits in silence. Pickled objects are
    refused. Raises :class:`DatasetError` naming the file, and the layer where it is about one.
    """
    try:
        arrays, size = _load_safetensors(path) if path.suffix.lower() == ".safetensors" else _load_npz(path)
    except _UNREADABLE as error:
        raise DatasetError(f"{path}: is no readable feature file: {error}") from error
    size = size or picture_size
    if size is None:
        raise DatasetError(f"{path}: does not say the picture's size; give it with --picture-size WIDTHxHEIGHT")
    if not arrays:
        raise DatasetError(f"{path}: holds no layers")
    return FeatureSet(*size, {name: _as_layer(path, name, array) for name, array in arrays.items()})


def _as_layer(path: Path, name: str, array: NDArray[Any]) -> NDArray[np.float32]:
    if array.ndim == 4 and array.shape[0] == 1:
        array = array[0]
    if array.ndim != 3 or 0 in array.shape:
        raise DatasetError(f"{path}: layer {name} has shape {array.shape}; it must be (C, H, W)")
    if array.dtype not in (np.float32, np.float16):
        raise DatasetError(f"{path}: layer {name} holds {array.dtype}; it must be float32 or float16")
    return np.ascontiguousarray(array, np.float32)


def _load_safetensors(path: Path) -> tuple[dict[str, NDArray[Any]], tuple[int, int] | None]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            names = json.loads(metadata[_ORDER_KEY]) if _ORDER_KEY in metadata else file.offset_keys()
            if sorted(names) != sorted(file.keys()):
                raise ValueError(f"its metadata {_ORDER_KEY!r} does not list the tensors that it has")
            arrays = {name: file.get_tensor(name) for name in names}
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    return arrays, _picture_size(metadata)


def _picture_size(entries: Mapping[str, Any]) -> tuple[int, int] | None:
    if not all(key in entries for key in _SIZE_KEYS):
        return None
    height, width = (int(entries[key]) for key in _SIZE_KEYS)
    if not (1 <= height <= MAX_SIZE and 1 <= width <= MAX_SIZE):
        raise ValueError(f"the picture's size {width}x{height} is outside 1..{MAX_SIZE}")
    return height, width


def _load_npz(path: Path) -> tuple[dict[str, NDArray[Any]], tuple[int, int] | None]:
    with np.load(path, allow_pickle=False) as file:
        if not isinstance(file, np.lib.npyio.NpzFile):
            raise ValueError("it is not an npz archive")
        arrays = {name: file[name] for name in file.files if name not in _SIZE_KEYS}
        if foreign := [name for name, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f"its entry {foreign[0]} is no array")
        return arrays, _picture_size(file)


def save_feature_file(file: BinaryIO, suffix: str, features: FeatureSet) -> None:
    """Write one feature set in the format of ``suffix``; the inverse of :func:`load_feature_file`.

    Raises :class:`ConfigError` for a layer whose name the format needs for something else.
    """
    if taken := [name for name in features.layers if name in _RESERVED[suffix.lower()]]:
        raise ConfigError(f"a {suffix} file cannot have a layer named {taken[0]}; choose another format")
    size = dict(zip(_SIZE_KEYS, (features.height, features.width), strict=True))
    if suffix.lower() == ".safetensors":
        _save_safetensors(file, features, {key: str(value) for key, value in size.items()})
        return
    with zipfile.ZipFile(file, "w") as archive:  # not np.savez: it takes no entry named like its own arguments
        for name, array in {**features.layers, **{key: np.int64(value) for key, value in size.items()}}.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as entry:
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
