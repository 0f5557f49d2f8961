"""Learning: directions in W from the labels of pictures, or from two texts through CLIP.

Labels are few and W is wide, but how w varies is known without any label: the mapping tells. So a label is first read off w
by ridge regression, its strength chosen by leaving each example out, and the move is then what w would do on average where
that label is one standard deviation higher and the other labels are the same: C B (B' C B + R)^-1, with the covariance C of w, the
readings' weights B, and the covariance R of what they leave unexplained. It is where `finding.find` would arrive with endless
examples. From one label alone it is C b: the weights' own direction, which InterFaceGAN takes, is the same where w varies evenly
and less likely a picture where it does not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from beholder.config import setting
from beholder.editing.directions.direction import Direction
from beholder.editing.directions.scaling import projection_spread
from beholder.editing.generator import Generator
from beholder.editing.latent import of_seeds
from beholder.editing.pixels import to_pixels
from beholder.errors import ConfigError, EditError

LEAST = 20  # labelled pictures that a direction takes
_STRENGTHS = torch.logspace(-6, 1, 22, dtype=torch.float64)  # of the ridge, as shares of the largest variance
_BATCH = 16
_FIRST_SEED = 1_000_000  # of the pictures that texts are compared with


class ImageTextEncoder(Protocol):
    """What is asked of an encoder."""

    def images(self, pixels: np.ndarray) -> np.ndarray: ...

    def texts(self, texts: Sequence[str]) -> np.ndarray: ...


@dataclass(frozen=True)
class Texts:
    """How a direction is found from two texts."""

    pictures: int = setting(500, "pictures that are drawn and compared with both texts")
    truncation: float = setting(1.0, "below 1: more ordinary pictures")

    def __post_init__(self) -> None:
        if self.pictures < LEAST or not 0 < self.truncation <= 1:
            raise ConfigError(f"expected pictures >= {LEAST} and truncation in 0..1, got {self.pictures} and {self.truncation}")


@dataclass(frozen=True)
class Learned:
    """A direction, and how much of its label's variance w explains in examples left out (1: all, 0: none)."""

    direction: Direction
    explained: float


def from_labels(
    generator: Generator, w: Tensor, labels: Tensor, *, column: int, name: str, fingerprint: str, model: str,
    ends: tuple[str, str] = ("", ""),
) -> Learned:  # fmt: skip
    """Learn the direction that raises one label and leaves the others alone.

    w: [N, w_dim] of the labelled pictures; labels: [N, T], numbers or 0 and 1; column: whose direction.
    alpha 1 is one standard deviation of the projection on this generator. Raises EditError for fewer than 20 pictures, labels
    that are not finite or all the same, and a label that w does not tell at all.
    """
    _check(w, labels)
    dice = torch.Generator().manual_seed(0)
    with torch.no_grad():
        z = torch.randn(4000, generator.config.z_dim, generator=dice).to(generator.mapping.w_avg.device)
        known = generator.mapping(z)[:, 0].double().cpu()
    standard = ((labels - labels.mean(dim=0)) / labels.std(dim=0)).double()
    weights, residuals = read_off(w.double(), standard)
    explained = 1 - float(residuals[:, column].square().mean() / standard[:, column].square().mean())
    if explained <= 0:
        raise EditError(f"{name}: the labels of these {len(w)} pictures can't be told from w better than by chance")
    spread = torch.cov(known.T)
    unexplained = residuals.T @ residuals / len(residuals)
    moves = spread @ weights @ torch.linalg.inv(weights.T @ spread @ weights + unexplained)
    whole = (0, generator.config.num_ws)
    rough = Direction.along(
        moves[:, column], name=name, space="w", layers=whole, fingerprint=fingerprint, generator=model, labels=ends
    )
    return Learned(rough.rescaled(projection_spread(generator, rough)), explained)


@dataclass(frozen=True)
class Seen:
    """Pictures that any number of texts can be compared with: their w [N, w_dim] and their CLIP vectors [N, D]."""

    w: Tensor
    vectors: np.ndarray


