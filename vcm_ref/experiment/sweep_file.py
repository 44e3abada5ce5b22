"""The sweep file: YAML that says which data set, which methods, which QPs (``sweep.schema.json``)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from ..configuration import Configuration, find_configuration, load_configuration
from ..decoder import Backend
from ..errors import ConfigError
from ..files.document import load
from ..files.schema import packaged
from ..task.dataset import dataset_files, load_dataset
from .method import FeatureMethod, Method
from .method_choice import method_of
from .results import LABELS
from .sweep import UNCOMPRESSED, Sweep
from .usable import usable_pictures

SCHEMA = "sweep.schema.json"
DEFAULT_QPS = (22, 27, 32, 37, 42)


class Overrides(NamedTuple):
    """What the command line says instead of the file; empty where it says nothing."""

    data: Path | None = None
    images: Path | None = None
    pictures: int | None = None
    qps: Sequence[int] = ()
    methods: Sequence[str] = ()
    settings: Sequence[str] = ()
    backend: Backend = "auto"
    allow_missing: bool = False


class Screening(NamedTuple):
    """How many of the first pictures all combinations are measured on, and how many of the best on all pictures."""

    pictures: int
    best: int


class Combinations(NamedTuple):
    """All combinations of grids over layers (Rhee et al.'s Equation 1): a method each."""

    layers: tuple[str, ...]
    grids: tuple[str, ...]
    of: dict[str, tuple[str, ...]]
    """The grids of each method, by its name."""
    screening: Screening | None = None


class SweepFile(NamedTuple):
    """A sweep, and what is to be told of it."""

    sweep: Sweep
    title: str
    anchor: str | None
    metric: str | None
    methods: Sequence[Method]
    """Those of the report; the sweep has those of the combinations too."""
    combinations: Combinations | None
    files: Sequence[Path]
    """The files that the sweep is read from: itself, configurations, the data set's, without pictures."""


def load_sweep(path: Path, overrides: Overrides | None = None) -> SweepFile:
    """Read a sweep file; paths in it are relative to it.

    Raises :class:`ConfigError` for what the schema forbids and for configurations that cannot be,
    :class:`~vcm_ref.errors.DatasetError` for a data set that cannot be read.
    """
    over = overrides or Overrides()
    check_qps(over.qps)
    tree = dict(load(path, "yaml", packaged(__package__, SCHEMA)).value)
    folder = path.parent
    images = over.images or (folder / tree["images"] if "images" in tree else None)
    data = over.data or folder / tree["data"]
    dataset = load_dataset(data, images)
    configurations = _Configurations(tree, folder, over)
    methods = list(configurations.methods())
    combinations: Combinations | None = None
    combined: list[Method] = []
    if "combinations" in tree and not over.methods:
        combinations, combined = configurations.combinations()
    check_names([*methods, *combined])
    network, options = _one_network(configurations.loaded)
    usable = usable_pictures(dataset, over.pictures or tree.get("pictures"), over.allow_missing)
    return SweepFile(
        Sweep(
            path.stem,
            dataset,
            usable.items,
            network,
            options,
            [*methods, *combined],
            labels_path(tree.get("labels", "names"), folder),
            _upright(configurations.loaded[0][1]),
            usable.problems,
        ),
        tree.get("title", path.stem),
        _anchor(tree, methods, path),
        tree.get("metric"),
        methods,
        combinations,
        [path, *dataset_files(data), *(file for _, loaded in configurations.loaded for file in loaded.files)],
    )


def labels_path(labels: str, folder: Path) -> str:
    """``labels`` for :func:`~vcm_ref.experiment.results.label_table`: a file's path is relative to ``folder``.

    :class:`ConfigError` where there is no such file.
    """
    if labels in LABELS:
        return labels
    if not (folder / labels).is_file():
        raise ConfigError(f"labels: {labels} is none of {', '.join(LABELS)}, and there is no file {folder / labels}")
    return str(folder / labels)


class _Configurations:
    """The configurations of a sweep file, loaded one after the other."""

    def __init__(self, tree: Mapping[str, Any], folder: Path, over: Overrides) -> None:
        self._tree = tree
        self._folder = folder
        self._over = over
        self.loaded: list[tuple[str, Configuration]] = []

    def methods(self) -> Iterator[Method]:
        """Those of ``methods``, or of them the ones that the command line names."""
        entries = self._tree.get("methods", {})
        unknown = [name for name in self._over.methods if name not in entries]
        if unknown:
            raise ConfigError(f"--only {unknown[0]}: the sweep has no such method; it has {', '.join(entries)}")
        for name, entry in entries.items():
            if not self._over.methods or name in self._over.methods:
                whole = {"config": entry} if isinstance(entry, str) else entry
                yield method_of(name, self._load(name, whole), self._qps(whole), self._over.backend)

    def combinations(self) -> tuple[Combinations, list[Method]]:
        """A method for each combination of grids."""
        entry = self._tree["combinations"]
        configuration = self._load("combinations", entry)
        if configuration.get("picture") is not None:
            raise configuration.error("picture", "combinations are of features, not of pictures coded themselves")
        layers = tuple(entry["grids"])
        of = {"_".join(grids): grids for grids in product(*entry["grids"].values())}
        methods: list[Method] = []
        for name, grids in of.items():
            packing = {**configuration.get("packing"), "grid": dict(zip(layers, grids, strict=True))}
            tree = {**configuration.tree, "packing": packing}
            methods.append(FeatureMethod(name, tree, tuple(self._qps(entry)), self._over.backend))
        every = tuple(dict.fromkeys(grid for grids in entry["grids"].values() for grid in grids))
        screening = Screening(**entry["screening"]) if "screening" in entry else None
        return Combinations(layers, every, of, screening), methods

    def _load(self, name: str, entry: Mapping[str, Any]) -> Configuration:
        try:
            configuration = load_configuration(
                self._files(entry["config"]),
                entry.get("set", {}).items(),
                shared_paths=self._files(self._tree.get("with", [])),
                shared_settings=[*self._tree.get("set", {}).items(), *self._over.settings],
            )
        except ConfigError as error:
            raise ConfigError(f"{name}: {error}") from error
        self.loaded.append((name, configuration))
        return configuration

    def _files(self, names: str | Sequence[str]) -> list[Path]:
        return [find_configuration(name, self._folder) for name in ([names] if isinstance(names, str) else names)]

    def _qps(self, entry: Mapping[str, Any]) -> Sequence[int]:
        return self._over.qps or entry.get("qps") or self._tree.get("qps") or DEFAULT_QPS


def check_names(methods: Sequence[Method]) -> None:
    """:class:`ConfigError` where two methods have the same name, or one that stands for something else."""
    names = [UNCOMPRESSED.name, *(method.name for method in methods)]
    for name, count in Counter(names).items():
        if count > 1:
            what = "the uncoded features" if name == UNCOMPRESSED.name else "another method or a combination"
            raise ConfigError(f"the name {name} belongs to {what}; choose another")


def check_qps(qps: Sequence[int]) -> None:
    """:class:`ConfigError` for QPs of a command line that are twice there, or that no codec has."""
    if len(set(qps)) < len(qps):
        raise ConfigError("--qp: names a QP twice")
    for qp in qps:
        if not 0 <= qp <= 63:
            raise ConfigError(f"--qp {qp}: must be from 0 to 63")


def _one_network(configurations: Sequence[tuple[str, Configuration]]) -> tuple[str, dict[str, Any]]:
    first_name, first = configurations[0]
    for name, configuration in configurations[1:]:
        if configuration.get("network") != first.get("network"):
            raise ConfigError(f"{name} is of another network than {first_name}; a sweep is of one: name it under with")
        if _upright(configuration) != _upright(first):
            key = "apply_exif_orientation"
            raise ConfigError(f"{key}: {name} differs from {first_name}; a sweep has one value: name it under with")
    options = dict(first.get("network"))
    return options.pop("name"), options


def _upright(configuration: Configuration) -> bool:
    return bool(configuration.get("apply_exif_orientation", True))


def _anchor(tree: Mapping[str, Any], methods: Sequence[Method], path: Path) -> str | None:
    """The name of the anchor, if there is one and the command line has not left it out."""
    anchor, every = tree.get("anchor"), tree.get("methods", {})
    if anchor is not None and anchor not in every:
        raise ConfigError(f"{path}: anchor: there is no method {anchor!r}; there are {', '.join(every) or 'none'}")
    return anchor if anchor in [method.name for method in methods] else None
