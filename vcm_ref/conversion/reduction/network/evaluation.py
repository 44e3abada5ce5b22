"""Evaluation of an integer graph with NumPy: the same integers on every machine (docs/bitstream.md, 8.11)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....bitstream.values import GraphOperation as Kind
from .convolution import Convolution
from .graph import Form, Graph, Operation
from .rules import FIELDS

Integers = NDArray[np.int32]
#: Samples that an operation on single samples handles at a time, in 64 bits each.
_BLOCK = 1 << 18
#: Weights that are kept as floating-point numbers; of larger graphs they are converted each time.
_MOST_READY = 1 << 24


class Evaluator:
    """A graph that is ready to be evaluated; its convolutions have their weights as matrices."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        results = graph.forms[graph.condition + 1 :]
        weights = sum(
            operation.numbers["weight"].size for operation in graph.operations if "weight" in operation.numbers
        )
        self._steps = [
            _step(operation, graph.forms[operation.first], form, ready=weights <= _MOST_READY)
            for operation, form in zip(graph.operations, results, strict=True)
        ]
        self._last_use = _last_use(graph)

    def __call__(self, inputs: Sequence[Integers], condition: int) -> list[Integers]:
        """The outputs, from the inputs, int32 ``(C, 2**s * h, 2**s * w)`` each. A tensor lives until its last use."""
        graph = self.graph
        lattice = inputs[0].shape[1] >> graph.inputs[0].shift, inputs[0].shape[2] >> graph.inputs[0].shift
        values: dict[int, Integers] = dict(enumerate(inputs))
        values[graph.condition] = np.full((1, *lattice), condition, np.int32)
        for number, (operation, step) in enumerate(zip(graph.operations, self._steps, strict=True)):
            values[graph.condition + 1 + number] = step(values[operation.first], values.get(operation.second))
            for gone in self._last_use.get(number, ()):
                del values[gone]
        return [values[output.tensor] for output in graph.outputs]


def _last_use(graph: Graph) -> dict[int, list[int]]:
    """After each operation: the tensors that nothing needs any more."""
    last = {graph.condition + 1 + number: number for number in range(len(graph.operations))}
    for number, operation in enumerate(graph.operations):
        last[operation.first] = number
        if "second" in FIELDS[operation.kind]:
            last[operation.second] = number
    for output in graph.outputs:
        last.pop(output.tensor, None)
    found: dict[int, list[int]] = {}
    for tensor, number in last.items():
        found.setdefault(number, []).append(tensor)
    return found


Step = Callable[[Integers, Any], Integers]


def _step(operation: Operation, first: Form, result: Form, *, ready: bool) -> Step:
    """The operation as a function of its tensors."""
    if operation.kind == Kind.CONVOLUTION:
        convolution = Convolution(operation, first, result, ready=ready)
        return lambda x, y: convolution(x)
    if operation.kind in _SAMPLES:
        function = _SAMPLES[operation.kind]
        return lambda x, y: _by_blocks(function, operation, result, x, y)
    whole = _WHOLE[operation.kind]
    return lambda x, y: whole(operation, x, y)


def _by_blocks(
    function: Callable[[Operation, Form, slice, Any, Any], Any],
    operation: Operation,
    result: Form,
    x: Integers,
    y: Integers | None,
) -> Integers:
    """Apply a function of samples to some lines at a time, in 64 bits."""
    made = np.empty(x.shape, np.int32)
    for channels, lines in _blocks(x.shape):
        own = x[channels, lines]
        other = None if y is None else y[channels] if y.shape[1:] == (1, 1) else y[channels, lines]
        made[channels, lines] = function(operation, result, channels, own.astype(np.int64), other)
    return made


