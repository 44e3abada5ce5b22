"""``vcm_dec``: a bitstream to feature tensors, integer planes, a trace, or detections."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ..atomic import atomic_file, atomic_folder, check_output
from ..bitstream.limits import DecoderLimits
from ..decoder import DecodedPicture, Decoder
from ..errors import BitstreamError, CodecError, ConfigError, UnsupportedError
from ..feature_file import SUFFIXES, save_feature_file
from ..planes_file import GivenPlanes, append_tiers, save_planes
from ..report import picture_table, totals_table
from .command import DRAWN_SCORE, argument_parser, check_needed, progress_bar, run


class Output(NamedTuple):
    """One thing to write: where, how, and under which suffix each picture has a file of its own, if it has."""

    path: Path
    suffix: str | None
    write: Callable[[Path, DecodedPicture], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_dec``; returns the exit code."""
    parser = argument_parser("vcm_dec", "Decode a bitstream to feature tensors.")
    parser.add_argument("bitstream", type=Path)
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="what to write; a folder for several pictures"
    )
    parser.add_argument(
        "--tier",
        choices=("t0", "t1", "t2", "all"),
        default="t2",
        help="float features (t2, the default), integer feature tensors (t1) or inner planes (t0) as .raw with JSON; "
        "all: a folder with t0.raw, t1.raw and t2.raw of all pictures (docs/conformance.md)",
    )
    parser.add_argument("--format", choices=[s[1:] for s in SUFFIXES], default="safetensors", help="of t2 in a folder")
    parser.add_argument("--trace", action="store_true", help="print each syntax element, and decode nothing")
    parser.add_argument(
        "--detect", nargs="?", type=Path, const=Path(), metavar="PNG", help="run the rest of the network, draw boxes"
    )
    parser.add_argument("--picture", type=Path, metavar="FILE", help="with --detect: the original, to draw on")
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="with --detect: the configuration that names the network (default: refnet)",
    )
    parser.add_argument("--threshold", type=float, help=f"with --detect: least score to draw (default: {DRAWN_SCORE})")
    parser.add_argument("--backend", choices=("auto", "ffmpeg", "vtm"), default="auto", help="the VVC decoder")
    parser.add_argument(
        "--planes", type=Path, metavar="FILE", help="inner planes, as in t0.raw, to use in place of an inner decoder"
    )
    parser.add_argument("--limit", action="append", default=[], metavar="NAME=VALUE", help="a limit, as in frames=64")
    parser.add_argument("-q", "--quiet", action="store_true", help="print no tables")
    return run(parser, _work, argv)


def _work(arguments: argparse.Namespace) -> None:
    limits = decoder_limits(arguments.limit)
    if arguments.detect is None:
        check_needed(arguments, ("--picture", "--config", "--threshold"), "--detect")
    try:
        file = arguments.bitstream.open("rb")
    except OSError as error:
        raise ConfigError(f"{arguments.bitstream}: cannot be read: {error.strerror}") from error
    with ExitStack() as stack:
        stack.enter_context(file)
        if not file.seekable():
            raise ConfigError(f"{arguments.bitstream}: is a pipe; a bitstream is read from a file")
        if arguments.trace:
            from .trace import print_trace

            print_trace(file, limits)
            return
        planes = None
        if arguments.planes is not None:
            try:
                planes = GivenPlanes(stack.enter_context(arguments.planes.open("rb")))
            except OSError as error:
                raise ConfigError(f"{arguments.planes}: cannot be read: {error.strerror}") from error
        try:
            _decode(arguments, Decoder(file, limits=limits, backend=arguments.backend, planes=planes))
        except (BitstreamError, CodecError, UnsupportedError) as error:
            error.where = str(arguments.bitstream)
            raise


