"""What is known of a person's taste in edits, and what in their choices speaks for an edit, in numbers and in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from beholder.editing.directions.vocabulary import Vocabulary
from beholder.recommending.edit_set import EditSet
from beholder.recommending.rankers.ranker import Ranker
from beholder.recommending.store.question import Choice, edit_text

_SURE, _LIKELY = 2.0, 1.0  # standard deviations by which an edit is better than none, to be called so
_MOST = 6  # preferences that are put in words
_NOTHING = 1e-6  # logits of a gain that is none
_GUESSES = 2  # of somebody of whom too little is known to be likely


@dataclass(frozen=True)
class DirectionPreference:
    """One direction by itself. alpha: its best strength; gain: its utility there above the unedited image, in logits, on average
    over some images; uncertainty: the gain's standard deviation."""

    direction: str
    alpha: float
    gain: float
    uncertainty: float

    @property
    def certainty(self) -> float:
        """Return how many standard deviations the gain is above 0."""
        return self.gain / max(self.uncertainty, 1e-9)


def direction_preferences(ranker: Ranker, user_id: str, edit_sets: Sequence[EditSet]) -> list[DirectionPreference]:
    """Return a person's preference along each direction, the largest gain first.

    edit_sets: images under every candidate, at least one of them.
    """
    singles = np.flatnonzero((edit_sets[0].alphas != 0).sum(axis=1) == 1)
    gains, variances = np.zeros(len(singles)), np.zeros(len(singles))
    for edit_set in edit_sets:
        gain = ranker.gain_over(user_id, edit_set[singles], edit_set.unedited)
        gains += gain.mean / len(edit_sets)
        variances += gain.variance / len(edit_sets)
    preferences = []
    alphas = edit_sets[0].alphas[singles]
    for column, name in enumerate(edit_sets[0].directions):
        rows = np.flatnonzero(alphas[:, column])
        if len(rows):
            best = rows[int(np.argmax(gains[rows]))]
            alpha = round(float(alphas[best, column]), 6)
            preferences.append(DirectionPreference(name, alpha, float(gains[best]), float(np.sqrt(variances[best]))))
    return sorted(preferences, key=lambda each: -each.gain)


def words(preferences: Sequence[DirectionPreference], vocabulary: Vocabulary, *, rounds: int = 0) -> list[str]:
    """Return the preferences that are more than chance, in words, the surest first; after the first choice a guess, at least.

    rounds: how many choices there are.
    """
    ordered = sorted(preferences, key=lambda each: -each.certainty)
    certain = [each for each in ordered if each.certainty >= _LIKELY]
    if not certain and rounds:
        return [f"Perhaps you like {_what(each, vocabulary)}" for each in ordered[:_GUESSES] if each.gain > _NOTHING]
    return [f"You {'like' if each.certainty >= _SURE else 'seem to like'} {_what(each, vocabulary)}" for each in certain[:_MOST]]


def _what(preference: DirectionPreference, vocabulary: Vocabulary) -> str:
    return vocabulary[preference.direction].ends[preference.alpha > 0]


def repeated(choices: Sequence[Choice]) -> tuple[int, int]:
    """Return how often the same two edits of an image were asked about again, decided both times, and how often as before."""
    before: dict[tuple[str, str, str], str] = {}
    asked = same = 0
    for choice in choices:
        question, sides = choice.question, (edit_text(choice.question.left), edit_text(choice.question.right))
        if choice.answer.choice == "neither":
            continue
        chosen = sides[choice.answer.choice == "right"]
        key = (question.image_id, min(sides), max(sides))
        if key in before:
            asked, same = asked + 1, same + (before[key] == chosen)
        before[key] = chosen
    return asked, same


@dataclass(frozen=True)
class Reason:
    """One direction of an edit. asked: the person's decided questions whose sides differed in it; chosen: those in which the side
    that lies further the edit's way was chosen; means: what the edit does along it, in words."""

    direction: str
    alpha: float
    asked: int
    chosen: int
    means: str

    def __str__(self) -> str:
        if not self.asked:
            return f"{self.means}: you were not asked about it yet; it is what your other choices and other people's suggest"
        sentence = f"{self.means}: of {_questions(self.asked)} that differed in it, you chose this way in {self.chosen or 'none'}"
        return sentence + ("; all choices taken together still speak for it" if 2 * self.chosen < self.asked else "")


def reasons(edit: Mapping[str, float], choices: Sequence[Choice], vocabulary: Vocabulary) -> list[Reason]:
    """Return a reason for each direction that an edit moves, the strongest move first."""
    decided = [choice for choice in choices if choice.answer.choice != "neither"]
    result = []
    for name, alpha in sorted(edit.items(), key=lambda part: -abs(part[1])):
        if alpha == 0:
            continue
        way = 1 if alpha > 0 else -1
        gaps = [
            way * (choice.question.left.get(name, 0.0) - choice.question.right.get(name, 0.0)) * (2 * choice.outcome - 1)
            for choice in decided
        ]
        asked = [gap for gap in gaps if gap != 0]
        result.append(Reason(name, alpha, len(asked), sum(gap > 0 for gap in asked), vocabulary.part(name, alpha)))
    return result


def _questions(count: int) -> str:
    return "one question" if count == 1 else f"{count} questions"
