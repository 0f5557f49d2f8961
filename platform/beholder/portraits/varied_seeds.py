"""Varied seeds: which seeds of the portrait generator to show first, so that no two portraits look alike."""

import torch
from torch import Tensor

from beholder.editing.generator import Generator
from beholder.editing.latent import from_seeds
from beholder.portraits import traits

_SETTLED = 0.05  # how near 0 or 1 every yes/no trait has to be
_ODD = (("beard", "lipstick"), ("beard", "earrings"))  # traits that are not shown together first
_COLOURS = ("skin", "hair_hue", "hair_lightness", "background")  # what tells portraits apart at a glance
_WITHIN = 1.5  # standard deviations: further out is no more varied, only odder


def varied_seeds(generator: Generator, count: int, *, among: int = 1000) -> list[int]:
    """Choose `count` of the seeds 1..among for variety: each is the one whose traits are furthest from those before it.

    The first is the most ordinary. People with a yes/no trait between no and yes, and with a beard beside lipstick or earrings, are
    left out. Traits count by their standard deviations, at most 1.5; colours twice. Raises ValueError where too few are left.
    """
    seeds = range(1, among + 1)
    latent = from_seeds(generator, seeds)
    assert latent.z is not None
    values = traits.from_latents(latent.z)
    rows = torch.nonzero(_presentable(values)).flatten()
    if len(rows) < count:
        raise ValueError(f"expected at least {count} presentable portraits among {among} seeds, found {len(rows)}")
    places = _places(values[rows])
    nearest = torch.full((len(rows),), torch.inf)
    chosen = [int(places.square().sum(dim=1).argmin())]
    while len(chosen) < count:
        nearest = torch.minimum(nearest, (places - places[chosen[-1]]).square().sum(dim=1))
        chosen.append(int(nearest.argmax()))
    return [seeds[int(rows[row])] for row in chosen]


def _presentable(values: Tensor) -> Tensor:
    """Which rows of traits [N, T] have nothing half drawn and nothing odd, bool [N]."""
    yes_no = values[:, [traits.column(name) for name in traits.YES_NO]]
    fine = torch.minimum(yes_no, 1 - yes_no).amax(dim=1) < _SETTLED
    for one, other in _ODD:
        fine &= (values[:, traits.column(one)] < 0.5) | (values[:, traits.column(other)] < 0.5)
    return fine


def _places(values: Tensor) -> Tensor:
    """Rows of traits [N, T] as points whose distance is how unlike they look."""
    spread = traits.sample(20_000, seed=1).std(dim=0)
    weights = torch.tensor([2.0 if name in _COLOURS else 1.0 for name in traits.NAMES])
    return ((values - 0.5) / spread).clamp(-_WITHIN, _WITHIN) * weights.sqrt()
