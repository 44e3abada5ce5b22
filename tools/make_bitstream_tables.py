"""Write the generated parts of docs/bitstream.md from the declaration of the syntax, or check them with ``--check``.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end of generated -->``.
"""

from __future__ import annotations

import argparse
import ast
import csv
import inspect
import io
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from vcm_ref.bitstream import headers, substream_syntax, values
from vcm_ref.bitstream.coder import TracedElement
from vcm_ref.bitstream.digest import tensor_digest
from vcm_ref.bitstream.elements import ELEMENTS, Element
from vcm_ref.bitstream.stream import BitstreamReader, BitstreamWriter, CodedGroup
from vcm_ref.bitstream.table import TABLES
from vcm_ref.codec import make_encoder

DOCUMENT = Path(__file__).parent.parent / "docs" / "bitstream.md"
ROOM = Path(substream_syntax.__file__).parent
PART = re.compile(r"(<!-- generated: (.+?) -->\n).*?(<!-- end of generated -->)", re.DOTALL)
INDENT = "&emsp;"


def syntax_table(clause: str) -> str:
    """The table of one clause: a row for each element, with control structure as in the standards."""
    function = TABLES[clause]
    tree = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    assert isinstance(tree, ast.FunctionDef)
    rows = [f"| **{tree.name}( )** {{ | **Descriptor** | **Range** |", "|---|---|---|"]
    rows += [
        f"| {INDENT * depth}{text} | {descriptor} | {span} |" for depth, text, descriptor, span in _rows(tree.body)
    ]
    return "\n".join([*rows, "| } | | |"]) + "\n"


def _rows(body: list[ast.stmt], depth: int = 1) -> Iterator[tuple[int, str, str, str]]:
    for statement in body:
        if isinstance(statement, ast.For):
            if not list(_rows(statement.body)):
                continue
            index, bound = ast.unparse(statement.target), _expression(statement.iter.args[0])  # type: ignore[attr-defined]
            yield from _block(f"for( {index} = 0; {index} < {bound}; {index}++ )", statement.body, depth)
        elif isinstance(statement, ast.While):
            yield from _block("while( more_data( ) )", statement.body, depth)
        elif isinstance(statement, ast.If):
            inner = list(_rows(statement.body, depth + 1))
            if inner:
                yield from _block(f"if( {_expression(statement.test)} )", statement.body, depth)
            if statement.orelse and list(_rows(statement.orelse, depth + 1)):
                yield from _block("else", statement.orelse, depth)
        elif isinstance(statement, ast.Return) and statement.value is None:
            yield depth, "return", "", ""
        else:
            yield from _calls(statement, depth)


def _block(head: str, body: list[ast.stmt], depth: int) -> Iterator[tuple[int, str, str, str]]:
    yield depth, head + " {", "", ""
    yield from _rows(body, depth + 1)
    yield depth, "}", "", ""


def _calls(statement: ast.stmt, depth: int) -> Iterator[tuple[int, str, str, str]]:
    tables = {function.__name__ for function in TABLES.values()}
    for call in (node for node in ast.walk(statement) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Name) and call.func.id == "s":
            name = ast.literal_eval(call.args[0])
            given = {word.arg: _expression(word.value) for word in call.keywords}
            yield depth, f"**{name}**", _descriptor(ELEMENTS[name], given), _span(ELEMENTS[name], given)
        elif isinstance(call.func, ast.Name) and call.func.id in tables:
            yield depth, f"{call.func.id}( )", "", ""
        elif ast.unparse(call.func) == "own.syntax" and ast.unparse(call.args[0]) == "s":
            yield depth, "stage_payload( )", "", ""
        elif isinstance(call.func, ast.Attribute) and call.func.attr == "align":
            yield depth, "byte_alignment( )", "", ""


def _descriptor(element: Element, given: dict[str | None, str]) -> str:
    if "bits" not in given or "bits_to_end" in given["bits"]:
        return element.descriptor
    return f"{element.descriptor}, v = {given['bits']}"


def _span(element: Element, given: dict[str | None, str]) -> str:
    low = given.get("low", element.low)
    high = given.get("high", element.high)
    if low is None and high is None:
        return ""
    if low == high:
        return hex(low) if isinstance(low, int) and low > 9 else str(low)
    return f"{'' if low is None else low}..{'' if high is None else high}"


#: How the code's expressions read in the document.
_SPELLINGS = (
    (r"h\.shared_range\(\)", "shared_range"),
    (r"h\.tensors\[i\]\.format\.", ""),
    (r"\b(h|p|u|m|form|unit|code)\.", ""),
    (r"\b(Packing|RangeScope|ReorderCoding|InnerCodecId|ModelSource)\.", ""),
    (r"\b(packing|range_scope|reorder_coding|inner_codec)\b", r"\1_idc"),
    (r"^inner_codec_idc\.is_video$", "inner_codec_idc == HEVC || inner_codec_idc == VVC"),
    (r"^source\b", "model_idc"),
    (r"^components\b", "pca_components"),
    (r"^t2_digest$", "t2_digest_flag"),
    (r"\bhas_choice\(grid, channels\)", "1 < columns * rows && columns * rows < C"),
    (r" and ", " && "),
    (r"\bfixed_index_bits\(channels\)", "Ceil(log2(C))"),
    (r"\bindex_bits\(channels\)", "Ceil(log2(C!))"),
    (r"\bchannels\b", "C"),
    (r"\blen\(bases\)", "number of bases"),
    (r"\bbases\[base\]\.length", "length of the base"),
    (r"\b(prefix_bits|middle_bits)\b", r"ps_\1"),
    (r"\bsize_bytes\b", "unit_size_bytes"),
    (r"\bname_length\b", "(layer_name_length_minus1 + 1)"),
    (r"\b8 \* size\b", "8 * nal_unit_size"),
    (r" \* ", " × "),
)


