"""A trained encoder: it begins as the projection, and its integer graph, which is given the QP, stays near it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from vcm_ref.conversion.reduction.network.evaluation import Evaluator
from vcm_ref.training.integer import to_graph
from vcm_ref.training.networks.learned import LearnedKlt
from vcm_ref.training.networks.restoration import RestoredKlt, linear_inverse

from .test_restoration import SHAPES, model

DEVIATIONS = [8.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]


def network() -> LearnedKlt:
    torch.manual_seed(4)
    klt = model()
    return LearnedKlt(linear_inverse(klt, [3, 5]), klt.gain, DEVIATIONS, width=8)


def layers() -> list[torch.Tensor]:
    random = np.random.default_rng(3)
    return [torch.from_numpy(random.normal(0, 2, shape).astype(np.float32))[None] for shape in SHAPES]


@torch.no_grad()
def test_it_begins_with_the_weights_of_a_restoration() -> None:
    klt = model()
    restored = RestoredKlt(linear_inverse(klt, [3, 5]), klt.gain, DEVIATIONS, width=8)
    for values in restored.synthesis.parameters():
        values.add_(0.1 * torch.randn_like(values))
    learned = network()
    learned.begin_with(restored.state_dict())
    given = layers()
    for qp in (20, 40):
        coded = learned.analysed(given, qp)
        torch.testing.assert_close(coded, restored.analysed(given, qp))
        for ours, theirs in zip(learned.restored(coded, qp), restored.restored(coded, qp), strict=True):
            torch.testing.assert_close(ours, theirs)
    again = network()
    again.begin_with(learned.state_dict())
    assert all(torch.equal(values, again.state_dict()[name]) for name, values in learned.state_dict().items())


@torch.no_grad()
def test_the_analysis_is_given_the_qp_as_floats_and_as_integers() -> None:
    learned = network().eval()
    torch.nn.init.normal_(learned.analysis.residual[-1].weight)
    given = layers()
    floats = {qp: learned.analysed(given, qp)[0].numpy() for qp in (20, 40)}
    assert np.abs(floats[20] - floats[40]).max() > 0.1
    graph = to_graph(learned.analysis, [learned.taken(given, qp) for qp in (20, 40)], [1, 0], conditioned=True)
    numbers = [
        np.rint(np.ldexp(layer[0].numpy(), one.fraction)).astype(np.int32)
        for layer, one in zip(given, graph.inputs, strict=True)
    ]
    for qp, expected in floats.items():
        (integers,) = Evaluator(graph)(numbers, qp)
        found = np.ldexp(integers, -graph.outputs[0].fraction)
        assert np.abs(found - expected).max() < 5e-3 * np.abs(expected).max()


@torch.no_grad()
def test_more_components_begin_as_those_of_the_klt() -> None:
    """What the smaller network adds stays; where the further components are 0, the layers are the same."""
    klt = model()
    torch.manual_seed(5)
    few, more = (
        LearnedKlt(linear_inverse(klt, [3, 5], count), klt.gain, DEVIATIONS[:count], width=8) for count in (4, 7)
    )
    for name, values in few.named_parameters():
        if "linear" not in name and "projection" not in name:
            values.add_(0.1 * torch.randn_like(values))
    more.begin_with(few.state_dict())
    given = layers()
    ours, theirs = more.analysed(given, 30), few.analysed(given, 30)
    torch.testing.assert_close(ours[:, :4], theirs)
    torch.testing.assert_close(ours[:, 4:], network().analysed(given, 30)[:, 4:])
    cleared = ours.clone()
    cleared[:, 4:] = 0
    for own, other in zip(more.restored(cleared, 30), few.restored(theirs, 30), strict=True):
        torch.testing.assert_close(own, other)
    with pytest.raises(RuntimeError):
        few.begin_with(more.state_dict())
    wide = LearnedKlt(linear_inverse(klt, [3, 5]), klt.gain, DEVIATIONS, width=9)
    with pytest.raises(RuntimeError):
        wide.begin_with(few.state_dict())
