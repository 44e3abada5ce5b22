"""Vectors of the stage KLT: shapes, steps and the ends of its arithmetic, and models that do not fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bitstream.values import Grid, ModelSource, StageId, UnitType
from ...conversion.reduction import Klt, Resize
from ...conversion.reduction.klt_model import KltModel, LayerModel, LinearMap
from ...models.tensors import write_tensors
from .build import Plan, Tensor, build, pseudo_random
from .case import Variant, family
from .edit import RawUnit, joined, raw_units, with_stage_value, with_value
from .negative import BROKEN
from .structure import by_digest, in_unit

#: Channels, height and width of a layer, its shift, and components and b of its first step, where it has one.
Drawn = tuple[int, int, int, int, int, int]


def _numbers(seed: int, count: int, low: int, high: int) -> NDArray[np.int64]:
    drawn = islice(pseudo_random(seed), 100, 100 + count)
    return np.array([low + (number >> 7) % (high - low + 1) for number in drawn], np.int64)


def _linear(seed: int, components: int, entries: int, scale: NDArray[np.uint16] | None = None) -> LinearMap:
    own = _numbers(seed + 1, components, 0, 65535).astype(np.uint16) if scale is None else scale
    basis = _numbers(seed + 2, components * entries, -128, 127).astype(np.int8).reshape(components, entries)
    return LinearMap(basis, own, _numbers(seed + 3, entries, -(1 << 20), 1 << 20).astype(np.int32))


def model_of(layers: Sequence[Drawn], components: int, gain: int = 0, scale: int | None = None) -> KltModel:
    """A model of pseudo-random numbers, the same anywhere; with one ``scale`` for all components or any."""
    scales = _numbers(7, components, 0, 65535) if scale is None else np.full(components, scale)
    made = []
    for number, (channels, _, _, shift, own, b) in enumerate(layers):
        first = _linear(1000 * number + 500, own, channels << 2 * b) if own else None
        entries = (own or channels) << 2 * (shift - b)
        made.append(LayerModel(_linear(1000 * number, components, entries, scales.astype(np.uint16)), first))
    return KltModel(gain, tuple(made))


def coded(
    layers: Sequence[Drawn], components: int = 5, of: int = 6, model: KltModel | bytes | None = None, **options: Any
) -> bytes:
    """A bitstream of ``components`` out of the model's ``of``."""
    given = model_of(layers, of) if model is None else model
    data = given if isinstance(given, bytes) else given.to_bytes({}, {})
    plan: dict[str, Any] = {
        "layers": [Tensor(f"p{k}", (layer[0], layer[1], layer[2])) for k, layer in enumerate(layers, 2)],
        "coded": [Tensor("klt", (components, 1, 1), Grid(1, 1))],
        "stages": [Klt(components, [layer[3] for layer in layers])],
        "models": [in_unit(0, data, StageId.KLT)],
        "t2_digest": True,
        "digest_length": 8,
        "bit_depth": 12,
        "ranges": ((-12.5, 15.0), (-40.0, 3.0)),
        **options,
    }
    return build(Plan(**plan))


TWO: list[Drawn] = [(2, 9, 7, 1, 0, 0), (3, 5, 4, 0, 0, 0)]


