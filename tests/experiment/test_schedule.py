"""Tasks on real workers: what comes back, and what happens when workers, tasks and clients end as they should not."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("distributed", reason="distributed is not installed")

from vcm_ref.experiment.schedule import Batch, Ref, Task, Value, connect, run

import vcm_ref
from vcm_ref.errors import ConfigError
from vcm_ref.experiment import schedule
from vcm_ref.experiment.stages import TaskError

from . import jobs

TESTS = str(Path(__file__).parents[1])


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """Two workers; here a task may kill two of them before it is suspect."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "_DEATHS", 1)
        with connect(None, 2) as made:
            yield made


def results(client: Any, *batches: Batch) -> dict[str, Any]:
    """All that comes back, each once; errors as exit code and message."""
    found = {}
    for name, _, result in run(client, batches):
        assert name not in found
        found[name] = (result.exit_code, result.message) if isinstance(result, TaskError) else result
    return found


def kept(name: str, function: Any, *arguments: Any) -> Task:
    return Task(name, function, arguments, "x")


def notes(folder: Path) -> list[str]:
    """What ran, as often as it did."""
    return sorted(path.name.split(".")[0] for path in folder.iterdir())


def test_arguments_arrive_as_what_they_are(client: Any) -> None:
    """Plain ones, values of the client, results of others; inside lists as well."""
    batch = [
        Value("given", jobs.Pair(1, [2])),
        Task("made", jobs.pair, (1, 2)),
        kept("kinds", jobs.kinds, jobs.Pair(1, 2), Ref("given"), Ref("made"), (1, 2), None, b""),
        kept("lists", jobs.kinds, [Ref("made"), Ref("given"), jobs.Pair(3, 4)], [[Ref("made")]], []),
        kept("same", jobs.pair, Ref("given"), {"a": jobs.Pair(5, (6, 7))}),
    ]
    found = results(client, batch)
    assert found["kinds"] == ["Pair", "Pair", "Pair", "tuple", "NoneType", "bytes"]
    assert found["lists"] == [str([["Pair", "Pair", "Pair"]]), str([[str([["Pair"]])]]), str([[]])]
    assert found["same"] == jobs.Pair(jobs.Pair(1, [2]), {"a": jobs.Pair(5, (6, 7))})
    assert isinstance(found["same"].other["a"], jobs.Pair)


def test_only_what_is_kept_comes_back_and_as_what(client: Any) -> None:
    batch = [
        Task("a", jobs.pair, (1, 2)),
        Task("b", jobs.pair, (Ref("a"), 3), "one"),
        Task("c", jobs.pair, (1, 1), "two"),
    ]
    assert {(name, kind) for name, kind, _ in run(client, [batch])} == {("b", "one"), ("c", "two")}
    assert results(client) == results(client, []) == results(client, [Task("a", jobs.pair, (1, 2))]) == {}


def test_many_batches_are_taken_a_few_at_a_time(client: Any) -> None:
    """A sweep is thousands of them: what is not begun yet takes no memory."""
    begun, finished = 0, 0

    def batches() -> Iterator[Batch]:
        nonlocal begun
        for number in range(30):
            begun += 1
            assert begun - finished <= 2 * schedule._AHEAD + 1
            yield [
                Task(f"first{number}", jobs.pair, (number, 0)),
                kept(f"second{number}", jobs.pair, Ref(f"first{number}"), 1),
            ]

    seen = set()
    for name, _, _ in run(client, batches()):
        finished += 1
        seen.add(name)
    assert seen == {f"second{number}" for number in range(30)}


def test_each_task_runs_once(client: Any, tmp_path: Path) -> None:
    """What several need as well, and what a batch has twice."""
    folder = str(tmp_path)
    batch = [
        Task("base", jobs.note, (folder, "base")),
        *(kept(f"t{number}", jobs.note, folder, f"t{number}", Ref("base")) for number in range(5)),
        Task("base", jobs.note, (folder, "base")),
    ]
    assert len(results(client, batch)) == 5
    assert notes(tmp_path) == ["base", "t0", "t1", "t2", "t3", "t4"]


def test_a_task_that_is_done_everywhere(client: Any, tmp_path: Path) -> None:
    """One result comes back; each worker has done it, and can do something else when it has."""
    task = Task("loaded", jobs.note, (str(tmp_path), "loaded"), "x", everywhere=True)
    assert results(client, [task, kept("after", jobs.pair, Ref("loaded"), 1)]) == {
        "loaded": "loaded",
        "after": ("loaded", 1),
    }
    latest = time.monotonic() + 20
    while len(workers := {path.name.split(".")[1] for path in tmp_path.iterdir()}) < 2:
        assert time.monotonic() < latest, workers
        time.sleep(0.01)
    assert notes(tmp_path) == ["loaded", "loaded"]


