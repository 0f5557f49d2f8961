"""Splits: judgements divided so that nothing of a test is known in training.

by_image is the default: no image of one part is in another. by_pair is the published protocol: pairs are divided at random, so
the same image stands on both sides, and figures are higher than people will see. by_person is for somebody new.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from beholder.errors import TasteError
from beholder.taste.dataset import JudgementDataset


@dataclass(frozen=True)
class Split:
    """Judgements to learn from, to choose with, and to report on."""

    train: JudgementDataset
    val: JudgementDataset
    test: JudgementDataset


def by_image(dataset: JudgementDataset, *, seed: int, shares: tuple[float, ...] = (0.6, 0.2, 0.2)) -> list[JudgementDataset]:
    """Divide the images by `shares`, and keep in each part the judgements all of whose images are there.

    Comparisons of images of two parts are left out. Raises TasteError for shares that are not positive or don't sum to 1.
    """
    return [dataset.on_images(mask) for mask in image_masks(len(dataset.images), seed=seed, shares=shares)]


def image_masks(images: int, *, seed: int, shares: tuple[float, ...] = (0.6, 0.2, 0.2)) -> list[np.ndarray]:
    """Return which images are in each part, bool [images], as `by_image` divides them."""
    return [np.isin(np.arange(images), part) for part in _shuffle(images, shares, seed)]


def by_pair(dataset: JudgementDataset, *, seed: int, shares: tuple[float, ...] = (0.6, 0.2, 0.2)) -> list[JudgementDataset]:
    """Divide the judgements at random: images are shared between the parts, so what is found here is not what people will see."""
    ratings = _shuffle(len(dataset.ratings), shares, seed)
    comparisons = _shuffle(len(dataset.comparisons), shares, seed + 1)
    return [dataset.select(rated, compared) for rated, compared in zip(ratings, comparisons, strict=True)]


def by_person(dataset: JudgementDataset, *, seed: int, shares: tuple[float, ...] = (0.8, 0.2)) -> list[JudgementDataset]:
    """Divide the people: whoever is in one part is in no other."""
    parts = _shuffle(len(dataset.people), shares, seed)
    masks = [np.isin(np.arange(len(dataset.people)), part) for part in parts]
    return [dataset.of_people(mask) for mask in masks]


def by_table(dataset: JudgementDataset, parts: Sequence[str]) -> Split:
    """Divide by a given part for each image ("train", "val", "test", or anything else for none)."""
    if len(parts) != len(dataset.images):
        raise TasteError(f"expected a part for each of {len(dataset.images)} images, got {len(parts)}")
    given = np.array(parts, dtype=object)
    return Split(*(dataset.on_images(given == name) for name in ("train", "val", "test")))


def _shuffle(count: int, shares: tuple[float, ...], seed: int) -> list[np.ndarray]:
    """Return the numbers 0..count-1 in random parts, each in rising order."""
    if min(shares) <= 0 or abs(sum(shares) - 1) > 1e-6:
        raise TasteError(f"shares must be positive and sum to 1, got {shares}")
    order = np.random.default_rng(seed).permutation(count)
    ends = np.rint(np.cumsum(shares) * count).astype(int)[:-1]
    return [np.sort(part) for part in np.split(order, ends)]
