"""Tasks on a Dask cluster: that its workers do what local ones do, and that it is the right one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

pytest.importorskip("distributed", reason="distributed is not installed")

import vcm_ref
from vcm_ref.errors import ConfigError
from vcm_ref.experiment import cluster as cluster_module
from vcm_ref.experiment.cluster import Certificates, cluster_workers
from vcm_ref.experiment.tasks import Ref, Task, Value

from . import jobs
from .batches import kept, results

TESTS = str(Path(__file__).parents[1])


def start(folder: Path, role: str, first_on_path: str | Path, *options: str) -> subprocess.Popen[bytes]:
    """A scheduler or a worker as the command line starts it."""
    command = [sys.executable, "-m", f"distributed.cli.dask_{role}", "--no-dashboard", *options]
    command += ["--scheduler-file", str(folder / "scheduler.json")]
    root = str(Path(vcm_ref.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(first_on_path), root, TESTS])}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen(command, env=environment, cwd=folder, **quiet)


def start_worker(folder: Path, name: str, first_on_path: str | Path = "", *tls: str) -> subprocess.Popen[bytes]:
    return start(folder, "worker", first_on_path, "--no-nanny", "--nthreads", "1", "--name", name, *tls)


@contextmanager
def cluster(folder: Path, *tls: str) -> Iterator[tuple[str, list[subprocess.Popen[bytes]]]]:
    """The address of a scheduler with two workers, and the processes, to which others may be added."""
    processes = [start(folder, "scheduler", "", "--host", "127.0.0.1", "--port", "0", *tls)]
    try:
        processes += [start_worker(folder, name, "", *tls) for name in ("one", "two")]
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
    from distributed import Client

    with cluster(tmp_path) as (address, processes), Client(address) as looking:
        looking.wait_for_workers(2, timeout=60)
        with cluster_workers(address) as run:
            batch = [
                Value("v", jobs.Pair(1, 2)),
                Task("made", jobs.pair, (1, 2)),
                kept("kinds", jobs.kinds, Ref("v"), [Ref("made")]),
                kept("bug", jobs.fail, ValueError("x")),
                kept("failed", jobs.fail_as_stage, 13, "the codec failed"),
                kept("after", jobs.pair, Ref("failed"), 1),
            ]
            failed = (13, "the codec failed")
            expected = {"kinds": ["Pair", "[['Pair']]"], "bug": (70, "internal error: ValueError: x")}
            assert results(run, batch) == {**expected, "failed": failed, "after": failed}
            many = [[kept(f"n{number}", jobs.pair, number, 0)] for number in range(30)]
            assert results(run, *many) == {f"n{number}": (number, 0) for number in range(30)}
            processes.append(start_worker(tmp_path, "late", other_package))
            looking.wait_for_workers(3, timeout=60)
            workers = looking.scheduler_info(n_workers=-1)["workers"].items()
            looking.retire_workers([place for place, worker in workers if worker["name"] != "late"])
            code, message = results(run, [kept("late", jobs.pair, 1, 2)])["late"]
            assert code == 2
            assert re.fullmatch("worker .* another version of vcm_ref .* to code, analyse.* everywhere", message)
        told = r"^worker tcp://.* another version of vcm_ref .* to code, analyse.* everywhere$"
        with pytest.raises(ConfigError, match=told), cluster_workers(address):
            pass
        processes.pop().kill()
        processes.append(start_worker(tmp_path, "none", no_package))
        while [w["name"] for w in looking.scheduler_info(n_workers=-1)["workers"].values()] != ["none"]:
            time.sleep(0.05)
        told = "^a worker cannot run vcm_ref: .*No module named 'vcm_ref'.* everywhere$"
        with pytest.raises(ConfigError, match=told), cluster_workers(address):
            pass


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate that is its own authority."""
    folder = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    options = ["-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    command = ["openssl", "req", "-x509", *options, "-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    return Certificates(certificate, certificate, key)


def test_tls(tmp_path: Path, certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that wants certificates is used with ours, and is not without."""
    authority, certificate, key = map(str, certificates)
    tls = ["--tls-ca-file", authority, "--tls-cert", certificate, "--tls-key", key, "--protocol", "tls"]
    with cluster(tmp_path, *tls) as (address, _):
        assert address.startswith("tls://")
        with cluster_workers(address, certificates) as run:
            assert results(run, [kept("a", jobs.pair, 1, 2)]) == {"a": (1, 2)}
        monkeypatch.setattr(cluster_module, "_ANSWER_S", 2)
        with pytest.raises(ConfigError, match="no scheduler answers there"), cluster_workers(address):
            pass
        absent = certificates._replace(key=tmp_path / "absent.pem")
        with pytest.raises(ConfigError, match=r"absent.pem: there is no such file"), cluster_workers(address, absent):
            pass


def test_without_encryption_certificates_are_refused(tmp_path: Path, certificates: Certificates) -> None:
    """Whoever asks for TLS does not get a connection that anyone can read."""
    with pytest.raises(ConfigError, match="no scheduler answers there"), cluster_workers("tcp://x:1", certificates):
        pass


@pytest.mark.parametrize(
    "address", ["tcp://127.0.0.1:9", "127.0.0.1:9", "nonsense", "tcp://127.0.0.1:x", "foo://x:1", ""]
)
def test_nobody_listens(address: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cluster_module, "_ANSWER_S", 0.5)
    with pytest.raises(ConfigError, match="no scheduler answers there") as caught, cluster_workers(address):
        pass
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"--scheduler {address}: ")
    assert capfd.readouterr().err == ""
