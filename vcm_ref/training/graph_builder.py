"""Integer graphs out of real numbers: weights become integers, and each result gets its fraction bits.

A real number x stands in the graph as the integer ``x * 2**fraction``, rounded (docs/bitstream.md, 8.11).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..bitstream.values import GraphOperation as Kind
from ..conversion.reduction.network.graph import Form, Graph, Input, Operation, Output
from ..conversion.reduction.network.reading import CONDITION_BITS, checked_graph
from ..conversion.reduction.network.rules import EXACT, MAX_CONVOLUTION_SHIFT, result_form, sum_bounds
from ..errors import ModelError

Numbers = NDArray[np.float64]
#: Fraction bits of a table's entries, which are between -1 and 1, their width, and their number.
_TABLE_FRACTION, _TABLE_BITS, _TABLE_ENTRIES = 14, 16, 4096
#: Half the range of a table: beyond it the function has nearly reached its limit.
_TABLE_REACH = 8
#: The largest difference of fraction bits between two tensors that are added.
_MOST_APART = 20


@dataclass(frozen=True)
class Value:
    """A tensor of the graph: its number, its form, and the fraction bits of its samples."""

    number: int
    form: Form
    fraction: int


class GraphBuilder:
    """A graph that grows operation by operation. Each method gives the result of one of them.

    A ``fraction`` that is asked for is lowered where the operation cannot give so many bits: the result says.
    """

    def __init__(self, inputs: Sequence[Input], weight_bits: int = 16) -> None:
        """``weight_bits`` is 8 or 16."""
        self._inputs = list(inputs)
        self._operations: list[Operation] = []
        self._forms = [Form(given.channels, given.shift, given.bits) for given in inputs]
        self._forms.append(Form(1, 0, CONDITION_BITS))
        self._weight_type = {8: np.int8, 16: np.int16}[weight_bits]
        self._largest = (1 << (weight_bits - 1)) - 1

    @property
    def inputs(self) -> list[Value]:
        """The graph's inputs."""
        return [Value(number, self._forms[number], given.fraction) for number, given in enumerate(self._inputs)]

    @property
    def condition(self) -> Value:
        """The condition, whose samples are whole numbers."""
        return Value(len(self._inputs), self._forms[len(self._inputs)], 0)

    def graph(self, outputs: Sequence[Value]) -> Graph:
        """The graph with these outputs. Raises :class:`ModelError` where it breaks a rule."""
        if not self._operations:
            raise ModelError("a graph has at least one operation")
        given = [Output(value.number, value.fraction) for value in outputs]
        return checked_graph(self._inputs, self._operations, given)

    def convolved(self, x: Value, weight: Numbers, bias: Numbers, bits: int, fraction: int, stride: int = 0) -> Value:
        """Convolve with ``weight`` ``(O, M, k, k)`` and ``bias`` ``(O,)``; the stride is ``2**stride``.

        Each channel of the result has a scale of its own, a power of two, so that its weights use their width.
        """
        largest = np.abs(weight).reshape(len(weight), -1).max(axis=1)
        scales = np.array([_fitting(value, self._largest) for value in largest])
        varied = largest > 0
        if varied.any():
            fraction = min(fraction, x.fraction + int(scales[varied].min()))
        shifts = np.where(varied, np.clip(x.fraction + scales - fraction, 0, MAX_CONVOLUTION_SHIFT), 0)
        while True:
            scales = shifts + fraction - x.fraction
            operation = Operation(
                Kind.CONVOLUTION,
                x.number,
                bits=bits,
                p=stride,
                numbers={
                    "weight": np.rint(np.ldexp(weight, scales.reshape(-1, 1, 1, 1))).astype(self._weight_type),
                    "bias": _integers(np.ldexp(bias, shifts + fraction)),
                    "shift": shifts.astype(np.uint8),
                },
            )
            high = np.array([bound >= EXACT for bound in sum_bounds(operation, x.form)])
            if not high.any():
                return self._add(operation, fraction)
            if not shifts[high].all():
                raise ModelError("a convolution's biases are too large for its fraction bits")
            shifts = shifts - high

    def depthwise(self, x: Value, gain: Numbers, offset: Numbers, bits: int, fraction: int) -> Value:
        """Multiply each channel by a number and add another, both ``(C,)``."""
        return self.convolved(x, gain.reshape(-1, 1, 1, 1), offset, bits, fraction)

    def scaled(self, x: Value, bits: int, fraction: int) -> Value:
        """The same real numbers with other fraction bits."""
        if (x.fraction, x.form.bits) == (fraction, bits):
            return x
        p, r = max(fraction - x.fraction, 0), max(x.fraction - fraction, 0)
        return self._add(Operation(Kind.SCALE, x.number, bits=bits, p=p, r=r), fraction)

    def added(self, x: Value, y: Value, bits: int, fraction: int) -> Value:
        """The sum; ``y`` may have single samples."""
        x, y = self._near(x, y), self._near(y, x)
        common = max(x.fraction, y.fraction)
        more = max(fraction - common, 0)
        operation = Operation(
            Kind.ADD,
            x.number,
            y.number,
            bits,
            common - x.fraction + more,
            common - y.fraction + more,
            max(common - fraction, 0),
        )
        return self._add(operation, fraction)

    def multiplied(self, x: Value, y: Value, bits: int, fraction: int) -> Value:
        """The product, sample by sample; ``y`` may have single samples."""
        fraction = min(fraction, x.fraction + y.fraction)
        r = x.fraction + y.fraction - fraction
        return self._add(Operation(Kind.MULTIPLY, x.number, y.number, bits, r=r), fraction)

    def concatenated(self, values: Sequence[Value], bits: int, fraction: int) -> Value:
        """All channels, one tensor after the other."""
        if len({value.fraction for value in values}) > 1:
            values = [self.scaled(value, bits, fraction) for value in values]
        result = values[0]
        for value in values[1:]:
            result = self._add(Operation(Kind.CONCATENATE, result.number, value.number), value.fraction)
        return result

    def sliced(self, x: Value, first: int, count: int) -> Value:
        """``count`` channels from ``first`` on."""
        return self._add(Operation(Kind.SLICE, x.number, p=first, q=count), x.fraction)

    def moved(self, kind: Kind, x: Value, p: int) -> Value:
        """SHUFFLE, UNSHUFFLE, UPSAMPLE or POOL by ``2**p``."""
        return self._add(Operation(kind, x.number, p=p), x.fraction)

    def mean(self, x: Value) -> Value:
        """The mean of each channel, a single sample."""
        return self._add(Operation(Kind.MEAN, x.number), x.fraction)

    def relu(self, x: Value) -> Value:
        """No negative values."""
        return self._add(Operation(Kind.RELU, x.number), x.fraction)

    def prelu(self, x: Value, slopes: Numbers) -> Value:
        """Negative values times a slope a channel, ``(C,)``."""
        r = min(max(_fitting(float(np.abs(slopes).max()), (1 << 15) - 1), 0), 31)
        numbers = {"slope": np.rint(np.ldexp(slopes, r)).astype(np.int16)}
        return self._add(Operation(Kind.PRELU, x.number, r=r, numbers=numbers), x.fraction)

    def table(self, x: Value, function: Callable[[Numbers], Numbers]) -> Value:
        """A function that stays between -1 and 1 and is nearly constant beyond ±8, as sigmoid and tanh."""
        step = _TABLE_ENTRIES // (2 * _TABLE_REACH)
        r = max(0, x.fraction - step.bit_length() + 1)
        arguments = np.arange(_TABLE_ENTRIES) - _TABLE_ENTRIES // 2 + (0.5 if r else 0)
        entries = np.rint(np.ldexp(function(np.ldexp(arguments, r - x.fraction)), _TABLE_FRACTION))
        numbers = {"table": entries.astype(np.int32)}
        return self._add(Operation(Kind.TABLE, x.number, bits=_TABLE_BITS, r=r, numbers=numbers), _TABLE_FRACTION)

    def _near(self, x: Value, y: Value) -> Value:
        """``x`` with at most so many more fraction bits than ``y`` that their sum stays exact."""
        return self.scaled(x, x.form.bits, min(x.fraction, y.fraction + _MOST_APART))

    def _add(self, operation: Operation, fraction: int) -> Value:
        self._operations.append(operation)
        self._forms.append(result_form(operation, self._forms))
        return Value(len(self._forms) - 1, self._forms[-1], fraction)


def fraction_for(largest: float, bits: int) -> int:
    """The most fraction bits with which numbers up to ``largest`` in magnitude fit into ``bits`` bits."""
    return _fitting(largest, (1 << (bits - 1)) - 1)


def _fitting(value: float, most: int) -> int:
    """The largest e with ``value * 2**e`` at most ``most``, between -40 and 40."""
    if value == 0:
        return 40
    exponent = int(np.floor(np.log2(most / value)))
    while round(float(np.ldexp(value, exponent))) > most:
        exponent -= 1
    return min(max(exponent, -40), 40)


def _integers(values: Numbers) -> NDArray[np.int64]:
    if (np.abs(values) >= EXACT).any():
        raise ModelError("a convolution's biases are too large for its fraction bits")
    return np.rint(values).astype(np.int64)
