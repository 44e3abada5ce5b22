"""Positive vectors of the stage NETWORK: each operation of an integer graph, and what stands around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bitstream.headers import Model
from ...bitstream.levels import levels
from ...bitstream.values import GraphOperation as Kind
from ...bitstream.values import Grid, StageId
from ...conversion.reduction import Network, Resize
from ...conversion.reduction.network.graph import Graph, Input, Operation, Output
from ...conversion.reduction.network.model import NetworkModel
from ...conversion.reduction.network.reading import checked_graph
from ...conversion.reduction.network.stage import NetworkTensor, given_tensors
from ...models.tensors import write_tensors
from .build import Plan, Tensor, build, pseudo_random
from .case import Variant, family
from .structure import by_digest, in_unit

Numbers = Mapping[str, NDArray[Any]]
#: An input of a graph: 6 channels, shift 1, 16 bits.
MAPS = Input(6, 1, 16, 11)


def drawn(shape: Sequence[int], low: int, high: int, seed: int, kind: str = "int16") -> NDArray[Any]:
    """Integers from ``low`` to ``high`` that are the same anywhere."""
    count = int(np.prod(shape))
    values = [low + (number >> 7) % (high - low + 1) for number in islice(pseudo_random(seed), count)]
    return np.array(values, kind).reshape(shape)


def convolution(
    first: int, outputs: int, members: int, side: int, *, bits: int = 16, p: int = 0, kind: str = "int16", seed: int = 1
) -> Operation:
    """A convolution with weights over their whole width; each channel has another shift."""
    info = np.iinfo(kind)
    shift = (info.bits + (members * side * side).bit_length() - 2 - np.arange(outputs) % 3).astype("uint8")
    numbers = {
        "weight": drawn((outputs, members, side, side), int(info.min), int(info.max), seed, kind),
        "bias": drawn((outputs,), -(1 << 24), 1 << 24, seed + 1, "int64"),
        "shift": shift,
    }
    return Operation(Kind.CONVOLUTION, first, bits=bits, p=p, numbers=numbers)


def coded(
    inputs: Sequence[Input],
    operations: Sequence[Operation],
    outputs: Sequence[Output],
    sizes: Sequence[tuple[int, int]],
    **options: Any,
) -> bytes:
    """A bitstream whose layers, of ``sizes``, a graph restores."""
    return coded_with(checked_graph(inputs, operations, outputs), sizes, **options)


def coded_with(
    graph: Graph,
    sizes: Sequence[tuple[int, int]],
    *,
    condition: int = 37,
    data: bytes | None = None,
    before: Sequence[Model] = (),
    **options: Any,
) -> bytes:
    """Likewise; ``data`` are the model's bytes, the models ``before`` it come first."""
    layers = [
        Tensor(f"p{place}", (given.channels, *size))
        for place, (given, size) in enumerate(zip(given_tensors(graph), sizes, strict=True), 2)
    ]
    given = in_unit(0, NetworkModel(graph).to_bytes() if data is None else data, StageId.NETWORK)
    plan = Plan(
        layers,
        **{
            "coded": [Tensor("", (one.channels, 1, 1), Grid(1, 1)) for one in graph.inputs],
            "stages": [stage_for(graph, condition)],
            "models": [*before, given],
            "t2_digest": True,
            "digest_length": 8,
            "bit_depth": 12,
            "ranges": ((-12.5, 15.0), (-40.0, 3.0), (0.0, 1.0)),
            **options,
        },
    )
    return build(plan)


def stage_for(graph: Graph, condition: int = 37, model_id: int = 0) -> Network:
    """The stage that a graph is for."""
    shifts = [tensor.shift for tensor in given_tensors(graph)]
    return Network(model_id, condition, shifts, [NetworkTensor(one.channels, one.shift) for one in graph.inputs])


