"""The files of ImageNet's layouts: lists of pictures, lists of classes, class folders."""

from __future__ import annotations

import os.path
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from vcm_ref.errors import DatasetError
from vcm_ref.files.kind import PICTURE_SUFFIXES
from vcm_ref.task.dataset import read_text
from vcm_ref.task.faults import can_name_file, shown

_SYNSET = re.compile(r"(n[0-9]{8})(?:[\s,]+(\S.*))?")
_INDEX = re.compile(r"[0-9]{1,9}")
_CHARACTERS_AND_NUMBERS = re.compile(r"[0-9]+|[^0-9]", re.DOTALL)
#: Places where a line may be parted into picture and class; only tabs part a line that has one.
_TAB, _GAP = re.compile(r"\s*\t\s*"), re.compile(r"\s*,\s*|\s+")
#: The first column's name in a list with a heading, such as Kaggle's ``ImageId,PredictionString``.
_HEADINGS = {"imageid", "image", "filename", "file", "path", "picture"}
_OF_BOXES = "predictionstring"
_FORM = "a line is a picture and its class, with a tab, a comma or a space between them"

_NO_NAMES = "an index from 0 (a name needs a list of classes, 'classes' of the data set's description)"


class ClassNames:
    """The classes of a list in the network's order, each with all names by which a line may call it."""

    def __init__(self, names: Sequence[tuple[str, ...]]) -> None:
        self.shown = [of_one[0] for of_one in names]
        self._indices: dict[str, set[int]] = {}
        for index, of_one in enumerate(names):
            for name in of_one:
                self._indices.setdefault(name, set()).add(index)

    def indices(self, text: str) -> set[int]:
        """Give every class that ``text`` can mean: as a name, or as an index from 0."""
        found = self._indices.get(text, set())
        if _INDEX.fullmatch(text) and (not self.shown or int(text) < len(self.shown)):
            return found | {int(text)}
        return found

    def index_of_folder(self, name: str) -> int | None:
        """Give the class whose name a folder has; :class:`DatasetError` where several have it."""
        found = self._indices.get(name, set())
        if len(found) > 1:
            raise DatasetError(f"folder {shown(name)} has the name of {len(found)} classes, {sorted(found)}")
        return next(iter(found), None)


def read_classes(path: Path) -> ClassNames:
    """Read a list of classes: a name a line, or a synset and its words, as ``n01440764 tench, Tinca tinca``.

    The words of a synset are names of the class together, and each by itself. Raises :class:`DatasetError`.
    """
    lines = [line.strip() for line in read_text(path, "list of classes").rstrip().split("\n")]
    names = []
    for number, line in enumerate(lines, start=1):
        if not line:
            raise DatasetError(f"{path}, line {number}: is empty; a line names a class, in the network's order")
        if match := _SYNSET.fullmatch(line):
            synset, words = match[1], match[2] or ""
            names.append(tuple(filter(None, (synset, words, *map(str.strip, words.split(","))))))
        else:
            names.append((line,))
    return ClassNames(names)


def class_folders(images: Path) -> list[str]:
    """Give the folders in ``images`` by name, without hidden ones, whose names begin with a dot."""
    return sorted(entry.name for entry in _entries(images) if entry.is_dir())


def classes_of_folders(images: Path) -> ClassNames:
    """Give the folders in ``images`` as classes: in the order of numbers where all names are numbers, else by name.

    Raises :class:`DatasetError` where two folders are one number, and where numbers in the names leave the order open.
    """
    names = class_folders(images)
    if all(_INDEX.fullmatch(name) for name in names):
        names.sort(key=int)
        for first, second in pairwise(names):
            if int(first) == int(second):
                raise DatasetError(f"{images}: the folders {first} and {second} are the same number")
    for name, by_number in zip(names, sorted(names, key=_with_numbers), strict=True):
        if name != by_number:
            raise DatasetError(
                f"{images}: is the folder {shown(name)} or {shown(by_number)} the earlier class? By name it is the "
                "first, by the numbers in the names the second: list all classes in the order of the network's "
                "outputs in a file, as 'classes' of the data set's description"
            )
    return ClassNames([(name,) for name in names])


def _with_numbers(name: str) -> list[tuple[str, int]]:
    """Give a key that sorts texts by their characters and the whole numbers in them by value, where digits stand."""
    return [
        ("0", int(part)) if part[0] in "0123456789" else (part, 0) for part in _CHARACTERS_AND_NUMBERS.findall(name)
    ]


def in_folders(images: Path, names: ClassNames) -> dict[str, int]:
    """Give the class of every file in the class folders of ``images``, by ``folder/file`` in the order of classes.

    Every file counts, so that one that is not a picture is noticed when it is read. Raises :class:`DatasetError` for a
    folder that is not a class.
    """
    labels: dict[str, int] = {}
    for folder in class_folders(images):
        label = names.index_of_folder(folder)
        if label is None:
            raise DatasetError(
                f"{images}: the folder {shown(folder)} is not the name of a class in the list of classes"
            )
        labels |= {f"{folder}/{path.name}": label for path in _entries(images / folder)}
    return dict(sorted(labels.items(), key=lambda entry: entry[1]))


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith(".")) if os.path.isdir(folder) else []


