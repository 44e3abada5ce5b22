"""What is to be coded: pictures, which a network turns into feature sets, or feature files."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

from . import feature_file
from .errors import DatasetError
from .feature_set import FeatureSet

if TYPE_CHECKING:
    from .network import Network

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm")
#: What Pillow's readers raise for damaged files, depending on the format.
_UNREADABLE = (
    OSError, ValueError, TypeError, LookupError, AttributeError, SyntaxError, ArithmeticError, EOFError, struct.error,
    zlib.error,
)  # fmt: skip
SUFFIXES = (*PICTURE_SUFFIXES, *feature_file.SUFFIXES)


def read_picture(path: Path, file: BinaryIO | None = None) -> NDArray[np.uint8]:
    """A picture as RGB samples, uint8 ``(H, W, 3)``, turned upright where its Exif orientation says so.

    ``file`` has the content where it is not to be read from ``path``. Raises :class:`DatasetError` for a file that is
    no picture or is damaged.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(file or path) as picture:
            return np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
    except (*_UNREADABLE, Image.DecompressionBombError) as error:
        raise DatasetError(f"{path}: is no readable picture: {error}") from error


class Source:
    """Gives the feature set of an input file. The network is made when the first picture needs it."""

    def __init__(self, make_network: Callable[[], Network], picture_size: tuple[int, int] | None = None) -> None:
        """``picture_size`` (height, width) is for feature files that do not say it."""
        self._make_network = make_network
        self._network: Network | None = None
        self._picture_size = picture_size

    @property
    def network(self) -> Network | None:
        """The network; ``None`` as long as no picture has needed it."""
        return self._network

    def features(self, path: Path) -> FeatureSet:
        """The feature set of one input. Raises :class:`DatasetError` or :class:`~vcm_ref.errors.NetworkError`."""
        if path.suffix.lower() in feature_file.SUFFIXES:
            return feature_file.load_feature_file(path, self._picture_size)
        picture = read_picture(path)
        if self._network is None:
            self._network = self._make_network()
        return self._network.extract(picture)
