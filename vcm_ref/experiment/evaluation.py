"""One point of a rate–accuracy curve, as ``vcm_eval`` measures it: one method over a data set, and its results file."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..bitstream.elements import Part
from ..errors import DatasetError
from ..files.atomic import OutputError, atomic_file, atomic_folder
from ..reporting.provenance import file_digest, versions
from ..task.dataset import Dataset, ImageId
from .anchor import rate
from .bootstrap import NO_BOOTSTRAP, Bootstrap
from .given_files import GivenBitstream
from .method import Method, Subject
from .records import Record
from .result_record import from_record
from .results import Results, check_drawable, draw_results, write_results
from .stage_cost import mean_cost
from .store import Store
from .sweep import Begin, Engine, Measured, Sweep, no_progress
from .tasks import RunBatches, TaskError
from .uncertainty import intervals, single_point
from .usable import problems_of, tolerate

SCHEMA = "results.schema.json"


@dataclass(frozen=True)
class Evaluation:
    """One evaluation: a method of one QP, with a network, over a data set.

    The method's name says where results come from. ``labels`` says how the network's labels become the data set's
    (:func:`~vcm_ref.experiment.results.label_table`). With ``allow_missing``, pictures and annotations that cannot be
    used are left out, named and counted; without it, they are an error. ``upright`` says whether pictures are turned as
    their Exif orientation says.
    """

    dataset: Dataset
    network: str
    network_options: Mapping[str, Any]
    method: Method
    labels: str = "names"
    allow_missing: bool = False
    upright: bool = True


@dataclass(frozen=True)
class Drawing:
    """A new folder for pictures with what was detected, and the least score of a detection that is drawn."""

    folder: Path
    threshold: float


def evaluate(
    evaluation: Evaluation,
    output: Path,
    store: Store,
    run_batches: RunBatches,
    begin: Begin = no_progress,
    drawing: Drawing | None = None,
    bootstrap: Bootstrap = NO_BOOTSTRAP,
) -> tuple[Record, dict[str, float]]:
    """Evaluate, and write the results to ``output``, with a file of all detections or classes beside it.

    With resamples in ``bootstrap``, the results have the interval of each metric and rate; over a sequence, from blocks
    of its pictures (:meth:`~vcm_ref.experiment.bootstrap.Bootstrap.over_time`).
    Returns the results, and the seconds of all pictures by stage, which are not in the file: it is the same in every
    run. Raises :class:`DatasetError`, and :class:`TaskError` for a picture that fails in another way.
    """
    dataset, method = evaluation.dataset, evaluation.method
    missing = method.missing(dataset.items)
    problems = dataset.problems + problems_of(missing)
    tolerate(problems, evaluation.allow_missing)

    def on_failure(subject: Subject, error: TaskError) -> None:
        named = _named(subject, error)
        if error.kind != DatasetError.__name__ or isinstance(method, GivenBitstream):
            raise named  # of one bitstream, all pictures are needed for its rate
        tolerate([named.message], evaluation.allow_missing)
        problems.append(named.message)

    def on_first(image_id: ImageId, result: Record) -> None:
        if drawing is not None:
            check_drawable(image_id, from_record(result))

    items = [item for item in dataset.items if item.id not in missing]
    if not items:
        raise DatasetError("there are no pictures to measure")
    network = evaluation.network, evaluation.network_options
    sweep = Sweep(dataset.name, dataset, items, *network, [method], evaluation.labels, evaluation.upright)
    engine = Engine(sweep, store, run_batches, on_failure, on_first)
    (measured,) = engine.measured([method], begin).values()
    if not measured.records:
        raise DatasetError("there are no pictures to measure")
    classes = {int(label): name for label, name in engine.network["classes"].items()}
    results = Results(measured.results, engine.dataset, classes, evaluation.labels)
    document = _document(evaluation, engine, measured, problems)
    if network_costs := engine.cost():
        document["cost"] = network_costs
    if stage_costs := mean_cost(measured.records.values()):
        document["stage_cost"] = stage_costs
    bootstrap = bootstrap.over_time(dataset.frame_rate, [method.group])
    if bootstrap.makes_intervals(len(measured.records)):
        found = single_point(measured.records, measured.metrics, measured.tally(), bootstrap)
        document |= {"intervals": intervals(found, found.points[0]), "bootstrap": bootstrap.describe()}
    if drawing is not None:
        sizes = {image_id: (record["height"], record["width"]) for image_id, record in measured.records.items()}
        with atomic_folder(drawing.folder) as folder:
            draw_results(folder, engine.dataset, results, sizes, drawing.threshold, evaluation.upright)
    _write(output, document, results, Path(evaluation.labels).name)
    seconds: Counter[str] = Counter()
    for record in measured.records.values():
        seconds.update(record["seconds"])
    return document, dict(seconds)


@contextmanager
def own_store(output: Path) -> Iterator[Store]:
    """A store beside ``output``, which goes when the block ends well, so that only a stopped run leaves it.

    Raises :class:`~vcm_ref.files.atomic.OutputError` where another run is using it.
    """
    folder = output.with_name(output.name + ".store")
    with ExitStack() as stack:
        store = stack.enter_context(Store(folder, keeps_features=False))
        lock = os.open(folder, os.O_RDONLY)
        stack.callback(os.close, lock)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(f"{folder}: another run is using it; name another -o") from error
        needed = True
        try:
            yield store
            needed = False
        finally:
            needed = needed and not store.is_empty()
            store.close()
            if not needed:
                shutil.rmtree(folder, ignore_errors=True)


def detections_file(output: Path) -> Path:
    """The file of all detections or classes, beside the results."""
    return output.with_name(f"{output.stem}.detections.json")


def _named(subject: Subject, error: TaskError) -> TaskError:
    """The error with the picture that it is about."""
    if subject.file.name in error.message or f"picture {subject.id}" in error.message:
        return error
    message = f"picture {subject.id} ({subject.file.name}): {error.message}"
    return TaskError(error.exit_code, message, error.kind)


def _document(evaluation: Evaluation, engine: Engine, measured: Measured, problems: Sequence[str]) -> Record:
    """The results document, but for the labels and the file of results."""
    dataset, method = evaluation.dataset, evaluation.method
    subjects = {subject.id: subject for subject in engine.subjects}
    inputs, pictures = hashlib.sha256(), hashlib.sha256()
    codes = bool(method.inner_codec())
    for image_id, record in measured.records.items():
        inputs.update(bytes.fromhex(record["sha256"] or subjects[image_id].sha256))
        if codes:
            pictures.update(bytes.fromhex(subjects[image_id].sha256))
    described = {key: value for key, value in engine.network["description"].items() if key != "network"}
    document: Record = {
        "schema": 1,
        "metrics": measured.metrics,
        "pictures": {
            "data_set": len(dataset.items),
            "evaluated": len(measured.records),
            "problems": len(problems),
        },
        "problems": sorted(problems),
        "data": {
            "name": dataset.name,
            "sha256": dataset.digest(),
            **({} if dataset.frame_rate is None else {"frame_rate": str(dataset.frame_rate)}),
        },
        "source": {"kind": method.name, "sha256": inputs.hexdigest()},
        "network": {"name": evaluation.network, **described},
        "versions": versions(),
    }
    shared = method.shared_bytes if isinstance(method, GivenBitstream) else 0
    found = rate(measured.records.values(), shared, dataset.frame_rate)
    if found["bytes"]:
        bits = {part.value: found["bits"][part.value] for part in Part if found["bits"].get(part.value)}
        kept = [key for key in ("bytes", "pixels", "bpp", "kbit_per_s") if key in found]
        document["rate"] = {**{key: found[key] for key in kept}, "bits": bits}
    if codes:
        configuration = method.describe()
        document["rate"] |= {key: found[key] for key in ("rhee2022_bpp", "han2022_bpp") if key in found}
        document["configuration"] = {**configuration, "codec": {**configuration["codec"], "qp": method.qps[0]}}
        document["inner_codec"] = method.inner_codec()
        document["source"]["pictures_sha256"] = pictures.hexdigest()
    return document


def _write(output: Path, document: Record, results: Results, labels: str) -> None:
    """The file of results first: where ``output`` is, all is."""
    from jsonschema import Draft202012Validator

    beside = detections_file(output)
    with atomic_file(beside) as file:
        count = write_results(file, results)
    document["labels"] = {"by": labels, "classes": results.labels_used}
    document["results"] = {"file": beside.name, "count": count, "sha256": file_digest(beside)}
    schema = json.loads(files(__package__).joinpath(SCHEMA).read_text())
    Draft202012Validator(schema).validate(document)
    with atomic_file(output) as file:
        file.write(json.dumps(document, indent=1, allow_nan=False).encode() + b"\n")
