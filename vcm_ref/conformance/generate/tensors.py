"""Negative vectors in what is coded once for what is the same: tensors, stages, the pictures of a group."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from ...bitstream.values import Grid, InnerCodecId, Mode, Packing, ReorderCoding
from ...conversion.reduction import Resize
from .build import Plan, Tensor, build
from .case import Variant, family
from .core import plain
from .edit import bits_of, elements, with_element, with_elements, with_value
from .negative import BROKEN, resized


@family("SAMEFLAG", "coded tensors", "groups", kind="negative", error=BROKEN)
def same_flags() -> Iterator[Variant]:
    """{}.

    The same content would have two codes, or parameters are taken that do not fit.
    """
    two = [plain("p2"), plain("p3", 4, 3, 4)]
    yield Variant("tensor", partial(_unsame, two, "same_tensor_flag", "00"), ("A tensor that is as the one before",))
    other = [plain("p2"), plain("p3", 4, 3, 4, (1, 2))]
    make = partial(_unsame, other, "same_format_flag", "0" + FORMAT)
    yield Variant("format", make, ("A format that is as the one before",))
    misfit = [plain("p2", 4), plain("p3", 6, 3, 4, (3, 1))]
    make = partial(_unsame, misfit, "same_tensor_flag", "1")
    yield Variant("misfit", make, ("A tensor that is as the one before, whose grid does not fit",))
    for name, words in (("ranges", "Ranges"), ("orders", "Channel orders")):
        make = partial(_spelt_out, name)
        yield Variant(name, make, (f"{words} that are those of the picture before, and coded again",))


#: bit_depth_minus1 7, and the first value of all else but range_scope_idc, which is TENSOR.
FORMAT = f"{7:04b}{0:03b}{2:02b}{0:02b}{0:02b}"


def _unsame(layers: list[Tensor], name: str, bits: str) -> bytes:
    """``bits`` in place of a flag; where the flag said that all is the same, the grid follows it."""
    data = build(Plan(layers, digest_length=0))
    if name == "same_tensor_flag" and bits == "00":
        bits = "0" + "1" + bits_of("grid_columns_minus1", 1, 0) + bits_of("grid_rows_minus1", 1, 0)
    if bits == "1":  # what follows goes
        gone = ("same_format_flag", "grid_columns_minus1", "grid_rows_minus1")
        places = {"same_format_flag": 0, "grid_columns_minus1": 1, "grid_rows_minus1": 1}
        return with_elements(data, [(name, 0, bits), *((one, places[one], "") for one in gone)])
    return with_element(data, name, bits)


def _spelt_out(what: str) -> bytes:
    """The second picture of a group has what the first has."""
    plan = Plan([plain()], digest_length=0, reorder=ReorderCoding.EXACT, group=2, same=True)
    data = build(plan)
    traced = elements(data)
    if what == "ranges":
        pair = [one.value for one in traced if one.name in ("range_min", "range_max")]
        bits = "0" + "".join(bits_of("range_min", value, 32) for value in pair)
        # both flags stand before the ranges
        return with_elements(data, [("ranges_as_before_flag", 0, "0"), ("orders_as_before_flag", 0, "1" + bits[1:])])
    index = next(one.value for one in traced if one.name == "reorder_index")
    return with_element(data, "orders_as_before_flag", "0" + bits_of("reorder_index", index, 5))


@family("BADSTAGE", "reduction", kind="negative", error=BROKEN)
def bad_stages() -> Iterator[Variant]:
    """{}.

    A stage's payload says its length so that a decoder can tell where it ends.
    """
    yield Variant("nothing", partial(_shift, 0), ("A stage RESIZE that resizes nothing",))
    for label, words, bits in [("short", "shorter", 1), ("long", "longer", 3), ("huge", "far longer", 16384)]:
        make = partial(_payload_bits, bits)
        yield Variant(label, make, (f"A payload that is {words} than it says",))
    yield Variant("toolong", partial(_payload_bits, 16385), ("A payload longer than may be",))
    yield Variant("five", _five_stages, ("Five stages",))


def _shift(value: int) -> bytes:
    """Of a map of one sample, which keeps its size."""
    stream = build(Plan([plain("p2", 2, 1, 1, (1, 1))], stages=[Resize([1])], digest_length=0))
    return with_value(stream, "resize_shift", value)


def _payload_bits(value: int) -> bytes:
    return with_value(resized(), "stage_payload_bits", value)


def _five_stages() -> bytes:
    data = build(Plan([plain()], stages=[Resize([1])] * 4, digest_length=0))
    stage = bits_of("stage_idc", 1, 0) + bits_of("stage_payload_bits", 2, 0) + "01"
    return with_element(data, "num_stages", bits_of("num_stages", 5, 0) + stage)


@family("STACKMISFIT", "packing", kind="negative", error=BROKEN)
def stack_misfits() -> Iterator[Variant]:
    """Stacked tensors that differ in {}.

    They share a substream, which has one depth, one inner codec and one mode.
    """
    cases: list[tuple[str, str, dict[str, Any], InnerCodecId]] = [
        ("depth", "bit depth", {"bit_depth": 9}, InnerCodecId.LOSSLESS),
        ("codec", "inner codec", {"codec": InnerCodecId.LOSSLESS}, InnerCodecId.VVC),
    ]
    for label, words, own, codec in cases:
        layers = [Tensor("p2", (4, 20, 20), Grid(2, 2)), Tensor("p3", (4, 20, 20), Grid(2, 2), own=own)]
        plan = Plan(layers, digest_length=0, packing=Packing.STACKED, codec=codec)
        yield Variant(label, partial(_unlike, plan), (words,))
    layers = [Tensor("p2", (4, 20, 20), Grid(2, 2)), Tensor("p3", (4, 20, 20), Grid(2, 2), Mode.RA)]
    plan = Plan(layers, digest_length=0, packing=Packing.STACKED, codec=InnerCodecId.VVC)
    yield Variant("mode", partial(_unlike, plan), ("mode",))


def _unlike(plan: Plan) -> bytes:
    """The second tensor's header, taken from a plan in which a tensor that is not stacked stands before it."""
    whole = build(replace(plan, layers=[replace(layer, own={}, mode=Mode.AI) for layer in plan.layers]))
    form = replace(plan, **plan.layers[1].own)
    bits = f"0{'1' if form == plan else '0'}"
    if form != plan:
        bits += f"{form.bit_depth - 1:04b}{form.codec:03b}{2:02b}{0:02b}{2:02b}"
    bits += bits_of("grid_columns_minus1", 1, 0)
    if form.codec != InnerCodecId.LOSSLESS:
        bits += f"{plan.layers[1].mode:02b}"
    return with_element(whole, "same_tensor_flag", bits)
