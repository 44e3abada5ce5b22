"""Names of tasks: the digest of all that determines a task's result.

That is what it is given, itself by name; its settings; the part of this package's code that does it; and the versions
of the packages it calls. What only changes how long it takes, threads and time limits, is not in it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ..network import weights_files
from ..network.weights_files import files_digest
from ..provenance import file_digest, versions

_PACKAGE = Path(__file__).parents[1]
#: The part of this package that each stage is made of, as files and folders.
STAGES: dict[str, tuple[str, ...]] = {
    "extract": ("network", "feature_set.py", "picture_file.py", "source.py"),
    "code": ("bitstream", "conversion", "codec", "encoder.py", "settings.py", "side_information.py"),
    "analyse": ("bitstream", "conversion", "codec", "decoder.py", "side_information.py", "network"),
    "measure": ("task", "experiment/results.py"),
}
#: The packages that each stage calls.
_PACKAGES: dict[str, tuple[str, ...]] = {
    "extract": ("numpy", "pillow", "torch", "torchvision", "onnx", "onnxruntime", "detectron2", "machine"),
    "code": ("numpy",),
    "analyse": ("numpy", "torch", "torchvision", "onnx", "onnxruntime", "detectron2", "machine", "imageio-ffmpeg"),
    "measure": ("numpy", "pycocotools"),
}


def task_name(stage: str, **determined_by: Any) -> str:
    """SHA-256, in hexadecimal, over ``determined_by`` as JSON, the stage, and what the stage is made of."""
    return json_digest({"stage": stage, "made_of": made_of(stage), **determined_by})


def json_digest(value: Any) -> str:
    """SHA-256, in hexadecimal, of a value as JSON with sorted keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def made_of(stage: str) -> str:
    """A digest of the code and of the packages' versions that a stage is made of."""
    packages = {name: version for name, version in versions().items() if name in _PACKAGES[stage]}
    return json_digest({"code": code_digest(stage), "packages": packages})


@cache
def code_digest(stage: str) -> str:
    """SHA-256, in hexadecimal, over the files of this package that a stage is made of: names and content."""
    digest = hashlib.sha256()
    for place in STAGES[stage]:
        for path in sorted((_PACKAGE / place).rglob("*")) or [_PACKAGE / place]:
            if path.is_file() and path.suffix != ".pyc":
                digest.update(f"{path.relative_to(_PACKAGE).as_posix()} {file_digest(path)}\n".encode())
    return digest.hexdigest()


def network_name(name: str, options: Mapping[str, Any]) -> str:
    """The name of a network: what it is called, its options, and its weights by content. Loads no network."""
    given = {key: _in_order(value) for key, value in options.items()}
    if files := weights_files(name, options):
        given["weights"] = {"file": files[0].name, "sha256": files_digest(files)}
    return task_name("extract", network=name, options=given)


def _in_order(value: Any) -> Any:
    """A mapping as a list of pairs: its order says which layer is coded first, which of the outputs is which class."""
    return [[key, _in_order(entry)] for key, entry in value.items()] if isinstance(value, Mapping) else value
