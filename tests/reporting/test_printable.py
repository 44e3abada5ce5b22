"""Names from outside, shown safely."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.reporting.printable import markdown_text, printable, spreadsheet_cell


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name, 3×4 – ok.png", "plain name, 3×4 – ok.png"),
        ("猫 ネコ \U0001f469\u200d\U0001f680 می\u200cخواهم", "猫 ネコ \U0001f469\u200d\U0001f680 می\u200cخواهم"),
        ("C:\\data", "C:\\data"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("two\nlines\r\tand a tab", "two\\nlines\\r\\tand a tab"),
        ("\x9b2J\x7f\x00", "\\x9b2J\\x7f\\x00"),
        ("evil\u202egnp.exe", "evil\\u202egnp.exe"),
        ("\u2066isolated\u2069", "\\u2066isolated\\u2069"),
        ("\udcff", "\\udcff"),
        ("line\u2028paragraph\u2029", "line\\u2028paragraph\\u2029"),
        ("\ufeffmark\U000e0041", "\\ufeffmark\\U000e0041"),
    ],
)
def test_what_steers_a_screen_is_shown_as_an_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.characters()))
def test_the_result_is_one_line_that_every_program_can_write(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert not any(ord(letter) < 32 or 0x7F <= ord(letter) < 0xA0 for letter in shown)
    assert printable(shown) == shown
    assert len(shown.splitlines()) <= 1


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ('=HYPERLINK("x")', '\'=HYPERLINK("x")'),
        ("+1+2", "'+1+2"),
        ("-2+3|cmd", "'-2+3|cmd"),
        ("@SUM(A1)", "'@SUM(A1)"),
        (" =1+1", "' =1+1"),
        ("\uff1d1+1", "'\uff1d1+1"),
        ("\t=1+1", "\\t=1+1"),
        ("\r=1+1", "\\r=1+1"),
        ("fframe = good", "fframe = good"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        (-12.5, -12.5),
        (-3, -3),
        (None, None),
    ],
)
def test_no_cell_is_a_formula_and_numbers_stay_numbers(value: object, cell: object) -> None:
    assert spreadsheet_cell(value) == cell


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("feature_anchor", "feature_anchor"),
        ("_x_ *a* [b](c) <i> | `d` #1 & ~e~ $f", r"\_x\_ \*a\* \[b\](c) \<i\> \| \`d\` \#1 \& \~e\~ \$f"),
        ("two\nlines\t and\x1b[31m", r"two lines and\\x1b\[31m"),
    ],
)
def test_markdown_text(text: str, shown: str) -> None:
    assert markdown_text(text) == shown
