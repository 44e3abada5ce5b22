"""Training on a GPU: it learns what a training on the CPU learns, and keeps stored examples in its memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
if not torch.cuda.is_available():
    pytest.skip("there is no GPU that torch can use", allow_module_level=True)

from vcm_ref.training.feeds import StoredFeed  # noqa: E402
from vcm_ref.training.network_training import train  # noqa: E402

from .test_network_training import SETTINGS, Maps  # noqa: E402

ON_GPU = replace(SETTINGS, device="cuda", steps=150, evaluate_every=50, noise_bits=None, noise_steps=None, average=0.9)


def test_it_learns_as_on_the_cpu(tmp_path: Path) -> None:
    ours = train(ON_GPU, Maps(), None, tmp_path / "gpu")
    theirs = train(replace(ON_GPU, device="cpu"), Maps(), None, tmp_path / "cpu")
    assert ours.best_loss < 0.7 * ours.history[0]["selection"]
    assert ours.best_loss == pytest.approx(theirs.best_loss, rel=0.3)
    assert all(value.device.type == "cpu" for value in ours.model.state_dict().values())


def test_it_goes_on_from_a_checkpoint(tmp_path: Path) -> None:
    half = replace(ON_GPU, steps=100)

    def stop(done: float, told: str = "", **_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(half, Maps(), None, tmp_path, progress=stop, checkpoint_every=50)
    assert train(half, Maps(), None, tmp_path).history[-1]["step"] == 100


@pytest.mark.parametrize(("room", "kept"), [(1.0, 3), (0.0, 0)])
def test_stored_examples_stay_in_its_memory(room: float, kept: int) -> None:
    examples, device = Maps(), torch.device("cuda")
    read: list[int] = []
    layers = examples.layers
    examples.layers = lambda index: (read.append(index), layers(index))[1]  # type: ignore[method-assign]
    feed = StoredFeed(replace(ON_GPU, kept=room), examples, range(3), device)
    for _ in range(2):
        (batch,) = feed.of(range(3))
        assert batch.layers[0].device.type == "cuda"
    assert len(read) == 6 - kept
