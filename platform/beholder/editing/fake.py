"""Fake: an editor of a few lines of numpy that signs the contract, for tests of whatever uses an editor.

A picture is a disc on a plain ground; its latent is six numbers, and a direction adds to one of them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from beholder import images as pictures
from beholder.editing.directions.edit_text import check
from beholder.editing.editor import Edit, check_images, latent_rows
from beholder.errors import EditError

_PARTS = ("redder", "greener", "bluer", "larger", "darker_ground")
_LOW = np.array([0.1, 0.1, 0.1, 0.2, 0.1])
_HIGH = np.array([0.9, 0.9, 0.9, 0.45, 0.9])


@dataclass(frozen=True)
class FakeDirection:
    """A direction of the fake editor."""

    name: str
    range: tuple[float, float] = (-3.0, 3.0)
    labels: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class FakeLatents:
    """Latents: float64 [N, 5], the colour of the disc, its radius and how dark its ground is, all as logits."""

    values: np.ndarray

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: slice | Sequence[int]) -> "FakeLatents":
        return FakeLatents(self.values[rows])


class FakeEditor:
    """Draws discs of R x R pixels."""

    def __init__(self, resolution: int = 32) -> None:
        self.resolution = resolution

    @property
    def directions(self) -> Mapping[str, FakeDirection]:
        return {name: FakeDirection(name, labels=("less", "more")) for name in _PARTS}

    def generate(self, seeds: Sequence[int]) -> FakeLatents:
        for seed in seeds:
            if not 0 <= seed < 2**32:
                raise EditError(f"expected a seed between 0 and {2**32 - 1}, got {seed}")
        return FakeLatents(np.array([np.random.default_rng(seed).normal(size=5) for seed in seeds]).reshape(len(seeds), 5))

    def invert(self, images: np.ndarray) -> FakeLatents:
        check_images(images)
        fit = pictures.Fit(self.resolution)
        measured = [_measure(pictures.fit_pixels(each, fit).astype(float) / 255) for each in images]
        share = (np.array(measured).reshape(-1, 5) - _LOW) / (_HIGH - _LOW)
        share = np.clip(share, 1e-3, 1 - 1e-3)
        return FakeLatents(np.log(share / (1 - share)))

    def edit(self, latent: FakeLatents, edits: Sequence[Edit], *, size: int | None = None) -> np.ndarray:
        rows = latent_rows(len(latent), edits)
        drawn = np.empty((len(rows), self.resolution, self.resolution, 3), np.uint8)
        for at, (row, edit) in enumerate(zip(rows, edits, strict=True)):
            check(edit, _PARTS)
            drawn[at] = self._draw(latent.values[row] + np.array([0.5 * edit.get(name, 0.0) for name in _PARTS]))
        return drawn

    def _draw(self, values: np.ndarray) -> np.ndarray:
        *colour, radius, ground = _LOW + (_HIGH - _LOW) * (1 + np.tanh(values / 2)) / 2
        ticks = (np.arange(self.resolution) + 0.5) / self.resolution - 0.5
        inside = np.clip((radius - np.hypot(ticks[:, None], ticks)) * self.resolution + 0.5, 0, 1)[..., None]
        return np.asarray(np.round(255 * (inside * colour + (1 - inside) * (1 - ground))).astype(np.uint8))


def _measure(picture: np.ndarray) -> np.ndarray:
    """Return what `_draw` was given, read off the middle, a corner, and the share of pixels that are not ground."""
    middle, corner = picture[len(picture) // 2, len(picture) // 2], picture[0, 0].mean()
    apart = np.abs(picture - corner).sum() / max(np.abs(middle - corner).sum(), 1e-6) / picture[..., 0].size
    return np.array([*middle, math.sqrt(min(apart, 1) / math.pi), 1 - corner])
