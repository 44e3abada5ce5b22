"""A model of the kind NETWORK: the decoder's graph, and the encoder's beside it (docs/bitstream.md, 8.11)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from numpy.typing import NDArray

from ....errors import ModelError
from ....models.tensors import read_content, write_tensors
from .graph import ANALYSIS, Graph
from .reading import read_graph

#: What a model's record says where its tensors are to be 0 outside of the picture; encoders alone read it.
OUTSIDE, CLEARED = "outside", "cleared"


class NetworkModel(NamedTuple):
    """``graph`` restores layers from tensors; ``analysis``, which only an encoder needs, makes tensors of layers.

    ``clears_outside`` says whether an encoder sets tensors to 0 where the picture covers nothing of a position.
    """

    graph: Graph
    analysis: Graph | None = None
    clears_outside: bool = False

    def to_bytes(
        self, metadata: Mapping[str, str] | None = None, others: Mapping[str, NDArray[Any]] | None = None
    ) -> bytes:
        """The model's file; ``others`` are tensors of no graph, such as the tables that levels are coded with."""
        tensors = self.graph.tensors() | dict(others or {})
        if self.analysis is not None:
            tensors |= self.analysis.tensors(ANALYSIS)
        return write_tensors(tensors, metadata)


@lru_cache(maxsize=4)
def read_model(data: bytes) -> NetworkModel:
    """The model in these bytes; a damaged graph of the encoder is the same as none.

    Raises :class:`ModelError` where the bytes break a rule of 7.18, or the decoder's graph one of 8.11.
    """
    tensors, metadata = read_content(data)
    graph = read_graph(tensors)
    try:
        analysis = read_graph(tensors, ANALYSIS) if ANALYSIS + "graph" in tensors else None
    except ModelError:
        analysis = None
    return NetworkModel(graph, analysis, metadata.get(OUTSIDE) == CLEARED)
