"""Data sets: pictures, what is known about them, and how results are measured against it.

One file a kind: :mod:`~vcm_ref.task.coco` (the generated scenes are of this kind), :mod:`~vcm_ref.task.openimages`,
:mod:`~vcm_ref.task.imagenet`. docs/evaluation.md describes their layouts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from vcm_ref.errors import DatasetError, reason
from vcm_ref.task.classification import Classification
from vcm_ref.task.detections import Detections

ImageId = int | str
Result = Detections | Classification
Sizes = Mapping[ImageId, tuple[int, int]]
"""Height and width of each picture, in pixels."""


class Item(NamedTuple):
    """One picture of a data set: its id there, and where the file is or should be.

    ``size`` is the height and width in pixels that its annotations are about, where the data set says so.
    """

    id: ImageId
    path: Path
    size: tuple[int, int] | None = None


def check_size(item: Item, height: int, width: int) -> None:
    """Compare the size of what is analysed, in pixels, with the size that the picture's annotations are about.

    Raises :class:`~vcm_ref.errors.DatasetError` where they differ.
    """
    if item.size is None or item.size == (height, width):
        return
    turned = ", which may be its Exif orientation" if item.size == (width, height) else ""
    raise DatasetError(
        f"picture {item.id} ({item.path.name}): is {width}x{height}, its annotations are of a picture of "
        f"{item.size[1]}x{item.size[0]}{turned}"
    )


class Dataset(Protocol):
    """What every kind of data set offers.

    ``items`` are the pictures in the data set's order; ``classes`` names the classes that results are about, by id;
    ``problems`` says, one entry each, what of the annotations cannot be used: one whose picture is not in the data set,
    or whose mask is missing. Whether the pictures are there is for those to see who read them.
    """

    name: str
    items: list[Item]
    classes: Mapping[int, str]
    problems: list[str]

    def digest(self) -> str:
        """SHA-256, in hexadecimal, over the content of the annotations and the list of pictures."""

    def evaluate(self, results: Mapping[ImageId, Result], sizes: Sizes) -> dict[str, float]:
        """The metrics, by name, over the pictures in ``results``; detections carry the data set's class ids as labels.

        Each result is asked for once, so that a mapping may make them as they are needed. Raises
        :class:`~vcm_ref.errors.DatasetError` where there are none, or where they are of another task's.
        """


def load_dataset(path: str | Path, images: str | Path | None = None) -> Dataset:
    """The data set at ``path``.

    A ``.yaml`` file describes any kind (``dataset.schema.json``), with paths relative to itself; a ``.json`` file is
    taken for COCO's annotations; a folder for ImageNet's layout, a folder a class; a ``.txt`` file for a list of
    pictures and classes. ``images``, the folder of the pictures, wins over what the file says. Raises
    :class:`~vcm_ref.errors.DatasetError` for what cannot be read.
    """
    path = Path(path)
    if path.is_dir():
        description: dict[str, Any] = {"kind": "imagenet", "images": str(path)}
    elif path.suffix == ".json":
        description = {"kind": "coco", "annotations": path.name}
    elif path.suffix == ".txt":
        description = {"kind": "imagenet", "image_list": path.name}
    else:
        description = _read_description(path)
    folder = Path() if path.is_dir() else path.parent
    options = {key: folder / value if key in _PATHS else value for key, value in description.items() if key != "kind"}
    if images is not None:
        options["images"] = Path(images)
    name = path.resolve().name if path.is_dir() else path.stem
    return _kinds()[description["kind"]](name=name, **options)


_PATHS = ("annotations", "images", "image_list", "boxes", "labels", "masks", "mask_folder", "descriptions", "classes")


def _kinds() -> dict[str, Callable[..., Dataset]]:
    from vcm_ref.task.coco import CocoDataset
    from vcm_ref.task.imagenet import ImageNetDataset
    from vcm_ref.task.openimages import OpenImagesDataset

    return {"coco": CocoDataset, "openimages": OpenImagesDataset, "imagenet": ImageNetDataset}


def _read_description(path: Path) -> dict[str, Any]:
    import yaml
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    try:
        description = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise DatasetError(f"data set {path} cannot be read: {reason(error)}") from error
    schema = json.loads(files(__package__).joinpath("dataset.schema.json").read_text())
    problem = best_match(Draft202012Validator(schema).iter_errors(description))
    if problem is not None:
        where = ".".join(str(key) for key in problem.absolute_path)
        raise DatasetError(f"data set {path}: {f'{where}: ' if where else ''}{problem.message}")
    return dict(description)


def read_text(path: Path, what: str) -> str:
    """A text file of a data set; :class:`~vcm_ref.errors.DatasetError` says ``what`` it was to be."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{what} {path} cannot be read: {reason(error)}") from error


def content_digest(parts: Iterable[str]) -> str:
    """SHA-256, in hexadecimal, over ``parts`` in order, each with its length, so that no two lists have the same."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode()
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return digest.hexdigest()


def class_key(name: str) -> str:
    """A class name as it is compared: MPEG's lists write ``cell_phone`` where COCO writes ``cell phone``."""
    return " ".join(name.replace("_", " ").casefold().split())


def need_detections(result: Result, image_id: ImageId) -> Detections:
    """``result``, where it is detections; a :class:`~vcm_ref.errors.DatasetError` otherwise."""
    if not isinstance(result, Detections):
        raise DatasetError(f"picture {image_id}: the network classifies, the data set is of objects to detect")
    return result
