"""Judgements as arrays: people, images and attributes by number; read, selected, grouped, joined, and implied by ratings."""

import hashlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from beholder import tables
from beholder.errors import TasteError

NO_TIME = int(np.iinfo(np.int64).min)  # of a judgement of which nobody noted when it was made
T = TypeVar("T", "RatingTable", "ComparisonTable")
_CHOICES = {tables.LEFT: 1.0, tables.RIGHT: 0.0, tables.TIE: 0.5}


@dataclass(frozen=True)
class RatingTable:
    """R ratings: person, image and attribute by number, int64 [R]; score float32 [R] on any ordered scale."""

    person: np.ndarray
    image: np.ndarray
    attribute: np.ndarray
    score: np.ndarray

    def __len__(self) -> int:
        return len(self.person)

    def __getitem__(self, rows: np.ndarray | slice) -> "RatingTable":
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

    def __getitem__(self, rows: np.ndarray | slice) -> "ComparisonTable":
        return ComparisonTable(self.person[rows], self.left[rows], self.right[rows], self.attribute[rows], self.choice[rows])


@dataclass(frozen=True)
class Groups:
    """The rows of a table sorted by a number that each has: those of number g are order[offsets[g] : offsets[g + 1]], int64."""

    order: np.ndarray
    offsets: np.ndarray

    @classmethod
    def of(cls, numbers: np.ndarray, count: int) -> "Groups":
        """Return the groups of numbers [R] in 0..count-1; the rows of a group stay in their order."""
        return cls(np.argsort(numbers, kind="stable"), np.r_[0, np.cumsum(np.bincount(numbers, minlength=count))])

    def __getitem__(self, group: int) -> np.ndarray:
        return self.order[self.offsets[group] : self.offsets[group + 1]]

    @property
    def counts(self) -> np.ndarray:
        """Return how many rows each group has, int64 [G]."""
        return np.diff(self.offsets)

    def padded(self, groups: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of some groups [G] side by side, int64 [G, most], and which of them are no padding, bool."""
        counts = self.counts[groups]
        place = np.arange(counts.max(initial=0))
        real = place < counts[:, None]
        return self.order[np.where(real, self.offsets[groups][:, None] + place, 0)], real

    def present(self) -> list[int]:
        """Return the groups that have rows, in rising order."""
        present: list[int] = np.flatnonzero(self.counts).tolist()
        return present


@dataclass(frozen=True)
class JudgementDataset:
    """Judgements whose columns point into people, images and attributes.

    weights: what the log-likelihood of each person's judgements is multiplied by in a fit, float64 [P] in 0..1; None: 1 for all.
    """

    people: tuple[str, ...]
    images: tuple[str, ...]
    attributes: tuple[str, ...]
    ratings: RatingTable
    comparisons: ComparisonTable
    weights: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.ratings) + len(self.comparisons)

    def select(self, ratings: np.ndarray, comparisons: np.ndarray) -> "JudgementDataset":
        """Return some of the judgements, by masks or row numbers; the names stay, so that numbers go on meaning the same."""
        return replace(self, ratings=self.ratings[ratings], comparisons=self.comparisons[comparisons])

    def on_images(self, images: np.ndarray) -> "JudgementDataset":
        """Return the judgements all of whose images are in a mask, bool [N images]: a comparison needs both."""
        pairs = images[self.comparisons.left] & images[self.comparisons.right]
        return self.select(images[self.ratings.image], pairs)

    def of_people(self, people: np.ndarray) -> "JudgementDataset":
        """Return the judgements of the people in a mask, bool [P]."""
        return self.select(people[self.ratings.person], people[self.comparisons.person])

    def of_person(self, person: int) -> "JudgementDataset":
        """Return one person's judgements."""
        return self.select(self.ratings.person == person, self.comparisons.person == person)

    def on_attribute(self, attribute: int) -> "JudgementDataset":
        """Return the judgements on one attribute."""
        return self.select(self.ratings.attribute == attribute, self.comparisons.attribute == attribute)

    def without_attribute(self, name: str) -> "JudgementDataset":
        """Return the judgements on every attribute but one, which is left out even by name."""
        names = tuple(each for each in self.attributes if each != name)
        number = np.array([names.index(each) if each in names else -1 for each in self.attributes])
        kept = self.select(number[self.ratings.attribute] >= 0, number[self.comparisons.attribute] >= 0)
        ratings = replace(kept.ratings, attribute=number[kept.ratings.attribute])
        comparisons: ComparisonTable = replace(kept.comparisons, attribute=number[kept.comparisons.attribute])
        return replace(kept, attributes=names, ratings=ratings, comparisons=comparisons)

    def counts(self) -> np.ndarray:
        """Return how many judgements each person made, int64 [P]."""
        ratings, comparisons = (np.bincount(table.person, minlength=len(self.people)) for table in (self.ratings, self.comparisons))
        return ratings + comparisons

    def weights_of(self, table: RatingTable | ComparisonTable) -> np.ndarray | None:
        """Return the weight of each judgement of a table of these people, float64 [rows]; None: 1 for all."""
        return None if self.weights is None else self.weights[table.person]

    def judged_images(self) -> np.ndarray:
        """Return the numbers of the images that anything was said of, int64, in rising order."""
        return np.unique(np.concatenate([self.ratings.image, self.comparisons.left, self.comparisons.right]))


@dataclass(frozen=True)
class TimedJudgements:
    """Judgements, and when each was made: rated_at int64 [R], compared_at int64 [C], in microseconds; NO_TIME where unknown."""

    dataset: JudgementDataset
    rated_at: np.ndarray
    compared_at: np.ndarray

    def __len__(self) -> int:
        return len(self.dataset)

    def of_people(self, people: np.ndarray) -> "TimedJudgements":
        """Return the judgements of the people in a mask, bool [P]."""
        ratings, comparisons = people[self.dataset.ratings.person], people[self.dataset.comparisons.person]
        return TimedJudgements(self.dataset.select(ratings, comparisons), self.rated_at[ratings], self.compared_at[comparisons])


def person_hashes(user_ids: Sequence[str], seed: int) -> np.ndarray:
    """Return a pseudo-random number for each person that is the same everywhere, uint64 [P]."""
    salt = seed.to_bytes(8, "little", signed=True)
    digests = b"".join(hashlib.blake2b(user_id.encode(), digest_size=8, salt=salt).digest() for user_id in user_ids)
    return np.frombuffer(digests, np.uint64)


def draw_people(user_ids: Sequence[str], count: int, seed: int) -> np.ndarray:
    """Return which people are drawn where at most `count` are wanted: those of the smallest hashes, bool [P]."""
    drawn = np.ones(len(user_ids), bool)
    if len(user_ids) > count:
        drawn[np.argsort(person_hashes(user_ids, seed), kind="stable")[count:]] = False
    return drawn


def join(one: JudgementDataset, other: JudgementDataset) -> JudgementDataset:
    """Return the judgements of both. Raises TasteError where they are not of the same people, images and attributes.

    People have the weights that they have in `one`.
    """
    if any(getattr(one, name) != getattr(other, name) for name in ("people", "images", "attributes")):
        raise TasteError("judgements can be joined where they are of the same people, images and attributes; these are of others")
    return replace(
        one,
        ratings=concatenate([one.ratings, other.ratings]),
        comparisons=concatenate([one.comparisons, other.comparisons]),
    )


def concatenate(tables: Sequence[T]) -> T:
    """Return the rows of several RatingTables, or of several ComparisonTables, one after the other."""
    names = [field.name for field in fields(tables[0])]
    return type(tables[0])(*(np.concatenate([getattr(table, name) for table in tables]) for name in names))


def from_tables(
    ratings: pa.Table, comparisons: pa.Table, images: Sequence[str], *, attributes: Collection[str] = ()
) -> tuple[JudgementDataset, int]:
    """Return tables (schemas tables.RATINGS and tables.COMPARISONS) as judgements on `images`, and how many had to be left out
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
    dataset = JudgementDataset(
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
    return dataset, total - len(dataset)


def implied_comparisons(dataset: JudgementDataset, *, at_most: int, seed: int) -> ComparisonTable:
    """Return the comparisons that ratings imply: pairs of images that one person rated differently on one attribute.

    At most `at_most` a person and attribute, drawn without replacement. Pairs of one person share ratings, so they are not
    independent.
    """
    rng = np.random.default_rng(seed)
    rated = dataset.ratings
    parts = []
    order = np.lexsort((rated.attribute, rated.person))
    groups = rated.person * len(dataset.attributes) + rated.attribute
    for rows in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(order) else []:
        first, second = np.triu_indices(len(rows), 1)
        differ = rated.score[rows[first]] != rated.score[rows[second]]
        first, second = first[differ], second[differ]
        if len(first) > at_most:
            chosen = rng.choice(len(first), at_most, replace=False)
            first, second = first[chosen], second[chosen]
        one, other = rows[first], rows[second]
        left = (rated.score[one] > rated.score[other]).astype(np.float32)
        parts.append((rated.person[one], rated.image[one], rated.image[other], rated.attribute[one], left))
    if not parts:
        none = np.zeros(0, np.int64)
        return ComparisonTable(none, none, none, none, np.zeros(0, np.float32))
    return ComparisonTable(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def timed_judgements(ratings: pa.Table, comparisons: pa.Table) -> TimedJudgements:
    """Return tables as judgements on all images that they name, and when they were made."""
    names = ("image_id", "left_id", "right_id")
    images = sorted(
        {
            each
            for table in (ratings, comparisons)
            for name in names
            if name in table.column_names
            for each in table[name].to_pylist()
        }
    )
    dataset, _ = from_tables(ratings, comparisons, images)
    at = (
        pc.fill_null(table["at"].cast(pa.timestamp("us")).cast(pa.int64()), NO_TIME).to_numpy() for table in (ratings, comparisons)
    )
    return TimedJudgements(dataset, *at)


def _numbers(column: Iterable[str], mapping: dict[str, int] | dict[str, float]) -> np.ndarray:
    """Return names as the numbers they map to, int64 or float64."""
    values = [mapping[name] for name in column]
    return np.array(values, np.float64 if mapping is _CHOICES else np.int64)
