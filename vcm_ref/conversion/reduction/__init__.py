"""Reduction: stages between the restored layers and the coded tensors. A new stage is one file and one entry here."""

from __future__ import annotations

from .pca import Pca
from .resize import Resize
from .stage import Stage, Transform

#: The stages by their code points (``stage_idc``).
STAGES: dict[int, type[Stage]] = {Resize.idc: Resize, Pca.idc: Pca}

__all__ = ["STAGES", "Pca", "Resize", "Stage", "Transform"]
