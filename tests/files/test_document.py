"""Documents from outside: what is read, and what is refused in one line."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.files.document import LIMITS, Format, load, parse, read_bytes
from vcm_ref.files.schema import rules_of


def read(text: str | bytes, form: Format = "yaml") -> Any:
    return parse(text, "f", form).value


@pytest.mark.parametrize(
    ("text", "value"),
    [  # YAML 1.2, section 10.3.2, and examples 10.8 and 10.9
        ("no", "no"),
        ("[yes, On, off, y]", ["yes", "On", "off", "y"]),
        ("[true, True, FALSE]", [True, True, False]),
        ("2001-01-01", "2001-01-01"),
        ("1:30", "1:30"),
        ("[1e3, 1e-05, -0.0, .5, +12e03]", [1000.0, 1e-05, -0.0, 0.5, 12000.0]),
        ("[0o7, 0x3A, -19, 010, 1_000]", [7, 58, -19, 10, "1_000"]),
        ("[~, null, '', \"~\"]", [None, None, "", "~"]),
        ("{1: a, true: b, 1.0: c, ~: d}", {"1": "a", "true": "b", "1.0": "c", "~": "d"}),
        ("{a: !!str 5, b: !!int '5', c: !!float 5}", {"a": "5", "b": 5, "c": 5.0}),
        ("{a: &x {k: 1, l: 1}, b: {<<: *x, l: 2}}", {"a": {"k": 1, "l": 1}, "b": {"k": 1, "l": 2}}),
        ("{a: &x {k: 1}, b: {<<: [*x, {k: 3, m: 4}]}}", {"a": {"k": 1}, "b": {"k": 1, "m": 4}}),
        (b"\xef\xbb\xbfa: \xc3\xa9", {"a": "é"}),
        ("", None),
        ("# nothing", None),
    ],
)
def test_yaml_means_what_version_1_2_says(text: str | bytes, value: Any) -> None:
    found = read(text)
    assert found == value
    assert repr(found) == repr(value)


def test_an_alias_is_a_copy() -> None:
    found = read("a: &x [1]\nb: *x")
    found["a"].append(2)
    assert found["b"] == [1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb:\n  c: 1\n  c: 2", "f, line 4: b.c: occurs twice"),
        ("a: 1\n'a': 2", "f, line 2: a: occurs twice"),
        ("a: &x [*x]", "f, line 1: a.0: an alias is inside the value that it names"),
        ("a: &x\n  b: {c: *x}", "a.b.c: an alias is inside"),
        ("a:\n\t- b", "f, line 2: is not YAML: found character '\\t'"),
        ("a: [1,", "f, line 1: is not YAML: "),
        ("a: 1\n---\nb: 1", "f, line 2: is not YAML: expected a single document in the stream but found another"),
        ("a: 1\nb: \x01", "f, line 2: is not YAML: the character U+0001"),
        ("a: *x", "f, line 1: is not YAML: found undefined alias"),
        ("? [1]\n: 2", "f, line 1: a key must be a text"),
        ("a: !!python/object/apply:os.system [x]", "f, line 1: a: the tag tag:yaml.org,2002:python"),
        ("a: !!binary aGk=", "the tag tag:yaml.org,2002:binary is not supported"),
        ("a: !!int x", "f, line 1: a: 'x' is not a value of the tag !!int"),
        ("a: 1\nb: .nan", "f, line 2: b: a number must be finite"),
        ("a: [1, -.inf]", "f, line 1: a.1: a number must be finite"),
        ("a: 1e999", "a: a number must be finite"),
        (f"a: {2**63}", "a: an integer must be from -2^63 to 2^63 - 1"),
        (f"a: {'9' * 5000}", "f, line 1: a: an integer must be from"),
        ('a: "x\\0"', "f, line 1: a: the text holds a NUL character"),
        ('a: "\\ud800"', "f, line 1: a: the text holds half of a surrogate pair"),
        ('"\\0": 1', "the key holds a NUL character"),
        ('a: "\\UFFFFFFFF"', "is not YAML that can be used"),
        ("a: " + "[" * 3000, "f: mappings and lists may be nested 64 deep"),
        ("a: " + "[" * 64 + "]" * 64, "f, line 1: a.0.0: mappings and lists may be nested 64 deep"),
        (b"a: \xe9", "f: is not a text in UTF-8: the byte at 3"),
        ("a: 1".encode("utf-16"), "f: is not a text in UTF-8"),
    ],
)
def test_wrong_yaml_is_one_line(text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_aliases_are_counted_each_time() -> None:
    """The "billion laughs": ten lines that stand for 10^9 values."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 10)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    with pytest.raises(ConfigError, match="f, line 1: has more than 100000 values, aliases counted each time"):
        read("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f: is empty"),
        (" \n", "f: is empty"),
        ('{"a": 1,\n "a": 2}', "f: an object has the key a twice"),
        ('{"a": NaN}', "f: a: a number must be finite"),
        ('{"a": [1, -Infinity]}', "f: a.1: a number must be finite"),
        ('{"a": 1e400}', "f: a: a number must be finite"),
        ("1" * 400, "f: an integer must be from"),
        ("1" * 5000, "f: is not JSON that can be used: a number has too many digits"),
        ('{"a":\n 1} x', "f, line 2: is not JSON: Extra data"),
        ('"\\ud83d"', "f: the text holds half of a surrogate pair"),
        ('{"\\udc00": 1}', "f: the key holds half of a surrogate pair"),
        ('["\\u0000"]', "f: 0: the text holds a NUL character"),
        ('{"a": "\x01"}', "f, line 1: is not JSON: Invalid control character"),
        ("[" * 100_000, "f: mappings and lists may be nested 64 deep"),
        ("[" * 65 + "]" * 65, "f: 0.0.0: mappings and lists may be nested 64 deep"),
        (b"\xff\xfe", "f: is not a text in UTF-8"),
    ],
)
def test_wrong_json_is_one_line(text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text, "json")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_good_json_is_read_as_it_is() -> None:
    text = '{"a": [1, 1.5, true, null, "\\ud83d\\ude00", {}], "b": {"": -9223372036854775808}}'
    assert read(text, "json") == json.loads(text)
    assert read(b"\xef\xbb\xbf[1]", "json") == [1]


