"""Few shots: how tastes meet somebody new. People divided into folds, each new to a taste that was fitted to the others."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from beholder.taste import splits, taste_factory, validation
from beholder.taste.contract import OnlineTaste, Taste
from beholder.taste.dataset import ComparisonTable, JudgementDataset, join
from beholder.taste.splits import Split
from beholder.taste.taste_factory import TasteConfig


@dataclass(frozen=True)
class FewShotFold:
    """One part of the people, who are new. train, held_out: what others said of images to learn from and to choose by; judged: all
    that others said; theirs: what the new people said of images to learn from; test, asked: of the images of the test."""

    train: JudgementDataset
    held_out: JudgementDataset
    judged: JudgementDataset
    theirs: JudgementDataset
    test: JudgementDataset
    asked: ComparisonTable


def divide(
    dataset: JudgementDataset, split: Split, *, folds: int, enough: np.ndarray, at_most: int, seed: int
) -> Iterator[FewShotFold]:
    """Yield each part of the people as new ones.

    split: of the dataset by image. enough: who is reported, bool [P]. at_most: test pairs that a person's ratings imply on an
    attribute.
    """
    for fold in splits.by_person(dataset, seed=seed, shares=(1 / folds,) * folds):
        new = fold.counts() > 0
        test = split.test.of_people(new & enough)
        yield FewShotFold(
            split.train.of_people(~new),
            split.val.of_people(~new),
            dataset.of_people(~new),
            split.train.of_people(new & enough),
            test,
            validation.pairs(test, at_most=at_most, seed=seed),
        )


def meet(
    fitted: Taste,
    train: JudgementDataset,
    held_out: JudgementDataset,
    few: JudgementDataset,
    items: np.ndarray,
    config: TasteConfig,
    *,
    encoder_id: str,
    seed: int,
) -> Taste:
    """Return a taste after a few comparisons of new people: updated where it learns online, else fitted again with them.

    train, held_out: what it was fitted to.
    """
    if not len(few):
        return fitted
    if isinstance(fitted, OnlineTaste):
        return fitted.learn(few, items)
    return taste_factory.fit(join(train, few), held_out, items, config, encoder_id=encoder_id, seed=seed)
