"""Reasons: what in a person's choices speaks for an edit, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from beholder.recommending.choices.question import Choice


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