#: Name, words, and the operations on :data:`MAPS`; the last result is the layer.
OPERATIONS: list[tuple[str, str, list[Operation]]] = [
    ("convolution_1x1", "CONVOLUTION 1x1", [convolution(0, 5, 6, 1)]),
    ("convolution_3x3", "CONVOLUTION 3x3", [convolution(0, 5, 6, 3)]),
    ("convolution_2x2", "CONVOLUTION 2x2, whose weights lie right of and below a sample", [convolution(0, 5, 6, 2)]),
    ("convolution_5x5", "CONVOLUTION 5x5, larger than the map", [convolution(0, 3, 6, 5)]),
    ("convolution_15x15", "CONVOLUTION 15x15", [convolution(0, 1, 6, 15)]),
    ("convolution_stride", "CONVOLUTION 3x3 with stride 2", [convolution(0, 5, 6, 3, p=1)]),
    ("convolution_4x4_stride", "CONVOLUTION 4x4 with stride 2", [convolution(0, 5, 6, 4, p=1)]),
    ("convolution_1x1_stride", "CONVOLUTION 1x1 with stride 2", [convolution(0, 5, 6, 1, p=1)]),
    ("convolution_groups", "CONVOLUTION 3x3 in 2 groups", [convolution(0, 4, 3, 3)]),
    ("convolution_depthwise", "CONVOLUTION 3x3 with 6 groups and 12 channels", [convolution(0, 12, 1, 3)]),
    ("convolution_int8", "CONVOLUTION 3x3 with weights of 8 bits", [convolution(0, 5, 6, 3, kind="int8")]),
    ("convolution_clips", "CONVOLUTION whose results are clipped to 9 bits", [convolution(0, 5, 6, 3, bits=9)]),
    (
        "convolution_single",
        "CONVOLUTION of single samples",
        [Operation(Kind.MEAN, 0), convolution(2, 6, 6, 1), Operation(Kind.ADD, 0, 3, 16)],
    ),
    ("add", "ADD with both shifts", [Operation(Kind.ADD, 0, 0, 16, 2, 1, 3)]),
    ("add_clips", "ADD whose results are clipped to 12 bits", [Operation(Kind.ADD, 0, 0, 12)]),
    ("add_single", "ADD of single samples", [Operation(Kind.MEAN, 0), Operation(Kind.ADD, 0, 2, 17, 0, 1, 0)]),
    ("multiply", "MULTIPLY", [Operation(Kind.MULTIPLY, 0, 0, 16, r=14)]),
    ("multiply_clips", "MULTIPLY whose results are clipped", [Operation(Kind.MULTIPLY, 0, 0, 24)]),
    (
        "multiply_single",
        "MULTIPLY by single samples",
        [Operation(Kind.MEAN, 0), Operation(Kind.MULTIPLY, 0, 2, 16, r=9)],
    ),
    ("scale_up", "SCALE to the left", [Operation(Kind.SCALE, 0, bits=20, p=5)]),
    ("scale_down", "SCALE to the right", [Operation(Kind.SCALE, 0, bits=8, r=6)]),
    ("scale_both", "SCALE by 3 to the left and 5 to the right", [Operation(Kind.SCALE, 0, bits=13, p=3, r=5)]),
    (
        "concatenate",
        "CONCATENATE of tensors of 16 and 10 bits",
        [Operation(Kind.SCALE, 0, bits=10, r=6), Operation(Kind.CONCATENATE, 2, 0)],
    ),
    ("slice", "SLICE of 3 channels out of the middle", [Operation(Kind.SLICE, 0, p=2, q=3)]),
    ("shuffle", "SHUFFLE by 2", [convolution(0, 8, 6, 1), Operation(Kind.SHUFFLE, 2, p=1)]),
    ("shuffle_4", "SHUFFLE by 4", [convolution(0, 32, 6, 1), Operation(Kind.SHUFFLE, 2, p=2)]),
    ("unshuffle", "UNSHUFFLE by 2", [Operation(Kind.UNSHUFFLE, 0, p=1)]),
    ("upsample", "UPSAMPLE by 2", [Operation(Kind.UPSAMPLE, 0, p=1)]),
    ("upsample_8", "UPSAMPLE by 8", [Operation(Kind.UPSAMPLE, 0, p=3)]),
    ("pool", "POOL by 2", [Operation(Kind.POOL, 0, p=1)]),
    ("pool_4", "POOL by 4", [Operation(Kind.UPSAMPLE, 0, p=1), convolution(2, 4, 6, 3), Operation(Kind.POOL, 3, p=2)]),
    ("mean", "MEAN", [Operation(Kind.MEAN, 0), Operation(Kind.SCALE, 0, bits=16), Operation(Kind.ADD, 3, 2, 17)]),
    ("relu", "RELU", [Operation(Kind.RELU, 0)]),
    (
        "prelu",
        "PRELU with slopes that are negative, above 1, and so large that results are clipped",
        [Operation(Kind.PRELU, 0, r=8, numbers={"slope": np.array([64, -256, 300, 32767, 0, -32768], np.int16)})],
    ),
    (
        "table",
        "TABLE whose ends are reached",
        [Operation(Kind.TABLE, 0, bits=9, r=9, numbers={"table": drawn((32,), -256, 255, 5, "int32")})],
    ),
    (
        "table_whole",
        "TABLE with an entry for each value of 12 bits",
        [
            Operation(Kind.SCALE, 0, bits=12, r=4),
            Operation(Kind.TABLE, 2, bits=32, numbers={"table": drawn((4096,), -(2**23), 2**23, 6, "int32") * 256}),
        ],
    ),
]


