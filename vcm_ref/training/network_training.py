"""Training of a network for reduction: the loop, resumable at any step.

The task network is frozen. Each step takes a few pictures, lets the network reduce and restore their layers, and
compares. Whatever a step draws depends on the seed and the step's number alone, so a run that was killed goes on to the
same weights, on the same machine with the same number of threads (on a CPU). On a GPU, the fastest algorithms are used,
which may add in another order each time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from vcm_ref.configuration.sections import Training
from vcm_ref.errors import ConfigError, DatasetError
from vcm_ref.reporting.progress import Advance, untold

from .checkpoint import load_checkpoint, save_checkpoint
from .designs import Design, design_for
from .draws import Noise, learning_rate, noise_at, noises_of
from .examples import Examples, split
from .feeds import Batch, Fed, Feed, StoredFeed
from .losses.features import feature_error
from .losses.rate import LaplaceRate
from .networks.noise import QP, Levels
from .networks.reduction_network import ReductionNetwork
from .part2 import Part2

_LARGEST_GRADIENT = 1.0
_PACE_OF_RATE = 10.0  # the learning rate of what gives the rate, in the network's
_NEAREST = Levels(0.5, (0.0, 0.0))
_STATISTICS = 64  # pictures from which the layers' means and deviations are taken
_TOLD_EVERY = 50  # steps on a GPU between two looks at the losses, each of which waits for it


@dataclass
class Result:
    """A trained network: its best weights, what it was selected by, and the course of the losses."""

    model: ReductionNetwork
    best_step: int
    best_loss: float
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass
class _Course:
    """What changes from step to step."""

    step: int = 0
    best_step: int = 0
    best_loss: float = float("inf")
    best: dict[str, Tensor] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)


def train(
    settings: Training,
    examples: Examples,
    part2: Part2 | None,
    folder: Path,
    *,
    network: dict[str, str] | None = None,
    start: Mapping[str, Tensor] | None = None,
    klt: bytes | None = None,
    levels: Levels = _NEAREST,
    fed: Fed | None = None,
    progress: Advance = untold,
    checkpoint_every: int = 500,
) -> Result:
    """Train, or go on training where ``folder`` has a checkpoint.

    ``part2`` may be `None` with the loss ``features``; ``network`` describes the task network; ``start`` has the
    weights of a network of the same sizes to start from; ``klt`` is the model that a restoration is for, and ``levels``
    says how values are rounded with ``noise_qps``. ``fed`` makes another feed than the examples that are stored, which
    select all the same. ``progress`` is told of the number of steps done since the last call, and the latest losses in
    words. Raises `ConfigError` and `DatasetError`.
    """
    if part2 is None and settings.loss != "features":
        raise ConfigError(f"training.loss: {settings.loss} needs the network that the features are of")
    training, selection = split(examples.examples, settings.selection_share, settings.seed)
    design = design_for(settings, examples.layers(0), klt)
    identity = {
        "settings": asdict(settings),
        "examples": examples.digest(),
        "network": network or {},
        "start": _digest(start or {}),
        "origin": design.origin,
        "levels": levels,
        "torch": torch.__version__,
    }
    with _exact(settings, part2 is None or part2.same_shapes) as device:
        stored = StoredFeed(settings, examples, training, device)
        run = _Run(settings, design, levels, part2, device)
        course = run.start(_statistics(examples, training), load_checkpoint(folder, identity), start)
        feed = stored if fed is None else fed(training, device)
        told = course.step
        if 0 < told < settings.steps:
            progress(told, before=True)
        while course.step < settings.steps and not run.exhausted(course):
            found = run.step(course.step, feed)
            course.step += 1
            run.average(course)
            last = course.step == settings.steps
            selects = course.step % settings.evaluate_every == 0 or last
            if not (selects or device.type == "cpu" or course.step % _TOLD_EVERY == 0):
                continue
            losses = _told(found, course.step)
            if selects:
                run.select(course, selection, stored, losses)
            if course.step % checkpoint_every == 0 or selects:
                save_checkpoint(folder, identity, run.state(course))
            progress(course.step - told, ", ".join(f"{name} {value:.4f}" for name, value in losses.items()))
            told = course.step
        save_checkpoint(folder, identity, run.state(course))
        run.model.load_state_dict(course.best)
        model = run.model.cpu().to(memory_format=torch.contiguous_format).eval()
        return Result(model, course.best_step, course.best_loss, course.history)


class _Run:
    """A training with its tools at hand."""

    def __init__(
        self,
        settings: Training,
        design: Design,
        levels: Levels,
        part2: Part2 | None,
        device: torch.device,
    ) -> None:
        torch.manual_seed(settings.seed)
        self._settings = settings
        self._part2 = part2
        self._device = device
        self._variances: list[float] = []  # of the layers
        self._levels = levels
        self.model = design.build().to(device).to(memory_format=torch.channels_last)
        self._rate = (LaplaceRate(self.model.coded) if design.rate is None else design.rate()).to(device)
        self._parameters = [one for one in (*self.model.parameters(), *self._rate.parameters()) if one.requires_grad]
        self._optimiser = torch.optim.Adam(
            [
                {"params": [one for one in self.model.parameters() if one.requires_grad], "pace": 1.0},
                {"params": list(self._rate.parameters()), "pace": _PACE_OF_RATE},
            ],
            lr=settings.learning_rate,
            fused=device.type == "cuda",
        )
        if part2 is not None:
            part2.to(device)

    def start(
        self, statistics: _Statistics, state: dict[str, Any] | None, weights: Mapping[str, Tensor] | None
    ) -> _Course:
        """Begin, from ``weights`` where there are some, or take up a checkpoint's state."""
        self._variances = statistics.variances
        if state is not None:
            self.model.load_state_dict(state["model"])
            self._rate.load_state_dict(state["rate"])
            self._optimiser.load_state_dict(state["optimiser"])
            course = _Course(**state["course"])
            course.average = {name: value.to(self._device) for name, value in course.average.items()}
            return course
        if weights is None:
            means, deviations = ([one.to(self._device) for one in some] for some in statistics[:2])
            self.model.start_at(means, deviations)
            return _Course()
        try:
            self.model.begin_with(weights)
        except RuntimeError as error:
            raise ConfigError("training.start: its weights are of a network of other sizes") from error
        return _Course()

    def state(self, course: _Course) -> dict[str, Any]:
        """All that :meth:`start` needs."""
        return {
            "model": self.model.state_dict(),
            "rate": self._rate.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "course": vars(course),
        }

    def exhausted(self, course: _Course) -> bool:
        """Whether the last selections brought nothing better."""
        waited = course.step - course.best_step
        return bool(course.history) and waited >= self._settings.patience * self._settings.evaluate_every

    def step(self, number: int, feed: Feed) -> dict[str, Tensor]:
        """Take step ``number``; give its losses."""
        settings = self._settings
        torch.manual_seed(int(np.random.default_rng([settings.seed, 2, number]).integers(1 << 62)))
        for group in self._optimiser.param_groups:
            group["lr"] = learning_rate(settings, number) * group["pace"]
        self.model.train()
        self._optimiser.zero_grad(set_to_none=True)
        noise = noise_at(settings, number, settings.batch, self._device)
        losses = self._losses(feed.step(number), settings.batch, noise)
        losses["loss"].backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._parameters, _LARGEST_GRADIENT)
        self._optimiser.step()
        return losses

    @torch.no_grad()
    def average(self, course: _Course) -> None:
        """Let the mean of the weights follow them; at the beginning it is that of all steps."""
        share = self._settings.average
        if not share:
            return
        share = min(share, 1 - 1 / course.step)
        values = self.model.state_dict()
        course.average = course.average or {name: value.clone() for name, value in values.items()}
        real = [name for name, value in values.items() if value.is_floating_point()]
        torch._foreach_lerp_([course.average[name] for name in real], [values[name] for name in real], 1 - share)
        for name in values.keys() - set(real):
            course.average[name].copy_(values[name])

    @torch.no_grad()
    def select(
        self, course: _Course, selection: Sequence[int], stored: StoredFeed, losses: Mapping[str, float]
    ) -> None:
        """Measure the pictures that select, over all kinds of noise, and keep the weights if they are the best."""
        self.model.eval()
        torch.manual_seed(self._settings.seed)
        latest = {name: value.clone() for name, value in self.model.state_dict().items()}
        self.model.load_state_dict(course.average or latest)
        batch = self._settings.batch
        together = [selection[first : first + batch] for first in range(0, len(selection), batch)]
        noises = dict.fromkeys(noises_of(self._settings))
        found = [
            self._losses(stored.of(some), len(some), noise)["loss"].item() * len(some)
            for noise in noises
            for some in together
        ]
        loss = sum(found) / len(selection) / len(noises)
        course.history.append({"step": course.step, **losses, "selection": loss})
        if loss < course.best_loss:
            course.best_loss, course.best_step = loss, course.step
            course.best = {key: value.detach().cpu().clone() for key, value in self.model.state_dict().items()}
        self.model.load_state_dict(latest)

    def _losses(self, batches: Iterable[Batch], count: int, noise: Noise) -> dict[str, Tensor]:
        """The losses of the ``count`` pictures of ``batches``, averaged."""
        settings = self._settings
        sums: dict[str, Tensor] = {}
        first = 0
        for batch in batches:
            own, first = noise.of(first, len(batch.layers[0])), first + len(batch.layers[0])
            coded = self._coded(batch.layers, own.qp)
            inside = batch.inside(coded) if settings.clear_outside else torch.ones_like(coded[:, :1])
            coded = coded * inside
            with torch.autocast(self._device.type, torch.bfloat16, enabled=self._mixed):
                restored = self.model.restored(own(coded, self._levels), own.qp)
            restored = [layer.float() for layer in restored]
            parts = {"features": feature_error(restored, batch.layers, self._variances)}
            step = own.paid_step(settings)
            if step is not None:
                bits = (self._rate(coded.float(), step) * inside).sum(1, keepdim=True).mean((2, 3), keepdim=True)
                parts["bits"], parts["paid"] = bits.mean(), (bits * step**2).mean()
            if settings.loss != "features":
                parts[settings.loss] = self._part2_loss(batch, restored)
            for name, value in parts.items():
                sums[name] = sums.get(name, torch.zeros((), device=self._device)) + value * (len(coded) / count)
        loss = sums[settings.loss]
        if settings.loss != "features":
            loss = loss + settings.feature_weight * sums["features"]
        paid = sums.pop("paid", None)
        return {"loss": loss if paid is None else loss + settings.rate_weight * paid, **sums}

    def _coded(self, original: Sequence[Tensor], qp: QP | None) -> Tensor:
        """The coded maps; of an analysis that stays, in full precision."""
        trained = any(one.requires_grad for one in self.model.analysis.parameters())
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self._mixed and trained):
            return self.model.analysed(original, qp)

    def _part2_loss(self, batch: Batch, restored: Sequence[Tensor]) -> Tensor:
        assert self._part2 is not None
        if self._settings.loss == "distillation":
            mixed = self._mixed and self._part2.mixed_precision
            with torch.autocast(self._device.type, torch.bfloat16, enabled=mixed):
                return self._part2.distillation(restored, batch.layers, batch.examples)
        return self._part2.task(restored, batch.examples)

    @property
    def _mixed(self) -> bool:
        return self._settings.mixed_precision and (self._device.type == "cuda" or _has_bfloat16())


