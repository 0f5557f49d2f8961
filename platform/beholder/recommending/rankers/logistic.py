"""Logistic regression: weights that all people share and each person's own added to them, both with an L2 penalty.

The published recommender gives the person a column of their own; in a choice between two edits that column cancels, so here a
person has a weight for every regressor. The penalty on a person's own weights is chosen on held-out choices.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers.history import ChoiceHistory, ComparisonPairs
from beholder.recommending.rankers.ranker import JointNormal, Ranker, RankerInfo
from beholder.recommending.rankers.ranker_features import EditRegressors, TastePrior, fit_regressors
from beholder.statistics import log_likelihood
from beholder.taste.gaussian import Gaussian, Observations, laplace


@dataclass(frozen=True)
class LogisticConfig:
    """The penalties."""

    penalty: float = setting(1.0, "L2 penalty on the weights that all people share")
    own_penalties: list[float] = setting(
        [3.0, 10.0, 30.0, 100.0], "L2 penalties on a person's own weights, of which the best on held-out choices is taken"
    )

    def __post_init__(self) -> None:
        if self.penalty <= 0 or not self.own_penalties or min(self.own_penalties) <= 0:
            raise ConfigError("ranker.logistic.penalty and own_penalties must be above 0")


class LogisticRanker(Ranker):
    """Implements Ranker; a person's own weights are fitted when they are first asked for."""

    def __init__(
        self,
        info: RankerInfo,
        regressors: EditRegressors,
        shared: np.ndarray,
        own_penalty: float,
        history: ChoiceHistory,
        config: LogisticConfig,
    ) -> None:
        self.info, self.regressors, self.shared, self.own_penalty, self.config = info, regressors, shared, own_penalty, config
        self.history = history
        self._own: dict[str, tuple[int, np.ndarray]] = {}  # user_id -> the number of choices that they were fitted to, the weights

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
        """Return a person's own weights [F], which are added to the shared ones."""
        count = len(self.history.rows.get(user_id, ()))
        if not count:
            return np.zeros(self.regressors.width)
        if user_id not in self._own or self._own[user_id][0] != count:
            self._own[user_id] = count, _own_weights(self.history.of([user_id]), self.shared, self.own_penalty)
        return self._own[user_id][1]


def fit(
    comparisons: Sequence[Comparison], config: LogisticConfig, *, taste_prior: TastePrior | None = None, seed: int = 0
) -> LogisticRanker:
    """Fit the shared weights, and choose the penalty on people's own. Nothing is random: seed is not used."""
    regressors = fit_regressors(comparisons, components=0)
    history = ChoiceHistory(regressors.width)
    for comparison in comparisons:
        history.add(comparison, regressors)
    pairs = history.of(history.rows)
    wide = Gaussian(np.zeros(regressors.width), np.eye(regressors.width) / config.penalty)
    shared = laplace(wide, config.penalty * np.eye(regressors.width), _observe(pairs, None), temper=1.0, steps=50).mean
    losses = [_held_out_loss(history, shared, penalty) for penalty in config.own_penalties]
    info = RankerInfo("logistic", comparisons[0].left.directions, comparisons[0].left.embeddings.shape[1])
    return LogisticRanker(info, regressors, shared, config.own_penalties[int(np.argmin(losses))], history, config)


def load(
    info: RankerInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], *, taste_prior: TastePrior | None = None
) -> LogisticRanker:
    """Rebuild a ranker from what `tensors()` and `settings()` gave."""
    history = ChoiceHistory.of_tensors(tensors, settings["people"])
    config = LogisticConfig(**settings["config"])
    return LogisticRanker(info, EditRegressors.of_tensors(tensors), tensors["shared"], settings["own_penalty"], history, config)


def _observe(pairs: ComparisonPairs, shared: np.ndarray | None) -> Observations:
    """Return choices as observations of weights. shared: weights [F] that are known already."""
    gaps = (pairs.left - pairs.right).astype(np.float64)
    none = np.zeros((0, gaps.shape[1])), np.zeros(0), np.zeros(0)
    return Observations(*none, gaps, pairs.outcome, np.zeros(len(gaps)) if shared is None else gaps @ shared)


def _own_weights(pairs: ComparisonPairs, shared: np.ndarray, penalty: float) -> np.ndarray:
    """Return the mode of a person's own weights [F], found in the space that the N differences span: N numbers instead of F."""
    full = _observe(pairs, shared)
    rank = min(full.differences.shape)
    basis = np.linalg.svd(full.differences, full_matrices=False)[2][:rank]
    narrow = Observations(
        np.zeros((0, rank)), full.values, full.precisions, full.differences @ basis.T, full.choices, full.offsets
    )  # fmt: skip
    prior = Gaussian(np.zeros(rank), np.eye(rank) / penalty)
    return np.asarray(laplace(prior, penalty * np.eye(rank), narrow, temper=1.0, steps=30).mean @ basis)


def _held_out_loss(history: ChoiceHistory, shared: np.ndarray, penalty: float) -> float:
    """Return -log P of the last third of each person's choices given the first two thirds, summed over people."""
    loss = 0.0
    for user_id in history.rows:
        pairs = history.of([user_id])
        cut = len(pairs) * 2 // 3
        first, last = (
            ComparisonPairs(pairs.left[part], pairs.right[part], pairs.outcome[part]) for part in (slice(cut), slice(cut, None))
        )
        if len(first) and len(last):
            logits = (last.left - last.right) @ (shared + _own_weights(first, shared, penalty))
            loss -= float(log_likelihood(logits, last.outcome).sum())
    return loss
