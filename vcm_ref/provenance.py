"""Versions of everything involved, and digests of inputs: what makes a result reproducible."""

from __future__ import annotations

import hashlib
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import BinaryIO

from . import __version__

_PACKAGES = (
    "numpy",
    "bitstring",
    "imageio-ffmpeg",
    "safetensors",
    "pillow",
    "torch",
    "torchvision",
    "onnx",
    "onnxruntime",
    "detectron2",
    "pycocotools",
)


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return content_digest(file)


def content_digest(file: BinaryIO) -> str:
    """SHA-256 of what an open file holds, from its start to its end, in hexadecimal."""
    digest = hashlib.sha256()
    file.seek(0)
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest()


def versions() -> dict[str, str]:
    """This package, Python, the machine's kind, and each package involved that is installed."""
    found = {"vcm_ref": __version__, "python": platform.python_version(), "machine": platform.machine()}
    found["system"] = sys.platform
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
