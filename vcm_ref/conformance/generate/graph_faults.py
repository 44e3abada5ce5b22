"""Negative vectors of the stage NETWORK: every rule of 8.11, models that do not fit their stage, and levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...bitstream.levels import levels
from ...bitstream.values import GraphOperation as Kind
from ...bitstream.values import StageId, UnitType
from ...conversion.reduction.network.graph import Graph, Input, Operation, Output
from ...conversion.reduction.network.model import NetworkModel
from ...conversion.reduction.network.reading import checked_graph, read_graph
from ...conversion.reduction.network.rules import FIELDS
from ...models.tensors import write_tensors
from .case import Variant, family
from .edit import RawUnit, joined, raw_units, with_stage_value
from .graph import coded_with
from .negative import BROKEN

Tensors = dict[str, NDArray[Any]]
#: The columns of the table of operations.
COLUMNS = {"first": 1, "second": 2, "bits": 3, "p": 4, "q": 5, "r": 6}
#: What most faults are made in: one operation of each kind, in the order of their values. Tensor 0 has 8 channels and
#: the shift 1. No operation takes the result of another, and the outputs are 8 channels of shift 1, whatever is broken:
#: so a fault breaks its own rule alone.
ROWS: list[list[int]] = [
    [Kind.CONVOLUTION, 0, 0, 16, 1, 0, 0],  # tensor 2: shift 0
    [Kind.ADD, 0, 0, 16, 0, 0, 1],
    [Kind.MULTIPLY, 0, 0, 16, 0, 0, 4],
    [Kind.SCALE, 0, 0, 8, 0, 0, 3],
    [Kind.CONCATENATE, 0, 0, 0, 0, 0, 0],
    [Kind.SLICE, 0, 0, 0, 2, 6, 0],  # 7: 6 channels
    [Kind.SHUFFLE, 0, 0, 0, 1, 0, 0],
    [Kind.UNSHUFFLE, 0, 0, 0, 1, 0, 0],
    [Kind.UPSAMPLE, 0, 0, 0, 1, 0, 0],
    [Kind.POOL, 0, 0, 0, 1, 0, 0],
    [Kind.MEAN, 0, 0, 0, 0, 0, 0],  # 12: single
    [Kind.RELU, 0, 0, 0, 0, 0, 0],
    [Kind.PRELU, 0, 0, 0, 0, 0, 2],
    [Kind.TABLE, 0, 0, 9, 0, 0, 3],
]
INPUT = [8, 1, 12, 4]
#: A type that holds the numbers of another, and that no tensor of its name may have.
OTHER_TYPES = {"int8": "int32", "uint8": "uint16", "int16": "int32", "int32": "int64", "int64": "int32"}


class Fault(NamedTuple):
    """One rule that is broken: a short name, a sentence for it, the model's tensors."""

    label: str
    words: str
    tensors: Tensors


def base_tensors() -> Tensors:
    """A graph that breaks no rule, as tensors of a model."""
    return {
        "inputs": np.array([INPUT], np.int32),
        "graph": np.array(ROWS, np.int32),
        "outputs": np.array([[3, 2], [13, 4]], np.int32),
        "0.weight": np.ones((8, 8, 3, 3), np.int8),
        "0.bias": np.zeros(8, np.int64),
        "0.shift": np.full(8, 3, np.uint8),
        "12.slope": np.full(8, 2, np.int16),
        "13.table": np.array([-1, 0, -1, 0], np.int32),
    }


def small(
    rows: Sequence[Sequence[int]] | NDArray[Any], given: Sequence[int] = INPUT, numbers: Tensors | None = None
) -> Tensors:
    """A graph of other operations, whose outputs are its input, twice; ``numbers`` are those of its last operation."""
    return {
        "inputs": np.array([given], np.int32),
        "graph": np.array(rows, np.int32).reshape(-1, 7),
        "outputs": np.array([[0, 2], [0, 4]], np.int32),
    } | {f"{len(rows) - 1}.{name}": values for name, values in (numbers or {}).items()}


def with_number(name: str, place: tuple[int, int], value: int) -> Tensors:
    """The base with another number in one of its tables."""
    tensors = base_tensors()
    tensors[name][place] = value
    return tensors


def with_tensor(name: str, values: NDArray[Any] | None) -> Tensors:
    """The base with another tensor, or without one."""
    tensors = base_tensors()
    del tensors[name]
    return tensors if values is None else tensors | {name: values}


def faults() -> Iterator[Fault]:
    """Every rule of 8.11."""
    yield from _tensor_faults()
    yield from _field_faults()
    yield from _convolution_faults()
    yield from _form_faults()
    yield from _sum_faults()
    yield from _single_faults()


