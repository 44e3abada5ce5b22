"""The cost of networks that run in torch, by torch's own counter of floating-point operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vcm_ref.models.cost import PartCost

Result = TypeVar("Result")
_OPERATIONS = 2
"""Of a multiply–accumulate, as the counter counts them."""


def counted(model: nn.Module, run: Callable[..., Result], *given: Any) -> tuple[Result, PartCost]:
    """Run one part of ``model``, and count its cost: parameters and buffers of the layers that ran."""
    ran: dict[int, nn.Module] = {}

    def note(module: nn.Module, _: Any) -> None:
        ran[id(module)] = module

    hooks = [module.register_forward_pre_hook(note) for module in model.modules()]
    try:
        with FlopCounterMode(display=False) as counter:
            result = run(*given)
    finally:
        for hook in hooks:
            hook.remove()
    tensors = {
        id(tensor): tensor.numel()
        for module in ran.values()
        for tensor in (*module.parameters(recurse=False), *module.buffers(recurse=False))
        if tensor.is_floating_point()
    }
    return result, PartCost(counter.get_total_flops() // _OPERATIONS, sum(tensors.values()))


def split_cost(network: Any, image: Any) -> tuple[PartCost, PartCost]:
    """The cost of part 1 and of part 2 of a network whose torch model is ``network.model``."""
    features, part1 = counted(network.model, network.extract, image)
    _, part2 = counted(network.model, network.analyse, features)
    return part1, part2
