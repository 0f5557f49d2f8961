"""The recommender: of a thousand edits of an image, the one this person will like most, and how sure that is.

All candidates are told from the latent (perception) and ranked; the best few are drawn, encoded and ranked again by their looks.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from beholder.config import setting
from beholder.errors import ConfigError
from beholder.recommending import edit_features
from beholder.recommending.edit_set import EditSet
from beholder.recommending.rankers.ranker import Ranker
from beholder.recommending.studio import Studio, View


@dataclass(frozen=True)
class RecommendConfig:
    """How much is drawn."""

    exact: int = setting(8, "of the best candidates, so many are drawn, encoded and ranked by what they look like")

    def __post_init__(self) -> None:
        if self.exact < 1:
            raise ConfigError(f"recommend.exact must be at least 1, got {self.exact}")


@dataclass(frozen=True, eq=False)
class Recommended:
    """An edit, drawn. utility: above the image as it is, in logits, with its standard deviation `doubt`; probability: that the
    person prefers it to the image as it is; picture: uint8 RGB [R, R, 3]."""

    edit: Mapping[str, float]
    utility: float
    doubt: float
    probability: float
    picture: np.ndarray


def recommend(studio: Studio, ranker: Ranker, user_id: str, view: View, config: RecommendConfig | None = None) -> list[Recommended]:
    """The best edits for a person, best first, drawn. Where none seems better than the image as it is, the edit {} leads."""
    order = best(ranker, user_id, view.options, config)
    edits = [studio.candidates.edit(int(row)) for row in order]
    drawn = edit_features.draw(studio.editor, studio.encoder, view.latent, edits)
    seen = EditSet(view.options.alphas[order], drawn.embeddings, view.options.directions, view.options.original)
    found = [
        Recommended(edits[score.row], score.utility, score.doubt, score.probability, drawn.images[score.row])
        for score in ranked(ranker, user_id, seen)
    ]
    if found[0].utility <= 0:
        return [Recommended({}, 0.0, 0.0, 0.5, view.picture), *found]
    return found


def best(ranker: Ranker, user_id: str, options: EditSet, config: RecommendConfig | None = None) -> np.ndarray:
    """The rows of the candidates that are worth drawing, as perceived, best first, int64 [config.exact]."""
    count = (config or RecommendConfig()).exact
    return np.argsort(-ranker.joint(user_id, options).mean, kind="stable")[:count]


@dataclass(frozen=True)
class RankedRow:
    """Of one row of options; utility, doubt and probability as in Recommended."""

    row: int
    utility: float
    doubt: float
    probability: float


def ranked(ranker: Ranker, user_id: str, options: EditSet) -> list[RankedRow]:
    """Options beside the image as it is, best first."""
    base = options.base
    chances = ranker.preferred(user_id, options, base)
    alphas, embeddings = (np.concatenate(pair) for pair in ((base.alphas, options.alphas), (base.embeddings, options.embeddings)))
    joint = ranker.joint(user_id, EditSet(alphas, embeddings, options.directions, options.original))
    above = joint.mean[1:] - joint.mean[0]
    doubts = np.sqrt(((joint.roots[1:] - joint.roots[0]) ** 2).sum(axis=1))
    order = np.argsort(-above, kind="stable")
    return [RankedRow(int(row), float(above[row]), float(doubts[row]), float(chances[row])) for row in order]
