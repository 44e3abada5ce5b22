"""Inputs of the encoder: pictures, which a network turns into feature sets, or feature files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..feature_set import FeatureSet
from ..files import feature_file
from ..files.kind import READ_FEATURE_SUFFIXES
from .picture_file import picture_size, read_picture

if TYPE_CHECKING:
    from ..network import Network

__all__ = ["Source", "picture_size", "read_picture"]


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

    @property
    def network(self) -> Network | None:
        """The network; ``None`` as long as no picture has needed it."""
        return self._network

    def features(self, path: Path) -> FeatureSet:
        """The feature set of one input.

        Raises :class:`~vcm_ref.errors.DatasetError` or :class:`~vcm_ref.errors.NetworkError`.
        """
        if path.suffix.lower() in READ_FEATURE_SUFFIXES:
            return feature_file.load_feature_file(path, self._picture_size)
        return self.extract(read_picture(path, apply_orientation=self._apply_orientation))

    def extract(self, picture: NDArray[np.uint8]) -> FeatureSet:
        """The feature set of a picture, uint8 ``(H, W, 3)``. Raises :class:`~vcm_ref.errors.NetworkError`."""
        if self._network is None:
            self._network = self._make_network()
        return self._network.extract(picture)
