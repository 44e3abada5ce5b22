"""The pictures of the inputs, one after another, and the groups in which they are coded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from ..errors import ConfigError, DatasetError, VcmError
from ..feature_set import FeatureSet
from .source import Source
from .video_file import RAW_SUFFIX, VIDEO_SUFFIXES, Video, open_video, raw_video

_RAW_FORMAT, _RAW_RATE = "yuv420p", Fraction(30)


class SequencePicture(NamedTuple):
    """One picture: the file that it comes from, its number in a video (``None`` in other files), and its features."""

    path: Path
    number: int | None
    features: FeatureSet


@dataclass(frozen=True)
class Selection:
    """Which pictures of a video are taken, and what raw video and pictures that are a sequence do not say.

    ``start`` is the number of the first picture, ``frames`` how many at most. ``size`` is (height, width) in pixels.
    ``frame_rate`` counts pictures a second; containers state theirs. ``upright`` applies a rotation that a file states.
    """

    start: int = 0
    frames: int | None = None
    size: tuple[int, int] | None = None
    pixel_format: str | None = None
    frame_rate: Fraction | None = None
    upright: bool = True

    def open(self, path: Path) -> Video:
        """The video file. Raises :class:`DatasetError`, or :class:`ConfigError` without a size."""
        if path.suffix.lower() != RAW_SUFFIX:
            if self.frame_rate is not None or self.pixel_format is not None:
                raise ConfigError(
                    f"{path}: states its frame rate and format; frame_rate and pixel_format are only for raw video"
                )
            return open_video(path, upright=self.upright)
        if self.size is None:
            raise ConfigError(f"{path}: raw video does not say its size; give it with --picture-size WxH")
        return raw_video(path, self.size, self.pixel_format or _RAW_FORMAT, self.frame_rate or _RAW_RATE)


def is_video(path: Path) -> bool:
    """Whether a file is a video, by its suffix."""
    return path.suffix.lower() in VIDEO_SUFFIXES


class PictureSequence:
    """The pictures of some files in order: all frames chosen of a video, one of any other file.

    ``rates`` are the frame rates seen so far, of videos and, where the selection gives one, of other files.
    """

    def __init__(self, paths: Sequence[Path], source: Source, selection: Selection) -> None:
        self._paths = paths
        self._source = source
        self._selection = selection
        self.rates: set[Fraction] = set()

    def __iter__(self) -> Iterator[SequencePicture]:
        """The pictures; one is in memory at a time. Errors name the file that they are about."""
        for path in self._paths:
            with _about(path):
                if is_video(path):
                    yield from self._of_video(path)
                else:
                    if self._selection.frame_rate is not None:
                        self.rates.add(self._selection.frame_rate)
                    yield SequencePicture(path, None, self._source.features(path))

    def _of_video(self, path: Path) -> Iterator[SequencePicture]:
        start = self._selection.start
        video = self._selection.open(path)
        self.rates.add(video.frame_rate)
        number = start - 1
        for number, picture in enumerate(video.pictures(start, self._selection.frames), start):
            yield SequencePicture(path, number, self._source.extract(picture))
        if number < start:
            raise DatasetError(f"{path}: has no picture {start}" if start else f"{path}: holds no picture")

    def frame_rate(self) -> Fraction | None:
        """The pictures a second, where all files agree on it."""
        return next(iter(self.rates)) if len(self.rates) == 1 else None


def groups(pictures: Iterable[SequencePicture], size: int) -> Iterator[list[SequencePicture]]:
    """Successive pictures in groups of ``size``; a group ends with its video, so the last ones may have fewer."""
    for run in _runs(iter(pictures)):
        while group := list(islice(run, size)):
            yield group


def _runs(pictures: Iterator[SequencePicture]) -> Iterator[Iterator[SequencePicture]]:
    """The pictures of each video, and those of other files that follow each other. Use each run up before the next."""
    ahead = next(pictures, None)

    def run(key: Path | None) -> Iterator[SequencePicture]:
        nonlocal ahead
        while ahead is not None and _key(ahead) == key:
            yield ahead
            ahead = next(pictures, None)

    while ahead is not None:
        yield run(_key(ahead))


def _key(picture: SequencePicture) -> Path | None:
    return picture.path if picture.number is not None else None


@contextmanager
def _about(path: Path) -> Iterator[None]:
    try:
        yield
    except VcmError as error:
        error.where = error.where or str(path)
        raise