def _tensor_faults() -> Iterator[Fault]:
    for name, values in base_tensors().items():
        label = name.replace(".", "")
        yield Fault(f"no_{label}", f"There is no tensor {name}", with_tensor(name, None))
        wrong = values.astype(OTHER_TYPES[values.dtype.name])
        yield Fault(f"type_{label}", f"The tensor {name} has another type", with_tensor(name, wrong))
        deep = values[..., None]
        yield Fault(f"rank_{label}", f"The tensor {name} has a dimension too many", with_tensor(name, deep))
    many = np.tile(np.array([[Kind.RELU, *[0] * 6]], np.int32), (4097, 1))
    rows = {"inputs": np.array([INPUT] * 65, np.int32), "graph": many, "outputs": np.zeros((65, 2), np.int32)}
    for name, too_many in rows.items():
        base = small(rows["graph"][:1])
        yield Fault(f"no_rows_{name}", f"{name} has no row", base | {name: too_many[:0]})
        yield Fault(f"many_rows_{name}", f"{name} has {len(too_many)} rows", base | {name: too_many})
        wide = np.pad(base_tensors()[name], ((0, 0), (0, 1)))
        words = f"{name} has {wide.shape[1]} columns"
        yield Fault(f"columns_{name}", words, with_tensor(name, wide))
    for column, (word, low, high) in enumerate(
        [("channels", 0, 8193), ("shift", -1, 8), ("bits", 1, 33), ("fraction", -65, 65)]
    ):
        for side, value in (("low", low), ("high", high)):
            given = [*INPUT[:column], value, *INPUT[column + 1 :]]
            words = f"An input has the wrong {word}: {value}"
            yield Fault(f"input_{word}_{side}", words, small(many[:1], given))
    for label, value in (("low", -1), ("high", 16), ("single", 12)):
        yield Fault(f"output_{label}", f"An output is tensor {value}", with_number("outputs", (0, 0), value))
    for label, value in (("low", -65), ("high", 65)):
        words = f"An output's fraction bits are {value}"
        yield Fault(f"output_fraction_{label}", words, with_number("outputs", (0, 1), value))


def _field_faults() -> Iterator[Fault]:
    for label, value in (("low", -1), ("high", len(Kind))):  # in the row of TABLE, the last kind
        yield Fault(f"operation_{label}", f"An operation is {value}", with_number("graph", (Kind.TABLE, 0), value))
    for row, kind in enumerate(Kind):
        for name, column in COLUMNS.items():
            if name == "first" or (name == "second" and name in FIELDS[kind]) or (kind, name) == (Kind.SLICE, "q"):
                continue
            low, high = FIELDS[kind].get(name, (0, 0))
            ends = {"low": low - 1, "high": high + 1} if name in FIELDS[kind] else {"used": 1}
            if kind == Kind.SLICE and name == "p":  # its other end follows from the channels
                del ends["high"]
            for side, value in ends.items():
                words = f"{name} of {kind.name} is {value}"
                tensors = with_number("graph", (row, column), value)
                if (kind, name, side) == (Kind.CONVOLUTION, "p", "high"):  # of a map that the stride divides
                    rows = [[Kind.UPSAMPLE, 0, 0, 0, 6, 0, 0], [kind, 2, 0, 16, value, 0, 0]]
                    tensors = small(rows, numbers=CONVOLUTION)
                yield Fault(f"{kind.name}_{name}_{side}", words, tensors)
        yield Fault(f"{kind.name}_first", f"{kind.name} takes its own result", with_number("graph", (row, 1), row + 2))
        if "second" in FIELDS[kind]:
            words = f"{kind.name} takes its own result as its second"
            yield Fault(f"{kind.name}_second", words, with_number("graph", (row, 2), row + 2))
            words = f"The second of {kind.name} is tensor -1"
            rows = [[Kind.RELU, 0, 0, 0, 0, 0, 0], [*ROWS[row]]]
            rows[1][1:3] = 0, -1
            yield Fault(f"{kind.name}_second_negative", words, small(rows))
    yield Fault("first_negative", "An operation takes tensor -1", with_number("graph", (Kind.PRELU, 1), -1))


#: Numbers of a convolution of 8 channels.
CONVOLUTION: Tensors = {
    "weight": np.ones((8, 8, 1, 1), np.int8),
    "bias": np.zeros(8, np.int64),
    "shift": np.zeros(8, np.uint8),
}


