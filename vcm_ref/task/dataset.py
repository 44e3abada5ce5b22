"""Data sets: pictures, what is known about them, and how results are measured against it.

One file a kind: :mod:`~vcm_ref.task.coco` (the generated scenes are of this kind), :mod:`~vcm_ref.task.openimages`,
:mod:`~vcm_ref.task.imagenet`, :mod:`~vcm_ref.task.sequences`. docs/evaluation.md describes their layouts.
"""

from __future__ import annotations

import hashlib
import os.path
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from vcm_ref.errors import DatasetError, reason
from vcm_ref.files.document import load
from vcm_ref.files.kind import check_kind
from vcm_ref.files.schema import packaged
from vcm_ref.reporting.printable import printable
from vcm_ref.task.classification import Classification
from vcm_ref.task.detections import Detections
from vcm_ref.task.faults import shown

if TYPE_CHECKING:
    from vcm_ref.task.tally import Tally

ImageId = int | str
Result = Detections | Classification
Sizes = Mapping[ImageId, tuple[int, int]]
"""Height and width of each picture, in pixels."""

_FIRST_QUARTER_TURN = 5  # of Exif's orientations (Exif 2.32, tag 274): 5 to 8 swap the sides


class Item(NamedTuple):
    """One picture of a data set: its id there, and where the file is or should be.

    ``size`` is the (height, width) in pixels that its annotations are of; None where the data set does not state it.
    """

    id: ImageId
    path: Path
    size: tuple[int, int] | None = None


def check_size(item: Item, height: int, width: int) -> None:
    """Check that what is measured of a picture, ``height`` x ``width`` pixels, has the size of its annotations.

    Boxes of one size compared with boxes of another match nothing, or the wrong thing. Raises
    :class:`~vcm_ref.errors.DatasetError`; data sets that state no sizes pass.
    """
    if item.size is None or item.size == (height, width):
        return
    told = (
        f"picture {shown(item.id)} ({printable(item.path.name)}): it is {width}x{height} here, "
        f"its annotations are of {item.size[1]}x{item.size[0]} (width x height)"
    )
    if item.size == (width, height):
        told += (
            "; the sides are swapped, probably because the annotations take the picture as it is stored and it was "
            "turned as its Exif orientation says, or the other way round: see apply_exif_orientation"
        )
    raise DatasetError(told)


def check_picture_files(items: Iterable[Item]) -> None:
    """Check the sizes of the pictures that are there by their headers, as stored or turned by Exif orientation.

    A file that cannot be read is left to the one who reads it. Raises :class:`~vcm_ref.errors.DatasetError` as
    :func:`check_size`.
    """
    from vcm_ref.inputs.picture_file import picture_size

    for item in items:
        if item.size is None or not os.path.isfile(item.path):
            continue
        try:
            size = picture_size(item.path, apply_orientation=False)
            if size != item.size:
                size = picture_size(item.path, apply_orientation=True)
        except DatasetError:
            continue
        check_size(item, *size)


def with_unclear_orientation(items: Iterable[Item]) -> list[Item]:
    """List the pictures that Exif orientation turns or mirrors, without a size that says if the annotations follow it.

    A quarter turn swaps the sides, which :func:`check_size` notices; a half turn, a mirrored picture, a square one, and
    any picture whose annotated size is not stated pass it either way. A file that cannot be read is left to its reader.
    """
    from vcm_ref.inputs.picture_file import picture_orientation

    found = []
    for item in items:
        try:
            orientation = picture_orientation(item.path) if os.path.isfile(item.path) else 1
        except DatasetError:
            continue
        told = item.size is not None and orientation >= _FIRST_QUARTER_TURN and item.size[0] != item.size[1]
        if orientation != 1 and not told:
            found.append(item)
    return found


class Dataset(Protocol):
    """What every kind of data set offers.

    ``items`` are the pictures in the data set's order; ``classes`` names the classes that results are about, by id;
    ``problems`` says, one entry each, what of the annotations cannot be used: one whose picture is not in the data set,
    or whose mask is missing. Whether the pictures are there is for those to see who read them. ``frame_rate`` is that
    of a sequence, in pictures a second; None where pictures do not follow each other in time.
    """

    @property
    def name(self) -> str: ...

    @property
    def items(self) -> list[Item]: ...

    @property
    def classes(self) -> Mapping[int, str]: ...

    @property
    def problems(self) -> list[str]: ...

    @property
    def frame_rate(self) -> Fraction | None: ...

    def digest(self) -> str:
        """SHA-256, in hexadecimal, over the content of the annotations and the list of pictures."""

    def evaluate(self, results: Mapping[ImageId, Result], sizes: Sizes) -> dict[str, float]:
        """The metrics, by name, over the pictures in ``results``; detections carry the data set's class ids as labels.

        Each result is asked for once, so that a mapping may make them as they are needed. Raises
        :class:`~vcm_ref.errors.DatasetError` where there are none, or where they are of another task's.
        """

    def tallied(self, results: Mapping[ImageId, Result], sizes: Sizes) -> tuple[dict[str, float], Tally]:
        """The metrics of :meth:`evaluate`, and what each picture adds to them. Raises as :meth:`evaluate`."""


