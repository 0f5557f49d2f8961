"""LightGBM: gradient-boosted trees that score an edit, trained on pairs with the logistic loss. The one file that imports lightgbm.

Everybody's choices train the shared trees; a person's own choices train a few small ones that are added to their scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from beholder.config import setting
from beholder.errors import ChoiceError, ConfigError
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers.history import ChoiceHistory, ComparisonPairs
from beholder.recommending.rankers.ranker import JointNormal, Ranker, RankerInfo
from beholder.recommending.rankers.ranker_features import EditRegressors, TastePrior, fit_regressors
from beholder.statistics import sigmoid

if TYPE_CHECKING:
    from lightgbm import Booster


@dataclass(frozen=True)
class BoostedTreesConfig:
    """The shared trees, and a person's own."""

    trees: int = setting(120, "boosting rounds of the shared trees")
    leaves: int = setting(15, "leaves of a shared tree at most")
    rate: float = setting(0.1, "learning rate of all trees")
    own_trees: int = setting(30, "boosting rounds of a person's own trees")
    own_leaves: int = setting(4, "leaves of a person's own tree at most")
    least: int = setting(3, "edits in a leaf of a person's own tree at least")

    def __post_init__(self) -> None:
        if min(self.trees, self.own_trees, self.least) < 1 or min(self.leaves, self.own_leaves) < 2 or not 0 < self.rate <= 1:
            raise ConfigError("ranker.lightgbm: trees, own_trees and least must be at least 1, leaves at least 2, rate in 0..1")


class BoostedTrees(Ranker):
    """Implements Ranker; a person's own trees are trained when they are first asked for."""

    def __init__(
        self, info: RankerInfo, regressors: EditRegressors, shared: "Booster", history: ChoiceHistory, config: BoostedTreesConfig
    ) -> None:
        self.info, self.regressors, self.shared, self.history, self.config = info, regressors, shared, history, config
        self._own: dict[str, tuple[int, Booster]] = {}

    def update(self, comparison: Comparison) -> None:
        self.info.check(comparison.left)
        self.info.check(comparison.right)
        self.history.add(comparison, self.regressors)

    def remove_person(self, user_id: str) -> bool:
        self._own.pop(user_id, None)
        return self.history.rows.pop(user_id, None) is not None

    def of_person(self, user_id: str | None) -> "BoostedTrees":
        copy = BoostedTrees(self.info, self.regressors, self.shared, self.history.of_person(user_id), self.config)
        copy._own = {name: own for name, own in self._own.items() if name == user_id}
        return copy

    def joint(self, user_id: str, edit_set: EditSet) -> JointNormal:
        self.info.check(edit_set)
        rows = self.regressors.of(edit_set).astype(np.float32)
        mean = _predict(self.shared, rows)
        own = self._trees(user_id)
        if own is not None:
            mean = mean + _predict(own, rows)
        return JointNormal(mean, np.zeros((len(mean), 0)))

    def tensors(self) -> Mapping[str, np.ndarray]:
        return {**self.regressors.tensors(), **self.history.tensors()}

    def settings(self) -> dict[str, Any]:
        return {"config": asdict(self.config), "people": list(self.history.rows), "shared": self.shared.model_to_string()}

    def _trees(self, user_id: str) -> "Booster | None":
        config, count = self.config, len(self.history.rows.get(user_id, ()))
        if not count:
            return None
        if user_id not in self._own or self._own[user_id][0] != count:
            pairs = self.history.of([user_id])
            start = _predict(self.shared, _sides(pairs))
            own = _grow(pairs, start, trees=config.own_trees, leaves=config.own_leaves, rate=config.rate, least=config.least)
            self._own[user_id] = count, own
        return self._own[user_id][1]


def fit(
    comparisons: Sequence[Comparison], config: BoostedTreesConfig, *, taste_prior: TastePrior | None = None, seed: int = 0
) -> BoostedTrees:
    """Train the shared trees. Nothing is random: seed is not used."""
    regressors = fit_regressors(comparisons, components=0)
    history = ChoiceHistory(regressors.width)
    for comparison in comparisons:
        history.add(comparison, regressors)
    pairs = history.of(history.rows)
    shared = _grow(pairs, np.zeros(2 * len(pairs)), trees=config.trees, leaves=config.leaves, rate=config.rate, least=20)
    info = RankerInfo("lightgbm", comparisons[0].left.directions, comparisons[0].left.embeddings.shape[1])
    return BoostedTrees(info, regressors, shared, history, config)


def load(
    info: RankerInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], *, taste_prior: TastePrior | None = None
) -> BoostedTrees:
    """Rebuild a ranker from what `tensors()` and `settings()` gave. Raises ChoiceError for trees that can't be read."""
    import lightgbm

    try:
        shared = lightgbm.Booster(model_str=settings["shared"])
    except lightgbm.basic.LightGBMError as error:
        raise ChoiceError(f"these are no trees of LightGBM: {error}") from None
    history = ChoiceHistory.of_tensors(tensors, settings["people"])
    return BoostedTrees(info, EditRegressors.of_tensors(tensors), shared, history, BoostedTreesConfig(**settings["config"]))


def _grow(pairs: ComparisonPairs, start: np.ndarray, *, trees: int, leaves: int, rate: float, least: int) -> "Booster":
    """Train trees whose scores are added to `start` [2 N], of the left sides, then the right ones."""
    import lightgbm

    count = len(pairs)

    def objective(scores: np.ndarray, _: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return gradient and Hessian of -log sigma(left - right) in each side's score."""
        chance = sigmoid(scores[:count] - scores[count:])
        slope, curve = chance - pairs.outcome, np.maximum(chance * (1 - chance), 1e-3)
        return np.concatenate([slope, -slope]), np.concatenate([curve, curve])

    data = lightgbm.Dataset(
        _sides(pairs), init_score=start, params={"verbosity": -1, "min_data_in_bin": 1, "feature_pre_filter": False}
    )
    settings = {
        "objective": objective, "num_leaves": leaves, "learning_rate": rate, "min_data_in_leaf": least, "lambda_l2": 1.0,
        "min_sum_hessian_in_leaf": 1e-3, "num_threads": 1, "verbosity": -1, "deterministic": True, "force_row_wise": True,
    }  # fmt: skip
    return lightgbm.train(settings, data, num_boost_round=trees)


def _predict(booster: "Booster", rows: np.ndarray) -> np.ndarray:
    return np.asarray(booster.predict(rows, num_threads=1), np.float64)


def _sides(pairs: ComparisonPairs) -> np.ndarray:
    return np.concatenate([pairs.left, pairs.right])