def _expression(node: ast.expr) -> str:
    text = ast.unparse(node)
    for pattern, spelling in _SPELLINGS:
        text = re.sub(pattern, spelling, text)
    return text


def enumeration_table(name: str) -> str:
    """Code points of one enumeration, with the first sentence of its description."""
    enumeration = getattr(values, name)
    return "".join(f"| {member.value} | {member.name} |\n" for member in enumeration)


def element_table() -> str:
    """Every element: descriptor, range and whether it is extensible, part of the rate."""
    rows = ["| element | descriptor | range | counts as |", "|---|---|---|---|"]
    for name, element in ELEMENTS.items():
        extensible = ", extensible" if element.extensible else ""
        rows.append(f"| {name} | {element.descriptor} | {_span(element, {})}{extensible} | {element.part.value} |")
    return "\n".join(rows) + "\n"


def csv_table(name: str) -> str:
    """One of the constraint tables."""
    head, *rows = csv.reader((ROOM / name).read_text().splitlines())
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows]) + "\n"


def template_list() -> str:
    """The templates, numbered as ``ps_base_idc`` counts them."""
    lists = json.loads((ROOM / "templates.json").read_text())
    lines = []
    for codec, entries in lists.items():
        lines.append(f"{codec.upper()}:\n\n```text")
        for number, entry in enumerate(entries, 1):
            lines.append(f"{number}  nal_unit_type {entry['nal_unit_type']}  ({entry['from']})")
            lines += textwrap.wrap(entry["nal_unit"], 96, initial_indent="    ", subsequent_indent="    ")
        lines.append("```\n")
    return "\n".join(lines)


def example_stream() -> bytes:
    """The bitstream of Annex B: one layer of two 2x2 maps, lossless."""
    form = headers.TensorFormat(bit_depth=4, reorder_coding=values.ReorderCoding.EXACT)
    stream = headers.StreamHeader(
        digest_length=4,
        layers=[values.Layer("p2", 2)],
        tensors=[headers.TensorHeader(form, values.Grid(2, 1))],
    )
    q = np.array([[[0, 5], [10, 15]], [[1, 1], [2, 2]]], np.uint16)
    frame = np.concatenate([q[1], q[0]], axis=1)[None]  # the order is 1, 0
    file = io.BytesIO()
    writer = BitstreamWriter(file, stream)
    picture = headers.PictureHeader([], [headers.TensorPicture([(-1.5, 6.0)], [1, 0])])
    substream = headers.Substream(lossless_data=make_encoder("lossless", bit_depth=4).encode(frame, values.Mode.AI, 0))
    digests = headers.PictureDigests([tensor_digest("p2", q)[:4]])
    writer.write(CodedGroup(headers.GroupHeader(8, 8, [(2, 2)], [picture]), [substream], [digests]))
    writer.close()
    return file.getvalue()


def example_dump() -> str:
    """Hex dump of the example, then its trace."""
    data = example_stream()
    lines = ["```text"]
    for offset in range(0, len(data), 16):
        lines.append(f"{offset:04x}  {data[offset : offset + 16].hex(' ')}")
    lines.append("\n   bit  clause  element                     descriptor  value")
    elements: list[TracedElement] = []
    list(BitstreamReader(io.BytesIO(data), trace=elements.append).groups())
    for element in elements:
        value = element.value.hex() if isinstance(element.value, bytes) else element.value
        shown = textwrap.shorten(str(value), 60)
        if len(str(value)) > 60:
            shown = str(value)[:60] + "…"
        lines.append(
            f"{element.bit_offset:>6}  {element.clause:<6}  {element.name:<26}  {element.descriptor:<10}  {shown}"
        )
    return "\n".join([*lines, "```"]) + "\n"


GENERATORS: dict[str, Callable[..., str]] = {
    "table": syntax_table,
    "code points": enumeration_table,
    "elements": element_table,
    "constraints": csv_table,
    "templates": template_list,
    "example": example_dump,
}


def generated(document: str) -> str:
    """The document with every generated part made anew."""

    def replace(found: re.Match[str]) -> str:
        kind, _, argument = found[2].partition(": ")
        return found[1] + "\n" + GENERATORS[kind](*filter(None, [argument])) + "\n" + found[3]

    return PART.sub(replace, document)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 where a part is out of date")
    written = DOCUMENT.read_text(encoding="utf-8")
    made = generated(written)
    if parser.parse_args().check:
        print("docs/bitstream.md: " + ("up to date" if made == written else "out of date: run this without --check"))
        sys.exit(made != written)
    DOCUMENT.write_text(made, encoding="utf-8")
