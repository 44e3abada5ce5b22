"""Reduce and restore pictures' layers with a trained network in float32, and write them as feature files.

    python tools/restore_unquantised.py model.safetensors --data scenes/instances.json -o restored
    vcm_eval -c networks/refnet_mask --data scenes/instances.json --features restored

This is the network "without quantisation" of Han et al.'s Table 2: nothing is rounded, and nothing is coded. The record
and the weights that vcm_train wrote beside the model say what the network is.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load

from vcm_ref.app.record import repeated
from vcm_ref.configuration import load_configuration
from vcm_ref.configuration.sections import Training
from vcm_ref.feature_set import FeatureSet
from vcm_ref.files.feature_file import save_feature_file
from vcm_ref.inputs.picture_file import read_picture
from vcm_ref.network import load_network
from vcm_ref.task.dataset import load_dataset
from vcm_ref.training.designs import design_for
from vcm_ref.training.networks.reduction_network import ReductionNetwork

Layer = NDArray[np.float32]


class Restoration:
    """The trained network beside ``model``, built when the first picture shows the layers' shapes."""

    def __init__(self, model: Path) -> None:
        record = json.loads(model.with_name(model.name + ".json").read_text(encoding="utf-8"))
        self._settings = Training(**record["training"])
        self._weights = load(model.with_name(model.name + ".weights.safetensors").read_bytes())
        self._network: ReductionNetwork | None = None

    def __call__(self, features: FeatureSet) -> FeatureSet:
        """The features after analysis and synthesis."""
        restored = self.layers(self.coded(list(features.layers.values())))
        return FeatureSet(features.height, features.width, dict(zip(features.layers, restored, strict=True)))

    @torch.no_grad()
    def coded(self, layers: Sequence[Layer]) -> Layer:
        """The tensor that is coded, from ``layers``, each (C, H, W), finest first."""
        if self._network is None:
            named = {f"layer {number}": layer for number, layer in enumerate(layers)}
            self._network = design_for(self._settings, named).build().eval()
            self._network.load_state_dict(self._weights)
        coded: Layer = self._network.analysis([torch.from_numpy(layer)[None] for layer in layers])[0].numpy()
        return coded

    @torch.no_grad()
    def layers(self, coded: Layer) -> list[Layer]:
        """The restored layers."""
        assert self._network is not None
        return [layer[0].numpy() for layer in self._network.restored(torch.from_numpy(coded)[None])]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Restore layers in float32, without quantisation.")
    parser.add_argument("model", type=Path, help="a model of vcm_train, with the files that it wrote beside")
    parser.add_argument("--data", type=Path, required=True, metavar="DATA", help="COCO JSON")
    parser.add_argument("-c", "--config", default="networks/refnet_mask", help="the network's configuration")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="a folder for the files")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    options: dict[str, Any] = dict(load_configuration([arguments.config], []).get("network"))
    network = load_network(options.pop("name"), **options)
    restoration = Restoration(arguments.model)
    arguments.output.mkdir(parents=True, exist_ok=True)
    items = load_dataset(arguments.data).items
    twice = repeated([item.path.stem for item in items])
    if twice is not None:
        parser.error(f"{arguments.data}: several pictures have the name {twice}, so their files would have one name")
    for item in items:
        restored = restoration(network.extract(read_picture(item.path)))
        with (arguments.output / f"{item.path.stem}.safetensors").open("wb") as file:
            save_feature_file(file, ".safetensors", restored)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
