"""What is kept of a study: participants, trials, answers, and how far it is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from beholder.errors import StudyError
from beholder.studies.design import CHECK
from beholder.studies.study_config import NOT_SURE, RATINGS, StudyConfig, TrialBlock

CHECK_ATTRIBUTE = "check"  # what an attention check is answered under
STATES = ("new", "open", "closed")


@dataclass(frozen=True)
class TrialAnswer:
    """An answer to one question of a trial. value: a point of the scale as text, left, right, tie or not_sure.

    response_ms: from shown (or from the answer before) to answered, as the browser measured it.
    """

    attribute: str
    value: str
    response_ms: int


@dataclass(frozen=True)
class StudyTrial:
    """What a participant is shown. block: ratings or pairs. part: the attribute whose block it is in; "" where each trial asks all.

    right_id: None where it is an image alone. expected: what an attention check asks for.
    """

    trial_id: str
    study: str
    user_id: str
    place: int
    block: str
    role: str
    left_id: str
    right_id: str | None
    left_picture: str
    right_picture: str | None
    repeat_of: str | None
    expected: str | None
    asked_at: datetime
    answers: tuple[TrialAnswer, ...] = ()
    answered_at: datetime | None = None
    lang: str = ""
    part: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether an attention check was passed; None for other trials."""
        return None if self.role != CHECK or not self.answers else self.answers[0].value == self.expected


@dataclass(frozen=True)
class StudySession:
    """Where a participant is. step: consent, before, trials, after or done. trials: the one on show, and the next one."""

    user_id: str
    step: str
    lang: str
    done: int
    total: int
    trials: tuple[StudyTrial, ...] = ()
    code: str = ""
    redirect: str = ""


@dataclass(frozen=True)
class RecordedTrial:
    """What became of an answer: whether it is new, and where the participant is now."""

    counted: bool
    session: StudySession


@dataclass(frozen=True)
class ParticipantRecord:
    """A participant as the researcher sees them. forms: part -> field -> answer."""

    user_id: str
    study: str
    external_id: str
    lang: str
    joined_at: str
    finished_at: str
    trials: int
    checks: int
    checks_passed: int
    forms: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class StudyBalance:
    """How evenly a block's images (and pairs) were shown in trials that are answered or on show."""

    block: str
    images: int
    least: int
    most: int
    pairs: int = 0
    pairs_least: int = 0
    pairs_most: int = 0
    left_share: float = 0.5  # of the image that is farthest from half, of those shown at least 8 times


@dataclass(frozen=True)
class StudyStatus:
    """How far a study is."""

    name: str
    state: str
    invited: int
    joined: int
    finished: int
    active: int  # seen in the last five minutes
    answers: int
    repeats: int
    checks: int
    checks_passed: int
    not_sure: int
    median_ms: float
    balance: tuple[StudyBalance, ...]


def check_trial_answers(config: StudyConfig, block: TrialBlock, role: str, answers: list[TrialAnswer]) -> None:
    """Raise StudyError where the answers are not those that a trial takes: one to each question, each one that was offered."""
    wanted = [CHECK_ATTRIBUTE] if role == CHECK else [question.attribute for question in config.asked(block.attribute)]
    given = [answer.attribute for answer in answers]
    if sorted(given) != sorted(wanted):
        raise StudyError(f"expected one answer to each of {', '.join(wanted)}, got {', '.join(given) or 'none'}")
    offered = values(config, block.kind, role)
    for answer in answers:
        if answer.value not in offered:
            raise StudyError(f"{answer.attribute} must be one of {', '.join(offered)}, got {answer.value[:40]!r}")
        if not 0 <= answer.response_ms <= 86_400_000:
            raise StudyError(f"response_ms must be between 0 and a day, got {answer.response_ms}")


def values(config: StudyConfig, block: str, role: str) -> list[str]:
    """Return what may be answered in a block's trials."""
    if block == RATINGS:
        points = [str(point) for point in range(config.ratings.low, config.ratings.high + 1)]
        return points + [NOT_SURE] * (config.ratings.not_sure and role != CHECK)
    third = config.pairs.third
    return ["left", "right", *([] if third == "none" or role == CHECK else [third])]


def check_form(config: StudyConfig, part: str, answers: Mapping[str, str]) -> dict[str, str]:
    """Return a questionnaire's answers as they are kept. Raises StudyError for one that is missing, unknown or out of range."""
    fields = {field.id: field for field in getattr(config, part)}
    if unknown := [name for name in answers if name not in fields]:
        raise StudyError(f"{part} has no field {unknown[0]!r}")
    kept = {}
    for name, field in fields.items():
        value = answers.get(name, "").strip()
        if not value:
            if field.required:
                raise StudyError(f"{name} has to be answered")
            continue
        if field.kind == "choice" and value not in [str(number) for number in range(len(field.options))]:
            raise StudyError(f"{name} must be the number of an option, 0 to {len(field.options) - 1}, got {value[:40]!r}")
        if field.kind == "number":
            try:
                number = float(value)
            except ValueError:
                raise StudyError(f"{name} must be a number, got {value[:40]!r}") from None
            low, high = -1e12 if field.low is None else field.low, 1e12 if field.high is None else field.high
            if not low <= number <= high:
                raise StudyError(f"{name} must be between {low:g} and {high:g}, got {number:g}")
        if len(value) > 2000:
            raise StudyError(f"{name} must have at most 2,000 characters, got {len(value):,}")
        if field.kind == "choice":
            option = field.options[int(value)]
            value = option.get("", "") or next(iter(option.values()))
        kept[name] = value
    return kept
