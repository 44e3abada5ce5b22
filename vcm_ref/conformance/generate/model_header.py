"""Vectors of the header of a model's bytes (7.18), a JSON object that not every reader reads strictly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

from ...models.tensors import MAX_HEADER, TYPE_BYTES, write_tensors
from .case import Variant, family
from .klt import TWO, coded, model_of, with_model
from .negative import BROKEN

Header = dict[str, Any]
#: A tensor that the stage does not name, and its bytes: what is wrong with it is wrong with nothing else.
OTHER, OTHER_BYTES = "other", b"\1\2\3\4\5\6"


def model_parts() -> tuple[Header, bytes]:
    """The header of a model that fits the stage, with one tensor more, and the bytes after it."""
    data = write_tensors(model_of(TWO, 6).tensors())
    size = 8 + int.from_bytes(data[:8], "little")
    header, body = json.loads(data[8:size]), data[size:]
    header[OTHER] = {"dtype": "U8", "shape": [6], "data_offsets": [len(body), len(body) + 6]}
    return header, body + OTHER_BYTES


def packed(text: str | bytes, body: bytes) -> bytes:
    """A model of this header."""
    encoded = text.encode() if isinstance(text, str) else text
    return len(encoded).to_bytes(8, "little") + encoded + body


def with_other(entry: Any, body: bytes = OTHER_BYTES) -> bytes:
    """The model with another entry for the tensor that is not needed; members of a mapping replace those it has."""
    header, whole = model_parts()
    header[OTHER] = {**header[OTHER], **entry} if isinstance(entry, dict) else entry
    return packed(json.dumps(header), whole[: -len(OTHER_BYTES)] + body)


def without(member: str) -> bytes:
    """The model, a member of one entry missing."""
    header, body = model_parts()
    del header[OTHER][member]
    return packed(json.dumps(header), body)


def replaced(old: str, new: str | bytes) -> bytes:
    """The model, one part of its header's text replaced."""
    header, body = model_parts()
    text = json.dumps({"__metadata__": {"a": "b"}, **header})
    assert text.count(old) == 1
    before, after = text.split(old)
    return packed(before.encode() + (new.encode() if isinstance(new, str) else new) + after.encode(), body)


def around(before: str = "", after: str = "") -> bytes:
    """The model with more characters in its header."""
    header, body = model_parts()
    return packed(before + json.dumps(header) + after, body)


def of_length(size: int) -> bytes:
    """The model whose header ends with so many spaces that it has this size."""
    header, body = model_parts()
    return packed(json.dumps(header).ljust(size), body)


@family("MODELHEADER", "models", "klt")
def headers() -> Iterator[Variant]:
    """A model whose header has {}.

    A decoder refuses what a header may have, or takes a tensor for another.
    """
    yield Variant("longest", partial(coded, TWO, model=of_length(MAX_HEADER), level=2), (f"{MAX_HEADER} bytes",))
    header, body = model_parts()
    spaced = json.dumps(header, indent="\t\r\n ", separators=(" ,\n", "\t:\r"))
    makers: list[tuple[str, str, bytes]] = [
        ("spaces", "white space of each kind in it and after it", packed(spaced + " \t\r\n", body)),
        (
            "compact",
            "no white space, and its end at an odd place",
            packed(json.dumps(header, separators=(",", ":")), body),
        ),
        ("order", "tensors and members not in the order of their bytes", _reversed()),
        ("escapes", "names with escapes, without a character, and beyond ASCII", _escaped()),
        (
            "metadata",
            "metadata with texts of any kind",
            replaced('{"a": "b"}', '{"": "", "é": "\\ud83d\\ude00 \\u0000\\"\\/"}'),
        ),
        ("nometadata", "metadata without a text", replaced('{"a": "b"}', "{}")),
        ("types", "tensors of every type", _types()),
        ("ranks", "a tensor of eight dimensions, and one of none", _ranks()),
        ("empty", "tensors without a number before, between and after others", _empty()),
    ]
    for label, words, data in makers:
        yield Variant(label, partial(coded, TWO, model=data), (words,))


def _reversed() -> bytes:
    header, body = model_parts()
    turned = {name: dict(reversed(entry.items())) for name, entry in reversed(header.items())}
    return packed(json.dumps(turned), body)


