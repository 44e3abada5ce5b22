"""The words of version 0.1 in configurations: each stands for a word of today."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from vcm_ref.configuration import Configuration, load_configuration
from vcm_ref.configuration.words import in_current_words
from vcm_ref.errors import ConfigError

METHODS = {"frames": "frames", "quilted": "quilted", "tiled": "stacked"}
ALLOCATIONS = {"spatial": "frame_major", "temporal": "interleaved"}


@pytest.mark.parametrize(("method", "allocation"), list(product(METHODS, ALLOCATIONS)))
def test_old_words_mean_the_same(method: str, allocation: str, tmp_path: Path) -> None:
    """In a file, in ``--set``, and in the record of an anchor."""
    packing = {"method": METHODS[method], "allocation": ALLOCATIONS[allocation], "grid": {"p2": "4x4"}}
    file = tmp_path / "old.yaml"
    file.write_text(f"arrangement: {{method: {method}, allocation: {allocation}, grid: {{p2: 4x4}}}}\n")
    settings = [f"arrangement.method={method}", f"arrangement.allocation={allocation}", "arrangement.grid.p2=4x4"]
    record = {"arrangement": {"method": method, "allocation": allocation, "grid": {"p2": "4x4"}}}
    new = Configuration({"packing": packing})
    for old in (load_configuration([file]), load_configuration([], settings), Configuration(record)):
        assert old.tree == new.tree
        assert old.get("packing") == packing


def test_a_file_with_both_names_is_refused(tmp_path: Path) -> None:
    """Nobody can know which of them counts."""
    file = tmp_path / "both.yaml"
    file.write_text("packing: {method: frames}\narrangement: {method: tiled}\n")
    with pytest.raises(ConfigError, match=r"arrangement: is the old name of packing.*both.yaml, line 2"):
        load_configuration([file])


def test_an_old_file_and_a_new_setting(tmp_path: Path) -> None:
    """They are layers, and the later one wins."""
    file = tmp_path / "old.yaml"
    file.write_text("arrangement: {method: tiled, allocation: temporal}\n")
    made = load_configuration([file], ["packing.method=quilted"])
    assert made.get("packing") == {"method": "quilted", "allocation": "interleaved"}


def test_the_line_of_an_old_word_is_named(tmp_path: Path) -> None:
    """Also where its section has another name today."""
    file = tmp_path / "old.yaml"
    file.write_text("codec: {qp: 3}\narrangement:\n  method: heaped\n")
    with pytest.raises(ConfigError, match=r"packing.method: is 'heaped'.*old.yaml, line 3"):
        load_configuration([file])


def test_other_trees_stay_as_they_are() -> None:
    """Also those that no schema allows."""
    for tree in ({}, {"codec": {"qp": 3}}, {"packing": None}, {"arrangement": 3}, {"packing": {"method": 3}}):
        assert list(in_current_words(tree).values()) == list(tree.values())
