"""Vectors of the stage PCA: its elements to their ends, its place among other stages, and what is not conformant."""

from __future__ import annotations

import bz2
import io
from collections.abc import Iterator, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np

from ...bitstream.headers import (
    GroupHeader,
    PictureHeader,
    StreamHeader,
    Substream,
    TensorFormat,
    TensorHeader,
    TensorPicture,
)
from ...bitstream.stream import CodedGroup
from ...bitstream.values import Grid, InnerCodecId, Layer, Packing, RangeScope, ReorderCoding, Shape
from ...configuration import Configuration
from ...conversion.reduction import Pca, Resize, Stage
from ...conversion.reduction.pca import TensorComponents
from ...encoder import Encoder
from ...feature_set import FeatureSet
from .build import Plan, Tensor, build, samples
from .case import Variant, family
from .core import plain
from .edit import LaxBitstreamWriter
from .negative import BROKEN

ALONE = TensorComponents()
TWO = [plain("p2", 8, 5, 7, (4, 2)), plain("p3", 6, 3, 4, (3, 1))]


def reduced(layers: Sequence[Tensor], *stages: Stage, own: Sequence[dict[str, Any]] = (), **options: Any) -> Plan:
    """A plan whose coded tensors are those after the stages, each in frames of one map unless ``own`` says more."""
    tensors = [Layer(layer.name, layer.shape[0]) for layer in layers]
    shapes: list[Shape] = [layer.shape for layer in layers]
    for stage in stages:
        tensors, shapes = stage.layers(tensors), stage.shapes(shapes)
    coded = [Tensor(tensor.name, shape) for tensor, shape in zip(tensors, shapes, strict=True)]
    for place, members in enumerate(own):
        coded[place] = Tensor(coded[place].name, coded[place].shape, **members)
    given = {"t2_digest": True, "digest_length": 32, **options}
    return Plan(layers, coded=coded, stages=stages, **given)


@family("PCA", "reduction", "pca")
def restored() -> Iterator[Variant]:
    """PCA: {}.

    A tensor is the sum of its mean map and of components times coefficients, in integers, rounded once.
    """
    some = TensorComponents(3, 12, 6, [1, 0])
    plans: list[tuple[str, str, Plan]] = [
        ("all", "every tensor taken apart", reduced(TWO, Pca([some, TensorComponents(2, 13, 5, [2])]))),
        ("first", "the second tensor as it is", reduced(TWO, Pca([some, ALONE]))),
        ("second", "the first tensor as it is", reduced(TWO, Pca([ALONE, some]))),
        ("one", "one component", reduced(TWO[:1], Pca([TensorComponents(1, 12, 6)]))),
        ("most", "255 components", reduced([Tensor("p2", (4, 2, 3))], Pca([TensorComponents(255, 6, 9, [0] * 254)]))),
    ]
    for bits in (-96, -1, 0, 1, 96):
        taken = TensorComponents(2, bits, 3, [1])
        ends = [(-(2.0 ** (14 - bits)), 2.0 ** (15 - bits)), (-3.0, 2.0)]
        label = f"fraction_{'minus' * (bits < 0)}{abs(bits)}"
        plans.append((label, f"{bits} fraction bits", reduced(TWO[:1], Pca([taken]), ranges=ends)))
    for unit in (0, 1, 2, 7, 10, 11, 12, 13, 14, 15):
        taken = TensorComponents(2, 10, unit, [1])
        plans.append((f"unit_{unit}", f"a unit shift of {unit}", reduced(TWO[:1], Pca([taken]))))
    rises = [
        ("first", [8, 0, 0]),
        ("last", [0, 0, 8]),
        ("each", [3, 3, 2]),
        ("middle", [0, 7, 1]),
        ("unequal", [4, 0, 0]),
    ]
    for label, deltas in [*rises, ("five", [0, 5, 0]), ("six", [1, 6, 0])]:
        taken = TensorComponents(4, 10, 9, deltas)
        plans.append((f"shift_{label}", f"shifts that rise by {deltas}", reduced(TWO[:1], Pca([taken]))))
    large = ((-(2.0**30), 2.0**30), (-(2.0**20), 2.0**20))
    plans += [
        (
            "clip",
            "fixed-point numbers beyond their bits",
            reduced(TWO[:1], Pca([TensorComponents(2, 0, 15, [8])]), ranges=large),
        ),
        ("clipresult", "results beyond 32 bits", reduced(TWO[:1], Pca([TensorComponents(2, 0, 0, [8])]), ranges=large)),
    ]
    resize = Resize([1, 0])
    after = Pca([TensorComponents(2, 20, 8, [0]), TensorComponents(2, 9, 4, [1])])
    three = [plain("p2", 2, 41, 30, (2, 1))]
    names = [plain("n" * 32, 4, 3, 3), plain("m" * 32, 4, 2, 2)]
    mixed = [{"own": {"bit_depth": 10}}, {"own": {"bit_depth": 12}}, {"own": {"bit_depth": 7}}]
    video: list[dict[str, Any]] = [
        {"grid": Grid(2, 2), "own": {"codec": InnerCodecId.VVC, "bit_depth": 10}},
        {"grid": Grid(3, 1), "own": {"codec": InnerCodecId.VVC, "bit_depth": 10}},
    ]
    tiled = {"codec": InnerCodecId.VVC, "bit_depth": 10, "packing": Packing.STACKED}
    stacked = [{"grid": Grid(2, 2), "own": tiled}, {"grid": Grid(3, 2), "own": tiled}]
    plans += [
        ("afterresize", "after a stage RESIZE", reduced(TWO, resize, after)),
        ("beforeresize", "before a stage RESIZE", reduced(TWO, after, Resize([1, 0, 1, 2]))),
        (
            "threeresizes",
            "after three",
            reduced(three, *[Resize([2])] * 3, Pca([TensorComponents(1, 31, 15)]), ranges=large),
        ),
        ("twice", "twice", reduced(TWO[:1], Pca([some]), Pca([TensorComponents(1, 11, 4), ALONE]))),
        ("names", "names longer than a layer's may be", reduced(names, Pca([some, some]))),
        ("depths", "tensors of 10, 12 and 7 bits", reduced(TWO, Pca([some, ALONE]), own=mixed)),
        ("deep", "samples of 16 bits", reduced(TWO, Pca([some, some]), bit_depth=16)),
        ("channel", "ranges of each map", reduced(TWO, Pca([some, ALONE]), scope=RangeScope.CHANNEL)),
        ("reorder", "maps in another order", reduced(TWO, Pca([some, ALONE]), reorder=ReorderCoding.EXACT)),
        ("group", "a group of two pictures", reduced(TWO, Pca([some, ALONE]), group=2)),
        ("vvc", "maps of VVC and lossless coefficients", reduced(TWO, Pca([some, ALONE]), own=video)),
        ("stacked", "maps stacked in one picture of VVC", reduced(TWO, Pca([some, ALONE]), own=stacked)),
    ]
    for label, words, plan in plans:
        yield Variant(label, partial(build, plan), (words,))
    yield Variant("levels", _with_levels, ("coefficients that are levels",))


