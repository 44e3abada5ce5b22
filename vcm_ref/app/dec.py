"""``vcm_dec``: a bitstream to feature tensors, integer planes, a trace, or detections."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from ..atomic import atomic_file, atomic_folder, check_outputs, companion
from ..bitstream.limits import DecoderLimits
from ..decoder import DecodedPicture, Decoder
from ..errors import BitstreamError, CodecError, ConfigError, UnsupportedError
from ..feature_file import SUFFIXES, save_feature_file
from ..planes_file import GivenPlanes, append_tiers, save_planes
from ..report import picture_table, totals_table
from .arguments import real_number, whole_number
from .command import DRAWN_SCORE, argument_parser, check_needed, check_useless, progress_bar, run
from .inputs import STANDARD_STREAM, existing, open_input
from .record import RecordError, read_record

if TYPE_CHECKING:
    from .detect import Detector


class Output(NamedTuple):
    """One thing to write: where, how, and under which suffix each picture has a file of its own, if it has."""

    path: Path
    suffix: str | None
    write: Callable[[Path, DecodedPicture], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_dec``; returns the exit code."""
    parser = argument_parser("vcm_dec", "Decode a bitstream to feature tensors.")
    parser.add_argument("bitstream", type=Path, metavar="BITSTREAM", help="the file to decode; - is standard input")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help="the output file; a folder if the bitstream has several pictures, with a file for each, named as the "
        "pictures in the record BITSTREAM.json, or else numbered (default: BITSTREAM with the suffix .decoded…)",
    )
    parser.add_argument(
        "--tier",
        choices=("t0", "t1", "t2", "all"),
        help="float features (t2), integer feature tensors (t1) or inner planes (t0) as .raw with a JSON description; "
        "all: a folder with t0.raw, t1.raw and t2.raw of all pictures (docs/conformance.md) (default: t2)",
    )
    parser.add_argument(
        "--format",
        choices=[suffix[1:] for suffix in SUFFIXES],
        help="format of feature files whose name -o does not give (default: safetensors)",
    )
    parser.add_argument("--trace", action="store_true", help="print each syntax element, and decode nothing")
    parser.add_argument(
        "--detect",
        nargs="?",
        type=Path,
        const=Path(),
        metavar="PNG",
        help="run the rest of the network, print the objects found and draw their boxes into PNG; a folder if the "
        "bitstream has several pictures (default: BITSTREAM with the suffix .detections.png)",
    )
    parser.add_argument(
        "--picture", type=Path, metavar="FILE", help="with --detect: the original picture, to draw on (default: grey)"
    )
    parser.add_argument(
        "-c",
        "--config",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="with --detect: a configuration, or a part of one, that names the network; may be repeated "
        "(default: the network in the record BITSTREAM.json, or refnet)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="with --detect: an option of the network, as in network.weights=FILE; may be repeated",
    )
    parser.add_argument(
        "--threshold",
        type=real_number(0, 1),
        metavar="SCORE",
        help=f"with --detect: the least score to print and draw, 0 to 1 (default: {DRAWN_SCORE})",
    )
    parser.add_argument(
        "--backend", choices=("auto", "ffmpeg", "vtm"), default="auto", help="the VVC decoder (default: auto)"
    )
    parser.add_argument(
        "--pictures",
        type=_pictures,
        metavar="A:B",
        help="pictures A to B-1 alone, from 0; groups without one of them are not decoded (default: all)",
    )
    parser.add_argument(
        "--planes", type=Path, metavar="FILE", help="inner planes, as in t0.raw, to use in place of an inner decoder"
    )
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a limit of the decoder, as in frames=64; may be repeated (defaults: docs/guide.md)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    return run(parser, _work, argv)


def _work(arguments: argparse.Namespace) -> None:
    limits = decoder_limits(arguments.limit)
    _check_usage(arguments)
    with ExitStack() as stack:
        file = stack.enter_context(open_input(arguments.bitstream, may_be_stream=True))
        planes = None
        if arguments.planes is not None:
            planes = GivenPlanes(stack.enter_context(open_input(arguments.planes)))
        try:
            if arguments.trace:
                from .trace import print_trace

                print_trace(file, limits)
            else:
                _decode(arguments, file, Decoder(file, limits=limits, backend=arguments.backend, planes=planes))
        except (BitstreamError, CodecError, UnsupportedError) as error:
            error.where = str(arguments.bitstream)
            raise


