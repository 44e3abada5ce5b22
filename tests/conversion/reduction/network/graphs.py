"""Graphs for tests: any valid one, grown operation by operation."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from vcm_ref.bitstream.values import GraphOperation as Kind
from vcm_ref.conversion.reduction.network.graph import Form, Graph, Input, Operation, Output
from vcm_ref.conversion.reduction.network.reading import checked_graph
from vcm_ref.errors import ModelError

Draw = Callable[[st.SearchStrategy[Any]], Any]


def numbers_of(draw: Draw, kind: Kind, first: Form, bits: int) -> dict[str, NDArray[Any]]:
    """Weights, slopes or a table for an operation on ``first``."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    if kind == Kind.CONVOLUTION:
        members = draw(st.sampled_from([m for m in range(1, first.channels + 1) if first.channels % m == 0]))
        outputs = first.channels // members * draw(st.integers(1, 3))
        side = 1 if first.shift is None else draw(st.integers(1, 4))
        kept = draw(st.sampled_from([np.int8, np.int16]))
        top = np.iinfo(kept).max if draw(st.booleans()) else 3
        weight = random.integers(-top - 1, top, (outputs, members, side, side), endpoint=True)
        most = 2 ** draw(st.integers(0, 40))
        return {
            "weight": weight.astype(kept),
            "bias": random.integers(-most, most, outputs, endpoint=True),
            "shift": random.integers(0, draw(st.integers(0, 30)), outputs, endpoint=True).astype(np.uint8),
        }
    if kind == Kind.PRELU:
        return {"slope": random.integers(-(2**15), 2**15, first.channels).astype(np.int16)}
    if kind == Kind.TABLE:
        entries = 2 * draw(st.integers(1, 40))
        return {"table": random.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), entries).astype(np.int32)}
    return {}


@st.composite
def graphs(draw: Draw, kinds: tuple[Kind, ...] = tuple(Kind)) -> Graph:
    """Up to eight operations; one that would break a rule is left out."""
    inputs = [
        Input(draw(st.integers(1, 4)), draw(st.integers(0, 2)), draw(st.sampled_from([2, 8, 16, 20, 32])), 3)
        for _ in range(draw(st.integers(1, 2)))
    ]
    operations: list[Operation] = []
    graph = checked_graph(inputs, operations, [Output(0, 0)])
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(kinds))
        tensor = st.integers(0, len(graph.forms) - 1)
        bits = draw(st.sampled_from([2, 5, 8, 12, 16, 24, 32]))
        first = draw(tensor)
        own = graph.forms[first]
        fields = {
            Kind.CONVOLUTION: {"bits": bits, "p": draw(st.integers(0, 2))},
            Kind.ADD: {
                "second": draw(tensor),
                "bits": bits,
                "p": draw(st.integers(0, 9)),
                "q": draw(st.integers(0, 9)),
                "r": draw(st.integers(0, 20)),
            },
            Kind.MULTIPLY: {"second": draw(tensor), "bits": bits, "r": draw(st.integers(0, 30))},
            Kind.SCALE: {"bits": bits, "p": draw(st.integers(0, 20)), "r": draw(st.integers(0, 31))},
            Kind.CONCATENATE: {"second": draw(tensor)},
            Kind.SLICE: {
                "p": (p := draw(st.integers(0, own.channels - 1))),
                "q": draw(st.integers(1, own.channels - p)),
            },
            Kind.PRELU: {"r": draw(st.integers(0, 20))},
            Kind.TABLE: {"bits": bits, "r": draw(st.integers(0, 31))},
        }.get(kind, {})
        if kind in (Kind.SHUFFLE, Kind.UNSHUFFLE, Kind.UPSAMPLE, Kind.POOL):
            fields = {"p": draw(st.integers(1, 2))}
        added = Operation(kind, first, numbers=numbers_of(draw, kind, own, bits), **fields)
        try:
            grown = checked_graph(inputs, [*operations, added], [Output(0, 0)])
        except ModelError:
            continue
        if sum(form.channels << 2 * (form.shift or 0) for form in grown.forms) > 2000:
            continue
        operations.append(added)
        graph = grown
    if not operations:
        graph = checked_graph(inputs, [Operation(Kind.RELU, 0)], [Output(0, 0)])
    given_out = [number for number, form in enumerate(graph.forms) if form.shift is not None]
    outputs = [Output(number, draw(st.integers(-4, 20))) for number in given_out[-3:]]
    return checked_graph(inputs, graph.operations, outputs)


def inputs_of(graph: Graph, grid: tuple[int, int], seed: int) -> list[NDArray[np.int32]]:
    """Random inputs over the whole width, its ends among them."""
    random = np.random.default_rng(seed)
    made = []
    for given in graph.inputs:
        low, high = -(1 << (given.bits - 1)), (1 << (given.bits - 1)) - 1
        shape = given.channels, grid[0] << given.shift, grid[1] << given.shift
        values = random.integers(low, high, shape, endpoint=True)
        values = np.where(random.random(shape) < 0.2, random.choice([low, high, 0], shape), values)
        made.append(values.astype(np.int32))
    return made