@family("KLT", "reduction", "klt")
def restored() -> Iterator[Variant]:
    """KLT with {}.

    A sum of products is rounded, or an entry of the basis stands for another channel or place.
    """
    yield Variant("two", partial(coded, TWO), ("two layers, and fewer components than the model has",))
    yield Variant("all", partial(coded, TWO, 6), ("all components",))
    one: list[Drawn] = [(3, 5, 4, 0, 0, 0)]
    yield Variant("single", partial(coded, one), ("one layer of single samples",))
    pyramid: list[Drawn] = [(2, 17, 26, 3, 0, 0), (3, 9, 13, 2, 0, 0), (1, 5, 7, 1, 0, 0), (4, 3, 4, 0, 0, 0)]
    yield Variant("pyramid", partial(coded, pyramid), ("four layers whose sizes are not dyadic",))
    sizes: list[Drawn] = [(2, 3, 2, 1, 0, 0), (3, 4, 1, 0, 0, 0), (1, 1, 9, 2, 0, 0)]
    yield Variant("sizes", partial(coded, sizes), ("layers of which each is the largest in something or nothing",))
    deep: list[Drawn] = [(1, 70, 64, 6, 0, 0)]
    yield Variant("deep", partial(coded, deep, 2, 2), ("blocks of 64x64",))
    between: list[Drawn] = [(1, 20, 17, 4, 0, 0), (1, 33, 40, 5, 0, 0)]
    yield Variant("between", partial(coded, between, 1), ("blocks of 16x16 and 32x32, and one component",))
    first: list[Drawn] = [(5, 9, 7, 2, 3, 1), (4, 5, 4, 1, 2, 0), (3, 3, 2, 0, 0, 0), (3, 8, 8, 2, 4, 2)]
    yield Variant("first", partial(coded, first), ("first steps of blocks of 1x1, 2x2 and 4x4, and none",))
    for gain in (-64, -3, 64):
        model = model_of(TWO, 6, gain)
        name = f"gain_{gain}" if gain >= 0 else f"gain_minus_{-gain}"
        yield Variant(name, partial(coded, TWO, model=model), (f"a gain of {gain}",))
    yield Variant("clipped", partial(coded, TWO, ranges=((-3.0e38, 3.0e38),)), ("components that are clipped",))
    yield Variant("rounded", partial(coded, TWO, ranges=((-0.02, 0.02),)), ("components that are rounded to 8 bits",))
    many: list[Drawn] = [(1, 2, 2, 1, 0, 0)]
    ends = KltModel(0, (LayerModel(_ends(1024, 4)),))
    options: dict[str, Any] = {"ranges": ((-4096.0, -2048.0),), "level": 2}
    yield Variant("largest_sum", partial(coded, many, 1024, model=ends, **options), ("sums of 2**52",))
    yield Variant("group", partial(coded, TWO, group=3), ("three pictures of a group",))
    more = write_tensors(model_of(TWO, 6).tensors() | {"other": np.zeros(3, np.float32)}, {"network": "none"})
    yield Variant("ignored", partial(coded, TWO, model=more), ("a tensor and metadata that it does not need",))
    data = model_of(TWO, 6).to_bytes({}, {})
    models = [in_unit(3, data), by_digest(0, data, StageId.KLT)]
    yield Variant("reference", partial(coded, TWO, models=models), ("a model that refers to the bytes of another",))
    resized: dict[str, Any] = {"stages": [Resize([1, 0]), Klt(5, [1, 0])]}
    larger: list[Drawn] = [(2, 18, 13, 1, 0, 0), (3, 5, 4, 0, 0, 0)]
    yield Variant("resized", partial(coded, larger, **resized), ("a stage RESIZE before it",))


def _ends(components: int, entries: int) -> LinearMap:
    basis = np.full((components, entries), -128, np.int8)
    basis[:, 1::2] = 127
    return LinearMap(basis, np.full(components, 65535, np.uint16), np.full(entries, 1 << 30, np.int32))


@family("BASEKLT", "base of negative vectors", "klt")
def bases() -> Iterator[Variant]:
    """What the vectors of models that do not fit the stage KLT are made from{}.

    If this one fails, those made from it say nothing.
    """
    yield Variant("plain", base_stream, ("",))


def base_stream(**options: Any) -> bytes:
    """What models that are broken are put into."""
    return coded(TWO, digest_length=0, t2_digest=False, **options)


@family("BADKLT", "reduction", "klt", kind="negative", error=BROKEN)
def refused() -> Iterator[Variant]:
    """{} beyond its range.

    A decoder reads a tensor that no model can have, or blocks larger than any layer's.
    """
    make = partial(with_stage_value, base_stream(), "klt_components_minus1", 1024)
    yield Variant("kltcomponentsminus1", make, ("klt_components_minus1 is 1024,",))
    yield Variant("kltshift", _blocks_of_128, ("klt_shift is 7,",))


def _blocks_of_128() -> bytes:
    """A block is larger than the layer with the shift 6, too, and the model has a basis for the shift 7."""
    layer: list[Drawn] = [(1, 64, 64, 6, 0, 0)]
    stream = with_value(coded(layer, 1, 1, digest_length=0, t2_digest=False), "klt_shift", 7)
    entries = 1 << 2 * 7
    other: dict[str, NDArray[Any]] = {"basis.0": np.ones((1, entries), np.int8), "mean.0": np.zeros(entries, np.int32)}
    return _model_replaced(stream, write_tensors({**model_of(layer, 1).tensors(), **other}))


