"""Negative vectors in the order, the number and the sizes of units, and bitstreams that end too early."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

from ...bitstream.values import UnitType
from .case import Variant, family
from .edit import SIGNATURE_BYTES, RawUnit, joined, raw_units
from .negative import BROKEN, base, beginning, broken


@family("TRUNCATED", "truncation", kind="negative", error=BROKEN)
def truncations() -> Iterator[Variant]:
    """A bitstream of two pictures that ends {}.

    What is missing is taken as zero, or the pictures so far are given out.
    """
    offset = 4
    for number, unit in enumerate(raw_units(base("digested"))):
        kind = unit.name.lower().replace("_", "")
        head = len(unit.coded()) - len(unit.payload)
        for label, words, cut in [
            ("before", "before", offset),
            ("header", "inside the header of", offset + 1),
            ("start", "after the header of", offset + head),
            ("end", "a byte before the end of", offset + head + len(unit.payload) - 1),
        ]:
            inside = {"header": head > 1, "start": bool(unit.payload), "end": len(unit.payload) > 1}.get(label, True)
            if inside:
                told = f"{words} unit {number}, {unit.name}"
                make = partial(beginning, "digested", cut)
                yield broken(make, told, label=f"{number}_{kind}_{label}", base="BASE_DIGESTED")
        offset += len(unit.coded())


@family("UNITSIZES", "unit size", kind="negative", error=BROKEN)
def unit_sizes() -> Iterator[Variant]:
    """A unit's size: {}.

    Units overlap, bytes between them are skipped, or memory is taken for what is not there.
    """
    units = raw_units(base())
    for number, unit in enumerate(units[:-1]):
        kind = unit.name.lower().replace("_", "")
        size = len(unit.payload)
        # bytes within a substream are the inner codec's: without it, one too few or too many may not tell
        given = None if unit.unit_type == UnitType.SUBSTREAM else "BASE_PLAIN"
        words = f"what {unit.name} {number} has"
        yield broken(partial(_resized, number, size + 1), f"one more than {words}", label=f"{number}_{kind}_more")
        less = partial(_resized, number, size - 1)
        yield broken(less, f"one less than {words}", label=f"{number}_{kind}_less", base=given)
        words = f"a zero byte after what {unit.name} {number} holds"
        yield broken(partial(_padded, number), words, label=f"{number}_{kind}_padded", base=given)
    yield broken(partial(_resized, 2, 2**32 - 1), "4 GiB", label="largest")
    yield broken(partial(_long_size, 2), "with a leading zero byte", label="leadingzero")
    yield broken(partial(_long_size, 3), "in four bytes where one does", label="leadingzeros")
    yield broken(partial(_with_head, 2, bytes([3 << 4 | 5]) + bytes(5)), "in five bytes", label="fivebytes")
    yield broken(partial(_with_head, 2, bytes([3 << 4 | 15]) + bytes(15)), "in fifteen bytes", label="fifteenbytes")
    yield broken(partial(_with_head, 2, bytes([3 << 4])), "0, where a substream is", label="zero")


def _with_head(number: int, head: bytes) -> bytes:
    units = raw_units(base())
    parts = [unit.coded() for unit in units]
    parts[number] = head + units[number].payload
    return SIGNATURE_BYTES + b"".join(parts)


def _resized(number: int, size: int) -> bytes:
    length = (size.bit_length() + 7) // 8
    kind = raw_units(base())[number].unit_type
    return _with_head(number, bytes([kind << 4 | length]) + size.to_bytes(length, "big"))


def _padded(number: int) -> bytes:
    units = raw_units(base())
    units[number] = RawUnit(units[number].unit_type, units[number].payload + b"\0")
    return joined(units)


def _long_size(length: int) -> bytes:
    unit = raw_units(base())[2]
    return _with_head(2, bytes([unit.unit_type << 4 | length + 1]) + len(unit.payload).to_bytes(length + 1, "big"))


@family("UNITORDER", "order of units", kind="negative", error=BROKEN)
def unit_orders() -> Iterator[Variant]:
    """Units: {}.

    A decoder takes units as they come.
    """
    units = raw_units(base("digested"))
    names = [unit.name for unit in units]
    orders: list[tuple[str, str, list[RawUnit]]] = []
    for name in dict.fromkeys(names):
        number, kind = names.index(name), name.lower().replace("_", "")
        orders.append((f"missing_{kind}", f"one {name} is missing", units[:number] + units[number + 1 :]))
        orders.append((f"twice_{kind}", f"one {name} is there twice", units[: number + 1] + units[number:]))
    for number, (one, other) in enumerate(pairwise(names)):
        if one != other:
            swapped = [*units[:number], units[number + 1], units[number], *units[number + 2 :]]
            orders.append((f"swapped_{number}", f"{one} {number} changes places with {other}", swapped))
    layers = [*units[:2], units[3], units[2], *units[4:]]
    undigested = [unit for unit in units if unit.unit_type != UnitType.DIGEST]
    orders += [
        ("swapped_substreams", "two substreams change places", layers),
        ("nopicture", "no picture", [units[0], units[-1]]),
        ("end_size", "END with a byte", [*units[:-1], RawUnit(UnitType.END, b"\0")]),
        ("missing_digests", "no DIGEST though they have a length", undigested),
    ]
    for label, words, order in orders:
        given = None if label == "swapped_substreams" else "BASE_DIGESTED"
        yield broken(partial(joined, order), words, label=label, base=given)
    for label, words, more in [("byte", "a byte", b"\0"), ("bitstream", "a bitstream", base("digested"))]:
        make = partial(_followed, more)
        yield broken(make, f"{words} after the end", label=f"after_end_{label}", base="BASE_DIGESTED")


def _followed(more: bytes) -> bytes:
    return base("digested") + more
