"""Reduction: stages between the restored layers and the coded tensors. A new stage is one file and one entry here."""

from __future__ import annotations

from .klt import Klt
from .network import Network
from .resize import Resize
from .stage import Stage, Transform

#: The stages by their code points (``stage_idc``).
STAGES: dict[int, type[Stage]] = {Resize.idc: Resize, Klt.idc: Klt, Network.idc: Network}

__all__ = ["STAGES", "Klt", "Network", "Resize", "Stage", "Transform"]