def decoder_limits(settings: list[str]) -> DecoderLimits:
    """Read the values of ``--limit``, each ``NAME=VALUE``; the others are the defaults. Raises :class:`ConfigError`."""
    known: dict[str, type[int] | type[float]] = {name: type(value) for name, value in asdict(DecoderLimits()).items()}
    values: dict[str, Any] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in known:
            raise ConfigError(f"--limit {setting}: there is no limit {name}; the limits are {', '.join(known)}")
        try:
            values[name] = known[name](text)
        except ValueError as error:
            raise ConfigError(f"--limit {setting}: {text!r} is no number") from error
        if not values[name] >= 0:
            raise ConfigError(f"--limit {setting}: must be at least 0")
    return DecoderLimits(**values)


def _decode(arguments: argparse.Namespace, decoder: Decoder) -> None:
    count = decoder.reader.picture_count
    outputs = _outputs(arguments, several=count > 1)
    pixels = 0
    with ExitStack() as stack, progress_bar(count, "decoding") as progress:
        decoder.progress = progress
        places = [
            stack.enter_context(atomic_folder(output.path)) if count > 1 or output.suffix is None else output.path
            for output in outputs
        ]
        for index, picture in enumerate(decoder.pictures()):
            pixels += picture.report.pixels
            if not arguments.quiet:
                print(f"picture {index}  {picture.report.width}x{picture.report.height}")
                print(picture_table(picture.report))
                print(f"T1 digest: {'integer tensors verified' if picture.verified else 'none in the bitstream'}\n")
            for output, place in zip(outputs, places, strict=True):
                own_file = count > 1 and output.suffix is not None
                output.write(place / f"{index:06d}{output.suffix}" if own_file else place, picture)
            del picture  # the next one takes its memory
    if not arguments.quiet:
        print(totals_table(decoder.reader.part_bits, pixels))
        for output in outputs:
            print(f"wrote {output.path}")


def _outputs(arguments: argparse.Namespace, several: bool) -> list[Output]:
    """What to write: a file each, or for ``several`` pictures a folder each."""
    outputs = []
    if arguments.tier == "all":
        path = arguments.output or arguments.bitstream.with_suffix(".decoded")
        outputs.append(Output(_checked(path, arguments), None, append_tiers))
    elif arguments.output is not None or arguments.detect is None:
        suffix = f".{arguments.format}" if arguments.tier == "t2" else ".raw"
        # "decoded", so that what was coded from x.safetensors does not take its place
        default = arguments.bitstream.with_suffix(".decoded" if several else f".decoded{suffix}")
        path = arguments.output or default
        if several and path.suffix in (*SUFFIXES, ".raw"):
            raise ConfigError(f"-o {path}: the bitstream has several pictures, so -o names a folder")
        if not several:
            suffix = path.suffix
            if suffix not in (SUFFIXES if arguments.tier == "t2" else (".raw",)):
                allowed = " or ".join(SUFFIXES) if arguments.tier == "t2" else ".raw"
                raise ConfigError(f"-o {path}: with --tier {arguments.tier} the file ends in {allowed}")
        outputs.append(Output(_checked(path, arguments), suffix, partial(_write_features, arguments.tier)))
    if arguments.detect is not None:
        from .detect import Detector

        default = arguments.bitstream.with_suffix(".detections" if several else ".detections.png")
        path = _checked(arguments.detect if arguments.detect.name else default, arguments)
        threshold = DRAWN_SCORE if arguments.threshold is None else arguments.threshold
        detector = Detector(arguments.config, arguments.picture, threshold)
        outputs.append(Output(path, ".png", detector.write))
    return outputs


def _checked(output: Path, arguments: argparse.Namespace) -> Path:
    """``output``, which can be written and is none of the inputs."""
    check_output(output)
    given = (arguments.bitstream, arguments.picture, arguments.planes, *arguments.config)
    if output.resolve() in [path.resolve() for path in given if path]:
        raise ConfigError(f"{output}: would be overwritten; name another output")
    return output


def _write_features(tier: str, path: Path, picture: DecodedPicture) -> None:
    if tier != "t2":
        save_planes(path, tier, picture)
        return
    with atomic_file(path) as file:
        save_feature_file(file, path.suffix, picture.features)
