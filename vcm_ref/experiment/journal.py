"""The journal of an evaluation: a line of JSON for each finished picture, so that a stopped run goes on where it was.

The first line says what the run is, as a digest of everything that determines its results. Numbers are written so that
they come back to the bit.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..atomic import OutputError
from ..errors import ConfigError, NetworkError
from ..task.classification import Classification
from ..task.dataset import ImageId, Result
from ..task.detections import Detections

Record = dict[str, Any]


class Journal(Mapping[ImageId, Record]):
    """The finished pictures' records, by picture id; read from the file when they are asked for.

    What a crash left of a last line is dropped. Only one run at a time can have a journal open.
    """

    def __init__(self, path: Path, key: str) -> None:
        """Open the journal at ``path``, or begin it. :class:`ConfigError` where it is of a run other than ``key``."""
        self.path = path
        self._places: dict[ImageId, tuple[int, int]] = {}
        try:
            self._file: BinaryIO = path.open("r+b" if path.exists() else "w+b")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error
        try:
            self._begin(key)
        except BaseException:
            self._file.close()
            raise

    def _begin(self, key: str) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(f"{self.path}: another run is writing it; name another -o") from error
        self._end = self._read(key)
        self._file.truncate(self._end)
        if not self._end:
            self._write({"key": key})

    def add(self, record: Record) -> None:
        """Append a finished picture's record, whole and at once."""
        self._places[record["id"]] = self._write(record)

    def close(self) -> None:
        """Close the file; it stays, for a later run to go on."""
        self._file.close()

    def remove(self) -> None:
        """Close and remove the file: the results are complete."""
        self.close()
        self.path.unlink(missing_ok=True)

    def __getitem__(self, image_id: ImageId) -> Record:
        start, length = self._places[image_id]
        self._file.seek(start)
        return dict(json.loads(self._file.read(length)))

    def __iter__(self) -> Iterator[ImageId]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def _read(self, key: str) -> int:
        """Find the records' places; returns where the last whole line ends."""
        end = 0
        for number, line in enumerate(self._file):
            try:
                record = json.loads(line) if line.endswith(b"\n") else None
            except ValueError:
                record = None
            if record is None:
                break
            if number == 0 and record.get("key") != key:
                raise ConfigError(
                    f"{self.path}: is the journal of another run: complete that one, remove it, or name another -o"
                )
            if number:
                self._places[record["id"]] = (end, len(line))
            end += len(line)
        return end

    def _write(self, record: Record) -> tuple[int, int]:
        line = json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        place = self._end, len(line)
        try:
            self._file.seek(self._end)
            self._file.write(line)
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise OutputError(f"{self.path}: cannot be written: {error.strerror or error}") from error
        self._end += len(line)
        return place


def to_record(result: Result) -> Record:
    """A result as JSON; :class:`NetworkError` where it holds what is no finite number."""
    if isinstance(result, Classification):
        _check_finite(result.logits, "logits")
        return {"logits": base64.b64encode(result.logits.astype("<f4").tobytes()).decode()}
    _check_finite(result.boxes, "boxes")
    _check_finite(result.scores, "scores")
    record = {name: getattr(result, name).tolist() for name in ("boxes", "scores", "labels")}
    if result.masks is not None:
        record["mask_size"] = list(result.masks.shape[1:])
        record["masks"] = [_run_lengths(mask) for mask in result.masks]
    return record


def from_record(record: Record) -> Result:
    """The inverse of :func:`to_record`, to the bit."""
    if "logits" in record:
        return Classification(np.frombuffer(base64.b64decode(record["logits"]), "<f4").astype(np.float32))
    masks = None
    if "masks" in record:
        height, width = record["mask_size"]
        masks = np.zeros((len(record["masks"]), height, width), np.bool_)
        for mask, counts in zip(masks, record["masks"], strict=True):
            mask[:] = _from_run_lengths(counts, height, width)
    return Detections(
        np.array(record["boxes"], np.float32).reshape(-1, 4),
        np.array(record["scores"], np.float32),
        np.array(record["labels"], np.int64),
        masks,
    )


def _check_finite(values: NDArray[np.float32], what: str) -> None:
    if not np.isfinite(values).all():
        raise NetworkError(f"the network's {what} are not all finite numbers")


def _run_lengths(mask: NDArray[np.bool_]) -> str:
    from pycocotools import mask as coco_mask

    return str(coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"].decode("ascii"))


def _from_run_lengths(counts: str, height: int, width: int) -> NDArray[np.bool_]:
    from pycocotools import mask as coco_mask

    encoded = {"size": [height, width], "counts": counts.encode("ascii")}
    return np.asarray(coco_mask.decode([encoded])[..., 0], np.bool_)
