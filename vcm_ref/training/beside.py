"""The files that stand beside a trained network."""

from __future__ import annotations

from pathlib import Path

from ..atomic import companion


def files_beside(output: Path) -> list[Path]:
    """The files that stand beside a model: its record, the curve of its losses, and its weights in float32."""
    return [companion(output), *(output.with_name(output.name + end) for end in (".png", ".weights.safetensors"))]
