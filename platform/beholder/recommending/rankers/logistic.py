"""Logistic regression: everybody's weights from all choices, and each person's own beside them, both held near 0 by a penalty.

The published recommender gives the person a column of their own; in a choice between two edits that column cancels, so here a
person has a weight for every feature. How much people may differ is chosen by choices that were kept out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers import ranker_features
from beholder.recommending.rankers.history import ChoiceHistory, ComparisonPairs
from beholder.recommending.rankers.ranker import JointNormal, Ranker, RankerInfo
from beholder.recommending.rankers.ranker_features import EditRegressors, TastePrior
from beholder.statistics import log_likelihood
from beholder.taste.gaussian import Gaussian, Observations, laplace


@dataclass(frozen=True)
class LogisticConfig:
    penalty: float = setting(1.0, "of everybody's squared weights")
    own_penalties: list[float] = setting([3.0, 10.0, 30.0, 100.0], "of a person's own squared weights; kept-out choices choose")

    def __post_init__(self) -> None:
        if self.penalty <= 0 or not self.own_penalties or min(self.own_penalties) <= 0:
            raise ConfigError("ranker.logistic.penalty and own_penalties must be above 0")


class LogisticRanker(Ranker):
    """Signs the contract; a person's own weights are found when they are first asked for."""

    def __init__(
        self,
        info: RankerInfo,
        regressors: EditRegressors,
        shared: np.ndarray,
        own_penalty: float,
        history: ChoiceHistory,
        config: LogisticConfig,
    ):
        self.info, self.regressors, self.shared, self.own_penalty, self.config = info, regressors, shared, own_penalty, config
        self.history = history
        self._own: dict[str, tuple[int, np.ndarray]] = {}  # how many choices it was found from, and what was found

    def update(self, comparison: Comparison) -> None:
        self.info.check(comparison.left)
        self.info.check(comparison.right)
        self.history.add(comparison, self.regressors)

    def remove_person(self, user_id: str) -> bool:
        self._own.pop(user_id, None)
        return self.history.rows.pop(user_id, None) is not None

    def of_person(self, user_id: str | None) -> "LogisticRanker":
        copy = LogisticRanker(
            self.info, self.regressors, self.shared, self.own_penalty, self.history.of_person(user_id), self.config
        )
        copy._own = {name: own for name, own in self._own.items() if name == user_id}
        return copy

    def joint(self, user_id: str, edit_set: EditSet) -> JointNormal:
        self.info.check(edit_set)
        mean = self.regressors.of(edit_set) @ (self.shared + self._weights(user_id))
        return JointNormal(mean, np.zeros((len(mean), 0)))

    def tensors(self) -> Mapping[str, np.ndarray]:
        return {**self.regressors.tensors(), **self.history.tensors(), "shared": self.shared}

    def settings(self) -> dict[str, Any]:
        return {"config": asdict(self.config), "people": list(self.history.rows), "own_penalty": self.own_penalty}

    def _weights(self, user_id: str) -> np.ndarray:
        """What a person's choices add to everybody's weights, [F]."""
        count = len(self.history.rows.get(user_id, ()))
        if not count:
            return np.zeros(self.regressors.width)
        known, start = self._own.get(user_id, (0, np.zeros(self.regressors.width)))
        if known != count:
            start = _own(self.history.of([user_id]), self.shared, self.own_penalty)
            self._own[user_id] = count, start
        return start


def fit(
    comparisons: Sequence[Comparison], config: LogisticConfig, *, taste_prior: TastePrior | None = None, seed: int = 0
) -> LogisticRanker:
    """Everybody's weights, and how far people lie from them. Nothing in it is random: seed is not used."""
    regressors = ranker_features.find(comparisons, components=0)
    history = ChoiceHistory(regressors.width)
    for comparison in comparisons:
        history.add(comparison, regressors)
    pairs = history.of(history.rows)
    wide = Gaussian(np.zeros(regressors.width), np.eye(regressors.width) / config.penalty)
    shared = laplace(wide, config.penalty * np.eye(regressors.width), _seen(pairs, None), temper=1.0, steps=50).mean
    losses = [_kept_out_loss(history, shared, penalty) for penalty in config.own_penalties]
    info = RankerInfo("logistic", comparisons[0].left.directions, comparisons[0].left.embeddings.shape[1])
    return LogisticRanker(info, regressors, shared, config.own_penalties[int(np.argmin(losses))], history, config)


def load(
    info: RankerInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], *, taste_prior: TastePrior | None = None
) -> LogisticRanker:
    """From what `tensors()` and `settings()` gave."""
    history = ChoiceHistory.of_tensors(tensors, settings["people"])
    config = LogisticConfig(**settings["config"])
    return LogisticRanker(info, EditRegressors.of_tensors(tensors), tensors["shared"], settings["own_penalty"], history, config)


def _seen(pairs: ComparisonPairs, shared: np.ndarray | None) -> Observations:
    gaps = (pairs.left - pairs.right).astype(np.float64)
    none = np.zeros((0, gaps.shape[1])), np.zeros(0), np.zeros(0)
    return Observations(*none, gaps, pairs.outcome, np.zeros(len(gaps)) if shared is None else gaps @ shared)


def _own(pairs: ComparisonPairs, shared: np.ndarray, penalty: float) -> np.ndarray:
    """The mode of a person's own weights, in the space that the N gaps span: N numbers instead of F."""
    seen = _seen(pairs, shared)
    rank = min(seen.differences.shape)
    basis = np.linalg.svd(seen.differences, full_matrices=False)[2][:rank]
    narrow = Observations(
        np.zeros((0, rank)), seen.values, seen.precisions, seen.differences @ basis.T, seen.choices, seen.offsets
    )  # fmt: skip
    prior = Gaussian(np.zeros(rank), np.eye(rank) / penalty)
    return np.asarray(laplace(prior, penalty * np.eye(rank), narrow, temper=1.0, steps=30).mean @ basis)


def _kept_out_loss(history: ChoiceHistory, shared: np.ndarray, penalty: float) -> float:
    """-log P of the last third of everybody's choices, from the first two thirds, summed."""
    loss = 0.0
    for user_id in history.rows:
        pairs = history.of([user_id])
        cut = len(pairs) * 2 // 3
        first, last = (
            ComparisonPairs(pairs.left[part], pairs.right[part], pairs.outcome[part]) for part in (slice(cut), slice(cut, None))
        )
        if len(first) and len(last):
            reached = (last.left - last.right) @ (shared + _own(first, shared, penalty))
            loss -= float(log_likelihood(reached, last.outcome).sum())
    return loss
