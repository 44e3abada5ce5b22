"""What Random-Access does to a layer in two frames, and how alike the frames are.

    python tools/compare_two_frames.py photos/*.jpg --grid 5x4 --qp 32 --intra 32 40 41 \
        -c networks/efficientnet_lite0 --set network.weights=efficientnet_lite0.onnx

Two frames of one layer (Suzuki et al., ICIP 2020; Rhee, Lee, Kim 2022, Table 1) have 8 bits. The table has, for both
allocations, the bytes of each frame and its squared error in steps of 8 bits: in All-Intra at the QPs of ``--intra``,
and in Random-Access, where the frame that is coded first is predicted from nothing. Below it are the correlation of a
map with the map at its place in the other frame, the variance of the frames' difference over that of a map, and the
correlation of neighbouring samples of a map. All figures are means over the pictures.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from vcm_ref.bitstream.headers import Layer, StreamHeader, TensorFormat, TensorHeader
from vcm_ref.bitstream.nal import TYPES, join_byte_stream, nal_unit_type, split_byte_stream
from vcm_ref.bitstream.values import Allocation, Grid, Mode
from vcm_ref.codec import EncoderName, make_decoder, make_encoder
from vcm_ref.configuration import load_configuration
from vcm_ref.conversion.chain import Chain, Choices
from vcm_ref.inputs.picture_file import read_picture
from vcm_ref.network import load_network

BITS = 8


class Frame(NamedTuple):
    """One coded frame: its bytes, and its mean squared error in steps of `BITS` bits."""

    size: float
    error: float


def frames_of(layer: NDArray[np.float32], grid: Grid, allocation: Allocation, codec: EncoderName) -> NDArray[np.uint16]:
    """The two frames (2, H, W) of a layer (C, H, W), as the inner codec gets them."""
    form = TensorFormat(BITS, make_encoder(codec).codec_id)
    header = StreamHeader(layers=[Layer("x", len(layer))], tensors=[TensorHeader(form, grid, allocation)])
    frames = Chain(header).forward({"x": layer}, Choices()).frames[0]
    if len(frames) != 2:
        raise SystemExit(f"--grid {grid}: {len(layer)} maps are {len(frames)} frames, not two")
    return frames


def coded(frames: NDArray[np.uint16], codec: EncoderName, preset: str, mode: Mode, qp: int) -> list[Frame]:
    """Both frames in the order in which they are coded."""
    encoder = make_encoder(codec, preset=preset)
    decoder = make_decoder(encoder.codec_id)
    stream = encoder.encode(frames, mode, qp)
    units = list(split_byte_stream(stream))
    slices = [
        n for n, unit in enumerate(units) if nal_unit_type(encoder.codec_id, unit) in TYPES[encoder.codec_id].slices
    ]
    if len(slices) != 2:
        raise SystemExit(f"a frame is coded in {len(slices) / 2:g} slices, not in one")
    size = frames.shape[1:]
    decoded = decoder.decode(stream, 2, *size, encoder.bit_depth)
    alone = decoder.decode(join_byte_stream(units[: slices[0] + 1]), 1, *size, encoder.bit_depth)
    order = (0, 1) if np.array_equal(alone[0], decoded[0]) else (1, 0)
    scale = 1 << encoder.bit_depth - BITS
    errors = ((decoded.astype(np.float64) - frames) / scale) ** 2
    return [Frame(len(units[n]), float(errors[shown].mean())) for n, shown in zip(slices, order, strict=True)]


def likeness(maps: NDArray[np.float64], allocation: Allocation) -> Iterator[float]:
    """Correlation of maps at the same place, variance of their difference over a map's, correlation of neighbours."""
    first, second = (
        maps.reshape(2, -1, *maps.shape[1:]) if allocation == Allocation.FRAME_MAJOR else (maps[::2], maps[1::2])
    )
    centred = maps - maps.mean((1, 2), keepdims=True)
    variance = float((centred**2).mean())
    a, b = (part - part.mean((1, 2), keepdims=True) for part in (first, second))
    deviations = np.sqrt((a**2).mean((1, 2)) * (b**2).mean((1, 2)))
    products = (a * b).mean((1, 2))
    yield float(np.divide(products, deviations, out=np.zeros_like(products), where=deviations > 0).mean())
    yield float(((first - second) ** 2).mean()) / variance
    yield float((centred[:, :, 1:] * centred[:, :, :-1]).mean()) / variance


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("-c", "--config", action="append", required=True, help="a configuration with the network")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--grid", required=True, help="columns x rows of maps of each of the two frames")
    parser.add_argument("--codec", default="vvenc", choices=("vvenc", "hevc"))
    parser.add_argument("--preset", default="faster")
    parser.add_argument("--qp", type=int, default=32, help="the QP of Random-Access")
    parser.add_argument("--intra", type=int, nargs="+", default=[32, 40, 41], help="the QPs of All-Intra")
    given = parser.parse_args(arguments)
    network = load_network(**load_configuration(given.config, given.set).get("network"))
    grid = Grid(*map(int, given.grid.split("x")))
    points = [(Mode.RA, given.qp), *((Mode.AI, qp) for qp in given.intra)]
    frames: dict[tuple[Allocation, Mode, int], list[list[Frame]]] = defaultdict(list)
    alike: dict[Allocation, list[list[float]]] = defaultdict(list)
    for picture in given.pictures:
        (layer,) = network.extract(read_picture(picture)).layers.values()
        for allocation in Allocation:
            alike[allocation].append([*likeness(layer.astype(np.float64), allocation)])
            packed = frames_of(layer, grid, allocation, given.codec)
            for mode, qp in points:
                frames[allocation, mode, qp].append(coded(packed, given.codec, given.preset, mode, qp))
    rows = [
        [allocation.name.lower(), mode.name, qp, *np.mean(found, axis=0).ravel()]
        for (allocation, mode, qp), found in frames.items()
    ]
    headers = ["allocation", "mode", "QP", "first: bytes", "error", "second: bytes", "error"]
    print(tabulate(rows, headers, floatfmt=".1f"))
    print()
    rows = [[allocation.name.lower(), *np.mean(found, axis=0)] for allocation, found in alike.items()]
    print(tabulate(rows, ["allocation", "correlation", "difference", "neighbours"], floatfmt=".3f"))


if __name__ == "__main__":
    main()
