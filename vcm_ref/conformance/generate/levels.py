"""Vectors of the inner codec COEFFICIENTS: its format, its streams, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bitstream.headers import LevelFormat
from ...bitstream.values import GraphOperation as Kind
from ...bitstream.values import Grid, InnerCodecId, Shape, UnitType
from ...codec.coefficients import default_tables
from ...codec.coefficients.contexts import CONTEXTS, FLAGS
from ...codec.coefficients.levels import LENGTHS, MAX_LEVEL, LevelCoder
from ...codec.coefficients.range_coder import RangeEncoder
from ...codec.coefficients.tables import CONTEXT_COUNTS, SCALES
from ...conversion.reduction import Resize
from ...conversion.reduction.network.graph import Graph, Input, Operation, Output
from ...conversion.reduction.network.reading import checked_graph
from ...errors import CodecError
from ...models.tensors import write_tensors
from .build import Plan, Tensor, build
from .case import Variant, family
from .damage import with_payload
from .edit import RawUnit, joined, raw_units, with_value
from .graph import coded_with
from .negative import BROKEN

CODEC = InnerCodecId.COEFFICIENTS
Levels = NDArray[np.int32]
Change = Callable[[bytes], bytes]


def _plan(shape: Shape = (5, 4, 6), levels: LevelFormat | None = None, **others: object) -> Plan:
    layers = [Tensor("p2", shape)]
    return Plan(layers, codec=CODEC, levels=levels or LevelFormat(), **others)  # type: ignore[arg-type]


@family("COEF", "coefficients")
def shapes() -> Iterator[Variant]:
    """Levels of {} maps of {} lines and {} columns.

    Bands, the edges of maps, or the order of levels are not as 8.10.2 says.
    """
    for shape in [
        (1, 1, 1),
        (1, 1, 9),
        (1, 9, 1),
        (2, 3, 4),
        (16, 3, 3),
        (17, 2, 5),
        (32, 2, 2),
        (33, 2, 2),
        (57, 3, 2),
    ]:
        channels, height, width = shape
        make = partial(build, _plan(shape))
        yield Variant(f"{channels}x{height}x{width}", make, (channels, height, width))


@family("COEFQP", "coefficients")
def steps() -> Iterator[Variant]:
    """Levels with QP {}, offsets {} and {}.

    What levels stand for is not as 8.10.1 says.
    """
    for qp, one, more in [
        (0, 0, 0),
        (1, 5, -3),
        (32, -8, 23),
        (33, 23, -8),
        (34, 2, 2),
        (35, 0, 7),
        (41, 7, 0),
        (63, 4, 3),
    ]:
        make = partial(build, _plan(levels=LevelFormat(qp, (one, more))))
        yield Variant(f"{qp}", make, (qp, one, more))


@family("COEFEDGE", "coefficients")
def edges() -> Iterator[Variant]:
    """{}.

    Levels of every size, and counts that are halved, decode exactly.
    """
    cases: list[tuple[str, Shape, Callable[[Shape, int], Levels], str]] = [
        ("zeros", (40, 3, 3), _zeros, "All levels are 0: no band is coded"),
        ("last", (40, 3, 3), _last, "One level, the last"),
        ("first", (40, 3, 3), _first, "One level, the first: one band is coded of seven"),
        ("largest", (3, 2, 8), _largest, "The largest levels, and each length of an escape"),
        ("carry", (1, 1, 200), _unlikely, "Levels that are as unlikely as can be, with carries in the stream"),
        ("halved", (24, 6, 40), _dense, "So many levels that counts are halved"),
        ("positive", (6, 5, 5), _positive, "Positive levels only: signs are learnt"),
    ]
    for label, shape, values, words in cases:
        yield Variant(label, partial(build, _plan(shape, values=values)), (words,))


def _zeros(shape: Shape, seed: int) -> Levels:
    return np.zeros(shape, np.int32)


def _last(shape: Shape, seed: int) -> Levels:
    levels = np.zeros(shape, np.int32)
    levels[-1, -1, -1] = -2
    return levels


def _first(shape: Shape, seed: int) -> Levels:
    levels = np.zeros(shape, np.int32)
    levels[0, 0, 0] = 1
    return levels


def _largest(shape: Shape, seed: int) -> Levels:
    lengths = [2 + (1 << length) for length in range(16)]
    values = [*lengths, *(1 - value for value in lengths), MAX_LEVEL, -MAX_LEVEL, *range(14)]
    return np.array(values, np.int32).reshape(shape)


def _unlikely(shape: Shape, seed: int) -> Levels:
    levels = np.zeros(shape, np.int32)
    levels[0, 0, 60::70] = -40_000
    return levels


def _dense(shape: Shape, seed: int) -> Levels:
    c, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    levels: Levels = ((5 * x * x + 3 * y + 7 * c) % 11 - 5).astype(np.int32)
    return levels


def _positive(shape: Shape, seed: int) -> Levels:
    levels: Levels = np.abs(_dense(shape, seed))
    return levels


@family("COEFGROUP", "coefficients", "groups")
def groups() -> Iterator[Variant]:
    """Levels of {} pictures in a group, {} the levels of the picture before.

    Counts go on from picture to picture, and pictures may be differences where the header says so.
    """
    for before, words in ((False, "without"), (True, "with")):
        plan = _plan((9, 3, 5), LevelFormat(picture_before=before), group=3)
        yield Variant("before" if before else "plain", partial(build, plan), (3, words))
    plan = _plan((2, 2, 2), LevelFormat(picture_before=True))
    yield Variant("one", partial(build, plan), (1, "with"))


@family("COEFTIME", "coefficients", "groups", "levels over time")
def over_time() -> Iterator[Variant]:
    """Pictures of a group: {}.

    A decoder does not add the picture before, or takes the contexts of a picture alone.
    """
    form = LevelFormat(picture_before=True)
    cases: list[tuple[str, Shape, Callable[[Shape, int], Levels], str]] = [
        ("alike", (19, 4, 5), _alike, "each is coded as differences"),
        ("same", (9, 3, 4), _dense, "all are the same, so no band is coded"),
        ("cut", (19, 4, 5), _cut, "one is not like the one before, and is coded by itself"),
        ("large", (2, 2, 3), _nearly_largest, "differences of levels that are as large as can be"),
    ]
    for label, shape, values, words in cases:
        plan = _plan(shape, form, values=values, group=4)
        yield Variant(label, partial(build, plan), (words,), clauses=("8.10.2",))
    tables = LevelFormat(qp=38, model_tables=True, picture_before=True)
    make = partial(_with_tables, 1, tables, group=3, values=_alike)
    yield Variant("tables", make, ("differences with the tables of a model",), clauses=("8.10.2", "8.10.5"))


def _alike(shape: Shape, seed: int) -> Levels:
    """Of each picture, a level in eleven is one more than in the picture before."""
    c, y, x = np.ogrid[: shape[0], : shape[1], : shape[2]]
    more = sum((5 * c + 3 * y + x + picture) % 11 == 0 for picture in range(seed // 3))
    return _dense(shape, 0) + np.asarray(more, np.int32)


def _cut(shape: Shape, seed: int) -> Levels:
    return _alike(shape, seed) if seed < 6 else -_alike(shape, seed)


def _nearly_largest(shape: Shape, seed: int) -> Levels:
    levels = np.full(shape, MAX_LEVEL - seed // 3, np.int32)
    levels[1] *= -1
    return levels


@family("COEFMIX", "coefficients", "coded tensors")
def mixtures() -> Iterator[Variant]:
    """{}.

    Each tensor has its own inner codec; planes are those of the tensors that have frames.
    """
    lossless = {"codec": InnerCodecId.LOSSLESS}
    two = [Tensor("p2", (4, 3, 5), Grid(2, 2), own=lossless), Tensor("p3", (3, 2, 4))]
    yield Variant("after", partial(build, Plan(two, codec=CODEC)), ("A lossless tensor, then levels",))
    yield Variant("before", partial(build, Plan(two[::-1], codec=CODEC)), ("Levels, then a lossless tensor",))
    same = [Tensor("p2", (4, 3, 5)), Tensor("p3", (3, 2, 4)), Tensor("p4", (6, 1, 2))]
    yield Variant("same", partial(build, Plan(same, codec=CODEC)), ("Three tensors of levels of one format",))
    stage = Plan([Tensor("p2", (3, 7, 9))], codec=CODEC, stages=[Resize([2])], t2_digest=True)
    yield Variant("resized", partial(build, stage), ("Levels of a tensor that is resized",))


@family("BADCOEF", "coefficients", kind="negative", error=BROKEN)
def broken() -> Iterator[Variant]:
    """{}.

    A decoder would give out other levels, take two codes for the same ones, or go on without end.
    """
    changes: list[tuple[str, Change, str]] = [
        ("empty", lambda payload: b"", "A stream without a byte"),
        ("cut", lambda payload: payload[:-1], "The last byte is missing"),
        ("half", lambda payload: payload[: len(payload) // 2], "Half of the bytes are missing"),
        ("more", lambda payload: payload + b"\0", "A byte follows"),
        ("last", lambda payload: payload[:-1] + bytes([payload[-1] + 1]), "The last byte is not the least there is"),
    ]
    for label, change, words in changes:
        yield Variant(label, partial(_changed, change), (words,), clauses=("8.10",))
    streams: list[tuple[str, Callable[[], bytes], str]] = [
        ("bands", _too_many_bands, "More bands than there are"),
        ("lastband", _useless_band, "The last band that is coded has no level"),
        ("level", _too_large, "A level of 65536"),
        ("number", _outside, "A number of 14 bits that is 2**14"),
    ]
    for label, stream, words in streams:
        yield Variant(label, partial(_replaced, stream), (words,), clauses=("8.10",))
    words = "A difference that makes a level of 65536"
    yield Variant("sum", _too_large_a_sum, (words,), clauses=("8.10.2",))
    words = "Levels with a bit depth of 15"
    yield Variant("depth", partial(with_value, _base(), "bit_depth_minus1", 14), (words,), clauses=("7.9",))
    words = "Tables of a model, and no stage has one"
    yield Variant("tables", partial(with_value, _base(), "model_tables_flag", 1), (words,), clauses=("6.22", "7.22"))
    words = "Tables of a model, and the last stage has none"
    base = build(_plan(stages=[Resize([1])], digest_length=0))
    make = partial(with_value, base, "model_tables_flag", 1)
    yield Variant("tables_stage", make, (words,), clauses=("6.22", "7.22"))


@family("COEFTABLES", "coefficients", "models")
def tables() -> Iterator[Variant]:
    """Levels with the tables of a model: {}.

    Decoding starts from the default tables, or from those of other components.
    """
    one = partial(_with_tables, 1)
    yield Variant("one", one, ("one tensor",), clauses=("8.10.5",))
    yield Variant("two", partial(_with_tables, 2), ("two tensors, each with its own scales",), clauses=("8.10.5",))
    before = LevelFormat(qp=40, model_tables=True, picture_before=True)
    make = partial(_with_tables, 1, before, group=2)
    yield Variant("before", make, ("the picture before counts more than its scales",), clauses=("8.10.5",))


@family("BADTABLES", "coefficients", "models", kind="negative", error=BROKEN)
def bad_tables() -> Iterator[Variant]:
    """{}.

    A decoder that does not look reads beyond the tables, or counts less than nothing.
    """
    cases: list[tuple[str, Numbers, str]] = [
        ("scales", {SCALES: _SCALES[:5]}, "Scales of fewer components than are coded"),
        ("scaletype", {SCALES: _SCALES.astype(np.int16)}, "Scales of another type"),
        ("contexts", {CONTEXT_COUNTS: _COUNTS[:-1]}, "Counts of fewer contexts than there are"),
        ("contexttype", {CONTEXT_COUNTS: _COUNTS.astype(np.uint16)}, "Counts of another type"),
        ("zeros", {CONTEXT_COUNTS: _MORE_ZEROS}, "Counts of more zeros than decisions"),
    ]
    for label, change, words in cases:
        yield Variant(label, partial(_broken_tables, change), (words,), clauses=("8.10.5",))
    yield Variant("none", partial(_broken_tables, None), ("A model without tables",), clauses=("8.10.5",))


Numbers = Mapping[str, NDArray[Any]]
_SCALES = np.array([140, 131, 128, 120, 116, 255, 0, 126, 128, 99, 150, 133], np.uint8)
_ALL = np.arange(FLAGS * CONTEXTS) % 61
_COUNTS = np.stack([_ALL * (np.arange(FLAGS * CONTEXTS) % 7) // 7, _ALL], axis=1).astype(np.uint8)
_MORE_ZEROS = _COUNTS.copy()
_MORE_ZEROS[0] = 1, 0  # of a context that these levels do not use
_TABLES: Numbers = {SCALES: _SCALES, CONTEXT_COUNTS: _COUNTS}


def _with_tables(inputs: int, form: LevelFormat | None = None, numbers: Numbers = _TABLES, **options: Any) -> bytes:
    """Levels that a graph restores to layers: it doubles the first tensor, and gives it in place of itself."""
    graph = _graph(inputs)
    data = write_tensors({**graph.tensors(), **numbers})
    levels = form or LevelFormat(qp=35, offsets=(2, 2), model_tables=True)
    return coded_with(graph, [(4, 5)] * inputs, data=data, codec=CODEC, levels=levels, **options)


def _graph(inputs: int) -> Graph:
    doubled = [Operation(Kind.SCALE, 0, bits=16, p=1)]
    outputs = [inputs + 1, *range(1, inputs)]
    return checked_graph([Input(6, 0, 16, 6)] * inputs, doubled, [Output(number, 6) for number in outputs])


def _broken_tables(change: Numbers | None) -> bytes:
    """The levels of good tables, whose model is another."""
    good = _with_tables(1, digest_length=0)
    model = next(place for place, unit in enumerate(raw_units(good)) if unit.unit_type == UnitType.MODEL)
    graph = _graph(1)
    numbers = {} if change is None else {**_TABLES, **change}
    units = raw_units(good)
    payload = units[model].payload[:2] + write_tensors({**graph.tensors(), **numbers})
    units[model] = RawUnit(UnitType.MODEL, payload)
    return joined(units)


def _base() -> bytes:
    return build(_plan(digest_length=0))


def _changed(change: Change) -> bytes:
    return with_payload(_base(), change)


def _replaced(stream: Callable[[], bytes]) -> bytes:
    return _changed(lambda payload: stream())


def _too_many_bands() -> bytes:
    """Five components have four bands, in a number of three bits."""
    coder = RangeEncoder()
    coder.bits(3, 5)
    return coder.finish()


def _useless_band() -> bytes:
    """Two bands, of which the second has zeros only."""
    coder, levels = _OneBandMore(), np.zeros((5, 4, 6), np.int32)
    levels[0, 0, 0] = 1
    with suppress(CodecError):
        LevelCoder(coder, default_tables(), 5).picture(levels)
        raise AssertionError("these levels are to be refused")
    return coder.finish()


def _too_large() -> bytes:
    coder, levels = _OneLarger(), np.zeros((5, 4, 6), np.int32)
    levels[0, 0, 0] = MAX_LEVEL
    LevelCoder(coder, default_tables(), 5).picture(levels)
    return coder.finish()


def _too_large_a_sum() -> bytes:
    """The second picture of a group is one more than the first, which has the largest level."""
    plan = _plan(levels=LevelFormat(picture_before=True), group=2, digest_length=0)
    first, more = np.zeros((2, 5, 4, 6), np.int32)
    first[0, 0, 0], more[0, 0, 0] = MAX_LEVEL, 1
    coder = RangeEncoder()
    levels = LevelCoder(coder, default_tables(), 5)
    levels.picture(first)
    with suppress(CodecError):
        levels.picture(first + more, first, dependent=True)
        raise AssertionError("these levels are to be refused")
    return with_payload(build(plan), lambda payload: coder.finish())


class _OneBandMore(RangeEncoder):
    """Writes a first number that is one too large."""

    _first = True

    def bits(self, count: int, value: int = 0) -> int:
        first, self._first = self._first, False
        return super().bits(count, value + first)


def _outside() -> bytes:
    """Its level is the last one, so that nothing else tells.

    Those before it make the probability of its length no power of two: else no rest is left.
    """
    coder, levels = _Outside(), np.zeros((5, 4, 6), np.int32)
    levels[4, 1:3] = levels[4, 3, 5] = 2 + (1 << 14)
    LevelCoder(coder, default_tables(), 5).picture(levels)
    return coder.finish()


class _Outside(RangeEncoder):
    """Writes a number of 14 bits that is what 14 bits do not hold: it lies in the rest that division leaves."""

    _before = 12

    def bits(self, count: int, value: int = 0) -> int:
        if count == 14:
            self._before -= 1
        super().bits(count, 1 << 14 if self._before < 0 else value)
        return value


class _OneLarger(RangeEncoder):
    """Writes a level that is one larger: the bits after the longest length."""

    def bits(self, count: int, value: int = 0) -> int:
        super().bits(count, value + (count == LENGTHS))
        return value
