"""The store: a result is there whole or not at all, whatever happens to those who write."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import make_features
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from vcm_ref.errors import DatasetError
from vcm_ref.experiment.records import Stored
from vcm_ref.experiment.store import Store
from vcm_ref.files.atomic import OutputError

keys = st.text(max_size=8)
values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(values, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3))
records = st.dictionaries(keys, values, max_size=3)


#: Writes results and features until it is killed; says that it has begun.
WRITER = """
import hashlib, sys
from pathlib import Path
import numpy as np
from vcm_ref.experiment.records import Stored
from vcm_ref.experiment.store import Store
from vcm_ref.feature_set import FeatureSet
store, who = Store(Path(sys.argv[1])), sys.argv[2]
count = int(sys.argv[3])
print("begun", flush=True)
for number in range(count):
    data = bytes([number % 256]) * (50_000 + number)
    store.add(f"{who}{number}", Stored({"sha256": hashlib.sha256(data).hexdigest(), "number": number}, data))
    if number % 10 == 0:
        layer = np.full((4, 50, 50), number, np.float32)
        store.add_features(f"f{who}{number}", FeatureSet(8, 8, {"p2": layer}), {"seconds": number})
print("done", flush=True)
"""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "store") as made:
        yield made


def writer(folder: Path, who: str, count: int) -> subprocess.Popen[str]:
    """A process that writes; returns when it has begun."""
    command = [sys.executable, "-c", WRITER, str(folder), who, str(count)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n", process.communicate()
    return process


def all_whole(folder: Path) -> set[str]:
    """The names of all results, each of which is looked at."""
    with Store(folder) as store:
        names = {name for (name,) in store._database.execute("SELECT name FROM results")}
        assert store._database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        found = store.records(names)
        assert set(found) == names == store.known(names)
        for name, record in found.items():
            if name.startswith("f"):
                assert store.has_features(name)
                assert (store.features(name).layers["p2"] == record["seconds"]).all()
            else:
                assert hashlib.sha256(store.data(name)).hexdigest() == record["sha256"]
    return names


@settings(max_examples=15, phases=[Phase.explicit, Phase.generate])
@given(contents=st.dictionaries(st.text(max_size=70), st.tuples(records, st.binary(max_size=200)), max_size=3))
def test_what_is_added_is_found(tmp_path: Path, contents: Any) -> None:
    """To the byte and to the float, by whoever opens it."""
    unique = uuid.uuid4().hex  # one store for all examples
    contents = {f"{unique}-{name}": content for name, content in contents.items()}
    with Store(tmp_path) as store:
        for name, (record, data) in contents.items():
            assert store.known([name]) == set()
            store.add(name, Stored(record, data))
    with Store(tmp_path) as store:
        assert store.known([*contents, unique]) - {unique} == set(contents)
        assert {name: store.records([name, "absent"])[name] for name in contents} == {
            name: record for name, (record, _) in contents.items()
        }
        assert {name: store.data(name) for name in contents} == {name: data for name, (_, data) in contents.items()}


def test_many_names_at_once(store: Store) -> None:
    """More than SQLite takes in one question; each is told once."""
    names = [f"name{number}" for number in range(2_000)]
    for name in names[::2]:
        store.add(name, Stored({"name": name}))
    assert store.known(names + names) == set(names[::2])
    assert len(store.records(names)) == 1_000
    assert store.records([]) == {}


def test_what_is_there_stays(store: Store) -> None:
    store.add("name", Stored({"first": True}, b"first"))
    store.add("name", Stored({"second": True}, b"second"))
    assert store.records(["name"]) == {"name": {"first": True}}
    assert store.data("name") == b"first"


def test_data_that_is_not_there(store: Store) -> None:
    with pytest.raises(KeyError, match="name"):
        store.data("name")


def test_what_is_no_json_is_not_kept(store: Store) -> None:
    with pytest.raises(ValueError, match="JSON"):
        store.add("name", Stored({"nan": float("nan")}))
    assert store.known(["name"]) == set()


def test_features_come_back_to_the_bit(store: Store) -> None:
    features = make_features(8, 7, 9)
    features.layers["p2"][0, 0, :3] = [np.nan, np.inf, -0.0]
    store.add_features("name", features, {"seconds": 0.5})
    assert store.records(["name"]) == {"name": {"seconds": 0.5}}
    found = store.features("name")
    assert (found.height, found.width, list(found.layers)) == (features.height, features.width, list(features.layers))
    for name, layer in features.layers.items():
        assert found.layers[name].tobytes() == layer.tobytes()
        assert found.layers[name].shape == layer.shape


def test_features_that_many_methods_ask_for_are_read_once(store: Store) -> None:
    for name, channels in (("one", 2), ("other", 3)):
        store.add_features(name, make_features(channels, 4, 4), {})
    found = store.features("one")
    assert store.features("one") is found
    assert len(store.features("other").layers["p2"]) == 3
    assert store.features("one") is not found


def test_features_without_their_record_or_file_are_not_there(store: Store) -> None:
    """As a kill between the two would leave them, or whoever makes room on the disk."""
    features = make_features(2, 4, 4)
    store.add_features("name", features, {})
    next((store.folder / "features").iterdir()).unlink()
    assert not store.has_features("name")
    with pytest.raises(DatasetError, match="name"):
        store.features("name")
    store.add_features("name", features, {})
    assert store.has_features("name")
    store._database.execute("DELETE FROM results")
    assert not store.has_features("name")


# What happens to those who write


def test_kill_9_at_any_moment_leaves_whole_results(tmp_path: Path) -> None:
    """Each time the store opens again, has what it had, and goes on."""
    moments = random.Random(4)
    before: set[str] = set()
    for turn in range(4):
        process = writer(tmp_path / "store", f"turn{turn}-", 1_000_000)
        size = 0
        target = moments.randrange(1, 60)
        while size < target:  # as many results as that, and then in the middle of whatever it does
            with Store(tmp_path / "store") as store:
                (size,) = store._database.execute("SELECT count(*) FROM results").fetchone()
                size -= len(before)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        found = all_whole(tmp_path / "store")
        assert before < found
        before = found
    temporary = [path for path in (tmp_path / "store" / "features").iterdir() if path.name.startswith(".")]
    assert len(temporary) <= 4


def test_two_clients_write_at_the_same_time(tmp_path: Path) -> None:
    """Both open a store that is not there yet, and have some results in common."""
    count = 150
    processes = [writer(tmp_path / "store", who, count) for who in ("a", "b", "a")]
    for process in processes:
        out, error = process.communicate()
        assert (process.returncode, out) == (0, "done\n"), error
    names = all_whole(tmp_path / "store")
    assert len([name for name in names if not name.startswith("f")]) == 2 * count


def test_many_clients_make_a_store_at_the_same_time(tmp_path: Path) -> None:
    """Setting the journal's mode waits for nobody by itself."""
    code = """
import sys
from pathlib import Path
from vcm_ref.experiment.records import Stored
from vcm_ref.experiment.store import Store
for line in sys.stdin:
    with Store(Path(line.strip())) as store:
        store.add(sys.argv[1], Stored({}))
    print("made", flush=True)
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(who)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for who in range(4)
    ]
    turns = 10
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("".join(f"{tmp_path / str(turn)}\n" for turn in range(turns)).encode())
    told = [process.communicate() for process in processes]
    assert [(out.split(), error) for out, error in told] == [([b"made"] * turns, b"")] * len(processes)
    for turn in range(turns):
        with Store(tmp_path / str(turn)) as store:
            assert len(store.known("0123")) == len(processes)


# What cannot be used


def one_line(caught: pytest.ExceptionInfo[OutputError], folder: Path) -> None:
    told = str(caught.value)
    assert "\n" not in told
    assert f"the store {folder} cannot be used: " in told


def test_a_full_disk(tmp_path: Path, big_disk: Path) -> None:
    """One line; what was there before stays, and what comes later is kept when there is room again."""
    random_bytes = random.Random(1).randbytes
    kept = []
    with Store(big_disk / "store") as store, pytest.raises(OutputError) as caught:
        for number in range(1_000):
            store.add(str(number), Stored({"number": number}, random_bytes(20_000)))
            kept.append(str(number))
    one_line(caught, big_disk / "store")
    assert kept
    with pytest.raises(OutputError) as caught, Store(big_disk / "store") as store:
        store.add_features("features", make_features(64, 40, 40), {})
    assert "No space left" in str(caught.value)
    with Store(big_disk / "store") as store:
        assert store.known([*kept, "features"]) == set(kept)
        assert not store.has_features("features")
    (big_disk / "filler").unlink()
    with Store(big_disk / "store") as store:
        store.add("more", Stored({}, random_bytes(20_000)))
        assert store.known([*kept, "more"]) == {*kept, "more"}


@pytest.fixture
def big_disk(tiny_disk: Path) -> Path:
    """A file system that has room for some results, of which a file takes a part."""
    subprocess.run(["mount", "-o", "remount,size=600k", str(tiny_disk)], check=True)
    (tiny_disk / "filler").write_bytes(bytes(200_000))
    return tiny_disk


def test_a_disk_that_is_full_from_the_start(tiny_disk: Path) -> None:
    with pytest.raises(OutputError) as caught:
        Store(tiny_disk / "store").add("x", Stored({}, bytes(range(256)) * 1_000))
    one_line(caught, tiny_disk / "store")


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "results.sqlite").write_text("hello, I am no database\n" * 500)
    with pytest.raises(OutputError) as caught:
        Store(tmp_path)
    one_line(caught, tmp_path)
    assert (tmp_path / "results.sqlite").read_text().startswith("hello")


def test_a_database_of_something_else(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "results.sqlite") as database:
        database.execute("CREATE TABLE results (something TEXT)")
    database.close()
    with Store(tmp_path) as store, pytest.raises(OutputError) as caught:
        store.known(["x"])
    one_line(caught, tmp_path)


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError) as caught:
        Store(tmp_path / "file")
    one_line(caught, tmp_path / "file")


def test_a_read_only_folder(tiny_disk: Path) -> None:
    """Of a file system: root may write into any folder."""
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    with pytest.raises(OutputError) as caught:
        Store(tiny_disk / "store")
    one_line(caught, tiny_disk / "store")


def test_a_store_that_has_become_read_only(tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=600k", str(tiny_disk)], check=True)
    with Store(tiny_disk / "store") as store:
        store.add("x", Stored({}))
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    with pytest.raises(OutputError) as caught, Store(tiny_disk / "store") as store:
        store.add("y", Stored({}))
    one_line(caught, tiny_disk / "store")


def test_a_result_whose_row_is_damaged(store: Store) -> None:
    store.add("x", Stored({}, b"data"))
    store._database.execute("UPDATE results SET data = x'00', record = '{'")
    with pytest.raises(OutputError, match="cannot be used"):
        store.data("x")
    with pytest.raises(OutputError, match="cannot be used"):
        store.records(["x"])


def test_it_leaves_nothing_else(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        store.add("x", Stored(json.loads("{}")))
    assert sorted(os.listdir(tmp_path / "store")) == ["features", "results.sqlite"]
