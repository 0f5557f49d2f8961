"""Finishing a portrait generator: on portraits drawn as they are needed, where edits lead, and growing to its full size.

A pool holds few portraits of rare people, and earrings, lips and hairlines are a few pixels each. Here most portraits
are pushed along one to three traits, as far as edits push them, half of them along what is small or goes wrong most,
and just those places weigh more. Layers above the size of the generator that is finished begin silent: its picture, enlarged.
"""

import copy
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from beholder.editing.generator import Generator, GeneratorConfig, ToRGB, to_rgb
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
class FinishStage:
    """A stretch of finishing at one resolution; it ends with a learning rate near 0, so its end is a generator to use.

    trained: all layers, or those of this resolution alone, which leaves the smaller pictures as they are.
    """

    resolution: int
    steps: int
    batch: int = 8
    learning_rate: float = 0.008
    trained: str = "all"

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch < 1:
            raise ValueError(f"steps and batch must be at least 1, not {self.steps} and {self.batch}")
        if self.trained not in ("all", "new"):
            raise ValueError(f"trained must be all or new, not {self.trained}")


@dataclass(frozen=True)
class Finish:
    """How a generator is finished.

    until: the last resolution that is trained; larger stages are left out, and may follow later from the same checkpoint.
    hard: the share of portraits that `FAVOURS` push; pushed: of those that random traits push. push: how far at most, in standard
    deviations. base: the size that is held to the drawings in larger stages, too: candidates are drawn at it.
    channel_min: channels of the layers above the generator's size, where the sizes of `GeneratorConfig` give fewer.
    """

    stages: tuple[FinishStage, ...] = (
        FinishStage(128, 2500),
        FinishStage(256, 4000, learning_rate=0.012),
        FinishStage(512, 4000, batch=4, learning_rate=0.015, trained="new"),
    )
    until: int = 512
    base: int = 128
    channel_min: int = 16
    edges: float = 1.25
    pushed: float = 0.35
    hard: float = 0.45
    push: float = 4.0
    ema: float = 0.995
    seed: int = 31
    bfloat16: bool = True

    def __post_init__(self) -> None:
        if not self.stages or [stage.resolution for stage in self.stages] != sorted(stage.resolution for stage in self.stages):
            raise ValueError("expected stages of growing resolution, at least one")
        if self.until < self.stages[0].resolution:
            raise ValueError(f"until must be at least the first stage's resolution, {self.stages[0].resolution}, not {self.until}")
        if not 0 <= self.pushed + self.hard <= 1:
            raise ValueError(f"pushed + hard must be in 0..1, not {self.pushed + self.hard}")

    @property
    def steps(self) -> int:
        """All stages up to `until` together."""
        return sum(stage.steps for stage in self.stages if stage.resolution <= self.until)

    def stage(self, step: int) -> tuple[FinishStage, int]:
        """The stage a step belongs to, and the step's number within it."""
        for stage in self.stages:
            if step < stage.steps:
                return stage, step
            step -= stage.steps
        return self.stages[-1], self.stages[-1].steps


# What pushes hard portraits: traits, each with the range of its push as shares of the largest. One row is taken for each.
FAVOURS: tuple[tuple[tuple[str, float, float], ...], ...] = (
    (("earrings", -1, 1),),
    (("lipstick", -1, 1),),
    (("receding", -1, 1),),
    (("skin", 0, 1), ("hair_lightness", 0, 1)),  # light hair around dark faces
    (("skin", 0.25, 1), ("hair_lightness", 0.25, 1)),
    (("skin", 0.25, 1), ("hair_lightness", 0, 1), ("receding", -0.5, 0.5)),
    (("skin", 0, 1), ("hair_lightness", -0.25, 0.75), ("curls", -0.5, 0.5)),
    (("skin", -1, 0), ("hair_lightness", -1, 0)),
    (("skin", 0.25, 1), ("glasses", -1, 1)),  # eyes in dark faces
    (("skin", 0.25, 1), ("eye_size", -1, 1)),
    (("glasses", -1, 1), ("age", -1, 1)),  # no wrinkles where glasses were
    (("hat", -1, 1), ("hair_lightness", -1, 1)),
    (("bangs", -1, 1), ("skin", -1, 1)),
)


def latents(config: Finish, step: int, count: int) -> Tensor:
    """The latents of one step, float32 [count, LATENT_SIZE]: they follow from the step alone."""
    rng = torch.Generator().manual_seed(config.seed * 10**6 + step)
    z = traits.normalise(torch.randn(count, traits.LATENT_SIZE, generator=rng))
    moves = torch.linalg.pinv(traits.axes()).T  # row k moves the score of trait k alone
    lot = torch.rand(count, generator=rng)
    strength = torch.zeros(count, len(moves))
    hard = torch.zeros(len(FAVOURS), len(moves), 2)
    for row, favour in enumerate(FAVOURS):
        for name, low, high in favour:
            hard[row, traits.column(name)] = torch.tensor([low, high])
    ranges = hard[torch.randint(len(FAVOURS), (count,), generator=rng)]
    within = ranges[..., 0] + (ranges[..., 1] - ranges[..., 0]) * torch.rand(count, len(moves), generator=rng)
    strength += within * (lot < config.hard).unsqueeze(1)
    for chance in (1.0, 0.5, 0.25):  # of a first, second and third trait
        which = torch.randint(len(moves), (count,), generator=rng)
        amount = (2 * torch.rand(count, generator=rng) - 1) * (torch.rand(count, generator=rng) < chance)
        amount = amount * ((lot >= config.hard) & (lot < config.hard + config.pushed))
        strength += torch.nn.functional.one_hot(which, len(moves)) * amount.unsqueeze(1)
    result: Tensor = z + config.push * strength @ moves
    return result


