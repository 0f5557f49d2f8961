"""Kinds: the one place that knows every kind of ranker, to fit and to load by name."""

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from beholder.config import setting
from beholder.errors import ChoiceError, ConfigError, nearest
from beholder.recommending.edit_set import Comparison
from beholder.recommending.rankers.bayes_ranker import BayesRankerConfig
from beholder.recommending.rankers.boosted_trees import BoostedTreesConfig
from beholder.recommending.rankers.logistic import LogisticConfig
from beholder.recommending.rankers.ranker import Ranker, RankerInfo
from beholder.recommending.rankers.ranker_features import TastePrior
from beholder.recommending.rankers.ranknet import RankNetConfig

KINDS = {"logistic": "logistic", "lightgbm": "boosted_trees", "ranknet": "ranknet", "bayes": "bayes_ranker"}  # kind -> file


@dataclass(frozen=True)
class RankerConfig:
    """Which kind, and the knobs of each."""

    kind: str = setting("bayes", "logistic, lightgbm, ranknet or bayes")
    logistic: LogisticConfig = setting(LogisticConfig(), "everybody's weights and the person's own")
    lightgbm: BoostedTreesConfig = setting(BoostedTreesConfig(), "boosted trees")
    ranknet: RankNetConfig = setting(RankNetConfig(), "a small network on pairs")
    bayes: BayesRankerConfig = setting(BayesRankerConfig(), "a Gaussian posterior per person, updated on each choice")

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"ranker.kind={self.kind} is no kind of ranker{nearest(self.kind, list(KINDS))}")


def fit(events: Sequence[Comparison], config: RankerConfig, *, opinion: TastePrior | None = None, seed: int = 0) -> Ranker:
    """Fit a ranker to choices, each person's in order. opinion: a taste to start from, which only `bayes` can use.

    Raises ChoiceError for no choices.
    """
    module = importlib.import_module(f"beholder.recommending.rankers.{KINDS[config.kind]}")
    more = {"opinion": opinion} if config.kind == "bayes" else {}
    found: Ranker = module.fit(events, getattr(config, config.kind), seed=seed, **more)
    return found


def load(
    about: RankerInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], *, opinion: TastePrior | None = None
) -> Ranker:
    """Rebuild a ranker from what `tensors()` and `settings()` gave. opinion: the taste of the fit, where it had one.

    Raises ChoiceError for an unknown kind, and for a taste that is missing or that the fit did not have.
    """
    if about.kind not in KINDS:
        raise ChoiceError(f"{about.kind!r} is no kind of ranker{nearest(about.kind, list(KINDS))}")
    if (opinion is not None) != bool(settings.get("opinion")):
        raise ChoiceError(
            "this ranker was fitted with a taste: give it that one" if opinion is None else "this ranker takes no taste"
        )
    module = importlib.import_module(f"beholder.recommending.rankers.{KINDS[about.kind]}")
    more = {"opinion": opinion} if about.kind == "bayes" else {}
    found: Ranker = module.load(about, tensors, settings, **more)
    return found
