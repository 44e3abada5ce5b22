"""The process of a cross-check: inputs, then one run of all that is due, then what it comes to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ...decoder import Backend
from ...task.dataset import Dataset, ImageId, Item
from ..method import FeatureMethod, Method, PictureMethod, Subject
from ..records import Record
from ..store import Store
from ..sweep import Begin, Measured, Outcome, Sweep, describe_network, network_spec, no_progress, run_sweep
from ..tasks import RunBatches
from .comparison import compare_bitstreams, compare_decoded, compare_encoded, unchecked
from .detail import Inspector
from .findings import Aspect, Difference, Section
from .given import GivenFolder, given_method
from .inputs import Expected, compare_data, compare_network, compare_pictures, compare_sums
from .outcomes import compare_uncompressed
from .rebuilt import rebuilt_upright

DEPTHS = ("decode", "encode")
OUTCOMES = ("results", "metrics")
ASPECTS = ("bitstreams", "rate", "t1", *OUTCOMES)


@dataclass(frozen=True)
class Plan:
    """What is cross-checked: an anchor's method at some QPs over its first ``pictures``, in some depths.

    ``network_options`` and ``labels`` are as a :class:`~vcm_ref.experiment.sweep.Sweep` has them, ``folder`` is that of
    somebody's bitstreams, where there is one: depth ``decode`` needs it.
    """

    anchor: Record
    method: Method
    dataset: Dataset
    network_options: Mapping[str, Any]
    labels: str
    depths: tuple[str, ...]
    folder: Path | None = None
    pictures: int | None = None
    backend: Backend = "auto"


@dataclass(frozen=True)
class Findings:
    """What a cross-check found: the inputs, the network without coding, and each depth that was asked for."""

    inputs: Section
    uncompressed: Section
    depths: dict[str, Section]
    pictures: int
    """How many of the anchor's pictures were compared."""

    def sections(self) -> dict[str, Section]:
        """All, by name, in the order in which they matter."""
        return {"inputs": self.inputs, "uncompressed": self.uncompressed, **self.depths}

    @property
    def agrees(self) -> bool:
        """Whether nothing that was compared is different."""
        return all(section.level != "different" for section in self.sections().values())

    def differences(self) -> list[Difference]:
        """All differences, in the order in which they matter."""
        return [difference for section in self.sections().values() for difference in section.differences]


def crosscheck(plan: Plan, run_batches: RunBatches, store: Store, begin: Begin = no_progress) -> Findings:
    """Make an anchor again and compare. ``store`` must be empty: what is found in it would not be made again.

    Raises :class:`~vcm_ref.errors.DatasetError` where a picture is missing, and what
    :func:`~vcm_ref.experiment.sweep.run_sweep` raises.
    """
    anchor = plan.anchor
    data, data_differences = compare_data(anchor, plan.dataset)
    pictures = compare_pictures(anchor, plan.dataset, plan.pictures)
    spec = network_spec(anchor["network"]["name"], plan.network_options, rebuilt_upright(anchor))
    network, network_differences = compare_network(anchor, describe_network(spec, store, run_batches))
    sums, sums_differences = compare_sums(anchor, plan.method.qps)
    inputs = Section(
        {"data": data, "pictures": pictures.aspect, "network": network, "sums": sums},
        [*data_differences, *pictures.differences, *network_differences, *sums_differences],
    )
    expected = Expected(
        anchor,
        plan.method.qps,
        frozenset(item.id for item in pictures.items),
        _no_metrics(data, pictures.aspect, len(pictures.items), len(anchor["pictures"])),
    )
    check = _Check(plan, expected, run_batches, store, begin)
    if network.level == "different":
        return check.without_run(inputs, "the network differs")
    if not pictures.items:
        return check.without_run(inputs, "no picture is the anchor's")
    return check.with_run(inputs, pictures.items)


def _no_metrics(data: Aspect, pictures: Aspect, count: int, whole: int) -> str:
    if data.level == "different":
        return "the annotations differ"
    if pictures.level == "different":
        return "pictures are others"
    return f"they are over all {whole} pictures of the anchor, and {count} were compared" if count < whole else ""


class _Check:
    """One cross-check after its inputs."""

    def __init__(self, plan: Plan, expected: Expected, run_batches: RunBatches, store: Store, begin: Begin) -> None:
        self._plan = plan
        self._expected = expected
        self._run_batches = run_batches
        self._store = store
        self._begin = begin
        files = {picture["id"]: picture["file"] for picture in plan.anchor["pictures"]}
        self._folder = None if plan.folder is None else GivenFolder(plan.folder, files, expected.groups)

    def without_run(self, inputs: Section, reason: str) -> Findings:
        """Where nothing can be made that would compare: the bitstreams' digests alone."""
        depths = {depth: Section(unchecked(ASPECTS, reason)) for depth in self._plan.depths}
        if self._folder is not None and "decode" in depths and self._expected.pictures:
            found = compare_bitstreams(self._expected, self._folder.at)
            depths["decode"] = replace(found, aspects={**depths["decode"].aspects, **found.aspects})
        return Findings(inputs, Section(unchecked(OUTCOMES, reason)), depths, len(self._expected.pictures))

    def with_run(self, inputs: Section, items: Sequence[Item]) -> Findings:
        """Decode, code again, or both, and compare."""
        plan, methods = self._plan, dict[str, Method]()
        if self._folder is not None and "decode" in plan.depths:
            methods["decode"] = given_method(self._folder, plan.method, plan.backend)
        if "encode" in plan.depths:
            methods["encode"] = _renamed(plan.method, "encode")
        sweep = Sweep(
            plan.anchor["name"],
            plan.dataset,
            items,
            plan.anchor["network"]["name"],
            plan.network_options,
            list(methods.values()),
            plan.labels,
            rebuilt_upright(plan.anchor),
        )
        outcome = run_sweep(sweep, self._store, self._run_batches, self._begin)
        inspector = self._inspector(methods, outcome)
        depths: dict[str, Section] = {}
        for depth, method in methods.items():
            measured = {qp: outcome.points[method.name, qp] for qp in method.qps}
            depths[depth] = inspector.look_into(self._compared(depth, measured))
        return Findings(inputs, compare_uncompressed(self._expected, outcome.uncompressed), depths, len(items))

    def _compared(self, depth: str, measured: Mapping[int, Measured]) -> Section:
        if depth == "encode":
            return compare_encoded(self._expected, measured)
        assert self._folder is not None, "there is a method of it"
        return compare_decoded(self._expected, self._folder.at, measured)

    def _inspector(self, methods: Mapping[str, Method], outcome: Outcome) -> Inspector:
        coder = self._plan.method.coder if isinstance(self._plan.method, PictureMethod) else None
        sizes = {key: (record["height"], record["width"]) for key, record in outcome.uncompressed.records.items()}
        subjects = {subject.id: subject for subject in outcome.subjects}

        def sides(qp: int, image_id: ImageId) -> tuple[bytes | None, bytes | None]:
            file = None if self._folder is None else self._folder.read(qp, image_id)
            again = methods.get("encode")
            return file, None if again is None else _coded(again, subjects[image_id], qp, self._store)

        return Inspector(sides, self._plan.backend, coder, sizes, self._expected.groups)


def _renamed(method: Method, name: str) -> Method:
    assert isinstance(method, (FeatureMethod, PictureMethod)), "what an anchor can be of"
    return replace(method, name=name)


def _coded(method: Method, subject: Subject, qp: int, store: Store) -> bytes | None:
    try:
        return method.bitstream(subject, qp, store)
    except KeyError:  # it could not be made
        return None