def test_a_task_that_fails_and_what_depends_on_it(client: Any) -> None:
    batch = [
        Task("bad", jobs.fail_as_stage, (13, "the codec failed")),
        kept("after", jobs.pair, Ref("bad"), 1),
        kept("later", jobs.pair, [Ref("after")], 1),
        kept("bug", jobs.fail, ValueError("two\nlines")),
        kept("memory", jobs.fail, MemoryError("none")),
        kept("fine", jobs.pair, 1, 2),
    ]
    found = results(client, batch, [kept("other", jobs.pair, 3, 4)])
    assert found.pop("fine") == (1, 2)
    assert found.pop("other") == (3, 4)
    assert found.pop("bug") == (70, "internal error: ValueError: two lines")
    assert found.pop("memory") == (70, "internal error: MemoryError: none")
    assert found == {"after": (13, "the codec failed"), "later": (13, "the codec failed")}


def test_what_failed_can_be_tried_again(client: Any, tmp_path: Path) -> None:
    """A scheduler that serves several runs must not remember the failure."""
    batch = [kept("again", shutil.copy, str(tmp_path / "a"), str(tmp_path / "b"))]
    assert results(client, batch)["again"][0] == 70
    (tmp_path / "a").touch()
    assert results(client, batch) == {"again": str(tmp_path / "b")}


# Workers that die


def test_a_worker_that_is_killed_in_the_middle(client: Any, tmp_path: Path) -> None:
    """The rest goes on, with what the client gave and with what the dead had; everything comes back once."""
    flag = str(tmp_path / "flag")
    first = [Value("v", 5), Task("m", jobs.pair, (6, 7)), kept("victim", jobs.wait_for, flag, Ref("v"), Ref("m"))]
    rest = [
        [Value(f"v{number}", number), *(kept(f"r{number}-{i}", jobs.pair, Ref(f"v{number}"), i) for i in range(4))]
        for number in range(5)
    ]
    expected = {f"r{number}-{i}": (number, i) for number in range(5) for i in range(4)}
    found = {}
    killed = None
    for name, _, result in run(client, [first, *rest]):
        assert name not in found
        found[name] = result
        if killed is None:  # others finish beside the one that waits
            while not Path(f"{flag}.begun").exists():
                pass
            Path(f"{flag}.begun").unlink()
            (address,) = [worker for worker, tasks in client.processing().items() if "victim" in str(tasks)]
            killed = client.run(os.getpid)[address]
            os.kill(killed, signal.SIGKILL)
            Path(flag).touch()
    assert isinstance(found.pop("victim"), int)
    assert found == expected


def test_a_task_that_kills_its_worker_once(client: Any, tmp_path: Path) -> None:
    batch = [kept("once", jobs.die_once, str(tmp_path / "flag")), kept("beside", jobs.pair, 1, 2)]
    assert results(client, batch) == {"once": "survived", "beside": (1, 2)}


def test_a_task_that_kills_every_worker(client: Any, tmp_path: Path) -> None:
    """It fails, and what depends on it. Dask holds each death against all that the worker had: those must finish."""
    folder = str(tmp_path)
    deadly = [
        Value("v", 1),
        Task("deadly", jobs.die, (Ref("v"),)),
        kept("after", jobs.pair, Ref("deadly"), 1),
        *(kept(f"beside{number}", jobs.note, folder, f"beside{number}", Ref("v")) for number in range(4)),
    ]
    others = [
        [Value(f"v{number}", number), *(kept(f"o{number}-{i}", jobs.pair, Ref(f"v{number}"), i) for i in range(3))]
        for number in range(4)
    ]
    found = results(client, deadly, *others)
    code, message = found.pop("after")
    assert code == 12
    assert message == "2 workers died on it, most likely for their memory"
    expected: dict[str, Any] = {f"o{number}-{i}": (number, i) for number in range(4) for i in range(3)}
    expected |= {f"beside{number}": f"beside{number}" for number in range(4)}
    assert found == expected
    client.wait_for_workers(2, timeout=120)  # the dead are replaced


# A scheduler elsewhere


def start(folder: Path, role: str, first_on_path: str | Path, *options: str) -> subprocess.Popen[bytes]:
    """A scheduler or a worker as the command line starts it."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{role}", "--no-dashboard", *options]
    command += ["--scheduler-file", str(folder / "scheduler.json")]
    root = str(Path(vcm_ref.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(first_on_path), root, TESTS])}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=environment, cwd=folder, **quiet)


def start_worker(folder: Path, name: str, first_on_path: str | Path = "") -> subprocess.Popen[bytes]:
    return start(folder, "worker", first_on_path, "--no-nanny", "--nthreads", "1", "--name", name)


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler with two workers, and the processes, to which others may be added."""
    processes = [start(folder, "scheduler", "", "--host", "127.0.0.1", "--port", "0")]
    try:
        processes += [start_worker(folder, name) for name in ("one", "two")]
        while not (folder / "scheduler.json").exists():
            assert processes[0].poll() is None
            time.sleep(0.05)
        yield json.loads((folder / "scheduler.json").read_text())["address"], processes
    finally:
        for process in reversed(processes):
            process.kill()
            process.wait()


