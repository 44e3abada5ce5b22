"""Both decoders as servers: as a process for each vector, and nothing of one job is there for the next."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from vcm_ref.app.dec import main
from vcm_ref.conformance.adaptor import load_adaptor
from vcm_ref.conformance.manifest import load_suite
from vcm_ref.conformance.runner import Plan, run_vectors

from .running import command

SUITE = Path(__file__).parents[2] / "conformance"
MINI = [sys.executable, str(SUITE / "mini_decoder.py")]
SERVERS = {"vcm_dec": [*command("dec", "--tier", "all", "--quiet"), "--serve"], "mini_decoder": [*MINI, "--serve"]}


@pytest.mark.parametrize("name", SERVERS)
def test_the_same_results_as_with_a_process_for_each_vector(name: str) -> None:
    """Also where they are failures: each vector is run as itself, and as one that expects what it does not get."""
    there = {vector.id.rpartition("_")[0]: vector for vector in load_suite(SUITE).vectors}
    names = ("BASE_DIGESTED", "VERSION_4", "SIGNATURE_0", "KLT_ALL", "MODEL_REFERENCE", "UNKNOWN_MODEL", "MODEL_ONE")
    vectors = [there[one] for one in names]
    vectors += [replace(one, id=f"{one.id}x", errors=("CodecError",), pictures=()) for one in vectors]
    adaptor = load_adaptor(SUITE / "decoders" / f"{name}.yaml")
    found = []
    for fresh in (False, True):
        results = run_vectors(Plan(SUITE, adaptor, fresh=fresh, time_factor=5), vectors, lambda share: None)
        reasons = [re.sub(rf"{name}: |/\S+/", "", result.judgement.reason) for result in results]
        found.append(list(zip([result.outcome for result in results], reasons, strict=True)))
    assert found[0] == found[1]


@pytest.mark.parametrize("name", SERVERS)
def test_the_protocol(tmp_path: Path, name: str) -> None:
    """As docs/conformance.md shows it, byte by byte; a path need not be text."""
    odd = tmp_path / os.fsdecode(b"\xff \xc3")
    odd.mkdir()
    good, bad, none = odd / "good.bin", odd / "bad.bin", odd / "none.bin"
    good.write_bytes((SUITE / "vectors" / "BASE_PLAIN_1.bin").read_bytes())
    bad.write_bytes(b"VCM?")
    jobs = b""
    for number, path in enumerate((good, bad, none, good)):
        jobs += b"%d\t%s\t%s\n" % (number + 7, os.fsencode(path), os.fsencode(odd / f"out{number}"))
    done = subprocess.run(SERVERS[name], input=jobs, capture_output=True, check=True)
    answers = done.stdout.splitlines()
    assert [answer.split()[:2] for answer in answers] == [[b"7", b"0"], [b"8", b"10"], [b"9", b"2"], [b"10", b"0"]]
    assert answers[0].strip() == b"7 0"
    assert b"VCMF" in answers[1]
    assert done.stderr == b""
    for number, there in enumerate((True, False, False, True)):
        assert (odd / f"out{number}" / "t1.raw").exists() == there


def test_what_is_no_job_is_told() -> None:
    done = subprocess.run(SERVERS["vcm_dec"], input=b"1 x y\n", capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith(b"vcm_dec: --serve: a job is a line with a number and two or three paths, ")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "the bitstream is missing; name one"),
        (("x.bin", "--serve"), "x.bin: not with --serve, which is told of bitstreams on standard input"),
        (("--serve", "-o", "x"), "--output changes nothing with --serve"),
        (("--serve", "--trace"), "--trace changes nothing with --serve"),
    ],
)
def test_usage(words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 2
    assert capsys.readouterr().err == f"vcm_dec: {message}\n"
