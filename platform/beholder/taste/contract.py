"""The contract of every taste: one utility per image and attribute, u(person, image, attribute), and how a kind is fitted.

A comparison is P(left) = sigma(u_left - u_right), so exchanging left and right can't change the answer. A taste that knows
how sure it is gives the difference a variance, and the probability allows for it.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from beholder.errors import EmbeddingError, TasteError, nearest
from beholder.statistics import sigmoid
from beholder.taste.dataset import JudgementDataset

Items = Literal["embeddings", "pixels"]
TasteSettings = dict[str, Any]  # JSON: text, numbers, and lists and dicts of those
Progress = Callable[[int, int, dict[str, float]], None]  # step, steps, figures


def no_progress(step: int, steps: int, figures: dict[str, float]) -> None:
    """Report nothing."""


_STORED_KINDS = {"blend": "ensemble"}  # as version 0.1.0 wrote them into cards


@dataclass(frozen=True)
class TasteInfo:
    """What a taste is for.

    kind: "bayes", "mlp", ... encoder_id: the encoder whose embeddings (or whose pixels) it takes. takes: what items are.
    attributes: the ones it was fitted to. people: whom it knows; where they are many, a sequence that is
    read as needed.
    """

    kind: str
    encoder_id: str
    attributes: tuple[str, ...]
    people: Sequence[str]
    takes: Items = "embeddings"

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value if isinstance(value, str) else list(value) for name, value in values.items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "TasteInfo":
        """Read back what `to_dict` returned. Raises KeyError or TypeError for anything else."""
        attributes, people = tuple(fields["attributes"]), tuple(fields["people"])
        return cls(_STORED_KINDS.get(fields["kind"], fields["kind"]), fields["encoder_id"], attributes, people, fields["takes"])

    def attribute(self, name: str) -> int:
        """Return the number of an attribute. Raises TasteError for one it was not fitted to."""
        if name not in self.attributes:
            raise TasteError(f"{name!r} is not an attribute of this {self.kind} taste{nearest(name, list(self.attributes))}")
        return self.attributes.index(name)

    def rows(self, user_ids: Sequence[str]) -> np.ndarray:
        """Return the number of each person, int64 [P]; -1 for somebody unknown."""
        return np.array([self._numbers.get(user_id, -1) for user_id in user_ids], np.int64)

    @functools.cached_property
    def _numbers(self) -> dict[str, int]:
        """The number of each person, made when somebody is first looked up."""
        return {user_id: row for row, user_id in enumerate(self.people)}


@dataclass(frozen=True)
class Normal:
    """Independent normals of N numbers: mean and variance, float32 [N] each."""

    mean: np.ndarray
    variance: np.ndarray

    def logits(self) -> np.ndarray:
        """Return the logit of each probability, [N]: the logistic-normal mean, after MacKay 1992."""
        return np.asarray(self.mean / np.sqrt(1 + np.pi * self.variance / 8))

    def probability(self) -> np.ndarray:
        """Return P(left) of a logistic choice whose difference is the number, [N] in 0..1."""
        return sigmoid(self.logits())


class Taste(Protocol):
    """A model of people's judgements.

    items: embeddings float32 [N, D] or pixels uint8 [N, H, W, 3], as `about.takes` says.
    """

    @property
    def info(self) -> TasteInfo:
        """What the taste is for."""

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """Return u(person, image), float32 [P, N], in units where a difference of 1 is odds of e to 1.

        Somebody unknown gets the population's. Raises TasteError for an unknown attribute, EmbeddingError for items that
        don't fit.
        """

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        """Return u(left) - u(right) for N pairs; the variance is 0 where the taste does not know it."""

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Return everything that was fitted, by name, to be written as safetensors."""

    def settings(self) -> TasteSettings:
        """Return what rebuilds it around its tensors, as JSON."""


@runtime_checkable
class OnlineTaste(Taste, Protocol):
    """A taste that goes on learning after its fit."""

    def learn(self, dataset: JudgementDataset, items: np.ndarray) -> Taste:
        """Return a taste that also knows the people of `dataset`; nobody else changes."""

    def update(self, left: np.ndarray, right: np.ndarray, choice: float, user_id: str, attribute: str) -> None:
        """Learn from one choice of a person between two embeddings [D]: 1 left, 0 right, 0.5 neither."""


class TasteKind(Protocol):
    """A kind of taste: a module, or an object, that fits tastes and reads them back. config: the settings of that kind."""

    def fit(
        self,
        train: JudgementDataset,
        held_out: JudgementDataset,
        items: np.ndarray,
        config: Any,
        *,
        encoder_id: str,
        seed: int,
        progress: Progress,
    ) -> Taste:
        """Fit a taste to `train`; `held_out` only chooses (when to stop, which setting)."""

    def load(self, info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Taste:
        """Rebuild a taste from what `tensors()` and `settings()` gave."""

    def without_person(
        self, info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], user_id: str
    ) -> tuple[dict[str, np.ndarray], TasteSettings]:
        """Return tensors and settings without what is one person's alone; the person is among `info.people`."""


def finite_embeddings(items: np.ndarray, width: int | None) -> np.ndarray:
    """Return embeddings as they have to be: a float array [N, D], finite. Raises EmbeddingError for anything else."""
    if items.ndim != 2 or items.dtype.kind != "f" or (width is not None and items.shape[1] != width):
        expected = "D" if width is None else str(width)
        raise EmbeddingError(f"expected embeddings float [N, {expected}], got {items.dtype} {list(items.shape)}")
    if not np.isfinite(items).all():
        raise EmbeddingError(f"embedding {int(np.argmin(np.isfinite(items).all(axis=1)))} has numbers that are not finite")
    return items
