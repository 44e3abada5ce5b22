"""``vcm_dec``: a bitstream to feature tensors, integer planes, a trace, or detections.

The command line alone: the decoder, and NumPy with it, is imported when there is something to decode.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ..errors import ConfigError
from ..files.kind import FEATURE_SUFFIXES
from .arguments import real_number
from .command import DRAWN_SCORE, argument_parser, check_needed, check_useless, run
from .inputs import STANDARD_STREAM


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_dec``; returns the exit code."""
    parser = argument_parser("vcm_dec", "Decode a bitstream to feature tensors.")
    parser.add_argument(
        "bitstream", type=Path, nargs="?", metavar="BITSTREAM", help="the file to decode; - is standard input"
    )
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
        choices=[suffix[1:] for suffix in FEATURE_SUFFIXES],
        help="format of the feature files, if -o does not give their names (default: safetensors)",
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
        "--keep-going",
        action="store_true",
        help="name each damaged group, and decode the other groups; the exit code still tells of the damage",
    )
    parser.add_argument(
        "--planes",
        type=Path,
        metavar="FILE",
        help="use these inner planes, as in t0.raw (default: run the inner decoder)",
    )
    parser.add_argument(
        "--limit",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a limit of the decoder, as in frames=64; may be repeated (defaults: docs/guide.md)",
    )
    parser.add_argument(
        "--serve",
        action="store_true",
        help="decode the bitstreams that standard input names, each with these options (docs/conformance.md)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    words = list(sys.argv[1:] if argv is None else argv)
    return run(parser, partial(_work, words), words)


def _work(words: Sequence[str], arguments: argparse.Namespace) -> None:
    from .decoding import decode, decoder_limits

    limits = decoder_limits(arguments.limit)
    _check_usage(arguments)
    if arguments.serve:
        from .serving import serve

        serve(lambda job: main([word for word in words if word != "--serve"] + job))
        return
    decode(arguments, limits)


def _check_usage(arguments: argparse.Namespace) -> None:
    """Refuse options that would change nothing, and standard input without the name of an output."""
    if arguments.serve:
        check_useless(arguments, ("--output", "--trace", "--detect", "--planes"), "--serve")
        if arguments.bitstream is not None:
            raise ConfigError(f"{arguments.bitstream}: not with --serve, which is told of bitstreams on standard input")
        return
    if arguments.bitstream is None:
        raise ConfigError("the bitstream is missing; name one")
    of_detections = ("--picture", "--config", "--set", "--threshold")
    if arguments.trace:
        useless = ("--output", "--tier", "--format", "--detect", "--planes", "--pictures", "--keep-going", "--quiet")
        check_useless(arguments, (*useless, *of_detections), "--trace")
    if arguments.detect is None:
        check_needed(arguments, of_detections, "--detect")
    elif arguments.output is None and arguments.tier != "all":
        check_useless(arguments, ("--tier", "--format"), "--detect, without -o")
    if arguments.tier not in (None, "t2"):
        check_useless(arguments, ("--format",), f"--tier {arguments.tier}")
    if arguments.keep_going and (arguments.planes is not None or arguments.tier == "all"):
        other = "--planes" if arguments.planes is not None else "--tier all"
        raise ConfigError(f"--keep-going: not with {other}, whose files have all pictures one behind another")
    if arguments.planes is not None:
        check_useless(arguments, ("--pictures",), "--planes, which has the planes of all pictures")
    if str(arguments.bitstream) == STANDARD_STREAM and not arguments.trace:
        needed = [arguments.detect] if arguments.detect is not None else [arguments.output]
        if arguments.tier == "all":
            needed.append(arguments.output)
        if not all(path is not None and path.name for path in needed):
            raise ConfigError(
                "-: standard input does not give a name for the output; name it with -o, or after --detect"
            )


def _pictures(text: str) -> range:
    """The numbers that ``A:B`` stands for: from A on, up to but not including B."""
    found = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})", text)
    if found is None or int(found[1]) >= int(found[2]):
        raise argparse.ArgumentTypeError(f"{text[:40]!r} is not a range of pictures, such as 40:60")
    return range(int(found[1]), int(found[2]))
