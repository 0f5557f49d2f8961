"""Ranker: the contract of every model of who would choose which edit, with uncertainty where it is known.

A choice is P(left) = sigma(u_left - u_right). What somebody new gets is what everybody's choices say.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from beholder.errors import ChoiceError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.taste.contract import Normal


@dataclass(frozen=True)
class RankerInfo:
    """What a ranker is for. kind: "bayes", ...; directions: the columns of alphas, in order; width: E of the embeddings."""

    kind: str
    directions: tuple[str, ...]
    width: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {"kind": self.kind, "directions": list(self.directions), "width": self.width}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "RankerInfo":
        """Read back what `to_dict` returned. Raises KeyError or TypeError for anything else."""
        return cls(record["kind"], tuple(record["directions"]), record["width"])

    def check(self, edit_set: EditSet) -> None:
        """Raise ChoiceError for edits along other directions, or embeddings of another width."""
        if edit_set.directions != self.directions:
            raise ChoiceError(
                f"this {self.kind} ranker knows the directions {', '.join(self.directions)}, in this order; "
                f"got {', '.join(edit_set.directions)}"
            )
        if edit_set.embeddings.shape[1] != self.width:
            raise ChoiceError(
                f"this {self.kind} ranker takes embeddings of {self.width} numbers, got {edit_set.embeddings.shape[1]}: "
                "use the encoder it was fitted with"
            )


@dataclass(frozen=True, eq=False)
class JointNormal:
    """The joint distribution of C utilities: a Gaussian of mean [C] and covariance factor factor', factor [C, R].

    R is 0 where there is no uncertainty."""

    mean: np.ndarray
    factor: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "JointNormal":
        return JointNormal(self.mean[rows], self.factor[rows])

    def draws(self, count: int, *, seed: int) -> np.ndarray:
        """Return joint samples, float32 [count, C]; without uncertainty they are all the same."""
        rng = np.random.default_rng(seed)
        noise = rng.standard_normal((count, self.factor.shape[1]))
        return np.asarray((self.mean + noise @ self.factor.T).astype(np.float32))


@dataclass(frozen=True, eq=False)
class Gain:
    """The utility of each edit above another's: mean and variance, in logits, and the probability of preferring it, float64 [C]."""

    mean: np.ndarray
    variance: np.ndarray
    probability: np.ndarray


class Ranker(Protocol):
    """A model of who would choose which edit. A kind inherits what is written here and writes the rest."""

    info: RankerInfo

    def update(self, comparison: Comparison) -> None:
        """Learn from one more choice; nobody else's utilities change. Raises ChoiceError for edits that don't fit."""

    def remove_person(self, user_id: str) -> bool:
        """Remove a person; returns whether they were known. What all people share was learned from them too, and stays."""

    def of_person(self, user_id: str | None) -> "Ranker":
        """Return a copy that shares what all people share, and knows this person alone; with None, nobody.

        To update the copy changes neither this ranker nor another copy.
        """

    def joint(self, user_id: str, edit_set: EditSet) -> JointNormal:
        """Return the joint distribution of C utilities, float64, in logits: a difference of 1 is odds of e to 1.

        Somebody unknown gets the population's. Raises ChoiceError for edits that don't fit.
        """

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Return everything that was fitted, to be written as safetensors."""

    def settings(self) -> dict[str, Any]:
        """Return what rebuilds it around its tensors, as JSON."""

    def utilities(self, user_id: str, edit_set: EditSet) -> np.ndarray:
        """Return the mean utility of each edit, float32 [C]."""
        return self.joint(user_id, edit_set).mean.astype(np.float32)

    def draws(self, user_id: str, edit_set: EditSet, *, count: int, seed: int) -> np.ndarray:
        """Return joint samples of the utilities, float32 [count, C]; all the same where the ranker has no uncertainty."""
        return self.joint(user_id, edit_set).draws(count, seed=seed)

    def gain_over(self, user_id: str, edit_set: EditSet, original: EditSet) -> Gain:
        """Return the utility of each edit above that of `original` (one row), by one joint distribution."""
        joint = self.joint(user_id, original + edit_set)
        gap = Normal(joint.mean[1:] - joint.mean[0], ((joint.factor[1:] - joint.factor[0]) ** 2).sum(axis=1))
        return Gain(gap.mean, gap.variance, gap.probability())

    def preferred(self, user_id: str, edit_set: EditSet, original: EditSet) -> np.ndarray:
        """Return P(the person prefers each edit to `original`), float32 [C]; the uncertainty is allowed for."""
        return self.gain_over(user_id, edit_set, original).probability.astype(np.float32)

    def hypotheses(self, user_id: str, left: EditSet, right: EditSet) -> tuple[np.ndarray, np.ndarray] | None:
        """Return how probable each hypothesis of how this person chooses is, [H], and P(left) under each for P pairs, [P, H]; None
        for a ranker that has one for everybody."""
        return None
