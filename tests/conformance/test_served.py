"""Decoders that one process runs for many vectors: the same results, and one vector's fault costs that vector alone."""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vcm_ref.conformance.errors import HarnessError, SuiteError
from vcm_ref.conformance.judgement import Outcome
from vcm_ref.conformance.results import Result
from vcm_ref.conformance.runner import Plan, run_vectors
from vcm_ref.errors import ConfigError
from vcm_ref.process.served import Served
from vcm_ref.process.watched import Ending, NotEndedError

from .suites import SmallSuite
from .test_runner import assert_ended

#: Runs the decoder of the suite in its own process, once for each job. The third of its arguments says what it does as
#: a server, and to which vector.
SERVER = """
import os, sys
program, behaviour, manner, victim, answers = sys.argv[1:]
with open(program) as file:
    code = compile(file.read(), program, "exec")
kept, starts = [], 0
print(os.getpid(), file=open(os.path.join(answers, "starts"), "a"))
for line in sys.stdin:
    number, bitstream, output, *planes = line.rstrip("\\n").split("\\t")
    with open(bitstream) as file:
        hit = file.read() == victim
    sys.argv = [program, behaviour if hit else "right", answers, bitstream, output]
    sys.argv += ["--planes", *planes] if planes else []
    status = 0
    try:
        exec(code, {"__name__": "__main__"})
    except SystemExit as end:
        status = end.code
    answer = f"{number} {status} what there is to say"
    if hit and manner == "other number":
        answer = f"{int(number) + 1} {status}"
    elif hit and manner == "two answers":
        answer += "\\n" + answer
    elif hit and manner == "no number":
        answer = "done"
    elif hit and manner == "endless":
        answer = "1" * (1 << 20)
    elif hit and manner == "half":
        os.write(1, answer[:3].encode())
        os._exit(7)
    elif hit and manner == "exit":
        os._exit(status)
    elif hit and manner == "by signal":
        answer = f"{number} -11"
    elif hit and manner == "close":
        os.close(1)
        __import__("time").sleep(600)
    elif hit and manner == "leave a file":
        open("left", "w").close()
    elif hit and manner == "keep memory":
        kept.append(os.urandom(1 << 10) * (600 << 10))
    print(answer, flush=True)
"""


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a decoder does, no temporary file stays."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    yield
    assert list(temporary.iterdir()) == []


class ServedSuite(SmallSuite):
    """The small suite with a decoder that serves."""

    def plan(self, behaviour: str, manner: str = "", victim: str = "GOOD_A_1", **options: object) -> Plan:
        """One process for all; the decoder does as ``behaviour`` says with the vector ``victim``."""
        server = self.decoder.with_name("server.py")
        server.write_text(SERVER)
        words = ["{python}", "-I", "-S", "./server.py", "./decoder.py", behaviour, manner, victim, str(self.answers)]
        return Plan(self.folder, self.adaptor("right", serve=words), **{"jobs": 1, **options})  # type: ignore[arg-type]

    def starts(self) -> int:
        """How often the decoder was started."""
        return len((self.answers / "starts").read_text().split())


@pytest.fixture
def served(small: SmallSuite) -> ServedSuite:
    """The small suite, whose decoder serves."""
    small.__class__ = ServedSuite
    assert isinstance(small, ServedSuite)
    return small


def run(plan: Plan, served: ServedSuite) -> list[Result]:
    return run_vectors(plan, served.vectors, lambda share: None)


def test_one_process_decodes_all(served: ServedSuite) -> None:
    results = run(served.plan("right"), served)
    assert [(result.outcome, result.judgement.reason) for result in results] == [(Outcome.PASS, "")] * 5
    assert served.starts() == 1
    assert all(result.seconds and result.memory for result in results)


def test_as_many_processes_as_jobs(served: ServedSuite) -> None:
    assert {result.outcome for result in run(served.plan("right", jobs=3), served)} == {Outcome.PASS}
    assert 1 <= served.starts() <= 3


def test_mode_a_gives_the_planes(served: ServedSuite) -> None:
    results = run(served.plan("right", mode="a"), served)
    assert [result.outcome for result in results] == [Outcome.PASS] * 2 + [Outcome.NOT_RUN] * 3


def test_a_process_for_each_vector_where_that_is_asked_for(served: ServedSuite) -> None:
    plan = served.plan("right", fresh=True)
    assert (plan.served, {result.outcome for result in run(plan, served)}) == (False, {Outcome.PASS})
    assert not (served.answers / "starts").exists()


