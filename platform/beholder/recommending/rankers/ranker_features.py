"""Features: an edit as numbers: its alphas and their squares, how it changes the embedding."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from beholder.errors import ChoiceError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.taste.contract import Taste


@dataclass(frozen=True, eq=False)
class EditRegressors:
    """Options -> float64 [C, F], scaled so that each column has a mean square of about 1 over the edits it was found on.

    axes [A, E]: what the change of the embedding is told along. sizes [F]: what each column is divided by.
    """

    axes: np.ndarray
    sizes: np.ndarray

    @property
    def width(self) -> int:
        """F."""
        return len(self.sizes)

    def of(self, edit_set: EditSet, said: np.ndarray | None = None) -> np.ndarray:
        """Features of edits; an edit of nothing is 0 in every column. said [C]: what the person's taste says, as the last one."""
        return np.asarray(_raw(edit_set, self.axes, said) / self.sizes)

    def tensors(self) -> dict[str, np.ndarray]:
        return {"features.axes": self.axes, "features.sizes": self.sizes}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, np.ndarray]) -> "EditRegressors":
        """From `tensors()`."""
        return cls(tensors["features.axes"], tensors["features.sizes"])


@dataclass(frozen=True)
class TastePrior:
    """What a taste says of edits for a person: its utility of the edited image above the original's."""

    taste: Taste
    attribute: str

    def of(self, user_id: str, edit_set: EditSet) -> np.ndarray:
        """float64 [C]."""
        original = np.repeat(edit_set.original[None], len(edit_set), axis=0).astype(np.float32)
        found = self.taste.differences(edit_set.embeddings.astype(np.float32), original, user_id, self.attribute)
        return np.asarray(found.mean, np.float64)


def find(comparisons: Sequence[Comparison], *, components: int, taste_prior: TastePrior | None = None) -> EditRegressors:
    """The features of everybody's choices: the principal directions of the changes of the embedding, and each column's size.

    components: how many principal directions; 0: the change as it is, number by number. Raises ChoiceError for no events.
    """
    if not comparisons:
        raise ChoiceError("expected at least one choice to fit a ranker to, got none")
    changes = np.concatenate(
        [side.embeddings - side.original for comparison in comparisons for side in (comparison.left, comparison.right)]
    )
    axes = np.eye(changes.shape[1])
    if components:
        axes = np.linalg.svd(changes.astype(np.float64), full_matrices=False)[2][:components]
    said = [taste_prior.of(e.user_id, side) if taste_prior else None for e in comparisons for side in (e.left, e.right)]
    sides = [side for comparison in comparisons for side in (comparison.left, comparison.right)]
    rows = np.concatenate([_raw(side, axes, word) for side, word in zip(sides, said, strict=True)])
    sizes = np.sqrt((rows**2).mean(axis=0))
    moves = 2 * sides[0].alphas.shape[1]
    # the changes keep their proportions: where nothing changes, there is nothing to be said
    sizes[moves : moves + len(axes)] = np.sqrt((sizes[moves : moves + len(axes)] ** 2).mean())
    return EditRegressors(axes, np.where(sizes > 1e-9, sizes, 1.0))


def _raw(edit_set: EditSet, axes: np.ndarray, said: np.ndarray | None) -> np.ndarray:
    alphas = edit_set.alphas.astype(np.float64)
    changes = (edit_set.embeddings.astype(np.float64) - edit_set.original) @ axes.T
    parts = [alphas, alphas**2, changes]
    return np.concatenate(parts if said is None else [*parts, said[:, None]], axis=1)