def _convolution_faults() -> Iterator[Fault]:
    for label, words, shape in [
        ("not_square", "of 3x2", (8, 8, 3, 2)),
        ("side_16", "of 16x16", (8, 8, 16, 16)),
        ("side_0", "of 0x0", (8, 8, 0, 0)),
        ("members", "for 3 of 8 channels", (8, 3, 3, 3)),
        ("more_members", "for 16 of 8 channels", (8, 16, 1, 1)),
        ("no_members", "for 0 of 8 channels", (8, 0, 3, 3)),
        ("groups", "for 6 channels in 4 groups", (6, 2, 3, 3)),
        ("no_channels", "for 0 channels", (0, 8, 3, 3)),
    ]:
        numbers = np.ones(shape, np.int8)
        more: Tensors = {"0.bias": np.zeros(shape[0], np.int64), "0.shift": np.full(shape[0], 3, np.uint8)}
        yield Fault(f"weights_{label}", f"Weights {words}", with_tensor("0.weight", numbers) | more)
    for label, words, count in (("biases", "A bias is missing", 7), ("biases_many", "A bias too many", 9)):
        yield Fault(label, words, with_tensor("0.bias", np.zeros(count, np.int64)))
    for label, words, count in (("shifts_few", "A shift is missing", 7), ("shifts", "A shift too many", 9)):
        yield Fault(label, words, with_tensor("0.shift", np.full(count, 3, np.uint8)))
    yield Fault("shift_49", "A shift is 49", with_tensor("0.shift", np.array([3] * 7 + [49], np.uint8)))
    yield Fault("stride", "A stride that does not divide the map", with_number("graph", (0, COLUMNS["p"]), 2))


def _form_faults() -> Iterator[Fault]:
    def field(kind: Kind, name: str, value: int) -> Tensors:
        return with_number("graph", (kind, COLUMNS[name]), value)

    yield Fault("add_sizes", "ADD of different sizes", field(Kind.ADD, "second", 2))
    yield Fault("concatenate_sizes", "CONCATENATE of different sizes", field(Kind.CONCATENATE, "second", 2))
    yield Fault("multiply_sizes", "MULTIPLY of different sizes", field(Kind.MULTIPLY, "second", 2))
    for kind in (Kind.ADD, Kind.MULTIPLY):
        rows = [[Kind.SLICE, 0, 0, 0, 0, 4, 0], [kind, 0, 2, 16, 0, 0, 0]]
        yield Fault(f"{kind.name}_channels", f"{kind.name} of different channels", small(rows))
    for kind, bits in ((Kind.ADD, 16), (Kind.MULTIPLY, 16), (Kind.CONCATENATE, 0)):
        rows = [[Kind.MEAN, 0, 0, 0, 0, 0, 0], [kind, 2, 0, bits, 0, 0, 0]]
        yield Fault(f"{kind.name}_single_first", f"{kind.name} of single samples and of a map", small(rows))
    rows = [[Kind.MEAN, 0, 0, 0, 0, 0, 0], [Kind.CONCATENATE, 0, 2, 0, 0, 0, 0]]
    yield Fault("concatenate_single_second", "CONCATENATE of a map and of single samples", small(rows))
    yield Fault("slice_beyond", "SLICE beyond the last channel", field(Kind.SLICE, "q", 7))
    yield Fault("slice_empty", "SLICE of no channel", field(Kind.SLICE, "q", 0))
    yield Fault("shuffle_channels", "SHUFFLE of 6 channels", field(Kind.SHUFFLE, "first", 7))
    yield Fault("unshuffle_size", "UNSHUFFLE of a map that is too small", field(Kind.UNSHUFFLE, "p", 2))
    yield Fault("pool_size", "POOL of a map that is too small", field(Kind.POOL, "p", 2))
    for label, words, slope in (("few", "A slope is missing", 7), ("many", "A slope too many", 9)):
        yield Fault(f"slopes_{label}", words, with_tensor("12.slope", np.zeros(slope, np.int16)))
    for entries in (0, 3, 65538):
        words = f"A table of {entries} entries"
        yield Fault(f"table_{entries}", words, with_tensor("13.table", np.zeros(entries, np.int32)))
    for label, entry in (("low", -257), ("high", 256)):
        words = f"A table with the entry {entry} for 9 bits"
        yield Fault(f"table_{label}", words, with_tensor("13.table", np.array([0, entry], np.int32)))
    yield Fault("mean_bits", "MEAN of 21 bits", small([[Kind.MEAN, 0, 0, 0, 0, 0, 0]], [8, 1, 21, 4]))
    larger = [Kind.UPSAMPLE, 0, 0, 0, 6, 0, 0]  # to the shift 7
    for label, words, one in [
        ("upsample_shift", "UPSAMPLE to the shift 8", [Kind.UPSAMPLE, 2, 0, 0, 1, 0, 0]),
        ("shuffle_shift", "SHUFFLE to the shift 8", [Kind.SHUFFLE, 2, 0, 0, 1, 0, 0]),
        ("unshuffle_channels", "UNSHUFFLE to 131072 channels", [Kind.UNSHUFFLE, 2, 0, 0, 7, 0, 0]),
    ]:
        yield Fault(label, words, small([larger, one]))
    rows = [larger, [Kind.UNSHUFFLE, 2, 0, 0, 6, 0, 0], [Kind.CONCATENATE, 3, 0, 0, 0, 0, 0]]  # 32768 channels and 8
    rows = [*rows, [Kind.CONCATENATE, 4, 4, 0, 0, 0, 0]]
    yield Fault("concatenate_channels", "CONCATENATE to 65552 channels", small(rows))


