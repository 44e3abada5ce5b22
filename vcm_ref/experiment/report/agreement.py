"""Whether curves may be compared at all: they must be over the same pictures, with one network, in one metric."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

from .method import Method
from .provenance import flat

_SHORT = 12  # of a digest, where it stands in a sentence


def differences(methods: Sequence[Method]) -> list[str]:
    """A sentence for each of metrics, data, pictures, labels and networks that are not the same in all methods.

    What a published curve does not state is taken to agree; :func:`unstated` names it.
    """
    return [
        f"The {what} differ{_unlike(methods) if what == 'networks' else ''}: {groups}."
        for what, value in _COMPARED.items()
        if (groups := _groups(methods, value))
    ]


def unstated(methods: Sequence[Method]) -> list[str]:
    """A sentence on the published curves, of which nobody can tell whether data and network are the same."""
    published = [method.name for method in methods if not method.anchor_file]
    if not published or len(methods) == 1:
        return []
    states = "does not state its" if len(published) == 1 else "do not state their"
    return [f"{_listed(published)} {states} data and network by digest, so they were not compared."]


def _groups(methods: Sequence[Method], value: Callable[[Method], str]) -> str:
    """``scenes 0123 (a, b); photographs 4567 (c)``; empty where all are the same."""
    names: dict[str, list[str]] = {}
    for method in methods:
        if text := value(method):
            names.setdefault(text, []).append(method.name)
    return "; ".join(f"{text} ({', '.join(of)})" for text, of in names.items()) if len(names) > 1 else ""


def _data(method: Method) -> str:
    digest = str(method.anchor_file["data"].get("sha256", "")) if method.anchor_file else ""
    return f"{method.data} {digest[:_SHORT]}".strip()


def _pictures(method: Method) -> str:
    pictures = method.anchor_file.get("pictures")
    if not pictures:
        return ""
    content = [[picture["id"], picture.get("sha256")] for picture in pictures]
    return f"{len(pictures)} pictures {_digest(sorted(content, key=repr))}"


def _network(method: Method) -> str:
    described = method.anchor_file.get("network")
    return f"{method.network} {_digest(described)}" if described else ""


def _unlike(methods: Sequence[Method]) -> str:
    """Where the networks' descriptions are not the same: `` in network.options.weights``."""
    described = [dict(flat("network", m.anchor_file["network"])) for m in methods if m.anchor_file]
    items = dict.fromkeys(item for one in described for item in one)
    return " in " + ", ".join(item for item in items if len({one.get(item) for one in described}) > 1)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:_SHORT]


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


_COMPARED: dict[str, Callable[[Method], str]] = {
    "metrics": lambda method: method.curve.metric,
    "data": _data,
    "pictures": _pictures,
    "labels": lambda method: str(method.anchor_file.get("labels", "")),
    "networks": _network,
}
