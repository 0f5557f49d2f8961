"""Training the portrait generator: a StyleGAN2 that learns to redraw the portrait of traits(z).

There is no adversary: the truth is known for every z, so the network is held to it pixel by pixel, from 16 px up to
the full size. Its mapping is set, not learned: w is the part of z that traits follow, spread over all of W and far
enough from zero that the mapping's leaky ReLU never bends, so that W is straight and so are directions in it.
"""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from beholder.editing.generator import Dense, Generator, GeneratorConfig
from beholder.portraits import traits
from beholder.portraits.pool import Pool
from beholder.portraits.shapes import glow

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
    stages: tuple[Stage, ...] = (Stage(16, 1000, 32), Stage(32, 1700, 32), Stage(64, 2600, 16), Stage(128, 3600, 16))
    learning_rate: float = 0.03
    edges: float = 1.0  # weight of the gradients' error beside the pixels'
    focus: float = 2.0  # extra weight of the eyes and the mouth
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
    generator = Generator(config).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    noise = torch.randn(config.w_dim, len(traits.TRAITS), generator=torch.Generator().manual_seed(seed))
    spread = torch.linalg.qr(noise).Q * math.sqrt(config.w_dim / len(traits.TRAITS))
    first = generator.mapping.fc0
    with torch.no_grad():
        first.weight.copy_(spread @ traits.basis() * math.sqrt(config.z_dim) / first.rate)
        first.bias.fill_(_OFFSET / first.rate)
        generator.mapping.w_avg.fill_(_OFFSET * math.sqrt(2))
        for name, parameter in generator.synthesis.named_parameters():
            if name.endswith("torgb.weight"):
                parameter.zero_()
    return generator


def train_generator(
    pool: Pool,
    config: GeneratorTraining,
    *,
    checkpoint: Path | None = None,
    progress: Callable[[int, int, dict[str, float]], None] = lambda step, steps, figures: None,
) -> Generator:
    """Train a generator on a pool of portraits; with a checkpoint file it goes on where it stopped."""
    generator = new_generator(config.network, seed=config.seed)
    parameters = list(generator.synthesis.parameters())
    optimiser = torch.optim.Adam(parameters, lr=config.learning_rate, betas=(0.9, 0.99))
    average = copy.deepcopy(generator)
    step, saved = 0, time.monotonic()
    if checkpoint is not None and checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        generator.load_state_dict(state["generator"])
        average.load_state_dict(state["average"])
        optimiser.load_state_dict(state["optimiser"])
        step = state["step"]
    with torch.no_grad():
        ws = generator.mapping.w(pool.latents) - generator.mapping.w_avg
    usable = len(pool.latents) - config.held_out
    running = 0.0
    while step < config.steps:
        stage, within = config.stage(step)
        for group in optimiser.param_groups:
            group["lr"] = _rate(config, step, within)
        rows = torch.randint(usable, (stage.batch,), generator=torch.Generator().manual_seed(config.seed * 10**6 + step))
        target = pool.batch(rows, stage.resolution)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            image = generator.synthesis(
                ws[rows].unsqueeze(1).expand(-1, config.network.num_ws, -1), noise="none", until=stage.resolution
            )
        error = image.float() - target
        loss = _loss(error, config)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        step += 1
        _follow(average, generator, min(config.ema, (1 + step) / (10 + step)))
        running += (error.detach().abs().mean().item() / 2 - running) * (0.02 if step > 50 else 0.2)
        if step % 100 == 0:
            progress(step, config.steps, {"resolution": stage.resolution, "error": running})
        if checkpoint is not None and (time.monotonic() - saved > 90 or step == config.steps):
            state = {"generator": generator.state_dict(), "average": average.state_dict(), "step": step}
            torch.save({**state, "optimiser": optimiser.state_dict()}, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
            saved = time.monotonic()
    return settle(average)


def settle(generator: Generator) -> Generator:
    """Give a generator trained on w - w_avg the biases that let it take w, as published networks do."""
    settled = copy.deepcopy(generator).eval().requires_grad_(False)
    for module in settled.synthesis.modules():
        affine = getattr(module, "affine", None)
        if isinstance(affine, Dense):
            affine.bias -= affine.weight @ settled.mapping.w_avg / math.sqrt(affine.weight.shape[1])
    return settled


def _rate(config: GeneratorTraining, step: int, within: int) -> float:
    """Cosine over the whole training, with a short warm-up in every stage."""
    cosine = 0.5 * (1 + math.cos(math.pi * step / config.steps))
    return config.learning_rate * (0.02 + 0.98 * cosine) * min(1.0, (within + 1) / 100)


def _loss(error: Tensor, config: GeneratorTraining) -> Tensor:
    """Absolute error of pixels and of their differences, with more weight on the eyes and the mouth."""
    size = error.shape[-1]
    ticks = (torch.arange(size) + 0.5) * (2 / size) - 1
    x, y = ticks.view(1, -1), ticks.view(-1, 1)
    eyes, mouth = glow(x, y, 0.0, -0.03, 0.5, 0.22), glow(x, y, 0.0, 0.34, 0.32, 0.16)
    weight = 1 + config.focus * torch.maximum(eyes, mouth)
    across = (error[..., 1:] - error[..., :-1]).abs() * weight[:, 1:]
    down = (error[..., 1:, :] - error[..., :-1, :]).abs() * weight[1:]
    return (error.abs() * weight).mean() + config.edges * (across.mean() + down.mean())


def _follow(average: Generator, generator: Generator, keep: float) -> None:
    """Move the average of the weights a little towards the present ones."""
    pairs = zip(average.synthesis.parameters(), generator.synthesis.parameters(), strict=True)
    olds, news = zip(*pairs, strict=True)
    torch._foreach_lerp_([old.data for old in olds], [new.data for new in news], 1 - keep)
