"""A hook of MkDocs: pages that stand outside ``docs``, links to files that are no pages, and roles of docstrings.

mkdocs.yml names it. README.md becomes the site's first page. A link to a file of the repository that the site does not
have is shown as the file's name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
#: Pages of the site that are files of the repository.
PAGES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md"}
_LINK = re.compile(r"\[([^]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")
_ROLE = re.compile(r":(?:class|func|meth|mod|data|attr):<code>~?([\w.]+)</code>")


def on_files(files: Files, *, config: Any) -> Files:
    """Add the pages."""
    for page, source in PAGES.items():
        text = (ROOT / source).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, *, page: Any, config: Any, files: Files) -> str:
    """Let links lead to pages of the site, and none to another file of the repository."""
    source = PAGES.get(page.file.src_uri, f"docs/{page.file.src_uri}")
    pages = {(ROOT / own).resolve(): name for name, own in PAGES.items()}

    def target(found: re.Match[str]) -> str:
        text, link, anchor = found[1], found[2], found[3] or ""
        if "://" in link or link.startswith("mailto:"):
            return found[0]
        path = ((ROOT / source).parent / link).resolve()
        if path in pages:
            return f"[{text}]({pages[path]}{anchor})"
        if path.parent == ROOT / "docs" and path.suffix == ".md":
            return f"[{text}]({path.name}{anchor})"
        return f"{text} (`{path.relative_to(ROOT)}`)" if path.is_relative_to(ROOT) and path.exists() else found[0]

    return _LINK.sub(target, markdown)


def on_page_content(html: str, *, page: Any, config: Any, files: Files) -> str:
    """Show ``:class:`~a.B``` of a docstring as ``B``."""
    return _ROLE.sub(lambda found: f"<code>{found[1].rpartition('.')[2]}</code>", html)
