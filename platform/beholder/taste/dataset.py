"""Evidence: judgements by number, ready for arithmetic."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pyarrow as pa

from beholder import judgements
from beholder.errors import TasteError

_CHOICES = {judgements.LEFT: 1.0, judgements.RIGHT: 0.0, judgements.TIE: 0.5}


@dataclass(frozen=True)
class RatingTable:
    """R ratings: person, image and attribute by number, int64 [R]; score float32 [R] on any ordered scale."""

    person: np.ndarray
    image: np.ndarray
    attribute: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def __getitem__(self, rows: np.ndarray) -> "RatingTable":
        return RatingTable(self.person[rows], self.image[rows], self.attribute[rows], self.score[rows])


@dataclass(frozen=True)
class ComparisonTable:
    """C comparisons: person, left, right and attribute by number, int64 [C]; choice float32 [C]: 1 left, 0 right, 0.5 a tie."""

    person: np.ndarray
    left: np.ndarray
    right: np.ndarray
    attribute: np.ndarray
    choice: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def __getitem__(self, rows: np.ndarray) -> "ComparisonTable":
        return ComparisonTable(self.person[rows], self.left[rows], self.right[rows], self.attribute[rows], self.choice[rows])

    def swapped(self) -> "ComparisonTable":
        """The same said the other way round."""
        return ComparisonTable(self.person, self.right, self.left, self.attribute, 1 - self.choice)


@dataclass(frozen=True)
class JudgementDataset:
    """Judgements whose columns point into people, images and attributes."""

    people: tuple[str, ...]
    images: tuple[str, ...]
    attributes: tuple[str, ...]
    ratings: RatingTable
    comparisons: ComparisonTable

    def __len__(self) -> int:
        return len(self.ratings) + len(self.comparisons)

    def where(self, ratings: np.ndarray, comparisons: np.ndarray) -> "JudgementDataset":
        """Some of it, by masks or row numbers; the names stay, so that numbers go on meaning the same."""
        return replace(self, ratings=self.ratings[ratings], comparisons=self.comparisons[comparisons])

    def within(self, images: np.ndarray) -> "JudgementDataset":
        """Judgements all of whose images are in a mask, bool [N images]: a comparison needs both."""
        pairs = images[self.comparisons.left] & images[self.comparisons.right]
        return self.where(images[self.ratings.image], pairs)

    def by(self, people: np.ndarray) -> "JudgementDataset":
        """Judgements of the people in a mask, bool [P]."""
        return self.where(people[self.ratings.person], people[self.comparisons.person])

    def on(self, attribute: int) -> "JudgementDataset":
        """Judgements on one attribute."""
        return self.where(self.ratings.attribute == attribute, self.comparisons.attribute == attribute)

    def counts(self) -> np.ndarray:
        """How many judgements each person made, int64 [P]."""
        counted = np.bincount(self.ratings.person, minlength=len(self.people))
        return counted + np.bincount(self.comparisons.person, minlength=len(self.people))


def join(one: JudgementDataset, other: JudgementDataset) -> JudgementDataset:
    """The judgements of both, which must be of the same people, images and attributes."""
    names = ("people", "images", "attributes")
    if any(getattr(one, name) != getattr(other, name) for name in names):
        raise TasteError("evidence of other people, images or attributes can't be joined")
    ratings, comparisons = ([getattr(each, kind) for each in (one, other)] for kind in ("ratings", "comparisons"))
    return replace(one, ratings=_stack(ratings), comparisons=_stack(comparisons))


def gather(
    ratings: pa.Table, comparisons: pa.Table, images: Sequence[str], *, attributes: Collection[str] = ()
) -> tuple[JudgementDataset, int]:
    """Tables (schemas tables.RATINGS and tables.COMPARISONS) as evidence on `images`, and how many judgements had to be left out
    because an image of theirs is not among these. attributes: only these; empty: all.

    Raises TasteError where nothing is left.
    """
    rated, compared = ratings.to_pandas(), comparisons.to_pandas()
    if attributes:
        rated, compared = (frame[frame["attribute"].isin(list(attributes))] for frame in (rated, compared))
    total = len(rated) + len(compared)
    at = {image_id: row for row, image_id in enumerate(images)}
    rated = rated[rated["image_id"].isin(at)]
    compared = compared[compared["left_id"].isin(at) & compared["right_id"].isin(at)]
    if not len(rated) + len(compared):
        raise TasteError(f"none of the {total} judgements is of an image with an embedding; run beholder embed first")
    people = tuple(sorted(set(rated["user_id"]) | set(compared["user_id"])))
    names = tuple(sorted(set(rated["attribute"]) | set(compared["attribute"])))
    person = {user_id: row for row, user_id in enumerate(people)}
    attribute = {name: row for row, name in enumerate(names)}
    evidence = JudgementDataset(
        people,
        tuple(images),
        names,
        RatingTable(
            _numbers(rated["user_id"], person),
            _numbers(rated["image_id"], at),
            _numbers(rated["attribute"], attribute),
            rated["score"].to_numpy(np.float32),
        ),
        ComparisonTable(
            _numbers(compared["user_id"], person),
            _numbers(compared["left_id"], at),
            _numbers(compared["right_id"], at),
            _numbers(compared["attribute"], attribute),
            _numbers(compared["choice"], _CHOICES).astype(np.float32),
        ),
    )
    return evidence, total - len(evidence)


def pairs_within(evidence: JudgementDataset, *, at_most: int, seed: int) -> ComparisonTable:
    """Comparisons that ratings imply: pairs of images that one person rated differently on one attribute.

    At most `at_most` a person and attribute, drawn without replacement. Pairs of one person share ratings, so they are not
    independent.
    """
    dice = np.random.default_rng(seed)
    rated = evidence.ratings
    parts = []
    order = np.lexsort((rated.attribute, rated.person))
    groups = rated.person * len(evidence.attributes) + rated.attribute
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(order) else []:
        first, second = np.triu_indices(len(rows), 1)
        differ = rated.score[rows[first]] != rated.score[rows[second]]
        first, second = first[differ], second[differ]
        if len(first) > at_most:
            chosen = dice.choice(len(first), at_most, replace=False)
            first, second = first[chosen], second[chosen]
        one, other = rows[first], rows[second]
        left = (rated.score[one] > rated.score[other]).astype(np.float32)
        parts.append((rated.person[one], rated.image[one], rated.image[other], rated.attribute[one], left))
    if not parts:
        none = np.zeros(0, np.int64)
        return ComparisonTable(none, none, none, none, np.zeros(0, np.float32))
    return ComparisonTable(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def _stack(parts: list[Any]) -> Any:
    """Rows of one after rows of the other."""
    names = [field.name for field in fields(parts[0])]
    return type(parts[0])(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _numbers(column: object, mapping: dict[str, int] | dict[str, float]) -> np.ndarray:
    """Names as the numbers they map to, int64 or float64."""
    values = [mapping[name] for name in column]  # type: ignore[attr-defined]
    return np.array(values, np.float64 if mapping is _CHOICES else np.int64)