def load_dataset(path: str | Path, images: str | Path | None = None) -> Dataset:
    """The data set at ``path``.

    A ``.yaml`` file describes any kind (``dataset.schema.json``), with paths relative to itself; a ``.json`` file is
    taken for COCO's annotations; a folder for ImageNet's layout, a folder a class; a ``.txt`` file for a list of
    pictures and classes; a video file for a sequence without annotations. ``images``, the folder of the pictures, wins
    over what the file says. Raises :class:`~vcm_ref.errors.DatasetError` for what cannot be read.
    """
    path = Path(path)
    kind, options = _description(path)
    if images is not None:
        if "video" in options:
            raise DatasetError(f"{path}: is a video, whose pictures are in no other folder: leave out --images")
        options["images"] = Path(images)
    name = path.resolve().name if path.is_dir() else path.stem
    return _kinds()[kind](name=name, **options)


def dataset_files(path: Path) -> list[Path]:
    """The files that make up the data set at ``path``, without its pictures and masks.

    Raises :class:`~vcm_ref.errors.DatasetError` as :func:`load_dataset`.
    """
    named = [path, *_description(path)[1].values()]
    return [file for file in named if isinstance(file, Path) and file.is_file()]


def _description(path: Path) -> tuple[str, dict[str, Any]]:
    """The kind of the data set at ``path``, and its options; those in ``_PATHS`` are paths."""
    from vcm_ref.inputs.video_file import VIDEO_SUFFIXES

    if path.is_dir():
        description: dict[str, Any] = {"kind": "imagenet", "images": str(path)}
    elif path.suffix == ".json":
        description = {"kind": "coco", "annotations": path.name}
    elif path.suffix == ".txt":
        description = {"kind": "imagenet", "image_list": path.name}
    elif path.suffix.lower() in VIDEO_SUFFIXES:
        description = {"kind": "sequence", "video": path.name}
    else:
        description = _read_description(path)
    folder = Path() if path.is_dir() else path.parent
    options = {key: folder / value if key in _PATHS else value for key, value in description.items() if key != "kind"}
    return description["kind"], options


_PATHS = (
    "annotations",
    "images",
    "video",
    "tracks",
    "image_list",
    "boxes",
    "labels",
    "masks",
    "mask_folder",
    "descriptions",
    "classes",
)


def _kinds() -> dict[str, Callable[..., Dataset]]:
    from vcm_ref.task.coco import CocoDataset
    from vcm_ref.task.imagenet import ImageNetDataset
    from vcm_ref.task.openimages import OpenImagesDataset
    from vcm_ref.task.sequences import SequenceDataset

    return {
        "coco": CocoDataset,
        "openimages": OpenImagesDataset,
        "imagenet": ImageNetDataset,
        "sequence": SequenceDataset,
    }


def _read_description(path: Path) -> dict[str, Any]:
    return dict(load(path, "yaml", packaged("vcm_ref.task", "dataset.schema.json"), DatasetError).value)


def read_text(path: Path, what: str) -> str:
    """A text file of a data set; :class:`~vcm_ref.errors.DatasetError` says ``what`` it was to be."""
    check_kind(path)
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:  # a name with NUL is a ValueError
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


def match_names(wanted: Mapping[int, str], classes: Mapping[int, str]) -> dict[int, int]:
    """Give the class of the data set for each of a network's labels whose name in ``wanted`` is that of a class.

    ``classes`` has the names by class id; names are compared by :func:`class_key`. Raises
    :class:`~vcm_ref.errors.DatasetError` where a wanted name is that of several classes.
    """
    ids: dict[str, list[int]] = {}
    for number, name in classes.items():
        ids.setdefault(class_key(name), []).append(number)
    table = {label: ids[class_key(name)] for label, name in wanted.items() if class_key(name) in ids}
    for label, numbers in table.items():
        if len(numbers) > 1:
            raise DatasetError(
                f"the data set has {len(numbers)} classes with the name {shown(wanted[label])} (ids "
                f"{', '.join(map(str, numbers))}), so a name does not say which one the network's label {label} means: "
                "give a class another name, or match by ids (--labels ids)"
            )
    return {label: numbers[0] for label, numbers in table.items()}


def need_detections(result: Result, image_id: ImageId) -> Detections:
    """``result``, where it is detections; a :class:`~vcm_ref.errors.DatasetError` otherwise."""
    if not isinstance(result, Detections):
        raise DatasetError(f"picture {image_id}: the network classifies, the data set is of objects to detect")
    return result
