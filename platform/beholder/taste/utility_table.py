"""Tastes on the rows of a set of images: what judging asks for is computed once, in large batches, and then looked up.

Judging asks person by person and attribute by attribute, often for the same image. A taste that takes pixels would prepare, hash
and embed it each time. On rows, the items of a taste are int64 row numbers, and everything else is as its contract says.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from beholder.errors import TasteError
from beholder.taste.contract import Normal, Taste, TasteInfo, TasteSettings
from beholder.taste.dataset import ComparisonTable, JudgementDataset
from beholder.taste.lora import Lora
from beholder.taste.pixel_taste import FromPixels
from beholder.taste.shrinkage import POPULATION, ShrunkTaste


class RowTaste:
    """A taste of row numbers, int64 [N], of items that it holds."""

    def __init__(self, taste: Taste, items: np.ndarray):
        self.taste, self._items = taste, items
        self.info: TasteInfo = taste.info

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        return self.taste.utilities(self._items[items], user_ids, attribute)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        return self.taste.differences(self._items[left], self._items[right], user_id, attribute)

    def tensors(self) -> Mapping[str, np.ndarray]:
        return self.taste.tensors()

    def settings(self) -> TasteSettings:
        return self.taste.settings()


class UtilityTable(RowTaste):
    """A taste of row numbers that looks utilities up: float32 [M, A] of M pairs of an image and a person."""

    def __init__(self, taste: Lora, items: np.ndarray, image: np.ndarray, user_ids: Sequence[str], person: np.ndarray):
        """image, person: int64 [M], rows of items and of user_ids; only these pairs can be asked for."""
        super().__init__(taste, items)
        self._people = {user_id: row for row, user_id in enumerate(user_ids)}
        keys, first = np.unique(person * len(items) + image, return_index=True)
        self._keys = keys
        self._utilities = taste.utilities_of_pairs(items, image[first], user_ids, person[first])

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """Return what the contract says, float32 [P, N]. Raises TasteError for a pair that is not in the table."""
        column = self.info.attribute(attribute)
        people = np.array([self._people.get(user_id, -1) for user_id in user_ids], np.int64)
        keys = people[:, None] * len(self._items) + items
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        if (self._keys[at] != keys).any():
            raise TasteError("expected images and people that the table was made for; it has no others")
        return np.asarray(self._utilities[at, column])

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        mean = np.subtract(*(self.utilities(side, [user_id], attribute)[0] for side in (left, right)))
        return Normal(mean, np.zeros_like(mean))


def on_rows(taste: Taste, items: np.ndarray, test: JudgementDataset, pairs: ComparisonTable) -> Taste:
    """Return a taste as one of row numbers of `items`, ready to be judged on `pairs` and on the ratings of `test`.

    Whoever judges is asked for, and nobody in particular, on the images that they judged.
    """
    if isinstance(taste, ShrunkTaste):
        return ShrunkTaste(on_rows(taste.taste, items, test, pairs), taste.weights)
    person = np.concatenate([pairs.person, pairs.person, test.ratings.person])
    image = np.concatenate([pairs.left, pairs.right, test.ratings.image])
    if isinstance(taste, FromPixels):
        return RowTaste(taste.taste, taste.embeddings(items, np.unique(image)))
    if not isinstance(taste, Lora) or not len(image):
        return RowTaste(taste, items)
    nobody = np.unique(image)
    who = np.concatenate([person, np.full(len(nobody), len(test.people))])
    return UtilityTable(taste, items, np.concatenate([image, nobody]), [*test.people, POPULATION], who)
