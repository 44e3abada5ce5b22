"""What encoder and decoder say about their work, and the table in which they say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from math import prod

from ..bitstream.elements import Part
from ..bitstream.geometry import substream_geometries, tensor_shapes
from ..bitstream.headers import StreamHeader
from ..bitstream.stream import CodedGroup
from ..bitstream.values import InnerCodecId
from ..models.cost import StageCost


@dataclass(frozen=True)
class SubstreamReport:
    """One substream: the layers in it, how they are coded, and the cost. ``inner_bytes`` is as the codec wrote it.

    A substream of levels has ``components`` instead of a grid, a mode and frames.
    """

    layers: str
    grid: str | None
    mode: str | None
    frames: str | None
    stored_bytes: int
    inner_bytes: int | None
    seconds: float
    components: str | None = None


@dataclass(frozen=True)
class PictureReport:
    """One group of pictures, most often of one: original size in pixels, substreams, bits by part of the rate.

    ``t1_digests`` are the first picture's, by coded tensor; ``later_t1_digests`` those of the others.
    ``rhee2022_bits`` is the rate in the accounting of Rhee, Lee, Kim 2022, and ``han2022_bits`` in that of Han et al.
    2022 (Table 3): the bit depth times the samples of the coded tensors, as if nothing coded them.
    ``stage_seconds`` are those of reduction in an encoder's report, and of a picture's restoration in a decoder's,
    which has the ``stage_cost`` of the picture too; None without reduction.
    Of a group that was decoded, the first picture has the report, with the number of ``pictures``; the others have 0.
    """

    height: int
    width: int
    substreams: list[SubstreamReport]
    part_bits: Counter[Part]
    t1_digests: dict[str, str]
    rhee2022_bits: int | None = None
    pictures: int = 1
    later_t1_digests: list[dict[str, str]] = field(default_factory=list)
    han2022_bits: int | None = None
    stage_cost: StageCost | None = None
    stage_seconds: float = 0.0

    @property
    def pixels(self) -> int:
        """The divisor of BPP."""
        return self.height * self.width * self.pictures


def substream_reports(
    stream: StreamHeader, group: CodedGroup, inner_bytes: Iterable[int | None], seconds: Iterable[float]
) -> list[SubstreamReport]:
    """One report a substream, in order."""
    coded = stream.coded
    geometries = substream_geometries(stream, group.header)
    reports = []
    for members, geometry, stored, inner, elapsed in zip(
        stream.substreams, geometries, group.substream_bytes, inner_bytes, seconds, strict=True
    ):
        layers = " ".join(coded[i].name for i in members)
        maps = f"{geometry.frames} of {geometry.width}x{geometry.height}"
        if geometry.tensor.format.levels is not None:
            reports.append(SubstreamReport(layers, None, None, None, stored, inner, elapsed, components=maps))
            continue
        grid = " ".join(str(stream.tensors[i].grid) for i in members)
        reports.append(SubstreamReport(layers, grid, geometry.tensor.mode.name, maps, stored, inner, elapsed))
    return reports


def plain_bits(stream: StreamHeader, group: CodedGroup) -> int | None:
    """Bit depth times channels, height and width, summed over the coded tensors of all pictures of the group.

    ``None`` where a tensor is coded as levels, which have no bit depth.
    """
    forms = [tensor.format for tensor in stream.tensors]
    if any(form.inner_codec == InnerCodecId.COEFFICIENTS for form in forms):
        return None
    shapes = tensor_shapes(stream, group.header)
    return len(group.header.pictures) * sum(
        form.bit_depth * prod(shape) for form, shape in zip(forms, shapes, strict=True)
    )


def picture_table(report: PictureReport) -> str:
    """A row for each substream: layers, grid, mode, frames, components, bytes, bpp, time; no column without a value."""
    from tabulate import tabulate

    columns: dict[str, list[str | None]] = {
        "layer": [s.layers for s in report.substreams],
        "grid": [s.grid for s in report.substreams],
        "mode": [s.mode for s in report.substreams],
        "frames": [s.frames for s in report.substreams],
        "components": [s.components for s in report.substreams],
        "bytes": [str(s.stored_bytes) for s in report.substreams],
        "bpp": [f"{8 * s.stored_bytes / report.pixels:.4f}" for s in report.substreams],
        "time/s": [f"{s.seconds:.2f}" for s in report.substreams],
    }
    shown = {name: texts for name, texts in columns.items() if any(text is not None for text in texts)}
    sides = ["right" if name in ("bytes", "bpp", "time/s") else "left" for name in shown]
    return tabulate(shown, headers="keys", missingval="-", colalign=sides, disable_numparse=True)


def totals_table(part_bits: Mapping[Part, int], pixels: int, seconds: Fraction | None = None) -> str:
    """The share of each part of the rate, and the whole: bytes, bpp, percent. ``pixels`` is of all pictures.

    ``seconds`` is how long the sequence lasts that the pictures are, if they are one; then there is kbit/s as well.
    """
    from tabulate import tabulate

    total = sum(part_bits.values())
    rows = [(part.value, part_bits.get(part, 0)) for part in Part if part_bits.get(part, 0)]
    rows.append(("total", total))
    columns = {"part": "", "bytes": "", "bpp": ".4f", **({"kbit/s": ".2f"} if seconds else {}), "%": ".1f"}
    return tabulate(
        [
            (
                name,
                f"{bits / 8:.1f}".removesuffix(".0"),
                bits / pixels,
                *([kilobits_a_second(bits, seconds)] if seconds else []),
                100 * bits / total,
            )
            for name, bits in rows
        ],
        tuple(columns),
        floatfmt=tuple(columns.values()),
        colalign=("left", *["right"] * (len(columns) - 1)),
        disable_numparse=[1],
    )


def kilobits_a_second(bits: int, seconds: Fraction) -> float:
    """A rate in kbit/s, of 1000 bits each."""
    return float(bits / seconds / 1000)
