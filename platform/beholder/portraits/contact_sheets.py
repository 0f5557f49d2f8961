"""Contact sheets: many portraits on one page, for people to look at."""

from collections.abc import Mapping

import numpy as np
import torch

from beholder.editing.directions import Direction, edited_styles
from beholder.editing.generator import Generator, to_pixels
from beholder.editing.latent import Latent
from beholder.portraits import traits
from beholder.portraits.renderer import draw

_SMALL, _WIDEST = 128, 2048  # pixels of small portraits, and of a page


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
    """Drawings, each with the generated portrait of the same traits on its right: up to four pairs a row."""
    columns = min(4, _WIDEST // (2 * generator.config.resolution))
    z = torch.randn(count, traits.LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    pairs = np.stack([draw(traits.from_latents(z), generator.config.resolution), to_pixels(generator(z))], axis=1)
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
