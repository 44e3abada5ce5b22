"""Cutting an ONNX graph in two at named tensors: part 1 computes them, part 2 needs nothing else of the picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import onnx
from onnx import GraphProto, ModelProto, NodeProto, ValueInfoProto, helper

from vcm_ref.errors import NetworkError

_NAMED = 5
"""How many tensors an error message names before it only counts."""


def cut_model(model: ModelProto, tensors: Sequence[str], outputs: Sequence[str]) -> tuple[ModelProto, ModelProto]:
    """Cut ``model`` at ``tensors``: part 1 from its inputs to them, part 2 from them to those ``outputs`` of it.

    Both parts keep the nodes as they are, in their order, so that each node computes what it does in the whole.

    Raises `NetworkError` where a tensor does not exist or is an output, where part 2 does not use one, and where the
    tensors do not separate the graph; it then names what leaks around them: the tensors on part 1's side, inputs
    included, that part 2 would have to read as well.
    """
    graph = model.graph
    producers = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    _check_exist(tensors, outputs, producers)
    constants = {item.name for item in graph.initializer} | {item.values.name for item in graph.sparse_initializer}
    inputs = [item.name for item in graph.input if item.name not in constants]
    before = _needed(graph, producers, tensors, stop=())
    after = _needed(graph, producers, outputs, stop=tensors)
    pictured = _pictured(graph, inputs, stop=tensors)
    part1_names = [*inputs, *(name for index in sorted(before) for name in graph.node[index].output)]
    leaks = [name for name in part1_names if name in pictured & _read(graph, after - before, outputs)]
    if leaks:
        more = f" and {len(leaks) - _NAMED} more" if len(leaks) > _NAMED else ""
        raise NetworkError(
            f"network.cut: {', '.join(tensors)} do not separate the graph; around the cut "
            f"lead{'s' * (len(leaks) == 1)} {', '.join(leaks[:_NAMED])}{more}"
        )
    unused = [name for name in tensors if name not in _read(graph, after, outputs)]
    if unused:
        raise NetworkError(f"network.cut: the rest of the network does not use {', '.join(unused)}; leave out")
    types = _types(model)
    cut = [types.get(name) or helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in tensors]
    pictures = [item for item in graph.input if item.name in inputs]
    results = [item for item in graph.output if item.name in outputs]
    return _part(model, "part1", before, pictures, cut), _part(model, "part2", after, cut, results)


def node_inputs(node: NodeProto) -> set[str]:
    """The tensors that ``node`` reads, those among them that the bodies of its branches and loops read from outside."""
    names = {name for name in node.input if name}
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            inside = {item.name for item in (*body.input, *body.initializer)}
            inside |= {name for inner in body.node for name in inner.output}
            outside = {name for inner in body.node for name in node_inputs(inner)}
            names |= (outside | {item.name for item in body.output}) - inside
    return names


def _check_exist(tensors: Sequence[str], outputs: Sequence[str], producers: dict[str, int]) -> None:
    if not tensors or len(set(tensors)) < len(tensors):
        raise NetworkError(f"network.cut: name at least one tensor, and none twice; got {', '.join(tensors) or 'none'}")
    for name in tensors:
        if name not in producers:
            raise NetworkError(f"network.cut: the graph computes no tensor {name!r}")
        if name in outputs:
            raise NetworkError(f"network.cut: {name!r} is an output of the whole network, so no part 2 is left")


def _read(graph: GraphProto, nodes: set[int], outputs: Iterable[str]) -> set[str]:
    """What ``nodes`` read, and the outputs, which the caller reads."""
    return {name for index in nodes for name in node_inputs(graph.node[index])} | set(outputs)


def _needed(graph: GraphProto, producers: dict[str, int], wanted: Iterable[str], stop: Iterable[str]) -> set[int]:
    """The nodes that computing ``wanted`` takes when the tensors of ``stop`` are given."""
    given, nodes, open_names = set(stop), set[int](), [*wanted]
    while open_names:
        name = open_names.pop()
        index = producers.get(name)
        if name in given or index is None or index in nodes:
            continue
        nodes.add(index)
        open_names += node_inputs(graph.node[index])
    return nodes


def _pictured(graph: GraphProto, inputs: Iterable[str], stop: Iterable[str]) -> set[str]:
    """The tensors that depend on ``inputs`` by a way that does not pass through ``stop``."""
    given, found = set(stop), set(inputs)
    for node in graph.node:  # ONNX keeps nodes in an order in which they can run
        if not found.isdisjoint(node_inputs(node)):
            found |= {name for name in node.output if name and name not in given}
    return found


def _types(model: ModelProto) -> dict[str, ValueInfoProto]:
    """What is known of the tensors' types and shapes."""
    graph = onnx.shape_inference.infer_shapes(model).graph
    return {item.name: item for item in graph.value_info}


def _part(
    model: ModelProto, name: str, nodes: set[int], inputs: list[ValueInfoProto], outputs: list[ValueInfoProto]
) -> ModelProto:
    chosen = [model.graph.node[index] for index in sorted(nodes)]
    read = {tensor for node in chosen for tensor in node_inputs(node)}
    constants = [item for item in model.graph.initializer if item.name in read]
    sparse = [item for item in model.graph.sparse_initializer if item.values.name in read]
    graph = helper.make_graph(chosen, name, inputs, outputs, constants, sparse_initializer=sparse)
    return helper.make_model(
        graph, ir_version=model.ir_version, opset_imports=model.opset_import, functions=model.functions
    )
