"""A sweep: a data set, methods and QPs, to points of rate and accuracy.

What is in the store is not done again; what is done goes to the store at once, so a sweep that is stopped, however it
is, goes on where it was. What fails is told with its picture, and the rest goes on.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import DatasetError
from ..task.dataset import Dataset, ImageId, Item
from . import stages
from .method import Method, Subject, Uncompressed
from .naming import network_name, task_name
from .results import LABELS, Results
from .schedule import Batch, Finished, Task, Value, connect, run
from .stages import NetworkSpec, TaskError
from .store import Record, Store, Stored

UNCOMPRESSED = Uncompressed()


@dataclass(frozen=True)
class Sweep:
    """What is to be measured: every method at its QPs, and the network without any coding.

    ``network`` is its name, ``network_options`` its own; ``labels`` says how the network's labels become the data
    set's (:func:`~vcm_ref.experiment.results.label_table`).
    """

    name: str
    dataset: Dataset
    items: Sequence[Item]
    network: str
    network_options: Mapping[str, Any]
    methods: Sequence[Method]
    labels: str = "names"


class Failure(NamedTuple):
    """One picture at one point that there is no result of, and why."""

    image_id: ImageId
    exit_code: int
    message: str


@dataclass(frozen=True)
class Measured:
    """One point: metrics over the pictures in ``records``; those of ``failures`` are not in it.

    A record has a picture's height, width, bytes, SHA-256 of the bitstream, bits by part, seed_bits, T1 digests,
    SHA-256 of the network's result, and seconds by stage.
    """

    metrics: dict[str, float]
    records: dict[ImageId, Record]
    failures: list[Failure]


@dataclass
class Outcome:
    """What a sweep found: the network's description, the pictures, and a measurement of each point."""

    sweep: Sweep
    network: Record
    subjects: list[Subject]
    uncompressed: Measured
    points: dict[tuple[str, int], Measured] = field(default_factory=dict)

    @property
    def failures(self) -> list[tuple[str, int, Failure]]:
        """All failures, with the method and the QP."""
        return [(*point, failure) for point, measured in self.points.items() for failure in measured.failures]


RunBatches = Callable[[Iterator[Batch]], Iterator[Finished]]
Begin = Callable[[int], Callable[[float], None]]


def no_progress(total: int) -> Callable[[float], None]:
    """Tells nobody."""
    return lambda done: None


@contextmanager
def machines(scheduler: str | None, workers: int) -> Iterator[RunBatches]:
    """What runs tasks: ``workers`` processes, or the workers of a Dask ``scheduler``; started when first needed."""
    with ExitStack() as stack:
        client: Any = None

        def run_batches(batches: Iterator[Batch]) -> Iterator[Finished]:
            nonlocal client
            if client is None:
                client = stack.enter_context(connect(scheduler, workers))
            return run(client, batches)

        yield run_batches


def run_sweep(
    sweep: Sweep, store: Store, *, scheduler: str | None = None, workers: int = 1, begin: Begin = no_progress
) -> Outcome:
    """Do what is missing of a sweep, on ``workers`` processes or the workers of a Dask ``scheduler``, and measure.

    ``begin`` is told how many results are missing, and gives what is told of each one done. Raises
    :class:`DatasetError` where a picture is missing or no result could be had at all, :class:`OutputError` where the
    store cannot be written, :class:`~vcm_ref.errors.ConfigError` for methods that cannot be.
    """
    with machines(scheduler, workers) as run_batches:
        return run_sweep_on(run_batches, sweep, store, begin)


def run_sweep_on(run_batches: RunBatches, sweep: Sweep, store: Store, begin: Begin = no_progress) -> Outcome:
    """:func:`run_sweep` on machines that are there."""
    spec = network_spec(sweep.network, sweep.network_options)
    network = describe_network(spec, store, run_batches)
    subjects = [Subject.of(item, spec, tuple(network["layers"])) for item in sweep.items]
    methods = [UNCOMPRESSED, *sweep.methods]
    failures = _fill(subjects, methods, store, run_batches, begin)
    by_point = {
        (method.name, qp): _measure(sweep, network, subjects, method, qp, store, failures)
        for method in methods
        for qp in method.qps
    }
    uncompressed = by_point.pop((UNCOMPRESSED.name, 0))
    if not uncompressed.records:
        raise DatasetError(f"no picture could be analysed: {uncompressed.failures[0].message}")
    return Outcome(sweep, network, subjects, uncompressed, by_point)


