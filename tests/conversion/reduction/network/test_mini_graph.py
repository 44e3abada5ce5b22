"""The second decoder's graphs against ours: written from the document alone, they give the same and refuse the same."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.conformance.generate.graph_faults import Fault, faults
from vcm_ref.conversion.reduction.network.evaluation import Evaluator
from vcm_ref.conversion.reduction.network.graph import Graph
from vcm_ref.conversion.reduction.network.model import NetworkModel
from vcm_ref.models.tensors import write_tensors

from .graphs import graphs, inputs_of

sys.path.append(str(Path(__file__).parents[4] / "conformance"))
import mini_bits
import mini_graph


@given(graphs(), st.tuples(st.integers(1, 3), st.integers(1, 3)), st.integers(0, 2**32 - 1), st.integers(0, 255))
def test_both_give_the_same(graph: Graph, grid: tuple[int, int], seed: int, condition: int) -> None:
    """Outputs, and what evaluation needs."""
    other = mini_graph.read_graph(NetworkModel(graph).to_bytes({"network": "x"}))
    inputs = inputs_of(graph, grid, seed)
    for mine, theirs in zip(
        Evaluator(graph)(inputs, condition), mini_graph.evaluate(other, inputs, condition), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    assert mini_graph.needs(other, grid) == (len(graph.operations), graph.products(grid), graph.samples(grid))


@pytest.mark.parametrize("fault", list(faults()), ids=lambda fault: fault.label)
def test_both_refuse_the_same(fault: Fault) -> None:
    """Every broken rule."""
    with pytest.raises(mini_bits.Refused):
        mini_graph.read_graph(write_tensors(fault.tensors))
