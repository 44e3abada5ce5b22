"""The suite as one of fluster's: its files, and where fluster can be imported, its own view of them."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from vcm_ref.conformance.errors import NothingRunError, NotPassedError
from vcm_ref.conformance.fluster import export_suite
from vcm_ref.conformance.manifest import load_suite
from vcm_ref.conformance.runner import Plan
from vcm_ref.files.atomic import OutputError

from .suites import SmallSuite

PLUG_IN = Path(__file__).parent.parent.parent / "conformance" / "fluster" / "vcm_dec.py"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def exported(small: SmallSuite, target: Path, behaviour: str = "right", **changed: Any) -> int:
    plan = Plan(small.folder, small.adaptor(behaviour, **changed), jobs=2)
    return export_suite(plan, load_suite(small.folder), target, lambda share: None)


def test_the_files(small: SmallSuite, tmp_path: Path) -> None:
    target = tmp_path / "out"
    assert exported(small, target) == 2
    document = json.loads((target / "test_suites/VCM-1.0.json").read_text())
    assert (document["name"], document["codec"], document["test_method"]) == ("VCM-1.0", "None", "md5")
    assert [vector["name"] for vector in document["test_vectors"]] == ["GOOD_A_1", "GOOD_VVC_A_1"]
    for vector in document["test_vectors"]:
        assert vector["result"] == md5((small.answers / vector["name"] / "t1.raw").read_bytes())
        bitstream = target / "resources/VCM-1.0" / vector["name"] / vector["input_file"]
        assert bitstream.read_text() == vector["name"]  # not compressed
        assert vector["source_checksum"] == md5(bitstream.read_bytes())


def test_what_the_decoder_does_not_claim_is_left_out(small: SmallSuite, tmp_path: Path) -> None:
    assert exported(small, tmp_path / "out", profiles=["Core"]) == 1
    with pytest.raises(NothingRunError, match="does not claim a positive vector of the suite"):
        exported(small, tmp_path / "none", profiles=["HEVC"])


def test_a_wrong_decoder_cannot_say_what_is_right(small: SmallSuite, tmp_path: Path) -> None:
    with pytest.raises(
        NotPassedError, match=r"does not decode every vector correctly: GOOD_A_1: fail: t1\.raw: picture 0, p3"
    ):
        exported(small, tmp_path / "out", "wrong sample")
    assert not (tmp_path / "out").exists()


def test_nothing_is_replaced(small: SmallSuite, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/file").write_text("")
    with pytest.raises(OutputError, match="exists already"):
        exported(small, tmp_path / "out")


@pytest.fixture
def plug_in(small: SmallSuite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """Our decoder in fluster; the vcm_dec that it finds in PATH is the one that knows the small suite."""
    registry = pytest.importorskip("fluster.decoder", reason="fluster is not installed: put a checkout on PYTHONPATH")
    known = list(registry.DECODERS)
    specification = importlib.util.spec_from_file_location("fluster.decoders.vcm_dec", PLUG_IN)
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    monkeypatch.setitem(sys.modules, specification.name, module)
    specification.loader.exec_module(module)
    program = tmp_path / "bin" / "vcm_dec"
    program.parent.mkdir()
    # vcm_dec BITSTREAM --tier all -o FOLDER --quiet
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {small.decoder} right {small.answers} "$1" "$5"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    yield module
    registry.DECODERS[:] = known


def test_fluster_runs_it(
    small: SmallSuite, tmp_path: Path, plug_in: ModuleType, capfd: pytest.CaptureFixture[str]
) -> None:
    """Fluster itself loads the suite, runs our decoder, and finds a wrong result."""
    from fluster.fluster import Context, Fluster

    exported(small, tmp_path / "out")

    def run() -> str:
        fluster = Fluster(
            test_suites_dir=str(tmp_path / "out/test_suites"),
            resources_dir=str(tmp_path / "out/resources"),
            output_dir=str(tmp_path / "results"),
            use_emoji=False,
        )
        context = Context(
            jobs=2, timeout=60, test_suites=["VCM-1.0"], decoders=["vcm_dec"], test_vectors=[], skip_vectors=[]
        )
        try:
            fluster.run_test_suites(context)
        except SystemExit as ended:  # where something has failed
            print(f"exit {ended.code}")
        return capfd.readouterr().out

    printed = run()
    assert printed.count("Success") == 2, printed
    document = tmp_path / "out/test_suites/VCM-1.0.json"
    changed = json.loads(document.read_text())
    changed["test_vectors"][0]["result"] = "0" * 32
    changed["test_vectors"][1]["name"] = "REFUSED"  # of another name, and so not there
    document.write_text(json.dumps(changed))
    printed = run()
    assert "Success" not in printed
    assert "exit 1" in printed


def test_unsupported_is_told_to_fluster(small: SmallSuite, tmp_path: Path, plug_in: ModuleType) -> None:
    from fluster.codec import OutputFormat
    from fluster.decoder import NotSupportedError

    small.refused("NEW_A_1", 11, "UnsupportedError")
    decoder = plug_in.VcmDec()
    arguments = (str(tmp_path / "x.out"), OutputFormat.NONE, 60, False, False)
    with pytest.raises(NotSupportedError):
        decoder.decode(str(small.folder / "vectors/NEW_A_1.bin"), *arguments)
    right = decoder.decode(str(small.folder / "vectors/GOOD_A_1.bin"), *arguments)
    assert right == md5((small.answers / "GOOD_A_1/t1.raw").read_bytes())
