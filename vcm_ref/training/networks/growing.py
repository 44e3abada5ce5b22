"""Weights of a network as those of a larger one, so that its training can start.

At first the larger network does what the smaller one does. After a KLT, it may have more components or more blocks, and
it restores the further components as the KLT does it. An MSFC network may have more coded maps or a greater width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

#: The axis of the components, for each tensor that has one.
_COMPONENTS = {
    "analysis.projection.weight": 0,
    "analysis.projection.bias": 0,
    "analysis.residual.6.weight": 0,
    "analysis.residual.6.bias": 0,
    "analysis.scales": 1,
    "synthesis.gains": 1,
    "synthesis.linear.weight": 1,
    "synthesis.first.weight": 1,
}
#: Those of them that are trained; and the one that has the QP behind the components.
_TRAINED = ("analysis.residual.6.weight", "analysis.residual.6.bias", "synthesis.first.weight")
_WITH_QP = "synthesis.first.weight"
#: The names of the blocks' weights, and the end of those of a block's last convolution.
_BLOCKS, _LAST_OF_BLOCK = "synthesis.blocks.", ".steps.3"

#: Parts of the names of an MSFC network's weights for each place.
_PLACED = (".details.", ".spreads.", ".carried.")


def grown(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``weights`` as those of the network whose weights ``own`` are; what cannot grow stays as it is."""
    found = {name: _more_components(name, given, own.get(name)) for name, given in weights.items()}
    for name in own.keys() - weights.keys():
        if name.startswith(_BLOCKS):
            last = name.rpartition(".")[0].endswith(_LAST_OF_BLOCK)
            found[name] = torch.zeros_like(own[name]) if last else own[name]
    return found


def _more_components(name: str, given: Tensor, own: Tensor | None) -> Tensor:
    axis = _COMPONENTS.get(name)
    if own is None or axis is None or own.shape == given.shape or own.dim() != given.dim():
        return given
    shape = list(own.shape)
    shape[axis] = given.shape[axis]
    if tuple(shape) != tuple(given.shape) or given.shape[axis] > own.shape[axis]:
        return given
    more = torch.zeros_like(own) if name in _TRAINED else own.clone()
    count = given.shape[axis]
    if name == _WITH_QP:
        count -= 1
        more[:, -1] = given[:, -1]
    more.narrow(axis, 0, count).copy_(given.narrow(axis, 0, count))
    return more


def widened(weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fill an MSFC network, whose first weights are ``own``, with the ``weights`` of a network of at most its sizes.

    The further maps begin with the weights of ``own``, and the maps of the smaller network take nothing from them.
    Where ``weights`` has none for each place (``placed``), those of ``own`` stay. A tensor that does not fit is
    returned as it is, so that loading refuses it.
    """
    found = {name: value for name, value in own.items() if any(part in name for part in _PLACED)}
    found |= {name: _more_maps(given, own.get(name)) for name, given in weights.items()}
    return found


def _more_maps(given: Tensor, own: Tensor | None) -> Tensor:
    if own is None or own.dim() != given.dim() or any(a > b for a, b in zip(given.shape, own.shape, strict=True)):
        return given
    more = own.clone()
    if given.dim() > 1:
        # A convolution has results first, then inputs: earlier results take nothing from further inputs. A transposed
        # one has inputs first; its first weights join each map with itself alone, so this holds without the zeros.
        more[: given.shape[0]] = 0
    more[tuple(slice(side) for side in given.shape)] = given
    return more
