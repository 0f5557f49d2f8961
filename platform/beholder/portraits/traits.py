"""Traits: the named things a portrait can be, and how they are drawn from latents.

A portrait is a row of trait values in 0..1, one column per entry of `TRAITS`. Latents z are mapped to traits by one
fixed smooth map, so a generator that takes z can be held to the drawing of `from_latents(z)`.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

LATENT_SIZE = 64
_SPREAD = 0.2  # standard deviation of a graded trait
_STEEPNESS = 16.0  # of the step by which a yes/no trait follows its latent


@dataclass(frozen=True)
class Trait:
    """One named quality of a portrait, with words for both of its ends.

    kind: "graded" (0..1, 0.5 is ordinary), "yes/no" (0 or 1; between them half drawn) or "hue" (a place on a palette).
    range: the values it takes. low, high: how a person is called who is at that end of it.
    rate: the share of people who have a yes/no trait.
    """

    name: str
    kind: Literal["graded", "yes/no", "hue"]
    low: str
    high: str
    rate: float = 0.5
    range: tuple[float, float] = (0.0, 1.0)


TRAITS = (
    Trait("skin", "graded", "with light skin", "with dark skin"),
    Trait("hair_hue", "hue", "with reddish hair", "with golden hair"),
    Trait("hair_lightness", "graded", "with dark hair", "with light hair"),
    Trait("hair_length", "graded", "with short hair", "with long hair"),
    Trait("curls", "graded", "with straight hair", "with curly hair"),
    Trait("bangs", "yes/no", "without bangs", "with bangs", rate=0.4),
    Trait("receding", "graded", "with a low hairline", "with a receding hairline"),
    Trait("smile", "graded", "frowning", "smiling"),
    Trait("glasses", "yes/no", "without glasses", "wearing glasses", rate=0.45),
    Trait("age", "graded", "who is young", "who is old"),
    Trait("face_width", "graded", "with a narrow face", "with a wide face"),
    Trait("eye_size", "graded", "with small eyes", "with big eyes"),
    Trait("brow_thickness", "graded", "with thin eyebrows", "with thick eyebrows"),
    Trait("beard", "yes/no", "without a beard", "with a beard", rate=0.35),
    Trait("lipstick", "yes/no", "without lipstick", "wearing lipstick", rate=0.4),
    Trait("head_turn", "graded", "looking to the left", "looking to the right"),
    Trait("earrings", "yes/no", "without earrings", "wearing earrings", rate=0.4),
    Trait("hat", "yes/no", "without a hat", "wearing a hat", rate=0.35),
    Trait("background", "hue", "in front of a pink background", "in front of a blue background"),
)
NAMES = tuple(trait.name for trait in TRAITS)
YES_NO = tuple(trait.name for trait in TRAITS if trait.kind == "yes/no")
GRADED = tuple(trait.name for trait in TRAITS if trait.kind != "yes/no")

# Which traits go together, as correlations between their latents: present, and weak.
_TOGETHER = {
    ("beard", "lipstick"): -0.3,
    ("beard", "earrings"): -0.2,
    ("lipstick", "earrings"): 0.25,
    ("beard", "hair_length"): -0.2,
    ("lipstick", "hair_length"): 0.2,
    ("age", "receding"): 0.25,
    ("age", "glasses"): 0.2,
    ("skin", "hair_lightness"): -0.3,
    ("skin", "curls"): 0.15,
}


def column(name: str) -> int:
    """The place of a trait in a row of traits."""
    return NAMES.index(name)


def correlations() -> Tensor:
    """How the latents of the traits go together, float32 [T, T]."""
    together = torch.eye(len(TRAITS))
    for (first, second), value in _TOGETHER.items():
        together[column(first), column(second)] = together[column(second), column(first)] = value
    return together


def basis() -> Tensor:
    """Orthonormal directions that span what traits follow in latent space, float32 [T, LATENT_SIZE]: always the same."""
    noise = torch.randn(LATENT_SIZE, len(TRAITS), generator=torch.Generator().manual_seed(19))
    result: Tensor = torch.linalg.qr(noise).Q.T
    return result


def axes() -> Tensor:
    """The direction in latent space that each trait follows, float32 [T, LATENT_SIZE], rows of length 1.

    The orthonormal basis, mixed so that its rows have the wanted correlations.
    """
    result: Tensor = torch.linalg.cholesky(correlations()) @ basis()
    return result


def normalise(z: Tensor) -> Tensor:
    """Scale latents [N, LATENT_SIZE] to a mean square of 1, as the generator's mapping does."""
    return z * (z.square().mean(dim=1, keepdim=True) + 1e-8).rsqrt()


def from_scores(scores: Tensor) -> Tensor:
    """Turn standard normal scores [N, T] into trait values in 0..1 [N, T], smoothly.

    A graded trait is linear in its score and bends at about 2.2 standard deviations; a yes/no trait steps at the
    score that gives it its rate.
    """
    limit = 2.5
    bent = scores * (1 + (scores / limit).abs() ** 6) ** (-1 / 6)
    graded = 0.5 + _SPREAD * bent
    rates = torch.tensor([trait.rate for trait in TRAITS])
    thresholds = torch.special.ndtri(1 - rates)
    stepped = torch.sigmoid(_STEEPNESS * (scores - thresholds))
    yes_no = torch.tensor([trait.kind == "yes/no" for trait in TRAITS])
    return torch.where(yes_no, stepped, graded)


def from_latents(z: Tensor) -> Tensor:
    """The traits of latents: the fixed smooth map, [N, LATENT_SIZE] -> [N, T] in 0..1."""
    return from_scores(normalise(z) @ axes().T)


def crisp(traits: Tensor) -> Tensor:
    """Settle every yes/no trait: 0 or 1, nothing half drawn."""
    yes_no = torch.tensor([trait.kind == "yes/no" for trait in TRAITS])
    return torch.where(yes_no, (traits > 0.5).to(traits.dtype), traits)


def sample(count: int, *, seed: int) -> Tensor:
    """Draw the traits of `count` people, [N, T] in 0..1, yes/no traits settled."""
    z = torch.randn(count, LATENT_SIZE, generator=torch.Generator().manual_seed(seed))
    return crisp(from_latents(z))
