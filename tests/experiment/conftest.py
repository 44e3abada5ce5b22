"""Data, networks that take no time, and a store, for the tests of evaluations and sweeps."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import vcm_ref.network
from vcm_ref.experiment.stages.networks import network_of
from vcm_ref.experiment.store import Store

from .stub import NETWORKS, write_pictures


@pytest.fixture
def stub_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks that take no time, by their names."""
    for name, entry in NETWORKS.items():
        monkeypatch.setitem(vcm_ref.network.NETWORKS, name, entry)
    network_of.cache_clear()


@pytest.fixture
def data(tmp_path: Path, stub_networks: None) -> Path:
    """Write the pictures, and give the path of their annotations."""
    (tmp_path / "data").mkdir()
    return write_pictures(tmp_path / "data")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data, which no test changes."""
    from .small_sweep import write_all

    return write_all(tmp_path_factory.mktemp("sweep") / "data").parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The data, for a test to change."""
    from .small_sweep import write_all

    return write_all(tmp_path / "data").parent


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as made:
        yield made