def _check_usage(arguments: argparse.Namespace) -> None:
    """Refuse options that would change nothing, and standard input without the name of an output."""
    of_detections = ("--picture", "--config", "--set", "--threshold")
    if arguments.trace:
        useless = ("--output", "--tier", "--format", "--detect", "--planes", "--pictures", "--quiet")
        check_useless(arguments, (*useless, *of_detections), "--trace")
    if arguments.detect is None:
        check_needed(arguments, of_detections, "--detect")
    elif arguments.output is None and arguments.tier != "all":
        check_useless(arguments, ("--tier", "--format"), "--detect, without -o")
    if arguments.tier not in (None, "t2"):
        check_useless(arguments, ("--format",), f"--tier {arguments.tier}")
    if arguments.planes is not None:
        check_useless(arguments, ("--pictures",), "--planes, which has the planes of all pictures")
    if str(arguments.bitstream) == STANDARD_STREAM and not arguments.trace:
        needed = [arguments.detect] if arguments.detect is not None else [arguments.output]
        if arguments.tier == "all":
            needed.append(arguments.output)
        if not all(path is not None and path.name for path in needed):
            raise ConfigError("-: standard input gives the output no name; name it with -o, or after --detect")


def _pictures(text: str) -> range:
    """The numbers that ``A:B`` stands for: from A on, up to but not including B."""
    found = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})", text)
    if found is None or int(found[1]) >= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a range of pictures, such as 40:60")
    return range(int(found[1]), int(found[2]))


def decoder_limits(settings: list[str]) -> DecoderLimits:
    """Read the values of ``--limit``, each ``NAME=VALUE``; the others are the defaults. Raises :class:`ConfigError`."""
    known: dict[str, type[int] | type[float]] = {name: type(value) for name, value in asdict(DecoderLimits()).items()}
    values: dict[str, Any] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        if name not in known:
            raise ConfigError(f"--limit {setting}: there is no limit {name}; the limits are {', '.join(known)}")
        if name in values:
            raise ConfigError(f"--limit {name}: given twice; give it once")
        try:
            values[name] = float("inf") if text == "inf" and known[name] is float else _NUMBERS[known[name]](text)
        except argparse.ArgumentTypeError as error:
            raise ConfigError(f"--limit {name}: {error}") from error
    return DecoderLimits(**values)


_NUMBERS: dict[type, Callable[[str], float]] = {int: whole_number(0), float: real_number(0)}


def _decode(arguments: argparse.Namespace, file: BinaryIO, decoder: Decoder) -> None:
    total = decoder.reader.picture_count
    wanted: range = arguments.pictures or range(total)
    if wanted.stop > total:
        raise ConfigError(f"--pictures {wanted.start}:{wanted.stop}: the bitstream has {total} pictures")
    count = len(wanted)
    outputs = _outputs(arguments, file, several=count > 1)
    pixels = 0
    with ExitStack() as stack, progress_bar(count, "decoding") as progress:
        decoder.progress = progress
        names = _picture_names(arguments, file, total)[wanted.start : wanted.stop] if count > 1 else [""]
        places = [
            stack.enter_context(atomic_folder(output.path)) if count > 1 or output.suffix is None else output.path
            for output in outputs
        ]
        for index, picture in enumerate(decoder.pictures(wanted)):
            pixels += picture.report.pixels
            if not arguments.quiet:
                size = f"{picture.report.width}x{picture.report.height}"
                print("  ".join(part for part in (f"picture {wanted[index]}", names[index], size) if part))
                if picture.report.substreams:
                    print(picture_table(picture.report))
                print(f"T1 digest: {'integer tensors verified' if picture.verified else 'none in the bitstream'}\n")
            for output, place in zip(outputs, places, strict=True):
                own_file = count > 1 and output.suffix is not None
                output.write(place / f"{names[index]}{output.suffix}" if own_file else place, picture)
            del picture  # the next one takes its memory
    if not arguments.quiet:
        if count == total:
            print(totals_table(decoder.reader.part_bits, pixels))
        for output in outputs:
            print(f"wrote {output.path}")


