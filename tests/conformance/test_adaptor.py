"""Adaptors: what they become, and what a careless author is told."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from vcm_ref.bitstream.levels import profiles
from vcm_ref.conformance.adaptor import REFUSALS, load_adaptor
from vcm_ref.errors import ConfigError

SCHEMA = json.loads(files("vcm_ref.conformance").joinpath("adaptor.schema.json").read_text())
SHIPPED = Path(__file__).parent.parent.parent / "conformance" / "decoders"
USUAL = 'name: mine\ncommand: [sh, "{bitstream}", "--to={output}"]\nprofiles: [Core]\nlevel: 4\n'


def saved(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text)
    return path


def test_the_schema_knows_what_there_is() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    properties = SCHEMA["properties"]
    assert properties["profiles"]["items"]["enum"] == [name for name, _ in profiles().values()]
    assert set(properties["exit_codes"]["properties"]) == {"any", *REFUSALS}


def test_an_adaptor(tmp_path: Path) -> None:
    path = saved(tmp_path, USUAL + 'planes: [--given, "{planes}"]\n')
    adaptor = load_adaptor(path)
    assert (adaptor.name, adaptor.profiles, adaptor.level) == ("mine", {"Core"}, 4)
    assert adaptor.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert adaptor.version is None
    assert {code: set(classes) for code, classes in adaptor.refusals.items()} == {
        10: {"BitstreamError"},
        11: {"UnsupportedError"},
        12: {"LimitError"},
        13: {"CodecError"},
    }
    given = Path("/t/{output}/s.bin"), Path("/t/o"), Path("/t/p")  # not even a path's name is taken for a placeholder
    assert adaptor.command_line("b", *given)[1:] == ["/t/{output}/s.bin", "--to=/t/o"]
    assert adaptor.command_line("a", *given)[1:] == ["/t/{output}/s.bin", "--to=/t/o", "--given", "/t/p"]


def test_programs_and_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name is looked for beside Python, then in PATH; a path is relative to the adaptor."""
    (tmp_path / "tools").mkdir()
    for name in ("tools/decoder", "sh"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "adaptors").mkdir()
    place = tmp_path / "adaptors"

    def command(*words: str) -> tuple[str, ...]:
        text = json.dumps([*words, "{bitstream}", "{output}"])
        return load_adaptor(saved(place, USUAL.replace('[sh, "{bitstream}", "--to={output}"]', text))).command[:-2]

    monkeypatch.chdir("/")
    assert command("../tools/decoder", "../sh", "sh", "a/none") == (
        str(tmp_path / "tools/decoder"), str(tmp_path / "sh"), "sh", "a/none",
    )  # fmt: skip
    assert command("{python}", "-c{python}") == (sys.executable, f"-c{sys.executable}")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command("sh") == (str(tmp_path / "sh"),)
    beside = tmp_path / "bin"
    beside.mkdir()
    os.link(tmp_path / "sh", beside / "sh")
    monkeypatch.setattr(sys, "executable", str(beside / "python"))
    assert command("sh") == (str(beside / "sh"),)
    for missing in ("./sh", "../tools", "../none"):
        with pytest.raises(ConfigError, match=rf"mine\.yaml: command: there is no file {missing}; a path is"):
            command("sh", missing)
    for missing in ("none", "a/none", "/none/decoder"):
        with pytest.raises(ConfigError, match=rf"mine\.yaml: command: there is no program {missing} to run; "):
            command(missing)


def test_the_folder_may_be_reached_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where ``..`` leads is not in its path; Python's own path stays as it is."""
    (tmp_path / "deep" / "real").mkdir(parents=True)
    (tmp_path / "deep" / "decoder").write_text("#!/bin/sh\n")
    (tmp_path / "deep" / "decoder").chmod(0o755)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "real")
    python = str(tmp_path / "link" / ".." / "decoder")
    monkeypatch.setattr(sys, "executable", python)
    text = USUAL.replace('[sh, "{bitstream}"', '[../decoder, "{python}", "{bitstream}"')
    adaptor = load_adaptor(saved(tmp_path / "link", text))
    assert adaptor.command[:2] == (str(tmp_path / "deep" / "decoder"), python)