@torch.no_grad()
def look(
    generator: Generator, clip: ImageTextEncoder, config: Texts, *, progress: Callable[[int], None] = lambda count: None
) -> Seen:
    """Draw pictures, always the same, and embed them; progress is told of each batch."""
    ws, vectors = [], []
    for start in range(0, config.pictures, _BATCH):
        seeds = range(_FIRST_SEED + start, _FIRST_SEED + min(start + _BATCH, config.pictures))
        latent = of_seeds(generator, seeds, truncation=config.truncation)
        vectors.append(clip.images(to_pixels(generator.synthesis(latent.ws))))
        ws.append(latent.ws[:, 0].cpu())
        progress(len(seeds))
    return Seen(torch.cat(ws), np.concatenate(vectors))


def from_texts(
    generator: Generator, seen: Seen, clip: ImageTextEncoder, texts: tuple[str, str], *, name: str, fingerprint: str, model: str,
    ends: tuple[str, str] | None = None,
) -> Learned:  # fmt: skip
    """Learn the direction that leads from pictures that fit the first text to those that fit the second.

    How much better each picture fits the second text is its label. ends: the two ends; the texts themselves, if not given.
    Raises EditError as `from_labels` does, and for texts that the encoder takes for the same.
    """
    first, second = clip.texts(list(texts))
    if np.allclose(first, second, atol=1e-4):
        raise EditError(f"{name}: {texts[0]!r} and {texts[1]!r} are the same to this encoder")
    labels = torch.from_numpy((seen.vectors @ (second - first)).astype(np.float32))[:, None]
    return from_labels(
        generator, seen.w, labels, column=0, name=name, fingerprint=fingerprint, model=model, ends=ends or texts
    )  # fmt: skip


def read_off(w: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Ridge regression of labels [N, T] on w [N, D], float64: the weights [D, T], and what is left of each example where the
    others are to tell it [N, T]. Each label gets the strength that leaves least."""
    count = len(w)
    left, sizes, right = torch.linalg.svd(w - w.mean(dim=0), full_matrices=False)
    centred = labels - labels.mean(dim=0)
    inner = left.T @ centred
    kept = []
    for strength in _STRENGTHS * sizes[0].square():
        share = sizes.square() / (sizes.square() + strength)
        own = left.square() @ share + 1 / count  # how far each example tells itself
        kept.append((centred - left @ (share[:, None] * inner)) / (1 - own).clamp(min=1e-9)[:, None])
    residuals = torch.stack(kept)
    best = residuals.square().mean(dim=1).argmin(dim=0)
    strengths = (_STRENGTHS * sizes[0].square())[best]
    weights = right.T @ (sizes[:, None] / (sizes[:, None].square() + strengths) * inner)
    return weights, residuals[best, :, torch.arange(labels.shape[1])].T


def _check(w: Tensor, labels: Tensor) -> None:
    if len(w) != len(labels) or len(w) < LEAST:
        raise EditError(f"a direction takes at least {LEAST} labelled pictures, got {min(len(w), len(labels))}")
    if not torch.isfinite(labels).all():
        raise EditError("the labels hold values that are not finite")
    spread = labels.std(dim=0)
    if (spread < 1e-6).any():
        raise EditError(f"label {int((spread < 1e-6).nonzero()[0])} is the same in all examples, so nothing can be learned")


def find(w: Tensor, labels: Tensor) -> Tensor:
    """Find the moves in W that change one label each and leave the others alone.

    w: [N, w_dim], labels: [N, T] (numbers, or 0 and 1). Solves w = mean + labels * moves by least squares over labels in
    their standard deviations, so a label that often comes with another one does not drag it along. It takes thousands of
    examples; `learning.from_labels` makes more of a few.
    Returns float32 [T, w_dim]: the move for one standard deviation of each label. Raises EditError for too few examples.
    """
    if len(w) <= labels.shape[1] + 1:
        raise EditError(f"{labels.shape[1]} labels need more than {labels.shape[1] + 1} examples, got {len(w)}")
    spread = labels.std(dim=0)
    if (spread < 1e-6).any():
        raise EditError(f"label {int((spread < 1e-6).nonzero()[0])} is the same in all examples, so nothing can be found")
    standard = ((labels - labels.mean(dim=0)) / spread).double()
    return torch.linalg.lstsq(standard, (w - w.mean(dim=0)).double()).solution.float()
