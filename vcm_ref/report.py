"""What encoder and decoder say about their work, and the table in which they say it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .bitstream.elements import Part
from .bitstream.geometry import substream_geometries
from .bitstream.stream import CodedPicture
from .bitstream.syntax import StreamHeader
from .bitstream.values import Arrangement


@dataclass(frozen=True)
class SubstreamReport:
    """One substream: the layers in it, their grids, and what coding cost. ``inner_bytes`` is as the codec wrote it."""

    layers: str
    grid: str
    mode: str
    frames: str
    stored_bytes: int
    inner_bytes: int | None
    seconds: float


@dataclass(frozen=True)
class PictureReport:
    """One picture: its original size in pixels, its substreams, its bits by part of the rate, its T1 digests."""

    height: int
    width: int
    substreams: list[SubstreamReport]
    part_bits: Counter[Part]
    t1_digests: dict[str, str]
    seed_bits: int | None = None

    @property
    def pixels(self) -> int:
        """What BPP divides by."""
        return self.height * self.width


def substream_reports(
    stream: StreamHeader, picture: CodedPicture, inner_bytes: Iterable[int | None], seconds: Iterable[float]
) -> list[SubstreamReport]:
    """One report a substream, in order."""
    layers = stream.layers
    geometries = substream_geometries(stream, picture.header)
    groups = [layers] if stream.arrangement == Arrangement.TILED else [[layer] for layer in layers]
    return [
        SubstreamReport(
            layers=" ".join(layer.name for layer in group),
            grid=" ".join(str(layer.grid) for layer in group),
            mode=group[0].mode.name,
            frames=f"{geometry.frames} of {geometry.width}x{geometry.height}",
            stored_bytes=stored,
            inner_bytes=inner,
            seconds=elapsed,
        )
        for group, geometry, stored, inner, elapsed in zip(
            groups, geometries, picture.substream_bytes, inner_bytes, seconds, strict=True
        )
    ]


def picture_table(report: PictureReport) -> str:
    """A row for each substream: layers, grid, mode, frames, bytes, bpp, time."""
    from tabulate import tabulate

    rows = [
        (s.layers, s.grid, s.mode, s.frames, s.stored_bytes, 8 * s.stored_bytes / report.pixels, s.seconds)
        for s in report.substreams
    ]
    headers = ("layer", "grid", "mode", "frames", "bytes", "bpp", "time/s")
    return tabulate(rows, headers, floatfmt=("", "", "", "", "", ".4f", ".2f"), disable_numparse=[0, 1, 2, 3])


def totals_table(part_bits: Mapping[Part, int], pixels: int) -> str:
    """The share of each part of the rate, and the whole: bytes, bpp, percent. ``pixels`` is of all pictures."""
    from tabulate import tabulate

    total = sum(part_bits.values())
    rows = [(part.value, part_bits.get(part, 0)) for part in Part if part_bits.get(part, 0)]
    rows.append(("total", total))
    return tabulate(
        [(name, f"{bits / 8:.1f}".removesuffix(".0"), bits / pixels, 100 * bits / total) for name, bits in rows],
        ("part", "bytes", "bpp", "%"),
        floatfmt=("", "", ".4f", ".1f"),
        colalign=("left", "right", "right", "right"),
        disable_numparse=[1],
    )
