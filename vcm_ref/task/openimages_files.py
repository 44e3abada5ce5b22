"""The files of OpenImages V6, and of MPEG-VCM's selection from it: CSV tables, lists, and masks."""

from __future__ import annotations

import base64
import binascii
import csv
import os.path
import sys
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import StringIO
from math import isfinite, log
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import DatasetError, reason
from vcm_ref.task.dataset import class_key, read_text
from vcm_ref.task.faults import shown
from vcm_ref.task.openimages_metric import Rle
from vcm_ref.task.run_lengths import fault_of_runs

if TYPE_CHECKING:
    from PIL.Image import Image

Row = dict[str, str]
Coordinates = tuple[float, float, float, float]
"""x0, y0, x1, y1 as shares of the picture's width and height."""

_SUFFIXES = (".jpg", ".jpeg", ".png")
_ROUNDING = 1e-5  # coordinates have six decimals, some fewer
_SAME_PROPORTIONS = 0.05  # of a mask and its picture: the logarithm of what rounding to pixels makes of small ones
_MOST_BYTES = 2**24  # of one mask's run lengths


def read_rows(path: Path, text: str, needed: Collection[str]) -> Iterator[tuple[str, Row]]:
    """Give the rows of a CSV file with a heading, each with its place for messages.

    Raises :class:`DatasetError` for a ``needed`` column that is not there or has no value where it names a picture or a
    class, for a column that occurs twice, and for a row that does not fit the heading.
    """
    csv.field_size_limit(2**31 - 1 if sys.maxsize > 2**31 else sys.maxsize)  # a mask is one field
    reader = csv.DictReader(StringIO(text, newline=""))
    try:
        columns = reader.fieldnames or ()
        for name in needed:
            if columns.count(name) != 1:
                told = "no column" if name not in columns else "more than one column"
                heading = shown(",".join(columns))
                raise DatasetError(f"annotations {path}: there is {told} {name}; the heading is {heading}")
        for row in reader:
            where = f"{path}, line {reader.line_num}"
            if None in row or None in row.values():
                raise DatasetError(f"{where}: does not have as many fields as the heading")
            for name in ("ImageID", "LabelName"):
                if not row[name].strip():
                    raise DatasetError(f"{where}: {name} is empty")
                if row[name] != row[name].strip():
                    raise DatasetError(f"{where}: {name} is {shown(row[name])}, with a space before or after it")
            yield where, row
    except csv.Error as error:
        raise DatasetError(f"{path}, line {reader.line_num}: cannot be read as CSV: {error}") from error


def without_repeats(rows: Iterable[tuple[str, Row]], problems: list[str]) -> Iterator[tuple[str, Row]]:
    """Give the rows, without those that repeat an earlier one in every column; ``problems`` gets to know of these.

    Rows that agree in picture, class and box alone are two objects, as in TensorFlow's evaluator.
    """
    seen: dict[tuple[str, ...], str] = {}
    for where, row in rows:
        first = seen.setdefault(tuple(row.values()), where)
        if first is where:
            yield where, row
        else:
            problems.append(f"{where}: repeats the row of {first.rpartition(', ')[2]}")


def read_box(where: str, row: Row, prefix: str = "") -> Coordinates:
    """Read the box of a row, whose columns' names begin with ``prefix``, as shares of the picture's sides.

    Raises :class:`DatasetError` where it ends before it begins, or leaves the picture by more than rounding explains.
    """
    x0, y0, x1, y1 = (read_number(where, row, prefix + name) for name in ("XMin", "YMin", "XMax", "YMax"))
    if x0 > x1 or y0 > y1:
        raise DatasetError(f"{where}: the box ends before it begins")
    if min(x0, y0) < -_ROUNDING or max(x1, y1) > 1 + _ROUNDING:
        box = f"the box {x0:g}, {y0:g}, {x1:g}, {y1:g}"
        pixels = "; it seems to be in pixels" if max(x1, y1) > 2 else ""
        raise DatasetError(f"{where}: {box} is not within 0 … 1, shares of the picture's sides{pixels}")
    return x0, y0, x1, y1


def is_group(where: str, row: Row) -> bool:
    """Say whether a row is about a group of objects; the masks' table may lack the column.

    The value -1, not known, counts as a group: TensorFlow's evaluator takes the column for booleans
    (``groundtruth_is_group_of_list.astype(bool)`` in ``object_detection/utils/object_detection_evaluation.py``).
    """
    return "IsGroupOf" in row and _one_of(where, row, "IsGroupOf", (-1, 0, 1)) != 0


def check_verified(where: str, row: Row) -> None:
    """Check that an image-level label is a person's: 1, there, or 0, not there. Raises :class:`DatasetError`."""
    if row.get("Source") == "machine":
        raise DatasetError(f"{where}: Source is 'machine'; only labels that people have verified count")
    _one_of(where, row, "Confidence", (0, 1))


def _one_of(where: str, row: Row, name: str, allowed: Sequence[int]) -> float:
    value = read_number(where, row, name)
    if value not in allowed:
        raise DatasetError(f"{where}: {name} is {row[name]}; it must be {' or '.join(map(str, allowed))}")
    return value


def read_number(where: str, row: Row, name: str) -> float:
    """Read the finite number in a row's column ``name``. Raises :class:`DatasetError`."""
    text = row.get(name, "")
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise DatasetError(f"{where}: {name} is {text!r}, which is not a number")
    return value


