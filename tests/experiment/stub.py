"""A tiny network, and pictures for it: a bright or a grey rectangle on black, with its corners on multiples of 8."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vcm_ref.feature_set import FeatureSet
from vcm_ref.network import Entry
from vcm_ref.task.classification import Classification
from vcm_ref.task.detections import Detections

SIZE = (48, 64)
CLASSES = {1: "bright", 2: "grey"}
#: Column, row, width, height in pixels, and class, of each picture's rectangle.
PICTURES = ((8, 8, 24, 16, 1), (0, 0, 16, 40, 2), (32, 16, 32, 32, 1), (16, 24, 8, 16, 2), (40, 0, 24, 24, 1))
#: What a coding of the network's features needs to be told, losslessly at 16 bits.
CONFIGURATION = {
    "bitstream": "bitstream.bin",
    "network": {"name": "stub"},
    "quantisation": {"bit_depth": 16, "range": "layer", "rounding": "nearest"},
    "order": {"method": "none", "coding": "exact"},
    "packing": {"method": "frames", "allocation": "frame_major", "grid": "2x2"},
    "codec": {"name": "lossless", "qp": 32, "mode": "AI"},
    "digest_length": 8,
}


class StubNetwork:
    """Features are means of 8 x 8 samples; what is brighter than black is one object, found with its brightness."""

    name = "stub"
    layers = ("p2", "p3")
    class_names = CLASSES

    def __init__(self, masks: bool = False, offset: int = 0) -> None:
        self.masks, self.offset = masks, offset

    def __call__(self, image: NDArray[np.uint8]) -> Detections:
        return self.analyse(self.extract(image))

    def extract(self, image: NDArray[np.uint8]) -> FeatureSet:
        height, width = image.shape[:2]
        means = image[..., 0].reshape(height // 8, 8, width // 8, 8).mean(axis=(1, 3)).astype(np.float32)
        p2 = np.stack([means * scale for scale in (1, 2, 3, 4)]).astype(np.float32)
        return FeatureSet(height, width, {"p2": p2, "p3": np.ascontiguousarray(p2[:, ::2, ::2])})

    def analyse(self, features: FeatureSet) -> Detections:
        means = features.layers["p2"][0]
        rows, columns = np.nonzero(means > 1)
        if not len(rows):
            return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))
        box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]], np.float32) * np.float32(8)
        brightness = float(means.max())
        label = 1 if brightness > 200 else 2
        masks = np.repeat(np.repeat(means > 1, 8, axis=0), 8, axis=1)[None] if self.masks else None
        score = np.array([brightness / 256], np.float32)
        return Detections(box, score, np.array([label + self.offset], np.int64), masks)

    def describe(self) -> dict[str, str]:
        return {"masks": str(self.masks)}


class ClassifyingNetwork(StubNetwork):
    """Tells bright pictures from grey ones, and has a third class that nothing is of."""

    class_names = {0: "bright", 1: "grey", 2: "green"}  # noqa: RUF012

    def analyse(self, features: FeatureSet) -> Classification:  # type: ignore[override]
        brightness = features.layers["p2"][0].max() / 255
        return Classification(np.array([brightness, 1 - brightness, -1], np.float32))


class CountingNetwork(StubNetwork):
    """Counts its labels from 0, where ``offset`` is -1."""

    class_names = {0: "bright", 1: "grey"}  # noqa: RUF012


class BrokenNetwork(StubNetwork):
    """Finds something that is no number."""

    def analyse(self, features: FeatureSet) -> Detections:
        found = super().analyse(features)
        return Detections(found.boxes, found.scores * np.float32("nan"), found.labels)


NETWORKS = {
    "stub": Entry("experiment.stub", "StubNetwork", ""),
    "classifying": Entry("experiment.stub", "ClassifyingNetwork", ""),
    "counting": Entry("experiment.stub", "CountingNetwork", ""),
    "broken": Entry("experiment.stub", "BrokenNetwork", ""),
}
"""These networks as the package finds its own."""


def write_pictures(folder: Path) -> Path:
    """Write the pictures and their annotations, with masks; returns the path of the annotations."""
    images, annotations = [], []
    for number, (x, y, width, height, label) in enumerate(PICTURES, start=1):
        picture = np.zeros((*SIZE, 3), np.uint8)
        picture[y : y + height, x : x + width] = 255 if label == 1 else 128
        name = f"picture{number}.png"
        Image.fromarray(picture).save(folder / name)
        images.append({"id": 10 * number, "file_name": name, "width": SIZE[1], "height": SIZE[0]})
        outline = [x, y, x + width, y, x + width, y + height, x, y + height]
        annotations.append(
            {
                "id": number,
                "image_id": 10 * number,
                "category_id": label,
                "bbox": [x, y, width, height],
                "area": width * height,
                "iscrowd": 0,
                "segmentation": [outline],
            }
        )
    categories = [{"id": label, "name": name} for label, name in CLASSES.items()]
    path = folder / "instances.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path
