"""The numbers that encoder and decoder report, worked by hand."""

from __future__ import annotations

from collections import Counter

from vcm_ref.bitstream.elements import Part
from vcm_ref.bitstream.headers import (
    GroupHeader,
    LevelFormat,
    PictureHeader,
    StreamHeader,
    TensorFormat,
    TensorHeader,
    format_of_levels,
)
from vcm_ref.bitstream.stream import CodedGroup
from vcm_ref.bitstream.values import Grid, InnerCodecId, Layer, Mode, Packing
from vcm_ref.reporting.report import (
    PictureReport,
    SubstreamReport,
    picture_table,
    plain_bits,
    substream_reports,
    totals_table,
)

LAYERS = [Layer("p2", 16), Layer("p3", 4)]
GROUP = GroupHeader(100, 200, [(5, 7), (3, 4)], [PictureHeader()])


def cells(line: str) -> list[str]:
    """The columns of a table's line."""
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_substream_for_each_layer() -> None:
    """16 maps in 2x2 are 4 frames of 10x14, shown as width by height, without the codec's padding."""
    form = TensorFormat(inner_codec=InnerCodecId.VVC)
    tensors = [TensorHeader(form, Grid(2, 2), mode=Mode.RA), TensorHeader(form, Grid(4, 1))]
    stream = StreamHeader(layers=LAYERS, tensors=tensors)
    coded = CodedGroup(GROUP, [], substream_bytes=[50, 30])
    assert substream_reports(stream, coded, [60, None], [1.5, 0.25]) == [
        SubstreamReport("p2", "2x2", "RA", "4 of 14x10", 50, 60, 1.5),
        SubstreamReport("p3", "4x1", "AI", "1 of 16x3", 30, None, 0.25),
    ]


def test_one_substream_for_all_stacked_tensors() -> None:
    """Grids 4x4 and 4x1 of maps 7 and 4 wide: 28 across, 20 + 3 down."""
    form = TensorFormat(packing=Packing.STACKED)
    stream = StreamHeader(layers=LAYERS, tensors=[TensorHeader(form, Grid(4, 4)), TensorHeader(form, Grid(4, 1))])
    coded = CodedGroup(GROUP, [], substream_bytes=[50])
    assert substream_reports(stream, coded, [None], [1.0]) == [
        SubstreamReport("p2 p3", "4x4 4x1", "AI", "1 of 28x23", 50, None, 1.0)
    ]


def test_plain_bits_are_those_of_the_paper() -> None:
    """Han et al. 2022, Table 3: 8, 4 and 2 bits of 64 maps of 25x34, by which its last three rows are computed."""
    for bits, expected in ((8, 435_200), (4, 217_600), (2, 108_800)):
        form = TensorFormat(bits, InnerCodecId.LOSSLESS)
        stream = StreamHeader(layers=[Layer("p5", 64)], tensors=[TensorHeader(form, Grid(8, 8))])
        group = GroupHeader(480, 640, [(25, 34)], [PictureHeader()])
        assert plain_bits(stream, CodedGroup(group, [], substream_bytes=[1])) == expected
        assert round(8 * 3 * 640 * 480 / expected, 2) == {8: 16.94, 4: 33.88, 2: 67.76}[bits]


def test_levels_have_no_plain_bits() -> None:
    form = TensorFormat(inner_codec=InnerCodecId.COEFFICIENTS)
    stream = StreamHeader(layers=[Layer("p5", 64)], tensors=[TensorHeader(form, Grid(8, 8))])
    assert plain_bits(stream, CodedGroup(GroupHeader(48, 64, [(25, 34)], [PictureHeader()]), [])) is None


def test_the_table_of_a_picture() -> None:
    """bpp is bits over the original picture's pixels: 8 * 50 / 20000 = 0.02."""
    substreams = [SubstreamReport("p2", "2x2", "RA", "4 of 14x10", 50, 60, 1.5)]
    lines = picture_table(PictureReport(100, 200, substreams, Counter(), {})).splitlines()
    assert cells(lines[0]) == ["layer", "grid", "mode", "frames", "bytes", "bpp", "time/s"]
    assert cells(lines[2]) == ["p2", "2x2", "RA", "4 of 14x10", "50", "0.0200", "1.50"]


def test_levels_have_no_grid_and_no_frames() -> None:
    """A column is there if a substream has a value for it; a dash says that another one has none."""
    levels = SubstreamReport("klt", None, None, None, 50, 48, 1.5, components="256 of 13x13")
    video = SubstreamReport("p2", "2x2", "RA", "4 of 14x10", 100, 90, 0.25)
    lines = picture_table(PictureReport(100, 200, [levels], Counter(), {})).splitlines()
    assert cells(lines[0]) == ["layer", "components", "bytes", "bpp", "time/s"]
    assert cells(lines[2]) == ["klt", "256 of 13x13", "50", "0.0200", "1.50"]
    lines = picture_table(PictureReport(100, 200, [levels, video], Counter(), {})).splitlines()
    assert cells(lines[0]) == ["layer", "grid", "mode", "frames", "components", "bytes", "bpp", "time/s"]
    assert cells(lines[2]) == ["klt", "-", "-", "-", "256 of 13x13", "50", "0.0200", "1.50"]
    assert cells(lines[3]) == ["p2", "2x2", "RA", "4 of 14x10", "-", "100", "0.0400", "0.25"]


def test_the_report_of_levels() -> None:
    form = format_of_levels(LevelFormat(qp=30))
    stream = StreamHeader(layers=[Layer("p5", 64)], tensors=[TensorHeader(form)])
    group = CodedGroup(GroupHeader(48, 64, [(25, 34)], [PictureHeader()]), [], substream_bytes=[7])
    (report,) = substream_reports(stream, group, [5], [0.5])
    assert report == SubstreamReport("p5", None, None, None, 7, 5, 0.5, components="64 of 34x25")


def test_a_layer_whose_name_looks_like_a_number_keeps_it() -> None:
    """1e5 is a name."""
    substreams = [SubstreamReport("1e5", "2x2", "RA", "4 of 14x10", 50, 60, 1.5)]
    lines = picture_table(PictureReport(100, 200, substreams, Counter(), {})).splitlines()
    assert cells(lines[2])[0] == "1e5"


def test_the_table_of_totals() -> None:
    """1000 bits over 2000 pixels: shares of 50, 21.1, 0.4 and 28.5 percent; parts of nothing are left out."""
    bits = {Part.CODED_DATA: 500, Part.HEADER: 211, Part.REORDER: 4, Part.PARAMETER_SETS: 285, Part.DIGEST: 0}
    lines = [cells(line) for line in totals_table(bits, 2000).splitlines()]
    assert lines[0] == ["part", "bytes", "bpp", "%"]
    assert lines[2:] == [
        ["headers", "26.4", "0.1055", "21.1"],
        ["reorder index", "0.5", "0.0020", "0.4"],
        ["parameter sets", "35.6", "0.1425", "28.5"],
        ["coded data", "62.5", "0.2500", "50.0"],
        ["total", "125", "0.5000", "100.0"],
    ]
