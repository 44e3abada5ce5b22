"""The integer graph of a model: what it consists of (docs/bitstream.md, 8.11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ....bitstream.values import GraphOperation

#: Before the names of the encoder's own graph in the same model.
ANALYSIS = "analysis."
MAX_SHIFT = 7
MIN_BITS, MAX_BITS = 2, 32


class Input(NamedTuple):
    """A tensor that the graph takes, as integers of ``bits`` bits, of which ``fraction`` are behind the point."""

    channels: int
    shift: int
    bits: int
    fraction: int


class Output(NamedTuple):
    """The number of a tensor that the graph gives; its integers have ``fraction`` bits behind the point."""

    tensor: int
    fraction: int


@dataclass(frozen=True)
class Form:
    """Channels, size and width of a tensor: ``2**shift`` lines and columns a point; ``None``: a single sample."""

    channels: int
    shift: int | None
    bits: int

    @property
    def magnitude(self) -> int:
        """The bound of the samples' magnitudes."""
        return 1 << (self.bits - 1)

    def map_samples(self, lattice: tuple[int, int]) -> int:
        """Samples of one channel, where the lattice has so many lines and columns."""
        return 1 if self.shift is None else prod(lattice) << 2 * self.shift


@dataclass(frozen=True)
class Operation:
    """One row of the graph with the tensors that it needs: weight, bias and shift, or slope, or table."""

    kind: GraphOperation
    first: int
    second: int = 0
    bits: int = 0
    p: int = 0
    q: int = 0
    r: int = 0
    numbers: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    @property
    def row(self) -> list[int]:
        """The operation as a row of the tensor ``graph``."""
        return [self.kind, self.first, self.second, self.bits, self.p, self.q, self.r]


@dataclass(frozen=True)
class Graph:
    """A graph that keeps every rule of 8.11; ``forms`` has an entry for each numbered tensor."""

    inputs: Sequence[Input]
    operations: Sequence[Operation]
    outputs: Sequence[Output]
    forms: Sequence[Form]

    @property
    def condition(self) -> int:
        """The number of the condition."""
        return len(self.inputs)

    def products(self, lattice: tuple[int, int]) -> int:
        """Multiplications of a picture's convolutions."""
        results = self.forms[self.condition + 1 :]
        return sum(
            operation.numbers["weight"].size * form.map_samples(lattice)
            for operation, form in zip(self.operations, results, strict=True)
            if operation.kind == GraphOperation.CONVOLUTION
        )

    @property
    def parameters(self) -> int:
        """The numbers that the operations hold: weights, biases, shifts, slopes, tables."""
        return sum(values.size for operation in self.operations for values in operation.numbers.values())

    def samples(self, lattice: tuple[int, int]) -> int:
        """Samples of all tensors of a picture."""
        return sum(form.channels * form.map_samples(lattice) for form in self.forms)

    def tensors(self, prefix: str = "") -> dict[str, NDArray[Any]]:
        """The graph as tensors of a model: the inverse of :func:`~.reading.read_graph`."""
        made: dict[str, NDArray[Any]] = {
            prefix + "inputs": np.array(self.inputs, np.int32),
            prefix + "graph": np.array([operation.row for operation in self.operations], np.int32),
            prefix + "outputs": np.array(self.outputs, np.int32),
        }
        for number, operation in enumerate(self.operations):
            made |= {f"{prefix}{number}.{name}": values for name, values in operation.numbers.items()}
        return made
