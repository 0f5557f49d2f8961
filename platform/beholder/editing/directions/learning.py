"""Learning directions in W from the labels of pictures, or from two texts through CLIP.

Labels are few and W is wide, but the distribution of w is known without any label: it is that of the mapping's output. So a label
is first predicted from w by ridge regression, with the penalty of the least leave-one-out error, and the direction is then the
conditional expectation of w where that label is one standard deviation higher and the other labels are the same:
C B (B' C B + R)^-1, with the covariance C of w, the regression's weights B, and the covariance R of its residuals. This is the
limit of `least_squares_moves` for endless examples. From one label alone it is C b: the weights b themselves, which InterFaceGAN
takes (Shen et al., 2020), are the same where w is isotropic and less likely a picture where it is not.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from beholder.config import setting
from beholder.editing.directions.direction import Direction, Labels
from beholder.editing.directions.scaling import projection_spread
from beholder.editing.directions.text_difference import text_difference
from beholder.editing.generator import Generator, to_pixels
from beholder.editing.latent import from_seeds
from beholder.encoder import ImageTextEncoder
from beholder.errors import ConfigError, EditError

LEAST = 20  # labelled pictures that a direction takes
_PENALTIES = torch.logspace(-6, 1, 22, dtype=torch.float64)  # of the ridge, as shares of the largest variance
_BATCH = 16
_FIRST_SEED = 1_000_000  # of the pictures that texts are compared with


@dataclass(frozen=True)
class TextDirectionConfig:
    """How a direction is learned from two texts."""

    pictures: int = setting(500, "pictures that are drawn and compared with both texts")
    truncation: float = setting(1.0, "below 1: more ordinary pictures")

    def __post_init__(self) -> None:
        if self.pictures < LEAST or not 0 < self.truncation <= 1:
            raise ConfigError(f"expected pictures >= {LEAST} and truncation in 0..1, got {self.pictures} and {self.truncation}")


@dataclass(frozen=True)
class LearnedDirection:
    """A direction, and the share of its label's variance that w explains, leave-one-out (1: all, 0: none)."""

    direction: Direction
    explained: float


@dataclass(frozen=True)
class EmbeddedPictures:
    """Pictures that any number of texts can be compared with: their w [N, w_dim] and their CLIP vectors [N, D]."""

    w: Tensor
    vectors: np.ndarray

    @classmethod
    def join(cls, parts: Sequence["EmbeddedPictures"]) -> "EmbeddedPictures":
        """Return the pictures of all parts, in order."""
        return cls(torch.cat([part.w for part in parts]), np.concatenate([part.vectors for part in parts]))


def from_labels(
    generator: Generator,
    w: Tensor,
    labels: Tensor,
    *,
    column: int,
    name: str,
    fingerprint: str,
    model: str,
    ends: Labels = ("", ""),
) -> LearnedDirection:
    """Learn the direction that raises one label and leaves the others alone.

    w: [N, w_dim] of the labelled pictures; labels: [N, T], numbers or 0 and 1; column: whose direction; ends: what its low and
    its high end are called. alpha 1 is one standard deviation of the projection on this generator.
    Raises EditError for fewer than 20 pictures, labels that are not finite or all the same, and a label that w does not predict
    at all.
    """
    _check(w, labels)
    rng = torch.Generator().manual_seed(0)
    with torch.no_grad():
        z = torch.randn(4000, generator.config.z_dim, generator=rng).to(generator.mapping.w_avg.device)
        covariance = torch.cov(generator.mapping(z)[:, 0].double().cpu().T)
    standard = ((labels - labels.mean(dim=0)) / labels.std(dim=0)).double()
    weights, residuals = ridge_regression(w.double(), standard)
    explained = 1 - float(residuals[:, column].square().mean() / standard[:, column].square().mean())
    if explained <= 0:
        raise EditError(f"{name}: the labels of these {len(w)} pictures can't be told from w better than by chance")
    unexplained = residuals.T @ residuals / len(residuals)
    moves = covariance @ weights @ torch.linalg.inv(weights.T @ covariance @ weights + unexplained)
    layers = (0, generator.config.num_ws)
    rough = Direction.along(
        moves[:, column], name=name, space="w", layers=layers, fingerprint=fingerprint, generator=model, labels=ends
    )
    return LearnedDirection(rough.with_scale(projection_spread(generator, rough)), explained)


def embed_pictures(
    generator: Generator,
    clip: ImageTextEncoder,
    config: TextDirectionConfig,
    *,
    progress: Callable[[int], None] = lambda count: None,
) -> EmbeddedPictures:
    """Draw pictures, always the same, and embed them. progress: gets the size of each batch."""
    parts = []
    for seeds in picture_seeds(config):
        parts.append(embed_batch(generator, clip, config, seeds))
        progress(len(seeds))
    return EmbeddedPictures.join(parts)


