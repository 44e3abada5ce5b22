"""The training loop on small features: it learns, it stops, and it goes on after any stop to the same weights."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from vcm_ref.configuration.sections import Training  # noqa: E402
from vcm_ref.errors import ConfigError  # noqa: E402
from vcm_ref.training.checkpoint import FILE  # noqa: E402
from vcm_ref.training.designs import architecture_for  # noqa: E402
from vcm_ref.training.examples import Example  # noqa: E402
from vcm_ref.training.network_training import train  # noqa: E402

SETTINGS = Training(
    loss="features",
    coded_channels=4,
    width=8,
    squeezed=2,
    steps=12,
    batch=3,
    evaluate_every=4,
    noise_bits=(2, 4),
    noise_steps=(0.5,),
    device="cpu",
)


class Maps:
    """Ten pictures, each of which is one number: every map is a multiple of it."""

    def __init__(self, sizes: tuple[tuple[int, int, int], ...] = ((3, 4, 4), (5, 2, 2))) -> None:
        self.examples = [Example(f"{number}.png", 16, 16) for number in range(10)]
        self.sizes = sizes

    def layers(self, index: int) -> dict[str, Any]:
        number = (index * 7 % 10 - 4.5) / 3
        return {
            f"p{place}": (number * np.linspace(-1, 1, c)[:, None, None] * np.ones((c, h, w))).astype(np.float16)
            for place, (c, h, w) in enumerate(self.sizes)
        }

    def covered(self, index: int) -> tuple[float, float]:
        return 1.0, 1.0

    def digest(self) -> str:
        return str(self.sizes)


def weights(result: Any) -> dict[str, Any]:
    return dict(result.model.state_dict())


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_it_learns(tmp_path: Path) -> None:
    result = train(
        replace(SETTINGS, steps=150, evaluate_every=50, noise_bits=None, noise_steps=None), Maps(), None, tmp_path
    )
    history = [entry["selection"] for entry in result.history]
    assert history[-1] < 0.7 * history[0]
    assert result.best_loss == min(history)


class StoppedError(Exception):
    pass


def test_a_run_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = train(SETTINGS, Maps(), None, tmp_path / "whole", checkpoint_every=2)
    for stop in (3, 2):

        def raise_at(done: float, told: str = "", left: list[int] = [stop], **_: object) -> None:  # noqa: B006
            left[0] -= 1
            if not left[0]:
                raise StoppedError

        with pytest.raises(StoppedError):
            train(SETTINGS, Maps(), None, tmp_path / "parts", checkpoint_every=2, progress=raise_at)
    resumed = train(SETTINGS, Maps(), None, tmp_path / "parts", checkpoint_every=2)
    assert same(weights(whole), weights(resumed))
    assert whole.history == resumed.history


SCRIPT = """
import os, signal, sys
from pathlib import Path
from training.test_network_training import SETTINGS, Maps, train
def kill(done, told="", left=[7], **_):
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
train(SETTINGS, Maps(), None, Path(sys.argv[1]), checkpoint_every=2, progress=kill)
"""


def test_so_does_one_that_was_killed(tmp_path: Path) -> None:
    root = Path(__file__).parents[1]
    killed = subprocess.run([sys.executable, "-c", SCRIPT, str(tmp_path / "parts")], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (tmp_path / "parts" / FILE).is_file()
    resumed = train(SETTINGS, Maps(), None, tmp_path / "parts", checkpoint_every=2)
    assert same(weights(train(SETTINGS, Maps(), None, tmp_path / "whole")), weights(resumed))


def test_a_resumed_run_tells_how_many_steps_were_done_before(tmp_path: Path) -> None:
    told: list[tuple[float, bool]] = []

    def stop(done: float, text: str = "", *, before: bool = False) -> None:
        told.append((done, before))
        if sum(count for count, _ in told) == 4:
            raise StoppedError

    with pytest.raises(StoppedError):
        train(SETTINGS, Maps(), None, tmp_path, checkpoint_every=2, progress=stop)
    assert told == [(1, False)] * 4
    train(SETTINGS, Maps(), None, tmp_path, checkpoint_every=2, progress=stop)
    assert told[4] == (4, True)
    assert sum(count for count, _ in told[4:]) == SETTINGS.steps


def test_a_finished_run_is_not_run_again(tmp_path: Path) -> None:
    first = train(SETTINGS, Maps(), None, tmp_path)
    told: list[str] = []
    again = train(SETTINGS, Maps(), None, tmp_path, progress=lambda done, text="", **_: told.append(text))
    assert same(weights(first), weights(again))
    assert told == []


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    train(SETTINGS, Maps(), None, tmp_path)
    with pytest.raises(ConfigError, match="belongs to another training, with other values of settings; remove"):
        train(replace(SETTINGS, seed=5), Maps(), None, tmp_path)
    with pytest.raises(ConfigError, match="with other values of examples"):
        train(SETTINGS, Maps(((3, 8, 8), (5, 4, 4))), None, tmp_path)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no checkpoint")
    with pytest.raises(ConfigError, match=r"checkpoint\.pt: is damaged; remove .* to start again"):
        train(SETTINGS, Maps(), None, tmp_path)


def test_training_ends_early_where_nothing_gets_better(tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=1000, evaluate_every=1, patience=3, learning_rate=1e-12, noise_bits=None)
    result = train(replace(settings, noise_steps=None), Maps(), None, tmp_path)
    assert len(result.history) < 1000
    assert result.history[-1]["step"] == result.best_step + 3


def test_the_global_state_of_torch_stays(tmp_path: Path) -> None:
    before = torch.get_num_threads(), torch.random.get_rng_state()
    train(replace(SETTINGS, threads=2), Maps(), None, tmp_path)
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.random.get_rng_state(), before[1])


def test_distillation_needs_a_network(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"training\.loss: distillation needs the network"):
        train(replace(SETTINGS, loss="distillation"), Maps(), None, tmp_path)


def test_sizes_that_are_no_powers_of_two_apart_are_refused() -> None:
    with pytest.raises(ConfigError, match="layer p0 is 5x5, which is not a power of two times the last layer's 2x2"):
        architecture_for(SETTINGS, Maps(((3, 5, 5), (5, 2, 2))).layers(0))


def test_layers_come_finest_first() -> None:
    with pytest.raises(ConfigError, match="do not come finest first"):
        architecture_for(SETTINGS, Maps(((3, 4, 4), (3, 8, 8), (5, 2, 2))).layers(0))


def test_a_training_starts_from_the_weights_of_another(tmp_path: Path) -> None:
    first = train(SETTINGS, Maps(), None, tmp_path / "first")
    still = replace(SETTINGS, steps=1, evaluate_every=1, learning_rate=1e-12)
    second = train(still, Maps(), None, tmp_path / "second", start=weights(first))
    for key, value in weights(first).items():
        if "running" not in key and "tracked" not in key:
            torch.testing.assert_close(weights(second)[key], value)
    with pytest.raises(ConfigError, match="with other values of start"):
        train(still, Maps(), None, tmp_path / "second")
    with pytest.raises(ConfigError, match=r"training\.start: its weights are of a network of other sizes"):
        train(replace(still, width=6), Maps(), None, tmp_path / "third", start=weights(first))


def test_a_rate_weighs_bits(tmp_path: Path) -> None:
    settings = replace(SETTINGS, steps=60, evaluate_every=20, noise_bits=None, noise_steps=(1.0,), learning_rate=1e-2)
    cheap = train(replace(settings, rate_weight=1.0), Maps(), None, tmp_path / "cheap")
    free = train(settings, Maps(), None, tmp_path / "free")
    assert min(entry["bits"] for entry in cheap.history) < 0.8 * min(entry.get("bits", 1e9) for entry in free.history)
