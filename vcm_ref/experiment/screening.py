"""Screening of combinations of grids: all of them over the first pictures, and only the best ones over all pictures.

Rhee et al.'s Equation 1 has 625 combinations for four layers. Coding is shared between them, part 2 of the network is
not: it runs once for each combination, picture and QP.
"""

from __future__ import annotations

from dataclasses import replace

from .report.combinations import PUBLISHED_BEST
from .report.combinations import Combinations as Ranked
from .sweep import Sweep
from .sweep_file import SweepFile


def screened_sweep(file: SweepFile) -> Sweep | None:
    """All combinations, and no other method, over the first pictures; None where nothing is to be screened.

    So it is without screening in the file, and where the first pictures are all pictures.
    """
    combinations = file.combinations
    if combinations is None or combinations.screening is None:
        return None
    pictures = combinations.screening.pictures
    if pictures >= len(file.sweep.items):
        return None
    methods = [method for method in file.sweep.methods if method.name in combinations.of]
    return replace(file.sweep, items=file.sweep.items[:pictures], methods=methods)


def with_finalists(file: SweepFile, found: Ranked) -> SweepFile:
    """The sweep file with those of its combinations that are worth all pictures.

    They are the best ones as ``found`` ranks them, the reference, and Rhee et al.'s choice.
    """
    combinations = file.combinations
    assert combinations is not None
    assert combinations.screening is not None
    kept = {one.grids for one in (*found.ranked[: combinations.screening.best], found.reference)}
    of = {name: grids for name, grids in combinations.of.items() if grids in kept or grids == PUBLISHED_BEST}
    methods = [method for method in file.sweep.methods if method.name in of or method.name not in combinations.of]
    return file._replace(combinations=combinations._replace(of=of), sweep=replace(file.sweep, methods=methods))
