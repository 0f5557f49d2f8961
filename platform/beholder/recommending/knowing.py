"""Knowing: what is known of a person's taste in edits, in numbers and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from beholder.recommending.options import Options
from beholder.recommending.rankers.contract import Ranker

_SURE, _LIKELY = 2.0, 1.0  # standard deviations by which an edit is better than none, to be called so
_MOST = 6  # likings that are put in words


@dataclass(frozen=True)
class Liking:
    """One direction by itself. alpha: its best strength; gain: utility above the image as it is there, in logits, on average over
    the images looked at; uncertainty: the gain's standard deviation."""

    direction: str
    alpha: float
    gain: float
    uncertainty: float

    @property
    def certainty(self) -> float:
        """How many standard deviations the gain is above nothing."""
        return self.gain / max(self.uncertainty, 1e-9)


def likings(ranker: Ranker, user_id: str, seen: Sequence[Options]) -> list[Liking]:
    """What a person likes of each direction, the largest gain first. seen: images under every candidate, at least one of them."""
    singles = np.flatnonzero((seen[0].alphas != 0).sum(axis=1) == 1)
    gains, variances = np.zeros(len(singles)), np.zeros(len(singles))
    for options in seen:
        some = options[singles]
        base = options.base
        alphas, embeddings = (np.concatenate(pair) for pair in ((base.alphas, some.alphas), (base.embeddings, some.embeddings)))
        joint = ranker.joint(user_id, Options(alphas, embeddings, options.directions, options.original))
        gains += (joint.mean[1:] - joint.mean[0]) / len(seen)
        variances += ((joint.roots[1:] - joint.roots[0]) ** 2).sum(axis=1) / len(seen)
    found = []
    alphas = seen[0].alphas[singles]
    for column, name in enumerate(seen[0].directions):
        rows = np.flatnonzero(alphas[:, column])
        if len(rows):
            best = rows[int(np.argmax(gains[rows]))]
            alpha = round(float(alphas[best, column]), 6)
            found.append(Liking(name, alpha, float(gains[best]), float(np.sqrt(variances[best]))))
    return sorted(found, key=lambda liking: -liking.gain)


def words(found: Sequence[Liking], says: Mapping[str, tuple[str, str]]) -> list[str]:
    """Likings that are more than chance, in words, the surest first. says: how the low and high ends of directions are called."""
    told = sorted((liking for liking in found if liking.certainty >= _LIKELY), key=lambda liking: -liking.certainty)
    return [f"You {'like' if each.certainty >= _SURE else 'seem to like'} {_what(each, says)}" for each in told[:_MOST]]


def _what(liking: Liking, says: Mapping[str, tuple[str, str]]) -> str:
    low, high = says.get(liking.direction, ("", ""))
    phrase = high if liking.alpha > 0 else low
    return f"somebody {phrase}" if phrase else f"{'more' if liking.alpha > 0 else 'less'} {liking.direction.replace('_', ' ')}"
