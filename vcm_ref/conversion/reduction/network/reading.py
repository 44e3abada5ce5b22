"""An integer graph read strictly out of a model's tensors (docs/bitstream.md, 8.11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from ....bitstream.elements import MAX_CHANNELS, MAX_LAYERS
from ....bitstream.values import GraphOperation
from ....errors import ModelError
from .graph import MAX_BITS, MAX_SHIFT, MIN_BITS, Form, Graph, Input, Operation, Output
from .rules import result_form

MAX_OPERATIONS = 4096
MAX_FRACTION = 64
CONDITION_BITS = 9

#: The tensors that an operation has, with their types and number of dimensions.
NUMBERS: dict[GraphOperation, dict[str, tuple[tuple[str, ...], int]]] = {
    GraphOperation.CONVOLUTION: {"weight": (("int8", "int16"), 4), "bias": (("int64",), 1), "shift": (("uint8",), 1)},
    GraphOperation.PRELU: {"slope": (("int16",), 1)},
    GraphOperation.TABLE: {"table": (("int32",), 1)},
}


def read_graph(tensors: Mapping[str, NDArray[Any]], prefix: str = "") -> Graph:
    """The graph out of a model's tensors, checked against every rule of 8.11 that does not depend on sizes.

    Raises :class:`ModelError` where a rule is broken.
    """
    inputs = [Input(*row) for row in _rows(tensors, prefix + "inputs", 4, MAX_LAYERS)]
    rows = _rows(tensors, prefix + "graph", 7, MAX_OPERATIONS)
    outputs = [Output(*row) for row in _rows(tensors, prefix + "outputs", 2, MAX_LAYERS)]
    operations = []
    for number, (kind, first, second, bits, p, q, r) in enumerate(rows):
        if kind not in set(GraphOperation):
            raise ModelError(f"operation {number} of its graph is {kind}, which does not exist")
        operation = GraphOperation(kind)
        numbers = {
            name: _numbers(tensors, f"{prefix}{number}.{name}", *wanted)
            for name, wanted in NUMBERS.get(operation, {}).items()
        }
        operations.append(Operation(operation, first, second, bits, p, q, r, numbers))
    return checked_graph(inputs, operations, outputs)


def checked_graph(inputs: Sequence[Input], operations: Sequence[Operation], outputs: Sequence[Output]) -> Graph:
    """The graph with the form of each tensor. Raises :class:`ModelError` where a rule of 8.11 is broken."""
    forms = [_input_form(number, given) for number, given in enumerate(inputs)]
    forms.append(Form(1, 0, CONDITION_BITS))
    for number, operation in enumerate(operations):
        try:
            forms.append(result_form(operation, forms))
        except ModelError as error:
            raise ModelError(f"operation {number} of its graph, {operation.kind.name}: {error}") from error
    for number, output in enumerate(outputs):
        if not 0 <= output.tensor < len(forms) or forms[output.tensor].shift is None:
            raise ModelError(f"output {number} of its graph is tensor {output.tensor}, which cannot be given")
        if abs(output.fraction) > MAX_FRACTION:
            raise ModelError(f"output {number} of its graph has the fraction {output.fraction}")
    return Graph(inputs, operations, outputs, forms)


def _input_form(number: int, given: Input) -> Form:
    if not (
        1 <= given.channels <= MAX_CHANNELS
        and 0 <= given.shift <= MAX_SHIFT
        and MIN_BITS <= given.bits <= MAX_BITS
        and abs(given.fraction) <= MAX_FRACTION
    ):
        told = ", ".join(f"{name} {value}" for name, value in given._asdict().items())
        raise ModelError(f"input {number} of its graph has {told}, which is out of range")
    return Form(given.channels, given.shift, given.bits)


def _rows(tensors: Mapping[str, NDArray[Any]], name: str, columns: int, most: int) -> list[list[int]]:
    """The rows of a table of a model."""
    table = _numbers(tensors, name, ("int32",), 2)
    if table.shape[1] != columns or not 1 <= len(table) <= most:
        raise ModelError(f"its tensor {name!r} is not a table of 1 to {most} rows of {columns} numbers")
    rows: list[list[int]] = table.tolist()
    return rows


def _numbers(tensors: Mapping[str, NDArray[Any]], name: str, types: tuple[str, ...], rank: int) -> NDArray[Any]:
    found = tensors.get(name)
    if found is None:
        raise ModelError(f"it has no tensor {name!r}")
    if found.dtype.name not in types or found.ndim != rank:
        raise ModelError(f"its tensor {name!r} is not {' or '.join(types)} of {rank} dimensions")
    return found
