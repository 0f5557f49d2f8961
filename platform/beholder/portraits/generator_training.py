"""Training the portrait generator: a StyleGAN2 that learns to redraw the portrait of traits(z).

There is no adversary: the truth is known for every z, so the network is held to it pixel by pixel, from 16 px up to
the full size. Its mapping is set, not learned: w is the part of z that traits follow, spread over all of W and far
enough from zero that the mapping's leaky ReLU never bends, so that W is straight and so are directions in it.
"""

import copy
import math
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from beholder.editing.generator import Dense, Generator, GeneratorConfig
from beholder.portraits import traits
from beholder.portraits.pool import Pool
from beholder.portraits.shapes import glow
from beholder.portraits.training_loop import Progress, cosine, rows, silent, train

# Where a portrait has its eyes, mouth and ears: centre and radii.
_SPOTS = ((0.0, -0.03, 0.5, 0.22), (0.0, 0.34, 0.32, 0.16), (-0.46, 0.24, 0.12, 0.16), (0.46, 0.24, 0.12, 0.16))
_OFFSET = 4.0  # of the mapping, in standard deviations of w


@dataclass(frozen=True)
class Stage:
    """A stretch of training at one resolution."""

    resolution: int
    steps: int
    batch: int


@dataclass(frozen=True)
class GeneratorTraining:
    """How the generator is trained; the last portraits of the pool are kept for measuring."""

    network: GeneratorConfig = field(default_factory=GeneratorConfig)
    stages: tuple[Stage, ...] = (Stage(16, 1000, 32), Stage(32, 1700, 32), Stage(64, 2600, 16), Stage(128, 2000, 16))
    learning_rate: float = 0.03
    edges: float = 1.25  # weight of the gradients' error beside the pixels'
    focus: float = 2.5  # extra weight of the eyes, the mouth and the ears
    ema: float = 0.998
    held_out: int = 1000
    seed: int = 7
    bfloat16: bool = True

    def __post_init__(self) -> None:
        if not self.stages or self.stages[-1].resolution != self.network.resolution:
            raise ValueError(f"the last stage must be at the network's resolution, {self.network.resolution}")

    @property
    def steps(self) -> int:
        """All stages together."""
        return sum(stage.steps for stage in self.stages)

    def stage(self, step: int) -> tuple[Stage, int]:
        """The stage a step belongs to, and the step's number within it."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        return self.stages[-1], self.stages[-1].steps


def new_generator(config: GeneratorConfig, *, seed: int) -> Generator:
    """A generator at its start: mapping set, layers to RGB silent."""
    torch.manual_seed(seed)
    generator = Generator(config).to(memory_format=torch.channels_last)
    noise = torch.randn(config.w_dim, len(traits.TRAITS), generator=torch.Generator().manual_seed(seed))
    spread = torch.linalg.qr(noise).Q * math.sqrt(config.w_dim / len(traits.TRAITS))
    first = generator.mapping.get_submodule("fc0")
    assert isinstance(first, Dense)
    with torch.no_grad():
        first.weight.copy_(spread @ traits.basis() * math.sqrt(config.z_dim) / first.rate)
        first.bias.fill_(_OFFSET / first.rate)
        generator.mapping.w_avg.fill_(_OFFSET * math.sqrt(2))
        for name, parameter in generator.synthesis.named_parameters():
            if name.endswith("torgb.weight"):
                parameter.zero_()
    return generator


def train_generator(
    pool: Pool, config: GeneratorTraining, *, checkpoint: Path | None = None, progress: Progress = silent
) -> Generator:
    """Train a generator on a pool of portraits; with a checkpoint file it goes on where it stopped."""
    generator = new_generator(config.network, seed=config.seed)
    average = copy.deepcopy(generator)
    optimiser = torch.optim.Adam(generator.synthesis.parameters(), betas=(0.9, 0.99))
    with torch.no_grad():
        ws = generator.mapping.w(pool.latents) - generator.mapping.w_avg
    weights = {stage.resolution: _weight(stage.resolution, config.focus) for stage in config.stages}

    def losses(step: int) -> dict[str, Tensor]:
        stage, _ = config.stage(step)
        seen = rows(pool, stage.batch, seed=config.seed, step=step, held_out=config.held_out)
        w = ws[seen].unsqueeze(1).expand(-1, config.network.num_ws, -1)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            image = generator.synthesis(w, noise="none", until=stage.resolution)
        error = image.float() - pool.batch(seen, stage.resolution)
        return compare(error, weights[stage.resolution], edges=config.edges)

    train(
        {"generator": generator, "average": average},
        optimiser,
        losses,
        steps=config.steps,
        rate=lambda step: _rate(config, step),
        after=lambda step: follow(average, generator, min(config.ema, step / (9 + step))),
        checkpoint=checkpoint,
        progress=progress,
    )
    return settle(average)


def settle(generator: Generator) -> Generator:
    """Give a generator trained on w - w_avg the biases that let it take w, as published networks do."""
    return _shift(generator, -1.0).eval().requires_grad_(False)


def unsettle(generator: Generator) -> Generator:
    """The other way: a generator that takes w - w_avg, to be trained on."""
    return _shift(generator, 1.0).train().requires_grad_(True)


def _shift(generator: Generator, sign: float) -> Generator:
    shifted = copy.deepcopy(generator)
    for module in shifted.synthesis.modules():
        affine = getattr(module, "affine", None)
        if isinstance(affine, Dense):
            affine.bias.data += sign * affine.weight @ shifted.mapping.w_avg / math.sqrt(affine.weight.shape[1])
    return shifted


def _rate(config: GeneratorTraining, step: int) -> float:
    """A cosine over the stages, with a short warm-up in each."""
    _, within = config.stage(step)
    rate = cosine(step, config.steps, peak=config.learning_rate, warmup=1, floor=0.02)
    return rate * min(1.0, (within + 1) / 100)


def compare(error: Tensor, weight: Tensor, *, edges: float) -> dict[str, Tensor]:
    """Weighted absolute error of pixels [N, 3, S, S] and of their differences; weight: [S, S] or [N, 1, S, S]."""
    across = (error[..., 1:] - error[..., :-1]).abs() * weight[..., 1:]
    down = (error[..., 1:, :] - error[..., :-1, :]).abs() * weight[..., 1:, :]
    return {"pixels": (error.abs() * weight).mean(), "edges": edges * (across.mean() + down.mean())}


def _weight(size: int, focus: float) -> Tensor:
    """How much each pixel counts, [size, size]: more where it is small and matters."""
    ticks = (torch.arange(size) + 0.5) * (2 / size) - 1
    x, y = ticks.view(1, -1), ticks.view(-1, 1)
    return 1 + focus * torch.stack([glow(x, y, *spot) for spot in _SPOTS]).amax(dim=0)


def follow(average: Generator, generator: Generator, keep: float) -> None:
    """Move the average of the weights a little towards the present ones."""
    pairs = zip(average.synthesis.parameters(), generator.synthesis.parameters(), strict=True)
    olds, news = zip(*pairs, strict=True)
    torch._foreach_lerp_([old.data for old in olds], [new.data for new in news], 1 - keep)
