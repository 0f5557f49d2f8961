"""The pool: portraits drawn once and kept on disk, so that a training need not wait for the brush."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from beholder.editing.generator import to_rgb
from beholder.portraits import renderer, traits


@dataclass(frozen=True)
class PoolConfig:
    """What is drawn.

    pushed: the share of portraits moved along one or two trait axes after normalising, by up to `push` standard
    deviations: where edits lead, so that a generator has seen it.
    """

    count: int = 40_000
    size: int = 128
    seed: int = 1
    pushed: float = 0.35
    push: float = 4.0

    def __post_init__(self) -> None:
        if self.count < 1 or self.size < 8:
            raise ValueError(f"a pool needs count >= 1 and size >= 8, not {self.count} and {self.size}")


@dataclass(frozen=True)
class Pool:
    """Latents float32 [N, Z] (normalised, then perhaps pushed), their traits [N, T], their portraits uint8 [N, S, S, 3]."""

    latents: Tensor
    traits: Tensor
    pixels: np.ndarray

    def batch(self, rows: Tensor, size: int | None = None) -> Tensor:
        """Portraits as float32 [n, 3, size, size] in -1..1, averaged down to `size`."""
        images = to_rgb(self.pixels[rows.numpy()])
        if size is None or size == images.shape[-1]:
            return images
        return torch.nn.functional.avg_pool2d(images, images.shape[-1] // size)


def latents(config: PoolConfig) -> Tensor:
    """The latents of a pool, float32 [N, LATENT_SIZE]."""
    rng = torch.Generator().manual_seed(config.seed)
    z = traits.normalise(torch.randn(config.count, traits.LATENT_SIZE, generator=rng))
    moves = torch.linalg.pinv(traits.axes()).T  # row k moves the score of trait k alone
    for chance in (config.pushed, config.pushed / 2):
        which = torch.randint(len(moves), (config.count,), generator=rng)
        strength = (2 * torch.rand(config.count, 1, generator=rng) - 1) * config.push
        moved = (torch.rand(config.count, 1, generator=rng) < chance).float()
        z = z + moved * strength * moves[which]
    return z


def open_pool(folder: Path, config: PoolConfig, *, progress: Callable[[int, int], None] = lambda done, total: None) -> Pool:
    """Open the pool in `folder`, drawing what is not there yet; an interrupted drawing goes on where it stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    path, mark = folder / f"{_name(config)}.npy", folder / f"{_name(config)}.done"
    z = latents(config)
    values = traits.from_scores(z @ traits.axes().T)
    shape = (config.count, config.size, config.size, 3)
    done = int(mark.read_text()) if mark.exists() and path.exists() else 0
    if done < config.count:
        pixels = np.lib.format.open_memmap(path, mode="r+" if done else "w+", dtype=np.uint8, shape=shape)
        for start in range(done, config.count, 500):
            stop = min(start + 500, config.count)
            pixels[start:stop] = renderer.draw(values[start:stop], config.size)
            pixels.flush()
            mark.write_text(str(stop))
            progress(stop, config.count)
    return Pool(z, values, np.load(path, mmap_mode="r"))


def _name(config: PoolConfig) -> str:
    """One file per configuration, so that two never mix."""
    return f"pool-{config.count}-{config.size}-{config.seed}-{config.pushed}-{config.push}"
