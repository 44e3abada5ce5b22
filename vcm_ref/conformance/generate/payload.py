"""Negative vectors in the lossless inner codec and in the digests."""

from __future__ import annotations

import bz2
from collections.abc import Callable, Iterator
from functools import cache, partial

from ...bitstream.values import UnitType
from .build import Plan, build
from .case import Variant, family
from .core import plain
from .damage import with_payload
from .edges import zeros
from .edit import elements, flipped, raw_units, with_value
from .negative import BROKEN, base

SAMPLES = 4 * 6 * 8
Change = Callable[[bytes], bytes]


@cache
def lossless(bit_depth: int, digest_length: int = 0) -> bytes:
    """A bitstream of one layer of ``SAMPLES`` samples."""
    return build(Plan([plain("p2", 4, 6, 8)], bit_depth=bit_depth, digest_length=digest_length))


def _low_size(payload: bytes) -> int:
    return int.from_bytes(payload[:4], "big")


def _with_low_size(size: Callable[[bytes], int], payload: bytes) -> bytes:
    return size(payload).to_bytes(4, "big") + payload[4:]


def _without_high(payload: bytes) -> bytes:
    return payload[: 4 + _low_size(payload)]


def _large_symbol(payload: bytes) -> bytes:
    return _without_high(payload) + bz2.compress(b"\4" + bytes(SAMPLES - 1))


ONE_PART: dict[str, tuple[str, Change]] = {
    "empty": ("no bytes", lambda payload: b""),
    "cut": ("a byte is missing", lambda payload: payload[:-1]),
    "more": ("a byte follows", lambda payload: payload + b"\0"),
    "twice": ("the stream is there twice", lambda payload: payload * 2),
    "crc": ("its checksum is wrong", lambda payload: flipped(payload, len(payload) - 2, 255)),
    "magic": ("it is no bzip2 stream", lambda payload: b"BZx" + payload[3:]),
    "fewer": ("a sample is missing", lambda payload: bz2.compress(bytes(SAMPLES - 1))),
    "toomany": ("a sample too many", lambda payload: bz2.compress(bytes(SAMPLES + 1))),
    "bomb": ("it decompresses to 64 MiB", lambda payload: zeros(2**26)),
}
TWO_PARTS: dict[str, tuple[str, Change]] = {
    "empty": ("no bytes", lambda payload: b""),
    "lowsize": ("low_size is cut off", lambda payload: payload[:3]),
    "lowsizelarge": ("low_size exceeds what follows", partial(_with_low_size, len)),
    "lowsizehuge": ("low_size is 4 GiB", partial(_with_low_size, lambda payload: 2**32 - 1)),
    "lowsizezero": ("low_size is 0", partial(_with_low_size, lambda payload: 0)),
    "lowsizeless": ("low_size is one less", partial(_with_low_size, lambda payload: _low_size(payload) - 1)),
    "highmissing": ("the high bits are missing", _without_high),
    "highcut": ("a byte of the high bits is missing", lambda payload: payload[:-1]),
    "symbol": ("a symbol is 1024", _large_symbol),
}


@family("LOSSLESS", "lossless inner codec", kind="negative", error=BROKEN)
def damaged_lossless() -> Iterator[Variant]:
    """Lossless, {} bits: {}.

    The stream shall hold the samples exactly, and nothing else.
    """
    for bits, changes in ((8, ONE_PART), (10, TWO_PARTS)):
        for label, (words, change) in changes.items():
            yield Variant(f"{bits}_{label}", partial(_lossless, bits, change), (bits, words), clauses=("8.8",))
    symbol = partial(_lossless, 6, lambda payload: bz2.compress(b"\x40" + bytes(SAMPLES - 1)))
    yield Variant("6_symbol", symbol, (6, "a symbol is 64"), clauses=("8.8",))


def _lossless(bits: int, change: Change) -> bytes:
    return with_payload(lossless(bits), change)


@family("WRONGDIGEST", "digest", kind="negative", error=BROKEN)
def wrong_digests() -> Iterator[Variant]:
    """{}.

    Digests are there and are not compared, or only in part.
    """
    for name in ("header_digest", "t1_digest", "t2_digest"):
        count = sum(element.name == name for element in elements(base("digested")))
        for occurrence in range(count):
            for place, which in ((0, "first"), (7, "last")):
                label = f"{name.replace('_', '')}_{occurrence}_{which}"
                words = f"The {which} byte of {name} {occurrence} is wrong"
                yield _digested(label, partial(_wrong, name, occurrence, place), words)
    changes: list[tuple[str, float | bytes, str]] = [
        ("range_min", -2.5, "A range"),
        ("picture_width_minus1", 9, "The picture's width"),
        ("reorder_index", 6, "A channel order"),
        ("layer_name", b"p9", "A layer's name"),
        ("layer_height_minus1", 5, "The first layer's height"),
        ("level_idc", 3, "The level"),
    ]
    for name, value, words in changes:
        words = f"{words} has another value, and digests are as they were"
        yield _digested(f"damaged_{name.replace('_', '')}", partial(_unnoticed, name, value), words)
    words = "A sample has another value, and digests are as they were"
    yield Variant("sample", _sample_changed, (words,), clauses=("8.7",))


def _digested(label: str, make: Callable[[], bytes], words: str) -> Variant:
    return Variant(label, make, (words,), base="BASE_DIGESTED", clauses=("8.7",))


def _wrong(name: str, occurrence: int, place: int) -> bytes:
    data = base("digested")
    element = [one for one in elements(data) if one.name == name][occurrence]
    return flipped(data, element.bit_offset // 8 + place, 1)


def _unnoticed(name: str, value: float | bytes) -> bytes:
    return with_value(base("digested"), name, value)


def _sample_changed() -> bytes:
    def change(payload: bytes) -> bytes:
        symbols = bytearray(bz2.decompress(payload))
        symbols[100] ^= 4
        return bz2.compress(bytes(symbols))

    assert any(unit.unit_type == UnitType.DIGEST for unit in raw_units(lossless(8, 8)))
    return with_payload(lossless(8, 8), change)
