"""Trained torch networks as integer graphs: traced by torch.fx, calibrated on examples, converted part by part.

Calibration runs the network on examples and notes the largest magnitude of every result. From it follow the fraction
bits of each tensor of the graph; a value that is larger than twice that magnitude will be clipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse

from ..conversion.reduction.network.graph import Graph, Input
from ..conversion.reduction.network.reading import MAX_FRACTION
from ..errors import NetworkError
from .graph_builder import GraphBuilder, Value, fraction_for
from .integer_parts import FUNCTIONS, METHODS, MODULES, MOVES, Context

#: Values up to so many times the largest that was seen fit.
_MARGIN = 2.0


@dataclass(frozen=True)
class Widths:
    """Bits of the graph's inputs, of its outputs, of all other tensors, and of weights (8 or 16)."""

    inputs: int = 20
    outputs: int = 20
    activations: int = 16
    weights: int = 16


def to_graph(
    module: nn.Module,
    examples: Iterable[Sequence[Any]],
    shifts: Sequence[int],
    *,
    conditioned: bool = False,
    widths: Widths = Widths(),
) -> Graph:
    """Convert ``module``, in evaluation mode and in float32 on the CPU, to an integer graph.

    Each of ``examples`` has the arguments of one call: tensors ``(N, C, H, W)``, or sequences of such tensors, which
    are inputs one after the other. Input ``i`` has ``2**shifts[i]`` lines and columns a point of the lattice. With
    ``conditioned`` the last argument is the condition, ``(N, 1, h, w)`` of whole numbers from 0 to 255. The module
    gives a tensor or a sequence of tensors.

    Raises :class:`NetworkError` for a part that an integer graph does not have.
    """
    traced = _traced(module)
    seen = _Seen(traced)
    with torch.no_grad():
        for example in examples:
            seen.run(*example)
    return _Conversion(traced, seen, shifts, conditioned, widths).graph()


def _traced(module: nn.Module) -> fx.GraphModule:
    """The module as a graph of torch.fx, its batch normalisation merged into convolutions."""
    try:
        return fx.symbolic_trace(fuse(module.eval()))
    except (fx.proxy.TraceError, TypeError) as error:
        raise NetworkError(f"the network cannot be traced: {error}") from error


class _Seen(fx.Interpreter):
    """Runs a traced network and notes the largest magnitude and the shape of each node's tensor, or of its tensors."""

    def __init__(self, traced: fx.GraphModule) -> None:
        super().__init__(traced)
        self.largest: dict[str, float] = {}
        self.shapes: dict[str, torch.Size] = {}
        self.sequences: set[str] = set()

    def run_node(self, n: fx.Node) -> Any:
        """Run one node."""
        result = super().run_node(n)
        parts = result if isinstance(result, (list, tuple)) else [result]
        if parts is result:
            self.sequences.add(n.name)
        for number, part in enumerate(parts):
            if isinstance(part, Tensor):
                for name in (n.name, f"{n.name}.{number}"):
                    self.largest[name] = max(self.largest.get(name, 0.0), float(part.abs().max()))
                self.shapes[f"{n.name}.{number}"] = part.shape
        return result


class _Conversion:
    """One conversion: from nodes to values of the graph that is built."""

    def __init__(
        self, traced: fx.GraphModule, seen: _Seen, shifts: Sequence[int], conditioned: bool, widths: Widths
    ) -> None:
        self._traced, self._seen, self._widths = traced, seen, widths
        self._modules = dict(traced.named_modules())
        self._outputs = self._output_nodes()
        arguments = [node.name for node in traced.graph.nodes if node.op == "placeholder"]
        if conditioned:
            self._condition = arguments.pop()
        given = [f"{name}.{number}" for name in arguments for number in range(len(shifts))]
        given = [name for name in given if name in seen.shapes]
        if len(given) != len(shifts):
            raise NetworkError(f"the network takes {len(given)} tensors, and there are {len(shifts)} shifts")
        inputs = [
            Input(seen.shapes[name][1], shift, widths.inputs, self._fraction(name, widths.inputs))
            for name, shift in zip(given, shifts, strict=True)
        ]
        self._builder = GraphBuilder(inputs, widths.weights)
        self._values: dict[str, Any] = {}
        for name in arguments:
            own = [value for key, value in zip(given, self._builder.inputs, strict=True) if key.startswith(f"{name}.")]
            self._values[name] = own if name in seen.sequences else own[0]
        if conditioned:
            self._values[self._condition] = self._builder.condition

    def graph(self) -> Graph:
        """Convert node by node, in order."""
        for node in self._traced.graph.nodes:
            if node.op == "output":
                result = self._of(node.args[0])
                return self._builder.graph(result if isinstance(result, (list, tuple)) else [result])
            if node.op != "placeholder":
                self._values[node.name] = self._converted(node)
        raise NetworkError("the network gives nothing")

    def _converted(self, node: fx.Node) -> Any:
        if node.op == "get_attr":
            found: Any = self._traced
            for part in str(node.target).split("."):
                found = getattr(found, part)
            return found.detach()
        arguments = [self._of(argument) for argument in node.args]
        options = {name: self._of(argument) for name, argument in node.kwargs.items()}
        if not any(isinstance(one, Value) for one in _flat([*arguments, *options.values()])):
            raise NetworkError(f"{node.name}: an integer graph computes with its inputs alone")
        bits = self._widths.outputs if node.name in self._outputs else self._widths.activations
        context = Context(self._builder, bits, self._fraction(node.name, bits))
        if node.op == "call_module":
            target = self._modules[str(node.target)]
            rule = MODULES.get(type(target))
            arguments = [target, *arguments]
        else:
            rule = METHODS.get(str(node.target)) if node.op == "call_method" else FUNCTIONS.get(node.target)
            target = node.target
        if rule is None:
            raise NetworkError(f"{node.name}: an integer graph has no {getattr(target, '__name__', target)}")
        try:
            return rule(context, *arguments, **options)
        except TypeError as error:
            raise NetworkError(f"{node.name}: used in a way that an integer graph does not have: {error}") from error

    def _of(self, argument: Any) -> Any:
        """An argument of a node with values of the graph for nodes."""
        return fx.node.map_arg(argument, lambda node: self._values[node.name])

    def _fraction(self, name: str, bits: int) -> int:
        largest = self._seen.largest.get(name, 0.0)
        return max(min(fraction_for(_MARGIN * largest, bits), MAX_FRACTION), -MAX_FRACTION) if largest else 0

    def _output_nodes(self) -> set[str]:
        """The nodes whose samples the network gives, as they are or in another place."""
        found: set[str] = set()
        for node in reversed(self._traced.graph.nodes):
            target = type(self._modules[str(node.target)]) if node.op == "call_module" else node.target
            if node.op == "output" or (node.name in found and target in MOVES):
                found |= {given.name for given in node.all_input_nodes}
        return found


def _flat(arguments: Iterable[Any]) -> Iterable[Any]:
    for argument in arguments:
        if isinstance(argument, (list, tuple)):
            yield from _flat(argument)
        else:
            yield argument
