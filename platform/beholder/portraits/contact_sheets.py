"""Contact sheets: many portraits on one page, for people to look at, and seeds whose portraits are varied."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from beholder.editing.directions import Direction, edited_styles
from beholder.editing.generator import Generator, to_pixels, to_rgb
from beholder.editing.latent import Latent, from_seeds
from beholder.portraits import traits
from beholder.portraits.captions import HIGH, LOW
from beholder.portraits.renderer import draw

_SMALL, _WIDEST = 128, 2048  # pixels of small portraits, and of a page

# Of varied portraits:
_SETTLED = 0.05  # how near 0 or 1 every yes/no trait has to be
_ODD = (("beard", "lipstick"), ("beard", "earrings"))  # traits that are not shown together first
_COLOURS = ("skin", "hair_hue", "hair_lightness", "background")  # what tells portraits apart at a glance
_WITHIN = 1.5  # standard deviations: further out is no more varied, only odder


def grid(pixels: np.ndarray, columns: int) -> np.ndarray:
    """Lay pictures uint8 [N, H, W, 3] out in rows, [H * rows, W * columns, 3]; what is left over of the last row is white."""
    missing = -len(pixels) % columns
    pixels = np.concatenate([pixels, np.full((missing, *pixels.shape[1:]), 255, np.uint8)])
    _, height, width, _ = pixels.shape
    tiles = pixels.reshape(-1, columns, height, width, 3)
    return tiles.transpose(0, 2, 1, 3, 4).reshape(-1, columns * width, 3)


def drawings(*, seed: int, count: int = 32, columns: int = 8) -> np.ndarray:
    """Portraits as they are drawn."""
    return grid(draw(traits.sample(count, seed=seed)), columns)


@torch.no_grad()
def beside(generator: Generator, *, seed: int, count: int = 16) -> np.ndarray:
    """Drawings, each with the generated portrait of the same traits on its right: four pairs a row, at most 256 px each."""
    columns, size = 4, generator.config.resolution
    z = torch.randn(count, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    both = torch.stack([to_rgb(draw(traits.from_latents(z), size)), generator(z)], dim=1).flatten(0, 1)
    small = torch.nn.functional.avg_pool2d(both, max(1, 2 * columns * size // _WIDEST))
    pairs = to_pixels(small).reshape(count, 2, *small.shape[2:], 3)
    return grid(pairs.reshape(-1, *pairs.shape[2:]), 2 * columns)


@torch.no_grad()
def rows(generator: Generator, directions: Mapping[str, Direction], *, seed: int) -> np.ndarray:
    """One row per direction: the same portrait at alpha -3, -2, ... 3, small."""
    z = torch.randn(1, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    latent = Latent(generator.mapping(z), z)
    lines, small = [], min(_SMALL, generator.config.resolution)
    for name in directions:
        row = [edited_styles(generator, latent, {name: alpha}, directions) for alpha in range(-3, 4)]
        styles = [torch.cat(layer) for layer in zip(*row, strict=True)]
        lines.append(grid(to_pixels(generator.synthesis.draw(styles, until=small)), 7))
    return np.concatenate(lines)


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


def in_words(values: Tensor) -> list[str]:
    """Say what sets each portrait apart, for those who don't see it: hair, then what is worn, then the face.

    values: rows of traits [N, T]. Skin is left unsaid.
    """
    return [_described(dict(zip(traits.NAMES, row, strict=True))) for row in values.tolist()]


def _described(value: dict[str, float]) -> str:
    def degree(name: str, low: str, middle: str, high: str) -> str:
        return low if value[name] < LOW else high if value[name] > HIGH else middle

    length = degree("hair_length", "short", "chin-length", "long")
    curls = degree("curls", "straight", "wavy", "curly")
    colour = degree("hair_hue", "red", "brown", "golden")
    light = degree("hair_lightness", "dark ", "", "light ")
    parts = [f"{length}, {curls}, {light}{colour} hair"]
    worn = {
        "bangs": "a fringe",
        "beard": "a beard",
        "glasses": "glasses",
        "hat": "a hat",
        "earrings": "earrings",
        "lipstick": "lipstick",
    }
    parts += [words for name, words in worn.items() if value[name] > 0.5]
    parts += filter(None, (degree("age", "young", "", "old"), degree("smile", "frowning", "", "smiling")))
    parts += filter(None, [degree("head_turn", "looking to the left", "", "looking to the right")])
    return ", ".join(parts)