def _escaped() -> bytes:
    header, body = model_parts()
    text = json.dumps(header).replace('"gain"', '"g\\u0061in"').replace('"dtype"', '"\\u0064type"', 1)
    entry = json.dumps({"dtype": "U8", "shape": [0], "data_offsets": [len(body)] * 2})
    return packed(f'{text[:-1]}, "": {entry}, "ä\\n": {entry}}}', body)


def _added(header: Header, body: bytes, name: str, kind: str, shape: list[int], size: int) -> bytes:
    header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + size]}
    return body + bytes(range(size))


def _types() -> bytes:
    header, body = model_parts()
    for kind, size in TYPE_BYTES.items():
        body = _added(header, body, f"of {kind}", kind, [3, 1], 3 * size)
    return packed(json.dumps(header), body)


def _ranks() -> bytes:
    header, body = model_parts()
    body = _added(header, body, "eight", "I16", [1, 2, 1, 1, 3, 1, 1, 1], 12)
    body = _added(header, body, "none", "I32", [], 4)
    return packed(json.dumps(header), body)


def _empty() -> bytes:
    header, body = model_parts()
    end = header["scale"]["data_offsets"][1]
    for number, place in enumerate((0, 0, end, end, len(body), len(body))):
        shape = [[0], [4, 0, 2], [2**32 - 1] * 7 + [0]][number % 3]
        header[f"none {number}"] = {"dtype": "I8", "shape": shape, "data_offsets": [place, place]}
    return packed(json.dumps(dict(sorted(header.items(), reverse=True))), body)


@family("BADMODELHEADER", "models", kind="negative", error=BROKEN)
def bad_headers() -> Iterator[Variant]:
    """A model {}.

    One decoder would read other tensors out of it than another, or read beyond its bytes.
    """
    for label, words, data in [*_bad_sizes(), *_bad_texts(), *_bad_entries(), *_bad_offsets()]:
        make = partial(with_model, data, level=2 if len(data) > MAX_HEADER else None)
        yield Variant(label, make, (words,), clauses=("7.18",), base="BASEKLT_PLAIN")


Labelled = Iterator[tuple[str, str, bytes]]


def _bad_sizes() -> Labelled:
    yield "seven", "of seven bytes", b"\2" + bytes(6)
    yield "size_0", "whose header has no byte", packed("", b"")
    yield "size_1", "whose header has one byte", packed("{", b"")
    data = around()
    yield "size_beyond", "whose header ends a byte beyond it", (len(data) - 7).to_bytes(8, "little") + data[8:]
    yield "size_large", "whose header has a size of 2**63 bytes", (1 << 63).to_bytes(8, "little") + data[8:]
    yield "size_long", f"whose header has {MAX_HEADER + 1} bytes", of_length(MAX_HEADER + 1)


def _bad_texts() -> Labelled:
    for label, words, before, after in [
        ("space", "whose header begins with a space", " ", ""),
        ("bom", "whose header begins with a byte order mark", "\ufeff", ""),
        ("second", "with a second object after its header", "", "{}"),
        ("zero", "with a zero byte after its header", "", "\0"),
        ("formfeed", "with a form feed after its header", "", "\f"),
        ("nobreak", "with a no-break space after its header", "", "\u00a0"),
    ]:
        yield label, words, around(before, after)
    changes: list[tuple[str, str, str, str | bytes]] = [
        ("utf8", "whose header is not UTF-8", '"b"', b'"\xff"'),
        ("surrogates", "whose header has a surrogate in UTF-8", '"b"', b'"\xed\xa0\x80"'),
        ("overlong", "whose header has a character in more bytes than it takes", '"b"', b'"\xc1\xa2"'),
        ("comma", "whose header has a comma too many", '"b"', '"b",'),
        ("colon", "whose header lacks a colon", '"a":', '"a"'),
        ("unended", "whose header has no end", "}}", "} "),
        ("quotes", "whose header has single quotes", '"b"', "'b'"),
        ("unquoted", "whose header has a name without quotes", '"a"', "a"),
        ("control", "whose header has a line feed in a text", '"b"', '"\n"'),
        ("escape", "whose header has an escape that JSON does not have", '"b"', '"\\x62"'),
        ("comment", "whose header has a comment", '"b"', '"b"/**/'),
        ("nested", "whose header has arrays 100000 deep", '"b"', "[" * 100000 + "]" * 100000),
        ("double_metadata", "that has metadata twice", '{"a": "b"}', '{}, "__metadata__": {}'),
        ("double_text", "whose metadata have a name twice", '"b"', '"b", "a": "b"'),
        ("double_member", "with a tensor that has two types", '"shape": [1]', '"dtype": "I8", "shape": [1]'),
        ("metadata_list", "whose metadata are an array", '{"a": "b"}', "[]"),
        ("metadata_null", "whose metadata are null", '{"a": "b"}', "null"),
        ("metadata_number", "whose metadata have a number", '"b"', "1"),
        ("metadata_object", "whose metadata have an object", '"b"', "{}"),
    ]
    for label, words, old, new in changes:
        yield label, words, replaced(old, new)
    header, body = model_parts()
    yield "array", "whose header is an array", packed(json.dumps([header]), body)
    del header[OTHER]
    gain, text = json.dumps(header["gain"]), json.dumps(header)[:-1]
    for label, words, name in [
        ("double_tensor", "with two tensors of one name and the same bytes", "gain"),
        ("double_escaped", "with two tensors of one name, written in two ways", "g\\u0061in"),
    ]:
        yield label, words, packed(f'{text}, "{name}": {gain}}}', body[: -len(OTHER_BYTES)])


