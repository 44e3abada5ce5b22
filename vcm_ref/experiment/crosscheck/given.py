"""Given bitstreams: found in their folder, decoded and analysed as a method of a sweep."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ...codec.picture import PictureCoder
from ...decoder import Backend
from ...errors import DatasetError
from ...files.kind import check_kind
from ...task.dataset import ImageId
from ..anchor import bitstream_names
from ..given_files import given_tasks
from ..group_method import feature_results, picture_results
from ..method import Method, PictureMethod, Subject, WithoutCoding
from ..naming import task_name
from ..stages.analyse import analyse_picture
from ..stages.values import Coded
from ..store import Store
from ..tasks import Task, TaskError, Value
from .groups import Groups


class Given(NamedTuple):
    """One bitstream as it is in the folder; without a digest, ``problem`` says why it cannot be read."""

    path: Path
    bytes: int = 0
    sha256: str = ""
    problem: str = ""


class GivenFolder:
    """A folder of bitstreams as :func:`~vcm_ref.experiment.anchor.write_bitstreams` makes it."""

    def __init__(self, folder: Path, files: Mapping[ImageId, str], groups: Groups) -> None:
        """``files`` are the names of all the anchor's pictures, by id."""
        self.folder = folder
        self._names = bitstream_names(files)
        self._groups = groups
        self._found: dict[tuple[int, ImageId], Given] = {}

    def at(self, qp: int, image_id: ImageId) -> Given:
        """The bitstream of a picture, or of its group, at a QP: its size and its digest, read once."""
        image_id = self._groups.members(image_id)[0]
        place = qp, image_id
        if place not in self._found:
            self._found[place] = self._look(self.folder / f"qp{qp}" / self._names[image_id])
        return self._found[place]

    def read(self, qp: int, image_id: ImageId) -> bytes | None:
        """The bitstream itself, or ``None`` where it cannot be read."""
        given = self.at(qp, image_id)
        return None if given.problem else given.path.read_bytes()

    def _look(self, path: Path) -> Given:
        try:
            check_kind(path)
            content = path.read_bytes()
        except FileNotFoundError:
            return Given(path, problem=f"{path}: is missing")
        except DatasetError as error:
            return Given(path, problem=str(error))
        except OSError as error:
            return Given(path, problem=f"{path}: cannot be read: {error.strerror or error}")
        return Given(path, len(content), hashlib.sha256(content).hexdigest())


@dataclass(frozen=True)
class GivenMethod(WithoutCoding):
    """The bitstreams of a folder, decoded, and the network on them."""

    name: str = "given"
    folder: GivenFolder = field(kw_only=True)
    coder: PictureCoder | None = None
    """Of pictures that were coded themselves; without one, features are decoded."""
    backend: Backend = "auto"

    @property
    def kind(self) -> str:
        return "features" if self.coder is None else "pictures"

    def point(self, subject: Subject, qp: int) -> str:
        given = self.folder.at(qp, subject.id)
        named = {"picture": [subject.id, subject.sha256], "qp": qp, "given": given.sha256 or given.problem}
        return task_name("analyse", **named, network=subject.network.digest, backend=self.backend)

    def bitstream(self, subject: Subject, qp: int, store: Store) -> bytes:
        content = self.folder.read(qp, subject.id)
        if content is None:
            raise KeyError(subject.id)
        return content

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        name = self.point(subject, qp)
        content = self.folder.read(qp, subject.id)
        if content is None:
            return [Task(name, refuse, (self.folder.at(qp, subject.id).problem,), "point")]
        if self.coder is None:
            return given_tasks(name, subject.network, content, self.backend)
        coded, picture = Coded(content, 8 * len(content), 0.0), subject.picture()
        return [Task(name, analyse_picture, (subject.network, self.coder, coded, picture), "point")]


@dataclass(frozen=True)
class GivenGroupMethod(GivenMethod):
    """The same of bitstreams of groups of pictures, each decoded once."""

    together: int = 2

    @property
    def group(self) -> int:
        return self.together

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        content = self.folder.read(qp, subject.id)
        if content is None:
            return super().tasks(subject, qp, store)
        group, coded = subject.group(self.group), Coded(content, 8 * len(content), 0.0)
        arguments = self.point(subject, qp), subject, group, coded, f"{self.point(group[0], qp)}-decoded"
        if self.coder is None:
            return feature_results(*arguments, self.backend)
        return picture_results(*arguments, self.coder)


def given_method(folder: GivenFolder, like: Method, backend: Backend) -> GivenMethod:
    """The bitstreams of a folder, decoded as those of a method are."""
    coder = like.coder if isinstance(like, PictureMethod) else None
    if like.group == 1:
        return GivenMethod(folder=folder, qps=like.qps, coder=coder, backend=backend)
    return GivenGroupMethod(folder=folder, qps=like.qps, coder=coder, backend=backend, together=like.group)


def refuse(problem: str) -> None:
    """A task that cannot be done: it fails, as any other task, with ``problem``."""
    raise TaskError(DatasetError.exit_code, problem, DatasetError.__name__)
