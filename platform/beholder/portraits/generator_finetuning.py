"""Finishing a portrait generator: at full size, on portraits drawn as they are needed, with an eye on what is small.

A pool holds few portraits of rare people, and earrings, lips and hairlines are a few pixels each. Here half of the
portraits are pushed along just those traits, as far as edits push them, and just those places weigh more.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from beholder.editing.generator import Generator, to_rgb
from beholder.portraits import traits
from beholder.portraits.generator_training import compare, follow, settle, unsettle
from beholder.portraits.renderer import draw
from beholder.portraits.shapes import glow
from beholder.portraits.training_loop import Progress, cosine, silent, train

# Centre and radii of what weighs more, and how much more: eyes, lips, ears, hairline.
_PLACES = (
    ((0.0, -0.03, 0.5, 0.22), 2.5),
    ((0.0, 0.34, 0.26, 0.10), 8.0),
    ((-0.47, 0.25, 0.14, 0.15), 8.0),
    ((0.47, 0.25, 0.14, 0.15), 8.0),
    ((0.0, -0.42, 0.42, 0.18), 3.0),
)


@dataclass(frozen=True)
class Finish:
    """How a generator is finished.

    pushed: the share of portraits moved along a random trait's axis; favoured: along one of `favours`. push: how far at
    most, in standard deviations.
    """

    steps: int = 5000
    batch: int = 16
    learning_rate: float = 0.012
    edges: float = 1.25
    pushed: float = 0.3
    favoured: float = 0.5
    favours: tuple[str, ...] = ("earrings", "lipstick", "receding")
    push: float = 4.0
    ema: float = 0.995
    seed: int = 31
    bfloat16: bool = True

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"steps and batch must be at least 1, not {self.steps} and {self.batch}")
        if not 0 <= self.pushed + self.favoured <= 1:
            raise ValueError(f"pushed + favoured must be in 0..1, not {self.pushed + self.favoured}")


def latents(config: Finish, step: int) -> Tensor:
    """The latents of one step, float32 [batch, LATENT_SIZE]: they follow from the step alone."""
    rng = torch.Generator().manual_seed(config.seed * 10**6 + step)
    z = traits.normalise(torch.randn(config.batch, traits.LATENT_SIZE, generator=rng))
    moves = torch.linalg.pinv(traits.axes()).T
    any_trait = torch.randint(len(moves), (config.batch,), generator=rng)
    small = torch.tensor([traits.column(name) for name in config.favours])
    small_trait = small[torch.randint(len(small), (config.batch,), generator=rng)]
    lot = torch.rand(config.batch, generator=rng)
    which = torch.where(lot < config.favoured, small_trait, any_trait)
    strength = (2 * torch.rand(config.batch, generator=rng) - 1) * config.push * (lot < config.favoured + config.pushed)
    result: Tensor = z + strength.unsqueeze(1) * moves[which]
    return result


def finish_generator(
    generator: Generator, config: Finish, *, checkpoint: Path | None = None, progress: Progress = silent
) -> Generator:
    """Train a generator on; it is left as it is and a better one returned."""
    network = unsettle(generator).to(memory_format=torch.channels_last)
    average = copy.deepcopy(network)
    optimiser = torch.optim.Adam(network.synthesis.parameters(), betas=(0.9, 0.99))
    size = network.config.resolution
    weight = _weight(size)

    def losses(step: int) -> dict[str, Tensor]:
        z = latents(config, step)
        drawn = to_rgb(draw(traits.from_scores(z @ traits.axes().T), size))
        with torch.no_grad():
            w = (network.mapping.w(z) - network.mapping.w_avg).unsqueeze(1).expand(-1, network.config.num_ws, -1)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            made = network.synthesis(w, noise="none")
        return compare(made.float() - drawn, weight, edges=config.edges)

    train(
        {"generator": network, "average": average},
        optimiser,
        losses,
        steps=config.steps,
        rate=lambda step: cosine(step, config.steps, peak=config.learning_rate, warmup=100),
        after=lambda step: follow(average, network, min(config.ema, step / (9 + step))),
        checkpoint=checkpoint,
        progress=progress,
    )
    return settle(average)


def _weight(size: int) -> Tensor:
    """How much each pixel counts, [size, size], at least 1."""
    ticks = (torch.arange(size) + 0.5) * (2 / size) - 1
    x, y = ticks.view(1, -1), ticks.view(-1, 1)
    return 1 + torch.stack([more * glow(x, y, *spot) for spot, more in _PLACES]).amax(dim=0)
