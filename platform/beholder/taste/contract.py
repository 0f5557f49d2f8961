"""The contract of every taste: one utility per image and attribute, u(person, image, attribute).

A comparison is P(left) = sigma(u_left - u_right), so exchanging left and right can't change the answer. A taste that knows
how sure it is gives the difference a variance, and the probability allows for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np

from beholder.errors import EmbeddingError, TasteError, nearest

Items = Literal["embeddings", "pixels"]


@dataclass(frozen=True)
class TasteInfo:
    """What a taste is for.

    kind: "bayes", "mlp", ... encoder_id: the encoder whose embeddings (or whose pixels) it takes. takes: what items are.
    attributes: the ones it was fitted to. people: whom it knows.
    """

    kind: str
    encoder_id: str
    attributes: tuple[str, ...]
    people: tuple[str, ...]
    takes: Items = "embeddings"

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in vars(self).items()}

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> "TasteInfo":
        """Read back what `to_dict` returned. Raises KeyError or TypeError for anything else."""
        return cls(said["kind"], said["encoder_id"], tuple(said["attributes"]), tuple(said["people"]), said["takes"])

    def attribute(self, name: str) -> int:
        """The number of an attribute. Raises TasteError for one it was not fitted to."""
        if name not in self.attributes:
            raise TasteError(f"{name!r} is not an attribute of this {self.kind} taste{nearest(name, list(self.attributes))}")
        return self.attributes.index(name)

    def rows(self, user_ids: Sequence[str]) -> np.ndarray:
        """The number of each person, int64 [P]; -1 for somebody unknown."""
        known = {user_id: row for row, user_id in enumerate(self.people)}
        return np.array([known.get(user_id, -1) for user_id in user_ids], np.int64)


@dataclass(frozen=True)
class Normal:
    """What is believed of N numbers: mean and variance, float32 [N] each."""

    mean: np.ndarray
    variance: np.ndarray

    def probability(self) -> np.ndarray:
        """P(the number's sign is plus, as a logistic choice), [N] in 0..1: the logistic-normal mean, after MacKay 1992."""
        return _sigmoid(self.mean / np.sqrt(1 + np.pi * self.variance / 8))


class Taste(Protocol):
    """A model of people's judgements.

    items: embeddings float32 [N, D] or pixels uint8 [N, H, W, 3], as `about.takes` says.
    """

    @property
    def info(self) -> TasteInfo:
        """What it is for."""

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """u(person, image), float32 [P, N], in units where a difference of 1 is odds of e to 1.

        Somebody unknown gets the population's. Raises TasteError for an unknown attribute, EmbeddingError for items that
        don't fit.
        """

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        """u(left) - u(right) for N pairs; the variance is 0 where the taste does not know it."""

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Everything that was fitted, by name, to be written as safetensors."""

    def settings(self) -> dict[str, Any]:
        """What rebuilds it around its tensors, as JSON."""


def fitting(items: np.ndarray, width: int | None) -> np.ndarray:
    """Embeddings as they have to be: a float array [N, D], finite. Raises EmbeddingError for anything else."""
    if items.ndim != 2 or items.dtype.kind != "f" or (width is not None and items.shape[1] != width):
        expected = "D" if width is None else str(width)
        raise EmbeddingError(f"expected embeddings float [N, {expected}], got {items.dtype} {list(items.shape)}")
    if not np.isfinite(items).all():
        raise EmbeddingError(f"embedding {int(np.argmin(np.isfinite(items).all(axis=1)))} has numbers that are not finite")
    return items


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -60, 60)))
