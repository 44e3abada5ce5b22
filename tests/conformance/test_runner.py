"""The harness against decoders that are right, wrong, and worse."""

from __future__ import annotations

import os
import re
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from vcm_ref.conformance.errors import HarnessError, SuiteError
from vcm_ref.conformance.judgement import Outcome
from vcm_ref.conformance.runner import Plan, decoder_version, run_vectors
from vcm_ref.errors import ConfigError
from vcm_ref.process import watched

from .suites import SmallSuite

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="memory that several share is known on Linux only")


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a decoder does, no temporary file stays."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield
    assert list(temporary.iterdir()) == []


def assert_ended(small: SmallSuite) -> None:
    """The process that the decoder noted has ended. On a busy machine it may have been ended before it noted one."""
    note = small.answers / "pid"
    if not note.exists():
        return
    status = Path(f"/proc/{note.read_text()}/stat")
    assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_a_right_decoder_passes(small: SmallSuite) -> None:
    told: list[float] = []
    plan = Plan(small.folder, small.adaptor("right"), jobs=3)
    results = run_vectors(plan, small.vectors, told.append)
    assert [result.vector.id for result in results] == [vector.id for vector in small.vectors]
    assert [(result.outcome, result.judgement.reason) for result in results] == [(Outcome.PASS, "")] * 5
    assert told == [1] * 5
    assert all(result.seconds is not None and result.seconds > 0 for result in results)
    assert all(result.memory is not None and 1 << 20 < result.memory < 1 << 28 for result in results)


def test_mode_a_gives_the_planes(small: SmallSuite) -> None:
    """The decoder itself compares them. Where there are none, there is nothing to run."""
    results = small.results("right", mode="a")
    assert [result.outcome for result in results] == [Outcome.PASS] * 2 + [Outcome.NOT_RUN] * 3
    assert results[2].judgement.reason == "mode A does not apply"
    assert (results[2].seconds, results[2].memory) == (None, None)


def test_what_is_not_claimed_is_not_run(small: SmallSuite) -> None:
    plan = Plan(small.folder, small.adaptor("right", profiles=["VVC"], level=1))
    results = run_vectors(plan, small.vectors, lambda share: None)
    assert [result.judgement.reason for result in results] == [
        "profile Core is not claimed",
        "level 2 is not claimed",
        "",  # without a profile it is everybody's to refuse
        "level 2 is not claimed",
        "profile Core is not claimed",
    ]


@pytest.mark.parametrize(
    ("behaviour", "vector", "outcome", "reason"),
    [
        ("only t1", "GOOD_A_1", "pass", ""),
        (
            "wrong sample",
            "GOOD_A_1",
            "fail",
            r"^t1.raw: picture 0, p3: the digest is [0-9a-f]{12}…, not [0-9a-f]{12}…$",
        ),
        ("wrong sample", "GOOD_VVC_A_1", "fail", "^t1.raw: picture 1, p3: the digest is "),
        (
            "all wrong",
            "GOOD_VVC_A_1",
            "fail",
            r"^t0.raw: picture 0, substream0: .*\(and 2 of 2 .*; t1.raw: .*; t2.raw: ",
        ),
        ("too little", "GOOD_A_1", "fail", "^t1.raw has 30 bytes; 32 are right$"),
        ("too much", "GOOD_A_1", "fail", "^t2.raw has 68 bytes; 64 are right$"),
        ("no t1", "GOOD_A_1", "fail", "^there is no t1.raw$"),
        ("link", "GOOD_A_1", "fail", "^t1.raw is not a regular file$"),
        ("pipe", "GOOD_A_1", "fail", "^t1.raw is not a regular file$"),
        ("file for folder", "GOOD_A_1", "fail", "^left no output folder$"),
        ("reject all", "GOOD_A_1", "fail", r"^refused it with BitstreamError \(exit code 10\)$"),
        ("exit 10", "GOOD_A_1", "fail", r"^refused it \(exit code 10\) and left t0.raw$"),
        ("unsupported", "GOOD_A_1", "unsupported", "^is not supported$"),
        ("exit 3", "GOOD_A_1", "error", "^exit code 3$"),
        ("print much", "GOOD_A_1", "error", r"^exit code 70: all is well; \[31m<&>the last word$"),
        ("signal", "GOOD_A_1", "crash", "^was ended by SIGSEGV$"),
        ("accept all", "BAD_A_1", "fail", "^accepted it; the right answer is a refusal with BitstreamError$"),
        ("accept all", "LARGE_A_1", "fail", "^accepted it; the right answer is a refusal with LimitError$"),
        ("empty folder", "BAD_A_1", "pass", ""),
        ("leave output", "BAD_A_1", "fail", r"^refused it \(exit code 10\) and left a/b/part$"),
        ("file for folder", "BAD_A_1", "fail", "and left a file in place of the output folder$"),
        ("reject all", "LARGE_A_1", "fail", r"^refused it with BitstreamError \(exit code 10\); LimitError is right$"),
        ("unsupported", "BAD_A_1", "unsupported", "^is not supported$"),
        ("exit 3", "BAD_A_1", "error", "^exit code 3$"),
        ("signal", "BAD_A_1", "crash", "^was ended by SIGSEGV$"),
    ],
)
def test_outcomes(small: SmallSuite, behaviour: str, vector: str, outcome: str, reason: str) -> None:
    found, told = small.outcome(behaviour, vector)
    assert (found.value, bool(re.search(reason, told))) == (outcome, True), told


