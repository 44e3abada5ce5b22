"""The network in a worker: loaded once."""

from __future__ import annotations

import functools
import json

from ...network import Network, load_network
from .values import NetworkSpec


@functools.lru_cache(1)
def network_of(spec: NetworkSpec) -> Network:
    """The network, which stays in memory until another one is asked for."""
    return load_network(spec.name, **json.loads(spec.options))
