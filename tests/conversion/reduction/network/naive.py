"""A second evaluator of integer graphs: Python integers, one sample at a time, written from docs/bitstream.md, 8.11."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vcm_ref.bitstream.values import GraphOperation as Kind
from vcm_ref.conversion.reduction.network.graph import Graph, Operation

Maps = list[list[list[int]]]


def rounded(v: int, r: int) -> int:
    """``Round(v, r)``, which must stay exact in binary64."""
    total = v + (2 ** (r - 1) if r else 0)
    assert abs(total) < 2**53
    return total >> r


def fit(v: int, bits: int) -> int:
    """``Fit(v)``."""
    return min(max(v, -(2 ** (bits - 1))), 2 ** (bits - 1) - 1)


def evaluate(graph: Graph, inputs: Sequence[NDArray[Any]], condition: int) -> list[NDArray[np.int64]]:
    """The outputs of the graph."""
    tensors: list[Maps] = [one.tolist() for one in inputs]
    height, width = (size >> graph.inputs[0].shift for size in inputs[0].shape[1:])
    tensors.append([[[condition] * width for _ in range(height)]])
    for operation in graph.operations:
        bits = graph.forms[operation.first].bits
        tensors.append(result_of(operation, tensors[operation.first], tensors[operation.second], bits))
        form = graph.forms[len(tensors) - 1]
        lines = 1 if form.shift is None else height << form.shift
        samples = 1 if form.shift is None else width << form.shift
        assert np.shape(tensors[-1]) == (form.channels, lines, samples)
        assert all(-form.magnitude <= x < form.magnitude for one in tensors[-1] for line in one for x in line)
    return [np.array(tensors[output.tensor], np.int64) for output in graph.outputs]


def made(channels: int, height: int, width: int, sample: Any) -> Maps:
    """Maps out of a function of channel, line and column."""
    return [[[sample(c, y, x) for x in range(width)] for y in range(height)] for c in range(channels)]


def result_of(operation: Operation, first: Maps, second: Maps, bits: int) -> Maps:
    """The result of one operation; ``bits`` are those of the first."""
    kind, p, q, r = operation.kind, operation.p, operation.q, operation.r
    channels, height, width, f = len(first), len(first[0]), len(first[0][0]), 2**p

    def other(c: int, y: int, x: int) -> int:
        return second[c][0][0] if len(second[c]) == len(second[c][0]) == 1 else second[c][y][x]

    numbers = {name: values.tolist() for name, values in operation.numbers.items()}
    if kind == Kind.CONVOLUTION:
        return convolved(operation, first, numbers)
    if kind == Kind.CONCATENATE:
        return first + second
    if kind == Kind.SLICE:
        return first[p : p + q]
    if kind == Kind.SHUFFLE:
        return made(
            channels // f**2,
            height * f,
            width * f,
            lambda c, y, x: first[c * f * f + f * (y % f) + x % f][y // f][x // f],
        )
    if kind == Kind.UNSHUFFLE:
        return made(
            channels * f**2,
            height // f,
            width // f,
            lambda c, y, x: first[c // f**2][y * f + c % f**2 // f][x * f + c % f],
        )
    if kind == Kind.UPSAMPLE:
        return made(channels, height * f, width * f, lambda c, y, x: first[c][y // f][x // f])
    if kind == Kind.POOL:
        return made(
            channels,
            height // f,
            width // f,
            lambda c, y, x: rounded(sum(first[c][f * y + i][f * x + j] for i in range(f) for j in range(f)), 2 * p),
        )
    if kind == Kind.MEAN:
        n = height * width
        return [[[(2 * sum(map(sum, one)) + n) // (2 * n)]] for one in first]
    functions = {
        Kind.ADD: lambda c, v, w: fit(rounded(v * 2**p + w * 2**q, r), operation.bits),
        Kind.MULTIPLY: lambda c, v, w: fit(rounded(v * w, r), operation.bits),
        Kind.SCALE: lambda c, v, w: fit(rounded(v * 2**p, r), operation.bits),
        Kind.RELU: lambda c, v, w: max(0, v),
        Kind.PRELU: lambda c, v, w: v if v >= 0 else fit(rounded(v * numbers["slope"][c], r), bits),
        Kind.TABLE: lambda c, v, w: numbers["table"][
            min(max((v >> r) + len(numbers["table"]) // 2, 0), len(numbers["table"]) - 1)
        ],
    }
    two = kind in (Kind.ADD, Kind.MULTIPLY)
    return made(
        channels,
        height,
        width,
        lambda c, y, x: functions[kind](c, first[c][y][x], other(c, y, x) if two else 0),
    )


def convolved(operation: Operation, first: Maps, numbers: dict[str, Any]) -> Maps:
    """A convolution, sum by sum."""
    weight, bias, shift = numbers["weight"], numbers["bias"], numbers["shift"]
    outputs, members, k = len(weight), len(weight[0]), len(weight[0][0])
    groups, stride = len(first) // members, 2**operation.p
    height, width = len(first[0]), len(first[0][0])

    def sample(o: int, y: int, x: int) -> int:
        total = bias[o]
        for c in range(members):
            for i in range(k):
                for j in range(k):
                    line, column = stride * y + i - (k - 1) // 2, stride * x + j - (k - 1) // 2
                    if 0 <= line < height and 0 <= column < width:
                        total += weight[o][c][i][j] * first[members * (o // (outputs // groups)) + c][line][column]
        return fit(rounded(total, shift[o]), operation.bits)

    return made(outputs, height // stride, width // stride, sample)
