"""Split networks behind one small interface.

A network runs up to its coded layers on one side of the bitstream (part 1, ``extract``) and from there to its result
on the other (part 2, ``analyse``). torch and the like are imported only when a network that needs them is loaded.
``docs/networks.md`` shows how to use them and how to add one.
"""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from vcm_ref.errors import NetworkError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.network.checks import check_options
from vcm_ref.network.training import KEYS
from vcm_ref.network.weights_files import (
    REFNET_WEIGHTS,
    detectron2_files,
    named_file,
    onnx_files,
    refnet_files,
    refnet_mask_files,
)
from vcm_ref.task.classification import Classification
from vcm_ref.task.detections import Detections


class Network(Protocol):
    """What every network offers. ``network(image)`` equals ``network.analyse(network.extract(image))`` to the bit.

    ``layers`` are the names of the coded layers, in coding order; ``class_names`` names every label that a result of
    detection can have, or every index of a classification's logits.
    """

    @property
    def name(self) -> str: ...

    @property
    def layers(self) -> tuple[str, ...]: ...

    @property
    def class_names(self) -> Mapping[int, str]: ...

    def __call__(self, image: NDArray[np.uint8]) -> Detections | Classification:
        """Run the whole network, unsplit, on ``image`` (H, W, 3) uint8 RGB."""

    def extract(self, image: NDArray[np.uint8]) -> FeatureSet:
        """Part 1: give the layers of ``image`` (H, W, 3) uint8 RGB, each (C, H, W) float32, in coding order."""

    def analyse(self, features: FeatureSet) -> Detections | Classification:
        """Part 2: detect or classify from the layers alone."""

    def describe(self) -> dict[str, str]:
        """What it takes to have the same network again: weights with their SHA-256, options, versions."""


class Entry(NamedTuple):
    """Where a network is: the module, the class or function in it that makes the network, and what that needs.

    ``files`` lists the files that the network's numbers come from, by its options, and imports no framework;
    ``layer_files`` those of them that its layers come from, where these are fewer.
    """

    module: str
    maker: str
    how_to_get: str
    files: Callable[[Mapping[str, Any]], list[Path]] = named_file
    layer_files: Callable[[Mapping[str, Any]], list[Path]] | None = None


#: Environment variables by which libraries leave the shared temporary folder alone, where another user may put a file
#: or a link under a name that is known. torch makes a folder there when torchvision is imported, for programs that it
#: compiles, which are none here; so it gets one that exists. onnxruntime writes a file there and reports to its maker.
_SETTINGS = {"TORCHINDUCTOR_CACHE_DIR": str(Path(__file__).parent), "ORT_DISABLE_TELEMETRY": "1"}
_TORCH = "pip install torch torchvision safetensors"

NETWORKS: dict[str, Entry] = {
    "detectron2": Entry(
        "vcm_ref.network.detectron2_fpn",
        "Detectron2Network",
        f"{_TORCH} fvcore iopath omegaconf yacs pycocotools cloudpickle tabulate termcolor, and put a copy of the "
        "source of github.com/facebookresearch/detectron2 on PYTHONPATH (docs/networks.md)",
        detectron2_files,
    ),
    "onnx": Entry("vcm_ref.network.onnx_network", "OnnxNetwork", "pip install onnx onnxruntime", onnx_files),
    "refnet": Entry("vcm_ref.network.refnet", "RefNet", _TORCH, refnet_files),
    "refnet_mask": Entry(
        "vcm_ref.network.refnet_mask", "RefNetMask", _TORCH, refnet_mask_files, lambda _: [REFNET_WEIGHTS]
    ),
    "torchvision": Entry("vcm_ref.network.torchvision_models", "torchvision_network", _TORCH),
}
"""The networks by the name that the configuration gives them."""


def weights_files(name: str, options: Mapping[str, Any]) -> list[Path]:
    """List every file that the numbers of the network ``name`` with ``options`` come from; load no network.

    For ``weights: default`` or ``random`` the libraries' versions determine the numbers, and no file is listed. Raises
    `NetworkError` where a file is missing, or external data lies outside the model's folder.
    """
    entry = NETWORKS.get(name)
    return entry.files(options) if entry else named_file(options)


def layer_files(name: str, options: Mapping[str, Any]) -> list[Path]:
    """List the files that the layers of the network come from. Two networks with the same ones have the same layers.

    Raises `NetworkError` as `weights_files` does.
    """
    entry = NETWORKS.get(name)
    return entry.layer_files(options) if entry and entry.layer_files else weights_files(name, options)


def load_network(name: str, **options: Any) -> Network:
    """Make the network called ``name``; ``options`` are its own.

    Raises `NetworkError` for an unknown name, for an option that it does not have, where a package it needs is missing,
    and where its weights cannot be used.
    """
    if name not in NETWORKS:
        raise NetworkError(f"there is no network {name!r}; there are: {', '.join(sorted(NETWORKS))}")
    entry = NETWORKS[name]
    try:
        with warnings.catch_warnings(), _library_settings():
            warnings.simplefilter("ignore", FutureWarning)  # of one library about another
            maker = getattr(importlib.import_module(entry.module), entry.maker)
    except ImportError as error:
        package = (error.name or str(error)).split(".")[0]
        if package == "vcm_ref":
            raise
        raise NetworkError(
            f"network {name!r} needs the package {package}, which is not installed: {entry.how_to_get}"
        ) from error
    options = {key: value for key, value in options.items() if key not in KEYS}
    check_options(maker, options, name)
    network: Network = maker(**options)
    return network


@contextmanager
def _library_settings() -> Iterator[None]:
    """Set those of ``_SETTINGS`` that the user has not set, in the environment, while libraries are imported."""
    ours = {name: value for name, value in _SETTINGS.items() if name not in os.environ}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name in ours:
            os.environ.pop(name, None)
