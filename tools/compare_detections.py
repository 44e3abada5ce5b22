"""Draw what a detector finds in pictures: uncompressed, with coded features, and in the coded picture of as many bytes.

    python tools/compare_detections.py photographs/*.jpg -c learned -c networks/yolox_nano \
        --set network.weights=yolox_nano.onnx --qp 41 -o detections.png

Each picture is a row of three. The third is the image anchor (docs/evaluation.md) with the highest QP at which it has
at least as many bytes as the features, so it is never at a disadvantage.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

import vcm_ref
from vcm_ref.codec.picture import SCALES, PictureCoder
from vcm_ref.codec.vvenc import PRESETS
from vcm_ref.configuration import Configuration, load_configuration
from vcm_ref.encoder import Encoder
from vcm_ref.encoding.model_choice import check_trained_for, with_model
from vcm_ref.errors import VcmError
from vcm_ref.feature_set import FeatureSet
from vcm_ref.inputs.picture_file import read_picture
from vcm_ref.network import load_network
from vcm_ref.reporting.render import save_png
from vcm_ref.task.detections import Detections
from vcm_ref.task.draw import draw_detections

Picture = NDArray[np.uint8]

MOST_QP = 63
_GAP, _LINE = 6, 22


class Panel(NamedTuple):
    """A picture with detections drawn on it, and a title with its bytes and the number of detections."""

    picture: Picture
    title: str


def nearest_above(bytes_at: Callable[[int], bytes], least: int) -> tuple[int, bytes]:
    """The highest QP from 0 to 63 whose stream has at least ``least`` bytes, and the stream; QP 0 where none has.

    Bytes fall as the QP rises, but for exceptions that do not matter here.
    """
    low, high = 0, MOST_QP + 1
    streams = {low: b""}
    while high - low > 1:
        middle = (low + high) // 2
        stream = bytes_at(middle)
        if len(stream) >= least:
            low, streams[middle] = middle, stream
        else:
            high = middle
    return low, streams[low] or bytes_at(low)


def row_of(
    picture: Picture, network: Any, configuration: Configuration, anchor: PictureCoder, threshold: float
) -> list[Panel]:
    """The three panels of one picture, whose features are coded as ``configuration`` says."""
    features = network.extract(picture)
    stream = coded(features, configuration)
    found = vcm_ref.decode(stream)
    restored = FeatureSet(features.height, features.width, {name: found[name] for name in features.layers})
    height, width = picture.shape[:2]
    qp, anchored = nearest_above(lambda qp: anchor.encode(picture, qp), len(stream))
    decoded = anchor.decode(anchored, height, width)
    return [
        _panel(picture, network.analyse(features), network, threshold, "uncompressed"),
        _panel(picture, network.analyse(restored), network, threshold, f"features: {len(stream)} bytes"),
        _panel(
            decoded, network(decoded), network, threshold, f"image at {anchor.scale} %: {len(anchored)} bytes, QP {qp}"
        ),
    ]


def coded(features: FeatureSet, configuration: Configuration) -> bytes:
    """A bitstream of one picture."""
    file = BytesIO()
    encoder = Encoder(configuration, file)
    encoder.encode(features)
    encoder.close()
    return file.getvalue()


def _panel(picture: Picture, found: Any, network: Any, threshold: float, title: str) -> Panel:
    if not isinstance(found, Detections):
        raise SystemExit(f"network {network.name} gives no boxes to draw")
    count = int((found.scores >= threshold).sum())
    objects = f"{count} object{'s' * (count != 1)}"
    return Panel(draw_detections(picture, found, network.class_names, threshold), f"{title}; {objects}")


def sheet(rows: Sequence[Sequence[Panel]], width: int) -> Picture:
    """All rows below each other, each panel ``width`` pixels wide, with its title above."""
    font = ImageFont.load_default(size=13)
    lines = []
    for row in rows:
        height, own = row[0].picture.shape[:2]
        tall = max(1, round(height * width / own))
        line = Image.new("RGB", (len(row) * (width + _GAP) - _GAP, tall + _LINE + _GAP), "white")
        draw = ImageDraw.Draw(line)
        for place, panel in enumerate(row):
            left = place * (width + _GAP)
            draw.text((left + 2, 3), panel.title, fill="black", font=font)
            line.paste(Image.fromarray(panel.picture).resize((width, tall), Image.Resampling.LANCZOS), (left, _LINE))
        lines.append(np.asarray(line))
    return np.concatenate(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Draw detections: uncompressed, with coded features, in coded images.")
    parser.add_argument("pictures", type=Path, nargs="+", help="pictures of any size")
    parser.add_argument(
        "-c", "--config", action="append", default=[], help="configurations of coding and of the network"
    )
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a value of the configuration")
    parser.add_argument("--qp", type=int, default=41, help="the QP of the features (default: 41)")
    parser.add_argument(
        "--scale", type=int, choices=SCALES, default=50, help="per cent of the coded image (default: 50)"
    )
    parser.add_argument("--preset", choices=PRESETS, default="medium", help="of VVenC, for the image (default: medium)")
    parser.add_argument("--threshold", type=float, default=0.3, help="the least score that is drawn (default: 0.3)")
    parser.add_argument("--width", type=int, default=480, help="pixels of one panel (default: 480)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="PNG", help="the drawing")
    arguments = parser.parse_args(argv)
    try:
        rows = _rows(arguments)
    except VcmError as error:
        parser.exit(2, f"{parser.prog}: {error}\n")
    save_png(arguments.output, sheet(rows, arguments.width))
    return 0


def _rows(arguments: argparse.Namespace) -> list[list[Panel]]:
    flags = {"codec": {"qp": arguments.qp}}
    configuration = with_model(load_configuration(arguments.config or ["klt"], arguments.set, flags))
    check_trained_for(configuration)
    network = load_network(**configuration.get("network"))
    anchor = PictureCoder(preset=arguments.preset, scale=arguments.scale)
    rows = []
    for path in arguments.pictures:
        rows.append(row_of(read_picture(path), network, configuration, anchor, arguments.threshold))
        print(f"{path.name}: " + " | ".join(panel.title for panel in rows[-1]))
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
