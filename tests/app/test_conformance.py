"""``vcm_conformance``: its options, what it prints, what it writes, its exit codes."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conformance.suites import SmallSuite, edited, usual_suite

import vcm_ref.app.conformance
from vcm_ref.app.command import INTERRUPTED
from vcm_ref.app.conformance import main as vcm_conformance
from vcm_ref.conformance.manifest import KINDS, LayerDigest, PictureDigests, SubstreamDigest, TensorDigest
from vcm_ref.conformance.reports import FORMATS
from vcm_ref.files.feature_file import load_feature_file

from .running import LOSSLESS, command, decode, described, encode

SHIPPED = Path(__file__).parent.parent.parent / "conformance" / "decoders"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallSuite:
    """The current folder, with a suite in ``conformance`` and an adaptor of a right decoder, ``adaptor.yaml``."""
    suite = usual_suite(tmp_path)
    suite.folder.rename(tmp_path / "conformance")
    suite.folder = tmp_path / "conformance"
    suite.adaptor_file("right")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    monkeypatch.chdir(tmp_path)
    return suite


def test_a_decoder_that_conforms(place: SmallSuite, capsys: pytest.CaptureFixture[str]) -> None:
    outputs = [f"-o=report{suffix}" for suffix in FORMATS]
    assert vcm_conformance(["run", "adaptor.yaml", *outputs]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "right conforms (mode B): profiles Core, VVC up to level 2" in printed.out
    for suffix in FORMATS:
        assert f"wrote report{suffix}\n" in printed.out
        assert Path(f"report{suffix}").stat().st_size > 500
    found = json.loads(Path("report.json").read_text())
    assert (found["conforms"], found["counts"]["pass"], found["selection"]) == (True, 5, {})
    assert (
        found["suite"]["manifest_sha256"] == hashlib.sha256(Path("conformance/manifest.json").read_bytes()).hexdigest()
    )


def test_one_that_does_not(place: SmallSuite, capsys: pytest.CaptureFixture[str]) -> None:
    place.adaptor_file("all wrong", name="wrong")
    assert vcm_conformance(["run", "adaptor.yaml", "--kind", "positive", "-o", "r.json"]) == 1
    printed = capsys.readouterr()
    assert "GOOD_A_1: fail: t0.raw: picture 0, substream0: the digest is " in printed.out
    assert "    Look at what GOOD_A_1 needs.\n" in printed.out
    assert printed.err == (
        "vcm_conformance: wrong does not conform (mode B): 2 of 2 vectors have not passed; the first is GOOD_A_1\n"
    )
    assert json.loads(Path("r.json").read_text())["conforms"] is False  # written all the same


def test_a_part_of_the_suite(place: SmallSuite, capsys: pytest.CaptureFixture[str]) -> None:
    options = [
        "--feature",
        "good",
        "--level",
        "1",
        "--id",
        "*_A_1",
        "--profile",
        "Core",
        "-j",
        "1",
        "--time-factor",
        "2",
    ]
    assert vcm_conformance(["run", "adaptor.yaml", *options, "-o", "r.json"]) == 0
    assert "right: every vector that was run has passed (mode B); only the whole suite" in capsys.readouterr().out
    found = json.loads(Path("r.json").read_text())
    assert [result["id"] for result in found["results"]] == ["GOOD_A_1"]
    assert found["selection"] == {"features": ["good"], "profiles": ["Core"], "levels": [1], "ids": ["*_A_1"]}
    assert (found["conforms"], found["time_factor"]) == (None, 2.0)


def test_mode_a(place: SmallSuite, capsys: pytest.CaptureFixture[str]) -> None:
    place.adaptor_file("right", version=["{python}", "-I", "-c", "print('right 1.0')"])
    assert vcm_conformance(["run", "adaptor.yaml", "--mode", "a", "-o", "r.json"]) == 0
    assert "right conforms (mode A)" in capsys.readouterr().out
    found = json.loads(Path("r.json").read_text())
    assert (found["mode"], found["counts"]["pass"], found["counts"]["not run"]) == ("A", 2, 3)
    assert found["decoder"]["version"] == "right 1.0"
    place.adaptor_file("right", planes=None)
    assert vcm_conformance(["run", "adaptor.yaml", "--mode", "a"]) == 2
    assert "adaptor.yaml: planes: is missing, and --mode a needs it" in capsys.readouterr().err


def test_list(place: SmallSuite, capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_conformance(["list", "--kind", "negative"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[2:]] == [
        ["BAD_A_1", "negative", "–", "–", "–", "7", "bad"],
        ["BAD_VVC_A_2", "negative", "VVC", "2", "VVC", "11", "bad"],
        [],
        ["2", "of", "5", "vectors"],
    ]
    assert vcm_conformance(["list", "--format", "ids", "--kind", "limit", "--kind", "negative"]) == 0
    assert capsys.readouterr().out.split() == ["BAD_A_1", "BAD_VVC_A_2", "LARGE_A_1"]
    assert vcm_conformance(["list", "--format", "json", "--id", "GOOD_A_1"]) == 0
    (vector,) = json.loads(capsys.readouterr().out)
    assert (vector["id"], vector["pictures"][0]["height"]) == ("GOOD_A_1", 16)


def test_verify(place: SmallSuite, capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_conformance(["verify"]) == 0
    assert capsys.readouterr().out == "small suite 1.0: 5 vectors, 7 files, all as in the manifest\n"
    (place.folder / "vectors/BAD_A_1.bin").write_text("another")
    assert vcm_conformance(["verify", "--suite", "conformance"]) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith("conformance/vectors/BAD_A_1.bin: its SHA-256 is ")
    assert printed.err == "vcm_conformance: conformance: 1 of its files differ from the manifest\n"


def test_compare(place: SmallSuite, capsys: pytest.CaptureFixture[str]) -> None:
    right = str(place.answers / "GOOD_A_1")
    assert vcm_conformance(["compare", right, right, "--vector", "GOOD_A_1"]) == 0
    assert capsys.readouterr().out.endswith(f"\n{right} and {right} are equal: 5 tensors\n")
    samples = np.fromfile(place.answers / "GOOD_A_1/t1.raw", "<u2")
    samples[7] += 3
    samples.tofile("mine.raw")
    os.link(place.answers / "GOOD_A_1/t1.raw", "theirs.raw")
    assert vcm_conformance(["compare", "mine.raw", "theirs.raw"]) == 1
    printed = capsys.readouterr()
    assert printed.out.splitlines()[2].split() == ["all", "samples", "16", "1", "3", "7", "63", "60"]
    assert printed.err == "vcm_conformance: mine.raw and theirs.raw differ: 1 of 1 tensors\n"


def test_fluster(place: SmallSuite, capsys: pytest.CaptureFixture[str]) -> None:
    assert vcm_conformance(["fluster", "adaptor.yaml", "-o", "fluster"]) == 0
    assert capsys.readouterr().out == "wrote fluster: 2 vectors, in its folders test_suites and resources\n"
    assert Path("fluster/test_suites/VCM-1.0.json").is_file()


def test_generate(place: SmallSuite, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    module = ModuleType("generate")

    def make_suite(folder: Path, *, only: list[str], progress: Any) -> list[str]:
        progress(1.0)
        return [f"{folder}: {only}"]

    module.make_suite = make_suite  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vcm_ref.conformance.generate", module)
    assert vcm_conformance(["generate", "--only", "GOOD_*"]) == 0
    assert capsys.readouterr().out == "conformance: ['GOOD_*']\n"


@dataclass(frozen=True)
class Verdict:
    exit_code: int
    error: str | None = None
    message: str = ""
    bit_offset: int | None = None
    clause: str | None = None
    hint: str | None = None


@pytest.mark.parametrize(
    ("verdict", "out", "err"),
    [
        (Verdict(0, message="2 pictures"), "x.bin: conformant\n  message  2 pictures\n", ""),
        (
            Verdict(10, "BitstreamError", "is wrong", 0, "6.4", "Do this."),
            "x.bin: not accepted\n  error    BitstreamError\n  message  is wrong\n  bit      0\n  clause   6.4\n"
            "  hint     Do this.\n",
            "vcm_conformance: x.bin: BitstreamError: is wrong\n",
        ),
        (
            Verdict(12, "LimitError", "is large"),
            "x.bin: not accepted\n  error    LimitError\n  message  is large\n",
            "vcm_conformance: x.bin: LimitError: is large\n",
        ),
    ],
)
def test_validate(
    verdict: Verdict, out: str, err: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = ModuleType("validate")

    def validate(path: Path, *, limits: Any, backend: str, progress: Any) -> Verdict:
        assert (path, limits.frames, backend) == (Path("x.bin"), 7, "vtm")
        progress(1.0)
        return verdict

    module.validate = validate  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vcm_ref.conformance.validate", module)
    assert vcm_conformance(["validate", "x.bin", "--backend", "vtm", "--limit", "frames=7"]) == verdict.exit_code
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (out, err)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "none.yaml"], 2, "none.yaml: cannot be read: No such file"),
        (["run", "adaptor.yaml", "--suite", "none"], 2, "none/manifest.json: there is no such file; name the suite's"),
        (["run", "adaptor.yaml", "-j", "0"], 2, "--jobs 0: must be at least 1"),
        (["run", "adaptor.yaml", "--time-factor", "0"], 2, "--time-factor 0.0: must be above 0"),
        (["run", "adaptor.yaml", "--time-factor", "nan"], 2, "--time-factor nan: must be above 0"),
        (["run", "adaptor.yaml", "-o", "report.txt"], 2, "-o report.txt: a report ends in .md, .json, .csv, .xml"),
        (["run", "adaptor.yaml", "-o", "none/r.md"], 2, "none/r.md: there is no folder none"),
        (["run", "adaptor.yaml", "-o", "conformance/manifest.json"], 2, "manifest.json: would be replaced"),
        (
            ["run", "adaptor.yaml", "--feature", "god"],
            2,
            "--feature god: the suite does not have it; it has bad, good, la",
        ),
        (
            ["run", "adaptor.yaml", "--profile", "core"],
            2,
            "--profile core: the suite does not have it; it has Core, VVC",
        ),
        (
            ["run", "adaptor.yaml", "--id", "GRID*"],
            2,
            "GRID*: no vector of the suite has this id, or fits this pattern",
        ),
        (["run", "adaptor.yaml", "--kind", "limit", "--level", "2"], 5, "no vector is selected, of 5 in the suite"),
        (["run", "adaptor.yaml", "--mode", "a", "--kind", "limit"], 5, "nothing was run of 1 vectors: mode A does not"),
        (["list", "--kind", "limit", "--level", "2"], 5, "no vector is selected"),
        (["compare", "none", "none"], 2, "none: cannot be compared"),
        (
            ["compare", "x.raw", "x.raw", "--vector", "NONE_A_1"],
            2,
            "--vector NONE_A_1: the suite in conformance does not have",
        ),
        (["fluster", "adaptor.yaml", "-o", "none/x"], 2, "none/x: there is no folder none"),
        (["fluster", "adaptor.yaml", "-o", "conformance"], 2, "conformance: exists already"),
        (["verify", "--suite", "none"], 2, "none/manifest.json: there is no such file"),
        (["validate", "x.bin", "--limit", "frame=7"], 2, "--limit frame=7: there is no limit frame"),
    ],
)
def test_what_is_wrong_is_one_line(
    place: SmallSuite, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    before = sorted(Path().rglob("*"))
    assert vcm_conformance(arguments) == code
    told = capsys.readouterr().err
    assert message in told
    assert told.startswith("vcm_conformance: ")
    assert told.count("\n") == 1
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("arguments", [[], ["ran"], ["run", "adaptor.yaml", "--mode", "c"], ["fluster", "x"]])
def test_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        vcm_conformance(arguments)
    assert ended.value.code == 2


def test_a_damaged_suite(place: SmallSuite, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither the decoder's fault nor the user's; no report is written."""
    (place.folder / "vectors/LARGE_A_1.bin").write_text("")
    assert vcm_conformance(["run", "adaptor.yaml", "-o", "r.json"]) == 3
    assert "LARGE_A_1.bin: has 0 bytes; the manifest says 9" in capsys.readouterr().err
    assert not Path("r.json").exists()
    edited(place.folder, lambda document: document.pop("vectors"))
    for arguments in (["run", "adaptor.yaml"], ["list"], ["verify"]):
        assert vcm_conformance(arguments) == 3
        assert "conformance/manifest.json: vectors: is missing" in capsys.readouterr().err


