"""Tasks on processes of this machine: what comes back, and what happens when workers, tasks and runs end badly."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from vcm_ref.errors import ConfigError, LimitError
from vcm_ref.experiment import pool
from vcm_ref.experiment.pool import local_workers
from vcm_ref.experiment.tasks import Batch, Ref, RunBatches, Task, Value

from . import jobs
from .batches import kept, results

LATEST_S = 60


@pytest.fixture(scope="module")
def run() -> Iterator[RunBatches]:
    """Two workers."""
    with local_workers(2, 1) as made:
        yield made


def notes(folder: Path) -> list[str]:
    """What ran, as often as it did."""
    return sorted(path.name.split(".")[0] for path in folder.iterdir())


def await_that(condition: Any) -> None:
    latest = time.monotonic() + LATEST_S
    while not condition():
        assert time.monotonic() < latest
        time.sleep(0.02)


def test_arguments_arrive_as_what_they_are(run: RunBatches) -> None:
    """Plain ones, given values, results of others; inside lists as well."""
    batch = [
        Value("given", jobs.Pair(1, [2])),
        Task("made", jobs.pair, (1, 2)),
        kept("kinds", jobs.kinds, jobs.Pair(1, 2), Ref("given"), Ref("made"), (1, 2), None, b""),
        kept("lists", jobs.kinds, [Ref("made"), Ref("given"), jobs.Pair(3, 4)], [[Ref("made")]], []),
        kept("same", jobs.pair, Ref("given"), {"a": jobs.Pair(5, (6, 7))}),
    ]
    found = results(run, batch)
    assert found["kinds"] == ["Pair", "Pair", "Pair", "tuple", "NoneType", "bytes"]
    assert found["lists"] == [str([["Pair", "Pair", "Pair"]]), str([[str([["Pair"]])]]), str([[]])]
    assert found["same"] == jobs.Pair(jobs.Pair(1, [2]), {"a": jobs.Pair(5, (6, 7))})


def test_only_what_is_kept_comes_back_and_as_what(run: RunBatches) -> None:
    batch = [
        Task("a", jobs.pair, (1, 2)),
        Task("b", jobs.pair, (Ref("a"), 3), "one"),
        Task("c", jobs.pair, (1, 1), "two"),
    ]
    assert {(name, kind) for name, kind, _ in run(iter([batch]))} == {("b", "one"), ("c", "two")}
    assert results(run) == results(run, []) == results(run, [Task("a", jobs.pair, (1, 2))]) == {}


def test_many_batches_are_taken_a_few_at_a_time(run: RunBatches) -> None:
    """A sweep is thousands of them: what is not begun yet takes no memory."""
    begun, finished = 0, 0

    def batches() -> Iterator[Batch]:
        nonlocal begun
        for number in range(30):
            begun += 1
            assert begun - finished <= 3
            yield [
                Task(f"first{number}", jobs.pair, (number, 0)),
                kept(f"second{number}", jobs.pair, Ref(f"first{number}"), 1),
            ]

    seen = set()
    for name, _, _ in run(batches()):
        finished += 1
        seen.add(name)
    assert seen == {f"second{number}" for number in range(30)}


def test_each_task_runs_once(run: RunBatches, tmp_path: Path) -> None:
    """What several need as well, and what a batch has twice."""
    folder = str(tmp_path)
    batch = [
        Task("base", jobs.note, (folder, "base")),
        *(kept(f"t{number}", jobs.note, folder, f"t{number}", Ref("base")) for number in range(5)),
        Task("base", jobs.note, (folder, "base")),
    ]
    assert len(results(run, batch)) == 5
    assert notes(tmp_path) == ["base", "t0", "t1", "t2", "t3", "t4"]


def test_a_worker_helps_with_the_only_batch(run: RunBatches, tmp_path: Path) -> None:
    """And has what the other worker made for it. Each task waits until the other has begun."""
    places = [str(tmp_path / name) for name in ("one", "two")]
    batch = [
        Task("made", jobs.pair, (1, 2)),
        kept("one", jobs.meet, places[0], places[1], Ref("made")),
        kept("two", jobs.meet, places[1], places[0], Ref("made")),
    ]
    found = results(run, batch)
    assert found["one"] != found["two"]


def test_a_task_that_is_done_everywhere(run: RunBatches, tmp_path: Path) -> None:
    """By all workers at the same time, as a network is loaded. One result comes back, and the others go on."""
    both = [
        Task("loaded", jobs.meet_all, (str(tmp_path), 2), "x", everywhere=True),
        kept("after", jobs.kinds, Ref("loaded")),
    ]
    found = results(run, both)
    assert found["after"] == ["int"]
    assert results(run, [kept("later", jobs.pair, 1, 2)]) == {"later": (1, 2)}
    assert len(list(tmp_path.iterdir())) == 2


def test_a_task_that_fails_and_what_depends_on_it(run: RunBatches) -> None:
    batch = [
        Task("bad", jobs.fail_as_stage, (13, "the codec failed")),
        kept("after", jobs.pair, Ref("bad"), 1),
        kept("later", jobs.pair, [Ref("after"), Ref("bad")], 1),
        kept("bug", jobs.fail, ValueError("two\nlines")),
        kept("memory", jobs.fail, MemoryError("none")),
        kept("fine", jobs.pair, 1, 2),
        kept("unsent", jobs.unsendable),
        kept("unreadable", jobs.unreadable),
    ]
    found = results(run, batch, [kept("other", jobs.pair, 3, 4)])
    assert found.pop("fine") == (1, 2)
    assert found.pop("other") == (3, 4)
    assert found.pop("bug") == (70, "internal error: ValueError: two lines")
    assert found.pop("memory") == (70, "internal error: MemoryError: none")
    assert found.pop("unsent")[0] == found.pop("unreadable")[0] == 70
    assert found == {"after": (13, "the codec failed"), "later": (13, "the codec failed")}


def test_what_failed_can_be_tried_again(run: RunBatches, tmp_path: Path) -> None:
    batch = [kept("again", shutil.copy, str(tmp_path / "a"), str(tmp_path / "b"))]
    assert results(run, batch)["again"][0] == 70
    (tmp_path / "a").touch()
    assert results(run, batch) == {"again": str(tmp_path / "b")}


# Workers that die


def test_a_worker_that_is_killed_in_the_middle(run: RunBatches, tmp_path: Path) -> None:
    """The rest goes on, with what was given and what the dead had made; everything comes back once."""
    flag = tmp_path / "flag"
    first = [Value("v", 5), Task("m", jobs.pair, (6, 7)), kept("victim", jobs.wait_for, str(flag), Ref("v"), Ref("m"))]
    rest = [
        [Value(f"v{number}", number), *(kept(f"r{number}-{i}", jobs.pair, Ref(f"v{number}"), i) for i in range(4))]
        for number in range(5)
    ]
    begun = Path(f"{flag}.begun")
    killed = []

    def kill() -> None:
        await_that(lambda: begun.exists() and begun.read_text())
        killed.append(int(begun.read_text()))
        os.kill(killed[0], signal.SIGKILL)
        flag.touch()

    killer = threading.Thread(target=kill)
    killer.start()
    found = results(run, first, *rest)
    killer.join()
    assert found.pop("victim") not in killed
    assert found == {f"r{number}-{i}": (number, i) for number in range(5) for i in range(4)}


def test_a_task_that_kills_its_worker_once(run: RunBatches, tmp_path: Path) -> None:
    batch = [kept("once", jobs.die_once, str(tmp_path / "flag")), kept("beside", jobs.pair, 1, 2)]
    assert results(run, batch) == {"once": "survived", "beside": (1, 2)}


def test_a_task_that_kills_every_worker(run: RunBatches, tmp_path: Path) -> None:
    """It fails, and what depends on it; everything else is done, and each thing once."""
    folder = str(tmp_path)
    deadly = [
        Value("v", 1),
        Task("deadly", jobs.die, (Ref("v"),)),
        kept("after", jobs.pair, Ref("deadly"), 1),
        *(kept(f"beside{number}", jobs.note, folder, f"beside{number}", Ref("v")) for number in range(4)),
    ]
    others = [[kept(f"o{number}", jobs.pair, number, 0)] for number in range(4)]
    found = results(run, deadly, *others)
    message = r"2 workers died on it \(the last one was ended by SIGKILL\), most likely for their memory"
    code, told = found.pop("after")
    assert code == 12
    assert re.fullmatch(message, told)
    assert found == {f"o{n}": (n, 0) for n in range(4)} | {f"beside{n}": f"beside{n}" for n in range(4)}
    assert notes(tmp_path) == [f"beside{number}" for number in range(4)]


def test_workers_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "worker.py"
    program.write_text("import os; os.kill(os.getpid(), 9)")
    monkeypatch.setattr(pool, "_PROGRAM", program)
    with local_workers(1, 1) as run, pytest.raises(LimitError, match="ended by SIGKILL before it had begun"):
        results(run, [kept("a", jobs.pair, 1, 2)])


# Ends


def test_ending_early_ends_what_is_left(run: RunBatches, tmp_path: Path) -> None:
    """And later runs go on as if nothing had been."""
    flag = tmp_path / "flag"
    stuck = [[kept(f"stuck{number}", jobs.wait_for, str(flag))] for number in range(20)]
    running = run(iter([[kept("first", jobs.pair, 1, 2)], *stuck]))
    assert next(running).name == "first"
    running.close()  # type: ignore[attr-defined]
    assert results(run, [kept("after", jobs.pair, 1, 2)]) == {"after": (1, 2)}


def test_an_error_in_making_batches_passes(run: RunBatches) -> None:
    def batches() -> Iterable[Batch]:
        yield [kept("a", jobs.pair, 1, 2)]
        raise ConfigError("no more")

    with pytest.raises(ConfigError, match="no more"):
        list(run(iter(batches())))
    assert results(run, [kept("a", jobs.pair, 1, 2)]) == {"a": (1, 2)}


def test_workers_have_their_threads_and_this_process_keeps_its_environment() -> None:
    before = dict(os.environ)
    with local_workers(1, 3) as run:
        theirs = results(run, [kept("e", jobs.environment)])["e"]
        assert dict(os.environ) == before
        assert theirs["OMP_NUM_THREADS"] == "3"


def test_no_socket_has_an_address(run: RunBatches) -> None:
    """Nothing that another user of the machine could connect to."""
    results(run, [kept("a", jobs.pair, 1, 2)])
    for process in [psutil.Process(), *psutil.Process().children()]:
        connections = process.net_connections(kind="all")
        assert not [c for c in connections if c.status == psutil.CONN_LISTEN or (c.type == 1 and c.laddr)]


PROGRAM = """
import sys, tempfile
from vcm_ref.experiment.pool import local_workers
from vcm_ref.experiment.tasks import Task
from experiment import jobs
tempfile.tempdir = sys.argv[1]
batch = [Task("v", jobs.pair, (1, 2)), Task("s", jobs.start_and_wait, (sys.argv[2],), "x")]
with local_workers(2, 1) as run:
    for _ in run(iter([[task._replace(name=f"{task.name}{n}") for task in batch] for n in range(2)])):
        pass
