"""Exported graphs without what they compute from constants alone, such as how much a convolution's input is padded.

Some exporters write this out as operations on shapes. On a GPU these move numbers to and fro in each run, and cost more
than the rest of a small network.
"""

from __future__ import annotations

from typing import Any

import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

#: Each run of these may have other results, though all that they are given is constant.
_RANDOM = frozenset(
    ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli", "Multinomial", "Dropout")
)
#: Results with more numbers than this stay as they are computed.
_MOST = 1 << 16


def simplified(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` with constants for what follows from constants, and with padding inside the convolutions behind it."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    _compute_constants(made)
    _pad_inside(made)
    read = {name for node in made.graph.node for name in node.input} | {item.name for item in made.graph.output}
    used = [item for item in made.graph.initializer if item.name in read]
    del made.graph.initializer[:]
    made.graph.initializer.extend(used)
    return made


def _compute_constants(made: onnx.ModelProto) -> None:
    """Compute what follows from constants, with ONNX's own evaluator, in the operator sets of the model."""
    opsets = {item.domain: item.version for item in made.opset_import}
    known = {item.name: numpy_helper.to_array(item) for item in made.graph.initializer}
    known = {name: values for name, values in known.items() if values.size <= _MOST}
    kept = []
    for node in made.graph.node:
        results = _computed(node, known, opsets)
        if results is None:
            kept.append(node)
            continue
        known |= results
        made.graph.initializer.extend(numpy_helper.from_array(values, name) for name, values in results.items())
    del made.graph.node[:]
    made.graph.node.extend(kept)


def _pad_inside(made: onnx.ModelProto) -> None:
    """Let convolutions pad by themselves where zeros of a known number are padded for them alone."""
    known = {item.name: numpy_helper.to_array(item) for item in made.graph.initializer}
    readers: dict[str, list[onnx.NodeProto]] = {}
    for node in made.graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    results = {item.name for item in made.graph.output}
    merged = []
    for node in made.graph.node:
        own = readers.get(node.output[0], [])
        if node.op_type != "Pad" or len(own) != 1 or own[0].op_type != "Conv" or node.output[0] in results:
            continue
        pads = _zeros_around(node, known)
        if pads is None or node.output[0] != own[0].input[0] or not _add_pads(own[0], pads):
            continue
        own[0].input[0] = node.input[0]
        merged.append(node)
    for node in merged:
        made.graph.node.remove(node)


def _zeros_around(node: onnx.NodeProto, known: dict[str, Any]) -> list[int] | None:
    """How many zeros a Pad puts before and behind lines and columns; `None` where it is of another kind."""
    mode = next((attribute.s for attribute in node.attribute if attribute.name == "mode"), b"constant")
    pads = known.get(node.input[1]) if len(node.input) > 1 else None
    value = known.get(node.input[2]) if len(node.input) > 2 and node.input[2] else 0
    if mode != b"constant" or pads is None or value is None or value != 0 or len(node.input) > 3 or pads.size != 8:
        return None
    before, behind = ([int(one) for one in side] for side in pads.reshape(2, 4))
    if any(before[:2] + behind[:2]) or min(before + behind) < 0:
        return None
    return [*before[2:], *behind[2:]]


def _add_pads(convolution: onnx.NodeProto, pads: list[int]) -> bool:
    """Add to a convolution's own padding, unless it chooses that by itself."""
    given = {attribute.name: attribute for attribute in convolution.attribute}
    if "auto_pad" in given and given["auto_pad"].s != b"NOTSET":
        return False
    own = list(given["pads"].ints) if "pads" in given else [0] * 4
    if "pads" in given:
        convolution.attribute.remove(given["pads"])
    together = [a + b for a, b in zip(own, pads, strict=True)]
    convolution.attribute.append(helper.make_attribute("pads", together))
    return True


def _computed(node: onnx.NodeProto, known: dict[str, Any], opsets: dict[str, int]) -> dict[str, Any] | None:
    """The results of a node of constants; `None` for another one."""
    body = any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute)
    if body or any(name and name not in known for name in node.input) or node.op_type in _RANDOM:
        return None
    given = {name: known[name] for name in node.input if name}
    inputs, outputs = (
        [onnx.ValueInfoProto(name=name) for name in dict.fromkeys(names) if name] for names in (node.input, node.output)
    )
    try:  # a node alone would be of the newest operator set, in which attributes have become inputs
        found = ReferenceEvaluator(helper.make_graph([node], "node", inputs, outputs), opsets).run(None, given)
    except Exception:  # an operation that the evaluator does not have stays
        return None
    results = dict(zip(filter(None, node.output), found, strict=True))
    small = all(getattr(values, "size", _MOST + 1) <= _MOST for values in results.values())
    return results if small else None
