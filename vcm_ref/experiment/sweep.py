"""The engine: methods and QPs over pictures, to points of rate and accuracy.

A result that is in the store is not made again, and each new one goes to the store at once: a run that is stopped,
however it is, goes on where it was. A failure is told with its picture, and the rest goes on, unless the caller ends
the run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import lcm
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import ConfigError, DatasetError
from ..task.dataset import Dataset, ImageId, Item, check_size
from ..task.sequences import SequenceDataset
from ..task.tally import Tally
from ..task.tally_file import packed
from .matching import check_distinct
from .method import Method, Subject, Uncompressed
from .naming import network_name, task_name
from .records import Record, Stored
from .result_record import from_record
from .results import LABELS
from .stages.extract import cost, describe
from .stages.measure import measure
from .stages.values import NetworkSpec
from .store import Store
from .tasks import Batch, RunBatches, Task, TaskError, Value

UNCOMPRESSED = Uncompressed()


@dataclass(frozen=True)
class Sweep:
    """The methods that are to be measured: every method at its QPs, and the network without any coding.

    ``network`` is its name, ``network_options`` its own; ``upright`` says whether pictures are turned as their Exif
    orientation says; ``labels`` says how the network's labels become the data
    set's (:func:`~vcm_ref.experiment.results.label_table`). ``problems`` names the pictures and annotations of the data
    set that are left out.
    """

    name: str
    dataset: Dataset
    items: Sequence[Item]
    network: str
    network_options: Mapping[str, Any]
    methods: Sequence[Method]
    labels: str = "names"
    upright: bool = True
    problems: Sequence[str] = ()


class Failure(NamedTuple):
    """One picture at one point that has no result, and why."""

    image_id: ImageId
    error: TaskError

    @property
    def exit_code(self) -> int:
        return self.error.exit_code

    @property
    def message(self) -> str:
        return self.error.message


@dataclass(frozen=True)
class Measured:
    """One point: metrics over the pictures in ``records``; those of ``failures`` are not in it.

    A record has a picture's height, width, bytes, SHA-256 of the bitstream, bits by part, rhee2022_bits, T1 digests,
    SHA-256 of the network's result, and seconds by stage. ``results`` has what the network found, and ``tally`` gives,
    from the store too, what each picture adds to the metrics (:func:`~vcm_ref.task.tally_file.packed`).
    """

    metrics: dict[str, float]
    records: dict[ImageId, Record]
    failures: list[Failure]
    results: Mapping[ImageId, Record] = field(default_factory=dict, compare=False, repr=False)
    tally: Callable[[], bytes] = field(default=bytes, compare=False, repr=False)


@dataclass
class Outcome:
    """The findings of a sweep: the network's description and cost, the pictures, and a measurement of each point."""

    sweep: Sweep
    network: Record
    subjects: list[Subject]
    uncompressed: Measured
    points: dict[tuple[str, int], Measured] = field(default_factory=dict)
    cost: Record = field(default_factory=dict)

    @property
    def failures(self) -> list[tuple[str, int, Failure]]:
        """All failures, with the method and the QP."""
        return [(*point, failure) for point, measured in self.points.items() for failure in measured.failures]


Begin = Callable[[int, int], Callable[[float], None]]
"""Is told how many results are in the store and how many there are to be; gives what is told of each one done."""


def no_progress(found: int, total: int) -> Callable[[float], None]:
    """Tells nothing."""
    return lambda done: None


def run_sweep(sweep: Sweep, store: Store, run_batches: RunBatches, begin: Begin = no_progress) -> Outcome:
    """Do what is missing of a sweep, and measure.

    Raises :class:`DatasetError` where a picture is missing, where one occurs twice, or where no result could be had
    at all; :class:`~vcm_ref.files.atomic.OutputError` where the store cannot be written;
    :class:`~vcm_ref.errors.ConfigError` for methods that cannot be.
    """
    engine = Engine(sweep, store, run_batches)
    points = engine.measured([UNCOMPRESSED, *sweep.methods], begin)
    uncompressed = points.pop((UNCOMPRESSED.name, 0))
    if not uncompressed.records:
        raise DatasetError(f"no picture could be analysed: {uncompressed.failures[0].message}")
    return Outcome(sweep, engine.network, engine.subjects, uncompressed, points, engine.cost())


def network_spec(name: str, options: Mapping[str, Any], upright: bool = True) -> NetworkSpec:
    """The network as tasks are given it."""
    return NetworkSpec(name, json.dumps(dict(options)), network_name(name, options, upright), upright)