def _picture_names(arguments: argparse.Namespace, file: BinaryIO, count: int) -> list[str]:
    """The names for the files of ``count`` pictures: the record's, or numbers."""
    try:
        record = read_record(arguments.bitstream, file)
        if record is not None:
            return record.picture_names(count)
        why = f"there is no record {companion(arguments.bitstream)}"
    except RecordError as error:
        why = str(error)
    if not arguments.quiet:
        print(f"the pictures are numbered: {why}\n")
    return [f"{index:06d}" for index in range(count)]


def _outputs(arguments: argparse.Namespace, file: BinaryIO, several: bool) -> list[Output]:
    """The outputs: a file each, or for ``several`` pictures a folder each."""
    outputs = []
    tier, file_format = arguments.tier or "t2", arguments.format or "safetensors"
    if tier == "all":
        path = arguments.output or arguments.bitstream.with_suffix(".decoded")
        outputs.append(Output(path, None, append_tiers))
    elif arguments.output is not None or arguments.detect is None:
        suffix = f".{file_format}" if tier == "t2" else ".raw"
        # "decoded", so that the input x.safetensors of x.bin is not replaced
        default = arguments.bitstream.with_suffix(".decoded" if several else f".decoded{suffix}")
        path = arguments.output or default
        if several and path.suffix in (*SUFFIXES, ".raw"):
            raise ConfigError(f"-o {path}: the bitstream has several pictures, so -o names a folder")
        if not several:
            if arguments.output is not None:
                check_useless(arguments, ("--format",), f"-o {path}, whose suffix names the format")
            suffix = path.suffix
            if suffix not in (SUFFIXES if tier == "t2" else (".raw",)):
                allowed = " or ".join(SUFFIXES) if tier == "t2" else ".raw"
                raise ConfigError(f"-o {path}: with --tier {tier} the file ends in {allowed}")
        outputs.append(Output(path, suffix, partial(_write_features, tier)))
    paths = [output.path for output in outputs]
    companions = [companion(output.path) for output in outputs if output.suffix == ".raw" and not several]
    if arguments.detect is None:
        _check_files(arguments, [*paths, *companions])
        return outputs
    drawing = _drawing(arguments, several)
    _check_files(arguments, [*paths, *companions, drawing])
    return [*outputs, Output(drawing, ".png", _detector(arguments, file).write)]


def _drawing(arguments: argparse.Namespace, several: bool) -> Path:
    """The file, or for ``several`` pictures the folder, that detections are drawn into."""
    if several:
        check_useless(arguments, ("--picture",), "several pictures in the bitstream")
    default: Path = arguments.bitstream.with_suffix(".detections" if several else ".detections.png")
    path: Path = arguments.detect if arguments.detect.name else default
    if not several and path.suffix.lower() != ".png":
        raise ConfigError(f"--detect {path}: the file ends in .png")
    return path


def _detector(arguments: argparse.Namespace, file: BinaryIO) -> Detector:
    from .detect import Detector
    from .network_choice import choose_network

    record = None if arguments.config else read_record(arguments.bitstream, file)
    choice = choose_network(arguments.config, arguments.set, record)
    threshold = DRAWN_SCORE if arguments.threshold is None else arguments.threshold
    return Detector(choice, arguments.picture, threshold, arguments.quiet)


def _check_files(arguments: argparse.Namespace, outputs: Sequence[Path]) -> None:
    """No output is an input, or another output."""
    given = [path for path in (arguments.bitstream, arguments.picture, arguments.planes) if path is not None]
    check_outputs(outputs, [*given, *arguments.config, *existing([companion(arguments.bitstream)])])


def _write_features(tier: str, path: Path, picture: DecodedPicture) -> None:
    if tier != "t2":
        save_planes(path, tier, picture)
        return
    with atomic_file(path) as file:
        save_feature_file(file, path.suffix, picture.features)
