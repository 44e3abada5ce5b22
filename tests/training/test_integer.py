"""Torch networks as integer graphs: close to the float network, and exactly what torch's own integers give."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from vcm_ref.bitstream.values import GraphOperation as Kind
from vcm_ref.conversion.reduction.network.evaluation import Evaluator
from vcm_ref.conversion.reduction.network.graph import Graph
from vcm_ref.errors import NetworkError
from vcm_ref.training.integer import Widths, to_graph


class Restoration(nn.Module):
    """A linear restoration and a residual of it, from coefficients and the QP (both layers in one 1×1 convolution)."""

    def __init__(self, coded: int = 12, width: int = 16) -> None:
        super().__init__()
        self.linear = nn.Conv2d(coded, 4 * 5 + 7, 1)
        self.first = nn.Conv2d(coded + 1, width, 3, padding=1)
        self.second = nn.Sequential(nn.ReLU(), nn.Conv2d(width, width, 3, padding=1), nn.PReLU(width))
        self.last = nn.Conv2d(width, 4 * 5 + 7, 1)

    def forward(self, coded: Tensor, qp: Tensor) -> list[Tensor]:
        """Restore two layers, of which one has twice the size of the other."""
        x = self.first(torch.cat([coded, (qp - 32) / 6], 1))
        x = x + self.second(x)
        both = self.linear(coded) + self.last(x)
        return [functional.pixel_shuffle(both[:, :20], 2), both[:, 20:]]


class Fusion(nn.Module):
    """Pooling, squeeze and excitation, batch normalisation: an encoder's side."""

    def __init__(self) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(2)
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(12, 4, 1, bias=False), nn.ReLU(), nn.Conv2d(4, 12, 1), nn.Sigmoid()
        )
        self.last = nn.Sequential(nn.Conv2d(12, 6, 3, padding=1), nn.BatchNorm2d(6), nn.LeakyReLU(0.1))

    def forward(self, layers: Sequence[Tensor]) -> Tensor:
        """Fuse two layers to one tensor."""
        x = torch.cat([self.pool(layers[0]), layers[1]], 1)
        return self.last(x * self.squeeze(x))


