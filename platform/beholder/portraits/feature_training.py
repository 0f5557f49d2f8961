"""Training the feature networks of the portrait generator, on portraits with detail drawn over them that it can't make.

Stage 1 teaches the encoder and the fuser to find F_k of pictures. Stage 2 leaves them as they are and teaches the feature editor:
the picture before an edit, and the drawing of the edited traits under the same detail as what should come of it. That truth is
known of drawings alone; networks for photos have to learn from what a generator makes of edits.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from beholder.editing.directions import Direction
from beholder.editing.features.feature_networks import CompactConfig, CompactFeatureNetworks
from beholder.editing.generator import Drawing, Generator, to_rgb
from beholder.editing.inversion import Inverter, one_pass
from beholder.portraits import overlays, traits
from beholder.portraits.generator_finetuning import cropped
from beholder.portraits.generator_training import compare
from beholder.portraits.reader import Reader
from beholder.portraits.renderer import draw
from beholder.portraits.training_loop import Progress, cosine, silent, train
from beholder.portraits.trait_directions import score_map


@dataclass(frozen=True)
class FeatureTraining:
    """How feature networks are trained.

    at: the resolution of the features; resolution: the largest of the pictures that the networks see and are compared at, a larger
    generator's being drawn so far; width, blocks: of the networks. crop: pixels of a side of the windows that are compared, 0:
    whole pictures. details: at most so many are drawn over a picture. edges: weight of the gradients' error beside the pixels';
    detail: extra weight of pixels below a detail; feature: of F_k's squared distance from F(w) in stage 1; reading: of the distance
    between what the reader sees in pictures and in their targets.
    """

    at: int = 64
    resolution: int = 256
    width: int = 48
    blocks: int = 2
    steps: int = 1500
    editing_steps: int = 2000
    batch: int = 8
    crop: int = 128
    details: int = 4
    learning_rate: float = 2e-3
    edges: float = 0.5
    detail: float = 2.0
    feature: float = 0.0005
    reading: float = 0.05
    seed: int = 37
    bfloat16: bool = True

    def __post_init__(self) -> None:
        if min(self.steps, self.editing_steps, self.batch, self.details) < 1:
            raise ValueError("steps, editing_steps, batch and details must be at least 1")


class _Lessons:
    """What a step sees: everything random follows from the step alone."""

    def __init__(
        self, generator: Generator, inverter: Inverter, reader: Reader, directions: Mapping[str, Direction], config: FeatureTraining
    ) -> None:
        self.generator, self.inverter, self.reader, self.config = generator, inverter, reader, config
        self.moves = torch.stack([each.step for each in directions.values()])  # [K, w_dim]
        self.scores, self.size = score_map(generator), generator.config.resolution

    def window(self, step: int) -> "_Window | None":
        """The part of the pictures that a step compares; None: all of them."""
        config = self.config
        if not config.crop or config.crop >= self.size or step % _WHOLE == _WHOLE - 1:
            return None
        side = config.crop * config.at // self.size
        places = torch.randint(config.at - side + 1, (2,), generator=self._rng(step, 1))
        return _Window(int(places[0]), int(places[1]), side, self.size // config.at)

    def count(self, window: "_Window | None") -> int:
        """How many pictures a step sees: fewer where they are whole."""
        return self.config.batch if window is not None else max(1, self.config.batch // _WHOLE)

    def w(self, step: int, count: int) -> Tensor:
        """The w of portraits, [count, w_dim]."""
        with torch.no_grad():
            return self.generator.mapping.w(traits.normalise(torch.randn(count, traits.LATENT_SIZE, generator=self._rng(step, 2))))

    def moved(self, step: int, count: int) -> Tensor:
        """What edits add to w, [count, w_dim]: one direction, or two, or none, each by -3..3."""
        rng, result = self._rng(step, 3), torch.zeros(count, self.moves.shape[1])
        for chance in (0.95, 0.3):
            which = torch.randint(len(self.moves), (count,), generator=rng)
            alpha = (6 * torch.rand(count, generator=rng) - 3) * (torch.rand(count, generator=rng) < chance)
            result += alpha.unsqueeze(1) * self.moves[which]
        return result

    def overlay(self, step: int, count: int) -> overlays.Overlay:
        """What is drawn over portraits."""
        return overlays.overlay(count, self.size, seed=self.config.seed * 10**6 + step, most=self.config.details)

    def drawn(self, w: Tensor) -> Tensor:
        """The drawings of w, RGB in -1..1."""
        return to_rgb(draw(traits.from_scores(self.scores(w)), self.size))

    @torch.no_grad()
    def invert(self, images: Tensor) -> Tensor:
        """w+ of pictures, [count, num_ws, w_dim]."""
        small = functional.avg_pool2d(images, self.size // self.inverter.config.resolution)
        return one_pass(self.generator, self.inverter, small)[0]

    def _rng(self, step: int, purpose: int) -> torch.Generator:
        return torch.Generator().manual_seed((self.config.seed * 10 + purpose) * 10**6 + step)


_WHOLE = 4  # every so many steps see whole pictures, so many times fewer of them


@dataclass(frozen=True)
class _Window:
    top: int
    left: int
    side: int
    scale: int

    def of_features(self, x: Tensor) -> Tensor:
        return x[..., self.top : self.top + self.side, self.left : self.left + self.side]

    def of_pictures(self, x: Tensor) -> Tensor:
        top, left, side = (self.scale * each for each in (self.top, self.left, self.side))
        return x[..., top : top + side, left : left + side]


@dataclass(frozen=True)
class _Made:
    """What the generator makes of w+: features and RGB up to `at`, and the picture."""

    features: Tensor
    below: Tensor
    picture: Tensor
    styles: Sequence[Tensor]

    @classmethod
    @torch.no_grad()
    def of(cls, generator: Generator, ws: Tensor, at: int, *, whole: bool = True) -> "_Made":
        styles = generator.synthesis.styles(ws)
        drawing = generator.synthesis.begin(styles, at=at, noise="none")
        assert drawing.image is not None
        picture = generator.synthesis.finish(drawing, styles, at=at, noise="none") if whole else drawing.image
        return cls(drawing.features, drawing.image, picture, styles)

    def within(self, window: _Window | None) -> "_Made":
        if window is None:
            return self
        features, below = window.of_features(self.features), window.of_features(self.below)
        return _Made(features, below, window.of_pictures(self.picture), self.styles)


def train_features(
    generator: Generator,
    inverter: Inverter,
    reader: Reader,
    directions: Mapping[str, Direction],
    *,
    config: FeatureTraining,
    checkpoint: Path | None = None,
    progress: Progress = silent,
) -> CompactFeatureNetworks:
    """Train feature networks for a generator and its inverter; with a checkpoint file it goes on where it stopped.

    Both stages are one training: the encoder and the fuser learn in its first steps, the feature editor in the others.
    """
    if generator.config.resolution > config.resolution:
        generator = cropped(generator, config.resolution)
    lessons, at = _Lessons(generator, inverter, reader, directions, config), config.at
    torch.manual_seed(config.seed)
    sizes = CompactConfig.of(generator.config, at=at, width=config.width, blocks=config.blocks)
    networks = CompactFeatureNetworks(sizes).to(memory_format=torch.channels_last)
    finding = [*networks.encoder.parameters(), *networks.fuser.parameters()]
    editing = list(networks.editor.parameters())
    optimiser = torch.optim.AdamW([{"params": finding}, {"params": editing}], weight_decay=0.01)

    def found(images: Tensor, made: _Made, window: _Window | None) -> tuple[Tensor, _Made]:
        part = made.within(window)
        seen = images if window is None else window.of_pictures(images)
        return networks.fuse(seen, part.picture, part.features, part.styles), part

    def finish(features: Tensor, part: _Made) -> Tensor:
        return generator.synthesis.finish(Drawing(features, part.below), part.styles, at=at, noise="none").float()

    def compared(made: Tensor, wanted: Tensor, cover: Tensor, window: _Window | None) -> dict[str, Tensor]:
        if window is not None:
            wanted, cover = window.of_pictures(wanted), window.of_pictures(cover)
        weight = 1 + config.detail * cover
        if window is not None:  # what lies beyond the border is not known
            inner = torch.zeros_like(weight)
            inner[..., _BORDER:-_BORDER, _BORDER:-_BORDER] = 1
            weight = weight * inner
        losses = compare(made - wanted, weight, edges=config.edges)
        if window is None and config.reading:
            distance = (lessons.reader(made.clamp(-1, 1)) - lessons.reader(wanted)).abs().mean()
            losses["reading"] = config.reading * distance
        return losses

    def first_stage(step: int) -> dict[str, Tensor]:
        window = lessons.window(step)
        count = lessons.count(window)
        detail = lessons.overlay(step, count)
        images = detail.over(lessons.drawn(lessons.w(step, count)))
        features, part = found(images, _Made.of(generator, lessons.invert(images), at), window)
        return {
            **compared(finish(features, part), images, detail.cover, window),
            "feature": config.feature * (features - part.features).float().square().mean(),
        }

    def second_stage(step: int) -> dict[str, Tensor]:
        window = lessons.window(step)
        count = lessons.count(window)
        detail, w, move = lessons.overlay(step, count), lessons.w(step, count), lessons.moved(step, count)
        images = detail.over(lessons.drawn(w))
        ws = lessons.invert(images)
        with torch.no_grad():
            features, part = found(images, _Made.of(generator, ws, at), window)
        after = _Made.of(generator, ws + move.unsqueeze(1), at, whole=False).within(None)
        if window is not None:
            after = _Made(window.of_features(after.features), window.of_features(after.below), after.picture, after.styles)
        edited = networks.editor(features, part.features, after.features)
        return compared(finish(edited, after), detail.over(lessons.drawn(w + move)), detail.cover, window)

    def losses(step: int) -> dict[str, Tensor]:
        for parameter in finding:
            parameter.requires_grad_(step < config.steps)
        for parameter in editing:
            parameter.requires_grad_(step >= config.steps)
        with torch.autocast("cpu", torch.bfloat16, enabled=config.bfloat16):
            return first_stage(step) if step < config.steps else second_stage(step)

    def rate(step: int) -> float:
        if step < config.steps:
            return cosine(step, config.steps, peak=config.learning_rate, warmup=50)
        return cosine(step - config.steps, config.editing_steps, peak=config.learning_rate, warmup=50)

    train(
        {"features": networks},
        optimiser,
        losses,
        steps=config.steps + config.editing_steps,
        rate=rate,
        clip=1.0,
        checkpoint=checkpoint,
        progress=progress,
    )
    return networks.eval().requires_grad_(False)


_BORDER = 6  # pixels of a window that are not compared
