"""Torchvision's networks by the name of their model: detectors and classifiers under the one name ``torchvision``."""

from __future__ import annotations

from typing import Any

from vcm_ref.errors import NetworkError
from vcm_ref.network.checks import check_options
from vcm_ref.network.torchvision_classifiers import CUTS, TorchvisionClassifier
from vcm_ref.network.torchvision_detectors import MODELS, TorchvisionDetector


def torchvision_network(model: str, **options: Any) -> TorchvisionDetector | TorchvisionClassifier:
    """Make the network for ``model``; ``options`` are those of its class.

    Raises `NetworkError` for a model that has no class here, and for an option that its class does not have.
    """
    if model not in MODELS and model not in CUTS:
        known = ", ".join((*MODELS, *CUTS))
        raise NetworkError(f"network.model: torchvision's {model!r} is not among those offered here: {known}")
    kind = TorchvisionDetector if model in MODELS else TorchvisionClassifier
    check_options(kind, {"model": model, **options}, f"torchvision {model}")
    return kind(model, **options)
