"""How far a network's numbers differ from one device to another: features, results, and metrics.

Both parts run on each device, on the same pictures; part 2 takes the features of its own device.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DatasetError
from ..files.atomic import atomic_file
from ..inputs.picture_file import read_picture
from ..network import Network, load_network
from ..reporting.provenance import versions
from ..task.classification import Classification
from ..task.dataset import Dataset, ImageId, Result
from ..task.detections import Detections
from .records import Record
from .results import label_table, relabelled

REFERENCE = "cpu"


@dataclass
class Difference:
    """The largest differences over all pictures.

    ``layers`` has for each layer the largest difference of a sample, and that over the largest sample of the picture's
    layer. ``boxes`` is in pixels, ``scores`` from 0 to 1, both of pictures whose detections have the same labels in the
    same order; ``other_results`` counts the pictures for which that is not so, or whose best class is another.
    """

    layers: dict[str, tuple[float, float]] = field(default_factory=dict)
    boxes: float = 0.0
    scores: float = 0.0
    other_results: int = 0

    def record(self) -> Record:
        """As JSON."""
        layers = {name: {"absolute": one, "relative": other} for name, (one, other) in self.layers.items()}
        return {"layers": layers, "boxes": self.boxes, "scores": self.scores, "other_results": self.other_results}


def compare_devices(
    name: str, options: Mapping[str, Any], dataset: Dataset, labels: str, count: int, upright: bool = True
) -> Record:
    """Run the first ``count`` pictures on the CPU and on the device in ``options``, the CPU where it names none.

    Returns the differences, the metrics on either, and what made them. Raises :class:`DatasetError` for a picture that
    cannot be read, and :class:`~vcm_ref.errors.NetworkError` for a device that is not there.
    """
    device = options.get("device") or REFERENCE
    plain = {key: value for key, value in options.items() if key != "device"}
    networks = [load_network(name, **plain), load_network(name, **options)]
    items = dataset.items[:count]
    if not items:
        raise DatasetError("there are no pictures to measure")
    difference = Difference()
    results: list[dict[ImageId, Result]] = [{}, {}]
    sizes = {}
    for item in items:
        image = read_picture(item.path, apply_orientation=upright)
        sizes[item.id] = image.shape[:2]
        features = [network.extract(image) for network in networks]
        for layer, reference in features[0].layers.items():
            _note(difference.layers, layer, reference, features[1].layers[layer])
        found = [network.analyse(one) for network, one in zip(networks, features, strict=True)]
        _compare(difference, *found)
        for own, result in zip(results, found, strict=True):
            own[item.id] = _relabelled(result, labels, networks[0], dataset)
    metrics = [dataset.evaluate(own, sizes) for own in results]
    return {
        "schema": 1,
        "kind": "devices",
        "devices": [REFERENCE, device],
        "network": networks[1].describe(),
        "data": {"name": dataset.name, "sha256": dataset.digest()},
        "pictures": [item.id for item in items],
        "differences": difference.record(),
        "metrics": metrics,
        "versions": versions(),
    }


def write_devices(path: Path, document: Record) -> None:
    """Write the findings as JSON."""
    with atomic_file(path) as file:
        file.write(json.dumps(document, indent=1, allow_nan=False).encode() + b"\n")


def _note(layers: dict[str, tuple[float, float]], name: str, reference: Any, other: Any) -> None:
    largest = float(np.abs(other.astype(np.float64) - reference).max())
    scale = float(np.abs(reference).max())
    before = layers.get(name, (0.0, 0.0))
    layers[name] = max(before[0], largest), max(before[1], largest / scale if scale else 0.0)


def _compare(difference: Difference, first: Detections | Classification, second: Detections | Classification) -> None:
    if isinstance(first, Classification):
        assert isinstance(second, Classification)
        difference.scores = max(difference.scores, float(np.abs(second.logits - first.logits).max()))
        difference.other_results += int(first.logits.argmax() != second.logits.argmax())
        return
    assert isinstance(second, Detections)
    if not np.array_equal(first.labels, second.labels):
        difference.other_results += 1
    elif len(first):
        difference.boxes = max(difference.boxes, float(np.abs(second.boxes - first.boxes).max()))
        difference.scores = max(difference.scores, float(np.abs(second.scores - first.scores).max()))


def _relabelled(result: Result, labels: str, network: Network, dataset: Dataset) -> Result:
    if isinstance(result, Classification):
        return result
    return relabelled(result, label_table(labels, network.class_names, dataset.classes))
