"""``vcm_sizes``: how large a picture, its layers and its coded tensors are before they are coded."""

from __future__ import annotations

import argparse
import csv
import io
import re
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod
from pathlib import Path

import numpy as np

from ..bitstream.values import Shape
from ..configuration import Configuration, load_configuration, parse_size
from ..configuration.sections import SIZE
from ..encoding.model_choice import with_model
from ..encoding.settings import settings_for
from ..errors import ConfigError, LimitError
from ..files.atomic import atomic_file, check_outputs
from ..inputs.picture_file import PIXELS_VARIABLE, pixel_limit
from ..network import Network, load_network, weights_files
from ..reporting.sizes import FLOAT_BITS, PICTURE_BITS, Size, coded_shapes, picture_shape, sizes
from .arguments import add_layers, whole_number
from .command import argument_parser, run

DEPTHS = (8, 4, 2)
Picture = tuple[int, int]
"""Height and width of a picture."""

_KIB = 8 * 1024  # bits


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_sizes``; returns the exit code."""
    parser = argument_parser("vcm_sizes", "Count the bits of pictures, their layers and coded tensors before coding.")
    parser.add_argument("sizes", nargs="+", metavar="WxH", help="width and height of a picture in pixels")
    add_layers(parser, required=False)
    parser.add_argument(
        "--bits",
        nargs="+",
        type=whole_number(1, 16),
        default=list(DEPTHS),
        metavar="N",
        help="bits of a quantised value (default: 8 4 2)",
    )
    parser.add_argument(
        "--maps",
        type=whole_number(1),
        metavar="N",
        help="count a tensor of N maps of the last layer's size instead of the coded tensors (default: the "
        "configuration's reduction)",
    )
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="also write the tables, as CSV (default: none)"
    )
    return run(parser, _work, argv)


def _work(arguments: argparse.Namespace) -> None:
    pictures = [_picture(text) for text in arguments.sizes]
    configuration = load_configuration(arguments.config, arguments.set)
    if arguments.maps is None:
        configuration = with_model(configuration)
    options = configuration.get("network")
    if arguments.output is not None:
        check_outputs([arguments.output], [*configuration.files, *weights_files(options["name"], options)])
    network = load_network(**options)
    tables = {picture: _sizes(configuration, network, picture, arguments.maps) for picture in pictures}
    depths = [FLOAT_BITS, *arguments.bits]
    if arguments.output is not None:
        _save(arguments.output, tables, depths)
    _print(network.name, tables, depths)


def _picture(text: str) -> Picture:
    """The height and width that ``text`` stands for."""
    if not re.match(SIZE["pattern"], text):
        raise ConfigError(f"{text[:40]!r} is not a size; give width x height, as in 640x480")
    width, height = parse_size(text)
    if width * height > pixel_limit():
        raise LimitError(
            f"a picture of {text} has more than {pixel_limit()} pixels (environment variable {PIXELS_VARIABLE})"
        )
    return height, width


def _sizes(configuration: Configuration, network: Network, picture: Picture, maps: int | None) -> list[Size]:
    """The sizes that the network's own layers of a black picture come to."""
    features = network.extract(np.zeros((*picture, 3), np.uint8))
    layers: dict[str, Shape] = {name: (len(layer), *layer.shape[1:]) for name, layer in features.layers.items()}
    if maps is not None:
        _, height, width = list(layers.values())[-1]
        return list(sizes(picture, layers, {f"{maps} maps": (maps, height, width)}))
    if configuration.get("reduction.method") == "pca":
        numbers = configuration.per_layer("reduction.components", list(layers), None)
        if None in numbers:
            told = "pca chooses the number of components from the picture; give a number for each layer"
            raise configuration.error("reduction.components", told)
    header = settings_for(configuration, features).header
    return list(sizes(picture, layers, coded_shapes(header, picture, layers)))


def _save(path: Path, tables: Mapping[Picture, Sequence[Size]], depths: Sequence[int]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("picture", "step", "shape", "values", "bits_per_value", "bits", "times_picture"))
    for picture, rows in tables.items():
        name, shape = _name(picture), picture_shape(picture)
        itself = Size("picture", shape, prod(shape), PICTURE_BITS * prod(shape))
        counted = [(itself, PICTURE_BITS), *product(rows, depths)]
        for row, depth in counted:
            values = (_shape(row.shape), row.values, depth, row.bits(depth), f"{row.ratio(depth):.6g}")
            writer.writerow((name, row.step, *values))
    with atomic_file(path) as file:
        file.write(text.getvalue().encode())


def _print(network: str, tables: Mapping[Picture, Sequence[Size]], depths: Sequence[int]) -> None:
    from tabulate import tabulate

    kinds = ["float32" if depth == FLOAT_BITS else f"{depth} bit{'s' * (depth > 1)}" for depth in depths]
    headers = ["", "CxHxW", "values", *(title for kind in kinds for title in (f"{kind}: KiB", "times picture"))]
    align = ["left", "left", *["right"] * (len(headers) - 2)]
    for picture, rows in tables.items():
        shape = picture_shape(picture)
        bits = PICTURE_BITS * prod(shape)
        print(f"{network}, picture {_shape(shape)} of {PICTURE_BITS} bits: {bits} bits, {bits / _KIB:.1f} KiB")
        cells = [
            [row.step, _shape(row.shape), str(row.values), *(text for depth in depths for text in _counted(row, depth))]
            for row in rows
        ]
        print(tabulate(cells, headers, disable_numparse=True, colalign=align), end="\n\n")


def _counted(row: Size, depth: int) -> tuple[str, str]:
    return f"{row.bits(depth) / _KIB:.1f}", f"{row.ratio(depth):.3f}"


def _name(picture: Picture) -> str:
    height, width = picture
    return f"{width}x{height}"


def _shape(shape: Shape | None) -> str:
    return "x".join(map(str, shape)) if shape else ""
