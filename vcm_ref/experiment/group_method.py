"""Methods that code pictures of a sequence together, a group at a time.

Each group is a bitstream of its own, as each picture is with other methods. Its bytes are those of its first picture in
the records; the others have none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..bitstream.values import Mode
from ..codec.picture import PictureCoder
from ..decoder import Backend
from .method import FeatureMethod, PictureMethod, Subject, feature_tasks, parts_of, picture_coder_description, stored
from .naming import task_name
from .records import Record
from .stages.analyse import analyse_decoded_picture, analyse_in_group, decode_group, decode_pictures
from .stages.code import code_group, code_pictures
from .stages.values import Coded
from .store import Store
from .tasks import Ref, Task, Value

Group = Sequence[Subject]


def feature_results(
    point: str, subject: Subject, group: Group, coded: Coded | Ref, name: str, backend: Backend
) -> list[Task | Value]:
    """The tasks that decode a group's features, under ``name``, and give the result ``point`` of one picture of it."""
    decoded = Task(name, decode_group, (coded, backend, len(group)))
    return [decoded, Task(point, analyse_in_group, _arguments(subject, group, coded, decoded), "point")]


def picture_results(
    point: str, subject: Subject, group: Group, coded: Coded | Ref, name: str, coder: PictureCoder
) -> list[Task | Value]:
    """The same of a group whose pictures were coded themselves."""
    decoded = Task(name, decode_pictures, (coder, coded, len(group), group[0].picture()))
    return [decoded, Task(point, analyse_decoded_picture, _arguments(subject, group, coded, decoded), "point")]


def _arguments(subject: Subject, group: Group, coded: Coded | Ref, decoded: Task) -> tuple[Any, ...]:
    return subject.network, coded, Ref(decoded.name), subject.place - group[0].place


class _CodesGroups(ABC):
    """Each group is coded once, and decoded once for the results of its pictures."""

    @property
    @abstractmethod
    def group(self) -> int:
        """How many pictures of a sequence are coded together."""

    def point(self, subject: Subject, qp: int) -> str:
        """The name of a picture's result out of its group."""
        coded, place = self._coded_name(subject, qp), subject.place % self.group
        return task_name("analyse", group=coded, place=place, network=subject.network.digest, **self._determined_by())

    def bitstream(self, subject: Subject, qp: int, store: Store) -> bytes:
        """The bitstream of a picture's group."""
        return stored(self._coded_name(subject, qp), store).bitstream

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        """The tasks that give a picture's result: its group coded, unless it is in the store, and decoded."""
        name, group = self._coded_name(subject, qp), subject.group(self.group)
        if store.known([name]):
            return self._results(subject, qp, group, stored(name, store))
        return [*self._coding(subject, qp, group, store), *self._results(subject, qp, group, Ref(name))]

    @abstractmethod
    def _coded_name(self, subject: Subject, qp: int) -> str:
        """The name of the bitstream of a picture's group."""

    @abstractmethod
    def _determined_by(self) -> Record:
        """What a result depends on beside the bitstream, the place in it, and the network."""

    @abstractmethod
    def _coding(self, subject: Subject, qp: int, group: Group, store: Store) -> list[Task | Value]:
        """The tasks that give the bitstream."""

    @abstractmethod
    def _results(self, subject: Subject, qp: int, group: Group, coded: Coded | Ref) -> list[Task | Value]:
        """The tasks that give the picture's result from the bitstream."""


@dataclass(frozen=True)
class FeatureGroupMethod(_CodesGroups, FeatureMethod):
    """Features of a group coded as the configuration says."""

    @property
    def group(self) -> int:
        return int(self.tree["group"])

    def _coded_name(self, subject: Subject, qp: int) -> str:
        (part,) = parts_of(self._text, subject.layers, qp, self.threads)
        features = [picture.features for picture in subject.group(self.group)]
        return task_name("code", group=features, part=part.digest)

    def _determined_by(self) -> Record:
        return {"backend": self.backend}

    def _coding(self, subject: Subject, qp: int, group: Group, store: Store) -> list[Task | Value]:
        extracting = [task for picture in group for task in feature_tasks(picture, store)]
        (part,) = parts_of(self._text, subject.layers, qp, self.threads)
        features = [Ref(picture.features) for picture in group]
        return [*extracting, Task(self._coded_name(subject, qp), code_group, (features, part.tree), "code")]

    def _results(self, subject: Subject, qp: int, group: Group, coded: Coded | Ref) -> list[Task | Value]:
        name = f"{self._coded_name(subject, qp)}-{self.backend}"
        return feature_results(self.point(subject, qp), subject, group, coded, name, self.backend)


@dataclass(frozen=True)
class PictureGroupMethod(_CodesGroups, PictureMethod):
    """The pictures of a group themselves coded as Random-Access video: the image anchor over time."""

    together: int = 2

    @property
    def group(self) -> int:
        return self.together

    def describe(self) -> Record:
        described = super().describe()
        return {**described, "codec": {**described["codec"], "mode": Mode.RA.name}, "group": self.together}

    def inner_codec(self) -> Record:
        return picture_coder_description(self.coder, Mode.RA)

    def _coded_name(self, subject: Subject, qp: int) -> str:
        pictures = [picture.sha256 for picture in subject.group(self.group)]
        return task_name(
            "code",
            pictures=[*pictures, subject.network.upright],
            qp=qp,
            codec=self.inner_codec(),
            coding=self.describe(),
        )

    def _determined_by(self) -> Record:
        return {"whole": True}

    def _coding(self, subject: Subject, qp: int, group: Group, store: Store) -> list[Task | Value]:
        given = [picture.picture() for picture in group]
        return [Task(self._coded_name(subject, qp), code_pictures, (self.coder, qp, given), "code")]

    def _results(self, subject: Subject, qp: int, group: Group, coded: Coded | Ref) -> list[Task | Value]:
        name = f"{self._coded_name(subject, qp)}-decoded"
        return picture_results(self.point(subject, qp), subject, group, coded, name, self.coder)
