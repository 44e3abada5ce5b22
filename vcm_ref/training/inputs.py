"""The features that a training learns from, in a worker: of pictures through the network, or of feature files."""

from __future__ import annotations

import functools
import json
from pathlib import Path

from ..configuration import Configuration
from ..encoding.settings import check_features
from ..errors import DatasetError, VcmError
from ..feature_set import FeatureSet
from ..inputs.source import Source
from ..network import load_network


def network_text(configuration: Configuration) -> str:
    """What :func:`features_of` needs of a configuration, as a text."""
    upright = configuration.get("apply_exif_orientation", True)
    return json.dumps({"network": configuration.get("network"), "upright": upright})


def features_of(text: str, path: Path, layers: tuple[tuple[str, int], ...] = ()) -> FeatureSet:
    """The features of one input. Raises :class:`DatasetError` where its layers and channels are not ``layers``."""
    try:
        features = _source(text).features(path)
        check_features(features)
        found = tuple((name, len(layer)) for name, layer in features.layers.items())
        if layers and found != layers:
            raise DatasetError("its layers or their channels differ from the first input's; train on one kind of input")
    except VcmError as error:
        error.where = str(path)
        raise
    return features


@functools.lru_cache(1)
def _source(text: str) -> Source:
    given = json.loads(text)
    # no rate is measured, so the size of the original picture does not matter
    return Source(lambda: load_network(**given["network"]), (1, 1), given["upright"])
