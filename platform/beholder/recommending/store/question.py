"""Questions and answers: two edits of an image, side by side, and which one a person chose."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from beholder.errors import ChoiceError

CHOICES = ("left", "right", "neither")
_LONGEST = 300  # characters of a name; of a person's, with an attribute behind it
SEPARATOR = "//"  # between a person and one of their tastes; in no user id that the API takes


@dataclass(frozen=True)
class Question:
    """Two edits of one image, shown to one person; the edit of nothing is the image as it is.

    left, right: direction -> alpha. strategy: the acquisition function that chose the pair; probability: of choosing this one,
    where it is known. model: the version of the prior that it used. asked_at: with a time zone.
    """

    question_id: str
    user_id: str
    image_id: str
    left: Mapping[str, float]
    right: Mapping[str, float]
    strategy: str
    asked_at: datetime
    probability: float | None = None
    model: str = ""

    def __post_init__(self) -> None:
        for name in ("question_id", "user_id", "image_id", "strategy"):
            _named(name, getattr(self, name))
        for name in ("left", "right"):
            for direction, alpha in getattr(self, name).items():
                _named("direction", direction)
                if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not math.isfinite(alpha):
                    raise ChoiceError(f"{name} of question {self.question_id}: {direction}={alpha!r}, expected a finite number")
        if _moves(self.left) == _moves(self.right):
            raise ChoiceError(f"question {self.question_id} shows the same edit on both sides")
        if self.probability is not None and not 0 < self.probability <= 1:
            raise ChoiceError(f"probability of question {self.question_id} must be above 0 and at most 1, got {self.probability}")
        _timed("asked_at", self.asked_at)


@dataclass(frozen=True)
class Answer:
    """What a person chose. event_id: the client's own, the same on a retry. response_seconds: from shown to chosen."""

    event_id: str
    question_id: str
    choice: str
    answered_at: datetime
    response_seconds: float | None = None

    def __post_init__(self) -> None:
        for name in ("event_id", "question_id"):
            _named(name, getattr(self, name))
        if self.choice not in CHOICES:
            raise ChoiceError(f"choice must be one of {', '.join(CHOICES)}, got {self.choice!r}")
        seconds = self.response_seconds
        if seconds is not None and not (math.isfinite(seconds) and seconds >= 0):
            raise ChoiceError(f"response_seconds must be a number of 0 or more, got {seconds}")
        _timed("answered_at", self.answered_at)


@dataclass(frozen=True)
class Choice:
    """An answered question. number: the person's own count of changes when it was answered, so choices come in that order."""

    question: Question
    answer: Answer
    number: int

    @property
    def outcome(self) -> float:
        """1 left, 0 right, 0.5 neither: what tastes learn from."""
        return {"left": 1.0, "right": 0.0, "neither": 0.5}[self.answer.choice]


def edit_text(edit: Mapping[str, float]) -> str:
    """Return an edit as JSON, in order of the names: equal edits have equal texts, and every alpha comes back to the last bit."""
    return json.dumps({name: float(edit[name]) for name in sorted(edit)}, allow_nan=False)


def edit_of(text: str) -> dict[str, float]:
    """Return the edit of what `edit_text` returned."""
    return {str(name): float(alpha) for name, alpha in json.loads(text).items()}


def taste_key(user_id: str, attribute: str, usual: str = "") -> str:
    """Return the name of a person's choices by an attribute: each has a taste of its own, the usual one under the person's."""
    return user_id if attribute in ("", usual) else f"{user_id}{SEPARATOR}{attribute}"


def taste_of(key: str) -> tuple[str, str]:
    """Return the person and the attribute of a `taste_key`; the attribute is empty for the usual one."""
    user_id, _, attribute = key.partition(SEPARATOR)
    return user_id, attribute


def _moves(edit: Mapping[str, float]) -> dict[str, float]:
    """Return an edit without the directions of alpha 0."""
    return {name: alpha for name, alpha in edit.items() if alpha != 0}


def _named(name: str, value: str) -> None:
    if not isinstance(value, str) or not value or len(value) > _LONGEST or "\x00" in value:
        raise ChoiceError(f"{name} must be text of 1 to {_LONGEST} characters, got {str(value)[:40]!r}")


def _timed(name: str, value: datetime) -> None:
    if value.tzinfo is None or value.astimezone(UTC).year < 1970:
        raise ChoiceError(f"{name} must be a time since 1970 with a time zone, got {value}")
