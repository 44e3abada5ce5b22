"""Damage done to bitstreams, blindly or where the syntax says what stands: for ``fuzz.py`` and for the tests.

A bitstream is taken apart into units, some of them are changed, moved, doubled or left out, and it is put together
again with sizes that fit, and half of the time with header digests that do too. Otherwise almost everything would be
refused for its sizes or its digests, and no deeper rule would ever be reached.
"""

from __future__ import annotations

import bz2
import hashlib
import io
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from random import Random
from typing import NamedTuple

from fuzz_levels import changed_levels, level_substreams
from fuzz_models import changed_model

from vcm_ref.bitstream.coder import TracedElement, leb_bytes
from vcm_ref.bitstream.digest import header_digest
from vcm_ref.bitstream.elements import ELEMENTS, SIGNATURE
from vcm_ref.bitstream.headers import Model
from vcm_ref.bitstream.limits import DecoderLimits
from vcm_ref.bitstream.stream import BitstreamReader
from vcm_ref.bitstream.values import UnitType
from vcm_ref.errors import VcmError

SIGNATURE_BYTES = SIGNATURE.to_bytes(4, "big")
#: Where ``digest_length`` is in the payload of a stream header: first bit and length.
DIGEST_LENGTH = (11, 6)
#: No more than a fuzzer's execution should cost.
LIMITS = DecoderLimits(
    frame_samples=1 << 18,
    frames=1024,
    channels=1024,
    pictures=50,
    output_bytes=1 << 24,
    graph_products=1 << 24,
    graph_samples=1 << 20,
    inner_seconds=20.0,
)
FLOATS = ("7fc00000", "ff800000", "7f800000", "7f7fffff", "ff7fffff", "00000001", "80000000", "00000000", "3f800000")
NAL_UNITS = (
    "0001",
    "0071",
    "0079",
    "0081",
    "00a1",
    "0201",
    "4001",
    "4201",
    "4401",
    "4601",
    "000001",
    "000003",
    "000000",
)

Bytewise = Callable[[bytes], bytes]


class Piece(NamedTuple):
    """A unit, right or wrong; ``declared`` is what it says its size is, where that is not its size."""

    type: int
    payload: bytes
    declared: int | None = None

    def __bytes__(self) -> bytes:
        size = len(self.payload) if self.declared is None else self.declared
        length = (size.bit_length() + 7) // 8
        return bytes([self.type << 4 | length]) + size.to_bytes(length, "big") + self.payload


def split(data: bytes) -> list[Piece] | None:
    """The units of ``data``, the last one perhaps cut short; ``None`` where it is nothing like a bitstream."""
    if not data.startswith(SIGNATURE_BYTES):
        return None
    pieces, place = [], len(SIGNATURE_BYTES)
    while place < len(data):
        length = data[place] & 15
        start = place + 1 + length
        size = int.from_bytes(data[place + 1 : start], "big")
        pieces.append(Piece(data[place] >> 4, data[start : start + size]))
        place = start + size
    return pieces or None


def join(pieces: Sequence[Piece]) -> bytes:
    """A bitstream of ``pieces``."""
    return SIGNATURE_BYTES + b"".join(map(bytes, pieces))


def with_header_digests(pieces: Sequence[Piece]) -> list[Piece]:
    """``pieces`` with each header digest made to fit the headers before it."""
    stream_header = group_header = b""
    models: dict[int, Model] = {}
    renewed = []
    for piece in pieces:
        if piece.type == UnitType.STREAM_HEADER:
            stream_header = piece.payload
        elif piece.type == UnitType.GROUP_HEADER:
            group_header = piece.payload
        elif piece.type == UnitType.MODEL and len(piece.payload) > 1:
            number, kind, data = piece.payload[0] >> 4, piece.payload[1], piece.payload[2:]
            in_force = [model.digest for model in models.values() if model.digest.startswith(data)]
            refers = bool(piece.payload[0] & 15 and in_force)
            models[number] = Model(number, kind, digest=in_force[0] if refers else hashlib.sha256(data).digest())
        elif piece.type == UnitType.DIGEST and len(stream_header) > 4:
            size = _bits(stream_header, *DIGEST_LENGTH)
            digest = header_digest(stream_header, models.values(), group_header)
            piece = piece._replace(payload=digest[:size] + piece.payload[size:])
        renewed.append(piece)
    return renewed


def mutate(
    rng: Random, data: bytes, others: Sequence[bytes], bytewise: Bytewise | None = None, *, coded: float = 0.1
) -> bytes:
    """``data`` after a few changes; units may come from ``others``. ``bytewise`` changes bytes blindly.

    ``coded`` is the share of results in which nothing but coded data differs: all that the inner codecs see.
    """
    bytewise = bytewise or (lambda payload: edited(rng, payload))
    pieces = split(data)
    if pieces is None or (coded < 0.5 and rng.random() < 0.1):
        return bytewise(data)
    if rng.random() < coded:
        operations = [_change_coded]
    else:
        operations = rng.choices((_change_elements, _change_payload, _change_coded, _change_units), (8, 3, 3, 2), k=2)
        if any(piece.type == UnitType.MODEL for piece in pieces) and rng.random() < 0.7:
            operations[0] = _change_model
    for operation in operations[: rng.choice((1, 1, 2))]:
        operation(rng, pieces, others, bytewise)
    if rng.random() < 0.7:
        pieces = with_header_digests(pieces)
    return join(pieces)


