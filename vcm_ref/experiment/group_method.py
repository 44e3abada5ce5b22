"""Methods that code pictures of a sequence together, a group at a time.

Each group is a bitstream of its own, as each picture is with other methods. Its bytes are those of its first picture in
the records; the others have none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..bitstream.values import Mode
from .method import FeatureMethod, PictureMethod, Subject, feature_tasks, parts_of, picture_coder_description, stored
from .naming import task_name
from .records import Record
from .stages.analyse import analyse_decoded_picture, analyse_in_group, decode_group, decode_pictures
from .stages.code import code_group, code_pictures
from .store import Store
from .tasks import Ref, Task, Value


def _point_name(coded: str, subject: Subject, group: int, **determined_by: Any) -> str:
    """The name of a picture's result out of its group, of which ``coded`` is the bitstream's name."""
    place = subject.place % group
    return task_name("analyse", group=coded, place=place, network=subject.network.digest, **determined_by)


@dataclass(frozen=True)
class FeatureGroupMethod(FeatureMethod):
    """Features of a group coded as the configuration says."""

    @property
    def group(self) -> int:
        return int(self.tree["group"])

    def point(self, subject: Subject, qp: int) -> str:
        return _point_name(self._coded_name(subject, qp), subject, self.group, backend=self.backend)

    def bitstream(self, subject: Subject, qp: int, store: Store) -> bytes:
        return stored(self._coded_name(subject, qp), store).bitstream

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        name, pictures = self._coded_name(subject, qp), subject.group(self.group)
        tasks: list[Task | Value] = []
        coded: Any = Ref(name)
        if store.known([name]):
            coded = stored(name, store)
        else:
            for picture in pictures:
                tasks += feature_tasks(picture, store)
            (part,) = parts_of(self._text, subject.layers, qp, self.threads)
            features = [Ref(picture.features) for picture in pictures]
            tasks.append(Task(name, code_group, (features, part.tree), "code"))
        decoded = f"{name}-{self.backend}"
        tasks.append(Task(decoded, decode_group, (coded, self.backend)))
        arguments = (subject.network, coded, Ref(decoded), subject.place % self.group)
        return [*tasks, Task(self.point(subject, qp), analyse_in_group, arguments, "point")]

    def _coded_name(self, subject: Subject, qp: int) -> str:
        (part,) = parts_of(self._text, subject.layers, qp, self.threads)
        features = [picture.features for picture in subject.group(self.group)]
        return task_name("code", group=features, part=part.digest)


@dataclass(frozen=True)
class PictureGroupMethod(PictureMethod):
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

    def point(self, subject: Subject, qp: int) -> str:
        return _point_name(self._coded_name(subject, qp), subject, self.group, whole=True)

    def bitstream(self, subject: Subject, qp: int, store: Store) -> bytes:
        return stored(self._coded_name(subject, qp), store).bitstream

    def tasks(self, subject: Subject, qp: int, store: Store) -> list[Task | Value]:
        name, pictures = self._coded_name(subject, qp), subject.group(self.group)
        tasks: list[Task | Value] = []
        coded: Any = Ref(name)
        if store.known([name]):
            coded = stored(name, store)
        else:
            given = [picture.picture() for picture in pictures]
            tasks.append(Task(name, code_pictures, (self.coder, qp, given), "code"))
        size = pictures[0].picture()
        tasks.append(Task(f"{name}-decoded", decode_pictures, (self.coder, coded, len(pictures), size)))
        arguments = (subject.network, coded, Ref(f"{name}-decoded"), subject.place % self.group)
        return [*tasks, Task(self.point(subject, qp), analyse_decoded_picture, arguments, "point")]

    def _coded_name(self, subject: Subject, qp: int) -> str:
        pictures = [picture.sha256 for picture in subject.group(self.group)]
        return task_name(
            "code",
            pictures=[*pictures, subject.network.upright],
            qp=qp,
            codec=self.inner_codec(),
            coding=self.describe(),
        )
