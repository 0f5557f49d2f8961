"""Blending: an edited square put back into its photo without a seam.

What is laid on the photo is the difference between the square as it was cut out and as it was drawn, faded towards the square's
edges. Where both are the same, nothing is: an edit of nothing of a perfect inversion gives the photo back bit for bit.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from beholder.editing.faces.alignment import Square, sample
from beholder.errors import EditError

_INNER, _OUTER = 0.62, 0.98  # of half a side: the drawing counts fully within the first, not at all beyond the second
_SAME, _OTHER = 4.0, 16.0  # levels of 255: differences below which the photo's own fine detail stays, and above which it goes


def put_back(photo: np.ndarray, square: Square, cut: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Lay a drawing of a square back on the photo that the square was cut out of.

    photo: uint8 RGB [H, W, 3]; cut: the square as `alignment.cut` gave it, drawn: as an editor drew it, both uint8 [R, R, 3].
    Returns uint8 [H, W, 3]: outside the square the photo's own bits. The photo's detail that is finer than the square's pixels
    stays where cut and drawing agree, and goes where the drawing is another, so that no outline of before shines through.
    Raises EditError where the shapes don't match.
    """
    if cut.shape != drawn.shape or cut.ndim != 3 or cut.shape[0] != cut.shape[1]:
        raise EditError(f"expected two squares of the same size, got {list(cut.shape)} and {list(drawn.shape)}")
    size = len(cut)
    low = np.maximum(np.floor(square.corners.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(square.corners.max(axis=0)).astype(int), photo.shape[1::-1])
    if (low >= high).any():
        return photo.copy()
    finer = max(1, math.ceil(size / square.side))  # samples of the square for each pixel of the photo, along each side
    x, y = (low[i] + (np.arange((high - low)[i] * finer) + 0.5) / finer for i in (0, 1))
    places = square.from_photo(np.stack(np.meshgrid(x, y), axis=-1)) * size

    was, shift = _planes(cut), _planes(drawn) - _planes(cut)
    weight = _fade(size)
    replaced = weight * _ramp(_spread(shift.abs().amax(dim=1, keepdim=True)), _SAME, _OTHER)
    layers = torch.cat([weight * shift, replaced, was], dim=1)
    layers = functional.avg_pool2d(sample(layers, places, "bicubic"), finer)
    shift, replaced, was = layers[:, :3], layers[:, 3:4].clamp(0, 1), layers[:, 4:]

    part = torch.from_numpy(photo[low[1] : high[1], low[0] : high[0]].copy())
    own = part.permute(2, 0, 1)[None].float()
    blended = own + shift + replaced * (was - own)
    inside = functional.avg_pool2d(torch.from_numpy(((places > 0) & (places < size)).all(axis=-1)).float()[None, None], finer)
    blended = torch.where(inside > 0, blended, own)
    found = photo.copy()
    found[low[1] : high[1], low[0] : high[0]] = blended[0].permute(1, 2, 0).round().clamp(0, 255).to(torch.uint8).numpy()
    return found


def _planes(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None].float()


def _fade(size: int) -> Tensor:
    """1 in the middle of a square, 0 at its edges, [1, 1, size, size]; rounded at the corners."""
    ticks = ((torch.arange(size) + 0.5) / size * 2 - 1).abs() ** 4
    return _ramp(-((ticks[:, None] + ticks) ** 0.25), -_OUTER, -_INNER)[None, None]


def _ramp(value: Tensor, low: float, high: float) -> Tensor:
    """0 below `low`, 1 above `high`, and smooth between."""
    share = ((value - low) / (high - low)).clamp(0, 1)
    return share * share * (3 - 2 * share)


def _spread(difference: Tensor) -> Tensor:
    """The largest difference near each pixel [1, 1, R, R], a little smoothed: detail goes around what changed, too."""
    reach = max(1, difference.shape[-1] // 64)
    wide = functional.max_pool2d(difference, 2 * reach + 1, stride=1, padding=reach)
    return functional.avg_pool2d(wide, 2 * reach + 1, stride=1, padding=reach, count_include_pad=False)
