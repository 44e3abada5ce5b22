"""What the tests of sweeps share: a network that workers can load, pictures whose truth it nearly finds, and a way to
run tasks in this process and count them."""

from __future__ import annotations

import copy
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from network.samples import picture
from PIL import Image

from vcm_ref.configuration import Configuration
from vcm_ref.errors import ConfigError
from vcm_ref.experiment.method import Method
from vcm_ref.experiment.method_choice import method_of
from vcm_ref.experiment.records import Record
from vcm_ref.experiment.sweep import Outcome, Sweep
from vcm_ref.experiment.tasks import Batch, Finished, Task, TaskError, once, resolved
from vcm_ref.inputs.source import read_picture
from vcm_ref.network import load_network
from vcm_ref.task.dataset import load_dataset

LAYERS = ("p3", "p4", "p5")
#: Height and width of each picture.
SIZES = ((64, 64), (48, 80), (96, 64))
OPTIONS: dict[str, Any] = {
    "cut": list(LAYERS),
    "head": "yolox",
    "classes": {3: "cat", 7: "dog", 8: "owl"},
    "score_threshold": 0.3,
}
TREE: dict[str, Any] = {
    "bitstream": "x.bin",
    "network": {"name": "onnx", **OPTIONS},
    "quantisation": {"bit_depth": 10, "range": "layer", "rounding": "nearest"},
    "order": {"method": "none", "coding": "exact"},
    "packing": {"method": "frames", "allocation": "frame_major", "grid": "2x2"},
    "codec": {"name": "lossless", "qp": 32, "mode": "AI"},
    "digest_length": 4,
}


def changed(tree: Record, changes: Mapping[str, Any]) -> Record:
    """A configuration with other values by key path; ``None`` takes a value away."""
    made = copy.deepcopy(tree)
    for path, value in changes.items():
        *rooms, name = path.split(".")
        node = made
        for room in rooms:
            node = node.setdefault(room, {})
        if value is None:
            node.pop(name)
        else:
            node[name] = value
    return made


def write_all(folder: Path) -> Path:
    """Write the network, pictures with their truth, and ``lossless.yaml``; returns the path of the annotations."""
    shutil.copytree(_made(folder.parent), folder, dirs_exist_ok=True)
    return folder / "data.json"


@cache
def _made(parent: Path) -> Path:
    """The files, made once a folder of temporary files."""
    from network import small_networks

    folder = parent / "small_sweep"
    folder.mkdir()
    weights = small_networks.saved(small_networks.yolox_like(), folder / "small.onnx")
    network = load_network("onnx", weights=weights, **OPTIONS)
    images, annotations = [], []
    for number, (height, width) in enumerate(SIZES, start=1):
        path = folder / f"picture{number}.png"
        Image.fromarray(np.roll(picture(height, width), 8 * number, 0)).save(path)
        images.append({"id": number, "file_name": path.name, "width": width, "height": height})
        found: Any = network(read_picture(path))
        for (x0, y0, x1, y1), label in zip(found.boxes[:4].tolist(), found.labels[:4].tolist(), strict=True):
            box = {"bbox": [x0, y0, x1 - x0, y1 - y0], "area": (x1 - x0) * (y1 - y0), "iscrowd": 0}
            annotations.append({"id": len(annotations) + 1, "image_id": number, "category_id": label, **box})
    categories = [{"id": label, "name": name} for label, name in OPTIONS["classes"].items()]
    document = {"images": images, "annotations": annotations, "categories": categories}
    (folder / "data.json").write_text(json.dumps(document))
    (folder / "lossless.yaml").write_text(yaml.safe_dump(changed(TREE, {"network.weights": "small.onnx"})))
    return folder


def method(folder: Path, name: str, *qps: int, **changes: Any) -> Method:
    """A method; ``codec_qp=30`` would be ``codec.qp``."""
    paths = {key.replace("__", "."): value for key, value in changes.items()}
    tree = changed(TREE, {"network.weights": str(folder / "small.onnx"), **paths})
    return method_of(name, Configuration(tree), qps or (32,))


def sweep_of(folder: Path, *methods: Method, pictures: int | None = None) -> Sweep:
    """A sweep over the first pictures."""
    dataset = load_dataset(folder / "data.json")
    options = {"weights": str(folder / "small.onnx"), **OPTIONS}
    return Sweep("small", dataset, dataset.items[:pictures], "onnx", options, methods)


class Here:
    """Runs batches in this process, one task after the other, and counts what it runs, by function.

    ``spoil`` may raise instead of a task.
    """

    def __init__(self, spoil: Callable[[Task], None] = lambda task: None) -> None:
        self.count: Counter[str] = Counter()
        self.names: Counter[str] = Counter()
        self._spoil = spoil

    def __call__(self, batches: Iterator[Batch]) -> Iterator[Finished]:
        for batch in batches:
            values: dict[str, Any] = {}
            for task in once(batch).values():
                if not isinstance(task, Task):
                    values[task.name] = task.value
                    continue
                values[task.name] = self._run(task, values)
                if task.kept_as is not None:
                    yield Finished(task.name, task.kept_as, values[task.name])

    def _run(self, task: Task, values: Mapping[str, Any]) -> Any:
        def value_of(name: str) -> Any:
            if isinstance(values[name], TaskError):
                raise values[name]
            return values[name]

        try:
            arguments = [resolved(argument, value_of) for argument in task.arguments]
            self._spoil(task)
            self.count[task.function.__name__] += 1
            self.names[task.name] += 1
            return task.function(*arguments)
        except TaskError as error:
            return error


def nowhere(batches: Iterator[Batch]) -> Iterator[Finished]:
    """Runs nothing: for what must be in the store already."""
    raise ConfigError("nothing was to be run")


def facts(outcome: Outcome) -> dict[str, Any]:
    """All but seconds."""

    def plain(measured: Any) -> Any:
        records = {key: {k: v for k, v in record.items() if k != "seconds"} for key, record in measured.records.items()}
        return measured.metrics, records, measured.failures

    return {
        "uncompressed": plain(outcome.uncompressed),
        **{f"{name} {qp}": plain(found) for (name, qp), found in outcome.points.items()},
    }
