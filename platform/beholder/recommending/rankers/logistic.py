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
from beholder.recommending.rankers.ranker_features import EditRegressors
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
        about: RankerInfo,
        shape: EditRegressors,
        shared: np.ndarray,
        own_penalty: float,
        memory: ChoiceHistory,
        config: LogisticConfig,
    ):
        self.about, self.shape, self.shared, self.own_penalty, self.config = about, shape, shared, own_penalty, config
        self.memory = memory
        self._own: dict[str, tuple[int, np.ndarray]] = {}  # how many choices it was found from, and what was found

    def tell(self, event: Comparison) -> None:
        self.about.check(event.left)
        self.about.check(event.right)
        self.memory.add(event, self.shape)

    def forget(self, user_id: str) -> bool:
        self._own.pop(user_id, None)
        return self.memory.rows.pop(user_id, None) is not None

    def joint(self, user_id: str, options: EditSet) -> JointNormal:
        self.about.check(options)
        mean = self.shape.of(options) @ (self.shared + self._weights(user_id))
        return JointNormal(mean, np.zeros((len(mean), 0)))

    def tensors(self) -> Mapping[str, np.ndarray]:
        return {**self.shape.tensors(), **self.memory.tensors(), "shared": self.shared}

    def settings(self) -> dict[str, Any]:
        return {"config": asdict(self.config), "people": list(self.memory.rows), "own_penalty": self.own_penalty}

    def _weights(self, user_id: str) -> np.ndarray:
        """What a person's choices add to everybody's weights, [F]."""
        count = len(self.memory.rows.get(user_id, ()))
        if not count:
            return np.zeros(self.shape.width)
        known, start = self._own.get(user_id, (0, np.zeros(self.shape.width)))
        if known != count:
            start = _own(self.memory.of([user_id]), self.shared, self.own_penalty)
            self._own[user_id] = count, start
        return start


def fit(events: Sequence[Comparison], config: LogisticConfig, *, seed: int = 0) -> LogisticRanker:
    """Everybody's weights, and how far people lie from them. Nothing in it is random: seed is not used."""
    shape = ranker_features.find(events, components=0)
    memory = ChoiceHistory(shape.width)
    for event in events:
        memory.add(event, shape)
    pairs = memory.of(memory.rows)
    wide = Gaussian(np.zeros(shape.width), np.eye(shape.width) / config.penalty)
    shared = laplace(wide, config.penalty * np.eye(shape.width), _seen(pairs, None), temper=1.0, steps=50).mean
    losses = [_kept_out_loss(memory, shared, penalty) for penalty in config.own_penalties]
    about = RankerInfo("logistic", events[0].left.directions, events[0].left.embeddings.shape[1])
    return LogisticRanker(about, shape, shared, config.own_penalties[int(np.argmin(losses))], memory, config)


def load(about: RankerInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any]) -> LogisticRanker:
    """From what `tensors()` and `settings()` gave."""
    memory = ChoiceHistory.of_tensors(tensors, settings["people"])
    config = LogisticConfig(**settings["config"])
    return LogisticRanker(about, EditRegressors.of_tensors(tensors), tensors["shared"], settings["own_penalty"], memory, config)


def _seen(pairs: ComparisonPairs, shared: np.ndarray | None) -> Observations:
    gaps = (pairs.left - pairs.right).astype(np.float64)
    none = np.zeros((0, gaps.shape[1])), np.zeros(0), np.zeros(0)
    return Observations(*none, gaps, pairs.won, np.zeros(len(gaps)) if shared is None else gaps @ shared)


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


def _kept_out_loss(memory: ChoiceHistory, shared: np.ndarray, penalty: float) -> float:
    """-log P of the last third of everybody's choices, from the first two thirds, summed."""
    loss = 0.0
    for user_id in memory.rows:
        pairs = memory.of([user_id])
        cut = len(pairs) * 2 // 3
        first, last = (
            ComparisonPairs(pairs.left[part], pairs.right[part], pairs.won[part]) for part in (slice(cut), slice(cut, None))
        )
        if len(first) and len(last):
            reached = (last.left - last.right) @ (shared + _own(first, shared, penalty))
            loss += float(np.sum(last.won * np.logaddexp(0, -reached) + (1 - last.won) * np.logaddexp(0, reached)))
    return loss
