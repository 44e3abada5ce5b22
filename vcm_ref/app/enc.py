"""``vcm_enc``: pictures or feature files to one bitstream."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from ..atomic import atomic_file, check_output
from ..configuration import Configuration, load_configuration, parse_size
from ..encoder import Encoder
from ..errors import ConfigError, VcmError
from ..feature_layers import looks_channels_last
from ..network import Network, load_network
from ..provenance import content_digest, file_digest, versions
from ..report import PictureReport, picture_table, totals_table
from ..source import Source, find_inputs
from .command import argument_parser, progress_bar, run

_CHANNELS_LAST = "note: are its layers (H, W, C)? They must be (C, H, W); transpose them with .transpose(2, 0, 1)"


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_enc``; returns the exit code."""
    parser = argument_parser("vcm_enc", "Code the features of pictures, or given features, into one bitstream.")
    add_configuration_arguments(parser)
    parser.add_argument("-b", "--bitstream", metavar="FILE", help="the bitstream to write")
    parser.add_argument("-q", "--quiet", action="store_true", help="print the totals only")
    return run(parser, _work, argv)


def add_configuration_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that make up a configuration."""
    parser.add_argument(
        "-c", "--config", type=Path, action="append", required=True, metavar="FILE", help="YAML; later ones win"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="as in codec.preset=fast; wins over files"
    )
    parser.add_argument("-i", "--input", metavar="INPUT", help="picture, feature file, folder or glob")
    parser.add_argument("--qp", type=int, help="as --set codec.qp=QP")
    parser.add_argument("--picture-size", metavar="WxH", help="for feature files that do not say it")


def configuration_from(arguments: argparse.Namespace) -> Configuration:
    """The configuration that the command line stands for."""
    flags: dict[str, Any] = {
        "input": arguments.input,
        "bitstream": getattr(arguments, "bitstream", None),
        "picture_size": arguments.picture_size,
        "codec": {"qp": arguments.qp} if arguments.qp is not None else None,
    }
    given = {key: value for key, value in flags.items() if value is not None}
    return load_configuration(arguments.config, arguments.set, given)


def source_for(configuration: Configuration) -> tuple[list[Path], Source]:
    """The inputs that a configuration names, and what turns them into feature sets."""
    if configuration.get("input") is None:
        raise configuration.error("input", "nothing to code; name it with -i")

    def make_network() -> Network:
        return load_network(**configuration.get("network"))

    size = configuration.get("picture_size")
    picture_size = parse_size(size)[::-1] if size else None
    upright = configuration.get("apply_exif_orientation", True)
    return find_inputs(configuration.get("input")), Source(make_network, picture_size, upright)


def _work(arguments: argparse.Namespace) -> None:
    configuration = configuration_from(arguments)
    bitstream = Path(configuration.get("bitstream"))
    inputs, source = source_for(configuration)
    if bitstream.resolve() in [path.resolve() for path in inputs]:
        raise ConfigError(f"{bitstream}: would be overwritten; name the bitstream with -b")
    reports: list[PictureReport] = []
    with _record_and_bitstream(bitstream) as (record, file), progress_bar(len(inputs), "coding") as progress:
        encoder = Encoder(configuration, file, progress)
        for path in inputs:
            try:
                features = source.features(path)
                if not reports and looks_channels_last(features):
                    print(f"vcm_enc: {path}: {_CHANNELS_LAST}", file=sys.stderr)
                reports.append(encoder.encode(features))
            except VcmError as error:
                error.where = str(path)
                raise
            if not arguments.quiet:
                print(f"{path}  {reports[-1].width}x{reports[-1].height}\n{picture_table(reports[-1])}\n")
        encoder.close()
        _write_record(record, configuration, file, inputs, reports, encoder)
    pixels = sum(report.pixels for report in reports)
    seed_bits = sum(report.seed_bits or 0 for report in reports)
    print(totals_table(encoder.writer.part_bits, pixels))
    print(f"\n{bitstream}: {len(reports)} picture{'s' * (len(reports) > 1)}, {bitstream.stat().st_size} bytes")
    print(f"bpp in the first seed's accounting (inner streams + 8 bits a reordered channel): {seed_bits / pixels:.4f}")


@contextmanager
def _record_and_bitstream(bitstream: Path) -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Both files, which appear together or not at all."""
    check_output(bitstream)
    with atomic_file(bitstream.with_name(bitstream.name + ".json")) as record, atomic_file(bitstream) as file:
        yield record, file
        record.flush()


def _write_record(
    file: BinaryIO,
    configuration: Configuration,
    bitstream: BinaryIO,
    inputs: list[Path],
    reports: list[PictureReport],
    encoder: Encoder,
) -> None:
    """Save beside the bitstream what it takes to make it again."""
    record = {
        "bitstream": {"sha256": content_digest(bitstream), "bytes": bitstream.tell()},
        "configuration": configuration.tree,
        "inner_codec": encoder.settings.inner_encoder.describe(),
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
