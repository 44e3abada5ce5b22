"""The cost of reduction and restoration, counted by hand."""

from __future__ import annotations

import numpy as np
import pytest

from conversion.reduction.klt_models import drawn
from vcm_ref.bitstream.headers import StreamHeader, TensorHeader
from vcm_ref.bitstream.values import GraphOperation as Kind
from vcm_ref.bitstream.values import Layer, Shape
from vcm_ref.conversion.chain import Chain, Choices
from vcm_ref.conversion.reduction import Klt, Network, Pca, Resize
from vcm_ref.conversion.reduction.network.graph import Input, Operation, Output
from vcm_ref.conversion.reduction.network.model import NetworkModel
from vcm_ref.conversion.reduction.network.reading import checked_graph
from vcm_ref.conversion.reduction.pca import TensorComponents
from vcm_ref.models.cost import PartCost, StageCost


def layers(*shapes: Shape) -> list[Layer]:
    return [Layer(f"p{number}", shape[0]) for number, shape in enumerate(shapes)]


def test_resize() -> None:
    """Three maps of 7 x 10, in 4 x 5 means of four; then 7 lines of 5, and 7 lines of 10, each of two values."""
    stage = Resize([1, 0])
    shapes = [(3, 7, 10), (3, 4, 5)]
    expected = StageCost(PartCost(3 * 4 * 5 * 4, 0), PartCost(3 * 7 * 5 * 2 + 3 * 7 * 10 * 2, 0))
    assert stage.ready(layers(*shapes), b"").cost(shapes) == expected
    twice = Resize([2]).cost([(3, 7, 10)])
    assert twice.reduction.macs == 3 * 4 * 5 * 4 + 3 * 2 * 3 * 4
    assert twice.restoration.macs == 3 * 7 * 3 * 2 + 3 * 7 * 10 * 2


@pytest.mark.parametrize(
    ("shape", "matrix"),
    [
        pytest.param((3, 4, 5), 3 * 3 * 20, id="fewer channels than positions"),
        pytest.param((30, 2, 3), 6 * 6 * 30, id="fewer positions than channels"),
    ],
)
def test_pca(shape: Shape, matrix: int) -> None:
    """The matrix, then two components of each value; and back, two products for each value."""
    values = shape[0] * shape[1] * shape[2]
    stage = Pca([TensorComponents(2), TensorComponents(0)])
    found = stage.cost([shape, (9, 9, 9)])
    assert found == StageCost(PartCost(matrix + 2 * values, 0), PartCost(2 * values, 0))


def test_klt_of_one_step() -> None:
    """5 x 6 samples in 3 x 3 blocks of four, of two channels; and 3 x 3 samples of three channels. Three components."""
    shapes = [(2, 5, 6), (3, 3, 3)]
    stage, model = Klt(3, [1, 0]), drawn(1, 4, [2, 3], [1, 0])
    products = 9 * 3 * (2 * 4) + 9 * 3 * 3
    parameters = (3 * 8 + 8) + (3 * 3 + 3) + 3  # basis and mean of each layer, one scale for each component
    expected = StageCost(PartCost(products, parameters), PartCost(products, parameters))
    assert stage.ready(layers(*shapes), model.to_bytes({}, {})).cost(shapes) == expected


def test_a_layer_that_is_smaller_than_the_others_is_restored_only_where_it_is() -> None:
    """4 x 4 positions; the second layer has 3 x 4 of them. An encoder continues it to all."""
    shapes = [(2, 4, 4), (2, 3, 4)]
    found = Klt(1, [0, 0]).ready(layers(*shapes), drawn(1, 1, [2, 2], [0, 0]).to_bytes({}, {})).cost(shapes)
    assert found.reduction.macs == 16 * 2 + 16 * 2
    assert found.restoration.macs == 16 * 2 + 12 * 2


