"""Reduction: stages between the restored layers and the coded tensors. A new stage is one file and one entry here."""

from __future__ import annotations

from .klt import Klt
from .network import Network
from .pca import Pca
from .resize import Resize
from .stage import Stage, Transform

#: The stages by their code points (``stage_idc``).
STAGES: dict[int, type[Stage]] = {stage.idc: stage for stage in (Resize, Klt, Pca, Network)}

__all__ = ["STAGES", "Klt", "Network", "Pca", "Resize", "Stage", "Transform"]
