"""Warm images: tastes with the effects that other people's judgements of images have, to be judged beside them without."""

from dataclasses import dataclass, replace

import numpy as np

from beholder.taste import image_effects, splits, utility_table
from beholder.taste.contract import Taste
from beholder.taste.dataset import ComparisonTable, JudgementDataset, concatenate
from beholder.taste.image_effects import Contributions, JudgedUtilities
from beholder.taste.taste_loadings import FACTORS, TasteLoadings
from beholder.taste.warm_taste import NoTaste, WarmTaste, learn_effects


@dataclass(frozen=True)
class WarmTest:
    """What warm tastes are judged on. judged: all judgements; fitted: the images that tastes were fitted to, bool [N]; test, asked:
    as cold tastes are judged.

    folds: the people are divided in so many parts; who is in one is served what those of the others said.
    """

    judged: JudgementDataset
    fitted: np.ndarray
    test: JudgementDataset
    asked: ComparisonTable
    folds: int
    seed: int


def of_known_people(taste: Taste, items: np.ndarray, test: WarmTest, *, others: int = 0, alone: bool = False) -> WarmTaste:
    """Return a taste of rows whose people are each served what people of other folds said.

    items: a row for each of the test's images. others: people who judged an image, at most, drawn where there are more; 0: all.
    alone: what the crowd says, without the taste.
    """
    everything = concatenate([test.judged.comparisons, test.asked])
    own = utility_table.on_rows(taste, items, test.judged, everything)
    rows = np.arange(len(items))
    utilities = JudgedUtilities.none(test.judged) if alone else JudgedUtilities.of(own, test.judged, rows)
    factors = 0 if alone or taste.info.takes == "pixels" else FACTORS
    axes = TasteLoadings.learn(taste, test.judged.people, items[test.fitted], factors=factors)
    loadings = axes.of_everybody(taste, test.judged.people, test.judged.attributes)
    return warm_taste(NoTaste(own.info) if alone else own, test, utilities, loadings, others=others)


def of_new_people(
    taste: Taste, items: np.ndarray, others: JudgementDataset, fitted: np.ndarray, test: JudgementDataset, asked: ComparisonTable
) -> WarmTaste:
    """Return a taste of rows whose people it met with few judgements, each served what other people said.

    others: all judgements of other people, by which images are warm; fitted: the images that the taste was fitted to, bool [N].
    """
    effects, axes = learn_effects(taste, others, items, fitted)
    means = {name: effects.posterior(row).means[None].astype(np.float32) for row, name in enumerate(others.attributes)}
    ones, people = np.ones((len(test.people), 1)), {user_id: row for row, user_id in enumerate(test.people)}
    loadings = {name: np.hstack([ones, axes.of(taste, test.people, name)]).astype(np.float32) for name in others.attributes}
    own = utility_table.on_rows(taste, items, test, asked)
    return WarmTaste(own, means, loadings, people, np.zeros(len(people), np.int64))


def warm_taste(taste: Taste, test: WarmTest, utilities: JudgedUtilities, loadings: np.ndarray, *, others: int = 0) -> WarmTaste:
    """Return a taste of rows whose people are each served the effects that follow from people of other folds.

    utilities: of test.judged; loadings: of its people, [A, P, K].
    """
    dataset = test.judged
    parts = splits.by_person(dataset, seed=test.seed, shares=(1 / test.folds,) * test.folds)
    group = np.zeros(len(dataset.people), np.int64)
    for number, part in enumerate(parts):
        group[part.counts() > 0] = number
    effects: dict[str, list[np.ndarray]] = {name: [] for name in dataset.attributes}
    for number in range(test.folds):
        ratings, comparisons = (np.flatnonzero(group[table.person] != number) for table in (dataset.ratings, dataset.comparisons))
        learned = image_effects.learn(
            dataset.select(ratings, comparisons), utilities.select(ratings, comparisons), test.fitted, loadings
        )
        if others:
            learned = replace(learned, contributions=fewer(learned.contributions, others, seed=test.seed))
        for row, name in enumerate(dataset.attributes):
            effects[name].append(learned.posterior(row).means.astype(np.float32))
    ones = np.ones((len(dataset.people), 1))
    return WarmTaste(
        taste,
        {name: np.array(each) for name, each in effects.items()},
        {name: np.hstack([ones, own]).astype(np.float32) for name, own in zip(dataset.attributes, loadings, strict=True)},
        {user_id: row for row, user_id in enumerate(dataset.people)},
        group,
    )


def fewer(contributions: Contributions, most: int, *, seed: int) -> Contributions:
    """Return those of so many people, at most, for each image and attribute, drawn by the seed."""
    order = np.random.default_rng(seed).permutation(len(contributions))
    cell = contributions.attribute * (int(contributions.image.max(initial=0)) + 1) + contributions.image
    order = order[np.argsort(cell[order], kind="stable")]
    starts = np.flatnonzero(np.r_[True, np.diff(cell[order]) > 0])
    place = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return contributions[np.sort(order[place < most])]