def _blocks(shape: tuple[int, ...]) -> Iterator[tuple[slice, slice]]:
    channels, height, width = shape
    lines = max(1, min(height, _BLOCK // width))
    several = max(1, _BLOCK // (lines * width)) if lines == height else 1
    for first in range(0, channels, several):
        for top in range(0, height, lines):
            yield slice(first, first + several), slice(top, top + lines)


def _shifted(values: NDArray[np.int64], r: int) -> NDArray[np.int64]:
    """``Round(v, r)``."""
    if r:
        values += 1 << (r - 1)
        values >>= r
    return values


def _fit(values: NDArray[np.int64], form: Form) -> NDArray[np.int64]:
    """``Fit(v)``."""
    return np.clip(values, -form.magnitude, form.magnitude - 1, out=values)


def _add(operation: Operation, result: Form, _: slice, x: NDArray[np.int64], y: Integers) -> NDArray[np.int64]:
    x <<= operation.p
    x += y.astype(np.int64) << operation.q
    return _fit(_shifted(x, operation.r), result)


def _multiply(operation: Operation, result: Form, _: slice, x: NDArray[np.int64], y: Integers) -> NDArray[np.int64]:
    x *= y
    return _fit(_shifted(x, operation.r), result)


def _scale(operation: Operation, result: Form, _: slice, x: NDArray[np.int64], __: None) -> NDArray[np.int64]:
    x <<= operation.p
    return _fit(_shifted(x, operation.r), result)


def _prelu(operation: Operation, result: Form, channels: slice, x: NDArray[np.int64], _: None) -> NDArray[np.int64]:
    sloped = x * operation.numbers["slope"][channels].astype(np.int64).reshape(-1, 1, 1)
    return np.where(x < 0, _fit(_shifted(sloped, operation.r), result), x)


def _table(operation: Operation, _: Form, __: slice, x: NDArray[np.int64], ___: None) -> Any:
    table = operation.numbers["table"]
    x >>= operation.r
    x += len(table) // 2
    return table[np.clip(x, 0, len(table) - 1)]


_SAMPLES: dict[Kind, Callable[[Operation, Form, slice, Any, Any], Any]] = {
    Kind.ADD: _add,
    Kind.MULTIPLY: _multiply,
    Kind.SCALE: _scale,
    Kind.PRELU: _prelu,
    Kind.TABLE: _table,
}


def _shuffle(operation: Operation, x: Integers, _: Any) -> Integers:
    factor = 1 << operation.p
    channels, height, width = x.shape
    parts = x.reshape(channels // factor**2, factor, factor, height, width)
    return parts.transpose(0, 3, 1, 4, 2).reshape(channels // factor**2, height * factor, width * factor)


def _unshuffle(operation: Operation, x: Integers, _: Any) -> Integers:
    factor = 1 << operation.p
    channels, height, width = x.shape
    parts = x.reshape(channels, height // factor, factor, width // factor, factor)
    return parts.transpose(0, 2, 4, 1, 3).reshape(channels * factor**2, height // factor, width // factor)


def _upsample(operation: Operation, x: Integers, _: Any) -> Integers:
    return x.repeat(1 << operation.p, axis=1).repeat(1 << operation.p, axis=2)


def _pool(operation: Operation, x: Integers, _: Any) -> Integers:
    factor = 1 << operation.p
    channels, height, width = x.shape
    sums = np.zeros((channels, height // factor, width // factor), np.int64)
    for line in range(factor):
        for column in range(factor):
            sums += x[:, line::factor, column::factor]
    return _shifted(sums, 2 * operation.p).astype(np.int32)


def _mean(operation: Operation, x: Integers, _: Any) -> Integers:
    count = x.shape[1] * x.shape[2]
    sums = x.sum(axis=(1, 2), dtype=np.int64, keepdims=True)
    means: NDArray[np.int64] = (2 * sums + count) // (2 * count)
    return means.astype(np.int32)


_WHOLE: dict[Kind, Callable[[Operation, Integers, Any], Integers]] = {
    Kind.CONCATENATE: lambda operation, x, y: np.concatenate([x, y]),
    Kind.SLICE: lambda operation, x, y: x[operation.p : operation.p + operation.q],
    Kind.SHUFFLE: _shuffle,
    Kind.UNSHUFFLE: _unshuffle,
    Kind.UPSAMPLE: _upsample,
    Kind.POOL: _pool,
    Kind.MEAN: _mean,
    Kind.RELU: lambda operation, x, y: np.maximum(x, 0),
}
