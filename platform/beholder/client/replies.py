"""Replies: what the API answers, as frozen dataclasses with the names of the OpenAPI document.

Fields that a newer service adds are passed over; one that is missing is an error. An edit is direction -> alpha, {} the image as
it is.
"""

import dataclasses
import json
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from beholder.client.client_errors import UnexpectedReply
from beholder.client.retry_policy import HttpAnswer

T = TypeVar("T")
Edit = dict[str, float]
Side = Literal["left", "right", "neither"]


@dataclass(frozen=True)
class ImageReply:
    """An image. resolution: pixels of the longer side; picture: its path; loss: how far the inversion of a photo is off."""

    image_id: str
    source: str
    resolution: int
    picture: str
    loss: float | None


@dataclass(frozen=True)
class PictureFile:
    """A picture's file. data: its bytes; media_type: image/webp, image/png or image/jpeg. A notebook shows it."""

    data: bytes
    media_type: str

    def save(self, path: str | Path) -> Path:
        """Write it to a path, and return that."""
        path = Path(path)
        path.write_bytes(self.data)
        return path

    def pil(self) -> Any:
        """Return it as a PIL image. Raises ImportError without Pillow."""
        import importlib
        import io

        return importlib.import_module("PIL.Image").open(io.BytesIO(self.data))

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, bytes]:
        return {self.media_type: self.data}


@dataclass(frozen=True)
class DirectionReply:
    """A direction. low, high: its lowest and highest alpha; minus, plus: what these do, in words.

    source: the source of the images that it moves, seed or photo, where a service has an editor for each; None: all.
    """

    name: str
    low: float
    high: float
    title: str
    minus: str
    plus: str
    group: str
    locked: bool
    source: str | None = None


@dataclass(frozen=True)
class GroupReply:
    """A group of directions. locked: whether it stays as it is unless somebody asks for it."""

    name: str
    title: str
    locked: bool


@dataclass(frozen=True)
class DirectionsReply:
    """The directions that edits may name."""

    generator: str
    directions: list[DirectionReply]
    groups: list[GroupReply]


@dataclass(frozen=True)
class SideReply:
    """One side of a question. words: what the edit does; picture: its path."""

    edit: Edit
    words: str
    picture: str


@dataclass(frozen=True)
class QuestionReply:
    """Two edits to choose between.

    rounds: choices of this person; recommended_after: as many make a recommendation worth a look.
    """

    question_id: str
    user_id: str
    image_id: str
    strategy: str
    left: SideReply
    right: SideReply
    rounds: int
    recommended_after: int


@dataclass(frozen=True)
class AnswerReply:
    """An answer as it is kept. counted: False where it was there already; learned: what the person is thought to like now."""

    question_id: str
    choice: str
    counted: bool
    rounds: int
    learned: list[str]


@dataclass(frozen=True)
class RetractionReply:
    """An answer taken back. undone: False where there was none."""

    question_id: str
    rounds: int
    undone: bool


@dataclass(frozen=True)
class StepReply:
    """One direction of an edit."""

    direction: str
    alpha: float


@dataclass(frozen=True)
class VersionReply:
    """A recommended edit.

    score: utility above the image as it is, in logits; uncertainty: its standard deviation; probability, 0..1: that the person
    prefers it to the image as it is; confidence: the same in words; change: what it does to the edit that was varied; picture:
    its path.
    """

    edit: Edit
    words: str
    change: str
    directions: list[StepReply]
    score: float
    uncertainty: float
    probability: float
    confidence: str
    picture: str


@dataclass(frozen=True)
class RecommendationReply:
    """The edits that a person will like most, best first. known: False, and none, where nothing is known of the person."""

    user_id: str
    image_id: str
    attribute: str
    rounds: int
    model: str
    known: bool
    recommendations: list[VersionReply]
    reasons: list[str]


@dataclass(frozen=True)
class EditScoreReply:
    """An edit as a person is thought to value it, in the units of VersionReply."""

    edit: Edit
    words: str
    score: float
    uncertainty: float
    probability: float
    confidence: str
    picture: str


@dataclass(frozen=True)
class EditScoresReply:
    """Scores of edits, in their order."""

    user_id: str
    image_id: str
    attribute: str
    rounds: int
    model: str
    scores: list[EditScoreReply]


@dataclass(frozen=True)
class ScoreReply:
    """An image as a person is thought to value it beside typical ones.

    image_id or index: which; uncertainty: None where unknown.
    """

    score: float
    uncertainty: float | None
    probability: float
    image_id: str | None = None
    index: int | None = None


@dataclass(frozen=True)
class ScoresReply:
    """Scores of images, in their order. taste: what gave them."""

    predictions: list[ScoreReply]
    taste: str


@dataclass(frozen=True)
class PreferenceReply:
    """What a person likes along a direction. alpha: the best strength; gain: utility above the image as it is, in logits."""

    direction: str
    alpha: float
    gain: float
    uncertainty: float


@dataclass(frozen=True)
class RepeatedReply:
    """How many questions came again, and how many of them were decided as before."""

    asked: int
    same: int


@dataclass(frozen=True)
class PersonTasteReply:
    """How many choices a person made by an attribute."""

    attribute: str
    rounds: int


@dataclass(frozen=True)
class PersonReply:
    """What is known of a person's taste. words: the surest first; images: ids of their photos."""

    user_id: str
    attribute: str
    rounds: int
    words: list[str]
    repeated: RepeatedReply
    tastes: list[PersonTasteReply]
    directions: list[PreferenceReply]
    images: list[str]


@dataclass(frozen=True)
class ExportedChoiceReply:
    """One question and its answer. asked_at, answered_at: ISO 8601."""

    question_id: str
    image_id: str
    left: Edit
    right: Edit
    choice: str
    strategy: str
    asked_at: str
    answered_at: str
    response_seconds: float | None = None


