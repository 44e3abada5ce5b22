"""The time that the intervals of one point take: random objects and detections, as COCO's metric has them.

    python tools/time_intervals.py --pictures 5000 --resamples 1000

Pictures have 7 objects and 40 detections in the mean, in 80 classes, about as COCO val2017 with a detector. Matching is
done once (pycocotools); then each resample sums the tally with the weights of its pictures. Seconds are those of this
process's thread.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from vcm_ref.experiment.bootstrap import Bootstrap
from vcm_ref.task.coco import CocoDataset
from vcm_ref.task.dataset import ImageId, Result
from vcm_ref.task.detections import Detections

CLASSES = 80
OBJECTS = 7
DETECTIONS = 40
_SIZE = (480, 640)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pictures", type=int, default=5000)
    parser.add_argument("--resamples", type=int, default=1000)
    arguments = parser.parse_args()
    random = np.random.default_rng(0)
    document = drawn(random, arguments.pictures)
    objects: dict[ImageId, list[dict[str, Any]]] = {image["id"]: [] for image in document["images"]}
    for one in document["annotations"]:
        objects[one["image_id"]].append(one)
    results = {number: detected(random, ones) for number, ones in objects.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instances.json"
        path.write_text(json.dumps(document))
        dataset = CocoDataset("drawn", path)
        began = time.process_time()
        metrics, tally = dataset.tallied(results, {})
        matched = time.process_time()
        bootstrap = Bootstrap(arguments.resamples)
        found = tally.metrics(bootstrap.weights(len(tally.pictures)))
        ended = time.process_time()
    interval = bootstrap.interval(found["AP"])
    print(f"AP {metrics['AP']:.4f} [{interval.low:.4f}, {interval.high:.4f}]")
    print(f"metric and tally {matched - began:.1f} s, {arguments.resamples} resamples {ended - matched:.1f} s")


def drawn(random: np.random.Generator, pictures: int) -> dict[str, Any]:
    """A data set in COCO's format."""
    height, width = _SIZE
    annotations = []
    for picture in range(1, pictures + 1):
        for _ in range(random.poisson(OBJECTS)):
            w, h = random.uniform(10, 300, 2)
            x, y = random.uniform(0, width - w), random.uniform(0, height - h)
            box = [round(float(value), 2) for value in (x, y, w, h)]
            number = len(annotations) + 1
            label = int(random.integers(1, CLASSES + 1))
            annotations.append({"id": number, "image_id": picture, "category_id": label, "bbox": box, "iscrowd": 0})
            annotations[-1]["area"] = box[2] * box[3]
    return {
        "images": [
            {"id": n, "file_name": f"{n}.png", "height": height, "width": width} for n in range(1, pictures + 1)
        ],
        "categories": [{"id": n, "name": f"class {n}"} for n in range(1, CLASSES + 1)],
        "annotations": annotations,
    }


def detected(random: np.random.Generator, objects: list[dict[str, Any]]) -> Result:
    """One detection near each object, and others anywhere."""
    near = [(*_moved(random, one["bbox"]), one["category_id"]) for one in objects]
    others = [
        (*random.uniform(0, 300, 2), *random.uniform(300, 480, 2), random.integers(1, CLASSES + 1))
        for _ in range(random.poisson(DETECTIONS - OBJECTS))
    ]
    found = np.array([*near, *others], np.float32).reshape(-1, 5)
    scores = np.sort(random.uniform(0, 1, len(found)).astype(np.float32))[::-1].copy()
    return Detections(found[:, :4], scores, found[:, 4].astype(np.int64))


def _moved(random: np.random.Generator, box: list[float]) -> tuple[float, float, float, float]:
    x, y, width, height = box
    x, y = x + random.uniform(-0.2, 0.2) * width, y + random.uniform(-0.2, 0.2) * height
    return x, y, x + width, y + height


if __name__ == "__main__":
    main()
