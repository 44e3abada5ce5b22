from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from vcm_ref.conversion.parallel import core_count, map_blocks, share_out


def test_core_count() -> None:
    assert 1 <= core_count() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("threads", [None, 1, 3, 100])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_every_item_is_drawn_once(threads: int | None, count: int) -> None:
    drawn: list[int] = []
    share_out(drawn.extend, range(count), threads)
    assert sorted(drawn) == list(range(count))


@pytest.mark.parametrize("threads", [1, 4])
def test_an_exception_comes_through(threads: int) -> None:
    def work(items: Iterator[int]) -> None:
        for item in items:
            if item == 7:
                raise KeyError(item)

    with pytest.raises(KeyError, match="7"):
        share_out(work, range(20), threads)


@pytest.mark.parametrize("shape", [(1, 1, 1), (256, 25, 34), (3, 1000, 1000), (7, 100, 136)])
def test_blocks_cover_the_channels(shape: tuple[int, int, int]) -> None:
    channels = [channel for block in map_blocks(shape) for channel in range(block.start, block.stop)]
    assert channels == list(range(shape[0]))
