"""Inversion: an image -> the w+ from which the generator makes it.

One pass of a small convolutional network gives a first answer; a few steps of optimisation bring it closer.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from beholder.editing.generator import Generator


@dataclass(frozen=True)
class InverterConfig:
    """Sizes: the resolution halves with every width."""

    resolution: int = 128
    num_ws: int = 12
    w_dim: int = 128
    widths: tuple[int, ...] = (24, 48, 96, 128, 160)
    hidden: int = 192

    def __post_init__(self) -> None:
        if self.resolution % 2 ** len(self.widths):
            raise ValueError(f"{len(self.widths)} halvings don't divide a resolution of {self.resolution}")


class Trunk(nn.Module):
    """Images -> features: convolutions of stride 2, then one dense layer."""

    def __init__(self, resolution: int, widths: tuple[int, ...], hidden: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inner = 3
        for width in widths:
            size = 5 if inner == 3 else 3
            layers += [nn.Conv2d(inner, width, size, stride=2, padding=size // 2), nn.GroupNorm(8, width), nn.SiLU()]
            inner = width
        self.convolutions = nn.Sequential(*layers)
        cells = (resolution >> len(widths)) ** 2
        self.dense = nn.Sequential(nn.Flatten(), nn.Linear(cells * inner, hidden), nn.LayerNorm(hidden), nn.SiLU())

    def forward(self, images: Tensor) -> Tensor:
        """RGB in -1..1 [N, 3, R, R] -> [N, hidden]."""
        return self.dense(self.convolutions(images.contiguous(memory_format=torch.channels_last)))


class Inverter(nn.Module):
    """Image -> w+: one w for all layers, and a departure from it for each."""

    centre: Tensor
    spread: Tensor

    def __init__(self, config: InverterConfig) -> None:
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.resolution, config.widths, config.hidden)
        self.common = nn.Linear(config.hidden, config.w_dim)
        self.departures = nn.Linear(config.hidden, config.num_ws * config.w_dim)
        nn.init.zeros_(self.departures.weight)
        nn.init.zeros_(self.departures.bias)
        self.register_buffer("centre", torch.zeros(config.w_dim))
        self.register_buffer("spread", torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        """RGB in -1..1 [N, 3, R, R] -> w+ [N, num_ws, w_dim]."""
        common, departures = self.parts(images)
        return self.centre + self.spread * (common.unsqueeze(1) + departures)

    def parts(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The common w [N, w_dim] and the departures [N, num_ws, w_dim], both in units of W's spread around its mean."""
        features = self.trunk(images)
        return self.common(features), self.departures(features).view(-1, self.config.num_ws, self.config.w_dim)


@dataclass(frozen=True)
class Refinement:
    """How an inversion is brought closer: few steps of Adam on w+, held near where it began so that edits still work."""

    steps: int = 50
    learning_rate: float = 0.06  # in units of W's spread
    stay: float = 0.002
    edges: float = 0.5


def refine(generator: Generator, inverter: Inverter, images: Tensor, ws: Tensor, config: Refinement) -> Tensor:
    """Move w+ [N, num_ws, w_dim] so that the generator's images come closer to `images` [N, 3, R, R]."""
    if config.steps == 0:
        return ws
    move = torch.zeros_like(ws, requires_grad=True)
    optimiser = torch.optim.Adam([move], lr=config.learning_rate, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, config.steps, config.learning_rate / 10)
    with torch.enable_grad():
        for _ in range(config.steps):
            error = generator.synthesis(ws + inverter.spread * move) - images
            edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
            loss = error.abs().mean() + config.edges * edges + config.stay * move.square().mean()
            (move.grad,) = torch.autograd.grad(loss, move)
            optimiser.step()
            schedule.step()
    return (ws + inverter.spread * move).detach()


def invert(generator: Generator, inverter: Inverter, images: Tensor, *, refinement: Refinement | None = None) -> Tensor:
    """Find w+ of images: RGB in -1..1 [N, 3, R, R] -> [N, num_ws, w_dim]; without a refinement in one pass."""
    with torch.no_grad():
        ws = inverter(images)
    return ws if refinement is None else refine(generator, inverter, images, ws, refinement)
