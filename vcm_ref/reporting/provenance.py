"""Versions of everything involved, and digests of inputs: what makes a result reproducible."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from pathlib import Path
from typing import Any, BinaryIO

from .. import __version__

_PACKAGES = (
    "numpy",
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
_NO_NAME = "not known"


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
    from importlib.metadata import PackageNotFoundError, version  # takes milliseconds, which a decoder can do without

    found = {"vcm_ref": __version__, "python": platform.python_version(), "machine": platform.machine()}
    found["system"] = sys.platform
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def host() -> dict[str, Any]:
    """The machine: its kind, not its name."""
    return {
        "platform": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(Path("/proc/cpuinfo")),
        "cores": os.cpu_count() or 1,
    }


def _processor(cpuinfo: Path) -> str:
    try:
        lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return platform.processor() or _NO_NAME
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names and names[0] else platform.processor() or _NO_NAME
