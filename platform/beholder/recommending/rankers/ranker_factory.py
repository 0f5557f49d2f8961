"""Ranker factory: the one place that knows every kind of ranker, to fit, to load and to start from by name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from beholder.config import setting
from beholder.errors import ChoiceError, ConfigError, nearest
from beholder.recommending.edit_set import Comparison, EditSet
from beholder.recommending.rankers import bayes_ranker, boosted_trees, logistic, ranknet
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.recommending.rankers.boosted_trees import BoostedTreesConfig
from beholder.recommending.rankers.logistic import LogisticConfig
from beholder.recommending.rankers.ranker import Ranker, RankerInfo
from beholder.recommending.rankers.ranker_features import TastePrior
from beholder.recommending.rankers.ranknet import RankNetConfig


class RankerKind(Protocol):
    """What the module of a kind of ranker has. A taste_prior is for kinds that start from a taste; the others refuse one."""

    def fit(
        self, comparisons: Sequence[Comparison], config: Any, *, taste_prior: TastePrior | None = None, seed: int = 0
    ) -> Ranker:
        """Fit to choices, each person's in order. Raises ChoiceError for no choices."""

    def load(
        self,
        info: RankerInfo,
        tensors: Mapping[str, np.ndarray],
        settings: Mapping[str, Any],
        *,
        taste_prior: TastePrior | None = None,
    ) -> Ranker:
        """Rebuild a ranker from what its `tensors()` and `settings()` gave."""


KINDS: dict[str, RankerKind] = {"bayes": bayes_ranker, "logistic": logistic, "lightgbm": boosted_trees, "ranknet": ranknet}
WITH_TASTE = ("bayes",)  # the kinds that can start from a taste


@dataclass(frozen=True)
class RankerConfig:
    """Which kind, and the settings of each."""

    kind: str = setting("bayes", "bayes, logistic, lightgbm or ranknet")
    least: int = setting(20, "choices of all people from which logistic, lightgbm and ranknet are fitted; with fewer, bayes ranks")
    logistic: LogisticConfig = setting(LogisticConfig(), "population weights and the person's own")
    lightgbm: BoostedTreesConfig = setting(BoostedTreesConfig(), "boosted trees")
    ranknet: RankNetConfig = setting(RankNetConfig(), "a small network on pairs")
    bayes: BayesRankerConfig = setting(BayesRankerConfig(), "a Gaussian posterior per person, updated on each choice")

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"ranker.kind={self.kind} is no kind of ranker{nearest(self.kind, list(KINDS))}")
        if self.least < 1:
            raise ConfigError(f"ranker.least must be at least 1, got {self.least}")


def fit(comparisons: Sequence[Comparison], config: RankerConfig, *, taste_prior: TastePrior | None = None, seed: int = 0) -> Ranker:
    """Fit a ranker to choices, each person's in order. taste_prior: a taste to start from, for the kinds of WITH_TASTE.

    Raises ChoiceError for no choices, and for a taste that this kind can't start from.
    """
    _check_taste(config.kind, taste_prior)
    return KINDS[config.kind].fit(comparisons, getattr(config, config.kind), taste_prior=taste_prior, seed=seed)


def start(
    comparisons: Sequence[Comparison],
    reference: EditSet,
    config: RankerConfig,
    *,
    taste_prior: TastePrior | None = None,
    seed: int = 0,
) -> Ranker:
    """Return the ranker that a service starts from: fitted to these choices where they are enough, else a Bayesian one, which
    needs none.

    reference: the candidates of some image, which tell how large the regressors are where there are no choices.
    """
    if config.kind == "bayes" or len(comparisons) < config.least:
        return bayes_ranker.start(comparisons, reference, config.bayes, taste_prior=taste_prior)
    return fit(comparisons, config, taste_prior=taste_prior, seed=seed)


def load(
    info: RankerInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], *, taste_prior: TastePrior | None = None
) -> Ranker:
    """Rebuild a ranker from what `tensors()` and `settings()` gave. taste_prior: the taste of the fit, where it had one.

    Raises ChoiceError for an unknown kind, and for a taste that is missing or that the fit did not have.
    """
    if info.kind not in KINDS:
        raise ChoiceError(f"{info.kind!r} is no kind of ranker{nearest(info.kind, list(KINDS))}")
    if (taste_prior is not None) != bool(settings.get("opinion")):  # the stored word for a taste prior
        raise ChoiceError(
            "this ranker was fitted with a taste: give it that one" if taste_prior is None else "this ranker takes no taste"
        )
    return KINDS[info.kind].load(info, tensors, settings, taste_prior=taste_prior)


def _check_taste(kind: str, taste_prior: TastePrior | None) -> None:
    if taste_prior is not None and kind not in WITH_TASTE:
        raise ChoiceError(f"ranker={kind} can't start from a taste: use ranker={WITH_TASTE[0]}, or give it no taste")