def edited(rng: Random, data: bytes) -> bytes:
    """``data`` with a bit flipped, a byte changed, or some bytes inserted, removed, doubled or overwritten."""
    out = bytearray(data or b"\x00")
    place = rng.randrange(len(out))
    size = rng.choice((1, 1, 2, 3, 4, 8, 16, 40))
    kind = rng.randrange(7)
    if kind == 0:
        out[place] ^= 1 << rng.randrange(8)
    elif kind == 1:
        out[place] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    elif kind == 2:
        out[place:place] = rng.randbytes(size)
    elif kind == 3:
        del out[place : place + size]
    elif kind == 4:
        out[place:place] = out[place : place + size] * rng.choice((1, 1, 2, 9))
    elif kind == 5:
        out[place : place + size] = rng.choice((b"\x00", b"\xff")) * size
    else:
        out[place:] = b""
    return bytes(out)


def _change_payload(rng: Random, pieces: list[Piece], others: Sequence[bytes], bytewise: Bytewise) -> None:
    place = rng.randrange(len(pieces))
    pieces[place] = pieces[place]._replace(payload=bytewise(pieces[place].payload))


def _change_model(rng: Random, pieces: list[Piece], others: Sequence[bytes], bytewise: Bytewise) -> None:
    place = rng.choice([number for number, piece in enumerate(pieces) if piece.type == UnitType.MODEL])
    payload = pieces[place].payload
    pieces[place] = pieces[place]._replace(payload=payload[:2] + changed_model(rng, payload[2:], bytewise))


def _change_units(rng: Random, pieces: list[Piece], others: Sequence[bytes], bytewise: Bytewise) -> None:
    """Double, drop, move or exchange units, take one from elsewhere, or let one lie about its type or its size."""
    place, other = rng.randrange(len(pieces)), rng.randrange(len(pieces))
    kind = rng.randrange(8)
    if kind == 0:
        pieces.insert(other, pieces[place])
    elif kind == 1 and len(pieces) > 1:
        del pieces[place]
    elif kind == 2:
        pieces[place], pieces[other] = pieces[other], pieces[place]
    elif kind == 3:
        pieces[place] = pieces[place]._replace(type=rng.randrange(16))
    elif kind == 4:
        size = rng.choice((0, 1, len(pieces[place].payload) + 1, 1 << rng.randrange(40), 2**32 - 1))
        pieces[place] = pieces[place]._replace(declared=size)
    elif kind == 5:  # a whole picture once more
        pictures = [i for i, piece in enumerate(pieces) if piece.type == UnitType.GROUP_HEADER]
        if pictures:
            start = rng.choice(pictures)
            end = next((i for i in pictures if i > start), len(pieces) - 1)
            pieces[start:start] = pieces[start:end]
    else:
        foreign = split(rng.choice(others)) if others else None
        if foreign:
            piece = rng.choice(foreign)
            if kind == 6:
                same = [i for i in range(len(pieces)) if pieces[i].type == piece.type]
                place = rng.choice(same or [place])
                pieces[place] = piece
            else:
                pieces.insert(place, piece)


def _change_coded(rng: Random, pieces: list[Piece], others: Sequence[bytes], bytewise: Bytewise) -> None:
    """A NAL unit, levels, or what a lossless substream decompresses to: behind the checksums of bzip2."""
    substreams = [i for i, piece in enumerate(pieces) if piece.type == UnitType.SUBSTREAM]
    place = rng.choice(substreams) if substreams else 0
    levels = level_substreams(join(pieces), LIMITS) if substreams and rng.random() < 0.5 else {}
    if levels:
        number = rng.choice(list(levels))
        place, stream = substreams[number], changed_levels(rng, levels[number])
        if stream is not None:
            pieces[place] = pieces[place]._replace(payload=stream)
            return
    data = pieces[place].payload
    start = data.find(b"BZh")
    if not substreams or start not in (0, 4):
        _change_elements(rng, pieces, others, bytewise, substreams, "nal_unit")
        return
    second = data.find(b"BZh", start + 1)
    planes = [data[start:second], data[second:]] if second > 0 else [data[start:]]
    with suppress(OSError, ValueError, EOFError):
        symbols = [bz2.decompress(plane) for plane in planes]
        chosen = rng.randrange(len(symbols))
        size = len(symbols[chosen]) if rng.random() < 0.9 else 1 << 16
        symbols[chosen] = bytewise(symbols[chosen])[:size].ljust(size if size < 1 << 16 else 0, b"\x00")
        packed = [bz2.compress(plane, rng.randint(1, 9)) for plane in symbols]
        size = len(packed[0]) + rng.choice((0, 0, 0, 0, 0, 0, 1, -1, 1 << 20))
        payload = b"".join(packed) if start == 0 else size.to_bytes(4, "big") + b"".join(packed)
        pieces[place] = pieces[place]._replace(payload=payload)