def test_the_error_is_of_the_class_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    with pytest.raises(DatasetError, match=r"x\.json: cannot be read: No such file"):
        load(path, "json", error=DatasetError)
    path.write_text("[")
    with pytest.raises(DatasetError, match=r"x\.json, line 1: is not JSON"):
        load(path, "json", error=DatasetError)


def test_a_schema_problem_names_file_line_key_value_and_rule(tmp_path: Path) -> None:
    rules = rules_of({"properties": {"a": {"properties": {"b": {"maximum": 3}}}}})
    path = tmp_path / "x.yaml"
    path.write_text("# a comment\na:\n  c: 1\n  b: 4\n")
    with pytest.raises(ConfigError) as caught:
        load(path, "yaml", rules)
    assert str(caught.value) == f"{path}, line 4: a.b: is 4; must be at most 3"


def test_what_is_not_a_file_is_refused_and_waits_for_nothing(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path, why in [
        (tmp_path / "pipe", "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path, "Is a directory"),
        (tmp_path / "a\0b", "null"),
    ]:
        with pytest.raises(ConfigError, match=why):
            load(path, "yaml")


def test_an_unnamed_pipe_is_read() -> None:
    """As ``-c <(echo …)`` gives one."""
    reader, writer = os.pipe()
    os.write(writer, b"a: 1")
    os.close(writer)
    assert load(Path(f"/dev/fd/{reader}"), "yaml").value == {"a": 1}
    os.close(reader)


def test_a_small_file_takes_little_memory(tmp_path: Path) -> None:
    """However large a file of its format may be."""
    (tmp_path / "x.json").write_text('{"a": 1}')
    tracemalloc.start()
    assert read_bytes(tmp_path / "x.json", "json") == b'{"a": 1}'
    assert tracemalloc.get_traced_memory()[1] < 1 << 22
    tracemalloc.stop()


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(LIMITS["yaml"].size + 1)
    with pytest.raises(ConfigError, match="it has more than 1048576 bytes"):
        load(path, "yaml")


@given(
    st.one_of(st.text(), st.text("[]{}:,&*-!?|>'\"\\ \n\tab01.<#%@~"), st.binary()), st.sampled_from(["json", "yaml"])
)
def test_any_text_is_a_document_or_is_refused(text: str | bytes, form: Format) -> None:
    try:
        json.dumps(read(text, form), allow_nan=False).encode()
    except ConfigError as error:
        assert "\n" not in str(error)
