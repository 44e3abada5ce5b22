"""Models of the kind NETWORK: what is written comes back, and every rule of docs/bitstream.md, 8.11, is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from vcm_ref.bitstream.values import GraphOperation as Kind
from vcm_ref.conformance.generate.graph_faults import Fault, base_tensors, faults
from vcm_ref.conversion.reduction.network.graph import ANALYSIS, Graph
from vcm_ref.conversion.reduction.network.model import NetworkModel, read_model
from vcm_ref.conversion.reduction.network.reading import read_graph
from vcm_ref.errors import ModelError
from vcm_ref.models.tensors import read_tensors, write_tensors

from .graphs import graphs

Tensors = dict[str, NDArray[Any]]


@given(graphs(), graphs())
def test_a_model_comes_back(graph: Graph, analysis: Graph) -> None:
    """Both graphs, to the bit."""
    data = NetworkModel(graph, analysis).to_bytes({"network": "refnet"})
    found = read_model(data)
    assert found.analysis is not None
    for one, other in ((found.graph, graph), (found.analysis, analysis)):
        assert one.forms == other.forms
        assert [operation.row for operation in one.operations] == [operation.row for operation in other.operations]
        for mine, theirs in zip(one.tensors().values(), other.tensors().values(), strict=True):
            np.testing.assert_array_equal(mine, theirs)
            assert mine.dtype == theirs.dtype


def test_the_base_of_faults_is_a_graph() -> None:
    """So that each of them is the one rule that is broken."""
    assert len(read_graph(base_tensors()).forms) == 16


@pytest.mark.parametrize("fault", list(faults()), ids=lambda fault: fault.label)
def test_each_rule(fault: Fault) -> None:
    """One fault each; the operation is named."""
    with pytest.raises(ModelError, match=r"its graph|it has no tensor|its tensor") as caught:
        read_graph(fault.tensors)
    kind = fault.label.partition("_")[0]
    if kind.isupper():
        assert kind in str(caught.value)


def small(*rows: list[int], **numbers: NDArray[Any]) -> Tensors:
    """One input of one channel, 32 bits, shift 0, and these operations."""
    return {
        "inputs": np.array([[1, 0, 32, 0]], np.int32),
        "graph": np.array(rows, np.int32),
        "outputs": np.array([[0, 0]], np.int32),
        **numbers,
    }


@pytest.mark.parametrize(
    ("row", "holds"),
    [
        # 2**31 * 2**p + 2**31 * 2**q + 2**(r - 1) < 2**53
        ([Kind.ADD, 0, 0, 32, 21, 20, 31], True),
        ([Kind.ADD, 0, 0, 32, 21, 21, 0], False),
        ([Kind.SCALE, 0, 0, 32, 21, 0, 31], True),
        ([Kind.SCALE, 0, 0, 32, 22, 0, 0], False),
        ([Kind.MULTIPLY, 0, 1, 32, 0, 0, 48], True),  # 2**31 * 2**8
        ([Kind.MULTIPLY, 0, 0, 32, 0, 0, 0], False),  # 2**62
        ([Kind.MEAN, 0, 0, 0, 0, 0, 0], False),  # 32 bits
        ([Kind.UPSAMPLE, 0, 0, 0, 7, 0, 0], True),
        ([Kind.POOL, 0, 0, 0, 1, 0, 0], False),
    ],
)
def test_edges_of_sums_and_sizes(row: list[int], holds: bool) -> None:
    """Exactly below the bound, and on it."""
    if holds:
        read_graph(small(row))
    else:
        with pytest.raises(ModelError):
            read_graph(small(row))


def test_the_sum_of_a_convolution_at_its_edge() -> None:
    """2**31 * 1 + bias + 2**47 is 2**53 - 1, and then 2**53."""
    row = [Kind.CONVOLUTION, 0, 0, 32, 0, 0, 0]
    numbers = {"0.weight": np.ones((1, 1, 1, 1), np.int8), "0.shift": np.full(1, 48, np.uint8)}
    edge = 2**53 - 2**47 - 2**31
    read_graph(small(row, **numbers, **{"0.bias": np.array([1 - edge])}))
    with pytest.raises(ModelError, match="may reach"):
        read_graph(small(row, **numbers, **{"0.bias": np.array([edge])}))


@pytest.mark.parametrize("kind", [Kind.SHUFFLE, Kind.UNSHUFFLE, Kind.UPSAMPLE, Kind.POOL, Kind.MEAN])
def test_single_samples_have_no_places(kind: Kind) -> None:
    """MEAN gives single samples, whose size nothing can change; nor are they convolved with their neighbours."""
    rows = [[Kind.MEAN, 1, 0, 0, 0, 0, 0], [kind, 2, 0, 0, int(kind != Kind.MEAN), 0, 0]]
    with pytest.raises(ModelError):
        read_graph(small(*rows))
    numbers = {"1.weight": np.ones((1, 1, 3, 3), np.int8), "1.bias": np.zeros(1, np.int64)}
    rows[1] = [Kind.CONVOLUTION, 2, 0, 16, 0, 0, 0]
    with pytest.raises(ModelError, match="1x1"):
        read_graph(small(*rows, **numbers, **{"1.shift": np.zeros(1, np.uint8)}))


def test_other_tensors_are_ignored() -> None:
    """Of the encoder, of later editions, or of a user."""
    more = {"coefficients.contexts": np.zeros((2, 2), np.uint8)}
    assert read_tensors(read_model(write_tensors(base_tensors())).to_bytes(others=more)).keys() == {
        *base_tensors(),
        *more,
    }
    data = write_tensors(base_tensors() | {ANALYSIS + "graph": np.zeros(3, np.int32), "note": np.zeros(1, np.float32)})
    model = read_model(data)
    assert model.analysis is None
    assert read_tensors(model.to_bytes()).keys() == base_tensors().keys()