@family("NETWORK", "reduction", "network")
def operations() -> Iterator[Variant]:
    """A layer restored by {}.

    An operation of the integer graph is not that of the specification, to the last bit.
    """
    for label, words, listed in OPERATIONS:
        form = checked_graph([MAPS], listed, [Output(0, 0)]).forms[-1]
        assert form.shift is not None
        size = (5 << form.shift) - 1 if form.shift else 3, (3 << form.shift) - (form.shift > 1)
        outputs = [Output(len(listed) + 1, 8)]
        yield Variant(label, partial(coded, [MAPS], listed, outputs, [size]), (words,), clauses=("8.11",))


def restoration() -> Graph:
    """A linear restoration of two layers and a residual of it, from coefficients of 20 bits and the condition."""
    operations = [
        Operation(Kind.CONCATENATE, 0, 1),
        convolution(2, 8, 11, 3, seed=21),
        Operation(Kind.PRELU, 3, r=12, numbers={"slope": drawn((8,), 0, 1024, 22)}),
        convolution(4, 8, 8, 3, seed=23),
        Operation(Kind.ADD, 3, 5, 17),
        convolution(6, 21, 8, 1, bits=24, seed=25),
        convolution(0, 21, 10, 1, bits=24, seed=27),
        Operation(Kind.ADD, 7, 8, 24, 0, 1, 1),
        Operation(Kind.SLICE, 9, p=0, q=16),
        Operation(Kind.SHUFFLE, 10, p=1),
        Operation(Kind.SLICE, 9, p=16, q=5),
    ]
    return checked_graph([Input(10, 0, 20, 8)], operations, [Output(11, 12), Output(12, 10)])


