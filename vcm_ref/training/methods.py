"""The methods of reduction that have something to train, by ``reduction.method``."""

from __future__ import annotations

from collections.abc import Callable

from . import klt
from .job import Job

METHODS: dict[str, Callable[[Job], bytes]] = {"klt": klt.train}
