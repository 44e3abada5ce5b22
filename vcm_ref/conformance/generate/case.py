"""A vector as it is declared: a family is a function whose docstring says what its vectors are for."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..manifest import Kind

#: Vectors whose bytes have changed since their first publication.
REVISIONS: dict[str, int] = {
    "BADMODEL_SAME": 2,
    "BADMODEL_SHORT": 2,
    "COEFGROUP_BEFORE": 2,
    "COEFTABLES_BEFORE": 2,
    "GRAPH_REFERENCE": 2,
    "KLT_REFERENCE": 2,
    "MODEL_REFERENCE": 2,
    "UNKNOWN_MODEL": 2,
    "UNKNOWN_MODEL_GONE": 2,
}


class UnavailableError(Exception):
    """What makes a vector is not on this machine; the vector that is there stays."""


@dataclass(frozen=True)
class Case:
    """One vector to make: ``name`` is its id without the revision, ``make`` gives its bytes.

    ``errors`` are of a negative or limit one. ``base`` names the positive vector whose inner planes a decoder is given
    in mode A, if that is not its own.
    """

    name: str
    kind: Kind
    features: tuple[str, ...]
    purpose: str
    failure_suggests: str
    make: Callable[[], bytes]
    clauses: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    base: str | None = None

    @property
    def revision(self) -> int:
        """1, until its bytes change."""
        return REVISIONS.get(self.name, 1)

    @property
    def id(self) -> str:
        """What the manifest calls it."""
        return f"{self.name}_{self.revision}"


@dataclass(frozen=True)
class Variant:
    """One member of a family: what distinguishes its name, what its docstring's braces stand for, its bytes."""

    label: str
    make: Callable[[], bytes]
    words: tuple[object, ...] = ()
    features: tuple[str, ...] = ()
    clauses: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    base: str | None = None


Family = Callable[[], Iterator[Variant]]
FAMILIES: list[Callable[[], Iterator[Case]]] = []


def family(feature: str, *features: str, kind: Kind = "positive", error: str = "") -> Callable[[Family], Family]:
    """Enters a function in the suite.

    Its docstring is the vectors' entry in the manifest: the first paragraph is their purpose, with each variant's words
    in its braces, the second what a failure suggests.
    """

    def enter(function: Family) -> Family:
        purpose, suggests = [" ".join(part.split()) for part in inspect.getdoc(function).split("\n\n")]  # type: ignore[union-attr]

        def cases() -> Iterator[Case]:
            for variant in function():
                yield Case(
                    re.sub(r"(?<=\d)X(?=\d)", "x", f"{feature}_{variant.label}".upper()),
                    kind,
                    (*features, *variant.features),
                    purpose.format(*variant.words),
                    suggests,
                    variant.make,
                    variant.clauses,
                    variant.errors or ((error,) if error else ()),
                    variant.base,
                )

        FAMILIES.append(cases)
        return function

    return enter


def all_cases() -> list[Case]:
    """Every declared vector, in the order of declaration."""
    from . import (  # noqa: F401  entering their families
        core,
        damage,
        edges,
        extensions,
        graph,
        graph_faults,
        inner,
        klt,
        levels,
        model_header,
        negative,
        pairs,
        payload,
        pca,
        precise,
        structure,
        tensors,
        units,
        video,
    )

    return [case for cases in FAMILIES for case in cases()]
