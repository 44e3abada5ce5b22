"""Negative vectors in the substreams of video codecs: parameter sets, NAL units, inner streams."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import cache, partial

from ...bitstream import substream_syntax
from ...bitstream.headers import Substream
from ...bitstream.nal import is_access_unit_delimiter, is_parameter_set
from ...bitstream.parameter_sets import BitString, ParameterSetCode, best_code, to_bit_string, to_nal_unit
from ...bitstream.stream import Bases, BitstreamReader
from ...bitstream.values import InnerCodecId, Mode, UnitType
from .build import Plan, Tensor, build
from .case import Variant, family
from .edit import (
    LaxWriter,
    RawUnit,
    bits_of,
    elements,
    flipped,
    joined,
    payload_of,
    raw_units,
    with_elements,
    with_value,
)
from .negative import BROKEN
from .video import clip

Change = Callable[[Substream], Substream]
#: A substream that counts no leading parameter sets, as far as its NAL units.
NONE_LEADING = b"\x80"
INNER = ("BitstreamError", "CodecError")


@cache
def video(codec: InnerCodecId, digest_length: int = 0, frames: int = 3) -> bytes:
    """A bitstream with an inner video codec."""
    return build(Plan([clip(frames, Mode.RA)], codec=codec, digest_length=digest_length))


def with_payload(data: bytes, change: Callable[[bytes], bytes], occurrence: int = 0) -> bytes:
    """A bitstream whose ``occurrence``-th substream has another payload."""
    units = raw_units(data)
    number = [place for place, unit in enumerate(units) if unit.unit_type == UnitType.SUBSTREAM][occurrence]
    units[number] = RawUnit(UnitType.SUBSTREAM, change(units[number].payload))
    return joined(units)


@family("BADPARAMETERSET", "parameter sets", kind="negative", error=BROKEN)
def bad_parameter_sets() -> Iterator[Variant]:
    """{}, {}.

    A parameter set has one valid code; what is coded otherwise is damage, or hides something.
    """
    for codec in (InnerCodecId.HEVC, InnerCodecId.VVC):
        data = partial(video, codec)
        name = codec.name.lower()
        for label, words, element, value in [
            ("base", "a base beyond the list", "ps_base_idc", 99),
            ("prefix", "a prefix longer than its base", "ps_prefix_bits", 16384),
            ("prefixhigh", "a prefix beyond its range", "ps_prefix_bits", 16385),
            ("suffix", "a suffix longer than what is left of its base", "ps_suffix_bits", 16384),
            ("suffixhigh", "a suffix beyond its range", "ps_suffix_bits", 16385),
            ("middle", "more bits between than there are", "ps_middle_bits", 16384),
            ("middlehigh", "more bits between than a set has", "ps_middle_bits", 16385),
            ("count", "nine parameter sets", "num_parameter_sets", 9),
        ]:
            make = partial(_element, data, element, value)
            yield Variant(f"{name}_{label}", make, (codec.name, words))
        changes: list[tuple[str, str, Change]] = [
            ("fewer", "one set fewer counted than there are", _fewer),
            ("foreign", "a set of layer 63", partial(_foreign, codec)),
            ("slice_foreign", "a NAL unit of layer 63", partial(_foreign_filler, codec)),
        ]
        for label, words, change in changes:
            yield Variant(f"{name}_{label}", partial(_stored, codec, change), (codec.name, words))
        words = "a set among the NAL units that repeats the only one of its type"
        yield Variant(f"{name}_repeated", partial(_stored, codec, _repeated), (codec.name, words), clauses=("8.4",))
        yield Variant(f"{name}_notbest", partial(_not_best, codec), (codec.name, "not the shortest code"))
        yield Variant(
            f"{name}_shortprefix", partial(_short_prefix, codec), (codec.name, "a prefix shorter than it can be")
        )
        yield Variant(f"{name}_type", partial(_other_type, codec), (codec.name, "the type of another NAL unit"))


def _element(data: Callable[[], bytes], name: str, value: int) -> bytes:
    return with_value(data(), name, value)


def _sets(codec: InnerCodecId) -> list[BitString]:
    """The parameter sets of :func:`video`."""
    return [to_bit_string(nal_unit) for nal_unit in stored_substream(codec).parameter_sets]


def stored_substream(codec: InnerCodecId) -> Substream:
    """The substream of :func:`video`."""
    return next(BitstreamReader(io.BytesIO(video(codec))).groups()).substreams[0]


def _recoded(codec: InnerCodecId, code: ParameterSetCode) -> bytes:
    """The bitstream with another code of its first parameter set, which has no ps_middle of its own, or has."""
    data = video(codec)
    names = [element.name for element in elements(data)]
    values = {
        "ps_base_idc": code.base,
        "ps_prefix_bits": code.prefix_bits,
        "ps_suffix_bits": code.suffix_bits,
        "ps_middle_bits": code.middle_bits,
    }
    texts = {name: bits_of(name, value, 0) for name, value in values.items()}
    middle = bits_of("ps_middle", code.middle, code.middle_bits)
    if names[names.index("ps_middle_bits") + 1] == "ps_middle":
        texts["ps_middle"] = middle
    else:
        texts["ps_middle_bits"] += middle
    return with_elements(data, [(name, 0, text) for name, text in texts.items()])


def _not_best(codec: InnerCodecId) -> bytes:
    first = _sets(codec)[0]
    return _recoded(codec, ParameterSetCode(0, 0, 0, first.length, first.value))


def _short_prefix(codec: InnerCodecId) -> bytes:
    """The code that is used, with one bit of the prefix sent instead."""
    bases = Bases().of(codec)
    code = best_code(bases, _sets(codec)[0])
    last = bases[code.base].value >> (bases[code.base].length - code.prefix_bits) & 1
    middle = last << code.middle_bits | code.middle
    changed = code._replace(prefix_bits=code.prefix_bits - 1, middle_bits=code.middle_bits + 1, middle=middle)
    return _recoded(codec, changed)


def stored_instead(data: bytes, codec: InnerCodecId, substream: Substream) -> bytes:
    """A bitstream with another first substream, stored as the syntax has it, whether or not that is allowed."""
    writer = LaxWriter()
    substream_syntax.substream(writer, codec, substream, Bases().of(codec))
    return with_payload(data, lambda payload: payload_of(writer))


def _stored(codec: InnerCodecId, change: Change) -> bytes:
    return stored_instead(video(codec), codec, change(stored_substream(codec)))


def _fewer(substream: Substream) -> Substream:
    *sets, last = substream.parameter_sets
    return Substream(sets, [last, *substream.nal_units])


def _none_counted(substream: Substream) -> Substream:
    return Substream([], [*substream.parameter_sets, *substream.nal_units])


def _repeated(substream: Substream) -> Substream:
    *others, last = substream.nal_units
    return Substream(substream.parameter_sets, [*others, substream.parameter_sets[-1], last])


def _foreign(codec: InnerCodecId, substream: Substream) -> Substream:
    """With a parameter set of ``nuh_layer_id`` 63, which decoders of the base layer ignore (H.265, 7.4.2.2)."""
    head = 34 << 9 | 63 << 3 | 1 if codec == InnerCodecId.HEVC else 63 << 8 | 16 << 3 | 1
    return Substream(
        [*substream.parameter_sets, to_nal_unit(BitString(head << 24 | 0xABCDEF, 40))], substream.nal_units
    )


def _foreign_filler(codec: InnerCodecId, substream: Substream) -> Substream:
    head = 38 << 9 | 63 << 3 | 1 if codec == InnerCodecId.HEVC else 63 << 8 | 25 << 3 | 1
    filler = head.to_bytes(2, "big") + b"\xff\x80"
    return Substream(substream.parameter_sets, [*substream.nal_units, filler])


def _other_type(codec: InnerCodecId) -> bytes:
    """One set more, of the type of filler data, which decoders discard."""
    head = 38 << 9 | 1 if codec == InnerCodecId.HEVC else 25 << 3 | 1
    more = to_nal_unit(BitString(head << 16 | 0xFFFF, 32))
    return _stored(codec, lambda own: Substream([*own.parameter_sets, more], own.nal_units))


@family("BADNALUNIT", "NAL units", kind="negative", error=BROKEN)
def bad_nal_units() -> Iterator[Variant]:
    """{}: {}.

    In a byte stream it would be cut in two, or be another stream than the one that was checked.
    """
    for codec in (InnerCodecId.HEVC, InnerCodecId.VVC):
        hevc = codec == InnerCodecId.HEVC
        delimiter = bytes([35 << 1, 1, 0x50]) if hevc else bytes([0, 20 << 3 | 1, 0x18])
        filler = bytes([38 << 1, 1]) if hevc else bytes([0, 25 << 3 | 1])
        name = codec.name.lower()
        for label, words, nal in [
            ("startcode", "a start code within", filler + b"\xff\0\0\1\xff"),
            ("zeros", "three zero bytes within", filler + b"\xff\0\0\0\xff"),
            ("two", "the bytes 0, 0, 2 within", filler + b"\xff\0\0\2\xff"),
            ("trailingzero", "a zero byte at its end", filler + b"\xff\0"),
            ("delimiter", "an access unit delimiter", delimiter),
        ]:
            yield Variant(f"{name}_{label}", partial(_with_nal, codec, nal), (codec.name, words))
        yield Variant(f"{name}_first", partial(_set_first, codec), (codec.name, "a parameter set, the first one"))
        for label, words, record in [
            ("size0", "of no bytes", b"\0"),
            ("size1", "of one byte", b"\1\x26"),
            ("beyond", "longer than its unit", b"\x7f\x26\1"),
            ("huge", "of 4 GiB", b"\xff\xff\xff\xff\x0f\x26\1"),
            ("high", "of 4 GiB and one byte", b"\x80\x80\x80\x80\x10\x26\1"),
            ("overlong", "its size with a group of zeros", b"\x83\0" + filler + b"\x80"),
            ("sixgroups", "its size in six groups", b"\x83\x80\x80\x80\x80\0" + filler + b"\x80"),
            ("cut", "its size cut off", b"\x83"),
        ]:
            yield Variant(f"{name}_{label}", partial(_appended, codec, record), (codec.name, words))


def _with_nal(codec: InnerCodecId, nal: bytes) -> bytes:
    return with_payload(video(codec), lambda payload: payload + bytes([len(nal)]) + nal)


def _appended(codec: InnerCodecId, record: bytes) -> bytes:
    return with_payload(video(codec), lambda payload: payload + record)


def _set_first(codec: InnerCodecId) -> bytes:
    """No leading parameter sets counted, and all of them as they are."""
    return _stored(codec, _none_counted)


@family("INNERSTREAM", "inner codec", kind="negative")
def inner_streams() -> Iterator[Variant]:
    """{}: an inner stream of {}.

    What an inner decoder returns is believed without looking at its size and number.
    """
    for codec in (InnerCodecId.HEVC, InnerCodecId.VVC):
        name = codec.name.lower()
        for label, words, other in [
            ("fewer", "fewer frames than declared", clip(2)),
            ("more", "more frames than declared", clip(4)),
            ("higher", "higher frames than declared", clip(3, Mode.AI, 64, 32)),
            ("wider", "wider frames than declared", clip(3, Mode.AI, 32, 64)),
            ("smaller", "smaller frames than declared", clip(3, Mode.AI, 32, 32)),
        ]:
            declared = clip(3, Mode.AI, 48, 48) if label == "smaller" else clip(3)
            yield _spoiled(f"{name}_{label}", partial(_exchanged, codec, declared, other), codec, words, "8.3")
        yield _spoiled(f"{name}_empty", partial(_emptied, codec), codec, "nothing", "8.3")
        other_codec = InnerCodecId.VVC if codec == InnerCodecId.HEVC else InnerCodecId.HEVC
        words = f"the NAL units of {other_codec.name}"
        yield _spoiled(f"{name}_other", partial(_as_other, codec, other_codec), codec, words, "8.3")


def _exchanged(codec: InnerCodecId, declared: Tensor, other: Tensor) -> bytes:
    given = [unit for unit in raw_units(build(Plan([other], codec=codec))) if unit.unit_type == UnitType.SUBSTREAM]
    return with_payload(build(Plan([declared], codec=codec, digest_length=0)), lambda payload: given[0].payload)


def _emptied(codec: InnerCodecId) -> bytes:
    return with_payload(video(codec), lambda payload: NONE_LEADING)


def _as_other(codec: InnerCodecId, other: InnerCodecId) -> bytes:
    """NAL units of another codec, none of which this one takes for a parameter set."""
    records = b"".join(
        bytes([len(unit)]) + unit
        for unit in stored_substream(other).nal_units
        if len(unit) < 128 and not is_parameter_set(codec, unit) and not is_access_unit_delimiter(codec, unit)
    )
    assert records
    return with_payload(video(codec), lambda payload: NONE_LEADING + records)


@family("DAMAGED", "inner codec", "digest", kind="negative")
def damaged() -> Iterator[Variant]:
    """{}: {}.

    Inner decoders conceal errors; the digests tell.
    """
    for codec in (InnerCodecId.HEVC, InnerCodecId.VVC):
        name = codec.name.lower()
        data = partial(video, codec, 32)
        for share in (3, 5, 7, 9):
            words = f"a byte at {share} tenths of its coded data is changed"
            yield _spoiled(f"{name}_{share}", partial(_flipped_nal, data, share), codec, words, "8.7")
        yield _spoiled(f"{name}_cut", partial(_cut_nal, codec), codec, "the last NAL unit is cut short", "8.7")
        yield _spoiled(f"{name}_dropped", partial(_dropped_nal, codec), codec, "the last NAL unit is missing", "8.3")


def _spoiled(label: str, make: Callable[[], bytes], codec: InnerCodecId, words: str, clause: str) -> Variant:
    return Variant(label, make, (codec.name, words), errors=INNER, clauses=(clause,))


def _nal_places(data: bytes) -> list[tuple[int, int]]:
    """First byte and size of each NAL unit."""
    found = [element for element in elements(data) if element.name == "nal_unit"]
    return [(one.bit_offset // 8, len(one.value)) for one in found if isinstance(one.value, bytes)]


def _flipped_nal(data: Callable[[], bytes], share: int) -> bytes:
    """Changed so that it makes no start code."""
    stream = data()
    place, size = max(_nal_places(stream), key=lambda one: one[1])
    at = place + size * share // 10
    while {stream[at - 1], stream[at], stream[at + 1]} & {0, 1, 2, 3, 0x5A, 0xA5}:
        at += 1
    return flipped(stream, at, 0x5A if stream[at] ^ 0x5A > 3 else 0xA5)


def _cut_nal(codec: InnerCodecId) -> bytes:
    data = video(codec, 32)
    place, size = _nal_places(data)[-1]
    kept = data[place : place + size // 2].rstrip(b"\0")
    last = len(_nal_places(data)) - 1
    coded_size = bits_of("nal_unit_size", len(kept), 0)
    return with_elements(data, [("nal_unit_size", last, coded_size), ("nal_unit", last, bits_of("nal_unit", kept, 0))])


def _dropped_nal(codec: InnerCodecId) -> bytes:
    data = video(codec, 32)
    occurrence = len(_nal_places(data)) - 1
    return with_elements(data, [("nal_unit_size", occurrence, ""), ("nal_unit", occurrence, "")])
