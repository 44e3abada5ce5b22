"""Sequences of pictures without annotations: results are compared with those of the uncompressed features.

The comparison is COCO's average precision with the network's own detections in the place of objects. It is called
agreement, never AP: it says how much coding changes, not how good the network is.
"""

from __future__ import annotations

import atexit
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from vcm_ref.errors import DatasetError, reason
from vcm_ref.files.order import name_order
from vcm_ref.inputs.picture_file import picture_size
from vcm_ref.inputs.video_file import RAW_SUFFIX, VIDEO_SUFFIXES, Video, open_video, raw_video
from vcm_ref.process.scratch import scratch_folder
from vcm_ref.task.coco import box_results, evaluate
from vcm_ref.task.coco_check import Document, Image, Instances
from vcm_ref.task.dataset import ImageId, Item, Result, Sizes, check_size, content_digest, need_detections
from vcm_ref.task.tally import Tally

NAME = "agreement"
#: The least score of an uncompressed detection that coding is to keep, unless the data set says another: that of a
#: detection that is drawn.
SCORE = 0.5
_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")


class SequenceDataset:
    """The pictures of a video, or those of a folder in the order of their names, at ``frame_rate`` pictures a second.

    ``start`` is the number of the first picture, ``frames`` how many at most. ``size`` and ``pixel_format`` are for raw
    video. ``score`` is the least score of an uncompressed detection that counts.
    """

    def __init__(
        self,
        name: str,
        video: Path | None = None,
        images: Path | None = None,
        frame_rate: float | None = None,
        start: int = 0,
        frames: int | None = None,
        size: str | None = None,
        pixel_format: str | None = None,
        score: float = SCORE,
    ) -> None:
        """List the pictures. Those of a video are written to a temporary folder, which goes when the process ends.

        Raises :class:`DatasetError`.
        """
        self.name = name
        self.score = score
        self.classes: dict[int, str] = {}
        self.problems: list[str] = []
        rate = None if frame_rate is None else Fraction(str(frame_rate))
        if video is not None:
            opened = _opened(video, size, pixel_format, rate)
            self.frame_rate: Fraction | None = opened.frame_rate
            self.items = _of_video(opened, start, frames)
        else:
            assert images is not None, "the schema asks for a video or for images"
            self.items, self.frame_rate = _of_folder(images, start, frames), rate
        if not self.items:
            raise DatasetError(f"{video or images}: holds no picture")
        listed = "\n".join(f"{item.id} {item.path.name}" for item in self.items)
        self._digest = content_digest([listed, str(self.frame_rate), str(score)])

    def digest(self) -> str:
        """SHA-256 over the list of pictures, the frame rate and the score."""
        return self._digest

    def evaluate(self, results: Mapping[ImageId, Result], sizes: Sizes) -> dict[str, float]:
        """:class:`DatasetError`: there is nothing to compare results with (:meth:`agreeing` makes it)."""
        return self.tallied(results, sizes)[0]

    def tallied(self, results: Mapping[ImageId, Result], sizes: Sizes) -> tuple[dict[str, float], Tally]:
        """:class:`DatasetError`, as :meth:`evaluate`."""
        raise DatasetError(f"data set {self.name}: has no annotations, and no uncompressed results to agree with")

    def agreeing(self, classes: Mapping[int, str], results: Mapping[ImageId, Result]) -> Agreement:
        """The data set whose objects are the uncompressed ``results``; ``classes`` are the network's.

        Raises :class:`DatasetError` for results that are not of detections, and where nothing is detected.
        """
        return Agreement.of(self, classes, results)


