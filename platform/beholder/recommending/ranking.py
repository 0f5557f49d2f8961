"""Ranking: of a thousand edits of an image, those that this person will like most, and how sure that is.

The surrogate predicts the embedding of every candidate and the ranker orders them; the best few are drawn, encoded and
ranked again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.recommending.edit_set import EditSet
from beholder.recommending.rankers.ranker import Ranker


@dataclass(frozen=True)
class RankingConfig:
    """How many candidates are drawn."""

    exact: int = setting(8, "how many of the best candidates are drawn, encoded and ranked again by their own embeddings")

    def __post_init__(self) -> None:
        if self.exact < 1:
            raise ConfigError(f"ranking.exact must be at least 1, got {self.exact}")


@dataclass(frozen=True)
class ScoredEdit:
    """An edit as a person is thought to value it.

    edit: direction -> alpha. utility: above the unedited image, in logits; uncertainty: its standard deviation; probability: that
    the person prefers the edit to the unedited image, the uncertainty allowed for.
    """

    edit: Mapping[str, float]
    utility: float
    uncertainty: float
    probability: float


UNEDITED = ScoredEdit({}, 0.0, 0.0, 0.5)  # the image as it is, which leads where no edit is better


def shortlist(ranker: Ranker, user_id: str, edit_set: EditSet, config: RankingConfig | None = None) -> np.ndarray:
    """Return the rows of the edits that are worth drawing, best first, int64 [config.exact]."""
    count = (config or RankingConfig()).exact
    return np.argsort(-ranker.utilities(user_id, edit_set), kind="stable")[:count]


def rank(ranker: Ranker, user_id: str, edit_set: EditSet, edits: Sequence[Mapping[str, float]]) -> list[ScoredEdit]:
    """Score edits beside the unedited image, best first; `UNEDITED` leads where none is better.

    edit_set: the edits with their embeddings, a row for each of `edits`.
    """
    gain = ranker.gain_over(user_id, edit_set, edit_set.unedited)
    probability, uncertainty = gain.probability, np.sqrt(gain.variance)
    scored = [
        ScoredEdit(edits[row], float(gain.mean[row]), float(uncertainty[row]), float(probability[row]))
        for row in np.argsort(-gain.mean, kind="stable").tolist()
    ]
    return scored if scored and scored[0].utility > 0 else [UNEDITED, *scored]
