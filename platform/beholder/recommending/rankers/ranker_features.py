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
    divided by. curved: whether the squared length of the change, the mean of its squared columns, is a regressor as well, so that a
    change can be liked up to a point.
    """

    axes: np.ndarray
    sizes: np.ndarray
    curved: bool = False

    @property
    def width(self) -> int:
        """F, the number of regressors."""
        return len(self.sizes)

    def of(self, edit_set: EditSet, taste_utilities: np.ndarray | None = None) -> np.ndarray:
        """Return the regressors of edits; the edit of nothing is 0 in every column. taste_utilities [C]: the last column."""
        columns = moves(edit_set, self.axes, taste_utilities)
        if not self.curved:
            return np.asarray(columns / self.sizes)
        end = 2 * len(edit_set.directions) + len(self.axes)
        whole = np.insert(columns, end, 0.0, axis=1) / self.sizes
        whole[:, end] = (whole[:, end - len(self.axes) : end] ** 2).mean(axis=1) / self.sizes[end]
        return np.asarray(whole)

    def tensors(self) -> dict[str, np.ndarray]:
        """Return what `of_tensors` reads."""
        return {"features.axes": self.axes, "features.sizes": self.sizes, "features.curved": np.array([self.curved], np.uint8)}

    @classmethod
    def of_tensors(cls, tensors: Mapping[str, np.ndarray]) -> "EditRegressors":
        """Read what `tensors()` returned."""
        curved = tensors.get("features.curved")  # absent in what was kept by earlier versions
        return cls(tensors["features.axes"], tensors["features.sizes"], curved is not None and bool(curved[0]))


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


def fit_regressors(
    comparisons: Sequence[Comparison], *, components: int, curved: bool = False, taste_prior: TastePrior | None = None
) -> EditRegressors:
    """Fit the axes, principal components of the changes of the embedding, and the sizes to everybody's choices.

    components: how many principal components; 0: the change itself, dimension by dimension. curved: as of EditRegressors. Raises
    ChoiceError for no choices.
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
    rows = np.concatenate([moves(side, axes, taste_prior.of(user_id, side) if taste_prior else None) for user_id, side in sides])
    return regressors_of(rows, axes, len(comparisons[0].left.directions), curved=curved)


def regressors_of(rows: np.ndarray, axes: np.ndarray, directions: int, *, curved: bool) -> EditRegressors:
    """Return regressors for edits like these. rows: float64 [C, F] as `moves` returns them, of so many directions.

    Changes of the embedding have one size, so that an axis along which hardly anything changes counts hardly anything. A column
    that is 0 everywhere is divided by 1.
    """
    sizes = np.sqrt((rows**2).mean(axis=0))
    start, end = 2 * directions, 2 * directions + len(axes)
    sizes[start:end] = np.sqrt((sizes[start:end] ** 2).mean())
    sizes = np.where(sizes > 1e-9, sizes, 1.0)
    return EditRegressors(axes, np.insert(sizes, end, 1.0) if curved else sizes, curved)


def moves(edit_set: EditSet, axes: np.ndarray, taste_utilities: np.ndarray | None = None) -> np.ndarray:
    """Return what the regressors of edits are made of, before it is divided: alphas, their squares, changes of the embedding along
    the axes, and the taste's utility if there is one, float64 [C, F]."""
    alphas = edit_set.alphas.astype(np.float64)
    changes = (edit_set.embeddings.astype(np.float64) - edit_set.original) @ axes.T
    parts = [alphas, alphas**2, changes]
    return np.concatenate(parts if taste_utilities is None else [*parts, taste_utilities[:, None]], axis=1)
