"""A report as one HTML file: figures are in it, nothing is loaded from anywhere.

``page.html.j2`` is the page. Jinja2 fills it in, rather than string templates of our own, because it escapes whatever
it is not told otherwise: a method's name cannot be forgotten.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files

from ...reporting.printable import printable
from .blocks import Document

_ID = re.compile(r'(\bid="|href="#|url\(#)')


def html(document: Document, figures: Mapping[str, bytes]) -> str:
    """The page; ``figures`` are the SVG files of the report's pictures by name."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda shown: printable(shown) if type(shown) is str else shown,
    )
    page = environment.from_string(files(__package__).joinpath("page.html.j2").read_text(encoding="utf-8"))
    drawn = {name: Markup(inline_svg(svg.decode(), name)) for name, svg in figures.items()}
    return page.render(document=document, figures=drawn) + "\n"


def inline_svg(svg: str, name: str) -> str:
    """The ``<svg>`` element alone, its ids made unique on the page by ``name``."""
    return _ID.sub(rf"\g<1>{name}-", svg[svg.index("<svg") :].strip())
