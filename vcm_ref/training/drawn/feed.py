"""What feeds a training with drawn examples, and the whole pictures that select beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from vcm_ref.configuration.sections import Training
from vcm_ref.errors import ConfigError
from vcm_ref.inputs.picture_file import read_picture
from vcm_ref.reporting.progress import Begin, no_progress

from ..draws import chosen_at
from ..examples import Example, StoredExamples
from ..feeds import Batch, Fed, Feed
from ..onnx_module import torch_module
from ..pictures import named
from .parts import drawn_view
from .sampling import Pictures

if TYPE_CHECKING:
    from vcm_ref.network import Network
    from vcm_ref.network.onnx_network import OnnxNetwork

Read = Mapping[str, NDArray[np.uint8]]


def drawn_examples(
    folder: Path, inputs: Sequence[Path], network: Network, *, upright: bool = True, begin: Begin = no_progress
) -> tuple[StoredExamples, Read]:
    """The whole pictures as examples, whose layers are computed when they are wanted, and their samples by name.

    Raises `ConfigError` and `DatasetError`.
    """
    drawable(network)
    paths = named(inputs)
    read: dict[str, NDArray[np.uint8]] = {}
    known = hashlib.sha256()
    with begin(len(paths), "pictures") as advance:
        for name, path in paths.items():
            read[name] = read_picture(path, apply_orientation=upright)
            known.update(f"{name} {read[name].shape}\n".encode() + read[name].tobytes())
            advance(1)
    examples = [Example(name, *picture.shape[:2]) for name, picture in read.items()]
    stored = StoredExamples(
        folder, examples, lambda example: network.extract(read[example.name]), known_by=known.hexdigest()
    )
    return stored, read


def drawable(network: Network) -> OnnxNetwork:
    """``network``, where its part 1 can be run in torch. Raises `ConfigError`."""
    from vcm_ref.network.onnx_network import OnnxNetwork

    if not isinstance(network, OnnxNetwork) or network.preprocessing.fit == "none":
        raise ConfigError(
            "training.examples: only exported networks (network.name: onnx) with an input of one size draw their "
            "examples; set it to stored"
        )
    return network


def drawn_feed(settings: Training, network: Network, read: Read) -> Fed:
    """Makes the feed of a training with pictures that were read, which are in the order of the examples."""
    onnx = drawable(network)
    return lambda training, device: DrawnFeed(settings, onnx, read, training, device)


class DrawnFeed(Feed):
    """New parts of pictures in each step. The pictures and part 1 of the network stay on the device."""

    def __init__(
        self,
        settings: Training,
        network: OnnxNetwork,
        read: Read,
        training: Sequence[int],
        device: torch.device,
    ) -> None:
        """``training`` are the pictures' numbers, in the order of ``read``, that may be drawn."""
        self._settings = settings
        self._preprocessing = network.preprocessing
        self._names = list(read)
        self._training = list(training)
        shown = [self._preprocessing.smoothed(picture) for picture in read.values()]
        self._pictures = Pictures(shown, device)
        self._part1 = torch_module(network.part1_model()).to(device)

    @torch.no_grad()
    def step(self, number: int) -> Iterator[Batch]:
        """The inputs of step ``number``: every picture once an epoch, the others of mosaics by chance."""
        draw = np.random.default_rng([self._settings.seed, 3, number])
        chosen = [self._training[place] for place in chosen_at(self._settings, number, len(self._training))]
        views = [
            drawn_view(
                draw,
                self._preprocessing,
                picture,
                self._pictures.sizes,
                self._training,
                mirror=self._settings.mirror,
            )
            for picture in chosen
        ]
        found = self._part1(self._pictures.inputs(views, self._preprocessing))
        layers = [layer.float() for layer in (found if isinstance(found, (list, tuple)) else [found])]
        parts = [view.pieces[0].source for view in views]
        examples = [
            Example(self._names[picture], part.rows, part.columns, crop=1)
            for picture, part in zip(chosen, parts, strict=True)
        ]
        yield Batch(examples, layers, [view.covered for view in views])
