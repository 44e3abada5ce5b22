"""Part 1 of the network: from pictures to features."""

from __future__ import annotations

import time

from ...errors import NetworkError
from ...network.cost import network_cost
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
def cost(spec: NetworkSpec) -> Stored:
    """What a network costs (:mod:`~vcm_ref.network.cost`); empty where that is not known, with the reason."""
    try:
        found = network_cost(network_of(spec))
    except NetworkError as error:
        return Stored({"not_known": str(error)})
    return Stored({} if found is None else found.record())


@stage
def extract(spec: NetworkSpec, picture: Picture) -> Extracted:
    """The features of a picture."""
    image = picture.samples()
    network = network_of(spec)
    start = time.perf_counter()
    return Extracted(network.extract(image), time.perf_counter() - start)
