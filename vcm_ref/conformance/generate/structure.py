"""Positive vectors of groups, coded tensors of their own, reduction stages, models, user data and extensions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from ...bitstream.headers import (
    Model,
    UserData,
)
from ...bitstream.values import (
    REFERENCE_BYTES,
    Allocation,
    Grid,
    InnerCodecId,
    Mode,
    ModelSource,
    Packing,
    RangeScope,
    ReorderCoding,
)
from ...conversion.reduction import Resize
from .build import Tensor
from .case import Variant, family
from .core import built, plain


@family("GROUP", "groups")
def groups() -> Iterator[Variant]:
    """Groups of {} pictures: {}.

    A substream has the frames of all pictures of its group, picture after picture; ranges and orders are each
    picture's own, or as in the picture before.
    """
    made = [plain("p2", 12, 5, 4, (3, 2)), plain("p3", 6, 2, 3, (3, 2))]
    reorder = {"reorder": ReorderCoding.EXACT}
    for count in (2, 3):
        yield Variant(f"{count}_own", built(made, group=count, **reorder), (count, "all their own"))
        yield Variant(f"{count}_same", built(made, group=count, same=True, **reorder), (count, "all the same"))
    one = {"ranges": [(-1.5, 6.0)], **reorder}
    yield Variant("ranges", built(made, group=2, **one), (2, "ranges the same, orders not"))
    yield Variant("orders", built(made, group=3, order="reversed", **reorder), (3, "orders the same, ranges not"))
    for scope in RangeScope:
        options = {"scope": scope, "group": 3, **reorder}
        yield Variant(f"scope_{scope.name.lower()}", built(made, **options), (3, f"ranges of scope {scope.name}"))
    fixed = {"reorder": ReorderCoding.FIXED_LENGTH, "scope": RangeScope.CHANNEL}
    yield Variant("fixedlength", built(made, group=2, **fixed), (2, "orders index by index"))
    own = [layer.shape[1:] for layer in made]
    sizes = [[(40, 60), *own], [(30, 20), (6, 7), (1, 2)]]
    yield Variant("two", built(made, group=2, sizes=sizes, **reorder), (2, "two groups of different size"))
    grid = (3, 4)
    stacked = [plain("p2", 12, 5, 4, grid), plain("p3", 12, 2, 3, grid)]
    yield Variant("stacked", built(stacked, group=3, packing=Packing.STACKED), (3, "stacked"))
    yield Variant("quilted", built(made, group=2, packing=Packing.QUILTED, **reorder), (2, "quilted"))
    tiny = [plain("p2", 1, 1, 1, (1, 1))]
    yield Variant("1024", built(tiny, group=1024, same=True), (1024, "the most that there can be"))


@family("TENSORS", "coded tensors")
def tensors() -> Iterator[Variant]:
    """Coded tensors with parameters of their own: {}.

    Each tensor has its own format, grid, allocation and mode; what is as in the tensor before costs one bit.
    """
    deep = plain("p2", 12, 5, 4, (3, 2))
    changes: list[tuple[str, str, dict[str, Any]]] = [
        ("depth", "bit depths", {"bit_depth": 11}),
        ("scope", "scopes of ranges", {"scope": RangeScope.CHANNEL}),
        ("fixed", "fixed ranges", {"scope": RangeScope.FIXED, "ranges": [(-2.5, 3.0)]}),
        ("picture", "one scope of ranges that is the picture's", {"scope": RangeScope.PICTURE}),
        ("reorder", "reorder codings", {"reorder": ReorderCoding.FIXED_LENGTH}),
        ("packing", "packings", {"packing": Packing.QUILTED}),
        ("allocation", "allocations", {"allocation": Allocation.INTERLEAVED}),
    ]
    for label, words, own in changes:
        other = Tensor("p3", (12, 3, 2), Grid(3, 2), own=own)
        third = Tensor("p4", (6, 2, 2), Grid(3, 2), own=own)
        yield Variant(label, built([deep, other, third], reorder=ReorderCoding.EXACT), (words,))
    interleaved = [plain("p2", 12, 5, 4, (3, 2)), plain("p3", 6, 5, 4, (3, 2)), plain("p4", 12, 5, 4, (3, 2))]
    words = "the allocation of a tensor that has one frame, between two that have several"
    yield Variant("oneframe", built(interleaved, allocation=Allocation.INTERLEAVED), (words,))
    run = {"packing": Packing.STACKED}
    mixed = [
        Tensor("a", (6, 3, 4), Grid(3, 2), own=run),
        Tensor("b", (12, 3, 4), Grid(3, 4), own=run),
        Tensor("c", (6, 3, 4), Grid(3, 1)),
        Tensor("d", (9, 2, 2), Grid(3, 3), own=run),
        Tensor("e", (12, 1, 5), Grid(3, 4), own={**run, "reorder": ReorderCoding.EXACT}),
    ]
    yield Variant("runs", built(mixed), ("two runs of stacked tensors, and one that is not stacked between them",))
    for name, codec in (("hevc", InnerCodecId.HEVC), ("vvc", InnerCodecId.VVC)):
        lossless = Tensor("p3", (6, 3, 2), Grid(3, 1))
        video = [Tensor(f"p{k}", (2, 32, 32), mode=Mode(k % 3), own={"codec": codec}) for k in (2, 4, 5)]
        layers = [video[0], lossless, *video[1:]]
        yield Variant(name, built(layers), (f"{codec.name} and LOSSLESS, in each mode",))


@family("RESIZE", "reduction", "resize")
def resizes() -> Iterator[Variant]:
    """RESIZE with shifts {}: {}.

    The decoder interpolates between the centres of blocks in exact integers, and divides by (2**n - 1) * (2 * f)**2.
    """
    made = [plain("p2", 4, 13, 18), plain("p3", 4, 7, 9), plain("p4", 4, 4, 5)]
    for shifts in ([1, 0, 0], [2, 1, 0], [1, 1, 1], [2, 2, 2], [0, 0, 2]):
        options = {"stages": [Resize(list(shifts))], "t2_digest": True, "digest_length": 32}
        yield Variant("".join(map(str, shifts)), built(made, **options), (shifts, "layers of 13x18, 7x9 and 4x5"))
    for height, width in [(1, 1), (1, 9), (8, 1), (2, 3), (16, 16)]:
        options = {"stages": [Resize([2])], "t2_digest": True}
        layer = [plain("p2", 2, height, width, (1, 1))]
        yield Variant(f"{height}x{width}", built(layer, **options), ([2], f"a layer of {height}x{width}"))
    two = {"stages": [Resize([1, 0, 1]), Resize([2, 0, 1])], "t2_digest": True, "bit_depth": 16}
    yield Variant("twice", built(made, **two), ([[1, 0, 1], [2, 0, 1]], "two stages, 16 bits"))
    three = {"stages": [Resize([1]), Resize([1]), Resize([2])], "bit_depth": 10, "t2_digest": True}
    yield Variant("three", built([plain("p2", 2, 40, 30, (2, 1))], **three), ([[1], [1], [2]], "three stages"))
    four = {"stages": [Resize([2])] * 4, "bit_depth": 16, "t2_digest": True, "scope": RangeScope.CHANNEL}
    yield Variant("four", built([plain("p2", 2, 300, 260, (2, 1))], **four), ([[2]] * 4, "four stages, 16 bits"))
    grouped = {"stages": [Resize([1, 1, 0])], "group": 2, "reorder": ReorderCoding.EXACT, "t2_digest": True}
    yield Variant("group", built(made, **grouped), ([1, 1, 0], "a group of two"))
    stacked = {"stages": [Resize([1, 0, 0])], "packing": Packing.STACKED}
    yield Variant("stacked", built(made, **stacked), ([1, 0, 0], "stacked, without a T2 digest"))


@family("T2DIGEST", "digest")
def t2_digests() -> Iterator[Variant]:
    """A T2 digest of {} bytes{}.

    It covers the restored layers of a picture, with their names, as float32.
    """
    made, options = [plain(), plain("p3")], {"t2_digest": True, "stages": [Resize([1, 0])]}
    for length in (1, 8, 32):
        yield Variant(str(length), built(made, digest_length=length, **options), (length, ""))
    yield Variant("group", built(made, group=2, **options), (8, ", of each picture of a group"))


#: Two models whose SHA-256 begin with the same four bytes, c3f2018c.
ALIKE = b"model 61386", b"model 125049"


def in_unit(number: int, data: bytes = b"model", kind: int = 0) -> Model:
    """A model in a unit."""
    return Model(number, kind, ModelSource.DATA, data)


def by_digest(number: int, data: bytes = b"model", kind: int = 0, length: int = REFERENCE_BYTES) -> Model:
    """A reference of ``length`` bytes to a model of these bytes."""
    digest = hashlib.sha256(data).digest()
    return Model(number, kind, ModelSource.REFERENCE, b"", digest, digest[:length])


@family("MODEL", "models")
def models() -> Iterator[Variant]:
    """Models in force: {}.

    A model stays in force until its number is used again; the header digest covers kind and bytes of all of them.
    """
    for label, words, given in [
        ("one", "one", [in_unit(0)]),
        ("empty", "one without bytes", [in_unit(3, b"")]),
        (
            "several",
            "three, not in the order of their numbers",
            [in_unit(15), in_unit(0, b"x"), in_unit(7, b"y" * 300)],
        ),
        ("kinds", "the same bytes for other stages", [in_unit(0), in_unit(1, kind=1), in_unit(2, kind=255)]),
        ("replaced", "one that is replaced", [in_unit(0), in_unit(0, b"another")]),
        ("rekinded", "one that is replaced by itself, of another kind", [in_unit(0), in_unit(0, kind=1)]),
        ("reference", "one that refers to the bytes of another", [in_unit(0), by_digest(1)]),
        ("reference4", "a reference of 4 bytes", [in_unit(0), by_digest(1, length=4)]),
        ("reference32", "a reference of 32 bytes", [in_unit(0), by_digest(1, length=32)]),
        (
            "alike",
            "two whose SHA-256 begin with the same 4 bytes, and a reference of 5 bytes",
            [*(in_unit(number, data) for number, data in enumerate(ALIKE)), by_digest(2, ALIKE[1], length=5)],
        ),
        (
            "rereferred",
            "a reference of 4 bytes to bytes that are in force twice",
            [in_unit(0), in_unit(1), by_digest(2, length=4)],
        ),
    ]:
        yield Variant(label, built([plain()], models=given), (words,))


@family("USERDATA", "user data")
def user_data() -> Iterator[Variant]:
    """User data of {} bytes.

    A decoder skips them.
    """
    for count in (0, 1, 300):
        given = UserData(bytes(range(16)), bytes(number % 251 for number in range(count)))
        yield Variant(str(count), built([plain()], user_data=given), (count,))


@family("EXTENSION", "extensions")
def extensions() -> Iterator[Variant]:
    """Headers with an extension of {} bytes.

    A decoder skips it; the header digest covers it.
    """
    for count in (1, 2, 4095):
        made = built([plain()], extension=bytes(number % 253 for number in range(count)))
        yield Variant(str(count), made, (count,))
