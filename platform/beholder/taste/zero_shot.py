"""Zero-shot answers: what a question in words that a taste was never fitted to is answered from.

Adapting a CLIP to some attributes forgets part of what it knew of others. Fine-tuned and original models are therefore mixed
(Wortsman et al. 2022, Robust fine-tuning of zero-shot models, by their weights); here their utilities are, as in stacked
generalisation (Wolpert 1992), with weights learned on attributes that a fit held out. The original model alone answers where no
mixture is better on held-out attributes beyond noise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]  # scipy ships no types

from beholder.errors import TasteError
from beholder.statistics import bootstrap, log_likelihood, sigmoid
from beholder.taste.validation import logit_scale

# What is mixed: CLIP as it is, the adapted CLIP as it answers for nobody in particular, how a person's answer differs from that,
# and the mean utility of the attributes that were fitted to, for nobody and how a person's differs.
PARTS = ("clip", "question", "question_own", "attributes", "attributes_own")
_PRIOR = 10.0  # held-out choices that the belief in CLIP alone is worth


@dataclass(frozen=True)
class ZeroShotAnswers:
    """What one question is answered from, of P people and N images, in utilities: clip, question and attributes are for nobody in
    particular, float64 [N]; question_own and attributes_own say how people differ from that, [P, N]."""

    clip: np.ndarray
    question: np.ndarray
    question_own: np.ndarray
    attributes: np.ndarray
    attributes_own: np.ndarray


@dataclass(frozen=True)
class ZeroShotWeights:
    """The weights of PARTS, float64 [5], none below 0."""

    values: np.ndarray

    def __post_init__(self) -> None:
        if self.values.shape != (len(PARTS),) or not np.isfinite(self.values).all() or self.values.min() < 0:
            raise TasteError(f"expected {len(PARTS)} weights of zero-shot answers, none below 0, got {self.values.tolist()}")

    @classmethod
    def of_clip(cls, scale: float = 1.0) -> "ZeroShotWeights":
        """Return the weights of CLIP as it is. scale: what its utilities are multiplied by to be logits."""
        return cls(np.array([scale, 0.0, 0.0, 0.0, 0.0]))

    @classmethod
    def of_adapted(cls) -> "ZeroShotWeights":
        """Return the weights of the adapted CLIP, with the person's own answer."""
        return cls(np.array([0.0, 1.0, 1.0, 0.0, 0.0]))

    def __getitem__(self, part: str) -> float:
        return float(self.values[PARTS.index(part)])

    @property
    def adapted(self) -> bool:
        """Return whether the adapted CLIP is asked the question."""
        return self["question"] > 0 or self["question_own"] > 0

    @property
    def attributes(self) -> bool:
        """Return whether the attributes that were fitted to are asked."""
        return self["attributes"] > 0 or self["attributes_own"] > 0

    def mix(self, answers: ZeroShotAnswers) -> np.ndarray:
        """Return the utilities of people, float64 [P, N]."""
        nobody = self["clip"] * answers.clip + self["question"] * answers.question + self["attributes"] * answers.attributes
        own = self["question_own"] * answers.question_own + self["attributes_own"] * answers.attributes_own
        return np.asarray(nobody + own)


@dataclass(frozen=True)
class HeldOutAttribute:
    """Choices about an attribute that a fit held out. differences: of PARTS between the sides, in utilities, float64 [C, 5];
    choice: 1 left, 0 right, [C]; person: int64 [C]."""

    differences: np.ndarray
    choice: np.ndarray
    person: np.ndarray

    def __len__(self) -> int:
        return len(self.choice)


def learn(attributes: Sequence[HeldOutAttribute]) -> ZeroShotWeights:
    """Return the weights under which choices about held-out attributes are most likely.

    They are tried on each attribute in turn, learned from the others: where the mean gain in log-likelihood over CLIP alone is not
    above 0 by an interval of 95 % over people, CLIP alone answers, and so it does with fewer than two held-out attributes.
    """
    known = [each for each in attributes if len(each)]
    if not known:
        return ZeroShotWeights.of_clip()
    together = _joined(known)
    alone = ZeroShotWeights.of_clip(logit_scale(together.differences[:, 0], together.choice))
    if len(known) < 2:
        return alone
    gains, people = [], []
    for number, own in enumerate(known):
        rest = _joined(known[:number] + known[number + 1 :])
        # Each at the scale that suits it: the order of images counts, not how far a mixture is carried by another attribute.
        answers = own.differences @ _weights(rest), own.differences[:, 0]
        mixed, plain = (log_likelihood(logit_scale(each, own.choice) * each, own.choice) for each in answers)
        gains.append(mixed - plain)
        people.append(own.person)
    _, person = np.unique(np.concatenate(people), return_inverse=True)
    counts = np.bincount(person)
    gain = bootstrap(np.bincount(person, np.concatenate(gains)) / counts)
    return ZeroShotWeights(_weights(together)) if gain.low > 0 else alone


def _weights(data: HeldOutAttribute) -> np.ndarray:
    """Return weights of largest posterior, float64 [5]: none below 0, a prior at CLIP alone, at the scale that suits it."""
    size = np.sqrt((data.differences**2).mean(axis=0))
    used = size > 0
    rows = data.differences / np.where(used, size, 1.0)
    start = np.zeros(len(PARTS))
    start[0] = logit_scale(rows[:, 0], data.choice) if used[0] else 0.0

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits, off = rows @ weights, weights - start
        likelihood = log_likelihood(logits, data.choice).sum()
        return _PRIOR / 2 * off @ off - likelihood, rows.T @ (sigmoid(logits) - data.choice) + _PRIOR * off

    bounds = [(0, None if each else 0) for each in used]
    best = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    return np.asarray(np.maximum(best, 0) / np.where(used, size, 1.0), np.float64)


def _joined(parts: Sequence[HeldOutAttribute]) -> HeldOutAttribute:
    return HeldOutAttribute(
        *(np.concatenate([getattr(each, name) for each in parts]) for name in ("differences", "choice", "person"))
    )
