"""Render scenes with known objects into a folder: PNG files and COCO annotations.

python tools/make_scenes.py --out scenes --seed 1000000 --count 20 --size 512x384
"""

from __future__ import annotations

import argparse
from pathlib import Path

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
    parser.add_argument("--count", type=natural, default=10, metavar="N", help="how many scenes (default 10)")
    parser.add_argument("--size", type=size, default=(512, 384), metavar="WxH", help="in pixels (default 512x384)")
    arguments = parser.parse_args()
    width, height = arguments.size
    path = write_dataset(arguments.out, arguments.seed, arguments.count, width, height)
    print(f"{arguments.count} scenes of {width}x{height} in {path.parent}, annotations in {path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
