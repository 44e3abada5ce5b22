"""Torchvision's ImageNet classifiers of Rhee et al.'s Table 1, split after one layer.

The table repeats Suzuki et al., "Deep Feature Compression With Spatio-Temporal Arranging for Collaborative
Intelligence", ICIP 2020: layers 8 and 11 of VGG-16, 13 and 15 of ResNet-18. ``docs/networks.md`` says how those
numbers are read here, and what in that is inferred: the weighted layers are counted from 1 in the order in which they
run (shortcut projections not), and a layer is what follows the activation after the n-th.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torchvision import __version__ as torchvision_version
from torchvision import models
from torchvision.models import get_model_weights

from vcm_ref.errors import NetworkError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.models.cost import PartCost
from vcm_ref.network.checks import CPU, check_layers, check_resized, picture_size
from vcm_ref.network.torch_cost import split_cost
from vcm_ref.network.torch_parts import (
    as_layer,
    as_tensor,
    chosen_device,
    device_record,
    exact_inference,
    model_with_weights,
)
from vcm_ref.network.weights_files import DEFAULT
from vcm_ref.task.classification import Classification


class Cut(NamedTuple):
    """Where a numbered layer is: its name, its shape (C, H, W), and how many modules of the chain part 1 runs."""

    name: str
    shape: tuple[int, int, int]
    modules: int


CUTS: dict[str, dict[int, Cut]] = {
    "vgg16": {8: Cut("conv4_1", (512, 28, 28), 19), 11: Cut("conv5_1", (512, 14, 14), 26)},
    "resnet18": {13: Cut("res4b", (256, 14, 14), 10), 15: Cut("res5a", (512, 7, 7), 11)},
}
"""Model, then layer number in the paper's count, to the place. Names are those of the networks' first releases."""


class TorchvisionClassifier:
    """VGG-16 or ResNet-18 behind the project's network interface; it sees 224 × 224 samples of every picture.

    ``layer`` is a number of `CUTS`. Raises `NetworkError` for another, and where the weights cannot be had.
    """

    def __init__(
        self, model: str, layer: int | None = None, weights: str | Path = DEFAULT, seed: int = 0, device: str = CPU
    ) -> None:
        self._device = chosen_device(device)
        self.name = f"torchvision {model}"
        if layer not in CUTS[model]:
            known = " and ".join(map(str, CUTS[model]))
            raise NetworkError(f"network.layer: {model} can be split at layers {known}; got {layer}")
        self._layer = layer
        self._cut = CUTS[model][layer]
        self.layers = (self._cut.name,)
        published = get_model_weights(model).DEFAULT
        self.model, self._weights = model_with_weights(
            lambda: getattr(models, model)(weights=None), weights, seed, lambda: str(published.url)
        )
        self.class_names: Mapping[int, str] = dict(enumerate(published.meta["categories"]))
        self._transform = published.transforms()
        self.model.to(self._device)
        chain = _CHAINS[model](self.model)
        self._part1 = nn.Sequential(*chain[: self._cut.modules])
        self._part2 = nn.Sequential(*chain[self._cut.modules :])

    def describe(self) -> dict[str, str]:
        """The model, the layer, its weights with their SHA-256, and torchvision's version, for a record."""
        place = {"layer": f"{self._layer} ({self._cut.name})", "torchvision": torchvision_version}
        return {"network": self.name, **self._weights, **place, **device_record(self._device)}

    def __call__(self, image: NDArray[np.uint8]) -> Classification:
        """Run the whole network, unsplit, on ``image`` (H, W, 3) uint8 RGB."""
        with exact_inference():
            return Classification(self.model(self._pixels(image))[0].cpu().numpy())

    def extract(self, image: NDArray[np.uint8]) -> FeatureSet:
        """Part 1: give the one layer, of the shape in `CUTS`, of ``image`` (H, W, 3) uint8 RGB."""
        height, width = picture_size(image, self.name)
        with exact_inference():
            return FeatureSet(height, width, {self._cut.name: as_layer(self._part1(self._pixels(image)))})

    def analyse(self, features: FeatureSet) -> Classification:
        """Part 2: classify from the layer alone. Raises `NetworkError` if it is not the one that was cut at."""
        check_layers(features, {self._cut.name: self._cut.shape}, self.name)
        with exact_inference():
            # A copy, since activations here work in place and the caller's layer must stay what it is.
            layer = as_tensor(features.layers[self._cut.name], self._device).clone()
            return Classification(self._part2(layer)[0].cpu().numpy())

    def cost(self, image: NDArray[np.uint8]) -> tuple[PartCost, PartCost]:
        """The cost of part 1 and of part 2 for ``image`` (H, W, 3) uint8 RGB."""
        return split_cost(self, image)

    def _pixels(self, image: NDArray[np.uint8]) -> Tensor:
        """``image`` resized, cropped and standardised to (1, 3, 224, 224), by Pillow as for the published accuracy."""
        height, width = picture_size(image, self.name)
        shortest = self._transform.resize_size[0]
        long_side = int(shortest * max(height, width) / min(height, width))
        check_resized((height, width), (shortest, long_side) if height < width else (long_side, shortest), self.name)
        pixels: Tensor = self._transform(Image.fromarray(image))[None]
        return pixels.to(self._device)


def _vgg_chain(model: Any) -> list[nn.Module]:
    return [*model.features, model.avgpool, nn.Flatten(), *model.classifier]


def _resnet_chain(model: Any) -> list[nn.Module]:
    stages = [block for stage in (model.layer1, model.layer2, model.layer3, model.layer4) for block in stage]
    return [model.conv1, model.bn1, model.relu, model.maxpool, *stages, model.avgpool, nn.Flatten(), model.fc]


_CHAINS = {"vgg16": _vgg_chain, "resnet18": _resnet_chain}
"""Each model as the modules that it runs one after the other."""
