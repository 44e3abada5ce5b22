"""bitstring as a second reader: every element that the trace names is read again from the vector's bits."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from bitstring import Bits, Reader

from vcm_ref.bitstream.coder import TracedElement
from vcm_ref.bitstream.elements import ELEMENTS
from vcm_ref.conformance.generate.edit import elements
from vcm_ref.conformance.manifest import load_suite
from vcm_ref.conformance.stored_file import read_stored

FOLDER = Path(__file__).parents[2] / "conformance"
#: Vectors whose headers together have every tool.
FAMILIES = ("BITDEPTH", "DIGEST", "EXTENSION", "GRID", "GROUP", "MODEL", "NAME", "PAIRS", "PARAMETERSETS", "PYRAMID")
LARGEST = 1 << 15


def read_again(stream: Reader, element: TracedElement, length: int) -> int | float | bytes:
    """The element's value as bitstring has it; ``length`` is that of u(v) and b(v), in bits."""
    stream.pos = element.bit_offset
    kind = ELEMENTS[element.name].kind
    if kind in ("ue", "se"):
        return stream.read_value(kind)
    if kind == "f":
        return stream.read_value("f32")
    if kind == "leb":
        value = place = 0
        more = True
        while more:
            more, group = stream.read_value("bool"), stream.read_value("u7")
            value, place = value | group << place, place + 7
        return value
    if kind == "b":
        return stream.read_value(f"bytes{length // 8}") if length else b""
    return stream.read_value(f"u{length}") if length else 0


def test_every_header_is_read_alike() -> None:
    count = 0
    for vector in load_suite(FOLDER).vectors:
        chosen = vector.kind == "positive" and vector.id.startswith(
            (*FAMILIES, "RANGE", "REORDER", "RESIZE", "TENSORS")
        )
        if not chosen or vector.bitstream.size > LARGEST:
            continue
        data = read_stored(FOLDER, vector.bitstream)
        stream, traced = Reader(Bits.from_bytes(data)), elements(data)
        ends = [*(one.bit_offset for one in traced[1:]), 8 * len(data)]
        for element, end in zip(traced, ends, strict=True):
            if ELEMENTS[element.name].kind == "b" and isinstance(element.value, bytes):
                end = element.bit_offset + 8 * len(element.value)
            found = read_again(stream, element, end - element.bit_offset)
            if isinstance(found, float):
                assert math.isclose(found, element.value, rel_tol=0, abs_tol=0), (vector.id, element)  # type: ignore[arg-type]
            else:
                assert found == element.value, (vector.id, element)
            count += 1
    assert count > 5000


@pytest.mark.parametrize("name", ["ue(v)", "se(v)", "leb(v)", "f(32)", "b(v)", "u(v)"])
def test_every_descriptor_is_among_them(name: str) -> None:
    assert any(element.descriptor == name for element in ELEMENTS.values())
