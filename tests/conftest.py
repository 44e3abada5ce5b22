"""What all tests share."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from vcm_ref.feature_set import FeatureSet
from vcm_ref.files.feature_file import save_feature_file

# No test measures time: on a busy machine a slow example is no failure.
settings.register_profile(
    "vcm_ref",
    deadline=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture, HealthCheck.data_too_large],
)
settings.load_profile("vcm_ref")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Slow tests run when asked for."""
    parser.addoption("--slow", action="store_true", help="run the slow tests as well")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of rooms that start processes or load networks; skip slow tests unless they are asked for."""
    for item in items:
        if INTEGRATION.intersection(item.path.relative_to(TESTS).parts):
            item.add_marker("integration")
        if item.get_closest_marker("slow") and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="slow: run with --slow"))


@pytest.fixture(autouse=True)
def only_integration_tests_start_processes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the fast part fast: a test that starts a process needs the mark."""
    if request.node.get_closest_marker("integration") is None:

        def refuse(*arguments: object, **options: object) -> None:
            raise AssertionError("this test starts a process: mark it with pytest.mark.integration")

        monkeypatch.setattr(subprocess.Popen, "__init__", refuse)


# A run started in the background ignores Ctrl-C and would hand that on to the processes that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

TESTS = Path(__file__).parent
CONFIGURATIONS = TESTS.parent / "cfg"
#: The folders of tests that start processes, run inner codecs, or load torch.
INTEGRATION = {"app", "codec", "conformance", "examples", "experiment", "network", "process", "tools", "training"}


def make_features(channels: int, height: int, width: int, *, layers: int = 4, seed: int = 1) -> FeatureSet:
    """A feature pyramid, p2 of the given size: smooth maps of different means with some noise on them."""
    random = np.random.default_rng(seed)
    maps = {}
    for level in range(layers):
        rows = np.linspace(0, 3, height, dtype=np.float32)[:, None]
        columns = np.linspace(0, 3, width, dtype=np.float32)[None]
        phases = random.uniform(0, 6, (channels, 1, 1)).astype(np.float32)
        means = random.normal(0, 2, (channels, 1, 1)).astype(np.float32)
        noise = random.normal(0, 0.05, (channels, height, width)).astype(np.float32)
        maps[f"p{level + 2}"] = means + np.sin(rows + phases) * np.cos(columns) + noise
        height, width = (height + 1) // 2, (width + 1) // 2
    first = maps["p2"].shape
    return FeatureSet(4 * first[1], 4 * first[2], maps)


def save_features(path: Path, features: FeatureSet) -> Path:
    """Write ``features`` into a file."""
    with path.open("wb") as file:
        save_feature_file(file, path.suffix, features)
    return path


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature file of four layers with 16 channels, p2 of 24x36."""
    return save_features(tmp_path_factory.mktemp("small") / "small.safetensors", make_features(16, 24, 36))


@pytest.fixture(scope="session")
def pyramid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A feature file of four layers with 256 channels, p2 of 16x24."""
    return save_features(tmp_path_factory.mktemp("pyramid") / "pyramid.safetensors", make_features(256, 16, 24))


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 KiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", str(place)], check=True)
