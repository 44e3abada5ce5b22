"""The store: results of tasks under their names, each whole or not there at all.

A name is the digest of all that determines the result (:mod:`~vcm_ref.experiment.naming`), so a result never changes
and is never in the way. What is small is in one SQLite database, which survives a kill at any moment and several
clients at once; features, which are large, are a feature file each.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import reason
from ..feature_set import FeatureSet
from ..files.atomic import OutputError, atomic_file
from ..files.feature_file import load_feature_file, save_feature_file
from .records import Record, Stored

_BATCH = 500  # names in one question to the database
_PATIENCE_S = 60.0  # for another client to finish writing


class Store:
    """The results in ``folder``, which is made where there is none. Use from one thread.

    Without ``keeps_features``, features are made again for each sweep that codes them: they take what the results of
    hundreds of points take. The features that were read last stay in memory, as each method of a sweep asks for them.
    Raises :class:`~vcm_ref.files.atomic.OutputError` where it cannot be read or written: no permission, a full disk, a
    database that is none.
    """

    def __init__(self, folder: Path, keeps_features: bool = True) -> None:
        self.folder = folder
        self.keeps_features = keeps_features
        self._last: tuple[str, FeatureSet] | None = None
        try:
            (folder / "features").mkdir(parents=True, exist_ok=True)
            self._database = sqlite3.connect(folder / "results.sqlite", timeout=_PATIENCE_S, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise self._explained(error) from error
        try:
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = NORMAL")
            self._database.execute(
                "CREATE TABLE IF NOT EXISTS results (name TEXT PRIMARY KEY, record TEXT NOT NULL, data BLOB NOT NULL)"
            )
        except sqlite3.Error as error:
            self._database.close()
            raise self._explained(error) from error

    def close(self) -> None:
        """Close the database; nothing is lost without it."""
        self._database.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def add(self, name: str, result: Stored) -> None:
        """Keep a result. One that is there already stays: it is the same."""
        row = (name, json.dumps(result.record, allow_nan=False, separators=(",", ":")), zlib.compress(result.data, 1))
        try:
            self._database.execute("INSERT OR IGNORE INTO results VALUES (?, ?, ?)", row)
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def records(self, names: Iterable[str]) -> dict[str, Record]:
        """The records of those results that are there, by name."""
        try:
            return {name: json.loads(record) for name, record in self._select("name, record", names)}
        except ValueError as error:
            raise self._explained(error) from error

    def known(self, names: Iterable[str]) -> set[str]:
        """Those of ``names`` that there is a result of."""
        return {name for (name,) in self._select("name", names)}

    def data(self, name: str) -> bytes:
        """The data of one result; KeyError where there is none."""
        for (data,) in self._select("data", [name]):
            try:
                return zlib.decompress(data)
            except zlib.error as error:
                raise self._explained(error) from error
        raise KeyError(name)

    def is_empty(self) -> bool:
        """True if there is not a single result."""
        try:
            return self._database.execute("SELECT 1 FROM results LIMIT 1").fetchone() is None
        except sqlite3.Error as error:
            raise self._explained(error) from error

    def add_features(self, name: str, features: FeatureSet, record: Record) -> None:
        """Keep the features of one picture, and a record about them."""
        with atomic_file(self._features(name)) as file:
            save_feature_file(file, ".safetensors", features)
        self.add(name, Stored(record))

    def has_features(self, name: str) -> bool:
        """Whether the features are there."""
        return self._features(name).is_file() and name in self.known([name])

    def features(self, name: str) -> FeatureSet:
        """The features of one picture. Raises :class:`~vcm_ref.errors.DatasetError` where there are none."""
        if self._last is None or self._last[0] != name:
            self._last = None  # before the next ones are read, to save memory
            self._last = name, load_feature_file(self._features(name), finite=False)
        return self._last[1]

    def _features(self, name: str) -> Path:
        return self.folder / "features" / f"{name}.safetensors"

    def _select(self, columns: str, names: Iterable[str]) -> Iterator[tuple[Any, ...]]:
        wanted = list(dict.fromkeys(names))
        for start in range(0, len(wanted), _BATCH):
            batch = wanted[start : start + _BATCH]
            marks = ",".join("?" * len(batch))
            try:
                yield from self._database.execute(f"SELECT {columns} FROM results WHERE name IN ({marks})", batch)
            except sqlite3.Error as error:
                raise self._explained(error) from error

    def _explained(self, error: Exception) -> OutputError:
        return OutputError(f"the store {self.folder} cannot be used: {reason(error)}")
