"""``vcm_enc``: pictures or feature files to one bitstream."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ..configuration import NO_PATHS, Configuration, load_configuration, parse_size
from ..encoder import Encoder
from ..encoding.inner_encoders import describe_encoders
from ..encoding.model_choice import check_trained_for, with_model
from ..encoding.settings import check_group
from ..errors import ConfigError, VcmError
from ..files.atomic import atomic_file, check_outputs, companion
from ..files.feature_layers import looks_channels_last
from ..files.kind import READ_FEATURE_SUFFIXES
from ..inputs.sequence import PictureSequence, Selection, SequencePicture, groups, is_video
from ..inputs.source import Source
from ..inputs.video_file import RAW_SUFFIX, VIDEO_SUFFIXES
from ..network import Network, load_network
from ..reporting.provenance import content_digest, file_digest, versions
from ..reporting.report import PictureReport, kilobits_a_second, picture_table, totals_table
from .arguments import add_layers, whole_number
from .command import argument_parser, check_needed, progress_bar, run
from .inputs import STANDARD_STREAM, Inputs, existing, find_inputs

_CHANNELS_LAST = "note: are its layers (H, W, C)? They must be (C, H, W); transpose them with .transpose(2, 0, 1)"


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_enc``; returns the exit code."""
    parser = argument_parser("vcm_enc", "Code the features of pictures, or given features, into one bitstream.")
    add_configuration_arguments(parser)
    parser.add_argument(
        "-b",
        "--bitstream",
        metavar="FILE",
        help="the bitstream to write, with a record in FILE.json; - writes the bitstream to standard output and no "
        "record (default: the configuration's, bitstream.bin)",
    )
    parser.add_argument(
        "--start",
        type=whole_number(0),
        metavar="N",
        help="video: the number of the first picture, from 0 (default: the configuration's, 0)",
    )
    parser.add_argument(
        "--frames",
        type=whole_number(1),
        metavar="N",
        help="video: the largest number of pictures (default: the configuration's, all)",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="print errors only")
    return run(parser, _work, argv)