def _sum_faults() -> Iterator[Fault]:
    # 2**11 times 72 weights, and 4 for rounding
    for label, bias in (
        ("sum", 2**53 - 2**11 * 72 - 4),
        ("sum_negative", -(2**53 - 2**11 * 72 - 4)),
        ("sum_least", -(2**63)),
    ):
        words = f"A convolution's sum may reach 2**53: the bias {bias}"
        yield Fault(label, words, with_tensor("0.bias", np.array([0] * 7 + [bias], np.int64)))
    for label, words, one in [
        ("add_sum", "ADD: its sum may reach 2**53", [Kind.ADD, 0, 0, 32, 21, 21, 0]),
        ("multiply_product", "MULTIPLY: its product may reach 2**53", [Kind.MULTIPLY, 0, 0, 32, 0, 0, 0]),
        ("scale_product", "SCALE: its result may reach 2**53", [Kind.SCALE, 0, 0, 32, 22, 0, 0]),
    ]:
        yield Fault(label, words, small([one], [8, 1, 32, 4]))


def _single_faults() -> Iterator[Fault]:
    mean = [Kind.MEAN, 0, 0, 0, 0, 0, 0]
    for kind in (Kind.SHUFFLE, Kind.UNSHUFFLE, Kind.UPSAMPLE, Kind.POOL, Kind.MEAN):
        rows = [mean, [kind, 2, 0, 0, int(kind != Kind.MEAN), 0, 0]]
        yield Fault(f"single_{kind.name}", f"{kind.name} of single samples", small(rows))
    for label, words, side, p in (("side", "3x3", 3, 0), ("stride", "with a stride", 1, 1)):
        numbers = CONVOLUTION | {"weight": np.ones((8, 8, side, side), np.int8)}
        tensors = small([mean, [Kind.CONVOLUTION, 2, 0, 16, p, 0, 0]], numbers=numbers)
        yield Fault(f"single_{label}", f"CONVOLUTION {words} of single samples", tensors)


@cache
def base_stream() -> bytes:
    """What the faults are put into."""
    return coded_with(read_graph(base_tensors()), [(6, 8), (5, 7)], digest_length=0)


def with_model(data: bytes, model_id: int = 0, kind: int = StageId.NETWORK) -> bytes:
    """The base with another model in its unit."""
    units = raw_units(base_stream())
    place = next(number for number, unit in enumerate(units) if unit.unit_type == UnitType.MODEL)
    units[place] = RawUnit(UnitType.MODEL, bytes([model_id << 4, kind]) + data)
    return joined(units)


def _faulty(tensors: Tensors) -> bytes:
    return with_model(write_tensors(tensors))


@family("BASEGRAPH", "base of negative vectors", "network")
def bases() -> Iterator[Variant]:
    """What the vectors of graphs that break a rule are made from{}.

    If this one fails, those made from it say nothing.
    """
    yield Variant("plain", base_stream, ("",))


@family("BADGRAPH", "reduction", "network", kind="negative", error=BROKEN)
def bad_graphs() -> Iterator[Variant]:
    """{}.

    A decoder checks a graph before it computes: else it may need much memory, or give other numbers elsewhere.
    """
    for fault in faults():
        make = partial(_faulty, fault.tensors)
        yield Variant(fault.label, make, (fault.words,), clauses=("7.18", "8.11"), base="BASEGRAPH_PLAIN")