@family("UNFITKLT", "reduction", "klt", kind="negative", error=BROKEN)
def unfit() -> Iterator[Variant]:
    """A model of the stage KLT with {}.

    A decoder reads beyond a tensor, or takes numbers for others.
    """
    first = _first_step(2, 8)
    joint: dict[str, NDArray[Any] | None] = {"basis.0": np.ones((6, 2), np.int8), "mean.0": np.zeros(2, np.int32)}
    changes: list[tuple[str, str, Mapping[str, NDArray[Any] | None]]] = [
        ("nogain", "no gain", {"gain": None}),
        ("gain", "a gain of 65", {"gain": np.array([65], np.int8)}),
        ("gain_negative", "a gain of -65", {"gain": np.array([-65], np.int8)}),
        ("gains", "two gains", {"gain": np.zeros(2, np.int8)}),
        ("noscale", "no scale", {"scale": None}),
        ("scaletype", "scales of another type", {"scale": np.ones(6, np.int16)}),
        ("fewer", "fewer components than are coded", _cut(4)),
        ("nocomponents", "no components", _cut(0)),
        ("toomany", "1025 components", _cut(1025)),
        ("nobasis", "no basis for a layer", {"basis.1": None}),
        ("more", "a basis for a third layer", {"basis.2": np.ones((6, 3), np.int8), "mean.2": np.zeros(3, np.int32)}),
        ("entries", "a basis of other entries", {"basis.0": np.ones((6, 9), np.int8), "mean.0": np.zeros(9, np.int32)}),
        ("shift", "a basis of another shift", {"basis.0": np.ones((6, 2), np.int8), "mean.0": np.zeros(2, np.int32)}),
        ("components", "a basis of other components", {"basis.0": np.ones((5, 8), np.int8)}),
        ("nomean", "no mean", {"mean.0": None}),
        ("mean", "a mean of other entries", {"mean.0": np.zeros(7, np.int32)}),
        ("first", "a first step, and a basis that has none", first),
        ("firstscale", "a first step without scales", {**first, **joint, "first.scale.0": None}),
        ("firstentries", "a first step of other entries", {**first, **joint, **_first_step(2, 7)}),
        (
            "firstnone",
            "a first step of no components",
            {"basis.0": np.ones((6, 0), np.int8), "mean.0": _zeros(0), **_first_step(0, 8)},
        ),
        (
            "firstmany",
            "a first step of 1025 components",
            {"basis.0": np.ones((6, 1025), np.int8), "mean.0": _zeros(1025), **_first_step(1025, 8)},
        ),
    ]
    for label, words, change in changes:
        tensors = {**model_of(TWO, 6).tensors(), **change}
        data = write_tensors({name: tensor for name, tensor in tensors.items() if tensor is not None})
        yield Variant(label, partial(with_model, data), (words,), clauses=("7.18", "7.23"), base="BASEKLT_PLAIN")
    good = model_of(TWO, 6).to_bytes({}, {})
    for label, words, make in [
        ("kind", "another kind", partial(with_model, good, kind=StageId.RESIZE)),
        ("number", "another number", partial(with_model, good, 1)),
        ("bytes", "bytes that are not a model", partial(with_model, b"model")),
        ("cut", "a byte less", partial(with_model, good[:-1])),
        ("longer", "a byte more", partial(with_model, good + b"\0")),
    ]:
        yield Variant(label, make, (words,), clauses=("7.18",), base="BASEKLT_PLAIN")


def _zeros(count: int) -> NDArray[Any]:
    return np.zeros(count, np.int32)


def _first_step(components: int, entries: int) -> dict[str, NDArray[Any] | None]:
    return {
        "first.basis.0": np.ones((components, entries), np.int8),
        "first.scale.0": np.ones(components, np.uint16),
        "first.mean.0": _zeros(entries),
    }


def _cut(components: int) -> dict[str, NDArray[Any] | None]:
    found: dict[str, NDArray[Any] | None] = {"scale": np.ones(components, np.uint16)}
    return found | {f"basis.{i}": np.ones((components, n), np.int8) for i, n in enumerate((8, 3))}


def with_model(data: bytes, number: int = 0, kind: int = StageId.KLT, **options: Any) -> bytes:
    """The base with another model."""
    return _model_replaced(base_stream(**options), data, number, kind)


def _model_replaced(stream: bytes, data: bytes, number: int = 0, kind: int = StageId.KLT) -> bytes:
    units = raw_units(stream)
    place = next(number for number, unit in enumerate(units) if unit.unit_type == UnitType.MODEL)
    units[place] = RawUnit(UnitType.MODEL, bytes([number << 4 | ModelSource.DATA, kind]) + data)
    return joined(units)
