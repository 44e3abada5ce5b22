"""Restoration after a KLT: it begins as the stage KLT's own inverse, and as an integer graph stays near it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vcm_ref.bitstream.values import Layer, Samples
from vcm_ref.conversion.quantisation import fixed_point_range
from vcm_ref.conversion.reduction import Klt, Network
from vcm_ref.conversion.reduction.klt_model import KltModel, LayerModel, LinearMap
from vcm_ref.conversion.reduction.network.evaluation import Evaluator
from vcm_ref.conversion.reduction.network.model import NetworkModel
from vcm_ref.conversion.reduction.network.stage import NetworkTensor
from vcm_ref.errors import ModelError
from vcm_ref.training.integer import Widths, to_graph
from vcm_ref.training.networks.restoration import KltAnalysis, KltRestoration, RestoredKlt, linear_inverse

LAYERS = [Layer("p2", 3), Layer("p3", 5)]
POINTS = (4, 5)
SHAPES = [(3, 8, 10), (5, 4, 5)]


def model(components: int = 7) -> KltModel:
    """Two layers, the first of twice the size; a random basis."""
    random = np.random.default_rng(1)
    scale = random.integers(2000, 60000, components).astype(np.uint16)
    maps = [
        LinearMap(
            random.integers(-127, 128, (components, entries)).astype(np.int8),
            scale,
            random.integers(-(2**20), 2**20, entries).astype(np.int32),
        )
        for entries in (12, 5)
    ]
    return KltModel(3, tuple(LayerModel(one) for one in maps))


def model_of_two_steps(components: int = 7) -> KltModel:
    """Layers of 3 and 5 channels; blocks of 2x2 become 4 numbers, single samples 2."""
    random = np.random.default_rng(4)
    scale = random.integers(2000, 20000, components).astype(np.uint16)
    layers = []
    for entries, numbers in ((12, 4), (5, 2)):
        orthonormal = np.linalg.qr(random.normal(size=(entries, entries)))[0][:numbers]
        own_scale = np.ceil(np.abs(orthonormal).max(axis=1) / 127 * 2.0**20)
        basis = np.rint(orthonormal * 2.0**20 / own_scale[:, None]).astype(np.int8)
        mean = random.integers(-(2**14), 2**14, entries).astype(np.int32)
        first = LinearMap(basis, own_scale.astype(np.uint16), mean)
        joint = random.integers(-127, 128, (components, numbers)).astype(np.int8)
        between = random.integers(-(2**8), 2**8, numbers).astype(np.int32)
        layers.append(LayerModel(LinearMap(joint, scale, between), first))
    return KltModel(2, tuple(layers))


both_kinds = pytest.mark.parametrize("klt", [model(), model_of_two_steps()], ids=["one step", "two steps"])


def coded(components: int = 7) -> Samples:
    """Components in steps of 1/16."""
    samples = np.random.default_rng(2).integers(-300, 300, (components, *POINTS)).astype(np.int32)
    return Samples(samples, fixed_point_range(4), 1)


def values_of(samples: Samples) -> np.ndarray:
    """What integer samples stand for."""
    return samples.samples * float(samples.value_range.hi[0]) / samples.top


@both_kinds
def test_it_begins_as_the_inverse_of_the_stage(klt: KltModel) -> None:
    """The float network against the stage KLT, within its rounding; and the integer graph against it."""
    network = KltRestoration(linear_inverse(klt, [3, 5]), [10.0] * 7, width=8).eval()
    components, qp = torch.from_numpy(values_of(coded())).float()[None], torch.full((1, 1, *POINTS), 30.0)
    with torch.no_grad():
        floats = network(components, qp)
    expected = Klt(7, [1, 0], 0).ready(LAYERS, klt.to_bytes({}, {})).inverse([coded()], SHAPES)
    graph = to_graph(network, [(components, qp)], [0], conditioned=True, widths=Widths(activations=24))
    data = NetworkModel(graph).to_bytes()
    stage = Network(0, 30, [1, 0], [NetworkTensor(7, 0)])
    found = stage.ready(LAYERS, data).inverse([coded()], SHAPES)
    between = 0.0 if klt.layers[0].first is None else 2 * 2**-8 * 2.0**-klt.gain  # numbers between have 8 fraction bits
    for integers, real, wanted in zip(found, floats, expected, strict=True):
        exact = values_of(wanted)
        near = max(1e-4 * np.abs(exact).max(), between)
        assert np.abs(real[0].numpy() - exact).max() < near
        assert np.abs(values_of(integers) - exact).max() < near


def test_fewer_components() -> None:
    """The first three alone."""
    inverse = linear_inverse(model(), [3, 5], 3)
    assert inverse.weight.shape == (17, 3)
    network = KltRestoration(inverse, [1.0] * 3, width=4)
    layers = network(torch.zeros(1, 3, 2, 2), torch.zeros(1, 1, 2, 2))
    assert [layer.shape for layer in layers] == [(1, 3, 4, 4), (1, 5, 2, 2)]


def test_models_that_do_not_fit() -> None:
    """Other channels."""
    with pytest.raises(ModelError, match="not for layers of 4, 5"):
        linear_inverse(model(), [4, 5])
    with pytest.raises(ModelError, match="not for layers of 3, 4"):
        linear_inverse(model_of_two_steps(), [3, 4])


@both_kinds
def test_the_analysis_is_the_projection_of_the_stage(klt: KltModel) -> None:
    """The float convolution, and the integer graph of it, against the stage KLT."""
    random = np.random.default_rng(3)
    layers = [random.normal(0, 2, shape).astype(np.float32) for shape in SHAPES]
    (expected,) = Klt(7, [1, 0], 0).ready(LAYERS, klt.to_bytes({}, {})).forward(layers)
    analysis = KltAnalysis(linear_inverse(klt, [3, 5]), klt.gain).eval()
    given = [torch.from_numpy(layer)[None] for layer in layers]
    with torch.no_grad():
        floats = analysis(given)[0].numpy()
    near = 2e-3 * np.abs(expected).max()  # the stage takes layers with ten fraction bits
    assert np.abs(floats - expected).max() < near
    graph = to_graph(analysis, [(given,)], [1, 0])
    numbers = [
        np.rint(np.ldexp(layer, one.fraction)).astype(np.int32) for layer, one in zip(layers, graph.inputs, strict=True)
    ]
    (integers,) = Evaluator(graph)(numbers, 30)
    assert np.abs(np.ldexp(integers, -graph.outputs[0].fraction) - expected).max() < near


@torch.no_grad()
def test_more_blocks_than_the_weights_have_do_nothing_yet() -> None:
    klt = model()
    inverse = linear_inverse(klt, [3, 5])
    deviations = [8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
    torch.manual_seed(1)
    few, more = (RestoredKlt(inverse, klt.gain, deviations, width=8, blocks=blocks) for blocks in (2, 3))
    for values in few.synthesis.parameters():
        values.add_(0.1 * torch.randn_like(values))
    more.begin_with(few.state_dict())
    coded = torch.randn(2, few.coded, 4, 5)
    for ours, theirs in zip(more.restored(coded, 30), few.restored(coded, 30), strict=True):
        torch.testing.assert_close(ours, theirs)
    with pytest.raises(RuntimeError):
        few.begin_with(more.state_dict())


def test_one_layer() -> None:
    """A network that is given one layer in a list becomes a graph, too."""
    klt = KltModel(3, model().layers[1:])
    layer = np.random.default_rng(3).normal(0, 2, (5, 4, 5)).astype(np.float32)
    (expected,) = Klt(7, [0], 0).ready(LAYERS[1:], klt.to_bytes({}, {})).forward([layer])
    graph = to_graph(KltAnalysis(linear_inverse(klt, [5]), klt.gain), [([torch.from_numpy(layer)[None]],)], [0])
    numbers = np.rint(np.ldexp(layer, graph.inputs[0].fraction)).astype(np.int32)
    (integers,) = Evaluator(graph)([numbers], 30)
    found = np.ldexp(integers, -graph.outputs[0].fraction)
    assert np.abs(found - expected).max() < 2e-3 * np.abs(expected).max()
