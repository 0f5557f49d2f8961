"""What is known of a person's taste in edits, and what in their choices speaks for an edit, in numbers and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from beholder.recommending.edit_set import EditSet
from beholder.recommending.rankers.ranker import Ranker
from beholder.recommending.store.question import Choice

_SURE, _LIKELY = 2.0, 1.0  # standard deviations by which an edit is better than none, to be called so
_MOST = 6  # likings that are put in words


@dataclass(frozen=True)
class DirectionPreference:
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


def direction_preferences(ranker: Ranker, user_id: str, seen: Sequence[EditSet]) -> list[DirectionPreference]:
    """What a person likes of each direction, the largest gain first. seen: images under every candidate, at least one of them."""
    singles = np.flatnonzero((seen[0].alphas != 0).sum(axis=1) == 1)
    gains, variances = np.zeros(len(singles)), np.zeros(len(singles))
    for options in seen:
        some = options[singles]
        base = options.base
        alphas, embeddings = (np.concatenate(pair) for pair in ((base.alphas, some.alphas), (base.embeddings, some.embeddings)))
        joint = ranker.joint(user_id, EditSet(alphas, embeddings, options.directions, options.original))
        gains += (joint.mean[1:] - joint.mean[0]) / len(seen)
        variances += ((joint.roots[1:] - joint.roots[0]) ** 2).sum(axis=1) / len(seen)
    found = []
    alphas = seen[0].alphas[singles]
    for column, name in enumerate(seen[0].directions):
        rows = np.flatnonzero(alphas[:, column])
        if len(rows):
            best = rows[int(np.argmax(gains[rows]))]
            alpha = round(float(alphas[best, column]), 6)
            found.append(DirectionPreference(name, alpha, float(gains[best]), float(np.sqrt(variances[best]))))
    return sorted(found, key=lambda liking: -liking.gain)


def words(found: Sequence[DirectionPreference], says: Mapping[str, tuple[str, str]]) -> list[str]:
    """Likings that are more than chance, in words, the surest first. says: how the low and high ends of directions are called."""
    told = sorted((liking for liking in found if liking.certainty >= _LIKELY), key=lambda liking: -liking.certainty)
    return [f"You {'like' if each.certainty >= _SURE else 'seem to like'} {_what(each, says)}" for each in told[:_MOST]]


def _what(liking: DirectionPreference, says: Mapping[str, tuple[str, str]]) -> str:
    low, high = says.get(liking.direction, ("", ""))
    phrase = high if liking.alpha > 0 else low
    return f"somebody {phrase}" if phrase else f"{'more' if liking.alpha > 0 else 'less'} {liking.direction.replace('_', ' ')}"


@dataclass(frozen=True)
class Reason:
    """One direction of an edit. asked: the person's decided questions whose sides differed in it; won: those in which the side
    that lies further the edit's way was chosen."""

    direction: str
    alpha: float
    asked: int
    won: int
    means: str = ""

    def __str__(self) -> str:
        what = f"{self.direction} {self.alpha:+.3g}" + (f" ({self.means})" if self.means else "")
        if not self.asked:
            return f"{what}: you were not asked about it yet; it is what your other choices and other people's suggest"
        told = f"{what}: of {_questions(self.asked)} that differed in it, you chose this way in {self.won or 'none'}"
        return told + ("; all choices taken together still speak for it" if 2 * self.won < self.asked else "")


def reasons(edit: Mapping[str, float], choices: Sequence[Choice], says: Mapping[str, tuple[str, str]]) -> list[Reason]:
    """A reason for each direction that an edit moves, the strongest move first. says: how the low and high ends are called."""
    decided = [choice for choice in choices if choice.answer.choice != "neither"]
    found = []
    for name, alpha in sorted(edit.items(), key=lambda part: -abs(part[1])):
        if alpha == 0:
            continue
        way = 1 if alpha > 0 else -1
        gaps = [
            way * (choice.question.left.get(name, 0.0) - choice.question.right.get(name, 0.0)) * (2 * choice.left_won - 1)
            for choice in decided
        ]
        told = [gap for gap in gaps if gap != 0]
        low, high = says.get(name, ("", ""))
        found.append(Reason(name, alpha, len(told), sum(gap > 0 for gap in told), high if alpha > 0 else low))
    return found


def _questions(count: int) -> str:
    return "one question" if count == 1 else f"{count} questions"
