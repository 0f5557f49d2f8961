"""Shapes: signed distances and a canvas to paint them on, batched.

Coordinates run from -1 to 1, x to the right and y down. A distance is negative inside. Numbers that differ between
portraits are [N, 1, 1]; a distance is [N, h, w].
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

Number = float | Tensor


class Canvas:
    """N pictures of the same size, painted back to front."""

    def __init__(self, count: int, size: int) -> None:
        self.pixels = torch.zeros(count, 3, size, size)
        self.size = size
        ticks = (torch.arange(size) + 0.5) * (2 / size) - 1
        self._ticks = ticks
        self._view = self.pixels
        self.x, self.y = ticks.view(1, 1, -1), ticks.view(1, -1, 1)

    @contextmanager
    def window(self, left: float, top: float, right: float, bottom: float) -> Iterator[None]:
        """Paint within a rectangle only: what is small need not be computed everywhere."""
        columns = slice(*(round((edge + 1) / 2 * self.size) for edge in (left, right)))
        rows = slice(*(round((edge + 1) / 2 * self.size) for edge in (top, bottom)))
        before = self._view, self.x, self.y
        self._view = self.pixels[:, :, rows, columns]
        self.x, self.y = self._ticks[columns].view(1, 1, -1), self._ticks[rows].view(1, -1, 1)
        yield
        self._view, self.x, self.y = before

    def cover(self, distance: Tensor, *, soft: float = 0.0) -> Tensor:
        """How much of each pixel a shape covers, 0..1; soft is the extra width of its edge."""
        return (0.5 - distance / (2 / self.size + soft)).clamp_(0, 1)

    def paint(self, cover: Tensor, colour: Tensor, opacity: Number = 1.0) -> None:
        """Lay a colour ([N, 3, 1, 1] or [N, 3, h, w]) over the picture where it covers."""
        self._view.add_((cover * opacity).unsqueeze(1) * (colour - self._view))

    def shade(self, cover: Tensor, gain: Number) -> None:
        """Multiply the picture's brightness by `gain` where it covers."""
        self._view.mul_((1 + cover * (gain - 1)).unsqueeze(1))


def ellipse(x: Tensor, y: Tensor, centre_x: Number, centre_y: Number, radius_x: Number, radius_y: Number) -> Tensor:
    """Distance to an ellipse, exact on its edge and to first order near it."""
    u, v = (x - centre_x) / radius_x, (y - centre_y) / radius_y
    slope = torch.sqrt((u / radius_x) ** 2 + (v / radius_y) ** 2 + 1e-6)
    return (u * u + v * v - 1) / (2 * slope)


def box(x: Tensor, y: Tensor, centre_x: Number, centre_y: Number, half_x: Number, half_y: Number, round_by: float) -> Tensor:
    """Distance to a rectangle whose corners are rounded."""
    u = (x - centre_x).abs() - half_x + round_by
    v = (y - centre_y).abs() - half_y + round_by
    outside = torch.sqrt(u.clamp_min(0) ** 2 + v.clamp_min(0) ** 2)
    return outside + torch.maximum(u, v).clamp_max(0) - round_by


def stroke(x: Tensor, y: Tensor, centre_x: Number, centre_y: Number, half_x: Number, bend: Number, thick: Number) -> Tensor:
    """Distance to a bow-shaped line that thins towards its ends; positive bend turns the ends up."""
    u = ((x - centre_x) / half_x).clamp(-3, 3)
    slope = 2 * bend * u / half_x
    across = (y - (centre_y - bend * u * u)).abs() / torch.sqrt(1 + slope * slope)
    return torch.maximum(across - thick * (1 - 0.7 * u * u), (u.abs() - 1) * half_x)


def join(first: Tensor, second: Tensor, radius: float) -> Tensor:
    """The union of two shapes, blended over `radius` (polynomial smooth minimum)."""
    mix = (0.5 + (second - first) / (2 * radius)).clamp(0, 1)
    return second + (first - second) * mix - radius * mix * (1 - mix)


def glow(x: Tensor, y: Tensor, centre_x: Number, centre_y: Number, radius_x: Number, radius_y: Number) -> Tensor:
    """A soft round spot, 1 at its centre."""
    return torch.exp(-(((x - centre_x) / radius_x) ** 2) - ((y - centre_y) / radius_y) ** 2)


def palette(stops: list[tuple[float, float, float]], place: Tensor) -> Tensor:
    """The colour at a place 0..1 [N] on a row of colours, [N, 3, 1, 1]."""
    colours = torch.tensor(stops)
    at = place.clamp(0, 1) * (len(stops) - 1)
    below = at.floor().clamp_max(len(stops) - 2).long()
    share = (at - below).unsqueeze(1)
    return (colours[below] * (1 - share) + colours[below + 1] * share)[:, :, None, None]


def lumps(x: Tensor, y: Tensor, size: float) -> Tensor:
    """A pattern of round bumps in about -1..1, packed like the cells of a honeycomb, for curls."""
    u, v = x / size + 0.22 * torch.sin(1.7 / size * y), y / (0.866 * size)
    even = (torch.remainder(u, 1) - 0.5) ** 2 + 0.75 * (torch.remainder(v, 2) - 0.5) ** 2
    odd = (torch.remainder(u + 0.5, 1) - 0.5) ** 2 + 0.75 * (torch.remainder(v + 1, 2) - 0.5) ** 2
    return 1 - 5.0 * torch.minimum(even, odd)
