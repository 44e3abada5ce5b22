"""Part 1 of the network: from pictures to features."""

from __future__ import annotations

import time

from ..records import AS_STORED, Stored
from .networks import network_of
from .values import Extracted, NetworkSpec, Picture, stage


@stage
def describe(spec: NetworkSpec) -> Stored:
    """A network as its record has it: its description, its layers, the names of its classes."""
    network = network_of(spec)
    classes = {str(label): name for label, name in network.class_names.items()}
    as_stored = {} if spec.upright else {"exif_orientation": AS_STORED}
    return Stored(
        {"description": {**network.describe(), **as_stored}, "layers": list(network.layers), "classes": classes}
    )


@stage
def extract(spec: NetworkSpec, picture: Picture) -> Extracted:
    """The features of a picture."""
    image = picture.samples()
    network = network_of(spec)
    start = time.perf_counter()
    return Extracted(network.extract(image), time.perf_counter() - start)
