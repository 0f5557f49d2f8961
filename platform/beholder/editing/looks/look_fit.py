"""Fitting a look: which look takes a photo to what somebody made of it, by gradients through the developing itself."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from beholder import colour, images
from beholder.editing.looks.develop import COLOURFUL, develop
from beholder.editing.looks.full_size import linear_of
from beholder.editing.looks.look_directions import ASKED, DIRECTIONS, NAMES, strengths
from beholder.editing.looks.tone_maps import ToneMaps
from beholder.errors import ImageError

_SIDE = 96  # pixels of a side at which pictures are compared
_STEPS, _RATE = 160, 0.12
_SPARSE = 2e-4  # of the loss, for each step along a direction: a direction that explains nothing is left out
_COSTLY = {"split_tone": 3.0, "vibrance": 2.0, "greens": 2.0, "blues": 2.0}  # times as much: rarer than what explains the same
_GREY = 0.006  # Oklab chroma below which a picture is black and white
_LEAST = 0.05  # steps below which a direction is left out
_SHAPE = 0.05  # by which the proportions of both pictures may differ: a little was cropped


@dataclass(frozen=True)
class FittedLook:
    """A look, and the mean CIEDE2000 difference to what was made of the photo, of the photo as it is and of it under the look."""

    look: dict[str, float]
    before: float
    after: float


def fit_look(photo: np.ndarray, edited: np.ndarray, *, names: Collection[str] = tuple(ASKED)) -> FittedLook:
    """Fit the look that takes a photo to an edited one, both uint8 RGB [H, W, 3]. names: the directions that may move.

    Raises ImageError where the pictures have other proportions, so that one can't have become the other.
    """
    shapes = [each.shape[1] / each.shape[0] for each in (photo, edited)]
    if abs(shapes[0] / shapes[1] - 1) > _SHAPE:
        raise ImageError(
            f"a photo of {photo.shape[1]} x {photo.shape[0]} can't have become one of {edited.shape[1]} x {edited.shape[0]}"
        )
    fit = images.Fit(_SIDE, "squash", "bilinear")
    linear, wanted = (linear_of(images.fit_pixels(each, fit)) for each in (photo, edited))
    maps, target = ToneMaps(linear, _SIDE, _SIDE).whole(linear), colour.to_oklab(wanted)
    low, high = (torch.tensor([each.range[side] for each in DIRECTIONS.values()]) for side in (0, 1))
    grey = "black_and_white" in names and float(torch.sqrt((target[:, 1:] ** 2).sum(dim=1)).mean()) < _GREY
    moves = torch.tensor([name in names and not (name == "black_and_white" or (grey and name in COLOURFUL)) for name in NAMES])
    costs = _SPARSE * torch.tensor([_COSTLY.get(name, 1.0) for name in NAMES])
    fixed = torch.tensor([each.range[1] if grey and each.name == "black_and_white" else 0.0 for each in DIRECTIONS.values()])
    alphas = torch.full((len(NAMES),), 0.02).mul_(moves).add_(fixed).requires_grad_()
    optimiser = torch.optim.Adam([alphas], lr=_RATE)
    for step in range(_STEPS):
        optimiser.param_groups[0]["lr"] = _RATE * (1 - step / _STEPS) + 0.005
        optimiser.zero_grad()
        loss = _distance(linear, maps, alphas, target) + (costs * alphas.abs()).sum()
        loss.backward()
        assert alphas.grad is not None
        alphas.grad.mul_(moves)
        optimiser.step()
        with torch.no_grad():
            alphas.copy_(torch.minimum(torch.maximum(alphas, low), high) * moves + fixed)
    found = {
        name: round(float(alpha), 3) for name, alpha in zip(NAMES, alphas.detach(), strict=True) if abs(float(alpha)) >= _LEAST
    }
    with torch.no_grad():
        drawn = develop(linear, maps, strengths(torch.tensor([found.get(name, 0.0) for name in NAMES]))[None])
    lab = colour.to_cielab(wanted)
    errors = [float(colour.ciede2000(colour.to_cielab(each), lab).mean()) for each in (linear, colour.to_linear(drawn))]
    return FittedLook(found, round(errors[0], 3), round(errors[1], 3))


def _distance(linear: Tensor, maps: Tensor, alphas: Tensor, target: Tensor) -> Tensor:
    """Return the mean distance of the drawn picture to the target in Oklab, less for what is far off: a spot that was retouched."""
    drawn = colour.to_oklab(colour.to_linear(develop(linear, maps, strengths(alphas)[None])))
    return torch.sqrt(((drawn - target) ** 2).sum(dim=1) + 2.5e-5).mean()
