"""Markdown, HTML and figures: well-formed, whatever a method is named, and nothing from outside."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image

pytest.importorskip("matplotlib", reason="matplotlib is not installed")
pytest.importorskip("bjontegaard", reason="bjontegaard is not installed")
pytest.importorskip("jinja2", reason="jinja2 is not installed")

from vcm_ref.experiment.report import write_report
from vcm_ref.experiment.report.blocks import Document, Folded, Heading, Items, Paragraph, Table
from vcm_ref.experiment.report.drawing import COLOURS, curve_look
from vcm_ref.experiment.report.html import html, inline_svg
from vcm_ref.experiment.report.markdown import markdown
from vcm_ref.experiment.report.numbers import fixed, percent, signed
from vcm_ref.experiment.report.plots import shortened

from .samples import anchor

NAMES = ("<script>alert(1)</script>", "a|b *c* $d_1$ [e](f) _g_ &lt;")
#: What HTML closes by itself.
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """The elements of a page; every one that is opened must be closed, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report over methods of the worst names."""
    folder = tmp_path_factory.mktemp("written") / "report"
    documents = [anchor("usual"), *(anchor(name, 0.5 + place) for place, name in enumerate(NAMES))]
    write_report(folder, documents, title="A <b>title</b> & more")
    return folder


def test_names_that_steer_a_screen_or_a_spreadsheet_are_harmless_in_every_file(tmp_path: Path) -> None:
    names = ("=cmd|' /C calc'!A0", "\x1b[2Jgone\x00", "evil\u202egnp", "two\nlines")
    documents = [anchor("usual"), *(anchor(name, 0.5 + place) for place, name in enumerate(names))]
    documents[0]["pictures"][0]["file"] = "+1.png"
    write_report(tmp_path / "report", documents, title="A\x1b title")
    for path in (tmp_path / "report").iterdir():
        if path.suffix != ".png":
            text = path.read_text(encoding="utf-8")
            assert not {letter for letter in text if ord(letter) < 32 or letter in "\x7f\x9b\u202e"} - {"\n"}, path
            assert ",=cmd" not in text
            assert "\n=cmd" not in text
            assert ",+1.png" not in text
    for path in (tmp_path / "report").glob("*.svg"):
        ElementTree.parse(path)
    Page((tmp_path / "report" / "report.html").read_text(encoding="utf-8"))


def test_html_is_whole_and_needs_nothing_from_outside(written: Path) -> None:
    text = (written / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    tags = [tag for tag, _ in page.elements]
    assert {"script", "link", "img", "iframe", "object", "b"} & set(tags) == set()
    assert tags.count("svg") == 3
    assert tags.count("details") == 1
    for _, attributes in page.elements:
        for name, value in attributes.items():
            if name in ("href", "xlink:href", "src", "srcset", "data", "action"):
                assert value is not None
                assert value.startswith("#")
    assert re.findall(r"url\((?!#)|@import|<!ENTITY", text) == []
    assert "color-scheme: light dark" in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text
    for name in NAMES:
        assert f"{name} needs " in page.text
    assert "A <b>title</b> & more" in page.text


def test_ids_on_the_page_are_unique_and_what_refers_to_them_finds_them(written: Path) -> None:
    page = Page((written / "report.html").read_text(encoding="utf-8"))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    referred = [attributes["xlink:href"] for _, attributes in page.elements if "xlink:href" in attributes]
    clipped = [value for _, attributes in page.elements if (value := attributes.get("clip-path"))]
    assert len(referred) > 10
    assert len(clipped) > 10
    assert {str(value).lstrip("#") for value in referred} <= set(ids)
    assert {value.removeprefix("url(#").removesuffix(")") for value in clipped} <= set(ids)


def test_svg_ids_are_renamed_everywhere() -> None:
    svg = '<?xml version="1.0"?>\n<svg><g id="a"/><use xlink:href="#a"/><g clip-path="url(#b)"/></svg>\n'
    assert inline_svg(svg, "x") == '<svg><g id="x-a"/><use xlink:href="#x-a"/><g clip-path="url(#x-b)"/></svg>'


def test_markdown_escapes_what_means_something(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    assert text.startswith("# A \\<b\\>title\\</b\\> \\& more (only 2 pictures)\n")
    assert r"\<script\>alert(1)\</script\> needs" in text
    assert r"a\|b \*c\* \$d_1\$ \[e\](f) \_g\_ \&lt; needs" in text
    cells = [len(re.findall(r"(?<!\\)\|", row)) for row in text.split("###")[0].splitlines() if row.startswith("|")]
    assert len(set(cells)) == 1
    for name in re.findall(r"\]\((\w+\.png)\)", text):
        assert (written / name).is_file()


def test_figures_are_files_of_their_kind(written: Path) -> None:
    for name, size in (("rate_accuracy", (1520, 880)), ("upper", (1520, 880)), ("bits", (1520, 600))):
        svg = ElementTree.parse(written / f"{name}.svg").getroot()
        assert svg.tag == "{http://www.w3.org/2000/svg}svg"
        assert svg.find("{http://www.w3.org/2000/svg}metadata") is None
        with Image.open(BytesIO((written / f"{name}.png").read_bytes())) as png:
            assert png.size == size
            assert "Software" not in png.info
            colours = png.convert("RGB").getcolors(1 << 20)
        assert colours is not None
        shown = {f"#{red:02X}{green:02X}{blue:02X}" for count, (red, green, blue) in colours if count > 100}
        assert "#FFFFFF" in shown
        if name != "bits":
            assert {"#000000", *COLOURS[:2]} <= shown


def test_no_two_of_many_curves_look_alike() -> None:
    looks = [str(curve_look(index)) for index in range(25)]
    assert len(set(looks)) == 25
    assert sum("black" in look for look in looks) == 1


def test_every_block_in_both_formats() -> None:
    blocks: list[Any] = [
        Heading("Head"),
        Paragraph("A <text>.", warning=True),
        Items(["one", "two"], numbered=True),
        Folded("More", [Table(("a", "b"), [("1", "x|y")], "rl", (("", 1), ("g", 1)))]),
    ]
    document = Document("T", blocks)
    assert markdown(document) == (
        "# T\n\n## Head\n\n> **Warning.** A \\<text\\>.\n\n1. one\n2. two\n\n### More\n\n"
        "|   a | g: b   |\n|----:|:-------|\n|   1 | x\\|y   |\n"
    )
    page = Page(html(document, {}))
    assert [tag for tag, _ in page.elements if tag in ("h1", "h2", "p", "ol", "li", "details", "th", "td")] == [
        *("h1", "h2", "p", "ol", "li", "li", "details", "th", "th", "th", "th", "td", "td")
    ]
    assert ("p", {"class": "warning", "role": "alert"}) in page.elements


def test_a_table_must_be_rectangular() -> None:
    for rows, align, groups in [([("1",)], "rl", ()), ([("1", "2")], "r", ()), ([("1", "2")], "rl", (("g", 1),))]:
        with pytest.raises(ValueError, match="columns"):
            Table(("a", "b"), rows, align, groups)


def test_numbers() -> None:
    assert [fixed(0.12345), fixed(-1.5, 1), fixed(None), fixed(float("nan"))] == ["0.1235", "−1.5", "–", "–"]
    assert [signed(-12.345), signed(3.0), signed(-0.001), signed(None)] == ["−12.35", "+3.00", "0.00", "–"]
    assert percent(0.1234) == "12.3 %"


def test_a_long_name_leaves_room_for_the_curves() -> None:
    lines = shortened("method " * 30).splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 28
    assert shortened("x" * 100).count("\n") <= 1
