"""The range of the tensor that a trained network codes, and what quantisation does to it and to the restored layers.

    python tools/measure_coded_tensor.py top_down_0.safetensors bottom_up_0.safetensors --data scenes/instances.json

For each model: the range over the standard deviation, of the tensor and of a map (mean over maps). Then the error of
each layer that is restored without quantisation, as a whole and of its detail, which is what differs from the mean over
a sample of the coded tensor. Then for each bit depth and each kind of range: the error of the tensor, and the error
that it brings into the restored layers. Errors are root mean squares over the standard deviation of the values that
should be there, in percent. All is in float32; nothing is coded.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from restore_unquantised import Restoration
from tabulate import tabulate

from vcm_ref.bitstream.headers import Layer, StreamHeader, TensorFormat, TensorHeader
from vcm_ref.bitstream.values import Grid, RangeScope
from vcm_ref.conversion.chain import Chain, Choices, Ends
from vcm_ref.inputs.picture_file import read_picture
from vcm_ref.network import load_network
from vcm_ref.task.dataset import load_dataset

BITS = (8, 4, 2, 1)
RANGES: Mapping[str, tuple[RangeScope, Ends]] = {
    "tensor": (RangeScope.TENSOR, "extremes"),
    "map": (RangeScope.CHANNEL, "extremes"),
    "tensor, fitted": (RangeScope.TENSOR, "least_error"),
    "map, fitted": (RangeScope.CHANNEL, "least_error"),
}


def quantised(tensor: NDArray[np.float32], bits: int, scope: RangeScope, ends: Ends) -> NDArray[np.float32]:
    """The tensor (C, H, W) as a decoder has it."""
    form = TensorFormat(bit_depth=bits, range_scope=scope)
    chain = Chain(StreamHeader(layers=[Layer("t", len(tensor))], tensors=[TensorHeader(form, Grid(1, 1))]))
    converted = chain.forward({"t": tensor}, Choices(ends=ends))
    samples = chain.to_tensors(converted.frames, [tensor.shape], converted.side.orders)
    return chain.to_layers(samples, converted.side.ranges, [tensor.shape])["t"]


def _measured(
    restoration: Restoration, layers: Sequence[NDArray[np.float32]]
) -> Iterator[tuple[tuple[str, ...], float]]:
    """All figures of one picture, by name."""
    coded = restoration.coded(layers)
    yield ("range", "tensor"), float(np.ptp(coded) / coded.std())
    deviations = coded.std((1, 2))
    spans = np.ptp(coded.reshape(len(coded), -1), 1)
    yield ("range", "map"), float(np.mean(spans[deviations > 0] / deviations[deviations > 0]))
    restored = restoration.layers(coded)
    for number, (ours, theirs) in enumerate(zip(restored, layers, strict=True), 1):
        yield ("restored", f"layer {number}"), _relative(ours, theirs)
        if theirs.shape[1:] != coded.shape[1:]:
            yield ("restored", f"layer {number}", "detail"), _relative(detail(ours, coded), detail(theirs, coded))
    for bits, (name, (scope, ends)) in product(BITS, RANGES.items()):
        changed = quantised(coded, bits, scope, ends)
        yield (str(bits), name, "tensor"), _relative(changed, coded)
        errors = [_relative(a, b) for a, b in zip(restoration.layers(changed), restored, strict=True)]
        yield (str(bits), name, "layers"), float(np.mean(errors))


def detail(layer: NDArray[np.float32], coded: NDArray[np.float32]) -> NDArray[np.float32]:
    """What differs in a layer (C, H, W) from its means over the samples of ``coded`` (K, h, w)."""
    height, width = coded.shape[1:]
    cells = layer.reshape(len(layer), height, layer.shape[1] // height, width, layer.shape[2] // width)
    return (cells - cells.mean((2, 4), keepdims=True)).reshape(layer.shape)


def _relative(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    return float(100 * np.sqrt(np.mean((ours - theirs) ** 2)) / theirs.std())


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="The range of coded tensors, and the error of quantisation.")
    parser.add_argument("models", nargs="+", type=Path, help="models of vcm_train, with the files that it wrote beside")
    parser.add_argument("--data", type=Path, required=True, help="COCO JSON")
    parser.add_argument("--pictures", type=int, default=10, help="the first N pictures (default: 10)")
    arguments = parser.parse_args(argv)
    torch.set_num_threads(1)
    network = load_network("refnet_mask")
    pictures = [read_picture(item.path) for item in load_dataset(arguments.data).items[: arguments.pictures]]
    layers = [list(network.extract(picture).layers.values()) for picture in pictures]
    columns = []
    for path in arguments.models:
        restoration = Restoration(path)
        found: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for own in layers:
            for name, value in _measured(restoration, own):
                found[name].append(value)
        columns.append({name: float(np.mean(values)) for name, values in found.items()})
    rows = [[", ".join(name), *(column[name] for column in columns)] for name in columns[0]]
    print(tabulate(rows, ["", *(path.stem for path in arguments.models)], tablefmt="github", floatfmt=".2f"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