def enlarged(generator: Generator, config: GeneratorConfig) -> Generator:
    """A generator of a larger config whose new layers add nothing to the old one's picture yet.

    Their affine maps begin with a tenth of the usual spread: styles near 1 for all, so that new layers learn what is the same in
    every portrait first. With the usual spread they learn several times slower.
    """
    if config == generator.config:
        return copy.deepcopy(generator)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.resolution)
        larger = Generator(config)
    own = generator.state_dict()
    for name, parameter in larger.named_parameters():
        if name not in own and name.endswith("torgb.weight"):
            parameter.data.zero_()
        elif name not in own and name.endswith("affine.weight"):
            parameter.data *= 0.1
    larger.load_state_dict(larger.state_dict() | own)
    return larger


def cropped(generator: Generator, resolution: int) -> Generator:
    """The generator of the first layers alone, up to a resolution."""
    smaller = Generator(replace(generator.config, resolution=resolution))
    own = generator.state_dict()
    smaller.load_state_dict({name: own[name] for name in smaller.state_dict()})
    return smaller.eval().requires_grad_(False)


def finish_generator(
    generator: Generator, config: Finish, *, checkpoint: Path | None = None, progress: Progress = silent
) -> Generator:
    """Train a generator on, to the size of the last stage; it is left as it is and a better one returned.

    With a checkpoint file it goes on where it stopped. Raises ValueError for a generator that is larger than the first stage.
    """
    largest, sizes = config.stages[-1].resolution, generator.config
    if sizes.resolution > config.stages[0].resolution:
        raise ValueError(f"expected a generator of at most {config.stages[0].resolution} px to finish, got {sizes.resolution}")
    if largest > sizes.resolution:
        sizes = replace(sizes, resolution=largest, channel_min=max(config.channel_min, sizes.channel_min))
    network = enlarged(unsettle(generator), sizes).to(memory_format=torch.channels_last)
    average = copy.deepcopy(network)
    optimiser = torch.optim.Adam(network.synthesis.parameters(), betas=(0.9, 0.99))
    weights = {size: _weight(size) for size in {config.base, *(stage.resolution for stage in config.stages)}}

    def losses(step: int) -> dict[str, Tensor]:
        stage, within = config.stage(step)
        if within == 0 and stage.trained == "new":  # what is kept is what will be used: the averages
            network.load_state_dict(average.state_dict())
        new = f"synthesis.b{stage.resolution}."
        for name, parameter in network.named_parameters():
            wanted = name.startswith("synthesis.") and (stage.trained == "all" or name.startswith(new))
            parameter.requires_grad_(wanted)
        z = latents(config, step, stage.batch)
        drawn = to_rgb(draw(traits.from_scores(z @ traits.axes().T), stage.resolution))
        with torch.no_grad():
            w = (network.mapping.w(z) - network.mapping.w_avg).unsqueeze(1).expand(-1, network.config.num_ws, -1)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            made = pictures(network, w, {stage.resolution, config.base})
        found = compare(made[stage.resolution].float() - drawn, weights[stage.resolution], edges=config.edges)
        if stage.trained == "all" and stage.resolution > config.base:
            small = torch.nn.functional.avg_pool2d(drawn, stage.resolution // config.base)
            base = compare(made[config.base].float() - small, weights[config.base], edges=config.edges)
            found |= {f"base_{name}": loss for name, loss in base.items()}
        return found

    def rate(step: int) -> float:
        stage, within = config.stage(step)
        return cosine(within, stage.steps, peak=stage.learning_rate, warmup=100)

    train(
        {"generator": network, "average": average},
        optimiser,
        losses,
        steps=config.steps,
        rate=rate,
        after=lambda step: follow(average, network, min(config.ema, step / (9 + step))),
        checkpoint=checkpoint,
        progress=progress,
    )
    return settle(cropped(average, min(config.until, largest)))


def pictures(generator: Generator, ws: Tensor, sizes: set[int]) -> dict[int, Tensor]:
    """Draw w+ without noise, keeping the pictures of several sizes on the way: size -> RGB [N, 3, size, size]."""
    synthesis, found = generator.synthesis, {}
    drawing = synthesis.blank(len(ws))
    for layer, style in zip(synthesis.layers(max(sizes)), synthesis.styles(ws), strict=False):
        drawing = layer.add(drawing, style, "none")
        if isinstance(layer, ToRGB) and drawing.image is not None and drawing.image.shape[-1] in sizes:
            found[drawing.image.shape[-1]] = drawing.image
    return found


def _weight(size: int) -> Tensor:
    """How much each pixel counts, [size, size], at least 1."""
    ticks = (torch.arange(size) + 0.5) * (2 / size) - 1
    x, y = ticks.view(1, -1), ticks.view(-1, 1)
    return 1 + torch.stack([more * glow(x, y, *spot) for spot, more in _PLACES]).amax(dim=0)
