"""Part 1 of the network: from pictures to features."""

from __future__ import annotations

import io
import time
from pathlib import Path

from ...source import read_picture
from ..records import Stored
from .networks import network_of
from .values import Extracted, NetworkSpec, Picture, stage


@stage
def describe(spec: NetworkSpec) -> Stored:
    """A network as its record has it: its description, its layers, the names of its classes."""
    network = network_of(spec)
    classes = {str(label): name for label, name in network.class_names.items()}
    return Stored({"description": network.describe(), "layers": list(network.layers), "classes": classes})


@stage
def extract(spec: NetworkSpec, picture: Picture) -> Extracted:
    """The features of a picture."""
    image = read_picture(Path(picture.file), io.BytesIO(picture.data))
    network = network_of(spec)
    start = time.perf_counter()
    return Extracted(network.extract(image), time.perf_counter() - start)
