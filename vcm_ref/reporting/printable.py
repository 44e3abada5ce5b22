"""Text from outside, such as names of files, layers and classes, made safe to show."""

from __future__ import annotations

import re
from typing import Any

#: Control characters, among them escape and line ends; marks that change the direction of writing or are not seen;
#: lone surrogates; and characters that no document may hold. The joiners of Persian and of emoji stay.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb"
    "\ufffe\uffff\U000e0000-\U000e007f]"
)

#: Characters with a meaning to Markdown wherever they stand, and an underscore except between letters.
_MARKS = re.compile(r"[\\`*<>\[\]|#&~$]|(?<!\w)_|_(?!\w)")

#: A text that begins with one of these, or with its full-width form, is a formula to spreadsheets.
_FORMULAS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def printable(text: str) -> str:
    r"""Give ``text`` on one line, with each character that could deceive or steer a reader's screen as its escape.

    An escape has Python's form: ``\n``, ``\x1b``, ``\u202e``. Other text stays as it is, backslashes too, so the
    result is for reading and does not lead back to ``text``. It can be encoded as UTF-8.
    """
    return _UNSAFE.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def markdown_text(text: str) -> str:
    """Give ``text`` as one line of Markdown that shows it as it is: printable, and without anything that is markup."""
    return _MARKS.sub(r"\\\g<0>", printable(" ".join(text.split())))


def spreadsheet_cell(value: Any) -> Any:
    """Give a cell of a CSV file: a text is made printable, and no spreadsheet takes it for a formula.

    Spreadsheets compute a text that begins with one of ``= + - @``; an apostrophe before it prevents that (OWASP, "CSV
    Injection"). Numbers and None stay as they are.
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULAS) else text