def cost_of_network(spec: NetworkSpec, store: Store, run_batches: RunBatches) -> Record:
    """What a network costs (:func:`~.stages.extract.cost`); empty where that is not known."""
    name = task_name("extract", task="cost", network=spec.digest)
    known = store.records([name])
    if name not in known:
        for finished in run_batches(iter([[Task(name, cost, (spec,), "description")]])):
            if isinstance(finished.result, TaskError):
                return {}
            store.add(name, finished.result)
            known[name] = finished.result.record
    return known[name]


def describe_network(spec: NetworkSpec, store: Store, run_batches: RunBatches) -> Record:
    """A network as its record has it: its description, its layers, its classes (:func:`~.stages.extract.describe`)."""
    name = task_name("extract", task="describe", network=spec.digest)
    known = store.records([name])
    if name not in known:
        task = Task(name, describe, (spec,), "description", everywhere=True)  # so all load the network at once
        for finished in run_batches(iter([[task]])):
            if isinstance(finished.result, TaskError):
                raise finished.result
            store.add(name, finished.result)
            known[name] = finished.result.record
    return known[name]


class Engine:
    """One data set and network, on which methods are measured.

    ``dataset`` is what results are measured against: the sweep's, or the uncompressed results where it has no
    annotations.

    ``on_failure`` is told of each picture without a result, ``on_first`` of one picture's result, as soon as
    there is one. Both may raise to end the run.
    """

    def __init__(
        self,
        sweep: Sweep,
        store: Store,
        run_batches: RunBatches,
        on_failure: Callable[[Subject, TaskError], None] = lambda subject, error: None,
        on_first: Callable[[ImageId, Record], None] = lambda image_id, result: None,
    ) -> None:
        check_distinct(sweep.items)
        self._sweep = sweep
        self._store = store
        self._run_batches = run_batches
        self._on_failure = on_failure
        self._on_first = on_first
        self._spec = spec = network_spec(sweep.network, sweep.network_options, sweep.upright)
        self.network = describe_network(spec, store, run_batches)
        self.subjects: list[Subject] = []
        for place, item in enumerate(sweep.items):
            self.subjects.append(Subject(item, spec, tuple(self.network["layers"]), place, self.subjects))
        self.dataset = sweep.dataset
        self._rehearsed = False

    def cost(self) -> Record:
        """What the network costs."""
        return cost_of_network(self._spec, self._store, self._run_batches)

    def measured(self, methods: Sequence[Method], begin: Begin) -> dict[tuple[str, int], Measured]:
        """Each point of the methods, by method and QP.

        Raises :class:`~vcm_ref.errors.ConfigError` for a method that codes in groups what is not a sequence. Without
        annotations, results are compared with those of the uncompressed features, which are made first.
        """
        for method in methods:
            if method.group > 1 and self.dataset.frame_rate is None:
                told = "the pictures of a sequence; the data set is one if it is a video or states a frame_rate"
                raise ConfigError(f"group: {method.name} codes together {told}")
        if isinstance(self.dataset, SequenceDataset):
            self._need_uncompressed(self.dataset)
        failures = self._fill(methods, begin)
        return {(method.name, qp): self._measure(method, qp, failures) for method in methods for qp in method.qps}

    def _need_uncompressed(self, sequence: SequenceDataset) -> None:
        failures = self._fill([UNCOMPRESSED], no_progress)
        names = {subject.id: UNCOMPRESSED.point(subject, 0) for subject in self.subjects}
        for image_id, name in names.items():
            if name in failures:
                error = failures[name]
                told = f"picture {image_id}: the uncompressed features have no result: {error.message}"
                raise TaskError(error.exit_code, told, error.kind)
        classes = {int(label): text for label, text in self.network["classes"].items()}
        found = {image_id: from_record(record) for image_id, record in _Stored(names, self._store).items()}
        self.dataset = sequence.agreeing(classes, found)

    # Making what is missing

    def _fill(self, methods: Sequence[Method], begin: Begin) -> dict[str, TaskError]:
        """Do what is missing; returns the points that failed, by name."""
        wanted: dict[str, list[Subject]] = {}  # several pictures may be the same
        missing: list[tuple[Subject, dict[str, tuple[Method, int]]]] = []
        for subject in self.subjects:
            points = {method.point(subject, qp): (method, qp) for method in methods for qp in method.qps}
            missing.append((subject, {name: point for name, point in points.items() if name not in wanted}))
            for name in points:
                wanted.setdefault(name, []).append(subject)
        known = self._store.known(wanted)
        progress = begin(len(known), len(wanted))
        self._check_known([next((name for name in points if name in known), None) for _, points in missing], wanted)
        left = [
            (subject, [point for name, point in points.items() if name not in known]) for subject, points in missing
        ]
        together = lcm(*(method.group for method in methods))
        batches = (
            _batch(some, self._store)
            for start in range(0, len(left), together)
            if (some := [(subject, points) for subject, points in left[start : start + together] if points])
        )
        failures: dict[str, TaskError] = {}
        if len(known) < len(wanted):
            for finished in self._run_batches(batches):
                result = finished.result
                if isinstance(result, TaskError):
                    failures[finished.name] = result
                    for subject in wanted.get(finished.name, []):
                        self._on_failure(subject, result)
                elif finished.kept_as == "features":
                    self._store.add_features(finished.name, result.features, {"seconds": result.seconds})
                elif finished.kept_as == "code":
                    self._store.add(finished.name, result.stored())
                else:
                    self._store.add(finished.name, result)
                    self._check(finished.name, result.record, wanted[finished.name])
                if finished.kept_as == "point":
                    progress(1)
        return failures

    def _check_known(self, names: Sequence[str | None], wanted: Mapping[str, Sequence[Subject]]) -> None:
        """Check one result of each picture that has any in the store: all of a picture have the same size."""
        for name, record in self._store.records(name for name in names if name is not None).items():
            self._check(name, record, wanted[name])

    def _check(self, name: str, record: Record, subjects: Sequence[Subject]) -> None:
        """Compare a result with what the data set says of its pictures, and rehearse the measurement with the first."""
        for subject in subjects:
            if (error := _misfit(subject, record)) is not None:
                self._on_failure(subject, error)
            elif not self._rehearsed and not isinstance(self.dataset, SequenceDataset):
                self._rehearsed = True
                result = json.loads(self._store.data(name))
                self._metrics({subject.id: record}, {subject.id: result})
                self._on_first(subject.id, result)

    # Measuring

    def _measure(self, method: Method, qp: int, failed: Mapping[str, TaskError]) -> Measured:
        names = {subject.id: method.point(subject, qp) for subject in self.subjects}
        found = self._store.records(names.values())
        failures: list[Failure] = []
        records: dict[ImageId, Record] = {}
        for subject in self.subjects:
            record = found.get(names[subject.id])
            error = failed.get(names[subject.id]) if record is None else _misfit(subject, record)
            if record is not None and error is None:
                records[subject.id] = record
            else:
                failures.append(Failure(subject.id, error or TaskError(70, "there is no result, and no reason")))
        results = _Stored({key: names[key] for key in records}, self._store)
        if not records:
            return Measured({}, records, failures, results)
        name, metrics = self._stored_metrics(records, results)
        return Measured(metrics, records, failures, results, partial(self._store.data, name))

    def _stored_metrics(self, records: Mapping[ImageId, Record], results: _Stored) -> tuple[str, dict[str, float]]:
        """The metrics, and the name under which the store has them and their tally."""
        sweep = self._sweep
        labels = sweep.labels if sweep.labels in LABELS else {"file": Path(sweep.labels).read_text(encoding="utf-8")}
        name = task_name(
            "measure",
            type(self.dataset).__module__,
            points=list(results.names.items()),
            data=self.dataset.digest(),
            labels=labels,
            classes=self.network["classes"],
        )
        known = self._store.records([name])
        if name not in known:
            metrics, tally = self._metrics(records, results)
            known[name] = {"metrics": metrics}
            self._store.add(name, Stored(known[name], packed(tally)))
        return name, dict(known[name]["metrics"])

    def _metrics(
        self, records: Mapping[ImageId, Record], results: Mapping[ImageId, Record]
    ) -> tuple[dict[str, float], Tally]:
        classes = {int(label): text for label, text in self.network["classes"].items()}
        return measure(self.dataset, self._sweep.labels, classes, records, results)


def _batch(some: Sequence[tuple[Subject, Sequence[tuple[Method, int]]]], store: Store) -> Batch:
    """The tasks of a picture, or of pictures that methods code together, each once."""
    tasks: dict[str, Task | Value] = {}
    for subject, points in some:
        for method, qp in points:
            for task in method.tasks(subject, qp, store):
                tasks.setdefault(task.name, task)
    return list(tasks.values())


def _misfit(subject: Subject, record: Record) -> TaskError | None:
    """Why a result cannot be one of the data set's picture, where it cannot."""
    try:
        check_size(subject.item, record["height"], record["width"])
    except DatasetError as error:
        return TaskError(error.exit_code, str(error), type(error).__name__)
    return None


class _Stored(Mapping[ImageId, Record]):
    """The network's results in the store, by picture, read when they are asked for."""

    def __init__(self, names: Mapping[ImageId, str], store: Store) -> None:
        self.names = names
        self._store = store

    def __getitem__(self, image_id: ImageId) -> Record:
        return dict(json.loads(self._store.data(self.names[image_id])))

    def __contains__(self, image_id: object) -> bool:
        return image_id in self.names

    def __iter__(self) -> Iterator[ImageId]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)
