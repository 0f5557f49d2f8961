"""Edits of portraits, measured: two at once beside each alone, and directions learned from few labels or two texts."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import torch

from beholder.editing.directions import Direction, edited_styles, learning
from beholder.editing.generator import Generator
from beholder.editing.latent import from_seeds
from beholder.encoder import ImageTextEncoder
from beholder.portraits import captions, traits
from beholder.portraits.reader import Reader
from beholder.portraits.trait_directions import NAMES, readings

# What texts are tried on: the yes/no traits, and the six graded ones that people would name first.
TOLD = (*traits.YES_NO, "smile", "age", "hair_length", "curls", "hair_lightness", "skin")


@torch.no_grad()
def measure_pairs(
    generator: Generator, reader: Reader, directions: Mapping[str, Direction], *, count: int, seed: int,
    alpha: float = 1.0, pairs: Sequence[tuple[str, str]] | None = None,
) -> dict[str, float]:  # fmt: skip
    """How far two directions together move each one's trait, as a share of what each moves it alone, on `count` portraits.

    alpha: of graded traits; yes/no traits get 2, where they arrive. pairs: of names; all of them, if not given.
    "edits/together_at_1/a+b" is the share that is further from 1.
    """
    latent = from_seeds(generator, range(seed, seed + count))
    strength = {name: 2.0 if trait in traits.YES_NO else alpha for trait, name in NAMES.items()}
    column = {name: traits.column(trait) for trait, name in NAMES.items()}

    def rise(*names: str) -> torch.Tensor:
        styles = edited_styles(generator, latent, {name: strength[name] for name in names}, directions)
        return readings(generator, reader, styles).mean(dim=0) - start

    start = torch.zeros(len(traits.TRAITS))
    start = rise()
    chosen = list(combinations(NAMES.values(), 2)) if pairs is None else pairs
    alone = {name: float(rise(name)[column[name]]) for name in {name for pair in chosen for name in pair}}
    key = f"edits/together_at_{alpha:g}"
    figures: dict[str, float] = {}
    for pair in chosen:
        both = rise(*pair)
        shares = [float(both[column[name]]) / alone[name] for name in pair]
        figures[f"{key}/{'+'.join(pair)}"] = max(shares, key=lambda share: abs(share - 1))
    close = [abs(share - 1) <= 0.2 for share in figures.values()]
    furthest = max(figures.values(), key=lambda share: abs(share - 1))
    return {f"{key}_within_20_percent": sum(close) / len(close), f"{key}_furthest": furthest, **figures}


@torch.no_grad()
def measure_learned(
    generator: Generator, directions: Mapping[str, Direction], *, seed: int, examples: int = 200
) -> dict[str, float]:
    """The cosine of each shipped direction with one learned from few portraits: with all labels, and with its own alone."""
    latent = from_seeds(generator, range(seed, seed + examples))
    assert latent.z is not None
    w, labels = latent.ws[:, 0], traits.crisp(traits.from_latents(latent.z))
    figures: dict[str, float] = {}
    for trait, name in NAMES.items():
        own = traits.column(trait)
        for how, some, column in (("learned", labels, own), ("learned_alone", labels[:, own : own + 1], 0)):
            made = learning.from_labels(generator, w, some, column=column, name=name, fingerprint="", model="").direction
            figures[f"edits/{how}/{name}"] = float(made.vector @ directions[name].vector)
    least = {
        f"edits/{how}_least": min(value for key, value in figures.items() if key.startswith(f"edits/{how}/"))
        for how in ("learned", "learned_alone")
    }
    return least | figures


@torch.no_grad()
def measure_told(
    generator: Generator, reader: Reader, clip: ImageTextEncoder, *, count: int, seed: int, pictures: int = 500,
    told: Sequence[str] = TOLD,
) -> dict[str, float]:  # fmt: skip
    """How far directions made from two texts move their trait at alpha 2, in its standard deviations, on `count` portraits."""
    seen = learning.embed_pictures(generator, clip, learning.TextDirectionConfig(pictures))
    latent = from_seeds(generator, range(seed, seed + count))
    spread = traits.sample(20_000, seed=seed).std(dim=0)
    start = readings(generator, reader, generator.synthesis.styles(latent.ws)).mean(dim=0)
    figures: dict[str, float] = {}
    for trait in told:
        name, column = NAMES[trait], traits.column(trait)
        made = learning.from_texts(generator, seen, clip, captions.question(trait), name=name, fingerprint="", model="").direction
        rise = readings(generator, reader, edited_styles(generator, latent, {name: 2.0}, {name: made})).mean(dim=0) - start
        figures[f"edits/told/{name}"] = float(rise[column] / spread[column])
    reached = sum(value >= 1 for value in figures.values())
    return {"edits/told_reached": float(reached), "edits/told_of": float(len(figures)), **figures}