def read_image_list(path: Path) -> dict[str, str | None]:
    """Read picture ids, and file names where they are given: a name a line, with or without folder and ending.

    Raises :class:`DatasetError` where two lines are of one picture, and where there is none.
    """
    listed: dict[str, str | None] = {}
    for number, line in enumerate(read_text(path, "list of pictures").split("\n"), start=1):
        name = line.strip()
        image_id = Path(name).stem
        if image_id in listed:
            raise DatasetError(f"list of pictures {path}, line {number}: picture {shown(image_id)} is listed twice")
        if name:
            listed[image_id] = name if Path(name).suffix else None
    if not listed:
        raise DatasetError(f"list of pictures {path}: is empty")
    return listed


def read_descriptions(path: Path) -> dict[str, str]:
    """Read the name of each class label: a label and a name a line, with or without heading.

    Several labels may have one name. Raises :class:`DatasetError` for a label of two names.
    """
    described: dict[str, str] = {}
    for line in csv.reader(StringIO(read_text(path, "class descriptions"), newline="")):
        row = [field.strip() for field in line]
        if not row or row[0] in ("LabelName", "id"):
            continue
        if len(row) < 2 or not row[0].strip() or not row[1].strip():
            raise DatasetError(f"class descriptions {path}: the line {shown(','.join(row))} is not a label and a name")
        if described.setdefault(row[0], row[1]) != row[1]:
            raise DatasetError(f"class descriptions {path}: {row[0]} is {described[row[0]]!r} and {row[1]!r}")
    return described


def read_classes(path: Path, described: Mapping[str, str], known: Collection[str]) -> list[str]:
    """Read the class labels of a list, in its order; a line is a label, or a name that ``described`` has.

    ``known`` are the labels of the tables. Raises :class:`DatasetError` for a name of several labels; for a line that
    is neither a label nor a name, where there are descriptions; and for an empty list.
    """
    by_name: dict[str, list[str]] = {}
    for label in sorted({*described, *known}):
        by_name.setdefault(class_key(described.get(label, label)), []).append(label)
    chosen = []
    for line in read_text(path, "list of classes").split("\n"):
        if not (name := line.split(",")[0].strip()):
            continue
        labels = [name] if name in described or name in known else by_name.get(class_key(name), [])
        if len(labels) > 1:
            raise DatasetError(
                f"list of classes {path}: {name!r} is the name of {' and '.join(labels)}: write the label"
            )
        if not labels and described:
            raise DatasetError(f"list of classes {path}: {name!r} is neither a label nor a name of the descriptions")
        chosen += labels or [name]
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
    return flat if os.path.isfile(flat) else folder / row["ImageID"][:1].upper() / row["MaskPath"]


def check_mask(where: str, folder: Path, row: Row) -> None:
    """Check, without decoding it, that the mask of a row can be read. Raises :class:`DatasetError`."""
    path = mask_path(folder, row)
    if path is None:
        _run_lengths(where, row)
    else:
        with _opened_mask(path):
            pass


def read_mask(folder: Path, row: Row, size: tuple[int, int]) -> Rle:
    """Read the mask of a row, of the picture's own ``size`` (height, width): distributed ones may be of another.

    Raises :class:`DatasetError` for one that cannot be read, or is upright where the picture is broad, or the reverse.
    """
    path = mask_path(folder, row)
    mask = _inline_mask(row) if path is None else _png_mask(path)
    if mask.shape != size:
        from PIL import Image

        height, width = size
        if _turned(mask.shape, size):
            raise DatasetError(
                f"mask of picture {row['ImageID']}, class {row['LabelName']}: it is {mask.shape[1]}x{mask.shape[0]}, "
                f"the picture {width}x{height}: one of them is turned"
            )
        resized = Image.fromarray(mask.astype(np.uint8)).resize((width, height), Image.Resampling.NEAREST)
        mask = np.asarray(resized, np.bool_)
    return encode_mask(mask)


def _turned(mask: tuple[int, ...], picture: tuple[int, int]) -> bool:
    """Say whether the sides of a mask are nearer to the picture's when they are swapped, by their proportions."""
    ratio, wanted = log(mask[0] / mask[1]), log(picture[0] / picture[1])
    return abs(ratio + wanted) < abs(ratio - wanted) and abs(ratio - wanted) > _SAME_PROPORTIONS


def encode_mask(mask: NDArray[np.bool_]) -> Rle:
    """A mask (H, W) in COCO's run-length encoding."""
    from pycocotools import mask as coco_mask

    return dict(coco_mask.encode(np.asfortranarray(mask, np.uint8)))


@contextmanager
def _opened_mask(path: Path) -> Iterator[Image]:
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG",)) as picture:
            yield picture
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(f"mask {path} cannot be read: {reason(error)}") from error


def _png_mask(path: Path) -> NDArray[np.bool_]:
    with _opened_mask(path) as picture:
        return np.asarray(picture.convert("L")) > 0


def _run_lengths(where: str, row: Row) -> Rle:
    """Give a mask as MPEG's file has it: COCO's run lengths, deflated, in base64."""
    try:
        height, width = int(row["ImageHeight"]), int(row["ImageWidth"])
        inflater = zlib.decompressobj()
        counts = inflater.decompress(base64.b64decode(row["Mask"], validate=True), _MOST_BYTES)
        fault = "it is too long" if inflater.unconsumed_tail else fault_of_runs(counts, height, width)
        if height < 1 or width < 1:
            fault = f"its size is {width}x{height}"
    except KeyError as error:
        fault = f"there is no column {error.args[0]}"
    except (ValueError, binascii.Error, zlib.error) as error:
        fault = str(error)
    if fault:
        raise DatasetError(f"{where}: the mask cannot be read: {fault}")
    return {"size": [height, width], "counts": counts}


def _inline_mask(row: Row) -> NDArray[np.bool_]:
    from pycocotools import mask as coco_mask

    encoded = _run_lengths(f"picture {row['ImageID']}, class {row['LabelName']}", row)
    return np.asarray(coco_mask.decode([encoded])[..., 0], np.bool_)
