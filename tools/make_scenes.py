"""Render scenes with known objects into a folder: PNG files and COCO annotations; or one scene that moves.

python tools/make_scenes.py --out scenes --seed 1000000 --count 20 --size 512x384
python tools/make_scenes.py --out moving --seed 1000000 --frames 60
"""

from __future__ import annotations

import argparse
from pathlib import Path

from vcm_ref.task.moving_scenes import write_sequence
from vcm_ref.task.scenes import SMALLEST_SIDE, write_dataset


def size(text: str) -> tuple[int, int]:
    """Read WIDTHxHEIGHT."""
    try:
        width, height = (int(side) for side in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, such as 512x384") from None
    if min(width, height) < SMALLEST_SIDE:
        raise argparse.ArgumentTypeError(f"{text!r}: each side counts from {SMALLEST_SIDE} pixels")
    return width, height


def natural(text: str) -> int:
    """Read an integer from 0."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not an integer from 0")
    return int(text)


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Render scenes with known objects: PNG files and instances.json.")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write to; made if missing")
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="seed of the first scene (default 0)")
    parser.add_argument("--count", type=natural, metavar="N", help="how many scenes (default 10)")
    parser.add_argument("--frames", type=natural, metavar="N", help="pictures of one scene that moves, with its tracks")
    parser.add_argument("--rate", type=natural, metavar="N", help="with --frames: pictures a second (default 25)")
    parser.add_argument("--size", type=size, default=(512, 384), metavar="WxH", help="in pixels (default 512x384)")
    arguments = parser.parse_args()
    width, height = arguments.size
    if arguments.frames is not None:
        if arguments.count is not None or arguments.frames == 0 or arguments.rate == 0:
            parser.error("--frames is of one scene, of at least one picture, and --rate counts from 1")
        path = write_sequence(arguments.out, arguments.seed, arguments.frames, width, height, arguments.rate or 25)
        print(f"{arguments.frames} pictures of {width}x{height} in {path.parent}, the data set in {path.name}")
        return 0
    if arguments.rate is not None:
        parser.error("--rate changes nothing without --frames")
    count = 10 if arguments.count is None else arguments.count
    path = write_dataset(arguments.out, arguments.seed, count, width, height)
    print(f"{count} scenes of {width}x{height} in {path.parent}, annotations in {path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
