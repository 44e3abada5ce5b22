"""A model's bytes: named tensors in the safetensors format, read strictly and written in one way.

The rules are those of docs/bitstream.md, 7.18: which files are models must not depend on a library's version, and a
model in a bitstream may be hostile. Nothing is allocated that is larger than the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from math import prod
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..errors import ModelError

#: The sample types by their names in the format, and their size in bytes.
TYPE_BYTES = {
    "BOOL": 1, "I8": 1, "U8": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
#: Those that tensors of models have; tensors of other types can stand in a model and are ignored.
NUMPY_TYPES = {
    "I8": "<i1",
    "U8": "<u1",
    "I16": "<i2",
    "U16": "<u2",
    "I32": "<i4",
    "U32": "<u4",
    "F32": "<f4",
    "I64": "<i8",
}
METADATA = "__metadata__"
MAX_HEADER = 1 << 20
MAX_RANK = 8
#: NumPy has no arrays of a shape beyond this, not even empty ones; no stage uses such a tensor.
_MOST_ENTRIES = 1 << 60
_NAMES = {np.dtype(text): name for name, text in NUMPY_TYPES.items()}

Tensors = Mapping[str, NDArray[Any]]


class ModelContent(NamedTuple):
    """What is in a model's bytes.

    ``tensors`` are by their names, in the file's order; read-only views of the bytes. ``metadata`` is the model's
    record, which is no part of what it does.
    """

    tensors: Tensors
    metadata: Mapping[str, str]


@lru_cache(maxsize=2)
def read_content(data: bytes) -> ModelContent:
    """What is in a model's bytes, which are read once: the stage, the levels' tables and the encoder all ask for them.

    Tensors of types that no stage uses are checked and left out. Raises :class:`ModelError` for bytes that break a rule
    of docs/bitstream.md, 7.18.
    """
    header, body = _document(data)
    metadata = _metadata(header)
    entries = {name: _entry(name, entry) for name, entry in header.items() if name != METADATA}
    found: dict[str, NDArray[Any]] = {}
    end = 0
    for name, (kind, shape, start, stop) in sorted(entries.items(), key=lambda entry: entry[1][2:]):
        if start != end or stop > len(body):
            raise ModelError(f"its tensor {name!r} does not follow the tensor before it")
        end = stop
        if kind in NUMPY_TYPES and prod(max(side, 1) for side in shape) < _MOST_ENTRIES:
            found[name] = np.frombuffer(body[start:stop], NUMPY_TYPES[kind]).reshape(shape)
    if end != len(body):
        raise ModelError(f"it has {len(body) - end} bytes after its last tensor")
    tensors = {name: found[name] for name in entries if name in found}
    return ModelContent(MappingProxyType(tensors), MappingProxyType(metadata))


def read_tensors(data: bytes) -> Tensors:
    """The tensors of a model. Raises as :func:`read_content` does."""
    return read_content(data).tensors


def read_metadata(data: bytes) -> dict[str, str]:
    """The record of a model, also where its tensors are damaged. Raises :class:`ModelError`."""
    return _metadata(_document(data)[0])


def write_tensors(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a model: the same tensors and metadata, in the same order, always give the same bytes."""
    header: dict[str, Any] = {METADATA: dict(metadata)} if metadata else {}
    parts, end = [], 0
    for name, tensor in tensors.items():
        kind = _NAMES[tensor.dtype.newbyteorder("<")]
        parts.append(np.ascontiguousarray(tensor, NUMPY_TYPES[kind]).tobytes())
        start, end = end, end + len(parts[-1])
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=True).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *parts])


def _document(data: bytes) -> tuple[dict[str, Any], memoryview]:
    """The header as a document, and the bytes after it."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= length <= min(len(data) - 8, MAX_HEADER):
        raise ModelError("it is not a safetensors file: the length of its header does not fit")
    if data[8:9] != b"{":
        raise ModelError("its header does not begin with a JSON object")
    try:
        header = json.loads(data[8 : 8 + length].decode("utf-8"), object_pairs_hook=_mapping)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"its header is not a JSON document that can be read: {_told(error)}") from error
    if not isinstance(header, dict):
        raise ModelError("its header is not a JSON object")
    return header, memoryview(data)[8 + length :]


def _metadata(header: Mapping[str, Any]) -> dict[str, str]:
    metadata = header.get(METADATA, {})
    if not isinstance(metadata, dict) or not all(isinstance(text, str) for text in metadata.values()):
        raise ModelError(f"its {METADATA} is not a mapping of names to texts")
    return metadata


def _entry(name: str, entry: Any) -> tuple[str, list[int], int, int]:
    """Type, shape, start and end of a tensor."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ModelError(f"its tensor {name!r} is not described by dtype, shape and data_offsets")
    kind, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(kind, str) or kind not in TYPE_BYTES:
        raise ModelError(f"its tensor {name!r} has the unknown type {str(kind)[:20]!r}")
    if not _whole(shape) or len(shape) > MAX_RANK or not _whole(offsets) or len(offsets) != 2:
        raise ModelError(f"shape or data_offsets of its tensor {name!r} are not whole numbers from 0 to 2**32 - 1")
    if offsets[1] - offsets[0] != prod(shape) * TYPE_BYTES[kind]:
        raise ModelError(f"the data_offsets of its tensor {name!r} do not fit its type and shape")
    return kind, shape, offsets[0], offsets[1]


def _whole(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and 0 <= value < 1 << 32 for value in values)


def _mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name stands in it twice")
    return made


def _told(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())[:200]
