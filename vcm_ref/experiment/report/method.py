"""The methods that a report is about, read from anchor files and published curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ...errors import ConfigError, DatasetError
from ...files.document import Document, load
from ...files.document import check as document_check
from ...files.schema import Rules, packaged
from ..bootstrap import NO_BOOTSTRAP, Bootstrap, Interval
from ..curve import Curve, curve_of_anchor, read_curve
from ..uncertainty import Resampled, read_resampled, time_of

Anchor = Mapping[str, Any]
"""What an anchor file holds (``anchor.schema.json``)."""


@dataclass(frozen=True)
class Method:
    """One method: its curve in the report's metric, and the anchor file it is from.

    ``anchor_file`` is empty for a published curve, of which no more is known. ``path`` is where it was read.
    ``samples`` is the method in resamples of its pictures, where its tallies are beside it.
    """

    curve: Curve
    path: Path
    anchor_file: Anchor = field(default_factory=dict)
    samples: Resampled | None = field(default=None, compare=False, repr=False)

    @property
    def name(self) -> str:
        """As the file has it."""
        return self.curve.name

    @property
    def data(self) -> str:
        """The data set's name; empty where it is not known."""
        return str(self.anchor_file["data"]["name"]) if self.anchor_file else ""

    @property
    def network(self) -> str:
        """The network's name; empty where it is not known."""
        return str(self.anchor_file["network"]["name"]) if self.anchor_file else ""

    @cached_property
    def points(self) -> list[dict[str, Any]]:
        """The anchor file's points, or those of the curve in the same form; by rising QP, then as in the file."""
        if self.anchor_file:
            points = list(self.anchor_file["points"])
        else:
            metric = self.curve.metric
            points = [
                {
                    "qp": point.qp,
                    "bpp": point.bpp,
                    "rhee2022_bpp": point.rhee2022_bpp,
                    "metrics": {metric: point.accuracy},
                }
                for point in self.curve.points
            ]
        return sorted(points, key=lambda point: (point.get("qp") is None, point.get("qp") or 0))

    @property
    def uncompressed(self) -> dict[str, float | None]:
        """Every metric without coding."""
        if self.anchor_file:
            return dict((self.anchor_file.get("uncompressed") or {}).get("metrics", {}))
        known = self.curve.uncompressed
        return {} if known is None else {self.curve.metric: known}

    @cached_property
    def metrics(self) -> list[str]:
        """The names of all metrics, the report's first."""
        found = [self.curve.metric, *self.uncompressed]
        for point in self.points:
            found += point["metrics"]
        return list(dict.fromkeys(found))

    @cached_property
    def failures(self) -> list[tuple[int | None, int | str, str]]:
        """What failed: QP (None: without coding), picture's id, reason; of points too that have no result at all."""
        if not self.anchor_file:
            return []
        without = {"qp": None, "failed": self.anchor_file["uncompressed"]["failed"]}
        points = sorted([*self.points, *self.anchor_file["failed_points"]], key=lambda point: int(point["qp"]))
        return [(at["qp"], failed["id"], failed["error"]) for at in (without, *points) for failed in at["failed"]]

    def interval(self, qp: int | None, name: str) -> Interval | None:
        """The interval of a rate or a metric at the point of a QP, None: without coding; None where there is none."""
        if self.samples is None:
            return None
        if qp is None:
            values = self.samples.uncompressed.get(name)
        else:
            places = [point["qp"] for point in self.anchor_file["points"]]
            values = self.samples.points[places.index(qp)].get(name)
        return None if values is None else self.samples.bootstrap.interval(values)

    @property
    def has_rhee2022_rate(self) -> bool:
        """Whether any point states its bpp in Rhee et al.'s accounting."""
        return any(point.rhee2022_bpp is not None for point in self.curve.points)


def read_methods(
    results: Sequence[Path | Anchor], metric: str | None = None, bootstrap: Bootstrap = NO_BOOTSTRAP
) -> list[Method]:
    """The methods of anchors, published curves, and folders of these, in that order; in resamples by ``bootstrap``.

    Raises :class:`DatasetError` for a file that is none of them, and :class:`ConfigError` where two methods have one
    name, where there is none at all, or for a ``metric`` that a file has not.
    """
    methods: list[Method] = []
    files: set[Path] = set()
    read: set[Path] = set()  # a file named twice, or by its folder too, is one result
    for result in results:
        if isinstance(result, Path):
            new = [path for path in result_files(result) if path.resolve() not in read]
            methods += [_read(path, metric) for path in new]
            files.update(new)
            read |= {path.resolve() for path in new}
        else:
            methods.append(_of_anchor(f"anchor {result.get('name', '')}", result, metric))
    if not methods:
        raise ConfigError("no results given; name anchor files, curves or folders of them")
    paths: dict[str, Path] = {}
    for method in methods:
        if method.name in paths:
            first, second = paths[method.name], method.path
            raise ConfigError(f"{first} and {second} are both named {method.name!r}: leave one out, or rename one")
        paths[method.name] = method.path
    groups = [group for method in methods if method.anchor_file for _, group in [time_of(method.anchor_file)]]
    return [
        replace(method, samples=_samples(method, bootstrap, groups)) if method.path in files else method
        for method in methods
    ]


def _samples(method: Method, bootstrap: Bootstrap, groups: Sequence[int]) -> Resampled | None:
    """A method that was read from a file in resamples: those of a sequence in whole groups of all methods."""
    if not method.anchor_file:
        return None
    bootstrap = bootstrap.over_time(time_of(method.anchor_file)[0], groups)
    return read_resampled(method.path, method.anchor_file, bootstrap, [method.curve.metric])


def result_files(path: Path) -> list[Path]:
    """The file itself; of a folder, those in it that are anchors or curves, by name.

    What else a folder holds is passed over: beside their anchors, sweeps and cross-checks write JSON of other kinds.
    :class:`DatasetError` for a folder without any, and for a file in it that is no JSON.
    """
    if not path.is_dir():
        return [path]
    inside = [file for file in sorted(path.glob("*.json")) if kind_of(file) in ("anchor", "curve")]
    if not inside:
        raise DatasetError(f"{path}: this folder holds no anchor file and no curve")
    return inside


def kind_of(path: Path) -> str | None:
    """What kind of document a JSON file says it is; :class:`DatasetError` where it cannot be read or is no JSON."""
    document = read_json(path)
    kind = document.get("kind") if isinstance(document, dict) else None
    return kind if isinstance(kind, str) else None


def check(what: Path | str, document: Any, rules: Rules) -> None:
    """:class:`DatasetError` where ``document`` does not fit the rules; ``what`` names it."""
    document_check(Document(str(what), document), rules, DatasetError)


def read_json(path: Path) -> Any:
    """The document in a JSON file; :class:`DatasetError` where it cannot be read or is not JSON."""
    return load(path, "json", error=DatasetError).value


def _read(path: Path, metric: str | None) -> Method:
    document = read_json(path)
    if isinstance(document, dict) and document.get("kind") == "anchor":
        return replace(_of_anchor(str(path), document, metric), path=path)
    return Method(read_curve(path, metric), path)


def _of_anchor(what: str, document: Anchor, metric: str | None) -> Method:
    """Without points too: where all pictures failed, that has its place in the report."""
    check(what, document, packaged("vcm_ref.experiment", "anchor.schema.json"))
    curve = curve_of_anchor(what, document, metric)
    return Method(curve, Path(f"{curve.name}.json"), document)