def network_spec(name: str, options: Mapping[str, Any]) -> NetworkSpec:
    """The network as tasks are given it."""
    return NetworkSpec(name, json.dumps(dict(options)), network_name(name, options))


def describe_network(spec: NetworkSpec, store: Store, run_batches: RunBatches) -> Record:
    """What is known of a network: its description, its layers, its classes (:func:`~.stages.describe`)."""
    name = task_name("extract", task="describe", network=spec.digest)
    known = store.records([name])
    if name not in known:
        task = Task(name, stages.describe, (spec,), "description", everywhere=True)  # so all load the network at once
        for finished in run_batches(iter([[task]])):
            if isinstance(finished.result, TaskError):
                raise DatasetError(finished.result.message)
            store.add(name, finished.result)
            known[name] = finished.result.record
    return known[name]


def _fill(
    subjects: Sequence[Subject],
    methods: Sequence[Method],
    store: Store,
    run_batches: RunBatches,
    begin: Begin,
) -> dict[str, TaskError]:
    """Do what is missing; returns the points that failed, by name."""
    distinct = {subject.features: subject for subject in subjects}.values()  # a picture may be there twice
    wanted = {
        subject: {method.point(subject, qp): (method, qp) for method in methods for qp in method.qps}
        for subject in distinct
    }
    known = store.known(name for points in wanted.values() for name in points)
    missing = {
        subject: [point for name, point in points.items() if name not in known] for subject, points in wanted.items()
    }
    total = sum(map(len, missing.values()))
    progress = begin(total)
    failures: dict[str, TaskError] = {}
    if not total:
        return failures
    batches = (_batch(subject, points, store) for subject, points in missing.items() if points)
    for finished in run_batches(batches):
        if isinstance(finished.result, TaskError):
            failures[finished.name] = finished.result
        elif finished.kept_as == "features":
            features, seconds = finished.result
            store.add_features(finished.name, features, {"seconds": seconds})
        else:
            store.add(finished.name, finished.result.stored() if finished.kept_as == "code" else finished.result)
        if finished.kept_as == "point":
            progress(1)
    return failures


def _batch(subject: Subject, points: Sequence[tuple[Method, int]], store: Store) -> Batch:
    """A picture's tasks, each once."""
    tasks: dict[str, Task | Value] = {}
    for method, qp in points:
        for task in method.tasks(subject, qp, store):
            tasks.setdefault(task.name, task)
    return list(tasks.values())


def _measure(
    sweep: Sweep,
    network: Record,
    subjects: Sequence[Subject],
    method: Method,
    qp: int,
    store: Store,
    failed: Mapping[str, TaskError],
) -> Measured:
    names = {subject.id: method.point(subject, qp) for subject in subjects}
    found = store.records(names.values())
    failures = [
        Failure(image_id, failed[name].exit_code, failed[name].message)
        if name in failed
        else Failure(image_id, 70, "?")
        for image_id, name in names.items()
        if name not in found
    ]
    records = {image_id: found[name] for image_id, name in names.items() if name in found}
    metrics = _metrics(sweep, network, {key: names[key] for key in records}, records, store) if records else {}
    return Measured(metrics, records, failures)


def _metrics(
    sweep: Sweep, network: Record, names: Mapping[ImageId, str], records: Mapping[ImageId, Record], store: Store
) -> dict[str, float]:
    labels = sweep.labels if sweep.labels in LABELS else {"file": Path(sweep.labels).read_text(encoding="utf-8")}
    name = task_name(
        "measure",
        points=[[image_id, point] for image_id, point in names.items()],
        data=sweep.dataset.digest(),
        labels=labels,
        classes=network["classes"],
    )
    known = store.records([name])
    if name not in known:
        found = _Stored(names, store)
        classes = {int(label): text for label, text in network["classes"].items()}
        results = Results(found, sweep.dataset, classes, sweep.labels)
        sizes = {image_id: (record["height"], record["width"]) for image_id, record in records.items()}
        known[name] = {"metrics": sweep.dataset.evaluate(results, sizes)}
        store.add(name, Stored(known[name]))
    return dict(known[name]["metrics"])


class _Stored(Mapping[ImageId, Record]):
    """The network's results in the store, by picture, read when they are asked for."""

    def __init__(self, names: Mapping[ImageId, str], store: Store) -> None:
        self._names = names
        self._store = store

    def __getitem__(self, image_id: ImageId) -> Record:
        return dict(json.loads(self._store.data(self._names[image_id])))

    def __contains__(self, image_id: object) -> bool:
        return image_id in self._names

    def __iter__(self) -> Iterator[ImageId]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