def add_configuration_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that make up a configuration, and the inputs."""
    add_layers(parser)
    parser.add_argument(
        "-i",
        "--input",
        nargs="+",
        action="extend",
        default=[],
        metavar="INPUT",
        help="pictures, feature files, folders or quoted patterns, for vcm_enc also video files; may be repeated "
        "(default: the configuration's)",
    )
    parser.add_argument(
        "--qp", type=whole_number(), metavar="QP", help="the same as --set codec.qp=QP (default: the configuration's)"
    )
    parser.add_argument(
        "--picture-size",
        metavar="WxH",
        help="width and height of the original picture in pixels, for raw video and for feature files that do not "
        "state it (default: the file's)",
    )


def configuration_from(arguments: argparse.Namespace) -> Configuration:
    """The configuration that the command line stands for. Raises :class:`ConfigError`."""
    flags: dict[str, Any] = {
        "bitstream": getattr(arguments, "bitstream", None),
        "picture_size": arguments.picture_size,
        "start": getattr(arguments, "start", None),
        "frames": getattr(arguments, "frames", None),
        "codec": {"qp": arguments.qp} if arguments.qp is not None else None,
    }
    given = {key: value for key, value in flags.items() if value is not None}
    return with_model(load_configuration(arguments.config, arguments.set, given))


def source_for(
    arguments: argparse.Namespace, configuration: Configuration, also: Sequence[str] = ()
) -> tuple[Inputs, Source]:
    """The inputs that the command line or the configuration names, and the source of their feature sets.

    ``also`` has the suffixes of further kinds of inputs.
    """
    given = arguments.input or [configuration.get("input")]
    if given == [None]:
        raise ConfigError("there is no input; name it with -i")
    inputs = find_inputs(given, also)
    without_size = (*READ_FEATURE_SUFFIXES, *(suffix for suffix in also if suffix == RAW_SUFFIX))
    if all(path.suffix.lower() not in without_size for path in inputs.paths):
        check_needed(arguments, ("--picture-size",), "feature files as inputs")

    def make_network() -> Network:
        check_trained_for(configuration)
        return load_network(**configuration.get("network"))

    size = configuration.get("picture_size")
    upright = configuration.get("apply_exif_orientation", True)
    return inputs, Source(make_network, parse_size(size)[::-1] if size else None, upright)


def files_read(arguments: argparse.Namespace, configuration: Configuration, inputs: Inputs) -> list[Path]:
    """All files that coding reads: no output may take the place of one."""
    weights = configuration.get("network.weights")
    own = [Path(weights)] if weights is not None and weights not in NO_PATHS else []
    model = configuration.get("reduction.model")
    own += [Path(model)] if model is not None else []
    return [*inputs.paths, *existing([*configuration.files, *own])]


def _work(arguments: argparse.Namespace) -> None:
    configuration = configuration_from(arguments)
    inputs, source = source_for(arguments, configuration, VIDEO_SUFFIXES)
    if not any(map(is_video, inputs.paths)):
        check_needed(arguments, ("--start", "--frames"), "a video as input")
        for key in ("start", "frames", "pixel_format"):
            if configuration.get(key) is not None:
                raise configuration.error(key, "has no effect without a video as input")
    sequence = PictureSequence(inputs.paths, source, _selection(configuration))
    size = configuration.get("group") or 1
    check_group(configuration)
    name = configuration.get("bitstream")
    read = files_read(arguments, configuration, inputs)
    with ExitStack() as stack:
        if name == STANDARD_STREAM:
            record, file = None, stack.enter_context(_standard_output())
            stack.enter_context(redirect_stdout(sys.stderr))
        else:
            record, file = stack.enter_context(_record_and_bitstream(Path(name), read))
        known = not any(map(is_video, inputs.paths))
        progress = stack.enter_context(progress_bar(-(-len(inputs.paths) // size), "coding") if known else _no_bar())
        if not arguments.quiet and inputs.skipped:
            print(f"{inputs.skipped_line()}\n")
        encoder = Encoder(configuration, file, progress)
        coded = _encode(encoder, groups(sequence, size), arguments.quiet)
        if record is not None:
            _write_record(record, configuration, file, coded, encoder, source, sequence.frame_rate())
        length = file.tell()
    if not arguments.quiet:
        with redirect_stdout(sys.stderr) if name == STANDARD_STREAM else nullcontext():
            _print_totals(name, length, [group.report for group in coded], encoder, sequence.frame_rate())


class _CodedGroup(NamedTuple):
    """One group: where its pictures come from, file and number in a video, and the report on it."""

    pictures: list[tuple[Path, int | None]]
    report: PictureReport


def _selection(configuration: Configuration) -> Selection:
    size, rate = configuration.get("picture_size"), configuration.get("frame_rate")
    return Selection(
        start=configuration.get("start") or 0,
        frames=configuration.get("frames"),
        size=parse_size(size)[::-1] if size else None,
        pixel_format=configuration.get("pixel_format"),
        frame_rate=None if rate is None else Fraction(str(rate)),
        upright=configuration.get("apply_exif_orientation", True),
    )


def _encode(encoder: Encoder, sequence: Iterable[list[SequencePicture]], quiet: bool) -> list[_CodedGroup]:
    """Code the groups, one after another."""
    coded: list[_CodedGroup] = []
    for group in sequence:
        path, features = group[0].path, group[0].features
        if not coded and looks_channels_last(features):
            print(f"vcm_enc: {path}: {_CHANNELS_LAST}", file=sys.stderr)
        try:
            report = encoder.encode(*(picture.features for picture in group))
        except VcmError as error:
            error.where = str(path)
            raise
        coded.append(_CodedGroup([(picture.path, picture.number) for picture in group], report))
        if not quiet:
            print(f"{_told(coded[-1])}  {report.width}x{report.height}\n{picture_table(report)}\n")
    encoder.close()
    return coded


def _told(group: _CodedGroup) -> str:
    """The pictures of a group: the file, and the first and last where there are several."""
    (first, number), (last, end) = group.pictures[0], group.pictures[-1]
    if number is not None:
        return f"{first}  picture {number}" + (f" to {end}" if end != number else "")
    return str(first) if len(group.pictures) == 1 else f"{first} to {last}"


def _print_totals(
    name: str, size: int, reports: Sequence[PictureReport], encoder: Encoder, frame_rate: Fraction | None
) -> None:
    pixels = sum(report.pixels for report in reports)
    pictures = sum(report.pictures for report in reports)
    seconds = None if frame_rate is None else pictures / frame_rate
    rhee2022_bits = sum(report.rhee2022_bits or 0 for report in reports)
    print(totals_table(encoder.writer.part_bits, pixels, seconds))
    rate = "" if seconds is None else f", {kilobits_a_second(8 * size, seconds):.2f} kbit/s"
    print(f"\n{name}: {pictures} picture{'s' * (pictures > 1)}, {size} bytes{rate}")
    print(
        "bpp in the accounting of Rhee, Lee, Kim 2022 (inner streams + 8 bits a reordered channel): "
        f"{rhee2022_bits / pixels:.4f}"
    )
    han2022_bits = [report.han2022_bits for report in reports if report.han2022_bits is not None]
    if len(han2022_bits) == len(reports):
        print(
            "bpp in the accounting of Han et al. 2022 (bit depth x samples of the coded tensors): "
            f"{sum(han2022_bits) / pixels:.4f}"
        )


@contextmanager
def _no_bar() -> Iterator[Callable[[float], None]]:
    """No progress bar: how many pictures a video has is known at its end, and each group is a line."""
    yield lambda share: None


@contextmanager
def _standard_output() -> Iterator[BinaryIO]:
    """A nameless file, whose content goes to standard output when the block ends, and nowhere when it raises."""
    if sys.stdout.isatty():
        raise ConfigError("-b -: standard output is a terminal; redirect it to a file or a pipe")
    output = sys.stdout.buffer
    with tempfile.TemporaryFile() as file:
        yield file
        file.seek(0)
        shutil.copyfileobj(file, output)
        output.flush()


@contextmanager
def _record_and_bitstream(bitstream: Path, read: Sequence[Path]) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Both files, which appear together or not at all."""
    check_outputs([bitstream, companion(bitstream)], read)
    with atomic_file(companion(bitstream)) as record, atomic_file(bitstream) as file:
        yield record, file
        record.flush()


