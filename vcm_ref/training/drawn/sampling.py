"""Inputs of a network out of pictures that lie on the device: many at once, in a few operations on whole tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vcm_ref.network.onnx_pictures import Preprocessing

from .parts import Piece, View

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601


class Pictures:
    """All pictures' samples, one after the other, as (pixels, 3) uint8 on the device."""

    def __init__(self, pictures: Sequence[NDArray[np.uint8]], device: torch.device) -> None:
        """``pictures`` are (H, W, 3) RGB."""
        self._samples = torch.from_numpy(np.concatenate([one.reshape(-1, 3) for one in pictures])).to(device)
        self.sizes = [(one.shape[0], one.shape[1]) for one in pictures]
        self._firsts = np.cumsum([0, *(height * width for height, width in self.sizes)])
        self._device = device

    def inputs(self, views: Sequence[View], preprocessing: Preprocessing) -> Tensor:
        """What the network is given of each view: (N, 3, H, W) float32, by the rules of ``preprocessing``."""
        rows, columns = preprocessing.input_size(*self.sizes[views[0].pieces[0].picture])
        numbers = np.array([[self._mapping(piece) for piece in view.pieces] for view in views])  # (N, 4, 12)
        centres = torch.from_numpy(np.array([view.centre for view in views])).to(self._device)
        line, column = (torch.arange(count, device=self._device) for count in (rows, columns))
        quarter = 2 * (line[None, :, None] >= centres[:, 0, None, None]) + (column >= centres[:, 1, None, None])
        quarter = quarter + 4 * torch.arange(len(views), device=self._device)[:, None, None]
        whole = torch.from_numpy(numbers[..., :4].astype(np.int64).reshape(-1, 4)).to(self._device)
        real = torch.from_numpy(numbers[..., 4:].astype(np.float32).reshape(-1, 8)).to(self._device)
        first, width, last_row, last_column = whole[quarter].unbind(-1)
        y_down, y_across, y_first, x_down, x_across, x_first, target_bottom, target_right = real[quarter].unbind(-1)
        y, x = (
            line[:, None] * down + column * across + start
            for down, across, start in ((y_down, y_across, y_first), (x_down, x_across, x_first))
        )
        inside = ((line[:, None] < target_bottom) & (column < target_right))[..., None]
        samples = self._between(first, width, y, x, last_row, last_column)
        samples = torch.where(inside, self._changed(samples, inside, views), float(preprocessing.fill))
        return _as_input(samples, preprocessing)

    def _mapping(self, piece: Piece) -> list[float]:
        """Of a piece: its first pixel, the picture's width, and the piece's last row and column; for the place in the
        piece, its line and then its column: what it gains from line to line and from column to column of the input, and
        its value at the input's first sample; and where the piece ends in the input.
        """
        source, target = piece.source, piece.target
        width = self.sizes[piece.picture][1]
        first = self._firsts[piece.picture] + source.top * width + source.left
        down, across = source.rows / target.rows, source.columns / target.columns
        if piece.mirrored:
            across = -across
        cosine, sine = np.cos(np.radians(piece.degrees)), np.sin(np.radians(piece.degrees))
        lines = (down * cosine, -down * sine)
        columns = (across * sine, across * cosine)
        # the centres of samples lie half a sample from their beginnings
        centre = (target.top + target.rows / 2 - 0.5, target.left + target.columns / 2 - 0.5)
        y_first = source.rows / 2 - 0.5 - lines[0] * centre[0] - lines[1] * centre[1]
        x_first = source.columns / 2 - 0.5 - columns[0] * centre[0] - columns[1] * centre[1]
        ends = (target.top + target.rows, target.left + target.columns)
        return [first, width, source.rows - 1, source.columns - 1, *lines, y_first, *columns, x_first, *ends]

    def _between(self, first: Tensor, width: Tensor, y: Tensor, x: Tensor, last_row: Tensor, last: Tensor) -> Tensor:
        """Samples (N, H, W, 3) between the four nearest pixels each, without their fraction, as Pillow has them."""
        above, before = y.floor(), x.floor()
        down, across = (y - above)[..., None], (x - before)[..., None]
        lines = [above.long(), above.long() + 1]
        columns = [before.long(), before.long() + 1]
        zero = torch.zeros_like(last)
        lines = [torch.minimum(torch.maximum(one, zero), last_row) * width + first for one in lines]
        columns = [torch.minimum(torch.maximum(one, zero), last) for one in columns]

        def row(start: Tensor) -> Tensor:
            left, right = (self._samples[start + one].float() for one in columns)
            return left + (right - left) * across

        upper, lower = row(lines[0]), row(lines[1])
        # a little more than 0, for what is a whole number but for rounding
        return (upper + (lower - upper) * down + 1e-3).floor()

    def _changed(self, samples: Tensor, inside: Tensor, views: Sequence[View]) -> Tensor:
        """Samples with other brightness, contrast and colours, and others between them, as whole numbers."""
        changes = np.array([[*view.change[:3], *view.change.gains, view.change.mixed] for view in views], np.float32)
        given = torch.from_numpy(changes).to(self._device)[:, None, None]
        brightness, contrast, saturation, gains, mixed = torch.split(given, [1, 1, 1, 3, 1], -1)
        samples = samples + mixed * (samples.roll(1, 0) - samples)
        grey = samples @ samples.new_tensor(_GREY)[:, None]
        coloured = (grey + (samples - grey) * saturation) * gains
        mean = (coloured * inside).sum((1, 2, 3), keepdim=True) / (3 * inside.sum((1, 2, 3), keepdim=True))
        changed: Tensor = (coloured - mean) * contrast + mean * brightness
        return changed.round().clamp(0, 255)


def _as_input(samples: Tensor, preprocessing: Preprocessing) -> Tensor:
    """(N, H, W, 3) RGB samples in the network's order, and scaled as it wants them: (N, 3, H, W)."""
    ordered = samples.flip(-1) if preprocessing.channels == "bgr" else samples
    mean, deviation = (ordered.new_tensor(numbers) for numbers in (preprocessing.mean, preprocessing.std))
    return ((ordered - mean) / deviation).permute(0, 3, 1, 2).contiguous()