@pytest.mark.parametrize(
    ("codes", "refusals"),
    [
        ("{any: 1}", {1: set(REFUSALS)}),
        ("{BitstreamError: 3, CodecError: 3}", {3: {"BitstreamError", "CodecError"}}),
        ("{any: 1, UnsupportedError: 2}", {1: set(REFUSALS), 2: {"UnsupportedError"}}),
    ],
)
def test_exit_codes(tmp_path: Path, codes: str, refusals: dict[int, set[str]]) -> None:
    found = load_adaptor(saved(tmp_path, f"{USUAL}exit_codes: {codes}\n")).refusals
    assert {code: set(classes) for code, classes in found.items()} == refusals


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; must be a mapping of keys to values"),
        ("name: [", "mine.yaml, line 1: is not YAML: "),
        ("name: \x00", "is not YAML"),
        ("name: mine", "command: is missing"),
        (
            USUAL + "comand: x",
            "line 5: comand: unknown key; did you mean command? allowed here: command, ",
        ),
        (USUAL.replace("mine", "''"), "name: is ''; must be a text of one line that is not empty"),
        (USUAL.replace("mine", '"a\\x01"'), "name: is 'a\\x01'; must be a text of one line"),
        (USUAL.replace("sh,", "sh, 1,"), "command.1: is 1; must be a text"),
        (USUAL.replace("[sh", "sh # ["), "command: is 'sh'; must be a list"),
        (USUAL.replace("{output}", "x"), "it must contain {output}"),
        (
            USUAL.replace("sh,", "'{program}',"),
            "command: contains {program}; allowed here: {bitstream}, {output}, {python}",
        ),
        (USUAL + "planes: [--planes]", "planes: is ['--planes']; it must contain {planes}"),
        (USUAL + "planes: ['{planes}{output}']", "planes: contains {output}; allowed here: {planes}, {python}"),
        (USUAL + "version: [none]", "version: there is no program none to run"),
        (USUAL.replace("Core", "core"), "profiles.0: is 'core'; allowed are Core, HEVC, VVC, Transform"),
        (USUAL.replace("Core", ""), "profiles: is []; must be a list of Core, HEVC, VVC, Transform"),
        (USUAL.replace("level: 4", "level: 0"), "level: is 0; must be at least 1"),
        (USUAL.replace("level: 4", "level: four"), "level: is 'four'; must be an integer"),
        (USUAL + "exit_codes: {}", "exit_codes: is {}; must be a code for at least one of any,"),
        (USUAL + "exit_codes: {any: 0}", "exit_codes.any: is 0; must be at least 1"),
        (
            USUAL + "exit_codes: {VcmError: 1}",
            "exit_codes.VcmError: unknown key; did you mean LimitError? allowed here: ",
        ),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_adaptor(saved(tmp_path, text))
    told = str(caught.value)
    assert message in told
    assert told.startswith(str(tmp_path / "mine.yaml"))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read: No such file"):
        load_adaptor(tmp_path / "none.yaml")


@pytest.mark.parametrize("name", ["vcm_dec", "vcm_dec_vtm", "mini_decoder"])
def test_those_of_the_suite(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They can be read wherever vcm_dec is installed."""
    (tmp_path / "vcm_dec").write_text("#!/bin/sh\n")
    (tmp_path / "vcm_dec").chmod(0o755)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{tmp_path}")
    adaptor = load_adaptor(SHIPPED / f"{name}.yaml")
    assert adaptor.planes == (None if name == "mini_decoder" else ("--planes", "{planes}"))
    assert adaptor.profiles == {name for name, _ in profiles().values()}
