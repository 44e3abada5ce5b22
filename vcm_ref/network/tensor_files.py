"""Named tensors from files that others made: ``.safetensors``, torch's ``.pth`` and ``.pt``, detectron2's ``.pkl``.

The last two kinds are Python pickles, which can run any code as they are read. Here a pickle makes arrays, tensors,
and the containers that hold them, and nothing else; whatever else it asks for is refused by its name.
"""

from __future__ import annotations

import collections
import io
import pickle
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def read_tensors(path: Path) -> Any:
    """Read what a file of tensors holds: mappings and lists of tensors, arrays, numbers and text.

    Raises FileNotFoundError where the file is not there, and ValueError that says in one line why it cannot be used.
    """
    suffix = path.suffix.lower()
    try:
        if suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        if suffix == ".pkl":
            with path.open("rb") as file:
                return _ArrayUnpickler(file, encoding="latin1").load()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of protocols that torch does not write itself
            return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise
    except Exception as error:  # each format has its own kinds
        raise ValueError(_told(error)) from error


def _told(error: Exception) -> str:
    """One line about ``error``; torch's own would advise to read the file without protection."""
    text = str(error)
    if isinstance(error, pickle.UnpicklingError) and "weights_only" in text.lower().replace(" ", "_"):
        named = re.search(r"(?:GLOBAL|class|function|type)\s+`?([A-Za-z_][\w.]*)", text)
        asked = f" ({named[1]})" if named else ""
        return f"it holds Python objects other than tensors{asked}, which could run code; save a mapping of tensors"
    return next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)


class _ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of arrays and tensors; raises pickle.UnpicklingError for anything else, before it is made."""

    def find_class(self, module: str, name: str) -> Any:
        allowed = _ALLOWED.get((module.replace("numpy._core", "numpy.core"), name))
        if allowed is None:
            raise pickle.UnpicklingError(
                f"it asks for {module}.{name}, which is neither an array nor a tensor and could run code; "
                "save a mapping of names to arrays"
            )
        return allowed


class _Makers:
    """Stands in for library functions that would take more than a pickle of arrays needs.

    What a pickle gets are bound methods, of which it cannot set attributes.
    """

    def encode(self, text: str, encoding: str = "") -> bytes:
        """The bytes that protocol 2 keeps as text (``_codecs.encode``)."""
        if encoding not in ("latin1", "latin-1"):
            raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}, which no array needs")
        return text.encode("latin1")

    def from_buffer(self, data: bytes, dtype: np.dtype[Any], shape: tuple[int, ...], order: Any) -> NDArray[Any]:
        """An array of protocol 5 (``numpy._core.numeric._frombuffer``)."""
        return np.frombuffer(data, dtype).reshape(shape, order=order).copy()

    def storage(self, data: bytes) -> Any:
        """A tensor's memory, itself a file of torch's (``torch.storage._load_from_bytes``)."""
        return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)

    def tensor(self, *arguments: Any) -> Tensor:
        """A tensor over its memory (``torch._utils._rebuild_tensor_v2``)."""
        made: Tensor = torch._utils._rebuild_tensor_v2(*arguments)  # type: ignore[no-untyped-call]
        return made

    def parameter(self, data: Tensor, *rest: Any) -> Tensor:
        """A trained tensor without what training needs (``torch._utils._rebuild_parameter``)."""
        return data


_MAKERS = _Makers()
_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("numpy", "dtype"): np.dtype,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],  # type: ignore[dict-item]
    ("numpy.core.multiarray", "scalar"): np.float32(0).__reduce__()[0],  # type: ignore[dict-item]
    ("numpy.core.numeric", "_frombuffer"): _MAKERS.from_buffer,
    ("_codecs", "encode"): _MAKERS.encode,
    ("torch.storage", "_load_from_bytes"): _MAKERS.storage,
    ("torch._utils", "_rebuild_tensor_v2"): _MAKERS.tensor,
    ("torch._utils", "_rebuild_parameter"): _MAKERS.parameter,
}
