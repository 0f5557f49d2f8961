"""The ensemble: a weighted sum of other tastes' utilities, weighted by judgements that none of them was fitted to.

Stacked generalisation (Wolpert 1992) with a hold-out set in the place of cross-fitting: u = sum of weight * u_part, weights not
negative (Breiman 1996), of largest likelihood on held-out choices. A part that adds nothing gets the weight 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]  # scipy ships no types

from beholder.config import setting
from beholder.errors import ConfigError, nearest
from beholder.statistics import log_likelihood, sigmoid
from beholder.taste.contract import Normal, OnlineTaste, Taste, TasteInfo, TasteSettings
from beholder.taste.dataset import Groups, JudgementDataset
from beholder.taste.validation import pairs

PARTS = ("bayes", "mlp")
_PRIOR = 10.0  # held-out choices that the belief in equal weights is worth


@dataclass(frozen=True)
class EnsembleConfig:
    """Which tastes are added up; the settings of each are its own."""

    parts: list[str] = setting(["bayes", "mlp"], "the tastes whose utilities are added up")

    def __post_init__(self) -> None:
        for part in self.parts:
            if part not in PARTS:
                raise ConfigError(f"taste.ensemble.parts: {part!r} can't be a part{nearest(part, list(PARTS))}")
        if len(self.parts) < 2 or len(set(self.parts)) < len(self.parts):
            raise ConfigError(f"taste.ensemble.parts must be two tastes or more, each once, got {self.parts}")


class EnsembleTaste:
    """A weighted sum of tastes, which goes on learning where they do. weights: float64 [A, parts]."""

    def __init__(self, info: TasteInfo, parts: Sequence[Taste], weights: np.ndarray):
        self.info = info
        self.parts = list(parts)
        self.weights = weights

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """Return the weighted sum, float32 [P, N]."""
        weights = self.weights[self.info.attribute(attribute)]
        terms = [weight * part.utilities(items, user_ids, attribute) for weight, part in zip(weights, self.parts, strict=True)]
        return np.asarray(np.sum(terms, axis=0), np.float32)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        """Return the weighted sum; its variance is the largest it can be, that of parts that are wrong together."""
        weights = self.weights[self.info.attribute(attribute)]
        terms = [part.differences(left, right, user_id, attribute) for part in self.parts]
        mean = sum(weight * term.mean for weight, term in zip(weights, terms, strict=True))
        spread = sum(weight * np.sqrt(term.variance) for weight, term in zip(weights, terms, strict=True))
        return Normal(np.asarray(mean, np.float32), np.asarray(spread, np.float32) ** 2)

    def learn(self, dataset: JudgementDataset, items: np.ndarray) -> "EnsembleTaste":
        """Return an ensemble that also knows the people of `dataset`: parts that go on learning do, the others stay as they are."""
        parts = [part.learn(dataset, items) if isinstance(part, OnlineTaste) else part for part in self.parts]
        known = dict.fromkeys([*self.info.people, *dataset.people])
        return EnsembleTaste(replace(self.info, people=tuple(known)), parts, self.weights)

    def update(self, left: np.ndarray, right: np.ndarray, choice: float, user_id: str, attribute: str) -> None:
        """Learn from one choice of a person between two embeddings [D]: 1 left, 0 right, 0.5 neither."""
        for part in self.parts:
            if isinstance(part, OnlineTaste):
                part.update(left, right, choice, user_id, attribute)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """Return the parts' own, by their number, and the weights."""
        own = {f"{number}/{name}": value for number, part in enumerate(self.parts) for name, value in part.tensors().items()}
        return own | {"weights": self.weights}

    def settings(self) -> TasteSettings:
        """Return what each part is for, and its own settings."""
        return {"parts": [{"about": part.info.to_dict(), "settings": part.settings()} for part in self.parts]}


class LoadPart(Protocol):
    """A function that rebuilds a part."""

    def __call__(self, info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> Taste: ...


class ForgetInPart(Protocol):
    """A function that takes a person out of a part as it is stored."""

    def __call__(
        self, info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], user_id: str
    ) -> tuple[TasteInfo, dict[str, np.ndarray], TasteSettings]: ...


def fit(parts: Sequence[Taste], held_out: JudgementDataset, items: np.ndarray, *, seed: int) -> EnsembleTaste:
    """Weigh tastes of the same people, none of them fitted to `held_out`, by the choices there."""
    first = parts[0].info
    weights = [weigh(parts, held_out.on_attribute(row), items, name, seed=seed) for row, name in enumerate(first.attributes)]
    return EnsembleTaste(replace(first, kind="ensemble"), parts, np.array(weights))


def weigh(parts: Sequence[Taste], held_out: JudgementDataset, items: np.ndarray, attribute: str, *, seed: int) -> np.ndarray:
    """Return the weights [parts], 0 or more, under which held-out choices on one attribute are most likely; equal without any."""
    test = pairs(held_out, seed=seed)
    terms = np.zeros((len(test), len(parts)))
    groups = Groups.of(test.person, len(held_out.people))
    for person in groups.present():
        rows = groups[person]
        pair = items[test.left[rows]], items[test.right[rows]]
        for number, part in enumerate(parts):
            terms[rows, number] = part.differences(*pair, held_out.people[person], attribute).mean
    equal, given = np.full(len(parts), 1 / len(parts)), held_out.weights_of(test)
    worth = np.ones(len(test)) if given is None else given

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits, off = terms @ weights, weights - equal
        likelihood = (worth * log_likelihood(logits, test.choice)).sum()
        return _PRIOR / 2 * off @ off - likelihood, terms.T @ (worth * (sigmoid(logits) - test.choice)) + _PRIOR * off

    best = minimize(loss, equal, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(parts)).x
    return np.asarray(best, np.float64)


def load(info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], load_part: LoadPart) -> EnsembleTaste:
    """Rebuild what `tensors()` and `settings()` gave."""
    parts = [
        load_part(TasteInfo.from_dict(part["about"]), _own(tensors, number), part["settings"])
        for number, part in enumerate(settings["parts"])
    ]
    return EnsembleTaste(info, parts, tensors["weights"])


def without_person(
    tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], user_id: str, forget_in_part: ForgetInPart
) -> tuple[dict[str, np.ndarray], TasteSettings]:
    """Return tensors and settings without a person, in every part."""
    left, parts = {"weights": tensors["weights"]}, []
    for number, part in enumerate(settings["parts"]):
        about = TasteInfo.from_dict(part["about"])
        info, own, kept = forget_in_part(about, _own(tensors, number), part["settings"], user_id)
        parts.append({"about": info.to_dict(), "settings": kept})
        left |= {f"{number}/{name}": value for name, value in own.items()}
    return left, {"parts": parts}


def _own(tensors: Mapping[str, np.ndarray], number: int) -> dict[str, np.ndarray]:
    """Return the tensors of one part."""
    return {name.partition("/")[2]: value for name, value in tensors.items() if name.startswith(f"{number}/")}
