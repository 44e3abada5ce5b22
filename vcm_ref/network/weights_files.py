"""The files that a network's numbers come from, found without loading the network or its framework.

Results are named, compared and reproduced by the content of all these files together: an ONNX model keeps weights in
files of their own beside it, and a detectron2 model is described by configuration files that build on one another.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import yaml

from vcm_ref.errors import NetworkError
from vcm_ref.files.kind import check_kind
from vcm_ref.reporting.provenance import file_digest

DEFAULT = "default"
"""The word for the weights that the network's makers publish; the library's version says which these are."""

RANDOM = "random"
"""The word for no weights at all: the library's own initialisation from a seed. For tests."""

REFNET_WEIGHTS = Path(__file__).with_name("refnet.safetensors")
"""The weights of `refnet` that ship with the package; ``refnet.json`` beside them records how they came about."""

REFNET_MASK_WEIGHTS = Path(__file__).with_name("refnet_mask.safetensors")
"""The weights of the mask head of `refnet_mask` that ship with the package; ``refnet_mask.json`` is their record."""

_BASE = "_BASE_"  # detectron2's key for the configuration that a configuration builds on


def named_file(options: Mapping[str, Any]) -> list[Path]:
    """List the file that the option ``weights`` names, if it names one. Raises `NetworkError` if it is not a file."""
    weights = options.get("weights")
    if weights is None or str(weights) in (DEFAULT, RANDOM):
        return []
    path = Path(str(weights))
    check_kind(path, NetworkError)
    if not path.is_file():
        raise NetworkError(f"network.weights: {path}: no such file")
    return [path]


def refnet_files(options: Mapping[str, Any]) -> list[Path]:
    """List `refnet`'s weights: the file named, else the package's own."""
    return named_file(options) or [REFNET_WEIGHTS]


def refnet_mask_files(options: Mapping[str, Any]) -> list[Path]:
    """List the weights of `refnet_mask`: the mask head's, named or the package's own, and the package's of `refnet`."""
    return [*(named_file(options) or [REFNET_MASK_WEIGHTS]), REFNET_WEIGHTS]


def onnx_files(options: Mapping[str, Any]) -> list[Path]:
    """List an ONNX model and the files of its external data, the model first, each file once.

    Raises `NetworkError` where onnx is not installed, and as `external_data` does. A file that onnx cannot read is
    listed alone: to say so is the part of whoever loads it.
    """
    files = named_file(options)
    if not files:
        return []
    try:
        import onnx
    except ImportError as error:
        raise NetworkError("network 'onnx' needs the package onnx: pip install onnx onnxruntime") from error
    try:
        model = onnx.load(files[0], load_external_data=False)
    except Exception:  # protobuf's and onnx's own kinds
        return files
    return [*files, *external_data(model, files[0])]


def external_data(model: Any, path: Path) -> list[Path]:
    """List the files of external data of an ONNX ``model`` read from ``path``, sorted, each once (ONNX, IR.md).

    Raises `NetworkError` for a location that leaves the model's folder, and for a file that does not exist.
    """
    return [_located(path, location) for location in sorted(set(_locations(model)))]


def _locations(message: Any) -> Iterator[str]:
    """The locations of external data of all tensors in a protobuf message, wherever in it they are."""
    if message.DESCRIPTOR.name == "TensorProto":
        if message.data_location == message.EXTERNAL or message.external_data:
            yield next((entry.value for entry in message.external_data if entry.key == "location"), "")
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if isinstance(value, Sequence) or hasattr(value, "__iter__") else (value,):
                yield from _locations(part)


def _located(model: Path, location: str) -> Path:
    outside = PurePosixPath(location).is_absolute() or PureWindowsPath(location).is_absolute() or "\0" in location
    if not location or outside or ".." in PureWindowsPath(location).parts:
        raise NetworkError(
            f"weights {model}: the location {location[:200]!r} of external data leaves the model's folder; refused"
        )
    path = model.parent / location
    if not path.is_file():
        raise NetworkError(f"weights {model}: the file {path} with external data of the model is missing")
    folders = (model.parent.resolve(), model.resolve().parent)  # they differ if the model is a symbolic link
    if not any(path.resolve().is_relative_to(folder) for folder in folders):
        raise NetworkError(f"weights {model}: {path} with external data is a link out of the model's folder; refused")
    return path


def detectron2_files(options: Mapping[str, Any]) -> list[Path]:
    """List the weights' file, if one is named, then the model's configuration file and those that it builds on."""
    found = zoo_configuration(str(options.get("model", "")))
    return [*named_file(options), *(_with_bases(found) if found else [])]


def zoo_configuration(model: str) -> Path | None:
    """Find the configuration ``model`` of detectron2's zoo: inside an installed copy, or beside a source one."""
    return next((path for path in zoo_places(model) if path.is_file()), None)


def zoo_places(model: str) -> list[Path]:
    """List the paths at which detectron2's configuration ``model`` may be; none where detectron2 is not there."""
    try:
        spec = importlib.util.find_spec("detectron2")
    except (ImportError, ValueError):
        return []
    package = Path(spec.origin).parent if spec and spec.origin else None
    if package is None:
        return []
    name = f"{model.removesuffix('.yaml')}.yaml"
    return [package / "model_zoo" / "configs" / name, package.parent / "configs" / name]


def _with_bases(path: Path) -> list[Path]:
    files: list[Path] = []
    while path.is_file() and path not in files:
        files.append(path)
        try:
            content = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError, yaml.YAMLError):  # detectron2 will say what is wrong with it
            break
        base = content.get(_BASE) if isinstance(content, dict) else None
        if not isinstance(base, str):
            break
        path = path.parent / Path(base).expanduser()
    return files


def files_digest(files: Sequence[Path]) -> str:
    """SHA-256, in hexadecimal, of the files' content: of one file its own, of several that of a list of all.

    In the list, the first file's line is its SHA-256; each further line is SHA-256, a space, and the path from the
    first file's folder.
    """
    first, *others = files
    if not others:
        return file_digest(first)
    lines = [file_digest(first)]
    lines += [f"{file_digest(path)} {_from(first.parent, path)}" for path in others]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _from(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
