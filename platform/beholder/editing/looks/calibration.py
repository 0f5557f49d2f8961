"""Calibration: how far a step along a direction changes photos, to the eye, in CIEDE2000."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from beholder import colour
from beholder.editing.looks import landscape
from beholder.editing.looks.full_size import linear_of, render
from beholder.editing.looks.look_directions import DIRECTIONS, NOTICEABLE, LookDirection

SEEDS = range(6)  # of the landscapes that steps are calibrated on
SIZE = (320, 480)  # pixels
_PART = 0.1  # of the change of the most changed hundredth of pixels: those that change by less do not count


def landscapes() -> list[np.ndarray]:
    """Return the landscapes that steps are calibrated on, uint8 RGB [320, 480, 3] each."""
    return [landscape.draw(seed, *SIZE) for seed in SEEDS]


def difference(before: np.ndarray, after: np.ndarray) -> float:
    """Return the root mean square of CIEDE2000 over the pixels of a photo that changed; 0 where none did.

    before, after: uint8 RGB [H, W, 3] of one size.
    """
    return _difference(_lab(before), _lab(after))


def step_difference(direction: LookDirection, photos: Sequence[np.ndarray], *, alpha: float = 1.0) -> float:
    """Return the median over photos of the difference that a step makes, up and, where there is one, down, the mean of both."""
    sides = [sign * alpha for sign in (1, -1) if direction.range[sign > 0]]
    labs = [_lab(photo) for photo in photos]
    medians = [
        np.median([_difference(lab, _lab(render(photo, {direction.name: side}))) for lab, photo in zip(labs, photos, strict=True)])
        for side in sides
    ]
    return float(np.mean(medians))


def calibrated_step(direction: LookDirection, photos: Sequence[np.ndarray], *, wanted: float = NOTICEABLE) -> float:
    """Return the step, in the direction's unit, whose difference on photos is the wanted one, to three digits, by bisection."""
    low, high = 0.0, 1.0
    while step_difference(direction, photos, alpha=high) < wanted and high < 64:
        low, high = high, 2 * high
    while high - low > 2e-3 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if step_difference(direction, photos, alpha=middle) < wanted else (low, middle)
    return direction.step * high


def coloured() -> tuple[str, ...]:
    """Return the directions whose steps are calibrated: all but those that move the frame, and what shows at full size alone."""
    return tuple(name for name in DIRECTIONS if name not in ("straighten", "crop", "sharpness"))


def _lab(photo: np.ndarray) -> Tensor:
    return colour.to_cielab(linear_of(photo))


def _difference(before: Tensor, after: Tensor) -> float:
    changes = colour.ciede2000(before, after).flatten()
    most = torch.quantile(changes, 0.99)
    changed = changes[changes >= _PART * most] if float(most) > 0 else changes
    return float(torch.sqrt((changed**2).mean()))