@dataclass(frozen=True)
class TasteReply:
    """An exported taste: every choice that it was learned from."""

    attribute: str
    choices: list[ExportedChoiceReply]
    format: str = "beholder-taste"
    version: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON, as `import_taste` takes it."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class TasteImportReply:
    """A taste brought back. added: choices that were not there before."""

    added: int
    rounds: int


@dataclass(frozen=True)
class ErasureReply:
    """What was removed of a person. places: what was where."""

    user_id: str
    questions: int
    answers: int
    images: int
    tastes: list[str]
    places: list[str]


@dataclass(frozen=True)
class BalanceReply:
    """How often the images and pairs of a study's block were shown."""

    block: str
    images: int
    least: int
    most: int
    pairs: int
    pairs_least: int
    pairs_most: int
    left_share: float


@dataclass(frozen=True)
class StudyStatusReply:
    """How far a study is."""

    name: str
    state: str
    invited: int
    joined: int
    finished: int
    active: int
    answers: int
    repeats: int
    checks: int
    checks_passed: int
    not_sure: int
    median_ms: float
    balance: list[BalanceReply]


@dataclass(frozen=True)
class StudyStateReply:
    """A study's state, and whether it was otherwise before."""

    state: str
    changed: bool


@dataclass(frozen=True)
class FormFieldReply:
    """A field of a questionnaire. options: of a choice; low, high: of a number."""

    id: str
    text: str
    kind: str
    options: list[str]
    low: float | None
    high: float | None
    required: bool


@dataclass(frozen=True)
class StudyReply:
    """A study in one language, as its page shows it."""

    name: str
    state: str
    join: str
    lang: str
    languages: dict[str, str]
    title: str
    consent: str
    external_id: str
    low: int
    high: int
    low_label: str
    high_label: str
    ratings_not_sure: bool
    third: str
    show: str
    before: list[FormFieldReply]
    after: list[FormFieldReply]
    thanks: str
    words: dict[str, str]
    ratings_show: str = "buttons"


@dataclass(frozen=True)
class JoinReply:
    """A participant's token, which is all that is needed to go on."""

    token: str


@dataclass(frozen=True)
class TrialQuestionReply:
    """A question of a trial."""

    attribute: str
    text: str


@dataclass(frozen=True)
class StudyPartReply:
    """A block of trials that ask one question, as it is introduced."""

    name: str
    title: str
    instructions: str


@dataclass(frozen=True)
class TrialReply:
    """What is to be shown. pictures: the left one first; sure: whether only the scale or the sides may be answered."""

    trial_id: str
    block: str
    place: int
    pictures: list[str]
    questions: list[TrialQuestionReply]
    sure: bool
    part: StudyPartReply | None = None


@dataclass(frozen=True)
class StudySessionReply:
    """Where a participant is. step: consent, before, trials, after or done; trials: the one to show, and the next."""

    step: str
    lang: str
    done: int
    total: int
    trials: list[TrialReply]
    code: str
    redirect: str


@dataclass(frozen=True)
class TrialAnswerReply:
    """Whether an answer is new, and where the participant is now."""

    counted: bool
    session: StudySessionReply


@dataclass(frozen=True)
class WithdrawalReply:
    """How many answers of a participant are gone."""

    answers: int


def reader(kind: Any) -> Any:
    """Return a function that reads an HttpAnswer as this kind: one of the above, or a list or dict of them."""

    def read(answer: HttpAnswer) -> Any:
        try:
            value = json.loads(answer.body)
        except ValueError:
            raise UnexpectedReply(f"expected JSON, got {answer.body[:60]!r}; is this the address of `beholder serve`?") from None
        return of_json(kind, value)

    return read


def read_picture(answer: HttpAnswer) -> PictureFile:
    """Read an HttpAnswer as a picture. Raises UnexpectedReply for what is none."""
    media_type = answer.headers.get("content-type", "").partition(";")[0]
    if not media_type.startswith("image/"):
        raise UnexpectedReply(f"expected a picture, got {media_type or 'no media type'}; is this the address of `beholder serve`?")
    return PictureFile(answer.body, media_type)


def of_json(kind: Any, value: Any, where: str = "the answer") -> Any:
    """Return a JSON value as a kind of reply. Raises UnexpectedReply where it is none."""
    origin = get_origin(kind)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        if not isinstance(value, dict):
            raise _strange(where, kind.__name__, value)
        hints = get_type_hints(kind)
        missing = [each.name for each in dataclasses.fields(kind) if _needed(each) and each.name not in value]
        if missing:
            raise UnexpectedReply(f"{where} lacks {', '.join(missing)}: the service is of another version than this client")
        return kind(**{name: of_json(hint, value[name], f"{where}.{name}") for name, hint in hints.items() if name in value})
    if origin is list and isinstance(value, list):
        return [of_json(get_args(kind)[0], each, f"{where}[{place}]") for place, each in enumerate(value)]
    if origin is dict and isinstance(value, dict):
        return {name: of_json(get_args(kind)[1], each, f"{where}.{name}") for name, each in value.items()}
    if origin in (Union, types.UnionType):
        if value is None and type(None) in get_args(kind):
            return None
        (inner,) = (each for each in get_args(kind) if each is not type(None))
        return of_json(inner, value, where)
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if isinstance(kind, type) and isinstance(value, kind) and isinstance(value, bool) == (kind is bool):
        return value
    raise _strange(where, getattr(kind, "__name__", str(kind)), value)


def _needed(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _strange(where: str, expected: str, value: Any) -> UnexpectedReply:
    return UnexpectedReply(
        f"{where}: expected {expected}, got {str(value)[:60]!r}: the service is of another version than this client"
    )