"""


def test_nothing_is_left_of_a_process_that_is_killed(tmp_path: Path) -> None:
    """Neither workers, nor the inner codecs that they have started, nor the folder of intermediate results."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "started").mkdir()
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "temporary"), str(tmp_path / "started")]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}) as process:
        await_that(lambda: len(list((tmp_path / "started").iterdir())) == 4)
        started = [psutil.Process(int(path.name)) for path in (tmp_path / "started").iterdir()]
        assert len(list((tmp_path / "temporary").iterdir())) == 1
        process.kill()
    await_that(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in started))
    await_that(lambda: not list((tmp_path / "temporary").iterdir()))


def test_the_next_run_removes_what_is_left_when_the_workers_are_killed_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary, started = tmp_path / "temporary", tmp_path / "started"
    temporary.mkdir()
    started.mkdir()
    command = [sys.executable, "-c", PROGRAM, str(temporary), str(started)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}) as process:
        await_that(lambda: len(list(started.iterdir())) == 4)
        workers = psutil.Process(process.pid).children()
        for one in workers:
            one.suspend()  # else it removes the folder
        process.kill()
        for one in workers:
            one.kill()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    left = list(temporary.iterdir())
    assert len(left) == 1
    with local_workers(1, 1):
        assert not left[0].exists()
    assert not list(temporary.iterdir())


ORPHANS = """
import os
from vcm_ref.experiment.pool import local_workers
from vcm_ref.experiment.tasks import Task
from vcm_ref.process import orphans
from vcm_ref.process.child import ChildLimits, run_child
orphans.own_process()
with local_workers(1, 1) as run:
    batch = lambda name: iter([[Task(name, os.getpid, (), "x")]])
    first = [found.result for found in run(batch("a"))]
    run_child(["true"], limits=ChildLimits(10, 0))
    orphans.end_left()
    assert [found.result for found in run(batch("b"))] == first
    os.kill(first[0], 0)
"""


def test_a_worker_is_not_taken_for_an_orphan() -> None:
    """In an executable, processes of another session that are not known are ended."""
    done = subprocess.run([sys.executable, "-c", ORPHANS], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