def read_list(path: Path, images: Path, names: ClassNames) -> dict[str, int]:
    """Read a list of lines ``picture class``: the class of each picture, by its path relative to ``images``.

    Columns are parted by a tab, a comma or spaces; a heading that begins with ImageId or the like is passed over. In
    Kaggle's ``PredictionString`` the class stands before each box. Raises :class:`DatasetError` for a line that is
    anything else, a class that is not known, and a picture listed twice.
    """
    lines = list(_lines(path))
    files, kaggle = PictureFiles(images), False
    if lines:
        heading = [column.strip().casefold() for column in re.split(r"[\t, ]", lines[0][1])]
        if heading[0].replace("_", "") in _HEADINGS and len(heading) > 1 and not names.indices(heading[-1]):
            kaggle = heading[1] == _OF_BOXES
            lines = lines[1:]
    labels: dict[str, int] = {}
    paths: set[str] = set()
    for number, line in lines:
        where = f"{path}, line {number}"
        picture, label = _line_of_boxes(where, line, names) if kaggle else _parted(where, line, files, names)
        if "\\" in picture and not os.path.isfile(images / picture):
            picture = picture.replace("\\", "/")  # written on Windows
        if not can_name_file(picture):
            raise DatasetError(f"{where}: {shown(picture)} cannot be the name of a file")
        if os.path.normpath(picture) in paths:
            raise DatasetError(f"{where}: {shown(picture)} is listed twice")
        paths.add(os.path.normpath(picture))
        labels[picture] = label
    return labels


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(read_text(path, "list of pictures").split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def _parted(where: str, line: str, files: PictureFiles, names: ClassNames) -> tuple[str, int]:
    """Part a line where its right side is a class; names of files and of classes may hold the separator."""
    found = _readings(where, line, _TAB if "\t" in line else _GAP, names)
    if len(found) > 1:  # one reading is right if its picture is there
        there = [(picture, label) for picture, label in found if os.path.isfile(files(picture))]
        found = there if len(there) == 1 else found
    if len(found) == 1:
        picture, label = found[0]
        last = re.split(r"[\t, ]+", picture)[-1]
        if last == picture or not names.indices(last) or os.path.isfile(files(picture)):
            return picture, label
    if found:
        raise DatasetError(
            f"{where}: is {shown(line)}, which can be split in several ways: write one class, after a tab"
        )
    known = f"0 to {len(names.shown) - 1} or a name of the list of classes" if names.shown else _NO_NAMES
    raise DatasetError(f"{where}: is {shown(line)}; {_FORM}: {known}")


def _readings(where: str, line: str, separator: re.Pattern[str], names: ClassNames) -> list[tuple[str, int]]:
    """Give every way to part a line at ``separator`` into a picture and a class that is known."""
    found = []
    for gap in separator.finditer(line):
        picture, text = line[: gap.start()].strip(), line[gap.end() :].strip()
        indices = names.indices(text)
        if len(indices) > 1:
            raise DatasetError(f"{where}: {shown(text)} can mean the classes {sorted(indices)}; write the index")
        if picture and indices:
            found.append((picture, min(indices)))
    return found


def _line_of_boxes(where: str, line: str, names: ClassNames) -> tuple[str, int]:
    """Read ``picture,class x0 y0 x1 y1 class x0 …``; all boxes are of one class."""
    picture, _, text = line.partition(",")
    classes = set(text.split()[::5])
    indices = {index for name in classes for index in names.indices(name)}
    if not picture.strip() or len(classes) != 1 or len(indices) != 1:
        raise DatasetError(
            f"{where}: is {shown(line)}; a line is picture,class x0 y0 x1 y1, with a class that is known"
        )
    return picture.strip(), min(indices)


class PictureFiles:
    """The files of listed pictures in a folder; a picture may be listed without its ending."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._by_stem: dict[Path, dict[str, list[str]]] = {}

    def __call__(self, picture: str) -> Path:
        """Give a picture's file. Raises :class:`DatasetError` where files of several endings are there."""
        path = self._folder / picture
        if path.suffix.lower() in PICTURE_SUFFIXES or os.path.isfile(path):
            return path
        found = self._names(path.parent).get(path.name, [])
        if len(found) > 1:
            raise DatasetError(
                f"picture {shown(picture)}: {path.parent} holds {' and '.join(found)}: list it with its ending"
            )
        return path.with_name(found[0]) if found else path

    def _names(self, folder: Path) -> dict[str, list[str]]:
        """Give the names of the pictures in ``folder`` by their names without ending."""
        if folder not in self._by_stem:
            names: dict[str, list[str]] = {}
            self._by_stem[folder] = names
            for path in _entries(folder):
                if path.suffix.lower() in PICTURE_SUFFIXES:
                    names.setdefault(path.stem, []).append(path.name)
        return self._by_stem[folder]