def test_unsupported_may_be_what_is_right(small: SmallSuite) -> None:
    (vector,) = [vector for vector in small.vectors if vector.id == "BAD_A_1"]
    assert small.outcome("unsupported", replace(vector, errors=("UnsupportedError",))) == (Outcome.PASS, "")


def test_one_exit_code_for_all_refusals(small: SmallSuite) -> None:
    plan = Plan(small.folder, small.adaptor("exit 1", exit_codes={"any": 1}))
    results = run_vectors(plan, small.vectors, lambda share: None)
    assert [result.outcome.value for result in results] == ["fail", "fail", "pass", "pass", "pass"]
    plan = Plan(small.folder, small.adaptor("exit 10", exit_codes={"any": 1}))
    assert {result.outcome for result in run_vectors(plan, small.vectors, lambda share: None)} == {Outcome.ERROR}


def test_a_decoder_that_cannot_be_started(small: SmallSuite) -> None:
    """It is told once, and not for each vector."""
    program = small.decoder.with_name("program")
    program.write_text("#!/nowhere/interpreter\n")
    program.chmod(0o755)
    command = ["../" + small.decoder.parent.name + "/program", "{bitstream}", "{output}"]
    plan = Plan(small.folder, small.adaptor("program", command=command), jobs=2)
    with pytest.raises(ConfigError, match=r"^program: .*program could not be started: No such file or directory$"):
        run_vectors(plan, small.vectors, lambda share: None)


@pytest.mark.parametrize("behaviour", ["hang", "fork and wait", "print without end"])
def test_a_decoder_that_does_not_end(small: SmallSuite, behaviour: str) -> None:
    outcome, reason = small.outcome(behaviour, small.limited("GOOD_A_1", seconds=1.5))
    assert outcome is Outcome.TIMEOUT
    assert reason.startswith("was ended at the time limit, after ")
    assert len(reason) < 400
    if behaviour != "print without end":
        assert_ended(small)


def test_the_time_limit_can_be_multiplied(small: SmallSuite) -> None:
    (result,) = small.results("right", [small.limited("GOOD_A_1", seconds=0.0001)], time_factor=1e6)
    assert result.outcome is Outcome.PASS
    (result,) = small.results("right", [small.limited("GOOD_A_1", seconds=0.0001)])
    assert result.outcome is Outcome.TIMEOUT


@pytest.mark.parametrize("behaviour", ["leave a child", "leave a daemon", "leave a stranger"])
def test_processes_left_behind_are_ended(small: SmallSuite, behaviour: str) -> None:
    """Also one that left session, parents and environment; what the decoder wrote counts."""
    assert small.outcome(behaviour, "GOOD_A_1") == (Outcome.PASS, "")
    assert_ended(small)


@pytest.mark.parametrize("behaviour", ["eat memory", "a child eats memory"])
def test_an_eater_of_memory(small: SmallSuite, behaviour: str) -> None:
    (result,) = small.results(behaviour, [small.limited("GOOD_A_1")])
    assert result.outcome is Outcome.CRASH
    assert result.judgement.reason.startswith("was ended at the memory limit, with ")
    assert result.memory is not None and result.memory > 1 << 28


@LINUX
def test_memory_that_processes_share_counts_once(small: SmallSuite) -> None:
    """160 MiB in four processes, and 256 MiB are allowed."""
    assert small.outcome("share memory", "GOOD_A_1") == (Outcome.PASS, "")


def test_what_is_written_is_limited(small: SmallSuite) -> None:
    outcome, reason = small.outcome("write without end", "GOOD_A_1")
    assert (outcome, reason) == (Outcome.FAIL, "was ended because it wrote too much")


