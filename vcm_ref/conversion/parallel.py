"""Sharing independent work among threads.

NumPy releases the interpreter's lock inside its loops, so threads suffice. Every piece of work writes places
of its own, hence no result depends on how many threads there are or on which of them does what.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")

# A block of maps passes through several elementwise steps. At 2**16 samples (256 KiB of float32) block and
# scratch stay in a core's second-level cache, and the cost of calling NumPy stays small beside the work.
_BLOCK_SAMPLES = 1 << 16


class _Shared(Generic[Item]):
    """An iterator that several threads may draw from."""

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        with self._lock:
            return next(self._items)


def core_count() -> int:
    """Return the number of cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def share_out(work: Callable[[Iterator[Item]], None], items: Sequence[Item], threads: int | None) -> None:
    """Call ``work`` in up to ``threads`` threads (``None``: one a core), all drawing from the same ``items``.

    ``work`` allocates its scratch memory once and then loops over what it draws. An exception in any of the
    threads is raised here.
    """
    count = min(core_count() if threads is None else threads, len(items))
    shared = _Shared(items)
    if count <= 1:
        work(shared)
        return
    from concurrent.futures import ThreadPoolExecutor  # with logging, which takes as long as a small picture

    with ThreadPoolExecutor(count - 1) as pool:
        others = [pool.submit(work, shared) for _ in range(count - 1)]
        work(shared)
        for other in others:
            other.result()


def block_maps(height: int, width: int) -> int:
    """Return how many maps of this size one block holds: at least one, for a map is never divided."""
    return max(1, _BLOCK_SAMPLES // (height * width))


def map_blocks(shape: tuple[int, ...]) -> list[slice]:
    """Split the channels of a tensor ``(C, H, W)`` into blocks."""
    channels, height, width = shape
    maps = block_maps(height, width)
    return [slice(start, min(start + maps, channels)) for start in range(0, channels, maps)]
