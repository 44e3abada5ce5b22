"""Vectors of what this version does not have yet: units, values, models; some are skipped, others refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache, partial

from ...bitstream.values import UnitType
from .build import build
from .case import Variant, family
from .edit import RawUnit, joined, raw_units, with_value
from .negative import BROKEN, PLAIN, base, broken, resized
from .structure import ALIKE, by_digest, in_unit


@family("UNKNOWN", "extensions", kind="negative", error="UnsupportedError")
def unknown() -> Iterator[Variant]:
    """{} is {}, which this version does not have yet.

    A decoder takes it for another value, or for damage; it has to say that it does not support it.
    """
    for value in (0, 7):
        yield _later("unit_type", value, partial(_unit_inserted, value, b"later"), "4.2")
    for value in (4, 7):
        yield _later("profile_idc", value, partial(_valued, "profile_idc", value), "6.4")
    for value in (0, 5, 15):
        yield _later("level_idc", value, partial(_valued, "level_idc", value), "6.4")
    for value in (4, 7):
        yield _later("inner_codec_idc", value, partial(_valued, "inner_codec_idc", value), "6.9")
    for value in (1,):
        yield _later("digest_idc", value, partial(_valued, "digest_idc", value), "6.4")
    for value in (0, 5, 4000):
        yield _later("stage_idc", value, partial(_stage, value), "6.6")
    for value in (2, 15):
        yield _later("model_idc", value, partial(_model_source, value), "6.18")
    yield Variant("model", _unknown_model, ("A model", "one that no decoder has"), clauses=("7.18",), base="BASE_PLAIN")
    words = ("A model", "one that was in force before")
    yield Variant("model_gone", _model_gone, words, clauses=("7.18",), base="BASE_PLAIN")


def _later(name: str, value: int, make: Callable[[], bytes], clause: str) -> Variant:
    return Variant(f"{name.replace('_', '')}_{value}", make, (name, value), clauses=(clause,), base="BASE_PLAIN")


def _unit_inserted(unit_type: int, payload: bytes, place: int = 1) -> bytes:
    units = raw_units(base())
    return joined([*units[:place], RawUnit(unit_type, payload), *units[place:]])


def _stage(value: int) -> bytes:
    return with_value(resized(), "stage_idc", value)


def _model_source(value: int) -> bytes:
    return with_value(modelled(), "model_idc", value)


@cache
def modelled() -> bytes:
    """The base with a model before its group."""
    return build(replace(PLAIN, models=[in_unit(0)]))


def _model_gone() -> bytes:
    return build(replace(PLAIN, models=[in_unit(0), in_unit(0, b"another"), by_digest(5)]))


def _unknown_model() -> bytes:
    return build(replace(PLAIN, models=[by_digest(0, b"a model that was never published")]))


@family("ANCILLARY", "extensions")
def ancillary() -> Iterator[Variant]:
    """An ancillary unit of type {} {}.

    A decoder skips ancillary units of types that it does not know, wherever they stand.
    """
    count = len(raw_units(base()))
    for unit_type in (9, 15):
        for place in range(1, count):
            words = (unit_type, f"before unit {place}")
            yield Variant(f"{unit_type}_{place}", partial(_unit_inserted, unit_type, b"later", place), words)
    yield Variant("empty", partial(_unit_inserted, 12, b""), (12, "without a byte"))
    yield Variant("userdata", partial(_unit_inserted, UnitType.USER_DATA, bytes(16), 3), (8, "between substreams"))


@family("BADANCILLARY", "extensions", kind="negative", error=BROKEN)
def bad_ancillary() -> Iterator[Variant]:
    """{}.

    Ancillary units are skipped, but not everywhere, and not unseen.
    """
    words = "An ancillary unit before the stream header"
    yield broken(partial(_unit_inserted, 9, b"x", 0), words, label="first")
    yield broken(_after_end, "An ancillary unit after the end", label="last")
    yield broken(partial(_unit_inserted, UnitType.USER_DATA, bytes(15)), "User data of 15 bytes", label="short")


def _after_end() -> bytes:
    return joined([*raw_units(base()), RawUnit(9, b"x")])


@family("BADMODEL", "models", kind="negative", error=BROKEN)
def bad_models() -> Iterator[Variant]:
    """{}.

    A model has one code, and a decoder needs its bytes.
    """
    again = [in_unit(0), in_unit(0)]
    words = "A model that is in force already, sent again"
    yield Variant("again", partial(build, replace(PLAIN, models=again)), (words,), clauses=("7.18",), base="BASE_PLAIN")
    again = [in_unit(0), by_digest(0)]
    words = "A model that is in force already, referred to"
    yield Variant("same", partial(build, replace(PLAIN, models=again)), (words,), clauses=("7.18",), base="BASE_PLAIN")
    yield broken(_short_reference, "A reference of 3 bytes", label="short")
    yield broken(partial(_long_reference), "A reference of 33 bytes", label="long")
    words = "A reference of 4 bytes, with which the SHA-256 of two models in force begin"
    alike = [*(in_unit(number, data) for number, data in enumerate(ALIKE)), by_digest(2, ALIKE[1], length=4)]
    yield Variant("alike", partial(build, replace(PLAIN, models=alike)), (words,), clauses=("7.18",), base="BASE_PLAIN")
    yield broken(partial(_unit_inserted, UnitType.MODEL, b"\0"), "A unit of one byte", label="cut")
    yield broken(partial(_unit_inserted, UnitType.MODEL, b"\0\0m", 2), "A model after the group header", label="late")
    yield broken(partial(_unit_inserted, UnitType.MODEL, b"\0\0m", 4), "A model before the end", label="end")


def _short_reference() -> bytes:
    return _referring(by_digest(0).digest[:3])


def _long_reference() -> bytes:
    return _referring(by_digest(0).digest + b"\0")


def _referring(reference: bytes) -> bytes:
    """The base with a model, and a reference to it."""
    units = raw_units(modelled())
    return joined([*units[:2], RawUnit(UnitType.MODEL, b"\x11\0" + reference), *units[2:]])


def _valued(name: str, value: int) -> bytes:
    return with_value(base("digested"), name, value)
