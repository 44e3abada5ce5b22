"""Models of the kind NETWORK: what is written comes back, and every rule of docs/bitstream.md, 8.11, is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from numpy.typing import NDArray

from vcm_ref.bitstream.values import GraphOperation as Kind
from vcm_ref.conversion.reduction.network.graph import ANALYSIS, Graph
from vcm_ref.conversion.reduction.network.model import NetworkModel, read_model
from vcm_ref.conversion.reduction.network.reading import read_graph
from vcm_ref.conversion.reduction.network.rules import FIELDS
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


def base() -> Tensors:
    """An input of 8 channels, 12 bits, shift 1; one operation of each kind on it, as far as they fit."""
    rows = [
        [Kind.CONVOLUTION, 0, 0, 16, 1, 0, 0],  # 2: 8 channels, shift 0
        [Kind.ADD, 2, 2, 16, 0, 0, 1],  # 3
        [Kind.MULTIPLY, 3, 2, 16, 0, 0, 4],  # 4
        [Kind.SCALE, 4, 0, 8, 0, 0, 3],  # 5
        [Kind.CONCATENATE, 4, 5, 0, 0, 0, 0],  # 6: 16 channels, 16 bits
        [Kind.SLICE, 6, 0, 0, 4, 8, 0],  # 7: 8 channels
        [Kind.SHUFFLE, 7, 0, 0, 1, 0, 0],  # 8: 2 channels, shift 1
        [Kind.UNSHUFFLE, 8, 0, 0, 1, 0, 0],  # 9: 8 channels, shift 0
        [Kind.UPSAMPLE, 9, 0, 0, 1, 0, 0],  # 10: shift 1
        [Kind.POOL, 10, 0, 0, 1, 0, 0],  # 11: shift 0
        [Kind.MEAN, 5, 0, 0, 0, 0, 0],  # 12: single
        [Kind.RELU, 12, 0, 0, 0, 0, 0],  # 13
        [Kind.PRELU, 11, 0, 0, 0, 0, 2],  # 14
        [Kind.TABLE, 14, 0, 9, 0, 0, 3],  # 15
    ]
    return {
        "inputs": np.array([[8, 1, 12, 4]], np.int32),
        "graph": np.array(rows, np.int32),
        "outputs": np.array([[15, 2], [10, 4]], np.int32),
        "0.weight": np.ones((8, 8, 3, 3), np.int8),
        "0.bias": np.zeros(8, np.int64),
        "0.shift": np.full(8, 3, np.uint8),
        "12.slope": np.full(8, 2, np.int16),
        "13.table": np.arange(-4, 4, dtype=np.int32),
    }


def test_the_base_is_a_graph() -> None:
    """So that each change below is the one fault."""
    assert len(read_graph(base()).forms) == 16


def table(name: str, place: tuple[int, int], value: int) -> Tensors:
    """The base with another number in one of its tables."""
    tensors = base()
    tensors[name][place] = value
    return tensors


def changed(name: str, values: NDArray[Any] | None) -> Tensors:
    """The base with another tensor, or without one."""
    tensors = base()
    del tensors[name]
    return tensors if values is None else tensors | {name: values}


FIELD = {"first": 1, "second": 2, "bits": 3, "p": 4, "q": 5, "r": 6}

BROKEN = [
    *[(changed(name, None), f"no tensor '{name}'") for name in base()],
    *[(changed(name, base()[name].astype(np.float32)), f"'{name}' is not") for name in base()],
    *[(changed(name, base()[name][None]), f"'{name}' is not") for name in base()],
    (changed("inputs", np.zeros((0, 4), np.int32)), "table of 1 to 64 rows of 4"),
    (changed("inputs", np.tile(base()["inputs"], (65, 1))), "table of 1 to 64 rows of 4"),
    (changed("graph", np.zeros((0, 7), np.int32)), "table of 1 to 4096 rows of 7"),
    (changed("graph", np.zeros((4097, 7), np.int32)), "table of 1 to 4096 rows of 7"),
    (changed("graph", np.zeros((1, 6), np.int32)), "table of 1 to 4096 rows of 7"),
    (changed("outputs", np.zeros((0, 2), np.int32)), "table of 1 to 64 rows of 2"),
    *[
        (table("inputs", (0, column), value), "out of range")
        for column, values in enumerate([(0, 8193), (-1, 8), (1, 33), (-65, 65)])
        for value in values
    ],
    *[(table("outputs", (0, 0), value), "cannot be given") for value in (-1, 16, 12)],
    *[(table("outputs", (0, 1), value), "fraction") for value in (-65, 65)],
    *[(table("graph", (0, 0), value), "does not exist") for value in (-1, 14)],
    # each field of each operation just outside its range
    *[
        (table("graph", (row, column), value), f"operation {row} of its graph, {kind.name}: {name} is {value}; allowed")
        for row, kind in enumerate(Kind)
        for name, column in FIELD.items()
        if name not in ("first", "second" if "second" in FIELDS[kind] else "")
        for value in (FIELDS[kind].get(name, (0, 0))[0] - 1, FIELDS[kind].get(name, (0, 0))[1] + 1)
    ],
    # a tensor that is not there yet
    *[(table("graph", (row, 1), value), "there is no tensor") for row in range(14) for value in (-1, row + 2)],
    *[(table("graph", (row, 2), row + 2), "there is no tensor") for row in (1, 2, 4)],
    # CONVOLUTION
    (changed("0.weight", np.ones((8, 8, 3, 2), np.int8)), "its weights are 3x2"),
    (changed("0.weight", np.ones((8, 8, 16, 16), np.int8)), "its weights are 16x16"),
    (changed("0.weight", np.ones((8, 8, 0, 0), np.int8)), "its weights are 0x0"),
    (changed("0.weight", np.ones((8, 3, 3, 3), np.int8)), "for 3 of 8"),
    (changed("0.weight", np.ones((8, 16, 1, 1), np.int8)), "for 16 of 8"),
    (changed("0.weight", np.ones((8, 0, 3, 3), np.int8)), "for 0 of 8"),
    (changed("0.weight", np.ones((6, 2, 3, 3), np.int8)), "not divided by 4 groups"),
    (changed("0.weight", np.ones((0, 8, 3, 3), np.int8)), "has 0 channels"),
    (changed("0.weight", np.ones((65537, 8, 1, 1), np.int8)), "has 65537 channels"),
    (changed("0.bias", np.zeros(7, np.int64)), "bias is not one for each"),
    (changed("0.shift", np.zeros(9, np.uint8)), "shift is not one for each"),
    (changed("0.shift", np.full(8, 49, np.uint8)), "shift is 49"),
    (table("graph", (0, 4), 2), "shift of the result is -1"),
    # the bound of sums: 2**11 * 72 + bias + 4 < 2**53
    (changed("0.bias", np.full(8, 2**53 - 2**11 * 72 - 4, np.int64)), "may reach 9007199254740992"),
    (changed("0.bias", np.full(8, -(2**63), np.int64)), "may reach"),
    (table("graph", (1, 4), 31), None),
    (table("graph", (6, 1), 3), None),
    (table("graph", (1, 2), 0), "different sizes"),
    (table("graph", (2, 2), 1), "channels differ"),
    (table("graph", (4, 2), 0), "different sizes"),
    (table("graph", (5, 5), 13), "first has 16 channels"),
    (table("graph", (5, 5), 0), "has 0 channels"),
    (table("graph", (6, 4), 2), "not divided by 4\\*\\*2"),
    (table("graph", (7, 4), 2), "shift of the result is -1"),
    (table("graph", (8, 4), 7), None),
    (table("graph", (9, 4), 2), "shift of the result is -1"),
    (table("graph", (10, 1), 0), None),
    (table("graph", (12, 1), 0), None),
    (changed("12.slope", np.zeros(7, np.int16)), "slope is not one for each"),
    (changed("13.table", np.zeros(3, np.int32)), "table has 3 entries"),
    (changed("13.table", np.zeros(0, np.int32)), "table has 0 entries"),
    (changed("13.table", np.zeros(65538, np.int32)), "table has 65538 entries"),
    (changed("13.table", np.array([0, 256], np.int32)), "does not fit 9 bits"),
    (changed("13.table", np.array([-257, 0], np.int32)), "does not fit 9 bits"),
]


@pytest.mark.parametrize(("tensors", "told"), [case for case in BROKEN if case[1] is not None])
def test_each_rule(tensors: Tensors, told: str) -> None:
    """One fault each."""
    with pytest.raises(ModelError, match=told):
        read_graph(tensors)


@pytest.mark.parametrize("tensors", [case[0] for case in BROKEN if case[1] is None])
def test_what_is_allowed_beside_them(tensors: Tensors) -> None:
    """Changes that break no rule."""
    read_graph(tensors)


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
    data = write_tensors(base() | {ANALYSIS + "graph": np.zeros(3, np.int32), "note": np.zeros(1, np.float32)})
    model = read_model(data)
    assert model.analysis is None
    assert read_tensors(model.to_bytes()).keys() == base().keys()
