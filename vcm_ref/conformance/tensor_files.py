"""Decoders' outputs as named tensors: raw files, with or without a description beside them, and feature files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ConfigError
from ..files.document import load
from ..files.feature_file import load_feature_file
from ..files.kind import FEATURE_SUFFIXES
from ..files.schema import packaged
from .decoded_files import FILES, T2, sample_type

SCHEMA = "raw.schema.json"
RAW_SUFFIX = ".raw"
SUFFIXES = (RAW_SUFFIX, *FEATURE_SUFFIXES)
#: The name of all that a raw file holds, where nothing says what it is.
UNNAMED = "all samples"

#: Names and shapes of the tensors in a file, in order.
Layout = Sequence[tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class TensorFile:
    """One file of tensors, in order; ``picture_size`` is (height, width) where it is known."""

    path: Path
    tensors: dict[str, NDArray[Any]]
    picture_size: tuple[int, int] | None = None

    @property
    def layout(self) -> Layout | None:
        """Names and shapes; ``None`` where they are not known."""
        if UNNAMED in self.tensors:
            return None
        return [(name, tensor.shape) for name, tensor in self.tensors.items()]

    def laid_out(self, layout: Layout) -> TensorFile:
        """The same samples as the tensors of ``layout``; unchanged where its own are known, or they do not fit."""
        if self.layout is not None:
            return self
        samples = self.tensors[UNNAMED]
        if samples.size != sum(prod(shape) for _, shape in layout):
            return self
        tensors, position = {}, 0
        for name, shape in layout:
            tensors[name] = samples[position : position + prod(shape)].reshape(shape)
            position += prod(shape)
        return TensorFile(self.path, tensors, self.picture_size)


def read_tensors(path: Path) -> TensorFile:
    """Read one file; raw ones are mapped, not read whole.

    A raw file without a description is uint16, and float32 where it is called ``t2.raw``. Raises
    :class:`ConfigError` where the file or its description cannot be used, :class:`DatasetError` for a feature file.
    """
    if path.suffix in FEATURE_SUFFIXES:
        features = load_feature_file(path, picture_size=(0, 0), finite=False)
        size = (features.height, features.width)
        return TensorFile(path, dict(features.layers), size if all(size) else None)
    if path.suffix != RAW_SUFFIX:
        raise ConfigError(f"{path}: cannot be compared; supported outputs end in {', '.join(SUFFIXES)}")
    description = path.with_name(path.name + ".json")
    dtype = sample_type(path.name if path.name in FILES else "")
    length = _length(path)
    if length % dtype.itemsize:
        raise ConfigError(f"{path}: has {length} bytes, which is not a whole number of {dtype.name} samples")
    # an empty file cannot be mapped
    samples: NDArray[Any] = np.memmap(path, dtype, "r") if length else np.zeros(0, dtype)
    if not description.is_file() or path.name == T2:
        return TensorFile(path, {UNNAMED: samples})
    return _described(path, description, samples.view(np.uint8))


def _described(path: Path, description: Path, content: NDArray[np.uint8]) -> TensorFile:
    """The tensors that ``vcm_dec --tier t1`` says are in the file beside (vcm_ref/files/planes_file.py)."""
    record = load(description, "json", packaged(__package__, SCHEMA)).value
    tensors: dict[str, NDArray[Any]] = {}
    for entry in record["tensors"]:
        name, offset, shape = entry["name"], entry["offset"], tuple(entry["shape"])
        dtype = np.dtype(entry.get("dtype", "uint16")).newbyteorder("<")
        end = offset + dtype.itemsize * prod(shape)
        if offset % dtype.itemsize or end > content.size:
            problem = f"{path.name} holds no {prod(shape)} samples of {name} from byte {offset} on"
            raise ConfigError(f"{description}: {problem}")
        if name in tensors:
            raise ConfigError(f"{description}: {name} is the name of two tensors")
        tensors[name] = content[offset:end].view(dtype).reshape(shape)
    return TensorFile(path, tensors, (record["picture_height"], record["picture_width"]))


def _length(path: Path) -> int:
    try:
        if not path.is_file():
            raise ConfigError(f"{path}: there is no such file")
        return path.stat().st_size
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