def _with_levels() -> bytes:
    """As the encoder makes it."""
    shapes: dict[str, Shape] = {"p2": (8, 6, 7), "p3": (6, 3, 4)}
    layers = {name: samples(shape, 8, place).astype(np.float32) for place, (name, shape) in enumerate(shapes.items())}
    configuration = Configuration(
        {
            "reduction": {"method": "pca", "components": {"p2": 3, "p3": 0}},
            "codec": {"name": {"*.coefficients": "coefficients", "default": "lossless"}, "qp": 20, "rdoq": 0.15},
            "digest_length": 32,
        }
    )
    file = io.BytesIO()
    encoder = Encoder(configuration, file)
    encoder.encode(FeatureSet(64, 96, layers))
    encoder.close()
    return file.getvalue()


@family("BADPCA", "reduction", "pca", kind="negative", error=BROKEN)
def refused() -> Iterator[Variant]:
    """A stage PCA {}.

    All else fits it, so that nothing but this rule tells.
    """
    bad: list[tuple[str, str, list[Layer], Pca]] = [
        ("nothing", "that takes no tensor apart", [Layer("p2", 2)], Pca([ALONE])),
        ("many", "of 256 components", [Layer("p2", 2)], Pca([TensorComponents(256, 0, 0, [0] * 255)])),
        ("fraction", "of 97 fraction bits", [Layer("p2", 2)], Pca([TensorComponents(1, 97)])),
        ("fractionminus", "of -97 fraction bits", [Layer("p2", 2)], Pca([TensorComponents(1, -97)])),
        ("delta", "whose shift rises by 9", [Layer("p2", 2)], Pca([TensorComponents(2, 0, 0, [9])])),
        ("shifts", "whose shifts rise by 9 in all", [Layer("p2", 2)], Pca([TensorComponents(3, 0, 0, [8, 1])])),
        (
            "maps",
            "whose maps have another tensor's name",
            [Layer("p2", 2), Layer("p2.maps", 2)],
            Pca([TensorComponents(1), ALONE]),
        ),
        (
            "coefficients",
            "whose coefficients have another tensor's name",
            [Layer("p2", 2), Layer("p2.coefficients", 2)],
            Pca([TensorComponents(1), ALONE]),
        ),
        (
            "tensors",
            "that gives 65 tensors",
            [Layer(f"p{number}", 1) for number in range(64)],
            Pca([TensorComponents(1), *[ALONE] * 63]),
        ),
    ]
    for label, words, layers, stage in bad:
        yield Variant(label, partial(_zeros, layers, stage), (words,))


def _zeros(layers: list[Layer], stage: Pca) -> bytes:
    """Layers of 2x2 samples whose coded tensors are all 0."""
    coded = stage.layers(layers)
    shapes = stage.shapes([(layer.channels, 2, 2) for layer in layers])
    header = StreamHeader(
        level=4, layers=layers, stages=[stage], tensors=[TensorHeader(TensorFormat(8)) for _ in coded]
    )
    picture = PictureHeader([], [TensorPicture([(0.0, 1.0)]) for _ in coded])
    file = io.BytesIO()
    writer = LaxBitstreamWriter(file, header)
    substreams = [Substream(lossless_data=bz2.compress(bytes(prod(shape)))) for shape in shapes]
    writer.write(CodedGroup(GroupHeader(8, 8, [(2, 2)] * len(layers), [picture]), substreams))
    writer.close()
    return file.getvalue()
