"""The work of ``vcm_dec``: read a bitstream, and write what its arguments ask for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from ..bitstream.limits import DecoderLimits
from ..bitstream.recovery import DamagedGroup, RecoveringReader
from ..decoder import DecodedPicture, Decoder
from ..errors import BitstreamError, CodecError, ConfigError, UnsupportedError, VcmError
from ..files.atomic import atomic_file, atomic_folder, check_outputs, companion
from ..files.feature_file import save_feature_file
from ..files.kind import FEATURE_SUFFIXES
from ..files.planes_file import GivenPlanes, append_tiers, save_planes
from ..reporting.report import picture_table, totals_table
from .arguments import real_number, whole_number
from .command import DRAWN_SCORE, check_useless, progress_bar
from .inputs import existing, open_input
from .record import RecordError, read_record

if TYPE_CHECKING:
    from .detect import Detector


class Output(NamedTuple):
    """One thing to write: where, how, and under which suffix each picture has a file of its own, if it has."""

    path: Path
    suffix: str | None
    write: Callable[[Path, DecodedPicture], None]


def decode(arguments: argparse.Namespace, limits: DecoderLimits) -> None:
    """Decode, or trace, the bitstream that the arguments name, and write the outputs."""
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
                going = arguments.keep_going
                decoder = Decoder(file, limits=limits, backend=arguments.backend, planes=planes, keep_going=going)
                _decode(arguments, file, decoder)
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
    damaged = _Damaged(arguments.bitstream)
    outputs = _outputs(arguments, file, several=count > 1)
    pixels = 0
    with ExitStack() as stack, progress_bar(count, "decoding") as progress:
        decoder.progress = progress
        names = _picture_names(arguments, file, total)[wanted.start : wanted.stop] if count > 1 else [""]
        places = [
            stack.enter_context(atomic_folder(output.path)) if count > 1 or output.suffix is None else output.path
            for output in outputs
        ]
        for index, picture in damaged.numbered(decoder, wanted):
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
        damaged.check_output()
    if not arguments.quiet:
        if count == total and not damaged.errors:
            print(totals_table(decoder.reader.part_bits, pixels))
        for output in outputs:
            print(f"wrote {output.path}")
    damaged.end()


class _Damaged:
    """The groups without which decoding went on: each is a line on stderr, and the first gives the exit code."""

    def __init__(self, bitstream: Path) -> None:
        self.errors: list[VcmError] = []
        self._bitstream = bitstream
        self._decoded = 0

    def numbered(self, decoder: Decoder, wanted: range) -> Iterator[tuple[int, DecodedPicture]]:
        """The wanted pictures, each with its place among them; groups that are damaged are told of."""
        if not isinstance(decoder.reader, RecoveringReader):
            yield from enumerate(decoder.pictures(wanted))
            return
        index = 0
        for found in decoder.pictures_and_damage(wanted):
            if isinstance(found, DamagedGroup):
                self._tell(found)
                index = max(index, found.pictures.stop - wanted.start if found.pictures else 0)
                continue
            yield index, found
            index, self._decoded = index + 1, self._decoded + 1

    def _tell(self, group: DamagedGroup) -> None:
        self.errors.append(group.error)
        if group.pictures is None:
            told = f"group {group.number} and all behind it"
        else:
            first, last = group.pictures[0], group.pictures[-1]
            told = f"group {group.number}, picture {first}" + (f" to {last}" if last > first else "")
        print(f"vcm_dec: {self._bitstream}: {told}: {' '.join(str(group.error).split())}", file=sys.stderr)

    def check_output(self) -> None:
        """Raise where there is nothing to write."""
        if self.errors and not self._decoded:
            raise self._error("no picture could be decoded")

    def end(self) -> None:
        """Raise where a group was damaged."""
        if self.errors:
            raise self._error(f"{self._decoded} pictures were decoded without the damaged groups")

    def _error(self, words: str) -> VcmError:
        error = VcmError(f"{self._bitstream}: {words}")
        error.exit_code = self.errors[0].exit_code
        return error


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
        if several and path.suffix in (*FEATURE_SUFFIXES, ".raw"):
            raise ConfigError(f"-o {path}: the bitstream has several pictures, so -o must name a folder")
        if not several:
            if arguments.output is not None:
                check_useless(arguments, ("--format",), f"-o {path}, whose suffix names the format")
            suffix = path.suffix
            if suffix not in (FEATURE_SUFFIXES if tier == "t2" else (".raw",)):
                allowed = " or ".join(FEATURE_SUFFIXES) if tier == "t2" else ".raw"
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
