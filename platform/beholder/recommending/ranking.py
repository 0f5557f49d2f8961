"""Ranking: of a thousand edits of an image, those that this person will like most, and how sure that is.

The surrogate predicts the embedding of every candidate and the ranker orders them; the best few are drawn, encoded and
ranked again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.recommending.edit_set import EditSet
from beholder.recommending.rankers.ranker import Ranker

Confidence = Literal["a guess", "likely", "sure"]
LIKELY, SURE = 0.7, 0.9  # probabilities from which a preference is called so
RANKED_BY = ("utility", PROBABILITY := "probability")
_SAME = 1e-6  # logits by which utilities must differ, or probabilities, not to be a tie


@dataclass(frozen=True)
class RankingConfig:
    """How many candidates are drawn."""

    exact: int = setting(8, "how many of the best candidates are drawn, encoded and ranked again by their own embeddings")
    by: str | None = setting(
        None,
        "utility: the best edits are those of the highest expected utility; probability: those most probably preferred to the "
        "image as it is, so that what is far from all that a person was asked about is not recommended for what it might be; null: "
        "probability for people's own photos, else utility",
    )

    def __post_init__(self) -> None:
        if self.by not in (None, *RANKED_BY):
            raise ConfigError(f"ranking.by={self.by} is none of {', '.join(RANKED_BY)}")
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

    @property
    def confidence(self) -> Confidence:
        """The probability in words."""
        return "sure" if self.probability >= SURE else "likely" if self.probability >= LIKELY else "a guess"


UNEDITED = ScoredEdit({}, 0.0, 0.0, 0.5)  # the image as it is, which leads where no edit is better


def shortlist(ranker: Ranker, user_id: str, edit_set: EditSet, config: RankingConfig | None = None) -> np.ndarray:
    """Return the rows of the edits that are worth drawing, best first, int64 [config.exact].

    Of edits that are liked the same, the one that changes less comes first; which of those that change as much is chance, another
    for each person.
    """
    config = config or RankingConfig()
    if config.by == PROBABILITY:
        values = ranker.gain_over(user_id, edit_set, edit_set.unedited).probability
    else:
        values = ranker.utilities(user_id, edit_set)
    return best_first(values, edit_set, user_id)[: config.exact]


def is_known(ranker: Ranker, user_id: str, edit_set: EditSet, *, rounds: int = 0) -> bool:
    """Return whether anything is known of what a person likes of these edits.

    Where nothing is, none is liked better than none: all are liked as much, or less the more they change. rounds: choices of the
    person; who has made some may like none better, and that is known.
    """
    utilities = ranker.utilities(user_id, edit_set.unedited + edit_set)
    gains = utilities - utilities[0]
    return bool(gains.max() > _SAME or (rounds > 0 and np.abs(gains).max() > _SAME))


def best_first(utilities: np.ndarray, edit_set: EditSet, user_id: str) -> np.ndarray:
    """Return the rows [C] by falling utility, ties by the least change, then at random by person."""
    seed = int.from_bytes(hashlib.sha256(user_id.encode()).digest()[:8], "little")
    change = np.abs(edit_set.alphas).sum(axis=1).round(6)
    return np.lexsort((np.random.default_rng(seed).random(len(edit_set)), change, -np.round(utilities.astype(np.float64) / _SAME)))


def score(ranker: Ranker, user_id: str, edit_set: EditSet, edits: Sequence[Mapping[str, float]]) -> list[ScoredEdit]:
    """Score edits beside the unedited image, in the order given.

    edit_set: the edits with their embeddings, a row for each of `edits`.
    """
    gain = ranker.gain_over(user_id, edit_set, edit_set.unedited)
    probability, uncertainty = gain.probability, np.sqrt(gain.variance)
    return [
        ScoredEdit(edit, float(gain.mean[row]), float(uncertainty[row]), float(probability[row])) for row, edit in enumerate(edits)
    ]


def rank(
    ranker: Ranker, user_id: str, edit_set: EditSet, edits: Sequence[Mapping[str, float]], *, by: str | None = None
) -> list[ScoredEdit]:
    """Score edits beside the unedited image, best first, ties as in `shortlist`; `UNEDITED` leads where none is better.

    edit_set: the edits with their embeddings, a row for each of `edits`. by: as in RankingConfig.
    """
    scored = score(ranker, user_id, edit_set, edits)
    values = np.array([each.probability if by == PROBABILITY else each.utility for each in scored])
    scored = [scored[row] for row in best_first(values, edit_set, user_id)]
    return scored if scored and scored[0].utility > 0 else [UNEDITED, *scored]