@pytest.mark.parametrize(
    ("behaviour", "manner", "starts", "outcome", "reason"),
    [
        ("wrong sample", "", 1, "fail", "^t1.raw: picture 0, p3: the digest is "),
        ("reject all", "", 1, "fail", "^refused it with BitstreamError .exit code 10.: what there is to say$"),
        ("exit 3", "", 1, "error", "^exit code 3: what there is to say$"),
        ("unsupported", "", 1, "unsupported", "^is not supported: what there is to say$"),
        ("right", "by signal", 1, "crash", "^was ended by SIGSEGV$"),
        ("right", "leave a file", 2, "pass", "^$"),
        ("leave a child", "", 2, "pass", "^$"),
        ("leave a daemon", "", 2, "pass", "^$"),
        ("signal", "", 2, "crash", "^was ended by SIGSEGV$"),
        ("right", "exit", 2, "pass", "^$"),
        ("exit 10", "exit", 2, "fail", r"^refused it \(exit code 10\) and left t0.raw$"),
        ("right", "half", 2, "error", "^exit code 7$"),
        ("right", "other number", 2, "error", r"^did not answer as it should: \d 0$"),
        ("right", "two answers", 2, "error", "^did not answer as it should: "),
        ("right", "no number", 2, "error", "^did not answer as it should: done$"),
        ("right", "endless", 2, "error", "^did not answer as it should: …11"),
        ("remove its folder", "", 2, "pass", "^$"),
        ("write without end", "", 2, "fail", "^was ended because it wrote too much$"),
        ("eat memory", "", 2, "crash", "^was ended at the memory limit, with "),
        ("print much", "", 2, "error", "^did not answer as it should: "),
    ],
)
def test_a_fault_costs_one_vector(
    served: ServedSuite, behaviour: str, manner: str, starts: int, outcome: str, reason: str
) -> None:
    """All others pass, if with a decoder that has been started again."""
    first, *others = run(served.plan(behaviour, manner), served)
    told = first.judgement.reason
    assert (first.outcome.value, bool(re.search(reason, told))) == (outcome, True), told
    assert {result.outcome for result in others} == {Outcome.PASS}
    assert served.starts() == starts


@pytest.mark.parametrize(("behaviour", "manner"), [("hang", ""), ("fork and wait", ""), ("right", "close")])
def test_a_timeout_costs_one_vector(served: ServedSuite, behaviour: str, manner: str) -> None:
    served.vectors[0] = served.limited("GOOD_A_1", seconds=1.5)
    first, *others = run(served.plan(behaviour, manner), served)
    assert first.outcome is Outcome.TIMEOUT
    assert {result.outcome for result in others} == {Outcome.PASS}
    assert_ended(served)


def test_a_decoder_that_ends_its_parent(served: ServedSuite) -> None:
    """Its answer may come before the end is seen."""
    first, *others = run(served.plan("end its parent"), served)
    assert first.outcome in (Outcome.PASS, Outcome.CRASH)
    assert {result.outcome for result in others} == {Outcome.PASS}


def test_what_is_kept_does_not_count_against_the_next(served: ServedSuite) -> None:
    """600 MiB, of which the next vector may have 256."""
    served.vectors[0] = served.limited("GOOD_A_1", memory=1 << 30)
    results = run(served.plan("right", "keep memory"), served)
    assert {result.outcome for result in results} == {Outcome.PASS}
    assert served.starts() == 2


def test_a_decoder_that_cannot_be_started(served: ServedSuite) -> None:
    program = served.decoder.with_name("program")
    program.write_text("#!/nowhere/interpreter\n")
    program.chmod(0o755)
    plan = Plan(served.folder, served.adaptor("program", serve=["./program"]))
    with pytest.raises(ConfigError, match=r"^program: .*program could not be started: No such file or directory$"):
        run(plan, served)


def test_an_error_ends_the_decoders(served: ServedSuite) -> None:
    plan = served.plan("hang", jobs=2)
    (served.folder / "vectors/BAD_A_1.bin").write_bytes(b"")
    with pytest.raises(SuiteError, match=r"BAD_A_1\.bin: has 0 bytes"):
        run(plan, served)
    assert_ended(served)


def test_one_decoder_that_cannot_be_ended_does_not_keep_the_others(
    served: ServedSuite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two wait at the end, as each has a vector until the other one has, too."""
    together = threading.Barrier(2, timeout=60)
    ask, end, ended = Served.ask, Served.end, []

    def asked(self: Served, *arguments: Any) -> Ending:
        ending = ask(self, *arguments)
        together.wait()
        return ending

    def not_ended(self: Served) -> list[str]:
        ended.append(self)
        end(self)
        raise NotEndedError("a process of it cannot be ended")

    monkeypatch.setattr(Served, "ask", asked)
    monkeypatch.setattr(Served, "end", not_ended)
    served.vectors = served.vectors[:2]
    with pytest.raises(HarnessError, match="cannot be ended"):
        run(served.plan("right", jobs=2), served)
    assert len(ended) == 2


def test_the_time_limit_is_of_one_vector(served: ServedSuite) -> None:
    """Not of the process."""
    served.vectors = [replace(vector, limits=replace(vector.limits, seconds=4)) for vector in served.vectors]
    assert {result.outcome for result in run(served.plan("right"), served)} == {Outcome.PASS}
