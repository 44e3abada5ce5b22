"""Inputs of the encoder: pictures, which a network turns into feature sets, or feature files."""

from __future__ import annotations

import glob
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from . import feature_file
from .errors import DatasetError
from .feature_set import FeatureSet
from .picture_file import PICTURE_SUFFIXES, picture_size, read_picture

if TYPE_CHECKING:
    from .network import Network

__all__ = ["SUFFIXES", "Source", "find_inputs", "picture_size", "read_picture"]

SUFFIXES = (*PICTURE_SUFFIXES, *feature_file.READ_SUFFIXES)


def find_inputs(text: str) -> list[Path]:
    """The files that a path, a folder or a glob stands for, sorted by name.

    In a folder, and under a glob, files of other kinds are passed over. Raises :class:`DatasetError` where nothing is
    found, or where a file named outright is of a kind that cannot be read.
    """
    path = Path(text)
    if path.is_file():
        if path.suffix.lower() not in SUFFIXES:
            raise DatasetError(f"{text}: unsupported kind of input; supported are {', '.join(SUFFIXES)}")
        return [path]
    if path.is_dir():
        try:
            candidates, nothing = list(path.iterdir()), "holds no picture and no feature file"
        except OSError as error:
            raise DatasetError(f"{text}: cannot be read: {error.strerror}") from error
    else:  # glob, not Path.glob: the pattern may be absolute
        candidates = [Path(found) for found in glob.glob(text, recursive=True)]
        nothing = "no such file, and no file matches it as a pattern"
    found = sorted(found for found in candidates if found.suffix.lower() in SUFFIXES and found.is_file())
    if not found:
        raise DatasetError(f"{text}: {nothing}")
    return found


class Source:
    """Gives the feature set of an input file. The network is made when the first picture needs it."""

    def __init__(
        self,
        make_network: Callable[[], Network],
        picture_size: tuple[int, int] | None = None,
        apply_orientation: bool = True,
    ) -> None:
        """``picture_size`` (height, width) is for feature files that do not say it.

        ``apply_orientation`` says whether pictures are turned upright as their Exif orientation says.
        """
        self._make_network = make_network
        self._network: Network | None = None
        self._picture_size = picture_size
        self._apply_orientation = apply_orientation

    def features(self, path: Path) -> FeatureSet:
        """The feature set of one input. Raises :class:`DatasetError` or :class:`~vcm_ref.errors.NetworkError`."""
        if path.suffix.lower() in feature_file.READ_SUFFIXES:
            return feature_file.load_feature_file(path, self._picture_size)
        picture = read_picture(path, apply_orientation=self._apply_orientation)
        if self._network is None:
            self._network = self._make_network()
        return self._network.extract(picture)
