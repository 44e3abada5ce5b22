"""Which file belongs to which picture, by names; and what is ambiguous is refused.

A file belongs to the picture of the same name, without suffixes: ``0001.bin`` to ``day/0001.png``. Where two pictures
have that name, their path tells them apart: ``day/0001.bin``. A file that is no picture's by name may be one's by its
id in the data set.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import NamedTuple
from urllib.parse import quote

from ..errors import DatasetError
from ..reporting.provenance import file_digest
from ..task.dataset import ImageId, Item

Name = tuple[str, ...]
"""A file's path without its suffix, in parts; relative to the folder that it is looked for in."""
_SHOWN = 3


class Candidate(NamedTuple):
    """A file, or an entry of a record, that may belong to a picture: its number, its name, and its name in messages.

    ``sha256`` is the digest of the picture that it was made from, where a record says so.
    """

    number: int
    name: Name
    told: str
    sha256: str | None = None


def check_distinct(items: Iterable[Item]) -> None:
    """Refuse a picture file that is there under two ids: its pixels would count twice.

    Raises :class:`DatasetError`.
    """
    check_distinct_files((item.id, item.path) for item in items)


def check_distinct_files(files: Iterable[tuple[ImageId, Path]]) -> None:
    """Refuse one file for two pictures, also where one name of it is a link to the other.

    Raises :class:`DatasetError`.
    """
    seen: dict[str, ImageId] = {}
    for image_id, path in files:
        other = seen.setdefault(os.path.realpath(path), image_id)
        if other != image_id:
            raise DatasetError(f"pictures {other} and {image_id} are one file, {path}; it would count twice")


class NamedFile(NamedTuple):
    """A file and its name."""

    name: Name
    path: Path


def files_in(folder: Path, suffixes: Sequence[str]) -> list[NamedFile]:
    """The files that have one of the ``suffixes``, in a folder and the folders in it.

    Raises :class:`DatasetError` where there is no such folder.
    """
    if not folder.is_dir():
        raise DatasetError(f"{folder}: there is no such folder")
    places = [Path(place, name) for place, _, names in os.walk(folder, followlinks=True) for name in names]
    found = [path for path in sorted(places) if path.suffix.lower() in suffixes]
    return [NamedFile(name_of(path.relative_to(folder)), path) for path in found]


def without_place(candidates: Iterable[Candidate], items: Iterable[Item]) -> list[Candidate]:
    """Candidates whose names are paths from elsewhere, each with the longest end of its name that a picture has."""
    known = {parts[start:] for item in items for parts in [_parts(item.path)] for start in range(len(parts))}

    def shortened(name: Name) -> Name:
        return next((name[start:] for start in range(len(name)) if name[start:] in known), name[-1:])

    return [candidate._replace(name=shortened(candidate.name)) for candidate in candidates]


def match(candidates: Sequence[Candidate], items: Sequence[Item]) -> dict[ImageId, int]:
    """The number of the candidate that belongs to each picture; a picture without one is not in it.

    Raises :class:`DatasetError` where a candidate may belong to several pictures, or a picture may have several
    candidates.
    """
    return _Matching(candidates, items).found()


def name_of(path: PurePath) -> Name:
    """A path without its suffix, in parts."""
    return (*path.parts[:-1], path.stem)


def _parts(path: Path) -> Name:
    """The name of a path from the root of the file system."""
    return name_of(PurePath(os.path.abspath(path)))


