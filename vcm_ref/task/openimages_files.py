"""The files of OpenImages V6, and of MPEG-VCM's selection from it: CSV tables, lists, and masks."""

from __future__ import annotations

import base64
import binascii
import csv
import sys
import zlib
from collections.abc import Collection, Iterator, Mapping
from math import isfinite
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import DatasetError, reason
from vcm_ref.task.dataset import class_key, read_text
from vcm_ref.task.openimages_metric import Rle

Row = dict[str, str]
Coordinates = tuple[float, float, float, float]
"""x0, y0, x1, y1 as shares of the picture's width and height."""

_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_rows(path: Path, text: str, needed: Collection[str]) -> Iterator[tuple[str, Row]]:
    """The rows of a CSV file with a heading, each with its place for messages.

    Raises :class:`DatasetError` for a ``needed`` column that is not there, and for a row that does not fit the heading.
    """
    csv.field_size_limit(2**31 - 1 if sys.maxsize > 2**31 else sys.maxsize)  # a mask is one field
    reader = csv.DictReader(text.splitlines())
    missing = [name for name in needed if name not in (reader.fieldnames or ())]
    if missing:
        raise DatasetError(f"annotations {path}: there is no column {missing[0]}")
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        if None in row or None in row.values():
            raise DatasetError(f"{where}: has not as many fields as the heading")
        yield where, row


def read_box(where: str, row: Row, prefix: str = "") -> Coordinates:
    """The box of a row, whose columns' names begin with ``prefix``; :class:`DatasetError` where it is inside out."""
    x0, y0, x1, y1 = (read_number(where, row, prefix + name) for name in ("XMin", "YMin", "XMax", "YMax"))
    if x0 > x1 or y0 > y1:
        raise DatasetError(f"{where}: the box ends before it begins")
    return x0, y0, x1, y1


def is_group(where: str, row: Row) -> bool:
    """Whether a row is about a group of objects; a file without the column has none."""
    return "IsGroupOf" in row and read_number(where, row, "IsGroupOf") != 0


def read_number(where: str, row: Row, name: str) -> float:
    """The finite number in a row's column ``name``. Raises :class:`DatasetError`."""
    text = row.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise DatasetError(f"{where}: {name} is {text!r}, no number")
    return value


def read_image_list(path: Path) -> dict[str, str | None]:
    """Picture ids, and file names where they are given: a name a line, with or without folder and ending."""
    names = [line.strip() for line in read_text(path, "list of pictures").splitlines() if line.strip()]
    return {Path(name).stem: name if Path(name).suffix else None for name in names}


def read_descriptions(path: Path) -> dict[str, str]:
    """The name of each class label: a label and a name a line, with or without heading."""
    rows = list(csv.reader(read_text(path, "class descriptions").splitlines()))
    bad = next((row for row in rows if len(row) < 2), None)
    if bad is not None:
        raise DatasetError(f"class descriptions {path}: the line {','.join(bad)!r} has no two fields")
    return {row[0]: row[1] for row in rows if row[0] not in ("LabelName", "id")}


def read_classes(path: Path, described: Mapping[str, str]) -> list[str]:
    """The class labels of a list, in its order; a line is a label, or a name that ``described`` has."""
    by_name = {class_key(name): label for label, name in described.items()}
    lines = [line.split(",")[0].strip() for line in read_text(path, "list of classes").splitlines()]
    chosen = [line if line in described else by_name.get(class_key(line), line) for line in lines if line]
    if not chosen:
        raise DatasetError(f"list of classes {path}: is empty")
    return list(dict.fromkeys(chosen))


def picture_path(folder: Path, image_id: str, file: str | None) -> Path:
    """A picture's file: as it is listed, or with the first of the usual endings that is there."""
    candidates = [folder / file] if file else []
    candidates += [folder / f"{image_id}{suffix}" for suffix in _SUFFIXES]
    return next((path for path in candidates if path.is_file()), candidates[0])


def mask_path(folder: Path, row: Row) -> Path | None:
    """Where a mask lies; ``None`` where it is in the row itself.

    It lies in ``folder``, or, as masks are distributed, below it in a folder named by the picture id's first digit.
    Raises :class:`DatasetError` where the row has neither.
    """
    if row.get("Mask"):
        return None
    if not row.get("MaskPath"):
        raise DatasetError(f"mask of picture {row['ImageID']}, class {row['LabelName']}: has neither MaskPath nor Mask")
    flat = folder / row["MaskPath"]
    return flat if flat.is_file() else folder / row["ImageID"][:1].upper() / row["MaskPath"]


def read_mask(folder: Path, row: Row, size: tuple[int, int]) -> Rle:
    """The mask of a row, of the picture's own ``size`` (height, width): distributed ones may be of another.

    Raises :class:`DatasetError` for one that cannot be read.
    """
    path = mask_path(folder, row)
    mask = _inline_mask(row) if path is None else _png_mask(path)
    if mask.shape != size:
        from PIL import Image

        resized = Image.fromarray(mask.astype(np.uint8)).resize(size[::-1], Image.Resampling.NEAREST)
        mask = np.asarray(resized, np.bool_)
    return encode_mask(mask)


def encode_mask(mask: NDArray[np.bool_]) -> Rle:
    """A mask (H, W) in COCO's run-length encoding."""
    from pycocotools import mask as coco_mask

    return dict(coco_mask.encode(np.asfortranarray(mask, np.uint8)))


def _png_mask(path: Path) -> NDArray[np.bool_]:
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG",)) as picture:
            return np.asarray(picture.convert("L")) > 0
    except (OSError, ValueError, SyntaxError) as error:
        raise DatasetError(f"mask {path} cannot be read: {reason(error)}") from error


def _inline_mask(row: Row) -> NDArray[np.bool_]:
    """A mask as MPEG's file has it: COCO's run lengths, deflated, in base64."""
    from pycocotools import mask as coco_mask

    try:
        size = [int(row["ImageHeight"]), int(row["ImageWidth"])]
        counts = zlib.decompress(base64.b64decode(row["Mask"], validate=True))
        return np.asarray(coco_mask.decode([{"size": size, "counts": counts}])[..., 0], np.bool_)
    except (KeyError, ValueError, binascii.Error, zlib.error) as error:
        raise DatasetError(
            f"mask of picture {row['ImageID']}, class {row['LabelName']}: cannot be read: {reason(error)}"
        ) from error
