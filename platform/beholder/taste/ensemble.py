"""The blended taste: a weighted sum of other tastes' utilities, weighted by judgements that none of them was fitted to.

Stacked generalisation (Wolpert 1992) with a hold-out set in the place of cross-fitting: u = sum of weight * u_part, weights not
negative (Breiman 1996), of largest likelihood on held-out choices. A part that adds nothing gets the weight 0.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]

from beholder.config import setting
from beholder.errors import ConfigError, nearest
from beholder.taste import population
from beholder.taste.contract import Normal, Taste, TasteInfo
from beholder.taste.dataset import JudgementDataset

PARTS = ("bayes", "mlp")
Loader = Callable[[TasteInfo, Mapping[str, np.ndarray], Mapping[str, Any]], Taste]
_PRIOR = 10.0  # held-out choices that the belief in equal weights is worth


@dataclass(frozen=True)
class EnsembleConfig:
    """Which tastes; the knobs of each are its own."""

    parts: list[str] = setting(["bayes", "mlp"], "the tastes whose utilities are added up")

    def __post_init__(self) -> None:
        for part in self.parts:
            if part not in PARTS:
                raise ConfigError(f"taste.blend.parts: {part!r} can't be a part{nearest(part, list(PARTS))}")
        if len(self.parts) < 2 or len(set(self.parts)) < len(self.parts):
            raise ConfigError(f"taste.blend.parts must be two tastes or more, each once, got {self.parts}")


class EnsembleTaste:
    """Signs the contract of tastes; learns on where its parts do. weights: float64 [A, parts]."""

    def __init__(self, info: TasteInfo, parts: Sequence[Taste], weights: np.ndarray):
        self.info = info
        self.parts = list(parts)
        self.weights = weights

    def utilities(self, items: np.ndarray, user_ids: Sequence[str], attribute: str) -> np.ndarray:
        """The weighted sum, float32 [P, N]."""
        weights = self.weights[self.info.attribute(attribute)]
        said = [weight * part.utilities(items, user_ids, attribute) for weight, part in zip(weights, self.parts, strict=True)]
        return np.sum(said, axis=0).astype(np.float32)

    def differences(self, left: np.ndarray, right: np.ndarray, user_id: str, attribute: str) -> Normal:
        """The weighted sum; its variance is the largest it can be, that of parts that are wrong together."""
        weights = self.weights[self.info.attribute(attribute)]
        said = [part.differences(left, right, user_id, attribute) for part in self.parts]
        mean = sum(weight * belief.mean for weight, belief in zip(weights, said, strict=True))
        spread = sum(weight * np.sqrt(belief.variance) for weight, belief in zip(weights, said, strict=True))
        return Normal(np.asarray(mean, np.float32), np.asarray(spread, np.float32) ** 2)

    def learn(self, evidence: JudgementDataset, items: np.ndarray) -> "EnsembleTaste":
        """A blend that also knows the people of `evidence`: parts that learn on are told, the others go on as they are."""
        parts = [part.learn(evidence, items) if hasattr(part, "learn") else part for part in self.parts]
        known = dict.fromkeys([*self.info.people, *evidence.people])
        return EnsembleTaste(replace(self.info, people=tuple(known)), parts, self.weights)

    def choose(self, left: np.ndarray, right: np.ndarray, choice: float, user_id: str, attribute: str) -> None:
        """Learn from one choice of a person between two embeddings [D]: 1 left, 0 right, 0.5 neither."""
        for part in self.parts:
            if hasattr(part, "choose"):
                part.choose(left, right, choice, user_id, attribute)

    def tensors(self) -> Mapping[str, np.ndarray]:
        """The parts' own, by their number, and the weights."""
        own = {f"{number}/{name}": value for number, part in enumerate(self.parts) for name, value in part.tensors().items()}
        return own | {"weights": self.weights}

    def settings(self) -> dict[str, Any]:
        """What each part is for, and its own settings."""
        return {"parts": [{"about": part.info.to_dict(), "settings": part.settings()} for part in self.parts]}


def fit(parts: Sequence[Taste], held_out: JudgementDataset, items: np.ndarray, *, seed: int) -> EnsembleTaste:
    """Weigh tastes of the same people, none of them fitted to `held_out`, by what was said there."""
    first = parts[0].info
    weights = [weigh(parts, held_out.on(row), items, name, seed=seed) for row, name in enumerate(first.attributes)]
    return EnsembleTaste(replace(first, kind="blend"), parts, np.array(weights))


def weigh(parts: Sequence[Taste], held_out: JudgementDataset, items: np.ndarray, attribute: str, *, seed: int) -> np.ndarray:
    """The weights [parts], 0 or more, under which held-out choices on one attribute are most likely; equal where there are none."""
    person, left, right, choice = population.trials(held_out, seed=seed)
    said = np.zeros((len(choice), len(parts)))
    for who in np.unique(person):
        mine = person == who
        pair = items[left[mine]], items[right[mine]]
        for number, part in enumerate(parts):
            said[mine, number] = part.differences(*pair, held_out.people[who], attribute).mean
    equal = np.full(len(parts), 1 / len(parts))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        sums = said @ weights
        off = weights - equal
        told = np.logaddexp(0, -sums) * choice + np.logaddexp(0, sums) * (1 - choice)
        return told.sum() + _PRIOR / 2 * off @ off, said.T @ (_sigmoid(sums) - choice) + _PRIOR * off

    found = minimize(loss, equal, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(parts)).x
    return np.asarray(found, np.float64)


def load(info: TasteInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], load_part: Loader) -> EnsembleTaste:
    """Rebuild it from its tensors; load_part rebuilds a part."""
    parts = []
    for number, said in enumerate(settings["parts"]):
        own = {name.partition("/")[2]: value for name, value in tensors.items() if name.startswith(f"{number}/")}
        parts.append(load_part(TasteInfo.from_dict(said["about"]), own, said["settings"]))
    return EnsembleTaste(info, parts, tensors["weights"])


def without(
    tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], forget_part: Callable[..., Any], user_id: str
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """Its tensors and settings without a person; forget_part does the same for a part."""
    found, parts = {"weights": tensors["weights"]}, []
    for number, said in enumerate(settings["parts"]):
        own = {name.partition("/")[2]: value for name, value in tensors.items() if name.startswith(f"{number}/")}
        info, own, left = forget_part(TasteInfo.from_dict(said["about"]), own, said["settings"], user_id)
        parts.append({"about": info.to_dict(), "settings": left})
        found |= {f"{number}/{name}": value for name, value in own.items()}
    return found, {"parts": parts}


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.clip(x, -500, 500)))
