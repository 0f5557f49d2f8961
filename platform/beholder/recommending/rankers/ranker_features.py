"""Ranker features: the regressors of an edit: its alphas, their squares, how it changes the embedding, and what a taste says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from beholder.errors import ChoiceError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.store.question import taste_of
from beholder.taste.contract import Taste


@dataclass(frozen=True, eq=False)
class EditRegressors:
    """C edits -> regressors float64 [C, F], scaled so that each column has a mean square of about 1 over the edits of the fit.

    axes [A, E]: directions in embedding space on which the change of the embedding is projected. sizes [F]: what each column is
    divided by.
    """

    axes: np.ndarray
    sizes: np.ndarray

    @property
    def width(self) -> int:
        """F, the number of regressors."""
        return len(self.sizes)

    def of(self, edit_set: EditSet, taste_utilities: np.ndarray | None = None) -> np.ndarray:
        """Return the regressors of edits; the edit of nothing is 0 in every column. taste_utilities [C]: the last column."""
        return np.asarray(_unscaled(edit_set, self.axes, taste_utilities) / self.sizes)

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what `of_tensors` reads."""
        return {"features.axes": self.axes, "features.sizes": self.sizes}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, np.ndarray]) -> "EditRegressors":
        """Read what `tensors()` returned."""
        return cls(tensors["features.axes"], tensors["features.sizes"])


@dataclass(frozen=True)
class TastePrior:
    """A taste as a ranker's prior: its utility of the edited image above the original's is one more regressor."""

    taste: Taste
    attribute: str

    def of(self, user_id: str, edit_set: EditSet) -> np.ndarray:
        """Return a person's utilities of edits by the taste, float64 [C].

        A person by another attribute, as `taste_key` writes it, gets that attribute's; zeros where the taste was not fitted to it.
        """
        user_id, other = taste_of(user_id)
        if other and other not in self.taste.info.attributes:
            return np.zeros(len(edit_set))
        original = np.repeat(edit_set.original[None], len(edit_set), axis=0).astype(np.float32)
        differences = self.taste.differences(edit_set.embeddings.astype(np.float32), original, user_id, other or self.attribute)
        return np.asarray(differences.mean, np.float64)


def fit_regressors(comparisons: Sequence[Comparison], *, components: int, taste_prior: TastePrior | None = None) -> EditRegressors:
    """Fit the axes, principal components of the changes of the embedding, and the sizes to everybody's choices.

    components: how many principal components; 0: the change itself, dimension by dimension. Raises ChoiceError for no choices.
    """
    if not comparisons:
        raise ChoiceError("expected at least one choice to fit a ranker to, got none")
    changes = np.concatenate(
        [side.embeddings - side.original for comparison in comparisons for side in (comparison.left, comparison.right)]
    )
    axes = np.eye(changes.shape[1])
    if components:
        axes = np.linalg.svd(changes.astype(np.float64), full_matrices=False)[2][:components]
    sides = [(each.user_id, side) for each in comparisons for side in (each.left, each.right)]
    rows = np.concatenate(
        [_unscaled(side, axes, taste_prior.of(user_id, side) if taste_prior else None) for user_id, side in sides]
    )
    sizes = np.sqrt((rows**2).mean(axis=0))
    moves = 2 * len(comparisons[0].left.directions)
    # one size for all changes of the embedding: an axis along which hardly anything changes counts hardly anything
    sizes[moves : moves + len(axes)] = np.sqrt((sizes[moves : moves + len(axes)] ** 2).mean())
    return EditRegressors(axes, np.where(sizes > 1e-9, sizes, 1.0))


def _unscaled(edit_set: EditSet, axes: np.ndarray, taste_utilities: np.ndarray | None) -> np.ndarray:
    alphas = edit_set.alphas.astype(np.float64)
    changes = (edit_set.embeddings.astype(np.float64) - edit_set.original) @ axes.T
    parts = [alphas, alphas**2, changes]
    return np.concatenate(parts if taste_utilities is None else [*parts, taste_utilities[:, None]], axis=1)
