"""How each part of a torch network becomes operations of an integer graph (docs/bitstream.md, 8.11)."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..bitstream.values import GraphOperation as Kind
from ..errors import NetworkError
from .graph_builder import GraphBuilder, Numbers, Value


@dataclass(frozen=True)
class Context:
    """Where results go, and the bits and fraction bits that calibration wants for this one."""

    builder: GraphBuilder
    bits: int
    fraction: int


def _power(number: Any, what: str) -> int:
    """The exponent of a power of two, the same for lines and columns."""
    sides = set(number) if isinstance(number, (tuple, list)) else {number}
    side = sides.pop()
    exponent = max(int(side).bit_length() - 1, 0)
    if sides or side != 1 << exponent:
        raise NetworkError(f"{what} is {number}; an integer graph has powers of two, the same both ways")
    return exponent


def _numbers(tensor: Tensor) -> Numbers:
    numbers: Numbers = tensor.detach().double().numpy()
    return numbers


def _convolution(c: Context, module: nn.Conv2d, x: Value) -> Value:
    side = module.kernel_size[0]
    fits = (
        module.kernel_size == (side, side)
        and module.dilation == (1, 1)
        and module.padding_mode == "zeros"
        and module.padding in (((side - 1) // 2, (side - 1) // 2), *(("same",) if side % 2 else ()))
    )
    if not fits:
        raise NetworkError(f"an integer graph has no {module}: it pads with (k - 1) // 2 zeros and has no dilation")
    bias = np.zeros(module.out_channels) if module.bias is None else _numbers(module.bias)
    stride = _power(module.stride, "a stride")
    return c.builder.convolved(x, _numbers(module.weight), bias, c.bits, c.fraction, stride)


def _transposed(c: Context, module: nn.ConvTranspose2d, x: Value) -> Value:
    """A transposed convolution whose steps do not overlap: 1×1 to the channels of all places, then SHUFFLE."""
    if module.kernel_size != module.stride or module.padding != (0, 0) or module.groups != 1:
        raise NetworkError(
            f"an integer graph has no {module}: its stride is its size, and it has neither padding nor groups"
        )
    p = _power(module.stride, "a stride")
    weight = _numbers(module.weight).transpose(1, 2, 3, 0).reshape(-1, module.in_channels, 1, 1)
    bias = np.zeros(module.out_channels) if module.bias is None else _numbers(module.bias)
    wide = c.builder.convolved(x, weight, bias.repeat(4**p), c.bits, c.fraction)
    return c.builder.moved(Kind.SHUFFLE, wide, p) if p else wide


def _normalisation(c: Context, module: nn.BatchNorm2d, x: Value) -> Value:
    if module.running_mean is None or module.running_var is None:
        raise NetworkError("batch normalisation has no statistics of its own")
    gain = 1 / np.sqrt(_numbers(module.running_var) + module.eps)
    gain = gain if module.weight is None else gain * _numbers(module.weight)
    offset = np.zeros(len(gain)) if module.bias is None else _numbers(module.bias)
    return c.builder.depthwise(x, gain, offset - gain * _numbers(module.running_mean), c.bits, c.fraction)


def _leaky(c: Context, x: Value, negative_slope: float = 0.01, inplace: bool = False) -> Value:
    return c.builder.prelu(x, np.full(x.form.channels, negative_slope))


def _prelu(c: Context, x: Value, slopes: Tensor) -> Value:
    return c.builder.prelu(x, np.broadcast_to(_numbers(slopes), x.form.channels).copy())


def _moved(c: Context, kind: Kind, x: Value, factor: Any) -> Value:
    p = _power(factor, "a factor")
    return c.builder.moved(kind, x, p) if p else x


def _pool(c: Context, x: Value, size: Any, stride: Any = None, padding: Any = 0) -> Value:
    if _power(size, "a pool") != _power(stride or size, "a stride") or padding not in (0, (0, 0)):
        raise NetworkError("an integer graph pools blocks that lie side by side")
    return _moved(c, Kind.POOL, x, size)


def _upsample(
    c: Context, x: Value, size: Any = None, scale_factor: Any = None, mode: str = "nearest", **others: Any
) -> Value:
    if mode not in ("nearest", "nearest-exact") or scale_factor is None or any(others.values()):
        raise NetworkError("an integer graph enlarges by repeating samples, with scale_factor")
    return _moved(c, Kind.UPSAMPLE, x, scale_factor)


def _mean(c: Context, x: Value, size: Any = 1) -> Value:
    if size not in (1, (1, 1)):
        raise NetworkError("an integer graph has means of whole maps only")
    return c.builder.mean(x)


def _sigmoid(c: Context, x: Value) -> Value:
    return c.builder.table(x, lambda v: 1 / (1 + np.exp(-v)))


def _hard_sigmoid(c: Context, x: Value) -> Value:
    return c.builder.table(x, lambda v: np.clip(v / 6 + 0.5, 0, 1))


def _tanh(c: Context, x: Value) -> Value:
    return c.builder.table(x, np.tanh)


def _silu(c: Context, x: Value) -> Value:
    return c.builder.multiplied(x, _sigmoid(c, x), c.bits, c.fraction)


def _by_channel(constant: Any, channels: int) -> Numbers | None:
    """A constant as a number for each channel; ``None`` where it is none, or another one for each sample."""
    if isinstance(constant, (int, float)):
        return np.full(channels, float(constant))
    if isinstance(constant, Tensor) and constant.numel() in (1, channels):
        shape = (1,) * (4 - constant.dim()) + tuple(constant.shape)
        if constant.numel() == 1 or shape == (1, channels, 1, 1):
            return np.broadcast_to(_numbers(constant).reshape(-1), channels).copy()
    return None


def _operands(x: Any, y: Any) -> tuple[Value, Any]:
    """The two in the order that the graph takes: a tensor first, and of two tensors a single one second."""
    if not isinstance(x, Value):
        x, y = y, x
    return (y, x) if isinstance(y, Value) and x.form.shift is None else (x, y)


def _add(c: Context, x: Any, y: Any) -> Value:
    x, y = _operands(x, y)
    if isinstance(y, Value):
        return c.builder.added(x, y, c.bits, c.fraction)
    offset = _by_channel(y, x.form.channels)
    if offset is None:
        raise NetworkError("an integer graph adds tensors, or one number a channel")
    return c.builder.depthwise(x, np.ones(len(offset)), offset, c.bits, c.fraction)


def _multiply(c: Context, x: Any, y: Any) -> Value:
    x, y = _operands(x, y)
    if isinstance(y, Value):
        return c.builder.multiplied(x, y, c.bits, c.fraction)
    gain = _by_channel(y, x.form.channels)
    if gain is None:
        raise NetworkError("an integer graph multiplies tensors, or by one number a channel")
    return c.builder.depthwise(x, gain, np.zeros(len(gain)), c.bits, c.fraction)


def _subtract(c: Context, x: Any, y: Any) -> Value:
    if isinstance(y, Value):
        minus = np.full(y.form.channels, -1.0)
        y = c.builder.depthwise(y, minus, np.zeros(len(minus)), y.form.bits, y.fraction)
    else:
        y = -y
    return _add(c, x, y)


def _divide(c: Context, x: Any, y: Any) -> Value:
    if isinstance(y, Value):
        raise NetworkError("an integer graph divides by constants only")
    return _multiply(c, x, 1 / y)


def _cat(c: Context, tensors: Sequence[Value], dim: int = 0) -> Value:
    if dim not in (1, -3):
        raise NetworkError("an integer graph joins tensors by their channels")
    return c.builder.concatenated(tensors, c.bits, c.fraction)


def _item(c: Context, x: Any, place: Any) -> Any:
    if isinstance(x, (list, tuple)):
        return x[place]
    places = place if isinstance(place, tuple) else (place,)
    if len(places) < 2 or any(one not in (slice(None), Ellipsis) for one in (places[0], *places[2:])):
        raise NetworkError("an integer graph takes channels out of a tensor, as in x[:, a:b]")
    first, end, step = places[1].indices(x.form.channels)
    if step != 1:
        raise NetworkError("an integer graph takes channels that follow each other")
    return c.builder.sliced(x, first, end - first)


def _split(c: Context, x: Value, sizes: int | Sequence[int], dim: int = 0) -> list[Value]:
    if dim not in (1, -3):
        raise NetworkError("an integer graph splits tensors by their channels")
    channels = x.form.channels
    counts = [min(sizes, channels - at) for at in range(0, channels, sizes)] if isinstance(sizes, int) else sizes
    starts = np.cumsum([0, *counts])[:-1].tolist()
    return [c.builder.sliced(x, start, count) for start, count in zip(starts, counts, strict=True)]


def _chunk(c: Context, x: Value, chunks: int, dim: int = 0) -> list[Value]:
    return _split(c, x, -(-x.form.channels // chunks), dim)


def _same(c: Context, x: Value, *_: Any, **__: Any) -> Value:
    return x


def _relu(c: Context, x: Value, inplace: bool = False) -> Value:
    return c.builder.relu(x)


Rule = Callable[..., Any]

#: By the type of a module; the module itself is the second argument.
MODULES: dict[type[nn.Module], Rule] = {
    nn.Conv2d: _convolution,
    nn.ConvTranspose2d: _transposed,
    nn.BatchNorm2d: _normalisation,
    nn.ReLU: lambda c, m, x: _relu(c, x),
    nn.LeakyReLU: lambda c, m, x: _leaky(c, x, m.negative_slope),
    nn.PReLU: lambda c, m, x: _prelu(c, x, m.weight),
    nn.Sigmoid: lambda c, m, x: _sigmoid(c, x),
    nn.Hardsigmoid: lambda c, m, x: _hard_sigmoid(c, x),
    nn.Tanh: lambda c, m, x: _tanh(c, x),
    nn.SiLU: lambda c, m, x: _silu(c, x),
    nn.Upsample: lambda c, m, x: _upsample(c, x, m.size, m.scale_factor, m.mode),
    nn.UpsamplingNearest2d: lambda c, m, x: _upsample(c, x, m.size, m.scale_factor),
    nn.PixelShuffle: lambda c, m, x: _moved(c, Kind.SHUFFLE, x, m.upscale_factor),
    nn.PixelUnshuffle: lambda c, m, x: _moved(c, Kind.UNSHUFFLE, x, m.downscale_factor),
    nn.AvgPool2d: lambda c, m, x: _pool(c, x, m.kernel_size, m.stride, m.padding),
    nn.AdaptiveAvgPool2d: lambda c, m, x: _mean(c, x, m.output_size),
    nn.Identity: lambda c, m, x: x,
    nn.Dropout: lambda c, m, x: x,
}

#: By the function that is called.
FUNCTIONS: dict[Any, Rule] = {
    operator.add: _add,
    operator.iadd: _add,
    torch.add: _add,
    operator.sub: _subtract,
    torch.sub: _subtract,
    operator.mul: _multiply,
    operator.imul: _multiply,
    torch.mul: _multiply,
    operator.truediv: _divide,
    operator.getitem: _item,
    torch.cat: _cat,
    torch.concat: _cat,
    torch.split: _split,
    torch.chunk: _chunk,
    torch.relu: _relu,
    torch.sigmoid: _sigmoid,
    torch.tanh: _tanh,
    functional.relu: _relu,
    functional.leaky_relu: _leaky,
    functional.prelu: _prelu,
    functional.sigmoid: _sigmoid,
    functional.silu: _silu,
    functional.hardsigmoid: _hard_sigmoid,
    functional.interpolate: _upsample,
    functional.pixel_shuffle: lambda c, x, factor: _moved(c, Kind.SHUFFLE, x, factor),
    functional.pixel_unshuffle: lambda c, x, factor: _moved(c, Kind.UNSHUFFLE, x, factor),
    torch.pixel_shuffle: lambda c, x, factor: _moved(c, Kind.SHUFFLE, x, factor),
    torch.pixel_unshuffle: lambda c, x, factor: _moved(c, Kind.UNSHUFFLE, x, factor),
    functional.avg_pool2d: _pool,
    functional.adaptive_avg_pool2d: _mean,
}

#: Parts whose results are samples of what they take, in another place.
MOVES: set[Any] = {
    nn.Identity,
    nn.Dropout,
    nn.PixelShuffle,
    nn.PixelUnshuffle,
    nn.Upsample,
    nn.UpsamplingNearest2d,
    operator.getitem,
    torch.cat,
    torch.concat,
    torch.split,
    torch.chunk,
    functional.interpolate,
    functional.pixel_shuffle,
    functional.pixel_unshuffle,
    torch.pixel_shuffle,
    torch.pixel_unshuffle,
    "split",
    "chunk",
    "contiguous",
    "clone",
}

#: By the name of a method of a tensor.
METHODS: dict[str, Rule] = {
    "relu": _relu,
    "sigmoid": _sigmoid,
    "tanh": _tanh,
    "split": _split,
    "chunk": _chunk,
    "contiguous": _same,
    "clone": _same,
}