@pytest.fixture
def other_package(tmp_path: Path) -> Path:
    """A copy of this package with one more byte in the codec."""
    folder = tmp_path / "other"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(vcm_ref.__file__).parent, folder / "vcm_ref", ignore=ignored)
    path = folder / "vcm_ref" / "codec" / "vvenc.py"
    path.write_bytes(path.read_bytes() + b"\n")
    return folder


@pytest.fixture
def no_package(tmp_path: Path) -> Path:
    """A folder that hides this package."""
    folder = tmp_path / "none"
    folder.mkdir()
    (folder / "vcm_ref.py").write_text("raise ModuleNotFoundError(\"No module named 'vcm_ref'\")\n")
    return folder


def test_a_scheduler_elsewhere(tmp_path: Path, other_package: Path, no_package: Path) -> None:
    """Its workers do what local ones do; what has another environment, or came with one later, does nothing wrong."""
    with cluster(tmp_path) as (address, processes):
        with connect(address, 1) as client:
            client.wait_for_workers(2, timeout=60)
            bug = kept("bug", jobs.fail, ValueError("x"))
            batch = [Value("v", jobs.Pair(1, 2)), kept("kinds", jobs.kinds, Ref("v")), bug]
            assert results(client, batch) == {"kinds": ["Pair"], "bug": (70, "internal error: ValueError: x")}
            processes.append(start_worker(tmp_path, "late", other_package))
            client.wait_for_workers(3, timeout=60)
            workers = client.scheduler_info(n_workers=-1)["workers"].items()
            client.retire_workers([place for place, worker in workers if worker["name"] != "late"])
            code, message = results(client, [kept("late", jobs.pair, 1, 2)])["late"]
            assert code == 2
            assert re.fullmatch("worker .* another version of vcm_ref .* to code, analyse.* everywhere", message)
        told = r"^worker tcp://.* another version of vcm_ref .* to code, analyse.* everywhere$"
        with pytest.raises(ConfigError, match=told), connect(address, 1):
            pass
        from distributed import Client

        processes.pop().kill()
        processes.append(start_worker(tmp_path, "none", no_package))
        with Client(address) as looking:
            while [w["name"] for w in looking.scheduler_info(n_workers=-1)["workers"].values()] != ["none"]:
                time.sleep(0.05)
        told = "^a worker cannot run vcm_ref: .*No module named 'vcm_ref'.* everywhere$"
        with pytest.raises(ConfigError, match=told), connect(address, 1):
            pass


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:9", "127.0.0.1:9", "nonsense", "tcp://127.0.0.1:x", "foo://x:1", ""]
)
def test_nobody_listens(address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(schedule, "_ANSWER_S", 0.5)
    with pytest.raises(ConfigError, match="no scheduler answers there") as caught, connect(address, 1):
        pass
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"--scheduler {address}: ")
    assert capfd.readouterr().err == ""


# Ends


def test_ending_early_cancels_what_is_left(client: Any, tmp_path: Path) -> None:
    """And later runs go on as if nothing had been."""
    flag = tmp_path / "flag"
    stuck = [[kept(f"stuck{number}", jobs.wait_for, str(flag))] for number in range(20)]
    running = run(client, [[kept("first", jobs.pair, 1, 2)], *stuck])
    assert next(running).name == "first"
    running.close()  # type: ignore[attr-defined]
    flag.touch()
    assert results(client, [kept("after", jobs.pair, 1, 2)]) == {"after": (1, 2)}
    assert not any(client.processing().values())


def test_an_error_in_making_batches_passes(client: Any) -> None:
    def batches() -> Iterable[Batch]:
        yield [kept("a", jobs.pair, 1, 2)]
        raise ConfigError("no more")

    with pytest.raises(ConfigError, match="no more"):
        list(run(client, batches()))
    assert results(client, [kept("a", jobs.pair, 1, 2)]) == {"a": (1, 2)}


def test_this_process_keeps_its_environment() -> None:
    """What it starts later must not be taken for a worker's, nor told to use one thread."""
    before = dict(os.environ)
    with connect(None, 1) as client:
        (theirs,) = client.run(jobs.environment).values()
    assert dict(os.environ) == before
    assert theirs["OMP_NUM_THREADS"] == os.environ.get("OMP_NUM_THREADS", "1")
    assert len([name for name in theirs if name.startswith("VCM_WORKERS_OF_")]) == 1
