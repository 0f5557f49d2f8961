"""PreferenceRankNet: a small network that scores an edit for a person, trained on pairs with the logistic loss.

score(edit, person) = network(regressors of the edit, the person's vector). Everybody's choices train the network and their
vectors; somebody new has the vector 0, and their own choices then move their vector alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.recommending.edit_set import Comparison
from beholder.recommending.rankers.ranker import RankerInfo
from beholder.recommending.rankers.ranker_features import TastePrior

if TYPE_CHECKING:
    from beholder.recommending.rankers.rank_network import RankNet


@dataclass(frozen=True)
class RankNetConfig:
    """The network, its training, and how a person's own vector is fitted."""

    hidden: int = setting(48, "width of the two hidden layers")
    person_size: int = setting(8, "dimensions of a person's vector")
    learning_rate: float = setting(0.003, "learning rate of AdamW, for the network")
    weight_decay: float = setting(0.03, "weight decay of AdamW, for the network")
    steps: int = setting(400, "training steps at most; it stops where the validation loss does not fall")
    person_dropout: float = setting(0.2, "share of choices shown without the person, so that somebody new is served too")
    own_steps: int = setting(40, "steps of Adam for a person's own vector after new choices")
    own_rate: float = setting(0.05, "learning rate of Adam for a person's own vector")
    own_penalty: float = setting(0.5, "penalty on a person's squared vector, in choices")

    def __post_init__(self) -> None:
        if min(self.hidden, self.person_size, self.steps, self.own_steps) < 1 or min(self.learning_rate, self.own_rate) <= 0:
            raise ConfigError("ranker.ranknet: hidden, person_size, steps and own_steps must be at least 1, the rates above 0")
        if not 0 <= self.person_dropout < 1 or self.own_penalty < 0 or self.weight_decay < 0:
            raise ConfigError("ranker.ranknet.person_dropout must be in 0..1, own_penalty and weight_decay at least 0")


def fit(
    comparisons: Sequence[Comparison], config: RankNetConfig, *, taste_prior: TastePrior | None = None, seed: int = 0
) -> "RankNet":
    """Train the network on everybody's choices; a tenth of them, held out, say when to stop."""
    from beholder.recommending.rankers import rank_network  # and torch with it, which other rankers do without

    return rank_network.fit(comparisons, config, seed=seed)


def load(
    info: RankerInfo, tensors: Mapping[str, np.ndarray], settings: Mapping[str, Any], *, taste_prior: TastePrior | None = None
) -> "RankNet":
    """Rebuild a ranker from what `tensors()` and `settings()` gave. Raises ChoiceError for the weights of another network."""
    from beholder.recommending.rankers import rank_network  # as above

    return rank_network.load(info, tensors, settings)