@dataclass(frozen=True)
class Agreement:
    """A sequence with uncompressed detections in the place of objects: boxes of at least its score."""

    name: str
    items: list[Item]
    frame_rate: Fraction | None
    classes: Mapping[int, str]
    instances: Instances
    own_digest: str

    @classmethod
    def of(cls, of: SequenceDataset, classes: Mapping[int, str], results: Mapping[ImageId, Result]) -> Agreement:
        """As :meth:`SequenceDataset.agreeing`."""
        annotations: list[Document] = []
        images = {}
        for item in of.items:
            if item.id not in results:
                continue
            found = need_detections(results[item.id], item.id)
            kept = found.scores >= of.score
            found = replace(
                found, boxes=found.boxes[kept], scores=found.scores[kept], labels=found.labels[kept], masks=None
            )
            assert item.size is not None, "the pictures have been read"
            images[item.id] = Image(item.id, item.path.name, *item.size)
            for entry in box_results(item.id, found):
                annotations.append({"id": len(annotations) + 1, **{k: v for k, v in entry.items() if k != "score"}})
        if not annotations:
            told = f"no detection without coding has a score of {of.score}, so nothing can agree"
            raise DatasetError(f"data set {of.name}: {told}")
        instances = Instances(images, classes, annotations, [], [entry["id"] for entry in annotations])
        digest = content_digest([of.digest(), *(f"{entry}" for entry in annotations)])
        return cls(of.name, of.items, of.frame_rate, classes, instances, digest)

    @property
    def problems(self) -> list[str]:
        """None: whatever the network finds can be compared with."""
        return []

    def digest(self) -> str:
        """SHA-256 over the sequence's digest and the uncompressed detections."""
        return self.own_digest

    def evaluate(self, results: Mapping[ImageId, Result], sizes: Sizes) -> dict[str, float]:
        """COCO's six average precisions against the uncompressed detections: ``agreement``, ``agreement50`` …"""
        return self.tallied(results, sizes)[0]

    def tallied(self, results: Mapping[ImageId, Result], sizes: Sizes) -> tuple[dict[str, float], Tally]:
        """The metrics of :meth:`evaluate`, and the tally from which they come."""
        items = {item.id: item for item in self.items}
        entries: list[Document] = []
        for image_id, result in results.items():
            if image_id in sizes:
                check_size(items[image_id], *sizes[image_id])
            entries += box_results(image_id, need_detections(result, image_id))
        metrics, tally = evaluate(self.instances, entries, list(results), "bbox", NAME)
        return metrics, Tally(tuple(sorted(results)), (tally,))


def _opened(path: Path, size: str | None, pixel_format: str | None, rate: Fraction | None) -> Video:
    if not path.exists():
        raise DatasetError(f"{path}: there is no such file")
    if not path.is_file() or path.suffix.lower() not in VIDEO_SUFFIXES:
        raise DatasetError(f"{path}: is not a video file")
    if path.suffix.lower() != RAW_SUFFIX:
        if (size, pixel_format, rate) != (None, None, None):
            raise DatasetError(f"{path}: states size, format and frame rate itself; leave them out")
        return open_video(path)
    if size is None:
        raise DatasetError(f"{path}: raw video does not say its size; give it as size: WxH")
    width, height = map(int, size.split("x"))
    return raw_video(path, (height, width), pixel_format or "yuv420p", rate or Fraction(30))


def _of_video(video: Video, start: int, frames: int | None) -> list[Item]:
    """The pictures of a video, each in a file of a temporary folder: binary PPM, the same bytes on every machine."""
    stack = ExitStack()
    atexit.register(stack.close)
    items = []
    try:
        folder = stack.enter_context(scratch_folder("sequence"))
        for number, picture in enumerate(video.pictures(start, frames), start):
            height, width = picture.shape[:2]
            file = folder / f"{video.path.stem}_{number:06d}.ppm"
            file.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + np.ascontiguousarray(picture).tobytes())
            items.append(Item(number, file, (height, width)))
    except OSError as error:
        raise DatasetError(f"{video.path}: its pictures cannot be written to a temporary folder: {error}") from error
    return items


def _of_folder(folder: Path, start: int, frames: int | None) -> list[Item]:
    if not folder.is_dir():
        raise DatasetError(f"{folder}: is not a folder")
    try:
        paths = sorted((path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES), key=name_order)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be read: {reason(error)}") from error
    chosen = list(enumerate(paths))[start:][:frames]
    return [Item(number, path, picture_size(path, apply_orientation=True)) for number, path in chosen]
