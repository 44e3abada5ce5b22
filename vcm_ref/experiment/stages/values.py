"""The values that go from stage to stage."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from ...errors import LimitError, VcmError
from ...feature_set import FeatureSet
from ...inputs.picture_file import read_picture
from ...models.cost import StageCost
from ..records import Record, Stored
from ..tasks import TaskError, internal_error

F = TypeVar("F", bound=Callable[..., Any])


class NetworkSpec(NamedTuple):
    """Which network: its name, its options as JSON, and the digest that stands for it in names.

    ``upright`` says whether its pictures are turned as their Exif orientation says.
    """

    name: str
    options: str
    digest: str
    upright: bool = True


class Picture(NamedTuple):
    """A picture's file: its name and its content, and whether it is turned as its Exif orientation says."""

    file: str
    data: bytes
    upright: bool = True

    def samples(self) -> NDArray[np.uint8]:
        """RGB, uint8 ``(H, W, 3)``. Raises :class:`~vcm_ref.errors.DatasetError` as ``read_picture`` does."""
        return read_picture(Path(self.file), io.BytesIO(self.data), apply_orientation=self.upright)


class Place(NamedTuple):
    """One picture of a bitstream of several: the bitstream's file, its SHA-256, and the picture's number from 0."""

    file: Path
    sha256: str
    number: int


class Extracted(NamedTuple):
    """The features that part 1 gave for a picture, and its seconds."""

    features: FeatureSet
    seconds: float


class Coded(NamedTuple):
    """A bitstream, the bits it has in the accountings of two papers, and the seconds it took without reduction.

    ``reduction_s`` are the seconds of reduction. ``rhee2022_bits`` and ``han2022_bits`` are the bits of
    :class:`~vcm_ref.reporting.report.PictureReport`; the latter is None for levels, for a picture coded itself, and for
    a bitstream of which nothing but its bytes is known.
    """

    bitstream: bytes
    rhee2022_bits: int
    seconds: float
    reduction_s: float = 0.0
    han2022_bits: int | None = None

    def stored(self) -> Stored:
        """The form in which the store keeps it."""
        record: Record = {"rhee2022_bits": self.rhee2022_bits, "seconds": self.seconds}
        if self.reduction_s:
            record["reduction_s"] = self.reduction_s
        if self.han2022_bits is not None:
            record["han2022_bits"] = self.han2022_bits
        return Stored(record, self.bitstream)

    @classmethod
    def from_store(cls, record: Record, data: bytes) -> Coded:
        """The inverse of :meth:`stored`."""
        reduction_s = record.get("reduction_s", 0.0)
        return cls(data, record["rhee2022_bits"], record["seconds"], reduction_s, record.get("han2022_bits"))


class Decoded(NamedTuple):
    """A bitstream's features (T2), each layer's T1 digest, its bits by part of the rate, and the seconds it took.

    These are without restoration, which took ``restoration_s``. ``cost`` is that of reduction and restoration.
    """

    features: FeatureSet
    t1: dict[str, str]
    bits: dict[str, int]
    seconds: float
    restoration_s: float = 0.0
    cost: StageCost | None = None


def stage(function: F) -> F:
    """Let ``function`` fail with :class:`TaskError` alone."""

    @functools.wraps(function)
    def told(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except VcmError as error:
            raise TaskError(error.exit_code, " ".join(str(error).split()), type(error).__name__) from error
        except MemoryError as error:
            raise TaskError(LimitError.exit_code, f"not enough memory: {error}".removesuffix(": ")) from error
        except Exception as error:
            raise internal_error(error) from error

    return told  # type: ignore[return-value]