@family("UNFITGRAPH", "reduction", "network", kind="negative", error=BROKEN)
def unfit_graphs() -> Iterator[Variant]:
    """{}.

    A decoder checks that a model is there, and made for the tensors of its stage.
    """
    first = read_graph(base_tensors()).inputs[0]

    def other(inputs: list[Input], number: int, *operations: Operation, count: int = 2) -> bytes:
        return with_model(NetworkModel(checked_graph(inputs, operations, [Output(number, 0)] * count)).to_bytes())

    relu, sliced, pool = Operation(Kind.RELU, 0), Operation(Kind.SLICE, 0, p=0, q=8), Operation(Kind.POOL, 0, p=1)
    up, condition = Operation(Kind.UPSAMPLE, 0, p=1), Operation(Kind.UPSAMPLE, 1, p=1)
    for label, words, make in [
        ("inputs", "Two inputs for one tensor", partial(other, [first, first], 0, relu)),
        ("channels", "An input of other channels", partial(other, [first._replace(channels=9)], 2, sliced)),
        ("shift", "An input of another shift", partial(other, [first._replace(shift=0)], 2, up)),
        ("outputs", "One output for two layers", partial(other, [first], 0, relu, count=1)),
        ("many_outputs", "Three outputs for two layers", partial(other, [first], 0, relu, count=3)),
        ("layer", "An output of other channels than the layer has", partial(other, [first], 2, condition)),
        ("layer_shift", "An output of another shift than the layer has", partial(other, [first], 2, pool)),
        ("kind", "A model of another kind", partial(with_model, _base_bytes(), kind=StageId.RESIZE)),
        ("number", "A model of another number", partial(with_model, _base_bytes(), 1)),
        ("bytes", "A model that is not a model", partial(with_model, b"model")),
    ]:
        yield Variant(label, make, (words,), clauses=("7.18", "7.25"), base="BASEGRAPH_PLAIN")
    for name, value in (("network_num_tensors_minus1", 64), ("network_channels_minus1", 8192)):
        make = partial(with_stage_value, base_stream(), name, value)
        yield Variant(name.replace("_", ""), make, (f"{name} is {value}, beyond its range",))


def _base_bytes() -> bytes:
    return write_tensors(base_tensors())


def _relus() -> list[Operation]:
    return [Operation(Kind.RELU, 0)]


@family("GRAPHOVERLEVEL", "level", "network", kind="negative", error=BROKEN)
def graphs_over_levels() -> Iterator[Variant]:
    """A graph with more {} than level 1 allows.

    A decoder bounds a graph before it computes.
    """
    level = levels()[0]
    one = Input(1, 0, 12, 4)
    many = checked_graph([one], _relus() * (level.max_graph_operations + 1), [Output(0, 0)])
    yield Variant("operations", partial(_over, many, (1, 1)), ("operations",))
    weights: Tensors = {
        "weight": np.ones((256, 256, 1, 1), np.int8),
        "bias": np.zeros(256, np.int64),
        "shift": np.zeros(256, np.uint8),
    }
    operations = [Operation(Kind.UPSAMPLE, 0, p=7), Operation(Kind.CONVOLUTION, 2, bits=32, numbers=weights)]
    # 2**16 products for each of 2**14 samples a point: four points are 2**32
    products = checked_graph([Input(256, 0, 12, 4)], operations, [Output(0, 0)])
    yield Variant("products", partial(_over, products, (1, 5)), ("products",))
    samples = checked_graph([Input(256, 0, 12, 4)], [Operation(Kind.UPSAMPLE, 0, p=7)], [Output(0, 0)])
    yield Variant("samples", partial(_over, samples, (4, 4)), ("samples",))


def _over(graph: Graph, size: tuple[int, int], level: int = 1) -> bytes:
    return coded_with(graph, [size], digest_length=0, level=level)


@family("GRAPHLIMIT", "limits", "network", kind="limit", error="LimitError")
def graphs_over_limits() -> Iterator[Variant]:
    """A graph with more {} than a decoder need compute.

    A decoder computes before it looks, or takes a conformant bitstream for a damaged one.
    """
    numbers: Tensors = {
        "weight": np.ones((256, 256, 3, 3), np.int8),
        "bias": np.zeros(256, np.int64),
        "shift": np.zeros(256, np.uint8),
    }
    up = Operation(Kind.UPSAMPLE, 0, p=7)
    # 9 * 2**16 products for each of 2**14 samples a point
    listed = [up, Operation(Kind.CONVOLUTION, 2, bits=32, numbers=numbers)]
    products = checked_graph([Input(256, 0, 12, 4)], listed, [Output(0, 0)])
    yield Variant("products", partial(_over, products, (5, 6), 4), ("products, 270 * 2**30",))
    # 2**22 samples a point for each operation
    samples = checked_graph([Input(256, 0, 12, 4)], [up] * 8, [Output(0, 0)])
    yield Variant("samples", partial(_over, samples, (3, 6), 4), ("samples, 144 * 2**22",))
