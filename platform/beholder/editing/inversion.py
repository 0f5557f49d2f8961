"""Inversion: an image -> the w+ from which the generator makes it.

One pass of a small convolutional network gives a first answer; a few steps of optimisation bring it closer.
"""

import abc
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from beholder.editing.editor_config import EDGES
from beholder.editing.editor_config import Refinement as Refinement
from beholder.editing.generator import Generator
from beholder.editing.latent import Detail, Latent
from beholder.errors import EditError


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


_GUESS = 0.7  # of the mean picture's loss: an inverter whose answer is not even below that has not understood the picture


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
        result: Tensor = self.dense(self.convolutions(images.contiguous(memory_format=torch.channels_last)))
        return result


class LatentEncoder(nn.Module, abc.ABC):
    """Images, RGB in -1..1 [N, 3, R, R] -> w+ [N, num_ws, w_dim] in one pass. spread: how far w varies around its mean."""

    spread: Tensor

    @property
    @abc.abstractmethod
    def sizes(self) -> tuple[int, int, int]:
        """The resolution, rows of w+ and width of w of the generator that it is for."""


class Inverter(LatentEncoder):
    """Image -> w+: one w for all layers, and a departure from it for each."""

    centre: Tensor

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

    @property
    def sizes(self) -> tuple[int, int, int]:
        """The generator's resolution, rows of w+ and width of w."""
        return self.config.resolution, self.config.num_ws, self.config.w_dim

    def parts(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The common w [N, w_dim] and the departures [N, num_ws, w_dim], both in units of W's spread around its mean."""
        features = self.trunk(images)
        return self.common(features), self.departures(features).view(-1, self.config.num_ws, self.config.w_dim)


@dataclass(frozen=True)
class Inversion:
    """What was found: w+ [N, num_ws, w_dim], the loss of each picture before and after the steps [N], and what these took.

    distance: the loss after them as EDGES weighs it, whatever the refinement, to be compared with that of other pictures [N].
    start: w+ before the steps. details: what w+ loses of each picture, where that is kept, and kept: the loss of what is drawn
    with it [N].
    """

    ws: Tensor
    before: Tensor
    after: Tensor
    steps: int
    seconds: float
    distance: Tensor
    start: Tensor
    details: tuple[Detail | None, ...] = ()
    kept: Tensor | None = None

    @property
    def latent(self) -> Latent:
        """The latents of the pictures, with what is kept of their detail."""
        return Latent(self.ws, details=self.details)


@dataclass(frozen=True)
class InversionStep:
    """How far an optimisation has come: steps done, the share of its budget that is spent (0..1), the mean loss so far."""

    number: int
    spent: float
    loss: float


def invert(
    generator: Generator,
    inverter: LatentEncoder | None,
    images: Tensor,
    *,
    refinement: Refinement | None = None,
    progress: Callable[[InversionStep], None] = lambda step: None,
    clock: Callable[[], float] = time.monotonic,
) -> Inversion:
    """Find w+ of images, RGB in -1..1 [N, 3, R, R]: one pass of the inverter, then the steps of a refinement.

    An inverter may be of smaller images than the generator's: they are compared with what the layers up to that size draw, and the
    rows of the other layers are as its last one.
    The steps begin at what the inverter gave and are held near it. Without one, and for a picture of which it knows nothing
    (its answer comes hardly closer than the generator's mean w does), they begin at the mean, and the rows of w+ are held near
    each other instead. The budget of seconds counts from the first step, and that one is always done. A picture that the steps
    did not bring closer keeps what the inverter gave. Each picture is found as if it were alone.
    Raises EditError for images of another size than the inverter's or, without one, the generator's, and for an inverter of another
    generator.
    """
    config = refinement or Refinement(steps=0)
    guess, spread = one_pass(generator, inverter, images)
    size = images.shape[-1]
    with torch.no_grad():
        before = loss(generator.synthesis(guess, until=size) - images, config.edges)
        mean = generator.mapping.w_avg.expand(guess.shape)
        knows = torch.zeros_like(before, dtype=torch.bool)
        if inverter is not None and config.steps:
            knows = before < _GUESS * loss(generator.synthesis(mean[:1], until=size) - images, config.edges)
        knows = knows[:, None, None]
        start = torch.where(knows, guess, mean)
    began = clock()
    move, steps = torch.zeros_like(start, requires_grad=True), 0
    optimiser = torch.optim.Adam([move], lr=config.learning_rate, betas=(0.9, 0.95))
    while steps < config.steps:
        spent = steps / config.steps
        if config.seconds is not None and steps:
            spent = max(spent, (clock() - began) / config.seconds)
        if spent >= 1:
            break
        optimiser.param_groups[0]["lr"] = config.learning_rate * (0.1 + 0.9 * (1 + math.cos(math.pi * spent)) / 2)
        with torch.enable_grad():
            losses = loss(generator.synthesis(start + spread * move, until=size) - images, config.edges)
            anchor = torch.where(knows, 0, move.mean(dim=1, keepdim=True))
            held = config.stay * (move - anchor).square().mean(dim=(1, 2))
            (move.grad,) = torch.autograd.grad((losses + held).sum(), move)
        optimiser.step()
        steps += 1
        progress(InversionStep(steps, max(spent, steps / config.steps), float(losses.detach().mean())))
    if steps == 0:
        return Inversion(guess, before, before, 0, clock() - began, _distance(generator, guess, images, before, config), guess)
    with torch.no_grad():
        found = start + spread * move
        after = loss(generator.synthesis(found, until=size) - images, config.edges)
        closer = after < before
        found = torch.where(closer[:, None, None], found, guess)
    after = torch.where(closer, after, before)
    return Inversion(found, before, after, steps, clock() - began, _distance(generator, found, images, after, config), guess)


@torch.no_grad()
def _distance(generator: Generator, ws: Tensor, images: Tensor, found: Tensor, config: Refinement) -> Tensor:
    """The loss as EDGES weighs it, given that of the refinement."""
    return found if config.edges == EDGES else loss(generator.synthesis(ws, until=images.shape[-1]) - images, EDGES)


def one_pass(generator: Generator, inverter: LatentEncoder | None, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return what one pass gives, w+ [N, num_ws, w_dim], and how far w varies around its mean."""
    sizes = generator.config
    size = sizes.resolution if inverter is None else inverter.sizes[0]
    if images.ndim != 4 or images.shape[1:] != (3, size, size):
        raise EditError(f"expected images [N, 3, {size}, {size}], got {list(images.shape)}")
    with torch.no_grad():
        if inverter is None:
            mean = generator.mapping.w_avg
            z = torch.randn(1000, sizes.z_dim, generator=torch.Generator().manual_seed(0)).to(mean.device)
            return mean.expand(len(images), sizes.num_ws, -1).clone(), (generator.mapping(z)[:, 0] - mean).square().mean().sqrt()
        own = inverter.sizes
        first = replace(sizes, resolution=min(size, sizes.resolution))  # the layers that draw images of this size
        if own != (first.resolution, first.num_ws, first.w_dim):
            raise EditError(
                f"this inverter is for {own[0]} px and w+ of {own[1]} x {own[2]}, "
                f"the generator makes {first.resolution} px of {first.num_ws} x {first.w_dim}"
            )
        ws = inverter(images)
        rest = ws[:, -1:].expand(-1, sizes.num_ws - first.num_ws, -1)  # of what such images don't show
        return torch.cat([ws, rest], dim=1), inverter.spread


def loss(error: Tensor, edges: float) -> Tensor:
    """Return the mean absolute error of each image's pixels and of the differences between neighbours, [N, 3, R, R] -> [N]."""
    across, down = (error.diff(dim=dim).abs().mean(dim=(1, 2, 3)) for dim in (2, 3))
    return error.abs().mean(dim=(1, 2, 3)) + edges * (across + down)