@pytest.mark.parametrize("behaviour", ["write to a file without a name", "nest folders", "make many files"])
def test_what_is_written_is_limited_whatever_it_is(
    small: SmallSuite, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where no file shows it, no path is long enough to lead there, or the files are empty."""
    monkeypatch.setattr(watched, "_ENTRY_BYTES", 1 << 20)
    outcome, reason = small.outcome(behaviour, "GOOD_A_1")
    assert (outcome, reason) == (Outcome.FAIL, "was ended because it wrote too much")


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        ("leave links", "^$"),
        ("leave odd files", "^$"),
        ("link for folder", "^left no output folder$"),
        ("link for its folder", "^(left no output folder|there is no t1.raw)$"),
        ("close its folders", "^$|^(left no output folder|t1.raw cannot be read: Permission denied)"),
        ("remove its folder", "^(left no output folder|there is no t1.raw)$"),
        ("socket", "^t1.raw is not a regular file$"),
        ("huge", "^t1.raw has 1099511627776 bytes; 32 are right$"),
        ("folder for file", "^t1.raw is not a regular file$"),
    ],
)
def test_odd_things_in_the_output(small: SmallSuite, behaviour: str, reason: str) -> None:
    """Each is the vector's result, and no run's end. What is not looked at may be there."""
    outcome, told = small.outcome(behaviour, "GOOD_A_1")
    assert re.search(reason, told), told
    assert outcome is (Outcome.FAIL if told else Outcome.PASS)


@pytest.mark.parametrize(("behaviour", "name"), [("refuse oddly", r"a\udcff\x1b")])
def test_odd_names_are_told_safely(small: SmallSuite, behaviour: str, name: str) -> None:
    outcome, reason = small.outcome(behaviour, "BAD_A_1")
    assert (outcome, reason) == (Outcome.FAIL, f"refused it (exit code 10) and left {name}")


def test_a_decoder_that_ends_its_parent(small: SmallSuite) -> None:
    assert small.outcome("end its parent", "GOOD_A_1") == (Outcome.CRASH, "was ended by SIGKILL")


def test_a_decoder_may_spoil_its_copy(small: SmallSuite) -> None:
    assert small.outcome("spoil the input", "GOOD_A_1") == (Outcome.PASS, "")
    assert (small.folder / "vectors/GOOD_A_1.bin").read_text() == "GOOD_A_1"


def test_the_name_of_the_vector_is_not_told(small: SmallSuite) -> None:
    seen = small.adaptor("right").command_line("b", Path("/t/stream.bin"), Path("/t/output"))
    assert seen[-2:] == ["/t/stream.bin", "/t/output"]


def test_a_damaged_vector_is_given_to_nobody(small: SmallSuite) -> None:
    path = small.folder / "vectors/GOOD_A_1.bin"
    path.write_text("GOOD_B_1")
    with pytest.raises(SuiteError, match=r"GOOD_A_1\.bin: its SHA-256 is [0-9a-f]{64}; the manifest says"):
        small.results("right")
    path.write_text("GOOD_A_1")
    (small.folder / "planes/GOOD_A_1.raw").unlink()
    assert small.results("right")[0].outcome is Outcome.PASS  # mode B has no use for it
    with pytest.raises(SuiteError, match=r"planes/GOOD_A_1\.raw: cannot be read"):
        small.results("right", mode="a")


def test_an_error_ends_the_others(small: SmallSuite) -> None:
    """The first vector's decoder hangs, the second vector is damaged."""
    (small.folder / "vectors/GOOD_VVC_A_1.bin.xz").write_bytes(b"")
    with pytest.raises(SuiteError, match="is not a whole xz file"):
        small.results("hang", small.vectors[:2])


def test_an_interrupt_ends_all(small: SmallSuite) -> None:
    """In this process: no decoder and no file is left when the call raises."""

    def interrupt() -> None:
        while not (small.answers / "pid").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        small.results("hang")
    thread.join()
    assert_ended(small)


def test_what_cannot_be_ended_is_an_error(small: SmallSuite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor that does not come to an end is what a process that hangs inside the kernel looks like."""
    stuck = small.folder / "supervisor.py"
    stuck.write_text("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile 1: time.sleep(1)")
    monkeypatch.setattr(watched.supervisor, "__file__", str(stuck))
    monkeypatch.setattr(watched, "_GIVE_UP_S", 0.2)
    with pytest.raises(HarnessError, match="a process of it cannot be ended"):
        small.outcome("right", small.limited("GOOD_A_1", seconds=1))


def test_the_version_that_a_decoder_tells(small: SmallSuite) -> None:
    def version(*words: str) -> str | None:
        return decoder_version(small.adaptor("right", version=["{python}", "-I", "-S", "-c", *words]))

    assert version("print('decoder 1.2')") == "decoder 1.2"
    assert version("print('decoder 1.2'); exit(1)") is None
    assert version("") is None
    assert decoder_version(small.adaptor("right")) is None
