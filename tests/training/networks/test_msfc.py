"""The networks against the papers' layer tables, and against the same sums written out."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import torch.nn.functional as F  # noqa: E402

from vcm_ref.training.networks.fusion import Fusion, SqueezeExcitation  # noqa: E402
from vcm_ref.training.networks.msfc import Analysis, Architecture, Msfc, Synthesis  # noqa: E402
from vcm_ref.training.networks.reduction_network import multiplications  # noqa: E402

MASK_RCNN = Architecture((256, 256, 256, 256), (3, 2, 1, 0))
YOLOX = Architecture((64, 128, 256), (2, 1, 0), width=32, squeezed=4, coded=16)
SMALL = [
    Architecture((3, 5, 7, 2), (3, 2, 1, 0), direction, coded=4, width=6, squeezed=2)
    for direction in ("top_down", "bottom_up")
]


def pyramid(architecture: Architecture, height: int = 2, width: int = 3) -> list[torch.Tensor]:
    torch.manual_seed(1)
    return [
        torch.randn(2, channels, height << shift, width << shift)
        for channels, shift in zip(architecture.channels, architecture.shifts, strict=True)
    ]


@pytest.mark.parametrize("direction", ["top_down", "bottom_up"])
@pytest.mark.parametrize(
    ("channels", "shifts"),
    [((8, 8, 8, 8), (3, 2, 1, 0)), ((4, 8, 16), (2, 1, 0)), ((5,), (0,)), ((3, 6), (2, 0)), ((4, 4), (0, 0))],
)
def test_any_pyramid_comes_back_in_its_shapes(
    direction: str, channels: tuple[int, ...], shifts: tuple[int, ...]
) -> None:
    architecture = Architecture(channels, shifts, direction, coded=2, width=6, squeezed=2)  # type: ignore[arg-type]
    model, layers = Msfc(architecture).eval(), pyramid(architecture)
    coded = model.analysis(layers)
    assert coded.shape == (2, 2, 2, 3)
    assert [layer.shape for layer in model.synthesis(coded)] == [layer.shape for layer in layers]


def test_the_encoder_has_the_parameters_and_the_products_of_the_core_experiment() -> None:
    # MSFF: 1024·16 twice, 1024·256·9; SSFC encoder: convolution 256·64 + 64, normalisation 2·64, slopes 64
    by_hand = 2 * 1024 * 16 + 1024 * 256 * 9 + 256 * 64 + 64 + 2 * 64 + 64
    assert sum(parameter.numel() for parameter in Analysis(MASK_RCNN).parameters()) == by_hand
    counted = multiplications(Msfc(MASK_RCNN), 25, 34)
    assert counted["analysis"] == 2 * 1024 * 16 + 25 * 34 * (1024 * 256 * 9 + 256 * 64)
    assert round(counted["analysis"] / (800 * 1088) / 1000, 1) == 2.3  # thousand a pixel


def test_the_decoder_has_the_parameters_of_seven_convolutions() -> None:
    seven = 7 * 256 * 256 * 9 + 4 * 256  # the four that end in a layer have biases
    expected = seven + 64 * 256 + 256 + 2 * 256 + 256
    for direction in ("top_down", "bottom_up"):
        architecture = Architecture(MASK_RCNN.channels, MASK_RCNN.shifts, direction)  # type: ignore[arg-type]
        assert sum(parameter.numel() for parameter in Synthesis(architecture).parameters()) == expected


def test_fusion_takes_means_and_weighs_channels() -> None:
    architecture = SMALL[0]
    layers = pyramid(architecture)
    fusion = Fusion(architecture.channels, architecture.shifts, architecture.width, squeezed=2)
    pooled = []
    for layer, shift in zip(layers, architecture.shifts, strict=True):
        n, c, h, w = layer.shape
        blocks = layer.reshape(n, c, h >> shift, 1 << shift, w >> shift, 1 << shift)
        pooled.append(blocks.mean((3, 5)))
    joined = torch.cat(pooled, 1)
    attention = fusion.attention
    assert isinstance(attention, SqueezeExcitation)
    down, up = attention.squeeze.weight[:, :, 0, 0], attention.excite.weight[:, :, 0, 0]
    gates = torch.sigmoid(torch.relu(joined.mean((2, 3)) @ down.T) @ up.T)
    expected = F.conv2d(joined * gates[:, :, None, None], fusion.convolution.weight, padding=1)
    torch.testing.assert_close(fusion(layers), expected)


def test_without_squeeze_and_excitation_channels_stay_as_they_are() -> None:
    architecture = SMALL[0]
    layers = pyramid(architecture)
    fusion = Fusion(architecture.channels, architecture.shifts, architecture.width, squeezed=0)
    joined = torch.cat([F.avg_pool2d(x, 1 << s) for x, s in zip(layers, architecture.shifts, strict=True)], 1)
    torch.testing.assert_close(fusion(layers), F.conv2d(joined, fusion.convolution.weight, padding=1))


def repeat(x: torch.Tensor, shift: int) -> torch.Tensor:
    return x.repeat_interleave(1 << shift, 2).repeat_interleave(1 << shift, 3)


def test_top_down_restores_from_the_coarsest_layer() -> None:
    part = Synthesis(SMALL[0]).eval().reconstruction
    s = torch.randn(1, 6, 2, 3)
    p5 = part.finals[3](s)
    p4 = part.finals[2](repeat(part.carried[2][0](p5), 1) + repeat(s, 1))
    p3 = part.finals[1](repeat(part.carried[1][0](p4), 1) + repeat(s, 2))
    p2 = part.finals[0](repeat(part.carried[0][0](p3), 1) + repeat(s, 3))
    for ours, expected in zip(part(s), (p2, p3, p4, p5), strict=True):
        torch.testing.assert_close(ours, expected)


def test_bottom_up_restores_from_the_finest_layer() -> None:
    part = Synthesis(SMALL[1]).eval().reconstruction
    s = torch.randn(1, 6, 2, 3)
    layers = [part.finals[0](repeat(s, 3))]
    for index in (1, 2, 3):
        down = F.conv2d(layers[-1], part.carried[index - 1].weight, stride=2, padding=1)
        layers.append(part.finals[index](down + repeat(s, 3 - index)))
    for ours, expected in zip(part(s), layers, strict=True):
        torch.testing.assert_close(ours, expected)


@pytest.mark.parametrize(("architecture", "independent"), [(SMALL[0], 3), (SMALL[1], 0)])
def test_only_the_first_restored_layer_depends_on_no_other(architecture: Architecture, independent: int) -> None:
    part = Synthesis(architecture).eval().reconstruction
    s = torch.randn(1, 6, 2, 3)
    before = part(s)
    for index, final in enumerate(part.finals):
        if index != independent:
            torch.nn.init.zeros_(final.weight)
    after = part(s)
    assert [torch.equal(x, y) for x, y in zip(before, after, strict=True)] == [i == independent for i in range(4)]


def test_training_starts_near_the_means() -> None:
    model = Msfc(YOLOX)
    means = [torch.full((count,), 5.0) for count in YOLOX.channels]
    model.synthesis.start_at(means, [torch.full((count,), 0.1) for count in YOLOX.channels])
    for layer in model.eval().synthesis(model.analysis(pyramid(YOLOX))):
        assert (layer - 5).abs().max() < 0.2


def placed_blocks(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Each sample becomes a block; ``weight`` (inputs, results, lines, columns)."""
    n, _, h, w = x.shape
    _, results, lines, columns = weight.shape
    return torch.einsum("nchw,cois->nohiws", x, weight).reshape(n, results, h * lines, w * columns)


