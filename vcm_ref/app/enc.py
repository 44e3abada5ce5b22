"""``vcm_enc``: pictures or feature files to one bitstream."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, redirect_stdout
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from .. import feature_file
from ..atomic import atomic_file, check_outputs, companion
from ..configuration import NO_PATHS, Configuration, load_configuration, parse_size
from ..encoder import Encoder
from ..errors import ConfigError, VcmError
from ..feature_layers import looks_channels_last
from ..model_choice import with_model
from ..network import Network, load_network
from ..provenance import content_digest, file_digest, versions
from ..report import PictureReport, picture_table, totals_table
from ..source import Source
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
        help="pictures, feature files, folders or quoted patterns; may be repeated (default: the configuration's)",
    )
    parser.add_argument(
        "--qp", type=whole_number(), metavar="QP", help="as --set codec.qp=QP (default: the configuration's)"
    )
    parser.add_argument(
        "--picture-size",
        metavar="WxH",
        help="width and height of the original picture in pixels, for feature files that do not say it "
        "(default: the file's)",
    )


def configuration_from(arguments: argparse.Namespace) -> Configuration:
    """The configuration that the command line stands for. Raises :class:`ConfigError`."""
    flags: dict[str, Any] = {
        "bitstream": getattr(arguments, "bitstream", None),
        "picture_size": arguments.picture_size,
        "codec": {"qp": arguments.qp} if arguments.qp is not None else None,
    }
    given = {key: value for key, value in flags.items() if value is not None}
    return with_model(load_configuration(arguments.config, arguments.set, given))


def source_for(arguments: argparse.Namespace, configuration: Configuration) -> tuple[Inputs, Source]:
    """The inputs that the command line or the configuration names, and the source of their feature sets."""
    given = arguments.input or [configuration.get("input")]
    if given == [None]:
        raise ConfigError("there is no input; name it with -i")
    inputs = find_inputs(given)
    if all(path.suffix.lower() not in feature_file.READ_SUFFIXES for path in inputs.paths):
        check_needed(arguments, ("--picture-size",), "feature files as inputs")

    def make_network() -> Network:
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
    inputs, source = source_for(arguments, configuration)
    name = configuration.get("bitstream")
    read = files_read(arguments, configuration, inputs)
    with ExitStack() as stack:
        if name == STANDARD_STREAM:
            record, file = None, stack.enter_context(_standard_output())
            stack.enter_context(redirect_stdout(sys.stderr))
        else:
            record, file = stack.enter_context(_record_and_bitstream(Path(name), read))
        progress = stack.enter_context(progress_bar(len(inputs.paths), "coding"))
        if not arguments.quiet and inputs.skipped:
            print(f"{inputs.skipped_line()}\n")
        encoder = Encoder(configuration, file, progress)
        reports = _encode(encoder, source, inputs.paths, arguments.quiet)
        if record is not None:
            _write_record(record, configuration, file, inputs.paths, reports, encoder, source)
        size = file.tell()
    if not arguments.quiet:
        with redirect_stdout(sys.stderr) if name == STANDARD_STREAM else nullcontext():
            _print_totals(name, size, reports, encoder)


def _encode(encoder: Encoder, source: Source, paths: Sequence[Path], quiet: bool) -> list[PictureReport]:
    """Code the inputs, one after another."""
    reports: list[PictureReport] = []
    for path in paths:
        try:
            features = source.features(path)
            if not reports and looks_channels_last(features):
                print(f"vcm_enc: {path}: {_CHANNELS_LAST}", file=sys.stderr)
            reports.append(encoder.encode(features))
        except VcmError as error:
            error.where = str(path)
            raise
        if not quiet:
            print(f"{path}  {reports[-1].width}x{reports[-1].height}\n{picture_table(reports[-1])}\n")
    encoder.close()
    return reports


def _print_totals(name: str, size: int, reports: Sequence[PictureReport], encoder: Encoder) -> None:
    pixels = sum(report.pixels for report in reports)
    rhee2022_bits = sum(report.rhee2022_bits or 0 for report in reports)
    print(totals_table(encoder.writer.part_bits, pixels))
    print(f"\n{name}: {len(reports)} picture{'s' * (len(reports) > 1)}, {size} bytes")
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
    inputs: list[Path],
    reports: list[PictureReport],
    encoder: Encoder,
    source: Source,
) -> None:
    """Save beside the bitstream what it takes to make it again."""
    record = {
        "bitstream": {"sha256": content_digest(bitstream), "bytes": bitstream.tell()},
        "configuration": {key: value for key, value in configuration.tree.items() if key != "input"},
        "network": source.network.describe() if source.network is not None else None,
        "inner_codec": encoder.settings.describe_codec(),
        "versions": versions(),
        "bits": {part.value: bits for part, bits in encoder.writer.part_bits.items()},
        "pictures": [
            {"input": path.name, "sha256": file_digest(path), **_plain(report)}
            for path, report in zip(inputs, reports, strict=True)
        ],
    }
    file.write(json.dumps(record, indent=1).encode() + b"\n")


def _plain(report: PictureReport) -> dict[str, Any]:
    bits: Counter[Any] = report.part_bits
    return {**asdict(report), "part_bits": {part.value: count for part, count in bits.items()}}