def test_a_report_that_cannot_be_written(
    place: SmallSuite, tiny_disk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tiny_disk / "full").write_bytes(bytes(16384))
    assert vcm_conformance(["run", "adaptor.yaml", "-o", str(tiny_disk / "r.md"), "--id", "GOOD_A_1"]) == 3
    assert "r.md: cannot be written: No space left" in capsys.readouterr().err
    assert [path.name for path in tiny_disk.iterdir()] == ["full"]


@pytest.mark.parametrize("with_signal", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing(place: SmallSuite, with_signal: signal.Signals) -> None:
    place.adaptor_file("hang")
    temporary = place.folder.parent / "temporary"
    arguments = command("conformance", "run", "adaptor.yaml", "-o", "r.json", "-o", "r.md")
    environment = {**os.environ, "TMPDIR": str(temporary)}
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment) as run:
        note = place.answers / "pid"
        while not note.exists() and run.poll() is None:
            time.sleep(0.02)
        run.send_signal(with_signal)
        out, err = run.communicate(timeout=60)
    told = {signal.SIGINT: (INTERRUPTED, "interrupted"), signal.SIGTERM: (143, "terminated")}[with_signal]
    assert (run.returncode, out, err) == (told[0], "", f"vcm_conformance: {told[1]}\n")
    assert list(temporary.iterdir()) == []
    assert not list(Path().glob("r.*"))
    status = Path(f"/proc/{note.read_text()}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_the_options_know_what_there_is() -> None:
    """Words that the command line has of its own, so that its help needs no more."""
    assert vcm_ref.app.conformance._KINDS == KINDS
    assert tuple(FORMATS) == vcm_ref.app.conformance._REPORTS


def test_help_is_fast() -> None:
    """It needs nothing but Python's own library and what errors need."""
    unwanted = {"numpy", "yaml", "jsonschema", "psutil", "tabulate", "tqdm", "torch"}
    code = f"import sys; from vcm_ref.app import conformance; print(*{unwanted!r} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout == "\n"


def real_vector(suite: SmallSuite, features: Path) -> None:
    """A lossless bitstream of vcm_enc's as the suite's only vector; digests are worked out here."""
    folder = suite.folder.parent
    bitstream = folder / "x.bin"
    assert encode([*LOSSLESS], features, bitstream) == 0
    for tier, name in (("t0", "p.raw"), ("t1", "q.raw"), ("t2", "f.npz")):
        assert decode(bitstream, "--tier", tier, "-o", folder / name, "-q") == 0
    floats = load_feature_file(folder / "f.npz").layers
    substreams = tuple(
        SubstreamDigest(tuple(entry["shape"]), entry["sha256"]) for entry in described(folder / "p.raw")["tensors"]
    )
    tensors, layers = [], []
    for entry in described(folder / "q.raw")["tensors"]:
        name, shape = entry["name"], tuple(entry["shape"])
        head = bytes([len(name)]) + name.encode() + b"\x07float32\x03"
        text = head + np.array(shape, "<u4").tobytes() + floats[name].astype("<f4").tobytes()
        tensors.append(TensorDigest(name, shape, entry["sha256"]))
        layers.append(LayerDigest(name, shape, hashlib.sha256(text).hexdigest()))
    suite.vectors.clear()
    suite.positive("REAL_A_1", pictures=0)
    (vector,) = suite.vectors
    content = bitstream.read_bytes()
    (suite.folder / vector.bitstream.file).write_bytes(content)
    planes = (folder / "p.raw").read_bytes()
    (suite.folder / "planes/REAL_A_1.raw").write_bytes(planes)
    assert vector.planes is not None
    suite.vectors[0] = replace(
        vector,
        bitstream=replace(vector.bitstream, size=len(content), sha256=hashlib.sha256(content).hexdigest()),
        planes=replace(vector.planes, size=len(planes), sha256=hashlib.sha256(planes).hexdigest()),
        pictures=(PictureDigests(96, 144, substreams, tuple(tensors), tuple(layers)),),
        limits=replace(vector.limits, memory=1 << 32),
    )
    suite.save()


def test_the_decoders_of_this_project(place: SmallSuite, small: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """vcm_dec, and the decoder made from the specification alone, as their adaptors run them, in each mode."""
    real_vector(place, small)
    for name, mode in (("vcm_dec", "a"), ("vcm_dec", "b"), ("mini_decoder", "b")):
        code = vcm_conformance(["run", str(SHIPPED / f"{name}.yaml"), "--mode", mode, "--id", "REAL_A_1"])
        printed = capsys.readouterr()
        assert code == 0, printed.out + printed.err