def _bad_entries() -> Labelled:
    yield "entry_list", "with a tensor that is an array", with_other(["U8", [6], [0, 6]])
    yield "entry_text", "with a tensor that is a text", with_other("U8")
    for member in ("dtype", "shape", "data_offsets"):
        yield f"no_{member}", f"with a tensor without {member}", without(member)
    yield "member", "with a tensor that has a fourth member", with_other({"order": "C"})
    for label, kind in (("unknown", "F8"), ("case", "u8"), ("number", 8), ("null", None), ("list", ["U8"])):
        yield f"dtype_{label}", f"with a tensor whose dtype is {json.dumps(kind)}", with_other({"dtype": kind})
    for label, shape in [
        ("number", 6),
        ("text", "6"),
        ("object", {}),
        ("null", None),
        ("long", [6, 1, 1, 1, 1, 1, 1, 1, 1]),
        ("negative", [-2, -3]),
        ("fraction", [6.0]),
        ("true", [6, True]),
        ("texts", ["6"]),
        ("few", [5]),
        ("many", [7]),
    ]:
        words = f"with a tensor of 6 bytes whose shape is {'an object' if shape == {} else json.dumps(shape)}"
        yield f"shape_{label}", words, with_other({"shape": shape})
    header, body = model_parts()
    text = json.dumps(header).replace('"shape": [6]', '"shape": [6e0]')
    yield "shape_exponent", "with a tensor whose shape has an exponent", packed(text, body)
    end = len(body) - len(OTHER_BYTES)
    for label, shape in (("beyond", [0, 2**32]), ("overflow", [2**16] * 4), ("overflow_twice", [2**31] * 8)):
        entry = {"shape": shape, "data_offsets": [end, end]}
        yield f"shape_{label}", f"with a tensor without bytes whose shape is {shape}", with_other(entry, b"")


def _bad_offsets() -> Labelled:
    header, body = model_parts()
    end = len(body) - 6
    for label, offsets in [
        ("number", end),
        ("null", None),
        ("one", [end]),
        ("three", [end, end + 6, end + 6]),
        ("fraction", [end, end + 6.0]),
        ("texts", [str(end), str(end + 6)]),
        ("negative", [-6, 0]),
        ("reversed", [end + 6, end]),
    ]:
        words = f"with a tensor whose data_offsets are {json.dumps(offsets)}"
        yield f"offsets_{label}", words, with_other({"data_offsets": offsets})
    moved = {name: {**entry, "data_offsets": [x + 1 for x in entry["data_offsets"]]} for name, entry in header.items()}
    yield "first", "whose first tensor begins at 1", packed(json.dumps(moved), b"\0" + body)
    gap = {"data_offsets": [end + 1, end + 7]}
    yield "gap", "with a byte between two tensors", with_other(gap, b"\0" + OTHER_BYTES)
    yield "overlap", "with two tensors that share a byte", with_other({"data_offsets": [end - 1, end + 5]}, bytes(5))
    yield "same", "with two tensors of the same bytes", with_other({"data_offsets": [end - 6, end]}, b"")
    yield "after", "with a byte after its last tensor", with_other({}, OTHER_BYTES + b"\0")
    yield "beyond", "whose last tensor ends a byte beyond it", with_other({}, OTHER_BYTES[:-1])
    yield "far", "whose last tensor begins beyond it", with_other({"shape": [0], "data_offsets": [end + 1] * 2}, b"")
