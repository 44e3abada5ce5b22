"""Documents and messages are in plain English: phrases that readers stumbled over do not come back.

The list is short and holds only phrases that have a plain word in every place. It cannot tell good English from bad.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: Each phrase, with the plain words for it. Letter case does not matter.
PHRASES = {
    r"(?<!there )\b(is|are|was|were) no (?!longer\b|more than\b)": "is not a, or does not have",
    r"\bhas(n't| not) (a|an|any|as)\b": "does not have",
    r"\bthat of\b": "the noun again",
    r"\b(some|no)body\b": "a person, a user, nothing",
    r"\blest\b": "so that … not",
    r"\bbut for\b": "except for",
    r"\bcannot\b[^.;:]*\bno\b": "cannot … a",
    r"\ball the same\b": "in spite of this",
    r"\bsay with --": "name with",
}
#: Written by programs, or a record of the past.
_NOT_READ = {"conformance_coverage.md", "CHANGELOG.md"}
DOCUMENTS = [
    path
    for folder in (".", "docs", "anchors", "anchors/published")
    for path in sorted((ROOT / folder).glob("*.md"))
    if path.name not in _NOT_READ
]
#: Sentences of the vectors stand in the manifest, which changes with the suite only.
_OF_THE_SUITE = ROOT / "vcm_ref" / "conformance" / "generate"
MODULES = [path for path in sorted((ROOT / "vcm_ref").rglob("*.py")) if _OF_THE_SUITE not in path.parents]


def found(text: str) -> list[str]:
    """The phrases in ``text``, with their plain words."""
    words = " ".join(text.split())
    return [
        f"{match[0]!r}: write {plain}"
        for phrase, plain in PHRASES.items()
        for match in re.finditer(phrase, words, re.IGNORECASE)
    ]


def sentences(path: Path) -> Iterator[str]:
    """The paragraphs of a document, without its blocks of code and its code words."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^ {4,}\S.*$", "", text, flags=re.MULTILINE)
    return (
        re.sub(r"`[^`]*`", "``", paragraph) for paragraph in re.split(r"\n\s*\n|^\s*[-|]", text, flags=re.MULTILINE)
    )


def strings(path: Path) -> Iterator[tuple[int, str]]:
    """Every text in a module with its line, except docstrings; values in a message count as one word."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    left_out = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "VALUE" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in left_out | parts:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_have_plain_words(path: Path) -> None:
    assert [told for paragraph in sentences(path) for told in found(paragraph)] == []


def test_messages_have_plain_words() -> None:
    assert [
        f"{path.relative_to(ROOT)}:{line}: {told}"
        for path in MODULES
        for line, text in strings(path)
        for told in found(text)
    ] == []


def test_the_check_sees_what_it_should() -> None:
    """Else the tests above would pass on anything."""
    assert found("The file is no picture, and that of\nthe anchor is missing.") == [
        "'is no ': write is not a, or does not have",
        "'that of': write the noun again",
    ]
    assert found("There is no such file; it is no longer needed.") == []
    assert any(" does not " in text for path in MODULES for _, text in strings(path))
    assert all(len(list(sentences(path))) > 3 for path in DOCUMENTS)
