"""The first difference of two bitstreams: the syntax element, and the place in the integer tensors.

Both are given as JSON and in words. ``file`` is the bitstream that somebody gave, ``here`` the one made again.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bitstream.coder import TracedElement
from ...bitstream.stream import BitstreamReader, BitstreamWriter
from ...bitstream.values import Packing, UnitType
from ...codec.picture import PictureCoder
from ...decoder import Backend, Decoder
from ...errors import DatasetError, VcmError
from ..records import Record

Tensors = Mapping[str, NDArray[Any]]
_SHOWN_BYTES = 8
_SHOWN_INTEGER = 2**53  # what any reader of JSON takes exactly
_SIZES = ("unit_size_bytes", "unit_size", "nal_unit_size")


def first_element(file: bytes, here: bytes) -> Record:
    """The first syntax element that is not the same in two bitstreams; empty where there is none.

    Has its name, clause, bit offset in the file, both values, the layer where it is of a substream; for a long value
    the first byte that differs. A size only tells that something else differs too: ``then`` is the first element after
    it that is no size. Where a bitstream cannot be parsed any further, its side says why.
    """
    (theirs, their_problem), (ours, our_problem) = _trace(file), _trace(here)
    found: Record = {}
    for place, (one, other) in enumerate(zip_longest(theirs, ours)):
        if one is not None and other is not None and (one.name, one.value) == (other.name, other.value):
            continue
        element = one or other
        assert element is not None
        if found and element.name in _SIZES:
            continue
        told = {
            **_place(element, theirs if one is not None else ours, place),
            "file": _shown(one, element, their_problem),
            "here": _shown(other, element, our_problem),
            **_first_byte(one, other),
        }
        if found:
            return {**found, "then": told}
        if element.name not in _SIZES:
            return told
        found = told
    if not found and their_problem != our_problem:
        last = len(theirs) - 1
        return {
            **_place(theirs[last], theirs, last),
            "file": their_problem or "goes on",
            "here": our_problem or "goes on",
        }
    return found


def first_byte(file: bytes, here: bytes) -> Record:
    """The first byte that is not the same, for inner streams that have no syntax of ours."""
    place = next((at for at, (one, other) in enumerate(zip(file, here, strict=False)) if one != other), None)
    if place is None:
        if len(file) == len(here):
            return {}
        place = min(len(file), len(here))
    return {"byte": place, "file": file[place : place + 1].hex(), "here": here[place : place + 1].hex()}


def first_sample(file: Tensors, here: Tensors) -> Record:
    """The first sample that is not the same in two sets of integer tensors (C, H, W); empty where there is none.

    Has its layer, index (c, y, x), both values, how many samples of the layer differ, and by how much at most.
    """
    for layer in dict.fromkeys([*file, *here]):
        if layer not in file or layer not in here:
            return {"layer": layer, "only": "file" if layer in file else "here"}
        one, other = file[layer], here[layer]
        if one.shape != other.shape:
            return {"layer": layer, "file_shape": list(one.shape), "here_shape": list(other.shape)}
        gaps = np.abs(one.astype(np.int64) - other.astype(np.int64))
        if gaps.any():
            index = tuple(int(place) for place in np.argwhere(gaps)[0])
            values = {"file": int(one[index]), "here": int(other[index])}
            counts = {"different": int(np.count_nonzero(gaps)), "samples": gaps.size, "largest": int(gaps.max())}
            return {"layer": layer, "index": list(index), **values, **counts}
    return {}


def integer_tensors(bitstream: bytes, backend: Backend, place: int = 0) -> Tensors:
    """The T1 tensors (C, H, W) of a picture of a bitstream of features, whether or not its digests agree.

    Raises VcmError, also where the bitstream has no picture of this number.
    """
    decoder = Decoder(io.BytesIO(_without_digests(bitstream)), backend=backend)
    if place >= decoder.reader.picture_count:
        raise DatasetError(f"the bitstream has {decoder.reader.picture_count} pictures")
    return next(decoder.pictures(range(place, place + 1))).quantised


def picture_samples(
    stream: bytes, coder: PictureCoder, size: tuple[int, int], place: int = 0, count: int = 1
) -> Tensors:
    """One of ``count`` pictures (H, W) of an inner stream, uint8 (3, H, W), under ``picture``. Raises VcmError."""
    return {"picture": coder.decode_sequence(stream, count, *size)[place].transpose(2, 0, 1)}


def told_element(element: Record) -> str:
    """:func:`first_element` in words."""
    told = f"the first difference is {_told_values(element)}"
    return f"{told}; after that {_told_values(element['then'])}" if "then" in element else told


def _told_values(element: Record) -> str:
    layer = f" of layer {element['layer']}" if "layer" in element else ""
    where = f"{element['name']}{layer} (clause {element['clause']}, bit {element['bit']})"
    start = f"from byte {element['byte']} on " if "byte" in element else ""
    return f"{where}: {start}{element['file']}, made again {element['here']}"


def told_byte(found: Record) -> str:
    """:func:`first_byte` in words."""
    values = [f"0x{found[side]}" if found[side] else "the end" for side in ("file", "here")]
    return f"the first difference is byte {found['byte']}: {values[0]}, made again {values[1]}"


def told_sample(found: Record) -> str:
    """:func:`first_sample` in words."""
    layer = found["layer"]
    if "index" not in found:
        told = f"is in the {found['only']} only" if "only" in found else "has another shape"
        return f"T1 layer {layer} {told}"
    index = ", ".join(map(str, found["index"]))
    count = f"{found['different']} of its {found['samples']} samples differ, by {found['largest']} at most"
    return f"T1 layer {layer} at (c, y, x) = ({index}): {found['file']}, made again {found['here']}; {count}"


def _trace(bitstream: bytes) -> tuple[list[TracedElement], str]:
    """The elements of a bitstream, and why it cannot be parsed to its end, if so."""
    elements: list[TracedElement] = []
    try:
        for _ in BitstreamReader(io.BytesIO(bitstream), trace=elements.append).groups():
            pass
    except VcmError as error:
        return elements, str(error)
    return elements, ""


def _place(element: TracedElement, elements: Sequence[TracedElement], place: int) -> Record:
    where = {"name": element.name, "clause": element.clause, "bit": element.bit_offset}
    return {**where, **_layer(elements[:place])}


def _shown(element: TracedElement | None, like: TracedElement, problem: str) -> str | int | float:
    if element is None:
        return problem or "is not there"
    value = element.value
    if isinstance(value, bytes):
        more = f"… ({len(value)} bytes)" if len(value) > _SHOWN_BYTES else ""
        shown: str | int | float = value[:_SHOWN_BYTES].hex() + more
    else:
        shown = hex(value) if isinstance(value, int) and abs(value) >= _SHOWN_INTEGER else value
    return shown if element.name == like.name else f"{element.name} {shown}"


def _first_byte(theirs: TracedElement | None, ours: TracedElement | None) -> Record:
    """For values that are bytes: where they begin to differ, and both from there on."""
    values = [element.value for element in (theirs, ours) if element is not None and isinstance(element.value, bytes)]
    if len(values) < 2 or values[0] == values[1]:
        return {}
    place = first_byte(values[0], values[1])["byte"]
    shown = [value[place : place + _SHOWN_BYTES].hex() or "its end" for value in values]
    return {"byte": place, "file": shown[0], "here": shown[1]}


def _layer(before: Sequence[TracedElement]) -> Record:
    """The layer of the substream that comes after ``before``, where it is in one, and that is of one layer."""
    names = [element.value for element in before if element.name == "layer_name"]
    units = [element.value for element in before if element.name == "unit_type"]
    stacked = any(element.name == "packing_idc" and element.value == Packing.STACKED for element in before)
    if stacked or not units or units[-1] != UnitType.SUBSTREAM:
        return {}
    number = units[::-1].index(UnitType.GROUP_HEADER) - 1 if UnitType.GROUP_HEADER in units else 0
    name = names[number] if number < len(names) else None
    return {"layer": name.decode("ascii", "backslashreplace")} if isinstance(name, bytes) else {}


def _without_digests(bitstream: bytes) -> bytes:
    """The same pictures without digests, so that a decoder gives what it would refuse."""
    reader = BitstreamReader(io.BytesIO(bitstream))
    groups = list(reader.groups())
    file = io.BytesIO()
    reader.header.digest_length, reader.header.t2_digest = 0, False
    writer = BitstreamWriter(file, reader.header)
    for group in groups:
        group.digests.clear()
        group.substream_bytes.clear()
        writer.write(group)
    writer.close()
    return file.getvalue()