def _write_record(
    file: BinaryIO,
    configuration: Configuration,
    bitstream: BinaryIO,
    coded: Sequence[_CodedGroup],
    encoder: Encoder,
    source: Source,
    frame_rate: Fraction | None,
) -> None:
    """Save beside the bitstream what it takes to make it again."""
    digests = {path: file_digest(path) for group in coded for path, _ in group.pictures}
    record = {
        "bitstream": {"sha256": content_digest(bitstream), "bytes": bitstream.tell()},
        "configuration": {key: value for key, value in configuration.tree.items() if key != "input"},
        "network": source.network.describe() if source.network is not None else None,
        "inner_codec": describe_encoders(encoder.settings.inner_encoders),
        "versions": versions(),
        "bits": {part.value: bits for part, bits in encoder.writer.part_bits.items()},
        **({} if frame_rate is None else {"frame_rate": str(frame_rate)}),
        "pictures": [entry for group in coded for entry in _entries(group, digests)],
    }
    file.write(json.dumps(record, indent=1).encode() + b"\n")


def _entries(group: _CodedGroup, digests: Mapping[Path, str]) -> Iterator[dict[str, Any]]:
    """An entry for each picture of a group; the first has the report on the group, the others their digests."""
    first = _plain(group.report)
    later = first.pop("later_t1_digests") or [{}] * (len(group.pictures) - 1)
    told = [first, *({"t1_digests": own} for own in later)]
    for (path, number), report in zip(group.pictures, told, strict=True):
        frame = {} if number is None else {"frame": number}
        yield {"input": path.name, "sha256": digests[path], **frame, **report}


def _plain(report: PictureReport) -> dict[str, Any]:
    bits: Counter[Any] = report.part_bits
    return {**asdict(report), "part_bits": {part.value: count for part, count in bits.items()}}