def _told(found: Mapping[str, Tensor], step: int) -> dict[str, float]:
    """The losses of a step as numbers. Raises `DatasetError` where they are none."""
    losses = dict(zip(found, torch.stack([value.detach() for value in found.values()]).tolist(), strict=True))
    if not np.isfinite(losses["loss"]):
        raise DatasetError(f"the loss is not finite after {step} steps; lower training.learning_rate")
    return losses


def _has_bfloat16() -> bool:
    """Whether this machine's processor computes with bfloat16."""
    found = torch.cpu.get_capabilities()
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def _digest(weights: Mapping[str, Tensor]) -> str:
    """SHA-256 over names and values, in hexadecimal."""
    whole = hashlib.sha256()
    for name, values in sorted(weights.items()):
        whole.update(f"{name} {tuple(values.shape)}\n".encode() + values.cpu().numpy().tobytes())
    return whole.hexdigest()


class _Statistics(NamedTuple):
    """Of each layer: means and deviations of the channels ``(C,)``, and the variance about the channels' means."""

    means: list[Tensor]
    deviations: list[Tensor]
    variances: list[float]


def _statistics(examples: Examples, training: Sequence[int]) -> _Statistics:
    """The statistics of some of the examples for training."""
    step = -(-len(training) // _STATISTICS)
    sums: list[list[Any]] = []
    for index in training[::step]:
        for place, layer in enumerate(examples.layers(index).values()):
            values = layer.astype(np.float64).reshape(len(layer), -1)
            if place == len(sums):
                sums.append([0, 0.0, 0.0])
            sums[place][0] += values.shape[1]
            sums[place][1] += values.sum(1)
            sums[place][2] += (values * values).sum(1)
    found = _Statistics([], [], [])
    for count, total, squares in sums:
        mean = total / count
        variance = np.maximum(squares / count - mean * mean, 0)
        found.means.append(torch.from_numpy(mean).float())
        found.deviations.append(torch.from_numpy(np.sqrt(variance)).float())
        found.variances.append(float(variance.mean()))
    return found


@contextmanager
def _exact(settings: Training, same_shapes: bool) -> Iterator[torch.device]:
    """torch with the settings' threads, deterministic on a CPU, and its random numbers left as they were.

    On a GPU, the fastest algorithm for each shape is found by trial, unless shapes differ from step to step.
    """
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("training.device: there is no GPU that torch can use")
    cuda = settings.device != "cpu" and torch.cuda.is_available()
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    tried = torch.backends.cudnn.benchmark
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(not cuda, warn_only=True)
    torch.backends.cudnn.benchmark = cuda and same_shapes
    try:
        with torch.random.fork_rng(devices=range(torch.cuda.device_count()) if cuda else []):
            yield torch.device("cuda" if cuda else "cpu")
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)
        torch.backends.cudnn.benchmark = tried