class _Code(NamedTuple):
    """An element and its bits, as a string of 0 and 1."""

    name: str
    bits: str


def _change_elements(
    rng: Random,
    pieces: list[Piece],
    others: Sequence[bytes],
    bytewise: Bytewise,
    places: Sequence[int] = (),
    name: str = "",
) -> None:
    """Give elements of one unit other values, mostly at an end of their range, and close or open the gaps.

    The unit is one of ``places``, the elements are called ``name``, where these are given and there are any.
    """
    elements = traced(join(pieces))
    starts, place = [], 8 * len(SIGNATURE_BYTES)
    for piece in pieces:
        place += 8 * len(bytes(piece))
        starts.append(place - 8 * len(piece.payload))
    # Those of a substream outnumber the rest: each unit is as likely to be chosen.
    chosen = rng.choice(places or range(len(pieces)))
    start, end = starts[chosen], starts[chosen] + 8 * len(pieces[chosen].payload)
    own = [element for element in elements if start <= element.bit_offset < end]
    if not own:
        _change_payload(rng, pieces, others, bytewise)
        return
    offsets = [element.bit_offset - start for element in own] + [end - start]
    text = f"{int.from_bytes(pieces[chosen].payload, 'big'):0{end - start}b}" if end > start else ""
    codes = [_Code(e.name, text[offsets[i] : offsets[i + 1]]) for i, e in enumerate(own)]
    named = [i for i, code in enumerate(codes) if code.name == name] or range(len(codes))
    changed = [rng.choice(named) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    for index in changed:
        bits = _other_value(rng, own[index], codes[index].bits, bytewise)
        codes[index] = codes[index]._replace(bits=bits)
        if codes[index].name == "nal_unit" and index and rng.random() < 0.9:
            codes[index - 1] = codes[index - 1]._replace(bits=_leb(len(bits) // 8))
    whole = ""
    for index, code in enumerate(codes):
        if code.name == "alignment_zero_bit" and index not in changed:
            whole += "0" * (-len(whole) % 8)
        else:
            whole += code.bits
    whole += "0" * (-len(whole) % 8)
    payload = int(whole or "0", 2).to_bytes(len(whole) // 8, "big")
    pieces[chosen] = pieces[chosen]._replace(payload=payload)


def _other_value(rng: Random, element: TracedElement, bits: str, bytewise: Bytewise) -> str:
    declared = ELEMENTS[element.name]
    kind = declared.kind
    if kind == "b":
        return "".join(f"{byte:08b}" for byte in bytewise(element.value if isinstance(element.value, bytes) else b""))
    if kind == "f":
        word = int(rng.choice(FLOATS), 16) if rng.random() < 0.7 else rng.getrandbits(32)
        return f"{word:032b}"
    assert isinstance(element.value, int)
    low, high = declared.low or 0, declared.high if declared.high is not None else element.value
    around = (low, high, low - 1, high + 1, element.value - 1, element.value + 1, 0, 1, 2**31, rng.randrange(65))
    value = rng.choice((*around, rng.getrandbits(rng.randrange(1, 18))))
    if kind == "u":
        return f"{value % (1 << len(bits)):0{len(bits)}b}" if bits else ""
    if kind == "leb":
        return _leb(max(0, value))
    if kind == "se":
        value = rng.choice((value, -value))
        value = 2 * value - 1 if value > 0 else -2 * value
    code = f"{max(0, value) + 1:b}"
    return "0" * (len(code) - 1) + code


@lru_cache(maxsize=128)
def traced(data: bytes) -> list[TracedElement]:
    """The elements of ``data``, as far as it can be read."""
    elements: list[TracedElement] = []
    with suppress(VcmError):
        for _ in BitstreamReader(io.BytesIO(data), limits=LIMITS, trace=elements.append).groups():
            pass
    return elements


def dictionary() -> list[bytes]:
    """Words that the syntax knows, for a mutator that does not: signature, unit headers, floats, sizes, NAL headers."""
    units = [bytes([kind << 4 | size]) for kind in range(1, 6) for size in range(5)]
    bounds = {bound for element in ELEMENTS.values() for bound in (element.low, element.high) if bound}
    sizes = [leb_bytes(bound) for bound in sorted(bounds)]
    numbers = [bound.to_bytes((bound.bit_length() + 7) // 8, "big") for bound in sorted(bounds)]
    words = [SIGNATURE_BYTES, b"BZh9", b"1AY&SY", b"\x17rE8P\x90", *units, *sizes, *numbers]
    words += [bytes.fromhex(word) for word in (*FLOATS, *NAL_UNITS)]
    return list(dict.fromkeys(words))


def _leb(value: int) -> str:
    return "".join(f"{byte:08b}" for byte in leb_bytes(value))


def _bits(data: bytes, first: int, length: int) -> int:
    return int.from_bytes(data, "big") >> max(0, 8 * len(data) - first - length) & ((1 << length) - 1)
