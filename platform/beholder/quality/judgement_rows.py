"""Judgements as rows that the measures of quality share: who, what on which attribute, when, and in which fold of cross-validation.

Ratings and comparisons stand in one table: a comparison has an image on either side, a rating one. Nothing here depends on the
order of people, and what is said of a person on nobody else's rows but where a measure's own text says so.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array  # type: ignore[import-untyped]  # scipy ships no types

from beholder.taste.dataset import JudgementDataset, person_hashes

COMPARED = 1.5  # standard deviations of utility that a choice of one side speaks for, before anything is known
_MIX = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class JudgementRows:
    """J judgements. person, attribute, image, other int64 [J]; other is -1 for a rating.

    value float64 [J]: a rating's score in standard deviations of the person's own scores on the attribute, around their mean; a
    comparison's side, COMPARED for the left, -COMPARED for the right, 0 for a tie. item int64 [J]: the same number for the same
    image, or the same two images on whichever side. fold int64 [J]: of cross-validation; judgements of a person on the same item
    are in the same one.
    """

    people: int
    attributes: int
    images: int
    person: np.ndarray
    attribute: np.ndarray
    image: np.ndarray
    other: np.ndarray
    value: np.ndarray
    item: np.ndarray
    fold: np.ndarray

    @classmethod
    def of(cls, dataset: JudgementDataset, *, images: int, folds: int, seed: int) -> "JudgementRows":
        """Return the rows of a dataset on so many images: its ratings, then its comparisons."""
        rated, compared = dataset.ratings, dataset.comparisons
        low, high = np.minimum(compared.left, compared.right), np.maximum(compared.left, compared.right)
        item = np.r_[rated.image, images + low * images + high].astype(np.int64)
        person = np.r_[rated.person, compared.person]
        hashes = person_hashes(dataset.people, seed)[person]
        with np.errstate(over="ignore"):
            mixed = (hashes ^ (item.astype(np.uint64) * _MIX)) * _MIX
        fold = ((mixed >> np.uint64(33)) % np.uint64(folds)).astype(np.int64)
        side = COMPARED * np.sign(compared.choice.astype(np.float64) - 0.5)
        return cls(
            len(dataset.people),
            len(dataset.attributes),
            images,
            person,
            np.r_[rated.attribute, compared.attribute],
            np.r_[rated.image, compared.left],
            np.r_[np.full(len(rated), -1, np.int64), compared.right],
            np.r_[_standardised(dataset), side],
            item,
            fold,
        )

    def __len__(self) -> int:
        return len(self.person)

    def __getitem__(self, rows: np.ndarray) -> "JudgementRows":
        columns = (self.person, self.attribute, self.image, self.other, self.value, self.item, self.fold)
        return JudgementRows(self.people, self.attributes, self.images, *(each[rows] for each in columns))

    @functools.cached_property
    def compared(self) -> np.ndarray:
        """Which rows are comparisons, bool [J]."""
        return np.asarray(self.other >= 0)

    @functools.cached_property
    def column(self) -> np.ndarray:
        """The number of each row's person and attribute together, int64 [J]."""
        return np.asarray(self.person * self.attributes + self.attribute)

    @functools.cached_property
    def design(self) -> "csr_array":
        """Which images a row is about, sparse [J, images]: 1 for its image, -1 for the other one of a comparison."""
        row = np.arange(len(self))
        compared = self.compared
        ends = np.r_[row, row[compared]], np.r_[self.image, self.other[compared]]
        return csr_array((np.r_[np.ones(len(self)), -np.ones(int(compared.sum()))], ends), shape=(len(self), self.images))


def groups_of(number: np.ndarray) -> Sequence[np.ndarray]:
    """Return the rows of each number that occurs, in rising order of the number; rows keep their order."""
    order = np.argsort(number, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(number[order])) + 1) if len(order) else []


def _standardised(dataset: JudgementDataset) -> np.ndarray:
    """Return scores around their person's mean on the attribute, in their standard deviations, [R]; 0 where all are the same."""
    rated = dataset.ratings
    column = rated.person * len(dataset.attributes) + rated.attribute
    count = np.maximum(np.bincount(column), 1)
    score = rated.score.astype(np.float64)
    centred = score - (np.bincount(column, score) / count)[column] if len(score) else score
    spread = np.sqrt(np.bincount(column, centred**2) / count)[column] if len(score) else score
    return np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1e-9)