def picture_seeds(config: TextDirectionConfig) -> list[range]:
    """Return the seeds of the pictures that texts are compared with, in batches."""
    end = _FIRST_SEED + config.pictures
    return [range(start, min(start + _BATCH, end)) for start in range(_FIRST_SEED, end, _BATCH)]


@torch.no_grad()
def embed_batch(generator: Generator, clip: ImageTextEncoder, config: TextDirectionConfig, seeds: range) -> EmbeddedPictures:
    """Draw the pictures of a batch of seeds together, and embed them."""
    latent = from_seeds(generator, seeds, truncation=config.truncation)
    return EmbeddedPictures(latent.ws[:, 0].cpu(), clip.images(to_pixels(generator.synthesis(latent.ws))))


def from_texts(
    generator: Generator,
    pictures: EmbeddedPictures,
    clip: ImageTextEncoder,
    texts: tuple[str, str],
    *,
    name: str,
    fingerprint: str,
    model: str,
    ends: Labels | None = None,
    templates: Sequence[str] | None = ("{}",),
) -> LearnedDirection:
    """Learn the direction that leads from pictures that fit the first text to those that fit the second.

    How much better each picture fits the second text is its label. ends: what its low and its high end are called; the texts
    themselves, if not given. templates: what the texts are put into, as `text_difference` takes them.
    Raises EditError as `from_labels` does, and for texts that the encoder takes for the same.
    """
    towards = text_difference(clip, texts, templates)
    labels = torch.from_numpy((pictures.vectors @ towards).astype(np.float32))[:, None]
    return from_labels(
        generator, pictures.w, labels, column=0, name=name, fingerprint=fingerprint, model=model, ends=ends or texts
    )  # fmt: skip


def ridge_regression(w: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Fit ridge regressions of labels [N, T] on w [N, D], float64.

    Returns the weights [D, T] and the leave-one-out residuals [N, T]. Each label gets the penalty with the least of these.
    """
    count = len(w)
    left, sizes, right = torch.linalg.svd(w - w.mean(dim=0), full_matrices=False)
    centred = labels - labels.mean(dim=0)
    inner = left.T @ centred
    left_out = []
    for penalty in _PENALTIES * sizes[0].square():
        shrinkage = sizes.square() / (sizes.square() + penalty)
        leverage = left.square() @ shrinkage + 1 / count
        left_out.append((centred - left @ (shrinkage[:, None] * inner)) / (1 - leverage).clamp(min=1e-9)[:, None])
    residuals = torch.stack(left_out)
    best = residuals.square().mean(dim=1).argmin(dim=0)
    penalties = (_PENALTIES * sizes[0].square())[best]
    weights = right.T @ (sizes[:, None] / (sizes[:, None].square() + penalties) * inner)
    return weights, residuals[best, :, torch.arange(labels.shape[1])].T


def least_squares_moves(w: Tensor, labels: Tensor) -> Tensor:
    """Fit the moves in W that change one label each and leave the others alone.

    w: [N, w_dim], labels: [N, T] (numbers, or 0 and 1). Solves w = mean + labels * moves by least squares over labels in
    their standard deviations, so a label that often comes with another one does not drag it along. It takes thousands of
    examples; `from_labels` makes more of a few.
    Returns float32 [T, w_dim]: the move for one standard deviation of each label. Raises EditError for too few examples.
    """
    if len(w) <= labels.shape[1] + 1:
        raise EditError(f"{labels.shape[1]} labels need more than {labels.shape[1] + 1} examples, got {len(w)}")
    spread = labels.std(dim=0)
    if (spread < 1e-6).any():
        raise EditError(f"label {int((spread < 1e-6).nonzero()[0])} is the same in all examples, so nothing can be found")
    standard = ((labels - labels.mean(dim=0)) / spread).double()
    result: Tensor = torch.linalg.lstsq(standard, (w - w.mean(dim=0)).double()).solution.float()
    return result


def _check(w: Tensor, labels: Tensor) -> None:
    if len(w) != len(labels) or len(w) < LEAST:
        raise EditError(f"a direction takes at least {LEAST} labelled pictures, got {min(len(w), len(labels))}")
    if not torch.isfinite(labels).all():
        raise EditError("the labels hold values that are not finite")
    spread = labels.std(dim=0)
    if (spread < 1e-6).any():
        raise EditError(f"label {int((spread < 1e-6).nonzero()[0])} is the same in all examples, so nothing can be learned")
