"""The reader: portrait -> traits, trained on drawings only, to judge what others make of them."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from beholder import weights
from beholder.editing.generator import to_rgb
from beholder.editing.inversion import Trunk
from beholder.portraits import traits
from beholder.portraits.pool import Pool
from beholder.portraits.training_loop import Progress, cosine, rows, silent, train

READER = "portraits-reader"


class Reader(nn.Module):
    """A small convolutional network with one output per trait."""

    def __init__(self, resolution: int = 128) -> None:
        super().__init__()
        self.resolution = resolution
        self.trunk = Trunk(resolution, (16, 32, 64, 96, 128), 96)
        self.answer = nn.Linear(96, len(traits.TRAITS))

    def forward(self, images: Tensor) -> Tensor:
        """RGB in -1..1 [N, 3, R, R], R its resolution or a multiple of it -> traits about 0..1 [N, T]."""
        if images.shape[-1] > self.resolution:
            images = nn.functional.avg_pool2d(images, images.shape[-1] // self.resolution)
        result: Tensor = 0.5 + 0.3 * self.answer(self.trunk(images))
        return result


@dataclass(frozen=True)
class ReaderTraining:
    """How the reader is trained; the last portraits of the pool are kept for measuring."""

    steps: int = 1800
    batch: int = 64
    learning_rate: float = 2e-3
    held_out: int = 1000
    seed: int = 13
    bfloat16: bool = True

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"steps and batch must be at least 1, not {self.steps} and {self.batch}")


def train_reader(pool: Pool, config: ReaderTraining, *, checkpoint: Path | None = None, progress: Progress = silent) -> Reader:
    """Train a reader on a pool of portraits; with a checkpoint file it goes on where it stopped."""
    torch.manual_seed(config.seed)
    reader = Reader(pool.pixels.shape[1]).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(reader.parameters(), weight_decay=0.02)

    def losses(step: int) -> dict[str, Tensor]:
        seen = rows(pool, config.batch, seed=config.seed, step=step, held_out=config.held_out)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            read = reader(pool.batch(seen))
        return {"reading": nn.functional.smooth_l1_loss(read.float(), pool.traits[seen], beta=0.1)}

    train(
        {"reader": reader},
        optimiser,
        losses,
        steps=config.steps,
        rate=lambda step: cosine(step, config.steps, peak=config.learning_rate, warmup=100),
        checkpoint=checkpoint,
        progress=progress,
    )
    return reader.eval().requires_grad_(False)


def load_reader(path: Path | None = None) -> Reader:
    """Return the reader of a file, or the one that ships. Raises WeightsError for a file that is none."""
    tensors, sizes = weights.read(path or weights.shipped(READER))
    network = Reader(sizes["resolution"])
    network.load_state_dict(tensors)
    return network.eval().requires_grad_(False)


_AT_ONCE = 32


def reading() -> Callable[[np.ndarray], np.ndarray]:
    """A function of pictures, uint8 RGB [N, R, R, 3], R 128 or a multiple of it -> traits about 0..1, float32 [N, T]."""
    reader = load_reader()

    @torch.no_grad()
    def read(pixels: np.ndarray) -> np.ndarray:
        parts = [reader(to_rgb(pixels[at : at + _AT_ONCE])).numpy() for at in range(0, len(pixels), _AT_ONCE)]
        return np.concatenate(parts)

    return read