class Enlargement(nn.Module):
    """All ways to another size, and arithmetic with constants."""

    def __init__(self) -> None:
        super().__init__()
        self.up = nn.Upsample(scale_factor=2, mode="nearest")
        self.transposed = nn.ConvTranspose2d(6, 6, 2, stride=2)
        self.depthwise = nn.Conv2d(6, 12, 3, padding=1, groups=3)
        self.down = nn.Conv2d(12, 6, 4, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.register_buffer("gain", torch.linspace(-2, 3, 6).reshape(1, 6, 1, 1))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Give three tensors."""
        y = self.depthwise(self.up(x) - self.transposed(x))
        first, second = torch.split(functional.pixel_unshuffle(y, 2), [20, 28], 1)
        z = self.norm(torch.relu(self.down(y)) * self.gain + 0.5)
        return second, z * torch.tanh(x), 1 - first[:, 3:9] / 4


def prepared(module: nn.Module, seed: int = 1) -> nn.Module:
    """The module with random statistics for its batch normalisation."""
    torch.manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean = torch.randn(part.num_features)
            part.running_var = torch.rand(part.num_features) + 0.5
    return module.eval()


def integers_of(graph: Graph, tensors: Sequence[Tensor]) -> list[np.ndarray]:
    """Inputs of a graph, as the decoder makes them."""
    return [
        np.floor(np.ldexp(tensor[0].double().numpy(), given.fraction) + 0.5).astype(np.int32)
        for tensor, given in zip(tensors, graph.inputs, strict=True)
    ]


def differences(module: nn.Module, graph: Graph, arguments: Sequence[object], condition: int = 0) -> list[float]:
    """The largest difference of each output from the float network's, over the output's largest magnitude."""
    tensors = [one for argument in arguments for one in (argument if isinstance(argument, list) else [argument])]
    inputs = integers_of(graph, tensors[: len(graph.inputs)])
    results = Evaluator(graph)(inputs, condition)
    with torch.no_grad():
        expected = module(*arguments)
    expected = expected if isinstance(expected, (list, tuple)) else [expected]
    found = []
    for result, output, wanted in zip(results, graph.outputs, expected, strict=True):
        values = np.ldexp(result.astype(np.float64), -output.fraction)
        found.append(float(np.abs(values - wanted[0].numpy()).max() / wanted.abs().max()))
    return found


def test_a_restoration_for_all_qps() -> None:
    """The linear part alone cannot hide the residual's errors: both are random and of like size."""
    module = prepared(Restoration())
    examples = [(3 * torch.randn(1, 12, 5, 4), torch.full((1, 1, 5, 4), float(qp))) for qp in (17, 27, 37, 47)]
    graph = to_graph(module, examples, [0], conditioned=True)
    for example, qp in zip(examples, (17, 27, 37, 47), strict=True):
        assert max(differences(module, graph, example, qp)) < 2e-4
    assert [(form.channels, form.shift) for form in (graph.forms[output.tensor] for output in graph.outputs)] == [
        (5, 1),
        (7, 0),
    ]


def test_an_encoders_side() -> None:
    """Two layers in one list."""
    module = prepared(Fusion())
    examples = [([torch.randn(1, 8, 6, 8), 5 * torch.randn(1, 4, 3, 4)],) for _ in range(3)]
    graph = to_graph(module, examples, [1, 0])
    for example in examples:
        assert max(differences(module, graph, example)) < 5e-3  # of which the table of 4096 entries has most
    assert Kind.MEAN in {operation.kind for operation in graph.operations}


def test_other_sizes_and_constants() -> None:
    """Groups, strides, transposed convolution, slices, constants on both sides."""
    module = prepared(Enlargement())
    examples = [(torch.randn(1, 6, 4, 6),)]
    graph = to_graph(module, examples, [0])
    assert max(differences(module, graph, examples[0])) < 2e-3


@pytest.mark.parametrize(("weights", "most"), [(8, 2e-2), (16, 2e-4)])
def test_weights_of_fewer_bits_cost_accuracy(weights: int, most: float) -> None:
    """8 bits for each weight: about a hundredth; 16: a hundredth of that."""
    module = prepared(Restoration())
    example = (3 * torch.randn(1, 12, 5, 4), torch.full((1, 1, 5, 4), 30.0))
    graph = to_graph(module, [example], [0], conditioned=True, widths=Widths(weights=weights))
    assert max(differences(module, graph, example, 30)) < most


def test_convolutions_give_what_torch_gives_with_integers() -> None:
    """A second implementation of the sums: convolution of float64, which is exact here, by torch."""
    module = prepared(nn.Sequential(nn.Conv2d(9, 12, 3, padding=1, stride=2, groups=3), nn.Conv2d(12, 5, 5, padding=2)))
    example = (torch.randn(1, 9, 8, 6),)
    graph = to_graph(module, [example], [1])
    inputs = integers_of(graph, example)
    tensor = torch.from_numpy(inputs[0]).double()[None]
    for operation, stride, groups in zip(graph.operations, (2, 1), (3, 1), strict=True):
        numbers = {name: torch.from_numpy(values.astype(np.float64)) for name, values in operation.numbers.items()}
        side = numbers["weight"].shape[-1]
        sums = functional.conv2d(
            tensor, numbers["weight"], numbers["bias"], stride=stride, padding=side // 2, groups=groups
        ).long()
        shifts = torch.from_numpy(operation.numbers["shift"].astype(np.int64))[:, None, None]
        half = torch.where(shifts > 0, 1 << (shifts - 1).clamp(min=0), 0)
        most = 1 << (operation.bits - 1)
        tensor = ((sums + half) >> shifts).clamp(-most, most - 1).double()
    np.testing.assert_array_equal(Evaluator(graph)(inputs, 0)[0], tensor[0].long().numpy())


@pytest.mark.parametrize(
    ("module", "told"),
    [
        (nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.MaxPool2d(2)), "no MaxPool2d"),
        (nn.Sequential(nn.Conv2d(3, 3, 3)), "pads with"),
        (nn.Sequential(nn.Conv2d(3, 3, 3, padding=1, stride=3)), "a stride is"),
        (nn.AdaptiveAvgPool2d(2), "means of whole maps"),
        (nn.Upsample(scale_factor=2, mode="bilinear"), "repeating samples"),
        (nn.Upsample(scale_factor=1.5), "a factor is"),
    ],
)
def test_what_a_graph_does_not_have_is_refused(module: nn.Module, told: str) -> None:
    """Named, instead of being left out."""
    with pytest.raises(NetworkError, match=told):
        to_graph(module, [(torch.randn(1, 3, 12, 12),)], [2])