@family("GRAPH", "reduction", "network")
def graphs() -> Iterator[Variant]:
    """An integer graph with {}.

    The way of numbers into the graph and out of it, its size or its model is not that of the specification.
    """
    graph, sizes = restoration(), [(9, 7), (5, 4)]
    for condition in (0, 37, 255):
        make = partial(coded_with, graph, sizes, condition=condition)
        yield Variant(f"condition_{condition}", make, (f"the condition {condition}",), clauses=("8.11",))
    yield Variant("group", partial(coded_with, graph, sizes, group=2), ("two pictures of a group",), clauses=("8.11",))
    yield Variant(
        "sizes",
        partial(coded_with, graph, [(11, 2), (3, 1)]),
        ("a lattice that the first layer makes",),
        clauses=("8.11",),
    )
    yield Variant(
        "larger",
        partial(coded_with, graph, [(5, 13), (7, 9)]),
        ("a lattice that the second layer makes",),
        clauses=("8.11",),
    )
    yield Variant(
        "bits_16", partial(coded_with, graph, sizes, bit_depth=16), ("tensors of 16 bits",), clauses=("8.11",)
    )
    make = partial(coded_with, graph, sizes, ranges=((-3.0e38, 3.0e38), (-1.0e-30, 1.0e-38)), group=2)
    yield Variant("clipped", make, ("inputs that are clipped, and others that are 0 or -1",), clauses=("8.11",))
    three = [Input(2, 1, 10, 5), Input(3, 0, 32, 25), Input(1, 2, 2, -3)]
    outputs = [Output(0, 5), Output(4, 2), Output(2, -3), Output(4, 3), Output(3, 0), Output(1, 64), Output(1, -64)]
    make = partial(
        coded,
        three,
        [Operation(Kind.UPSAMPLE, 1, p=2)],
        outputs,
        [(6, 7), (12, 9), (12, 13), (9, 12), (3, 4), (3, 3), (2, 4)],
    )
    yield Variant(
        "several",
        make,
        ("three inputs and seven outputs, of which some are inputs or the condition",),
        clauses=("8.11",),
    )
    exact = [
        Operation(
            Kind.CONVOLUTION,
            0,
            bits=32,
            numbers={
                "weight": np.full((1, 64, 2, 2), -32768, np.int16),
                "bias": np.array([2**53 - 2**47 - 2**52 - 1], np.int64),
                "shift": np.array([48], np.uint8),
            },
        )
    ]
    make = partial(coded, [Input(64, 0, 30, 0)], exact, [Output(2, 0)], [(2, 2)], ranges=((-1.0e9, -0.5e9),))
    yield Variant("largest_sum", make, ("a sum just below 2**53",), clauses=("8.11",))
    other = NetworkModel(graph, graph).to_bytes({"network": "none"})
    yield Variant(
        "analysis",
        partial(coded_with, graph, sizes, data=other),
        ("a graph for an encoder beside it",),
        clauses=("8.11",),
    )
    more = write_tensors(graph.tensors() | {"99.weight": np.zeros(3, np.float32), "0.slope": np.zeros(2, np.int8)})
    yield Variant(
        "ignored", partial(coded_with, graph, sizes, data=more), ("tensors that it does not need",), clauses=("8.11",)
    )
    again = [in_unit(3, NetworkModel(graph).to_bytes(), StageId.KLT)]
    reference = by_digest(0, again[0].data, StageId.NETWORK)
    make = partial(coded_with, graph, sizes, models=[*again, reference])
    yield Variant("reference", make, ("a model that refers to the bytes of another",), clauses=("8.11",))
    most = levels()[0].max_graph_operations
    listed = [Operation(Kind.SCALE, number, bits=16, p=number % 2, r=1) for number in (0, *range(2, most + 1))]
    make = partial(coded, [Input(1, 0, 16, 9)], listed, [Output(most + 1, 9)], [(3, 4)], level=1)
    yield Variant("level_1", make, (f"{most} operations, all that level 1 allows",), clauses=("8.11",))
    many = [Input(1, 0, 8, 0)] * 64
    make = partial(coded, many, [Operation(Kind.RELU, 0)], [Output(65, 0), Output(63, 0)], [(3, 4), (3, 4)], level=4)
    yield Variant("tensors", make, ("64 tensors",), clauses=("8.11",))
    make = partial(
        coded, [Input(8192, 0, 8, 0)], [Operation(Kind.SLICE, 0, p=8191, q=1)], [Output(2, 0)], [(1, 1)], level=4
    )
    yield Variant("channels", make, ("a tensor of 8192 channels",), clauses=("8.11",))
    yield Variant("resized", partial(_resized, graph), ("layers that are resized first",), clauses=("8.11",))
    yield Variant("twice", partial(_twice, graph), ("another one before it",), clauses=("8.11",))


def _resized(graph: Graph) -> bytes:
    return coded_with(graph, [(18, 13), (5, 4)], stages=[Resize([1, 0]), stage_for(graph)])


def _twice(graph: Graph) -> bytes:
    """The second stage codes the one tensor that the first gives."""
    second = checked_graph([Input(5, 0, 16, 6)], [convolution(0, 10, 5, 1, seed=31)], [Output(2, 6)])
    return coded_with(
        graph,
        [(9, 7), (5, 4)],
        coded=[Tensor("", (5, 1, 1))],
        stages=[stage_for(graph), stage_for(second, 12, 5)],
        before=[in_unit(5, NetworkModel(second).to_bytes(), StageId.NETWORK)],
    )