class _Matching:
    def __init__(self, candidates: Sequence[Candidate], items: Sequence[Item]) -> None:
        self._candidates = candidates
        self._items = {item.id: item for item in items}
        self._digests: dict[ImageId, str | None] = {}
        self._paths = {item.id: _parts(item.path) for item in items}
        folders = [PurePath(*parts[:-1]) for parts in self._paths.values()]
        root = len(PurePath(os.path.commonpath(folders)).parts) if folders else 0
        self._exact = {image_id: parts[root:] for image_id, parts in self._paths.items()}
        self._by_stem: dict[str, list[ImageId]] = defaultdict(list)
        for image_id, parts in self._paths.items():
            self._by_stem[parts[-1]].append(image_id)

    def found(self) -> dict[ImageId, int]:
        by_name: dict[ImageId, list[Candidate]] = defaultdict(list)
        rest: list[tuple[Candidate, list[ImageId]]] = []
        free: list[Candidate] = []
        for candidate in self._candidates:
            named = self._named(candidate.name)
            exact = [image_id for image_id in named if self._exact[image_id] == candidate.name]
            if len(exact) == 1:
                by_name[exact[0]].append(candidate)
            elif named:
                rest.append((candidate, named))
            else:
                free.append(candidate)
        settled = set(by_name)
        for candidate, named in rest:
            if len(named) > 1:
                if settled.issuperset(named):
                    continue  # each has its own, by its whole path
                named = self._by_digest(candidate, named)
            by_name[named[0]].append(candidate)
        self._add_by_id(by_name, free)
        for image_id, found in by_name.items():
            if len(found) > 1:
                told = " or ".join(candidate.told for candidate in found)
                raise DatasetError(
                    f"picture {image_id} ({self._items[image_id].path}): may be {told}; leave one of them"
                )
        for image_id, (candidate,) in by_name.items():
            self._check_record(image_id, candidate)
        return {image_id: found.number for image_id, (found,) in by_name.items()}

    def _check_record(self, image_id: ImageId, candidate: Candidate) -> None:
        """Refuse a file that was made from another picture of the data set, as the record beside it says."""
        if candidate.sha256 is None or self._digest(image_id) in (None, candidate.sha256):
            return
        for other, item in self._items.items():
            if self._digest(other) == candidate.sha256:
                raise DatasetError(
                    f"{candidate.told}: is named as picture {image_id} ({self._items[image_id].path}), but its record "
                    f"says that it was made from picture {other} ({item.path})"
                )

    def _digest(self, image_id: ImageId) -> str | None:
        """The digest of a picture's file; None where it is not there."""
        if image_id not in self._digests:
            path = self._items[image_id].path
            self._digests[image_id] = file_digest(path) if path.is_file() else None
        return self._digests[image_id]

    def _named(self, name: Name) -> list[ImageId]:
        """The pictures whose path ends with a name."""
        return [image_id for image_id in self._by_stem.get(name[-1], ()) if self._paths[image_id][-len(name) :] == name]

    def _by_digest(self, candidate: Candidate, named: list[ImageId]) -> list[ImageId]:
        """Of several pictures of a name the one that the candidate was made from. Raises where nothing tells."""
        if candidate.sha256 is not None:
            same = [image_id for image_id in named if self._digest(image_id) == candidate.sha256]
            if len(same) == 1:
                return same
        told = " or ".join(str(self._items[image_id].path) for image_id in named[:_SHOWN])
        more = f" or {len(named) - _SHOWN} more" if len(named) > _SHOWN else ""
        inner = "/".join(self._exact[named[0]])
        raise DatasetError(f"{candidate.told}: may belong to {told}{more}; name it by its path, as in {inner}")

    def _add_by_id(self, by_name: dict[ImageId, list[Candidate]], free: Sequence[Candidate]) -> None:
        """Add what belongs to a picture by its id, where it has nothing by its name."""
        taken = {candidate.name: image_id for image_id, found in by_name.items() for candidate in found}
        by_id: dict[Name, list[Candidate]] = defaultdict(list)
        for candidate in free:
            by_id[candidate.name].append(candidate)
        for image_id, item in self._items.items():
            if image_id in by_name:
                continue
            for name in dict.fromkeys([(str(image_id),), (quote(str(image_id), safe=" "),)]):
                if name in taken:
                    raise DatasetError(
                        f"picture {image_id} ({item.path}): has no file of its name, and {name[0]}, which is its id, "
                        f"is the name of picture {taken[name]} ({self._items[taken[name]].path})"
                    )
                if name in by_id:
                    by_name[image_id] += by_id[name]


def absent(items: Iterable[Item], found: Mapping[ImageId, object], told: Callable[[str], str]) -> dict[ImageId, str]:
    """The pictures that nothing was found for; ``told`` says so of the names that were looked for."""
    return {item.id: told(_either(item)) for item in items if item.id not in found}


def _either(item: Item) -> str:
    return " or ".join(dict.fromkeys([item.path.stem, str(item.id)]))
