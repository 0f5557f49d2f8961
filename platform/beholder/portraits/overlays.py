"""Overlays: detail that the portrait world does not have, drawn over portraits: stickers, scars, freckles, patterns, text.

An overlay is how much each pixel is covered, and with what colour; it stays where it is when the portrait below it changes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from beholder.portraits.shapes import Canvas, box, ellipse

Draws = Callable[[Canvas, torch.Generator], None]  # one kind of detail, drawn on a canvas of one picture
_SEGMENTS = (
    "1110111", "0010010", "1011101", "1011011", "0111010", "1101011", "1101111",
    "1010010", "1111111", "1111011", "1111110", "0101111", "1100101", "1101101",
)  # fmt: skip


@dataclass(frozen=True)
class Overlay:
    """cover: how much of each pixel is covered, float32 [N, 1, S, S] in 0..1; colour: with what, RGB in -1..1 [N, 3, S, S]."""

    cover: Tensor
    colour: Tensor

    def over(self, images: Tensor) -> Tensor:
        """Lay it over pictures, RGB in -1..1 [N, 3, S, S]."""
        return images + self.cover * (self.colour - images)


def overlay(count: int, size: int, *, seed: int, kinds: "tuple[str, ...] | None" = None, most: int = 1) -> Overlay:
    """Make the overlays of `count` pictures, each with one to `most` details of random kinds; they follow from the seed."""
    rng = torch.Generator().manual_seed(seed)
    names, covers, colours = kinds or KINDS, [], []
    for _ in range(count):
        paint, hide = Canvas(1, size), Canvas(1, size)
        both = _Both(paint, hide)
        for _ in range(1 + int(_rand(rng) * most)):
            _DRAWS[names[int(_rand(rng) * len(names))]](both, rng)
        cover = hide.pixels[:, :1].clamp(0, 1)
        covers.append(cover)
        colours.append((paint.pixels / cover.clamp_min(1e-4)).clamp(0, 1) * 2 - 1)
    return Overlay(torch.cat(covers), torch.cat(colours))


class _Both:
    """A canvas for colours, premultiplied, and one for how much is covered."""

    def __init__(self, paint: Canvas, hide: Canvas) -> None:
        self.canvas, self._hide = paint, hide
        self.x, self.y = paint.x, paint.y

    def lay(self, distance: Tensor, colour: Tensor, opacity: float = 1.0) -> None:
        """Lay a shape of one colour [3], or a coloured one [1, 3, S, S]."""
        cover = self.canvas.cover(distance)
        self.canvas.paint(cover, colour.view(1, 3, 1, 1) if colour.ndim == 1 else colour, opacity)
        self._hide.paint(cover, torch.ones(1, 3, 1, 1), opacity)


def _rand(rng: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def _bright(rng: torch.Generator) -> Tensor:
    """A saturated colour."""
    colour = torch.rand(3, generator=rng)
    return (colour - colour.min()) / (colour.max() - colour.min()).clamp_min(0.05) * _rand(rng, 0.6, 1.0)


def _turned(both: _Both, rng: torch.Generator, reach: tuple[float, float, float, float]) -> tuple[Tensor, Tensor]:
    """Coordinates around a random place in a rectangle (left, top, right, bottom), turned by a random angle."""
    x, y = both.x - _rand(rng, reach[0], reach[2]), both.y - _rand(rng, reach[1], reach[3])
    angle = torch.tensor(_rand(rng, -1.2, 1.2))
    return x * angle.cos() + y * angle.sin(), y * angle.cos() - x * angle.sin()


def _sticker(both: _Both, rng: torch.Generator) -> None:
    x, y = _turned(both, rng, (-0.55, -0.55, 0.55, 0.6))
    radius, kind = _rand(rng, 0.07, 0.2), int(_rand(rng, 0, 4))
    around = torch.sqrt(x * x + y * y + 1e-6)
    if kind == 0:
        shape = around - radius
    elif kind == 1:
        shape = box(x, y, 0.0, 0.0, radius, radius * _rand(rng, 0.6, 1.0), 0.02)
    elif kind == 2:  # a star of five points
        shape = (around - radius * (0.72 + 0.28 * torch.cos(5 * torch.atan2(x, y)))) * 0.7
    else:  # a heart
        shape = torch.minimum(
            torch.minimum(ellipse(x - 0.45 * radius, y + 0.3 * radius, 0.0, 0.0, 0.55 * radius, 0.55 * radius),
                          ellipse(x + 0.45 * radius, y + 0.3 * radius, 0.0, 0.0, 0.55 * radius, 0.55 * radius)),
            torch.maximum(x.abs() + y - 0.75 * radius, -0.25 * radius - y) * 0.7,
        )  # fmt: skip
    both.lay(shape, torch.ones(3))
    both.lay(shape + 0.02, _bright(rng))
    if _rand(rng) < 0.5:
        both.lay(around - 0.3 * radius, _bright(rng))


def _scar(both: _Both, rng: torch.Generator) -> None:
    x, y = _turned(both, rng, (-0.35, -0.4, 0.35, 0.5))
    length, bend = _rand(rng, 0.12, 0.3), _rand(rng, -0.8, 0.8)
    y = y - bend * x * x
    colour = torch.tensor([_rand(rng, 0.45, 0.8), _rand(rng, 0.15, 0.35), _rand(rng, 0.15, 0.3)])
    both.lay(torch.maximum(y.abs() - _rand(rng, 0.012, 0.022), x.abs() - length), colour, _rand(rng, 0.7, 1.0))
    step = length / 3
    along = torch.remainder(x + step / 2, step) - step / 2
    both.lay(torch.maximum(torch.maximum(along.abs() - 0.008, y.abs() - 0.05), x.abs() - length), colour * 0.7, 0.8)


def _freckles(both: _Both, rng: torch.Generator) -> None:
    colour = torch.tensor([0.45, 0.24, 0.12]) * _rand(rng, 0.6, 1.2)
    nearest = torch.full_like(both.x + both.y, 1.0)
    for _ in range(int(_rand(rng, 14, 40))):
        place, height = _rand(rng, -0.42, 0.42), _rand(rng, -0.05, 0.4)
        nearest = torch.minimum(nearest, torch.hypot(both.x - place, both.y - height) - _rand(rng, 0.008, 0.02))
    both.lay(nearest, colour, _rand(rng, 0.5, 0.9))


def _pattern(both: _Both, rng: torch.Generator) -> None:
    cloth = torch.maximum(ellipse(both.x, both.y, 0.0, 1.18, 0.72, 0.44), 0.66 - both.y + 0 * both.x)
    x, y = both.x * 1.0, both.y * 1.0
    period, kind = _rand(rng, 0.09, 0.2), int(_rand(rng, 0, 4))
    u, v = ((torch.remainder(each, period) - period / 2).abs() for each in (x + 0 * y, y + 0 * x))
    if kind == 0:  # stripes
        marks = u - period / 4
    elif kind == 1:
        marks = v - period / 4
    elif kind == 2:  # checks
        marks = torch.maximum(torch.minimum(u, v) - period / 4, period / 4 - torch.maximum(u, v))
    else:  # dots
        marks = torch.hypot(u - period / 4, v - period / 4) - period / 5
    both.lay(torch.maximum(cloth, marks), _bright(rng))
    if _rand(rng) < 0.3:
        both.lay(torch.maximum(cloth, -marks), _bright(rng))


def _text(both: _Both, rng: torch.Generator) -> None:
    high = _rand(rng, 0.07, 0.14)
    wide, thick = 0.55 * high, 0.2 * high
    count = int(_rand(rng, 2, 7))
    step = 2 * (wide + 1.6 * thick)
    left, top = _rand(rng, -0.9, 0.9 - step * count if step * count < 1.8 else -0.89), _rand(rng, -0.85, 0.9)
    nearest = torch.full_like(both.x + both.y, 1.0)
    for at in range(count):
        lit = _SEGMENTS[int(_rand(rng, 0, len(_SEGMENTS)))]
        x, y = both.x - left - step * (at + 0.5), both.y - top
        for on, place in zip(lit, _strokes(wide, high, thick), strict=True):
            if on == "1":
                nearest = torch.minimum(nearest, box(x, y, *place, thick / 3))
    colour = _bright(rng) if _rand(rng) < 0.5 else torch.full((3,), float(_rand(rng) < 0.5))
    both.lay(nearest, colour)


def _strokes(wide: float, high: float, thick: float) -> tuple[tuple[float, float, float, float], ...]:
    """The seven strokes of a character: centre x and y, half width and half height."""
    across, down = (wide, thick), (thick, high / 2)
    return (
        (0.0, -high, *across), (-wide, -high / 2, *down), (wide, -high / 2, *down), (0.0, 0.0, *across),
        (-wide, high / 2, *down), (wide, high / 2, *down), (0.0, high, *across),
    )  # fmt: skip


def _spiral(both: _Both, rng: torch.Generator) -> None:
    x, y = _turned(both, rng, (-0.5, -0.5, 0.5, 0.6))
    around, turn = torch.hypot(x, y), torch.atan2(y, x) / (2 * torch.pi)
    reach, pitch = _rand(rng, 0.14, 0.26), _rand(rng, 0.06, 0.1)
    arm = (torch.remainder(around / pitch - turn, 1) - 0.5).abs() * pitch - 0.2 * pitch
    both.lay(torch.maximum(arm, around - reach), _bright(rng) * 0.6)


_DRAWS: dict[str, Callable[[_Both, torch.Generator], None]] = {
    "sticker": _sticker, "scar": _scar, "freckles": _freckles, "pattern": _pattern, "text": _text, "spiral": _spiral,
}  # fmt: skip
UNSEEN = ("spiral",)  # kinds that networks are measured on and never trained on
KINDS = tuple(kind for kind in _DRAWS if kind not in UNSEEN)
