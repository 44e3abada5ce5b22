"""Evaluation of integer graphs against a second evaluator that adds Python integers one by one."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.bitstream.values import GraphOperation as Kind
from vcm_ref.conversion.reduction.network import convolution, evaluation
from vcm_ref.conversion.reduction.network.evaluation import Evaluator
from vcm_ref.conversion.reduction.network.graph import Graph

from . import naive
from .graphs import graphs, inputs_of

GRIDS = st.tuples(st.integers(1, 3), st.integers(1, 3))


def compare(graph: Graph, grid: tuple[int, int], seed: int, condition: int) -> None:
    """Both evaluators give the same outputs."""
    inputs = inputs_of(graph, grid, seed)
    found = Evaluator(graph)(inputs, condition)
    expected = naive.evaluate(graph, inputs, condition)
    for one, other in zip(found, expected, strict=True):
        assert one.dtype == np.int32
        np.testing.assert_array_equal(one, other)


@given(graphs(), GRIDS, st.integers(0, 2**32 - 1), st.integers(0, 255))
def test_any_graph_gives_what_python_integers_give(
    graph: Graph, grid: tuple[int, int], seed: int, condition: int
) -> None:
    """Every operation, chained at random."""
    compare(graph, grid, seed, condition)


@pytest.mark.parametrize("kind", list(Kind))
def test_each_operation(kind: Kind) -> None:
    """One kind after the other, so that none is left to chance."""

    @given(graphs((kind,)), GRIDS, st.integers(0, 2**32 - 1))
    def run(graph: Graph, grid: tuple[int, int], seed: int) -> None:
        compare(graph, grid, seed, 37)

    run()


@given(graphs((Kind.CONVOLUTION, Kind.ADD, Kind.SCALE, Kind.PRELU)), GRIDS, st.integers(0, 2**32 - 1))
def test_small_parts_give_the_same(graph: Graph, grid: tuple[int, int], seed: int) -> None:
    """The parts that bound memory do not show in the result."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(convolution, "_COLUMN_BYTES", 1)
        patch.setattr(convolution, "_FEWEST_SAMPLES", 2)
        patch.setattr(evaluation, "_BLOCK", 2)
        patch.setattr(evaluation, "_MOST_READY", 0)
        compare(graph, grid, seed, 1)


PROGRAM = """
import hashlib, numpy as np
from vcm_ref.bitstream.values import GraphOperation as Kind
from vcm_ref.conversion.reduction.network.evaluation import Evaluator
from vcm_ref.conversion.reduction.network.graph import Input, Operation, Output
from vcm_ref.conversion.reduction.network.reading import checked_graph
random = np.random.default_rng(1)
weight = random.integers(-(2**15), 2**15, (96, 128, 3, 3)).astype(np.int16)
numbers = {"weight": weight, "bias": random.integers(-(2**40), 2**40, 96), "shift": np.full(96, 22, np.uint8)}
graph = checked_graph(
    [Input(128, 0, 24, 0)], [Operation(Kind.CONVOLUTION, 0, bits=32, numbers=numbers)], [Output(2, 0)]
)
maps = random.integers(-(2**23), 2**23, (128, 40, 50)).astype(np.int32)
print(hashlib.sha256(Evaluator(graph)([maps], 0)[0].tobytes()).hexdigest())
"""


@pytest.mark.integration
def test_the_number_of_threads_does_not_show() -> None:
    """Sums near 2**49, by one thread and by three."""
    digests = {
        subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            check=True,
        ).stdout
        for threads in ("1", "3")
    }
    assert len(digests) == 1


@pytest.mark.integration
def test_wide_convolutions_have_bounded_memory() -> None:
    """65536 channels with weights of 15x15 for each: 64 samples of what they meet would be 7.5 GB."""
    program = """
import resource
import numpy as np
from vcm_ref.bitstream.values import GraphOperation as Kind
from vcm_ref.conversion.reduction.network.convolution import Convolution
from vcm_ref.conversion.reduction.network.graph import Form, Operation
channels = 65536
numbers = {
    "weight": np.ones((channels, 1, 15, 15), np.int16) * 30000,
    "bias": np.zeros(channels, np.int64),
    "shift": np.zeros(channels, np.uint8),
}
operation = Operation(Kind.CONVOLUTION, 0, 0, 32, 0, 0, 0, numbers)
convolution = Convolution(operation, Form(channels, 0, 16), Form(channels, 0, 32), ready=False)
found = convolution(np.ones((channels, 2, 2), np.int32))
assert (found == 30000 * 4).all()
assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 1 << 20  # KiB
"""
    subprocess.run([sys.executable, "-c", program], check=True)
