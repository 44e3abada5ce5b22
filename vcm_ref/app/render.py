"""``vcm_render``: the feature frames, before and after coding, as PNG files."""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from pathlib import Path

from ..bitstream.headers import StreamHeader
from ..bitstream.values import IntegerTensor
from ..decoder import Decoder
from ..encoder import Encoder
from ..errors import VcmError
from ..files.atomic import atomic_folder, check_outputs
from ..reporting.render import contact_sheet, save_png
from .arguments import whole_number
from .command import argument_parser, progress_bar, run
from .enc import add_configuration_arguments, configuration_from, files_read, source_for

#: Of a tensor that is coded as levels, these maps are shown: a KLT has hundreds, the first with most of the energy.
FIRST_MAPS = 16


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``vcm_render``; returns the exit code."""
    parser = argument_parser("vcm_render", "Render feature frames, before and after coding, into PNG files.")
    add_configuration_arguments(parser)
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("frames"), metavar="FOLDER", help="a new folder (default: frames)"
    )
    parser.add_argument(
        "--stretch",
        action="store_true",
        help="stretch the contrast to the samples' range (default: all of black to white)",
    )
    parser.add_argument(
        "--maps",
        type=whole_number(1),
        default=FIRST_MAPS,
        metavar="N",
        help=f"of a tensor that is coded as levels, show the first N maps (default: {FIRST_MAPS})",
    )
    return run(parser, _work, argv)


def _work(arguments: argparse.Namespace) -> None:
    configuration = configuration_from(arguments)
    if configuration.get("group"):
        raise configuration.error("group", "codes pictures together: that is for vcm_enc")
    inputs, source = source_for(arguments, configuration)
    check_outputs([arguments.output], files_read(arguments, configuration, inputs))
    if inputs.skipped:
        print(inputs.skipped_line())
    bitstream = io.BytesIO()
    written = []
    with atomic_folder(arguments.output) as folder, progress_bar(2 * len(inputs.paths), "rendering") as progress:
        encoder = Encoder(configuration, bitstream, progress)
        for index, path in enumerate(inputs.paths):
            try:
                features = source.features(path)
                before = encoder.convert(features).frames
                written += _save(folder, f"{index:06d}", "before", encoder.settings.header, before, arguments)
                encoder.encode(features)
            except VcmError as error:
                error.where = str(path)
                raise
        encoder.close()
        decoder = Decoder(bitstream, progress=progress)
        for index, picture in enumerate(decoder.pictures()):
            coded = [*picture.quantised.values()]
            after = [
                picture.planes.get(number, coded[members[0]])
                for number, members in enumerate(decoder.header.substreams)
            ]
            written += _save(folder, f"{index:06d}", "after", decoder.header, after, arguments)
            del picture  # the next one takes its memory
    print("\n".join(str(arguments.output / name) for name in sorted(written)))


def _save(
    folder: Path,
    picture: str,
    when: str,
    header: StreamHeader,
    planes: list[IntegerTensor],
    arguments: argparse.Namespace,
) -> list[str]:
    files = []
    for members, frames in zip(header.substreams, planes, strict=True):
        name = "stacked" if len(members) > 1 else header.coded[members[0]].name
        files.append(f"{picture}_{name}_{when}.png")
        shown = frames if header.tensors[members[0]].format.levels is None else frames[: arguments.maps]
        inner_bits = header.tensors[members[0]].format.inner_bit_depth
        save_png(folder / files[-1], contact_sheet(shown, inner_bits, arguments.stretch))
    return files