def test_klt_of_two_steps() -> None:
    """Blocks of four of two channels give 5 numbers each; blocks of four of these give the components."""
    shapes: list[Shape] = [(2, 8, 8)]
    model = drawn(1, 6, [2], [2], first=[5], blocks=[1])
    first, joint = 16 * 5 * (2 * 4), 4 * 6 * (5 * 4)
    parameters = (5 * 8 + 8 + 5) + (6 * 20 + 20) + 6
    found = Klt(6, [2]).ready(layers(*shapes), model.to_bytes({}, {})).cost(shapes)
    assert found == StageCost(PartCost(first + joint, parameters), PartCost(first + joint, parameters))


def convolution(first: int, outputs: int, inputs: int, side: int) -> Operation:
    numbers = {
        "weight": np.ones((outputs, inputs, side, side), np.int8),
        "bias": np.zeros(outputs, np.int64),
        "shift": np.zeros(outputs, np.uint8),
    }
    return Operation(Kind.CONVOLUTION, first, bits=24, numbers=numbers)


def model_of_networks(analysis: bool = True) -> bytes:
    """Three maps are pooled and become one; it becomes twelve, which are three of twice the size."""
    reduced = checked_graph(
        [Input(3, 1, 12, 4)], [Operation(Kind.POOL, 0, p=1), convolution(2, 1, 3, 2)], [Output(3, 4)]
    )
    graph = checked_graph(
        [Input(1, 0, 12, 4)], [convolution(0, 12, 1, 3), Operation(Kind.SHUFFLE, 2, p=1)], [Output(3, 4)]
    )
    return NetworkModel(graph, reduced if analysis else None).to_bytes()


def test_networks() -> None:
    """7 x 10 samples are 4 x 5 points. A weight, a bias and a shift are numbers; pooling and shuffling have none."""
    shapes: list[Shape] = [(3, 7, 10)]
    stage = Network.of(model_of_networks(), layers(*shapes))
    found = stage.ready(layers(*shapes), model_of_networks()).cost(shapes)
    assert found.reduction == (20 * (3 * 2 * 2), 3 * 2 * 2 + 1 + 1)
    assert found.restoration == (20 * 12 * (3 * 3), 12 * 3 * 3 + 12 + 12)


def test_a_model_for_decoders_alone_reduces_nothing() -> None:
    shapes: list[Shape] = [(3, 7, 10)]
    stage = Network.of(model_of_networks(), layers(*shapes))
    found = stage.ready(layers(*shapes), model_of_networks(analysis=False)).cost(shapes)
    assert found.reduction == (0, 0)
    assert found.restoration.macs == 20 * 12 * (3 * 3)


def chain_of(*stages: Resize) -> Chain:
    header = StreamHeader(layers=[Layer("p2", 3)], stages=list(stages), tensors=[TensorHeader()])
    return Chain(header)


def test_a_chain_adds_its_stages() -> None:
    """The second stage gets what the first one gives."""
    shapes: list[Shape] = [(3, 8, 8)]
    found = chain_of(Resize([1]), Resize([1])).cost(shapes)
    first, second = Resize([1]).cost(shapes), Resize([1]).cost([(3, 4, 4)])
    assert found is not None
    assert found.reduction.macs == first.reduction.macs + second.reduction.macs
    assert found.restoration.macs == first.restoration.macs + second.restoration.macs


def test_a_chain_without_reduction_has_no_cost() -> None:
    assert chain_of().cost([(3, 8, 8)]) is None


def test_a_chain_keeps_the_time_of_its_stages() -> None:
    """Without stages there is none."""
    for chain, stages in ((chain_of(Resize([1])), True), (chain_of(), False)):
        picture = chain.forward({"p2": np.ones((3, 8, 8), np.float32)}, Choices())
        assert (chain.reduction_s > 0) == stages
        assert chain.restoration_s == 0
        shape = (3, 4, 4) if stages else (3, 8, 8)
        tensors = chain.to_tensors(picture.frames, [shape], picture.side.orders)
        chain.to_layers(tensors, picture.side.ranges, [(3, 8, 8)])
        assert (chain.restoration_s > 0) == stages
