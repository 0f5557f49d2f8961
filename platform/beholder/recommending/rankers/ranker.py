"""The contract of every ranker: utilities of edits for a person, with doubt where it is known.

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

    def said(self) -> dict[str, Any]:
        """As JSON."""
        return {"kind": self.kind, "directions": list(self.directions), "width": self.width}

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> "RankerInfo":
        """From what `said` gave. Raises KeyError or TypeError for anything else."""
        return cls(said["kind"], tuple(said["directions"]), said["width"])

    def check(self, options: EditSet) -> None:
        """Raise ChoiceError for options of other directions or embeddings."""
        if options.directions != self.directions:
            raise ChoiceError(
                f"this {self.kind} ranker knows the directions {', '.join(self.directions)}, in this order; "
                f"got {', '.join(options.directions)}"
            )
        if options.embeddings.shape[1] != self.width:
            raise ChoiceError(
                f"this {self.kind} ranker takes embeddings of {self.width} numbers, got {options.embeddings.shape[1]}: "
                "use the encoder it was fitted with"
            )


@dataclass(frozen=True, eq=False)
class JointNormal:
    """C utilities believed together: a Gaussian of mean [C] and covariance roots roots', roots [C, R]; R is 0 without doubt."""

    mean: np.ndarray
    roots: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> "JointNormal":
        return JointNormal(self.mean[rows], self.roots[rows])

    def draws(self, count: int, *, seed: int) -> np.ndarray:
        """Joint samples, float32 [count, C]; without doubt they are all the same."""
        dice = np.random.default_rng(seed)
        noise = dice.standard_normal((count, self.roots.shape[1]))
        return (self.mean + noise @ self.roots.T).astype(np.float32)


class Ranker(Protocol):
    """A model of who would choose which edit. A kind inherits the three ways of asking and writes the rest."""

    about: RankerInfo

    def tell(self, event: Comparison) -> None:
        """Learn from one more choice; nobody else's utilities change. Raises ChoiceError for options that don't fit."""

    def forget(self, user_id: str) -> bool:
        """Take a person out; whether they were known. What all people share was learned from them too, and stays."""

    def joint(self, user_id: str, options: EditSet) -> JointNormal:
        """The utilities of C edits in units where a difference of 1 is odds of e to 1, float64.

        Somebody unknown gets everybody's. Raises ChoiceError for options that don't fit.
        """

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Everything that was fitted, to be written as safetensors."""

    def settings(self) -> dict[str, Any]:
        """What rebuilds it around its tensors, as JSON."""

    def utilities(self, user_id: str, options: EditSet) -> np.ndarray:
        """The mean utility of each edit, float32 [C]."""
        return self.joint(user_id, options).mean.astype(np.float32)

    def draws(self, user_id: str, options: EditSet, *, count: int, seed: int) -> np.ndarray:
        """Joint samples of the utilities, float32 [count, C]; copies where the ranker knows no doubt."""
        return self.joint(user_id, options).draws(count, seed=seed)

    def preferred(self, user_id: str, options: EditSet, base: EditSet) -> np.ndarray:
        """P(the person prefers each of these edits to `base`, one row), float32 [C]: the doubt is allowed for."""
        rows = EditSet(
            np.concatenate([base.alphas, options.alphas]), np.concatenate([base.embeddings, options.embeddings]),
            options.directions, options.original,
        )  # fmt: skip
        found = self.joint(user_id, rows)
        gaps = found.roots[1:] - found.roots[0]
        return Normal(found.mean[1:] - found.mean[0], (gaps**2).sum(axis=1)).probability().astype(np.float32)
