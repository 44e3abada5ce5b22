"""One point of a rate–accuracy curve: a network's results over a data set, from pictures, features or bitstreams.

Each picture is analysed on its own, so results depend neither on how many workers there are nor on their order.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from ..atomic import atomic_file, atomic_folder
from ..bitstream.elements import Part
from ..errors import DatasetError
from ..network import Network
from ..provenance import file_digest, versions
from ..task.dataset import Dataset, ImageId
from .journal import Journal, Record
from .results import Results, check_drawable, draw_results, write_results
from .sources import Source
from .workers import analysts

SCHEMA = "results.schema.json"
_SHOWN_PROBLEMS = 3


@dataclass(frozen=True)
class Evaluation:
    """What is to be evaluated.

    ``make_network`` is called once in each worker process, or in this one for one worker, so it must be importable
    there; ``labels`` says how the network's labels become the data set's
    (:func:`~vcm_ref.experiment.results.label_table`). With ``allow_missing``, pictures and annotations that cannot be
    used are left out, named and counted, instead of being an error.
    ``threads`` is what each of the ``workers`` may use; by default they share the cores.
    """

    dataset: Dataset
    network_name: str
    make_network: Callable[[], Network]
    source: Source
    labels: str = "names"
    allow_missing: bool = False
    workers: int = 1
    threads: int | None = None


def evaluate(
    evaluation: Evaluation,
    output: Path,
    progress: Callable[[float], None] = lambda share: None,
    draw: Path | None = None,
    draw_threshold: float = 0.5,
) -> Record:
    """Evaluate, and write the results to ``output``, with a file of all detections or classes beside it.

    While it runs, finished pictures are in ``output`` with ``.journal`` after its name, from which a stopped run goes
    on. ``draw`` is a new folder for pictures with what was detected. Returns the results. Raises
    :class:`DatasetError`, and whatever coding and the network raise.
    """
    dataset = evaluation.dataset
    missing = evaluation.source.missing(dataset.items)
    problems = dataset.problems + [f"picture {image_id}: {what}" for image_id, what in missing.items()]
    _tolerate(problems, evaluation.allow_missing)
    workers = min(evaluation.workers, len(dataset.items))
    with ExitStack() as stack:
        crew = stack.enter_context(analysts(evaluation.make_network, evaluation.source, workers, evaluation.threads))
        described = {key: value for key, value in crew.network.description.items() if key != "network"}
        description = {"name": evaluation.network_name, **described}
        journal = Journal(output.with_name(output.name + ".journal"), _key(evaluation, description))
        stack.callback(journal.close)
        progress(len(journal))
        waiting = [item for item in dataset.items if item.id not in journal and item.id not in missing]
        rehearsed = False
        for item, finished in crew.finish(waiting):
            if isinstance(finished, DatasetError):
                problems.append(str(finished))
                _tolerate([str(finished)], evaluation.allow_missing)
            else:
                journal.add({"id": item.id, **finished})
                if not rehearsed:
                    _rehearse(evaluation, crew.network.class_names, item.id, finished, draw is not None)
                    rehearsed = True
            progress(1)
        results = Results(journal, dataset, crew.network.class_names, evaluation.labels)
        document = _summary(evaluation, journal, results, sorted(problems), description)
        sizes = {image_id: (journal[image_id]["height"], journal[image_id]["width"]) for image_id in results}
        document["metrics"] = dataset.evaluate(results, sizes)
        document["labels"] = {"by": Path(evaluation.labels).name, "classes": results.labels_used}
        if draw is not None:
            with atomic_folder(draw) as folder:
                draw_results(folder, dataset, results, sizes, draw_threshold)
        _write(output, document, results)
        journal.remove()
    return document


def _rehearse(
    evaluation: Evaluation, class_names: Mapping[int, str], image_id: ImageId, record: Record, drawn: bool
) -> None:
    """Measure one picture, so that labels that do not match, or a package that is missing, are not told of at the end.

    Raises what measuring all of them would.
    """
    results = Results({image_id: record}, evaluation.dataset, class_names, evaluation.labels)
    sizes = {image_id: (record["height"], record["width"])}
    evaluation.dataset.evaluate(results, sizes)
    if drawn:
        check_drawable(image_id, results[image_id])


def _tolerate(problems: list[str], allowed: bool) -> None:
    if problems and not allowed:
        shown = "; ".join(problems[:_SHOWN_PROBLEMS])
        more = f", and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
        raise DatasetError(f"{shown}{more}; --allow-missing evaluates without what is missing, and counts it")


def _key(evaluation: Evaluation, network: Record) -> str:
    """SHA-256 over everything that determines the results, but the content of pictures and features."""
    source = {"kind": evaluation.source.kind, **evaluation.source.describe(evaluation.dataset.items)}
    parts = {"data": evaluation.dataset.digest(), "network": network, "source": source, "versions": versions()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _summary(
    evaluation: Evaluation, journal: Journal, results: Results, problems: list[str], network: Record
) -> Record:
    """The results document, but for metrics and the file of results."""
    dataset, source = evaluation.dataset, evaluation.source
    digest, pictures_digest = hashlib.sha256(), hashlib.sha256()
    bits: Counter[str] = Counter()
    pixels, coded_bytes, seed_bits = 0, 0, 0
    inner_codec: Record | None = None
    for image_id in results:
        record = journal[image_id]
        digest.update(bytes.fromhex(record["sha256"]))
        pictures_digest.update(bytes.fromhex(record.get("picture_sha256", "")))
        bits.update(record["bits"] or {})
        pixels += record["height"] * record["width"]
        coded_bytes += record.get("bytes", 0)
        seed_bits += record.get("seed_bits") or 0
        inner_codec = record.get("inner_codec", inner_codec)
    evaluated = [item for item in dataset.items if item.id in journal]
    document: Record = {
        "schema": 1,
        "metrics": {},
        "pictures": {"data_set": len(dataset.items), "evaluated": len(evaluated), "problems": len(problems)},
        "problems": problems,
        "data": {"name": dataset.name, "sha256": dataset.digest()},
        "source": {"kind": source.kind, "sha256": digest.hexdigest()},
        "network": network,
        "versions": versions(),
    }
    total = coded_bytes or source.file_bytes(evaluated)
    if total and pixels:
        document["rate"] = _rate(total, pixels, bits)
        if inner_codec is not None:
            document["rate"]["seed_bpp"] = seed_bits / pixels
    if inner_codec is not None:
        document["configuration"] = source.describe(evaluated)["configuration"]
        document["inner_codec"] = inner_codec
        document["source"]["pictures_sha256"] = pictures_digest.hexdigest()
    return document


def _rate(total: int, pixels: int, bits: Mapping[str, int]) -> Record:
    """BPP as a ratio of sums, every byte counted; what several pictures of one bitstream share counts as headers."""
    parts = Counter(bits)
    parts[Part.HEADER.value] += 8 * total - sum(bits.values())
    return {
        "bytes": total,
        "pixels": pixels,
        "bpp": 8 * total / pixels,
        "bits": {part.value: parts[part.value] for part in Part if parts[part.value]},
    }


def _write(output: Path, document: Record, results: Mapping[ImageId, Any]) -> None:
    """The file of results first: where ``output`` is, all is."""
    from jsonschema import Draft202012Validator

    beside = output.with_name(f"{output.stem}.detections.json")
    with atomic_file(beside) as file:
        count = write_results(file, results)
    document["results"] = {"file": beside.name, "count": count, "sha256": file_digest(beside)}
    schema = json.loads(files(__package__).joinpath(SCHEMA).read_text())
    Draft202012Validator(schema).validate(document)
    with atomic_file(output) as file:
        file.write(json.dumps(document, indent=1, allow_nan=False).encode() + b"\n")