@torch.no_grad()
def test_each_place_of_a_block_has_weights_of_its_own() -> None:
    architecture = replace(SMALL[0], placed=True)
    model, layers = Msfc(architecture).eval(), pyramid(architecture)
    for parameter in model.parameters():
        parameter.copy_(0.2 * torch.randn_like(parameter))
    fusion, part = model.analysis.fusion, model.synthesis.reconstruction
    expected = without_details(fusion)(layers)
    for layer, shift, detail in zip(layers, architecture.shifts, fusion.details, strict=False):
        weight = detail[1].weight.reshape(architecture.width, -1, 1 << shift, 1 << shift)
        expected = expected + F.conv2d(layer, weight, stride=1 << shift)
    torch.testing.assert_close(fusion(layers), expected)

    s = torch.randn(1, 6, 2, 3)
    restored = [part.finals[3](s)]
    for index in (2, 1, 0):
        convolution, transposed = part.carried[index]
        carried = placed_blocks(convolution(restored[0]), transposed.weight)
        restored.insert(0, part.finals[index](carried + placed_blocks(s, part.spreads[index].weight)))
    for ours, layer in zip(part(s), restored, strict=True):
        torch.testing.assert_close(ours, layer)


def without_details(fusion: Fusion) -> Fusion:
    found = deepcopy(fusion)
    found.details = torch.nn.ModuleList()
    return found


def test_products_of_weights_for_each_place() -> None:
    repeated, placed = (multiplications(Msfc(replace(YOLOX, placed=placed)), 13, 13) for placed in (False, True))
    # P3 has blocks of 4x4 and P4 of 2x2 at 13x13 positions, and of P4's samples those of P3 are blocks of 2x2
    assert placed["analysis"] - repeated["analysis"] == 13 * 13 * (16 * 64 + 4 * 128) * 32
    assert placed["synthesis"] - repeated["synthesis"] == 13 * 13 * (16 + 4 + 4) * 32 * 32 + 26 * 26 * 4 * 32 * 32


@torch.no_grad()
@pytest.mark.parametrize("placed", [False, True])
@pytest.mark.parametrize("direction", ["top_down", "bottom_up"])
def test_a_larger_network_begins_with_what_the_smaller_one_does(direction: str, placed: bool) -> None:
    sizes = replace(MASK_RCNN if direction == "bottom_up" else YOLOX, direction=direction)  # type: ignore[arg-type]
    few = Msfc(replace(sizes, coded=8, width=16, squeezed=2))
    more = Msfc(replace(sizes, coded=12, width=24, squeezed=4, placed=placed))
    layers = pyramid(sizes)
    for _ in range(3):  # normalisation has means and deviations of its own
        few.synthesis(few.analysis(layers))
    assert not torch.equal(few.analysis.encoder.normalisation.running_mean, torch.zeros(8))
    more.begin_with(few.state_dict())
    few.eval()
    more.eval()
    coded = more.analysis(layers)
    torch.testing.assert_close(coded[:, :8], few.analysis(layers))
    assert coded[:, 8:].abs().amax(dim=(0, 2, 3)).min() > 0
    for own, other in zip(more.synthesis(coded), few.synthesis(coded[:, :8]), strict=True):
        torch.testing.assert_close(own, other)
    with pytest.raises(RuntimeError):
        few.begin_with(more.state_dict())
    again = Msfc(replace(sizes, coded=12, width=32, squeezed=4, placed=placed))
    again.begin_with(more.state_dict())
    for own, other in zip(again.eval().synthesis(coded), more.synthesis(coded), strict=True):
        torch.testing.assert_close(own, other)
